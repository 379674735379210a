//! From a spec and signed-in accounts to a plan with its proofs: the pipeline in one place.

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::{Aws, Login, Role};
use crate::kinds::Pending;
use crate::live::{self, Live};
use crate::model::{Address, OWNER_TAG, Resource, RiskNote};
use crate::plan::{self, Action, Blocker, CoverageChange, Head, HeldBack, Plan, Rules, Verb, Wish};
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
    // What trails need of policies depends on what the plan does to the trails: so the first pass finds that out.
    let draft = Kinds {
        pending: Pending::ignore(),
    };
    let (draft, narrowed) = plan::build(head.clone(), wishes, &live.state, &draft);
    let rules = Kinds {
        pending: pending(&draft, wishes, live),
    };
    let (mut plan, planned) = plan::build(head, wishes, &live.state, &rules);
    plan.held_back.extend(postponed(&narrowed, &planned));
    plan.blockers.extend(other_owners(&spec.name, wishes, live));
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

/// Trails whose permissions must stay while this plan is carried out.
fn pending(draft: &Plan, wishes: &[Wish], live: &Live) -> Pending {
    let trails = || wishes.iter().filter(|wish| wish.address.kind == "trail");
    let actions = draft
        .actions
        .iter()
        .filter(|action| action.address.kind == "trail");
    let mut changing: BTreeSet<String> = actions
        .filter(|action| action.verb != Verb::Create)
        .map(|action| action.id.clone())
        .collect();
    let held = |wish: &&Wish| {
        draft
            .held_back
            .iter()
            .any(|held| held.address == wish.address)
    };
    changing.extend(trails().filter(held).map(|wish| wish.resource.id.clone()));
    let orphans = live.state.resources.iter();
    let orphans =
        orphans.filter(|(address, _)| draft.held_back.iter().any(|h| h.address == **address));
    changing.extend(orphans.map(|(_, trail)| trail.id.clone()));
    let settled = trails().map(|wish| wish.resource.id.clone());
    Pending {
        settled: settled.filter(|arn| !changing.contains(arn)).collect(),
        changing,
        existing: live.listed.values().flatten().cloned().collect(),
        listed: live.listed.keys().cloned().collect(),
        ignored: false,
    }
}

/// Policies that will be narrower once the trails have moved on.
fn postponed(
    narrowed: &BTreeMap<Address, Resource>,
    planned: &BTreeMap<Address, Resource>,
) -> Vec<HeldBack> {
    let differ = planned.iter().filter(|(address, resource)| {
        narrowed
            .get(address)
            .is_some_and(|n| n.attrs != resource.attrs)
    });
    differ
        .map(|(address, _)| HeldBack {
            address: address.clone(),
            why: "permissions of a trail that changes, or that cannot be shown to be gone, stay until it no longer needs \
                  them"
                .to_owned(),
        })
        .collect()
}

/// What another spec owns is not ours to change.
fn other_owners(spec: &str, wishes: &[Wish], live: &Live) -> Vec<Blocker> {
    let owned = wishes.iter().filter_map(|wish| {
        let live = live.state.resources.get(&wish.address)?;
        let owner = live.attrs["tags"].get(OWNER_TAG)?.as_str()?;
        (owner != spec).then(|| Blocker {
            address: wish.address.clone(),
            what: format!("{} belongs to the spec `{owner}`", live.id),
            fix: Some(format!(
                "leave it to that spec; to take it over, remove its tag {OWNER_TAG} first"
            )),
        })
    });
    owned.collect()
}

/// What the kinds answer to the plan.
struct Kinds {
    pending: Pending,
}

impl Rules for Kinds {
    fn adopt(&self, kind: &str, desired: &mut Value, live: &Value) {
        if let Some(kind) = kinds::by_name(kind) {
            kind.adopt(desired, live, &self.pending);
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
