//! A volumes file as text, with the comments of the file that it takes the place of.
//!
//! YAML libraries read comments as nothing. Here each comment is tied to the key that it stands above or beside, by the
//! keys that lead to it, and written again at that key; if the key is gone, at the end of the file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::by_name::ByName;
use super::volumes::{
    Count, Counts, Files, Measurement, Provenance, RegionVolumes, SpanWindow, Volumes, Window,
};

/// The file as YAML. `before` is the text whose comments are kept.
pub fn to_yaml(volumes: &Volumes, before: &str) -> String {
    let mut writer = Writer {
        out: String::new(),
        path: Vec::new(),
        comments: Comments::of(before),
    };
    writer.volumes(volumes);
    writer.finish()
}

/// The file as JSON, which has no comments.
pub fn to_json(volumes: &Volumes) -> String {
    // Types of strings, numbers and lists cannot fail.
    let mut text = serde_json::to_string_pretty(volumes).unwrap_or_default();
    text.push('\n');
    text
}

type Path = Vec<String>;

/// Comments by the key that they belong to.
#[derive(Debug, Default)]
struct Comments {
    above: BTreeMap<Path, Vec<String>>,
    beside: BTreeMap<Path, Vec<String>>,
    /// Behind the last key.
    last: Vec<String>,
}

impl Comments {
    fn of(text: &str) -> Self {
        let mut comments = Self::default();
        let mut keys: Vec<(usize, String)> = Vec::new();
        let mut waiting = Vec::new();
        let mut skip: Option<Skip> = None;
        for line in text.lines() {
            let indent = line.len() - line.trim_start().len();
            let content = line.trim();
            if let Some(Skip::Quoted { quote }) = skip
                && let Some(end) = closing(line, quote)
            {
                let behind = line.get(end + 1..).unwrap_or_default();
                if let (_, Some(comment)) = split_comment(behind) {
                    let path = keys.iter().map(|(_, key)| key.clone()).collect();
                    comments
                        .beside
                        .entry(path)
                        .or_default()
                        .push(comment.to_owned());
                }
                skip = None;
                continue;
            }
            skip = skip.filter(|skip| skip.goes_on(line, indent));
            if skip.is_some() || content.is_empty() {
                continue;
            }
            let (content, comment) = split_comment(content);
            let comment = comment.map(str::to_owned);
            if content.is_empty() {
                waiting.extend(comment);
                continue;
            }
            if let Some((key, value)) = split_key(content) {
                keys.retain(|(column, _)| *column < indent);
                keys.push((indent, key));
                skip = Skip::begins(value, indent);
            }
            let path: Path = keys.iter().map(|(_, key)| key.clone()).collect();
            if !waiting.is_empty() {
                let above = comments.above.entry(path.clone()).or_default();
                above.append(&mut waiting);
            }
            if let Some(comment) = comment {
                comments.beside.entry(path).or_default().push(comment);
            }
        }
        comments.last = waiting;
        comments
    }

    /// Takes the comments of a key, and of all keys under it where these get no lines of their own.
    fn take(&mut self, path: &[String], with_inner: bool) -> (Vec<String>, Vec<String>) {
        let mut above = self.above.remove(path).unwrap_or_default();
        let beside = self.beside.remove(path).unwrap_or_default();
        if with_inner {
            for comments in [&mut self.above, &mut self.beside] {
                let inner = comments.extract_if(.., |own, _| own.starts_with(path));
                above.extend(inner.flat_map(|(_, comments)| comments));
            }
        }
        (above, beside)
    }

    fn rest(self) -> impl Iterator<Item = String> {
        let homeless = self.above.into_values().chain(self.beside.into_values());
        homeless.flatten().chain(self.last)
    }
}

/// Lines of a scalar that goes over several of them, in which `#` is no comment.
#[derive(Clone, Copy)]
enum Skip {
    /// All that is indented more than its key.
    Block { key: usize },
    /// Up to the closing quote.
    Quoted { quote: char },
}

impl Skip {
    fn begins(value: &str, key: usize) -> Option<Self> {
        let quote = value.chars().next()?;
        match quote {
            '|' | '>' => Some(Self::Block { key }),
            '"' | '\'' if closing(value.get(1..)?, quote).is_none() => Some(Self::Quoted { quote }),
            _ => None,
        }
    }

    /// Whether a line still belongs to it.
    fn goes_on(self, line: &str, indent: usize) -> bool {
        match self {
            Self::Block { key } => line.trim().is_empty() || indent > key,
            Self::Quoted { quote } => closing(line, quote).is_none(),
        }
    }
}

/// Where a quoted text ends.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote == '"' {
            escaped = true;
        } else if c == quote {
            return Some(at);
        }
    }
    None
}

/// A comment begins with `#` behind a space, outside of quotes.
fn split_comment(line: &str) -> (&str, Option<&str>) {
    let mut quote = None;
    let mut last = ' ';
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), c) if c == open && !escaped => quote = None,
            (None, '"' | '\'') if !last.is_alphanumeric() => quote = Some(c),
            (None, '#') if last == ' ' || last == '\t' => {
                let (content, comment) = line.split_at(at);
                return (content.trim_end(), Some(comment));
            }
            _ => {}
        }
        escaped = false;
        last = c;
    }
    (line, None)
}

/// Key and value of a line of a mapping.
fn split_key(line: &str) -> Option<(String, &str)> {
    let quote = line.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (key, rest) = match quote {
        Some(quote) => {
            let end = closing(line.get(1..)?, quote)? + 1;
            let written = line.get(..=end)?;
            let key = match quote {
                '"' => serde_json::from_str(written).ok()?,
                _ => written.trim_matches('\'').to_owned(),
            };
            (key, line.get(end + 1..)?.trim_start())
        }
        None => {
            let end = line
                .find(": ")
                .or_else(|| line.len().checked_sub(1).filter(|_| line.ends_with(':')))?;
            let key = line.get(..end)?;
            if key.contains(['{', '[', '"']) || key.starts_with('-') {
                return None;
            }
            (key.trim_end().to_owned(), line.get(end..)?)
        }
    };
    Some((key, rest.strip_prefix(':')?.trim_start()))
}

struct Writer {
    out: String,
    path: Path,
    comments: Comments,
}

impl Writer {
    fn finish(mut self) -> String {
        for comment in self.comments.rest() {
            let _ = writeln!(self.out, "{comment}");
        }
        self.out
    }

    /// A key with its value on the same line.
    fn leaf(&mut self, key: &str, value: &str) {
        self.line(key, Some(value));
    }

    /// A key with values of their own on the following lines; without any, an empty mapping.
    fn branch(&mut self, key: &str, is_empty: bool, inside: impl FnOnce(&mut Self)) {
        self.line(key, is_empty.then_some("{}"));
        self.path.push(key.to_owned());
        inside(self);
        self.path.pop();
    }

    fn line(&mut self, key: &str, value: Option<&str>) {
        self.path.push(key.to_owned());
        let (above, beside) = self.comments.take(&self.path, value.is_some());
        self.path.pop();
        let indent = " ".repeat(self.path.len() * 2);
        for comment in above {
            let _ = writeln!(self.out, "{indent}{comment}");
        }
        let _ = write!(self.out, "{indent}{}:", scalar(key));
        if let Some(value) = value {
            let _ = write!(self.out, " {value}");
        }
        for comment in beside {
            let _ = write!(self.out, "  {comment}");
        }
        self.out.push('\n');
    }

    fn volumes(&mut self, volumes: &Volumes) {
        self.leaf("version", &volumes.version.to_string());
        self.leaf("provenance", provenance(volumes.provenance));
        if let Some(note) = &volumes.note {
            self.leaf("note", &scalar(note));
        }
        if let Some(window) = &volumes.window {
            self.leaf("window", &window_text(window));
        }
        if !volumes.measurements.is_empty() {
            let measurements: Vec<String> =
                volumes.measurements.iter().map(measurement_text).collect();
            self.leaf("measurements", &format!("[{}]", measurements.join(", ")));
        }
        if !volumes.definitions.is_empty() {
            self.branch("definitions", false, |writer| {
                for (trail, names) in &volumes.definitions {
                    writer.branch(trail, names.is_empty(), |writer| {
                        for (name, digest) in names {
                            writer.leaf(name, &quoted(digest));
                        }
                    });
                }
            });
        }
        self.branch("accounts", volumes.accounts.is_empty(), |writer| {
            for (account, regions) in &volumes.accounts {
                writer.branch(account, regions.is_empty(), |writer| {
                    for (region, volumes) in regions {
                        writer.region(region, volumes);
                    }
                });
            }
        });
    }

    fn region(&mut self, name: &str, region: &RegionVolumes) {
        let is_empty = *region == RegionVolumes::default();
        self.branch(name, is_empty, |writer| {
            if let Some(window) = &region.window {
                writer.leaf("window", &window_text(window));
            }
            writer.sources("management", region.management.as_ref());
            if let Some(data) = &region.data {
                writer.branch("data", data.is_empty(), |writer| {
                    for (source, types) in data.iter() {
                        writer.sources(source, Some(types));
                    }
                });
            }
            writer.sources("network_activity", region.network_activity.as_ref());
            if let Some(files) = &region.files {
                writer.leaf("files", &files_text(files));
            }
            if !region.selectors.is_empty() {
                writer.branch("selectors", false, |writer| {
                    writer.selectors(&region.selectors)
                });
            }
        });
    }

    fn sources(&mut self, key: &str, sources: Option<&ByName<Counts>>) {
        let Some(sources) = sources else { return };
        self.branch(key, sources.is_empty(), |writer| {
            for (source, counts) in sources.iter() {
                writer.leaf(source, &counts_text(counts));
            }
        });
    }

    fn selectors(&mut self, selectors: &ByName<ByName<Count>>) {
        for (trail, names) in selectors.iter() {
            self.branch(trail, names.is_empty(), |writer| {
                for (name, count) in names.iter() {
                    writer.leaf(name, &count_text(count));
                }
            });
        }
    }
}

fn provenance(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Measured => "measured",
        Provenance::Declared => "declared",
        Provenance::Assumed => "assumed",
    }
}

/// As it is where YAML cannot take it for anything else, otherwise as JSON writes it, which is YAML too.
fn scalar(text: &str) -> String {
    let inner = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(inner)
        && !text.ends_with(':')
        && !word.contains(&text.to_ascii_lowercase().as_str());
    match is_plain {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// `{ a: 1, b: 2 }`
fn flow(members: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let members: Vec<String> = members
        .into_iter()
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    match members.is_empty() {
        true => "{}".to_owned(),
        false => format!("{{ {} }}", members.join(", ")),
    }
}

/// As JSON writes it, and with everything spelled out that YAML does not allow in a file.
fn quoted(text: &str) -> String {
    let odd = |c: char| {
        matches!(
            c,
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
    };
    let json = serde_json::Value::from(text).to_string();
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match odd(c) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
    }
    out
}

fn window_text(window: &Window) -> String {
    let span =
        |window: &SpanWindow| flow([("from", quoted(&window.from)), ("to", quoted(&window.to))]);
    match window {
        Window::Month(window) => flow([("month", quoted(&window.month))]),
        Window::Span(window) => span(window),
        Window::Several(windows) => {
            let spans: Vec<String> = windows.iter().map(span).collect();
            format!("[{}]", spans.join(", "))
        }
    }
}

fn measurement_text(measurement: &Measurement) -> String {
    let from: Vec<String> = measurement.from.iter().map(|from| quoted(from)).collect();
    let number = |number: &Option<u64>| number.map(|number| number.to_string());
    let members = [
        ("from", Some(format!("[{}]", from.join(", ")))),
        ("window", measurement.window.as_ref().map(window_text)),
        ("files", number(&measurement.files)),
        ("sampled_from", number(&measurement.sampled_from)),
        ("damaged_files", number(&measurement.damaged_files)),
    ];
    flow(known(members))
}

fn files_text(files: &Files) -> String {
    let number = |number: &Option<u64>| number.map(|number| number.to_string());
    let large = files.large.as_ref().map(|large| {
        flow([
            ("count", large.count.to_string()),
            ("compressed_bytes", large.compressed_bytes.to_string()),
        ])
    });
    let members = [
        ("count", number(&files.count)),
        ("compressed_bytes", number(&files.compressed_bytes)),
        ("uncompressed_bytes", number(&files.uncompressed_bytes)),
        ("large", large),
        ("digests", number(&files.digests)),
        ("digest_bytes", number(&files.digest_bytes)),
    ];
    flow(known(members))
}

fn known<const N: usize>(
    members: [(&'static str, Option<String>); N],
) -> impl Iterator<Item = (&'static str, String)> {
    members
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
}

fn counts_text(counts: &Counts) -> String {
    let members = [
        ("read", &counts.read),
        ("write", &counts.write),
        ("other", &counts.other),
        ("errors", &counts.errors),
    ];
    let members = members.into_iter().filter(|(_, count)| !count.is_zero());
    flow(members.map(|(key, count)| (key, count_text(count))))
}

fn count_text(count: &Count) -> String {
    let cases = ["low", "expected", "high"].into_iter().zip(count.cases());
    match count {
        Count::Exactly(count) => count.to_string(),
        Count::Between(_) => flow(cases.map(|(key, count)| (key, count.to_string()))),
    }
}
