//! What is measured.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libdeflater::Decompressor;
use memchr::memmem;
use orgtrail::selectors::{AdvancedEventSelector, FieldSelector, Operator, Selectors};
use orgtrail::volumes::{Engine, Options, Record, Scanner, Sink, Source, Syntax, Tally, count};
use serde::Deserialize;

const JOB: &str = include_str!("../../tests/data/logs/job_spec.json");

pub fn log_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, kind) = (entry.path(), entry.file_type().expect("a kind of entry"));
        if kind.is_dir() && !path.ends_with("CloudTrail-Digest") {
            log_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "gz") {
            files.push(path);
        }
    }
}

/// Reads and uncompresses all log files, members that follow a first one included.
pub fn each_text(logs: &Path, mut each: impl FnMut(&[u8])) {
    let mut files = Vec::new();
    log_files(logs, &mut files);
    let mut inflate = Decompressor::new();
    let mut text = vec![0; 64 << 20];
    for file in files {
        let file = fs::read(file).expect("a log file");
        let mut members = memmem::find_iter(&file, b"\x1f\x8b\x08").peekable();
        while let Some(start) = members.next() {
            // What looks like the beginning of a member may be within one; then nothing comes of it.
            let end = members.peek().copied().unwrap_or(file.len());
            let whole = inflate.gzip_decompress(&file[start..end], &mut text);
            if let Ok(length) =
                whole.or_else(|_| inflate.gzip_decompress(&file[start..], &mut text))
            {
                each(black_box(&text[..length]));
            }
        }
    }
}

struct Nothing(u64);

impl Sink for Nothing {
    fn record(&mut self, record: &Record<'_>) {
        self.0 += record.resources().len() as u64;
    }

    fn digest(&mut self) {}

    fn unknown(&mut self, _: u64, _: Syntax) {}
}

/// The text of each record, without the spaces between its members.
struct Records(Vec<String>);

impl Sink for Records {
    fn record(&mut self, record: &Record<'_>) {
        let record: serde_json::Value = serde_json::from_slice(record.text()).expect("JSON");
        self.0.push(record.to_string());
    }

    fn digest(&mut self) {}

    fn unknown(&mut self, _: u64, _: Syntax) {}
}

pub fn records(logs: &Path) -> Vec<String> {
    let (mut scanner, mut records) = (Scanner::default(), Records(Vec::new()));
    each_text(logs, |text| {
        scanner.begin();
        let _ = scanner.scan(text, true, &mut records);
    });
    // Folders are not read in the same order everywhere.
    records.0.sort();
    records.0
}

pub fn scan(logs: &Path) {
    let mut scanner = Scanner::default();
    let mut nothing = Nothing(0);
    each_text(logs, |text| {
        scanner.begin();
        let _ = scanner.scan(text, true, &mut nothing);
    });
    black_box(nothing.0);
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<Fields<'a>>,
}

/// The members that the full job looks at; a text with escapes cannot be borrowed, so these are left as they are.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "parsing them is what is measured")]
struct Fields<'a> {
    #[serde(borrow)]
    event_category: Option<&'a str>,
    event_source: Option<&'a str>,
    event_name: Option<&'a str>,
    event_type: Option<&'a str>,
    error_code: Option<&'a str>,
    event_time: Option<&'a str>,
    aws_region: Option<&'a str>,
    recipient_account_id: Option<&'a str>,
    #[serde(rename = "eventID")]
    event_id: Option<&'a str>,
    read_only: Option<bool>,
    management_event: Option<bool>,
    user_identity: Option<Identity<'a>>,
    resources: Option<Vec<Element<'a>>>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "parsing them is what is measured")]
struct Identity<'a> {
    #[serde(borrow)]
    arn: Option<&'a str>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "parsing them is what is measured")]
struct Element<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a str>,
    #[serde(rename = "ARN", borrow)]
    arn: Option<std::borrow::Cow<'a, str>>,
}

pub fn parse(logs: &Path) {
    let mut elements = 0;
    each_text(logs, |text| {
        if let Ok(document) = serde_json::from_slice::<Document<'_>>(text) {
            let of = |record: &Fields<'_>| record.resources.as_ref().map_or(0, Vec::len);
            elements += document.records.iter().map(of).sum::<usize>();
        }
    });
    black_box(elements);
}

pub fn count_logs(logs: &Path, threads: usize) -> Tally {
    let selectors = job();
    let engine = Engine::new(&[("job", &selectors)]);
    let options = Options {
        threads,
        ..Options::default()
    };
    count(&engine, vec![Source::Path(logs.to_owned())], &options).tally
}

fn job() -> Selectors {
    let spec: serde_json::Value = serde_json::from_str(JOB).expect("the job");
    let selectors = spec["selectors"].as_array().into_iter().flatten();
    let field = |field: &serde_json::Value| {
        let operators = [
            ("equals", Operator::Equals),
            ("startsWith", Operator::StartsWith),
            ("notEquals", Operator::NotEquals),
            ("notStartsWith", Operator::NotStartsWith),
        ];
        let empty = FieldSelector::new(field["field"].as_str().unwrap_or_default());
        operators
            .into_iter()
            .fold(empty, |written, (name, operator)| {
                let values = field[name].as_array();
                let texts = values.map(|values| values.iter().filter_map(|value| value.as_str()));
                texts
                    .into_iter()
                    .fold(written, |written, texts| written.with(operator, texts))
            })
    };
    let selector = |selector: &serde_json::Value| {
        let fields = selector["fields"].as_array().into_iter().flatten();
        AdvancedEventSelector::new(fields.map(field).collect())
    };
    Selectors::Advanced(selectors.map(selector).collect())
}

/// A program that does the same, or less.
pub struct Peer {
    program: PathBuf,
    arguments: Vec<String>,
    /// The files, one a line.
    list: tempfile::NamedTempFile,
    expected: String,
}

impl Peer {
    pub fn zcat(logs: &Path, bytes: u64) -> Result<Self, String> {
        let script = "xargs -d '\\n' zcat < \"$1\" | wc -c";
        Self::new(logs, "sh".into(), &["-c", script, "sh"], bytes.to_string())
    }

    /// The best plan that is known, see its script. It knows less of old records that do not name their category, so
    /// where there are any it need only count all events.
    pub fn duckdb(logs: &Path, tally: &Tally, are_old: bool) -> Result<Self, String> {
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/duckdb/run");
        let made = Command::new(&run)
            .output()
            .map_err(|error| error.to_string())?;
        if !made.status.success() {
            let reason = String::from_utf8_lossy(&made.stderr);
            return Err(format!(
                "no DuckDB from PyPI: {}",
                reason.lines().last().unwrap_or_default()
            ));
        }
        let recorded = (0..6).map(|selector| tally.recorded(0, Some(selector)).to_string());
        let recorded = recorded.collect::<Vec<_>>().join(", ");
        let recorded = if are_old { "" } else { &recorded };
        let expected = format!("{{\"events\": {}, \"recorded\": [{recorded}", tally.events);
        Self::new(logs, run, &[], expected)
    }

    fn new(
        logs: &Path,
        program: PathBuf,
        arguments: &[&str],
        expected: String,
    ) -> Result<Self, String> {
        let mut files = Vec::new();
        log_files(logs, &mut files);
        let list = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
        let lines = files.iter().map(|file| format!("{}\n", file.display()));
        fs::write(&list, lines.collect::<String>()).map_err(|error| error.to_string())?;
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        let peer = Self {
            program,
            arguments: arguments.collect(),
            list,
            expected,
        };
        let printed = peer.run_once()?;
        match printed.starts_with(&peer.expected) {
            true => Ok(peer),
            false => Err(format!(
                "counts {printed:.200} where we count {}",
                peer.expected
            )),
        }
    }

    pub fn run(&self) {
        black_box(self.run_once().expect("what ran once runs again"));
    }

    fn run_once(&self) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .arg(self.list.path())
            .stderr(Stdio::null());
        let output = command.output().map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(format!("{} fails", self.program.display())),
        }
    }
}
