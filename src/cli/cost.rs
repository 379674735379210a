use std::fs;
use std::path::PathBuf;

use rust_decimal::Decimal;

use super::Globals;
use super::cost_inputs::{Inputs, LIVE, other_trails};
use super::reconcile::Against;
use super::session::{self, Session};
use crate::bill::Month;
use crate::cost::types::Budget;
use crate::costing::{self, Case};
use crate::error::{Error, Outcome};
use crate::render::Terminal;
use crate::render::cost::{self as view, CostReport, reconciliation};
use crate::spec::Spec;
use crate::world::{self, World};

/// Estimate what a spec costs, offline
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The spec before: shows what changes
    #[arg(long, value_name = "PATH")]
    compare_to: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Write the result to a file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show how each amount is computed
    #[arg(long)]
    explain: bool,
    /// Months of the projection
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=120))]
    months: Option<u32>,
    /// Event volumes, instead of those that the spec names
    #[arg(long, value_name = "FILE")]
    volumes: Option<PathBuf>,
    /// Price book, instead of the one that the spec names or the embedded one
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Trails of others that record the same accounts, which decides whose copy is free: a JSON file, or `live` to read
    /// those that the accounts of the spec have
    #[arg(long, value_name = "FILE|live")]
    other_trails: Option<PathBuf>,
    /// Refuse more than this a month
    #[arg(long, value_name = "USD")]
    max_monthly: Option<Decimal>,
    /// Refuse a change that adds more than this a month
    #[arg(long, value_name = "USD")]
    max_increase: Option<Decimal>,
    /// Refuse a change that adds more than this share
    #[arg(long, value_name = "PERCENT")]
    max_increase_percent: Option<Decimal>,
    /// Cut the Markdown to what this forge takes in a comment
    #[arg(long, value_enum, value_name = "FORGE")]
    comment_limit: Option<Forge>,
    /// Hold the estimate against the bill: a stored answer of `aws ce get-cost-and-usage`, or `live` to ask Cost Explorer,
    /// which AWS charges for
    #[arg(long, value_name = "FILE|live", num_args = 0..=1, default_missing_value = LIVE, conflicts_with = "compare_to")]
    reconcile: Option<PathBuf>,
    /// The bill's month. Default: the only one of the file, or the last that is over
    #[arg(long, value_name = "YYYY-MM", requires = "reconcile")]
    month: Option<Month>,
    /// Exit with 4 when something could not be priced
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    InfracostJson,
    Markdown,
    Html,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Forge {
    Github,
    Gitlab,
    Azure,
}

impl Forge {
    /// Characters that a comment may have.
    fn limit(self) -> usize {
        match self {
            Forge::Github => 65_536,
            Forge::Gitlab => 1_000_000,
            Forge::Azure => 150_000,
        }
    }
}

pub async fn run(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    let session = Session::load(globals, world)?;
    let old = args
        .compare_to
        .as_deref()
        .map(|path| session::load_other(path, globals, world))
        .transpose()?;
    let spec = &session.spec;
    let inputs = Inputs::load(
        spec,
        globals,
        args.volumes.as_deref(),
        args.prices.as_deref(),
    )?;
    let others = other_trails(args.other_trails.as_deref(), &session, globals, world).await?;
    if let Some(bill) = &args.reconcile {
        let against = Against {
            session: &session,
            inputs: &inputs,
            others: &others,
            month: args.month,
        };
        if !matches!(args.format, Format::Text | Format::Json) {
            return Err(Error::failed("--reconcile prints text or JSON")
                .fix("leave out --format, or write --format json"));
        }
        let reconciled = against.reconcile(bill, globals, world).await?;
        let text = match args.format {
            Format::Json => reconciliation::json(&reconciled),
            _ => reconciliation::text(&reconciled, terminal(args, world)),
        };
        write(args, &text, world)?;
        return Ok(Outcome::Done);
    }
    let budget = budget(args, spec);
    let report = costing::report(&Case {
        spec,
        old: old.as_ref(),
        files: session
            .sources
            .files()
            .iter()
            .map(|file| file.name().to_owned())
            .collect(),
        volumes: &inputs.volumes,
        volumes_note: inputs.note.clone(),
        others: &others,
        book: &inputs.book,
        budget: budget.as_ref(),
        months: args.months,
        today: time::OffsetDateTime::now_utc().date(),
        now: world::now(),
    });
    write(args, &form(args, &report, world), world)?;
    outcome(args, &report)
}

fn write(args: &Args, text: &str, world: &World) -> Result<(), Error> {
    match &args.out {
        None => world.print(text),
        Some(path) => fs::write(path, text).map_err(|error| {
            Error::failed(format!("{} cannot be written: {error}", path.display()))
        }),
    }
}

/// The terminal, or a file.
fn terminal(args: &Args, world: &World) -> Terminal {
    Terminal {
        color: world.out.color && args.out.is_none(),
        ..world.out
    }
}

fn form(args: &Args, report: &CostReport, world: &World) -> String {
    let limit = args.comment_limit.map(Forge::limit);
    match args.format {
        Format::Text => view::text(report, terminal(args, world), args.explain),
        Format::Json => view::json(report),
        Format::InfracostJson => view::infracost(report),
        Format::Markdown => view::markdown(report, limit),
        Format::Html => view::html(report),
    }
}

fn outcome(args: &Args, report: &CostReport) -> Result<Outcome, Error> {
    if let Some(budget) = report.budget.as_ref().filter(|budget| !budget.kept) {
        return Err(Error::refused(budget.reasons.join("; "))
            .fix("record less, or raise the budget in the spec or on the command line"));
    }
    Ok(match args.strict && report.unknown > 0 {
        true => Outcome::Incomplete,
        false => Outcome::Done,
    })
}

/// Flags are stricter words for the same limits: each replaces the spec's.
fn budget(args: &Args, spec: &Spec) -> Option<Budget> {
    let base = spec.budget.clone().unwrap_or_default();
    let budget = Budget {
        monthly_usd: args.max_monthly.or(base.monthly_usd),
        max_increase_usd: args.max_increase.or(base.max_increase_usd),
        max_increase_percent: args.max_increase_percent.or(base.max_increase_percent),
    };
    (budget != Budget::default()).then_some(budget)
}
