//! What makes the class of a record: the values, as they are written, on which selectors and counters agree for all
//! records of the class.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

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

/// Stands for a list of values. Two lists are taken for the same one only if 128 bits of hash collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u128);

pub type ByFingerprint<T> = HashMap<Fingerprint, T, BuildHasherDefault<Low>>;

impl Fingerprint {
    /// Of the members that make the class, and the types of the resources.
    #[inline]
    pub fn of_class(record: &Record<'_>) -> Self {
        let fields = FIELDS.into_iter().map(|field| record.get(field));
        let types = record.resources().map(|(kind, _)| kind);
        Self::of(fields.chain(types))
    }

    #[inline]
    pub fn of<'v>(values: impl Iterator<Item = &'v [u8]>) -> Self {
        let (low, high) = values.fold((LOW, HIGH), mix);
        Self(u128::from(high) << 64 | u128::from(low))
    }
}

const LOW: u64 = 0x9e37_79b9_7f4a_7c15;
const HIGH: u64 = 0xd1b5_4a32_d192_ed03;

/// Beginning and end of a value, which overlap where it is short, and what lies between where it is long.
#[inline(always)]
fn mix((low, high): (u64, u64), value: &[u8]) -> (u64, u64) {
    let length = value.len() as u64;
    let start = (low ^ length, high ^ length);
    let half = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    if let (Some(first), Some(last)) = (value.first_chunk::<16>(), value.last_chunk::<16>()) {
        let mut mixed = fold_pair(start, first);
        if value.len() > 32 {
            let (between, _) = value.get(16..).unwrap_or_default().as_chunks();
            mixed = between.iter().fold(mixed, fold_pair);
        }
        fold_pair(mixed, last)
    } else if let (Some(first), Some(last)) = (value.first_chunk(), value.last_chunk()) {
        fold_both(start, u64::from_le_bytes(*first), u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (value.first_chunk(), value.last_chunk()) {
        fold_both(start, half(first), half(last))
    } else {
        let bytes = value.iter();
        fold_both(start, bytes.fold(0, |bits, byte| bits << 8 | u64::from(*byte)), 0)
    }
}

#[inline(always)]
fn fold_pair(mixed: (u64, u64), bytes: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_le_bytes(*bytes);
    fold_both(mixed, both as u64, (both >> 64) as u64)
}

#[inline(always)]
fn fold_both((low, high): (u64, u64), a: u64, b: u64) -> (u64, u64) {
    (fold(low ^ a, HIGH ^ b), fold(high ^ b, LOW ^ a))
}

/// Both halves of a product, so that every bit counts.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
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
        self.0 = hash as u64;
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
            let of = |value: &[u8]| Fingerprint::of([value].into_iter());
            prop_assert_eq!(of(&left) == of(&right), left == right);
        }
    }
}
