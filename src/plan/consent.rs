//! Which risks of a plan its owner has accepted.

use super::{Action, Plan};
use crate::model::{Address, Risk, RiskNote};

/// A consent from the command line (without target) or from the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    pub risk: Risk,
    pub target: Option<Address>,
}

/// Risks that need a consent and have none.
pub fn unconsented<'a>(plan: &'a Plan, consents: &[Consent]) -> Vec<(&'a Action, &'a RiskNote)> {
    let allowed = |action: &Action, note: &RiskNote| {
        consents.iter().any(|consent| {
            let here = consent
                .target
                .as_ref()
                .is_none_or(|target| *target == action.address);
            consent.risk == note.risk && here
        })
    };
    plan.actions
        .iter()
        .flat_map(|action| action.risks.iter().map(move |note| (action, note)))
        .filter(|(action, note)| note.risk.needs_consent() && !allowed(action, note))
        .collect()
}
