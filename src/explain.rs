//! Which trails record an event, which condition decides, and what a million of its like cost.

use rust_decimal::Decimal;
use serde_json::Value;

use crate::cost::{Meter, OtherTrail, PriceBook, TrailView, trail_views};
use crate::render::explain::{
    Condition, EventFacts, ExplainReport, FORMAT_VERSION, Price, ResourceFacts, SelectorVerdict,
    TrailVerdict,
};
use crate::selectors::{Event, FieldVerdict, Selectors, explain};
use crate::spec::Spec;

const MILLION: i64 = 1_000_000;

/// Explains a record as CloudTrail writes it.
pub fn report(
    record: &Value,
    spec: &Spec,
    others: &[OtherTrail],
    book: &PriceBook,
) -> ExplainReport {
    let event = Event::from_record(record);
    let facts = facts(record, &event);
    let mut copies = 0;
    // That of the free copy first, as it is billed.
    let trails = trail_views(spec, others).into_iter().map(|view| {
        let verdict = verdict(&view, spec, others, &event, &facts);
        let price = verdict.recorded.then(|| {
            copies += 1;
            price(&event, &facts, &view, copies > 1, book)
        });
        TrailVerdict {
            price: price.flatten(),
            ..verdict
        }
    });
    let mut trails: Vec<TrailVerdict> = trails.collect();
    trails.extend(stopped(spec));
    ExplainReport {
        format_version: FORMAT_VERSION,
        orgtrail_version: env!("CARGO_PKG_VERSION"),
        recorded: trails.iter().any(|trail| trail.recorded),
        event: facts,
        trails,
    }
}

fn facts(record: &Value, event: &Event<'_>) -> EventFacts {
    let text = |name: &str| {
        let text = record.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    EventFacts {
        id: text("eventID"),
        time: text("eventTime"),
        source: text("eventSource"),
        name: text("eventName"),
        category: event.category.clone().into_owned(),
        read_only: event.read_only,
        account: text("recipientAccountId").or_else(|| text("accountId")),
        region: text("awsRegion"),
        principal: event.user_identity_arn.as_deref().map(str::to_owned),
        resources: event
            .resources
            .iter()
            .map(|resource| ResourceFacts {
                kind: resource.resource_type.as_deref().map(str::to_owned),
                arn: resource.arn.as_deref().map(str::to_owned),
            })
            .collect(),
    }
}

fn verdict(
    view: &TrailView,
    spec: &Spec,
    others: &[OtherTrail],
    event: &Event<'_>,
    facts: &EventFacts,
) -> TrailVerdict {
    let why_not = out_of_reach(view, event, facts);
    let selectors = selectors(view, spec, others);
    let verdicts = selectors
        .to_advanced()
        .into_iter()
        .enumerate()
        .map(|(index, selector)| {
            let fields = explain(&selector, event);
            SelectorVerdict {
                selector: match &selector.name {
                    Some(name) => name.clone(),
                    None => format!("selector {}", index + 1),
                },
                recorded: fields.iter().all(|field| field.passed),
                conditions: fields.iter().map(condition).collect(),
            }
        });
    let verdicts: Vec<SelectorVerdict> = verdicts.collect();
    TrailVerdict {
        trail: view.address.clone(),
        recorded: why_not.is_none() && verdicts.iter().any(|verdict| verdict.recorded),
        why_not,
        selectors: verdicts,
        price: None,
    }
}

fn selectors(view: &TrailView, spec: &Spec, others: &[OtherTrail]) -> Selectors {
    let ours = view.name.as_ref().and_then(|name| spec.trails.get(name));
    let of_others = || {
        let mut others = others.iter();
        let found =
            others.find(|other| other.name == view.address && other.account_id == view.account_id);
        found
            .and_then(|other| other.selectors.clone())
            .unwrap_or_default()
    };
    ours.map_or_else(of_others, |trail| trail.selectors())
}

/// What keeps an event from a trail before any selector is asked.
fn out_of_reach(view: &TrailView, event: &Event<'_>, facts: &EventFacts) -> Option<String> {
    match event.category.as_ref() {
        "Insight" => {
            return Some("Insights events follow from `insights`, not from selectors".to_owned());
        }
        "Aggregated" => {
            return Some(
                "aggregated events follow from `aggregation`, not from selectors".to_owned(),
            );
        }
        _ => {}
    }
    // A record that does not say where it is from may be from anywhere.
    let account = facts.account.as_deref().unwrap_or(&view.account_id);
    let region = facts.region.as_deref().unwrap_or(&view.region);
    if view.covers(account, region) {
        return None;
    }
    Some(match view.covers(account, &view.region) {
        true => format!(
            "it records in {} only, and this is in {region}",
            view.region
        ),
        false => format!(
            "it records account {} only, and this is of {account}",
            view.account_id
        ),
    })
}

fn condition(verdict: &FieldVerdict<'_>) -> Condition {
    Condition {
        field: verdict.field.to_owned(),
        actual: verdict.actual.clone(),
        passed: verdict.passed,
        text: verdict.to_string(),
    }
}

fn stopped(spec: &Spec) -> impl Iterator<Item = TrailVerdict> {
    let stopped = spec.trails.iter().filter(|(_, trail)| !trail.logging);
    stopped.map(|(name, _)| TrailVerdict {
        trail: format!("trail.{name}"),
        recorded: false,
        why_not: Some("it is stopped".to_owned()),
        selectors: Vec::new(),
        price: None,
    })
}

fn price(
    event: &Event<'_>,
    facts: &EventFacts,
    view: &TrailView,
    further: bool,
    book: &PriceBook,
) -> Option<Price> {
    let (meter, what) = match event.category.as_ref() {
        "Management" if further => (
            Meter::ManagementFurtherCopy,
            "management events, a further copy",
        ),
        "Management" => (
            Meter::ManagementFirstCopy,
            "management events, the first copy",
        ),
        "Data" => (Meter::DataEvents, "data events"),
        "NetworkActivity" => (Meter::NetworkActivityEvents, "network activity events"),
        _ => return None,
    };
    let region = facts.region.as_deref().unwrap_or(&view.region);
    let cost = book.cost(meter, region, Decimal::from(MILLION));
    Some(Price {
        what: what.to_owned(),
        region: region.to_owned(),
        usd_per_million: cost.map(|usd| usd.round_dp(2).to_string()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec() -> Spec {
        serde_yaml::from_str(
            "version: 1\nname: t\naccounts:\n  m: { id: '111122223333', region: us-east-1 }\n  \
             w: { id: '222233334444', region: us-east-1 }\norganization: { id: o-a1b2c3d4e5 }\n\
             buckets: { logs: { account: m, name: logs } }\ntrails:\n  \
             org: { account: m, organization: true, bucket: logs, selectors: [{ name: m, management: all }, \
             { name: payments, data: 'AWS::S3::Object', resources.ARN: { StartsWith: ['arn:aws:s3:::pay/'] } }] }\n  \
             own: { account: w, bucket: logs, multi_region: false }\n  off: { account: w, bucket: logs, logging: false }\n",
        )
        .expect("a spec")
    }

    fn explained(record: Value) -> ExplainReport {
        report(&record, &spec(), &[], &PriceBook::embedded())
    }

    #[test]
    fn the_second_copy_of_a_management_event_is_paid() {
        let report = explained(
            json!({"eventCategory": "Management", "eventSource": "iam.amazonaws.com",
            "eventName": "CreateUser", "readOnly": false, "recipientAccountId": "222233334444", "awsRegion": "us-east-1"}),
        );
        let prices: Vec<_> = report
            .trails
            .iter()
            .map(|t| t.price.as_ref().and_then(|p| p.usd_per_million.as_deref()))
            .collect();
        assert_eq!(prices, [Some("0"), Some("20.00"), None]);
        assert_eq!(report.trails[2].why_not.as_deref(), Some("it is stopped"));
    }

    #[test]
    fn the_deciding_condition_and_the_reach_are_told() {
        let record = |arn: &str| {
            json!({"eventCategory": "Data", "eventSource": "s3.amazonaws.com", "eventName": "GetObject", "readOnly": true,
                "recipientAccountId": "222233334444", "awsRegion": "eu-west-1", "resources": [{"type": "AWS::S3::Object", "ARN": arn}]})
        };
        let other = explained(record("arn:aws:s3:::other/x"));
        assert!(!other.recorded);
        let failing = other.trails[0].selectors[1]
            .conditions
            .iter()
            .find(|c| !c.passed)
            .expect("a reason");
        assert_eq!(
            failing.text,
            "resources.ARN (arn:aws:s3:::other/x) fails: no positive operator hits"
        );
        assert_eq!(
            other.trails[1].why_not.as_deref(),
            Some("it records in us-east-1 only, and this is in eu-west-1")
        );
        let own = explained(record("arn:aws:s3:::pay/x"));
        let price = own.trails[0]
            .price
            .as_ref()
            .and_then(|price| price.usd_per_million.as_deref());
        assert_eq!((own.recorded, price), (true, Some("1.00")));
    }
}
