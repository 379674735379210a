//! The estimate as a comment on a pull request.

mod fit;

use std::fmt::Write as _;

use super::amount::Amount;
use super::names::{markdown_code as code, markdown_text as prose, visible};
use super::report::{Advice, CostReport, Diff, DiffLine, Line, Number, Range};
use super::view::{View, month_name, plural, price, quantity, symbol};
use fit::{Section, fit};

/// Most characters of a comment: <https://github.com/infracost/infracost/issues/1958>
pub const GITHUB_LIMIT: usize = 65_536;
/// <https://docs.gitlab.com/administration/instance_limits/#size-of-comments-and-descriptions-of-issues-merge-requests-and-epics>
pub const GITLAB_LIMIT: usize = 1_000_000;
/// <https://github.com/infracost/infracost/issues/3496>
pub const AZURE_DEVOPS_LIMIT: usize = 150_000;

/// The first line of every comment on a spec: how the next run finds the comment that it updates.
pub fn marker(spec: &str) -> String {
    let mut name = String::with_capacity(spec.len());
    for c in spec.chars() {
        let plain =
            c.is_ascii_alphanumeric() || "._/ ".contains(c) || (c == '-' && !name.ends_with('-'));
        if plain {
            name.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(name, "%{byte:02X}");
            }
        }
    }
    format!("<!-- orgtrail:{name} -->")
}

/// At most `limit` characters: whole sections and rows are left out until it fits, and a sentence says which.
pub fn markdown(report: &CostReport, limit: Option<usize>) -> String {
    let view = View::new(report);
    let sections = vec![
        budget(report),
        report
            .diff
            .as_ref()
            .map_or_else(Section::default, |diff| changes(&view, diff)),
        recorded(report),
        warnings(report),
        lines(&view),
        projection(&view),
        copies(&view),
        harmless_advice(&view),
        losing_advice(&view),
        assumptions(&view),
    ];
    fit(&head(&view), sections, &foot(&view), limit)
}

/// Money comes with the currency of a file and with a `<` where it rounds to nothing.
fn usd(view: &View, number: &Number) -> String {
    prose(&view.usd(number))
}

fn spread(view: &View, range: &Range) -> Option<String> {
    view.spread(range).map(|spread| prose(&spread))
}

fn head(view: &View) -> String {
    let report = view.report;
    let mut out = marker(&report.spec);
    let total = usd(view, &report.total.expected);
    let spread = spread(view, &report.total).map(|spread| format!(" ({spread})"));
    let total = format!("**{total} a month**{}", spread.unwrap_or_default());
    let name = code(&report.spec);
    match &report.diff {
        Some(diff) => {
            let change = prose(&view.headline_change(diff));
            let old = usd(view, &diff.old_total);
            let _ = write!(
                out,
                "\n#### Monthly estimate {change}\n\n{name}: {old} → {total}\n"
            );
        }
        None => {
            let brief = prose(&view.money.brief(Amount::of(&report.total.expected)));
            let _ = write!(out, "\n#### Monthly estimate: {brief}\n\n{name}: {total}\n");
        }
    }
    let caveat = report
        .diff
        .as_ref()
        .and_then(|diff| view.change_caveat(diff));
    for text in [view.left_out(), caveat].into_iter().flatten() {
        let _ = write!(out, "\n⚠️ {text}\n");
    }
    out
}

fn budget(report: &CostReport) -> Section {
    let Some(budget) = &report.budget else {
        return Section::default();
    };
    let head = match budget.kept {
        true => "\n✅ **Within budget**\n\n",
        false => "\n❌ **Over budget**\n\n",
    };
    Section {
        name: "the reasons of the budget",
        rank: 0,
        head: head.to_owned(),
        rows: budget
            .reasons
            .iter()
            .map(|reason| format!("- {}\n", prose(reason)))
            .collect(),
        ..Section::default()
    }
}

fn changes(view: &View, diff: &Diff) -> Section {
    if diff.lines.is_empty() {
        return Section::always("\nNo line of the estimate differs.\n");
    }
    let rows = diff
        .lines
        .iter()
        .map(|line| change_row(view, line))
        .collect();
    Section {
        name: "changed lines",
        rank: 1,
        head: "\n| | Resource | What | Before | After | Change |\n|---|---|---|--:|--:|--:|\n"
            .to_owned(),
        rows,
        ..Section::default()
    }
}

fn recorded(report: &CostReport) -> Section {
    let coverage = report.coverage.clone().unwrap_or_default();
    let lost = coverage
        .lost
        .iter()
        .map(|part| format!("- ⚠️ no longer records {}\n", prose(part)));
    let gained = coverage
        .gained
        .iter()
        .map(|part| format!("- records {}\n", prose(part)));
    Section::list(
        "changes of the audit coverage",
        0,
        "\n**Audit coverage**\n\n",
        lost.chain(gained).collect(),
        "",
    )
}

fn change_row(view: &View, line: &DiffLine) -> String {
    let side = |side| {
        view.side(side)
            .map_or_else(|| "–".to_owned(), |side| prose(&side))
    };
    let quantity = view
        .quantity_change(line)
        .map(|text| format!("<br><sub>{}</sub>", prose(&text)));
    format!(
        "| {} | {} | {}{} | {} | {} | **{}** |\n",
        match symbol(line) {
            "-" => "−",
            other => other,
        },
        code(&line.address),
        what(&line.label, line.part.as_deref()),
        quantity.unwrap_or_default(),
        side(line.old.as_ref()),
        side(line.new.as_ref()),
        prose(&view.line_change(line)),
    )
}

/// The label is a sentence, the part a name.
fn what(label: &str, part: Option<&str>) -> String {
    let part = part.map(|part| format!(" ({})", code(part)));
    prose(label) + &part.unwrap_or_default()
}

fn warnings(report: &CostReport) -> Section {
    let rows = report
        .warnings
        .iter()
        .map(|warning| format!("- ⚠️ {}\n", prose(warning)));
    Section::list("warnings", 2, "\n", rows.collect(), "")
}

fn details(summary: &str) -> String {
    format!("\n<details><summary>{summary}</summary>\n\n")
}

const CLOSE: &str = "\n</details>\n";

fn lines(view: &View) -> Section {
    let count = view.report.lines.len();
    let head = details(&format!("All {count} {}", plural(count, "line", "lines")))
        + "| Resource | What | Quantity | Unit price | Monthly |\n|---|---|--:|--:|--:|\n";
    let groups = view.groups();
    let sorted = groups.iter().flat_map(|group| &group.lines);
    let rows = sorted.map(|line| line_row(view, line)).collect();
    let footnote = view.footnote().map(|text| format!("\n{}\n", prose(&text)));
    let tail = footnote.unwrap_or_default() + CLOSE;
    Section::list("lines", 7, &head, rows, &tail)
}

fn line_row(view: &View, line: &Line) -> String {
    let monthly = match &line.monthly {
        None => "unknown".to_owned(),
        Some(range) => {
            let spread = spread(view, range).map(|spread| format!("<br><sub>{spread}</sub>"));
            usd(view, &range.expected) + &spread.unwrap_or_default()
        }
    };
    format!(
        "| {} | {} | {} | {} | {monthly} |\n",
        code(&line.address),
        what(&line.label, line.part.as_deref()),
        prose(&quantity(line)),
        prose(&price(line)),
    )
}

fn projection(view: &View) -> Section {
    let Some(projection) = &view.report.projection else {
        return Section::default();
    };
    let steady = match projection.steady_from {
        Some(month) => format!("Projection: steady from month {month} on"),
        None => "Projection: costs still grow at its end".to_owned(),
    };
    let head =
        details(&steady) + "| After | That month | Stored | Spent so far |\n|---|--:|--:|--:|\n";
    let rows = view.milestones().into_iter().map(|milestone| {
        format!(
            "| {} | {} | {} GB | {} |\n",
            month_name(milestone.month.month),
            usd(view, &milestone.month.total),
            milestone.stored.quantity(),
            prose(&view.money.show(milestone.spent))
        )
    });
    Section::list("months of the projection", 5, &head, rows.collect(), CLOSE)
}

fn copies(view: &View) -> Section {
    let head = details("Copies of management events")
        + "| Trail | Free | Charged | Unknown | Removing it saves |\n|---|--:|--:|--:|--:|\n";
    let rows = view.ledger().into_iter().map(|row| {
        let saves = match (row.charged, row.unknown) {
            (0, 0) => "nothing".to_owned(),
            (0, _) => "unknown".to_owned(),
            _ => prose(&view.money.show(row.monthly)),
        };
        let (free, charged, unknown) = (row.free, row.charged, row.unknown);
        format!(
            "| {} | {free} | {charged} | {unknown} | {saves} |\n",
            code(row.trail)
        )
    });
    Section::list("trails with copies", 6, &head, rows.collect(), CLOSE)
}

fn harmless_advice(view: &View) -> Section {
    let (harmless, _) = view.advice();
    let count = harmless.len();
    let head = details(&format!(
        "{count} {} would save money and lose no event",
        plural(count, "change", "changes")
    ));
    let rows = harmless.into_iter().map(|advice| advice_row(view, advice));
    Section::list("pieces of advice", 3, &head, rows.collect(), CLOSE)
}

fn losing_advice(view: &View) -> Section {
    let (_, losing) = view.advice();
    let count = losing.len();
    let head = details(&format!(
        "{count} {} would save money, but no longer record some events",
        plural(count, "change", "changes")
    ));
    let rows = losing.into_iter().map(|advice| advice_row(view, advice));
    Section::list(
        "pieces of advice that lose events",
        4,
        &head,
        rows.collect(),
        CLOSE,
    )
}

fn advice_row(view: &View, advice: &Advice) -> String {
    let saves = match &advice.saves {
        Some(saves) => format!("**{} a month**", usd(view, saves)),
        None => "an unknown amount".to_owned(),
    };
    let mut out = format!("- {}: saves {saves}\n", prose(&advice.what));
    for lost in &advice.loses {
        let _ = writeln!(out, "  - loses {}", prose(lost));
    }
    if !advice.change.is_empty() {
        let fence = fence(&advice.change);
        let _ = writeln!(out, "\n  {fence}yaml");
        for line in advice.change.lines() {
            let _ = writeln!(out, "  {}", visible(line));
        }
        let _ = writeln!(out, "  {fence}");
    }
    out
}

/// Longer than any run of backticks within.
fn fence(text: &str) -> String {
    let runs = text.split(|c| c != '`').map(str::len);
    "`".repeat(runs.max().unwrap_or(0).max(2) + 1)
}

fn assumptions(view: &View) -> Section {
    let report = view.report;
    let rows = report
        .assumptions
        .iter()
        .map(|text| format!("- {}\n", prose(text)));
    Section::list(
        "assumptions",
        8,
        &details("What the estimate takes for granted"),
        rows.collect(),
        CLOSE,
    )
}

fn foot(view: &View) -> String {
    let prices = view.prices().replace('`', "");
    format!(
        "\n<sub>{} {}</sub>\n",
        prose(&view.report.volumes),
        prose(&prices)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_cannot_be_closed() {
        assert_eq!(marker("org-audit"), "<!-- orgtrail:org-audit -->");
        assert_eq!(marker("a--> <b"), "<!-- orgtrail:a-%2D%3E %3Cb -->");
        assert_eq!(marker("x\ny é"), "<!-- orgtrail:x%0Ay %C3%A9 -->");
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fence("plain"), "```");
        assert_eq!(fence("a ```` b"), "`````");
    }

    #[test]
    fn without_limit_nothing_is_left_out() {
        let report = CostReport {
            warnings: vec!["a warning".to_owned(); 500],
            ..CostReport::default()
        };
        let text = markdown(&report, None);
        assert_eq!(text.matches("a warning").count(), 500);
        assert!(!text.contains("left out"));
    }
}
