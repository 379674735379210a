//! `volumes --engine athena`: the same counts by queries over a table of the logs.

use time::{Date, Duration, OffsetDateTime};

use super::Globals;
use super::cost_inputs::Inputs;
use super::logs::LogArgs;
use super::session::Session;
use crate::athena::{self, Event, Measured, Prepared, Question};
use crate::cost::DEFAULT_REGIONS;
use crate::error::Error;
use crate::model::Place;
use crate::selectors::Selectors;
use crate::spec::{Spec, Trail};
use crate::sql::{Bounds, Copies, Definition, Folder, Name, definition};
use crate::world::World;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --engine athena")]
pub struct AthenaArgs {
    #[command(flatten)]
    athena: athena::Args,
    /// Run nothing: print the definition of the table, or the queries
    #[arg(long, value_enum, value_name = "WHAT")]
    print: Option<Print>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Print {
    Table,
    Sql,
}

/// What Athena counted; nothing when only something was to be printed.
pub async fn measure(
    args: &AthenaArgs,
    which: &LogArgs,
    session: &Session,
    globals: &Globals,
    world: &World,
) -> Result<Option<Measured>, Error> {
    let athena = &args.athena;
    let table = athena
        .table
        .as_deref()
        .ok_or_else(|| missing("--table DATABASE.TABLE"))?;
    let spec = &session.spec;
    if args.print == Some(Print::Table) {
        world.print(&table_definition(table, which, spec)?)?;
        return Ok(None);
    }
    if athena.workgroup.is_none() {
        return Err(missing("--workgroup NAME"));
    }
    let aws = session.connect(globals).await?;
    let trails = selectors(spec);
    let trails: Vec<(&str, &Selectors)> = trails.iter().map(|(name, own)| (*name, own)).collect();
    let question = question(athena, which, spec, &trails)?;
    let book = Inputs::book(spec, globals, None)?;
    let prepared = athena::prepare(&aws, question, &book).await?;
    if args.print == Some(Print::Sql) {
        world.print(&prepared.sql())?;
        return Ok(None);
    }
    world.tell(&prepared.summary());
    for warning in &prepared.warnings {
        world.warn(warning);
    }
    let journal = prepared.journal(&world.data_dir)?;
    let stop = async {
        // Without a handler for it, the program ends at once, and the journal knows what was done.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let measured = athena::run(
        &aws,
        &prepared,
        journal,
        &|event| told(event, &prepared, world),
        stop,
    )
    .await?;
    Ok(Some(measured))
}

fn missing(flag: &str) -> Error {
    Error::failed(format!(
        "--engine athena needs {flag}: orgtrail creates neither tables nor workgroups"
    ))
    .fix("name the table and the workgroup; --print table shows how to define a table")
}

fn selectors(spec: &Spec) -> Vec<(&str, Selectors)> {
    let trails = spec.trails.iter();
    trails
        .map(|(name, trail)| (name.as_str(), trail.selectors()))
        .collect()
}

/// The account that owns the logs, or the one that --reader names.
fn place(which: &LogArgs, spec: &Spec) -> Result<Place, Error> {
    let (bucket, region) = match log_bucket(spec) {
        Some((_, trail)) => (
            spec.buckets.get(&trail.bucket),
            spec.region_of_bucket(&trail.bucket),
        ),
        None => (None, None),
    };
    let account = which
        .reader
        .as_ref()
        .or(bucket.map(|bucket| &bucket.account));
    let account = account
        .filter(|account| spec.accounts.contains_key(*account))
        .ok_or_else(|| {
            Error::failed("it is not known which account of the spec has the table")
                .fix("name one of its accounts with --reader")
        })?;
    Ok(spec.place(account, region))
}

/// The organization trail's if there is one.
fn log_bucket(spec: &Spec) -> Option<(&String, &Trail)> {
    let mut trails = spec.trails.iter();
    trails
        .clone()
        .find(|(_, trail)| trail.organization)
        .or_else(|| trails.next())
}

fn question<'a>(
    athena: &athena::Args,
    which: &LogArgs,
    spec: &Spec,
    trails: &'a [(&'a str, &'a Selectors)],
) -> Result<Question<'a>, Error> {
    let (Some(from), Some(to)) = (which.from, which.to) else {
        return Err(
            Error::failed("Athena is charged by what it reads, so the days must be said")
                .fix("name them with --from and --to"),
        );
    };
    if which.sample.is_some() {
        return Err(Error::failed("--sample is for log files, not for Athena")
            .fix("name fewer days, accounts or Regions"));
    }
    let bounds = Bounds {
        accounts: which.accounts.clone(),
        regions: which.regions.clone(),
        from,
        to,
    };
    let copies = match which.dedupe {
        Some(_) => Copies::Once,
        None => Copies::Counted,
    };
    Ok(athena.question(place(which, spec)?, trails, bounds, copies))
}

fn told(event: Event<'_>, prepared: &Prepared<'_>, world: &World) {
    let all = prepared.parts.len();
    match event {
        Event::GoesOn { done, of } => {
            world.progress(&format!(
                "An earlier run has counted {done} of {of} parts; only the rest is asked for."
            ));
        }
        Event::Started(part) => world.progress(&format!("  {}: asked", part.label())),
        Event::Done { part, bytes } => {
            let read = crate::render::volumes::bytes(bytes);
            world.progress(&format!(
                "  {}: done, {read} read ({all} parts in all)",
                part.label()
            ));
        }
        Event::Again { part, why } => {
            world.warn(&format!("{}: asked again, because {why}", part.label()))
        }
        Event::Stopping => world.progress("Stopping the queries that run …"),
    }
}

/// A year back, unless a day is named.
const DAYS: i64 = 365;

fn table_definition(table: &str, which: &LogArgs, spec: &Spec) -> Result<String, Error> {
    let (_, trail) = log_bucket(spec).ok_or_else(|| {
        Error::failed("the spec has no trail whose logs a table could be of")
            .fix("name another spec with -f")
    })?;
    let bucket = spec
        .buckets
        .get(&trail.bucket)
        .map_or("", |bucket| &bucket.name);
    let organization = spec.organization.as_ref().filter(|_| trail.organization);
    let or = |named: &[String], known: Vec<String>| match named.is_empty() {
        true => known,
        false => named.to_vec(),
    };
    let ids = spec
        .accounts
        .values()
        .map(|account| account.id.clone())
        .collect();
    let start: Date = which
        .from
        .unwrap_or_else(|| (OffsetDateTime::now_utc() - Duration::days(DAYS)).date());
    let unusable = |error: crate::sql::Unusable| Error::failed(error.what).fix(error.fix);
    let text = definition(&Definition {
        name: Name::parse(table).map_err(unusable)?,
        organization: organization.map(|organization| organization.id.clone()),
        accounts: or(&which.accounts, ids),
        regions: or(&which.regions, DEFAULT_REGIONS.map(str::to_owned).to_vec()),
        bucket: bucket.to_owned(),
        prefix: trail.prefix.clone(),
        start,
        folder: Folder::Logs,
    })
    .map_err(Error::failed)?;
    Ok(format!("{text}\n"))
}
