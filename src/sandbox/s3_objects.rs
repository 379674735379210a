//! S3 objects, as far as a log bucket, its probes and a lock file need them.

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_types::base64;
use sha2::{Digest as _, Sha256};
use time::macros::format_description;

use super::dispatch::Call;
use super::error::{Answer, AwsError, refuse};
use super::iam::percent_encode;
use super::protocol::Response;
use super::s3::{S3Request, bucket_mut, empty, xml};
use super::s3_config::{configuration, requester_pays};
use super::state::{Bucket, Object, Stamp, hex};
use super::xml::{Element, el};

const MAX_KEYS: usize = 1000;

impl Object {
    fn new(body: &[u8], modified: Stamp) -> Self {
        let mut etag = hex(&Sha256::digest(body));
        etag.truncate(32);
        let text = std::str::from_utf8(body).ok().map(str::to_owned);
        Self {
            base64: text.is_none().then(|| base64::encode(body)),
            text,
            size: body.len() as u64,
            etag: format!("\"{etag}\""),
            modified,
            headers: BTreeMap::new(),
        }
    }

    fn body(&self) -> Vec<u8> {
        match (&self.text, &self.base64) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(encoded)) => base64::decode(encoded).unwrap_or_default(),
            (None, None) => Vec::new(),
        }
    }
}

fn no_such_key() -> AwsError {
    AwsError::new("NoSuchKey", "The specified key does not exist.").status(404)
}

/// `If-Match` and `If-None-Match: *` on writes: S3 User Guide, page "conditional-writes".
fn check_conditions(request: &S3Request, existing: Option<&Object>) -> Answer<()> {
    let failed = || {
        let message = "At least one of the pre-conditions you specified did not hold";
        Err(AwsError::new("PreconditionFailed", message).status(412))
    };
    if let Some(wanted) = request.header("if-match") {
        return match existing {
            None => Err(no_such_key()),
            Some(object)
                if wanted == "*" || wanted.trim_matches('"') == object.etag.trim_matches('"') =>
            {
                Ok(())
            }
            Some(_) => failed(),
        };
    }
    match request.header("if-none-match") {
        Some("*") if existing.is_some() => failed(),
        Some("*") | None => Ok(()),
        Some(_) => Err(AwsError::not_implemented(
            "If-None-Match with an ETag on a write",
        )),
    }
}

pub fn put_object(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let now = call.now;
    let bucket = bucket_mut(call, request)?;
    check_integrity(bucket, request)?;
    check_conditions(request, bucket.objects.get(&request.key))?;
    if request.key.len() > 1024 {
        return refuse("KeyTooLongError", "Your key is too long");
    }
    let mut object = Object::new(&request.body, now);
    for (name, value) in &request.headers {
        let name = name.to_lowercase();
        let encryption = name.starts_with("x-amz-server-side-encryption");
        if name.starts_with("x-amz-meta-") || encryption || name == "content-type" {
            object.headers.insert(name, value.clone());
        }
    }
    encrypt_by_default(bucket, &mut object);
    let mut response = empty(200);
    response.headers.push(("ETag".into(), object.etag.clone()));
    response.headers.extend(encryption_headers(&object));
    bucket.objects.insert(request.key.clone(), object);
    Ok(response)
}

/// A bucket with default retention wants proof of the body: S3 User Guide, page "object-lock-managing".
fn check_integrity(bucket: &Bucket, request: &S3Request) -> Answer<()> {
    let retains = configuration(bucket, "object-lock").is_some_and(|lock| lock.has("Rule"));
    let proof = |(name, _): &(String, String)| {
        let name = name.to_lowercase();
        name == "content-md5" || name == "x-amz-trailer" || name.starts_with("x-amz-checksum-")
    };
    if retains && !request.headers.iter().any(proof) {
        return refuse(
            "InvalidRequest",
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
        );
    }
    Ok(())
}

fn encrypt_by_default(bucket: &Bucket, object: &mut Object) {
    const ALGORITHM: &str = "x-amz-server-side-encryption";
    if object.headers.contains_key(ALGORITHM) {
        return;
    }
    let rule = configuration(bucket, "encryption");
    let by_default = |name: &str| {
        let rule = rule.as_ref()?;
        rule.value(&["Rule", "ApplyServerSideEncryptionByDefault", name])
            .map(str::to_owned)
    };
    let algorithm = by_default("SSEAlgorithm").unwrap_or_else(|| "AES256".to_owned());
    object.headers.insert(ALGORITHM.to_owned(), algorithm);
    if let Some(key) = by_default("KMSMasterKeyID") {
        object
            .headers
            .insert(format!("{ALGORITHM}-aws-kms-key-id"), key);
    }
}

fn encryption_headers(object: &Object) -> impl Iterator<Item = (String, String)> {
    let headers = object
        .headers
        .iter()
        .filter(|(n, _)| n.starts_with("x-amz-server-side"));
    headers.map(|(name, value)| (name.clone(), value.clone()))
}

/// GetObject and HeadObject.
pub fn get_object(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let bucket = bucket_mut(call, request)?.clone();
    requester_pays(call, &bucket, request)?;
    let object = bucket.objects.get(&request.key).ok_or_else(no_such_key)?;
    check_conditions(request, Some(object))?;
    let body = object.body();
    let mut response = Response {
        status: 200,
        headers: object.headers.clone().into_iter().collect(),
        body: Vec::new(),
    };
    response.headers.push(("ETag".into(), object.etag.clone()));
    response
        .headers
        .push(("Last-Modified".into(), http_date(object.modified)));
    response
        .headers
        .push(("Accept-Ranges".into(), "bytes".into()));
    let part = match request.header("range") {
        Some(range) => {
            let (from, to) = parse_range(range, body.len()).ok_or_else(|| {
                AwsError::new("InvalidRange", "The requested range is not satisfiable").status(416)
            })?;
            response.status = 206;
            response.headers.push((
                "Content-Range".into(),
                format!("bytes {from}-{to}/{}", body.len()),
            ));
            body.get(from..=to).unwrap_or_default().to_vec()
        }
        None => body,
    };
    if request.head {
        response
            .headers
            .push(("Content-Length".into(), part.len().to_string()));
    } else {
        response.body = part;
    }
    Ok(response)
}

/// First and last byte of `bytes=a-b`, `bytes=a-` or `bytes=-n`.
fn parse_range(range: &str, len: usize) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let last = len.checked_sub(1)?;
    let (from, to) = match (from, to) {
        ("", n) => (len.saturating_sub(n.parse().ok()?), last),
        (from, "") => (from.parse().ok()?, last),
        (from, to) => (from.parse().ok()?, to.parse::<usize>().ok()?.min(last)),
    };
    (from <= to).then_some((from, to))
}

fn http_date(stamp: Stamp) -> String {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    stamp.0.format(&format).unwrap_or_default()
}

pub fn delete_object(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let bucket = bucket_mut(call, request)?;
    if request.header("if-match").is_some() {
        check_conditions(request, bucket.objects.get(&request.key))?;
    }
    bucket.objects.remove(&request.key);
    Ok(empty(204))
}

pub fn list_objects_v2(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let bucket = bucket_mut(call, request)?;
    let text = |name: &str| request.query.get(name).map_or("", String::as_str);
    let max_keys = match text("max-keys") {
        "" => MAX_KEYS,
        number => match number.parse::<usize>() {
            Ok(number) => number.min(MAX_KEYS),
            Err(_) => {
                return refuse(
                    "InvalidArgument",
                    "Provided max-keys not an integer or within integer range",
                );
            }
        },
    };
    let token = base64::decode(text("continuation-token")).ok();
    let after = match token.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(after) if after.is_empty() => text("start-after").to_owned(),
        Some(after) => after,
        None => {
            return refuse(
                "InvalidArgument",
                "The continuation token provided is incorrect",
            );
        }
    };
    let page = list(bucket, text("prefix"), text("delimiter"), &after, max_keys);
    Ok(xml(
        listing(bucket, request, &page).with("MaxKeys", max_keys)
    ))
}

/// The page as XML, with the parameters that S3 repeats.
fn listing(bucket: &Bucket, request: &S3Request, page: &Page) -> Element {
    const REPEATED: [(&str, &str); 5] = [
        ("prefix", "Prefix"),
        ("delimiter", "Delimiter"),
        ("encoding-type", "EncodingType"),
        ("start-after", "StartAfter"),
        ("continuation-token", "ContinuationToken"),
    ];
    let encoded = request
        .query
        .get("encoding-type")
        .is_some_and(|e| e == "url");
    let name = |key: &str| match encoded {
        true => percent_encode(key).replace("%2F", "/"),
        false => key.to_owned(),
    };
    let objects = page
        .keys
        .iter()
        .filter_map(|key| Some((key, bucket.objects.get(key)?)));
    let contents = objects.map(|(key, object)| {
        el("Contents")
            .with("Key", name(key))
            .with("LastModified", object.modified.rfc3339())
            .with("ETag", &object.etag)
            .with("Size", object.size)
            .with("StorageClass", "STANDARD")
    });
    let prefixes = page
        .prefixes
        .iter()
        .map(|p| el("CommonPrefixes").with("Prefix", name(p)));
    let repeated = REPEATED.iter().filter_map(|(parameter, element)| {
        let value = request.query.get(*parameter)?;
        Some(el(element).text(name(value)))
    });
    let next = page
        .next
        .as_ref()
        .map(|n| el("NextContinuationToken").text(base64::encode(n)));
    el("ListBucketResult")
        .with("Name", &request.bucket)
        .with("KeyCount", page.keys.len() + page.prefixes.len())
        .with("IsTruncated", page.next.is_some())
        .children(repeated)
        .children(next)
        .children(contents)
        .children(prefixes)
}

#[derive(Debug, Default, PartialEq)]
struct Page {
    keys: Vec<String>,
    prefixes: BTreeSet<String>,
    /// The last key or common prefix given, when there is more.
    next: Option<String>,
}

fn list(bucket: &Bucket, prefix: &str, delimiter: &str, after: &str, max_keys: usize) -> Page {
    let mut page = Page::default();
    let mut last = None;
    for key in bucket.objects.keys().filter(|k| k.starts_with(prefix)) {
        let rest = &key[prefix.len()..];
        let cut = rest.find(delimiter).filter(|_| !delimiter.is_empty());
        let common = cut.map(|at| format!("{prefix}{}", &rest[..at + delimiter.len()]));
        let entry = common.as_ref().unwrap_or(key);
        if entry.as_str() <= after || page.prefixes.contains(entry) {
            continue;
        }
        if page.keys.len() + page.prefixes.len() >= max_keys {
            page.next = last;
            break;
        }
        last = Some(entry.clone());
        match common {
            Some(common) => {
                page.prefixes.insert(common);
            }
            None => page.keys.push(key.clone()),
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_keys_and_prefixes() {
        let mut bucket = Bucket::default();
        for key in ["a/1", "a/2", "b", "c/1", "d"] {
            bucket.objects.insert(key.into(), Object::default());
        }
        let first = list(&bucket, "", "/", "", 2);
        assert_eq!(
            (first.keys, first.next.as_deref()),
            (vec!["b".to_owned()], Some("b"))
        );
        assert!(first.prefixes.contains("a/"));
        let second = list(&bucket, "", "/", "b", 2);
        assert_eq!((second.keys, second.next), (vec!["d".to_owned()], None));
    }

    #[test]
    fn ranges() {
        assert_eq!(parse_range("bytes=0-4", 11), Some((0, 4)));
        assert_eq!(parse_range("bytes=-3", 11), Some((8, 10)));
        assert_eq!(parse_range("bytes=20-", 11), None);
        assert_eq!(parse_range("bytes=0-", 0), None);
    }
}
