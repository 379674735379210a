//! What an apply has begun and finished, on disk before its effect. A run that was killed leaves a journal without an
//! end; the next apply says so and goes on from what is really there.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::Address;

#[derive(Debug, Error)]
#[error("the journal {path} cannot be written: {source}")]
pub struct JournalError {
    path: PathBuf,
    source: std::io::Error,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
enum Entry {
    /// A run of the plan with this digest begins, in a process of this machine.
    Begin {
        time: String,
        plan: String,
        #[serde(default)]
        process: u32,
    },
    Started {
        time: String,
        address: Address,
    },
    Done {
        time: String,
        address: Address,
    },
    Failed {
        time: String,
        address: Address,
        error: String,
    },
    /// The run reached its end and left nothing undone.
    End {
        time: String,
    },
}

/// A run that did not reach its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    pub plan: String,
    process: u32,
    pub since: String,
    /// What it touched: these may differ from the plan's basis.
    pub touched: BTreeSet<Address>,
    /// What it was doing when it stopped.
    pub in_progress: BTreeSet<Address>,
}

pub struct Journal {
    path: PathBuf,
    file: File,
    now: fn() -> String,
}

impl Journal {
    /// Starts a new journal in `folder`, after the entries of earlier runs have been looked at.
    pub fn begin(folder: &Path, plan: &str, now: fn() -> String) -> Result<Self, JournalError> {
        let path = folder.join("journal.jsonl");
        let failed = |source| JournalError {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(failed)?;
        let mut journal = Self { path, file, now };
        journal.close_torn_line()?;
        journal.write(&Entry::Begin {
            time: now(),
            plan: plan.to_owned(),
            process: std::process::id(),
        })?;
        Ok(journal)
    }

    pub fn started(&mut self, address: &Address) -> Result<(), JournalError> {
        self.write(&Entry::Started {
            time: (self.now)(),
            address: address.clone(),
        })
    }

    pub fn done(&mut self, address: &Address) -> Result<(), JournalError> {
        self.write(&Entry::Done {
            time: (self.now)(),
            address: address.clone(),
        })
    }

    pub fn failed(&mut self, address: &Address, error: &str) -> Result<(), JournalError> {
        self.write(&Entry::Failed {
            time: (self.now)(),
            address: address.clone(),
            error: error.to_owned(),
        })
    }

    pub fn end(mut self) -> Result<(), JournalError> {
        self.write(&Entry::End { time: (self.now)() })
    }

    /// A run that was killed while it wrote may have left half a line.
    fn close_torn_line(&mut self) -> Result<(), JournalError> {
        let text = fs::read(&self.path).unwrap_or_default();
        let torn = text.last().is_some_and(|byte| *byte != b'\n');
        let closed = if torn {
            self.file.write_all(b"\n")
        } else {
            Ok(())
        };
        closed.map_err(|source| JournalError {
            path: self.path.clone(),
            source,
        })
    }

    /// On disk before the caller goes on.
    fn write(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let mut line = serde_json::to_string(entry).unwrap_or_default();
        line.push('\n');
        let written = self.file.write_all(line.as_bytes());
        written
            .and_then(|()| self.file.sync_data())
            .map_err(|source| JournalError {
                path: self.path.clone(),
                source,
            })
    }

    /// The last run, if it did not reach its end and its process is gone.
    pub fn unfinished(folder: &Path) -> Option<Unfinished> {
        Self::last_open(folder).filter(|run| !super::lock::is_running(run.process))
    }

    fn last_open(folder: &Path) -> Option<Unfinished> {
        let text = fs::read_to_string(folder.join("journal.jsonl")).ok()?;
        // The last line may be cut off: the run was killed while it wrote.
        let entries = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let mut last: Option<Unfinished> = None;
        for entry in entries {
            match (entry, &mut last) {
                (
                    Entry::Begin {
                        time,
                        plan,
                        process,
                    },
                    _,
                ) => {
                    // A run that goes on with a plan has touched what the runs before it did.
                    let same = last.take().filter(|run| run.plan == plan);
                    last = Some(Unfinished {
                        plan,
                        since: time,
                        process,
                        touched: same.map(|run| run.touched).unwrap_or_default(),
                        in_progress: BTreeSet::new(),
                    });
                }
                (Entry::Started { address, .. }, Some(run)) => {
                    run.touched.insert(address.clone());
                    run.in_progress.insert(address);
                }
                (Entry::Done { address, .. } | Entry::Failed { address, .. }, Some(run)) => {
                    run.in_progress.remove(&address);
                }
                (Entry::End { .. }, _) => last = None,
                (_, None) => {}
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> String {
        "2026-11-24T12:00:00Z".to_owned()
    }

    #[test]
    fn a_killed_run_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let (bucket, trail) = (Address::new("bucket", "logs"), Address::new("trail", "org"));
        let mut journal = Journal::begin(folder.path(), "p1", now).unwrap();
        journal.started(&bucket).unwrap();
        journal.done(&bucket).unwrap();
        journal.started(&trail).unwrap();
        drop(journal);
        // The process of this test still runs, so that for others it is not unfinished.
        assert_eq!(Journal::unfinished(folder.path()), None);
        let unfinished = Journal::last_open(folder.path()).unwrap();
        assert_eq!(unfinished.plan, "p1");
        assert_eq!(unfinished.touched, [bucket, trail.clone()].into());
        assert_eq!(unfinished.in_progress, [trail].into());
    }

    #[test]
    fn what_killed_runs_of_one_plan_touched_adds_up() {
        let folder = tempfile::tempdir().unwrap();
        for (plan, name) in [("p0", "a"), ("p1", "b"), ("p1", "c")] {
            let mut journal = Journal::begin(folder.path(), plan, now).unwrap();
            journal.started(&Address::new("bucket", name)).unwrap();
        }
        let unfinished = Journal::last_open(folder.path()).unwrap();
        let bucket = |name| Address::new("bucket", name);
        assert_eq!(unfinished.touched, [bucket("b"), bucket("c")].into());
        assert_eq!(unfinished.in_progress, [bucket("c")].into());
    }

    #[test]
    fn a_finished_run_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::begin(folder.path(), "p1", now).unwrap();
        journal.end().unwrap();
        assert_eq!(Journal::last_open(folder.path()), None);
    }

    #[test]
    fn a_line_cut_off_by_a_kill_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::begin(folder.path(), "p1", now).unwrap();
        journal.started(&Address::new("trail", "org")).unwrap();
        drop(journal);
        let path = folder.path().join("journal.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{{\"event\":\"do")).unwrap();
        assert_eq!(Journal::last_open(folder.path()).unwrap().plan, "p1");
        drop(Journal::begin(folder.path(), "p2", now).unwrap());
        assert_eq!(Journal::last_open(folder.path()).unwrap().plan, "p2");
    }
}
