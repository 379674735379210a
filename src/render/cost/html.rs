//! The estimate as a page: one file without script, image, font or request. It is readable on a telephone, in the dark and
//! on paper, and carries the report's JSON as data.

mod charts;
mod palette;
mod projection;
mod tables;

use super::amount::Amount;
use super::names::html as esc;
use super::report::{Budget, CostReport};
use super::view::{View, plural};
use palette::{DARK, LIGHT};

/// Nothing may be loaded, sent or run, whatever a name in the report says.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

pub fn html(report: &CostReport) -> String {
    let view = View::new(report);
    let sections = [
        tables::changes(&view),
        tables::coverage(report),
        tables::warnings(report),
        projection::section(&view),
        attribution(&view),
        tables::lines(&view),
        tables::copies(&view),
        tables::advice(&view),
        tables::assumptions(report),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Cost of {name}</title>\n<style>\n{style}</style>\n</head>\n<body>\n\
         {head}<main>\n{sections}</main>\n{foot}{data}</body>\n</html>\n",
        name = esc(&report.spec),
        style = style(),
        head = head(&view),
        sections = sections.concat(),
        foot = foot(&view),
        data = data(report),
    )
}

fn style() -> String {
    let (light, dark) = (LIGHT.css(), DARK.css());
    format!(
        ":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{}",
        include_str!("html/style.css")
    )
}

fn head(view: &View) -> String {
    let report = view.report;
    let files: Vec<String> = report
        .files
        .iter()
        .map(|file| format!("<bdi>{}</bdi>", esc(file)))
        .collect();
    format!(
        "<header>\n<p class=\"eyebrow\">CloudTrail cost estimate</p>\n<h1><bdi>{}</bdi></h1>\n\
         <p class=\"muted\">{}</p>\n<dl class=\"facts\">{}</dl>\n{}</header>\n",
        esc(&report.spec),
        files.join(", "),
        facts(view),
        report.budget.as_ref().map(budget).unwrap_or_default(),
    )
}

/// The figures that a reader looks for first.
fn facts(view: &View) -> String {
    let report = view.report;
    let spread = view
        .spread(&report.total)
        .map(|spread| format!("between {}", spread.replace('–', " and ")));
    let missing = (report.unknown > 0).then(|| "without what is unknown".to_owned());
    let notes: Vec<String> = [spread, missing].into_iter().flatten().collect();
    let total = view.usd(&report.total.expected);
    let mut out = fact("total", "Monthly estimate", &total, &notes.join(", "));
    if let Some(diff) = &report.diff {
        let increase = Amount::of(&diff.increase);
        let percent = diff
            .percent
            .as_ref()
            .map(super::amount::percent)
            .unwrap_or_default();
        let was = format!("{percent} from {}", view.usd(&diff.old_total));
        out.push_str(&fact(
            "increase",
            "Change",
            &view.money.change(increase),
            was.trim_start(),
        ));
    }
    let steady = report.projection.as_ref().and_then(|projection| {
        let from = projection.steady_from?;
        let month = projection.months.iter().find(|month| month.month == from)?;
        Some((from, view.usd(&month.total)))
    });
    if let Some((from, total)) = steady {
        out.push_str(&fact(
            "steady",
            "At steady state",
            &total,
            &format!("from month {from} on"),
        ));
    }
    if report.unknown > 0 {
        let lines = format!(
            "{} {}",
            report.unknown,
            plural(report.unknown, "line", "lines")
        );
        out.push_str(&fact(
            "unknown",
            "Not in the total",
            &lines,
            "amount unknown",
        ));
    }
    out
}

fn fact(id: &str, name: &str, value: &str, note: &str) -> String {
    let (value, note) = (esc(value), esc(note));
    format!(
        "<div id=\"{id}\"><dt>{name}</dt><dd class=\"value\">{value}</dd><dd class=\"muted\">{note}</dd></div>"
    )
}

fn budget(budget: &Budget) -> String {
    let (class, title) = match budget.kept {
        true => ("good", "✓ Within budget"),
        false => ("bad", "✗ Over budget"),
    };
    let reasons: String = budget
        .reasons
        .iter()
        .map(|reason| format!("<li>{}</li>", esc(reason)))
        .collect();
    format!(
        "<div class=\"verdict {class}\" id=\"budget\"><strong>{title}</strong><ul>{reasons}</ul></div>\n"
    )
}

fn attribution(view: &View) -> String {
    let shares = &view.report.attribution;
    let mut charts = charts::bars(
        view,
        "selectors",
        "By selector",
        "Selector",
        &shares.selectors,
    );
    charts.push_str(&charts::bars(
        view,
        "accounts",
        "By account",
        "Account",
        &shares.accounts,
    ));
    charts.push_str(&charts::bars(
        view,
        "regions",
        "By Region",
        "Region",
        &shares.regions,
    ));
    match charts.is_empty() {
        true => charts,
        false => format!(
            "<section>\n<h2>What causes it</h2>\n<div class=\"charts\">{charts}</div>\n</section>\n"
        ),
    }
}

fn foot(view: &View) -> String {
    let report = view.report;
    format!(
        "<footer class=\"muted\"><p>{} {}</p><p>Made {} by orgtrail {}. A month has 730 hours.</p></footer>\n",
        esc(&report.volumes),
        esc(&view.prices().replace('`', "")),
        esc(&report.generated_at),
        esc(&report.orgtrail_version),
    )
}

/// Rows of the ledger of copies beyond which the page would become too large to open.
const MOST_COPIES: usize = 1000;

/// The report as data that no parser of HTML can leave.
fn data(report: &CostReport) -> String {
    let many = report.copies.len() > MOST_COPIES;
    let text = match many {
        false => serde_json::to_string(report),
        true => serde_json::to_string(&CostReport {
            copies: Vec::new(),
            ..report.clone()
        }),
    };
    let text = text
        .unwrap_or_default()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    let left_out = if many {
        " data-left-out=\"copies\""
    } else {
        ""
    };
    format!("<script type=\"application/json\" id=\"report\"{left_out}>{text}</script>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_be_left_and_stays_the_same() {
        let report = CostReport {
            spec: "</script><!--\u{2028}&amp;".to_owned(),
            ..CostReport::default()
        };
        let data = data(&report);
        let (_, text) = data.split_once('>').unwrap();
        let (text, _) = text.split_once("</script>").unwrap();
        assert!(!text.contains('<'));
        assert_eq!(serde_json::from_str::<CostReport>(text).unwrap(), report);
    }

    #[test]
    fn a_page_has_no_address_to_load_from() {
        let page = html(&CostReport::default());
        for word in [
            "http:", "https:", "src=", "url(", "@import", "<link", "onload",
        ] {
            assert!(!page.contains(word), "{word}");
        }
    }
}
