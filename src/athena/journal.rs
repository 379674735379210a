//! What has been asked and answered, on disk: which query runs for which part, and the rows of the parts that are done.
//!
//! A folder for each question. A killed run leaves queries that go on running in Athena; the next run finds them by their
//! ids, or by the token under which they were started when it was killed before the id arrived.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Error;

const VERSION: u32 = 1;

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
enum Entry {
    /// The first run; later ones that go on use its name.
    Begin { version: u32, run: String },
    /// A query runs for a part.
    Started { part: String, query: String },
    /// It will not give an answer.
    Ended {
        part: String,
        query: String,
        bytes: u64,
    },
    /// It gave one, which is kept.
    Done { part: String, bytes: u64 },
}

/// A row of an answer.
pub type Row = Vec<Option<String>>;

/// The state of one question. Only one process at a time has it.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    file: File,
    run: String,
    queries: BTreeMap<String, String>,
    ended: BTreeMap<String, usize>,
    scanned: u64,
}

/// A short name for a text.
pub fn digest(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Journal {
    /// Opens the journal of a question, by its digest, or begins one.
    pub fn open(data_dir: &Path, question: &str) -> Result<Self, Error> {
        let folder = data_dir.join("athena").join(question);
        let path = folder.join("journal.jsonl");
        let failed = |error| unwritable(&path, &error);
        fs::create_dir_all(&folder).map_err(failed)?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = format!("another process asks Athena the same ({})", path.display());
                return Err(Error::failed(what).fix("wait for it, or stop it"));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut journal = Self {
            folder,
            file,
            run: String::new(),
            queries: BTreeMap::new(),
            ended: BTreeMap::new(),
            scanned: 0,
        };
        let torn = journal.read(&path)?;
        if torn {
            journal.file.write_all(b"\n").map_err(failed)?;
        }
        if journal.run.is_empty() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_or(0, |now| now.as_nanos());
            let run = digest(&format!("{now} {}", std::process::id()));
            journal.write(&Entry::Begin {
                version: VERSION,
                run: run.clone(),
            })?;
            journal.run = run;
        }
        Ok(journal)
    }

    /// Takes in what is there. The last line may be cut off.
    fn read(&mut self, path: &Path) -> Result<bool, Error> {
        let text = fs::read_to_string(path).map_err(|error| unwritable(path, &error))?;
        for line in text.lines() {
            match serde_json::from_str(line) {
                Ok(Entry::Begin { version, .. }) if version != VERSION => {
                    let what = format!("{} is of version {version}", path.display());
                    return Err(
                        Error::failed(what).fix("remove its folder, and everything is asked anew")
                    );
                }
                Ok(entry) => self.take(entry),
                Err(_) => {}
            }
        }
        Ok(!text.is_empty() && !text.ends_with('\n'))
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Begin { run, .. } => self.run = run,
            Entry::Started { part, query } => {
                self.queries.insert(part, query);
            }
            Entry::Done { part, bytes } => {
                self.queries.remove(&part);
                self.scanned += bytes;
            }
            Entry::Ended { part, bytes, .. } => {
                self.queries.remove(&part);
                self.scanned += bytes;
                *self.ended.entry(part).or_default() += 1;
            }
        }
    }

    /// On disk before the caller goes on.
    fn write(&mut self, entry: &Entry) -> Result<(), Error> {
        let mut line = serde_json::to_string(entry).unwrap_or_default();
        line.push('\n');
        let written = self.file.write_all(line.as_bytes());
        written
            .and_then(|()| self.file.sync_data())
            .map_err(|error| unwritable(&self.folder, &error))
    }

    /// The query that was started for a part and has not ended, as far as this program knows.
    pub fn query(&self, part: &str) -> Option<String> {
        self.queries.get(part).cloned()
    }

    /// Under one token Athena starts one query, however often it is asked; after a failure there is another one.
    pub fn token(&self, part: &str) -> String {
        let ended = self.ended.get(part).copied().unwrap_or_default();
        digest(&format!("{} {part} {ended}", self.run))
    }

    pub fn started(&mut self, part: &str, query: &str) -> Result<(), Error> {
        self.note(Entry::Started {
            part: part.to_owned(),
            query: query.to_owned(),
        })
    }

    pub fn ended(&mut self, part: &str, query: &str, bytes: u64) -> Result<(), Error> {
        self.note(Entry::Ended {
            part: part.to_owned(),
            query: query.to_owned(),
            bytes,
        })
    }

    pub fn done(&mut self, part: &str, bytes: u64) -> Result<(), Error> {
        self.note(Entry::Done {
            part: part.to_owned(),
            bytes,
        })
    }

    /// Bytes that the queries which are over have read.
    pub fn scanned(&self) -> u64 {
        self.scanned
    }

    fn note(&mut self, entry: Entry) -> Result<(), Error> {
        self.write(&entry)?;
        self.take(entry);
        Ok(())
    }

    pub fn is_done(&self, part: &str) -> bool {
        self.rows_of(part).exists()
    }

    fn rows_of(&self, part: &str) -> PathBuf {
        self.folder.join(format!("{part}.rows.jsonl"))
    }

    /// A place for the rows of a part, which count once all are there.
    pub fn answer(&self, part: &str) -> Result<Answer, Error> {
        let place = self.rows_of(part);
        let path = place.with_extension("part");
        let file = File::create(&path).map_err(|error| unwritable(&path, &error))?;
        Ok(Answer {
            path,
            place,
            file: BufWriter::new(file),
        })
    }

    /// The rows of a part that is done.
    pub fn rows(&self, part: &str) -> Result<impl Iterator<Item = Result<Row, Error>>, Error> {
        let path = self.rows_of(part);
        let broken = move |path: &Path, why: &dyn std::fmt::Display| {
            let what = format!("{} cannot be read: {why}", path.display());
            Error::failed(what).fix("remove it, and that part is asked anew")
        };
        let file = File::open(&path).map_err(|error| broken(&path, &error))?;
        let lines = BufReader::new(file).lines();
        Ok(lines.map(move |line| {
            let line = line.map_err(|error| broken(&path, &error))?;
            serde_json::from_str(&line).map_err(|error| broken(&path, &error))
        }))
    }

    /// Forgets it all, once the counts are where they belong.
    pub fn finish(self) -> Result<(), Error> {
        drop(self.file);
        fs::remove_dir_all(&self.folder).map_err(|error| unwritable(&self.folder, &error))
    }
}

/// Rows on their way to disk.
pub struct Answer {
    path: PathBuf,
    place: PathBuf,
    file: BufWriter<File>,
}

impl Answer {
    pub fn add(&mut self, row: &Row) -> Result<(), Error> {
        let mut line = serde_json::to_vec(row).unwrap_or_default();
        line.push(b'\n');
        let written = self.file.write_all(&line);
        written.map_err(|error| unwritable(&self.path, &error))
    }

    pub fn complete(mut self) -> Result<(), Error> {
        let done = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all());
        done.and_then(|()| fs::rename(&self.path, &self.place))
            .map_err(|error| unwritable(&self.path, &error))
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::failed(format!("{} cannot be written: {error}", path.display()))
        .fix("name another folder with --data-dir, or make room")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_run_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Journal::open(folder.path(), "q");
        let mut journal = open().unwrap();
        let first = journal.token("a");
        journal.started("a", "id-1").unwrap();
        journal.started("b", "id-2").unwrap();
        journal.ended("b", "id-2", 5).unwrap();
        journal.done("c", 7).unwrap();
        let mut answer = journal.answer("c").unwrap();
        answer.add(&vec![Some("x".to_owned()), None]).unwrap();
        assert!(!journal.is_done("c"));
        answer.complete().unwrap();
        let unfinished = journal.answer("d").unwrap();
        let refused = open().unwrap_err();
        assert!(matches!(refused, Error::Failed { what, .. } if what.contains("another process")));
        let second = journal.token("b");
        drop((journal, unfinished));
        let path = folder.path().join("athena/q/journal.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{{\"event\":\"sta")).unwrap();
        for _ in 0..2 {
            let journal = open().unwrap();
            assert_eq!(journal.query("a").as_deref(), Some("id-1"));
            assert_eq!(
                (journal.token("a"), journal.token("b")),
                (first.clone(), second.clone())
            );
            assert_eq!((journal.query("b"), journal.scanned()), (None, 12));
            assert!(journal.is_done("c") && !journal.is_done("d"));
            let rows: Vec<Row> = journal.rows("c").unwrap().map(Result::unwrap).collect();
            assert_eq!(rows, [[Some("x".to_owned()), None]]);
        }
        assert_ne!(first, digest("x"));
        open().unwrap().finish().unwrap();
        assert_ne!(Journal::open(folder.path(), "q").unwrap().token("a"), first);
    }
}
