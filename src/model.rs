//! The words that every part shares: what a resource is, where it lives, what could not be read, what a change risks.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The tag that marks what a spec owns; its value is the spec's name.
pub const OWNER_TAG: &str = "orgtrail:spec";

/// Name of a resource within a spec, as people type it: `trail.org`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub kind: String,
    pub name: String,
}

impl Address {
    pub fn new(kind: &str, name: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.name)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('.') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(Self::new(kind, name)),
            _ => Err(format!("`{text}` is not an address like trail.org")),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[^.]+\\..+$" })
    }
}

/// Where a resource lives.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Name of the account in the spec.
    pub account: String,
    pub account_id: String,
    pub region: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.account, &self.account_id, &self.region];
        let known: Vec<&str> = parts
            .into_iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        f.write_str(&known.join(" "))
    }
}

/// A resource as the spec wants it or as AWS reports it. Both sides carry the same attributes in the same normal form,
/// so that comparing them is plain equality.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Resource {
    pub place: Place,
    /// Name in AWS.
    pub id: String,
    /// A JSON object, the kind's own attributes.
    pub attrs: Value,
    /// What must exist before this does.
    #[serde(default)]
    pub after: Vec<Address>,
    /// Values that only AWS can give, such as the ARN of a key.
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
}

/// A place that could not be read: unknown, not absent. What lies in it is neither created nor deleted.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
pub struct Gap {
    pub address: Address,
    pub place: Place,
    /// The API call that failed, e.g. `s3:GetBucketPolicy`.
    pub call: String,
    pub error: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub resources: BTreeMap<Address, Resource>,
    pub gaps: Vec<Gap>,
}

impl State {
    pub fn is_gap(&self, address: &Address) -> bool {
        self.gaps.iter().any(|gap| gap.address == *address)
    }
}

/// What a change may cost its owner beyond the change itself.
#[derive(
    Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Events are no longer recorded at all.
    StopsRecording,
    /// Fewer events are recorded than before.
    NarrowsCoverage,
    /// Log files that are kept today are deleted, or deleted earlier.
    DeletesHistory,
    /// Protection of the log or of its key is loosened.
    WeakensPolicy,
    /// It cannot be undone.
    OneWay,
    /// It makes the bill larger.
    RaisesCost,
}

impl Risk {
    pub const ALL: [Risk; 6] = [
        Risk::StopsRecording,
        Risk::NarrowsCoverage,
        Risk::DeletesHistory,
        Risk::WeakensPolicy,
        Risk::OneWay,
        Risk::RaisesCost,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Risk::StopsRecording => "stops-recording",
            Risk::NarrowsCoverage => "narrows-coverage",
            Risk::DeletesHistory => "deletes-history",
            Risk::WeakensPolicy => "weakens-policy",
            Risk::OneWay => "one-way",
            Risk::RaisesCost => "raises-cost",
        }
    }

    /// Must it be allowed by name before `apply` takes it?
    pub fn needs_consent(self) -> bool {
        !matches!(self, Risk::OneWay | Risk::RaisesCost)
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Risk {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Risk::ALL
            .into_iter()
            .find(|risk| risk.name() == text)
            .ok_or_else(|| {
                let names = Risk::ALL.map(Risk::name).join(", ");
                format!("`{text}` is not a risk; the risks are {names}")
            })
    }
}

/// A risk of one change, with what exactly is at stake.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RiskNote {
    pub risk: Risk,
    pub why: String,
}

impl RiskNote {
    pub fn new(risk: Risk, why: impl Into<String>) -> Self {
        Self {
            risk,
            why: why.into(),
        }
    }
}

/// A text attribute that may be another resource's output, known only after that resource exists.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Text {
    Known(String),
    /// An object, because no AWS policy or name can be one.
    Ref {
        #[serde(rename = "$ref")]
        reference: Reference,
    },
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Reference {
    pub of: Address,
    pub output: String,
}

impl Text {
    pub fn output(of: Address, output: &str) -> Self {
        Text::Ref {
            reference: Reference {
                of,
                output: output.to_owned(),
            },
        }
    }

    pub fn known(&self) -> Option<&str> {
        match self {
            Text::Known(text) => Some(text),
            Text::Ref { .. } => None,
        }
    }
}

/// The reference that a JSON value stands for, if it is one.
pub fn as_reference(value: &Value) -> Option<Reference> {
    value
        .get("$ref")
        .and_then(|reference| Reference::deserialize(reference).ok())
}

/// Puts known outputs in the place of references; what is still unknown stays a reference.
pub fn resolve(value: &mut Value, known: &dyn Fn(&Reference) -> Option<String>) {
    if let Some(reference) = as_reference(value) {
        if let Some(text) = known(&reference) {
            *value = Value::String(text);
        }
        return;
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(|v| resolve(v, known)),
        Value::Array(items) => items.iter_mut().for_each(|v| resolve(v, known)),
        _ => {}
    }
}
