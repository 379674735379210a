//! Selectors as Trino SQL, for an Athena table of CloudTrail logs that is too large for one machine.
//!
//! [`predicate`] says of each row what [`crate::selectors::matches`] says of the record; [`Cube`] counts one scan for all
//! selectors of all trails. A [`Table`] knows which columns and partitions there are: what it cannot express is refused
//! ([`Missing`]), never guessed. [`definition`] writes a table that has everything. Nothing here talks to Athena.
//!
//! A table shows less than the files: no file sizes, only the folder that it reads, and days as those of delivery, so that
//! the last minutes of a day count to the next. Its reader takes keys in any case and numbers as texts; CloudTrail writes
//! neither.
//!
//! Trino: <https://docs.aws.amazon.com/athena/latest/ug/functions-env3.html>; the table:
//! <https://docs.aws.amazon.com/athena/latest/ug/cloudtrail-logs.html>

mod bounds;
mod columns;
mod cube;
mod definition;
mod event;
mod partitions;
mod predicate;
mod table;
mod text;

#[cfg(test)]
mod tests;

pub use bounds::{Bounds, ChunkSize, chunks};
pub use columns::{Columns, Missing};
pub use cube::{BadRow, Cell, Copies, Cube, MAX_QUERY, QueryError, Recorded, TooLong};
pub use definition::{Definition, Invalid, definition};
pub use event::events;
pub use partitions::Folder;
pub use predicate::predicate;
pub use table::{Metadata, Name, Table, Unusable};
