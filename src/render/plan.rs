//! The plan and, read backwards, the drift.

use super::value::value;
use super::{Doc, Line, Style};
use crate::model::{Gap, RiskNote};
use crate::plan::{Action, Blocker, Change, Plan, Verb};

/// What is the same for every new resource.
const NOT_WORTH_SAYING: [&str; 2] = ["policy.Version", "requester_pays"];

pub fn plan(plan: &Plan) -> Doc {
    let mut doc = Doc::default();
    for action in &plan.actions {
        push_action(&mut doc, action);
    }
    push_coverage(&mut doc, plan);
    push_cost(&mut doc, plan);
    push_proofs(&mut doc, plan);
    push_gaps(&mut doc, plan);
    push_blockers(&mut doc, plan);
    push_summary(&mut doc, plan);
    doc
}

/// The same differences as seen from the spec: what somebody changed behind its back.
pub fn drift(plan: &Plan) -> Doc {
    let mut doc = Doc::default();
    for action in &plan.actions {
        push_drift(&mut doc, action);
    }
    push_gaps(&mut doc, plan);
    let drifted = plan.actions.len();
    let line = match (drifted, plan.gaps.len()) {
        (0, 0) => Line::new(0).add(Style::Good, "No drift. Everything is as the spec says."),
        (0, gaps) => Line::new(0)
            .add(Style::Warning, "No drift where it could be read; ")
            .add(Style::Warning, format!("{gaps} could not be read.")),
        (n, _) => Line::new(0).add(
            Style::Bold,
            format!(
                "Drift: {n} of {} resources differ from the spec.",
                n + plan.summary.unchanged
            ),
        ),
    };
    doc.push(line);
    doc
}

fn symbol(verb: Verb) -> (Style, &'static str, &'static str) {
    match verb {
        Verb::Create => (Style::Added, "+", "will be created"),
        Verb::Update => (Style::Changed, "~", "will be changed"),
        Verb::Delete => (Style::Removed, "-", "will be destroyed"),
    }
}

fn push_action(doc: &mut Doc, action: &Action) {
    let (style, symbol, what) = symbol(action.verb);
    push_head(doc, action, style, symbol, what);
    if action.verb != Verb::Delete {
        push_changes(doc, action);
    }
    for note in &action.risks {
        push_risk(doc, note);
    }
    doc.blank();
}

fn push_head(doc: &mut Doc, action: &Action, style: Style, symbol: &str, what: &str) {
    doc.push(
        Line::new(2)
            .add(style, symbol)
            .plain(" ")
            .add(Style::Bold, action.address.to_string())
            .plain(format!(" {what}")),
    );
    let mut place = Line::new(6).add(Style::Dim, format!("{} in {}", action.id, action.place));
    if let Some(origin) = &action.origin {
        place = place.add(Style::Dim, format!(" ({origin})"));
    }
    doc.push(place);
}

fn push_changes(doc: &mut Doc, action: &Action) {
    let shown = action.changes.iter().filter(|change| {
        action.verb != Verb::Create || !NOT_WORTH_SAYING.contains(&change.path.as_str())
    });
    for change in shown {
        doc.push(change_line(change, action.verb == Verb::Create));
    }
}

fn change_line(change: &Change, creating: bool) -> Line {
    let line = Line::new(6).hang(10);
    let path = label(&change.path);
    let before = change.before.as_ref().map(value);
    let after = change.after.as_ref().map(value);
    match (before, after) {
        (None, Some(after)) if creating => line.plain(format!("  {path}: ")).plain(after),
        (None, Some(after)) => line
            .add(Style::Added, "+ ")
            .plain(format!("{path}: "))
            .plain(after),
        (Some(before), None) => line
            .add(Style::Removed, "- ")
            .plain(format!("{path}: "))
            .add(Style::Dim, before),
        (before, after) => line
            .add(Style::Changed, "~ ")
            .plain(format!("{path}: "))
            .add(Style::Dim, before.unwrap_or_default())
            .plain(" → ")
            .plain(after.unwrap_or_default()),
    }
}

/// Paths as people say them: the API's wrappers add nothing.
fn label(path: &str) -> String {
    path.replace("selectors.AdvancedEventSelectors", "selectors")
        .replace("selectors.EventSelectors", "basic selectors")
        .replace("policy.Statement", "policy")
}

fn push_risk(doc: &mut Doc, note: &RiskNote) {
    let style = match note.risk.needs_consent() {
        true => Style::Error,
        false => Style::Warning,
    };
    doc.push(
        Line::new(6)
            .hang(8)
            .add(style, format!("! {}", note.risk))
            .plain(format!(": {}", note.why)),
    );
}

fn push_drift(doc: &mut Doc, action: &Action) {
    match action.verb {
        Verb::Create => push_head(doc, action, Style::Removed, "-", "is missing"),
        Verb::Delete => push_head(doc, action, Style::Added, "+", "is not in the spec"),
        Verb::Update => {
            push_head(doc, action, Style::Changed, "~", "differs from the spec");
            for change in &action.changes {
                let seen = Change {
                    path: change.path.clone(),
                    before: change.after.clone(),
                    after: change.before.clone(),
                };
                doc.push(change_line(&seen, false));
            }
        }
    }
    doc.blank();
}

fn push_coverage(doc: &mut Doc, plan: &Plan) {
    if plan.coverage.is_empty() {
        return;
    }
    doc.push(Line::new(0).add(Style::Bold, "Audit coverage:"));
    for change in &plan.coverage {
        for lost in &change.lost {
            let line = Line::new(2).hang(4).add(Style::Removed, "- ");
            doc.push(line.plain(format!("{}: no longer records {lost}", change.address)));
        }
        for gained in &change.gained {
            let line = Line::new(2).hang(4).add(Style::Added, "+ ");
            doc.push(line.plain(format!("{}: records {gained}", change.address)));
        }
    }
    doc.blank();
}

/// Changed lines that are worth a line of the reader's time; `orgtrail cost` shows them all.
const COST_LINES: usize = 8;

fn push_cost(doc: &mut Doc, plan: &Plan) {
    let Some(cost) = &plan.cost else {
        return;
    };
    let mut head = Line::new(0).hang(2).add(Style::Bold, "Monthly cost: ");
    head = match cost.lines.is_empty() {
        true => head.plain(format!("{}, unchanged", usd(&cost.after))),
        false => head.plain(format!(
            "{} → {} ({})",
            usd(&cost.before),
            usd(&cost.after),
            signed(&cost.increase)
        )),
    };
    if cost.unknown > 0 {
        let amounts = match cost.unknown {
            1 => "1 amount is unknown and not in it".to_owned(),
            n => format!("{n} amounts are unknown and not in it"),
        };
        head = head.add(Style::Warning, format!("; {amounts}"));
    }
    doc.push(head.add(Style::Dim, format!(" (volumes {})", cost.volumes)));
    for line in cost.lines.iter().take(COST_LINES) {
        let side = |amount: &Option<String>| match amount.as_deref() {
            None | Some("unknown") => "unknown".to_owned(),
            Some(amount) => usd(amount),
        };
        let (style, text) = match (&line.before, &line.after) {
            (None, after) => (
                Style::Added,
                format!("+ {} {}: {}", line.address, line.what, side(after)),
            ),
            (before, None) => (
                Style::Removed,
                format!("- {} {}: {}", line.address, line.what, side(before)),
            ),
            (before, after) => (
                Style::Changed,
                format!(
                    "~ {} {}: {} → {}",
                    line.address,
                    line.what,
                    side(before),
                    side(after)
                ),
            ),
        };
        doc.push(
            Line::new(2)
                .hang(4)
                .add(style, &text[..2])
                .plain(&text[2..]),
        );
    }
    if let Some(more) = cost
        .lines
        .len()
        .checked_sub(COST_LINES)
        .filter(|more| *more > 0)
    {
        doc.push(Line::new(2).add(Style::Dim, format!("and {more} more: orgtrail cost")));
    }
    if !cost.other_trails.is_empty() {
        let others = cost.other_trails.join(", ");
        let text = format!("Counted with what others record: {others}.");
        doc.push(Line::new(2).hang(4).add(Style::Dim, text));
    }
    for unread in &cost.unread {
        doc.push(Line::new(2).hang(4).add(Style::Warning, unread));
    }
    doc.blank();
}

/// `1234.5678` as `$1234.57`; less than half a cent is said so.
fn usd(amount: &str) -> String {
    let (sign, digits) = match amount.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", amount),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let places: String = fraction.chars().chain("0000".chars()).take(4).collect();
    let Ok(parts) = format!("{whole}{places}").parse::<u128>() else {
        return format!("{sign}${digits}");
    };
    let cents = (parts + 50) / 100;
    match (cents, parts) {
        (0, 1..) => format!("{sign}<$0.01"),
        _ => format!("{sign}${}.{:02}", cents / 100, cents % 100),
    }
}

fn signed(amount: &str) -> String {
    match amount.starts_with('-') {
        true => usd(amount),
        false => format!("+{}", usd(amount)),
    }
}

fn push_proofs(doc: &mut Doc, plan: &Plan) {
    if plan.proofs.is_empty() {
        return;
    }
    let proved = plan
        .proofs
        .iter()
        .filter(|proof| proof.holds == Some(true))
        .count();
    doc.push(Line::new(0).add(Style::Bold, "Policies: ").plain(format!(
        "{proved} of {} questions proved",
        plan.proofs.len()
    )));
    for proof in plan.proofs.iter().filter(|proof| proof.holds != Some(true)) {
        let (style, mark) = match proof.holds {
            Some(_) => (Style::Error, "✗ "),
            None => (Style::Warning, "? "),
        };
        let line = Line::new(2).hang(4).add(style, mark);
        doc.push(line.plain(format!("{}: {}", proof.address, proof.question)));
        doc.push(Line::new(4).hang(4).plain(&proof.why));
        if let Some(fix) = &proof.fix {
            doc.push(Line::new(4).hang(4).add(Style::Dim, "fix: ").plain(fix));
        }
    }
    doc.blank();
}

fn push_gaps(doc: &mut Doc, plan: &Plan) {
    for gap in &plan.gaps {
        push_gap(doc, gap);
    }
    for held in &plan.held_back {
        let line = Line::new(2).hang(4).add(Style::Warning, "… ");
        doc.push(line.plain(format!("{} is held back: {}", held.address, held.why)));
    }
    if !plan.gaps.is_empty() || !plan.held_back.is_empty() {
        doc.blank();
    }
}

fn push_gap(doc: &mut Doc, gap: &Gap) {
    doc.push(
        Line::new(2)
            .hang(4)
            .add(Style::Warning, "? ")
            .add(Style::Bold, gap.address.to_string())
            .plain(format!(
                " is unknown: {} in {} failed: {}",
                gap.call, gap.place, gap.error
            )),
    );
    if let Some(fix) = &gap.fix {
        doc.push(Line::new(4).hang(4).add(Style::Dim, "fix: ").plain(fix));
    }
}

/// Blockers that the policies above do not say already.
fn push_blockers(doc: &mut Doc, plan: &Plan) {
    let said = |blocker: &&Blocker| {
        let mut failed = plan
            .proofs
            .iter()
            .filter(|proof| proof.holds == Some(false));
        failed.any(|proof| proof.address == blocker.address && proof.fix == blocker.fix)
    };
    let blockers: Vec<&Blocker> = plan
        .blockers
        .iter()
        .filter(|blocker| !said(blocker))
        .collect();
    for blocker in &blockers {
        let line = Line::new(2).hang(4).add(Style::Error, "✗ ");
        doc.push(line.plain(format!("{}: {}", blocker.address, blocker.what)));
        if let Some(fix) = &blocker.fix {
            doc.push(Line::new(4).hang(4).add(Style::Dim, "fix: ").plain(fix));
        }
    }
    if !blockers.is_empty() {
        doc.blank();
    }
}

fn push_summary(doc: &mut Doc, plan: &Plan) {
    let unread = !plan.gaps.is_empty();
    if plan.is_empty() && (plan.held_back.is_empty() || !unread) {
        let text = match !unread {
            true => "No changes. What is live matches the spec.",
            false => "No changes where it could be read.",
        };
        doc.push(Line::new(0).add(Style::Good, text));
        return;
    }
    let summary = &plan.summary;
    doc.push(Line::new(0).add(
        Style::Bold,
        format!(
            "Plan: {} to add, {} to change, {} to destroy.",
            summary.add, summary.change, summary.destroy
        ),
    ));
}
