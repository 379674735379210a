//! What was counted in log files, for people and as JSON.

use serde::Serialize;

use super::{Doc, Line, Style};

pub const FORMAT_VERSION: &str = "1.0";

/// The published form of a measurement.
#[derive(Clone, Debug, Serialize)]
pub struct VolumesReport {
    pub format_version: &'static str,
    pub orgtrail_version: &'static str,
    pub from: Vec<String>,
    /// The time that the logs cover; nothing where no record and no path says a time.
    pub window: Option<String>,
    pub files: FileNumbers,
    pub events: Number,
    /// Copies of events that were left out.
    pub duplicates: u64,
    /// Events of no known account or Region, which no volumes file can hold.
    pub homeless: u64,
    pub categories: Vec<CategoryRow>,
    pub trails: Vec<TrailRow>,
    /// Calls, as event source and name.
    pub calls: Top,
    /// Data events by resource, those of S3 by bucket.
    pub resources: Top,
    /// Callers, roles without their sessions.
    pub principals: Top,
    pub problems: Problems,
    /// What could be left out, where it was asked for.
    pub proposals: Option<Vec<Proposal>>,
    /// The volumes file.
    pub written_to: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct FileNumbers {
    pub read: u64,
    /// Not read, because they do not belong to the sample.
    pub left_out: u64,
    pub digests: u64,
    /// Files that are no log files by their name.
    pub skipped: u64,
    pub compressed_bytes: u64,
    pub uncompressed_bytes: u64,
}

/// A number of events; a range where it is taken from a sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Number {
    pub low: u64,
    pub expected: u64,
    pub high: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct CategoryRow {
    pub category: String,
    /// Account-Regions with such events.
    pub places: usize,
    pub events: Number,
    pub read: u64,
    pub write: u64,
    pub other: u64,
    pub errors: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct TrailRow {
    pub trail: String,
    pub events: u64,
    pub selectors: Vec<SelectorRow>,
}

#[derive(Clone, Debug, Serialize)]
pub struct SelectorRow {
    pub selector: String,
    pub events: u64,
}

/// The most frequent values of something.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Top {
    pub values: Vec<TopRow>,
    /// Each count may be too low by so many; what is not listed occurred no more often.
    pub error: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct TopRow {
    pub value: String,
    pub events: u64,
}

/// A change of selectors that saves money, and what it loses.
#[derive(Clone, Debug, Serialize)]
pub struct Proposal {
    /// `trail.org`
    pub trail: String,
    /// Recording itself causes these events.
    pub is_noise: bool,
    pub why: String,
    /// In the spec's own words.
    pub change: String,
    /// In the window, about.
    pub events: u64,
    /// Expected in a month of 730 hours.
    pub monthly: Option<u64>,
    /// A month, for the events as such.
    pub saves_usd: Option<String>,
    /// What would no longer be recorded, in words.
    pub loses: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Problems {
    pub count: u64,
    pub files: u64,
    /// The first ones.
    pub named: Vec<ProblemRow>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ProblemRow {
    pub file: String,
    pub offset: Option<u64>,
    pub reason: String,
}

pub fn json(report: &VolumesReport) -> String {
    super::pretty(report)
}

/// `limit` rows of each list.
pub fn text(report: &VolumesReport, limit: usize) -> Doc {
    let mut doc = Doc::default();
    push_head(&mut doc, report);
    push_categories(&mut doc, report);
    push_trails(&mut doc, report);
    push_top(&mut doc, "Most frequent calls", &report.calls, limit);
    push_top(
        &mut doc,
        "Resources with most data events",
        &report.resources,
        limit,
    );
    push_top(&mut doc, "Callers", &report.principals, limit);
    if let Some(proposals) = &report.proposals {
        push_proposals(&mut doc, proposals, limit);
    }
    push_close(&mut doc, report);
    doc
}

fn push_head(doc: &mut Doc, report: &VolumesReport) {
    let window = report.window.as_deref().unwrap_or("an unknown time");
    let events = report.events.describe();
    let files = &report.files;
    doc.push(
        Line::new(0)
            .add(Style::Bold, format!("{events} events"))
            .plain(format!(", {window}")),
    );
    let mut said = format!(
        "{} log files, {} compressed, {} uncompressed",
        thousands(files.read),
        bytes(files.compressed_bytes),
        bytes(files.uncompressed_bytes)
    );
    if files.left_out > 0 {
        let all = files.read + files.left_out;
        said.push_str(&format!(", a sample of {}", thousands(all)));
    }
    if files.digests > 0 {
        said.push_str(&format!("; {} digests", thousands(files.digests)));
    }
    doc.push(Line::new(0).plain(said));
    if report.duplicates > 0 {
        let text = format!("{} copies of events left out", thousands(report.duplicates));
        doc.push(Line::new(0).plain(text));
    }
}

fn push_categories(doc: &mut Doc, report: &VolumesReport) {
    for row in &report.categories {
        let parts = [
            ("read", row.read),
            ("write", row.write),
            ("neither", row.other),
            ("failed", row.errors),
        ];
        let parts = parts.into_iter().filter(|(_, count)| *count > 0);
        let parts: Vec<String> = parts
            .map(|(name, count)| format!("{} {name}", thousands(count)))
            .collect();
        let places = match row.places {
            1 => "1 account-Region".to_owned(),
            places => format!("{} account-Regions", thousands(places as u64)),
        };
        doc.push(
            Line::new(2)
                .hang(19)
                .plain(format!("{:>15}  ", thousands(row.events.expected)))
                .add(Style::Bold, &row.category)
                .plain(format!(" in {places}: {}", parts.join(", "))),
        );
    }
}

fn push_trails(doc: &mut Doc, report: &VolumesReport) {
    for trail in &report.trails {
        doc.blank();
        doc.push(
            Line::new(0)
                .add(Style::Bold, format!("trail.{}", trail.trail))
                .plain(format!(" would record {} of them", thousands(trail.events))),
        );
        for row in &trail.selectors {
            push_row(doc, row.events, &row.selector);
        }
    }
}

pub fn push_top(doc: &mut Doc, title: &str, top: &Top, limit: usize) {
    let rows = top.values.get(..limit).unwrap_or(&top.values);
    if rows.is_empty() {
        return;
    }
    doc.blank();
    let mut head = Line::new(0).add(Style::Bold, title);
    if top.error > 0 {
        head = head.add(
            Style::Dim,
            format!(" (up to {} more each)", thousands(top.error)),
        );
    }
    doc.push(head);
    for row in rows {
        push_row(doc, row.events, &row.value);
    }
}

fn push_proposals(doc: &mut Doc, proposals: &[Proposal], limit: usize) {
    doc.blank();
    if proposals.is_empty() {
        let text =
            "Nothing to propose: no resource and no caller stands out in what the trails record.";
        doc.push(Line::new(0).add(Style::Good, text));
        return;
    }
    doc.push(Line::new(0).add(Style::Bold, "What could be left out, each by itself"));
    for proposal in proposals.iter().take(limit) {
        doc.push(
            Line::new(2)
                .hang(4)
                .add(Style::Changed, "~ ")
                .plain(&proposal.why),
        );
        let often = match proposal.monthly {
            Some(monthly) => format!("about {} events a month", thousands(monthly)),
            None => format!("{} events in an unknown time", thousands(proposal.events)),
        };
        let saves = match proposal.saves_usd.as_deref() {
            None => "saves an unknown amount".to_owned(),
            Some("0") => "saves nothing but storage".to_owned(),
            Some(usd) => match usd.parse() {
                Ok(usd) if usd >= 0.01 => format!("saves ${usd:.2}"),
                Ok(0.0..) => "saves less than $0.01".to_owned(),
                _ => format!("saves ${usd}"),
            },
        };
        doc.push(Line::new(4).hang(6).plain(format!("{often}: {saves}")));
        doc.push(Line::new(4).hang(6).plain(&proposal.change));
        for lost in &proposal.loses {
            doc.push(
                Line::new(4)
                    .hang(6)
                    .add(Style::Removed, "- ")
                    .plain(format!("no longer records {lost}")),
            );
        }
    }
}

fn push_row(doc: &mut Doc, events: u64, name: &str) {
    doc.push(
        Line::new(2)
            .hang(19)
            .plain(format!("{:>15}  ", thousands(events)))
            .plain(name),
    );
}

fn push_close(doc: &mut Doc, report: &VolumesReport) {
    doc.blank();
    if report.homeless > 0 {
        let text = format!(
            "{} events name no account id or no Region and are in no volumes file.",
            thousands(report.homeless)
        );
        doc.push(Line::new(0).add(Style::Warning, text));
    }
    let problems = &report.problems;
    if problems.count > 0 {
        let text = format!(
            "{} problems in {} files; what they hold is missing from the counts.",
            thousands(problems.count),
            thousands(problems.files)
        );
        doc.push(Line::new(0).add(Style::Warning, text));
    }
    if let Some(file) = &report.written_to {
        doc.push(
            Line::new(0)
                .plain("Written to ")
                .add(Style::Bold, file)
                .plain("."),
        );
    }
}

impl Number {
    pub fn exactly(count: u64) -> Self {
        Self {
            low: count,
            expected: count,
            high: count,
        }
    }

    pub fn describe(self) -> String {
        match self.low == self.high {
            true => thousands(self.expected),
            false => format!(
                "about {} ({} to {})",
                thousands(self.expected),
                thousands(self.low),
                thousands(self.high)
            ),
        }
    }
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1.4 GB`, in decimal units.
pub fn bytes(number: u64) -> String {
    let units = [
        (1_000_000_000_000, "TB"),
        (1_000_000_000, "GB"),
        (1_000_000, "MB"),
        (1_000, "kB"),
    ];
    match units.into_iter().find(|(unit, _)| number >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", number as f64 / unit as f64),
        None => format!("{number} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_bytes_have_units() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(thousands).join(" "),
            "0 999 1,000 1,234,567"
        );
        assert_eq!(
            [12, 1_500, 1_400_000_000].map(bytes).join(" "),
            "12 bytes 1.5 kB 1.4 GB"
        );
    }
}
