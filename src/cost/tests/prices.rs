use std::collections::BTreeMap;

use time::macros::date;

use super::*;

fn book(prices: &str) -> Result<PriceBook, BookError> {
    PriceBook::parse(&format!(
        r#"{{"version": 1, "currency": "USD", "prices": [{prices}]}}"#
    ))
}

fn data_events(prices: &str) -> String {
    format!(
        r#"{{"service": "AWSCloudTrail", "usage": "data-events", "unit": "event", "confidence": "high", "prices": {prices}}}"#
    )
}

#[test]
fn the_embedded_book_knows_every_meter_that_an_estimate_uses() {
    let book = PriceBook::embedded();
    let mut meters = vec![
        Meter::ManagementFirstCopy,
        Meter::ManagementFurtherCopy,
        Meter::DataEvents,
        Meter::NetworkActivityEvents,
        Meter::InsightsManagement,
        Meter::InsightsData,
        Meter::DataEventAggregation,
        Meter::KmsKey,
        Meter::KmsKeyRotation,
        Meter::KmsRequests,
        Meter::S3TieringMonitoring,
    ];
    meters.extend(Class::ALL.map(Meter::S3Storage));
    meters.extend(Class::ALL.into_iter().skip(1).map(Meter::S3Transition));
    for region in ["us-east-1", "eu-west-3", "ap-southeast-7"] {
        for meter in &meters {
            assert!(book.price(*meter, region).is_some(), "{meter} in {region}");
        }
    }
    assert!(book.list().len() > 1000);
}

#[test]
fn a_partition_or_region_without_a_price_has_none() {
    let book = PriceBook::embedded();
    for region in ["us-gov-west-1", "cn-north-1", "eusc-de-east-1"] {
        assert!(book.price(Meter::DataEvents, region).is_none(), "{region}");
        assert_eq!(book.cost(Meter::DataEvents, region, dec("1")), None);
    }
    assert!(
        book.price(Meter::S3Storage(Class::Standard), "us-gov-west-1")
            .is_some()
    );
    assert!(
        book.price(Meter::S3Storage(Class::Standard), "cn-north-1")
            .is_none()
    );
    assert!(book.price(Meter::LogsIngestion, "eu-west-1").is_none());
}

#[test]
fn assumed_prices_are_marked() {
    let book = PriceBook::embedded();
    let transition = Meter::S3Transition(Class::StandardIa);
    let assumed = |meter, region| book.price(meter, region).map(|price| price.assumed);
    assert_eq!(assumed(transition, "eu-west-3"), Some(true));
    assert_eq!(assumed(transition, "us-east-1"), Some(false));
    let storage = book
        .price(Meter::S3Storage(Class::Standard), "eu-west-3")
        .expect("a price");
    // The middle tier is not known there: the first tier's price is assumed for what is in it.
    assert!(!storage.is_assumed_for(dec("51200")) && storage.is_assumed_for(dec("51201")));
    assert_eq!(storage.cost(dec("51300")), dec("51300") * dec("0.024"));
}

#[test]
fn a_regions_own_price_wins() {
    let book = book(&data_events(
        r#"{"commercial:*": 2e-06, "eu-west-1": "0.000003"}"#,
    ))
    .expect("a book");
    let million = dec("1000000");
    assert_eq!(
        book.cost(Meter::DataEvents, "eu-west-1", million),
        Some(dec("3"))
    );
    assert_eq!(
        book.cost(Meter::DataEvents, "eu-west-2", million),
        Some(dec("2"))
    );
    assert_eq!(book.cost(Meter::DataEvents, "us-gov-east-1", million), None);
}

#[test]
fn discounts_are_per_service() {
    let discounts =
        |service: &str, percent: &str| BTreeMap::from([(service.to_owned(), dec(percent))]);
    let ten = PriceBook::embedded()
        .with_discounts(&discounts("AWSCloudTrail", "10"))
        .expect("a book");
    assert_eq!(
        ten.cost(Meter::DataEvents, "us-east-1", dec("1000000")),
        Some(dec("0.9"))
    );
    assert_eq!(
        ten.cost(Meter::KmsKey, "us-east-1", dec("1")),
        Some(dec("1"))
    );
    let price = ten.price(Meter::DataEvents, "us-east-1").expect("a price");
    assert_eq!(price.discount_percent, dec("10"));
    assert_eq!(
        price.describe(),
        "$0.0000009 per event after a discount of 10 %"
    );
    let fails = |service, percent| {
        PriceBook::embedded()
            .with_discounts(&discounts(service, percent))
            .err()
    };
    assert_eq!(
        fails("AmazonEC2", "10"),
        Some(BookError::UnknownService("AmazonEC2".to_owned()))
    );
    assert_eq!(
        fails("AmazonS3", "101"),
        Some(BookError::Discount(dec("101")))
    );
    assert_eq!(
        fails("AmazonS3", "-1"),
        Some(BookError::Discount(dec("-1")))
    );
}

#[test]
fn the_age_is_that_of_the_newest_price() {
    let dated = |as_of: &str| {
        data_events(r#"{"us-east-1": 1}"#)
            .replace("\"unit\"", &format!("\"as_of\": \"{as_of}\", \"unit\""))
    };
    let prices = [
        dated("2026"),
        dated("2026-08"),
        dated("2026-09-11"),
        data_events(r#"{"eu-west-1": 1}"#),
    ];
    let age = book(&prices.join(","))
        .expect("a book")
        .age(date!(2026 - 09 - 21));
    assert_eq!(age.oldest.as_deref(), Some("2026-01-01"));
    assert_eq!(age.newest.as_deref(), Some("2026-09-11"));
    assert_eq!((age.days, age.undated), (Some(10), 1));
}

#[test]
fn a_broken_book_is_refused() {
    let problem = |prices: &str| {
        book(&data_events(prices))
            .map(|_| ())
            .expect_err("a problem")
    };
    for (prices, part) in [
        (r#"{"us-east-1": -1}"#, "negative"),
        (r#"{"us-east-1": null}"#, "no price"),
        (
            r#"{"us-east-1": [["5", 1], ["5", 1], [null, 1]]}"#,
            "do not rise",
        ),
        (r#"{"us-east-1": [["5", 1]]}"#, "upper bound"),
        (r#"{"us-east-1": [[null, 1], ["5", 1]]}"#, "do not rise"),
        (r#"{"us-east-1": "x"}"#, "not a price book"),
        (r#"{"us-east-1": []}"#, "upper bound"),
    ] {
        assert!(
            problem(prices).to_string().contains(part),
            "{prices}: {}",
            problem(prices)
        );
    }
    let version = PriceBook::parse(r#"{"version": 2, "currency": "USD", "prices": []}"#);
    assert_eq!(version.err(), Some(BookError::Version(2)));
    let currency = PriceBook::parse(r#"{"version": 1, "currency": "CNY", "prices": []}"#);
    assert_eq!(currency.err(), Some(BookError::Currency("CNY".to_owned())));
}

#[test]
fn meters_that_nobody_knows_yet_are_skipped() {
    let text = data_events(r#"{"us-east-1": 1}"#).replace("data-events", "events-of-2030");
    assert_eq!(book(&text).expect("a book").list().len(), 1);
}

#[test]
fn the_parts_of_a_spec_are_read() {
    let read = |text: &str| serde_yaml::from_str::<types::Budget>(text).expect("a budget");
    let budget = read("monthly_usd: 500.10\nmax_increase_percent: '10'");
    assert_eq!(budget.monthly_usd, Some(dec("500.1")));
    assert_eq!(budget.max_increase_percent, Some(dec("10")));
    assert_eq!(
        serde_json::to_string(&budget).expect("JSON"),
        r#"{"monthly_usd":500.1,"max_increase_percent":10}"#
    );
    let discounts: types::Discounts =
        serde_yaml::from_str("AWSCloudTrail: 7.5").expect("discounts");
    assert_eq!(discounts.0.get("AWSCloudTrail"), Some(&dec("7.5")));
    let source = |text: &str| serde_yaml::from_str::<types::VolumesSource>(text).expect("a source");
    assert_eq!(
        source("./volumes.yaml"),
        types::VolumesSource::File("./volumes.yaml".to_owned())
    );
    assert!(matches!(
        source("profile: medium"),
        types::VolumesSource::Typical(_)
    ));
    let inline = "version: 1\nprovenance: declared\naccounts: {}";
    assert!(matches!(source(inline), types::VolumesSource::Inline(_)));
    let schema =
        serde_json::to_string(&schemars::schema_for!(types::VolumesSource)).expect("a schema");
    assert!(schema.contains("network_activity"));
}

#[test]
fn a_book_is_written_as_it_is_read() {
    let old = PriceBook::embedded();
    let text = old.to_text();
    let new = PriceBook::parse(&text).expect("a book");
    assert_eq!((new.list(), new.sources()), (old.list(), old.sources()));
    let discounts = BTreeMap::from([("AmazonS3".to_owned(), dec("100"))]);
    assert_eq!(
        old.with_discounts(&discounts).expect("a book").to_text(),
        text
    );
}

#[test]
fn newer_prices_take_the_place_of_older_ones() {
    let mut book = PriceBook::embedded();
    let count = book.list().len();
    let mut price = book
        .price(Meter::KmsKey, "us-east-1")
        .expect("a price")
        .clone();
    price.tiers[0].usd = dec("2");
    let regional = Price {
        region: "eu-west-1".to_owned(),
        as_of: Some("2026-10-01".to_owned()),
        ..price.clone()
    };
    let sources = BTreeMap::from([("list".to_owned(), "the price list".to_owned())]);
    book.update(vec![regional], sources);
    assert_eq!(book.list().len(), count + 1);
    assert_eq!(
        book.cost(Meter::KmsKey, "eu-west-1", dec("1")),
        Some(dec("2"))
    );
    assert_eq!(
        book.cost(Meter::KmsKey, "us-east-1", dec("1")),
        Some(dec("1"))
    );
    book.update(vec![price], BTreeMap::new());
    assert_eq!(book.list().len(), count + 1);
    assert_eq!(
        book.cost(Meter::KmsKey, "us-east-1", dec("1")),
        Some(dec("2"))
    );
    assert!(book.sources().contains_key("list"));
}
