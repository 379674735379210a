//! The spec's types. The JSON Schema, the structural checks and the documentation of the file format are all
//! derived from this file, so every comment on a field is user documentation.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cost::types as cost;
use crate::lifecycle::LifecycleRule;
use crate::selectors::{EventSelector, FieldSelector};

/// Names that the spec's author chose: the keys of `accounts`, `keys`, `buckets` and `trails`.
pub type Name = String;
pub type Tags = BTreeMap<String, String>;

/// What an organization's audit log records, where it is kept and for how long.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Version of the spec format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// Owner of everything this spec creates, written to the tag `orgtrail:spec`.
    pub name: String,
    /// Tags for every resource of this spec.
    #[serde(default)]
    pub tags: Tags,
    /// The AWS accounts that hold the resources, and how to reach them.
    #[serde(default)]
    pub accounts: BTreeMap<Name, Account>,
    /// The organization whose accounts an organization trail records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// KMS keys that encrypt the log.
    #[serde(default)]
    pub keys: BTreeMap<Name, Key>,
    /// S3 buckets that keep the log.
    #[serde(default)]
    pub buckets: BTreeMap<Name, Bucket>,
    /// CloudTrail trails.
    #[serde(default)]
    pub trails: BTreeMap<Name, Trail>,
    /// How much is recorded: the path of a volumes file, `{ profile: … }`, or the figures themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<cost::VolumesSource>,
    /// Path of a price book, instead of the embedded one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<cost::PricesFile>,
    /// Negotiated discounts.
    #[serde(default)]
    pub discounts: cost::Discounts,
    /// What the spec may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<cost::Budget>,
    /// Risks that this spec's owner has accepted, each with a reason and a last day.
    #[serde(default)]
    pub allow: Vec<Allow>,
    /// Where `apply` keeps the lock that stops a second apply. Default: the bucket of the first trail, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
}

/// An AWS account. Without `profile` and `assume_role`, the ambient credentials are used.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Twelve digits, in quotes. Credentials of another account are refused.
    pub id: String,
    /// Region of this account's resources where they name none. Default: the Region that the other accounts agree on, or
    /// us-east-1 where no account names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Profile of the shared AWS configuration (SSO, credential_process, login sessions and role chains included).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Role to assume in this account: its name, its ARN, or an object with `role`, `external_id` and `session_name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AssumeRole>,
}

/// Role to assume in an account.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AssumeRole {
    /// Name or ARN of the role.
    Role(String),
    Options(AssumeRoleOptions),
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AssumeRoleOptions {
    /// Name or ARN of the role.
    pub role: String,
    /// External id that the role's trust policy asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Session name, seen in CloudTrail records. Default: orgtrail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
}

/// The organization, checked against the live one.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Organization {
    /// Id of the organization, `o-…`.
    pub id: String,
    /// Name of the management account in `accounts`. Default: the account of the organization trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Name>,
}

/// A symmetric KMS key with an alias.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Name of the account in `accounts`.
    pub account: Name,
    /// Region of the key: that of the buckets it encrypts. Default: the account's Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Alias, without `alias/`.
    pub alias: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Days between automatic rotations, 90 to 2560; 0 turns rotation off. Default: 365.
    #[serde(default = "default_rotation_days")]
    pub rotation_days: u32,
    /// A multi-Region primary key. Decided at creation.
    #[serde(default)]
    pub multi_region: bool,
    /// ARNs of the principals that may decrypt log files.
    #[serde(default)]
    pub readers: Vec<String>,
    #[serde(default)]
    pub tags: Tags,
}

/// A log bucket. Public access is always blocked and object ownership is always BucketOwnerEnforced.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Name of the account in `accounts`.
    pub account: Name,
    /// Name of the bucket, unique in all of AWS.
    pub name: String,
    /// Default: the account's Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Name of a key in `keys` for SSE-KMS. Without it the bucket uses SSE-S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Name>,
    /// S3 Bucket Key: fewer KMS requests. Default: true.
    #[serde(default = "yes")]
    pub bucket_key: bool,
    /// Default: true. Object Lock needs it.
    #[serde(default = "yes")]
    pub versioning: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_lock: Option<ObjectLock>,
    /// Lifecycle rules. Rules that others put on the bucket are kept.
    #[serde(default)]
    pub lifecycle: Vec<LifecycleRule>,
    /// Which small objects lifecycle transitions leave alone. Left as it is where the spec does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transition_default_minimum_object_size: Option<TransitionDefaultMinimumObjectSize>,
    /// Server access logs into a second bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_logging: Option<AccessLogging>,
    #[serde(default)]
    pub tags: Tags,
}

/// Default retention of new object versions: either days or years.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectLock {
    pub mode: ObjectLockMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub years: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ObjectLockMode {
    /// Principals with s3:BypassGovernanceRetention can shorten it.
    Governance,
    /// Nobody can shorten it, not even the root user.
    Compliance,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub enum TransitionDefaultMinimumObjectSize {
    /// Objects under 128 KB stay where they are.
    #[serde(rename = "all_storage_classes_128K")]
    AllStorageClasses128K,
    /// Objects under 128 KB move to GLACIER and DEEP_ARCHIVE only.
    #[serde(rename = "varies_by_storage_class")]
    VariesByStorageClass,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLogging {
    /// Name of the receiving bucket in `buckets`: same account and Region, SSE-S3, no Object Lock.
    pub bucket: Name,
    /// Default: the logged bucket's name and a slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// A CloudTrail trail.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Trail {
    /// Name of the account in `accounts` that calls CloudTrail: the management account or a delegated administrator
    /// for an organization trail.
    pub account: Name,
    /// Name in AWS. Default: the name in this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Home Region; it can never change. Default: the account's Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Record every account of the organization.
    #[serde(default)]
    pub organization: bool,
    /// Record every Region. Default: true.
    #[serde(default = "yes")]
    pub multi_region: bool,
    /// Record IAM, STS, CloudFront and other global services. Default: true.
    #[serde(default = "yes")]
    pub include_global_service_events: bool,
    /// Name of a bucket in `buckets`.
    pub bucket: Name,
    /// Key prefix of the log files, before `AWSLogs/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Name of a key in `keys` that encrypts log files and digests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Name>,
    /// Hourly signed digests. Default: true.
    #[serde(default = "yes")]
    pub log_file_validation: bool,
    /// Record the trail's own deliveries. Default: true, as in AWS.
    #[serde(default = "yes")]
    pub recursive_logging: bool,
    /// ARN of the SNS topic that is told of each delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sns_topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_watch_logs: Option<CloudWatchLogs>,
    /// Is the trail recording? Default: true.
    #[serde(default = "yes")]
    pub logging: bool,
    /// What is recorded. Default: all management events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selectors: Option<Vec<Selector>>,
    /// What is recorded, in the older basic form. Either this or `selectors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_selectors: Option<Vec<EventSelector>>,
    /// Insights by type, each with the event categories it analyses.
    #[serde(default)]
    pub insights: BTreeMap<InsightType, Vec<InsightCategory>>,
    /// Five-minute summaries of data events beside the events themselves.
    #[serde(default)]
    pub aggregation: Vec<AggregationTemplate>,
    #[serde(default)]
    pub tags: Tags,
}

/// Delivery to CloudWatch Logs. Both live in the account that calls CloudTrail.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CloudWatchLogs {
    /// `arn:…:log-group:NAME:*`
    pub log_group_arn: String,
    /// Role that CloudTrail assumes to write.
    pub role_arn: String,
}

#[derive(
    Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Serialize,
)]
pub enum InsightType {
    ApiCallRateInsight,
    ApiErrorRateInsight,
}

#[derive(
    Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Serialize,
)]
pub enum InsightCategory {
    Management,
    Data,
}

#[derive(
    Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Serialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AggregationTemplate {
    ApiActivity,
    ResourceAccess,
    UserActions,
}

/// One selector: `management`, `data` or `network_activity`, or the API's own `FieldSelectors`. Every other key is a
/// field of the record (`eventName`, `resources.ARN`, `userIdentity.arn`, …) with the condition it must meet.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Selector {
    /// A name for people. The selectors of a trail that stand in several files are told apart by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The API's spelling of `name`, beside `FieldSelectors`.
    #[serde(rename = "Name", default, skip_serializing_if = "Option::is_none")]
    pub api_name: Option<String>,
    /// Management events: all, read or write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management: Option<Management>,
    /// Event sources left out of the management events: kms.amazonaws.com, rdsdata.amazonaws.com.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Data events of this resource type, e.g. AWS::S3::Object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Network activity events of this event source, e.g. s3.amazonaws.com.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_activity: Option<String>,
    /// Only reads (true) or only writes (false) of a `data` selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// The selector as the CloudTrail API writes it.
    #[serde(
        rename = "FieldSelectors",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub field_selectors: Option<Vec<FieldSelector>>,
    #[serde(flatten)]
    pub fields: BTreeMap<String, Condition>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Management {
    All,
    Read,
    Write,
}

/// What a field must meet: a value, a list of values (any of them), or values by operator.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Condition {
    Value(String),
    Values(Vec<String>),
    Operators(BTreeMap<Operator, Vec<String>>),
}

#[derive(
    Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Serialize,
)]
pub enum Operator {
    Equals,
    StartsWith,
    EndsWith,
    NotEquals,
    NotStartsWith,
    NotEndsWith,
}

/// A risk that may be taken without `--allow`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    pub risk: crate::model::Risk,
    /// Why it is acceptable; printed with every plan that uses it.
    pub reason: String,
    /// Last day of the consent, YYYY-MM-DD.
    pub until: String,
    /// Only for this resource, e.g. `trail.org`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// The lock of `apply` is an object that is created only if it is absent.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Name of the bucket in `buckets` that holds the lock.
    pub bucket: Name,
}

fn yes() -> bool {
    true
}

fn default_rotation_days() -> u32 {
    365
}
