//! One scan for all selectors of all trails.
//!
//! Rows are grouped by what the counts tell apart, and by the small fields on which selectors decide: those selectors are
//! decided here, by the same evaluator as everywhere. Only what differs from record to record, above all
//! `resources.ARN`, is counted by Athena itself, with `count(*) FILTER (WHERE …)`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::bounds::Bounds;
use super::columns::{Columns, Missing};
use super::event::{CATEGORY, READ_ONLY, events, guessed, place, resource_type, resource_types};
use super::predicate::{called, condition};
use super::table::Table;
use crate::selectors::{AdvancedEventSelector, Event, Resource, Selectors, matches};

/// Longest text of a query, in bytes.
/// <https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>
pub const MAX_QUERY: usize = 262_144;

/// What is done with events that were delivered twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copies {
    /// Each delivery counts.
    #[default]
    Counted,
    /// An `eventID` counts once in each group of rows. Costs memory in Athena.
    Once,
}

/// A question about a table, to be asked of one part of it after the other.
#[derive(Clone, Debug)]
pub struct Cube {
    trails: Vec<Trail>,
    groups: Vec<Group>,
    measures: Vec<Measure>,
    copies: Copies,
}

#[derive(Clone, Debug)]
struct Trail {
    name: String,
    selectors: Vec<Selector>,
}

#[derive(Clone, Debug)]
struct Selector {
    alone: [AdvancedEventSelector; 1],
    /// Counted by Athena, where the groups do not decide it.
    measure: Option<usize>,
    /// Of these, the ones that no measured selector of the trail before it records.
    first: Option<usize>,
}

/// A column to group by.
#[derive(Clone, Debug)]
struct Group {
    field: Field,
    sql: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Account,
    Region,
    Category,
    Source,
    ResourceType,
    ReadOnly,
    Failed,
    EventName,
    EventType,
    ErrorCode,
    ResourceTypes,
}

/// A number of events.
#[derive(Clone, Debug)]
enum Measure {
    All,
    /// Those whose category is a guess.
    Guessed(String),
    /// Those that a selector records.
    Selector {
        trail: usize,
        selector: usize,
        sql: String,
    },
    /// Those that any of a trail's measured selectors records.
    AnyOf {
        trail: usize,
        measures: Vec<usize>,
    },
    /// Those that a selector records and none of these measures before it.
    First {
        trail: usize,
        selector: usize,
        measure: usize,
        before: Vec<usize>,
    },
}

/// Events recorded: by a trail, where each counts once, or by one of its selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub trail: usize,
    pub selector: Option<usize>,
    pub events: u64,
}

/// A group of rows, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    pub account: String,
    pub region: String,
    pub category: String,
    pub source: String,
    /// Of data events the type that they are counted under, otherwise empty.
    pub resource_type: String,
    pub read_only: Option<bool>,
    pub failed: bool,
    pub events: u64,
    /// Those whose category is a guess, because the table lacks a column.
    pub guessed: u64,
    pub recorded: Vec<Recorded>,
    /// Events recorded by a selector and by none of its trail before it, where counts by [`crate::selectors::COUNTED_FIELDS`] do not tell.
    pub own: Vec<Recorded>,
}

/// A query that is longer than Athena takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the query has {bytes} bytes, Athena takes {MAX_QUERY}")]
pub struct TooLong {
    pub bytes: usize,
}

/// An answer that is not one to this question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer cannot be understood: {0}")]
pub struct BadRow(String);

impl Field {
    /// Name of the column in the answer.
    fn name(self) -> &'static str {
        match self {
            Self::Account => "account_id",
            Self::Region => "region_name",
            Self::Category => "category",
            Self::Source => "event_source",
            Self::ResourceType => "resource_type",
            Self::ReadOnly => "read_only",
            Self::Failed => "failed",
            Self::EventName => "event_name",
            Self::EventType => "event_type",
            Self::ErrorCode => "error_code",
            Self::ResourceTypes => "resource_types",
        }
    }

    /// What a selector's field needs beyond the groups that there are anyway; `None` where no group decides it.
    fn of(field: &str) -> Option<Self> {
        Some(match field {
            "eventCategory" => Self::Category,
            "readOnly" => Self::ReadOnly,
            "eventSource" => Self::Source,
            "eventName" => Self::EventName,
            "eventType" => Self::EventType,
            "errorCode" => Self::ErrorCode,
            "resources.type" => Self::ResourceTypes,
            _ => return None,
        })
    }

    fn sql(self, table: &Table) -> Result<String, Missing> {
        let columns = &table.columns;
        let partition = |partition: &Option<super::partitions::Partition>| {
            partition.as_ref().map(|partition| partition.column.clone())
        };
        let partitions = &table.partitions;
        match self {
            Self::Account => {
                let column = partition(&partitions.account);
                place(columns, "recipientAccountId", column.as_deref())
            }
            Self::Region => place(
                columns,
                "awsRegion",
                partition(&partitions.region).as_deref(),
            ),
            Self::Category => Ok(CATEGORY.to_owned()),
            Self::Source => columns.text("eventSource"),
            Self::ResourceType => resource_type(columns),
            Self::ReadOnly => columns.text("readOnly").map(|_| READ_ONLY.to_owned()),
            Self::Failed => columns
                .text("errorCode")
                .map(|code| format!("{code} IS NOT NULL")),
            Self::EventName => columns.text("eventName"),
            Self::EventType => columns.text("eventType"),
            Self::ErrorCode => columns.text("errorCode"),
            Self::ResourceTypes => resource_types(columns),
        }
    }
}

const ALWAYS: [Field; 7] = [
    Field::Account,
    Field::Region,
    Field::Category,
    Field::Source,
    Field::ResourceType,
    Field::ReadOnly,
    Field::Failed,
];

/// Whether groups of rows decide a selector.
fn is_decided_by_groups(selector: &AdvancedEventSelector) -> bool {
    let mut fields = selector.field_selectors.iter();
    fields.all(|field| Field::of(&field.field).is_some())
}

impl Cube {
    /// The question for the selectors of these trails. All that the table lacks is told at once.
    pub fn new(
        trails: &[(&str, &Selectors)],
        table: &Table,
        copies: Copies,
    ) -> Result<Self, Vec<Missing>> {
        let mut cube = Self {
            trails: Vec::new(),
            groups: Vec::new(),
            measures: vec![Measure::All],
            copies,
        };
        let mut missing = Vec::new();
        if let Some(guessed) = guessed(&table.columns) {
            cube.measures.push(Measure::Guessed(guessed));
        }
        if copies == Copies::Once {
            missing.extend(table.columns.text("eventID").err());
        }
        for (name, selectors) in trails {
            cube.trail(name, selectors, &table.columns, &mut missing);
        }
        cube.group(table, &mut missing);
        match missing.is_empty() {
            true => Ok(cube),
            false => Err(missing),
        }
    }

    fn trail(
        &mut self,
        name: &str,
        selectors: &Selectors,
        columns: &Columns,
        missing: &mut Vec<Missing>,
    ) {
        let trail = self.trails.len();
        let mut own = Vec::new();
        for (index, selector) in selectors.to_advanced().into_iter().enumerate() {
            let mut measure = None;
            if !is_decided_by_groups(&selector) {
                measure = Some(self.measures.len());
                match condition(&selector, columns) {
                    Ok(sql) => self.measures.push(Measure::Selector {
                        trail,
                        selector: index,
                        sql,
                    }),
                    Err(lack) => {
                        let selector = format!("{} of trail {name}", called(&selector, index));
                        missing.push(lack.of(selector));
                    }
                }
            }
            own.push(Selector {
                alone: [selector],
                measure,
                first: measure,
            });
        }
        let measures: Vec<usize> = own.iter().filter_map(|s| s.measure).collect();
        if measures.len() > 1 {
            self.measures.push(Measure::AnyOf { trail, measures });
            self.firsts(trail, &mut own);
        }
        self.trails.push(Trail {
            name: name.to_owned(),
            selectors: own,
        });
    }

    /// Each event belongs to the first selector that records it, so from the second measured one on that is asked too.
    fn firsts(&mut self, trail: usize, own: &mut [Selector]) {
        let mut before = Vec::new();
        for (selector, one) in own.iter_mut().enumerate() {
            let Some(measure) = one.measure else {
                continue;
            };
            if !before.is_empty() {
                one.first = Some(self.measures.len());
                self.measures.push(Measure::First {
                    trail,
                    selector,
                    measure,
                    before: before.clone(),
                });
            }
            before.push(measure);
        }
    }

    fn group(&mut self, table: &Table, missing: &mut Vec<Missing>) {
        let selectors = self.trails.iter().flat_map(|trail| &trail.selectors);
        let decided = selectors.filter(|selector| selector.measure.is_none());
        let fields = decided.flat_map(|selector| &selector.alone[0].field_selectors);
        let mut wanted: Vec<Field> = fields.filter_map(|field| Field::of(&field.field)).collect();
        wanted.extend(ALWAYS);
        wanted.sort();
        wanted.dedup();
        for field in wanted {
            match field.sql(table) {
                Ok(sql) => self.groups.push(Group { field, sql }),
                Err(lack) if missing.contains(&lack) => {}
                Err(lack) => missing.push(lack),
            }
        }
    }

    /// The question for a part of the table.
    pub fn query(&self, table: &Table, bounds: &Bounds) -> Result<String, QueryError> {
        let events = events(table, bounds)?;
        let mut columns: Vec<String> = self
            .groups
            .iter()
            .map(|group| format!("    {} AS {}", group.sql, group.field.name()))
            .collect();
        if self.copies == Copies::Once {
            let id = table.columns.text("eventID")?;
            columns.push(format!("    NULLIF({id}, '') AS event_id"));
        }
        columns.extend(self.measures.iter().filter_map(|m| self.condition(m)));
        let groups = self
            .groups
            .iter()
            .map(|group| format!("  {}", group.field.name()));
        let counts = self.measures.iter().map(|measure| self.count(measure));
        let answer: Vec<String> = groups.chain(counts).collect();
        let numbers: Vec<String> = (1..=self.groups.len()).map(|n| n.to_string()).collect();
        let text = format!(
            "WITH event AS (\n  {events}\n),\ncounted AS (\n  SELECT\n{}\n  FROM event\n)\nSELECT\n{}\nFROM counted\nGROUP BY {}",
            columns.join(",\n"),
            answer.join(",\n"),
            numbers.join(", ")
        );
        match text.len() {
            bytes if bytes > MAX_QUERY => Err(TooLong { bytes }.into()),
            _ => Ok(text),
        }
    }

    /// The column that says whether a row counts, with the selector's name above it.
    fn condition(&self, measure: &Measure) -> Option<String> {
        let name = self.name(measure);
        match measure {
            Measure::All | Measure::AnyOf { .. } | Measure::First { .. } => None,
            Measure::Guessed(sql) => Some(format!("    {sql} AS {name}")),
            Measure::Selector {
                trail,
                selector,
                sql,
            } => {
                let (index, trail) = (*selector, self.trails.get(*trail)?);
                let selector = trail.selectors.get(index)?;
                let called = called(&selector.alone[0], index);
                let said = format!("-- selector {called} of trail {:?}", trail.name);
                Some(format!("    {said}\n    {sql} AS {name}"))
            }
        }
    }

    fn name(&self, measure: &Measure) -> String {
        match measure {
            Measure::All => "events".to_owned(),
            Measure::Guessed(_) => "guessed".to_owned(),
            Measure::Selector {
                trail, selector, ..
            } => format!("selector_{trail}_{selector}"),
            Measure::AnyOf { trail, .. } => format!("trail_{trail}"),
            Measure::First {
                trail, selector, ..
            } => format!("first_{trail}_{selector}"),
        }
    }

    fn any(&self, measures: &[usize]) -> String {
        let measures = measures
            .iter()
            .filter_map(|index| self.measures.get(*index));
        let names: Vec<String> = measures.map(|measure| self.name(measure)).collect();
        names.join(" OR ")
    }

    fn count(&self, measure: &Measure) -> String {
        let name = self.name(measure);
        let condition = match measure {
            Measure::All => None,
            Measure::AnyOf { measures, .. } => Some(self.any(measures)),
            Measure::First {
                measure, before, ..
            } => Some(format!(
                "{} AND NOT ({})",
                self.any(&[*measure]),
                self.any(before)
            )),
            _ => Some(name.clone()),
        };
        let only = |more: &str| match (&condition, more) {
            (None, "") => String::new(),
            (None, more) => format!(" FILTER (WHERE {more})"),
            (Some(condition), "") => format!(" FILTER (WHERE {condition})"),
            (Some(condition), more) => format!(" FILTER (WHERE ({condition}) AND {more})"),
        };
        match self.copies {
            Copies::Counted => format!("  count(*){} AS {name}", only("")),
            Copies::Once => format!(
                "  count(DISTINCT event_id){} + count(*){} AS {name}",
                only(""),
                only("event_id IS NULL")
            ),
        }
    }

    /// What a row of the answer says.
    pub fn cell(&self, row: &[Option<String>]) -> Result<Cell, BadRow> {
        let columns = self.groups.len() + self.measures.len();
        if row.len() != columns {
            let message = format!(
                "a row of {} columns where {columns} were asked for",
                row.len()
            );
            return Err(BadRow(message));
        }
        let (groups, measures) = row.split_at(self.groups.len());
        let named = self.groups.iter().map(|group| group.field).zip(groups);
        let values: BTreeMap<Field, &str> = named
            .filter_map(|(field, value)| Some((field, value.as_deref()?)))
            .collect();
        let counts: Result<Vec<u64>, BadRow> = measures.iter().map(number).collect();
        let counts = counts?;
        let text = |field| values.get(&field).copied().unwrap_or_default().to_owned();
        let mut cell = Cell {
            account: text(Field::Account),
            region: text(Field::Region),
            category: text(Field::Category),
            source: text(Field::Source),
            resource_type: text(Field::ResourceType),
            read_only: flag(values.get(&Field::ReadOnly)),
            failed: values.get(&Field::Failed) == Some(&"true"),
            events: counts.first().copied().unwrap_or_default(),
            ..Cell::default()
        };
        for (measure, count) in self.measures.iter().zip(&counts) {
            if matches!(measure, Measure::Guessed(_)) {
                cell.guessed = *count;
            }
        }
        let event = event(&values)?;
        cell.recorded = self.recorded(&event, cell.events, &counts);
        cell.own = self.own(&event, cell.events, &counts);
        Ok(cell)
    }

    /// Each event of a group once for each trail, with the first selector that records it. Where counts tell how many
    /// events a selector records, all of them are its own, and nobody else's.
    fn own(&self, event: &Event<'_>, events: u64, counts: &[u64]) -> Vec<Recorded> {
        let mut all = Vec::new();
        for (trail, of) in self.trails.iter().enumerate() {
            let selectors = of.selectors.iter().enumerate();
            let decided = selectors.clone().filter(|(_, one)| one.measure.is_none());
            let mut recording = decided
                .filter(|(_, one)| matches(&one.alone, event).is_some())
                .peekable();
            let first = recording.peek().map(|(index, _)| *index);
            if recording.any(|(_, one)| one.alone[0].is_told_by_counts()) {
                continue;
            }
            let mut left = events;
            let before =
                selectors.take_while(|(index, _)| first.is_none_or(|first| *index < first));
            for (selector, one) in before {
                let taken = one
                    .first
                    .and_then(|first| counts.get(first))
                    .copied()
                    .unwrap_or_default();
                left = left.saturating_sub(taken);
                all.push((trail, selector, taken));
            }
            all.extend(first.map(|selector| (trail, selector, left)));
        }
        let own = all.into_iter().filter(|(_, _, events)| *events > 0);
        let own = own.map(|(trail, selector, events)| Recorded {
            trail,
            selector: Some(selector),
            events,
        });
        own.collect()
    }

    /// What each selector and trail recorded of a group.
    fn recorded(&self, event: &Event<'_>, events: u64, counts: &[u64]) -> Vec<Recorded> {
        let count = |measure: usize| counts.get(measure).copied().unwrap_or_default();
        let mut all = Vec::new();
        for (trail, of) in self.trails.iter().enumerate() {
            let mut most = 0;
            let mut measured = None;
            for (selector, one) in of.selectors.iter().enumerate() {
                let recorded = match one.measure {
                    Some(measure) => {
                        measured = Some(count(measure));
                        count(measure)
                    }
                    None if matches(&one.alone, event).is_some() => {
                        most = events;
                        events
                    }
                    None => 0,
                };
                all.push((trail, Some(selector), recorded));
            }
            // A selector that records the whole group settles the trail; otherwise its measured ones do, together.
            let any_of = |measure: &Measure| matches!(measure, Measure::AnyOf { trail: t, .. } if *t == trail);
            let together = self.measures.iter().position(any_of).map(count);
            let of_trail = together.or(measured).unwrap_or_default().max(most);
            all.push((trail, None, of_trail));
        }
        let recorded = all.into_iter().filter(|(_, _, events)| *events > 0);
        recorded
            .map(|(trail, selector, events)| Recorded {
                trail,
                selector,
                events,
            })
            .collect()
    }
}

fn number(value: &Option<String>) -> Result<u64, BadRow> {
    let text = value.as_deref().unwrap_or_default();
    text.parse()
        .map_err(|_| BadRow(format!("{text:?} where a number was asked for")))
}

fn flag(value: Option<&&str>) -> Option<bool> {
    match value {
        Some(&"true") => Some(true),
        Some(&"false") => Some(false),
        _ => None,
    }
}

/// An event of a group, as far as the selectors that groups decide look at it.
fn event<'a>(values: &BTreeMap<Field, &'a str>) -> Result<Event<'a>, BadRow> {
    let text = |field| values.get(&field).map(|text| Cow::Borrowed(*text));
    let mut event = Event {
        category: text(Field::Category).unwrap_or_default(),
        read_only: flag(values.get(&Field::ReadOnly)),
        event_source: text(Field::Source),
        event_name: text(Field::EventName),
        event_type: text(Field::EventType),
        error_code: text(Field::ErrorCode),
        ..Event::default()
    };
    if let Some(types) = values.get(&Field::ResourceTypes) {
        let types: Vec<Option<String>> = serde_json::from_str(types)
            .map_err(|_| BadRow(format!("{types:?} where a list of types was asked for")))?;
        let resource = |kind: Option<String>| Resource {
            resource_type: kind.map(Cow::Owned),
            arn: None,
        };
        event.resources = types.into_iter().map(resource).collect();
    }
    Ok(event)
}

/// Why there is no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error("{0}")]
    Missing(Missing),
}

impl From<Missing> for QueryError {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}
