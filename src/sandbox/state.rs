//! What the sandbox remembers: plain structs, so that a person can read and edit `state.json`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The whole world of the sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    pub clock: Clock,
    /// Source of every id that the sandbox hands out.
    pub counter: u64,
    /// The account of access keys that name no account themselves.
    pub default_account: String,
    pub organization: Option<Organization>,
    pub accounts: BTreeMap<String, Account>,
    /// Bucket names are global, hence outside the accounts.
    pub buckets: BTreeMap<String, Bucket>,
    /// Access keys that AssumeRole handed out.
    pub sessions: BTreeMap<String, Session>,
    /// What LookupEvents shows, oldest first.
    pub events: Vec<RecordedEvent>,
}

/// The wall clock, moved or stopped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clock {
    /// The clock stands at this time.
    pub fixed: Option<Stamp>,
    /// Added to the wall clock when it is not fixed.
    pub offset_seconds: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Organization {
    pub id: String,
    pub root_id: String,
    pub feature_set: String,
    pub management_account: String,
    /// Member accounts and when they joined; the management account is one of them.
    pub members: BTreeMap<String, Stamp>,
    /// Service principals with trusted access, and since when.
    pub trusted_access: BTreeMap<String, Stamp>,
    /// Account → service principal → since when.
    pub delegated_administrators: BTreeMap<String, BTreeMap<String, Stamp>>,
    /// Request id of CreateAccount → the account it made.
    pub create_account_requests: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    pub name: String,
    pub email: String,
    pub tags: BTreeMap<String, String>,
    pub roles: BTreeMap<String, Role>,
    pub users: BTreeMap<String, User>,
    pub regions: BTreeMap<String, Region>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Role {
    pub id: String,
    pub path: String,
    pub description: String,
    pub created: Stamp,
    pub trust_policy: Value,
    pub policies: BTreeMap<String, Value>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct User {
    pub id: String,
    pub created: Stamp,
    pub policies: BTreeMap<String, Value>,
    pub access_keys: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    pub account: String,
    pub role: String,
    pub session_name: String,
    pub expires: Stamp,
}

/// What one account keeps in one Region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Region {
    pub keys: BTreeMap<String, Key>,
    /// `alias/name` → key id.
    pub aliases: BTreeMap<String, String>,
    pub topics: BTreeMap<String, Topic>,
    pub log_groups: BTreeMap<String, LogGroup>,
    /// Trails whose home is this Region.
    pub trails: BTreeMap<String, Trail>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Key {
    pub created: Stamp,
    pub description: String,
    pub usage: String,
    pub spec: String,
    pub multi_region: bool,
    /// `Enabled`, `Disabled` or `PendingDeletion`.
    pub state: String,
    pub deletion_date: Option<Stamp>,
    pub policy: String,
    pub tags: BTreeMap<String, String>,
    /// Days between rotations while rotation is on.
    pub rotation_days: Option<u32>,
    pub rotation_from: Option<Stamp>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topic {
    pub attributes: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogGroup {
    pub created: Stamp,
    pub retention_days: Option<u32>,
    pub kms_key: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// A trail in its home Region; copies elsewhere are computed, not stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trail {
    pub bucket: String,
    pub prefix: Option<String>,
    pub topic_arn: Option<String>,
    pub include_global_service_events: bool,
    pub multi_region: bool,
    pub organization: bool,
    pub log_file_validation: bool,
    pub log_group_arn: Option<String>,
    pub log_role_arn: Option<String>,
    pub kms_key_arn: Option<String>,
    pub recursive_logging: bool,
    pub logging: bool,
    pub started: Option<Stamp>,
    pub stopped: Option<Stamp>,
    pub tags: BTreeMap<String, String>,
    /// As PutEventSelectors wrote them; neither means the default selector.
    pub event_selectors: Option<Value>,
    pub advanced_event_selectors: Option<Value>,
    pub insight_selectors: Option<Value>,
    pub aggregation: Option<Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bucket {
    pub owner: String,
    pub region: String,
    pub created: Stamp,
    pub policy: Option<String>,
    /// Empty until versioning is first set, then `Enabled` or `Suspended`.
    pub versioning: String,
    /// `BucketOwner` or `Requester`.
    pub payer: String,
    /// Sub-resource (`lifecycle`, `encryption`, …) → its XML document.
    pub configurations: BTreeMap<String, String>,
    /// The header that travels with the lifecycle configuration.
    pub transition_default_minimum_object_size: Option<String>,
    pub objects: BTreeMap<String, Object>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Object {
    /// The body when it is text, else its Base64 form in `base64`.
    pub text: Option<String>,
    pub base64: Option<String>,
    pub size: u64,
    pub etag: String,
    pub modified: Stamp,
    /// Headers that GetObject gives back: Content-Type, x-amz-meta-…, encryption.
    pub headers: BTreeMap<String, String>,
}

/// A call as CloudTrail's event history shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordedEvent {
    pub account: String,
    pub region: String,
    pub resources: Vec<EventResource>,
    /// The CloudTrail record.
    pub record: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventResource {
    #[serde(rename = "ResourceType")]
    pub kind: String,
    #[serde(rename = "ResourceName")]
    pub name: String,
}

/// A point in time, written as RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub OffsetDateTime);

impl Stamp {
    /// Seconds since 1970, as the JSON protocols write times.
    pub fn epoch(self) -> f64 {
        let millis = self.0.unix_timestamp_nanos() / 1_000_000;
        millis as f64 / 1000.0
    }

    pub fn rfc3339(self) -> String {
        let whole = self.0.replace_nanosecond(0).unwrap_or(self.0);
        whole.format(&Rfc3339).unwrap_or_default()
    }
}

impl Default for Stamp {
    fn default() -> Self {
        Self(OffsetDateTime::UNIX_EPOCH)
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        OffsetDateTime::parse(&text, &Rfc3339)
            .map(Stamp)
            .map_err(|e| serde::de::Error::custom(format!("`{text}` is not an RFC 3339 time: {e}")))
    }
}

impl State {
    pub fn now(&self) -> OffsetDateTime {
        match &self.clock.fixed {
            Some(stamp) => stamp.0,
            None => OffsetDateTime::now_utc()
                .saturating_add(time::Duration::seconds(self.clock.offset_seconds)),
        }
    }

    /// A fresh string of `len` hexadecimal digits (at most 64).
    pub fn fresh_hex(&mut self, len: usize) -> String {
        self.counter += 1;
        let mut hex = hex(&Sha256::digest(self.counter.to_be_bytes()));
        hex.truncate(len);
        hex
    }

    /// A fresh id of the shape of a UUID.
    pub fn fresh_uuid(&mut self) -> String {
        let h = self.fresh_hex(32);
        format!(
            "{}-{}-4{}-8{}-{}",
            &h[..8],
            &h[8..12],
            &h[13..16],
            &h[17..20],
            &h[20..]
        )
    }

    /// A fresh id as IAM writes them: a prefix and 16 upper-case characters.
    pub fn fresh_iam_id(&mut self, prefix: &str) -> String {
        format!("{prefix}{}", self.fresh_hex(16).to_uppercase())
    }

    /// One account's corner of one Region, made when first needed.
    pub fn region_mut(&mut self, account: &str, region: &str) -> &mut Region {
        self.accounts
            .entry(account.to_owned())
            .or_default()
            .regions
            .entry(region.to_owned())
            .or_default()
    }

    pub fn region(&self, account: &str, region: &str) -> Option<&Region> {
        self.accounts.get(account)?.regions.get(region)
    }

    /// The organization, if `account` belongs to it.
    pub fn organization_of(&self, account: &str) -> Option<&Organization> {
        self.organization
            .as_ref()
            .filter(|o| o.members.contains_key(account))
    }

    pub fn role_mut(&mut self, account: &str, role: &str) -> Option<&mut Role> {
        self.accounts.get_mut(account)?.roles.get_mut(role)
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
