use std::fs;
use std::path::{Path, PathBuf};

use super::plan::{Format, print};
use crate::error::{Error, Outcome};
use crate::plan::{self, Plan};
use crate::world::World;

/// Show a saved plan
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

pub fn run(args: &Args, world: &World) -> Result<Outcome, Error> {
    let plan = read(&args.file)?;
    world.progress(&format!(
        "Plan of {} from {}, by orgtrail {}. apply refuses it if the accounts have changed since.",
        plan.spec, plan.created_at, plan.orgtrail_version
    ));
    print(&plan, args.format, world)?;
    Ok(Outcome::Done)
}

pub fn read(path: &Path) -> Result<Plan, Error> {
    let failed = |why: String| {
        Error::failed(format!("the plan {} cannot be used: {why}", path.display()))
            .fix("make it again: orgtrail plan --out FILE")
    };
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    plan::parse(&text).map_err(|error| failed(error.to_string()))
}
