//! Rows as selectors see them: what [`crate::selectors::Event`] makes of a record, as SQL.

use super::bounds::Bounds;
use super::columns::{Columns, Missing};
use super::table::Table;
use super::text::{identifier, literal, literals};
use crate::selectors::{INVOKE_CALLS, ITEM, ITEM_CALLS, OBJECT_CALLS, data_event_types};

/// Columns that [`events`] adds to those of the table.
pub const CATEGORY: &str = "orgtrail_category";
pub const READ_ONLY: &str = "orgtrail_read_only";

/// Types that a data event is counted under only if it has no other, and the type of events that name none.
const CONTAINERS: [&str; 2] = ["AWS::S3::Bucket", "AWS::S3Express::DirectoryBucket"];
const TYPE_OF_SOURCE: [(&str, &str); 3] = [
    ("s3.amazonaws.com", "AWS::S3::Object"),
    ("lambda.amazonaws.com", "AWS::Lambda::Function"),
    ("dynamodb.amazonaws.com", "AWS::DynamoDB::Table"),
];

/// The relation that [`super::predicate`] is about: the rows of the table within the bounds, each with its category.
/// `WITH event AS (…)` gives it a name.
pub fn events(table: &Table, bounds: &Bounds) -> Result<String, Missing> {
    let columns = &table.columns;
    let category = category(columns)?;
    let mut added = vec![format!("{category} AS {CATEGORY}")];
    // A table without the column can still answer selectors that do not ask.
    if let Ok(read_only) = flag(columns, "readOnly") {
        added.push(format!("{read_only} AS {READ_ONLY}"));
    }
    let added = added.join(",\n    ");
    let (name, filter) = (table.name.sql(), bounds.filter(table));
    Ok(format!(
        "SELECT *,\n    {added}\n  FROM {name}\n  WHERE {filter}"
    ))
}

/// A boolean, which the table has as text: 'true', 'false' or NULL for anything else.
fn flag(columns: &Columns, field: &str) -> Result<String, Missing> {
    let text = columns.text(field)?;
    Ok(format!(
        "CASE WHEN {text} IN ('true', 'false') THEN {text} END"
    ))
}

/// `eventCategory`, or what stands for it in records older than eventVersion 1.07; the same rules in the same order as
/// `Event::category_of`.
fn category(columns: &Columns) -> Result<String, Missing> {
    let own = columns.text("eventCategory").ok();
    let management = columns.text("managementEvent").ok();
    if own.is_none() && management.is_none() {
        let reason = "the table has neither the column eventcategory nor managementevent, so management and data events \
                      cannot be told apart";
        return Err(Missing::new("eventCategory", reason));
    }
    let mut cases = Vec::new();
    if let Some(management) = management {
        cases.push(format!("{management} = 'true' THEN 'Management'"));
        cases.push(format!("{management} = 'false' THEN 'Data'"));
    }
    let kind = columns.text("eventType")?;
    let of_kind = [
        ("AwsCloudTrailInsight", "Insight"),
        ("AwsVpceEvent", "NetworkActivity"),
        ("AwsVpceEvents", "NetworkActivity"),
        ("AwsAggregatedEvent", "Aggregated"),
        ("AwsConsoleSignIn", "Management"),
        ("AwsConsoleAction", "Management"),
    ];
    cases.extend(of_kind.map(|(value, category)| format!("{kind} = '{value}' THEN '{category}'")));
    cases.push(format!("{} THEN 'Data'", looks_like_data(columns)?));
    let cases: String = cases
        .iter()
        .map(|case| format!("      WHEN {case}\n"))
        .collect();
    let fallback = format!("CASE\n{cases}      ELSE 'Management' END");
    Ok(match own {
        Some(own) => format!("COALESCE(NULLIF({own}, ''), {fallback})"),
        None => fallback,
    })
}

/// Rows whose category is guessed although the record may say it, in a member that the table lacks.
pub fn guessed(columns: &Columns) -> Option<String> {
    let left = match (columns.has("eventcategory"), columns.has("managementevent")) {
        (true, true) => return None,
        (true, false) => "eventCategory",
        _ => "managementEvent",
    };
    let left = columns.text(left).ok()?;
    Some(format!("COALESCE({left}, '') = ''"))
}

/// Data events of old records, by source, name and resource type.
fn looks_like_data(columns: &Columns) -> Result<String, Missing> {
    let (source, name) = (columns.text("eventSource")?, columns.text("eventName")?);
    let of_resources = |condition: String| match columns.resource("resources.type", "type") {
        Ok(()) => format!("any_match(\"resources\", r -> {condition})"),
        Err(_) => "FALSE".to_owned(),
    };
    let object_calls = literals(OBJECT_CALLS);
    let object = of_resources("r.type = 'AWS::S3::Object'".to_owned());
    let (item_calls, item) = (literals(ITEM_CALLS), ends_with(&name, ITEM));
    let invoke_calls = literals(INVOKE_CALLS);
    let pairs = literals(data_event_types().map(|(kind, source)| format!("{kind} {source}")));
    let pair = format!("concat(r.type, ' ', COALESCE({source}, '')) IN ({pairs})");
    let pair = of_resources(pair);
    Ok(format!(
        "CASE {source}
        WHEN 's3.amazonaws.com' THEN any_match(ARRAY[{object_calls}], v -> starts_with({name}, v)) OR {object}
        WHEN 'lambda.amazonaws.com' THEN {name} IN ({invoke_calls})
        WHEN 'dynamodb.amazonaws.com' THEN {name} IN ({item_calls}) OR {item}
        ELSE {pair} END"
    ))
}

/// Trino counts characters, not bytes, and has no function for this.
pub fn ends_with(text: &str, value: &str) -> String {
    format!(
        "substr({text}, -{}) = {}",
        value.chars().count(),
        literal(value)
    )
}

/// The resource type that a data event is counted under, '' for all other events; as the log engine counts.
pub fn resource_type(columns: &Columns) -> Result<String, Missing> {
    columns.resource("resources.type", "type")?;
    let source = columns.text("eventSource")?;
    let first = |condition: &str| {
        format!("element_at(filter(transform(\"resources\", r -> r.type), k -> {condition}), 1)")
    };
    let own = first(&format!("k NOT IN ({})", literals(CONTAINERS)));
    let any = first("k IS NOT NULL");
    let by_source: String = TYPE_OF_SOURCE
        .iter()
        .map(|(source, kind)| format!("WHEN {} THEN {} ", literal(source), literal(kind)))
        .collect();
    Ok(format!(
        "CASE WHEN {CATEGORY} = 'Data' THEN COALESCE(\n      {own},\n      {any},\n      CASE {source} {by_source}ELSE '' END) ELSE '' END"
    ))
}

/// The different types of a record's resources, as JSON; NULL when it has none.
pub fn resource_types(columns: &Columns) -> Result<String, Missing> {
    columns.resource("resources.type", "type")?;
    Ok(
        "json_format(CAST(array_sort(array_distinct(transform(\"resources\", r -> r.type))) AS JSON))"
            .to_owned(),
    )
}

/// The account or Region that a row is counted in: the record's own word, else the partition's.
pub fn place(columns: &Columns, field: &str, partition: Option<&str>) -> Result<String, Missing> {
    let own = columns.text(field).map(|own| format!("NULLIF({own}, '')"));
    match (own, partition) {
        (Ok(own), Some(partition)) => Ok(format!(
            "COALESCE({own}, CAST({} AS VARCHAR))",
            identifier(partition)
        )),
        (Ok(own), None) => Ok(format!("COALESCE({own}, '')")),
        (Err(_), Some(partition)) => Ok(format!("CAST({} AS VARCHAR)", identifier(partition))),
        (Err(missing), None) => Err(missing),
    }
}
