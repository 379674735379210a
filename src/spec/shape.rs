//! The structure of a spec against the JSON Schema of its types. Unlike serde it reports every problem, not the first,
//! and knows what was probably meant.

use serde_json::Value as Json;

use crate::diag::{Diagnostic, Path};

use super::sources::{Sources, shown};
use super::suggest;
use super::yaml::{Key, Node, Span, Value};

/// Keys that stand twice in the same place of one file.
pub fn duplicate_keys(root: &Node, sources: &Sources, out: &mut Vec<Diagnostic>) {
    find_duplicates(&Path::root(), root, sources, out);
}

fn find_duplicates(path: &Path, node: &Node, sources: &Sources, out: &mut Vec<Diagnostic>) {
    match &node.value {
        Value::Seq(items) => {
            for (index, item) in items.iter().enumerate() {
                find_duplicates(&path.index(index), item, sources, out);
            }
        }
        Value::Map(entries) => {
            let mut seen = std::collections::HashMap::new();
            for (key, value) in entries {
                let path = path.key(&key.name);
                let first = *seen.entry(key.name.as_str()).or_insert(key.span);
                if first != key.span {
                    out.push(duplicate(path.clone(), key, &first, sources));
                }
                find_duplicates(&path, value, sources, out);
            }
        }
        _ => {}
    }
}

fn duplicate(path: Path, key: &Key, first: &Span, sources: &Sources) -> Diagnostic {
    let lines = format!("in line {} and in line {}", first.line, key.span.line);
    let message = format!("the key `{}` stands twice, {lines}", key.name);
    Diagnostic::error("duplicate-key", path, message)
        .at(sources.location(&key.span))
        .related(sources.location(first), "first written here")
        .help("join the two, or rename one")
}

/// Everything in the tree that the schema does not allow.
pub fn check(root: &Node, schema: &Json, sources: &Sources, out: &mut Vec<Diagnostic>) {
    let mut walk = Walk {
        schema,
        sources,
        out,
    };
    walk.node(schema, &Path::root(), None, root);
}

struct Walk<'a> {
    schema: &'a Json,
    sources: &'a Sources,
    out: &'a mut Vec<Diagnostic>,
}

impl<'a> Walk<'a> {
    fn node(&mut self, schema: &'a Json, path: &Path, key: Option<&Key>, node: &Node) {
        let mut branches = Vec::new();
        self.branches(schema, &mut branches);
        let kind = json_type(&node.value);
        let fitting: Vec<&Json> = branches
            .iter()
            .copied()
            .filter(|branch| types(branch).any(|name| fits(name, kind)))
            .collect();
        let Some(branch) = fitting.first().copied() else {
            self.wrong_type(&branches, path, key, node);
            return;
        };
        match &node.value {
            Value::Map(entries) => self.object(branch, path, key, node, entries),
            Value::Seq(items) => {
                if let Some(schema) = branch.get("items") {
                    for (index, item) in items.iter().enumerate() {
                        self.node(schema, &path.index(index), None, item);
                    }
                }
            }
            Value::String(text) => self.string(&fitting, path, node, text),
            Value::Int(number) => self.integer(branch, path, node, *number),
            Value::Null | Value::Bool(_) | Value::Float(_) => {}
        }
    }

    /// The alternatives of a schema, without references.
    fn branches(&self, schema: &'a Json, out: &mut Vec<&'a Json>) {
        if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
            let pointer = reference.trim_start_matches('#');
            if let Some(target) = self.schema.pointer(pointer) {
                self.branches(target, out);
            }
            return;
        }
        let alternatives = schema.get("anyOf").or_else(|| schema.get("oneOf"));
        match alternatives.and_then(Json::as_array) {
            Some(list) => list.iter().for_each(|branch| self.branches(branch, out)),
            None => out.push(schema),
        }
    }

    fn object(
        &mut self,
        schema: &'a Json,
        path: &Path,
        key: Option<&Key>,
        node: &Node,
        entries: &[(Key, Node)],
    ) {
        let properties = schema.get("properties").and_then(Json::as_object);
        let others = schema.get("additionalProperties");
        let mut meant = Vec::new();
        for (key, value) in entries {
            let path = path.key(&key.name);
            let known = properties.and_then(|list| list.get(&key.name));
            match (known, others) {
                (Some(schema), _) => self.node(schema, &path, Some(key), value),
                (None, Some(Json::Bool(false))) => {
                    let known = properties.into_iter().flat_map(|list| list.keys());
                    let known: Vec<&str> = known.map(String::as_str).collect();
                    meant.extend(self.unknown_key(&path, key, &known));
                }
                (None, Some(schema @ Json::Object(_))) => {
                    self.node(schema, &path, Some(key), value)
                }
                (None, _) => {}
            }
        }
        let required = schema.get("required").and_then(Json::as_array);
        for name in required.into_iter().flatten().filter_map(Json::as_str) {
            let written = entries.iter().any(|(key, _)| key.name == name);
            if !written && !meant.contains(&name) {
                let about = properties.and_then(|list| list.get(name));
                self.missing_key(path, key, node, name, about);
            }
        }
    }

    /// Returns the key that was probably meant.
    fn unknown_key<'k>(&mut self, path: &Path, key: &Key, known: &[&'k str]) -> Option<&'k str> {
        let place = place(&path.parent().unwrap_or_default());
        let meant = suggest::nearest(&key.name, known.iter().copied());
        let known = suggest::list(known.iter().copied(), "and");
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`? Known here: {known}"),
            None => format!("known here: {known}"),
        };
        let message = format!("the key `{}` is not known {place}", key.name);
        let diagnostic = Diagnostic::error("unknown-key", path.clone(), message)
            .at(self.sources.location(&key.span))
            .help(help);
        self.out.push(diagnostic);
        meant
    }

    fn missing_key(
        &mut self,
        path: &Path,
        key: Option<&Key>,
        node: &Node,
        name: &str,
        about: Option<&'a Json>,
    ) {
        let span = key.map_or_else(|| shown(node), |key| key.span);
        let message = format!("the key `{name}` is missing {}", place(path));
        let help = match about.and_then(|about| self.describe(about)) {
            Some(about) => format!("add `{name}:`. {about}"),
            None => format!("add `{name}:`"),
        };
        let diagnostic = Diagnostic::error("missing-key", path.key(name), message)
            .at(self.sources.location(&span))
            .help(help);
        self.out.push(diagnostic);
    }

    /// The first sentences of a property's documentation.
    fn describe(&self, schema: &'a Json) -> Option<&'a str> {
        let own = schema.get("description");
        let target = || {
            let reference = schema.get("$ref")?.as_str()?;
            self.schema
                .pointer(reference.trim_start_matches('#'))?
                .get("description")
        };
        own.or_else(target)?.as_str()?.lines().next()
    }

    fn string(&mut self, branches: &[&Json], path: &Path, node: &Node, text: &str) {
        let mut values = Vec::new();
        for branch in branches {
            match (
                branch.get("enum").and_then(Json::as_array),
                branch.get("const"),
            ) {
                (Some(list), _) => values.extend(list.iter().filter_map(Json::as_str)),
                (None, Some(value)) => values.extend(value.as_str()),
                // Any text will do.
                (None, None) => return,
            }
        }
        if values.contains(&text) {
            return;
        }
        let list = suggest::list(values.iter().copied(), "or");
        let help = match suggest::nearest(text, values.iter().copied()) {
            Some(meant) => format!("did you mean {meant}? One of {list}"),
            None => format!("write {list}"),
        };
        let message = format!("`{text}` is not a value of {path}");
        let diagnostic = Diagnostic::error("unknown-value", path.clone(), message)
            .at(self.sources.location(&node.span))
            .help(help);
        self.out.push(diagnostic);
    }

    fn integer(&mut self, schema: &Json, path: &Path, node: &Node, number: i128) {
        let (least, most) = range(schema);
        if (least..=most).contains(&number) {
            return;
        }
        let help = if least == most {
            format!("write {least}")
        } else if number < least {
            format!("the least is {least}")
        } else {
            format!("the most is {most}")
        };
        let message = format!("{path} cannot be {number}");
        let diagnostic = Diagnostic::error("value-out-of-range", path.clone(), message)
            .at(self.sources.location(&node.span))
            .help(help);
        self.out.push(diagnostic);
    }

    fn wrong_type(&mut self, branches: &[&Json], path: &Path, key: Option<&Key>, node: &Node) {
        let mut wanted: Vec<&str> = branches.iter().flat_map(|branch| types(branch)).collect();
        wanted.retain(|name| *name != "null");
        wanted.dedup();
        let expected = suggest::list(wanted.iter().map(|name| in_words(name)), "or");
        let message = format!(
            "{}: expected {expected}, found {}",
            if path.segments().is_empty() {
                "the spec".to_owned()
            } else {
                path.to_string()
            },
            node.value.kind()
        );
        let span = match (&node.value, key) {
            (Value::Map(_) | Value::Seq(_) | Value::Null, Some(key)) => key.span,
            _ => shown(node),
        };
        let mut diagnostic =
            Diagnostic::error("wrong-type", path.clone(), message).at(self.sources.location(&span));
        diagnostic.help = self.mend_type(&wanted, node);
        self.out.push(diagnostic);
    }

    fn mend_type(&self, wanted: &[&str], node: &Node) -> Option<String> {
        let written = || self.sources.slice(&node.span).unwrap_or_default();
        let wants = |name: &str| wanted.contains(&name);
        let help = match &node.value {
            Value::Null => "give it a value, or remove the key".to_owned(),
            Value::Int(_) | Value::Float(_) | Value::Bool(_) if wants("string") => {
                format!("write \"{}\" with quotes", written())
            }
            Value::String(text) if wants("boolean") => match text.to_lowercase().as_str() {
                "yes" | "on" | "true" | "y" => "write true".to_owned(),
                "no" | "off" | "false" | "n" => "write false".to_owned(),
                _ => "write true or false".to_owned(),
            },
            Value::String(text) if wants("integer") && text.parse::<u64>().is_ok() => {
                format!("write {text} without quotes")
            }
            Value::Float(_) if wants("integer") => "write a whole number".to_owned(),
            Value::String(_) | Value::Int(_) | Value::Bool(_) if wants("array") => {
                format!("write [{}]", written())
            }
            Value::Seq(items) if wants("string") && items.len() == 1 => {
                "write the value alone, without `-` or brackets".to_owned()
            }
            Value::Seq(_) if wants("object") => {
                "write a name and a colon before each entry instead of `-`".to_owned()
            }
            Value::Map(_) if wants("array") => "begin each entry with `- `".to_owned(),
            _ => return None,
        };
        Some(help)
    }
}

fn place(path: &Path) -> String {
    if path.segments().is_empty() {
        "at the top of a spec".to_owned()
    } else {
        format!("in {path}")
    }
}

/// The JSON types of a schema without alternatives.
fn types(schema: &Json) -> impl Iterator<Item = &str> {
    let (one, several) = match schema.get("type") {
        Some(Json::String(name)) => (Some(name.as_str()), None),
        Some(Json::Array(names)) => (None, Some(names)),
        // `enum` and `const` without a type.
        _ => (Some("string"), None),
    };
    let several = several.into_iter().flatten().filter_map(Json::as_str);
    one.into_iter().chain(several)
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Int(_) => "integer",
        Value::Float(_) => "number",
        Value::String(_) => "string",
        Value::Seq(_) => "array",
        Value::Map(_) => "object",
    }
}

fn fits(wanted: &str, found: &str) -> bool {
    wanted == found || (wanted == "number" && found == "integer")
}

fn in_words(json_type: &str) -> &str {
    match json_type {
        "boolean" => "true or false",
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a string",
        "array" => "a list",
        "object" => "keys and values",
        other => other,
    }
}

/// Smallest and largest integer of a schema: its own bounds within those of its format.
fn range(schema: &Json) -> (i128, i128) {
    let (least, most) = match schema.get("format").and_then(Json::as_str) {
        Some("uint8") => (0, u8::MAX.into()),
        Some("uint16") => (0, u16::MAX.into()),
        Some("uint32") => (0, u32::MAX.into()),
        Some("uint64" | "uint") => (0, u64::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    };
    let bound = |name: &str| schema.get(name).and_then(Json::as_i64).map(i128::from);
    let least = bound("minimum").map_or(least, |own: i128| own.max(least));
    let most = bound("maximum").map_or(most, |own: i128| own.min(most));
    (least, most)
}
