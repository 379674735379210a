//! The CloudTrail part of the bill: usage and USD of a month by account and usage type, from Cost Explorer.
//!
//! [`read`](mod@read) asks, [`document`] understands the answers, also those that somebody stored; [`volumes`] makes event
//! volumes of a bill, and [`reconcile`] holds an estimate against it. Usage is always the sum of the usage amounts: the
//! number of line items, which some queries count, says nothing.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-costs.html>

mod document;
mod period;
mod read;
mod reconcile;
mod volumes;

#[cfg(test)]
mod tests;

pub use document::{Bill, BillError, BilledUsage, parse};
pub use period::{Month, Period};
pub use read::{NOTICE, read};
pub use reconcile::{Case, reconcile};
pub use volumes::volumes;
