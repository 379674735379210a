//! What an estimate takes for a large organization: 2,000 accounts in 17 Regions, three trails, 84 months.
//!
//! `cargo bench --bench cost [-- --accounts 2000 --runs 5]`
//!
//! It makes the spec and the volumes, the same ones each time. Every figure is the median of fresh processes, with the
//! peak of their resident memory (VmHWM of /proc, so Linux only): first estimate and report by themselves, on volumes that
//! are in memory already, then the whole command, from reading a JSON or a YAML file to writing the report.

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use orgtrail::cost::{DEFAULT_REGIONS, PriceBook, Volumes};
use orgtrail::costing::{self, Case};
use orgtrail::other_trails::OtherTrails;
use orgtrail::render::cost as view;
use orgtrail::spec::{self, Spec};
use time::macros::date;

const MONTHS: u32 = 84;

/// What a fresh process is asked to do.
const STAGES: [(&str, &str); 3] = [
    ("memory", "estimate and report, volumes in memory"),
    ("json", "orgtrail cost, volumes as JSON"),
    ("yaml", "orgtrail cost, volumes as YAML"),
];

fn main() {
    let stage = text_argument("--stage");
    let folder = text_argument("--folder");
    if let (Some(stage), Some(folder)) = (stage, folder) {
        return run(&stage, Path::new(&folder));
    }
    let accounts = argument("--accounts", 2_000);
    let runs = argument("--runs", 5).max(1);
    let folder = tempfile::tempdir().expect("a temporary folder");
    make(folder.path(), accounts);
    let size = |name: &str| {
        let bytes = fs::metadata(folder.path().join(name))
            .expect("a file")
            .len();
        bytes as f64 / 1e6
    };
    println!(
        "{accounts} accounts × {} Regions × 3 trails × {MONTHS} months; volumes {:.1} MB as JSON, {:.1} MB as YAML; \
         median of {runs}\n",
        DEFAULT_REGIONS.len(),
        size("volumes.json"),
        size("volumes.yaml")
    );
    for (stage, name) in STAGES {
        let figures: Vec<(f64, f64)> = (0..runs).map(|_| fresh(stage, folder.path())).collect();
        let median = |of: fn(&(f64, f64)) -> f64| {
            let mut values: Vec<f64> = figures.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        println!(
            "{name:40} {:6.0} ms {:6.0} MB peak",
            median(|figure| figure.0) * 1e3,
            median(|figure| figure.1)
        );
    }
}

/// Seconds and MB of a stage in a process of its own.
fn fresh(stage: &str, folder: &Path) -> (f64, f64) {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args(["--stage", stage, "--folder"])
        .arg(folder)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let mut words = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (output.status.success(), words.next(), words.next()) {
        (true, Some(seconds), Some(megabytes)) => (seconds, megabytes),
        _ => panic!("{stage}: {text}{errors}"),
    }
}

fn run(stage: &str, folder: &Path) {
    let seconds = match stage {
        "memory" => estimate(folder),
        file => command(folder, file),
    };
    println!("{seconds} {}", peak_megabytes());
}

fn estimate(folder: &Path) -> f64 {
    let volumes = {
        let text = fs::read_to_string(folder.join("volumes.json")).expect("volumes");
        Volumes::parse(&text).expect("volumes")
    };
    let spec = read_spec(folder);
    let book = PriceBook::embedded();
    let begun = Instant::now();
    let report = costing::report(&Case {
        spec: &spec,
        old: None,
        files: vec!["orgtrail.yaml".to_owned()],
        volumes: &volumes,
        volumes_note: String::new(),
        others: &OtherTrails::default(),
        book: &book,
        budget: None,
        months: Some(MONTHS),
        today: date!(2026 - 11 - 01),
        now: "2026-11-01T00:00:00Z".to_owned(),
    });
    black_box(view::json(&report));
    begun.elapsed().as_secs_f64()
}

fn read_spec(folder: &Path) -> Spec {
    let text = fs::read(folder.join("orgtrail.yaml")).expect("the spec");
    let loaded = spec::load(
        vec![("orgtrail.yaml".to_owned(), text)],
        &|_| None,
        date!(2026 - 11 - 01),
    );
    loaded.spec.expect("a spec without errors")
}

/// The command as the program runs it, in this process, so that its memory is this process's.
fn command(folder: &Path, form: &str) -> f64 {
    let path = |name: &str| folder.join(name).display().to_string();
    let (spec, volumes) = (path("orgtrail.yaml"), path(&format!("volumes.{form}")));
    let months = MONTHS.to_string();
    let out = path("report.json");
    let words = [
        "orgtrail",
        "cost",
        "-f",
        &spec,
        "--volumes",
        &volumes,
        "--months",
        &months,
        "--format",
        "json",
        "--out",
        &out,
    ];
    let begun = Instant::now();
    let code = orgtrail::cli::main(words.into_iter().map(Into::into));
    assert_eq!(code, 0, "orgtrail cost failed");
    begun.elapsed().as_secs_f64()
}

fn peak_megabytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
    kilobytes.expect("VmHWM") / 1024.0
}

// ---- the organization

const SPEC: &str = r#"
version: 1
name: large
accounts:
  management: { id: "111122223333", region: us-east-1 }
  log-archive: { id: "222233334444", assume_role: OrgTrailApply }
organization: { id: o-a1b2c3d4e5 }
buckets:
  logs:
    account: log-archive
    name: large-org-trail-logs
    lifecycle:
      - id: archive
        transitions: [{ days: 90, storage_class: GLACIER_IR, object_size_greater_than: 131072 }]
        expiration_days: 2557
trails:
  org:
    account: management
    organization: true
    multi_region: true
    bucket: logs
    insights: { ApiCallRateInsight: [Management], ApiErrorRateInsight: [Management] }
    selectors:
      - { name: management, management: all, exclude: [kms.amazonaws.com] }
      - { name: objects, data: "AWS::S3::Object", read_only: false }
      - { name: functions, data: "AWS::Lambda::Function" }
  security:
    account: management
    organization: true
    multi_region: true
    bucket: logs
    prefix: security
    selectors:
      - { name: management, management: write }
      - { name: payments, data: "AWS::S3::Object", resources.ARN: { StartsWith: ["arn:aws:s3:::payments/"] } }
  endpoints:
    account: management
    organization: true
    multi_region: true
    bucket: logs
    prefix: endpoints
    selectors:
      - { name: endpoints, network_activity: s3.amazonaws.com }
"#;

const SOURCES: [&str; 8] = [
    "ec2.amazonaws.com",
    "iam.amazonaws.com",
    "kms.amazonaws.com",
    "lambda.amazonaws.com",
    "logs.amazonaws.com",
    "s3.amazonaws.com",
    "ssm.amazonaws.com",
    "sts.amazonaws.com",
];

fn make(folder: &Path, accounts: u64) {
    let mut random = Random(7);
    let mut yaml =
        "version: 1\nprovenance: measured\nwindow: { month: \"2026-10\" }\naccounts:\n".to_owned();
    for account in 0..accounts {
        let _ = writeln!(yaml, "  \"{:012}\":", 100_000_000_000 + account);
        for region in DEFAULT_REGIONS {
            let _ = writeln!(yaml, "    {region}:");
            region_volumes(&mut yaml, &mut random);
        }
    }
    let volumes = Volumes::parse(&yaml).expect("the volumes that were made");
    let json = serde_json::to_string(&volumes).expect("JSON");
    for (name, text) in [
        ("orgtrail.yaml", SPEC),
        ("volumes.yaml", &yaml),
        ("volumes.json", &json),
    ] {
        fs::write(folder.join(name), text).expect("a file");
    }
}

fn region_volumes(yaml: &mut String, random: &mut Random) {
    let _ = writeln!(yaml, "      management:");
    for source in SOURCES {
        let (read, write) = (random.below(200_000), random.below(20_000));
        let _ = writeln!(yaml, "        {source}: {{ read: {read}, write: {write} }}");
    }
    let (read, write) = (random.below(2_000_000), random.below(500_000));
    let invoked = random.below(300_000);
    let _ = write!(
        yaml,
        "      data:\n        s3.amazonaws.com:\n          AWS::S3::Object: {{ read: {read}, write: {write} }}\n        \
         lambda.amazonaws.com:\n          AWS::Lambda::Function: {{ write: {invoked} }}\n"
    );
    let other = random.below(50_000);
    let _ = writeln!(
        yaml,
        "      network_activity:\n        s3.amazonaws.com: {{ other: {other} }}"
    );
    let count = 500 + random.below(9_000);
    let compressed = count * (2_000 + random.below(20_000));
    let _ = writeln!(
        yaml,
        "      files: {{ count: {count}, compressed_bytes: {compressed}, uncompressed_bytes: {} }}",
        compressed * 9
    );
}

/// A linear congruential generator: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn argument(name: &str, default: u64) -> u64 {
    text_argument(name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn text_argument(name: &str) -> Option<String> {
    let mut words = std::env::args().skip_while(|word| word != name);
    words.nth(1)
}
