//! The projection: the months to come, one by one.

use super::book::PriceBook;
use super::estimate::Estimate;
use super::meter::Meter;
use super::months::{At, BucketFlow, Charges, KeyFlow, Month, MonthLine, bill};
use super::number::Range;

/// The first `months` months of an empty bucket and a new key. What has no known price is left out, as in the total.
pub fn project(estimate: &Estimate, book: &PriceBook, months: u32) -> Vec<Month> {
    let flows = &estimate.flows;
    let charges: Vec<[Charges; 3]> = flows.buckets.iter().map(BucketFlow::charges).collect();
    let recording = recording(estimate);
    (1..=months)
        .map(|month| at(At::Month(month), month, estimate, &charges, recording, book))
        .collect()
}

/// The month after which nothing changes any more, computed in closed form; `None` if something is kept for ever.
pub fn steady_state(estimate: &Estimate, book: &PriceBook) -> Option<Month> {
    let flows = &estimate.flows;
    let charges: Vec<[Charges; 3]> = flows.buckets.iter().map(BucketFlow::charges).collect();
    let mut month = 1;
    for charges in charges.iter().flatten() {
        month = month.max(charges.steady_month()?);
    }
    for key in &flows.keys {
        month = month.max(key.steady_month());
    }
    Some(at(
        At::Steady,
        month,
        estimate,
        &charges,
        recording(estimate),
        book,
    ))
}

/// What the trails cost in every month alike.
fn recording(estimate: &Estimate) -> Range {
    let lines = estimate
        .lines
        .iter()
        .filter(|line| line.address.starts_with("trail."));
    lines.filter_map(|line| line.monthly).sum()
}

fn at(
    at: At,
    month: u32,
    estimate: &Estimate,
    charges: &[[Charges; 3]],
    recording: Range,
    book: &PriceBook,
) -> Month {
    let mut lines = Vec::new();
    for (bucket, charges) in estimate.flows.buckets.iter().zip(charges) {
        lines.extend(bucket_lines(bucket, charges, at, book));
    }
    for key in &estimate.flows.keys {
        lines.extend(key_lines(key, at, book));
    }
    let monthly: Range = lines.iter().map(|line| line.monthly).sum();
    Month {
        month,
        recording,
        lines,
        total: recording + monthly,
    }
}

fn bucket_lines(
    bucket: &BucketFlow,
    charges: &[Charges; 3],
    at: At,
    book: &PriceBook,
) -> Vec<MonthLine> {
    let billed = bill(charges, [at; 3], &bucket.region, book).into_iter();
    let lines = billed.filter_map(|billed| {
        Some(MonthLine {
            address: bucket.address.clone(),
            label: billed.part.label(),
            meter: billed.part.meter(),
            quantity: billed.quantity,
            monthly: billed.monthly?,
        })
    });
    lines.collect()
}

fn key_lines(key: &KeyFlow, at: At, book: &PriceBook) -> Vec<MonthLine> {
    let versions = [
        (Meter::KmsKey, "KMS key", rust_decimal::Decimal::ONE),
        (
            Meter::KmsKeyRotation,
            "KMS key, versions after rotation",
            key.rotated_versions(at),
        ),
    ];
    let lines = versions
        .into_iter()
        .filter(|(_, _, months)| !months.is_zero());
    let lines = lines.filter_map(|(meter, label, months)| {
        Some(MonthLine {
            address: key.address.clone(),
            label: label.to_owned(),
            meter,
            quantity: Range::exactly(months),
            monthly: Range::exactly(book.cost(meter, &key.region, months)?),
        })
    });
    lines.collect()
}
