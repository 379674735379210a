//! S3 buckets: creating, finding, deleting them, and the settings that are not XML documents of their own.

use super::dispatch::Call;
use super::error::{Answer, AwsError, refuse};
use super::protocol::Response;
use super::s3::{S3Request, bucket_mut, empty, malformed_xml, xml};
use super::s3_config::{self, default_configurations};
use super::state::Bucket;
use super::xml::{self as tree, Element, el};

/// S3 User Guide, page "bucketnamingrules".
fn is_bucket_name(name: &str) -> bool {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let numbers: Vec<_> = name.split('.').map(str::parse::<u8>).collect();
    (3..=63).contains(&name.len())
        && name.bytes().all(known)
        && edge(name.bytes().next())
        && edge(name.bytes().last())
        && !name.contains("..")
        && !(numbers.len() == 4 && numbers.iter().all(Result::is_ok))
        && !name.starts_with("xn--")
        && !name.ends_with("-s3alias")
}

pub fn create_bucket(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let body = match request.body.as_slice() {
        [] => el("CreateBucketConfiguration"),
        body => tree::parse(body).ok_or_else(malformed_xml)?,
    };
    check_location(call.region, body.value(&["LocationConstraint"]))?;
    if !is_bucket_name(&request.bucket) {
        return refuse("InvalidBucketName", "The specified bucket is not valid.");
    }
    if let Some(existing) = call.state.buckets.get(&request.bucket) {
        return already_there(call, existing);
    }
    let locked = request
        .header("x-amz-bucket-object-lock-enabled")
        .is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let mut bucket = Bucket {
        owner: call.account().to_owned(),
        region: call.region.to_owned(),
        created: call.now,
        payer: "BucketOwner".to_owned(),
        configurations: default_configurations(),
        ..Bucket::default()
    };
    if locked {
        // S3 API, page CreateBucket: a bucket with Object Lock is versioned from the start.
        bucket.versioning = "Enabled".to_owned();
        let lock = el("ObjectLockConfiguration").with("ObjectLockEnabled", "Enabled");
        bucket
            .configurations
            .insert("object-lock".to_owned(), lock.render());
    }
    if let Some(ownership) = request.header("x-amz-object-ownership") {
        let rule = el("Rule").with("ObjectOwnership", ownership);
        let controls = el("OwnershipControls").child(rule);
        bucket
            .configurations
            .insert("ownershipControls".to_owned(), controls.render());
    }
    if let Some(tags) = body.get("Tags") {
        let tagging = el("Tagging").child(Element {
            name: "TagSet".to_owned(),
            ..tags.clone()
        });
        s3_config::check_tagging(&tagging)?;
        bucket
            .configurations
            .insert("tagging".to_owned(), tagging.render());
    }
    call.state.buckets.insert(request.bucket.clone(), bucket);
    let mut response = empty(200);
    response
        .headers
        .push(("Location".into(), format!("/{}", request.bucket)));
    Ok(response)
}

/// us-east-1 is the one Region that is not named: S3 API, page CreateBucket.
fn check_location(region: &str, constraint: Option<&str>) -> Answer<()> {
    match constraint {
        None if region == "us-east-1" => Ok(()),
        Some("us-east-1") => refuse(
            "InvalidLocationConstraint",
            "The specified location-constraint is not valid",
        ),
        Some(constraint)
            if constraint == region || (region == "eu-west-1" && constraint == "EU") =>
        {
            Ok(())
        }
        other => refuse(
            "IllegalLocationConstraintException",
            format!(
                "The {} location constraint is incompatible for the region specific endpoint this request was sent to.",
                other.unwrap_or("unspecified")
            ),
        ),
    }
}

fn already_there(call: &Call<'_>, existing: &Bucket) -> Answer<Response> {
    if existing.owner != call.account() {
        let message = "The requested bucket name is not available. The bucket namespace is shared by all users of the \
                       system. Please select a different name and try again.";
        return Err(AwsError::new("BucketAlreadyExists", message).status(409));
    }
    // For compatibility, us-east-1 answers a repeated creation with success: S3 API, page CreateBucket.
    if call.region == "us-east-1" && existing.region == "us-east-1" {
        return Ok(empty(200));
    }
    let message =
        "Your previous request to create the named bucket succeeded and you already own it.";
    Err(AwsError::new("BucketAlreadyOwnedByYou", message).status(409))
}

pub fn head_bucket(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let region = bucket_mut(call, request)?.region.clone();
    let mut response = empty(200);
    response
        .headers
        .push(("x-amz-bucket-region".into(), region));
    Ok(response)
}

pub fn delete_bucket(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    if !bucket_mut(call, request)?.objects.is_empty() {
        let message = "The bucket you tried to delete is not empty";
        return Err(AwsError::new("BucketNotEmpty", message).status(409));
    }
    call.state.buckets.remove(&request.bucket);
    Ok(empty(204))
}

pub fn list_buckets(call: &mut Call<'_>, _: &S3Request) -> Answer<Response> {
    let mine = call
        .state
        .buckets
        .iter()
        .filter(|(_, b)| b.owner == call.account());
    let buckets = mine.map(|(name, bucket)| {
        el("Bucket")
            .with("Name", name)
            .with("CreationDate", bucket.created.rfc3339())
            .with("BucketRegion", &bucket.region)
    });
    Ok(xml(el("ListAllMyBucketsResult")
        .child(owner("Owner", call.account()))
        .child(el("Buckets").children(buckets))))
}

/// The canonical user id that stands for an account.
pub fn canonical_id(account: &str) -> String {
    use sha2::{Digest as _, Sha256};
    super::state::hex(&Sha256::digest(account.as_bytes()))
}

fn owner(name: &str, account: &str) -> Element {
    el(name).with("ID", canonical_id(account))
}

pub fn get_location(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let region = bucket_mut(call, request)?.region.clone();
    let text = if region == "us-east-1" {
        String::new()
    } else {
        region
    };
    Ok(xml(el("LocationConstraint").text(text)))
}

/// With ACLs disabled, the owner has the one grant there is.
pub fn get_acl(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let account = bucket_mut(call, request)?.owner.clone();
    let grantee = owner("Grantee", &account)
        .attribute("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
        .attribute("xsi:type", "CanonicalUser");
    let grant = el("Grant")
        .child(grantee)
        .with("Permission", "FULL_CONTROL");
    Ok(xml(el("AccessControlPolicy")
        .child(owner("Owner", &account))
        .child(el("AccessControlList").child(grant))))
}

pub fn get_request_payment(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let payer = bucket_mut(call, request)?.payer.clone();
    Ok(xml(el("RequestPaymentConfiguration").with("Payer", payer)))
}

pub fn put_request_payment(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let body = tree::parse(&request.body).ok_or_else(malformed_xml)?;
    let payer = body
        .value(&["Payer"])
        .filter(|p| ["BucketOwner", "Requester"].contains(p));
    bucket_mut(call, request)?.payer = payer.ok_or_else(malformed_xml)?.to_owned();
    Ok(empty(200))
}

pub fn get_versioning(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let bucket = bucket_mut(call, request)?;
    let mut root = el("VersioningConfiguration");
    if !bucket.versioning.is_empty() {
        root = root.with("Status", &bucket.versioning);
    }
    Ok(xml(root))
}

pub fn put_versioning(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let body = tree::parse(&request.body).ok_or_else(malformed_xml)?;
    let status = body
        .value(&["Status"])
        .filter(|s| ["Enabled", "Suspended"].contains(s));
    let status = status.ok_or_else(malformed_xml)?;
    if body.value(&["MfaDelete"]) == Some("Enabled") {
        // Only the root user with its device may, and the sandbox has neither.
        return Err(super::s3::denied());
    }
    let bucket = bucket_mut(call, request)?;
    if status == "Suspended" && bucket.configurations.contains_key("object-lock") {
        let message = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
        return Err(AwsError::new("InvalidBucketState", message).status(409));
    }
    bucket.versioning = status.to_owned();
    Ok(empty(200))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names() {
        assert!(is_bucket_name("acme-org-trail-logs"));
        for bad in ["ab", "Acme", "a_b", "-abc", "abc-", "a..b", "10.0.0.1"] {
            assert!(!is_bucket_name(bad), "{bad}");
        }
    }
}
