//! Which member a key names, guessed from the key before it.
//!
//! Records of one kind have the same members in the same order, so the key that followed last time mostly follows
//! again. A guess is one comparison of 64 bytes, from the comma before the key to what separates it from its value;
//! finding these ends and looking the key up take several times as long. Several keys are tried in an order that hardly
//! changes, so that the processor learns which of them it will be.

use std::collections::HashMap;

use fearless_simd::{prelude::*, u8x64};

use super::masks::BLOCK;
use super::record::Field;

/// Keys that are remembered; random keys must not fill the memory.
const MAX_KEYS: usize = 512;
/// Keys that are tried as the next one.
const FOLLOWERS: usize = 8;
/// How much more often than the key before it one must have followed to be tried first.
const LEAD: u16 = 64;

/// A key that has been seen, or the beginning of an object.
#[derive(Clone, Copy)]
pub struct Number(u16);

/// The beginning of a record or of an envelope.
pub const RECORD: Number = Number(0);
pub const USER_IDENTITY: Number = Number(1);
pub const RESOURCE: Number = Number(2);
/// The last key that is not remembered.
const OTHER: Number = Number(3);

/// The keys that have been seen.
pub struct Keys {
    /// Numbers are places in it; its length is a constant so that no place has to be looked for.
    all: Box<[Key; MAX_KEYS]>,
    known: usize,
    numbers: HashMap<Box<[u8]>, u16, foldhash::fast::FixedState>,
}

#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Key {
    text: [u8; BLOCK],
    /// One bit for each byte of the text.
    mask: u64,
    pub length: usize,
    pub field: Field,
    /// Where a value begins that is nothing but a string; none fits into the last byte of a block.
    pub string: usize,
    /// What has followed, and how often.
    next: [u16; FOLLOWERS],
    hits: [u16; FOLLOWERS],
}

impl Key {
    fn new(written: &[u8], field: Field) -> Self {
        // The rest is never compared.
        let mut text = [0; BLOCK];
        for (own, byte) in text.iter_mut().zip(written) {
            *own = *byte;
        }
        Self {
            text,
            mask: u64::MAX >> (BLOCK - written.len().clamp(1, BLOCK)),
            length: written.len(),
            field,
            string: match field {
                Field::UserIdentity | Field::Resources => BLOCK - 1,
                _ => written.len(),
            },
            next: [0; FOLLOWERS],
            hits: [0; FOLLOWERS],
        }
    }
}

impl Default for Keys {
    fn default() -> Self {
        // Those that are no keys look like the end of an object, where no key is guessed.
        Self {
            all: Box::new([Key::new(b"}", Field::Other); MAX_KEYS]),
            known: usize::from(OTHER.0) + 1,
            numbers: HashMap::default(),
        }
    }
}

impl Keys {
    #[inline(always)]
    fn key(&self, number: u16) -> &Key {
        &self.all[usize::from(number) % MAX_KEYS]
    }

    #[inline(always)]
    fn key_mut(&mut self, number: u16) -> &mut Key {
        &mut self.all[usize::from(number) % MAX_KEYS]
    }

    #[inline(always)]
    pub fn field(&self, number: Number) -> Field {
        self.key(number.0).field
    }

    /// The key at the start of a block, with all that separates it from the values before and behind it, if it is one that
    /// was guessed.
    #[inline(always)]
    pub fn guess<S: Simd>(
        &mut self,
        simd: S,
        last: Number,
        block: u8x64<S>,
    ) -> Option<(Number, &Key)> {
        let next = self.key(last.0).next;
        for (index, number) in next.into_iter().enumerate() {
            let key = self.key(number);
            let same = block.simd_eq(u8x64::from_slice(simd, &key.text));
            if !same.to_bitmask() & key.mask == 0 {
                self.prefer(last, index);
                return Some((Number(number), self.key(number)));
            }
        }
        None
    }

    /// The most frequent ones come to the front.
    #[inline(always)]
    fn prefer(&mut self, last: Number, index: usize) {
        let before = self.key_mut(last.0);
        before.hits[index] = before.hits[index].saturating_add(1);
        if index > 0 && before.hits[index] > before.hits[index - 1].saturating_add(LEAD) {
            before.next.swap(index, index - 1);
            before.hits.swap(index, index - 1);
        }
    }

    /// Takes note of a key that was not guessed; `written` is the key with what is around it.
    #[cold]
    #[inline(never)]
    pub fn learn(&mut self, last: Number, written: &[u8], key: &[u8]) -> Number {
        let Some(number) = self.number(written, key) else {
            self.key_mut(OTHER.0).field = Field::of(key);
            return OTHER;
        };
        let before = self.key_mut(last.0);
        // In the first free place, or that of the least frequent one.
        let free = before.next.iter().position(|next| *next == 0);
        let slot = free.unwrap_or(FOLLOWERS - 1);
        before.next[slot] = number;
        before.hits[slot] = 0;
        Number(number)
    }

    fn number(&mut self, written: &[u8], key: &[u8]) -> Option<u16> {
        // The value has to begin in the block.
        if written.len() >= BLOCK {
            return None;
        }
        if let Some(number) = self.numbers.get(written) {
            return Some(*number);
        }
        let number = u16::try_from(self.known).ok()?;
        *self.all.get_mut(self.known)? = Key::new(written, Field::of(key));
        self.known += 1;
        self.numbers.insert(written.into(), number);
        Some(number)
    }
}
