//! The forms of an estimate. All are made from a [`CostReport`], which is the JSON form itself; none computes a price.

mod amount;
mod html;
mod infracost;
mod markdown;
mod names;
pub mod reconciliation;
pub mod report;
mod table;
mod text;
mod view;

pub use html::html;
pub use infracost::infracost;
pub use markdown::{AZURE_DEVOPS_LIMIT, GITHUB_LIMIT, GITLAB_LIMIT, markdown, marker};
pub use report::CostReport;
pub use text::text;

use serde_json::Value;

/// The report as people and programs store it: pretty, with a newline at the end.
pub fn json(report: &CostReport) -> String {
    super::pretty(report)
}

/// JSON Schema of [`json`].
pub fn schema() -> Value {
    schemars::schema_for!(CostReport).to_value()
}
