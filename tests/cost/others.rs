//! Trails that the spec does not own, read live from the sandbox.

use serde_json::Value;

use super::support::{Run, Workspace};
use super::{EXAMPLE, number};

/// Another team's spec: an organization trail and a trail of one Region, in a bucket of their own.
const LEGACY: &str = r#"
version: 1
name: legacy
accounts:
  management: { id: "111122223333", region: us-east-1 }
organization: { id: o-a1b2c3d4e5 }
buckets:
  old: { account: management, name: legacy-trail-logs }
trails:
  legacy: { account: management, organization: true, multi_region: true, bucket: old }
  one-region: { account: management, bucket: old, region: eu-west-1 }
"#;

const VOLUMES: &str = r#"
version: 1
provenance: measured
accounts:
  "333344445555":
    us-east-1:
      management: { iam.amazonaws.com: { write: 1000000 } }
      data: {}
"#;

fn workspace() -> Workspace {
    let work = Workspace::new();
    let spec = EXAMPLE.replace("volumes: { profile: medium }", "volumes: volumes.yaml");
    work.write("orgtrail.yaml", &spec);
    work.write("volumes.yaml", VOLUMES);
    work.write("legacy.yaml", LEGACY);
    work
}

fn sandbox(work: &Workspace, words: &str) -> Run {
    work.orgtrail(words.split(' ')).arg("--sandbox").run()
}

/// USD a month for further copies of management events.
fn paid(report: &Value) -> f64 {
    let lines = report["lines"].as_array().unwrap().iter();
    let further = lines.filter(|line| line["meter"] == "management-events-additional-copy");
    further
        .map(|line| number(&line["monthly"]["expected"]))
        .sum()
}

#[test]
fn a_trail_of_others_makes_our_copy_a_paid_one() {
    let work = workspace();
    sandbox(&work, "apply -f legacy.yaml --auto-approve").exits(0);

    let alone = sandbox(&work, "cost --format json").exits(0).json();
    assert_eq!(paid(&alone), 0.0);
    let run = sandbox(&work, "cost --format json --other-trails live").exits(0);
    // 1,000,000 events at $2 for 100,000: the organization trail that was there first has the free copy.
    assert_eq!(paid(&run.json()), 20.0);
    let run = run.says("others record with one-region of 111122223333 in eu-west-1, legacy of 111122223333 in us-east-1");
    // Both accounts see the organization trail; it is one.
    run.says(
        "legacy of 111122223333 in us-east-1. Trails of other accounts cannot be seen from there",
    );

    // The plan counts it as well, and says so.
    let plan = sandbox(&work, "plan --format json").exits(0).json();
    let copies: Vec<&Value> = plan["cost"]["lines"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["what"] == "management events, further copy")
        .collect();
    assert_eq!(copies.len(), 1, "{:#}", plan["cost"]);
    assert_eq!(number(&copies[0]["after"]), 20.0);
    assert_eq!(
        plan["cost"]["other_trails"][1],
        "legacy of 111122223333 in us-east-1"
    );
    sandbox(&work, "plan")
        .exits(0)
        .says("Counted with what others record: one-region of 111122223333 in eu-west-1");
}

#[test]
fn a_stopped_trail_and_our_own_make_no_copy() {
    let work = workspace();
    sandbox(&work, "apply -f legacy.yaml --auto-approve").exits(0);
    let stop = r#"{"Name":"arn:aws:cloudtrail:us-east-1:111122223333:trail/legacy"}"#;
    work.orgtrail(["sandbox", "call", "cloudtrail.StopLogging", stop])
        .run()
        .exits(0);
    let run = sandbox(&work, "cost --format json --other-trails live").exits(0);
    assert_eq!(paid(&run.json()), 0.0);
    run.never_says("legacy of");

    // What the spec itself has made is no trail of others, whatever account sees it.
    sandbox(&work, "apply --auto-approve").exits(0);
    let run = sandbox(&work, "cost --format json --other-trails live").exits(0);
    assert_eq!(paid(&run.json()), 0.0);
    run.never_says("org of 111122223333");
    // Nor is one that has left the spec and goes with the next apply.
    let renamed = work
        .read("orgtrail.yaml")
        .replace("\n  org:\n", "\n  renamed:\n");
    work.write("renamed.yaml", &renamed);
    let run = sandbox(
        &work,
        "cost -f renamed.yaml --format json --other-trails live",
    )
    .exits(0);
    assert_eq!(paid(&run.json()), 0.0);
}

#[test]
fn what_cannot_be_read_is_said() {
    let work = workspace();
    sandbox(&work, "apply -f legacy.yaml --auto-approve").exits(0);
    let refuse = |call: &str| {
        let fault = serde_json::json!([{ "call": call, "code": "AccessDeniedException" }]);
        work.write(".orgtrail/sandbox/faults.json", &fault.to_string());
        let run = sandbox(&work, "cost --format json --other-trails live").exits(0);
        run.json()["warnings"].to_string()
    };
    let warnings = refuse("cloudtrail.ListTrails");
    assert!(
        warnings.contains("The trails of log-archive 222233334444 could not be listed"),
        "{warnings}"
    );
    let warnings = refuse("cloudtrail.GetEventSelectors");
    assert!(
        warnings
            .contains("trail/legacy could not be read, so copies that it makes are not counted"),
        "{warnings}"
    );
}
