//! The members of a record that selectors and counters look at, as places in its text.

use std::array;
use std::borrow::Cow;

use crate::selectors::{Event, Resource};

/// Members by their name in the record, or in an envelope around records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Field {
    EventCategory,
    ManagementEvent,
    ReadOnly,
    EventSource,
    EventName,
    EventType,
    ErrorCode,
    VpcEndpointId,
    SessionCredentialFromConsole,
    EventTime,
    AwsRegion,
    RecipientAccountId,
    AccountId,
    EventId,
    EventVersion,
    UserIdentity,
    Resources,
    /// The record in an event of EventBridge.
    Detail,
    /// The record, as a string, in an event of CloudWatch Logs.
    Message,
    /// The record, as a string, in the output of LookupEvents.
    CloudTrailEvent,
    DigestStartTime,
    /// The files that a digest file is about.
    LogFiles,
    /// Lists of records or of envelopes.
    Records,
    Events,
    LogEvents,
    /// In `userIdentity`.
    Arn,
    /// In an element of `resources`.
    ResourceArn,
    ArnPrefix,
    Type,
    Other,
}

const FIELDS: usize = Field::Other as usize;
/// Those whose place in a record is kept.
const KEPT: usize = Field::Records as usize;

/// The first ones, by which records are told apart.
pub const CLASS_FIELDS: usize = Field::VpcEndpointId as usize;

/// Names of [`Field`]s in their order.
const NAMES: [&[u8]; FIELDS] = [
    b"eventCategory",
    b"managementEvent",
    b"readOnly",
    b"eventSource",
    b"eventName",
    b"eventType",
    b"errorCode",
    b"vpcEndpointId",
    b"sessionCredentialFromConsole",
    b"eventTime",
    b"awsRegion",
    b"recipientAccountId",
    b"accountId",
    b"eventID",
    b"eventVersion",
    b"userIdentity",
    b"resources",
    b"detail",
    b"message",
    b"CloudTrailEvent",
    b"digestStartTime",
    b"logFiles",
    b"Records",
    b"Events",
    b"logEvents",
    b"arn",
    b"ARN",
    b"ARNPrefix",
    b"type",
];

const ALL: [Field; FIELDS] = [
    Field::EventCategory,
    Field::ManagementEvent,
    Field::ReadOnly,
    Field::EventSource,
    Field::EventName,
    Field::EventType,
    Field::ErrorCode,
    Field::VpcEndpointId,
    Field::SessionCredentialFromConsole,
    Field::EventTime,
    Field::AwsRegion,
    Field::RecipientAccountId,
    Field::AccountId,
    Field::EventId,
    Field::EventVersion,
    Field::UserIdentity,
    Field::Resources,
    Field::Detail,
    Field::Message,
    Field::CloudTrailEvent,
    Field::DigestStartTime,
    Field::LogFiles,
    Field::Records,
    Field::Events,
    Field::LogEvents,
    Field::Arn,
    Field::ResourceArn,
    Field::ArnPrefix,
    Field::Type,
];

impl Field {
    /// The field of a key as it is written, escapes included.
    pub fn of(key: &[u8]) -> Self {
        if key.contains(&b'\\') {
            return Self::exactly(unescaped(key).as_bytes());
        }
        Self::exactly(key)
    }

    fn exactly(key: &[u8]) -> Self {
        let found = NAMES.iter().position(|name| *name == key);
        found.map_or(Self::Other, |index| ALL[index])
    }
}

/// Where a value is; empty when there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// What is scanned at once is far smaller than 4 GB.
    #[inline]
    pub fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    #[inline]
    fn of(self, bytes: &[u8]) -> &[u8] {
        bytes
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// Bytes of a padded value, its length in the last one.
const PADDED: usize = 32;

/// A value in a text.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    bytes: &'a [u8],
    span: Span,
}

impl<'a> Value<'a> {
    /// One that is all of its text.
    pub fn alone(bytes: &'a [u8]) -> Self {
        let span = Span::new(0, bytes.len());
        Self { bytes, span }
    }

    pub fn written(self) -> &'a [u8] {
        self.span.of(self.bytes)
    }

    /// Up to 31 bytes as four numbers: zeros behind them, and in the last byte how many they are. No step depends on
    /// the length, which the processor would often guess wrong.
    #[inline(always)]
    pub fn padded(self) -> Option<[u64; 4]> {
        /// As many ones as the value has bytes, then zeros.
        const ONES: [u8; 2 * PADDED] = {
            let mut ones = [0; 2 * PADDED];
            let mut at = 0;
            while at < PADDED {
                ones[at] = 0xff;
                at += 1;
            }
            ones
        };
        let (start, length) = (
            self.span.start as usize,
            self.span.end.wrapping_sub(self.span.start) as usize,
        );
        if length >= PADDED {
            return None;
        }
        let mask: &[u8; PADDED] = ONES.get(PADDED - length..)?.first_chunk()?;
        let mut words = match self
            .bytes
            .get(start..start + PADDED)
            .and_then(<[u8]>::first_chunk)
        {
            Some(block) => masked(block, mask),
            None => masked(&short_block(self.written()), mask),
        };
        words[3] |= (length as u64) << 56;
        Some(words)
    }
}

#[inline(always)]
fn masked(block: &[u8; PADDED], mask: &[u8; PADDED]) -> [u64; 4] {
    let (block, _) = block.as_chunks::<8>();
    let (mask, _) = mask.as_chunks::<8>();
    let word = |bytes: &[[u8; 8]], index: usize| {
        bytes.get(index).map_or(0, |word| u64::from_le_bytes(*word))
    };
    array::from_fn(|index| word(block, index) & word(mask, index))
}

/// Where the text ends before the block does.
#[cold]
fn short_block(value: &[u8]) -> [u8; PADDED] {
    let mut block = [0; PADDED];
    for (own, byte) in block.iter_mut().zip(value) {
        *own = *byte;
    }
    block
}

/// An element of `resources`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResourceSpans {
    pub kind: Span,
    pub arn: Span,
    pub arn_prefix: Span,
}

/// The places of a record's members.
#[derive(Debug, Default)]
pub struct Spans {
    pub whole: Span,
    fields: [Span; KEPT],
    pub user_arn: Span,
    pub resources: Vec<ResourceSpans>,
}

impl Spans {
    pub fn clear(&mut self) {
        self.fields = [Span::default(); KEPT];
        self.user_arn = Span::default();
        self.resources.clear();
    }

    /// Where the value of a member begins; 0 when there is none.
    pub fn place(&self, field: Field) -> usize {
        let span = self.fields.get(field as usize).copied();
        span.unwrap_or_default().start as usize
    }

    /// The last of several members of one name counts, as in most parsers.
    #[inline]
    pub fn set(&mut self, field: Field, span: Span) {
        if let Some(slot) = self.fields.get_mut(field as usize) {
            *slot = span;
        }
    }
}

/// A record in the text of a log file. Values are given as they are written: a string with its quotes and escapes,
/// nothing at all for a member that is missing.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    bytes: &'a [u8],
    spans: &'a Spans,
}

impl<'a> Record<'a> {
    pub fn new(bytes: &'a [u8], spans: &'a Spans) -> Self {
        Self { bytes, spans }
    }

    /// The whole record.
    pub fn text(&self) -> &'a [u8] {
        self.spans.whole.of(self.bytes)
    }

    #[inline]
    pub fn get(&self, field: Field) -> &'a [u8] {
        let span = self.spans.fields.get(field as usize).copied();
        span.unwrap_or_default().of(self.bytes)
    }

    /// The values of the first [`CLASS_FIELDS`] fields.
    #[inline(always)]
    pub fn class_values(&self) -> impl Iterator<Item = Value<'a>> {
        let bytes = self.bytes;
        let spans = self.spans.fields[..CLASS_FIELDS].iter();
        spans.map(move |span| Value { bytes, span: *span })
    }

    /// The type of each element of `resources`.
    #[inline(always)]
    pub fn types(&self) -> impl Iterator<Item = Value<'a>> {
        let bytes = self.bytes;
        self.spans.resources.iter().map(move |resource| Value {
            bytes,
            span: resource.kind,
        })
    }

    /// `userIdentity.arn`.
    #[inline]
    pub fn user_arn(&self) -> &'a [u8] {
        self.spans.user_arn.of(self.bytes)
    }

    /// Type and ARN, or the ARN prefix of calls that list, of each element of `resources`.
    #[inline]
    pub fn resources(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> {
        let bytes = self.bytes;
        self.spans.resources.iter().map(move |resource| {
            let arn = match resource.arn.of(bytes) {
                arn @ [b'"', ..] => arn,
                _ => resource.arn_prefix.of(bytes),
            };
            (resource.kind.of(bytes), arn)
        })
    }

    /// Whether this is a CloudTrail record at all, for objects that no envelope says it of.
    pub fn is_plausible(&self) -> bool {
        let has = |field| !self.get(field).is_empty();
        has(Field::EventVersion) || (has(Field::EventSource) && has(Field::EventName))
    }

    /// Whether this is the content of a digest file.
    pub fn is_digest(&self) -> bool {
        let has = |field| !self.get(field).is_empty();
        has(Field::DigestStartTime) || has(Field::LogFiles)
    }

    /// The record as selectors see it, its members decoded.
    pub fn event(&self) -> Event<'a> {
        let mut event = Event {
            category: Cow::Borrowed(""),
            read_only: flag(self.get(Field::ReadOnly)),
            event_source: text(self.get(Field::EventSource)),
            event_name: text(self.get(Field::EventName)),
            event_type: text(self.get(Field::EventType)),
            error_code: text(self.get(Field::ErrorCode)),
            vpc_endpoint_id: text(self.get(Field::VpcEndpointId)),
            user_identity_arn: text(self.user_arn()),
            session_credential_from_console: scalar(self.get(Field::SessionCredentialFromConsole)),
            resources: Vec::new(),
            record: None,
        };
        event.resources = self
            .resources()
            .map(|(kind, arn)| Resource {
                resource_type: text(kind),
                arn: text(arn),
            })
            .collect();
        event.category = match text(self.get(Field::EventCategory)) {
            Some(category) if !category.is_empty() => category,
            _ => Cow::Borrowed(event.category_of(flag(self.get(Field::ManagementEvent)))),
        };
        event
    }
}

/// The text of a string as it is written, quotes included; nothing for any other value.
#[inline]
pub fn text(written: &[u8]) -> Option<Cow<'_, str>> {
    match written {
        [b'"', inner @ .., b'"'] => Some(unescaped(inner)),
        _ => None,
    }
}

/// Decodes what is between the quotes. What is no JSON or no UTF-8 is kept as far as it goes.
pub fn unescaped(inner: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', inner).is_none() {
        return String::from_utf8_lossy(inner);
    }
    let mut quoted = Vec::with_capacity(inner.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(String::from_utf8_lossy(inner).as_bytes());
    quoted.push(b'"');
    match serde_json::from_slice::<String>(&quoted) {
        Ok(text) => Cow::Owned(text),
        Err(_) => String::from_utf8_lossy(inner),
    }
}

/// A string, or a boolean or number as text.
fn scalar(written: &[u8]) -> Option<Cow<'_, str>> {
    match written {
        [] | [b'{' | b'[', ..] => None,
        [b'"', ..] => text(written),
        b"true" => Some(Cow::Borrowed("true")),
        b"false" => Some(Cow::Borrowed("false")),
        _ => match serde_json::from_slice(written) {
            Ok(serde_json::Value::Number(number)) => Some(Cow::Owned(number.to_string())),
            _ => None,
        },
    }
}

/// A boolean, also one that passed through a tool which made it a string.
fn flag(written: &[u8]) -> Option<bool> {
    match scalar(written)?.as_ref() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name() {
        for (index, field) in ALL.into_iter().enumerate() {
            assert_eq!(field as usize, index);
            assert_eq!(Field::of(NAMES[index]), field);
        }
        assert_eq!(Field::of(b"event\\u0053ource"), Field::EventSource);
        assert_eq!(Field::of(b"eventsource"), Field::Other);
        assert_eq!(Field::of(b""), Field::Other);
    }

    #[test]
    fn values_are_decoded_as_written() {
        assert_eq!(text(b"\"a\\/b\\u0041\"").as_deref(), Some("a/bA"));
        assert_eq!(text(b"\"\xff\"").as_deref(), Some("\u{fffd}"));
        assert_eq!(text(b"\"\\x\"").as_deref(), Some("\\x"));
        assert_eq!(text(b"null"), None);
        assert_eq!(text(b"\""), None);
        assert_eq!(flag(b"\"tr\\u0075e\""), Some(true));
        assert_eq!(flag(b"1"), None);
        assert_eq!(scalar(b"1.50").as_deref(), Some("1.5"));
    }
}
