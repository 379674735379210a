//! S3: which operation a request means, and who may call it on whose bucket.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::dispatch::Call;
use super::error::{Answer, AwsError};
use super::policy::{Ask, Policy, Verdict};
use super::protocol::{Request, Response, S3_XMLNS, percent_decode};
use super::state::Bucket;
use super::xml::Element;
use super::{s3_bucket as bucket, s3_config as config, s3_objects as objects, s3_policy as policy};

pub type S3Handler = fn(&mut Call<'_>, &S3Request) -> Answer<Response>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Service,
    Bucket,
    Object,
}

/// One row of the table below.
#[derive(Debug)]
struct Route {
    method: &'static str,
    level: Level,
    /// The query parameter that names a sub-resource.
    query: Option<&'static str>,
    action: &'static str,
    /// Names differ: Service Authorization Reference, page "list_amazons3".
    iam: &'static str,
    handler: S3Handler,
}

const fn on_bucket(
    method: &'static str,
    query: &'static str,
    action: &'static str,
    iam: &'static str,
    handler: S3Handler,
) -> Route {
    Route {
        method,
        level: Level::Bucket,
        query: Some(query),
        action,
        iam,
        handler,
    }
}

const fn plain(
    method: &'static str,
    level: Level,
    action: &'static str,
    iam: &'static str,
    handler: S3Handler,
) -> Route {
    Route {
        method,
        level,
        query: None,
        action,
        iam,
        handler,
    }
}

#[rustfmt::skip]
const ROUTES: &[Route] = &[
    on_bucket("GET", "acl", "GetBucketAcl", "s3:GetBucketAcl", bucket::get_acl),
    on_bucket("GET", "location", "GetBucketLocation", "s3:GetBucketLocation", bucket::get_location),
    on_bucket("GET", "requestPayment", "GetBucketRequestPayment", "s3:GetBucketRequestPayment", bucket::get_request_payment),
    on_bucket("PUT", "requestPayment", "PutBucketRequestPayment", "s3:PutBucketRequestPayment", bucket::put_request_payment),
    on_bucket("GET", "versioning", "GetBucketVersioning", "s3:GetBucketVersioning", bucket::get_versioning),
    on_bucket("PUT", "versioning", "PutBucketVersioning", "s3:PutBucketVersioning", bucket::put_versioning),
    on_bucket("GET", "policy", "GetBucketPolicy", "s3:GetBucketPolicy", policy::get_bucket_policy),
    on_bucket("PUT", "policy", "PutBucketPolicy", "s3:PutBucketPolicy", policy::put_bucket_policy),
    on_bucket("DELETE", "policy", "DeleteBucketPolicy", "s3:DeleteBucketPolicy", policy::delete_bucket_policy),
    on_bucket("GET", "encryption", "GetBucketEncryption", "s3:GetEncryptionConfiguration", config::get),
    on_bucket("PUT", "encryption", "PutBucketEncryption", "s3:PutEncryptionConfiguration", config::put),
    on_bucket("DELETE", "encryption", "DeleteBucketEncryption", "s3:PutEncryptionConfiguration", config::delete),
    on_bucket("GET", "lifecycle", "GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration", config::get),
    on_bucket("PUT", "lifecycle", "PutBucketLifecycleConfiguration", "s3:PutLifecycleConfiguration", config::put),
    on_bucket("DELETE", "lifecycle", "DeleteBucketLifecycle", "s3:PutLifecycleConfiguration", config::delete),
    on_bucket("GET", "logging", "GetBucketLogging", "s3:GetBucketLogging", config::get),
    on_bucket("PUT", "logging", "PutBucketLogging", "s3:PutBucketLogging", config::put),
    on_bucket("GET", "object-lock", "GetObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration", config::get),
    on_bucket("PUT", "object-lock", "PutObjectLockConfiguration", "s3:PutBucketObjectLockConfiguration", config::put),
    on_bucket("GET", "ownershipControls", "GetBucketOwnershipControls", "s3:GetBucketOwnershipControls", config::get),
    on_bucket("PUT", "ownershipControls", "PutBucketOwnershipControls", "s3:PutBucketOwnershipControls", config::put),
    on_bucket("DELETE", "ownershipControls", "DeleteBucketOwnershipControls", "s3:PutBucketOwnershipControls", config::delete),
    on_bucket("GET", "publicAccessBlock", "GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock", config::get),
    on_bucket("PUT", "publicAccessBlock", "PutPublicAccessBlock", "s3:PutBucketPublicAccessBlock", config::put),
    on_bucket("DELETE", "publicAccessBlock", "DeletePublicAccessBlock", "s3:PutBucketPublicAccessBlock", config::delete),
    on_bucket("GET", "tagging", "GetBucketTagging", "s3:GetBucketTagging", config::get),
    on_bucket("PUT", "tagging", "PutBucketTagging", "s3:PutBucketTagging", config::put),
    on_bucket("DELETE", "tagging", "DeleteBucketTagging", "s3:PutBucketTagging", config::delete),
    on_bucket("GET", "list-type", "ListObjectsV2", "s3:ListBucket", objects::list_objects_v2),
    plain("GET", Level::Service, "ListBuckets", "s3:ListAllMyBuckets", bucket::list_buckets),
    plain("PUT", Level::Bucket, "CreateBucket", "s3:CreateBucket", bucket::create_bucket),
    plain("HEAD", Level::Bucket, "HeadBucket", "s3:ListBucket", bucket::head_bucket),
    plain("DELETE", Level::Bucket, "DeleteBucket", "s3:DeleteBucket", bucket::delete_bucket),
    plain("PUT", Level::Object, "PutObject", "s3:PutObject", objects::put_object),
    plain("GET", Level::Object, "GetObject", "s3:GetObject", objects::get_object),
    plain("HEAD", Level::Object, "HeadObject", "s3:GetObject", objects::get_object),
    plain("DELETE", Level::Object, "DeleteObject", "s3:DeleteObject", objects::delete_object),
];

/// Query parameters that do not change which operation is meant.
const MODIFIERS: [&str; 10] = [
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "max-buckets",
    "max-keys",
    "prefix",
    "start-after",
    "bucket-region",
    "x-id",
];

#[derive(Debug)]
pub struct S3Request {
    route: &'static Route,
    pub bucket: String,
    pub key: String,
    pub query: BTreeMap<String, String>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub head: bool,
}

impl S3Request {
    pub fn parse(request: &Request) -> Answer<Self> {
        let (bucket, key) = place(request);
        let query = request.query();
        let level = match (bucket.is_empty(), key.is_empty()) {
            (true, _) => Level::Service,
            (_, true) => Level::Bucket,
            _ => Level::Object,
        };
        let sub_resource = query
            .keys()
            .find(|k| !MODIFIERS.contains(&k.as_str()) && !k.starts_with("response-"));
        let copies = request.header("x-amz-copy-source").is_some();
        let route = ROUTES
            .iter()
            .find(|r| {
                r.method == request.method
                    && r.level == level
                    && r.query == sub_resource.map(String::as_str)
                    && !copies
            })
            .ok_or_else(|| {
                let name = sub_resource.map_or("", String::as_str);
                AwsError::not_implemented(&format!("s3: {} {level:?} {name}", request.method))
            })?;
        let body = if is_chunked(request) {
            decode_chunks(&request.body).ok_or_else(incomplete_body)?
        } else {
            request.body.clone()
        };
        Ok(Self {
            route,
            bucket,
            key,
            query,
            headers: request.headers.clone(),
            body,
            head: request.method == "HEAD",
        })
    }

    pub fn action(&self) -> &'static str {
        self.route.action
    }

    pub fn iam_action(&self) -> &'static str {
        self.route.iam
    }

    /// The sub-resource of the request, for the handlers that serve several.
    pub fn sub_resource(&self) -> &'static str {
        self.route.query.unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    /// What a CloudTrail record says of the call; `None` for calls on objects, which are data events.
    pub fn event_parameters(&self) -> Option<Value> {
        (self.route.level != Level::Object).then(|| json!({"bucketName": self.bucket}))
    }

    pub fn run(&self, call: &mut Call<'_>) -> Answer<Response> {
        let on_existing = self.route.level != Level::Service && self.action() != "CreateBucket";
        if on_existing {
            self.admit(call)?;
        }
        (self.route.handler)(call, self)
    }

    /// The checks that come before every operation on a bucket.
    fn admit(&self, call: &Call<'_>) -> Answer<()> {
        let bucket = call
            .state
            .buckets
            .get(&self.bucket)
            .ok_or_else(no_such_bucket)?;
        if self
            .header("x-amz-expected-bucket-owner")
            .is_some_and(|owner| owner != bucket.owner)
        {
            return Err(denied());
        }
        // GetBucketLocation answers from every Region: it is how one learns the Region.
        if bucket.region != call.region && self.action() != "GetBucketLocation" {
            return Err(redirect(&self.bucket, &bucket.region));
        }
        self.permit(call, bucket)
    }

    /// Bucket policy: S3 User Guide, page "how-s3-evaluates-access-control".
    fn permit(&self, call: &Call<'_>, bucket: &Bucket) -> Answer<()> {
        let mut arn = format!("arn:aws:s3:::{}", self.bucket);
        if self.route.level == Level::Object {
            arn = format!("{arn}/{}", self.key);
        }
        let verdict = match bucket.policy.as_deref().map(Policy::parse) {
            Some(Ok(policy)) => {
                let mut context = call
                    .caller
                    .context(call.state, call.region)
                    .set("s3:TlsVersion", "1.3");
                for key in [
                    "x-amz-acl",
                    "x-amz-server-side-encryption",
                    "x-amz-server-side-encryption-aws-kms-key-id",
                ] {
                    if let Some(value) = self.header(key) {
                        context = context.set(&format!("s3:{key}"), value);
                    }
                }
                if let Some(prefix) = self.query.get("prefix") {
                    context = context.set("s3:prefix", prefix);
                }
                let who = call.caller.who();
                policy.evaluate(&Ask {
                    who: &who,
                    action: self.iam_action(),
                    resource: Some(&arn),
                    context: &context,
                })
            }
            _ => Verdict::Silent,
        };
        let why = match verdict {
            Verdict::Deny => "with an explicit deny in a resource-based policy",
            Verdict::Silent if bucket.owner != call.account() => {
                "because no resource-based policy allows the action"
            }
            _ => return Ok(()),
        };
        Err(call
            .caller
            .denied(self.iam_action(), &format!("\"{arn}\""), why))
    }
}

/// Bucket and key, from the path or from a virtual host: S3 User Guide, page "VirtualHosting".
fn place(request: &Request) -> (String, String) {
    let path = request.path().trim_start_matches('/');
    let host = request.host.split(':').next().unwrap_or_default();
    let virtual_bucket = host
        .find(".s3.")
        .or_else(|| host.find(".s3-"))
        .map(|at| &host[..at])
        .or_else(|| host.strip_suffix(".localhost").filter(|b| *b != "s3"));
    let (bucket, key) = match virtual_bucket {
        Some(bucket) => (bucket, path),
        None => path.split_once('/').unwrap_or((path, "")),
    };
    (percent_decode(bucket, false), percent_decode(key, false))
}

fn is_chunked(request: &Request) -> bool {
    let encoded = request
        .header("content-encoding")
        .is_some_and(|e| e.contains("aws-chunked"));
    let streaming = request
        .header("x-amz-content-sha256")
        .is_some_and(|h| h.starts_with("STREAMING-"));
    encoded || streaming
}

/// Bodies in aws-chunked encoding: S3 API, page "sigv4-streaming". Trailers are left unread.
fn decode_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n")?;
        let line = std::str::from_utf8(rest.get(..end)?).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        rest = rest.get(end + 2..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size.checked_add(2)?..)?;
    }
}

fn incomplete_body() -> AwsError {
    AwsError::new(
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    )
}

pub fn no_such_bucket() -> AwsError {
    AwsError::new("NoSuchBucket", "The specified bucket does not exist").status(404)
}

pub fn denied() -> AwsError {
    AwsError::new("AccessDenied", "Access Denied").status(403)
}

pub fn malformed_xml() -> AwsError {
    AwsError::new(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

fn redirect(bucket: &str, region: &str) -> AwsError {
    AwsError::new(
        "PermanentRedirect",
        format!(
            "The bucket you are attempting to access must be addressed using the specified endpoint: \
             {bucket}.s3.{region}.amazonaws.com. Please send all future requests to this endpoint."
        ),
    )
    .status(301)
    .header("x-amz-bucket-region", region)
}

pub fn empty(status: u16) -> Response {
    Response {
        status,
        ..Response::default()
    }
}

pub fn xml(root: Element) -> Response {
    Response {
        status: 200,
        headers: vec![("Content-Type".into(), "application/xml".into())],
        body: root.document(S3_XMLNS),
    }
}

/// The bucket of an admitted request.
pub fn bucket_mut<'a>(call: &'a mut Call<'_>, request: &S3Request) -> Answer<&'a mut Bucket> {
    call.state
        .buckets
        .get_mut(&request.bucket)
        .ok_or_else(no_such_bucket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunked_bodies() {
        let body =
            b"5;chunk-signature=x\r\nhello\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        assert_eq!(decode_chunks(body).unwrap(), b"hello!");
        assert_eq!(decode_chunks(b"ff\r\nhello"), None);
        assert_eq!(decode_chunks(b""), None);
        assert_eq!(decode_chunks(b"ffffffffffffffff\r\n"), None);
    }

    #[test]
    fn buckets_in_hosts_and_paths() {
        let at = |host: &str, uri: &str| {
            place(&Request {
                host: host.into(),
                uri: uri.into(),
                ..Request::default()
            })
        };
        let place = ("b.c".to_owned(), "k /x".to_owned());
        assert_eq!(at("b.c.s3.eu-west-1.amazonaws.com", "/k%20/x?acl"), place);
        assert_eq!(at("s3.eu-west-1.amazonaws.com", "/b.c/k%20/x"), place);
        assert_eq!(at("b.c.localhost:80", "/k%20/x"), place);
        assert_eq!(at("127.0.0.1:80", "/b.c/k%20/x"), place);
    }
}
