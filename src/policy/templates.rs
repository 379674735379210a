//! The policies orgtrail writes, filled from the documents in `policies/`.
//!
//! The documents follow AWS's own examples:
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html>,
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html>,
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-permissions-for-sns-notifications.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html>.

use super::document::{Policy, Statement};
use super::fill::{Fill, TemplateError, Values, fill};

const BUCKET: &str = include_str!("../../policies/bucket.json");
const ACCESS_LOG_BUCKET: &str = include_str!("../../policies/access_log_bucket.json");
const KMS_KEY: &str = include_str!("../../policies/kms_key.json");
const TOPIC: &str = include_str!("../../policies/topic.json");
const SCP: &str = include_str!("../../policies/scp.json");
const PLAN_MANAGEMENT: &str = include_str!("../../policies/iam_role_plan_management.json");
const PLAN_LOG_ARCHIVE: &str = include_str!("../../policies/iam_role_plan_log_archive.json");
const APPLY_MANAGEMENT: &str = include_str!("../../policies/iam_role_apply_management.json");
const APPLY_LOG_ARCHIVE: &str = include_str!("../../policies/iam_role_apply_log_archive.json");
const COUNT_LOGS: &str = include_str!("../../policies/iam_role_count_logs.json");
const READ_BILL: &str = include_str!("../../policies/iam_role_read_bill.json");

/// One trail, as far as policies speak of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailGrant {
    pub arn: String,
    /// The account in the trail's ARN: for organization trails always the management account.
    pub account: String,
    /// Set for organization trails.
    pub organization_id: Option<String>,
    pub prefix: Option<String>,
}

pub struct BucketGrant<'a> {
    pub partition: &'a str,
    pub bucket: &'a str,
    pub trails: &'a [TrailGrant],
}

pub struct KeyGrant<'a> {
    pub partition: &'a str,
    /// The account that owns the key.
    pub account: &'a str,
    pub trails: &'a [TrailGrant],
    /// ARNs of roles or account roots that may decrypt logs.
    pub readers: &'a [String],
    /// Whether the bucket uses an S3 Bucket Key, for which CloudTrail must be able to decrypt.
    pub bucket_key: bool,
}

pub struct AccessLogGrant<'a> {
    pub partition: &'a str,
    /// The bucket that receives access logs.
    pub bucket: &'a str,
    pub prefix: Option<&'a str>,
    /// The names of the buckets whose accesses are logged.
    pub source_buckets: &'a [String],
    pub source_account: &'a str,
}

pub struct TopicGrant<'a> {
    pub arn: &'a str,
    pub trails: &'a [TrailGrant],
}

/// The statements that let CloudTrail deliver the trails' files to a bucket.
pub fn bucket_statements(grant: &BucketGrant<'_>) -> Vec<Statement> {
    let objects = |owner: &str, prefix: Option<&str>| {
        let prefix = escaped(&key_prefix(prefix));
        format!(
            "arn:{}:s3:::{}/{prefix}AWSLogs/{owner}/*",
            grant.partition, grant.bucket
        )
    };
    let organization: Vec<(&TrailGrant, &str)> = grant
        .trails
        .iter()
        .filter_map(|trail| Some((trail, trail.organization_id.as_deref()?)))
        .collect();
    let values = values([
        ("partition", grant.partition.into()),
        ("bucket", grant.bucket.into()),
        ("trail_arns", trail_arns(grant.trails).into()),
        (
            "account_objects",
            unique(
                grant
                    .trails
                    .iter()
                    .map(|t| objects(&t.account, t.prefix.as_deref())),
            )
            .into(),
        ),
        (
            "organization_trail_arns",
            unique(organization.iter().map(|(trail, _)| trail.arn.clone())).into(),
        ),
        (
            "organization_objects",
            unique(
                organization
                    .iter()
                    .map(|(t, id)| objects(id, t.prefix.as_deref())),
            )
            .into(),
        ),
    ]);
    statements(BUCKET, &values, |sid| match sid {
        "OrgTrailOrganizationWrite" => !organization.is_empty(),
        "OrgTrailAclCheck" | "OrgTrailWrite" => !grant.trails.is_empty(),
        _ => true,
    })
}

/// The statements that let CloudTrail encrypt with a key, readers decrypt, and the owner keep it.
pub fn key_statements(grant: &KeyGrant<'_>) -> Vec<Statement> {
    let trails_of = |trail: &TrailGrant| {
        format!(
            "arn:{}:cloudtrail:*:{}:trail/*",
            grant.partition, trail.account
        )
    };
    let values = values([
        ("partition", grant.partition.into()),
        ("account", grant.account.into()),
        ("trail_arns", trail_arns(grant.trails).into()),
        (
            "trails_of_accounts",
            unique(grant.trails.iter().map(trails_of)).into(),
        ),
        ("readers", unique(grant.readers.iter().cloned()).into()),
    ]);
    statements(KMS_KEY, &values, |sid| match sid {
        "OrgTrailReaders" => !grant.readers.is_empty(),
        "OrgTrailDecryptForBucketKey" => grant.bucket_key && !grant.trails.is_empty(),
        "OrgTrailOwner" => true,
        _ => !grant.trails.is_empty(),
    })
}

/// The statements that let S3 deliver server access logs to a bucket.
pub fn access_log_statements(grant: &AccessLogGrant<'_>) -> Vec<Statement> {
    let sources = grant.source_buckets.iter();
    let arn = |bucket: &String| format!("arn:{}:s3:::{bucket}", grant.partition);
    let values = values([
        ("partition", grant.partition.into()),
        ("bucket", grant.bucket.into()),
        (
            "prefix",
            escaped(grant.prefix.unwrap_or_default()).as_str().into(),
        ),
        ("source_buckets", unique(sources.map(arn)).into()),
        ("source_account", grant.source_account.into()),
    ]);
    statements(ACCESS_LOG_BUCKET, &values, |sid| {
        sid != "OrgTrailAccessLogs" || !grant.source_buckets.is_empty()
    })
}

/// The statement that lets CloudTrail announce new files on a topic.
pub fn topic_statements(grant: &TopicGrant<'_>) -> Vec<Statement> {
    let values = values([
        ("topic_arn", grant.arn.into()),
        ("trail_arns", trail_arns(grant.trails).into()),
    ]);
    statements(TOPIC, &values, |_| !grant.trails.is_empty())
}

/// What a guardrail protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protected {
    Trails,
    /// Event data stores and channels.
    Lake,
    Buckets,
    Keys,
    /// EventBridge rules, topics and log groups named `orgtrail…`.
    Detections,
    /// The exempt roles themselves, roles named `orgtrail-…`, and CloudTrail's service-linked roles.
    Roles,
    /// Membership in the organization.
    Organization,
}

pub struct Guardrail<'a> {
    pub partition: &'a str,
    pub protect: &'a [Protected],
    /// Names or ARN patterns of the roles that stay free to act.
    pub exempt_roles: &'a [String],
    /// Trail names; wildcards are allowed.
    pub trails: &'a [String],
    /// Bucket names.
    pub buckets: &'a [String],
    /// ARNs of keys and of their aliases: alias calls are checked against both.
    pub keys: &'a [String],
}

/// The tamper-protection service control policy.
/// <https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_syntax.html>
pub fn scp(guardrail: &Guardrail<'_>) -> Result<Policy, TemplateError> {
    let partition = guardrail.partition;
    if guardrail.exempt_roles.is_empty() {
        return Err(TemplateError::NoExemptRole);
    }
    let role = |name: &String| match name.starts_with("arn:") {
        true => name.clone(),
        false => format!("arn:{partition}:iam::*:role/{name}"),
    };
    let exempt = unique(guardrail.exempt_roles.iter().map(role));
    let trail = |name: &String| format!("arn:{partition}:cloudtrail:*:*:trail/{name}");
    let bucket = |name: &String| {
        let arn = format!("arn:{partition}:s3:::{name}");
        [format!("{arn}/*"), arn].into_iter().rev()
    };
    let orgtrail_roles = format!("arn:{partition}:iam::*:role/orgtrail-*");
    let values = values([
        ("partition", partition.into()),
        ("trails", unique(guardrail.trails.iter().map(trail)).into()),
        (
            "buckets",
            unique(guardrail.buckets.iter().flat_map(bucket)).into(),
        ),
        ("keys", unique(guardrail.keys.iter().cloned()).into()),
        (
            "roles",
            unique(exempt.iter().cloned().chain([orgtrail_roles])).into(),
        ),
        ("exempt_roles", exempt.into()),
    ]);
    let protects = |what| guardrail.protect.contains(&what);
    Ok(Policy::new(statements(SCP, &values, |sid| match sid {
        "OrgTrailGuardTrail" => protects(Protected::Trails) && !guardrail.trails.is_empty(),
        "OrgTrailGuardLake" => protects(Protected::Lake),
        "OrgTrailGuardBucket" => protects(Protected::Buckets) && !guardrail.buckets.is_empty(),
        "OrgTrailGuardKey" => protects(Protected::Keys) && !guardrail.keys.is_empty(),
        "OrgTrailGuardLeave" => protects(Protected::Organization),
        "OrgTrailGuardIam" | "OrgTrailGuardSlr" => protects(Protected::Roles),
        _ => protects(Protected::Detections),
    })))
}

/// The roles orgtrail runs with. An apply role can also plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IamPolicy {
    PlanManagement,
    PlanLogArchive,
    ApplyManagement,
    ApplyLogArchive,
    CountLogs,
    ReadBill,
}

pub struct IamGrant<'a> {
    pub partition: &'a str,
    /// The account the role lives in.
    pub account: &'a str,
    /// Trail names; empty means every trail of the account.
    pub trails: &'a [String],
    /// Bucket names.
    pub buckets: &'a [String],
    /// Key ARNs; empty means every key of the account, for before the first key exists.
    pub keys: &'a [String],
    /// ARNs of the roles to assume in other accounts.
    pub assume_roles: &'a [String],
    /// ARNs of the roles with which CloudTrail writes to CloudWatch Logs.
    pub logs_roles: &'a [String],
}

/// A role's permissions as an indented JSON document.
///
/// Deleting and stopping trails is in none of them.
pub fn iam_policy(kind: IamPolicy, grant: &IamGrant<'_>) -> String {
    let documents: &[&str] = match kind {
        IamPolicy::PlanManagement => &[PLAN_MANAGEMENT],
        IamPolicy::PlanLogArchive => &[PLAN_LOG_ARCHIVE],
        IamPolicy::ApplyManagement => &[PLAN_MANAGEMENT, APPLY_MANAGEMENT],
        IamPolicy::ApplyLogArchive => &[PLAN_LOG_ARCHIVE, APPLY_LOG_ARCHIVE],
        IamPolicy::CountLogs => &[COUNT_LOGS],
        IamPolicy::ReadBill => &[READ_BILL],
    };
    let values = iam_values(grant);
    let keep = |sid: &str| match sid {
        "OrgTrailPlanMembers" => !grant.assume_roles.is_empty(),
        "OrgTrailApplyPassLogsRole" => !grant.logs_roles.is_empty(),
        "OrgTrailPlanBuckets"
        | "OrgTrailApplyBuckets"
        | "OrgTrailListLogs"
        | "OrgTrailReadLogs" => !grant.buckets.is_empty(),
        "OrgTrailDecryptLogs" => !grant.keys.is_empty(),
        _ => true,
    };
    let all = documents
        .iter()
        .flat_map(|document| statements(document, &values, keep));
    format!("{:#}", Policy::new(all.collect()).to_value())
}

fn iam_values(grant: &IamGrant<'_>) -> Values {
    let IamGrant {
        partition, account, ..
    } = grant;
    let trail = |name: &str| format!("arn:{partition}:cloudtrail:*:{account}:trail/{name}");
    let trails = match grant.trails {
        [] => vec![trail("*")],
        trails => unique(trails.iter().map(|name| trail(name))),
    };
    let keys = match grant.keys {
        [] => vec![format!("arn:{partition}:kms:*:{account}:key/*")],
        keys => unique(keys.iter().cloned()),
    };
    let aliases = format!("arn:{partition}:kms:*:{account}:alias/*");
    // kms:CreateAlias is checked on the alias and on the key, and the key may be one just created.
    let any_key = format!("arn:{partition}:kms:*:{account}:key/*");
    let bucket = |name: &String| format!("arn:{partition}:s3:::{name}");
    values([
        ("partition", (*partition).into()),
        ("account", (*account).into()),
        ("trails", trails.into()),
        ("buckets", unique(grant.buckets.iter().map(bucket)).into()),
        (
            "logs",
            unique(
                grant
                    .buckets
                    .iter()
                    .map(|name| format!("{}/*AWSLogs/*", bucket(name))),
            )
            .into(),
        ),
        // Where apply keeps its lock.
        (
            "locks",
            unique(
                grant
                    .buckets
                    .iter()
                    .map(|name| format!("{}/orgtrail/*.lock", bucket(name))),
            )
            .into(),
        ),
        ("keys", keys.into()),
        ("keys_and_aliases", vec![any_key, aliases].into()),
        (
            "assume_roles",
            unique(grant.assume_roles.iter().cloned()).into(),
        ),
        (
            "logs_roles",
            unique(grant.logs_roles.iter().cloned()).into(),
        ),
    ])
}

/// The folder before `AWSLogs/`: `prefix/` or nothing.
pub(super) fn key_prefix(prefix: Option<&str>) -> String {
    match prefix {
        None | Some("") => String::new(),
        Some(prefix) => format!("{prefix}/"),
    }
}

/// A prefix is plain text, but a Resource is a pattern.
fn escaped(text: &str) -> String {
    text.replace("${", "${$}{")
        .replace('?', "${?}")
        .replace('*', "${*}")
}

fn trail_arns(trails: &[TrailGrant]) -> Vec<String> {
    unique(trails.iter().map(|trail| trail.arn.clone()))
}

/// In the order of first appearance.
fn unique(items: impl Iterator<Item = String>) -> Vec<String> {
    let mut list = Vec::new();
    for item in items {
        if !list.contains(&item) {
            list.push(item);
        }
    }
    list
}

fn values<const N: usize>(values: [(&'static str, Fill); N]) -> Values {
    values.into_iter().collect()
}

/// The statements of a built-in document whose Sid `keep` accepts.
fn statements(template: &str, values: &Values, keep: impl Fn(&str) -> bool) -> Vec<Statement> {
    let policy = fill(template, values).map(Policy::from_json);
    let Ok(Ok(policy)) = policy else {
        // The documents are compiled in and `every_document_fills` tests them; values cannot break their shape.
        unreachable!("a policy template does not fill: {policy:?}");
    };
    let statements = policy.statements.into_iter();
    statements
        .filter(|s| keep(s.sid().unwrap_or_default()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(account: &str, organization_id: Option<&str>, prefix: Option<&str>) -> TrailGrant {
        TrailGrant {
            arn: format!("arn:aws:cloudtrail:us-east-1:{account}:trail/t"),
            account: account.into(),
            organization_id: organization_id.map(Into::into),
            prefix: prefix.map(Into::into),
        }
    }

    fn sids(statements: &[Statement]) -> Vec<&str> {
        statements.iter().filter_map(Statement::sid).collect()
    }

    fn bucket(trails: &[TrailGrant]) -> Vec<Statement> {
        bucket_statements(&BucketGrant {
            partition: "aws",
            bucket: "logs",
            trails,
        })
    }

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn an_organization_statement_only_for_organization_trails() {
        let write = [
            "OrgTrailAclCheck",
            "OrgTrailWrite",
            "OrgTrailDenyInsecureTransport",
        ];
        assert_eq!(sids(&bucket(&[trail("1", None, None)])), write);
        let both = bucket(&[trail("1", Some("o-1"), Some("p")), trail("2", None, None)]);
        assert_eq!(sids(&both).len(), 4);
        let resources = |index: usize| both[index].resource().map(|r| r.values.clone());
        let accounts = list(&[
            "arn:aws:s3:::logs/p/AWSLogs/1/*",
            "arn:aws:s3:::logs/AWSLogs/2/*",
        ]);
        assert_eq!(resources(1), Some(accounts));
        assert_eq!(
            resources(2),
            Some(list(&["arn:aws:s3:::logs/p/AWSLogs/o-1/*"]))
        );
        assert_eq!(
            both[2].conditions()[1].values,
            ["arn:aws:cloudtrail:us-east-1:1:trail/t"]
        );
        assert_eq!(sids(&bucket(&[])), ["OrgTrailDenyInsecureTransport"]);
    }

    #[test]
    fn wildcards_of_a_prefix_are_text() {
        let statements = bucket(&[trail("1", None, Some("a*?${b}"))]);
        let resource = statements[1].resource().map(|r| r.values.clone());
        assert_eq!(
            resource,
            Some(list(&["arn:aws:s3:::logs/a${*}${?}${$}{b}/AWSLogs/1/*"]))
        );
    }

    #[test]
    fn every_document_fills() {
        let trails = [trail("1", Some("o-1"), None)];
        let key = |readers: &[String], bucket_key| {
            let grant = KeyGrant {
                partition: "aws",
                account: "2",
                trails: &trails,
                readers,
                bucket_key,
            };
            key_statements(&grant)
        };
        assert_eq!(key(&list(&["arn:aws:iam::3:role/r"]), true).len(), 5);
        assert_eq!(
            sids(&key(&[], false)),
            [
                "OrgTrailOwner",
                "OrgTrailEncryptLogs",
                "OrgTrailDescribeKey"
            ]
        );
        let topic = TopicGrant {
            arn: "arn:aws:sns:us-east-1:1:t",
            trails: &trails,
        };
        assert_eq!(sids(&topic_statements(&topic)), ["OrgTrailPublish"]);
        let access_log = AccessLogGrant {
            partition: "aws",
            bucket: "access",
            prefix: Some("logs/"),
            source_buckets: &list(&["logs"]),
            source_account: "2",
        };
        assert_eq!(access_log_statements(&access_log).len(), 2);
    }

    #[test]
    fn the_guardrail_fits_and_exempts() {
        let guardrail = |exempt_roles: &[String]| {
            scp(&Guardrail {
                partition: "aws",
                protect: &[
                    Protected::Trails,
                    Protected::Lake,
                    Protected::Buckets,
                    Protected::Keys,
                    Protected::Detections,
                    Protected::Roles,
                    Protected::Organization,
                ],
                exempt_roles,
                trails: &list(&["org"]),
                buckets: &list(&["acme-org-trail-logs"]),
                keys: &list(&["arn:aws:kms:us-east-1:222233334444:key/1"]),
            })
        };
        assert_eq!(guardrail(&[]), Err(TemplateError::NoExemptRole));
        let policy =
            guardrail(&list(&["OrgTrailApply", "arn:aws:iam::*:role/path/x"])).expect("exempts");
        assert_eq!(policy.statements.len(), 10);
        assert!(
            policy.size_in_bytes() < 10_240,
            "{}",
            policy.size_in_bytes()
        );
        for statement in &policy.statements {
            let condition = &statement.conditions()[0];
            assert_eq!(
                condition.values,
                [
                    "arn:aws:iam::*:role/OrgTrailApply",
                    "arn:aws:iam::*:role/path/x"
                ]
            );
        }
    }

    #[test]
    fn role_policies_fit_and_cannot_stop_a_trail() {
        let grant = IamGrant {
            partition: "aws",
            account: "111122223333",
            trails: &list(&["org"]),
            buckets: &list(&["acme-org-trail-logs"]),
            keys: &list(&[]),
            assume_roles: &list(&["arn:aws:iam::222233334444:role/OrgTrailPlan"]),
            logs_roles: &list(&["arn:aws:iam::111122223333:role/cwl"]),
        };
        for kind in [
            IamPolicy::PlanManagement,
            IamPolicy::PlanLogArchive,
            IamPolicy::ApplyManagement,
            IamPolicy::ApplyLogArchive,
        ] {
            let text = iam_policy(kind, &grant);
            let policy = Policy::parse(&text).expect("valid");
            // Managed policies hold 6144 characters, white space not counted.
            assert!(
                policy.size_in_bytes() <= 6_144,
                "{kind:?} {}",
                policy.size_in_bytes()
            );
            assert!(
                !text.contains("StopLogging") && !text.contains("DeleteTrail"),
                "{kind:?}"
            );
            assert!(!text.contains("${"), "{kind:?}");
        }
    }
}
