//! The file format of a price book.
//!
//! ```json
//! {"version": 1, "currency": "USD", "sources": {"list": "AWS Price List API, 2026-09-11"},
//!  "prices": [{"service": "AmazonS3", "usage": "storage-STANDARD", "unit": "GB-month", "as_of": "2026-09-11",
//!              "confidence": "high", "source": ["list"],
//!              "prices": {"us-east-1": [["51200", "0.023"], ["512000", "0.022"], [null, "0.021"]],
//!                         "eu-west-1": "0.023", "commercial:*": "0.025"}}]}
//! ```
//!
//! A price is one figure, or a list of tiers: upper bound in units (null in the last tier) and figure (null where it is not
//! known). `unit` begins with the number of events or requests that the figure is for: `1000 requests`, `1M events`.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize, Serializer};

use super::book::{BookError, Confidence, Price, Tier};
use super::number;

const VERSION: u32 = 1;

#[derive(Deserialize, Serialize)]
struct File {
    version: u32,
    currency: String,
    #[serde(default)]
    sources: BTreeMap<String, String>,
    prices: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
struct Entry {
    service: String,
    usage: String,
    unit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    confidence: Confidence,
    #[serde(default)]
    source: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    prices: BTreeMap<String, Written>,
}

/// One price for everything, or tiers: pairs of an upper bound in units and a price, either of them null.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Written {
    Tiers(Vec<(Figure, Figure)>),
    Flat(Figure),
}

/// A number, `None` for null.
struct Figure(Option<Decimal>);

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0
            .map(|figure| figure.normalize().to_string())
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number::deserialize_optional(deserializer).map(Self)
    }
}

/// Prices and sources of a price book.
pub fn read(text: &str) -> Result<(Vec<Price>, BTreeMap<String, String>), BookError> {
    let file: File =
        serde_json::from_str(text).map_err(|error| BookError::Format(error.to_string()))?;
    if file.version != VERSION {
        return Err(BookError::Version(file.version));
    }
    if file.currency != "USD" {
        return Err(BookError::Currency(file.currency));
    }
    let mut prices = Vec::new();
    for entry in &file.prices {
        for (region, written) in &entry.prices {
            prices.push(price(entry, region, written)?);
        }
    }
    Ok((prices, file.sources))
}

/// The text that [`read`] reads. Regions of which all but the figure is alike stand together.
pub fn write(prices: &[Price], sources: &BTreeMap<String, String>) -> String {
    let mut entries: Vec<Entry> = Vec::new();
    for price in prices {
        let entry = entry(price);
        let alike = entries.iter_mut().find(|other| other.is_like(&entry));
        match alike {
            Some(other) => other.prices.extend(entry.prices),
            None => entries.push(entry),
        }
    }
    let file = File {
        version: VERSION,
        currency: "USD".to_owned(),
        sources: sources.clone(),
        prices: entries,
    };
    serde_json::to_string_pretty(&file).unwrap_or_default()
}

fn entry(price: &Price) -> Entry {
    let figure = |tier: &Tier| Figure((!tier.assumed).then_some(tier.list_usd));
    let bound = |tier: &Tier| Figure(tier.up_to.map(|bound| number::div(bound, price.per)));
    let written = match price.tiers.as_slice() {
        [only] => Written::Flat(figure(only)),
        tiers => Written::Tiers(
            tiers
                .iter()
                .map(|tier| (bound(tier), figure(tier)))
                .collect(),
        ),
    };
    Entry {
        service: price.service.clone(),
        usage: price.usage.clone(),
        unit: price.unit.clone(),
        usage_type: price.usage_type.clone(),
        as_of: price.as_of.clone(),
        confidence: price.confidence,
        source: price.source.clone(),
        note: price.note.clone(),
        prices: BTreeMap::from([(price.region.clone(), written)]),
    }
}

impl Entry {
    fn is_like(&self, other: &Self) -> bool {
        let header = |entry: &Self| {
            let names = (
                entry.service.clone(),
                entry.usage.clone(),
                entry.unit.clone(),
            );
            (
                names,
                entry.usage_type.clone(),
                entry.as_of.clone(),
                entry.confidence,
                entry.source.clone(),
                entry.note.clone(),
            )
        };
        header(self) == header(other)
    }
}

fn price(entry: &Entry, region: &str, written: &Written) -> Result<Price, BookError> {
    let fail = |problem: &str| BookError::Price {
        meter: format!("{}/{} in {region}", entry.service, entry.usage),
        problem: problem.to_owned(),
    };
    let per = unit_size(&entry.unit).ok_or_else(|| fail("the unit is not understood"))?;
    let tiers = tiers(written, per).map_err(fail)?;
    Ok(Price {
        service: entry.service.clone(),
        usage: entry.usage.clone(),
        region: region.to_owned(),
        unit: entry.unit.clone(),
        per,
        tiers,
        as_of: entry.as_of.clone(),
        source: entry.source.clone(),
        confidence: entry.confidence,
        assumed: entry.confidence == Confidence::Low,
        usage_type: entry.usage_type.clone(),
        note: entry.note.clone(),
        discount_percent: Decimal::ZERO,
    })
}

/// Tiers with bounds in natural units. A tier without a price is billed at the price of the tier before it.
fn tiers(written: &Written, per: Decimal) -> Result<Vec<Tier>, &'static str> {
    let pairs = match written {
        Written::Flat(Figure(usd)) => vec![(None, *usd)],
        Written::Tiers(list) => list.iter().map(|(bound, usd)| (bound.0, usd.0)).collect(),
    };
    let mut tiers: Vec<Tier> = Vec::new();
    for (bound, usd) in pairs {
        let before = tiers.last().map(|tier| tier.usd);
        let priced = usd.or(before).ok_or("the first tier has no price")?;
        if priced.is_sign_negative() {
            return Err("it is negative");
        }
        let up_to = bound.map(|bound| number::mul(bound, per));
        let last = tiers.last().and_then(|tier| tier.up_to);
        if !tiers.is_empty() && (last.is_none() || up_to.is_some_and(|bound| Some(bound) <= last)) {
            return Err("the bounds of the tiers do not rise");
        }
        tiers.push(Tier {
            up_to,
            usd: priced,
            list_usd: priced,
            assumed: usd.is_none(),
        });
    }
    match tiers.last() {
        Some(Tier { up_to: None, .. }) => Ok(tiers),
        _ => Err("the last tier has an upper bound"),
    }
}

/// How many natural units a unit such as `1000 requests`, `1M events` or `GB-month` is.
fn unit_size(unit: &str) -> Option<Decimal> {
    let first = unit.split(' ').next()?;
    let digits: String = first.chars().take_while(char::is_ascii_digit).collect();
    if digits.is_empty() {
        return Some(Decimal::ONE);
    }
    let factor = match first.get(digits.len()..)? {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        _ => return None,
    };
    let size = number::mul(number::parse(&digits)?, Decimal::from(factor));
    (!size.is_zero()).then_some(size)
}
