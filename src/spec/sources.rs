//! The files of a spec, and where in them each part of the spec is written.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::diag::{Location, Path, Texts};

use super::yaml::{Key, Node, Span, Value};

/// A file of a spec.
#[derive(Clone, Debug)]
pub struct SourceFile {
    name: String,
    text: String,
    /// Byte at which each line starts.
    lines: Vec<usize>,
}

impl SourceFile {
    pub fn new(name: &str, text: String) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0)
            .chain(breaks.map(|(at, _)| at + 1))
            .collect();
        Self {
            name: name.to_owned(),
            text,
            lines,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// A line without its line break, counted from 1.
    pub fn line(&self, number: usize) -> Option<&str> {
        let start = *self.lines.get(number.checked_sub(1)?)?;
        let end = self.lines.get(number).copied().unwrap_or(self.text.len());
        Some(self.text.get(start..end)?.trim_end_matches(['\n', '\r']))
    }

    /// One character at a line and column.
    pub fn location_at(&self, line: usize, column: usize) -> Location {
        Location {
            file: self.name.clone(),
            line: line.max(1),
            column: column.max(1),
            len: 1,
        }
    }

    /// One character at a byte, which is in or at the end of the text.
    pub fn location_of_byte(&self, byte: usize) -> Location {
        let line = self.lines.partition_point(|start| *start <= byte).max(1);
        let before = self
            .text
            .get(self.lines[line - 1]..byte)
            .unwrap_or_default();
        self.location_at(line, before.chars().count() + 1)
    }

    fn location(&self, span: &Span) -> Location {
        // A text of several lines is marked in its first line.
        let end = self
            .lines
            .get(span.line)
            .copied()
            .unwrap_or(self.text.len());
        let rest = self.text.get(span.start..end).unwrap_or_default();
        let rest = rest.trim_end_matches(['\n', '\r']);
        Location {
            len: rest.chars().take(span.len).count().max(1),
            ..self.location_at(span.line, span.column)
        }
    }
}

/// Where the parts of a spec are written.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
    root: Option<Node>,
    places: OnceLock<HashMap<Path, Place>>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// The key, where the part has one.
    key: Option<Span>,
    value: Span,
    /// Fits into a line, so that the value can be pointed at.
    scalar: bool,
}

impl Sources {
    pub(super) fn new(files: Vec<SourceFile>) -> Self {
        Self {
            files,
            ..Self::default()
        }
    }

    pub(super) fn set_root(&mut self, root: Node) {
        self.root = Some(root);
        self.places = OnceLock::new();
    }

    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// Where a part of the spec is written: its value, or the key before it when the value is a block. For a part that
    /// no file holds, such as a default, the nearest part around it.
    pub fn locate(&self, path: &Path) -> Option<Location> {
        let place = self.nearest(path)?;
        let span = match place.key {
            Some(key) if !place.scalar => key,
            _ => place.value,
        };
        self.location(&span)
    }

    /// Where the key of a part is written.
    pub fn locate_key(&self, path: &Path) -> Option<Location> {
        let place = self.nearest(path)?;
        self.location(&place.key.unwrap_or(place.value))
    }

    /// Whether a file holds exactly this part.
    pub fn holds(&self, path: &Path) -> bool {
        self.places().contains_key(path)
    }

    pub(super) fn location(&self, span: &Span) -> Option<Location> {
        Some(self.files.get(span.file)?.location(span))
    }

    /// The text as written.
    pub(super) fn slice(&self, span: &Span) -> Option<&str> {
        let text = &self.files.get(span.file)?.text;
        text.get(span.start..span.start + span.bytes)
    }

    fn nearest(&self, path: &Path) -> Option<&Place> {
        let places = self.places();
        let mut path = path.clone();
        loop {
            match places.get(&path) {
                Some(place) => return Some(place),
                None => path = path.parent()?,
            }
        }
    }

    fn places(&self) -> &HashMap<Path, Place> {
        self.places.get_or_init(|| {
            let mut places = HashMap::new();
            if let Some(root) = &self.root {
                collect(&mut places, Path::root(), None, root);
            }
            places
        })
    }
}

fn collect(places: &mut HashMap<Path, Place>, path: Path, key: Option<&Key>, node: &Node) {
    match &node.value {
        Value::Seq(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(places, path.index(index), None, item);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                collect(places, path.key(&key.name), Some(key), value);
            }
        }
        _ => {}
    }
    let place = Place {
        key: key.map(|key| key.span),
        value: shown(node),
        scalar: !matches!(node.value, Value::Seq(_) | Value::Map(_) | Value::Null),
    };
    places.entry(path).or_insert(place);
}

/// The span to point at: of a block, which has no length of its own, its first key or item.
pub(super) fn shown(node: &Node) -> Span {
    let first = match &node.value {
        Value::Map(entries) => entries.first().map(|(key, _)| key.span),
        Value::Seq(items) => items.first().map(shown),
        _ => None,
    };
    match first {
        // A block that starts with what a merge key brought in starts elsewhere.
        Some(first) if node.span.len == 0 && first.line == node.span.line => first,
        _ => node.span,
    }
}

impl Texts for Sources {
    fn line(&self, file: &str, line: usize) -> Option<&str> {
        let file = self.files.iter().find(|candidate| candidate.name == file)?;
        file.line(line)
    }
}
