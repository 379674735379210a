//! Tables on a terminal: comfy-table lays out, and colours are put in afterwards, since without its terminal features it
//! would count escape sequences as text.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table as Layout, presets};

use super::names::visible;
use crate::render::{Style, Terminal};

/// Characters of no width that mark the style of the next one. [`visible`] leaves none of them in a name.
const MARKS: [(char, Style); 4] = [
    ('\u{2061}', Style::Bold),
    ('\u{2062}', Style::Dim),
    ('\u{2063}', Style::Warning),
    ('\u{2064}', Style::Good),
];

/// A cell: lines of styled text.
#[derive(Clone, Debug, Default)]
pub struct Cell(Vec<(Style, String)>);

impl Cell {
    pub fn new(style: Style, text: &str) -> Self {
        Self(vec![(style, visible(text))])
    }

    pub fn plain(text: &str) -> Self {
        Self::new(Style::Plain, text)
    }

    /// With another line below.
    #[must_use]
    pub fn below(mut self, style: Style, text: &str) -> Self {
        self.0.push((style, visible(text)));
        self
    }

    fn width(&self) -> usize {
        self.0
            .iter()
            .map(|(_, text)| text.chars().count())
            .max()
            .unwrap_or(0)
    }

    /// With marks for its styles, wrapped at a number of columns.
    fn marked(&self, width: Option<usize>) -> String {
        let mut lines = Vec::new();
        for (style, text) in &self.0 {
            match width {
                Some(width) => {
                    lines.extend(wrapped(text, width).iter().map(|line| mark(*style, line)))
                }
                None => lines.push(mark(*style, text)),
            }
        }
        lines.join("\n")
    }
}

/// Breaks at blanks and, where there are none, within words. Further lines hang below the first, two columns in.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let body = text.trim_start_matches(' ');
    let indent = text.len() - body.len();
    let hang = indent + 2;
    let mut lines = vec![FIXED.to_string().repeat(indent)];
    let mut used = indent;
    for word in body.split_inclusive(' ') {
        let bare = word.trim_end().chars().count();
        if used + bare > width && used > hang {
            lines.push(FIXED.to_string().repeat(hang));
            used = hang;
        }
        for c in word.chars() {
            if used >= width && c != ' ' {
                lines.push(FIXED.to_string().repeat(hang));
                used = hang;
            }
            if let Some(line) = lines.last_mut() {
                line.push(c);
            }
            used += 1;
        }
    }
    for line in &mut lines {
        line.truncate(line.trim_end_matches(' ').len());
    }
    lines
}

/// Every character, not the first: a wrapped cell continues on the line of another one.
fn mark(style: Style, text: &str) -> String {
    let Some((mark, _)) = MARKS.iter().find(|(_, known)| *known == style) else {
        return text.to_owned();
    };
    let marked = text.chars().map(|c| match c {
        ' ' | FIXED => String::from(c),
        c => format!("{mark}{c}"),
    });
    marked.collect()
}

/// Blanks that comfy-table must keep at the start of a line.
const FIXED: char = '\u{a0}';
/// Blank columns between two columns.
const GAP: usize = 2;
/// A figure that is wider than this was not written by us and may be broken.
const WIDEST_FIGURE: usize = 26;
/// Room that names and sentences leave each other when there is not enough for both.
const NARROW: usize = 22;

pub struct Table {
    header: Vec<Cell>,
    rows: Vec<Vec<Cell>>,
    /// Columns of figures, which must not be broken.
    figures: Vec<usize>,
    terminal: Terminal,
}

impl Table {
    /// The first column is the one of names, at the left; the others are at the right.
    pub fn new(terminal: Terminal, header: &[&str]) -> Self {
        Self {
            header: header
                .iter()
                .map(|title| Cell::new(Style::Dim, title))
                .collect(),
            rows: Vec::new(),
            figures: Vec::new(),
            terminal,
        }
    }

    #[must_use]
    pub fn figures(mut self, columns: &[usize]) -> Self {
        self.figures = columns.to_vec();
        self
    }

    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    pub fn text(&self) -> String {
        let mut layout = Layout::new();
        layout.load_style(presets::NOTHING);
        layout.set_content_arrangement(ContentArrangement::Disabled);
        layout.set_header(self.header.iter().map(|cell| cell.marked(None)));
        let names = self.room_for_names();
        for row in &self.rows {
            let cells = row.iter().enumerate();
            layout.add_row(cells.map(|(at, cell)| cell.marked(names.filter(|_| at == 0))));
        }
        if let Some(width) = self.terminal.width {
            layout.set_content_arrangement(ContentArrangement::Dynamic);
            layout.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        }
        for (at, column) in layout.column_iter_mut().enumerate() {
            column.set_padding((
                0,
                if at + 1 == self.header.len() {
                    0
                } else {
                    GAP as u16
                },
            ));
            if at > 0 {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if at == 0 || (self.figures.contains(&at) && self.natural(at) <= WIDEST_FIGURE) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let mut out = String::new();
        for line in layout.lines() {
            out.push_str(painted(&line, self.terminal).trim_end_matches(' '));
            out.push('\n');
        }
        out
    }

    /// Width of a column that is not wrapped.
    fn natural(&self, column: usize) -> usize {
        let rows = std::iter::once(&self.header).chain(&self.rows);
        rows.filter_map(|row| row.get(column))
            .map(Cell::width)
            .max()
            .unwrap_or(0)
    }

    /// Where names are wrapped. `None`: as long as they are.
    fn room_for_names(&self) -> Option<usize> {
        let figure = |column: &usize| {
            self.figures.contains(column) && self.natural(*column) <= WIDEST_FIGURE
        };
        let (figures, texts): (Vec<usize>, Vec<usize>) = (1..self.header.len()).partition(figure);
        let figures: usize = figures
            .into_iter()
            .map(|column| self.natural(column) + GAP)
            .sum();
        let texts: usize = texts
            .into_iter()
            .map(|column| self.natural(column).min(NARROW) + GAP)
            .sum();
        let room = self.terminal.width?.saturating_sub(figures);
        Some(room.saturating_sub(texts).max(NARROW.min(room / 2)).max(8))
    }
}

/// Marks become colours, as few as possible.
fn painted(line: &str, terminal: Terminal) -> String {
    let mut out = String::new();
    let mut run = (Style::Plain, String::new());
    let mut marks = line.chars().peekable();
    while let Some(c) = marks.next() {
        let style = MARKS
            .iter()
            .find(|(mark, _)| *mark == c)
            .map(|(_, style)| *style);
        let (style, c) = match (style, c) {
            (Some(style), _) => (style, marks.next().unwrap_or(' ')),
            (None, ' ' | FIXED) => (run.0, ' '),
            (None, c) => (Style::Plain, c),
        };
        if style != run.0 {
            push_run(&mut out, &run, terminal);
            run = (style, String::new());
        }
        run.1.push(c);
    }
    push_run(&mut out, &run, terminal);
    out
}

/// Blanks at the end of a run stay without style.
fn push_run(out: &mut String, (style, text): &(Style, String), terminal: Terminal) {
    let words = text.trim_end_matches(' ');
    if !words.is_empty() {
        out.push_str(&terminal.paint(*style, words));
    }
    out.push_str(&text[words.len()..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(color: bool) -> String {
        let terminal = Terminal {
            color,
            width: Some(32),
        };
        let mut table = Table::new(terminal, &["what", "monthly"]).figures(&[1]);
        table.row(vec![
            Cell::new(Style::Bold, "a name that is really far too long for this"),
            Cell::plain("$1.00"),
        ]);
        table.row(vec![
            Cell::plain("x"),
            Cell::plain("$12.00").below(Style::Dim, "$1–$20"),
        ]);
        table.text()
    }

    #[test]
    fn wraps_names_and_not_figures() {
        let expected = "\
what                     monthly
a name that is really      $1.00
  far too long for this
x                         $12.00
                          $1–$20
";
        assert_eq!(table(false), expected);
    }

    #[test]
    fn colours_do_not_move_anything() {
        let colored = table(true);
        assert!(
            colored
                .contains("\u{1b}[1ma name that is really\u{1b}[0m      $1.00\n  \u{1b}[1mfar too")
        );
        let mut plain = String::new();
        let mut parts = colored.split('\u{1b}');
        plain.push_str(parts.next().unwrap());
        for part in parts {
            plain.push_str(part.split_once('m').unwrap().1);
        }
        assert_eq!(plain, table(false));
    }
}
