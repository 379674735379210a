//! What becomes of an object under a bucket's lifecycle rules: in which storage class it is when, and when it is gone.
//!
//! S3 acts at the midnight after the day, half a day late on average, which is left out. It bills from the day on which
//! an object is due, however late it is moved or deleted.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>

use std::cmp::Reverse;

use super::meter::{Class, KIB};
use crate::lifecycle::LifecycleRule;
use crate::spec::types::{Bucket, ObjectLock, TransitionDefaultMinimumObjectSize};

/// Objects under this size stay where they are, unless a rule has a size filter of its own.
pub const SMALL: u64 = 128 * KIB;

/// An object's time in a storage class, in days of its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    pub class: Class,
    pub from: u32,
    /// `None`: for ever.
    pub to: Option<u32>,
}

/// What decides over the objects of a bucket.
#[derive(Clone, Debug)]
pub struct Rules {
    /// As S3 knows them, size filters on the rules.
    rules: Vec<LifecycleRule>,
    /// The distinct prefixes of the rules; an object's set of bits says which its key has.
    prefixes: Vec<String>,
    versioned: bool,
    lock_days: u32,
    small_objects_may_archive: bool,
}

impl Rules {
    pub fn new(bucket: &Bucket, lifecycle: &[LifecycleRule], prefixes: Vec<String>) -> Self {
        let minimum = bucket.transition_default_minimum_object_size;
        let varies = TransitionDefaultMinimumObjectSize::VariesByStorageClass;
        Self {
            rules: crate::lifecycle::expand(lifecycle),
            prefixes,
            versioned: bucket.versioning,
            lock_days: bucket.object_lock.as_ref().map_or(0, lock_days),
            small_objects_may_archive: minimum == Some(varies),
        }
    }

    /// The stays of an object, from its first day to its last.
    pub fn fate(&self, prefixes: u64, size: u64) -> Vec<Stay> {
        let rules: Vec<&LifecycleRule> = self
            .rules
            .iter()
            .filter(|rule| self.applies(rule, prefixes, size))
            .collect();
        let expires = rules.iter().filter_map(|rule| rule.expiration_days).min();
        let end = self.end(&rules, expires);
        let mut moves = self.moves(&rules, expires, size);
        // Of two moves on one day the colder one wins, and nothing ever gets warmer.
        moves.sort_by_key(|(day, class)| (*day, Reverse(*class)));
        let mut stays = vec![Stay {
            class: Class::Standard,
            from: 0,
            to: end,
        }];
        for (day, class) in moves {
            let Some(current) = stays.last_mut() else {
                break;
            };
            if end.is_some_and(|end| day >= end) || !current.class.may_move_to(class) {
                continue;
            }
            current.to = Some(day);
            stays.push(Stay {
                class,
                from: day,
                to: end,
            });
        }
        stays.retain(|stay| stay.to != Some(stay.from));
        stays
    }

    /// CloudTrail tags no objects, so a rule for tagged ones is for none of them.
    fn applies(&self, rule: &LifecycleRule, prefixes: u64, size: u64) -> bool {
        let prefix = rule.prefix.as_deref().unwrap_or_default();
        let bit = self.prefixes.iter().position(|known| known == prefix);
        rule.enabled
            && rule.tags.is_empty()
            && bit.is_some_and(|bit| prefixes >> bit & 1 == 1)
            && rule
                .object_size_greater_than
                .is_none_or(|bound| size > bound)
            && rule.object_size_less_than.is_none_or(|bound| size < bound)
    }

    /// Day on which the data is gone. On a versioned bucket the object only becomes noncurrent when it expires, and
    /// nothing is deleted before its lock ends.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html>
    fn end(&self, rules: &[&LifecycleRule], expires: Option<u32>) -> Option<u32> {
        let expires = expires?;
        if !self.versioned {
            return Some(expires);
        }
        let expirations = rules
            .iter()
            .filter_map(|rule| rule.noncurrent_version_expiration.as_ref());
        // A log file has one version only; a rule that keeps newer versions therefore keeps it.
        let deleting = expirations.filter(|e| e.newer_noncurrent_versions.unwrap_or(0) == 0);
        let noncurrent = deleting.map(|e| e.noncurrent_days).min()?;
        Some(expires.saturating_add(noncurrent).max(self.lock_days))
    }

    fn moves(
        &self,
        rules: &[&LifecycleRule],
        expires: Option<u32>,
        size: u64,
    ) -> Vec<(u32, Class)> {
        let mut moves = Vec::new();
        for rule in rules {
            let may = |class: Class| self.may_move(rule, class, size);
            for transition in &rule.transitions {
                let (Some(day), Some(class)) =
                    (transition.days, Class::of(&transition.storage_class))
                else {
                    continue;
                };
                if may(class) && expires.is_none_or(|expires| day < expires) {
                    moves.push((day, class));
                }
            }
            let Some(expires) = expires.filter(|_| self.versioned) else {
                continue;
            };
            for transition in &rule.noncurrent_version_transitions {
                let kept = transition.newer_noncurrent_versions.unwrap_or(0) > 0;
                let class =
                    Class::of(&transition.storage_class).filter(|class| may(*class) && !kept);
                let day = expires.saturating_add(transition.noncurrent_days);
                moves.extend(class.map(|class| (day, class)));
            }
        }
        moves
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>
    fn may_move(&self, rule: &LifecycleRule, class: Class, size: u64) -> bool {
        let filtered =
            rule.object_size_greater_than.is_some() || rule.object_size_less_than.is_some();
        let archive = matches!(class, Class::Glacier | Class::DeepArchive);
        filtered || size >= SMALL || (self.small_objects_may_archive && archive)
    }

    /// Actions on a date rather than after days, which a projection without a calendar leaves out.
    pub fn has_dates(&self) -> bool {
        self.rules.iter().any(|rule| {
            let moves = rule
                .transitions
                .iter()
                .any(|transition| transition.date.is_some());
            rule.enabled && (rule.expiration_date.is_some() || moves)
        })
    }
}

fn lock_days(lock: &ObjectLock) -> u32 {
    let years = lock.years.unwrap_or_default().saturating_mul(365);
    lock.days.unwrap_or(years)
}
