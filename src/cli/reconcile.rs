//! The bill beside an estimate, stored or as Cost Explorer gives it.

use std::path::Path;

use super::Globals;
use super::cost_inputs::{Inputs, LIVE, read};
use super::session::Session;
use crate::bill::{self, Bill, Month};
use crate::error::Error;
use crate::other_trails::OtherTrails;
use crate::render::cost::reconciliation::Reconciliation;
use crate::world::World;

/// What the bill is held against.
pub struct Against<'a> {
    pub session: &'a Session,
    pub inputs: &'a Inputs,
    pub others: &'a OtherTrails,
    pub month: Option<Month>,
}

impl Against<'_> {
    pub async fn reconcile(
        &self,
        bill: &Path,
        globals: &Globals,
        world: &World,
    ) -> Result<Reconciliation, Error> {
        let (bill, bill_note) = match bill.as_os_str() == LIVE {
            true => ask(self.session, self.month, globals, world).await?,
            false => self.stored(bill)?,
        };
        for unread in &self.others.unread {
            world.warn(unread);
        }
        Ok(bill::reconcile(&bill::Case {
            spec: &self.session.spec,
            bill: &bill,
            bill_note,
            volumes: &self.inputs.volumes,
            volumes_note: self.inputs.note.clone(),
            others: &self.others.trails,
            book: &self.inputs.book,
        }))
    }

    fn stored(&self, path: &Path) -> Result<(Bill, String), Error> {
        let text = read(path, "the bill")?;
        let bill = bill::parse(&text, self.month)
            .map_err(|error| Error::failed(format!("{}: {error}", path.display())))?;
        let note = format!("{} of {}", path.display(), bill.period);
        Ok((bill, note))
    }
}

/// The management account has the bill of the whole organization.
pub async fn ask(
    session: &Session,
    month: Option<Month>,
    globals: &Globals,
    world: &World,
) -> Result<(Bill, String), Error> {
    if globals.sandbox.is_some() {
        return Err(
            Error::failed("the sandbox has no bill").fix("name a stored one: --reconcile FILE")
        );
    }
    let spec = &session.spec;
    let first = spec.accounts.keys().next().map(String::as_str);
    let account = spec.management_account().or(first);
    let account = account.ok_or_else(|| {
        Error::failed("the spec has no account whose bill could be asked for")
            .fix("name the management account in `accounts`")
    })?;
    let aws = session.connect(globals).await?;
    // Cost Explorer has one Region.
    let place = spec.place(account, Some(crate::spec::DEFAULT_REGION));
    let today = time::OffsetDateTime::now_utc().date();
    let month = month.unwrap_or_else(|| Month::before(today));
    world.tell(bill::NOTICE);
    let bill = bill::read(&aws.cost_explorer(&place), &place, month, today).await?;
    let note = format!(
        "Cost Explorer, {account} {}, {}",
        place.account_id, bill.period
    );
    Ok((bill, note))
}
