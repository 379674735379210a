//! `cost --reconcile`: an estimate held against stored and live answers of Cost Explorer.

use std::path::Path;

use serde_json::{Value, json};

use super::number;
use super::support::loopback::{Call, Loopback};
use super::support::{Orgtrail, Run, Workspace};

/// One trail for all management events, in accounts that need no role.
const SPEC: &str = r#"
version: 1
name: acme-audit
accounts:
  management: { id: "111122223333", region: us-east-1 }
organization: { id: o-a1b2c3d4e5 }
buckets:
  logs: { account: management, name: acme-org-trail-logs }
trails:
  org:
    account: management
    organization: true
    multi_region: true
    bucket: logs
    selectors:
      - { management: all }
volumes: volumes.yaml
"#;

const VOLUMES: &str = r#"
version: 1
provenance: measured
window: { month: "2026-10" }
accounts:
  "333344445555":
    us-east-1:
      management: { iam.amazonaws.com: { read: 2000000, write: 1000000 } }
      data: {}
"#;

fn stored(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/bill")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

fn workspace() -> Workspace {
    let work = Workspace::new();
    work.write("orgtrail.yaml", SPEC);
    work.write("volumes.yaml", VOLUMES);
    work.write("bill.json", &stored("2026-10.json"));
    work
}

fn reconciled(work: &Workspace, words: &[&str]) -> Value {
    let words = ["cost", "--reconcile", "bill.json", "--format", "json"]
        .iter()
        .chain(words);
    work.orgtrail(words).run().exits(0).json()
}

fn meter<'a>(report: &'a Value, name: &str) -> &'a Value {
    let rows = report["meters"].as_array().unwrap();
    rows.iter()
        .find(|row| row["meter"] == name)
        .unwrap_or_else(|| panic!("{report:#}"))
}

fn causes(report: &Value) -> String {
    let causes = report["causes"].as_array().unwrap().iter();
    causes
        .map(|cause| cause.as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn estimate_and_bill_side_by_side() {
    let work = workspace();
    let report = reconciled(&work, &[]);
    assert_eq!(report["format_version"], "1.0");
    assert_eq!(
        (&report["from"], &report["to"]),
        (&json!("2026-10-01"), &json!("2026-11-01"))
    );
    // 60 + 0.5 + 10.5 + 0.9375 + 0.1 and the usage that nobody knows
    assert_eq!(number(&report["billed"]), 72.0375);
    assert_eq!(number(&report["expected"]["expected"]), 0.0);
    let first = meter(&report, "management-events-first-copy");
    // Both are of a month of 744 hours, to the event.
    assert_eq!(first["billed"]["quantity"], "3200070");
    assert_eq!(first["expected"]["quantity"]["expected"], "3000000");
    assert_eq!(first["difference"]["quantity"], "200070");
    let further = meter(&report, "management-events-additional-copy");
    assert_eq!(
        further["difference"],
        json!({"quantity": "3000000", "usd": "60"})
    );
    assert_eq!(report["other_usage"][0]["usage_type"], "USE1-SomethingNew");

    let causes = causes(&report);
    for cause in [
        "the volumes do not have 1 account (444455556666)",
        "another trail records the same management events: further copies are billed in 333344445555 in us-east-1",
        "--other-trails live finds those that the accounts of the spec have",
        "data events are billed that no selector of the spec wants, in 333344445555 in us-east-1",
        "network activity events are billed that no selector of the spec wants",
        "Insights are billed that the spec does not enable",
        "CloudTrail Lake is billed",
    ] {
        assert!(causes.contains(cause), "{cause:?} is not in\n{causes}");
    }
    assert!(!causes.contains("part of the month"), "{causes}");
    assert!(!causes.contains("prices"), "{causes}");

    let run = work
        .orgtrail(["cost", "--reconcile", "bill.json"])
        .run()
        .exits(0);
    run.says("$72.04 billed, $0.00 expected (+$72.04)")
        .says("management events, further copy")
        .says("+$60.00")
        .says("Likely causes")
        .says("Also on the bill: 5 USE1-SomethingNew in 1 account, $0.00");
}

#[test]
fn what_agrees_needs_no_cause() {
    let work = workspace();
    let bill: Value = serde_json::from_str(&stored("2026-10.json")).unwrap();
    let mut only = bill.clone();
    let groups = bill["ResultsByTime"][0]["Groups"].as_array().unwrap();
    only["ResultsByTime"][0]["Groups"] = json!([groups[0]]);
    work.write("bill.json", &only.to_string());
    let report = reconciled(&work, &[]);
    assert_eq!(
        meter(&report, "management-events-first-copy")["differs"],
        false
    );
    assert_eq!(report["causes"], json!([]));

    // A trail that is known explains the further copies.
    only["ResultsByTime"][0]["Groups"] = json!([groups[0], groups[1]]);
    work.write("bill.json", &only.to_string());
    work.write(
        "others.json",
        r#"[{"name": "legacy", "account_id": "111122223333", "region": "us-east-1", "organization": true, "multi_region": true}]"#,
    );
    let report = reconciled(&work, &["--other-trails", "others.json"]);
    let further = meter(&report, "management-events-additional-copy");
    assert_eq!(
        (&further["differs"], &further["difference"]["usd"]),
        (&json!(false), &json!("0"))
    );
    assert_eq!(report["causes"], json!([]));
}

#[test]
fn discounts_and_parts_of_a_month_are_seen() {
    let work = workspace();
    let bill = stored("2026-10.json")
        .replace("\"60\"", "\"54\"")
        .replace("\"10.5\"", "\"9.45\"");
    let bill = bill
        .replace("\"0.5\"", "\"0.45\"")
        .replace("\"0.9375\"", "\"0.84375\"")
        .replace("\"0.1\"", "\"0.09\"");
    work.write("bill.json", &bill);
    let found = causes(&reconciled(&work, &[]));
    assert!(
        found.contains("10 % below those of the estimate")
            && found.contains("discounts: { AWSCloudTrail: 10 }"),
        "{found}"
    );
    work.write(
        "orgtrail.yaml",
        &format!("{SPEC}discounts: {{ AWSCloudTrail: 10 }}\n"),
    );
    let found = causes(&reconciled(&work, &[]));
    assert!(!found.contains("below those of the estimate"), "{found}");

    let bill = stored("2026-10.json")
        .replace("2026-11-01", "2026-10-16")
        .replace("\"Estimated\": false", "\"Estimated\": true");
    work.write("bill.json", &bill);
    let report = reconciled(&work, &[]);
    assert_eq!(report["estimated"], true);
    // 15 of 31 days are expected.
    let first = meter(&report, "management-events-first-copy");
    assert_eq!(first["expected"]["quantity"]["expected"], "1451612.903");
    let found = causes(&report);
    assert!(
        found.contains("only of a part of the month: 2026-10-01 to 2026-10-16"),
        "{found}"
    );
}

#[test]
fn a_bill_that_is_none_is_refused() {
    let work = workspace();
    let refused = |words: &[&str]| work.orgtrail(words).run().exits(1);
    refused(&["cost", "--reconcile", "volumes.yaml"])
        .says("volumes.yaml: not an answer of GetCostAndUsage");
    refused(&["cost", "--reconcile", "bill.json", "--month", "2026-09"])
        .says("bill.json: it has no 2026-09, only 2026-10");
    refused(&["cost", "--reconcile", "bill.json", "--format", "html"])
        .says("--reconcile prints text or JSON");
    refused(&["cost", "--reconcile", "live", "--sandbox"]).says("the sandbox has no bill");
    refused(&["cost", "--month", "2026-10"]).says("--reconcile");
}

// ---- live

fn cost_explorer(call: &Call, throttled: bool) -> (u16, String) {
    if throttled {
        let error = json!({ "__type": "LimitExceededException", "message": "Rate exceeded" });
        return (400, error.to_string());
    }
    assert_eq!(call.target, "AWSInsightsIndexService.GetCostAndUsage");
    assert_eq!(call.region, "us-east-1");
    let body = &call.body;
    assert_eq!(
        body["TimePeriod"],
        json!({"Start": "2026-10-01", "End": "2026-11-01"})
    );
    assert_eq!(body["Granularity"], "MONTHLY");
    assert_eq!(
        body["Filter"],
        json!({"Dimensions": {"Key": "SERVICE", "Values": ["AWS CloudTrail"]}})
    );
    assert_eq!(body["Metrics"], json!(["UsageQuantity", "UnblendedCost"]));
    let groups: Vec<&Value> = body["GroupBy"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| &group["Key"])
        .collect();
    assert_eq!(groups, [&json!("LINKED_ACCOUNT"), &json!("USAGE_TYPE")]);
    match body["NextPageToken"].as_str() {
        None => (200, stored("2026-10.page1.json")),
        Some("page2") => (200, stored("2026-10.page2.json")),
        Some(other) => panic!("{other}"),
    }
}

/// GetCallerIdentity, as the management account.
fn sts() -> Loopback {
    Loopback::start(|_, _| {
        let answer = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
            <GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:role/x</Arn><UserId>x</UserId>\
            <Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
        (200, answer.to_owned())
    })
}

fn live(work: &Workspace, ce: &Loopback, sts: &Loopback) -> Run {
    let run = work.orgtrail([
        "cost",
        "--reconcile",
        "--month",
        "2026-10",
        "--format",
        "json",
    ]);
    with_endpoints(run, ce, sts).run()
}

fn with_endpoints(run: Orgtrail, ce: &Loopback, sts: &Loopback) -> Orgtrail {
    run.env("AWS_ENDPOINT_URL_COST_EXPLORER", &ce.endpoint)
        .env("AWS_ENDPOINT_URL_STS", &sts.endpoint)
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
}

#[test]
fn the_live_bill_is_read_page_by_page() {
    let work = workspace();
    let ce = Loopback::start(|call, before| cost_explorer(call, before == 1));
    let sts = sts();
    let run = live(&work, &ce, &sts).exits(0);
    let mut report = run.json();
    // Two pages, and the throttled one again.
    assert_eq!(ce.calls().len(), 3);
    assert_eq!(
        report["bill"],
        "Cost Explorer, management 111122223333, 2026-10"
    );
    let mut from_file = reconciled(&work, &[]);
    for report in [&mut report, &mut from_file] {
        report["bill"] = Value::Null;
    }
    assert_eq!(report, from_file);
    // Whoever pays is told before.
    run.says("AWS charges $0.01 for each request");
}

#[test]
fn a_bill_that_cannot_be_read_is_an_error() {
    let work = workspace();
    let ce = Loopback::start(|_, _| {
        let error =
            json!({ "__type": "AccessDeniedException", "message": "User is not authorized" });
        (400, error.to_string())
    });
    let sts = sts();
    live(&work, &ce, &sts)
        .exits(1)
        .says("ce:GetCostAndUsage in management 111122223333 us-east-1: AccessDenied");
    // An answer that makes no sense is none either.
    let ce = Loopback::start(|_, _| (200, stored("2026-10.json").replace("3000000", "many")));
    live(&work, &ce, &sts)
        .exits(1)
        .says("`many` is not a number");
}

#[test]
fn volumes_are_measured_from_the_bill() {
    let work = workspace();
    let (ce, sts) = (Loopback::start(|call, _| cost_explorer(call, false)), sts());
    let run = work.orgtrail([
        "volumes",
        "--engine",
        "cost-explorer",
        "--month",
        "2026-10",
        "--out",
        "bill.yaml",
    ]);
    let run = with_endpoints(run, &ce, &sts).run().exits(0);
    run.says("AWS charges $0.01 for each request")
        .says("Written to bill.yaml.");
    let volumes: Value = serde_yaml::from_str(&work.read("bill.yaml")).unwrap();
    assert_eq!(volumes["provenance"], "measured");
    assert_eq!(
        volumes["measurements"][0]["from"][0],
        "Cost Explorer, management 111122223333, 2026-10"
    );
    let region = &volumes["accounts"]["333344445555"]["us-east-1"];
    assert_eq!(region["management"]["unknown"]["other"], 3_000_000);
    // From the second page.
    assert!(volumes["accounts"]["444455556666"]["eu-west-1"]["network_activity"].is_object());
    // The bill of the month that the file is of already: the same time, so the same file.
    let text = work.read("bill.yaml");
    let run = work.orgtrail([
        "volumes",
        "--engine",
        "cost-explorer",
        "--month",
        "2026-10",
        "--out",
        "bill.yaml",
    ]);
    with_endpoints(run, &ce, &sts).run().exits(0);
    assert_eq!(work.read("bill.yaml"), text);
    work.orgtrail(["volumes"])
        .run()
        .exits(1)
        .says("orgtrail volumes SOURCE");
}
