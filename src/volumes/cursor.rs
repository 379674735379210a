//! Steps over JSON text by its masks.

use fearless_simd::prelude::*;

use super::identity::Identities;
use super::keys::{self, Keys, Number};
use super::masks::{container_end, load, string_end, string_within};
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

/// What earlier records looked like.
#[derive(Default)]
pub struct Seen {
    keys: Keys,
    identities: Identities,
}

/// A piece of text, and the vectors to look at it with.
#[derive(Clone, Copy)]
pub struct Cursor<'b, V> {
    simd: V,
    bytes: &'b [u8],
    last: bool,
}

impl<'b, V: Simd> Cursor<'b, V> {
    /// `last`: nothing follows these bytes.
    pub fn new(simd: V, bytes: &'b [u8], last: bool) -> Self {
        Self { simd, bytes, last }
    }

    pub fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    pub fn is_last(&self) -> bool {
        self.last
    }

    #[inline(always)]
    pub fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    #[inline(always)]
    fn need(&self, at: usize) -> Step<u8> {
        self.byte(at).ok_or(Stop::Ends)
    }

    #[inline(always)]
    pub fn skip_space(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte(at) {
            at += 1;
        }
        at
    }

    /// Behind the zeros that some tools leave between and behind documents.
    pub fn skip_padding(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte != 0);
        at + length.unwrap_or(rest.len())
    }

    /// The closing quote of a string, from behind its opening one.
    #[inline(always)]
    fn string(&self, at: usize) -> Step<usize> {
        string_end(self.simd, self.bytes, at).ok_or(Stop::Ends)
    }

    /// The end of a number, `true`, `false` or `null`.
    #[inline(always)]
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

    #[cold]
    #[inline(never)]
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
    #[inline(always)]
    pub fn value(&self, at: usize) -> Step<usize> {
        match self.need(at)? {
            b'"' => Ok(self.string(at + 1)? + 1),
            b'{' | b'[' => container_end(self.simd, self.bytes, at + 1).ok_or(Stop::Ends),
            _ => self.literal(at),
        }
    }

    /// The key at `at`, and where its value is.
    pub fn key(&self, at: usize) -> Step<(&'b [u8], usize)> {
        if self.need(at)? != b'"' {
            return Err(Stop::Broken(at));
        }
        let end = self.string(at + 1)?;
        let key = self.bytes.get(at + 1..end).unwrap_or_default();
        let colon = self.skip_space(end + 1);
        if self.need(colon)? != b':' {
            return Err(Stop::Broken(colon));
        }
        Ok((key, self.skip_space(colon + 1)))
    }

    /// The member at `at`, which is behind the opening bracket or another member, and where its value is; or where the
    /// object ends.
    #[cold]
    #[inline(never)]
    fn unknown_member(
        &self,
        at: usize,
        first: bool,
        last: Number,
        keys: &mut Keys,
    ) -> Step<(Option<Number>, usize)> {
        let mut start = self.skip_space(at);
        match self.need(start)? {
            b'}' => return Ok((None, start + 1)),
            b',' if !first => start = self.skip_space(start + 1),
            _ if first => {}
            _ => return Err(Stop::Broken(start)),
        }
        let (key, value) = self.key(start)?;
        let written = self.bytes.get(at..value).unwrap_or_default();
        Ok((Some(keys.learn(last, written, key)), value))
    }

    /// Calls `member` with each field, the place of its value, and where that ends if it is known; it returns where it
    /// ends. The ends of strings are known, except those of [`Field`]s that are objects or lists.
    #[inline(always)]
    fn members(
        &self,
        open: usize,
        mut last: Number,
        seen: &mut Seen,
        mut member: impl FnMut(&mut Seen, Field, usize, Option<usize>) -> Step<usize>,
    ) -> Step<usize> {
        let mut at = open + 1;
        while self.byte(at) != Some(b'}') {
            let block = load(self.simd, self.bytes, at);
            if let Some((number, key)) = seen.keys.guess(self.simd, last, block) {
                last = number;
                let (field, value) = (key.field, at + key.length);
                at = match string_within(self.simd, block, key.string) {
                    Some(length) => member(seen, field, value, Some(at + length))?,
                    None => member(seen, field, self.skip_space(value), None)?,
                };
            } else {
                let first = at == open + 1;
                match self.unknown_member(at, first, last, &mut seen.keys)? {
                    (None, end) => return Ok(end),
                    (Some(number), value) => {
                        last = number;
                        let field = seen.keys.field(number);
                        at = member(seen, field, value, None)?;
                    }
                }
            }
        }
        Ok(at + 1)
    }

    /// Fills in the members of the object at `at`, and says where it ends. With `lists`, a list of records ends the
    /// walk: then its field is returned, and the place behind its bracket.
    #[inline(always)]
    pub fn object(
        &self,
        start: usize,
        spans: &mut Spans,
        seen: &mut Seen,
        lists: bool,
    ) -> Step<(Option<Field>, usize)> {
        spans.clear();
        let mut list = None;
        let end = self.members(
            start,
            keys::RECORD,
            seen,
            #[inline(always)]
            |seen: &mut Seen, field, value, end| {
                let end = match (end, field) {
                    (Some(end), _) => end,
                    (_, Field::Resources) => self.resources(value, spans, seen)?,
                    (_, Field::UserIdentity) => self.user_identity(value, spans, seen)?,
                    (_, Field::Records | Field::Events | Field::LogEvents)
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
            },
        );
        if let Some((field, inside)) = list {
            return Ok((Some(field), inside));
        }
        let end = end?;
        spans.whole = Span::new(start, end);
        Ok((None, end))
    }

    /// The same for an object inside of another one, which never is a list of records.
    #[inline(never)]
    pub fn inner_object(&self, at: usize, spans: &mut Spans, seen: &mut Seen) -> Step<()> {
        self.simd
            .vectorize(
                #[inline(always)]
                || self.object(at, spans, seen, false),
            )
            .map(|_| ())
    }

    #[inline(always)]
    fn user_identity(&self, at: usize, spans: &mut Spans, seen: &mut Seen) -> Step<usize> {
        spans.user_arn = Span::default();
        if self.need(at)? != b'{' {
            return self.value(at);
        }
        if let Some((end, arn)) = seen.identities.find(self.bytes, at) {
            spans.user_arn = arn;
            return Ok(end);
        }
        self.new_identity(at, spans, seen)
    }

    /// Apart from the rest, which is faster without it.
    #[inline(never)]
    fn new_identity(&self, at: usize, spans: &mut Spans, seen: &mut Seen) -> Step<usize> {
        let mut arn = None;
        let end = self.simd.vectorize(
            #[inline(always)]
            || {
                self.members(
                    at,
                    keys::USER_IDENTITY,
                    seen,
                    #[inline(always)]
                    |_, field, value, end| {
                        let end = match end {
                            Some(end) => end,
                            None => self.value(value)?,
                        };
                        if field == Field::Arn {
                            arn = Some((value, end));
                        }
                        Ok(end)
                    },
                )
            },
        )?;
        if let Some((start, end)) = arn {
            spans.user_arn = Span::new(start, end);
        }
        let inside = arn.map(|(start, end)| (start - at, end - at));
        seen.identities.remember(self.bytes, at, end, inside);
        Ok(end)
    }

    #[inline(always)]
    fn resources(&self, at: usize, spans: &mut Spans, seen: &mut Seen) -> Step<usize> {
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
                b'{' => self.resource(at, spans, seen)?,
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

    #[inline(always)]
    fn resource(&self, at: usize, spans: &mut Spans, seen: &mut Seen) -> Step<usize> {
        let mut resource = ResourceSpans::default();
        let end = self.members(
            at,
            keys::RESOURCE,
            seen,
            #[inline(always)]
            |_: &mut Seen, field, value, end: Option<usize>| {
                let end = match end {
                    Some(end) => end,
                    None => self.value(value)?,
                };
                let span = Span::new(value, end);
                match field {
                    Field::ResourceArn => resource.arn = span,
                    Field::ArnPrefix => resource.arn_prefix = span,
                    Field::Type => resource.kind = span,
                    _ => {}
                }
                Ok(end)
            },
        )?;
        spans.resources.push(resource);
        Ok(end)
    }
}
