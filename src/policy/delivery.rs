//! The questions of a delivery: may CloudTrail write, encrypt and announce?
//!
//! What it needs:
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html>,
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html>.

use super::amend;
use super::calls::{Call, LEGACY_ACCOUNTS, Source, region_of};
use super::document::{Policy, PrincipalEntry, Statement};
use super::evaluate::{Decision, StatementRef};
use super::meaning::root_as_account;
use super::proof::{Holds, Proof, worst};
use super::templates::{
    BucketGrant, KeyGrant, TopicGrant, TrailGrant, bucket_statements, key_prefix, key_statements,
    topic_statements,
};

/// A trail and the policies its files and notices have to pass.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    pub partition: &'a str,
    pub trail_arn: &'a str,
    /// The account in the trail's ARN: for organization trails always the management account.
    pub trail_account: &'a str,
    /// Set for organization trails.
    pub organization_id: Option<&'a str>,
    pub bucket: &'a str,
    pub bucket_account: &'a str,
    pub prefix: Option<&'a str>,
    /// `None` if the bucket has no policy.
    pub bucket_policy: Option<&'a Policy>,
    /// The trail's key, or the key of the bucket's default encryption.
    pub key: Option<KeyUse<'a>>,
    pub topic: Option<TopicUse<'a>>,
    pub sse: Sse,
    /// What the trail writes; plain log files if empty.
    pub files: &'a [LogFiles],
}

#[derive(Debug, Clone, Copy)]
pub struct KeyUse<'a> {
    pub arn: &'a str,
    pub account: &'a str,
    pub policy: &'a Policy,
    /// Whether the bucket uses an S3 Bucket Key.
    pub bucket_key: bool,
    pub region: &'a str,
    pub bucket_region: &'a str,
}

#[derive(Debug, Clone, Copy)]
pub struct TopicUse<'a> {
    pub arn: &'a str,
    pub policy: &'a Policy,
}

/// Who asks S3 for encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sse {
    /// The trail names a key, so each write carries it.
    TrailKey,
    /// The trail names none: writes carry no encryption header and the bucket's default applies.
    BucketDefault,
}

/// The kinds of files below an account's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFiles {
    Events,
    Digests,
    Insights,
    NetworkActivity,
    Aggregated,
}

impl LogFiles {
    fn folder(self) -> &'static str {
        match self {
            LogFiles::Events => "CloudTrail",
            LogFiles::Digests => "CloudTrail-Digest",
            LogFiles::Insights => "CloudTrail-Insight",
            LogFiles::NetworkActivity => "CloudTrail-NetworkActivity",
            LogFiles::Aggregated => "CloudTrail-Aggregated",
        }
    }
}

/// Any account that is not the trail's own: a member's files must pass as well.
const A_MEMBER: &str = "000000000000";

/// Every question that must hold before CloudTrail is told to deliver.
pub fn prove_delivery(delivery: &Delivery<'_>) -> Vec<Proof> {
    let mut proofs = vec![delivery.prove_acl(), delivery.prove_write()];
    if let Some(key) = &delivery.key {
        proofs.push(key.prove_region());
        proofs.push(delivery.prove_encrypt(key));
        proofs.push(delivery.prove_describe(key));
        if key.bucket_key {
            proofs.push(delivery.prove_decrypt(key));
        }
    }
    if let Some(topic) = &delivery.topic {
        proofs.push(delivery.prove_publish(topic));
    }
    proofs
}

impl Delivery<'_> {
    fn source(&self) -> Source<'_> {
        Source {
            trail_arn: self.trail_arn,
            trail_account: self.trail_account,
            organization_id: self.organization_id,
        }
    }

    fn grant(&self) -> TrailGrant {
        TrailGrant {
            arn: self.trail_arn.into(),
            account: self.trail_account.into(),
            organization_id: self.organization_id.map(Into::into),
            prefix: self.prefix.map(Into::into),
        }
    }

    fn bucket_fix(&self, sid: &str) -> Option<String> {
        let grant = BucketGrant {
            partition: self.partition,
            bucket: self.bucket,
            trails: &[self.grant()],
        };
        amend::add(&bucket_statements(&grant), sid)
    }

    fn key_fix(&self, key: &KeyUse<'_>, sid: &str) -> Option<String> {
        let grant = KeyGrant {
            partition: self.partition,
            account: key.account,
            trails: &[self.grant()],
            readers: &[],
            bucket_key: true,
        };
        amend::add(&key_statements(&grant), sid)
    }

    fn bucket_arn(&self) -> String {
        format!("arn:{}:s3:::{}", self.partition, self.bucket)
    }

    fn prove_acl(&self) -> Proof {
        let question = format!("CloudTrail can read the ACL of s3://{}", self.bucket);
        let call = Call::by_cloudtrail(self.source(), "s3:GetBucketAcl", &self.bucket_arn())
            .on_bucket_of(self.bucket_account)
            .without("s3:x-amz-acl")
            .without("s3:x-amz-server-side-encryption")
            .without("s3:x-amz-server-side-encryption-aws-kms-key-id");
        self.prove_on_bucket(question, &call, "OrgTrailAclCheck")
    }

    fn prove_write(&self) -> Proof {
        let (logs, owner, sid) = match self.organization_id {
            Some(id) => ("organization logs", id, "OrgTrailOrganizationWrite"),
            None => ("logs", self.trail_account, "OrgTrailWrite"),
        };
        let folder = format!("{}AWSLogs/{owner}/", key_prefix(self.prefix));
        let question = format!(
            "CloudTrail can write {logs} to s3://{}/{folder}",
            self.bucket
        );
        let proofs = self.samples(&folder).map(|(shown, key)| {
            let (shown, arn) = (
                format!("{}/{shown}", self.bucket_arn()),
                format!("{}/{key}", self.bucket_arn()),
            );
            let mut proof = self.prove_on_bucket(question.clone(), &self.put_object(&arn), sid);
            proof.why = proof.why.replace(&arn, &shown);
            proof
        });
        worst(proofs.collect::<Vec<_>>())
            .unwrap_or_else(|| Proof::malformed(question, self.trail_arn))
    }

    /// One object of each kind for the trail's account and for a member, with the form in which people are shown it.
    fn samples(&self, folder: &str) -> impl Iterator<Item = (String, String)> {
        let region = region_of(self.trail_arn).unwrap_or("us-east-1").to_owned();
        let mut accounts = vec![(self.trail_account.to_owned(), folder.to_owned())];
        if self.organization_id.is_some() {
            accounts = vec![
                (
                    self.trail_account.to_owned(),
                    format!("{folder}{}/", self.trail_account),
                ),
                (A_MEMBER.to_owned(), format!("{folder}{A_MEMBER}/")),
            ];
        }
        let kinds = match self.files {
            [] => vec![LogFiles::Events],
            files => files.to_vec(),
        };
        accounts.into_iter().flat_map(move |(account, folder)| {
            let region = region.clone();
            kinds.clone().into_iter().map(move |kind| {
                let kind = kind.folder();
                let shown = format!("{folder}{kind}/{region}/…");
                let name =
                    format!("{account}_{kind}_{region}_20260101T0000Z_0123456789abcdef.json.gz");
                (shown, format!("{folder}{kind}/{region}/2026/01/01/{name}"))
            })
        })
    }

    fn put_object(&self, arn: &str) -> Call {
        let call = Call::by_cloudtrail(self.source(), "s3:PutObject", arn)
            .on_bucket_of(self.bucket_account)
            .with("s3:x-amz-acl", "bucket-owner-full-control");
        match (self.sse, &self.key) {
            (Sse::TrailKey, key) => {
                let call = call.with("s3:x-amz-server-side-encryption", "aws:kms");
                match key {
                    Some(key) => {
                        call.with("s3:x-amz-server-side-encryption-aws-kms-key-id", key.arn)
                    }
                    None => call,
                }
            }
            (Sse::BucketDefault, _) => call
                .without("s3:x-amz-server-side-encryption")
                .without("s3:x-amz-server-side-encryption-aws-kms-key-id"),
        }
    }

    fn prove_on_bucket(&self, question: String, call: &Call, sid: &str) -> Proof {
        let fix = || self.bucket_fix(sid);
        let Some(policy) = self.bucket_policy else {
            return Proof {
                question,
                holds: Holds::No,
                statement: None,
                why: format!("s3://{} has no policy", self.bucket),
                fix: fix(),
            };
        };
        let decision = call.decide(policy);
        if let Decision::NotAllowed { .. } = decision
            && let Some((account, statement)) = allowed_to_legacy_account(policy, call)
        {
            return Proof {
                question,
                holds: Holds::Unknown,
                why: format!(
                    "{statement} names account {account}, with which CloudTrail delivered from one Region before it \
                     had a service principal; newer Regions are not covered"
                ),
                statement: Some(statement.to_string()),
                fix: fix(),
            };
        }
        Proof::of(question, policy, &decision, fix)
    }

    fn encrypting(&self, key: &KeyUse<'_>, action: &str) -> Call {
        let call = Call::by_cloudtrail(self.source(), action, key.arn)
            .with("aws:ResourceAccount", key.account);
        let call = match self.sse {
            Sse::TrailKey => call.in_context_of(self.trail_arn),
            // AWS does not document the encryption context where the bucket, not the trail, asks for the key.
            Sse::BucketDefault => call,
        };
        match key.bucket_key {
            // With a Bucket Key the context names the bucket instead of the object.
            true => call.with("kms:EncryptionContext:aws:s3:arn", &self.bucket_arn()),
            false => call,
        }
    }

    fn prove_encrypt(&self, key: &KeyUse<'_>) -> Proof {
        let question = format!(
            "CloudTrail can encrypt log files with {} (kms:GenerateDataKey)",
            key.arn
        );
        let call = self.encrypting(key, "kms:GenerateDataKey");
        let fix = || self.key_fix(key, "OrgTrailEncryptLogs");
        Proof::of(question, key.policy, &call.decide(key.policy), fix)
    }

    fn prove_describe(&self, key: &KeyUse<'_>) -> Proof {
        let question = format!("CloudTrail can describe {} (kms:DescribeKey)", key.arn);
        let call = Call::by_cloudtrail(self.source(), "kms:DescribeKey", key.arn)
            .with("aws:ResourceAccount", key.account)
            .without("kms:EncryptionContext:*")
            .without("kms:EncryptionContextKeys");
        let fix = || self.key_fix(key, "OrgTrailDescribeKey");
        Proof::of(question, key.policy, &call.decide(key.policy), fix)
    }

    /// AWS documents this grant without conditions, and not which keys the call carries.
    fn prove_decrypt(&self, key: &KeyUse<'_>) -> Proof {
        let question = format!(
            "CloudTrail can decrypt with {} for the S3 Bucket Key (kms:Decrypt)",
            key.arn
        );
        let call = self
            .encrypting(key, "kms:Decrypt")
            .unknown("aws:SourceArn")
            .unknown("aws:SourceAccount")
            .unknown("aws:SourceOrgID");
        let fix = || self.key_fix(key, "OrgTrailDecryptForBucketKey");
        Proof::of(question, key.policy, &call.decide(key.policy), fix)
    }

    fn prove_publish(&self, topic: &TopicUse<'_>) -> Proof {
        let question = format!("CloudTrail can announce new files on {}", topic.arn);
        let call = Call::by_cloudtrail(self.source(), "sns:Publish", topic.arn);
        let fix = || {
            let grant = TopicGrant {
                arn: topic.arn,
                trails: &[self.grant()],
            };
            amend::add(&topic_statements(&grant), "OrgTrailPublish")
        };
        // SNS gives new topics a statement for all principals, bound to the owner by AWS:SourceOwner, which only
        // calls by the owner's principals carry.
        let call = call.without("aws:SourceOwner");
        Proof::of(question, topic.policy, &call.decide(topic.policy), fix)
    }
}

impl KeyUse<'_> {
    /// CloudTrail answers KmsKeyNotFoundException otherwise.
    fn prove_region(&self) -> Proof {
        let same = self.region == self.bucket_region;
        Proof {
            question: format!("{} is in the Region of the bucket", self.arn),
            holds: if same { Holds::Yes } else { Holds::No },
            statement: None,
            why: format!(
                "the key is in {}, the bucket in {}",
                self.region, self.bucket_region
            ),
            fix: (!same).then(|| {
                format!(
                    "name a key in {}: a new one, or a replica if this is a multi-Region key",
                    self.bucket_region
                )
            }),
        }
    }
}

fn allowed_to_legacy_account(policy: &Policy, call: &Call) -> Option<(&'static str, StatementRef)> {
    let named = |account: &str| {
        let sets = policy.statements.iter().filter_map(Statement::principal);
        sets.flat_map(|set| &set.entries).any(|entry| match entry {
            PrincipalEntry::Aws(value) => root_as_account(value) == account,
            _ => false,
        })
    };
    let mut candidates = LEGACY_ACCOUNTS.into_iter().filter(|account| named(account));
    candidates.find_map(
        |account| match call.as_legacy_account(account).decide(policy) {
            Decision::Allowed { statement } => Some((account, statement)),
            _ => None,
        },
    )
}
