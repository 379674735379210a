//! From the bytes of a file to counts: what they are, gzip or not, and what is wrong with them.

use super::count::{Counter, Place};
use super::gzip::{MAGIC, Pieces, Whole};
use super::record::Record;
use super::scan::{MAX_PIECE, Scanner, Sink, Syntax};
use super::tally::{Files, Problem, Reason, Tally};

/// Problems of one file that are named; one wrong line is often followed by many.
const NAMED_PER_FILE: u64 = 5;

/// Reads one file after the other.
pub struct Reading<'e> {
    counter: Counter<'e>,
    scanner: Scanner,
    gzip: Whole,
    /// The largest text that is uncompressed in one go.
    most: usize,
    file: Open,
    input: Input,
    /// The first bytes, as long as there are too few to tell what they are.
    head: Vec<u8>,
    feed: Feed,
}

/// The file being read.
#[derive(Default)]
struct Open {
    name: String,
    compressed: u64,
    uncompressed: u64,
    records: u64,
    digest: bool,
    problems: u64,
    /// Anything but spaces and zeros.
    has_text: bool,
}

/// What the first bytes of a file made of it.
#[derive(Default)]
enum Input {
    #[default]
    Unknown,
    Text,
    Gzip(Box<Pieces>),
}

/// Text that came in pieces and has not been scanned completely.
#[derive(Default)]
struct Feed {
    text: Vec<u8>,
    /// How much must have come before it is worth another look.
    wanted: usize,
    stopped: bool,
}

impl<'e> Reading<'e> {
    pub fn new(counter: Counter<'e>, most: usize) -> Self {
        Self {
            counter,
            scanner: Scanner::default(),
            gzip: Whole::default(),
            most,
            file: Open::default(),
            input: Input::Unknown,
            head: Vec::new(),
            feed: Feed::default(),
        }
    }

    pub fn tally(&mut self) -> &mut Tally {
        self.counter.tally()
    }

    /// See [`Counter::take`].
    pub fn take_batch(&mut self) -> Tally {
        self.counter.take_batch()
    }

    pub fn take(&mut self) -> Tally {
        self.counter.take()
    }

    /// A digest file that need not be read.
    pub fn digest(&mut self, place: Option<&Place>, size: u64) {
        self.counter.begin(place);
        self.counter.file(Files::digest(size));
    }

    /// A problem with a file that is not being read.
    pub fn problem(&mut self, problem: Problem) {
        let problems = &mut self.counter.tally().problems;
        problems.files += 1;
        problems.add(problem);
    }

    pub fn begin(&mut self, name: &str, place: Option<&Place>) {
        self.counter.begin(place);
        self.scanner.begin();
        self.input = Input::Unknown;
        self.head.clear();
        self.feed.text.clear();
        self.feed.wanted = 0;
        self.feed.stopped = false;
        let mut kept = std::mem::take(&mut self.file.name);
        kept.clear();
        kept.push_str(name);
        self.file = Open {
            name: kept,
            ..Open::default()
        };
    }

    /// A whole file.
    pub fn whole(&mut self, bytes: &[u8]) {
        let text = if bytes.starts_with(&MAGIC) {
            self.gzip.inflate(bytes, self.most)
        } else {
            Some(bytes)
        };
        let Some(text) = text else {
            for piece in bytes.chunks(64 * 1024) {
                if !self.push(piece) {
                    return self.abandon();
                }
            }
            return self.finish();
        };
        self.file.compressed = bytes.len() as u64;
        self.file.uncompressed = text.len() as u64;
        let mut sink = FileSink::new(&mut self.counter, &mut self.file);
        let scanned = self.scanner.scan(text, true, &mut sink);
        sink.end(scanned.map(|_| ()));
        self.file.has_text = self.file.records > 0 || has_text(text);
        self.end();
    }

    /// Closes a file that has been read to its end.
    fn end(&mut self) {
        if !self.file.has_text && self.file.problems == 0 {
            self.broken(Reason::Empty);
        }
        self.abandon();
    }

    /// A piece of a file; `false` when no more is wanted.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        if !matches!(self.input, Input::Unknown) {
            return self.push_known(piece);
        }
        self.head.extend_from_slice(piece);
        if self.head.len() < MAGIC.len() {
            return true;
        }
        self.push_head()
    }

    /// The first bytes, which tell what the file is.
    fn push_head(&mut self) -> bool {
        let head = std::mem::take(&mut self.head);
        self.input = if head.starts_with(&MAGIC) {
            Input::Gzip(Box::default())
        } else {
            Input::Text
        };
        self.push_known(&head)
    }

    fn push_known(&mut self, piece: &[u8]) -> bool {
        self.file.compressed += piece.len() as u64;
        let mut sink = FileSink::new(&mut self.counter, &mut self.file);
        let (feed, scanner) = (&mut self.feed, &mut self.scanner);
        let inflated = match &mut self.input {
            Input::Gzip(gzip) => gzip.push(piece, &mut |text| feed.push(text, scanner, &mut sink)),
            _ => {
                feed.push(piece, scanner, &mut sink);
                Ok(())
            }
        };
        match inflated {
            Ok(()) => !self.feed.stopped,
            Err(reason) => {
                // What came before the damage can still be counted.
                let mut sink = FileSink::new(&mut self.counter, &mut self.file);
                self.feed.scan(false, &mut self.scanner, &mut sink);
                self.damaged(reason);
                false
            }
        }
    }

    /// The text can be read only so far. Where it had been given up before, that is known already; how much of it came
    /// in one piece must not make a difference.
    fn damaged(&mut self, reason: Reason) {
        if !self.feed.stopped {
            self.broken(reason);
        }
    }

    /// The file ends here.
    pub fn finish(&mut self) {
        if !self.head.is_empty() {
            self.push_head();
        }
        let ended = match &self.input {
            Input::Unknown | Input::Text => Ok(()),
            Input::Gzip(gzip) => gzip.finish(),
        };
        let mut sink = FileSink::new(&mut self.counter, &mut self.file);
        self.feed.scan(ended.is_ok(), &mut self.scanner, &mut sink);
        if let Err(reason) = ended {
            self.damaged(reason);
        }
        self.end();
    }

    /// Closes the file as far as it has been read.
    pub fn abandon(&mut self) {
        let file = &self.file;
        let files = if file.digest {
            Files::digest(file.compressed)
        } else if file.records > 0 || file.problems == 0 {
            Files::log_file(file.compressed, file.uncompressed)
        } else {
            Files::default()
        };
        self.counter.file(files);
        // Largest texts are rare, so their memory is not kept.
        self.feed.text.clear();
        self.feed.text.shrink_to(1024 * 1024);
    }

    /// Something is wrong with the file as such.
    pub fn broken(&mut self, reason: Reason) {
        let offset = match (&self.input, &reason) {
            (_, Reason::Empty) => None,
            (Input::Gzip(gzip), _) => Some(gzip.consumed()),
            _ => Some(self.file.compressed),
        };
        FileSink::new(&mut self.counter, &mut self.file).problem(offset, reason);
    }
}

impl Feed {
    fn push(&mut self, text: &[u8], scanner: &mut Scanner, sink: &mut FileSink<'_, '_>) {
        if self.stopped {
            return;
        }
        sink.file.uncompressed += text.len() as u64;
        sink.file.has_text = sink.file.has_text || has_text(text);
        self.text.extend_from_slice(text);
        if self.text.len() >= self.wanted {
            self.scan(false, scanner, sink);
        }
    }

    fn scan(&mut self, last: bool, scanner: &mut Scanner, sink: &mut FileSink<'_, '_>) {
        if self.stopped {
            return;
        }
        match scanner.scan(&self.text, last, sink) {
            Ok(consumed) => {
                self.text.drain(..consumed);
                // Twice as much each time, so that a large record is not looked at again and again.
                self.wanted = self.text.len() * 2;
                if self.text.len() > MAX_PIECE {
                    self.stopped = true;
                    sink.end(Err((sink.file.uncompressed, Syntax::TooLarge)));
                }
            }
            Err(problem) => {
                self.stopped = true;
                sink.end(Err(problem));
            }
        }
    }
}

fn has_text(text: &[u8]) -> bool {
    let is_blank = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
    !text.iter().all(is_blank)
}

/// What the scanner finds in a file.
struct FileSink<'s, 'e> {
    counter: &'s mut Counter<'e>,
    file: &'s mut Open,
}

impl<'s, 'e> FileSink<'s, 'e> {
    fn new(counter: &'s mut Counter<'e>, file: &'s mut Open) -> Self {
        Self { counter, file }
    }

    fn end(&mut self, scanned: Result<(), (u64, Syntax)>) {
        if let Err((at, syntax)) = scanned {
            self.problem(Some(at), Reason::Text(syntax));
        }
    }

    fn problem(&mut self, offset: Option<u64>, reason: Reason) {
        self.file.problems += 1;
        let problems = &mut self.counter.tally().problems;
        problems.files += u64::from(self.file.problems == 1);
        if self.file.problems > NAMED_PER_FILE {
            problems.count += 1;
            return;
        }
        problems.add(Problem {
            file: self.file.name.clone(),
            offset,
            reason,
        });
    }
}

impl Sink for FileSink<'_, '_> {
    #[inline]
    fn record(&mut self, record: &Record<'_>) {
        self.file.records += 1;
        self.counter.record(record);
    }

    fn digest(&mut self) {
        self.file.digest = true;
    }

    fn unknown(&mut self, at: u64, reason: Syntax) {
        self.problem(Some(at), Reason::Text(reason));
    }
}
