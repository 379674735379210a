//! The volumes file: merged by window, written with its comments.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;

fn days(from: u32, to: u32) -> String {
    format!("window: {{ from: 2026-07-{from:02}, to: 2026-07-{to:02} }}")
}

fn week(from: u32, to: u32, region: &str) -> Volumes {
    let window = days(from, to);
    let text = format!(
        "version: 1\nprovenance: measured\n{window}\nmeasurements: [{{ from: [logs], {window}, files: 7 }}]\naccounts:\n  \
         '111122223333':\n    us-east-1: {region}\n"
    );
    Volumes::parse(&text).expect("volumes")
}

const IAM: &str = "{ management: { iam.amazonaws.com: { read: 70, write: 7 } } }";

fn merged(file: &Volumes, new: &Volumes) -> Volumes {
    merge(file.clone(), new, false).expect("no clash").volumes
}

fn in_region(volumes: &Volumes) -> &RegionVolumes {
    &volumes.accounts["111122223333"]["us-east-1"]
}

fn iam(volumes: &Volumes) -> [u64; 3] {
    let management = in_region(volumes).management.as_ref().expect("management");
    management
        .get("iam.amazonaws.com")
        .expect("IAM")
        .read
        .cases()
}

#[test]
fn measuring_twice_gives_the_same_file() {
    let once = merged(&Volumes::none(), &week(1, 8, IAM));
    assert_eq!(once, week(1, 8, IAM));
    assert_eq!(merged(&once, &week(1, 8, IAM)), once);
}

#[test]
fn times_that_lie_apart_are_added_up() {
    let first = week(1, 8, IAM);
    let joined = merged(&first, &week(8, 15, IAM));
    assert_eq!(iam(&joined), [140; 3]);
    let window = in_region(&joined)
        .window
        .as_deref()
        .expect("its own window");
    assert_eq!(window.to_string(), "2026-07-01 to 2026-07-15");
    let gap = merged(&first, &week(20, 27, IAM));
    let window = in_region(&gap).window.as_deref().expect("its own window");
    assert_eq!(
        window.to_string(),
        "2026-07-01 to 2026-07-08, 2026-07-20 to 2026-07-27"
    );
    assert_eq!(window.hours(), Ok(14 * 24));
    assert_eq!(gap.measurements.len(), 2);
    // The longer time stands, when a part of it is measured again.
    let again = merge(joined.clone(), &week(8, 15, IAM), false).expect("no clash");
    assert_eq!((again.already_there, iam(&again.volumes)), (1, [140; 3]));
}

#[test]
fn a_longer_time_takes_the_place_of_a_part_of_it() {
    let twice = IAM.replace("70", "140");
    let longer = merged(&week(3, 8, IAM), &week(1, 8, &twice));
    assert_eq!(iam(&longer), [140; 3]);
}

#[test]
fn times_that_overlap_in_part_are_the_users_to_decide() {
    let clash = merge(week(1, 8, IAM), &week(5, 12, IAM), false).expect_err("a clash");
    assert_eq!(clash[0].window, "2026-07-01 to 2026-07-08");
    let replaced = merge(week(1, 8, IAM), &week(5, 12, IAM), true).expect("as told");
    assert_eq!(iam(&replaced.volumes), [70; 3]);
}

#[test]
fn what_was_not_measured_stays_for_the_same_rate() {
    let declared = Volumes::parse(
        "accounts:\n  '111122223333':\n    us-east-1:\n      management: { ec2.amazonaws.com: { read: 1 } }\n      \
         data: { s3.amazonaws.com: { AWS::S3::Object: { read: 7300 } } }\n      selectors: { org: { a: 730 } }\n    \
         eu-west-1: { management: {} }\n",
    )
    .expect("volumes");
    let volumes = merged(&declared, &week(1, 8, IAM));
    assert_eq!(iam(&volumes), [70; 3]);
    let region = in_region(&volumes);
    let objects = region
        .data
        .as_ref()
        .and_then(|data| data.get("s3.amazonaws.com"));
    let objects = objects.and_then(|types| types.get("AWS::S3::Object"));
    assert_eq!(objects.map(|counts| counts.read.cases()), Some([1680; 3]));
    assert_eq!(
        region.selectors.get("org").and_then(|names| names.get("a")),
        Some(&Count::Exactly(168))
    );
    assert!(volumes.accounts["111122223333"].contains_key("eu-west-1"));
    assert_eq!(volumes.provenance, Provenance::Declared);
    assert_eq!(merged(&volumes, &week(1, 8, IAM)), volumes);
}

#[test]
fn regions_that_were_not_measured_cost_what_they_did() {
    let spec = trails(&["organization: true, selectors: [{ name: s3, data: 'AWS::S3::Object' }]"]);
    let undated = Volumes::parse(
        "accounts:\n  '222233334444': { us-east-1: { data: { s3.amazonaws.com: { AWS::S3::Object: { read: 7300000 } } } } }\n",
    );
    let undated = undated.expect("volumes");
    let costs = |volumes| monthly(&estimated(&spec, volumes), Meter::DataEvents);
    let volumes = merged(&undated, &week(1, 8, "{ data: {} }"));
    assert_eq!(costs(&volumes), costs(&undated));
    assert_eq!(volumes.provenance, Provenance::Declared);
    // The other way round nobody knows how the times lie.
    let clash = merge(week(1, 8, IAM), &undated_iam(), false).expect_err("a clash");
    assert_eq!(clash.len(), 1);
}

fn undated_iam() -> Volumes {
    Volumes::parse(&format!(
        "accounts:\n  '111122223333': {{ us-east-1: {IAM} }}\n"
    ))
    .expect("volumes")
}

#[test]
fn a_selector_that_has_become_another_one_was_not_counted() {
    let prefix = |prefix: &str| {
        trails(&[&format!(
            "selectors: [{{ name: s3, data: 'AWS::S3::Object', resources.ARN: {{ StartsWith: ['arn:aws:s3:::{prefix}/'] }} }}]"
        )])
    };
    let digest = prefix("a").trails["t0"].selectors().to_advanced()[0].digest();
    let counted = |day: u32, digest: &str| {
        let region = "{ data: { s3.amazonaws.com: { AWS::S3::Object: { read: 10000000 } } }, selectors: { t0: { s3: 5000000 } } }";
        let mut volumes = week(day, day + 7, region);
        let names = std::collections::BTreeMap::from([("s3".to_owned(), digest.to_owned())]);
        volumes.definitions.insert("t0".to_owned(), names);
        volumes
    };
    let volumes = counted(1, &digest);
    let [same, other] = ["a", "b"].map(|name| estimated(&prefix(name), &volumes));
    let range = |estimate: &Estimate| {
        let line = estimate
            .lines
            .iter()
            .find(|line| line.meter == Meter::DataEvents)
            .expect("a line");
        line.quantity.expect("a quantity")
    };
    assert_eq!(range(&same).low, range(&same).high);
    assert_eq!(range(&other).low, Decimal::ZERO);
    assert!(range(&other).high > range(&same).high);
    // Counts of two different selectors are not added up.
    let later = merged(&volumes, &counted(8, "another"));
    let own = in_region(&later)
        .selectors
        .get("t0")
        .and_then(|names| names.get("s3"));
    assert_eq!(own, Some(&Count::Exactly(10_000_000)));
}

#[test]
fn a_region_with_a_window_of_its_own_costs_by_it() {
    let spec = trails(&["selectors: [{ name: s3, data: 'AWS::S3::Object' }]"]);
    let objects = "{ s3.amazonaws.com: { AWS::S3::Object: { read: 7000000 } } }";
    let own = week(1, 8, &format!("{{ data: {objects} }}"));
    let mut longer = week(1, 29, &format!("{{ {}, data: {objects} }}", days(1, 8)));
    longer.measurements.clear();
    let costs = |volumes| monthly(&estimated(&spec, volumes), Meter::DataEvents);
    assert!(costs(&own).is_some());
    assert_eq!(costs(&own), costs(&longer));
}

#[test]
fn comments_stay_where_they_are() {
    let before = r#"# Volumes of July, ask finance before changing.
version: 1 # of the format
provenance: declared
note: "
  # no comment
  of several lines" # K1
# who owns these
accounts:
  # payments
  "111122223333": # prod
    us-east-1:
      management:
        # grows by a tenth a month
        iam.amazonaws.com:
          read: 5 # a guess
        s3.amazonaws.com: { read: 1 } # "quoted # text" here
      # gone some day
      network_activity: {}
# the end
"#;
    let file = Volumes::parse(before).expect("volumes");
    let volumes = merged(&file, &week(1, 8, IAM));
    let text = to_yaml(&volumes, before);
    insta::assert_snapshot!(text, @r###"
# Volumes of July, ask finance before changing.
version: 1  # of the format
provenance: declared
note: " # no comment of several lines"  # K1
window: { from: "2026-07-01", to: "2026-07-08" }
measurements: [{ from: ["logs"], window: { from: "2026-07-01", to: "2026-07-08" }, files: 7 }]
# who owns these
accounts:
  # payments
  "111122223333":  # prod
    us-east-1:
      management:
        # grows by a tenth a month
        # a guess
        iam.amazonaws.com: { read: 70, write: 7 }
      # gone some day
      network_activity: {}
# "quoted # text" here
# the end
"###);
    assert_eq!(Volumes::parse(&text).expect("volumes"), volumes);
    assert_eq!(to_yaml(&volumes, &text), text);
}

fn a_count() -> impl Strategy<Value = Count> {
    prop_oneof![
        any::<u64>().prop_map(Count::Exactly),
        (0u64..9, 10u64..19, 20u64..99)
            .prop_map(|(low, expected, high)| Count::between(low, expected, high)),
    ]
}

fn any_counts() -> impl Strategy<Value = Counts> {
    [a_count(), a_count(), a_count(), a_count()].prop_map(|[read, write, other, errors]| Counts {
        read,
        write,
        other,
        errors,
    })
}

/// Names as AWS has them, and as nobody should.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,5}\\.amazonaws\\.com",
        Just("AWS::S3::Object".to_owned()),
        Just("# no comment".to_owned()),
        "\\PC{1,8}",
        "[ :#'\"{}\\[\\],&*!|>%@`\n\t\\\\-]{1,5}",
        Just("true".to_owned()),
        Just("1e3".to_owned()),
        Just("~".to_owned()),
    ]
}

fn any_sources() -> impl Strategy<Value = ByName<Counts>> {
    vec((name(), any_counts()), 0..3).prop_map(|entries| entries.into_iter().collect())
}

fn any_region() -> impl Strategy<Value = RegionVolumes> {
    let data = vec((name(), any_sources()), 0..2).prop_map(|entries| entries.into_iter().collect());
    let selectors = vec((name(), vec((name(), a_count()), 0..3)), 0..2).prop_map(|trails| {
        let trails = trails.into_iter();
        trails
            .map(|(trail, names)| (trail, names.into_iter().collect()))
            .collect()
    });
    let files = option::of(any::<u32>()).prop_map(|bytes| Files {
        count: Some(3),
        compressed_bytes: bytes.map(u64::from),
        ..Files::default()
    });
    (
        option::of(any_sources()),
        option::of(data),
        option::of(any_sources()),
        option::of(files),
        selectors,
    )
        .prop_map(
            |(management, data, network_activity, files, selectors)| RegionVolumes {
                window: None,
                management,
                data,
                network_activity,
                files: files.map(Box::new),
                selectors,
            },
        )
}

fn any_volumes() -> impl Strategy<Value = Volumes> {
    let accounts = btree_map("[0-9]{12}", btree_map(name(), any_region(), 0..3), 0..3);
    (accounts, option::of("\\PC{0,20}")).prop_map(|(accounts, note)| Volumes {
        accounts,
        note,
        ..Volumes::none()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(volumes in any_volumes()) {
        let text = to_yaml(&volumes, "");
        prop_assert_eq!(Volumes::parse(&text).expect(&text), volumes, "{}", text);
    }

    /// Comments put between any lines of a file are all there again, once each, and the file means the same.
    #[test]
    fn no_comment_is_lost(volumes in any_volumes(), places in vec(0usize..60, 0..6)) {
        let mut lines: Vec<String> = to_yaml(&volumes, "").lines().map(str::to_owned).collect();
        for (index, place) in places.iter().enumerate() {
            let place = place % (lines.len() + 1);
            lines.insert(place, format!("   # comment {index}!"));
        }
        let before = lines.join("\n");
        let text = to_yaml(&volumes, &before);
        for index in 0..places.len() {
            let comment = format!("# comment {index}!");
            prop_assert_eq!(text.matches(&comment).count(), 1, "{}\n---\n{}", before, text);
        }
        prop_assert_eq!(Volumes::parse(&text).expect(&text), volumes);
        prop_assert_eq!(to_yaml(&Volumes::parse(&text).expect("volumes"), &text), text);
    }
}
