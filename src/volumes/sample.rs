//! A part of the log files, and what it says about all of them.
//!
//! Events are as many as the bytes of their files tell, more or less; so what was counted in the sample is scaled by
//! the bytes of all files, which a listing gives. How far that is off is seen from the sample itself: its files fall
//! into ten groups by chance, and the more these differ, the less is known. (A ratio estimator, its variance by random
//! groups: Wolter, Introduction to Variance Estimation, chapter 2.)

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use super::tally::{Files, RegionTally, Tally};

/// Which log files to read; always the same ones of the same files.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Between 0 and 1.
    pub fraction: f64,
}

impl Sample {
    pub const GROUPS: usize = 10;
    /// Fewer files say too little about how far they may be off.
    pub const LEAST_FILES: u64 = 50;

    /// Whether a log file belongs to it. Their names end in random letters, so chance has been at work already.
    pub fn takes(self, name: &str) -> bool {
        let share = Self::hash(name, 1) as f64 / u64::MAX as f64;
        share < self.fraction
    }

    pub(super) fn group(name: &str) -> usize {
        (Self::hash(name, 2) % Self::GROUPS as u64) as usize
    }

    /// CloudTrail's own names are all different; of others the folders are needed to tell them apart.
    fn hash(name: &str, seed: u64) -> u64 {
        let file = name.rsplit('/').next().unwrap_or(name);
        let file = if file.matches('_').count() >= 3 {
            file
        } else {
            name
        };
        foldhash::quality::FixedState::with_seed(seed).hash_one(file)
    }
}

/// What was counted in a group of the sample.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// By account id and Region.
    pub accounts: BTreeMap<String, BTreeMap<String, RegionTally>>,
    pub files: Files,
    /// Events that a change of the trails loses, and gains.
    pub lost: u64,
    pub gained: u64,
}

impl Group {
    pub(super) fn add(&mut self, tally: &Tally) {
        self.files.add(tally.files);
        self.lost += tally.lost.events;
        self.gained += tally.lost.gained;
        for (account, regions) in &tally.accounts {
            let own = self.accounts.entry(account.clone()).or_default();
            for (region, counts) in regions {
                own.entry(region.clone()).or_default().merge(counts.clone());
            }
        }
    }

    pub fn region(&self, account: &str, region: &str) -> Option<&RegionTally> {
        self.accounts.get(account)?.get(region)
    }
}

/// From counts of a sample to those of all files.
pub struct Scale<'g> {
    groups: &'g [Group],
    /// Compressed bytes that were read, and all there are.
    read: f64,
    all: f64,
}

/// Two-sided 95 % of Student's t with nine degrees of freedom, for ten groups.
const T_95: f64 = 2.262;

impl<'g> Scale<'g> {
    /// `None` where all files were read.
    pub fn new(tally: &Tally, groups: &'g [Group]) -> Option<Self> {
        let read = tally.files.compressed_bytes as f64;
        let left = tally.left.compressed_bytes as f64;
        (left > 0.0 && read > 0.0 && groups.len() > 1).then_some(Self {
            groups,
            read,
            all: read + left,
        })
    }

    pub fn expected(&self, counted: u64) -> u64 {
        (counted as f64 * self.all / self.read).round() as u64
    }

    /// Low, expected and high of a number that `in_group` says for each group: right in 95 of 100 cases.
    pub fn range(&self, in_group: impl Fn(&Group) -> u64) -> [u64; 3] {
        let counts: Vec<f64> = self
            .groups
            .iter()
            .map(|group| in_group(group) as f64)
            .collect();
        let counted: f64 = counts.iter().sum();
        let ratio = counted / self.read;
        let residuals = self.groups.iter().zip(&counts).map(|(group, count)| {
            let expected = ratio * group.files.compressed_bytes as f64;
            (count - expected).powi(2)
        });
        let groups = self.groups.len() as f64;
        let variance =
            groups / (groups - 1.0) * residuals.sum::<f64>() * (1.0 - self.read / self.all);
        let factor = self.all / self.read;
        let (expected, margin) = (counted * factor, T_95 * factor * variance.sqrt());
        // What was counted is there in any case.
        let low = (expected - margin).max(counted);
        [low, expected, expected + margin].map(|count| count.round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_about_its_fraction() {
        let sample = Sample { fraction: 0.2 };
        let names = (0..10_000).map(|n| format!("AWSLogs/1/1_CloudTrail_x_{n}.json.gz"));
        let taken: Vec<String> = names.filter(|name| sample.takes(name)).collect();
        assert!((1_800..2_200).contains(&taken.len()), "{}", taken.len());
        let in_first = taken.iter().filter(|name| Sample::group(name) == 0).count();
        assert!((120..290).contains(&in_first), "{in_first}");
        assert!(
            taken
                .iter()
                .all(|name| sample.takes(&name.replace("AWSLogs/1", "copy")))
        );
    }

    /// Files whose events differ from file to file, sampled many times: the range holds the truth about as often as it
    /// says.
    #[test]
    fn the_range_holds_the_truth_in_95_of_100_cases() {
        let mut held = 0;
        for run in 0..400u64 {
            let mut tally = Tally::default();
            let mut groups = vec![Group::default(); Sample::GROUPS];
            let mut truth = 0;
            for file in 0..2_000u64 {
                let random = |what| Sample::hash(&format!("{file}"), what) >> 32;
                let bytes = 1_000 + random(3) % 20_000;
                let events = bytes / 200 + random(4) % 60;
                truth += events;
                let files = Files::log_file(bytes, 0);
                if !Sample::hash(&format!("{run} {file}"), 5).is_multiple_of(5) {
                    tally.left.add(files);
                    continue;
                }
                tally.files.add(files);
                let group = &mut groups[Sample::group(&format!("{run} {file}"))];
                group.files.add(files);
                let region = group
                    .accounts
                    .entry(String::new())
                    .or_default()
                    .entry(String::new());
                region.or_default().files.digests += events;
            }
            let scale = Scale::new(&tally, &groups).expect("a sample");
            let events = |group: &Group| group.region("", "").map_or(0, |r| r.files.digests);
            let [low, expected, high] = scale.range(events);
            assert!(expected.abs_diff(truth) * 5 < truth);
            held += u32::from(low <= truth && truth <= high);
        }
        assert!((364..=396).contains(&held), "{held} of 400");
    }
}
