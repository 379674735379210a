//! The selector cases of AWS's documentation, through the engine.

use serde::Deserialize;
use serde_json::Value;

use super::*;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    selector_kind: String,
    selectors: Value,
    record: Value,
    expected: bool,
}

#[test]
fn every_selector_case_is_decided_as_expected() {
    let text = include_str!("../../../tests/data/selector_cases.json");
    let file: File = serde_json::from_str(text).unwrap();
    assert_eq!(file.cases.len(), 58);
    for case in file.cases {
        let selectors = match case.selector_kind.as_str() {
            "basic" => serde_json::from_value(case.selectors).map(Selectors::Basic),
            _ => serde_json::from_value(case.selectors).map(Selectors::Advanced),
        };
        let selectors = selectors.unwrap();
        let engine = Engine::new(&[("trail", &selectors)]);
        let text = format!("{{\"Records\": [{}]}}", case.record);
        let tally = count_text(&engine, text.as_bytes(), 0);
        assert_eq!(tally.events, 1, "{}", case.id);
        assert_eq!(tally.recorded(0, None) == 1, case.expected, "{}", case.id);
    }
}

#[test]
fn a_trail_counts_an_event_once_and_each_selector_for_itself() {
    let all = AdvancedEventSelector::new(vec![FieldSelector::equals("eventCategory", ["Data"])]);
    let some = AdvancedEventSelector::new(vec![
        FieldSelector::equals("eventCategory", ["Data"]),
        FieldSelector::new("resources.ARN").with(Operator::StartsWith, ["a"]),
    ]);
    let first = Selectors::Advanced(vec![all, some.clone()]);
    let second = Selectors::Advanced(vec![some.clone(), some]);
    let engine = Engine::new(&[("first", &first), ("second", &second)]);
    let record = |arn| format!(r#"{{"eventCategory":"Data","resources":[{{"ARN":"{arn}"}}]}}"#);
    let text = format!("[{},{}]", record("ab"), record("b"))
        .replace("{\"eventC", "{\"eventVersion\":\"1\",\"eventC");
    let tally = count_text(&engine, text.as_bytes(), 0);
    let counts = [
        (0, None),
        (0, Some(0)),
        (0, Some(1)),
        (1, None),
        (1, Some(0)),
        (1, Some(1)),
    ];
    let counts = counts.map(|(trail, selector)| tally.recorded(trail, selector));
    assert_eq!(counts, [2, 2, 1, 1, 1, 1]);
}
