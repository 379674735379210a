//! Reading log files on all cores.
//!
//! Files are counted in batches of known sizes, and the counts of the batches are put together in their order. So the
//! result does not depend on the number of threads, nor on which of them was faster.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::count::Counter;
use super::decide::Trails;
use super::dedupe::Dedupe;
use super::engine::Engine;
use super::loss::Change;
use super::read::Reading;
use super::sample::{Group, Sample};
use super::source::{Found, Kind, Layout, Layouts, Selection, Source, Walk, unreadable};
use super::tally::{Files, Reason, Tally};

/// Batches that may be under way for each thread.
const AHEAD: usize = 4;
const PIECE: usize = 64 * 1024;
/// Memory for files that are read as a whole, for all threads together.
const WHOLE_FILES: usize = 32 * 1024 * 1024;
/// Bytes of fetched files in batches that are not complete yet. Whoever fetches them must have room for more.
const HELD: usize = 4 * 1024 * 1024;

/// How to count.
#[derive(Clone)]
pub struct Options<'a> {
    pub threads: usize,
    pub selection: Selection,
    /// Read only a part of the files.
    pub sample: Option<Sample>,
    /// Leave out copies of events, remembering at least so many.
    pub dedupe: Option<usize>,
    /// Count what a change of the trails loses.
    pub change: Option<&'a Change>,
    /// Count who causes what these trails record.
    pub talkers: Option<&'a Trails>,
    /// Called after each batch of files.
    pub progress: Option<&'a (dyn Fn(&Progress) + Sync)>,
    /// Set to stop early.
    pub cancel: Option<&'a AtomicBool>,
}

impl Default for Options<'_> {
    /// All cores, copies counted.
    fn default() -> Self {
        Self {
            threads: thread::available_parallelism().map_or(1, usize::from),
            selection: Selection::default(),
            sample: None,
            dedupe: None,
            change: None,
            talkers: None,
            progress: None,
            cancel: None,
        }
    }
}

/// What has been read so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub files: u64,
    pub compressed_bytes: u64,
    pub uncompressed_bytes: u64,
    pub events: u64,
    pub problems: u64,
}

/// What there is to read, as far as it is known yet.
#[derive(Debug, Default)]
pub struct Totals {
    files: AtomicU64,
    bytes: AtomicU64,
    /// Searches that have begun, and those that are over.
    begun: AtomicUsize,
    over: AtomicUsize,
}

impl Totals {
    /// Announces a search, all of them before the first one ends.
    pub fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    pub fn add(&self, bytes: u64) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn finish(&self) {
        self.over.fetch_add(1, Ordering::Release);
    }

    /// Files and compressed bytes, once all of them have been found.
    pub fn get(&self) -> Option<(u64, u64)> {
        let all = || {
            (
                self.files.load(Ordering::Relaxed),
                self.bytes.load(Ordering::Relaxed),
            )
        };
        let (over, begun) = (
            self.over.load(Ordering::Acquire),
            self.begun.load(Ordering::Relaxed),
        );
        (begun > 0 && over == begun).then(all)
    }

    /// Searches folders for their files, as the walk over them does.
    pub fn find(&self, paths: &[PathBuf], selection: &Selection) {
        let sources = paths.iter().cloned().map(Source::Path).collect();
        for found in Walk::new(sources, selection.clone()) {
            if let Found::File(path) = found {
                self.add(path.metadata().map_or(0, |metadata| metadata.len()));
            }
        }
        self.finish();
    }
}

/// Everything that was counted, and whether it was all there is.
pub struct Outcome {
    pub tally: Tally,
    pub cancelled: bool,
    /// Of a sample: the counts of each of its groups, which add up to those of the tally.
    pub groups: Vec<Group>,
}

/// Files to count, their group, and their number in the order of all batches.
struct Batch {
    number: usize,
    group: usize,
    files: Vec<Found>,
}

/// What was counted of a batch.
struct Counted {
    number: usize,
    group: usize,
    tally: Tally,
}

/// Counts the events of all sources. Whatever cannot be read is named in the tally's problems.
pub fn count(engine: &Engine, sources: Vec<Source>, options: &Options<'_>) -> Outcome {
    let threads = options.threads.max(1);
    let dedupe = options.dedupe.map(Dedupe::new);
    let cancelled = || {
        options
            .cancel
            .is_some_and(|flag| flag.load(Ordering::Relaxed))
    };
    // Room for all that may be under way: who has to wait for room has to be woken, which costs more than a small file.
    let (batches, todo) = sync_channel::<Batch>(threads * AHEAD);
    let (counted, tallies) = sync_channel(threads * AHEAD);
    // One token for each batch that may be under way; it comes back when the batch has been put to the others.
    let (permit, permits) = sync_channel::<()>(threads * AHEAD);
    for _ in 0..threads * AHEAD {
        let _ = permit.send(());
    }
    // Dropped with the last thread that takes from it: then nobody waits for a place in it.
    let todo = Arc::new(Mutex::new(todo));
    let walk = Walk::new(sources, options.selection.clone());
    let (tally, groups) = thread::scope(|scope| {
        scope.spawn(|| Dealer::new(options, batches, permits).deal(walk, &cancelled));
        let mut workers = Vec::new();
        for _ in 0..threads {
            let counted = counted.clone();
            let (todo, dedupe) = (Arc::clone(&todo), dedupe.as_ref());
            let whole = WHOLE_FILES / threads;
            workers.push(scope.spawn(move || {
                let counter = Counter::new(engine, dedupe)
                    .with_change(options.change)
                    .with_talkers(options.talkers)
                    .with_selection(&options.selection);
                let mut worker = Worker::new(counter, whole, options);
                let alarm = Alarm(counted);
                while let Some(batch) = next(&todo) {
                    let done = Counted {
                        number: batch.number,
                        group: batch.group,
                        tally: worker.batch(batch.files),
                    };
                    if alarm.0.send(Some(done)).is_err() {
                        break;
                    }
                }
                worker.reading.take()
            }));
        }
        drop((counted, todo));
        let (mut whole, groups) = collect(tallies, permit, options);
        for worker in workers {
            match worker.join() {
                Ok(rest) => whole.merge(rest),
                Err(panic) => resume_unwind(panic),
            }
        }
        (whole, groups)
    });
    Outcome {
        tally,
        cancelled: cancelled(),
        groups,
    }
}

fn next(todo: &Mutex<Receiver<Batch>>) -> Option<Batch> {
    let todo = todo.lock().unwrap_or_else(PoisonError::into_inner);
    todo.recv().ok()
}

/// Files of a batch: few at first, so that few files keep all threads busy; then more, since each batch has its costs.
fn batch_size(number: usize) -> usize {
    64 << (number / 16).min(2)
}

/// Where a thread sends what it has counted; nothing when it panics, so that nobody waits for the rest.
struct Alarm(SyncSender<Option<Counted>>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.send(None);
        }
    }
}

/// Hands out the files in batches, each of one group.
struct Dealer {
    /// Batches that are not complete, by group.
    open: Vec<Vec<Found>>,
    is_grouped: bool,
    held: usize,
    number: usize,
    batches: SyncSender<Batch>,
    permits: Receiver<()>,
}

impl Dealer {
    fn new(options: &Options<'_>, batches: SyncSender<Batch>, permits: Receiver<()>) -> Self {
        let groups = options.sample.map_or(1, |_| Sample::GROUPS);
        Self {
            open: (0..groups).map(|_| Vec::new()).collect(),
            is_grouped: options.sample.is_some(),
            held: 0,
            number: 0,
            batches,
            permits,
        }
    }

    fn deal(mut self, walk: Walk, cancelled: &impl Fn() -> bool) {
        for found in walk {
            if cancelled() || self.add(found).is_none() {
                return;
            }
        }
        let _ = self.send_all();
    }

    /// Nothing when nobody waits for batches any more.
    fn add(&mut self, found: Found) -> Option<()> {
        let group = if self.is_grouped { found.group() } else { 0 };
        self.held += found.held();
        let open = self.open.get_mut(group)?;
        open.push(found);
        if open.len() >= batch_size(self.number) {
            self.held -= open.iter().map(Found::held).sum::<usize>();
            self.send(group)?;
        } else if self.held > HELD {
            self.send_all()?;
        }
        Some(())
    }

    fn send_all(&mut self) -> Option<()> {
        self.held = 0;
        (0..self.open.len()).try_for_each(|group| self.send(group))
    }

    fn send(&mut self, group: usize) -> Option<()> {
        let files = std::mem::take(self.open.get_mut(group)?);
        if files.is_empty() {
            return Some(());
        }
        let batch = Batch {
            number: self.number,
            group,
            files,
        };
        self.number += 1;
        self.permits.recv().ok()?;
        self.batches.send(batch).ok()
    }
}

/// Puts the counts of all batches together, in their order.
fn collect(
    tallies: Receiver<Option<Counted>>,
    permit: SyncSender<()>,
    options: &Options<'_>,
) -> (Tally, Vec<Group>) {
    let mut whole = Tally::default();
    let mut groups = vec![Group::default(); options.sample.map_or(0, |_| Sample::GROUPS)];
    let mut early = BTreeMap::new();
    let mut next = 0;
    for counted in tallies {
        let Some(counted) = counted else { break };
        early.insert(counted.number, counted);
        while let Some(Counted { group, tally, .. }) = early.remove(&next) {
            if let Some(group) = groups.get_mut(group) {
                group.add(&tally);
            }
            whole.merge(tally);
            next += 1;
            // Nobody waits for it any more once all batches are dealt out.
            let _ = permit.try_send(());
            if let Some(progress) = options.progress {
                progress(&Progress::of(&whole));
            }
        }
    }
    (whole, groups)
}

impl Progress {
    fn of(tally: &Tally) -> Self {
        Self {
            files: tally.files.count + tally.files.digests + tally.left.count,
            compressed_bytes: tally.files.compressed_bytes + tally.left.compressed_bytes,
            uncompressed_bytes: tally.files.uncompressed_bytes,
            events: tally.events,
            problems: tally.problems.count,
        }
    }
}

/// As many bytes of a file as it had when it was opened, or fewer if it has been truncated since.
fn read<'b>(file: &mut File, buffer: &'b mut Vec<u8>, size: usize) -> io::Result<&'b [u8]> {
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
    let mut done = 0;
    while let Some(rest @ [_, ..]) = buffer.get_mut(done..size) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(length) => done += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer.get(..done).unwrap_or_default())
}

/// Reads files on one thread.
struct Worker<'e> {
    reading: Reading<'e>,
    sample: Option<Sample>,
    cancel: Option<&'e AtomicBool>,
    /// The largest file that is read as a whole.
    whole: usize,
    file: Vec<u8>,
    layouts: Layouts,
}

impl<'e> Worker<'e> {
    fn new(counter: Counter<'e>, memory: usize, options: &Options<'e>) -> Self {
        // Log files compress to a seventh or so; a file that does to less than a quarter is read in pieces.
        let whole = memory / 4;
        Self {
            reading: Reading::new(counter, memory - whole),
            sample: options.sample,
            cancel: options.cancel,
            whole,
            file: Vec::new(),
            layouts: Layouts::default(),
        }
    }

    fn batch(&mut self, batch: Vec<Found>) -> Tally {
        for found in batch {
            if self.cancelled() {
                break;
            }
            match found {
                Found::File(path) => self.path(&path),
                Found::Bytes { name, bytes, hold } => {
                    let layout = self.dated(&name);
                    self.reading.begin(&name, layout.place.as_ref());
                    self.reading.whole(&bytes);
                    drop(hold);
                }
                Found::Stream { name, mut reader } => self.stream(&name, &mut reader),
                Found::Digest { name, size } => {
                    let layout = self.layouts.of(Path::new(&name));
                    self.digest(&layout, size);
                }
                Found::Left { name, size } => {
                    let layout = self.layouts.of(Path::new(&name));
                    self.left(&layout, size);
                }
                Found::Skipped => self.reading.tally().skipped += 1,
                Found::Problem(problem) => self.reading.problem(problem),
            }
        }
        // Of a sample, the counts of each batch belong to its group.
        match self.sample {
            Some(_) => self.reading.take(),
            None => self.reading.take_batch(),
        }
    }

    fn cancelled(&self) -> bool {
        self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// What the path of a log file says; its day is noted.
    fn dated(&mut self, name: &str) -> Rc<Layout> {
        let layout = self.layouts.of(Path::new(name));
        self.reading.tally().days.add(layout.day);
        layout
    }

    fn digest(&mut self, layout: &Layout, size: u64) {
        self.reading.digest(layout.place.as_ref(), size);
    }

    fn left(&mut self, layout: &Layout, size: u64) {
        let left = Files::log_file(size, 0);
        let tally = self.reading.tally();
        tally.left.add(left);
        tally.days.add(layout.day);
        if let Some(place) = &layout.place {
            tally.region(&place.account, &place.region).left.add(left);
        }
    }

    fn path(&mut self, path: &Path) {
        if let Err(error) = self.try_path(path) {
            self.reading.problem(unreadable(path, &error));
        }
    }

    fn try_path(&mut self, path: &Path) -> io::Result<()> {
        let layout = self.layouts.of(path);
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // Replacing what is no UTF-8 takes a multiple of finding that there is nothing to replace.
        let name = path.to_str().map(Cow::Borrowed);
        let name = name.unwrap_or_else(|| path.to_string_lossy());
        if !metadata.is_file() {
            self.stream(&name, &mut file);
            return Ok(());
        }
        let size = metadata.len();
        if layout.kind == Kind::Digests {
            self.digest(&layout, size);
            return Ok(());
        }
        if self.sample.is_some_and(|sample| !sample.takes(&name)) {
            self.left(&layout, size);
            return Ok(());
        }
        self.reading.tally().days.add(layout.day);
        match usize::try_from(size) {
            // What has no size may hold something all the same.
            Ok(size) if (1..=self.whole).contains(&size) => {
                let file = read(&mut file, &mut self.file, size)?;
                self.reading.begin(&name, layout.place.as_ref());
                self.reading.whole(file);
            }
            _ => {
                self.reading.begin(&name, layout.place.as_ref());
                self.pieces(&mut file);
            }
        }
        Ok(())
    }

    fn stream(&mut self, name: &str, reader: &mut dyn Read) {
        let layout = self.dated(name);
        self.reading.begin(name, layout.place.as_ref());
        self.pieces(reader);
    }

    /// Reads what has been begun piece by piece.
    fn pieces(&mut self, reader: &mut dyn Read) {
        self.file.resize(PIECE, 0);
        loop {
            // Cancelled work is not reported as broken.
            if self.cancelled() {
                return self.reading.abandon();
            }
            match reader.read(&mut self.file) {
                Ok(0) => return self.reading.finish(),
                Ok(length) => {
                    let piece = self.file.get(..length).unwrap_or_default();
                    if !self.reading.push(piece) {
                        return self.reading.abandon();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.reading.broken(Reason::Unreadable(error.to_string()));
                    return self.reading.abandon();
                }
            }
        }
    }
}
