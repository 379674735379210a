//! Diagnostics for people, in the manner of rustc.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style as Ansi};

use super::{Diagnostic, Location, Severity, Texts, is_invisible, printable};

/// Whether the text may hold terminal colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    #[default]
    Plain,
    Color,
}

const WIDTH: usize = 80;
const TAB: usize = 4;
/// Lines of more bytes were written by machines; cutting a snippet out of each would take longer than reading it helps.
const MAX_LINE: usize = 20_000;

/// Every diagnostic with its snippet, each followed by an empty line.
pub fn text(diagnostics: &[Diagnostic], texts: &dyn Texts, style: Style) -> String {
    let mut writer = Writer {
        out: String::new(),
        texts,
        style,
    };
    for diagnostic in diagnostics {
        writer.diagnostic(diagnostic);
        writer.out.push('\n');
    }
    writer.out
}

struct Writer<'a> {
    out: String,
    texts: &'a dyn Texts,
    style: Style,
}

impl Writer<'_> {
    fn diagnostic(&mut self, diagnostic: &Diagnostic) {
        let (word, color) = match diagnostic.severity {
            Severity::Error => ("error", AnsiColor::Red),
            Severity::Warning => ("warning", AnsiColor::Yellow),
        };
        let title = format!("{word}[{}]", diagnostic.code);
        let indent = title.chars().count() + 2;
        let title = self.paint(color.on_default().bold(), &title);
        let message = wrap(&printable(&diagnostic.message), indent, 2);
        let _ = writeln!(self.out, "{title}: {message}");

        let gutter = gutter(diagnostic);
        match &diagnostic.location {
            Some(location) => self.snippet(location, gutter, color),
            None if !diagnostic.path.segments().is_empty() => {
                let path = printable(&diagnostic.path.to_string());
                let _ = writeln!(self.out, "{:gutter$}--> {path}", "");
            }
            None => {}
        }
        for related in &diagnostic.related {
            let note = self.paint(AnsiColor::Cyan.on_default().bold(), "note");
            let message = wrap(&printable(&related.message), 6, 6);
            let _ = writeln!(self.out, "{note}: {message}");
            self.snippet(&related.location, gutter, AnsiColor::Cyan);
        }
        if let Some(help) = &diagnostic.help {
            let word = self.paint(AnsiColor::Green.on_default().bold(), "help");
            let help = wrap(&printable(help), 6, 6);
            let _ = writeln!(self.out, "{word}: {help}");
        }
    }

    fn snippet(&mut self, location: &Location, gutter: usize, color: AnsiColor) {
        let blue = AnsiColor::Blue.on_default().bold();
        let arrow = self.paint(blue, "-->");
        let place = printable(&location.to_string());
        let _ = writeln!(self.out, "{:gutter$}{arrow} {place}", "");
        let line = self.texts.line(&location.file, location.line);
        let Some(line) = line.filter(|l| !l.trim().is_empty() && l.len() <= MAX_LINE) else {
            return;
        };
        let cut = Cut::new(line, location, WIDTH.saturating_sub(gutter + 3));
        let bar = self.paint(blue, "|");
        let number = self.paint(blue, &format!("{:>gutter$}", location.line));
        let carets = self.paint(color.on_default().bold(), &"^".repeat(cut.carets));
        let _ = writeln!(self.out, "{:gutter$} {bar}", "");
        let _ = writeln!(self.out, "{number} {bar} {}", cut.text);
        let _ = writeln!(
            self.out,
            "{:gutter$} {bar} {:2$}{carets}",
            "", "", cut.indent
        );
    }

    fn paint(&self, style: Ansi, text: &str) -> String {
        match self.style {
            Style::Plain => text.to_owned(),
            Style::Color => format!("{style}{text}{style:#}"),
        }
    }
}

/// Room for the largest line number of a diagnostic.
fn gutter(diagnostic: &Diagnostic) -> usize {
    let related = diagnostic.related.iter().map(|r| r.location.line);
    let lines = diagnostic.location.iter().map(|l| l.line).chain(related);
    lines.max().unwrap_or(1).to_string().len()
}

/// The part of a source line that is shown, and where the carets go under it.
struct Cut {
    text: String,
    indent: usize,
    carets: usize,
}

impl Cut {
    fn new(line: &str, location: &Location, room: usize) -> Self {
        // Only what can be seen is looked at.
        let skipped = (location.column.saturating_sub(1)).saturating_sub(room);
        let seen = line.trim_end().chars().skip(skipped).take(2 * room);
        let cells: Vec<String> = seen.map(shown).collect();
        let from = (location.column.saturating_sub(1) - skipped).min(cells.len());
        let to = (from + location.len.max(1)).min(cells.len());
        let first = first_shown(&cells, from, to, room);
        let mut text = String::new();
        if skipped + first > 0 {
            text.push('…');
        }
        let (mut indent, mut carets) = (columns(&text), 0);
        for (position, cell) in cells.iter().enumerate().skip(first) {
            if columns(&text) + columns(cell) >= room && position + 1 < cells.len() {
                text.push('…');
                break;
            }
            text.push_str(cell);
            if position < from {
                indent += columns(cell);
            } else if position < to {
                carets += columns(cell);
            }
        }
        let carets = carets.max(1);
        Self {
            text,
            indent,
            carets,
        }
    }
}

/// The first character to show so that the marked ones fit, with some of what stands before them.
fn first_shown(cells: &[String], from: usize, to: usize, room: usize) -> usize {
    let width = |cells: &[String]| cells.iter().map(|cell| columns(cell)).sum::<usize>();
    if width(&cells[..to]) < room {
        return 0;
    }
    let lead = room / 4;
    let mut first = from;
    while first > 0 && width(&cells[first - 1..from]) <= lead {
        first -= 1;
    }
    first
}

/// A source character as it is printed.
fn shown(c: char) -> String {
    if c == '\t' {
        " ".repeat(TAB)
    } else if c.is_control() || is_invisible(c) {
        c.escape_unicode().collect()
    } else {
        c.to_string()
    }
}

/// Columns that a text takes in a terminal.
fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

/// East Asian wide characters and emoji take two columns, combining marks none (Unicode Standard Annex #11).
fn char_columns(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// Breaks a text between words. The first line starts at column `start`, the others at `indent`.
fn wrap(text: &str, start: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut column = start;
    for word in text.split(' ') {
        let width = columns(word);
        if out.is_empty() {
            column = start + width;
        } else if column + 1 + width > WIDTH {
            let _ = write!(out, "\n{:indent$}", "");
            column = indent + width;
        } else {
            out.push(' ');
            column += 1 + width;
        }
        out.push_str(word);
    }
    out
}
