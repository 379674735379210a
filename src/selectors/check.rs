//! What AWS refuses in selectors. What it accepts but is hardly meant is in [`super::lint`].
//!
//! The table of allowed fields is that of `AdvancedFieldSelector`:
//! <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html>

use crate::finding::{Finding, PathSegment};

use super::catalog::{BASIC_TYPES, EXCLUDABLE_SOURCES, nearest};
use super::convert::{MAX_BASIC_SELECTORS, MAX_DATA_RESOURCES, count_data_resources};
use super::lint;
use super::model::{
    AdvancedEventSelector, ERROR_CODE, EVENT_CATEGORY, EVENT_NAME, EVENT_SOURCE, EVENT_TYPE,
    EventSelector, FieldSelector, Operator, READ_ONLY, RESOURCES_ARN, RESOURCES_TYPE,
    SESSION_FROM_CONSOLE, Selectors, USER_IDENTITY_ARN, VPC_ENDPOINT_ID,
};

/// Most values over all conditions of all advanced selectors.
const MAX_VALUES: usize = 500;
const MAX_NAME: usize = 1000;
const MAX_FIELD: usize = 1000;
const MAX_VALUE: usize = 2048;

const KNOWN_FIELDS: [&str; 11] = [
    EVENT_CATEGORY,
    READ_ONLY,
    EVENT_SOURCE,
    EVENT_NAME,
    EVENT_TYPE,
    ERROR_CODE,
    VPC_ENDPOINT_ID,
    USER_IDENTITY_ARN,
    SESSION_FROM_CONSOLE,
    RESOURCES_TYPE,
    RESOURCES_ARN,
];

/// What the selectors belong to; the two allow different fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Trail,
    EventDataStore,
}

impl Target {
    pub fn noun(self) -> &'static str {
        match self {
            Self::Trail => "a trail",
            Self::EventDataStore => "an event data store",
        }
    }
}

/// Everything that AWS would refuse (errors) and everything that is probably not meant (warnings).
pub fn check(selectors: &Selectors, target: Target) -> Vec<Finding> {
    let mut findings = match selectors {
        Selectors::Basic(list) => check_basic(list, target),
        Selectors::Advanced(list) => check_advanced(list, target),
    };
    findings.extend(lint::lint(selectors));
    findings
}

fn check_basic(selectors: &[EventSelector], target: Target) -> Vec<Finding> {
    let mut findings = Vec::new();
    if target == Target::EventDataStore {
        findings.push(Finding::error(
            "selector-basic-on-event-data-store",
            Vec::new(),
            "an event data store has no basic event selectors",
            "write the same as advanced event selectors",
        ));
    }
    if selectors.len() > MAX_BASIC_SELECTORS {
        findings.push(Finding::error(
            "selector-basic-quota",
            Vec::new(),
            format!("{} basic event selectors, AWS allows 5", selectors.len()),
            "join selectors of the same ReadWriteType, or write advanced event selectors",
        ));
    }
    let counted = count_data_resources(selectors);
    if counted > MAX_DATA_RESOURCES {
        findings.push(Finding::error(
            "selector-data-resources-quota",
            Vec::new(),
            format!("{counted} data resources over all basic event selectors, AWS allows 250"),
            "select by a shared prefix, select all resources, or write advanced event selectors",
        ));
    }
    for (index, selector) in selectors.iter().enumerate() {
        check_basic_selector(&[PathSegment::Index(index)], selector, &mut findings);
    }
    findings
}

fn check_basic_selector(at: &[PathSegment], selector: &EventSelector, out: &mut Vec<Finding>) {
    let list = PathSegment::field("ExcludeManagementEventSources").under(at);
    for (index, source) in selector.exclude_management_event_sources.iter().enumerate() {
        if !EXCLUDABLE_SOURCES.contains(&source.as_str()) {
            out.push(Finding::error(
                "selector-exclude-source",
                PathSegment::Index(index).under(&list),
                format!("management events of {source:?} cannot be excluded"),
                "only kms.amazonaws.com and rdsdata.amazonaws.com can",
            ));
        }
    }
    let list = PathSegment::field("DataResources").under(at);
    for (index, resource) in selector.data_resources.iter().enumerate() {
        let at = PathSegment::Index(index).under(&list);
        if !BASIC_TYPES.contains(&resource.resource_type.as_str()) {
            out.push(Finding::error(
                "selector-basic-type",
                PathSegment::field("Type").under(&at),
                format!(
                    "basic event selectors do not know the type {:?}",
                    resource.resource_type
                ),
                format!(
                    "one of {}, or write advanced event selectors",
                    BASIC_TYPES.join(", ")
                ),
            ));
        }
        let list = PathSegment::field("Values").under(&at);
        for (index, value) in resource.values.iter().enumerate() {
            out.extend(value_length(PathSegment::Index(index).under(&list), value));
        }
    }
}

fn check_advanced(selectors: &[AdvancedEventSelector], target: Target) -> Vec<Finding> {
    let mut findings = Vec::new();
    let fields = selectors.iter().flat_map(|s| &s.field_selectors);
    let values = fields.flat_map(FieldSelector::conditions).count();
    if values > MAX_VALUES {
        findings.push(Finding::error(
            "selector-values-quota",
            Vec::new(),
            format!("{values} values over all conditions of all selectors, AWS allows 500"),
            "replace lists of values by a shared prefix or suffix",
        ));
    }
    for (index, selector) in selectors.iter().enumerate() {
        check_selector(
            &[PathSegment::Index(index)],
            selector,
            target,
            &mut findings,
        );
    }
    check_mix(selectors, target, &mut findings);
    findings
}

/// Stores of Insights events, configuration items and the like hold nothing else.
fn check_mix(selectors: &[AdvancedEventSelector], target: Target, out: &mut Vec<Finding>) {
    let categories: Vec<Option<&str>> = selectors.iter().map(category).collect();
    let Some(lone) = categories.iter().flatten().find(|c| is_store_only(c)) else {
        return;
    };
    let other = categories
        .iter()
        .position(|c| c.is_some() && *c != Some(*lone));
    if let (Some(index), Target::EventDataStore) = (other, target) {
        out.push(Finding::error(
            "selector-category-mix",
            PathSegment::field(EVENT_CATEGORY).under(&[PathSegment::Index(index)]),
            format!("an event data store for {lone} holds no other category"),
            "make one event data store for each",
        ));
    }
}

fn check_selector(
    at: &[PathSegment],
    selector: &AdvancedEventSelector,
    target: Target,
    out: &mut Vec<Finding>,
) {
    if selector
        .name
        .as_ref()
        .is_some_and(|n| n.chars().count() > MAX_NAME)
    {
        out.push(Finding::error(
            "selector-name-length",
            PathSegment::field("Name").under(at),
            "the name is longer than 1000 characters",
            "shorten it",
        ));
    }
    for (index, field) in selector.field_selectors.iter().enumerate() {
        let at = PathSegment::field(&field.field).under(at);
        check_field(&at, field, out);
        let earlier = &selector.field_selectors[..index];
        if earlier.iter().any(|other| other.field == field.field) {
            out.push(Finding::error(
                "selector-field-duplicate",
                at,
                format!("{} has two entries in one selector", field.field),
                "put all operators of the field into one entry",
            ));
        }
    }
    check_category(at, selector, target, out);
}

/// What holds for every field.
fn check_field(at: &[PathSegment], field: &FieldSelector, out: &mut Vec<Finding>) {
    let name = &field.field;
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '|');
    if name.is_empty() || name.len() > MAX_FIELD || !name.chars().all(word) {
        out.push(Finding::error(
            "selector-field-name",
            at.to_vec(),
            format!("{name:?} is no field name"),
            "1 to 1000 letters, digits, underscores and dots",
        ));
    } else if !KNOWN_FIELDS.contains(&name.as_str()) {
        let help = match nearest(name, KNOWN_FIELDS.into_iter()) {
            Some(known) => format!("did you mean {known}?"),
            None => "it is passed to AWS as it is; make sure that AWS knows it".to_owned(),
        };
        let message = format!("{name} is no field that orgtrail knows");
        out.push(Finding::warning(
            "selector-field-unknown",
            at.to_vec(),
            message,
            help,
        ));
    }
    let written = Operator::ALL.map(|operator| (operator, field.written(operator)));
    if written.iter().all(|(_, values)| values.is_none()) {
        out.push(Finding::error(
            "selector-field-without-operator",
            at.to_vec(),
            format!("{name} has no operator"),
            "write Equals, StartsWith, EndsWith or one of their negations, or leave the field out",
        ));
    }
    for (operator, values) in written {
        let at = PathSegment::Operator(operator.name()).under(at);
        if values.is_some_and(<[String]>::is_empty) {
            out.push(Finding::error(
                "selector-operator-empty",
                at.clone(),
                format!("{} of {name} has no values", operator.name()),
                "give it a value, or leave the operator out",
            ));
        }
        for (index, value) in values.unwrap_or_default().iter().enumerate() {
            out.extend(value_length(PathSegment::Index(index).under(&at), value));
        }
    }
}

fn value_length(at: Vec<PathSegment>, value: &str) -> Option<Finding> {
    let length = value.chars().count();
    let fits = (1..=MAX_VALUE).contains(&length);
    (!fits).then(|| {
        Finding::error(
            "selector-value-length",
            at,
            format!("a value of {length} characters"),
            "values have 1 to 2048 characters",
        )
    })
}

const CATEGORIES: [&str; 7] = [
    "Management",
    "Data",
    "NetworkActivity",
    "Insight",
    "ConfigurationItem",
    "Evidence",
    "ActivityAuditLog",
];

fn is_store_only(category: &str) -> bool {
    CATEGORIES[3..].contains(&category)
}

/// The category that a selector is about.
pub fn category(selector: &AdvancedEventSelector) -> Option<&str> {
    let mut fields = selector.field_selectors.iter();
    let field = fields.find(|field| field.field == EVENT_CATEGORY)?;
    field.values(Operator::Equals).first().map(String::as_str)
}

fn check_category(
    at: &[PathSegment],
    selector: &AdvancedEventSelector,
    target: Target,
    out: &mut Vec<Finding>,
) {
    let at_category = PathSegment::field(EVENT_CATEGORY).under(at);
    let named = |f: &FieldSelector| f.field == EVENT_CATEGORY;
    let Some(category) = category(selector) else {
        if !selector.field_selectors.iter().any(named) {
            out.push(Finding::error(
                "selector-category-missing",
                at.to_vec(),
                "the selector has no eventCategory",
                "add eventCategory Equals Management, Data or NetworkActivity",
            ));
        } else {
            out.push(Finding::error(
                "selector-category-operator",
                at_category,
                "eventCategory needs Equals",
                "write eventCategory Equals with one value",
            ));
        }
        return;
    };
    if !CATEGORIES.contains(&category) {
        let help = match nearest(category, CATEGORIES.into_iter()) {
            Some(known) => format!("did you mean {known}?"),
            None => format!("one of {}", CATEGORIES.join(", ")),
        };
        let message = format!("{category:?} is no event category");
        out.push(Finding::error(
            "selector-category-unknown",
            at_category,
            message,
            help,
        ));
        return;
    }
    if target == Target::Trail && is_store_only(category) {
        out.push(Finding::error(
            "selector-category-on-trail",
            at_category,
            format!("{category} events are no matter of a trail's selectors"),
            match category {
                "Insight" => "turn on Insights events with the trail's Insights selectors",
                _ => "only event data stores hold them",
            },
        ));
        return;
    }
    for required in required_fields(category) {
        if !selector
            .field_selectors
            .iter()
            .any(|f| f.field == *required)
        {
            out.push(Finding::error(
                "selector-required-field",
                at.to_vec(),
                format!("a {category} selector needs {required}"),
                format!("add {required} Equals with one value"),
            ));
        }
    }
    for field in &selector.field_selectors {
        let at = PathSegment::field(&field.field).under(at);
        check_allowed(&at, field, category, target, out);
    }
}

fn required_fields(category: &str) -> &'static [&'static str] {
    match category {
        "Data" => &[RESOURCES_TYPE],
        "NetworkActivity" => &[EVENT_SOURCE],
        _ => &[],
    }
}

/// What a selector of a category may say about a field.
struct Allowed {
    operators: &'static [Operator],
    values: Option<&'static [&'static str]>,
    /// At most one value.
    single: bool,
}

const EQUALS: &[Operator] = &[Operator::Equals];
const EQUALS_OR_NOT: &[Operator] = &[Operator::Equals, Operator::NotEquals];
const NOT_EQUALS: &[Operator] = &[Operator::NotEquals];

fn allowed(category: &str, field: &str, target: Target) -> Option<Allowed> {
    let only = |operators, values, single| {
        Some(Allowed {
            operators,
            values,
            single,
        })
    };
    let anything = || only(&Operator::ALL, None, false);
    let trail = target == Target::Trail;
    match (category, field) {
        (_, EVENT_CATEGORY) => only(EQUALS, None, true),
        ("Management" | "Data", READ_ONLY) => only(EQUALS, Some(&["true", "false"]), false),
        ("Management", EVENT_SOURCE) if trail => only(NOT_EQUALS, Some(&EXCLUDABLE_SOURCES), false),
        ("Management", EVENT_SOURCE | EVENT_NAME | EVENT_TYPE | USER_IDENTITY_ARN) if !trail => {
            anything()
        }
        ("Management", SESSION_FROM_CONSOLE) if !trail => {
            only(EQUALS_OR_NOT, Some(&["true"]), false)
        }
        ("Data", SESSION_FROM_CONSOLE) => only(EQUALS_OR_NOT, Some(&["true"]), false),
        ("Data", RESOURCES_TYPE) => only(EQUALS, None, true),
        ("Data", EVENT_NAME | RESOURCES_ARN | EVENT_SOURCE | EVENT_TYPE | USER_IDENTITY_ARN) => {
            anything()
        }
        ("NetworkActivity", EVENT_SOURCE) => only(EQUALS, None, true),
        ("NetworkActivity", EVENT_NAME | VPC_ENDPOINT_ID) => anything(),
        ("NetworkActivity", ERROR_CODE) => only(EQUALS, Some(&["VpceAccessDenied"]), false),
        ("NetworkActivity", USER_IDENTITY_ARN) if trail => anything(),
        _ => None,
    }
}

fn check_allowed(
    at: &[PathSegment],
    field: &FieldSelector,
    category: &str,
    target: Target,
    out: &mut Vec<Finding>,
) {
    let name = &field.field;
    // A field that AWS added after this was written: reported as unknown, and passed through.
    if !KNOWN_FIELDS.contains(&name.as_str()) {
        return;
    }
    let Some(allowed) = allowed(category, name, target) else {
        out.push(Finding::error(
            "selector-field-not-allowed",
            at.to_vec(),
            format!(
                "{category} selectors of {} cannot use {name}",
                target.noun()
            ),
            not_allowed_help(category, target),
        ));
        return;
    };
    for operator in Operator::ALL {
        let Some(values) = field.written(operator) else {
            continue;
        };
        let at = PathSegment::Operator(operator.name()).under(at);
        if !allowed.operators.contains(&operator) {
            let usable: Vec<&str> = allowed.operators.iter().map(|o| o.name()).collect();
            out.push(Finding::error(
                "selector-operator-not-allowed",
                at,
                format!(
                    "{name} of {category} selectors of {} has no {}",
                    target.noun(),
                    operator.name()
                ),
                format!("it has {}", usable.join(" and ")),
            ));
            continue;
        }
        check_values(&at, name, values, &allowed, out);
    }
}

fn check_values(
    at: &[PathSegment],
    name: &str,
    values: &[String],
    allowed: &Allowed,
    out: &mut Vec<Finding>,
) {
    if allowed.single && values.len() > 1 {
        out.push(Finding::error(
            "selector-several-values",
            at.to_vec(),
            format!(
                "{name} has {} values, AWS allows one in a selector",
                values.len()
            ),
            "write one selector for each value",
        ));
    }
    for (index, value) in values.iter().enumerate() {
        let Some(list) = allowed
            .values
            .filter(|list| !list.contains(&value.as_str()))
        else {
            continue;
        };
        out.push(Finding::error(
            "selector-value-not-allowed",
            PathSegment::Index(index).under(at),
            format!("{name} cannot be compared with {value:?} here"),
            format!("only with {}", list.join(" and ")),
        ));
    }
}

fn not_allowed_help(category: &str, target: Target) -> &'static str {
    match (category, target) {
        ("Management", Target::Trail) => {
            "a trail selects management events by readOnly, and may exclude kms.amazonaws.com and \
             rdsdata.amazonaws.com with eventSource NotEquals; an event data store allows more"
        }
        ("Management", Target::EventDataStore) => {
            "readOnly, eventSource, eventName, eventType, userIdentity.arn and \
             sessionCredentialFromConsole are allowed"
        }
        ("Data", _) => {
            "resources.type, readOnly, eventName, resources.ARN, eventSource, eventType, \
             userIdentity.arn and sessionCredentialFromConsole are allowed"
        }
        ("NetworkActivity", Target::Trail) => {
            "eventSource, eventName, vpcEndpointId, errorCode and userIdentity.arn are allowed"
        }
        ("NetworkActivity", Target::EventDataStore) => {
            "eventSource, eventName, vpcEndpointId and errorCode are allowed"
        }
        _ => "only eventCategory is allowed",
    }
}
