//! Every rule of [`super::check`] once, with its place.

use serde_json::{Value, json};

use super::{Selectors, Target, check};

fn advanced(list: Value) -> Selectors {
    serde_json::from_value(json!({"AdvancedEventSelectors": list})).expect("advanced selectors")
}

fn basic(list: Value) -> Selectors {
    serde_json::from_value(json!({"EventSelectors": list})).expect("basic selectors")
}

/// `code @ place` of every finding, errors marked with `!`.
fn found(selectors: &Selectors, target: Target) -> Vec<String> {
    let findings = check(selectors, target);
    findings
        .iter()
        .map(|finding| {
            assert!(!finding.help.is_empty() && !finding.message.is_empty());
            let at: Vec<String> = finding.at.iter().map(ToString::to_string).collect();
            let mark = if finding.is_error() { "!" } else { "" };
            let code = finding
                .code
                .strip_prefix("selector-")
                .expect("common prefix");
            format!("{mark}{code} @ {}", at.join(" "))
        })
        .collect()
}

fn is(field: &str, values: &[&str]) -> Value {
    json!({"Field": field, "Equals": values})
}

/// The findings of one selector beside a management selector, so that only its own are left.
fn of_one(fields: Value, target: Target) -> Vec<String> {
    let management = json!({"FieldSelectors": [is("eventCategory", &["Management"])]});
    found(
        &advanced(json!([{"FieldSelectors": fields}, management])),
        target,
    )
}

#[test]
fn a_sound_set_has_no_findings() {
    let object = is("resources.type", &["AWS::S3::Object"]);
    let fields = json!([is("eventCategory", &["Data"]), object, is("readOnly", &["false"]),
        {"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::b/"], "NotEndsWith": [".tmp"]},
        {"Field": "userIdentity.arn", "NotStartsWith": ["arn:aws:sts::1:assumed-role/scanner/"]},
        {"Field": "sessionCredentialFromConsole", "NotEquals": ["true"]}]);
    for target in [Target::Trail, Target::EventDataStore] {
        assert_eq!(of_one(fields.clone(), target), [""; 0]);
    }
    assert_eq!(found(&Selectors::default(), Target::Trail), [""; 0]);
    assert_eq!(found(&basic(json!([{}])), Target::Trail), [""; 0]);
}

#[test]
fn fields_are_judged_by_the_table_of_their_category() {
    let management = is("eventCategory", &["Management"]);
    let data = is("eventCategory", &["Data"]);
    let object = is("resources.type", &["AWS::S3::Object"]);
    let network = is("eventCategory", &["NetworkActivity"]);
    let s3 = is("eventSource", &["s3.amazonaws.com"]);
    let cases = [
        (json!([]), "!category-missing @ [0]"),
        (
            json!([{"Field": "eventCategory", "StartsWith": ["D"]}]),
            "!category-operator @ [0] eventCategory",
        ),
        (
            json!([is("eventCategory", &["Datas"])]),
            "!category-unknown @ [0] eventCategory",
        ),
        (
            json!([is("eventCategory", &["Insight"])]),
            "!category-on-trail @ [0] eventCategory",
        ),
        (
            json!([is("eventCategory", &["Management", "Data"])]),
            "!several-values @ [0] eventCategory Equals",
        ),
        (
            json!([management, is("eventName", &["A"])]),
            "!field-not-allowed @ [0] eventName",
        ),
        (
            json!([management, s3]),
            "!operator-not-allowed @ [0] eventSource Equals",
        ),
        (
            json!([management, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com", "s3.amazonaws.com"]}]),
            "!value-not-allowed @ [0] eventSource NotEquals [1]",
        ),
        (
            json!([management, is("readOnly", &["True"])]),
            "!value-not-allowed @ [0] readOnly Equals [0]",
        ),
        (json!([data]), "!required-field @ [0]"),
        (
            json!([
                data,
                is("resources.type", &["AWS::S3::Object", "AWS::SNS::Topic"])
            ]),
            "!several-values @ [0] resources.type Equals",
        ),
        (
            json!([data, object, is("vpcEndpointId", &["x"])]),
            "!field-not-allowed @ [0] vpcEndpointId",
        ),
        (json!([network]), "!required-field @ [0]"),
        (
            json!([network, s3, is("errorCode", &["AccessDenied"])]),
            "!value-not-allowed @ [0] errorCode Equals [0]",
        ),
        (
            json!([data, object, object]),
            "!field-duplicate @ [0] resources.type",
        ),
        (
            json!([data, object, {"Field": "eventName"}]),
            "!field-without-operator @ [0] eventName",
        ),
        (
            json!([data, object, is("eventName", &[])]),
            "!operator-empty @ [0] eventName Equals",
        ),
        (
            json!([data, object, is("eventName", &[""])]),
            "!value-length @ [0] eventName Equals [0]",
        ),
        (
            json!([data, object, is("event name", &["A"])]),
            "!field-name @ [0] event name",
        ),
        (
            json!([data, object, is("eventname", &["A"])]),
            "field-unknown @ [0] eventname",
        ),
        (
            json!([management, is("tlsDetails.tlsVersion", &["A"])]),
            "field-unknown @ [0] tlsDetails.tlsVersion",
        ),
    ];
    for (fields, expected) in cases {
        assert_eq!(
            of_one(fields.clone(), Target::Trail),
            [expected],
            "{fields}"
        );
    }
    let store = Target::EventDataStore;
    let by = json!({"Field": "userIdentity.arn", "StartsWith": ["arn:aws:iam::"]});
    assert_eq!(
        of_one(json!([network, s3, by]), store),
        ["!field-not-allowed @ [0] userIdentity.arn"]
    );
    assert_eq!(of_one(json!([network, s3, by]), Target::Trail), [""; 0]);
    assert_eq!(
        of_one(json!([management, is("eventName", &["A"])]), store),
        [""; 0]
    );
    assert_eq!(
        of_one(json!([is("eventCategory", &["Insight"])]), store),
        ["!category-mix @ [1] eventCategory"]
    );
    let alone = json!([{"FieldSelectors": [is("eventCategory", &["Evidence"]), is("readOnly", &["true"])]}]);
    assert_eq!(
        found(&advanced(alone), store),
        ["!field-not-allowed @ [0] readOnly"]
    );
}

#[test]
fn what_is_hardly_meant_is_pointed_out() {
    let data = is("eventCategory", &["Data"]);
    let object = is("resources.type", &["AWS::S3::Object"]);
    let network = is("eventCategory", &["NetworkActivity"]);
    let cases = [
        (
            json!([data, is("resources.type", &["AWS::S3::Objekt"])]),
            "type-unknown @ [0] resources.type Equals [0]",
        ),
        (
            json!([data, object, is("eventSource", &["s3"])]),
            "source-unknown @ [0] eventSource Equals [0]",
        ),
        (
            json!([network, is("eventSource", &["nova-act.amazonaws.com"])]),
            "source-unknown @ [0] eventSource Equals [0]",
        ),
        (
            json!([data, object, {"Field": "resources.ARN", "NotStartsWith": ["arn:aws:s3:::logs"]}]),
            "bucket-without-slash @ [0] resources.ARN NotStartsWith [0]",
        ),
        (
            json!([data, object, is("resources.ARN", &["arn:aws:s3:::logs/"])]),
            "object-arn @ [0] resources.ARN Equals [0]",
        ),
        (
            json!([data, object, is("eventName", &["Get*"])]),
            "wildcard @ [0] eventName Equals [0]",
        ),
        (
            json!([data, object, {"Field": "eventName", "Equals": ["GetObject"], "NotStartsWith": ["Get"]}]),
            "contradiction @ [0] eventName Equals [0]",
        ),
        (
            json!([
                data,
                object,
                is("eventName", &["PutObjectLockConfiguration"])
            ]),
            "event-name @ [0] eventName Equals [0]",
        ),
        (
            json!([
                data,
                object,
                is("userIdentity.arn", &["arn:aws:iam::1:role/app"])
            ]),
            "role-arn @ [0] userIdentity.arn Equals [0]",
        ),
        (
            json!([data, object, {"Field": "userIdentity.arn", "StartsWith": ["arn:aws:sts::1:assumed-role/app"]}]),
            "assumed-role-without-slash @ [0] userIdentity.arn StartsWith [0]",
        ),
        (
            json!([data, object, is("readOnly", &["true", "false"])]),
            "read-only-both @ [0] readOnly",
        ),
    ];
    for (fields, expected) in cases {
        assert_eq!(
            of_one(fields.clone(), Target::Trail),
            [expected],
            "{fields}"
        );
    }
    let only_data = advanced(json!([{"FieldSelectors": [data, object]}]));
    assert_eq!(found(&only_data, Target::Trail), ["no-management @ "]);
    assert_eq!(found(&advanced(json!([])), Target::Trail), ["!none @ "]);
}

#[test]
fn basic_selectors_are_checked_too() {
    let resources =
        |kind: &str, values: Value| json!([{"DataResources": [{"Type": kind, "Values": values}]}]);
    let cases = [
        (
            resources("AWS::SNS::Topic", json!(["arn:aws:sns:x"])),
            "!basic-type @ [0] DataResources [0] Type",
        ),
        (
            json!([{"ExcludeManagementEventSources": ["s3.amazonaws.com"]}]),
            "!exclude-source @ [0] ExcludeManagementEventSources [0]",
        ),
        (
            resources(
                "AWS::S3::Object",
                json!(["arn:aws:s3", "arn:aws:s3:::b/", "arn:aws:s3:::b"]),
            ),
            "bucket-without-slash @ [0] DataResources [0] Values [2]",
        ),
        (
            resources("AWS::Lambda::Function", json!(["arn:aws:lambda:*"])),
            "wildcard @ [0] DataResources [0] Values [0]",
        ),
        (
            resources("AWS::Lambda::Function", json!([""])),
            "!value-length @ [0] DataResources [0] Values [0]",
        ),
        (
            resources("AWS::Lambda::Function", json!([])),
            "records-nothing @ [0] DataResources [0] Values",
        ),
        (
            json!([{}, {"IncludeManagementEvents": false}]),
            "records-nothing @ [1]",
        ),
        (json!([{}, {}, {}, {}, {}, {}]), "!basic-quota @ "),
    ];
    for (list, expected) in cases {
        assert_eq!(
            found(&basic(list.clone()), Target::Trail),
            [expected],
            "{list}"
        );
    }
    let many: Vec<String> = (0..250).map(|n| format!("arn:aws:s3:::b{n}/")).collect();
    let with = |more: &str| {
        let values: Vec<&str> = many.iter().map(String::as_str).chain([more]).collect();
        found(
            &basic(resources("AWS::S3::Object", json!(values))),
            Target::Trail,
        )
    };
    assert_eq!(with("arn:aws:s3"), [""; 0]);
    assert_eq!(with("arn:aws:s3:::b/"), ["!data-resources-quota @ "]);
}
