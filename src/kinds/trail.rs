//! The trail itself: its fields, selectors, Insights, aggregation and whether it records.
//!
//! All calls name the trail by ARN: the ARN of an organization trail carries the management account, whoever made it
//! ("Organization delegated administrator", CloudTrail user guide).

use std::collections::BTreeMap;

use aws_sdk_cloudtrail::operation::get_trail_status::GetTrailStatusOutput;
use aws_sdk_cloudtrail::types as ct;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::join;

use super::trail_sdk as sdk;
use super::trail_write::Writer;
use super::{Found, Kind, Outputs, Pending, Target, Wanted};
use crate::aws::{Aws, AwsError, at};
use crate::model::{Address, OWNER_TAG, Place, Risk, RiskNote, Text};
use crate::policy;
use crate::selectors::{self, Selectors};
use crate::spec::Spec;
use crate::spec::types::{self, AggregationTemplate, InsightCategory, InsightType, Tags};

pub struct Trail;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Attrs {
    pub logging: bool,
    pub organization: bool,
    pub multi_region: bool,
    pub include_global_service_events: bool,
    pub bucket: String,
    pub prefix: String,
    pub kms_key: Option<Text>,
    pub log_file_validation: bool,
    pub recursive_logging: bool,
    pub sns_topic: String,
    pub cloud_watch_logs_group: String,
    pub cloud_watch_logs_role: String,
    pub selectors: Selectors,
    pub insights: BTreeMap<InsightType, Vec<InsightCategory>>,
    /// None where this partition or server does not know event aggregation.
    pub aggregation: Option<Vec<AggregationTemplate>>,
    pub tags: Tags,
}

impl Kind for Trail {
    const NAME: &'static str = "trail";
    type Attrs = Attrs;

    fn desired(spec: &Spec) -> Vec<Wanted<Attrs>> {
        let trails = spec.trails.iter();
        trails
            .map(|(name, trail)| Wanted {
                name: name.clone(),
                place: spec.place(&trail.account, trail.region.as_deref()),
                id: trail.arn(spec, name),
                attrs: attrs_of(spec, trail),
                after: after(spec, trail),
            })
            .collect()
    }

    fn adopt(desired: &mut Attrs, live: &Attrs, _: &Pending) {
        super::keep_foreign_tags(&mut desired.tags, &live.tags);
        if selectors::equivalent(&desired.selectors, &live.selectors) {
            desired.selectors = live.selectors.clone();
        }
        if live.aggregation.is_none() && desired.aggregation.as_ref().is_some_and(Vec::is_empty) {
            desired.aggregation = None;
        }
    }

    fn risks(before: Option<&Attrs>, after: Option<&Attrs>) -> Vec<RiskNote> {
        match (before, after) {
            (Some(before), Some(after)) => change_risks(before, after),
            (Some(before), None) => {
                let why = match before.logging {
                    true => "the trail is deleted",
                    false => "the trail is deleted; it is stopped at the moment",
                };
                vec![RiskNote::new(Risk::StopsRecording, why)]
            }
            _ => Vec::new(),
        }
    }

    async fn read(aws: &Aws, place: &Place, arn: &str) -> Result<Option<Found<Attrs>>, AwsError> {
        let (trail, logging, selectors, insights, aggregation, tags) = join!(
            get_trail(aws, place, arn),
            is_logging(aws, place, arn),
            get_selectors(aws, place, arn),
            get_insights(aws, place, arn),
            get_aggregation(aws, place, arn),
            get_tags(aws, place, arn),
        );
        let Some(trail) = trail? else {
            return Ok(None);
        };
        Ok(Some(Found {
            id: arn.to_owned(),
            attrs: Attrs {
                logging: logging?,
                selectors: selectors?,
                insights: insights?,
                aggregation: aggregation?,
                tags: tags?,
                ..sdk::attrs_from_sdk(&trail)
            },
            outputs: Outputs::new(),
        }))
    }

    async fn orphans(
        aws: &Aws,
        places: &[Place],
        spec: &Spec,
        known: &[String],
    ) -> Vec<Result<(Place, Found<Attrs>), AwsError>> {
        let lists = join_all(places.iter().map(|place| list_trails(aws, place))).await;
        let mut candidates = BTreeMap::new();
        let mut results = Vec::new();
        for (place, list) in places.iter().zip(lists) {
            match list {
                Ok(list) => candidates.extend(list.into_iter().filter_map(|(arn, home_region)| {
                    let home = Place {
                        region: home_region,
                        ..place.clone()
                    };
                    (!known.contains(&arn) && owned_by(spec, place, &arn)).then_some((arn, home))
                })),
                Err(error) => results.push(Err(error)),
            }
        }
        let found = join_all(candidates.iter().map(|(arn, home)| async move {
            match get_tags(aws, home, arn).await {
                Ok(tags) if tags.get(OWNER_TAG) == Some(&spec.name) => {
                    Trail::read(aws, home, arn).await
                }
                Ok(_) => Ok(None),
                Err(error) => Err(error),
            }
        }))
        .await;
        for ((_, home), found) in candidates.iter().zip(found) {
            match found {
                Ok(Some(found)) => results.push(Ok((home.clone(), found))),
                Ok(None) => {}
                Err(error) => results.push(Err(error)),
            }
        }
        results
    }

    async fn put(
        aws: &Aws,
        target: &Target<'_>,
        before: Option<&Attrs>,
        after: &Attrs,
    ) -> Result<Outputs, AwsError> {
        let writer = Writer {
            aws,
            place: target.place,
            arn: target.id,
        };
        let live = match before {
            Some(before) => before.clone(),
            None => writer.create(after).await?,
        };
        writer.update(&live, after).await?;
        Ok(Outputs::new())
    }

    async fn delete(aws: &Aws, target: &Target<'_>) -> Result<(), AwsError> {
        let answer = aws
            .cloudtrail(target.place)
            .delete_trail()
            .name(target.id)
            .send()
            .await
            .map_err(at(target.place, "cloudtrail:DeleteTrail"));
        match answer {
            Err(error) if error.is("TrailNotFound") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// A trail that has delivered its first file has proved that it can.
    async fn works(aws: &Aws, target: &Target<'_>) -> Result<bool, AwsError> {
        let status = get_status(aws, target.place, target.id).await?;
        Ok(status.latest_delivery_time().is_some() && status.latest_delivery_error().is_none())
    }
}

// ---- what the spec says

/// What bucket and key must allow for this trail.
pub fn grant(spec: &Spec, name: &str, trail: &types::Trail) -> policy::TrailGrant {
    let account = match trail.organization {
        true => spec.management_account().unwrap_or(&trail.account),
        false => &trail.account,
    };
    let organization = spec.organization.as_ref().filter(|_| trail.organization);
    policy::TrailGrant {
        arn: trail.arn(spec, name),
        account: spec.account_id(account).to_owned(),
        organization_id: organization.map(|organization| organization.id.clone()),
        prefix: trail.prefix.clone(),
    }
}

fn attrs_of(spec: &Spec, trail: &types::Trail) -> Attrs {
    let kms_key = trail.key.as_ref().map(|key| {
        Text::output(
            Address::new(super::kms_key::KmsKey::NAME, key),
            super::kms_key::ARN,
        )
    });
    let logs = trail.cloud_watch_logs.clone();
    let (group, role) = logs.map_or_else(Default::default, |l| (l.log_group_arn, l.role_arn));
    let mut insights = trail.insights.clone();
    insights.values_mut().for_each(|categories| {
        categories.sort();
        categories.dedup();
    });
    let mut aggregation = trail.aggregation.clone();
    aggregation.sort();
    Attrs {
        logging: trail.logging,
        organization: trail.organization,
        multi_region: trail.multi_region,
        include_global_service_events: trail.include_global_service_events,
        bucket: spec.buckets[&trail.bucket].name.clone(),
        prefix: trail.prefix.clone().unwrap_or_default(),
        kms_key,
        log_file_validation: trail.log_file_validation,
        recursive_logging: trail.recursive_logging,
        sns_topic: trail.sns_topic.clone().unwrap_or_default(),
        cloud_watch_logs_group: group,
        cloud_watch_logs_role: role,
        selectors: trail.selectors(),
        insights,
        aggregation: Some(aggregation),
        tags: super::owned_tags(spec, &trail.tags),
    }
}

fn after(spec: &Spec, trail: &types::Trail) -> Vec<Address> {
    let mut after = vec![Address::new(
        super::log_bucket::LogBucket::NAME,
        &trail.bucket,
    )];
    if let Some(key) = &trail.key {
        after.push(Address::new(super::kms_key::KmsKey::NAME, key));
    }
    if trail.organization && spec.organization.is_some() {
        after.push(Address::new(
            super::organization::OrganizationAccess::NAME,
            super::organization::ADDRESS,
        ));
    }
    after
}

// ---- risks

fn change_risks(before: &Attrs, after: &Attrs) -> Vec<RiskNote> {
    let mut risks = Vec::new();
    let mut add = |risk, why: String| risks.push(RiskNote::new(risk, why));
    if before.logging && !after.logging {
        add(Risk::StopsRecording, "the trail stops logging".to_owned());
    }
    let narrowed = [
        (
            before.organization,
            after.organization,
            "member accounts are no longer recorded",
        ),
        (
            before.multi_region,
            after.multi_region,
            "other Regions are no longer recorded",
        ),
        (
            before.include_global_service_events,
            after.include_global_service_events,
            "global services (IAM, STS, CloudFront) are no longer recorded",
        ),
    ];
    for (was, is, why) in narrowed {
        if was && !is {
            add(Risk::NarrowsCoverage, why.to_owned());
        }
    }
    // A trail that was just created records nothing yet, and still has the selectors that AWS gives to every new one.
    let is_new = !before.logging && selectors::equivalent(&before.selectors, &Selectors::default());
    if !is_new && !selectors::covers(&after.selectors, &before.selectors) {
        let lost = selectors::differences(&before.selectors, &after.selectors).lost;
        let why = match lost.is_empty() {
            true => "the new selectors may record less than the old ones".to_owned(),
            false => format!("no longer recorded: {}", lost.join("; ")),
        };
        add(Risk::NarrowsCoverage, why);
    }
    for (insight, categories) in &before.insights {
        let still = after.insights.get(insight);
        if !categories
            .iter()
            .all(|c| still.is_some_and(|still| still.contains(c)))
        {
            add(
                Risk::NarrowsCoverage,
                format!("{insight:?} analyses fewer events"),
            );
        }
    }
    if before.log_file_validation && !after.log_file_validation {
        let why = "the digest chain ends; log files can no longer be proved unchanged";
        add(Risk::WeakensPolicy, why.to_owned());
    }
    let cleared = [
        (
            &before.sns_topic,
            &after.sns_topic,
            "deliveries are no longer announced on",
        ),
        (
            &before.cloud_watch_logs_group,
            &after.cloud_watch_logs_group,
            "events no longer reach the alarms of the log group",
        ),
    ];
    for (was, is, why) in cleared {
        if !was.is_empty() && is.is_empty() {
            add(Risk::WeakensPolicy, format!("{why} {was}"));
        }
    }
    if before.kms_key.is_some() && after.kms_key.is_none() {
        let why = "new log files are no longer encrypted with the KMS key";
        add(Risk::WeakensPolicy, why.to_owned());
    }
    risks
}

// ---- reading: one round of requests side by side

/// What matters of a trail to others that record the same: where and what it records, and whether it does.
#[derive(Clone, Debug)]
pub struct Recorder {
    pub arn: String,
    pub home_region: String,
    pub organization: bool,
    pub multi_region: bool,
    pub logging: bool,
    pub selectors: Selectors,
    pub tags: Tags,
}

/// Reads a trail of anybody, by its ARN; an account also sees the organization trails that record it.
pub async fn recorder(aws: &Aws, place: &Place, arn: &str) -> Result<Option<Recorder>, AwsError> {
    let (trail, logging, selectors, tags) = join!(
        get_trail(aws, place, arn),
        is_logging(aws, place, arn),
        get_selectors(aws, place, arn),
        get_tags(aws, place, arn),
    );
    let Some(trail) = trail? else {
        return Ok(None);
    };
    Ok(Some(Recorder {
        arn: arn.to_owned(),
        home_region: trail.home_region().unwrap_or(&place.region).to_owned(),
        organization: trail.is_organization_trail().unwrap_or_default(),
        multi_region: trail.is_multi_region_trail().unwrap_or_default(),
        logging: logging?,
        selectors: selectors?,
        tags: tags?,
    }))
}

fn missing(error: &AwsError) -> bool {
    error.is("TrailNotFound")
}

async fn get_trail(aws: &Aws, place: &Place, arn: &str) -> Result<Option<ct::Trail>, AwsError> {
    let answer = aws
        .cloudtrail(place)
        .get_trail()
        .name(arn)
        .send()
        .await
        .map_err(at(place, "cloudtrail:GetTrail"));
    match answer {
        Ok(answer) => Ok(answer.trail),
        Err(error) if missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn get_status(aws: &Aws, place: &Place, arn: &str) -> Result<GetTrailStatusOutput, AwsError> {
    aws.cloudtrail(place)
        .get_trail_status()
        .name(arn)
        .send()
        .await
        .map_err(at(place, "cloudtrail:GetTrailStatus"))
}

async fn is_logging(aws: &Aws, place: &Place, arn: &str) -> Result<bool, AwsError> {
    let status = get_status(aws, place, arn).await?;
    Ok(status.is_logging().unwrap_or_default())
}

async fn get_selectors(aws: &Aws, place: &Place, arn: &str) -> Result<Selectors, AwsError> {
    let answer = aws
        .cloudtrail(place)
        .get_event_selectors()
        .trail_name(arn)
        .send()
        .await
        .map_err(at(place, "cloudtrail:GetEventSelectors"))?;
    let advanced = answer.advanced_event_selectors();
    let basic = answer.event_selectors();
    Ok(if !advanced.is_empty() {
        Selectors::Advanced(advanced.iter().map(sdk::advanced_from_sdk).collect())
    } else if !basic.is_empty() {
        Selectors::Basic(basic.iter().map(sdk::basic_from_sdk).collect())
    } else {
        Selectors::default()
    })
}

async fn get_insights(
    aws: &Aws,
    place: &Place,
    arn: &str,
) -> Result<BTreeMap<InsightType, Vec<InsightCategory>>, AwsError> {
    let answer = aws
        .cloudtrail(place)
        .get_insight_selectors()
        .trail_name(arn)
        .send()
        .await
        .map_err(at(place, "cloudtrail:GetInsightSelectors"));
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.is("InsightNotEnabled") => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let selectors = answer.insight_selectors().iter();
    Ok(selectors
        .filter_map(|selector| {
            let insight = sdk::insight_from_sdk(selector.insight_type()?)?;
            let categories = selector.event_categories().iter();
            let mut categories: Vec<_> = categories.filter_map(sdk::category_from_sdk).collect();
            if categories.is_empty() {
                categories.push(InsightCategory::Management);
            }
            categories.sort();
            Some((insight, categories))
        })
        .collect())
}

/// Partitions and servers that do not know the call have no aggregation to compare.
async fn get_aggregation(
    aws: &Aws,
    place: &Place,
    arn: &str,
) -> Result<Option<Vec<AggregationTemplate>>, AwsError> {
    const UNKNOWN: [&str; 5] = [
        "UnsupportedOperation",
        "UnknownOperation",
        "InvalidAction",
        "NotImplemented",
        "HTTP 501",
    ];
    let answer = aws
        .cloudtrail(place)
        .get_event_configuration()
        .trail_name(arn)
        .send()
        .await
        .map_err(at(place, "cloudtrail:GetEventConfiguration"));
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.is_any(&UNKNOWN) => return Ok(None),
        Err(error) => return Err(error),
    };
    let configurations = answer.aggregation_configurations().iter();
    let templates = configurations.flat_map(|configuration| configuration.templates());
    let mut templates: Vec<_> = templates.filter_map(sdk::template_from_sdk).collect();
    templates.sort();
    Ok(Some(templates))
}

async fn get_tags(aws: &Aws, place: &Place, arn: &str) -> Result<Tags, AwsError> {
    let answer = aws
        .cloudtrail(place)
        .list_tags()
        .resource_id_list(arn)
        .send()
        .await
        .map_err(at(place, "cloudtrail:ListTags"))?;
    let lists = answer.resource_tag_list().iter();
    Ok(lists
        .flat_map(|list| list.tags_list())
        .map(|tag| {
            (
                tag.key().to_owned(),
                tag.value().unwrap_or_default().to_owned(),
            )
        })
        .collect())
}

/// ARNs and home Regions of every trail that the account sees, other Regions included.
pub async fn list_trails(aws: &Aws, place: &Place) -> Result<Vec<(String, String)>, AwsError> {
    let mut trails = aws
        .cloudtrail(place)
        .list_trails()
        .into_paginator()
        .items()
        .send();
    let mut list = Vec::new();
    while let Some(trail) = trails.next().await {
        let trail = trail.map_err(at(place, "cloudtrail:ListTrails"))?;
        list.extend(trail.trail_arn.zip(trail.home_region));
    }
    Ok(list)
}

/// Members see organization trails that are not theirs to change.
fn owned_by(spec: &Spec, place: &Place, arn: &str) -> bool {
    let owner = arn.split(':').nth(4).unwrap_or_default();
    if owner == place.account_id {
        return true;
    }
    // An organization trail made by a delegated administrator belongs to the management account. Where that account is
    // in the spec itself, it is the one to ask.
    let of_spec = spec.accounts.values().any(|account| account.id == owner);
    let administrator = spec
        .trails
        .values()
        .any(|trail| trail.organization && trail.account == place.account);
    !of_spec && administrator
}
