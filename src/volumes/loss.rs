//! What a change of trails records no more: events that an old trail records and no new one does, counted and shown.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;

use super::class_key::{ClassKey, hash_of};
use super::count::{Place, principal, resource_of};
use super::engine::{Engine, Verdict, plain};
use super::record::{Field, Record, text};
use super::sketch::Sketch;
use crate::selectors::Selectors;

/// Values that the sketches of lost events are exact for.
const SKETCH: usize = 1024;
const MAX_CLASSES: usize = 8 * 1024;
/// Events that are shown.
pub const SAMPLES: usize = 3;

/// Where a trail records.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// `None`: every account.
    pub account: Option<String>,
    /// `None`: every Region.
    pub region: Option<String>,
}

impl Scope {
    pub fn covers(&self, account: &str, region: &str) -> bool {
        self.account.as_ref().is_none_or(|own| own == account)
            && self.region.as_ref().is_none_or(|own| own == region)
    }

    /// Whether this is wherever `other` is.
    pub fn includes(&self, other: &Self) -> bool {
        (self.account.is_none() || self.account == other.account)
            && (self.region.is_none() || self.region == other.region)
    }
}

/// The trails before and after.
#[derive(Debug)]
pub struct Change {
    engine: Engine,
    /// Of each trail, and whether it is a new one.
    scopes: Vec<(Scope, bool)>,
}

impl Change {
    pub fn new(old: &[(Scope, Selectors)], new: &[(Scope, Selectors)]) -> Self {
        let trails: Vec<(&str, &Selectors)> = old
            .iter()
            .chain(new)
            .map(|(_, selectors)| ("", selectors))
            .collect();
        let scopes = old.iter().map(|(scope, _)| (scope.clone(), false));
        let scopes = scopes.chain(new.iter().map(|(scope, _)| (scope.clone(), true)));
        Self {
            engine: Engine::new(&trails),
            scopes: scopes.collect(),
        }
    }
}

/// Events that are lost, and those that are gained.
#[derive(Clone, Debug)]
pub struct Lost {
    pub events: u64,
    pub gained: u64,
    /// Lost ones by account.
    pub accounts: BTreeMap<String, u64>,
    pub calls: Sketch,
    pub resources: Sketch,
    pub principals: Sketch,
    /// A few of them, always the same ones of the same events.
    pub samples: Vec<LostEvent>,
}

/// An event that is shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LostEvent {
    order: u64,
    pub id: String,
    pub time: String,
    pub account: String,
    pub region: String,
    /// Event source and name.
    pub call: String,
    pub principal: String,
    pub resource: String,
}

impl Default for Lost {
    fn default() -> Self {
        Self {
            events: 0,
            gained: 0,
            accounts: BTreeMap::new(),
            calls: Sketch::new(SKETCH),
            resources: Sketch::new(SKETCH),
            principals: Sketch::new(SKETCH),
            samples: Vec::new(),
        }
    }
}

impl Lost {
    pub(super) fn merge(&mut self, other: Self) {
        self.events += other.events;
        self.gained += other.gained;
        for (account, count) in other.accounts {
            *self.accounts.entry(account).or_default() += count;
        }
        self.calls.merge(other.calls);
        self.resources.merge(other.resources);
        self.principals.merge(other.principals);
        for sample in other.samples {
            self.show(sample);
        }
    }

    /// Keeps the first ones in an order that has nothing to do with the one in which they come.
    fn show(&mut self, event: LostEvent) {
        let at = self.samples.partition_point(|shown| *shown < event);
        if at < SAMPLES && self.samples.get(at) != Some(&event) {
            self.samples.insert(at, event);
            self.samples.truncate(SAMPLES);
        }
    }
}

/// Decides over records, for one thread.
pub struct LossCounter<'e> {
    change: &'e Change,
    classes: HashMap<u64, Vec<(ClassKey, Verdict)>, FixedState>,
    place: Place,
    /// Of each trail: whether it covers the place.
    covers: Vec<bool>,
}

impl<'e> LossCounter<'e> {
    pub fn new(change: &'e Change) -> Self {
        Self {
            change,
            classes: HashMap::default(),
            covers: covers(change, &Place::default()),
            place: Place::default(),
        }
    }

    pub fn record(&mut self, record: &Record<'_>, place: &Place, lost: &mut Lost) {
        if self.place != *place {
            self.place.clone_from(place);
            self.covers = covers(self.change, place);
        }
        match self.recorded(record) {
            (true, false) => lost.add(record, place),
            (false, true) => lost.gained += 1,
            _ => {}
        }
    }

    /// By any old trail, by any new one.
    fn recorded(&mut self, record: &Record<'_>) -> (bool, bool) {
        let change = self.change;
        let mut recorded = (false, false);
        let covers = std::mem::take(&mut self.covers);
        let mut by = |trail: usize| {
            if let Some(((_, is_new), true)) =
                change.scopes.get(trail).zip(covers.get(trail).copied())
            {
                recorded.0 |= !is_new;
                recorded.1 |= is_new;
            }
        };
        let verdict = self.verdict(record);
        verdict.always.iter().for_each(|id| by(id.trail));
        for sometimes in &verdict.sometimes {
            if change.engine.decide(sometimes, record) {
                by(sometimes.id.trail);
            }
        }
        self.covers = covers;
        recorded
    }

    fn verdict(&mut self, record: &Record<'_>) -> &Verdict {
        if self.classes.len() >= MAX_CLASSES {
            self.classes.clear();
        }
        let alike = self.classes.entry(hash_of(record)).or_default();
        let known = alike.iter().position(|(key, _)| key.is_of(record));
        let index = known.unwrap_or_else(|| {
            let verdict = self.change.engine.classify(&record.event());
            alike.push((ClassKey::of(record), verdict));
            alike.len() - 1
        });
        &alike[index].1
    }
}

fn covers(change: &Change, place: &Place) -> Vec<bool> {
    let scopes = change.scopes.iter();
    scopes
        .map(|(scope, _)| scope.covers(&place.account, &place.region))
        .collect()
}

impl Lost {
    fn add(&mut self, record: &Record<'_>, place: &Place) {
        let decoded = |written| text(written).unwrap_or_default().into_owned();
        let call = format!(
            "{} {}",
            decoded(record.get(Field::EventSource)),
            decoded(record.get(Field::EventName))
        );
        let principal = match record.user_arn() {
            [b'"', arn @ .., b'"'] => principal(&plain(arn)).to_vec(),
            _ => Vec::new(),
        };
        let resource = resource_of(record).unwrap_or_default();
        self.events += 1;
        *self.accounts.entry(place.account.clone()).or_default() += 1;
        self.calls.add(call.as_bytes(), 1);
        if !principal.is_empty() {
            self.principals.add(&principal, 1);
        }
        if !resource.is_empty() {
            self.resources.add(&resource, 1);
        }
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.show(LostEvent {
            order: order_of(record.get(Field::EventId)),
            id: decoded(record.get(Field::EventId)),
            time: decoded(record.get(Field::EventTime)),
            account: place.account.clone(),
            region: place.region.clone(),
            call,
            principal: lossy(&principal),
            resource: lossy(&resource),
        });
    }
}

fn order_of(id: &[u8]) -> u64 {
    use std::hash::BuildHasher;
    foldhash::quality::FixedState::with_seed(3).hash_one(id)
}
