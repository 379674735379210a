//! KMS: its operations, how keys are named, aliases and listings. Keys and policies have files of their own.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::dispatch::{Call, JsonHandler};
use super::error::{Answer, AwsError, refuse};
use super::state::{Key, State};
use super::{kms_keys as keys, kms_policy as policy};

pub const ACTIONS: &[(&str, JsonHandler)] = &[
    ("CancelKeyDeletion", keys::cancel_key_deletion),
    ("CreateAlias", create_alias),
    ("CreateKey", keys::create_key),
    ("DeleteAlias", delete_alias),
    ("DescribeKey", keys::describe_key),
    ("DisableKey", keys::disable_key),
    ("DisableKeyRotation", keys::disable_key_rotation),
    ("EnableKey", keys::enable_key),
    ("EnableKeyRotation", keys::enable_key_rotation),
    ("GetKeyPolicy", policy::get_key_policy),
    ("GetKeyRotationStatus", keys::get_key_rotation_status),
    ("ListAliases", list_aliases),
    ("ListKeys", list_keys),
    ("ListResourceTags", list_resource_tags),
    ("PutKeyPolicy", policy::put_key_policy),
    ("ScheduleKeyDeletion", keys::schedule_key_deletion),
    ("TagResource", tag_resource),
    ("UntagResource", untag_resource),
    ("UpdateKeyDescription", keys::update_key_description),
    ("UpdateAlias", update_alias),
];

/// KMS Developer Guide, page "resource-limits".
const MAX_TAGS: usize = 50;

/// Where a key lives.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyPlace {
    pub account: String,
    pub region: String,
    pub id: String,
}

impl KeyPlace {
    pub fn arn(&self) -> String {
        format!(
            "arn:aws:kms:{}:{}:key/{}",
            self.region, self.account, self.id
        )
    }

    pub fn key<'a>(&self, state: &'a State) -> Option<&'a Key> {
        state
            .region(&self.account, &self.region)?
            .keys
            .get(&self.id)
    }

    pub fn key_mut<'a>(&self, state: &'a mut State) -> Answer<&'a mut Key> {
        let region = state.region_mut(&self.account, &self.region);
        region
            .keys
            .get_mut(&self.id)
            .ok_or_else(|| no_key(&self.arn()))
    }
}

pub fn no_key(arn: &str) -> AwsError {
    AwsError::new("NotFoundException", format!("Key '{arn}' does not exist"))
}

pub fn validation<T>(message: impl Into<String>) -> Answer<T> {
    refuse("ValidationException", message)
}

/// The key that `reference` (id, ARN, alias, alias ARN) names, seen from an account and Region.
pub fn find_key(state: &State, account: &str, region: &str, reference: &str) -> Answer<KeyPlace> {
    let (account, region, resource) = match reference.strip_prefix("arn:") {
        None => (account, region, reference.to_owned()),
        Some(rest) => match rest.splitn(5, ':').collect::<Vec<_>>().as_slice() {
            [_, "kms", its_region, its_account, resource] => {
                if *its_region != region {
                    return refuse("NotFoundException", format!("Invalid arn {its_region}"));
                }
                (*its_account, *its_region, (*resource).to_owned())
            }
            _ => {
                return refuse(
                    "InvalidArnException",
                    format!("{reference} is not a valid ARN."),
                );
            }
        },
    };
    let keeper = state.region(account, region);
    let id = if resource.starts_with("alias/") {
        let arn = format!("arn:aws:kms:{region}:{account}:{resource}");
        let id = keeper.and_then(|r| r.aliases.get(&resource)).cloned();
        id.ok_or_else(|| AwsError::new("NotFoundException", format!("Alias {arn} is not found.")))?
    } else {
        resource
            .strip_prefix("key/")
            .unwrap_or(&resource)
            .to_owned()
    };
    let place = KeyPlace {
        account: account.to_owned(),
        region: region.to_owned(),
        id,
    };
    match place.key(state) {
        Some(_) => Ok(place),
        None => Err(no_key(&place.arn())),
    }
}

/// The key of a request, if the caller may do `action` with it.
pub fn key_of(call: &Call<'_>, input: &Value, action: &str) -> Answer<KeyPlace> {
    let reference = match input["KeyId"].as_str() {
        Some(reference) if !reference.is_empty() => reference,
        _ => {
            return validation(
                "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null",
            );
        }
    };
    let place = find_key(call.state, call.account(), call.region, reference)?;
    policy::authorize(call, &place, action)?;
    Ok(place)
}

/// `TagKey`/`TagValue` lists and the like, as a map.
pub fn tags_of(list: &Value, key: &str, value: &str) -> BTreeMap<String, String> {
    let pair = |tag: &Value| {
        let text = |member: &str| tag[member].as_str().unwrap_or_default().to_owned();
        (text(key), text(value))
    };
    list.as_array().into_iter().flatten().map(pair).collect()
}

pub fn tag_list(tags: &BTreeMap<String, String>, key: &str, value: &str) -> Value {
    let pair = |(k, v): (&String, &String)| json!({key: k, value: v});
    Value::Array(tags.iter().map(pair).collect())
}

/// A JSON object of strings as a map.
pub fn string_map(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs
        .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
        .collect()
}

/// Tags that KMS would take: at most fifty, none of AWS's own.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Answer<()> {
    if tags.len() > MAX_TAGS {
        return refuse("LimitExceededException", "Too many tags");
    }
    if tags
        .keys()
        .any(|k| k.is_empty() || k.len() > 128 || k.starts_with("aws:"))
    {
        return refuse("TagException", "Tag key is invalid.");
    }
    Ok(())
}

fn alias_name(input: &Value) -> Answer<&str> {
    let name = input["AliasName"].as_str().unwrap_or_default();
    let bare = name.strip_prefix("alias/").unwrap_or_default();
    let known = |b: u8| b.is_ascii_alphanumeric() || b"/_-".contains(&b);
    if bare.is_empty() {
        return validation("Invalid identifier");
    }
    // KMS API, page CreateAlias.
    if bare.starts_with("aws") || name.len() > 256 || !bare.bytes().all(known) {
        return refuse(
            "InvalidAliasNameException",
            format!("{name} is not a valid alias name."),
        );
    }
    Ok(name)
}

fn alias_arn(call: &Call<'_>, name: &str) -> String {
    format!("arn:aws:kms:{}:{}:{name}", call.region, call.account())
}

fn alias_missing(call: &Call<'_>, name: &str) -> AwsError {
    AwsError::new(
        "NotFoundException",
        format!("Alias {} is not found.", alias_arn(call, name)),
    )
}

/// The target of an alias: a key of the same account that is not on its way out.
fn alias_target(call: &Call<'_>, input: &Value, action: &str) -> Answer<KeyPlace> {
    let reference = input["TargetKeyId"].as_str().unwrap_or_default();
    let place = find_key(call.state, call.account(), call.region, reference)?;
    if reference.contains("alias/") || place.account != call.account() {
        return validation("Aliases must refer to keys. Not aliases");
    }
    policy::authorize(call, &place, action)?;
    keys::not_pending(call.state, &place)?;
    Ok(place)
}

fn create_alias(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let name = alias_name(input)?;
    let target = alias_target(call, input, "kms:CreateAlias")?;
    let arn = alias_arn(call, name);
    let aliases = &mut call.state.region_mut(&target.account, call.region).aliases;
    if aliases.contains_key(name) {
        return refuse(
            "AlreadyExistsException",
            format!("An alias with the name {arn} already exists"),
        );
    }
    aliases.insert(name.to_owned(), target.id);
    Ok(json!({}))
}

fn update_alias(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let name = alias_name(input)?;
    let target = alias_target(call, input, "kms:UpdateAlias")?;
    let missing = alias_missing(call, name);
    let aliases = &mut call.state.region_mut(&target.account, call.region).aliases;
    *aliases.get_mut(name).ok_or(missing)? = target.id;
    Ok(json!({}))
}

fn delete_alias(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let name = alias_name(input)?;
    let missing = alias_missing(call, name);
    let account = call.account().to_owned();
    let aliases = &mut call.state.region_mut(&account, call.region).aliases;
    aliases.remove(name).ok_or(missing)?;
    Ok(json!({}))
}

fn list_aliases(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let only = match input["KeyId"].as_str() {
        Some(reference) => Some(find_key(call.state, call.account(), call.region, reference)?.id),
        None => None,
    };
    let aliases = call
        .state
        .region(call.account(), call.region)
        .into_iter()
        .flat_map(|r| &r.aliases);
    let listed = aliases
        .filter(|(_, id)| only.as_ref().is_none_or(|o| o == *id))
        .map(|(name, id)| {
            let alias =
                json!({"AliasName": name, "AliasArn": alias_arn(call, name), "TargetKeyId": id});
            (name.clone(), alias)
        });
    page(input, "Aliases", listed)
}

fn list_keys(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let keys = call
        .state
        .region(call.account(), call.region)
        .into_iter()
        .flat_map(|r| r.keys.keys());
    let listed = keys.map(|id| {
        let place = KeyPlace {
            account: call.account().to_owned(),
            region: call.region.to_owned(),
            id: id.clone(),
        };
        (id.clone(), json!({"KeyId": id, "KeyArn": place.arn()}))
    });
    page(input, "Keys", listed)
}

/// KMS pages: `Limit`, `Marker`, `Truncated`, `NextMarker`.
fn page(input: &Value, name: &str, items: impl Iterator<Item = (String, Value)>) -> Answer<Value> {
    let limit = match input.get("Limit").filter(|v| !v.is_null()) {
        None => 100,
        Some(limit) => match limit.as_u64() {
            Some(limit @ 1..=1000) => limit as usize,
            _ => {
                return validation(
                    "1 validation error detected: Value at 'limit' failed to satisfy constraint",
                );
            }
        },
    };
    let after = input["Marker"].as_str().unwrap_or_default().to_owned();
    let mut rest: Vec<_> = items
        .filter(|(key, _)| *key > after)
        .take(limit + 1)
        .collect();
    let truncated = rest.len() > limit;
    rest.truncate(limit);
    let last = rest
        .last()
        .map(|(key, _)| key.clone())
        .filter(|_| truncated);
    let mut answer = json!({"Truncated": truncated});
    answer[name] = rest.into_iter().map(|(_, value)| value).collect();
    if let Some(last) = last {
        answer["NextMarker"] = json!(last);
    }
    Ok(answer)
}

fn list_resource_tags(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = key_of(call, input, "kms:ListResourceTags")?;
    let key = place.key_mut(call.state)?;
    Ok(json!({"Tags": tag_list(&key.tags, "TagKey", "TagValue"), "Truncated": false}))
}

fn tag_resource(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = key_of(call, input, "kms:TagResource")?;
    keys::not_pending(call.state, &place)?;
    let key = place.key_mut(call.state)?;
    let mut tags = key.tags.clone();
    tags.extend(tags_of(&input["Tags"], "TagKey", "TagValue"));
    check_tags(&tags)?;
    key.tags = tags;
    Ok(json!({}))
}

fn untag_resource(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = key_of(call, input, "kms:UntagResource")?;
    keys::not_pending(call.state, &place)?;
    let key = place.key_mut(call.state)?;
    for name in input["TagKeys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        key.tags.remove(name);
    }
    Ok(json!({}))
}
