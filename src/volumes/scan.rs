//! The scanner: finds records in the text of a log file without building a document.
//!
//! Shapes: `{"Records": […]}` as CloudTrail delivers it; single records, one after another or in a list; the envelopes
//! of EventBridge, CloudWatch Logs and LookupEvents. What is not looked at is not checked either, so the scanner reads
//! some texts that are no JSON; whatever is JSON it reads as JSON.

use std::fmt;

use fearless_simd::{Level, dispatch, prelude::*};

use super::cursor::{Cursor, Seen, Stop};
use super::record::{Field, Record, Spans, text};

/// The largest piece of text without a place to stop at; CloudTrail's records end at 1 MB.
pub const MAX_PIECE: usize = 4 * 1024 * 1024;

/// Who is told about what was found.
pub trait Sink {
    fn record(&mut self, record: &Record<'_>);
    /// A digest file where log files are expected.
    fn digest(&mut self);
    /// Something that is not a problem of the text; reading goes on behind it.
    fn unknown(&mut self, at: u64, reason: Syntax);
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Syntax {
    NotJson,
    Utf16,
    /// The text ends inside a value.
    Ends,
    TooLarge,
    /// JSON, but no CloudTrail record.
    Foreign,
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotJson => "not JSON",
            Self::Utf16 => "UTF-16; convert it to UTF-8",
            Self::Ends => "ends inside a record",
            Self::TooLarge => "a record of more than 4 MB",
            Self::Foreign => "not a CloudTrail record",
        })
    }
}

/// What the elements of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    /// A list that is a document: records or envelopes.
    Top,
    Records,
    /// The output of LookupEvents.
    Events,
    /// Log events of CloudWatch Logs.
    LogEvents,
}

impl List {
    fn named(field: Field) -> Option<Self> {
        match field {
            Field::Records => Some(Self::Records),
            Field::Events => Some(Self::Events),
            Field::LogEvents => Some(Self::LogEvents),
            _ => None,
        }
    }
}

/// Where in a document the scanner stands. It can only stop at such a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before, between or behind documents.
    Outside,
    /// Before an element of a list, or behind the last one.
    Elements(List),
    /// Behind a list of records, among the members of the object that holds it.
    Members,
}

/// Scans one text, which may come in pieces.
pub struct Scanner {
    level: Level,
    spans: Spans,
    seen: Seen,
    place: Place,
    /// How many bytes of the text came before what is being scanned.
    offset: u64,
    /// For texts inside of texts, which hold nothing but records.
    inner: Option<Box<Scanner>>,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            inner: Some(Box::new(Self::innermost())),
            ..Self::innermost()
        }
    }
}

impl Scanner {
    fn innermost() -> Self {
        Self {
            level: Level::new(),
            spans: Spans::default(),
            seen: Seen::default(),
            place: Place::Outside,
            offset: 0,
            inner: None,
        }
    }

    /// Begins a new text.
    pub fn begin(&mut self) {
        self.place = Place::Outside;
        self.offset = 0;
    }

    /// Scans as much of `bytes` as is complete, and says how much that was; all of it if these are the last ones. The
    /// rest must be given again, with more behind it.
    pub fn scan(
        &mut self,
        bytes: &[u8],
        last: bool,
        sink: &mut impl Sink,
    ) -> Result<usize, (u64, Syntax)> {
        let mut done = 0;
        loop {
            let rest = bytes.get(done..).unwrap_or_default();
            let (consumed, end) = self.scan_rest(rest, last, sink);
            done += consumed;
            self.offset += consumed as u64;
            match end {
                End::Text => return Ok(done),
                End::Piece if last => return Err((self.offset, Syntax::Ends)),
                End::Piece => return Ok(done),
                End::TooLarge => return Err((self.offset, Syntax::TooLarge)),
                End::Broken(behind) => {
                    let piece = bytes.get(done..).unwrap_or_default();
                    let problem = self.offset + behind as u64;
                    let skipped = match self.resume(piece, behind, last) {
                        Ok(Some(skipped)) => skipped,
                        Ok(None) => return Ok(done),
                        Err(reason) => return Err((problem, reason)),
                    };
                    sink.unknown(problem, Syntax::NotJson);
                    done += behind + skipped;
                    self.offset = problem + skipped as u64;
                }
            }
        }
    }

    /// How far it is from a broken place to the next line, where each line is a document. Nothing if more text has to
    /// come before that can be said.
    fn resume(&self, piece: &[u8], broken: usize, last: bool) -> Result<Option<usize>, Syntax> {
        let rest = piece.get(broken..piece.len().min(MAX_PIECE));
        let rest = rest.unwrap_or_default();
        let first = self.offset + broken as u64 == 0;
        if first && matches!(rest, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
            return Err(Syntax::Utf16);
        }
        if self.place != Place::Outside {
            return Err(Syntax::NotJson);
        }
        let line = memchr::memchr(b'\n', rest).map(|end| end + 1);
        let behind = line.and_then(|line| rest.get(line..)).unwrap_or_default();
        match behind.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => Ok(line),
            None if !last && piece.len() < MAX_PIECE => Ok(None),
            _ => Err(Syntax::NotJson),
        }
    }

    /// How much was consumed, and why it was not more.
    fn scan_rest(&mut self, bytes: &[u8], last: bool, sink: &mut impl Sink) -> (usize, End) {
        let level = self.level;
        dispatch!(level, simd => self.walk(simd, bytes, last, sink))
    }

    #[inline(always)]
    fn walk<V: Simd>(
        &mut self,
        simd: V,
        bytes: &[u8],
        last: bool,
        sink: &mut impl Sink,
    ) -> (usize, End) {
        let mut at = 0;
        if self.offset == 0 && self.place == Place::Outside && bytes.starts_with(b"\xef\xbb\xbf") {
            at = 3;
        }
        let all = Cursor::new(simd, bytes, last);
        loop {
            let start = all.skip_space(at);
            let rest = bytes.get(start..).unwrap_or_default();
            let piece = rest.get(..MAX_PIECE);
            let mut walk = Walk {
                cursor: Cursor::new(simd, piece.unwrap_or(rest), last && piece.is_none()),
                spans: &mut self.spans,
                seen: &mut self.seen,
                inner: self.inner.as_deref_mut(),
                offset: self.offset + start as u64,
                sink,
            };
            match walk.step(self.place, 0) {
                Ok(Some((place, next))) => (self.place, at) = (place, start + next),
                Ok(None) => return (bytes.len(), End::Text),
                Err(Stop::Ends) if piece.is_some() => return (at, End::TooLarge),
                Err(Stop::Ends) => return (at, End::Piece),
                Err(Stop::Broken(place)) => return (at, End::Broken(start + place - at)),
            }
        }
    }
}

/// Why a scan went no further.
enum End {
    /// There is no more text.
    Text,
    /// There is less than the next piece.
    Piece,
    TooLarge,
    /// No JSON, so many bytes behind what was consumed.
    Broken(usize),
}

/// A walk over a piece of text, as far as a place to stop at.
struct Walk<'a, 'b, S, V> {
    cursor: Cursor<'b, V>,
    spans: &'a mut Spans,
    seen: &'a mut Seen,
    inner: Option<&'a mut Scanner>,
    offset: u64,
    sink: &'a mut S,
}

impl<S: Sink, V: Simd> Walk<'_, '_, S, V> {
    /// From one place to the next; nothing at the end of the text.
    #[inline(always)]
    fn step(&mut self, place: Place, at: usize) -> Result<Option<(Place, usize)>, Stop> {
        let at = self.cursor.skip_space(at);
        let Some(byte) = self.cursor.byte(at) else {
            return match (place, self.cursor.is_last()) {
                (Place::Outside, _) => Ok(None),
                (_, true) => Err(Stop::Ends),
                (_, false) => Ok(None),
            };
        };
        let next = match (place, byte) {
            (Place::Outside, b'{') => self.document(at)?,
            (Place::Outside, b'[') => (Place::Elements(List::Top), at + 1),
            (Place::Outside, 0) => (place, self.cursor.skip_padding(at)),
            (Place::Outside, _) => {
                let end = self.cursor.value(at)?;
                self.unknown(at);
                (Place::Outside, end)
            }
            (Place::Elements(_) | Place::Members, b',') => (place, at + 1),
            (Place::Elements(List::Top), b']') | (Place::Members, b'}') => (Place::Outside, at + 1),
            (Place::Elements(_), b']') => (Place::Members, at + 1),
            (Place::Elements(list), b'{') => (place, self.element(list, at)?),
            (Place::Elements(_), _) => {
                let end = self.cursor.value(at)?;
                self.unknown(at);
                (place, end)
            }
            (Place::Members, b'"') => self.member(at)?,
            (Place::Members, _) => return Err(Stop::Broken(at)),
        };
        Ok(Some(next))
    }

    fn unknown(&mut self, at: usize) {
        self.sink.unknown(self.offset + at as u64, Syntax::Foreign);
    }

    /// An object that is a document. If it holds a list of records, the walk goes on inside of that.
    #[inline(always)]
    fn document(&mut self, at: usize) -> Result<(Place, usize), Stop> {
        let (list, end) = self.cursor.object(at, self.spans, self.seen, true)?;
        match list.and_then(List::named) {
            Some(list) => Ok((Place::Elements(list), end)),
            None => {
                self.classify(at)?;
                Ok((Place::Outside, end))
            }
        }
    }

    /// What follows a list of records in the object that holds it; perhaps one more list.
    #[inline(never)]
    fn member(&mut self, at: usize) -> Result<(Place, usize), Stop> {
        let (key, value) = self.cursor.key(at)?;
        match List::named(Field::of(key)) {
            Some(list) if self.cursor.byte(value) == Some(b'[') => {
                Ok((Place::Elements(list), value + 1))
            }
            _ => Ok((Place::Members, self.cursor.value(value)?)),
        }
    }

    #[inline(always)]
    fn element(&mut self, list: List, at: usize) -> Result<usize, Stop> {
        let (inner, end) = self
            .cursor
            .object(at, self.spans, self.seen, list == List::Top)?;
        match list {
            List::Records => self
                .sink
                .record(&Record::new(self.cursor.bytes(), self.spans)),
            List::Events => self.text(Field::CloudTrailEvent, at),
            List::LogEvents => self.text(Field::Message, at),
            List::Top if inner.is_some() => return self.envelope(at),
            List::Top => self.classify(at)?,
        }
        Ok(end)
    }

    /// An object with lists of records that is an element itself. There is no place to stop in it, so nothing of it
    /// may be counted before it is complete.
    #[inline(never)]
    fn envelope(&mut self, at: usize) -> Result<usize, Stop> {
        let end = self.cursor.value(at)?;
        let mut place = Place::Members;
        let mut at = at + 1;
        while at < end && place != Place::Outside {
            match self.step(place, at)? {
                Some(next) => (place, at) = next,
                None => break,
            }
        }
        Ok(end)
    }

    /// An object that no list says the kind of; its members are known by now.
    #[inline(never)]
    fn classify(&mut self, at: usize) -> Result<(), Stop> {
        let record = Record::new(self.cursor.bytes(), self.spans);
        let detail = self.spans.place(Field::Detail);
        if record.is_plausible() {
            self.sink.record(&record);
        } else if self.cursor.byte(detail) == Some(b'{') && detail > at {
            self.cursor.inner_object(detail, self.spans, self.seen)?;
            let record = Record::new(self.cursor.bytes(), self.spans);
            if record.is_plausible() {
                self.sink.record(&record);
            } else {
                self.unknown(at);
            }
        } else if record.is_digest() {
            self.sink.digest();
        } else {
            self.unknown(at);
        }
        Ok(())
    }

    /// A record that is a string in a member of its envelope.
    #[inline(never)]
    fn text(&mut self, field: Field, at: usize) {
        let record = Record::new(self.cursor.bytes(), self.spans);
        let (Some(text), Some(scanner)) = (text(record.get(field)), self.inner.as_deref_mut())
        else {
            return self.unknown(at);
        };
        let mut sink = Inner {
            sink: self.sink,
            at: self.offset + at as u64,
        };
        scanner.begin();
        let scanned = scanner.scan_whole(text.as_bytes(), &mut sink);
        if scanned.is_err() || text.trim().is_empty() {
            self.unknown(at);
        }
    }
}

impl Scanner {
    fn scan_whole<S: Sink>(
        &mut self,
        bytes: &[u8],
        sink: &mut Inner<'_, S>,
    ) -> Result<(), (u64, Syntax)> {
        // Without generics over generics: an inner text has no texts inside.
        let sink: &mut dyn Sink = sink;
        self.scan(bytes, true, &mut Dynamic(sink)).map(|_| ())
    }
}

struct Dynamic<'a>(&'a mut dyn Sink);

impl Sink for Dynamic<'_> {
    fn record(&mut self, record: &Record<'_>) {
        self.0.record(record);
    }

    fn digest(&mut self) {
        self.0.digest();
    }

    fn unknown(&mut self, at: u64, reason: Syntax) {
        self.0.unknown(at, reason);
    }
}

/// Offsets inside of a text in a text mean nothing to anybody; that of the envelope does.
struct Inner<'a, S> {
    sink: &'a mut S,
    at: u64,
}

impl<S: Sink> Sink for Inner<'_, S> {
    fn record(&mut self, record: &Record<'_>) {
        self.sink.record(record);
    }

    fn digest(&mut self) {
        self.sink.digest();
    }

    fn unknown(&mut self, _: u64, reason: Syntax) {
        self.sink.unknown(self.at, reason);
    }
}
