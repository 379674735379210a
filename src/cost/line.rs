//! A line of an estimate.

use std::sync::Arc;

use serde::Serialize;

use super::book::{Confidence, Price};
use super::meter::Meter;
use super::number::{Range, grouped};
use super::tally::Share;
use super::volumes::Provenance;

/// One usage of one resource, and what it costs a month.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// `trail.org`, `bucket.logs`, `key.trail`
    pub address: String,
    /// The selector that records the events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Account and Region, if all of the usage is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Accounts × Regions that the line adds up.
    pub places: usize,
    pub meter: Meter,
    pub label: String,
    /// Natural unit of the quantity: events, requests, GB-months.
    pub unit: &'static str,
    /// A month's usage; `None` when it is unknown.
    pub quantity: Option<Range>,
    /// `None` when no price is known.
    pub price: Option<Price>,
    /// USD a month; `None` when quantity or price is unknown.
    pub monthly: Option<Range>,
    /// Where the quantity comes from.
    pub provenance: Provenance,
    /// How surely the price is known.
    pub price_confidence: Option<Confidence>,
    /// The price, or the tier of it that is reached, is assumed.
    pub price_assumed: bool,
    /// How the amount came about, in words.
    pub formula: String,
    #[serde(skip)]
    pub(super) shares: Arc<Vec<Share>>,
}

/// What a line is about, before its price is known.
pub(super) struct Usage {
    pub address: String,
    pub selector: Option<String>,
    pub meter: Meter,
    pub label: String,
    pub unit: &'static str,
    pub provenance: Provenance,
    /// How the quantity came about; completed with the price.
    pub explanation: String,
}

impl Line {
    pub(super) fn new(usage: Usage, price: Option<&Price>, quantity: Option<Range>) -> Self {
        let monthly = price
            .zip(quantity)
            .map(|(price, range)| range.map(|q| price.cost(q)));
        let mut line = Self {
            address: usage.address,
            selector: usage.selector,
            account: None,
            region: None,
            places: 0,
            meter: usage.meter,
            label: usage.label,
            unit: usage.unit,
            quantity,
            price: price.cloned(),
            monthly,
            provenance: usage.provenance,
            price_confidence: price.map(|price| price.confidence),
            price_assumed: price.is_some_and(|price| {
                price.is_assumed_for(quantity.map_or_else(Default::default, |q| q.high))
            }),
            formula: String::new(),
            shares: Arc::new(Vec::new()),
        };
        line.formula = line.write_formula(&usage.explanation);
        line
    }

    pub(super) fn at(mut self, account: &str, region: &str) -> Self {
        self.account = Some(account.to_owned());
        self.region = Some(region.to_owned());
        self.places = 1;
        self
    }

    pub(super) fn with_shares(mut self, shares: Arc<Vec<Share>>) -> Self {
        self.shares = shares;
        self
    }

    pub(super) fn with_monthly(mut self, monthly: Option<Range>, explanation: &str) -> Self {
        self.monthly = monthly;
        self.formula = self.write_formula(explanation);
        self
    }

    /// Is the amount unknown?
    pub fn is_unknown(&self) -> bool {
        self.monthly.is_none()
    }

    fn write_formula(&self, explanation: &str) -> String {
        let quantity = match self.quantity {
            None => format!("unknown {}", self.unit),
            Some(range) if range.is_exact() => format!("{} {}", shown(range.expected), self.unit),
            Some(range) => format!(
                "{} {} (between {} and {})",
                shown(range.expected),
                self.unit,
                shown(range.low),
                shown(range.high)
            ),
        };
        let price = match &self.price {
            None => "no price is known for the Region".to_owned(),
            Some(price) => {
                let assumed = if self.price_assumed { ", assumed" } else { "" };
                format!("{}{assumed}", price.describe())
            }
        };
        let amount = match self.monthly {
            None => "unknown".to_owned(),
            Some(range) => format!("${}", grouped(range.expected.round_dp(4))),
        };
        let explanation = match explanation {
            "" => String::new(),
            text => format!("; {text}"),
        };
        format!("{quantity} × {price} = {amount}{explanation}")
    }
}

fn shown(quantity: rust_decimal::Decimal) -> String {
    grouped(quantity.round_dp(4))
}

/// Something that an estimate leaves out of its total, because nobody knows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unknown {
    pub address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    pub label: String,
    pub meter: Meter,
    /// What is missing.
    pub reason: String,
    /// The price of one unit, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<String>,
    /// Accounts × Regions that it is about; 0 when not even these are known.
    pub places: usize,
    /// One of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<(String, String)>,
}
