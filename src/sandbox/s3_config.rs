//! S3's XML configurations of a bucket: one get, put and delete for all of them, and one check each.

use std::collections::{BTreeMap, BTreeSet};

use super::dispatch::Call;
use super::error::{Answer, AwsError, refuse};
use super::protocol::Response;
use super::s3::{S3Request, bucket_mut, denied, empty, malformed_xml, xml};
use super::s3_lifecycle;
use super::state::Bucket;
use super::xml::{self as tree, Element, el};

/// Checks a new document and gives the form to keep; `None` removes the configuration.
type Check = fn(&Call<'_>, &Bucket, Element) -> Answer<Option<Element>>;

struct Kind {
    sub_resource: &'static str,
    root: &'static str,
    /// Error code and message when there is none; without them an empty document is the answer.
    missing: Option<(&'static str, &'static str)>,
    check: Check,
}

const KINDS: [Kind; 7] = [
    Kind {
        sub_resource: "encryption",
        root: "ServerSideEncryptionConfiguration",
        missing: None,
        check: encryption,
    },
    Kind {
        sub_resource: "lifecycle",
        root: "LifecycleConfiguration",
        missing: Some((
            "NoSuchLifecycleConfiguration",
            "The lifecycle configuration does not exist",
        )),
        check: lifecycle,
    },
    Kind {
        sub_resource: "logging",
        root: "BucketLoggingStatus",
        missing: None,
        check: logging,
    },
    Kind {
        sub_resource: "object-lock",
        root: "ObjectLockConfiguration",
        missing: Some((
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        )),
        check: object_lock,
    },
    Kind {
        sub_resource: "ownershipControls",
        root: "OwnershipControls",
        missing: Some((
            "OwnershipControlsNotFoundError",
            "The bucket ownership controls were not found",
        )),
        check: ownership,
    },
    Kind {
        sub_resource: "publicAccessBlock",
        root: "PublicAccessBlockConfiguration",
        missing: Some((
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        )),
        check: public_access_block,
    },
    Kind {
        sub_resource: "tagging",
        root: "Tagging",
        missing: Some(("NoSuchTagSet", "The TagSet does not exist")),
        check: tagging,
    },
];

const PUBLIC_ACCESS: [&str; 4] = [
    "BlockPublicAcls",
    "IgnorePublicAcls",
    "BlockPublicPolicy",
    "RestrictPublicBuckets",
];
const MINIMUM_SIZE_HEADER: &str = "x-amz-transition-default-minimum-object-size";
/// S3 User Guide, page "CostAllocTagging".
const MAX_TAGS: usize = 50;
/// S3 User Guide, page "object-lock-managing".
const MAX_RETENTION_DAYS: i64 = 36_500;

/// What every new bucket has: S3 User Guide, pages "create-bucket-faq" and "default-encryption-faq".
pub fn default_configurations() -> BTreeMap<String, String> {
    let open = |name: &&str| el(name).text("true");
    let block = el("PublicAccessBlockConfiguration").children(PUBLIC_ACCESS.iter().map(open));
    let rule = el("Rule").with("ObjectOwnership", "BucketOwnerEnforced");
    BTreeMap::from([
        ("encryption".to_owned(), default_encryption().render()),
        ("publicAccessBlock".to_owned(), block.render()),
        (
            "ownershipControls".to_owned(),
            el("OwnershipControls").child(rule).render(),
        ),
    ])
}

fn default_encryption() -> Element {
    let by_default = el("ApplyServerSideEncryptionByDefault").with("SSEAlgorithm", "AES256");
    let rule = el("Rule")
        .child(by_default)
        .with("BucketKeyEnabled", "false");
    el("ServerSideEncryptionConfiguration").child(rule)
}

fn kind(request: &S3Request) -> Answer<&'static Kind> {
    let kind = KINDS
        .iter()
        .find(|k| k.sub_resource == request.sub_resource());
    kind.ok_or_else(|| AwsError::not_implemented(request.action()))
}

/// A configuration of a bucket, parsed.
pub fn configuration(bucket: &Bucket, sub_resource: &str) -> Option<Element> {
    tree::parse(bucket.configurations.get(sub_resource)?.as_bytes())
}

pub fn get(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let kind = kind(request)?;
    let bucket = bucket_mut(call, request)?;
    let found = configuration(bucket, kind.sub_resource);
    let root = match (found, kind.missing) {
        (Some(root), _) => root,
        (None, Some((code, message))) => return Err(AwsError::new(code, message).status(404)),
        (None, None) => el(kind.root),
    };
    let mut response = xml(root);
    if kind.sub_resource == "lifecycle" {
        response.headers.push(minimum_size(bucket));
    }
    Ok(response)
}

fn minimum_size(bucket: &Bucket) -> (String, String) {
    let value = bucket.transition_default_minimum_object_size.as_deref();
    (
        MINIMUM_SIZE_HEADER.to_owned(),
        value.unwrap_or("all_storage_classes_128K").to_owned(),
    )
}

pub fn put(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let kind = kind(request)?;
    let root = tree::parse(&request.body).ok_or_else(malformed_xml)?;
    if root.name != kind.root {
        return Err(malformed_xml());
    }
    let bucket = bucket_mut(call, request)?.clone();
    let kept = (kind.check)(call, &bucket, root)?;
    let bucket = bucket_mut(call, request)?;
    match kept {
        Some(root) => bucket
            .configurations
            .insert(kind.sub_resource.to_owned(), root.render()),
        None => bucket.configurations.remove(kind.sub_resource),
    };
    let mut response = empty(200);
    if kind.sub_resource == "lifecycle" {
        let wanted = request
            .header(MINIMUM_SIZE_HEADER)
            .unwrap_or("all_storage_classes_128K");
        if !["all_storage_classes_128K", "varies_by_storage_class"].contains(&wanted) {
            return refuse(
                "InvalidArgument",
                "Invalid TransitionDefaultMinimumObjectSize found",
            );
        }
        bucket.transition_default_minimum_object_size = Some(wanted.to_owned());
        response.headers.push(minimum_size(bucket));
    }
    Ok(response)
}

pub fn delete(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let kind = kind(request)?;
    let configurations = &mut bucket_mut(call, request)?.configurations;
    configurations.remove(kind.sub_resource);
    if kind.sub_resource == "encryption" {
        configurations.insert("encryption".to_owned(), default_encryption().render());
    }
    Ok(empty(204))
}

fn lifecycle(call: &Call<'_>, _: &Bucket, root: Element) -> Answer<Option<Element>> {
    s3_lifecycle::check(root, call.state.counter).map(Some)
}

/// S3 API, page PutBucketEncryption.
fn encryption(_: &Call<'_>, _: &Bucket, root: Element) -> Answer<Option<Element>> {
    let [rule] = root.children.as_slice() else {
        return Err(malformed_xml());
    };
    let by_default = rule
        .get("ApplyServerSideEncryptionByDefault")
        .ok_or_else(malformed_xml)?;
    let algorithm = by_default.value(&["SSEAlgorithm"]).unwrap_or_default();
    match algorithm {
        "AES256" if by_default.has("KMSMasterKeyID") => refuse(
            "InvalidArgument",
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
        ),
        "AES256" | "aws:kms" | "aws:kms:dsse" => {
            let mut root = root.clone();
            let rule = &mut root.children[0];
            if !rule.has("BucketKeyEnabled") {
                rule.children.push(el("BucketKeyEnabled").text("false"));
            }
            Ok(Some(root))
        }
        _ => Err(malformed_xml()),
    }
}

/// S3 User Guide, page "enable-server-access-logging": same account, same Region, no default retention.
fn logging(call: &Call<'_>, source: &Bucket, root: Element) -> Answer<Option<Element>> {
    let Some(enabled) = root.get("LoggingEnabled") else {
        return Ok(None);
    };
    let name = enabled.value(&["TargetBucket"]).ok_or_else(malformed_xml)?;
    if !enabled.has("TargetPrefix") {
        return Err(malformed_xml());
    }
    let invalid = |message: &str| Err(AwsError::new("InvalidTargetBucketForLogging", message));
    let Some(target) = call.state.buckets.get(name) else {
        return invalid("The target bucket for logging does not exist");
    };
    if target.owner != source.owner {
        return invalid(
            "The owner for the bucket to be logged and the target bucket must be the same.",
        );
    }
    if target.region != source.region {
        let message = "Cross S3 location logging not allowed. ";
        return Err(AwsError::new("CrossLocationLoggingProhibited", message).status(403));
    }
    if configuration(target, "object-lock").is_some_and(|lock| lock.has("Rule")) {
        return invalid("The target bucket for logging cannot have a default retention period");
    }
    Ok(Some(root))
}

/// S3 User Guide, page "object-lock-managing".
fn object_lock(_: &Call<'_>, bucket: &Bucket, root: Element) -> Answer<Option<Element>> {
    if root.value(&["ObjectLockEnabled"]) != Some("Enabled") {
        return Err(malformed_xml());
    }
    if let Some(rule) = root.get("Rule") {
        check_retention(rule.get("DefaultRetention").ok_or_else(malformed_xml)?)?;
    }
    if bucket.versioning != "Enabled" {
        let message =
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
        return Err(AwsError::new("InvalidBucketState", message).status(409));
    }
    Ok(Some(root))
}

fn check_retention(retention: &Element) -> Answer<()> {
    // An event hold may stand beside the period or replace it; the sandbox keeps it unread.
    let holds = retention.has("DefaultEventHold");
    let days = match (retention.value(&["Days"]), retention.value(&["Years"])) {
        (None, None) if holds => return Ok(()),
        (Some(days), None) => days.parse::<i64>(),
        (None, Some(years)) => years.parse::<i64>().map(|y| y.saturating_mul(365)),
        _ => return Err(malformed_xml()),
    };
    if !matches!(
        retention.value(&["Mode"]),
        Some("GOVERNANCE" | "COMPLIANCE")
    ) {
        return Err(malformed_xml());
    }
    match days.map_err(|_| malformed_xml())? {
        ..=0 => refuse(
            "InvalidArgument",
            "Default retention period must be a positive integer value.",
        ),
        1..=MAX_RETENTION_DAYS => Ok(()),
        _ => refuse(
            "InvalidArgument",
            "Default retention period too large. The maximum is 36500 days or 100 years.",
        ),
    }
}

fn ownership(_: &Call<'_>, _: &Bucket, root: Element) -> Answer<Option<Element>> {
    let known = [
        "BucketOwnerEnforced",
        "BucketOwnerPreferred",
        "ObjectWriter",
    ];
    match root.children.as_slice() {
        [rule]
            if rule
                .value(&["ObjectOwnership"])
                .is_some_and(|o| known.contains(&o)) =>
        {
            Ok(Some(root))
        }
        _ => Err(malformed_xml()),
    }
}

/// Settings that are left out are off.
fn public_access_block(_: &Call<'_>, _: &Bucket, root: Element) -> Answer<Option<Element>> {
    let mut full = el(&root.name);
    for name in PUBLIC_ACCESS {
        let value = root.value(&[name]).unwrap_or("false").to_lowercase();
        if !["true", "false"].contains(&value.as_str()) {
            return Err(malformed_xml());
        }
        full = full.with(name, value);
    }
    Ok(Some(full))
}

fn tagging(_: &Call<'_>, _: &Bucket, root: Element) -> Answer<Option<Element>> {
    check_tagging(&root)?;
    Ok(Some(root))
}

pub fn check_tagging(root: &Element) -> Answer<()> {
    let tags: Vec<&Element> = root
        .get("TagSet")
        .ok_or_else(malformed_xml)?
        .all("Tag")
        .collect();
    let mut keys = BTreeSet::new();
    for tag in &tags {
        let key = tag.value(&["Key"]).ok_or_else(malformed_xml)?;
        let value = tag.value(&["Value"]).ok_or_else(malformed_xml)?;
        if key.is_empty() || key.chars().count() > 128 {
            return refuse("InvalidTag", "The TagKey you have provided is invalid");
        }
        if value.chars().count() > 256 {
            return refuse("InvalidTag", "The TagValue you have provided is invalid");
        }
        if key.starts_with("aws:") {
            return refuse(
                "InvalidTag",
                "System tags cannot be added/updated by requester",
            );
        }
        if !keys.insert(key) {
            return refuse(
                "InvalidTag",
                "Cannot provide multiple Tags with the same key",
            );
        }
    }
    if tags.len() > MAX_TAGS {
        return refuse("BadRequest", "Bucket tag count cannot be greater than 50");
    }
    Ok(())
}

/// Whether a public policy is refused: S3 User Guide, page "access-control-block-public-access".
pub fn blocks_public_policy(bucket: &Bucket) -> bool {
    configuration(bucket, "publicAccessBlock")
        .is_some_and(|block| block.value(&["BlockPublicPolicy"]) == Some("true"))
}

/// Refuses readers of a Requester Pays bucket who do not say that they pay.
pub fn requester_pays(call: &Call<'_>, bucket: &Bucket, request: &S3Request) -> Answer<()> {
    let pays = bucket.payer != "Requester" || bucket.owner == call.account();
    if pays || request.header("x-amz-request-payer").is_some() {
        Ok(())
    } else {
        Err(denied())
    }
}
