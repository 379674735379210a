//! Where log files are: folders and files, in a stable order, and what their paths say.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::count::Place;
use super::tally::{Problem, Reason};

/// What to read.
pub enum Source {
    /// A file, whatever its name, or a folder with all its folders.
    Path(PathBuf),
    /// Anything else that can be read, standard input for one.
    Stream {
        name: String,
        reader: Box<dyn Read + Send>,
    },
}

/// What a folder of CloudTrail holds, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Logs,
    Digests,
}

/// What a path says about the file, in either layout:
/// `AWSLogs/[ORGANIZATION/]ACCOUNT/KIND/REGION/YEAR/MONTH/DAY/ACCOUNT_KIND_REGION_TIME_RANDOM.json.gz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub kind: Kind,
    pub place: Option<Place>,
}

impl Layout {
    pub fn of(path: &Path) -> Self {
        let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
        let name = parts.last().copied().unwrap_or_default();
        let folders = Self::by_folders(&parts);
        folders.or_else(|| Self::by_name(name)).unwrap_or(Self {
            kind: Kind::Logs,
            place: None,
        })
    }

    fn by_folders(parts: &[&str]) -> Option<Self> {
        let start = parts.iter().rposition(|part| *part == "AWSLogs")? + 1;
        let organization = parts.get(start)?.starts_with("o-");
        let start = start + usize::from(organization);
        let [account, kind, region, _, ..] = parts.get(start..)? else {
            return None;
        };
        Self::new(account, kind, region)
    }

    /// For files that have been copied out of their folders.
    fn by_name(name: &str) -> Option<Self> {
        let mut parts = name.split('_');
        let (account, kind, region) = (parts.next()?, parts.next()?, parts.next()?);
        parts.next()?;
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        is_account
            .then(|| Self::new(account, kind, region))
            .flatten()
    }

    fn new(account: &str, kind: &str, region: &str) -> Option<Self> {
        let kind = match kind {
            "CloudTrail-Digest" => Kind::Digests,
            kind if kind.starts_with("CloudTrail") => Kind::Logs,
            _ => return None,
        };
        let place = Place {
            account: account.to_owned(),
            region: region.to_owned(),
        };
        Some(Self {
            kind,
            place: Some(place),
        })
    }
}

/// One step of a walk over sources.
pub enum Found {
    File(PathBuf),
    Stream {
        name: String,
        reader: Box<dyn Read + Send>,
    },
    /// A file of a folder that is no log file by its name.
    Skipped,
    Problem(Problem),
}

/// All files of all sources. Folders are read as the walk reaches them, each in the order of its names, so that
/// memory holds one folder of each level and not the whole list.
pub struct Walk {
    sources: std::vec::IntoIter<Source>,
    /// What is left of the folders that the walk is in, backwards.
    folders: Vec<Vec<(PathBuf, bool)>>,
}

impl Walk {
    /// Paths come first, in their order and each once, then streams.
    pub fn new(sources: Vec<Source>) -> Self {
        let mut paths = Vec::new();
        let mut streams = Vec::new();
        for source in sources {
            match source {
                Source::Path(path) => paths.push(path),
                stream @ Source::Stream { .. } => streams.push(stream),
            }
        }
        paths.sort();
        paths.dedup();
        let mut sources: Vec<Source> = paths.into_iter().map(Source::Path).collect();
        sources.extend(streams);
        Self {
            sources: sources.into_iter(),
            folders: Vec::new(),
        }
    }

    fn source(&mut self, source: Source) -> Option<Found> {
        match source {
            Source::Stream { name, reader } => Some(Found::Stream { name, reader }),
            Source::Path(path) if path.is_dir() => self.enter(&path),
            Source::Path(path) => Some(Found::File(path)),
        }
    }

    fn enter(&mut self, folder: &Path) -> Option<Found> {
        match entries(folder) {
            Ok(entries) => {
                self.folders.push(entries);
                None
            }
            Err(error) => Some(Found::Problem(unreadable(folder, &error))),
        }
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let Some(folder) = self.folders.last_mut() else {
                let source = self.sources.next()?;
                match self.source(source) {
                    None => continue,
                    found => return found,
                }
            };
            match folder.pop() {
                None => {
                    self.folders.pop();
                }
                Some((path, true)) => {
                    if let Some(found) = self.enter(&path) {
                        return Some(found);
                    }
                }
                Some((path, false)) if is_log_name(&path) => return Some(Found::File(path)),
                Some(_) => return Some(Found::Skipped),
            }
        }
    }
}

/// The entries of a folder, last one first, and which of them are folders. Links to folders are not followed, since
/// they may lead in circles.
fn entries(folder: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        entries.push((entry.file_name(), entry.file_type()?.is_dir()));
    }
    entries.sort_by(|a, b| b.0.cmp(&a.0));
    let paths = entries
        .into_iter()
        .map(|(name, is_folder)| (folder.join(name), is_folder));
    Ok(paths.collect())
}

fn is_log_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("gz" | "json" | "jsonl" | "ndjson"))
}

/// A problem with a file or folder as a whole.
pub fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem {
        file: path.display().to_string(),
        offset: None,
        reason: Reason::Unreadable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_and_bare_names_are_recognised() {
        let cases = [
            (
                "p/AWSLogs/o-abc/111122223333/CloudTrail/eu-west-1/2026/07/14/x.json.gz",
                Some("111122223333 eu-west-1 Logs"),
            ),
            (
                "AWSLogs/111122223333/CloudTrail-NetworkActivity/eu-west-1/x.json.gz",
                Some("111122223333 eu-west-1 Logs"),
            ),
            (
                "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/x.json.gz",
                Some("111122223333 eu-west-1 Digests"),
            ),
            (
                "x/111122223333_CloudTrail-Digest_eu-west-1_t_eu-west-1_20260714T000000Z.json.gz",
                Some("111122223333 eu-west-1 Digests"),
            ),
            (
                "111122223333_CloudTrail_eu-west-1_20260714T0000Z_A.json.gz",
                Some("111122223333 eu-west-1 Logs"),
            ),
            (
                "AWSLogs/111122223333/elasticloadbalancing/eu-west-1/x.log.gz",
                None,
            ),
            ("events.json", None),
        ];
        for (path, expected) in cases {
            let layout = Layout::of(Path::new(path));
            let said = layout
                .place
                .map(|p| format!("{} {} {:?}", p.account, p.region, layout.kind));
            assert_eq!(said.as_deref(), expected, "{path}");
        }
    }
}
