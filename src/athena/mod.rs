//! Event volumes by Athena: the selectors as SQL ([`crate::sql`]), run in a workgroup over a table of the logs.
//!
//! [`prepare`] looks at the table and the workgroup and says what would be run and what it costs at most; nothing has been
//! asked yet. [`run`] asks, some days of some accounts at a time, a few side by side. Every answer is kept as soon as it is
//! there ([`Journal`]), so that a run that was killed goes on where it was and pays for nothing twice. Nothing is ever
//! created, neither table nor workgroup nor bucket.
//!
//! <https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html>

mod causes;
mod journal;
mod prepare;
mod price;
mod query;
mod run;

pub use journal::Journal;
pub use prepare::{Pace, Part, Prepared, Question, prepare};
pub use price::Price;
pub use run::{Event, Measured, run};

use crate::model::Place;
use crate::selectors::Selectors;
use crate::sql::{Bounds, ChunkSize, Copies};

/// Where and how Athena is asked.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "athena")]
pub struct Args {
    /// The table of the logs; orgtrail creates none, but prints the definition of one
    #[arg(long, value_name = "DATABASE.TABLE")]
    pub table: Option<String>,
    /// The workgroup in which queries run, with its limit and its place for results
    #[arg(long, value_name = "NAME")]
    pub workgroup: Option<String>,
    /// The data catalog of the table
    #[arg(long, value_name = "NAME", default_value = "AwsDataCatalog")]
    pub catalog: String,
    /// Bytes of logs, gzip, that the queries will read, to show the price beforehand
    #[arg(long, value_name = "BYTES")]
    pub scan_bytes: Option<u64>,
    /// Stop when so many bytes have been read; needed where the workgroup has no limit
    #[arg(long, value_name = "BYTES")]
    pub max_scan: Option<u64>,
    /// Days that one query reads
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=366))]
    pub query_days: u16,
    /// Queries that run side by side
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=50))]
    pub queries: u8,
}

impl Args {
    /// What is asked with these flags, of Athena at a place.
    pub fn question<'a>(
        &self,
        place: Place,
        trails: &'a [(&'a str, &'a Selectors)],
        bounds: Bounds,
        copies: Copies,
    ) -> Question<'a> {
        Question {
            place,
            catalog: self.catalog.clone(),
            table: self.table.clone().unwrap_or_default(),
            workgroup: self.workgroup.clone().unwrap_or_default(),
            trails,
            bounds,
            copies,
            size: ChunkSize {
                days: self.query_days,
                ..ChunkSize::default()
            },
            queries: usize::from(self.queries),
            scan_bytes: self.scan_bytes,
            max_scan: self.max_scan,
            pace: Pace::default(),
        }
    }
}
