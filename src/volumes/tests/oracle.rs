//! The same counts the slow way: every document parsed as a whole, every selector asked about every record.

use std::collections::BTreeMap;

use serde_json::{Deserializer, Map, Value};

use super::*;
use crate::selectors::{AdvancedEventSelector, Event, matches};

pub type Lines = BTreeMap<String, u64>;

/// The records of a text; nothing when it is no JSON.
pub fn records(text: &[u8], nested: bool) -> Option<Vec<Value>> {
    let documents = Deserializer::from_slice(text).into_iter::<Value>();
    let mut found = Vec::new();
    for document in documents {
        match document.ok()? {
            Value::Array(elements) => {
                for element in elements {
                    add_object(element, nested, &mut found)?;
                }
            }
            document => add_object(document, nested, &mut found)?,
        }
    }
    Some(found)
}

fn add_object(value: Value, nested: bool, found: &mut Vec<Value>) -> Option<()> {
    let Value::Object(object) = value else {
        return Some(());
    };
    let lists = ["Records", "Events", "logEvents"];
    if lists
        .iter()
        .any(|list| object.get(*list).is_some_and(Value::is_array))
    {
        for (key, list) in &object {
            let Some(list) = list.as_array() else {
                continue;
            };
            let objects = list.iter().filter_map(Value::as_object);
            let member = match key.as_str() {
                "Records" => {
                    found.extend(objects.cloned().map(Value::Object));
                    continue;
                }
                "Events" => "CloudTrailEvent",
                "logEvents" => "message",
                _ => continue,
            };
            for text in objects.filter_map(|o| o.get(member)?.as_str()) {
                if !nested {
                    found.extend(records(text.as_bytes(), true)?);
                }
            }
        }
        return Some(());
    }
    let detail = object.get("detail").and_then(Value::as_object);
    if is_plausible(&object) {
        found.push(Value::Object(object));
    } else if let Some(detail) = detail.filter(|detail| is_plausible(detail)) {
        found.push(Value::Object(detail.clone()));
    }
    Some(())
}

fn is_plausible(object: &Map<String, Value>) -> bool {
    let has = |key: &str| object.contains_key(key);
    has("eventVersion") || (has("eventSource") && has("eventName"))
}

/// All counts, one line each.
pub fn lines(records: &[Value], trails: &[Selectors]) -> Lines {
    let trails: Vec<Vec<AdvancedEventSelector>> =
        trails.iter().map(Selectors::to_advanced).collect();
    let mut lines = Lines::new();
    for record in records {
        let event = Event::from_record(record);
        let named = |key: &str| {
            record
                .get(key)
                .and_then(Value::as_str)
                .filter(|t| !t.is_empty())
        };
        let account = named("recipientAccountId").or_else(|| named("accountId"));
        let place = format!(
            "{}/{}",
            short(account.unwrap_or_default()),
            short(named("awsRegion").unwrap_or_default())
        );
        let (category, source) = (
            short(&event.category),
            short(event.event_source.as_deref().unwrap_or_default()),
        );
        let mut count = |line: String| *lines.entry(line).or_default() += 1;
        let access = match event.read_only {
            Some(true) => "read",
            Some(false) => "write",
            None => "other",
        };
        count(format!("{place} {category} {source} {access}"));
        if event.error_code.is_some() {
            count(format!("{place} {category} {source} errors"));
        }
        for (trail, selectors) in trails.iter().enumerate() {
            let selectors = selectors.iter().enumerate();
            let matching =
                selectors.filter(|(_, s)| matches(std::slice::from_ref(s), &event).is_some());
            let matching: Vec<(usize, &AdvancedEventSelector)> = matching.collect();
            for (index, _) in &matching {
                count(format!("{place} {category} trail {trail} {index}"));
            }
            if let Some((first, _)) = matching.first() {
                count(format!("{place} {category} trail {trail}"));
                if !matching
                    .iter()
                    .any(|(_, selector)| selector.is_told_by_counts())
                {
                    count(format!("{place} trail {trail} own {first}"));
                }
            }
        }
    }
    lines
}

/// The counts of a tally as the same lines.
pub fn lines_of(tally: &Tally) -> Lines {
    let mut lines = Lines::new();
    for (account, regions) in &tally.accounts {
        for (region, counted) in regions {
            let place = format!("{account}/{region}");
            for (category, rows) in &counted.events {
                for ((source, _), counts) in rows {
                    let named = [
                        ("read", counts.read),
                        ("write", counts.write),
                        ("other", counts.other),
                        ("errors", counts.errors),
                    ];
                    for (name, count) in named.into_iter().filter(|(_, count)| *count > 0) {
                        *lines
                            .entry(format!("{place} {category} {source} {name}"))
                            .or_default() += count;
                    }
                }
            }
            for (id, count) in &counted.own {
                lines.insert(
                    format!("{place} trail {} own {}", id.trail, id.selector),
                    *count,
                );
            }
            for (recorder, count) in &counted.recorded {
                let selector = recorder
                    .selector
                    .map_or(String::new(), |index| format!(" {index}"));
                let line = format!(
                    "{place} {} trail {}{selector}",
                    recorder.category, recorder.trail
                );
                lines.insert(line, *count);
            }
        }
    }
    lines
}

/// Of long names, what fits into 256 bytes.
fn short(name: &str) -> String {
    let ends = name.char_indices().map(|(start, c)| start + c.len_utf8());
    match ends.take_while(|end| *end <= 256).last() {
        Some(end) if end < name.len() => format!("{}…", &name[..end]),
        _ => name.to_owned(),
    }
}
