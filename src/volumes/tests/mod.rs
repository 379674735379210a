//! Tests of the whole way from bytes to counts.

mod cases;
mod losses;
mod odd;
mod oracle;
mod properties;
mod reference;

use std::path::{Path, PathBuf};

use super::*;
use crate::selectors::{AdvancedEventSelector, FieldSelector, Operator, Selectors};

fn data(path: &str) -> PathBuf {
    let root = option_env!("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .unwrap_or_default();
    root.join("tests/data/logs").join(path)
}

/// The selectors of the reference job, as one trail, with their names.
fn job() -> (Selectors, Vec<String>) {
    let text = include_str!("../../../tests/data/logs/job_spec.json");
    let spec: serde_json::Value = serde_json::from_str(text).unwrap();
    let selectors = spec["selectors"].as_array().unwrap();
    let names = selectors
        .iter()
        .map(|s| s["name"].as_str().unwrap().to_owned());
    let selector = |selector: &serde_json::Value| {
        let fields = selector["fields"].as_array().unwrap().iter();
        AdvancedEventSelector::new(fields.map(job_field).collect())
    };
    (
        Selectors::Advanced(selectors.iter().map(selector).collect()),
        names.collect(),
    )
}

fn job_field(field: &serde_json::Value) -> FieldSelector {
    let operators = [
        ("equals", Operator::Equals),
        ("startsWith", Operator::StartsWith),
        ("notEquals", Operator::NotEquals),
        ("notStartsWith", Operator::NotStartsWith),
    ];
    let empty = FieldSelector::new(field["field"].as_str().unwrap());
    operators
        .into_iter()
        .fold(empty, |written, (name, operator)| {
            let values = field[name].as_array().into_iter().flatten();
            match field[name].is_null() {
                true => written,
                false => written.with(operator, values.map(|v| v.as_str().unwrap())),
            }
        })
}

fn count_path(engine: &Engine, path: &Path, threads: usize) -> Tally {
    let options = Options {
        threads,
        ..Options::default()
    };
    count(engine, vec![Source::Path(path.to_owned())], &options).tally
}

/// Counts one text that is given in pieces.
fn count_text(engine: &Engine, text: &[u8], piece: usize) -> Tally {
    let mut reading = Reading::new(Counter::new(engine, None), 1 << 20);
    reading.begin("text", None);
    if piece == 0 {
        reading.whole(text);
        return reading.take();
    }
    let going = text.chunks(piece).all(|piece| reading.push(piece));
    if going {
        reading.finish();
    } else {
        reading.abandon();
    }
    reading.take()
}
