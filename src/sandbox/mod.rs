//! AWS inside the process: enough of it to plan and apply an organization's CloudTrail set-up against.
//!
//! The real AWS SDK talks to a [`Sandbox`] through its HTTP client seam ([`Sandbox::http_client`]); the AWS CLI and
//! boto3 talk to the same state over HTTP ([`serve`]). Requests are parsed from the wire and refused as AWS refuses
//! them; nothing here shares code with the program under test, so that it cannot share its mistakes.
//!
//! | file | what it holds |
//! |---|---|
//! | `state`, `seed`, `world` | the remembered accounts, the example organization, the folder on disk |
//! | `protocol`, `xml`, `error`, `dispatch` | requests to operations, answers and errors to bytes |
//! | `identity`, `policy`, `policy_conditions` | access keys, identity and resource policies |
//! | `connector`, `serve` | the two ways in |
//! | `calls`, `faults` | what was called, and failures to order |
//! | `sts`, `iam`, `organizations`, `kms*`, `sns`, `logs` | one service each |
//! | `s3*` | buckets, their configurations, objects |
//! | `cloudtrail*` | trails, the checks of their destinations, selectors, Insights, event history |
//!
//! What is not imitated answers 501 `NotImplemented` and names the operation.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod calls;
mod cloudtrail;
mod cloudtrail_checks;
mod cloudtrail_events;
mod cloudtrail_insights;
mod cloudtrail_names;
mod cloudtrail_selectors;
mod cloudtrail_trails;
mod connector;
mod dispatch;
mod error;
mod faults;
mod iam;
mod identity;
mod kms;
mod kms_keys;
mod kms_policy;
mod logs;
mod organizations;
mod policy;
mod policy_conditions;
mod protocol;
mod s3;
mod s3_bucket;
mod s3_config;
mod s3_lifecycle;
mod s3_objects;
mod s3_policy;
mod seed;
mod serve;
mod sns;
pub mod state;
mod sts;
#[cfg(test)]
mod testing;
mod world;
mod xml;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use calls::CallLog;
use faults::FaultBook;
use world::World;

pub use calls::{CallReport, RecordedCall};
pub use error::SandboxError;
pub use faults::Fault;
pub use protocol::{Request, Response};
pub use serve::{ServeOptions, serve};
pub use state::State;

/// A world of AWS accounts. Clones share it.
#[derive(Clone, Debug)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    world: Mutex<World>,
    calls: Mutex<CallLog>,
    faults: Mutex<FaultBook>,
}

/// An answer, and how it is to be delivered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub response: Response,
    pub delay: Duration,
    /// The connection breaks instead of answering.
    pub dropped: bool,
}

impl Sandbox {
    /// The example organization, forgotten at the end of the process.
    pub fn in_memory() -> Self {
        Self::with(World::in_memory(seed::example()), None)
    }

    /// One account without an organization.
    pub fn empty() -> Self {
        Self::with(World::in_memory(seed::single_account()), None)
    }

    /// The world kept in `dir/state.json`; the example organization on first use.
    pub fn open(dir: &Path) -> Result<Self, SandboxError> {
        let world = World::open(dir, seed::example)?;
        Ok(Self::with(world, Some(dir.join("faults.json"))))
    }

    /// Like [`Sandbox::open`], beginning with one account without an organization.
    pub fn open_empty(dir: &Path) -> Result<Self, SandboxError> {
        let world = World::open(dir, seed::single_account)?;
        Ok(Self::with(world, Some(dir.join("faults.json"))))
    }

    fn with(world: World, faults: Option<std::path::PathBuf>) -> Self {
        Self {
            inner: Arc::new(Inner {
                world: Mutex::new(world),
                calls: Mutex::new(CallLog::default()),
                faults: Mutex::new(FaultBook::new(faults)),
            }),
        }
    }

    /// The sandbox's time, which AWS's answers carry.
    pub fn now(&self) -> OffsetDateTime {
        lock(&self.inner.world).now()
    }

    /// Stops the clock at `now`.
    pub fn set_now(&self, now: OffsetDateTime) -> Result<(), SandboxError> {
        self.edit(|state| state.clock.fixed = Some(state::Stamp(now)))
    }

    /// Changes the world behind AWS's back, as a console user or another tool would.
    pub fn edit<R>(&self, change: impl FnOnce(&mut State) -> R) -> Result<R, SandboxError> {
        lock(&self.inner.world).edit(change)
    }

    /// Orders a failure.
    pub fn inject(&self, fault: Fault) {
        lock(&self.inner.faults).inject(fault);
    }

    pub fn clear_faults(&self) {
        lock(&self.inner.faults).clear();
    }

    /// Every call since the last reset, and the longest chain of calls that waited for each other.
    pub fn calls(&self) -> CallReport {
        lock(&self.inner.calls).report()
    }

    pub fn reset_calls(&self) {
        *lock(&self.inner.calls) = CallLog::default();
    }

    /// Answers one request, at once: delays that a [`Fault`] orders are for the two ways in to honour.
    pub fn handle(&self, request: Request) -> Response {
        let call = self.begin();
        let (outcome, identity) = self.answer(&request);
        self.end(call, identity, &outcome);
        outcome.response
    }

    /// Notes that a request has arrived.
    pub(crate) fn begin(&self) -> calls::Begun {
        lock(&self.inner.calls).begin()
    }

    /// Notes that its answer has left.
    pub(crate) fn end(&self, call: calls::Begun, who: calls::Identity, outcome: &Outcome) {
        lock(&self.inner.calls).end(call, who, outcome);
    }

    pub(crate) fn answer(&self, request: &Request) -> (Outcome, calls::Identity) {
        let target = match dispatch::identify(request) {
            Ok(target) => target,
            Err(unknown) => {
                return (
                    Outcome {
                        response: *unknown,
                        ..Outcome::default()
                    },
                    calls::Identity::default(),
                );
            }
        };
        let mut identity = calls::Identity {
            service: target.service.prefix().to_owned(),
            action: target.action.clone(),
            account: String::new(),
            region: target.region.clone(),
        };
        let fault = lock(&self.inner.faults).find(&target.call_name());
        let ordered = fault
            .as_ref()
            .and_then(|f| f.response(target.service, target.head()));
        let after_effect = fault.as_ref().is_some_and(|f| f.after_effect);
        let mut response = Response::default();
        if ordered.is_none() || after_effect {
            let mut world = lock(&self.inner.world);
            response = match world.call(&target) {
                Ok((response, account)) => {
                    identity.account = account;
                    response
                }
                Err(trouble) => target.internal_failure(&trouble.to_string()),
            };
        }
        let outcome = Outcome {
            response: ordered.unwrap_or(response),
            delay: fault.as_ref().map_or(Duration::ZERO, Fault::delay),
            dropped: fault.as_ref().is_some_and(Fault::drops),
        };
        (outcome, identity)
    }
}

/// A poisoned lock only says that another thread panicked; the state behind it is replaced whole, never half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::dispatch::{JsonHandler, QueryHandler};
    use super::testing::*;
    use super::*;

    fn nothing_failed_inside(sandbox: &Sandbox) {
        let report = sandbox.calls();
        assert!(!report.calls.is_empty() && report.calls.iter().all(|c| c.status != 500));
    }

    #[test]
    fn odd_json_brings_nothing_down() {
        const MEMBERS: [&str; 15] = [
            "Name",
            "TrailName",
            "KeyId",
            "TagsList",
            "Tags",
            "MaxResults",
            "NextToken",
            "Limit",
            "ResourceIdList",
            "AdvancedEventSelectors",
            "EventSelectors",
            "InsightSelectors",
            "S3BucketName",
            "StartTime",
            "Policy",
        ];
        let tables: [(&str, &[(&str, JsonHandler)]); 4] = [
            ("cloudtrail", cloudtrail::ACTIONS),
            ("kms", kms::ACTIONS),
            ("logs", logs::ACTIONS),
            ("organizations", organizations::ACTIONS),
        ];
        let odd = [
            json!({}),
            json!([]),
            json!(null),
            json!(-1),
            json!("arn:::::"),
            json!([{"Key": 1}]),
            json!(1e300),
        ];
        let sandbox = ready_for_a_trail();
        let client = Client::new(&sandbox, MANAGEMENT);
        for (service, table) in tables {
            for ((action, _), value) in table
                .iter()
                .flat_map(|row| odd.iter().map(move |v| (row, v)))
            {
                let all: serde_json::Map<String, Value> = MEMBERS
                    .iter()
                    .map(|m| ((*m).to_owned(), value.clone()))
                    .collect();
                let _ = client.json(service, action, &Value::Object(all));
                let _ = client.json(service, action, value);
            }
        }
        nothing_failed_inside(&sandbox);
    }

    #[test]
    fn odd_forms_bring_nothing_down() {
        let tables: [(&str, &[(&str, QueryHandler)]); 3] = [
            ("iam", iam::ACTIONS),
            ("sns", sns::ACTIONS),
            ("sts", sts::ACTIONS),
        ];
        let odd = [
            "",
            "&RoleArn=x&Name=%&TopicArn=:::::",
            "&&=&RoleName=é&PolicyDocument={}",
        ];
        let sandbox = Sandbox::in_memory();
        let client = Client::new(&sandbox, MANAGEMENT);
        for (service, table) in tables {
            for ((action, _), rest) in table
                .iter()
                .flat_map(|row| odd.iter().map(move |o| (row, o)))
            {
                let _ = client.query(service, &format!("Action={action}{rest}"));
            }
        }
        nothing_failed_inside(&sandbox);
    }

    #[test]
    fn odd_s3_requests_bring_nothing_down() {
        let queries = [
            "",
            "?acl",
            "?lifecycle",
            "?tagging",
            "?encryption",
            "?logging",
            "?object-lock",
            "?policy",
            "?cors",
            "?list-type=2&max-keys=0&continuation-token=!",
            "?publicAccessBlock",
            "?versioning",
        ];
        let bodies = [
            "",
            "<",
            "<a/>",
            "{}",
            "<LifecycleConfiguration><Rule/></LifecycleConfiguration>",
            "\u{0}",
        ];
        let sandbox = Sandbox::in_memory();
        let client = Client::new(&sandbox, MANAGEMENT);
        let places = ["/", "/logs", "/logs/é%zz", "//"];
        for query in queries {
            for uri in places.map(|place| format!("{place}{query}")) {
                for (method, body) in ["GET", "PUT", "HEAD", "DELETE", "POST"]
                    .iter()
                    .flat_map(|m| bodies.iter().map(move |b| (m, b)))
                {
                    let _ = client.s3(method, &uri, body);
                }
            }
        }
        nothing_failed_inside(&sandbox);
    }

    #[test]
    fn a_fault_may_strike_after_the_effect() {
        let sandbox = Sandbox::in_memory();
        let client = Client::new(&sandbox, ARCHIVE);
        let late = Fault {
            call: "s3.CreateBucket".into(),
            status: 503,
            code: "SlowDown".into(),
            after_effect: true,
            ..Fault::default()
        };
        sandbox.inject(late);
        assert_eq!(client.s3("PUT", "/logs-a", "").unwrap_err(), "SlowDown");
        assert!(client.s3("GET", "/logs-a?location", "").is_ok());
    }

    #[test]
    fn names_of_buckets_are_global_and_foreign_buckets_closed() {
        let sandbox = ready_for_a_trail();
        let stranger = Client::new(&sandbox, "333344445555");
        assert_eq!(
            stranger.s3("PUT", &format!("/{BUCKET}"), "").unwrap_err(),
            "BucketAlreadyExists"
        );
        assert_eq!(
            stranger
                .s3("GET", &format!("/{BUCKET}?policy"), "")
                .unwrap_err(),
            "AccessDenied"
        );
        let abroad = Client {
            region: "eu-west-1",
            ..Client::new(&sandbox, ARCHIVE)
        };
        assert_eq!(
            abroad
                .s3("GET", &format!("/{BUCKET}?policy"), "")
                .unwrap_err(),
            "PermanentRedirect"
        );
    }
}
