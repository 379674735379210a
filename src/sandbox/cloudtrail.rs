//! CloudTrail: its operations, finding a trail, logging, status and tags.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cloudtrail_names::{self as names, TrailPlace};
use super::dispatch::{Call, JsonHandler};
use super::error::{Answer, AwsError, refuse};
use super::kms::{tag_list, tags_of};
use super::organizations::CLOUDTRAIL;
use super::state::{Stamp, State, Trail};
use super::{
    cloudtrail_checks as checks, cloudtrail_events as events, cloudtrail_insights as insights,
    cloudtrail_selectors as selectors, cloudtrail_trails as trails,
};

pub const ACTIONS: &[(&str, JsonHandler)] = &[
    ("AddTags", add_tags),
    ("CreateTrail", trails::create_trail),
    ("DeleteTrail", trails::delete_trail),
    ("DescribeTrails", trails::describe_trails),
    ("GetEventConfiguration", insights::get_event_configuration),
    ("GetEventSelectors", selectors::get_event_selectors),
    ("GetInsightSelectors", insights::get_insight_selectors),
    ("GetTrail", trails::get_trail),
    ("GetTrailStatus", get_trail_status),
    ("ListTags", list_tags),
    ("ListTrails", trails::list_trails),
    ("LookupEvents", events::lookup_events),
    ("PutEventConfiguration", insights::put_event_configuration),
    ("PutEventSelectors", selectors::put_event_selectors),
    ("PutInsightSelectors", insights::put_insight_selectors),
    ("RemoveTags", remove_tags),
    ("StartLogging", start_logging),
    ("StopLogging", stop_logging),
    ("UpdateTrail", trails::update_trail),
];

/// CloudTrail API, pages AddTags and ListTags.
const MAX_TAGS: usize = 50;
const MAX_LIST_TAGS: usize = 20;

/// What the caller means to do with a trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    Read,
    Write,
}

pub fn trail_at<'a>(state: &'a State, place: &TrailPlace) -> Option<&'a Trail> {
    state
        .region(&place.account, &place.region)?
        .trails
        .get(&place.name)
}

pub fn trail_mut<'a>(state: &'a mut State, place: &TrailPlace) -> Answer<&'a mut Trail> {
    let region = state.region_mut(&place.account, &place.region);
    region
        .trails
        .get_mut(&place.name)
        .ok_or_else(|| place.unknown())
}

/// The management account of the caller's organization, if the caller is another member.
pub fn management_above(state: &State, account: &str) -> Option<String> {
    let organization = state.organization_of(account)?;
    let management = &organization.management_account;
    (management != account).then(|| management.clone())
}

pub fn is_delegated_administrator(state: &State, account: &str) -> bool {
    state.organization_of(account).is_some_and(|o| {
        let services = o.delegated_administrators.get(account);
        services.is_some_and(|s| s.contains_key(CLOUDTRAIL))
    })
}

pub fn not_management(call: &Call<'_>) -> AwsError {
    AwsError::new(
        "NotOrganizationMasterAccountException",
        format!(
            "The AWS account {} making the request is not the management account or a delegated administrator account \
             for the organization in AWS Organizations.",
            call.account()
        ),
    )
}

/// The trail that a name or ARN means, if the caller may do what it intends.
pub fn find_trail(call: &Call<'_>, reference: Option<&str>, intent: Intent) -> Answer<TrailPlace> {
    let reference = reference.unwrap_or_default();
    let place = if reference.starts_with("arn:") {
        TrailPlace::from_arn(reference).ok_or_else(|| bad_arn(reference))?
    } else {
        names::check(reference)?;
        TrailPlace {
            account: call.account().to_owned(),
            region: call.region.to_owned(),
            name: reference.to_owned(),
        }
    };
    let unknown = || {
        AwsError::new(
            "TrailNotFoundException",
            format!(
                "Unknown trail: {} for the user: {}",
                place.arn(),
                call.account()
            ),
        )
    };
    let trail = trail_at(call.state, &place).ok_or_else(unknown)?;
    if place.account != call.account() {
        let above = management_above(call.state, call.account());
        if !trail.organization || above.as_ref() != Some(&place.account) {
            return Err(unknown());
        }
        // User Guide, page "creating-trail-organization": members see the trail and cannot change it.
        if intent == Intent::Write && !is_delegated_administrator(call.state, call.account()) {
            return Err(not_management(call));
        }
    }
    if intent == Intent::Write && place.region != call.region {
        return refuse(
            "InvalidHomeRegionException",
            format!(
                "Trail: {} home region is: {}. Please use the home region.",
                place.arn(),
                place.region
            ),
        );
    }
    Ok(place)
}

pub fn bad_arn(arn: &str) -> AwsError {
    AwsError::new(
        "CloudTrailARNInvalidException",
        format!("Invalid trail ARN: {arn}"),
    )
}

fn start_logging(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = find_trail(call, input["Name"].as_str(), Intent::Write)?;
    let now = call.now;
    let trail = trail_mut(call.state, &place)?;
    if !trail.logging {
        trail.started = Some(now);
    }
    trail.logging = true;
    Ok(json!({}))
}

fn stop_logging(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = find_trail(call, input["Name"].as_str(), Intent::Write)?;
    let now = call.now;
    let trail = trail_mut(call.state, &place)?;
    if trail.logging {
        trail.stopped = Some(now);
    }
    trail.logging = false;
    Ok(json!({}))
}

/// Deliveries are judged by the policies as they stand now; a good one counts as delivered at once.
fn get_trail_status(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = find_trail(call, input["Name"].as_str(), Intent::Read)?;
    let trail = trail_mut(call.state, &place)?.clone();
    let mut status = json!({"IsLogging": trail.logging});
    let mut note = |name: &str, stamp: Option<Stamp>| {
        if let Some(stamp) = stamp {
            status[name] = json!(stamp.epoch());
        }
    };
    note("StartLoggingTime", trail.started);
    note("StopLoggingTime", trail.stopped);
    let latest = if trail.logging {
        Some(call.now)
    } else {
        trail.stopped
    };
    let delivery = checks::delivery_error(call.state, &place, &trail);
    let notice = checks::notification_error(call.state, &place, &trail);
    if delivery.is_none() {
        note("LatestDeliveryTime", latest);
        note(
            "LatestDigestDeliveryTime",
            latest.filter(|_| trail.log_file_validation),
        );
        note(
            "LatestCloudWatchLogsDeliveryTime",
            latest.filter(|_| trail.log_group_arn.is_some()),
        );
    }
    if trail.topic_arn.is_some() && notice.is_none() {
        note("LatestNotificationTime", latest);
    }
    if trail.logging {
        if let Some(error) = delivery {
            status["LatestDeliveryError"] = json!(error);
        }
        if let Some(error) = notice {
            status["LatestNotificationError"] = json!(error);
        }
    }
    Ok(status)
}

fn tagged(call: &Call<'_>, arn: &str, intent: Intent) -> Answer<TrailPlace> {
    if TrailPlace::from_arn(arn).is_none() {
        return Err(bad_arn(arn));
    }
    find_trail(call, Some(arn), intent).map_err(|error| match error.code.as_str() {
        // Tags are changed in the home Region only, and these operations have no error of their own to say so.
        "TrailNotFoundException" | "InvalidHomeRegionException" => AwsError::new(
            "ResourceNotFoundException",
            format!("The specified resource is not found: {arn}"),
        ),
        _ => error,
    })
}

pub fn check_tags(list: &Value, tags: &BTreeMap<String, String>) -> Answer<()> {
    let invalid = |message: &str| refuse("InvalidTagParameterException", message);
    if list.as_array().is_some_and(|l| l.len() > tags.len()) {
        return invalid("Duplicate tag keys found");
    }
    if tags
        .keys()
        .any(|k| k.is_empty() || k.chars().count() > 128 || k.starts_with("aws:"))
    {
        return invalid("Tag key is invalid");
    }
    if tags.values().any(|v| v.chars().count() > 256) {
        return invalid("Tag value is invalid");
    }
    Ok(())
}

pub fn check_tag_count(tags: &BTreeMap<String, String>) -> Answer<()> {
    if tags.len() > MAX_TAGS {
        return refuse(
            "TagsLimitExceededException",
            format!("The number of tags per resource has exceeded the limit of {MAX_TAGS}"),
        );
    }
    Ok(())
}

fn add_tags(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = tagged(
        call,
        input["ResourceId"].as_str().unwrap_or_default(),
        Intent::Write,
    )?;
    let added = tags_of(&input["TagsList"], "Key", "Value");
    check_tags(&input["TagsList"], &added)?;
    let trail = trail_mut(call.state, &place)?;
    let mut tags = trail.tags.clone();
    tags.extend(added);
    check_tag_count(&tags)?;
    trail.tags = tags;
    Ok(json!({}))
}

fn remove_tags(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = tagged(
        call,
        input["ResourceId"].as_str().unwrap_or_default(),
        Intent::Write,
    )?;
    let trail = trail_mut(call.state, &place)?;
    for key in tags_of(&input["TagsList"], "Key", "Value").keys() {
        trail.tags.remove(key);
    }
    Ok(json!({}))
}

fn list_tags(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let arns: Vec<&str> = input["ResourceIdList"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if arns.is_empty() || arns.len() > MAX_LIST_TAGS {
        return refuse(
            "InvalidParameterException",
            format!("ResourceIdList must contain between 1 and {MAX_LIST_TAGS} resources"),
        );
    }
    let mut listed = Vec::new();
    for arn in arns {
        let place = tagged(call, arn, Intent::Read)?;
        let tags = &trail_mut(call.state, &place)?.tags;
        listed.push(json!({"ResourceId": arn, "TagsList": tag_list(tags, "Key", "Value")}));
    }
    Ok(json!({"ResourceTagList": listed}))
}
