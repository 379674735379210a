//! What makes the class of a record: the values, as they are written, on which selectors and counters agree for all
//! records of the class. Compared with every record, so these comparisons are made of a few loads each.

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

/// The members of a class's records and the types of their resources.
pub struct ClassKey {
    fields: [Box<[u8]>; FIELDS.len()],
    types: Vec<Box<[u8]>>,
}

impl ClassKey {
    pub fn of(record: &Record<'_>) -> Self {
        Self {
            fields: FIELDS.map(|field| record.get(field).into()),
            types: record.resources().map(|(kind, _)| kind.into()).collect(),
        }
    }

    #[inline]
    pub fn is_of(&self, record: &Record<'_>) -> bool {
        let mut fields = self.fields.iter().zip(FIELDS);
        let resources = record.resources();
        self.types.len() == resources.len()
            && fields.all(|(own, field)| is_same(own, record.get(field)))
            && self
                .types
                .iter()
                .zip(resources)
                .all(|(own, (kind, _))| is_same(own, kind))
    }
}

/// The same for all records of a class, and hardly ever for those of another.
#[inline]
pub fn hash_of(record: &Record<'_>) -> u64 {
    let fields = FIELDS
        .iter()
        .fold(0, |hash, field| mix(hash, record.get(*field)));
    record
        .resources()
        .fold(fields, |hash, (kind, _)| mix(hash, kind))
}

/// Length, beginning and end of short values; of long ones also what lies between.
#[inline]
fn mix(hash: u64, value: &[u8]) -> u64 {
    let length = value.len() as u64;
    if let (Some(first), Some(last)) = (value.first_chunk::<8>(), value.last_chunk::<8>()) {
        let ends = fold(
            hash ^ length,
            u64::from_le_bytes(*first),
            u64::from_le_bytes(*last),
        );
        let (words, _) = value.as_chunks::<8>();
        let between = words.get(1..).unwrap_or_default().chunks(2);
        return between.fold(ends, |hash, pair| match pair {
            [a, b] => fold(hash, u64::from_le_bytes(*a), u64::from_le_bytes(*b)),
            [a] => fold(hash, u64::from_le_bytes(*a), 0),
            _ => hash,
        });
    }
    if let (Some(first), Some(last)) = (value.first_chunk::<4>(), value.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return fold(hash ^ length, u64::from(first), u64::from(last));
    }
    let short = value
        .iter()
        .fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    fold(hash ^ length, short, 0)
}

#[inline]
fn fold(hash: u64, a: u64, b: u64) -> u64 {
    const LEFT: u64 = 0x9e37_79b9_7f4a_7c15;
    const RIGHT: u64 = 0xd1b5_4a32_d192_ed03;
    // Each step can be undone, so values that differ in one of the two never meet.
    let mixed = (hash ^ a).wrapping_mul(LEFT);
    let mixed = (mixed ^ mixed >> 32 ^ b).wrapping_mul(RIGHT);
    mixed ^ mixed >> 29
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
            prop_assert_eq!(mix(7, &left) == mix(7, &right), left == right);
        }
    }
}
