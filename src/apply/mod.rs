//! Carrying out a plan: in order, journalled, under a lock, and never more than the plan says.

mod journal;
mod lock;
mod run;

pub use journal::{Journal, JournalError, Unfinished};
pub use lock::{Holder, Lock, LockError, LockPlace, Who};
pub use run::{Event, NotDone, Outcome, Run, RunError};
