//! What a spec costs.
//!
//! From measured or declared [`Volumes`] and a dated [`PriceBook`] to an [`Estimate`]: what each trail records by
//! selector (`tally`), what its log files become in the bucket (`logs`, `fate`, `months`), who pays for which copy
//! ([`Ledger`]). On top of it: the projection month by month, who causes what ([`attribution`]), the difference of two
//! specs ([`Delta`]), budgets and advice.
//!
//! Nothing here reads a file, a clock or the network. Amounts are exact decimals in USD per month of 730 hours. What is
//! not known is `None` and stays out of every total; it is never zero.

mod advice;
pub mod attribution;
mod book;
mod book_file;
mod breakeven;
mod budget;
mod by_name;
mod copies;
mod delta;
mod estimate;
mod fate;
mod flows;
mod insights;
mod known;
mod ledger;
mod line;
mod logs;
mod merge;
mod meter;
mod months;
pub(crate) mod number;
mod plain_yaml;
mod profiles;
mod projection;
mod recorded;
mod tally;
mod trails;
pub mod types;
pub mod usage_types;
mod volumes;
mod volumes_text;

#[cfg(test)]
mod tests;

pub use advice::{Advice, Saving, advise};
pub use book::{Age, BookError, Confidence, Holding, Price, PriceBook, Tier};
pub use breakeven::{
    TransitionReport, Verdict as TransitionVerdict, break_even_bytes, break_even_months,
    transitions,
};
pub use budget::{Verdict, check_budget};
pub use by_name::ByName;
pub use delta::{Change, Delta, Side, compare};
pub use estimate::{Estimate, Options, SEVEN_YEARS, estimate, label};
pub use ledger::{Ledger, PlaceCopies, SelectorCopies, TrailCopies};
pub use line::{Line, Unknown};
pub use merge::{Clash, Merged, merge};
pub use meter::{Class, Meter, Speed};
pub use months::{Month, MonthLine};
pub use number::Range;
pub use profiles::{DEFAULT_REGIONS, Profile, volumes as typical_volumes};
pub use projection::{project, steady_state};
pub use recorded::UNKNOWN;
pub use trails::{OtherTrail, TrailView, views as trail_views};
pub use volumes::{
    Between, Count, Counts, Files, LargeFiles, MONTH_HOURS, Measurement, MonthWindow, Provenance,
    RegionVolumes, SpanWindow, Volumes, VolumesError, Window,
};
pub use volumes_text::{to_json, to_yaml};
