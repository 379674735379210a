use time::macros::date;

use super::*;
use crate::cost::{
    Count, Estimate, Meter, Options, PriceBook, Provenance, UNKNOWN, Volumes, estimate,
};
use crate::spec::{self, Spec};

const OCTOBER: &str = include_str!("../../tests/data/bill/2026-10.json");

fn october() -> Bill {
    parse(OCTOBER, None).expect("a bill")
}

/// A spec with an organization trail of these selectors.
fn spec(selectors: &str) -> Spec {
    let text = format!(
        "version: 1\nname: test\naccounts:\n  management: {{ id: \"111122223333\", region: us-east-1 }}\n\
         organization: {{ id: o-a1b2c3d4e5 }}\nbuckets:\n  logs: {{ account: management, name: test-logs }}\n\
         trails:\n  org:\n    account: management\n    organization: true\n    multi_region: true\n    bucket: logs\n    \
         insights: {{ ApiCallRateInsight: [Management] }}\n    selectors:\n{selectors}"
    );
    let loaded = spec::load(
        vec![("spec".to_owned(), text.into_bytes())],
        &|_| None,
        date!(2026 - 11 - 01),
    );
    loaded
        .spec
        .unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

fn estimated(selectors: &str, volumes: &Volumes) -> Estimate {
    estimate(
        &spec(selectors),
        volumes,
        &[],
        &PriceBook::embedded(),
        &Options::default(),
    )
}

/// Low, expected and high number of a meter, and where it comes from.
fn quantity(estimate: &Estimate, meter: Meter) -> Option<([u64; 3], Provenance)> {
    use rust_decimal::prelude::ToPrimitive;
    let line = estimate.lines.iter().find(|line| line.meter == meter)?;
    let range = line.quantity?;
    // The bill's month has 744 hours.
    let in_bill = |amount: rust_decimal::Decimal| {
        let hours = rust_decimal::Decimal::from(744);
        let months = rust_decimal::Decimal::from(730);
        (amount * hours / months)
            .round()
            .to_u64()
            .unwrap_or_default()
    };
    let cases = [range.low, range.expected, range.high].map(in_bill);
    Some((cases, line.provenance))
}

#[test]
fn a_bill_gives_volumes_of_unknown_sources() {
    let volumes = volumes(&october());
    assert_eq!(volumes.provenance, Provenance::Measured);
    assert_eq!(volumes.window_hours(), Ok(31 * 24));
    let note = volumes.note.clone().unwrap_or_default();
    assert!(
        note.starts_with("AWS bill of 2026-10 for CloudTrail"),
        "{note}"
    );
    assert!(
        note.contains("in 1 accounts and Regions more than one trail"),
        "{note}"
    );

    let region = &volumes.accounts["333344445555"]["us-east-1"];
    let management = region
        .management
        .as_ref()
        .and_then(|m| m.get(UNKNOWN))
        .expect("management");
    // The three million paid copies are the same three million events.
    assert_eq!(management.other, Count::Exactly(3_000_000));
    let data = region
        .data
        .as_ref()
        .and_then(|d| d.get(UNKNOWN)?.get(UNKNOWN))
        .expect("data");
    // More than one trail records there, five at most.
    assert_eq!(data.other, Count::between(100_000, 500_000, 500_000));

    let region = &volumes.accounts["444455556666"]["eu-west-1"];
    let network = region
        .network_activity
        .as_ref()
        .and_then(|n| n.get(UNKNOWN))
        .expect("network");
    assert_eq!(network.other, Count::Exactly(100_000));
    assert_eq!(
        region.data, None,
        "no data events were billed, so it is not known whether there are any"
    );
    // The code of a Region that is too new keeps its place.
    assert!(volumes.accounts["444455556666"].contains_key("XYZ7"));
    // It is a volumes file like any other.
    let text = serde_json::to_string(&volumes).expect("JSON");
    assert_eq!(Volumes::parse(&text), Ok(volumes));
}

#[test]
fn selectors_record_what_a_bill_can_tell() {
    let volumes = volumes(&october());
    let all = estimated("      - { management: all }\n", &volumes);
    assert_eq!(
        quantity(&all, Meter::ManagementFirstCopy),
        Some(([3_200_070; 3], Provenance::Measured))
    );
    // Insights on the call rate look at writes, and a bill does not tell how many of the events are.
    let analyzed = quantity(&all, Meter::InsightsManagement).expect("Insights");
    assert_eq!(analyzed.0, [0, 1_600_035, 3_200_070]);

    let excluded = estimated(
        "      - { management: all, exclude: [kms.amazonaws.com] }\n",
        &volumes,
    );
    assert_eq!(
        quantity(&excluded, Meter::ManagementFirstCopy),
        Some(([0, 3_200_070, 3_200_070], Provenance::Assumed))
    );
    let writes = estimated("      - { management: write }\n", &volumes);
    assert_eq!(
        quantity(&writes, Meter::ManagementFirstCopy),
        Some(([0, 1_600_035, 3_200_070], Provenance::Assumed))
    );
    let objects = estimated(
        "      - { management: all }\n      - { data: \"AWS::S3::Object\" }\n",
        &volumes,
    );
    let (recorded, provenance) = quantity(&objects, Meter::DataEvents).expect("data events");
    assert_eq!(
        (recorded, provenance),
        ([0, 250_000, 500_000], Provenance::Assumed)
    );
    let endpoints = estimated(
        "      - { management: all }\n      - { network_activity: s3.amazonaws.com }\n",
        &volumes,
    );
    let (recorded, _) =
        quantity(&endpoints, Meter::NetworkActivityEvents).expect("network activity");
    assert_eq!(recorded, [0, 50_000, 100_000]);
}

#[test]
fn months_and_pages_of_a_bill() {
    let changed = |from: &str, to: &str| OCTOBER.replacen(from, to, 1);
    let month = |text: &str| text.parse::<Month>().expect("a month");
    assert_eq!(parse(OCTOBER, Some(month("2026-10"))), Ok(october()));
    assert_eq!(
        parse(OCTOBER, Some(month("2026-09"))),
        Err(BillError::Month(month("2026-09"), "2026-10".to_owned()))
    );
    assert_eq!(
        parse(&changed("{", "{\"NextPageToken\": \"x\","), None),
        Err(BillError::Page)
    );
    assert_eq!(
        parse(&changed("LINKED_ACCOUNT", "SERVICE"), None),
        Err(BillError::Groups)
    );
    assert_eq!(
        parse(&OCTOBER.replace("UsageQuantity", "BlendedCost"), None),
        Err(BillError::Metric("UsageQuantity"))
    );
    let euro = changed(
        "\"60\",\n       \"Unit\": \"USD\"",
        "\"60\",\n       \"Unit\": \"EUR\"",
    );
    assert_ne!(euro, OCTOBER, "the test changes nothing");
    assert_eq!(
        parse(&euro, None),
        Err(BillError::Currency("EUR".to_owned()))
    );
    assert!(matches!(parse("7", None), Err(BillError::Format(_))));
    assert_eq!(parse("{}", None), Err(BillError::Groups));
    let without =
        "{\"GroupDefinitions\": [{\"Key\": \"LINKED_ACCOUNT\"}, {\"Key\": \"USAGE_TYPE\"}]}";
    assert_eq!(parse(without, None), Err(BillError::Empty));
    for wrong in ["2026-13", "2026", "26-1", "2026-1", "october"] {
        assert!(wrong.parse::<Month>().is_err(), "{wrong}");
    }
    // Of a month that is not over, Cost Explorer knows what there is until today.
    let running = month("2026-11").until(date!(2026 - 11 - 20));
    assert_eq!(
        (running.to, running.is_whole_month()),
        (date!(2026 - 11 - 21), false)
    );
    assert_eq!(Month::before(date!(2026 - 01 - 15)), month("2025-12"));
}

/// The largest figures there are end in a figure, not in a panic.
#[test]
fn absurd_figures_do_not_overflow() {
    let absurd = OCTOBER.replace("3000000", "79228162514264337593543950335");
    let bill = parse(&absurd, None).expect("a bill");
    let volumes = volumes(&bill);
    let case = Case {
        spec: &spec("      - { management: all }\n"),
        bill: &bill,
        bill_note: String::new(),
        volumes: &volumes,
        volumes_note: String::new(),
        others: &[],
        book: &PriceBook::embedded(),
    };
    assert!(!reconcile(&case).meters.is_empty());
}

/// What one trail was billed for is what the estimate expects of it.
#[test]
fn a_bill_agrees_with_the_volumes_made_of_it() {
    let mut bill = october();
    bill.usage
        .retain(|usage| usage.usage_type.ends_with("FreeEventsRecorded"));
    let volumes = volumes(&bill);
    let reconciliation = reconcile(&Case {
        spec: &spec("      - { management: all }\n"),
        bill: &bill,
        bill_note: String::new(),
        volumes: &volumes,
        volumes_note: String::new(),
        others: &[],
        book: &PriceBook::embedded(),
    });
    let of = |meter: &str| {
        let mut rows = reconciliation.meters.iter();
        rows.find(|row| row.meter == meter).expect("a row")
    };
    assert!(!of("management-events-first-copy").differs);
    // The spec has Insights, which were not billed: that is between none of the events and all of them.
    assert!(!of("insights-management-events-analyzed").differs);
    assert_eq!(reconciliation.causes, [""; 0]);
}
