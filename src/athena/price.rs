//! What the queries cost: Athena charges for the bytes that it reads, compressed as they are.
//! <https://aws.amazon.com/athena/pricing/>

use std::fmt;

use rust_decimal::Decimal;

use crate::cost::{Meter, PriceBook};

/// The least that a query is charged for.
const LEAST_BYTES: u64 = 10_000_000;
/// A thousand to the fourth: of the two readings of "TB" the one that costs more.
const TERABYTE: u64 = 1_000_000_000_000;

/// The price of some queries, as far as it can be known before they have run. Nothing is `0` for not being known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// Of the bytes that somebody expects.
    pub expected: Option<Decimal>,
    /// When every query reads as much as it may.
    pub at_most: Option<Decimal>,
    /// Why there is no price at all.
    pub unknown: Option<String>,
}

impl Price {
    /// `limit` is what a query may read, `max_scan` what all of them may together.
    pub fn new(
        book: &PriceBook,
        region: &str,
        queries: usize,
        bytes: Option<u64>,
        limit: Option<u64>,
        max_scan: Option<u64>,
    ) -> Self {
        let queries = queries as u64;
        let least = queries.saturating_mul(LEAST_BYTES);
        let by_query = limit.map(|limit| queries.saturating_mul(limit.max(LEAST_BYTES)));
        let most = match (by_query, max_scan.map(|bytes| bytes.max(least))) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let usd = |bytes: u64| {
            let terabytes = Decimal::from(bytes) / Decimal::from(TERABYTE);
            book.cost(Meter::AthenaScan, region, terabytes)
        };
        let known = usd(0).is_some();
        Self {
            expected: bytes.map(|bytes| bytes.max(least)).and_then(usd),
            at_most: most.and_then(usd),
            unknown: (!known).then(|| format!("the price book has no price of Athena in {region}")),
        }
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.unknown {
            return write!(f, "unknown: {why}");
        }
        match (self.expected, self.at_most) {
            (Some(expected), _) => write!(f, "about ${}", cents(expected))?,
            (None, _) => {
                f.write_str("unknown, because nobody has said how many bytes there are")?
            }
        }
        match self.at_most {
            Some(most) => write!(f, "; at most ${}", cents(most)),
            None => Ok(()),
        }
    }
}

/// Rounded up, because nothing is free.
fn cents(amount: Decimal) -> String {
    use rust_decimal::RoundingStrategy::AwayFromZero;
    format!("{:.2}", amount.round_dp_with_strategy(2, AwayFromZero))
}

/// `1.5 TB`
pub fn bytes(bytes: u64) -> String {
    let units = [
        (TERABYTE, "TB"),
        (1_000_000_000, "GB"),
        (1_000_000, "MB"),
        (1_000, "kB"),
    ];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit);
    match unit {
        Some((unit, name)) => {
            let amount = Decimal::from(bytes) / Decimal::from(unit);
            format!("{} {name}", amount.round_dp(1).normalize())
        }
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(bytes: Option<u64>, limit: Option<u64>, max_scan: Option<u64>) -> String {
        let book = PriceBook::embedded();
        Price::new(&book, "us-east-1", 10, bytes, limit, max_scan).to_string()
    }

    #[test]
    fn bytes_are_read_at_a_glance() {
        let texts = [0, 999, 1_000, 1_550_000, 20_000_000_000, TERABYTE].map(bytes);
        assert_eq!(
            texts,
            ["0 bytes", "999 bytes", "1 kB", "1.6 MB", "20 GB", "1 TB"]
        );
    }

    #[test]
    fn the_price_is_what_is_known_of_it() {
        let tb = TERABYTE;
        assert_eq!(
            price(Some(2 * tb), Some(tb), None),
            "about $10.00; at most $50.00"
        );
        assert_eq!(
            price(None, Some(tb), Some(3 * tb)),
            "unknown, because nobody has said how many bytes there are; at most $15.00"
        );
        // Ten queries are charged for 100 MB, however little they read.
        assert_eq!(price(Some(5), None, Some(5)), "about $0.01; at most $0.01");
        let book = PriceBook::embedded();
        let elsewhere = Price::new(&book, "mars-north-1", 1, Some(1), None, None);
        assert_eq!(
            elsewhere.to_string(),
            "unknown: the price book has no price of Athena in mars-north-1"
        );
    }
}
