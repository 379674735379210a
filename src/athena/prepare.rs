//! What would be run: the table and the workgroup looked at, the queries written, the price said. Nothing has been asked.

use std::path::Path;
use std::time::Duration;

use aws_sdk_athena::types::{Column, TableMetadata, WorkGroup, WorkGroupState};

use super::causes;
use super::journal::{Journal, digest};
use super::price::{Price, bytes};
use crate::aws::{Aws, AwsError, at};
use crate::cost::PriceBook;
use crate::error::Error;
use crate::model::Place;
use crate::selectors::Selectors;
use crate::sql::{
    Bounds, ChunkSize, Columns, Copies, Cube, Metadata, Missing, Name, Table, Unusable, chunks,
};

/// The oldest engine whose SQL is ours.
const ENGINE: u32 = 3;

/// What is asked, and where.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The account whose Athena is asked, and its Region.
    pub place: Place,
    pub catalog: String,
    /// `DATABASE.TABLE`
    pub table: String,
    pub workgroup: String,
    /// The trails by their names in the spec.
    pub trails: &'a [(&'a str, &'a Selectors)],
    /// Empty lists are all accounts and Regions of the table.
    pub bounds: Bounds,
    pub copies: Copies,
    pub size: ChunkSize,
    /// Queries side by side.
    pub queries: usize,
    /// Bytes that somebody expects to be read.
    pub scan_bytes: Option<u64>,
    /// Bytes after which nothing more is asked.
    pub max_scan: Option<u64>,
    pub pace: Pace,
}

/// How often Athena is asked whether it is done, and how long it may refuse for being busy.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub first: Duration,
    pub most: Duration,
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            most: Duration::from_secs(10),
            patience: Duration::from_secs(10 * 60),
        }
    }
}

/// A part of the whole, in one query.
#[derive(Clone, Debug)]
pub struct Part {
    pub bounds: Bounds,
    pub sql: String,
    /// Its name in the journal.
    pub(super) key: String,
}

impl Part {
    /// `2026-10-01 to 2026-10-07, 12 accounts`
    pub fn label(&self) -> String {
        let last = self.bounds.to.previous_day().unwrap_or(self.bounds.to);
        let days = format!("{} to {last}", self.bounds.from);
        match self.bounds.accounts.len() {
            0 => days,
            1 => format!("{days}, 1 account"),
            accounts => format!("{days}, {accounts} accounts"),
        }
    }
}

/// Ready to be run.
#[derive(Debug)]
pub struct Prepared<'a> {
    pub question: Question<'a>,
    pub table: Table,
    pub parts: Vec<Part>,
    /// What the workgroup lets one query read.
    pub limit: Option<u64>,
    pub price: Price,
    /// What the counts will not be sure of.
    pub warnings: Vec<String>,
    pub(super) cube: Cube,
}

/// Looks at the table and the workgroup.
pub async fn prepare<'a>(
    aws: &Aws,
    mut question: Question<'a>,
    book: &PriceBook,
) -> Result<Prepared<'a>, Error> {
    let name = Name::parse(&question.table).map_err(unusable)?;
    let (table, limit) = tokio::join!(
        read_table(aws, &question, &name),
        read_workgroup(aws, &question)
    );
    let (table, limit) = (table?, limit?);
    let accounts = table.partitions.account.as_ref();
    if let Some(account) = accounts.filter(|_| question.bounds.accounts.is_empty()) {
        if account.must_be_named {
            let what = format!("{name} wants its accounts named in every query");
            return Err(Error::failed(what).fix("name the accounts to be counted"));
        }
        question.bounds.accounts.clone_from(&account.values);
    }
    let cube = Cube::new(question.trails, &table, question.copies)
        .map_err(|missing| lacking(&name, &missing))?;
    let parts = parts(&question, &table, &cube)?;
    let price = Price::new(
        book,
        &question.place.region,
        parts.len(),
        question.scan_bytes,
        limit,
        question.max_scan,
    );
    check_limits(&question, limit, &price)?;
    Ok(Prepared {
        warnings: warnings(&table.columns),
        question,
        table,
        parts,
        limit,
        price,
        cube,
    })
}

async fn read_table(aws: &Aws, question: &Question<'_>, name: &Name) -> Result<Table, Error> {
    let place = &question.place;
    let answer = aws
        .athena(place)
        .get_table_metadata()
        .catalog_name(&question.catalog)
        .database_name(&name.database)
        .table_name(&name.table)
        .send()
        .await
        .map_err(at(place, "athena:GetTableMetadata"))
        .map_err(|error| causes::of_call(error, &format!("the table {name}")))?;
    let metadata = answer.table_metadata().map(metadata).unwrap_or_default();
    Table::new(name.clone(), &metadata).map_err(unusable)
}

fn metadata(found: &TableMetadata) -> Metadata {
    let pairs = |columns: &[Column]| {
        let columns = columns.iter();
        let pair = |c: &Column| {
            (
                c.name().to_owned(),
                c.r#type().unwrap_or_default().to_owned(),
            )
        };
        columns.map(pair).collect()
    };
    let parameters = found.parameters().into_iter().flatten();
    Metadata {
        columns: pairs(found.columns()),
        partition_keys: pairs(found.partition_keys()),
        parameters: parameters
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    }
}

/// Checks the workgroup; gives its limit of bytes for one query.
async fn read_workgroup(aws: &Aws, question: &Question<'_>) -> Result<Option<u64>, Error> {
    let (place, name) = (&question.place, &question.workgroup);
    let answer = aws
        .athena(place)
        .get_work_group()
        .work_group(name)
        .send()
        .await
        .map_err(at(place, "athena:GetWorkGroup"))
        .map_err(|error| causes::of_call(error, &format!("the workgroup {name}")))?;
    let unusable = |what: String, fix: &str| Error::failed(what).fix(fix);
    let Some(workgroup) = answer.work_group() else {
        let what = format!("Athena says nothing of the workgroup {name}");
        return Err(unusable(what, "check its name"));
    };
    if workgroup.state() == Some(&WorkGroupState::Disabled) {
        let what = format!("the workgroup {name} is disabled");
        return Err(unusable(what, "enable it, or name another: --workgroup"));
    }
    if let Some(engine) = old_engine(workgroup) {
        let what = format!("the workgroup {name} runs {engine}");
        return Err(unusable(
            what,
            "select Athena engine version 3, or name another: --workgroup",
        ));
    }
    if !has_results(workgroup) {
        let what = format!("the workgroup {name} has no place for results");
        let fix =
            "set its query result location, or managed query results; orgtrail creates no bucket";
        return Err(unusable(what, fix));
    }
    let limit = workgroup
        .configuration()
        .and_then(|c| c.bytes_scanned_cutoff_per_query());
    Ok(limit.and_then(|bytes| u64::try_from(bytes).ok()))
}

/// The engine, if it is none that takes our SQL: an older one, or Spark.
fn old_engine(workgroup: &WorkGroup) -> Option<&str> {
    let engine = workgroup.configuration()?.engine_version()?;
    let name = engine.effective_engine_version()?;
    let number = name.strip_prefix("Athena engine version ");
    match number.map(str::parse::<u32>) {
        Some(Ok(number)) if number >= ENGINE => None,
        _ => Some(name),
    }
}

fn has_results(workgroup: &WorkGroup) -> bool {
    let Some(configuration) = workgroup.configuration() else {
        return false;
    };
    let own = configuration.result_configuration();
    let managed = configuration.managed_query_results_configuration();
    own.and_then(|c| c.output_location())
        .is_some_and(|l| !l.is_empty())
        || managed.is_some_and(|c| c.enabled())
}

fn unusable(unusable: Unusable) -> Error {
    Error::failed(unusable.what).fix(unusable.fix)
}

fn lacking(name: &Name, missing: &[Missing]) -> Error {
    let all: Vec<String> = missing.iter().map(|m| format!("\n  {m}")).collect();
    let what = format!("{name} cannot answer that:{}", all.concat());
    let fix = "make a table that has these columns beside it (it costs nothing, the files stay where they are), such as the one \
               whose definition orgtrail prints";
    Error::failed(what).fix(fix)
}

fn parts(question: &Question<'_>, table: &Table, cube: &Cube) -> Result<Vec<Part>, Error> {
    if question.bounds.days() == 0 {
        let what = format!(
            "there is no day from {} to {}",
            question.bounds.from, question.bounds.to
        );
        return Err(Error::failed(what).fix("name a last day that is not before the first"));
    }
    let bounds = chunks(table, &question.bounds, question.size);
    let part = |bounds: Bounds| match cube.query(table, &bounds) {
        Ok(sql) => Ok(Part {
            key: digest(&sql),
            sql,
            bounds,
        }),
        Err(error) => {
            Err(Error::failed(error).fix("ask for fewer trails, or for fewer accounts at once"))
        }
    };
    bounds.into_iter().map(part).collect()
}

/// Nothing is run without a limit, nor when it is known to break one.
fn check_limits(question: &Question<'_>, limit: Option<u64>, price: &Price) -> Result<(), Error> {
    if limit.is_none() && question.max_scan.is_none() {
        let what = format!(
            "the workgroup {} does not limit how much a query reads",
            question.workgroup
        );
        let fix = "set its limit for data scanned by a query, or say how much may be read: --max-scan BYTES";
        return Err(Error::refused(what).fix(fix));
    }
    match (question.scan_bytes, question.max_scan) {
        (Some(read), Some(most)) if read > most => {
            let what = format!(
                "{} would be read, {price}; --max-scan allows {}",
                bytes(read),
                bytes(most)
            );
            Err(Error::refused(what).fix("raise --max-scan, or ask for fewer days or accounts"))
        }
        _ => Ok(()),
    }
}

/// Old records say their category only in members that such a table does not show.
fn warnings(columns: &Columns) -> Vec<String> {
    let lacks = |column: &&str| !columns.has(column);
    ["eventcategory", "managementevent"]
        .into_iter()
        .filter(lacks)
        .map(|column| {
            format!(
                "the table has no column {column}: the category of events that do not say it otherwise is guessed from their names"
            )
        })
        .collect()
}

impl Prepared<'_> {
    /// What it will do, in lines for people.
    pub fn summary(&self) -> String {
        let question = &self.question;
        let days = question.bounds.days();
        let limit = match self.limit {
            Some(limit) => format!("a query reads {} at most", bytes(limit)),
            None => "no limit of its own".to_owned(),
        };
        let most = match question.max_scan {
            Some(most) => format!(", all of them {}", bytes(most)),
            None => String::new(),
        };
        format!(
            "Athena in {} reads {}: {days} days, {} accounts, in {} queries.\nWorkgroup {}: {limit}{most}.\nPrice of the scan: {}.",
            question.place,
            self.table.name,
            match question.bounds.accounts.len() {
                0 => "all".to_owned(),
                accounts => accounts.to_string(),
            },
            self.parts.len(),
            question.workgroup,
            self.price
        )
    }

    /// All queries, one after the other.
    pub fn sql(&self) -> String {
        let texts = self.parts.iter();
        let texts: Vec<String> = texts
            .map(|part| format!("-- {}\n{};\n", part.label(), part.sql))
            .collect();
        texts.join("\n")
    }

    /// The journal of this very question, with what earlier runs of it have left.
    pub fn journal(&self, data_dir: &Path) -> Result<Journal, Error> {
        let question = &self.question;
        let mut text = format!(
            "{} {} {} {}",
            question.place.account_id, question.place.region, question.catalog, question.workgroup
        );
        for part in &self.parts {
            text.push_str(&part.key);
        }
        Journal::open(data_dir, &digest(&text))
    }

    /// The parts that have no answer yet.
    pub fn left(&self, journal: &Journal) -> Vec<&Part> {
        let parts = self.parts.iter();
        parts.filter(|part| !journal.is_done(&part.key)).collect()
    }
}

/// For errors of calls that are about this question.
pub fn explain(error: AwsError, question: &Question<'_>) -> Error {
    causes::of_call(error, &format!("the workgroup {}", question.workgroup))
}
