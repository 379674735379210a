//! Trails: create, update, delete, and what is seen of them from where.

use serde_json::{Value, json};

use super::cloudtrail::{
    Intent, bad_arn, check_tag_count, check_tags, find_trail, management_above, not_management,
    trail_at, trail_mut,
};
use super::cloudtrail_checks as checks;
use super::cloudtrail_names::{self as names, TrailPlace};
use super::cloudtrail_selectors::is_custom;
use super::dispatch::Call;
use super::error::{Answer, refuse};
use super::kms::tags_of;
use super::state::{State, Trail};

/// User Guide, page "whatiscloudtrail-limits".
const MAX_TRAILS: usize = 5;

pub fn create_trail(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let name = input["Name"].as_str().unwrap_or_default();
    names::check(name)?;
    let mut trail = Trail {
        include_global_service_events: true,
        recursive_logging: true,
        ..Trail::default()
    };
    apply(call, &mut trail, input)?;
    trail.tags = tags_of(&input["TagsList"], "Key", "Value");
    check_tags(&input["TagsList"], &trail.tags)?;
    check_tag_count(&trail.tags)?;
    let mut place = TrailPlace {
        account: call.account().to_owned(),
        region: call.region.to_owned(),
        name: name.to_owned(),
    };
    if trail.organization {
        // The management account owns organization trails, whoever creates them: User Guide, page
        // "cloudtrail-delegated-administrator".
        place.account = checks::organization(call)?;
    }
    if trail_at(call.state, &place).is_some() {
        return refuse(
            "TrailAlreadyExistsException",
            format!(
                "Trail {name} already exists for customer: {}",
                place.account
            ),
        );
    }
    check_count(call.state, &place, trail.multi_region)?;
    checks::destinations(call, &place, &trail)?;
    let answer = settings(&place, &trail);
    call.state
        .region_mut(&place.account, &place.region)
        .trails
        .insert(place.name, trail);
    Ok(answer)
}

pub fn update_trail(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = find_trail(call, input["Name"].as_str(), Intent::Write)?;
    let before = trail_mut(call.state, &place)?.clone();
    let mut after = before.clone();
    apply(call, &mut after, input)?;
    if after.organization || before.organization {
        checks::organization(call)?;
    }
    // User Guide, page "cloudtrail-delegated-administrator": only the management account converts trails.
    if after.organization != before.organization
        && management_above(call.state, call.account()).is_some()
    {
        return Err(not_management(call));
    }
    if after.multi_region && !before.multi_region {
        check_count(call.state, &place, true)?;
    }
    checks::destinations(call, &place, &after)?;
    let answer = settings(&place, &after);
    *trail_mut(call.state, &place)? = after;
    Ok(answer)
}

/// Takes over the fields that the request names; an empty string clears one.
fn apply(call: &Call<'_>, trail: &mut Trail, input: &Value) -> Answer<()> {
    let flag = |name: &str, to: &mut bool| {
        if let Some(value) = input[name].as_bool() {
            *to = value;
        }
    };
    let text = |name: &str, to: &mut Option<String>| {
        if let Some(value) = input[name].as_str() {
            *to = Some(value.to_owned()).filter(|v| !v.is_empty());
        }
    };
    let was_multi_region = trail.multi_region;
    flag("IsMultiRegionTrail", &mut trail.multi_region);
    flag(
        "IncludeGlobalServiceEvents",
        &mut trail.include_global_service_events,
    );
    flag("IsOrganizationTrail", &mut trail.organization);
    flag("EnableLogFileValidation", &mut trail.log_file_validation);
    flag("RecursiveLogging", &mut trail.recursive_logging);
    text("S3KeyPrefix", &mut trail.prefix);
    text("CloudWatchLogsLogGroupArn", &mut trail.log_group_arn);
    text("CloudWatchLogsRoleArn", &mut trail.log_role_arn);
    if let Some(bucket) = input["S3BucketName"].as_str() {
        bucket.clone_into(&mut trail.bucket);
    }
    // User Guide, page "cloudtrail-concepts": a conversion to multi-Region turns global events on by itself.
    let silent = input["IncludeGlobalServiceEvents"].is_null();
    if trail.multi_region && !was_multi_region && silent {
        trail.include_global_service_events = true;
    }
    if trail.multi_region && !trail.include_global_service_events {
        return refuse(
            "InvalidParameterCombinationException",
            "Multi-Region trail must include global service events.",
        );
    }
    names::check_bucket(&trail.bucket)?;
    if let Some(prefix) = &trail.prefix {
        names::check_prefix(prefix)?;
    }
    if let Some(topic) = input["SnsTopicName"].as_str() {
        trail.topic_arn = checks::topic_arn(call, topic)?;
    }
    if let Some(key) = input["KmsKeyId"].as_str() {
        trail.kms_key_arn = checks::key_arn(call, key)?;
    }
    Ok(())
}

/// A multi-Region trail counts in every Region.
fn check_count(state: &State, place: &TrailPlace, multi_region: bool) -> Answer<()> {
    let Some(account) = state.accounts.get(&place.account) else {
        return Ok(());
    };
    let homes = || account.regions.iter();
    let others = |region: &str, name: &str| region != place.region || name != place.name;
    let count = |here: &str| {
        homes()
            .flat_map(|(home, r)| r.trails.iter().map(move |(name, t)| (home, name, t)))
            .filter(|(home, name, t)| {
                others(home, name) && (t.multi_region || home.as_str() == here)
            })
            .count()
    };
    let regions = homes()
        .map(|(region, _)| region.as_str())
        .filter(|r| multi_region || *r == place.region);
    for region in regions.chain([place.region.as_str()]) {
        if count(region) >= MAX_TRAILS {
            return refuse(
                "MaximumNumberOfTrailsExceededException",
                format!(
                    "User: {} already has {MAX_TRAILS} trails in {region}.",
                    place.account
                ),
            );
        }
    }
    Ok(())
}

/// What CreateTrail and UpdateTrail answer with.
fn settings(place: &TrailPlace, trail: &Trail) -> Value {
    let mut value = json!({
        "Name": place.name,
        "S3BucketName": trail.bucket,
        "IncludeGlobalServiceEvents": trail.include_global_service_events,
        "IsMultiRegionTrail": trail.multi_region,
        "TrailARN": place.arn(),
        "LogFileValidationEnabled": trail.log_file_validation,
        "IsOrganizationTrail": trail.organization,
        "RecursiveLogging": trail.recursive_logging,
    });
    let topic_name = trail
        .topic_arn
        .as_ref()
        .and_then(|a| a.rsplit(':').next())
        .map(str::to_owned);
    let optional = [
        ("S3KeyPrefix", &trail.prefix),
        ("SnsTopicName", &topic_name),
        ("SnsTopicARN", &trail.topic_arn),
        ("CloudWatchLogsLogGroupArn", &trail.log_group_arn),
        ("CloudWatchLogsRoleArn", &trail.log_role_arn),
        ("KmsKeyId", &trail.kms_key_arn),
    ];
    for (name, text) in optional {
        if let Some(text) = text {
            value[name] = json!(text);
        }
    }
    value
}

/// What GetTrail and DescribeTrails answer with.
fn describe(place: &TrailPlace, trail: &Trail) -> Value {
    let mut value = settings(place, trail);
    value["HomeRegion"] = json!(place.region);
    value["HasCustomEventSelectors"] = json!(is_custom(trail));
    value["HasInsightSelectors"] = json!(trail.insight_selectors.is_some());
    value
}

pub fn delete_trail(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = find_trail(call, input["Name"].as_str(), Intent::Write)?;
    call.state
        .region_mut(&place.account, &place.region)
        .trails
        .remove(&place.name);
    Ok(json!({}))
}

pub fn get_trail(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = find_trail(call, input["Name"].as_str(), Intent::Read)?;
    let trail = trail_mut(call.state, &place)?;
    Ok(json!({"Trail": describe(&place, trail)}))
}

/// Every trail of the caller, and the organization's; `here` limits them to those seen in the call's Region.
fn visible<'a>(call: &'a Call<'_>, here: bool, shadows: bool) -> Vec<(TrailPlace, &'a Trail)> {
    let above = management_above(call.state, call.account());
    let mut found = Vec::new();
    for (account, shadow) in [
        Some((call.account().to_owned(), false)),
        above.map(|a| (a, true)),
    ]
    .into_iter()
    .flatten()
    {
        let Some(owner) = call.state.accounts.get(&account) else {
            continue;
        };
        for (region, name, trail) in owner
            .regions
            .iter()
            .flat_map(|(r, keep)| keep.trails.iter().map(move |(n, t)| (r, n, t)))
        {
            let at_home = region == call.region;
            let seen = !here || at_home || trail.multi_region;
            let is_shadow = shadow || (here && !at_home);
            if seen && (!shadow || trail.organization) && (shadows || !is_shadow) {
                let place = TrailPlace {
                    account: account.clone(),
                    region: region.clone(),
                    name: name.clone(),
                };
                found.push((place, trail));
            }
        }
    }
    found
}

pub fn describe_trails(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let wanted: Vec<&str> = input["trailNameList"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for reference in &wanted {
        if reference.starts_with("arn:") && TrailPlace::from_arn(reference).is_none() {
            return Err(bad_arn(reference));
        }
    }
    // API, page DescribeTrails: a list of names may also name trails elsewhere, by ARN.
    let shadows = input["includeShadowTrails"].as_bool().unwrap_or(true);
    let here = wanted.iter().all(|w| !w.starts_with("arn:"));
    let chosen = visible(call, here, shadows)
        .into_iter()
        .filter(|(place, trail)| {
            let by_name = wanted.contains(&place.name.as_str())
                && (place.region == call.region || trail.multi_region);
            wanted.is_empty() || by_name || wanted.contains(&place.arn().as_str())
        });
    let list: Vec<Value> = chosen
        .map(|(place, trail)| describe(&place, trail))
        .collect();
    Ok(json!({"trailList": list}))
}

pub fn list_trails(call: &mut Call<'_>, _: &Value) -> Answer<Value> {
    let list: Vec<Value> = visible(call, false, true)
        .into_iter()
        .map(|(place, _)| json!({"TrailARN": place.arn(), "Name": place.name, "HomeRegion": place.region}))
        .collect();
    Ok(json!({"Trails": list}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::testing::*;

    #[test]
    fn shadows_are_seen_elsewhere_and_changed_at_home() {
        let sandbox = ready_for_a_trail();
        let home = Client::new(&sandbox, MANAGEMENT);
        let body = json!({"Name": "org", "S3BucketName": BUCKET, "IsOrganizationTrail": true, "IsMultiRegionTrail": true});
        home.json("cloudtrail", "CreateTrail", &body).unwrap();
        let count = |client: &Client<'_>, body: Value| {
            let answer = client.json("cloudtrail", "DescribeTrails", &body).unwrap();
            answer["trailList"].as_array().unwrap().len()
        };
        let elsewhere = Client {
            region: "eu-west-1",
            ..Client::new(&sandbox, MANAGEMENT)
        };
        assert_eq!(count(&elsewhere, json!({})), 1);
        assert_eq!(count(&elsewhere, json!({"includeShadowTrails": false})), 0);
        let member = Client::new(&sandbox, ARCHIVE);
        assert_eq!(count(&member, json!({})), 1);
        let by_arn = json!({"Name": TRAIL_ARN});
        let code = |client: &Client<'_>| {
            client
                .json("cloudtrail", "UpdateTrail", &by_arn)
                .unwrap_err()
        };
        assert_eq!(code(&elsewhere), "InvalidHomeRegionException");
        assert_eq!(code(&member), "NotOrganizationMasterAccountException");
    }

    #[test]
    fn multi_region_trails_count_everywhere() {
        let mut state = State::default();
        let trail = |multi_region| Trail {
            multi_region,
            ..Trail::default()
        };
        for n in 0..4 {
            let trails = &mut state.region_mut("1", "eu-west-1").trails;
            trails.insert(format!("t{n}"), trail(n == 0));
        }
        let place = |region: &str| TrailPlace {
            account: "1".into(),
            region: region.into(),
            name: "new".into(),
        };
        assert!(check_count(&state, &place("eu-west-1"), false).is_ok());
        let trails = &mut state.region_mut("1", "eu-west-1").trails;
        trails.insert("t4".into(), trail(false));
        assert!(check_count(&state, &place("eu-west-1"), false).is_err());
        assert!(check_count(&state, &place("us-east-1"), false).is_ok());
        assert!(check_count(&state, &place("us-east-1"), true).is_err());
    }
}
