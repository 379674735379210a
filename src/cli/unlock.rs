use super::Globals;
use super::apply::lock_place;
use super::session::Session;
use crate::apply::{Lock, LockError};
use crate::error::{Error, Outcome};
use crate::world::World;

/// Remove the lock that an apply left behind
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The lock's id, as the refused apply printed it
    #[arg(value_name = "ID")]
    id: String,
}

pub async fn run(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    let session = Session::load(globals, world)?;
    let aws = session.connect(globals).await?;
    let Some(at) = lock_place(&session.spec) else {
        return Err(Error::failed("the spec has no bucket, so there is no lock"));
    };
    match Lock::break_lock(&aws, &at, &args.id).await {
        Ok(Some(holder)) => {
            world.print(&format!("Lock {} of {} removed.\n", holder.id, holder.who))?;
            Ok(Outcome::Done)
        }
        Ok(None) => {
            world.print("There is no lock.\n")?;
            Ok(Outcome::Done)
        }
        Err(LockError::Held(holder)) => Err(Error::failed(format!(
            "the lock is {}, held by {} since {}",
            holder.id, holder.who, holder.since
        ))
        .fix(format!("orgtrail unlock {}", holder.id))),
        Err(error) => Err(Error::failed(error)),
    }
}
