//! A table of CloudTrail logs, as its metadata describes it.

use std::collections::BTreeMap;
use std::fmt;

use super::columns::Columns;
use super::definition;
use super::partitions::{Folder, Partitions, folder};
use super::text::identifier;

/// `DATABASE.TABLE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub database: String,
    pub table: String,
}

/// Why a table or a name cannot be used: what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Unusable {
    pub what: String,
    pub fix: String,
}

impl Unusable {
    pub fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            fix: fix.into(),
        }
    }
}

impl Name {
    /// Athena's names: letters, digits, underscores and hyphens.
    /// <https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html>
    pub fn parse(text: &str) -> Result<Self, Unusable> {
        let is_name = |name: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            !name.is_empty() && name.chars().all(plain)
        };
        match text.split_once('.') {
            Some((database, table)) if is_name(database) && is_name(table) => Ok(Self {
                database: database.to_lowercase(),
                table: table.to_lowercase(),
            }),
            _ => Err(Unusable::new(
                format!("{text:?} is no name of a table"),
                "write DATABASE.TABLE, as in audit.cloudtrail_logs",
            )),
        }
    }

    pub fn sql(&self) -> String {
        format!("{}.{}", identifier(&self.database), identifier(&self.table))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

/// What GetTableMetadata says of a table.
/// <https://docs.aws.amazon.com/athena/latest/APIReference/API_TableMetadata.html>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Names and types.
    pub columns: Vec<(String, String)>,
    pub partition_keys: Vec<(String, String)>,
    pub parameters: BTreeMap<String, String>,
}

/// A table that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub name: Name,
    pub columns: Columns,
    pub partitions: Partitions,
    pub folder: Folder,
}

impl Table {
    pub fn new(name: Name, metadata: &Metadata) -> Result<Self, Unusable> {
        let pairs = metadata.columns.iter();
        let columns = Columns::new(pairs.map(|(name, kind)| (name.as_str(), kind.as_str())));
        let partitions = Partitions::of(&name, metadata)?;
        Ok(Self {
            name,
            columns,
            partitions,
            folder: folder(&metadata.parameters),
        })
    }

    /// A table that [`super::definition()`] made, without asking Athena.
    pub fn defined(name: Name) -> Self {
        Self {
            name,
            columns: definition::columns(),
            partitions: Partitions::defined(),
            folder: Folder::Logs,
        }
    }
}
