use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Globals;
use super::session::open_sandbox;
use crate::error::{Error, Outcome};
use crate::sandbox::{self, ServeOptions};
use crate::world::World;

/// Look after the embedded sandbox
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Start afresh: an organization of four accounts, nothing recorded yet
    Init,
    /// Make one API call, as somebody who does not use orgtrail would
    Call(Call),
    /// Serve the sandbox's state on 127.0.0.1 for the AWS CLI and other tools
    Serve(Serve),
}

#[derive(Debug, clap::Args)]
struct Call {
    /// cloudtrail, kms or organizations, and the operation: cloudtrail.StopLogging
    #[arg(value_name = "SERVICE.OPERATION", value_parser = parse_call)]
    call: (String, String),
    /// The request as JSON
    #[arg(value_name = "JSON", default_value = "{}")]
    body: String,
    /// Account of the caller
    #[arg(long, default_value = "111122223333")]
    account: String,
    #[arg(long, default_value = "us-east-1")]
    region: String,
}

/// The services that take JSON, with the prefix of their `X-Amz-Target`.
const JSON_SERVICES: [(&str, &str); 3] = [
    (
        "cloudtrail",
        "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
    ),
    ("kms", "TrentService"),
    ("organizations", "AWSOrganizationsV20161128"),
];

fn parse_call(text: &str) -> Result<(String, String), String> {
    let (service, operation) = text.split_once('.').ok_or("write SERVICE.OPERATION")?;
    match JSON_SERVICES.iter().any(|(name, _)| *name == service) {
        true => Ok((service.to_owned(), operation.to_owned())),
        false => Err("the services are cloudtrail, kms and organizations".to_owned()),
    }
}

#[derive(Debug, clap::Args)]
struct Serve {
    #[arg(long, default_value_t = 4567)]
    port: u16,
    /// Answer each request this late
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency_ms: u64,
    /// Serve accounts without an organization, kept in memory
    #[arg(long, hide = true)]
    empty: bool,
}

pub fn run(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    let folder = globals.sandbox.clone();
    let folder = folder.unwrap_or_else(|| PathBuf::from(super::SANDBOX));
    match &args.command {
        Command::Init => init(&folder, world),
        Command::Call(call) => call_on(call, &folder, world),
        Command::Serve(serve) => super::wait(serve_on(serve, &folder, world)),
    }
}

fn init(folder: &Path, world: &World) -> Result<Outcome, Error> {
    let state = folder.join("state.json");
    if state.exists() {
        std::fs::remove_file(&state).map_err(|error| {
            Error::failed(format!("{} cannot be removed: {error}", state.display()))
        })?;
    }
    open_sandbox(folder)?;
    world.print(&format!(
        "A new sandbox in {}: organization o-a1b2c3d4e5 with the accounts\n\
         111122223333 management, 222233334444 log-archive, 333344445555 payments, 444455556666 sandbox-dev.\n\
         Next: orgtrail plan --sandbox\n",
        folder.display()
    ))?;
    Ok(Outcome::Done)
}

fn call_on(call: &Call, folder: &Path, world: &World) -> Result<Outcome, Error> {
    let (service, operation) = &call.call;
    let target = JSON_SERVICES.iter().find(|(name, _)| name == service);
    let target = target.map_or("", |(_, target)| target);
    let Call {
        account, region, ..
    } = call;
    let header = |name: &str, value: String| (name.to_owned(), value);
    let request = sandbox::Request {
        method: "POST".to_owned(),
        uri: "/".to_owned(),
        host: format!("{service}.{region}.amazonaws.com"),
        headers: vec![
            header("content-type", "application/x-amz-json-1.1".to_owned()),
            header("x-amz-target", format!("{target}.{operation}")),
            header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/{service}/aws4_request"
                ),
            ),
        ],
        body: call.body.clone().into_bytes(),
    };
    let response = open_sandbox(folder)?.handle(request);
    let text = String::from_utf8_lossy(&response.body).into_owned();
    match response.status {
        200 => {
            world.print(&format!("{text}\n"))?;
            Ok(Outcome::Done)
        }
        status => Err(Error::failed(format!(
            "{service}.{operation}: HTTP {status}: {text}"
        ))),
    }
}

async fn serve_on(serve: &Serve, folder: &Path, world: &World) -> Result<Outcome, Error> {
    let sandbox = match serve.empty {
        true => sandbox::Sandbox::empty(),
        false => open_sandbox(folder)?,
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", serve.port)).await;
    let listener = listener.map_err(|error| {
        Error::failed(format!("port {} cannot be opened: {error}", serve.port))
            .fix("name another: --port N")
    })?;
    let address = listener.local_addr().map_err(Error::failed)?;
    world.print(&format!(
        "Serving the sandbox on http://{address}; stop with Ctrl-C. Look into it with:\n\
         AWS_ENDPOINT_URL=http://{address} AWS_ACCESS_KEY_ID=111122223333 AWS_SECRET_ACCESS_KEY=x \
         AWS_REGION=us-east-1 aws cloudtrail describe-trails\n"
    ))?;
    let options = ServeOptions {
        latency: Duration::from_millis(serve.latency_ms),
    };
    sandbox::serve(sandbox, listener, options)
        .await
        .map_err(Error::failed)?;
    Ok(Outcome::Done)
}
