//! The cases of `tests/data/selector_cases.json`: selectors, a record, and whether it is recorded.

use serde::Deserialize;
use serde_json::Value;

use super::{Event, Selectors, Target, check, matches};

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
    validation_cases: Vec<Validation>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    selector_kind: String,
    selectors: Value,
    record: Value,
    expected: bool,
}

#[derive(Deserialize)]
struct Validation {
    id: String,
    selector_kind: String,
    target: String,
    selectors: Value,
    valid: bool,
}

fn file() -> File {
    serde_json::from_str(include_str!("../../tests/data/selector_cases.json")).expect("case file")
}

fn selectors(kind: &str, list: Value) -> Selectors {
    let parsed = match kind {
        "basic" => serde_json::from_value(list).map(Selectors::Basic),
        _ => serde_json::from_value(list).map(Selectors::Advanced),
    };
    parsed.expect("selectors")
}

#[test]
fn every_case_is_decided_as_expected() {
    let cases = file().cases;
    assert_eq!(cases.len(), 58);
    let wrong: Vec<String> = cases
        .into_iter()
        .filter(|case| {
            let selectors = selectors(&case.selector_kind, case.selectors.clone());
            let event = Event::from_record(&case.record);
            matches(&selectors.to_advanced(), &event).is_some() != case.expected
        })
        .map(|case| case.id)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_validation_case_is_accepted_or_refused_as_expected() {
    let cases = file().validation_cases;
    assert_eq!(cases.len(), 17);
    let wrong: Vec<String> = cases
        .into_iter()
        .filter(|case| {
            let target = match case.target.as_str() {
                "eds" => Target::EventDataStore,
                _ => Target::Trail,
            };
            let selectors = selectors(&case.selector_kind, case.selectors.clone());
            let refused = check(&selectors, target).iter().any(|f| f.is_error());
            refused == case.valid
        })
        .map(|case| case.id)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
