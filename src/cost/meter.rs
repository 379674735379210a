//! What AWS meters: every usage that this crate can price, by service and by its name in the price book.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::lifecycle::StorageClass;

/// A storage class of S3 that has a price, warm to cold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Class {
    Standard,
    StandardIa,
    IntelligentTiering,
    OnezoneIa,
    GlacierIr,
    Glacier,
    DeepArchive,
}

pub const KIB: u64 = 1024;
/// S3 counts in binary gigabytes: <https://aws.amazon.com/s3/faqs/>, "How will I be charged and billed".
pub const GIB: u64 = 1 << 30;

impl Class {
    pub const ALL: [Self; 7] = [
        Self::Standard,
        Self::StandardIa,
        Self::IntelligentTiering,
        Self::OnezoneIa,
        Self::GlacierIr,
        Self::Glacier,
        Self::DeepArchive,
    ];

    /// The class of a transition; `None` for one that this crate does not know.
    pub fn of(class: &StorageClass) -> Option<Self> {
        match class {
            StorageClass::StandardIa => Some(Self::StandardIa),
            StorageClass::IntelligentTiering => Some(Self::IntelligentTiering),
            StorageClass::OnezoneIa => Some(Self::OnezoneIa),
            StorageClass::GlacierIr => Some(Self::GlacierIr),
            StorageClass::Glacier => Some(Self::Glacier),
            StorageClass::DeepArchive => Some(Self::DeepArchive),
            StorageClass::Other(_) => None,
        }
    }

    /// The class as a lifecycle rule names it; `None` for STANDARD, to which nothing moves.
    pub fn to_lifecycle(self) -> Option<StorageClass> {
        match self {
            Self::Standard => None,
            other => Some(StorageClass::from(other.as_str().to_owned())),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::StandardIa => "STANDARD_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::GlacierIr => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }

    /// Days for which an object is billed at least.
    pub fn minimum_days(self) -> u32 {
        self.to_lifecycle().map_or(0, |class| class.minimum_days())
    }

    /// Days that are still billed when an object leaves the class after `days` in it.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>
    pub fn early_delete_days(self, days: u32) -> u32 {
        self.minimum_days().saturating_sub(days)
    }

    /// Bytes that an object is billed for at least.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html>
    pub fn minimum_bytes(self) -> u64 {
        match self {
            Self::StandardIa | Self::OnezoneIa | Self::GlacierIr => 128 * KIB,
            _ => 0,
        }
    }

    /// Bytes added to each object: at the rate of the class, and at the rate of STANDARD.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>
    pub fn overhead_bytes(self) -> (u64, u64) {
        match self {
            Self::Glacier | Self::DeepArchive => (32 * KIB, 8 * KIB),
            _ => (0, 0),
        }
    }

    /// May objects of `self` move to `colder`?
    pub fn may_move_to(self, colder: Self) -> bool {
        self < colder && !(self == Self::OnezoneIa && colder == Self::GlacierIr)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A usage with a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meter {
    /// The first copy of a management event in an account and Region.
    ManagementFirstCopy,
    ManagementFurtherCopy,
    DataEvents,
    NetworkActivityEvents,
    InsightsManagement,
    InsightsData,
    DataEventAggregation,
    LakeIngestLive,
    LakeIngestOther,
    LakeIngestSevenYear,
    LakeExtendedStorage,
    LakeScan,
    CloudWatchDelivery,
    LogsIngestion,
    LogsStorage,
    LogsInsightsScan,
    S3Put(Class),
    S3Get(Class),
    S3List,
    S3Storage(Class),
    /// Intelligent-Tiering after 30 days without access.
    S3TieringInfrequent,
    /// Intelligent-Tiering after 90 days without access.
    S3TieringArchiveInstant,
    S3TieringMonitoring,
    S3Transition(Class),
    S3Retrieval(Class, Speed),
    S3Restore(Class, Speed),
    KmsKey,
    /// Each of the first two rotations adds a key version that is billed.
    KmsKeyRotation,
    KmsRequests,
    EventBridgeAwsEvents,
    EventBridgeCustomEvents,
    EventBridgePartnerEvents,
    EventBridgeCrossAccount,
    EventBridgeArchiveProcessing,
    EventBridgeArchiveStorage,
    EventBridgeSchemaDiscovery,
    SnsRequests,
    SnsHttp,
    SnsEmail,
    SnsSqsLambda,
    SqsRequests,
    LambdaRequests,
    LambdaDurationX86,
    LambdaDurationArm,
    AthenaScan,
    CostExplorerRequests,
}

/// How fast archived objects are brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Speed {
    Standard,
    Bulk,
    Expedited,
}

impl Meter {
    /// Every meter without a storage class: its service and its usage in the price book.
    #[rustfmt::skip]
    const PLAIN: [(Self, &'static str, &'static str); 40] = [
        (Self::ManagementFirstCopy, CLOUDTRAIL, "management-events-first-copy"),
        (Self::ManagementFurtherCopy, CLOUDTRAIL, "management-events-additional-copy"),
        (Self::DataEvents, CLOUDTRAIL, "data-events"),
        (Self::NetworkActivityEvents, CLOUDTRAIL, "network-activity-events"),
        (Self::InsightsManagement, CLOUDTRAIL, "insights-management-events-analyzed"),
        (Self::InsightsData, CLOUDTRAIL, "insights-data-events-analyzed"),
        (Self::DataEventAggregation, CLOUDTRAIL, "data-event-aggregation"),
        (Self::LakeIngestLive, CLOUDTRAIL, "lake-1yr-ingest-live-cloudtrail"),
        (Self::LakeIngestOther, CLOUDTRAIL, "lake-1yr-ingest-other"),
        (Self::LakeIngestSevenYear, CLOUDTRAIL, "lake-7yr-ingest"),
        (Self::LakeExtendedStorage, CLOUDTRAIL, "lake-1yr-extended-retention"),
        (Self::LakeScan, CLOUDTRAIL, "lake-query-scanned"),
        (Self::CloudWatchDelivery, CLOUDTRAIL, "cloudwatch-direct-delivery"),
        (Self::LogsIngestion, CLOUDWATCH, "logs-ingestion-standard"),
        (Self::LogsStorage, CLOUDWATCH, "logs-storage"),
        (Self::LogsInsightsScan, CLOUDWATCH, "logs-insights-scan"),
        (Self::S3List, S3, "requests-LIST"),
        (Self::S3TieringInfrequent, S3, "storage-INTELLIGENT_TIERING-IA"),
        (Self::S3TieringArchiveInstant, S3, "storage-INTELLIGENT_TIERING-AIA"),
        (Self::S3TieringMonitoring, S3, "monitoring-INTELLIGENT_TIERING"),
        (Self::KmsKey, KMS, "customer-managed-key"),
        (Self::KmsKeyRotation, KMS, "key-rotation-first-and-second"),
        (Self::KmsRequests, KMS, "requests-symmetric-or-RSA2048"),
        (Self::EventBridgeAwsEvents, EVENTS, "aws-service-events"),
        (Self::EventBridgeCustomEvents, EVENTS, "custom-events"),
        (Self::EventBridgePartnerEvents, EVENTS, "partner-events"),
        (Self::EventBridgeCrossAccount, EVENTS, "cross-account-target-delivery"),
        (Self::EventBridgeArchiveProcessing, EVENTS, "archive-processing"),
        (Self::EventBridgeArchiveStorage, EVENTS, "archive-storage"),
        (Self::EventBridgeSchemaDiscovery, EVENTS, "schema-discovery"),
        (Self::SnsRequests, SNS, "api-requests-standard"),
        (Self::SnsHttp, SNS, "deliver-http"),
        (Self::SnsEmail, SNS, "deliver-email"),
        (Self::SnsSqsLambda, SNS, "deliver-sqs-lambda"),
        (Self::SqsRequests, "AWSQueueService", "requests-standard"),
        (Self::AthenaScan, "AmazonAthena", "data-scanned"),
        (Self::LambdaRequests, LAMBDA, "requests"),
        (Self::LambdaDurationX86, LAMBDA, "duration-x86"),
        (Self::LambdaDurationArm, LAMBDA, "duration-arm"),
        (Self::CostExplorerRequests, "AWSCostExplorer", "api-request"),
    ];

    /// Every meter, in the order in which they are listed.
    pub fn all() -> Vec<Self> {
        let mut all: Vec<Self> = Self::PLAIN.iter().map(|(meter, _, _)| *meter).collect();
        for class in Class::ALL {
            all.extend([Self::S3Put(class), Self::S3Get(class)]);
            all.extend([Self::S3Storage(class), Self::S3Transition(class)]);
            for speed in [Speed::Standard, Speed::Bulk, Speed::Expedited] {
                all.extend([
                    Self::S3Retrieval(class, speed),
                    Self::S3Restore(class, speed),
                ]);
            }
        }
        all.sort();
        all
    }

    fn plain(self) -> Option<(&'static str, &'static str)> {
        let found = Self::PLAIN.iter().find(|(meter, _, _)| *meter == self)?;
        Some((found.1, found.2))
    }

    /// The service code that AWS bills under.
    pub fn service(self) -> &'static str {
        self.plain().map_or(S3, |(service, _)| service)
    }

    /// The usage's name in the price book.
    pub fn usage(self) -> String {
        if let Some((_, usage)) = self.plain() {
            return usage.to_owned();
        }
        match self {
            Self::S3Put(class) => format!("requests-PUT-{class}"),
            Self::S3Get(class) => format!("requests-GET-{class}"),
            Self::S3Storage(Class::IntelligentTiering) => {
                "storage-INTELLIGENT_TIERING-FA".to_owned()
            }
            Self::S3Storage(class) => format!("storage-{class}"),
            Self::S3Transition(class) => format!("transition-to-{class}"),
            Self::S3Retrieval(class @ (Class::Glacier | Class::DeepArchive), speed) => {
                format!("retrieval-{class}-{}", speed.as_str())
            }
            Self::S3Retrieval(class, _) => format!("retrieval-{class}"),
            Self::S3Restore(class, speed) => format!("restore-request-{class}-{}", speed.as_str()),
            _ => String::new(),
        }
    }
}

const CLOUDTRAIL: &str = "AWSCloudTrail";
const CLOUDWATCH: &str = "AmazonCloudWatch";
const EVENTS: &str = "AWSEvents";
const KMS: &str = "awskms";
const LAMBDA: &str = "AWSLambda";
const S3: &str = "AmazonS3";
const SNS: &str = "AmazonSNS";

impl Speed {
    fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Bulk => "bulk",
            Self::Expedited => "expedited",
        }
    }
}

/// `AWSCloudTrail/data-events`.
impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service(), self.usage())
    }
}

impl Serialize for Meter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
