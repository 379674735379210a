//! The definition of a table of CloudTrail logs, with partition projection: no crawler, no partitions to add.
//!
//! It has two columns that AWS's own lacks and selectors need: `managementevent`, and `arnprefix` in `resources`.
//! <https://docs.aws.amazon.com/athena/latest/ug/create-cloudtrail-table-org-wide-trail.html>

use time::Date;

use super::columns::Columns;
use super::partitions::Folder;
use super::table::Name;

const TEMPLATE: &str = include_str!("cloudtrail_logs.sql");
/// More accounts than this are not listed in the table: every query names those that it wants instead.
const MAX_LISTED: usize = 50;

/// What a table is made for.
#[derive(Clone, Debug)]
pub struct Definition {
    pub name: Name,
    /// `o-a1b2c3d4e5`: the log of an organization trail, which has a folder for the organization.
    pub organization: Option<String>,
    pub accounts: Vec<String>,
    pub regions: Vec<String>,
    pub bucket: String,
    /// The trail's key prefix.
    pub prefix: Option<String>,
    /// The first day.
    pub start: Date,
    /// Which of the trail's folders it reads.
    pub folder: Folder,
}

/// A part of a definition that cannot be written into one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a table definition cannot hold the {what} {value:?}: {why}")]
pub struct Invalid {
    pub what: &'static str,
    pub value: String,
    pub why: &'static str,
}

/// `CREATE EXTERNAL TABLE …`
pub fn definition(of: &Definition) -> Result<String, Invalid> {
    check(of)?;
    let start = of.start;
    let month = u8::from(start.month());
    let folder = of.folder.name().ok_or(Invalid {
        what: "folder",
        value: String::new(),
        why: "a table reads management and data events, or network activity",
    })?;
    // Values are put in last and hold no braces, so that none of them is taken for a place.
    let text = TEMPLATE
        .replace(
            "{table}",
            &format!("`{}`.`{}`", of.name.database, of.name.table),
        )
        .replace("{accounts}", &accounts(of))
        .replace("{regions}", &of.regions.join(","))
        .replace(
            "{start}",
            &format!("{:04}/{month:02}/{:02}", start.year(), start.day()),
        )
        .replace("{folder}", folder)
        .replace("{location}", &location(of));
    Ok(text)
}

/// The columns of every such table.
pub fn columns() -> Columns {
    let list = TEMPLATE.split_once('(').map_or("", |(_, rest)| rest);
    let list = list.split_once("\n)").map_or("", |(list, _)| list);
    Columns::parse(list)
}

fn accounts(of: &Definition) -> String {
    if of.accounts.len() > MAX_LISTED {
        return "'projection.account.type'='injected'".to_owned();
    }
    format!(
        "'projection.account.type'='enum', 'projection.account.values'='{}'",
        of.accounts.join(",")
    )
}

fn location(of: &Definition) -> String {
    let folder = |name: &Option<String>| match name.as_deref().map(|name| name.trim_matches('/')) {
        None | Some("") => String::new(),
        Some(name) => format!("{name}/"),
    };
    let (prefix, organization) = (folder(&of.prefix), folder(&of.organization));
    format!("s3://{}/{prefix}AWSLogs/{organization}", of.bucket)
}

/// Definitions have escapes of their own; what would need one is refused.
fn check(of: &Definition) -> Result<(), Invalid> {
    let small = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let all = |value: &str, allowed: &dyn Fn(char) -> bool| {
        !value.is_empty() && value.chars().all(allowed)
    };
    let invalid = |what, value: &str, why| {
        Err(Invalid {
            what,
            value: value.to_owned(),
            why,
        })
    };
    for account in &of.accounts {
        if account.len() != 12 || !all(account, &|c| c.is_ascii_digit()) {
            return invalid("account", account, "an account id has twelve digits");
        }
    }
    if of.accounts.is_empty() {
        return invalid("accounts", "", "name at least one");
    }
    for region in &of.regions {
        if !all(region, &|c| small(c) || c == '-') {
            return invalid("Region", region, "a Region is written as in eu-central-1");
        }
    }
    if of.regions.is_empty() {
        return invalid("Regions", "", "name at least one");
    }
    if let Some(organization) = &of.organization {
        let id = organization.strip_prefix("o-").unwrap_or_default();
        if !all(id, &small) {
            return invalid(
                "organization",
                organization,
                "it is written as in o-a1b2c3d4e5",
            );
        }
    }
    if !all(&of.bucket, &|c| small(c) || ".-_".contains(c)) {
        return invalid(
            "bucket",
            &of.bucket,
            "bucket names have small letters, digits, dots and hyphens",
        );
    }
    let prefix = of.prefix.as_deref().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=+@!*".contains(c);
    if !prefix.chars().all(plain) {
        let why = "of a prefix only letters, digits and / . _ - = + @ ! * can be written";
        return invalid("prefix", prefix, why);
    }
    Ok(())
}
