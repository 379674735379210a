use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

use super::Globals;
use crate::error::{Error, Outcome};
use crate::world::World;

/// The example organization is that of the sandbox, so the starter plans at once.
const STARTER: &str = include_str!("../../examples/orgtrail.yaml");

/// Write a commented spec to begin with
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    let path = &globals.spec[0];
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(STARTER.as_bytes()))
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                let what = format!("{} exists; it was not touched", path.display());
                Error::failed(what).fix("name another file: orgtrail -f PATH init")
            }
            _ => Error::failed(format!("{} cannot be written: {error}", path.display())),
        })?;
    world.print(&format!(
        "{} written. Try it on the sandbox: orgtrail plan --sandbox\n\
         Then put your own accounts, organization and names into it: orgtrail check\n",
        path.display()
    ))?;
    Ok(Outcome::Done)
}
