//! The way in for the AWS SDK for Rust: an HTTP client that needs no socket.

use std::fmt;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt as _;

use super::protocol::{Request, Response};
use super::{Outcome, Sandbox};

/// Turns of the executor that an answer takes, so that calls made side by side are in flight together.
const TURNS: usize = 8;

impl Sandbox {
    /// Give this to `aws_config::ConfigLoader::http_client`, together with any credentials.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(Connector(self.clone()))
    }
}

#[derive(Clone)]
struct Connector(Sandbox);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("orgtrail sandbox")
    }
}

impl HttpClient for Connector {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sandbox = self.0.clone();
        HttpConnectorFuture::new(async move {
            let call = sandbox.begin();
            let request = read(request).await?;
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            let (outcome, identity) = sandbox.answer(&request);
            if !outcome.delay.is_zero() {
                tokio::time::sleep(outcome.delay).await;
            }
            sandbox.end(call, identity, &outcome);
            deliver(outcome)
        })
    }
}

async fn read(request: HttpRequest) -> Result<Request, ConnectorError> {
    let request = request
        .try_into_http1x()
        .map_err(|e| ConnectorError::user(e.into()))?;
    let (parts, body) = request.into_parts();
    let uri = parts
        .uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str)
        .to_owned();
    let host = parts.uri.authority().map(ToString::to_string);
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let header = |name: &str| {
        headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.clone())
    };
    Ok(Request {
        method: parts.method.as_str().to_owned(),
        uri,
        host: host.or_else(|| header("host")).unwrap_or_default(),
        headers,
        body: body
            .collect()
            .await
            .map_err(ConnectorError::user)?
            .to_bytes()
            .to_vec(),
    })
}

fn deliver(outcome: Outcome) -> Result<HttpResponse, ConnectorError> {
    if outcome.dropped {
        return Err(ConnectorError::io("connection reset by the sandbox".into()));
    }
    let Response {
        status,
        headers,
        body,
    } = outcome.response;
    let mut builder = http::Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let response = builder
        .body(SdkBody::from(body))
        .map_err(|e| ConnectorError::user(e.into()))?;
    HttpResponse::try_from(response).map_err(|e| ConnectorError::user(e.into()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sandbox::Fault;

    fn who_am_i() -> HttpRequest {
        let scope = "111122223333/20260101/us-east-1/sts/aws4_request";
        let mut request = HttpRequest::new(SdkBody::from("Action=GetCallerIdentity"));
        request.set_method("POST").unwrap();
        request
            .set_uri("https://sts.us-east-1.amazonaws.com/")
            .unwrap();
        request
            .headers_mut()
            .insert("authorization", format!("AWS4 Credential={scope}, x"));
        request
    }

    #[tokio::test]
    async fn calls_side_by_side_are_one_deep() {
        let sandbox = Sandbox::in_memory();
        let connector = Connector(sandbox.clone());
        let (a, b) = tokio::join!(connector.call(who_am_i()), connector.call(who_am_i()));
        assert!(a.unwrap().status().is_success() && b.unwrap().status().is_success());
        assert_eq!(sandbox.calls().depth, 1);
        connector.call(who_am_i()).await.unwrap();
        assert_eq!(sandbox.calls().depth, 2);
    }

    #[tokio::test]
    async fn a_hanging_call_ends_without_an_answer() {
        let sandbox = Sandbox::in_memory();
        sandbox.inject(Fault {
            call: "sts.*".into(),
            hang_ms: 1,
            ..Fault::default()
        });
        let call = Connector(sandbox).call(who_am_i());
        let answer = tokio::time::timeout(Duration::from_secs(5), call).await;
        assert!(answer.unwrap().unwrap_err().is_io());
    }
}
