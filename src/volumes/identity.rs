//! `userIdentity` objects that have been seen, by their text.
//!
//! A session that calls again is written in the same way again, and is a third of a record. Comparing it with what was
//! seen takes a tenth of the time that a walk over its members does.

use std::ops::RangeInclusive;

use super::record::Span;

/// Objects that are remembered.
const SLOTS: usize = 256;
/// Shorter ones are not worth it, longer ones are rare.
const LENGTHS: RangeInclusive<usize> = 64..=1024;
/// Where sessions differ: behind `{"type":"AssumedRole","principalId":"AROA`.
const NAME: usize = 40;

pub struct Identities {
    seen: Vec<Identity>,
}

#[derive(Clone, Default)]
struct Identity {
    text: Vec<u8>,
    arn: Option<Place>,
}

/// Where a value begins and ends, from the beginning of its object.
pub type Place = (usize, usize);

impl Default for Identities {
    fn default() -> Self {
        Self {
            seen: vec![Identity::default(); SLOTS],
        }
    }
}

impl Identities {
    /// The end of the object at `at` and its `arn`, if it has been seen.
    #[inline(always)]
    pub fn find(&self, bytes: &[u8], at: usize) -> Option<(usize, Span)> {
        let identity = self.seen.get(slot(bytes, at)?)?;
        let end = at + identity.text.len();
        if end == at || bytes.get(at..end)? != identity.text {
            return None;
        }
        let arn = identity
            .arn
            .map(|(start, end)| Span::new(at + start, at + end));
        Some((end, arn.unwrap_or_default()))
    }

    pub fn remember(&mut self, bytes: &[u8], at: usize, end: usize, arn: Option<Place>) {
        let text = bytes.get(at..end).unwrap_or_default();
        let slot = slot(bytes, at).and_then(|slot| self.seen.get_mut(slot));
        if let Some(identity) = slot
            && LENGTHS.contains(&text.len())
        {
            identity.text.clear();
            identity.text.extend_from_slice(text);
            identity.arn = arn;
        }
    }
}

#[inline(always)]
fn slot(bytes: &[u8], at: usize) -> Option<usize> {
    let name = bytes.get(at + NAME..)?.first_chunk::<32>()?;
    let (words, _) = name.as_chunks::<8>();
    let mixed = words.iter().fold(0u64, |mixed, word| {
        (mixed ^ u64::from_le_bytes(*word))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    });
    Some(mixed as usize % SLOTS)
}
