use super::Globals;
use super::plan::{Format, json};
use super::session::Session;
use crate::error::{Error, Outcome};
use crate::world::World;
use crate::{planner, render};

/// Show what was changed behind the spec's back
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Exit with 2 when there is drift
    #[arg(long)]
    detailed_exitcode: bool,
    /// Exit with 4 when something could not be read
    #[arg(long)]
    strict: bool,
}

pub async fn run(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    let session = Session::load(globals, world)?;
    let aws = session.connect(globals).await?;
    let (plan, _) = planner::plan(&aws, &session.spec, &session.sources).await;
    match args.format {
        Format::Text => world.print_doc(&render::drift(&plan))?,
        Format::Json => world.print(&json(&plan))?,
    }
    Ok(if args.strict && !plan.gaps.is_empty() {
        Outcome::Incomplete
    } else if args.detailed_exitcode && !plan.is_empty() {
        Outcome::Changes
    } else {
        Outcome::Done
    })
}
