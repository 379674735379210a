//! The way of the SDK's requests to servers of this machine.

use std::fmt;

use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// Requests go to one server, those of some actions to another.
#[derive(Clone)]
pub struct Loopback {
    endpoint: String,
    other: Option<(&'static str, String)>,
    network: SharedHttpClient,
}

impl fmt::Debug for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.endpoint)
    }
}

impl Loopback {
    pub fn to(endpoint: &str) -> Self {
        let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        Self {
            endpoint: endpoint.to_owned(),
            other: None,
            network: aws_smithy_http_client::Builder::new()
                .tls_provider(provider)
                .build_https(),
        }
    }

    /// Except an action, by its X-Amz-Target.
    pub fn but(mut self, action: &'static str, endpoint: &str) -> Self {
        self.other = Some((action, endpoint.to_owned()));
        self
    }

    pub fn client(self) -> SharedHttpClient {
        SharedHttpClient::new(self)
    }
}

impl HttpClient for Loopback {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            loopback: self.clone(),
            inner: self.network.http_connector(settings, components),
        })
    }
}

#[derive(Debug)]
struct Connector {
    loopback: Loopback,
    inner: SharedHttpConnector,
}

impl HttpConnector for Connector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let endpoint = match &self.loopback.other {
            Some((action, endpoint)) if *action == target => endpoint,
            _ => &self.loopback.endpoint,
        };
        let path: http::Uri = request.uri().parse().unwrap();
        let path = path.path_and_query().map_or("/", |path| path.as_str());
        request.set_uri(format!("{endpoint}{path}")).unwrap();
        self.inner.call(request)
    }
}
