//! S3 lifecycle configurations: their shape in a spec, what S3 makes of them, what it refuses.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html>

mod check;
mod retention;
#[cfg(test)]
mod tests;
mod waterfall;

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use check::check;
pub use retention::{effective_retention, shortens};

/// A lifecycle rule in AWS's own words.
///
/// S3 filters by size per rule; here a transition may have its own size filter, which [`expand`] turns into a rule.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct LifecycleRule {
    /// Unique in the bucket, at most 255 characters. S3 would invent one, which would make every plan differ.
    pub id: String,
    /// `false` keeps the rule without applying it.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub enabled: bool,
    /// Only objects whose key starts with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Only objects with all of these tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Only objects of more bytes than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_size_greater_than: Option<u64>,
    /// Only objects of fewer bytes than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_size_less_than: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<Transition>,
    /// Days after creation; on a versioned bucket the object then becomes noncurrent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_days: Option<u32>,
    /// Midnight UTC of a day, such as `2030-01-01`; from then on every object expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_date: Option<String>,
    /// Removes delete markers that have no versions beneath them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired_object_delete_marker: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noncurrent_version_transitions: Vec<NoncurrentVersionTransition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noncurrent_version_expiration: Option<NoncurrentVersionExpiration>,
    /// Days after which the parts of an unfinished upload are deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_incomplete_multipart_upload_days: Option<u32>,
}

fn yes() -> bool {
    true
}

fn is_yes(flag: &bool) -> bool {
    *flag
}

impl LifecycleRule {
    /// An enabled rule for all objects, without any action.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            enabled: true,
            prefix: None,
            tags: BTreeMap::new(),
            object_size_greater_than: None,
            object_size_less_than: None,
            transitions: Vec::new(),
            expiration_days: None,
            expiration_date: None,
            expired_object_delete_marker: false,
            noncurrent_version_transitions: Vec::new(),
            noncurrent_version_expiration: None,
            abort_incomplete_multipart_upload_days: None,
        }
    }

    fn has_actions(&self) -> bool {
        !self.transitions.is_empty()
            || self.expiration_days.is_some()
            || self.expiration_date.is_some()
            || self.expired_object_delete_marker
            || !self.noncurrent_version_transitions.is_empty()
            || self.noncurrent_version_expiration.is_some()
            || self.abort_incomplete_multipart_upload_days.is_some()
    }

    fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or_default()
    }

    fn sizes(&self) -> Sizes {
        Sizes {
            greater_than: self.object_size_greater_than,
            less_than: self.object_size_less_than,
        }
    }
}

/// A move of current objects to another storage class, after `days` or on a `date`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// Days after creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// Midnight UTC of a day, such as `2030-01-01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    pub storage_class: StorageClass,
    /// Moves only objects of more bytes than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_size_greater_than: Option<u64>,
    /// Moves only objects of fewer bytes than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_size_less_than: Option<u64>,
}

impl Transition {
    pub fn after(days: u32, storage_class: StorageClass) -> Self {
        Self {
            days: Some(days),
            date: None,
            storage_class,
            object_size_greater_than: None,
            object_size_less_than: None,
        }
    }

    fn sizes(&self) -> Sizes {
        Sizes {
            greater_than: self.object_size_greater_than,
            less_than: self.object_size_less_than,
        }
    }
}

/// A move of noncurrent versions to another storage class.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct NoncurrentVersionTransition {
    /// Days after the version became noncurrent.
    pub noncurrent_days: u32,
    pub storage_class: StorageClass,
    /// Leaves that many newer noncurrent versions where they are, 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_noncurrent_versions: Option<u32>,
}

/// The deletion of noncurrent versions; on a versioned bucket nothing else deletes data.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct NoncurrentVersionExpiration {
    /// Days after the version became noncurrent.
    pub noncurrent_days: u32,
    /// Keeps that many newer noncurrent versions, 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_noncurrent_versions: Option<u32>,
}

/// A storage class in the API's spelling. AWS adds classes, so unknown ones are kept as they are.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(from = "String", into = "String")]
pub enum StorageClass {
    StandardIa,
    IntelligentTiering,
    OnezoneIa,
    GlacierIr,
    Glacier,
    DeepArchive,
    Other(String),
}

impl StorageClass {
    /// The classes that a transition may lead to, warm to cold.
    pub const KNOWN: [Self; 6] = [
        Self::StandardIa,
        Self::IntelligentTiering,
        Self::OnezoneIa,
        Self::GlacierIr,
        Self::Glacier,
        Self::DeepArchive,
    ];

    /// The API's own string.
    pub fn as_str(&self) -> &str {
        match self {
            Self::StandardIa => "STANDARD_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::GlacierIr => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
            Self::Other(name) => name,
        }
    }

    /// Days for which an object in this class is billed at least.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html>
    pub fn minimum_days(&self) -> u32 {
        match self {
            Self::StandardIa | Self::OnezoneIa => 30,
            Self::GlacierIr | Self::Glacier => 90,
            Self::DeepArchive => 180,
            Self::IntelligentTiering | Self::Other(_) => 0,
        }
    }

    fn is_infrequent_access(&self) -> bool {
        matches!(self, Self::StandardIa | Self::OnezoneIa)
    }
}

impl From<String> for StorageClass {
    fn from(name: String) -> Self {
        let mut known = Self::KNOWN.into_iter();
        known
            .find(|class| class.as_str() == name)
            .unwrap_or(Self::Other(name))
    }
}

impl From<StorageClass> for String {
    fn from(class: StorageClass) -> Self {
        class.as_str().to_owned()
    }
}

impl JsonSchema for StorageClass {
    fn schema_name() -> Cow<'static, str> {
        "StorageClass".into()
    }

    /// Editors complete the known names; other strings stay valid.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let known = Self::KNOWN.map(|class| class.as_str().to_owned());
        json_schema!({
            "description": "A storage class in the API's spelling.",
            "anyOf": [{ "enum": known }, { "type": "string" }],
        })
    }
}

/// The bounds of a size filter, both exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Sizes {
    greater_than: Option<u64>,
    less_than: Option<u64>,
}

impl Sizes {
    fn is_all(self) -> bool {
        self == Self::default()
    }

    fn and(self, other: Self) -> Self {
        let bounds = [self.less_than, other.less_than];
        Self {
            greater_than: self.greater_than.max(other.greater_than),
            less_than: bounds.into_iter().flatten().min(),
        }
    }

    fn smallest(self) -> u64 {
        self.greater_than.map_or(0, |bound| bound.saturating_add(1))
    }

    fn holds(self, size: u64) -> bool {
        self.greater_than.is_none_or(|bound| size > bound)
            && self.less_than.is_none_or(|bound| size < bound)
    }

    fn overlaps(self, other: Self) -> bool {
        let both = self.and(other);
        both.holds(both.smallest())
    }

    fn suffix(self) -> String {
        match (self.greater_than, self.less_than) {
            (Some(low), Some(high)) => format!("-over-{low}-under-{high}"),
            (Some(low), None) => format!("-over-{low}"),
            (None, Some(high)) => format!("-under-{high}"),
            (None, None) => String::new(),
        }
    }
}

/// The rules as S3 knows them: a size filter stands on the rule, never on a transition.
///
/// Transitions with a size filter of their own move to rules of their own, one for each filter, named after it:
/// `archive` and `archive-over-131072`. All other actions stay in the rule with the plain name, which is left out when
/// it has no action, and whose name goes to the only other rule if there is just one.
pub fn expand(rules: &[LifecycleRule]) -> Vec<LifecycleRule> {
    expanded(rules).into_iter().map(|e| e.rule).collect()
}

/// A rule as S3 knows it, and where in the user's rules it comes from.
struct Expanded {
    rule: LifecycleRule,
    /// Index of the user's rule.
    source: usize,
    /// For each transition its index in the user's rule.
    transitions: Vec<usize>,
}

fn expanded(rules: &[LifecycleRule]) -> Vec<Expanded> {
    let numbered = rules.iter().enumerate();
    numbered
        .flat_map(|(source, rule)| split_by_size(source, rule))
        .collect()
}

fn split_by_size(source: usize, rule: &LifecycleRule) -> Vec<Expanded> {
    let mut groups: BTreeMap<Sizes, Vec<usize>> = BTreeMap::new();
    for (index, transition) in rule.transitions.iter().enumerate() {
        // A filter that repeats the rule's own is none.
        let sizes = match rule.sizes().and(transition.sizes()) {
            same if same == rule.sizes() => Sizes::default(),
            narrower => narrower,
        };
        groups.entry(sizes).or_default().push(index);
    }
    let plain = groups.remove(&Sizes::default()).unwrap_or_default();
    let base = Expanded {
        rule: LifecycleRule {
            transitions: pick(rule, &plain),
            ..rule.clone()
        },
        source,
        transitions: plain,
    };
    let base = (groups.is_empty() || base.rule.has_actions()).then_some(base);
    let alone = base.is_none() && groups.len() == 1;
    let filtered = groups.into_iter().map(|(sizes, indices)| {
        let suffix = if alone { String::new() } else { sizes.suffix() };
        Expanded {
            rule: LifecycleRule {
                enabled: rule.enabled,
                prefix: rule.prefix.clone(),
                tags: rule.tags.clone(),
                object_size_greater_than: sizes.greater_than,
                object_size_less_than: sizes.less_than,
                transitions: pick(rule, &indices),
                ..LifecycleRule::new(format!("{}{suffix}", rule.id))
            },
            source,
            transitions: indices,
        }
    });
    base.into_iter().chain(filtered).collect()
}

fn pick(rule: &LifecycleRule, indices: &[usize]) -> Vec<Transition> {
    let picked = indices
        .iter()
        .filter_map(|index| rule.transitions.get(*index));
    picked
        .map(|transition| Transition {
            object_size_greater_than: None,
            object_size_less_than: None,
            ..transition.clone()
        })
        .collect()
}

/// The day of a date at midnight UTC, counted from 1970-01-01; `None` when it is not one.
fn day(date: &str) -> Option<i64> {
    let (day, time) = date.split_once('T').unwrap_or((date, "00:00:00Z"));
    let midnight = ["00:00:00Z", "00:00:00.000Z", "00:00:00+00:00"];
    if !midnight.contains(&time) || day.len() != "2030-01-01".len() {
        return None;
    }
    let mut parts = day.split('-').map(|part| {
        let digits = part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse::<i64>().ok()).flatten()
    });
    let (Some(year), Some(month), Some(day), None) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next())
    else {
        return None;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    let valid = (1970..=9999).contains(&year) && (1..=length).contains(&day);
    valid.then(|| days_from_civil(year, month, day))
}

/// Howard Hinnant's algorithm for the proleptic Gregorian calendar, for years from 1970.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let year_of_era = year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}
