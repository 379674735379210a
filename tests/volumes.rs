//! `volumes`, `coverage` and `explain` from the command line: files, streams and buckets.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{MANAGEMENT, Moto, Workspace, boto3_eval};

const EXAMPLE: &str = include_str!("../examples/orgtrail.yaml");

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/logs")
        .join(path)
}

fn generated() -> String {
    data("generated").display().to_string()
}

/// The example with a selector on objects that the generated logs have.
fn example() -> String {
    let from = "arn:aws:s3:::acme-payments/";
    assert!(EXAMPLE.contains(from));
    EXAMPLE.replace(from, "arn:aws:s3:::acme-payments-ledger/")
}

/// What an independent program counted, `_all` by account, Region and category.
fn expected() -> Vec<(String, String, String, u64)> {
    let text = std::fs::read_to_string(data("expected/generated.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let rows = expected["counts"].as_array().unwrap().iter();
    let all = rows.filter(|row| row[2] == "_all");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.map(|row| {
        (
            text(&row[0]),
            text(&row[1]),
            text(&row[3]),
            row[4].as_u64().unwrap(),
        )
    })
    .collect()
}

/// All counts of a volumes file's category in a place.
fn events(volumes: &Value, account: &str, region: &str, category: &str) -> u64 {
    fn sum(value: &Value) -> u64 {
        let Value::Object(members) = value else {
            return 0;
        };
        members
            .iter()
            .map(|(key, value)| match value {
                Value::Number(number) if key != "errors" => number.as_u64().unwrap(),
                other => sum(other),
            })
            .sum()
    }
    let key = match category {
        "Management" => "management",
        "Data" => "data",
        _ => "network_activity",
    };
    sum(&volumes["accounts"][account][region][key])
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

#[test]
fn the_file_holds_what_an_independent_program_counted() {
    let work = Workspace::new();
    work.orgtrail(["volumes", &generated()])
        .run()
        .exits(0)
        .says("Written to volumes.yaml");
    let volumes = yaml(&work.read("volumes.yaml"));
    assert_eq!(volumes["provenance"], "measured");
    assert_eq!(volumes["window"]["from"], "2026-07-14");
    assert_eq!(volumes["window"]["to"], "2026-07-15");
    let mut checked = 0;
    for (account, region, category, count) in expected() {
        if ["Management", "Data", "NetworkActivity"].contains(&category.as_str()) {
            assert_eq!(
                events(&volumes, &account, &region, &category),
                count,
                "{account} {region} {category}"
            );
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn measuring_again_changes_nothing_and_keeps_comments() {
    let work = Workspace::new();
    work.orgtrail(["volumes", &generated()]).run().exits(0);
    let text = work
        .read("volumes.yaml")
        .replace("accounts:", "# ask finance\naccounts: # all of them");
    work.write("volumes.yaml", &text);
    work.orgtrail(["volumes", &generated()]).run().exits(0);
    let again = work.read("volumes.yaml");
    assert!(
        again.contains("# ask finance\naccounts:  # all of them"),
        "{again}"
    );
    work.orgtrail(["volumes", &generated(), "--threads", "3"])
        .run()
        .exits(0);
    assert_eq!(work.read("volumes.yaml"), again);
}

#[test]
fn an_overlapping_time_is_refused_until_it_may_replace() {
    let work = Workspace::new();
    let window = "version: 1\nwindow: { from: 2026-07-13, to: 2026-07-14T12:00:00Z }\naccounts:\n  \
                  '958643788298': { us-east-1: { management: { iam.amazonaws.com: { read: 7 } } } }\n";
    work.write("volumes.yaml", window);
    let run = work.orgtrail(["volumes", &generated()]).run().exits(1);
    run.says("958643788298 us-east-1 has counts of 2026-07-13")
        .says("--replace");
    assert_eq!(work.read("volumes.yaml"), window);
    work.orgtrail(["volumes", &generated(), "--replace"])
        .run()
        .exits(0);
    assert!(work.read("volumes.yaml").contains("s3.amazonaws.com"));
    work.write("volumes.yaml", "- no\n- volumes\n");
    work.orgtrail(["volumes", &generated()])
        .run()
        .exits(1)
        .says("not a volumes file");
    assert_eq!(work.read("volumes.yaml"), "- no\n- volumes\n");
}

#[test]
fn selectors_of_the_spec_are_counted_and_priced() {
    let work = Workspace::new();
    work.write(
        "orgtrail.yaml",
        &example().replace("volumes: { profile: medium }", "volumes: volumes.yaml"),
    );
    let report = work
        .orgtrail(["volumes", &generated(), "--format", "json"])
        .run()
        .exits(0)
        .json();
    let payments = report["trails"][0]["selectors"][1].clone();
    assert_eq!(payments["selector"], "payment objects");
    let counted = payments["events"].as_u64().unwrap();
    assert!(counted > 0, "{report:#}");
    let cost = work
        .orgtrail(["cost", "--format", "json"])
        .run()
        .exits(0)
        .json();
    let lines = cost["lines"].as_array().unwrap().iter();
    let mut lines =
        lines.filter(|line| line["part"] == "payment objects" && line["meter"] == "data-events");
    let quantity: f64 = lines.next().unwrap()["quantity"]["expected"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    // Counted in one day, priced for a month of 730 hours.
    assert!(
        (quantity - counted as f64 * 730.0 / 24.0).abs() < 0.01,
        "{quantity} {counted}"
    );
}

#[test]
fn a_sample_says_how_far_it_may_be_off() {
    let work = Workspace::new();
    let report = work
        .orgtrail([
            "volumes",
            &generated(),
            "--sample",
            "40%",
            "--format",
            "json",
        ])
        .run()
        .exits(0)
        .json();
    let [low, expected, high] =
        ["low", "expected", "high"].map(|case| report["events"][case].as_u64().unwrap());
    assert!(low < expected && expected < high);
    assert!(low <= 1123 && 1123 <= high, "{low} {expected} {high}");
    let files = &report["files"];
    assert_eq!(
        files["read"].as_u64().unwrap() + files["left_out"].as_u64().unwrap(),
        244
    );
    assert!(work.read("volumes.yaml").contains("sampled_from: 244"));
    work.orgtrail(["volumes", &generated(), "--sample", "0"])
        .run()
        .exits(1)
        .says("10%");
}

#[test]
fn damage_is_named_and_strict_says_so() {
    let work = Workspace::new();
    let odd = data("odd").display().to_string();
    let run = work.orgtrail(["volumes", &odd]).run().exits(0);
    run.says("04_truncated")
        .says("gzip data is cut off")
        .says("4 problems in 4 files");
    work.orgtrail(["volumes", &odd, "--strict"]).run().exits(4);
    assert!(work.read("volumes.yaml").contains("damaged_files: 4"));
    work.orgtrail(["volumes", "nowhere"])
        .run()
        .exits(1)
        .says("nowhere: No such file")
        .says("fix:");
}

/// Whoever may call a service decides what stands in some names.
#[test]
fn names_of_any_length_can_be_read_back() {
    let work = Workspace::new();
    let named = |letter: &str, length| {
        record("111122223333", "2026-07-14T10:20:00Z")
            .replace("iam.amazonaws.com", &letter.repeat(length))
    };
    let records = [named("a", 2000), named("é", 1500), named("c", 100)].join("\n");
    for _ in 0..2 {
        work.orgtrail(["volumes", "-"])
            .input(&records)
            .run()
            .exits(0);
    }
    let volumes = yaml(&work.read("volumes.yaml"));
    assert_eq!(
        events(&volumes, "111122223333", "us-east-1", "Management"),
        3
    );
}

fn record(account: &str, time: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.08","eventTime":"{time}","eventSource":"iam.amazonaws.com","eventName":"TagRole","readOnly":false,"managementEvent":true,"recipientAccountId":"{account}","awsRegion":"us-east-1"}}"#
    )
}

#[test]
fn without_folders_the_records_say_what_is_selected() {
    let work = Workspace::new();
    let days = [
        "2026-07-01T10:00:00Z",
        "2026-07-02T10:00:00Z",
        "2026-07-03T10:00:00.5Z",
    ];
    let mut records: Vec<String> = days.iter().map(|day| record("111122223333", day)).collect();
    records.push(record("222233334444", days[1]));
    // No times at which CloudTrail could have recorded anything.
    records.push(record("111122223333", "9999-99-99T99:99:99Z"));
    records.push(record("111122223333", "1970-01-01T00:00:00Z"));
    work.write("events.json", &records.join("\n"));
    let counted = |more: &[&str]| {
        let words = ["volumes", "events.json", "--format", "json"];
        let report = work
            .orgtrail(words.iter().chain(more))
            .run()
            .exits(0)
            .json();
        std::fs::remove_file(work.path("volumes.yaml")).unwrap();
        (
            report["events"]["expected"].as_u64().unwrap(),
            report["window"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(
        counted(&[]),
        (6, "2026-07-01T10:00:00Z to 2026-07-03T11:00:00Z".to_owned())
    );
    let days = [
        "--from",
        "2026-07-02",
        "--to",
        "2026-07-03",
        "--account",
        "111122223333",
    ];
    // The one that says no day is as good as wanted.
    assert_eq!(counted(&days), (2, "2026-07-02 to 2026-07-03".to_owned()));
    let run = work.orgtrail([
        "volumes",
        "events.json",
        "--from",
        "2026-07-05",
        "--to",
        "2026-07-02",
    ]);
    run.run()
        .exits(1)
        .says("--from 2026-07-05 is not before --to 2026-07-02");
    work.write("undated.json", &record("111122223333", "some day"));
    work.orgtrail(["volumes", "undated.json"])
        .run()
        .exits(1)
        .says("say it with --from and --to");
}

#[test]
fn nothing_is_read_twice_and_pipes_are_read_to_their_end() {
    let work = Workspace::new();
    let inner = format!("{}/AWSLogs", generated());
    let report = work
        .orgtrail(["volumes", &generated(), &inner, "--format", "json"])
        .run()
        .exits(0)
        .json();
    assert_eq!(report["events"]["expected"], 1123);
    let pipe = work.path("pipe.json");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let text = vec![record("111122223333", "2026-07-01T10:00:00Z"); 40_000].join("\n");
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::write(pipe, text)
    });
    let report = work
        .orgtrail([
            "volumes",
            "pipe.json",
            "--out",
            "p.yaml",
            "--format",
            "json",
        ])
        .run()
        .exits(0)
        .json();
    writer.join().unwrap().unwrap();
    assert_eq!(report["events"]["expected"], 40_000);
    // In a folder nobody asked for it.
    work.orgtrail(["volumes", "."])
        .run()
        .exits(1)
        .says("no CloudTrail log file was read");
}

#[test]
fn standard_input_and_standard_output_will_do() {
    let work = Workspace::new();
    let record = r#"{"eventVersion":"1.08","eventTime":"2026-07-14T10:20:00Z","eventSource":"iam.amazonaws.com","eventName":"TagRole","readOnly":false,"managementEvent":true,"recipientAccountId":"111122223333","awsRegion":"us-east-1"}"#;
    let run = work
        .orgtrail(["volumes", "-", "--out", "-"])
        .input(record)
        .run()
        .exits(0);
    let volumes = yaml(&run.stdout);
    assert_eq!(volumes["window"]["from"], "2026-07-14T10:00:00Z");
    assert_eq!(
        events(&volumes, "111122223333", "us-east-1", "Management"),
        1
    );
    assert!(!work.path("volumes.yaml").exists());
    work.orgtrail(["volumes", "-", "--out", "-", "--format", "json"])
        .input(record)
        .run()
        .exits(1)
        .says("no report does");
}

#[test]
fn a_loss_is_proved_counted_and_refused() {
    let work = Workspace::new();
    work.write("old.yaml", &example());
    work.write(
        "new.yaml",
        &example().replace("read_only: false", "read_only: true"),
    );
    let run = work
        .orgtrail(["coverage", "old.yaml", "new.yaml"])
        .run()
        .exits(3);
    run.says("- S3 object writes under arn:aws:s3:::acme-payments-ledger/")
        .says("--allow narrows-coverage");
    work.orgtrail(["coverage", "old.yaml", "old.yaml"])
        .run()
        .exits(0)
        .says("proved over all possible ones");
    let report = work
        .orgtrail([
            "coverage",
            "old.yaml",
            "new.yaml",
            &generated(),
            "--allow",
            "narrows-coverage",
            "--format",
            "json",
        ])
        .run()
        .exits(0)
        .json();
    // As many as the old selector records of the logs, for the new one records none of them.
    let counted = work
        .orgtrail([
            "volumes",
            &generated(),
            "-f",
            "old.yaml",
            "--format",
            "json",
        ])
        .run()
        .exits(0)
        .json();
    let lost = &report["counted"]["events"]["expected"];
    assert_eq!(*lost, counted["trails"][0]["selectors"][1]["events"]);
    assert_eq!(report["counted"]["samples"].as_array().unwrap().len(), 3);
    assert_eq!(
        report["counted"]["resources"]["values"][0]["value"],
        "arn:aws:s3:::acme-payments-ledger"
    );
    let calls = report["counted"]["calls"]["values"].as_array().unwrap();
    let by_call: u64 = calls
        .iter()
        .map(|call| call["events"].as_u64().unwrap())
        .sum();
    assert_eq!(by_call, lost.as_u64().unwrap());
}

#[test]
fn a_plan_counts_what_it_would_lose() {
    let example = support::Example::on_sandbox();
    example.edit(
        "arn:aws:s3:::acme-payments/",
        "arn:aws:s3:::acme-payments-ledger/",
    );
    example.apply();
    example.edit("read_only: false", "read_only: true");
    let run = example
        .run(&format!("plan --logs {}", generated()))
        .exits(0);
    run.says("no longer records S3 object writes")
        .says("events of 1,123 in the logs are lost");
    let event = r#"{"eventVersion":"1.08","eventSource":"s3.amazonaws.com","eventName":"PutObject","eventCategory":"Data","readOnly":false,"recipientAccountId":"222233334444","awsRegion":"eu-west-1","resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::acme-payments-ledger/x"}]}"#;
    example
        .orgtrail("explain")
        .input(event)
        .run()
        .exits(0)
        .says("Not recorded by any trail.");
    example
        .orgtrail("explain --live")
        .input(event)
        .run()
        .exits(0)
        .says("trail.org records it");
}

#[test]
fn proposals_begin_with_noise_and_say_what_is_lost() {
    let work = Workspace::new();
    let spec = "version: 1\nname: t\naccounts:\n  m: { id: '111122223333', region: us-east-1 }\norganization: { id: o-a1b2c3d4e5 }\n\
        buckets: { logs: { account: m, name: acme-datalake-logs } }\ntrails:\n  org:\n    account: m\n    organization: true\n    \
        bucket: logs\n    selectors:\n      - { name: management, management: all }\n      - { name: objects, data: 'AWS::S3::Object' }\n";
    work.write("orgtrail.yaml", spec);
    let report = work
        .orgtrail(["volumes", &generated(), "--advise", "--format", "json"])
        .run()
        .exits(0)
        .json();
    let proposals = report["proposals"].as_array().unwrap();
    let noise: Vec<bool> = proposals
        .iter()
        .map(|p| p["is_noise"].as_bool().unwrap())
        .collect();
    assert!(
        noise[0] && !noise[noise.len() - 1] && noise.is_sorted_by(|a, b| a >= b),
        "{noise:?}"
    );
    let own = proposals
        .iter()
        .find(|p| p["why"].as_str().unwrap().contains("is a log bucket"))
        .unwrap();
    assert_eq!(own["events"], 9);
    let change = "trail.org.selectors: add `resources.ARN: { NotStartsWith: [\"arn:aws:s3:::acme-datalake-logs/\"] }` to `objects`";
    assert_eq!(own["change"], change);
    assert_eq!(
        own["loses"][0],
        "S3 object events under arn:aws:s3:::acme-datalake-logs/"
    );
    // The change, made, loses what it said.
    let condition = "resources.ARN: { NotStartsWith: ['arn:aws:s3:::acme-datalake-logs/'] }";
    work.write(
        "new.yaml",
        &spec.replace(
            "'AWS::S3::Object' }",
            &format!("'AWS::S3::Object', {condition} }}"),
        ),
    );
    let lost = work
        .orgtrail([
            "coverage",
            "orgtrail.yaml",
            "new.yaml",
            &generated(),
            "--allow",
            "narrows-coverage",
            "--format",
            "json",
        ])
        .run()
        .exits(0)
        .json();
    assert_eq!(lost["counted"]["events"]["expected"], own["events"]);
    work.orgtrail(["volumes", &generated(), "--advise"])
        .run()
        .exits(0)
        .says("What could be left out")
        .says("saves less than $0.01");
    let bare = Workspace::new();
    bare.orgtrail(["volumes", &generated(), "--advise"])
        .run()
        .exits(1)
        .says("there is none");
}

#[test]
fn an_event_is_explained() {
    let work = Workspace::new();
    work.write("orgtrail.yaml", &example());
    let event = |name: &str, bucket: &str| {
        format!(
            r#"{{"eventVersion":"1.08","eventSource":"s3.amazonaws.com","eventName":"{name}","eventCategory":"Data","readOnly":false,"recipientAccountId":"222233334444","awsRegion":"eu-west-1","resources":[{{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::{bucket}/x"}}]}}"#
        )
    };
    let run = work
        .orgtrail(["explain"])
        .input(&event("PutObject", "acme-payments-ledger"))
        .run()
        .exits(0);
    run.says("trail.org records it")
        .says("A million of them cost $1.00 in eu-west-1 (data events)");
    let run = work
        .orgtrail(["explain"])
        .input(&event("PutObject", "other"))
        .run()
        .exits(0);
    run.says("resources.ARN (arn:aws:s3:::other/x) fails")
        .says("Not recorded by any trail.");
    let report = work
        .orgtrail(["explain", "--format", "json"])
        .input(&event("PutObject", "other"))
        .run()
        .exits(0)
        .json();
    assert_eq!(report["recorded"], false);
    work.orgtrail(["explain"])
        .input("{\"a\":1}")
        .run()
        .exits(1)
        .says("not a CloudTrail record");
    work.orgtrail(["explain"])
        .input("")
        .run()
        .exits(1)
        .says("no CloudTrail record");
}

const BUCKET: &str = "acme-org-trail-logs";

/// The generated logs in a bucket of moto.
fn upload(endpoint: &str) {
    let script = format!(
        r#"
import os
s3 = client("s3", "us-east-1")
s3.create_bucket(Bucket="{BUCKET}")
root = "{}"
count = 0
for folder, _, names in os.walk(root):
    for name in names:
        path = os.path.join(folder, name)
        if "AWSLogs" in path:
            s3.upload_file(path, "{BUCKET}", "p/" + path[path.index("AWSLogs"):])
            count += 1
count
"#,
        generated()
    );
    assert_eq!(boto3_eval(endpoint, MANAGEMENT, &script), 264);
}

/// Keys and prefixes of the reads of a bucket.
fn reads(calls: &[Value], action: &str) -> usize {
    calls.iter().filter(|call| call["action"] == action).count()
}

#[test]
fn a_bucket_gives_the_same_as_the_folder() {
    let moto = Moto::shared();
    let aws = moto.proxied(&[]);
    upload(moto.endpoint());
    let work = Workspace::new();
    work.orgtrail(["volumes", &generated(), "--out", "local.yaml"])
        .run()
        .exits(0);
    let bucket = format!("s3://{BUCKET}/p");
    work.orgtrail(["volumes", &bucket, "--out", "s3.yaml"])
        .aws(aws.endpoint())
        .run()
        .exits(0);
    let local = work.read("local.yaml").replace(&generated(), &bucket);
    assert_eq!(work.read("s3.yaml"), local);

    // Only what was asked for is listed and fetched.
    aws.reset();
    let one = [
        "--account",
        "958643788298",
        "--region",
        "us-east-1",
        "--from",
        "2026-07-14",
        "--to",
        "2026-07-15",
    ];
    let run = work.orgtrail(["volumes", &bucket, "--out", "one.yaml"]);
    let run = one.iter().fold(run, |run, arg| run.arg(arg));
    run.aws(aws.endpoint()).run().exits(0);
    let calls = aws.calls();
    let listings = reads(&calls, "ListObjects");
    let volumes = yaml(&work.read("one.yaml"));
    assert_eq!(volumes["accounts"].as_object().unwrap().len(), 1);
    let files = volumes["accounts"]["958643788298"]["us-east-1"]["files"]["count"]
        .as_u64()
        .unwrap();
    assert_eq!(
        reads(&calls, "GetObject") as u64,
        files,
        "digests are not fetched"
    );
    // AWSLogs, the organization, the account's kinds, and one for each kind.
    assert!(
        (1..=3 + 5).contains(&listings),
        "{listings} listings: {calls:#?}"
    );
}

/// Many times the memory that there may be for it, some of it in objects that are streamed.
#[test]
fn memory_does_not_grow_with_the_bucket() {
    const OBJECTS: u64 = 100;
    let moto = Moto::shared();
    let script = format!(
        r#"
import gzip, json, os
s3 = client("s3", "us-east-1")
s3.create_bucket(Bucket="large-logs")
def log(records):
    record = lambda: dict(eventVersion="1.11", eventTime="2026-07-14T10:00:00Z", eventSource="s3.amazonaws.com",
        eventName="ListBuckets", requestParameters=dict(random=os.urandom(80000).hex()))
    return gzip.compress(json.dumps(dict(Records=[record() for _ in range(records)])).encode(), 1)
whole, streamed = log(17), log(30)
for number in range({OBJECTS}):
    s3.put_object(Bucket="large-logs", Key=f"AWSLogs/111122223333/CloudTrail/us-east-1/2026/07/14/{{number}}.json.gz",
        Body=streamed if number % 10 == 0 else whole)
[len(whole), len(streamed)]
"#
    );
    let sizes = boto3_eval(moto.endpoint(), MANAGEMENT, &script);
    let (whole, streamed) = (sizes[0].as_u64().unwrap(), sizes[1].as_u64().unwrap());
    assert!(whole < 2 << 20 && streamed > 2 << 20, "{sizes}");

    let folder = "s3://large-logs/AWSLogs/111122223333/CloudTrail/us-east-1/2026/07/14/";
    let (one, few) = memory_for(&format!("{folder}0.json.gz"), moto.endpoint());
    let (all, many) = memory_for(folder, moto.endpoint());
    assert_eq!((few, many), (30, OBJECTS * 17 + OBJECTS / 10 * 13));
    assert!(
        all < one + 24 * 1024,
        "{one} kB for an object, {all} kB for {OBJECTS}"
    );
}

/// The most memory that counting this had resident, in kB, and how many events there were.
fn memory_for(source: &str, endpoint: &str) -> (u64, u64) {
    let work = Workspace::new();
    let mut child = work.orgtrail(["volumes", source]).aws(endpoint).start();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak_of(child.id()).unwrap_or(peak);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let (code, stderr) = wait_with_open_input(child);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(peak > 0, "no figure in /proc");
    let volumes = yaml(&work.read("volumes.yaml"));
    (
        peak,
        events(&volumes, "111122223333", "us-east-1", "Management"),
    )
}

/// The most memory that a process had resident, in kB; nothing when it has ended.
fn peak_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[test]
fn trails_under_several_prefixes_of_a_bucket_are_all_read() {
    let moto = Moto::shared();
    let aws = moto.proxied(&[]);
    let folder = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/07/14";
    let script = format!(
        r#"
s3 = client("s3", "us-east-1")
s3.create_bucket(Bucket="beside")
record = '{}'
for key in ["{folder}/a.json", "p/{folder}/b.json", "notes/c.json"]:
    s3.put_object(Bucket="beside", Key=key, Body=record)
s3.create_bucket(Bucket="prefixes")
for key in ["p/{folder}/a.json", "q/{folder}/b.json", "notes/c.json"]:
    s3.put_object(Bucket="prefixes", Key=key, Body=record)
0
"#,
        record("111122223333", "2026-07-14T10:20:00Z")
    );
    boto3_eval(moto.endpoint(), MANAGEMENT, &script);
    let work = Workspace::new();
    for bucket in ["beside", "prefixes"] {
        let (address, file) = (format!("s3://{bucket}"), format!("{bucket}.yaml"));
        work.orgtrail(["volumes", &address, "--out", &file])
            .aws(aws.endpoint())
            .run()
            .exits(0);
        let volumes = yaml(&work.read(&file));
        assert_eq!(
            events(&volumes, "111122223333", "us-east-1", "Management"),
            2
        );
    }
    // Who may not look into a folder beside the logs is told so.
    aws.config(json!({"faults": ["accessdenied:match=ListObjects,nth=2"]}));
    work.orgtrail(["volumes", "s3://beside", "--strict", "--out", "c.yaml"])
        .aws(aws.endpoint())
        .run()
        .exits(4)
        .says("/AWSLogs/: s3:ListObjectsV2: AccessDenied");
}

#[test]
fn what_a_bucket_refuses_is_named() {
    let moto = Moto::shared();
    let aws = moto.proxied(&[]);
    upload(moto.endpoint());
    let work = Workspace::new();
    let bucket = format!("s3://{BUCKET}/p");
    let run = work
        .orgtrail(["volumes", "s3://no-such-bucket/"])
        .aws(aws.endpoint())
        .run()
        .exits(1);
    run.says("s3:HeadBucket").never_says("panicked");
    // Answers that break off and throttling are asked for again.
    aws.config(
        json!({"faults": ["truncate:match=GetObject,nth=5", "truncate:match=GetObject,nth=60", "truncate:match=GetObject,nth=150", "throttle:match=s3,every=11"]}),
    );
    work.orgtrail(["volumes", &bucket, "--strict", "--out", "a.yaml"])
        .aws(aws.endpoint())
        .run()
        .exits(0);
    assert!(
        aws.stats()["injected"]
            .as_object()
            .is_some_and(|injected| injected.len() == 2),
        "{}",
        aws.stats()
    );
    aws.config(json!({"faults": ["accessdenied:match=GetObject,every=10"]}));
    aws.reset();
    let run = work
        .orgtrail(["volumes", &bucket, "--strict", "--out", "b.yaml"])
        .aws(aws.endpoint())
        .run()
        .exits(4);
    run.says("s3:GetObject: AccessDenied")
        .says("s3://acme-org-trail-logs/p/AWSLogs/")
        .says("24 problems in 24 files");
}

/// Also while it waits for a standard input that never ends.
#[test]
fn ctrl_c_ends_it_and_writes_nothing() {
    let work = Workspace::new();
    let child = work.orgtrail(["volumes", "-"]).start();
    wait_for_handler(child.id());
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let started = std::time::Instant::now();
    let output = wait_with_open_input(child);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    assert_eq!(output.0, Some(1));
    assert!(
        output.1.contains("stopped; nothing was written"),
        "{}",
        output.1
    );
    assert!(!work.path("volumes.yaml").exists());
}

/// Until a process no longer dies of Ctrl-C.
fn wait_for_handler(process: u32) {
    const SIGINT: u64 = 1 << 1;
    let caught = || {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    };
    for _ in 0..2000 {
        if caught().is_some_and(|mask| mask & SIGINT != 0) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("no handler for Ctrl-C after 20 s");
}

/// Exit code and diagnostics. `wait_with_output` would close the input.
fn wait_with_open_input(mut child: std::process::Child) -> (Option<i32>, String) {
    use std::io::Read;
    let input = child.stdin.take();
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    let code = child.wait().unwrap().code();
    drop(input);
    (code, stderr)
}
