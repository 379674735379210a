//! For every valid spec, on the sandbox: apply, then plan is empty. And a plan survives its file.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use orgtrail::apply::{Journal, Run};
use orgtrail::aws::{self, Connector};
use orgtrail::plan::{self, Plan};
use orgtrail::render::Terminal;
use orgtrail::sandbox::Sandbox;
use orgtrail::spec::{self, Loaded};
use orgtrail::{planner, world};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Value, json};

/// Parts of a spec that are valid together, whatever is chosen.
#[derive(Clone, Debug)]
struct Choice {
    rotation_days: u32,
    readers: bool,
    bucket_key: bool,
    versioning: bool,
    lock_days: Option<u32>,
    lifecycle: Vec<Value>,
    access_logging: bool,
    organization: bool,
    multi_region: bool,
    prefix: Option<String>,
    key: bool,
    validation: bool,
    recursive: bool,
    logging: bool,
    selectors: Value,
    insights: Vec<&'static str>,
    aggregation: Vec<&'static str>,
    tags: Vec<String>,
}

fn lifecycle_rule(id: usize) -> impl Strategy<Value = Value> {
    let class = prop::sample::select(vec![
        "GLACIER_IR",
        "GLACIER",
        "DEEP_ARCHIVE",
        "INTELLIGENT_TIERING",
    ]);
    (class, 30..200u32, 1..2000u32, any::<bool>(), 0..3u8).prop_map(
        move |(class, days, more, enabled, filter)| {
            let mut rule = json!({
                "id": format!("rule-{id}"),
                "enabled": enabled,
                "transitions": [{ "days": days, "storage_class": class }],
                "expiration_days": days + more,
                "noncurrent_version_expiration": { "noncurrent_days": more },
            });
            match filter {
                1 => rule["prefix"] = json!(format!("AWSLogs/{id}/")),
                2 => rule["object_size_greater_than"] = json!(131_072 + u64::from(more)),
                _ => {}
            }
            rule
        },
    )
}

fn selectors() -> impl Strategy<Value = Value> {
    let management = prop::sample::select(vec!["all", "read", "write"]);
    let data = prop::sample::select(vec![
        json!({ "name": "objects", "data": "AWS::S3::Object", "resources.ARN": { "StartsWith": ["arn:aws:s3:::payments/"] } }),
        json!({ "name": "functions", "data": "AWS::Lambda::Function", "read_only": false }),
        json!({ "name": "tables", "data": "AWS::DynamoDB::Table", "eventName": { "NotEquals": ["GetItem", "Query"] } }),
        json!({ "name": "denied", "network_activity": "s3.amazonaws.com", "errorCode": "VpceAccessDenied" }),
    ]);
    let advanced =
        (management, any::<bool>(), prop::option::of(data)).prop_map(|(which, exclude, data)| {
            let mut first = json!({ "name": "management", "management": which });
            if exclude {
                first["exclude"] = json!(["kms.amazonaws.com", "rdsdata.amazonaws.com"]);
            }
            json!({ "selectors": std::iter::once(first).chain(data).collect::<Vec<_>>() })
        });
    let kind = prop::sample::select(vec!["ReadOnly", "WriteOnly", "All"]);
    let basic = (kind, any::<bool>()).prop_map(|(kind, data)| {
        let resources = if data {
            json!([{ "Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::payments/", "arn:aws:s3:::orders/"] }])
        } else {
            json!([])
        };
        json!({ "basic_selectors": [{
            "ReadWriteType": kind, "IncludeManagementEvents": true, "DataResources": resources,
        }] })
    });
    prop_oneof![advanced, basic, Just(json!({}))]
}

fn choice() -> impl Strategy<Value = Choice> {
    let key = (90..2560u32, any::<bool>(), any::<bool>());
    let bucket = (
        any::<bool>(),
        prop::option::of(1..3000u32),
        (0..3usize).prop_flat_map(|n| (0..n).map(lifecycle_rule).collect::<Vec<_>>()),
        any::<bool>(),
    );
    let trail = (
        any::<bool>(),
        any::<bool>(),
        prop::option::of("[a-z]{1,8}"),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    let records = (
        selectors(),
        prop::sample::subsequence(vec!["ApiCallRateInsight", "ApiErrorRateInsight"], 0..=2),
        prop::sample::subsequence(
            vec!["API_ACTIVITY", "RESOURCE_ACCESS", "USER_ACTIONS"],
            0..=3,
        ),
        prop::collection::vec("[a-z]{1,6}", 0..4),
    );
    (key, bucket, trail, records).prop_map(|(key, bucket, trail, records)| Choice {
        rotation_days: key.0,
        readers: key.1,
        bucket_key: key.2,
        versioning: bucket.0 || bucket.1.is_some(),
        lock_days: bucket.1,
        lifecycle: bucket.2,
        access_logging: bucket.3,
        organization: trail.0,
        multi_region: trail.1,
        prefix: trail.2,
        key: trail.3,
        validation: trail.4,
        recursive: trail.5,
        logging: trail.6,
        selectors: records.0,
        insights: records.1,
        aggregation: records.2,
        tags: records.3,
    })
}

fn spec_of(choice: &Choice) -> Value {
    let mut trail = json!({
        "account": "management",
        "organization": choice.organization,
        "multi_region": choice.multi_region,
        "bucket": "logs",
        "log_file_validation": choice.validation,
        "recursive_logging": choice.recursive,
        "logging": choice.logging,
        "tags": choice.tags.iter().map(|tag| (tag.clone(), json!(tag))).collect::<serde_json::Map<_, _>>(),
    });
    for (key, value) in choice.selectors.as_object().unwrap() {
        trail[key] = value.clone();
    }
    if let Some(prefix) = &choice.prefix {
        trail["prefix"] = json!(prefix);
    }
    if choice.key {
        trail["key"] = json!("trail");
    }
    let insights = choice
        .insights
        .iter()
        .map(|insight| ((*insight).to_owned(), json!(["Management"])));
    trail["insights"] = Value::Object(insights.collect());
    let records_data = choice.selectors.to_string().contains("AWS::");
    if records_data {
        trail["aggregation"] = json!(choice.aggregation);
    }
    let mut logs = json!({
        "account": "archive",
        "name": "property-logs",
        "key": "trail",
        "bucket_key": choice.bucket_key,
        "versioning": choice.versioning,
        "lifecycle": choice.lifecycle,
    });
    if let Some(days) = choice.lock_days {
        logs["object_lock"] = json!({ "mode": "GOVERNANCE", "days": days });
    }
    if choice.access_logging {
        logs["access_logging"] = json!({ "bucket": "access" });
    }
    let readers = if choice.readers {
        json!(["arn:aws:iam::222233334444:role/siem"])
    } else {
        json!([])
    };
    json!({
        "version": 1,
        "name": "property",
        "accounts": {
            "management": { "id": "111122223333", "region": "us-east-1" },
            "archive": { "id": "222233334444", "assume_role": "OrgTrailApply" },
        },
        "organization": { "id": "o-a1b2c3d4e5", "account": "management" },
        "keys": { "trail": {
            "account": "archive", "alias": "property", "rotation_days": choice.rotation_days, "readers": readers,
        } },
        "buckets": { "logs": logs, "access": { "account": "archive", "name": "property-access" } },
        "trails": { "org": trail },
    })
}

fn load(spec: &Value) -> Loaded {
    // JSON is YAML.
    let bytes = serde_json::to_vec(spec).unwrap();
    let today = time::macros::date!(2026 - 11 - 24);
    spec::load(vec![("spec.json".to_owned(), bytes)], &|_| None, today)
}

/// Applies `spec` in a new sandbox; returns the plan and the one after it.
async fn converge(loaded: &Loaded) -> (Plan, Plan) {
    let spec = loaded.spec.as_ref().unwrap();
    let sandbox = Sandbox::in_memory();
    let connector = Connector::Sandbox(sandbox.http_client());
    let aws = aws::connect(&planner::logins(spec), &connector)
        .await
        .unwrap();
    let (plan, live) = planner::plan(&aws, spec, &loaded.sources).await;
    let folder = tempfile::tempdir().unwrap();
    let run = Run {
        aws: &aws,
        live: &live.state,
        journal: Journal::begin(folder.path(), "property", world::now).unwrap(),
        held: None,
        lock: None,
        on: &mut |_| {},
    };
    let applied = run.run(&plan).await.unwrap();
    assert!(applied.not_done.is_empty(), "{:#?}", applied.not_done);
    let (second, _) = planner::plan(&aws, spec, &loaded.sources).await;
    (plan, second)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn apply_then_plan_is_empty(choice in choice()) {
        let loaded = load(&spec_of(&choice));
        // A choice may hit a rule of AWS; what `check` refuses is not a valid spec.
        prop_assume!(loaded.spec.is_some());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (first, second) = runtime.block_on(converge(&loaded));
        prop_assert!(first.blockers.is_empty(), "{:#?}", first.blockers);
        prop_assert!(second.is_empty(), "{:#?}", second.actions);
        let text = serde_json::to_string_pretty(&first).unwrap();
        prop_assert_eq!(plan::parse(&text).unwrap(), first);
    }
}

/// The plan of the example on a fresh sandbox.
fn example_plan() -> String {
    let spec = include_bytes!("../examples/orgtrail.yaml");
    let today = time::macros::date!(2026 - 11 - 24);
    let loaded = spec::load(
        vec![("orgtrail.yaml".to_owned(), spec.to_vec())],
        &|_| None,
        today,
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (plan, _) = runtime.block_on(converge(&loaded));
    serde_json::to_string(&plan).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// A plan file is somebody's input: whatever it says, reading and showing it must not panic.
    #[test]
    fn a_damaged_plan_file_does_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        static PLAN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let mut bytes = PLAN.get_or_init(example_plan).clone().into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(plan) = plan::parse(&String::from_utf8_lossy(&bytes)) {
            let terminal = Terminal { color: true, width: Some(80) };
            orgtrail::render::plan(&plan).text(terminal);
            orgtrail::render::drift(&plan).text(terminal);
        }
    }
}

/// The strategy must not hide behind `prop_assume`: most of what it makes is valid.
#[test]
fn most_choices_are_valid() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let specs = (0..100).map(|_| spec_of(&choice().new_tree(&mut runner).unwrap().current()));
    let valid = specs.filter(|spec| load(spec).spec.is_some()).count();
    assert!(valid > 60, "{valid} of 100 specs are valid");
}
