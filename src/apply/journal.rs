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
    /// A run of the plan with this digest begins.
    Begin {
        time: String,
        plan: String,
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
    /// The run reached its end, whatever its result.
    End {
        time: String,
    },
}

/// A run that did not reach its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    pub plan: String,
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
        journal.write(&Entry::Begin {
            time: now(),
            plan: plan.to_owned(),
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

    /// The last run, if it did not reach its end.
    pub fn unfinished(folder: &Path) -> Option<Unfinished> {
        let text = fs::read_to_string(folder.join("journal.jsonl")).ok()?;
        // The last line may be cut off: the run was killed while it wrote.
        let entries = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let mut last: Option<Unfinished> = None;
        for entry in entries {
            match (entry, &mut last) {
                (Entry::Begin { time, plan }, _) => {
                    last = Some(Unfinished {
                        plan,
                        since: time,
                        touched: BTreeSet::new(),
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
        let unfinished = Journal::unfinished(folder.path()).unwrap();
        assert_eq!(unfinished.plan, "p1");
        assert_eq!(unfinished.touched, [bucket, trail.clone()].into());
        assert_eq!(unfinished.in_progress, [trail].into());
    }

    #[test]
    fn a_finished_run_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::begin(folder.path(), "p1", now).unwrap();
        journal.end().unwrap();
        assert_eq!(Journal::unfinished(folder.path()), None);
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
        assert!(Journal::unfinished(folder.path()).is_some());
    }
}
