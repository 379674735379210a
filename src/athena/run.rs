//! The walk over the parts: a few queries side by side, every answer kept as soon as it is whole.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use super::causes;
use super::journal::Journal;
use super::prepare::{Part, Prepared};
use super::price::bytes;
use super::query::{Asking, Ended, Status};
use crate::aws::Aws;
use crate::cost::Volumes;
use crate::error::Error;
use crate::table_counts::{self, Scope};
use crate::volumes::Tally;

/// How often a part is asked again when the trouble was Athena's.
const ATTEMPTS: usize = 3;

/// What happens, as it happens.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// An earlier run has done so many parts of all.
    GoesOn {
        done: usize,
        of: usize,
    },
    Started(&'a Part),
    Done {
        part: &'a Part,
        bytes: u64,
    },
    /// Athena had trouble of its own; the part is asked again.
    Again {
        part: &'a Part,
        why: &'a str,
    },
    Stopping,
}

/// The counts, and what they took.
#[derive(Debug)]
pub struct Measured {
    pub volumes: Volumes,
    pub tally: Tally,
    /// Bytes that all queries have read.
    pub scanned: u64,
    /// Events whose category is a guess.
    pub guessed: u64,
    journal: Journal,
}

impl Measured {
    /// Removes what was kept for another run. Call it when the volumes are safely on disk.
    pub fn finish(self) -> Result<(), Error> {
        self.journal.finish()
    }
}

/// Why no more is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halt {
    /// Ctrl-C.
    Asked,
    /// More was read than is allowed.
    Limit,
    /// A part failed; what runs is waited for.
    Failed,
}

/// Asks what is missing, until all is there, something fails or `stop` is ready. Then running queries are stopped.
pub async fn run(
    aws: &Aws,
    prepared: &Prepared<'_>,
    journal: Journal,
    on: &dyn Fn(Event<'_>),
    stop: impl Future<Output = ()>,
) -> Result<Measured, Error> {
    let (halt, halted) = watch::channel(None);
    let walk = Walk {
        asking: Asking {
            client: aws.athena(&prepared.question.place),
            question: &prepared.question,
        },
        journal: RefCell::new(journal),
        reading: RefCell::default(),
        halt,
        on,
    };
    let failures = walk.all(prepared, &halted, stop).await;
    let scanned = walk.scanned();
    let halted = *halted.borrow();
    let journal = walk.journal.into_inner();
    check(prepared, &journal, failures, halted)?;
    measured(prepared, journal, scanned)
}

/// Whether running queries are to be stopped.
fn is_at_once(halt: &Option<Halt>) -> bool {
    matches!(halt, Some(Halt::Asked | Halt::Limit))
}

/// How waiting for a query came to an end.
enum Waited {
    Succeeded,
    /// Stopped here.
    Stopped,
    Ended {
        ended: Ended,
        /// It was seen running.
        seen: bool,
    },
}

struct Walk<'a> {
    asking: Asking<'a>,
    journal: RefCell<Journal>,
    /// Bytes of the queries that are not over, by part.
    reading: RefCell<BTreeMap<&'a str, u64>>,
    halt: watch::Sender<Option<Halt>>,
    on: &'a dyn Fn(Event<'_>),
}

impl<'a> Walk<'a> {
    /// Runs the parts that are left; gives what failed.
    async fn all(
        &self,
        prepared: &'a Prepared<'a>,
        halted: &watch::Receiver<Option<Halt>>,
        stop: impl Future<Output = ()>,
    ) -> Vec<Error> {
        let left = prepared.left(&self.journal.borrow());
        let (of, done) = (prepared.parts.len(), prepared.parts.len() - left.len());
        if done > 0 {
            (self.on)(Event::GoesOn { done, of });
        }
        self.keep_limit();
        let mut left = left.into_iter();
        let mut running = FuturesUnordered::new();
        let mut failures = Vec::new();
        let stopped = Cell::new(false);
        tokio::pin!(stop);
        loop {
            while halted.borrow().is_none() && running.len() < self.asking.question.queries.max(1) {
                let Some(part) = left.next() else { break };
                running.push(self.part(part, halted.clone()));
            }
            tokio::select! {
                () = &mut stop, if !stopped.get() => {
                    stopped.set(true);
                    (self.on)(Event::Stopping);
                    self.halt.send_replace(Some(Halt::Asked));
                }
                ended = running.next() => match ended {
                    None => return failures,
                    Some(Ok(())) => {}
                    Some(Err(error)) => {
                        failures.push(error);
                        self.halt_for(Halt::Failed);
                    }
                }
            }
        }
    }

    fn halt_for(&self, why: Halt) {
        self.halt.send_if_modified(|halt| {
            let is_new = halt.is_none_or(|halt| halt == Halt::Failed && why == Halt::Limit);
            if is_new {
                *halt = Some(why);
            }
            is_new
        });
    }

    /// Asks one part, anew where it was asked in vain.
    async fn part(
        &self,
        part: &'a Part,
        mut halted: watch::Receiver<Option<Halt>>,
    ) -> Result<(), Error> {
        for attempt in 1.. {
            let (id, is_new) = tokio::select! {
                query = self.query(part) => query?,
                // One that is just being started will be found by its token.
                _ = halted.wait_for(is_at_once) => return Ok(()),
            };
            let waited = self.wait(part, &id, halted.clone()).await?;
            let (ended, seen) = match waited {
                Waited::Succeeded => return self.read(part, &id).await,
                Waited::Stopped => return self.ended(part, &id),
                Waited::Ended { ended, seen } => (ended, seen),
            };
            self.ended(part, &id)?;
            // What became of an earlier run's query is no reason not to ask again.
            let is_old = !is_new || (!seen && matches!(ended, Ended::Stopped | Ended::Forgotten));
            match &ended {
                _ if is_old && attempt < ATTEMPTS => {}
                Ended::Failed {
                    reason,
                    again: true,
                } if attempt < ATTEMPTS => (self.on)(Event::Again { part, why: reason }),
                _ => return Err(causes::failed(&part.label(), &id, &ended)),
            }
        }
        Ok(())
    }

    /// The query of a part: the one that runs already, or a new one.
    async fn query(&self, part: &'a Part) -> Result<(String, bool), Error> {
        let known = self.journal.borrow().query(&part.key);
        if let Some(id) = known {
            return Ok((id, false));
        }
        let token = self.journal.borrow().token(&part.key);
        let id = self.asking.start(part, &token).await?;
        self.journal.borrow_mut().started(&part.key, &id)?;
        (self.on)(Event::Started(part));
        Ok((id, true))
    }

    /// Waits for the end of a query.
    async fn wait(
        &self,
        part: &'a Part,
        id: &str,
        mut halted: watch::Receiver<Option<Halt>>,
    ) -> Result<Waited, Error> {
        let pace = self.asking.question.pace;
        let mut delay = pace.first;
        let mut seen = false;
        loop {
            match self.asking.status(id).await? {
                Status::Succeeded { bytes } => {
                    self.count(part, bytes);
                    return Ok(Waited::Succeeded);
                }
                Status::Ended(ended) => return Ok(Waited::Ended { ended, seen }),
                Status::Running { bytes } => self.count(part, bytes),
            }
            seen = true;
            let is_halted = {
                let halt = halted.wait_for(is_at_once);
                tokio::time::timeout(delay, halt).await.is_ok()
            };
            if is_halted {
                self.asking.stop(id).await?;
                return Ok(Waited::Stopped);
            }
            delay = delay.mul_f64(1.5).min(pace.most);
        }
    }

    /// Notes what a query has read so far, and ends it all when that is too much.
    fn count(&self, part: &'a Part, bytes: u64) {
        self.reading.borrow_mut().insert(&part.key, bytes);
        self.keep_limit();
    }

    fn keep_limit(&self) {
        let all = self.scanned();
        if self.asking.question.max_scan.is_some_and(|most| all > most) {
            self.halt_for(Halt::Limit);
        }
    }

    /// Bytes that all queries have read, those of earlier runs included.
    fn scanned(&self) -> u64 {
        let reading: u64 = self.reading.borrow().values().sum();
        self.journal.borrow().scanned() + reading
    }

    /// A query is over, without an answer.
    fn ended(&self, part: &'a Part, id: &str) -> Result<(), Error> {
        let bytes = self.reading.borrow_mut().remove(part.key.as_str());
        let mut journal = self.journal.borrow_mut();
        journal.ended(&part.key, id, bytes.unwrap_or_default())
    }

    async fn read(&self, part: &'a Part, id: &str) -> Result<(), Error> {
        let mut answer = self.journal.borrow().answer(&part.key)?;
        self.asking.read(id, &mut answer).await?;
        answer.complete()?;
        let bytes = self.reading.borrow_mut().remove(part.key.as_str());
        let bytes = bytes.unwrap_or_default();
        self.journal.borrow_mut().done(&part.key, bytes)?;
        (self.on)(Event::Done { part, bytes });
        Ok(())
    }
}

/// Whether all is there; if not, why, and that nothing is lost.
fn check(
    prepared: &Prepared<'_>,
    journal: &Journal,
    failures: Vec<Error>,
    halted: Option<Halt>,
) -> Result<(), Error> {
    let of = prepared.parts.len();
    let done = of - prepared.left(journal).len();
    if done == of {
        return Ok(());
    }
    let kept = format!("{done} of {of} parts are counted and kept");
    if let Some(first) = failures.into_iter().next() {
        return Err(with_kept(first, &kept));
    }
    Err(match halted {
        Some(Halt::Limit) => {
            let most = prepared.question.max_scan.unwrap_or_default();
            Error::refused(format!("more than {} have been read; {kept}", bytes(most)))
                .fix("raise --max-scan and run it again: only the rest is asked for")
        }
        _ => Error::failed(format!("stopped; {kept}"))
            .fix("run it again: only the rest is asked for"),
    })
}

fn with_kept(error: Error, kept: &str) -> Error {
    match error {
        Error::Failed { what, fix } => Error::Failed {
            what: format!("{what}; {kept}"),
            fix,
        },
        other => other,
    }
}

fn measured(prepared: &Prepared<'_>, journal: Journal, scanned: u64) -> Result<Measured, Error> {
    let mut tally = Tally::default();
    let mut guessed = 0;
    for part in &prepared.parts {
        for row in journal.rows(&part.key)? {
            let cell = prepared.cube.cell(&row?).map_err(|error| {
                Error::failed(error).fix("report this, with the query that orgtrail prints")
            })?;
            guessed += cell.guessed;
            table_counts::add(&mut tally, &cell);
        }
    }
    let question = &prepared.question;
    let categories = ["Management", "Data", "NetworkActivity"];
    let categories: Vec<&str> = categories
        .into_iter()
        .filter(|category| prepared.table.folder.holds(category))
        .collect();
    let scope = Scope {
        trails: question.trails,
        categories: &categories,
        from: &question.bounds.from.to_string(),
        to: &question.bounds.to.to_string(),
    };
    let mut volumes = table_counts::volumes(&tally, &scope);
    volumes.note = Some(note(prepared, guessed));
    Ok(Measured {
        volumes,
        tally,
        scanned,
        guessed,
        journal,
    })
}

fn note(prepared: &Prepared<'_>, guessed: u64) -> String {
    let source = format!(
        "Athena, {} in {}",
        prepared.table.name, prepared.question.place.region
    );
    match guessed {
        0 => source,
        guessed => {
            format!("{source}; the category of {guessed} events is guessed from their names")
        }
    }
}
