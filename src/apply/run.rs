//! The walk over a plan's actions. An action that fails stops what needs it, and nothing else.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::journal::{Journal, JournalError};
use super::lock::{Lock, LockError, LockPlace, Who};
use crate::aws::{Aws, AwsError};
use crate::kinds::{self, Outputs, Target};
use crate::model::{Address, Place, State, resolve};
use crate::plan::{Action, Plan, Verb};

/// What happens, as it happens.
pub enum Event<'a> {
    Started(&'a Action),
    Done(&'a Action, Duration),
    Failed(&'a Action, &'a AwsError),
    Skipped(&'a Action, &'a Address),
    /// A deletion waits until what replaces it works.
    Waiting(&'a Action, &'a Address),
    /// Ctrl-C: what runs is finished, nothing new is begun.
    Stopping,
}

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    pub done: Vec<(Address, Verb)>,
    pub not_done: Vec<(Address, NotDone)>,
    /// Why the lock could not be kept; then nothing more was begun.
    pub lock_lost: Option<String>,
}

#[derive(Debug)]
pub enum NotDone {
    Failed(AwsError),
    /// Something it needs was not done.
    Needs(Address),
    /// What replaces it has not shown yet that it works.
    Replacement(Address),
    Interrupted,
}

/// What a run needs beside the plan.
pub struct Run<'a> {
    pub aws: &'a Aws,
    pub live: &'a State,
    pub journal: Journal,
    /// Taken before the live state was read.
    pub held: Option<Lock>,
    /// Where to take the lock once its bucket has been created, if it is not held.
    pub lock: Option<(LockPlace, Who)>,
    pub on: &'a mut dyn FnMut(Event<'_>),
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl Run<'_> {
    /// Does all that can be done of `plan`.
    pub async fn run(mut self, plan: &Plan) -> Result<Outcome, RunError> {
        let mut walk = Walk {
            outcome: Outcome::default(),
            outputs: outputs(self.live),
            held: self.held.take(),
        };
        let result = self.walk(plan, &mut walk).await;
        if let Some(lock) = walk.held.take() {
            // A lock that cannot be released frees itself when its lease ends.
            let _ = lock.release(self.aws).await;
        }
        match result {
            Ok(()) => {}
            // What was done must be told, whatever became of the lock.
            Err(RunError::Lock(error)) => walk.outcome.lock_lost = Some(error.to_string()),
            Err(error) => return Err(error),
        }
        let left = plan
            .actions
            .iter()
            .filter(|action| !walk.knows(&action.address));
        let left: Vec<Address> = left.map(|action| action.address.clone()).collect();
        for address in left {
            walk.outcome.not_done.push((address, NotDone::Interrupted));
        }
        // An open journal lets the same saved plan go on later.
        if walk.outcome.not_done.is_empty() {
            self.journal.end()?;
        }
        Ok(walk.outcome)
    }

    async fn walk(&mut self, plan: &Plan, walk: &mut Walk) -> Result<(), RunError> {
        let interrupt = tokio::signal::ctrl_c();
        tokio::pin!(interrupt);
        let mut stopping = false;
        for action in &plan.actions {
            if stopping {
                walk.not_done(action, NotDone::Interrupted);
                continue;
            }
            if let Some(need) = walk.unmet(action) {
                (self.on)(Event::Skipped(action, &need));
                walk.not_done(action, NotDone::Needs(need));
                continue;
            }
            if let Some(lock) = &mut walk.held {
                lock.renew(self.aws).await?;
            }
            match self
                .replacement_works(plan, walk, action, interrupt.as_mut())
                .await?
            {
                Readiness::Works => {}
                Readiness::NotYet(need) => {
                    walk.not_done(action, NotDone::Replacement(need));
                    continue;
                }
                Readiness::Interrupted => {
                    stopping = true;
                    walk.not_done(action, NotDone::Interrupted);
                    continue;
                }
            }
            self.journal.started(&action.address)?;
            (self.on)(Event::Started(action));
            let begun = Instant::now();
            let mut perform = Box::pin(perform(self.aws, self.live, &walk.outputs, action));
            let result = loop {
                tokio::select! {
                    result = &mut perform => break Some(result),
                    _ = &mut interrupt, if !stopping => {
                        stopping = true;
                        (self.on)(Event::Stopping);
                    }
                    // A second Ctrl-C leaves the action where it is; the journal names it.
                    _ = tokio::signal::ctrl_c(), if stopping => break None,
                }
            };
            drop(perform);
            self.settle(walk, action, result, begun.elapsed()).await?;
        }
        Ok(())
    }

    /// Before a deletion: do all that may replace what it deletes do their work? Asked of AWS every time, since an
    /// earlier run may have made them.
    async fn replacement_works<I: Future>(
        &mut self,
        plan: &Plan,
        walk: &mut Walk,
        action: &Action,
        mut interrupt: std::pin::Pin<&mut I>,
    ) -> Result<Readiness, RunError> {
        if action.verb != Verb::Delete {
            return Ok(Readiness::Works);
        }
        for need in &action.needs {
            let Some((place, id)) = self.recording(plan, need) else {
                continue;
            };
            let begun = Instant::now();
            let mut told = false;
            while !works(self.aws, &need.kind, &place, &id).await {
                if begun.elapsed() >= self.aws.retry.first_delivery {
                    return Ok(Readiness::NotYet(need.clone()));
                }
                if !std::mem::replace(&mut told, true) {
                    (self.on)(Event::Waiting(action, need));
                }
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(15)) => {}
                    _ = interrupt.as_mut() => return Ok(Readiness::Interrupted),
                }
                if let Some(lock) = &mut walk.held {
                    lock.renew(self.aws).await?;
                }
            }
        }
        Ok(Readiness::Works)
    }

    /// Place and name of a resource that is to record, as it is after what was done so far.
    fn recording(&self, plan: &Plan, address: &Address) -> Option<(Place, String)> {
        let planned = plan
            .actions
            .iter()
            .find(|action| action.address == *address);
        let live = self.live.resources.get(address);
        let attrs = match planned {
            Some(action) => action.target.as_ref()?,
            None => &live?.attrs,
        };
        attrs["logging"].as_bool().filter(|logging| *logging)?;
        match (planned, live) {
            (Some(action), _) => Some((action.place.clone(), action.id.clone())),
            (None, live) => live.map(|live| (live.place.clone(), live.id.clone())),
        }
    }

    async fn settle(
        &mut self,
        walk: &mut Walk,
        action: &Action,
        result: Option<Result<Outputs, AwsError>>,
        elapsed: Duration,
    ) -> Result<(), RunError> {
        match result {
            Some(Ok(outputs)) => {
                self.journal.done(&action.address)?;
                (self.on)(Event::Done(action, elapsed));
                walk.outputs
                    .entry(action.address.clone())
                    .or_default()
                    .extend(outputs);
                walk.outcome
                    .done
                    .push((action.address.clone(), action.verb));
                self.lock_created(walk, action).await
            }
            Some(Err(error)) => {
                self.journal.failed(&action.address, &error.to_string())?;
                (self.on)(Event::Failed(action, &error));
                walk.not_done(action, NotDone::Failed(error));
                Ok(())
            }
            None => {
                walk.not_done(action, NotDone::Interrupted);
                Ok(())
            }
        }
    }

    /// Takes the lock as soon as the bucket that holds it has been created.
    async fn lock_created(&mut self, walk: &mut Walk, action: &Action) -> Result<(), RunError> {
        let created = self
            .lock
            .as_ref()
            .is_some_and(|(place, _)| action.address.kind == "bucket" && action.id == place.bucket);
        if let (true, None, Some((place, who))) = (created, &walk.held, &self.lock) {
            walk.held = Some(Lock::acquire(self.aws, place.clone(), who).await?);
        }
        Ok(())
    }
}

struct Walk {
    outcome: Outcome,
    outputs: BTreeMap<Address, Outputs>,
    held: Option<Lock>,
}

impl Walk {
    fn unmet(&self, action: &Action) -> Option<Address> {
        let failed = &self.outcome.not_done;
        let unmet = action
            .needs
            .iter()
            .find(|need| failed.iter().any(|(address, _)| address == *need));
        unmet.cloned()
    }

    fn knows(&self, address: &Address) -> bool {
        let done = self.outcome.done.iter().any(|(other, _)| other == address);
        done || self
            .outcome
            .not_done
            .iter()
            .any(|(other, _)| other == address)
    }

    fn not_done(&mut self, action: &Action, why: NotDone) {
        self.outcome.not_done.push((action.address.clone(), why));
    }
}

fn outputs(live: &State) -> BTreeMap<Address, Outputs> {
    let resources = live.resources.iter();
    resources
        .map(|(address, resource)| (address.clone(), resource.outputs.clone()))
        .collect()
}

enum Readiness {
    Works,
    NotYet(Address),
    Interrupted,
}

/// A status that cannot be read proves nothing.
async fn works(aws: &Aws, kind: &str, place: &Place, id: &str) -> bool {
    let target = Target {
        place,
        id,
        outputs: &Outputs::new(),
    };
    match kinds::by_name(kind) {
        Some(kind) => kind.works(aws, target).await.unwrap_or_default(),
        None => false,
    }
}

async fn perform(
    aws: &Aws,
    live: &State,
    outputs: &BTreeMap<Address, Outputs>,
    action: &Action,
) -> Result<Outputs, AwsError> {
    let invalid = |message: String| AwsError::new("plan", &action.place, "InvalidPlan", message);
    let kind = kinds::by_name(&action.address.kind)
        .ok_or_else(|| invalid(format!("{} is of no known kind", action.address)))?;
    let live = live.resources.get(&action.address);
    let none = Outputs::new();
    let target = Target {
        place: &action.place,
        id: &action.id,
        outputs: live.map_or(&none, |live| &live.outputs),
    };
    if action.verb == Verb::Delete {
        return kind.delete(aws, target).await.map(|()| Outputs::new());
    }
    let mut after = action
        .target
        .clone()
        .ok_or_else(|| invalid(format!("{} has no target", action.address)))?;
    resolve(&mut after, &|reference| {
        outputs.get(&reference.of)?.get(&reference.output).cloned()
    });
    kind.put(aws, target, live.map(|live| &live.attrs), &after)
        .await
}
