//! The questions a plan asks of policies, each with the statement that decides it and the change that would help.
//!
//! What CloudTrail needs:
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html>,
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html>.

use super::calls::{Call, TRAIL_CONTEXT, account_of, region_of};
use super::document::{Effect, Policy, Statement};
use super::evaluate::{Decision, Principal, StatementRef};
use super::templates::{KeyGrant, TrailGrant, key_statements};
use super::{amend, principal};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    Yes,
    /// It hangs on something that cannot be known before the call.
    Unknown,
    No,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// "CloudTrail can write organization logs to s3://acme-org-trail-logs/AWSLogs/o-a1b2c3d4e5/"
    pub question: String,
    pub holds: Holds,
    /// The Sid, or else the position, of the deciding statement.
    pub statement: Option<String>,
    pub why: String,
    /// The change that would make it hold.
    pub fix: Option<String>,
}

/// Whether the key policy lets a reader decrypt the logs of these trails.
pub fn prove_reader(
    key_arn: &str,
    key_policy: &Policy,
    reader_arn: &str,
    trail_arns: &[&str],
) -> Proof {
    let question = format!("the policy of {key_arn} lets {reader_arn} decrypt logs");
    let Some(call) = Call::by_principal(reader_arn, "kms:Decrypt", key_arn) else {
        return Proof::malformed(question, reader_arn);
    };
    // Log files are decrypted by S3 on behalf of whoever gets the object.
    // The name of S3 in China is not documented for this key, so there it stays unknown.
    let call = match region_of(key_arn).filter(|region| !region.starts_with("cn-")) {
        Some(region) => call.with("kms:ViaService", &format!("s3.{region}.amazonaws.com")),
        None => call,
    };
    let fix = || {
        amend::add(
            &reader_statements(key_arn, reader_arn, trail_arns),
            "OrgTrailReaders",
        )
    };
    let proofs = trail_arns.iter().map(|trail| {
        let call = call.in_context_of(trail);
        let mut proof = Proof::of(question.clone(), key_policy, &call.decide(key_policy), fix);
        if proof.holds == Holds::Yes {
            proof.why += hint_on_own_policies(&call, key_policy, key_arn);
        } else {
            proof.why = format!("{} (for {trail})", proof.why);
        }
        proof
    });
    worst(proofs)
        .unwrap_or_else(|| Proof::of(question.clone(), key_policy, &call.decide(key_policy), fix))
}

/// Who keeps `kms:PutKeyPolicy` under this policy: the caller itself, or the root of the key's account, which can hand
/// it out. Without either, only AWS Support can change the key again.
/// <https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html>
pub fn prove_owner_keeps_put_key_policy(
    key_policy: &Policy,
    caller_arn: &str,
    account: &str,
) -> Proof {
    let question =
        format!("{caller_arn} or the root of account {account} can still change the key policy");
    let partition = caller_arn.split(':').nth(1).unwrap_or("aws");
    let root = format!("arn:{partition}:iam::{account}:root");
    let fix = || {
        let grant = KeyGrant {
            partition,
            account,
            trails: &[],
            readers: &[],
            bucket_key: false,
        };
        amend::add(&key_statements(&grant), "OrgTrailOwner")
    };
    let proofs = [caller_arn, &root].map(|arn| {
        let call = Call::by_principal(arn, "kms:PutKeyPolicy", "*")?;
        let call = call
            .with("kms:BypassPolicyLockoutSafetyCheck", "false")
            .without(&format!("{TRAIL_CONTEXT}*"))
            .without("kms:ViaService");
        let mut proof = Proof::of(question.clone(), key_policy, &call.decide(key_policy), fix);
        proof.why = format!("for {arn}: {}", proof.why);
        Some(proof)
    });
    let best = proofs.into_iter().flatten().min_by_key(|proof| proof.holds);
    best.unwrap_or_else(|| Proof::malformed(question, caller_arn))
}

/// Whether a service control policy leaves a principal free to make these calls, given as action and resource.
///
/// Only Deny statements count: what an organization allows at all is not in one policy.
pub fn prove_scp_spares(scp: &Policy, principal_arn: &str, calls: &[(&str, &str)]) -> Proof {
    let question = format!("the service control policy leaves {principal_arn} free to act");
    let free = Proof {
        question: question.clone(),
        holds: Holds::Yes,
        statement: None,
        why: "no Deny statement catches its calls".into(),
        fix: None,
    };
    let refusals = calls.iter().map(|(action, resource)| {
        let Some(call) = Call::by_principal(principal_arn, action, resource) else {
            return Proof::malformed(question.clone(), principal_arn);
        };
        let decision = call.decide(&with_everything_allowed(scp));
        match decision {
            Decision::Allowed { .. } | Decision::NotAllowed { .. } => free.clone(),
            refusal => {
                let mut proof = Proof::of(question.clone(), scp, &refusal, || None);
                let name = proof.statement.clone().unwrap_or_default();
                proof.fix = Some(format!(
                    "exempt {principal_arn} from {name} (ArnNotLike aws:PrincipalArn)"
                ));
                proof
            }
        }
    });
    worst(refusals).unwrap_or(free.clone())
}

/// A doubtful Deny shows only against an Allow. It goes last, so that the numbers of the others stay.
fn with_everything_allowed(scp: &Policy) -> Policy {
    let mut policy = scp.clone();
    let json = serde_json::json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    policy.statements.extend(Statement::from_json(json));
    policy
}

impl Proof {
    pub(super) fn of(
        question: String,
        policy: &Policy,
        decision: &Decision,
        fix: impl Fn() -> Option<String>,
    ) -> Self {
        let (holds, statement, why) = match decision {
            Decision::Allowed { statement } => (
                Holds::Yes,
                Some(statement),
                format!("{statement} allows it"),
            ),
            Decision::Denied { statement, why } => (
                Holds::No,
                Some(statement),
                format!("{statement} denies it: {why}"),
            ),
            Decision::Undecided { statement, why } => (
                Holds::Unknown,
                Some(statement),
                format!("{statement}: {why}"),
            ),
            Decision::NotAllowed { near } => {
                let whys: Vec<String> = near
                    .iter()
                    .map(|n| format!("{}: {}", n.statement, n.why))
                    .collect();
                let why = match whys.is_empty() {
                    true => "no statement comes near to allowing it".into(),
                    false => format!("no statement allows it; {}", whys.join(" | ")),
                };
                (Holds::No, near.first().map(|n| &n.statement), why)
            }
        };
        let deny = statement.and_then(|found| deny_at(policy, found));
        let fix = match (holds, deny) {
            (Holds::Yes, _) => None,
            (_, Some((name, deny))) => amend::exempt_services(&name, deny),
            _ => fix(),
        };
        Proof {
            question,
            holds,
            statement: statement.map(ToString::to_string),
            why,
            fix,
        }
    }

    pub(super) fn malformed(question: String, arn: &str) -> Self {
        Proof {
            question,
            holds: Holds::Unknown,
            statement: None,
            why: format!("{arn} is not the ARN of anybody in an account"),
            fix: None,
        }
    }
}

fn deny_at<'a>(policy: &'a Policy, found: &StatementRef) -> Option<(String, &'a Statement)> {
    let statement = policy.statements.get(found.index)?;
    (statement.effect() == Effect::Deny).then(|| (found.to_string(), statement))
}

/// The first of those that hold least.
pub(super) fn worst(proofs: impl IntoIterator<Item = Proof>) -> Option<Proof> {
    proofs.into_iter().reduce(|worst, next| {
        if next.holds > worst.holds {
            next
        } else {
            worst
        }
    })
}

fn reader_statements(key_arn: &str, reader_arn: &str, trail_arns: &[&str]) -> Vec<Statement> {
    let trails: Vec<TrailGrant> = trail_arns
        .iter()
        .map(|arn| TrailGrant {
            arn: (*arn).into(),
            account: account_of(arn).unwrap_or_default().into(),
            organization_id: None,
            prefix: None,
        })
        .collect();
    key_statements(&KeyGrant {
        partition: key_arn.split(':').nth(1).unwrap_or("aws"),
        account: account_of(key_arn).unwrap_or_default(),
        trails: &trails,
        readers: &[reader_arn.into()],
        bucket_key: false,
    })
}

/// A key policy is enough only for principals of its own account that it names.
/// <https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html>
fn hint_on_own_policies(call: &Call, policy: &Policy, key_arn: &str) -> &'static str {
    let Principal::Aws { account, .. } = &call.request.principal else {
        return "";
    };
    if account_of(key_arn) != Some(account) {
        return "; as it is in another account, its own IAM policies must allow kms:Decrypt too";
    }
    let Decision::Allowed { statement } = call.decide(policy) else {
        return "";
    };
    let named = policy
        .statements
        .get(statement.index)
        .and_then(Statement::principal);
    match named.is_some_and(|set| principal::only_by_account(set, &call.request.principal)) {
        true => "; as only its account is named, its own IAM policies must allow kms:Decrypt too",
        false => "",
    }
}
