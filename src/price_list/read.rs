//! Asking the Price List API, by service and Region side by side.

use std::collections::BTreeSet;

use aws_sdk_pricing::Client;
use aws_sdk_pricing::types::{Filter, FilterType};
use futures_util::StreamExt;
use futures_util::stream;

use super::product::{DEEP_ARCHIVE, Product, ProductError, billed_as, parse};
use crate::aws::{AwsError, at};
use crate::cost::Meter;
use crate::model::Place;

/// What the list had to say.
#[derive(Debug, Default)]
pub struct Answers {
    pub products: Vec<Product>,
    /// Services of the price book and Regions that were answered for.
    pub asked: BTreeSet<(String, String)>,
    /// Products of usage types that no meter has.
    pub others: usize,
    /// Products that could not be understood, and why.
    pub problems: Vec<String>,
    pub failures: Vec<Failure>,
}

/// A service in a Region whose prices could not be read.
#[derive(Debug)]
pub struct Failure {
    pub service: String,
    pub region: String,
    pub error: AwsError,
}

/// Cost Explorer has one price, in its only Region.
const COST_EXPLORER: (&str, &str) = ("AWSCostExplorer", "us-east-1");
/// Requests at a time: AWS throttles more than a few dozen a second.
const AT_A_TIME: usize = 8;
/// The most that `GetProducts` gives.
const PAGE: i32 = 100;

/// Reads the products of every service that has a meter, in these Regions. What cannot be read is told, not left out in
/// silence.
pub async fn read(client: &Client, place: &Place, regions: &[String]) -> Answers {
    let questions = questions(regions);
    let answers = stream::iter(questions)
        .map(|(service, region)| async move {
            let answer = products(client, place, service, &region).await;
            (service, region, answer)
        })
        .buffer_unordered(AT_A_TIME)
        .collect::<Vec<_>>()
        .await;
    let mut all = Answers::default();
    for (service, region, answer) in answers {
        all.add(service, region, answer);
    }
    all.problems.sort();
    // Half an answer is none: what S3's own list lacks may be in the one that failed.
    for failure in &all.failures {
        let service = billed_as(&failure.service).to_owned();
        all.asked.remove(&(service, failure.region.clone()));
    }
    all
}

fn questions(regions: &[String]) -> Vec<(&'static str, String)> {
    let mut services: BTreeSet<&str> = Meter::all().iter().map(|meter| meter.service()).collect();
    services.insert(DEEP_ARCHIVE);
    services.remove(COST_EXPLORER.0);
    let of_service = |service| regions.iter().map(move |region| (service, region.clone()));
    let mut questions: Vec<_> = services.into_iter().flat_map(of_service).collect();
    questions.push((COST_EXPLORER.0, COST_EXPLORER.1.to_owned()));
    questions
}

/// All pages of a service in a Region.
async fn products(
    client: &Client,
    place: &Place,
    service: &str,
    region: &str,
) -> Result<Vec<String>, AwsError> {
    let call = "pricing:GetProducts";
    let in_region = Filter::builder()
        .r#type(FilterType::TermMatch)
        .field("regionCode")
        .value(region)
        .build()
        .map_err(|error| AwsError::new(call, place, "InvalidFilter", error.to_string()))?;
    let mut pages = client
        .get_products()
        .service_code(service)
        .filters(in_region)
        .format_version("aws_v1")
        .max_results(PAGE)
        .into_paginator()
        .send();
    let mut products = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(at(place, call))?;
        products.extend(page.price_list.unwrap_or_default());
    }
    Ok(products)
}

impl Answers {
    fn add(&mut self, service: &str, region: String, answer: Result<Vec<String>, AwsError>) {
        let texts = match answer {
            Ok(texts) => texts,
            Err(error) => {
                return self.failures.push(Failure {
                    service: service.to_owned(),
                    region,
                    error,
                });
            }
        };
        for text in texts {
            match parse(&text) {
                Ok(product) => self.products.push(product),
                Err(ProductError::Other) => self.others += 1,
                Err(problem) => self
                    .problems
                    .push(format!("{service} in {region}: {problem}")),
            }
        }
        self.asked.insert((billed_as(service).to_owned(), region));
    }
}
