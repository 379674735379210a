//! How a command ends: the one table of exit codes.

use std::fmt;

use crate::aws::AwsError;

/// Exit codes, the same for every command.
///
/// | code | meaning |
/// |---|---|
/// | 0 | done, or nothing to do |
/// | 1 | error, wrong usage included |
/// | 2 | changes or drift, only with `--detailed-exitcode` |
/// | 3 | refused: a risk without consent, a policy that fails, a stale plan |
/// | 4 | with `--strict`: something could not be read |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Changes,
    Refused,
    Incomplete,
}

impl Outcome {
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Done => 0,
            Outcome::Changes => 2,
            Outcome::Refused => 3,
            Outcome::Incomplete => 4,
        }
    }
}

/// Why a command failed. What is printed here has not been printed yet.
#[derive(Debug)]
pub enum Error {
    /// The diagnostics are on stderr already.
    InvalidSpec,
    /// Something went wrong: what, and what to do.
    Failed {
        what: String,
        fix: Option<String>,
    },
    Aws(Vec<AwsError>),
    /// A plan that we will not run.
    Refused {
        what: String,
        fix: Option<String>,
    },
}

impl Error {
    pub fn failed(what: impl fmt::Display) -> Self {
        Error::Failed {
            what: what.to_string(),
            fix: None,
        }
    }

    #[must_use]
    pub fn fix(self, text: impl Into<String>) -> Self {
        match self {
            Error::Failed { what, .. } => Error::Failed {
                what,
                fix: Some(text.into()),
            },
            Error::Refused { what, .. } => Error::Refused {
                what,
                fix: Some(text.into()),
            },
            other => other,
        }
    }

    pub fn refused(what: impl fmt::Display) -> Self {
        Error::Refused {
            what: what.to_string(),
            fix: None,
        }
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Refused { .. } => Outcome::Refused.exit_code(),
            _ => 1,
        }
    }
}

impl From<AwsError> for Error {
    fn from(error: AwsError) -> Self {
        Error::Aws(vec![error])
    }
}

impl From<Vec<AwsError>> for Error {
    fn from(errors: Vec<AwsError>) -> Self {
        Error::Aws(errors)
    }
}
