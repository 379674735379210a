use std::path::PathBuf;

use super::Globals;
use super::coverage::counted;
use super::logs::LogArgs;
use super::session::{self, Session};
use crate::coverage;
use crate::error::{Error, Outcome};
use crate::live_spec::live_spec;
use crate::model::Address;
use crate::plan::{Plan, unconsented};
use crate::render;
use crate::spec::Spec;
use crate::world::World;

/// Show what apply would change
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Save the plan, for `orgtrail apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only this resource and what it needs, e.g. trail.org; repeatable
    #[arg(long, value_name = "ADDRESS")]
    target: Vec<Address>,
    /// Log files to count the events in that would no longer be recorded: a folder, a file, s3://BUCKET/PREFIX; repeatable
    #[arg(long, value_name = "SOURCE")]
    logs: Vec<String>,
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Exit with 2 when there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Exit with 4 when something could not be read
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
}

pub async fn run(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    let session = Session::load(globals, world)?;
    let aws = session.connect(globals).await?;
    let (mut plan, live) = session.plan(globals, &aws).await?;
    check_targets(&args.target, &plan)?;
    plan.target(&args.target);
    if let Some(path) = &args.out {
        session::save(path, &json(&plan))?;
    }
    print(&plan, args.format, world)?;
    if !args.logs.is_empty() && args.format == Format::Text {
        let before = live_spec(&session.spec, &live.state);
        count_loss(&before, args, globals, &session, world).await?;
    }
    session.tell_consents(&plan, world);
    if args.format == Format::Text {
        tell_next(&plan, args, globals, &session, world);
    }
    Ok(outcome(&plan, args.detailed_exitcode, args.strict))
}

/// The plan says in words what is no longer recorded; this says how many events that is.
async fn count_loss(
    before: &Spec,
    args: &Args,
    globals: &Globals,
    session: &Session,
    world: &World,
) -> Result<(), Error> {
    let (old, new) = (
        coverage::recorders(before),
        coverage::recorders(&session.spec),
    );
    let change = coverage::change(&old, &new);
    let which = LogArgs::default();
    let counted = counted(change, &args.logs, &which, globals, world, &session.spec).await?;
    world.print("\n")?;
    world.print_doc(&render::coverage::counted(&counted, ROWS))
}

/// Rows of each list of lost events.
const ROWS: usize = 5;

/// Blockers come first, then gaps, then changes.
pub fn outcome(plan: &Plan, detailed: bool, strict: bool) -> Outcome {
    if !plan.blockers.is_empty() {
        Outcome::Refused
    } else if strict && !plan.gaps.is_empty() {
        Outcome::Incomplete
    } else if detailed && !plan.is_empty() {
        Outcome::Changes
    } else {
        Outcome::Done
    }
}

pub fn print(plan: &Plan, format: Format, world: &World) -> Result<(), Error> {
    match format {
        Format::Text => world.print_doc(&render::plan(plan)),
        Format::Json => world.print(&json(plan)),
    }
}

pub fn json(plan: &Plan) -> String {
    // A plan is plain data with string keys: it always serialises.
    let mut text = serde_json::to_string_pretty(plan).unwrap_or_default();
    text.push('\n');
    text
}

/// A target that names nothing is a typing error, not an empty plan.
pub fn check_targets(targets: &[Address], plan: &Plan) -> Result<(), Error> {
    for target in targets {
        if !plan.basis.contains_key(&target.to_string()) {
            let known: Vec<&str> = plan.basis.keys().map(String::as_str).collect();
            return Err(Error::failed(format!("the spec has no {target}"))
                .fix(format!("name one of {}", known.join(", "))));
        }
    }
    Ok(())
}

fn tell_next(plan: &Plan, args: &Args, globals: &Globals, session: &Session, world: &World) {
    let open = unconsented(plan, &session.consents(&[])).into_iter();
    let mut open: Vec<&str> = open.map(|(_, note)| note.risk.name()).collect();
    open.sort_unstable();
    open.dedup();
    let automation = std::env::var_os("ORGTRAIL_IN_AUTOMATION").or(std::env::var_os("CI"));
    if plan.is_empty() || !plan.blockers.is_empty() || automation.is_some_and(|set| !set.is_empty())
    {
        return;
    }
    let flags: String = open.iter().map(|risk| format!(" --allow {risk}")).collect();
    let apply = |rest: String| globals.command(&format!("apply{flags}{rest}"));
    let next = match &args.out {
        Some(path) => {
            let file = super::quoted(&path.display().to_string());
            format!(
                "To carry out exactly this plan: {}",
                apply(format!(" {file}"))
            )
        }
        None => format!("To carry it out: {}", apply(String::new())),
    };
    world.progress(&next);
}
