//! How fast events are counted: CPU time per core of uncompressed JSON, beside uncompressing alone and beside others.
//!
//! `cargo bench --bench engine -- [--gb 0.1] [--seed 7] [--threads 1] [--runs 3] [--dir LOGS]`
//!
//! Without `--dir` it makes the logs of an organization in a temporary folder, the same ones for the same seed; then
//! it delivers the published records of tests/data/logs again and again. The full job is six selectors on one trail, and all counts.
//! Linux only, for CPU time and memory.

mod generator;
mod stages;

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use generator::{Truth, deliver, gzip, make_logs};
use orgtrail::volumes::Tally;
use stages::{Peer, count_logs, each_text, parse, records, scan};

/// How often the published records are delivered, so that there is something to measure.
const DELIVERIES: u64 = 72;
const HUGE: u64 = 2 << 30;

/// A name, and what is timed.
type Stage<'a> = (&'a str, Box<dyn Fn() + 'a>);

fn main() {
    if let Some(logs) = text_argument("--count-only") {
        return count_only(Path::new(&logs));
    }
    let made = tempfile::tempdir().expect("a temporary folder");
    let logs = match text_argument("--dir") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let logs = made.path().join("generated");
            let (gigabytes, seed) = (argument("--gb", 0.1), argument("--seed", 7.0));
            let truth = make_logs(&logs, gigabytes, seed as u64);
            check(&count_logs(&logs, 1), &truth);
            logs
        }
    };
    let is_made = text_argument("--dir").is_none();
    measure("logs", &logs, !is_made);
    if is_made {
        let real = made.path().join("real");
        let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/logs/records");
        deliver(&real, &records(&published), DELIVERIES);
        measure("published records", &real, true);
        memory_of_one_file(&made.path().join("huge"));
    }
}

/// All stages, in turns, so that a busy moment of the machine hits all of them.
fn measure(what: &str, logs: &Path, are_old: bool) {
    let threads = argument("--threads", 1.0) as usize;
    let tally = count_logs(logs, threads);
    let bytes = tally.files.uncompressed_bytes;
    println!(
        "{what}: {} files, {} events, {:.0} MB of JSON in {:.0} MB of gzip; {threads} thread(s)",
        tally.files.count,
        tally.events,
        megabytes(bytes),
        megabytes(tally.files.compressed_bytes),
    );
    let zcat = Peer::zcat(logs, bytes);
    let duckdb = Peer::duckdb(logs, &tally, are_old);
    let mut stages: Vec<Stage<'_>> = vec![
        (
            "uncompress only (the floor)",
            Box::new(|| each_text(logs, |_| {})),
        ),
        (
            "full job",
            Box::new(|| drop(black_box(count_logs(logs, threads)))),
        ),
        ("find records and their members", Box::new(|| scan(logs))),
        ("the same with serde_json", Box::new(|| parse(logs))),
    ];
    for (name, peer) in [("zcat | wc -c", &zcat), ("full job in DuckDB", &duckdb)] {
        match peer {
            Ok(peer) => stages.push((name, Box::new(|| peer.run()))),
            Err(reason) => println!("skipped: {name}: {reason}"),
        }
    }
    let runs = argument("--runs", 3.0) as usize;
    let mut seconds = vec![Vec::new(); stages.len()];
    for _ in 0..runs.max(1) {
        for ((_, stage), taken) in stages.iter().zip(&mut seconds) {
            let before = cpu_seconds();
            stage();
            taken.push(cpu_seconds() - before);
        }
    }
    let medians: Vec<f64> = seconds.iter_mut().map(|taken| median(taken)).collect();
    for ((name, _), taken) in stages.iter().zip(&medians) {
        let speed = megabytes(bytes) / taken;
        let (floor, job) = (medians[0] / taken, taken / medians[1]);
        println!(
            "{name:32} {taken:8.3} CPU s {speed:6.0} MB/s per core  {floor:5.2} of the floor  {job:6.2} x the full job"
        );
    }
    let (one, all) = (
        wall_seconds(logs, 1, runs),
        wall_seconds(logs, cores(), runs),
    );
    println!(
        "wall time of the full job: {one:.3} s with 1 thread, {all:.3} s with {}: {:.2} times as fast",
        cores(),
        one / all
    );
    println!("peak resident memory of the full job: {}\n", memory(logs));
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The shortest of several runs: the others have waited for other work of the machine.
fn wall_seconds(logs: &Path, threads: usize, runs: usize) -> f64 {
    let run = |_| {
        let start = Instant::now();
        drop(black_box(count_logs(logs, threads)));
        start.elapsed().as_secs_f64()
    };
    (0..runs.max(1)).map(run).fold(f64::INFINITY, f64::min)
}

/// A single file that is far larger than the memory it may take.
fn memory_of_one_file(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    gzip(&folder.join("huge.json.gz"), HUGE);
    println!(
        "one file of {:.1} GB of JSON: peak resident memory {}",
        HUGE as f64 / 1e9,
        memory(folder)
    );
}

/// Of a process that does nothing else.
fn memory(logs: &Path) -> String {
    let itself = std::env::current_exe().expect("the path of the benchmark");
    let threads = cores();
    let output = Command::new(itself)
        .arg("--count-only")
        .arg(logs)
        .args(["--threads", &threads.to_string()])
        .output()
        .expect("the benchmark again");
    let peak = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    format!("{peak} with {threads} thread(s)")
}

fn count_only(logs: &Path) {
    black_box(count_logs(logs, argument("--threads", 1.0) as usize));
    println!("{}", status("VmHWM:"));
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn text_argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

fn argument(name: &str, default: f64) -> f64 {
    text_argument(name).map_or(default, |text| text.parse().expect("a number"))
}

/// User and system time of all threads, and of processes that have ended.
fn cpu_seconds() -> f64 {
    let own = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc");
    let (_, fields) = stat.rsplit_once(')').expect("the name of the program");
    // In hundredths of a second.
    let children = fields.split_whitespace().skip(13).take(2);
    let children = children.map(|ticks| ticks.parse::<f64>().expect("ticks") / 100.0);
    own.tv_sec as f64 + own.tv_nsec as f64 / 1e9 + children.sum::<f64>()
}

fn status(name: &str) -> String {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}

fn check(tally: &Tally, truth: &Truth) {
    assert_eq!(tally.events, truth.events, "events");
    assert_eq!(tally.files.uncompressed_bytes, truth.bytes, "bytes");
    for (selector, count) in truth.recorded.iter().enumerate() {
        assert_eq!(
            tally.recorded(0, Some(selector)),
            *count,
            "selector {selector}"
        );
    }
    assert_eq!(tally.problems.count, 0, "{:?}", tally.problems);
}
