//! What would save money: first what loses no event, then, apart from it, what does.

use rust_decimal::Decimal;
use serde::Serialize;

use super::book::PriceBook;
use super::breakeven::{TransitionReport, Verdict, transitions};
use super::estimate::Estimate;
use super::ledger::TrailCopies;
use super::line::Line;
use super::meter::Meter;
use super::number::{add, grouped};
use super::recorded::Category;
use super::trails::TrailView;
use crate::spec::{Spec, Trail};

/// Savings. Each is computed by itself: those of one trail or rule do not add up.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Advice {
    /// Every event stays recorded somewhere.
    pub keeps_every_event: Vec<Saving>,
    /// Something is no longer recorded, or no longer to be had.
    pub loses_something: Vec<Saving>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Saving {
    /// Stable name of the rule.
    pub code: &'static str,
    /// What it is about: `trail.org`, `bucket.logs`, or a trail of others.
    pub address: String,
    pub why: String,
    /// What to change, in the spec's own words.
    pub change: String,
    /// Expected USD a month; `None` where a price is unknown.
    pub saves: Option<Decimal>,
    /// What is no longer there afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loses: Option<String>,
}

/// Every saving that the estimate shows, the largest first.
pub fn advise(spec: &Spec, estimate: &Estimate, book: &PriceBook) -> Advice {
    let mut advice = Advice::default();
    let rows = estimate.trails.iter().zip(&estimate.ledger.trails);
    for (view, copies) in rows {
        let trail = view.name.as_ref().and_then(|name| spec.trails.get(name));
        advice
            .keeps_every_event
            .extend(further_copies(view, copies, trail, book));
        if let Some(trail) = trail {
            advice
                .keeps_every_event
                .extend(repeated_selectors(view, copies, trail, estimate));
            advice
                .loses_something
                .extend(reads(view, copies, trail, book));
            advice.loses_something.extend(insights(view, estimate));
            advice
                .loses_something
                .extend(cloud_watch_logs(view, trail, estimate));
        }
    }
    let reports = transitions(spec, estimate, book);
    advice
        .keeps_every_event
        .extend(reports.iter().filter_map(|r| transition(r, spec)));
    advice.keeps_every_event.extend(bucket_keys(spec, estimate));
    for list in [&mut advice.keeps_every_event, &mut advice.loses_something] {
        list.retain(|saving| saving.saves != Some(Decimal::ZERO));
        list.sort_by_key(|saving| std::cmp::Reverse(saving.saves));
    }
    advice
}

fn whole(events: Decimal) -> String {
    grouped(events.round())
}

/// A trail all or part of whose management events are recorded, for free, by a trail before it.
fn further_copies(
    view: &TrailView,
    copies: &TrailCopies,
    trail: Option<&Trail>,
    book: &PriceBook,
) -> Option<Saving> {
    if copies.paid_events.is_zero() {
        return None;
    }
    if copies.free_events.is_zero() {
        let change = match trail {
            None => format!(
                "stop recording management events in trail {} of account {}",
                view.address, view.account_id
            ),
            Some(trail) => without_management(view, trail),
        };
        return Some(Saving {
            code: "management-further-copy",
            address: view.address.clone(),
            why: format!(
                "its {} management events a month are paid copies of what another trail records for free",
                whole(copies.paid_events)
            ),
            change,
            saves: copies.pays,
            loses: None,
        });
    }
    let kms = copies.kms_paid_events;
    let excludable = trail.is_some() && !kms.is_zero() && copies.kms_free_events.is_zero();
    excludable.then(|| Saving {
        code: "management-kms-further-copy",
        address: view.address.clone(),
        why: format!(
            "{} of its paid copies a month are of kms.amazonaws.com, which another trail records",
            whole(kms)
        ),
        change: match trail {
            Some(Trail {
                basic_selectors: Some(_),
                ..
            }) => format!(
                "{}.basic_selectors: add kms.amazonaws.com to ExcludeManagementEventSources",
                view.address
            ),
            _ => format!(
                "{}.selectors: add `exclude: [kms.amazonaws.com]` to the management selector",
                view.address
            ),
        },
        saves: book.cost(Meter::ManagementFurtherCopy, &view.region, kms),
        loses: None,
    })
}

fn without_management(view: &TrailView, trail: &Trail) -> String {
    let selectors = view.prepared.selectors();
    let management = selectors.iter().filter(|s| s.wants(Category::Management));
    let names: Vec<String> = management.map(|s| format!("`{}`", s.name)).collect();
    if names.len() == selectors.len() {
        format!("remove `{}`: it records nothing else", view.address)
    } else if trail.basic_selectors.is_some() {
        format!(
            "{}.basic_selectors: set IncludeManagementEvents to false",
            view.address
        )
    } else {
        format!("{}.selectors: remove {}", view.address, names.join(", "))
    }
}

/// Data events are charged in every trail that records them.
fn repeated_selectors(
    view: &TrailView,
    copies: &TrailCopies,
    trail: &Trail,
    estimate: &Estimate,
) -> Vec<Saving> {
    let selectors = view.prepared.selectors().iter().zip(&copies.data);
    let repeated =
        selectors.filter(|(_, data)| !data.events.is_zero() && data.again == data.events);
    let savings = repeated.map(|(selector, data)| Saving {
        code: "data-recorded-twice",
        address: view.address.clone(),
        why: format!(
            "its {} data events a month are recorded by another trail as well, and charged in both",
            whole(data.events)
        ),
        change: if trail.basic_selectors.is_some() {
            format!(
                "{}.basic_selectors: remove the data resources of {}",
                view.address, selector.name
            )
        } else {
            format!("{}.selectors: remove `{}`", view.address, selector.name)
        },
        saves: line_of(estimate, view, Some(&selector.name), Meter::DataEvents),
        loses: None,
    });
    savings.collect()
}

fn line_of(
    estimate: &Estimate,
    view: &TrailView,
    selector: Option<&String>,
    meter: Meter,
) -> Option<Decimal> {
    let is_it = |line: &&Line| {
        line.address == view.address && line.meter == meter && line.selector.as_ref() == selector
    };
    let mut lines = estimate.lines.iter().filter(is_it);
    lines.try_fold(Decimal::ZERO, |sum, line| {
        sum.checked_add(line.monthly?.expected)
    })
}

fn reads(view: &TrailView, copies: &TrailCopies, trail: &Trail, book: &PriceBook) -> Vec<Saving> {
    if trail.selectors.is_none() {
        return Vec::new();
    }
    let selectors = view.prepared.selectors().iter().zip(&copies.data);
    let both = selectors.filter(|(_, data)| !data.reads.is_zero() && data.reads < data.events);
    let savings = both.map(|(selector, data)| Saving {
        code: "data-reads",
        address: view.address.clone(),
        why: format!(
            "{} of its {} data events a month are reads",
            whole(data.reads),
            whole(data.events)
        ),
        change: format!(
            "{}.selectors: add `read_only: false` to `{}`",
            view.address, selector.name
        ),
        saves: book.cost(Meter::DataEvents, &view.region, data.reads),
        loses: Some(format!("the reads: {} events a month", whole(data.reads))),
    });
    savings.collect()
}

fn insights(view: &TrailView, estimate: &Estimate) -> Vec<Saving> {
    let meters = [
        (Meter::InsightsManagement, "Management"),
        (Meter::InsightsData, "Data"),
    ];
    let savings = meters.into_iter().filter_map(|(meter, category)| {
        let saves = line_of(estimate, view, None, meter)?;
        (!saves.is_zero()).then(|| Saving {
            code: "insights",
            address: view.address.clone(),
            why: "Insights are charged for every event that they look at".to_owned(),
            change: format!(
                "{}.insights: remove {category} from every type",
                view.address
            ),
            saves: Some(saves),
            loses: Some(
                "Insights events, which report unusual activity; the events themselves stay"
                    .to_owned(),
            ),
        })
    });
    savings.collect()
}

fn cloud_watch_logs(view: &TrailView, trail: &Trail, estimate: &Estimate) -> Option<Saving> {
    trail.cloud_watch_logs.as_ref()?;
    Some(Saving {
        code: "cloudwatch-logs",
        address: view.address.clone(),
        why: "CloudWatch Logs takes the events uncompressed, at many times the price of the bucket"
            .to_owned(),
        change: format!(
            "{}: remove `cloud_watch_logs`; Athena reads the same events from the bucket",
            view.address
        ),
        saves: line_of(estimate, view, None, Meter::LogsIngestion),
        loses: Some(
            "metric filters, alarms and live search; every event stays in the bucket".to_owned(),
        ),
    })
}

fn transition(report: &TransitionReport, spec: &Spec) -> Option<Saving> {
    let costs = report.saves.map(|saves| -saves);
    let why = match report.verdict {
        Verdict::Pays | Verdict::Unknown => return None,
        Verdict::MovesNothing => format!(
            "rule `{}` moves nothing to {}: files are too small, or expire first",
            report.rule, report.class
        ),
        Verdict::CostsMore => format!(
            "rule `{}` costs more than it saves: files are too small for {}{}",
            report.rule,
            report.class,
            report.pays_from_bytes.map_or(String::new(), |bytes| {
                format!(", which pays from {} bytes", whole(bytes.ceil()))
            })
        ),
    };
    let place = format!("{}.lifecycle, rule `{}`", report.address, report.rule);
    let (change, saves) = match &report.instead {
        Some((written, saves)) => (
            format!("{place}: write the transition as `{written}`"),
            costs.map(|costs| add(costs, *saves)),
        ),
        None => (
            format!("{place}: remove the transition to {}", report.class),
            costs,
        ),
    };
    let name = report.address.strip_prefix("bucket.").unwrap_or_default();
    spec.buckets.contains_key(name).then(|| Saving {
        code: "transition",
        address: report.address.clone(),
        why,
        change,
        saves,
        loses: None,
    })
}

/// Only what AWS may charge at most is saved, so the expected saving is nothing; the high one is told.
fn bucket_keys(spec: &Spec, estimate: &Estimate) -> Vec<Saving> {
    let without = spec.buckets.iter().filter(|(_, bucket)| !bucket.bucket_key);
    let savings = without.filter_map(|(name, _)| {
        let trails = spec
            .trails
            .iter()
            .filter(|(_, trail)| trail.bucket == *name);
        let addresses: Vec<String> = trails.map(|(trail, _)| format!("trail.{trail}")).collect();
        let lines = estimate
            .lines
            .iter()
            .filter(|line| line.meter == Meter::KmsRequests && addresses.contains(&line.address));
        let most = lines
            .filter_map(|line| line.monthly)
            .map(|range| range.high)
            .fold(Decimal::ZERO, add);
        (!most.is_zero()).then(|| Saving {
            code: "bucket-key",
            address: format!("bucket.{name}"),
            why: format!(
                "without an S3 Bucket Key every file is a request to KMS: up to ${} a month",
                grouped(most.round_dp(2))
            ),
            change: format!("bucket.{name}: remove `bucket_key: false`"),
            saves: None,
            loses: None,
        })
    });
    savings.collect()
}
