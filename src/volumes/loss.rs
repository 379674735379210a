//! What a change of trails records no more: events that an old trail records and no new one does, counted and shown.

use std::collections::BTreeMap;

use super::count::{Place, principal, resource_of, short};
use super::decide::{Decider, ScopedSelectors, Trails};
use super::engine::plain;
use super::record::{Field, Record, text};
use super::sketch::Sketch;

/// Values that the sketches of lost events are exact for.
const SKETCH: usize = 1024;
/// Events that are shown.
pub const SAMPLES: usize = 3;

/// The trails before and after.
#[derive(Debug)]
pub struct Change {
    trails: Trails,
    /// How many of them are old ones, which come first.
    old: usize,
}

impl Change {
    pub fn new(old: &[ScopedSelectors], new: &[ScopedSelectors]) -> Self {
        Self {
            trails: Trails::new(old.iter().chain(new)),
            old: old.len(),
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

/// Counts for one thread.
pub struct LossCounter<'e> {
    decider: Decider<'e>,
    old: usize,
}

impl<'e> LossCounter<'e> {
    pub fn new(change: &'e Change) -> Self {
        Self {
            decider: Decider::new(&change.trails),
            old: change.old,
        }
    }

    pub fn record(&mut self, record: &Record<'_>, place: &Place, lost: &mut Lost) {
        let recorded = self.decider.decide(record, place);
        let (old, new) = recorded.split_at_checked(self.old).unwrap_or_default();
        match (old.contains(&true), new.contains(&true)) {
            (true, false) => lost.add(record, place),
            (false, true) => lost.gained += 1,
            _ => {}
        }
    }
}

impl Lost {
    fn add(&mut self, record: &Record<'_>, place: &Place) {
        let decoded = |written| short(&text(written).unwrap_or_default());
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
