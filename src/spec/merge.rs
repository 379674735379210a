//! Several files to one tree: keys merge by name, lists follow one another, and what two files say differently is a
//! conflict.

use std::collections::{HashMap, HashSet};

use crate::diag::{Diagnostic, Path, Segment};

use super::sources::Sources;
use super::yaml::{Key, Node, Span, Value};

/// Adds a file's tree to what earlier files said.
pub fn merge(into: &mut Node, from: Node, sources: &Sources, out: &mut Vec<Diagnostic>) {
    let mut merger = Merger { sources, out };
    merger.node(&Path::root(), None, into, from);
}

struct Merger<'a> {
    sources: &'a Sources,
    out: &'a mut Vec<Diagnostic>,
}

impl Merger<'_> {
    fn node(&mut self, path: &Path, key: Option<(&Key, &Key)>, into: &mut Node, from: Node) {
        match (&mut into.value, from.value) {
            (Value::Map(into), Value::Map(from)) => self.map(path, into, from),
            (Value::Seq(into), Value::Seq(from)) => self.list(path, into, from),
            (old, new) if same(old, &new) => {}
            (_, new) => {
                let from = Node {
                    value: new,
                    span: from.span,
                };
                self.conflict(path, key, into, &from);
            }
        }
    }

    fn map(&mut self, path: &Path, into: &mut Vec<(Key, Node)>, from: Vec<(Key, Node)>) {
        let mut known = HashMap::new();
        for (position, (key, _)) in into.iter().enumerate() {
            known.entry(key.name.clone()).or_insert(position);
        }
        for (key, node) in from {
            match known.get(&key.name) {
                Some(position) => {
                    let (old_key, old) = &mut into[*position];
                    self.node(&path.key(&key.name), Some((old_key, &key)), old, node);
                }
                None => into.push((key, node)),
            }
        }
    }

    /// Scalars that stand in both lists are kept once, so that files can each name what they need.
    fn list(&mut self, path: &Path, into: &mut Vec<Node>, from: Vec<Node>) {
        let known: HashSet<String> = into.iter().filter_map(|node| scalar(&node.value)).collect();
        let naming = naming_key(path);
        let name_of = |node: &Node| {
            let name = node.get(naming?)?;
            Some((name.as_str()?.to_owned(), name.span))
        };
        let names: HashMap<String, Span> = into.iter().filter_map(name_of).collect();
        for node in from {
            if scalar(&node.value).is_some_and(|value| known.contains(&value)) {
                continue;
            }
            if let Some((name, span)) = name_of(&node)
                && let Some(twin) = names.get(&name)
            {
                self.same_name(path, naming.unwrap_or_default(), &name, (twin, &span));
            }
            into.push(node);
        }
    }

    fn same_name(&mut self, path: &Path, key: &str, name: &str, (old, new): (&Span, &Span)) {
        let message = format!("two files have an entry with the {key} `{name}` in {path}");
        let diagnostic = Diagnostic::error("merge-conflict", path.clone(), message)
            .at(self.sources.location(new))
            .related(self.sources.location(old), "the other one")
            .help(format!("give one of them another {key}, or remove it"));
        self.out.push(diagnostic);
    }

    fn conflict(&mut self, path: &Path, key: Option<(&Key, &Key)>, old: &Node, new: &Node) {
        let at = |node: &Node, key: Option<&Key>| match node.value {
            Value::Map(_) | Value::Seq(_) | Value::Null => self
                .sources
                .location(&key.map_or(node.span, |key| key.span)),
            _ => self.sources.location(&node.span),
        };
        let message = format!("two files say different things about {path}");
        let diagnostic = Diagnostic::error("merge-conflict", path.clone(), message)
            .at(at(new, key.map(|(_, new)| new)))
            .related(at(old, key.map(|(old, _)| old)), "the other one")
            .help("keep it in one of the two files");
        self.out.push(diagnostic);
    }
}

/// What names the entries of a list.
fn naming_key(path: &Path) -> Option<&'static str> {
    match path.segments().last() {
        Some(Segment::Key(key)) if key == "selectors" => Some("name"),
        Some(Segment::Key(key)) if key == "lifecycle" => Some("id"),
        _ => None,
    }
}

/// What tells a scalar from others. Lists and maps have none, because each file's entries count.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("null".to_owned()),
        Value::Bool(value) => Some(format!("bool {value}")),
        Value::Int(value) => Some(format!("int {value}")),
        Value::Float(value) => Some(format!("float {value}")),
        Value::String(text) => Some(format!("string {text}")),
        Value::Seq(_) | Value::Map(_) => None,
    }
}

fn same(left: &Value, right: &Value) -> bool {
    scalar(left).is_some_and(|left| Some(left) == scalar(right))
}
