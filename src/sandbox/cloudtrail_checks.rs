//! The checks of CreateTrail and UpdateTrail: may an organization trail be, and does every destination take it?
//!
//! User Guide, pages "creating-an-organizational-trail-prepare", "create-s3-bucket-policy-for-cloudtrail",
//! "create-kms-key-policy-for-cloudtrail", "cloudtrail-permissions-for-sns-notifications",
//! "cloudtrail-required-policy-for-cloudwatch-logs".

use super::cloudtrail::{is_delegated_administrator, management_above, not_management};
use super::cloudtrail_names::TrailPlace;
use super::dispatch::Call;
use super::error::{Answer, AwsError, refuse};
use super::iam::has_cloudtrail_role;
use super::kms::{KeyPlace, find_key};
use super::logs::split_log_group_arn;
use super::organizations::CLOUDTRAIL;
use super::policy::{Ask, Context, Policy, Verdict, Who};
use super::s3_config::configuration;
use super::sns::{split_topic_arn, topic_arn as arn_of_topic};
use super::state::{Bucket, Role, State, Trail};
use super::sts::split_role_arn;

/// Whether the caller may have organization trails; the account that owns them.
pub fn organization(call: &Call<'_>) -> Answer<String> {
    let Some(organization) = call.state.organization_of(call.account()) else {
        return refuse(
            "OrganizationsNotInUseException",
            "The request could not be processed because your AWS account is not a member of an organization.",
        );
    };
    let member = management_above(call.state, call.account()).is_some();
    if member && !is_delegated_administrator(call.state, call.account()) {
        return Err(not_management(call));
    }
    if organization.feature_set != "ALL" {
        return refuse(
            "OrganizationNotInAllFeaturesModeException",
            "The request could not be processed because your organization does not have all features enabled.",
        );
    }
    if !organization.trusted_access.contains_key(CLOUDTRAIL) {
        return refuse(
            "CloudTrailAccessNotEnabledException",
            "The request could not be processed because your AWS organization hasn't enabled CloudTrail access. Enable \
             CloudTrail access, and then try again.",
        );
    }
    let management = organization.management_account.clone();
    let linked = call
        .state
        .accounts
        .get(&management)
        .is_some_and(has_cloudtrail_role);
    match (linked, member) {
        (true, _) => Ok(management),
        (false, true) => refuse(
            "NoManagementAccountSLRExistsException",
            "The management account does not have a service-linked role for CloudTrail.",
        ),
        (false, false) => refuse(
            "InsufficientDependencyServiceAccessPermissionException",
            "This operation requires the service-linked role AWSServiceRoleForCloudTrail, and the permission \
             iam:CreateServiceLinkedRole to create it.",
        ),
    }
}

/// Every destination of the trail-to-be.
pub fn destinations(call: &Call<'_>, place: &TrailPlace, trail: &Trail) -> Answer<()> {
    let state = &*call.state;
    bucket(state, place, trail)?;
    key(state, place, trail)?;
    topic(state, place, trail)?;
    log_group(call, place, trail)
}

/// Why log files cannot be delivered now, as GetTrailStatus says it.
pub fn delivery_error(state: &State, place: &TrailPlace, trail: &Trail) -> Option<String> {
    if let Err(error) = bucket(state, place, trail) {
        let code = if error.code.starts_with("S3BucketDoesNotExist") {
            "NoSuchBucket"
        } else {
            "AccessDenied"
        };
        return Some(code.to_owned());
    }
    key(state, place, trail)
        .err()
        .map(|error| match error.code.as_str() {
            "InsufficientEncryptionPolicyException" => "AccessDenied".to_owned(),
            "KmsException" => "KMS.DisabledException".to_owned(),
            _ => "KMS.NotFoundException".to_owned(),
        })
}

pub fn notification_error(state: &State, place: &TrailPlace, trail: &Trail) -> Option<String> {
    topic(state, place, trail)
        .err()
        .map(|_| "AuthorizationError".to_owned())
}

fn service() -> Who {
    Who::Service(CLOUDTRAIL.to_owned())
}

/// The condition keys of CloudTrail's own calls: the source is the trail in the account that owns it.
fn source(place: &TrailPlace) -> Context {
    Context::default()
        .set("aws:SourceArn", place.arn())
        .set("aws:SourceAccount", &place.account)
        .set("aws:PrincipalIsAWSService", "true")
        .set("aws:PrincipalServiceName", CLOUDTRAIL)
        .set("aws:SecureTransport", "true")
        .set("aws:RequestedRegion", &place.region)
}

fn allows(policy: Option<&str>, action: &str, resource: &str, context: &Context) -> bool {
    let who = service();
    let ask = Ask {
        who: &who,
        action,
        resource: Some(resource),
        context,
    };
    let policy = policy.map(Policy::parse).and_then(Result::ok);
    policy.is_some_and(|p| p.evaluate(&ask) == Verdict::Allow)
}

fn bucket(state: &State, place: &TrailPlace, trail: &Trail) -> Answer<()> {
    let name = &trail.bucket;
    let Some(bucket) = state.buckets.get(name) else {
        return refuse(
            "S3BucketDoesNotExistException",
            format!("S3 bucket {name} does not exist!"),
        );
    };
    let arn = format!("arn:aws:s3:::{name}");
    let mut writing = source(place).set("s3:x-amz-acl", "bucket-owner-full-control");
    if let Some(key) = &trail.kms_key_arn {
        writing = writing
            .set("s3:x-amz-server-side-encryption", "aws:kms")
            .set("s3:x-amz-server-side-encryption-aws-kms-key-id", key);
    }
    let object = format!("{arn}/{}", first_key(state, place, trail));
    let policy = bucket.policy.as_deref();
    // A Requester Pays bucket takes no log files: API, page CreateTrail.
    let usable = bucket.payer != "Requester"
        && allows(policy, "s3:GetBucketAcl", &arn, &source(place))
        && allows(policy, "s3:PutObject", &object, &writing);
    if usable {
        return Ok(());
    }
    refuse(
        "InsufficientS3BucketPolicyException",
        format!("Incorrect S3 bucket policy is detected for bucket: {name}"),
    )
}

/// A key such as the trail will write: User Guide, page "get-and-view-cloudtrail-log-files".
fn first_key(state: &State, place: &TrailPlace, trail: &Trail) -> String {
    let prefix = trail
        .prefix
        .as_ref()
        .map_or_else(String::new, |p| format!("{}/", p.trim_end_matches('/')));
    let organization = match state.organization_of(&place.account) {
        Some(organization) if trail.organization => format!("{}/", organization.id),
        _ => String::new(),
    };
    let (account, region) = (&place.account, &place.region);
    format!(
        "{prefix}AWSLogs/{organization}{account}/CloudTrail/{region}/2026/01/01/\
         {account}_CloudTrail_{region}_20260101T0000Z_0123456789abcdef.json.gz"
    )
}

fn key_not_found(key: &str) -> AwsError {
    AwsError::new(
        "KmsKeyNotFoundException",
        format!(
            "KMS key {key} does not exist, or the S3 bucket and the KMS key are not in the same region."
        ),
    )
}

/// The ARN that a trail keeps of its key; `None` for the empty string, which clears it.
pub fn key_arn(call: &Call<'_>, reference: &str) -> Answer<Option<String>> {
    if reference.is_empty() {
        return Ok(None);
    }
    let region = match reference.strip_prefix("arn:") {
        None => call.region,
        Some(rest) => match rest.split(':').collect::<Vec<_>>().as_slice() {
            [_, "kms", region, _, _] => region,
            _ => {
                return refuse(
                    "InvalidKmsKeyIdException",
                    format!("Invalid KMS key ARN: {reference}"),
                );
            }
        },
    };
    if reference.len() > 350 || reference.contains(char::is_whitespace) {
        return refuse(
            "InvalidKmsKeyIdException",
            format!("Invalid KMS key id: {reference}"),
        );
    }
    let place = find_key(call.state, call.account(), region, reference)
        .map_err(|_| key_not_found(reference))?;
    Ok(Some(place.arn()))
}

/// Region, account and id in a key's ARN.
fn key_place(arn: &str) -> Option<KeyPlace> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, "kms", region, account, resource] = parts.as_slice() else {
        return None;
    };
    Some(KeyPlace {
        account: (*account).to_owned(),
        region: (*region).to_owned(),
        id: resource.strip_prefix("key/")?.to_owned(),
    })
}

fn key(state: &State, place: &TrailPlace, trail: &Trail) -> Answer<()> {
    let Some(arn) = &trail.kms_key_arn else {
        return Ok(());
    };
    let found = key_place(arn).and_then(|at| at.key(state).map(|key| (at, key)));
    let (at, key) = found.ok_or_else(|| key_not_found(arn))?;
    let bucket = state.buckets.get(&trail.bucket);
    if bucket.is_some_and(|b| b.region != at.region) {
        return Err(key_not_found(arn));
    }
    if key.state != "Enabled" {
        return refuse(
            "KmsException",
            format!("KMS key {arn} is not enabled: KMS.DisabledException"),
        );
    }
    if key.spec != "SYMMETRIC_DEFAULT" || key.usage != "ENCRYPT_DECRYPT" {
        return refuse(
            "KmsException",
            format!("KMS key {arn} is not symmetric: KMS.InvalidKeyUsageException"),
        );
    }
    let mut actions = vec!["kms:GenerateDataKey", "kms:DescribeKey"];
    if bucket.is_some_and(uses_bucket_key) {
        // Creating or updating such a trail needs Decrypt: page "create-kms-key-policy-for-cloudtrail".
        actions.push("kms:Decrypt");
    }
    let encrypting = source(place)
        .set("kms:EncryptionContext:aws:cloudtrail:arn", place.arn())
        .set(
            "kms:EncryptionContext:aws:s3:arn",
            format!("arn:aws:s3:::{}", trail.bucket),
        );
    let fits = |action: &&str| {
        let plain = source(place);
        let context = if *action == "kms:DescribeKey" {
            &plain
        } else {
            &encrypting
        };
        allows(Some(&key.policy), action, arn, context)
    };
    if actions.iter().all(fits) {
        return Ok(());
    }
    refuse(
        "InsufficientEncryptionPolicyException",
        format!(
            "Insufficient permissions to access S3 bucket {} or KMS key {arn}.",
            trail.bucket
        ),
    )
}

fn uses_bucket_key(bucket: &Bucket) -> bool {
    configuration(bucket, "encryption").is_some_and(|e| {
        let algorithm = e.value(&["Rule", "ApplyServerSideEncryptionByDefault", "SSEAlgorithm"]);
        algorithm != Some("AES256") && e.value(&["Rule", "BucketKeyEnabled"]) == Some("true")
    })
}

/// The ARN of the topic that a name or ARN means; `None` for the empty string, which clears it.
pub fn topic_arn(call: &Call<'_>, reference: &str) -> Answer<Option<String>> {
    if reference.is_empty() {
        return Ok(None);
    }
    let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let arn = match reference.starts_with("arn:") {
        true => reference.to_owned(),
        false => arn_of_topic(call.region, call.account(), reference),
    };
    match split_topic_arn(&arn) {
        Some((_, _, name)) if !name.is_empty() && name.len() <= 256 && name.bytes().all(known) => {
            Ok(Some(arn))
        }
        _ => refuse(
            "InvalidSnsTopicNameException",
            format!("Invalid SNS topic name: {reference}"),
        ),
    }
}

fn topic(state: &State, place: &TrailPlace, trail: &Trail) -> Answer<()> {
    let Some(arn) = &trail.topic_arn else {
        return Ok(());
    };
    let attributes = split_topic_arn(arn)
        .and_then(|(region, account, name)| state.region(account, region)?.topics.get(name))
        .map(|topic| &topic.attributes);
    let policy = attributes.and_then(|a| a.get("Policy")).map(String::as_str);
    if allows(policy, "SNS:Publish", arn, &source(place)) {
        return Ok(());
    }
    refuse(
        "InsufficientSnsTopicPolicyException",
        "SNS Topic does not exist or the topic policy is incorrect!",
    )
}

fn log_group(call: &Call<'_>, place: &TrailPlace, trail: &Trail) -> Answer<()> {
    let (group, role) = match (&trail.log_group_arn, &trail.log_role_arn) {
        (None, None) => return Ok(()),
        (Some(group), Some(role)) => (group, role),
        _ => {
            return refuse(
                "InvalidParameterCombinationException",
                "You must specify both the CloudWatch Logs log group ARN and the CloudWatch Logs role ARN.",
            );
        }
    };
    let invalid = |what: &str| {
        AwsError::new(
            "InvalidCloudWatchLogsLogGroupArnException",
            format!("CloudWatch Logs log group ARN {group} {what}."),
        )
    };
    let (region, account, name) =
        split_log_group_arn(group).ok_or_else(|| invalid("is not valid"))?;
    let exists = call
        .state
        .region(account, region)
        .is_some_and(|r| r.log_groups.contains_key(name));
    if !exists || region != call.region || account != call.account() {
        return Err(invalid(
            "does not exist in the account and Region of the request",
        ));
    }
    let found = split_role_arn(role)
        .filter(|(owner, _)| *owner == call.account())
        .and_then(|(owner, name)| call.state.accounts.get(owner)?.roles.get(name));
    let role = found
        .filter(|r| trusts_cloudtrail(r, place))
        .ok_or_else(|| {
            AwsError::new(
                "InvalidCloudWatchLogsRoleArnException",
                "Access denied. Check the trust relationships for your role.",
            )
        })?;
    let stream = match call.state.organization_of(&place.account) {
        Some(o) if trail.organization => format!("{}_{account}_CloudTrail_{region}", o.id),
        _ => format!("{account}_CloudTrail_{region}"),
    };
    let target = format!("arn:aws:logs:{region}:{account}:log-group:{name}:log-stream:{stream}");
    if may_write(role, &target) {
        return Ok(());
    }
    refuse(
        "InvalidCloudWatchLogsLogGroupArnException",
        "Access denied. Check the permissions for your role.",
    )
}

fn trusts_cloudtrail(role: &Role, place: &TrailPlace) -> bool {
    allows(
        Some(&role.trust_policy.to_string()),
        "sts:AssumeRole",
        "*",
        &source(place),
    )
}

fn may_write(role: &Role, stream: &str) -> bool {
    let who = service();
    let context = Context::default();
    ["logs:CreateLogStream", "logs:PutLogEvents"]
        .iter()
        .all(|action| {
            let ask = Ask {
                who: &who,
                action,
                resource: Some(stream),
                context: &context,
            };
            let policies = role
                .policies
                .values()
                .filter_map(|p| Policy::from_value(p).ok());
            let verdicts: Vec<Verdict> = policies.map(|p| p.evaluate(&ask)).collect();
            verdicts.contains(&Verdict::Allow) && !verdicts.contains(&Verdict::Deny)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::sandbox::Sandbox;
    use crate::sandbox::testing::*;

    fn create(sandbox: &Sandbox, more: &Value) -> Result<Value, String> {
        let mut body = json!({"Name": "org", "S3BucketName": BUCKET, "IsOrganizationTrail": true});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        Client::new(sandbox, MANAGEMENT).json("cloudtrail", "CreateTrail", &body)
    }

    fn refused(sandbox: &Sandbox, more: &Value, code: &str) {
        assert_eq!(
            create(sandbox, more).unwrap_err(),
            format!("{code}Exception")
        );
    }

    #[test]
    fn the_bucket_policy_must_fit_the_trail() {
        let sandbox = ready_for_a_trail();
        let archive = Client::new(&sandbox, ARCHIVE);
        refused(
            &sandbox,
            &json!({"S3KeyPrefix": "x"}),
            "InsufficientS3BucketPolicy",
        );
        refused(
            &sandbox,
            &json!({"Name": "other"}),
            "InsufficientS3BucketPolicy",
        );
        refused(
            &sandbox,
            &json!({"S3BucketName": "not-there"}),
            "S3BucketDoesNotExist",
        );
        let wrong = log_bucket_policy("arn:aws:cloudtrail:us-east-1:222233334444:trail/org");
        archive
            .s3("PUT", &format!("/{BUCKET}?policy"), &wrong)
            .unwrap();
        refused(&sandbox, &json!({}), "InsufficientS3BucketPolicy");
        archive
            .s3(
                "PUT",
                &format!("/{BUCKET}?policy"),
                &log_bucket_policy(TRAIL_ARN),
            )
            .unwrap();
        create(&sandbox, &json!({})).unwrap();
        refused(&sandbox, &json!({}), "TrailAlreadyExists");
    }

    #[test]
    fn the_key_must_be_near_the_bucket_and_let_cloudtrail_use_it() {
        let sandbox = ready_for_a_trail();
        let archive = Client::new(&sandbox, ARCHIVE);
        let key_with = |client: &Client<'_>, actions: &str| {
            let policy = format!(
                r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ARCHIVE}:root"}},"Action":"kms:*","Resource":"*"}},
                {{"Effect":"Allow","Principal":{{"Service":"cloudtrail.amazonaws.com"}},"Action":[{actions}],"Resource":"*",
                  "Condition":{{"StringEquals":{{"aws:SourceArn":"{TRAIL_ARN}"}}}}}}]}}"#
            );
            let answer = client
                .json("kms", "CreateKey", &json!({"Policy": policy}))
                .unwrap();
            answer["KeyMetadata"]["Arn"].clone()
        };
        let describe_only = key_with(&archive, r#""kms:DescribeKey""#);
        refused(
            &sandbox,
            &json!({"KmsKeyId": describe_only}),
            "InsufficientEncryptionPolicy",
        );
        let abroad = Client {
            region: "eu-west-1",
            ..Client::new(&sandbox, ARCHIVE)
        };
        let far = key_with(&abroad, r#""kms:*""#);
        refused(&sandbox, &json!({"KmsKeyId": far}), "KmsKeyNotFound");
        let usual = key_with(&archive, r#""kms:GenerateDataKey*","kms:DescribeKey""#);
        let rule = format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms\
             </SSEAlgorithm><KMSMasterKeyID>{}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>\
             true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>",
            usual.as_str().unwrap()
        );
        archive
            .s3("PUT", &format!("/{BUCKET}?encryption"), &rule)
            .unwrap();
        refused(
            &sandbox,
            &json!({"KmsKeyId": usual}),
            "InsufficientEncryptionPolicy",
        );
        archive
            .s3("DELETE", &format!("/{BUCKET}?encryption"), "")
            .unwrap();
        create(&sandbox, &json!({"KmsKeyId": usual})).unwrap();
    }

    #[test]
    fn an_organization_trail_needs_its_organization() {
        let sandbox = ready_for_a_trail();
        let body = json!({"Name": "org", "S3BucketName": BUCKET, "IsOrganizationTrail": true});
        let member = Client::new(&sandbox, ARCHIVE);
        let code = member.json("cloudtrail", "CreateTrail", &body).unwrap_err();
        assert_eq!(code, "NotOrganizationMasterAccountException");
        let service = json!({"ServicePrincipal": "cloudtrail.amazonaws.com"});
        let management = Client::new(&sandbox, MANAGEMENT);
        management
            .json("organizations", "DisableAWSServiceAccess", &service)
            .unwrap();
        refused(&sandbox, &json!({}), "CloudTrailAccessNotEnabled");
    }

    #[test]
    fn the_status_tells_when_the_bucket_no_longer_takes_logs() {
        let sandbox = ready_for_a_trail();
        create(&sandbox, &json!({})).unwrap();
        let management = Client::new(&sandbox, MANAGEMENT);
        let name = json!({"Name": "org"});
        management
            .json("cloudtrail", "StartLogging", &name)
            .unwrap();
        let status = || {
            management
                .json("cloudtrail", "GetTrailStatus", &name)
                .unwrap()
        };
        assert!(status()["LatestDeliveryTime"].is_number());
        let archive = Client::new(&sandbox, ARCHIVE);
        archive
            .s3("DELETE", &format!("/{BUCKET}?policy"), "")
            .unwrap();
        assert_eq!(status()["LatestDeliveryError"], "AccessDenied");
    }
}
