//! The lock of apply: an object in the log bucket that S3 creates only if it is absent, and replaces only if it is still
//! the one that was read ("Conditional writes", S3 user guide). It needs no further service and no state of ours.
//!
//! It is a lease: its holder renews it before every action, so the lock of a run that was killed frees itself. Until the
//! bucket exists nothing can be locked; two first applies are kept apart by CreateBucket and by the lock that each takes
//! right after.

use aws_sdk_s3::primitives::ByteStream;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::aws::{Aws, AwsError, at};
use crate::model::Place;

/// Longer than any single action takes.
const LEASE: Duration = Duration::minutes(15);

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Holder {
    pub id: String,
    /// `user@host`
    pub who: String,
    pub process: u32,
    /// The boot and process namespace that `process` is of.
    #[serde(default)]
    pub boot: String,
    pub principal: String,
    pub since: String,
    pub expires: String,
}

#[derive(Debug, Error)]
pub enum LockError {
    #[error("{who} ({principal}) has been applying since {since}, as lock {id}", who = .0.who, principal = .0.principal, since = .0.since, id = .0.id)]
    Held(Box<Holder>),
    #[error("the lock was taken over by {0} while this apply was running")]
    Lost(String),
    #[error(transparent)]
    Aws(#[from] AwsError),
}

/// The bucket that holds the lock of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockPlace {
    pub place: Place,
    pub bucket: String,
    pub key: String,
}

#[derive(Debug)]
pub struct Lock {
    at: LockPlace,
    holder: Holder,
    etag: String,
}

impl Lock {
    /// Takes the lock, or an expired one over.
    pub async fn acquire(aws: &Aws, at: LockPlace, who: &Who) -> Result<Self, LockError> {
        let holder = who.holder();
        let etag = match put(aws, &at, &holder, Condition::Absent).await {
            Ok(etag) => etag,
            Err(error) if taken(&error) => take_over(aws, &at, &holder, error).await?,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { at, holder, etag })
    }

    /// Extends the lease; fails when somebody else holds the lock now.
    pub async fn renew(&mut self, aws: &Aws) -> Result<(), LockError> {
        self.holder.expires = rfc3339(OffsetDateTime::now_utc() + LEASE);
        match put(aws, &self.at, &self.holder, Condition::Is(&self.etag)).await {
            Ok(etag) => {
                self.etag = etag;
                Ok(())
            }
            Err(error) if taken(&error) || error.is("NoSuchKey") => {
                match read(aws, &self.at).await? {
                    // Renewed, but the answer to the first try was lost.
                    Some((holder, etag)) if holder == self.holder => {
                        self.etag = etag;
                        Ok(())
                    }
                    Some((other, _)) => Err(LockError::Lost(other.who)),
                    None => Err(LockError::Lost("somebody".to_owned())),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    pub async fn release(self, aws: &Aws) -> Result<(), LockError> {
        match read(aws, &self.at).await? {
            Some((holder, _)) if holder.id == self.holder.id => Ok(delete(aws, &self.at).await?),
            _ => Ok(()),
        }
    }

    /// Removes the lock `id` by hand.
    pub async fn break_lock(
        aws: &Aws,
        at: &LockPlace,
        id: &str,
    ) -> Result<Option<Holder>, LockError> {
        match read(aws, at).await? {
            Some((holder, _)) if holder.id == id => {
                delete(aws, at).await?;
                Ok(Some(holder))
            }
            Some((holder, _)) => Err(LockError::Held(Box::new(holder))),
            None => Ok(None),
        }
    }
}

/// Who asks for the lock.
#[derive(Clone, Debug)]
pub struct Who {
    pub who: String,
    pub principal: String,
}

impl Who {
    fn holder(&self) -> Holder {
        let now = OffsetDateTime::now_utc();
        let process = std::process::id();
        Holder {
            id: format!("{:x}-{process:x}", now.unix_timestamp_nanos()),
            who: self.who.clone(),
            process,
            boot: boot(),
            principal: self.principal.clone(),
            since: rfc3339(now),
            expires: rfc3339(now + LEASE),
        }
    }
}

fn rfc3339(time: OffsetDateTime) -> String {
    let whole = time.replace_nanosecond(0).unwrap_or(time);
    whole.format(&Rfc3339).unwrap_or_default()
}

/// 412: the condition does not hold; 409: another conditional write is under way.
fn taken(error: &AwsError) -> bool {
    error.is_any(&["PreconditionFailed", "ConditionalRequestConflict"])
}

async fn take_over(
    aws: &Aws,
    at: &LockPlace,
    holder: &Holder,
    refused: AwsError,
) -> Result<String, LockError> {
    let Some((other, etag)) = read(aws, at).await? else {
        // Released this moment.
        return Ok(put(aws, at, holder, Condition::Absent).await?);
    };
    if other.id == holder.id {
        // Ours: the answer to the first try was lost.
        return Ok(etag);
    }
    if !free(&other, holder) {
        return Err(LockError::Held(Box::new(other)));
    }
    match put(aws, at, holder, Condition::Is(&etag)).await {
        Ok(etag) => Ok(etag),
        Err(error) if taken(&error) => match read(aws, at).await? {
            Some((ours, etag)) if ours.id == holder.id => Ok(etag),
            now => Err(LockError::Held(Box::new(now.map_or(other, |(now, _)| now)))),
        },
        Err(_) => Err(refused.into()),
    }
}

/// Is the lease over, or its holder a process of this machine that is gone?
fn free(other: &Holder, us: &Holder) -> bool {
    let expires = OffsetDateTime::parse(&other.expires, &Rfc3339);
    let expired = expires.is_ok_and(|expires| expires < OffsetDateTime::now_utc());
    // Containers may share a host name, not a kernel's view of processes: only the same boot counts.
    let same_machine = other.who == us.who && other.boot == us.boot && !us.boot.is_empty();
    expired || (same_machine && !is_running(other.process))
}

/// Is there a process of this number? Where that cannot be told, yes.
pub fn is_running(process: u32) -> bool {
    let proc = std::path::Path::new("/proc");
    let ours = process == std::process::id();
    ours || !proc.join("self").exists() || proc.join(process.to_string()).exists()
}

/// Names this boot of this machine and its view of processes; empty where that cannot be told.
fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid");
    match namespace {
        Ok(namespace) if !id.is_empty() => format!("{} {}", id.trim(), namespace.display()),
        _ => String::new(),
    }
}

enum Condition<'a> {
    Absent,
    Is(&'a str),
}

async fn put(
    aws: &Aws,
    lock: &LockPlace,
    holder: &Holder,
    condition: Condition<'_>,
) -> Result<String, AwsError> {
    let body = serde_json::to_vec_pretty(holder).unwrap_or_default();
    let request = aws
        .s3(&lock.place)
        .put_object()
        .bucket(&lock.bucket)
        .key(&lock.key)
        .content_type("application/json")
        .expected_bucket_owner(&lock.place.account_id)
        .body(ByteStream::from(body));
    let request = match condition {
        Condition::Absent => request.if_none_match("*"),
        Condition::Is(etag) => request.if_match(etag),
    };
    let answer = request
        .send()
        .await
        .map_err(at(&lock.place, "s3:PutObject"))?;
    Ok(answer.e_tag().unwrap_or_default().to_owned())
}

async fn read(aws: &Aws, lock: &LockPlace) -> Result<Option<(Holder, String)>, AwsError> {
    let answer = aws
        .s3(&lock.place)
        .get_object()
        .bucket(&lock.bucket)
        .key(&lock.key)
        .expected_bucket_owner(&lock.place.account_id)
        .send()
        .await
        .map_err(at(&lock.place, "s3:GetObject"));
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.is_any(&["NoSuchKey", "NoSuchBucket"]) => return Ok(None),
        Err(error) => return Err(error),
    };
    let etag = answer.e_tag().unwrap_or_default().to_owned();
    let unreadable = |why: String| AwsError::new("s3:GetObject", &lock.place, "InvalidLock", why);
    let body = answer.body.collect().await;
    let body = body.map_err(|error| unreadable(error.to_string()))?;
    let holder = serde_json::from_slice(&body.into_bytes());
    let holder = holder.map_err(|error| {
        let LockPlace { bucket, key, .. } = lock;
        unreadable(format!(
            "s3://{bucket}/{key} is not a lock of orgtrail: {error}"
        ))
    })?;
    Ok(Some((holder, etag)))
}

async fn delete(aws: &Aws, lock: &LockPlace) -> Result<(), AwsError> {
    aws.s3(&lock.place)
        .delete_object()
        .bucket(&lock.bucket)
        .key(&lock.key)
        .expected_bucket_owner(&lock.place.account_id)
        .send()
        .await
        .map_err(at(&lock.place, "s3:DeleteObject"))?;
    Ok(())
}
