//! Volumes of typical organizations, for those who have no figures yet. All of it is assumed, and marked so.
//!
//! The mix follows what is seen everywhere: most management events are reads, KMS and STS come first, one Region holds
//! most of an account, and data events outnumber management events as soon as S3 is in real use. The range is wide on
//! purpose: a quarter of the expected figure to four times as much.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_name::ByName;
use super::types::Typical;
use super::volumes::{Count, Counts, Provenance, RegionVolumes, Volumes};

/// A typical organization.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// 5 accounts, one busy Region each.
    Small,
    /// 50 accounts, two busy Regions each.
    Medium,
    /// 500 accounts, four busy Regions each.
    Large,
}

/// Regions that every account has unless it disables them.
/// <https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html>
pub const DEFAULT_REGIONS: [&str; 17] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
];

/// Expected events a month of one account in its main Region.
struct Figures {
    accounts: u32,
    busy_regions: usize,
    management_read: u64,
    management_write: u64,
    s3_read: u64,
    s3_write: u64,
    lambda: u64,
    dynamodb_read: u64,
    dynamodb_write: u64,
}

impl Profile {
    fn figures(self) -> Figures {
        match self {
            Self::Small => Figures {
                accounts: 5,
                busy_regions: 1,
                management_read: 150_000,
                management_write: 30_000,
                s3_read: 500_000,
                s3_write: 100_000,
                lambda: 200_000,
                dynamodb_read: 200_000,
                dynamodb_write: 50_000,
            },
            Self::Medium => Figures {
                accounts: 50,
                busy_regions: 2,
                management_read: 400_000,
                management_write: 80_000,
                s3_read: 5_000_000,
                s3_write: 1_000_000,
                lambda: 1_000_000,
                dynamodb_read: 2_000_000,
                dynamodb_write: 500_000,
            },
            Self::Large => Figures {
                accounts: 500,
                busy_regions: 4,
                management_read: 1_000_000,
                management_write: 200_000,
                s3_read: 20_000_000,
                s3_write: 4_000_000,
                lambda: 5_000_000,
                dynamodb_read: 10_000_000,
                dynamodb_write: 2_500_000,
            },
        }
    }
}

/// Share of the management reads and writes in percent, by event source.
const MANAGEMENT_MIX: [(&str, u64, u64); 6] = [
    ("kms.amazonaws.com", 35, 1),
    ("sts.amazonaws.com", 25, 0),
    ("ec2.amazonaws.com", 20, 34),
    ("s3.amazonaws.com", 8, 15),
    ("iam.amazonaws.com", 6, 10),
    ("logs.amazonaws.com", 6, 40),
];

/// The volumes of a typical organization. `known` are account ids of the spec; accounts beyond them get made-up names.
/// `home` is the Region that is busiest where the spec does not say.
pub fn volumes(typical: &Typical, known: &[String], home: &str) -> Volumes {
    let figures = typical.profile.figures();
    let count = typical.accounts.unwrap_or(figures.accounts) as usize;
    let made_up = (1..).map(|number| format!("typical-account-{number}"));
    let mut ids: Vec<String> = known.to_vec();
    ids.sort();
    ids.dedup();
    let ids = ids.into_iter().chain(made_up).take(count);
    let regions = regions(typical, &figures, home);
    Volumes {
        provenance: Provenance::Assumed,
        note: Some(format!(
            "a typical organization ({:?}), not measured",
            typical.profile
        )),
        accounts: ids.map(|id| (id, regions.clone())).collect(),
        ..Volumes::none()
    }
}

fn regions(typical: &Typical, figures: &Figures, home: &str) -> BTreeMap<String, RegionVolumes> {
    let mut busy: Vec<String> = match &typical.regions {
        Some(regions) => regions.clone(),
        None => {
            let others = DEFAULT_REGIONS.iter().filter(|region| **region != home);
            let busy = [&home].into_iter().chain(others).take(figures.busy_regions);
            busy.map(|region| (*region).to_owned()).collect()
        }
    };
    busy.dedup();
    let idle = DEFAULT_REGIONS
        .iter()
        .map(|region| ((*region).to_owned(), idle()));
    let mut regions: BTreeMap<String, RegionVolumes> = idle.collect();
    for (index, region) in busy.into_iter().enumerate() {
        // The first Region holds most of an account.
        let share = if index == 0 { 1 } else { 4 };
        regions.insert(region, active(figures, share));
    }
    regions
}

fn idle() -> RegionVolumes {
    RegionVolumes {
        management: Some(ByName::new()),
        data: Some(ByName::new()),
        network_activity: None,
        ..RegionVolumes::default()
    }
}

fn active(figures: &Figures, share: u64) -> RegionVolumes {
    let management = MANAGEMENT_MIX.iter().map(|(source, read, write)| {
        let reads = figures.management_read * read / 100 / share;
        let writes = figures.management_write * write / 100 / share;
        (*source, counts(reads, writes))
    });
    let data = [
        (
            "s3.amazonaws.com",
            "AWS::S3::Object",
            figures.s3_read,
            figures.s3_write,
        ),
        (
            "lambda.amazonaws.com",
            "AWS::Lambda::Function",
            0,
            figures.lambda,
        ),
        (
            "dynamodb.amazonaws.com",
            "AWS::DynamoDB::Table",
            figures.dynamodb_read,
            figures.dynamodb_write,
        ),
    ];
    let data = data.into_iter().map(|(source, kind, read, write)| {
        let counts = counts(read / share, write / share);
        (source, ByName::from_iter([(kind, counts)]))
    });
    RegionVolumes {
        management: Some(management.collect()),
        data: Some(data.collect()),
        ..RegionVolumes::default()
    }
}

fn counts(read: u64, write: u64) -> Counts {
    let wide = |expected: u64| Count::between(expected / 4, expected, expected * 4);
    Counts {
        read: wide(read),
        write: wide(write),
        ..Counts::default()
    }
}
