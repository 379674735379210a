//! Selectors in plain English.

use serde::Serialize;

use super::condition::{Condition, Pattern, Patterns};
use super::model::{
    AdvancedEventSelector, ERROR_CODE, EVENT_CATEGORY, EVENT_NAME, EVENT_SOURCE, EVENT_TYPE,
    READ_ONLY, RESOURCES_ARN, RESOURCES_TYPE, SESSION_FROM_CONSOLE, Selectors, USER_IDENTITY_ARN,
    VPC_ENDPOINT_ID,
};
use super::normal::{Normal, normals, reduced, subtract};

/// Values of one condition that [`describe`] lists before it only counts.
const LISTED_VALUES: usize = 10;

/// What a change of selectors does to the recording, as sentences for people.
#[derive(Serialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// What was recorded before and no longer is.
    pub lost: Vec<String>,
    /// What is recorded now and was not before.
    pub gained: Vec<String>,
}

impl Coverage {
    pub fn is_unchanged(&self) -> bool {
        self.lost.is_empty() && self.gained.is_empty()
    }
}

/// What `new` records less and more than `old`. `lost` is empty exactly when [`super::covers`] is proved.
pub fn differences(old: &Selectors, new: &Selectors) -> Coverage {
    let (old, new) = (normals(old), normals(new));
    Coverage {
        lost: beyond(&old, &new),
        gained: beyond(&new, &old),
    }
}

fn beyond(narrow: &[Normal], wide: &[Normal]) -> Vec<String> {
    let parts = narrow.iter().flat_map(|part| subtract(part, wide));
    let parts = reduced(parts.collect());
    let readable = reduced(parts.into_iter().map(Normal::for_people).collect());
    // A loss is listed in full: a count would hide what is not watched any more.
    let mut sentences: Vec<String> = readable.iter().map(|p| sentence(p, usize::MAX)).collect();
    sentences.dedup();
    sentences
}

/// What a selector records, in one line.
pub fn describe(selector: &AdvancedEventSelector) -> String {
    match Normal::of(selector) {
        Some(normal) => sentence(&normal, LISTED_VALUES),
        None => "nothing: its conditions contradict each other".to_owned(),
    }
}

fn sentence(normal: &Normal, listed: usize) -> String {
    let read_only = normal.on(READ_ONLY);
    let access = Access::of(&read_only);
    let category = only_value(&normal.on(EVENT_CATEGORY));
    let resource_type = only_value(&normal.on(RESOURCES_TYPE));
    let mut words = match (category.as_deref(), resource_type.as_deref()) {
        (Some("Data"), Some(resource_type)) => {
            format!("{} {}", resource_noun(resource_type), access.noun())
        }
        (Some(category), _) => format!("{}{} events", access.adjective(), category_noun(category)),
        (None, _) => format!("{}events", access.adjective()),
    };
    // In the order in which people say them; fields that AWS adds come last.
    let told = |field: &str| match field {
        READ_ONLY => true,
        EVENT_CATEGORY => category.is_some(),
        RESOURCES_TYPE => resource_type.is_some() && category.as_deref() == Some("Data"),
        _ => false,
    };
    let order = |field: &str| PHRASES.iter().position(|p| p.field == field);
    let mut clauses: Vec<_> = normal.fields().filter(|(field, _)| !told(field)).collect();
    clauses.sort_by_key(|(field, _)| order(field).unwrap_or(PHRASES.len()));
    for (field, condition) in clauses {
        words.push_str(&clause(field, condition, listed));
    }
    words.push_str(access.remark());
    words
}

/// The one value that a condition allows.
fn only_value(condition: &Condition) -> Option<String> {
    match condition.group()?.iter().collect::<Vec<_>>().as_slice() {
        [Pattern::Equals(value)] => Some(value.clone()),
        _ => None,
    }
}

enum Access {
    Any,
    Reads,
    Writes,
    ReadsAndWrites,
    NotWrites,
    NotReads,
    Neither,
}

impl Access {
    /// From a condition in its simplest form.
    fn of(read_only: &Condition) -> Self {
        let lists = |patterns: &Patterns, value| patterns.iter().any(|p| p.value() == value);
        if let Some(group) = read_only.group() {
            return match (lists(group, "true"), lists(group, "false")) {
                (true, false) => Self::Reads,
                (false, true) => Self::Writes,
                _ => Self::ReadsAndWrites,
            };
        }
        let reject = &read_only.reject;
        match (lists(reject, "true"), lists(reject, "false")) {
            (false, false) => Self::Any,
            (false, true) => Self::NotWrites,
            (true, false) => Self::NotReads,
            (true, true) => Self::Neither,
        }
    }

    fn noun(&self) -> &'static str {
        match self {
            Self::Any | Self::Neither => "events",
            Self::Reads | Self::NotWrites => "reads",
            Self::Writes | Self::NotReads => "writes",
            Self::ReadsAndWrites => "reads and writes",
        }
    }

    fn adjective(&self) -> &'static str {
        match self {
            Self::Any | Self::Neither => "",
            Self::Reads | Self::NotWrites => "read ",
            Self::Writes | Self::NotReads => "write ",
            Self::ReadsAndWrites => "read and write ",
        }
    }

    fn remark(&self) -> &'static str {
        match self {
            Self::Any | Self::Reads | Self::Writes => "",
            Self::ReadsAndWrites => " (not those without readOnly)",
            Self::NotWrites | Self::NotReads => " (and those without readOnly)",
            Self::Neither => " (those without readOnly)",
        }
    }
}

fn category_noun(category: &str) -> String {
    match category {
        "Management" => "management".to_owned(),
        "Data" => "data".to_owned(),
        "NetworkActivity" => "network activity".to_owned(),
        "ConfigurationItem" => "configuration item".to_owned(),
        "ActivityAuditLog" => "activity audit log".to_owned(),
        other => other.to_owned(),
    }
}

/// `AWS::Bedrock::AgentAlias` → `Bedrock agent alias`.
fn resource_noun(resource_type: &str) -> String {
    match resource_type.split("::").collect::<Vec<_>>().as_slice() {
        ["AWS", service, kind] => format!("{service} {}", spaced(kind)),
        _ => resource_type.to_owned(),
    }
}

/// Camel case as words, acronyms kept: `DBCluster` → `DB cluster`.
fn spaced(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut words = String::new();
    for (i, &letter) in letters.iter().enumerate() {
        let after_lower = i > 0 && !letters[i - 1].is_uppercase();
        let before_lower = letters.get(i + 1).is_some_and(|next| next.is_lowercase());
        let starts_word = letter.is_uppercase() && (after_lower || before_lower);
        if starts_word && i > 0 {
            words.push(' ');
        }
        if starts_word && before_lower {
            words.extend(letter.to_lowercase());
        } else {
            words.push(letter);
        }
    }
    words
}

/// How to say a condition on a field: what comes before values, prefixes and suffixes.
struct Phrase {
    field: &'static str,
    equals: &'static str,
    starts_with: &'static str,
    ends_with: &'static str,
}

const fn phrase(
    field: &'static str,
    equals: &'static str,
    starts_with: &'static str,
    ends_with: &'static str,
) -> Phrase {
    Phrase {
        field,
        equals,
        starts_with,
        ends_with,
    }
}

const PHRASES: [Phrase; 10] = [
    phrase(
        EVENT_CATEGORY,
        "of category",
        "of categories starting with",
        "of categories ending in",
    ),
    phrase(
        EVENT_SOURCE,
        "of",
        "of sources starting with",
        "of sources ending in",
    ),
    phrase(
        EVENT_NAME,
        "named",
        "with names starting with",
        "with names ending in",
    ),
    phrase(
        EVENT_TYPE,
        "of event type",
        "of event types starting with",
        "of event types ending in",
    ),
    phrase(
        RESOURCES_TYPE,
        "on resource type",
        "on resource types starting with",
        "on resource types ending in",
    ),
    phrase(RESOURCES_ARN, "on", "under", "on resources ending in"),
    phrase(
        VPC_ENDPOINT_ID,
        "through",
        "through endpoints starting with",
        "through endpoints ending in",
    ),
    phrase(
        ERROR_CODE,
        "with error",
        "with errors starting with",
        "with errors ending in",
    ),
    phrase(
        USER_IDENTITY_ARN,
        "by",
        "by principals under",
        "by principals ending in",
    ),
    phrase(
        SESSION_FROM_CONSOLE,
        "with console credentials",
        "with console credentials starting with",
        "with console credentials ending in",
    ),
];

fn clause(field: &str, condition: &Condition, listed: usize) -> String {
    let mut words = String::new();
    for group in &condition.select {
        words.push(' ');
        words.push_str(&alternatives(field, group, listed));
    }
    if !condition.reject.is_empty() {
        words.push_str(" except ");
        words.push_str(&alternatives(field, &condition.reject, listed));
    }
    words
}

fn alternatives(field: &str, patterns: &Patterns, listed: usize) -> String {
    let general = [
        format!("with {field}"),
        format!("with {field} starting with"),
        format!("with {field} ending in"),
    ];
    let known = PHRASES.iter().find(|phrase| phrase.field == field);
    let starts = match known {
        Some(phrase) => [phrase.equals, phrase.starts_with, phrase.ends_with],
        None => general.each_ref().map(String::as_str),
    };
    let kinds: [fn(&Pattern) -> bool; 3] = [
        |p| matches!(p, Pattern::Equals(_)),
        |p| matches!(p, Pattern::StartsWith(_)),
        |p| matches!(p, Pattern::EndsWith(_)),
    ];
    let mut parts = Vec::new();
    for (start, is_kind) in starts.into_iter().zip(kinds) {
        let values: Vec<&str> = patterns
            .iter()
            .filter(|p| is_kind(p))
            .map(Pattern::value)
            .collect();
        if field == SESSION_FROM_CONSOLE && values == ["true"] {
            parts.push(start.to_owned());
        } else if !values.is_empty() {
            parts.push(format!("{start} {}", enumerated(&values, listed)));
        }
    }
    parts.join(" or ")
}

/// `a, b or c`, or `a, b and 7 more`.
fn enumerated(values: &[&str], listed: usize) -> String {
    if values.len() > listed {
        let rest = values.len() - listed;
        return format!("{} and {rest} more", values[..listed].join(", "));
    }
    match values {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn selectors(list: &[Value]) -> Selectors {
        let list: Vec<Value> = list.iter().map(|f| json!({"FieldSelectors": f})).collect();
        serde_json::from_value(json!({"AdvancedEventSelectors": list})).expect("selectors")
    }

    fn is(field: &str, values: &[&str]) -> Value {
        json!({"Field": field, "Equals": values})
    }

    fn described(fields: Value) -> String {
        let Selectors::Advanced(list) = selectors(&[fields]) else {
            return String::new();
        };
        describe(&list[0])
    }

    #[test]
    fn selectors_read_as_english() {
        let management = is("eventCategory", &["Management"]);
        let data = is("eventCategory", &["Data"]);
        let object = is("resources.type", &["AWS::S3::Object"]);
        let cases = [
            (json!([management]), "management events"),
            (
                json!([management, is("readOnly", &["false"])]),
                "write management events",
            ),
            (
                json!([management, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}]),
                "management events except of kms.amazonaws.com",
            ),
            (
                json!([data, object, is("readOnly", &["false"]),
                    {"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::a/"]}]),
                "S3 object writes under arn:aws:s3:::a/",
            ),
            (
                json!([data, object, is("eventName", &["PutObject", "GetObject"]),
                    {"Field": "resources.ARN", "Equals": ["x"], "StartsWith": ["b/"], "NotEndsWith": [".tmp"]}]),
                "S3 object events named GetObject or PutObject on x or under b/ except on resources ending in .tmp",
            ),
            (
                json!([
                    data,
                    is("resources.type", &["AWS::RDS::DBCluster"]),
                    is("readOnly", &["true", "false"])
                ]),
                "RDS DB cluster reads and writes (not those without readOnly)",
            ),
            (
                json!([
                    is("eventCategory", &["NetworkActivity"]),
                    is("eventSource", &["s3.amazonaws.com"]),
                    is("errorCode", &["VpceAccessDenied"]),
                    is("vpcEndpointId", &["vpce-1"])
                ]),
                "network activity events of s3.amazonaws.com through vpce-1 with error VpceAccessDenied",
            ),
            (
                json!([management, {"Field": "sessionCredentialFromConsole", "NotEquals": ["true"]},
                    {"Field": "tlsDetails.tlsVersion", "StartsWith": ["TLSv1"]}]),
                "management events except with console credentials with tlsDetails.tlsVersion starting with TLSv1",
            ),
            (
                json!([management, data]),
                "nothing: its conditions contradict each other",
            ),
        ];
        for (fields, expected) in cases {
            assert_eq!(described(fields), expected);
        }
        let many: Vec<String> = (10..30).map(|n| format!("E{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(
            described(json!([data, object, is("eventName", &many)])).ends_with("E19 and 10 more")
        );
    }

    #[test]
    fn differences_name_what_is_lost_and_gained() {
        let management = is("eventCategory", &["Management"]);
        let data = is("eventCategory", &["Data"]);
        let object = is("resources.type", &["AWS::S3::Object"]);
        let under = |prefixes: &[&str]| json!({"Field": "resources.ARN", "StartsWith": prefixes});
        let old = selectors(&[
            json!([management]),
            json!([data, object, under(&["a/", "b/"])]),
        ]);
        let new = selectors(&[
            json!([management, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}]),
            json!([data, object, under(&["a/", "c/"])]),
        ]);
        let changed = differences(&old, &new);
        assert_eq!(
            changed.lost,
            [
                "S3 object events under b/",
                "management events of kms.amazonaws.com"
            ]
        );
        assert_eq!(changed.gained, ["S3 object events under c/"]);
        assert!(differences(&old, &old).is_unchanged());

        let writes = selectors(&[json!([management, is("readOnly", &["false"])])]);
        assert_eq!(
            differences(&Selectors::default(), &writes).lost,
            ["read management events (and those without readOnly)"]
        );
    }
}
