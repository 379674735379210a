//! `cost` and `prices` from the command line, offline.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "cost/bill.rs"]
mod bill;
#[path = "cost/others.rs"]
mod others;
#[path = "cost/refresh.rs"]
mod refresh;
mod support;

use serde_json::Value;
use support::Workspace;

const EXAMPLE: &str = include_str!("../examples/orgtrail.yaml");

fn with_spec(spec: &str) -> Workspace {
    let work = Workspace::new();
    work.write("orgtrail.yaml", spec);
    work
}

/// The example with volumes that are known to the event.
fn measured() -> Workspace {
    let work = with_spec(&EXAMPLE.replace("volumes: { profile: medium }", "volumes: volumes.yaml"));
    work.write(
        "volumes.yaml",
        "version: 1\nprovenance: measured\naccounts:\n  \"333344445555\":\n    us-east-1:\n      management:\n        \
         iam.amazonaws.com: { read: 2000000, write: 1000000 }\n        kms.amazonaws.com: { read: 5000000 }\n      \
         data:\n        s3.amazonaws.com:\n          AWS::S3::Object: { read: 7000000, write: 4000000 }\n      \
         files: { count: 40000, compressed_bytes: 400000000, uncompressed_bytes: 4000000000 }\n",
    );
    work
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn without_volumes_nothing_is_free() {
    let spec = EXAMPLE.replace("volumes: { profile: medium }\n", "");
    let work = with_spec(&spec);
    let report = work
        .orgtrail(["cost", "--format", "json"])
        .run()
        .exits(0)
        .json();
    let events: Vec<&Value> = report["lines"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["address"] == "trail.org")
        .collect();
    assert!(!events.is_empty());
    assert!(
        events.iter().all(|line| line.get("monthly").is_none()),
        "{events:#?}"
    );
    assert!(report["unknown"].as_u64().unwrap() > 0);
    work.orgtrail(["cost"]).run().exits(0).says("unknown");
    work.orgtrail(["cost", "--strict"]).run().exits(4);
}

#[test]
fn the_first_copy_of_management_events_is_free() {
    let report = measured()
        .orgtrail(["cost", "--format", "json"])
        .run()
        .exits(0)
        .json();
    for line in report["lines"].as_array().unwrap() {
        if line["meter"]
            .as_str()
            .unwrap()
            .starts_with("management-events")
        {
            assert_eq!(number(&line["monthly"]["expected"]), 0.0, "{line:#}");
        }
    }
}

#[test]
fn a_second_trail_pays_for_its_copy() {
    let work = measured();
    let second = "  second:\n    account: management\n    organization: true\n    bucket: logs\n    key: trail\n";
    let spec = work
        .read("orgtrail.yaml")
        .replace("trails:\n", &format!("trails:\n{second}"));
    work.write("new.yaml", &spec);
    let run = work.orgtrail([
        "cost",
        "-f",
        "new.yaml",
        "--compare-to",
        "orgtrail.yaml",
        "--format",
        "json",
    ]);
    let report = run.run().exits(0).json();
    // One trail leaves KMS out: 3,000,000 events are recorded twice, at $2 for 100,000.
    let lines = report["diff"]["lines"].as_array().unwrap();
    let paid: f64 = lines
        .iter()
        .filter(|line| line["label"].as_str().unwrap().contains("management"))
        .map(|line| {
            let side = |side: &str| line.get(side).map_or(0.0, |side| number(&side["monthly"]));
            side("new") - side("old")
        })
        .sum();
    assert!((paid - 60.0).abs() < 0.01, "{paid} {lines:#?}");
}

#[test]
fn a_spec_against_itself_differs_by_nothing() {
    let report = measured()
        .orgtrail(["cost", "--compare-to", "orgtrail.yaml", "--format", "json"])
        .run()
        .exits(0)
        .json();
    assert_eq!(report["diff"]["lines"].as_array().unwrap().len(), 0);
    assert_eq!(number(&report["diff"]["increase"]), 0.0);
}

#[test]
fn a_budget_refuses() {
    let work = measured();
    let run = work
        .orgtrail(["cost", "--max-monthly", "0.01"])
        .run()
        .exits(3);
    run.says("over the budget");
    work.orgtrail(["cost", "--max-monthly", "100000"])
        .run()
        .exits(0);
}

#[test]
fn every_form_is_printed() {
    let work = measured();
    work.orgtrail(["cost"]).run().exits(0).says("Monthly");
    work.orgtrail(["cost", "--explain"])
        .run()
        .exits(0)
        .says("×");
    let infracost = work
        .orgtrail(["cost", "--format", "infracost-json"])
        .run()
        .exits(0)
        .json();
    assert_eq!(infracost["version"], "0.2");
    let markdown = work
        .orgtrail(["cost", "--format", "markdown", "--comment-limit", "github"])
        .run();
    markdown.exits(0).says("<!-- orgtrail:acme-audit -->");
    work.orgtrail(["cost", "--format", "html", "--out", "report.html"])
        .run()
        .exits(0);
    assert!(work.read("report.html").starts_with("<!doctype html>"));
}

#[test]
fn old_prices_are_to_be_refreshed() {
    let work = measured();
    let book = |day: &str| {
        let price = format!(
            r#"{{"service": "AWSCloudTrail", "usage": "data-events", "unit": "event", "as_of": "{day}",
                 "confidence": "high", "prices": {{"commercial:*": "0.000001"}}}}"#
        );
        // Not in use here, so it makes nothing newer.
        let other = price
            .replace(day, "2026-11-01")
            .replace("data-events", "lake-query-scanned");
        let text = format!(r#"{{"version": 1, "currency": "USD", "prices": [{price}, {other}]}}"#);
        work.write("prices.json", &text);
        work.orgtrail(["cost", "--prices", "prices.json"])
            .run()
            .exits(0)
    };
    book("2020-01-01").says("refresh them with `orgtrail prices refresh`");
    let today = time::OffsetDateTime::now_utc().date();
    book(&today.to_string()).never_says("orgtrail prices refresh");
}

#[test]
fn prices_are_dated() {
    let work = Workspace::new();
    work.orgtrail(["prices", "data-events"])
        .run()
        .exits(0)
        .says("AWSCloudTrail")
        .says("days ago");
    work.orgtrail(["prices", "data-events", "--explain"])
        .run()
        .exits(0)
        .says("source:");
    work.orgtrail(["prices", "frobnicate"])
        .run()
        .exits(1)
        .says("orgtrail prices");
}

#[test]
fn a_comparison_says_what_is_no_longer_recorded() {
    let work = measured();
    let less = work.read("orgtrail.yaml").replace(
        "exclude: [kms.amazonaws.com]",
        "exclude: [kms.amazonaws.com, rdsdata.amazonaws.com]",
    );
    work.write("new.yaml", &less);
    let run = |format: &str| {
        work.orgtrail([
            "cost",
            "-f",
            "new.yaml",
            "--compare-to",
            "orgtrail.yaml",
            "--format",
            format,
        ])
        .run()
        .exits(0)
    };
    let lost = "management events of rdsdata.amazonaws.com";
    assert_eq!(run("json").json()["coverage"]["lost"][0], lost);
    run("text").says(&format!("- no longer records {lost}"));
    run("markdown")
        .says("no longer records management events of")
        .says("rdsdata");
    run("html").says(&format!("</strong> records {lost}</li>"));
}
