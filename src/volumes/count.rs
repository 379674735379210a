//! Counting records as they are read.
//!
//! Records are counted by class: those that agree in the members that decide where they are counted. Only class,
//! account and Region are looked up for each record; rows and selectors are settled once for many of them.

use std::borrow::Cow;
use std::collections::HashMap;

use super::class_key::{ByFingerprint, Fingerprint, Fingerprints, is_same};
use super::decide::Trails;
use super::dedupe::Dedupe;
use super::engine::{Engine, SelectorId, Verdict, plain};
use super::loss::{Change, LossCounter};
use super::record::{Field, Record, text};
use super::sketch::Recent;
use super::source::Selection;
use super::talkers::TalkerCounter;
use super::tally::{Counts, Files, Recorder, RegionTally, Tally};
use crate::selectors::Event;

/// Classes that are remembered; random event names must not fill the memory.
const MAX_CLASSES: usize = 8 * 1024;
/// Accounts and Regions, and classes in them, that are counted before they are settled.
const MAX_CELLS: usize = 1024;
const MAX_ROWS: usize = 8 * 1024;

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
    place: Place,
    /// Files at the place that its Region has not been told yet.
    files: Files,
    fingerprints: Fingerprints,
    cells: Vec<Cell>,
    cell_numbers: ByFingerprint<usize>,
    /// That of the last record.
    cell: Option<usize>,
    classes: Vec<Class>,
    class_numbers: ByFingerprint<usize>,
    rows: Rows,
    principals: Recent,
    resources: Recent,
    tally: Tally,
}

/// An account and Region, as they are written in records, and what they are called.
struct Cell {
    recipient: Vec<u8>,
    owner: Vec<u8>,
    region: Vec<u8>,
    names: Place,
}

/// A value as it is written, unless it would fill the memory: then something that is never written.
fn kept(written: &[u8]) -> Vec<u8> {
    match written.len() {
        ..=LONGEST_NAME => written.to_vec(),
        _ => b"\0".to_vec(),
    }
}

/// What has been counted since it was last settled: for each class in each cell the events, those that each deciding
/// selector has recorded, and those among these that no selector of its trail before it has.
#[derive(Default)]
struct Rows {
    all: Vec<Row>,
    numbers: HashMap<(usize, usize), usize, foldhash::fast::FixedState>,
    counts: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Row {
    class: usize,
    cell: usize,
    /// Where its counts begin.
    start: usize,
}

/// What records of a class have in common.
struct Class {
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
    /// Events that the calls have not been told yet.
    events: u64,
    /// The cell that it was counted in last, and where its counts there begin.
    last: Option<(usize, usize)>,
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
            place: Place::default(),
            files: Files::default(),
            fingerprints: Fingerprints::default(),
            cells: Vec::new(),
            cell_numbers: ByFingerprint::default(),
            cell: None,
            classes: Vec::new(),
            class_numbers: ByFingerprint::default(),
            rows: Rows::default(),
            principals: Recent::default(),
            resources: Recent::default(),
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
        // Files of one folder come one after the other.
        if place != Some(&self.place) {
            self.settle_files();
            self.is_undated = place.is_none();
            self.place = place.cloned().unwrap_or_default();
            self.cell = None;
        }
    }

    /// What has been read of the file at hand.
    pub fn file(&mut self, files: Files) {
        self.tally.files.add(files);
        self.files.add(files);
    }

    /// For what concerns no single record.
    pub fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// Takes what has been counted so far, except for counts of accounts and Regions as long as there are few of them: these add
    /// up to the same sums whenever they are taken.
    pub fn take_batch(&mut self) -> Tally {
        self.settle_frequent();
        if self.rows.all.len() >= MAX_ROWS / 2 {
            self.settle_rows();
        }
        if self.classes.len() >= MAX_CLASSES / 2 {
            self.forget_classes();
        }
        std::mem::take(&mut self.tally)
    }

    /// Takes all that has been counted so far.
    pub fn take(&mut self) -> Tally {
        self.settle();
        std::mem::take(&mut self.tally)
    }

    pub fn record(&mut self, record: &Record<'_>) {
        let cell = self.cell_of(record);
        if self.is_undated && !self.is_selected(record, cell) {
            return;
        }
        if let Some(dedupe) = self.dedupe {
            let id = record.get(Field::EventId);
            let account = self
                .cells
                .get(cell)
                .map(|cell| cell.names.account.as_bytes());
            if !id.is_empty() && !dedupe.is_new(id, account.unwrap_or_default()) {
                self.tally.duplicates += 1;
                return;
            }
        }
        if let [b'"', time @ .., b'"'] = record.get(Field::EventTime) {
            self.tally.window.add(time);
        }
        self.tally.events += 1;
        self.ask_further(record, cell);
        let number = self.class_of(record);
        let Some(class) = self.classes.get_mut(number) else {
            return;
        };
        class.events += 1;
        let start = match class.last {
            Some((last, start)) if last == cell => start,
            _ => {
                let start = self.rows.start(number, cell, class.width());
                class.last = Some((cell, start));
                start
            }
        };
        if let Some(counts) = self.rows.counts.get_mut(start..start + class.width()) {
            class.count(self.engine, record, counts);
        }
        if class.is_data
            && let Some((_, [b'"', arn @ .., b'"'])) = record.resources().next()
        {
            let (sketch, is_object) = (&mut self.tally.resources, class.first_is_object);
            match resource(arn, is_object) {
                Some(arn) => self.resources.add(arn, |arn, count| sketch.add(arn, count)),
                None => sketch.add(resource(&plain(arn), is_object).unwrap_or_default(), 1),
            }
        }
        if let [b'"', arn @ .., b'"'] = record.user_arn() {
            let sketch = &mut self.tally.principals;
            self.principals
                .add(arn, |arn, count| sketch.add(principal(&plain(arn)), count));
        }
        if self.rows.all.len() >= MAX_ROWS {
            self.settle_rows();
        }
    }

    fn is_selected(&self, record: &Record<'_>, cell: usize) -> bool {
        let (Some(selection), Some(cell)) = (self.selection, self.cells.get(cell)) else {
            return true;
        };
        let time = text(record.get(Field::EventTime)).unwrap_or_default();
        selection.wants_record(&cell.names.account, &cell.names.region, time.as_bytes())
    }

    /// What is only counted where it was asked for.
    #[inline]
    fn ask_further(&mut self, record: &Record<'_>, cell: usize) {
        if self.loss.is_none() && self.talkers.is_none() {
            return;
        }
        let Some(cell) = self.cells.get(cell) else {
            return;
        };
        if let Some(loss) = &mut self.loss {
            loss.record(record, &cell.names, &mut self.tally.lost);
        }
        if let Some(talkers) = &mut self.talkers {
            talkers.record(record, &cell.names, &mut self.tally.talkers);
        }
    }

    /// The number of the record's account and Region.
    #[inline]
    fn cell_of(&mut self, record: &Record<'_>) -> usize {
        let recipient = record.get(Field::RecipientAccountId);
        let owner = record.get(Field::AccountId);
        let region = record.get(Field::AwsRegion);
        if let Some(number) = self.cell
            && let Some(cell) = self.cells.get(number)
            && is_same(&cell.recipient, recipient)
            && is_same(&cell.region, region)
            && is_same(&cell.owner, owner)
        {
            return number;
        }
        let number = self.change_cell(recipient, owner, region);
        self.cell = Some(number);
        number
    }

    fn change_cell(&mut self, recipient: &[u8], owner: &[u8], region: &[u8]) -> usize {
        let place = [self.place.account.as_bytes(), self.place.region.as_bytes()];
        let values = [recipient, owner, region].into_iter().chain(place);
        let fingerprint = self.fingerprints.of(values);
        if let Some(number) = self.cell_numbers.get(&fingerprint) {
            return *number;
        }
        if self.cells.len() >= MAX_CELLS {
            self.settle_rows();
            self.cells.clear();
            self.cell_numbers.clear();
        }
        let named = |written| text(written).filter(|text| !text.is_empty());
        let account = named(recipient).or_else(|| named(owner));
        let account = account.map_or_else(|| self.place.account.clone(), |a| short(&a));
        let name = named(region);
        let name = name.map_or_else(|| self.place.region.clone(), |r| short(&r));
        self.cell_numbers.insert(fingerprint, self.cells.len());
        self.cells.push(Cell {
            recipient: kept(recipient),
            owner: kept(owner),
            region: kept(region),
            names: Place {
                account,
                region: name,
            },
        });
        self.cells.len() - 1
    }

    #[inline]
    fn class_of(&mut self, record: &Record<'_>) -> usize {
        let fingerprint = self.fingerprints.of_class(record);
        match self.class_numbers.get(&fingerprint) {
            Some(number) => *number,
            None => self.new_class(record, fingerprint),
        }
    }

    #[cold]
    fn new_class(&mut self, record: &Record<'_>, fingerprint: Fingerprint) -> usize {
        if self.classes.len() >= MAX_CLASSES {
            self.forget_classes();
        }
        let event = record.event();
        let verdict = self.engine.classify(&event);
        let number = self.classes.len();
        self.classes.push(Class::new(&event, verdict));
        self.class_numbers.insert(fingerprint, number);
        number
    }

    /// Adds what has been counted to the tally.
    fn settle(&mut self) {
        self.settle_frequent();
        self.settle_rows();
    }

    /// What is found most often.
    fn settle_frequent(&mut self) {
        self.settle_calls();
        let tally = &mut self.tally;
        let (resources, principals) = (&mut tally.resources, &mut tally.principals);
        self.resources.drain(|arn, count| resources.add(arn, count));
        self.principals
            .drain(|arn, count| principals.add(principal(&plain(arn)), count));
    }

    /// In the order of their names, since that of the classes depends on what this thread has read before.
    fn settle_calls(&mut self) {
        let counted = self.classes.iter_mut().filter(|class| class.events > 0);
        let mut calls: Vec<(&[u8], u64)> = counted
            .map(|class| (&*class.call, std::mem::take(&mut class.events)))
            .collect();
        calls.sort_unstable();
        for (call, events) in calls {
            self.tally.calls.add(call, events);
        }
    }

    fn forget_classes(&mut self) {
        self.settle_calls();
        self.settle_rows();
        self.classes.clear();
        self.class_numbers.clear();
    }

    /// What belongs to an account and Region.
    fn settle_rows(&mut self) {
        self.settle_files();
        for row in std::mem::take(&mut self.rows.all) {
            let class = self.classes.get_mut(row.class);
            if let (Some(class), Some(cell)) = (class, self.cells.get(row.cell)) {
                let counts = self.rows.counts.get(row.start..).unwrap_or_default();
                class.settle(counts, &mut self.tally, &cell.names);
            }
        }
        self.rows.counts.clear();
        self.rows.numbers.clear();
    }

    fn settle_files(&mut self) {
        let files = std::mem::take(&mut self.files);
        if files != Files::default() && !self.is_undated {
            let Place { account, region } = &self.place;
            self.tally.region(account, region).files.add(files);
        }
    }
}

impl Rows {
    /// Where the counts of a class in a cell begin.
    fn start(&mut self, class: usize, cell: usize, width: usize) -> usize {
        let start = self.counts.len();
        let known = *self.numbers.entry((class, cell)).or_insert(start);
        if known == start {
            self.all.push(Row { class, cell, start });
            self.counts.resize(start + width, 0);
        }
        known
    }
}

/// The resource as it is counted: of an S3 object, the bucket. Nothing if there are escapes to be resolved first.
fn resource(arn: &[u8], is_object: bool) -> Option<&[u8]> {
    let counted = without_key(arn, is_object);
    memchr::memchr(b'\\', counted).is_none().then_some(counted)
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
    fn new(event: &Event<'_>, verdict: Verdict) -> Self {
        let owned = |text: &Option<Cow<str>>| short(text.as_deref().unwrap_or_default());
        let (source, name): (String, String) =
            (owned(&event.event_source), owned(&event.event_name));
        let is_data = event.category == "Data";
        let first = event
            .resources
            .first()
            .and_then(|r| r.resource_type.as_deref());
        Self {
            kind: if is_data {
                short(resource_type(event))
            } else {
                String::new()
            },
            call: format!("{source} {name}").into_bytes().into(),
            category: short(&event.category),
            source,
            read_only: event.read_only,
            failed: event.error_code.is_some(),
            is_data,
            first_is_object: first == Some("AWS::S3::Object"),
            events: 0,
            last: None,
            verdict,
        }
    }

    /// How many counts a row has.
    #[inline]
    fn width(&self) -> usize {
        1 + 2 * self.verdict.sometimes.len()
    }

    #[inline]
    fn count(&self, engine: &Engine, record: &Record<'_>, counts: &mut [u64]) {
        let Some((events, counts)) = counts.split_first_mut() else {
            return;
        };
        *events += 1;
        let mut trail = None;
        let (counts, _) = counts.as_chunks_mut::<2>();
        for (sometimes, [hits, first_hits]) in self.verdict.sometimes.iter().zip(counts) {
            if !engine.decide(sometimes, record) {
                continue;
            }
            *hits += 1;
            if !sometimes.settled && trail != Some(sometimes.id.trail) {
                trail = Some(sometimes.id.trail);
                *first_hits += 1;
            }
        }
    }

    fn settle(&mut self, counts: &[u64], tally: &mut Tally, place: &Place) {
        self.last = None;
        let Some((&count, counts)) = counts.split_first() else {
            return;
        };
        let region = tally.region(&place.account, &place.region);
        let rows = region.events.entry(self.category.clone()).or_default();
        let row = rows.entry((self.source.clone(), with_address(&self.kind)));
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
        let (counts, _) = counts.as_chunks::<2>();
        for (sometimes, [hits, first_hits]) in self.verdict.sometimes.iter().zip(counts) {
            let id = sometimes.id;
            record(id.trail, Some(id.selector), *hits);
            if !sometimes.trail_always {
                record(id.trail, None, *first_hits);
            }
        }
        self.settle_own(region, count, counts);
    }

    /// What the always-recording selectors count as their own is what those before them have left.
    fn settle_own(&self, region: &mut RegionTally, count: u64, counts: &[[u64; 2]]) {
        let sometimes = || self.verdict.sometimes.iter().zip(counts);
        for id in &self.verdict.own {
            let before = sometimes().filter(|(sometimes, _)| sometimes.id.trail == id.trail);
            let taken: u64 = before.map(|(_, [_, first])| first).sum();
            if count > taken {
                *region.own.entry(*id).or_default() += count - taken;
            }
        }
        for (sometimes, [_, first]) in sometimes().filter(|(_, [_, first])| *first > 0) {
            *region.own.entry(sometimes.id).or_default() += first;
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

/// Names of AWS are far shorter. Longer ones, which anybody may put into an event, would fill the memory, and cannot
/// be keys in YAML.
const LONGEST_NAME: usize = 256;

/// A name, or the beginning of a long one.
pub(super) fn short(name: &str) -> String {
    match name.get(..name.floor_char_boundary(LONGEST_NAME)) {
        Some(beginning) if beginning.len() < name.len() => format!("{beginning}…"),
        _ => name.to_owned(),
    }
}

/// A text that has an address, be it empty: some processors take long to compare nothing at an address that is none,
/// and this text is compared often.
fn with_address(text: &str) -> String {
    let mut owned = String::with_capacity(text.len().max(1));
    owned.push_str(text);
    owned
}

/// Records name the bucket beside the object.
pub fn is_container(kind: &str) -> bool {
    matches!(kind, "AWS::S3::Bucket" | "AWS::S3Express::DirectoryBucket")
}

/// The resource type that a data event is counted under: the first one that is not merely the container of another.
/// Old records name no resources; then the event source says it.
fn resource_type<'a>(event: &'a Event<'_>) -> &'a str {
    let types = event
        .resources
        .iter()
        .filter_map(|r| r.resource_type.as_deref());
    let mut own = types.clone().filter(|kind| !is_container(kind));
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
