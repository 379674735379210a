//! Counting records as they are read.
//!
//! Records are counted by class: those that agree in the members that decide where they are counted. Only the class
//! is looked up for each record; accounts, rows and selectors are settled once per class and file.

use std::borrow::Cow;
use std::collections::HashMap;

use super::class_key::{ClassKey, hash_of, is_same};
use super::decide::Trails;
use super::dedupe::Dedupe;
use super::engine::{Engine, SelectorId, Verdict, plain};
use super::loss::{Change, LossCounter};
use super::record::{Field, Record, text};
use super::source::Selection;
use super::talkers::TalkerCounter;
use super::tally::{Counts, Files, Recorder, RegionTally, Tally};
use crate::selectors::Event;

/// Classes that are remembered; random event names must not fill the memory.
const MAX_CLASSES: usize = 8 * 1024;

type Classes = HashMap<u64, usize, foldhash::fast::FixedState>;

/// Where a log file lies, by its path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub account: String,
    pub region: String,
}

/// Counts records, for one thread.
pub struct Counter<'e> {
    engine: &'e Engine,
    dedupe: Option<&'e Dedupe>,
    loss: Option<LossCounter<'e>>,
    talkers: Option<TalkerCounter<'e>>,
    selection: Option<&'e Selection>,
    /// The path of the file at hand does not say whether its records are wanted.
    is_undated: bool,
    numbers: Classes,
    classes: Vec<Class>,
    /// Classes that have been counted since the last [`Counter::settle`].
    counted: Vec<usize>,
    place: Place,
    cell: Cell,
    tally: Tally,
}

/// Account and Region of the records being counted, as they are written in them.
#[derive(Default)]
struct Cell {
    recipient: Vec<u8>,
    owner: Vec<u8>,
    region: Vec<u8>,
    names: Place,
}

/// What records of a class have in common.
struct Class {
    key: ClassKey,
    category: String,
    source: String,
    /// The resource type of data events.
    kind: String,
    call: Box<[u8]>,
    read_only: Option<bool>,
    failed: bool,
    is_data: bool,
    first_is_object: bool,
    verdict: Verdict,
    count: u64,
    /// Of each selector that decides over single records.
    hits: Vec<u64>,
    /// Of these, the events that no selector of the trail before them has recorded.
    first_hits: Vec<u64>,
}

impl<'e> Counter<'e> {
    pub fn new(engine: &'e Engine, dedupe: Option<&'e Dedupe>) -> Self {
        Self {
            engine,
            dedupe,
            loss: None,
            talkers: None,
            selection: None,
            is_undated: true,
            numbers: Classes::default(),
            classes: Vec::new(),
            counted: Vec::new(),
            place: Place::default(),
            cell: Cell::default(),
            tally: Tally::default(),
        }
    }

    /// Also counts what a change of the trails loses.
    #[must_use]
    pub fn with_change(mut self, change: Option<&'e Change>) -> Self {
        self.loss = change.map(LossCounter::new);
        self
    }

    /// Leaves out records of files whose path does not say what is selected.
    #[must_use]
    pub fn with_selection(mut self, selection: &'e Selection) -> Self {
        self.selection = Some(selection).filter(|selection| !selection.is_everything());
        self
    }

    /// Also counts who causes what these trails record.
    #[must_use]
    pub fn with_talkers(mut self, trails: Option<&'e Trails>) -> Self {
        self.talkers = trails.map(TalkerCounter::new);
        self
    }

    /// Begins a file; records that do not name their account or Region are counted at the file's place.
    pub fn begin(&mut self, place: Option<&Place>) {
        self.is_undated = place.is_none();
        // Files of one folder come one after the other.
        if place == Some(&self.place) {
            return;
        }
        self.settle();
        self.place = place.cloned().unwrap_or_default();
        self.cell = Cell {
            names: self.place.clone(),
            ..Cell::default()
        };
    }

    pub fn files(&mut self, place: Option<&Place>, files: Files) {
        self.tally.files.add(files);
        if let Some(place) = place {
            self.tally
                .region(&place.account, &place.region)
                .files
                .add(files);
        }
    }

    /// For what concerns no single record.
    pub fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// Takes what has been counted so far.
    pub fn take(&mut self) -> Tally {
        self.settle();
        std::mem::take(&mut self.tally)
    }

    pub fn record(&mut self, record: &Record<'_>) {
        self.enter_cell(record);
        if self.is_undated && !self.is_selected(record) {
            return;
        }
        if let Some(dedupe) = self.dedupe {
            let id = record.get(Field::EventId);
            if !id.is_empty() && !dedupe.is_new(id, self.cell.names.account.as_bytes()) {
                self.tally.duplicates += 1;
                return;
            }
        }
        if let [b'"', time @ .., b'"'] = record.get(Field::EventTime) {
            self.tally.window.add(time);
        }
        self.tally.events += 1;
        if let Some(loss) = &mut self.loss {
            loss.record(record, &self.cell.names, &mut self.tally.lost);
        }
        if let Some(talkers) = &mut self.talkers {
            talkers.record(record, &self.cell.names, &mut self.tally.talkers);
        }
        let number = self.class_of(record);
        let Some(class) = self.classes.get_mut(number) else {
            return;
        };
        if class.count == 0 {
            self.counted.push(number);
        }
        class.count += 1;
        class.decide(self.engine, record);
        let object = class.first_is_object;
        if class.is_data
            && let Some((_, [b'"', arn @ .., b'"'])) = record.resources().next()
        {
            self.tally
                .resources
                .add(without_key(&plain(arn), object), 1);
        }
        if let [b'"', arn @ .., b'"'] = record.user_arn() {
            self.tally.principals.add(principal(&plain(arn)), 1);
        }
    }

    fn is_selected(&self, record: &Record<'_>) -> bool {
        self.selection.is_none_or(|selection| {
            let names = &self.cell.names;
            let time = text(record.get(Field::EventTime)).unwrap_or_default();
            selection.wants_record(&names.account, &names.region, time.as_bytes())
        })
    }

    /// Makes account and Region of the record the current ones.
    #[inline]
    fn enter_cell(&mut self, record: &Record<'_>) {
        let recipient = record.get(Field::RecipientAccountId);
        let owner = record.get(Field::AccountId);
        let region = record.get(Field::AwsRegion);
        let cell = &self.cell;
        let same = is_same(&cell.recipient, recipient)
            && is_same(&cell.region, region)
            && is_same(&cell.owner, owner);
        if !same {
            self.change_cell(recipient, owner, region);
        }
    }

    fn change_cell(&mut self, recipient: &[u8], owner: &[u8], region: &[u8]) {
        self.settle();
        let named = |written| text(written).filter(|text| !text.is_empty());
        let account = named(recipient).or_else(|| named(owner));
        let account = account.map_or_else(|| self.place.account.clone(), |a| a.into_owned());
        let name = named(region);
        let name = name.map_or_else(|| self.place.region.clone(), |r| r.into_owned());
        self.cell = Cell {
            recipient: recipient.to_vec(),
            owner: owner.to_vec(),
            region: region.to_vec(),
            names: Place {
                account,
                region: name,
            },
        };
    }

    #[inline]
    fn class_of(&mut self, record: &Record<'_>) -> usize {
        let mut hash = hash_of(record);
        while let Some(number) = self.numbers.get(&hash) {
            let class = self.classes.get(*number);
            if class.is_some_and(|class| class.key.is_of(record)) {
                return *number;
            }
            // Another class of the same hash, which hardly ever happens.
            hash = hash.wrapping_add(1);
        }
        self.new_class(record, hash)
    }

    #[cold]
    fn new_class(&mut self, record: &Record<'_>, hash: u64) -> usize {
        if self.classes.len() >= MAX_CLASSES {
            self.settle();
            self.classes.clear();
            self.numbers.clear();
        }
        let event = record.event();
        let verdict = self.engine.classify(&event);
        let number = self.classes.len();
        let key = ClassKey::of(record);
        self.classes.push(Class::new(key, &event, verdict));
        self.numbers.insert(hash, number);
        number
    }

    /// Adds the counts of the classes to the account and Region that they were counted in.
    fn settle(&mut self) {
        if self.counted.is_empty() {
            return;
        }
        let names = &self.cell.names;
        let counted = std::mem::take(&mut self.counted);
        for number in &counted {
            if let Some(class) = self.classes.get_mut(*number) {
                class.settle(&mut self.tally, names);
            }
        }
        self.counted = counted;
        self.counted.clear();
    }
}

/// Of an object in S3, its bucket.
pub fn without_key(arn: &[u8], is_object: bool) -> &[u8] {
    match memchr::memchr(b'/', arn) {
        Some(end) if is_object => arn.get(..end).unwrap_or(arn),
        _ => arn,
    }
}

/// The first resource of a record, as it is counted.
pub fn resource_of(record: &Record<'_>) -> Option<Vec<u8>> {
    let (kind, arn) = record.resources().next()?;
    let [b'"', arn @ .., b'"'] = arn else {
        return None;
    };
    let arn = plain(arn);
    let is_object = text(kind).as_deref() == Some("AWS::S3::Object");
    Some(without_key(&arn, is_object).to_vec())
}

/// A role, whoever used it: `arn:aws:sts::111122223333:assumed-role/ROLE`, without the session behind it.
pub fn principal(arn: &[u8]) -> &[u8] {
    let Some(kind) = memchr::memchr(b'/', arn) else {
        return arn;
    };
    let (before, role) = arn.split_at(kind + 1);
    match memchr::memchr(b'/', role) {
        Some(length) if before.ends_with(b":assumed-role/") => &arn[..before.len() + length],
        _ => arn,
    }
}

impl Class {
    fn new(key: ClassKey, event: &Event<'_>, verdict: Verdict) -> Self {
        let owned = |text: &Option<Cow<str>>| text.as_deref().unwrap_or_default().to_owned();
        let (source, name): (String, String) =
            (owned(&event.event_source), owned(&event.event_name));
        let is_data = event.category == "Data";
        let first = event
            .resources
            .first()
            .and_then(|r| r.resource_type.as_deref());
        Self {
            key,
            kind: if is_data {
                resource_type(event).to_owned()
            } else {
                String::new()
            },
            call: format!("{source} {name}").into_bytes().into(),
            category: event.category.clone().into_owned(),
            source,
            read_only: event.read_only,
            failed: event.error_code.is_some(),
            is_data,
            first_is_object: first == Some("AWS::S3::Object"),
            count: 0,
            hits: vec![0; verdict.sometimes.len()],
            first_hits: vec![0; verdict.sometimes.len()],
            verdict,
        }
    }

    #[inline]
    fn decide(&mut self, engine: &Engine, record: &Record<'_>) {
        let mut trail = None;
        for (index, sometimes) in self.verdict.sometimes.iter().enumerate() {
            if !engine.decide(sometimes, record) {
                continue;
            }
            self.hits[index] += 1;
            if !sometimes.settled && trail != Some(sometimes.id.trail) {
                trail = Some(sometimes.id.trail);
                self.first_hits[index] += 1;
            }
        }
    }

    fn settle(&mut self, tally: &mut Tally, place: &Place) {
        let count = std::mem::take(&mut self.count);
        let region = tally.region(&place.account, &place.region);
        let rows = region.events.entry(self.category.clone()).or_default();
        let row = rows.entry((self.source.clone(), self.kind.clone()));
        row.or_default().add(self.counts(count));
        let mut record = |trail, selector, count| {
            if count > 0 {
                let category = self.category.clone();
                let recorder = Recorder {
                    trail,
                    selector,
                    category,
                };
                *region.recorded.entry(recorder).or_default() += count;
            }
        };
        let mut trail = None;
        for SelectorId { trail: t, selector } in self.verdict.always.iter().copied() {
            record(t, Some(selector), count);
            if trail != Some(t) {
                record(t, None, count);
            }
            trail = Some(t);
        }
        for (index, sometimes) in self.verdict.sometimes.iter().enumerate() {
            let id = sometimes.id;
            record(
                id.trail,
                Some(id.selector),
                std::mem::take(&mut self.hits[index]),
            );
            if !sometimes.trail_always {
                record(id.trail, None, self.first_hits[index]);
            }
        }
        self.settle_own(region, count);
        tally.calls.add(&self.call, count);
    }

    /// What the always-recording selectors count as their own is what those before them have left.
    fn settle_own(&mut self, region: &mut RegionTally, count: u64) {
        for id in &self.verdict.own {
            let before = self.verdict.sometimes.iter().zip(&self.first_hits);
            let before = before.filter(|(sometimes, _)| sometimes.id.trail == id.trail);
            let taken: u64 = before.map(|(_, hits)| hits).sum();
            if count > taken {
                *region.own.entry(*id).or_default() += count - taken;
            }
        }
        for (sometimes, hits) in self.verdict.sometimes.iter().zip(&mut self.first_hits) {
            let hits = std::mem::take(hits);
            if hits > 0 {
                *region.own.entry(sometimes.id).or_default() += hits;
            }
        }
    }

    fn counts(&self, count: u64) -> Counts {
        let mut counts = Counts::default();
        match self.read_only {
            Some(true) => counts.read = count,
            Some(false) => counts.write = count,
            None => counts.other = count,
        }
        if self.failed {
            counts.errors = count;
        }
        counts
    }
}

/// The resource type that a data event is counted under: the first one that is not merely the container of another.
/// Old records name no resources; then the event source says it.
fn resource_type<'a>(event: &'a Event<'_>) -> &'a str {
    let types = event
        .resources
        .iter()
        .filter_map(|r| r.resource_type.as_deref());
    let container =
        |kind: &&str| matches!(*kind, "AWS::S3::Bucket" | "AWS::S3Express::DirectoryBucket");
    let mut own = types.clone().filter(|kind| !container(kind));
    if let Some(kind) = own.next().or_else(|| types.clone().next()) {
        return kind;
    }
    match event.event_source.as_deref().unwrap_or_default() {
        "s3.amazonaws.com" => "AWS::S3::Object",
        "lambda.amazonaws.com" => "AWS::Lambda::Function",
        "dynamodb.amazonaws.com" => "AWS::DynamoDB::Table",
        _ => "",
    }
}
