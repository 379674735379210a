//! Event volumes: reads CloudTrail log files and counts what is in them and what each trail's selectors record.
//!
//! [`count()`] walks folders, files or a stream (`source`), uncompresses (`gzip`), finds the records (`scan`) and
//! counts them ([`Counter`]) on all cores; the result is a [`Tally`]. A record is looked at only as far as the
//! selectors and counters need (`record`), and selectors are decided once for each class of records ([`Engine`]).

mod class_key;
mod count;
mod cursor;
mod decide;
mod dedupe;
mod engine;
mod gzip;
mod identity;
mod keys;
mod loss;
mod masks;
mod read;
mod record;
mod run;
mod sample;
mod scan;
mod sketch;
mod source;
mod talkers;
mod tally;

#[cfg(test)]
mod tests;

pub use count::{Counter, Place};
pub use decide::{Scope, ScopedSelectors, Trails};
pub use dedupe::Dedupe;
pub use engine::{Engine, OwnCount, SelectorId};
pub use loss::{Change, Lost, LostEvent};
pub use read::Reading;
pub use record::Record;
pub use run::{Options, Outcome, Progress, Totals, count};
pub use sample::{Group, Sample, Scale};
pub use scan::{Scanner, Sink, Syntax};
pub use sketch::{Hitter, Sketch};
pub use source::{Found, Kind, Layout, Selection, Source, is_log_name};
pub use talkers::Talkers;
pub use tally::{
    Counts, Days, Files, Problem, Problems, Reason, Recorder, RegionTally, Tally, Window,
};
