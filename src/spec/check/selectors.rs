//! What a trail records. The rules are those of [`crate::selectors`]; here their findings go to the place where the
//! user wrote what they are about, in whichever spelling.

use super::Checker;
use super::suggest;
use crate::diag::Path;
use crate::finding::PathSegment;
use crate::selectors::{self, Operator, Selectors, Target};
use crate::spec::access::partition;
use crate::spec::types::{Condition, InsightCategory, InsightType, Management, Selector, Trail};

/// What a selector can begin with.
const KINDS: &str = "`management`, `data`, `network_activity` or `FieldSelectors`";
const KEYS: [&str; 6] = [
    "name",
    "management",
    "exclude",
    "data",
    "network_activity",
    "read_only",
];

impl Checker<'_> {
    pub(super) fn selectors(&mut self, path: &Path, region: &str, trail: &Trail) {
        if trail.selectors.is_some() && trail.basic_selectors.is_some() {
            let message = "a trail has either `selectors` or `basic_selectors`";
            let other = self.sources.locate_key(&path.key("basic_selectors"));
            let path = path.key("selectors");
            let help = "keep `selectors`: they can say all that basic ones can";
            let diagnostic = self.error("selectors-both", &path, message, help);
            diagnostic
                .related
                .extend(other.map(|location| crate::diag::Related {
                    location,
                    message: "the other one".to_owned(),
                }));
            return;
        }
        let mut broken = Vec::new();
        for (index, selector) in trail.selectors.iter().flatten().enumerate() {
            if self.spelling(&path.key("selectors").index(index), selector) {
                broken.push(index);
            }
        }
        let api = trail.selectors();
        for finding in selectors::check(&api, Target::Trail) {
            let about = match finding.at.first() {
                Some(PathSegment::Index(index)) => Some(*index),
                _ => None,
            };
            // What is spelled wrongly has been said in the user's words.
            if !about.is_some_and(|index| broken.contains(&index)) {
                let place = spelled(path, trail, &finding.at);
                self.finding(place, finding);
            }
        }
        self.own_deliveries(path, region, trail, &api);
        self.insights(path, trail, &api);
        if !trail.aggregation.is_empty() && !records_data(&api) {
            let message = "`aggregation` sums up data events, and this trail records none";
            let help = "add a selector with `data:`, or remove `aggregation`";
            self.error(
                "aggregation-without-data",
                &path.key("aggregation"),
                message,
                help,
            );
        }
    }

    /// Whether the selector's own keys contradict each other.
    fn spelling(&mut self, path: &Path, selector: &Selector) -> bool {
        let before = self.out.len();
        let written = [
            ("management", selector.management.is_some()),
            ("data", selector.data.is_some()),
            ("network_activity", selector.network_activity.is_some()),
            ("FieldSelectors", selector.field_selectors.is_some()),
            (
                "eventCategory",
                selector.fields.contains_key("eventCategory"),
            ),
        ];
        let kinds: Vec<&str> = written
            .iter()
            .filter(|(_, there)| *there)
            .map(|(name, _)| *name)
            .collect();
        self.misspelled_keys(path, selector);
        if kinds.is_empty() && self.out.len() == before {
            let message = "the selector does not say which events it records";
            self.error("selector-kind", path, message, format!("add {KINDS}"));
        } else if kinds.len() > 1 {
            let kinds = suggest::list(kinds, "and");
            let message = format!("one selector cannot have {kinds}");
            self.error("selector-kind", path, message, "write a selector for each");
        }
        self.misplaced_keys(path, selector);
        self.out.len() > before
    }

    /// Any key may be a field of the record, so a slip in a key of ours would pass unseen.
    fn misspelled_keys(&mut self, path: &Path, selector: &Selector) {
        for field in selector.fields.keys() {
            if known_field(field) {
                continue;
            }
            if let Some(meant) = suggest::nearest(field, KEYS) {
                let path = path.key(field);
                let message = format!(
                    "`{field}` is neither a key of a selector nor a field that orgtrail knows"
                );
                let at = self.sources.locate_key(&path);
                let help = format!("did you mean `{meant}`?");
                self.error("selector-key", &path, message, help).location = at;
            }
        }
    }

    fn misplaced_keys(&mut self, path: &Path, selector: &Selector) {
        let mut misplaced = |key: &str, message: &str, help: &str| {
            self.error("selector-key", &path.key(key), message, help);
        };
        if !selector.exclude.is_empty() && selector.management.is_none() {
            let help = "to leave out data events use a field, such as `eventName: { NotEquals: [GetObject] }`";
            misplaced("exclude", "`exclude` belongs to `management`", help);
        }
        if selector.read_only.is_some() && selector.management.is_some() {
            let help = "write `management: read` or `management: write`";
            misplaced("read_only", "`read_only` belongs to `data`", help);
        } else if selector.read_only.is_some() && selector.network_activity.is_some() {
            let help = "network activity events do not say whether they read: remove it";
            misplaced("read_only", "`read_only` belongs to `data`", help);
        }
        if selector.read_only.is_some() && selector.fields.contains_key("readOnly") {
            misplaced(
                "readOnly",
                "`readOnly` and `read_only` say the same",
                "keep `read_only`",
            );
        }
        if selector.name.is_some() && selector.api_name.is_some() {
            misplaced("Name", "`Name` and `name` say the same", "keep one of them");
        }
        if selector.field_selectors.is_some() && !selector.fields.is_empty() {
            let help = "write the selector either as the API does or with fields of its own";
            misplaced("FieldSelectors", "`FieldSelectors` stand alone", help);
        }
    }

    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html>
    fn own_deliveries(&mut self, path: &Path, region: &str, trail: &Trail, api: &Selectors) {
        let Some(bucket) = self.spec.buckets.get(&trail.bucket) else {
            return;
        };
        let id = |account: &str| self.spec.account_id(account);
        let recorded = trail.organization || id(&bucket.account) == id(&trail.account);
        if !trail.recursive_logging || !recorded {
            return;
        }
        let partition = partition(region);
        let Some(index) = selectors::records_deliveries_to(api, partition, &bucket.name) else {
            return;
        };
        let list = match api {
            Selectors::Advanced(_) => "selectors",
            // The index counts what the basic selectors mean, several for each.
            Selectors::Basic(_) => "basic_selectors",
        };
        let path = match api {
            Selectors::Advanced(_) => path.key(list).index(index),
            Selectors::Basic(_) => path.key(list),
        };
        let message = format!(
            "the trail records its own deliveries to {}: every log file it writes is an event to log",
            bucket.name
        );
        let help = format!(
            "set `recursive_logging: false` on the trail, or leave the bucket out with `resources.ARN: {{ \
             NotStartsWith: [\"arn:{partition}:s3:::{}/\"] }}`",
            bucket.name
        );
        self.warning("selector-own-deliveries", &path, message, help);
    }

    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-insights-events-with-cloudtrail.html>
    fn insights(&mut self, path: &Path, trail: &Trail, api: &Selectors) {
        let (reads, writes) = records_management(api);
        for (insight, categories) in &trail.insights {
            let name = match insight {
                InsightType::ApiCallRateInsight => "ApiCallRateInsight",
                InsightType::ApiErrorRateInsight => "ApiErrorRateInsight",
            };
            let path = path.key("insights").key(name);
            if categories.is_empty() {
                let help = "write [Management], [Data] or both; leave the type out to turn it off";
                self.error(
                    "insights-empty",
                    &path,
                    format!("{name} has no event category"),
                    help,
                );
            }
            for (index, category) in categories.iter().enumerate() {
                let (met, needs) = match (category, insight) {
                    (InsightCategory::Data, _) => (
                        records_data(api),
                        "data events; add a selector with `data:`",
                    ),
                    (_, InsightType::ApiCallRateInsight) => (
                        writes,
                        "management events that write; add a selector with `management: write` or `all`",
                    ),
                    (_, InsightType::ApiErrorRateInsight) => (
                        reads || writes,
                        "management events; add a selector with `management:`",
                    ),
                };
                if !met {
                    let (needs, help) = needs.split_once("; ").unwrap_or((needs, ""));
                    let message = format!("{name} analyses {needs}, and this trail records none");
                    self.error("insights-prerequisite", &path.index(index), message, help);
                }
            }
        }
    }
}

/// A field as AWS spells its fields: it has a capital or a dot, which no key of ours has.
fn known_field(field: &str) -> bool {
    let known = [
        "eventCategory",
        "readOnly",
        "eventSource",
        "eventName",
        "eventType",
        "errorCode",
        "vpcEndpointId",
        "userIdentity.arn",
        "sessionCredentialFromConsole",
        "resources.type",
        "resources.ARN",
    ];
    known.contains(&field)
}

/// Whether management events that read, and that write, are recorded.
fn records_management(api: &Selectors) -> (bool, bool) {
    let mut recorded = (false, false);
    for selector in api.to_advanced() {
        if category_is(&selector, "Management") {
            let mut fields = selector.field_selectors.iter();
            let limit = fields.find(|field| field.field == "readOnly");
            let passes = |value: &str| {
                limit.is_none_or(|field| field.values(Operator::Equals).iter().any(|v| v == value))
            };
            recorded.0 |= passes("true");
            recorded.1 |= passes("false");
        }
    }
    recorded
}

fn records_data(api: &Selectors) -> bool {
    api.to_advanced()
        .iter()
        .any(|selector| category_is(selector, "Data"))
}

fn category_is(selector: &selectors::AdvancedEventSelector, category: &str) -> bool {
    selector.field_selectors.iter().any(|field| {
        field.field == "eventCategory"
            && field.values(Operator::Equals).iter().any(|v| v == category)
    })
}

/// The place in the spec of what a finding about the API's form says.
fn spelled(trail_path: &Path, trail: &Trail, route: &[PathSegment]) -> Path {
    let Some(list) = &trail.selectors else {
        return basic(trail_path, trail, route);
    };
    let path = trail_path.key("selectors");
    let [PathSegment::Index(index), rest @ ..] = route else {
        return path;
    };
    let path = path.index(*index);
    match (rest, list.get(*index)) {
        ([PathSegment::Field(field), rest @ ..], Some(selector)) => {
            field_of(&path, selector, field, rest)
        }
        _ => path,
    }
}

/// Basic selectors have the API's own shape.
fn basic(trail_path: &Path, trail: &Trail, route: &[PathSegment]) -> Path {
    if trail.basic_selectors.is_none() {
        return trail_path.clone();
    }
    trail_path.key("basic_selectors").route(route)
}

fn field_of(path: &Path, selector: &Selector, field: &str, rest: &[PathSegment]) -> Path {
    if let Some(condition) = selector.fields.get(field) {
        return condition_of(&path.key(field), condition, rest);
    }
    if let Some(fields) = &selector.field_selectors
        && let Some(index) = fields
            .iter()
            .rposition(|candidate| candidate.field == field)
    {
        let path = path.key("FieldSelectors").index(index);
        return path.route(rest);
    }
    // The value's index, below the operator.
    let index = match rest {
        [_, PathSegment::Index(index), ..] => Some(*index),
        _ => None,
    };
    let key = match field {
        "Name" if selector.api_name.is_some() => "Name",
        "Name" => "name",
        "eventSource" if selector.management.is_some() => {
            let path = path.key("exclude");
            return index.map_or(path.clone(), |index| path.index(index));
        }
        "eventSource" | "eventCategory" if selector.network_activity.is_some() => {
            "network_activity"
        }
        "readOnly" if selector.read_only.is_some() => "read_only",
        _ if selector
            .management
            .is_some_and(|m| m != Management::All || field != "readOnly") =>
        {
            "management"
        }
        _ if selector.data.is_some() => "data",
        _ => return path.clone(),
    };
    path.key(key)
}

fn condition_of(path: &Path, condition: &Condition, rest: &[PathSegment]) -> Path {
    match (condition, rest) {
        (Condition::Operators(_), _) => path.route(rest),
        (Condition::Values(_), [_, PathSegment::Index(index), ..]) => path.index(*index),
        _ => path.clone(),
    }
}
