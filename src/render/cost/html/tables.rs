//! Tables and lists of the page.

use std::fmt::Write as _;

use crate::render::cost::names::html as esc;
use crate::render::cost::report::{Advice, CostReport, DiffLine, Line};
use crate::render::cost::view::{Group, View, plural, price, quantity, symbol};

/// More lines than this are folded, resource by resource.
const MOST_OPEN: usize = 40;

/// Where there is no amount, because there is no such line.
const NOTHING: &str = "–";

/// A cell that shows `unknown` as what it is.
fn cell(class: &str, text: &str) -> String {
    let state = match text {
        "unknown" => " unknown",
        NOTHING => " nothing",
        _ => "",
    };
    format!("<td class=\"num {class}{state}\">{}</td>", esc(text))
}

fn name(label: &str, part: Option<&str>) -> String {
    let part = part.map(|part| format!(" <bdi class=\"part\">{}</bdi>", esc(part)));
    format!(
        "<span class=\"label\">{}</span>{}",
        esc(label),
        part.unwrap_or_default()
    )
}

pub fn coverage(report: &CostReport) -> String {
    let coverage = report.coverage.clone().unwrap_or_default();
    let item = |verb: &str, part: &String| format!("<li>{verb} {}</li>", esc(part));
    let lost = coverage
        .lost
        .iter()
        .map(|part| item("<strong>no longer</strong> records", part));
    let gained = coverage.gained.iter().map(|part| item("records", part));
    let items: String = lost.chain(gained).collect();
    match items.is_empty() {
        true => items,
        false => format!(
            "<section id=\"coverage\">\n<h2>Audit coverage</h2>\n<ul>{items}</ul>\n</section>\n"
        ),
    }
}

pub fn changes(view: &View) -> String {
    let Some(diff) = &view.report.diff else {
        return String::new();
    };
    let caveat = view
        .change_caveat(diff)
        .map(|text| format!("<p class=\"caveat\">{}</p>", esc(&text)));
    let caveat = caveat.unwrap_or_default();
    if diff.lines.is_empty() {
        return format!(
            "<section id=\"changes\">\n<h2>What changes</h2>\n<p>No line differs.</p>{caveat}\n</section>\n"
        );
    }
    let rows: String = diff.lines.iter().map(|line| change(view, line)).collect();
    let (old, new) = (view.usd(&diff.old_total), view.usd(&diff.new_total));
    let increase = view
        .money
        .change(crate::render::cost::amount::Amount::of(&diff.increase));
    format!(
        "<section id=\"changes\">\n<h2>What changes</h2>\n<table class=\"rows\"><thead><tr><th scope=\"col\">Line</th>\
         <th scope=\"col\" class=\"num\">Before</th><th scope=\"col\" class=\"num\">After</th>\
         <th scope=\"col\" class=\"num\">Change</th></tr></thead><tbody>{rows}</tbody>\
         <tfoot><tr><th scope=\"row\">Total</th>{}{}{}</tr></tfoot></table>{caveat}\n</section>\n",
        cell("before", &old),
        cell("after", &new),
        cell("monthly", &increase),
    )
}

fn change(view: &View, line: &DiffLine) -> String {
    let (class, word) = match symbol(line) {
        "+" => ("added", "added"),
        "-" => ("removed", "removed"),
        _ => ("changed", "changed"),
    };
    let quantity = view
        .quantity_change(line)
        .map(|text| format!("<span class=\"note\">{}</span>", esc(&text)));
    let side = |side| view.side(side).unwrap_or_else(|| NOTHING.to_owned());
    format!(
        "<tr><th scope=\"row\"><span class=\"tag {class}\">{word}</span> <bdi class=\"address\">{}</bdi> {}{}</th>{}{}{}</tr>",
        esc(&line.address),
        name(&line.label, line.part.as_deref()),
        quantity.unwrap_or_default(),
        cell("before", &side(line.old.as_ref())),
        cell("after", &side(line.new.as_ref())),
        cell("monthly", &view.line_change(line)),
    )
}

/// More warnings than this are folded.
const MOST_WARNINGS: usize = 5;

pub fn warnings(report: &CostReport) -> String {
    let items = |texts: &[String]| -> String {
        texts
            .iter()
            .map(|text| format!("<li>{}</li>", esc(text)))
            .collect()
    };
    let (first, rest) = report
        .warnings
        .split_at(report.warnings.len().min(MOST_WARNINGS));
    let more = match rest.len() {
        0 => String::new(),
        n => format!(
            "<details class=\"more\"><summary>{n} more</summary><ul>{}</ul></details>",
            items(rest)
        ),
    };
    match first.is_empty() {
        true => String::new(),
        false => format!(
            "<section id=\"warnings\">\n<h2>Warnings</h2>\n<ul>{}</ul>{more}\n</section>\n",
            items(first)
        ),
    }
}

pub fn assumptions(report: &CostReport) -> String {
    let items: String = report
        .assumptions
        .iter()
        .map(|text| format!("<li>{}</li>", esc(text)))
        .collect();
    match items.is_empty() {
        true => items,
        false => format!(
            "<section id=\"assumptions\">\n<h2>What the estimate takes for granted</h2>\n\
             <ul class=\"plain\">{items}</ul>\n</section>\n"
        ),
    }
}

pub fn lines(view: &View) -> String {
    let count = view.report.lines.len();
    let open = if count <= MOST_OPEN { " open" } else { "" };
    let groups: String = view
        .groups()
        .iter()
        .map(|group| resource(view, group, open))
        .collect();
    let notes = [view.left_out(), view.footnote()].into_iter().flatten();
    let notes: String = notes
        .map(|note| format!("<p class=\"caveat\">{}</p>", esc(&note)))
        .collect();
    format!(
        "<section id=\"lines\">\n<h2>Every line <span class=\"count\">{count} {}</span></h2>\n{groups}{notes}</section>\n",
        plural(count, "line", "lines"),
    )
}

fn resource(view: &View, group: &Group, open: &str) -> String {
    let rows: String = group.lines.iter().map(|line| row(view, line)).collect();
    let monthly = group
        .monthly
        .map_or_else(|| "unknown".to_owned(), |monthly| view.money.show(monthly));
    let unknown = match (group.unknown, group.monthly) {
        (0, _) | (_, None) => String::new(),
        (n, _) => format!(" <small>and {n} unknown</small>"),
    };
    format!(
        "<details class=\"resource\"{open}><summary><h3><bdi>{}</bdi></h3><span class=\"subtotal\">{}{unknown}</span></summary>\
         <table class=\"rows\"><thead><tr><th scope=\"col\">What</th><th scope=\"col\" class=\"num\">Quantity</th>\
         <th scope=\"col\" class=\"num\">Unit price</th><th scope=\"col\" class=\"num\">Monthly</th></tr></thead>\
         <tbody>{rows}</tbody></table></details>\n",
        esc(group.address),
        esc(&monthly),
    )
}

fn row(view: &View, line: &Line) -> String {
    let place: Vec<&str> = [&line.account, &line.region]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let place = match place.is_empty() {
        true => String::new(),
        false => format!("<span class=\"note\">{}</span>", esc(&place.join(" · "))),
    };
    let how = match line.formula.is_empty() {
        true => String::new(),
        false => format!(
            "<details class=\"how\"><summary>How</summary>{}</details>",
            esc(&line.formula)
        ),
    };
    let monthly = match &line.monthly {
        None => cell("monthly", "unknown"),
        Some(range) => {
            let spread = view
                .spread(range)
                .map(|spread| format!("<span class=\"note\">{}</span>", esc(&spread)));
            let amount = esc(&view.usd(&range.expected));
            format!(
                "<td class=\"num monthly\">{amount}{}</td>",
                spread.unwrap_or_default()
            )
        }
    };
    format!(
        "<tr><th scope=\"row\">{}{place}{how}</th>{}{}{monthly}</tr>",
        name(&line.label, line.part.as_deref()),
        cell("quantity", &quantity(line)),
        cell("price", &price(line)),
    )
}

pub fn copies(view: &View) -> String {
    let ledger = view.ledger();
    if ledger.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for row in ledger {
        let saves = match (row.charged, row.unknown) {
            (0, 0) => "nothing".to_owned(),
            (0, _) => "unknown".to_owned(),
            _ => view.money.show(row.monthly),
        };
        let counts = [row.free, row.charged, row.unknown].map(|count| cell("", &count.to_string()));
        let _ = write!(
            rows,
            "<tr><th scope=\"row\"><bdi>{}</bdi></th>{}{}</tr>",
            esc(row.trail),
            counts.concat(),
            cell("monthly", &saves)
        );
    }
    let (accounts, places) = view.places();
    format!(
        "<section id=\"copies\">\n<h2>Copies of management events</h2>\n<p class=\"muted\">The first copy is free in each account \
         and Region, over all trails: {accounts} {}, {places} {} of account and Region. \
         What a trail saves is what removing its copies would. The JSON form lists each.</p>\n\
         <div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">Trail</th><th scope=\"col\" class=\"num\">Free</th>\
         <th scope=\"col\" class=\"num\">Charged</th><th scope=\"col\" class=\"num\">Unknown</th>\
         <th scope=\"col\" class=\"num\">Saves</th></tr></thead><tbody>{rows}</tbody></table></div>\n</section>\n",
        plural(accounts, "account", "accounts"),
        plural(places, "pair", "pairs"),
    )
}

pub fn advice(view: &View) -> String {
    let (harmless, losing) = view.advice();
    let mut out = String::new();
    for (class, title, advice) in [
        ("harmless", "Saves money and loses no event", harmless),
        (
            "losing",
            "Saves money, but no longer records some events",
            losing,
        ),
    ] {
        if !advice.is_empty() {
            let items: String = advice
                .into_iter()
                .map(|advice| piece(view, advice))
                .collect();
            let _ = write!(
                out,
                "<h3>{title}</h3>\n<ul class=\"advice {class}\">{items}</ul>\n"
            );
        }
    }
    match out.is_empty() {
        true => out,
        false => format!("<section id=\"advice\">\n<h2>Advice</h2>\n{out}</section>\n"),
    }
}

fn piece(view: &View, advice: &Advice) -> String {
    let saves = match &advice.saves {
        Some(saves) => format!("saves {} a month", view.usd(saves)),
        None => "saves an unknown amount".to_owned(),
    };
    let lost: String = advice
        .loses
        .iter()
        .map(|lost| format!("<p class=\"lost\">loses {}</p>", esc(lost)))
        .collect();
    let change: Vec<String> = advice.change.lines().map(esc).collect();
    let change = match change.is_empty() {
        true => String::new(),
        false => format!("<pre tabindex=\"0\">{}</pre>", change.join("\n")),
    };
    format!(
        "<li><p><span class=\"saves\">{}</span> {}</p>{lost}{change}</li>",
        esc(&saves),
        esc(&advice.what)
    )
}
