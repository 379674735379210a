//! Where the structure of JSON text is: one bit for each byte, 64 bytes at a time.
//!
//! A scanner that knows the quotes and the brackets outside of strings need not look at most bytes of a record. The
//! method is that of <https://arxiv.org/abs/1902.08318>, section 3.1. The comparisons use the widest vectors that the
//! processor has; without any they still are plain code.

use fearless_simd::{Level, dispatch, prelude::*, u8x64};

/// Bytes that one word of a mask stands for.
pub const BLOCK: usize = 64;
const ODD_BITS: u64 = 0xAAAA_AAAA_AAAA_AAAA;

/// The quotes and brackets of a piece of JSON text that starts outside of strings.
#[derive(Debug, Default)]
pub struct Masks {
    quotes: Vec<u64>,
    brackets: Vec<Brackets>,
}

/// The brackets of a block that are outside of strings, square and curly ones alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct Brackets {
    pub opening: u64,
    pub closing: u64,
}

/// What one block hands on to the next.
#[derive(Clone, Copy, Default)]
struct Carry {
    /// All ones inside a string.
    in_string: u64,
    /// One when a backslash at the end of the block escapes the first byte of the next one.
    escaped: u64,
}

/// The bytes of a block that have a meaning, wherever they are.
struct Marks {
    quotes: u64,
    backslashes: u64,
    opening: u64,
    closing: u64,
}

impl Masks {
    /// Computes the masks of `bytes` in place of the former ones.
    pub fn fill(&mut self, level: Level, bytes: &[u8]) {
        self.quotes.clear();
        self.brackets.clear();
        dispatch!(level, simd => fill(simd, bytes, &mut self.quotes, &mut self.brackets));
        // So that the last block has a next one.
        self.quotes.push(0);
        self.brackets.push(Brackets::default());
    }

    /// The quotes of the 64 bytes from `at` on, except escaped ones; the lowest bit is the byte at `at`.
    #[inline(always)]
    pub fn quotes_from(&self, at: usize) -> u64 {
        let (block, bit) = (at / BLOCK, at % BLOCK);
        let here = self.quotes.get(block).copied().unwrap_or_default() >> bit;
        let next = self.quotes.get(block + 1).copied().unwrap_or_default();
        // Two shifts, because a shift by 64 is not one.
        here | (next << 1 << (BLOCK - 1 - bit))
    }

    /// The brackets of the 64 bytes from `at` on.
    #[inline(always)]
    pub fn brackets_from(&self, at: usize) -> Brackets {
        let (block, bit) = (at / BLOCK, at % BLOCK);
        let here = self.brackets(block).unwrap_or_default();
        let next = self.brackets(block + 1).unwrap_or_default();
        let joined = |here: u64, next: u64| here >> bit | (next << 1 << (BLOCK - 1 - bit));
        Brackets {
            opening: joined(here.opening, next.opening),
            closing: joined(here.closing, next.closing),
        }
    }

    #[inline(always)]
    pub fn brackets(&self, block: usize) -> Option<Brackets> {
        self.brackets.get(block).copied()
    }
}

#[inline(always)]
fn fill<S: Simd>(simd: S, bytes: &[u8], quotes: &mut Vec<u64>, brackets: &mut Vec<Brackets>) {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let mut carry = Carry::default();
    quotes.reserve(blocks.len() + 2);
    brackets.reserve(blocks.len() + 2);
    let all = blocks.iter().map(|block| {
        let (quotes, brackets) = structure(marks(simd, block), &mut carry);
        (quotes, brackets)
    });
    for (quote, bracket) in all {
        quotes.push(quote);
        brackets.push(bracket);
    }
    if !rest.is_empty() {
        let mut block = [b' '; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        let (quote, bracket) = structure(marks(simd, &block), &mut carry);
        quotes.push(quote);
        brackets.push(bracket);
    }
}

#[inline(always)]
fn marks<S: Simd>(simd: S, block: &[u8; BLOCK]) -> Marks {
    let bytes = u8x64::from_slice(simd, block);
    let equal = |byte: u8| bytes.simd_eq(u8x64::splat(simd, byte)).to_bitmask();
    // Curly and square brackets differ in this bit alone.
    let folded = bytes | u8x64::splat(simd, b'{' ^ b'[');
    let folded_equal = |byte: u8| folded.simd_eq(u8x64::splat(simd, byte)).to_bitmask();
    Marks {
        quotes: equal(b'"'),
        backslashes: equal(b'\\'),
        opening: folded_equal(b'{'),
        closing: folded_equal(b'}'),
    }
}

/// The quotes that are not escaped, and the brackets outside of strings.
#[inline(always)]
fn structure(marks: Marks, carry: &mut Carry) -> (u64, Brackets) {
    let quotes = marks.quotes & !escaped(marks.backslashes, &mut carry.escaped);
    let in_string = parity(quotes) ^ carry.in_string;
    carry.in_string = 0u64.wrapping_sub(in_string >> 63);
    let brackets = Brackets {
        opening: marks.opening & !in_string,
        closing: marks.closing & !in_string,
    };
    (quotes, brackets)
}

/// The bytes that a backslash escapes: every second one of a run of backslashes, and what follows an odd run.
#[inline(always)]
fn escaped(backslashes: u64, carry: &mut u64) -> u64 {
    if backslashes == 0 {
        return std::mem::take(carry);
    }
    let escapes = backslashes & !*carry;
    let followed = (escapes << 1) | ODD_BITS;
    let ends = followed.wrapping_sub(escapes) ^ ODD_BITS;
    let escaped = ends ^ (backslashes | *carry);
    *carry = (ends & backslashes) >> 63;
    escaped
}

/// Every bit becomes the parity of itself and all lower ones: ones from each opening quote up to its closing one.
#[inline(always)]
fn parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Byte by byte, as one would write it without any idea of speed.
    fn slow(bytes: &[u8]) -> (Vec<bool>, Vec<u8>) {
        let (mut in_string, mut escaped) = (false, false);
        let (mut quotes, mut brackets) = (Vec::new(), Vec::new());
        for &byte in bytes {
            let quote = byte == b'"' && !escaped;
            in_string ^= quote;
            escaped = byte == b'\\' && !escaped;
            quotes.push(quote);
            let structural = !in_string && b"[]{}".contains(&byte);
            brackets.push(if structural { byte } else { 0 });
        }
        (quotes, brackets)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn masks_are_those_of_a_walk_byte_by_byte(
            bytes in proptest::collection::vec(prop::sample::select(&b"\\\\\\\"\"{}[]a ,"[..]), 0..400),
        ) {
            let mut masks = Masks::default();
            masks.fill(Level::new(), &bytes);
            let (quotes, brackets) = slow(&bytes);
            for at in 0..bytes.len() {
                prop_assert_eq!(masks.quotes_from(at) & 1 == 1, quotes[at], "quote at {}", at);
                let later = quotes[at..].iter().take(64).position(|q| *q).unwrap_or(64);
                prop_assert_eq!(masks.quotes_from(at).trailing_zeros() as usize, later);
                let block = masks.brackets(at / BLOCK).unwrap_or_default();
                let bit = 1 << (at % BLOCK);
                prop_assert_eq!(block.opening & bit != 0, b"{[".contains(&brackets[at]));
                prop_assert_eq!(block.closing & bit != 0, b"}]".contains(&brackets[at]));
            }
        }
    }
}
