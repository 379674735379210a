//! What would change, as a value: it can be saved, shown, compared and applied later. Pure: desired and live state in,
//! plan out.

mod build;
mod changes;
mod consent;
mod file;
mod order;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use build::{Head, Rules, Wish, build};
pub use changes::{changes, digest, fingerprint};
pub use consent::{Consent, unconsented};
pub use file::{FORMAT_VERSION, PlanFileError, parse, schema};

use crate::model::{Address, Gap, Place, RiskNote};

/// Version and name of a plan, everything it would do and everything it rests on.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// `1.x`: readers of 1.0 can read every 1.x.
    pub format_version: String,
    /// Version of orgtrail that made it.
    pub orgtrail_version: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// Name of the spec.
    pub spec: String,
    /// SHA-256 of the spec.
    pub spec_digest: String,
    /// In the order in which they will be done.
    pub actions: Vec<Action>,
    pub summary: Summary,
    /// Why the plan cannot be applied as it is.
    pub blockers: Vec<Blocker>,
    /// What could not be read. Nothing is changed there.
    pub gaps: Vec<Gap>,
    /// Wanted changes that wait for a gap to close.
    pub held_back: Vec<HeldBack>,
    /// What starts or stops being recorded.
    pub coverage: Vec<CoverageChange>,
    /// What it costs, where event volumes are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What was proved about bucket, key and topic policies.
    pub proofs: Vec<Proved>,
    /// SHA-256 of each live resource that the plan was made from, `absent` or `unknown`.
    pub basis: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    pub add: usize,
    pub change: usize,
    pub destroy: usize,
    pub unchanged: usize,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    Create,
    Update,
    Delete,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    pub address: Address,
    pub verb: Verb,
    pub place: Place,
    /// Name in AWS.
    pub id: String,
    /// For people; `target` decides what is done.
    pub changes: Vec<Change>,
    /// The attributes after the action; absent for a deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Value>,
    /// Actions that must have been done before.
    pub needs: Vec<Address>,
    pub risks: Vec<RiskNote>,
    /// Where the spec asks for it, `file:line:col`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// One difference. An absent side is not there; a side `{"$ref": …}` is known only after apply.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// E.g. `policy.Statement[OrgTrailWrite]`.
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Something that AWS would refuse, or that would harm, found before any write.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Blocker {
    pub address: Address,
    pub what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HeldBack {
    pub address: Address,
    pub why: String,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageChange {
    pub address: Address,
    pub lost: Vec<String>,
    pub gained: Vec<String>,
}

/// USD a month, as decimal text, in the steady state.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Of what is live now.
    pub before: String,
    /// Of what the spec asks for.
    pub after: String,
    pub increase: String,
    /// Amounts that are not in `after`, because nobody knows them.
    pub unknown: usize,
    /// Where the event counts come from.
    pub volumes: String,
    /// Trails that the spec does not own and that record the same accounts: theirs may be the free copies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_trails: Vec<String>,
    /// What could not be read of such trails, so that copies may be missing from the amounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
    /// Changed lines: what, before, after.
    pub lines: Vec<CostLine>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CostLine {
    pub address: String,
    pub what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A question about a policy and its answer.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Proved {
    pub address: Address,
    pub question: String,
    /// Absent: it cannot be decided from what is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
    pub why: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Narrows the plan to some resources and what they need.
    pub fn target(&mut self, targets: &[Address]) {
        if targets.is_empty() {
            return;
        }
        let mut wanted = targets.to_vec();
        // Needs come before the actions that have them, so one walk backwards finds all.
        for action in self.actions.iter().rev() {
            if wanted.contains(&action.address) {
                wanted.extend(action.needs.iter().cloned());
            }
        }
        self.retain(&wanted);
    }

    /// Narrows the plan to some resources.
    pub fn retain(&mut self, wanted: &[Address]) {
        let keep = |address: &Address| wanted.contains(address);
        self.actions.retain(|action| keep(&action.address));
        self.coverage.retain(|change| keep(&change.address));
        self.blockers.retain(|blocker| keep(&blocker.address));
        self.proofs.retain(|proof| keep(&proof.address));
        self.held_back.retain(|held| keep(&held.address));
        self.summary = summary(&self.actions, self.summary.unchanged);
    }
}

fn summary(actions: &[Action], unchanged: usize) -> Summary {
    let count = |verb| actions.iter().filter(|action| action.verb == verb).count();
    Summary {
        add: count(Verb::Create),
        change: count(Verb::Update),
        destroy: count(Verb::Delete),
        unchanged,
    }
}
