//! Trails.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, names, twins};
use crate::diag::Path;
use crate::spec::access::{global_region, partition};
use crate::spec::suggest;
use crate::spec::types::{CloudWatchLogs, Trail};

/// Regions that an account must opt in to.
/// <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>
const OPT_IN_REGIONS: [&str; 17] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
];

/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html>
const MAX_TRAILS: usize = 5;

impl Checker<'_> {
    pub(super) fn trails(&mut self) {
        for (name, trail) in &self.spec.trails {
            let path = Path::of("trails").key(name);
            self.refers(
                &path.key("account"),
                "accounts",
                &self.spec.accounts,
                &trail.account,
            );
            self.region(&path.key("region"), trail.region.as_deref());
            self.trail_name(&path, name, trail);
            self.prefix(&path.key("prefix"), trail);
            let region = self.spec.region_of_trail(name).unwrap_or_default();
            self.destination(&path, region, trail);
            self.home_region(&path, region, trail);
            self.global_events(&path, region, trail);
            self.cloud_watch_logs(&path.key("cloud_watch_logs"), region, trail);
            self.sns_topic(&path.key("sns_topic"), region, trail);
            self.needs_organization(&path, trail);
            self.selectors(&path, region, trail);
            self.tags(&path.key("tags"), &trail.tags, true);
        }
        self.same_trails();
        self.trail_quota();
    }

    fn trail_name(&mut self, path: &Path, key: &str, trail: &Trail) {
        let name = trail.aws_name(key);
        if let Some(rule) = names::trail_name(name) {
            let message = format!("`{name}` cannot be the name of a trail");
            let (path, help) = match trail.name {
                Some(_) => (path.key("name"), format!("a trail's name {rule}")),
                None => (
                    path.clone(),
                    format!("a trail's name {rule}; add `name:` to call it otherwise in AWS"),
                ),
            };
            let at = match trail.name {
                Some(_) => self.sources.locate(&path),
                None => self.sources.locate_key(&path),
            };
            self.error("trail-name", &path, message, help).location = at;
        }
    }

    fn same_trails(&mut self) {
        let spec = self.spec;
        for (first, second) in twins(&spec.trails, |name, trail| trail.arn(spec, name)) {
            let arn = spec.trails[second].arn(spec, second);
            let message = format!("`{first}` and `{second}` are the same trail, {arn}");
            let path = |name: &str| Path::of("trails").key(name);
            self.twice("trail-duplicate", &path(second), &message, &path(first));
        }
    }

    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-set-bucket-policy-for-multiple-accounts.html>
    fn prefix(&mut self, path: &Path, trail: &Trail) {
        let Some(prefix) = &trail.prefix else {
            return;
        };
        if prefix.chars().count() > 200 {
            let message = "the prefix is longer than 200 characters";
            self.error("trail-prefix", path, message, "shorten it");
        }
        if prefix.contains("AWSLogs/") || prefix.trim_end_matches('/').ends_with("AWSLogs") {
            let message = format!("the prefix `{prefix}` contains `AWSLogs/`");
            let help = "CloudTrail adds `/AWSLogs/` after the prefix itself: leave it out";
            self.error("trail-prefix", path, message, help);
        } else if prefix.starts_with('/') || prefix.ends_with('/') {
            let message = format!("the prefix `{prefix}` begins or ends with `/`");
            let help = "CloudTrail adds the slash itself, and two make a folder without a name: leave it out";
            self.error("trail-prefix", path, message, help);
        }
    }

    /// Bucket and key. CloudTrail wants both in one Region, whatever Region the trail is in.
    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/encrypting-cloudtrail-log-files-with-aws-kms.html>
    fn destination(&mut self, path: &Path, region: &str, trail: &Trail) {
        let spec = self.spec;
        let bucket_path = path.key("bucket");
        let bucket = match self.refers(&bucket_path, "buckets", &spec.buckets, &trail.bucket) {
            true => spec.region_of_bucket(&trail.bucket),
            false => None,
        };
        if let Some(bucket) = bucket {
            let what = format!("the bucket `{}`", trail.bucket);
            self.same_partition(&bucket_path, &what, bucket, region);
        }
        let Some(key) = &trail.key else {
            return;
        };
        let key_path = path.key("key");
        if !self.refers(&key_path, "keys", &spec.keys, key) {
            return;
        }
        if let (Some(bucket), Some(found)) = (bucket, spec.region_of_key(key))
            && bucket != found
        {
            let message = format!(
                "the key `{key}` is in {found}, the bucket `{}` in {bucket}",
                trail.bucket
            );
            let help = format!("a trail's key and bucket are in one Region: use a key in {bucket}");
            self.error("key-region", &key_path, message, help);
        }
    }

    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-multi-region-trails.html>
    fn home_region(&mut self, path: &Path, region: &str, trail: &Trail) {
        if !OPT_IN_REGIONS.contains(&region) {
            return;
        }
        let path = path.key("region");
        let help = "choose a home Region that is on in every account, such as us-east-1 or eu-west-1; it can never \
                    change later";
        match (trail.organization, trail.multi_region) {
            (true, true) => {
                let message = format!(
                    "the home Region {region} is off by default: member accounts that have not turned it on would \
                     send nothing, from any Region"
                );
                self.error("opt-in-home-region", &path, message, help);
            }
            (true, false) => {
                let message = format!(
                    "{region} is off by default: only member accounts that have turned it on are recorded"
                );
                self.warning("opt-in-home-region", &path, message, help);
            }
            (false, true) => {
                let message = format!(
                    "the home Region {region} is off by default: if the account turns it off, the trail cannot be \
                     managed"
                );
                self.warning("opt-in-home-region", &path, message, help);
            }
            (false, false) => {}
        }
    }

    fn global_events(&mut self, path: &Path, region: &str, trail: &Trail) {
        let path = path.key("include_global_service_events");
        let leader = global_region(region);
        if trail.multi_region && !trail.include_global_service_events {
            let message = "a multi-Region trail always records global service events";
            let help =
                "remove `include_global_service_events: false`, or set `multi_region: false`";
            self.error("global-service-events", &path, message, help);
        } else if !trail.multi_region && trail.include_global_service_events && region != leader {
            let message = format!(
                "a trail of {region} alone records no global service events: IAM, STS and CloudFront report to {leader}"
            );
            let help = "set `include_global_service_events: false` to say so, or record every Region with \
                        `multi_region: true`";
            self.warning("global-service-events", &path, message, help);
        }
    }

    /// Both are in the account that calls CloudTrail.
    /// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html>
    fn cloud_watch_logs(&mut self, path: &Path, region: &str, trail: &Trail) {
        let Some(CloudWatchLogs {
            log_group_arn,
            role_arn,
        }) = &trail.cloud_watch_logs
        else {
            return;
        };
        let account = self.spec.account_id(&trail.account);
        let partition = partition(region);
        let form = format!("arn:{partition}:logs:{region}:{account}:log-group:NAME:*");
        let code = "cloud-watch-log-group";
        let group = path.key("log_group_arn");
        if let Some(arn) = self.arn(code, &group, log_group_arn, region, &form) {
            if arn.service != "logs" || !arn.resource.starts_with("log-group:") {
                let message = format!("`{log_group_arn}` is not the ARN of a log group");
                self.error(code, &group, message, format!("write {form}"));
            } else if !arn.resource.ends_with(":*") {
                let message =
                    format!("the ARN of the log group `{log_group_arn}` does not end with `:*`");
                self.error(code, &group, message, format!("write {log_group_arn}:*"));
            } else if arn.region != region || arn.account != account {
                let message = format!(
                    "the log group is in {} {}, the trail in {account} {region}",
                    arn.account, arn.region
                );
                let help = "use a log group in the account and home Region of the trail";
                self.error(code, &group, message, help);
            }
        }
        let code = "cloud-watch-role";
        let role = path.key("role_arn");
        let form = format!("arn:{partition}:iam::{account}:role/NAME");
        if let Some(arn) = self.arn(code, &role, role_arn, region, &form) {
            if arn.service != "iam" || !arn.resource.starts_with("role/") {
                let message = format!("`{role_arn}` is not the ARN of a role");
                self.error(code, &role, message, format!("write {form}"));
            } else if arn.account != account {
                let message = format!(
                    "the role is in account {}, the trail in {account}",
                    arn.account
                );
                self.error(
                    code,
                    &role,
                    message,
                    format!("use a role of the trail's account: {form}"),
                );
            }
        }
    }

    fn sns_topic(&mut self, path: &Path, region: &str, trail: &Trail) {
        let Some(topic) = &trail.sns_topic else {
            return;
        };
        let account = self.spec.account_id(&trail.account);
        let form = format!("arn:{}:sns:{region}:{account}:NAME", partition(region));
        let Some(arn) = self.arn("sns-topic", path, topic, region, &form) else {
            return;
        };
        let is_name = |name: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            (1..=256).contains(&name.len()) && name.chars().all(allowed)
        };
        if arn.service == "sns" && arn.resource.ends_with(".fifo") {
            let message = format!("`{topic}` is a FIFO topic");
            self.error(
                "sns-topic",
                path,
                message,
                "CloudTrail notifies standard topics only",
            );
        } else if arn.service != "sns"
            || !names::is_account_id(arn.account)
            || !is_name(arn.resource)
        {
            let message = format!("`{topic}` is not the ARN of an SNS topic");
            self.error("sns-topic", path, message, format!("write {form}"));
        }
    }

    fn needs_organization(&mut self, path: &Path, trail: &Trail) {
        if trail.organization && self.spec.organization.is_none() {
            let message = "an organization trail needs to know its organization";
            let help = "add `organization: { id: o-… }` at the top of the spec, or set `organization: false`";
            self.error(
                "organization-missing",
                &path.key("organization"),
                message,
                help,
            );
        }
    }

    /// A multi-Region trail counts in every Region, an organization trail in the management account.
    fn trail_quota(&mut self) {
        let mut by_account: BTreeMap<&str, Vec<(&str, &Trail)>> = BTreeMap::new();
        for (name, trail) in &self.spec.trails {
            let account = self.spec.account_id(trail.owner(self.spec));
            by_account.entry(account).or_default().push((name, trail));
        }
        for (account, trails) in by_account {
            let everywhere = trails
                .iter()
                .filter(|(_, trail)| trail.multi_region)
                .count();
            let home = |name: &str| self.spec.region_of_trail(name).unwrap_or_default();
            let regions: BTreeSet<&str> = trails.iter().map(|(name, _)| home(name)).collect();
            let count = |region: &str| {
                let local = trails
                    .iter()
                    .filter(|(name, t)| !t.multi_region && home(name) == region);
                everywhere + local.count()
            };
            let worst = regions.into_iter().max_by_key(|region| count(region));
            if let Some((region, count)) = worst.map(|region| (region, count(region)))
                && count > MAX_TRAILS
            {
                let names = suggest::list(trails.iter().map(|(name, _)| *name), "and");
                let message = format!(
                    "{count} trails in {region} of account {account}; AWS allows {MAX_TRAILS}"
                );
                let help = format!(
                    "multi-Region trails count in every Region. The trails of this account are {names}; join some: \
                     one trail holds many selectors"
                );
                self.error("trail-quota", &Path::of("trails"), message, help);
            }
        }
    }
}
