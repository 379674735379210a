//! Event history: every management event that the sandbox caused, as LookupEvents shows it.
//!
//! User Guide, pages "cloudtrail-event-reference-record-contents" and "view-cloudtrail-events".

use serde_json::{Map, Value, json};
use time::Duration;

use super::dispatch::Call;
use super::error::{Answer, refuse};
use super::identity::{Caller, CallerKind};
use super::protocol::{Form, Response, Service};
use super::state::{EventResource, RecordedEvent, Stamp, State};

/// Older events are forgotten, so that a state file stays small.
const MAX_KEPT: usize = 500;
const MAX_PAGE: usize = 50;
/// User Guide, page "view-cloudtrail-events".
const HISTORY: Duration = Duration::days(90);

/// A call that has been answered.
pub struct Happening<'a> {
    pub service: Service,
    pub action: &'a str,
    pub region: &'a str,
    pub parameters: Value,
    pub response: &'a Response,
    pub session_token: bool,
}

/// Names of operations and events differ in places: S3 User Guide, page "cloudtrail-logging-s3-info".
fn event_name(action: &str) -> &str {
    match action {
        "PutBucketLifecycleConfiguration" => "PutBucketLifecycle",
        "PutObjectLockConfiguration" => "PutBucketObjectLockConfiguration",
        "PutPublicAccessBlock" => "PutBucketPublicAccessBlock",
        "DeletePublicAccessBlock" => "DeleteBucketPublicAccessBlock",
        other => other,
    }
}

/// Request parameters that name the resource of a call, and its type.
const RESOURCES: [(&str, &str); 12] = [
    ("s3BucketName", "AWS::S3::Bucket"),
    ("bucketName", "AWS::S3::Bucket"),
    ("trailName", "AWS::CloudTrail::Trail"),
    ("resourceId", "AWS::CloudTrail::Trail"),
    ("keyId", "AWS::KMS::Key"),
    ("targetKeyId", "AWS::KMS::Key"),
    ("kmsKeyId", "AWS::KMS::Key"),
    ("aliasName", "AWS::KMS::Alias"),
    ("roleName", "AWS::IAM::Role"),
    ("userName", "AWS::IAM::User"),
    ("topicArn", "AWS::SNS::Topic"),
    ("logGroupName", "AWS::Logs::LogGroup"),
];

pub fn form_parameters(form: &Form) -> Value {
    let named = form
        .0
        .iter()
        .filter(|(name, _)| !["Action", "Version"].contains(&name.as_str()));
    Value::Object(
        named
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect(),
    )
}

/// CloudTrail writes members with a small first letter.
fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

fn lower_keys(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let lowered: Map<String, Value> = map
                .iter()
                .map(|(k, v)| (lower_first(k), lower_keys(v)))
                .collect();
            Value::Object(lowered)
        }
        Value::Array(list) => list.iter().map(lower_keys).collect(),
        other => other.clone(),
    }
}

pub fn record(state: &mut State, caller: &Caller, what: Happening<'_>) {
    let event_id = state.fresh_uuid();
    let parameters = lower_keys(&what.parameters);
    // IAM, Organizations and the like happen in us-east-1: User Guide, page "cloudtrail-concepts".
    let global = matches!(what.service, Service::Iam | Service::Organizations);
    let region = if global { "us-east-1" } else { what.region };
    let mut resources: Vec<EventResource> = RESOURCES
        .iter()
        .filter_map(|(member, kind)| {
            let name = parameters[*member].as_str()?.to_owned();
            Some(EventResource {
                kind: (*kind).to_owned(),
                name,
            })
        })
        .collect();
    if let (Service::CloudTrail, Some(name)) = (what.service, parameters["name"].as_str()) {
        resources.push(EventResource {
            kind: "AWS::CloudTrail::Trail".to_owned(),
            name: name.to_owned(),
        });
    }
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": user_identity(state, caller, what.session_token),
        "eventTime": Stamp(state.now()).rfc3339(),
        "eventSource": format!("{}.amazonaws.com", what.service.prefix()),
        "eventName": event_name(what.action),
        "awsRegion": region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": "orgtrail-sandbox",
        "requestParameters": parameters,
        "responseElements": null,
        "requestID": event_id,
        "eventID": event_id,
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": caller.account,
        "eventCategory": "Management",
    });
    if what.response.status >= 300 {
        let (code, message) = failure(what.response);
        record["errorCode"] = json!(code);
        record["errorMessage"] = json!(message);
    }
    state.events.push(RecordedEvent {
        account: caller.account.clone(),
        region: region.to_owned(),
        resources,
        record,
    });
    let excess = state.events.len().saturating_sub(MAX_KEPT);
    state.events.drain(..excess);
}

/// Code and message of an error response, whatever its protocol.
fn failure(response: &Response) -> (String, String) {
    if let Ok(json) = serde_json::from_slice::<Value>(&response.body) {
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        return (
            text("__type").unwrap_or_default(),
            text("Message").or(text("message")).unwrap_or_default(),
        );
    }
    let Some(root) = super::xml::parse(&response.body) else {
        return Default::default();
    };
    let error = root.get("Error").unwrap_or(&root);
    let text = |name: &str| error.value(&[name]).unwrap_or_default().to_owned();
    (text("Code"), text("Message"))
}

fn user_identity(state: &State, caller: &Caller, session_token: bool) -> Value {
    let mut identity = json!({
        "type": "IAMUser",
        "principalId": caller.user_id(state),
        "arn": caller.arn(),
        "accountId": caller.account,
        "accessKeyId": caller.access_key,
    });
    match &caller.kind {
        CallerKind::Admin => identity["userName"] = json!("admin"),
        CallerKind::User(name) => identity["userName"] = json!(name),
        CallerKind::Role { name, .. } => {
            identity["type"] = json!("AssumedRole");
            identity["sessionContext"] = json!({
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": caller.user_id(state).split(':').next(),
                    "arn": caller.principal_arn(),
                    "accountId": caller.account,
                    "userName": name,
                },
                "attributes": {"mfaAuthenticated": "false"},
            });
        }
    }
    if session_token && identity["sessionContext"].is_null() {
        identity["sessionContext"] = json!({"attributes": {"mfaAuthenticated": "false"}});
    }
    identity
}

fn user_name(record: &Value) -> String {
    let identity = &record["userIdentity"];
    let session = || identity["arn"].as_str().and_then(|a| a.rsplit('/').next());
    identity["userName"]
        .as_str()
        .or_else(session)
        .unwrap_or_default()
        .to_owned()
}

fn matches(event: &RecordedEvent, attribute: &Value) -> bool {
    let wanted = attribute["AttributeValue"].as_str().unwrap_or_default();
    let text = |name: &str| event.record[name].as_str().unwrap_or_default();
    match attribute["AttributeKey"].as_str().unwrap_or_default() {
        "EventId" => text("eventID") == wanted,
        "EventName" => text("eventName") == wanted,
        "EventSource" => text("eventSource") == wanted,
        "ReadOnly" => event.record["readOnly"].as_bool() == wanted.parse().ok(),
        "Username" => user_name(&event.record) == wanted,
        "AccessKeyId" => event.record["userIdentity"]["accessKeyId"] == wanted,
        "ResourceName" => event.resources.iter().any(|r| r.name == wanted),
        "ResourceType" => event.resources.iter().any(|r| r.kind == wanted),
        _ => false,
    }
}

/// Newest first, of this account and Region.
pub fn lookup_events(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let attributes = input["LookupAttributes"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if attributes.len() > 1 {
        return refuse(
            "InvalidLookupAttributesException",
            "You can specify only one lookup attribute.",
        );
    }
    let size = match &input["MaxResults"] {
        Value::Null => MAX_PAGE,
        size => match size.as_u64() {
            Some(size @ 1..=50) => size as usize,
            _ => {
                return refuse(
                    "InvalidMaxResultsException",
                    "MaxResults must be between 1 and 50.",
                );
            }
        },
    };
    let skip = match input["NextToken"].as_str().map(str::parse::<usize>) {
        None => 0,
        Some(Ok(skip)) => skip,
        Some(Err(_)) => return refuse("InvalidNextTokenException", "The next token is not valid."),
    };
    let (from, to) = time_range(call, input)?;
    let in_time = |event: &&RecordedEvent| {
        let time = event_time(event).map_or(0.0, Stamp::epoch);
        // Records know no fractions of a second, so the last second counts whole.
        time + 1.0 > from && time <= to
    };
    let mine = call
        .state
        .events
        .iter()
        .rev()
        .filter(|e| e.account == call.account() && e.region == call.region);
    let mut found = mine
        .filter(in_time)
        .filter(|e| attributes.iter().all(|a| matches(e, a)))
        .skip(skip);
    let page: Vec<Value> = found.by_ref().take(size).map(describe).collect();
    let mut answer = json!({"Events": page});
    if found.next().is_some() {
        answer["NextToken"] = json!((skip + size).to_string());
    }
    Ok(answer)
}

/// Seconds since 1970 of the first and last moment asked for.
fn time_range(call: &Call<'_>, input: &Value) -> Answer<(f64, f64)> {
    let oldest = Stamp(call.now.0.saturating_sub(HISTORY)).epoch();
    let from = input["StartTime"].as_f64().unwrap_or(oldest).max(oldest);
    let to = input["EndTime"].as_f64().unwrap_or(f64::MAX);
    if from > to {
        return refuse(
            "InvalidTimeRangeException",
            "The start time is after the end time.",
        );
    }
    Ok((from, to))
}

fn event_time(event: &RecordedEvent) -> Option<Stamp> {
    serde_json::from_value(event.record["eventTime"].clone()).ok()
}

fn describe(event: &RecordedEvent) -> Value {
    let record = &event.record;
    json!({
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": record["readOnly"].to_string(),
        "AccessKeyId": record["userIdentity"]["accessKeyId"],
        "EventTime": event_time(event).map_or(0.0, Stamp::epoch),
        "EventSource": record["eventSource"],
        "Username": user_name(record),
        "Resources": event.resources,
        "CloudTrailEvent": record.to_string(),
    })
}
