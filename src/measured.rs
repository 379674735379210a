//! From what was counted in log files to the volumes file.

use std::collections::{BTreeMap, BTreeSet};

use time::{Date, Duration, OffsetDateTime};

use crate::cost::{
    ByName, Count, Counts, Files, LargeFiles, Measurement, PriceBook, Provenance, RegionVolumes,
    Volumes, Window,
};
use crate::proposals;
use crate::render::volumes::{
    self as render, CategoryRow, FileNumbers, Number, ProblemRow, Proposal, SelectorRow, Top,
    TopRow, TrailRow, VolumesReport,
};
use crate::selectors::{AdvancedEventSelector, Operator};
use crate::spec::Spec;
use crate::volumes::{self, Engine, Group, Outcome, RegionTally, Scale, SelectorId, Sketch, Tally};

/// What is to be said about a measurement beside its counts.
pub struct Facts {
    /// What was read, as the user named it.
    pub from: Vec<String>,
    pub window: Option<Window>,
}

/// The volumes of everything that was counted. What no trail delivered at all is unknown; what some trail delivered
/// anywhere is complete, so a Region without such events had none.
pub fn volumes(outcome: &Outcome, engine: &Engine, facts: Facts) -> Volumes {
    let tally = &outcome.tally;
    let measured = Measured {
        engine,
        scale: Scale::new(tally, &outcome.groups),
        seen: Seen::new(tally),
    };
    let mut accounts: BTreeMap<String, BTreeMap<String, RegionVolumes>> = BTreeMap::new();
    for (account, region, counts) in places(tally) {
        let volumes = measured.region(account, region, counts);
        let own = accounts.entry(account.to_owned()).or_default();
        own.insert(region.to_owned(), volumes);
    }
    let damaged = tally.problems.files;
    let measurement = Measurement {
        from: facts.from,
        window: facts.window.clone(),
        files: Some(tally.files.count),
        sampled_from: (tally.left.count > 0).then_some(tally.files.count + tally.left.count),
        damaged_files: (damaged > 0).then_some(damaged),
    };
    let mut volumes = Volumes {
        provenance: Provenance::Measured,
        window: facts.window,
        measurements: vec![measurement],
        accounts,
        ..Volumes::none()
    };
    for (trail, name) in engine.trails().enumerate() {
        for own in engine.own_counts(trail) {
            volumes.define(name, &own.name, own.selector);
        }
    }
    volumes
}

/// Accounts and Regions with a name; events of others are in no place of the bill.
fn places(tally: &Tally) -> impl Iterator<Item = (&str, &str, &RegionTally)> {
    let is_id = |account: &str| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let accounts = tally
        .accounts
        .iter()
        .filter(move |(account, _)| is_id(account));
    accounts.flat_map(|(account, regions)| {
        let named = regions.iter().filter(|(region, _)| !region.is_empty());
        named.map(|(region, counts)| (account.as_str(), region.as_str(), counts))
    })
}

/// Events that name no account or no Region, nor does the path of their file.
pub fn homeless_events(tally: &Tally) -> u64 {
    let events = |counts: &RegionTally| -> u64 {
        let rows = counts.events.values().flat_map(BTreeMap::values);
        rows.map(volumes::Counts::events).sum()
    };
    let placed: u64 = places(tally).map(|(_, _, counts)| events(counts)).sum();
    tally.events - placed
}

/// What the logs know of: categories, and the types and sources within them.
struct Seen<'t> {
    rows: BTreeSet<(&'t str, &'t str, &'t str)>,
}

impl<'t> Seen<'t> {
    fn new(tally: &'t Tally) -> Self {
        let regions = tally.accounts.values().flat_map(BTreeMap::values);
        let categories = regions.flat_map(|region| &region.events);
        let rows = categories.flat_map(|(category, rows)| {
            let keys = rows.keys();
            keys.map(|(source, kind)| (category.as_str(), source.as_str(), kind.as_str()))
        });
        Self {
            rows: rows.collect(),
        }
    }

    fn has(&self, category: &str) -> bool {
        self.rows.iter().any(|(seen, ..)| *seen == category)
    }

    /// Whether events like those of the selector were delivered at all; if not, nobody knows whether there are any.
    fn has_like(&self, selector: &AdvancedEventSelector) -> bool {
        let named = |field: &str, value: &str| {
            let mut fields = selector.field_selectors.iter().filter(|f| f.field == field);
            fields.all(|field| {
                let values = field.values(Operator::Equals);
                values.is_empty() || values.iter().any(|named| named == value)
            })
        };
        self.rows.iter().any(|(category, source, kind)| {
            named("eventCategory", category)
                && named("eventSource", source)
                && named("resources.type", kind)
        })
    }
}

/// The time that log files cover. Whole days where all of their folders say a day; the day of `now` ends with its last
/// event. Otherwise from the first to the last event, by whole hours.
pub fn window(tally: &Tally, now: OffsetDateTime) -> Option<Window> {
    let moment = |text: Option<String>| {
        let rfc3339 = &time::format_description::well_known::Rfc3339;
        OffsetDateTime::parse(&text?, rfc3339).ok()
    };
    let first = moment(tally.window.first());
    let last = moment(tally.window.last()).map(|last| hour_of(last) + Duration::HOUR);
    let start = |day: Date| day.midnight().assume_utc();
    let span = match tally.days.bounds {
        Some((first_day, last_day)) if tally.days.undated == 0 => {
            let end = start(last_day.next_day()?);
            let is_today = now < end;
            (start(first_day), last.filter(|_| is_today).unwrap_or(end))
        }
        _ => (hour_of(first?), last?),
    };
    (span.0 < span.1).then(|| Window::of(vec![span]))
}

fn hour_of(moment: OffsetDateTime) -> OffsetDateTime {
    let minutes = i64::from(moment.minute()) * 60 + i64::from(moment.second());
    moment - Duration::seconds(minutes) - Duration::nanoseconds(i64::from(moment.nanosecond()))
}

/// The published report of a measurement.
pub fn report(outcome: &Outcome, engine: &Engine, volumes: &Volumes) -> VolumesReport {
    let tally = &outcome.tally;
    let scale = Scale::new(tally, &outcome.groups);
    let scaled = |count| scale.as_ref().map_or(count, |scale| scale.expected(count));
    let first = volumes.measurements.first();
    VolumesReport {
        format_version: render::FORMAT_VERSION,
        orgtrail_version: env!("CARGO_PKG_VERSION"),
        from: first.map_or(Vec::new(), |measurement| measurement.from.clone()),
        window: volumes.window.as_ref().map(ToString::to_string),
        files: FileNumbers {
            read: tally.files.count,
            left_out: tally.left.count,
            digests: tally.files.digests,
            skipped: tally.skipped,
            compressed_bytes: tally.files.compressed_bytes,
            uncompressed_bytes: tally.files.uncompressed_bytes,
        },
        events: number(tally.events, scale.as_ref(), |region| {
            region
                .events
                .values()
                .flat_map(BTreeMap::values)
                .map(volumes::Counts::events)
                .sum()
        }),
        duplicates: tally.duplicates,
        homeless: homeless_events(tally),
        categories: categories(tally, scale.as_ref()),
        trails: trails(tally, engine, &scaled),
        calls: top(&tally.calls, &scaled),
        resources: top(&tally.resources, &scaled),
        principals: top(&tally.principals, &scaled),
        problems: problems(&tally.problems),
        proposals: None,
        written_to: None,
    }
}

/// What the trails of a spec could leave out.
pub fn proposals(
    outcome: &Outcome,
    volumes: &Volumes,
    spec: &Spec,
    book: &PriceBook,
) -> Vec<Proposal> {
    let scale = Scale::new(&outcome.tally, &outcome.groups);
    let window = volumes.window.as_ref();
    proposals::proposals(&proposals::Case {
        spec,
        talkers: &outcome.tally.talkers,
        scaled: &|count| scale.as_ref().map_or(count, |scale| scale.expected(count)),
        hours: window.and_then(|window| window.hours().ok()),
        book,
    })
}

fn number(counted: u64, scale: Option<&Scale<'_>>, of: impl Fn(&RegionTally) -> u64) -> Number {
    let Some(scale) = scale else {
        return Number::exactly(counted);
    };
    let in_group = |group: &Group| {
        group
            .accounts
            .values()
            .flat_map(BTreeMap::values)
            .map(&of)
            .sum()
    };
    let [low, expected, high] = scale.range(in_group);
    Number {
        low,
        expected,
        high,
    }
}

fn categories(tally: &Tally, scale: Option<&Scale<'_>>) -> Vec<CategoryRow> {
    let regions = || tally.accounts.values().flat_map(BTreeMap::values);
    let names: BTreeSet<&String> = regions().flat_map(|region| region.events.keys()).collect();
    let row = |name: &String| {
        let of = |region: &RegionTally| {
            let mut sum = volumes::Counts::default();
            let rows = region
                .events
                .get(name)
                .into_iter()
                .flat_map(BTreeMap::values);
            rows.for_each(|counts| sum.add(*counts));
            sum
        };
        let mut sum = volumes::Counts::default();
        regions().for_each(|region| sum.add(of(region)));
        let scaled = |count| scale.map_or(count, |scale| scale.expected(count));
        CategoryRow {
            category: name.clone(),
            places: regions()
                .filter(|region| region.events.contains_key(name))
                .count(),
            events: number(sum.events(), scale, |region| of(region).events()),
            read: scaled(sum.read),
            write: scaled(sum.write),
            other: scaled(sum.other),
            errors: scaled(sum.errors),
        }
    };
    names.into_iter().map(row).collect()
}

fn trails(tally: &Tally, engine: &Engine, scaled: &impl Fn(u64) -> u64) -> Vec<TrailRow> {
    let trails = engine.trails().enumerate();
    let rows = trails.map(|(trail, name)| TrailRow {
        trail: name.to_owned(),
        events: scaled(tally.recorded(trail, None)),
        selectors: engine
            .selectors(trail)
            .iter()
            .enumerate()
            .map(|(index, selector)| SelectorRow {
                selector: match selector {
                    Some(name) => name.clone(),
                    None => format!("selector {}", index + 1),
                },
                events: scaled(tally.recorded(trail, Some(index))),
            })
            .collect(),
    });
    rows.collect()
}

/// Rows of each list in JSON.
const MOST: usize = 100;

fn top(sketch: &Sketch, scaled: &impl Fn(u64) -> u64) -> Top {
    let values = sketch.top(MOST).into_iter().map(|hitter| TopRow {
        value: hitter.value,
        events: scaled(hitter.count),
    });
    Top {
        values: values.collect(),
        error: scaled(sketch.error()),
    }
}

fn problems(problems: &volumes::Problems) -> render::Problems {
    let named = problems.named.iter().map(|problem| ProblemRow {
        file: problem.file.clone(),
        offset: problem.offset,
        reason: problem.reason.to_string(),
    });
    render::Problems {
        count: problems.count,
        files: problems.files,
        named: named.collect(),
    }
}

struct Measured<'a> {
    engine: &'a Engine,
    scale: Option<Scale<'a>>,
    seen: Seen<'a>,
}

impl Measured<'_> {
    fn region(&self, account: &str, region: &str, counts: &RegionTally) -> RegionVolumes {
        let at = At {
            account,
            region,
            scale: self.scale.as_ref(),
        };
        // Where the sample has no file, nothing is known; a file is there, though.
        let is_read = counts.left.count == 0 || counts.files.count > 0;
        let [management, data, network] = ["Management", "Data", "NetworkActivity"]
            .map(|category| is_read && self.seen.has(category));
        RegionVolumes {
            window: None,
            management: management.then(|| at.sources("Management", counts)),
            data: data.then(|| at.sources_and_types(counts)),
            network_activity: network.then(|| at.sources("NetworkActivity", counts)),
            files: self.files(counts),
            selectors: match is_read {
                true => self.selectors(&at, counts),
                false => ByName::new(),
            },
        }
    }

    /// Files of which no path says where they belong are in no Region.
    fn files(&self, counts: &RegionTally) -> Option<Box<Files>> {
        let (read, left) = (counts.files, counts.left);
        let uncompressed = |bytes| {
            self.scale
                .as_ref()
                .map_or(bytes, |scale| scale.expected(bytes))
        };
        let files = Files {
            count: Some(read.count + left.count),
            compressed_bytes: Some(read.compressed_bytes + left.compressed_bytes),
            uncompressed_bytes: (read.count > 0 || left.count == 0)
                .then(|| uncompressed(read.uncompressed_bytes)),
            large: Some(LargeFiles {
                count: read.large + left.large,
                compressed_bytes: read.large_bytes + left.large_bytes,
            }),
            digests: Some(read.digests),
            digest_bytes: Some(read.digest_bytes),
        };
        (read.count + left.count + read.digests > 0).then(|| Box::new(files))
    }

    /// What selectors recorded that the counts by source and type cannot tell.
    fn selectors(&self, at: &At<'_>, counts: &RegionTally) -> ByName<ByName<Count>> {
        let mut trails: ByName<ByName<Count>> = ByName::new();
        for (trail, name) in self.engine.trails().enumerate() {
            for own in self
                .engine
                .own_counts(trail)
                .filter(|own| self.seen.has_like(own.selector))
            {
                let id = SelectorId {
                    trail,
                    selector: own.index,
                };
                let of = |counts: &RegionTally| counts.own.get(&id).copied().unwrap_or_default();
                let count = at.count(of(counts), of);
                trails.entry(name).insert(&own.name, count);
            }
        }
        trails
    }
}

/// An account in a Region.
struct At<'a> {
    account: &'a str,
    region: &'a str,
    scale: Option<&'a Scale<'a>>,
}

impl At<'_> {
    fn count(&self, counted: u64, of: impl Fn(&RegionTally) -> u64) -> Count {
        let Some(scale) = self.scale else {
            return Count::Exactly(counted);
        };
        let in_group = |group: &Group| group.region(self.account, self.region).map_or(0, &of);
        let [low, expected, high] = scale.range(in_group);
        match low == high {
            true => Count::Exactly(expected),
            false => Count::between(low, expected, high),
        }
    }

    fn sources(&self, category: &str, counts: &RegionTally) -> ByName<Counts> {
        let rows = counts.events.get(category).into_iter().flatten();
        let rows = rows.map(|((source, kind), _)| {
            (source.as_str(), self.row(category, (source, kind), counts))
        });
        rows.collect()
    }

    fn sources_and_types(&self, counts: &RegionTally) -> ByName<ByName<Counts>> {
        let mut sources: ByName<ByName<Counts>> = ByName::new();
        for (source, kind) in counts
            .events
            .get("Data")
            .into_iter()
            .flat_map(BTreeMap::keys)
        {
            let row = self.row("Data", (source, kind), counts);
            sources.entry(source).insert(kind, row);
        }
        sources
    }

    fn row(&self, category: &str, (source, kind): (&str, &str), counts: &RegionTally) -> Counts {
        let key = (source.to_owned(), kind.to_owned());
        let of = |counts: &RegionTally| {
            let row = counts.events.get(category).and_then(|rows| rows.get(&key));
            row.copied().unwrap_or_default()
        };
        let count =
            |part: fn(volumes::Counts) -> u64| self.count(part(of(counts)), |c| part(of(c)));
        Counts {
            read: count(|counts| counts.read),
            write: count(|counts| counts.write),
            other: count(|counts| counts.other),
            errors: count(|counts| counts.errors),
        }
    }
}
