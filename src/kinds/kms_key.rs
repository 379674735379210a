//! The KMS key that encrypts the log: found by its alias, never deleted ("Managing keys", KMS developer guide).

use futures_util::future::{join_all, join3};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Found, Kind, Outputs, Pending, Target, Wanted};
use crate::aws::{Aws, AwsError, TIMEOUT, UNREACHABLE, at};
use crate::model::{OWNER_TAG, Place, Risk, RiskNote};
use crate::policy;
use crate::spec::Spec;
use crate::spec::types::Tags;

pub struct KmsKey;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Attrs {
    pub description: String,
    /// `Enabled`, `Disabled`, `PendingDeletion`, …
    pub state: String,
    /// 0: no automatic rotation.
    pub rotation_days: u32,
    pub multi_region: bool,
    pub policy: Value,
    pub tags: Tags,
}

/// The output that buckets and trails refer to.
pub const ARN: &str = "arn";

/// Marks the key that an alias is meant for, so that a creation that was cut short is found again.
const ALIAS_TAG: &str = "orgtrail:alias";

impl Kind for KmsKey {
    const NAME: &'static str = "key";
    type Attrs = Attrs;

    fn desired(spec: &Spec) -> Vec<Wanted<Attrs>> {
        let keys = spec.keys.iter();
        keys.map(|(name, key)| {
            let alias = format!("alias/{}", key.alias);
            let mut tags = super::owned_tags(spec, &key.tags);
            tags.insert(ALIAS_TAG.to_owned(), key.alias.clone());
            Wanted {
                name: name.clone(),
                place: spec.place(&key.account, key.region.as_deref()),
                attrs: Attrs {
                    description: key.description.clone().unwrap_or_default(),
                    state: "Enabled".to_owned(),
                    rotation_days: key.rotation_days,
                    multi_region: key.multi_region,
                    policy: policy_of(spec, name),
                    tags,
                },
                id: alias,
                after: Vec::new(),
            }
        })
        .collect()
    }

    fn adopt(desired: &mut Attrs, live: &Attrs, pending: &Pending) {
        let tagged = live.tags.contains_key(OWNER_TAG);
        super::merge_policy(&mut desired.policy, &live.policy, tagged, pending);
        super::keep_foreign_tags(&mut desired.tags, &live.tags);
        if desired.description.is_empty() {
            desired.description.clone_from(&live.description);
        }
    }

    fn fixed(field: &str) -> Option<&'static str> {
        (field == "multi_region").then_some(
            "a key is multi-Region from its creation or never; name another alias to make a new key",
        )
    }

    fn risks(before: Option<&Attrs>, after: Option<&Attrs>) -> Vec<RiskNote> {
        let (Some(before), Some(after)) = (before, after) else {
            return Vec::new();
        };
        let mut risks = Vec::new();
        if before.rotation_days != 0 && after.rotation_days == 0 {
            let why = "the key is no longer rotated";
            risks.push(RiskNote::new(Risk::WeakensPolicy, why));
        }
        risks.extend(super::policy_risks(&before.policy, &after.policy));
        risks
    }

    async fn read(aws: &Aws, place: &Place, alias: &str) -> Result<Option<Found<Attrs>>, AwsError> {
        let Some(metadata) = describe(aws, place, alias).await? else {
            return Ok(None);
        };
        check_fitness(place, alias, &metadata)?;
        let key_id = metadata.key_id();
        let (policy, rotation_days, tags) = join3(
            get_policy(aws, place, key_id),
            get_rotation_days(aws, place, key_id),
            get_tags(aws, place, key_id),
        )
        .await;
        let attrs = Attrs {
            description: metadata.description().unwrap_or_default().to_owned(),
            state: metadata
                .key_state()
                .map_or("Unknown", |state| state.as_str())
                .to_owned(),
            rotation_days: rotation_days?,
            multi_region: metadata.multi_region().unwrap_or_default(),
            policy: policy?,
            tags: tags?,
        };
        Ok(Some(Found {
            id: alias.to_owned(),
            attrs,
            outputs: Outputs::from([(
                ARN.to_owned(),
                metadata.arn().unwrap_or_default().to_owned(),
            )]),
        }))
    }

    async fn put(
        aws: &Aws,
        target: &Target<'_>,
        before: Option<&Attrs>,
        after: &Attrs,
    ) -> Result<Outputs, AwsError> {
        match before {
            Some(before) => update(aws, target, before, after).await,
            None => create(aws, target, after).await,
        }
    }

    /// A key that is gone makes every log file under it unreadable: leaving the spec releases it.
    async fn delete(_: &Aws, _: &Target<'_>) -> Result<(), AwsError> {
        Ok(())
    }
}

fn policy_of(spec: &Spec, key: &str) -> Value {
    let place = spec.place(&spec.keys[key].account, None);
    let bucket_key = spec
        .buckets
        .values()
        .any(|bucket| bucket.key.as_deref() == Some(key) && bucket.bucket_key);
    let trails = spec.trails.iter();
    let trails: Vec<policy::TrailGrant> = trails
        .filter(|(_, trail)| trail.key.as_deref() == Some(key) || uses_bucket_of(spec, trail, key))
        .map(|(name, trail)| super::trail::grant(spec, name, trail))
        .collect();
    super::own_policy(policy::key_statements(&policy::KeyGrant {
        partition: crate::spec::partition(&place.region),
        account: &place.account_id,
        trails: &trails,
        readers: &spec.keys[key].readers,
        bucket_key,
    }))
}

/// A trail without a key of its own still writes through the bucket's default encryption.
fn uses_bucket_of(spec: &Spec, trail: &crate::spec::types::Trail, key: &str) -> bool {
    let bucket = spec.buckets.get(&trail.bucket);
    bucket.is_some_and(|bucket| bucket.key.as_deref() == Some(key))
}

/// CloudTrail and S3 take symmetric keys of the customer only.
fn check_fitness(
    place: &Place,
    alias: &str,
    key: &aws_sdk_kms::types::KeyMetadata,
) -> Result<(), AwsError> {
    use aws_sdk_kms::types::{KeyManagerType, KeyUsageType};
    let what = if key
        .key_usage()
        .is_some_and(|usage| *usage != KeyUsageType::EncryptDecrypt)
    {
        "is not for encryption"
    } else if key.key_manager() == Some(&KeyManagerType::Aws) {
        "is managed by AWS and takes no policy of ours"
    } else if key
        .key_spec()
        .is_some_and(|spec| spec.as_str() != "SYMMETRIC_DEFAULT")
    {
        "is not symmetric"
    } else {
        return Ok(());
    };
    let message = format!("the key behind {alias} {what}; name another alias");
    Err(AwsError::new(
        "kms:DescribeKey",
        place,
        "InvalidKey",
        message,
    ))
}

async fn describe(
    aws: &Aws,
    place: &Place,
    key: &str,
) -> Result<Option<aws_sdk_kms::types::KeyMetadata>, AwsError> {
    let answer = aws
        .kms(place)
        .describe_key()
        .key_id(key)
        .send()
        .await
        .map_err(at(place, "kms:DescribeKey"));
    match answer {
        Ok(answer) => Ok(answer.key_metadata),
        Err(error) if error.is("NotFound") => Ok(None),
        Err(error) => Err(error),
    }
}

async fn get_policy(aws: &Aws, place: &Place, key_id: &str) -> Result<Value, AwsError> {
    let call = "kms:GetKeyPolicy";
    let answer = aws
        .kms(place)
        .get_key_policy()
        .key_id(key_id)
        .policy_name("default")
        .send()
        .await
        .map_err(at(place, call))?;
    super::parse_policy(answer.policy().unwrap_or_default(), call, place)
}

async fn get_rotation_days(aws: &Aws, place: &Place, key_id: &str) -> Result<u32, AwsError> {
    let answer = aws
        .kms(place)
        .get_key_rotation_status()
        .key_id(key_id)
        .send()
        .await
        .map_err(at(place, "kms:GetKeyRotationStatus"))?;
    if !answer.key_rotation_enabled() {
        return Ok(0);
    }
    // A year is KMS's own period where none was given.
    let days = answer.rotation_period_in_days().unwrap_or(365);
    Ok(u32::try_from(days).unwrap_or_default())
}

async fn get_tags(aws: &Aws, place: &Place, key_id: &str) -> Result<Tags, AwsError> {
    let mut pages = aws
        .kms(place)
        .list_resource_tags()
        .key_id(key_id)
        .into_paginator()
        .send();
    let mut tags = Tags::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(at(place, "kms:ListResourceTags"))?;
        for tag in page.tags() {
            tags.insert(tag.tag_key().to_owned(), tag.tag_value().to_owned());
        }
    }
    Ok(tags)
}

/// CreateKey cannot be repeated safely and CreateAlias comes after it, so a key without alias from an earlier try is
/// looked for first.
async fn create(aws: &Aws, target: &Target<'_>, attrs: &Attrs) -> Result<Outputs, AwsError> {
    let arn = create_key(aws, target, attrs).await?;
    create_alias(aws, target, &arn).await?;
    put_rotation(aws, target.place, &arn, attrs.rotation_days).await?;
    Ok(Outputs::from([(ARN.to_owned(), arn)]))
}

async fn create_key(aws: &Aws, target: &Target<'_>, attrs: &Attrs) -> Result<String, AwsError> {
    let once = aws_sdk_kms::config::Builder::new()
        .retry_config(aws_sdk_kms::config::retry::RetryConfig::disabled());
    let place = target.place;
    // MalformedPolicyDocument: a principal that was just created may not be known to KMS yet. The others are what the
    // SDK tries again by itself where that can make nothing twice.
    const AGAIN: [&str; 8] = [
        "MalformedPolicyDocument",
        "Throttling",
        "ServiceUnavailable",
        "InternalFailure",
        "KMSInternal",
        "DependencyTimeout",
        UNREACHABLE,
        TIMEOUT,
    ];
    crate::aws::until_consistent(aws.retry, &AGAIN, || async {
        // By an earlier apply, or by a try whose answer was lost.
        if let Some(arn) = find_unfinished(aws, place, attrs).await? {
            // Made for what the spec said then.
            put_policy(aws, place, &arn, &attrs.policy).await?;
            put_tags(aws, place, &arn, &Tags::new(), &attrs.tags).await?;
            return Ok(arn);
        }
        let answer = aws
            .kms(place)
            .create_key()
            .description(&attrs.description)
            .multi_region(attrs.multi_region)
            .policy(attrs.policy.to_string())
            .set_tags(Some(sdk_tags(&attrs.tags)))
            .customize()
            .config_override(once.clone())
            .send()
            .await
            .map_err(at(place, "kms:CreateKey"));
        match answer {
            Ok(answer) => {
                let metadata = answer.key_metadata;
                Ok(metadata.and_then(|key| key.arn).unwrap_or_default())
            }
            // The answer may have been lost after the key was made.
            Err(error) => match find_unfinished(aws, place, attrs).await {
                Ok(Some(arn)) => Ok(arn),
                _ => Err(error),
            },
        }
    })
    .await
}

/// A key that an earlier apply made for this alias and then could not finish.
async fn find_unfinished(
    aws: &Aws,
    place: &Place,
    attrs: &Attrs,
) -> Result<Option<String>, AwsError> {
    let mut keys = aws.kms(place).list_keys().into_paginator().items().send();
    let mut arns = Vec::new();
    while let Some(key) = keys.next().await {
        let key = key.map_err(at(place, "kms:ListKeys"))?;
        arns.extend(key.key_arn);
    }
    // KMS grants 2,000 ListResourceTags a second; keys of other owners may refuse the call.
    for some in arns.chunks(50) {
        let tags = join_all(some.iter().map(|arn| get_tags(aws, place, arn))).await;
        for (arn, tags) in some.iter().zip(tags) {
            let ours = tags.is_ok_and(|tags| {
                [OWNER_TAG, ALIAS_TAG]
                    .iter()
                    .all(|tag| tags.contains_key(*tag) && tags.get(*tag) == attrs.tags.get(*tag))
            });
            if ours && usable(aws, place, arn).await? {
                return Ok(Some(arn.clone()));
            }
        }
    }
    Ok(None)
}

async fn usable(aws: &Aws, place: &Place, arn: &str) -> Result<bool, AwsError> {
    let metadata = describe(aws, place, arn).await?;
    Ok(metadata.is_some_and(|key| key.enabled()))
}

async fn create_alias(aws: &Aws, target: &Target<'_>, arn: &str) -> Result<(), AwsError> {
    let answer = aws
        .kms(target.place)
        .create_alias()
        .alias_name(target.id)
        .target_key_id(arn)
        .send()
        .await
        .map_err(at(target.place, "kms:CreateAlias"));
    match answer {
        Err(error) if error.is("AlreadyExists") => {
            // Ours, if the answer to an earlier try was lost.
            let key = describe(aws, target.place, target.id).await?;
            match key.and_then(|key| key.arn) {
                Some(found) if found == arn => Ok(()),
                _ => Err(error),
            }
        }
        other => other.map(|_| ()),
    }
}

async fn update(
    aws: &Aws,
    target: &Target<'_>,
    before: &Attrs,
    after: &Attrs,
) -> Result<Outputs, AwsError> {
    let place = target.place;
    let Some(arn) = target.outputs.get(ARN) else {
        let message = "the key's ARN is unknown";
        return Err(AwsError::new("kms:DescribeKey", place, "NotFound", message));
    };
    let kms = aws.kms(place);
    if before.state != after.state {
        enable(aws, place, arn, &before.state).await?;
    }
    if before.policy != after.policy {
        put_policy(aws, place, arn, &after.policy).await?;
    }
    if before.description != after.description {
        kms.update_key_description()
            .key_id(arn)
            .description(&after.description)
            .send()
            .await
            .map_err(at(place, "kms:UpdateKeyDescription"))?;
    }
    if before.rotation_days != after.rotation_days {
        put_rotation(aws, place, arn, after.rotation_days).await?;
    }
    put_tags(aws, place, arn, &before.tags, &after.tags).await?;
    Ok(target.outputs.clone())
}

async fn put_policy(aws: &Aws, place: &Place, arn: &str, policy: &Value) -> Result<(), AwsError> {
    // A principal that was just created may not be known to KMS yet.
    crate::aws::until_consistent(aws.retry, &["MalformedPolicyDocument"], || async {
        aws.kms(place)
            .put_key_policy()
            .key_id(arn)
            .policy_name("default")
            .policy(policy.to_string())
            .send()
            .await
            .map_err(at(place, "kms:PutKeyPolicy"))
    })
    .await?;
    Ok(())
}

async fn enable(aws: &Aws, place: &Place, arn: &str, state: &str) -> Result<(), AwsError> {
    let kms = aws.kms(place);
    if state == "PendingDeletion" {
        kms.cancel_key_deletion()
            .key_id(arn)
            .send()
            .await
            .map_err(at(place, "kms:CancelKeyDeletion"))?;
    }
    kms.enable_key()
        .key_id(arn)
        .send()
        .await
        .map_err(at(place, "kms:EnableKey"))?;
    Ok(())
}

async fn put_rotation(aws: &Aws, place: &Place, arn: &str, days: u32) -> Result<(), AwsError> {
    let kms = aws.kms(place);
    if days == 0 {
        kms.disable_key_rotation()
            .key_id(arn)
            .send()
            .await
            .map_err(at(place, "kms:DisableKeyRotation"))?;
    } else {
        kms.enable_key_rotation()
            .key_id(arn)
            .rotation_period_in_days(i32::try_from(days).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(at(place, "kms:EnableKeyRotation"))?;
    }
    Ok(())
}

async fn put_tags(
    aws: &Aws,
    place: &Place,
    arn: &str,
    before: &Tags,
    after: &Tags,
) -> Result<(), AwsError> {
    let (set, removed) = super::tag_changes(before, after);
    let kms = aws.kms(place);
    if !set.is_empty() {
        kms.tag_resource()
            .key_id(arn)
            .set_tags(Some(sdk_tags(&set)))
            .send()
            .await
            .map_err(at(place, "kms:TagResource"))?;
    }
    if !removed.is_empty() {
        kms.untag_resource()
            .key_id(arn)
            .set_tag_keys(Some(removed))
            .send()
            .await
            .map_err(at(place, "kms:UntagResource"))?;
    }
    Ok(())
}

/// Tags built from pairs always have both parts, which is all that the SDK's builder checks.
fn sdk_tags(tags: &Tags) -> Vec<aws_sdk_kms::types::Tag> {
    tags.iter()
        .filter_map(|(key, value)| {
            let tag = aws_sdk_kms::types::Tag::builder();
            tag.tag_key(key).tag_value(value).build().ok()
        })
        .collect()
}
