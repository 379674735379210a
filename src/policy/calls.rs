//! What is known, before they happen, of the calls that a trail leads to.
//!
//! Keys: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html>,
//! <https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html>.

use super::document::Policy;
use super::evaluate::{Decision, Principal, Request, StatementRef, decide};
use super::principal::role_of_session;

pub(super) const CLOUDTRAIL: &str = "cloudtrail.amazonaws.com";

/// The encryption context with which CloudTrail encrypts log files.
pub(super) const TRAIL_CONTEXT: &str = "kms:EncryptionContext:aws:cloudtrail:arn";

/// The accounts from which CloudTrail delivered, one per Region, before it had a service principal. Old bucket policies
/// still list them; Regions opened later have none.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html>
pub(super) const LEGACY_ACCOUNTS: [&str; 23] = [
    "034638983726",
    "035351147821",
    "086441151436",
    "113285607260",
    "119688915426",
    "193415116832",
    "216624486486",
    "262312530599",
    "282025262664",
    "284668455005",
    "388731089494",
    "475085895292",
    "492519147666",
    "608710470296",
    "669305197877",
    "681348832753",
    "765225791966",
    "814480443879",
    "819402241893",
    "829690693026",
    "859597730677",
    "903692715234",
    "977081816279",
];

/// A service calling with its own principal is no principal of any account or organization, signs in without MFA and
/// does not come through anybody's VPC.
const ABSENT_FOR_SERVICES: [&str; 18] = [
    "aws:CalledVia",
    "aws:CalledViaFirst",
    "aws:CalledViaLast",
    "aws:FederatedProvider",
    "aws:MultiFactorAuthAge",
    "aws:MultiFactorAuthPresent",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:PrincipalTag/*",
    "aws:SourceIdentity",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:SourceVpcArn",
    "aws:VpcSourceIp",
    "aws:userid",
    "aws:username",
];

/// A request and the keys of which only the possible values are known.
pub(super) struct Call {
    pub(super) request: Request,
    maybes: Vec<Maybe>,
}

#[derive(Clone)]
struct Maybe {
    key: &'static str,
    /// Each a possible value list; empty stands for absent.
    alternatives: Vec<Vec<String>>,
    why: &'static str,
}

/// The trail on whose behalf CloudTrail calls.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) trail_arn: &'a str,
    pub(super) trail_account: &'a str,
    pub(super) organization_id: Option<&'a str>,
}

impl Call {
    /// CloudTrail, with its service principal, for a trail.
    pub(super) fn by_cloudtrail(source: Source<'_>, action: &str, resource: &str) -> Self {
        let principal = Principal::Service(CLOUDTRAIL.into());
        let mut request = Request::new(principal, action, resource)
            .with("aws:PrincipalIsAWSService", "true")
            .with("aws:PrincipalServiceName", CLOUDTRAIL)
            .with("aws:SecureTransport", "true")
            .with("aws:ViaAWSService", "false")
            .with("aws:SourceArn", source.trail_arn)
            .with("aws:SourceAccount", source.trail_account);
        for key in ABSENT_FOR_SERVICES {
            request = request.without(key);
        }
        let mut maybes = Vec::new();
        if let Some(id) = source.organization_id {
            maybes.push(Maybe {
                key: "aws:SourceOrgID",
                alternatives: vec![vec![id.into()], Vec::new()],
                why: "AWS does not document that CloudTrail sends aws:SourceOrgID",
            });
        }
        Call { request, maybes }
    }

    /// A user, role or session of an account. `None` if the ARN names no account.
    pub(super) fn by_principal(arn: &str, action: &str, resource: &str) -> Option<Self> {
        let account = account_of(arn)?;
        let principal = Principal::Aws {
            arn: arn.into(),
            account: account.into(),
        };
        let mut request = Request::new(principal, action, resource)
            .with("aws:PrincipalAccount", account)
            .with("aws:PrincipalIsAWSService", "false")
            .with("aws:SecureTransport", "true")
            .with("kms:CallerAccount", account)
            .without("aws:PrincipalServiceName")
            .without("aws:SourceAccount")
            .without("aws:SourceArn")
            .without("aws:SourceOrgID");
        let mut maybes = Vec::new();
        match role_of_session(arn) {
            None => request = request.with("aws:PrincipalArn", arn),
            Some(role) => maybes.push(Maybe {
                key: "aws:PrincipalArn",
                alternatives: vec![vec![role.clone()], vec![role.replacen(":role/", ":role/path/", 1)]],
                why: "the path of the role is not in the ARN of its session, only in the role's own",
            }),
        }
        Some(Call { request, maybes })
    }

    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.request = self.request.with(key, value);
        self
    }

    pub(super) fn without(mut self, key: &str) -> Self {
        self.request = self.request.without(key);
        self
    }

    /// Conditions on this key stay undecided.
    pub(super) fn unknown(mut self, key: &str) -> Self {
        self.request.context.remove(key);
        self.maybes.retain(|maybe| maybe.key != key);
        self
    }

    /// With the encryption context that CloudTrail gives the files of this trail.
    pub(super) fn in_context_of(&self, trail_arn: &str) -> Self {
        let mut call = Call {
            request: self.request.clone().with(TRAIL_CONTEXT, trail_arn),
            maybes: self.maybes.clone(),
        };
        let keys = vec!["aws:cloudtrail:arn".to_owned(), "aws:s3:arn".to_owned()];
        call.request
            .context
            .insert("kms:EncryptionContextKeys".into(), keys);
        call
    }

    /// The same call as it came before CloudTrail had a service principal.
    pub(super) fn as_legacy_account(&self, account: &str) -> Self {
        let mut request = self.request.clone();
        request.principal = Principal::Aws {
            arn: format!("arn:aws:iam::{account}:root"),
            account: account.into(),
        };
        let maybes = self.maybes.clone();
        Call { request, maybes }
    }

    /// The S3 endpoints speak TLS 1.2 and 1.3 only.
    pub(super) fn on_bucket_of(mut self, bucket_account: &str) -> Self {
        self.maybes.push(Maybe {
            key: "s3:TlsVersion",
            alternatives: vec![vec!["1.2".into()], vec!["1.3".into()]],
            why: "the TLS version of the call may be 1.2 or 1.3",
        });
        self.with("aws:ResourceAccount", bucket_account)
            .with("s3:ResourceAccount", bucket_account)
            .without("s3:AccessPointNetworkOrigin")
            .without("s3:DataAccessPointAccount")
            .without("s3:DataAccessPointArn")
    }

    /// One decision if all possible values lead to it.
    pub(super) fn decide(&self, policy: &Policy) -> Decision {
        let mut decisions = self
            .variants()
            .into_iter()
            .map(|request| decide(policy, &request));
        let Some(first) = decisions.next() else {
            return decide(policy, &self.request);
        };
        for other in decisions {
            if std::mem::discriminant(&other) != std::mem::discriminant(&first) {
                return self.open(policy, first, other);
            }
        }
        first
    }

    fn variants(&self) -> Vec<Request> {
        let mut requests = vec![self.request.clone()];
        for maybe in &self.maybes {
            requests = requests
                .iter()
                .flat_map(|request| {
                    maybe.alternatives.iter().map(|values| {
                        let mut request = request.clone();
                        request.context.insert(maybe.key.into(), values.clone());
                        request
                    })
                })
                .collect();
        }
        requests
    }

    /// Two values of one key lead to different decisions: name the statement that makes the difference.
    fn open(&self, policy: &Policy, first: Decision, other: Decision) -> Decision {
        let reasons: Vec<&str> = self
            .maybes
            .iter()
            .filter(|maybe| mentions(policy, maybe.key))
            .map(|maybe| maybe.why)
            .collect();
        let reasons = reasons.join("; ");
        let refusal = match first {
            Decision::Allowed { .. } => other,
            refusal => refusal,
        };
        let (statement, why) = match refusal {
            Decision::Allowed { statement } => (statement, String::new()),
            Decision::Denied { statement, why } | Decision::Undecided { statement, why } => {
                (statement, why)
            }
            Decision::NotAllowed { near } => match near.into_iter().next() {
                Some(near) => (near.statement, near.why),
                None => (
                    StatementRef {
                        index: 0,
                        sid: None,
                    },
                    String::new(),
                ),
            },
        };
        let why = format!("{reasons} (if not as wanted: {why})");
        Decision::Undecided { statement, why }
    }
}

fn mentions(policy: &Policy, key: &str) -> bool {
    let mut conditions = policy.statements.iter().flat_map(|s| s.conditions());
    conditions.any(|condition| condition.key.eq_ignore_ascii_case(key))
}

/// The account in an ARN.
pub(super) fn account_of(arn: &str) -> Option<&str> {
    arn_part(arn, 4)
}

/// The Region in an ARN.
pub(super) fn region_of(arn: &str) -> Option<&str> {
    arn_part(arn, 3)
}

fn arn_part(arn: &str, index: usize) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.len() == 6 && parts[0] == "arn" {
        true => parts.get(index).copied().filter(|part| !part.is_empty()),
        false => None,
    }
}
