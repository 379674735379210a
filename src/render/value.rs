//! Attribute values in one line each: what a reviewer wants to know of a policy statement, a lifecycle rule or a selector.

use serde_json::Value;

use crate::model::as_reference;
use crate::selectors::{AdvancedEventSelector, describe};

pub fn value(value: &Value) -> String {
    if as_reference(value).is_some() {
        return "(known after apply)".to_owned();
    }
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => list(items),
        Value::Object(members) => {
            if members.contains_key("Effect") {
                statement(value)
            } else if members.contains_key("FieldSelectors") {
                selector(value)
            } else if members.contains_key("ID") {
                lifecycle_rule(value)
            } else {
                value.to_string()
            }
        }
        other => other.to_string(),
    }
}

fn list(items: &[Value]) -> String {
    let items: Vec<String> = items.iter().map(value).collect();
    items.join(", ")
}

fn statement(statement: &Value) -> String {
    let mut text = one_or_many(&statement["Effect"]);
    let who = match statement.get("Principal") {
        Some(Value::Object(by_type)) => {
            let all: Vec<String> = by_type.values().map(one_or_many).collect();
            all.join(", ")
        }
        Some(other) => one_or_many(other),
        None => one_or_many(&statement["NotPrincipal"]),
    };
    text.push_str(&format!(" {} {}", who, one_or_many(&statement["Action"])));
    if let Some(resource) = statement
        .get("Resource")
        .filter(|resource| **resource != "*")
    {
        text.push_str(&format!(" on {}", one_or_many(resource)));
    }
    if let Some(Value::Object(operators)) = statement.get("Condition") {
        let keys = operators.iter().flat_map(|(operator, keys)| {
            keys.as_object()
                .into_iter()
                .flatten()
                .map(move |k| (operator, k))
        });
        let conditions: Vec<String> = keys
            .map(|(operator, (key, values))| format!("{key} {operator} {}", one_or_many(values)))
            .collect();
        text.push_str(&format!(" if {}", conditions.join(" and ")));
    }
    text
}

fn one_or_many(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => list(items),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn selector(value: &Value) -> String {
    match serde_json::from_value::<AdvancedEventSelector>(value.clone()) {
        Ok(selector) => describe(&selector),
        Err(_) => value.to_string(),
    }
}

fn lifecycle_rule(rule: &Value) -> String {
    let mut parts = Vec::new();
    if rule["Status"] == "Disabled" {
        parts.push("disabled".to_owned());
    }
    let filter = rule["Filter"].get("And").unwrap_or(&rule["Filter"]);
    if let Some(prefix) = filter["Prefix"]
        .as_str()
        .filter(|prefix| !prefix.is_empty())
    {
        parts.push(format!("under {prefix}"));
    }
    if let Some(size) = filter["ObjectSizeGreaterThan"].as_i64() {
        parts.push(format!("objects over {size} B"));
    }
    if let Some(size) = filter["ObjectSizeLessThan"].as_i64() {
        parts.push(format!("objects under {size} B"));
    }
    for transition in rule["Transitions"].as_array().into_iter().flatten() {
        let when = match transition["Days"].as_i64() {
            Some(days) => format!("after {days} days"),
            None => format!("on {}", one_or_many(&transition["Date"])),
        };
        parts.push(format!(
            "{} {when}",
            one_or_many(&transition["StorageClass"])
        ));
    }
    if let Some(days) = rule["Expiration"]["Days"].as_i64() {
        parts.push(format!("expires after {days} days"));
    }
    if let Some(date) = rule["Expiration"]["Date"].as_str() {
        parts.push(format!("expires on {date}"));
    }
    if rule["Expiration"]["ExpiredObjectDeleteMarker"] == true {
        parts.push("removes expired delete markers".to_owned());
    }
    for transition in rule["NoncurrentVersionTransitions"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let days = &transition["NoncurrentDays"];
        let class = one_or_many(&transition["StorageClass"]);
        parts.push(format!("old versions {class} after {days} days"));
    }
    if let Some(days) = rule["NoncurrentVersionExpiration"]["NoncurrentDays"].as_i64() {
        parts.push(format!("old versions expire after {days} days"));
    }
    if let Some(days) = rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"].as_i64() {
        parts.push(format!("aborts uploads after {days} days"));
    }
    parts.join(", ")
}
