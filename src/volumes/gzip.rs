//! gzip, in one go where the file is small enough, otherwise piece by piece.
//!
//! <https://www.rfc-editor.org/rfc/rfc1952>

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::{Crc, Decompressor};
use memchr::memmem::Finder;

use super::tally::Reason;

pub const MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];
const HEADER: usize = 10;
const TRAILER: usize = 8;
/// deflate does not compress better than this.
const MAX_RATIO: usize = 1032;
/// Ends of members that are tried in vain; three bytes in 16 million look like the beginning of another one.
const TRIES: usize = 4;
const WINDOW: usize = 64 * 1024;
/// What is uncompressed at once: where the data is damaged, no more than this is lost of what comes before.
const STEP: usize = 1024;
/// Names and comments in headers are short; nothing else may fill the memory.
const MAX_HEADER: usize = 4 * 1024;

/// Uncompresses whole files.
pub struct Whole {
    inflate: Decompressor,
    magic: Finder<'static>,
    text: Vec<u8>,
}

impl Default for Whole {
    fn default() -> Self {
        Self {
            inflate: Decompressor::new(),
            magic: Finder::new(&MAGIC),
            text: Vec::new(),
        }
    }
}

impl Whole {
    /// The text of a file, if all is well with it and it is not longer than `most` bytes. Everything else is for
    /// [`Pieces`], which can also say what is wrong.
    pub fn inflate(&mut self, file: &[u8], most: usize) -> Option<&[u8]> {
        let (mut rest, mut length) = (file, 0);
        let mut tries = TRIES;
        while !rest.is_empty() {
            let end = self.member(rest, &mut length, most, &mut tries)?;
            rest = rest.get(end..)?;
        }
        self.text.get(..length)
    }

    /// Uncompresses the first member behind the text there is, and says where it ends. The decoder does not: it is
    /// asked with every end that there may be.
    fn member(
        &mut self,
        file: &[u8],
        length: &mut usize,
        most: usize,
        tries: &mut usize,
    ) -> Option<usize> {
        if !is_header(file.get(..MAX_HEADER).unwrap_or(file)) {
            return None;
        }
        let others = self.magic.find_iter(file.get(HEADER..)?);
        for end in others.map(|at| HEADER + at).chain([file.len()]) {
            let member = file.get(..end)?;
            let size = u32::from_le_bytes(*member.last_chunk()?);
            let size = usize::try_from(size).ok()?;
            let text = *length..length.checked_add(size)?;
            if text.end <= most && size / MAX_RATIO <= end {
                if self.text.len() < text.end {
                    self.text.resize(text.end, 0);
                }
                let room = self.text.get_mut(text.clone())?;
                if self.inflate.gzip_decompress(member, room) == Ok(size) {
                    *length = text.end;
                    // What lies between two members makes padding of all that follows.
                    let is_exact = end == file.len() || {
                        let shorter = member.get(..end - 1)?;
                        self.inflate.gzip_decompress(shorter, room).is_err()
                    };
                    return is_exact.then_some(end);
                }
            }
            *tries = tries.checked_sub(1)?;
        }
        None
    }
}

/// Uncompresses data that comes in pieces; any number of members, one behind the other.
pub struct Pieces {
    inflate: Decompress,
    crc: Crc,
    part: Part,
    /// Bytes of a header or trailer that has not come completely.
    held: Vec<u8>,
    window: Vec<u8>,
    members: u64,
    consumed: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Header,
    Data,
    Trailer,
    /// What follows the last member is none.
    Padding,
}

impl Default for Pieces {
    fn default() -> Self {
        Self {
            inflate: Decompress::new(false),
            crc: Crc::new(),
            part: Part::Header,
            held: Vec::new(),
            window: vec![0; WINDOW],
            members: 0,
            consumed: 0,
        }
    }
}

impl Pieces {
    /// How much of the file is uncompressed.
    pub fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Uncompresses a piece and hands over the text.
    pub fn push(&mut self, mut piece: &[u8], text: &mut impl FnMut(&[u8])) -> Result<(), Reason> {
        while !piece.is_empty() {
            piece = match self.part {
                Part::Header => self.header(piece)?,
                Part::Data => self.data(piece, text)?,
                Part::Trailer => self.trailer(piece)?,
                Part::Padding => &[],
            };
        }
        Ok(())
    }

    /// Whether the data may end here.
    pub fn finish(&self) -> Result<(), Reason> {
        match self.part {
            Part::Header if self.members > 0 && !self.held.starts_with(&MAGIC) => Ok(()),
            Part::Padding => Ok(()),
            _ => Err(Reason::Truncated),
        }
    }

    fn hold<'p>(&mut self, piece: &'p [u8], most: usize) -> &'p [u8] {
        let (taken, rest) = piece.split_at(piece.len().min(most));
        self.held.extend_from_slice(taken);
        self.consumed += taken.len() as u64;
        rest
    }

    /// Byte by byte, because headers have no length; they are short.
    fn header<'p>(&mut self, piece: &'p [u8]) -> Result<&'p [u8], Reason> {
        let rest = self.hold(piece, 1);
        let magic = MAGIC.get(..self.held.len()).unwrap_or(&MAGIC);
        if !self.held.starts_with(magic) {
            // Whoever reads the file has looked at how it begins.
            self.part = Part::Padding;
        } else if is_header(&self.held) {
            self.held.clear();
            self.inflate.reset(false);
            self.crc = Crc::new();
            self.part = Part::Data;
        } else if self.held.len() > MAX_HEADER {
            return Err(Reason::Corrupt);
        }
        Ok(rest)
    }

    fn data<'p>(
        &mut self,
        mut piece: &'p [u8],
        text: &mut impl FnMut(&[u8]),
    ) -> Result<&'p [u8], Reason> {
        loop {
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let flush = FlushDecompress::None;
            let step = piece.get(..STEP).unwrap_or(piece);
            let status = self.inflate.decompress(step, &mut self.window, flush);
            let status = status.map_err(|_| Reason::Corrupt)?;
            let read = (self.inflate.total_in() - read) as usize;
            let written = (self.inflate.total_out() - written) as usize;
            self.consumed += read as u64;
            piece = piece.get(read..).unwrap_or_default();
            let window = self.window.get(..written).unwrap_or_default();
            self.crc.update(window);
            text(window);
            if status == Status::StreamEnd {
                self.part = Part::Trailer;
                return Ok(piece);
            }
            // A full window may hide more that comes of what has been read.
            if written < WINDOW && piece.is_empty() {
                return Ok(piece);
            }
            if read == 0 && written == 0 {
                return Err(Reason::Corrupt);
            }
        }
    }

    fn trailer<'p>(&mut self, piece: &'p [u8]) -> Result<&'p [u8], Reason> {
        let rest = self.hold(piece, TRAILER - self.held.len());
        if let Some((crc, length)) = self.held.as_array::<TRAILER>().map(|t| t.split_at(4)) {
            let sum = self.crc.sum().to_le_bytes();
            let size = (self.inflate.total_out() as u32).to_le_bytes();
            if crc != sum || length != size {
                return Err(Reason::Checksum);
            }
            self.held.clear();
            self.members += 1;
            self.part = Part::Header;
        }
        Ok(rest)
    }
}

/// Whether bytes that start like a header are a complete one.
fn is_header(held: &[u8]) -> bool {
    let (Some(fixed), Some(rest)) = (held.get(..HEADER), held.get(HEADER..)) else {
        return false;
    };
    let flags = fixed[3];
    let mut at = 0;
    if flags & 4 != 0 {
        let Some(length) = rest.first_chunk::<2>() else {
            return false;
        };
        at += 2 + usize::from(u16::from_le_bytes(*length));
    }
    // Name and comment end with a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let text = rest.get(at..).unwrap_or_default();
            match memchr::memchr(0, text) {
                Some(end) => at += end + 1,
                None => return false,
            }
        }
    }
    at += if flags & 2 != 0 { 2 } else { 0 };
    rest.len() >= at
}
