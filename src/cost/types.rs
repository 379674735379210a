//! The parts of a spec that say what it may cost: `volumes`, `prices`, `discounts` and `budget`.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number;
use super::profiles::Profile;
use super::volumes::Volumes;

/// How much is recorded: the path of a volumes file, a typical organization, or the figures themselves.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum VolumesSource {
    /// Path of a volumes file, relative to the spec.
    File(String),
    Typical(Typical),
    Inline(Box<Volumes>),
}

/// Figures of a typical organization. They are assumptions, and every amount that rests on them says so.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Typical {
    pub profile: Profile,
    /// Number of accounts, where it is known. Default: that of the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<u32>,
    /// Regions in use, where they are known. Default: those of the profile. All others are taken as idle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<Vec<String>>,
}

/// Path of a price book to use instead of the embedded one, relative to the spec.
pub type PricesFile = String;

/// Negotiated discounts in percent, by AWS service code: `AWSCloudTrail`, `AmazonS3`, `awskms`, `AmazonCloudWatch`,
/// `AmazonSNS`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Discounts(
    #[schemars(with = "BTreeMap<String, serde_json::Number>")]
    #[serde(deserialize_with = "percentages", serialize_with = "plain_numbers")]
    pub BTreeMap<String, Decimal>,
);

/// What the spec may cost; a plan or estimate above it is refused.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Most USD per month.
    #[schemars(with = "Option<serde_json::Number>", range(min = 0))]
    #[serde(
        default,
        deserialize_with = "number::deserialize_optional",
        serialize_with = "plain_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub monthly_usd: Option<Decimal>,
    /// Most USD per month that a change may add.
    #[schemars(with = "Option<serde_json::Number>", range(min = 0))]
    #[serde(
        default,
        deserialize_with = "number::deserialize_optional",
        serialize_with = "plain_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub max_increase_usd: Option<Decimal>,
    /// Most percent that a change may add.
    #[schemars(with = "Option<serde_json::Number>", range(min = 0))]
    #[serde(
        default,
        deserialize_with = "number::deserialize_optional",
        serialize_with = "plain_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub max_increase_percent: Option<Decimal>,
}

struct Figure(Decimal);

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number::deserialize(deserializer).map(Self)
    }
}

fn percentages<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Decimal>, D::Error> {
    let figures = BTreeMap::<String, Figure>::deserialize(deserializer)?;
    Ok(figures.into_iter().map(|(key, f)| (key, f.0)).collect())
}

/// A number as JSON writes it: a string would not be valid under the schema above.
fn json_number(number: &Decimal) -> serde_json::Value {
    let text = number.normalize().to_string();
    serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))
}

fn plain_number<S: serde::Serializer>(
    number: &Option<Decimal>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    number.as_ref().map(json_number).serialize(serializer)
}

fn plain_numbers<S: serde::Serializer>(
    numbers: &BTreeMap<String, Decimal>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let written = numbers
        .iter()
        .map(|(key, number)| (key, json_number(number)));
    serializer.collect_map(written)
}
