use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::Globals;
use super::cost_inputs::{Inputs, other_trails};
use super::plan::Format;
use super::session::Session;
use crate::error::{Error, Outcome};
use crate::explain;
use crate::live_spec::live_spec;
use crate::planner;
use crate::render::explain as view;
use crate::volumes::{Record, Scanner, Sink, Syntax};
use crate::world::World;

/// Say which trails record an event, and why
///
/// The event is a CloudTrail record as JSON, alone or in any of the forms that log files have.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File with the event, - for standard input
    #[arg(value_name = "EVENT", default_value = "-")]
    event: PathBuf,
    /// Ask the trails as they are live, not as the spec wants them
    #[arg(long)]
    live: bool,
    /// Trails of others that record the same accounts, a file (JSON) or `live`: they decide whose copy is free
    #[arg(long, value_name = "FILE")]
    other_trails: Option<PathBuf>,
    /// Price book, instead of the one that the spec names or the embedded one
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

pub async fn run(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    let session = Session::load(globals, world)?;
    let records = records(args)?;
    let book = Inputs::book(&session.spec, globals, args.prices.as_deref())?;
    let others = other_trails(args.other_trails.as_deref(), &session, globals, world).await?;
    let spec = match args.live {
        false => session.spec.clone(),
        true => {
            let aws = session.connect(globals).await?;
            let (_, live) = planner::plan(&aws, &session.spec, &session.sources).await;
            live_spec(&session.spec, &live.state)
        }
    };
    for (index, record) in records.iter().enumerate() {
        let report = explain::report(record, &spec, &others.trails, &book);
        match args.format {
            Format::Json => world.print(&view::json(&report))?,
            Format::Text => {
                if index > 0 {
                    world.print("\n")?;
                }
                world.print_doc(&view::text(&report))?;
            }
        }
    }
    Ok(Outcome::Done)
}

fn records(args: &Args) -> Result<Vec<Value>, Error> {
    let name = args.event.display();
    let bytes = match args.event.as_os_str() == "-" {
        true => {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        }
        false => fs::read(&args.event),
    };
    let bytes = bytes.map_err(|error| Error::failed(format!("{name} cannot be read: {error}")))?;
    let bytes = uncompressed(bytes).map_err(|error| Error::failed(format!("{name}: {error}")))?;
    let mut found = Records::default();
    let scanned = Scanner::default().scan(&bytes, true, &mut found);
    let problem = scanned.err().or(found.problem);
    if let Some((at, problem)) = problem {
        return Err(Error::failed(format!("{name}: {problem} at byte {at}"))
            .fix("give one CloudTrail record as JSON, or a log file"));
    }
    match found.records.is_empty() {
        true => Err(Error::failed(format!("{name} holds no CloudTrail record"))
            .fix("give one CloudTrail record as JSON, or a log file")),
        false => Ok(found.records),
    }
}

/// Events to explain are a few; a log file holds at most 50 MB.
const MOST: u64 = 256 * 1024 * 1024;

fn uncompressed(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    MultiGzDecoder::new(bytes.as_slice())
        .take(MOST)
        .read_to_end(&mut text)?;
    Ok(text)
}

#[derive(Default)]
struct Records {
    records: Vec<Value>,
    problem: Option<(u64, Syntax)>,
}

impl Sink for Records {
    fn record(&mut self, record: &Record<'_>) {
        match serde_json::from_slice(record.text()) {
            Ok(record) => self.records.push(record),
            Err(_) => self.problem = Some((0, Syntax::NotJson)),
        }
    }

    fn digest(&mut self) {}

    fn unknown(&mut self, at: u64, reason: Syntax) {
        self.problem = Some((at, reason));
    }
}
