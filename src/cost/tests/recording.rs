//! What is recorded, by which selector, and what is unknown.

use super::*;

const DATA: &str = "    us-east-1:\n      data:\n        s3.amazonaws.com: { 'AWS::S3::Object': { read: 600, write: 400 } }\n        \
                    lambda.amazonaws.com: { 'AWS::Lambda::Function': { write: 50 } }\n";

fn recorded(selectors: &str, volumes: &Volumes) -> Option<Range> {
    let estimate = estimated(&trails(&[&format!("selectors: {selectors}")]), volumes);
    let lines = estimate
        .lines
        .iter()
        .filter(|line| line.meter == Meter::DataEvents);
    let quantities: Option<Vec<Range>> = lines.map(|line| line.quantity).collect();
    quantities.map(|quantities| quantities.into_iter().sum())
}

fn range(low: u64, expected: u64, high: u64) -> Option<Range> {
    Some(Range::from_cases([low, expected, high].map(Decimal::from)))
}

#[test]
fn selectors_are_applied_to_the_counts() {
    let volumes = volumes(DATA);
    let of = |selectors: &str| recorded(selectors, &volumes);
    assert_eq!(of("[{ data: 'AWS::S3::Object' }]"), range(1000, 1000, 1000));
    assert_eq!(
        of("[{ data: 'AWS::S3::Object', read_only: false }]"),
        range(400, 400, 400)
    );
    assert_eq!(
        of("[{ data: 'AWS::S3::Object', read_only: true }]"),
        range(600, 600, 600)
    );
    assert_eq!(of("[{ data: 'AWS::Lambda::Function' }]"), range(50, 50, 50));
}

#[test]
fn what_the_counts_do_not_tell_is_a_range() {
    let volumes = volumes(DATA);
    let of = |selectors: &str| recorded(selectors, &volumes);
    let one = "{ data: 'AWS::S3::Object', resources.ARN: { StartsWith: ['arn:aws:s3:::a/'] } }";
    assert_eq!(of(&format!("[{one}]")), range(0, 500, 1000));
    let not = "{ data: 'AWS::S3::Object', resources.ARN: { NotStartsWith: ['arn:aws:s3:::a/'] } }";
    assert_eq!(of(&format!("[{not}]")), range(0, 1000, 1000));
    // Two selectors together record no event twice.
    let other = one.replace(":::a/", ":::b/");
    assert_eq!(of(&format!("[{one}, {other}]")), range(0, 500, 1000));
    // What a selector records for sure, another one adds nothing to.
    assert_eq!(
        of(&format!("[{one}, {{ data: 'AWS::S3::Object' }}]")),
        range(1000, 1000, 1000)
    );
    let line = estimated(&trails(&[&format!("selectors: [{one}]")]), &volumes)
        .lines
        .remove(0);
    assert!(
        line.formula.contains("resources.ARN") && line.provenance == Provenance::Assumed,
        "{line:?}"
    );
}

#[test]
fn overlapping_selectors_count_once() {
    let volumes = volumes(DATA);
    let both = "[{ data: 'AWS::S3::Object' }, { data: 'AWS::S3::Object', read_only: false }]";
    assert_eq!(recorded(both, &volumes), range(1000, 1000, 1000));
}

#[test]
fn a_trail_is_charged_for_what_another_one_records_as_well() {
    let estimate = estimated(&trails(&[S3, S3]), &volumes(DATA));
    assert_eq!(quantity(&estimate, Meter::DataEvents), Some(dec("2000")));
}

#[test]
fn a_count_of_the_selector_itself_is_used() {
    let selector = "{ name: pay, data: 'AWS::S3::Object', resources.ARN: { StartsWith: ['arn:aws:s3:::a/'] } }";
    let volumes = volumes(&format!("{DATA}      selectors: {{ t0: {{ pay: 77 }} }}\n"));
    assert_eq!(
        recorded(&format!("[{selector}]"), &volumes),
        range(77, 77, 77)
    );
    let line = estimated(&trails(&[&format!("selectors: [{selector}]")]), &volumes)
        .lines
        .remove(0);
    assert_eq!(line.provenance, Provenance::Measured);
}

#[test]
fn failed_network_activity_is_known() {
    let volumes = volumes(
        "    us-east-1: { network_activity: { s3.amazonaws.com: { other: 900, errors: 9 } } }\n",
    );
    let spec = trails(&[
        "selectors: [{ network_activity: s3.amazonaws.com, errorCode: VpceAccessDenied }]",
    ]);
    let line = estimated(&spec, &volumes).lines.remove(0);
    assert_eq!(
        (line.meter, line.quantity),
        (Meter::NetworkActivityEvents, range(0, 9, 9))
    );
}

#[test]
fn unknown_is_never_zero() {
    let no_data = volumes(&management("us-east-1", 10, 10));
    let elsewhere = volumes(DATA);
    let nobody = Volumes::none();
    let cases = [
        (S3, &no_data),
        ("selectors: [{ data: 'AWS::SNS::Topic' }]", &elsewhere),
        (S3, &nobody),
        (
            "selectors: [{ network_activity: s3.amazonaws.com }]",
            &elsewhere,
        ),
    ];
    for (trail, volumes) in cases {
        let estimate = estimated(&trails(&[trail]), volumes);
        let line = estimate
            .lines
            .iter()
            .find(|line| line.address == "trail.t0")
            .expect("a line");
        assert_eq!((line.quantity, line.monthly), (None, None), "{trail}");
        assert!(
            line.price.is_some() && line.formula.contains("unknown"),
            "{}",
            line.formula
        );
        let unknown = estimate
            .unknown
            .iter()
            .find(|unknown| unknown.address == "trail.t0");
        assert!(unknown.is_some_and(|u| u.unit_price.as_deref() == Some("$0.000001 per event")));
        assert!(estimate.total.is_zero());
        // Nobody knows the log files either.
        assert!(
            estimate
                .unknown
                .iter()
                .any(|unknown| unknown.address == "bucket.logs")
        );
    }
}

/// A free copy stays free however many events there are; a further copy is unknown without volumes.
#[test]
fn the_free_copy_needs_no_volumes() {
    let nobody = Volumes::none();
    let of = |list: &[&str]| {
        let estimate = estimated(&trails(list), &nobody);
        let unknown = estimate
            .unknown
            .iter()
            .filter(|u| u.address.starts_with("trail."));
        unknown
            .map(|u| (u.address.clone(), u.meter))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&[MANAGEMENT]), []);
    let further = ("trail.t1".to_owned(), Meter::ManagementFurtherCopy);
    assert_eq!(of(&[MANAGEMENT, MANAGEMENT]), [further]);
}

#[test]
fn known_and_unknown_places_are_two_lines() {
    let volumes = volumes(&format!("{DATA}    eu-west-1: {{ management: {{}} }}\n"));
    let estimate = estimated(&trails(&[S3]), &volumes);
    let lines: Vec<&Line> = estimate
        .lines
        .iter()
        .filter(|l| l.meter == Meter::DataEvents)
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].quantity, range(1000, 1000, 1000));
    assert_eq!(
        (lines[1].quantity, lines[1].region.as_deref()),
        (None, Some("eu-west-1"))
    );
}

#[test]
fn a_region_without_a_price_is_unknown() {
    let volumes = volumes(&DATA.replace("us-east-1", "us-gov-west-1"));
    let estimate = estimated(&trails(&[S3]), &volumes);
    let line = estimate
        .lines
        .iter()
        .find(|l| l.meter == Meter::DataEvents)
        .expect("a line");
    assert_eq!(
        (line.quantity, line.monthly),
        (range(1000, 1000, 1000), None)
    );
    assert_eq!(estimate.unknown[0].reason, "no price is known");
}

#[test]
fn a_trail_that_does_not_record_costs_nothing() {
    let estimate = estimated(&trails(&["logging: false"]), &volumes(DATA));
    assert!(estimate.lines.iter().all(|line| line.address != "trail.t0"));
}

#[test]
fn digests_come_every_hour_also_when_nothing_happens() {
    let idle = "    eu-west-1: { management: {} }\n    us-east-1: { management: {} }\n";
    let spec = spec(
        "buckets:\n  logs: { account: management, name: logs }\ntrails:\n  t: { account: management, bucket: logs }\n",
    );
    let estimate = estimated(&spec, &volumes(idle));
    assert_eq!(
        quantity(&estimate, Meter::S3Put(Class::Standard)),
        Some(dec("1460"))
    );
}

#[test]
fn windows_become_months() {
    let counts = management("us-east-1", 744, 0);
    let with = |window: &str| {
        let text = format!(
            "version: 1\nprovenance: measured\nwindow: {window}\naccounts:\n  '111122223333':\n{counts}"
        );
        Volumes::parse(&text)
    };
    let counted = |window: &str| {
        quantity(
            &estimated(&trails(&[MANAGEMENT]), &with(window).expect("volumes")),
            Meter::ManagementFirstCopy,
        )
    };
    assert_eq!(counted("{ month: 2026-10 }"), Some(dec("730")));
    assert_eq!(
        counted("{ from: 2026-10-01, to: 2026-10-11 }"),
        Some(dec("2263"))
    );
    assert_eq!(
        counted("{ from: '2026-10-01T00:00:00Z', to: '2026-10-01T12:00:00Z' }"),
        Some(dec("45260"))
    );
    for broken in [
        "{ month: 2026-13 }",
        "{ from: 2026-10-02, to: 2026-10-01 }",
        "{ from: x, to: y }",
    ] {
        assert!(
            matches!(with(broken), Err(VolumesError::Window(_))),
            "{broken}"
        );
    }
}

#[test]
fn volumes_files_are_checked() {
    let parse = |text: &str| Volumes::parse(text);
    assert_eq!(
        parse("version: 2\nprovenance: measured"),
        Err(VolumesError::Version(2))
    );
    let range = "version: 1\nprovenance: measured\naccounts: { a: { r: { management: { s: { read: { low: 5, expected: 4, \
                 high: 9 } } } } } }";
    assert_eq!(parse(range), Err(VolumesError::Count("a r".to_owned())));
    assert!(matches!(
        parse("version: 1\nprovenance: guessed"),
        Err(VolumesError::Format(_))
    ));
    assert!(matches!(
        parse("version: 1\nprovenance: measured\nacounts: {}"),
        Err(VolumesError::Format(_))
    ));
    let json = parse(r#"{"version": 1, "provenance": "measured"}"#).expect("volumes");
    assert_eq!(
        parse(&serde_yaml::to_string(&json).expect("YAML")),
        Ok(json)
    );
}

#[test]
fn typical_organizations_say_that_they_are_assumed() {
    for profile in [Profile::Small, Profile::Medium, Profile::Large] {
        let typical = types::Typical {
            profile,
            accounts: None,
            regions: None,
        };
        let known = ["111122223333".to_owned()];
        let volumes = typical_volumes(&typical, &known, "eu-west-1");
        volumes.check().expect("valid");
        assert!(volumes.accounts.contains_key("111122223333"));
        let estimate = estimated(&trails(&[S3, "organization: true"]), &volumes);
        assert!(
            estimate
                .assumptions
                .iter()
                .any(|text| text.contains("typical organization"))
        );
        assert!(
            estimate
                .lines
                .iter()
                .all(|l| l.monthly.is_none() || l.provenance == Provenance::Assumed)
        );
        let total = estimate.total;
        assert!(
            total.low < total.expected && total.expected < total.high,
            "{total:?}"
        );
    }
}
