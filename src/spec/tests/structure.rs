//! Keys and types. Every problem of a file is reported in one run.

use insta::assert_snapshot;

use super::*;

#[test]
fn unknown_keys_get_a_suggestion() {
    let text = "
version: 1
name: acme
detections: {}
buckets:
  logs:
    account: archive
    name: acme-logs
    lifecyle: []
    colour: blue
";
    assert_snapshot!(shown(&load_bytes(text)), @r"
    error[unknown-key]: the key `detections` is not known at the top of a spec
     --> orgtrail.yaml:4:1
      |
    4 | detections: {}
      | ^^^^^^^^^^
    help: known here: version, name, tags, accounts, organization, keys, buckets,
          trails, volumes, prices, discounts, budget, allow and lock

    error[unknown-key]: the key `lifecyle` is not known in buckets.logs
     --> orgtrail.yaml:9:5
      |
    9 |     lifecyle: []
      |     ^^^^^^^^
    help: did you mean `lifecycle`? Known here: account, name, region, key,
          bucket_key, versioning, object_lock, lifecycle,
          transition_default_minimum_object_size, access_logging and tags

    error[unknown-key]: the key `colour` is not known in buckets.logs
      --> orgtrail.yaml:10:5
       |
    10 |     colour: blue
       |     ^^^^^^
    help: known here: account, name, region, key, bucket_key, versioning,
          object_lock, lifecycle, transition_default_minimum_object_size,
          access_logging and tags

    3 errors
    ");
}

#[test]
fn a_misspelled_key_is_not_also_missing() {
    let text = "
version: 1
name: acme
trails:
  org: { acount: a, Bucket: b }
";
    assert_eq!(codes(&load_bytes(text)), ["unknown-key", "unknown-key"]);
}

#[test]
fn wrong_types() {
    let text = "
version: '1'
name: 42
accounts:
  a: { id: 111122223333, region: [us-east-1] }
  b:
    id:
keys:
  - account: a
buckets:
  logs:
    account: a
    name: acme-logs
    versioning: yes
    bucket_key: 'false'
    lifecycle:
      id: expire
trails:
  org:
    account: a
    bucket: logs
    aggregation: API_ACTIVITY
    basic_selectors: 1.10
";
    assert_snapshot!(listed(&load_bytes(text)), @r#"
    2:10 wrong-type: version: expected an integer, found a string
        write 1 without quotes
    3:7 wrong-type: name: expected a string, found an integer
        write "42" with quotes
    5:12 wrong-type: accounts.a.id: expected a string, found an integer
        write "111122223333" with quotes
    5:26 wrong-type: accounts.a.region: expected a string, found a list
        write the value alone, without `-` or brackets
    7:5 wrong-type: accounts.b.id: expected a string, found nothing
        give it a value, or remove the key
    8:1 wrong-type: keys: expected keys and values, found a list
        write a name and a colon before each entry instead of `-`
    14:17 wrong-type: buckets.logs.versioning: expected true or false, found a string
        write true
    15:17 wrong-type: buckets.logs.bucket_key: expected true or false, found a string
        write false
    16:5 wrong-type: buckets.logs.lifecycle: expected a list, found keys and values
        begin each entry with `- `
    22:18 wrong-type: trails.org.aggregation: expected a list, found a string
        write [API_ACTIVITY]
    23:22 wrong-type: trails.org.basic_selectors: expected a list, found a number
        -
    "#);
}

#[test]
fn a_wrong_type_in_full() {
    let text = "version: 1\nname: acme\naccounts:\n  management: { id: 111122223333 }\n";
    assert_snapshot!(shown(&load_bytes(text)), @r#"
    error[wrong-type]: accounts.management.id: expected a string, found an integer
     --> orgtrail.yaml:4:21
      |
    4 |   management: { id: 111122223333 }
      |                     ^^^^^^^^^^^^
    help: write "111122223333" with quotes

    1 error
    "#);
}

#[test]
fn missing_keys() {
    let text = "
accounts:
  a: {}
trails:
  org:
    multi_region: true
";
    assert_snapshot!(shown(&load_bytes(text)), @r"
    error[missing-key]: the key `version` is missing at the top of a spec
     --> orgtrail.yaml:2:1
      |
    2 | accounts:
      | ^^^^^^^^
    help: add `version:`. Version of the spec format: 1.

    error[missing-key]: the key `name` is missing at the top of a spec
     --> orgtrail.yaml:2:1
      |
    2 | accounts:
      | ^^^^^^^^
    help: add `name:`. Owner of everything this spec creates, written to the tag
          `orgtrail:spec`.

    error[missing-key]: the key `id` is missing in accounts.a
     --> orgtrail.yaml:3:3
      |
    3 |   a: {}
      |   ^
    help: add `id:`. Twelve digits, in quotes. Credentials of another account are
          refused.

    error[missing-key]: the key `account` is missing in trails.org
     --> orgtrail.yaml:5:3
      |
    5 |   org:
      |   ^^^
    help: add `account:`. Name of the account in `accounts` that calls CloudTrail:
          the management account or a delegated administrator for an organization
          trail.

    error[missing-key]: the key `bucket` is missing in trails.org
     --> orgtrail.yaml:5:3
      |
    5 |   org:
      |   ^^^
    help: add `bucket:`. Name of a bucket in `buckets`.

    5 errors
    ");
}

#[test]
fn values_of_a_list() {
    let text = "
version: 2
name: acme
keys:
  k: { account: a, alias: k, rotation_days: -1 }
buckets:
  logs:
    account: a
    name: acme-logs
    object_lock: { mode: governance, days: 5000000000 }
trails:
  org:
    account: a
    bucket: logs
    insights: { ApiCallInsight: [Management], ApiErrorRateInsight: [management] }
    selectors:
      - { management: everything }
      - { data: 'AWS::S3::Object', resources.ARN: { Startswith: [x], EndsWith: y } }
";
    assert_snapshot!(listed(&load_bytes(text)), @r"
    2:10 value-out-of-range: version cannot be 2
        write 1
    5:45 value-out-of-range: keys.k.rotation_days cannot be -1
        the least is 0
    10:26 unknown-value: `governance` is not a value of buckets.logs.object_lock.mode
        did you mean GOVERNANCE? One of GOVERNANCE or COMPLIANCE
    10:44 value-out-of-range: buckets.logs.object_lock.days cannot be 5000000000
        the most is 4294967295
    15:17 unknown-key: the key `ApiCallInsight` is not known in trails.org.insights
        did you mean `ApiCallRateInsight`? Known here: ApiCallRateInsight and ApiErrorRateInsight
    15:69 unknown-value: `management` is not a value of trails.org.insights.ApiErrorRateInsight[0]
        did you mean Management? One of Management or Data
    17:23 unknown-value: `everything` is not a value of trails.org.selectors[0].management
        write all, read or write
    18:53 unknown-key: the key `Startswith` is not known in trails.org.selectors[1].resources.ARN
        did you mean `StartsWith`? Known here: EndsWith, Equals, NotEndsWith, NotEquals, NotStartsWith and StartsWith
    18:80 wrong-type: trails.org.selectors[1].resources.ARN.EndsWith: expected a list, found a string
        write [y]
    ");
}

#[test]
fn open_lists_stay_open() {
    let text = "
version: 1
name: acme
accounts: { a: { id: '111122223333' } }
buckets:
  logs:
    account: a
    name: acme-logs
    lifecycle:
      - { id: x, transitions: [{ days: 1, storage_class: GLACIER_NEXT }] }
";
    let loaded = load_bytes(text);
    assert!(loaded.spec.is_some(), "{}", shown(&loaded));
}

#[test]
fn duplicate_keys_name_both_lines() {
    let text = "
version: 1
name: acme
accounts:
  a: { id: '111122223333' }
  b: { id: '222233334444' }
  a: { id: '333344445555' }
";
    assert_snapshot!(shown(&load_bytes(text)), @r"
    error[duplicate-key]: the key `a` stands twice, in line 5 and in line 7
     --> orgtrail.yaml:7:3
      |
    7 |   a: { id: '333344445555' }
      |   ^
    note: first written here
     --> orgtrail.yaml:5:3
      |
    5 |   a: { id: '111122223333' }
      |   ^
    help: join the two, or rename one

    1 error
    ");
}

#[test]
fn the_spec_is_a_list() {
    assert_snapshot!(shown(&load_bytes("- version: 1\n")), @r"
    error[wrong-type]: the spec: expected keys and values, found a list
     --> orgtrail.yaml:1:3
      |
    1 | - version: 1
      |   ^^^^^^^
    help: write a name and a colon before each entry instead of `-`

    1 error
    ");
    assert_snapshot!(shown(&load_bytes("just words\n")), @r"
    error[wrong-type]: the spec: expected keys and values, found a string
     --> orgtrail.yaml:1:1
      |
    1 | just words
      | ^^^^^^^^^^

    1 error
    ");
}

#[test]
fn control_characters_and_wide_ones() {
    let text =
        "version: 1\nname: acme\ntags: { \"日本\\u001b[31m\": [1] }\n\"日本語\": {\t\"x\": 1 }\n";
    assert_snapshot!(shown(&load_bytes(text)), @r#"
    error[wrong-type]: tags.日本\u{1b}[31m: expected a string, found a list
     --> orgtrail.yaml:3:9
      |
    3 | tags: { "日本\u001b[31m": [1] }
      |         ^^^^^^^^^^^^^^^^
    help: write the value alone, without `-` or brackets

    error[unknown-key]: the key `日本語` is not known at the top of a spec
     --> orgtrail.yaml:4:1
      |
    4 | "日本語": {    "x": 1 }
      | ^^^^^^^^
    help: known here: version, name, tags, accounts, organization, keys, buckets,
          trails, volumes, prices, discounts, budget, allow and lock

    2 errors
    "#);
}

#[test]
fn long_lines_are_cut() {
    let text = format!(
        "version: 1\nname: acme\ntags: {{ a: {}, b: [x], c: {} }}\n",
        "x".repeat(200),
        "y".repeat(200)
    );
    let text = shown(&load_bytes(text));
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert_snapshot!(text, @r"
    error[wrong-type]: tags.b: expected a string, found a list
     --> orgtrail.yaml:3:214
      |
    3 | …xxxxxxxxxxxxxxxxx, b: [x], c: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…
      |                     ^
    help: write the value alone, without `-` or brackets

    1 error
    ");
}
