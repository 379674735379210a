//! Who can read with a key, who keeps it, and whom a guardrail spares: policies with the answers they must get.

use super::Policy;
use super::cases::{KEY, READER, TRAIL, key_policy, policy};
use super::proof::*;
use super::templates::*;

#[test]
fn readers() {
    let policy = Policy::parse(&key_policy()).expect("valid");
    let reader = |arn: &str| prove_reader(KEY, &policy, arn, &[TRAIL]);
    let named = reader(READER);
    assert_eq!(
        (named.holds, named.statement.as_deref()),
        (Holds::Yes, Some("OrgTrailReaders"))
    );
    assert!(!named.why.contains("IAM"), "{}", named.why);
    assert_eq!(
        reader("arn:aws:sts::222233334444:assumed-role/siem/i-1").holds,
        Holds::Yes
    );
    let by_account = reader("arn:aws:iam::222233334444:role/other");
    assert_eq!(
        (by_account.holds, by_account.statement.as_deref()),
        (Holds::Yes, Some("OrgTrailOwner"))
    );
    assert!(
        by_account.why.contains("only its account is named"),
        "{}",
        by_account.why
    );
    let stranger = reader("arn:aws:iam::444455556666:role/siem");
    assert_eq!(stranger.holds, Holds::No);
    assert!(
        stranger.why.contains("OrgTrailReaders: the caller is"),
        "{}",
        stranger.why
    );
    assert!(
        stranger
            .fix
            .as_deref()
            .is_some_and(|fix| fix.contains("444455556666:role/siem"))
    );
    assert_eq!(reader("siem").holds, Holds::Unknown);
}

#[test]
fn who_keeps_the_key() {
    let caller = "arn:aws:iam::222233334444:role/OrgTrailApply";
    let keeps = |statements: &str| {
        prove_owner_keeps_put_key_policy(&policy(statements), caller, "222233334444")
    };
    let root = r#"{"Sid":"Root","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222233334444:root"},"Action":"kms:*","Resource":"*"}"#;
    let deny = r#"{"Sid":"Lock","Effect":"Deny","Principal":"*","Action":"kms:PutKeyPolicy","Resource":"*"}"#;
    let only = r#"{"Sid":"Lock","Effect":"Deny","Principal":"*","Action":"kms:Put*","Resource":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/OrgTrailApply"}}}"#;
    let own = root
        .replace(":root", ":role/OrgTrailApply")
        .replace("Root", "Own");
    let stranger = root.replace("222233334444", "444455556666");
    let no_puts = root.replace("kms:*", "kms:Get*");
    let cases = [
        (root.to_owned(), Holds::Yes, Some("Root")),
        (own.clone(), Holds::Yes, Some("Own")),
        (format!("{root},{deny}"), Holds::No, Some("Lock")),
        (format!("{own},{only}"), Holds::Yes, Some("Own")),
        (format!("{root},{only}"), Holds::Yes, Some("Root")),
        (stranger, Holds::No, Some("Root")),
        (no_puts, Holds::No, Some("Root")),
    ];
    for (statements, holds, statement) in cases {
        let proof = keeps(&statements);
        assert_eq!(
            (proof.holds, proof.statement.as_deref()),
            (holds, statement),
            "{statements}: {proof:?}"
        );
        assert_eq!(
            proof.fix.is_some(),
            holds != Holds::Yes,
            "{statements}: {proof:?}"
        );
    }
}

#[test]
fn a_guardrail_spares_its_owner_only() {
    let list = |item: &str| vec![item.to_owned()];
    let scp = scp(&Guardrail {
        partition: "aws",
        protect: &[Protected::Trails, Protected::Buckets],
        exempt_roles: &list("OrgTrailApply"),
        trails: &list("org"),
        buckets: &list("acme-org-trail-logs"),
        keys: &[],
    })
    .expect("exempts");
    let calls = [
        ("s3:PutBucketPolicy", "arn:aws:s3:::acme-org-trail-logs"),
        ("cloudtrail:StopLogging", TRAIL),
    ];
    let spares = |arn: &str, calls: &[(&str, &str)]| prove_scp_spares(&scp, arn, calls);
    assert_eq!(
        spares("arn:aws:iam::222233334444:role/OrgTrailApply", &calls).holds,
        Holds::Yes
    );
    let other = spares("arn:aws:iam::222233334444:role/Dev", &calls);
    assert_eq!(
        (other.holds, other.statement.as_deref()),
        (Holds::No, Some("OrgTrailGuardBucket"))
    );
    assert!(
        other
            .fix
            .as_deref()
            .is_some_and(|fix| fix.contains("role/Dev"))
    );
    let harmless = [("s3:GetBucketPolicy", "arn:aws:s3:::acme-org-trail-logs")];
    assert_eq!(
        spares("arn:aws:iam::222233334444:role/Dev", &harmless).holds,
        Holds::Yes
    );
    // The path of the role is not in the session's ARN.
    let session = spares(
        "arn:aws:sts::222233334444:assumed-role/OrgTrailApply/x",
        &calls,
    );
    assert_eq!(session.holds, Holds::Unknown);
    assert!(
        session.why.contains("the path of the role"),
        "{}",
        session.why
    );
}
