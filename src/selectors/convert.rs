//! Basic selectors as advanced ones and back.
//!
//! The forward direction is what the console's "Switch to advanced event selectors" does:
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html>

use std::collections::BTreeMap;

use super::catalog::{BASIC_TYPES, EXCLUDABLE_SOURCES};
use super::model::{
    AdvancedEventSelector, DataResource, EVENT_CATEGORY, EVENT_SOURCE, EventSelector,
    FieldSelector, Operator, READ_ONLY, RESOURCES_ARN, RESOURCES_TYPE, ReadWriteType, Selectors,
};
use super::normal::{canonical, equivalent};

/// Most basic selectors that a trail may have.
pub const MAX_BASIC_SELECTORS: usize = 5;
/// Most data resources over all basic selectors of a trail, values that stand for all resources not counted.
pub const MAX_DATA_RESOURCES: usize = 250;

impl Selectors {
    /// The same selectors as advanced ones.
    pub fn to_advanced(&self) -> Vec<AdvancedEventSelector> {
        match self {
            Self::Advanced(selectors) => selectors.clone(),
            Self::Basic(selectors) => selectors.iter().flat_map(advanced).collect(),
        }
    }

    /// Basic selectors that record the same events, where there are any within AWS's limits.
    pub fn to_basic(&self) -> Option<Vec<EventSelector>> {
        let selectors = match self {
            Self::Basic(selectors) => return Some(selectors.clone()),
            Self::Advanced(_) => canonical(self),
        };
        let mut management = Vec::new();
        let mut data: BTreeMap<ReadWriteType, Vec<DataResource>> = BTreeMap::new();
        for selector in &selectors {
            let (read_write_type, part) = basic_part(selector)?;
            match part {
                Part::Management(excluded) => management.push((read_write_type, excluded)),
                Part::Data(resource) => data.entry(read_write_type).or_default().push(resource),
            }
        }
        let basic = assemble(management, data);
        let fits = basic.len() <= MAX_BASIC_SELECTORS
            && count_data_resources(&basic) <= MAX_DATA_RESOURCES;
        // The parts were read leniently; the proof decides.
        (fits && equivalent(&Self::Basic(basic.clone()), self)).then_some(basic)
    }
}

fn advanced(basic: &EventSelector) -> Vec<AdvancedEventSelector> {
    let management = basic.include_management_events.then(|| {
        let mut fields = vec![FieldSelector::equals(EVENT_CATEGORY, ["Management"])];
        fields.extend(read_only(basic.read_write_type));
        let excluded = &basic.exclude_management_event_sources;
        if !excluded.is_empty() {
            fields.push(FieldSelector::new(EVENT_SOURCE).with(Operator::NotEquals, excluded));
        }
        AdvancedEventSelector::new(fields)
    });
    // A data resource without values names no resource, so it records nothing.
    let resources = basic.data_resources.iter().filter(|r| !r.values.is_empty());
    let data = resources.map(|resource| {
        let mut fields = vec![
            FieldSelector::equals(EVENT_CATEGORY, ["Data"]),
            FieldSelector::equals(RESOURCES_TYPE, [&resource.resource_type]),
        ];
        fields.extend(read_only(basic.read_write_type));
        fields.extend(arn_condition(resource));
        AdvancedEventSelector::new(fields)
    });
    management.into_iter().chain(data).collect()
}

fn read_only(read_write_type: ReadWriteType) -> Option<FieldSelector> {
    let value = match read_write_type {
        ReadWriteType::ReadOnly => "true",
        ReadWriteType::WriteOnly => "false",
        ReadWriteType::All => return None,
    };
    Some(FieldSelector::equals(READ_ONLY, [value]))
}

fn arn_condition(resource: &DataResource) -> Option<FieldSelector> {
    if resource.values.iter().any(|value| is_all(value)) {
        return None;
    }
    // S3 values are prefixes of object ARNs, those of the other two are exact ARNs.
    let operator = arn_operator(&resource.resource_type);
    Some(FieldSelector::new(RESOURCES_ARN).with(operator, &resource.values))
}

fn arn_operator(resource_type: &str) -> Operator {
    if resource_type == "AWS::S3::Object" {
        Operator::StartsWith
    } else {
        Operator::Equals
    }
}

/// `arn:aws:s3`, `arn:aws:lambda`, `arn:aws:dynamodb`, in any partition: all resources of the type.
pub fn is_all(value: &str) -> bool {
    let mut parts = value.split(':');
    let prefix = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some("arn"), Some(partition), Some(service), None) = prefix else {
        return false;
    };
    partition.starts_with("aws") && matches!(service, "s3" | "lambda" | "dynamodb")
}

/// Data resources that count towards [`MAX_DATA_RESOURCES`].
pub fn count_data_resources(selectors: &[EventSelector]) -> usize {
    let resources = selectors
        .iter()
        .flat_map(|selector| &selector.data_resources);
    let values = resources.flat_map(|resource| &resource.values);
    values.filter(|value| !is_all(value)).count()
}

enum Part {
    Management(Vec<String>),
    Data(DataResource),
}

/// What of an advanced selector a basic one can say, and `None` where it says more than that.
fn basic_part(selector: &AdvancedEventSelector) -> Option<(ReadWriteType, Part)> {
    let mut fields: BTreeMap<&str, &FieldSelector> = BTreeMap::new();
    for field in &selector.field_selectors {
        if fields.insert(&field.field, field).is_some() {
            return None;
        }
    }
    let category = fields.remove(EVENT_CATEGORY)?;
    let read_write_type = match fields.remove(READ_ONLY) {
        None => ReadWriteType::All,
        Some(field) => match only_value(field)? {
            "true" => ReadWriteType::ReadOnly,
            "false" => ReadWriteType::WriteOnly,
            _ => return None,
        },
    };
    let part = match only_value(category)? {
        "Management" => Part::Management(excluded_sources(fields.remove(EVENT_SOURCE))?),
        "Data" => {
            let resource_type = only_value(fields.remove(RESOURCES_TYPE)?)?;
            let values = resource_values(resource_type, fields.remove(RESOURCES_ARN))?;
            Part::Data(DataResource {
                resource_type: resource_type.to_owned(),
                values,
            })
        }
        _ => return None,
    };
    fields.is_empty().then_some((read_write_type, part))
}

fn only_value(field: &FieldSelector) -> Option<&str> {
    let mut conditions = field.conditions();
    match (conditions.next(), conditions.next()) {
        (Some((Operator::Equals, value)), None) => Some(value),
        _ => None,
    }
}

fn excluded_sources(field: Option<&FieldSelector>) -> Option<Vec<String>> {
    let conditions = field.into_iter().flat_map(FieldSelector::conditions);
    conditions
        .map(|(operator, source)| {
            let expressible =
                operator == Operator::NotEquals && EXCLUDABLE_SOURCES.contains(&source);
            expressible.then(|| source.to_owned())
        })
        .collect()
}

fn resource_values(resource_type: &str, arn: Option<&FieldSelector>) -> Option<Vec<String>> {
    if !BASIC_TYPES.contains(&resource_type) {
        return None;
    }
    let Some(arn) = arn else {
        let service = resource_type.split("::").nth(1)?.to_lowercase();
        return Some(vec![format!("arn:aws:{service}")]);
    };
    arn.conditions()
        .map(|(operator, value)| {
            (operator == arn_operator(resource_type)).then(|| value.to_owned())
        })
        .collect()
}

/// Puts the parts of one ReadWriteType into one basic selector, as far as there is a management part to share.
fn assemble(
    management: Vec<(ReadWriteType, Vec<String>)>,
    mut data: BTreeMap<ReadWriteType, Vec<DataResource>>,
) -> Vec<EventSelector> {
    let mut basic: Vec<EventSelector> = management
        .into_iter()
        .map(|(read_write_type, excluded)| EventSelector {
            read_write_type,
            exclude_management_event_sources: excluded,
            data_resources: data.remove(&read_write_type).unwrap_or_default(),
            ..EventSelector::default()
        })
        .collect();
    basic.extend(
        data.into_iter()
            .map(|(read_write_type, data_resources)| EventSelector {
                read_write_type,
                include_management_events: false,
                data_resources,
                ..EventSelector::default()
            }),
    );
    basic
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn basic(value: Value) -> Selectors {
        serde_json::from_value(json!({"EventSelectors": value})).expect("basic selectors")
    }

    #[test]
    fn basic_selectors_become_the_documented_advanced_ones() {
        let selectors = basic(json!([{"ReadWriteType": "WriteOnly",
            "ExcludeManagementEventSources": ["kms.amazonaws.com"], "DataResources": [
                {"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::b/"]},
                {"Type": "AWS::Lambda::Function", "Values": ["arn:aws:lambda", "arn:aws:lambda:x"]},
                {"Type": "AWS::DynamoDB::Table", "Values": ["arn:aws:dynamodb:t"]}]}]));
        let write = json!({"Field": "readOnly", "Equals": ["false"]});
        let data = json!({"Field": "eventCategory", "Equals": ["Data"]});
        let expected = json!([
            {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}, write,
                {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}]},
            {"FieldSelectors": [data, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
                write, {"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::b/"]}]},
            {"FieldSelectors": [data,
                {"Field": "resources.type", "Equals": ["AWS::Lambda::Function"]}, write]},
            {"FieldSelectors": [data, {"Field": "resources.type", "Equals": ["AWS::DynamoDB::Table"]},
                write, {"Field": "resources.ARN", "Equals": ["arn:aws:dynamodb:t"]}]},
        ]);
        assert_eq!(json!(selectors.to_advanced()), expected);
        let back = Selectors::Advanced(selectors.to_advanced()).to_basic();
        assert!(equivalent(
            &Selectors::Basic(back.expect("expressible")),
            &selectors
        ));
    }

    #[test]
    fn all_means_all_in_every_partition() {
        for value in ["arn:aws:s3", "arn:aws-us-gov:lambda", "arn:aws-cn:dynamodb"] {
            assert!(is_all(value), "{value}");
        }
        for value in ["arn:aws:s3:::", "arn:aws:sns", "s3", "", "arn:aws:s3:::b/"] {
            assert!(!is_all(value), "{value}");
        }
    }

    #[test]
    fn what_basic_selectors_cannot_say_is_not_converted() {
        let advanced = |fields: Value| -> Selectors {
            serde_json::from_value(json!({"AdvancedEventSelectors": [{"FieldSelectors": fields}]}))
                .expect("advanced selectors")
        };
        let data = json!({"Field": "eventCategory", "Equals": ["Data"]});
        let object = json!({"Field": "resources.type", "Equals": ["AWS::S3::Object"]});
        for fields in [
            json!([data, object, {"Field": "eventName", "Equals": ["GetObject"]}]),
            json!([data, object, {"Field": "resources.ARN", "Equals": ["arn:aws:s3:::b/k"]}]),
            json!([data, {"Field": "resources.type", "Equals": ["AWS::SNS::Topic"]}]),
            json!([{"Field": "eventCategory", "Equals": ["NetworkActivity"]}]),
            json!([]),
        ] {
            assert_eq!(advanced(fields.clone()).to_basic(), None, "{fields}");
        }
        assert_eq!(
            Selectors::default().to_basic(),
            Some(vec![EventSelector::default()])
        );
    }
}
