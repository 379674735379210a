use super::Globals;
use super::session;
use crate::diag;
use crate::error::{Error, Outcome};
use crate::world::World;

/// Check a spec, offline
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Warnings are errors
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Sarif,
    Junit,
}

pub fn run(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    let loaded = session::load(globals)?;
    let text = match args.format {
        Format::Text => {
            let summary = diag::summary(&loaded.diagnostics);
            format!("{}{summary}\n", session::text(&loaded, world.out.color))
        }
        Format::Json => format!("{:#}\n", diag::json(&loaded.diagnostics)),
        Format::Sarif => format!("{:#}\n", diag::sarif(&loaded.diagnostics)),
        Format::Junit => diag::junit(&loaded.diagnostics),
    };
    world.print(&text)?;
    let warnings_count = args.strict && !loaded.diagnostics.is_empty();
    match loaded.spec.is_some() && !warnings_count {
        true => Ok(Outcome::Done),
        false => Err(Error::InvalidSpec),
    }
}
