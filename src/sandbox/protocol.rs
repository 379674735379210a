//! HTTP in, HTTP out: which service and operation a request means, and how an answer is written.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::{Answer, AwsError};
use super::xml::{Element, el};

/// A request as it left the client.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub uri: String,
    pub host: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    CloudTrail,
    Iam,
    Kms,
    Logs,
    Organizations,
    S3,
    Sns,
    Sts,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn path(&self) -> &str {
        self.uri.split_once('?').map_or(&self.uri, |(path, _)| path)
    }

    pub fn query(&self) -> BTreeMap<String, String> {
        form(self.uri.split_once('?').map_or("", |(_, query)| query))
    }
}

/// The SigV4 credential scope: who signed, for which Region and service.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    pub access_key: String,
    pub region: String,
    pub service: String,
}

/// Reads the Authorization header: AWS General Reference, page "sigv4-create-canonical-request".
pub fn scope(request: &Request) -> Option<Scope> {
    let authorization = request.header("authorization")?;
    let credential = authorization.split_once("Credential=")?.1;
    let credential = credential.split([',', ' ']).next()?;
    let parts: Vec<&str> = credential.split('/').collect();
    match parts.as_slice() {
        [access_key, _date, region, service, _] => Some(Scope {
            access_key: (*access_key).to_owned(),
            region: (*region).to_owned(),
            service: (*service).to_owned(),
        }),
        _ => None,
    }
}

impl Service {
    pub fn from_signing_name(name: &str) -> Option<Self> {
        Some(match name {
            "cloudtrail" => Self::CloudTrail,
            "iam" => Self::Iam,
            "kms" => Self::Kms,
            "logs" => Self::Logs,
            "organizations" => Self::Organizations,
            "s3" => Self::S3,
            "sns" => Self::Sns,
            "sts" => Self::Sts,
            _ => return None,
        })
    }

    /// The prefix of IAM actions and of `Fault::call`.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::CloudTrail => "cloudtrail",
            Self::Iam => "iam",
            Self::Kms => "kms",
            Self::Logs => "logs",
            Self::Organizations => "organizations",
            Self::S3 => "s3",
            Self::Sns => "sns",
            Self::Sts => "sts",
        }
    }

    fn protocol(self) -> Protocol {
        match self {
            Self::CloudTrail | Self::Kms | Self::Logs | Self::Organizations => Protocol::Json,
            Self::Iam | Self::Sns | Self::Sts => Protocol::Query,
            Self::S3 => Protocol::S3,
        }
    }

    fn xmlns(self) -> &'static str {
        match self {
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Sns => "http://sns.amazonaws.com/doc/2010-03-31/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            _ => S3_XMLNS,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Json,
    Query,
    S3,
}

pub const S3_XMLNS: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The body of an RPC call, by protocol.
#[derive(Clone, Debug)]
pub enum Input {
    Json(Value),
    Form(Form),
}

/// The parameters of the query protocol, flattened: `Tags.member.1.Key`.
#[derive(Clone, Debug, Default)]
pub struct Form(pub BTreeMap<String, String>);

impl Form {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn need(&self, name: &str) -> Answer<&str> {
        self.get(name).filter(|v| !v.is_empty()).ok_or_else(|| {
            let message = format!(
                "1 validation error detected: Value null at '{name}' failed to satisfy constraint: \
                 Member must not be null"
            );
            AwsError::new("ValidationError", message)
        })
    }

    /// Tags of a request: `Tags.member.N.Key` and `.Value`.
    pub fn tags(&self) -> BTreeMap<String, String> {
        let key = |n: usize| self.get(&format!("Tags.member.{n}.Key"));
        (1..)
            .map_while(|n| key(n).map(|k| (n, k.to_owned())))
            .map(|(n, k)| {
                let value = self
                    .get(&format!("Tags.member.{n}.Value"))
                    .unwrap_or_default();
                (k, value.to_owned())
            })
            .collect()
    }
}

/// The operation that an RPC request names, and its input.
pub fn rpc(service: Service, request: &Request) -> Answer<(String, Input)> {
    match service.protocol() {
        Protocol::Json => {
            let target = request.header("x-amz-target").unwrap_or_default();
            let action = target.rsplit('.').next().unwrap_or_default();
            if action.is_empty() {
                let protocol = request.header("smithy-protocol").unwrap_or("this protocol");
                return Err(AwsError::not_implemented(&format!(
                    "requests in {protocol}"
                )));
            }
            let text = match request.body.as_slice() {
                [] => b"{}".as_slice(),
                body => body,
            };
            match serde_json::from_slice::<Value>(text) {
                Ok(value @ Value::Object(_)) => Ok((action.to_owned(), Input::Json(value))),
                _ => Err(AwsError::new(
                    "SerializationException",
                    "Start of structure or map found where not expected.",
                )),
            }
        }
        Protocol::Query => {
            let form = Form(form(&String::from_utf8_lossy(&request.body)));
            let action = form.get("Action").unwrap_or_default().to_owned();
            Ok((action, Input::Form(form)))
        }
        Protocol::S3 => Err(AwsError::not_implemented("S3 as an RPC service")),
    }
}

pub fn json_response(value: &Value, request_id: &str) -> Response {
    Response {
        status: 200,
        headers: vec![
            ("Content-Type".into(), "application/x-amz-json-1.1".into()),
            ("x-amzn-RequestId".into(), request_id.into()),
        ],
        body: value.to_string().into_bytes(),
    }
}

pub fn query_response(
    service: Service,
    action: &str,
    result: Option<Element>,
    request_id: &str,
) -> Response {
    let body = el(&format!("{action}Response"))
        .children(result.map(|r| Element {
            name: format!("{action}Result"),
            ..r
        }))
        .child(el("ResponseMetadata").with("RequestId", request_id))
        .document(service.xmlns());
    Response {
        status: 200,
        headers: vec![
            ("Content-Type".into(), "text/xml".into()),
            ("x-amzn-RequestId".into(), request_id.into()),
        ],
        body,
    }
}

/// An error in the words and form of the service that refuses.
pub fn error_response(
    service: Service,
    error: &AwsError,
    request_id: &str,
    head: bool,
) -> Response {
    let (content_type, id_header, body) = match service.protocol() {
        Protocol::Json => (
            "application/x-amz-json-1.1",
            "x-amzn-RequestId",
            json_error(service, error).to_string().into_bytes(),
        ),
        Protocol::Query => {
            let body = query_error(error, request_id).document(service.xmlns());
            ("text/xml", "x-amzn-RequestId", body)
        }
        Protocol::S3 => {
            let body = s3_error(error, request_id).render();
            let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
            ("application/xml", "x-amz-request-id", body.into_bytes())
        }
    };
    let mut headers = error.headers.clone();
    headers.push(("Content-Type".into(), content_type.into()));
    headers.push((id_header.into(), request_id.into()));
    Response {
        status: error.status,
        headers,
        // The answer to HEAD has no body, S3's errors included.
        body: if head { Vec::new() } else { body },
    }
}

/// Models disagree on the letter: `message` in KMS and Logs, `Message` elsewhere.
fn json_error(service: Service, error: &AwsError) -> Value {
    match service {
        Service::Kms | Service::Logs => json!({"__type": error.code, "message": error.message}),
        _ => json!({"__type": error.code, "Message": error.message}),
    }
}

fn query_error(error: &AwsError, request_id: &str) -> Element {
    let fault = if error.status >= 500 {
        "Receiver"
    } else {
        "Sender"
    };
    let details = el("Error")
        .with("Type", fault)
        .with("Code", &error.code)
        .with("Message", &error.message);
    el("ErrorResponse")
        .child(details)
        .with("RequestId", request_id)
}

fn s3_error(error: &AwsError, request_id: &str) -> Element {
    el("Error")
        .with("Code", &error.code)
        .with("Message", &error.message)
        .with("RequestId", request_id)
        .with("HostId", "orgtrail-sandbox")
}

/// Decodes `a=b&c=d`; a name without `=` has an empty value.
pub fn form(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(name, true), percent_decode(value, true))
        })
        .collect()
}

pub fn percent_decode(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        let escaped = bytes
            .get(i + 1..i + 3)
            .filter(|_| byte == b'%')
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match escaped {
            Some(decoded) => {
                out.push(decoded);
                i += 2;
            }
            None if byte == b'+' && plus_is_space => out.push(b' '),
            None => out.push(byte),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let form = form("A=1%2F2+x&tagging&B.member.1=%zz%");
        assert_eq!(form["A"], "1/2 x");
        assert_eq!(form["tagging"], "");
        assert_eq!(form["B.member.1"], "%zz%");
    }

    #[test]
    fn the_scope_of_a_signature() {
        let request = Request {
            headers: vec![(
                "Authorization".into(),
                "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host".into(),
            )],
            ..Request::default()
        };
        let scope = scope(&request).unwrap();
        assert_eq!(
            (scope.access_key.as_str(), scope.region.as_str()),
            ("AKID", "eu-west-1")
        );
        assert_eq!(super::scope(&Request::default()), None);
    }
}
