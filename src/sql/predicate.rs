//! Advanced event selectors as a condition on a row of [`super::events`].
//!
//! The reference is [`crate::selectors::matches`]. SQL has a third answer, NULL, which a record that lacks a field would
//! give; every comparison is therefore wrapped into `COALESCE(…, FALSE)` before NOT, AND and OR see it. LIKE is never
//! used: its wildcards are ordinary characters in ARNs and names.

use super::columns::{Columns, Missing};
use super::event::{CATEGORY, READ_ONLY, ends_with};
use super::text::{literal, literals};
use crate::selectors::{AdvancedEventSelector, FieldSelector, Operator, Selectors};

/// What a selector calls an element of `resources`: `ARN`, or `ARNPrefix` where a list call names no single resource.
const ARN: &str = "COALESCE(r.arn, r.arnprefix)";

/// Whether any of the selectors records the event of a row.
pub fn predicate(selectors: &Selectors, columns: &Columns) -> Result<String, Missing> {
    let selectors = selectors.to_advanced();
    let numbered = selectors.iter().enumerate();
    let parts: Result<Vec<String>, Missing> = numbered
        .map(|(index, selector)| {
            let of_selector = condition(selector, columns);
            of_selector.map_err(|missing| missing.of(called(selector, index)))
        })
        .collect();
    Ok(any(&parts?))
}

/// A selector by its name, or its place in the list; on one line, whatever the name holds.
pub fn called(selector: &AdvancedEventSelector, index: usize) -> String {
    match &selector.name {
        Some(name) => format!("{name:?}"),
        None => format!("number {}", index + 1),
    }
}

/// Whether one selector records the event of a row.
pub fn condition(selector: &AdvancedEventSelector, columns: &Columns) -> Result<String, Missing> {
    let fields = &selector.field_selectors;
    let of_type: Vec<&FieldSelector> = fields
        .iter()
        .filter(|f| f.field == "resources.type")
        .collect();
    let mut parts = Vec::new();
    for field in fields {
        match field.field.as_str() {
            "resources.type" => {}
            "resources.ARN" => {
                check_arn(columns)?;
                parts.extend(on_arn(&of_type, field));
            }
            name => parts.extend(passes(&column(name, columns)?, field)),
        }
    }
    if !of_type.is_empty() {
        columns.resource("resources.type", "type")?;
        parts.extend(has_candidate(&of_type));
    }
    Ok(all(&parts))
}

fn column(field: &str, columns: &Columns) -> Result<String, Missing> {
    match field {
        "eventCategory" => Ok(CATEGORY.to_owned()),
        "readOnly" => columns.text(field).map(|_| READ_ONLY.to_owned()),
        _ => columns.text(field),
    }
}

/// Records of list calls have only the prefix; without it they would be missed in silence.
fn check_arn(columns: &Columns) -> Result<(), Missing> {
    for member in ["type", "arn", "arnprefix"] {
        columns.resource("resources.ARN", member)?;
    }
    Ok(())
}

/// The conditions of a field on a value: one of the positive operators hits, if there are any; none of the negative.
fn passes(value: &str, field: &FieldSelector) -> Vec<String> {
    let select = selects(value, field).map(|hits| format!("COALESCE({hits}, FALSE)"));
    let reject = rejects(value, field).map(|hits| format!("NOT COALESCE({hits}, FALSE)"));
    select.into_iter().chain(reject).collect()
}

fn selects(value: &str, field: &FieldSelector) -> Option<String> {
    let operators = [Operator::Equals, Operator::StartsWith, Operator::EndsWith];
    hits(value, operators.map(|operator| field.values(operator)))
}

fn rejects(value: &str, field: &FieldSelector) -> Option<String> {
    let operators = [
        Operator::NotEquals,
        Operator::NotStartsWith,
        Operator::NotEndsWith,
    ];
    hits(value, operators.map(|operator| field.values(operator)))
}

/// Whether a value equals, starts with or ends with one of these; nothing where there are none of them.
fn hits(value: &str, [equals, starts, ends]: [&[String]; 3]) -> Option<String> {
    // Every text ends with the empty one, which `substr` does not say.
    let (empty, ends): (Vec<&String>, Vec<&String>) = ends.iter().partition(|end| end.is_empty());
    let starts: Vec<&String> = starts.iter().chain(empty).collect();
    let mut parts = Vec::new();
    match equals {
        [] => {}
        [one] => parts.push(format!("{value} = {}", literal(one))),
        several => parts.push(format!("{value} IN ({})", literals(several))),
    }
    // A list and a function over it: hundreds of ORs are more than Trino compiles.
    match starts.as_slice() {
        [] => {}
        [one] => parts.push(format!("starts_with({value}, {})", literal(one))),
        several => parts.push(format!(
            "any_match(ARRAY[{}], v -> starts_with({value}, v))",
            literals(several)
        )),
    }
    match ends.as_slice() {
        [] => {}
        [one] => parts.push(ends_with(value, one)),
        several => parts.push(format!(
            "any_match(ARRAY[{}], v -> substr({value}, -length(v)) = v)",
            literals(several)
        )),
    }
    (!parts.is_empty()).then(|| any(&parts))
}

/// The conditions under which an element `r` of `resources` counts: all of those on `resources.type`.
fn candidate(of_type: &[&FieldSelector]) -> Vec<String> {
    let mut parts: Vec<String> = of_type.iter().flat_map(|f| passes("r.type", f)).collect();
    if !parts.is_empty() && !of_type.iter().any(|f| is_positive(f)) {
        parts.insert(0, "r IS NOT NULL".to_owned());
    }
    parts
}

fn is_positive(field: &FieldSelector) -> bool {
    field.conditions().any(|(operator, _)| operator.selects())
}

/// `resources.type` passes when an element counts. A record without resources passes when nothing is asked for.
fn has_candidate(of_type: &[&FieldSelector]) -> Option<String> {
    let candidate = candidate(of_type);
    if candidate.is_empty() {
        return None;
    }
    let found = any_resource(&candidate);
    if of_type.iter().any(|f| is_positive(f)) {
        return Some(found);
    }
    let none = format!("NOT {}", any_resource(&["r IS NOT NULL".to_owned()]));
    Some(format!("({})", any(&[found, none])))
}

/// Type and ARN are conditions on one and the same element.
fn on_arn(of_type: &[&FieldSelector], field: &FieldSelector) -> Vec<String> {
    let with = |hits: String| {
        let mut parts = candidate(of_type);
        parts.push(format!("({hits})"));
        any_resource(&parts)
    };
    let select = selects(ARN, field).map(with);
    let reject = rejects(ARN, field).map(|hits| format!("NOT {}", with(hits)));
    select.into_iter().chain(reject).collect()
}

fn any_resource(conditions: &[String]) -> String {
    format!(
        "COALESCE(any_match(\"resources\", r -> {}), FALSE)",
        conditions.join(" AND ")
    )
}

fn all(parts: &[String]) -> String {
    match parts {
        [] => "TRUE".to_owned(),
        parts => parts.join(" AND "),
    }
}

fn any(parts: &[String]) -> String {
    match parts {
        [] => "FALSE".to_owned(),
        [one] => one.clone(),
        several => format!("({})", several.join(") OR (")),
    }
}
