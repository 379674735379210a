//! What a bucket and a key cost in a month: the first, the second, … and the one after which nothing changes any more.
//!
//! Objects arrive evenly. A month has 730 hours, a day 24, so everything is counted in whole hours and divided once.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::Serialize;

use super::book::PriceBook;
use super::fate::{Rules, SMALL, Stay};
use super::meter::{Class, GIB, Meter};
use super::number::{self, Range, add, div, less, mul, whole};
use super::tally::Share;
use super::volumes::MONTH_HOURS;

const DAY_HOURS: u64 = 24;
/// Days without access after which Intelligent-Tiering moves an object on. Nobody is assumed to read old log files.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intelligent-tiering-overview.html>
const TIERING_INFREQUENT: u32 = 30;
const TIERING_ARCHIVE_INSTANT: u32 = 90;

/// A part of a bucket's bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    PutLogs,
    PutDigests,
    Storage(Class),
    TieringInfrequent,
    TieringArchiveInstant,
    TieringMonitoring,
    /// 8 KB per archived object, at the rate of STANDARD.
    ArchiveMetadata,
    Transition(Class),
    EarlyDelete(Class),
}

impl Part {
    pub fn meter(self) -> Meter {
        match self {
            Self::PutLogs | Self::PutDigests => Meter::S3Put(Class::Standard),
            Self::Storage(class) | Self::EarlyDelete(class) => Meter::S3Storage(class),
            Self::TieringInfrequent => Meter::S3TieringInfrequent,
            Self::TieringArchiveInstant => Meter::S3TieringArchiveInstant,
            Self::TieringMonitoring => Meter::S3TieringMonitoring,
            Self::ArchiveMetadata => Meter::S3Storage(Class::Standard),
            Self::Transition(class) => Meter::S3Transition(class),
        }
    }

    pub fn label(self) -> String {
        match self {
            Self::PutLogs => "delivery of log files".to_owned(),
            Self::PutDigests => "delivery of digests".to_owned(),
            Self::Storage(class) => format!("storage in {class}"),
            Self::TieringInfrequent => {
                "storage in INTELLIGENT_TIERING, infrequent access".to_owned()
            }
            Self::TieringArchiveInstant => {
                "storage in INTELLIGENT_TIERING, archive instant access".to_owned()
            }
            Self::TieringMonitoring => "monitoring of INTELLIGENT_TIERING".to_owned(),
            Self::ArchiveMetadata => "metadata of archived objects, 8 KB each".to_owned(),
            Self::Transition(class) => format!("transitions to {class}"),
            Self::EarlyDelete(class) => format!("early deletion from {class}"),
        }
    }

    pub fn unit(self) -> &'static str {
        match self {
            Self::PutLogs | Self::PutDigests | Self::Transition(_) => "requests",
            Self::TieringMonitoring => "objects",
            _ => "GB-months",
        }
    }
}

/// Objects of about one size that arrive in a month of 730 hours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cohort {
    /// Bits of the lifecycle prefixes that the keys have.
    pub prefixes: u64,
    pub objects: Decimal,
    pub bytes: Decimal,
    pub digests: bool,
}

impl Cohort {
    /// Mean size in bytes.
    pub fn size(&self) -> u64 {
        let size = div(self.bytes, self.objects).floor();
        u64::try_from(size).unwrap_or(u64::MAX)
    }
}

/// Everything that is delivered to a bucket, and its rules.
#[derive(Clone, Debug)]
pub struct BucketFlow {
    /// `bucket.logs`
    pub address: String,
    pub name: String,
    pub account_id: String,
    pub region: String,
    pub rules: Rules,
    /// The distinct prefixes of the rules, whose bits the cohorts have.
    pub prefixes: Vec<String>,
    /// For each of the three cases.
    pub cohorts: [Vec<Cohort>; 3],
    pub by_bytes: Arc<Vec<Share>>,
    pub by_files: Arc<Vec<Share>>,
    pub by_digests: Arc<Vec<Share>>,
}

/// A month of the projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The n-th month, counted from 1.
    Month(u32),
    /// Any month after everything that is kept has its full age.
    Steady,
}

/// Something that is billed because of one cohort.
#[derive(Clone, Copy, Debug)]
enum Charge {
    /// By the hour, between two ages of the objects; the quantity is that of one month's arrivals for one month.
    Rent {
        part: Part,
        quantity: Decimal,
        from: u64,
        to: Option<u64>,
    },
    /// Once, at an age of the objects; the quantity is that of one month's arrivals.
    Once {
        part: Part,
        quantity: Decimal,
        at: u64,
    },
}

/// The charges of a bucket in one case, ready to be asked for months.
#[derive(Clone, Debug, Default)]
pub struct Charges(Vec<Charge>);

/// Natural units by part.
pub type Usage = BTreeMap<Part, Decimal>;

impl BucketFlow {
    /// The charges of the three cases.
    pub fn charges(&self) -> [Charges; 3] {
        self.charges_under(&self.rules)
    }

    /// The charges if the bucket had other rules.
    pub fn charges_under(&self, rules: &Rules) -> [Charges; 3] {
        [0, 1, 2].map(|case| {
            let mut charges = Charges::default();
            let cohorts = self.cohorts.get(case).into_iter().flatten();
            cohorts.for_each(|cohort| charges.add_cohort(cohort, rules));
            charges
        })
    }
}

impl Charges {
    fn add_cohort(&mut self, cohort: &Cohort, rules: &Rules) {
        if cohort.objects.is_zero() {
            return;
        }
        let put = if cohort.digests {
            Part::PutDigests
        } else {
            Part::PutLogs
        };
        self.once(put, cohort.objects, 0);
        let stays = rules.fate(cohort.prefixes, cohort.size());
        for (index, stay) in stays.iter().enumerate() {
            if index > 0 || stay.class != Class::Standard {
                self.once(Part::Transition(stay.class), cohort.objects, stay.from);
            }
            self.add_stay(cohort, *stay);
        }
    }

    fn add_stay(&mut self, cohort: &Cohort, stay: Stay) {
        if stay.class == Class::IntelligentTiering {
            return self.add_tiering(cohort, stay);
        }
        let (overhead, metadata) = stay.class.overhead_bytes();
        let least = mul(cohort.objects, whole(stay.class.minimum_bytes()));
        let billed = add(
            cohort.bytes.max(least),
            mul(cohort.objects, whole(overhead)),
        );
        let billed = gigabytes(billed);
        self.rent(Part::Storage(stay.class), billed, stay.from, stay.to);
        if metadata > 0 {
            let metadata = gigabytes(mul(cohort.objects, whole(metadata)));
            self.rent(Part::ArchiveMetadata, metadata, stay.from, stay.to);
        }
        // Whoever leaves early pays for the rest of the minimum duration at once.
        if let Some(to) = stay.to {
            let rest = stay.class.early_delete_days(to - stay.from);
            if rest > 0 {
                let months = div(whole(u64::from(rest) * DAY_HOURS), whole(MONTH_HOURS));
                self.once(Part::EarlyDelete(stay.class), mul(billed, months), to);
            }
        }
    }

    /// Objects under 128 KB are neither moved between the tiers nor monitored.
    fn add_tiering(&mut self, cohort: &Cohort, stay: Stay) {
        let frequent = Part::Storage(Class::IntelligentTiering);
        let billed = gigabytes(cohort.bytes);
        if cohort.size() < SMALL {
            return self.rent(frequent, billed, stay.from, stay.to);
        }
        self.rent(Part::TieringMonitoring, cohort.objects, stay.from, stay.to);
        let bounds = [0, TIERING_INFREQUENT, TIERING_ARCHIVE_INSTANT];
        let bounds = bounds.map(|days| stay.from.saturating_add(days));
        let parts = [
            frequent,
            Part::TieringInfrequent,
            Part::TieringArchiveInstant,
        ];
        for (index, part) in parts.into_iter().enumerate() {
            let next = bounds.get(index + 1).copied();
            let to = [next, stay.to].into_iter().flatten().min();
            if to.is_none_or(|to| to > bounds[index]) {
                self.rent(part, billed, bounds[index], to);
            }
        }
    }

    fn rent(&mut self, part: Part, quantity: Decimal, from: u32, to: Option<u32>) {
        self.0.push(Charge::Rent {
            part,
            quantity,
            from: hours(from),
            to: to.map(hours),
        });
    }

    fn once(&mut self, part: Part, quantity: Decimal, at: u32) {
        let at = hours(at);
        self.0.push(Charge::Once { part, quantity, at });
    }

    /// The first month in which nothing changes any more; `None` if something is kept for ever.
    pub fn steady_month(&self) -> Option<u32> {
        let mut last = 0;
        for charge in &self.0 {
            last = last.max(match charge {
                Charge::Rent { to, .. } => (*to)?,
                Charge::Once { at, .. } => *at,
            });
        }
        u32::try_from(last.div_ceil(MONTH_HOURS) + 1).ok()
    }

    /// What is billed in a month. Of what is kept for ever there is no steady state; it counts for nothing there.
    pub fn usage(&self, at: At) -> Usage {
        let mut usage = Usage::new();
        for charge in &self.0 {
            let (part, quantity) = match charge {
                Charge::Rent {
                    part,
                    quantity,
                    from,
                    to,
                } => (part, mul(*quantity, months_held(at, *from, *to))),
                Charge::Once {
                    part,
                    quantity,
                    at: age,
                } => (part, mul(*quantity, share_reaching(at, *age))),
            };
            let sum = usage.entry(*part).or_default();
            *sum = add(*sum, quantity);
        }
        usage.retain(|_, quantity| !quantity.is_zero());
        usage
    }
}

fn hours(days: u32) -> u64 {
    u64::from(days) * DAY_HOURS
}

fn gigabytes(bytes: Decimal) -> Decimal {
    div(bytes, whole(GIB))
}

/// How many months' arrivals are between two ages, on average over a month.
///
/// Arrivals of `t` hours hold `max(0, min(t, to) - from)` hours' worth; the mean over the month is the difference of
/// the integral at its ends, divided by its length. In the steady state it is the time between the two ages.
fn months_held(at: At, from: u64, to: Option<u64>) -> Decimal {
    let hours = match at {
        At::Steady => to.map_or(Decimal::ZERO, |to| whole(to.saturating_sub(from))),
        At::Month(month) => {
            let end = u64::from(month).saturating_mul(MONTH_HOURS);
            let start = end.saturating_sub(MONTH_HOURS);
            let length = to.map(|to| to.saturating_sub(from));
            let integral = |time: u64| twice_integral(time.saturating_sub(from), length);
            let difference = integral(end).saturating_sub(integral(start));
            div(number::count(difference), whole(2 * MONTH_HOURS))
        }
    };
    div(hours, whole(MONTH_HOURS))
}

/// Twice the integral of `min(t, length)` from 0 to `time`.
fn twice_integral(time: u64, length: Option<u64>) -> u128 {
    let time = u128::from(time);
    match length.map(u128::from) {
        Some(length) if time > length => length * length + 2 * length * (time - length),
        _ => time * time,
    }
}

/// The share of a month's arrivals that reaches an age within a month.
fn share_reaching(at: At, age: u64) -> Decimal {
    match at {
        At::Steady => Decimal::ONE,
        At::Month(month) => {
            let end = u64::from(month).saturating_mul(MONTH_HOURS);
            let within = end.saturating_sub(age).min(MONTH_HOURS);
            div(whole(within), whole(MONTH_HOURS))
        }
    }
}

/// A part of a bucket's bill in a month.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Billed {
    pub part: Part,
    pub quantity: Range,
    /// `None` where no price is known.
    pub monthly: Option<Range>,
}

/// The bill of a bucket in a month.
pub fn bill(charges: &[Charges; 3], at: [At; 3], region: &str, book: &PriceBook) -> Vec<Billed> {
    let usages = [0, 1, 2].map(|case| charges[case].usage(at[case]));
    let parts: std::collections::BTreeSet<Part> =
        usages.iter().flat_map(BTreeMap::keys).copied().collect();
    let quantity = |part: Part| {
        let of = |usage: &Usage| usage.get(&part).copied().unwrap_or_default();
        Range::from_cases([of(&usages[0]), of(&usages[1]), of(&usages[2])])
    };
    let bill = parts.into_iter().map(|part| {
        let price = book.price(part.meter(), region);
        let billed = quantity(part);
        // Metadata adds to what is in STANDARD, so it is in the tiers above it.
        let below = match part {
            Part::ArchiveMetadata => quantity(Part::Storage(Class::Standard)),
            _ => Range::ZERO,
        };
        let monthly = price.map(|price| {
            let upto = below + billed;
            upto.zip(below, |upto, below| {
                less(price.cost(upto), price.cost(below))
            })
        });
        Billed {
            part,
            quantity: ordered(billed),
            monthly: monthly.map(ordered),
        }
    });
    bill.collect()
}

/// Fewer but larger files may be billed more in one part than more but smaller ones, which a rule may not move. So the
/// cases of a part are put in order.
fn ordered(range: Range) -> Range {
    let mut cases = range.cases();
    cases.sort();
    Range::from_cases([cases[0], range.expected, cases[2]])
}

/// A KMS key of the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFlow {
    /// `key.trail`
    pub address: String,
    pub account_id: String,
    pub region: String,
    /// 0: never.
    pub rotation_days: u32,
}

impl KeyFlow {
    /// Key versions beyond the first that are billed: one after the first rotation, one more after the second, then no
    /// more. <https://aws.amazon.com/kms/pricing/>
    pub fn rotated_versions(&self, at: At) -> Decimal {
        if self.rotation_days == 0 {
            return Decimal::ZERO;
        }
        let rotation = |nth: u64| share_reaching(at, nth * hours(self.rotation_days));
        add(rotation(1), rotation(2))
    }

    pub fn steady_month(&self) -> u32 {
        let hours = 2 * hours(self.rotation_days);
        u32::try_from(hours.div_ceil(MONTH_HOURS) + 1).unwrap_or(u32::MAX)
    }
}

/// A month of the projection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Month {
    /// Counted from 1.
    pub month: u32,
    /// What is the same in every month: events, Insights, notifications, CloudWatch Logs.
    pub recording: Range,
    pub lines: Vec<MonthLine>,
    pub total: Range,
}

/// What changes from month to month.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MonthLine {
    /// `bucket.logs`, `key.trail`
    pub address: String,
    pub label: String,
    pub meter: Meter,
    pub quantity: Range,
    pub monthly: Range,
}
