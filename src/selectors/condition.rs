//! The algebra of conditions on one field.

use std::collections::BTreeSet;

use super::model::{FieldSelector, Operator, READ_ONLY, RESOURCES_ARN};

/// A positive operator with one value, thus a set of strings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    Equals(String),
    StartsWith(String),
    EndsWith(String),
}

impl Pattern {
    /// A negative operator gives what it rejects.
    pub fn new(operator: Operator, value: &str) -> Self {
        let value = value.to_owned();
        match operator {
            Operator::Equals | Operator::NotEquals => Self::Equals(value),
            Operator::StartsWith | Operator::NotStartsWith => Self::StartsWith(value),
            Operator::EndsWith | Operator::NotEndsWith => Self::EndsWith(value),
        }
    }

    pub fn value(&self) -> &str {
        match self {
            Self::Equals(value) | Self::StartsWith(value) | Self::EndsWith(value) => value,
        }
    }

    fn hits(&self, actual: &str) -> bool {
        match self {
            Self::Equals(value) => actual == value,
            Self::StartsWith(value) => actual.starts_with(value.as_str()),
            Self::EndsWith(value) => actual.ends_with(value.as_str()),
        }
    }

    /// Every string that `self` hits is hit by `other`.
    pub fn within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Equals(value), _) => other.hits(value),
            (Self::StartsWith(a), Self::StartsWith(b)) => a.starts_with(b.as_str()),
            (Self::EndsWith(a), Self::EndsWith(b)) => a.ends_with(b.as_str()),
            (_, Self::StartsWith(b) | Self::EndsWith(b)) => b.is_empty(),
            (_, Self::Equals(_)) => false,
        }
    }

    /// No string is hit by both.
    fn disjoint(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Equals(value), pattern) | (pattern, Self::Equals(value)) => !pattern.hits(value),
            (Self::StartsWith(_), Self::StartsWith(_)) | (Self::EndsWith(_), Self::EndsWith(_)) => {
                !self.within(other) && !other.within(self)
            }
            // The prefix followed by the suffix is hit by both.
            (Self::StartsWith(_), Self::EndsWith(_)) | (Self::EndsWith(_), Self::StartsWith(_)) => {
                false
            }
        }
    }
}

/// Patterns of which one must hit, or none may.
pub type Patterns = BTreeSet<Pattern>;

/// How often a record has a field, which decides what may be concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// `readOnly`: at most once, and then `true` or `false`.
    Boolean,
    /// At most once.
    Single,
    /// `resources.ARN`: one value hit by a positive operator says nothing about the others.
    Several,
}

impl Values {
    pub fn of(field: &str) -> Self {
        match field {
            READ_ONLY => Self::Boolean,
            RESOURCES_ARN => Self::Several,
            _ => Self::Single,
        }
    }
}

/// What one field must meet: a hit in every group of `select`, and none in `reject`.
///
/// A field selector has at most one group; more come from differences, and from a field that is named twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    pub select: BTreeSet<Patterns>,
    pub reject: Patterns,
}

impl Condition {
    pub fn selecting(group: Patterns) -> Self {
        Self {
            select: BTreeSet::from([group]),
            reject: Patterns::new(),
        }
    }

    pub fn rejecting(reject: Patterns) -> Self {
        Self {
            select: BTreeSet::new(),
            reject,
        }
    }

    pub fn of(field: &FieldSelector) -> Self {
        let mut group = Patterns::new();
        let mut reject = Patterns::new();
        for (operator, value) in field.conditions() {
            let patterns = if operator.selects() {
                &mut group
            } else {
                &mut reject
            };
            patterns.insert(Pattern::new(operator, value));
        }
        let mut condition = Self::rejecting(reject);
        if !group.is_empty() {
            condition.select.insert(group);
        }
        condition
    }

    /// The condition as field selectors, one for each group.
    pub fn field_selectors(&self, field: &str) -> Vec<FieldSelector> {
        let groups = self.select.iter().map(Some).chain([None]);
        let mut written = Vec::new();
        for (index, group) in groups.take(self.select.len().max(1)).enumerate() {
            let mut entry = FieldSelector::new(field);
            for pattern in group.into_iter().flatten() {
                entry = entry.with(pattern.operator(), [pattern.value()]);
            }
            if index == 0 {
                for pattern in &self.reject {
                    entry = entry.with(pattern.negative_operator(), [pattern.value()]);
                }
            }
            written.push(entry);
        }
        written
    }

    pub fn is_any(&self) -> bool {
        self.select.is_empty() && self.reject.is_empty()
    }

    /// No value meets this, nor does an absent one.
    pub fn is_never(&self) -> bool {
        self.select.iter().any(Patterns::is_empty)
    }

    /// The only group of patterns, if there is just one.
    pub fn group(&self) -> Option<&Patterns> {
        let mut groups = self.select.iter();
        let first = groups.next()?;
        groups.next().is_none().then_some(first)
    }

    /// Both conditions at once.
    pub fn and(&self, other: &Self, values: Values) -> Self {
        let both = Self {
            select: self.select.union(&other.select).cloned().collect(),
            reject: self.reject.union(&other.reject).cloned().collect(),
        };
        both.simplified(values)
    }

    /// Conditions one of which holds exactly when this one does not.
    pub fn negated(&self) -> Vec<Self> {
        let mut parts: Vec<Self> = self.select.iter().cloned().map(Self::rejecting).collect();
        if !self.reject.is_empty() {
            parts.push(Self::selecting(self.reject.clone()));
        }
        parts
    }

    /// The condition that holds when either holds, where that can be written.
    pub fn or(&self, other: &Self, values: Values) -> Option<Self> {
        if values == Values::Boolean {
            return Some(Booleans::of(self).or(Booleans::of(other)).condition());
        }
        let either = match (self.group(), other.group()) {
            (Some(left), Some(right)) => Self {
                select: BTreeSet::from([left.union(right).cloned().collect()]),
                reject: either_reject((left, &self.reject), (right, &other.reject), values)?,
            },
            // For several values, "one is not hit" is no condition that operators can express.
            _ if values == Values::Several => return None,
            (Some(_), None) if other.select.is_empty() => reject_less(other, self)?,
            (None, Some(_)) if self.select.is_empty() => reject_less(self, other)?,
            (None, None) if self.select.is_empty() && other.select.is_empty() => {
                Self::rejecting(intersection(&self.reject, &other.reject)?)
            }
            _ => return None,
        };
        Some(either.simplified(values))
    }

    /// Whatever meets this condition meets `wide`. `false` means "not proved".
    pub fn implies(&self, wide: &Self, values: Values) -> bool {
        let selected = |group: &Patterns| {
            self.select
                .iter()
                .any(|own| own.iter().all(|pattern| within_any(pattern, group)))
        };
        let rejected = |pattern: &Pattern| {
            within_any(pattern, &self.reject)
                || (values != Values::Several && self.never_hits(pattern))
        };
        wide.select.iter().all(selected) && wide.reject.iter().all(rejected)
    }

    /// A value that is selected here is not hit by `pattern`.
    fn never_hits(&self, pattern: &Pattern) -> bool {
        self.select
            .iter()
            .any(|group| group.iter().all(|own| own.disjoint(pattern)))
    }

    /// The same condition with nothing in it that is implied by the rest. One form for one meaning, as far as
    /// prefixes and suffixes can be compared.
    pub fn simplified(mut self, values: Values) -> Self {
        if values == Values::Boolean {
            return Booleans::of(&self).condition();
        }
        loop {
            let before = self.clone();
            self.reject = absorbed(&self.reject);
            self.select = self.select.iter().map(|g| self.live(g, values)).collect();
            if values != Values::Several {
                self.select = intersected(&self.select);
            }
            self.select = strictest(&self.select);
            if values != Values::Several {
                let reject = std::mem::take(&mut self.reject);
                self.reject = reject.into_iter().filter(|p| !self.never_hits(p)).collect();
            }
            if self.is_never() {
                return Self::selecting(Patterns::new());
            }
            if self == before {
                return self;
            }
        }
    }

    /// A group without the patterns that can only hit what is rejected, that cannot hit what another group asks for
    /// as well, or that hit nothing which another pattern does not.
    fn live(&self, group: &Patterns, values: Values) -> Patterns {
        let elsewhere = |pattern: &Pattern| {
            let mut others = self.select.iter().filter(|other| *other != group);
            values != Values::Several && others.any(|o| o.iter().all(|p| p.disjoint(pattern)))
        };
        let live = group
            .iter()
            .filter(|p| !within_any(p, &self.reject) && !elsewhere(p));
        absorbed(&live.cloned().collect())
    }
}

impl Pattern {
    pub fn operator(&self) -> Operator {
        match self {
            Self::Equals(_) => Operator::Equals,
            Self::StartsWith(_) => Operator::StartsWith,
            Self::EndsWith(_) => Operator::EndsWith,
        }
    }

    fn negative_operator(&self) -> Operator {
        match self {
            Self::Equals(_) => Operator::NotEquals,
            Self::StartsWith(_) => Operator::NotStartsWith,
            Self::EndsWith(_) => Operator::NotEndsWith,
        }
    }
}

fn within_any(pattern: &Pattern, group: &Patterns) -> bool {
    group.iter().any(|other| pattern.within(other))
}

/// Without patterns that lie within another. The empty prefix and the empty suffix lie within each other, so one
/// that has been dropped does not drop others.
fn absorbed(patterns: &Patterns) -> Patterns {
    let mut kept = patterns.clone();
    for pattern in patterns {
        if kept.iter().any(|k| k != pattern && pattern.within(k)) {
            kept.remove(pattern);
        }
    }
    kept
}

/// Without groups that another group implies.
fn strictest(groups: &BTreeSet<Patterns>) -> BTreeSet<Patterns> {
    let mut kept = groups.clone();
    for group in groups {
        let implied = |k: &Patterns| k != group && k.iter().all(|p| within_any(p, group));
        if kept.iter().any(implied) {
            kept.remove(group);
        }
    }
    kept
}

/// One group instead of several, for fields with one value and as far as the intersections can be written.
fn intersected(groups: &BTreeSet<Patterns>) -> BTreeSet<Patterns> {
    let mut result: Vec<Patterns> = Vec::new();
    for group in groups {
        let met = result
            .iter()
            .enumerate()
            .find_map(|(index, other)| Some((index, intersection(group, other)?)));
        match met {
            Some((index, both)) => result[index] = both,
            None => result.push(group.clone()),
        }
    }
    result.into_iter().collect()
}

/// What both groups hit, where it can be written: a prefix and a suffix together cannot.
fn intersection(left: &Patterns, right: &Patterns) -> Option<Patterns> {
    let mut both = Patterns::new();
    for (l, r) in left.iter().flat_map(|l| right.iter().map(move |r| (l, r))) {
        if l.within(r) {
            both.insert(l.clone());
        } else if r.within(l) {
            both.insert(r.clone());
        } else if !l.disjoint(r) {
            return None;
        }
    }
    Some(both)
}

/// What to reject when either of two selecting conditions may hold: each one's rejections, as long as they do not
/// touch what the other selects.
fn either_reject(
    left: (&Patterns, &Patterns),
    right: (&Patterns, &Patterns),
    values: Values,
) -> Option<Patterns> {
    let harmless = |reject: &Patterns, own: &Patterns, other: &Patterns| {
        let mut foreign = reject.iter().filter(|p| !own.contains(*p));
        foreign.all(|p| values != Values::Several && other.iter().all(|o| o.disjoint(p)))
    };
    let fits = harmless(left.1, right.1, right.0) && harmless(right.1, left.1, left.0);
    fits.then(|| left.1.union(right.1).cloned().collect())
}

/// `rejecting` or `selecting`: rejects what the former rejects and the latter does not select.
fn reject_less(rejecting: &Condition, selecting: &Condition) -> Option<Condition> {
    let group = selecting.group()?;
    if !selecting.reject.is_empty() {
        return None;
    }
    let left = rejecting.reject.iter().filter(|p| !within_any(p, group));
    let left: Patterns = left.cloned().collect();
    let clean = left.iter().all(|p| group.iter().all(|g| g.disjoint(p)));
    clean.then(|| Condition::rejecting(left))
}

/// Which of the three states of `readOnly` meet a condition.
#[derive(Clone, Copy)]
struct Booleans {
    absent: bool,
    yes: bool,
    no: bool,
}

impl Booleans {
    fn of(condition: &Condition) -> Self {
        let hit = |group: &Patterns, value| group.iter().any(|p| p.hits(value));
        let meets = |value| {
            condition.select.iter().all(|group| hit(group, value)) && !hit(&condition.reject, value)
        };
        Self {
            absent: condition.select.is_empty(),
            yes: meets("true"),
            no: meets("false"),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            absent: self.absent || other.absent,
            yes: self.yes || other.yes,
            no: self.no || other.no,
        }
    }

    /// `Equals true` and `Equals false` together are *not* "any": records without `readOnly` meet neither. Network
    /// activity never has it, and service events, management or data, may lack it.
    fn condition(self) -> Condition {
        let listed = |listed: bool, value: &str| listed.then(|| Pattern::Equals(value.to_owned()));
        if self.absent {
            let reject = [listed(!self.no, "false"), listed(!self.yes, "true")];
            Condition::rejecting(reject.into_iter().flatten().collect())
        } else {
            let group = [listed(self.no, "false"), listed(self.yes, "true")];
            Condition::selecting(group.into_iter().flatten().collect())
        }
    }
}
