//! Steps over JSON text by its masks.

use super::keys::{self, Keys, Number};
use super::masks::{BLOCK, Masks};
use super::record::{Field, ResourceSpans, Span, Spans};

/// Why a step was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The text ends first. More of it may help.
    Ends,
    /// The text is no JSON at this place.
    Broken(usize),
}

type Step<T> = Result<T, Stop>;

/// A piece of text with its masks.
#[derive(Clone, Copy)]
pub struct Cursor<'b> {
    bytes: &'b [u8],
    masks: &'b Masks,
    last: bool,
}

impl<'b> Cursor<'b> {
    /// `last`: nothing follows these bytes.
    pub fn new(bytes: &'b [u8], masks: &'b Masks, last: bool) -> Self {
        Self { bytes, masks, last }
    }

    pub fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    pub fn is_last(&self) -> bool {
        self.last
    }

    #[inline]
    pub fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    #[inline]
    fn need(&self, at: usize) -> Step<u8> {
        self.byte(at).ok_or(Stop::Ends)
    }

    #[inline]
    pub fn skip_space(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte(at) {
            at += 1;
        }
        at
    }

    /// Whether there is nothing but zeros from here on, as some tools leave behind.
    pub fn is_padding(&self, at: usize) -> bool {
        let rest = self.bytes.get(at..).unwrap_or_default();
        rest.iter().all(|byte| *byte == 0)
    }

    /// The closing quote of a string, from behind its opening one.
    #[inline]
    fn string(&self, mut at: usize) -> Step<usize> {
        loop {
            let quotes = self.masks.quotes_from(at);
            if quotes != 0 {
                return Ok(at + quotes.trailing_zeros() as usize);
            }
            at += BLOCK;
            if at >= self.bytes.len() {
                return Err(Stop::Ends);
            }
        }
    }

    /// The place behind the bracket that closes the one at `at`.
    #[inline]
    fn container(&self, at: usize) -> Step<usize> {
        // Most containers hold no other ones.
        let inside = self.masks.brackets_from(at + 1);
        let first = inside.closing & inside.closing.wrapping_neg();
        if first != 0 && inside.opening & (first - 1) == 0 {
            return Ok(at + 2 + first.trailing_zeros() as usize);
        }
        self.nested(at)
    }

    #[inline]
    fn nested(&self, at: usize) -> Step<usize> {
        let mut block = at / BLOCK;
        let mut depth = 0;
        let mut from = u64::MAX << (at % BLOCK);
        loop {
            let brackets = self.masks.brackets(block).ok_or(Stop::Ends)?;
            let mut left = (brackets.opening | brackets.closing) & from;
            while left != 0 {
                let bit = left & left.wrapping_neg();
                depth += if brackets.opening & bit != 0 { 1 } else { -1 };
                if depth == 0 {
                    return Ok(block * BLOCK + bit.trailing_zeros() as usize + 1);
                }
                left ^= bit;
            }
            from = u64::MAX;
            block += 1;
        }
    }

    /// The end of a number, `true`, `false` or `null`.
    #[inline]
    fn literal(&self, at: usize) -> Step<usize> {
        let length = match self.bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) {
            Some(b"true" | b"null") => 4,
            Some(b"fals") if self.byte(at + 4) == Some(b'e') => 5,
            _ => return self.number(at),
        };
        match self.byte(at + length) {
            Some(b',' | b'}') => Ok(at + length),
            _ => self.number(at),
        }
    }

    fn number(&self, at: usize) -> Step<usize> {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let ends = |byte: &u8| b",:{}[]\" \n\r\t".contains(byte);
        let length = match rest.iter().position(ends) {
            Some(length) => length,
            None if self.last => rest.len(),
            None => return Err(Stop::Ends),
        };
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let written = rest.get(..length).unwrap_or_default();
        let begins = matches!(written, [b't' | b'f' | b'n' | b'-' | b'0'..=b'9', ..]);
        if !begins || !written.iter().all(plain) {
            return Err(Stop::Broken(at));
        }
        Ok(at + length)
    }

    /// The end of a value.
    #[inline]
    pub fn value(&self, at: usize) -> Step<usize> {
        match self.need(at)? {
            b'"' => Ok(self.string(at + 1)? + 1),
            b'{' | b'[' => self.container(at),
            _ => self.literal(at),
        }
    }

    /// Where the value of a key is, from the key's closing quote.
    #[inline]
    fn behind_key(&self, end: usize) -> Step<usize> {
        let colon = self.skip_space(end + 1);
        if self.need(colon)? != b':' {
            return Err(Stop::Broken(colon));
        }
        Ok(self.skip_space(colon + 1))
    }

    /// The key at `at`, and where its value is.
    pub fn key(&self, at: usize) -> Step<(Field, usize)> {
        let end = self.string(at + 1)?;
        let key = self.bytes.get(at + 1..end).unwrap_or_default();
        Ok((Field::of(key), self.behind_key(end)?))
    }

    /// The same, where the key before it is known.
    #[inline]
    fn key_after(&self, last: &mut Number, at: usize, keys: &mut Keys) -> Step<(Field, usize)> {
        if self.need(at)? != b'"' {
            return Err(Stop::Broken(at));
        }
        let text = self.bytes.get(at + 1..).unwrap_or_default();
        let (field, end) = match keys.guess(last, text) {
            Some((field, length)) => (field, at + 1 + length),
            None => {
                let end = self.string(at + 1)?;
                let key = self.bytes.get(at + 1..end).unwrap_or_default();
                (keys.learn(last, key), end)
            }
        };
        Ok((field, self.behind_key(end)?))
    }

    /// Calls `member` with each field and the place of its value; it returns the value's end.
    #[inline]
    fn members(
        &self,
        at: usize,
        mut last: Number,
        keys: &mut Keys,
        mut member: impl FnMut(&mut Keys, Field, usize) -> Step<usize>,
    ) -> Step<usize> {
        let mut at = self.skip_space(at + 1);
        if self.need(at)? == b'}' {
            return Ok(at + 1);
        }
        loop {
            let (field, value) = self.key_after(&mut last, at, keys)?;
            at = self.skip_space(member(keys, field, value)?);
            match self.need(at)? {
                b',' => at = self.skip_space(at + 1),
                b'}' => return Ok(at + 1),
                _ => return Err(Stop::Broken(at)),
            }
        }
    }

    /// Fills in the members of the object at `at`, and says where it ends. With `lists`, a list of records ends the
    /// walk: then its field is returned, and the place behind its bracket.
    #[inline]
    pub fn object(
        &self,
        start: usize,
        spans: &mut Spans,
        keys: &mut Keys,
        lists: bool,
    ) -> Step<(Option<Field>, usize)> {
        spans.clear();
        let mut list = None;
        let end = self.members(start, keys::RECORD, keys, |keys, field, value| {
            let end = match field {
                Field::Resources => self.resources(value, spans, keys)?,
                Field::UserIdentity => self.user_identity(value, spans, keys)?,
                Field::Records | Field::Events | Field::LogEvents
                    if lists && self.byte(value) == Some(b'[') =>
                {
                    list = Some((field, value + 1));
                    // Any stop ends the walk.
                    return Err(Stop::Ends);
                }
                _ => self.value(value)?,
            };
            spans.set(field, Span::new(value, end));
            Ok(end)
        });
        if let Some((field, inside)) = list {
            return Ok((Some(field), inside));
        }
        let end = end?;
        spans.whole = Span::new(start, end);
        Ok((None, end))
    }

    #[inline]
    fn user_identity(&self, at: usize, spans: &mut Spans, keys: &mut Keys) -> Step<usize> {
        spans.user_arn = Span::default();
        if self.need(at)? != b'{' {
            return self.value(at);
        }
        self.members(at, keys::USER_IDENTITY, keys, |_, field, value| {
            let end = self.value(value)?;
            if field == Field::Arn {
                spans.user_arn = Span::new(value, end);
            }
            Ok(end)
        })
    }

    #[inline]
    fn resources(&self, at: usize, spans: &mut Spans, keys: &mut Keys) -> Step<usize> {
        spans.resources.clear();
        if self.need(at)? != b'[' {
            return self.value(at);
        }
        let mut at = self.skip_space(at + 1);
        if self.need(at)? == b']' {
            return Ok(at + 1);
        }
        loop {
            at = match self.need(at)? {
                b'{' => self.resource(at, spans, keys)?,
                _ => self.value(at)?,
            };
            at = self.skip_space(at);
            match self.need(at)? {
                b',' => at = self.skip_space(at + 1),
                b']' => return Ok(at + 1),
                _ => return Err(Stop::Broken(at)),
            }
        }
    }

    #[inline]
    fn resource(&self, at: usize, spans: &mut Spans, keys: &mut Keys) -> Step<usize> {
        let mut resource = ResourceSpans::default();
        let end = self.members(at, keys::RESOURCE, keys, |_, field, value| {
            let end = self.value(value)?;
            let span = Span::new(value, end);
            match field {
                Field::ResourceArn => resource.arn = span,
                Field::ArnPrefix => resource.arn_prefix = span,
                Field::Type => resource.kind = span,
                _ => {}
            }
            Ok(end)
        })?;
        spans.resources.push(resource);
        Ok(end)
    }
}
