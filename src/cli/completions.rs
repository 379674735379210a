use clap::CommandFactory;

use crate::error::{Error, Outcome};
use crate::world::World;

/// Print a shell completion script
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

pub fn run(args: &Args, world: &World) -> Result<Outcome, Error> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut super::Cli::command(),
        "orgtrail",
        &mut script,
    );
    world.print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
