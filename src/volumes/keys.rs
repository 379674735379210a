//! Which member a key names, guessed from the key before it.
//!
//! Records of one kind have the same members in the same order, so the key that followed last time mostly follows
//! again. A guess is one comparison of 32 bytes, where finding the key's end and looking it up take several times as
//! long; a wrong guess costs that comparison and nothing else.

use std::collections::HashMap;

use super::record::Field;

/// The longest text of a key, with its closing quote, that is guessed.
const LENGTH: usize = 32;
/// Keys that are remembered; random keys must not fill the memory.
const MAX_KEYS: usize = 512;
/// Keys that are tried as the next one.
const FOLLOWERS: usize = 4;

/// A key that has been seen, or the beginning of an object.
#[derive(Clone, Copy)]
pub struct Number(u16);

/// The beginning of a record or of an envelope.
pub const RECORD: Number = Number(0);
pub const USER_IDENTITY: Number = Number(1);
pub const RESOURCE: Number = Number(2);

/// The keys that have been seen.
pub struct Keys {
    known: Vec<Key>,
    numbers: HashMap<Box<[u8]>, u16, foldhash::fast::FixedState>,
}

#[derive(Clone, Copy)]
struct Key {
    text: [u128; 2],
    mask: [u128; 2],
    length: usize,
    field: Field,
    /// What followed last, and before that.
    next: [u16; FOLLOWERS],
}

impl Key {
    fn new(written: &[u8], field: Field) -> Self {
        let mut text = [0; LENGTH];
        let mut mask = [0; LENGTH];
        for (at, byte) in written.iter().chain(b"\"").enumerate().take(LENGTH) {
            text[at] = *byte;
            mask[at] = 0xff;
        }
        Self {
            text: halves(&text),
            mask: halves(&mask),
            length: written.len(),
            field,
            next: [0; FOLLOWERS],
        }
    }
}

#[inline]
fn halves(bytes: &[u8; LENGTH]) -> [u128; 2] {
    let (halves, _) = bytes.as_chunks::<16>();
    match halves {
        [low, high] => [u128::from_le_bytes(*low), u128::from_le_bytes(*high)],
        _ => [0; 2],
    }
}

impl Default for Keys {
    fn default() -> Self {
        // Beginnings look like the empty key, which is harmless where one of them is guessed.
        Self {
            known: vec![Key::new(b"", Field::Other); 3],
            numbers: HashMap::default(),
        }
    }
}

impl Keys {
    /// The key at the start of `text`, behind its opening quote, and its length, if it is one that was guessed.
    #[inline]
    pub fn guess(&self, last: &mut Number, text: &[u8]) -> Option<(Field, usize)> {
        let [low, high] = halves(text.first_chunk::<LENGTH>()?);
        let next = self.known.get(usize::from(last.0))?.next;
        for number in next {
            let key = self.known.get(usize::from(number))?;
            let differs = (low ^ key.text[0]) & key.mask[0] | (high ^ key.text[1]) & key.mask[1];
            if differs == 0 {
                *last = Number(number);
                return Some((key.field, key.length));
            }
        }
        None
    }

    /// The field of a key that was not guessed.
    #[cold]
    pub fn learn(&mut self, last: &mut Number, written: &[u8]) -> Field {
        let Some(number) = self.number(written) else {
            return Field::of(written);
        };
        if let Some(before) = self.known.get_mut(usize::from(last.0)) {
            before.next.rotate_right(1);
            before.next[0] = number;
        }
        *last = Number(number);
        let key = self.known.get(usize::from(number));
        key.map_or(Field::Other, |key| key.field)
    }

    fn number(&mut self, written: &[u8]) -> Option<u16> {
        if written.len() >= LENGTH {
            return None;
        }
        if let Some(number) = self.numbers.get(written) {
            return Some(*number);
        }
        let number = u16::try_from(self.known.len()).ok()?;
        if self.known.len() >= MAX_KEYS {
            return None;
        }
        self.known.push(Key::new(written, Field::of(written)));
        self.numbers.insert(written.into(), number);
        Some(number)
    }
}
