//! The way in for everything else: HTTP/1.1 on a local port, for the AWS CLI and boto3.

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::Sandbox;
use super::protocol::{Request, Response};

#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    /// Added to every answer, as a network would.
    pub latency: Duration,
}

/// Serves the sandbox until ctrl-c. `GET /_sandbox/calls` reports the calls, `POST /_sandbox/reset` forgets them.
pub async fn serve(
    sandbox: Sandbox,
    listener: TcpListener,
    options: ServeOptions,
) -> io::Result<()> {
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                tokio::spawn(converse(sandbox.clone(), stream, options.clone()));
            }
            _ = &mut interrupt => return Ok(()),
        }
    }
}

async fn converse(sandbox: Sandbox, stream: TcpStream, options: ServeOptions) {
    let service = service_fn(move |request| answer(sandbox.clone(), request, options.clone()));
    // A client that goes away mid-request is its own affair.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

type HttpAnswer = Result<hyper::Response<Full<Bytes>>, Dropped>;

/// Makes hyper close the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox dropped the connection")]
struct Dropped;

async fn answer(
    sandbox: Sandbox,
    request: hyper::Request<Incoming>,
    options: ServeOptions,
) -> HttpAnswer {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Err(Dropped);
    };
    let uri = parts
        .uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    if let Some(reply) = own_page(&sandbox, parts.method.as_str(), uri) {
        return Ok(render(reply));
    }
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let request = Request {
        method: parts.method.as_str().to_owned(),
        uri: uri.to_owned(),
        host: parts.headers.get("host").map(text).unwrap_or_default(),
        headers: parts
            .headers
            .iter()
            .map(|(n, v)| (n.as_str().to_owned(), text(v)))
            .collect(),
        body: body.to_bytes().to_vec(),
    };
    let call = sandbox.begin();
    let (outcome, identity) = sandbox.answer(&request);
    let delay = outcome.delay + options.latency;
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    sandbox.end(call, identity, &outcome);
    if outcome.dropped {
        Err(Dropped)
    } else {
        Ok(render(outcome.response))
    }
}

fn own_page(sandbox: &Sandbox, method: &str, uri: &str) -> Option<Response> {
    let body = match (method, uri) {
        ("GET", "/_sandbox/calls") => serde_json::to_vec(&sandbox.calls()).unwrap_or_default(),
        ("POST", "/_sandbox/reset") => {
            sandbox.reset_calls();
            b"{}".to_vec()
        }
        _ => return None,
    };
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    Some(Response {
        status: 200,
        headers,
        body,
    })
}

fn render(response: Response) -> hyper::Response<Full<Bytes>> {
    let Response {
        status,
        headers,
        body,
    } = response;
    let mut builder = hyper::Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let whole = builder.body(Full::new(Bytes::from(body)));
    // Only a header that HTTP cannot carry fails here.
    whole.unwrap_or_else(|_| {
        let mut failed =
            hyper::Response::new(Full::new(Bytes::from_static(b"unrenderable answer")));
        *failed.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        failed
    })
}
