//! From an estimate to its published report.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use time::Date;

use crate::cost::attribution::{Dimension, attribute};
use crate::cost::types::Budget;
use crate::cost::{
    Delta, Estimate, Meter, Month, Options, PriceBook, Provenance, Range, TrailCopies,
    TransitionReport, TransitionVerdict, Volumes, advise, check_budget, compare, estimate, project,
    steady_state, transitions,
};
use crate::coverage;
use crate::other_trails::OtherTrails;
use crate::plan;
use crate::render::cost::report::{self, CostReport};
use crate::render::coverage::Part;
use crate::spec::Spec;

/// Everything that an estimate is made from.
pub struct Case<'a> {
    pub spec: &'a Spec,
    /// The spec before, for the difference.
    pub old: Option<&'a Spec>,
    pub files: Vec<String>,
    pub volumes: &'a Volumes,
    pub volumes_note: String,
    pub others: &'a OtherTrails,
    pub book: &'a PriceBook,
    pub budget: Option<&'a Budget>,
    /// Months of the projection; none: as far as the longest retention, 7 years at most.
    pub months: Option<u32>,
    pub today: Date,
    pub now: String,
}

/// What a plan changes of the bill: `spec` against what is live, written as a spec.
pub fn plan_cost(
    spec: &Spec,
    live: &Spec,
    volumes: &Volumes,
    volumes_note: &str,
    others: &OtherTrails,
    book: &PriceBook,
) -> plan::Cost {
    let of = |spec| estimate(spec, volumes, &others.trails, book, &Options::default());
    let (old, new) = (of(live), of(spec));
    let diff = diff(compare(&old, &new), &old, &new);
    plan::Cost {
        before: diff.old_total,
        after: diff.new_total,
        increase: diff.increase,
        unknown: new.unknown.len(),
        volumes: volumes_note.to_owned(),
        other_trails: others.recording(),
        unread: others.unread.clone(),
        lines: diff
            .lines
            .into_iter()
            .map(|line| plan::CostLine {
                address: line.address,
                what: line.label,
                before: side_amount(line.old),
                after: side_amount(line.new),
            })
            .collect(),
    }
}

/// An amount that is unknown stays so; a line that is not there has none.
fn side_amount(side: Option<report::DiffSide>) -> Option<String> {
    side.map(|side| side.monthly.unwrap_or_else(|| "unknown".to_owned()))
}

/// Prices older than this should be refreshed: AWS changes some every few months.
const STALE_AFTER_DAYS: i64 = 180;
const LONGEST_PROJECTION: u32 = 84;

pub fn report(case: &Case<'_>) -> CostReport {
    let options = Options::default();
    let of = |spec| estimate(spec, case.volumes, &case.others.trails, case.book, &options);
    let new = of(case.spec);
    let old = case.old.map(of);
    let delta = old.as_ref().map(|old| compare(old, &new));
    CostReport {
        format_version: report::FORMAT_VERSION.to_owned(),
        orgtrail_version: env!("CARGO_PKG_VERSION").to_owned(),
        generated_at: case.now.clone(),
        spec: case.spec.name.clone(),
        files: case.files.clone(),
        currency: "USD".to_owned(),
        prices: prices(case, &new),
        volumes: case.volumes_note.clone(),
        total: range(new.total),
        unknown: new.unknown.len(),
        lines: new.lines.iter().map(line).collect(),
        attribution: report::Attribution {
            resources: shares(&new, Dimension::Trail),
            selectors: shares(&new, Dimension::Selector),
            accounts: shares(&new, Dimension::Account),
            regions: shares(&new, Dimension::Region),
        },
        projection: Some(projection(case, &new)),
        copies: copies(&new),
        warnings: warnings(case, &new),
        advice: advice(case, &new),
        budget: case.budget.map(|budget| {
            let verdict = check_budget(budget, &new, delta.as_ref());
            report::Budget {
                kept: verdict.within,
                reasons: [verdict.broken, verdict.notes].concat(),
            }
        }),
        diff: old
            .as_ref()
            .zip(delta)
            .map(|(old, delta)| diff(delta, old, &new)),
        coverage: case.old.map(|old| recorded(old, case.spec)),
        assumptions: new.assumptions.clone(),
    }
}

fn recorded(old: &Spec, new: &Spec) -> report::Coverage {
    let compared = coverage::compare(&coverage::recorders(old), &coverage::recorders(new));
    let texts = |parts: Vec<Part>| parts.iter().map(ToString::to_string).collect();
    report::Coverage {
        lost: texts(compared.lost),
        gained: texts(compared.gained),
    }
}

fn text(number: Decimal) -> report::Number {
    number.normalize().to_string()
}

/// Money to the hundredth of a cent: below that nothing is charged.
fn usd(amount: Decimal) -> report::Number {
    text(amount.round_dp(4))
}

fn range(range: Range) -> report::Range {
    report::Range {
        low: usd(range.low),
        expected: usd(range.expected),
        high: usd(range.high),
    }
}

fn prices(case: &Case<'_>, estimate: &Estimate) -> report::Prices {
    let age = case.book.age(case.today);
    let used = estimate.prices_as_of.clone();
    let (oldest, newest) = used.map_or((None, None), |(oldest, newest)| {
        (Some(oldest), Some(newest))
    });
    // Prices that were refreshed for another Region do not make those in use any newer.
    let of_used = newest.and_then(|newest| PriceBook::days_since(&newest, case.today));
    let days = of_used.or(age.days).unwrap_or_default();
    report::Prices {
        as_of: oldest
            .or(age.newest)
            .unwrap_or_else(|| "an unknown date".to_owned()),
        age_days: days,
        stale: days > STALE_AFTER_DAYS,
        assumed: estimate
            .lines
            .iter()
            .filter(|line| line.price_assumed)
            .count(),
    }
}

fn line(line: &crate::cost::Line) -> report::Line {
    report::Line {
        address: line.address.clone(),
        part: line.selector.clone(),
        account: line.account.clone(),
        region: line.region.clone(),
        meter: line.meter.usage(),
        label: line.label.clone(),
        unit: line.unit.to_owned(),
        quantity: line.quantity.map(range),
        price: match &line.price {
            Some(price) => price.describe(),
            None => "no price is known".to_owned(),
        },
        unit_price: line
            .price
            .as_ref()
            .filter(|price| price.tiers.len() == 1)
            .map(|price| text(price.per_unit())),
        price_assumed: line.price_assumed,
        monthly: line.monthly.map(range),
        provenance: match (line.quantity, line.provenance) {
            (None, _) => report::Provenance::Unknown,
            (_, Provenance::Measured) => report::Provenance::Measured,
            (_, Provenance::Declared) => report::Provenance::Declared,
            (_, Provenance::Assumed) => report::Provenance::Assumed,
        },
        formula: line.formula.clone(),
    }
}

fn shares(estimate: &Estimate, dimension: Dimension) -> Vec<report::Share> {
    attribute(estimate, dimension)
        .into_iter()
        .map(|part| report::Share {
            name: part.name,
            monthly: text(part.monthly.expected),
        })
        .collect()
}

fn projection(case: &Case<'_>, estimate: &Estimate) -> report::Projection {
    let steady = steady_state(estimate, case.book).map(|month| month.month);
    let longest = steady
        .unwrap_or(LONGEST_PROJECTION)
        .clamp(12, LONGEST_PROJECTION);
    let months = project(estimate, case.book, case.months.unwrap_or(longest));
    report::Projection {
        total: usd(months.iter().map(|month| month.total.expected).sum()),
        steady_from: steady.filter(|from| *from as usize <= months.len()),
        months: months.iter().map(month).collect(),
    }
}

fn month(month: &Month) -> report::Month {
    let mut components = BTreeMap::from([("recording", month.recording.expected)]);
    let mut storage: BTreeMap<&str, Decimal> = BTreeMap::new();
    for line in &month.lines {
        *components.entry(component(line.meter)).or_default() += line.monthly.expected;
        if let Meter::S3Storage(class) = line.meter {
            *storage.entry(class.as_str()).or_default() += line.quantity.expected;
        }
    }
    let texts = |map: BTreeMap<&str, Decimal>| {
        let shown = map.into_iter().filter(|(_, amount)| !amount.is_zero());
        shown
            .map(|(name, amount)| (name.to_owned(), usd(amount)))
            .collect()
    };
    report::Month {
        month: month.month,
        components: texts(components),
        storage_gb: texts(storage),
        total: usd(month.total.expected),
    }
}

/// What a meter of a bucket or key is in a chart.
fn component(meter: Meter) -> &'static str {
    match meter {
        Meter::S3Storage(_) => "storage",
        Meter::S3Transition(_) => "transitions",
        Meter::KmsKey | Meter::KmsKeyRotation | Meter::KmsRequests => "keys",
        _ => "requests",
    }
}

/// Above this the copies are summed up by trail: one row for each account and Region helps nobody.
const MAX_COPIES: usize = 1_000;

fn copies(estimate: &Estimate) -> Vec<report::Copy> {
    let ledger = &estimate.ledger;
    if ledger.copies.len() > MAX_COPIES {
        return ledger.trails.iter().map(trail_copies).collect();
    }
    let copies = ledger.copies.iter();
    copies
        .filter_map(|copy| {
            let (account, region) = estimate.place(copy.place)?;
            Some(report::Copy {
                account: account.to_owned(),
                region: region.to_owned(),
                trail: ledger.trails.get(usize::from(copy.trail))?.trail.clone(),
                events: Some(text((copy.free_events + copy.paid_events).round_dp(0))),
                free: copy.paid_events.is_zero(),
                monthly: copy.removing_saves.map(usd),
            })
        })
        .collect()
}

fn trail_copies(copy: &TrailCopies) -> report::Copy {
    report::Copy {
        account: "all accounts".to_owned(),
        region: "all Regions".to_owned(),
        trail: copy.trail.clone(),
        events: Some(text((copy.free_events + copy.paid_events).round_dp(0))),
        free: copy.paid_events.is_zero(),
        monthly: copy.removing_saves.map(usd),
    }
}

/// Transitions that move nothing or cost more than they save, with what to write instead; trails that could not be read.
fn warnings(case: &Case<'_>, estimate: &Estimate) -> Vec<String> {
    let reports = transitions(case.spec, estimate, case.book);
    let transitions = reports.iter().filter_map(warning);
    transitions
        .chain(case.others.unread.iter().cloned())
        .collect()
}

fn warning(report: &TransitionReport) -> Option<String> {
    let class = report.class.as_str();
    let what = match report.verdict {
        TransitionVerdict::Pays | TransitionVerdict::Unknown => return None,
        TransitionVerdict::MovesNothing => "moves nothing".to_owned(),
        TransitionVerdict::CostsMore => {
            let more = report.saves.unwrap_or_default().abs();
            format!("costs ${} a month more than it saves", more.round_dp(2))
        }
    };
    let instead = match &report.instead {
        Some((rule, saves)) => format!("write {rule}, which saves ${} a month", saves.round_dp(2)),
        None => "leave it out".to_owned(),
    };
    let (address, rule, days) = (&report.address, &report.rule, report.days);
    Some(format!(
        "{address}: the transition of `{rule}` to {class} after {days} days {what}; {instead}"
    ))
}

fn advice(case: &Case<'_>, estimate: &Estimate) -> Vec<report::Advice> {
    let advice = advise(case.spec, estimate, case.book);
    let all = advice
        .keeps_every_event
        .into_iter()
        .chain(advice.loses_something);
    all.map(|saving| report::Advice {
        what: format!("{}: {}", saving.address, saving.why),
        change: saving.change,
        saves: saving.saves.map(usd),
        loses: saving.loses.into_iter().collect(),
    })
    .collect()
}

fn diff(delta: Delta, old: &Estimate, new: &Estimate) -> report::Diff {
    let lines = old.lines.iter().chain(&new.lines);
    let units: BTreeMap<Meter, &str> = lines.map(|line| (line.meter, line.unit)).collect();
    let amount = |range: Range| usd(range.expected);
    report::Diff {
        old_total: usd(delta.old_total.expected),
        new_total: usd(delta.new_total.expected),
        increase: usd(delta.increase),
        old_unknown: delta.old_unknown,
        percent: delta.percent.map(|percent| text(percent.round_dp(1))),
        lines: delta
            .changes
            .into_iter()
            .map(|change| report::DiffLine {
                address: change.address,
                part: change.selector,
                label: change.label,
                unit: units
                    .get(&change.meter)
                    .copied()
                    .unwrap_or_default()
                    .to_owned(),
                old: change.old.map(|side| report::DiffSide {
                    quantity: side.quantity.map(amount),
                    monthly: side.monthly.map(amount),
                }),
                new: change.new.map(|side| report::DiffSide {
                    quantity: side.quantity.map(amount),
                    monthly: side.monthly.map(amount),
                }),
            })
            .collect(),
    }
}
