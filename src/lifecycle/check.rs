//! What S3 refuses in a lifecycle configuration, and what it accepts but is hardly meant.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>

use std::collections::BTreeMap;

use crate::finding::{Finding, PathSegment};

use super::waterfall::{Chain, Step};
use super::{Expanded, LifecycleRule, Sizes, StorageClass, Transition, day, expanded};

const MAX_RULES: usize = 1000;
const MAX_ID: usize = 255;
/// Documented maximum of a size filter.
const FIFTY_TB: u64 = 50 << 40;
/// What the API has been seen to accept.
const MAX_SIZE: u64 = 1_099_511_627_776_000;
/// Smaller objects do not move unless a size filter says so, and are billed as this size in most classes.
const SMALL_OBJECT: u64 = 128 << 10;
const MAX_DAYS: u32 = i32::MAX as u32;

/// Everything that S3 would refuse (errors) and everything that is probably not meant (warnings).
///
/// Rules are judged as S3 gets them, after [`super::expand`]; places are those of the rules given here.
pub fn check(rules: &[LifecycleRule]) -> Vec<Finding> {
    let expanded = expanded(rules);
    let mut findings = Vec::new();
    check_set(rules, &expanded, &mut findings);
    for (index, rule) in rules.iter().enumerate() {
        let place = Place::rule(index);
        check_written(&place, rule, &mut findings);
        for part in expanded.iter().filter(|part| part.source == index) {
            check_chain(&place, part, &mut findings);
        }
        check_across(&place, rule, &mut findings);
    }
    findings
}

/// A rule of the user's list.
struct Place(Vec<PathSegment>);

impl Place {
    fn rule(index: usize) -> Self {
        Self(vec![PathSegment::Index(index)])
    }

    fn field(&self, name: &str) -> Vec<PathSegment> {
        PathSegment::field(name).under(&self.0)
    }

    fn element(&self, list: &str, index: usize) -> Vec<PathSegment> {
        PathSegment::Index(index).under(&self.field(list))
    }

    fn member(&self, list: &str, index: usize, name: &str) -> Vec<PathSegment> {
        PathSegment::field(name).under(&self.element(list, index))
    }
}

fn check_set(rules: &[LifecycleRule], expanded: &[Expanded], out: &mut Vec<Finding>) {
    if rules.is_empty() {
        out.push(Finding::error(
            "lifecycle-empty",
            Vec::new(),
            "a lifecycle configuration has at least one rule",
            "leave the list out to have no lifecycle",
        ));
    }
    if expanded.len() > MAX_RULES {
        out.push(Finding::error(
            "lifecycle-rules-quota",
            Vec::new(),
            format!("{} rules, S3 allows 1000", expanded.len()),
            "join rules; every size filter of a transition counts as a rule",
        ));
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for part in expanded {
        let id = part.rule.id.as_str();
        let at = Place::rule(part.source).field("id");
        if id.is_empty() || id.chars().count() > MAX_ID {
            out.push(Finding::error(
                "lifecycle-id-length",
                at.clone(),
                format!("{id:?} does not have 1 to 255 characters"),
                "shorten the id; the size filter of a transition is appended to it",
            ));
        }
        if let Some(first) = seen.insert(id, part.source) {
            out.push(Finding::error(
                "lifecycle-id-duplicate",
                at,
                format!("the id {id:?} is taken by rule {}", first + 1),
                "give every rule its own id",
            ));
        }
    }
}

/// What can be judged from the rule as it is written.
fn check_written(place: &Place, rule: &LifecycleRule, out: &mut Vec<Finding>) {
    if !rule.has_actions() {
        out.push(Finding::error(
            "lifecycle-no-action",
            place.0.clone(),
            "the rule does nothing",
            "add a transition or an expiration, or remove the rule",
        ));
    }
    check_sizes(&place.0, rule.sizes(), rule.sizes(), out);
    check_expiration(place, rule, out);
    for (index, transition) in rule.transitions.iter().enumerate() {
        check_transition(place, index, rule, transition, out);
    }
    check_noncurrent(place, rule, out);
    check_abort(place, rule, out);
}

/// `own` are the bounds written at `at`, `all` those that hold there.
fn check_sizes(at: &[PathSegment], own: Sizes, all: Sizes, out: &mut Vec<Finding>) {
    let named = [
        ("object_size_greater_than", own.greater_than),
        ("object_size_less_than", own.less_than),
    ];
    for (name, bound) in named {
        let at = PathSegment::field(name).under(at);
        match bound {
            Some(bytes) if bytes > MAX_SIZE => out.push(Finding::error(
                "lifecycle-size",
                at,
                format!("{bytes} bytes is more than S3 accepts"),
                "at most 50 TB, 54975581388800 bytes",
            )),
            Some(bytes) if bytes > FIFTY_TB => out.push(Finding::warning(
                "lifecycle-size",
                at,
                format!("{bytes} bytes is more than the documented 50 TB"),
                "at most 54975581388800 bytes",
            )),
            Some(0) if name == "object_size_less_than" => out.push(Finding::error(
                "lifecycle-size",
                at,
                "no object has less than 0 bytes",
                "at least 1",
            )),
            _ => {}
        }
    }
    let (Some(low), Some(high)) = (all.greater_than, all.less_than) else {
        return;
    };
    // An upper bound of 0 is reported above.
    if own.is_all() || high == 0 || low.saturating_add(1) < high {
        return;
    }
    let finding = if low < high {
        Finding::warning
    } else {
        Finding::error
    };
    out.push(finding(
        "lifecycle-size-order",
        at.to_vec(),
        format!("no object has more than {low} and less than {high} bytes"),
        "object_size_greater_than must be the smaller one",
    ));
}

fn check_expiration(place: &Place, rule: &LifecycleRule, out: &mut Vec<Finding>) {
    let marker = rule.expired_object_delete_marker;
    let (days, date) = (rule.expiration_days, rule.expiration_date.as_deref());
    if days.is_some() && date.is_some() {
        out.push(Finding::error(
            "lifecycle-expiration-exclusive",
            place.field("expiration_date"),
            "an expiration has days or a date",
            "remove one of the two",
        ));
    }
    if marker && (days.is_some() || date.is_some()) {
        out.push(Finding::error(
            "lifecycle-expiration-exclusive",
            place.field("expired_object_delete_marker"),
            "expired_object_delete_marker excludes expiration_days and expiration_date",
            "put it into a rule of its own",
        ));
    }
    if marker && (!rule.tags.is_empty() || !rule.sizes().is_all()) {
        out.push(Finding::error(
            "lifecycle-delete-marker-filter",
            place.field("expired_object_delete_marker"),
            "delete markers have no tags and no size",
            "put it into a rule of its own, filtered by prefix at most",
        ));
    }
    if let Some(days) = days {
        check_days(place.field("expiration_days"), days, 1, out);
    }
    if let Some(date) = date {
        check_date(place.field("expiration_date"), date, out);
    }
}

fn check_days(at: Vec<PathSegment>, days: u32, least: u32, out: &mut Vec<Finding>) {
    if !(least..=MAX_DAYS).contains(&days) {
        out.push(Finding::error(
            "lifecycle-days",
            at,
            format!("{days} days are out of range"),
            format!("at least {least}, at most {MAX_DAYS}"),
        ));
    }
}

fn check_date(at: Vec<PathSegment>, date: &str, out: &mut Vec<Finding>) {
    if day(date).is_none() {
        out.push(Finding::error(
            "lifecycle-date",
            at,
            format!("{date:?} is not midnight UTC of a day"),
            "write 2030-01-01 or 2030-01-01T00:00:00Z",
        ));
    }
}

fn check_transition(
    place: &Place,
    index: usize,
    rule: &LifecycleRule,
    transition: &Transition,
    out: &mut Vec<Finding>,
) {
    let list = "transitions";
    let sizes = rule.sizes().and(transition.sizes());
    check_sizes(&place.element(list, index), transition.sizes(), sizes, out);
    match (transition.days, transition.date.as_deref()) {
        (Some(days), None) => {
            let at = place.member(list, index, "days");
            check_days(at.clone(), days, 0, out);
            check_infrequent_access(at, &transition.storage_class, days, out);
        }
        (None, Some(date)) => check_date(place.member(list, index, "date"), date, out),
        _ => out.push(Finding::error(
            "lifecycle-transition-when",
            place.element(list, index),
            "a transition has days or a date",
            "write exactly one of the two",
        )),
    }
    let at = place.member(list, index, "storage_class");
    check_class(&at, &transition.storage_class, out);
    check_small_objects(&at, &transition.storage_class, sizes, out);
}

fn check_infrequent_access(
    at: Vec<PathSegment>,
    class: &StorageClass,
    days: u32,
    out: &mut Vec<Finding>,
) {
    if class.is_infrequent_access() && days < 30 {
        out.push(Finding::error(
            "lifecycle-infrequent-access-days",
            at,
            format!(
                "objects move to {} after 30 days at the earliest",
                class.as_str()
            ),
            "write 30 or more",
        ));
    }
}

fn check_class(at: &[PathSegment], class: &StorageClass, out: &mut Vec<Finding>) {
    let StorageClass::Other(name) = class else {
        return;
    };
    let known = StorageClass::KNOWN.map(String::from).join(", ");
    if matches!(name.as_str(), "STANDARD" | "REDUCED_REDUNDANCY") {
        out.push(Finding::error(
            "lifecycle-storage-class",
            at.to_vec(),
            format!("no transition leads to {name}"),
            format!("one of {known}"),
        ));
    } else {
        out.push(Finding::warning(
            "lifecycle-storage-class-unknown",
            at.to_vec(),
            format!("{name:?} is no storage class that orgtrail knows"),
            format!("it is passed to S3 as it is; known are {known}"),
        ));
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html#lifecycle-configuration-constraints>
fn check_small_objects(
    at: &[PathSegment],
    class: &StorageClass,
    sizes: Sizes,
    out: &mut Vec<Finding>,
) {
    let billed_as_128_kb = class.is_infrequent_access() || *class == StorageClass::GlacierIr;
    if sizes.is_all() {
        out.push(Finding::warning(
            "lifecycle-small-objects-stay",
            at.to_vec(),
            "objects under 128 KB will not move, as most log files are",
            "write object_size_greater_than: 131071 to say so, or a smaller number to move them too",
        ));
    } else if billed_as_128_kb && sizes.smallest() < SMALL_OBJECT {
        out.push(Finding::warning(
            "lifecycle-small-objects-cost",
            at.to_vec(),
            format!("{} bills objects under 128 KB as 128 KB", class.as_str()),
            "write object_size_greater_than: 131071",
        ));
    }
}

fn check_noncurrent(place: &Place, rule: &LifecycleRule, out: &mut Vec<Finding>) {
    let list = "noncurrent_version_transitions";
    for (index, transition) in rule.noncurrent_version_transitions.iter().enumerate() {
        let at = place.member(list, index, "noncurrent_days");
        check_days(at.clone(), transition.noncurrent_days, 0, out);
        check_infrequent_access(
            at,
            &transition.storage_class,
            transition.noncurrent_days,
            out,
        );
        let at = place.member(list, index, "newer_noncurrent_versions");
        check_versions(at, transition.newer_noncurrent_versions, out);
        let at = place.member(list, index, "storage_class");
        check_class(&at, &transition.storage_class, out);
        check_small_objects(&at, &transition.storage_class, rule.sizes(), out);
    }
    let name = "noncurrent_version_expiration";
    if let Some(expiration) = &rule.noncurrent_version_expiration {
        let at = place.field(name);
        let days = PathSegment::field("noncurrent_days").under(&at);
        check_days(days, expiration.noncurrent_days, 1, out);
        let versions = PathSegment::field("newer_noncurrent_versions").under(&at);
        check_versions(versions, expiration.newer_noncurrent_versions, out);
    }
    let steps = rule.noncurrent_version_transitions.iter().enumerate();
    let steps = steps.map(|(index, transition)| Step {
        at: place.element(list, index),
        class: &transition.storage_class,
        when: i64::from(transition.noncurrent_days),
    });
    let mut chain = Chain {
        steps: steps.collect(),
        end: rule
            .noncurrent_version_expiration
            .as_ref()
            .map(|e| i64::from(e.noncurrent_days)),
        at_end: place.field(name),
        dated: false,
    };
    chain.check(out);
    chain.check_early_delete(out);
}

fn check_versions(at: Vec<PathSegment>, versions: Option<u32>, out: &mut Vec<Finding>) {
    if versions.is_some_and(|n| !(1..=100).contains(&n)) {
        out.push(Finding::error(
            "lifecycle-newer-versions",
            at,
            "newer_noncurrent_versions is out of range",
            "1 to 100, or leave it out",
        ));
    }
}

fn check_abort(place: &Place, rule: &LifecycleRule, out: &mut Vec<Finding>) {
    let Some(days) = rule.abort_incomplete_multipart_upload_days else {
        return;
    };
    let at = place.field("abort_incomplete_multipart_upload_days");
    check_days(at.clone(), days, 1, out);
    if !rule.tags.is_empty() || !rule.sizes().is_all() {
        out.push(Finding::error(
            "lifecycle-abort-filter",
            at,
            "unfinished uploads have no tags and no size",
            "put it into a rule of its own, filtered by prefix at most",
        ));
    }
}

/// The moves of a rule in S3's sense, and the expiration at their end.
fn check_chain(place: &Place, part: &Expanded, out: &mut Vec<Finding>) {
    let rule = &part.rule;
    let days = rule.expiration_days.is_some() || rule.transitions.iter().any(|t| t.days.is_some());
    let dates = rule.expiration_date.is_some() || rule.transitions.iter().any(|t| t.date.is_some());
    let both_in_expiration = rule.expiration_days.is_some() && rule.expiration_date.is_some();
    if days && dates {
        if !both_in_expiration {
            out.push(Finding::error(
                "lifecycle-days-and-dates",
                place.0.clone(),
                "a rule counts in days or in dates",
                "put actions with a date into a rule of their own",
            ));
        }
        return;
    }
    let written = part.transitions.iter().zip(&rule.transitions);
    let mut chain = Chain {
        steps: written
            .filter_map(|(index, t)| step(place, *index, t))
            .collect(),
        end: end(rule),
        at_end: at_end(place, rule),
        dated: dates,
    };
    chain.check(out);
}

fn end(rule: &LifecycleRule) -> Option<i64> {
    let date = rule.expiration_date.as_deref().and_then(day);
    rule.expiration_days.map(i64::from).or(date)
}

fn at_end(place: &Place, rule: &LifecycleRule) -> Vec<PathSegment> {
    match rule.expiration_days {
        Some(_) => place.field("expiration_days"),
        None => place.field("expiration_date"),
    }
}

/// What S3 cannot see, because a size filter puts the actions into different rules, but is paid for.
fn check_across(place: &Place, rule: &LifecycleRule, out: &mut Vec<Finding>) {
    let dated = rule.expiration_date.is_some();
    let comparable = |t: &&Transition| t.days.is_none() == dated || end(rule).is_none();
    if !rule.transitions.iter().all(|t| comparable(&t)) {
        return;
    }
    let mut chains: BTreeMap<Sizes, Vec<usize>> = BTreeMap::new();
    for (index, transition) in rule.transitions.iter().enumerate() {
        let sizes = rule.sizes().and(transition.sizes());
        chains.entry(sizes).or_default().push(index);
    }
    for (sizes, indices) in chains {
        let steps = indices
            .iter()
            .filter_map(|i| step(place, *i, rule.transitions.get(*i)?));
        let mut chain = Chain {
            steps: steps.collect(),
            end: end(rule),
            at_end: at_end(place, rule),
            dated,
        };
        if !sizes.is_all() && sizes != rule.sizes() {
            chain.check_never(out);
        }
        chain.check_early_delete(out);
    }
}

fn step<'r>(place: &Place, index: usize, transition: &'r Transition) -> Option<Step<'r>> {
    let date = transition.date.as_deref().and_then(day);
    Some(Step {
        at: place.element("transitions", index),
        class: &transition.storage_class,
        when: transition.days.map(i64::from).or(date)?,
    })
}
