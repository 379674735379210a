//! The estimate against the bill, meter by meter, and why they differ.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::document::{Bill, BilledUsage};
use super::period::Month;
use super::volumes::{CLOUDTRAIL, meter};
use crate::cost::number::{add, div, less, mul, signed_difference, whole};
use crate::cost::{
    Estimate, MONTH_HOURS, Meter, Options, OtherTrail, PriceBook, Provenance, Range, Volumes,
    estimate, label,
};
use crate::render::cost::reconciliation::{
    Billed, Expected, FORMAT_VERSION, MeterRow, OtherUsage, Reconciliation,
};
use crate::render::cost::report;
use crate::spec::Spec;

/// What is held against what.
pub struct Case<'a> {
    pub spec: &'a Spec,
    pub bill: &'a Bill,
    pub bill_note: String,
    pub volumes: &'a Volumes,
    pub volumes_note: String,
    pub others: &'a [OtherTrail],
    pub book: &'a PriceBook,
}

/// Differences up to this part are none: volumes and bill cut a month at different seconds.
const TOLERANCE: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

/// Holds the estimate against the bill.
pub fn reconcile(case: &Case<'_>) -> Reconciliation {
    let estimate = estimate(
        case.spec,
        case.volumes,
        case.others,
        case.book,
        &Options::default(),
    );
    let rows = rows(case, &estimate);
    let billed = case
        .bill
        .usage
        .iter()
        .fold(Decimal::ZERO, |sum, usage| add(sum, usage.usd));
    let expected: Range = rows
        .iter()
        .filter_map(|row| row.expected.as_ref()?.usd)
        .sum();
    Reconciliation {
        format_version: FORMAT_VERSION.to_owned(),
        orgtrail_version: env!("CARGO_PKG_VERSION").to_owned(),
        spec: case.spec.name.clone(),
        bill: case.bill_note.clone(),
        from: case.bill.period.from.to_string(),
        to: case.bill.period.to.to_string(),
        estimated: case.bill.estimated,
        volumes: case.volumes_note.clone(),
        hours: case.bill.period.hours(),
        billed: usd(billed),
        expected: range(expected, usd),
        difference: usd(signed_difference(billed, expected.expected)),
        other_usage: other_usage(case.bill),
        causes: Causes { case, rows: &rows }.all(),
        meters: rows.iter().map(Row::published).collect(),
    }
}

/// A meter on both sides.
struct Row {
    meter: Meter,
    quantity: Decimal,
    usd: Decimal,
    /// Accounts and Regions with billed usage.
    places: BTreeSet<(String, String)>,
    expected: Option<Sum>,
}

/// What the estimate has of a meter.
#[derive(Clone, Default)]
struct Sum {
    quantity: Option<Range>,
    usd: Option<Range>,
    incomplete: bool,
}

impl Sum {
    fn add(&mut self, quantity: Option<Range>, usd: Option<Range>) {
        let plus = |sum: Option<Range>, more: Range| Some(sum.unwrap_or_default() + more);
        self.incomplete |= quantity.is_none() || usd.is_none();
        if let Some(quantity) = quantity {
            self.quantity = plus(self.quantity, quantity);
        }
        if let Some(usd) = usd {
            self.usd = plus(self.usd, usd);
        }
    }
}

fn rows(case: &Case<'_>, estimate: &Estimate) -> Vec<Row> {
    let mut expected = expected(case, estimate);
    let mut rows: BTreeMap<Meter, Row> = BTreeMap::new();
    for usage in &case.bill.usage {
        let Some((meter, region)) = meter(usage) else {
            continue;
        };
        let row = rows.entry(meter).or_insert_with(|| Row::new(meter));
        row.quantity = add(row.quantity, usage.quantity);
        row.usd = add(row.usd, usage.usd);
        if !usage.quantity.is_zero() {
            row.places
                .insert((usage.account.clone(), region.to_owned()));
        }
    }
    for meter in expected.keys() {
        rows.entry(*meter).or_insert_with(|| Row::new(*meter));
    }
    for (meter, row) in &mut rows {
        row.expected = expected.remove(meter);
    }
    let shown = rows.into_values();
    shown.filter(|row| !row.is_empty()).collect()
}

/// What the estimate has of CloudTrail, for the hours of the bill: of the spec's trails, and of others'.
fn expected(case: &Case<'_>, estimate: &Estimate) -> BTreeMap<Meter, Sum> {
    let hours = whole(case.bill.period.hours());
    let scale = |amount: Decimal| div(mul(amount, hours), whole(MONTH_HOURS));
    let mut sums: BTreeMap<Meter, Sum> = BTreeMap::new();
    let lines = estimate.lines.iter();
    for line in lines.filter(|line| line.meter.service() == CLOUDTRAIL) {
        let scaled = |range: Option<Range>| range.map(|range| range.map(scale));
        let sum = sums.entry(line.meter).or_default();
        sum.add(scaled(line.quantity), scaled(line.monthly));
    }
    for copies in estimate.ledger.trails.iter().filter(|copies| !copies.ours) {
        let data = copies
            .data
            .iter()
            .fold(Decimal::ZERO, |sum, of| add(sum, of.events));
        let trail = case.others.iter().find(|other| other.name == copies.trail);
        let region = trail.map_or("", |trail| trail.region.as_str());
        for (meter, events, usd) in [
            (
                Meter::ManagementFirstCopy,
                copies.free_events,
                Some(Decimal::ZERO),
            ),
            (
                Meter::ManagementFurtherCopy,
                copies.paid_events,
                copies.pays,
            ),
            (
                Meter::DataEvents,
                data,
                case.book.cost(Meter::DataEvents, region, data),
            ),
        ] {
            if !events.is_zero() {
                let exactly = |amount: Decimal| Range::exactly(scale(amount));
                let sum = sums.entry(meter).or_default();
                sum.add(Some(exactly(events)), usd.map(exactly));
            }
        }
    }
    sums
}

impl Row {
    fn new(meter: Meter) -> Self {
        Self {
            meter,
            quantity: Decimal::ZERO,
            usd: Decimal::ZERO,
            places: BTreeSet::new(),
            expected: None,
        }
    }

    fn is_empty(&self) -> bool {
        let nothing =
            |sum: &Sum| sum.quantity.unwrap_or_default().high.is_zero() && !sum.incomplete;
        self.quantity.is_zero() && self.usd.is_zero() && self.expected.as_ref().is_none_or(nothing)
    }

    fn expected_quantity(&self) -> Range {
        self.expected
            .as_ref()
            .and_then(|sum| sum.quantity)
            .unwrap_or_default()
    }

    /// More was billed than was expected at most.
    fn is_over(&self) -> bool {
        is_above(self.quantity, self.expected_quantity().high)
    }

    /// Less was billed than was expected at least.
    fn is_under(&self) -> bool {
        is_above(self.expected_quantity().low, self.quantity)
    }

    fn differs(&self) -> bool {
        let usd = self
            .expected
            .as_ref()
            .and_then(|sum| sum.usd)
            .unwrap_or_default();
        let amounts = is_above(self.usd, usd.high) || is_above(usd.low, self.usd);
        self.is_over() || self.is_under() || amounts
    }

    /// Is more wanted than is known?
    fn is_unknown(&self) -> bool {
        self.expected
            .as_ref()
            .is_some_and(|sum| sum.incomplete && sum.quantity.is_none())
    }

    fn published(&self) -> MeterRow {
        let expected = self.expected.as_ref();
        let usd_of = |sum: &Sum| sum.usd.unwrap_or_default().expected;
        MeterRow {
            meter: self.meter.usage(),
            label: label(self.meter).to_owned(),
            unit: unit(self.meter).to_owned(),
            billed: Billed {
                quantity: quantity(self.quantity),
                usd: usd(self.usd),
            },
            expected: expected.map(|sum| Expected {
                quantity: sum.quantity.map(|of| range(of, quantity)),
                usd: sum.usd.map(|of| range(of, usd)),
                incomplete: sum.incomplete,
            }),
            difference: (!self.is_unknown()).then(|| Billed {
                quantity: quantity(signed_difference(
                    self.quantity,
                    self.expected_quantity().expected,
                )),
                usd: usd(signed_difference(
                    self.usd,
                    expected.map_or(Decimal::ZERO, usd_of),
                )),
            }),
            differs: !self.is_unknown() && self.differs(),
        }
    }
}

fn is_above(a: Decimal, b: Decimal) -> bool {
    less(a, b) > mul(a, TOLERANCE)
}

fn unit(meter: Meter) -> &'static str {
    match meter {
        Meter::LakeIngestLive
        | Meter::LakeIngestOther
        | Meter::LakeIngestSevenYear
        | Meter::LakeScan => "GB",
        Meter::LakeExtendedStorage => "GB-months",
        _ => "events",
    }
}

fn other_usage(bill: &Bill) -> Vec<OtherUsage> {
    let mut others: BTreeMap<&str, (BTreeSet<&str>, Decimal, Decimal)> = BTreeMap::new();
    for usage in bill.usage.iter().filter(|usage| meter(usage).is_none()) {
        let (accounts, quantity, usd) = others.entry(&usage.usage_type).or_default();
        accounts.insert(&usage.account);
        *quantity = add(*quantity, usage.quantity);
        *usd = add(*usd, usage.usd);
    }
    others
        .into_iter()
        .filter(|(_, (_, quantity, usd))| !quantity.is_zero() || !usd.is_zero())
        .map(|(usage_type, (accounts, of, cost))| OtherUsage {
            usage_type: usage_type.to_owned(),
            accounts: accounts.len(),
            quantity: quantity(of),
            usd: usd(cost),
        })
        .collect()
}

fn usd(amount: Decimal) -> report::Number {
    amount.round_dp(4).normalize().to_string()
}

fn quantity(amount: Decimal) -> report::Number {
    amount.round_dp(3).normalize().to_string()
}

fn range(range: Range, number: fn(Decimal) -> report::Number) -> report::Range {
    report::Range {
        low: number(range.low),
        expected: number(range.expected),
        high: number(range.high),
    }
}

// ---- why

struct Causes<'a> {
    case: &'a Case<'a>,
    rows: &'a [Row],
}

impl Causes<'_> {
    fn all(&self) -> Vec<String> {
        if !self.rows.iter().any(Row::differs) {
            return Vec::new();
        }
        let general = [
            self.partial_bill(),
            self.other_window(),
            self.assumed_volumes(),
            self.accounts_without_volumes(),
            self.accounts_without_bill(),
        ];
        let by_meter = [
            self.first_copies(),
            self.further_copies(),
            self.unwanted(Meter::DataEvents, "data events"),
            self.unwanted(Meter::NetworkActivityEvents, "network activity events"),
            self.more_copies(Meter::DataEvents, "data events"),
            self.more_copies(Meter::NetworkActivityEvents, "network activity events"),
            self.insights(),
            self.lake(),
            self.prices(),
        ];
        general.into_iter().chain(by_meter).flatten().collect()
    }

    fn row(&self, meter: Meter) -> Option<&Row> {
        self.rows.iter().find(|row| row.meter == meter)
    }

    fn partial_bill(&self) -> Option<String> {
        let bill = self.case.bill;
        let period = bill.period;
        match (period.is_whole_month(), bill.estimated) {
            (true, false) => None,
            (true, true) => Some(format!(
                "AWS has not closed the bill of {period}; usage of its last days may be missing"
            )),
            (false, _) => Some(format!("the bill is only of a part of the month: {period}")),
        }
    }

    fn other_window(&self) -> Option<String> {
        let window = self.case.volumes.window.as_ref()?;
        let month = self.case.bill.period.month();
        let spans = window.spans().unwrap_or_default();
        let same = spans
            .iter()
            .all(|(from, _)| Month::of(from.date()) == month);
        (!same).then(|| format!("the volumes are of {window}, the bill is of {month}"))
    }

    fn assumed_volumes(&self) -> Option<String> {
        match self.case.volumes.provenance {
            Provenance::Measured => None,
            Provenance::Declared => Some("the volumes were declared, not measured".to_owned()),
            Provenance::Assumed => {
                Some("the volumes are those of a typical organization, not of this one".to_owned())
            }
        }
    }

    fn accounts_without_volumes(&self) -> Option<String> {
        let known = &self.case.volumes.accounts;
        let of_meters = self
            .case
            .bill
            .usage
            .iter()
            .filter(|usage| meter(usage).is_some());
        let missing: Vec<&BilledUsage> = of_meters
            .filter(|usage| !usage.quantity.is_zero() && !known.contains_key(&usage.account))
            .collect();
        let accounts: BTreeSet<&str> = missing.iter().map(|usage| usage.account.as_str()).collect();
        let cost = missing
            .iter()
            .fold(Decimal::ZERO, |sum, usage| add(sum, usage.usd));
        (!accounts.is_empty()).then(|| {
            format!(
                "the volumes do not have {}: ${} of the bill",
                named(&accounts, "account"),
                cost.round_dp(2)
            )
        })
    }

    fn accounts_without_bill(&self) -> Option<String> {
        let billed: BTreeSet<&str> = self
            .case
            .bill
            .usage
            .iter()
            .map(|usage| usage.account.as_str())
            .collect();
        let accounts = self.case.volumes.accounts.keys().map(String::as_str);
        let missing: BTreeSet<&str> = accounts
            .filter(|account| !billed.contains(account))
            .collect();
        (!missing.is_empty()).then(|| {
            format!(
                "the bill does not have {} of the volumes: another payer's, or no trail recorded there",
                named(&missing, "account")
            )
        })
    }

    fn first_copies(&self) -> Option<String> {
        let row = self.row(Meter::ManagementFirstCopy)?;
        if row.is_over() {
            return Some(
                "more management events were recorded than the volumes have: from an account, a Region or a source that \
                 they lack"
                    .to_owned(),
            );
        }
        row.is_under().then(|| {
            "the volumes have management events that no trail recorded in that month".to_owned()
        })
    }

    fn further_copies(&self) -> Option<String> {
        let row = self.row(Meter::ManagementFurtherCopy)?;
        if row.is_under() {
            return Some(
                "fewer trails recorded management events in that month than are known now"
                    .to_owned(),
            );
        }
        let what = format!(
            "another trail records the same management events: further copies are billed in {}",
            self.places(row)
        );
        let how = match self.case.others.is_empty() {
            true => "; --other-trails live finds those that the accounts of the spec have",
            false => "; none of the accounts that were asked can see it",
        };
        row.is_over().then(|| what + how)
    }

    /// Billed, and nothing in the spec asks for it.
    fn unwanted(&self, meter: Meter, what: &str) -> Option<String> {
        let row = self.row(meter).filter(|row| row.expected.is_none())?;
        Some(format!(
            "{what} are billed that no selector of the spec wants, in {}: another trail records them, or a selector did \
             that is gone",
            self.places(row)
        ))
    }

    fn more_copies(&self, meter: Meter, what: &str) -> Option<String> {
        let row = self
            .row(meter)
            .filter(|row| row.expected.is_some() && !row.is_unknown())?;
        if row.is_under() {
            return Some(format!(
                "fewer {what} were recorded in that month than the volumes have"
            ));
        }
        row.is_over().then(|| {
            format!(
                "more {what} are billed than expected: the volumes lack some, or another trail records them too, as every \
                 copy is charged"
            )
        })
    }

    fn insights(&self) -> Option<String> {
        let on_bill = |meter: &Meter| self.row(*meter).is_some_and(|row| row.expected.is_none());
        let meters = [Meter::InsightsManagement, Meter::InsightsData];
        meters.iter().any(on_bill).then(|| {
            "Insights are billed that the spec does not enable: on another trail, or on an event data store".to_owned()
        })
    }

    fn lake(&self) -> Option<String> {
        let lake = [
            Meter::LakeIngestLive,
            Meter::LakeIngestOther,
            Meter::LakeIngestSevenYear,
            Meter::LakeExtendedStorage,
            Meter::LakeScan,
        ];
        lake.iter()
            .any(|meter| self.row(*meter).is_some())
            .then(|| "CloudTrail Lake is billed; event data stores are not in a spec".to_owned())
    }

    /// The bill's prices against those of the book, over all usage whose price has no tiers.
    fn prices(&self) -> Option<String> {
        let (mut list, mut billed) = (Decimal::ZERO, Decimal::ZERO);
        for usage in &self.case.bill.usage {
            let Some((meter, region)) = meter(usage) else {
                continue;
            };
            let price = self.case.book.price(meter, region);
            if let Some(price) = price.filter(|price| price.tiers.len() == 1) {
                list = add(list, price.cost(usage.quantity));
                billed = add(billed, usage.usd);
            }
        }
        let percent = |part: Decimal| {
            div(mul(part, Decimal::ONE_HUNDRED), list)
                .round_dp(1)
                .normalize()
        };
        if is_above(list, billed) {
            let percent = percent(less(list, billed));
            return Some(format!(
                "the bill's prices are {percent} % below those of the estimate: a discount or credits; a discount is \
                 written `discounts: {{ AWSCloudTrail: {percent} }}`"
            ));
        }
        is_above(billed, list).then(|| {
            format!(
                "the bill's prices are {} % above those of the estimate: `orgtrail prices refresh` reads today's",
                percent(less(billed, list))
            )
        })
    }

    /// `3 accounts and Regions, first 111122223333 in us-east-1`
    fn places(&self, row: &Row) -> String {
        match (row.places.len(), row.places.first()) {
            (_, None) => "no account".to_owned(),
            (1, Some((account, region))) => format!("{account} in {region}"),
            (many, Some((account, region))) => {
                format!("{many} accounts and Regions, first {account} in {region}")
            }
        }
    }
}

/// `2 accounts (111122223333, 222233334444)`, the first three by name.
fn named(names: &BTreeSet<&str>, what: &str) -> String {
    let first: Vec<&str> = names.iter().take(3).copied().collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    let more = if names.len() > 3 { ", …" } else { "" };
    format!(
        "{} {what}{plural} ({}{more})",
        names.len(),
        first.join(", ")
    )
}
