//! The selectors of all trails, compiled once.
//!
//! Most of what a selector asks for has few values: category, event source, event name and the like. Records that
//! agree in all of these are a class, and the selectors decide over a class once. What is left for each single record
//! are the conditions on values that differ from record to record, above all `resources.ARN`.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::Value;

use super::record::{Field, Record, unescaped};
use crate::selectors::{AdvancedEventSelector, Event, FieldSelector, Operator, Selectors, matches};

/// More resources than a class keeps candidates for; records with more are decided without classes.
const MAX_RESOURCES: usize = 64;

/// All selectors of all trails.
#[derive(Debug, Default)]
pub struct Engine {
    trails: Vec<Trail>,
    selectors: Vec<Compiled>,
}

#[derive(Debug)]
struct Trail {
    name: String,
    selectors: Vec<Option<String>>,
}

#[derive(Debug)]
struct Compiled {
    trail: usize,
    index: usize,
    whole: AdvancedEventSelector,
    /// The conditions on which all records of a class agree.
    fixed: AdvancedEventSelector,
    /// The conditions on `resources.type`, which say which resources count.
    kind: AdvancedEventSelector,
    varying: Vec<Condition>,
    /// Names a field that this program does not know.
    unknown: bool,
    /// Asks for more than counts by category, source, type and access can tell, so its own events are counted.
    own: bool,
}

/// A selector whose own events are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCount<'e> {
    pub index: usize,
    /// Its name, or `selector 3`.
    pub name: String,
    pub selector: &'e AdvancedEventSelector,
}

/// A selector by the index of its trail and its own in the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SelectorId {
    pub trail: usize,
    pub selector: usize,
}

/// What the selectors decide over a class of records.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Selectors that record every record of the class.
    pub always: Vec<SelectorId>,
    /// Of these, the ones that count what no selector of their trail before them records as their own.
    pub own: Vec<SelectorId>,
    /// Selectors that record some, by trail.
    pub sometimes: Vec<Sometimes>,
}

/// A selector that decides over each record of a class.
#[derive(Clone, Debug)]
pub struct Sometimes {
    pub id: SelectorId,
    /// The trail records the class anyway.
    pub trail_always: bool,
    /// A selector of the trail that goes before this one records the class anyway.
    pub settled: bool,
    compiled: usize,
    /// The elements of `resources` that count; nothing when the whole selector has to be evaluated.
    candidates: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Varying {
    ResourceArn,
    UserArn,
    VpcEndpoint,
    SessionFromConsole,
}

/// A field selector on a value that varies within a class.
#[derive(Debug)]
struct Condition {
    on: Varying,
    selects: bool,
    select: Patterns,
    reject: Patterns,
}

impl Engine {
    pub fn new(trails: &[(&str, &Selectors)]) -> Self {
        let mut engine = Self {
            trails: Vec::new(),
            selectors: Vec::new(),
        };
        for (trail, (name, selectors)) in trails.iter().enumerate() {
            let advanced = selectors.to_advanced();
            engine.trails.push(Trail {
                name: (*name).to_owned(),
                selectors: advanced.iter().map(|s| s.name.clone()).collect(),
            });
            let compiled = advanced.into_iter().enumerate();
            let compiled = compiled.map(|(index, selector)| Compiled::new(trail, index, selector));
            engine.selectors.extend(compiled);
        }
        engine
    }

    /// Names of the trails, in the order in which they are counted.
    pub fn trails(&self) -> impl Iterator<Item = &str> {
        self.trails.iter().map(|trail| trail.name.as_str())
    }

    /// The names of a trail's selectors.
    pub fn selectors(&self, trail: usize) -> &[Option<String>] {
        self.trails.get(trail).map_or(&[], |trail| &trail.selectors)
    }

    /// Decides over the class of an event.
    pub fn classify(&self, event: &Event<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        for (compiled, selector) in self.selectors.iter().enumerate() {
            let id = selector.id();
            let listed = event.resources.len() <= MAX_RESOURCES;
            if selector.unknown || !(listed || selector.varying.is_empty()) {
                verdict.sometimes.push(Sometimes::new(id, compiled, None));
            } else if !selector.fixed.records(event) {
            } else if selector.varying.is_empty() {
                verdict.always.push(id);
            } else {
                let candidates = Some(selector.candidates(event));
                verdict
                    .sometimes
                    .push(Sometimes::new(id, compiled, candidates));
            }
        }
        self.settle(&mut verdict);
        verdict
    }

    /// Each event of a trail is counted once: by the counts of its class where these suffice for one of the selectors
    /// that record it, else by the first of these.
    fn settle(&self, verdict: &mut Verdict) {
        for sometimes in &mut verdict.sometimes {
            let mut always = of_trail(&verdict.always, sometimes.id.trail).peekable();
            sometimes.trail_always = always.peek().is_some();
            sometimes.settled = always.any(|id| id < sometimes.id || !self.counts_own(id));
        }
        let first = |id: &SelectorId| of_trail(&verdict.always, id.trail).next() == Some(*id);
        let all_own = |id: &SelectorId| {
            of_trail(&verdict.always, id.trail).all(|other| self.counts_own(other))
        };
        let own = verdict.always.iter().copied();
        verdict.own = own.filter(|id| first(id) && all_own(id)).collect();
    }

    fn counts_own(&self, id: SelectorId) -> bool {
        let mut selectors = self.selectors.iter();
        selectors.any(|selector| selector.own && selector.id() == id)
    }

    /// The selectors of a trail whose own events are counted.
    pub fn own_counts(&self, trail: usize) -> impl Iterator<Item = OwnCount<'_>> {
        let own = self
            .selectors
            .iter()
            .filter(move |s| s.trail == trail && s.own);
        own.map(|selector| OwnCount {
            index: selector.index,
            selector: &selector.whole,
            name: match &selector.whole.name {
                Some(name) => name.clone(),
                None => format!("selector {}", selector.index + 1),
            },
        })
    }

    /// Whether a selector that decides over single records records this one.
    #[inline]
    pub fn decide(&self, sometimes: &Sometimes, record: &Record<'_>) -> bool {
        let Some(selector) = self.selectors.get(sometimes.compiled) else {
            return false;
        };
        match sometimes.candidates {
            Some(candidates) => selector
                .varying
                .iter()
                .all(|c| c.passes(record, candidates)),
            None => selector.decide_whole(record),
        }
    }
}

fn of_trail(ids: &[SelectorId], trail: usize) -> impl Iterator<Item = SelectorId> {
    ids.iter().copied().filter(move |id| id.trail == trail)
}

impl Sometimes {
    fn new(id: SelectorId, compiled: usize, candidates: Option<u64>) -> Self {
        Self {
            id,
            trail_always: false,
            settled: false,
            compiled,
            candidates,
        }
    }
}

trait Records {
    fn records(&self, event: &Event<'_>) -> bool;
}

impl Records for AdvancedEventSelector {
    fn records(&self, event: &Event<'_>) -> bool {
        matches(std::slice::from_ref(self), event).is_some()
    }
}

impl Compiled {
    fn new(trail: usize, index: usize, selector: AdvancedEventSelector) -> Self {
        let fields = &selector.field_selectors;
        let is_varying = |field: &&FieldSelector| Varying::named(&field.field).is_some();
        let fixed = fields.iter().filter(|field| !is_varying(field)).cloned();
        let kind = fields
            .iter()
            .filter(|field| field.field == "resources.type");
        Self {
            trail,
            index,
            fixed: AdvancedEventSelector::new(fixed.collect()),
            kind: AdvancedEventSelector::new(kind.cloned().collect()),
            varying: fields.iter().filter_map(Condition::of).collect(),
            unknown: fields.iter().any(|field| !is_known(&field.field)),
            own: !selector.is_told_by_counts(),
            whole: selector,
        }
    }

    fn id(&self) -> SelectorId {
        SelectorId {
            trail: self.trail,
            selector: self.index,
        }
    }

    /// The elements of `resources` that are of a selected type, one bit each.
    fn candidates(&self, event: &Event<'_>) -> u64 {
        let resources = event.resources.iter().take(MAX_RESOURCES).enumerate();
        let of_type = resources.filter(|(_, resource)| {
            let alone = Event {
                resources: vec![(*resource).clone()],
                ..Event::default()
            };
            self.kind.records(&alone)
        });
        of_type.fold(0, |bits, (index, _)| bits | 1 << index)
    }

    fn decide_whole(&self, record: &Record<'_>) -> bool {
        if !self.unknown {
            return self.whole.records(&record.event());
        }
        match serde_json::from_slice::<Value>(record.text()) {
            Ok(document) => self.whole.records(&Event::from_record(&document)),
            Err(_) => self.whole.records(&record.event()),
        }
    }
}

/// Fields that are part of a record's class, and those that vary within one.
fn is_known(field: &str) -> bool {
    let fixed = [
        "eventCategory",
        "readOnly",
        "eventSource",
        "eventName",
        "eventType",
        "errorCode",
        "resources.type",
    ];
    fixed.contains(&field) || Varying::named(field).is_some()
}

impl Varying {
    fn named(field: &str) -> Option<Self> {
        match field {
            "resources.ARN" => Some(Self::ResourceArn),
            "userIdentity.arn" => Some(Self::UserArn),
            "vpcEndpointId" => Some(Self::VpcEndpoint),
            "sessionCredentialFromConsole" => Some(Self::SessionFromConsole),
            _ => None,
        }
    }
}

impl Condition {
    fn of(field: &FieldSelector) -> Option<Self> {
        let list = |operator| field.values(operator);
        Some(Self {
            on: Varying::named(&field.field)?,
            selects: field.conditions().any(|(operator, _)| operator.selects()),
            select: Patterns::new(
                list(Operator::Equals),
                list(Operator::StartsWith),
                list(Operator::EndsWith),
            ),
            reject: Patterns::new(
                list(Operator::NotEquals),
                list(Operator::NotStartsWith),
                list(Operator::NotEndsWith),
            ),
        })
    }

    fn passes(&self, record: &Record<'_>, candidates: u64) -> bool {
        let mut selected = !self.selects;
        match self.on {
            Varying::ResourceArn => {
                for (index, (_, arn)) in record.resources().enumerate() {
                    if candidates >> index & 1 == 1 && self.rejects(arn, &mut selected) {
                        return false;
                    }
                }
                selected
            }
            Varying::UserArn => !self.rejects(record.user_arn(), &mut selected) && selected,
            Varying::VpcEndpoint => {
                !self.rejects(record.get(Field::VpcEndpointId), &mut selected) && selected
            }
            Varying::SessionFromConsole => {
                let value = record.event().session_credential_from_console;
                let value = value.as_deref().map(str::as_bytes);
                !self.rejects_value(value, &mut selected) && selected
            }
        }
    }

    /// Whether a value is rejected; if not, it may select.
    fn rejects(&self, written: &[u8], selected: &mut bool) -> bool {
        let [b'"', inner @ .., b'"'] = written else {
            return false;
        };
        self.rejects_value(Some(&plain(inner)), selected)
    }

    fn rejects_value(&self, value: Option<&[u8]>, selected: &mut bool) -> bool {
        let Some(value) = value else {
            return false;
        };
        *selected = *selected || self.select.hit(value);
        self.reject.hit(value)
    }
}

/// A string without its escapes.
pub fn plain(inner: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    Cow::Owned(unescaped(inner).into_owned().into_bytes())
}

/// The values of an operator each, so that hundreds of them cost no more than a few.
#[derive(Debug)]
struct Patterns {
    exact: HashSet<Box<[u8]>, foldhash::fast::FixedState>,
    /// Sorted, none of them the prefix of another.
    prefixes: Vec<Box<[u8]>>,
    /// Backwards, otherwise like the prefixes.
    suffixes: Vec<Box<[u8]>>,
}

impl Patterns {
    fn new(exact: &[String], prefixes: &[String], suffixes: &[String]) -> Self {
        let bytes = |value: &String| value.as_bytes().into();
        let backwards = |value: &String| value.bytes().rev().collect();
        Self {
            exact: exact.iter().map(bytes).collect(),
            prefixes: shortest(prefixes.iter().map(bytes).collect()),
            suffixes: shortest(suffixes.iter().map(backwards).collect()),
        }
    }

    fn hit(&self, value: &[u8]) -> bool {
        let suffix = || {
            let backwards: Vec<u8> = value.iter().rev().copied().collect();
            starts(&self.suffixes, &backwards)
        };
        starts(&self.prefixes, value)
            || (!self.exact.is_empty() && self.exact.contains(value))
            || (!self.suffixes.is_empty() && suffix())
    }
}

/// Sorted, without those that another one is a prefix of.
fn shortest(mut prefixes: Vec<Box<[u8]>>) -> Vec<Box<[u8]>> {
    prefixes.sort();
    prefixes.dedup_by(|longer, shorter| longer.starts_with(shorter));
    prefixes
}

/// Whether one of the prefixes starts the value: of those before it in order only the last one can.
fn starts(prefixes: &[Box<[u8]>], value: &[u8]) -> bool {
    let before = prefixes.partition_point(|prefix| prefix.as_ref() <= value);
    before > 0 && value.starts_with(&prefixes[before - 1])
}
