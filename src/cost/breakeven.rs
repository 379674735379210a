//! Does a transition pay? The size and the age from which a colder storage class is cheaper than STANDARD.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>

use rust_decimal::Decimal;
use serde::Serialize;

use super::book::PriceBook;
use super::estimate::{Estimate, Options, SEVEN_YEARS, moments};
use super::fate::Rules;
use super::meter::{Class, GIB, Meter};
use super::months::{At, BucketFlow, Cohort, Part, bill};
use super::number::{add, div, less, mul, signed_difference, whole};
use super::volumes::MONTH_HOURS;
use crate::lifecycle::{LifecycleRule, Transition};
use crate::spec::Spec;
use crate::spec::types::Bucket;

/// Bytes that an object must have for a move from STANDARD to pay within `months` in the class, the transition request
/// included; without `months`, what it must have to save anything at all. `None` where prices are unknown, where the
/// class is not cheaper, and for INTELLIGENT_TIERING, which has no such size.
pub fn break_even_bytes(
    book: &PriceBook,
    region: &str,
    class: Class,
    months: Option<Decimal>,
) -> Option<Decimal> {
    if matches!(class, Class::Standard | Class::IntelligentTiering) {
        return None;
    }
    let rates = Rates::of(book, region, class)?;
    let request = match months {
        Some(months) if months.is_zero() => return None,
        Some(months) => div(rates.request, months),
        None => Decimal::ZERO,
    };
    let (overhead, metadata) = class.overhead_bytes();
    // Each object costs this much a month in the class, whatever its size.
    let fixed = add(
        mul(whole(overhead), rates.class),
        mul(whole(metadata), rates.standard),
    );
    let fixed = add(fixed, request);
    let least = whole(class.minimum_bytes());
    // Below the least that is billed, the object costs as much as one of that size.
    let small = div(add(mul(least, rates.class), fixed), rates.standard);
    if small <= least {
        return Some(small);
    }
    let gain = less(rates.standard, rates.class);
    (!gain.is_zero()).then(|| div(fixed, gain))
}

/// Months in the class after which a move from STANDARD has paid for an object of this size; `None` where prices are
/// unknown, or it never does.
pub fn break_even_months(
    book: &PriceBook,
    region: &str,
    class: Class,
    bytes: u64,
) -> Option<Decimal> {
    if matches!(class, Class::Standard | Class::IntelligentTiering) {
        return None;
    }
    let rates = Rates::of(book, region, class)?;
    let (overhead, metadata) = class.overhead_bytes();
    let billed = bytes.max(class.minimum_bytes()).saturating_add(overhead);
    let there = add(
        mul(whole(billed), rates.class),
        mul(whole(metadata), rates.standard),
    );
    let saving = less(mul(whole(bytes), rates.standard), there);
    (!saving.is_zero()).then(|| div(rates.request, saving))
}

/// USD per byte and month, and per transition.
struct Rates {
    standard: Decimal,
    class: Decimal,
    request: Decimal,
}

impl Rates {
    fn of(book: &PriceBook, region: &str, class: Class) -> Option<Self> {
        let rate = |class| {
            let price = book.price(Meter::S3Storage(class), region)?;
            Some(div(price.per_unit(), whole(GIB)))
        };
        Some(Self {
            standard: rate(Class::Standard)?,
            class: rate(class)?,
            request: book.price(Meter::S3Transition(class), region)?.per_unit(),
        })
    }
}

/// What a transition of a lifecycle rule does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TransitionReport {
    /// `bucket.logs`
    pub address: String,
    pub rule: String,
    pub days: u32,
    pub class: Class,
    /// Objects that it moves, of those that arrive in a month.
    pub moves: Decimal,
    pub of: Decimal,
    /// USD a month that it saves in the long run; negative when it costs more. `None` where prices are unknown.
    pub saves: Option<Decimal>,
    /// Bytes from which it pays, for the time that objects stay in the class.
    pub pays_from_bytes: Option<Decimal>,
    /// Months in the class after which it has paid for an object of the mean size; `None` where it never does.
    pub pays_after_months: Option<Decimal>,
    pub verdict: Verdict,
    /// The transition to write instead, and what that saves a month; without it, leave the transition out.
    pub instead: Option<(String, Decimal)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Pays,
    /// Every object is too small, or expires first.
    MovesNothing,
    CostsMore,
    Unknown,
}

/// Every transition of every bucket's rules, and whether it pays.
pub fn transitions(spec: &Spec, estimate: &Estimate, book: &PriceBook) -> Vec<TransitionReport> {
    let mut reports = Vec::new();
    for flow in &estimate.flows.buckets {
        let Some(bucket) = spec.buckets.get(&flow.name) else {
            continue;
        };
        let judge = Judge { bucket, flow, book };
        for (rule, written) in bucket.lifecycle.iter().enumerate() {
            let transitions = written.transitions.iter().enumerate();
            let reported = transitions.filter_map(|(index, t)| judge.report(rule, index, t));
            reports.extend(reported.filter(|_| written.enabled));
        }
    }
    reports
}

struct Judge<'a> {
    bucket: &'a Bucket,
    flow: &'a BucketFlow,
    book: &'a PriceBook,
}

impl Judge<'_> {
    fn report(
        &self,
        rule: usize,
        index: usize,
        transition: &Transition,
    ) -> Option<TransitionReport> {
        let (days, class) = (transition.days?, Class::of(&transition.storage_class)?);
        let with = self.bucket.lifecycle.clone();
        let without = self.changed(rule, |rule| {
            rule.transitions.remove(index);
        });
        let (moves, of) = (self.moved(&with, class), self.arriving());
        let moves = less(moves, self.moved(&without, class));
        let costs = self.monthly(&with);
        let costs_without = self.monthly(&without);
        let saves = costs
            .zip(costs_without)
            .map(|(with, without)| signed_difference(without, with));
        let verdict = match saves {
            _ if moves.is_zero() => Verdict::MovesNothing,
            None => Verdict::Unknown,
            Some(saves) if saves.is_sign_negative() => Verdict::CostsMore,
            Some(_) => Verdict::Pays,
        };
        let pays_from_bytes = self.pays_from(&with, class, days);
        let instead = match (verdict, pays_from_bytes) {
            (Verdict::Pays | Verdict::Unknown, _) | (_, None) => None,
            (_, Some(bytes)) => self.instead(rule, index, bytes, costs_without),
        };
        Some(TransitionReport {
            address: self.flow.address.clone(),
            rule: self.bucket.lifecycle.get(rule)?.id.clone(),
            days,
            class,
            moves,
            of,
            saves,
            pays_from_bytes,
            pays_after_months: self
                .mean_size(&with, class)
                .and_then(|bytes| break_even_months(self.book, &self.flow.region, class, bytes)),
            verdict,
            instead,
        })
    }

    fn changed(&self, rule: usize, change: impl FnOnce(&mut LifecycleRule)) -> Vec<LifecycleRule> {
        let mut rules = self.bucket.lifecycle.clone();
        if let Some(rule) = rules.get_mut(rule) {
            change(rule);
        }
        rules
    }

    fn under(&self, lifecycle: &[LifecycleRule]) -> Rules {
        Rules::new(self.bucket, lifecycle, self.flow.prefixes.clone())
    }

    /// Expected USD a month under these rules; `None` when some price is unknown.
    fn monthly(&self, lifecycle: &[LifecycleRule]) -> Option<Decimal> {
        let charges = self.flow.charges_under(&self.under(lifecycle));
        let at = moments(&charges, &Options::default());
        let mut bill = bill(&charges, at, &self.flow.region, self.book).into_iter();
        bill.try_fold(Decimal::ZERO, |sum, billed| {
            Some(add(sum, billed.monthly?.expected))
        })
    }

    fn moved(&self, lifecycle: &[LifecycleRule], class: Class) -> Decimal {
        let [_, expected, _] = self.flow.charges_under(&self.under(lifecycle));
        let usage = expected.usage(At::Steady);
        usage
            .get(&Part::Transition(class))
            .copied()
            .unwrap_or_default()
    }

    /// Mean size of the objects that get into the class; of all of them if none does.
    fn mean_size(&self, lifecycle: &[LifecycleRule], class: Class) -> Option<u64> {
        let rules = self.under(lifecycle);
        let [_, cohorts, _] = &self.flow.cohorts;
        let moves = |cohort: &&Cohort| {
            let stays = rules.fate(cohort.prefixes, cohort.size());
            stays.iter().any(|stay| stay.class == class)
        };
        let moved: Vec<&Cohort> = cohorts.iter().filter(moves).collect();
        let cohorts = if moved.is_empty() {
            cohorts.iter().collect()
        } else {
            moved
        };
        let sum = |of: fn(&Cohort) -> Decimal| {
            cohorts
                .iter()
                .fold(Decimal::ZERO, |sum, cohort| add(sum, of(cohort)))
        };
        let mean = div(sum(|cohort| cohort.bytes), sum(|cohort| cohort.objects));
        u64::try_from(mean.floor()).ok()
    }

    /// Objects that arrive in a month.
    fn arriving(&self) -> Decimal {
        let [_, cohorts, _] = &self.flow.cohorts;
        cohorts
            .iter()
            .fold(Decimal::ZERO, |sum, cohort| add(sum, cohort.objects))
    }

    /// The size from which the move pays within the time that large objects stay in the class.
    fn pays_from(&self, lifecycle: &[LifecycleRule], class: Class, days: u32) -> Option<Decimal> {
        let prefixes = self.flow.cohorts[1].first()?.prefixes;
        let stays = self.under(lifecycle).fate(prefixes, GIB);
        let stay = stays.iter().find(|stay| stay.class == class);
        let until = stay.and_then(|stay| stay.to);
        let months = match until {
            Some(until) => {
                let hours = u64::from(until.saturating_sub(days)) * 24;
                div(whole(hours), whole(MONTH_HOURS))
            }
            None => Decimal::from(SEVEN_YEARS),
        };
        break_even_bytes(self.book, &self.flow.region, class, Some(months))
    }

    /// The same transition for objects that are large enough, if that saves anything.
    fn instead(
        &self,
        rule: usize,
        index: usize,
        bytes: Decimal,
        costs_without: Option<Decimal>,
    ) -> Option<(String, Decimal)> {
        let bytes = u64::try_from(bytes.ceil()).ok()?;
        let mut written = None;
        let changed = self.changed(rule, |rule| {
            if let Some(transition) = rule.transitions.get_mut(index) {
                transition.object_size_greater_than = Some(bytes);
                written = Some(transition.clone());
            }
        });
        let saves = signed_difference(costs_without?, self.monthly(&changed)?);
        let written = written?;
        let text = format!(
            "{{ days: {}, storage_class: {}, object_size_greater_than: {bytes} }}",
            written.days?,
            written.storage_class.as_str()
        );
        (saves > Decimal::ZERO).then_some((text, saves))
    }
}
