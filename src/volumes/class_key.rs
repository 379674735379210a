//! What makes the class of a record: the values, as they are written, on which selectors and counters agree for all
//! records of the class.

use std::array;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use super::record::{Field, Record};

const FIELDS: [Field; 7] = [
    Field::EventCategory,
    Field::ManagementEvent,
    Field::ReadOnly,
    Field::EventSource,
    Field::EventName,
    Field::EventType,
    Field::ErrorCode,
];

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
        let fields = FIELDS.into_iter().map(|field| record.get(field));
        let types = record.resources().map(|(kind, _)| kind);
        self.of(fields.chain(types))
    }

    #[inline]
    pub fn of<'v>(&self, values: impl Iterator<Item = &'v [u8]>) -> Fingerprint {
        let sum = values.enumerate().fold(0, |sum: u128, (index, value)| {
            let turns = (index / PLACES) as u32;
            let keys = self.keys[index % PLACES].map(|key| key.rotate_left(turns));
            let (head, tail) = ends(value, keys);
            let length = value.len() as u64;
            let head = product([keys[0].wrapping_add(length), keys[1]], head);
            sum.wrapping_add(head)
                .wrapping_add(product([keys[2], keys[3]], tail))
        });
        Fingerprint(sum)
    }
}

#[inline(always)]
fn product([left, right]: [u64; 2], bytes: u128) -> u128 {
    let (low, high) = (bytes as u64, (bytes >> 64) as u64);
    u128::from(low.wrapping_add(left)) * u128::from(high.wrapping_add(right))
}

/// Beginning and end of a value, which overlap or are missing where it is short; of a long one, the end stands for
/// what lies between as well.
#[inline(always)]
fn ends(value: &[u8], keys: [u64; 4]) -> (u128, u128) {
    let both = |first: u64, last: u64| u128::from(last) << 64 | u128::from(first);
    let half = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    if let (Some(first), Some(last)) = (value.first_chunk::<16>(), value.last_chunk::<16>()) {
        let (head, tail) = (u128::from_le_bytes(*first), u128::from_le_bytes(*last));
        (
            head,
            if value.len() > 32 {
                between(value, tail, keys)
            } else {
                tail
            },
        )
    } else if let (Some(first), Some(last)) = (value.first_chunk(), value.last_chunk()) {
        (
            both(u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            0,
        )
    } else if let (Some(first), Some(last)) = (value.first_chunk(), value.last_chunk()) {
        (both(half(first), half(last)), 0)
    } else {
        (
            value
                .iter()
                .fold(0, |bits, byte| bits << 8 | u128::from(*byte)),
            0,
        )
    }
}

#[cold]
/// A polynomial of the random keys over all that lies behind the beginning.
fn between(value: &[u8], tail: u128, [a, b, c, d]: [u64; 4]) -> u128 {
    let (chunks, _) = value.get(16..).unwrap_or_default().as_chunks();
    chunks.iter().fold(tail, |mixed, chunk| {
        let mixed = mixed ^ u128::from_le_bytes(*chunk);
        let (low, high) = (mixed as u64, (mixed >> 64) as u64);
        product([a, c], mixed)
            ^ product([b, d], u128::from(low) << 64 | u128::from(high)).rotate_left(64)
    })
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
