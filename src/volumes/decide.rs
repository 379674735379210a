//! Which trails record a record, each in its accounts and Regions.

use super::class_key::{ByFingerprint, Fingerprints};
use super::count::Place;
use super::engine::{Engine, Verdict};
use super::record::Record;
use crate::selectors::Selectors;

const MAX_CLASSES: usize = 8 * 1024;

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

/// What is recorded there.
pub type ScopedSelectors = (Scope, Selectors);

/// Trails with where they record.
#[derive(Debug, Default)]
pub struct Trails {
    engine: Engine,
    scopes: Vec<Scope>,
}

impl Trails {
    pub fn new<'t>(trails: impl IntoIterator<Item = &'t ScopedSelectors>) -> Self {
        let trails: Vec<&ScopedSelectors> = trails.into_iter().collect();
        let selectors: Vec<(&str, &Selectors)> = trails
            .iter()
            .map(|(_, selectors)| ("", selectors))
            .collect();
        Self {
            engine: Engine::new(&selectors),
            scopes: trails.iter().map(|(scope, _)| scope.clone()).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.scopes.len()
    }
}

/// Decides over records, for one thread.
pub struct Decider<'e> {
    trails: &'e Trails,
    fingerprints: Fingerprints,
    classes: ByFingerprint<Verdict>,
    place: Place,
    /// Of each trail: whether it covers the place.
    covers: Vec<bool>,
    /// Of each trail: whether it records the record at hand.
    records: Vec<bool>,
}

impl<'e> Decider<'e> {
    pub fn new(trails: &'e Trails) -> Self {
        Self {
            trails,
            fingerprints: Fingerprints::default(),
            classes: ByFingerprint::default(),
            covers: covers(trails, &Place::default()),
            place: Place::default(),
            records: vec![false; trails.len()],
        }
    }

    /// Of each trail, whether it records this.
    pub fn decide(&mut self, record: &Record<'_>, place: &Place) -> &[bool] {
        if self.place != *place {
            self.place.clone_from(place);
            self.covers = covers(self.trails, place);
        }
        let mut records = std::mem::take(&mut self.records);
        records.fill(false);
        let engine = &self.trails.engine;
        let verdict = self.verdict(record);
        let mut by = |trail: usize| {
            if let Some(records) = records.get_mut(trail) {
                *records = true;
            }
        };
        verdict.always.iter().for_each(|id| by(id.trail));
        let some = verdict
            .sometimes
            .iter()
            .filter(|some| engine.decide(some, record));
        some.for_each(|some| by(some.id.trail));
        for (records, covers) in records.iter_mut().zip(&self.covers) {
            *records &= covers;
        }
        self.records = records;
        &self.records
    }

    fn verdict(&mut self, record: &Record<'_>) -> &Verdict {
        if self.classes.len() >= MAX_CLASSES {
            self.classes.clear();
        }
        let engine = &self.trails.engine;
        let verdict = self.classes.entry(self.fingerprints.of_class(record));
        verdict.or_insert_with(|| engine.classify(&record.event()))
    }
}

fn covers(trails: &Trails, place: &Place) -> Vec<bool> {
    let scopes = trails.scopes.iter();
    scopes
        .map(|scope| scope.covers(&place.account, &place.region))
        .collect()
}
