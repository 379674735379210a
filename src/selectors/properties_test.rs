//! Laws of the selector algebra, on random selectors and records.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Target;
use super::{
    AdvancedEventSelector, DataResource, Event, EventSelector, FieldSelector, Operator,
    ReadWriteType, Selectors, canonical, check, covers, describe, differences, equivalent, explain,
    matches,
};

/// Values that are prefixes, suffixes and neighbours of each other, so that conditions touch.
const WORDS: [&str; 10] = ["a", "ab", "abc", "b", "bc", "c", "ba", "cab", "abcab", "d"];

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(&WORDS[..]).prop_map(str::to_owned)
}

fn operator() -> impl Strategy<Value = Operator> {
    prop::sample::select(&Operator::ALL[..])
}

fn condition(
    field: &'static str,
    values: &'static [&'static str],
) -> impl Strategy<Value = FieldSelector> {
    vec((operator(), prop::sample::select(values)), 0..5).prop_map(move |parts| {
        let empty = FieldSelector::new(field);
        parts
            .into_iter()
            .fold(empty, |f, (op, value)| f.with(op, [value]))
    })
}

fn field() -> impl Strategy<Value = FieldSelector> {
    prop_oneof![
        condition("eventCategory", &["Data", "Management"]),
        condition("readOnly", &["true", "false", "t", ""]),
        condition("eventName", &WORDS),
        condition("eventName", &["a", "b", ""]),
        condition("resources.type", &["T", "U"]),
        Just(FieldSelector::equals("resources.type", ["T"])),
        condition("resources.ARN", &WORDS),
        condition("resources.ARN", &WORDS),
        condition("some.new", &WORDS),
    ]
}

fn selector() -> impl Strategy<Value = AdvancedEventSelector> {
    vec(field(), 0..4).prop_map(AdvancedEventSelector::new)
}

/// Selectors as AWS accepts them, where proofs should mostly succeed.
fn ordinary() -> impl Strategy<Value = AdvancedEventSelector> {
    let base = vec![
        FieldSelector::equals("eventCategory", ["Data"]),
        FieldSelector::equals("resources.type", ["T"]),
    ];
    let more = (
        option::of(condition("eventName", &WORDS)),
        option::of(condition("resources.ARN", &WORDS)),
        option::of(prop::sample::select(&["true", "false"][..])),
    );
    more.prop_map(move |(name, arn, read_only)| {
        let mut fields = base.clone();
        fields.extend(name);
        fields.extend(arn);
        fields.extend(read_only.map(|value| FieldSelector::equals("readOnly", [value])));
        AdvancedEventSelector::new(fields)
    })
}

fn basic() -> impl Strategy<Value = EventSelector> {
    let kinds = [
        "AWS::S3::Object",
        "AWS::Lambda::Function",
        "AWS::DynamoDB::Table",
    ];
    let values = prop_oneof![word(), Just("arn:aws:s3".to_owned())];
    let resource =
        (prop::sample::select(kinds.to_vec()), vec(values, 0..3)).prop_map(|(kind, values)| {
            DataResource {
                resource_type: kind.to_owned(),
                values,
            }
        });
    let sources =
        prop::sample::subsequence(vec!["kms.amazonaws.com", "rdsdata.amazonaws.com"], 0..=2);
    let access = prop::sample::select(vec![
        ReadWriteType::All,
        ReadWriteType::ReadOnly,
        ReadWriteType::WriteOnly,
    ]);
    (access, any::<bool>(), sources, vec(resource, 0..3)).prop_map(
        |(read_write_type, include_management_events, sources, data_resources)| EventSelector {
            read_write_type,
            include_management_events,
            exclude_management_event_sources: sources.into_iter().map(str::to_owned).collect(),
            data_resources,
        },
    )
}

fn selectors() -> impl Strategy<Value = Selectors> {
    prop_oneof![
        3 => vec(selector(), 0..5).prop_map(Selectors::Advanced),
        3 => vec(ordinary(), 0..5).prop_map(Selectors::Advanced),
        1 => vec(basic(), 0..4).prop_map(Selectors::Basic),
    ]
}

fn record() -> impl Strategy<Value = Value> {
    let name = prop_oneof![word(), (word(), word()).prop_map(|(a, b)| a + &b)];
    let kinds = ["T", "T", "U", "AWS::S3::Object", "AWS::Lambda::Function"];
    let element = (
        option::weighted(0.9, prop::sample::select(kinds.to_vec())),
        option::weighted(0.9, word()),
    )
        .prop_map(|(kind, arn)| json!({"type": kind, "ARN": arn}));
    let sources = vec![
        "kms.amazonaws.com",
        "rdsdata.amazonaws.com",
        "s3.amazonaws.com",
    ];
    (
        prop::sample::select(vec!["Data", "Management"]),
        option::of(any::<bool>()),
        option::of(name),
        option::of(prop::sample::select(sources)),
        vec(element, 0..4),
        option::of(word()),
    )
        .prop_map(|(category, read_only, name, source, resources, new)| {
            json!({"eventCategory": category, "readOnly": read_only, "eventName": name,
                "eventSource": source, "resources": resources, "some": {"new": new}})
        })
}

fn records(selectors: &Selectors, event: &Event<'_>) -> bool {
    matches(&selectors.to_advanced(), event).is_some()
}

/// Selectors over `resources` alone, from so few words that they meet: the reasoning is subtle there, because a
/// record may name several resources of one type.
fn on_resources() -> impl Strategy<Value = Selectors> {
    const FEW: [&str; 4] = ["a", "ab", "b", ""];
    let kind = prop_oneof![
        3 => Just(vec![FieldSelector::equals("resources.type", ["T"])]),
        1 => Just(vec![FieldSelector::equals("resources.type", ["U"])]),
        1 => Just(vec![FieldSelector::equals("resources.type", ["T", "U"])]),
        1 => Just(vec![FieldSelector::new("resources.type").with(Operator::NotEquals, ["U"])]),
        1 => Just(vec![]),
    ];
    let one = |negative: bool| {
        let operators = Operator::ALL
            .into_iter()
            .filter(move |o| o.selects() != negative);
        let operators: Vec<Operator> = operators.collect();
        (
            prop::sample::select(operators),
            prop::sample::select(&FEW[..]),
        )
    };
    let arn = (
        option::of(one(false)),
        option::of(one(true)),
        option::weighted(0.2, one(false)),
    );
    let selector = (kind, arn).prop_map(|(mut fields, (positive, negative, again))| {
        let parts = positive.into_iter().chain(negative);
        let arn = FieldSelector::new("resources.ARN");
        fields.push(parts.fold(arn, |f, (operator, value)| f.with(operator, [value])));
        if let Some((operator, value)) = again {
            fields.push(FieldSelector::new("resources.ARN").with(operator, [value]));
        }
        AdvancedEventSelector::new(fields)
    });
    vec(selector, 1..3).prop_map(Selectors::Advanced)
}

/// Every list of up to two resources out of a small world.
fn all_resource_lists() -> Vec<Value> {
    let mut elements = vec![json!({"type": "T"}), json!({"ARN": "ab"})];
    for kind in ["T", "U"] {
        let arns = ["a", "ab", "abb", "b", "ba", "c"];
        elements.extend(arns.map(|arn| json!({"type": kind, "ARN": arn})));
    }
    let mut lists = vec![json!([])];
    for first in &elements {
        lists.push(json!([first]));
        lists.extend(elements.iter().map(|second| json!([first, second])));
    }
    let record = |list| json!({"eventCategory": "Data", "resources": list});
    lists.into_iter().map(record).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn canonical_records_the_same_events(x in selectors(), some in vec(record(), 40)) {
        let normal = Selectors::Advanced(canonical(&x));
        for record in &some {
            let event = Event::from_record(record);
            prop_assert_eq!(records(&x, &event), records(&normal, &event), "{:?} {}", normal, record);
        }
    }

    #[test]
    fn canonical_is_idempotent_and_independent_of_order(x in selectors(), seed in any::<prop::sample::Index>()) {
        let normal = canonical(&x);
        prop_assert_eq!(&canonical(&Selectors::Advanced(normal.clone())), &normal);
        let mut turned = x.to_advanced();
        if !turned.is_empty() {
            let by = seed.index(turned.len());
            turned.rotate_left(by);
        }
        for selector in &mut turned {
            selector.field_selectors.reverse();
            selector.name = Some("renamed".to_owned());
        }
        prop_assert_eq!(canonical(&Selectors::Advanced(turned)), normal);
    }

    #[test]
    fn covers_is_sound(wide in selectors(), narrow in selectors(), some in vec(record(), 40)) {
        let proved = covers(&wide, &narrow);
        prop_assert_eq!(proved, differences(&narrow, &wide).lost.is_empty());
        for record in some.iter().filter(|_| proved) {
            let event = Event::from_record(record);
            prop_assert!(!records(&narrow, &event) || records(&wide, &event), "{}", record);
        }
    }

    #[test]
    fn several_resources_are_reasoned_over_soundly(a in on_resources(), b in on_resources()) {
        let normal = Selectors::Advanced(canonical(&a));
        let (proved, same) = (covers(&a, &b), equivalent(&a, &b));
        for record in all_resource_lists() {
            let event = Event::from_record(&record);
            let (by_a, by_b) = (records(&a, &event), records(&b, &event));
            prop_assert_eq!(by_a, records(&normal, &event), "{:?} {}", normal, record);
            prop_assert!(!proved || by_a || !by_b, "{}", record);
            prop_assert!(!same || by_a == by_b, "{}", record);
        }
    }

    #[test]
    fn a_set_covers_itself_and_its_parts(x in selectors(), y in selectors()) {
        prop_assert!(covers(&x, &x));
        prop_assert!(equivalent(&x, &Selectors::Advanced(canonical(&x))));
        let both = [x.to_advanced(), y.to_advanced()].concat();
        prop_assert!(covers(&Selectors::Advanced(both), &x));
    }

    #[test]
    fn to_basic_records_the_same_events(x in vec(basic(), 0..4), some in vec(record(), 20)) {
        let advanced = Selectors::Advanced(Selectors::Basic(x).to_advanced());
        if let Some(back) = advanced.to_basic() {
            let back = Selectors::Basic(back);
            for record in &some {
                let event = Event::from_record(record);
                prop_assert_eq!(records(&advanced, &event), records(&back, &event), "{}", record);
            }
        }
    }

    #[test]
    fn explain_agrees_with_matches(x in selector(), record in record()) {
        let event = Event::from_record(&record);
        let passed = explain(&x, &event).iter().all(|verdict| verdict.passed);
        prop_assert_eq!(passed, matches(std::slice::from_ref(&x), &event).is_some());
    }

    #[test]
    fn nothing_panics(text in ".{0,30}", value in ".{0,30}", list in vec(".{0,5}", 0..3)) {
        let odd = AdvancedEventSelector {
            name: Some(text.clone()),
            field_selectors: vec![
                FieldSelector::new(text.clone()).with(Operator::StartsWith, [value.clone()]),
                FieldSelector::equals("eventCategory", ["Data"]),
                FieldSelector::equals("resources.type", list.clone()),
                FieldSelector::equals("eventSource", [value.clone()]),
            ],
        };
        describe(&odd);
        let odd = Selectors::Advanced(vec![odd]);
        let basic = Selectors::Basic(vec![EventSelector {
            exclude_management_event_sources: list,
            data_resources: vec![DataResource { resource_type: text, values: vec![value] }],
            ..EventSelector::default()
        }]);
        for target in [Target::Trail, Target::EventDataStore] {
            check(&odd, target);
            check(&basic, target);
        }
        differences(&odd, &basic);
    }
}
