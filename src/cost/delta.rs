//! The difference of two estimates: what a change of the spec costs.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serialize;

use super::estimate::Estimate;
use super::line::Line;
use super::meter::Meter;
use super::number::{Range, div, mul, signed_difference};

/// What a change costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delta {
    /// Lines that differ; the largest difference first.
    pub changes: Vec<Change>,
    pub old_total: Range,
    pub new_total: Range,
    /// Expected USD a month, negative for a saving.
    pub increase: Decimal,
    /// Of the old total; `None` when that is zero.
    pub percent: Option<Decimal>,
    /// Amounts that are unknown before, and after. With any, the increase is not the whole truth.
    pub old_unknown: usize,
    pub new_unknown: usize,
}

/// A line that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    pub address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    pub label: String,
    pub meter: Meter,
    /// `None`: there is no such line.
    pub old: Option<Side>,
    pub new: Option<Side>,
    /// Expected USD a month, as far as it is known.
    pub increase: Decimal,
}

/// A line before or after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Side {
    /// `None` when unknown.
    pub quantity: Option<Range>,
    pub monthly: Option<Range>,
    /// Lines of this name whose amount is unknown.
    pub unknown: usize,
}

type Key = (String, Option<String>, String, Meter);

/// The difference that `new` makes. Two estimates of one spec with the same volumes and prices differ by nothing.
pub fn compare(old: &Estimate, new: &Estimate) -> Delta {
    let (before, after) = (sides(old), sides(new));
    let keys: std::collections::BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    let mut changes: Vec<Change> = keys
        .into_iter()
        .filter_map(|key| change(key, before.get(key), after.get(key)))
        .collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.increase.abs()));
    let increase = signed_difference(new.total.expected, old.total.expected);
    Delta {
        changes,
        old_total: old.total,
        new_total: new.total,
        increase,
        percent: percent(increase, old.total.expected),
        old_unknown: old.unknown.len(),
        new_unknown: new.unknown.len(),
    }
}

fn sides(estimate: &Estimate) -> BTreeMap<Key, Side> {
    let mut sides: BTreeMap<Key, Side> = BTreeMap::new();
    for line in &estimate.lines {
        sides.entry(key(line)).or_default().add(line);
    }
    sides
}

fn key(line: &Line) -> Key {
    (
        line.address.clone(),
        line.selector.clone(),
        line.label.clone(),
        line.meter,
    )
}

impl Side {
    fn add(&mut self, line: &Line) {
        let plus = |sum: Option<Range>, range: Option<Range>| match (sum, range) {
            (Some(sum), Some(range)) => Some(sum + range),
            (sum, range) => sum.or(range),
        };
        self.quantity = plus(self.quantity, line.quantity);
        self.monthly = plus(self.monthly, line.monthly);
        self.unknown += usize::from(line.is_unknown());
    }

    fn expected(side: Option<&Self>) -> Decimal {
        let monthly = side.and_then(|side| side.monthly);
        monthly.map_or(Decimal::ZERO, |monthly| monthly.expected)
    }
}

fn change(key: &Key, old: Option<&Side>, new: Option<&Side>) -> Option<Change> {
    if old == new {
        return None;
    }
    let (address, selector, label, meter) = key.clone();
    Some(Change {
        address,
        selector,
        label,
        meter,
        old: old.copied(),
        new: new.copied(),
        increase: signed_difference(Side::expected(new), Side::expected(old)),
    })
}

/// With two decimals.
fn percent(increase: Decimal, of: Decimal) -> Option<Decimal> {
    if of.is_zero() {
        return None;
    }
    let percent = mul(div(increase.abs(), of), Decimal::ONE_HUNDRED);
    let rounded = percent.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    Some(if increase.is_sign_negative() {
        -rounded
    } else {
        rounded
    })
}
