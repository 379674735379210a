use crate::error::{Error, Outcome};
use crate::world::World;
use crate::{plan, spec};

/// Print the JSON Schema of a spec or a plan
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_enum, default_value_t, value_name = "DOCUMENT")]
    document: Document,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Document {
    #[default]
    Spec,
    /// What `plan --format json` prints and `plan --out` saves
    Plan,
}

pub fn run(args: &Args, world: &World) -> Result<Outcome, Error> {
    let schema = match args.document {
        Document::Spec => spec::schema(),
        Document::Plan => plan::schema(),
    };
    world.print(&format!("{schema:#}\n"))?;
    Ok(Outcome::Done)
}
