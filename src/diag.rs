//! What the program has to say about a spec, and the forms in which it says it: text for people, and JSON, SARIF 2.1.0
//! and JUnit XML for the tools that run it.

mod junit;
mod sarif;
mod text;

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::finding::PathSegment;
pub use crate::finding::Severity;
pub use junit::junit;
pub use sarif::sarif;
pub use text::{Style, text};

/// Version of the JSON form. The second number grows with new members, the first with changed ones.
pub const FORMAT_VERSION: &str = "1.0";

/// A problem of a spec: where it is, what happened, and what to write instead.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Stable name of the rule.
    pub code: &'static str,
    pub message: String,
    /// Where in the spec, whatever file that part came from.
    pub path: Path,
    /// Where in which file. None for what no file contains.
    pub location: Option<Location>,
    pub help: Option<String>,
    /// Other places that the message speaks of.
    pub related: Vec<Related>,
}

/// Another place that a diagnostic speaks of, such as the first of two duplicates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Related {
    pub location: Location,
    pub message: String,
}

/// A place in a file. Lines and columns count from 1; columns and lengths count characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Location {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub len: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The texts that snippets are cut from.
pub trait Texts {
    /// A line without its line break, counted from 1.
    fn line(&self, file: &str, line: usize) -> Option<&str>;
}

/// A place in a spec: `trails.org.selectors[1].resources.ARN`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    Key(String),
    /// Counted from 0.
    Index(usize),
}

impl Path {
    pub fn root() -> Self {
        Self::default()
    }

    /// A path that starts at a key of the spec.
    pub fn of(key: &str) -> Self {
        Self::root().key(key)
    }

    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.to_owned()))
    }

    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    #[must_use]
    pub fn with(&self, segment: Segment) -> Self {
        let mut path = self.clone();
        path.0.push(segment);
        path
    }

    /// The place that a finding's route leads to from here, where keys have the names of the route's fields.
    #[must_use]
    pub fn route(&self, route: &[PathSegment]) -> Self {
        route.iter().fold(self.clone(), |path, step| match step {
            PathSegment::Index(index) => path.index(*index),
            PathSegment::Field(name) => path.key(name),
            PathSegment::Operator(name) => path.key(name),
        })
    }

    /// One step towards the root; none from the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_last()?;
        Some(Self(parent.to_vec()))
    }

    pub fn segments(&self) -> &[Segment] {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Diagnostic {
    pub fn error(code: &'static str, path: Path, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, path, message)
    }

    pub fn warning(code: &'static str, path: Path, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, path, message)
    }

    fn new(severity: Severity, code: &'static str, path: Path, message: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            message: message.into(),
            path,
            location: None,
            help: None,
            related: Vec::new(),
        }
    }

    /// What to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn at(mut self, location: Option<Location>) -> Self {
        self.location = location;
        self
    }

    #[must_use]
    pub fn related(mut self, location: Option<Location>, message: impl Into<String>) -> Self {
        self.related.extend(location.map(|location| Related {
            location,
            message: message.into(),
        }));
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// How many diagnostics are errors and how many are warnings.
pub fn count(diagnostics: &[Diagnostic]) -> (usize, usize) {
    let errors = diagnostics.iter().filter(|d| d.is_error()).count();
    (errors, diagnostics.len() - errors)
}

/// `2 errors, 1 warning`.
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let plural = |n: usize, noun: &str| match n {
        0 => None,
        1 => Some(format!("1 {noun}")),
        n => Some(format!("{n} {noun}s")),
    };
    let (errors, warnings) = count(diagnostics);
    let parts = [plural(errors, "error"), plural(warnings, "warning")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        "no problems".to_owned()
    } else {
        parts.join(", ")
    }
}

/// The JSON form.
pub fn json(diagnostics: &[Diagnostic]) -> Value {
    let (errors, warnings) = count(diagnostics);
    json!({
        "format_version": FORMAT_VERSION,
        "errors": errors,
        "warnings": warnings,
        "diagnostics": diagnostics,
    })
}

/// The user's own text within a message: control characters, and those that reorder a line, are shown by their escapes.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Zero-width and bidirectional formatting characters.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
