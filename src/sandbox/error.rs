//! Errors: those that AWS answers with, and those of the sandbox itself.

use std::path::PathBuf;

/// A refusal in AWS's own words, before a protocol renders it.
#[derive(Clone, Debug, PartialEq)]
pub struct AwsError {
    pub status: u16,
    pub code: String,
    pub message: String,
    pub headers: Vec<(String, String)>,
}

pub type Answer<T> = Result<T, AwsError>;

impl AwsError {
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            code: code.to_owned(),
            message: message.into(),
            headers: Vec::new(),
        }
    }

    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What the sandbox does not imitate says so, so that nobody takes silence for success.
    pub fn not_implemented(operation: &str) -> Self {
        Self::new(
            "NotImplemented",
            format!("The orgtrail sandbox does not implement {operation}."),
        )
        .status(501)
    }
}

/// `refuse("Code", "message {x}")` as the error of an [`Answer`].
pub fn refuse<T>(code: &str, message: impl Into<String>) -> Answer<T> {
    Err(AwsError::new(code, message))
}

/// The sandbox's own trouble with its folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    #[error("cannot {action} {}: {source}; check that the folder exists and is writable", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{} is not a sandbox file: {source}; correct it by hand, or delete it to start afresh",
        path.display()
    )]
    Broken {
        path: PathBuf,
        source: serde_json::Error,
    },
}
