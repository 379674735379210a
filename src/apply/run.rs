//! The walk over a plan's actions. An action that fails stops what needs it, and nothing else.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::journal::{Journal, JournalError};
use super::lock::{Lock, LockError, LockPlace, Who};
use crate::aws::{Aws, AwsError};
use crate::kinds::{self, Outputs, Target};
use crate::model::{Address, State, resolve};
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
        result?;
        self.journal.end()?;
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
            if let Some(need) = self.unproved_replacement(plan, walk, action).await {
                walk.not_done(action, NotDone::Replacement(need));
                continue;
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

    /// What was created in this run to replace what `action` deletes, if it does not work in time.
    async fn unproved_replacement(
        &mut self,
        plan: &Plan,
        walk: &Walk,
        action: &Action,
    ) -> Option<Address> {
        if action.verb != Verb::Delete {
            return None;
        }
        let created = |need: &&Address| {
            let mut done = walk.outcome.done.iter();
            done.any(|(address, verb)| address == *need && *verb == Verb::Create)
        };
        for need in action.needs.iter().filter(created) {
            let replacement = plan.actions.iter().find(|action| action.address == *need)?;
            (self.on)(Event::Waiting(action, need));
            let deadline = Instant::now() + self.aws.retry.first_delivery;
            while !works(self.aws, replacement).await {
                if Instant::now() >= deadline {
                    return Some(need.clone());
                }
                tokio::time::sleep(Duration::from_secs(15)).await;
            }
        }
        None
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

/// A status that cannot be read proves nothing.
async fn works(aws: &Aws, action: &Action) -> bool {
    let target = Target {
        place: &action.place,
        id: &action.id,
        outputs: &Outputs::new(),
    };
    match kinds::by_name(&action.address.kind) {
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
