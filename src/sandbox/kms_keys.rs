//! KMS keys: their life from CreateKey to deletion, and their rotation.

use serde_json::{Value, json};
use time::Duration;

use super::dispatch::Call;
use super::error::{Answer, refuse};
use super::kms::{KeyPlace, check_tags, key_of, tags_of, validation};
use super::kms_policy;
use super::state::{Key, Stamp, State};

/// KMS API, page EnableKeyRotation.
const ROTATION_DAYS: std::ops::RangeInclusive<u64> = 90..=2560;
const DEFAULT_ROTATION_DAYS: u32 = 365;
/// KMS API, page ScheduleKeyDeletion.
const WAITING_DAYS: std::ops::RangeInclusive<i64> = 7..=30;

/// Refuses keys that wait for their deletion: KMS Developer Guide, page "key-state".
pub fn not_pending(state: &State, place: &KeyPlace) -> Answer<()> {
    match place.key(state) {
        Some(key) if key.state == "PendingDeletion" => refuse(
            "KMSInvalidStateException",
            format!("{} is pending deletion.", place.arn()),
        ),
        _ => Ok(()),
    }
}

fn enabled(state: &State, place: &KeyPlace) -> Answer<()> {
    not_pending(state, place)?;
    match place.key(state) {
        Some(key) if key.state == "Disabled" => {
            refuse("DisabledException", format!("{} is disabled.", place.arn()))
        }
        _ => Ok(()),
    }
}

/// Automatic rotation is for symmetric encryption keys: KMS API, page EnableKeyRotation.
fn rotatable(state: &State, place: &KeyPlace) -> Answer<()> {
    match place.key(state) {
        Some(key) if key.spec != "SYMMETRIC_DEFAULT" => refuse("UnsupportedOperationException", ""),
        _ => Ok(()),
    }
}

pub fn create_key(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let spec = input["KeySpec"]
        .as_str()
        .or(input["CustomerMasterKeySpec"].as_str());
    let multi_region = input["MultiRegion"].as_bool().unwrap_or(false);
    let tags = tags_of(&input["Tags"], "TagKey", "TagValue");
    check_tags(&tags)?;
    let given = input["Policy"].as_str().map(str::to_owned);
    let policy = given
        .clone()
        .unwrap_or_else(|| kms_policy::default_policy(call.account()));
    let bypass = input["BypassPolicyLockoutSafetyCheck"]
        .as_bool()
        .unwrap_or(false);
    if given.is_some() {
        kms_policy::check(call, &policy, bypass)?;
    }
    let key = Key {
        created: call.now,
        description: input["Description"].as_str().unwrap_or_default().to_owned(),
        usage: input["KeyUsage"]
            .as_str()
            .unwrap_or("ENCRYPT_DECRYPT")
            .to_owned(),
        spec: spec.unwrap_or("SYMMETRIC_DEFAULT").to_owned(),
        multi_region,
        state: "Enabled".to_owned(),
        policy,
        tags,
        ..Key::default()
    };
    if key.description.len() > 8192 {
        return validation(
            "1 validation error detected: Value at 'description' failed to satisfy constraint: Member must have length less than or equal to 8192",
        );
    }
    let id = if multi_region {
        format!("mrk-{}", call.state.fresh_hex(32))
    } else {
        call.state.fresh_uuid()
    };
    let place = KeyPlace {
        account: call.account().to_owned(),
        region: call.region.to_owned(),
        id: id.clone(),
    };
    let answer = json!({"KeyMetadata": metadata(&place, &key)});
    call.state
        .region_mut(&place.account, call.region)
        .keys
        .insert(id, key);
    Ok(answer)
}

pub fn describe_key(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = key_of(call, input, "kms:DescribeKey")?;
    let key = place.key_mut(call.state)?;
    Ok(json!({"KeyMetadata": metadata(&place, key)}))
}

fn metadata(place: &KeyPlace, key: &Key) -> Value {
    let mut value = json!({
        "AWSAccountId": place.account,
        "KeyId": place.id,
        "Arn": place.arn(),
        "CreationDate": key.created.epoch(),
        "Enabled": key.state == "Enabled",
        "Description": key.description,
        "KeyUsage": key.usage,
        "KeyState": key.state,
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        "MultiRegion": key.multi_region,
    });
    if key.spec == "SYMMETRIC_DEFAULT" {
        value["EncryptionAlgorithms"] = json!(["SYMMETRIC_DEFAULT"]);
    }
    if key.multi_region {
        value["MultiRegionConfiguration"] = json!({
            "MultiRegionKeyType": "PRIMARY",
            "PrimaryKey": {"Arn": place.arn(), "Region": place.region},
            "ReplicaKeys": [],
        });
    }
    if let Some(date) = key.deletion_date {
        value["DeletionDate"] = json!(date.epoch());
    }
    value
}

pub fn disable_key(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    set_state(call, input, "kms:DisableKey", "Disabled")
}

pub fn enable_key(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    set_state(call, input, "kms:EnableKey", "Enabled")
}

pub fn update_key_description(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = key_of(call, input, "kms:UpdateKeyDescription")?;
    not_pending(call.state, &place)?;
    let description = input.get("Description").and_then(Value::as_str);
    place.key_mut(call.state)?.description = description.unwrap_or_default().to_owned();
    Ok(json!({}))
}

fn set_state(call: &mut Call<'_>, input: &Value, action: &str, state: &str) -> Answer<Value> {
    let place = key_of(call, input, action)?;
    not_pending(call.state, &place)?;
    place.key_mut(call.state)?.state = state.to_owned();
    Ok(json!({}))
}

pub fn schedule_key_deletion(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = key_of(call, input, "kms:ScheduleKeyDeletion")?;
    let days = match input.get("PendingWindowInDays").filter(|v| !v.is_null()) {
        None => 30,
        Some(days) => match days.as_i64().filter(|d| WAITING_DAYS.contains(d)) {
            Some(days) => days,
            None => {
                return validation(format!(
                    "1 validation error detected: Value '{days}' at 'pendingWindowInDays' failed to satisfy constraint: \
                     Member must have value between 7 and 30"
                ));
            }
        },
    };
    not_pending(call.state, &place)?;
    let date = Stamp(call.now.0.saturating_add(Duration::days(days)));
    let key = place.key_mut(call.state)?;
    key.state = "PendingDeletion".to_owned();
    key.deletion_date = Some(date);
    Ok(json!({
        "KeyId": place.arn(),
        "DeletionDate": date.epoch(),
        "KeyState": "PendingDeletion",
        "PendingWindowInDays": days,
    }))
}

pub fn cancel_key_deletion(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = key_of(call, input, "kms:CancelKeyDeletion")?;
    let key = place.key_mut(call.state)?;
    if key.state != "PendingDeletion" {
        return refuse(
            "KMSInvalidStateException",
            format!("{} is not pending deletion.", place.arn()),
        );
    }
    key.state = "Disabled".to_owned();
    key.deletion_date = None;
    Ok(json!({"KeyId": place.arn()}))
}

pub fn enable_key_rotation(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = key_of(call, input, "kms:EnableKeyRotation")?;
    rotatable(call.state, &place)?;
    enabled(call.state, &place)?;
    let days = match input.get("RotationPeriodInDays").filter(|v| !v.is_null()) {
        None => None,
        Some(days) => match days.as_u64().filter(|d| ROTATION_DAYS.contains(d)) {
            Some(days) => u32::try_from(days).ok(),
            None => {
                return validation(format!(
                    "1 validation error detected: Value '{days}' at 'rotationPeriodInDays' failed to satisfy constraint: \
                     Member must have value between 90 and 2560"
                ));
            }
        },
    };
    let now = call.now;
    let key = place.key_mut(call.state)?;
    key.rotation_days = days.or(key.rotation_days).or(Some(DEFAULT_ROTATION_DAYS));
    key.rotation_from = Some(now);
    Ok(json!({}))
}

pub fn disable_key_rotation(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = key_of(call, input, "kms:DisableKeyRotation")?;
    rotatable(call.state, &place)?;
    enabled(call.state, &place)?;
    let key = place.key_mut(call.state)?;
    key.rotation_days = None;
    key.rotation_from = None;
    Ok(json!({}))
}

pub fn get_key_rotation_status(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = key_of(call, input, "kms:GetKeyRotationStatus")?;
    let now = call.now;
    let key = place.key_mut(call.state)?;
    let mut answer =
        json!({"KeyId": place.arn(), "KeyRotationEnabled": key.rotation_days.is_some()});
    if let Some(days) = key.rotation_days {
        let from = key.rotation_from.unwrap_or(now);
        answer["RotationPeriodInDays"] = json!(days);
        answer["NextRotationDate"] =
            json!(Stamp(from.0.saturating_add(Duration::days(days.into()))).epoch());
    }
    Ok(answer)
}
