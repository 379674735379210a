//! Counts: what every trail records in every account and Region, and how many of it are copies.
//!
//! One pass over the volumes. What is charged alike is added up at once, so that an organization of thousands of
//! accounts takes a few numbers per account and Region, and no string.

use std::collections::{BTreeMap, HashMap};

use super::book::{PriceBook, PriceId};
use super::by_name::ByName;
use super::copies::Copies;
use super::insights::{Analyzed, Insights};
use super::known::Known;
use super::logs::{Recorded, TrailLog};
use super::meter::Meter;
use super::recorded::{Candidate, Category, EventClass, Verdict};
use super::trails::TrailView;
use super::volumes::{Count, Counts, RegionVolumes, Volumes};
use crate::spec::Spec;

/// Low, expected and high number of something in the window of the volumes.
pub type Counted = [u128; 3];

/// In the place of a selector: the trail as a whole.
pub const WHOLE_TRAIL: u16 = u16::MAX;

/// A part of a line, for attribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub trail: u16,
    pub selector: u16,
    pub place: u32,
    pub weight: u64,
}

/// Usage that is charged in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellKey {
    pub trail: u16,
    pub selector: u16,
    pub meter: Meter,
    pub price: Option<PriceId>,
}

#[derive(Clone, Debug, Default)]
pub struct Cell {
    pub counted: Counted,
    pub shares: Vec<Share>,
}

/// An account and a Region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'v> {
    pub account: &'v str,
    pub region: &'v str,
}

pub struct Tally<'v> {
    pub places: Vec<Place<'v>>,
    pub cells: BTreeMap<CellKey, Cell>,
    /// Usage without volumes, and where.
    pub gaps: BTreeMap<(u16, u16, Meter), Vec<u32>>,
    /// Log files, by trail.
    pub logs: Vec<TrailLog>,
    pub copies: Copies,
}

/// What a selector recorded in a place, by how it is charged.
#[derive(Clone, Copy, Default)]
struct Charged {
    by_slot: [Counted; SLOTS.len()],
    /// Taken from the count of the selector itself.
    measured: Option<Category>,
}

const SLOTS: [Meter; 4] = [
    Meter::ManagementFirstCopy,
    Meter::ManagementFurtherCopy,
    Meter::DataEvents,
    Meter::NetworkActivityEvents,
];
const FIRST_COPY: usize = 0;
const FURTHER_COPY: usize = 1;

fn slot(category: Category, further: bool) -> usize {
    match category {
        Category::Management if further => FURTHER_COPY,
        Category::Management => FIRST_COPY,
        Category::Data => 2,
        Category::NetworkActivity => 3,
    }
}

/// What a trail recorded in the place at hand.
#[derive(Default)]
struct Row {
    covers: bool,
    selectors: Vec<Charged>,
    analyzed: Analyzed,
}

struct Walk<'a, 'v> {
    trails: &'a [TrailView],
    insights: Vec<Insights>,
    known: Known,
    book: &'a PriceBook,
    prices: HashMap<(Meter, &'v str), Option<PriceId>>,
    classes: HashMap<EventClass<'v>, usize>,
    /// What each trail does with each class.
    verdicts: Vec<Vec<Verdict>>,
    rows: Vec<Row>,
    out: Tally<'v>,
}

/// Counts what the trails record.
pub fn tally<'v>(
    spec: &Spec,
    trails: &[TrailView],
    volumes: &'v Volumes,
    book: &PriceBook,
) -> Tally<'v> {
    let mut walk = Walk::new(spec, trails, volumes, book);
    for (account, regions) in &volumes.accounts {
        for (region, counts) in regions {
            walk.place(Place { account, region }, counts);
        }
    }
    walk.trails_without_places();
    walk.out
}

impl<'a, 'v> Walk<'a, 'v> {
    fn new(
        spec: &Spec,
        trails: &'a [TrailView],
        volumes: &'v Volumes,
        book: &'a PriceBook,
    ) -> Self {
        let window_hours = volumes
            .window_hours()
            .unwrap_or(super::volumes::MONTH_HOURS);
        let logs = trails
            .iter()
            .map(|view| TrailLog::new(spec, view, window_hours));
        let rows = trails.iter().map(|view| Row {
            selectors: vec![Charged::default(); view.prepared.selectors().len()],
            ..Row::default()
        });
        Self {
            trails,
            insights: trails.iter().map(|view| Insights::of(spec, view)).collect(),
            known: Known::new(trails, volumes),
            book,
            prices: HashMap::new(),
            classes: HashMap::new(),
            verdicts: vec![Vec::new(); trails.len()],
            rows: rows.collect(),
            out: Tally {
                places: Vec::new(),
                cells: BTreeMap::new(),
                gaps: BTreeMap::new(),
                logs: logs.collect(),
                copies: Copies::new(trails),
            },
        }
    }

    fn place(&mut self, place: Place<'v>, counts: &'v RegionVolumes) {
        let index = u32::try_from(self.out.places.len()).unwrap_or(u32::MAX);
        self.out.places.push(place);
        for (row, view) in self.rows.iter_mut().zip(self.trails) {
            row.covers = view.covers(place.account, place.region);
        }
        if !self.rows.iter().any(|row| row.covers) {
            return;
        }
        self.count_management(counts);
        self.count_data(counts);
        self.count_network(counts);
        self.use_measured_selectors(counts);
        self.find_gaps(index, counts);
        for trail in 0..self.rows.len() {
            self.charge(trail, index, place.region, counts);
        }
        let price = self.price(Meter::ManagementFurtherCopy, place.region);
        self.out.copies.end_place(index, price);
    }

    fn count_management(&mut self, counts: &'v RegionVolumes) {
        for (source, events) in counts.management.iter().flat_map(ByName::iter) {
            self.count(Category::Management, source, None, events);
        }
    }

    fn count_data(&mut self, counts: &'v RegionVolumes) {
        for (source, types) in counts.data.iter().flat_map(ByName::iter) {
            for (resource_type, events) in types.iter() {
                self.count(Category::Data, source, Some(resource_type), events);
            }
        }
    }

    fn count_network(&mut self, counts: &'v RegionVolumes) {
        for (source, events) in counts.network_activity.iter().flat_map(ByName::iter) {
            self.count(Category::NetworkActivity, source, None, events);
        }
    }

    fn count(
        &mut self,
        category: Category,
        source: &'v str,
        resource_type: Option<&'v str>,
        events: &Counts,
    ) {
        let by_access = [
            (Some(true), &events.read),
            (Some(false), &events.write),
            (None, &events.other),
        ];
        for (read_only, count) in by_access {
            let cases = count.cases().map(u128::from);
            if cases == [0; 3] {
                continue;
            }
            let class = EventClass {
                category,
                source,
                resource_type,
                read_only,
            };
            let id = self.class(class);
            self.record(class, id, cases, &events.errors);
        }
    }

    fn class(&mut self, class: EventClass<'v>) -> usize {
        let next = self.classes.len();
        let id = *self.classes.entry(class).or_insert(next);
        if id == next {
            for (verdicts, view) in self.verdicts.iter_mut().zip(self.trails) {
                verdicts.push(view.prepared.verdict(class));
            }
        }
        id
    }

    /// Puts events of a class on the rows of the trails that record them. The first trail has the free copy.
    fn record(&mut self, class: EventClass<'_>, id: usize, cases: Counted, errors: &Count) {
        let mut copies = 0;
        let expected = cases[1];
        for (trail, row) in self.rows.iter_mut().enumerate() {
            let verdict = self
                .verdicts
                .get(trail)
                .and_then(|verdicts| verdicts.get(id));
            let (true, Some(verdict)) = (row.covers, verdict) else {
                continue;
            };
            let slot = slot(class.category, copies > 0);
            match verdict {
                Verdict::NotRecorded => {}
                Verdict::Recorded(selector) => {
                    row.add(*selector, slot, cases);
                    row.add_analyzed(class, cases);
                    self.out
                        .copies
                        .record(class, trail, *selector, expected, copies);
                    copies += 1;
                }
                Verdict::Undecided(candidates) => {
                    let measured = self.known.measured(trail);
                    let rest = row.without_measured(class.category, candidates, measured);
                    let (possible, parts) = split(cases, errors, &rest);
                    for (candidate, part) in rest.iter().zip(parts) {
                        row.add(candidate.selector, slot, part);
                    }
                    row.add_analyzed(class, possible);
                }
            }
        }
        if class.category == Category::Management {
            self.out.copies.end_class(class, expected);
        }
    }

    fn use_measured_selectors(&mut self, counts: &RegionVolumes) {
        for (row, view) in self.rows.iter_mut().zip(self.trails) {
            let of_trail = view
                .name
                .as_ref()
                .and_then(|name| counts.selectors.get(name));
            for (index, selector) in view.prepared.selectors().iter().enumerate() {
                let Some(charged) = row.selectors.get_mut(index) else {
                    continue;
                };
                let Some(category) = charged.measured.take() else {
                    continue;
                };
                let count = of_trail.and_then(|names| names.get(&selector.name));
                let cases = count.map_or([0; 3], |count| count.cases().map(u128::from));
                add(&mut charged.by_slot[slot(category, false)], cases);
                if category == Category::Data {
                    add(&mut row.analyzed.data, cases);
                }
            }
        }
    }

    /// Notes what the volumes say nothing about.
    fn find_gaps(&mut self, place: u32, counts: &RegionVolumes) {
        let counted = [
            counts.management.is_some(),
            counts.data.is_some(),
            counts.network_activity.is_some(),
        ];
        if counted == [true; 3] && self.known.is_all_counted() {
            return;
        }
        let mut further = false;
        for (trail, view) in self.trails.iter().enumerate() {
            if !self.rows.get(trail).is_some_and(|row| row.covers) {
                continue;
            }
            for (index, selector) in view.prepared.selectors().iter().enumerate() {
                for (category, counted) in Category::ALL.into_iter().zip(counted) {
                    if selector.wants(category) && !(counted && self.known.is_counted(trail, index))
                    {
                        let meter = SLOTS[slot(category, further)];
                        self.out.gap(trail, number_of(index), meter, Some(place));
                    }
                }
            }
            further |= view.prepared.wants(Category::Management);
            for meter in self.insights[trail].without(counted) {
                self.out.gap(trail, WHOLE_TRAIL, meter, Some(place));
            }
        }
    }

    /// A trail whose accounts are not in the volumes at all has gaps everywhere, in no particular place.
    fn trails_without_places(&mut self) {
        for (trail, view) in self.trails.iter().enumerate() {
            let covered = |place: &Place<'_>| view.covers(place.account, place.region);
            if self.out.places.iter().any(covered) {
                continue;
            }
            let mut before = self.trails.iter().take(trail);
            let further =
                before.any(|b| b.overlaps(view) && b.prepared.wants(Category::Management));
            for (index, selector) in view.prepared.selectors().iter().enumerate() {
                let wanted = Category::ALL
                    .into_iter()
                    .filter(|category| selector.wants(*category));
                for category in wanted {
                    let meter = SLOTS[slot(category, further)];
                    self.out.gap(trail, number_of(index), meter, None);
                }
            }
            for meter in self.insights[trail].without([false; 3]) {
                self.out.gap(trail, WHOLE_TRAIL, meter, None);
            }
        }
    }

    fn price(&mut self, meter: Meter, region: &'v str) -> Option<PriceId> {
        let book = self.book;
        let entry = self.prices.entry((meter, region));
        *entry.or_insert_with(|| book.id(meter, region))
    }

    /// Moves a row to the lines, and clears it.
    fn charge(&mut self, trail: usize, place: u32, region: &'v str, counts: &RegionVolumes) {
        let Some(row) = self.rows.get_mut(trail).filter(|row| row.covers) else {
            return;
        };
        let row = row.take();
        let mut recorded = Recorded::default();
        for (selector, charged) in row.selectors.iter().enumerate() {
            let mut of_selector = [0; 3];
            for (slot, counted) in charged.by_slot.iter().enumerate() {
                add(&mut of_selector, *counted);
                self.add_cell(
                    trail,
                    number_of(selector),
                    SLOTS[slot],
                    place,
                    region,
                    *counted,
                );
            }
            recorded.add(number_of(selector), of_selector);
        }
        for (meter, counted) in self.insights[trail].analyzed(&row.analyzed) {
            self.add_cell(trail, WHOLE_TRAIL, meter, place, region, counted);
        }
        if let Some(log) = self.out.logs.get_mut(trail) {
            let known = self.out.places.get(place as usize).copied();
            let Some(known) = known else { return };
            log.deliver(number_of(trail), place, known, counts, &recorded);
        }
    }

    fn add_cell(
        &mut self,
        trail: usize,
        selector: u16,
        meter: Meter,
        place: u32,
        region: &'v str,
        counted: Counted,
    ) {
        if counted == [0; 3] {
            return;
        }
        let trail = number_of(trail);
        let price = self.price(meter, region);
        let key = CellKey {
            trail,
            selector,
            meter,
            price,
        };
        let cell = self.out.cells.entry(key).or_default();
        add(&mut cell.counted, counted);
        cell.shares.push(Share {
            trail,
            selector,
            place,
            weight: weight(counted[1]),
        });
    }
}

impl Tally<'_> {
    /// Usage that the volumes say nothing about, in a place or in no known one.
    fn gap(&mut self, trail: usize, selector: u16, meter: Meter, place: Option<u32>) {
        if let Some(log) = self.logs.get_mut(trail) {
            log.is_incomplete = true;
        }
        // The first copy is free, however many events there are.
        if meter != Meter::ManagementFirstCopy {
            let key = (number_of(trail), selector, meter);
            self.gaps.entry(key).or_default().extend(place);
        }
    }
}

impl Row {
    fn add(&mut self, selector: u16, slot: usize, cases: Counted) {
        let charged = self.selectors.get_mut(usize::from(selector));
        if let Some(counted) = charged.and_then(|charged| charged.by_slot.get_mut(slot)) {
            add(counted, cases);
        }
    }

    /// Events that Insights and aggregation look at.
    fn add_analyzed(&mut self, class: EventClass<'_>, cases: Counted) {
        match (class.category, class.read_only) {
            (Category::Management, _) if !class.is_known() => {
                add(&mut self.analyzed.management_unknown, cases);
            }
            (Category::Management, Some(true)) => add(&mut self.analyzed.management_read, cases),
            (Category::Management, _) => add(&mut self.analyzed.management_write, cases),
            (Category::Data, _) => add(&mut self.analyzed.data, cases),
            (Category::NetworkActivity, _) => {}
        }
    }

    /// The candidates that were not counted themselves; the others are noted.
    fn without_measured(
        &mut self,
        category: Category,
        candidates: &[Candidate],
        is_measured: &[bool],
    ) -> Vec<Candidate> {
        let is_measured = |candidate: &&Candidate| {
            is_measured.get(usize::from(candidate.selector)) == Some(&true)
        };
        let (measured, rest): (Vec<&Candidate>, Vec<&Candidate>) =
            candidates.iter().partition(is_measured);
        for candidate in measured {
            if let Some(charged) = self.selectors.get_mut(usize::from(candidate.selector)) {
                charged.measured = Some(category);
            }
        }
        rest.into_iter().copied().collect()
    }

    /// The row's figures; the row is zero afterwards.
    fn take(&mut self) -> Self {
        let cleared = Self {
            selectors: vec![Charged::default(); self.selectors.len()],
            ..Self::default()
        };
        std::mem::replace(self, cleared)
    }
}

/// Shares out events that may be recorded by several selectors: none of them at least, all at most. Expected are all
/// where a selector only says what it does not want, half where it says what it wants. Every event counts once.
fn split(cases: Counted, errors: &Count, candidates: &[Candidate]) -> (Counted, Vec<Counted>) {
    if candidates.is_empty() {
        return ([0; 3], Vec::new());
    }
    let mut possible = [0, cases[1], cases[2]];
    if candidates.iter().all(|candidate| candidate.errors_only) {
        let errors = errors.cases().map(u128::from);
        possible = [0, cases[1].min(errors[1]), cases[2].min(errors[2])];
    } else if candidates.iter().all(|candidate| candidate.selects) {
        possible[1] /= 2;
    }
    let parts = candidates.len() as u128;
    let part = |total: u128, index: u128| total / parts + u128::from(index < total % parts);
    let shared = (0..parts).map(|index| possible.map(|total| part(total, index)));
    (possible, shared.collect())
}

pub fn add(sum: &mut Counted, counted: Counted) {
    for (sum, counted) in sum.iter_mut().zip(counted) {
        *sum = sum.saturating_add(counted);
    }
}

pub fn weight(counted: u128) -> u64 {
    u64::try_from(counted).unwrap_or(u64::MAX)
}

pub fn number_of(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(WHOLE_TRAIL - 1)
}
