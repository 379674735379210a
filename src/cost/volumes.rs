//! The volumes file: how many events there are, and how large the log files are, by account and Region.
//!
//! What is not in the file is unknown, not zero. A category that is listed is complete: an event source that it does
//! not name had no events. Of data events that holds for the resource types that the file names anywhere, because logs
//! show only what some trail recorded.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime};

use super::by_name::ByName;
use super::number;
use super::plain_yaml;
use super::recorded::UNKNOWN;

/// AWS bills storage by the hour; an average month has 365 × 24 / 12 of them.
pub const MONTH_HOURS: u64 = 730;
const VERSION: u32 = 1;

/// Why a text is no volumes file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum VolumesError {
    #[error("not a volumes file: {0}")]
    Format(String),
    #[error("volumes file of version {0}; this program reads version 1")]
    Version(u32),
    #[error("`window` is not a time: {0}")]
    Window(String),
    #[error("{0}: `low`, `expected` and `high` do not rise")]
    Count(String),
}

/// Event volumes of the accounts of an organization.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Volumes {
    /// Version of the format: 1.
    #[schemars(range(min = 1, max = 1))]
    #[serde(default = "version")]
    pub version: u32,
    /// Default: declared.
    #[serde(default)]
    pub provenance: Provenance,
    /// Where the figures come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The time in which the events were counted. Default: a month of 730 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// What was read to measure the figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measurements: Vec<Measurement>,
    /// Digests of the selectors whose own events were counted, by trail and name of the selector. A selector that has
    /// become another one since was not counted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub definitions: BTreeMap<String, BTreeMap<String, String>>,
    /// By account id and Region. Regions that are not listed are taken as disabled.
    #[serde(default)]
    pub accounts: BTreeMap<String, BTreeMap<String, RegionVolumes>>,
}

fn version() -> u32 {
    VERSION
}

/// How a figure came about.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// Counted in real logs or in a bill.
    Measured,
    /// Written down by somebody who should know.
    #[default]
    Declared,
    /// A guess: a typical organization, a typical size.
    Assumed,
}

/// Something that figures were measured from.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// Folders, files and `s3://` addresses, a table, or a bill.
    pub from: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Log files that were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// How many log files there are, where only a sample of them was read. Counts are ranges then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled_from: Option<u64>,
    /// Files that could not be read in full; their events are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged_files: Option<u64>,
}

/// A calendar month, the time between two dates or moments (RFC 3339, whole hours), or several of these times.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(
    untagged,
    expecting = "expected a month (`month: 2026-10`), a time (`from`, `to`) or a list of times"
)]
pub enum Window {
    Month(MonthWindow),
    Span(SpanWindow),
    Several(Vec<SpanWindow>),
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MonthWindow {
    /// `2026-10`
    pub month: String,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SpanWindow {
    pub from: String,
    /// The first moment that no longer belongs to it.
    pub to: String,
}

/// The events of one account in one Region. `{}` says nothing, `management: {}` says that there are none.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegionVolumes {
    /// The time in which these events were counted, where it is not that of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Box<Window>>,
    /// Management events by event source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management: Option<ByName<Counts>>,
    /// Data events by event source and resource type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<ByName<ByName<Counts>>>,
    /// Network activity events by event source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_activity: Option<ByName<Counts>>,
    /// Log files of a trail that records the events above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Box<Files>>,
    /// What single selectors recorded, by trail and by name of the selector. Needed for selectors on fields that the
    /// counts above do not tell apart, such as resources.ARN.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    pub selectors: ByName<ByName<Count>>,
}

/// Numbers of events.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub read: Count,
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub write: Count,
    /// Events whose record does not say: network activity and some service events.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub other: Count,
    /// Those of all of the above that failed.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub errors: Count,
}

/// A number of events, or a range.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(
    untagged,
    expecting = "expected a whole number, or `expected` with `low` and `high`"
)]
pub enum Count {
    Exactly(u64),
    Between(Box<Between>),
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    pub low: u64,
    pub expected: u64,
    pub high: u64,
}

impl Default for Count {
    fn default() -> Self {
        Self::Exactly(0)
    }
}

impl Count {
    pub fn between(low: u64, expected: u64, high: u64) -> Self {
        Self::Between(Box::new(Between {
            low,
            expected,
            high,
        }))
    }

    /// Low, expected, high.
    pub fn cases(&self) -> [u64; 3] {
        match self {
            Self::Exactly(count) => [*count; 3],
            Self::Between(range) => [range.low, range.expected, range.high],
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.cases() == [0; 3]
    }

    fn rises(&self) -> bool {
        self.cases().is_sorted()
    }
}

/// Log files and digests in the window.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Bytes as stored, gzip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compressed_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncompressed_bytes: Option<u64>,
    /// Those of the files that are not under 128 KB, which is what lifecycle rules go by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub large: Option<LargeFiles>,
    /// Digest files, and their bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digests: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest_bytes: Option<u64>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LargeFiles {
    pub count: u64,
    pub compressed_bytes: u64,
}

impl Volumes {
    /// Nothing is known.
    pub fn none() -> Self {
        Self {
            version: VERSION,
            provenance: Provenance::Declared,
            note: None,
            window: None,
            measurements: Vec::new(),
            definitions: BTreeMap::new(),
            accounts: BTreeMap::new(),
        }
    }

    /// Reads a volumes file, YAML or JSON.
    pub fn parse(text: &str) -> Result<Self, VolumesError> {
        let fail = |error: String| VolumesError::Format(error);
        // JSON is YAML too, but its own parser is several times faster on the megabytes of a large organization.
        let volumes: Self = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| fail(error.to_string()))?
        } else {
            let plain = plain_yaml::to_json(text);
            // What is wrong with a file, the YAML parser says in its own words.
            match plain.and_then(|json| serde_json::from_str(&json).ok()) {
                Some(volumes) => volumes,
                None => from_yaml(text).map_err(|error| {
                    let said = error.to_string();
                    fail(said.trim_start_matches("error: ").to_owned())
                })?,
            }
        };
        volumes.check()?;
        Ok(volumes)
    }

    /// What the types alone do not rule out.
    pub fn check(&self) -> Result<(), VolumesError> {
        if self.version != VERSION {
            return Err(VolumesError::Version(self.version));
        }
        self.window_hours()?;
        for (account, regions) in &self.accounts {
            for (region, volumes) in regions {
                if let Some(window) = &volumes.window {
                    window.hours()?;
                }
                if !volumes.counts().all(Count::rises) {
                    return Err(VolumesError::Count(format!("{account} {region}")));
                }
            }
        }
        Ok(())
    }

    /// Hours of the window.
    pub fn window_hours(&self) -> Result<u64, VolumesError> {
        self.window.as_ref().map_or(Ok(MONTH_HOURS), Window::hours)
    }

    /// The same volumes with the counts of every Region for the one window of the file.
    pub fn aligned(&self) -> Cow<'_, Self> {
        let mut regions = self.accounts.values().flat_map(BTreeMap::values);
        if !regions.any(|region| region.window.is_some()) {
            return Cow::Borrowed(self);
        }
        let hours = self.window_hours().unwrap_or(MONTH_HOURS);
        let mut aligned = self.clone();
        let regions = aligned.accounts.values_mut().flat_map(BTreeMap::values_mut);
        for region in regions {
            if let Some(window) = region.window.take() {
                region.rescale(window.hours().unwrap_or(hours), hours);
            }
        }
        Cow::Owned(aligned)
    }

    /// What counts of the window are multiplied by to give a month of 730 hours. A window that is none counts as one.
    pub(super) fn to_month(&self, counted: u128) -> Decimal {
        let hours = self.window_hours().unwrap_or(MONTH_HOURS);
        if hours == MONTH_HOURS {
            return number::count(counted);
        }
        let product = number::mul(number::count(counted), number::whole(MONTH_HOURS));
        number::div(product, number::whole(hours))
    }

    /// Resource types of data events that are counted anywhere.
    pub(super) fn data_types(&self) -> BTreeSet<&str> {
        let regions = self.accounts.values().flat_map(BTreeMap::values);
        let sources = regions
            .filter_map(|r| r.data.as_ref())
            .flat_map(ByName::values);
        sources.flat_map(ByName::keys).collect()
    }

    /// Are there counts without an event source, as from a bill?
    pub(super) fn has_unknown_sources(&self) -> bool {
        let regions = self.accounts.values().flat_map(BTreeMap::values);
        let mut sources = regions.flat_map(|region| {
            let management = region.management.iter().flat_map(ByName::keys);
            let data = region.data.iter().flat_map(ByName::keys);
            let network = region.network_activity.iter().flat_map(ByName::keys);
            management.chain(data).chain(network)
        });
        sources.any(|source| source == UNKNOWN)
    }

    /// Event sources of network activity that are counted anywhere.
    pub(super) fn network_sources(&self) -> BTreeSet<&str> {
        let regions = self.accounts.values().flat_map(BTreeMap::values);
        let sources = regions.filter_map(|r| r.network_activity.as_ref());
        sources.flat_map(ByName::keys).collect()
    }
}

/// The parser's own limits are for configuration files; volumes have a line for each event source of each Region of each
/// account.
fn from_yaml(text: &str) -> Result<Volumes, serde_yaml::Error> {
    let most = text.len();
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_nodes: most,
            max_events: most.saturating_mul(2),
            max_total_scalar_bytes: most,
            max_reader_input_bytes: Some(most),
        },
        // As in a spec: an account id without quotes keeps its zeros, and `no` is a word.
        leading_zero_numbers_as_strings: true,
        strict_booleans: true,
    };
    serde_yaml::from_str_with_options(text, options)
}

impl RegionVolumes {
    fn all_counts(&self) -> impl Iterator<Item = &Counts> {
        let management = self.management.iter().flat_map(ByName::values);
        let data = self.data.iter().flat_map(ByName::values);
        let network = self.network_activity.iter().flat_map(ByName::values);
        management
            .chain(data.flat_map(ByName::values))
            .chain(network)
    }

    fn counts(&self) -> impl Iterator<Item = &Count> {
        let events = self.all_counts();
        let events = events.flat_map(|c| [&c.read, &c.write, &c.other, &c.errors]);
        events.chain(self.selectors.values().flat_map(ByName::values))
    }

    /// Expected events of all categories.
    pub(super) fn events(&self) -> u128 {
        let events = self
            .all_counts()
            .flat_map(|c| [&c.read, &c.write, &c.other]);
        events.map(|count| u128::from(count.cases()[1])).sum()
    }
}

/// From a moment up to another one, which no longer belongs to it.
pub type Span = (OffsetDateTime, OffsetDateTime);

impl Window {
    /// Several times, sorted; those that follow right after each other become one.
    pub fn of(mut spans: Vec<Span>) -> Self {
        spans.sort();
        spans.dedup_by(|next, last| {
            let follows = next.0 == last.1;
            last.1 = if follows { next.1 } else { last.1 };
            follows
        });
        let mut written: Vec<SpanWindow> = spans.into_iter().map(SpanWindow::of).collect();
        match (written.pop(), written.is_empty()) {
            (Some(only), true) => Self::Span(only),
            (last, _) => {
                written.extend(last);
                Self::Several(written)
            }
        }
    }

    /// In their order; `None` when a text is no time, or two of them overlap.
    pub fn spans(&self) -> Option<Vec<Span>> {
        let mut spans = match self {
            Self::Month(window) => vec![month(&window.month)?],
            Self::Span(window) => vec![window.bounds()?],
            Self::Several(windows) => {
                let spans: Option<Vec<Span>> = windows.iter().map(SpanWindow::bounds).collect();
                spans?
            }
        };
        spans.sort();
        let apart = spans.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        (apart && !spans.is_empty()).then_some(spans)
    }

    /// Whole hours, at least one.
    pub fn hours(&self) -> Result<u64, VolumesError> {
        let fail = || VolumesError::Window(self.to_string());
        let spans = self.spans().ok_or_else(fail)?;
        let hours = spans.iter().map(|(from, to)| (*to - *from).whole_hours());
        let hours = hours.map(|hours| u64::try_from(hours).ok().filter(|hours| *hours > 0));
        hours.sum::<Option<u64>>().ok_or_else(fail)
    }
}

fn month(month: &str) -> Option<Span> {
    let first = date(&format!("{month}-01"))?;
    let days = first.month().length(first.year());
    let next = first.checked_add(time::Duration::days(i64::from(days)))?;
    Some((first.midnight().assume_utc(), next.midnight().assume_utc()))
}

impl SpanWindow {
    /// As dates where it is whole days.
    fn of((from, to): Span) -> Self {
        let is_day = |moment: OffsetDateTime| moment.time() == time::Time::MIDNIGHT;
        let whole_days = is_day(from) && is_day(to);
        let text = |moment: OffsetDateTime| match whole_days {
            true => moment.date().to_string(),
            false => moment.format(&Rfc3339).unwrap_or_default(),
        };
        Self {
            from: text(from),
            to: text(to),
        }
    }

    fn bounds(&self) -> Option<Span> {
        Some((moment(&self.from)?, moment(&self.to)?))
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let span = |window: &SpanWindow| format!("{} to {}", window.from, window.to);
        match self {
            Self::Month(window) => f.write_str(&window.month),
            Self::Span(window) => f.write_str(&span(window)),
            Self::Several(windows) => {
                let spans: Vec<String> = windows.iter().map(span).collect();
                f.write_str(&spans.join(", "))
            }
        }
    }
}

fn moment(text: &str) -> Option<OffsetDateTime> {
    match date(text) {
        Some(date) => Some(date.midnight().assume_utc()),
        None => OffsetDateTime::parse(text, &Rfc3339).ok(),
    }
}

fn date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || text.len() != "2026-10-01".len() {
        return None;
    }
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}
