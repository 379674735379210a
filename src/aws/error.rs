//! One error type for every AWS call, with AWS's messages turned into cause and fix.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::model::Place;

/// A call to AWS that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    /// `cloudtrail:CreateTrail`
    pub call: String,
    pub place: Box<Place>,
    /// AWS's error code without the suffix `Exception`; a word of ours where there was no answer.
    pub code: String,
    pub message: String,
}

pub const NO_CREDENTIALS: &str = "NoCredentials";
pub const UNREACHABLE: &str = "Unreachable";
pub const TIMEOUT: &str = "Timeout";

impl AwsError {
    pub fn new(call: &str, place: &Place, code: &str, message: impl Into<String>) -> Self {
        Self {
            call: call.to_owned(),
            place: Box::new(place.clone()),
            code: code.to_owned(),
            message: message.into(),
        }
    }

    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }

    pub fn is_any(&self, codes: &[&str]) -> bool {
        codes.contains(&self.code.as_str())
    }

    /// What the user can do about it, where the code tells.
    pub fn fix(&self) -> Option<String> {
        let fix = match self.code.as_str() {
            "AccessDenied" | "UnauthorizedOperation" => {
                return Some(format!(
                    "allow {} for these credentials; `orgtrail policies` prints the least that plan and apply need",
                    iam_action(&self.call)
                ));
            }
            NO_CREDENTIALS => return Some(credentials_fix(&self.message)),
            UNREACHABLE => "check the network, the proxy and AWS_ENDPOINT_URL",
            TIMEOUT => "try again; AWS did not answer in time",
            "ExpiredToken" | "ExpiredTokenException" => "sign in again; the session has ended",
            "InvalidClientTokenId" | "UnrecognizedClient" | "InvalidAccessKeyId" => {
                "the access key is unknown to AWS: check AWS_ACCESS_KEY_ID or the profile"
            }
            "SignatureDoesNotMatch" => "the secret key does not fit the access key",
            "RequestTimeTooSkewed" | "InvalidSignature" => {
                "set this machine's clock; requests are signed with the time"
            }
            "Throttling" | "TooManyRequests" | "SlowDown" => "wait a minute and try again",
            other => return catalogue(other).map(str::to_owned),
        };
        Some(fix.to_owned())
    }
}

/// The IAM action of an API call, where it has another name (Service Authorization Reference, Amazon S3).
fn iam_action(call: &str) -> &str {
    match call {
        "s3:HeadBucket" => {
            "s3:ListBucket (or correct `account` or `name`, if the bucket is another account's)"
        }
        "s3:GetPublicAccessBlock" => "s3:GetBucketPublicAccessBlock",
        "s3:PutPublicAccessBlock" => "s3:PutBucketPublicAccessBlock",
        "s3:GetBucketEncryption" => "s3:GetEncryptionConfiguration",
        "s3:PutBucketEncryption" => "s3:PutEncryptionConfiguration",
        "s3:GetBucketLifecycleConfiguration" => "s3:GetLifecycleConfiguration",
        "s3:PutBucketLifecycleConfiguration" | "s3:DeleteBucketLifecycle" => {
            "s3:PutLifecycleConfiguration"
        }
        "s3:GetObjectLockConfiguration" => "s3:GetBucketObjectLockConfiguration",
        "s3:PutObjectLockConfiguration" => "s3:PutBucketObjectLockConfiguration",
        other => other,
    }
}

/// Fixes for CloudTrail's own refusals ("Errors" of CreateTrail and UpdateTrail in the CloudTrail API reference).
fn catalogue(code: &str) -> Option<&'static str> {
    Some(match code {
        "InsufficientS3BucketPolicy" => {
            "the bucket policy must let cloudtrail.amazonaws.com call s3:GetBucketAcl on the bucket and s3:PutObject under \
             its prefix, for this trail's ARN"
        }
        "InsufficientEncryptionPolicy" => {
            "the key policy must let cloudtrail.amazonaws.com call kms:GenerateDataKey* and kms:DescribeKey for this \
             trail's ARN, and kms:Decrypt when the bucket uses a bucket key"
        }
        "InsufficientSnsTopicPolicy" => {
            "the topic's policy must let cloudtrail.amazonaws.com call sns:Publish"
        }
        "KmsKeyNotFound" => "the key must exist in the Region of the bucket",
        "S3BucketDoesNotExist" => "create the bucket first, or correct its name",
        "CloudTrailAccessNotEnabled" => {
            "enable trusted access for cloudtrail.amazonaws.com in the management account (orgtrail plans it where the spec \
             has `organization`)"
        }
        "OrganizationsNotInUse" | "AWSOrganizationsNotInUse" => {
            "the account is in no organization: correct `organization.account` or drop `organization: true`"
        }
        "NotOrganizationMasterAccount" | "NotOrganizationManagementAccount" => {
            "use the management account or a delegated administrator for organization trails"
        }
        "InsufficientDependencyServiceAccessPermission" | "NoManagementAccountSLRExists" => {
            "the service-linked role AWSServiceRoleForCloudTrail is missing, or these credentials lack iam:GetRole, \
             iam:CreateServiceLinkedRole or organizations:DescribeOrganization"
        }
        "MaximumNumberOfTrailsExceeded" => {
            "a Region holds five trails, multi-Region trails of other Regions included: delete one or merge two"
        }
        "InvalidHomeRegion" => "call CloudTrail in the trail's home Region: correct `region`",
        "TrailAlreadyExists" => "a trail of this name exists: choose another `name`",
        "Conflict" => "another change of this trail is in progress: try again in a few minutes",
        "InvalidCloudWatchLogsLogGroupArn" | "InvalidCloudWatchLogsRoleArn" => {
            "the log group and the role must exist in the account that calls CloudTrail, and the role must let CloudTrail \
             write to the group"
        }
        "PermanentRedirect" | "IllegalLocationConstraint" | "AuthorizationHeaderMalformed" => {
            "the bucket is in another Region: correct its `region`"
        }
        "BucketAlreadyExists" => {
            "another account owns a bucket of this name: choose another `name`"
        }
        "MalformedPolicyDocument" | "MalformedPolicy" => {
            "AWS does not accept a statement of this policy: does every principal in it exist?"
        }
        _ => return None,
    })
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: ", self.call, self.place)?;
        match self.code.as_str() {
            NO_CREDENTIALS | UNREACHABLE | TIMEOUT => f.write_str(&self.message),
            code if self.message.is_empty() => f.write_str(code),
            code => write!(f, "{code}: {}", self.message),
        }
    }
}

impl Error for AwsError {}

/// Turns an SDK error into ours: `.send().await.map_err(at(place, "kms:DescribeKey"))`.
pub fn at<'a, E>(
    place: &'a Place,
    call: &'a str,
) -> impl FnOnce(SdkError<E, HttpResponse>) -> AwsError + 'a
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    move |error| {
        let (code, message) = match &error {
            SdkError::ServiceError(service) => service_error(&error, service.raw()),
            SdkError::TimeoutError(_) => (TIMEOUT.to_owned(), "no answer in time".to_owned()),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                (TIMEOUT.to_owned(), "no connection in time".to_owned())
            }
            SdkError::DispatchFailure(failure) if failure.is_io() => {
                (UNREACHABLE.to_owned(), causes(&error))
            }
            SdkError::ResponseError(response) => (
                format!("HTTP {}", response.raw().status().as_u16()),
                "the answer could not be understood".to_owned(),
            ),
            _ => credentials_error(&error),
        };
        AwsError::new(call, place, &code, message)
    }
}

fn service_error<E>(error: &SdkError<E, HttpResponse>, raw: &HttpResponse) -> (String, String)
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let status = raw.status().as_u16();
    let code = match error.code() {
        Some(code) => code.strip_suffix("Exception").unwrap_or(code).to_owned(),
        // Answers without a body, as to a HEAD request.
        None => match status {
            301 => "PermanentRedirect".to_owned(),
            403 => "AccessDenied".to_owned(),
            404 => "NotFound".to_owned(),
            _ => format!("HTTP {status}"),
        },
    };
    let message = match error.message() {
        Some(message) => message.to_owned(),
        None if status == 200 => {
            format!("the answer could not be understood: {}", causes(error))
        }
        None => String::new(),
    };
    (code, message)
}

/// What is left never reached AWS: nearly always the credentials could not be had.
fn credentials_error<E>(error: &SdkError<E, HttpResponse>) -> (String, String)
where
    E: Error + Send + Sync + 'static,
{
    let line = causes(error);
    if line.to_lowercase().contains("credential") || line.to_lowercase().contains("identity") {
        (NO_CREDENTIALS.to_owned(), line)
    } else {
        (UNREACHABLE.to_owned(), line)
    }
}

/// An SDK error and its causes in one line. Their debug forms are never used: they hold whole requests and answers.
fn causes(error: &(dyn Error + 'static)) -> String {
    const EMPTY: [&str; 6] = [
        "dispatch failure",
        "other",
        "io error",
        "service error",
        "unhandled error",
        "failed to construct request",
    ];
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string().replace('\n', " ");
        let said = texts.iter().any(|before| before.contains(&text));
        if !said && !EMPTY.contains(&text.as_str()) {
            texts.push(text);
        }
        next = cause.source();
    }
    texts.join(": ")
}

/// The command that mends missing credentials, by the provider that failed.
fn credentials_fix(message: &str) -> String {
    let lower = message.to_lowercase();
    let says = |word: &str| lower.contains(word);
    let fix = if says("sso") || says("expired") {
        return match profile_in(message) {
            Some(profile) => format!("sign in again: aws sso login --profile {profile}"),
            None => "sign in again: aws sso login".to_owned(),
        };
    } else if says("login session") {
        "sign in again: aws login"
    } else if says("external process") {
        "run the profile's credential_process by hand and mend what it prints"
    } else if says("profile ") {
        "check that the profile exists (aws configure list-profiles) and sign in: aws sso login --profile NAME"
    } else if says("assuming") && !says("no credentials were found") {
        "check that the role exists, that its trust policy names this caller, and the external id"
    } else {
        "set AWS_PROFILE, run aws sso login, or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    };
    fix.to_owned()
}

/// The profile that a sign-in used, as its message names it.
fn profile_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("profile ")?;
    let (profile, _) = rest.split_once(" failed: ")?;
    Some(profile)
}
