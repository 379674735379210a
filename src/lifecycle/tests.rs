use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::finding::Finding;

fn rule(value: Value) -> LifecycleRule {
    let mut value = value;
    if value.get("id").is_none() {
        value["id"] = json!("r");
    }
    serde_json::from_value(value).expect("rule")
}

fn codes(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|f| f.code).collect()
}

fn errors(rules: &[LifecycleRule]) -> Vec<&'static str> {
    let findings = check(rules);
    codes(
        &findings
            .into_iter()
            .filter(Finding::is_error)
            .collect::<Vec<_>>(),
    )
}

fn moves(list: &[(u32, &str)], expiration_days: Option<u32>) -> LifecycleRule {
    let list: Vec<Value> = list
        .iter()
        .map(|(days, class)| json!({"days": days, "storage_class": class}))
        .collect();
    rule(json!({"transitions": list, "expiration_days": expiration_days}))
}

#[test]
fn transition_rules_of_the_user_guide() {
    let waterfall = "lifecycle-waterfall";
    let gap = "lifecycle-transition-gap";
    type Moves<'a> = &'a [(u32, &'a str)];
    let cases: &[(Moves<'_>, Option<u32>, &[&str])] = &[
        (
            &[(29, "STANDARD_IA")],
            None,
            &["lifecycle-infrequent-access-days"],
        ),
        (&[(30, "STANDARD_IA")], None, &[]),
        (&[(30, "STANDARD_IA"), (59, "GLACIER")], None, &[gap]),
        (&[(30, "STANDARD_IA"), (60, "GLACIER")], None, &[]),
        (&[(0, "GLACIER_IR"), (89, "GLACIER")], None, &[gap]),
        (&[(0, "GLACIER_IR"), (90, "GLACIER")], None, &[]),
        (&[(4, "GLACIER_IR"), (93, "DEEP_ARCHIVE")], None, &[gap]),
        (&[(4, "GLACIER_IR"), (94, "DEEP_ARCHIVE")], None, &[]),
        (&[(30, "GLACIER"), (119, "DEEP_ARCHIVE")], None, &[gap]),
        (&[(120, "DEEP_ARCHIVE"), (30, "GLACIER")], None, &[]),
        (
            &[(30, "ONEZONE_IA"), (90, "GLACIER_IR")],
            None,
            &[waterfall],
        ),
        (&[(0, "INTELLIGENT_TIERING"), (1, "GLACIER")], None, &[]),
        (&[(0, "INTELLIGENT_TIERING"), (0, "GLACIER")], None, &[gap]),
        (
            &[(30, "GLACIER")],
            Some(30),
            &["lifecycle-expiration-before-transition"],
        ),
        (&[(30, "GLACIER")], Some(31), &[]),
        (&[(30, "GLACIER"), (120, "STANDARD_IA")], None, &[waterfall]),
        (&[], Some(0), &["lifecycle-days"]),
        (
            &[(30, "GLACIER"), (90, "GLACIER")],
            None,
            &["lifecycle-transition-duplicate"],
        ),
        (&[(1, "DEEP_ARCHIVE")], None, &[]),
        (&[(1, "STANDARD")], None, &["lifecycle-storage-class"]),
        (&[(1, "GLACIER_NEXT")], None, &[]),
    ];
    for (list, expiration, expected) in cases {
        assert_eq!(
            errors(&[moves(list, *expiration)]),
            *expected,
            "{list:?} {expiration:?}"
        );
    }
    assert!(
        codes(&check(&[moves(&[(30, "GLACIER")], Some(31))])).contains(&"lifecycle-early-delete")
    );
    let class = |days| json!({"noncurrent_days": days, "storage_class": "STANDARD_IA"});
    let noncurrent = rule(json!({"noncurrent_version_transitions": [class(10)]}));
    assert_eq!(errors(&[noncurrent]), ["lifecycle-infrequent-access-days"]);
}

#[test]
fn what_s3_refuses() {
    let gir = json!({"days": 90, "storage_class": "GLACIER_IR"});
    let cases = [
        (json!({}), "lifecycle-no-action"),
        (
            json!({"id": "", "expiration_days": 1}),
            "lifecycle-id-length",
        ),
        (
            json!({"id": "x".repeat(256), "expiration_days": 1}),
            "lifecycle-id-length",
        ),
        (
            json!({"expiration_days": 1, "expiration_date": "2030-01-01"}),
            "lifecycle-expiration-exclusive",
        ),
        (
            json!({"expiration_days": 1, "expired_object_delete_marker": true}),
            "lifecycle-expiration-exclusive",
        ),
        (
            json!({"expired_object_delete_marker": true, "tags": {"a": "b"}}),
            "lifecycle-delete-marker-filter",
        ),
        (
            json!({"expired_object_delete_marker": true, "object_size_less_than": 9}),
            "lifecycle-delete-marker-filter",
        ),
        (
            json!({"expiration_date": "2030-01-01T10:00:00Z"}),
            "lifecycle-date",
        ),
        (json!({"expiration_date": "2030-02-29"}), "lifecycle-date"),
        (
            json!({"transitions": [gir], "expiration_date": "2030-01-01"}),
            "lifecycle-days-and-dates",
        ),
        (
            json!({"transitions": [{"storage_class": "GLACIER"}]}),
            "lifecycle-transition-when",
        ),
        (
            json!({"transitions": [{"days": 1, "date": "2030-01-01", "storage_class": "GLACIER"}]}),
            "lifecycle-transition-when",
        ),
        (
            json!({"expiration_days": 9, "object_size_greater_than": 9, "object_size_less_than": 9}),
            "lifecycle-size-order",
        ),
        (
            json!({"expiration_days": 9, "object_size_less_than": 0}),
            "lifecycle-size",
        ),
        (
            json!({"expiration_days": 9, "object_size_greater_than": 1_099_511_627_776_001_u64}),
            "lifecycle-size",
        ),
        (
            json!({"abort_incomplete_multipart_upload_days": 0}),
            "lifecycle-days",
        ),
        (
            json!({"abort_incomplete_multipart_upload_days": 7, "tags": {"a": "b"}}),
            "lifecycle-abort-filter",
        ),
        (
            json!({"abort_incomplete_multipart_upload_days": 7, "object_size_greater_than": 1}),
            "lifecycle-abort-filter",
        ),
        (
            json!({"noncurrent_version_expiration": {"noncurrent_days": 0}}),
            "lifecycle-days",
        ),
        (
            json!({"noncurrent_version_expiration": {"noncurrent_days": 1, "newer_noncurrent_versions": 101}}),
            "lifecycle-newer-versions",
        ),
        (
            json!({"noncurrent_version_transitions": [{"noncurrent_days": 30, "storage_class": "GLACIER"}],
                "noncurrent_version_expiration": {"noncurrent_days": 30}}),
            "lifecycle-expiration-before-transition",
        ),
    ];
    for (value, code) in cases {
        let found = errors(&[rule(value.clone())]);
        assert!(found.contains(&code), "{value}: {found:?}");
    }
    assert_eq!(errors(&[]), ["lifecycle-empty"]);
    let same = rule(json!({"expiration_days": 1}));
    assert_eq!(
        errors(&[same.clone(), same.clone()]),
        ["lifecycle-id-duplicate"]
    );
    let many: Vec<_> = (0..1001)
        .map(|n| LifecycleRule {
            id: n.to_string(),
            ..same.clone()
        })
        .collect();
    assert_eq!(errors(&many), ["lifecycle-rules-quota"]);
}

fn archive() -> LifecycleRule {
    rule(
        json!({"id": "archive", "prefix": "AWSLogs/", "expiration_days": 2557, "transitions": [
        {"days": 30, "storage_class": "GLACIER"},
        {"days": 90, "storage_class": "GLACIER_IR", "object_size_greater_than": 131_072}]}),
    )
}

#[test]
fn a_size_filter_of_a_transition_becomes_a_rule() {
    let expected = json!([
        {"id": "archive", "prefix": "AWSLogs/", "expiration_days": 2557,
            "transitions": [{"days": 30, "storage_class": "GLACIER"}]},
        {"id": "archive-over-131072", "prefix": "AWSLogs/", "object_size_greater_than": 131_072,
            "transitions": [{"days": 90, "storage_class": "GLACIER_IR"}]},
    ]);
    assert_eq!(json!(expand(&[archive()])), expected);
    assert_eq!(errors(&[archive()]), [""; 0]);

    let mut alone = archive();
    alone.transitions.remove(0);
    alone.expiration_days = None;
    let rules = expand(&[alone]);
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0].id, "archive");
    assert_eq!(rules[0].object_size_greater_than, Some(131_072));
}

#[test]
fn findings_point_into_the_rules_as_written() {
    let mut late = archive();
    late.transitions[1].days = Some(9999);
    let late = [rule(json!({"id": "first", "expiration_days": 1})), late];
    let finding = check(&late)
        .into_iter()
        .find(|f| f.code == "lifecycle-transition-never")
        .expect("a transition after the expiration");
    let at: Vec<String> = finding.at.iter().map(ToString::to_string).collect();
    assert_eq!(at, ["[1]", "transitions", "[1]"]);
}

#[test]
fn small_objects_are_pointed_out() {
    let with = |class: &str, size: Option<u64>| {
        codes(&check(&[rule(json!({"transitions": [
            {"days": 90, "storage_class": class, "object_size_greater_than": size}]}))]))
    };
    assert_eq!(with("GLACIER", None), ["lifecycle-small-objects-stay"]);
    assert_eq!(
        with("GLACIER_IR", Some(1)),
        ["lifecycle-small-objects-cost"]
    );
    assert_eq!(with("GLACIER_IR", Some(131_071)), [""; 0]);
    assert_eq!(with("GLACIER", Some(1)), [""; 0]);
    assert_eq!(
        with("GLACIER_NEXT", Some(1)),
        ["lifecycle-storage-class-unknown"]
    );
}

#[test]
fn retention_is_that_of_the_shortest_rule() {
    let long = rule(json!({"prefix": "AWSLogs/", "expiration_days": 2557}));
    let forgotten = rule(json!({"id": "tmp", "expiration_days": 30}));
    let elsewhere = rule(json!({"id": "x", "prefix": "athena/", "expiration_days": 7}));
    let below = rule(json!({"id": "y", "prefix": "AWSLogs/o-1/", "expiration_days": 90}));
    let off = rule(json!({"id": "z", "enabled": false, "expiration_days": 1}));
    let dated = rule(json!({"id": "d", "expiration_date": "2030-01-01"}));
    let of = |rules: &[&LifecycleRule]| {
        let rules: Vec<LifecycleRule> = rules.iter().map(|r| (*r).clone()).collect();
        effective_retention(&rules, "AWSLogs/")
    };
    assert_eq!(of(&[&long, &elsewhere, &off]), Some(2557));
    assert_eq!(of(&[&long, &forgotten]), Some(30));
    assert_eq!(of(&[&long, &below]), Some(90));
    assert_eq!(of(&[&long, &dated]), Some(0));
    assert_eq!(of(&[&elsewhere]), None);
}

#[test]
fn shortening_is_seen_wherever_it_is() {
    let expiring = |prefix: &str, days: u32| json!({"prefix": prefix, "expiration_days": days});
    let versions = |days: u32, keep: Option<u32>| json!({"noncurrent_version_expiration": {"noncurrent_days": days, "newer_noncurrent_versions": keep}});
    let sized = |low: u64| json!({"expiration_days": 90, "object_size_greater_than": low});
    let cases = [
        (json!([expiring("", 365)]), json!([expiring("", 90)]), true),
        (
            json!([expiring("", 365)]),
            json!([expiring("", 366)]),
            false,
        ),
        (json!([]), json!([expiring("", 9999)]), true),
        (json!([expiring("", 365)]), json!([]), false),
        (
            json!([expiring("a/", 90)]),
            json!([expiring("a/b/", 90)]),
            false,
        ),
        (
            json!([expiring("a/b/", 90)]),
            json!([expiring("a/", 90)]),
            true,
        ),
        (
            json!([versions(30, None)]),
            json!([versions(10, None)]),
            true,
        ),
        (
            json!([versions(30, Some(5))]),
            json!([versions(30, Some(3))]),
            true,
        ),
        (
            json!([versions(30, Some(3))]),
            json!([versions(30, Some(5))]),
            false,
        ),
        (json!([sized(1000)]), json!([sized(500)]), true),
        (json!([sized(500)]), json!([sized(1000)]), false),
        (
            json!([{"expiration_date": "2030-01-01"}]),
            json!([{"expiration_date": "2031-01-01"}]),
            false,
        ),
        (
            json!([{"expiration_date": "2031-01-01"}]),
            json!([{"expiration_date": "2030-01-01"}]),
            true,
        ),
        (
            json!([{"tags": {"a": "b"}, "expiration_days": 9}]),
            json!([expiring("", 9)]),
            true,
        ),
        (
            json!([expiring("", 9)]),
            json!([{"tags": {"a": "b"}, "expiration_days": 9}]),
            false,
        ),
    ];
    for (old, new, expected) in cases {
        let rules = |v: &Value| {
            v.as_array()
                .expect("list")
                .iter()
                .cloned()
                .map(rule)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            shortens(&rules(&old), &rules(&new)),
            expected,
            "{old} → {new}"
        );
    }
}

#[test]
fn dates_are_counted_in_days() {
    assert_eq!(day("1970-01-01"), Some(0));
    assert_eq!(day("2000-03-01T00:00:00Z"), Some(11_017));
    assert_eq!(day("2030-01-01T00:00:00.000Z"), Some(21_915));
    for odd in [
        "",
        "2030-1-1",
        "2030-13-01",
        "2030-01-32",
        "2030-01-01T",
        "x-y-z",
        "2030-01-01-01",
        "+030-01-01",
    ] {
        assert_eq!(day(odd), None, "{odd}");
    }
}

#[test]
fn the_spec_shape_is_strict_and_round_trips() {
    let value = json!(archive());
    assert_eq!(
        serde_json::from_value::<LifecycleRule>(value).expect("rule"),
        archive()
    );
    assert!(serde_json::from_value::<LifecycleRule>(json!({"id": "a", "expires": 1})).is_err());
    let other: StorageClass = serde_json::from_value(json!("NEW")).expect("class");
    assert_eq!(json!(other), json!("NEW"));
}

fn sizes() -> impl Strategy<Value = Option<u64>> {
    option::weighted(
        0.4,
        prop::sample::select(vec![0, 1, 5, 1000, 131_072, u64::MAX]),
    )
}

fn transition() -> impl Strategy<Value = Transition> {
    let class = prop_oneof![
        8 => prop::sample::select(StorageClass::KNOWN.to_vec()),
        1 => Just(StorageClass::Other("NEW".to_owned())),
    ];
    let date = option::weighted(
        0.1,
        prop::sample::select(vec!["2030-01-01", "2031-05-05", "x"]),
    );
    let days = option::weighted(
        0.95,
        prop::sample::select(vec![0, 1, 30, 60, 90, 180, 400, u32::MAX]),
    );
    (days, date, class, sizes(), sizes()).prop_map(|(days, date, storage_class, low, high)| {
        Transition {
            days,
            date: date.map(str::to_owned),
            storage_class,
            object_size_greater_than: low,
            object_size_less_than: high,
        }
    })
}

fn any_rule() -> impl Strategy<Value = LifecycleRule> {
    let transitions = vec(transition(), 0..4);
    let days = option::of(prop::sample::select(vec![0, 1, 31, 365, 2557, u32::MAX]));
    let abort = option::weighted(0.2, 0..9_u32);
    let prefix = option::of(prop::sample::select(vec!["", "a/", "a/b/", "c/"]));
    (
        "[ab]",
        any::<bool>(),
        prefix,
        (sizes(), sizes()),
        transitions,
        days,
        (abort, any::<bool>()),
    )
        .prop_map(
            |(id, enabled, prefix, (low, high), transitions, expiration_days, (abort, marker))| {
                LifecycleRule {
                    enabled,
                    prefix: prefix.map(str::to_owned),
                    object_size_greater_than: low,
                    object_size_less_than: high,
                    transitions,
                    expiration_days,
                    expired_object_delete_marker: marker,
                    abort_incomplete_multipart_upload_days: abort,
                    ..LifecycleRule::new(id)
                }
            },
        )
}

/// What happens to an object by transitions: every class with its day.
fn fate(rules: &[LifecycleRule], size: u64) -> Vec<(bool, String, Option<u32>, Option<String>)> {
    let mut fate = Vec::new();
    for rule in rules.iter().filter(|rule| rule.sizes().holds(size)) {
        for transition in rule.transitions.iter().filter(|t| t.sizes().holds(size)) {
            let class = String::from(transition.storage_class.clone());
            fate.push((
                rule.enabled,
                class,
                transition.days,
                transition.date.clone(),
            ));
        }
    }
    fate.sort();
    fate
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn expanded_rules_pass_when_the_rules_pass(rules in vec(any_rule(), 0..4)) {
        let refused = errors(&rules);
        let after = errors(&expand(&rules));
        prop_assert!(!refused.is_empty() || after.is_empty(), "{after:?}");
    }

    #[test]
    fn expanding_keeps_the_meaning_and_has_nothing_left_to_do(rules in vec(any_rule(), 0..4)) {
        let once = expand(&rules);
        prop_assert_eq!(&expand(&once), &once);
        for size in [0, 1, 2, 5, 6, 1000, 1001, 131_072, 131_073, u64::MAX] {
            prop_assert_eq!(fate(&once, size), fate(&rules, size));
        }
        prop_assert_eq!(effective_retention(&once, "a/"), effective_retention(&rules, "a/"));
        prop_assert!(!shortens(&rules, &once) && !shortens(&once, &rules));
    }

    #[test]
    fn a_shorter_retention_is_a_shortening(old in vec(any_rule(), 0..4), new in vec(any_rule(), 0..4)) {
        let days = |rules: &[LifecycleRule], size: u64, key: &str| {
            let applying = rules.iter().filter(|r| r.enabled && r.sizes().holds(size) && key.starts_with(r.prefix()));
            applying.filter_map(|r| r.expiration_days).min().unwrap_or(u32::MAX)
        };
        let sizes = [0, 1, 2, 4, 5, 6, 999, 1000, 1001, 131_071, 131_072, 131_073, u64::MAX];
        let keys = ["x", "a/x", "a/b/x", "c/x"];
        let mut objects = sizes.iter().flat_map(|size| keys.iter().map(move |key| (*size, *key)));
        let earlier = objects.any(|(size, key)| days(&new, size, key) < days(&old, size, key));
        prop_assert!(!earlier || shortens(&old, &new));
        // A rule of u32::MAX days looks like none to the oracle, so the converse holds without such rules only.
        if new.iter().all(|r| r.expiration_days != Some(u32::MAX)) {
            prop_assert_eq!(earlier, shortens(&old, &new));
        }
    }
}
