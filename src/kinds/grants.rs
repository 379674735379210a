//! Permissions of trails in bucket and key policies are widened before a trail needs them and withdrawn after it no longer
//! does. This is the second half: what a live policy still grants to a trail that is about to change stays for now.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::policy::{Effect, Policy, Statement};

const CLOUDTRAIL: &str = "cloudtrail.amazonaws.com";

/// Which trails' permissions must stay as they are until the trail has been changed or deleted.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    /// Trails that the plan changes, deletes, or cannot read.
    pub changing: BTreeSet<String>,
    /// Trails of the spec that stay as they are.
    pub settled: BTreeSet<String>,
    /// Trails that exist in the accounts that could be listed.
    pub existing: BTreeSet<String>,
    /// Ids of accounts whose trails could all be listed: one of theirs that is not there is gone.
    pub listed: BTreeSet<String>,
    /// Set for the first of two passes, which only finds out what changes.
    pub ignored: bool,
}

impl Pending {
    pub fn ignore() -> Self {
        Self {
            ignored: true,
            ..Self::default()
        }
    }

    fn keeps(&self, arn: &str) -> bool {
        if self.ignored || self.settled.contains(arn) {
            return false;
        }
        let owner = arn.split(':').nth(4).unwrap_or_default();
        self.changing.contains(arn) || self.existing.contains(arn) || !self.listed.contains(owner)
    }
}

/// Adds to our statements what the live ones still grant to pending trails.
pub fn keep_pending(ours: &mut Vec<Statement>, live: &Policy, pending: &Pending) {
    let granted = live
        .statements
        .iter()
        .filter(|statement| is_grant(statement));
    for old in granted.filter(|old| needed(old, pending)) {
        let same = ours.iter().position(|new| new.sid() == old.sid());
        match same {
            None => ours.push(old.clone()),
            Some(at) => {
                let merged = union(ours[at].as_json(), old.as_json());
                if let Ok(statement) = Statement::from_json(merged) {
                    ours[at] = statement;
                }
            }
        }
    }
}

/// One of our statements that lets CloudTrail do something.
fn is_grant(statement: &Statement) -> bool {
    let to_cloudtrail = statement.as_json()["Principal"]["Service"] == CLOUDTRAIL;
    statement.is_own() && statement.effect() == Effect::Allow && to_cloudtrail
}

/// Does a pending trail rely on it? A statement that names no trail serves them all.
fn needed(statement: &Statement, pending: &Pending) -> bool {
    let arns = source_arns(statement.as_json());
    match arns.is_empty() {
        true => !pending.changing.is_empty(),
        false => arns.iter().any(|arn| pending.keeps(arn)),
    }
}

fn source_arns(statement: &Value) -> Vec<&str> {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    let keys = operators.flat_map(|(_, keys)| keys.as_object().into_iter().flatten());
    let values = keys.filter(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn"));
    values.flat_map(|(_, values)| texts(values)).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// `new` with the resources and condition values that only `old` has.
fn union(new: &Value, old: &Value) -> Value {
    let mut merged = new.clone();
    merged["Resource"] = both(&new["Resource"], &old["Resource"]);
    for (operator, keys) in old["Condition"].as_object().into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            if merged["Condition"][operator].get(key).is_some() {
                merged["Condition"][operator][key] = both(&new["Condition"][operator][key], values);
            }
        }
    }
    merged
}

fn both(new: &Value, old: &Value) -> Value {
    let mut values = texts(new);
    let more = texts(old)
        .into_iter()
        .filter(|text| !texts(new).contains(text));
    let more: Vec<&str> = more.collect();
    if more.is_empty() {
        return new.clone();
    }
    values.extend(more);
    values.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const OLD: &str = "arn:aws:cloudtrail:us-east-1:111122223333:trail/org";
    const NEW: &str = "arn:aws:cloudtrail:us-west-2:111122223333:trail/org";

    fn grant(arns: &[&str]) -> Statement {
        Statement::from_json(json!({
            "Sid": "OrgTrailWrite", "Effect": "Allow", "Principal": { "Service": CLOUDTRAIL },
            "Action": "s3:PutObject", "Resource": "arn:aws:s3:::logs/AWSLogs/111122223333/*",
            "Condition": { "StringEquals": { "aws:SourceArn": arns } },
        }))
        .unwrap()
    }

    fn kept(ours: &[&str], pending: &Pending) -> Vec<String> {
        let mut statements = vec![grant(ours)];
        keep_pending(&mut statements, &Policy::new(vec![grant(&[OLD])]), pending);
        let arns = source_arns(statements[0].as_json());
        arns.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_trail_that_is_about_to_go_keeps_its_permission() {
        let pending = Pending {
            changing: [OLD.to_owned()].into(),
            ..Pending::default()
        };
        assert_eq!(kept(&[NEW], &pending), [NEW, OLD]);
    }

    #[test]
    fn a_trail_that_is_gone_loses_it() {
        let pending = Pending {
            listed: ["111122223333".to_owned()].into(),
            ..Pending::default()
        };
        assert_eq!(kept(&[NEW], &pending), [NEW]);
    }

    #[test]
    fn a_trail_of_an_account_that_left_the_spec_is_not_known_to_be_gone() {
        assert_eq!(kept(&[NEW], &Pending::default()), [NEW, OLD]);
    }
}
