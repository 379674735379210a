//! What a change records less and more, for people and as JSON.

use std::fmt;

use serde::Serialize;

use super::volumes::{Number, Top, push_top, thousands};
use super::{Doc, Line, Style};

pub const FORMAT_VERSION: &str = "1.0";

/// The published form of a coverage diff.
#[derive(Clone, Debug, Serialize)]
pub struct CoverageReport {
    pub format_version: &'static str,
    pub orgtrail_version: &'static str,
    /// Events that are no longer recorded by any trail.
    pub lost: Vec<Part>,
    /// Events that are recorded now and were not before.
    pub gained: Vec<Part>,
    /// The same in log files.
    pub counted: Option<Counted>,
}

/// Events, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Said where the accounts of one organization are not those of the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Nothing: in every account.
    pub account: Option<String>,
    /// Nothing: in every Region.
    pub region: Option<String>,
    /// Where they are recorded all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// In words.
    pub events: String,
    /// Whether counts in log files have it. They do not have what CloudTrail makes of events.
    pub is_counted: bool,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.events)?;
        if !self.except.is_empty() {
            write!(f, ", except in {}", self.except.join(" and "))?;
        }
        let organization = self.organization.as_ref();
        let place = place(self.account.as_ref(), self.region.as_ref());
        match (organization, place.as_str()) {
            (None, "") => Ok(()),
            (None, place) => write!(f, " ({place})"),
            (Some(id), "") => write!(f, " (organization {id})"),
            (Some(id), place) => write!(f, " (organization {id}, {place})"),
        }
    }
}

/// `account 111122223333, us-east-1`; nothing where it is everywhere.
pub fn place(account: Option<&String>, region: Option<&String>) -> String {
    let account = account.map(|id| format!("account {id}"));
    let places: Vec<String> = account.into_iter().chain(region.cloned()).collect();
    places.join(", ")
}

#[derive(Clone, Debug, Serialize)]
pub struct Counted {
    pub window: Option<String>,
    /// Lost events in the window.
    pub events: Number,
    /// Expected in a month of 730 hours.
    pub monthly: Option<u64>,
    /// All events in the logs.
    pub of: Number,
    pub gained: Number,
    /// Accounts that lose events.
    pub accounts: usize,
    pub calls: Top,
    pub resources: Top,
    pub principals: Top,
    pub samples: Vec<LostRow>,
    /// Problems of the logs, whose events are missing here.
    pub problems: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct LostRow {
    pub event_id: String,
    pub time: String,
    pub account: String,
    pub region: String,
    pub call: String,
    pub principal: String,
    pub resource: String,
}

pub fn json(report: &CoverageReport) -> String {
    super::pretty(report)
}

/// `limit` rows of each list.
pub fn text(report: &CoverageReport, limit: usize) -> Doc {
    let mut doc = Doc::default();
    push_parts(
        &mut doc,
        "No longer recorded:",
        &report.lost,
        Style::Removed,
        "- ",
    );
    push_parts(
        &mut doc,
        "Recorded from now on:",
        &report.gained,
        Style::Added,
        "+ ",
    );
    if report.lost.is_empty() && report.gained.is_empty() {
        let text = "No change: both record the same events, proved over all possible ones.";
        doc.push(Line::new(0).add(Style::Good, text));
    } else if report.lost.is_empty() {
        let text = "Nothing is lost: every event that was recorded still is, proved over all possible ones.";
        doc.push(Line::new(0).add(Style::Good, text));
    }
    if let Some(counted) = &report.counted {
        push_counted(&mut doc, counted, limit);
        let mut parts = report.lost.iter().chain(&report.gained);
        if parts.any(|part| !part.is_counted) {
            let text = "Not in these counts: Insights, aggregated and global service events, other organizations.";
            doc.push(Line::new(0).add(Style::Warning, text));
        }
    }
    doc
}

/// What was counted, without the sentences.
pub fn counted(counted: &Counted, limit: usize) -> Doc {
    let mut doc = Doc::default();
    push_counted(&mut doc, counted, limit);
    doc
}

fn push_parts(doc: &mut Doc, title: &str, parts: &[Part], style: Style, symbol: &str) {
    if parts.is_empty() {
        return;
    }
    doc.push(Line::new(0).add(Style::Bold, title));
    for part in parts {
        doc.push(
            Line::new(2)
                .hang(4)
                .add(style, symbol)
                .plain(part.to_string()),
        );
    }
    doc.blank();
}

fn push_counted(doc: &mut Doc, counted: &Counted, limit: usize) {
    let window = counted.window.as_deref().unwrap_or("an unknown time");
    let accounts = match counted.accounts {
        1 => "1 account".to_owned(),
        accounts => format!("{} accounts", thousands(accounts as u64)),
    };
    let mut line = Line::new(0)
        .add(Style::Bold, format!("{} events", counted.events.describe()))
        .plain(format!(
            " of {} in the logs are lost, in {accounts}",
            counted.of.describe()
        ));
    if let Some(monthly) = counted.monthly {
        line = line.plain(format!(": about {} a month", thousands(monthly)));
    }
    doc.push(line.add(Style::Dim, format!(" ({window})")));
    if counted.gained.expected > 0 {
        let text = format!(
            "{} events in the logs are gained.",
            counted.gained.describe()
        );
        doc.push(Line::new(0).plain(text));
    }
    let hint = "Logs show only what some trail recorded; of other events there is no count.";
    doc.push(Line::new(0).add(Style::Dim, hint));
    push_top(doc, "Lost by call", &counted.calls, limit);
    push_top(doc, "Lost by resource", &counted.resources, limit);
    push_top(doc, "Lost by caller", &counted.principals, limit);
    if !counted.samples.is_empty() {
        doc.blank();
        doc.push(Line::new(0).add(Style::Bold, "For example"));
    }
    for event in &counted.samples {
        let whole = [
            &event.time,
            &event.account,
            &event.region,
            &event.call,
            &event.resource,
        ];
        let by = match event.principal.is_empty() {
            true => String::new(),
            false => format!(" by {}", event.principal),
        };
        let words: Vec<&str> = whole
            .into_iter()
            .map(String::as_str)
            .filter(|word| !word.is_empty())
            .collect();
        doc.push(
            Line::new(2)
                .hang(4)
                .plain(format!("{}{by}", words.join(" "))),
        );
        doc.push(Line::new(4).add(Style::Dim, format!("event {}", event.event_id)));
    }
    if counted.problems > 0 {
        let text = format!(
            "{} problems in the logs; what they hold is missing here.",
            thousands(counted.problems)
        );
        doc.push(Line::new(0).add(Style::Warning, text));
    }
}
