//! Desired and live state in, plan out.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Action, Blocker, Change, HeldBack, Plan, Verb, changes, fingerprint, order, summary};
use crate::model::{Address, Reference, Resource, RiskNote, State, as_reference, resolve};

/// What the plan asks the kinds. The plan itself does not know them.
pub trait Rules {
    fn adopt(&self, kind: &str, desired: &mut Value, live: &Value);
    fn fixed(&self, kind: &str, field: &str) -> Option<&'static str>;
    fn risks(&self, kind: &str, before: Option<&Value>, after: Option<&Value>) -> Vec<RiskNote>;
}

/// A resource that the spec asks for, and where.
#[derive(Clone, Debug)]
pub struct Wish {
    pub address: Address,
    pub resource: Resource,
    pub origin: Option<String>,
}

/// Name, digest and time that go into the plan's head.
#[derive(Clone)]
pub struct Head {
    pub spec: String,
    pub spec_digest: String,
    pub created_at: String,
}

/// Compares what is wished with what is there. Also returns the state after the plan, for the proofs.
pub fn build(
    head: Head,
    wishes: &[Wish],
    live: &State,
    rules: &dyn Rules,
) -> (Plan, BTreeMap<Address, Resource>) {
    let mut builder = Builder {
        live,
        rules,
        actions: Vec::new(),
        blockers: Vec::new(),
        held_back: Vec::new(),
        planned: BTreeMap::new(),
        unchanged: 0,
    };
    for wish in wishes {
        builder.wish(wish);
    }
    builder.hold_back_dependents();
    builder.deletions(wishes);
    let actions = order::order(builder.actions);
    let plan = Plan {
        format_version: super::FORMAT_VERSION.to_owned(),
        orgtrail_version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: head.created_at,
        spec: head.spec,
        spec_digest: head.spec_digest,
        summary: summary(&actions, builder.unchanged),
        actions,
        blockers: builder.blockers,
        gaps: live.gaps.clone(),
        held_back: builder.held_back,
        coverage: Vec::new(),
        cost: None,
        proofs: Vec::new(),
        basis: basis(wishes, live),
    };
    (plan, builder.planned)
}

/// The fingerprint of everything that the plan rests on.
fn basis(wishes: &[Wish], live: &State) -> BTreeMap<String, String> {
    let wished = wishes.iter().map(|wish| &wish.address);
    let all = wished.chain(live.resources.keys());
    all.map(|address| {
        let print = match live.resources.get(address) {
            _ if live.is_gap(address) => "unknown".to_owned(),
            Some(resource) => fingerprint(resource),
            None => "absent".to_owned(),
        };
        (address.to_string(), print)
    })
    .collect()
}

struct Builder<'a> {
    live: &'a State,
    rules: &'a dyn Rules,
    actions: Vec<Action>,
    blockers: Vec<Blocker>,
    held_back: Vec<HeldBack>,
    planned: BTreeMap<Address, Resource>,
    unchanged: usize,
}

impl Builder<'_> {
    fn wish(&mut self, wish: &Wish) {
        if self.live.is_gap(&wish.address) {
            self.held_back.push(HeldBack {
                address: wish.address.clone(),
                why: "it could not be read".to_owned(),
            });
            return;
        }
        let mut target = wish.resource.attrs.clone();
        resolve(&mut target, &|reference| self.output(reference));
        let live = self.live.resources.get(&wish.address);
        if let Some(live) = live {
            self.rules
                .adopt(&wish.address.kind, &mut target, &live.attrs);
        }
        let changes = changes(live.map(|live| &live.attrs), Some(&target));
        self.planned.insert(
            wish.address.clone(),
            Resource {
                attrs: target.clone(),
                outputs: live.map(|live| live.outputs.clone()).unwrap_or_default(),
                ..wish.resource.clone()
            },
        );
        if changes.is_empty() {
            self.unchanged += 1;
            return;
        }
        if live.is_some() {
            self.check_fixed(&wish.address, &changes);
        }
        let before = live.map(|live| &live.attrs);
        self.actions.push(Action {
            address: wish.address.clone(),
            verb: match live {
                Some(_) => Verb::Update,
                None => Verb::Create,
            },
            place: wish.resource.place.clone(),
            id: wish.resource.id.clone(),
            changes,
            risks: self.rules.risks(&wish.address.kind, before, Some(&target)),
            target: Some(target),
            needs: wish.resource.after.clone(),
            origin: wish.origin.clone(),
        });
    }

    fn output(&self, reference: &Reference) -> Option<String> {
        let resource = self.live.resources.get(&reference.of)?;
        resource.outputs.get(&reference.output).cloned()
    }

    fn check_fixed(&mut self, address: &Address, changes: &[Change]) {
        for change in changes {
            let field = change.path.split(['.', '[']).next().unwrap_or_default();
            if let Some(why) = self.rules.fixed(&address.kind, field) {
                self.blockers.push(Blocker {
                    address: address.clone(),
                    what: format!("{} cannot be changed", change.path),
                    fix: Some(why.to_owned()),
                });
            }
        }
    }

    /// What would be created on top of a gap, or needs a value from inside it, waits.
    fn hold_back_dependents(&mut self) {
        loop {
            let held: Vec<Address> = self.held_back.iter().map(|h| h.address.clone()).collect();
            let waits = |action: &Action| {
                let needs = action.needs.iter().find(|need| held.contains(need))?;
                let unresolved = action.target.as_ref().is_some_and(has_reference);
                (action.verb == Verb::Create || unresolved).then(|| needs.clone())
            };
            let Some((index, need)) = self
                .actions
                .iter()
                .enumerate()
                .find_map(|(index, action)| Some((index, waits(action)?)))
            else {
                return;
            };
            let action = self.actions.remove(index);
            self.held_back.push(HeldBack {
                address: action.address,
                why: format!("{need} could not be read"),
            });
        }
    }

    /// Start before stop: a deletion waits for everything of its kind that the spec asks for, and is not done while any
    /// of that is unknown, because it may be what replaces it.
    fn deletions(&mut self, wishes: &[Wish]) {
        for (address, live) in &self.live.resources {
            if wishes.iter().any(|wish| wish.address == *address) || self.live.is_gap(address) {
                continue;
            }
            let of_kind = |other: &&Address| other.kind == address.kind;
            let held = self
                .held_back
                .iter()
                .map(|held| &held.address)
                .find(of_kind);
            if let Some(other) = held {
                let why = format!("{other}, which may replace it, is held back");
                self.held_back.push(HeldBack {
                    address: address.clone(),
                    why,
                });
                continue;
            }
            let replacements = wishes.iter().map(|wish| &wish.address).filter(of_kind);
            self.actions.push(Action {
                address: address.clone(),
                verb: Verb::Delete,
                place: live.place.clone(),
                id: live.id.clone(),
                changes: changes(Some(&live.attrs), None),
                target: None,
                needs: replacements.cloned().collect(),
                risks: self.rules.risks(&address.kind, Some(&live.attrs), None),
                origin: None,
            });
        }
    }
}

fn has_reference(value: &Value) -> bool {
    as_reference(value).is_some()
        || match value {
            Value::Object(members) => members.values().any(has_reference),
            Value::Array(items) => items.iter().any(has_reference),
            _ => false,
        }
}
