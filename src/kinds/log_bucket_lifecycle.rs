//! Lifecycle rules between three shapes: the spec's, the S3 API's JSON (in which they are compared and saved) and the
//! SDK's types. S3 replaces all rules of a bucket at once, so rules of others are read, kept and written back.

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types as s3;
use serde_json::{Map, Value, json};

use crate::lifecycle::{
    LifecycleRule, NoncurrentVersionExpiration, NoncurrentVersionTransition, StorageClass,
    Transition, expand,
};

/// Marks the rules that a spec owns; S3 rules have no tags.
const OWN_ID_PREFIX: &str = "orgtrail/";

pub fn rules_of(rules: &[LifecycleRule]) -> Vec<Value> {
    expand(rules).iter().map(rule_of).collect()
}

/// Keeps the rules of others, in their place before ours. On a bucket without our tag every rule is somebody else's, but
/// for those that ours replace.
pub fn adopt(desired: &mut Vec<Value>, live: &[Value], tagged: bool) {
    let replaced = |rule: &Value| desired.iter().any(|ours| ours["ID"] == rule["ID"]);
    let foreign = live.iter().filter(|rule| match tagged {
        true => !is_own(rule),
        false => !replaced(rule),
    });
    let foreign = foreign.cloned();
    let mut rules: Vec<Value> = foreign.collect();
    rules.append(desired);
    // The order of rules means nothing to S3.
    let sorted = |rules: &[Value]| {
        let mut texts: Vec<String> = rules.iter().map(Value::to_string).collect();
        texts.sort();
        texts
    };
    *desired = if sorted(&rules) == sorted(live) {
        live.to_vec()
    } else {
        rules
    };
}

fn is_own(rule: &Value) -> bool {
    rule["ID"]
        .as_str()
        .is_some_and(|id| id.starts_with(OWN_ID_PREFIX))
}

/// Would something that is kept today be deleted, or deleted earlier?
pub fn shortens(before: &[Value], after: &[Value]) -> bool {
    crate::lifecycle::shortens(&to_rules(before), &to_rules(after))
}

/// The rules of a bucket, those of others included, in the spec's words.
pub fn to_rules(rules: &[Value]) -> Vec<LifecycleRule> {
    rules.iter().map(to_rule).collect()
}

fn to_rule(rule: &Value) -> LifecycleRule {
    let filter = &rule["Filter"];
    let filter = filter.get("And").unwrap_or(filter);
    let tags = items(&filter["Tags"]).chain(filter.get("Tag"));
    let number = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok());
    let class = |transition: &Value| {
        let name = transition["StorageClass"].as_str().unwrap_or_default();
        StorageClass::from(name.to_owned())
    };
    let noncurrent = &rule["NoncurrentVersionExpiration"];
    let id = rule["ID"].as_str().unwrap_or_default();
    LifecycleRule {
        enabled: rule["Status"] == "Enabled",
        prefix: text(&filter["Prefix"]).or_else(|| text(&rule["Prefix"])),
        tags: tags
            .filter_map(|tag| Some((text(&tag["Key"])?, text(&tag["Value"])?)))
            .collect(),
        object_size_greater_than: filter["ObjectSizeGreaterThan"].as_u64(),
        object_size_less_than: filter["ObjectSizeLessThan"].as_u64(),
        transitions: items(&rule["Transitions"])
            .map(|transition| Transition {
                days: number(&transition["Days"]),
                date: text(&transition["Date"]),
                storage_class: class(transition),
                object_size_greater_than: None,
                object_size_less_than: None,
            })
            .collect(),
        expiration_days: number(&rule["Expiration"]["Days"]),
        expiration_date: text(&rule["Expiration"]["Date"]),
        expired_object_delete_marker: rule["Expiration"]["ExpiredObjectDeleteMarker"] == true,
        noncurrent_version_transitions: items(&rule["NoncurrentVersionTransitions"])
            .filter_map(|transition| {
                Some(NoncurrentVersionTransition {
                    noncurrent_days: number(&transition["NoncurrentDays"])?,
                    storage_class: class(transition),
                    newer_noncurrent_versions: number(&transition["NewerNoncurrentVersions"]),
                })
            })
            .collect(),
        noncurrent_version_expiration: number(&noncurrent["NoncurrentDays"]).map(|days| {
            NoncurrentVersionExpiration {
                noncurrent_days: days,
                newer_noncurrent_versions: number(&noncurrent["NewerNoncurrentVersions"]),
            }
        }),
        abort_incomplete_multipart_upload_days: number(
            &rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"],
        ),
        ..LifecycleRule::new(id.strip_prefix(OWN_ID_PREFIX).unwrap_or(id))
    }
}

fn rule_of(rule: &LifecycleRule) -> Value {
    let mut json = Map::new();
    json.insert("ID".into(), format!("{OWN_ID_PREFIX}{}", rule.id).into());
    let status = if rule.enabled { "Enabled" } else { "Disabled" };
    json.insert("Status".into(), status.into());
    json.insert("Filter".into(), filter_of(rule));
    if !rule.transitions.is_empty() {
        let mut transitions: Vec<Value> = rule
            .transitions
            .iter()
            .map(|transition| {
                object(&[
                    ("Days", transition.days.map(Value::from)),
                    ("Date", midnight(&transition.date)),
                    (
                        "StorageClass",
                        Some(transition.storage_class.as_str().into()),
                    ),
                ])
            })
            .collect();
        sort_transitions(&mut transitions);
        json.insert("Transitions".into(), transitions.into());
    }
    let expiration = object(&[
        ("Days", rule.expiration_days.map(Value::from)),
        ("Date", midnight(&rule.expiration_date)),
        (
            "ExpiredObjectDeleteMarker",
            rule.expired_object_delete_marker
                .then_some(Value::Bool(true)),
        ),
    ]);
    if expiration.as_object().is_some_and(|e| !e.is_empty()) {
        json.insert("Expiration".into(), expiration);
    }
    if !rule.noncurrent_version_transitions.is_empty() {
        let transitions = rule
            .noncurrent_version_transitions
            .iter()
            .map(|transition| {
                object(&[
                    ("NoncurrentDays", Some(transition.noncurrent_days.into())),
                    (
                        "NewerNoncurrentVersions",
                        transition.newer_noncurrent_versions.map(Value::from),
                    ),
                    (
                        "StorageClass",
                        Some(transition.storage_class.as_str().into()),
                    ),
                ])
            });
        let mut transitions: Vec<Value> = transitions.collect();
        sort_transitions(&mut transitions);
        json.insert("NoncurrentVersionTransitions".into(), transitions.into());
    }
    if let Some(expiration) = &rule.noncurrent_version_expiration {
        json.insert(
            "NoncurrentVersionExpiration".into(),
            object(&[
                ("NoncurrentDays", Some(expiration.noncurrent_days.into())),
                (
                    "NewerNoncurrentVersions",
                    expiration.newer_noncurrent_versions.map(Value::from),
                ),
            ]),
        );
    }
    if let Some(days) = rule.abort_incomplete_multipart_upload_days {
        let abort = object(&[("DaysAfterInitiation", Some(days.into()))]);
        json.insert("AbortIncompleteMultipartUpload".into(), abort);
    }
    Value::Object(json)
}

/// A day of the spec as S3 writes it.
fn midnight(date: &Option<String>) -> Option<Value> {
    let date = date.as_ref()?;
    Some(match date.len() {
        10 => format!("{date}T00:00:00Z").into(),
        _ => date.clone().into(),
    })
}

/// One predicate stands alone, several stand under `And` (LifecycleRuleFilter of the S3 API).
fn filter_of(rule: &LifecycleRule) -> Value {
    let prefix = rule.prefix.clone().filter(|prefix| !prefix.is_empty());
    let tags: Vec<Value> = rule
        .tags
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    let sizes = [
        (
            "ObjectSizeGreaterThan",
            rule.object_size_greater_than.map(Value::from),
        ),
        (
            "ObjectSizeLessThan",
            rule.object_size_less_than.map(Value::from),
        ),
    ];
    let predicates = usize::from(prefix.is_some())
        + tags.len()
        + sizes.iter().filter(|(_, size)| size.is_some()).count();
    let [greater, less] = sizes;
    match predicates {
        0 => json!({ "Prefix": "" }),
        1 => {
            let tag = tags.into_iter().next();
            object(&[
                ("Prefix", prefix.map(Value::from)),
                ("Tag", tag),
                greater,
                less,
            ])
        }
        _ => {
            let tags = (!tags.is_empty()).then(|| Value::from(tags));
            let and = object(&[
                ("Prefix", prefix.map(Value::from)),
                greater,
                less,
                ("Tags", tags),
            ]);
            json!({ "And": and })
        }
    }
}

fn object(members: &[(&str, Option<Value>)]) -> Value {
    let present = members
        .iter()
        .filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
    Value::Object(present.collect())
}

fn sort_transitions(transitions: &mut [Value]) {
    transitions.sort_by_key(|transition| {
        let days = transition["Days"].as_i64();
        let days = days.or(transition["NoncurrentDays"].as_i64());
        (
            days,
            transition["Date"].to_string(),
            transition["StorageClass"].to_string(),
        )
    });
}

// ---- the SDK's types

pub fn from_sdk(rules: &[s3::LifecycleRule]) -> Vec<Value> {
    rules.iter().map(rule_from_sdk).collect()
}

fn rule_from_sdk(rule: &s3::LifecycleRule) -> Value {
    let mut transitions: Vec<Value> = rule
        .transitions()
        .iter()
        .map(|transition| {
            object(&[
                ("Days", transition.days().map(Value::from)),
                ("Date", transition.date().map(date)),
                (
                    "StorageClass",
                    transition.storage_class().map(|c| c.as_str().into()),
                ),
            ])
        })
        .collect();
    sort_transitions(&mut transitions);
    let mut noncurrent: Vec<Value> = rule
        .noncurrent_version_transitions()
        .iter()
        .map(|transition| {
            object(&[
                (
                    "NoncurrentDays",
                    transition.noncurrent_days().map(Value::from),
                ),
                (
                    "NewerNoncurrentVersions",
                    transition.newer_noncurrent_versions().map(Value::from),
                ),
                (
                    "StorageClass",
                    transition.storage_class().map(|c| c.as_str().into()),
                ),
            ])
        })
        .collect();
    sort_transitions(&mut noncurrent);
    let some_array = |items: Vec<Value>| (!items.is_empty()).then(|| Value::from(items));
    #[allow(deprecated, reason = "rules of others may still have the old prefix")]
    let prefix = rule.prefix();
    object(&[
        ("ID", rule.id().map(Value::from)),
        ("Status", Some(rule.status().as_str().into())),
        ("Prefix", prefix.map(Value::from)),
        ("Filter", rule.filter().map(filter_from_sdk)),
        ("Transitions", some_array(transitions)),
        (
            "Expiration",
            rule.expiration().map(|expiration| {
                object(&[
                    ("Days", expiration.days().map(Value::from)),
                    ("Date", expiration.date().map(date)),
                    (
                        "ExpiredObjectDeleteMarker",
                        // Some servers answer false for absent.
                        expiration
                            .expired_object_delete_marker()
                            .filter(|marker| *marker)
                            .map(Value::from),
                    ),
                ])
            }),
        ),
        ("NoncurrentVersionTransitions", some_array(noncurrent)),
        (
            "NoncurrentVersionExpiration",
            rule.noncurrent_version_expiration().map(|expiration| {
                object(&[
                    (
                        "NoncurrentDays",
                        expiration.noncurrent_days().map(Value::from),
                    ),
                    (
                        "NewerNoncurrentVersions",
                        expiration.newer_noncurrent_versions().map(Value::from),
                    ),
                ])
            }),
        ),
        (
            "AbortIncompleteMultipartUpload",
            rule.abort_incomplete_multipart_upload().map(|abort| {
                object(&[(
                    "DaysAfterInitiation",
                    abort.days_after_initiation().map(Value::from),
                )])
            }),
        ),
    ])
}

fn filter_from_sdk(filter: &s3::LifecycleRuleFilter) -> Value {
    let and = filter.and().map(|and| {
        let tags: Vec<Value> = and.tags().iter().map(tag).collect();
        object(&[
            ("Prefix", and.prefix().map(Value::from)),
            (
                "ObjectSizeGreaterThan",
                and.object_size_greater_than().map(Value::from),
            ),
            (
                "ObjectSizeLessThan",
                and.object_size_less_than().map(Value::from),
            ),
            ("Tags", (!tags.is_empty()).then(|| Value::from(tags))),
        ])
    });
    object(&[
        ("Prefix", filter.prefix().map(Value::from)),
        ("Tag", filter.tag().map(tag)),
        (
            "ObjectSizeGreaterThan",
            filter.object_size_greater_than().map(Value::from),
        ),
        (
            "ObjectSizeLessThan",
            filter.object_size_less_than().map(Value::from),
        ),
        ("And", and),
    ])
}

fn tag(tag: &s3::Tag) -> Value {
    json!({ "Key": tag.key(), "Value": tag.value() })
}

fn date(date: &DateTime) -> Value {
    // A date that cannot be written is one that S3 never returns.
    date.fmt(DateTimeFormat::DateTime)
        .unwrap_or_default()
        .into()
}

/// Rules come from a plan file too, so every part is checked.
pub fn to_sdk(rules: &[Value]) -> Result<Vec<s3::LifecycleRule>, String> {
    rules.iter().map(rule_to_sdk).collect()
}

fn rule_to_sdk(rule: &Value) -> Result<s3::LifecycleRule, String> {
    let broken = |what: &str| format!("a lifecycle rule of the plan has no usable {what}: {rule}");
    let status = rule["Status"].as_str().ok_or_else(|| broken("Status"))?;
    let mut builder = s3::LifecycleRule::builder()
        .set_id(text(&rule["ID"]))
        .status(s3::ExpirationStatus::from(status))
        .set_filter(rule.get("Filter").map(filter_to_sdk));
    #[allow(deprecated, reason = "rules of others may still have the old prefix")]
    {
        builder = builder.set_prefix(text(&rule["Prefix"]));
    }
    for transition in items(&rule["Transitions"]) {
        builder = builder.transitions(
            s3::Transition::builder()
                .set_days(int(&transition["Days"]))
                .set_date(date_of(&transition["Date"])?)
                .set_storage_class(text(&transition["StorageClass"]).map(|c| c.as_str().into()))
                .build(),
        );
    }
    if let Some(expiration) = rule.get("Expiration") {
        builder = builder.expiration(
            s3::LifecycleExpiration::builder()
                .set_days(int(&expiration["Days"]))
                .set_date(date_of(&expiration["Date"])?)
                .set_expired_object_delete_marker(expiration["ExpiredObjectDeleteMarker"].as_bool())
                .build(),
        );
    }
    for transition in items(&rule["NoncurrentVersionTransitions"]) {
        builder = builder.noncurrent_version_transitions(
            s3::NoncurrentVersionTransition::builder()
                .set_noncurrent_days(int(&transition["NoncurrentDays"]))
                .set_newer_noncurrent_versions(int(&transition["NewerNoncurrentVersions"]))
                .set_storage_class(text(&transition["StorageClass"]).map(|c| c.as_str().into()))
                .build(),
        );
    }
    if let Some(expiration) = rule.get("NoncurrentVersionExpiration") {
        builder = builder.noncurrent_version_expiration(
            s3::NoncurrentVersionExpiration::builder()
                .set_noncurrent_days(int(&expiration["NoncurrentDays"]))
                .set_newer_noncurrent_versions(int(&expiration["NewerNoncurrentVersions"]))
                .build(),
        );
    }
    if let Some(abort) = rule.get("AbortIncompleteMultipartUpload") {
        builder = builder.abort_incomplete_multipart_upload(
            s3::AbortIncompleteMultipartUpload::builder()
                .set_days_after_initiation(int(&abort["DaysAfterInitiation"]))
                .build(),
        );
    }
    builder.build().map_err(|error| error.to_string())
}

fn filter_to_sdk(filter: &Value) -> s3::LifecycleRuleFilter {
    let and = filter.get("And").map(|and| {
        s3::LifecycleRuleAndOperator::builder()
            .set_prefix(text(&and["Prefix"]))
            .set_object_size_greater_than(and["ObjectSizeGreaterThan"].as_i64())
            .set_object_size_less_than(and["ObjectSizeLessThan"].as_i64())
            .set_tags(
                and.get("Tags")
                    .map(|tags| items(tags).filter_map(tag_to_sdk).collect()),
            )
            .build()
    });
    s3::LifecycleRuleFilter::builder()
        .set_prefix(text(&filter["Prefix"]))
        .set_tag(filter.get("Tag").and_then(tag_to_sdk))
        .set_object_size_greater_than(filter["ObjectSizeGreaterThan"].as_i64())
        .set_object_size_less_than(filter["ObjectSizeLessThan"].as_i64())
        .set_and(and)
        .build()
}

fn tag_to_sdk(tag: &Value) -> Option<s3::Tag> {
    let builder = s3::Tag::builder()
        .key(tag["Key"].as_str()?)
        .value(tag["Value"].as_str()?);
    builder.build().ok()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn int(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|n| i32::try_from(n).ok())
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn date_of(value: &Value) -> Result<Option<DateTime>, String> {
    let Some(text) = value.as_str() else {
        return Ok(None);
    };
    DateTime::from_str(text, DateTimeFormat::DateTime)
        .map(Some)
        .map_err(|error| format!("{text} is not a date: {error}"))
}
