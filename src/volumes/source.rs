//! Where log files are: folders and files, in a stable order, and what their paths say.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use time::{Date, Month};

use super::count::Place;
use super::sample::Sample;
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
    /// Files that somebody else finds and fetches, in an order that is always the same.
    Feed(Box<dyn Iterator<Item = Found> + Send>),
}

/// Which log files to read, by what their paths say; those whose paths say nothing are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Account ids; none: all.
    pub accounts: BTreeSet<String>,
    pub regions: BTreeSet<String>,
    /// The first day, by the folder that CloudTrail delivered to.
    pub from: Option<Date>,
    /// The first day that no longer belongs to it.
    pub to: Option<Date>,
}

impl Selection {
    pub fn wants(&self, layout: &Layout) -> bool {
        let place = layout.place.as_ref();
        place.is_none_or(|place| {
            self.wants_account(&place.account) && self.wants_region(&place.region)
        }) && layout.day.is_none_or(|day| self.wants_day(day))
    }

    fn wants_path(&self, path: &Path) -> bool {
        self.is_everything() || self.wants(&Layout::of(path))
    }

    pub fn wants_account(&self, account: &str) -> bool {
        self.accounts.is_empty() || self.accounts.contains(account)
    }

    pub fn wants_region(&self, region: &str) -> bool {
        self.regions.is_empty() || self.regions.contains(region)
    }

    /// Whether nothing is left out.
    pub(super) fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// By what the record itself says, for files whose path says nothing. A record that does not say either is wanted.
    pub(super) fn wants_record(&self, account: &str, region: &str, time: &[u8]) -> bool {
        let day = time.get(..10).and_then(|day| std::str::from_utf8(day).ok());
        let day = day.and_then(|day| {
            let parts: Vec<&str> = day.split('-').collect();
            day_of(parts.try_into().ok()?)
        });
        (account.is_empty() || self.wants_account(account))
            && (region.is_empty() || self.wants_region(region))
            && day.is_none_or(|day| self.wants_day(day))
    }

    fn wants_day(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day < to)
    }

    /// Whether a folder may hold files that are wanted.
    fn may_be_in(&self, folder: &Path) -> bool {
        let parts = parts_of(folder);
        let Some((account, rest)) = after_root(&parts).and_then(<[&str]>::split_first) else {
            return true;
        };
        let wants_region = rest.get(1).is_none_or(|region| self.wants_region(region));
        // A year or month that is not complete stands for all days in it, so only whole days are decided on.
        let day = rest.get(2..5).and_then(day_of_folders);
        self.wants_account(account) && wants_region && day.is_none_or(|day| self.wants_day(day))
    }
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
    /// Day of the delivery.
    pub day: Option<Date>,
}

impl Layout {
    pub fn of(path: &Path) -> Self {
        let parts = parts_of(path);
        Self::by_folders(&parts).unwrap_or_else(|| Self::without_folders(&parts))
    }

    fn without_folders(parts: &[&str]) -> Self {
        let name = parts.last().copied().unwrap_or_default();
        Self::by_name(name).unwrap_or(Self {
            kind: Kind::Logs,
            place: None,
            day: None,
        })
    }

    fn by_folders(parts: &[&str]) -> Option<Self> {
        let [account, kind, region, rest @ ..] = after_root(parts)? else {
            return None;
        };
        let (_, folders) = rest.split_last()?;
        Self::new(
            account,
            kind,
            region,
            folders.get(..3).and_then(day_of_folders),
        )
    }

    /// For files that have been copied out of their folders.
    fn by_name(name: &str) -> Option<Self> {
        let mut parts = name.split('_');
        let (account, kind, region) = (parts.next()?, parts.next()?, parts.next()?);
        let day = parts
            .next()?
            .get(..8)
            .and_then(|day| day_of([day.get(..4)?, day.get(4..6)?, day.get(6..)?]));
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        is_account
            .then(|| Self::new(account, kind, region, day))
            .flatten()
    }

    fn new(account: &str, kind: &str, region: &str, day: Option<Date>) -> Option<Self> {
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
            day,
        })
    }
}

/// The layouts of files that come folder by folder: what one folder says is looked at once.
#[derive(Default)]
pub(super) struct Layouts {
    folder: Vec<u8>,
    layout: Option<Rc<Layout>>,
}

impl Layouts {
    pub fn of(&mut self, path: &Path) -> Rc<Layout> {
        let written = path.as_os_str().as_encoded_bytes();
        let folder = memchr::memrchr(b'/', written).and_then(|end| written.get(..end));
        if let Some(layout) = &self.layout
            && folder == Some(&self.folder)
        {
            return Rc::clone(layout);
        }
        let parts = parts_of(path);
        let Some(layout) = Layout::by_folders(&parts) else {
            return Rc::new(Layout::without_folders(&parts));
        };
        let layout = Rc::new(layout);
        self.layout = Some(Rc::clone(&layout));
        self.folder.clear();
        self.folder.extend_from_slice(folder.unwrap_or_default());
        layout
    }
}

fn parts_of(path: &Path) -> Vec<&str> {
    path.iter().filter_map(|part| part.to_str()).collect()
}

/// What follows `AWSLogs/` and the organization, if there is one: account, kind, Region, year, month, day, name.
fn after_root<'p, 's>(parts: &'p [&'s str]) -> Option<&'p [&'s str]> {
    let start = parts.iter().rposition(|part| *part == "AWSLogs")? + 1;
    let rest = parts.get(start..)?;
    match rest.first()?.starts_with("o-") {
        true => rest.get(1..),
        false => Some(rest),
    }
}

fn day_of_folders(folders: &[&str]) -> Option<Date> {
    folders.try_into().ok().and_then(day_of)
}

fn day_of([year, month, day]: [&str; 3]) -> Option<Date> {
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}

/// One step of a walk over sources.
pub enum Found {
    File(PathBuf),
    /// A file in memory.
    Bytes {
        name: String,
        bytes: Vec<u8>,
        /// Dropped when the bytes are no longer needed.
        hold: Box<dyn Send>,
    },
    Stream {
        name: String,
        reader: Box<dyn Read + Send>,
    },
    /// A digest file, of which nothing but the size is asked.
    Digest {
        name: String,
        size: u64,
    },
    /// A log file that does not belong to the sample.
    Left {
        name: String,
        size: u64,
    },
    /// A file of a folder that is no log file by its name.
    Skipped,
    Problem(Problem),
}

impl Found {
    /// Memory that it holds.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Bytes { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }

    pub(super) fn group(&self) -> usize {
        match self {
            Self::File(path) => Sample::group(&path.to_string_lossy()),
            Self::Bytes { name, .. } | Self::Stream { name, .. } => Sample::group(name),
            _ => 0,
        }
    }
}

/// All files of all sources. Folders are read as the walk reaches them, each in the order of its names, so that
/// memory holds one folder of each level and not the whole list.
pub struct Walk {
    sources: std::vec::IntoIter<Source>,
    selection: Selection,
    /// What is left of the folders that the walk is in, backwards.
    folders: Vec<Vec<(PathBuf, bool)>>,
    feed: Option<Box<dyn Iterator<Item = Found> + Send>>,
}

impl Walk {
    /// Paths come first, in their order and each once, then everything else.
    pub fn new(sources: Vec<Source>, selection: Selection) -> Self {
        let mut paths: Vec<PathBuf> = Vec::new();
        let mut streams = Vec::new();
        for source in sources {
            match source {
                Source::Path(path) => paths.push(path),
                other => streams.push(other),
            }
        }
        let mut paths = outermost(paths);
        paths.sort();
        let mut sources: Vec<Source> = paths.into_iter().map(Source::Path).collect();
        sources.extend(streams);
        Self {
            sources: sources.into_iter(),
            selection,
            folders: Vec::new(),
            feed: None,
        }
    }

    fn source(&mut self, source: Source) -> Option<Found> {
        match source {
            Source::Stream { name, reader } => Some(Found::Stream { name, reader }),
            Source::Feed(feed) => {
                self.feed = Some(feed);
                None
            }
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
            match self.feed.as_mut().map(Iterator::next) {
                Some(None) => self.feed = None,
                Some(found) => return found,
                None => {}
            }
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
                Some((path, true)) if self.selection.may_be_in(&path) => {
                    if let Some(found) = self.enter(&path) {
                        return Some(found);
                    }
                }
                Some((_, true)) => {}
                Some((path, false)) if !is_log_name(&path) => return Some(Found::Skipped),
                Some((path, false)) if self.selection.wants_path(&path) => {
                    return Some(Found::File(path));
                }
                Some(_) => {}
            }
        }
    }
}

/// Paths without those that lie in another one, so that no file is read twice.
fn outermost(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let real = |path: &PathBuf| fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let mut paths: Vec<(PathBuf, PathBuf)> =
        paths.into_iter().map(|path| (real(&path), path)).collect();
    paths.sort();
    // A folder comes right before what is in it.
    paths.dedup_by(|inner, outer| inner.0.starts_with(&outer.0));
    paths.into_iter().map(|(_, path)| path).collect()
}

/// The entries of a folder, last one first, and which of them are folders. Links to folders are not followed, since
/// they may lead in circles.
fn entries(folder: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        // Pipes and devices never end.
        if kind.is_dir() || kind.is_file() || kind.is_symlink() {
            entries.push((entry.path(), kind.is_dir()));
        }
    }
    // By the bytes of their names, as all else is the same.
    entries.sort_by(|a, b| b.0.as_os_str().cmp(a.0.as_os_str()));
    Ok(entries)
}

pub fn is_log_name(path: &Path) -> bool {
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

    #[test]
    fn days_and_accounts_select_files_and_folders() {
        let day = |day| Date::from_calendar_date(2026, Month::July, day).expect("a day");
        let selection = Selection {
            accounts: BTreeSet::from(["111122223333".to_owned()]),
            from: Some(day(14)),
            to: Some(day(16)),
            ..Selection::default()
        };
        let root = "p/AWSLogs/o-abc/111122223333/CloudTrail/eu-west-1/2026/07";
        let wants = |path: &str| selection.wants(&Layout::of(Path::new(path)));
        assert!(wants(&format!("{root}/14/x.json.gz")) && wants("events.json"));
        assert!(!wants(&format!("{root}/16/x.json.gz")));
        assert!(
            !wants(&root.replace("1111", "4444"))
                || !wants(&format!("{}/14/x.gz", root.replace("1111", "4444")))
        );
        assert!(wants(
            "111122223333_CloudTrail_eu-west-1_20260714T0000Z_A.json.gz"
        ));
        assert!(!wants(
            "111122223333_CloudTrail_eu-west-1_20260713T2355Z_A.json.gz"
        ));
        let enters = |path: &str| selection.may_be_in(Path::new(path));
        assert!(enters("p/AWSLogs") && enters("p/AWSLogs/o-abc") && enters(root));
        assert!(enters(&format!("{root}/15")) && !enters(&format!("{root}/13")));
        assert!(!enters("p/AWSLogs/o-abc/444422223333"));
    }
}
