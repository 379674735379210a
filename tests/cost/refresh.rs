//! `prices refresh` against answers of the Price List API, over HTTP.

use std::path::Path;

use serde_json::{Value, json};

use super::support::loopback::{Call, Loopback};
use super::support::{Orgtrail, Workspace};
use super::{EXAMPLE, number, with_spec};

const NOTHING: &str = r#"{"FormatVersion":"aws_v1","PriceList":[]}"#;

/// The recorded answer to a call, or an empty list.
fn recorded(call: &Call) -> (u16, String) {
    assert_eq!(call.target, "AWSPriceListService.GetProducts");
    let service = call.body["ServiceCode"].as_str().unwrap();
    let filter = &call.body["Filters"][0];
    assert_eq!(
        (&filter["Type"], &filter["Field"]),
        (&json!("TERM_MATCH"), &json!("regionCode"))
    );
    let region = filter["Value"].as_str().unwrap();
    let page = match call.body["NextToken"].as_str() {
        None => 1,
        Some(token) => token.split("page").nth(1).unwrap().parse().unwrap(),
    };
    let file = format!("tests/data/prices/{service}.{region}.{page}.json");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    (
        200,
        std::fs::read_to_string(path).unwrap_or_else(|_| NOTHING.to_owned()),
    )
}

fn refusal(status: u16, code: &str) -> (u16, String) {
    (
        status,
        json!({ "__type": code, "message": "Rate exceeded" }).to_string(),
    )
}

fn against(run: Orgtrail, list: &Loopback) -> Orgtrail {
    run.env("AWS_ENDPOINT_URL_PRICING", &list.endpoint)
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
}

fn refresh(work: &Workspace, words: &[&str], list: &Loopback) -> Orgtrail {
    let words = ["prices", "refresh"].iter().chain(words);
    against(work.orgtrail(words), list)
}

/// The prices of a usage in a Region, as the file has them, with the entry that they stand in.
fn in_book(book: &Value, service: &str, usage: &str, region: &str) -> (Value, Value) {
    let entries = book["prices"].as_array().unwrap().iter();
    let mut found = entries.filter(|entry| {
        entry["service"] == service && entry["usage"] == usage && !entry["prices"][region].is_null()
    });
    let entry = found
        .next()
        .unwrap_or_else(|| panic!("no {service} {usage} in {region}"));
    assert!(found.next().is_none(), "{usage} stands twice");
    (entry["prices"][region].clone(), entry.clone())
}

#[test]
fn the_list_is_read_page_by_page_into_a_price_book() {
    let list = Loopback::start(|call, _| recorded(call));
    let work = Workspace::new();
    let run = refresh(
        &work,
        &["--region", "eu-central-1", "--out", "prices.json"],
        &list,
    )
    .run();
    let run = run.exits(0);
    assert_eq!(run.stdout, "");
    let book: Value = serde_json::from_str(&work.read("prices.json")).unwrap();
    let today = time::OffsetDateTime::now_utc().date().to_string();

    // One figure, for the unit of the book rather than that of the list.
    let (price, entry) = in_book(
        &book,
        "AWSCloudTrail",
        "management-events-additional-copy",
        "eu-central-1",
    );
    assert_eq!(price, "0.000021");
    assert_eq!(entry["as_of"], today);
    assert_eq!(entry["source"], json!(["AWS Price List API"]));
    assert_eq!(entry["confidence"], "high");
    assert_eq!(
        in_book(&book, "AmazonS3", "requests-PUT-STANDARD", "eu-central-1").0,
        "0.0054"
    );
    assert_eq!(
        in_book(&book, "AmazonS3", "requests-LIST", "eu-central-1").0,
        "0.0054"
    );
    // Tiers in their order, also the one that the embedded book does not know.
    let tiers = json!([["51200", "0.0246"], ["512000", "0.0236"], [null, "0.0226"]]);
    let (storage, entry) = in_book(&book, "AmazonS3", "storage-STANDARD", "eu-central-1");
    assert_eq!(storage, tiers);
    assert!(
        entry.get("note").is_none(),
        "it said that the middle tier is not known: {entry}"
    );
    // One usage type, three operations, three prices.
    assert_eq!(
        in_book(&book, "AmazonS3", "transition-to-GLACIER", "eu-central-1").0,
        "0.036"
    );
    assert_eq!(
        in_book(
            &book,
            "AmazonS3",
            "transition-to-DEEP_ARCHIVE",
            "eu-central-1"
        )
        .0,
        "0.06"
    );
    assert_eq!(
        in_book(
            &book,
            "AmazonS3",
            "restore-request-GLACIER-standard",
            "eu-central-1"
        )
        .0,
        "0.06"
    );
    // From a list of its own.
    let (_, entry) = in_book(&book, "AmazonS3", "storage-DEEP_ARCHIVE", "eu-central-1");
    assert_eq!(entry["as_of"], today);
    // The second page.
    let (price, _) = in_book(&book, "AWSCloudTrail", "lake-7yr-ingest", "eu-central-1");
    assert_eq!(
        price,
        json!([["5120", "2.5"], ["25600", "1"], [null, "0.5"]])
    );
    // The free allowance of KMS is not in the Region's list; it stays.
    let (price, _) = in_book(
        &book,
        "awskms",
        "requests-symmetric-or-RSA2048",
        "eu-central-1",
    );
    assert_eq!(price, json!([["2", "0"], [null, "0.03"]]));
    // Cost Explorer has one price for all Regions.
    let (_, entry) = in_book(&book, "AWSCostExplorer", "api-request", "commercial:*");
    assert_eq!(entry["as_of"], today);
}

#[test]
fn what_the_list_does_not_have_stays_and_is_said() {
    let list = Loopback::start(|call, _| recorded(call));
    let work = Workspace::new();
    let run = refresh(&work, &["--region", "eu-central-1"], &list)
        .run()
        .exits(0);
    let book: Value = serde_json::from_str(&run.stdout).unwrap();
    for (usage, region, price, as_of) in [
        (
            "management-events-additional-copy",
            "commercial:*",
            "0.00002",
            "2026",
        ),
        (
            "data-event-aggregation",
            "commercial:*",
            "0.0000003",
            "2026-07-31",
        ),
        ("lake-query-scanned", "commercial:*", "0.005", "2026"),
    ] {
        let (old, entry) = in_book(&book, "AWSCloudTrail", usage, region);
        assert_eq!(
            (old, &entry["as_of"]),
            (json!(price), &json!(as_of)),
            "{usage}"
        );
    }
    let (old, entry) = in_book(&book, "AmazonS3", "storage-STANDARD", "us-east-1");
    assert_eq!(old[0][1], "0.023");
    assert_eq!(entry["as_of"], "2026-06");
    for text in [
        // changed, old and new
        "AWSCloudTrail/management-events-additional-copy in eu-central-1: $0.00002 per event → $0.000021 per event",
        // not in the list
        "Not in the list, as it was before: AWSCloudTrail/lake-1yr-ingest-other in eu-central-1",
        "Not asked for, because it is not known what the list calls them: AWSCloudTrail/data-event-aggregation",
        // the odd ones, each by its name
        "(EUC1-QueryScanned-Bytes): its price is in CNY, not in USD",
        "(EUC1-PaidStorage-ByteHrs): its tiers have a gap or overlap",
        "AWSCloudTrail in eu-central-1: not a product: EOF while parsing a string",
        "several prices, so the old one stays: AmazonS3/requests-PUT-STANDARD_IA in eu-central-1",
        // an unknown usage type of CloudTrail, one of its free trial, one of EC2, two of S3
        "5 products are of other usage types",
    ] {
        run.clone().says(text);
    }
    // The same figure again is no change.
    run.never_says("AWSCloudTrail/data-events in eu-central-1:");
}

#[test]
fn an_estimate_uses_the_refreshed_book() {
    let list = Loopback::start(|call, _| recorded(call));
    let second = "  second:\n    account: management\n    organization: true\n    bucket: logs\n    key: trail\n";
    let spec = EXAMPLE
        .replace("volumes: { profile: medium }", "volumes: volumes.yaml")
        .replace("trails:\n", &format!("trails:\n{second}"));
    let work = with_spec(&spec);
    work.write(
        "volumes.yaml",
        "version: 1\naccounts:\n  \"333344445555\":\n    eu-central-1:\n      management:\n        \
         iam.amazonaws.com: { write: 1000000 }\n",
    );
    // The spec's Regions, and that of its volumes.
    let run = refresh(&work, &["--out", "prices.json"], &list)
        .run()
        .exits(0);
    run.says("eu-central-1 and us-east-1");
    let paid = |words: &[&str]| {
        let run = work
            .orgtrail(["cost", "--format", "json"].iter().chain(words))
            .run();
        let report = run.exits(0).json();
        let lines = report["lines"].as_array().unwrap().clone();
        let further = lines
            .iter()
            .find(|line| line["meter"] == "management-events-additional-copy");
        number(&further.unwrap()["monthly"]["expected"])
    };
    assert_eq!(paid(&[]), 20.0);
    assert_eq!(paid(&["--prices", "prices.json"]), 21.0);
    // The spec may point at it, too.
    work.write("orgtrail.yaml", &format!("{spec}\nprices: prices.json\n"));
    assert_eq!(paid(&[]), 21.0);
    work.orgtrail([
        "prices",
        "additional-copy",
        "--prices",
        "prices.json",
        "--explain",
    ])
    .run()
    .exits(0)
    .says("source: AWS Price List API (GetProducts), read on 20");
}

#[test]
fn throttling_is_waited_out() {
    let calm = Loopback::start(|call, _| recorded(call));
    let busy = Loopback::start(|call, before| match before {
        0 => refusal(400, "ThrottlingException"),
        _ => recorded(call),
    });
    let work = Workspace::new();
    let read = |list| {
        refresh(&work, &["--region", "eu-central-1"], list)
            .run()
            .exits(0)
    };
    assert_eq!(read(&calm).stdout, read(&busy).stdout);
    // Ten services and DEEP_ARCHIVE's list, the second page of CloudTrail, and once more what was throttled.
    assert_eq!((calm.calls().len(), busy.calls().len()), (12, 13));
}

#[test]
fn a_service_that_cannot_be_read_keeps_its_prices() {
    let list = Loopback::start(|call, _| match call.body["ServiceCode"] == "AmazonS3" {
        true => refusal(400, "AccessDeniedException"),
        false => recorded(call),
    });
    let work = Workspace::new();
    let run = refresh(&work, &["--region", "eu-central-1"], &list)
        .run()
        .exits(0);
    let run = run.says("AmazonS3 in eu-central-1 could not be read, its prices stay as they were: pricing:GetProducts");
    // It was not asked, so it did not fail to answer either.
    let run = run.never_says("as it was before: AmazonS3/");
    let book: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        in_book(&book, "AmazonS3", "storage-STANDARD", "eu-central-1").0[0][1],
        "0.0245"
    );
    in_book(&book, "AWSCloudTrail", "data-events", "eu-central-1");
}

#[test]
fn without_any_answer_nothing_is_written() {
    let list = Loopback::start(|_, _| refusal(400, "AccessDeniedException"));
    let work = Workspace::new();
    let run = refresh(
        &work,
        &["--region", "eu-central-1", "--out", "prices.json"],
        &list,
    )
    .run();
    run.exits(1).says("allow pricing:GetProducts");
    assert!(!work.path("prices.json").exists());
    // The sandbox is no reason to ask AWS.
    let run = refresh(&work, &["--sandbox"], &list).run();
    run.exits(1).says("the sandbox has no price list");
}

/// The list has three endpoints; whoever works elsewhere is sent to the first.
#[test]
fn the_nearest_endpoint_is_asked() {
    for (configured, asked) in [
        ("eu-central-1", "eu-central-1"),
        ("eu-west-3", "us-east-1"),
        ("", "us-east-1"),
    ] {
        let list = Loopback::start(|call, _| recorded(call));
        let work = Workspace::new();
        let run = refresh(&work, &["--region", "sa-east-1"], &list);
        let run = match configured {
            "" => run,
            region => run.env("AWS_REGION", region),
        };
        run.run().exits(0);
        assert!(
            list.calls().iter().all(|call| call.region == asked),
            "{configured}"
        );
    }
}
