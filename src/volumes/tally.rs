//! The counts: by account, Region, category, event source and resource type, and what each selector recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use time::Date;

use super::engine::SelectorId;
use super::loss::Lost;
use super::scan::Syntax;
use super::sketch::Sketch;
use super::talkers::Talkers;

/// Log files under this size count as small for lifecycle rules.
pub const LARGE_FILE: u64 = 128 * 1024;
/// Problems that are named; all are counted.
const MAX_NAMED: usize = 1000;
/// Heavy hitters are exact up to so many different values.
const SKETCH: usize = 8 * 1024;

/// Numbers of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub read: u64,
    pub write: u64,
    /// Events whose record does not say: network activity and some service events.
    pub other: u64,
    /// Those of all of the above that failed.
    pub errors: u64,
}

impl Counts {
    pub fn events(&self) -> u64 {
        self.read + self.write + self.other
    }

    pub fn add(&mut self, more: Self) {
        self.read += more.read;
        self.write += more.write;
        self.other += more.other;
        self.errors += more.errors;
    }
}

/// Log files and digest files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub count: u64,
    /// Bytes as stored.
    pub compressed_bytes: u64,
    pub uncompressed_bytes: u64,
    /// Those that are not under 128 KB as stored.
    pub large: u64,
    pub large_bytes: u64,
    pub digests: u64,
    pub digest_bytes: u64,
}

impl Files {
    pub fn log_file(compressed: u64, uncompressed: u64) -> Self {
        let large = compressed >= LARGE_FILE;
        Self {
            count: 1,
            compressed_bytes: compressed,
            uncompressed_bytes: uncompressed,
            large: u64::from(large),
            large_bytes: if large { compressed } else { 0 },
            ..Self::default()
        }
    }

    pub fn digest(bytes: u64) -> Self {
        Self {
            digests: 1,
            digest_bytes: bytes,
            ..Self::default()
        }
    }

    pub fn add(&mut self, more: Self) {
        self.count += more.count;
        self.compressed_bytes += more.compressed_bytes;
        self.uncompressed_bytes += more.uncompressed_bytes;
        self.large += more.large;
        self.large_bytes += more.large_bytes;
        self.digests += more.digests;
        self.digest_bytes += more.digest_bytes;
    }
}

/// Whose count of recorded events: a trail's, where each event counts once, or one of its selectors'.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recorder {
    pub trail: usize,
    pub selector: Option<usize>,
    pub category: String,
}

/// Event source, and the resource type of data events; otherwise that is empty.
pub type SourceAndType = (String, String);

/// One account in one Region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegionTally {
    /// By category: `Management`, `Data`, `NetworkActivity`, `Insight`, `Aggregated` and whatever AWS adds.
    pub events: BTreeMap<String, BTreeMap<SourceAndType, Counts>>,
    /// Events recorded.
    pub recorded: BTreeMap<Recorder, u64>,
    /// Events recorded by a selector, and by none of its trail before it; of selectors whose own events are counted.
    pub own: BTreeMap<SelectorId, u64>,
    /// Files whose path names the account and the Region.
    pub files: Files,
    /// Such files that the sample left out.
    pub left: Files,
}

impl RegionTally {
    pub(super) fn merge(&mut self, other: Self) {
        for (category, rows) in other.events {
            let own = self.events.entry(category).or_default();
            for (row, counts) in rows {
                own.entry(row).or_default().add(counts);
            }
        }
        for (recorder, count) in other.recorded {
            *self.recorded.entry(recorder).or_default() += count;
        }
        for (selector, count) in other.own {
            *self.own.entry(selector).or_default() += count;
        }
        self.files.add(other.files);
        self.left.add(other.left);
    }
}

/// Why something was not counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    Text(Syntax),
    /// What the system says about reading the file or folder.
    Unreadable(String),
    Empty,
    /// gzip that is cut off.
    Truncated,
    /// gzip that is damaged.
    Corrupt,
    /// The checksum or length at the end of gzip data does not fit; the records have been counted.
    Checksum,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(syntax) => syntax.fmt(f),
            Self::Unreadable(message) => f.write_str(message),
            Self::Empty => f.write_str("empty file"),
            Self::Truncated => f.write_str("gzip data is cut off"),
            Self::Corrupt => f.write_str("gzip data is damaged"),
            Self::Checksum => f.write_str("gzip checksum does not fit the data"),
        }
    }
}

/// Something that was not counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub file: String,
    /// In the uncompressed text, or in the file where it could not be uncompressed.
    pub offset: Option<u64>,
    pub reason: Reason,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => write!(f, "{}: {} at byte {offset}", self.file, self.reason),
            None => write!(f, "{}: {}", self.file, self.reason),
        }
    }
}

/// All problems by number, the first ones by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    pub count: u64,
    /// Files with at least one problem.
    pub files: u64,
    pub named: Vec<Problem>,
}

impl Problems {
    pub fn add(&mut self, problem: Problem) {
        self.count += 1;
        if self.named.len() < MAX_NAMED {
            self.named.push(problem);
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.files += other.files;
        let free = MAX_NAMED.saturating_sub(self.named.len());
        self.named.extend(other.named.into_iter().take(free));
    }
}

/// The first and last `eventTime`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    bounds: Option<(Time, Time)>,
}

/// A time as records have it: `2026-10-01T12:00:00Z`. As numbers, which compare faster and the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Time(u128, u32);

impl Time {
    #[inline]
    fn of(text: &[u8]) -> Option<Self> {
        let (first, rest) = text.split_first_chunk::<16>()?;
        let last = rest.as_array::<4>()?;
        Some(Self(u128::from_be_bytes(*first), u32::from_be_bytes(*last)))
    }

    fn bytes(self) -> impl Iterator<Item = u8> {
        self.0.to_be_bytes().into_iter().chain(self.1.to_be_bytes())
    }

    /// Whether it is a time at which CloudTrail can have recorded something; it is there since 2013.
    fn is_one(self) -> bool {
        let format = &time::format_description::well_known::Rfc3339;
        let parsed = time::OffsetDateTime::parse(&self.text(), format);
        parsed.is_ok_and(|time| (2013..2100).contains(&time.year()))
    }

    fn text(self) -> String {
        self.bytes().map(char::from).collect()
    }
}

impl Window {
    /// Takes note of a time. What is none is passed over.
    #[inline]
    pub fn add(&mut self, time: &[u8]) {
        let Some(time) = Time::of(time) else {
            return self.add_unusual(time);
        };
        match self.bounds {
            Some((first, last)) if first <= time && time <= last => {}
            _ => self.widen(time),
        }
    }

    /// Tools write the same time with fractions of a second, or with the offset of UTC.
    #[cold]
    fn add_unusual(&mut self, time: &[u8]) {
        let format = &time::format_description::well_known::Rfc3339;
        let text = std::str::from_utf8(time).unwrap_or_default();
        if let Ok(time) = time::OffsetDateTime::parse(text, format) {
            let time = time.to_offset(time::UtcOffset::UTC);
            let whole = time.replace_nanosecond(0).unwrap_or(time);
            let text = whole.format(format).unwrap_or_default();
            if let Some(time) = Time::of(text.as_bytes()) {
                self.widen(time);
            }
        }
    }

    fn widen(&mut self, time: Time) {
        if time.is_one() {
            let (first, last) = self.bounds.get_or_insert((time, time));
            *first = time.min(*first);
            *last = time.max(*last);
        }
    }

    fn merge(&mut self, other: Self) {
        for time in other
            .bounds
            .into_iter()
            .flat_map(|(first, last)| [first, last])
        {
            self.widen(time);
        }
    }

    pub fn first(&self) -> Option<String> {
        self.bounds.map(|(first, _)| first.text())
    }

    pub fn last(&self) -> Option<String> {
        self.bounds.map(|(_, last)| last.text())
    }
}

/// The days of the folders that files lie in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// The first and the last one.
    pub bounds: Option<(Date, Date)>,
    /// Files whose path names no day.
    pub undated: u64,
}

impl Days {
    pub fn add(&mut self, day: Option<Date>) {
        match day {
            Some(day) => self.widen(day),
            None => self.undated += 1,
        }
    }

    fn widen(&mut self, day: Date) {
        let (first, last) = self.bounds.get_or_insert((day, day));
        *first = day.min(*first);
        *last = day.max(*last);
    }

    fn merge(&mut self, other: Self) {
        for day in other
            .bounds
            .into_iter()
            .flat_map(|(first, last)| [first, last])
        {
            self.widen(day);
        }
        self.undated += other.undated;
    }
}

/// Everything that was counted. Two tallies merge into one as if it had all been counted at once.
#[derive(Clone, Debug)]
pub struct Tally {
    /// By account id and Region; empty texts where neither the record nor the path says.
    pub accounts: BTreeMap<String, BTreeMap<String, RegionTally>>,
    pub events: u64,
    /// Copies that were left out, when asked to.
    pub duplicates: u64,
    pub files: Files,
    /// Files that the sample left out.
    pub left: Files,
    pub days: Days,
    /// Files of a folder that are no log files by their name.
    pub skipped: u64,
    pub window: Window,
    pub problems: Problems,
    /// Data events by resource; of S3, by bucket.
    pub resources: Sketch,
    /// Events by `userIdentity.arn`; of roles, without the session.
    pub principals: Sketch,
    /// Events by event source and name.
    pub calls: Sketch,
    /// What a change of the trails loses, where it was asked for.
    pub lost: Lost,
    /// Who causes what each trail records, where it was asked for.
    pub talkers: Vec<Talkers>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            accounts: BTreeMap::new(),
            events: 0,
            duplicates: 0,
            files: Files::default(),
            left: Files::default(),
            days: Days::default(),
            skipped: 0,
            window: Window::default(),
            problems: Problems::default(),
            resources: Sketch::new(SKETCH),
            principals: Sketch::new(SKETCH),
            calls: Sketch::new(SKETCH),
            lost: Lost::default(),
            talkers: Vec::new(),
        }
    }
}

impl Tally {
    pub fn merge(&mut self, other: Self) {
        for (account, regions) in other.accounts {
            let own = self.accounts.entry(account).or_default();
            for (region, tally) in regions {
                own.entry(region).or_default().merge(tally);
            }
        }
        self.events += other.events;
        self.duplicates += other.duplicates;
        self.files.add(other.files);
        self.left.add(other.left);
        self.days.merge(other.days);
        self.skipped += other.skipped;
        self.window.merge(other.window);
        self.problems.merge(other.problems);
        self.resources.merge(other.resources);
        self.principals.merge(other.principals);
        self.calls.merge(other.calls);
        self.lost.merge(other.lost);
        if self.talkers.len() < other.talkers.len() {
            self.talkers
                .resize_with(other.talkers.len(), Talkers::default);
        }
        for (own, other) in self.talkers.iter_mut().zip(other.talkers) {
            own.merge(other);
        }
    }

    pub fn region(&mut self, account: &str, region: &str) -> &mut RegionTally {
        let regions = self.accounts.entry(account.to_owned()).or_default();
        regions.entry(region.to_owned()).or_default()
    }

    /// Events that a trail, or one of its selectors, recorded in all accounts.
    pub fn recorded(&self, trail: usize, selector: Option<usize>) -> u64 {
        let regions = self.accounts.values().flat_map(BTreeMap::values);
        let recorded = regions.flat_map(|region| &region.recorded);
        let own = recorded.filter(|(r, _)| r.trail == trail && r.selector == selector);
        own.map(|(_, count)| count).sum()
    }

    /// Resource types of data events that were seen anywhere.
    pub fn data_types(&self) -> BTreeSet<&str> {
        let regions = self.accounts.values().flat_map(BTreeMap::values);
        let data = regions.filter_map(|region| region.events.get("Data"));
        data.flat_map(BTreeMap::keys)
            .map(|(_, kind)| kind.as_str())
            .collect()
    }
}
