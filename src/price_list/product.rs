//! One product of the price list, as `GetProducts` returns it: a JSON document in a string.
//!
//! ```json
//! {"product": {"sku": "…", "attributes": {"servicecode": "AWSCloudTrail", "regionCode": "us-east-2",
//!              "usagetype": "USE2-PaidEventsRecorded", "operation": ""}},
//!  "serviceCode": "AWSCloudTrail",
//!  "terms": {"OnDemand": {"….JRTCKXETXF": {"effectiveDate": "2026-09-01T00:00:00Z", "priceDimensions": {
//!              "….6YS6EN2CT7": {"unit": "Events", "beginRange": "0", "endRange": "Inf",
//!                               "pricePerUnit": {"USD": "0.0000200000"}}}}}}}
//! ```

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;

use crate::cost::usage_types::{BilledRegion, meters, split};

/// What a product costs on demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    pub sku: String,
    /// Service code of bills and of the price book.
    pub service: String,
    pub region: String,
    /// Without its Region.
    pub usage: String,
    pub operation: String,
    pub unit: String,
    /// Upper bounds in units (none in the last tier) and USD for one unit.
    pub tiers: Vec<(Option<Decimal>, Decimal)>,
}

/// Why a product says no price.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProductError {
    #[error("not a product: {0}")]
    Format(String),
    #[error("product {sku} ({usage_type}): {problem}")]
    Product {
        sku: String,
        usage_type: String,
        problem: String,
    },
    /// Whatever it costs, no meter has its usage type.
    #[error("product of another usage type")]
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    product: Described,
    #[serde(default)]
    service_code: String,
    #[serde(default)]
    terms: Terms,
}

#[derive(Deserialize)]
struct Described {
    sku: String,
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    usagetype: String,
    #[serde(default)]
    operation: String,
    #[serde(default, rename = "regionCode")]
    region_code: String,
}

#[derive(Default, Deserialize)]
struct Terms {
    #[serde(default, rename = "OnDemand")]
    on_demand: BTreeMap<String, Term>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Term {
    #[serde(default)]
    effective_date: String,
    price_dimensions: BTreeMap<String, Dimension>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dimension {
    #[serde(default)]
    unit: String,
    #[serde(default = "zero")]
    begin_range: String,
    #[serde(default = "endless")]
    end_range: String,
    price_per_unit: BTreeMap<String, String>,
}

fn zero() -> String {
    "0".to_owned()
}

fn endless() -> String {
    "Inf".to_owned()
}

/// Reads a product.
pub fn parse(text: &str) -> Result<Product, ProductError> {
    let listed: Listed =
        serde_json::from_str(text).map_err(|error| ProductError::Format(error.to_string()))?;
    let attributes = &listed.product.attributes;
    let fail = |problem: String| ProductError::Product {
        sku: listed.product.sku.clone(),
        usage_type: attributes.usagetype.clone(),
        problem,
    };
    let (_, usage) = split(&attributes.usagetype);
    let service = billed_as(&listed.service_code);
    if meters(service, usage, Some(&attributes.operation)).is_empty() {
        return Err(ProductError::Other);
    }
    let region = region(attributes).map_err(fail)?;
    // A term takes over from the one before it on its effective date.
    let terms = listed.terms.on_demand.values();
    let term = terms.max_by_key(|term| &term.effective_date);
    let term = term.ok_or_else(|| fail("it has no price on demand".to_owned()))?;
    Ok(Product {
        sku: listed.product.sku.clone(),
        service: service.to_owned(),
        region: region.to_owned(),
        usage: usage.to_owned(),
        operation: attributes.operation.clone(),
        unit: unit(term).map_err(fail)?,
        tiers: tiers(term).map_err(fail)?,
    })
}

/// DEEP_ARCHIVE is part of S3 in bills, but a service of its own in the price list.
pub const DEEP_ARCHIVE: &str = "AmazonS3GlacierDeepArchive";

/// The service of bills and of the price book that a service of the price list is.
pub fn billed_as(service: &str) -> &str {
    match service {
        DEEP_ARCHIVE => "AmazonS3",
        other => other,
    }
}

fn region(attributes: &Attributes) -> Result<&str, String> {
    let (billed, _) = split(&attributes.usagetype);
    match (billed, attributes.region_code.as_str()) {
        (BilledRegion::Known(region), "") => Ok(region),
        (BilledRegion::UnknownCode(code), "") => Err(format!("{code} is no known Region")),
        (BilledRegion::UnknownCode(_), region) => Ok(region),
        (BilledRegion::Known(billed), region) if billed == region => Ok(region),
        (BilledRegion::Known(billed), region) => Err(format!(
            "its usage type is of {billed}, the product of {region}"
        )),
    }
}

fn unit(term: &Term) -> Result<String, String> {
    let mut units = term
        .price_dimensions
        .values()
        .map(|dimension| &dimension.unit);
    let first = units.next().ok_or("its term has no price")?;
    match units.all(|unit| unit == first) {
        true => Ok(first.clone()),
        false => Err("its tiers have different units".to_owned()),
    }
}

fn tiers(term: &Term) -> Result<Vec<(Option<Decimal>, Decimal)>, String> {
    let mut tiers = Vec::new();
    for dimension in term.price_dimensions.values() {
        tiers.push(tier(dimension)?);
    }
    tiers.sort_by_key(|(begin, _, _)| *begin);
    let mut begins = Some(Decimal::ZERO);
    for (begin, end, _) in &tiers {
        if begins != Some(*begin) {
            return Err("its tiers have a gap or overlap".to_owned());
        }
        begins = *end;
    }
    match begins {
        None => Ok(tiers.into_iter().map(|(_, end, usd)| (end, usd)).collect()),
        Some(_) => Err("its last tier has an end".to_owned()),
    }
}

fn tier(dimension: &Dimension) -> Result<(Decimal, Option<Decimal>, Decimal), String> {
    let number = |text: &str| {
        text.parse::<Decimal>()
            .map_err(|_| format!("`{text}` is not a number"))
    };
    let end = match dimension.end_range.as_str() {
        "Inf" => None,
        end => Some(number(end)?),
    };
    let usd = dimension.price_per_unit.get("USD").ok_or_else(|| {
        let currencies: Vec<&str> = dimension
            .price_per_unit
            .keys()
            .map(String::as_str)
            .collect();
        format!("its price is in {}, not in USD", currencies.join(" and "))
    })?;
    let usd = number(usd)?;
    match usd.is_sign_negative() && !usd.is_zero() {
        true => Err("its price is negative".to_owned()),
        false => Ok((number(&dimension.begin_range)?, end, usd)),
    }
}
