//! Copies of management events: who records what first, second, third.

use super::book::PriceId;
use super::recorded::{Category, EventClass};
use super::tally::number_of;
use super::trails::TrailView;

/// Expected copies that a trail makes in one account and Region, in the window of the volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    pub place: u32,
    pub trail: u16,
    pub free: u128,
    pub paid: u128,
    /// Copies that would no longer be paid if this trail stopped: by itself, or by the trail that is second after it.
    pub saved_without: u128,
    /// Price of a further copy there.
    pub price: Option<PriceId>,
}

/// What is known of a trail's copies everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfTrail {
    pub free: u128,
    pub paid: u128,
    /// Management events that only this trail records.
    pub only_here: u128,
    /// The part of the copies that is of kms.amazonaws.com.
    pub kms_free: u128,
    pub kms_paid: u128,
    /// Data events by selector.
    pub data: Vec<OfSelector>,
}

/// Data events that a selector surely records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfSelector {
    pub events: u128,
    pub reads: u128,
    /// Those that a trail before this one records as well.
    pub again: u128,
}

#[derive(Clone, Debug)]
pub struct Copies {
    pub by_place: Vec<Copy>,
    pub by_trail: Vec<OfTrail>,
    here: Vec<Copy>,
    /// Trails that record the events at hand.
    recording: Vec<u16>,
}

impl Copies {
    pub fn new(trails: &[TrailView]) -> Self {
        let of = |view: &TrailView| OfTrail {
            data: vec![OfSelector::default(); view.prepared.selectors().len()],
            ..OfTrail::default()
        };
        let here = (0..trails.len()).map(|trail| Copy {
            place: 0,
            trail: number_of(trail),
            free: 0,
            paid: 0,
            saved_without: 0,
            price: None,
        });
        Self {
            by_place: Vec::new(),
            by_trail: trails.iter().map(of).collect(),
            here: here.collect(),
            recording: Vec::new(),
        }
    }

    /// A trail surely records events, which `before` trails recorded already.
    pub fn record(
        &mut self,
        class: EventClass<'_>,
        trail: usize,
        selector: u16,
        events: u128,
        before: usize,
    ) {
        match class.category {
            Category::Management => self.recording.push(number_of(trail)),
            Category::Data => {
                let of_trail = self.by_trail.get_mut(trail);
                let data = of_trail.and_then(|of| of.data.get_mut(usize::from(selector)));
                let counted = |counts: bool| if counts { events } else { 0 };
                if let Some(of) = data {
                    of.events = of.events.saturating_add(events);
                    of.reads = of
                        .reads
                        .saturating_add(counted(class.read_only == Some(true)));
                    of.again = of.again.saturating_add(counted(before > 0));
                }
            }
            Category::NetworkActivity => {}
        }
    }

    /// All trails were asked about a class of management events.
    pub fn end_class(&mut self, class: EventClass<'_>, events: u128) {
        let copies = self.recording.len();
        let kms = class.source == "kms.amazonaws.com";
        for (index, trail) in self.recording.drain(..).enumerate() {
            let trail = usize::from(trail);
            let (Some(here), Some(all)) = (self.here.get_mut(trail), self.by_trail.get_mut(trail))
            else {
                continue;
            };
            let paid = index > 0;
            let (free, paid) = if paid { (0, events) } else { (events, 0) };
            here.free = here.free.saturating_add(free);
            here.paid = here.paid.saturating_add(paid);
            all.free = all.free.saturating_add(free);
            all.paid = all.paid.saturating_add(paid);
            if kms {
                all.kms_free = all.kms_free.saturating_add(free);
                all.kms_paid = all.kms_paid.saturating_add(paid);
            }
            // Of n copies n - 1 are paid; without one of them it is one less, whichever that is.
            if copies > 1 {
                here.saved_without = here.saved_without.saturating_add(events);
            } else {
                all.only_here = all.only_here.saturating_add(events);
            }
        }
    }

    pub fn end_place(&mut self, place: u32, price: Option<PriceId>) {
        for here in &mut self.here {
            if here.free > 0 || here.paid > 0 {
                self.by_place.push(Copy {
                    place,
                    price,
                    ..*here
                });
            }
            (here.free, here.paid, here.saved_without) = (0, 0, 0);
        }
    }
}
