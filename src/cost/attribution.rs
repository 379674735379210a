//! Who causes what: the total of an estimate, divided by trail, selector, account or Region.
//!
//! Parts add up to the total to the last digit. What several cause together (storage, requests) is divided by the bytes
//! or files of each; what nobody in particular causes (a key) stands under its own address, account and Region.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;
use serde::Serialize;

use super::estimate::Estimate;
use super::line::Line;
use super::number::{Range, add, count, div, less, money, mul};
use super::tally::{Share, WHOLE_TRAIL};

/// What the total is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    Trail,
    Selector,
    Account,
    Region,
}

/// A part of the total.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    pub name: String,
    pub monthly: Range,
}

/// The parts of the total, the dearest first.
pub fn attribute(estimate: &Estimate, dimension: Dimension) -> Vec<Part> {
    let names = Names::new(estimate, dimension);
    let mut sums: BTreeMap<String, Range> = BTreeMap::new();
    let mut put = |name: String, range: Range| {
        let sum = sums.entry(name).or_default();
        *sum = *sum + range;
    };
    for line in &estimate.lines {
        let Some(monthly) = line.monthly else {
            continue;
        };
        let weights = names.weights(&line.shares);
        if weights.is_empty() {
            put(own_name(line, dimension), monthly);
            continue;
        }
        for (group, part) in divide(monthly, &weights) {
            put(names.of(group), part);
        }
    }
    let mut parts: Vec<Part> = sums
        .into_iter()
        .map(|(name, monthly)| Part { name, monthly })
        .collect();
    parts.sort_by(|a, b| {
        b.monthly
            .expected
            .cmp(&a.monthly.expected)
            .then(a.name.cmp(&b.name))
    });
    parts
}

fn own_name(line: &Line, dimension: Dimension) -> String {
    let name = match dimension {
        Dimension::Trail | Dimension::Selector => Some(&line.address),
        Dimension::Account => line.account.as_ref(),
        Dimension::Region => line.region.as_ref(),
    };
    name.unwrap_or(&line.address).clone()
}

/// Groups of shares, by number.
struct Names<'e> {
    estimate: &'e Estimate,
    dimension: Dimension,
    /// For accounts and Regions: the group of each place, and its name.
    of_place: Vec<usize>,
    places: Vec<&'e str>,
}

impl<'e> Names<'e> {
    fn new(estimate: &'e Estimate, dimension: Dimension) -> Self {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut places = Vec::new();
        let of_place = estimate.places.iter().map(|(account, region)| {
            let name: &'e str = if dimension == Dimension::Account {
                account
            } else {
                region
            };
            *numbers.entry(name).or_insert_with(|| {
                places.push(name);
                places.len() - 1
            })
        });
        let of_place = of_place.collect();
        Self {
            estimate,
            dimension,
            of_place,
            places,
        }
    }

    fn group(&self, share: &Share) -> usize {
        match self.dimension {
            Dimension::Trail => usize::from(share.trail),
            Dimension::Selector => usize::from(share.trail) << 16 | usize::from(share.selector),
            Dimension::Account | Dimension::Region => self
                .of_place
                .get(share.place as usize)
                .copied()
                .unwrap_or_default(),
        }
    }

    /// The weight of each group; equal ones if none has any.
    fn weights(&self, shares: &[Share]) -> Vec<(usize, u128)> {
        let mut weights: HashMap<usize, u128> = HashMap::new();
        for share in shares {
            *weights.entry(self.group(share)).or_default() += u128::from(share.weight);
        }
        let mut weights: Vec<(usize, u128)> = weights.into_iter().collect();
        if weights.iter().all(|(_, weight)| *weight == 0) {
            weights.iter_mut().for_each(|(_, weight)| *weight = 1);
        }
        weights.sort_unstable();
        weights
    }

    fn of(&self, group: usize) -> String {
        match self.dimension {
            Dimension::Trail => self.trail(group),
            Dimension::Selector => {
                let (trail, selector) = (group >> 16, group & usize::from(u16::MAX));
                let view = self.estimate.trails.get(trail);
                let selectors = view.map_or(&[][..], |view| view.prepared.selectors());
                match selectors.get(selector) {
                    Some(found) => format!("{} / {}", self.trail(trail), found.name),
                    None if selector == usize::from(WHOLE_TRAIL) => self.trail(trail),
                    None => format!("{} / {}", self.trail(trail), selector + 1),
                }
            }
            Dimension::Account | Dimension::Region => self
                .places
                .get(group)
                .copied()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    fn trail(&self, trail: usize) -> String {
        self.estimate
            .trails
            .get(trail)
            .map_or_else(String::new, |view| view.address.clone())
    }
}

/// Divides an amount by weight. The last part takes what rounding leaves.
fn divide(whole: Range, weights: &[(usize, u128)]) -> Vec<(usize, Range)> {
    let total: u128 = weights.iter().map(|(_, weight)| weight).sum();
    let total = count(total);
    let mut given = Range::ZERO;
    let last = weights.len().saturating_sub(1);
    let parts = weights.iter().enumerate().map(|(index, (group, weight))| {
        let part = if index == last {
            whole.zip(given, less)
        } else {
            let weight = div(count(*weight), total);
            whole.zip(given, |amount, given| share(amount, weight, given))
        };
        given = given.zip(part, add);
        (*group, part)
    });
    parts.collect()
}

/// Never more than is left, so that the last part is not negative.
fn share(amount: Decimal, weight: Decimal, given: Decimal) -> Decimal {
    money(mul(amount, weight)).min(less(amount, given))
}
