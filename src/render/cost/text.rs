//! The estimate on a terminal.

use super::amount::{Amount, percent};
use super::names::visible_lines;
use super::report::{Advice, CostReport, Coverage, Diff, DiffLine, Line as CostLine};
use super::table::{Cell, Table};
use super::view::{Group, View, is_assumed, month_name, plural, price, quantity, symbol, title};
use crate::render::{Doc, Line, Style, Terminal};

/// `explain`: with the formula of each amount and with what the estimate takes for granted.
pub fn text(report: &CostReport, terminal: Terminal, explain: bool) -> String {
    let view = View::new(report);
    let mut sections = vec![
        head(&view).text(terminal),
        lines(&view, terminal),
        notes(&view).text(terminal),
    ];
    if let Some(diff) = &report.diff {
        sections.push(changes(&view, diff).text(terminal));
    }
    if let Some(coverage) = &report.coverage {
        sections.push(recorded(coverage).text(terminal));
    }
    sections.push(budget(report).text(terminal));
    sections.push(copies(&view, terminal));
    sections.push(advice(&view).text(terminal));
    sections.push(warnings(report).text(terminal));
    sections.push(projection(&view, terminal));
    sections.push(match explain {
        true => explanation(report).text(terminal),
        false => hint(report).text(terminal),
    });
    sections.retain(|section| !section.is_empty());
    visible_lines(&sections.join("\n"))
}

fn recorded(coverage: &Coverage) -> Doc {
    let mut doc = Doc::default();
    if coverage.lost.is_empty() && coverage.gained.is_empty() {
        return doc;
    }
    doc.push(Line::new(0).add(Style::Bold, "Audit coverage"));
    for (symbol, style, verb, parts) in [
        ("- ", Style::Removed, "no longer records", &coverage.lost),
        ("+ ", Style::Added, "records", &coverage.gained),
    ] {
        for part in parts {
            let line = Line::new(2).hang(4).add(style, symbol);
            doc.push(line.plain(format!("{verb} {part}")));
        }
    }
    doc
}

fn head(view: &View) -> Doc {
    let report = view.report;
    let mut doc = Doc::default();
    let mut line = Line::new(0)
        .plain("Monthly cost of ")
        .add(Style::Bold, &report.spec)
        .plain(": ")
        .add(Style::Bold, view.usd(&report.total.expected));
    if let Some(spread) = view.spread(&report.total) {
        line = line.plain(format!(" ({spread})"));
    }
    if report.unknown > 0 {
        let text = format!(
            " and {} unknown {}",
            report.unknown,
            plural(report.unknown, "amount", "amounts")
        );
        line = line.add(Style::Warning, text);
    }
    doc.push(line);
    let style = match report.prices.stale {
        true => Style::Warning,
        false => Style::Dim,
    };
    doc.push(Line::new(0).hang(0).add(Style::Dim, &report.volumes));
    doc.push(Line::new(0).hang(0).add(style, view.prices()));
    doc
}

fn lines(view: &View, terminal: Terminal) -> String {
    if view.report.lines.is_empty() {
        return String::new();
    }
    let header = ["", "quantity", "unit price", "monthly"];
    let mut table = Table::new(terminal, &header).figures(&[1, 3]);
    for group in view.groups() {
        table.row(group_row(view, &group));
        for line in &group.lines {
            table.row(line_row(view, line));
        }
    }
    let total = Cell::new(Style::Bold, &view.usd(&view.report.total.expected));
    let total = match view.spread(&view.report.total) {
        Some(spread) => total.below(Style::Dim, &spread),
        None => total,
    };
    let name = match view.report.unknown {
        0 => "Total".to_owned(),
        n => format!(
            "Total without {n} unknown {}",
            plural(n, "amount", "amounts")
        ),
    };
    table.row(vec![
        Cell::new(Style::Bold, &name),
        Cell::default(),
        Cell::default(),
        total,
    ]);
    table.text()
}

fn group_row(view: &View, group: &Group) -> Vec<Cell> {
    let monthly = match group.monthly {
        Some(monthly) => Cell::new(Style::Bold, &view.money.show(monthly)),
        None => Cell::new(Style::Warning, "unknown"),
    };
    vec![
        Cell::new(Style::Bold, group.address),
        Cell::default(),
        Cell::default(),
        monthly,
    ]
}

fn line_row(view: &View, line: &CostLine) -> Vec<Cell> {
    let style = |text: &str| match text {
        "unknown" => Style::Warning,
        text if text.ends_with('*') => Style::Warning,
        _ => Style::Plain,
    };
    let quantity = quantity(line);
    let monthly = match &line.monthly {
        None => Cell::new(Style::Warning, "unknown"),
        Some(range) => {
            let cell = Cell::plain(&view.usd(&range.expected));
            match view.spread(range) {
                Some(spread) => cell.below(Style::Dim, &spread),
                None => cell,
            }
        }
    };
    let price = price(line);
    vec![
        Cell::plain(&format!("  {}", title(&line.label, line.part.as_deref()))),
        Cell::new(style(&quantity), &quantity),
        Cell::new(style(&price), &price),
        monthly,
    ]
}

fn notes(view: &View) -> Doc {
    let mut doc = Doc::default();
    if let Some(text) = view.left_out() {
        doc.push(Line::new(0).hang(0).add(Style::Warning, text));
    }
    if let Some(text) = view.footnote() {
        doc.push(Line::new(0).hang(2).add(Style::Dim, text));
    }
    doc
}

/// In the manner of Infracost, whose words scripts and eyes look for.
fn changes(view: &View, diff: &Diff) -> Doc {
    let mut doc = Doc::default();
    doc.push(
        Line::new(0)
            .add(Style::Bold, "Changes")
            .add(Style::Dim, "  (+ added, ~ changed, - removed)"),
    );
    doc.blank();
    let mut address = None;
    for line in &diff.lines {
        if address != Some(&line.address) {
            doc.push(Line::new(2).add(Style::Bold, &line.address));
            address = Some(&line.address);
        }
        push_change(&mut doc, view, line);
    }
    if diff.lines.is_empty() {
        doc.push(Line::new(2).add(Style::Good, "No line differs."));
    }
    doc.blank();
    let (old, new) = (view.usd(&diff.old_total), view.usd(&diff.new_total));
    let increase = Amount::of(&diff.increase);
    let change = view.money.change(increase);
    doc.push(
        Line::new(0)
            .plain("Amount:  ")
            .add(direction(increase), change)
            .plain(format!(" ({old} → {new})")),
    );
    let percent = match &diff.percent {
        Some(number) => percent(number),
        None => "not defined, the old total is nothing".to_owned(),
    };
    doc.push(
        Line::new(0)
            .plain("Percent: ")
            .add(direction(increase), percent),
    );
    if let Some(text) = view.change_caveat(diff) {
        doc.push(Line::new(0).hang(0).add(Style::Warning, text));
    }
    doc
}

/// More money is bad news.
fn direction(increase: Amount) -> Style {
    match increase {
        amount if amount.is_zero() => Style::Plain,
        amount if amount.is_negative() => Style::Good,
        _ => Style::Warning,
    }
}

fn push_change(doc: &mut Doc, view: &View, line: &DiffLine) {
    let symbol = symbol(line);
    let style = match symbol {
        "+" => Style::Added,
        "-" => Style::Removed,
        _ => Style::Changed,
    };
    let what = title(&line.label, line.part.as_deref());
    doc.push(
        Line::new(2)
            .hang(6)
            .add(style, symbol)
            .plain(" ")
            .plain(what),
    );
    let mut amount = Line::new(6).hang(8).plain(view.line_change(line));
    if let (Some(old), Some(new)) = (view.side(line.old.as_ref()), view.side(line.new.as_ref())) {
        amount = amount.plain(format!(" ({old} → {new})"));
    }
    if let Some(quantity) = view.quantity_change(line) {
        amount = amount.add(Style::Dim, format!(", {quantity}"));
    }
    doc.push(amount);
}

fn budget(report: &CostReport) -> Doc {
    let mut doc = Doc::default();
    let Some(budget) = &report.budget else {
        return doc;
    };
    doc.push(match budget.kept {
        true => Line::new(0).add(Style::Good, "Budget: kept"),
        false => Line::new(0).add(Style::Error, "Budget: exceeded"),
    });
    for reason in &budget.reasons {
        doc.push(Line::new(2).hang(4).plain(format!("- {reason}")));
    }
    doc
}

fn copies(view: &View, terminal: Terminal) -> String {
    let rows = view.ledger();
    if rows.is_empty() {
        return String::new();
    }
    let (accounts, places) = view.places();
    let mut doc = Doc::default();
    doc.push(
        Line::new(0)
            .add(Style::Bold, "Copies of management events")
            .add(
                Style::Dim,
                format!(
                    "  {accounts} {}, {places} {} of account and Region",
                    plural(accounts, "account", "accounts"),
                    plural(places, "pair", "pairs")
                ),
            ),
    );
    let header = ["  trail", "free", "charged", "unknown", "removing it saves"];
    let mut table = Table::new(terminal, &header).figures(&[1, 2, 3, 4]);
    for row in rows {
        let saves = match (row.charged, row.unknown) {
            (0, 0) => "nothing".to_owned(),
            (0, _) => "unknown".to_owned(),
            _ => view.money.show(row.monthly),
        };
        table.row(vec![
            Cell::plain(&format!("  {}", row.trail)),
            Cell::plain(&row.free.to_string()),
            Cell::plain(&row.charged.to_string()),
            Cell::plain(&row.unknown.to_string()),
            Cell::plain(&saves),
        ]);
    }
    doc.text(terminal) + &table.text()
}

fn advice(view: &View) -> Doc {
    let mut doc = Doc::default();
    let (harmless, losing) = view.advice();
    if !harmless.is_empty() {
        doc.push(Line::new(0).add(Style::Bold, "Saves money and loses no event"));
        harmless
            .into_iter()
            .for_each(|advice| push_advice(&mut doc, view, advice));
    }
    if !losing.is_empty() {
        if !view
            .report
            .advice
            .iter()
            .all(|advice| !advice.loses.is_empty())
        {
            doc.blank();
        }
        doc.push(Line::new(0).add(
            Style::Warning,
            "Saves money, but no longer records some events",
        ));
        losing
            .into_iter()
            .for_each(|advice| push_advice(&mut doc, view, advice));
    }
    doc
}

fn push_advice(doc: &mut Doc, view: &View, advice: &Advice) {
    let saves = match &advice.saves {
        Some(saves) => format!("{} a month", view.usd(saves)),
        None => "unknown amount".to_owned(),
    };
    doc.push(
        Line::new(2)
            .hang(4)
            .plain(format!("- {}: saves ", advice.what))
            .add(Style::Good, saves),
    );
    for change in advice.change.lines() {
        doc.push(Line::new(6).hang(8).add(Style::Dim, change));
    }
    for lost in &advice.loses {
        doc.push(
            Line::new(6)
                .hang(8)
                .add(Style::Removed, "loses ")
                .plain(lost),
        );
    }
}

fn warnings(report: &CostReport) -> Doc {
    let mut doc = Doc::default();
    for warning in &report.warnings {
        doc.push(
            Line::new(0)
                .hang(2)
                .add(Style::Warning, "! ")
                .plain(warning),
        );
    }
    doc
}

fn projection(view: &View, terminal: Terminal) -> String {
    let Some(projection) = &view.report.projection else {
        return String::new();
    };
    let mut doc = Doc::default();
    doc.push(Line::new(0).add(Style::Bold, "Projection"));
    let mut table =
        Table::new(terminal, &["", "that month", "stored", "spent so far"]).figures(&[1, 2, 3]);
    for milestone in view.milestones() {
        let steady = if milestone.steady {
            ", from here on always"
        } else {
            ""
        };
        table.row(vec![
            Cell::plain(&format!("  {}{steady}", month_name(milestone.month.month))),
            Cell::plain(&view.usd(&milestone.month.total)),
            Cell::plain(&format!("{} GB", milestone.stored.quantity())),
            Cell::plain(&view.money.show(milestone.spent)),
        ]);
    }
    let mut end = Doc::default();
    if projection.steady_from.is_none() {
        let text = "Costs still grow at the end: something is kept for longer, or for ever.";
        end.push(Line::new(2).hang(2).add(Style::Dim, text));
    }
    doc.text(terminal) + &table.text() + &end.text(terminal)
}

fn explanation(report: &CostReport) -> Doc {
    let mut doc = Doc::default();
    doc.push(Line::new(0).add(Style::Bold, "How each amount was computed"));
    for line in &report.lines {
        let what = title(&line.label, line.part.as_deref());
        let mut head = Line::new(2)
            .hang(4)
            .plain(format!("{}: {what}", line.address));
        let place: Vec<&str> = [&line.account, &line.region]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        if !place.is_empty() {
            head = head.add(Style::Dim, format!(" in {}", place.join(" ")));
        }
        doc.push(head);
        let assumed = if is_assumed(line) {
            " (assumed quantity)"
        } else {
            ""
        };
        doc.push(
            Line::new(4)
                .hang(6)
                .add(Style::Dim, format!("{}{assumed}", line.formula)),
        );
    }
    if !report.assumptions.is_empty() {
        doc.blank();
        doc.push(Line::new(0).add(Style::Bold, "What the estimate takes for granted"));
    }
    for assumption in &report.assumptions {
        doc.push(Line::new(2).hang(4).plain(format!("- {assumption}")));
    }
    doc
}

fn hint(report: &CostReport) -> Doc {
    let mut doc = Doc::default();
    let count = report.assumptions.len();
    let rests = match count {
        0 => String::new(),
        n => format!("Rests on {n} {}. ", plural(n, "assumption", "assumptions")),
    };
    let text = format!("{rests}--explain shows how each amount was computed.");
    doc.push(Line::new(0).hang(0).add(Style::Dim, text));
    doc
}
