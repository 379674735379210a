//! The bucket that keeps the log. Public access is blocked and ACLs are off, always. It is never deleted: leaving the
//! spec releases it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::join;

use aws_sdk_s3::types as s3;

use super::log_bucket_lifecycle as lifecycle;
use super::log_bucket_write::{Writer, create};
use super::{Found, Kind, Outputs, Pending, Target, Wanted};
use crate::aws::{Aws, AwsError, at};
use crate::model::{Address, OWNER_TAG, Place, Risk, RiskNote, Text};
use crate::policy;
use crate::spec::Spec;
use crate::spec::types::{self, Tags};

pub struct LogBucket;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Attrs {
    /// `true` where all four settings block.
    pub block_public_access: bool,
    pub object_ownership: String,
    /// `Enabled`, `Suspended` or empty where it was never on.
    pub versioning: String,
    pub encryption: Encryption,
    pub policy: Value,
    pub object_lock: Option<ObjectLock>,
    /// Rules in the shape of the S3 API.
    pub lifecycle: Vec<Value>,
    pub transition_default_minimum_object_size: Option<String>,
    pub access_logging: Option<AccessLogging>,
    pub requester_pays: bool,
    pub tags: Tags,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Encryption {
    /// `aws:kms` or `AES256`.
    pub algorithm: String,
    pub kms_key: Option<Text>,
    pub bucket_key: bool,
}

/// Object Lock, with the default retention that new versions get.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ObjectLock {
    pub mode: Option<String>,
    pub days: Option<i32>,
    pub years: Option<i32>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AccessLogging {
    pub bucket: String,
    pub prefix: String,
}

impl Kind for LogBucket {
    const NAME: &'static str = "bucket";
    type Attrs = Attrs;

    fn desired(spec: &Spec) -> Vec<Wanted<Attrs>> {
        let buckets = spec.buckets.iter();
        buckets
            .map(|(name, bucket)| Wanted {
                name: name.clone(),
                place: spec.place(&bucket.account, bucket.region.as_deref()),
                id: bucket.name.clone(),
                attrs: attrs_of(spec, name, bucket),
                after: after(bucket),
            })
            .collect()
    }

    fn adopt(desired: &mut Attrs, live: &Attrs, pending: &Pending) {
        let tagged = live.tags.contains_key(OWNER_TAG);
        super::merge_policy(&mut desired.policy, &live.policy, tagged, pending);
        super::keep_foreign_tags(&mut desired.tags, &live.tags);
        lifecycle::adopt(&mut desired.lifecycle, &live.lifecycle, tagged);
        if desired.transition_default_minimum_object_size.is_none() {
            desired.transition_default_minimum_object_size =
                live.transition_default_minimum_object_size.clone();
        }
        // What the spec does not mention stays on: neither can be switched off, or not without loss.
        if desired.object_lock.is_none() {
            desired.object_lock.clone_from(&live.object_lock);
        }
        if desired.versioning.is_empty() && live.versioning == "Suspended" {
            desired.versioning.clone_from(&live.versioning);
        }
        adopt_encryption(&mut desired.encryption, &live.encryption);
    }

    fn risks(before: Option<&Attrs>, after: Option<&Attrs>) -> Vec<RiskNote> {
        let mut risks = Vec::new();
        if let (Some(before), Some(after)) = (before, after) {
            risks.extend(super::policy_risks(&before.policy, &after.policy));
            risks.extend(history_risks(before, after));
            if before.encryption.algorithm.starts_with("aws:kms")
                && !after.encryption.algorithm.starts_with("aws:kms")
            {
                let why = "new objects are no longer encrypted with the KMS key";
                risks.push(RiskNote::new(Risk::WeakensPolicy, why));
            }
        }
        risks.extend(lock_risk(before, after));
        let logged = |attrs: Option<&Attrs>| attrs.is_some_and(|a| a.access_logging.is_some());
        if logged(before) && after.is_some() && !logged(after) {
            let why = "accesses to the log are no longer logged";
            risks.push(RiskNote::new(Risk::WeakensPolicy, why));
        }
        risks
    }

    async fn read(aws: &Aws, place: &Place, name: &str) -> Result<Option<Found<Attrs>>, AwsError> {
        let (exists, settings) = join!(exists(aws, place, name), read_settings(aws, place, name));
        if !exists? {
            return Ok(None);
        }
        Ok(Some(Found {
            id: name.to_owned(),
            attrs: settings?,
            outputs: Outputs::new(),
        }))
    }

    async fn put(
        aws: &Aws,
        target: &Target<'_>,
        before: Option<&Attrs>,
        after: &Attrs,
    ) -> Result<Outputs, AwsError> {
        if before.is_none() {
            create(aws, target, after).await?;
        }
        let writer = Writer {
            s3: aws.s3(target.place),
            aws,
            place: target.place,
            bucket: target.id,
        };
        writer.put(before, after).await?;
        Ok(Outputs::new())
    }

    async fn delete(_: &Aws, _: &Target<'_>) -> Result<(), AwsError> {
        Ok(())
    }
}

fn attrs_of(spec: &Spec, name: &str, bucket: &types::Bucket) -> Attrs {
    let kms_key = bucket.key.as_ref().map(|key| {
        Text::output(
            Address::new(super::kms_key::KmsKey::NAME, key),
            super::kms_key::ARN,
        )
    });
    Attrs {
        block_public_access: true,
        object_ownership: "BucketOwnerEnforced".to_owned(),
        versioning: if bucket.versioning { "Enabled" } else { "" }.to_owned(),
        encryption: Encryption {
            algorithm: if kms_key.is_some() {
                "aws:kms"
            } else {
                "AES256"
            }
            .to_owned(),
            bucket_key: kms_key.is_some() && bucket.bucket_key,
            kms_key,
        },
        policy: policy_of(spec, name, bucket),
        object_lock: bucket.object_lock.as_ref().map(object_lock_of),
        lifecycle: lifecycle::rules_of(&bucket.lifecycle),
        transition_default_minimum_object_size: bucket
            .transition_default_minimum_object_size
            .map(|size| minimum_object_size(size).to_owned()),
        access_logging: bucket.access_logging.as_ref().map(|logging| AccessLogging {
            bucket: spec.buckets[&logging.bucket].name.clone(),
            prefix: access_log_prefix(bucket, logging),
        }),
        requester_pays: false,
        tags: super::owned_tags(spec, &bucket.tags),
    }
}

fn after(bucket: &types::Bucket) -> Vec<Address> {
    let key = bucket.key.iter();
    let keys = key.map(|key| Address::new(super::kms_key::KmsKey::NAME, key));
    let logs = bucket.access_logging.iter();
    let logs = logs.map(|logging| Address::new(LogBucket::NAME, &logging.bucket));
    keys.chain(logs).collect()
}

fn access_log_prefix(bucket: &types::Bucket, logging: &types::AccessLogging) -> String {
    let prefix = logging.prefix.clone();
    prefix.unwrap_or_else(|| format!("{}/", bucket.name))
}

fn object_lock_of(lock: &types::ObjectLock) -> ObjectLock {
    let period = |period: Option<u32>| period.map(|n| i32::try_from(n).unwrap_or(i32::MAX));
    ObjectLock {
        mode: Some(
            match lock.mode {
                types::ObjectLockMode::Governance => "GOVERNANCE",
                types::ObjectLockMode::Compliance => "COMPLIANCE",
            }
            .to_owned(),
        ),
        days: period(lock.days),
        years: period(lock.years),
    }
}

fn minimum_object_size(size: types::TransitionDefaultMinimumObjectSize) -> &'static str {
    match size {
        types::TransitionDefaultMinimumObjectSize::AllStorageClasses128K => {
            "all_storage_classes_128K"
        }
        types::TransitionDefaultMinimumObjectSize::VariesByStorageClass => {
            "varies_by_storage_class"
        }
    }
}

fn policy_of(spec: &Spec, name: &str, bucket: &types::Bucket) -> Value {
    let place = spec.place(&bucket.account, bucket.region.as_deref());
    let partition = crate::spec::partition(&place.region);
    let trails = spec.trails.iter();
    let trails: Vec<policy::TrailGrant> = trails
        .filter(|(_, trail)| trail.bucket == name)
        .map(|(trail_name, trail)| super::trail::grant(spec, trail_name, trail))
        .collect();
    let mut statements = policy::bucket_statements(&policy::BucketGrant {
        partition,
        bucket: &bucket.name,
        trails: &trails,
    });
    let sources = spec.buckets.values().filter(|source| {
        let logging = source.access_logging.as_ref();
        logging.is_some_and(|logging| logging.bucket == name)
    });
    let sources: Vec<String> = sources.map(|source| source.name.clone()).collect();
    let for_access_logs = policy::access_log_statements(&policy::AccessLogGrant {
        partition,
        bucket: &bucket.name,
        prefix: None,
        source_buckets: &sources,
        source_account: &place.account_id,
    });
    for statement in for_access_logs {
        if statements
            .iter()
            .all(|other| other.sid() != statement.sid())
        {
            statements.push(statement);
        }
    }
    super::own_policy(statements)
}

/// A key may be written as its id, its ARN or an alias; the id tells whether it is the same.
fn adopt_encryption(desired: &mut Encryption, live: &Encryption) {
    let (Some(Text::Known(ours)), Some(Text::Known(theirs))) = (&desired.kms_key, &live.kms_key)
    else {
        return;
    };
    if ours.ends_with(&format!("/{theirs}")) {
        desired.kms_key.clone_from(&live.kms_key);
    }
}

fn history_risks(before: &Attrs, after: &Attrs) -> Vec<RiskNote> {
    let mut risks = Vec::new();
    // The policy comes last: without one, this is our own bucket whose creation was cut short, and keeps nothing yet.
    let empty = before.tags.get(OWNER_TAG) == after.tags.get(OWNER_TAG)
        && before.policy == super::own_policy(Vec::new());
    if !empty && lifecycle::shortens(&before.lifecycle, &after.lifecycle) {
        let why = "lifecycle rules delete log files that are kept today, or delete them earlier";
        risks.push(RiskNote::new(Risk::DeletesHistory, why));
    }
    if before.versioning == "Enabled" && after.versioning != "Enabled" {
        let why = "without versioning an overwritten or deleted log file is lost";
        risks.push(RiskNote::new(Risk::DeletesHistory, why));
    }
    let days = |lock: &Option<ObjectLock>| {
        lock.as_ref().map_or(0, |lock| {
            lock.days.unwrap_or_default() + lock.years.unwrap_or_default() * 365
        })
    };
    if days(&after.object_lock) < days(&before.object_lock) {
        let why = "new log files are locked for a shorter time";
        risks.push(RiskNote::new(Risk::WeakensPolicy, why));
    }
    let compliance = |attrs: &Attrs| {
        let lock = attrs.object_lock.as_ref();
        lock.and_then(|lock| lock.mode.as_deref()) == Some("COMPLIANCE")
    };
    if compliance(before) && !compliance(after) {
        let why = "new log files are locked in GOVERNANCE mode, which some principals may bypass";
        risks.push(RiskNote::new(Risk::WeakensPolicy, why));
    }
    risks
}

fn lock_risk(before: Option<&Attrs>, after: Option<&Attrs>) -> Option<RiskNote> {
    let had = before.is_some_and(|attrs| attrs.object_lock.is_some());
    let has = after.is_some_and(|attrs| attrs.object_lock.is_some());
    let compliance = |attrs: Option<&Attrs>| {
        let lock = attrs.and_then(|attrs| attrs.object_lock.as_ref());
        lock.filter(|lock| lock.mode.as_deref() == Some("COMPLIANCE"))
            .cloned()
    };
    if let Some(lock) = compliance(after).filter(|lock| compliance(before).as_ref() != Some(lock)) {
        let period = match (lock.days, lock.years) {
            (Some(days), _) => format!("{days} days"),
            (None, years) => format!("{} years", years.unwrap_or_default()),
        };
        let why = format!(
            "in COMPLIANCE mode nobody, not even the root user, can delete a log file for {period}"
        );
        return Some(RiskNote::new(Risk::OneWay, why));
    }
    (has && !had).then(|| RiskNote::new(Risk::OneWay, "Object Lock can never be switched off"))
}

// ---- reading: one round of requests side by side

/// Errors that say "not configured".
fn none_if<T>(result: Result<T, AwsError>, codes: &[&str]) -> Result<Option<T>, AwsError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_any(codes) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn exists(aws: &Aws, place: &Place, bucket: &str) -> Result<bool, AwsError> {
    let answer = aws
        .s3(place)
        .head_bucket()
        .bucket(bucket)
        .expected_bucket_owner(&place.account_id)
        .send()
        .await
        .map_err(at(place, "s3:HeadBucket"));
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.is_any(&["NotFound", "NoSuchBucket"]) => Ok(false),
        Err(mut error) => {
            if error.is("AccessDenied") {
                error.message = "the bucket belongs to another account, or these credentials lack s3:ListBucket".to_owned();
            }
            Err(error)
        }
    }
}

/// One getter of a bucket's configuration.
macro_rules! get {
    ($aws:expr, $place:expr, $bucket:expr, $method:ident, $call:literal) => {
        async {
            $aws.s3($place)
                .$method()
                .bucket($bucket)
                .expected_bucket_owner(&$place.account_id)
                .send()
                .await
                .map_err(at($place, $call))
        }
    };
}

async fn read_settings(aws: &Aws, place: &Place, bucket: &str) -> Result<Attrs, AwsError> {
    let (
        public_access,
        ownership,
        versioning,
        encryption,
        policy,
        object_lock,
        lifecycle,
        logging,
        payment,
        tags,
    ) = join!(
        get!(
            aws,
            place,
            bucket,
            get_public_access_block,
            "s3:GetPublicAccessBlock"
        ),
        get!(
            aws,
            place,
            bucket,
            get_bucket_ownership_controls,
            "s3:GetBucketOwnershipControls"
        ),
        get!(
            aws,
            place,
            bucket,
            get_bucket_versioning,
            "s3:GetBucketVersioning"
        ),
        get!(
            aws,
            place,
            bucket,
            get_bucket_encryption,
            "s3:GetBucketEncryption"
        ),
        get!(aws, place, bucket, get_bucket_policy, "s3:GetBucketPolicy"),
        get!(
            aws,
            place,
            bucket,
            get_object_lock_configuration,
            "s3:GetObjectLockConfiguration"
        ),
        get!(
            aws,
            place,
            bucket,
            get_bucket_lifecycle_configuration,
            "s3:GetBucketLifecycleConfiguration"
        ),
        get!(
            aws,
            place,
            bucket,
            get_bucket_logging,
            "s3:GetBucketLogging"
        ),
        get!(
            aws,
            place,
            bucket,
            get_bucket_request_payment,
            "s3:GetBucketRequestPayment"
        ),
        get!(
            aws,
            place,
            bucket,
            get_bucket_tagging,
            "s3:GetBucketTagging"
        ),
    );
    let lifecycle = none_if(lifecycle, &["NoSuchLifecycleConfiguration"])?;
    Ok(Attrs {
        block_public_access: none_if(public_access, &["NoSuchPublicAccessBlockConfiguration"])?
            .and_then(|answer| answer.public_access_block_configuration)
            .is_some_and(|block| blocks_all(&block)),
        object_ownership: none_if(ownership, &["OwnershipControlsNotFoundError"])?
            .and_then(|answer| answer.ownership_controls)
            .and_then(|controls| controls.rules.into_iter().next())
            .map_or_else(String::new, |rule| {
                rule.object_ownership.as_str().to_owned()
            }),
        versioning: versioning?
            .status()
            .map_or_else(String::new, |status| status.as_str().to_owned()),
        encryption: encryption_of(none_if(
            encryption,
            &["ServerSideEncryptionConfigurationNotFoundError"],
        )?),
        policy: match none_if(policy, &["NoSuchBucketPolicy"])? {
            Some(answer) => super::parse_policy(
                answer.policy().unwrap_or_default(),
                "s3:GetBucketPolicy",
                place,
            )?,
            None => super::own_policy(Vec::new()),
        },
        object_lock: none_if(object_lock, &["ObjectLockConfigurationNotFoundError"])?
            .and_then(|answer| answer.object_lock_configuration)
            .map(|configuration| live_object_lock(&configuration)),
        transition_default_minimum_object_size: lifecycle
            .as_ref()
            .and_then(|answer| answer.transition_default_minimum_object_size())
            .map(|size| size.as_str().to_owned()),
        lifecycle: lifecycle
            .map(|answer| lifecycle::from_sdk(answer.rules()))
            .unwrap_or_default(),
        access_logging: logging?.logging_enabled.map(|logging| AccessLogging {
            bucket: logging.target_bucket,
            prefix: logging.target_prefix,
        }),
        requester_pays: payment?.payer() == Some(&s3::Payer::Requester),
        tags: none_if(tags, &["NoSuchTagSet"])?
            .map(|answer| {
                let tags = answer.tag_set.into_iter();
                tags.map(|tag| (tag.key, tag.value)).collect()
            })
            .unwrap_or_default(),
    })
}

fn blocks_all(block: &s3::PublicAccessBlockConfiguration) -> bool {
    [
        block.block_public_acls(),
        block.ignore_public_acls(),
        block.block_public_policy(),
        block.restrict_public_buckets(),
    ]
    .iter()
    .all(|setting| *setting == Some(true))
}

fn encryption_of(
    answer: Option<aws_sdk_s3::operation::get_bucket_encryption::GetBucketEncryptionOutput>,
) -> Encryption {
    let rule = answer
        .and_then(|answer| answer.server_side_encryption_configuration)
        .and_then(|configuration| configuration.rules.into_iter().next());
    let bucket_key = rule.as_ref().and_then(|rule| rule.bucket_key_enabled());
    let default = rule.and_then(|rule| rule.apply_server_side_encryption_by_default);
    Encryption {
        algorithm: default
            .as_ref()
            .map_or("AES256", |default| default.sse_algorithm().as_str())
            .to_owned(),
        kms_key: default
            .and_then(|default| default.kms_master_key_id)
            .map(Text::Known),
        bucket_key: bucket_key.unwrap_or_default(),
    }
}

fn live_object_lock(configuration: &s3::ObjectLockConfiguration) -> ObjectLock {
    let retention = configuration
        .rule()
        .and_then(|rule| rule.default_retention());
    // Some servers answer 0 for the unit that is not in use.
    let period = |n: Option<i32>| n.filter(|n| *n > 0);
    ObjectLock {
        mode: retention
            .and_then(|retention| retention.mode())
            .map(|mode| mode.as_str().to_owned()),
        days: retention.and_then(|retention| period(retention.days())),
        years: retention.and_then(|retention| period(retention.years())),
    }
}
