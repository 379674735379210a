//! Statements that work, or seem to, and should still be looked at.

use super::calls::{CLOUDTRAIL, LEGACY_ACCOUNTS, account_of};
use super::document::{Effect, Policy, PrincipalEntry, Statement};
use super::evaluate::StatementRef;
use super::meaning::root_as_account;
use super::pattern::{Reading, matches};

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html>
const BUCKET_POLICY_BYTES: usize = 20 * 1024;
/// <https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html>
const KEY_POLICY_BYTES: usize = 32 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Error,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    pub severity: Severity,
    /// A stable name, such as `source-arn-missing`.
    pub rule: &'static str,
    /// The Sid, or else the position, of the statement; `None` if it is about the whole policy.
    pub statement: Option<String>,
    pub message: String,
}

/// The trail's account is the one in its ARN: for organization trails the management account.
pub fn lint_bucket_policy(policy: &Policy, trail_account: &str) -> Vec<Lint> {
    let mut lints = lint_common(policy, trail_account, BUCKET_POLICY_BYTES);
    lints.extend(each(policy, legacy_accounts));
    if !policy.statements.iter().any(denies_plain_http) {
        lints.push(Lint {
            severity: Severity::Warning,
            rule: "insecure-transport",
            statement: None,
            message: "no statement denies requests without TLS (Bool aws:SecureTransport false)"
                .into(),
        });
    }
    lints
}

/// `bucket_key`: whether the bucket that uses this key has an S3 Bucket Key.
pub fn lint_key_policy(policy: &Policy, trail_account: &str, bucket_key: bool) -> Vec<Lint> {
    let mut lints = lint_common(policy, trail_account, KEY_POLICY_BYTES);
    lints.extend(each(policy, decrypt_for_everyone));
    let decrypts = |s: &Statement| grants_to_cloudtrail(s) && covers_action(s, "kms:Decrypt");
    if bucket_key && !policy.statements.iter().any(decrypts) {
        lints.push(Lint {
            severity: Severity::Warning,
            rule: "bucket-key-decrypt",
            statement: None,
            message: "the bucket uses an S3 Bucket Key, and no statement lets CloudTrail call kms:Decrypt".into(),
        });
    }
    lints
}

fn lint_common(policy: &Policy, trail_account: &str, limit: usize) -> Vec<Lint> {
    let mut lints = Vec::new();
    let size = policy.size_in_bytes();
    if size > limit {
        lints.push(Lint {
            severity: Severity::Error,
            rule: "policy-size",
            statement: None,
            message: format!("the policy has {size} bytes, the limit is {limit}"),
        });
    }
    lints.extend(each(policy, source_arn_missing));
    lints.extend(each(policy, literal_wildcard));
    lints.extend(each(policy, open_to_everyone));
    lints.extend(source_arn_accounts(policy, trail_account));
    lints
}

fn each(
    policy: &Policy,
    rule: fn(&Statement) -> Option<(Severity, &'static str, String)>,
) -> impl Iterator<Item = Lint> {
    policy
        .statements
        .iter()
        .enumerate()
        .filter_map(move |(index, statement)| {
            let (severity, rule, message) = rule(statement)?;
            let statement = Some(name(index, statement));
            Some(Lint {
                severity,
                rule,
                statement,
                message,
            })
        })
}

fn source_arn_missing(statement: &Statement) -> Option<(Severity, &'static str, String)> {
    // AWS documents the Decrypt grant for S3 Bucket Keys without a condition.
    if !grants_to_cloudtrail(statement) || covers_action(statement, "kms:Decrypt") {
        return None;
    }
    if has_key(statement, &["aws:SourceArn"]) {
        return None;
    }
    let message = match has_key(statement, &["aws:SourceAccount"]) {
        true => {
            "any trail of the account in aws:SourceAccount may use it; aws:SourceArn names the trail"
        }
        false => "trails of any AWS account may use it; aws:SourceArn names the trail",
    };
    Some((Severity::Warning, "source-arn-missing", message.into()))
}

fn literal_wildcard(statement: &Statement) -> Option<(Severity, &'static str, String)> {
    let exact = |operator: &str| operator.to_ascii_lowercase().contains("stringequals");
    let condition = statement
        .conditions()
        .iter()
        .find(|c| exact(&c.operator) && c.values.iter().any(|value| value.contains(['*', '?'])))?;
    let message = format!(
        "{} takes the wildcard in {} {} literally; StringLike or ArnLike is meant",
        condition.operator,
        condition.key,
        condition.values.join(" or ")
    );
    Some((Severity::Error, "literal-wildcard", message))
}

fn open_to_everyone(statement: &Statement) -> Option<(Severity, &'static str, String)> {
    const NARROWING: [&str; 13] = [
        "aws:PrincipalAccount",
        "aws:PrincipalArn",
        "aws:PrincipalOrgID",
        "aws:PrincipalOrgPaths",
        "aws:PrincipalServiceName",
        "aws:SourceAccount",
        "aws:SourceArn",
        "aws:SourceOrgID",
        "aws:SourceOrgPaths",
        "aws:SourceOwner",
        "aws:SourceVpc",
        "aws:SourceVpce",
        "kms:CallerAccount",
    ];
    if !allows_everyone(statement) || has_key(statement, &NARROWING) {
        return None;
    }
    let message = "it allows every principal of every account; a condition such as aws:PrincipalOrgID bounds it";
    Some((Severity::Warning, "open-principal", message.into()))
}

fn decrypt_for_everyone(statement: &Statement) -> Option<(Severity, &'static str, String)> {
    if !allows_everyone(statement) || !covers_action(statement, "kms:Decrypt") {
        return None;
    }
    let message = "it lets principals decrypt who are not named; list the readers' roles instead";
    Some((Severity::Warning, "open-decrypt", message.into()))
}

fn legacy_accounts(statement: &Statement) -> Option<(Severity, &'static str, String)> {
    let set = statement.principal().filter(|set| !set.negated)?;
    let legacy = set.entries.iter().find_map(|entry| match entry {
        PrincipalEntry::Aws(value) => LEGACY_ACCOUNTS
            .iter()
            .find(|id| **id == root_as_account(value)),
        _ => None,
    })?;
    let message = format!(
        "account {legacy} is how CloudTrail delivered from one Region before it had a service principal; \
         {CLOUDTRAIL} covers all Regions"
    );
    Some((Severity::Warning, "legacy-accounts", message))
}

/// A trail of another account may share the bucket, so this is an error only if no statement names the right account.
fn source_arn_accounts(policy: &Policy, trail_account: &str) -> Vec<Lint> {
    let mut foreign = Vec::new();
    let mut right = false;
    for (index, statement) in policy.statements.iter().enumerate() {
        let conditions = statement.conditions().iter();
        let named: Vec<&str> = conditions
            .filter(|c| {
                grants_to_cloudtrail(statement) && c.key.eq_ignore_ascii_case("aws:SourceArn")
            })
            .flat_map(|c| c.values.iter().filter_map(|arn| account_of(arn)))
            .collect();
        match named
            .iter()
            .any(|account| matches_account(account, trail_account))
        {
            true => right = true,
            false if !named.is_empty() => foreign.push((index, statement, named.join(", "))),
            false => {}
        }
    }
    let severity = if right {
        Severity::Warning
    } else {
        Severity::Error
    };
    let lint = |(index, statement, accounts)| Lint {
        severity,
        rule: "source-arn-account",
        statement: Some(name(index, statement)),
        message: format!(
            "aws:SourceArn names trails of {accounts}; the trail is in account {trail_account}"
        ),
    };
    foreign.into_iter().map(lint).collect()
}

fn matches_account(pattern: &str, account: &str) -> bool {
    let reading = Reading {
        wildcards: true,
        variables: false,
    };
    matches(pattern, account, reading) == Some(true)
}

fn denies_plain_http(statement: &Statement) -> bool {
    let plain = |operator: &str| operator.to_ascii_lowercase().starts_with("bool");
    statement.effect() == Effect::Deny
        && statement
            .principal()
            .is_some_and(|set| set.entries == [PrincipalEntry::Everyone])
        && statement.conditions().iter().any(|c| {
            plain(&c.operator)
                && c.key.eq_ignore_ascii_case("aws:SecureTransport")
                && c.values
                    .iter()
                    .any(|value| value.eq_ignore_ascii_case("false"))
        })
}

fn allows_everyone(statement: &Statement) -> bool {
    let everyone = statement
        .principal()
        .is_some_and(|set| set.negated || set.entries.contains(&PrincipalEntry::Everyone));
    statement.effect() == Effect::Allow && everyone
}

fn grants_to_cloudtrail(statement: &Statement) -> bool {
    let named = statement.principal().is_some_and(|set| {
        !set.negated
            && set.entries.iter().any(|entry| match entry {
                PrincipalEntry::Service(name) => name.eq_ignore_ascii_case(CLOUDTRAIL),
                _ => false,
            })
    });
    statement.effect() == Effect::Allow && named
}

fn covers_action(statement: &Statement, action: &str) -> bool {
    let reading = Reading {
        wildcards: true,
        variables: false,
    };
    let covers = |pattern: &String| {
        matches(
            &pattern.to_ascii_lowercase(),
            &action.to_ascii_lowercase(),
            reading,
        ) == Some(true)
    };
    statement.action().values.iter().any(covers) != statement.action().negated
}

fn has_key(statement: &Statement, keys: &[&str]) -> bool {
    let mut conditions = statement.conditions().iter();
    conditions.any(|c| keys.iter().any(|key| c.key.eq_ignore_ascii_case(key)))
}

fn name(index: usize, statement: &Statement) -> String {
    let sid = statement.sid().map(str::to_owned);
    StatementRef { index, sid }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(lints: &[Lint]) -> Vec<&str> {
        lints.iter().map(|lint| lint.rule).collect()
    }

    fn bucket(statement: &str) -> Vec<Lint> {
        let tls = r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#;
        let policy =
            Policy::parse(&format!(r#"{{"Statement":[{statement},{tls}]}}"#)).expect("valid");
        lint_bucket_policy(&policy, "111122223333")
    }

    fn write(condition: &str) -> String {
        format!(
            r#"{{"Sid":"W","Effect":"Allow","Principal":{{"Service":"cloudtrail.amazonaws.com"}},"Action":"s3:PutObject","Resource":"*","Condition":{condition}}}"#
        )
    }

    #[test]
    fn bucket_rules() {
        let good = r#"{"StringEquals":{"aws:SourceArn":"arn:aws:cloudtrail:us-east-1:111122223333:trail/t"}}"#;
        assert_eq!(rules(&bucket(&write(good))), [""; 0]);
        assert_eq!(rules(&bucket(&write("{}"))), ["source-arn-missing"]);
        let wildcard = good.replace("us-east-1", "*");
        assert_eq!(rules(&bucket(&write(&wildcard))), ["literal-wildcard"]);
        let member = good.replace("111122223333", "999999999999");
        let lints = bucket(&write(&member));
        assert_eq!(
            (rules(&lints), lints[0].severity),
            (vec!["source-arn-account"], Severity::Error)
        );
        let lints = bucket(&format!("{},{}", write(good), write(&member)));
        assert_eq!(
            (rules(&lints), lints[0].severity),
            (vec!["source-arn-account"], Severity::Warning)
        );
        let open = r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}"#;
        assert_eq!(rules(&bucket(open)), ["open-principal"]);
        let legacy = open.replace(
            r#""*","Action""#,
            r#"{"AWS":"arn:aws:iam::086441151436:root"},"Action""#,
        );
        assert_eq!(rules(&bucket(&legacy)), ["legacy-accounts"]);
        let size = open.replace("s3:GetObject", &"x".repeat(20_500));
        assert_eq!(rules(&bucket(&size)), ["policy-size", "open-principal"]);
        let none = Policy::new(Vec::new());
        assert_eq!(
            rules(&lint_bucket_policy(&none, "1")),
            ["insecure-transport"]
        );
    }

    #[test]
    fn key_rules() {
        let open = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"1"}}}}"#;
        let policy = Policy::parse(open).expect("valid");
        assert_eq!(
            rules(&lint_key_policy(&policy, "1", true)),
            ["open-decrypt", "bucket-key-decrypt"]
        );
        assert_eq!(
            rules(&lint_key_policy(&policy, "1", false)),
            ["open-decrypt"]
        );
    }
}
