//! Lifecycle rules, versions, locks and keys, month by month.

use super::*;

/// A bucket with these settings, and volumes of 1,000 files of `kib` a month in it.
fn bucket(settings: &str, kib: u64) -> (Spec, Volumes) {
    let spec = spec(&format!(
        "buckets:\n  logs: {{ account: management, name: logs, {settings} }}\n\
         trails:\n  t: {{ account: management, bucket: logs, log_file_validation: false }}\n"
    ));
    let volumes = volumes(&format!(
        "    us-east-1:\n      management: {{ ec2.amazonaws.com: {{ read: 100000 }} }}\n      \
         files: {{ count: 1000, compressed_bytes: {} }}\n",
        kib * 1024 * 1000
    ));
    (spec, volumes)
}

/// Quantities of the bucket's lines in the long run, rounded.
fn held(settings: &str, kib: u64) -> Vec<(String, String)> {
    let (spec, volumes) = bucket(settings, kib);
    let estimate = estimated(&spec, &volumes);
    let lines = estimate
        .lines
        .iter()
        .filter(|line| line.address == "bucket.logs");
    let lines = lines.filter(|line| !line.label.starts_with("delivery"));
    lines
        .map(|l| {
            (
                l.label.clone(),
                l.quantity
                    .expect("known")
                    .expected
                    .round_dp(3)
                    .normalize()
                    .to_string(),
            )
        })
        .collect()
}

fn labels(settings: &str, kib: u64) -> Vec<String> {
    held(settings, kib)
        .into_iter()
        .map(|(label, _)| label)
        .collect()
}

fn one(label: &str, quantity: &str) -> Vec<(String, String)> {
    vec![(label.to_owned(), quantity.to_owned())]
}

/// 1,000 files of 1 MiB are 0.977 GB; 365 days are 12 months.
const YEAR: &str = "11.719";

#[test]
fn data_lives_until_its_versions_and_its_lock_end() {
    let standard = "storage in STANDARD";
    let expire = "versioning: false, lifecycle: [{ id: a, expiration_days: 365 }]";
    assert_eq!(held(expire, 1024), one(standard, YEAR));
    let noncurrent = "lifecycle: [{ id: a, expiration_days: 335, noncurrent_version_expiration: { noncurrent_days: 30 } }]";
    assert_eq!(held(noncurrent, 1024), one(standard, YEAR));
    let locked = "object_lock: { mode: GOVERNANCE, days: 365 }, lifecycle: [{ id: a, expiration_days: 10, \
                  noncurrent_version_expiration: { noncurrent_days: 1 } }]";
    assert_eq!(held(locked, 1024), one(standard, YEAR));
    let shorter = "versioning: false, lifecycle: [{ id: a, expiration_days: 365 }, { id: b, prefix: AWSLogs/111122223333/CloudTrail/, \
                   expiration_days: 73 }, { id: c, prefix: elsewhere/, expiration_days: 1 }, { id: d, enabled: false, \
                   expiration_days: 1 }, { id: e, tags: { a: b }, expiration_days: 1 }]";
    assert_eq!(held(shorter, 1024), one(standard, "2.344"));
}

#[test]
fn what_is_never_deleted_is_told() {
    for settings in [
        "versioning: true",
        "lifecycle: [{ id: a, expiration_days: 365 }]",
        // One version only, and the rule keeps one.
        "lifecycle: [{ id: a, expiration_days: 9, noncurrent_version_expiration: { noncurrent_days: 9, newer_noncurrent_versions: 1 } }]",
    ] {
        let (spec, volumes) = bucket(settings, 1024);
        let estimate = estimated(&spec, &volumes);
        assert!(
            estimate
                .assumptions
                .iter()
                .any(|text| text.contains("never deletes")),
            "{settings}"
        );
        assert_eq!(steady_state(&estimate, &BOOK), None);
    }
}

#[test]
fn small_objects_stay_unless_a_rule_says_otherwise() {
    let rule = |transition: &str| {
        format!(
            "versioning: false, lifecycle: [{{ id: a, transitions: [{{ {transition} }}], expiration_days: 365 }}]"
        )
    };
    let moved = |settings: &str, kib| {
        labels(settings, kib)
            .iter()
            .any(|label| label.starts_with("transitions"))
    };
    let archive = rule("days: 90, storage_class: GLACIER");
    assert!(!moved(&archive, 127) && moved(&archive, 128));
    let all = rule("days: 90, storage_class: GLACIER, object_size_greater_than: 1");
    assert!(moved(&all, 8));
    let varies =
        format!("{archive}, transition_default_minimum_object_size: varies_by_storage_class");
    assert!(moved(&varies, 8));
    let instant = rule("days: 90, storage_class: GLACIER_IR");
    let varies =
        format!("{instant}, transition_default_minimum_object_size: varies_by_storage_class");
    assert!(!moved(&varies, 8));
}

#[test]
fn archives_bill_more_than_the_object() {
    let rule = |class: &str, days: u32| {
        format!(
            "versioning: false, lifecycle: [{{ id: a, transitions: [{{ days: 0, storage_class: {class}, \
             object_size_greater_than: 1 }}], expiration_days: {days} }}]"
        )
    };
    let of = |label: &str, held: Vec<(String, String)>| {
        held.into_iter()
            .find(|(own, _)| own == label)
            .map(|(_, quantity)| quantity)
    };
    // 8 KB and 32 KB each at the archive rate, 8 KB at that of STANDARD.
    let glacier = held(&rule("GLACIER", 365), 8);
    assert_eq!(
        of("storage in GLACIER", glacier.clone()).as_deref(),
        Some("0.458")
    );
    assert_eq!(
        of("metadata of archived objects, 8 KB each", glacier).as_deref(),
        Some("0.092")
    );
    // 8 KB billed as 128 KB.
    assert_eq!(
        of("storage in GLACIER_IR", held(&rule("GLACIER_IR", 365), 8)).as_deref(),
        Some("1.465")
    );
    // Deleted after 30 of 180 days: 150 days are billed at once.
    let early = held(&rule("DEEP_ARCHIVE", 30), 992);
    assert_eq!(
        of("early deletion from DEEP_ARCHIVE", early).as_deref(),
        Some("4.816")
    );
}

#[test]
fn intelligent_tiering_cools_down_by_itself() {
    let settings = "versioning: false, lifecycle: [{ id: a, transitions: [{ days: 0, storage_class: INTELLIGENT_TIERING }], \
                    expiration_days: 365 }]";
    let expected = [
        ("storage in INTELLIGENT_TIERING", "0.963"),
        ("storage in INTELLIGENT_TIERING, infrequent access", "1.926"),
        (
            "storage in INTELLIGENT_TIERING, archive instant access",
            "8.829",
        ),
        ("monitoring of INTELLIGENT_TIERING", "12000"),
        ("transitions to INTELLIGENT_TIERING", "1000"),
    ];
    let mut expected = expected.map(|(label, quantity)| (label.to_owned(), quantity.to_owned()));
    let mut held = held(settings, 1024);
    expected.sort();
    held.sort();
    assert_eq!(held, expected);
}

#[test]
fn of_two_moves_the_colder_wins() {
    let settings = "versioning: false, lifecycle: [{ id: a, transitions: [{ days: 90, storage_class: STANDARD_IA }], expiration_days: 400 }, \
                    { id: b, transitions: [{ days: 90, storage_class: DEEP_ARCHIVE }, { days: 30, storage_class: ONEZONE_IA }] }, \
                    { id: c, transitions: [{ days: 60, storage_class: GLACIER_IR }] }]";
    let moves: Vec<String> = labels(settings, 1024)
        .into_iter()
        .filter(|l| l.starts_with("transitions"))
        .collect();
    assert_eq!(
        moves,
        ["transitions to ONEZONE_IA", "transitions to DEEP_ARCHIVE"]
    );
}

#[test]
fn noncurrent_versions_move_too() {
    let settings = "lifecycle: [{ id: a, expiration_days: 30, noncurrent_version_transitions: [{ noncurrent_days: 30, \
                    storage_class: GLACIER }], noncurrent_version_expiration: { noncurrent_days: 335 } }]";
    let held = held(settings, 1024);
    assert_eq!(
        held[0],
        ("storage in STANDARD".to_owned(), "1.926".to_owned())
    );
    assert!(
        held.iter()
            .any(|(label, _)| label == "transitions to GLACIER")
    );
}

#[test]
fn the_projection_grows_to_the_steady_state() {
    let settings = "versioning: false, lifecycle: [{ id: a, transitions: [{ days: 90, storage_class: GLACIER_IR }], expiration_days: 365 }]";
    let (spec, volumes) = bucket(settings, 1024);
    let estimate = estimated(&spec, &volumes);
    let book = &*BOOK;
    let months = project(&estimate, book, 24);
    let steady = steady_state(&estimate, book).expect("a steady state");
    assert_eq!(steady.month, 13);
    for month in &months {
        assert_eq!(
            month.total == steady.total,
            month.month >= 13,
            "month {}",
            month.month
        );
    }
    assert_eq!(months.last().map(|month| &month.lines), Some(&steady.lines));
    // Half of the first month's files, on average.
    let first = months[0]
        .lines
        .iter()
        .find(|line| line.label == "storage in STANDARD")
        .expect("storage");
    assert_eq!(first.quantity.expected.round_dp(6), dec("0.488281"));
    assert_eq!(estimate.total, steady.total);
}

#[test]
fn keys_cost_more_after_each_of_two_rotations() {
    let spec = spec(
        "keys:\n  k: { account: management, alias: k, rotation_days: 365 }\n  still: { account: management, alias: s, rotation_days: 0 }\n",
    );
    let estimate = estimated(&spec, &Volumes::none());
    let months = project(&estimate, &BOOK, 60);
    let at = |month: usize| months[month - 1].total.expected;
    assert_eq!(
        [at(1), at(12), at(13), at(24), at(25), at(60)].map(|total| total.normalize()),
        [2, 2, 3, 3, 4, 4].map(Decimal::from)
    );
    assert_eq!(estimate.total.expected, dec("4"));
}

#[test]
fn transitions_that_do_not_pay_are_reported() {
    let report = |class: &str, filter: &str, kib| {
        let settings = format!(
            "versioning: false, lifecycle: [{{ id: a, transitions: [{{ days: 90, storage_class: {class}{filter} }}], expiration_days: 2557 }}]"
        );
        let (spec, volumes) = bucket(&settings, kib);
        let estimate = estimated(&spec, &volumes);
        let book = &*BOOK;
        let report = transitions(&spec, &estimate, book).remove(0);
        (report, advise(&spec, &estimate, book))
    };
    let all = ", object_size_greater_than: 1";
    let (tiny, advice) = report("DEEP_ARCHIVE", all, 8);
    assert_eq!(
        (tiny.verdict, tiny.instead.clone()),
        (TransitionVerdict::CostsMore, None)
    );
    let saving = &advice.keeps_every_event[0];
    assert_eq!(
        (saving.code, saving.saves),
        ("transition", tiny.saves.map(|saves| -saves))
    );
    assert!(
        saving
            .change
            .ends_with("remove the transition to DEEP_ARCHIVE"),
        "{}",
        saving.change
    );
    let (stays, advice) = report("GLACIER_IR", "", 8);
    assert_eq!(
        (stays.verdict, stays.instead),
        (TransitionVerdict::MovesNothing, None)
    );
    assert_eq!(advice.keeps_every_event, []);
    // Files of 100 KB stay by default, but would pay in seven years.
    let (missed, advice) = report("DEEP_ARCHIVE", "", 100);
    assert_eq!(missed.verdict, TransitionVerdict::MovesNothing);
    assert!(missed.instead.is_some_and(
        |(text, saves)| text.contains("object_size_greater_than") && saves > Decimal::ZERO
    ));
    assert_eq!(advice.keeps_every_event.len(), 1);
    let (pays, advice) = report("GLACIER_IR", "", 512);
    assert_eq!(
        (pays.verdict, pays.moves),
        (TransitionVerdict::Pays, dec("1000"))
    );
    assert_eq!(advice.keeps_every_event, []);
    // $0.02 per 1,000 requests against $0.019 per GB and month saved.
    assert_eq!(
        pays.pays_after_months.map(|months| months.round_dp(2)),
        Some(dec("2.16"))
    );
}

#[test]
fn break_even_ages_are_those_of_the_arithmetic() {
    let book = &*BOOK;
    let months = |class, kib: u64| {
        break_even_months(book, "us-east-1", class, kib * 1024).map(|m| m.round_dp(1))
    };
    assert_eq!(months(Class::DeepArchive, 8), None);
    assert_eq!(months(Class::DeepArchive, 64), Some(dec("43.9")));
    assert_eq!(months(Class::DeepArchive, 128), Some(dec("20.2")));
    assert_eq!(months(Class::StandardIa, 64), None);
    assert_eq!(months(Class::Standard, 64), None);
}
