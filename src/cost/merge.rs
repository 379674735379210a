//! New measurements into a volumes file that is there already, account by account and Region by Region.
//!
//! Nothing that the file says is wiped: what the new figures do not know of a Region (a category, a selector, its log
//! files) stays, converted to the new window. Figures of times that lie apart are added up, and the window then is both
//! times. Figures of the same time are replaced, so measuring twice gives the same file. Times that overlap in part can
//! neither be added nor replaced; that is for the user to decide.

use std::collections::BTreeMap;
use std::mem;

use super::by_name::ByName;
use super::volumes::{
    Count, Counts, Files, LargeFiles, MONTH_HOURS, Measurement, RegionVolumes, Span, Volumes,
    Window,
};

/// A Region whose figures in the file are of a time that overlaps the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    pub account: String,
    pub region: String,
    /// The window in the file.
    pub window: String,
}

/// The merged file.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    pub volumes: Volumes,
    /// Regions of which the file already had the time measured, as part of a longer one. They were left as they are.
    pub already_there: usize,
    /// Regions whose counts of a longer or another time have given way, as the user wanted.
    pub dropped: usize,
}

/// Merges `new` into `file`. With `replace`, figures of an overlapping time give way to the new ones.
pub fn merge(file: Volumes, new: &Volumes, replace: bool) -> Result<Merged, Vec<Clash>> {
    let mut merged = Merged {
        volumes: Volumes {
            note: file.note.clone().or_else(|| new.note.clone()),
            window: new.window.clone(),
            ..file.clone()
        },
        already_there: 0,
        dropped: 0,
    };
    merged.volumes.date(&file, new);
    merged.volumes.forget_other_definitions(new);
    let mut clashes = Vec::new();
    let mut is_measured = true;
    let mut taken = 0;
    for (account, regions) in &new.accounts {
        let own = merged.volumes.accounts.entry(account.clone()).or_default();
        for (region, measured) in regions {
            let window = measured.window.as_deref().or(new.window.as_ref());
            let old = own.entry(region.clone()).or_default();
            is_measured &= old.is_known_by(measured);
            match merge_region(old, measured, window, replace) {
                Step::Replaced { drops } => {
                    taken += 1;
                    merged.dropped += usize::from(drops);
                }
                Step::Added => {
                    taken += 1;
                    is_measured = false;
                }
                Step::AlreadyThere => {
                    merged.already_there += 1;
                    is_measured = false;
                }
                Step::Clash(window) => clashes.push(Clash {
                    account: account.clone(),
                    region: region.clone(),
                    window,
                }),
            }
        }
    }
    if !clashes.is_empty() {
        return Err(clashes);
    }
    is_measured &= file.accounts.iter().all(|(account, regions)| {
        let measured = new.accounts.get(account);
        regions
            .keys()
            .all(|region| measured.is_some_and(|measured| measured.contains_key(region)))
    });
    // That of the less sure of both, as long as anything of the file is left.
    merged.volumes.provenance = match is_measured {
        true => new.provenance,
        false => file.provenance.max(new.provenance),
    };
    if taken > 0 || new.accounts.is_empty() {
        merged.volumes.add_measurements(new);
    }
    let window = merged.volumes.window.clone().map(Box::new);
    for region in regions(&mut merged.volumes.accounts) {
        if region.window == window {
            region.window = None;
        }
    }
    Ok(merged)
}

impl Volumes {
    /// Gives each Region the window that its figures are of. Figures without a date are a rate, for whatever time.
    fn date(&mut self, file: &Self, new: &Self) {
        let undated = file.window.is_none();
        let window = file
            .window
            .as_ref()
            .or(new.window.as_ref())
            .cloned()
            .map(Box::new);
        let hours = window.as_ref().and_then(|window| window.hours().ok());
        for region in regions(&mut self.accounts).filter(|region| region.window.is_none()) {
            if undated {
                region.rescale(MONTH_HOURS, hours.unwrap_or(MONTH_HOURS));
            }
            region.window.clone_from(&window);
        }
    }

    /// Counts of a selector that was another one under the same name say nothing of this one.
    fn forget_other_definitions(&mut self, new: &Self) {
        for (trail, names) in &new.definitions {
            let own = self.definitions.entry(trail.clone()).or_default();
            for (name, definition) in names {
                let old = own.insert(name.clone(), definition.clone());
                if old.is_some_and(|old| old != *definition) {
                    for region in regions(&mut self.accounts) {
                        region.selectors.entry(trail).remove(name);
                    }
                }
            }
        }
    }

    fn add_measurements(&mut self, new: &Self) {
        for measurement in &new.measurements {
            self.measurements
                .retain(|old| !is_repeated(old, measurement));
            self.measurements.push(measurement.clone());
        }
    }
}

/// Whether the same was measured again, perhaps of a longer time.
fn is_repeated(old: &Measurement, new: &Measurement) -> bool {
    let spans = |measurement: &Measurement| measurement.window.as_ref().and_then(Window::spans);
    let covered = match (spans(old), spans(new)) {
        (Some(old), Some(new)) => times(&old, &new) == Times::Covered,
        (old, new) => old == new,
    };
    covered && old.from == new.from
}

fn regions(
    accounts: &mut BTreeMap<String, BTreeMap<String, RegionVolumes>>,
) -> impl Iterator<Item = &mut RegionVolumes> {
    accounts.values_mut().flat_map(BTreeMap::values_mut)
}

enum Step {
    /// `drops`: of a time that the new one does not cover.
    Replaced {
        drops: bool,
    },
    Added,
    AlreadyThere,
    Clash(String),
}

/// How the time of the file and the new one lie to each other.
#[derive(PartialEq)]
enum Times {
    Apart,
    /// The new time is that of the file, and perhaps more.
    Covered,
    /// The time of the file is longer than the new one.
    Longer,
    Overlapping,
}

fn times(old: &[Span], new: &[Span]) -> Times {
    let within = |inner: &[Span], outer: &[Span]| {
        inner
            .iter()
            .all(|i| outer.iter().any(|o| o.0 <= i.0 && i.1 <= o.1))
    };
    let apart = old
        .iter()
        .all(|o| new.iter().all(|n| o.1 <= n.0 || n.1 <= o.0));
    match (apart, within(old, new), within(new, old)) {
        (true, ..) => Times::Apart,
        (_, true, _) => Times::Covered,
        (_, _, true) => Times::Longer,
        _ => Times::Overlapping,
    }
}

fn merge_region(
    old: &mut RegionVolumes,
    new: &RegionVolumes,
    window: Option<&Window>,
    replace: bool,
) -> Step {
    let spans = |window: Option<&Window>| window.and_then(Window::spans);
    let hours = |window: Option<&Window>| {
        let hours = window.map_or(Ok(MONTH_HOURS), Window::hours);
        hours.unwrap_or(MONTH_HOURS)
    };
    let (old_hours, new_hours) = (hours(old.window.as_deref()), hours(window));
    let times = match (spans(old.window.as_deref()), spans(window)) {
        _ if old.is_blank() => Times::Covered,
        (Some(mine), Some(theirs)) => times(&mine, &theirs),
        (None, None) => Times::Covered,
        // One has a date and the other none: nobody can say how they lie to each other.
        _ => Times::Overlapping,
    };
    match times {
        Times::Longer if !replace => return Step::AlreadyThere,
        Times::Overlapping if !replace => {
            let window = old.window.as_deref().map(ToString::to_string);
            return Step::Clash(window.unwrap_or_else(|| "an unknown time".to_owned()));
        }
        Times::Apart if !replace => {
            let both = old_hours + new_hours;
            let spans =
                [old.window.as_deref(), window].map(|window| spans(window).unwrap_or_default());
            old.add(new, [old_hours, new_hours, both]);
            old.window = Some(Box::new(Window::of(spans.concat())));
            return Step::Added;
        }
        _ => {}
    }
    old.rescale(old_hours, new_hours);
    old.replace(new);
    old.window = window.cloned().map(Box::new);
    Step::Replaced {
        drops: times != Times::Covered,
    }
}

impl RegionVolumes {
    /// Every count, converted from a window of so many hours to another one.
    pub(super) fn rescale(&mut self, from: u64, to: u64) {
        if from == to {
            return;
        }
        for counts in self.all_counts_mut() {
            counts.rescale(from, to);
        }
        for names in self.selectors.values_mut() {
            names.values_mut().for_each(|count| count.rescale(from, to));
        }
        if let Some(files) = &mut self.files {
            files.rescale(from, to);
        }
    }

    fn all_counts_mut(&mut self) -> impl Iterator<Item = &mut Counts> {
        let single = [&mut self.management, &mut self.network_activity];
        let single = single.into_iter().flatten().flat_map(ByName::values_mut);
        let data = self.data.iter_mut().flat_map(ByName::values_mut);
        single.chain(data.flat_map(ByName::values_mut))
    }

    fn is_blank(&self) -> bool {
        let undated = Self {
            window: None,
            ..self.clone()
        };
        undated == Self::default()
    }

    /// Whether `new` has something to say about everything that this says.
    fn is_known_by(&self, new: &Self) -> bool {
        let has = |old: bool, new: bool| !old || new;
        has(self.management.is_some(), new.management.is_some())
            && has(self.data.is_some(), new.data.is_some())
            && has(
                self.network_activity.is_some(),
                new.network_activity.is_some(),
            )
            && has(self.files.is_some(), new.files.is_some())
            && self
                .selectors
                .keys()
                .all(|trail| new.selectors.contains_key(trail))
    }

    /// Takes what `new` knows.
    fn replace(&mut self, new: &Self) {
        let new = new.clone();
        self.management = new.management.or(self.management.take());
        self.data = new.data.or(self.data.take());
        self.network_activity = new.network_activity.or(self.network_activity.take());
        self.files = new.files.or(self.files.take());
        for (trail, names) in new.selectors.iter() {
            self.selectors.insert(trail, names.clone());
        }
    }

    /// Adds the figures of another time; what only one of the two knows is taken to go on like that.
    fn add(&mut self, new: &Self, [mine, theirs, both]: [u64; 3]) {
        let mut alone = new.clone();
        alone.rescale(theirs, both);
        let mut old = mem::take(self);
        let mut stretched = old.clone();
        stretched.rescale(mine, both);
        self.management = either(
            old.management.take(),
            &new.management,
            [stretched.management, alone.management],
            add_counts,
        );
        self.network_activity = either(
            old.network_activity.take(),
            &new.network_activity,
            [stretched.network_activity, alone.network_activity],
            add_counts,
        );
        self.data = either(
            old.data.take(),
            &new.data,
            [stretched.data, alone.data],
            |own, more| {
                for (source, types) in more.iter() {
                    add_counts(own.entry(source), types);
                }
            },
        );
        self.files = either(
            old.files.take(),
            &new.files,
            [stretched.files, alone.files],
            |own, more| {
                own.add(more);
            },
        );
        self.selectors = mem::take(&mut stretched.selectors);
        for (trail, names) in new.selectors.iter() {
            let before = old.selectors.get(trail);
            let alone = alone.selectors.get(trail);
            for (name, count) in names.iter() {
                let sum = before
                    .and_then(|names| names.get(name))
                    .map(|own| own.plus(count));
                let sum = sum.or_else(|| alone?.get(name).cloned());
                *self.selectors.entry(trail).entry(name) = sum.unwrap_or_default();
            }
        }
    }
}

/// Both added up; or, where only one is known, that one for the whole time.
fn either<T>(
    old: Option<T>,
    new: &Option<T>,
    [old_alone, new_alone]: [Option<T>; 2],
    add: impl Fn(&mut T, &T),
) -> Option<T> {
    match (old, new) {
        (Some(mut sum), Some(more)) => {
            add(&mut sum, more);
            Some(sum)
        }
        (Some(_), None) => old_alone,
        (None, _) => new_alone,
    }
}

fn add_counts(own: &mut ByName<Counts>, more: &ByName<Counts>) {
    for (name, counts) in more.iter() {
        own.entry(name).add(counts);
    }
}

impl Counts {
    fn each(&mut self) -> [&mut Count; 4] {
        [
            &mut self.read,
            &mut self.write,
            &mut self.other,
            &mut self.errors,
        ]
    }

    fn rescale(&mut self, from: u64, to: u64) {
        self.each()
            .into_iter()
            .for_each(|count| count.rescale(from, to));
    }

    fn add(&mut self, more: &Self) {
        let more = [&more.read, &more.write, &more.other, &more.errors];
        for (own, more) in self.each().into_iter().zip(more) {
            *own = own.plus(more);
        }
    }
}

impl Count {
    pub(super) fn of_cases([low, expected, high]: [u64; 3]) -> Self {
        match low == expected && expected == high {
            true => Self::Exactly(expected),
            false => Self::between(low, expected, high),
        }
    }

    fn plus(&self, more: &Self) -> Self {
        let (own, more) = (self.cases(), more.cases());
        Self::of_cases([0, 1, 2].map(|case| own[case].saturating_add(more[case])))
    }

    fn rescale(&mut self, from: u64, to: u64) {
        *self = Self::of_cases(self.cases().map(|count| rescaled(count, from, to)));
    }
}

/// To the nearest whole number.
fn rescaled(count: u64, from: u64, to: u64) -> u64 {
    let from = u128::from(from.max(1));
    let scaled = (u128::from(count) * u128::from(to) + from / 2) / from;
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

impl Files {
    fn each(&mut self) -> [&mut Option<u64>; 5] {
        [
            &mut self.count,
            &mut self.compressed_bytes,
            &mut self.uncompressed_bytes,
            &mut self.digests,
            &mut self.digest_bytes,
        ]
    }

    fn rescale(&mut self, from: u64, to: u64) {
        for figure in self.each().into_iter().flatten() {
            *figure = rescaled(*figure, from, to);
        }
        if let Some(large) = &mut self.large {
            large.count = rescaled(large.count, from, to);
            large.compressed_bytes = rescaled(large.compressed_bytes, from, to);
        }
    }

    /// A figure that one of both lacks is unknown of the sum.
    fn add(&mut self, more: &Self) {
        let mut more = more.clone();
        for (own, more) in self.each().into_iter().zip(more.each()) {
            *own = own.zip(*more).map(|(own, more)| own.saturating_add(more));
        }
        self.large = self
            .large
            .take()
            .zip(more.large)
            .map(|(own, more)| LargeFiles {
                count: own.count.saturating_add(more.count),
                compressed_bytes: own.compressed_bytes.saturating_add(more.compressed_bytes),
            });
    }
}
