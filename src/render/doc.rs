//! A document: lines of styled text, printed with or without colour and wrapped to a width.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Color};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    Bold,
    Dim,
    Added,
    Changed,
    Removed,
    Warning,
    Error,
    Good,
}

/// A line: an indentation in columns and pieces of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    indent: usize,
    /// Where the text continues when the line is wrapped.
    hang: usize,
    pieces: Vec<(Style, String)>,
}

impl Line {
    pub fn new(indent: usize) -> Self {
        Self {
            indent,
            hang: indent + 2,
            pieces: Vec::new(),
        }
    }

    #[must_use]
    pub fn hang(mut self, column: usize) -> Self {
        self.hang = column;
        self
    }

    #[must_use]
    pub fn add(mut self, style: Style, text: impl AsRef<str>) -> Self {
        self.pieces.push((style, printable(text.as_ref())));
        self
    }

    #[must_use]
    pub fn plain(self, text: impl AsRef<str>) -> Self {
        self.add(Style::Plain, text)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doc {
    lines: Vec<Line>,
}

impl Doc {
    pub fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    pub fn blank(&mut self) {
        self.lines.push(Line::default());
    }

    pub fn text(&self, terminal: Terminal) -> String {
        let mut out = String::new();
        for line in &self.lines {
            write_line(line, terminal, &mut out);
            out.push('\n');
        }
        out
    }
}

/// Where a document is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    pub color: bool,
    /// None: lines are not wrapped.
    pub width: Option<usize>,
}

impl Terminal {
    /// Wraps `text` in a style's colours.
    pub fn paint(self, style: Style, text: &str) -> String {
        let ansi = ansi(style);
        if !self.color || style == Style::Plain {
            return text.to_owned();
        }
        format!("{ansi}{text}{ansi:#}")
    }
}

fn ansi(style: Style) -> anstyle::Style {
    let color = |color: AnsiColor| anstyle::Style::new().fg_color(Some(Color::Ansi(color)));
    match style {
        Style::Plain => anstyle::Style::new(),
        Style::Bold => anstyle::Style::new().bold(),
        Style::Dim => anstyle::Style::new().dimmed(),
        Style::Added | Style::Good => color(AnsiColor::Green),
        Style::Changed | Style::Warning => color(AnsiColor::Yellow),
        Style::Removed => color(AnsiColor::Red),
        Style::Error => color(AnsiColor::Red).bold(),
    }
}

/// Control characters and direction marks of names must not reach the terminal.
fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) {
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Breaks at spaces. A word that is longer than a line, such as an ARN, stays whole.
fn write_line(line: &Line, terminal: Terminal, out: &mut String) {
    if line.pieces.is_empty() {
        return;
    }
    let mut column = line.indent;
    out.push_str(&" ".repeat(line.indent));
    for (style, text) in &line.pieces {
        let mut chunk = String::new();
        for word in text.split_inclusive(' ') {
            let width = word.trim_end().chars().count();
            let full = terminal.width.is_some_and(|limit| column + width > limit);
            if full && column > line.hang {
                out.push_str(&terminal.paint(*style, chunk.trim_end()));
                chunk.clear();
                trim_end(out);
                out.push('\n');
                out.push_str(&" ".repeat(line.hang));
                column = line.hang;
            }
            chunk.push_str(word);
            column += word.chars().count();
        }
        out.push_str(&terminal.paint(*style, &chunk));
    }
    trim_end(out);
}

fn trim_end(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: Terminal = Terminal {
        color: false,
        width: Some(20),
    };

    #[test]
    fn wraps_at_spaces_and_hangs() {
        let mut doc = Doc::default();
        doc.push(Line::new(2).plain("one two three four five six"));
        assert_eq!(doc.text(NARROW), "  one two three four\n    five six\n");
    }

    #[test]
    fn keeps_long_words_whole() {
        let mut doc = Doc::default();
        doc.push(Line::new(0).plain("see arn:aws:s3:::a-very-long-bucket-name now"));
        assert_eq!(
            doc.text(NARROW),
            "see\n  arn:aws:s3:::a-very-long-bucket-name\n  now\n"
        );
    }

    #[test]
    fn shows_control_characters_instead_of_obeying_them() {
        let mut doc = Doc::default();
        doc.push(Line::new(0).plain("a\u{1b}[31mb\u{202e}c"));
        let text = doc.text(NARROW);
        assert_eq!(text, "a\\u{1b}[31mb\\u{202e}c\n");
    }

    #[test]
    fn colour_only_on_request() {
        let mut doc = Doc::default();
        doc.push(Line::new(0).add(Style::Added, "+").plain(" x"));
        let color = Terminal {
            color: true,
            width: None,
        };
        assert_eq!(doc.text(NARROW), "+ x\n");
        assert!(doc.text(color).starts_with("\u{1b}["));
    }
}
