//! Log files: how many objects, of what size, a trail puts into its bucket.
//!
//! Measured sizes are used where the volumes have them. Otherwise an event takes 1,500 bytes, a tenth of that
//! compressed, which is what AWS plans with; a file is written for every five minutes with activity.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html>

use std::collections::BTreeMap;

use super::tally::{Counted, Place, Share, WHOLE_TRAIL, add, weight};
use super::trails::TrailView;
use super::volumes::{Files, MONTH_HOURS, RegionVolumes};
use crate::spec::Spec;

/// Bytes of an event in a log file before compression: the mean of a public set of real logs
/// (<https://github.com/invictus-ir/aws_dataset>), what AWS plans with, and the 95th percentile of that set.
const EVENT_BYTES: Counted = [1262, 1500, 1844];
/// Bytes of an event after compression, at ratios of 8.6, 10 and 8.6.
const EVENT_GZIP_BYTES: Counted = [147, 150, 214];
/// Compression ratio, in tenths, where only the compressed size was measured.
const GZIP_RATIO_TENTHS: Counted = [86, 100, 100];
/// A log file holds at most 50 MB before compression.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html>
const FILE_BYTES: u128 = 50 * 1000 * 1000;
const SLOTS_PER_HOUR: u128 = 12;
/// Files of a busy account per five minutes, at most.
const BUSY_FILES_PER_SLOT: u128 = 5;
/// A digest is delivered every hour, also when there was no activity.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html>
pub const DIGESTS_PER_MONTH: u64 = MONTH_HOURS;
const DIGEST_BYTES: u64 = 1500;

/// What a trail recorded in one place: events by selector.
#[derive(Default)]
pub struct Recorded {
    by_selector: Vec<(u16, Counted)>,
    total: Counted,
}

impl Recorded {
    pub fn add(&mut self, selector: u16, counted: Counted) {
        if counted != [0; 3] {
            self.by_selector.push((selector, counted));
            add(&mut self.total, counted);
        }
    }
}

/// Objects of about one size whose keys match the same prefixes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pile {
    pub objects: u128,
    pub bytes: u128,
}

/// Which prefixes of the bucket's rules the keys have, and the binary logarithm of the size. No boundary that matters
/// (128 KB) lies within a power of two, so the mean of a pile stands for all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PileKey {
    pub prefixes: u64,
    log_size: u32,
}

/// Digests of a month, by the prefixes of their keys.
pub type Digests = BTreeMap<u64, Pile>;

/// What a trail delivers.
#[derive(Clone, Debug, Default)]
pub struct TrailLog {
    /// Name of the bucket in the spec; empty for trails of others, which are not followed further.
    pub bucket: String,
    /// Log files in the window.
    pub files: Counted,
    pub compressed: Counted,
    pub uncompressed: Counted,
    /// Log files in the window, for each of the three cases.
    pub piles: [BTreeMap<PileKey, Pile>; 3],
    /// Digests of a month.
    pub digests: Digests,
    pub by_bytes: Vec<Share>,
    pub by_files: Vec<Share>,
    pub by_digests: Vec<Share>,
    /// The trail records more than the volumes know.
    pub is_incomplete: bool,
    /// Sizes or numbers of files are assumed somewhere.
    pub is_assumed: bool,
    validation: bool,
    window_hours: u64,
    keys: Keys,
}

/// The keys under which a trail writes.
#[derive(Clone, Debug, Default)]
struct Keys {
    /// `[prefix/]AWSLogs/[o-id/]`
    base: String,
    rule_prefixes: Vec<String>,
    /// The prefixes that all keys of the trail have.
    common: u64,
    /// Some rule is for certain accounts, Regions or kinds of files only.
    deeper: bool,
}

impl TrailLog {
    pub fn new(spec: &Spec, view: &TrailView, window_hours: u64) -> Self {
        let Some(trail) = view.name.as_ref().and_then(|name| spec.trails.get(name)) else {
            return Self::default();
        };
        Self {
            bucket: trail.bucket.clone(),
            validation: trail.log_file_validation,
            window_hours,
            keys: Keys::new(spec, trail),
            ..Self::default()
        }
    }

    /// Adds what the trail delivers for a place.
    pub fn deliver(
        &mut self,
        trail: u16,
        place: u32,
        names: Place<'_>,
        counts: &RegionVolumes,
        recorded: &Recorded,
    ) {
        if self.bucket.is_empty() {
            return;
        }
        let files = counts.files.as_deref();
        if self.validation {
            self.deliver_digests(trail, place, names, files);
        }
        if recorded.total == [0; 3] {
            return;
        }
        let sizes = Sizes {
            measured: files,
            events: counts.events(),
            slots: u128::from(self.window_hours) * SLOTS_PER_HOUR,
        };
        self.is_assumed |= sizes.are_assumed();
        let delivered = sizes.of(recorded.total);
        add(&mut self.files, delivered.files);
        add(&mut self.compressed, delivered.compressed);
        add(&mut self.uncompressed, delivered.uncompressed);
        let prefixes = self.keys.prefixes(names, "CloudTrail");
        for case in 0..3 {
            for pile in sizes.piles(delivered.files[case], delivered.compressed[case]) {
                put(&mut self.piles[case], prefixes, pile);
            }
        }
        self.share(trail, place, recorded, &delivered);
    }

    fn deliver_digests(&mut self, trail: u16, place: u32, names: Place<'_>, files: Option<&Files>) {
        let measured = files.and_then(|files| Some((files.digest_bytes?, files.digests?)));
        let bytes = match measured {
            Some((bytes, count)) if count > 0 => bytes / count,
            _ => DIGEST_BYTES,
        };
        let prefixes = self.keys.prefixes(names, "CloudTrail-Digest");
        let pile = self.digests.entry(prefixes).or_default();
        let count = u128::from(DIGESTS_PER_MONTH);
        pile.objects = pile.objects.saturating_add(count);
        pile.bytes = pile.bytes.saturating_add(count * u128::from(bytes));
        self.by_digests.push(Share {
            trail,
            selector: WHOLE_TRAIL,
            place,
            weight: 1,
        });
    }

    fn share(&mut self, trail: u16, place: u32, recorded: &Recorded, delivered: &Delivered) {
        let total = recorded.total[1];
        for (selector, counted) in &recorded.by_selector {
            let share = |whole: u128| Share {
                trail,
                selector: *selector,
                place,
                weight: weight(mul_div(whole, counted[1], total)),
            };
            self.by_bytes.push(share(delivered.compressed[1]));
            // A file may hold events of several selectors, so whole files would be too coarse a share.
            self.by_files
                .push(share(delivered.files[1].saturating_mul(1000)));
        }
    }
}

fn put(piles: &mut BTreeMap<PileKey, Pile>, prefixes: u64, pile: Pile) {
    let Some(size) = pile.bytes.checked_div(pile.objects) else {
        return;
    };
    let log_size = size.checked_ilog2().unwrap_or(0);
    let sum = piles.entry(PileKey { prefixes, log_size }).or_default();
    sum.objects = sum.objects.saturating_add(pile.objects);
    sum.bytes = sum.bytes.saturating_add(pile.bytes);
}

struct Delivered {
    files: Counted,
    compressed: Counted,
    uncompressed: Counted,
}

/// Sizes in one place.
struct Sizes<'v> {
    measured: Option<&'v Files>,
    /// Events that the measured files hold.
    events: u128,
    /// Spans of five minutes in the window.
    slots: u128,
}

impl Sizes<'_> {
    fn figure(&self, of: impl Fn(&Files) -> Option<u64>) -> Option<u128> {
        let figure = self.measured.and_then(of);
        figure.filter(|_| self.events > 0).map(u128::from)
    }

    fn are_assumed(&self) -> bool {
        let count = self.figure(|files| files.count);
        count.is_none() || self.figure(|files| files.compressed_bytes).is_none()
    }

    fn of(&self, events: Counted) -> Delivered {
        let compressed = match self.figure(|files| files.compressed_bytes) {
            Some(bytes) => events.map(|events| mul_div(events, bytes, self.events)),
            None => times(events, EVENT_GZIP_BYTES),
        };
        let measured = self.figure(|files| files.compressed_bytes).is_some();
        let uncompressed = match self.figure(|files| files.uncompressed_bytes) {
            Some(bytes) => events.map(|events| mul_div(events, bytes, self.events)),
            None if measured => times(compressed, GZIP_RATIO_TENTHS).map(|tenths| tenths / 10),
            None => times(events, EVENT_BYTES),
        };
        Delivered {
            files: self.files(events, uncompressed),
            compressed,
            uncompressed,
        }
    }

    /// A file holds at least one event. Recording a part of the events leaves between its share of the files and all
    /// of them, as every span of five minutes may still see an event.
    fn files(&self, events: Counted, bytes: Counted) -> Counted {
        if let Some(measured) = self.figure(|files| files.count) {
            let share = |events: u128| mul_div(events, measured, self.events).min(events);
            let most = |events: u128| share(events).max(measured.min(events));
            return [share(events[0]), most(events[1]), most(events[2])];
        }
        let least = |case: usize| events[case].min(self.slots).max(bytes[case] / FILE_BYTES);
        let busy = events[2].min(self.slots.saturating_mul(BUSY_FILES_PER_SLOT));
        [least(0), least(1), least(2).max(busy)]
    }

    /// The files, those that are not under 128 KB apart if they were counted.
    fn piles(&self, files: u128, bytes: u128) -> [Pile; 2] {
        let all = Pile {
            objects: files,
            bytes,
        };
        let large = self.measured.and_then(|measured| measured.large.as_ref());
        let totals = self
            .measured
            .and_then(|m| Some((m.count?, m.compressed_bytes?)));
        let (Some(large), Some((count, total))) = (large, totals) else {
            return [all, Pile::default()];
        };
        let large = Pile {
            objects: mul_div(files, u128::from(large.count.min(count)), u128::from(count)),
            bytes: mul_div(
                bytes,
                u128::from(large.compressed_bytes.min(total)),
                u128::from(total),
            ),
        };
        let small = Pile {
            objects: files - large.objects.min(files),
            bytes: bytes - large.bytes.min(bytes),
        };
        [large, small]
    }
}

fn times(counted: Counted, factors: Counted) -> Counted {
    let mut products = counted;
    for (product, factor) in products.iter_mut().zip(factors) {
        *product = product.saturating_mul(factor);
    }
    products
}

/// `a × b / c` without overflow on the way; zero when there is nothing to divide by.
fn mul_div(a: u128, b: u128, c: u128) -> u128 {
    match a.checked_mul(b) {
        Some(product) => product.checked_div(c).unwrap_or(0),
        None => (a.checked_div(c).unwrap_or(0)).saturating_mul(b),
    }
}

/// More prefixes than this in one bucket's rules are not told apart.
const MAX_PREFIXES: usize = 64;

impl Keys {
    fn new(spec: &Spec, trail: &crate::spec::Trail) -> Self {
        let prefix = trail.prefix.as_deref().unwrap_or_default();
        let slash = if prefix.is_empty() { "" } else { "/" };
        let organization = spec.organization.as_ref().filter(|_| trail.organization);
        let id = organization.map_or(String::new(), |organization| {
            format!("{}/", organization.id)
        });
        let base = format!("{prefix}{slash}AWSLogs/{id}");
        let rule_prefixes = rule_prefixes(spec, &trail.bucket);
        let deeper = |rule: &String| rule.len() > base.len() && rule.starts_with(&base);
        Self {
            common: mask(&rule_prefixes, &base),
            deeper: rule_prefixes.iter().any(deeper),
            base,
            rule_prefixes,
        }
    }

    fn prefixes(&self, place: Place<'_>, kind: &str) -> u64 {
        if !self.deeper {
            return self.common;
        }
        let folder = format!("{}{}/{kind}/{}/", self.base, place.account, place.region);
        mask(&self.rule_prefixes, &folder)
    }
}

fn mask(rule_prefixes: &[String], key: &str) -> u64 {
    let mut mask = 0;
    for (bit, prefix) in rule_prefixes.iter().enumerate() {
        mask |= u64::from(key.starts_with(prefix)) << bit;
    }
    mask
}

/// The distinct prefixes of a bucket's lifecycle rules, in order; a rule's bit is its prefix's index here.
pub fn rule_prefixes(spec: &Spec, bucket: &str) -> Vec<String> {
    let rules = spec.buckets.get(bucket).map(|bucket| &bucket.lifecycle);
    let prefixes = rules
        .into_iter()
        .flatten()
        .map(|rule| rule.prefix.clone().unwrap_or_default());
    let mut prefixes: Vec<String> = prefixes.collect();
    prefixes.sort();
    prefixes.dedup();
    prefixes.truncate(MAX_PREFIXES);
    prefixes
}
