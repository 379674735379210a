//! What people read, as snapshots: look at a change of `tests/snapshots/` as its reader would. And what machines read.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod support;

use std::fs;
use std::path::Path;

use insta::{Settings, assert_snapshot};
use serde_json::{Map, Value};
use support::{Run, Workspace};

const EXAMPLE: &str = include_str!("../examples/orgtrail.yaml");
const ARCHIVE: [&str; 2] = ["--account", "222233334444"];

/// The example as `orgtrail.yaml` in a workspace of its own.
fn example() -> Workspace {
    let work = Workspace::new();
    work.write("orgtrail.yaml", EXAMPLE);
    work
}

fn applied() -> Workspace {
    let work = example();
    apply(&work);
    work
}

fn apply(work: &Workspace) {
    let run = work
        .orgtrail(["apply", "--sandbox", "--auto-approve"])
        .run();
    run.exits(0);
}

/// Changes the spec; every piece must be there.
#[track_caller]
fn edit(work: &Workspace, changes: &[(&str, &str)]) {
    let mut text = work.read("orgtrail.yaml");
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    work.write("orgtrail.yaml", &text);
}

/// Somebody who does not use orgtrail.
fn call(work: &Workspace, call: &str, body: &Value, caller: &[&str]) {
    let body = body.to_string();
    let arguments = [&["sandbox", "call", call, body.as_str()], caller].concat();
    work.orgtrail(arguments).run().exits(0);
}

fn fault(work: &Workspace, fault: &Value) {
    let faults = Value::from(vec![fault.clone()]);
    work.write(".orgtrail/sandbox/faults.json", &faults.to_string());
}

fn run(work: &Workspace, columns: usize, arguments: &[&str]) -> Run {
    let arguments = [arguments, &["--sandbox"]].concat();
    let orgtrail = work.orgtrail(arguments);
    orgtrail.env("COLUMNS", columns.to_string()).run()
}

/// Both streams as they stand; of what differs from run to run, times and key ids, another is put in its place.
fn shown(run: &Run) -> String {
    let part = |name: &str, text: &str| match text {
        "" => String::new(),
        text => format!("── {name}\n{text}"),
    };
    let code = run.code.unwrap();
    let (out, err) = (part("stdout", &run.stdout), part("stderr", &run.stderr));
    format!("{out}{err}── exit code {code}\n").replace('\u{1b}', "␛")
}

fn snapshot(name: &str, run: &Run) {
    let mut settings = Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.add_filter(r"\b\d+\.\ds\b", "[time]");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[when]");
    // Made from the number of calls before; of the same width.
    settings.add_filter(
        r"key/[0-9a-f-]{36}",
        "key/11111111-2222-4333-8444-555555555555",
    );
    settings.bind(|| assert_snapshot!(name, shown(run)));
}

// ---- plan

#[test]
fn a_first_plan() {
    let work = example();
    snapshot("plan_80_columns", &run(&work, 80, &["plan"]));
    snapshot("plan_160_columns", &run(&work, 160, &["plan"]));
    snapshot(
        "plan_coloured",
        &run(&work, 80, &["plan", "--color", "always"]),
    );
}

#[test]
fn a_plan_with_risks() {
    let work = applied();
    edit(
        &work,
        &[
            ("rotation_days: 365", "rotation_days: 0"),
            (
                "arn:aws:iam::222233334444:role/siem",
                "arn:aws:iam::222233334444:role/OrgTrailPlan",
            ),
            ("expiration_days: 2557", "expiration_days: 400"),
            ("days: 2557 ", "days: 365 "),
            (
                "    log_file_validation: true\n",
                "    log_file_validation: false\n",
            ),
            ("read_only: false", "eventName: [PutObject]"),
        ],
    );
    snapshot("plan_risks", &run(&work, 80, &["plan"]));
    snapshot(
        "apply_without_consent",
        &run(&work, 80, &["apply", "--auto-approve", "-q"]),
    );
}

#[test]
fn a_plan_that_stops_a_trail() {
    let work = applied();
    edit(
        &work,
        &[(
            "    organization: true ",
            "    logging: false\n    organization: true ",
        )],
    );
    snapshot("plan_stops_recording", &run(&work, 80, &["plan"]));
}

#[test]
fn a_plan_with_a_gap() {
    let work = applied();
    let denied = serde_json::json!({
        "call": "s3.GetBucketPolicy", "status": 403, "code": "AccessDenied",
        "message": "User: arn:aws:sts::222233334444:assumed-role/OrgTrailApply/orgtrail is not authorized to perform: \
                    s3:GetBucketPolicy on resource: \"arn:aws:s3:::acme-org-trail-logs\"",
    });
    fault(&work, &denied);
    edit(
        &work,
        &[
            ("rotation_days: 365", "rotation_days: 180"),
            ("days: 90", "days: 120"),
        ],
    );
    snapshot("plan_gap", &run(&work, 80, &["plan"]));
    snapshot("drift_gap", &run(&work, 80, &["drift"]));
}

#[test]
fn a_plan_that_holds_back() {
    let work = example();
    work.orgtrail(["sandbox", "init"]).run().exits(0);
    let denied = serde_json::json!({
        "call": "kms.DescribeKey", "status": 400, "code": "AccessDeniedException", "message": "not authorized",
    });
    fault(&work, &denied);
    snapshot("plan_held_back", &run(&work, 80, &["plan", "--strict"]));
}

/// A statement of somebody else's denies what the trail needs, and a topic does not admit CloudTrail.
#[test]
fn a_plan_with_failing_proofs() {
    let work = applied();
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Owner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222233334444:root"},
         "Action": "kms:*", "Resource": "*"},
        {"Sid": "NoServices", "Effect": "Deny", "Principal": {"Service": "cloudtrail.amazonaws.com"},
         "Action": "kms:GenerateDataKey*", "Resource": "*"}]});
    let aliases = work
        .orgtrail(["sandbox", "call", "kms.ListAliases", "{}"])
        .arg("--account=222233334444")
        .run();
    let id = aliases.json()["Aliases"][0]["TargetKeyId"].clone();
    let body =
        serde_json::json!({"KeyId": id, "PolicyName": "default", "Policy": policy.to_string()});
    call(&work, "kms.PutKeyPolicy", &body, &ARCHIVE);
    let topic = "    key: trail\n    sns_topic: arn:aws:sns:us-east-1:111122223333:security-alerts\n    log_file";
    edit(&work, &[("    key: trail\n    log_file", topic)]);
    snapshot("plan_failing_proofs", &run(&work, 80, &["plan"]));
}

#[test]
fn a_plan_that_destroys() {
    let work = applied();
    let text = work.read("orgtrail.yaml");
    let without = text.split("trails:").next().unwrap().to_owned();
    work.write("orgtrail.yaml", &without);
    snapshot("plan_destroys", &run(&work, 80, &["plan"]));
}

#[test]
fn a_plan_of_no_changes() {
    snapshot("plan_no_changes", &run(&applied(), 80, &["plan"]));
}

// ---- drift

#[test]
fn drift() {
    let work = applied();
    snapshot("drift_none", &run(&work, 80, &["drift"]));
    let trail = serde_json::json!({"Name": "org"});
    call(&work, "cloudtrail.StopLogging", &trail, &[]);
    let selectors = serde_json::json!({"TrailName": "org", "AdvancedEventSelectors": [
        {"Name": "management", "FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "readOnly", "Equals": ["false"]}]}]});
    call(&work, "cloudtrail.PutEventSelectors", &selectors, &[]);
    let key = serde_json::json!({"KeyId": "alias/org-trail"});
    let keys = work.orgtrail(["sandbox", "call", "kms.DescribeKey", &key.to_string()]);
    let described = keys.arg("--account=222233334444").run().exits(0).json();
    let key = serde_json::json!({"KeyId": described["KeyMetadata"]["KeyId"]});
    call(&work, "kms.DisableKeyRotation", &key, &ARCHIVE);
    snapshot(
        "drift_several",
        &run(&work, 80, &["drift", "--detailed-exitcode"]),
    );
}

// ---- check

#[test]
fn check_with_several_errors() {
    let work = example();
    edit(
        &work,
        &[
            ("id: \"111122223333\"", "id: 111122223333"),
            ("    multi_region: true", "    multi_regoin: true"),
        ],
    );
    snapshot("check_structure", &run(&work, 80, &["check"]));
    let work = example();
    edit(
        &work,
        &[
            ("    alias: org-trail", "    alias: alias/org-trail"),
            ("storage_class: GLACIER_IR", "storage_class: STANDARD_IA"),
            ("{ days: 90,", "{ days: 10,"),
            ("      bucket: access-logs", "      bucket: access-log"),
            ("      days: 2557 ", "      days: 365 "),
            (
                "        data: AWS::S3::Object",
                "        data: AWS::S3::Objects",
            ),
            (
                "exclude: [kms.amazonaws.com]",
                "exclude: [s3.amazonaws.com]",
            ),
        ],
    );
    snapshot("check_rules", &run(&work, 80, &["check"]));
    snapshot("check_fine", &run(&example(), 80, &["check"]));
}

// ---- apply

#[test]
fn apply_reports() {
    let work = example();
    run(&work, 80, &["plan", "--out", "trail.plan"]).exits(0);
    snapshot("apply_complete", &run(&work, 80, &["apply", "trail.plan"]));
    snapshot("apply_stale", &run(&work, 80, &["apply", "trail.plan"]));
    snapshot("apply_nothing", &run(&work, 80, &["apply"]));
}

#[test]
fn apply_that_fails_on_the_way() {
    let work = example();
    run(&work, 80, &["plan", "--out", "trail.plan"]).exits(0);
    let refused = serde_json::json!({
        "call": "kms.CreateKey", "status": 400, "code": "LimitExceededException",
        "message": "You have reached the limit for KMS keys in this Region",
    });
    fault(&work, &refused);
    snapshot(
        "apply_incomplete",
        &run(&work, 80, &["apply", "trail.plan"]),
    );
}

// ---- for machines

/// `ORGTRAIL_UPDATE_SCHEMA=1 cargo test schema` writes the file anew.
#[test]
fn the_published_plan_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/plan.schema.json");
    let current = support::orgtrail(["schema", "plan"]).exits(0).stdout;
    if std::env::var_os("ORGTRAIL_UPDATE_SCHEMA").is_some() {
        fs::write(&path, &current).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == current,
        "run: ORGTRAIL_UPDATE_SCHEMA=1 cargo test schema"
    );
}

#[test]
fn json_is_never_coloured_and_fits_its_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/plan.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let fits = |work: &Workspace, arguments: &[&str]| {
        let arguments = [arguments, &["--format", "json", "--color", "always"]].concat();
        let run = run(work, 80, &arguments);
        assert!(!run.stdout.contains('\u{1b}'), "{}", run.stdout);
        let document = run.json();
        let problems = problems(&schema, &schema, &document, "$");
        assert!(problems.is_empty(), "{problems:#?}");
        document
    };
    let work = example();
    let first = fits(&work, &["plan"]);
    assert_eq!(first["summary"]["add"], 4);
    apply(&work);
    assert_eq!(fits(&work, &["plan"])["actions"], Value::Array(Vec::new()));
    edit(
        &work,
        &[
            ("rotation_days: 365", "rotation_days: 0"),
            ("read_only: false", "eventName: [PutObject]"),
            ("days: 90", "days: 120"),
        ],
    );
    let denied =
        serde_json::json!({"call": "s3.GetBucketPolicy", "status": 403, "code": "AccessDenied"});
    fault(&work, &denied);
    let last = fits(&work, &["plan"]);
    for list in ["actions", "gaps", "coverage", "proofs"] {
        assert_ne!(last[list], Value::Array(Vec::new()), "{list}");
    }
    fits(&work, &["drift"]);
}

#[test]
fn the_schema_check_sees_what_is_wrong() {
    let schema: Value = serde_json::json!({"type": "object", "additionalProperties": false, "required": ["a"],
        "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"type": "array", "items": {"type": ["string", "null"]}}},
        "$defs": {"A": {"oneOf": [{"const": "x"}, {"enum": ["y", "z"]}]}}});
    let bad = |document: Value| problems(&schema, &schema, &document, "$").len();
    assert_eq!(bad(serde_json::json!({"a": "y", "b": ["c", null]})), 0);
    assert_eq!(bad(serde_json::json!({"a": "n", "b": [1, 2], "c": 0})), 4);
    assert_eq!(bad(serde_json::json!([])), 1);
}

/// What of JSON Schema our schemas use. A keyword that is not known here is a problem of its own.
fn problems(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let Value::Object(keywords) = schema else {
        return match schema {
            Value::Bool(false) => vec![format!("{at} must not be there")],
            _ => Vec::new(),
        };
    };
    let mut out = Vec::new();
    for (keyword, rule) in keywords {
        let holds = match keyword.as_str() {
            "title" | "description" | "$schema" | "$defs" | "format" | "default" | "properties" => {
                true
            }
            "additionalProperties" => true, // with the properties, below
            "type" => is_of_type(rule, value),
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value
                .as_f64()
                .is_none_or(|number| number >= rule.as_f64().unwrap()),
            "required" => rule.as_array().unwrap().iter().all(|name| {
                value
                    .as_object()
                    .is_none_or(|members| members.contains_key(name.as_str().unwrap()))
            }),
            "$ref" => {
                let target = root
                    .pointer(rule.as_str().unwrap().trim_start_matches('#'))
                    .unwrap();
                out.extend(problems(root, target, value, at));
                true
            }
            "oneOf" | "anyOf" => {
                let branches = rule.as_array().unwrap().iter();
                let fitting =
                    branches.filter(|branch| problems(root, branch, value, at).is_empty());
                match (keyword.as_str(), fitting.count()) {
                    ("oneOf", count) => count == 1,
                    (_, count) => count > 0,
                }
            }
            // The one pattern there is, that of addresses; another is a problem until this knows it.
            "pattern" => {
                rule == "^[^.]+\\..+$"
                    && value
                        .as_str()
                        .and_then(|text| text.split_once('.'))
                        .is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty())
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    out.extend(problems(root, rule, item, &format!("{at}[{index}]")));
                }
                true
            }
            _ => false,
        };
        if !holds {
            out.push(format!("{at}: {keyword}: {rule}: {value}"));
        }
    }
    if let Value::Object(members) = value {
        out.extend(members_problems(root, keywords, members, at));
    }
    out
}

fn members_problems(
    root: &Value,
    keywords: &Map<String, Value>,
    members: &Map<String, Value>,
    at: &str,
) -> Vec<String> {
    let others = keywords
        .get("additionalProperties")
        .unwrap_or(&Value::Bool(true));
    let mut out = Vec::new();
    for (name, value) in members {
        let known = keywords.get("properties").and_then(|known| known.get(name));
        out.extend(problems(
            root,
            known.unwrap_or(others),
            value,
            &format!("{at}.{name}"),
        ));
    }
    out
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type {other}"),
    };
    match rule {
        Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
        name => is(name.as_str().unwrap()),
    }
}
