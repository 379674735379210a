//! Every worked example of tests/data/cost_examples.json: AWS's own, those of other tools, and derived ones.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;

const EXAMPLES: &str = include_str!("../../../tests/data/cost_examples.json");
const US: &str = "us-east-1";

/// Line items of an example, by name, and its total.
struct Example {
    value: Value,
}

impl Example {
    fn items(&self) -> Vec<(String, Decimal)> {
        let items = self.value["expected"]["line_items"]
            .as_object()
            .expect("line items");
        items
            .iter()
            .map(|(name, value)| (name.clone(), number(value)))
            .collect()
    }

    fn total(&self) -> Option<Decimal> {
        let total = &self.value["expected"]["total"];
        (!total.is_null()).then(|| number(total))
    }

    /// Our line items, in the order of the example, are those of the example to the last digit that it prints.
    fn is(&self, ours: &[Decimal]) {
        let id = &self.value["id"];
        let items = self.items();
        assert_eq!(items.len(), ours.len(), "{id}: {items:?}");
        for ((name, expected), ours) in items.iter().zip(ours) {
            let rounded = ours.round_dp(expected.scale().max(2));
            let away = (rounded - expected).abs();
            assert!(
                away <= dec("0.00005"),
                "{id}, {name}: {ours} instead of {expected}"
            );
        }
        if let Some(total) = self.total() {
            let sum: Decimal = ours.iter().sum();
            assert_eq!(
                sum.round_dp(2),
                total.round_dp(2),
                "{id}: total of {ours:?}"
            );
        }
    }
}

fn number(value: &Value) -> Decimal {
    super::super::number::parse(&value.to_string()).expect("a number")
}

fn cost(meter: Meter, quantity: &str) -> Decimal {
    BOOK.cost(meter, US, dec(quantity)).expect("a price")
}

type Check = fn(&Example);

fn checks() -> BTreeMap<&'static str, Check> {
    BTreeMap::from([
        ("aws-ct-page-classic", classic as Check),
        ("infracost-cloudtrail", |e| {
            let data = cost(Meter::DataEvents, "200000");
            let copies = cost(Meter::ManagementFurtherCopy, "100000");
            e.is(&[copies, data, cost(Meter::InsightsManagement, "300000")]);
        }),
        ("aws-docs-insights-2", insights_on_two_trails),
        ("aws-docs-insights-4", insights_on_both_categories),
        ("aws-s3-faq-byte-hours", byte_hours),
        ("aws-s3-faq-early-delete", |e| {
            let rest = |days| Decimal::from(Class::Glacier.early_delete_days(days));
            e.is(&[rest(30), rest(60)]);
        }),
        ("repost-glacier-restore", |e| {
            let (class, speed) = (Class::Glacier, Speed::Standard);
            e.is(&[
                cost(Meter::S3Restore(class, speed), "15000000"),
                cost(Meter::S3Retrieval(class, speed), "102400"),
            ]);
            let expedited = cost(Meter::S3Restore(class, Speed::Expedited), "15000000");
            assert_eq!(expedited, dec("150000"));
        }),
        ("infracost-eventbridge", |e| {
            e.is(&[
                cost(Meter::EventBridgeCustomEvents, "1000000"),
                cost(Meter::EventBridgePartnerEvents, "2000000"),
                cost(Meter::EventBridgeArchiveProcessing, "100"),
                cost(Meter::EventBridgeArchiveStorage, "200"),
                cost(Meter::EventBridgeSchemaDiscovery, "1000000"),
            ]);
        }),
        // 128 KB are two requests of 64 KB.
        ("infracost-sns", |e| {
            e.is(&[cost(Meter::SnsRequests, "2000000")])
        }),
        ("infracost-sns-subscription", |e| {
            e.is(&[cost(Meter::SnsHttp, "2000000")])
        }),
        ("infracost-lambda", |e| {
            e.is(&[
                cost(Meter::LambdaRequests, "100000"),
                cost(Meter::LambdaDurationX86, "4375"),
            ]);
            assert_eq!(
                cost(Meter::LambdaDurationArm, "4375").round_dp(4),
                dec("0.0583")
            );
        }),
        ("autotag-readme", |e| {
            let logs = cost(Meter::LogsIngestion, "2") + cost(Meter::LogsStorage, "2");
            e.is(&[
                logs,
                cost(Meter::EventBridgeCustomEvents, "1000000"),
                cost(Meter::ManagementFurtherCopy, "150000"),
                cost(Meter::DataEvents, "1000000"),
                cost(Meter::SnsEmail, "10000"),
            ]);
        }),
        ("jsherz-81m", |e| e.is(&[data_events(81_000_000)])),
        ("skill-lake-100gb", |e| {
            e.is(&[cost(Meter::LakeIngestLive, "100")])
        }),
        ("aws-eventbridge-cross-account", |e| {
            e.is(&[
                cost(Meter::EventBridgeAwsEvents, "5000000"),
                cost(Meter::EventBridgeCrossAccount, "5000000"),
            ]);
        }),
        ("aws-obs-cwl-formula", cloud_watch),
        ("D01-duplicate-single-region-trails", duplicates),
        ("D03-two-single-region-trails", two_regions),
        ("D05-insights-docs-priced", |e| {
            let management = |events| cost(Meter::InsightsManagement, events);
            e.is(&[
                management("330000"),
                management("90000"),
                management("800000"),
                management("1240000"),
                management("330000"),
                cost(Meter::InsightsData, "800000"),
            ]);
        }),
        ("D06b-tiny-files-deep-archive", |e| {
            let held = holding(Class::DeepArchive, 1_000_000, 7700);
            e.is(&[held.storage, held.overhead, held.metadata]);
            let standard = holding(Class::Standard, 1_000_000, 7700).total();
            assert!(held.total() > standard, "more than {standard}");
        }),
        ("D06d-tiny-files-glacier-ir", |e| {
            e.is(&[holding(Class::GlacierIr, 1_000_000, 7700).total()]);
        }),
        ("D06f-tiny-files-transition-fees", |e| {
            let classes = [
                Class::IntelligentTiering,
                Class::StandardIa,
                Class::OnezoneIa,
                Class::GlacierIr,
                Class::Glacier,
                Class::DeepArchive,
            ];
            e.is(&classes.map(|class| cost(Meter::S3Transition(class), "1000000")));
        }),
        ("D08-breakeven-size-DEEP_ARCHIVE", |e| {
            let kib = |months: Option<u32>| break_even_kib(Class::DeepArchive, months);
            e.is(&[kib(Some(12)), kib(Some(36)), kib(Some(84)), kib(None)]);
        }),
        ("D08-breakeven-size-128K-classes", |e| {
            let classes = [Class::GlacierIr, Class::StandardIa, Class::OnezoneIa];
            e.is(&classes.map(|class| break_even_kib(class, None)));
        }),
        ("D10-delivery-puts", delivery_puts),
        (
            "D12-lifecycle-steady-state-gda-7y",
            seven_years_in_deep_archive,
        ),
        ("D14-lake-1000gb-seven-year", |e| {
            e.is(&[cost(Meter::LakeIngestSevenYear, "1000")])
        }),
        ("D16-lake-30720gb-seven-year", |e| {
            let to = |gb| cost(Meter::LakeIngestSevenYear, gb);
            let (first, second, third) = (to("5120"), to("25600"), to("30720"));
            e.is(&[first, second - first, third - second]);
        }),
        ("D18-lake-extended", |e| {
            // 500 GB a month for the 364 days beyond the first 366, compressed to a tenth.
            let months = Decimal::from(364 * 24) / Decimal::from(MONTH_HOURS);
            let stored = Decimal::from(50) * months;
            let storage = BOOK.cost(Meter::LakeExtendedStorage, US, stored);
            e.is(&[
                cost(Meter::LakeIngestLive, "500"),
                storage.expect("a price"),
            ]);
        }),
        ("D20-data-aggregation-insights", aggregation),
        ("D22-kms-upper-bound", kms_upper_bound),
        ("D24-s3-us-east-1", |e| e.is(&storage_and_puts(US))),
        ("D24-s3-sa-east-1", |e| e.is(&storage_and_puts("sa-east-1"))),
        ("D25-s3-tiers", |e| {
            let to = |gb| cost(Meter::S3Storage(Class::Standard), gb);
            let (first, second, third) = (to("51200"), to("512000"), to("600000"));
            e.is(&[first, second - first, third - second]);
        }),
        ("D27-lake-copy-from-s3", |e| {
            e.is(&[cost(Meter::LakeIngestOther, "1200")])
        }),
        ("D29-cost-explorer-reconcile", |e| {
            e.is(&[cost(Meter::CostExplorerRequests, "13")])
        }),
    ])
}

#[test]
fn every_example_comes_out_to_the_cent() {
    let file: Value = serde_json::from_str(EXAMPLES).expect("JSON");
    let lists = ["examples", "derived"].map(|list| file[list].as_array().expect("a list"));
    let mut checks = checks();
    for value in lists.into_iter().flatten() {
        let id = value["id"].as_str().expect("an id");
        if id.starts_with("NEG-") {
            continue;
        }
        let check = checks
            .remove(id)
            .unwrap_or_else(|| panic!("{id} has no check"));
        check(&Example {
            value: value.clone(),
        });
    }
    assert!(checks.is_empty(), "without example: {:?}", checks.keys());
}

/// Some believe that the first two million data events are free.
#[test]
fn no_data_event_is_free() {
    assert_eq!(data_events(30_000_000), dec("30"));
    assert_eq!(data_events(1), dec("0.000001"));
}

fn data_events(events: u64) -> Decimal {
    let volumes = volumes(&format!(
        "    us-east-1: {{ data: {{ s3.amazonaws.com: {{ 'AWS::S3::Object': {{ read: {events} }} }} }} }}\n"
    ));
    monthly(&estimated(&trails(&[S3]), &volumes), Meter::DataEvents).expect("an amount")
}

fn classic(example: &Example) {
    let both = "selectors: [{ management: all }, { data: 'AWS::S3::Object' }]";
    let volumes = volumes(
        "    us-east-1:\n      management: { ec2.amazonaws.com: { read: 100000, write: 50000 } }\n      \
         data: { s3.amazonaws.com: { 'AWS::S3::Object': { read: 2000000 } } }\n",
    );
    let estimate = estimated(&trails(&[both, MANAGEMENT]), &volumes);
    let meters = [
        Meter::ManagementFirstCopy,
        Meter::ManagementFurtherCopy,
        Meter::DataEvents,
    ];
    example.is(&meters.map(|meter| monthly(&estimate, meter).expect("an amount")));
}

fn insights_on_two_trails(example: &Example) {
    let volumes = volumes(&management(US, 710_000, 90_000));
    let estimate = estimated(
        &trails(&[
            "insights: { ApiCallRateInsight: [Management] }",
            "insights: { ApiErrorRateInsight: [Management] }",
        ]),
        &volumes,
    );
    let of = |address: &str| {
        let mut lines = estimate.lines.iter();
        let line = lines.find(|l| l.address == address && l.meter == Meter::InsightsManagement);
        line.and_then(|line| line.quantity)
            .expect("a quantity")
            .expected
    };
    example.is(&[of("trail.t0"), of("trail.t1")]);
}

fn insights_on_both_categories(example: &Example) {
    let volumes = volumes(
        "    us-east-1:\n      management: { ec2.amazonaws.com: { read: 270000, write: 30000 } }\n      \
         data: { s3.amazonaws.com: { 'AWS::S3::Object': { read: 340000, write: 60000 } } }\n",
    );
    let trail = "selectors: [{ management: all }, { data: 'AWS::S3::Object' }], \
                 insights: { ApiCallRateInsight: [Management, Data], ApiErrorRateInsight: [Management, Data] }";
    let estimate = estimated(&trails(&[trail]), &volumes);
    let of = |meter| quantity(&estimate, meter).expect("a quantity");
    example.is(&[of(Meter::InsightsManagement), of(Meter::InsightsData)]);
}

/// 100 GB for 15 days and 102,400 GB for 16 days of a month of 744 hours.
fn byte_hours(example: &Example) {
    let hours = Decimal::from(100 * 15 * 24 + 102_400_u64 * 16 * 24);
    // The page rounds 52,903.2 GB-months down to 52,900.
    let months = (hours / Decimal::from(744) / Decimal::ONE_HUNDRED).floor() * Decimal::ONE_HUNDRED;
    let book = &*BOOK;
    let to = |gb| {
        book.cost(Meter::S3Storage(Class::Standard), US, gb)
            .expect("a price")
    };
    let first = to(dec("51200"));
    example.is(&[first, to(months) - first]);
}

fn cloud_watch(example: &Example) {
    let trail = "cloud_watch_logs: { log_group_arn: 'arn:aws:logs:us-east-1:111122223333:log-group:t:*', \
                 role_arn: 'arn:aws:iam::111122223333:role/t' }";
    let volumes = volumes(&management(US, 1_000_000, 0));
    let estimate = estimated(&trails(&[trail]), &volumes);
    let of = |meter: Meter, case: fn(Range) -> Decimal| {
        let mut lines = estimate.lines.iter().filter(|line| line.meter == meter);
        case(lines.find_map(|line| line.monthly).expect("an amount"))
    };
    let ingestion = of(Meter::LogsIngestion, |range| range.expected);
    assert_eq!(ingestion, dec("0.75"));
    // The delivery charge is doubtful for trails: nothing is expected.
    assert_eq!(
        of(Meter::CloudWatchDelivery, |range| range.expected),
        Decimal::ZERO
    );
    let delivery = BOOK.cost(Meter::CloudWatchDelivery, US, dec("1.5"));
    example.is(&[ingestion + delivery.expect("a price")]);
}

fn duplicates(example: &Example) {
    let volumes = volumes(
        &[
            management("us-east-1", 3_000_000, 0),
            management("eu-west-1", 1_000_000, 0),
            management("ap-southeast-2", 500_000, 0),
            management("us-west-2", 250_000, 0),
        ]
        .concat(),
    );
    let single = |region: &str| format!("multi_region: false, region: {region}");
    let regions = ["us-east-1", "eu-west-1", "ap-southeast-2"];
    let mut list = vec!["organization: true".to_owned()];
    list.extend(regions.map(single));
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    let estimate = estimated(&trails(&list), &volumes);
    let paid = |region: &str| {
        let lines = estimate
            .lines
            .iter()
            .filter(|l| l.meter == Meter::ManagementFurtherCopy);
        let lines = lines.filter(|line| line.region.as_deref() == Some(region));
        lines
            .filter_map(|line| line.monthly)
            .map(|range| range.expected)
            .sum()
    };
    example.is(&regions.map(paid));
    assert_eq!(estimate.ledger.paid, Some(dec("90")));
}

fn two_regions(example: &Example) {
    let volumes = volumes(
        &[
            management(US, 1_000_000, 0),
            management("us-west-2", 1_000_000, 0),
        ]
        .concat(),
    );
    let estimate = estimated(
        &trails(&[
            "multi_region: false",
            "multi_region: false, region: us-west-2",
        ]),
        &volumes,
    );
    assert_eq!(monthly(&estimate, Meter::ManagementFurtherCopy), None);
    example.is(&[monthly(&estimate, Meter::ManagementFirstCopy).expect("an amount")]);
}

fn holding(class: Class, objects: u64, bytes: u64) -> Holding {
    BOOK.holding(class, US, objects, bytes).expect("a price")
}

fn break_even_kib(class: Class, months: Option<u32>) -> Decimal {
    let months = months.map(Decimal::from);
    let bytes = break_even_bytes(&BOOK, US, class, months).expect("a size");
    (bytes / Decimal::from(1024)).round_dp(2)
}

fn delivery_puts(example: &Example) {
    let files = "{ management: { ec2.amazonaws.com: { read: 100000 } }, files: { count: 8760 } }";
    let region = |region: &&str| format!("    {region}: {files}\n");
    let regions: String = super::super::profiles::DEFAULT_REGIONS
        .iter()
        .map(region)
        .collect();
    let accounts: String = (0..100)
        .map(|n| format!("  '{:012}':\n{regions}", n + 1))
        .collect();
    let text = format!("version: 1\nprovenance: declared\naccounts:\n{accounts}");
    let volumes = Volumes::parse(&text).expect("volumes");
    let estimate = estimated(&trails(&["organization: true"]), &volumes);
    let puts = Meter::S3Put(Class::Standard);
    assert_eq!(quantity(&estimate, puts), Some(dec("14892000")));
    example.is(&[monthly(&estimate, puts).expect("an amount")]);
}

fn seven_years_in_deep_archive(example: &Example) {
    let spec = spec(
        "buckets:\n  logs:\n    account: management\n    name: logs\n    versioning: false\n    lifecycle:\n      \
         - { id: a, transitions: [{ days: 90, storage_class: DEEP_ARCHIVE }], expiration_days: 2555 }\n\
         trails:\n  t: { account: management, bucket: logs, log_file_validation: false }\n",
    );
    let volumes = volumes(&format!(
        "    us-east-1:\n      management: {{ ec2.amazonaws.com: {{ read: 10000000 }} }}\n      \
         files: {{ count: 409600, compressed_bytes: {} }}\n",
        100_u64 << 30
    ));
    let estimate = estimated(&spec, &volumes);
    let of = |label: &str| {
        let mut lines = estimate
            .lines
            .iter()
            .filter(|line| line.label.starts_with(label));
        lines
            .find_map(|line| line.monthly)
            .expect("an amount")
            .expected
    };
    let labels = [
        "delivery",
        "storage in STANDARD",
        "transitions",
        "storage in DEEP_ARCHIVE",
        "metadata",
    ];
    example.is(&labels.map(of));
}

fn aggregation(example: &Example) {
    let volumes = volumes(
        "    us-east-1: { data: { s3.amazonaws.com: { 'AWS::S3::Object': { read: 200000000 } } } }\n",
    );
    let trail = format!(
        "{S3}, aggregation: [API_ACTIVITY], insights: {{ ApiCallRateInsight: [Data], ApiErrorRateInsight: [Data] }}"
    );
    let estimate = estimated(&trails(&[&trail]), &volumes);
    let meters = [
        Meter::DataEvents,
        Meter::DataEventAggregation,
        Meter::InsightsData,
    ];
    example.is(&meters.map(|meter| monthly(&estimate, meter).expect("an amount")));
    let line = estimate
        .lines
        .iter()
        .find(|line| line.meter == Meter::DataEventAggregation);
    assert!(
        line.is_some_and(|line| line.price_assumed),
        "a second-hand price is marked"
    );
}

fn kms_upper_bound(example: &Example) {
    let spec = spec(
        "keys:\n  k: { account: management, alias: k }\nbuckets:\n  logs: { account: management, name: logs, key: k, \
         bucket_key: false }\ntrails:\n  t: { account: management, bucket: logs, log_file_validation: false }\n",
    );
    let volumes = volumes(
        "    us-east-1: { management: { ec2.amazonaws.com: { read: 9000000 } }, files: { count: 1000000 } }\n",
    );
    let estimate = estimated(&spec, &volumes);
    let mut lines = estimate
        .lines
        .iter()
        .filter(|line| line.meter == Meter::KmsRequests);
    let range = lines.find_map(|line| line.monthly).expect("an amount");
    assert_eq!((range.low, range.expected), (Decimal::ZERO, Decimal::ZERO));
    example.is(&[range.high]);
}

fn storage_and_puts(region: &str) -> [Decimal; 2] {
    let book = &*BOOK;
    let of = |meter, quantity: &str| book.cost(meter, region, dec(quantity)).expect("a price");
    let class = Class::Standard;
    [
        of(Meter::S3Storage(class), "10000"),
        of(Meter::S3Put(class), "1000000"),
    ]
}
