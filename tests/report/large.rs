//! A report of a large organization: 2,000 accounts, 400 lines, 84 months.

use orgtrail::render::cost::report::{
    Copy, CostReport, Line, Month, Projection, Provenance, Range, Share,
};

pub const ACCOUNTS: usize = 2000;
pub const LINES: usize = 400;
const REGIONS: [&str; 3] = ["us-east-1", "eu-central-1", "ap-southeast-2"];

pub fn large() -> CostReport {
    let lines: Vec<Line> = (0..LINES).map(line).collect();
    let total: usize = (0..LINES).map(dollars).sum();
    CostReport {
        format_version: "1.0".to_owned(),
        orgtrail_version: "0.1.0".to_owned(),
        generated_at: "2026-11-24T09:30:00Z".to_owned(),
        spec: "group-wide".to_owned(),
        files: vec!["orgtrail.yaml".to_owned()],
        currency: "USD".to_owned(),
        volumes: "Volumes measured from 2026-10-01 to 2026-10-31.".to_owned(),
        total: exactly(total),
        lines,
        attribution: orgtrail::render::cost::report::Attribution {
            accounts: shares(ACCOUNTS),
            selectors: shares(300),
            ..Default::default()
        },
        projection: Some(projection()),
        copies: copies(),
        warnings: (0..50)
            .map(|at| format!("warning {at} of something that a reader should know"))
            .collect(),
        assumptions: (0..20).map(|at| format!("assumption {at}")).collect(),
        ..CostReport::default()
    }
}

fn dollars(line: usize) -> usize {
    (line * 7919) % 900 + 1
}

fn exactly(amount: usize) -> Range {
    Range {
        low: amount.to_string(),
        expected: amount.to_string(),
        high: amount.to_string(),
    }
}

fn line(at: usize) -> Line {
    Line {
        address: format!("trail.team-{}", at / 20),
        part: Some(format!("selector-{}", at % 20)),
        meter: "AWSCloudTrail/data-events".to_owned(),
        label: "data events".to_owned(),
        unit: "events".to_owned(),
        quantity: Some(exactly(dollars(at) * 1_000_000)),
        price: "$0.10 per 100,000".to_owned(),
        monthly: Some(exactly(dollars(at))),
        provenance: Provenance::Measured,
        formula: format!(
            "{} events × $0.10 per 100,000 = ${}",
            dollars(at) * 1_000_000,
            dollars(at)
        ),
        ..Line::default()
    }
}

fn shares(count: usize) -> Vec<Share> {
    let share = |at: usize| Share {
        name: format!("{at:012}"),
        monthly: format!("{}.{:02}", (at * 31) % 977, at % 100),
    };
    (0..count).map(share).collect()
}

fn projection() -> Projection {
    let month = |month: u32| Month {
        month,
        components: [
            ("events", month.min(36) * 10),
            ("storage", month * 3),
            ("requests", 250),
        ]
        .map(|(name, usd)| (name.to_owned(), usd.to_string()))
        .into(),
        storage_gb: [("STANDARD".to_owned(), (month * 1000).to_string())].into(),
        total: (month.min(36) * 10 + month * 3 + 250).to_string(),
    };
    let months: Vec<Month> = (1..=84).map(month).collect();
    let total: u32 = months
        .iter()
        .map(|month| month.total.parse::<u32>().unwrap())
        .sum();
    Projection {
        months,
        steady_from: None,
        total: total.to_string(),
    }
}

/// One row for each account, Region and trail.
fn copies() -> Vec<Copy> {
    let places = (0..ACCOUNTS).flat_map(|account| REGIONS.map(|region| (account, region)));
    let copy = |(account, region): (usize, &str)| {
        ["org", "security"].map(|trail| Copy {
            account: format!("{account:012}"),
            region: region.to_owned(),
            trail: trail.to_owned(),
            events: Some("1000".to_owned()),
            free: trail == "org",
            monthly: (trail != "org").then(|| "0.02".to_owned()),
        })
    };
    places.flat_map(copy).collect()
}
