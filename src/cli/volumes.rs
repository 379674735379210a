use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::Globals;
use super::cost_inputs::Inputs;
use super::logs::{self, LogArgs, Questions};
use super::plan::Format;
use super::reconcile;
use super::session::{self, Session};
use super::volumes_athena::{self, AthenaArgs};
use crate::bill::{self, Month};
use crate::cost::types::VolumesSource;
use crate::cost::{self, Clash, Measurement, Volumes};
use crate::error::{Error, Outcome};
use crate::measured::{self, Facts};
use crate::proposals;
use crate::render::volumes as view;
use crate::spec::Spec;
use crate::volumes::{ScopedSelectors, Trails};
use crate::world::World;

const VOLUMES_FILE: &str = "volumes.yaml";
/// Count the events in CloudTrail log files, for estimates
///
/// Reads folders, files, buckets (s3://BUCKET/PREFIX) and standard input (-) in every form that CloudTrail logs come in,
/// and writes a volumes file; into one that is there already the counts are merged by time. Where there is a spec, it
/// also says what each selector records.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folders, files, s3://BUCKET/PREFIX, or - for standard input
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// What counts: this machine in log files; Athena in a table of them; or the bill, which knows numbers by account and
    /// Region, but no sources
    #[arg(long, value_enum, default_value_t, value_name = "ENGINE")]
    engine: EngineName,
    /// The month of the bill, e.g. 2026-10 [default: the last one]
    #[arg(long, value_name = "MONTH")]
    month: Option<Month>,
    /// The volumes file to write, - for standard output [default: that of the spec, or volumes.yaml]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Let the new counts take the place of those of an overlapping time
    #[arg(long)]
    replace: bool,
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Rows of each list
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Propose what the trails of the spec could leave out, with what that saves and loses
    #[arg(long)]
    advise: bool,
    /// Exit with 4 when something could not be read
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    logs: LogArgs,
    #[command(flatten)]
    athena: AthenaArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum EngineName {
    #[default]
    Logs,
    Athena,
    CostExplorer,
}

pub async fn run(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    match args.engine {
        EngineName::Logs => from_logs(args, globals, world).await,
        EngineName::Athena => from_athena(args, globals, world).await,
        EngineName::CostExplorer => from_bill(args, globals, world).await,
    }
}

async fn from_athena(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    let session = Session::load(globals, world)?;
    let target = Target::new(args, Some(&session.spec), globals);
    target.check()?;
    let measured =
        volumes_athena::measure(&args.athena, &args.logs, &session, globals, world).await?;
    let Some(measured) = measured else {
        return Ok(Outcome::Done);
    };
    if let Some(path) = target.write(&measured.volumes, args.replace, world)? {
        let (events, bytes) = (
            view::thousands(measured.tally.events),
            view::bytes(measured.scanned),
        );
        world.print(&format!(
            "{events} events; Athena read {bytes}.\nWritten to {path}.\n"
        ))?;
    }
    // What was kept for another run is needed no more.
    measured.finish()?;
    Ok(Outcome::Done)
}

async fn from_bill(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    let session = Session::load(globals, world)?;
    let target = Target::new(args, Some(&session.spec), globals);
    target.check()?;
    let (bill, note) = reconcile::ask(&session, args.month, globals, world).await?;
    let mut volumes = bill::volumes(&bill);
    volumes.measurements.push(Measurement {
        from: vec![note],
        window: volumes.window.clone(),
        files: None,
        sampled_from: None,
        damaged_files: None,
    });
    if let Some(path) = target.write(&volumes, args.replace, world)? {
        let regions: usize = volumes.accounts.values().map(BTreeMap::len).sum();
        world.print(&format!(
            "The bill of {} has events of {regions} account-Regions.\nWritten to {path}.\n",
            bill.period
        ))?;
    }
    Ok(Outcome::Done)
}

async fn from_logs(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    if args.sources.is_empty() {
        return Err(Error::failed("no log files are named").fix(
            "orgtrail volumes SOURCE…: folders, files, s3://BUCKET/PREFIX, or - for standard input",
        ));
    }
    let spec = logs::spec_if_any(globals, world)?;
    let target = Target::new(args, spec.as_ref(), globals);
    if matches!(target, Target::Stdout) && (args.advise || args.format == Format::Json) {
        return Err(Error::failed(
            "with --out - the volumes file itself goes to standard output, and no report does",
        )
        .fix("leave --format and --advise out, or write the volumes to a file with --out"));
    }
    target.check()?;
    let engine = Arc::new(logs::engine(spec.as_ref()));
    let trails = args
        .advise
        .then(|| advised_trails(spec.as_ref()))
        .transpose()?;
    let questions = Questions {
        engine: Arc::clone(&engine),
        talkers: trails
            .as_ref()
            .map(|trails| Trails::new(trails.iter().map(|(_, trail)| trail))),
        ..Questions::default()
    };
    let outcome = logs::count(
        &args.logs,
        &args.sources,
        globals,
        world,
        spec.as_ref(),
        questions,
    )
    .await?;
    let window = logs::window(&args.logs, &outcome.tally).ok_or_else(|| {
        Error::failed("neither the records nor the paths of the files say what time they are of")
            .fix("say it with --from and --to: counts of an unknown time have no price")
    })?;
    let facts = Facts {
        from: args.sources.clone(),
        window: Some(window),
    };
    let measured = measured::volumes(&outcome, &engine, facts);
    let mut report = measured::report(&outcome, &engine, &measured);
    if let Some(spec) = spec.as_ref().filter(|_| args.advise) {
        let book = Inputs::book(spec, globals, None)?;
        report.proposals = Some(measured::proposals(&outcome, &measured, spec, &book));
    }
    report.written_to = target.write(&measured, args.replace, world)?;
    match (args.format, &target) {
        (_, Target::Stdout) => {}
        (Format::Text, _) => world.print_doc(&view::text(&report, args.top))?,
        (Format::Json, _) => world.print(&view::json(&report))?,
    }
    let incomplete = args.strict && outcome.tally.problems.count > 0;
    Ok(if incomplete {
        Outcome::Incomplete
    } else {
        Outcome::Done
    })
}

fn advised_trails(spec: Option<&Spec>) -> Result<Vec<(String, ScopedSelectors)>, Error> {
    let spec = spec.ok_or_else(|| {
        Error::failed("--advise is about the trails of a spec, and there is none")
            .fix("name the spec with -f")
    })?;
    Ok(proposals::trails(spec))
}

/// Where the volumes go.
enum Target {
    Stdout,
    File(PathBuf),
}

impl Target {
    fn new(args: &Args, spec: Option<&Spec>, globals: &Globals) -> Self {
        match (&args.out, spec.and_then(|spec| spec.volumes.as_ref())) {
            (Some(path), _) if path.as_os_str() == "-" => Self::Stdout,
            (Some(path), _) => Self::File(path.clone()),
            (None, Some(VolumesSource::File(path))) => {
                Self::File(super::cost_inputs::folder_of(globals).join(path))
            }
            (None, _) => Self::File(PathBuf::from(VOLUMES_FILE)),
        }
    }

    /// What is there already. A file that is no volumes file is not written over.
    fn read(&self) -> Result<Option<(String, Volumes)>, Error> {
        let Self::File(path) = self else {
            return Ok(None);
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Error::failed(format!(
                    "{} cannot be read: {error}",
                    path.display()
                )));
            }
        };
        let volumes = Volumes::parse(&text).map_err(|error| {
            Error::failed(format!("{}: {error}", path.display()))
                .fix("mend it, or write to another file with --out")
        })?;
        Ok(Some((text, volumes)))
    }

    /// Better said before hours of counting: whether the result can be written.
    fn check(&self) -> Result<(), Error> {
        self.read()?;
        match self {
            Self::Stdout => Ok(()),
            Self::File(path) => session::try_save(path),
        }
    }

    /// Reads the file again, for somebody may have changed it meanwhile.
    fn write(
        &self,
        measured: &Volumes,
        replace: bool,
        world: &World,
    ) -> Result<Option<String>, Error> {
        let (text, file) = self
            .read()?
            .unwrap_or_else(|| (String::new(), Volumes::none()));
        let merged =
            cost::merge(file, measured, replace).map_err(|clashes| clash(&clashes, measured))?;
        if merged.already_there > 0 {
            world.warn(&format!(
                "{} account-Regions have this time counted already, as part of a longer one; they stay as they are. \
                 --replace puts the new counts in their place",
                merged.already_there
            ));
        }
        if merged.dropped > 0 {
            world.warn(&format!(
                "{} account-Regions had counts of another or a longer time, which have given way",
                merged.dropped
            ));
        }
        let written = match text.trim_start().starts_with('{') {
            true => cost::to_json(&merged.volumes),
            false => cost::to_yaml(&merged.volumes, &text),
        };
        match self {
            Self::Stdout => world.print(&written).map(|()| None),
            Self::File(path) => {
                session::save(path, &written)?;
                Ok(Some(path.display().to_string()))
            }
        }
    }
}

fn clash(clashes: &[Clash], measured: &Volumes) -> Error {
    let new = measured
        .window
        .as_ref()
        .map_or("an unknown time".to_owned(), ToString::to_string);
    let what = match clashes {
        [only] => format!(
            "{} {} has counts of {}",
            only.account, only.region, only.window
        ),
        [first, rest @ ..] => format!(
            "{} {} and {} more account-Regions have counts of {}",
            first.account,
            first.region,
            rest.len(),
            first.window
        ),
        [] => String::new(),
    };
    Error::failed(format!("{what} in the file, which overlaps {new}: they can neither be added nor replaced"))
        .fix("count a time that is the same or apart (--from, --to), let the new counts win with --replace, or write to another file with --out")
}
