//! What more than one form needs to know of a report.

use std::collections::BTreeMap;

use super::amount::{Amount, Money, percent};
use super::report::{
    Advice, CostReport, Diff, DiffLine, DiffSide, Line, Month, Number, Provenance, Range,
};

#[derive(Clone, Copy)]
pub struct View<'a> {
    pub report: &'a CostReport,
    pub money: Money<'a>,
}

/// The lines of a resource.
pub struct Group<'a> {
    pub address: &'a str,
    pub lines: Vec<&'a Line>,
    /// Sum of the known amounts; absent where none is known.
    pub monthly: Option<Amount>,
    pub unknown: usize,
}

/// A trail's copies of management events over all accounts and Regions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrailCopies<'a> {
    pub trail: &'a str,
    pub free: usize,
    pub charged: usize,
    /// Copies whose events nobody knows.
    pub unknown: usize,
    pub monthly: Amount,
}

/// A month that is worth a row of its own.
pub struct Milestone<'a> {
    pub month: &'a Month,
    pub stored: Amount,
    /// Sum of all months up to and with this one.
    pub spent: Amount,
    pub steady: bool,
}

impl<'a> View<'a> {
    pub fn new(report: &'a CostReport) -> Self {
        Self {
            report,
            money: Money::new(&report.currency),
        }
    }

    pub fn usd(&self, number: &Number) -> String {
        match Amount::parse(number) {
            Some(amount) => self.money.show(amount),
            None => "unknown".to_owned(),
        }
    }

    /// `$10.00–$15.00`, where it is no single figure.
    pub fn spread(&self, range: &Range) -> Option<String> {
        let (low, high) = (self.usd(&range.low), self.usd(&range.high));
        (low != high).then(|| format!("{low}–{high}"))
    }

    /// Lines by resource, in the order of their first line.
    pub fn groups(&self) -> Vec<Group<'a>> {
        let mut index: BTreeMap<&str, usize> = BTreeMap::new();
        let mut groups: Vec<Group<'a>> = Vec::new();
        for line in &self.report.lines {
            let at = *index.entry(&line.address).or_insert_with(|| {
                groups.push(Group::new(&line.address));
                groups.len() - 1
            });
            groups[at].push(line);
        }
        groups
    }

    /// One row per trail, the most expensive first.
    pub fn ledger(&self) -> Vec<TrailCopies<'a>> {
        let mut rows: BTreeMap<&str, TrailCopies<'a>> = BTreeMap::new();
        for copy in &self.report.copies {
            let row = rows.entry(&copy.trail).or_insert(TrailCopies {
                trail: &copy.trail,
                ..TrailCopies::default()
            });
            match (&copy.monthly, copy.free) {
                (_, true) => row.free += 1,
                (None, false) => row.unknown += 1,
                (Some(monthly), false) => {
                    row.charged += 1;
                    row.monthly = row.monthly.plus(Amount::of(monthly));
                }
            }
        }
        let mut rows: Vec<_> = rows.into_values().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.monthly));
        rows
    }

    /// Number of accounts, and of accounts × Regions, that the ledger is about.
    pub fn places(&self) -> (usize, usize) {
        let copies = &self.report.copies;
        let accounts: std::collections::BTreeSet<_> =
            copies.iter().map(|copy| &copy.account).collect();
        let places: std::collections::BTreeSet<_> = copies
            .iter()
            .map(|copy| (&copy.account, &copy.region))
            .collect();
        (accounts.len(), places.len())
    }

    /// Advice that loses no event and advice that does, each with the largest saving first.
    pub fn advice(&self) -> (Vec<&'a Advice>, Vec<&'a Advice>) {
        let mut all: Vec<&Advice> = self.report.advice.iter().collect();
        let saving = |advice: &&Advice| advice.saves.as_ref().map(Amount::of);
        all.sort_by_key(|advice| std::cmp::Reverse(saving(advice)));
        all.into_iter().partition(|advice| advice.loses.is_empty())
    }

    /// The first month, the ends of years, the last and the first steady month: at most about a dozen.
    pub fn milestones(&self) -> Vec<Milestone<'a>> {
        let Some(projection) = &self.report.projection else {
            return Vec::new();
        };
        let last = projection.months.last().map_or(0, |month| month.month);
        let years = (last / 12).div_ceil(12).max(1);
        let mut spent = Amount::ZERO;
        let mut milestones = Vec::new();
        for month in &projection.months {
            spent = spent.plus(Amount::of(&month.total));
            let number = month.month;
            let steady = projection.steady_from == Some(number);
            if number == 1 || number == last || number % (12 * years) == 0 || steady {
                let stored = Amount::sum(month.storage_gb.values());
                milestones.push(Milestone {
                    month,
                    stored,
                    spent,
                    steady,
                });
            }
        }
        milestones
    }

    /// What is not in the total, in a sentence.
    pub fn left_out(&self) -> Option<String> {
        match self.report.unknown {
            0 => None,
            1 => Some("1 line is not in the total: its amount is unknown.".to_owned()),
            n => Some(format!(
                "{n} lines are not in the total: their amounts are unknown."
            )),
        }
    }

    /// What the star means, if there is one.
    pub fn footnote(&self) -> Option<String> {
        let lines = &self.report.lines;
        let prices = lines.iter().filter(|line| line.price_assumed).count();
        let quantities = lines.iter().filter(|line| is_assumed(line)).count();
        let what = match (quantities, prices) {
            (0, 0) => return None,
            (n, 0) => format!("{n} {}", plural(n, "quantity", "quantities")),
            (0, n) => format!("{n} {}", plural(n, "price", "prices")),
            (q, p) => format!(
                "{q} {} and {p} {}",
                plural(q, "quantity", "quantities"),
                plural(p, "price", "prices")
            ),
        };
        Some(format!(
            "* assumed, neither measured nor taken from a price list of AWS: {what}."
        ))
    }

    /// How old the prices are.
    pub fn prices(&self) -> String {
        let prices = &self.report.prices;
        let age = match prices.age_days {
            1 => "1 day old".to_owned(),
            n => format!("{n} days old"),
        };
        let stale = match prices.stale {
            true => "; refresh them with `orgtrail prices refresh`",
            false => "",
        };
        format!("Prices of {} ({age}){stale}.", prices.as_of)
    }

    /// `increased by $41 (+12 %)`
    pub fn headline_change(&self, diff: &Diff) -> String {
        let increase = Amount::of(&diff.increase);
        if increase.is_zero() {
            return "does not change".to_owned();
        }
        let verb = if increase.is_negative() {
            "decreased"
        } else {
            "increased"
        };
        let percent = diff
            .percent
            .as_ref()
            .map(|number| format!(" ({})", percent(number)));
        let by = self.money.brief(increase.abs());
        format!("{verb} by {by}{}", percent.unwrap_or_default())
    }

    /// Why the increase is not the whole truth, if it is not.
    pub fn change_caveat(&self, diff: &Diff) -> Option<String> {
        let text = match (diff.old_unknown, self.report.unknown) {
            (0, 0) => return None,
            (old, new) => {
                format!("Amounts that are unknown are in neither total: {old} before, {new} after.")
            }
        };
        Some(text)
    }

    /// `+$41.00`, or `unknown` where one of the amounts is.
    pub fn line_change(&self, line: &DiffLine) -> String {
        let amount = |side: &Option<DiffSide>| match side {
            None => Some(Amount::ZERO),
            Some(side) => side.monthly.as_ref().map(Amount::of),
        };
        match (amount(&line.old), amount(&line.new)) {
            (Some(old), Some(new)) => self.money.change(new.minus(old)),
            _ => "unknown".to_owned(),
        }
    }

    /// `$81.00`, `unknown`, or nothing where there is no such line.
    pub fn side(&self, side: Option<&DiffSide>) -> Option<String> {
        side.map(|side| match &side.monthly {
            Some(monthly) => self.usd(monthly),
            None => "unknown".to_owned(),
        })
    }

    /// `40,000,000 → 81,000,000 events`, where that is known and differs.
    pub fn quantity_change(&self, line: &DiffLine) -> Option<String> {
        let quantity = |side: &Option<DiffSide>| match side {
            None => None,
            Some(DiffSide { quantity: None, .. }) => Some("unknown".to_owned()),
            Some(DiffSide {
                quantity: Some(number),
                ..
            }) => Some(Amount::of(number).quantity()),
        };
        match (quantity(&line.old), quantity(&line.new)) {
            (Some(old), Some(new)) if old != new => Some(format!("{old} → {new} {}", line.unit)),
            (Some(one), None) | (None, Some(one)) if one != "unknown" => {
                Some(format!("{one} {}", line.unit))
            }
            _ => None,
        }
    }
}

impl<'a> Group<'a> {
    fn new(address: &'a str) -> Self {
        Self {
            address,
            lines: Vec::new(),
            monthly: None,
            unknown: 0,
        }
    }

    fn push(&mut self, line: &'a Line) {
        self.lines.push(line);
        match &line.monthly {
            Some(range) => {
                let sum = self.monthly.unwrap_or_default();
                self.monthly = Some(sum.plus(Amount::of(&range.expected)));
            }
            None => self.unknown += 1,
        }
    }
}

pub fn is_assumed(line: &Line) -> bool {
    line.provenance == Provenance::Assumed && line.quantity.is_some()
}

/// `data events (s3-writes)`
pub fn title(label: &str, part: Option<&str>) -> String {
    match part {
        Some(part) => format!("{label} ({part})"),
        None => label.to_owned(),
    }
}

/// `12,345 events*`, or `unknown`.
pub fn quantity(line: &Line) -> String {
    let Some(quantity) = &line.quantity else {
        return "unknown".to_owned();
    };
    let star = if is_assumed(line) { "*" } else { "" };
    format!(
        "{} {}{star}",
        Amount::of(&quantity.expected).quantity(),
        line.unit
    )
}

/// `$0.10 per 100,000*`
pub fn price(line: &Line) -> String {
    if line.price.is_empty() {
        return "no price known".to_owned();
    }
    let star = if line.price_assumed { "*" } else { "" };
    format!("{}{star}", line.price)
}

/// `+`, `~` or `-`
pub fn symbol(line: &DiffLine) -> &'static str {
    match (&line.old, &line.new) {
        (None, _) => "+",
        (_, None) => "-",
        _ => "~",
    }
}

pub fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    match count {
        1 => one,
        _ => many,
    }
}

/// `1 year`, `7 years`, `month 5`
pub fn month_name(month: u32) -> String {
    match (month / 12, month % 12) {
        (1, 0) => "1 year".to_owned(),
        (years, 0) if years > 0 => format!("{years} years"),
        _ => format!("month {month}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::cost::report::{Copy, Projection};

    #[test]
    fn the_ledger_has_a_row_per_trail() {
        let copy = |trail: &str, free: bool, monthly: Option<&str>| Copy {
            trail: trail.to_owned(),
            free,
            monthly: monthly.map(str::to_owned),
            ..Copy::default()
        };
        let report = CostReport {
            copies: vec![
                copy("org", true, None),
                copy("legacy", false, Some("2.5")),
                copy("legacy", false, Some("0.5")),
                copy("legacy", false, None),
            ],
            ..CostReport::default()
        };
        let rows = View::new(&report).ledger();
        let legacy = TrailCopies {
            trail: "legacy",
            free: 0,
            charged: 2,
            unknown: 1,
            monthly: Amount::of(&"3".to_owned()),
        };
        assert_eq!(rows[0], legacy);
        assert_eq!((rows[1].trail, rows[1].free), ("org", 1));
    }

    #[test]
    fn milestones_stay_few() {
        let month = |month: u32| Month {
            month,
            total: "1".to_owned(),
            ..Month::default()
        };
        for length in [1, 13, 84, 120, 1200] {
            let report = CostReport {
                projection: Some(Projection {
                    months: (1..=length).map(month).collect(),
                    steady_from: Some(length),
                    total: length.to_string(),
                }),
                ..CostReport::default()
            };
            let milestones = View::new(&report).milestones();
            let last = milestones.last().unwrap();
            assert!(milestones.len() <= 14, "{length}: {}", milestones.len());
            assert_eq!(last.spent.exact(), length.to_string());
            assert!(last.steady);
        }
    }
}
