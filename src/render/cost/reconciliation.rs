//! An estimate held against the bill: the published form, and its text.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::amount::{Amount, Money};
use super::names::visible_lines;
use super::report::{Number, Range};
use super::table::{Cell, Table};
use super::view::plural;
use crate::render::{Doc, Line, Style, Terminal};

pub const FORMAT_VERSION: &str = "1.0";

/// What `cost --reconcile --format json` prints. What is unknown is absent, never 0.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reconciliation {
    /// `1.x`: readers of 1.0 can read every 1.x.
    pub format_version: String,
    pub orgtrail_version: String,
    /// Name of the spec.
    pub spec: String,
    /// Where the bill comes from, in a sentence.
    pub bill: String,
    /// First day of the bill, and the day that no longer belongs to it.
    pub from: String,
    pub to: String,
    /// AWS may still change the bill.
    pub estimated: bool,
    /// Where the event counts of the estimate come from, in a sentence.
    pub volumes: String,
    /// The estimate is for as many hours as the bill has.
    pub hours: u64,
    pub billed: Number,
    /// Sum of what is known.
    pub expected: Range,
    /// `billed` less what was expected.
    pub difference: Number,
    pub meters: Vec<MeterRow>,
    /// Usage types on the bill that no meter has.
    pub other_usage: Vec<OtherUsage>,
    /// Likely causes of the differences.
    pub causes: Vec<String>,
}

/// What was billed and what was expected of one meter.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MeterRow {
    /// E.g. `data-events`
    pub meter: String,
    /// For people: `data events`
    pub label: String,
    pub unit: String,
    pub billed: Billed,
    /// Absent: the estimate has no such usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// Billed less expected. Absent where it is not known what to expect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Billed>,
    /// The bill is not between the least and the most that was expected.
    pub differs: bool,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Billed {
    pub quantity: Number,
    pub usd: Number,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Range>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<Range>,
    /// There is more of it, nobody knows how much.
    pub incomplete: bool,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OtherUsage {
    pub usage_type: String,
    pub accounts: usize,
    pub quantity: Number,
    pub usd: Number,
}

/// As people and programs store it.
pub fn json(reconciliation: &Reconciliation) -> String {
    crate::render::pretty(reconciliation)
}

/// On a terminal.
pub fn text(reconciliation: &Reconciliation, terminal: Terminal) -> String {
    let mut sections = vec![
        head(reconciliation).text(terminal),
        meters(reconciliation, terminal),
        others(reconciliation).text(terminal),
        causes(reconciliation).text(terminal),
    ];
    sections.retain(|section| !section.is_empty());
    visible_lines(&sections.join("\n"))
}

const MONEY: Money<'static> = Money::new("USD");

fn usd(number: &Number) -> String {
    MONEY.show(Amount::of(number))
}

fn head(of: &Reconciliation) -> Doc {
    let mut doc = Doc::default();
    let difference = Amount::of(&of.difference);
    let line = Line::new(0)
        .plain("CloudTrail of ")
        .add(Style::Bold, &of.spec)
        .plain(": ")
        .add(Style::Bold, usd(&of.billed))
        .plain(format!(" billed, {} expected", usd(&of.expected.expected)));
    doc.push(match difference.is_zero() {
        true => line,
        false => line.plain(format!(" ({})", MONEY.change(difference))),
    });
    let bill = match of.estimated {
        true => format!("Bill: {}; AWS may still change it.", of.bill),
        false => format!("Bill: {}.", of.bill),
    };
    doc.push(Line::new(0).hang(0).add(Style::Dim, bill));
    let volumes = format!("Estimate: volumes {}, for {} hours.", of.volumes, of.hours);
    doc.push(Line::new(0).hang(0).add(Style::Dim, volumes));
    doc
}

fn meters(of: &Reconciliation, terminal: Terminal) -> String {
    let header = [
        "",
        "billed",
        "expected",
        "billed USD",
        "expected USD",
        "difference",
    ];
    let mut table = Table::new(terminal, &header).figures(&[1, 2, 3, 4, 5]);
    for row in &of.meters {
        table.row(meter_row(row));
    }
    table.text()
}

fn meter_row(row: &MeterRow) -> Vec<Cell> {
    let style = match row.differs {
        true => Style::Warning,
        false => Style::Plain,
    };
    let expected = row.expected.as_ref();
    let show = |range: Option<&Range>, of: fn(&Number) -> String| match (expected, range) {
        (None, _) => "none".to_owned(),
        (Some(_), None) => "unknown".to_owned(),
        (Some(expected), Some(range)) => match expected.incomplete {
            true => format!("{} and more", of(&range.expected)),
            false => of(&range.expected),
        },
    };
    let quantity = |number: &Number| Amount::of(number).quantity();
    let by = match &row.difference {
        None => Cell::new(Style::Warning, "unknown"),
        Some(by) => {
            let events = Amount::of(&by.quantity);
            let cell = Cell::new(style, &MONEY.change(Amount::of(&by.usd)));
            match row.differs && !events.is_zero() {
                true => cell.below(Style::Dim, &format!("{} {}", events.quantity(), row.unit)),
                false => cell,
            }
        }
    };
    vec![
        Cell::plain(&row.label),
        Cell::plain(&quantity(&row.billed.quantity)),
        Cell::plain(&show(expected.and_then(|e| e.quantity.as_ref()), quantity)),
        Cell::plain(&usd(&row.billed.usd)),
        Cell::plain(&show(expected.and_then(|e| e.usd.as_ref()), usd)),
        by,
    ]
}

fn others(of: &Reconciliation) -> Doc {
    let mut doc = Doc::default();
    for usage in &of.other_usage {
        let text = format!(
            "Also on the bill: {} {} in {} {}, {}",
            Amount::of(&usage.quantity).quantity(),
            usage.usage_type,
            usage.accounts,
            plural(usage.accounts, "account", "accounts"),
            usd(&usage.usd)
        );
        doc.push(Line::new(0).hang(2).plain(text));
    }
    doc
}

fn causes(of: &Reconciliation) -> Doc {
    let mut doc = Doc::default();
    if of.causes.is_empty() {
        return doc;
    }
    doc.push(Line::new(0).add(Style::Bold, "Likely causes"));
    for cause in &of.causes {
        doc.push(Line::new(2).hang(4).plain(format!("- {cause}")));
    }
    doc
}
