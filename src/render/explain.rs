//! Which trails record an event and why, for people and as JSON.

use serde::Serialize;

use super::{Doc, Line, Style};

pub const FORMAT_VERSION: &str = "1.0";

/// The published form of an explanation.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainReport {
    pub format_version: &'static str,
    pub orgtrail_version: &'static str,
    pub event: EventFacts,
    /// By any trail.
    pub recorded: bool,
    /// That of the free copy of management events first.
    pub trails: Vec<TrailVerdict>,
}

#[derive(Clone, Debug, Serialize)]
pub struct EventFacts {
    pub id: Option<String>,
    pub time: Option<String>,
    pub source: Option<String>,
    pub name: Option<String>,
    pub category: String,
    pub read_only: Option<bool>,
    pub account: Option<String>,
    pub region: Option<String>,
    pub principal: Option<String>,
    pub resources: Vec<ResourceFacts>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ResourceFacts {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub arn: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct TrailVerdict {
    pub trail: String,
    pub recorded: bool,
    /// What keeps the event from the trail before any selector is asked.
    pub why_not: Option<String>,
    pub selectors: Vec<SelectorVerdict>,
    pub price: Option<Price>,
}

#[derive(Clone, Debug, Serialize)]
pub struct SelectorVerdict {
    pub selector: String,
    pub recorded: bool,
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Condition {
    pub field: String,
    /// What the record holds: nothing when the field is absent, several values for resources.
    pub actual: Vec<String>,
    pub passed: bool,
    pub text: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Price {
    pub what: String,
    pub region: String,
    /// USD for a million events; nothing where no price is known.
    pub usd_per_million: Option<String>,
}

pub fn json(report: &ExplainReport) -> String {
    super::pretty(report)
}

pub fn text(report: &ExplainReport) -> Doc {
    let mut doc = Doc::default();
    push_event(&mut doc, &report.event);
    for trail in &report.trails {
        push_trail(&mut doc, trail);
    }
    let (style, text) = match (report.recorded, report.trails.is_empty()) {
        (true, _) => (Style::Good, "Recorded."),
        (false, true) => (Style::Warning, "Not recorded: there is no trail."),
        (false, false) => (Style::Warning, "Not recorded by any trail."),
    };
    doc.push(Line::new(0).add(style, text));
    doc
}

fn push_event(doc: &mut Doc, event: &EventFacts) {
    let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "(unknown)".to_owned());
    let access = match event.read_only {
        Some(true) => "read",
        Some(false) => "write",
        None => "neither read nor write",
    };
    let name = format!("{} {}", or_unknown(&event.source), or_unknown(&event.name));
    let place = format!(
        ": {}, {access}, account {} in {}",
        event.category,
        or_unknown(&event.account),
        or_unknown(&event.region)
    );
    doc.push(Line::new(0).add(Style::Bold, name).plain(place));
    for resource in &event.resources {
        let text = format!(
            "{} {}",
            or_unknown(&resource.kind),
            or_unknown(&resource.arn)
        );
        doc.push(Line::new(2).add(Style::Dim, text));
    }
    if let Some(principal) = &event.principal {
        doc.push(Line::new(2).add(Style::Dim, format!("by {principal}")));
    }
    doc.blank();
}

fn push_trail(doc: &mut Doc, trail: &TrailVerdict) {
    let (style, verdict) = match trail.recorded {
        true => (Style::Good, "records it"),
        false => (Style::Dim, "does not record it"),
    };
    let mut head = Line::new(0)
        .add(Style::Bold, &trail.trail)
        .plain(" ")
        .add(style, verdict);
    if let Some(why_not) = &trail.why_not {
        head = head.plain(format!(": {why_not}"));
    }
    doc.push(head);
    // Where no selector is asked, none decides.
    let selectors = trail.selectors.iter().filter(|_| trail.why_not.is_none());
    for selector in selectors {
        push_selector(doc, selector);
    }
    if let Some(price) = &trail.price {
        let amount = match price.usd_per_million.as_deref() {
            None => "an unknown amount".to_owned(),
            Some("0" | "0.00") => "nothing".to_owned(),
            Some(usd) => format!("${usd}"),
        };
        let text = format!(
            "A million of them cost {amount} in {} ({}).",
            price.region, price.what
        );
        doc.push(Line::new(2).plain(text));
    }
    doc.blank();
}

/// All conditions of a selector that records the event; otherwise the first one that fails.
fn push_selector(doc: &mut Doc, selector: &SelectorVerdict) {
    let name = Line::new(2)
        .plain("selector ")
        .add(Style::Bold, &selector.selector);
    if selector.recorded {
        doc.push(name.add(Style::Good, " matches"));
        for condition in &selector.conditions {
            doc.push(Line::new(4).plain(&condition.text));
        }
        return;
    }
    let failing = selector
        .conditions
        .iter()
        .find(|condition| !condition.passed);
    let text = failing.map_or("", |condition| &condition.text);
    doc.push(name.plain(": ").plain(text));
}
