//! Event volumes: reads CloudTrail log files and counts what is in them and what each trail's selectors record.
//!
//! [`count()`] walks folders, files or a stream (`source`), uncompresses (`gzip`), finds the records (`scan`) and
//! counts them ([`Counter`]) on all cores; the result is a [`Tally`]. A record is looked at only as far as the
//! selectors and counters need (`record`), and selectors are decided once for each class of records ([`Engine`]).

mod class_key;
mod count;
mod cursor;
mod dedupe;
mod engine;
mod gzip;
mod identity;
mod keys;
mod masks;
mod read;
mod record;
mod run;
mod scan;
mod sketch;
mod source;
mod tally;

#[cfg(test)]
mod tests;

pub use count::{Counter, Place};
pub use dedupe::Dedupe;
pub use engine::{Engine, SelectorId};
pub use read::Reading;
pub use record::Record;
pub use run::{Options, Outcome, Progress, count};
pub use scan::{Scanner, Sink, Syntax};
pub use sketch::{Hitter, Sketch};
pub use source::Source;
pub use tally::{Counts, Files, Problem, Problems, Reason, Recorder, RegionTally, Tally, Window};
