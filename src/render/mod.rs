//! What people read. A view turns a result into a [`Doc`]; a backend prints it. Nothing below this module knows a terminal.

pub mod cost;
pub mod coverage;
mod doc;
pub mod explain;
mod plan;
mod value;
pub mod volumes;

pub use doc::{Doc, Line, Style, Terminal};
pub use plan::{drift, plan};

/// JSON as people and programs store it, with a newline at the end. Types of strings, numbers and lists cannot fail.
fn pretty(value: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
