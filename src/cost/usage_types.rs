//! The names that AWS's price list and bills have for the meters.
//!
//! A usage type is a Region and a usage, `EUC1-PaidEventsRecorded`. The Region is a billing code, a Region's id
//! (`eu-central-1-KMS-Keys`), or nothing for us-east-1. S3 sells different things under one usage type; there the
//! operation tells them apart.
//! <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-region-billing-codes.html>
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-costs.html>
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/aws-usage-report-understand.html>

use super::meter::{Class, Meter, Speed};

/// Billing codes of Regions. `EUW1` is in AWS's table, `EU` in most bills.
#[rustfmt::skip]
const REGION_CODES: [(&str, &str); 39] = [
    ("AFS1", "af-south-1"), ("APE1", "ap-east-1"), ("APE2", "ap-east-2"), ("APN1", "ap-northeast-1"),
    ("APN2", "ap-northeast-2"), ("APN3", "ap-northeast-3"), ("APS1", "ap-southeast-1"), ("APS2", "ap-southeast-2"),
    ("APS3", "ap-south-1"), ("APS4", "ap-southeast-3"), ("APS5", "ap-south-2"), ("APS6", "ap-southeast-4"),
    ("APS7", "ap-southeast-5"), ("APS8", "ap-southeast-6"), ("APS9", "ap-southeast-7"), ("CAN1", "ca-central-1"),
    ("CAN2", "ca-west-1"), ("CNN1", "cn-north-1"), ("CNW1", "cn-northwest-1"), ("EU", "eu-west-1"),
    ("EUC1", "eu-central-1"), ("EUC2", "eu-central-2"), ("EUN1", "eu-north-1"), ("EUS1", "eu-south-1"),
    ("EUS2", "eu-south-2"), ("EUW1", "eu-west-1"), ("EUW2", "eu-west-2"), ("EUW3", "eu-west-3"),
    ("ILC1", "il-central-1"), ("MEC1", "me-central-1"), ("MES1", "me-south-1"), ("MXC1", "mx-central-1"),
    ("SAE1", "sa-east-1"), ("UGE1", "us-gov-east-1"), ("UGW1", "us-gov-west-1"), ("USE1", "us-east-1"),
    ("USE2", "us-east-2"), ("USW1", "us-west-1"), ("USW2", "us-west-2"),
];

/// Usage of a Region without a prefix.
const HOME_REGION: &str = "us-east-1";

/// Where usage happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BilledRegion<'a> {
    Known(&'a str),
    /// It looks like a billing code, but of no Region that is known here.
    UnknownCode(&'a str),
}

/// The Region and the usage of a usage type.
pub fn split(usage_type: &str) -> (BilledRegion<'_>, &str) {
    if let Some((region, usage)) = REGION_CODES.iter().find_map(|(_, region)| {
        let usage = usage_type.strip_prefix(region)?.strip_prefix('-')?;
        Some((*region, usage))
    }) {
        return (BilledRegion::Known(region), usage);
    }
    match usage_type.split_once('-') {
        Some((code, usage)) => match region_of(code) {
            Some(region) => (BilledRegion::Known(region), usage),
            None if is_like_a_code(code) => (BilledRegion::UnknownCode(code), usage),
            None => (BilledRegion::Known(HOME_REGION), usage_type),
        },
        None => (BilledRegion::Known(HOME_REGION), usage_type),
    }
}

fn region_of(code: &str) -> Option<&'static str> {
    let found = REGION_CODES.iter().find(|(own, _)| *own == code);
    found.map(|(_, region)| *region)
}

/// Capital letters and then a digit, as in `APS7`; words such as `Requests` or `Global` are none.
fn is_like_a_code(text: &str) -> bool {
    let letters = text.trim_end_matches(|c: char| c.is_ascii_digit());
    letters.len() < text.len()
        && (2..=4).contains(&letters.len())
        && letters.chars().all(|c| c.is_ascii_uppercase())
}

/// Every Region with a billing code whose prices are in USD.
pub fn regions() -> Vec<&'static str> {
    let mut regions: Vec<&str> = REGION_CODES.iter().map(|(_, region)| *region).collect();
    regions.retain(|region| crate::spec::partition(region) != "aws-cn");
    regions.sort_unstable();
    regions.dedup();
    regions
}

/// What an operation has to be.
#[derive(Clone, Copy)]
enum Operation {
    Any,
    /// None at all: with one, the usage type means something else.
    Empty,
    Named(&'static str),
}

use Class::{DeepArchive, Glacier, GlacierIr, IntelligentTiering, OnezoneIa, Standard, StandardIa};
use Operation::{Any, Empty, Named};

/// Of some meters the names are not known: see [`is_named`].
#[rustfmt::skip]
const NAMES: [(Meter, &str, Operation); 76] = [
    (Meter::ManagementFirstCopy, "FreeEventsRecorded", Any),
    (Meter::ManagementFurtherCopy, "PaidEventsRecorded", Any),
    (Meter::DataEvents, "DataEventsRecorded", Any),
    (Meter::NetworkActivityEvents, "NetworkEventsRecorded", Any),
    (Meter::InsightsManagement, "InsightsEvents", Any),
    (Meter::InsightsData, "DataInsightsEvents", Any),
    (Meter::LakeIngestLive, "Ingestion-Bytes-1yearstore-Live-CloudTrail-Logs", Any),
    (Meter::LakeIngestOther, "Ingestion-Bytes-1yearstore-Other-data-sources", Any),
    (Meter::LakeIngestSevenYear, "Ingestion-Bytes", Any),
    (Meter::LakeExtendedStorage, "PaidStorage-ByteHrs", Any),
    (Meter::LakeScan, "QueryScanned-Bytes", Any),
    (Meter::LogsIngestion, "DataProcessing-Bytes", Named("PutLogEvents")),
    (Meter::LogsStorage, "TimedStorage-ByteHrs", Named("HourlyStorageMetering")),
    (Meter::LogsInsightsScan, "DataScanned-Bytes", Any),
    (Meter::S3List, "Requests-Tier1", Empty),
    (Meter::S3TieringInfrequent, "TimedStorage-INT-IA-ByteHrs", Any),
    (Meter::S3TieringArchiveInstant, "TimedStorage-INT-AIA-ByteHrs", Any),
    (Meter::S3TieringMonitoring, "Monitoring-Automation-INT", Any),
    (Meter::S3Put(Standard), "Requests-Tier1", Empty),
    (Meter::S3Get(Standard), "Requests-Tier2", Empty),
    (Meter::S3Put(IntelligentTiering), "Requests-INT-Tier1", Any),
    (Meter::S3Get(IntelligentTiering), "Requests-INT-Tier2", Any),
    (Meter::S3Put(StandardIa), "Requests-SIA-Tier1", Any),
    (Meter::S3Get(StandardIa), "Requests-SIA-Tier2", Any),
    (Meter::S3Put(OnezoneIa), "Requests-ZIA-Tier1", Any),
    (Meter::S3Get(OnezoneIa), "Requests-ZIA-Tier2", Any),
    (Meter::S3Put(GlacierIr), "Requests-GIR-Tier1", Any),
    (Meter::S3Get(GlacierIr), "Requests-GIR-Tier2", Any),
    (Meter::S3Put(Glacier), "Requests-GLACIER-Tier1", Named("PutObject")),
    (Meter::S3Get(Glacier), "Requests-GLACIER-Tier2", Any),
    (Meter::S3Put(DeepArchive), "Requests-GDA-Tier1", Any),
    (Meter::S3Get(DeepArchive), "Requests-GDA-Tier2", Any),
    (Meter::S3Storage(Standard), "TimedStorage-ByteHrs", Empty),
    (Meter::S3Storage(IntelligentTiering), "TimedStorage-INT-FA-ByteHrs", Any),
    (Meter::S3Storage(StandardIa), "TimedStorage-SIA-ByteHrs", Any),
    (Meter::S3Storage(OnezoneIa), "TimedStorage-ZIA-ByteHrs", Any),
    (Meter::S3Storage(GlacierIr), "TimedStorage-GIR-ByteHrs", Any),
    (Meter::S3Storage(Glacier), "TimedStorage-GlacierByteHrs", Any),
    (Meter::S3Storage(DeepArchive), "TimedStorage-GDA-ByteHrs", Any),
    (Meter::S3Transition(IntelligentTiering), "Requests-Tier4", Named("S3-INTTransition")),
    (Meter::S3Transition(StandardIa), "Requests-Tier4", Named("S3-SIATransition")),
    (Meter::S3Transition(OnezoneIa), "Requests-Tier4", Named("S3-ZIATransition")),
    (Meter::S3Transition(GlacierIr), "Requests-Tier4", Named("S3-GIRTransition")),
    (Meter::S3Transition(Glacier), "Requests-Tier3", Named("S3-GlacierTransition")),
    (Meter::S3Transition(DeepArchive), "Requests-Tier3", Named("S3-GDATransition")),
    (Meter::S3Retrieval(StandardIa, Speed::Standard), "Retrieval-SIA", Any),
    (Meter::S3Retrieval(OnezoneIa, Speed::Standard), "Retrieval-ZIA", Any),
    (Meter::S3Retrieval(GlacierIr, Speed::Standard), "Retrieval-GIR", Any),
    (Meter::S3Retrieval(Glacier, Speed::Standard), "Standard-Retrieval-Bytes", Named("RestoreObject")),
    (Meter::S3Retrieval(Glacier, Speed::Bulk), "Bulk-Retrieval-Bytes", Named("RestoreObject")),
    (Meter::S3Retrieval(Glacier, Speed::Expedited), "Expedited-Retrieval-Bytes", Any),
    (Meter::S3Retrieval(DeepArchive, Speed::Standard), "Standard-Retrieval-Bytes", Named("DeepArchiveRestoreObject")),
    (Meter::S3Retrieval(DeepArchive, Speed::Bulk), "Bulk-Retrieval-Bytes", Named("DeepArchiveRestoreObject")),
    (Meter::S3Restore(Glacier, Speed::Standard), "Requests-Tier3", Named("RestoreObject")),
    (Meter::S3Restore(Glacier, Speed::Bulk), "Requests-Tier5", Any),
    (Meter::S3Restore(Glacier, Speed::Expedited), "Requests-Tier6", Any),
    (Meter::S3Restore(DeepArchive, Speed::Standard), "Requests-GDA-Tier3", Any),
    (Meter::S3Restore(DeepArchive, Speed::Bulk), "Requests-GDA-Tier5", Any),
    (Meter::KmsKey, "KMS-Keys", Any),
    (Meter::KmsRequests, "KMS-Requests", Any),
    (Meter::EventBridgeCustomEvents, "Event-64K-Chunks", Named("PutEvents")),
    (Meter::EventBridgePartnerEvents, "Event-64K-Chunks", Named("ReceivedPartnerEvents")),
    (Meter::EventBridgeArchiveProcessing, "ArchivedEvents-Bytes", Any),
    (Meter::EventBridgeArchiveStorage, "TimedStorage-ByteHrs", Any),
    (Meter::EventBridgeSchemaDiscovery, "Event-8K-Chunks", Any),
    (Meter::SnsRequests, "Requests-Tier1", Any),
    (Meter::SnsHttp, "DeliveryAttempts-HTTP", Any),
    (Meter::SnsEmail, "DeliveryAttempts-SMTP", Any),
    (Meter::SnsSqsLambda, "DeliveryAttempts-SQS", Any),
    (Meter::SqsRequests, "Requests-Tier1", Any),
    (Meter::SqsRequests, "Requests-RBP", Any),
    (Meter::LambdaRequests, "Request", Any),
    (Meter::LambdaDurationX86, "Lambda-GB-Second", Any),
    (Meter::LambdaDurationArm, "Lambda-GB-Second-ARM", Any),
    (Meter::AthenaScan, "DataScannedInTB", Any),
    (Meter::CostExplorerRequests, "APIRequest", Any),
];

/// The meters of a usage without its Region, of a service as the price book names it. `operation` is `None` where it is
/// not told, as in a bill by usage type: then only what needs none is found.
pub fn meters(service: &str, usage: &str, operation: Option<&str>) -> Vec<Meter> {
    let told = operation.unwrap_or_default();
    let fits = |wanted: &Operation| match wanted {
        Any => true,
        Empty => told.is_empty(),
        Named(name) => *name == told,
    };
    let found = NAMES.iter().filter(|(meter, name, wanted)| {
        *name == usage && meter.service() == service && fits(wanted)
    });
    found.map(|(meter, _, _)| *meter).collect()
}

/// Is it known what AWS calls the meter?
pub fn is_named(meter: Meter) -> bool {
    NAMES.iter().any(|(own, _, _)| *own == meter)
}

/// `<REG>-PaidEventsRecorded`
pub fn pattern(meter: Meter) -> Option<String> {
    let (_, name, _) = NAMES.iter().find(|(own, _, _)| *own == meter)?;
    Some(format!("<REG>-{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_type_is_a_region_and_a_usage() {
        let known = |text: &'static str| match split(text) {
            (BilledRegion::Known(region), usage) => (region, usage),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            known("USE1-PaidEventsRecorded"),
            ("us-east-1", "PaidEventsRecorded")
        );
        assert_eq!(
            known("EU-PaidEventsRecorded"),
            ("eu-west-1", "PaidEventsRecorded")
        );
        assert_eq!(
            known("EUW1-PaidEventsRecorded"),
            ("eu-west-1", "PaidEventsRecorded")
        );
        assert_eq!(known("Requests-Tier1"), ("us-east-1", "Requests-Tier1"));
        assert_eq!(known("eu-central-1-KMS-Keys"), ("eu-central-1", "KMS-Keys"));
        assert_eq!(
            known("Global-KMS-Requests"),
            ("us-east-1", "Global-KMS-Requests")
        );
        assert_eq!(known("Request"), ("us-east-1", "Request"));
        assert_eq!(
            split("XYZ7-PaidEventsRecorded"),
            (BilledRegion::UnknownCode("XYZ7"), "PaidEventsRecorded")
        );
    }

    #[test]
    fn one_usage_type_of_s3_is_many_meters() {
        let of = |usage, operation| meters("AmazonS3", usage, operation);
        assert_eq!(
            of("Requests-Tier1", None),
            [Meter::S3List, Meter::S3Put(Standard)]
        );
        assert_eq!(
            of("Requests-Tier3", Some("RestoreObject")),
            [Meter::S3Restore(Glacier, Speed::Standard)]
        );
        assert_eq!(
            of("Requests-Tier3", Some("S3-GDATransition")),
            [Meter::S3Transition(DeepArchive)]
        );
        assert_eq!(of("Requests-Tier3", None), []);
        // Intelligent-Tiering's overhead per object is sold as storage in STANDARD at another price.
        assert_eq!(
            of("TimedStorage-ByteHrs", Some("INTAAS3ObjectOverhead")),
            []
        );
        // Everything of S3 Tables ends like something of S3.
        assert_eq!(of("Tables-TimedStorage-ByteHrs", None), []);
        assert_eq!(meters("AWSCloudTrail", "Requests-Tier1", None), []);
    }

    #[test]
    fn every_meter_of_the_cloudtrail_bill_has_a_name() {
        let unnamed: Vec<Meter> = Meter::all()
            .into_iter()
            .filter(|meter| meter.service() == "AWSCloudTrail" && !is_named(*meter))
            .collect();
        assert_eq!(
            unnamed,
            [Meter::DataEventAggregation, Meter::CloudWatchDelivery]
        );
    }
}
