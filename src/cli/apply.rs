use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Globals;
use super::plan::{check_targets, print};
use super::session::Session;
use super::show;
use crate::apply::{
    Event, Journal, Lock, LockError, LockPlace, NotDone, Outcome as Applied, Run, RunError,
    Unfinished, Who,
};
use crate::aws::Aws;
use crate::error::{Error, Outcome};
use crate::live::Live;
use crate::model::{Address, Risk};
use crate::plan::{Plan, Verb, unconsented};
use crate::planner;
use crate::spec::Spec;
use crate::world::{self, World};

/// Make what is live match the spec
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A plan saved with `orgtrail plan --out FILE`; without it, a new plan is made and confirmed
    #[arg(value_name = "PLAN")]
    file: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    auto_approve: bool,
    /// Take this risk: stops-recording, narrows-coverage, deletes-history or weakens-policy; repeatable
    #[arg(long, value_name = "RISK")]
    allow: Vec<Risk>,
    /// Only this resource and what it needs, e.g. trail.org; repeatable
    #[arg(long, value_name = "ADDRESS", conflicts_with = "file")]
    target: Vec<Address>,
    /// Hold the lock while applying
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    lock: bool,
    /// How long a new trail may take to deliver its first log file before the one it replaces is deleted, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    delivery_timeout: u64,
    /// How long to wait for the lock, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_timeout: u64,
}

pub async fn run(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    let session = Session::load(globals, world)?;
    let saved = args.file.as_deref().map(show::read).transpose()?;
    if let (Some(plan), Some(file)) = (&saved, &args.file) {
        check_spec(plan, file, &session.spec)?;
    }
    let mut aws = session.connect(globals).await?;
    if globals.sandbox.is_none() {
        aws.retry.first_delivery = Duration::from_secs(args.delivery_timeout);
    }
    let apply = Apply {
        args,
        session: &session,
        globals,
        aws: &aws,
        world,
        journal: world.data_dir.join(&session.spec.name),
    };
    apply.run(saved).await
}

/// Where the lock of a spec lives: in the bucket it names, else in that of its first trail.
pub fn lock_place(spec: &Spec) -> Option<LockPlace> {
    let name = match &spec.lock {
        Some(lock) => &lock.bucket,
        None => &spec.trails.values().next()?.bucket,
    };
    let bucket = spec.buckets.get(name)?;
    Some(LockPlace {
        place: spec.place(&bucket.account, bucket.region.as_deref()),
        bucket: bucket.name.clone(),
        key: format!("orgtrail/{}.lock", spec.name),
    })
}

fn check_spec(plan: &Plan, file: &Path, spec: &Spec) -> Result<(), Error> {
    let what = if plan.spec != spec.name {
        format!(
            "{} is a plan of `{}`, the spec is `{}`",
            file.display(),
            plan.spec,
            spec.name
        )
    } else if plan.spec_digest != planner::digest(spec) {
        format!("the spec has changed since {} was made", file.display())
    } else {
        return Ok(());
    };
    Err(Error::refused(what).fix("make the plan again: orgtrail plan --out FILE"))
}

struct Apply<'a> {
    args: &'a Args,
    session: &'a Session,
    globals: &'a Globals,
    aws: &'a Aws,
    world: &'a World,
    journal: PathBuf,
}

impl Apply<'_> {
    async fn run(&self, saved: Option<Plan>) -> Result<Outcome, Error> {
        let unfinished = Journal::unfinished(&self.journal);
        if let Some(run) = &unfinished {
            self.tell_unfinished(run);
        }
        let (plan, live) = self.plan(saved.as_ref()).await?;
        self.admit(&plan)?;
        if plan.is_empty() {
            print(&plan, super::plan::Format::Text, self.world)?;
            self.close_journal(unfinished)?;
            return Ok(Outcome::Done);
        }
        if saved.is_none() {
            print(&plan, super::plan::Format::Text, self.world)?;
            self.confirm()?;
        }
        let held = self.lock(&live).await?;
        let result = self
            .apply_locked(&plan, saved.as_ref(), unfinished, held)
            .await;
        let (applied, elapsed) = result?;
        self.report(&plan, &applied, elapsed)?;
        self.verify(&plan, &applied).await
    }

    /// A fresh plan; of a saved one, exactly its actions.
    async fn plan(&self, saved: Option<&Plan>) -> Result<(Plan, Live), Error> {
        let (mut plan, live) = self.session.plan(self.globals, self.aws).await?;
        match saved {
            Some(saved) => {
                let only: Vec<Address> = saved.actions.iter().map(|a| a.address.clone()).collect();
                // Nothing of the file is carried out but its choice of resources: the rest is planned anew and must agree.
                plan.retain(&only);
                self.check_fresh(saved, &plan)?;
            }
            None => {
                check_targets(&self.args.target, &plan)?;
                plan.target(&self.args.target);
            }
        }
        Ok((plan, live))
    }

    /// Refuses a saved plan whose world has moved, save for what an unfinished run of the same plan did itself.
    fn check_fresh(&self, saved: &Plan, fresh: &Plan) -> Result<(), Error> {
        let own = Journal::unfinished(&self.journal).filter(|run| run.plan == id_of(saved));
        let touched = |address: &str| {
            let own = own.as_ref();
            own.is_some_and(|run| {
                run.touched
                    .iter()
                    .any(|touched| touched.to_string() == address)
            })
        };
        let all = saved.basis.keys().chain(fresh.basis.keys());
        let moved = all.filter(|address| saved.basis.get(*address) != fresh.basis.get(*address));
        // Edited, or made by a version that plans otherwise.
        let differs = saved
            .actions
            .iter()
            .filter(|action| !fresh.actions.contains(action));
        let mut stale: Vec<String> = moved
            .cloned()
            .chain(differs.map(|action| action.address.to_string()))
            .filter(|address| own.is_none() || !touched(address))
            .collect();
        if own.is_some() {
            // What follows from what was touched differs with it; only the basis of the rest must hold.
            stale.retain(|address| saved.basis.get(address) != fresh.basis.get(address));
        }
        stale.sort_unstable();
        stale.dedup();
        if stale.is_empty() {
            return Ok(());
        }
        let what = format!(
            "the saved plan is stale: {} changed since {}",
            stale.join(", "),
            saved.created_at
        );
        Err(Error::refused(what).fix(self.hint("plan --out FILE", "make the plan again")))
    }

    fn hint(&self, command: &str, what: &str) -> String {
        format!("{what}: {}", self.globals.command(command))
    }

    /// Refuses what must not be done, before anybody is asked.
    fn admit(&self, plan: &Plan) -> Result<(), Error> {
        if let Some(blocker) = plan.blockers.first() {
            print(plan, super::plan::Format::Text, self.world)?;
            let what = format!(
                "the plan cannot be applied: {}: {}",
                blocker.address, blocker.what
            );
            let refused = Error::refused(what);
            return Err(match &blocker.fix {
                Some(fix) => refused.fix(fix),
                None => refused,
            });
        }
        self.session.tell_consents(plan, self.world);
        let consents = self.session.consents(&self.args.allow);
        let open = unconsented(plan, &consents);
        if open.is_empty() {
            return Ok(());
        }
        print(plan, super::plan::Format::Text, self.world)?;
        let mut risks: BTreeMap<Risk, Vec<String>> = BTreeMap::new();
        for (action, note) in open {
            let addresses = risks.entry(note.risk).or_default();
            addresses.push(action.address.to_string());
            addresses.dedup();
        }
        let named = risks
            .iter()
            .map(|(risk, at)| format!("{risk} ({})", at.join(", ")));
        let flags = risks.keys().map(|risk| format!("--allow {risk}"));
        let what = format!(
            "this needs your consent: {}",
            named.collect::<Vec<_>>().join(", ")
        );
        let flags = flags.collect::<Vec<_>>().join(" ");
        Err(Error::refused(what).fix(format!(
            "{}, or `allow:` in the spec with a reason and a last day",
            self.globals.command(&format!("apply {flags}"))
        )))
    }

    fn confirm(&self) -> Result<(), Error> {
        if self.args.auto_approve {
            return Ok(());
        }
        let stdin = std::io::stdin();
        if !stdin.is_terminal() && std::env::var_os("CI").is_some() {
            return Err(Error::failed("nobody is there to confirm the plan")
                .fix("apply a saved plan, or say --auto-approve"));
        }
        self.world.tell("");
        let question = "Do you want to carry this out? Only `yes` will be accepted: ";
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "{question}").and_then(|()| stderr.flush());
        let mut answer = String::new();
        stdin.lock().read_line(&mut answer).map_err(Error::failed)?;
        match answer.trim() {
            "yes" => Ok(()),
            _ => Err(Error::failed("not confirmed; nothing was changed")),
        }
    }

    /// The lock, where its bucket exists already.
    async fn lock(&self, live: &Live) -> Result<Option<Lock>, Error> {
        let Some(place) = lock_place(&self.session.spec).filter(|_| self.args.lock) else {
            return Ok(None);
        };
        let gap = live.state.gaps.iter().find(|gap| {
            let bucket = self.session.spec.buckets.get(&gap.address.name);
            gap.address.kind == "bucket" && bucket.is_some_and(|b| b.name == place.bucket)
        });
        let mut buckets = live.state.resources.iter();
        if gap.is_none()
            && !buckets
                .any(|(address, bucket)| address.kind == "bucket" && bucket.id == place.bucket)
        {
            return Ok(None);
        }
        let deadline = Instant::now() + Duration::from_secs(self.args.lock_timeout);
        loop {
            match Lock::acquire(self.aws, place.clone(), &self.who(&place)).await {
                Ok(lock) => return Ok(Some(lock)),
                Err(LockError::Held(holder)) if Instant::now() < deadline => {
                    self.world
                        .progress(&format!("Waiting for the lock of {}…", holder.who));
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(error) => return Err(locked(error, self.globals)),
            }
        }
    }

    fn who(&self, place: &LockPlace) -> Who {
        let session = self.aws.session(&place.place.account);
        Who {
            who: world::user_at_host(),
            principal: session.map_or_else(String::new, |session| session.caller_arn.clone()),
        }
    }

    /// Under the lock the accounts are read once more: what was confirmed must still be what will be done.
    async fn apply_locked(
        &self,
        plan: &Plan,
        saved: Option<&Plan>,
        unfinished: Option<Unfinished>,
        held: Option<Lock>,
    ) -> Result<(Applied, Duration), Error> {
        let (again, live) = match self.plan(saved).await {
            Ok(both) => both,
            Err(error) => {
                release(held, self.aws).await;
                return Err(error);
            }
        };
        if again.basis != plan.basis {
            release(held, self.aws).await;
            let what =
                "the accounts changed while the plan was being confirmed; nothing was changed";
            return Err(Error::refused(what).fix(self.hint("plan", "look at the new plan")));
        }
        if let Err(error) = self.admit(&again) {
            release(held, self.aws).await;
            return Err(error);
        }
        drop(unfinished);
        let begun = Instant::now();
        let journal = Journal::begin(&self.journal, &id_of(saved.unwrap_or(plan)), world::now);
        let place = lock_place(&self.session.spec).filter(|_| self.args.lock);
        let run = Run {
            aws: self.aws,
            live: &live.state,
            journal: journal.map_err(Error::failed)?,
            held,
            lock: place.map(|place| (place.clone(), self.who(&place))),
            on: &mut |event| self.tell(&event),
        };
        match run.run(&again).await {
            Ok(applied) => Ok((applied, begun.elapsed())),
            Err(RunError::Lock(error)) => Err(locked(error, self.globals)),
            Err(RunError::Journal(error)) => Err(Error::failed(error)),
        }
    }

    fn tell(&self, event: &Event<'_>) {
        let (doing, done) = match event {
            Event::Started(action) | Event::Done(action, _) => match action.verb {
                Verb::Create => ("creating", "created"),
                Verb::Update => ("changing", "changed"),
                Verb::Delete => ("destroying", "destroyed"),
            },
            _ => ("", ""),
        };
        match event {
            Event::Started(action) => self.world.progress(&format!("{}: {doing}…", action.address)),
            Event::Done(action, elapsed) => self.world.progress(&format!(
                "{}: {done} after {:.1}s",
                action.address,
                elapsed.as_secs_f32()
            )),
            Event::Failed(action, error) => {
                let what = format!("{}: {error}", action.address);
                self.world.tell_error(&what, error.fix().as_deref());
            }
            Event::Skipped(action, need) => {
                self.world.progress(&format!("{}: skipped, it needs {need}", action.address));
            }
            Event::Waiting(action, need) => self.world.progress(&format!(
                "{}: waiting until {need} has delivered its first log file…",
                action.address
            )),
            Event::Stopping => self.world.tell(
                "Stopping: what is being done will be finished. Press Ctrl-C again to stop at once.",
            ),
        }
    }

    fn tell_unfinished(&self, run: &Unfinished) {
        let mut what = format!("the apply of {} did not reach its end", run.since);
        if !run.in_progress.is_empty() {
            let names: Vec<String> = run.in_progress.iter().map(Address::to_string).collect();
            what.push_str(&format!(" (it was at {})", names.join(", ")));
        }
        self.world
            .warn(&format!("{what}; this one goes on from what is there"));
    }

    /// Everything is as it should be: the unfinished run needs no further word.
    fn close_journal(&self, unfinished: Option<Unfinished>) -> Result<(), Error> {
        if unfinished.is_some() {
            let journal = Journal::begin(&self.journal, "", world::now).map_err(Error::failed)?;
            journal.end().map_err(Error::failed)?;
        }
        Ok(())
    }

    fn report(&self, plan: &Plan, applied: &Applied, elapsed: Duration) -> Result<(), Error> {
        let count = |verb| {
            applied
                .done
                .iter()
                .filter(|(_, done)| *done == verb)
                .count()
        };
        let counts = format!(
            "Resources: {} added, {} changed, {} destroyed.",
            count(Verb::Create),
            count(Verb::Update),
            count(Verb::Delete)
        );
        if applied.not_done.is_empty() {
            let complete = format!("Apply complete! {counts}\n");
            self.world.progress(&format!(
                "{} actions in {:.1}s",
                plan.actions.len(),
                elapsed.as_secs_f32()
            ));
            return self.world.print(&complete);
        }
        let mut text = format!("Apply incomplete. {counts}\nNot done:\n");
        for (address, why) in &applied.not_done {
            let why = match why {
                NotDone::Failed(error) => error.to_string(),
                NotDone::Needs(need) => format!("it needs {need}"),
                NotDone::Replacement(need) => {
                    format!("{need}, which replaces it, has not delivered a log file yet")
                }
                NotDone::Interrupted => "interrupted".to_owned(),
            };
            text.push_str(&format!("  {address}: {why}\n"));
        }
        self.world.print(&text)
    }

    /// After apply, orgtrail plans again. Permissions that nothing needs any more are withdrawn now; anything else that is
    /// left over is an error.
    async fn verify(&self, plan: &Plan, applied: &Applied) -> Result<Outcome, Error> {
        if let Some(why) = &applied.lock_lost {
            return Err(Error::failed(why).fix("run apply again; it goes on from what is there"));
        }
        if !applied.not_done.is_empty() {
            let n = applied.not_done.len();
            let what = format!("{n} of {} actions were not done", plan.actions.len());
            return Err(Error::failed(what)
                .fix("mend the cause and run apply again; it goes on from what is there"));
        }
        let (mut left, mut live) = self.session.plan(self.globals, self.aws).await?;
        if !left.is_empty()
            && left.actions.iter().all(only_withdraws)
            && self.args.target.is_empty()
        {
            self.world
                .progress("Withdrawing permissions that nothing needs any more");
            self.tidy(&left, &live).await?;
            (left, live) = self.session.plan(self.globals, self.aws).await?;
        }
        drop(live);
        self.check_left(plan, &left)
    }

    async fn tidy(&self, plan: &Plan, live: &Live) -> Result<(), Error> {
        let held = self.lock(live).await?;
        let journal = Journal::begin(&self.journal, &id_of(plan), world::now);
        let run = Run {
            aws: self.aws,
            live: &live.state,
            journal: journal.map_err(Error::failed)?,
            held,
            lock: None,
            on: &mut |event| self.tell(&event),
        };
        match run.run(plan).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::failed(error)),
        }
    }

    fn check_left(&self, plan: &Plan, left: &Plan) -> Result<Outcome, Error> {
        let of_plan = |address: &Address| plan.actions.iter().any(|a| a.address == *address);
        let different: Vec<String> = left
            .actions
            .iter()
            .filter(|action| of_plan(&action.address))
            .map(|action| {
                let paths: Vec<&str> = action.changes.iter().map(|c| c.path.as_str()).collect();
                format!("{} ({})", action.address, paths.join(", "))
            })
            .collect();
        if !different.is_empty() {
            let what = format!(
                "after apply something is still different: {}",
                different.join("; ")
            );
            return Err(Error::failed(what).fix(
                "AWS may need a minute: plan again. If it stays, somebody else is changing it too",
            ));
        }
        if !plan.gaps.is_empty() {
            let held: Vec<String> = plan
                .held_back
                .iter()
                .map(|h| h.address.to_string())
                .collect();
            return Err(Error::failed(format!(
                "held back, because it could not be read: {}",
                held.join(", ")
            ))
            .fix("see the plan above for what could not be read"));
        }
        Ok(Outcome::Done)
    }
}

/// Does an action only take permissions away, with nothing at stake?
fn only_withdraws(action: &crate::plan::Action) -> bool {
    let of_policies = action
        .changes
        .iter()
        .all(|change| change.path.starts_with("policy"));
    action.verb == Verb::Update && of_policies && action.risks.is_empty()
}

/// The same plan has the same id, whenever it is read.
fn id_of(plan: &Plan) -> String {
    let basis = serde_json::to_value(&plan.basis).unwrap_or_default();
    crate::plan::digest(&serde_json::json!([
        plan.spec_digest,
        plan.created_at,
        basis
    ]))
}

async fn release(held: Option<Lock>, aws: &Aws) {
    if let Some(lock) = held {
        // A lock that cannot be released frees itself when its lease ends.
        let _ = lock.release(aws).await;
    }
}

fn locked(error: LockError, globals: &Globals) -> Error {
    match &error {
        LockError::Held(holder) => {
            let fix = format!(
                "wait with --lock-timeout SECONDS; if that run is dead: {}",
                globals.command(&format!("unlock {}", holder.id))
            );
            Error::failed(format!("another apply holds the lock: {error}")).fix(fix)
        }
        LockError::Lost(_) => Error::failed(error),
        LockError::Aws(cause) => {
            let fix = match cause.fix() {
                Some(fix) => format!("{fix}; or go without a lock: --lock false"),
                None => "go without a lock: --lock false".to_owned(),
            };
            Error::failed(format!("the lock cannot be taken: {error}")).fix(fix)
        }
    }
}
