//! The published form of an estimate: what `cost --format json` prints and what every other form is made from. Money and
//! quantities are decimal strings; what is unknown is absent, never 0.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const FORMAT_VERSION: &str = "1.0";

/// A decimal number as text, e.g. `12.340`.
pub type Number = String;

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CostReport {
    /// `1.x`: readers of 1.0 can read every 1.x.
    pub format_version: String,
    pub orgtrail_version: String,
    /// RFC 3339.
    pub generated_at: String,
    /// Name of the spec.
    pub spec: String,
    /// Files of the spec.
    pub files: Vec<String>,
    pub currency: String,
    pub prices: Prices,
    /// Where the event counts come from, in a sentence.
    pub volumes: String,
    /// Sum of the lines whose amount is known, in a month of 730 hours.
    pub total: Range,
    /// Number of lines that are not in the total because their amount is unknown.
    pub unknown: usize,
    pub lines: Vec<Line>,
    pub attribution: Attribution,
    /// Month by month from the first to the steady state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<Projection>,
    /// Who records the management events of which account and Region, and which copy is charged.
    pub copies: Vec<Copy>,
    pub warnings: Vec<String>,
    pub advice: Vec<Advice>,
    /// Against the spec of `--compare-to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<Diff>,
    /// What is recorded less and more than by the spec of `--compare-to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What the estimate takes for granted.
    pub assumptions: Vec<String>,
}

/// Events, in words. Both lists are empty exactly when the same events are recorded, which is proved.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// No longer recorded by any trail of the spec.
    pub lost: Vec<String>,
    pub gained: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    pub low: Number,
    pub expected: Number,
    pub high: Number,
}

/// The price book.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Date of the oldest price in use.
    pub as_of: String,
    /// Days since the newest price in use was seen.
    pub age_days: i64,
    /// Old enough to be refreshed.
    pub stale: bool,
    /// Number of lines that use an assumed price.
    pub assumed: usize,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// `trail.org`, `bucket.logs`, `key.trail`
    pub address: String,
    /// What of it, e.g. the name of a selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Account that pays; absent where several do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// E.g. `data-events`
    pub meter: String,
    /// For people: `data events`
    pub label: String,
    /// `event`, `GB-month`, `request`
    pub unit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Range>,
    /// `$0.10 per 100,000`
    pub price: String,
    /// What one more unit costs, where that is one figure. For readers that want a number: a price with tiers or a free
    /// allowance has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<Number>,
    /// The price was not seen in a list of AWS.
    pub price_assumed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly: Option<Range>,
    /// Where the quantity comes from.
    pub provenance: Provenance,
    /// How the amount was computed.
    pub formula: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    Measured,
    Declared,
    #[default]
    Assumed,
    Unknown,
}

/// The total by what causes it. Each list sums to the total.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Attribution {
    pub resources: Vec<Share>,
    pub selectors: Vec<Share>,
    pub accounts: Vec<Share>,
    pub regions: Vec<Share>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    pub name: String,
    pub monthly: Number,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    pub months: Vec<Month>,
    /// The first month that is like every later one, if the projection reaches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady_from: Option<u32>,
    /// Sum of all months shown.
    pub total: Number,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Month {
    /// 1 is the first month.
    pub month: u32,
    /// USD by component: events, storage, requests, transitions, keys, …
    pub components: BTreeMap<String, Number>,
    /// GB kept at the end of the month by storage class.
    pub storage_gb: BTreeMap<String, Number>,
    pub total: Number,
}

/// One trail's copy of the management events of an account in a Region.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    pub account: String,
    pub region: String,
    pub trail: String,
    /// Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Number>,
    /// `free` or what removing the copy saves.
    pub free: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly: Option<Number>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Advice {
    pub what: String,
    /// The change to the spec.
    pub change: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saves: Option<Number>,
    /// Events that would no longer be recorded. Empty: none.
    pub loses: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Diff {
    pub old_total: Number,
    pub new_total: Number,
    pub increase: Number,
    /// Absent where the old total is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<Number>,
    /// Number of lines that are not in the old total because their amount is unknown.
    #[serde(default)]
    pub old_unknown: usize,
    /// Changed lines only.
    pub lines: Vec<DiffLine>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DiffLine {
    pub address: String,
    /// What of it, as in [`Line`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    pub label: String,
    /// Unit of the quantities.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// Absent: there was no such line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<DiffSide>,
    /// Absent: there is no such line any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<DiffSide>,
}

/// A line before or after the change.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DiffSide {
    /// Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Number>,
    /// Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly: Option<Number>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    pub kept: bool,
    /// Each limit with what it is held against.
    pub reasons: Vec<String>,
}
