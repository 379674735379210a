//! The main job: the example is checked, planned, applied from a saved plan, planned again, changed behind its back in
//! every kind and mended. On the sandbox, on moto and on ministack.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod support;

use std::collections::BTreeSet;

use serde_json::json;
use support::{Example, Ministack, Moto, Proxy, Run};

/// A change behind the spec's back, and what drift must name.
struct Tampering {
    name: &'static str,
    account: Account,
    script: &'static str,
    /// `ADDRESS PATH`
    drift: &'static str,
    /// Mending it takes something away.
    allow: Option<&'static str>,
}

enum Account {
    Management,
    Archive,
}

const TAMPERINGS: [Tampering; 11] = [
    Tampering {
        name: "trusted access withdrawn",
        account: Account::Management,
        script: "client('organizations').disable_aws_service_access(ServicePrincipal='cloudtrail.amazonaws.com')",
        drift: "organization.access trusted_access",
        allow: None,
    },
    Tampering {
        name: "StopLogging",
        account: Account::Management,
        script: "client('cloudtrail').stop_logging(Name='org')",
        drift: "trail.org logging",
        allow: None,
    },
    Tampering {
        name: "wider selectors",
        account: Account::Management,
        script: "client('cloudtrail').put_event_selectors(TrailName='org', AdvancedEventSelectors=[
            {'Name': 'everything', 'FieldSelectors': [{'Field': 'eventCategory', 'Equals': ['Management']}]},
            {'Name': 'objects', 'FieldSelectors': [{'Field': 'eventCategory', 'Equals': ['Data']},
                                                   {'Field': 'resources.type', 'Equals': ['AWS::S3::Object']}]}])",
        drift: "trail.org selectors",
        allow: Some("narrows-coverage"),
    },
    Tampering {
        name: "Insights off",
        account: Account::Management,
        script: "client('cloudtrail').put_insight_selectors(TrailName='org', InsightSelectors=[])",
        drift: "trail.org insights",
        allow: None,
    },
    Tampering {
        name: "validation off",
        account: Account::Management,
        script: "client('cloudtrail').update_trail(Name='org', EnableLogFileValidation=False)",
        drift: "trail.org log_file_validation",
        allow: None,
    },
    Tampering {
        name: "key rotation off",
        account: Account::Archive,
        script: "kms = client('kms')
kms.disable_key_rotation(KeyId=kms.describe_key(KeyId='alias/org-trail')['KeyMetadata']['KeyId'])",
        drift: "key.trail rotation_days",
        allow: None,
    },
    Tampering {
        name: "key disabled",
        account: Account::Archive,
        script: "kms = client('kms')
kms.disable_key(KeyId=kms.describe_key(KeyId='alias/org-trail')['KeyMetadata']['KeyId'])",
        drift: "key.trail state",
        allow: None,
    },
    Tampering {
        // A bucket with Object Lock cannot be suspended; the other one can.
        name: "versioning suspended",
        account: Account::Archive,
        script: "client('s3').put_bucket_versioning(Bucket='acme-org-trail-access-logs',
            VersioningConfiguration={'Status': 'Suspended'})",
        drift: "bucket.access-logs versioning",
        allow: None,
    },
    Tampering {
        name: "a statement of ours removed",
        account: Account::Archive,
        script: "s3 = client('s3')
policy = json.loads(s3.get_bucket_policy(Bucket='acme-org-trail-logs')['Policy'])
policy['Statement'] = [s for s in policy['Statement'] if s.get('Sid') != 'OrgTrailWrite']
s3.put_bucket_policy(Bucket='acme-org-trail-logs', Policy=json.dumps(policy))",
        drift: "bucket.logs policy.Statement[OrgTrailWrite]",
        allow: None,
    },
    Tampering {
        name: "public access let in",
        account: Account::Archive,
        script: "client('s3').put_public_access_block(Bucket='acme-org-trail-logs', PublicAccessBlockConfiguration={
            'BlockPublicAcls': True, 'IgnorePublicAcls': True,
            'BlockPublicPolicy': False, 'RestrictPublicBuckets': True})",
        drift: "bucket.logs block_public_access",
        allow: None,
    },
    Tampering {
        name: "a lifecycle rule of ours removed",
        account: Account::Archive,
        script: "client('s3').delete_bucket_lifecycle(Bucket='acme-org-trail-access-logs')",
        drift: "bucket.access-logs lifecycle[orgtrail/expire]",
        allow: Some("deletes-history"),
    },
];

/// What only one of the three worlds shows, by name, with the reason.
const ONLY_ON_THE_SANDBOX: [(&str, &str); 1] = [(
    "trail.org organization",
    "without trusted access AWS turns an organization trail into a trail of one account; the emulators keep the flag",
)];

fn play(example: &Example) {
    example.run("check").exits(0);
    let plan = example
        .run("plan --out org.plan --detailed-exitcode")
        .exits(2);
    plan.says("Plan: 4 to add, 1 to change, 0 to destroy.")
        .says("Policies: 8 of 8 questions proved");
    let apply = example.run("apply org.plan").exits(0);
    apply.says("Apply complete! Resources: 4 added, 1 changed, 0 destroyed.");
    example.plans_nothing();
    let json = example.run("plan --format json").exits(0).json();
    assert_eq!(json["summary"]["unchanged"], 5);
    for tampering in &TAMPERINGS {
        tamper(example, tampering);
    }
    example.plans_nothing();
}

/// The change is named by text and JSON, it alone (so the one before is mended), and mended by apply.
fn tamper(example: &Example, tampering: &Tampering) {
    let account = match tampering.account {
        Account::Management => &example.management,
        Account::Archive => &example.archive,
    };
    example.boto3(account, tampering.script);
    let (address, path) = tampering.drift.split_once(' ').unwrap();
    let drift = example
        .run("drift --format json --detailed-exitcode")
        .exits(2);
    let differences = differences(&drift);
    if !differences.contains(tampering.drift) {
        drift.fail(&format!("{}: no {}", tampering.name, tampering.drift));
    }
    let mut others = differences.iter().filter(|other| *other != tampering.drift);
    let side_effect = |other: &String| ONLY_ON_THE_SANDBOX.iter().any(|(known, _)| known == other);
    assert!(
        others.all(side_effect),
        "{}: {differences:?}",
        tampering.name
    );
    let text = example.run("drift --detailed-exitcode").exits(2);
    let shown = path.replace("policy.Statement", "policy");
    text.says(&format!("~ {address} differs from the spec"))
        .says(&shown)
        .says("of 5 resources differ from the spec.");
    let mut apply = "apply --auto-approve".to_owned();
    if let Some(risk) = tampering.allow {
        example.run(&apply).exits(3).says("consent").says(risk);
        apply.push_str(&format!(" --allow {risk}"));
    }
    example.run(&apply).exits(0);
}

/// `ADDRESS PATH` of everything that differs. Selectors and Insights count as one each.
fn differences(drift: &Run) -> BTreeSet<String> {
    let plan = drift.json();
    let mut found = BTreeSet::new();
    for action in plan["actions"].as_array().unwrap() {
        let address = action["address"].as_str().unwrap();
        for change in action["changes"].as_array().unwrap() {
            let path = change["path"].as_str().unwrap();
            let whole = ["selectors.", "insights."];
            let whole = whole.iter().find(|whole| path.starts_with(**whole));
            let path = whole.map_or(path, |whole| whole.trim_end_matches('.'));
            found.insert(format!("{address} {path}"));
        }
    }
    found
}

/// An applied example costs no write, and few rounds of requests that wait for each other.
fn plans_without_writing(example: &Example, aws: &Proxy) {
    // Slow answers, so that requests which do not wait for each other overlap however slow this machine is.
    aws.config(json!({"latency_ms": 150}));
    aws.reset();
    example.plans_nothing();
    assert_eq!(aws.writes(), [""; 0]);
    let calls = aws.calls();
    let deepest = |sign_in: bool| {
        let calls = calls
            .iter()
            .filter(|call| (call["svc"] == "sts") == sign_in);
        calls
            .map(|call| call["depth"].as_u64().unwrap())
            .max()
            .unwrap()
    };
    let rounds = deepest(false) - deepest(true);
    assert!(rounds <= 4, "{rounds} rounds after signing in");
    // AssumeRole, then GetCallerIdentity.
    assert!(deepest(true) <= 2, "{} rounds to sign in", deepest(true));
    aws.config(json!({"latency_ms": 0}));
}

#[test]
fn on_the_sandbox() {
    let example = Example::on_sandbox();
    play(&example);
    // The sandbox's own hand does what boto3 does.
    let mut call = example.orgtrail("sandbox call cloudtrail.StopLogging");
    call = call.arg(r#"{"Name": "org"}"#);
    call.run().exits(0);
    let drift = example.run("drift --detailed-exitcode").exits(2);
    drift
        .says("~ trail.org differs from the spec")
        .says("logging");
}

#[test]
fn on_moto() {
    let moto = Moto::shared();
    let aws = moto.proxied(&["--fix", "all"]);
    let example = Example::on(aws.endpoint());
    play(&example);
    plans_without_writing(&example, &aws);
}

#[test]
fn on_ministack() {
    let ministack = Ministack::shared();
    let aws = ministack.proxied(&["--fix", "all"]);
    let example = Example::on(aws.endpoint());
    play(&example);
    plans_without_writing(&example, &aws);
}
