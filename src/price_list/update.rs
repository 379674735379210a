//! A price book with the prices of a list in the place of older ones.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use time::Date;

use super::product::Product;
use crate::cost::usage_types::{is_named, meters, pattern};
use crate::cost::{Confidence, Meter, Price, PriceBook, Tier};

/// Name of the source of refreshed prices.
pub const SOURCE: &str = "AWS Price List API";

/// What a refresh did.
#[derive(Clone, Debug)]
pub struct Refreshed {
    pub book: PriceBook,
    /// Prices that the list gave.
    pub prices: usize,
    pub changes: Vec<Change>,
    /// Meters that the list was asked for and did not give, and where.
    pub unanswered: BTreeMap<Meter, Vec<String>>,
    /// Meters of which it is not known what AWS's list calls them.
    pub unnamed: Vec<Meter>,
    /// Meters that the list gives several prices for; none of them was taken.
    pub ambiguous: Vec<String>,
}

/// A price that differs from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub meter: Meter,
    pub region: String,
    /// `None`: there was no price.
    pub old: Option<String>,
    pub new: String,
}

/// Puts the prices of a list into a book. `asked` are the service codes of the book and the Regions that were asked for.
pub fn refresh(
    mut book: PriceBook,
    products: &[Product],
    asked: &BTreeSet<(String, String)>,
    today: Date,
) -> Refreshed {
    let found = by_meter(products);
    let mut prices = Vec::new();
    let mut changes = Vec::new();
    let mut ambiguous = Vec::new();
    for ((meter, region), products) in &found {
        match the_one(products) {
            Some(product) => {
                let price = price(&book, *meter, region, product, today);
                changes.extend(change(&book, *meter, region, &price));
                prices.push(price);
            }
            None => ambiguous.push(several(*meter, region, products)),
        }
    }
    let unanswered = unanswered(asked, &found);
    let count = prices.len();
    let source = format!("{SOURCE} (GetProducts), read on {today}");
    book.update(prices, BTreeMap::from([(SOURCE.to_owned(), source)]));
    Refreshed {
        book,
        prices: count,
        changes,
        unanswered,
        unnamed: Meter::all()
            .into_iter()
            .filter(|meter| is_sold(*meter) && !is_named(*meter))
            .collect(),
        ambiguous,
    }
}

type Found<'a> = BTreeMap<(Meter, String), Vec<&'a Product>>;

fn by_meter(products: &[Product]) -> Found<'_> {
    let mut found = Found::new();
    for product in products {
        for meter in meters(&product.service, &product.usage, Some(&product.operation)) {
            let entry = found.entry((meter, region_in_book(meter, &product.region)));
            entry.or_default().push(product);
        }
    }
    found
}

/// A service without Regions has one price for all of them.
fn region_in_book(meter: Meter, region: &str) -> String {
    match meter {
        Meter::CostExplorerRequests => "commercial:*".to_owned(),
        _ => region.to_owned(),
    }
}

/// A meter of which the price book has, or could have, a price: not every storage class is restored at every speed.
fn is_sold(meter: Meter) -> bool {
    !matches!(
        meter,
        Meter::S3Restore(..) | Meter::S3Retrieval(..) | Meter::S3Transition(_)
    )
}

/// The product whose price it is. Products with the same price are one.
fn the_one<'a>(products: &[&'a Product]) -> Option<&'a Product> {
    let first = products.first()?;
    let same = products.iter().all(|product| product.tiers == first.tiers);
    same.then_some(*first)
}

fn several(meter: Meter, region: &str, products: &[&Product]) -> String {
    let skus: Vec<&str> = products
        .iter()
        .map(|product| product.sku.as_str())
        .collect();
    format!("{meter} in {region}: products {}", skus.join(", "))
}

fn price(book: &PriceBook, meter: Meter, region: &str, product: &Product, today: Date) -> Price {
    let old = book.price(meter, region);
    let (unit, per) = match book.unit(meter) {
        Some((unit, per)) => (unit.to_owned(), per),
        None => (product.unit.clone(), Decimal::ONE),
    };
    Price {
        service: meter.service().to_owned(),
        usage: meter.usage(),
        region: region.to_owned(),
        unit,
        per,
        tiers: with_allowance(tiers(product, per), old),
        as_of: Some(today.to_string()),
        source: vec![SOURCE.to_owned()],
        confidence: Confidence::High,
        assumed: false,
        usage_type: old
            .and_then(|old| old.usage_type.clone())
            .or_else(|| pattern(meter)),
        note: old.and_then(lasting_note),
        discount_percent: Decimal::ZERO,
    }
}

fn tiers(product: &Product, per: Decimal) -> Vec<Tier> {
    let tiers = product.tiers.iter();
    tiers
        .map(|(up_to, usd)| Tier {
            up_to: *up_to,
            usd: usd.checked_mul(per).unwrap_or(*usd),
            list_usd: usd.checked_mul(per).unwrap_or(*usd),
            assumed: false,
        })
        .collect()
}

/// The list has a service's monthly allowance under a usage type without a Region (`Global-…`), or not at all; the one
/// that the book knows stays.
/// <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/tracking-free-tier-usage.html>
fn with_allowance(tiers: Vec<Tier>, old: Option<&Price>) -> Vec<Tier> {
    let free = |tier: &&Tier| tier.usd.is_zero();
    let allowance = old.and_then(|old| old.tiers.first()).filter(free).cloned();
    let is_free_already = tiers.first().as_ref().is_none_or(free);
    match allowance {
        Some(Tier {
            up_to: Some(bound), ..
        }) if !is_free_already => {
            let above = tiers.into_iter();
            let above = above.filter(|tier| tier.up_to.is_none_or(|up_to| up_to > bound));
            allowance.into_iter().chain(above).collect()
        }
        _ => tiers,
    }
}

/// What is said of a price that was only assumed, or known in part, no longer holds.
fn lasting_note(old: &Price) -> Option<String> {
    let known = old.confidence == Confidence::High && !old.tiers.iter().any(|tier| tier.assumed);
    old.note.clone().filter(|_| known)
}

fn change(book: &PriceBook, meter: Meter, region: &str, new: &Price) -> Option<Change> {
    let old = book.price(meter, region).map(Price::describe);
    let new = new.describe();
    (old.as_ref() != Some(&new)).then(|| Change {
        meter,
        region: region.to_owned(),
        old,
        new,
    })
}

fn unanswered(
    asked: &BTreeSet<(String, String)>,
    found: &Found<'_>,
) -> BTreeMap<Meter, Vec<String>> {
    let mut missing: BTreeMap<Meter, Vec<String>> = BTreeMap::new();
    for meter in Meter::all().into_iter().filter(|meter| is_named(*meter)) {
        let of_service = asked
            .iter()
            .filter(|(service, _)| service == meter.service());
        for (_, region) in of_service {
            if !found.contains_key(&(meter, region_in_book(meter, region))) {
                missing.entry(meter).or_default().push(region.clone());
            }
        }
    }
    missing
}
