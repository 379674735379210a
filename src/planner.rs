//! From a spec and signed-in accounts to a plan with its proofs: the pipeline in one place.

use crate::aws::{Aws, Login, Role};
use crate::live::{self, Live};
use crate::model::{Address, RiskNote};
use crate::plan::{self, Action, Blocker, CoverageChange, Head, Plan, Rules, Verb, Wish};
use crate::prove::{self, Case};
use crate::selectors::{self, Selectors};
use crate::spec::Sources;
use crate::spec::types::{AssumeRole, Spec};
use crate::{desired, kinds, world};
use serde::Deserialize;
use serde_json::Value;

/// Reads what is live and plans.
pub async fn plan(aws: &Aws, spec: &Spec, sources: &Sources) -> (Plan, Live) {
    let wishes = desired::wishes(spec, sources);
    let live = live::read(aws, spec, &wishes).await;
    let plan = plan_from(aws, spec, &wishes, &live);
    (plan, live)
}

fn plan_from(aws: &Aws, spec: &Spec, wishes: &[Wish], live: &Live) -> Plan {
    let head = Head {
        spec: spec.name.clone(),
        spec_digest: digest(spec),
        created_at: world::now(),
    };
    let (mut plan, planned) = plan::build(head, wishes, &live.state, &Kinds);
    let case = Case {
        spec,
        aws,
        planned: &planned,
        topic_policies: &live.topic_policies,
    };
    plan.proofs = prove::prove(&case);
    plan.blockers.extend(prove::oversized(&planned));
    plan.blockers.extend(failed_proofs(&plan));
    plan.blockers.extend(too_many_trails(&plan, live));
    plan.coverage = coverage(&plan.actions, live);
    plan
}

pub fn digest(spec: &Spec) -> String {
    plan::digest(&serde_json::to_value(spec).unwrap_or_default())
}

/// How to sign in to each account of a spec.
pub fn logins(spec: &Spec) -> Vec<Login> {
    let accounts = spec.accounts.iter();
    accounts
        .map(|(name, account)| {
            let region = spec.place(name, None).region;
            let role = account.assume_role.as_ref();
            Login {
                account: name.clone(),
                account_id: account.id.clone(),
                role: role.map(|role| role_of(role, &account.id, &region)),
                profile: account.profile.clone(),
                region,
            }
        })
        .collect()
}

fn role_of(role: &AssumeRole, account_id: &str, region: &str) -> Role {
    let (role, external_id, session_name) = match role {
        AssumeRole::Role(role) => (role, None, None),
        AssumeRole::Options(options) => (
            &options.role,
            options.external_id.clone(),
            options.session_name.clone(),
        ),
    };
    Role {
        arn: match role.starts_with("arn:") {
            true => role.clone(),
            false => {
                let partition = crate::spec::partition(region);
                format!("arn:{partition}:iam::{account_id}:role/{role}")
            }
        },
        external_id,
        session_name: session_name.unwrap_or_else(|| "orgtrail".to_owned()),
    }
}

/// What the kinds answer to the plan.
struct Kinds;

impl Rules for Kinds {
    fn adopt(&self, kind: &str, desired: &mut Value, live: &Value) {
        if let Some(kind) = kinds::by_name(kind) {
            kind.adopt(desired, live);
        }
    }

    fn fixed(&self, kind: &str, field: &str) -> Option<&'static str> {
        kinds::by_name(kind).and_then(|kind| kind.fixed(field))
    }

    fn risks(&self, kind: &str, before: Option<&Value>, after: Option<&Value>) -> Vec<RiskNote> {
        kinds::by_name(kind).map_or_else(Vec::new, |kind| kind.risks(before, after))
    }
}

/// A proof that fails for something this plan writes would be refused by AWS; one that fails elsewhere is only shown.
fn failed_proofs(plan: &Plan) -> Vec<Blocker> {
    let written = |address: &Address| plan.actions.iter().any(|action| action.address == *address);
    let failed = plan
        .proofs
        .iter()
        .filter(|proof| proof.holds == Some(false));
    failed
        .filter(|proof| written(&proof.address))
        .map(|proof| Blocker {
            address: proof.address.clone(),
            what: format!("it does not hold that {}", lower_first(&proof.question)),
            fix: proof.fix.clone(),
        })
        .collect()
}

/// Trails per Region, multi-Region trails of other Regions included ("Quotas in CloudTrail", CloudTrail user guide).
const MAX_TRAILS: usize = 5;

fn too_many_trails(plan: &Plan, live: &Live) -> Vec<Blocker> {
    let of_kind = |verb| {
        let actions = plan.actions.iter();
        actions.filter(move |action| action.address.kind == "trail" && action.verb == verb)
    };
    let mut blockers = Vec::new();
    for (place, count) in &live.trails {
        let here = |action: &&Action| {
            (&action.place.account, &action.place.region) == (&place.0, &place.1)
        };
        let after = count + of_kind(Verb::Create).filter(here).count();
        let Some(last) = of_kind(Verb::Create).rfind(here) else {
            continue;
        };
        // A deletion comes after what replaces it, so it does not make room.
        if after > MAX_TRAILS {
            blockers.push(Blocker {
                address: last.address.clone(),
                what: format!(
                    "{} in {} would have {after} trails, AWS takes {MAX_TRAILS}",
                    place.1, place.0
                ),
                fix: Some("delete a trail that nobody needs, or merge two; multi-Region trails of other Regions count too".to_owned()),
            });
        }
    }
    blockers
}

fn lower_first(text: &str) -> String {
    match text.strip_prefix("The ") {
        Some(rest) => format!("the {rest}"),
        None => text.to_owned(),
    }
}

fn coverage(actions: &[Action], live: &Live) -> Vec<CoverageChange> {
    let trails = actions
        .iter()
        .filter(|action| action.address.kind == "trail");
    trails
        .filter_map(|action| {
            let before = live.state.resources.get(&action.address);
            let before = before.and_then(|trail| recorded(&trail.attrs));
            let after = action.target.as_ref().and_then(recorded);
            let difference = match (before, after) {
                (Some(before), Some(after)) => selectors::differences(&before, &after),
                (None, Some(after)) => selectors::differences(&nothing(), &after),
                (Some(before), None) => selectors::differences(&before, &nothing()),
                (None, None) => return None,
            };
            let nothing_changes = difference.lost.is_empty() && difference.gained.is_empty();
            (!nothing_changes).then(|| CoverageChange {
                address: action.address.clone(),
                lost: difference.lost,
                gained: difference.gained,
            })
        })
        .collect()
}

/// What a trail records; none when it is stopped.
fn recorded(attrs: &Value) -> Option<Selectors> {
    let logging = attrs["logging"].as_bool().unwrap_or_default();
    let selectors = attrs.get("selectors")?;
    logging
        .then(|| Selectors::deserialize(selectors).ok())
        .flatten()
}

fn nothing() -> Selectors {
    Selectors::Advanced(Vec::new())
}
