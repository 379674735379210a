//! What makes the class of a record: the values, as they are written, on which selectors and counters agree for all
//! records of the class.

use std::array;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use super::record::{CLASS_FIELDS, Record, Value};

/// Stands for a list of values. Two lists that differ are taken for the same one with a chance of about one in 2^64,
/// whoever wrote them, since the keys are random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u128);

pub type ByFingerprint<T> = HashMap<Fingerprint, T, BuildHasherDefault<Low>>;

/// Makes fingerprints: a sum of products, two for each value, so that the processor multiplies them side by side.
/// (NH, see <https://www.rfc-editor.org/rfc/rfc4418> section 5.2.)
pub struct Fingerprints {
    /// Random numbers for each place in a list.
    keys: [[u64; 4]; PLACES],
}

/// Lists that are longer have the same keys again, rotated.
const PLACES: usize = 16;

impl Default for Fingerprints {
    fn default() -> Self {
        let random = RandomState::new();
        let key = |place: usize, index: usize| random.hash_one((place, index));
        Self {
            keys: array::from_fn(|place| array::from_fn(|index| key(place, index))),
        }
    }
}

impl Fingerprints {
    /// Of the members that make the class, and the types of the resources.
    #[inline]
    pub fn of_class(&self, record: &Record<'_>) -> Fingerprint {
        let mut sum = 0u128;
        for (keys, value) in self.keys.iter().zip(record.class_values()) {
            sum = sum.wrapping_add(value_product(keys, value));
        }
        for (index, value) in record.types().enumerate() {
            sum = sum.wrapping_add(value_product(&self.at(CLASS_FIELDS + index), value));
        }
        Fingerprint(sum)
    }

    pub fn of<'v>(&self, values: impl Iterator<Item = &'v [u8]>) -> Fingerprint {
        let sum = values.enumerate().fold(0u128, |sum, (index, value)| {
            sum.wrapping_add(value_product(&self.at(index), Value::alone(value)))
        });
        Fingerprint(sum)
    }

    #[inline(always)]
    fn at(&self, index: usize) -> [u64; 4] {
        let turns = (index / PLACES) as u32;
        self.keys[index % PLACES].map(|key| key.rotate_left(turns))
    }
}

#[inline(always)]
fn product(keys: &[u64; 4], words: [u64; 4]) -> u128 {
    let [a, b, c, d] = array::from_fn(|index| keys[index].wrapping_add(words[index]));
    (u128::from(a) * u128::from(b)).wrapping_add(u128::from(c) * u128::from(d))
}

#[inline(always)]
fn value_product(keys: &[u64; 4], value: Value<'_>) -> u128 {
    let words = match value.padded() {
        Some(words) => words,
        None => long_words(value.written(), keys),
    };
    product(keys, words)
}

/// Of long values, a polynomial of the random keys over all of it.
#[cold]
#[inline(never)]
fn long_words(value: &[u8], &[a, b, c, d]: &[u64; 4]) -> [u64; 4] {
    let both = |chunk: &[u8; 16]| u128::from_le_bytes(*chunk);
    let last = value.last_chunk().map_or(0, both);
    let (chunks, _) = value.as_chunks();
    let mixed = chunks.iter().map(both).chain([last]);
    let mixed = mixed.fold(value.len() as u128, |mixed, chunk| {
        let (low, high) = halves(mixed ^ chunk);
        let one = u128::from(low.wrapping_add(a)) * u128::from(high.wrapping_add(c));
        let other = u128::from(high.wrapping_add(b)) * u128::from(low.wrapping_add(d));
        one ^ other.rotate_left(64)
    });
    let (low, high) = halves(mixed);
    [low, high, 0, 0]
}

fn halves(both: u128) -> (u64, u64) {
    (both as u64, (both >> 64) as u64)
}

/// The hash of what is a hash already.
#[derive(Default)]
pub struct Low(u64);

impl Hasher for Low {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes
            .iter()
            .fold(self.0, |hash, byte| hash << 8 ^ u64::from(*byte));
    }

    #[inline]
    fn write_u128(&mut self, hash: u128) {
        // The lowest bits of a product depend on few others.
        self.0 = (hash as u64 ^ (hash >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Equality of values that are short and mostly equal. Beginning and end overlap, so that they cover all of it.
#[inline]
pub fn is_same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    match left.len() {
        // Not left to memcmp, which on some processors takes long over nothing at an address that is none.
        0 => true,
        4..8 => {
            left.first_chunk::<4>() == right.first_chunk()
                && left.last_chunk::<4>() == right.last_chunk()
        }
        8..=16 => {
            left.first_chunk::<8>() == right.first_chunk()
                && left.last_chunk::<8>() == right.last_chunk()
        }
        17..=32 => {
            left.first_chunk::<16>() == right.first_chunk()
                && left.last_chunk::<16>() == right.last_chunk()
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn sameness_is_equality(
            left in proptest::collection::vec(0u8..2, 0..40), at in any::<prop::sample::Index>(), flip in any::<bool>(),
        ) {
            let mut right = left.clone();
            if flip && !right.is_empty() {
                let at = at.index(right.len());
                right[at] ^= 1;
            }
            prop_assert_eq!(is_same(&left, &right), left == right);
            let fingerprints = Fingerprints::default();
            let of = |value: &[u8]| fingerprints.of([value].into_iter());
            prop_assert_eq!(of(&left) == of(&right), left == right);
        }
    }
}
