use std::path::PathBuf;

use super::Globals;
use super::logs::{self, LogArgs, Questions};
use super::plan::Format;
use super::session;
use crate::cost::Window;
use crate::coverage;
use crate::error::{Error, Outcome};
use crate::model::Risk;
use crate::render::coverage::{self as view, Counted};
use crate::spec::Spec;
use crate::volumes::Change;
use crate::world::World;

/// Show what a change of a spec no longer records
///
/// Proved over all possible events, not sampled. With log files, also counted in them: how many events are lost, which
/// ones, whose. Exits with 3 when something is lost, unless that is allowed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The spec before: a file or a folder
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The spec after
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Log files to count in: folders, files, s3://BUCKET/PREFIX, or - for standard input
    #[arg(value_name = "LOGS")]
    sources: Vec<String>,
    /// Accept that less is recorded: narrows-coverage
    #[arg(long, value_name = "RISK")]
    allow: Vec<Risk>,
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Rows of each list
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Exit with 4 when something could not be read
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    logs: LogArgs,
}

pub async fn run(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    let old = session::load_other(&args.old, globals, world)?;
    let new = session::load_other(&args.new, globals, world)?;
    let (old, recorders) = (coverage::recorders(&old), coverage::recorders(&new));
    let mut report = coverage::compare(&old, &recorders);
    if !args.sources.is_empty() {
        let change = coverage::change(&old, &recorders);
        report.counted =
            Some(counted(change, &args.sources, &args.logs, globals, world, &new).await?);
    }
    match args.format {
        Format::Text => world.print_doc(&view::text(&report, args.top))?,
        Format::Json => world.print(&view::json(&report))?,
    }
    if !report.lost.is_empty() && !args.allow.contains(&Risk::NarrowsCoverage) {
        return Err(Error::refused("less would be recorded than before")
            .fix("record it elsewhere, or accept the loss with --allow narrows-coverage"));
    }
    let problems = report.counted.is_some_and(|counted| counted.problems > 0);
    Ok(if args.strict && problems {
        Outcome::Incomplete
    } else {
        Outcome::Done
    })
}

/// What a change loses of the events in log files, which accounts of `spec` read.
pub async fn counted(
    change: Change,
    sources: &[String],
    which: &LogArgs,
    globals: &Globals,
    world: &World,
    spec: &Spec,
) -> Result<Counted, Error> {
    let questions = Questions {
        change: Some(change),
        ..Questions::default()
    };
    let outcome = logs::count(which, sources, globals, world, Some(spec), questions).await?;
    let window = logs::window(which, &outcome.tally);
    let hours = window
        .as_ref()
        .and_then(|window| Window::hours(window).ok());
    let window = window.map(|window| window.to_string());
    Ok(coverage::counted(&outcome, window, hours))
}
