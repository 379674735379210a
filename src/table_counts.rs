//! What Athena counted, as a volumes file.

use std::collections::{BTreeMap, BTreeSet};

use crate::cost::{self, ByName, Count, Provenance, RegionVolumes, SpanWindow, Volumes, Window};
use crate::selectors::{AdvancedEventSelector, Operator, Selectors};
use crate::sql::Cell;
use crate::volumes::{Counts, Recorder, RegionTally, SelectorId, Tally};

/// What a tally is of.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The trails by their names in the spec, in the order in which they were counted.
    pub trails: &'a [(&'a str, &'a Selectors)],
    /// Categories of which all events were read. What the others had is unknown.
    pub categories: &'a [&'a str],
    /// The first day, and the first one that no longer belongs to it: `2026-10-01`.
    pub from: &'a str,
    pub to: &'a str,
}

/// Counts a group of rows of a table as if its records had been read here.
pub fn add(tally: &mut Tally, cell: &Cell) {
    let mut counts = Counts::default();
    match cell.read_only {
        Some(true) => counts.read = cell.events,
        Some(false) => counts.write = cell.events,
        None => counts.other = cell.events,
    }
    if cell.failed {
        counts.errors = cell.events;
    }
    tally.events += cell.events;
    let region = tally.region(&cell.account, &cell.region);
    let rows = region.events.entry(cell.category.clone()).or_default();
    let row = (cell.source.clone(), cell.resource_type.clone());
    rows.entry(row).or_default().add(counts);
    for recorded in &cell.recorded {
        let recorder = Recorder {
            trail: recorded.trail,
            selector: recorded.selector,
            category: cell.category.clone(),
        };
        *region.recorded.entry(recorder).or_default() += recorded.events;
    }
    for own in &cell.own {
        if let Some(selector) = own.selector {
            let id = SelectorId {
                trail: own.trail,
                selector,
            };
            *region.own.entry(id).or_default() += own.events;
        }
    }
}

/// The counts as a volumes file. Accounts and Regions that no record and no path names are left out: nobody can say
/// where they belong.
pub fn volumes(tally: &Tally, scope: &Scope<'_>) -> Volumes {
    let mut named = Named::new(tally, scope);
    let mut accounts = BTreeMap::new();
    for (account, regions) in tally.accounts.iter().filter(|(id, _)| !id.is_empty()) {
        let regions = regions.iter().filter(|(name, _)| !name.is_empty());
        let regions = regions.map(|(name, region)| (name.clone(), named.region(region)));
        accounts.insert(account.clone(), regions.collect());
    }
    let mut volumes = Volumes {
        provenance: Provenance::Measured,
        window: Some(Window::Span(SpanWindow {
            from: scope.from.to_owned(),
            to: scope.to.to_owned(),
        })),
        accounts,
        ..Volumes::none()
    };
    for (trail, of) in scope.trails {
        for (index, selector) in of.to_advanced().iter().enumerate() {
            volumes.define(trail, &called(selector, index), selector);
        }
    }
    volumes
}

/// The selectors whose own counts are written.
struct Named<'a> {
    scope: &'a Scope<'a>,
    names: BTreeMap<SelectorId, (&'a str, String)>,
    /// Those that recorded nothing anywhere, which is said once.
    nothing: BTreeSet<SelectorId>,
}

impl<'a> Named<'a> {
    /// All that could be counted: of a selector on events that were not read, nothing is known.
    fn new(tally: &Tally, scope: &'a Scope<'a>) -> Self {
        let counted = counted(tally);
        let mut named = Self {
            scope,
            names: BTreeMap::new(),
            nothing: BTreeSet::new(),
        };
        for (trail, (name, of)) in scope.trails.iter().enumerate() {
            for (index, selector) in of.to_advanced().iter().enumerate() {
                // Of the others the counts by source and type tell.
                if selector.is_told_by_counts() {
                    continue;
                }
                let id = SelectorId {
                    trail,
                    selector: index,
                };
                named.names.insert(id, (*name, called(selector, index)));
                if !counted.contains(&id) && is_covered(selector, scope.categories) {
                    named.nothing.insert(id);
                }
            }
        }
        named
    }

    fn region(&mut self, region: &RegionTally) -> RegionVolumes {
        RegionVolumes {
            window: None,
            management: self.by_source(region, "Management"),
            data: self.by_type(region),
            network_activity: self.by_source(region, "NetworkActivity"),
            files: None,
            selectors: self.recorded(region),
        }
    }

    fn by_source(&self, region: &RegionTally, category: &str) -> Option<ByName<cost::Counts>> {
        let rows = region.events.get(category).into_iter().flatten();
        let rows = rows.map(|((source, _), counts)| (source.as_str(), written(counts)));
        self.is_read(category).then(|| rows.collect())
    }

    fn by_type(&self, region: &RegionTally) -> Option<ByName<ByName<cost::Counts>>> {
        let mut sources: BTreeMap<&str, Vec<(&str, cost::Counts)>> = BTreeMap::new();
        for ((source, kind), counts) in region.events.get("Data").into_iter().flatten() {
            let types = sources.entry(source).or_default();
            types.push((kind, written(counts)));
        }
        let sources = sources.into_iter();
        let sources = sources.map(|(source, types)| (source, types.into_iter().collect()));
        self.is_read("Data").then(|| sources.collect())
    }

    fn is_read(&self, category: &str) -> bool {
        self.scope.categories.contains(&category)
    }

    /// What single selectors recorded.
    fn recorded(&mut self, region: &RegionTally) -> ByName<ByName<Count>> {
        let mut events: BTreeMap<SelectorId, u64> = BTreeMap::new();
        events.extend(
            std::mem::take(&mut self.nothing)
                .into_iter()
                .map(|id| (id, 0)),
        );
        for (id, count) in &region.own {
            *events.entry(*id).or_default() += count;
        }
        let mut trails: BTreeMap<&str, Vec<(&str, Count)>> = BTreeMap::new();
        for (id, count) in events {
            if let Some((trail, selector)) = self.names.get(&id) {
                let selectors = trails.entry(trail).or_default();
                selectors.push((selector, Count::Exactly(count)));
            }
        }
        let trails = trails.into_iter();
        trails
            .map(|(trail, selectors)| (trail, selectors.into_iter().collect()))
            .collect()
    }
}

fn written(counts: &Counts) -> cost::Counts {
    cost::Counts {
        read: Count::Exactly(counts.read),
        write: Count::Exactly(counts.write),
        other: Count::Exactly(counts.other),
        errors: Count::Exactly(counts.errors),
    }
}

/// As estimates call it.
fn called(selector: &AdvancedEventSelector, index: usize) -> String {
    let name = selector.name.clone();
    name.unwrap_or_else(|| format!("selector {}", index + 1))
}

fn counted(tally: &Tally) -> BTreeSet<SelectorId> {
    let regions = tally.accounts.values().flat_map(BTreeMap::values);
    regions
        .flat_map(|region| region.own.keys())
        .copied()
        .collect()
}

/// Whether all the events that a selector wants were read.
fn is_covered(selector: &AdvancedEventSelector, categories: &[&str]) -> bool {
    let fields = selector.field_selectors.iter();
    let mut named = fields.filter(|field| field.field == "eventCategory");
    named.any(|field| {
        let wanted = field.values(Operator::Equals);
        !wanted.is_empty() && wanted.iter().all(|w| categories.contains(&w.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::selectors::FieldSelector;
    use crate::sql::Recorded;

    fn selector(category: &str) -> AdvancedEventSelector {
        AdvancedEventSelector::new(vec![
            FieldSelector::equals("eventCategory", [category]),
            FieldSelector::equals("eventName", ["Get"]),
        ])
    }

    fn cell(category: &str, read_only: Option<bool>, events: u64) -> Cell {
        Cell {
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            category: category.to_owned(),
            source: "s3.amazonaws.com".to_owned(),
            read_only,
            events,
            ..Cell::default()
        }
    }

    #[test]
    fn what_was_not_read_is_unknown_and_what_was_not_there_is_zero() {
        let management = AdvancedEventSelector {
            name: Some("all".to_owned()),
            ..selector("Management")
        };
        let selectors = Selectors::Advanced(vec![
            management,
            selector("Data"),
            selector("NetworkActivity"),
        ]);
        let trails = [("org", &selectors)];
        let mut tally = Tally::default();
        let recorded = Recorded {
            trail: 0,
            selector: Some(0),
            events: 7,
        };
        let management = Cell {
            recorded: vec![recorded],
            own: vec![recorded],
            failed: true,
            ..cell("Management", Some(true), 7)
        };
        let nowhere = Cell {
            region: String::new(),
            ..cell("Management", None, 1)
        };
        for cell in [management, cell("Data", Some(false), 3), nowhere] {
            add(&mut tally, &cell);
        }
        assert_eq!(tally.events, 11);
        let scope = Scope {
            trails: &trails,
            categories: &["Management", "Data"],
            from: "2026-10-01",
            to: "2026-10-08",
        };
        let file = volumes(&tally, &scope);
        let expected = json!({
            "version": 1,
            "provenance": "measured",
            "window": {"from": "2026-10-01", "to": "2026-10-08"},
            "definitions": {"org": {"all": selector("Management").digest(), "selector 2": selector("Data").digest()}},
            "accounts": {"111122223333": {"eu-west-1": {
                "management": {"s3.amazonaws.com": {"read": 7, "errors": 7}},
                "data": {"s3.amazonaws.com": {"": {"write": 3}}},
                "selectors": {"org": {"all": 7, "selector 2": 0}},
            }}},
        });
        assert_eq!(serde_json::to_value(&file).unwrap(), expected);
        assert_eq!(file.window_hours(), Ok(168));
    }
}
