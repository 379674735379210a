//! The copy ledger, budgets, differences and advice.

use super::*;

fn other(name: &str, organization: bool, selectors: &str) -> OtherTrail {
    let text = format!(
        "{{ name: {name}, account_id: '111122223333', region: us-east-1, multi_region: true, organization: {organization}, \
         owner: Control Tower{selectors} }}"
    );
    serde_yaml::from_str(&text).expect("a trail")
}

fn with_others(spec: &Spec, volumes: &Volumes, others: &[OtherTrail]) -> Estimate {
    estimate(spec, volumes, others, &BOOK, &Options::default())
}

fn thousand() -> Volumes {
    volumes(&management("us-east-1", 600_000, 400_000))
}

#[test]
fn reads_and_writes_of_two_trails_are_one_free_copy() {
    let spec = trails(&[
        "selectors: [{ management: read }]",
        "selectors: [{ management: write }]",
        "organization: true, selectors: [{ management: read }]",
    ]);
    let ledger = estimated(&spec, &thousand()).ledger;
    let of = |name: &str| {
        let row = ledger
            .trails
            .iter()
            .find(|row| row.trail == name)
            .expect("a row");
        (
            row.free_events,
            row.paid_events,
            row.pays,
            row.removing_saves,
        )
    };
    // The organization trail has the free copy of the reads; the trail of the writes is alone with them.
    assert_eq!(
        of("trail.t2"),
        (dec("600000"), dec("0"), Some(dec("0")), Some(dec("12")))
    );
    assert_eq!(
        of("trail.t0"),
        (dec("0"), dec("600000"), Some(dec("12")), Some(dec("12")))
    );
    assert_eq!(
        of("trail.t1"),
        (dec("400000"), dec("0"), Some(dec("0")), Some(dec("0")))
    );
    assert_eq!(ledger.paid, Some(dec("12")));
}

#[test]
fn trails_of_others_count() {
    let spec = trails(&["multi_region: true"]);
    // Control Tower's organization trail was there first: ours is the paid copy.
    let paid = with_others(&spec, &thousand(), &[other("ct", true, "")]);
    assert_eq!(
        monthly(&paid, Meter::ManagementFurtherCopy),
        Some(dec("20"))
    );
    // A member's trail beside our organization trail: the member pays, we do not.
    let ours = trails(&["organization: true"]);
    let estimate = with_others(&ours, &thousand(), &[other("own", false, "")]);
    assert_eq!(monthly(&estimate, Meter::ManagementFurtherCopy), None);
    assert_eq!(estimate.ledger.paid, Some(dec("20")));
    let advice = advise(&ours, &estimate, &BOOK).keeps_every_event;
    assert_eq!(
        (advice.len(), advice[0].address.as_str(), advice[0].saves),
        (1, "own", Some(dec("20")))
    );
    // Selectors of others are looked at.
    let selectors = ", selectors: { EventSelectors: [{ ReadWriteType: WriteOnly }] }";
    let writes = with_others(&spec, &thousand(), &[other("ct", true, selectors)]);
    assert_eq!(
        monthly(&writes, Meter::ManagementFurtherCopy),
        Some(dec("8"))
    );
    let stopped = OtherTrail {
        logging: false,
        ..other("ct", true, "")
    };
    let free = with_others(&spec, &thousand(), &[stopped]);
    assert_eq!(monthly(&free, Meter::ManagementFurtherCopy), None);
}

#[test]
fn kms_events_on_paid_copies_are_found() {
    let volumes = volumes(
        "    us-east-1: { management: { kms.amazonaws.com: { read: 900000 }, ec2.amazonaws.com: { read: 50000, write: 50000 } } }\n",
    );
    let spec = trails(&[
        "organization: true, selectors: [{ management: read }]",
        MANAGEMENT,
    ]);
    let estimate = estimated(&spec, &volumes);
    let advice = advise(&spec, &estimate, &BOOK).keeps_every_event;
    assert_eq!(advice[0].code, "management-kms-further-copy");
    assert_eq!(
        (advice[0].saves, advice[0].address.as_str()),
        (Some(dec("18")), "trail.t1")
    );
    // What is only in the kms-free trail's absence would be lost is not advised.
    let alone = trails(&[MANAGEMENT]);
    let advice = advise(&alone, &estimated(&alone, &volumes), &BOOK);
    assert_eq!(advice, Advice::default());
}

#[test]
fn advice_is_what_the_change_saves() {
    let both = "selectors: [{ name: m, management: all }, { name: s3, data: 'AWS::S3::Object' }]";
    let data = "    us-east-1:\n      management: { ec2.amazonaws.com: { read: 600000, write: 400000 } }\n      \
                data: { s3.amazonaws.com: { 'AWS::S3::Object': { read: 3000000, write: 1000000 } } }\n";
    let spec = trails(&["organization: true", both, S3]);
    let estimate = estimated(&spec, &volumes(data));
    let book = &*BOOK;
    let advice = advise(&spec, &estimate, book);
    let savings: Vec<(&str, &str, &str)> = advice
        .keeps_every_event
        .iter()
        .map(|s| (s.code, s.address.as_str(), s.change.as_str()))
        .collect();
    assert_eq!(
        savings,
        [
            (
                "management-further-copy",
                "trail.t1",
                "trail.t1.selectors: remove `m`"
            ),
            (
                "data-recorded-twice",
                "trail.t2",
                "trail.t2.selectors: remove `s3`"
            ),
        ]
    );
    let without = trails(&["organization: true", S3, S3]);
    let delta = compare(&estimate, &estimated(&without, &volumes(data)));
    let events: Decimal = delta
        .changes
        .iter()
        .filter(|c| c.address == "trail.t1")
        .map(|c| c.increase)
        .sum();
    assert_eq!(Some(-events), advice.keeps_every_event[0].saves);
    let reads = advice
        .loses_something
        .iter()
        .find(|s| s.code == "data-reads")
        .expect("reads");
    assert_eq!(reads.saves, Some(dec("3")));
    assert!(
        reads
            .loses
            .as_deref()
            .is_some_and(|text| text.contains("3,000,000"))
    );
}

#[test]
fn a_change_is_told_line_by_line() {
    let (old, new) = (trails(&[MANAGEMENT]), trails(&[MANAGEMENT, MANAGEMENT]));
    let (old, new) = (estimated(&old, &thousand()), estimated(&new, &thousand()));
    let delta = compare(&old, &new);
    assert_eq!(delta.changes[0].address, "trail.t1");
    assert_eq!(delta.changes[0].increase, dec("20"));
    assert_eq!(
        (delta.changes[0].old, delta.increase),
        (None, new.total.expected - old.total.expected)
    );
    let back = compare(&new, &old);
    assert_eq!(
        (back.increase, back.changes.len()),
        (-delta.increase, delta.changes.len())
    );
    assert!(back.percent.is_some_and(|percent| percent < Decimal::ZERO));
    assert_eq!(compare(&new, &new).changes, []);
    let empty = estimated(&spec(""), &thousand());
    assert_eq!(compare(&empty, &old).percent, None);
}

#[test]
fn unknown_that_becomes_known_is_a_change() {
    let known = estimated(
        &trails(&[S3]),
        &volumes(
            "    us-east-1: { data: { s3.amazonaws.com: { 'AWS::S3::Object': { read: 0 } } } }\n",
        ),
    );
    let unknown = estimated(&trails(&[S3]), &thousand());
    let delta = compare(&unknown, &known);
    assert!(
        delta
            .changes
            .iter()
            .any(|c| c.old.is_some_and(|old| old.unknown == 1)),
        "{delta:?}"
    );
    assert_eq!((delta.old_unknown > 0, delta.new_unknown), (true, 0));
}

#[test]
fn budgets_give_reasons() {
    let old = estimated(&trails(&[MANAGEMENT]), &thousand());
    let new = estimated(&trails(&[MANAGEMENT, MANAGEMENT]), &thousand());
    let delta = compare(&old, &new);
    let budget = |text: &str| serde_yaml::from_str::<types::Budget>(text).expect("a budget");
    let check = |text: &str| check_budget(&budget(text), &new, Some(&delta));
    assert!(check("monthly_usd: 1000\nmax_increase_usd: 100").within);
    let total = check("monthly_usd: 10");
    assert!(
        !total.within && total.broken[0].contains("over the budget of $10"),
        "{total:?}"
    );
    let increase = check("max_increase_usd: 5\nmax_increase_percent: 10");
    assert_eq!(increase.broken.len(), 2, "{increase:?}");
    let alone = check_budget(&budget("max_increase_usd: 5"), &new, None);
    assert!(alone.within && alone.notes[0].contains("nothing to compare"));
    let nothing = compare(&estimated(&spec(""), &thousand()), &new);
    let verdict = check_budget(&budget("max_increase_percent: 1000"), &new, Some(&nothing));
    assert!(verdict.broken[0].contains("from nothing"), "{verdict:?}");
    let unknown = estimated(&trails(&[S3]), &thousand());
    let verdict = check_budget(&budget("monthly_usd: 1"), &unknown, None);
    assert!(
        verdict.within
            && verdict
                .notes
                .iter()
                .any(|note| note.contains("not in the total"))
    );
}
