//! Counting by Athena over HTTP: against an imitation of its API in this process, and against moto's.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "athena/fake.rs"]
mod fake;
#[path = "athena/loopback.rs"]
mod loopback;
mod support;

use std::path::Path;
use std::time::Duration;

use fake::{BYTES, EVENTS, End, Fake};
use loopback::Loopback;
use orgtrail::athena::{Args, Event, Measured, Pace, Prepared, Question, prepare, run};
use orgtrail::aws::{self, Aws, Connector, Login};
use orgtrail::cost::{PriceBook, Volumes};
use orgtrail::error::Error;
use orgtrail::model::Place;
use orgtrail::selectors::Selectors;
use orgtrail::sql::{Bounds, ChunkSize, Copies};
use serde_json::{Value, json};
use tempfile::TempDir;
use time::macros::date;

const ACCOUNT: &str = support::MANAGEMENT;

fn place() -> Place {
    Place {
        account: "audit".to_owned(),
        account_id: ACCOUNT.to_owned(),
        region: "us-east-1".to_owned(),
    }
}

async fn connect(loopback: Loopback) -> Aws {
    let login = Login {
        account: "audit".to_owned(),
        account_id: ACCOUNT.to_owned(),
        region: "us-east-1".to_owned(),
        ..Login::default()
    };
    aws::connect(&[login], &Connector::Sandbox(loopback.client()))
        .await
        .unwrap()
}

fn quick() -> Pace {
    Pace {
        first: Duration::from_millis(1),
        most: Duration::from_millis(5),
        patience: Duration::from_secs(20),
    }
}

/// Three weeks of three accounts, a week of two accounts a query at most: six queries.
fn question<'a>(trails: &'a [(&'a str, &'a Selectors)]) -> Question<'a> {
    let bounds = Bounds {
        accounts: Vec::new(),
        regions: Vec::new(),
        from: date!(2026 - 10 - 01),
        to: date!(2026 - 10 - 22),
    };
    Question {
        size: ChunkSize {
            days: 7,
            partitions: 7 * 2 * 2,
        },
        pace: quick(),
        ..args("").question(place(), trails, bounds, Copies::Counted)
    }
}

/// The flags of Athena on a command line.
fn args(more: &str) -> Args {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        athena: Args,
    }
    let words = format!("x --table audit.cloudtrail_logs --workgroup audit --queries 2 {more}");
    let cli: Cli = clap::Parser::try_parse_from(words.split_whitespace()).unwrap();
    cli.athena
}

const PARTS: usize = 6;

/// Somebody who wants to know, on a machine of their own.
struct World {
    fake: Fake,
    data: TempDir,
    runtime: tokio::runtime::Runtime,
    aws: Aws,
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

fn never() -> impl Future<Output = ()> {
    std::future::pending()
}

impl World {
    fn new() -> Self {
        let fake = Fake::start();
        let runtime = runtime();
        let aws = runtime.block_on(connect(Loopback::to(&fake.endpoint)));
        Self {
            fake,
            data: tempfile::tempdir().unwrap(),
            runtime,
            aws,
        }
    }

    fn prepare<'a>(&self, question: Question<'a>) -> Result<Prepared<'a>, Error> {
        self.runtime
            .block_on(prepare(&self.aws, question, &PriceBook::embedded()))
    }

    fn run(&self, question: Question<'_>) -> Result<Measured, Error> {
        self.run_until(question, never(), &|_| {})
    }

    fn run_until(
        &self,
        question: Question<'_>,
        stop: impl Future<Output = ()>,
        on: &dyn Fn(Event<'_>),
    ) -> Result<Measured, Error> {
        self.runtime.block_on(self.run_here(question, stop, on))
    }

    async fn run_here(
        &self,
        question: Question<'_>,
        stop: impl Future<Output = ()>,
        on: &dyn Fn(Event<'_>),
    ) -> Result<Measured, Error> {
        let prepared = prepare(&self.aws, question, &PriceBook::embedded()).await?;
        let journal = prepared.journal(self.data.path())?;
        run(&self.aws, &prepared, journal, on, stop).await
    }
}

/// Runs with the default selectors, which record all management events.
macro_rules! trails {
    ($name:ident) => {
        let selectors = Selectors::default();
        let $name = [("org", &selectors)];
    };
}

#[track_caller]
fn refused<T>(result: Result<T, Error>) -> (String, String) {
    match result.err().expect("it should have failed") {
        Error::Failed { what, fix } | Error::Refused { what, fix } => {
            (what, fix.unwrap_or_default())
        }
        other => panic!("{other:?}"),
    }
}

/// Every event of the three weeks, once.
#[track_caller]
fn is_whole(volumes: &Volumes) {
    let silent = |account: &str| if account == "111111111111" { 0 } else { 3 };
    let region = |account: &str| {
        let read = 21 * EVENTS;
        let other = silent(account);
        let mut counts = json!({"read": read});
        if other > 0 {
            counts["other"] = json!(other);
        }
        json!({"eu-west-1": {"management": {"s3.amazonaws.com": counts}, "data": {}}})
    };
    let accounts = ["111111111111", "222222222222", "333333333333"];
    let accounts: serde_json::Map<String, Value> = accounts
        .iter()
        .map(|id| ((*id).to_owned(), region(id)))
        .collect();
    let expected = json!({
        "version": 1, "provenance": "measured", "note": "Athena, audit.cloudtrail_logs in us-east-1",
        "window": {"from": "2026-10-01", "to": "2026-10-22"},
        "accounts": accounts,
    });
    assert_eq!(serde_json::to_value(volumes).unwrap(), expected);
}

fn journals(data: &Path) -> usize {
    std::fs::read_dir(data.join("athena")).map_or(0, Iterator::count)
}

#[test]
fn a_month_is_counted_part_by_part() {
    trails!(trails);
    let world = World::new();
    let prepared = world.prepare(question(&trails)).unwrap();
    assert_eq!(
        prepared.summary(),
        "Athena in audit 123456789012 us-east-1 reads audit.cloudtrail_logs: 21 days, 3 accounts, in 6 queries.\n\
         Workgroup audit: a query reads 1 TB at most.\n\
         Price of the scan: unknown, because nobody has said how many bytes there are; at most $30.00."
    );
    assert_eq!(
        prepared.parts[0].label(),
        "2026-10-01 to 2026-10-07, 2 accounts"
    );
    assert_eq!(prepared.sql().matches("GROUP BY").count(), PARTS);
    assert_eq!(world.fake.count("StartQueryExecution"), 0);
    let measured = world.run(question(&trails)).unwrap();
    is_whole(&measured.volumes);
    assert_eq!(measured.scanned, 21 * 3 * BYTES);
    assert_eq!(
        (measured.guessed, measured.tally.events),
        (0, 21 * 3 * EVENTS + 6)
    );
    assert_eq!(world.fake.count("StartQueryExecution"), PARTS);
    assert_eq!(journals(world.data.path()), 1);
    measured.finish().unwrap();
    assert_eq!(journals(world.data.path()), 0);
    // Asked again, later: everything anew.
    is_whole(&world.run(question(&trails)).unwrap().volumes);
    assert_eq!(world.fake.state().queries.len(), 2 * PARTS);
}

#[test]
fn a_run_that_is_killed_at_any_call_pays_for_nothing_twice() {
    trails!(trails);
    let calls = {
        let world = World::new();
        world.run(question(&trails)).unwrap();
        *world.fake.arrived.borrow()
    };
    for kill in 1..=calls {
        let world = World::new();
        let mut arrived = world.fake.arrived.clone();
        let before = *world.fake.arrived.borrow();
        world.runtime.block_on(async {
            tokio::select! {
                _ = world.run_here(question(&trails), never(), &|_| {}) => {}
                _ = arrived.wait_for(|calls| *calls >= before + kill) => {}
            }
        });
        let measured = world.run(question(&trails)).unwrap();
        is_whole(&measured.volumes);
        assert_eq!(
            world.fake.state().queries.len(),
            PARTS,
            "killed at call {kill}"
        );
    }
}

#[test]
fn what_became_of_a_killed_runs_queries_is_no_reason_to_fail() {
    trails!(trails);
    let happened: [fn(&mut fake::State); 3] = [
        |athena| athena.queries[0].state = "CANCELLED",
        |athena| athena.forgotten = athena.queries.len(),
        |athena| {
            athena.queries[1].end = End::Fails {
                reason: "HIVE_UNKNOWN_ERROR",
                retryable: false,
            };
        },
    ];
    for happens in happened {
        let world = World::new();
        let mut arrived = world.fake.arrived.clone();
        world.fake.state().polls = 3;
        let started = std::cell::Cell::new(0);
        let on = |event: Event<'_>| {
            if matches!(event, Event::Started(_)) {
                started.set(started.get() + 1);
            }
        };
        // Until two queries are known to run and one of them has been looked at.
        let run = |_: &usize| started.get() >= 2 && world.fake.count("GetQueryExecution") > 0;
        let killed = async {
            tokio::select! {
                _ = world.run_here(question(&trails), never(), &on) => {}
                _ = arrived.wait_for(run) => {}
            }
        };
        world.runtime.block_on(killed);
        happens(&mut world.fake.state());
        is_whole(&world.run(question(&trails)).unwrap().volumes);
    }
}

#[test]
fn a_part_that_fails_does_not_cost_the_others() {
    trails!(trails);
    let world = World::new();
    let fails = End::Fails {
        reason: "HIVE_CURSOR_ERROR: Row is not a valid JSON Object",
        retryable: false,
    };
    world.fake.state().ends = vec![End::Succeeds, fails];
    let (what, fix) = refused(world.run(question(&trails)));
    assert!(
        what.starts_with("the query for 2026-10-01 to 2026-10-07, ")
            && what.contains("(query-1) failed: HIVE_CURSOR_ERROR"),
        "{what}"
    );
    assert!(what.ends_with("parts are counted and kept"), "{what}");
    assert!(fix.contains("no CloudTrail log"), "{fix}");
    let asked = world.fake.state().queries.len();
    is_whole(&world.run(question(&trails)).unwrap().volumes);
    // All that had not succeeded, and no more.
    let succeeded = world.fake.state().queries[..asked]
        .iter()
        .filter(|q| q.state == "SUCCEEDED")
        .count();
    assert_eq!(world.fake.state().queries.len(), asked + PARTS - succeeded);
}

#[test]
fn the_workgroups_limit_is_told() {
    trails!(trails);
    let world = World::new();
    world.fake.state().ends = vec![End::Cancelled(
        "Query cancelled! : Bytes scanned limit was exceeded",
    )];
    let (what, fix) = refused(world.run(question(&trails)));
    assert!(what.contains("Bytes scanned limit was exceeded"), "{what}");
    assert!(fix.contains("--query-days"), "{fix}");
}

#[test]
fn trouble_of_athenas_own_is_asked_again() {
    trails!(trails);
    let world = World::new();
    let trouble = End::Fails {
        reason: "GENERIC_INTERNAL_ERROR",
        retryable: true,
    };
    world.fake.state().ends = vec![trouble.clone(), trouble.clone()];
    let told = std::cell::Cell::new(0);
    let on = |event: Event<'_>| {
        told.set(told.get() + usize::from(matches!(event, Event::Again { .. })));
    };
    is_whole(
        &world
            .run_until(question(&trails), never(), &on)
            .unwrap()
            .volumes,
    );
    assert_eq!(
        (told.get(), world.fake.state().queries.len()),
        (2, PARTS + 2)
    );
    // But not for ever.
    let world = World::new();
    world.fake.state().ends = vec![trouble; 2 * PARTS];
    refused(world.run(question(&trails)));
    assert!(world.fake.state().queries.len() <= 6);
}

#[test]
fn throttling_is_waited_for() {
    trails!(trails);
    let world = World::new();
    let busy = (
        "TooManyRequestsException",
        "You have exceeded the limit for the number of queries you can run concurrently",
    );
    world.fake.state().refused = [
        ("StartQueryExecution", vec![busy; 2]),
        (
            "GetQueryExecution",
            vec![("ThrottlingException", "Rate exceeded")],
        ),
        ("GetQueryResults", vec![busy]),
    ]
    .into();
    is_whole(&world.run(question(&trails)).unwrap().volumes);
    assert_eq!(world.fake.state().queries.len(), PARTS);
}

#[test]
fn ctrl_c_stops_what_runs_and_keeps_what_is_there() {
    trails!(trails);
    let world = World::new();
    world.fake.state().ends = vec![End::Succeeds, End::Never, End::Never];
    let mut arrived = world.fake.arrived.clone();
    let ctrl_c = async move {
        let _ = arrived.wait_for(|calls| *calls > 30).await;
    };
    let (what, fix) = refused(world.run_until(question(&trails), ctrl_c, &|_| {}));
    assert_eq!(what, "stopped; 1 of 6 parts are counted and kept");
    assert_eq!(fix, "run it again: only the rest is asked for");
    let states: Vec<&str> = world.fake.state().queries.iter().map(|q| q.state).collect();
    assert_eq!(states, ["SUCCEEDED", "CANCELLED", "CANCELLED"]);
    is_whole(&world.run(question(&trails)).unwrap().volumes);
    assert_eq!(world.fake.state().queries.len(), 3 + PARTS - 1);
}

#[test]
fn a_query_that_somebody_stops_is_not_started_again() {
    trails!(trails);
    let world = World::new();
    world.fake.state().ends = vec![End::Cancelled("")];
    let (what, _) = refused(world.run(question(&trails)));
    assert!(what.contains("(query-0) was stopped"), "{what}");
}

#[test]
fn no_more_is_read_than_is_allowed() {
    trails!(trails);
    let world = World::new();
    let limited = |max_scan, scan_bytes| {
        let flags = args(&format!("--max-scan {max_scan}"));
        Question {
            max_scan: flags.max_scan,
            scan_bytes,
            queries: 1,
            ..question(&trails)
        }
    };
    let (what, fix) = refused(world.run(limited(20_000, None)));
    assert_eq!(
        what,
        "more than 20 kB have been read; 1 of 6 parts are counted and kept"
    );
    assert!(fix.contains("--max-scan"), "{fix}");
    let asked = world.fake.state().queries.len();
    assert!(asked < PARTS);
    // What earlier runs have read counts too.
    refused(world.run(limited(20_000, None)));
    assert_eq!(world.fake.state().queries.len(), asked);
    let (what, _) = refused(world.run(limited(20_000, Some(20_100))));
    assert_eq!(
        what,
        "20.1 kB would be read, about $0.01; at most $0.01; --max-scan allows 20 kB"
    );
    is_whole(&world.run(limited(1_000_000, None)).unwrap().volumes);
}

#[test]
fn two_runs_of_one_question_do_not_meet() {
    trails!(trails);
    let world = World::new();
    let prepared = world.prepare(question(&trails)).unwrap();
    let held = prepared.journal(world.data.path()).unwrap();
    let (what, _) = refused(world.run(question(&trails)));
    assert!(
        what.contains("another process asks Athena the same"),
        "{what}"
    );
    drop(held);
    is_whole(&world.run(question(&trails)).unwrap().volumes);
}

#[test]
fn a_workgroup_that_will_not_do_is_refused() {
    trails!(trails);
    let refusal = |change: fn(&mut Value)| {
        let world = World::new();
        change(&mut world.fake.state().workgroup);
        let refusal = refused(world.prepare(question(&trails)));
        assert_eq!(world.fake.count("StartQueryExecution"), 0);
        refusal
    };
    let (what, fix) = refusal(|w| {
        w["Configuration"]
            .as_object_mut()
            .unwrap()
            .remove("BytesScannedCutoffPerQuery");
    });
    assert_eq!(
        what,
        "the workgroup audit does not limit how much a query reads"
    );
    assert!(fix.contains("--max-scan"), "{fix}");
    let (what, _) = refusal(|w| w["State"] = json!("DISABLED"));
    assert_eq!(what, "the workgroup audit is disabled");
    let (what, _) = refusal(|w| {
        w["Configuration"]["EngineVersion"]["EffectiveEngineVersion"] =
            json!("Athena engine version 2");
    });
    assert_eq!(what, "the workgroup audit runs Athena engine version 2");
    let (what, _) = refusal(|w| {
        w["Configuration"]["EngineVersion"]["EffectiveEngineVersion"] =
            json!("PySpark engine version 3");
    });
    assert_eq!(what, "the workgroup audit runs PySpark engine version 3");
    let (what, fix) = refusal(|w| w["Configuration"]["ResultConfiguration"] = json!({}));
    assert_eq!(what, "the workgroup audit has no place for results");
    assert!(fix.contains("creates no bucket"), "{fix}");
}

#[test]
fn a_table_that_will_not_do_is_refused() {
    trails!(trails);
    let refusal = |change: fn(&mut Value)| {
        let world = World::new();
        change(&mut world.fake.state().table);
        refused(world.prepare(question(&trails)))
    };
    let (what, fix) = refusal(|table| {
        table["Columns"]
            .as_array_mut()
            .unwrap()
            .retain(|column| column["Name"] != "readonly");
    });
    assert_eq!(
        what,
        "audit.cloudtrail_logs cannot answer that:\n  readOnly is needed: the table has no column readonly"
    );
    assert!(fix.contains("beside it"), "{fix}");
    let (what, fix) =
        refusal(|table| table["Parameters"]["projection.account.type"] = json!("injected"));
    assert_eq!(
        what,
        "audit.cloudtrail_logs wants its accounts named in every query"
    );
    assert_eq!(fix, "name the accounts to be counted");
    let (what, _) = refusal(|table| table["PartitionKeys"] = json!([]));
    assert!(
        what.contains("(none) do not say how to read single days"),
        "{what}"
    );
}

#[test]
fn calls_that_are_refused_are_explained() {
    trails!(trails);
    let refusal = |action, code, message| {
        let world = World::new();
        world.fake.state().refused = [(action, vec![(code, message); 9])].into();
        refused(world.run(question(&trails)))
    };
    let (what, fix) = refusal(
        "GetTableMetadata",
        "MetadataException",
        "com.amazonaws.services.datacatalog.exceptions.EntityNotFoundException: Entity Not Found",
    );
    assert!(
        what.starts_with("athena:GetTableMetadata in audit"),
        "{what}"
    );
    assert!(
        fix.contains("the table audit.cloudtrail_logs was not found"),
        "{fix}"
    );
    let (_, fix) = refusal(
        "GetTableMetadata",
        "MetadataException",
        "User: x is not authorized to perform: glue:GetTable (Service: AWSGlue; Status Code: 400)",
    );
    assert!(
        fix.starts_with("allow glue:GetDatabase and glue:GetTable"),
        "{fix}"
    );
    let (_, fix) = refusal(
        "GetWorkGroup",
        "InvalidRequestException",
        "WorkGroup audit is not found.",
    );
    assert!(
        fix.starts_with("the workgroup audit was not found"),
        "{fix}"
    );
    let (_, fix) = refusal(
        "StartQueryExecution",
        "AccessDeniedException",
        "You are not authorized",
    );
    assert!(fix.starts_with("allow athena:StartQueryExecution"), "{fix}");
    let (_, fix) = refusal(
        "StartQueryExecution",
        "InvalidRequestException",
        "Unable to verify/create output bucket results",
    );
    assert!(fix.contains("result location"), "{fix}");
}

/// moto has workgroups, queries and results, but no tables; those are the imitation's.
#[test]
fn moto_gives_the_answer_that_it_was_told() {
    trails!(trails);
    let moto = support::Moto::start();
    support::boto3_eval(
        moto.endpoint(),
        ACCOUNT,
        r#"
import urllib.request
client("athena", "us-east-1").create_work_group(Name="audit", Configuration={
    "BytesScannedCutoffPerQuery": 10_000_000, "ResultConfiguration": {"OutputLocation": "s3://results/"}})
names = ["account_id", "region_name", "category", "event_source", "resource_type", "read_only", "failed", "events"]
row = ["111111111111", "eu-west-1", "Data", "s3.amazonaws.com", "AWS::S3::Object", "false", "true", "5"]
data = [{"Data": [{"VarCharValue": v} for v in r]} for r in (names, row)]
results = {"account_id": "123456789012", "region": "us-east-1", "results": [{"rows": data, "column_info": []}] * 6}
body = json.dumps(results).encode()
urllib.request.urlopen(urllib.request.Request("ENDPOINT/moto-api/static/athena/query-results", data=body,
    headers={"Content-Type": "application/json"})).status
"#
        .replace("ENDPOINT", moto.endpoint())
        .as_str(),
    );
    let fake = Fake::start();
    let loopback =
        Loopback::to(moto.endpoint()).but("AmazonAthena.GetTableMetadata", &fake.endpoint);
    let data = tempfile::tempdir().unwrap();
    let measured = runtime().block_on(async {
        let aws = connect(loopback).await;
        let prepared = prepare(&aws, question(&trails), &PriceBook::embedded())
            .await
            .unwrap();
        assert_eq!(prepared.limit, Some(10_000_000));
        let journal = prepared.journal(data.path()).unwrap();
        run(&aws, &prepared, journal, &|_| {}, never())
            .await
            .unwrap()
    });
    let region = &measured.volumes.accounts["111111111111"]["eu-west-1"];
    let expected = json!({"s3.amazonaws.com": {"AWS::S3::Object": {"write": 30, "errors": 30}}});
    assert_eq!(
        serde_json::to_value(region.data.as_ref().unwrap()).unwrap(),
        expected
    );
    assert_eq!(measured.tally.events, 30);
}

/// The same from the command line, as somebody types it.
#[test]
fn the_command_shows_the_price_and_writes_the_volumes() {
    let fake = Fake::start();
    let identity = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:iam::{ACCOUNT}:role/x</Arn><UserId>x</UserId><Account>{ACCOUNT}</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    let sts = support::loopback::Loopback::start(move |_, _| (200, identity.clone()));
    let work = support::Workspace::new();
    work.write(
        "orgtrail.yaml",
        &format!(
            "version: 1\nname: t\naccounts:\n  audit: {{ id: '{ACCOUNT}', region: us-east-1 }}\n\
             organization: {{ id: o-a1b2c3d4e5 }}\nbuckets: {{ logs: {{ account: audit, name: acme-logs }} }}\n\
             trails: {{ org: {{ account: audit, organization: true, bucket: logs }} }}\n"
        ),
    );
    let volumes = |more: &[&str]| {
        let words = [
            "volumes",
            "--engine",
            "athena",
            "--table",
            "audit.cloudtrail_logs",
            "--workgroup",
            "audit",
        ];
        work.orgtrail(words.iter().chain(more))
            .env("AWS_ENDPOINT_URL_ATHENA", &fake.endpoint)
            .env("AWS_ENDPOINT_URL_STS", &sts.endpoint)
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .run()
    };
    volumes(&[]).exits(1).says("name them with --from and --to");
    let table = volumes(&["--print", "table", "--from", "2026-10-01"]).exits(0);
    table
        .says("CREATE EXTERNAL TABLE `audit`.`cloudtrail_logs`")
        .says("s3://acme-logs/AWSLogs/o-a1b2c3d4e5/");
    let days = ["--from", "2026-10-01", "--to", "2026-10-22"];
    volumes(&[&days[..], &["--print", "sql"]].concat())
        .exits(0)
        .says("GROUP BY");
    assert_eq!(fake.count("StartQueryExecution"), 0);
    let run = volumes(&days).exits(0);
    run.says(
        "Price of the scan: unknown, because nobody has said how many bytes there are; at most",
    )
    .says("events; Athena read")
    .says("Written to volumes.yaml.");
    let written = Volumes::parse(&work.read("volumes.yaml")).unwrap();
    let region = &written.accounts["222222222222"]["eu-west-1"];
    let management = region
        .management
        .as_ref()
        .unwrap()
        .get("s3.amazonaws.com")
        .unwrap();
    assert_eq!(management.read.cases(), [21 * EVENTS; 3]);
    assert!(
        written
            .note
            .unwrap()
            .starts_with("Athena, audit.cloudtrail_logs")
    );
    work.orgtrail(["volumes", "--engine", "athena"])
        .run()
        .exits(1)
        .says("--table DATABASE.TABLE");
}
