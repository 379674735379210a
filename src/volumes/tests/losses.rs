//! Files that are lost while they are read: the rest is counted, and each loss is named.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::{Compress, Compression, FlushCompress};

use super::*;

const RECORD: &str = r#"{"eventVersion":"1.08","eventSource":"s3.amazonaws.com","eventName":"GetObject","recipientAccountId":"111122223333","awsRegion":"eu-west-1"}"#;

pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(text.len() * 2 + 100);
    let mut compress = Compress::new(Compression::fast(), false);
    compress
        .compress_vec(text, &mut deflated, FlushCompress::Finish)
        .unwrap();
    let mut file = b"\x1f\x8b\x08\0\0\0\0\0\0\0".to_vec();
    file.extend(deflated);
    file.extend(libdeflater::crc32(text).to_le_bytes());
    file.extend((text.len() as u32).to_le_bytes());
    file
}

fn log_file(records: usize) -> Vec<u8> {
    gzip(format!("{{\"Records\":[{}]}}", vec![RECORD; records].join(",")).as_bytes())
}

#[test]
fn a_hundred_lost_files_cost_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut sources = Vec::new();
    for index in 0..200 {
        let path = folder.path().join(format!("{index:03}.json.gz"));
        let file = log_file(10);
        match index % 8 {
            // Listed, but gone by the time it is read.
            1 => {}
            // A link that leads to itself cannot be opened, not even by root.
            3 => std::os::unix::fs::symlink(&path, &path).unwrap(),
            5 => std::fs::write(&path, &file[..file.len() - 4 - index / 8]).unwrap(),
            _ => std::fs::write(&path, &file).unwrap(),
        }
        sources.push(path);
    }
    let listed = sources.into_iter().map(Source::Path);
    let broken = (0..25).map(|index| Source::Stream {
        name: format!("stream {index}"),
        reader: Box::new(log_file(10).chain_error()),
    });
    let engine = Engine::new(&[]);
    let tally = count(&engine, listed.chain(broken).collect(), &Options::default()).tally;
    assert_eq!(tally.problems.files, 100);
    assert_eq!(tally.problems.named.len(), 100);
    assert!(tally.events >= 125 * 10, "{}", tally.events);
    let mut named: Vec<&str> = tally
        .problems
        .named
        .iter()
        .map(|p| p.file.as_str())
        .collect();
    named.dedup();
    assert_eq!(named.len(), 100);
    for problem in &tally.problems.named {
        let text = problem.to_string();
        let known = [
            "No such file",
            "symbolic link",
            "cut off",
            "network is gone",
        ];
        assert!(known.iter().any(|known| text.contains(known)), "{text}");
    }
}

trait ChainError {
    fn chain_error(self) -> Failing;
}

impl ChainError for Vec<u8> {
    fn chain_error(mut self) -> Failing {
        self.truncate(self.len() - 12);
        Failing(io::Cursor::new(self))
    }
}

/// Fails before the end.
struct Failing(io::Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the network is gone")),
            length => Ok(length),
        }
    }
}

#[test]
fn a_broken_line_costs_only_itself() {
    let text = format!("{RECORD}\n{{\"eventVersion\": oops!}}\n{RECORD}\n{RECORD}\n");
    let tally = count_text(&Engine::new(&[]), text.as_bytes(), 0);
    assert_eq!(tally.events, 3);
    assert_eq!(tally.problems.count, 1);
    assert_eq!(
        tally.problems.named[0].offset,
        Some(RECORD.len() as u64 + 18)
    );
}

#[test]
fn what_is_no_log_file_is_named_or_skipped() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "a,b").unwrap();
    std::fs::write(folder.path().join("b.json"), "a,b").unwrap();
    std::fs::write(folder.path().join("c.json"), r#"{"counts": [1]}"#).unwrap();
    let tally = count_path(&Engine::new(&[]), folder.path(), 1);
    assert_eq!(
        (tally.skipped, tally.files.count, tally.problems.count),
        (1, 0, 2)
    );
}

#[test]
fn work_can_be_cancelled() {
    let flag = AtomicBool::new(false);
    let progress = |progress: &Progress| flag.store(progress.files > 0, Ordering::Relaxed);
    let options = Options {
        threads: 1,
        progress: Some(&progress),
        cancel: Some(&flag),
        ..Options::default()
    };
    let outcome = count(
        &Engine::new(&[]),
        vec![Source::Path(data("generated"))],
        &options,
    );
    assert!(outcome.cancelled);
    assert_eq!(outcome.tally.problems.count, 0);
}

#[test]
fn huge_values_are_refused_in_bounded_memory() {
    let blank = vec![b' '; 1 << 20];
    let (engine, mut tallies) = (Engine::new(&[]), Vec::new());
    for opening in ["{\"Records\":[{\"x\":\"", "\"", "{\"x\":{\"y\":["] {
        let mut reading = Reading::new(Counter::new(&engine, None), 1 << 20);
        reading.begin("text", None);
        let mut pieces =
            std::iter::once(opening.as_bytes()).chain(std::iter::repeat_n(&blank[..], 40));
        let going = pieces.all(|piece| reading.push(piece));
        assert!(!going, "{opening}");
        tallies.push(reading.take());
    }
    for tally in tallies {
        assert_eq!(
            tally.problems.named[0].reason,
            Reason::Text(Syntax::TooLarge)
        );
    }
}

#[test]
fn what_is_counted_does_not_depend_on_the_pieces() {
    let line = format!("{{\"account\", 1}}\n{RECORD}\n");
    let file = gzip(b"{\"Records\":[{\"eventVersion\":\"1\"},oops");
    let torn = &file[..file.len() - 9];
    let zeros = [RECORD.as_bytes(), b"\0\0\0", RECORD.as_bytes()].concat();
    let marked = [b" \xff\xfe\n", RECORD.as_bytes()].concat();
    for (bytes, events, problems) in [
        // The line ends behind the piece that is broken.
        (line.as_bytes(), 1, 1),
        // Broken text, then broken gzip: one problem.
        (torn, 1, 1),
        (&zeros, 2, 0),
        // A byte order mark is the first thing in a file, or nothing.
        (&marked, 1, 1),
    ] {
        for piece in [0, 1, 2, 7, 1000] {
            let tally = count_text(&Engine::new(&[]), bytes, piece);
            assert_eq!(
                (tally.events, tally.problems.count),
                (events, problems),
                "{piece}"
            );
        }
    }
}

/// What the end of a member is followed by looks like it once more, and then like another member.
#[test]
fn padding_ends_a_file_however_it_is_read() {
    let member = gzip(RECORD.as_bytes());
    let trailer = &member[member.len() - 8..];
    for (between, events) in [(&b""[..], 3), (&trailer[4..], 1), (trailer, 1), (b"\0", 1)] {
        let file = [&member, between, &member, &member].concat();
        for piece in [0, 1, 1000] {
            let tally = count_text(&Engine::new(&[]), &file, piece);
            assert_eq!(
                (tally.events, tally.problems.count),
                (events, 0),
                "{between:?} {piece}"
            );
        }
    }
}

#[test]
fn the_last_of_two_members_counts_whatever_it_is() {
    let record = r#"{"eventVersion":"1","userIdentity":{"arn":"a"},"resources":[{"type":"T","ARN":"a"}],"userIdentity":"x","resources":"y","eventCategory":"Data"}"#;
    let text = format!("[{record},{record},{record}]");
    let tally = count_text(&Engine::new(&[]), text.as_bytes(), 0);
    assert_eq!(tally.events, 3);
    assert!(tally.principals.top(1).is_empty() && tally.resources.top(1).is_empty());
}

/// A file that shrinks or vanishes between two reads, as its reader sees it.
#[test]
fn a_file_that_is_truncated_while_it_is_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json.gz");
    let file = log_file(200_000);
    std::fs::write(&path, &file).unwrap();
    let opened = std::fs::File::open(&path).unwrap();
    let shrinks = Shrinking {
        file: opened,
        path,
        reads: 0,
    };
    let source = Source::Stream {
        name: "shrinks".to_owned(),
        reader: Box::new(shrinks),
    };
    let tally = count(&Engine::new(&[]), vec![source], &Options::default()).tally;
    assert!(
        tally.events > 0 && tally.events < 200_000,
        "{}",
        tally.events
    );
    assert_eq!(
        tally.problems.named[0].to_string().split(" at").next(),
        Some("shrinks: gzip data is cut off")
    );
}

/// Truncates and removes its file after the first read.
struct Shrinking {
    file: std::fs::File,
    path: std::path::PathBuf,
    reads: u32,
}

impl Read for Shrinking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads == 2 {
            let length = std::fs::metadata(&self.path)?.len();
            let file = std::fs::OpenOptions::new().write(true).open(&self.path)?;
            file.set_len(length / 2)?;
            std::fs::remove_file(&self.path)?;
        }
        let most = buffer.len().min(16);
        self.file.read(&mut buffer[..most])
    }
}

#[test]
fn a_file_without_text_is_empty() {
    let zipped = gzip(b"");
    for bytes in [&b""[..], b" \n", b"\0\0\0\0", &zipped] {
        for piece in [0, 1, 64] {
            let tally = count_text(&Engine::new(&[]), bytes, piece);
            let named: Vec<String> = tally
                .problems
                .named
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(
                (tally.files.count, &*named.join(" ")),
                (0, "text: empty file"),
                "{bytes:?}"
            );
        }
    }
}

/// Nobody waits for the counts of a thread that panicked.
#[test]
#[should_panic(expected = "the reader is broken")]
fn a_thread_that_panics_ends_the_count() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("the reader is broken");
        }
    }
    /// So that the other thread is at work when this one panics.
    struct Slow;
    impl Read for Slow {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(std::time::Duration::from_millis(2));
            Ok(0)
        }
    }
    let stream = |number: usize| Source::Stream {
        name: number.to_string(),
        reader: match number {
            0 => Box::new(Broken),
            _ => Box::new(Slow),
        },
    };
    let options = Options {
        threads: 2,
        ..Options::default()
    };
    count(&Engine::new(&[]), (0..4000).map(stream).collect(), &options);
}
