//! Event selectors: what a trail or an event data store records.
//!
//! One engine for basic and advanced selectors. [`matches`] and [`explain`] decide over single events;
//! [`canonical`], [`equivalent`], [`covers`] and [`differences`] reason over all events at once; [`check`] says what
//! AWS refuses and what is hardly meant.
//!
//! The rule, from
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/filtering-data-events.html>: an event is recorded when
//! any selector matches; a selector matches when all its fields pass; a field passes when one of its positive
//! operators hits (if it has any) and none of its negative ones does. AWS leaves open what a field means that the
//! record lacks; here positive operators fail on it and negative ones pass, which is what the documented
//! `sessionCredentialFromConsole NotEquals true` needs.
//!
//! `resources` is a list. Only its elements of the selected `resources.type` count; a positive operator on
//! `resources.ARN` hits when it hits any of them, a negative one rejects when it hits any of them.

mod catalog;
mod check;
mod condition;
mod convert;
mod describe;
mod evaluate;
mod event;
mod lint;
mod model;
mod normal;

#[cfg(test)]
mod cases_test;
#[cfg(test)]
mod check_test;
#[cfg(test)]
mod properties_test;

pub use catalog::data_event_types;
pub use check::{Target, check};
pub use describe::{Coverage, describe, differences};
pub use evaluate::{Decision, FieldVerdict, explain, matches, records_deliveries_to};
pub use event::{Event, INVOKE_CALLS, ITEM, ITEM_CALLS, OBJECT_CALLS, Resource};
pub use model::{
    AdvancedEventSelector, COUNTED_FIELDS, DataResource, EventSelector, FieldSelector, Operator,
    ReadWriteType, Selectors,
};
pub use normal::{canonical, covers, equivalent};
