//! Would this event be recorded, and why?

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use super::event::{Event, Resource};
use super::model::{
    AdvancedEventSelector, FieldSelector, Operator, RESOURCES_ARN, RESOURCES_TYPE, Selectors,
};

/// The index of the first selector that records the event.
pub fn matches(selectors: &[AdvancedEventSelector], event: &Event<'_>) -> Option<usize> {
    selectors.iter().position(|selector| {
        let fields = &selector.field_selectors;
        fields
            .iter()
            .all(|field| decide(fields, field, event).passed())
    })
}

/// What decided over one field.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision<'s> {
    /// A positive operator hit.
    Selected { operator: Operator, value: &'s str },
    /// There is no positive operator, and no negative one hit.
    NotDeselected,
    /// A negative operator hit.
    Deselected { operator: Operator, value: &'s str },
    /// There are positive operators, and none hit.
    NotSelected,
}

impl Decision<'_> {
    pub fn passed(self) -> bool {
        matches!(self, Self::Selected { .. } | Self::NotDeselected)
    }
}

/// The verdict of one field selector on an event.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct FieldVerdict<'s> {
    pub field: &'s str,
    pub passed: bool,
    #[serde(flatten)]
    pub decision: Decision<'s>,
    /// What the record holds: nothing when the field is absent, several values for resources.
    pub actual: Vec<String>,
}

impl fmt::Display for FieldVerdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.passed { "passes" } else { "fails" };
        let actual = if self.actual.is_empty() {
            "absent".to_owned()
        } else {
            self.actual.join(", ")
        };
        write!(f, "{} ({actual}) {mark}: ", self.field)?;
        match self.decision {
            Decision::Selected { operator, value } | Decision::Deselected { operator, value } => {
                write!(f, "{} {value}", operator.name())
            }
            Decision::NotDeselected => f.write_str("no negative operator hits"),
            Decision::NotSelected => f.write_str("no positive operator hits"),
        }
    }
}

/// The verdict of every field of a selector; the selector records the event when all have passed.
pub fn explain<'s>(
    selector: &'s AdvancedEventSelector,
    event: &Event<'_>,
) -> Vec<FieldVerdict<'s>> {
    let fields = &selector.field_selectors;
    fields
        .iter()
        .map(|field| {
            let decision = decide(fields, field, event);
            FieldVerdict {
                field: &field.field,
                passed: decision.passed(),
                decision,
                actual: actual(fields, field, event),
            }
        })
        .collect()
}

/// The index of the selector with which a trail records its own deliveries to a bucket, which then never end.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html>
pub fn records_deliveries_to(
    selectors: &Selectors,
    partition: &str,
    bucket: &str,
) -> Option<usize> {
    let delivery = Event {
        category: Cow::Borrowed("Data"),
        read_only: Some(false),
        event_source: Some(Cow::Borrowed("s3.amazonaws.com")),
        event_name: Some(Cow::Borrowed("PutObject")),
        event_type: Some(Cow::Borrowed("AwsApiCall")),
        resources: vec![Resource {
            resource_type: Some(Cow::Borrowed("AWS::S3::Object")),
            arn: Some(format!("arn:{partition}:s3:::{bucket}/AWSLogs/").into()),
        }],
        ..Event::default()
    };
    matches(&selectors.to_advanced(), &delivery)
}

fn decide<'s>(
    fields: &[FieldSelector],
    field: &'s FieldSelector,
    event: &Event<'_>,
) -> Decision<'s> {
    match field.field.as_str() {
        RESOURCES_TYPE => decide_on_type(fields, field, event),
        RESOURCES_ARN => decide_on(field, || arns(fields, event)),
        name => {
            let value = event.get(name);
            decide_on(field, || value.as_deref().into_iter())
        }
    }
}

/// Negative operators come first, because a hit of one ends the matter.
fn decide_on<'s, 'v, V>(field: &'s FieldSelector, values: impl Fn() -> V) -> Decision<'s>
where
    V: Iterator<Item = &'v str>,
{
    let mut selected = None;
    let mut selects = false;
    for (operator, value) in field.conditions() {
        selects |= operator.selects();
        // A positive hit settles the positive half; do not look at the other, possibly hundreds of, values.
        if operator.selects() && selected.is_some() {
            continue;
        }
        if !values().any(|actual| operator.hits(value, actual)) {
            continue;
        }
        if !operator.selects() {
            return Decision::Deselected { operator, value };
        }
        selected = Some(Decision::Selected { operator, value });
    }
    match selected {
        Some(decision) => decision,
        None if selects => Decision::NotSelected,
        None => Decision::NotDeselected,
    }
}

/// The type passes when an element of `resources` is of it. Entries of the same field, which AWS refuses, must
/// agree on one element.
fn decide_on_type<'s>(
    fields: &[FieldSelector],
    field: &'s FieldSelector,
    event: &Event<'_>,
) -> Decision<'s> {
    let on = |resource: Option<&Resource<'_>>| {
        let kind = resource.and_then(|r| r.resource_type.as_deref());
        decide_on(field, || kind.into_iter())
    };
    if let Some(candidate) = candidates(fields, event).next() {
        return on(Some(candidate));
    }
    if event.resources.is_empty() {
        return on(None);
    }
    let first_failure = event.resources.iter().map(|r| on(Some(r)));
    first_failure
        .into_iter()
        .find(|decision| !decision.passed())
        .unwrap_or(Decision::NotSelected)
}

/// The elements of `resources` that count for a selector: those of its `resources.type`.
fn candidates<'e>(
    fields: &'e [FieldSelector],
    event: &'e Event<'_>,
) -> impl Iterator<Item = &'e Resource<'e>> {
    event.resources.iter().filter(move |resource| {
        let kind = resource.resource_type.as_deref();
        let mut types = fields.iter().filter(|f| f.field == RESOURCES_TYPE);
        types.all(|field| decide_on(field, || kind.into_iter()).passed())
    })
}

fn arns<'e>(fields: &'e [FieldSelector], event: &'e Event<'_>) -> impl Iterator<Item = &'e str> {
    candidates(fields, event).filter_map(|resource| resource.arn.as_deref())
}

fn actual(fields: &[FieldSelector], field: &FieldSelector, event: &Event<'_>) -> Vec<String> {
    match field.field.as_str() {
        RESOURCES_TYPE => event
            .resources
            .iter()
            .filter_map(|resource| resource.resource_type.as_deref())
            .map(str::to_owned)
            .collect(),
        RESOURCES_ARN => arns(fields, event).map(str::to_owned).collect(),
        name => event.get(name).map(Cow::into_owned).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn explain_names_the_deciding_operator_and_value() {
        let selector = AdvancedEventSelector::new(vec![
            FieldSelector::equals("eventCategory", ["Data"]),
            FieldSelector::equals("resources.type", ["AWS::S3::Object"]),
            FieldSelector::new("resources.ARN")
                .with(Operator::StartsWith, ["arn:aws:s3:::a/"])
                .with(Operator::NotEndsWith, [".tmp"]),
            FieldSelector::equals("eventName", ["GetObject"]),
        ]);
        let record = json!({"eventCategory": "Data", "resources": [
            {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::a"},
            {"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::a/x.tmp"}]});
        let lines: Vec<String> = explain(&selector, &Event::from_record(&record))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            lines,
            [
                "eventCategory (Data) passes: Equals Data",
                "resources.type (AWS::S3::Bucket, AWS::S3::Object) passes: Equals AWS::S3::Object",
                "resources.ARN (arn:aws:s3:::a/x.tmp) fails: NotEndsWith .tmp",
                "eventName (absent) fails: no positive operator hits",
            ]
        );
    }

    #[test]
    fn own_deliveries_are_found() {
        let of = |arn: FieldSelector| {
            Selectors::Advanced(vec![AdvancedEventSelector::new(vec![
                FieldSelector::equals("eventCategory", ["Data"]),
                FieldSelector::equals("resources.type", ["AWS::S3::Object"]),
                arn,
            ])])
        };
        let all_but =
            |bucket| FieldSelector::new("resources.ARN").with(Operator::NotStartsWith, [bucket]);
        let bucket = "arn:aws:s3:::logs/";
        assert_eq!(
            records_deliveries_to(&of(all_but(bucket)), "aws", "logs"),
            None
        );
        assert_eq!(
            records_deliveries_to(&of(all_but(bucket)), "aws", "log"),
            Some(0)
        );
        assert_eq!(
            records_deliveries_to(&Selectors::default(), "aws", "logs"),
            None
        );
    }
}
