//! What a check has to say about a part of the spec.
//!
//! Checks of pure modules do not know where their input was written. They name the place by a route of field names
//! and indices; whoever parsed the text turns the route into file, line and column.

use std::fmt;

use serde::Serialize;

/// How bad a [`Finding`] is.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Accepted by AWS, but hardly what was meant.
    Warning,
    /// Refused by AWS.
    Error,
}

/// One step on the way to the place of a [`Finding`].
#[derive(Serialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "snake_case")]
pub enum PathSegment {
    /// The n-th element of a list, counted from 0.
    Index(usize),
    /// A member by its name; of a selector also the name of a selector field, such as `resources.ARN`.
    Field(String),
    /// An operator of a selector field, such as `StartsWith`.
    Operator(&'static str),
}

impl PathSegment {
    pub fn field(name: impl Into<String>) -> Self {
        Self::Field(name.into())
    }

    /// The route `at` with this step behind it.
    pub fn under(self, at: &[Self]) -> Vec<Self> {
        let mut route = at.to_vec();
        route.push(self);
        route
    }
}

impl fmt::Display for PathSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Field(name) => f.write_str(name),
            Self::Operator(name) => f.write_str(name),
        }
    }
}

/// One problem, its place, and what to write instead.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Stable name of the rule, for suppression and for SARIF.
    pub code: &'static str,
    pub at: Vec<PathSegment>,
    pub message: String,
    /// What to do about it; never empty.
    pub help: String,
}

impl Finding {
    pub fn error(
        code: &'static str,
        at: Vec<PathSegment>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, code, at, message, help)
    }

    pub fn warning(
        code: &'static str,
        at: Vec<PathSegment>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, code, at, message, help)
    }

    fn new(
        severity: Severity,
        code: &'static str,
        at: Vec<PathSegment>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            code,
            at,
            message: message.into(),
            help: help.into(),
        }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
