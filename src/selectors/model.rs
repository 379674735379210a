//! Event selectors in the shape of the CloudTrail API (`PutEventSelectors`, `CreateEventDataStore`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub const EVENT_CATEGORY: &str = "eventCategory";
pub const READ_ONLY: &str = "readOnly";
pub const EVENT_SOURCE: &str = "eventSource";
pub const EVENT_NAME: &str = "eventName";
pub const EVENT_TYPE: &str = "eventType";
pub const ERROR_CODE: &str = "errorCode";
pub const VPC_ENDPOINT_ID: &str = "vpcEndpointId";
pub const USER_IDENTITY_ARN: &str = "userIdentity.arn";
pub const SESSION_FROM_CONSOLE: &str = "sessionCredentialFromConsole";
pub const RESOURCES_TYPE: &str = "resources.type";
pub const RESOURCES_ARN: &str = "resources.ARN";

/// The six operators of a field selector.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    Equals,
    StartsWith,
    EndsWith,
    NotEquals,
    NotStartsWith,
    NotEndsWith,
}

impl Operator {
    pub const ALL: [Self; 6] = [
        Self::Equals,
        Self::StartsWith,
        Self::EndsWith,
        Self::NotEquals,
        Self::NotStartsWith,
        Self::NotEndsWith,
    ];

    /// The operator's name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equals => "Equals",
            Self::StartsWith => "StartsWith",
            Self::EndsWith => "EndsWith",
            Self::NotEquals => "NotEquals",
            Self::NotStartsWith => "NotStartsWith",
            Self::NotEndsWith => "NotEndsWith",
        }
    }

    /// Positive operators select, negative ones deselect.
    pub fn selects(self) -> bool {
        matches!(self, Self::Equals | Self::StartsWith | Self::EndsWith)
    }

    /// Whether `actual` is what the operator looks for; for a negative operator a hit means rejection.
    ///
    /// Values are compared exactly: there are no wildcards, and AWS documents no case folding.
    pub fn hits(self, value: &str, actual: &str) -> bool {
        match self {
            Self::Equals | Self::NotEquals => actual == value,
            Self::StartsWith | Self::NotStartsWith => actual.starts_with(value),
            Self::EndsWith | Self::NotEndsWith => actual.ends_with(value),
        }
    }
}

/// An advanced event selector: an event is recorded when every one of its field selectors passes.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct AdvancedEventSelector {
    /// A name for people, up to 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The conditions, all of which an event must meet.
    pub field_selectors: Vec<FieldSelector>,
}

/// The fields by which counts of events are kept, above all in a volumes file.
pub const COUNTED_FIELDS: [&str; 4] = [EVENT_CATEGORY, READ_ONLY, EVENT_SOURCE, RESOURCES_TYPE];

impl AdvancedEventSelector {
    /// Whether counts by [`COUNTED_FIELDS`] say how many events it records. Of others, their own events are counted.
    pub fn is_told_by_counts(&self) -> bool {
        let mut fields = self.field_selectors.iter();
        fields.all(|field| COUNTED_FIELDS.contains(&field.field.as_str()))
    }

    /// A short name for what it records, the same for every order and spelling of the same conditions.
    pub fn digest(&self) -> String {
        let alone = Selectors::Advanced(vec![Self::new(self.field_selectors.clone())]);
        let canonical = super::canonical(&alone);
        let text = serde_json::to_string(&canonical).unwrap_or_default();
        let hash = Sha256::digest(text.as_bytes());
        hash.iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    pub fn new(field_selectors: Vec<FieldSelector>) -> Self {
        Self {
            name: None,
            field_selectors,
        }
    }
}

/// The condition of an advanced event selector on one field of the record.
///
/// A list that is written but empty is kept apart from one that is left out, because AWS refuses the former.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct FieldSelector {
    /// The field of the record, such as `eventCategory` or `resources.ARN`.
    pub field: String,
    /// Selects events whose field is one of these values.
    #[serde(default, skip_serializing_if = "no_values")]
    pub equals: Option<Vec<String>>,
    /// Selects events whose field starts with one of these values.
    #[serde(default, skip_serializing_if = "no_values")]
    pub starts_with: Option<Vec<String>>,
    /// Selects events whose field ends with one of these values.
    #[serde(default, skip_serializing_if = "no_values")]
    pub ends_with: Option<Vec<String>>,
    /// Rejects events whose field is one of these values.
    #[serde(default, skip_serializing_if = "no_values")]
    pub not_equals: Option<Vec<String>>,
    /// Rejects events whose field starts with one of these values.
    #[serde(default, skip_serializing_if = "no_values")]
    pub not_starts_with: Option<Vec<String>>,
    /// Rejects events whose field ends with one of these values.
    #[serde(default, skip_serializing_if = "no_values")]
    pub not_ends_with: Option<Vec<String>>,
}

fn no_values(list: &Option<Vec<String>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

impl FieldSelector {
    pub fn new(field: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            ..Self::default()
        }
    }

    /// `Field: field, Equals: [values]`.
    pub fn equals<S: Into<String>>(
        field: impl Into<String>,
        values: impl IntoIterator<Item = S>,
    ) -> Self {
        Self::new(field).with(Operator::Equals, values)
    }

    /// Adds values to an operator.
    #[must_use]
    pub fn with<S: Into<String>>(
        mut self,
        operator: Operator,
        values: impl IntoIterator<Item = S>,
    ) -> Self {
        let list = match operator {
            Operator::Equals => &mut self.equals,
            Operator::StartsWith => &mut self.starts_with,
            Operator::EndsWith => &mut self.ends_with,
            Operator::NotEquals => &mut self.not_equals,
            Operator::NotStartsWith => &mut self.not_starts_with,
            Operator::NotEndsWith => &mut self.not_ends_with,
        };
        list.get_or_insert_default()
            .extend(values.into_iter().map(Into::into));
        self
    }

    /// The list of an operator as written: `None` when left out, `Some(&[])` when written but empty.
    pub fn written(&self, operator: Operator) -> Option<&[String]> {
        match operator {
            Operator::Equals => self.equals.as_deref(),
            Operator::StartsWith => self.starts_with.as_deref(),
            Operator::EndsWith => self.ends_with.as_deref(),
            Operator::NotEquals => self.not_equals.as_deref(),
            Operator::NotStartsWith => self.not_starts_with.as_deref(),
            Operator::NotEndsWith => self.not_ends_with.as_deref(),
        }
    }

    /// The values of an operator, none when it is left out.
    pub fn values(&self, operator: Operator) -> &[String] {
        self.written(operator).unwrap_or_default()
    }

    /// Every operator with every one of its values, positive operators first.
    pub fn conditions(&self) -> impl Iterator<Item = (Operator, &str)> {
        Operator::ALL.into_iter().flat_map(|operator| {
            self.values(operator)
                .iter()
                .map(move |value| (operator, value.as_str()))
        })
    }
}

/// Which management and data events a basic event selector records.
#[derive(
    Serialize,
    Deserialize,
    JsonSchema,
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
)]
pub enum ReadWriteType {
    ReadOnly,
    WriteOnly,
    #[default]
    All,
}

/// A basic event selector.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct EventSelector {
    /// Applies to the management and to the data events of this selector.
    pub read_write_type: ReadWriteType,
    pub include_management_events: bool,
    /// Subset of `kms.amazonaws.com` and `rdsdata.amazonaws.com`; affects management events only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_management_event_sources: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data_resources: Vec<DataResource>,
}

impl Default for EventSelector {
    /// AWS's own defaults: every management event, no data events.
    fn default() -> Self {
        Self {
            read_write_type: ReadWriteType::All,
            include_management_events: true,
            exclude_management_event_sources: Vec::new(),
            data_resources: Vec::new(),
        }
    }
}

/// The data events of one resource type in a basic event selector.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DataResource {
    /// `AWS::S3::Object`, `AWS::Lambda::Function` or `AWS::DynamoDB::Table`.
    #[serde(rename = "Type")]
    pub resource_type: String,
    /// Object ARN prefixes for S3; function or table ARNs otherwise; `arn:aws:s3`, `arn:aws:lambda` or
    /// `arn:aws:dynamodb` for all.
    #[serde(default)]
    pub values: Vec<String>,
}

/// The selectors of a trail, which has either basic or advanced ones; an event data store has advanced ones.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub enum Selectors {
    #[serde(rename = "EventSelectors")]
    Basic(Vec<EventSelector>),
    #[serde(rename = "AdvancedEventSelectors")]
    Advanced(Vec<AdvancedEventSelector>),
}

impl Default for Selectors {
    /// What a trail or an event data store without selectors records: management events, reads and writes.
    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-management-events-with-cloudtrail.html>
    fn default() -> Self {
        Self::Advanced(vec![AdvancedEventSelector::new(vec![
            FieldSelector::equals(EVENT_CATEGORY, ["Management"]),
        ])])
    }
}
