//! Budgets: may a spec cost what it costs?

use rust_decimal::Decimal;
use serde::Serialize;

use super::delta::Delta;
use super::estimate::Estimate;
use super::number::grouped;
use super::types::Budget;

/// Whether a budget is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub within: bool,
    /// Each limit that is broken, with both figures.
    pub broken: Vec<String>,
    /// What the verdict cannot know.
    pub notes: Vec<String>,
}

/// Holds an estimate, and what it adds to the one before, against a budget. The expected amounts count.
pub fn check_budget(budget: &Budget, estimate: &Estimate, delta: Option<&Delta>) -> Verdict {
    let mut broken = Vec::new();
    let mut notes = Vec::new();
    let total = estimate.total.expected;
    if let Some(most) = budget.monthly_usd.filter(|most| total > *most) {
        broken.push(format!(
            "{} a month is {} over the budget of {}",
            usd(total),
            usd(total - most),
            usd(most)
        ));
    }
    match delta {
        Some(delta) => broken.extend(increases(budget, delta)),
        None if budget
            .max_increase_usd
            .or(budget.max_increase_percent)
            .is_some() =>
        {
            notes.push(
                "there is nothing to compare with, so limits of the increase were not checked"
                    .to_owned(),
            );
        }
        None => {}
    }
    if let Some(most) = budget
        .monthly_usd
        .filter(|most| estimate.total.high > *most && broken.is_empty())
    {
        let high = usd(estimate.total.high);
        notes.push(format!(
            "at most it may be {high} a month, over the budget of {}",
            usd(most)
        ));
    }
    if !estimate.unknown.is_empty() {
        let count = estimate.unknown.len();
        notes.push(format!("{count} unknown amounts are not in the total"));
    }
    Verdict {
        within: broken.is_empty(),
        broken,
        notes,
    }
}

fn increases(budget: &Budget, delta: &Delta) -> Vec<String> {
    let mut broken = Vec::new();
    if let Some(most) = budget
        .max_increase_usd
        .filter(|most| delta.increase > *most)
    {
        let increase = usd(delta.increase);
        broken.push(format!(
            "an increase of {increase} a month is over the limit of {}",
            usd(most)
        ));
    }
    let Some(most) = budget.max_increase_percent else {
        return broken;
    };
    match delta.percent {
        Some(percent) if percent > most => broken.push(format!(
            "an increase of {percent} % is over the limit of {} %",
            most.normalize()
        )),
        None if delta.increase > Decimal::ZERO => broken.push(format!(
            "an increase from nothing to {} a month is over any limit in percent",
            usd(delta.increase)
        )),
        _ => {}
    }
    broken
}

fn usd(amount: Decimal) -> String {
    format!("${}", grouped(amount.round_dp(2)))
}
