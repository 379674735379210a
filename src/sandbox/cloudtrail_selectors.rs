//! Event selectors of trails, and which of them CloudTrail refuses.
//!
//! User Guide, pages "logging-data-events-with-cloudtrail", "logging-management-events-with-cloudtrail",
//! "logging-network-events-with-cloudtrail" and "filtering-data-events"; API, pages PutEventSelectors and
//! AdvancedEventSelector.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cloudtrail::{Intent, find_trail, trail_mut};
use super::dispatch::Call;
use super::error::{Answer, refuse};
use super::policy::strings;
use super::state::Trail;

const MAX_BASIC: usize = 5;
const MAX_DATA_RESOURCES: usize = 250;
const MAX_VALUES: usize = 500;
const MAX_NAME: usize = 1000;
const MAX_VALUE: usize = 2048;

const OPERATORS: [&str; 6] = [
    "Equals",
    "StartsWith",
    "EndsWith",
    "NotEquals",
    "NotStartsWith",
    "NotEndsWith",
];
const ANY: &[&str] = &OPERATORS;
const EQUALS: &[&str] = &["Equals"];
const NOT_EQUALS: &[&str] = &["NotEquals"];
const EQUALS_OR_NOT: &[&str] = &["Equals", "NotEquals"];

/// Sources whose management events a trail may leave out.
const EXCLUDABLE: &[&str] = &["kms.amazonaws.com", "rdsdata.amazonaws.com"];
/// Basic data resources: type, the value for all, and how its ARNs begin.
const BASIC_TYPES: [(&str, &str); 3] = [
    ("AWS::S3::Object", "arn:aws:s3"),
    ("AWS::Lambda::Function", "arn:aws:lambda"),
    ("AWS::DynamoDB::Table", "arn:aws:dynamodb"),
];

/// One field of an advanced selector in one category.
struct FieldRule {
    category: &'static str,
    field: &'static str,
    operators: &'static [&'static str],
    /// The only values there are, if any.
    values: Option<&'static [&'static str]>,
    required: bool,
    /// Takes one value only.
    single: bool,
}

const fn rule(
    category: &'static str,
    field: &'static str,
    operators: &'static [&'static str],
) -> FieldRule {
    FieldRule {
        category,
        field,
        operators,
        values: None,
        required: false,
        single: false,
    }
}

impl FieldRule {
    const fn only(mut self, values: &'static [&'static str]) -> Self {
        self.values = Some(values);
        self
    }

    const fn one_and_required(mut self) -> Self {
        self.required = true;
        self.single = true;
        self
    }
}

const BOOLEAN: &[&str] = &["true", "false"];

#[rustfmt::skip]
const FIELDS: &[FieldRule] = &[
    rule("Management", "eventCategory", EQUALS).one_and_required(),
    rule("Management", "readOnly", EQUALS).only(BOOLEAN),
    rule("Management", "eventSource", NOT_EQUALS).only(EXCLUDABLE),
    rule("Data", "eventCategory", EQUALS).one_and_required(),
    rule("Data", "resources.type", EQUALS).one_and_required(),
    rule("Data", "readOnly", EQUALS).only(BOOLEAN),
    rule("Data", "eventName", ANY),
    rule("Data", "resources.ARN", ANY),
    rule("Data", "eventSource", ANY),
    rule("Data", "eventType", ANY),
    rule("Data", "userIdentity.arn", ANY),
    rule("Data", "sessionCredentialFromConsole", EQUALS_OR_NOT).only(&["true"]),
    rule("NetworkActivity", "eventCategory", EQUALS).one_and_required(),
    rule("NetworkActivity", "eventSource", EQUALS).one_and_required(),
    rule("NetworkActivity", "eventName", ANY),
    rule("NetworkActivity", "vpcEndpointId", ANY),
    rule("NetworkActivity", "errorCode", EQUALS).only(&["VpceAccessDenied"]),
    rule("NetworkActivity", "userIdentity.arn", ANY),
];

pub fn default_selectors() -> Value {
    json!([{
        "ReadWriteType": "All",
        "IncludeManagementEvents": true,
        "DataResources": [],
        "ExcludeManagementEventSources": [],
    }])
}

/// HasCustomEventSelectors: anything but the selector of a new trail.
pub fn is_custom(trail: &Trail) -> bool {
    let basic = trail
        .event_selectors
        .as_ref()
        .is_some_and(|s| *s != default_selectors());
    basic || trail.advanced_event_selectors.is_some()
}

pub fn get_event_selectors(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = find_trail(call, input["TrailName"].as_str(), Intent::Read)?;
    let trail = trail_mut(call.state, &place)?;
    Ok(answer(&place.arn(), trail))
}

fn answer(arn: &str, trail: &Trail) -> Value {
    match &trail.advanced_event_selectors {
        Some(advanced) => json!({"TrailARN": arn, "AdvancedEventSelectors": advanced}),
        None => {
            let basic = trail
                .event_selectors
                .clone()
                .unwrap_or_else(default_selectors);
            json!({"TrailARN": arn, "EventSelectors": basic})
        }
    }
}

/// Replaces the whole set; one kind takes the place of the other.
pub fn put_event_selectors(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = find_trail(call, input["TrailName"].as_str(), Intent::Write)?;
    let (basic, advanced) = (&input["EventSelectors"], &input["AdvancedEventSelectors"]);
    let (basic, advanced) = match (basic.is_null(), advanced.is_null()) {
        (false, false) => {
            return refuse(
                "InvalidParameterCombinationException",
                "You can specify either EventSelectors or AdvancedEventSelectors, but not both.",
            );
        }
        (true, true) => {
            return invalid("You must specify EventSelectors or AdvancedEventSelectors.");
        }
        (false, true) => (Some(basic_selectors(basic)?), None),
        (true, false) => {
            advanced_selectors(advanced)?;
            (None, Some(advanced.clone()))
        }
    };
    let trail = trail_mut(call.state, &place)?;
    trail.event_selectors = basic;
    trail.advanced_event_selectors = advanced;
    Ok(answer(&place.arn(), trail))
}

fn invalid<T>(message: impl Into<String>) -> Answer<T> {
    refuse("InvalidEventSelectorsException", message)
}

/// The selectors with every default written out.
fn basic_selectors(list: &Value) -> Answer<Value> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() || list.len() > MAX_BASIC {
        return invalid(format!(
            "A trail must have between 1 and {MAX_BASIC} event selectors."
        ));
    }
    let mut data_resources = 0;
    let mut normal = Vec::new();
    for selector in list {
        let read_write = selector["ReadWriteType"].as_str().unwrap_or("All");
        if !["All", "ReadOnly", "WriteOnly"].contains(&read_write) {
            return invalid(format!("Invalid ReadWriteType: {read_write}"));
        }
        let excluded = strings(&selector["ExcludeManagementEventSources"]).unwrap_or_default();
        if let Some(source) = excluded.iter().find(|s| !EXCLUDABLE.contains(&s.as_str())) {
            return invalid(format!(
                "Invalid value for ExcludeManagementEventSources: {source}"
            ));
        }
        let resources = selector["DataResources"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for resource in &resources {
            data_resources += data_resource(resource)?;
        }
        normal.push(json!({
            "ReadWriteType": read_write,
            "IncludeManagementEvents": selector["IncludeManagementEvents"].as_bool().unwrap_or(true),
            "DataResources": resources,
            "ExcludeManagementEventSources": excluded,
        }));
    }
    if data_resources > MAX_DATA_RESOURCES {
        return invalid(format!(
            "The total number of data resources must not exceed {MAX_DATA_RESOURCES} across all event selectors."
        ));
    }
    Ok(Value::Array(normal))
}

/// How many values count towards the limit: the value for all resources does not.
fn data_resource(resource: &Value) -> Answer<usize> {
    let name = resource["Type"].as_str().unwrap_or_default();
    let Some((_, all)) = BASIC_TYPES.iter().find(|(t, _)| *t == name) else {
        return invalid(format!("Invalid data resource type: {name}"));
    };
    let values = strings(&resource["Values"]).unwrap_or_default();
    if values.is_empty() {
        return invalid(format!(
            "Values must not be empty for data resource type {name}."
        ));
    }
    let whole = |v: &str| v == *all || v == format!("{all}:") || v == format!("{all}:::");
    if let Some(value) = values
        .iter()
        .find(|v| !whole(v) && !v.starts_with(&format!("{all}:")))
    {
        return invalid(format!(
            "Value {value} for data resource type {name} is invalid."
        ));
    }
    Ok(values.iter().filter(|v| !whole(v)).count())
}

fn advanced_selectors(list: &Value) -> Answer<()> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        return invalid("AdvancedEventSelectors must not be empty.");
    }
    let mut values = 0;
    for selector in list {
        if selector["Name"]
            .as_str()
            .is_some_and(|n| n.chars().count() > MAX_NAME)
        {
            return invalid(format!(
                "The name of an advanced event selector is longer than {MAX_NAME} characters."
            ));
        }
        values += advanced_selector(selector)?;
    }
    if values > MAX_VALUES {
        return invalid(format!(
            "The total number of values for all conditions of all advanced event selectors must not exceed {MAX_VALUES}."
        ));
    }
    Ok(())
}

/// Checks one selector and counts its values.
fn advanced_selector(selector: &Value) -> Answer<usize> {
    let fields = selector["FieldSelectors"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let category = fields.iter().find(|f| f["Field"] == "eventCategory");
    let categories = category
        .and_then(|f| strings(&f["Equals"]))
        .unwrap_or_default();
    let [category] = categories.as_slice() else {
        return invalid(
            "An advanced event selector must have one eventCategory field with one Equals value.",
        );
    };
    if !FIELDS.iter().any(|r| r.category == category) {
        return invalid(format!("Invalid eventCategory for a trail: {category}"));
    }
    let mut seen = BTreeSet::new();
    let mut values = 0;
    for field in fields {
        let name = field["Field"].as_str().unwrap_or_default();
        if !seen.insert(name) {
            return invalid(format!(
                "Duplicate field in an advanced event selector: {name}"
            ));
        }
        let Some(rule) = FIELDS
            .iter()
            .find(|r| r.category == category && r.field == name)
        else {
            return invalid(format!(
                "Field {name} is not valid for the event category {category}."
            ));
        };
        values += field_selector(field, rule)?;
    }
    let missing = FIELDS
        .iter()
        .find(|r| r.category == category && r.required && !seen.contains(r.field));
    match missing {
        Some(rule) => invalid(format!(
            "An advanced event selector of category {category} needs the field {}.",
            rule.field
        )),
        None => Ok(values),
    }
}

fn field_selector(field: &Value, rule: &FieldRule) -> Answer<usize> {
    let name = rule.field;
    let mut count = 0;
    for (operator, list) in field.as_object().into_iter().flatten() {
        if operator == "Field" || list.is_null() {
            continue;
        }
        if !rule.operators.contains(&operator.as_str()) {
            return invalid(format!(
                "Operator {operator} is not valid for the field {name}."
            ));
        }
        let values = strings(list).unwrap_or_default();
        if values.is_empty() {
            return invalid(format!(
                "The operator {operator} of the field {name} must have at least one value."
            ));
        }
        for value in &values {
            let known = rule
                .values
                .is_none_or(|only| only.contains(&value.as_str()));
            if !known || value.is_empty() || value.chars().count() > MAX_VALUE {
                return invalid(format!("Value {value} is not valid for the field {name}."));
            }
        }
        if rule.single && values.len() > 1 {
            return invalid(format!("The field {name} takes one value only."));
        }
        count += values.len();
    }
    if count == 0 {
        return invalid(format!("The field {name} has no operator."));
    }
    check_arns(field, name)?;
    Ok(count)
}

/// Equal to a whole ARN, or not; other operators take parts of one.
fn check_arns(field: &Value, name: &str) -> Answer<()> {
    if name != "resources.ARN" {
        return Ok(());
    }
    let whole = ["Equals", "NotEquals"]
        .iter()
        .filter_map(|o| strings(&field[o]))
        .flatten();
    for value in whole {
        if value.splitn(6, ':').count() < 6 || !value.starts_with("arn:") {
            return invalid(format!("Value {value} is not a full ARN."));
        }
    }
    Ok(())
}

/// Whether the trail records events of a kind: `Management` write, read or both, and `Data`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Records {
    pub management_writes: bool,
    pub management_reads: bool,
    pub data: bool,
}

pub fn records(trail: &Trail) -> Records {
    let mut found = Records::default();
    if let Some(advanced) = &trail.advanced_event_selectors {
        for selector in advanced.as_array().into_iter().flatten() {
            let values = |field: &str| {
                let fields = selector["FieldSelectors"].as_array().into_iter().flatten();
                let mut named = fields.filter(|f| f["Field"] == field);
                named.next().and_then(|f| strings(&f["Equals"]))
            };
            let read_only = values("readOnly").unwrap_or_default();
            match values("eventCategory")
                .unwrap_or_default()
                .first()
                .map(String::as_str)
            {
                Some("Management") => {
                    let takes =
                        |flag: &str| read_only.is_empty() || read_only.iter().any(|v| v == flag);
                    found.management_writes |= takes("false");
                    found.management_reads |= takes("true");
                }
                Some("Data") => found.data = true,
                _ => {}
            }
        }
        return found;
    }
    let basic = trail
        .event_selectors
        .clone()
        .unwrap_or_else(default_selectors);
    for selector in basic.as_array().into_iter().flatten() {
        let kind = selector["ReadWriteType"].as_str().unwrap_or("All");
        if selector["IncludeManagementEvents"]
            .as_bool()
            .unwrap_or(true)
        {
            found.management_writes |= kind != "ReadOnly";
            found.management_reads |= kind != "WriteOnly";
        }
        found.data |= selector["DataResources"]
            .as_array()
            .is_some_and(|d| !d.is_empty());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(fields: Value) -> bool {
        advanced_selectors(&json!([{"Name": "x", "FieldSelectors": fields}])).is_ok()
    }

    fn with(category: &str, mut more: Vec<Value>) -> bool {
        more.push(json!({"Field": "eventCategory", "Equals": [category]}));
        verdict(Value::Array(more))
    }

    #[test]
    fn fields_belong_to_categories() {
        assert!(with(
            "Management",
            vec![json!({"Field": "readOnly", "Equals": ["false"]})]
        ));
        assert!(!with(
            "Management",
            vec![json!({"Field": "eventName", "Equals": ["x"]})]
        ));
        assert!(!with(
            "Management",
            vec![json!({"Field": "eventSource", "Equals": ["kms.amazonaws.com"]})]
        ));
        assert!(!with(
            "Management",
            vec![json!({"Field": "eventSource", "NotEquals": ["s3.amazonaws.com"]})]
        ));
        assert!(!with("Data", vec![]));
        assert!(!with("ConfigurationItem", vec![]));
        assert!(!verdict(json!([{"Field": "readOnly", "Equals": ["true"]}])));
    }

    #[test]
    fn values_are_counted_and_checked() {
        let source = |values: Value| {
            with(
                "NetworkActivity",
                vec![json!({"Field": "eventSource", "Equals": values})],
            )
        };
        assert!(source(json!(["s3.amazonaws.com"])));
        assert!(!source(json!(["s3.amazonaws.com", "ec2.amazonaws.com"])));
        assert!(!source(json!([])));
        let names: Vec<String> = (0..499).map(|n| n.to_string()).collect();
        let data = |names: &[String]| {
            with(
                "Data",
                vec![
                    json!({"Field": "resources.type", "Equals": ["AWS::S3::Object"]}),
                    json!({"Field": "eventName", "Equals": names}),
                ],
            )
        };
        assert!(data(&names[..498]) && !data(&names));
    }

    #[test]
    fn basic_selectors_have_limits() {
        let one = json!({"ReadWriteType": "All", "IncludeManagementEvents": true});
        assert!(basic_selectors(&Value::Array(vec![one.clone(); 5])).is_ok());
        assert!(basic_selectors(&Value::Array(vec![one; 6])).is_err());
        let resource = |kind: &str, value: &str| {
            basic_selectors(&json!([{"DataResources": [{"Type": kind, "Values": [value]}]}]))
                .is_ok()
        };
        assert!(resource("AWS::S3::Object", "arn:aws:s3:::logs/"));
        assert!(!resource("AWS::S3::Object", "logs"));
        assert!(!resource("AWS::Nope::Thing", "arn:aws:s3"));
    }
}
