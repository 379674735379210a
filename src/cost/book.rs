//! The price book: what AWS asks for each meter in each Region, since when that is known, from whom, and how surely.
//!
//! A Region or partition without a price has none: the answer is `None`, which callers must show as unknown.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use time::{Date, Month};

use super::book_file;
use super::meter::{Class, Meter};
use super::number;
use crate::spec::partition;

const EMBEDDED: &str = include_str!("prices.json");

/// Why a text is no price book, or a discount cannot be given.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BookError {
    #[error("not a price book: {0}")]
    Format(String),
    #[error("price book of version {0}; this program reads version 1")]
    Version(u32),
    #[error("price book in {0}; amounts in other currencies than USD cannot be added up")]
    Currency(String),
    #[error("price of {meter}: {problem}")]
    Price { meter: String, problem: String },
    #[error("no price is of the service `{0}`")]
    UnknownService(String),
    #[error("a discount of {0} percent is not between 0 and 100")]
    Discount(Decimal),
}

/// How surely a price is known.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Assumed or second-hand.
    Low,
    /// One source.
    Medium,
    /// AWS's own price list or page, or two sources that agree.
    High,
}

/// A part of a month's usage with its own price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tier {
    /// Upper bound of the tier in natural units (events, requests, GB); `None` for the last tier.
    pub up_to: Option<Decimal>,
    /// Price of [`Price::per`] natural units, after the discount.
    pub usd: Decimal,
    /// The same before the discount.
    pub list_usd: Decimal,
    /// The book does not know this tier's price; it is billed at the price of the tier before, which is never less.
    pub assumed: bool,
}

/// The price of a meter in a Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Price {
    pub service: String,
    pub usage: String,
    /// A Region, or a pattern such as `commercial:*`.
    pub region: String,
    /// As AWS writes it, e.g. `1000 requests`.
    pub unit: String,
    /// How many events, requests or GB the unit is.
    pub per: Decimal,
    pub tiers: Vec<Tier>,
    /// Year, month or day on which the price was seen; `None` for an undated source.
    pub as_of: Option<String>,
    pub source: Vec<String>,
    pub confidence: Confidence,
    /// Not seen for this Region but taken from elsewhere.
    pub assumed: bool,
    pub usage_type: Option<String>,
    pub note: Option<String>,
    /// Negotiated discount, which [`Tier::usd`] already contains.
    pub discount_percent: Decimal,
}

impl Price {
    /// What a month's usage costs, in natural units: events, requests, GB.
    pub fn cost(&self, quantity: Decimal) -> Decimal {
        let mut below = Decimal::ZERO;
        let mut cost = Decimal::ZERO;
        for tier in &self.tiers {
            let end = tier.up_to.map_or(quantity, |bound| bound.min(quantity));
            let within = number::less(end, below);
            cost = number::add(cost, number::mul(number::div(within, self.per), tier.usd));
            below = end;
        }
        number::money(cost)
    }

    /// Does the price of this usage rest on an assumption?
    pub fn is_assumed_for(&self, quantity: Decimal) -> bool {
        let mut below = Decimal::ZERO;
        self.assumed
            || self.tiers.iter().any(|tier| {
                let reached = quantity > below && tier.assumed;
                below = tier.up_to.unwrap_or(below);
                reached
            })
    }

    /// The price of one natural unit in the first tier that is not free.
    pub fn per_unit(&self) -> Decimal {
        let mut prices = self.tiers.iter().map(|tier| tier.usd);
        let first = prices.find(|usd| !usd.is_zero()).unwrap_or_default();
        number::div(first, self.per)
    }

    /// `$0.0230 per GB-month up to 51,200, $0.0220 up to 512,000, $0.0210 above`.
    pub fn describe(&self) -> String {
        let tier = |tier: &Tier| {
            let usd = format!("${}", tier.usd.normalize());
            match tier.up_to {
                Some(bound) => format!("{usd} up to {}", number::grouped(bound)),
                None if self.tiers.len() > 1 => format!("{usd} above"),
                None => usd,
            }
        };
        let tiers: Vec<String> = self.tiers.iter().map(tier).collect();
        let discount = match self.discount_percent {
            percent if percent.is_zero() => String::new(),
            percent => format!(" after a discount of {} %", percent.normalize()),
        };
        format!("{} per {}{discount}", tiers.join(", "), self.unit)
    }

    /// Prices alike enough to be added up in one line.
    fn is_like(&self, other: &Self) -> bool {
        (&self.tiers, self.per, self.confidence, self.assumed)
            == (&other.tiers, other.per, other.confidence, other.assumed)
    }
}

/// How old the prices are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Age {
    /// The days on which the oldest and the newest dated price were seen; a year or month counts from its first day.
    pub oldest: Option<String>,
    pub newest: Option<String>,
    /// Days since the newest price was seen.
    pub days: Option<i64>,
    /// Prices from undated sources.
    pub undated: usize,
}

/// Number of a price in its book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PriceId(usize);

/// All prices that are known.
#[derive(Clone, Debug)]
pub struct PriceBook {
    prices: Vec<Price>,
    by_meter: HashMap<Meter, Vec<usize>>,
    sources: BTreeMap<String, String>,
}

impl PriceBook {
    /// The prices that this program was built with.
    pub fn embedded() -> Self {
        Self::parse(EMBEDDED).expect("the embedded price book can be read")
    }

    /// Reads a price book, such as `orgtrail prices refresh` writes.
    pub fn parse(text: &str) -> Result<Self, BookError> {
        let (prices, sources) = book_file::read(text)?;
        Ok(Self {
            by_meter: index(&prices),
            prices,
            sources,
        })
    }

    /// The book as [`PriceBook::parse`] reads it. Discounts are not part of it: they would be given twice.
    pub fn to_text(&self) -> String {
        book_file::write(&self.prices, &self.sources)
    }

    /// Puts a newer price in the place of the one for the same service, usage and Region, and names its sources.
    pub fn update(&mut self, prices: Vec<Price>, sources: BTreeMap<String, String>) {
        let key = |price: &Price| {
            (
                price.service.clone(),
                price.usage.clone(),
                price.region.clone(),
            )
        };
        let mut all: BTreeMap<_, Price> = BTreeMap::new();
        for price in self.prices.drain(..).chain(prices) {
            all.insert(key(&price), price);
        }
        self.prices = all.into_values().collect();
        self.by_meter = index(&self.prices);
        self.sources.extend(sources);
    }

    /// The same book with negotiated discounts, in percent by service code.
    pub fn with_discounts(
        mut self,
        percent_by_service: &BTreeMap<String, Decimal>,
    ) -> Result<Self, BookError> {
        for (service, percent) in percent_by_service {
            if percent.is_sign_negative() || *percent > Decimal::ONE_HUNDRED {
                return Err(BookError::Discount(*percent));
            }
            let kept = number::div(Decimal::ONE_HUNDRED - percent, Decimal::ONE_HUNDRED);
            let mut of_service = self.prices.iter_mut().filter(|p| p.service == *service);
            let mut any = false;
            of_service.by_ref().for_each(|price| {
                any = true;
                price.discount_percent = *percent;
                let tiers = price.tiers.iter_mut();
                tiers.for_each(|tier| tier.usd = number::mul(tier.list_usd, kept));
            });
            if !any {
                return Err(BookError::UnknownService(service.clone()));
            }
        }
        Ok(self)
    }

    /// The price of a meter in a Region, if it is known.
    pub fn price(&self, meter: Meter, region: &str) -> Option<&Price> {
        self.find(meter, region)
            .and_then(|index| self.prices.get(index))
    }

    /// What a month's usage costs, in natural units; `None` where no price is known.
    pub fn cost(&self, meter: Meter, region: &str, quantity: Decimal) -> Option<Decimal> {
        Some(self.price(meter, region)?.cost(quantity))
    }

    /// The unit of a meter, and how many natural units it is: the same in every Region.
    pub fn unit(&self, meter: Meter) -> Option<(&str, Decimal)> {
        let first = self.by_meter.get(&meter)?.first()?;
        let price = self.prices.get(*first)?;
        Some((&price.unit, price.per))
    }

    /// Every price, by service and usage.
    pub fn list(&self) -> Vec<&Price> {
        let mut list: Vec<&Price> = self.prices.iter().collect();
        list.sort_by_key(|price| (&price.service, &price.usage, &price.region));
        list
    }

    /// What stands behind the names in [`Price::source`].
    pub fn sources(&self) -> &BTreeMap<String, String> {
        &self.sources
    }

    /// Days from the day, month or year on which a price was seen to a later day.
    pub fn days_since(seen: &str, today: Date) -> Option<i64> {
        Some((today - first_day(seen)?).whole_days())
    }

    /// How old the prices are on a day.
    pub fn age(&self, today: Date) -> Age {
        let dated = self.prices.iter().filter_map(|p| p.as_of.as_deref());
        let dates: Vec<Date> = dated.filter_map(first_day).collect();
        let newest = dates.iter().max();
        Age {
            oldest: dates.iter().min().map(Date::to_string),
            newest: newest.map(Date::to_string),
            days: newest.map(|newest| (today - *newest).whole_days()),
            undated: self.prices.len() - dates.len(),
        }
    }

    pub(super) fn get(&self, id: PriceId) -> Option<&Price> {
        self.prices.get(id.0)
    }

    /// A Region's own price wins over that of its partition.
    fn find(&self, meter: Meter, region: &str) -> Option<usize> {
        let candidates = self.by_meter.get(&meter)?;
        let of = |wanted: &str| {
            let mut indices = candidates.iter().copied();
            indices.find(|index| self.prices.get(*index).is_some_and(|p| p.region == wanted))
        };
        let everywhere = || match partition(region) {
            "aws" => of("commercial:*"),
            other => of(&format!("{other}:*")),
        };
        of(region).or_else(everywhere)
    }

    /// The price's number. Prices that are alike in all that matters for a line have one number, so that Regions with
    /// the same price make one line.
    pub(super) fn id(&self, meter: Meter, region: &str) -> Option<PriceId> {
        let found = self.find(meter, region)?;
        let price = self.prices.get(found)?;
        let mut indices = self.by_meter.get(&meter)?.iter().copied();
        let alike = indices.find(|i| self.prices.get(*i).is_some_and(|p| p.is_like(price)));
        Some(PriceId(alike.unwrap_or(found)))
    }
}

fn index(prices: &[Price]) -> HashMap<Meter, Vec<usize>> {
    let mut by_name: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (index, price) in prices.iter().enumerate() {
        let name = (price.service.as_str(), price.usage.as_str());
        by_name.entry(name).or_default().push(index);
    }
    let meters = Meter::all().into_iter();
    meters
        .filter_map(|meter| {
            let usage = meter.usage();
            let indices = by_name.get(&(meter.service(), usage.as_str()))?;
            Some((meter, indices.clone()))
        })
        .collect()
}

/// The first day of a year, a month, or a day.
fn first_day(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let year = parts.next()?.parse().ok()?;
    let month: u8 = parts.next().map_or(Some(1), |part| part.parse().ok())?;
    let day = parts.next().map_or(Some(1), |part| part.parse().ok())?;
    Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()
}

/// What it costs to hold objects of one size in a storage class for a month, by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// The objects' own bytes, filled up to the least that the class bills.
    pub storage: Decimal,
    /// What archive classes add to each object, at their own rate.
    pub overhead: Decimal,
    /// What archive classes add to each object at the rate of STANDARD.
    pub metadata: Decimal,
}

impl Holding {
    pub fn total(self) -> Decimal {
        number::add(number::add(self.storage, self.overhead), self.metadata)
    }
}

impl PriceBook {
    /// What `objects` of `bytes` each cost per month in a class; `None` where no price is known.
    pub fn holding(&self, class: Class, region: &str, objects: u64, bytes: u64) -> Option<Holding> {
        let gb = |bytes: u64| {
            let all = number::mul(number::whole(objects), number::whole(bytes));
            number::div(all, number::whole(super::meter::GIB))
        };
        let (overhead, metadata) = class.overhead_bytes();
        let cost = |class: Class, bytes: u64| self.cost(Meter::S3Storage(class), region, gb(bytes));
        Some(Holding {
            storage: cost(class, bytes.max(class.minimum_bytes()))?,
            overhead: cost(class, overhead)?,
            metadata: cost(Class::Standard, metadata)?,
        })
    }
}
