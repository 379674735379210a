//! What people read. A view turns a result into a [`Doc`]; a backend prints it. Nothing below this module knows a terminal.

pub mod cost;
mod doc;
mod plan;
mod value;

pub use doc::{Doc, Line, Style, Terminal};
pub use plan::{drift, plan};
