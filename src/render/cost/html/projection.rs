//! The months to come: costs by component and storage by class.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::charts::{Series, Stacked, at_most};
use crate::render::cost::amount::Amount;
use crate::render::cost::names::html as esc;
use crate::render::cost::report::{Month, Number, Projection};
use crate::render::cost::view::{View, month_name};

/// Warm to cold, each with the colour that it always has.
const CLASSES: [(&str, usize); 7] = [
    ("STANDARD", 1),
    ("STANDARD_IA", 6),
    ("INTELLIGENT_TIERING", 3),
    ("ONEZONE_IA", 4),
    ("GLACIER_IR", 2),
    ("GLACIER", 5),
    ("DEEP_ARCHIVE", 0),
];

type Figures = BTreeMap<String, Number>;

pub fn section(view: &View) -> String {
    let Some(projection) = &view.report.projection else {
        return String::new();
    };
    let charts = components(view, projection) + &storage(view, projection);
    format!(
        "<section>\n<h2>The months to come</h2>\n<div class=\"charts\">{charts}</div>\n</section>\n"
    )
}

fn components(view: &View, projection: &Projection) -> String {
    let mut series = all_series(projection, |month| &month.components);
    series.sort_by_key(|series| std::cmp::Reverse(sum(series)));
    for (color, series) in series.iter_mut().enumerate() {
        series.color = color;
    }
    let series = at_most(series);
    let total = view.usd(&projection.total);
    let months = projection.months.len();
    let end = match projection.steady_from {
        Some(month) => format!("Nothing changes any more from month {month} on."),
        None => "It still grows at the end: something is kept for longer, or for ever.".to_owned(),
    };
    Stacked {
        id: "projection",
        title: "Cost by component",
        caption: format!("{total} in {months} months. {end}"),
        table: table(view, &series, &|amount| view.money.show(amount), true),
        series,
        unit: &|amount| view.money.show(amount),
        mark: &|amount| view.money.compact(amount),
        steady: projection.steady_from,
    }
    .html()
}

fn storage(view: &View, projection: &Projection) -> String {
    let mut series = all_series(projection, |month| &month.storage_gb);
    let place = |name: &str| CLASSES.iter().position(|(class, _)| *class == name);
    for series in &mut series {
        series.color = place(&series.name).map_or(7, |at| CLASSES[at].1);
    }
    // The coldest at the bottom: it is what stays.
    series.sort_by_key(|series| std::cmp::Reverse(place(&series.name)));
    let series = at_most(series);
    let last = projection
        .months
        .last()
        .map_or(Amount::ZERO, |month| Amount::sum(month.storage_gb.values()));
    let gigabytes = |amount: Amount| format!("{} GB", amount.quantity());
    Stacked {
        id: "storage",
        title: "Storage by class",
        caption: format!("{} are kept at the end of the last month.", gigabytes(last)),
        table: table(view, &series, &gigabytes, false),
        series,
        unit: &gigabytes,
        mark: &|amount| format!("{} GB", amount.compact()),
        steady: projection.steady_from,
    }
    .html()
}

/// A series for each key, without those that are nothing in every month.
fn all_series(projection: &Projection, figures: impl Fn(&Month) -> &Figures) -> Vec<Series> {
    let names: BTreeSet<&String> = projection
        .months
        .iter()
        .flat_map(|month| figures(month).keys())
        .collect();
    let series = names.into_iter().map(|name| Series {
        name: name.clone(),
        color: 0,
        values: projection
            .months
            .iter()
            .map(|month| figures(month).get(name).map_or(Amount::ZERO, Amount::of))
            .collect(),
    });
    series
        .filter(|series| series.values.iter().any(|value| !value.is_zero()))
        .collect()
}

fn sum(series: &Series) -> Amount {
    series
        .values
        .iter()
        .fold(Amount::ZERO, |sum, value| sum.plus(*value))
}

/// The milestones in figures; the sums first, where a narrow window shows them.
fn table(view: &View, series: &[Series], unit: &dyn Fn(Amount) -> String, money: bool) -> String {
    let mut heads = vec!["Total"];
    if money {
        heads.push("So far");
    }
    heads.extend(series.iter().rev().map(|series| series.name.as_str()));
    let heads: String = heads
        .into_iter()
        .map(|head| format!("<th scope=\"col\" class=\"num\">{}</th>", esc(head)))
        .collect();
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">After</th>{heads}</tr></thead><tbody>"
    );
    let months = view
        .report
        .projection
        .iter()
        .flat_map(|projection| &projection.months);
    let months: Vec<u32> = months.map(|month| month.month).collect();
    for milestone in view.milestones() {
        let at = months
            .iter()
            .position(|month| *month == milestone.month.month)
            .unwrap_or_default();
        let total = match money {
            true => Amount::of(&milestone.month.total),
            false => milestone.stored,
        };
        let name = month_name(milestone.month.month);
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{name}</th><td class=\"num total\">{}</td>",
            esc(&unit(total))
        );
        if money {
            let _ = write!(
                out,
                "<td class=\"num spent\">{}</td>",
                esc(&unit(milestone.spent))
            );
        }
        for series in series.iter().rev() {
            let value = series.values.get(at).copied().unwrap_or_default();
            let _ = write!(out, "<td class=\"num\">{}</td>", esc(&unit(value)));
        }
        out.push_str("</tr>");
    }
    out + "</tbody></table></div>"
}
