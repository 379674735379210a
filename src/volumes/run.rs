//! Reading log files on all cores.
//!
//! Files are counted in batches of a fixed size, and the counts of the batches are put together in their order. So the
//! result does not depend on the number of threads, nor on which of them was faster.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::count::Counter;
use super::dedupe::Dedupe;
use super::engine::Engine;
use super::read::Reading;
use super::source::{Found, Kind, Layout, Source, Walk, unreadable};
use super::tally::{Files, Reason, Tally};

const BATCH: usize = 64;
/// Batches that may be under way for each thread.
const AHEAD: usize = 4;
const PIECE: usize = 64 * 1024;
/// Memory for files that are read as a whole, for all threads together.
const WHOLE_FILES: usize = 32 * 1024 * 1024;

/// How to count.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    pub threads: usize,
    /// Leave out copies of events, remembering at least so many.
    pub dedupe: Option<usize>,
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
            dedupe: None,
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

/// Everything that was counted, and whether it was all there is.
pub struct Outcome {
    pub tally: Tally,
    pub cancelled: bool,
}

/// Files to count, with their number in the order of all batches.
type Batch = (usize, Vec<Found>);

/// Counts the events of all sources. Whatever cannot be read is named in the tally's problems.
pub fn count(engine: &Engine, sources: Vec<Source>, options: &Options<'_>) -> Outcome {
    let threads = options.threads.max(1);
    let dedupe = options.dedupe.map(Dedupe::new);
    let cancelled = || {
        options
            .cancel
            .is_some_and(|flag| flag.load(Ordering::Relaxed))
    };
    let (batches, todo) = sync_channel::<Batch>(threads);
    let (counted, tallies) = sync_channel::<(usize, Tally)>(threads);
    // One token for each batch that may be under way; it comes back when the batch has been put to the others.
    let (permit, permits) = sync_channel::<()>(threads * AHEAD);
    for _ in 0..threads * AHEAD {
        let _ = permit.send(());
    }
    let todo = Mutex::new(todo);
    let tally = thread::scope(|scope| {
        scope.spawn(|| deal(sources, batches, permits, &cancelled));
        for _ in 0..threads {
            let counted = counted.clone();
            let (todo, dedupe) = (&todo, dedupe.as_ref());
            let whole = WHOLE_FILES / threads;
            scope.spawn(move || {
                let counter = Counter::new(engine, dedupe);
                let mut worker = Worker::new(counter, whole, options.cancel);
                while let Some((number, batch)) = next(todo) {
                    if counted.send((number, worker.batch(batch))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(counted);
        collect(tallies, permit, options)
    });
    Outcome {
        tally,
        cancelled: cancelled(),
    }
}

fn next(todo: &Mutex<Receiver<Batch>>) -> Option<Batch> {
    let todo = todo.lock().unwrap_or_else(PoisonError::into_inner);
    todo.recv().ok()
}

/// Hands out the files in batches.
fn deal(
    sources: Vec<Source>,
    batches: SyncSender<Batch>,
    permits: Receiver<()>,
    cancelled: &impl Fn() -> bool,
) {
    let mut walk = Walk::new(sources);
    for number in 0.. {
        let batch: Vec<Found> = walk.by_ref().take(BATCH).collect();
        let done = batch.is_empty() || cancelled();
        if done || permits.recv().is_err() || batches.send((number, batch)).is_err() {
            return;
        }
    }
}

/// Puts the counts of all batches together, in their order.
fn collect(
    tallies: Receiver<(usize, Tally)>,
    permit: SyncSender<()>,
    options: &Options<'_>,
) -> Tally {
    let mut whole = Tally::default();
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (number, tally) in tallies {
        early.insert(number, tally);
        while let Some(tally) = early.remove(&next) {
            whole.merge(tally);
            next += 1;
            // Nobody waits for it any more once all batches are dealt out.
            let _ = permit.try_send(());
            if let Some(progress) = options.progress {
                progress(&Progress::of(&whole));
            }
        }
    }
    whole
}

impl Progress {
    fn of(tally: &Tally) -> Self {
        Self {
            files: tally.files.count + tally.files.digests,
            compressed_bytes: tally.files.compressed_bytes,
            uncompressed_bytes: tally.files.uncompressed_bytes,
            events: tally.events,
            problems: tally.problems.count,
        }
    }
}

/// Reads files on one thread.
struct Worker<'e> {
    reading: Reading<'e>,
    cancel: Option<&'e AtomicBool>,
    /// The largest file that is read as a whole.
    whole: usize,
    file: Vec<u8>,
}

impl<'e> Worker<'e> {
    fn new(counter: Counter<'e>, memory: usize, cancel: Option<&'e AtomicBool>) -> Self {
        // Log files compress to a seventh or so; a file that does to less than a quarter is read in pieces.
        let whole = memory / 4;
        Self {
            reading: Reading::new(counter, memory - whole),
            cancel,
            whole,
            file: Vec::new(),
        }
    }

    fn batch(&mut self, batch: Vec<Found>) -> Tally {
        for found in batch {
            if self.cancelled() {
                break;
            }
            match found {
                Found::File(path) => self.path(&path),
                Found::Stream { name, mut reader } => self.stream(&name, &mut reader),
                Found::Skipped => self.reading.tally().skipped += 1,
                Found::Problem(problem) => self.reading.problem(problem),
            }
        }
        self.reading.take()
    }

    fn cancelled(&self) -> bool {
        self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    fn path(&mut self, path: &Path) {
        if let Err(error) = self.try_path(path) {
            self.reading.problem(unreadable(path, &error));
        }
    }

    fn try_path(&mut self, path: &Path) -> io::Result<()> {
        let layout = Layout::of(path);
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let size = metadata.len();
        if layout.kind == Kind::Digests {
            self.reading
                .files(layout.place.as_ref(), Files::digest(size));
            return Ok(());
        }
        let name = path.display().to_string();
        if size > self.whole as u64 {
            self.reading.begin(name, layout.place);
            self.pieces(&mut file);
            return Ok(());
        }
        self.file.clear();
        self.file.reserve(size as usize + 1);
        // A file may grow while it is read.
        file.by_ref()
            .take(self.whole as u64)
            .read_to_end(&mut self.file)?;
        self.reading.begin(name, layout.place);
        self.reading.whole(&self.file);
        Ok(())
    }

    fn stream(&mut self, name: &str, reader: &mut dyn Read) {
        self.reading.begin(name.to_owned(), None);
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
