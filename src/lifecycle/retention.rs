//! How long objects live under a whole configuration.
//!
//! Where rules overlap, the earlier expiration wins:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html>

use super::{LifecycleRule, Sizes, day};

/// The fewest days after which an object under `prefix` may expire; `None` when nothing expires it.
///
/// Counts every enabled rule that can match an object there, also those for some tags, sizes or a longer prefix: a
/// forgotten short rule on everything defeats a long one on `AWSLogs/`. A rule with a date gives 0 days, because from
/// that date on objects expire as soon as they are written. On a versioned bucket an expired object stays on as a
/// noncurrent version until `noncurrent_version_expiration`.
pub fn effective_retention(rules: &[LifecycleRule], prefix: &str) -> Option<u32> {
    let meets = |rule: &&LifecycleRule| {
        let own = rule.prefix();
        rule.enabled
            && (own.starts_with(prefix) || prefix.starts_with(own))
            && rule.sizes().overlaps(Sizes::default())
    };
    let days = rules.iter().filter(meets).filter_map(|rule| {
        let dated = rule.expiration_date.as_ref().map(|_| 0);
        [rule.expiration_days, dated].into_iter().flatten().min()
    });
    days.min()
}

/// Whether `new` deletes some object or noncurrent version earlier than `old` does.
///
/// Exact for days. Dates and days cannot be compared without a clock, so a change between them counts as shortening.
pub fn shortens(old: &[LifecycleRule], new: &[LifecycleRule]) -> bool {
    new.iter().filter(|rule| rule.enabled).any(|rule| {
        deletions(rule)
            .iter()
            .any(|deletion| is_earlier(rule, deletion, old))
    })
}

/// When a rule deletes what it matches.
enum Deletion {
    AfterDays(u32),
    /// `None` for a date that is none.
    OnDay(Option<i64>),
    Noncurrent {
        days: u32,
        keep: u32,
    },
}

impl Deletion {
    fn is_no_later_than(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::AfterDays(own), Self::AfterDays(days)) => own <= days,
            (Self::OnDay(Some(own)), Self::OnDay(Some(day))) => own <= day,
            (
                Self::Noncurrent {
                    days: own,
                    keep: own_keep,
                },
                Self::Noncurrent { days, keep },
            ) => own <= days && own_keep <= keep,
            _ => false,
        }
    }
}

fn deletions(rule: &LifecycleRule) -> Vec<Deletion> {
    let days = rule.expiration_days.map(Deletion::AfterDays);
    let date = rule.expiration_date.as_deref();
    let noncurrent = rule.noncurrent_version_expiration.as_ref();
    let noncurrent = noncurrent.map(|expiration| Deletion::Noncurrent {
        days: expiration.noncurrent_days,
        keep: expiration.newer_noncurrent_versions.unwrap_or(0),
    });
    let date = date.map(|date| Deletion::OnDay(day(date)));
    [days, date, noncurrent].into_iter().flatten().collect()
}

/// The rule deletes an object that no old rule deletes as early.
///
/// It is enough to look at objects that match the rule and as little else as possible: the key is the rule's prefix,
/// the tags are the rule's tags; a longer key or more tags would only let more old rules match. Sizes have no such
/// smallest object, so every bound of an old rule is tried.
fn is_earlier(rule: &LifecycleRule, deletion: &Deletion, old: &[LifecycleRule]) -> bool {
    let sizes = rule.sizes();
    let bounds = old.iter().map(LifecycleRule::sizes);
    let bounds = bounds.flat_map(|s| [s.greater_than, s.less_than]).flatten();
    let mut tried = bounds
        .chain([sizes.smallest()])
        .filter(|size| sizes.holds(*size));
    tried.any(|size| {
        let applies = |o: &&LifecycleRule| {
            o.enabled
                && rule.prefix().starts_with(o.prefix())
                && o.tags
                    .iter()
                    .all(|(key, value)| rule.tags.get(key) == Some(value))
                && o.sizes().holds(size)
        };
        let as_early =
            |o: &LifecycleRule| deletions(o).iter().any(|d| d.is_no_later_than(deletion));
        !old.iter().filter(applies).any(as_early)
    })
}
