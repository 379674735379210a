//! Asking Cost Explorer.

use std::collections::BTreeMap;

use aws_sdk_costexplorer::Client;
use aws_sdk_costexplorer::operation::get_cost_and_usage::GetCostAndUsageOutput;
use aws_sdk_costexplorer::types::{
    DateInterval, Dimension, DimensionValues, Expression, Granularity, GroupDefinition,
    GroupDefinitionType,
};
use time::Date;

use super::document::{self, Answer, Bill, COST, QUANTITY};
use super::period::{Month, Period};
use crate::aws::{AwsError, at};
use crate::model::Place;

/// To be said before [`read`] is called.
/// <https://aws.amazon.com/aws-cost-management/aws-cost-explorer/pricing/>
pub const NOTICE: &str = "Asking Cost Explorer for the bill; AWS charges $0.01 for each request, one for each page of the answer.";

const CALL: &str = "ce:GetCostAndUsage";
/// CloudTrail's name in Cost Explorer.
const SERVICE: &str = "AWS CloudTrail";

/// The bill of a month, page after page: a page is known only from the one before it.
pub async fn read(
    client: &Client,
    place: &Place,
    month: Month,
    today: Date,
) -> Result<Bill, AwsError> {
    let odd = |error: String| AwsError::new(CALL, place, "InvalidAnswer", error);
    let period = month.until(today);
    let mut pages = Vec::new();
    let mut token = None;
    loop {
        let page = page(client, place, period, token).await?;
        token = page
            .next_page_token()
            .filter(|token| !token.is_empty())
            .map(str::to_owned);
        pages.push(answer(page));
        if token.is_none() {
            break;
        }
    }
    // The pages before the last have tokens, which here were followed.
    pages
        .iter_mut()
        .for_each(|page| page.next_page_token = None);
    document::bill(&pages, Some(month)).map_err(|error| odd(error.to_string()))
}

async fn page(
    client: &Client,
    place: &Place,
    period: Period,
    token: Option<String>,
) -> Result<GetCostAndUsageOutput, AwsError> {
    let interval = DateInterval::builder()
        .start(period.from.to_string())
        .end(period.to.to_string())
        .build()
        .map_err(|error| AwsError::new(CALL, place, "InvalidPeriod", error.to_string()))?;
    let service = DimensionValues::builder()
        .key(Dimension::Service)
        .values(SERVICE)
        .build();
    let group = |key: &str| {
        GroupDefinition::builder()
            .r#type(GroupDefinitionType::Dimension)
            .key(key)
            .build()
    };
    client
        .get_cost_and_usage()
        .time_period(interval)
        .granularity(Granularity::Monthly)
        .filter(Expression::builder().dimensions(service).build())
        .metrics(QUANTITY)
        .metrics(COST)
        .group_by(group(document::ACCOUNT))
        .group_by(group(document::USAGE_TYPE))
        .set_next_page_token(token)
        .send()
        .await
        .map_err(at(place, CALL))
}

fn answer(page: GetCostAndUsageOutput) -> Answer {
    let groups = page.group_definitions.unwrap_or_default().into_iter();
    let results = page.results_by_time.unwrap_or_default().into_iter();
    Answer {
        next_page_token: page.next_page_token,
        group_definitions: groups
            .filter_map(|group| Some(document::GroupDefinition { key: group.key? }))
            .collect(),
        results_by_time: results.filter_map(result).collect(),
    }
}

fn result(result: aws_sdk_costexplorer::types::ResultByTime) -> Option<document::ResultByTime> {
    let period = result.time_period?;
    let groups = result.groups.unwrap_or_default().into_iter();
    let groups = groups.map(|group| {
        let metrics = group.metrics.unwrap_or_default().into_iter();
        let metrics = metrics.map(|(name, value)| {
            let metric = document::Metric {
                amount: value.amount.unwrap_or_default(),
                unit: value.unit.unwrap_or_default(),
            };
            (name, metric)
        });
        document::Group {
            keys: group.keys.unwrap_or_default(),
            metrics: metrics.collect::<BTreeMap<_, _>>(),
        }
    });
    Some(document::ResultByTime {
        time_period: document::TimePeriod {
            start: period.start,
            end: period.end,
        },
        estimated: result.estimated,
        groups: groups.collect(),
    })
}
