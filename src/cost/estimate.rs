//! The estimate: what a spec costs a month, line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::Serialize;

use super::book::{Price, PriceBook};
use super::flows::{self, Flows};
use super::ledger::{self, Ledger};
use super::line::{Line, Unknown, Usage};
use super::meter::Meter;
use super::months::{At, Charges, KeyFlow, bill};
use super::number::Range;
use super::tally::{Share, Tally, tally};
use super::trails::{OtherTrail, TrailView, views};
use super::volumes::{Provenance, Volumes};
use crate::spec::Spec;

/// Retention of a common audit rule, in months: what is never deleted is priced at this age.
pub const SEVEN_YEARS: u32 = 84;

/// What an estimate is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A month of the projection, counted from 1. Default: the steady state, or the end of seven years for a bucket
    /// that never deletes.
    pub month: Option<u32>,
}

/// What a spec costs.
#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    pub lines: Vec<Line>,
    /// USD a month, of the lines whose amount is known.
    pub total: Range,
    /// What the total leaves out.
    pub unknown: Vec<Unknown>,
    /// Dates of the oldest and the newest price that was used.
    pub prices_as_of: Option<(String, String)>,
    /// What the amounts rest on.
    pub assumptions: Vec<String>,
    pub ledger: Ledger,
    /// Accounts and Regions of the volumes.
    #[serde(skip)]
    pub(super) places: Vec<(Arc<str>, Arc<str>)>,
    #[serde(skip)]
    pub(super) trails: Vec<TrailView>,
    #[serde(skip)]
    pub(super) flows: Flows,
}

impl Estimate {
    /// Account and Region of [`PlaceCopies::place`](super::PlaceCopies::place).
    pub fn place(&self, index: u32) -> Option<(&str, &str)> {
        let (account, region) = self.places.get(usize::try_from(index).ok()?)?;
        Some((account, region))
    }
}

/// What a spec costs a month with these volumes and prices.
///
/// `others` are trails that the spec does not own but that record the same accounts: they decide whose copy of the
/// management events is the free one. Trails of the spec must not be among them.
pub fn estimate(
    spec: &Spec,
    volumes: &Volumes,
    others: &[OtherTrail],
    book: &PriceBook,
    options: &Options,
) -> Estimate {
    let volumes = &*volumes.aligned();
    let trails = views(spec, others);
    let tally = tally(spec, &trails, volumes, book);
    let mut lines = Writer {
        volumes,
        book,
        trails: &trails,
        tally: &tally,
        by_category: volumes.has_unknown_sources(),
        lines: Vec::new(),
    };
    lines.events();
    lines.gaps();
    let flows = flows::flows(spec, &trails, &tally, volumes);
    lines.deliveries(&flows);
    lines.buckets(&flows, options);
    lines.keys(&flows, options);
    let lines = sorted(lines.lines);
    let ledger = ledger::ledger(&trails, &tally, volumes, book);
    let places = interned(&tally);
    Estimate {
        total: lines.iter().filter_map(|line| line.monthly).sum(),
        unknown: unknown(&lines, &places),
        prices_as_of: as_of(&lines),
        assumptions: assumptions(spec, volumes, &flows, &lines, options),
        lines,
        ledger,
        places,
        trails,
        flows,
    }
}

struct Writer<'a> {
    volumes: &'a Volumes,
    book: &'a PriceBook,
    trails: &'a [TrailView],
    tally: &'a Tally<'a>,
    /// Of some events only the category is known.
    by_category: bool,
    lines: Vec<Line>,
}

impl Writer<'_> {
    /// Recorded events, Insights and aggregation, of the spec's own trails.
    fn events(&mut self) {
        for (key, cell) in &self.tally.cells {
            let Some(view) = self.our_trail(key.trail) else {
                continue;
            };
            let quantity =
                Range::from_cases(cell.counted.map(|events| self.volumes.to_month(events)));
            let usage = self.event_usage(view, key.selector, key.meter);
            let price = key.price.and_then(|id| self.book.get(id));
            let line = Line::new(usage, price, Some(quantity));
            self.push(line, &cell.shares);
        }
    }

    /// Usage without volumes: the unit price is shown, the amount is not.
    fn gaps(&mut self) {
        for ((trail, selector, meter), places) in &self.tally.gaps {
            let Some(view) = self.our_trail(*trail) else {
                continue;
            };
            let region = places
                .first()
                .and_then(|place| self.tally.places.get(*place as usize));
            let price = self
                .book
                .price(*meter, region.map_or(&view.region, |place| place.region));
            let usage = self.event_usage(view, *selector, *meter);
            let line = Line::new(usage, price, None);
            let shares: Vec<Share> = places
                .iter()
                .map(|place| nowhere(*trail, *selector, *place))
                .collect();
            self.push(line, &shares);
        }
    }

    fn push(&mut self, mut line: Line, shares: &[Share]) {
        let places: BTreeSet<u32> = shares.iter().map(|share| share.place).collect();
        line.places = places.len();
        if let (1, Some(place)) = (places.len(), places.first()) {
            let place = self.tally.places.get(*place as usize);
            if let Some(place) = place {
                line = line.at(place.account, place.region);
            }
        }
        self.lines.push(line.with_shares(Arc::new(shares.to_vec())));
    }

    fn our_trail(&self, trail: u16) -> Option<&TrailView> {
        self.trails
            .get(usize::from(trail))
            .filter(|view| view.is_ours())
    }

    fn event_usage(&self, view: &TrailView, selector: u16, meter: Meter) -> Usage {
        let prepared = view.prepared.selectors().get(usize::from(selector));
        let seen = prepared.map(|selector| match self.by_category {
            true => selector.by_category(),
            false => selector.clone(),
        });
        let undecidable = seen.filter(|s| !s.undecidable.is_empty());
        let measured = undecidable
            .as_ref()
            .is_some_and(|s| self.is_measured(view, &s.name));
        let explanation = match &undecidable {
            Some(selector) if !measured => format!(
                "how many events pass `{}` is not in the volumes: between none and all that the selector could record",
                selector.undecidable_fields()
            ),
            _ => explanation(meter).to_owned(),
        };
        let guessed = undecidable.is_some() && !measured;
        Usage {
            address: view.address.clone(),
            selector: prepared.map(|selector| selector.name.clone()),
            meter,
            label: label(meter).to_owned(),
            unit: "events",
            provenance: if guessed {
                Provenance::Assumed
            } else {
                self.volumes.provenance
            },
            explanation,
        }
    }

    fn is_measured(&self, view: &TrailView, selector: &str) -> bool {
        let name = view.name.as_deref().unwrap_or_default();
        let mut regions = self.volumes.accounts.values().flat_map(BTreeMap::values);
        regions.any(|r| {
            r.selectors
                .get(name)
                .is_some_and(|s| s.contains_key(selector))
        })
    }

    /// Notifications and CloudWatch Logs.
    fn deliveries(&mut self, flows: &Flows) {
        for delivery in &flows.deliveries {
            let price = self.book.price(delivery.meter, &delivery.region);
            let usage = Usage {
                address: delivery.address.clone(),
                selector: None,
                meter: delivery.meter,
                label: delivery.label.to_owned(),
                unit: delivery.unit,
                provenance: delivery.provenance,
                explanation: delivery.explanation.to_owned(),
            };
            let line = Line::new(usage, price, delivery.quantity)
                .at(&delivery.account_id, &delivery.region)
                .with_shares(Arc::clone(&delivery.shares));
            self.lines.push(line);
        }
    }

    fn buckets(&mut self, flows: &Flows, options: &Options) {
        for bucket in &flows.buckets {
            let charges = bucket.charges();
            let at = moments(&charges, options);
            for billed in bill(&charges, at, &bucket.region, self.book) {
                let part = billed.part;
                let usage = Usage {
                    address: bucket.address.clone(),
                    selector: None,
                    meter: part.meter(),
                    label: part.label(),
                    unit: part.unit(),
                    provenance: flows.provenance(&bucket.name, part, self.volumes.provenance),
                    explanation: String::new(),
                };
                let price = self.book.price(part.meter(), &bucket.region);
                let line = Line::new(usage, price, Some(billed.quantity))
                    .with_monthly(billed.monthly, &moment(at[1]))
                    .at(&bucket.account_id, &bucket.region)
                    .with_shares(bucket.shares(part));
                self.lines.push(line);
            }
        }
    }

    fn keys(&mut self, flows: &Flows, options: &Options) {
        for key in &flows.keys {
            let at = options.month.map_or(At::Steady, At::Month);
            self.key_line(key, Meter::KmsKey, "KMS key", Decimal::ONE, "");
            let versions = key.rotated_versions(at);
            if !versions.is_zero() {
                let label = "KMS key, versions after rotation";
                let text = "the first two rotations add one each, further ones add none";
                self.key_line(key, Meter::KmsKeyRotation, label, versions, text);
            }
        }
    }

    fn key_line(&mut self, key: &KeyFlow, meter: Meter, label: &str, months: Decimal, text: &str) {
        let usage = Usage {
            address: key.address.clone(),
            selector: None,
            meter,
            label: label.to_owned(),
            unit: "key-months",
            provenance: Provenance::Declared,
            explanation: text.to_owned(),
        };
        let price = self.book.price(meter, &key.region);
        let line = Line::new(usage, price, Some(Range::exactly(months)));
        self.lines.push(line.at(&key.account_id, &key.region));
    }
}

fn nowhere(trail: u16, selector: u16, place: u32) -> Share {
    Share {
        trail,
        selector,
        place,
        weight: 0,
    }
}

/// The month that each of the three cases is billed for.
pub(super) fn moments(charges: &[Charges; 3], options: &Options) -> [At; 3] {
    if let Some(month) = options.month {
        return [At::Month(month.max(1)); 3];
    }
    let steady = charges.iter().map(Charges::steady_month);
    if steady.clone().all(|month| month.is_some()) {
        return [At::Steady; 3];
    }
    let last = steady.flatten().max().unwrap_or(0);
    [At::Month(last.max(SEVEN_YEARS)); 3]
}

fn moment(at: At) -> String {
    match at {
        At::Steady => "once everything that is kept has its full age".to_owned(),
        At::Month(month) => format!("in month {month} of the bucket"),
    }
}

/// The meter for people.
pub fn label(meter: Meter) -> &'static str {
    match meter {
        Meter::ManagementFirstCopy => "management events, first copy",
        Meter::ManagementFurtherCopy => "management events, further copy",
        Meter::DataEvents => "data events",
        Meter::NetworkActivityEvents => "network activity events",
        Meter::InsightsManagement => "Insights on management events",
        Meter::InsightsData => "Insights on data events",
        Meter::DataEventAggregation => "aggregation of data events",
        Meter::LakeIngestLive => "Lake ingestion, CloudTrail events",
        Meter::LakeIngestOther => "Lake ingestion, other sources",
        Meter::LakeIngestSevenYear => "Lake ingestion, seven years",
        Meter::LakeExtendedStorage => "Lake storage",
        Meter::LakeScan => "Lake queries",
        _ => "usage",
    }
}

fn explanation(meter: Meter) -> &'static str {
    match meter {
        Meter::ManagementFirstCopy => "the first copy in each account and Region is free",
        Meter::ManagementFurtherCopy => "another trail records these events as well",
        Meter::InsightsManagement => {
            "writes count for the call rate, reads and writes for the error rate"
        }
        Meter::InsightsData => "every data event counts once for each type of Insights",
        Meter::DataEventAggregation => {
            "AWS does not say whether each template is charged: once at least, once per template at most"
        }
        _ => "",
    }
}

/// By resource in the order of the spec's kinds, known amounts first.
fn sorted(mut lines: Vec<Line>) -> Vec<Line> {
    let kind = |line: &Line| match line.address.split('.').next() {
        Some("trail") => 0,
        Some("bucket") => 1,
        _ => 2,
    };
    lines.sort_by(|a, b| {
        (kind(a), &a.address, a.is_unknown()).cmp(&(kind(b), &b.address, b.is_unknown()))
    });
    lines
}

fn unknown(lines: &[Line], places: &[(Arc<str>, Arc<str>)]) -> Vec<Unknown> {
    let unknown = lines.iter().filter(|line| line.is_unknown());
    let unknown = unknown.map(|line| {
        let first = line
            .shares
            .first()
            .and_then(|share| places.get(share.place as usize));
        let own = line.account.clone().zip(line.region.clone());
        Unknown {
            address: line.address.clone(),
            selector: line.selector.clone(),
            label: line.label.clone(),
            meter: line.meter,
            reason: match (&line.quantity, &line.price) {
                (None, Some(_)) => "the volumes do not say how much".to_owned(),
                (Some(_), _) => "no price is known".to_owned(),
                (None, None) => "neither volume nor price is known".to_owned(),
            },
            unit_price: line.price.as_ref().map(Price::describe),
            places: line.places,
            example: first
                .map(|(account, region)| (account.to_string(), region.to_string()))
                .or(own),
        }
    });
    unknown.collect()
}

fn as_of(lines: &[Line]) -> Option<(String, String)> {
    let dates = lines
        .iter()
        .filter_map(|line| line.price.as_ref()?.as_of.clone());
    let dates: BTreeSet<String> = dates.collect();
    Some((dates.first()?.clone(), dates.last()?.clone()))
}

fn interned(tally: &Tally<'_>) -> Vec<(Arc<str>, Arc<str>)> {
    let mut names: BTreeMap<&str, Arc<str>> = BTreeMap::new();
    let mut intern = |name| Arc::clone(names.entry(name).or_insert_with(|| Arc::from(name)));
    let places = tally.places.iter();
    places
        .map(|place| (intern(place.account), intern(place.region)))
        .collect()
}

fn assumptions(
    spec: &Spec,
    volumes: &Volumes,
    flows: &Flows,
    lines: &[Line],
    options: &Options,
) -> Vec<String> {
    let mut texts = Vec::new();
    if volumes.provenance == Provenance::Assumed {
        let note = volumes.note.as_deref().unwrap_or("assumed");
        texts.push(format!("The volumes are assumed: {note}."));
    }
    if lines.iter().any(|line| line.price_assumed) {
        texts.push("Some prices are assumed; the lines that use them say so.".to_owned());
    }
    for bucket in &flows.buckets {
        let endless = bucket
            .charges()
            .iter()
            .any(|charges| charges.steady_month().is_none());
        if endless && options.month.is_none() {
            texts.push(format!(
                "{} never deletes some of its objects, so its cost grows for ever; the amounts are those at the end of \
                 month {SEVEN_YEARS}.",
                bucket.address
            ));
        }
        if bucket.rules.has_dates() {
            texts.push(format!(
                "{}: lifecycle actions on a date are left out.",
                bucket.address
            ));
        }
    }
    texts.extend(flows.assumptions(spec));
    texts
}
