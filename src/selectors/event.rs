//! A CloudTrail record as selectors see it.
//!
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>

use std::borrow::Cow;

use serde_json::Value;

use super::catalog;
use super::model::{
    ERROR_CODE, EVENT_CATEGORY, EVENT_NAME, EVENT_SOURCE, EVENT_TYPE, READ_ONLY, RESOURCES_ARN,
    RESOURCES_TYPE, SESSION_FROM_CONSOLE, USER_IDENTITY_ARN, VPC_ENDPOINT_ID,
};

/// How the names of S3's data events begin: `GetObjectAcl` is one, `PutBucketObjectLockConfiguration` is not.
pub const OBJECT_CALLS: [&str; 7] = [
    "GetObject",
    "PutObject",
    "DeleteObject",
    "HeadObject",
    "ListObject",
    "CopyObject",
    "RestoreObject",
];

/// Lambda's data events.
pub const INVOKE_CALLS: [&str; 2] = ["Invoke", "InvokeExecution"];

/// DynamoDB's data events: those whose name ends like this, and some others.
pub const ITEM: &str = "Item";
pub const ITEM_CALLS: [&str; 9] = [
    "Query",
    "Scan",
    "TransactGetItems",
    "TransactWriteItems",
    "ExecuteStatement",
    "BatchExecuteStatement",
    "ExecuteTransaction",
    "GetRecords",
    "GetShardIterator",
];

/// The members of a record that selectors look at.
///
/// [`Event::from_record`] borrows from a parsed record. The members are public so that a reader that streams log
/// files can fill them without building a [`Value`] first; it then sets the category with [`Event::category_of`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event<'a> {
    /// `eventCategory`, or what stands for it in records older than eventVersion 1.07.
    pub category: Cow<'a, str>,
    /// `None` when the record does not say: network activity and some service events.
    pub read_only: Option<bool>,
    pub event_source: Option<Cow<'a, str>>,
    pub event_name: Option<Cow<'a, str>>,
    pub event_type: Option<Cow<'a, str>>,
    pub error_code: Option<Cow<'a, str>>,
    pub vpc_endpoint_id: Option<Cow<'a, str>>,
    pub user_identity_arn: Option<Cow<'a, str>>,
    /// In records only ever `"true"`.
    pub session_credential_from_console: Option<Cow<'a, str>>,
    pub resources: Vec<Resource<'a>>,
    /// The whole record, where there is one: selector fields that AWS adds later are looked up here by their path.
    pub record: Option<&'a Value>,
}

/// An element of a record's `resources`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource<'a> {
    pub resource_type: Option<Cow<'a, str>>,
    /// `ARN`, or `ARNPrefix` where a list call names no single resource.
    pub arn: Option<Cow<'a, str>>,
}

impl<'a> Event<'a> {
    /// The view of a record. Members of unexpected JSON types count as absent; nothing makes this fail.
    pub fn from_record(record: &'a Value) -> Self {
        let mut event = Self {
            category: Cow::Borrowed(""),
            read_only: flag(record.get("readOnly")),
            event_source: text(record.get("eventSource")),
            event_name: text(record.get("eventName")),
            event_type: text(record.get("eventType")),
            error_code: text(record.get("errorCode")),
            vpc_endpoint_id: text(record.get("vpcEndpointId")),
            user_identity_arn: text(record.get("userIdentity").and_then(|u| u.get("arn"))),
            session_credential_from_console: scalar(record.get("sessionCredentialFromConsole")),
            resources: resources(record.get("resources")),
            record: Some(record),
        };
        event.category = match text(record.get("eventCategory")) {
            Some(category) if !category.is_empty() => category,
            _ => Cow::Borrowed(event.category_of(flag(record.get("managementEvent")))),
        };
        event
    }

    /// The category of a record that has no `eventCategory`, as those of eventVersion 1.06 and older.
    pub fn category_of(&self, management_event: Option<bool>) -> &'static str {
        match management_event {
            Some(true) => return "Management",
            Some(false) => return "Data",
            None => {}
        }
        match self.event_type.as_deref() {
            Some("AwsCloudTrailInsight") => "Insight",
            // The field list of the user guide prints the plural, its sample records the singular.
            Some("AwsVpceEvent" | "AwsVpceEvents") => "NetworkActivity",
            Some("AwsAggregatedEvent") => "Aggregated",
            Some("AwsConsoleSignIn" | "AwsConsoleAction") => "Management",
            _ if self.looks_like_data() => "Data",
            _ => "Management",
        }
    }

    fn looks_like_data(&self) -> bool {
        let name = self.event_name.as_deref().unwrap_or_default();
        match self.event_source.as_deref().unwrap_or_default() {
            "s3.amazonaws.com" => {
                is_object_call(name) || self.resources.iter().any(|r| r.is("AWS::S3::Object"))
            }
            // Management calls of these two may name the same resource types, so the name decides.
            "lambda.amazonaws.com" => INVOKE_CALLS.contains(&name),
            "dynamodb.amazonaws.com" => is_item_call(name),
            source => self.resources.iter().any(|r| {
                r.resource_type
                    .as_deref()
                    .is_some_and(|t| catalog::is_data_pair(t, source))
            }),
        }
    }

    /// The value of a selector field that a record has at most once. Not for `resources.*`.
    pub fn get(&self, field: &str) -> Option<Cow<'_, str>> {
        let known = match field {
            EVENT_CATEGORY => return Some(Cow::Borrowed(&self.category)),
            READ_ONLY => {
                return self
                    .read_only
                    .map(|read| Cow::Borrowed(if read { "true" } else { "false" }));
            }
            EVENT_SOURCE => &self.event_source,
            EVENT_NAME => &self.event_name,
            EVENT_TYPE => &self.event_type,
            ERROR_CODE => &self.error_code,
            VPC_ENDPOINT_ID => &self.vpc_endpoint_id,
            USER_IDENTITY_ARN => &self.user_identity_arn,
            SESSION_FROM_CONSOLE => &self.session_credential_from_console,
            RESOURCES_TYPE | RESOURCES_ARN => return None,
            other => return self.get_unknown(other),
        };
        known.as_deref().map(Cow::Borrowed)
    }

    fn get_unknown(&self, field: &str) -> Option<Cow<'_, str>> {
        let found = field
            .split('.')
            .try_fold(self.record?, |value, key| value.get(key));
        scalar(found)
    }
}

impl Resource<'_> {
    fn is(&self, resource_type: &str) -> bool {
        self.resource_type.as_deref() == Some(resource_type)
    }
}

fn is_object_call(name: &str) -> bool {
    OBJECT_CALLS.iter().any(|call| name.starts_with(call))
}

fn is_item_call(name: &str) -> bool {
    name.ends_with(ITEM) || ITEM_CALLS.contains(&name)
}

fn resources(value: Option<&Value>) -> Vec<Resource<'_>> {
    let elements = value.and_then(Value::as_array).map(Vec::as_slice);
    elements
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_object)
        .map(|element| Resource {
            resource_type: text(element.get("type")),
            arn: text(element.get("ARN")).or_else(|| text(element.get("ARNPrefix"))),
        })
        .collect()
}

fn text(value: Option<&Value>) -> Option<Cow<'_, str>> {
    value.and_then(Value::as_str).map(Cow::Borrowed)
}

fn scalar(value: Option<&Value>) -> Option<Cow<'_, str>> {
    match value? {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A boolean, also one that passed through a tool which made it a string.
fn flag(value: Option<&Value>) -> Option<bool> {
    match value? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text == "true" => Some(true),
        Value::String(text) if text == "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn category_falls_back_for_old_records() {
        let cases = [
            (
                json!({"eventCategory": "Data", "managementEvent": true}),
                "Data",
            ),
            (
                json!({"eventCategory": "", "managementEvent": "false"}),
                "Data",
            ),
            (json!({"managementEvent": true}), "Management"),
            (json!({"eventType": "AwsCloudTrailInsight"}), "Insight"),
            (json!({"eventType": "AwsVpceEvents"}), "NetworkActivity"),
            (json!({"eventType": "AwsAggregatedEvent"}), "Aggregated"),
            (json!({"eventType": "AwsConsoleSignIn"}), "Management"),
            (
                json!({"eventSource": "s3.amazonaws.com", "eventName": "GetObject"}),
                "Data",
            ),
            (
                json!({"eventSource": "s3.amazonaws.com", "eventName": "PutBucketObjectLockConfiguration"}),
                "Management",
            ),
            (
                json!({"eventSource": "lambda.amazonaws.com", "eventName": "Invoke"}),
                "Data",
            ),
            (
                json!({"eventSource": "dynamodb.amazonaws.com", "eventName": "PutItem"}),
                "Data",
            ),
            (
                json!({"eventSource": "dynamodb.amazonaws.com", "eventName": "DescribeTable",
                       "resources": [{"type": "AWS::DynamoDB::Table"}]}),
                "Management",
            ),
            (
                json!({"eventSource": "sns.amazonaws.com", "resources": [{"type": "AWS::SNS::Topic"}]}),
                "Data",
            ),
            (json!({}), "Management"),
            (json!(null), "Management"),
        ];
        for (record, expected) in cases {
            assert_eq!(Event::from_record(&record).category, expected, "{record}");
        }
    }

    #[test]
    fn odd_members_count_as_absent() {
        let record = json!({"readOnly": 1, "resources": ["x", null, {"arn": "a", "type": 3},
            {"ARNPrefix": "p", "type": "T"}], "userIdentity": [], "additional": {"n": 7}});
        let event = Event::from_record(&record);
        assert_eq!(event.read_only, None);
        assert_eq!(event.resources.len(), 2);
        assert_eq!(event.resources[0], Resource::default());
        assert_eq!(event.resources[1].arn.as_deref(), Some("p"));
        assert_eq!(event.get("additional.n").as_deref(), Some("7"));
        assert_eq!(event.get("additional"), None);
        assert_eq!(event.get("nothing.here"), None);
    }
}
