//! Reasoning over all events at once: normal form, proved inclusion, difference.

use std::collections::{BTreeMap, BTreeSet};

use super::condition::{Condition, Values};
use super::model::{AdvancedEventSelector, RESOURCES_ARN, RESOURCES_TYPE, Selectors};

/// Differences of selector sets may grow exponentially; beyond this many parts nothing is proved any more.
const MAX_PARTS: usize = 512;

/// The normal form of selectors, for comparison; it need not be one that AWS accepts.
///
/// It records exactly the same events. Names are dropped, values, fields and selectors sorted. What is implied by
/// something else is dropped: duplicates, a value that a prefix of the same condition covers, a selector that another
/// one covers. Selectors that differ in one field are merged where the operators can express the union: two with one
/// `eventName` each become one with both.
///
/// A `readOnly true` and a `readOnly false` selector become one with both values, never one without `readOnly`: a
/// record that has no `readOnly`, as network activity and some service events, matches neither of the pair.
pub fn canonical(selectors: &Selectors) -> Vec<AdvancedEventSelector> {
    normals(selectors).iter().map(Normal::to_selector).collect()
}

/// Whether both record the same events. `false` means "not proved", which is rare: see [`covers`].
pub fn equivalent(a: &Selectors, b: &Selectors) -> bool {
    canonical(a) == canonical(b) || (covers(a, b) && covers(b, a))
}

/// Whether it is proved that `wide` records every event that `narrow` records.
pub fn covers(wide: &Selectors, narrow: &Selectors) -> bool {
    let wide = normals(wide);
    normals(narrow)
        .iter()
        .all(|part| subtract(part, &wide).is_empty())
}

pub fn normals(selectors: &Selectors) -> Vec<Normal> {
    let advanced = selectors.to_advanced();
    reduced(advanced.iter().filter_map(Normal::of).collect())
}

/// What a selector records, field by field. Fields that let everything pass are left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Normal {
    fields: BTreeMap<String, Condition>,
}

impl Normal {
    /// `None` when the selector can record nothing.
    pub fn of(selector: &AdvancedEventSelector) -> Option<Self> {
        // All entries of a field first: simplifying them one by one would depend on their order.
        let mut written: BTreeMap<&str, Condition> = BTreeMap::new();
        for field in &selector.field_selectors {
            let entry = Condition::of(field);
            let whole = written.entry(&field.field).or_default();
            whole.select.extend(entry.select);
            whole.reject.extend(entry.reject);
        }
        let everything = Self {
            fields: BTreeMap::new(),
        };
        let mut conditions = written.iter();
        conditions.try_fold(everything, |normal, (field, c)| normal.and(field, c))
    }

    fn to_selector(&self) -> AdvancedEventSelector {
        let fields = self.fields.iter();
        AdvancedEventSelector::new(
            fields
                .flat_map(|(field, condition)| condition.field_selectors(field))
                .collect(),
        )
    }

    pub fn fields(&self) -> impl Iterator<Item = (&str, &Condition)> {
        self.fields.iter().map(|(name, c)| (name.as_str(), c))
    }

    /// The condition on a field, which may be "anything".
    pub fn on(&self, field: &str) -> Condition {
        self.fields.get(field).cloned().unwrap_or_default()
    }

    /// With one more condition; `None` when nothing is left.
    fn and(&self, field: &str, condition: &Condition) -> Option<Self> {
        let both = self.on(field).and(condition, Values::of(field));
        if both.is_never() {
            return None;
        }
        let mut narrowed = self.clone();
        narrowed.fields.remove(field);
        if !both.is_any() {
            narrowed.fields.insert(field.to_owned(), both);
        }
        Some(narrowed)
    }

    /// The same selector with rejections of resources dropped that lie outside the selected ones.
    ///
    /// Not exact for records that name several resources of a type; good enough for a sentence.
    pub fn for_people(mut self) -> Self {
        if let Some(arn) = self.fields.get_mut(RESOURCES_ARN) {
            let single = arn.clone().simplified(Values::Single);
            if !single.is_never() {
                *arn = single;
            }
        }
        self
    }

    /// Every event of this selector is recorded by `wide`.
    fn implies(&self, wide: &Self) -> bool {
        let fields = wide.fields.iter();
        let mut conditions = fields.map(|(field, condition)| (field.as_str(), condition));
        conditions.all(|(field, condition)| {
            // A rejected ARN counts only among elements of the selected type: with another type there may be more.
            let comparable = field != RESOURCES_ARN
                || condition.reject.is_empty()
                || self.on(RESOURCES_TYPE) == wide.on(RESOURCES_TYPE);
            comparable && self.on(field).implies(condition, Values::of(field))
        })
    }

    /// The selector that records what either does, where they differ in one field only.
    fn or(&self, other: &Self) -> Option<Self> {
        let names: BTreeSet<&String> = self.fields.keys().chain(other.fields.keys()).collect();
        let mut differing = names
            .into_iter()
            .filter(|name| self.fields.get(*name) != other.fields.get(*name));
        let (field, None) = (differing.next()?, differing.next()) else {
            return None;
        };
        // The type decides which resources the other conditions look at, so types cannot be joined.
        if field == RESOURCES_TYPE {
            return None;
        }
        let either = self
            .fields
            .get(field)?
            .or(other.fields.get(field)?, Values::of(field))?;
        let mut joined = self.clone();
        joined.fields.remove(field);
        if !either.is_any() {
            joined.fields.insert(field.clone(), either);
        }
        Some(joined)
    }

    /// What this selector records and `other` does not, as disjoint parts; at worst the selector itself, where the
    /// remainder cannot be written or the two have nothing in common.
    fn minus(&self, other: &Self) -> Vec<Self> {
        let unchanged = vec![self.clone()];
        let about_resources = |n: &Self| {
            n.fields.contains_key(RESOURCES_TYPE) || n.fields.contains_key(RESOURCES_ARN)
        };
        let comparable = !about_resources(other)
            || self.on(RESOURCES_TYPE) == other.on(RESOURCES_TYPE)
            || (!other.fields.contains_key(RESOURCES_ARN) && self.implies_type_of(other));
        if !comparable {
            return unchanged;
        }
        let mut parts = Vec::new();
        let mut common = self.clone();
        for (field, condition) in &other.fields {
            if field == RESOURCES_TYPE {
                continue;
            }
            let outside = condition.negated();
            parts.extend(outside.iter().filter_map(|not| common.and(field, not)));
            match common.and(field, condition) {
                Some(narrowed) => common = narrowed,
                None => return unchanged,
            }
        }
        parts
    }

    fn implies_type_of(&self, other: &Self) -> bool {
        let (own, wide) = (self.on(RESOURCES_TYPE), other.on(RESOURCES_TYPE));
        own.implies(&wide, Values::of(RESOURCES_TYPE))
    }
}

/// What `narrow` records and none of `wide` does. May be too much, never too little.
pub fn subtract(narrow: &Normal, wide: &[Normal]) -> Vec<Normal> {
    if wide.iter().any(|w| narrow.implies(w)) {
        return Vec::new();
    }
    let mut parts = vec![narrow.clone()];
    for other in wide {
        parts = parts.iter().flat_map(|part| part.minus(other)).collect();
        parts.sort();
        parts.dedup();
        if parts.len() > MAX_PARTS {
            return vec![narrow.clone()];
        }
    }
    parts.retain(|part| !wide.iter().any(|w| part.implies(w)));
    parts
}

/// The same events by fewer selectors, sorted.
pub fn reduced(mut parts: Vec<Normal>) -> Vec<Normal> {
    loop {
        parts.sort();
        parts.dedup();
        drop_implied(&mut parts);
        if !merge_one(&mut parts) {
            return parts;
        }
    }
}

fn drop_implied(parts: &mut Vec<Normal>) {
    let mut index = 0;
    while index < parts.len() {
        let implied =
            |(other, wide): (usize, &Normal)| other != index && parts[index].implies(wide);
        if parts.iter().enumerate().any(implied) {
            parts.remove(index);
        } else {
            index += 1;
        }
    }
}

fn merge_one(parts: &mut Vec<Normal>) -> bool {
    for left in 0..parts.len() {
        for right in left + 1..parts.len() {
            if let Some(joined) = parts[left].or(&parts[right]) {
                parts.remove(right);
                parts[left] = joined;
                return true;
            }
        }
    }
    false
}
