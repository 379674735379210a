//! A quick way through large volumes files: YAML of the plain form that they nearly always have becomes JSON, which is read
//! ten times faster than YAML.
//!
//! Plain are mappings in lines (`key:`, `key: value`) and in braces (`{ read: 1, write: 2 }`), lists in brackets, whole numbers, words,
//! texts in double quotes without escapes, and comments. Anything else (anchors, lists in lines, other quotes, texts over several
//! lines, a key twice, …) is left to the YAML parser, so a file never means something else here than there.

use std::collections::HashSet;

/// The same document as JSON; `None` where it is not plain.
pub fn to_json(text: &str) -> Option<String> {
    let mut writer = Writer {
        out: String::with_capacity(text.len()),
        levels: Vec::new(),
        is_open: true,
    };
    for line in text.lines() {
        let content = line.trim_end_matches(' ').trim_start_matches(' ');
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let indent = line.len() - line.trim_start_matches(' ').len();
        writer.line(indent, without_comment(content)?)?;
    }
    writer.end()
}

/// A mapping in lines.
struct Level<'a> {
    indent: usize,
    keys: HashSet<&'a str>,
}

struct Writer<'a> {
    out: String,
    levels: Vec<Level<'a>>,
    /// The last key has no value yet, so that a deeper line may follow.
    is_open: bool,
}

impl<'a> Writer<'a> {
    fn line(&mut self, indent: usize, content: &'a str) -> Option<()> {
        let deepest = self.levels.last().map(|level| level.indent);
        match deepest {
            Some(deepest) if indent <= deepest => self.close(indent)?,
            _ => self.open(indent)?,
        }
        let (key, value) = split_key(content)?;
        // Keys of this level that are there twice are the parser's to refuse.
        if !self.levels.last_mut()?.keys.insert(key) {
            return None;
        }
        self.quoted(key);
        self.out.push(':');
        self.is_open = value.is_empty();
        match value.is_empty() {
            true => Some(()),
            false => Flow {
                depth: 0,
                rest: value,
                out: &mut self.out,
            }
            .document(),
        }
    }

    /// A deeper line is the first of a key's mapping.
    fn open(&mut self, indent: usize) -> Option<()> {
        if !self.is_open {
            return None;
        }
        self.levels.push(Level {
            indent,
            keys: HashSet::new(),
        });
        self.out.push('{');
        Some(())
    }

    /// Ends the mappings that are deeper than a line, which goes on with one that is as deep as itself.
    fn close(&mut self, indent: usize) -> Option<()> {
        self.null();
        while self.levels.last()?.indent > indent {
            self.levels.pop();
            self.out.push('}');
        }
        self.out.push(',');
        (self.levels.last()?.indent == indent).then_some(())
    }

    /// A key without a value.
    fn null(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.out.push_str("null");
        }
    }

    fn end(mut self) -> Option<String> {
        if self.levels.is_empty() {
            return None;
        }
        self.null();
        self.out.extend(self.levels.iter().map(|_| '}'));
        Some(self.out)
    }

    fn quoted(&mut self, text: &str) {
        self.out.extend(["\"", text, "\""]);
    }
}

/// Braces in braces: a volumes file has two.
const DEEPEST: u8 = 8;

/// A value in one line.
struct Flow<'a, 'o> {
    depth: u8,
    rest: &'a str,
    out: &'o mut String,
}

impl<'a> Flow<'a, '_> {
    fn document(mut self) -> Option<()> {
        self.value(false)?;
        self.rest.is_empty().then_some(())
    }

    fn value(&mut self, inside: bool) -> Option<()> {
        match self.rest.chars().next()? {
            '{' => self.mapping(),
            '[' => self.list(),
            '"' => {
                let text = self.quoted()?;
                self.out.extend(["\"", text, "\""]);
                Some(())
            }
            _ => {
                let end = match inside {
                    true => self.rest.find([',', '}', ']', ' '])?,
                    false => self.rest.len(),
                };
                let (scalar, rest) = self.rest.split_at_checked(end)?;
                self.rest = rest;
                self.scalar(scalar)
            }
        }
    }

    fn deeper(&mut self) -> Option<()> {
        let depth = self.depth.checked_add(1);
        self.depth = depth.filter(|depth| *depth <= DEEPEST)?;
        Some(())
    }

    fn list(&mut self) -> Option<()> {
        self.deeper()?;
        self.skip("[")?;
        self.out.push('[');
        let mut is_first = true;
        while !self.rest.starts_with(']') {
            if !is_first {
                self.skip(",")?;
                self.out.push(',');
            }
            if self.rest.starts_with(']') {
                return None;
            }
            is_first = false;
            self.value(true)?;
            self.rest = self.rest.trim_start_matches(' ');
        }
        self.skip("]")?;
        self.depth -= 1;
        self.out.push(']');
        Some(())
    }

    fn mapping(&mut self) -> Option<()> {
        let mut keys: Vec<&str> = Vec::new();
        self.deeper()?;
        self.skip("{")?;
        self.out.push('{');
        while !self.rest.starts_with('}') {
            if !keys.is_empty() {
                self.skip(",")?;
                self.out.push(',');
            }
            let end = self.rest.find(": ")?;
            let (key, rest) = self.rest.split_at_checked(end)?;
            if !is_word(key) || keys.contains(&key) {
                return None;
            }
            keys.push(key);
            self.rest = rest;
            self.out.extend(["\"", key, "\":"]);
            self.skip(":")?;
            self.value(true)?;
            self.rest = self.rest.trim_start_matches(' ');
        }
        self.skip("}")?;
        self.depth -= 1;
        self.out.push('}');
        Some(())
    }

    fn skip(&mut self, what: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(what)?.trim_start_matches(' ');
        Some(())
    }

    fn quoted(&mut self) -> Option<&'a str> {
        let (text, rest) = self.rest.strip_prefix('"')?.split_once('"')?;
        self.rest = rest;
        is_harmless(text).then_some(text)
    }

    fn scalar(&mut self, text: &str) -> Option<()> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if digits && (text == "0" || !text.starts_with('0')) {
            self.out.push_str(text);
            return Some(());
        }
        (!digits && is_word(text) && !is_special(text)).then(|| self.out.extend(["\"", text, "\""]))
    }
}

/// A key and what follows it; nothing where its value is in deeper lines, or null.
fn split_key(content: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = content.strip_prefix('"') {
        let (key, rest) = quoted.split_once('"')?;
        let value = rest.strip_prefix(':')?;
        let is_value = value.is_empty() || value.starts_with(' ');
        return (is_harmless(key) && is_value).then(|| (key, value.trim_start_matches(' ')));
    }
    let (key, value) = match content.split_once(": ") {
        Some((key, value)) => (key, value.trim_start_matches(' ')),
        None => (content.strip_suffix(':')?, ""),
    };
    is_word(key).then_some((key, value))
}

/// Comments follow a blank. Where there are quotes, `#` may be part of a text.
fn without_comment(content: &str) -> Option<&str> {
    match content.find(" #") {
        None => Some(content),
        Some(_) if content.contains('"') => None,
        Some(at) => content
            .get(..at)
            .map(|content| content.trim_end_matches(' ')),
    }
}

/// Letters, digits and what names have between them: never the start of anything else in YAML.
fn is_word(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"._/:-".contains(&byte);
    let first = text.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().all(inside)
        && !text.ends_with(':')
}

/// Words that are no texts, and numbers in other forms than digits.
fn is_special(text: &str) -> bool {
    const WORDS: [&str; 10] = [
        "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan",
    ];
    text.starts_with(|c: char| c.is_ascii_digit())
        || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A text between quotes that JSON writes as it is.
fn is_harmless(text: &str) -> bool {
    !text.contains(|c: char| {
        c == '\\' || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn plain(text: &str) -> Option<Value> {
        to_json(text).map(|json| serde_json::from_str(&json).unwrap_or_else(|_| panic!("{json}")))
    }

    /// Whatever is read here is what the YAML parser reads.
    fn agrees(text: &str) {
        let options =
            serde_yaml::options! { leading_zero_numbers_as_strings: true, strict_booleans: true };
        if let Some(value) = plain(text) {
            let parsed = serde_yaml::from_str_with_options::<Value>(text, options);
            assert_eq!(parsed.ok(), Some(value), "{text}");
        }
    }

    #[test]
    fn volumes_files_are_plain() {
        let text = "# measured\nversion: 1\nwindow: { month: \"2026-10\" }  \naccounts:\n  \"111122223333\":\n    us-east-1:\n\
                    \x20     management: # all\n        iam.amazonaws.com: { read: 5, write: { low: 1, expected: 2, high: 3 } }\n\n\
                    \x20     data:\n        s3.amazonaws.com:\n          AWS::S3::Object: {read: 1,write: 2}\n    eu-west-1: {}\n  \
                    444455556666:\nnote: words\n";
        let expected = json!({
            "version": 1, "window": { "month": "2026-10" }, "note": "words",
            "accounts": {
                "111122223333": {
                    "us-east-1": {
                        "management": { "iam.amazonaws.com": { "read": 5, "write": { "low": 1, "expected": 2, "high": 3 } } },
                        "data": { "s3.amazonaws.com": { "AWS::S3::Object": { "read": 1, "write": 2 } } }
                    },
                    "eu-west-1": {}
                },
                "444455556666": null
            }
        });
        assert_eq!(plain(text), Some(expected));
        agrees(text);
    }

    /// What `volumes` writes is read the quick way.
    #[test]
    fn written_volumes_are_plain() {
        let text = "version: 1\nwindow: [{ from: 2026-07-01, to: 2026-07-08 }, { from: 2026-08-01, to: 2026-08-08 }]\n\
                    measurements: [{ from: [\"s3://logs/p\"], window: { month: 2026-07 }, files: 3 }]\naccounts:\n  '111122223333':\n    \
                    us-east-1: { selectors: { org: { payment objects: 3 } }, data: { s3.amazonaws.com: { AWS::S3::Object: { read: 1 } } } }\n";
        let volumes = crate::cost::Volumes::parse(text).expect("volumes");
        let written = crate::cost::to_yaml(&volumes, "");
        assert!(plain(&written).is_some(), "{written}");
    }

    #[test]
    fn what_is_not_plain_is_the_parsers() {
        for text in [
            "a: 1\na: 2",
            "a: { b: 1, b: 2 }",
            "a: &x 1\nb: *x",
            "a:\n  - 1",
            "a: 'x'",
            "a: \"x\\n\"",
            "a: |\n  x",
            "a: b c",
            "a: 1\n  b: 2",
            "a:\n    b: 1\n  c: 2",
            "a: true",
            "a: ~",
            "a: 1.5",
            "a: 0x1f",
            "a: 007",
            "a: 2026-10-01",
            "\ta: 1",
            "a: { b: 1",
            "a: { b: 1 } x",
            "a: [1]",
            "<<: { a: 1 }",
            "? a\n: b",
            "a : 1",
            "a:b",
            "--- \na: 1",
            "a: 1\n---\nb: 2",
            "",
            "# nothing",
            "a: \"x # y\" # z",
            "a: b # c\n\"d\": e",
            "a: !!str 1",
            "a: @b",
            "{ a: 1 }",
            "a: {b}",
            "a: { b:1 }",
            "a:\n  b",
            "a: x\n  y",
            "a: 1e3",
            "a: +1",
            "a: .inf",
            "a: NO",
            "a: \u{1}",
            "\u{feff}a: 1",
            "a:  # c\n  b: 1",
        ] {
            agrees(text);
        }
        for text in [
            "a: 1\na: 2",
            "a: 'x'",
            "a:\n  - 1",
            "a: true",
            "a: 1\n  b: 2",
            "a: b c",
            "a: 007",
            "\ta: 1",
        ] {
            assert_eq!(plain(text), None, "{text}");
        }
        assert_eq!(plain(&format!("a: {}", "{ b: ".repeat(100_000))), None);
    }

    proptest! {
        #[test]
        fn every_text_means_what_it_means_to_the_parser(
            lines in proptest::collection::vec("( {0,4}(a|b|\"c\"|a.b|A::B|1|07|x y|#|-|'d'|yes)(:| :|: )(|1|0|01|w| w|\"t\"|\"t|\\{\\}|\\{ a: 1, b: w \\}|\\{a: \\{ b: 1\\}\\}|\\{ a: 1,\\}|\\[\\]|\\[1, w\\]|\\[ \\{ a: 1 \\} \\]|\\[1,\\]|\\[a: 1\\]|&x|\\|| # c|#c|~|true|1-2|a:b|a: b) {0,1})", 0..6)
        ) {
            agrees(&lines.join("\n"));
        }
    }
}
