//! Log files in a bucket: listed and fetched side by side, handed over in the order of their keys.
//!
//! Only folders that may hold wanted files are listed: accounts and Regions by name, days by where a listing starts and
//! ends. Bodies that have been fetched and not yet counted take a bounded amount of memory; large ones are streamed.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_bucket::HeadBucketError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::CommonPrefix;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use futures_util::future::ready;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::aws::{AwsError, at};
use crate::model::Place;
use crate::volumes::{
    Found, Kind, Layout, Problem, Reason, Sample, Selection, Totals, is_log_name,
};

/// Memory for bodies: room for the batches that are not complete, for one more body, and for many on their way.
const MEMORY: usize = 8 * 1024 * 1024;
/// Permits are for so many bytes each.
const PERMIT: usize = 1024;
/// Larger objects are streamed.
const LARGE: u64 = 2 * 1024 * 1024;
/// Requests at once. S3 takes 5,500 reads a second for each prefix.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html>
const GETS: usize = 32;
const LISTINGS: usize = 8;
/// The folder that CloudTrail puts its own into.
const ROOT: &str = "AWSLogs";
/// Folders that are asked whether they hold that one.
const BESIDE: usize = 100;
/// Pieces of a large object that wait to be counted.
const PIECES: usize = 8;
/// Tries of a body that breaks off; requests that fail are the SDK's to repeat.
const TRIES: usize = 3;

/// Log files under a prefix of a bucket.
#[derive(Clone)]
pub struct Bucket {
    pub client: Client,
    pub place: Place,
    pub name: String,
    pub prefix: String,
    pub selection: Selection,
    pub sample: Option<Sample>,
    /// Told what is to be read, as the listing goes on.
    pub totals: Arc<Totals>,
}

/// Finds and fetches everything, until nobody takes it any more.
pub async fn fetch(bucket: Bucket, to: mpsc::Sender<Found>) {
    let bucket = Arc::new(bucket);
    let memory = Arc::new(Semaphore::new(MEMORY / PERMIT));
    let objects = match bucket.leaves().await {
        Ok((leaves, problems)) => {
            for problem in problems {
                let _ = to.send(problem).await;
            }
            objects(&bucket, leaves)
        }
        Err(error) => {
            bucket.totals.finish();
            let _ = to.send(bucket.problem(&bucket.prefix, &error)).await;
            return;
        }
    };
    let fetched = objects
        .filter_map(|object| ready(bucket.wanted(object)))
        .map(|object| {
            let (bucket, memory) = (Arc::clone(&bucket), Arc::clone(&memory));
            async move {
                match object {
                    Wanted::Found(found) => found,
                    Wanted::Body(object) => bucket.body(object, memory).await,
                }
            }
        });
    let mut fetched = fetched.buffered(GETS);
    while let Some(found) = fetched.next().await {
        if to.send(found).await.is_err() {
            return;
        }
    }
}

/// The Region of a bucket, which anybody may ask for who may list it.
pub async fn region_of(client: &Client, place: &Place, bucket: &str) -> Result<String, AwsError> {
    let answer = client.head_bucket().bucket(bucket).send().await;
    let elsewhere = |error: &SdkError<HeadBucketError, HttpResponse>| {
        let headers = error.raw_response()?.headers();
        headers.get("x-amz-bucket-region").map(str::to_owned)
    };
    match answer {
        Ok(found) => Ok(found.bucket_region().unwrap_or(&place.region).to_owned()),
        Err(error) => match elsewhere(&error) {
            Some(region) => Ok(region),
            None => Err(at(place, "s3:HeadBucket")(error)),
        },
    }
}

/// A part of the bucket that is listed from one key on up to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leaf {
    prefix: String,
    after: Option<String>,
    before: Option<String>,
}

#[derive(Clone, Debug)]
struct Object {
    key: String,
    size: u64,
}

enum Listed {
    Object(Object),
    Problem(Found),
}

enum Wanted {
    Found(Found),
    Body(Object),
}

/// What a prefix is to a listing.
#[derive(Debug, PartialEq, Eq)]
enum Level {
    /// Above `AWSLogs/`.
    Outside,
    /// Holds organizations and accounts.
    Root,
    Organization,
    Account,
    /// `CloudTrail`, `CloudTrail-Digest` and the like.
    Kind,
    /// A Region, or deeper: nothing to choose from any more.
    Files,
}

impl Level {
    fn of(prefix: &str) -> Self {
        let parts: Vec<&str> = prefix.split('/').filter(|part| !part.is_empty()).collect();
        let Some(root) = parts.iter().rposition(|part| *part == ROOT) else {
            return Self::Outside;
        };
        let inside = parts.get(root + 1..).unwrap_or_default();
        let organization = inside.first().is_some_and(|part| part.starts_with("o-"));
        match inside.len() - usize::from(organization) {
            0 if organization => Self::Organization,
            0 => Self::Root,
            1 => Self::Account,
            2 => Self::Kind,
            _ => Self::Files,
        }
    }
}

impl Bucket {
    /// The parts of the bucket to list, in their order, and folders that could not be looked into.
    async fn leaves(&self) -> Result<(Vec<Leaf>, Vec<Found>), AwsError> {
        let whole =
            match self.prefix.is_empty() || self.prefix.ends_with('/') || is_file(&self.prefix) {
                true => self.prefix.clone(),
                false => format!("{}/", self.prefix),
            };
        let mut open = vec![whole];
        let (mut leaves, mut problems) = (Vec::new(), Vec::new());
        // One round of requests for each level.
        while !open.is_empty() {
            let expanded = stream::iter(open)
                .map(|prefix| self.expand(prefix))
                .buffered(GETS);
            let expanded: Vec<_> = expanded.collect().await;
            open = Vec::new();
            for expansion in expanded {
                match expansion? {
                    Expansion::Leaf(prefix) => leaves.push(self.leaf(prefix)),
                    Expansion::Inner(prefixes) => open.extend(prefixes),
                    Expansion::Roots(prefixes, unknown) => {
                        open.extend(prefixes);
                        problems.extend(unknown);
                    }
                }
            }
        }
        leaves.sort_by(|a, b| a.prefix.cmp(&b.prefix));
        Ok((leaves, problems))
    }

    async fn expand(&self, prefix: String) -> Result<Expansion, AwsError> {
        let named = |names: &BTreeSet<String>| {
            let prefixes = names.iter().map(|name| format!("{prefix}{name}/"));
            Expansion::Inner(prefixes.collect())
        };
        let selection = &self.selection;
        match Level::of(&prefix) {
            Level::Files => return Ok(Expansion::Leaf(prefix)),
            _ if is_file(&prefix) => return Ok(Expansion::Leaf(prefix)),
            Level::Organization if !selection.accounts.is_empty() => {
                return Ok(named(&selection.accounts));
            }
            Level::Kind if !selection.regions.is_empty() => return Ok(named(&selection.regions)),
            _ => {}
        }
        let folders = self.folders(&prefix).await?;
        if Level::of(&prefix) == Level::Outside {
            return Ok(self.roots(prefix, folders).await);
        }
        let wanted = |folder: &String| {
            let name = last_part(folder);
            match Level::of(&prefix) {
                Level::Root => name.starts_with("o-") || selection.wants_account(name),
                Level::Account => name.starts_with("CloudTrail"),
                _ => true,
            }
        };
        let inner = folders.into_iter().filter(wanted);
        Ok(Expansion::Inner(inner.collect()))
    }

    /// The folders `AWSLogs/` in a folder above them, and in those right beside them: trails may deliver to one bucket
    /// under several prefixes.
    async fn roots(&self, prefix: String, folders: Vec<String>) -> Expansion {
        let (mut roots, beside): (Vec<_>, Vec<_>) =
            folders.into_iter().partition(|f| last_part(f) == ROOT);
        let mut problems = Vec::new();
        if beside.len() <= BESIDE {
            let asked = stream::iter(beside)
                .map(|folder| self.root_in(format!("{folder}{ROOT}/")))
                .buffered(LISTINGS);
            for asked in asked.collect::<Vec<_>>().await {
                match asked {
                    Ok(root) => roots.extend(root),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        if roots.is_empty() {
            // No CloudTrail layout, so everything is listed.
            return Expansion::Leaf(prefix);
        }
        Expansion::Roots(roots, problems)
    }

    /// A folder, if there is anything in it.
    async fn root_in(&self, folder: String) -> Result<Option<String>, Found> {
        let request = self.client.list_objects_v2().bucket(&self.name);
        let answer = request.prefix(&folder).max_keys(1).send().await;
        let found = answer.map_err(|error| {
            let error = at(&self.place, "s3:ListObjectsV2")(error);
            self.problem(&folder, &error)
        })?;
        Ok((!found.contents().is_empty()).then_some(folder))
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>, AwsError> {
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .prefix(prefix)
            .delimiter("/");
        let mut pages = request.into_paginator().send();
        let mut folders = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(at(&self.place, "s3:ListObjectsV2"))?;
            let prefixes = page
                .common_prefixes()
                .iter()
                .filter_map(CommonPrefix::prefix);
            folders.extend(prefixes.map(str::to_owned));
        }
        Ok(folders)
    }

    /// Keys of a Region go on with year, month and day, so the wanted days lie together.
    fn leaf(&self, prefix: String) -> Leaf {
        let is_region = Level::of(&prefix) == Level::Files && last_part(&prefix).contains('-');
        let bound = |day: Option<time::Date>| {
            let day = day.filter(|_| is_region)?;
            Some(format!(
                "{prefix}{:04}/{:02}/{:02}",
                day.year(),
                u8::from(day.month()),
                day.day()
            ))
        };
        Leaf {
            after: bound(self.selection.from),
            before: bound(self.selection.to),
            prefix,
        }
    }

    /// What to do about an object; nothing where it was not asked for.
    fn wanted(&self, listed: Listed) -> Option<Wanted> {
        let object = match listed {
            Listed::Object(object) => object,
            Listed::Problem(problem) => return Some(Wanted::Found(problem)),
        };
        let path = Path::new(&object.key);
        if !is_log_name(path) {
            return Some(Wanted::Found(Found::Skipped));
        }
        let layout = Layout::of(path);
        if !self.selection.wants(&layout) {
            return None;
        }
        self.totals.add(object.size);
        let name = self.address(&object.key);
        let size = object.size;
        if layout.kind == Kind::Digests {
            return Some(Wanted::Found(Found::Digest { name, size }));
        }
        match self.sample {
            Some(sample) if !sample.takes(&object.key) => {
                Some(Wanted::Found(Found::Left { name, size }))
            }
            _ => Some(Wanted::Body(object)),
        }
    }

    fn address(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    fn problem(&self, key: &str, error: &AwsError) -> Found {
        let fix = error.fix().map_or(String::new(), |fix| format!("; {fix}"));
        Found::Problem(Problem {
            file: self.address(key),
            offset: None,
            reason: Reason::Unreadable(format!(
                "{}: {} {}{fix}",
                error.call, error.code, error.message
            )),
        })
    }

    async fn body(self: Arc<Self>, object: Object, memory: Arc<Semaphore>) -> Found {
        if object.size > LARGE {
            return self.streamed(object);
        }
        let permits = (object.size as usize).div_ceil(PERMIT).max(1);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let hold: Option<OwnedSemaphorePermit> = memory.acquire_many_owned(permits).await.ok();
        match self.whole(&object).await {
            Ok(bytes) => Found::Bytes {
                name: self.address(&object.key),
                bytes,
                hold: Box::new(hold),
            },
            Err(error) => self.problem(&object.key, &error),
        }
    }

    async fn get(&self, key: &str) -> Result<ByteStream, AwsError> {
        let request = self.client.get_object().bucket(&self.name).key(key).send();
        let answer = request.await.map_err(at(&self.place, "s3:GetObject"))?;
        Ok(answer.body)
    }

    async fn whole(&self, object: &Object) -> Result<Vec<u8>, AwsError> {
        let mut tries = 1;
        loop {
            let mut body = self.get(&object.key).await?;
            let mut bytes = Vec::with_capacity(object.size as usize);
            let broken = loop {
                match body.next().await {
                    Some(Ok(piece)) => bytes.extend_from_slice(&piece),
                    Some(Err(error)) => break error.to_string(),
                    None => return Ok(bytes),
                }
            };
            if tries == TRIES {
                return Err(self.broken_off(&broken));
            }
            tries += 1;
        }
    }

    fn broken_off(&self, error: &str) -> AwsError {
        let message = format!("the answer broke off: {error}");
        AwsError::new(
            "s3:GetObject",
            &self.place,
            crate::aws::UNREACHABLE,
            message,
        )
    }

    /// The object is asked for when somebody begins to read it.
    fn streamed(self: Arc<Self>, object: Object) -> Found {
        let (begin, begun) = oneshot::channel();
        let (pieces, receiver) = mpsc::channel(PIECES);
        let name = self.address(&object.key);
        tokio::spawn(async move {
            if begun.await.is_err() {
                return;
            }
            let mut body = match self.get(&object.key).await {
                Ok(body) => body,
                Err(error) => {
                    let _ = pieces.send(Err(error.to_string())).await;
                    return;
                }
            };
            while let Some(piece) = body.next().await {
                let piece = piece
                    .map(|piece| piece.to_vec())
                    .map_err(|error| error.to_string());
                if pieces.send(piece).await.is_err() {
                    return;
                }
            }
        });
        Found::Stream {
            name,
            reader: Box::new(Pieces {
                begin: Some(begin),
                receiver,
                piece: Vec::new(),
                done: 0,
            }),
        }
    }
}

enum Expansion {
    Leaf(String),
    Inner(Vec<String>),
    /// Folders `AWSLogs/`, and those in which nobody may look for one.
    Roots(Vec<String>, Vec<Found>),
}

fn last_part(folder: &str) -> &str {
    let parts = folder.trim_end_matches('/').rsplit('/').next();
    parts.unwrap_or_default()
}

fn is_file(prefix: &str) -> bool {
    !prefix.ends_with('/') && is_log_name(Path::new(prefix))
}

/// All objects of all parts in their order. The next parts are listed while the files of one are fetched.
fn objects(bucket: &Arc<Bucket>, leaves: Vec<Leaf>) -> BoxStream<'static, Listed> {
    let (lister, totals) = (Arc::clone(bucket), Arc::clone(&bucket.totals));
    let listings = stream::iter(leaves).map(move |leaf| {
        let (to, pages) = mpsc::channel(1);
        tokio::spawn(list(Arc::clone(&lister), leaf, to));
        ready(pages)
    });
    let pages = listings.buffered(LISTINGS).flat_map(|pages| {
        let next = |mut pages: mpsc::Receiver<Vec<Listed>>| async {
            pages.recv().await.map(|page| (page, pages))
        };
        stream::unfold(pages, next).boxed()
    });
    let end = stream::poll_fn(move |_| {
        totals.finish();
        Poll::Ready(None)
    });
    pages.flat_map(stream::iter).chain(end).boxed()
}

/// Lists a part page by page.
async fn list(bucket: Arc<Bucket>, leaf: Leaf, to: mpsc::Sender<Vec<Listed>>) {
    let request = bucket
        .client
        .list_objects_v2()
        .bucket(&bucket.name)
        .prefix(&leaf.prefix);
    let request = request.set_start_after(leaf.after.clone());
    let mut pages = request.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = match page.map_err(at(&bucket.place, "s3:ListObjectsV2")) {
            Ok(page) => page,
            Err(error) => {
                let problem = bucket.problem(&leaf.prefix, &error);
                let _ = to.send(vec![Listed::Problem(problem)]).await;
                return;
            }
        };
        let objects = page.contents().iter().filter_map(|object| {
            let size = object.size().and_then(|size| u64::try_from(size).ok());
            Some(Object {
                key: object.key()?.to_owned(),
                size: size.unwrap_or_default(),
            })
        });
        let before = |object: &Object| leaf.before.as_ref().is_none_or(|end| object.key < *end);
        let wanted: Vec<Object> = objects.take_while(before).collect();
        let is_last = wanted.len() < page.contents().len();
        let listed = wanted.into_iter().map(Listed::Object).collect();
        if to.send(listed).await.is_err() || is_last {
            return;
        }
    }
}

/// A large object as it comes in, for a thread that may wait.
struct Pieces {
    begin: Option<oneshot::Sender<()>>,
    receiver: mpsc::Receiver<Result<Vec<u8>, String>>,
    piece: Vec<u8>,
    done: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(begin) = self.begin.take() {
            let _ = begin.send(());
        }
        while self.done == self.piece.len() {
            match self.receiver.blocking_recv() {
                None => return Ok(0),
                Some(Err(error)) => return Err(io::Error::other(error)),
                Some(Ok(piece)) => (self.piece, self.done) = (piece, 0),
            }
        }
        let read = self
            .piece
            .get(self.done..)
            .unwrap_or_default()
            .read(buffer)?;
        self.done += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_says_how_deep_it_is() {
        let levels = [
            ("", Level::Outside),
            ("logs/", Level::Outside),
            ("logs/AWSLogs/", Level::Root),
            ("AWSLogs/o-abc/", Level::Organization),
            ("AWSLogs/o-abc/111122223333/", Level::Account),
            ("AWSLogs/111122223333/CloudTrail/", Level::Kind),
            (
                "AWSLogs/o-abc/111122223333/CloudTrail/eu-west-1/",
                Level::Files,
            ),
            (
                "AWSLogs/o-abc/111122223333/CloudTrail/eu-west-1/2026/",
                Level::Files,
            ),
        ];
        for (prefix, level) in levels {
            assert_eq!(Level::of(prefix), level, "{prefix}");
        }
    }
}
