//! The texts of queries and tables, and what is refused. That queries count right is shown where they run: tests/sql.rs.

use time::macros::date;

use super::*;
use crate::selectors::{AdvancedEventSelector, FieldSelector, Operator, Selectors};

fn name() -> Name {
    Name::parse("audit.cloudtrail_logs").unwrap()
}

fn table() -> Table {
    Table::defined(name())
}

fn week() -> Bounds {
    Bounds {
        accounts: vec!["111122223333".to_owned(), "222233334444".to_owned()],
        regions: vec!["eu-west-1".to_owned()],
        from: date!(2026 - 10 - 01),
        to: date!(2026 - 10 - 08),
    }
}

fn data(kind: &str, more: Vec<FieldSelector>) -> AdvancedEventSelector {
    let mut fields = vec![
        FieldSelector::equals("eventCategory", ["Data"]),
        FieldSelector::equals("resources.type", [kind]),
    ];
    fields.extend(more);
    AdvancedEventSelector::new(fields)
}

fn named(name: &str, selector: AdvancedEventSelector) -> AdvancedEventSelector {
    AdvancedEventSelector {
        name: Some(name.to_owned()),
        ..selector
    }
}

/// A trail with every kind of condition.
fn trail() -> Selectors {
    let management = AdvancedEventSelector::new(vec![
        FieldSelector::equals("eventCategory", ["Management"]),
        FieldSelector::new("eventSource").with(Operator::NotEquals, ["kms.amazonaws.com"]),
    ]);
    let payments = FieldSelector::new("resources.ARN")
        .with(
            Operator::StartsWith,
            ["arn:aws:s3:::pay/", "arn:aws:s3:::it's/"],
        )
        .with(Operator::NotEndsWith, [".tmp"]);
    let people = FieldSelector::new("userIdentity.arn").with(Operator::EndsWith, ["/jörg"]);
    Selectors::Advanced(vec![
        named("management", management),
        named("payments\n; DROP", data("AWS::S3::Object", vec![payments])),
        data(
            "AWS::Lambda::Function",
            vec![FieldSelector::equals("readOnly", ["false"]), people],
        ),
        data(
            "AWS::DynamoDB::Table",
            vec![FieldSelector::equals("eventName", ["PutItem"])],
        ),
    ])
}

fn without(column: &str) -> Table {
    let all = [
        ("eventcategory", "string"),
        ("managementevent", "string"),
        ("eventtype", "string"),
        ("eventsource", "string"),
        ("eventname", "string"),
        ("readonly", "string"),
        ("errorcode", "string"),
        ("useridentity", "struct<arn:string>"),
        (
            "resources",
            "array<struct<arn:string,arnprefix:string,type:string>>",
        ),
    ];
    let kept = all.into_iter().filter(|(name, _)| *name != column);
    Table {
        columns: Columns::new(kept),
        ..table()
    }
}

fn refusals(table: &Table) -> Vec<String> {
    match Cube::new(&[("org", &trail())], table, Copies::Counted) {
        Ok(_) => Vec::new(),
        Err(missing) => missing.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_query_for_every_kind_of_condition() {
    let cube = Cube::new(&[("org", &trail())], &table(), Copies::Counted).unwrap();
    let query = cube.query(&table(), &week()).unwrap();
    // The resource types of all data events would fill a page.
    let start = query.find("'')) IN (").unwrap() + "'')) IN (".len();
    let end = start + query[start..].find(')').unwrap();
    let query = format!("{}…{}", &query[..start], &query[end..]);
    insta::assert_snapshot!(query);
}

#[test]
fn what_a_table_lacks_is_refused_with_the_reason() {
    assert_eq!(refusals(&without("")), [""; 0]);
    assert_eq!(
        refusals(&without("eventsource")),
        ["eventSource is needed: the table has no column eventsource"]
    );
    assert_eq!(
        refusals(&without("useridentity")),
        [
            "selector number 3 of trail org asks for userIdentity.arn: the table has no column useridentity"
        ]
    );
    assert_eq!(
        refusals(&without("resources")),
        [
            "selector \"payments\\n; DROP\" of trail org asks for resources.ARN: the table has no column resources",
            "selector number 3 of trail org asks for resources.type: the table has no column resources",
            "resources.type is needed: the table has no column resources",
        ]
    );
    let published = Table {
        columns: Columns::new([
            ("eventcategory", "string"),
            (
                "resources",
                "array<struct<arn:string,accountid:string,type:string>>",
            ),
        ]),
        ..table()
    };
    let arns = refusals(&published)
        .into_iter()
        .find(|refusal| refusal.contains("payments"));
    assert_eq!(
        arns.unwrap(),
        "selector \"payments\\n; DROP\" of trail org asks for resources.ARN: the elements of the column resources have no \
         arnprefix"
    );
    let neither = Table {
        columns: Columns::new([("eventname", "string")]),
        ..table()
    };
    let refused = events(&neither, &week()).unwrap_err();
    assert!(refused.reason.contains("cannot be told apart"), "{refused}");
}

#[test]
fn guessed_categories_are_counted_where_a_column_is_missing() {
    let count = |column| {
        let table = without(column);
        let selectors = Selectors::default();
        let cube = Cube::new(&[("org", &selectors)], &table, Copies::Counted).unwrap();
        let query = cube.query(&table, &week()).unwrap();
        query.contains("AS guessed")
    };
    assert_eq!(
        [count(""), count("managementevent"), count("eventcategory")],
        [false, true, true]
    );
}

#[test]
fn unknown_fields_need_a_column_of_their_name() {
    let selectors = Selectors::Advanced(vec![AdvancedEventSelector::new(vec![
        FieldSelector::equals("tlsDetails.tlsVersion", ["TLSv1.3"]),
    ])]);
    let found = predicate(&selectors, &table().columns).unwrap();
    assert_eq!(
        found,
        "COALESCE(\"tlsdetails\".\"tlsversion\" = 'TLSv1.3', FALSE)"
    );
    let refused = predicate(&selectors, &without("").columns).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "selector number 1 asks for tlsDetails.tlsVersion: the table has no column tlsdetails"
    );
}

#[test]
fn the_empty_set_records_nothing_and_the_empty_selector_everything() {
    let of = |selectors| predicate(&Selectors::Advanced(selectors), &table().columns).unwrap();
    assert_eq!(of(vec![]), "FALSE");
    assert_eq!(of(vec![AdvancedEventSelector::new(vec![])]), "TRUE");
}

#[test]
fn names_stay_in_their_comment() {
    let arn = FieldSelector::new("resources.ARN").with(Operator::StartsWith, ["a"]);
    let evil = named("x\r\n\u{2028}\u{85}'; DROP", data("T", vec![arn]));
    let selectors = Selectors::Advanced(vec![evil]);
    let cube = Cube::new(&[("\n", &selectors)], &table(), Copies::Counted).unwrap();
    let query = cube.query(&table(), &week()).unwrap();
    let comment =
        "    -- selector \"x\\r\\n\\u{2028}\\u{85}'; DROP\" of trail \"\\n\"\n    COALESCE(";
    assert!(query.contains(comment), "{query}");
}

#[test]
fn a_query_that_is_too_long_is_not_sent() {
    let values = (0..6000).map(|n| format!("arn:aws:s3:::a-bucket-of-a-long-name-{n}/"));
    let arn = FieldSelector::new("resources.ARN").with(Operator::StartsWith, values);
    let selectors = Selectors::Advanced(vec![data("AWS::S3::Object", vec![arn])]);
    let cube = Cube::new(&[("org", &selectors)], &table(), Copies::Counted).unwrap();
    let refused = cube.query(&table(), &week()).unwrap_err().to_string();
    assert!(refused.ends_with("bytes, Athena takes 262144"), "{refused}");
}

fn definition_of(accounts: usize) -> Definition {
    Definition {
        name: name(),
        organization: Some("o-a1b2c3d4e5".to_owned()),
        accounts: (0..accounts).map(|n| format!("{n:012}")).collect(),
        regions: vec!["eu-central-1".to_owned(), "us-east-1".to_owned()],
        bucket: "acme-org-trail-logs".to_owned(),
        prefix: None,
        start: date!(2026 - 01 - 01),
        folder: Folder::Logs,
    }
}

#[test]
fn a_table_for_an_organization() {
    insta::assert_snapshot!(definition(&definition_of(2)).unwrap());
}

#[test]
fn tables_for_many_accounts_one_account_and_network_activity() {
    let many = definition(&definition_of(51)).unwrap();
    assert!(
        many.contains("\n  'projection.account.type'='injected',\n"),
        "{many}"
    );
    let one = Definition {
        organization: None,
        prefix: Some("/logs/audit/".to_owned()),
        folder: Folder::NetworkActivity,
        ..definition_of(1)
    };
    let one = definition(&one).unwrap();
    let location = "s3://acme-org-trail-logs/logs/audit/AWSLogs/";
    assert!(one.contains(&format!("LOCATION '{location}'")), "{one}");
    let template =
        format!("'{location}${{account}}/CloudTrail-NetworkActivity/${{region}}/${{day}}')");
    assert!(one.contains(&template), "{one}");
}

#[test]
fn nothing_that_would_need_an_escape_gets_into_a_definition() {
    let refused = |change: fn(&mut Definition)| {
        let mut definition_of = definition_of(1);
        change(&mut definition_of);
        definition(&definition_of).unwrap_err().what
    };
    assert_eq!(refused(|d| d.bucket = "a'b".to_owned()), "bucket");
    assert_eq!(refused(|d| d.prefix = Some("a\\".to_owned())), "prefix");
    assert_eq!(
        refused(|d| d.prefix = Some("${region}".to_owned())),
        "prefix"
    );
    assert_eq!(refused(|d| d.accounts.push("1234".to_owned())), "account");
    assert_eq!(refused(|d| d.accounts.clear()), "accounts");
    assert_eq!(refused(|d| d.regions = vec!["x','y".to_owned()]), "Region");
    assert_eq!(
        refused(|d| d.organization = Some("o-".to_owned())),
        "organization"
    );
    assert_eq!(refused(|d| d.folder = Folder::All), "folder");
    for bad in ["logs", "a.b.c", "a.", "a.b`c", "a.b;"] {
        assert!(Name::parse(bad).is_err(), "{bad}");
    }
}

fn metadata(keys: &[(&str, &str)], parameters: &[(&str, &str)]) -> Metadata {
    let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    Metadata {
        columns: Vec::new(),
        partition_keys: keys.iter().map(owned).collect(),
        parameters: parameters.iter().map(owned).collect(),
    }
}

fn filter(metadata: &Metadata) -> String {
    let table = Table::new(name(), metadata).unwrap();
    week().filter(&table).replace("\n    ", " ")
}

#[test]
fn partitions_are_read_from_the_metadata() {
    let ours = metadata(
        &[
            ("account", "string"),
            ("region", "string"),
            ("day", "string"),
        ],
        &[
            (
                "storage.location.template",
                "s3://b/AWSLogs/o-x/${account}/CloudTrail/${region}/${day}",
            ),
            ("projection.day.format", "yyyy/MM/dd"),
            ("projection.account.type", "injected"),
        ],
    );
    let accounts = "IN ('111122223333', '222233334444')";
    assert_eq!(
        filter(&ours),
        format!(
            "\"day\" BETWEEN '2026/10/01' AND '2026/10/07' AND \"account\" {accounts} AND \"region\" IN ('eu-west-1')"
        )
    );
    let table = Table::new(name(), &ours).unwrap();
    assert_eq!(
        filter(&ours),
        week()
            .filter(&Table { ..table.clone() })
            .replace("\n    ", " ")
    );
    assert_eq!(week().filter(&self::table()), week().filter(&table));
    assert!(table.partitions.account.unwrap().must_be_named);
    assert_eq!(table.folder, Folder::Logs);
    // One account, whose Region is not a partition.
    let timestamp = metadata(
        &[("timestamp", "date")],
        &[
            (
                "storage.location.template",
                "s3://b/AWSLogs/111122223333/CloudTrail/eu-west-1/${timestamp}/",
            ),
            ("projection.timestamp.format", "yyyy-MM-dd"),
        ],
    );
    assert_eq!(
        filter(&timestamp),
        "\"timestamp\" BETWEEN DATE '2026-10-01' AND DATE '2026-10-07'"
    );
    // Partitions that were added by hand.
    let by_hand = metadata(
        &[
            ("region", "string"),
            ("year", "int"),
            ("month", "string"),
            ("day", "string"),
        ],
        &[(
            "location",
            "s3://b/AWSLogs/111122223333/CloudTrail-NetworkActivity/",
        )],
    );
    let table = Table::new(name(), &by_hand).unwrap();
    assert_eq!(table.folder, Folder::NetworkActivity);
    let turn = Bounds {
        from: date!(2026 - 12 - 30),
        to: date!(2027 - 01 - 03),
        accounts: Vec::new(),
        ..week()
    };
    assert_eq!(
        turn.filter(&table).replace("\n    ", " "),
        "((\"year\" = 2026 AND \"month\" = '12' AND \"day\" IN ('30', '31')) OR \
         (\"year\" = 2027 AND \"month\" = '01' AND \"day\" IN ('01', '02'))) AND \"region\" IN ('eu-west-1')"
    );
}

#[test]
fn a_table_that_cannot_be_bounded_is_refused() {
    for bad in [
        metadata(&[], &[]),
        metadata(&[("dt", "string")], &[]),
        metadata(
            &[("day", "string")],
            &[
                (
                    "storage.location.template",
                    "s3://b/AWSLogs/1/CloudTrail/r/${day}",
                ),
                ("projection.day.format", "dd.MM.yyyy"),
            ],
        ),
    ] {
        let refused = Table::new(name(), &bad).unwrap_err();
        assert!(
            refused.what.contains("do not say how to read single days"),
            "{refused}"
        );
    }
}

#[test]
fn a_month_of_an_organization_is_read_in_parts() {
    let month = Bounds {
        accounts: (0..2500).map(|n| format!("{n:012}")).collect(),
        regions: Vec::new(),
        from: date!(2026 - 10 - 01),
        to: date!(2026 - 11 - 01),
    };
    let parts = chunks(&table(), &month, ChunkSize::default());
    // Five weeks, the last of three days, of three groups of accounts each.
    assert_eq!(parts.len(), 15);
    let last = parts.last().unwrap();
    assert_eq!(
        (last.from, last.to, last.accounts.len()),
        (date!(2026 - 10 - 29), month.to, 500)
    );
    assert!(
        parts
            .iter()
            .all(|part| part.partitions(&table()) <= 1_000_000)
    );
    let days: u64 = parts
        .iter()
        .map(|part| part.days() * part.accounts.len() as u64)
        .sum();
    assert_eq!(days, 31 * 2500);
    let size = ChunkSize {
        days: 31,
        partitions: 100_000,
    };
    let parts = chunks(&table(), &month, size);
    assert!(
        parts
            .iter()
            .all(|part| part.partitions(&table()) <= 100_000)
    );
    assert_eq!(parts.len(), 32);
}

#[test]
fn a_row_is_read_back() {
    let cube = Cube::new(&[("org", &trail())], &table(), Copies::Counted).unwrap();
    let row = |types: &str, counts: [&str; 5]| -> Vec<Option<String>> {
        let groups = [
            "1",
            "r",
            "Data",
            "s3.amazonaws.com",
            "AWS::S3::Object",
            "true",
            "false",
            "GetObject",
            types,
        ];
        groups
            .iter()
            .chain(&counts)
            .map(|text| Some((*text).to_owned()))
            .collect()
    };
    let types = "[\"AWS::S3::Object\",null]";
    let cell = cube.cell(&row(types, ["9", "4", "0", "4", "0"])).unwrap();
    assert_eq!(
        (cell.events, cell.read_only, cell.failed),
        (9, Some(true), false)
    );
    let recorded = |selector, events| Recorded {
        trail: 0,
        selector,
        events,
    };
    assert_eq!(cell.recorded, [recorded(Some(1), 4), recorded(None, 4)]);
    for (types, counts) in [
        ("[1]", ["9", "4", "0", "4", "0"]),
        (types, ["9", "4", "", "4", "0"]),
    ] {
        assert!(cube.cell(&row(types, counts)).is_err());
    }
    assert!(cube.cell(&[]).is_err());
}
