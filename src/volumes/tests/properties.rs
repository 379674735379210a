//! The engine against the slow way on random selectors, records and damage. `PROPTEST_CASES=100000` for longer runs.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::losses::gzip;
use super::oracle::{lines, lines_of, records};
use super::*;
use crate::selectors::{DataResource, EventSelector, ReadWriteType};

const WORDS: [&str; 12] = [
    "a", "ab", "abc", "b", "bc", "", "ba", "c\"", "\\", "é/", "true", "false",
];
const TYPES: [&str; 4] = [
    "AWS::S3::Object",
    "AWS::S3::Bucket",
    "AWS::Lambda::Function",
    "T",
];

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(&WORDS[..]).prop_map(str::to_owned)
}

fn field() -> impl Strategy<Value = FieldSelector> {
    let on = |name: &'static str, values: &'static [&'static str]| {
        let operator = prop::sample::select(&Operator::ALL[..]);
        vec((operator, prop::sample::select(values)), 0..4).prop_map(move |parts| {
            let empty = FieldSelector::new(name);
            parts.into_iter().fold(empty, |field, (operator, value)| {
                field.with(operator, [value])
            })
        })
    };
    prop_oneof![
        on("eventCategory", &["Data", "Management", "a"]),
        on("readOnly", &["true", "false", "t"]),
        on("eventName", &WORDS),
        on("eventSource", &["s3.amazonaws.com", "a"]),
        on("eventType", &WORDS),
        on("errorCode", &WORDS),
        on("vpcEndpointId", &WORDS),
        on("userIdentity.arn", &WORDS),
        on("userIdentity.arn", &WORDS),
        on("sessionCredentialFromConsole", &WORDS),
        on("resources.type", &TYPES),
        Just(FieldSelector::equals("resources.type", ["T"])),
        on("resources.ARN", &WORDS),
        on("resources.ARN", &WORDS),
        on("some.new", &WORDS),
    ]
}

fn selectors() -> impl Strategy<Value = Selectors> {
    let advanced = vec(field(), 0..4).prop_map(AdvancedEventSelector::new);
    let basic = (any::<bool>(), word()).prop_map(|(read, value)| EventSelector {
        read_write_type: if read {
            ReadWriteType::ReadOnly
        } else {
            ReadWriteType::All
        },
        data_resources: vec![DataResource {
            resource_type: "AWS::S3::Object".to_owned(),
            values: vec![value],
        }],
        ..EventSelector::default()
    });
    prop_oneof![
        4 => vec(advanced, 0..5).prop_map(Selectors::Advanced),
        1 => vec(basic, 0..3).prop_map(Selectors::Basic),
    ]
}

/// A value of a member that should be a string, and sometimes is not.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => word().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => (-9i64..9).prop_map(Value::from),
        1 => prop::sample::select(vec![json!(null), json!([1, "]"]), json!({"type": "}"}), json!(1.5e300)]),
    ]
}

fn resources() -> impl Strategy<Value = Value> {
    let kind =
        prop_oneof![4 => prop::sample::select(&TYPES[..]).prop_map(Value::from), 1 => scalar()];
    let element = (
        option::of(kind),
        option::of(scalar()),
        option::weighted(0.3, scalar()),
    );
    let element = element.prop_map(|(kind, arn, prefix)| {
        let members = [
            ("type", kind),
            ("ARN", arn),
            ("ARNPrefix", prefix),
            ("arn", Some(json!("ab"))),
        ];
        members
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect()
    });
    let few = vec(
        prop_oneof![9 => element.prop_map(Value::Object), 1 => scalar()],
        0..4,
    );
    prop_oneof![
        20 => few.clone().prop_map(Value::Array),
        1 => scalar(),
        // More than the engine keeps one by one.
        1 => few.prop_map(|few| Value::Array(few.iter().cycle().take(few.len() * 70).cloned().collect())),
    ]
}

fn record() -> impl Strategy<Value = Value> {
    const SCALARS: [&str; 14] = [
        "eventType",
        "errorCode",
        "vpcEndpointId",
        "sessionCredentialFromConsole",
        "eventName",
        "recipientAccountId",
        "accountId",
        "awsRegion",
        "managementEvent",
        "readOnly",
        "eventCategory",
        "eventTime",
        "eventID",
        "requestID",
    ];
    let scalars = vec((prop::sample::select(&SCALARS[..]), scalar()), 0..10);
    let source = prop::sample::select(vec![
        "s3.amazonaws.com",
        "kms.amazonaws.com",
        "sns.amazonaws.com",
        "a",
    ]);
    let category = prop::sample::select(vec!["Data", "Management"]);
    let decoy = Just(
        json!({"eventCategory": "Data", "resources": [{"type": "T", "ARN": "ab"}], "Records": [{}]}),
    );
    let identity = prop_oneof![
        5 => (option::of(scalar()), option::of(word())).prop_map(|(arn, name)| json!({"arn": arn, "sessionContext": {"arn": name}})),
        1 => scalar(),
    ];
    let others = (
        option::of(resources()),
        option::of(identity),
        option::of(word()),
        option::of(decoy),
    );
    (scalars, source, option::of(category), others).prop_map(
        |(scalars, source, category, others)| {
            let mut record = serde_json::Map::new();
            let (resources, identity, new, decoy) = others;
            record.insert("eventVersion".to_owned(), json!("1.08"));
            record.extend(
                scalars
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value)),
            );
            let more = [
                ("requestParameters", decoy),
                ("eventSource", Some(json!(source))),
                ("eventCategory", category.map(Value::from)),
                ("userIdentity", identity),
                ("resources", resources),
                ("some", new.map(|new| json!({"new": new}))),
            ];
            record.extend(
                more.into_iter()
                    .filter_map(|(key, value)| Some((key.to_owned(), value?))),
            );
            Value::Object(record)
        },
    )
}

/// Writes JSON with spaces and escapes where they are allowed, as the bits of `odd` say.
fn write(value: &Value, odd: &mut u64, text: &mut String) {
    let mut roll = |sides: u64| {
        *odd = odd
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*odd >> 33).is_multiple_of(sides)
    };
    match value {
        Value::String(string) => {
            text.push('"');
            for c in string.chars() {
                match c {
                    '"' | '\\' => text.extend(['\\', c]),
                    '/' if roll(2) => text.push_str("\\/"),
                    c if roll(30) && (c as u32) < 0xd800 => {
                        text.push_str(&format!("\\u{:04x}", c as u32))
                    }
                    c => text.push(c),
                }
            }
            text.push('"');
        }
        Value::Array(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                write(element, odd, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                write(&Value::from(key.as_str()), odd, text);
                text.push_str([":", " : ", ":\n", ":\t"][(*odd >> 40) as usize % 4]);
                write(member, odd, text);
            }
            text.push('}');
        }
        other => text.push_str(&other.to_string()),
    }
}

/// Records in one of the shapes that they come in.
fn document() -> impl Strategy<Value = String> {
    (vec(record(), 0..6), 0..8, any::<u64>()).prop_map(|(records, shape, mut odd)| {
        let texts = |member: &str| -> Vec<Value> {
            records
                .iter()
                .map(|record| json!({"Id": "x", member: record.to_string()}))
                .collect()
        };
        let details = || {
            records
                .iter()
                .map(|record| json!({"detail-type": "x", "resources": [], "detail": record}))
        };
        let documents = match shape {
            0 => vec![json!({"x": {"Records": [{}]}, "Records": records, "y": [1]})],
            1 => vec![json!({"Records": records})],
            2 => records.clone(),
            3 => vec![Value::Array(records.clone())],
            4 => details().collect(),
            5 => vec![json!({"messageType": "DATA_MESSAGE", "logEvents": texts("message")})],
            6 => vec![json!({"Events": texts("CloudTrailEvent"), "NextToken": "x"})],
            _ => vec![Value::Array(vec![
                json!({"Records": records}),
                json!([2]),
                json!({"logEvents": texts("message")}),
            ])],
        };
        let mut text = String::new();
        for document in documents {
            write(&document, &mut odd, &mut text);
            text.push_str(["\n", " ", "", "\r\n"][(odd >> 40) as usize % 4]);
        }
        text
    })
}

fn engine(trails: &[Selectors]) -> Engine {
    let trails: Vec<(&str, &Selectors)> = trails
        .iter()
        .map(|selectors| ("trail", selectors))
        .collect();
    Engine::new(&trails)
}

/// The counts of a text are those of the slow way, if it is JSON.
fn check(text: &[u8], piece: usize, trails: &[Selectors]) -> Result<bool, TestCaseError> {
    let tally = count_text(&engine(trails), text, piece);
    let Some(expected) = records(text, false) else {
        return Ok(false);
    };
    let shown = String::from_utf8_lossy(text);
    prop_assert_eq!(tally.events, expected.len() as u64, "{}", shown);
    prop_assert_eq!(lines_of(&tally), lines(&expected, trails), "{}", shown);
    Ok(true)
}

/// A key is guessed from what separates it from the values around it, which has to fit into a block.
#[test]
fn keys_of_every_length_are_read_like_any_other() {
    for length in 0..140 {
        for space in ["", " ", "\n    "] {
            let key = format!("\"{}\"{space}:{space}", "k".repeat(length));
            let first = format!("{{{key}\"a\",\"eventVersion\":\"1\",\"awsRegion\":\"b\"}}");
            let second = format!("{{\"eventVersion\":\"1\",{key}\"a\",\"awsRegion\":\"b\"}}");
            let parts = [first.as_str(), &second].repeat(3);
            let text = format!("{{\"Records\":[{}]}}", parts.join(","));
            for piece in [0, 1, 100] {
                assert!(check(text.as_bytes(), piece, &[]).unwrap(), "{text}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_counts_as_the_slow_way(
        text in document(), trails in vec(selectors(), 0..3), piece in prop::sample::select(vec![0usize, 1, 13, 100, 5000]),
    ) {
        prop_assert!(check(text.as_bytes(), piece, &trails)?, "{}", text);
    }

    #[test]
    fn damaged_text_never_panics_and_counts_as_the_slow_way_if_it_is_json(
        text in document(), edits in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..4),
        trails in vec(selectors(), 0..2), piece in prop::sample::select(vec![0usize, 10]),
    ) {
        const BYTES: &[u8] = b"\"\"\\{}[],: \n1entE\x00\xff";
        let mut text = text.into_bytes();
        for (at, other, byte) in &edits {
            if text.is_empty() {
                break;
            }
            let (at, other) = (at.index(text.len()), other.index(text.len()));
            match byte % 5 {
                0 => { text.remove(at); }
                1 => text.insert(at, BYTES[usize::from(*byte) % BYTES.len()]),
                2 => text[at] = BYTES[usize::from(*byte) % BYTES.len()],
                3 => text.truncate(at),
                _ => text.swap(at, other),
            }
        }
        check(&text, piece, &trails)?;
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..300), piece in 0usize..50) {
        check(&bytes, piece, &[])?;
        let mut file = b"\x1f\x8b\x08".to_vec();
        file.extend(&bytes);
        count_text(&engine(&[]), &file, piece);
    }

    #[test]
    fn gzip_in_any_members_and_pieces_is_the_text(
        text in document(), cut in any::<prop::sample::Index>(), piece in 0usize..200, damage in option::of(any::<prop::sample::Index>()),
    ) {
        // No file of no bytes, which is a problem of its own.
        let text = format!(" {text}");
        let (first, second) = text.as_bytes().split_at(cut.index(text.len() + 1));
        let mut file = gzip(first);
        file.extend(gzip(second));
        if let Some(damage) = damage {
            let at = damage.index(file.len());
            file[at] ^= 0x55;
            count_text(&engine(&[]), &file, piece);
        } else {
            let plain = count_text(&engine(&[]), text.as_bytes(), 0);
            let inflated = count_text(&engine(&[]), &file, piece);
            prop_assert_eq!(inflated.accounts.len(), plain.accounts.len());
            prop_assert_eq!(lines_of(&inflated), lines_of(&plain));
            prop_assert_eq!(inflated.problems.count == 0, plain.problems.count == 0);
        }
    }
}
