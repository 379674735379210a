//! The most frequent values of a stream in bounded memory.
//!
//! Misra and Gries' summary, the same thing as Space-Saving seen from the other side, in the form that can be merged:
//! <https://dl.acm.org/doi/10.1145/2500128>. Counts are exact until there are more different values than the sketch
//! holds; from then on each one may be too low, by no more than [`Sketch::error`].

use std::collections::HashMap;

/// What is longer is counted by its beginning. ARNs have no more.
const LONGEST: usize = 2048;

type Counts = HashMap<Box<[u8]>, u64, foldhash::fast::FixedState>;

/// Counts of the most frequent values.
#[derive(Clone, Debug)]
pub struct Sketch {
    capacity: usize,
    counts: Counts,
    error: u64,
}

/// One of the most frequent values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hitter {
    pub value: String,
    /// At least so many; at most so many and the sketch's error.
    pub count: u64,
}

impl Sketch {
    /// A sketch that is exact up to `capacity` values, and then keeps at least half as many.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(2),
            counts: Counts::default(),
            error: 0,
        }
    }

    #[inline]
    pub fn add(&mut self, value: &[u8], count: u64) {
        let value = value.get(..LONGEST).unwrap_or(value);
        if let Some(counted) = self.counts.get_mut(value) {
            *counted += count;
        } else if count > 0 {
            self.counts.insert(value.into(), count);
            self.shrink();
        }
    }

    /// How much too low a count may be; a value that is not listed occurred no more often than this.
    pub fn error(&self) -> u64 {
        self.error
    }

    pub fn merge(&mut self, other: Self) {
        self.error += other.error;
        for (value, count) in other.counts {
            *self.counts.entry(value).or_default() += count;
        }
        self.shrink();
    }

    /// The `most` most frequent values, then in order of their text.
    pub fn top(&self, most: usize) -> Vec<Hitter> {
        let mut sorted: Vec<(&[u8], u64)> = self.counts.iter().map(|(v, c)| (&**v, *c)).collect();
        sorted.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let hitters = sorted.into_iter().take(most).map(|(value, count)| Hitter {
            value: String::from_utf8_lossy(value).into_owned(),
            count,
        });
        hitters.collect()
    }

    /// Takes from every count what the middle one has, and forgets those that have nothing left. Depends on the counts
    /// alone, so the same stream always leaves the same sketch.
    fn shrink(&mut self) {
        if self.counts.len() <= self.capacity {
            return;
        }
        let mut counts: Vec<u64> = self.counts.values().copied().collect();
        let middle = counts.len() - self.capacity / 2 - 1;
        let (_, taken, _) = counts.select_nth_unstable(middle);
        let taken = *taken;
        self.error += taken;
        self.counts.retain(|_, count| {
            *count = count.saturating_sub(taken);
            *count > 0
        });
    }
}

/// Counts of values seen lately, which spare a sketch most of its work.
pub struct Recent {
    slots: Vec<(Vec<u8>, u64)>,
}

/// Slots of [`Recent`].
const SLOTS: usize = 512;

impl Default for Recent {
    fn default() -> Self {
        Self {
            slots: vec![(Vec::new(), 0); SLOTS],
        }
    }
}

impl Recent {
    /// Counts one value; `out` gets those that have to make room.
    #[inline]
    pub fn add(&mut self, value: &[u8], mut out: impl FnMut(&[u8], u64)) {
        let Some((held, count)) = self.slots.get_mut(slot(value)) else {
            return;
        };
        if held == value {
            *count += 1;
            return;
        }
        if *count > 0 {
            out(held, *count);
        }
        held.clear();
        if value.len() > LONGEST {
            *count = 0;
            return out(value, 1);
        }
        held.extend_from_slice(value);
        *count = 1;
    }

    /// All that is held.
    pub fn drain(&mut self, mut out: impl FnMut(&[u8], u64)) {
        for (held, count) in &mut self.slots {
            if *count > 0 {
                out(held, std::mem::take(count));
            }
        }
    }
}

/// By length, end and middle, where ARNs differ.
#[inline]
fn slot(value: &[u8]) -> usize {
    let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let middle = value.get(value.len() / 2..).and_then(<[u8]>::first_chunk);
    let mixed = (word(value.last_chunk()) ^ value.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 32 ^ word(middle)).wrapping_mul(0xd1b5_4a32_d192_ed03);
    (mixed >> 40) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn sketch(capacity: usize, stream: &[u8]) -> Sketch {
        let mut sketch = Sketch::new(capacity);
        for value in stream {
            sketch.add(&[*value], 1);
        }
        sketch
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn counts_are_right_within_the_error(
            left in proptest::collection::vec(0u8..40, 0..400),
            right in proptest::collection::vec(20u8..60, 0..400),
            capacity in 2usize..50,
        ) {
            let mut merged = sketch(capacity, &left);
            merged.merge(sketch(capacity, &right));
            let mut truth: BTreeMap<u8, u64> = BTreeMap::new();
            for value in left.iter().chain(&right) {
                *truth.entry(*value).or_default() += 1;
            }
            if truth.len() <= capacity {
                prop_assert_eq!(merged.error(), 0);
            }
            prop_assert!(merged.counts.len() <= capacity);
            let total = (left.len() + right.len()) as u64;
            prop_assert!(merged.error() <= 2 * total / capacity as u64);
            for (value, count) in truth {
                let counted = merged.counts.get(&[value][..]).copied().unwrap_or_default();
                prop_assert!(counted <= count && count <= counted + merged.error());
            }
        }
    }
}
