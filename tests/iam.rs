//! The IAM policies that `orgtrail policies` prints allow every call that the program makes, and the ones for planning
//! allow no write.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use support::Workspace;

/// Where an API operation is authorized under another name (Service Authorization Reference).
const IAM_NAMES: [(&str, &str); 12] = [
    ("s3:HeadBucket", "s3:ListBucket"),
    ("s3:GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
    ("s3:PutPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    ("s3:GetBucketEncryption", "s3:GetEncryptionConfiguration"),
    ("s3:PutBucketEncryption", "s3:PutEncryptionConfiguration"),
    (
        "s3:GetBucketLifecycleConfiguration",
        "s3:GetLifecycleConfiguration",
    ),
    (
        "s3:PutBucketLifecycleConfiguration",
        "s3:PutLifecycleConfiguration",
    ),
    ("s3:DeleteBucketLifecycle", "s3:PutLifecycleConfiguration"),
    (
        "s3:GetObjectLockConfiguration",
        "s3:GetBucketObjectLockConfiguration",
    ),
    (
        "s3:PutObjectLockConfiguration",
        "s3:PutBucketObjectLockConfiguration",
    ),
    // Allowed to everybody, whatever the policies say.
    ("sts:GetCallerIdentity", ""),
    ("kms:ListKeys", "kms:ListKeys"),
];

/// Only a role that may stop recording needs these; it is a person's, not the pipeline's.
const ONLY_BY_HAND: [&str; 2] = ["cloudtrail:DeleteTrail", "cloudtrail:StopLogging"];

/// Every `service:Operation` that plan and apply name where they call AWS.
fn calls() -> BTreeSet<String> {
    calls_in(&["src/kinds", "src/live.rs", "src/apply/lock.rs"])
}

fn calls_in(paths: &[&str]) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = paths.iter().flat_map(|path| {
        let path = root.join(path);
        match path.is_dir() {
            true => fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect(),
            false => vec![path],
        }
    });
    let mut calls = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        for literal in text.split('"').skip(1).step_by(2) {
            let Some((service, operation)) = literal.split_once(':') else {
                continue;
            };
            let known = [
                "s3",
                "kms",
                "cloudtrail",
                "organizations",
                "iam",
                "sns",
                "ce",
                "pricing",
            ]
            .contains(&service);
            if known
                && operation.starts_with(char::is_uppercase)
                && operation.chars().all(char::is_alphanumeric)
            {
                calls.insert(literal.to_owned());
            }
        }
    }
    calls
}

fn iam_name(call: &str) -> &str {
    let renamed = IAM_NAMES.iter().find(|(api, _)| *api == call);
    renamed.map_or(call, |(_, iam)| iam)
}

fn allowed(policies: [&str; 2]) -> BTreeSet<String> {
    let work = Workspace::new();
    work.write("orgtrail.yaml", include_str!("../examples/orgtrail.yaml"));
    let mut actions = BTreeSet::new();
    for name in policies {
        let policy = work.orgtrail(["policies", name]).run().exits(0).json();
        for statement in policy["Statement"].as_array().unwrap() {
            match &statement["Action"] {
                Value::String(action) => {
                    actions.insert(action.clone());
                }
                list => actions.extend(
                    list.as_array()
                        .unwrap()
                        .iter()
                        .map(|a| a.as_str().unwrap().to_owned()),
                ),
            }
        }
    }
    actions
}

fn reads(call: &str) -> bool {
    let operation = call.split(':').nth(1).unwrap();
    ["Get", "List", "Describe", "Head"]
        .iter()
        .any(|verb| operation.starts_with(verb))
}

#[test]
fn the_apply_roles_may_do_all_that_apply_does() {
    let allowed = allowed(["apply-management", "apply-log-archive"]);
    let calls = calls();
    assert!(calls.len() > 50, "{calls:?}");
    let missing: Vec<&str> = calls
        .iter()
        .map(|call| iam_name(call))
        .filter(|action| !allowed.contains(*action) && !ONLY_BY_HAND.contains(action))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_plan_roles_may_read_all_that_plan_reads_and_write_nothing() {
    let allowed = allowed(["plan-management", "plan-log-archive"]);
    let calls = calls();
    let of_plan = calls
        .iter()
        .filter(|call| reads(call) && *call != "s3:GetObject");
    let missing: Vec<&str> = of_plan
        .map(|call| iam_name(call))
        .filter(|action| !allowed.contains(*action))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    let writes: Vec<&String> = allowed
        .iter()
        .filter(|action| !reads(action) && *action != "sts:AssumeRole")
        .collect();
    assert!(writes.is_empty(), "{writes:?}");
}

#[test]
fn logs_and_bills_are_read_with_policies_of_their_own() {
    for (policy, paths) in [
        ("count-logs", &["src/fetch.rs"][..]),
        ("read-bill", &["src/bill", "src/price_list"]),
    ] {
        let (calls, allowed) = (calls_in(paths), allowed([policy, policy]));
        assert!(!calls.is_empty(), "{policy}");
        // S3 asks the key on behalf of the caller.
        let needed = calls.iter().map(|call| match &**call {
            "s3:ListObjectsV2" => "s3:ListBucket",
            call => iam_name(call),
        });
        let decrypt = ["kms:Decrypt"]
            .into_iter()
            .filter(|_| policy == "count-logs");
        let needed: BTreeSet<&str> = needed.chain(decrypt).collect();
        assert_eq!(
            allowed.iter().map(String::as_str).collect::<BTreeSet<_>>(),
            needed
        );
    }
}

#[test]
fn who_counts_may_use_the_key_wherever_it_is_and_no_other_bucket() {
    let work = Workspace::new();
    let spec = "version: 1\nname: t\naccounts:\n  m: { id: '111122223333', region: us-east-1 }\n  \
        w: { id: '222233334444', region: us-east-1, profile: w }\nkeys: { trail: { account: m, alias: trail } }\nbuckets:\n  \
        logs: { account: w, name: acme-logs }\n  access: { account: w, name: acme-access }\ntrails:\n  \
        all: { account: m, bucket: logs, key: trail }\n";
    work.write("orgtrail.yaml", spec);
    let policy = work.orgtrail(["policies", "count-logs"]).run().exits(0);
    policy
        .says("arn:aws:kms:*:111122223333:key/*")
        .says("arn:aws:s3:::acme-logs/*AWSLogs/*")
        .never_says("222233334444")
        .never_says("acme-access");
    work.write("orgtrail.yaml", &spec.replace(", key: trail", ""));
    let policy = work.orgtrail(["policies", "count-logs"]).run().exits(0);
    policy.never_says("kms");
}

/// Every account of the spec is asked for its trails: those that left the spec, and those of others that make copies.
#[test]
fn every_role_may_read_the_trails_of_its_account() {
    let calls = [
        "ListTrails",
        "GetTrail",
        "GetTrailStatus",
        "GetEventSelectors",
        "ListTags",
    ];
    for account in ["management", "log-archive"] {
        for role in ["plan", "apply"] {
            let name = format!("{role}-{account}");
            let allowed = allowed([&name, &name]);
            let missing = calls
                .iter()
                .filter(|call| !allowed.contains(&format!("cloudtrail:{call}")));
            assert_eq!(missing.count(), 0, "{name}");
        }
    }
}
