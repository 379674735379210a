//! Policies as people really have them, from the threads in which CloudTrail refused them, each with the answer and the
//! statement that must be named.

use super::delivery::*;
use super::proof::*;
use super::templates::*;
use super::{Policy, document};

pub(super) const TRAIL: &str = "arn:aws:cloudtrail:us-east-1:111122223333:trail/org";
pub(super) const KEY: &str = "arn:aws:kms:us-east-1:222233334444:key/1234";
pub(super) const READER: &str = "arn:aws:iam::222233334444:role/siem";

pub(super) fn policy(statements: &str) -> Policy {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    Policy::parse(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn organization_trail() -> Delivery<'static> {
    Delivery {
        partition: "aws",
        trail_arn: TRAIL,
        trail_account: "111122223333",
        organization_id: Some("o-a1b2c3d4e5"),
        bucket: "acme-org-trail-logs",
        bucket_account: "222233334444",
        prefix: None,
        bucket_policy: None,
        key: None,
        topic: None,
        sse: Sse::BucketDefault,
        files: &[],
    }
}

fn key_use(policy: &Policy) -> KeyUse<'_> {
    KeyUse {
        arn: KEY,
        account: "222233334444",
        policy,
        bucket_key: true,
        region: "us-east-1",
        bucket_region: "us-east-1",
    }
}

/// The grants of AWS's documentation; `%P` is the prefix, `%ARN` the trail.
const ACL: &str = r#"{"Sid":"AWSCloudTrailAclCheck20150319","Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:GetBucketAcl","Resource":"arn:aws:s3:::acme-org-trail-logs","Condition":{"StringEquals":{"aws:SourceArn":"%ARN"}}}"#;
const WRITE: &str = r#"{"Sid":"AWSCloudTrailWrite20150319","Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::acme-org-trail-logs/%PAWSLogs/111122223333/*","Condition":{"StringEquals":{"s3:x-amz-acl":"bucket-owner-full-control","aws:SourceArn":"%ARN"}}}"#;
const ORG_WRITE: &str = r#"{"Sid":"AWSCloudTrailOrganizationWrite20150319","Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::acme-org-trail-logs/%PAWSLogs/o-a1b2c3d4e5/*","Condition":{"StringEquals":{"s3:x-amz-acl":"bucket-owner-full-control","aws:SourceArn":"%ARN"}}}"#;

fn documented() -> String {
    [ACL, WRITE, ORG_WRITE]
        .join(",")
        .replace("%P", "")
        .replace("%ARN", TRAIL)
}

fn with_deny(condition: &str) -> String {
    let deny = r#"{"Sid":"Deny","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::acme-org-trail-logs/*","Condition":"#;
    format!("{},{deny}{condition}}}", documented())
}

struct Case {
    name: &'static str,
    statements: String,
    prefix: Option<&'static str>,
    sse: Sse,
    holds: Holds,
    statement: Option<&'static str>,
    why: &'static str,
    fix: &'static str,
}

impl Case {
    fn new(
        name: &'static str,
        statements: String,
        holds: Holds,
        statement: &'static str,
        why: &'static str,
    ) -> Self {
        Case {
            name,
            statements,
            prefix: None,
            sse: Sse::BucketDefault,
            holds,
            statement: (!statement.is_empty()).then_some(statement),
            why,
            fix: if holds == Holds::Yes {
                ""
            } else {
                "OrgTrailOrganizationWrite"
            },
        }
    }

    fn prefix(self, prefix: &'static str) -> Self {
        let prefix = Some(prefix);
        Case { prefix, ..self }
    }

    fn trail_key(self) -> Self {
        let sse = Sse::TrailKey;
        Case { sse, ..self }
    }

    fn fix(self, fix: &'static str) -> Self {
        Case { fix, ..self }
    }
}

const ORG: &str = "AWSCloudTrailOrganizationWrite20150319";
const EXEMPTION: &str = r#""aws:PrincipalIsAWSService":"false""#;

fn grants() -> Vec<Case> {
    use Holds::{No, Unknown, Yes};
    let source = |arn: &str| documented().replace(TRAIL, arn);
    vec![
        Case::new("as documented", documented(), Yes, ORG, "allows it"),
        Case::new(
            "prefix in the trail, not in the resource",
            documented(),
            No,
            ORG,
            "covers arn:aws:s3:::acme-org-trail-logs/AWSLogs/o-a1b2c3d4e5/*",
        )
        .prefix("audit")
        .fix("acme-org-trail-logs/audit/AWSLogs/o-a1b2c3d4e5/*"),
        Case::new(
            "prefix in the resource, not in the trail",
            documented().replace("logs/AWSLogs", "logs/audit/AWSLogs"),
            No,
            ORG,
            "the resource is arn:aws:s3:::acme-org-trail-logs/AWSLogs/o-a1b2c3d4e5/111122223333/CloudTrail/us-east-1/…",
        ),
        Case::new(
            "only the management account's folder",
            documented().replace("o-a1b2c3d4e5/*", "o-a1b2c3d4e5/111122223333/*"),
            No,
            ORG,
            "o-a1b2c3d4e5/000000000000/",
        ),
        Case::new(
            "source ARN of another Region",
            source("arn:aws:cloudtrail:eu-west-1:111122223333:trail/org"),
            No,
            ORG,
            "aws:SourceArn is arn:aws:cloudtrail:us-east-1:111122223333:trail/org, the statement requires arn:aws:cloudtrail:eu-west-1",
        ),
        Case::new(
            "source ARN of the log archive account",
            source("arn:aws:cloudtrail:us-east-1:222233334444:trail/org"),
            No,
            ORG,
            "requires arn:aws:cloudtrail:us-east-1:222233334444:trail/org",
        ),
        Case::new(
            "a wildcard under StringEquals",
            source("arn:aws:cloudtrail:*:111122223333:trail/*"),
            No,
            ORG,
            "StringEquals takes wildcards literally",
        ),
        Case::new(
            "a wildcard under ArnLike",
            source("arn:aws:cloudtrail:*:111122223333:trail/*")
                .replace("StringEquals\":{\"aws:S", "ArnLike\":{\"aws:S")
                .replace(
                    r#""s3:x-amz-acl":"bucket-owner-full-control","aws:SourceArn""#,
                    r#""s3:x-amz-acl":"bucket-owner-full-control"},"ArnLike":{"aws:SourceArn""#,
                ),
            Yes,
            ORG,
            "allows it",
        ),
        Case::new(
            "organization statement missing",
            [ACL, WRITE]
                .join(",")
                .replace("%P", "")
                .replace("%ARN", TRAIL),
            No,
            "AWSCloudTrailWrite20150319",
            "covers arn:aws:s3:::acme-org-trail-logs/AWSLogs/111122223333/*",
        ),
        Case::new(
            "another service",
            documented().replace("cloudtrail.amazonaws.com", "config.amazonaws.com"),
            No,
            ORG,
            "the caller is cloudtrail.amazonaws.com, the statement names config.amazonaws.com",
        ),
        Case::new(
            "the ACL another",
            documented().replace("bucket-owner-full-control", "private"),
            No,
            ORG,
            "s3:x-amz-acl is bucket-owner-full-control, the statement requires private",
        ),
        Case::new(
            "legacy account ids",
            documented().replace(
                r#"{"Service":"cloudtrail.amazonaws.com"}"#,
                r#"{"AWS":["arn:aws:iam::086441151436:root","arn:aws:iam::475085895292:root"]}"#,
            ),
            Unknown,
            ORG,
            "newer Regions are not covered",
        ),
        Case::new(
            "source organization required",
            documented().replace(
                "\"aws:SourceArn\"",
                "\"aws:SourceOrgID\":\"o-a1b2c3d4e5\",\"aws:SourceArn\"",
            ),
            Unknown,
            ORG,
            "does not document that CloudTrail sends aws:SourceOrgID",
        ),
        Case::new(
            "another source organization required",
            documented().replace(
                "\"aws:SourceArn\"",
                "\"aws:SourceOrgID\":\"o-zzzzzzzzzz\",\"aws:SourceArn\"",
            ),
            No,
            ORG,
            "requires o-zzzzzzzzzz",
        ),
        Case::new(
            "source account instead of ARN",
            documented()
                .replace("\"aws:SourceArn\"", "\"AWS:sourceaccount\"")
                .replace(TRAIL, "111122223333"),
            Yes,
            ORG,
            "allows it",
        ),
    ]
}

fn denials() -> Vec<Case> {
    use Holds::{No, Unknown, Yes};
    let unencrypted = r#"{"StringNotEquals":{"s3:x-amz-server-side-encryption":"aws:kms"}}"#;
    let null = r#"{"Null":{"s3:x-amz-server-side-encryption":"true"}}"#;
    let organization = r#"{"StringNotEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}}"#;
    let exempting = r#"{"StringNotEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"},"Bool":{"aws:PrincipalIsAWSService":"false"}}"#;
    let vpc = r#"{"StringNotEquals":{"aws:SourceVpce":"vpce-1a2b3c4d"}}"#;
    let mfa = r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}"#;
    let address = r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#;
    let confused = r#"{"StringNotEquals":{"aws:SourceOrgID":"o-a1b2c3d4e5"},"Bool":{"aws:PrincipalIsAWSService":"true"}}"#;
    let tls = |version: &str| {
        with_deny(&format!(
            r#"{{"NumericLessThan":{{"s3:TlsVersion":"{version}"}}}}"#
        ))
    };
    vec![
        Case::new("unencrypted puts", with_deny(unencrypted), No, "Deny", "s3:x-amz-server-side-encryption is absent").fix(EXEMPTION),
        Case::new("unencrypted puts, but the trail has a key", with_deny(unencrypted), Yes, ORG, "allows it").trail_key(),
        Case::new("puts without the header", with_deny(null), No, "Deny", "s3:x-amz-server-side-encryption is absent").fix(EXEMPTION),
        Case::new("strangers to the organization", with_deny(organization), No, "Deny", "aws:PrincipalOrgID is absent, and StringNotEquals o-a1b2c3d4e5 also holds for an absent key")
            .fix(r#""Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"},"Bool":{"aws:PrincipalIsAWSService":"false"}}"#),
        Case::new("strangers, services exempt", with_deny(exempting), Yes, ORG, "allows it"),
        Case::new("other than a VPC endpoint", with_deny(vpc), No, "Deny", "aws:SourceVpce is absent").fix(EXEMPTION),
        Case::new("without MFA", with_deny(mfa), No, "Deny", "aws:MultiFactorAuthPresent is absent").fix(EXEMPTION),
        Case::new("other than some addresses", with_deny(address), Unknown, "Deny", "aws:SourceIp").fix(EXEMPTION),
        Case::new("services of other organizations", with_deny(confused), Unknown, "Deny", "does not document that CloudTrail sends aws:SourceOrgID").fix("remove Deny"),
        Case::new("old TLS", tls("1.2"), Yes, ORG, "allows it"),
        Case::new("TLS 1.2", tls("1.3"), Unknown, "Deny", "may be 1.2 or 1.3").fix(EXEMPTION),
        Case::new("everybody but a role", documented() + r#",{"Sid":"Only","Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::222233334444:role/admin","222233334444"]},"Action":"s3:*","Resource":"*"}"#, No, "Only", "NotPrincipal does not exempt cloudtrail.amazonaws.com without a condition").fix(EXEMPTION),
    ]
}

#[test]
fn writing_to_the_bucket() {
    for case in grants().into_iter().chain(denials()) {
        let policy = policy(&case.statements);
        let delivery = Delivery {
            bucket_policy: Some(&policy),
            prefix: case.prefix,
            sse: case.sse,
            ..organization_trail()
        };
        let proof = &prove_delivery(&delivery)[1];
        let name = case.name;
        assert_eq!(proof.holds, case.holds, "{name}: {proof:?}");
        assert_eq!(
            proof.statement.as_deref(),
            case.statement,
            "{name}: {proof:?}"
        );
        assert!(proof.why.contains(case.why), "{name}: {}", proof.why);
        let fix = proof.fix.as_deref().unwrap_or_default();
        assert!(fix.contains(case.fix), "{name}: {fix}");
        assert_eq!(fix.is_empty(), case.holds == Holds::Yes, "{name}: {fix}");
    }
}

#[test]
fn questions_are_in_words() {
    let delivery = Delivery {
        prefix: Some("audit"),
        ..organization_trail()
    };
    let proofs = prove_delivery(&delivery);
    assert_eq!(
        proofs[0].question,
        "CloudTrail can read the ACL of s3://acme-org-trail-logs"
    );
    assert_eq!(
        proofs[1].question,
        "CloudTrail can write organization logs to s3://acme-org-trail-logs/audit/AWSLogs/o-a1b2c3d4e5/"
    );
    for proof in proofs {
        assert_eq!(
            (proof.holds, proof.why.as_str()),
            (Holds::No, "s3://acme-org-trail-logs has no policy")
        );
        assert!(proof.fix.is_some());
    }
}

#[test]
fn a_policy_without_the_acl_check() {
    let policy = policy(&WRITE.replace("%P", "").replace("%ARN", TRAIL));
    let delivery = Delivery {
        bucket_policy: Some(&policy),
        organization_id: None,
        ..organization_trail()
    };
    let proofs = prove_delivery(&delivery);
    assert_eq!((proofs[0].holds, proofs[1].holds), (Holds::No, Holds::Yes));
    assert!(
        proofs[0]
            .fix
            .as_deref()
            .is_some_and(|fix| fix.contains("OrgTrailAclCheck"))
    );
}

#[test]
fn a_digest_folder_left_out() {
    let policy = policy(&documented().replace("o-a1b2c3d4e5/*", "o-a1b2c3d4e5/*/CloudTrail/*"));
    let write = |files| {
        let delivery = Delivery {
            bucket_policy: Some(&policy),
            files,
            ..organization_trail()
        };
        prove_delivery(&delivery).swap_remove(1)
    };
    assert_eq!(write(&[]).holds, Holds::Yes);
    let digests = write(&[LogFiles::Events, LogFiles::Digests]);
    assert_eq!(digests.holds, Holds::No);
    assert!(
        digests.why.contains("/CloudTrail-Digest/us-east-1/…"),
        "{}",
        digests.why
    );
}

fn grant() -> Vec<TrailGrant> {
    vec![TrailGrant {
        arn: TRAIL.into(),
        account: "111122223333".into(),
        organization_id: Some("o-a1b2c3d4e5".into()),
        prefix: None,
    }]
}

pub(super) fn key_policy() -> String {
    let statements = key_statements(&KeyGrant {
        partition: "aws",
        account: "222233334444",
        trails: &grant(),
        readers: &[READER.into()],
        bucket_key: true,
    });
    Policy::new(statements).to_json()
}

#[test]
fn the_key() {
    use Holds::{No, Unknown, Yes};
    let good = key_policy();
    let decrypt = r#""Sid":"OrgTrailDecryptForBucketKey","Effect":"Allow""#;
    let conditional = r#""Action":"kms:Decrypt","Resource":"*"},{"Sid":"OrgTrailReaders""#;
    let by_arn = r#""Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:SourceArn":"t"}}},{"Sid":"OrgTrailReaders""#;
    // Region, GenerateDataKey, DescribeKey, Decrypt
    let cases = [
        ("good", good.clone(), [Yes, Yes, Yes, Yes], ""),
        (
            "typo",
            good.replace("kms:GenerateDataKey*", "kms=GenerateDataKey"),
            [Yes, No, Yes, Yes],
            "OrgTrailEncryptLogs: the action is kms:GenerateDataKey, the statement covers kms=GenerateDataKey",
        ),
        (
            "no bucket key",
            good.replace(decrypt, r#""Sid":"X","Effect":"Deny""#),
            [Yes, Yes, Yes, No],
            "X denies it",
        ),
        (
            "decrypt bound to a trail",
            good.replace(conditional, by_arn),
            [Yes, Yes, Yes, Unknown],
            "aws:SourceArn",
        ),
        (
            "context of another account",
            good.replace("*:111122223333:trail/*", "*:222233334444:trail/*"),
            [Yes, No, Yes, Yes],
            "kms:EncryptionContext:aws:cloudtrail:arn is",
        ),
        (
            "other trail",
            good.replace("trail/org", "trail/other"),
            [Yes, No, No, Yes],
            "requires arn:aws:cloudtrail:us-east-1:111122223333:trail/other",
        ),
    ];
    for (name, text, expected, why) in cases {
        let policy = Policy::parse(&text).expect(name);
        let delivery = Delivery {
            key: Some(key_use(&policy)),
            sse: Sse::TrailKey,
            ..organization_trail()
        };
        let proofs = &prove_delivery(&delivery)[2..];
        let holds: Vec<Holds> = proofs.iter().map(|proof| proof.holds).collect();
        assert_eq!(holds, expected, "{name}: {proofs:?}");
        let refusals = proofs.iter().filter(|proof| proof.holds != Yes);
        for proof in refusals {
            assert!(proof.why.contains(why), "{name}: {}", proof.why);
            assert!(proof.fix.is_some(), "{name}");
        }
    }
}

#[test]
fn a_key_in_another_region() {
    let policy = Policy::parse(&key_policy()).expect("valid");
    let key = KeyUse {
        bucket_region: "eu-west-1",
        ..key_use(&policy)
    };
    let delivery = Delivery {
        key: Some(key),
        ..organization_trail()
    };
    let proof = &prove_delivery(&delivery)[2];
    assert_eq!(
        (proof.holds, proof.why.as_str()),
        (
            Holds::No,
            "the key is in us-east-1, the bucket in eu-west-1"
        )
    );
}

#[test]
fn the_topic() {
    let default = r#"{"Sid":"__default_statement_ID","Effect":"Allow","Principal":{"AWS":"*"},"Action":["SNS:Publish"],"Resource":"arn:aws:sns:us-east-1:111122223333:t","Condition":{"StringEquals":{"AWS:SourceOwner":"111122223333"}}}"#;
    let arn = "arn:aws:sns:us-east-1:111122223333:t";
    let topic = TopicGrant {
        arn,
        trails: &grant(),
    };
    let live = policy(default);
    let merged = document::merge(Some(&live), &topic_statements(&topic));
    for (policy, holds, statement) in [
        (&live, Holds::No, "__default_statement_ID"),
        (&merged, Holds::Yes, "OrgTrailPublish"),
    ] {
        let delivery = Delivery {
            topic: Some(TopicUse { arn, policy }),
            ..organization_trail()
        };
        let proof = &prove_delivery(&delivery)[2];
        assert_eq!(
            (proof.holds, proof.statement.as_deref()),
            (holds, Some(statement)),
            "{proof:?}"
        );
    }
}
