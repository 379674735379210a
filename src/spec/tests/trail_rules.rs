//! The rules of trails and their selectors.

use insta::assert_snapshot;

use super::*;

const HEAD: &str = "
version: 1
name: acme
accounts:
  a: { id: '111122223333', region: eu-west-1 }
  b: { id: '222233334444', region: eu-west-1, profile: p }
keys:
  far: { account: a, alias: far, region: us-east-1 }
buckets:
  logs: { account: a, name: acme-logs }
  theirs: { account: b, name: acme-theirs }
  china: { account: a, name: acme-china, region: cn-north-1 }
";

fn trails(trails: &str) -> String {
    let text = format!("{HEAD}trails:\n{trails}");
    listed(&load_bytes(text))
}

/// One trail, which may be in the middle of its block.
fn trail(settings: &str) -> String {
    trails(&format!(
        "  org: {{ account: a, bucket: logs, {settings} }}\n"
    ))
}

#[test]
fn names_and_places() {
    assert_snapshot!(trails("
  a--b: { account: a, bucket: logs }
  x: { account: a, bucket: logs, name: -x }
  one: { account: a, bucket: logs, key: far, prefix: /audit/ }
  two: { account: a, bucket: china, name: one, prefix: x/AWSLogs/ }
  three: { account: nobody, bucket: bucket, key: key, organization: true }
"), @r"
    15:3 trail-name: `a--b` cannot be the name of a trail
        a trail's name has no two of `.`, `_` and `-` in a row; add `name:` to call it otherwise in AWS
    16:40 trail-name: `-x` cannot be the name of a trail
        a trail's name has 3 to 128 characters
    17:41 key-region: the key `far` is in us-east-1, the bucket `logs` in eu-west-1
        a trail's key and bucket are in one Region: use a key in eu-west-1
    17:54 trail-prefix: the prefix `/audit/` begins or ends with `/`
        CloudTrail adds the slash itself, and two make a folder without a name: leave it out
    18:3 trail-duplicate: `one` and `two` are the same trail, arn:aws:cloudtrail:eu-west-1:111122223333:trail/one
        a resource has one place in a spec: remove one of the two, or rename it
    18:30 partition: the bucket `china` is in cn-north-1, which is in another AWS partition than eu-west-1
        use one in the same partition
    18:56 trail-prefix: the prefix `x/AWSLogs/` contains `AWSLogs/`
        CloudTrail adds `/AWSLogs/` after the prefix itself: leave it out
    19:21 unknown-reference: `nobody` is not in `accounts`
        add it to `accounts`, or use one that is there: a and b
    19:37 unknown-reference: `bucket` is not in `buckets`
        add it to `buckets`, or use one that is there: china, logs and theirs
    19:50 unknown-reference: `key` is not in `keys`
        add it to `keys`, or use one that is there: far
    19:69 organization-missing: an organization trail needs to know its organization
        add `organization: { id: o-… }` at the top of the spec, or set `organization: false`
    ");
}

#[test]
fn regions_and_global_events() {
    let organization = |settings: &str| {
        let text = format!(
            "organization: {{ id: o-a1b2c3d4e5 }}{HEAD}trails: {{ org: {{ account: a, bucket: logs, {settings} }} }}\n"
        );
        listed(&load_bytes(text))
    };
    assert_snapshot!(organization("organization: true, region: eu-south-1"), @r"
    13:72 opt-in-home-region: the home Region eu-south-1 is off by default: member accounts that have not turned it on would send nothing, from any Region
        choose a home Region that is on in every account, such as us-east-1 or eu-west-1; it can never change later
    ");
    assert_snapshot!(organization("organization: true, region: eu-south-1, multi_region: false, include_global_service_events: false"), @r"
    13:72 opt-in-home-region (warning): eu-south-1 is off by default: only member accounts that have turned it on are recorded
        choose a home Region that is on in every account, such as us-east-1 or eu-west-1; it can never change later
    ");
    assert_snapshot!(trail("region: eu-south-1"), @r"
    14:44 opt-in-home-region (warning): the home Region eu-south-1 is off by default: if the account turns it off, the trail cannot be managed
        choose a home Region that is on in every account, such as us-east-1 or eu-west-1; it can never change later
    ");
    assert_snapshot!(trail("include_global_service_events: false"), @r"
    14:67 global-service-events: a multi-Region trail always records global service events
        remove `include_global_service_events: false`, or set `multi_region: false`
    ");
    assert_snapshot!(trail("multi_region: false"), @r"
    14:3 global-service-events (warning): a trail of eu-west-1 alone records no global service events: IAM, STS and CloudFront report to us-east-1
        set `include_global_service_events: false` to say so, or record every Region with `multi_region: true`
    ");
    assert_snapshot!(trail("multi_region: false, region: us-east-1"), @"");
}

#[test]
fn logs_and_topics() {
    let logs = |group: &str, role: &str| {
        trail(&format!(
            "cloud_watch_logs: {{ log_group_arn: '{group}', role_arn: '{role}' }}"
        ))
    };
    let group = "arn:aws:logs:eu-west-1:111122223333:log-group:trail:*";
    let role = "arn:aws:iam::111122223333:role/logs";
    assert_snapshot!(logs(group, role), @"");
    assert_snapshot!(logs("trail", "logs"), @r"
    14:71 cloud-watch-log-group: `trail` is not an ARN
        write arn:aws:logs:eu-west-1:111122223333:log-group:NAME:*
    14:90 cloud-watch-role: `logs` is not an ARN
        write arn:aws:iam::111122223333:role/NAME
    ");
    assert_snapshot!(logs("arn:aws:logs:eu-west-1:111122223333:log-group:trail", "arn:aws:iam::222233334444:role/logs"), @r"
    14:71 cloud-watch-log-group: the ARN of the log group `arn:aws:logs:eu-west-1:111122223333:log-group:trail` does not end with `:*`
        write arn:aws:logs:eu-west-1:111122223333:log-group:trail:*
    14:136 cloud-watch-role: the role is in account 222233334444, the trail in 111122223333
        use a role of the trail's account: arn:aws:iam::111122223333:role/NAME
    ");
    assert_snapshot!(logs("arn:aws:logs:us-east-1:111122223333:log-group:trail:*", "arn:aws:iam::111122223333:user/logs"), @r"
    14:71 cloud-watch-log-group: the log group is in 111122223333 us-east-1, the trail in 111122223333 eu-west-1
        use a log group in the account and home Region of the trail
    14:138 cloud-watch-role: `arn:aws:iam::111122223333:user/logs` is not the ARN of a role
        write arn:aws:iam::111122223333:role/NAME
    ");
    assert_snapshot!(trail("sns_topic: topic"), @r"
    14:47 sns-topic: `topic` is not an ARN
        write arn:aws:sns:eu-west-1:111122223333:NAME
    ");
    assert_snapshot!(trail("sns_topic: 'arn:aws:sns:eu-west-1:111122223333:t.fifo'"), @r"
    14:47 sns-topic: `arn:aws:sns:eu-west-1:111122223333:t.fifo` is a FIFO topic
        CloudTrail notifies standard topics only
    ");
    assert_snapshot!(trail("sns_topic: 'arn:aws:sqs:eu-west-1:111122223333:t'"), @r"
    14:47 sns-topic: `arn:aws:sqs:eu-west-1:111122223333:t` is not the ARN of an SNS topic
        write arn:aws:sns:eu-west-1:111122223333:NAME
    ");
    assert_snapshot!(trail("sns_topic: 'arn:aws:sns:eu-west-1:111122223333:t'"), @"");
}

#[test]
fn five_trails_in_a_region() {
    let multi: String = (1..=5)
        .map(|n| format!("  multi{n}: {{ account: a, bucket: logs }}\n"))
        .collect();
    assert_eq!(trails(&multi), "");
    let more = "  zlocal: { account: a, bucket: logs, multi_region: false, region: us-east-1 }\n  ztheirs: { account: b, bucket: theirs }\n";
    assert_snapshot!(trails(&format!("{multi}{more}")), @r"
    13:1 trail-quota: 6 trails in us-east-1 of account 111122223333; AWS allows 5
        multi-Region trails count in every Region. The trails of this account are multi1, multi2, multi3, multi4, multi5 and zlocal; join some: one trail holds many selectors
    ");
}

#[test]
fn selectors_in_the_users_spelling() {
    assert_snapshot!(trails("
  org:
    account: a
    bucket: logs
    recursive_logging: false
    selectors:
      - { managment: all }
      - { name: nothing }
      - { management: all, data: 'AWS::S3::Object' }
      - { data: 'AWS::S3::Object', exclude: [kms.amazonaws.com] }
      - { management: all, read_only: true }
      - { network_activity: s3.amazonaws.com, read_only: true }
      - { management: all, exclude: [s3.amazonaws.com] }
      - { management: all, eventName: CreateUser }
      - { data: 'AWS::S3::Objet' }
      - { data: 'AWS::S3::Object', resources.ARN: { StartsWith: ['arn:aws:s3:::a/', 'arn:aws:s3:::b'] } }
      - { data: 'AWS::S3::Object', eventName: [GetObject, 'Put*'] }
      - { data: 'AWS::S3::Object', eventNam: [GetObject] }
      - Name: api
        FieldSelectors:
          - { Field: eventCategory, Equals: [Data] }
          - { Field: resources.type, Equals: ['AWS::S3::Object'] }
          - { Field: resources.ARN, StartsWith: ['arn:aws:s3:::b'] }
          - { Field: eventName }
"), @r#"
    20:11 selector-key: `managment` is neither a key of a selector nor a field that orgtrail knows
        did you mean `management`?
    21:9 selector-kind: the selector does not say which events it records
        add `management`, `data`, `network_activity` or `FieldSelectors`
    22:9 selector-kind: one selector cannot have management and data
        write a selector for each
    23:36 selector-key: `exclude` belongs to `management`
        to leave out data events use a field, such as `eventName: { NotEquals: [GetObject] }`
    24:39 selector-key: `read_only` belongs to `data`
        write `management: read` or `management: write`
    25:58 selector-key: `read_only` belongs to `data`
        network activity events do not say whether they read: remove it
    26:38 selector-value-not-allowed: eventSource cannot be compared with "s3.amazonaws.com" here
        only with kms.amazonaws.com and rdsdata.amazonaws.com
    27:39 selector-field-not-allowed: Management selectors of a trail cannot use eventName
        a trail selects management events by readOnly, and may exclude kms.amazonaws.com and rdsdata.amazonaws.com with eventSource NotEquals; an event data store allows more
    28:17 selector-type-unknown (warning): "AWS::S3::Objet" is no data event type that orgtrail knows
        did you mean AWS::S3::Object?
    29:85 selector-bucket-without-slash (warning): "arn:aws:s3:::b" also matches buckets whose names start with "b"
        write arn:aws:s3:::b/
    30:59 selector-wildcard (warning): selectors have no wildcards: the * in "Put*" stands for itself
        use StartsWith or EndsWith
    31:36 selector-field-unknown (warning): eventNam is no field that orgtrail knows
        did you mean eventName?
    36:50 selector-bucket-without-slash (warning): "arn:aws:s3:::b" also matches buckets whose names start with "b"
        write arn:aws:s3:::b/
    37:13 selector-field-without-operator: eventName has no operator
        write Equals, StartsWith, EndsWith or one of their negations, or leave the field out
    "#);
}

#[test]
fn selectors_of_both_kinds() {
    assert_snapshot!(trail("selectors: [{ management: all }], basic_selectors: [{}]"), @r"
    14:36 selectors-both: a trail has either `selectors` or `basic_selectors`
        keep `selectors`: they can say all that basic ones can
    ");
    assert_snapshot!(trail("selectors: []"), @r"
    14:36 selector-none: an empty list of selectors records nothing
        leave the list out to record all management events, or write a selector
    ");
    assert_snapshot!(trail("basic_selectors: [{ ExcludeManagementEventSources: [s3.amazonaws.com] }]"), @r#"
    14:88 selector-exclude-source: management events of "s3.amazonaws.com" cannot be excluded
        only kms.amazonaws.com and rdsdata.amazonaws.com can
    "#);
}

#[test]
fn a_trail_that_records_its_own_deliveries() {
    let all = "selectors: [{ management: all }, { data: 'AWS::S3::Object' }]";
    assert_snapshot!(trail(all), @r#"
    14:69 selector-own-deliveries (warning): the trail records its own deliveries to acme-logs: every log file it writes is an event to log
        set `recursive_logging: false` on the trail, or leave the bucket out with `resources.ARN: { NotStartsWith: ["arn:aws:s3:::acme-logs/"] }`
    "#);
    assert_eq!(trail(&format!("recursive_logging: false, {all}")), "");
    assert_eq!(
        trail("selectors: [{ management: all }, { data: 'AWS::S3::Object', read_only: true }]"),
        ""
    );
    let but = "selectors: [{ management: all }, { data: 'AWS::S3::Object', resources.ARN: { NotStartsWith: ['arn:aws:s3:::acme-logs/'] } }]";
    assert_eq!(trail(but), "");
    // Deliveries to a bucket of another account are recorded there.
    assert_eq!(
        trails(&format!("  org: {{ account: a, bucket: theirs, {all} }}\n")),
        ""
    );
    let basic = "basic_selectors: [{ DataResources: [{ Type: 'AWS::S3::Object', Values: ['arn:aws:s3'] }] }]";
    assert_snapshot!(trail(basic), @r#"
    14:36 selector-own-deliveries (warning): the trail records its own deliveries to acme-logs: every log file it writes is an event to log
        set `recursive_logging: false` on the trail, or leave the bucket out with `resources.ARN: { NotStartsWith: ["arn:aws:s3:::acme-logs/"] }`
    "#);
}

#[test]
fn insights_and_aggregation() {
    let wanted = "insights: { ApiCallRateInsight: [Management, Data], ApiErrorRateInsight: [] }, aggregation: [API_ACTIVITY]";
    assert_snapshot!(trail(&format!("{wanted}, selectors: [{{ management: read }}]")), @r"
    14:69 insights-prerequisite: ApiCallRateInsight analyses management events that write, and this trail records none
        add a selector with `management: write` or `all`
    14:81 insights-prerequisite: ApiCallRateInsight analyses data events, and this trail records none
        add a selector with `data:`
    14:88 insights-empty: ApiErrorRateInsight has no event category
        write [Management], [Data] or both; leave the type out to turn it off
    14:115 aggregation-without-data: `aggregation` sums up data events, and this trail records none
        add a selector with `data:`, or remove `aggregation`
    ");
    let enough = "insights: { ApiCallRateInsight: [Management, Data] }, aggregation: [API_ACTIVITY], \
                  selectors: [{ management: write }, { data: 'AWS::Lambda::Function' }]";
    assert_eq!(trail(enough), "");
    assert_eq!(trail("insights: { ApiErrorRateInsight: [Management] }"), "");
}
