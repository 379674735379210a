//! How long logs stay: Object Lock and lifecycle rules together.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html>

use super::Checker;
use crate::diag::Path;
use crate::lifecycle::{LifecycleRule, effective_retention};
use crate::spec::types::{Bucket, ObjectLock, ObjectLockMode};

/// 100 years.
const MAX_LOCK_DAYS: u32 = 36_500;
const TEN_YEARS: u32 = 3_653;

impl Checker<'_> {
    pub(super) fn object_lock(&mut self, path: &Path, bucket: &Bucket) {
        let Some(lock) = &bucket.object_lock else {
            return;
        };
        if !bucket.versioning {
            let message = "Object Lock needs versioning, and `versioning` is false";
            let help = "remove `versioning: false`: a locked bucket is always versioned";
            self.error("object-lock-versioning", path, message, help);
        }
        match (lock.days, lock.years) {
            (None, None) => {
                let message = "the retention has neither `days` nor `years`";
                self.error(
                    "object-lock-period",
                    path,
                    message,
                    "add one of them, such as `days: 365`",
                );
            }
            (Some(_), Some(_)) => {
                let message = "the retention has both `days` and `years`";
                self.error("object-lock-period", path, message, "keep one of them");
            }
            (Some(0), None) | (None, Some(0)) => {
                let help = "write at least 1, or remove `object_lock`";
                self.error("object-lock-period", path, "the retention is zero", help);
            }
            _ if lock_days(lock) > MAX_LOCK_DAYS => {
                let message = "the retention is longer than S3 allows";
                let help = "write at most 36500 days or 100 years";
                self.error("object-lock-period", path, message, help);
            }
            _ if lock.mode == ObjectLockMode::Compliance && lock_days(lock) > TEN_YEARS => {
                let message = "COMPLIANCE for more than ten years: nobody can delete these logs earlier, nor stop \
                               paying for them, short of closing the account";
                let help = "use GOVERNANCE, or a shorter retention, unless a law asks for this";
                self.warning("object-lock-long", path, message, help);
            }
            _ => {}
        }
    }

    /// Whether lock and lifecycle say the same about the logs of each trail in the bucket.
    pub(super) fn retention(&mut self, path: &Path, name: &str, bucket: &Bucket) {
        if bucket.lifecycle.is_empty() {
            return;
        }
        let trails = self
            .spec
            .trails
            .values()
            .filter(|trail| trail.bucket == name);
        let mut prefixes: Vec<String> = trails
            .map(|trail| match trail.prefix.as_deref() {
                Some(prefix) if !prefix.is_empty() => format!("{prefix}/AWSLogs/"),
                _ => "AWSLogs/".to_owned(),
            })
            .collect();
        prefixes.sort();
        prefixes.dedup();
        let expiring = prefixes.iter().filter_map(|prefix| {
            let days = effective_retention(&bucket.lifecycle, prefix)?;
            Some((days, noncurrent_days(&bucket.lifecycle, prefix)))
        });
        let Some((expires, noncurrent)) = expiring.min() else {
            return;
        };
        if bucket.versioning && noncurrent.is_none() {
            let message = format!(
                "expired logs are hidden after {expires} days but never deleted: versioning keeps them as noncurrent \
                 versions"
            );
            let help = "add `noncurrent_version_expiration: { noncurrent_days: 30 }` to the rule that expires them";
            self.warning(
                "expiration-keeps-versions",
                &path.key("lifecycle"),
                message,
                help,
            );
        }
        let Some(lock) = bucket
            .object_lock
            .as_ref()
            .map(lock_days)
            .filter(|days| *days > 0)
        else {
            return;
        };
        let path = path.key("object_lock");
        let deleted = noncurrent.map(|days| expires.saturating_add(days));
        if lock < expires {
            let message = format!(
                "Object Lock ends after {lock} days, the logs are to stay for {expires}: in between they can be deleted"
            );
            let help = format!("lock for {expires} days, unless a shorter lock is what you want");
            self.warning("object-lock-ends-early", &path, message, help);
        } else if deleted.is_some_and(|deleted| lock > deleted) {
            let message = format!(
                "Object Lock keeps logs for {lock} days, longer than the lifecycle rules, which delete them after {}",
                deleted.unwrap_or(expires)
            );
            let help = format!(
                "the logs stay, and are paid for, until the lock ends: expire them after {lock} days, or lock for less"
            );
            self.warning("object-lock-outlives-lifecycle", &path, message, help);
        }
    }
}

fn lock_days(lock: &ObjectLock) -> u32 {
    let years = lock.years.unwrap_or_default().saturating_mul(365);
    lock.days.unwrap_or(years)
}

/// Days for which versions stay after they expired.
fn noncurrent_days(rules: &[LifecycleRule], prefix: &str) -> Option<u32> {
    let reaching = rules.iter().filter(|rule| {
        let own = rule.prefix.as_deref().unwrap_or_default();
        rule.enabled && (own.starts_with(prefix) || prefix.starts_with(own))
    });
    let expirations = reaching.filter_map(|rule| rule.noncurrent_version_expiration.as_ref());
    expirations
        .map(|expiration| expiration.noncurrent_days)
        .min()
}
