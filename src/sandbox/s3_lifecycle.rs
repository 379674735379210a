//! What S3 refuses as a lifecycle configuration: S3 User Guide, pages "intro-lifecycle-rules",
//! "intro-lifecycle-filters" and "lifecycle-transition-general-considerations".

use std::collections::BTreeSet;

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, Time};

use super::error::{Answer, AwsError, refuse};
use super::s3::malformed_xml;
use super::xml::{Element, el};

const MAX_RULES: usize = 1000;
const MAX_ID: usize = 255;
/// The two infrequent-access classes take objects of thirty days and more.
const MIN_AGE_OF_IA: i64 = 30;

/// The storage classes in the order in which objects may move down, and for how many days each is billed at least.
const CLASSES: [(&str, i64); 6] = [
    ("STANDARD_IA", 30),
    ("INTELLIGENT_TIERING", 1),
    ("ONEZONE_IA", 30),
    ("GLACIER_IR", 90),
    ("GLACIER", 90),
    ("DEEP_ARCHIVE", 180),
];

/// A transition with its time in days, or in days since 1970 for dates.
#[derive(Clone, Copy, Debug)]
struct Step {
    class: usize,
    at: i64,
}

/// Checks the whole configuration and gives rules without an ID one.
pub fn check(mut root: Element, salt: u64) -> Answer<Element> {
    let rules: Vec<&Element> = root.all("Rule").collect();
    if rules.is_empty() || rules.len() != root.children.len() || rules.len() > MAX_RULES {
        return Err(malformed_xml());
    }
    let legacy = |rule: &&Element| rule.has("Prefix");
    if rules.iter().any(legacy) && !rules.iter().all(legacy) {
        return refuse(
            "InvalidRequest",
            "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.",
        );
    }
    let mut ids = BTreeSet::new();
    for rule in rules {
        let id = rule.value(&["ID"]).unwrap_or_default();
        if id.chars().count() > MAX_ID {
            return refuse(
                "InvalidArgument",
                "ID length should not exceed allowed limit of 255",
            );
        }
        if !id.is_empty() && !ids.insert(id) {
            return refuse(
                "InvalidArgument",
                "Rule ID must be unique. Found same ID for more than one rule",
            );
        }
        check_rule(rule)?;
    }
    for (n, rule) in root.children.iter_mut().enumerate() {
        if rule.value(&["ID"]).unwrap_or_default().is_empty() {
            rule.children.retain(|c| c.name != "ID");
            rule.children
                .insert(0, el("ID").text(format!("{:016x}{n:04x}", salt + 1)));
        }
    }
    Ok(root)
}

fn check_rule(rule: &Element) -> Answer<()> {
    if !matches!(rule.value(&["Status"]), Some("Enabled" | "Disabled"))
        || rule.has("Filter") == rule.has("Prefix")
    {
        return Err(malformed_xml());
    }
    let actions = [
        "Expiration",
        "Transition",
        "NoncurrentVersionTransition",
        "NoncurrentVersionExpiration",
        "AbortIncompleteMultipartUpload",
    ];
    if !actions.iter().any(|action| rule.has(action)) {
        return refuse(
            "InvalidRequest",
            "At least one action needs to be specified in a rule",
        );
    }
    let filter = Filter::read(rule)?;
    check_expiration(rule, &filter)?;
    check_transitions(rule, &filter)?;
    check_noncurrent(rule, &filter)?;
    check_abort(rule, &filter)
}

struct Filter {
    /// As S3's messages print it.
    shown: String,
    tags: bool,
    sizes: bool,
}

impl Filter {
    fn read(rule: &Element) -> Answer<Self> {
        let empty = el("Filter");
        let filter = rule.get("Filter").unwrap_or(&empty);
        if filter.children.len() > 1 {
            return Err(malformed_xml());
        }
        let predicates = match filter.get("And") {
            None => filter.children.as_slice(),
            Some(and) if and.children.len() >= 2 => and.children.as_slice(),
            Some(_) => return Err(malformed_xml()),
        };
        let known = [
            "Prefix",
            "Tag",
            "ObjectSizeGreaterThan",
            "ObjectSizeLessThan",
        ];
        if predicates.iter().any(|p| !known.contains(&p.name.as_str())) {
            return Err(malformed_xml());
        }
        check_sizes(predicates)?;
        check_tags(predicates)?;
        let prefix = predicates
            .iter()
            .find(|p| p.name == "Prefix")
            .or_else(|| rule.get("Prefix"));
        Ok(Self {
            shown: format!("(prefix={})", prefix.map_or("", |p| p.text.as_str())),
            tags: predicates.iter().any(|p| p.name == "Tag"),
            sizes: predicates.iter().any(|p| p.name.starts_with("ObjectSize")),
        })
    }
}

fn check_sizes(predicates: &[Element]) -> Answer<()> {
    let bound = |name: &str, least: i64| match predicates.iter().find(|p| p.name == name) {
        None => Ok(None),
        Some(bound) => match bound.text.parse::<i64>() {
            Ok(bytes) if bytes >= least => Ok(Some(bytes)),
            Ok(_) => refuse(
                "InvalidRequest",
                format!("'{name}' should be at least {least}"),
            ),
            Err(_) => Err(malformed_xml()),
        },
    };
    match (
        bound("ObjectSizeGreaterThan", 0)?,
        bound("ObjectSizeLessThan", 1)?,
    ) {
        (Some(greater), Some(less)) if greater >= less => refuse(
            "InvalidRequest",
            "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'",
        ),
        _ => Ok(()),
    }
}

fn check_tags(predicates: &[Element]) -> Answer<()> {
    let mut keys = BTreeSet::new();
    for tag in predicates.iter().filter(|p| p.name == "Tag") {
        let key = tag.value(&["Key"]).ok_or_else(malformed_xml)?;
        if !tag.has("Value") {
            return Err(malformed_xml());
        }
        if !keys.insert(key) {
            return refuse("InvalidRequest", "Duplicate Tag Keys are not allowed.");
        }
    }
    Ok(())
}

fn number(element: &Element, name: &str) -> Answer<Option<i64>> {
    let number = element.value(&[name]).map(str::parse::<i64>).transpose();
    number.map_err(|_| malformed_xml())
}

/// Days since 1970 of a date, which must be midnight UTC.
fn date(text: &str) -> Answer<i64> {
    let date = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| malformed_xml())?;
    if date.to_offset(time::UtcOffset::UTC).time() != Time::MIDNIGHT {
        return refuse("InvalidArgument", "'Date' must be at midnight GMT");
    }
    Ok(date.unix_timestamp() / 86_400)
}

/// The time of an action: `(days, is a date)`.
fn moment(action: &Element) -> Answer<(i64, bool)> {
    match (number(action, "Days")?, action.value(&["Date"])) {
        (Some(days), None) => Ok((days, false)),
        (None, Some(text)) => Ok((date(text)?, true)),
        _ => Err(malformed_xml()),
    }
}

fn check_expiration(rule: &Element, filter: &Filter) -> Answer<()> {
    let Some(expiration) = rule.get("Expiration") else {
        return Ok(());
    };
    if expiration.children.len() != 1 {
        return Err(malformed_xml());
    }
    if let Some(marker) = expiration.value(&["ExpiredObjectDeleteMarker"]) {
        if marker == "true" && filter.tags {
            return refuse(
                "InvalidRequest",
                "ExpiredObjectDeleteMarker cannot be specified with Tags.",
            );
        }
        if marker == "true" && filter.sizes {
            return refuse(
                "InvalidRequest",
                "ExpiredObjectDeleteMarker cannot be specified with Object Size.",
            );
        }
        return Ok(());
    }
    match moment(expiration)? {
        (..=0, false) => refuse(
            "InvalidArgument",
            "'Days' for Expiration action must be a positive integer",
        ),
        _ => Ok(()),
    }
}

fn check_transitions(rule: &Element, filter: &Filter) -> Answer<()> {
    let mut steps = Vec::new();
    let mut dated = BTreeSet::new();
    for transition in rule.all("Transition") {
        let (at, is_date) = moment(transition)?;
        dated.insert(is_date);
        steps.push(step(transition, at, is_date, "Days", "Transition")?);
    }
    let expires = match rule
        .get("Expiration")
        .filter(|e| !e.has("ExpiredObjectDeleteMarker"))
    {
        None => None,
        Some(expiration) => {
            let (at, is_date) = moment(expiration)?;
            dated.insert(is_date);
            Some(at)
        }
    };
    if dated.len() > 1 {
        return refuse(
            "InvalidRequest",
            format!(
                "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter '{}'",
                filter.shown
            ),
        );
    }
    let unit = if dated.contains(&true) {
        "Date"
    } else {
        "Days"
    };
    check_waterfall(&mut steps, filter, unit, "Transition")?;
    check_end(&steps, expires, filter, unit, "Expiration", "Transition")
}

fn check_noncurrent(rule: &Element, filter: &Filter) -> Answer<()> {
    let mut steps = Vec::new();
    for transition in rule.all("NoncurrentVersionTransition") {
        let days = number(transition, "NoncurrentDays")?.ok_or_else(malformed_xml)?;
        check_newer(rule, transition)?;
        steps.push(step(
            transition,
            days,
            false,
            "NoncurrentDays",
            "NoncurrentVersionTransition",
        )?);
    }
    let mut expires = None;
    if let Some(expiration) = rule.get("NoncurrentVersionExpiration") {
        check_newer(rule, expiration)?;
        expires = number(expiration, "NoncurrentDays")?;
        match expires {
            None => return Err(malformed_xml()),
            Some(..=0) => {
                return refuse(
                    "InvalidArgument",
                    "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer",
                );
            }
            Some(_) => {}
        }
    }
    let (unit, name) = ("NoncurrentDays", "NoncurrentVersionTransition");
    check_waterfall(&mut steps, filter, unit, name)?;
    check_end(
        &steps,
        expires,
        filter,
        unit,
        "NoncurrentVersionExpiration",
        name,
    )
}

fn check_newer(rule: &Element, action: &Element) -> Answer<()> {
    match number(action, "NewerNoncurrentVersions")? {
        None => Ok(()),
        Some(_) if !rule.has("Filter") => Err(malformed_xml()),
        Some(1..=100) => Ok(()),
        Some(_) => refuse(
            "InvalidArgument",
            "'NewerNoncurrentVersions' must be between 1 and 100",
        ),
    }
}

fn step(transition: &Element, at: i64, is_date: bool, unit: &str, name: &str) -> Answer<Step> {
    let wanted = transition.value(&["StorageClass"]).unwrap_or_default();
    let class = CLASSES
        .iter()
        .position(|(c, _)| *c == wanted)
        .ok_or_else(malformed_xml)?;
    if at < 0 && !is_date {
        return refuse(
            "InvalidArgument",
            format!("'{unit}' for {name} action must be nonnegative"),
        );
    }
    if wanted.ends_with("_IA") && at < MIN_AGE_OF_IA && !is_date {
        return refuse(
            "InvalidArgument",
            format!(
                "'{unit}' in {name} action must be greater than or equal to 30 for storageClass '{wanted}'"
            ),
        );
    }
    Ok(Step { class, at })
}

/// Objects only move down, and stay in a class as long as it is billed at least.
fn check_waterfall(steps: &mut [Step], filter: &Filter, unit: &str, name: &str) -> Answer<()> {
    steps.sort_by_key(|s| (s.at, s.class));
    let classes: BTreeSet<usize> = steps.iter().map(|s| s.class).collect();
    if classes.len() < steps.len() {
        return refuse(
            "InvalidRequest",
            format!(
                "'StorageClass' must be different for '{name}' actions in same 'Rule' with filter '{}'",
                filter.shown
            ),
        );
    }
    for pair in steps.windows(2) {
        let [from, to] = pair else { continue };
        let ((warm, least), (cold, _)) = (CLASSES[from.class], CLASSES[to.class]);
        let skips = warm == "ONEZONE_IA" && cold == "GLACIER_IR";
        if to.class < from.class || skips {
            return Err(order_error(filter, unit, name, warm, cold));
        }
        if to.at < from.at + least {
            return refuse(
                "InvalidArgument",
                format!(
                    "'{unit}' in the '{cold}' {name} action for filter '{0}' must be {least} days more than 'filter \
                     '{0}'' in the '{warm}' {name} action",
                    filter.shown
                ),
            );
        }
    }
    Ok(())
}

fn order_error(filter: &Filter, unit: &str, name: &str, warm: &str, cold: &str) -> AwsError {
    let shown = &filter.shown;
    AwsError::new(
        "InvalidArgument",
        format!(
            "'{unit}' in the {name} action for StorageClass '{warm}' for filter '{shown}' must be greater than 'filter \
             '{shown}'' in the {name} action for StorageClass '{cold}'"
        ),
    )
}

fn check_end(
    steps: &[Step],
    end: Option<i64>,
    filter: &Filter,
    unit: &str,
    ending: &str,
    name: &str,
) -> Answer<()> {
    let latest = steps.iter().map(|s| s.at).max();
    match (latest, end) {
        (Some(latest), Some(end)) if end <= latest => refuse(
            "InvalidArgument",
            format!(
                "'{unit}' in the {ending} action for filter '{}' must be greater than '{unit}' in the {name} action",
                filter.shown
            ),
        ),
        _ => Ok(()),
    }
}

fn check_abort(rule: &Element, filter: &Filter) -> Answer<()> {
    let Some(abort) = rule.get("AbortIncompleteMultipartUpload") else {
        return Ok(());
    };
    if filter.tags {
        return refuse(
            "InvalidRequest",
            "AbortIncompleteMultipartUpload cannot be specified with Tags.",
        );
    }
    if filter.sizes {
        return refuse(
            "InvalidRequest",
            "AbortIncompleteMultipartUpload cannot be specified with Object Size.",
        );
    }
    match number(abort, "DaysAfterInitiation")? {
        Some(1..) => Ok(()),
        Some(_) => refuse(
            "InvalidArgument",
            "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer",
        ),
        None => Err(malformed_xml()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::xml::parse;

    fn verdict(actions: &str) -> Result<(), String> {
        let text = format!(
            "<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix/></Filter>{actions}\
             </Rule></LifecycleConfiguration>"
        );
        check(parse(text.as_bytes()).unwrap(), 0)
            .map(|_| ())
            .map_err(|e| e.code)
    }

    fn transitions(list: &[(&str, i64)], expire: Option<i64>) -> bool {
        let mut text = String::new();
        for (class, days) in list {
            text += &format!(
                "<Transition><Days>{days}</Days><StorageClass>{class}</StorageClass></Transition>"
            );
        }
        if let Some(days) = expire {
            text += &format!("<Expiration><Days>{days}</Days></Expiration>");
        }
        verdict(&text).is_ok()
    }

    #[test]
    fn transitions_fall_and_keep_their_distance() {
        let ok = |list: &[(&str, i64)]| transitions(list, None);
        assert!(!ok(&[("STANDARD_IA", 29)]) && ok(&[("STANDARD_IA", 30)]));
        assert!(
            !ok(&[("STANDARD_IA", 30), ("GLACIER", 59)])
                && ok(&[("STANDARD_IA", 30), ("GLACIER", 60)])
        );
        assert!(
            !ok(&[("GLACIER_IR", 0), ("GLACIER", 89)]) && ok(&[("GLACIER_IR", 0), ("GLACIER", 90)])
        );
        assert!(
            !ok(&[("GLACIER", 30), ("DEEP_ARCHIVE", 119)])
                && ok(&[("GLACIER", 30), ("DEEP_ARCHIVE", 120)])
        );
        assert!(!ok(&[("ONEZONE_IA", 30), ("GLACIER_IR", 90)]));
        assert!(ok(&[("INTELLIGENT_TIERING", 0), ("GLACIER", 1)]) && ok(&[("DEEP_ARCHIVE", 1)]));
        assert!(!ok(&[("GLACIER", 30), ("STANDARD_IA", 200)]));
        assert!(!ok(&[("GLACIER", 30), ("GLACIER", 200)]));
    }

    #[test]
    fn expiration_comes_last() {
        assert!(
            !transitions(&[("GLACIER", 30)], Some(30)) && transitions(&[("GLACIER", 30)], Some(31))
        );
        assert!(!transitions(&[], Some(0)));
        let mixed = "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>\
                     <Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>";
        assert_eq!(verdict(mixed), Err("InvalidRequest".into()));
    }

    #[test]
    fn noncurrent_versions_have_the_same_rules() {
        let of = |class: &str, days: i64| {
            verdict(&format!(
                "<NoncurrentVersionTransition><NoncurrentDays>{days}</NoncurrentDays><StorageClass>{class}\
                 </StorageClass></NoncurrentVersionTransition>"
            ))
        };
        assert_eq!(of("STANDARD_IA", 10), Err("InvalidArgument".into()));
        assert_eq!(of("GLACIER", 0), Ok(()));
        assert_eq!(of("TAPE", 0), Err("MalformedXML".into()));
        assert_eq!(verdict(""), Err("InvalidRequest".into()));
    }
}
