//! From log files to what is billed for them: buckets, keys, notifications, CloudWatch Logs.

use std::sync::Arc;

use super::fate::Rules;
use super::logs::{Digests, Pile, PileKey, TrailLog, rule_prefixes};
use super::meter::Meter;
use super::months::{BucketFlow, Cohort, KeyFlow, Part};
use super::number::{self, Range, div, whole};
use super::tally::{Share, Tally};
use super::trails::TrailView;
use super::volumes::{Provenance, Volumes};
use crate::spec::{Spec, Trail};

/// CloudWatch Logs counts in decimal gigabytes.
/// <https://aws.amazon.com/cloudwatch/pricing/>
const DECIMAL_GB: u64 = 1_000_000_000;
/// An S3 Bucket Key saves up to 99 % of the requests to KMS.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html>
const BUCKET_KEY_DIVISOR: u64 = 100;

/// Everything that follows from what is recorded.
#[derive(Clone, Debug, Default)]
pub struct Flows {
    pub buckets: Vec<BucketFlow>,
    pub keys: Vec<KeyFlow>,
    pub deliveries: Vec<Delivery>,
    /// Buckets whose log files have assumed sizes.
    assumed_sizes: Vec<String>,
    /// Buckets to which more is delivered than the volumes know.
    incomplete: Vec<String>,
}

/// What a trail's deliveries cost beside the bucket.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub address: String,
    pub account_id: String,
    pub region: String,
    pub meter: Meter,
    pub label: &'static str,
    pub unit: &'static str,
    pub quantity: Option<Range>,
    pub provenance: Provenance,
    pub explanation: &'static str,
    pub shares: Arc<Vec<Share>>,
}

pub fn flows(spec: &Spec, trails: &[TrailView], tally: &Tally<'_>, volumes: &Volumes) -> Flows {
    let mut flows = Flows::default();
    let logs: Vec<(&TrailView, &TrailLog)> = trails.iter().zip(&tally.logs).collect();
    for name in spec.buckets.keys() {
        let logs: Vec<&TrailLog> = logs
            .iter()
            .map(|(_, log)| *log)
            .filter(|log| log.bucket == *name)
            .collect();
        flows.add_bucket(spec, name, &logs, volumes);
    }
    flows.add_keys(spec);
    for (view, log) in logs {
        if let Some(trail) = view.name.as_ref().and_then(|name| spec.trails.get(name)) {
            let source = Source {
                spec,
                volumes,
                view,
                log,
                trail,
            };
            flows.add_cloud_watch_logs(&source);
            flows.add_notifications(&source);
            flows.add_key_requests(&source);
        }
    }
    flows
}

struct Source<'a> {
    spec: &'a Spec,
    volumes: &'a Volumes,
    view: &'a TrailView,
    log: &'a TrailLog,
    trail: &'a Trail,
}

impl Source<'_> {
    fn is_complete(&self) -> bool {
        !self.log.is_incomplete
    }

    /// A delivery of this trail; without volumes the quantity is unknown.
    fn delivery(&self, meter: Meter, quantity: Range) -> Delivery {
        let nothing = self.log.files == [0; 3] && !self.is_complete();
        Delivery {
            address: self.view.address.clone(),
            account_id: self.view.account_id.clone(),
            region: self.view.region.clone(),
            meter,
            label: "",
            unit: "requests",
            quantity: (!nothing).then_some(quantity),
            provenance: provenance(self.volumes, self.log.is_assumed),
            explanation: "",
            shares: Arc::new(self.log.by_bytes.clone()),
        }
    }

    fn monthly(&self, counted: [u128; 3]) -> Range {
        Range::from_cases(counted.map(|count| self.volumes.to_month(count)))
    }
}

impl Flows {
    fn add_bucket(&mut self, spec: &Spec, name: &str, logs: &[&TrailLog], volumes: &Volumes) {
        let Some(bucket) = spec.buckets.get(name) else {
            return;
        };
        let place = spec.place(&bucket.account, bucket.region.as_deref());
        let address = format!("bucket.{name}");
        if logs.is_empty() {
            return self.add_unused_bucket(spec, name);
        }
        let cohorts = [0, 1, 2].map(|case| {
            let files = logs.iter().flat_map(|log| &log.piles[case]);
            let files = files.map(|(key, pile)| files_of(key, *pile, volumes));
            files
                .chain(logs.iter().flat_map(|log| digests_of(&log.digests)))
                .collect()
        });
        let joined = |of: fn(&TrailLog) -> &Vec<Share>| {
            Arc::new(
                logs.iter()
                    .flat_map(|log| of(log))
                    .copied()
                    .collect::<Vec<Share>>(),
            )
        };
        if logs.iter().any(|log| log.is_assumed) {
            self.assumed_sizes.push(name.to_owned());
        }
        if logs.iter().any(|log| log.is_incomplete) {
            self.incomplete.push(address.clone());
            self.add_unknown_files(&address, &place.account_id, &place.region);
        }
        self.buckets.push(BucketFlow {
            address,
            name: name.to_owned(),
            account_id: place.account_id,
            region: place.region,
            rules: Rules::new(bucket, &bucket.lifecycle, rule_prefixes(spec, name)),
            prefixes: rule_prefixes(spec, name),
            cohorts,
            by_bytes: joined(|log| &log.by_bytes),
            by_files: joined(|log| &log.by_files),
            by_digests: joined(|log| &log.by_digests),
        });
    }

    fn add_unknown_files(&mut self, address: &str, account_id: &str, region: &str) {
        let class = super::meter::Class::Standard;
        for (meter, label, unit) in [
            (
                Meter::S3Put(class),
                "delivery of log files that the volumes do not know",
                "requests",
            ),
            (
                Meter::S3Storage(class),
                "storage of log files that the volumes do not know",
                "GB-months",
            ),
        ] {
            self.add_unknown(address, account_id, region, meter, label, unit);
        }
    }

    fn add_unknown(
        &mut self,
        address: &str,
        account_id: &str,
        region: &str,
        meter: Meter,
        label: &'static str,
        unit: &'static str,
    ) {
        self.deliveries.push(Delivery {
            address: address.to_owned(),
            account_id: account_id.to_owned(),
            region: region.to_owned(),
            meter,
            label,
            unit,
            quantity: None,
            provenance: Provenance::Declared,
            explanation: "",
            shares: Arc::new(Vec::new()),
        });
    }

    /// A bucket that no trail writes to: others may, above all the server access logs of the log bucket.
    fn add_unused_bucket(&mut self, spec: &Spec, name: &str) {
        let Some(bucket) = spec.buckets.get(name) else {
            return;
        };
        let place = spec.place(&bucket.account, bucket.region.as_deref());
        let mut buckets = spec.buckets.values();
        let receives = buckets.any(|b| b.access_logging.as_ref().is_some_and(|l| l.bucket == name));
        let label = if receives {
            "storage of server access logs"
        } else {
            "storage of what others than the spec's trails write"
        };
        let meter = Meter::S3Storage(super::meter::Class::Standard);
        let address = format!("bucket.{name}");
        self.add_unknown(
            &address,
            &place.account_id,
            &place.region,
            meter,
            label,
            "GB-months",
        );
    }

    fn add_keys(&mut self, spec: &Spec) {
        for (name, key) in &spec.keys {
            let place = spec.place(&key.account, key.region.as_deref());
            self.keys.push(KeyFlow {
                address: format!("key.{name}"),
                account_id: place.account_id,
                region: place.region,
                rotation_days: key.rotation_days,
            });
        }
    }

    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/send-cloudtrail-events-to-cloudwatch-logs.html>
    fn add_cloud_watch_logs(&mut self, source: &Source<'_>) {
        let Some(logs) = &source.trail.cloud_watch_logs else {
            return;
        };
        let bytes = source.monthly(source.log.uncompressed);
        let gigabytes = bytes.map(|bytes| div(bytes, whole(DECIMAL_GB)));
        let region = region_of_arn(&logs.log_group_arn, &source.view.region);
        let delivery = |meter, quantity| Delivery {
            region: region.clone(),
            unit: "GB",
            ..source.delivery(meter, quantity)
        };
        self.deliveries.push(Delivery {
            label: "CloudWatch Logs ingestion",
            ..delivery(Meter::LogsIngestion, gigabytes)
        });
        self.deliveries.push(Delivery {
            label: "CloudTrail delivery to CloudWatch Logs",
            explanation: "the AWS FAQ names no such charge for trails, another source does: nothing at least, this at \
                          most",
            ..delivery(Meter::CloudWatchDelivery, Range::up_to(gigabytes.high))
        });
        // How long the log group keeps its events is not in the spec.
        self.deliveries.push(Delivery {
            label: "CloudWatch Logs storage",
            unit: "GB-months",
            quantity: None,
            ..delivery(Meter::LogsStorage, Range::ZERO)
        });
    }

    /// One notification tells of one or more log files.
    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/configure-sns-notifications-for-cloudtrail.html>
    fn add_notifications(&mut self, source: &Source<'_>) {
        let Some(topic) = &source.trail.sns_topic else {
            return;
        };
        let files = source.monthly(source.log.files);
        let region = region_of_arn(topic, &source.view.region);
        self.deliveries.push(Delivery {
            region,
            label: "SNS notifications",
            explanation: "at most one for each log file; subscriptions are not in the spec",
            shares: Arc::new(source.log.by_files.clone()),
            ..source.delivery(
                Meter::SnsRequests,
                Range {
                    low: Range::ZERO.low,
                    ..files
                },
            )
        });
    }

    /// The user guide says that CloudTrail's own use of a key is free, the FAQ that the usual charges apply.
    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/encrypting-cloudtrail-log-files-with-aws-kms.html>
    fn add_key_requests(&mut self, source: &Source<'_>) {
        let bucket = source.spec.buckets.get(&source.trail.bucket);
        let of_bucket = bucket.and_then(|bucket| bucket.key.as_ref());
        let Some(key) = source.trail.key.as_ref().or(of_bucket) else {
            return;
        };
        let files = source.monthly(source.log.files).high;
        let digests = source
            .log
            .digests
            .values()
            .map(|pile| number::count(pile.objects));
        let objects = digests.fold(files, number::add);
        let divisor = match bucket {
            Some(bucket) if bucket.bucket_key => BUCKET_KEY_DIVISOR,
            _ => 1,
        };
        let region = source
            .spec
            .region_of_key(key)
            .unwrap_or(&source.view.region);
        self.deliveries.push(Delivery {
            region: region.to_owned(),
            label: "KMS requests of the deliveries",
            explanation: "the CloudTrail user guide says that they are free, the FAQ that they are not: nothing at \
                          least, one for each file at most, or one for a hundred files with an S3 Bucket Key",
            shares: Arc::new(source.log.by_files.clone()),
            ..source.delivery(Meter::KmsRequests, Range::up_to(div(objects, whole(divisor))))
        });
    }

    /// Where the quantity of a bucket's line comes from.
    pub fn provenance(&self, bucket: &str, part: Part, volumes: Provenance) -> Provenance {
        let assumed = self.assumed_sizes.iter().any(|name| name == bucket);
        if assumed && part != Part::PutDigests {
            return Provenance::Assumed;
        }
        volumes
    }

    pub fn assumptions(&self, spec: &Spec) -> Vec<String> {
        let mut texts = Vec::new();
        if !self.assumed_sizes.is_empty() {
            texts.push(
                "Sizes and numbers of log files are assumed where the volumes have none: 1,500 bytes an event, a tenth of \
                 it compressed, one file every five minutes with activity."
                    .to_owned(),
            );
        }
        for address in &self.incomplete {
            texts.push(format!(
                "{address} holds only the log files of events that the volumes know; the rest is unknown."
            ));
        }
        if !self.buckets.is_empty() {
            texts.push(
                "Buckets begin empty, objects arrive evenly and nobody reads them. The bucket owner pays for each \
                 delivered file as a PUT request; AWS does not say otherwise. Volume tiers of S3 count each bucket \
                 by itself."
                    .to_owned(),
            );
        }
        if spec.trails.values().any(|trail| trail.organization) {
            texts.push(
                "An organization trail is priced for the accounts and Regions of the volumes; others are unknown."
                    .to_owned(),
            );
        }
        texts
    }
}

impl BucketFlow {
    /// Who caused a part of the bill.
    pub fn shares(&self, part: Part) -> Arc<Vec<Share>> {
        let shares = match part {
            Part::PutDigests => &self.by_digests,
            Part::PutLogs | Part::Transition(_) | Part::TieringMonitoring => &self.by_files,
            _ => &self.by_bytes,
        };
        // A bucket with digests only has no log files to share out by.
        let shares = if shares.is_empty() {
            &self.by_digests
        } else {
            shares
        };
        Arc::clone(shares)
    }
}

fn files_of(key: &PileKey, pile: Pile, volumes: &Volumes) -> Cohort {
    Cohort {
        prefixes: key.prefixes,
        objects: volumes.to_month(pile.objects),
        bytes: volumes.to_month(pile.bytes),
        digests: false,
    }
}

fn digests_of(digests: &Digests) -> impl Iterator<Item = Cohort> + '_ {
    digests.iter().map(|(prefixes, pile)| Cohort {
        prefixes: *prefixes,
        objects: number::count(pile.objects),
        bytes: number::count(pile.bytes),
        digests: true,
    })
}

fn provenance(volumes: &Volumes, assumed: bool) -> Provenance {
    if assumed {
        Provenance::Assumed
    } else {
        volumes.provenance
    }
}

/// `arn:aws:logs:REGION:…`
fn region_of_arn(arn: &str, otherwise: &str) -> String {
    let region = arn.split(':').nth(3).filter(|region| !region.is_empty());
    region.unwrap_or(otherwise).to_owned()
}
