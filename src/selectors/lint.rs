//! What AWS accepts in selectors but is hardly meant.

use crate::finding::{Finding, PathSegment};

use super::catalog;
use super::check::category;
use super::condition::{Condition, Pattern};
use super::convert::is_all;
use super::model::{
    AdvancedEventSelector, EVENT_NAME, EVENT_SOURCE, EventSelector, FieldSelector, Operator,
    READ_ONLY, RESOURCES_ARN, RESOURCES_TYPE, Selectors, USER_IDENTITY_ARN,
};

pub fn lint(selectors: &Selectors) -> Vec<Finding> {
    let mut findings = Vec::new();
    match selectors {
        Selectors::Basic(list) => {
            for (index, selector) in list.iter().enumerate() {
                lint_basic(&[PathSegment::Index(index)], selector, &mut findings);
            }
        }
        Selectors::Advanced(list) => {
            for (index, selector) in list.iter().enumerate() {
                lint_advanced(&[PathSegment::Index(index)], selector, &mut findings);
            }
        }
    }
    findings.extend(lint_set(selectors));
    findings
}

/// Every category is opt-in: a set of Data selectors alone records no management event.
fn lint_set(selectors: &Selectors) -> Option<Finding> {
    let (empty, management) = match selectors {
        Selectors::Basic(list) => (
            list.is_empty(),
            list.iter().any(|s| s.include_management_events),
        ),
        Selectors::Advanced(list) => {
            let recorded = |s: &AdvancedEventSelector| {
                // Stores of other categories have no business with management events, and what is not readable
                // is reported already.
                !matches!(category(s), Some("Data" | "NetworkActivity"))
            };
            (list.is_empty(), list.iter().any(recorded))
        }
    };
    if empty {
        return Some(Finding::error(
            "selector-none",
            Vec::new(),
            "an empty list of selectors records nothing",
            "leave the list out to record all management events, or write a selector",
        ));
    }
    (!management).then(|| {
        Finding::warning(
            "selector-no-management",
            Vec::new(),
            "no selector records management events",
            "add a selector with eventCategory Equals Management, unless another trail records them",
        )
    })
}

fn lint_basic(at: &[PathSegment], selector: &EventSelector, out: &mut Vec<Finding>) {
    let excluded = &selector.exclude_management_event_sources;
    if !selector.include_management_events && !excluded.is_empty() {
        out.push(Finding::warning(
            "selector-exclude-without-management",
            PathSegment::field("ExcludeManagementEventSources").under(at),
            "the exclusion has no effect: this selector records no management events",
            "leave it out, or set IncludeManagementEvents",
        ));
    }
    let resources = &selector.data_resources;
    if !selector.include_management_events && resources.iter().all(|r| r.values.is_empty()) {
        out.push(Finding::warning(
            "selector-records-nothing",
            at.to_vec(),
            "the selector records neither management nor data events",
            "set IncludeManagementEvents, or name data resources",
        ));
    }
    let list = PathSegment::field("DataResources").under(at);
    for (index, resource) in resources.iter().enumerate() {
        let at = PathSegment::Index(index).under(&list);
        let values = PathSegment::field("Values").under(&at);
        if resource.values.is_empty() {
            out.push(Finding::warning(
                "selector-records-nothing",
                values.clone(),
                format!(
                    "no {} is named, so none is recorded",
                    resource.resource_type
                ),
                "name an ARN, or arn:aws:s3, arn:aws:lambda or arn:aws:dynamodb for all",
            ));
        }
        for (index, value) in resource.values.iter().enumerate() {
            let at = PathSegment::Index(index).under(&values);
            out.extend(wildcard(&at, value));
            if resource.resource_type == "AWS::S3::Object" && !is_all(value) {
                out.extend(bucket_without_slash(&at, value));
            }
        }
    }
}

fn lint_advanced(at: &[PathSegment], selector: &AdvancedEventSelector, out: &mut Vec<Finding>) {
    let is_object = selector.field_selectors.iter().any(|field| {
        field.field == RESOURCES_TYPE
            && field
                .values(Operator::Equals)
                .iter()
                .any(|v| v == "AWS::S3::Object")
    });
    for field in &selector.field_selectors {
        let at = PathSegment::field(&field.field).under(at);
        out.extend(contradictions(&at, field));
        for operator in Operator::ALL {
            let at = PathSegment::Operator(operator.name()).under(&at);
            for (index, value) in field.values(operator).iter().enumerate() {
                let at = PathSegment::Index(index).under(&at);
                let value = value.as_str();
                out.extend(wildcard(&at, value));
                out.extend(match field.field.as_str() {
                    RESOURCES_TYPE => resource_type(&at, value),
                    RESOURCES_ARN if is_object => object_arn(&at, operator, value),
                    EVENT_SOURCE => event_source(&at, category(selector), operator, value),
                    EVENT_NAME => event_name(&at, operator, value),
                    USER_IDENTITY_ARN => principal(&at, operator, value),
                    _ => None,
                });
            }
        }
    }
    out.extend(both_read_only(at, selector));
}

fn wildcard(at: &[PathSegment], value: &str) -> Option<Finding> {
    value.contains('*').then(|| {
        Finding::warning(
            "selector-wildcard",
            at.to_vec(),
            format!("selectors have no wildcards: the * in {value:?} stands for itself"),
            "use StartsWith or EndsWith",
        )
    })
}

/// A positive value that a negative operator of the same field takes away entirely.
fn contradictions(at: &[PathSegment], field: &FieldSelector) -> Vec<Finding> {
    let reject = Condition::of(field).reject;
    let mut findings = Vec::new();
    for operator in Operator::ALL.into_iter().filter(|o| o.selects()) {
        for (index, value) in field.values(operator).iter().enumerate() {
            let pattern = Pattern::new(operator, value);
            if reject.iter().any(|rejected| pattern.within(rejected)) {
                let at = PathSegment::Operator(operator.name()).under(at);
                findings.push(Finding::warning(
                    "selector-contradiction",
                    PathSegment::Index(index).under(&at),
                    format!("{value:?} never matches: a negative operator rejects it"),
                    "remove one of the two; a separate selector is not bound by this one's rejections",
                ));
            }
        }
    }
    findings
}

fn both_read_only(at: &[PathSegment], selector: &AdvancedEventSelector) -> Option<Finding> {
    let mut fields = selector.field_selectors.iter();
    let field = fields.find(|field| field.field == READ_ONLY)?;
    let values = field.values(Operator::Equals);
    let both = ["true", "false"]
        .iter()
        .all(|b| values.iter().any(|v| v == b));
    both.then(|| {
        Finding::warning(
            "selector-read-only-both",
            PathSegment::field(READ_ONLY).under(at),
            "this leaves out events that carry no readOnly, such as some service events",
            "leave readOnly out to record reads and writes",
        )
    })
}

fn resource_type(at: &[PathSegment], value: &str) -> Option<Finding> {
    (!catalog::is_resource_type(value)).then(|| {
        let help = match catalog::nearest_resource_type(value) {
            Some(known) => format!("did you mean {known}?"),
            None => "it is passed to AWS as it is; AWS adds types every month".to_owned(),
        };
        let message = format!("{value:?} is no data event type that orgtrail knows");
        Finding::warning("selector-type-unknown", at.to_vec(), message, help)
    })
}

fn event_source(
    at: &[PathSegment],
    category: Option<&str>,
    operator: Operator,
    value: &str,
) -> Option<Finding> {
    if !matches!(operator, Operator::Equals | Operator::NotEquals) {
        return None;
    }
    let (known, suggestion) = match category {
        Some("NetworkActivity") => (
            catalog::is_network_source(value),
            catalog::nearest_network_source(value),
        ),
        Some("Data") => (
            catalog::is_data_source(value),
            catalog::nearest_data_source(value),
        ),
        // Any service has management events; only the shape can be judged.
        _ => (value.contains('.'), Some(format!("{value}.amazonaws.com"))),
    };
    (!known).then(|| {
        let help = match suggestion {
            Some(known) => format!("did you mean {known}?"),
            None => "it is passed to AWS as it is; AWS adds sources every month".to_owned(),
        };
        let message = format!("{value:?} is no event source that orgtrail knows here");
        Finding::warning("selector-source-unknown", at.to_vec(), message, help)
    })
}

fn event_name(at: &[PathSegment], operator: Operator, value: &str) -> Option<Finding> {
    if !matches!(operator, Operator::Equals | Operator::NotEquals) {
        return None;
    }
    let event = catalog::event_name_of(value)?;
    Some(Finding::warning(
        "selector-event-name",
        at.to_vec(),
        format!("no event is named {value}, though the API call is"),
        format!("CloudTrail names the event {event}"),
    ))
}

fn object_arn(at: &[PathSegment], operator: Operator, value: &str) -> Option<Finding> {
    match operator {
        Operator::StartsWith | Operator::NotStartsWith => bucket_without_slash(at, value),
        Operator::Equals | Operator::NotEquals => {
            let key = value
                .split_once(":::")
                .map(|(_, path)| path.split_once('/'));
            let whole_object = matches!(key, Some(Some((_, key))) if !key.is_empty());
            (!whole_object).then(|| {
                Finding::warning(
                    "selector-object-arn",
                    at.to_vec(),
                    format!("{value:?} is not the ARN of an object, so nothing equals it"),
                    "for a bucket write StartsWith arn:aws:s3:::BUCKET/",
                )
            })
        }
        Operator::EndsWith | Operator::NotEndsWith => None,
    }
}

/// A bucket name is also a prefix of other bucket names: `logs` of `logs-archive`.
fn bucket_without_slash(at: &[PathSegment], value: &str) -> Option<Finding> {
    let (_, bucket) = value.split_once(":::")?;
    (!bucket.is_empty() && !bucket.contains('/')).then(|| {
        Finding::warning(
            "selector-bucket-without-slash",
            at.to_vec(),
            format!("{value:?} also matches buckets whose names start with {bucket:?}"),
            format!("write {value}/"),
        )
    })
}

/// What a role does is recorded under the session's ARN, `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html>
fn principal(at: &[PathSegment], operator: Operator, value: &str) -> Option<Finding> {
    if value.contains(":role/") {
        return Some(Finding::warning(
            "selector-role-arn",
            at.to_vec(),
            format!("{value:?} matches no session of the role"),
            "write StartsWith arn:aws:sts::ACCOUNT:assumed-role/ROLE/",
        ));
    }
    let ends = matches!(operator, Operator::EndsWith | Operator::NotEndsWith);
    let (_, role) = value.split_once(":assumed-role/")?;
    (!ends && !role.is_empty() && !role.contains('/')).then(|| {
        Finding::warning(
            "selector-assumed-role-without-slash",
            at.to_vec(),
            match operator {
                Operator::Equals | Operator::NotEquals => {
                    format!("{value:?} lacks the session name, so nothing equals it")
                }
                _ => format!("{value:?} also matches roles whose names start with {role:?}"),
            },
            format!("write StartsWith {value}/"),
        )
    })
}
