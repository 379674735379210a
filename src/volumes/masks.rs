//! Where strings and containers end, found 64 bytes at a time: one bit for each byte.
//!
//! A scanner that knows the quotes, and the brackets outside of strings, need not look at most bytes of a record. The
//! method is that of <https://arxiv.org/abs/1902.08318>, section 3.1, but only for the text that is to be skipped. The
//! comparisons use the widest vectors that the processor has; without any they still are plain code.

use fearless_simd::{prelude::*, u8x64};

/// Bytes that one mask stands for.
pub const BLOCK: usize = 64;
const ODD_BITS: u64 = 0xAAAA_AAAA_AAAA_AAAA;

/// The brackets of a block that are outside of strings, square and curly ones alike.
#[derive(Clone, Copy)]
struct Brackets {
    opening: u64,
    closing: u64,
}

/// What one block hands on to the next.
#[derive(Clone, Copy, Default)]
struct Carry {
    /// All ones inside a string.
    in_string: u64,
    /// One when a backslash at the end of the block escapes the first byte of the next one.
    escaped: u64,
}

/// The closing quote of a string, from behind its opening one.
#[inline(always)]
pub fn string_end<S: Simd>(simd: S, bytes: &[u8], at: usize) -> Option<usize> {
    let block = load(simd, bytes, at);
    let quotes = equal(simd, block, b'"');
    let as_far_as_quote = quotes ^ quotes.wrapping_sub(1);
    if quotes != 0 && equal(simd, block, b'\\') & as_far_as_quote == 0 {
        return Some(at + quotes.trailing_zeros() as usize);
    }
    long_string_end(simd, bytes, at)
}

/// The same where there are escapes, or more than a block.
#[inline(always)]
fn long_string_end<S: Simd>(simd: S, bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut carry = 0;
    while at < bytes.len() {
        let block = load(simd, bytes, at);
        let escaped = escaped(equal(simd, block, b'\\'), &mut carry);
        let quotes = equal(simd, block, b'"') & !escaped;
        if quotes != 0 {
            return Some(at + quotes.trailing_zeros() as usize);
        }
        at += BLOCK;
    }
    None
}

/// The place behind a string that begins and ends in a block and has no escapes.
#[inline(always)]
pub fn string_within<S: Simd>(simd: S, block: u8x64<S>, start: usize) -> Option<usize> {
    let quotes = equal(simd, block, b'"') >> (start % BLOCK);
    let closing = quotes & quotes.wrapping_sub(1);
    let as_far_as_closing = closing ^ closing.wrapping_sub(1);
    let backslashes = equal(simd, block, b'\\') >> (start % BLOCK) & as_far_as_closing;
    let is_simple = quotes & 1 == 1 && closing != 0 && backslashes == 0;
    is_simple.then(|| start + closing.trailing_zeros() as usize + 1)
}

/// The place behind the bracket that closes the one before `at`.
#[inline(always)]
pub fn container_end<S: Simd>(simd: S, bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut carry = Carry::default();
    let mut depth = 1;
    while at < bytes.len() {
        let brackets = brackets(simd, load(simd, bytes, at), &mut carry);
        match brackets.close(depth) {
            Ok(index) => return Some(at + index + 1),
            Err(deeper) => depth = deeper,
        }
        at += BLOCK;
    }
    None
}

impl Brackets {
    /// Where `depth` containers are closed, or how many are open at the end.
    #[inline(always)]
    fn close(self, depth: u32) -> Result<usize, u32> {
        let mut left = self.closing;
        let mut closed = 0;
        // As long as more are open than the block closes, their number is all that matters.
        if left.count_ones() >= depth {
            while left != 0 {
                closed += 1;
                let before = (left & left.wrapping_neg()) - 1;
                if depth + (self.opening & before).count_ones() == closed {
                    return Ok(left.trailing_zeros() as usize);
                }
                left &= left - 1;
            }
        }
        Err(depth + self.opening.count_ones() - self.closing.count_ones())
    }
}

/// The block at `at`; behind the end there are spaces.
#[inline(always)]
pub fn load<S: Simd>(simd: S, bytes: &[u8], at: usize) -> u8x64<S> {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk::<BLOCK>() {
        Some(block) => u8x64::from_slice(simd, block),
        None => u8x64::from_slice(simd, &padded(rest)),
    }
}

#[cold]
#[inline(never)]
fn padded(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [b' '; BLOCK];
    for (padded, byte) in block.iter_mut().zip(rest) {
        *padded = *byte;
    }
    block
}

#[inline(always)]
fn equal<S: Simd>(simd: S, block: u8x64<S>, byte: u8) -> u64 {
    block.simd_eq(u8x64::splat(simd, byte)).to_bitmask()
}

#[inline(always)]
fn brackets<S: Simd>(simd: S, block: u8x64<S>, carry: &mut Carry) -> Brackets {
    let escaped = escaped(equal(simd, block, b'\\'), &mut carry.escaped);
    let quotes = equal(simd, block, b'"') & !escaped;
    let in_string = parity(quotes) ^ carry.in_string;
    carry.in_string = 0u64.wrapping_sub(in_string >> 63);
    // Curly and square brackets differ in this bit alone.
    let folded = block | u8x64::splat(simd, b'{' ^ b'[');
    Brackets {
        opening: equal(simd, folded, b'{') & !in_string,
        closing: equal(simd, folded, b'}') & !in_string,
    }
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
    use fearless_simd::{Level, dispatch};
    use proptest::prelude::*;

    use super::*;

    /// Byte by byte, as one would write it without any idea of speed.
    fn slow_string_end(bytes: &[u8], at: usize) -> Option<usize> {
        let mut escaped = false;
        for (index, byte) in bytes.iter().enumerate().skip(at) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => return Some(index),
                _ => {}
            }
        }
        None
    }

    fn slow_container_end(bytes: &[u8], mut at: usize) -> Option<usize> {
        let mut depth = 1;
        while depth > 0 {
            match bytes.get(at)? {
                b'"' => at = slow_string_end(bytes, at + 1)?,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                // Outside of strings a backslash is no JSON, but it escapes a quote all the same.
                b'\\' if matches!(bytes.get(at + 1), Some(b'\\' | b'"')) => at += 1,
                _ => {}
            }
            at += 1;
        }
        Some(at)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn ends_are_those_of_a_walk_byte_by_byte(
            bytes in proptest::collection::vec(prop::sample::select(&b"\\\\\\\"\"{}[]a ,aaaaaaaaaaaaaaaa"[..]), 0..400),
        ) {
            for at in 0..bytes.len() {
                let string = dispatch!(Level::new(), simd => string_end(simd, &bytes, at));
                prop_assert_eq!(string, slow_string_end(&bytes, at), "string from {}", at);
                let container = dispatch!(Level::new(), simd => container_end(simd, &bytes, at));
                prop_assert_eq!(container, slow_container_end(&bytes, at), "container from {}", at);
            }
        }
    }
}
