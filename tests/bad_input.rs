//! Bad input and bad luck: each ends with a message that says what happened, where, and what to do next.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod support;

use std::net::TcpListener;
use support::Workspace;

const EXAMPLE: &str = include_str!("../examples/orgtrail.yaml");

/// The example as `orgtrail.yaml` in a workspace of its own.
fn example() -> Workspace {
    with_spec(EXAMPLE)
}

fn with_spec(text: &str) -> Workspace {
    let work = Workspace::new();
    work.write("orgtrail.yaml", text);
    work
}

fn applied() -> Workspace {
    let work = example();
    work.orgtrail(["apply", "--sandbox", "--auto-approve"])
        .run()
        .exits(0);
    work
}

// ---- the spec

#[test]
fn an_empty_file() {
    with_spec("")
        .orgtrail(["check"])
        .run()
        .exits(1)
        .says("orgtrail.yaml")
        .says("empty");
}

#[test]
fn no_file_at_all() {
    let run = Workspace::new()
        .orgtrail(["plan", "--sandbox"])
        .run()
        .exits(1);
    run.says("orgtrail.yaml cannot be read")
        .says("orgtrail -f PATH");
}

#[test]
fn not_yaml() {
    let run = with_spec("version: 1\nname: [a\n")
        .orgtrail(["check"])
        .run()
        .exits(1);
    run.says("orgtrail.yaml:");
}

#[test]
fn ten_megabytes() {
    let line = "# what a long comment this is, and how often it comes again\n";
    let run = with_spec(&line.repeat(10_500_000 / line.len()))
        .orgtrail(["check"])
        .run()
        .exits(1);
    run.says("MB");
}

#[test]
fn an_alias_bomb() {
    let mut text =
        "version: 1\nname: a\ntags:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!(
            "  a{level}: &a{level} [{}]\n",
            below.trim_end_matches(", ")
        ));
    }
    with_spec(&text)
        .orgtrail(["check"])
        .run()
        .exits(1)
        .says("orgtrail.yaml");
}

#[test]
fn an_unknown_key_with_a_near_miss() {
    let spec = EXAMPLE.replace("    multi_region: true", "    multi_regoin: true");
    let run = with_spec(&spec).orgtrail(["check"]).run().exits(1);
    run.says("multi_regoin")
        .says("multi_region")
        .says("orgtrail.yaml:");
}

#[test]
fn a_wrong_type() {
    let spec = EXAMPLE.replace("id: \"111122223333\"", "id: 111122223333");
    let run = with_spec(&spec).orgtrail(["check"]).run().exits(1);
    run.says("string").says("\"111122223333\"");
}

#[test]
fn duplicate_names() {
    let spec = format!("{EXAMPLE}\ntrails:\n  org: {{ account: management, bucket: logs }}\n");
    with_spec(&spec)
        .orgtrail(["check"])
        .run()
        .exits(1)
        .says("trails");
}

#[test]
fn a_dangling_reference() {
    let spec = EXAMPLE.replace(
        "    bucket: logs\n    key: trail",
        "    bucket: log\n    key: trail",
    );
    let run = with_spec(&spec).orgtrail(["check"]).run().exits(1);
    run.says("`log`").says("logs");
}

#[test]
fn every_problem_at_once() {
    let spec = EXAMPLE
        .replace(
            "    bucket: logs\n    key: trail",
            "    bucket: log\n    key: trial",
        )
        .replace("rotation_days: 365", "rotation_days: 5");
    let run = with_spec(&spec).orgtrail(["check"]).run().exits(1);
    run.says("`log`")
        .says("`trial`")
        .says("rotation")
        .says("3 errors");
}

// ---- accounts

#[test]
fn credentials_of_another_account() {
    let spec = EXAMPLE.replace("111122223333", "999988887777");
    let run = with_spec(&spec)
        .orgtrail(["plan", "--sandbox"])
        .run()
        .exits(1);
    run.says("belong to account 111122223333")
        .says("999988887777");
}

#[test]
fn no_credentials() {
    let run = example().orgtrail(["plan"]).run().exits(1);
    run.says("the ambient credentials")
        .says("aws sso login")
        .says("management 111122223333");
}

#[test]
fn a_profile_that_does_not_exist() {
    let spec = EXAMPLE.replace(
        "    region: us-east-1",
        "    region: us-east-1\n    profile: audit",
    );
    let run = with_spec(&spec).orgtrail(["plan"]).run().exits(1);
    run.says("profile audit")
        .says("aws configure list-profiles");
}

#[test]
fn an_endpoint_that_is_down() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let run = example().orgtrail(["plan"]).aws(&endpoint).run().exits(1);
    run.says("AWS_ENDPOINT_URL");
}

#[test]
fn access_denied_on_one_read_is_a_gap() {
    let work = applied();
    let fault = r#"[{"call": "s3.GetBucketPolicy", "status": 403, "code": "AccessDenied", "message": "no"}]"#;
    work.write(".orgtrail/sandbox/faults.json", fault);
    let spec = EXAMPLE.replace("rotation_days: 365", "rotation_days: 180");
    work.write("orgtrail.yaml", &spec);
    let run = work.orgtrail(["plan", "--sandbox"]).run().exits(0);
    let run = run
        .says("bucket.logs is unknown: s3:GetBucketPolicy")
        .says("log-archive 222233334444");
    run.says("key.trail will be changed")
        .says("Plan: 0 to add, 1 to change, 0 to destroy.");
    work.orgtrail(["plan", "--sandbox", "--strict"])
        .run()
        .exits(4);
}

#[test]
fn a_throttle_goes_away() {
    let work = example();
    work.orgtrail(["sandbox", "init"]).run().exits(0);
    let fault = r#"[{"call": "kms.*", "status": 400, "code": "ThrottlingException", "message": "Rate exceeded", "times": 2}]"#;
    work.write(".orgtrail/sandbox/faults.json", fault);
    work.orgtrail(["plan", "--sandbox"])
        .run()
        .exits(0)
        .says("Plan: 4 to add");
}

// ---- plan files

#[test]
fn a_stale_plan() {
    let work = example();
    work.orgtrail(["plan", "--sandbox", "--out", "p.json"])
        .run()
        .exits(0);
    work.orgtrail(["apply", "--sandbox", "p.json"])
        .run()
        .exits(0);
    let run = work
        .orgtrail(["apply", "--sandbox", "p.json"])
        .run()
        .exits(3);
    run.says("stale")
        .says("trail.org")
        .says("make the plan again");
    // It can still be looked at.
    work.orgtrail(["show", "p.json"])
        .run()
        .exits(0)
        .says("+ trail.org");
}

#[test]
fn a_plan_of_another_spec() {
    let work = example();
    work.orgtrail(["plan", "--sandbox", "--out", "p.json"])
        .run()
        .exits(0);
    work.write(
        "orgtrail.yaml",
        &EXAMPLE.replace("name: acme-audit ", "name: other-audit "),
    );
    let run = work
        .orgtrail(["apply", "--sandbox", "p.json"])
        .run()
        .exits(3);
    run.says("a plan of `acme-audit`, the spec is `other-audit`");
}

#[test]
fn a_plan_of_an_older_spec() {
    let work = example();
    work.orgtrail(["plan", "--sandbox", "--out", "p.json"])
        .run()
        .exits(0);
    work.write(
        "orgtrail.yaml",
        &EXAMPLE.replace("rotation_days: 365", "rotation_days: 180"),
    );
    work.orgtrail(["apply", "--sandbox", "p.json"])
        .run()
        .exits(3)
        .says("the spec has changed");
}

#[test]
fn a_truncated_plan_file() {
    let work = example();
    work.orgtrail(["plan", "--sandbox", "--out", "p.json"])
        .run()
        .exits(0);
    let text = work.read("p.json");
    work.write("p.json", &text[..text.len() / 2]);
    work.orgtrail(["apply", "--sandbox", "p.json"])
        .run()
        .exits(1)
        .says("cut off");
    work.orgtrail(["show", "p.json"])
        .run()
        .exits(1)
        .says("cut off");
}

#[test]
fn a_plan_file_that_is_something_else() {
    let work = example();
    work.write("p.json", "{\"hello\": 1}");
    work.orgtrail(["show", "p.json"])
        .run()
        .exits(1)
        .says("not a plan file");
    work.write("p.json", "{\"format_version\": \"2.0\"}");
    work.orgtrail(["show", "p.json"])
        .run()
        .exits(1)
        .says("format 2.0");
}

// ---- usage

#[test]
fn wrong_usage_is_not_changes() {
    // clap's own code is 2, which pipelines take for "changes".
    example()
        .orgtrail(["plan", "--frobnicate"])
        .run()
        .exits(1)
        .says("--frobnicate");
}

#[test]
fn a_target_that_is_not_there() {
    let run = example()
        .orgtrail(["plan", "--sandbox", "--target", "trail.ogr"])
        .run()
        .exits(1);
    run.says("no trail.ogr").says("trail.org");
}

#[test]
fn one_dash_is_enough_for_terraform_fingers() {
    let work = example();
    work.orgtrail([
        "plan",
        "--sandbox",
        "-out=p.json",
        "-no-color",
        "-detailed-exitcode",
    ])
    .run()
    .exits(2);
    work.orgtrail(["apply", "--sandbox", "-auto-approve", "p.json"])
        .run()
        .exits(0);
}

#[test]
fn only_yes_confirms() {
    let work = example();
    let run = work
        .orgtrail(["apply", "--sandbox"])
        .input("y\n")
        .run()
        .exits(1);
    run.says("not confirmed; nothing was changed");
    work.orgtrail(["apply", "--sandbox"])
        .input("yes\n")
        .run()
        .exits(0)
        .says("Apply complete!");
}

#[test]
fn a_broken_sandbox() {
    let work = example();
    work.write(".orgtrail/sandbox/state.json", "{");
    let run = work.orgtrail(["plan", "--sandbox"]).run().exits(1);
    run.says("state.json").says("--sandbox=DIR");
}

#[test]
fn a_sixth_trail_in_a_region() {
    let spec = |name: &str, trails: &str| {
        format!(
            "version: 1\nname: {name}\naccounts: {{ a: {{ id: \"111122223333\", region: us-east-1 }} }}\n\
             buckets: {{ logs: {{ account: a, name: {name}-sixth-logs }} }}\ntrails:\n{trails}"
        )
    };
    let trail =
        |name: &str| format!("  {name}: {{ account: a, bucket: logs, multi_region: false }}\n");
    let five: String = ["one", "two", "three", "four", "five"].map(trail).concat();
    let work = with_spec(&spec("first", &five));
    work.orgtrail(["apply", "--sandbox", "--auto-approve"])
        .run()
        .exits(0);
    // Another spec, which cannot know of these.
    work.write("orgtrail.yaml", &spec("second", &trail("six")));
    work.orgtrail(["plan", "--sandbox"])
        .run()
        .exits(3)
        .says("trail.six: us-east-1 in a would have 6 trails, AWS takes 5");
}

#[test]
fn a_consent_in_the_spec_says_its_reason_and_ends() {
    let work = applied();
    let stopped = EXAMPLE.replace(
        "    bucket: logs\n    key: trail",
        "    logging: false\n    bucket: logs\n    key: trail",
    );
    let allow = |until: &str| {
        format!(
            "{stopped}\nallow:\n  - {{ risk: stops-recording, reason: moving house, until: {until}, target: trail.org }}\n"
        )
    };
    work.write("orgtrail.yaml", &allow("2020-01-31"));
    work.orgtrail(["apply", "--sandbox", "--auto-approve"])
        .run()
        .exits(3)
        .says("--allow stops-recording");
    work.write("orgtrail.yaml", &allow("2999-12-31"));
    work.orgtrail(["apply", "--sandbox", "--auto-approve"])
        .run()
        .exits(0)
        .says("allowed by the spec until 2999-12-31: moving house");
}
