//! Tests of the cost core through its public interface.

mod copies;
mod examples;
mod measuring;
mod prices;
mod properties;
mod recording;
mod retention;

use std::sync::LazyLock;

use rust_decimal::Decimal;

use super::*;
use crate::spec::Spec;

/// A spec with two accounts; `rest` are its buckets and trails.
fn spec(rest: &str) -> Spec {
    let text = format!(
        "version: 1\nname: test\naccounts:\n  management: {{ id: '111122223333', region: us-east-1 }}\n  \
         member: {{ id: '222233334444', region: us-east-1 }}\norganization: {{ id: o-a1b2c3d4e5 }}\n{rest}"
    );
    serde_yaml::from_str(&text).expect("a spec")
}

/// A spec with a bucket that never deletes and these trails, digests off unless they say otherwise.
fn trails(trails: &[&str]) -> Spec {
    let mut text = String::from("buckets:\n  logs: { account: management, name: logs }\ntrails:\n");
    for (index, trail) in trails.iter().enumerate() {
        text.push_str(&format!(
            "  t{index}: {{ account: management, bucket: logs, log_file_validation: false, {trail} }}\n"
        ));
    }
    spec(&text)
}

const MANAGEMENT: &str = "selectors: [{ name: m, management: all }]";
const S3: &str = "selectors: [{ name: s3, data: 'AWS::S3::Object' }]";

/// Volumes of account 111122223333.
fn volumes(regions: &str) -> Volumes {
    let text = format!("version: 1\nprovenance: measured\naccounts:\n  '111122223333':\n{regions}");
    Volumes::parse(&text).expect("volumes")
}

fn management(region: &str, read: u64, write: u64) -> String {
    format!(
        "    {region}: {{ management: {{ ec2.amazonaws.com: {{ read: {read}, write: {write} }} }} }}\n"
    )
}

static BOOK: LazyLock<PriceBook> = LazyLock::new(PriceBook::embedded);

fn estimated(spec: &Spec, volumes: &Volumes) -> Estimate {
    estimate(spec, volumes, &[], &BOOK, &Options::default())
}

/// Expected USD a month of the lines of a meter; `None` if one of them is unknown or there is none.
fn monthly(estimate: &Estimate, meter: Meter) -> Option<Decimal> {
    let lines = estimate.lines.iter().filter(|line| line.meter == meter);
    let amounts: Option<Vec<Decimal>> = lines.map(|line| Some(line.monthly?.expected)).collect();
    let amounts = amounts.filter(|amounts| !amounts.is_empty())?;
    Some(amounts.into_iter().sum())
}

fn quantity(estimate: &Estimate, meter: Meter) -> Option<Decimal> {
    let lines = estimate.lines.iter().filter(|line| line.meter == meter);
    let quantities: Option<Vec<Decimal>> =
        lines.map(|line| Some(line.quantity?.expected)).collect();
    quantities.map(|quantities| quantities.into_iter().sum())
}

fn dec(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}
