//! The log engine under the fuzzer: it must not panic, must stay small, and must count what `serde_json` accepts as the
//! slow way of the tests counts it.

#![forbid(unsafe_code)]

#[path = "../../src/finding.rs"]
pub mod finding;
#[path = "../../src/selectors/mod.rs"]
pub mod selectors;
#[path = "../../src/volumes/mod.rs"]
pub mod volumes;

#[path = "../../src/volumes/tests/oracle.rs"]
mod oracle;

use selectors::{
    AdvancedEventSelector, DataResource, EventSelector, FieldSelector, Operator, Selectors,
};
use volumes::{Counter, Engine, Reading, Tally};

/// A trail of each kind, with every field that selectors know and one that they do not.
fn trails() -> Vec<Selectors> {
    let equals = |field: &str, value: &str| FieldSelector::equals(field, [value]);
    let data = || equals("eventCategory", "Data");
    let advanced = vec![
        AdvancedEventSelector::new(vec![
            equals("eventCategory", "Management"),
            equals("readOnly", "true"),
        ]),
        AdvancedEventSelector::new(vec![
            data(),
            equals("resources.type", "AWS::S3::Object"),
            FieldSelector::new("resources.ARN").with(Operator::StartsWith, ["arn:aws:s3:::a"]),
        ]),
        AdvancedEventSelector::new(vec![
            data(),
            FieldSelector::new("eventName").with(Operator::NotEquals, ["a"]),
        ]),
        AdvancedEventSelector::new(vec![
            FieldSelector::new("userIdentity.arn").with(Operator::EndsWith, ["a"]),
        ]),
        AdvancedEventSelector::new(vec![
            equals("vpcEndpointId", "a"),
            equals("errorCode", "VpceAccessDenied"),
        ]),
        AdvancedEventSelector::new(vec![equals("some.new", "a")]),
    ];
    let basic = EventSelector {
        data_resources: vec![DataResource {
            resource_type: "AWS::S3::Object".to_owned(),
            values: vec!["arn:aws:s3".to_owned()],
        }],
        ..EventSelector::default()
    };
    vec![Selectors::Advanced(advanced), Selectors::Basic(vec![basic])]
}

fn engine(trails: &[Selectors]) -> Engine {
    let trails: Vec<(&str, &Selectors)> = trails.iter().map(|trail| ("trail", trail)).collect();
    Engine::new(&trails)
}

/// Counts a file that comes as a whole, or in pieces of so many bytes.
fn count(engine: &Engine, file: &[u8], piece: usize) -> Tally {
    let mut reading = Reading::new(Counter::new(engine, None), 1 << 20);
    reading.begin("file", None);
    if piece == 0 {
        reading.whole(file);
    } else if file.chunks(piece).all(|piece| reading.push(piece)) {
        reading.finish();
    } else {
        reading.abandon();
    }
    reading.take()
}

/// The text of a log file, counted as the slow way does it; the first byte says how large the pieces are.
pub fn records(input: &[u8]) {
    let Some((&piece, text)) = input.split_first() else {
        return;
    };
    // Damaged gzip is for the other target.
    if text.starts_with(b"\x1f\x8b\x08") {
        return;
    }
    let trails = trails();
    let engine = engine(&trails);
    let tally = count(&engine, text, usize::from(piece));
    if let Some(expected) = oracle::records(text, false) {
        assert_eq!(tally.events, expected.len() as u64);
        assert_eq!(oracle::lines_of(&tally), oracle::lines(&expected, &trails));
    }
    // Whether a file fits into memory must not make a difference.
    let (whole, pieces) = (
        count(&engine, text, 0),
        count(&engine, text, 1 + usize::from(piece)),
    );
    assert_same(&whole, &pieces);
}

/// A gzip file, damaged or not.
pub fn gzip(input: &[u8]) {
    let Some((&piece, file)) = input.split_first() else {
        return;
    };
    let engine = engine(&trails());
    let whole = count(&engine, file, 0);
    let pieces = count(&engine, file, 1 + usize::from(piece));
    // How much of damaged data can be uncompressed depends on the pieces.
    if whole.problems.count == 0 || pieces.problems.count == 0 {
        assert_same(&whole, &pieces);
    }
}

fn assert_same(whole: &Tally, pieces: &Tally) {
    assert_eq!(oracle::lines_of(whole), oracle::lines_of(pieces));
    assert_eq!(whole.events, pieces.events);
    assert_eq!(whole.problems.count, pieces.problems.count);
    // A stream is not read behind the place where it is broken.
    if whole.problems.count == 0 {
        assert_eq!(whole.files, pieces.files);
    }
}
