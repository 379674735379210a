//! The sandbox held against AWS's documented behaviour by `tests/emulators/aws_probe.py`, which knows nothing of it: are
//! writes read back as AWS reads them back, is refused what AWS refuses? The result is the table of docs/sandbox.md.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use support::{Workspace, python};

const ALL: &str = "*";
const UNUSED_SERVICE: &str = "orgtrail does not use the service";
const NOT_IN_SANDBOX: &str = "volumes, bills and price lists are not in the sandbox";
const UNITS: &str = "orgtrail does not look at organizational units";
const SCP: &str = "orgtrail prints the guardrail SCP; attaching it is left to you";
const LAKE: &str = "CloudTrail Lake is not in this version";
const DELEGATION: &str = "a spec names the delegated administrator, it does not make one";
const TOPIC: &str = "orgtrail only reads the policy of a topic";
const NOTIFICATION: &str = "no resource of a spec has it";
const UNREAD: &str = "orgtrail does not read it";

/// What is not counted: service, operation, variant, and why. None of them is called by orgtrail, which a test below
/// proves, and the sandbox answers none of them.
const OUT_OF_SCOPE: [(&str, &str, &str, &str); 43] = [
    ("sqs", ALL, ALL, UNUSED_SERVICE),
    ("events", ALL, ALL, UNUSED_SERVICE),
    ("multi-account", "events", ALL, UNUSED_SERVICE),
    ("lambda", ALL, ALL, UNUSED_SERVICE),
    ("glue", ALL, ALL, UNUSED_SERVICE),
    ("athena", ALL, ALL, NOT_IN_SANDBOX),
    ("ce", ALL, ALL, NOT_IN_SANDBOX),
    ("pricing", ALL, ALL, NOT_IN_SANDBOX),
    ("sns", "Subscribe+ListSubscriptionsByTopic", ALL, TOPIC),
    ("sns", "Publish", ALL, TOPIC),
    (
        "logs",
        "PutMetricFilter+Describe",
        ALL,
        "orgtrail does not set up log groups",
    ),
    (
        "kms",
        "GenerateDataKey+Decrypt",
        ALL,
        "orgtrail encrypts nothing itself",
    ),
    (
        "s3",
        "PutBucketNotificationConfiguration+Get",
        ALL,
        NOTIFICATION,
    ),
    ("s3", "PutBucketReplication+Get", ALL, NOTIFICATION),
    (
        "organizations",
        "CreateOrganizationalUnit+Describe+List",
        ALL,
        UNITS,
    ),
    (
        "organizations",
        "MoveAccount+ListParents+ListAccountsForParent",
        ALL,
        UNITS,
    ),
    ("organizations", "EnablePolicyType", ALL, SCP),
    ("organizations", "CreatePolicy+DescribePolicy", ALL, SCP),
    ("organizations", "CreatePolicy", ALL, SCP),
    ("organizations", "UpdatePolicy", ALL, SCP),
    (
        "organizations",
        "AttachPolicy+ListPoliciesForTarget",
        ALL,
        SCP,
    ),
    ("organizations", "DetachPolicy+DeletePolicy", ALL, SCP),
    ("cloudtrail", "CreateEventDataStore+Get", ALL, LAKE),
    ("cloudtrail", "CreateEventDataStore", ALL, LAKE),
    ("cloudtrail", "GetEventDataStore", ALL, LAKE),
    ("cloudtrail", "ListEventDataStores", ALL, LAKE),
    ("cloudtrail", "UpdateEventDataStore", ALL, LAKE),
    ("cloudtrail", "DeleteEventDataStore", ALL, LAKE),
    ("cloudtrail", "RestoreEventDataStore", ALL, LAKE),
    ("cloudtrail", "Stop/StartEventDataStoreIngestion", ALL, LAKE),
    ("cloudtrail", "ListTags", LAKE_VARIANTS[0], LAKE),
    (
        "cloudtrail",
        "PutEventConfiguration+Get",
        LAKE_VARIANTS[1],
        LAKE,
    ),
    ("cloudtrail", "StartQuery+DescribeQuery", ALL, LAKE),
    ("cloudtrail", "StartQuery", ALL, LAKE),
    ("cloudtrail", "GetQueryResults", ALL, LAKE),
    ("cloudtrail", "ListQueries", ALL, LAKE),
    (
        "cloudtrail",
        "EnableFederation+DisableFederation",
        ALL,
        LAKE,
    ),
    ("cloudtrail", "Put/Get/DeleteResourcePolicy", ALL, LAKE),
    ("cloudtrail", "Create/Get/List/DeleteChannel", ALL, LAKE),
    ("cloudtrail", "Create/Get/List/DeleteDashboard", ALL, LAKE),
    (
        "cloudtrail",
        "RegisterOrganizationDelegatedAdmin",
        ALL,
        DELEGATION,
    ),
    (
        "cloudtrail",
        "DeregisterOrganizationDelegatedAdmin",
        ALL,
        DELEGATION,
    ),
    (
        "cloudtrail",
        "(log delivery to S3)",
        ALL,
        "the sandbox delivers no log files",
    ),
];

/// The same for what only reads.
const OUT_OF_SCOPE_READS: [(&str, &str); 3] = [
    ("cloudtrail", "ListInsightsMetricData"),
    ("cloudtrail", "ListInsightsData"),
    ("cloudtrail", "ListPublicKeys"),
];

/// Probes of CloudTrail Lake whose operations trails have, too.
const LAKE_VARIANTS: [&str; 2] = ["event data store", "EDS: context keys, size"];

const LEAST_PERCENT: usize = 95;

#[derive(Deserialize)]
struct Row {
    service: String,
    op: String,
    variant: String,
    status: String,
    detail: String,
}

impl Row {
    /// Whether it asks for a refusal.
    fn refusal(&self) -> bool {
        self.service.starts_with("fidelity:")
    }

    fn service(&self) -> &str {
        self.service.trim_start_matches("fidelity:")
    }

    fn passes(&self) -> bool {
        let hoped_for = if self.refusal() { "enforced" } else { "ok" };
        self.status == hoped_for
    }

    fn out_of_scope(&self) -> Option<&'static str> {
        let fits = |pattern: &str, text: &str| pattern == ALL || pattern == text;
        let written = OUT_OF_SCOPE.iter().find(|(service, op, variant, _)| {
            *service == self.service() && fits(op, &self.op) && fits(variant, &self.variant)
        });
        let read = OUT_OF_SCOPE_READS
            .iter()
            .find(|read| **read == (self.service(), &self.op));
        written.map(|entry| entry.3).or(read.map(|_| UNREAD))
    }

    /// Whether orgtrail itself makes one of the row's calls; others come from its users or prepare the scene.
    fn called(&self, source: &str) -> bool {
        self.op.split('+').any(|op| calls(source, op))
    }
}

/// Whether the source calls an operation by the name that the SDK gives it.
fn calls(source: &str, operation: &str) -> bool {
    let name = snake_case(operation);
    let called = [
        format!(".{name}()"),
        format!(" {name},"),
        format!("\n{name},"),
    ];
    name.contains('_') && called.iter().any(|call| source.contains(call))
}

fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, c) in chars.iter().enumerate() {
        let after_word = at > 0 && chars[at - 1].is_ascii_lowercase();
        let before_word = at > 0 && chars.get(at + 1).is_some_and(char::is_ascii_lowercase);
        if c.is_ascii_uppercase() && (after_word || before_word) {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All of orgtrail but the sandbox.
fn source() -> String {
    let mut text = String::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            // Athena has calls of the same names as CloudTrail Lake.
            if path.is_dir() && !path.ends_with("sandbox") && !path.ends_with("athena") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

/// Runs the probe against a sandbox of its own.
fn probe() -> Vec<Row> {
    let work = Workspace::new();
    let serve = ["sandbox", "serve", "--empty", "--port", "0"];
    let mut server = work.orgtrail(serve).spawn();
    let mut line = String::new();
    let stdout = server.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let endpoint = line
        .split_whitespace()
        .find(|word| word.starts_with("http://"));
    let endpoint = endpoint.unwrap().trim_end_matches(';');
    let out = work.path("rows.json");
    let output = python()
        .arg(root().join("tests/emulators/aws_probe.py"))
        .args([
            "--endpoint",
            endpoint,
            "--name",
            "sandbox",
            "--delivery-wait",
            "0",
        ])
        .args(["--access-key", "111122223333", "--secret-key", "x"])
        .arg("--out")
        .arg(&out)
        .env_remove("AWS_PROFILE")
        .output();
    let _ = server.kill();
    let _ = server.wait();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    #[derive(Deserialize)]
    struct Document {
        rows: Vec<Row>,
    }
    let document: Document = serde_json::from_str(&work.read("rows.json")).unwrap();
    document.rows
}

#[derive(Clone, Copy, Default)]
struct Count {
    passed: usize,
    all: usize,
}

impl Count {
    fn add(&mut self, passed: bool) {
        self.all += 1;
        self.passed += usize::from(passed);
    }

    fn text(self) -> String {
        match self.all {
            0 => "–".to_owned(),
            all => format!("{} of {all}", self.passed),
        }
    }

    #[track_caller]
    fn is_enough(self, what: &str, failed: &str) {
        assert!(
            self.all > 20,
            "{what}: {} probes are too few to judge by",
            self.all
        );
        let enough = self.passed * 100 >= self.all * LEAST_PERCENT;
        assert!(enough, "{what}: {}\n{failed}", self.text());
    }
}

/// Read-backs and refusals of orgtrail's own calls, then of the others.
#[derive(Clone, Copy, Default)]
struct Counts([[Count; 2]; 2]);

impl Counts {
    fn add(&mut self, row: &Row, source: &str) {
        let column = usize::from(!row.called(source));
        self.0[column][usize::from(row.refusal())].add(row.passes());
    }

    fn total(&self, refusals: usize) -> Count {
        let [own, others] = [self.0[0][refusals], self.0[1][refusals]];
        Count {
            passed: own.passed + others.passed,
            all: own.all + others.all,
        }
    }

    fn cells(&self) -> String {
        let cells = self.0.iter().flatten().map(|count| count.text());
        cells.collect::<Vec<_>>().join(" | ")
    }
}

/// The table of docs/sandbox.md and the list of what it leaves out.
fn table(rows: &[Row], source: &str) -> (String, Counts) {
    let mut services: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut total = Counts::default();
    let mut left_out: BTreeMap<&str, (BTreeSet<String>, usize)> = BTreeMap::new();
    for row in rows {
        match row.out_of_scope() {
            Some(why) => {
                let (names, count) = left_out.entry(why).or_default();
                *count += 1;
                let own = row
                    .op
                    .split('+')
                    .filter(|op| !matches!(*op, "Get" | "Describe" | "List"));
                match why {
                    UNUSED_SERVICE if row.service() == "multi-account" => {}
                    UNUSED_SERVICE => drop(names.insert(row.service().to_owned())),
                    _ if LAKE_VARIANTS.contains(&row.variant.as_str()) => {
                        names.extend(own.map(|op| format!("{op} of event data stores")));
                    }
                    _ => names.extend(own.map(str::to_owned)),
                }
            }
            None => {
                services.entry(row.service()).or_default().add(row, source);
                total.add(row, source);
            }
        }
    }
    let mut text = String::from(
        "| service | orgtrail's calls: read back | refused | other calls: read back | refused |\n|---|---|---|---|---|\n",
    );
    for (service, counts) in &services {
        let _ = writeln!(text, "| {service} | {} |", counts.cells());
    }
    let _ = writeln!(text, "| **all** | {} |", total.cells());
    let (back, refused) = (total.total(0), total.total(1));
    let counted = back.all + refused.all;
    let _ = writeln!(
        text,
        "\nTogether **{}** read-backs and **{}** refusals. Of the {} probes {} are not counted:\n",
        back.text(),
        refused.text(),
        rows.len(),
        rows.len() - counted
    );
    text.push_str("| probes | not counted | why |\n|---|---|---|\n");
    for (why, (names, count)) in &left_out {
        let names: Vec<String> = names.iter().cloned().collect();
        let _ = writeln!(text, "| {count} | {} | {why} |", names.join(", "));
    }
    (text, total)
}

/// `ORGTRAIL_UPDATE_DOCS=1 cargo test --test probe` writes the table anew.
#[test]
fn the_sandbox_reads_back_and_refuses_as_aws_does() {
    let rows = probe();
    let source = source();
    let failed: String = rows
        .iter()
        .filter(|row| row.out_of_scope().is_none() && !row.passes())
        .map(|row| {
            let Row {
                service,
                op,
                variant,
                status,
                detail,
            } = row;
            format!("{service} {op} ({variant}): {status}, {detail}\n")
        })
        .collect();
    let (table, total) = table(&rows, &source);
    total.0[0][0].is_enough("read-backs of orgtrail's calls", &failed);
    total.total(0).is_enough("read-backs", &failed);
    total.0[0][1].is_enough("refusals of orgtrail's calls", &failed);
    total.total(1).is_enough("refusals", &failed);

    let path = root().join("docs/sandbox.md");
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- probe: begin -->\n", "<!-- probe: end -->\n");
    let (head, rest) = text.split_once(begin).unwrap();
    let (published, tail) = rest.split_once(end).unwrap();
    if std::env::var_os("ORGTRAIL_UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{begin}{table}{end}{tail}")).unwrap();
        return;
    }
    assert_eq!(
        published, table,
        "docs/sandbox.md is out of date: ORGTRAIL_UPDATE_DOCS=1 cargo test --test probe\n{failed}"
    );
}

#[test]
fn nothing_that_is_left_out_is_called() {
    let source = source();
    assert!(calls(&source, "CreateTrail") && calls(&source, "GetBucketOwnershipControls"));
    assert!(calls(&source, "ListAWSServiceAccessForOrganization"));
    for (service, op, variant, why) in OUT_OF_SCOPE {
        if why == NOT_IN_SANDBOX {
            continue;
        }
        if op == ALL {
            let sdk = format!("aws_sdk_{}", service.replace('-', "_"));
            assert!(!source.contains(&sdk), "{service} is used");
        } else if variant == ALL {
            let mut names = op.split(['+', '/']).filter(|name| name.len() > 6);
            assert_eq!(
                names.find(|name| calls(&source, name)),
                None,
                "{service}:{op}"
            );
        }
    }
    for (service, op) in OUT_OF_SCOPE_READS {
        assert!(!calls(&source, op), "{service}:{op}");
    }
}
