//! A client for the tests of this module: requests as the SDK writes them, without the SDK.

use serde_json::Value;

use super::protocol::{Request, Response};
use super::{Sandbox, xml};

pub const MANAGEMENT: &str = "111122223333";
pub const ARCHIVE: &str = "222233334444";
pub const BUCKET: &str = "acme-org-trail-logs";
pub const TRAIL_ARN: &str = "arn:aws:cloudtrail:us-east-1:111122223333:trail/org";

/// Calls as one account in one Region.
pub struct Client<'a> {
    pub sandbox: &'a Sandbox,
    pub key: &'a str,
    pub region: &'a str,
}

impl<'a> Client<'a> {
    pub fn new(sandbox: &'a Sandbox, key: &'a str) -> Self {
        Self {
            sandbox,
            key,
            region: "us-east-1",
        }
    }

    pub fn send(&self, service: &str, mut request: Request) -> Response {
        let scope = format!(
            "{}/20260101/{}/{service}/aws4_request",
            self.key, self.region
        );
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        request
            .headers
            .push(("Authorization".into(), authorization));
        self.sandbox.handle(request)
    }

    /// A JSON 1.1 call: the answer, or the code of the error.
    pub fn json(&self, service: &str, action: &str, body: &Value) -> Result<Value, String> {
        let request = Request {
            method: "POST".into(),
            uri: "/".into(),
            headers: vec![("X-Amz-Target".into(), format!("Any.{action}"))],
            body: body.to_string().into_bytes(),
            ..Request::default()
        };
        let response = self.send(service, request);
        let value: Value = serde_json::from_slice(&response.body).unwrap();
        if response.status == 200 {
            Ok(value)
        } else {
            Err(value["__type"].as_str().unwrap().to_owned())
        }
    }

    /// A query call: the answer's XML, or the code of the error.
    pub fn query(&self, service: &str, form: &str) -> Result<xml::Element, String> {
        let request = Request {
            method: "POST".into(),
            uri: "/".into(),
            body: form.as_bytes().to_vec(),
            ..Request::default()
        };
        finish(self.send(service, request), &["Error", "Code"])
    }

    pub fn s3(&self, method: &str, uri: &str, body: &str) -> Result<xml::Element, String> {
        let request = Request {
            method: method.into(),
            uri: uri.into(),
            body: body.as_bytes().to_vec(),
            ..Request::default()
        };
        finish(self.send("s3", request), &["Code"])
    }
}

fn finish(response: Response, code: &[&str]) -> Result<xml::Element, String> {
    let root = xml::parse(&response.body).unwrap_or_default();
    if response.status < 300 {
        return Ok(root);
    }
    Err(root.value(code).unwrap_or("no code").to_owned())
}

/// The policy that the CloudTrail User Guide gives for an organization's log bucket.
pub fn log_bucket_policy(source_arn: &str) -> String {
    let service = r#""Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"}"#;
    format!(
        r#"{{"Version":"2012-10-17","Statement":[
        {{{service},"Action":"s3:GetBucketAcl","Resource":"arn:aws:s3:::{BUCKET}",
          "Condition":{{"StringEquals":{{"aws:SourceArn":"{source_arn}"}}}}}},
        {{{service},"Action":"s3:PutObject","Resource":"arn:aws:s3:::{BUCKET}/AWSLogs/o-a1b2c3d4e5/*",
          "Condition":{{"StringEquals":{{"aws:SourceArn":"{source_arn}",
          "s3:x-amz-acl":"bucket-owner-full-control"}}}}}},
        {{"Effect":"Deny","Principal":"*","Action":"s3:*",
          "Resource":["arn:aws:s3:::{BUCKET}","arn:aws:s3:::{BUCKET}/*"],
          "Condition":{{"Bool":{{"aws:SecureTransport":"false"}}}}}}]}}"#
    )
}

/// The example organization with a log bucket in the archive account, ready for a trail named `org`.
pub fn ready_for_a_trail() -> Sandbox {
    let sandbox = Sandbox::in_memory();
    let archive = Client::new(&sandbox, ARCHIVE);
    archive.s3("PUT", &format!("/{BUCKET}"), "").unwrap();
    archive
        .s3(
            "PUT",
            &format!("/{BUCKET}?policy"),
            &log_bucket_policy(TRAIL_ARN),
        )
        .unwrap();
    let management = Client::new(&sandbox, MANAGEMENT);
    let service = serde_json::json!({"ServicePrincipal": "cloudtrail.amazonaws.com"});
    management
        .json("organizations", "EnableAWSServiceAccess", &service)
        .unwrap();
    let role = "Action=CreateServiceLinkedRole&AWSServiceName=cloudtrail.amazonaws.com";
    management.query("iam", role).unwrap();
    sandbox
}
