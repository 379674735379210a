//! Answers of `GetCostAndUsage`, as the API and `aws ce get-cost-and-usage` write them.
//!
//! ```json
//! {"GroupDefinitions": [{"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
//!  "ResultsByTime": [{"TimePeriod": {"Start": "2026-10-01", "End": "2026-11-01"}, "Estimated": false, "Groups": [
//!    {"Keys": ["111122223333", "USE1-FreeEventsRecorded"],
//!     "Metrics": {"UsageQuantity": {"Amount": "754377.0", "Unit": "Events"},
//!                 "UnblendedCost": {"Amount": "0", "Unit": "USD"}}}]}]}
//! ```

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;
use time::Date;
use time::macros::format_description;

use super::period::{Month, Period};

/// What CloudTrail was billed for in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    pub period: Period,
    /// AWS may still change it.
    pub estimated: bool,
    pub usage: Vec<BilledUsage>,
}

/// The usage of one type in one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BilledUsage {
    pub account: String,
    pub usage_type: String,
    pub quantity: Decimal,
    pub usd: Decimal,
}

/// Why a text is no bill.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BillError {
    #[error("not an answer of GetCostAndUsage: {0}")]
    Format(String),
    #[error(
        "it is not grouped by LINKED_ACCOUNT and USAGE_TYPE; ask for it with --group-by \
         Type=DIMENSION,Key=LINKED_ACCOUNT Type=DIMENSION,Key=USAGE_TYPE"
    )]
    Groups,
    #[error("it has no {0}; ask for it with --metrics UsageQuantity UnblendedCost")]
    Metric(&'static str),
    #[error("it is in {0}; amounts in other currencies than USD cannot be compared")]
    Currency(String),
    #[error("it is only the first page: it has a NextPageToken")]
    Page,
    #[error("it has no month")]
    Empty,
    #[error("it has no {0}, only {1}")]
    Month(Month, String),
    #[error("it has several months ({0}); say which one: --month YYYY-MM")]
    Months(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    #[serde(default)]
    pub next_page_token: Option<String>,
    #[serde(default)]
    pub group_definitions: Vec<GroupDefinition>,
    #[serde(default)]
    pub results_by_time: Vec<ResultByTime>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GroupDefinition {
    pub key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ResultByTime {
    pub time_period: TimePeriod,
    #[serde(default)]
    pub estimated: bool,
    #[serde(default)]
    pub groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TimePeriod {
    pub start: String,
    pub end: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Group {
    pub keys: Vec<String>,
    pub metrics: BTreeMap<String, Metric>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Metric {
    pub amount: String,
    #[serde(default)]
    pub unit: String,
}

pub(super) const ACCOUNT: &str = "LINKED_ACCOUNT";
pub(super) const USAGE_TYPE: &str = "USAGE_TYPE";
pub(super) const QUANTITY: &str = "UsageQuantity";
pub(super) const COST: &str = "UnblendedCost";

/// Reads a stored answer. Without `month` it must have only one.
pub fn parse(text: &str, month: Option<Month>) -> Result<Bill, BillError> {
    let answer: Answer =
        serde_json::from_str(text).map_err(|error| BillError::Format(error.to_string()))?;
    bill(&[answer], month)
}

/// The bill in the pages of an answer.
pub(super) fn bill(pages: &[Answer], month: Option<Month>) -> Result<Bill, BillError> {
    let more = |page: &Answer| {
        page.next_page_token
            .as_ref()
            .is_some_and(|token| !token.is_empty())
    };
    if pages.last().is_some_and(more) {
        return Err(BillError::Page);
    }
    let mut bills: BTreeMap<Month, Bill> = BTreeMap::new();
    for page in pages {
        let keys = positions(page)?;
        for result in &page.results_by_time {
            let period = result.time_period.parse()?;
            let bill = bills.entry(period.month()).or_insert(Bill {
                period,
                estimated: false,
                usage: Vec::new(),
            });
            bill.estimated |= result.estimated;
            for group in &result.groups {
                bill.usage.push(group.usage(keys)?);
            }
        }
    }
    choose(bills, month)
}

fn choose(mut bills: BTreeMap<Month, Bill>, month: Option<Month>) -> Result<Bill, BillError> {
    let months: Vec<String> = bills.keys().map(Month::to_string).collect();
    let months = months.join(", ");
    match (month, bills.len()) {
        (_, 0) => Err(BillError::Empty),
        (Some(month), _) => bills.remove(&month).ok_or(BillError::Month(month, months)),
        (None, 1) => bills
            .pop_first()
            .map(|(_, bill)| bill)
            .ok_or(BillError::Empty),
        (None, _) => Err(BillError::Months(months)),
    }
}

/// Where account and usage type stand among the keys of a group.
fn positions(page: &Answer) -> Result<(usize, usize), BillError> {
    let position = |key: &str| {
        page.group_definitions
            .iter()
            .position(|group| group.key == key)
    };
    position(ACCOUNT)
        .zip(position(USAGE_TYPE))
        .ok_or(BillError::Groups)
}

impl TimePeriod {
    fn parse(&self) -> Result<Period, BillError> {
        let date = |text: &str| {
            let day = text.get(..10).unwrap_or(text);
            Date::parse(day, format_description!("[year]-[month]-[day]"))
                .map_err(|_| BillError::Format(format!("`{text}` is not a date")))
        };
        Ok(Period {
            from: date(&self.start)?,
            to: date(&self.end)?,
        })
    }
}

impl Group {
    fn usage(&self, (account, usage_type): (usize, usize)) -> Result<BilledUsage, BillError> {
        let key = |index: usize| self.keys.get(index).cloned().ok_or(BillError::Groups);
        let metric = |name: &'static str| self.metrics.get(name).ok_or(BillError::Metric(name));
        let cost = metric(COST)?;
        let usd = cost.number()?;
        // Usage that costs nothing has a currency of "N/A" or none.
        if !usd.is_zero() && cost.unit != "USD" {
            return Err(BillError::Currency(cost.unit.clone()));
        }
        Ok(BilledUsage {
            account: key(account)?,
            usage_type: key(usage_type)?,
            quantity: metric(QUANTITY)?.number()?,
            usd,
        })
    }
}

impl Metric {
    fn number(&self) -> Result<Decimal, BillError> {
        let text = self.amount.as_str();
        text.parse()
            .or_else(|_| Decimal::from_scientific(text))
            .map_err(|_| BillError::Format(format!("`{text}` is not a number")))
    }
}
