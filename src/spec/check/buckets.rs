//! Log buckets.

use super::{Checker, names, twins};
use crate::diag::{Diagnostic, Path};
use crate::finding::Finding;
use crate::lifecycle;
use crate::spec::types::Bucket;

impl Checker<'_> {
    pub(super) fn buckets(&mut self) {
        for (name, bucket) in &self.spec.buckets {
            let path = Path::of("buckets").key(name);
            self.refers(
                &path.key("account"),
                "accounts",
                &self.spec.accounts,
                &bucket.account,
            );
            self.region(&path.key("region"), bucket.region.as_deref());
            self.bucket_name(&path.key("name"), bucket);
            self.bucket_key(&path.key("key"), name, bucket);
            self.access_logging(&path.key("access_logging"), name, bucket);
            self.object_lock(&path.key("object_lock"), bucket);
            self.lifecycle(&path.key("lifecycle"), bucket);
            self.retention(&path, name, bucket);
            self.tags(&path.key("tags"), &bucket.tags, true);
        }
        for (first, second) in twins(&self.spec.buckets, |_, bucket| &bucket.name) {
            let name = &self.spec.buckets[second].name;
            let message = format!("`{first}` and `{second}` are the same bucket, {name}");
            let path = |name: &str| Path::of("buckets").key(name).key("name");
            self.twice("bucket-duplicate", &path(second), &message, &path(first));
        }
    }

    fn lifecycle(&mut self, path: &Path, bucket: &Bucket) {
        // An empty list is a bucket without a lifecycle, as is no list.
        if !bucket.lifecycle.is_empty() {
            for finding in lifecycle::check(&bucket.lifecycle) {
                self.finding(path.route(&finding.at), finding);
            }
        }
    }

    pub(super) fn finding(&mut self, path: Path, finding: Finding) {
        let Finding {
            severity,
            code,
            message,
            help,
            ..
        } = finding;
        let mut diagnostic = Diagnostic::error(code, path, message).help(help);
        diagnostic.severity = severity;
        self.push(diagnostic);
    }

    fn bucket_name(&mut self, path: &Path, bucket: &Bucket) {
        let name = &bucket.name;
        if let Some(rule) = names::bucket_name(name) {
            let message = format!("`{name}` cannot be the name of a bucket");
            self.error(
                "bucket-name",
                path,
                message,
                format!("a bucket's name {rule}"),
            );
        }
    }

    /// SSE-KMS takes a key of the bucket's Region.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html>
    fn bucket_key(&mut self, path: &Path, name: &str, bucket: &Bucket) {
        let Some(key) = &bucket.key else {
            return;
        };
        if !self.refers(path, "keys", &self.spec.keys, key) {
            return;
        }
        let (Some(theirs), Some(ours)) = (
            self.spec.region_of_key(key),
            self.spec.region_of_bucket(name),
        ) else {
            return;
        };
        if theirs != ours {
            let message = format!("the key `{key}` is in {theirs}, the bucket `{name}` in {ours}");
            let help =
                format!("S3 encrypts with a key of the bucket's Region: make a key in {ours}");
            self.error("key-region", path, message, help);
        }
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html>
    fn access_logging(&mut self, path: &Path, name: &str, bucket: &Bucket) {
        let Some(logging) = &bucket.access_logging else {
            return;
        };
        let path = path.key("bucket");
        if !self.refers(&path, "buckets", &self.spec.buckets, &logging.bucket) {
            return;
        }
        if logging.bucket == name {
            let message = format!("`{name}` would log its own access logs, which never ends");
            self.error(
                "access-log-target",
                &path,
                message,
                "log into another bucket",
            );
            return;
        }
        let target_name = &logging.bucket;
        let spec = self.spec;
        let target = &spec.buckets[target_name];
        let mut problems = Vec::new();
        if spec.account_id(&target.account) != spec.account_id(&bucket.account) {
            problems.push(("is in another account", "use a bucket of the same account"));
        }
        if spec.region_of_bucket(target_name) != spec.region_of_bucket(name) {
            problems.push(("is in another Region", "use a bucket of the same Region"));
        }
        if target.object_lock.is_some() {
            problems.push((
                "has a default retention of Object Lock",
                "keep access logs in a bucket without `object_lock`",
            ));
        }
        if target.key.is_some() {
            problems.push((
                "is encrypted with SSE-KMS",
                "keep access logs in a bucket without `key`",
            ));
        }
        for (problem, help) in problems {
            let message =
                format!("`{target_name}` cannot take access logs of `{name}`: it {problem}");
            self.error("access-log-target", &path, message, help);
        }
    }
}
