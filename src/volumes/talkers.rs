//! Who causes what each trail records: resources and callers of its data events, sources of its management events.

use super::count::{Place, is_container, principal, without_key};
use super::decide::{Decider, Trails};
use super::engine::plain;
use super::record::{Field, Record, text};
use super::sketch::Sketch;

/// Values that the sketches are exact for.
const SKETCH: usize = 2 * 1024;

/// Of one trail.
#[derive(Clone, Debug)]
pub struct Talkers {
    pub data_events: u64,
    /// Resource type and ARN of data events, a tab between them; of objects in S3, the bucket's.
    pub resources: Sketch,
    /// ARN of the callers of data events, of roles without the session.
    pub principals: Sketch,
    /// Event sources of management events.
    pub sources: Sketch,
}

impl Default for Talkers {
    fn default() -> Self {
        Self {
            data_events: 0,
            resources: Sketch::new(SKETCH),
            principals: Sketch::new(SKETCH),
            sources: Sketch::new(SKETCH),
        }
    }
}

impl Talkers {
    pub(super) fn merge(&mut self, other: Self) {
        self.data_events += other.data_events;
        self.resources.merge(other.resources);
        self.principals.merge(other.principals);
        self.sources.merge(other.sources);
    }

    fn add(&mut self, record: &Record<'_>, category: &str) {
        let decoded = |written| text(written).unwrap_or_default();
        match category {
            "Data" => {
                self.data_events += 1;
                // Records name the bucket beside the object.
                let mut resources = record.resources();
                let own = resources.find(|(kind, _)| !is_container(&decoded(kind)));
                if let Some((kind, [b'"', arn @ .., b'"'])) = own {
                    let kind = decoded(kind);
                    let arn = plain(arn);
                    let arn = without_key(&arn, kind == "AWS::S3::Object");
                    self.resources
                        .add(&[kind.as_bytes(), b"\t", arn].concat(), 1);
                }
                if let [b'"', arn @ .., b'"'] = record.user_arn() {
                    self.principals.add(principal(&plain(arn)), 1);
                }
            }
            "Management" => {
                let source = decoded(record.get(Field::EventSource));
                self.sources.add(source.as_bytes(), 1);
            }
            _ => {}
        }
    }
}

/// Counts for one thread.
pub struct TalkerCounter<'e> {
    decider: Decider<'e>,
}

impl<'e> TalkerCounter<'e> {
    pub fn new(trails: &'e Trails) -> Self {
        Self {
            decider: Decider::new(trails),
        }
    }

    pub fn record(&mut self, record: &Record<'_>, place: &Place, talkers: &mut Vec<Talkers>) {
        let recorded = self.decider.decide(record, place);
        if !recorded.contains(&true) {
            return;
        }
        talkers.resize_with(recorded.len(), Talkers::default);
        let category = record.event().category;
        let by = talkers
            .iter_mut()
            .zip(recorded)
            .filter(|(_, recorded)| **recorded);
        by.for_each(|(talkers, _)| talkers.add(record, &category));
    }
}
