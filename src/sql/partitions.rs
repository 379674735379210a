//! By which columns a table is divided, so that a query reads no more than it must.
//!
//! With partition projection the location template says it: the columns are the folders of
//! `AWSLogs/[ORGANIZATION/]ACCOUNT/CloudTrail/REGION/YEAR/MONTH/DAY`. Without, the columns go by their usual names.
//! <https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html>

use std::collections::BTreeMap;

use time::Date;

use super::table::{Metadata, Name, Unusable};
use super::text::{identifier, literal, literals};

const TEMPLATE: &str = "storage.location.template";

/// What the files of a table are, by their folder.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// `CloudTrail`: management and data events.
    Logs,
    /// `CloudTrail-NetworkActivity`
    NetworkActivity,
    /// `CloudTrail-Insight`, `CloudTrail-Aggregated`
    Other,
    /// The table does not say, or has them all.
    All,
}

impl Folder {
    /// Where a table has one folder and no more.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Logs => Some("CloudTrail"),
            Self::NetworkActivity => Some("CloudTrail-NetworkActivity"),
            Self::Other | Self::All => None,
        }
    }

    /// Whether all events of a category are in the table.
    pub fn holds(self, category: &str) -> bool {
        match self {
            Self::Logs => matches!(category, "Management" | "Data"),
            Self::NetworkActivity => category == "NetworkActivity",
            Self::Other => false,
            Self::All => true,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partitions {
    pub account: Option<Partition>,
    pub region: Option<Partition>,
    day: Day,
}

/// A partition column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub column: String,
    kind: Kind,
    /// The values that the table declares, where it does.
    pub values: Vec<String>,
    /// Queries must name its values (`injected`).
    pub must_be_named: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Date,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Day {
    /// The date in one column, with this between its parts.
    Whole {
        column: Partition,
        separator: String,
    },
    /// Year, month and day.
    Parts([Partition; 3]),
}

/// The folder that a table reads, by its location.
pub fn folder(parameters: &BTreeMap<String, String>) -> Folder {
    let location = parameters
        .get(TEMPLATE)
        .or_else(|| parameters.get("location"));
    let folder = location.and_then(|location| {
        let mut parts = location.split('/');
        parts.find(|part| part.starts_with("CloudTrail"))
    });
    let known = [Folder::Logs, Folder::NetworkActivity];
    match folder {
        None => Folder::All,
        found => known
            .into_iter()
            .find(|known| known.name() == found)
            .unwrap_or(Folder::Other),
    }
}

impl Partitions {
    pub fn of(name: &Name, metadata: &Metadata) -> Result<Self, Unusable> {
        let found = match metadata.parameters.get(TEMPLATE) {
            Some(template) => Self::by_template(template, metadata),
            None => Self::by_name(metadata),
        };
        found.ok_or_else(|| {
            let keys = metadata.partition_keys.iter();
            let keys: Vec<&str> = keys.map(|(name, _)| name.as_str()).collect();
            let keys = match keys.is_empty() {
                true => "none".to_owned(),
                false => keys.join(", "),
            };
            Unusable::new(
                format!(
                    "the partition columns of {name} ({keys}) do not say how to read single days, so that every query would \
                     read the whole log"
                ),
                "use a table with partition projection beside it, such as the one whose definition orgtrail prints",
            )
        })
    }

    /// Those of [`super::definition()`].
    pub fn defined() -> Self {
        let text = |column: &str| Partition {
            column: column.to_owned(),
            kind: Kind::Text,
            values: Vec::new(),
            must_be_named: false,
        };
        Self {
            account: Some(text("account")),
            region: Some(text("region")),
            day: Day::Whole {
                column: text("day"),
                separator: "/".to_owned(),
            },
        }
    }

    fn by_template(template: &str, metadata: &Metadata) -> Option<Self> {
        let parts: Vec<&str> = template.split('/').collect();
        let folder = parts
            .iter()
            .position(|part| part.starts_with("CloudTrail"))?;
        let column = |part: Option<&&str>| {
            let name = part?.strip_prefix("${")?.strip_suffix('}')?;
            Partition::of(name, metadata)
        };
        let rest = parts.get(folder + 2..)?;
        let day = match rest {
            [whole] | [whole, ""] => Day::whole(column(Some(whole))?, metadata)?,
            [year, month, day, ..] => {
                let part = |part| column(Some(part));
                Day::Parts([part(year)?, part(month)?, part(day)?])
            }
            _ => return None,
        };
        Some(Self {
            account: column(folder.checked_sub(1).and_then(|at| parts.get(at))),
            region: column(parts.get(folder + 1)),
            day,
        })
    }

    fn by_name(metadata: &Metadata) -> Option<Self> {
        let column = |names: &[&str]| names.iter().find_map(|name| Partition::of(name, metadata));
        Some(Self {
            account: column(&["account", "accountid", "account_id"]),
            region: column(&["region"]),
            day: Day::Parts([column(&["year"])?, column(&["month"])?, column(&["day"])?]),
        })
    }

    /// The condition for the days from the first to the last.
    pub fn days(&self, first: Date, last: Date) -> String {
        match &self.day {
            Day::Whole { column, separator } => {
                let text = |date: Date| {
                    let month = u8::from(date.month());
                    format!(
                        "{:04}{separator}{month:02}{separator}{:02}",
                        date.year(),
                        date.day()
                    )
                };
                let name = identifier(&column.column);
                let (first, last) = (column.value(&text(first)), column.value(&text(last)));
                format!("{name} BETWEEN {first} AND {last}")
            }
            Day::Parts([year, month, day]) => {
                let months = months(first, last).into_iter().map(|(y, m, days)| {
                    let days = days.map(|d| day.value(&format!("{d:02}")));
                    let days: Vec<String> = days.collect();
                    format!(
                        "({} = {} AND {} = {} AND {} IN ({}))",
                        identifier(&year.column),
                        year.value(&format!("{y:04}")),
                        identifier(&month.column),
                        month.value(&format!("{m:02}")),
                        identifier(&day.column),
                        days.join(", ")
                    )
                });
                let months: Vec<String> = months.collect();
                format!("({})", months.join(" OR "))
            }
        }
    }
}

/// Year, month and days of it, of each month from the first to the last day.
fn months(first: Date, last: Date) -> Vec<(i32, u8, std::ops::RangeInclusive<u8>)> {
    let mut months = Vec::new();
    let mut from = first;
    while from <= last {
        let end = from.month().length(from.year());
        let end_of_month = from.replace_day(end).unwrap_or(last);
        let until = end_of_month.min(last);
        months.push((from.year(), from.month().into(), from.day()..=until.day()));
        match until.next_day() {
            Some(next) => from = next,
            None => break,
        }
    }
    months
}

impl Day {
    /// A date column whose form can be compared as text.
    fn whole(column: Partition, metadata: &Metadata) -> Option<Self> {
        let form = format!("projection.{}.format", column.column);
        let form = metadata.parameters.get(&form)?;
        let separator = form.strip_prefix("yyyy")?.strip_suffix("dd")?;
        let (separator, again) = separator.split_once("MM")?;
        (separator == again).then(|| Self::Whole {
            column,
            separator: separator.to_owned(),
        })
    }
}

impl Partition {
    fn of(name: &str, metadata: &Metadata) -> Option<Self> {
        let name = name.to_lowercase();
        let mut keys = metadata.partition_keys.iter();
        let (_, kind) = keys.find(|(key, _)| key.to_lowercase() == name)?;
        let parameter = |what: &str| {
            metadata
                .parameters
                .get(&format!("projection.{name}.{what}"))
        };
        let values = parameter("values").map_or("", String::as_str);
        let values = values.split(',').map(str::trim).filter(|v| !v.is_empty());
        Some(Self {
            kind: match kind.to_lowercase().as_str() {
                "int" | "integer" | "bigint" | "smallint" | "tinyint" => Kind::Number,
                "date" => Kind::Date,
                _ => Kind::Text,
            },
            values: values.map(str::to_owned).collect(),
            must_be_named: parameter("type").is_some_and(|kind| kind == "injected"),
            column: name,
        })
    }

    /// A value of the column as SQL.
    fn value(&self, text: &str) -> String {
        match (self.kind, text.parse::<u64>()) {
            (Kind::Number, Ok(number)) => number.to_string(),
            (Kind::Date, _) => format!("DATE {}", literal(text)),
            _ => literal(text),
        }
    }

    pub fn one_of(&self, values: &[String]) -> String {
        let name = identifier(&self.column);
        match self.kind {
            Kind::Text | Kind::Date => format!("{name} IN ({})", literals(values)),
            Kind::Number => {
                let values: Vec<String> = values.iter().map(|value| self.value(value)).collect();
                format!("{name} IN ({})", values.join(", "))
            }
        }
    }
}
