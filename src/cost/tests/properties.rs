use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn counts(events: u64) -> Counts {
    Counts {
        read: Count::Exactly(events),
        write: Count::Exactly(events / 3),
        ..Counts::default()
    }
}

fn region(management: u64, data: u64) -> RegionVolumes {
    let object = ByName::from_iter([("AWS::S3::Object", counts(data))]);
    RegionVolumes {
        management: Some(ByName::from_iter([(
            "kms.amazonaws.com",
            counts(management),
        )])),
        data: Some(ByName::from_iter([("s3.amazonaws.com", object)])),
        ..RegionVolumes::default()
    }
}

/// Volumes of a few accounts and Regions from pairs of management and data events.
fn several(pairs: &[(u64, u64)]) -> Volumes {
    let mut volumes = Volumes::none();
    for (index, (management, data)) in pairs.iter().enumerate() {
        let account = format!("{:012}", 111_122_223_333 + index as u64 / 3);
        let name = ["us-east-1", "eu-west-3", "sa-east-1"][index % 3];
        volumes
            .accounts
            .entry(account)
            .or_default()
            .insert(name.to_owned(), region(*management, *data));
    }
    volumes
}

const RULES: [&str; 5] = [
    "",
    "versioning: false, lifecycle: [{ id: a, expiration_days: 100 }]",
    "lifecycle: [{ id: a, transitions: [{ days: 30, storage_class: STANDARD_IA, object_size_greater_than: 1 }], expiration_days: 400, noncurrent_version_expiration: { noncurrent_days: 5 } }]",
    "versioning: false, lifecycle: [{ id: a, transitions: [{ days: 1, storage_class: INTELLIGENT_TIERING, object_size_greater_than: 1 }, { days: 50, storage_class: DEEP_ARCHIVE, object_size_greater_than: 1 }], expiration_days: 60 }]",
    "object_lock: { mode: COMPLIANCE, years: 1 }, lifecycle: [{ id: a, transitions: [{ days: 0, storage_class: GLACIER }], expiration_days: 30, noncurrent_version_expiration: { noncurrent_days: 1 } }]",
];

fn with_rules(rules: usize) -> Spec {
    let rules = RULES[rules % RULES.len()];
    spec(&format!(
        "keys:\n  k: {{ account: management, alias: k }}\nbuckets:\n  logs: {{ account: management, name: logs, key: k{}{rules} }}\n\
         trails:\n  \
         org:\n    account: management\n    bucket: logs\n    organization: true\n    sns_topic: 'arn:aws:sns:us-east-1:111122223333:t'\n    \
         insights: {{ ApiCallRateInsight: [Management, Data], ApiErrorRateInsight: [Management] }}\n    \
         selectors: [{{ name: m, management: all }}, {{ name: a, data: 'AWS::S3::Object', resources.ARN: {{ StartsWith: ['arn:aws:s3:::a/'] }} }}]\n  \
         own: {{ account: management, bucket: logs, selectors: [{{ name: w, management: write }}, {{ name: s3, data: 'AWS::S3::Object' }}] }}\n",
        if rules.is_empty() { "" } else { ", " }
    ))
}

fn pairs() -> impl Strategy<Value = Vec<(u64, u64)>> {
    vec((0..2_000_000_u64, 0..50_000_000_u64), 1..7)
}

fn sum(parts: &[attribution::Part]) -> Range {
    parts.iter().map(|part| part.monthly).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Where no rule moves files by their size, which may make larger files cheaper than smaller ones.
    #[test]
    fn more_events_never_cost_less(pairs in pairs(), more in pairs(), rules in 0..2_usize) {
        let spec = with_rules(rules);
        let extra = more.iter().chain(std::iter::repeat(&(0, 0)));
        let grown: Vec<(u64, u64)> = pairs.iter().zip(extra).map(|(a, b)| (a.0 + b.0, a.1 + b.1)).collect();
        let (few, many) = (estimated(&spec, &several(&pairs)), estimated(&spec, &several(&grown)));
        for (few, many) in few.total.cases().into_iter().zip(many.total.cases()) {
            prop_assert!(few <= many, "{few} > {many}");
        }
    }

    #[test]
    fn the_events_themselves_never_cost_less(pairs in pairs(), more in pairs(), rules in 0..5_usize) {
        let spec = with_rules(rules);
        let extra = more.iter().chain(std::iter::repeat(&(0, 0)));
        let grown: Vec<(u64, u64)> = pairs.iter().zip(extra).map(|(a, b)| (a.0 + b.0, a.1 + b.1)).collect();
        let trails = |volumes: &Volumes| -> Range {
            let estimate = estimated(&spec, volumes);
            estimate.lines.iter().filter(|l| l.address.starts_with("trail.")).filter_map(|l| l.monthly).sum()
        };
        let (few, many) = (trails(&several(&pairs)), trails(&several(&grown)));
        prop_assert!(few.low <= many.low && few.expected <= many.expected && few.high <= many.high);
    }

    #[test]
    fn attributions_add_up_to_the_total(pairs in pairs(), rules in 0..5_usize) {
        use attribution::{Dimension, attribute};
        let estimate = estimated(&with_rules(rules), &several(&pairs));
        for dimension in [Dimension::Trail, Dimension::Selector, Dimension::Account, Dimension::Region] {
            let parts = attribute(&estimate, dimension);
            prop_assert_eq!(sum(&parts), estimate.total);
            prop_assert!(parts.iter().all(|part| part.monthly.low >= Decimal::ZERO));
        }
    }

    #[test]
    fn ranges_are_in_order(pairs in pairs(), rules in 0..5_usize) {
        let estimate = estimated(&with_rules(rules), &several(&pairs));
        let ranges = estimate.lines.iter().flat_map(|line| [line.quantity, line.monthly]).flatten();
        for range in ranges.chain([estimate.total]) {
            prop_assert!(range.cases().is_sorted(), "{range:?}");
        }
    }

    #[test]
    fn the_projection_ends_in_the_closed_form(pairs in pairs(), rules in 1..5_usize) {
        let estimate = estimated(&with_rules(rules), &several(&pairs));
        let book = &*BOOK;
        let steady = steady_state(&estimate, book).expect("a steady state");
        let months = project(&estimate, book, steady.month.max(26));
        let last = months.last().expect("a month");
        prop_assert_eq!(&last.lines, &steady.lines);
        prop_assert_eq!(last.total, steady.total);
        prop_assert_eq!(estimate.total, steady.total);
    }

    #[test]
    fn a_spec_does_not_differ_from_itself(pairs in pairs(), rules in 0..5_usize) {
        let spec = with_rules(rules);
        let volumes = several(&pairs);
        let delta = compare(&estimated(&spec, &volumes), &estimated(&spec, &volumes));
        prop_assert_eq!(delta.changes, []);
        prop_assert_eq!(delta.increase, Decimal::ZERO);
    }

    /// Every paid copy is billed in some trail, and nothing is billed twice.
    #[test]
    fn the_ledger_is_the_bill(pairs in pairs()) {
        let estimate = estimated(&with_rules(0), &several(&pairs));
        let billed = monthly(&estimate, Meter::ManagementFurtherCopy).unwrap_or_default();
        prop_assert_eq!(estimate.ledger.paid, Some(billed));
        let rows = &estimate.ledger.trails;
        let free: Decimal = rows.iter().map(|row| row.free_events).sum();
        let all: u64 = pairs.iter().map(|(management, _)| management + management / 3).sum();
        prop_assert_eq!(free, Decimal::from(all));
    }
}

#[test]
fn absurd_volumes_neither_panic_nor_cost_little() {
    let huge = [(u64::MAX, u64::MAX); 6];
    for rules in 0..RULES.len() {
        let spec = with_rules(rules);
        let mut volumes = several(&huge);
        let estimate = estimated(&spec, &volumes);
        assert!(estimate.total.expected > dec("1000000000000"));
        for regions in volumes.accounts.values_mut() {
            for region in regions.values_mut() {
                region.files = Some(Box::new(Files {
                    count: Some(u64::MAX),
                    compressed_bytes: Some(u64::MAX),
                    uncompressed_bytes: Some(u64::MAX),
                    large: Some(LargeFiles {
                        count: u64::MAX,
                        compressed_bytes: u64::MAX,
                    }),
                    digests: Some(1),
                    digest_bytes: Some(u64::MAX),
                }));
            }
        }
        volumes.window = Some(Window::Span(SpanWindow {
            from: "2026-01-01T00:00:00Z".to_owned(),
            to: "2026-01-01T01:00:00Z".to_owned(),
        }));
        let estimate = estimated(&spec, &volumes);
        let book = &*BOOK;
        let months = project(&estimate, book, 3);
        assert_eq!(months.len(), 3);
        let at = Options {
            month: Some(u32::MAX),
        };
        super::estimate(&spec, &volumes, &[], book, &at);
        advise(&spec, &estimate, book);
        compare(&estimate, &estimate);
        attribution::attribute(&estimate, attribution::Dimension::Account);
        check_budget(&types::Budget::default(), &estimate, None);
    }
}
