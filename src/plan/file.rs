//! The plan as a file: versioned JSON, the same document that `plan --format json` prints.

use serde_json::Value;
use thiserror::Error;

use super::Plan;

pub const FORMAT_VERSION: &str = "1.1";

#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlanFileError {
    #[error(
        "it ends in the middle, at line {line} column {column}: it was cut off; make the plan again"
    )]
    Truncated { line: usize, column: usize },
    #[error("it is not a plan file: {0}")]
    NotAPlan(String),
    #[error("it has format {found}, this version of orgtrail reads 1.x: make the plan again")]
    Version { found: String },
}

/// Reads a plan file. Its attributes are checked again by the kinds when they are applied.
pub fn parse(text: &str) -> Result<Plan, PlanFileError> {
    let value: Value = serde_json::from_str(text).map_err(not_json)?;
    match value.get("format_version").and_then(Value::as_str) {
        Some(version) if version.starts_with("1.") => {}
        Some(version) => {
            return Err(PlanFileError::Version {
                found: version.to_owned(),
            });
        }
        None => return Err(PlanFileError::NotAPlan("no format_version".to_owned())),
    }
    serde_json::from_value(value).map_err(|error| PlanFileError::NotAPlan(error.to_string()))
}

fn not_json(error: serde_json::Error) -> PlanFileError {
    match error.is_eof() {
        true => PlanFileError::Truncated {
            line: error.line(),
            column: error.column(),
        },
        false => PlanFileError::NotAPlan(error.to_string()),
    }
}

/// JSON Schema of the plan file.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Plan);
    schema.insert("title".to_owned(), "orgtrail plan, format 1".into());
    schema.to_value()
}
