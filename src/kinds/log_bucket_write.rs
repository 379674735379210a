//! Writing a log bucket: creation, then whatever differs, protection first.

use aws_sdk_s3::types as s3;
use serde_json::Value;

use super::log_bucket::{Attrs, Encryption};
use super::log_bucket_lifecycle as lifecycle;
use super::{Target, parse_policy};
use crate::aws::{Aws, AwsError, at};
use crate::model::{Place, Text};
use crate::spec::types::Tags;

pub async fn create(aws: &Aws, target: &Target<'_>, attrs: &Attrs) -> Result<(), AwsError> {
    let place = target.place;
    // us-east-1 is the one Region that must not be named.
    let location = (place.region != "us-east-1").then(|| {
        s3::CreateBucketConfiguration::builder()
            .location_constraint(s3::BucketLocationConstraint::from(place.region.as_str()))
            .build()
    });
    let answer = aws
        .s3(place)
        .create_bucket()
        .bucket(target.id)
        .set_create_bucket_configuration(location)
        .set_object_lock_enabled_for_bucket(attrs.object_lock.is_some().then_some(true))
        .object_ownership(s3::ObjectOwnership::BucketOwnerEnforced)
        .send()
        .await
        .map_err(at(place, "s3:CreateBucket"));
    match answer {
        // By an earlier try whose answer was lost.
        Err(error) if error.is("BucketAlreadyOwnedByYou") => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Writes what differs. For a new bucket everything is written, so that nothing rests on defaults that AWS may change.
pub struct Writer<'a> {
    pub s3: aws_sdk_s3::Client,
    pub aws: &'a Aws,
    pub place: &'a Place,
    pub bucket: &'a str,
}

/// One setter of a bucket's configuration. A bucket that was just created may not be known everywhere yet.
macro_rules! put {
    ($writer:expr, $method:ident, $call:literal, $($set:tt)*) => {
        crate::aws::until_consistent($writer.aws.retry, &["NoSuchBucket", "OperationAborted"], || async {
            $writer
                .s3
                .$method()
                .bucket($writer.bucket)
                .expected_bucket_owner(&$writer.place.account_id)
                $($set)*
                .send()
                .await
                .map_err(at($writer.place, $call))
        })
        .await
        .map(|_| ())
    };
}

impl Writer<'_> {
    pub async fn put(&self, before: Option<&Attrs>, after: &Attrs) -> Result<(), AwsError> {
        macro_rules! changed {
            ($field:ident) => {
                before.is_none_or(|before| before.$field != after.$field)
            };
        }
        // The owner tag first: with it, an apply that is cut short knows its own statements again. Then protection and
        // lifecycle, then what lets CloudTrail in: a bucket of ours without a policy has never kept a log.
        if changed!(tags) {
            self.put_tags(&after.tags).await?;
        }
        if changed!(block_public_access) {
            self.block_public_access().await?;
        }
        if changed!(object_ownership) {
            self.enforce_bucket_owner().await?;
        }
        if changed!(versioning) && !(before.is_none() && after.versioning.is_empty()) {
            self.put_versioning(after).await?;
        }
        if changed!(encryption) {
            self.put_encryption(&after.encryption).await?;
        }
        if changed!(object_lock) && after.object_lock.is_some() {
            self.put_object_lock(after).await?;
        }
        let lifecycle_changed =
            changed!(lifecycle) || changed!(transition_default_minimum_object_size);
        if lifecycle_changed && !(before.is_none() && after.lifecycle.is_empty()) {
            self.put_lifecycle(after).await?;
        }
        if changed!(policy) {
            self.put_policy(&after.policy).await?;
        }
        if changed!(access_logging) && !(before.is_none() && after.access_logging.is_none()) {
            self.put_access_logging(after).await?;
        }
        if before.is_some() && changed!(requester_pays) {
            self.owner_pays().await?;
        }
        Ok(())
    }

    async fn block_public_access(&self) -> Result<(), AwsError> {
        let all = s3::PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        put!(self, put_public_access_block, "s3:PutPublicAccessBlock",
            .public_access_block_configuration(all.clone()))
    }

    async fn enforce_bucket_owner(&self) -> Result<(), AwsError> {
        let rule = s3::OwnershipControlsRule::builder()
            .object_ownership(s3::ObjectOwnership::BucketOwnerEnforced)
            .build();
        let controls = s3::OwnershipControls::builder()
            .set_rules(rule.ok().map(|rule| vec![rule]))
            .build();
        put!(self, put_bucket_ownership_controls, "s3:PutBucketOwnershipControls",
            .set_ownership_controls(controls.as_ref().ok().cloned()))
    }

    async fn put_versioning(&self, after: &Attrs) -> Result<(), AwsError> {
        let status = if after.versioning == "Enabled" {
            s3::BucketVersioningStatus::Enabled
        } else {
            s3::BucketVersioningStatus::Suspended
        };
        let versioning = s3::VersioningConfiguration::builder()
            .status(status)
            .build();
        put!(self, put_bucket_versioning, "s3:PutBucketVersioning",
            .versioning_configuration(versioning.clone()))
    }

    async fn put_encryption(&self, encryption: &Encryption) -> Result<(), AwsError> {
        let key = encryption.kms_key.as_ref().and_then(Text::known);
        let default = s3::ServerSideEncryptionByDefault::builder()
            .sse_algorithm(s3::ServerSideEncryption::from(
                encryption.algorithm.as_str(),
            ))
            .set_kms_master_key_id(key.map(str::to_owned))
            .build();
        let rule = s3::ServerSideEncryptionRule::builder()
            .set_apply_server_side_encryption_by_default(default.ok())
            .bucket_key_enabled(encryption.bucket_key)
            .build();
        let configuration = s3::ServerSideEncryptionConfiguration::builder()
            .rules(rule)
            .build();
        put!(self, put_bucket_encryption, "s3:PutBucketEncryption",
            .set_server_side_encryption_configuration(configuration.as_ref().ok().cloned()))
    }

    async fn put_object_lock(&self, after: &Attrs) -> Result<(), AwsError> {
        let Some(lock) = &after.object_lock else {
            return Ok(());
        };
        let retention = s3::DefaultRetention::builder()
            .set_mode(lock.mode.as_deref().map(s3::ObjectLockRetentionMode::from))
            .set_days(lock.days)
            .set_years(lock.years)
            .build();
        let rule = s3::ObjectLockRule::builder()
            .default_retention(retention)
            .build();
        let configuration = s3::ObjectLockConfiguration::builder()
            .object_lock_enabled(s3::ObjectLockEnabled::Enabled)
            .set_rule(lock.mode.is_some().then_some(rule))
            .build();
        put!(self, put_object_lock_configuration, "s3:PutObjectLockConfiguration",
            .object_lock_configuration(configuration.clone()))
    }

    /// Read back until it holds: CreateTrail checks the policy the moment it is called.
    async fn put_policy(&self, policy: &Value) -> Result<(), AwsError> {
        let empty = policy["Statement"].as_array().is_none_or(Vec::is_empty);
        if empty {
            return put!(self, delete_bucket_policy, "s3:DeleteBucketPolicy",);
        }
        put!(self, put_bucket_policy, "s3:PutBucketPolicy", .policy(policy.to_string()))?;
        crate::aws::until_consistent(self.aws.retry, &["NoSuchBucketPolicy", "Stale"], || async {
            let call = "s3:GetBucketPolicy";
            let answer = self
                .s3
                .get_bucket_policy()
                .bucket(self.bucket)
                .expected_bucket_owner(&self.place.account_id)
                .send()
                .await
                .map_err(at(self.place, "s3:GetBucketPolicy"))?;
            let live = parse_policy(answer.policy().unwrap_or_default(), call, self.place)?;
            if same_meaning(&live, policy) {
                return Ok(());
            }
            let message = "the policy that was just written is not there yet";
            Err(AwsError::new(call, self.place, "Stale", message))
        })
        .await
    }

    async fn put_lifecycle(&self, after: &Attrs) -> Result<(), AwsError> {
        if after.lifecycle.is_empty() {
            return put!(self, delete_bucket_lifecycle, "s3:DeleteBucketLifecycle",);
        }
        let rules = lifecycle::to_sdk(&after.lifecycle).map_err(|message| {
            let call = "s3:PutBucketLifecycleConfiguration";
            AwsError::new(call, self.place, "InvalidPlan", message)
        })?;
        let configuration = s3::BucketLifecycleConfiguration::builder()
            .set_rules(Some(rules))
            .build();
        // Sent even where the spec is silent: S3 takes a missing value for the new default and so changes old buckets.
        let size = after.transition_default_minimum_object_size.as_deref();
        let size = size.unwrap_or("all_storage_classes_128K");
        put!(self, put_bucket_lifecycle_configuration, "s3:PutBucketLifecycleConfiguration",
            .set_lifecycle_configuration(configuration.as_ref().ok().cloned())
            .transition_default_minimum_object_size(s3::TransitionDefaultMinimumObjectSize::from(size)))
    }

    async fn put_access_logging(&self, after: &Attrs) -> Result<(), AwsError> {
        let enabled = after.access_logging.as_ref().and_then(|logging| {
            s3::LoggingEnabled::builder()
                .target_bucket(&logging.bucket)
                .target_prefix(&logging.prefix)
                .build()
                .ok()
        });
        let status = s3::BucketLoggingStatus::builder()
            .set_logging_enabled(enabled)
            .build();
        put!(self, put_bucket_logging, "s3:PutBucketLogging", .bucket_logging_status(status.clone()))
    }

    async fn owner_pays(&self) -> Result<(), AwsError> {
        let payment = s3::RequestPaymentConfiguration::builder()
            .payer(s3::Payer::BucketOwner)
            .build();
        put!(self, put_bucket_request_payment, "s3:PutBucketRequestPayment",
            .set_request_payment_configuration(payment.as_ref().ok().cloned()))
    }

    async fn put_tags(&self, tags: &Tags) -> Result<(), AwsError> {
        let tags = tags
            .iter()
            // Tags of AWS itself stay without being sent.
            .filter(|(key, _)| !key.starts_with("aws:"))
            .filter_map(|(key, value)| s3::Tag::builder().key(key).value(value).build().ok())
            .collect();
        let tagging = s3::Tagging::builder().set_tag_set(Some(tags)).build();
        put!(self, put_bucket_tagging, "s3:PutBucketTagging", .set_tagging(tagging.as_ref().ok().cloned()))
    }
}

/// S3 may spell a policy in its own way.
fn same_meaning(live: &Value, wanted: &Value) -> bool {
    use crate::policy::{Policy, same_meaning};
    match (
        Policy::from_json(live.clone()),
        Policy::from_json(wanted.clone()),
    ) {
        (Ok(live), Ok(wanted)) => same_meaning(&live, &wanted),
        _ => live == wanted,
    }
}
