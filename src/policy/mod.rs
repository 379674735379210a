//! Resource policies: read, generate, merge, evaluate and prove them before anything is written.
//!
//! AWS tells about an insufficient bucket or key policy only after the call that needed it, and never names the
//! statement. This module answers the same question at plan time. It is pure: no I/O, no clock, no SDK types, and no
//! input makes it panic, because policies come from live accounts and from plan files.
//!
//! * [`document`] reads a policy and keeps every statement as it was written; [`meaning`] compares two of them.
//! * [`templates`] makes the statements of `policies/*.json`, with [`fill`](mod@fill).
//! * [`evaluate`] decides one request, in three values: yes, no, and "cannot be known from here".
//! * [`delivery`] and [`proof`] ask the questions of a plan: can CloudTrail deliver, can the reader read, who keeps the
//!   key, does a guardrail spare its owner.
//! * [`lint`] warns about statements that work but should not be there.

mod amend;
mod calls;
mod condition;
pub mod delivery;
pub mod document;
pub mod evaluate;
pub mod fill;
pub mod lint;
pub mod meaning;
mod pattern;
mod principal;
pub mod proof;
mod strict;
pub mod templates;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod owner_cases;
#[cfg(test)]
mod properties;

pub use delivery::{Delivery, KeyUse, LogFiles, Sse, TopicUse, prove_delivery};
pub use document::{
    Condition, Effect, OWN_SID_PREFIX, Patterns, Policy, PolicyError, PrincipalEntry, PrincipalSet,
    Statement, foreign, merge, own,
};
pub use evaluate::{Decision, Near, Principal, Request, StatementRef, decide};
pub use fill::{Fill, TemplateError, Values, fill};
pub use lint::{Lint, Severity, lint_bucket_policy, lint_key_policy};
pub use meaning::{same_meaning, same_statement};
pub use proof::{Holds, Proof, prove_owner_keeps_put_key_policy, prove_reader, prove_scp_spares};
pub use templates::{
    AccessLogGrant, BucketGrant, Guardrail, IamGrant, IamPolicy, KeyGrant, Protected, TopicGrant,
    TrailGrant, access_log_statements, bucket_statements, iam_policy, key_statements, scp,
    topic_statements,
};
