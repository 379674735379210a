//! Charts without a script. Shapes are SVG that stretches with the page; whatever is read is HTML beside it, so that it has
//! the size of text on a telephone as well.

use std::fmt::Write as _;

use super::palette::SERIES;
use crate::render::cost::amount::Amount;
use crate::render::cost::names::html as esc;
use crate::render::cost::report::Share;
use crate::render::cost::view::View;

/// A row of figures over the months.
pub struct Series {
    pub name: String,
    /// Which colour.
    pub color: usize,
    pub values: Vec<Amount>,
}

pub struct Stacked<'a> {
    pub id: &'a str,
    pub title: &'a str,
    /// What the chart shows, in a sentence.
    pub caption: String,
    pub series: Vec<Series>,
    /// How an amount is written.
    pub unit: &'a dyn Fn(Amount) -> String,
    /// How a mark of the axis is written, which is a round figure.
    pub mark: &'a dyn Fn(Amount) -> String,
    /// The first month that is like every later one.
    pub steady: Option<u32>,
    /// The same in figures.
    pub table: String,
}

/// The largest series keep their colours; the rest becomes one.
pub fn at_most(mut series: Vec<Series>) -> Vec<Series> {
    if series.len() > SERIES {
        let mut rest = series.split_off(SERIES - 1).into_iter();
        if let Some(mut other) = rest.next() {
            for more in rest {
                let sums = other
                    .values
                    .iter()
                    .zip(&more.values)
                    .map(|(a, b)| a.plus(*b));
                other.values = sums.collect();
            }
            "other".clone_into(&mut other.name);
            other.color = SERIES - 1;
            series.push(other);
        }
    }
    series
}

impl Stacked<'_> {
    pub fn html(&self) -> String {
        let months = self
            .series
            .iter()
            .map(|series| series.values.len())
            .max()
            .unwrap_or(0);
        if months == 0 {
            return String::new();
        }
        let sums: Vec<f64> = (0..months)
            .map(|month| self.total(month).approximately())
            .collect();
        let axis = Axis::new(sums.iter().copied().fold(0.0, f64::max));
        format!(
            "<figure class=\"chart\" id=\"{id}\"><figcaption><h3>{title}</h3><p>{caption}</p></figcaption>{legend}\
             <div class=\"plot\"><div class=\"y\" aria-hidden=\"true\">{marks}</div>\
             <svg viewBox=\"0 0 {months} 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{label}\">\
             {grid}{areas}{steady}{tips}</svg><div class=\"x\" aria-hidden=\"true\">{years}</div></div>\
             <details class=\"figures\"><summary>In figures</summary>{table}</details></figure>\n",
            id = self.id,
            title = esc(self.title),
            caption = esc(&self.caption),
            label = esc(&self.caption),
            legend = self.legend(),
            marks = axis.marks(self.mark),
            grid = axis.grid(months),
            areas = self.areas(months, axis.top),
            steady = self.steady_line(months),
            tips = self.tips(months),
            years = years(months),
            table = self.table,
        )
    }

    fn total(&self, month: usize) -> Amount {
        let values = self
            .series
            .iter()
            .filter_map(|series| series.values.get(month));
        values.fold(Amount::ZERO, |sum, value| sum.plus(*value))
    }

    /// From the top of the stack to its bottom, as the eye meets it.
    fn legend(&self) -> String {
        let mut out = String::from("<ul class=\"legend\">");
        for series in self.series.iter().rev() {
            let name = esc(&series.name);
            let _ = write!(
                out,
                "<li><svg class=\"swatch\" viewBox=\"0 0 1 1\" aria-hidden=\"true\"><rect class=\"s{}\" width=\"1\" height=\"1\"/></svg><bdi>{name}</bdi></li>",
                series.color
            );
        }
        out + "</ul>"
    }

    /// An area for each series, each on top of the one before, through the middles of the months.
    fn areas(&self, months: usize, top: f64) -> String {
        let mut out = String::new();
        let mut floor = vec![0.0; months];
        for series in &self.series {
            let roof: Vec<f64> = floor
                .iter()
                .enumerate()
                .map(|(month, low)| {
                    low + series
                        .values
                        .get(month)
                        .map_or(0.0, |value| value.approximately())
                })
                .collect();
            let mut path = edge(&roof, top);
            path.reverse();
            let back = std::mem::replace(&mut path, edge(&floor, top));
            path.extend(back);
            let _ = write!(
                out,
                "<path class=\"s{}\" d=\"M{}Z\"/>",
                series.color,
                path.join(" ")
            );
            floor = roof;
        }
        out
    }

    fn steady_line(&self, months: usize) -> String {
        let first = self.steady.and_then(|month| usize::try_from(month).ok());
        match first.filter(|month| *month > 1 && *month <= months) {
            Some(month) => {
                let x = month - 1;
                format!("<path class=\"steady\" d=\"M{x} 0V100\"/>")
            }
            None => String::new(),
        }
    }

    /// What a pointer sees over a month.
    fn tips(&self, months: usize) -> String {
        let mut out = String::new();
        for month in 0..months {
            let mut text = format!("Month {}: {}", month + 1, (self.unit)(self.total(month)));
            for series in self.series.iter().rev() {
                if let Some(value) = series.values.get(month).filter(|value| !value.is_zero()) {
                    let _ = write!(text, "\n{}: {}", series.name, (self.unit)(*value));
                }
            }
            // The line breaks are ours, those of names are not.
            let text = text.split('\n').map(esc).collect::<Vec<_>>().join("\n");
            let _ = write!(
                out,
                "<rect class=\"tip\" x=\"{month}\" width=\"1\" height=\"100\"><title>{text}</title></rect>"
            );
        }
        out
    }
}

/// The corners of a line over all months: flat at both ends, where there is no neighbour.
fn edge(values: &[f64], top: f64) -> Vec<String> {
    let corner = |(month, value): (usize, &f64)| format!("{month}.5 {}", height(*value, top));
    let mut corners: Vec<String> = values.iter().enumerate().map(corner).collect();
    if let (Some(first), Some(last)) = (values.first(), values.last()) {
        corners.insert(0, format!("0 {}", height(*first, top)));
        corners.push(format!("{} {}", values.len(), height(*last, top)));
    }
    corners
}

fn height(value: f64, top: f64) -> String {
    let y = 100.0 - value / top * 100.0;
    let text = format!("{y:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Years below the plot, months for a short one.
fn years(months: usize) -> String {
    let (step, divisor, unit) = match months {
        0..=24 => (6, 1, "mo"),
        25..=84 => (12, 12, "y"),
        _ => (months.div_ceil(7).div_ceil(12) * 12, 12, "y"),
    };
    let mut out = String::new();
    for month in (step..=months).step_by(step) {
        let left = percent(month, months);
        let last = if month == months {
            " class=\"last\""
        } else {
            ""
        };
        let _ = write!(
            out,
            "<span{last} style=\"left:{left}%\">{}&nbsp;{unit}</span>",
            month / divisor
        );
    }
    out
}

#[expect(clippy::cast_precision_loss, reason = "nobody looks at so many months")]
fn percent(part: usize, whole: usize) -> String {
    format!("{:.2}", part as f64 / whole.max(1) as f64 * 100.0)
}

/// Round marks from 0 to a round top.
struct Axis {
    top: f64,
    step: f64,
}

impl Axis {
    fn new(largest: f64) -> Self {
        if largest <= 0.0 {
            return Self {
                top: 1.0,
                step: 1.0,
            };
        }
        let rough = largest / 4.0;
        let magnitude = 10_f64.powf(rough.log10().floor());
        let factors = [1.0, 2.0, 2.5, 5.0, 10.0];
        let factor = factors
            .into_iter()
            .find(|factor| factor * magnitude >= rough);
        let step = factor.unwrap_or(10.0) * magnitude;
        Self {
            top: (largest / step).ceil().max(1.0) * step,
            step,
        }
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let count = (self.top / self.step).round();
        let (step, numbers) = (self.step, (0..=5_u32).map(f64::from));
        numbers
            .take_while(move |number| *number <= count)
            .map(move |number| number * step)
    }

    fn marks(&self, unit: &dyn Fn(Amount) -> String) -> String {
        let mut out = String::new();
        for value in self.values() {
            let amount = Amount::parse(&format!("{value:.6}")).unwrap_or_default();
            let bottom = value / self.top * 100.0;
            let _ = write!(
                out,
                "<span style=\"bottom:{bottom:.2}%\">{}</span>",
                esc(&unit(amount))
            );
        }
        out
    }

    fn grid(&self, months: usize) -> String {
        let mut path = String::new();
        for value in self.values() {
            let _ = write!(path, "M0 {}H{months}", height(value, self.top));
        }
        format!("<path class=\"grid\" d=\"{path}\"/>")
    }
}

const MOST_BARS: usize = 10;

/// A table with a bar in each row: the ten largest and the rest. It is its own text alternative.
pub fn bars(view: &View, id: &str, title: &str, column: &str, shares: &[Share]) -> String {
    let mut sorted: Vec<(&str, Amount)> = shares
        .iter()
        .map(|share| (share.name.as_str(), Amount::of(&share.monthly)))
        .collect();
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let total = sorted
        .iter()
        .fold(Amount::ZERO, |sum, share| sum.plus(share.1));
    let largest = sorted.first().map_or(Amount::ZERO, |share| share.1);
    if largest.is_zero() {
        return String::new();
    }
    // A rest of one row would take the room of that row.
    let shown = if sorted.len() <= MOST_BARS + 1 {
        sorted.len()
    } else {
        MOST_BARS
    };
    let rest = sorted.split_off(shown);
    let row = |name: &str, amount: Amount, class: &str| {
        let length = ratio(amount, largest).min(100.0);
        let share = ratio(amount, total);
        format!(
            "<tr{class}><th scope=\"row\">{name}</th><td class=\"bar\"><svg viewBox=\"0 0 100 1\" \
             preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect width=\"{length:.2}\" height=\"1\"/></svg></td>\
             <td class=\"num monthly\">{}</td><td class=\"num share\">{share:.1}&nbsp;%</td></tr>",
            esc(&view.money.show(amount)),
        )
    };
    let mut rows: String = sorted
        .iter()
        .map(|(name, amount)| row(&format!("<bdi>{}</bdi>", esc(name)), *amount, ""))
        .collect();
    if !rest.is_empty() {
        let amount = rest
            .iter()
            .fold(Amount::ZERO, |sum, share| sum.plus(share.1));
        rows.push_str(&row(
            &format!("{} others", rest.len()),
            amount,
            " class=\"rest\"",
        ));
    }
    format!(
        "<figure class=\"chart\" id=\"{id}\"><figcaption><h3>{title}</h3></figcaption><table class=\"bars\"><thead><tr>\
         <th scope=\"col\">{column}</th><td></td><th scope=\"col\" class=\"num\">Monthly</th>\
         <th scope=\"col\" class=\"num\">Share</th></tr></thead><tbody>{rows}</tbody></table></figure>\n"
    )
}

fn ratio(part: Amount, whole: Amount) -> f64 {
    match whole.is_zero() {
        true => 0.0,
        false => (part.approximately() / whole.approximately() * 100.0).max(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_few_round_marks() {
        for (largest, step, top) in [
            (7.3, 2.0, 8.0),
            (100.0, 25.0, 100.0),
            (0.013, 0.005, 0.015),
            (1234.0, 500.0, 1500.0),
        ] {
            let axis = Axis::new(largest);
            assert!(
                (axis.step - step).abs() < 1e-9 && (axis.top - top).abs() < 1e-9,
                "{largest}: {} {}",
                axis.step,
                axis.top
            );
            assert!((2..=6).contains(&axis.values().count()));
        }
    }

    #[test]
    fn too_many_series_end_in_one_of_the_rest() {
        let series = |at: usize| Series {
            name: at.to_string(),
            color: at,
            values: vec![Amount::of(&"1".to_owned()); 2],
        };
        let few = at_most((0..20).map(series).collect());
        assert_eq!(few.len(), SERIES);
        assert_eq!(
            (few[7].name.as_str(), few[7].values[1].exact().as_str()),
            ("other", "13")
        );
        assert_eq!(at_most((0..8).map(series).collect())[7].name, "7");
    }
}
