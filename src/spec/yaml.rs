//! YAML text to a tree of nodes that know where they were written.
//!
//! The tree keeps what serde would drop or refuse at the first occurrence: positions, duplicate keys, the order of keys.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_yaml::{Error, Spanned};

use crate::diag::{Diagnostic, Path};

use super::sources::SourceFile;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    pub value: Value,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    String(String),
    Seq(Vec<Node>),
    /// In the order of the text. A key may stand more than once.
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
pub struct Key {
    pub name: String,
    pub span: Span,
}

/// A stretch of a source file. What comes from an alias has the span of the anchor's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Index of the file.
    pub file: usize,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// In characters; 0 for a block of lines.
    pub len: usize,
    /// In bytes.
    pub start: usize,
    pub bytes: usize,
}

/// Largest spec text. A spec of every limit of an organization is a few hundred KB.
pub const MAX_BYTES: usize = 2_000_000;

const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 250_000;
/// What all aliases of a text may repeat, in parser events.
const MAX_REPEATED: usize = 100_000;

/// Decodes the bytes of a spec file; the text comes back even when it cannot be used, for the snippets.
pub fn decode(name: &str, bytes: Vec<u8>) -> (SourceFile, Option<Diagnostic>) {
    if bytes.len() > MAX_BYTES {
        let file = SourceFile::new(name, String::new());
        let diagnostic = too_large(&file, bytes.len());
        return (file, Some(diagnostic));
    }
    match String::from_utf8(bytes) {
        Ok(text) => (SourceFile::new(name, text), None),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let help = if matches!(bytes.get(..2), Some([0xff, 0xfe] | [0xfe, 0xff])) {
                "this looks like UTF-16, which some Windows editors write; save the file as UTF-8"
            } else {
                "save the file as UTF-8"
            };
            let file = SourceFile::new(name, String::from_utf8_lossy(&bytes).into_owned());
            let location = file.location_of_byte(valid);
            let message = format!("{name} is not UTF-8 text");
            let diagnostic = Diagnostic::error("spec-encoding", Path::root(), message)
                .at(Some(location))
                .help(help);
            (file, Some(diagnostic))
        }
    }
}

fn too_large(file: &SourceFile, bytes: usize) -> Diagnostic {
    // One decimal, rounded up, so that a text just over the limit does not look like one at the limit.
    let tenths = bytes.div_ceil(100_000);
    let message = format!(
        "{} is {}.{} MB; a spec may be at most {} MB",
        file.name(),
        tenths / 10,
        tenths % 10,
        MAX_BYTES / 1_000_000
    );
    Diagnostic::error("spec-size", Path::root(), message)
        .at(Some(file.location_of_byte(0)))
        .help("is this the right file? A spec can also be split into several files of a folder")
}

/// Reads one YAML document.
pub fn parse(file: &SourceFile, index: usize) -> Result<Node, Box<Diagnostic>> {
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES },
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: MAX_REPEATED },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // An account id without quotes must not lose its zeros.
        leading_zero_numbers_as_strings: true,
        // YAML 1.2: `no` and `on` are words.
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    let parsed = serde_yaml::from_str_with_options::<Spanned<Raw>>(file.text(), options);
    let root = parsed.map_err(|error| Box::new(refusal(file, &error)))?;
    let node = place(root, index);
    if matches!(node.value, Value::Null) {
        return Err(Box::new(empty(file)));
    }
    Ok(node)
}

fn empty(file: &SourceFile) -> Diagnostic {
    let message = format!("{} is empty", file.name());
    Diagnostic::error("spec-empty", Path::root(), message)
        .at(Some(file.location_of_byte(0)))
        .help(
            "a spec starts with `version: 1` and `name:`; `orgtrail init` writes one to begin with",
        )
}

/// The parser's refusal in the words of a spec's author.
fn refusal(file: &SourceFile, error: &Error) -> Diagnostic {
    let name = file.name();
    let error = error.without_snippet();
    let found = error.location();
    let error = match error {
        // Carries both places of an alias around what went wrong with it.
        Error::AliasError { error, .. } => error,
        other => other,
    };
    let start = found
        .and_then(|l| l.span().byte_offset())
        .unwrap_or_default() as usize;
    let location = match found {
        Some(found) => file.location_at(found.line() as usize, found.column() as usize),
        None => file.location_of_byte(start),
    };
    let (code, message, help) = match error {
        Error::MultipleDocuments { .. } => (
            "spec-documents",
            format!("{name} holds several YAML documents; a spec is one"),
            "put each into a file of its own and pass the folder: files merge by name".to_owned(),
        ),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => (
            "spec-aliases",
            format!("the aliases of {name} expand to more than a spec may hold"),
            "an alias of an alias multiplies; write the values out".to_owned(),
        ),
        Error::RecursiveReferencesRequireWeakTypes { .. } => (
            "spec-aliases",
            "this alias stands within the value that it repeats".to_owned(),
            "write the value out".to_owned(),
        ),
        Error::Budget { breach, .. } => {
            return over_budget(name, &format!("{breach:?}")).at(Some(location));
        }
        // What the parser says about keys speaks of Rust types.
        Error::NullIntoString { .. } | Error::Unexpected { .. } => (
            "yaml-syntax",
            "a key must be a word".to_owned(),
            "write `key: value`; put the key in quotes if it looks like something else".to_owned(),
        ),
        other => return syntax(name, &other.to_string()).at(Some(location)),
    };
    Diagnostic::error(code, Path::root(), message)
        .at(Some(location))
        .help(help)
}

fn over_budget(name: &str, breach: &str) -> Diagnostic {
    let (code, message, help) = if breach.starts_with("Depth") {
        return too_deep(name);
    } else if breach.contains("Alias") || breach.contains("Anchor") {
        (
            "spec-aliases",
            format!("{name} uses more anchors and aliases than a spec may hold"),
            "write the values out",
        )
    } else {
        (
            "spec-size",
            format!("{name} holds more than {MAX_NODES} values; a spec may not"),
            "is this the right file? A spec can also be split into several files of a folder",
        )
    };
    Diagnostic::error(code, Path::root(), message).help(help)
}

fn too_deep(name: &str) -> Diagnostic {
    let message = format!("{name} nests deeper than {MAX_DEPTH} levels");
    Diagnostic::error("spec-depth", Path::root(), message)
        .help("nothing in a spec lies that deep; look for brackets or indentation gone wrong")
}

fn syntax(name: &str, message: &str) -> Diagnostic {
    // The position is printed beside the message; the parser repeats it within.
    let message = message.split(" at line ").next().unwrap_or(message);
    if message.contains("recursion limit") {
        return too_deep(name);
    }
    let help = if message.contains("mapping values are not allowed") {
        "put a value that contains `: ` in quotes, and check that keys of one block start in the same column"
    } else if message.contains("quote") {
        "close the quote, or put the whole value in the other kind of quotes"
    } else if message.contains("unknown anchor") {
        "`*name` repeats a value marked `&name` further up; put a text that starts with `*` in quotes"
    } else if message.contains('\t') || message.contains("tab") {
        "YAML indents with spaces"
    } else {
        "check brackets, quotes and indentation up to this place"
    };
    let message = format!("{name} is not valid YAML: {message}");
    Diagnostic::error("yaml-syntax", Path::root(), message).help(help)
}

/// [`Value`] as it comes from the parser.
enum Raw {
    Value(Value),
    Seq(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn place(raw: Spanned<Raw>, file: usize) -> Node {
    let span = span(&raw.defined, file);
    let value = match raw.value {
        Raw::Value(value) => value,
        Raw::Seq(items) => Value::Seq(items.into_iter().map(|item| place(item, file)).collect()),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| (place_key(key, file), place(value, file)))
                .collect(),
        ),
    };
    Node { value, span }
}

fn place_key(key: Spanned<String>, file: usize) -> Key {
    Key {
        span: span(&key.defined, file),
        name: key.value,
    }
}

fn span(location: &serde_yaml::Location, file: usize) -> Span {
    let span = location.span();
    Span {
        file,
        line: location.line() as usize,
        column: location.column() as usize,
        len: span.len() as usize,
        start: span.byte_offset().unwrap_or_default() as usize,
        bytes: span.byte_len().unwrap_or_default() as usize,
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Value(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Value(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Value(Value::Int(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Value(Value::Int(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Value(Value::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Value(Value::String(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::Seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

impl Value {
    /// What a reader of the file would call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a number",
            Value::String(_) => "a string",
            Value::Seq(_) => "a list",
            Value::Map(_) => "keys and values",
        }
    }
}

impl Node {
    /// The value under a key; the first, should the key stand twice.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|(candidate, _)| candidate.name == key)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The plain value, for serde. Of duplicate keys the last wins; they have been reported before.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => integer(*value),
            Value::Float(value) => (*value).into(),
            Value::String(text) => text.as_str().into(),
            Value::Seq(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|(key, node)| (key.name.clone(), node.to_json()))
                .collect(),
        }
    }
}

/// The parser reads 64-bit integers only.
fn integer(value: i128) -> serde_json::Value {
    match (u64::try_from(value), i64::try_from(value)) {
        (Ok(value), _) => value.into(),
        (_, Ok(value)) => value.into(),
        _ => serde_json::Value::Null,
    }
}
