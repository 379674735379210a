//! The differences between two attribute sets, and their fingerprints.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Change;
use crate::model::{Resource, as_reference};

/// Every leaf that differs. Items of a list that carry a name (`Sid`, `ID`, `Name`) are compared one by one, so that a
/// change in one policy statement does not show the whole policy.
pub fn changes(before: Option<&Value>, after: Option<&Value>) -> Vec<Change> {
    let mut list = Vec::new();
    walk(String::new(), before, after, &mut list);
    list
}

fn walk(path: String, before: Option<&Value>, after: Option<&Value>, list: &mut Vec<Change>) {
    let before = before.filter(|value| !is_nothing(value));
    let after = after.filter(|value| !is_nothing(value));
    if before == after {
        return;
    }
    let empty = Map::new();
    match (members(before, &empty), members(after, &empty)) {
        (Some(old), Some(new)) if before.or(after).is_some_and(Value::is_object) => {
            for key in union(old, new) {
                let path = match path.as_str() {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                walk(path, old.get(&key), new.get(&key), list);
            }
            return;
        }
        _ => {}
    }
    if let (Some(old), Some(new)) = (named(before), named(after)) {
        let mut names: Vec<&str> = old.iter().map(|(name, _)| *name).collect();
        names.extend(
            new.iter()
                .map(|(name, _)| *name)
                .filter(|n| !old.iter().any(|(o, _)| o == n)),
        );
        for name in names {
            let find = |items: &[(&str, &Value)]| {
                let item = items.iter().find(|(other, _)| *other == name);
                item.map(|(_, value)| (*value).clone())
            };
            let (old, new) = (find(&old), find(&new));
            if old != new {
                list.push(Change {
                    path: format!("{path}[{name}]"),
                    before: old,
                    after: new,
                });
            }
        }
        return;
    }
    list.push(Change {
        path,
        before: before.cloned(),
        after: after.cloned(),
    });
}

/// Absent, null and empty are the same to AWS and to the reader.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// The members of an object to walk into; an absent side counts as empty. References are leaves.
fn members<'a>(
    value: Option<&'a Value>,
    empty: &'a Map<String, Value>,
) -> Option<&'a Map<String, Value>> {
    match value {
        None => Some(empty),
        Some(value) if as_reference(value).is_some() => None,
        Some(value) => value.as_object(),
    }
}

fn union(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<String> {
    let mut keys: Vec<String> = new.keys().cloned().collect();
    keys.extend(old.keys().filter(|key| !new.contains_key(*key)).cloned());
    keys
}

/// The items of a list by name, if every one has a name of its own.
fn named(list: Option<&Value>) -> Option<Vec<(&str, &Value)>> {
    let Some(list) = list else {
        return Some(Vec::new());
    };
    let named: Option<Vec<_>> = list
        .as_array()?
        .iter()
        .map(|item| {
            let name = ["Sid", "ID", "Name"]
                .iter()
                .find_map(|key| item[*key].as_str());
            name.map(|name| (name, item))
        })
        .collect();
    let named = named?;
    let distinct: BTreeSet<&str> = named.iter().map(|(name, _)| *name).collect();
    (distinct.len() == named.len()).then_some(named)
}

/// SHA-256 over what a plan may rest on: the resource's name, attributes and outputs.
pub fn fingerprint(resource: &Resource) -> String {
    let outputs = serde_json::to_value(&resource.outputs).unwrap_or_default();
    let parts = Value::from(vec![
        Value::from(resource.id.clone()),
        resource.attrs.clone(),
        outputs,
    ]);
    digest(&parts)
}

/// SHA-256 of a JSON value, whatever the order of its members.
pub fn digest(value: &Value) -> String {
    let mut text = String::new();
    write_sorted(value, &mut text);
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort();
            out.push('{');
            for key in keys {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_sorted(&members[key], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_sorted(item, out);
                out.push(',');
            }
            out.push(']');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(before: &Value, after: &Value) -> Vec<String> {
        let changes = changes(Some(before), Some(after));
        changes.into_iter().map(|change| change.path).collect()
    }

    #[test]
    fn only_the_changed_statement_shows() {
        let statement = |sid: &str, action: &str| json!({ "Sid": sid, "Action": action });
        let before =
            json!({ "policy": { "Statement": [statement("A", "x"), statement("B", "x")] } });
        let after =
            json!({ "policy": { "Statement": [statement("A", "x"), statement("B", "y")] } });
        assert_eq!(paths(&before, &after), ["policy.Statement[B]"]);
    }

    #[test]
    fn absent_null_and_empty_are_equal() {
        let before = json!({ "prefix": "", "lock": null, "list": [] });
        assert_eq!(paths(&before, &json!({})), Vec::<String>::new());
    }

    #[test]
    fn a_list_without_names_is_one_change() {
        let before = json!({ "list": [1, 2] });
        let after = json!({ "list": [2, 1] });
        assert_eq!(paths(&before, &after), ["list"]);
    }

    #[test]
    fn digests_do_not_depend_on_member_order() {
        assert_eq!(
            digest(&json!({ "a": 1, "b": [2] })),
            digest(&json!({ "b": [2], "a": 1 }))
        );
        assert_ne!(digest(&json!(["ab"])), digest(&json!(["a", "b"])));
    }
}
