//! The SQL for Athena, run: on DuckDB, translated by sqlglot, over the same records as the evaluator and the log engine.
//! It must agree with them to the event. tests/sql/run.py is the other half.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod support;

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::process::Stdio;

use orgtrail::selectors::{
    AdvancedEventSelector, DataResource, Event, EventSelector, FieldSelector, Operator,
    ReadWriteType, Selectors, matches,
};
use orgtrail::sql::{
    Bounds, Copies, Cube, Definition, Folder, Metadata, Name, Table, definition, events, predicate,
};
use orgtrail::table_counts;
use orgtrail::volumes::{self, Engine, Options, RegionTally, Source, Tally};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use time::macros::date;

// ---- the table -------------------------------------------------------------------------------------

fn table() -> Table {
    Table::defined(Name::parse("audit.cloudtrail_logs").unwrap())
}

fn defined() -> String {
    let of = Definition {
        name: table().name,
        organization: Some("o-a1b2c3d4e5".to_owned()),
        accounts: vec!["111122223333".to_owned()],
        regions: vec!["eu-central-1".to_owned()],
        bucket: "logs".to_owned(),
        prefix: None,
        start: date!(2026 - 01 - 01),
        folder: Folder::Logs,
    };
    definition(&of).unwrap()
}

fn everything() -> Bounds {
    Bounds {
        accounts: Vec::new(),
        regions: Vec::new(),
        from: date!(2000 - 01 - 01),
        to: date!(2100 - 01 - 01),
    }
}

type Rows = Vec<Vec<Option<String>>>;

/// The answers to queries, on DuckDB.
#[track_caller]
fn run(batch: &Value) -> Vec<Rows> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sql/run.py");
    let mut child = support::python()
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(batch.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Records as rows of a folder that names no account.
fn rows(records: &[Value]) -> Vec<Value> {
    let row = |record| json!({"account": "", "region": "", "record": record});
    records.iter().map(row).collect()
}

/// Asks for each record, by its eventID, whether each of the sets records it.
fn question(table: &Table, sets: &[Selectors]) -> String {
    let events = events(table, &everything()).unwrap();
    let predicates: Vec<String> = sets
        .iter()
        .map(|set| predicate(set, &table.columns).unwrap())
        .collect();
    format!(
        "WITH event AS ({events}) SELECT eventid, {} FROM event",
        predicates.join(", ")
    )
}

/// Checks that the SQL says of each record what the evaluator says.
#[track_caller]
fn compare(table: &Table, sets: &[Selectors], records: &[Value], rows: &Rows) -> usize {
    assert_eq!(rows.len(), records.len());
    let advanced: Vec<_> = sets.iter().map(Selectors::to_advanced).collect();
    let mut recorded = 0;
    for row in rows {
        let number: usize = row[0].as_deref().unwrap().parse().unwrap();
        let record = &records[number];
        let event = Event::from_record(record);
        for (index, set) in advanced.iter().enumerate() {
            let expected = matches(set, &event).is_some();
            recorded += usize::from(expected);
            assert_eq!(
                row[index + 1].as_deref(),
                Some(if expected { "true" } else { "false" }),
                "{}\n{}\n{record}",
                serde_json::to_string(set).unwrap(),
                predicate(&sets[index], &table.columns).unwrap(),
            );
        }
    }
    recorded
}

// ---- random selectors and records --------------------------------------------------------------------

/// Values that begin, end and contain each other, and that somebody's SQL may not survive.
const WORDS: [&str; 22] = [
    "a",
    "ab",
    "abc",
    "b",
    "bc",
    "",
    "ba",
    "c'",
    "''",
    "\\",
    "\\'",
    "é/",
    "e\u{301}",
    "%",
    "a%",
    "_",
    "日本",
    "😀",
    "\n",
    "x\0",
    "'; DROP TABLE audit.cloudtrail_logs; --",
    "\u{feff}\"",
];
const SOURCES: [&str; 7] = [
    "s3.amazonaws.com",
    "lambda.amazonaws.com",
    "dynamodb.amazonaws.com",
    "sns.amazonaws.com",
    "kms.amazonaws.com",
    "a",
    "",
];
const NAMES: [&str; 9] = [
    "GetObject",
    "ListObjectsV2",
    "PutBucketObjectLockConfiguration",
    "Invoke",
    "PutItem",
    "Query",
    "DescribeTable",
    "ab",
    "%",
];
const TYPES: [&str; 8] = [
    "AWS::S3::Object",
    "AWS::S3::Bucket",
    "AWS::S3Express::DirectoryBucket",
    "AWS::Lambda::Function",
    "AWS::DynamoDB::Table",
    "AWS::SNS::Topic",
    "T",
    "",
];
const EVENT_TYPES: [&str; 8] = [
    "AwsApiCall",
    "AwsServiceEvent",
    "AwsConsoleSignIn",
    "AwsConsoleAction",
    "AwsVpceEvent",
    "AwsVpceEvents",
    "AwsCloudTrailInsight",
    "AwsAggregatedEvent",
];
const CATEGORIES: [&str; 4] = ["Data", "Management", "NetworkActivity", ""];

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

/// One to three words on end.
fn text() -> impl Strategy<Value = String> {
    vec(one_of(&WORDS), 1..4).prop_map(|words| words.concat())
}

fn condition(field: &'static str, value: BoxedStrategy<String>) -> BoxedStrategy<FieldSelector> {
    let operator = prop::sample::select(&Operator::ALL[..]);
    vec((operator, value), 0..5)
        .prop_map(move |parts| {
            let empty = FieldSelector::new(field);
            let with = |field: FieldSelector, (operator, value): (Operator, String)| {
                field.with(operator, [value])
            };
            parts.into_iter().fold(empty, with)
        })
        .boxed()
}

fn field() -> impl Strategy<Value = FieldSelector> {
    let words = || prop_oneof![4 => one_of(&WORDS), 1 => text()].boxed();
    prop_oneof![
        condition("eventCategory", one_of(&CATEGORIES).boxed()),
        condition("readOnly", one_of(&["true", "false", "t", ""]).boxed()),
        condition(
            "eventName",
            prop_oneof![one_of(&NAMES), one_of(&WORDS)].boxed()
        ),
        condition("eventSource", one_of(&SOURCES).boxed()),
        condition("eventType", one_of(&EVENT_TYPES).boxed()),
        condition("errorCode", words()),
        condition("vpcEndpointId", words()),
        condition("userIdentity.arn", words()),
        condition(
            "sessionCredentialFromConsole",
            one_of(&["true", "t", ""]).boxed()
        ),
        condition("tlsDetails.tlsVersion", words()),
        condition("resources.type", one_of(&TYPES).boxed()),
        one_of(&TYPES).prop_map(|kind| FieldSelector::equals("resources.type", [kind])),
        condition("resources.ARN", words()),
        condition("resources.ARN", words()),
    ]
}

/// As AWS accepts them, so that many records are recorded.
fn ordinary() -> impl Strategy<Value = AdvancedEventSelector> {
    let base = |kind: &str| {
        vec![
            FieldSelector::equals("eventCategory", ["Data"]),
            FieldSelector::equals("resources.type", [kind]),
        ]
    };
    (prop::sample::select(&TYPES[..]), vec(field(), 0..2)).prop_map(move |(kind, more)| {
        let mut fields = base(kind);
        fields.extend(more);
        AdvancedEventSelector::new(fields)
    })
}

fn selectors() -> impl Strategy<Value = Selectors> {
    let name = option::of(text());
    let odd =
        (name, vec(field(), 0..4)).prop_map(|(name, field_selectors)| AdvancedEventSelector {
            name,
            field_selectors,
        });
    let basic = (any::<bool>(), any::<bool>(), text()).prop_map(|(read, management, value)| {
        EventSelector {
            read_write_type: if read {
                ReadWriteType::ReadOnly
            } else {
                ReadWriteType::WriteOnly
            },
            include_management_events: management,
            exclude_management_event_sources: vec!["kms.amazonaws.com".to_owned()],
            data_resources: vec![DataResource {
                resource_type: "AWS::S3::Object".to_owned(),
                values: vec![value],
            }],
        }
    });
    prop_oneof![
        4 => vec(odd, 0..4).prop_map(Selectors::Advanced),
        4 => vec(ordinary(), 0..4).prop_map(Selectors::Advanced),
        1 => vec(basic, 0..3).prop_map(Selectors::Basic),
    ]
}

fn nullable(value: impl Strategy<Value = String> + 'static) -> BoxedStrategy<Option<Value>> {
    prop_oneof![
        8 => value.prop_map(|text| Some(json!(text))),
        1 => Just(Some(Value::Null)),
        2 => Just(None),
    ]
    .boxed()
}

fn flag() -> BoxedStrategy<Option<Value>> {
    let values = [
        None,
        Some(json!(true)),
        Some(json!(false)),
        Some(json!("true")),
        Some(json!("false")),
        Some(json!(null)),
        Some(json!("TRUE")),
        Some(json!("")),
        Some(json!(1)),
    ];
    prop::sample::select(values.to_vec()).boxed()
}

fn object(members: Vec<(&str, Option<Value>)>) -> Value {
    let given = members.into_iter();
    let given = given.filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(given.collect())
}

fn resources() -> BoxedStrategy<Option<Value>> {
    let arn = || nullable(text());
    let element = (nullable(one_of(&TYPES)), arn(), arn()).prop_map(|(kind, arn, prefix)| {
        object(vec![("type", kind), ("ARN", arn), ("ARNPrefix", prefix)])
    });
    let element = prop_oneof![12 => element, 1 => Just(Value::Null)];
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(Value::Null)),
        6 => vec(element, 0..4).prop_map(|list| Some(Value::Array(list))),
    ]
    .boxed()
}

fn record() -> impl Strategy<Value = Value> {
    let of_event = (
        nullable(one_of(&CATEGORIES)),
        flag(),
        flag(),
        nullable(one_of(&SOURCES)),
        nullable(prop_oneof![one_of(&NAMES), text()]),
        nullable(one_of(&EVENT_TYPES)),
        option::weighted(0.2, text()).prop_map(|code| code.map(Value::from)),
    );
    let of_caller = (
        nullable(text()),
        nullable(text()),
        nullable(text()),
        flag(),
        resources(),
        nullable(one_of(&["111122223333", "222233334444", ""])),
        nullable(one_of(&["eu-west-1", "us-east-1"])),
    );
    (of_event, of_caller).prop_map(|(event, caller)| {
        let (category, management, read_only, source, name, kind, error) = event;
        let (arn, endpoint, version, console, resources, account, region) = caller;
        object(vec![
            ("eventVersion", Some(json!("1.08"))),
            ("eventCategory", category),
            ("managementEvent", management),
            ("readOnly", read_only),
            ("eventSource", source),
            ("eventName", name),
            ("eventType", kind),
            ("errorCode", error),
            (
                "userIdentity",
                Some(object(vec![("type", Some(json!("Role"))), ("arn", arn)])),
            ),
            ("vpcEndpointId", endpoint),
            (
                "tlsDetails",
                version.map(|version| json!({"tlsVersion": version})),
            ),
            ("sessionCredentialFromConsole", console),
            ("resources", resources),
            ("recipientAccountId", account),
            ("awsRegion", region),
        ])
    })
}

/// The same ones every time.
fn some<T>(count: usize, of: impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count)
        .map(|_| of.new_tree(&mut runner).unwrap().current())
        .collect()
}

fn records(count: usize) -> Vec<Value> {
    let mut records = some(count, record());
    for (number, record) in records.iter_mut().enumerate() {
        record["eventID"] = json!(number.to_string());
    }
    records
}

// ---- single records ---------------------------------------------------------------------------------

#[test]
fn predicates_agree_with_the_evaluator_on_random_records() {
    let (sets, records) = (some(500, selectors()), records(1500));
    let table = table();
    let groups: Vec<&[Selectors]> = sets.chunks(25).collect();
    let queries: Vec<String> = groups.iter().map(|sets| question(&table, sets)).collect();
    let batch = json!({"definition": defined(), "rows": rows(&records), "queries": queries});
    let answers = run(&batch);
    let compared = groups.iter().zip(&answers);
    let recorded: usize = compared
        .map(|(sets, rows)| compare(&table, sets, &records, rows))
        .sum();
    // Neither nothing nor everything, or this would show little.
    let share = recorded as f64 / (sets.len() * records.len()) as f64;
    assert!((0.05..0.6).contains(&share), "{share}");
}

#[test]
fn every_selector_case_is_decided_as_expected() {
    let file: Value = serde_json::from_str(include_str!("data/selector_cases.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let mut records = Vec::new();
    let mut sets = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let mut record = case["record"].clone();
        record["eventID"] = json!(number.to_string());
        records.push(record);
        let list = case["selectors"].clone();
        sets.push(match case["selector_kind"].as_str() {
            Some("basic") => Selectors::Basic(serde_json::from_value(list).unwrap()),
            _ => Selectors::Advanced(serde_json::from_value(list).unwrap()),
        });
    }
    let table = table();
    let query = question(&table, &sets);
    let batch = json!({"definition": defined(), "rows": rows(&records), "queries": [query]});
    let answers = run(&batch);
    compare(&table, &sets, &records, &answers[0]);
    for row in &answers[0] {
        let number: usize = row[0].as_deref().unwrap().parse().unwrap();
        let expected = cases[number]["expected"].to_string();
        assert_eq!(
            row[number + 1].as_ref(),
            Some(&expected),
            "{}",
            cases[number]["id"]
        );
    }
}

#[test]
fn flags_may_be_booleans_and_columns_may_be_missing() {
    let definition = defined()
        .replace("readonly STRING", "readonly BOOLEAN")
        .replace("managementevent STRING", "managementevent BOOLEAN")
        .replace("eventcategory STRING, ", "");
    let columns = [
        ("readonly", "boolean"),
        ("managementevent", "boolean"),
        ("eventtype", "string"),
        ("eventsource", "string"),
        ("eventname", "string"),
        (
            "resources",
            "array<struct<arn:string,arnprefix:string,type:string>>",
        ),
    ];
    let table = Table {
        columns: orgtrail::sql::Columns::new(columns),
        ..table()
    };
    let field = prop_oneof![
        condition("eventCategory", one_of(&CATEGORIES).boxed()),
        condition("readOnly", one_of(&["true", "false"]).boxed()),
        condition("eventName", one_of(&NAMES).boxed()),
    ];
    let set = vec(vec(field, 0..4).prop_map(AdvancedEventSelector::new), 0..4);
    let sets = some(50, set.prop_map(Selectors::Advanced));
    let mut records = records(300);
    for record in &mut records {
        let members = record.as_object_mut().unwrap();
        members.remove("eventCategory");
        members.retain(|key, value| {
            !matches!(key.as_str(), "readOnly" | "managementEvent") || value.is_boolean()
        });
    }
    let query = question(&table, &sets);
    let batch = json!({"definition": definition, "rows": rows(&records), "queries": [query]});
    compare(&table, &sets, &records, &run(&batch)[0]);
}

// ---- counts ------------------------------------------------------------------------------------------

/// Trails with their names.
type Trails = Vec<(String, Selectors)>;

fn borrowed(trails: &Trails) -> Vec<(&str, &Selectors)> {
    let trails = trails.iter();
    trails.map(|(name, of)| (name.as_str(), of)).collect()
}

fn cube(trails: &Trails, copies: Copies) -> Cube {
    Cube::new(&borrowed(trails), &table(), copies).unwrap()
}

fn query(cube: &Cube) -> String {
    cube.query(&table(), &everything()).unwrap()
}

/// The counts of the log engine.
fn counted(trails: &Trails, sources: Vec<Source>, dedupe: Option<usize>) -> Tally {
    let engine = Engine::new(&borrowed(trails));
    let options = Options {
        dedupe,
        ..Options::default()
    };
    volumes::count(&engine, sources, &options).tally
}

/// Events of all accounts and Regions, without the files, which a table does not show.
fn events_of(tally: &Tally) -> BTreeMap<(String, String), RegionTally> {
    let mut events = BTreeMap::new();
    for (account, regions) in &tally.accounts {
        for (region, counted) in regions {
            let counted = RegionTally {
                files: volumes::Files::default(),
                ..counted.clone()
            };
            if !counted.events.is_empty() {
                events.insert((account.clone(), region.clone()), counted);
            }
        }
    }
    events
}

#[track_caller]
fn agrees(cube: &Cube, rows: &Rows, expected: &Tally, of: &Trails) {
    let mut tally = Tally::default();
    for row in rows {
        table_counts::add(&mut tally, &cube.cell(row).unwrap());
    }
    let (found, expected) = (events_of(&tally), events_of(expected));
    let places: Vec<_> = found.keys().chain(expected.keys()).collect();
    for place in places {
        assert_eq!(found.get(place), expected.get(place), "{place:?} of {of:?}");
    }
}

fn trails(count: usize) -> Vec<Trails> {
    some(count, vec((text(), selectors()), 0..4))
}

#[test]
fn cubes_count_random_records_as_the_log_engine() {
    let (all, records) = (trails(60), records(1500));
    let cubes: Vec<Cube> = all
        .iter()
        .map(|trails| cube(trails, Copies::Counted))
        .collect();
    let queries: Vec<String> = cubes.iter().map(query).collect();
    let batch = json!({"definition": defined(), "rows": rows(&records), "queries": queries});
    let text = json!({"Records": records}).to_string();
    for ((trails, cube), rows) in all.iter().zip(&cubes).zip(&run(&batch)) {
        let source = Source::Stream {
            name: "records".to_owned(),
            reader: Box::new(Cursor::new(text.clone())),
        };
        agrees(cube, rows, &counted(trails, vec![source], None), trails);
    }
}

fn logs(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/logs")
        .join(path)
}

/// The selectors of the reference job, in one trail and in two.
fn job() -> Trails {
    let text = include_str!("data/logs/job_spec.json");
    let spec: Value =
        serde_json::from_str(&text.replace("\"fields\"", "\"FieldSelectors\"")).unwrap();
    let selector = |selector: &Value| {
        let mut fields = Vec::new();
        for field in selector["FieldSelectors"].as_array().unwrap() {
            let mut written = serde_json::Map::new();
            for (key, value) in field.as_object().unwrap() {
                let (first, rest) = key.split_at(1);
                written.insert(first.to_uppercase() + rest, value.clone());
            }
            fields.push(serde_json::from_value(Value::Object(written)).unwrap());
        }
        AdvancedEventSelector {
            name: Some(selector["name"].as_str().unwrap().to_owned()),
            field_selectors: fields,
        }
    };
    let all: Vec<_> = spec["selectors"]
        .as_array()
        .unwrap()
        .iter()
        .map(selector)
        .collect();
    let few = all.iter().skip(1).take(2).cloned().collect();
    vec![
        ("job".to_owned(), Selectors::Advanced(all)),
        ("few".to_owned(), Selectors::Advanced(few)),
    ]
}

/// Selectors on values that are in the logs of the tests.
fn people() -> Trails {
    let of = |field: &str, operator, values: &[&str]| {
        AdvancedEventSelector::new(vec![
            FieldSelector::new(field).with(operator, values.to_vec()),
        ])
    };
    let selectors = vec![
        of(
            "userIdentity.arn",
            Operator::StartsWith,
            &["arn:aws:sts::", "arn:aws:iam::"],
        ),
        of("userIdentity.arn", Operator::NotEndsWith, &["root", "1"]),
        of(
            "resources.ARN",
            Operator::EndsWith,
            &["json.gz", "e", "1", "parquet"],
        ),
        of(
            "eventName",
            Operator::StartsWith,
            &["Get", "List", "Describe"],
        ),
        of("errorCode", Operator::NotEquals, &["AccessDenied"]),
        of(
            "sessionCredentialFromConsole",
            Operator::NotEquals,
            &["true"],
        ),
        of(
            "eventType",
            Operator::Equals,
            &["AwsServiceEvent", "AwsConsoleSignIn"],
        ),
    ];
    vec![("people".to_owned(), Selectors::Advanced(selectors))]
}

#[test]
fn cubes_count_log_files_as_the_log_engine() {
    let all = [job(), people(), Vec::new()];
    for folder in ["records", "generated"] {
        let cubes: Vec<Cube> = all
            .iter()
            .map(|trails| cube(trails, Copies::Counted))
            .collect();
        let queries: Vec<String> = cubes.iter().map(query).collect();
        let batch = json!({"definition": defined(), "logs": [logs(folder)], "queries": queries});
        for ((trails, cube), rows) in all.iter().zip(&cubes).zip(&run(&batch)) {
            let expected = counted(trails, vec![Source::Path(logs(folder))], None);
            assert!(expected.events > 1000, "{}", expected.events);
            agrees(cube, rows, &expected, trails);
        }
    }
}

#[test]
fn copies_count_once_when_asked_to() {
    let trails = people();
    let cube = cube(&trails, Copies::Once);
    let twice = [logs("generated"), logs("generated")];
    let batch = json!({"definition": defined(), "logs": twice, "queries": [query(&cube)]});
    let expected = counted(
        &trails,
        vec![Source::Path(logs("generated"))],
        Some(1_000_000),
    );
    agrees(&cube, &run(&batch)[0], &expected, &trails);
}

/// A table that was not made by orgtrail is understood from its metadata.
#[test]
fn a_table_of_others_gives_the_same_query() {
    let names = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect::<Vec<_>>()
    };
    let metadata = Metadata {
        columns: names(&[
            ("eventcategory", "string"),
            ("managementevent", "string"),
            ("eventtype", "string"),
            ("eventsource", "string"),
            ("eventname", "string"),
            ("errorcode", "string"),
            ("readonly", "string"),
            ("recipientaccountid", "string"),
            ("awsregion", "string"),
            (
                "resources",
                "array<struct<arn:string,arnprefix:string,type:string>>",
            ),
        ]),
        partition_keys: names(&[
            ("account", "string"),
            ("region", "string"),
            ("day", "string"),
        ]),
        parameters: names(&[
            (
                "storage.location.template",
                "s3://b/AWSLogs/${account}/CloudTrail/${region}/${day}",
            ),
            ("projection.day.format", "yyyy/MM/dd"),
        ])
        .into_iter()
        .collect(),
    };
    let found = Table::new(table().name, &metadata).unwrap();
    let trails = job();
    let cube = Cube::new(&borrowed(&trails), &found, Copies::Counted).unwrap();
    let own = self::cube(&trails, Copies::Counted);
    let bounds = everything();
    assert_eq!(
        cube.query(&found, &bounds).unwrap(),
        own.query(&table(), &bounds).unwrap()
    );
}
