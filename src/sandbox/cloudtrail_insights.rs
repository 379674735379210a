//! Insights selectors and event aggregation of trails: User Guide, pages
//! "logging-insights-events-with-cloudtrail" and "aggregating-data-events".

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cloudtrail::{Intent, find_trail, trail_mut};
use super::cloudtrail_checks as checks;
use super::cloudtrail_selectors::{Records, records};
use super::dispatch::Call;
use super::error::{Answer, refuse};
use super::policy::strings;

const CALL_RATE: &str = "ApiCallRateInsight";
const ERROR_RATE: &str = "ApiErrorRateInsight";
const TEMPLATES: [&str; 3] = ["API_ACTIVITY", "RESOURCE_ACCESS", "USER_ACTIONS"];

pub fn get_insight_selectors(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    trails_only(input)?;
    let place = find_trail(call, input["TrailName"].as_str(), Intent::Read)?;
    let selectors = trail_mut(call.state, &place)?.insight_selectors.clone();
    match selectors {
        Some(selectors) => Ok(json!({"TrailARN": place.arn(), "InsightSelectors": selectors})),
        None => refuse(
            "InsightNotEnabledException",
            format!(
                "Trail {} does not have Insights enabled. Edit the trail settings to enable Insights, and then try the \
                 operation again.",
                place.arn()
            ),
        ),
    }
}

fn trails_only(input: &Value) -> Answer<()> {
    match (
        input["TrailName"].is_null(),
        input["EventDataStore"].is_null(),
    ) {
        (false, true) => Ok(()),
        (true, false) => Err(super::error::AwsError::not_implemented("event data stores")),
        _ => refuse(
            "InvalidParameterCombinationException",
            "You must specify either TrailName or EventDataStore, but not both.",
        ),
    }
}

pub fn put_insight_selectors(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    trails_only(input)?;
    let place = find_trail(call, input["TrailName"].as_str(), Intent::Write)?;
    let Some(list) = input["InsightSelectors"].as_array() else {
        return invalid("InsightSelectors must be a list.");
    };
    let trail = trail_mut(call.state, &place)?.clone();
    let recorded = records(&trail);
    let mut seen = BTreeSet::new();
    let mut normal = Vec::new();
    for selector in list {
        let (kind, categories) = check(selector, recorded)?;
        if !seen.insert(kind) {
            return invalid(format!("Duplicate insight type: {kind}"));
        }
        normal.push(json!({"InsightType": kind, "EventCategories": categories}));
    }
    checks::destinations(call, &place, &trail)?;
    // An empty list turns Insights off.
    let selectors = Some(Value::Array(normal)).filter(|_| !list.is_empty());
    trail_mut(call.state, &place)?
        .insight_selectors
        .clone_from(&selectors);
    Ok(json!({"TrailARN": place.arn(), "InsightSelectors": selectors.unwrap_or_else(|| json!([]))}))
}

/// Type and categories of a selector, if the trail records what it would analyse.
fn check(selector: &Value, recorded: Records) -> Answer<(&str, Vec<String>)> {
    let kind = selector["InsightType"].as_str().unwrap_or_default();
    if ![CALL_RATE, ERROR_RATE].contains(&kind) {
        return invalid(format!("Invalid insight type: {kind}"));
    }
    let categories = match &selector["EventCategories"] {
        Value::Null => vec!["Management".to_owned()],
        given => strings(given).unwrap_or_default(),
    };
    let distinct: BTreeSet<&String> = categories.iter().collect();
    if categories.is_empty() || distinct.len() < categories.len() {
        return invalid("EventCategories must hold distinct categories.");
    }
    for category in &categories {
        let fed = match (category.as_str(), kind) {
            ("Data", _) => recorded.data,
            ("Management", CALL_RATE) => recorded.management_writes,
            ("Management", _) => recorded.management_writes || recorded.management_reads,
            _ => return invalid(format!("Invalid event category for Insights: {category}")),
        };
        if !fed {
            return invalid(format!(
                "The trail does not log the {category} events that {kind} needs. Edit its event selectors, and then try \
                 the operation again."
            ));
        }
    }
    Ok((kind, categories))
}

fn invalid<T>(message: impl Into<String>) -> Answer<T> {
    refuse("InvalidInsightSelectorsException", message)
}

pub fn get_event_configuration(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    trails_only(input)?;
    let place = find_trail(call, input["TrailName"].as_str(), Intent::Read)?;
    let mut answer = json!({"TrailARN": place.arn()});
    if let Some(aggregation) = &trail_mut(call.state, &place)?.aggregation {
        answer["AggregationConfigurations"] = aggregation.clone();
    }
    Ok(answer)
}

pub fn put_event_configuration(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    trails_only(input)?;
    let place = find_trail(call, input["TrailName"].as_str(), Intent::Write)?;
    for member in ["MaxEventSize", "ContextKeySelectors"] {
        if !input[member].is_null() {
            return refuse(
                "InvalidParameterCombinationException",
                format!("{member} is not supported for trails."),
            );
        }
    }
    let list = input["AggregationConfigurations"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if list.len() > 1 {
        return refuse(
            "InvalidParameterException",
            "A trail can have one aggregation configuration.",
        );
    }
    for configuration in &list {
        check_aggregation(configuration)?;
    }
    let trail = trail_mut(call.state, &place)?;
    if !list.is_empty() && !records(trail).data {
        return refuse(
            "InvalidParameterCombinationException",
            "Aggregation needs a trail that logs data events.",
        );
    }
    let kept = Some(Value::Array(list)).filter(|l| *l != json!([]));
    trail.aggregation.clone_from(&kept);
    let mut answer = json!({"TrailARN": place.arn()});
    if let Some(kept) = kept {
        answer["AggregationConfigurations"] = kept;
    }
    Ok(answer)
}

fn check_aggregation(configuration: &Value) -> Answer<()> {
    let invalid = |message: &str| refuse("InvalidParameterException", message);
    if configuration["EventCategory"] != "Data" {
        return invalid("EventCategory of an aggregation configuration must be Data.");
    }
    let templates = strings(&configuration["Templates"]).unwrap_or_default();
    let distinct: BTreeSet<&String> = templates.iter().collect();
    if templates.is_empty() || distinct.len() < templates.len() {
        return invalid("Templates must hold distinct templates.");
    }
    if !templates.iter().all(|t| TEMPLATES.contains(&t.as_str())) {
        return invalid("Unknown aggregation template.");
    }
    Ok(())
}
