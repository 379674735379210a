//! Which events have been seen before.
//!
//! CloudTrail may deliver an event twice. Both copies have the same `eventID` and the same account; an event that
//! concerns two accounts has one record in each, and these are two events.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::mem;
use std::sync::{Mutex, PoisonError};

use foldhash::quality::FixedState;

const SHARDS: usize = 64;

/// The events seen last, for all threads.
///
/// Exact as long as fewer than [`Dedupe::bound`] other events were read between two copies; copies that lie further
/// apart than twice that may be counted twice. No event is ever taken for the copy of another one, but for a collision
/// of 128-bit hashes.
pub struct Dedupe {
    shards: Vec<Mutex<Shard>>,
    per_shard: usize,
}

#[derive(Default)]
struct Shard {
    recent: HashSet<u128, foldhash::fast::FixedState>,
    older: HashSet<u128, foldhash::fast::FixedState>,
}

impl Dedupe {
    /// Remembers between `events` and twice as many, 20 to 40 bytes each.
    pub fn new(events: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            // Shards fill unevenly; the margin is more than ten standard deviations from a million events on.
            per_shard: (events / SHARDS) + (events / SHARDS / 10) + 64,
        }
    }

    /// Whether the event, by its `eventID` and account, is new.
    pub fn is_new(&self, event_id: &[u8], account: &[u8]) -> bool {
        let low = FixedState::with_seed(1).hash_one((event_id, account));
        let high = FixedState::with_seed(2).hash_one((event_id, account));
        let key = u128::from(low) << 64 | u128::from(high);
        let Some(shard) = self.shards.get(low as usize % SHARDS) else {
            return true;
        };
        // A poisoned lock means that a thread panicked between two operations of a set, which stays a set.
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.older.contains(&key) || !shard.recent.insert(key) {
            return false;
        }
        if shard.recent.len() >= self.per_shard {
            shard.older = mem::take(&mut shard.recent);
        }
        true
    }

    /// See [`Dedupe`].
    pub fn bound(&self) -> usize {
        self.per_shard * SHARDS * 10 / 11
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_within_the_bound_are_found() {
        let dedupe = Dedupe::new(100_000);
        let id = |n: u32| n.to_le_bytes();
        assert!((0..100_000).all(|n| dedupe.is_new(&id(n), b"1")));
        assert!((0..100_000).all(|n| !dedupe.is_new(&id(n), b"1")));
        assert!(dedupe.is_new(&id(1), b"2"));
    }
}
