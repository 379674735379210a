//! SNS: topics and their policies.

use std::collections::BTreeMap;

use super::dispatch::{Call, QueryHandler};
use super::error::{Answer, AwsError, refuse};
use super::policy::Policy;
use super::protocol::Form;
use super::state::Topic;
use super::xml::{Element, el};

pub const ACTIONS: &[(&str, QueryHandler)] = &[
    ("CreateTopic", create_topic),
    ("GetTopicAttributes", get_topic_attributes),
    ("ListTagsForResource", list_tags_for_resource),
    ("ListTopics", list_topics),
    ("SetTopicAttributes", set_topic_attributes),
];

pub fn topic_arn(region: &str, account: &str, name: &str) -> String {
    format!("arn:aws:sns:{region}:{account}:{name}")
}

/// Region, account and name of a topic's ARN.
pub fn split_topic_arn(arn: &str) -> Option<(&str, &str, &str)> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "sns", region, account, name] => Some((region, account, name)),
        _ => None,
    }
}

/// What a topic has from its first day: its owner may do everything with it.
pub fn default_attributes(region: &str, account: &str, name: &str) -> BTreeMap<String, String> {
    let arn = topic_arn(region, account, name);
    let policy = serde_json::json!({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [{
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission",
            "SNS:RemovePermission", "SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic",
            "SNS:Publish"],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": account}}}]});
    BTreeMap::from([
        ("TopicArn".to_owned(), arn),
        ("Owner".to_owned(), account.to_owned()),
        ("Policy".to_owned(), policy.to_string()),
        ("DisplayName".to_owned(), String::new()),
        ("SubscriptionsConfirmed".to_owned(), "0".to_owned()),
        ("SubscriptionsPending".to_owned(), "0".to_owned()),
        ("SubscriptionsDeleted".to_owned(), "0".to_owned()),
    ])
}

fn not_found() -> AwsError {
    AwsError::new("NotFound", "Topic does not exist").status(404)
}

fn invalid(what: &str) -> AwsError {
    AwsError::new("InvalidParameter", format!("Invalid parameter: {what}"))
}

fn topic_mut<'a>(call: &'a mut Call<'_>, arn: &str) -> Answer<&'a mut Topic> {
    let (region, account, name) = split_topic_arn(arn).ok_or_else(|| invalid("TopicArn"))?;
    if region != call.region {
        return Err(invalid("TopicArn"));
    }
    if account != call.account() {
        let message = format!(
            "User: {} is not authorized to perform this action on {arn}",
            call.caller.arn()
        );
        return Err(AwsError::new("AuthorizationError", message).status(403));
    }
    call.state
        .region_mut(account, region)
        .topics
        .get_mut(name)
        .ok_or_else(not_found)
}

fn create_topic(call: &mut Call<'_>, form: &Form) -> Answer<Option<Element>> {
    let name = form.need("Name")?;
    let plain = name.strip_suffix(".fifo").unwrap_or(name);
    let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.len() > 256 || plain.is_empty() || !plain.bytes().all(known) {
        return Err(invalid("Topic Name"));
    }
    let (account, region) = (call.account().to_owned(), call.region);
    let mut attributes = default_attributes(region, &account, name);
    for n in 1.. {
        let Some(key) = form.get(&format!("Attributes.entry.{n}.key")) else {
            break;
        };
        let value = form
            .get(&format!("Attributes.entry.{n}.value"))
            .unwrap_or_default();
        attributes.insert(key.to_owned(), value.to_owned());
    }
    let topic = Topic {
        attributes,
        tags: form.tags(),
    };
    let topics = &mut call.state.region_mut(&account, region).topics;
    topics.entry(name.to_owned()).or_insert(topic);
    Ok(Some(
        el("").with("TopicArn", topic_arn(region, &account, name)),
    ))
}

fn get_topic_attributes(call: &mut Call<'_>, form: &Form) -> Answer<Option<Element>> {
    let topic = topic_mut(call, form.need("TopicArn")?)?;
    let entries = topic
        .attributes
        .iter()
        .map(|(key, value)| el("entry").with("key", key).with("value", value));
    Ok(Some(el("").child(el("Attributes").children(entries))))
}

fn set_topic_attributes(call: &mut Call<'_>, form: &Form) -> Answer<Option<Element>> {
    let arn = form.need("TopicArn")?;
    let name = form.need("AttributeName")?;
    let value = form.get("AttributeValue").unwrap_or_default();
    let topic = topic_mut(call, arn)?;
    if name == "Policy" {
        if let Err(fault) = Policy::parse(value) {
            return refuse(
                "InvalidParameter",
                format!("Invalid parameter: Policy Error: {fault:?}"),
            );
        }
    } else if ![
        "DisplayName",
        "DeliveryPolicy",
        "KmsMasterKeyId",
        "TracingConfig",
        "SignatureVersion",
    ]
    .contains(&name)
    {
        return Err(invalid("AttributeName"));
    }
    topic.attributes.insert(name.to_owned(), value.to_owned());
    Ok(None)
}

fn list_topics(call: &mut Call<'_>, _: &Form) -> Answer<Option<Element>> {
    let (account, region) = (call.account().to_owned(), call.region);
    let topics = call
        .state
        .region(&account, region)
        .into_iter()
        .flat_map(|r| r.topics.keys());
    let members =
        topics.map(|name| el("member").with("TopicArn", topic_arn(region, &account, name)));
    Ok(Some(el("").child(el("Topics").children(members))))
}

fn list_tags_for_resource(call: &mut Call<'_>, form: &Form) -> Answer<Option<Element>> {
    let topic = topic_mut(call, form.need("ResourceArn")?)?;
    let tags = topic
        .tags
        .iter()
        .map(|(key, value)| el("member").with("Key", key).with("Value", value));
    Ok(Some(el("").child(el("Tags").children(tags))))
}
