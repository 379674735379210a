//! CloudWatch Logs: the log groups that a trail can deliver to.

use serde_json::{Value, json};

use super::dispatch::{Call, JsonHandler};
use super::error::{Answer, AwsError, refuse};
use super::kms::string_map;
use super::state::LogGroup;

pub const ACTIONS: &[(&str, JsonHandler)] = &[
    ("CreateLogGroup", create_log_group),
    ("DescribeLogGroups", describe_log_groups),
    ("PutRetentionPolicy", put_retention_policy),
];

/// Logs API, page PutRetentionPolicy.
const RETENTION_DAYS: [u32; 23] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653, 0,
];

/// Region, account and name of `arn:aws:logs:R:A:log-group:NAME:*`.
pub fn split_log_group_arn(arn: &str) -> Option<(&str, &str, &str)> {
    let parts: Vec<&str> = arn.splitn(7, ':').collect();
    match parts.as_slice() {
        ["arn", _, "logs", region, account, "log-group", rest] => {
            Some((region, account, rest.strip_suffix(":*")?))
        }
        _ => None,
    }
}

fn name_of(input: &Value) -> Answer<&str> {
    let name = input["logGroupName"].as_str().unwrap_or_default();
    let known = |b: u8| b.is_ascii_alphanumeric() || b"._/#-".contains(&b);
    if name.is_empty() || name.len() > 512 || !name.bytes().all(known) {
        return refuse(
            "InvalidParameterException",
            format!(
                "1 validation error detected: Value '{name}' at 'logGroupName' failed to satisfy constraint: Member \
                 must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
            ),
        );
    }
    Ok(name)
}

fn create_log_group(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let name = name_of(input)?;
    let group = LogGroup {
        created: call.now,
        retention_days: None,
        kms_key: input["kmsKeyId"].as_str().map(str::to_owned),
        tags: string_map(&input["tags"]),
    };
    let account = call.account().to_owned();
    let groups = &mut call.state.region_mut(&account, call.region).log_groups;
    if groups.contains_key(name) {
        return refuse(
            "ResourceAlreadyExistsException",
            "The specified log group already exists",
        );
    }
    groups.insert(name.to_owned(), group);
    Ok(json!({}))
}

fn put_retention_policy(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let name = name_of(input)?;
    let days = input["retentionInDays"]
        .as_u64()
        .and_then(|d| u32::try_from(d).ok());
    let Some(days) = days.filter(|d| *d > 0 && RETENTION_DAYS.contains(d)) else {
        return refuse(
            "InvalidParameterException",
            "Specified retention is not one of the accepted values.",
        );
    };
    let account = call.account().to_owned();
    let group = call
        .state
        .region_mut(&account, call.region)
        .log_groups
        .get_mut(name);
    let missing = || {
        AwsError::new(
            "ResourceNotFoundException",
            "The specified log group does not exist.",
        )
    };
    group.ok_or_else(missing)?.retention_days = Some(days);
    Ok(json!({}))
}

fn describe_log_groups(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let prefix = input["logGroupNamePrefix"].as_str().unwrap_or_default();
    let after = input["nextToken"].as_str().unwrap_or_default();
    let limit = input["limit"].as_u64().map_or(50, |l| l.clamp(1, 50)) as usize;
    let (account, region) = (call.account(), call.region);
    let groups = call
        .state
        .region(account, region)
        .into_iter()
        .flat_map(|r| &r.log_groups);
    let mut found: Vec<_> = groups
        .filter(|(name, _)| name.starts_with(prefix) && name.as_str() > after)
        .take(limit + 1)
        .collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let listed: Vec<Value> = found
        .iter()
        .map(|(name, g)| describe(account, region, name, g))
        .collect();
    let mut answer = json!({"logGroups": listed});
    if let Some((last, _)) = found.last().filter(|_| more) {
        answer["nextToken"] = json!(last);
    }
    Ok(answer)
}

fn describe(account: &str, region: &str, name: &str, group: &LogGroup) -> Value {
    let arn = format!("arn:aws:logs:{region}:{account}:log-group:{name}");
    let mut value = json!({
        "logGroupName": name,
        "arn": format!("{arn}:*"),
        "logGroupArn": arn,
        "creationTime": (group.created.epoch() * 1000.0) as i64,
        "metricFilterCount": 0,
        "storedBytes": 0,
        "logGroupClass": "STANDARD",
    });
    if let Some(days) = group.retention_days {
        value["retentionInDays"] = json!(days);
    }
    if let Some(key) = &group.kms_key {
        value["kmsKeyId"] = json!(key);
    }
    value
}
