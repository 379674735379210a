//! What commands that read log files share: which ones, who reads them, and the counting itself.

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use time::{Date, Month, OffsetDateTime};

use super::Globals;
use super::progress::Bar;
use super::session::{self, Session};
use crate::aws::{self, Aws, Connector, Login};
use crate::cost::Window;
use crate::error::Error;
use crate::fetch::{self, Bucket};
use crate::measured;
use crate::model::Place;
use crate::planner;
use crate::selectors::Selectors;
use crate::spec::{DEFAULT_REGION, Spec};
use crate::volumes::{
    self as logs, Change, Engine, Options, Sample, Selection, Source, Totals, Trails,
};
use crate::world::World;

/// Problems that are told one by one.
const TOLD: usize = 20;
/// Found files that wait for a thread to count them.
const WAITING: usize = 64;

#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Which log files")]
pub struct LogArgs {
    /// The first day, e.g. 2026-10-01
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub from: Option<Date>,
    /// The day after the last one
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub to: Option<Date>,
    /// Only this account id; repeatable
    #[arg(long = "account", value_name = "ID")]
    pub accounts: Vec<String>,
    /// Only this Region; repeatable
    #[arg(long = "region", value_name = "REGION")]
    pub regions: Vec<String>,
    /// Read only a part of the files, e.g. 10%; counts become ranges
    #[arg(long, value_name = "PERCENT", value_parser = fraction)]
    pub sample: Option<f64>,
    /// Leave out copies of events, remembering the last N of them (20 to 40 bytes each)
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "4000000")]
    pub dedupe: Option<usize>,
    /// Threads that count [default: one for each core]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// The account of the spec that reads buckets [default: the owner of the bucket]
    #[arg(long, value_name = "NAME")]
    pub reader: Option<String>,
}

fn day(text: &str) -> Result<Date, String> {
    let fail = || format!("`{text}` is not a day like 2026-10-01");
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return Err(fail());
    };
    let month = month
        .parse::<u8>()
        .ok()
        .and_then(|month| Month::try_from(month).ok());
    let date = Date::from_calendar_date(
        year.parse().map_err(|_| fail())?,
        month.ok_or_else(fail)?,
        day.parse().map_err(|_| fail())?,
    );
    date.map_err(|_| fail())
}

/// `10%`, `10` or `0.1`
fn fraction(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let fraction = match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|percent| percent / 100.0),
        None => number(text).map(|number| if number > 1.0 { number / 100.0 } else { number }),
    };
    fraction
        .filter(|fraction| *fraction > 0.0 && *fraction <= 1.0)
        .ok_or_else(|| format!("`{text}` is no part of the whole: write 10% or 0.1"))
}

/// Counting needs no spec. One that was named must be there.
pub fn spec_if_any(globals: &Globals, world: &World) -> Result<Option<Spec>, Error> {
    let default = Path::new("orgtrail.yaml");
    if globals.spec == [default] && !default.exists() {
        return Ok(None);
    }
    Ok(Some(Session::load(globals, world)?.spec))
}

/// The selectors of all trails of a spec.
pub fn engine(spec: Option<&Spec>) -> Engine {
    let trails = spec.iter().flat_map(|spec| &spec.trails);
    let trails: Vec<(&String, Selectors)> = trails
        .map(|(name, trail)| (name, trail.selectors()))
        .collect();
    let trails: Vec<(&str, &Selectors)> = trails
        .iter()
        .map(|(name, selectors)| (name.as_str(), selectors))
        .collect();
    Engine::new(&trails)
}

/// What to count beside the events as such.
#[derive(Default)]
pub struct Questions {
    pub engine: Arc<Engine>,
    pub change: Option<Change>,
    pub talkers: Option<Trails>,
}

/// Which files are read, and how many of them there are.
#[derive(Clone)]
struct Which {
    selection: Selection,
    sample: Option<Sample>,
    totals: Arc<Totals>,
}

impl LogArgs {
    fn which(&self) -> Result<Which, Error> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(
                Error::failed(format!("--from {from} is not before --to {to}"))
                    .fix("--to is the day after the last one"),
            );
        }
        Ok(Which {
            selection: Selection {
                accounts: self.accounts.iter().cloned().collect(),
                regions: self.regions.iter().cloned().collect(),
                from: self.from,
                to: self.to,
            },
            sample: self.sample.map(|fraction| Sample { fraction }),
            totals: Arc::default(),
        })
    }
}

/// How long a stopped count may take to end by itself; who waits for standard input never does.
const GRACE: Duration = Duration::from_secs(2);

/// Counts the events of all sources, with a progress bar.
pub async fn count(
    args: &LogArgs,
    sources: &[String],
    globals: &Globals,
    world: &World,
    spec: Option<&Spec>,
    questions: Questions,
) -> Result<logs::Outcome, Error> {
    let which = args.which()?;
    let bar = Bar::new(world, Arc::clone(&which.totals));
    let found = open(args, sources, globals, spec, &which, &bar).await?;
    let cancel = Arc::new(AtomicBool::new(false));
    let (threads, dedupe) = (args.threads, args.dedupe);
    let stop = Arc::clone(&cancel);
    let counting = tokio::task::spawn_blocking(move || {
        let progress = |progress: &logs::Progress| bar.show(progress);
        let mut options = Options {
            selection: which.selection,
            sample: which.sample,
            dedupe,
            change: questions.change.as_ref(),
            talkers: questions.talkers.as_ref(),
            progress: Some(&progress),
            cancel: Some(&stop),
            ..Options::default()
        };
        options.threads = threads.map_or(options.threads, NonZeroUsize::get);
        let outcome = logs::count(&questions.engine, found, &options);
        bar.end();
        outcome
    });
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        cancel.store(true, Ordering::Relaxed);
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        outcome = counting => counted(outcome.map_err(Error::failed)?, world),
        () = interrupted => Err(Error::failed(STOPPED)),
    }
}

const STOPPED: &str = "stopped; nothing was written";

/// What the words of the command line stand for. Buckets begin to be read.
async fn open(
    args: &LogArgs,
    sources: &[String],
    globals: &Globals,
    spec: Option<&Spec>,
    which: &Which,
    bar: &Bar,
) -> Result<Vec<Source>, Error> {
    let mut found = Vec::new();
    let mut paths = Vec::new();
    for source in outermost(sources) {
        if let Some(address) = source.strip_prefix("s3://") {
            found.push(bucket(args, globals, spec, address, which).await?);
        } else if source == "-" && args.sample.is_some() {
            return Err(
                Error::failed("standard input is one file, of which there is no sample")
                    .fix("leave --sample out, or name folders or a bucket"),
            );
        } else if source == "-" {
            // Nobody knows how much will come.
            which.totals.begin();
            found.push(Source::Stream {
                name: "standard input".to_owned(),
                reader: Box::new(io::stdin()),
            });
        } else {
            paths.push(PathBuf::from(source));
        }
    }
    if !paths.is_empty() {
        bar.find(paths.clone(), &which.selection);
    }
    found.extend(paths.into_iter().map(Source::Path));
    Ok(found)
}

/// Addresses without those that lie under another one, so that no object is read twice.
fn outermost(sources: &[String]) -> Vec<&String> {
    let is_under = |inner: &str, outer: &str| {
        outer.starts_with("s3://")
            && inner.starts_with(&format!("{}/", outer.trim_end_matches('/')))
    };
    let mut own: Vec<&String> = Vec::new();
    for source in sources {
        let is_inner = sources
            .iter()
            .any(|other| is_under(source, other) && other != source);
        if !is_inner && !own.contains(&source) {
            own.push(source);
        }
    }
    own
}

async fn bucket(
    args: &LogArgs,
    globals: &Globals,
    spec: Option<&Spec>,
    address: &str,
    which: &Which,
) -> Result<Source, Error> {
    if address.split('/').next().unwrap_or_default().is_empty() {
        return Err(Error::failed(format!("s3://{address} names no bucket"))
            .fix("write s3://BUCKET/PREFIX"));
    }
    let (client, place) = reader(args, globals, spec, address).await?;
    let (name, prefix) = address.split_once('/').unwrap_or((address, ""));
    let bucket = Bucket {
        client,
        place,
        name: name.to_owned(),
        prefix: prefix.to_owned(),
        selection: which.selection.clone(),
        sample: which.sample,
        totals: Arc::clone(&which.totals),
    };
    let (to, mut from) = tokio::sync::mpsc::channel(WAITING);
    bucket.totals.begin();
    tokio::spawn(fetch::fetch(bucket, to));
    let feed = std::iter::from_fn(move || from.blocking_recv());
    Ok(Source::Feed(Box::new(feed)))
}

/// Who reads a bucket: an account of the spec, or the credentials of the shell.
async fn reader(
    args: &LogArgs,
    globals: &Globals,
    spec: Option<&Spec>,
    address: &str,
) -> Result<(aws_sdk_s3::Client, Place), Error> {
    let name = address.split('/').next().unwrap_or_default();
    let own = spec.and_then(|spec| spec.buckets.iter().find(|(_, bucket)| bucket.name == name));
    let account = args
        .reader
        .as_ref()
        .or(own.map(|(_, bucket)| &bucket.account));
    let login = match (spec, account) {
        (Some(spec), Some(account)) => {
            let logins = planner::logins(spec);
            let found = logins.into_iter().find(|login| login.account == *account);
            found.ok_or_else(|| {
                Error::failed(format!("the spec has no account `{account}`"))
                    .fix("name one of its accounts with --reader")
            })?
        }
        (None, Some(_)) => {
            return Err(Error::failed(
                "--reader names an account of the spec, and there is no spec",
            )
            .fix(
                "name the spec with -f, or leave --reader out to use the credentials of the shell",
            ));
        }
        _ => Login {
            account: "shell".to_owned(),
            region: std::env::var("AWS_REGION").unwrap_or_else(|_| DEFAULT_REGION.to_owned()),
            ..Login::default()
        },
    };
    let connector = match &globals.sandbox {
        Some(folder) => Connector::Sandbox(session::open_sandbox(folder)?.http_client()),
        None => Connector::Network,
    };
    let aws: Aws = aws::connect(std::slice::from_ref(&login), &connector).await?;
    let mut place = Place {
        account_id: aws
            .session(&login.account)
            .map_or(String::new(), |session| session.account_id.clone()),
        account: login.account,
        region: login.region,
    };
    place.region = match (spec, own) {
        (Some(spec), Some((name, _))) => spec
            .region_of_bucket(name)
            .unwrap_or(&place.region)
            .to_owned(),
        _ => fetch::region_of(&aws.s3(&place), &place, name).await?,
    };
    Ok((aws.s3(&place), place))
}

/// Days that were asked for are the window, whether or not there was something in all of them.
pub fn window(args: &LogArgs, tally: &logs::Tally) -> Option<Window> {
    let now = OffsetDateTime::now_utc();
    let found = measured::window(tally, now).and_then(|window| window.spans());
    let bounds = found.and_then(|spans| Some((spans.first()?.0, spans.last()?.1)));
    let start = |day: Date| day.midnight().assume_utc();
    let from = args.from.map(start).or(bounds.map(|(first, _)| first))?;
    // A day that is not over yet ends with its last event.
    let over = args.to.map(start).filter(|to| *to <= now);
    let to = over.or(bounds.map(|(_, last)| last))?;
    (from < to).then(|| Window::of(vec![(from, to)]))
}

/// Says what was lost; nothing at all is an error.
fn counted(outcome: logs::Outcome, world: &World) -> Result<logs::Outcome, Error> {
    if outcome.cancelled {
        return Err(Error::failed(STOPPED));
    }
    tell_problems(&outcome.tally.problems, world);
    let (read, left) = (outcome.tally.files.count, outcome.tally.left.count);
    if left > 0 && read < Sample::LEAST_FILES {
        let what = format!(
            "the sample has {read} of {} files, which say too little about the others",
            read + left
        );
        return Err(Error::failed(what).fix("raise --sample, or leave it out"));
    }
    if outcome.tally.files == logs::Files::default() {
        let fix = "name the folder or prefix that holds AWSLogs/, and days, accounts and Regions that are in it";
        return Err(Error::failed("no CloudTrail log file was read").fix(fix));
    }
    Ok(outcome)
}

fn tell_problems(problems: &logs::Problems, world: &World) {
    for problem in problems.named.iter().take(TOLD) {
        world.warn(&problem.to_string());
    }
    let rest = problems.count.saturating_sub(TOLD as u64);
    if rest > 0 {
        world.warn(&format!(
            "{rest} more problems; --format json lists the first thousand"
        ));
    }
}
