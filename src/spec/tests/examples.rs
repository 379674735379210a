use super::*;
use crate::selectors::{AdvancedEventSelector, FieldSelector, Operator, Selectors};

const TEAMS: [(&str, &str); 2] = [
    (
        "base.yaml",
        include_str!("../../../examples/teams/base.yaml"),
    ),
    (
        "payments.yaml",
        include_str!("../../../examples/teams/payments.yaml"),
    ),
];
const BASIC: &str = include_str!("../../../examples/basic-selectors.yaml");

fn spec(files: &[(&str, &str)]) -> Spec {
    let loaded = load_files(files);
    assert!(loaded.diagnostics.is_empty(), "{}", shown(&loaded));
    loaded.spec.unwrap()
}

#[test]
fn every_example_loads_without_a_word() {
    spec(&[("orgtrail.yaml", EXAMPLE)]);
    spec(&[("basic-selectors.yaml", BASIC)]);
    let teams = spec(&TEAMS);
    assert_eq!(
        teams.trails["org"].selectors.as_ref().map(Vec::len),
        Some(3)
    );
}

#[test]
fn defaults_are_filled_in() {
    let spec = spec(&[("orgtrail.yaml", EXAMPLE)]);
    assert_eq!(spec.region_of_key("trail"), Some("us-east-1"));
    assert_eq!(spec.region_of_bucket("logs"), Some("us-east-1"));
    assert_eq!(spec.region_of_trail("org"), Some("us-east-1"));
    assert_eq!(spec.region_of_trail("nothing"), None);
    assert_eq!(spec.management_account(), Some("management"));
    assert_eq!(spec.lock_bucket().map(String::as_str), Some("logs"));
    assert_eq!(
        spec.place("log-archive", None).to_string(),
        "log-archive 222233334444 us-east-1"
    );
    assert_eq!(partition("cn-north-1"), "aws-cn");
    assert_eq!(partition("us-gov-east-1"), "aws-us-gov");
}

#[test]
fn an_organization_trail_belongs_to_the_management_account() {
    let text = EXAMPLE.replace(
        "    account: management\n    organization: true",
        "    account: log-archive\n    organization: true",
    );
    let spec = spec(&[("orgtrail.yaml", &text)]);
    let trail = &spec.trails["org"];
    assert_eq!(trail.account, "log-archive");
    assert_eq!(
        trail.arn(&spec, "org"),
        "arn:aws:cloudtrail:us-east-1:111122223333:trail/org"
    );
}

#[test]
fn friendly_selectors_mean_what_the_api_says() {
    let spec = spec(&[("orgtrail.yaml", EXAMPLE)]);
    let named = |name: &str, fields| AdvancedEventSelector {
        name: Some(name.to_owned()),
        field_selectors: fields,
    };
    let expected = Selectors::Advanced(vec![
        named(
            "management",
            vec![
                FieldSelector::equals("eventCategory", ["Management"]),
                FieldSelector::new("eventSource").with(Operator::NotEquals, ["kms.amazonaws.com"]),
            ],
        ),
        named(
            "payment objects",
            vec![
                FieldSelector::equals("eventCategory", ["Data"]),
                FieldSelector::equals("resources.type", ["AWS::S3::Object"]),
                FieldSelector::equals("readOnly", ["false"]),
                FieldSelector::new("resources.ARN")
                    .with(Operator::StartsWith, ["arn:aws:s3:::acme-payments/"]),
            ],
        ),
    ]);
    assert_eq!(spec.trails["org"].selectors(), expected);
}

#[test]
fn selectors_in_the_apis_own_shape_are_taken_verbatim() {
    let text = r#"
version: 1
name: acme
accounts: { a: { id: "111122223333" } }
buckets: { logs: { account: a, name: acme-logs } }
trails:
  api:
    account: a
    bucket: logs
    selectors:
      [
        { "Name": "writes", "FieldSelectors": [
          { "Field": "eventCategory", "Equals": ["Management"] },
          { "Field": "readOnly", "Equals": ["false"] } ] },
        { "Name": "network", "FieldSelectors": [
          { "Field": "eventCategory", "Equals": ["NetworkActivity"] },
          { "Field": "eventSource", "Equals": ["s3.amazonaws.com"] } ] }
      ]
  own:
    account: a
    bucket: logs
    selectors:
      - { name: writes, management: write }
      - { name: network, network_activity: s3.amazonaws.com }
  plain: { account: a, bucket: logs }
"#;
    let spec = spec(&[("orgtrail.yaml", text)]);
    assert_eq!(
        spec.trails["api"].selectors(),
        spec.trails["own"].selectors()
    );
    assert_eq!(spec.trails["plain"].selectors(), Selectors::default());
}

#[test]
fn a_spec_survives_being_written() {
    for files in [&[("a.yaml", EXAMPLE)] as &[_], &[("a.yaml", BASIC)], &TEAMS] {
        let first = spec(files);
        let json = serde_json::to_string(&first).unwrap();
        assert_eq!(spec(&[("a.json", &json)]), first);
        let yaml = serde_yaml::to_string(&first).unwrap();
        assert_eq!(spec(&[("a.yaml", &yaml)]), first, "{yaml}");
    }
}

/// `ORGTRAIL_UPDATE_SCHEMA=1 cargo test schema` writes the file anew.
#[test]
fn the_published_schema_is_current() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("orgtrail.schema.json");
    let current = format!("{:#}\n", schema());
    if std::env::var_os("ORGTRAIL_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == current,
        "run: ORGTRAIL_UPDATE_SCHEMA=1 cargo test schema"
    );
}

#[test]
fn the_schema_is_closed_where_the_types_are() {
    let schema = schema();
    assert_eq!(schema["title"], "orgtrail spec");
    assert_eq!(schema.get("$id"), None);
    for name in [
        "Account",
        "Key",
        "Bucket",
        "Trail",
        "Allow",
        "Lock",
        "LifecycleRule",
        "FieldSelector",
    ] {
        assert_eq!(
            schema["$defs"][name]["additionalProperties"], false,
            "{name}"
        );
    }
}
