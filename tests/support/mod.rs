//! What the integration tests share: running orgtrail, and AWS emulators to run it against.
//!
//! ```ignore
//! mod support;
//! use support::{Moto, Workspace, boto3_eval, prepare_organization};
//!
//! #[test]
//! fn second_plan_is_empty() {
//!     let moto = Moto::shared(); // emptied; this test's alone until dropped
//!     let aws = moto.proxied(&["--fix", "all"]);
//!     let org = prepare_organization(aws.endpoint());
//!     let work = Workspace::new();
//!     work.write("spec.yaml", &SPEC.replace("MEMBER", &org.member_id));
//!     work.orgtrail(["apply", "spec.yaml", "--yes"]).aws(aws.endpoint()).run().exits(0);
//!     aws.reset();
//!     work.orgtrail(["plan", "spec.yaml"]).aws(aws.endpoint()).run().exits(0).says("No changes");
//!     assert_eq!(aws.writes(), [""; 0]);
//!     boto3_eval(aws.endpoint(), &org.management_id, "client('cloudtrail').stop_logging(Name='org')");
//! }
//! ```
#![allow(dead_code)] // every test binary uses a part of it
#![allow(clippy::unwrap_used)]

pub mod loopback;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, mpsc};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};

/// The account that orgtrail and `boto3_eval` start from: the organization's management account.
pub const MANAGEMENT: &str = "123456789012";
pub const REGION: &str = "eu-central-1";

// ---- running orgtrail ----------------------------------------------------------------------------

/// A temporary folder in which orgtrail runs, with a home folder of its own.
pub struct Workspace {
    root: TempDir,
}

impl Workspace {
    pub fn new() -> Self {
        let root = TempDir::new().unwrap();
        fs::create_dir(root.path().join("home")).unwrap();
        fs::create_dir(root.path().join("work")).unwrap();
        Self { root }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("work").join(name)
    }

    /// Writes a file, and the folders above it.
    #[track_caller]
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// A run of orgtrail here, with nothing of the developer's environment but PATH.
    pub fn orgtrail<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Orgtrail {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orgtrail"));
        command
            .args(arguments)
            .current_dir(self.root.path().join("work"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root.path().join("home"))
            .env("TZ", "UTC")
            .env("NO_COLOR", "1")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        Orgtrail {
            command,
            input: String::new(),
        }
    }
}

/// orgtrail in a folder that is gone afterwards, for runs that need no files.
#[track_caller]
pub fn orgtrail<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Run {
    Workspace::new().orgtrail(arguments).run()
}

pub struct Orgtrail {
    command: Command,
    input: String,
}

impl Orgtrail {
    /// Against this endpoint, as the management account.
    pub fn aws(self, endpoint: &str) -> Self {
        self.env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_ACCESS_KEY_ID", MANAGEMENT)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", REGION)
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// What it reads from standard input (otherwise nothing).
    pub fn input(mut self, text: &str) -> Self {
        self.input = text.to_owned();
        self
    }

    /// Starts it and leaves it running, for tests that kill it or wait for it themselves.
    #[track_caller]
    pub fn spawn(self) -> Child {
        let input = self.input.clone();
        let mut child = self.start();
        // orgtrail may end without reading; that is for its exit code to tell.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child
    }

    /// Like [`Self::spawn`], but its standard input stays open, for tests that answer its question later.
    #[track_caller]
    pub fn start(mut self) -> Child {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    #[track_caller]
    pub fn run(self) -> Run {
        let command = format!("{:?}", self.command);
        let output = self.spawn().wait_with_output().unwrap();
        Run {
            command,
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A run that has ended. The assertions print all of it when they fail, and can be chained.
#[derive(Debug, Clone)]
pub struct Run {
    pub command: String,
    /// None: ended by a signal
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        if self.code != Some(code) {
            self.fail(&format!("exit code {code} expected, got {:?}", self.code));
        }
        self
    }

    /// `text` is somewhere in what it printed.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        if !self.stdout.contains(text) && !self.stderr.contains(text) {
            self.fail(&format!("does not say {text:?}"));
        }
        self
    }

    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        if self.stdout.contains(text) || self.stderr.contains(text) {
            self.fail(&format!("says {text:?}"));
        }
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| self.fail(&format!("standard output is not JSON: {e}")))
    }

    #[track_caller]
    pub fn fail(&self, why: &str) -> ! {
        panic!(
            "{why}\n$ {}\n-- exit code {:?}\n-- stdout\n{}\n-- stderr\n{}",
            self.command, self.code, self.stdout, self.stderr
        )
    }
}

// ---- emulators -----------------------------------------------------------------------------------

fn emulators() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulators")
}

/// Python with the emulators' packages. Makes it when it is not there; without it the test fails, it never
/// skips itself.
#[track_caller]
pub fn python() -> Command {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let output = Command::new(emulators().join("setup"))
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("tests/emulators/setup: {e}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    });
    if let Err(why) = ready {
        panic!("tests/emulators/setup failed:\n{why}");
    }
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/emulators/venv/bin/python"))
}

/// A script of tests/emulators that says "listening on URL" and serves until its standard input ends: when
/// this value is dropped, or this process is gone in whatever way.
struct Served {
    child: Child,
    endpoint: String,
    /// what it logs, shown when it does not start
    _log: NamedTempFile,
}

impl Served {
    #[track_caller]
    fn start<A: AsRef<OsStr>>(script: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        let log = NamedTempFile::new().unwrap();
        let mut child = python()
            .arg(emulators().join(script))
            .args(arguments)
            .env_remove("AWS_PROFILE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let (send, receive) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("listening on ") {
                    let _ = send.send(url.to_owned()); // and read on, so that it never blocks
                }
            }
        });
        match receive.recv_timeout(Duration::from_secs(120)) {
            Ok(endpoint) => Self {
                child,
                endpoint,
                _log: log,
            },
            Err(_) => {
                let _ = child.kill();
                let said = fs::read_to_string(log.path()).unwrap_or_default();
                panic!("tests/emulators/{script} did not start:\n{said}")
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Moto;
pub struct Ministack;

impl Moto {
    /// A server of one's own.
    #[track_caller]
    pub fn start() -> Emulator {
        Emulator {
            served: Served::start("serve.py", ["moto"]),
            reset: "/moto-api/reset",
        }
    }

    /// The test binary's one server, emptied; tests take turns.
    #[track_caller]
    pub fn shared() -> MutexGuard<'static, Emulator> {
        static SHARED: OnceLock<Mutex<Emulator>> = OnceLock::new();
        emptied(SHARED.get_or_init(|| Mutex::new(Self::start())))
    }
}

impl Ministack {
    /// A server of one's own.
    #[track_caller]
    pub fn start() -> Emulator {
        Emulator {
            served: Served::start("serve.py", ["ministack"]),
            reset: "/_ministack/reset",
        }
    }

    /// The test binary's one server, emptied; tests take turns.
    #[track_caller]
    pub fn shared() -> MutexGuard<'static, Emulator> {
        static SHARED: OnceLock<Mutex<Emulator>> = OnceLock::new();
        emptied(SHARED.get_or_init(|| Mutex::new(Self::start())))
    }
}

fn emptied(shared: &'static Mutex<Emulator>) -> MutexGuard<'static, Emulator> {
    // A test that failed while it held the server leaves nothing that the reset does not clear.
    let emulator = shared.lock().unwrap_or_else(|e| e.into_inner());
    emulator.reset();
    emulator
}

/// A running emulator; what it lacks of AWS is in tests/emulators/SUPPORT.md.
pub struct Emulator {
    served: Served,
    reset: &'static str,
}

impl Emulator {
    pub fn endpoint(&self) -> &str {
        &self.served.endpoint
    }

    /// Forget everything.
    #[track_caller]
    pub fn reset(&self) {
        http("POST", self.endpoint(), self.reset, "");
    }

    /// fault_proxy.py in front: `&["--fix", "all"]`, `&["--fault", "throttle:nth=3"]`, … (see its --help).
    #[track_caller]
    pub fn proxied(&self, arguments: &[&str]) -> Proxy {
        let own = ["--end-with-stdin", "--target", self.endpoint()];
        Proxy(Served::start("fault_proxy.py", own.iter().chain(arguments)))
    }
}

/// A running fault_proxy.py. It counts every call, those of `boto3_eval` and `prepare_organization` too.
pub struct Proxy(Served);

impl Proxy {
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// requests, reads, writes, depth, by_action, by_status, errors, injected, …
    #[track_caller]
    pub fn stats(&self) -> Value {
        http("GET", self.endpoint(), "/_proxy/stats", "")
    }

    /// The calls since the start or the last `reset`, in order: svc, action, region, write, status, err, …
    #[track_caller]
    pub fn calls(&self) -> Vec<Value> {
        match http("GET", self.endpoint(), "/_proxy/calls", "") {
            Value::Array(calls) => calls,
            other => panic!("{other}"),
        }
    }

    /// The calls that change something, as "service.Action", in order.
    #[track_caller]
    pub fn writes(&self) -> Vec<String> {
        let name = |c: &Value| {
            format!(
                "{}.{}",
                c["svc"].as_str().unwrap(),
                c["action"].as_str().unwrap()
            )
        };
        let calls = self.calls();
        calls
            .iter()
            .filter(|c| c["write"] == true)
            .map(name)
            .collect()
    }

    /// Count from here (and count faults' nth, every, first from here).
    #[track_caller]
    pub fn reset(&self) {
        http("POST", self.endpoint(), "/_proxy/reset", "");
    }

    /// Empties moto behind this proxy, and what the proxy remembers of it.
    #[track_caller]
    pub fn empty_moto(&self) {
        http("POST", self.endpoint(), "/moto-api/reset", "");
    }

    /// `json!({"faults": ["throttle:match=kms"], "latency_ms": 50, "fix": "all"})`, each only if named.
    #[track_caller]
    pub fn config(&self, config: Value) {
        http(
            "POST",
            self.endpoint(),
            "/_proxy/config",
            &config.to_string(),
        );
    }
}

/// One request to a server of ours; a JSON answer's value.
#[track_caller]
fn http(method: &str, endpoint: &str, path: &str, body: &str) -> Value {
    let address = endpoint.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    // HTTP/1.0: the answer is not chunked and the connection is closed after it.
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, content) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1);
    assert_eq!(status, Some("200"), "{method} {endpoint}{path}: {answer}");
    serde_json::from_str(content).unwrap_or(Value::Null)
}

// ---- the world behind orgtrail's back ------------------------------------------------------------

/// Python's view of the world and a hand to change it, independent of orgtrail's own AWS code. The script has
/// `client(service, region="eu-central-1")`; the value of its last line comes back. Where a proxy corrects the
/// emulator (`--fix`), use the proxy's endpoint here too.
#[track_caller]
pub fn boto3_eval(endpoint: &str, account: &str, script: &str) -> Value {
    let mut child = python()
        .arg(emulators().join("evaluate.py"))
        .args([endpoint, account])
        .env_remove("AWS_PROFILE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(script.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An organization with one member account. Ids are the emulator's, different every time.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub management_id: String,
    pub member_id: String,
    pub organization_id: String,
}

/// An organization and a member account, "log-archive"; trusted access is off, nothing else is there.
#[track_caller]
pub fn prepare_organization(endpoint: &str) -> Prepared {
    let made = boto3_eval(
        endpoint,
        MANAGEMENT,
        r#"
o = client("organizations", "us-east-1")
try:
    o.create_organization(FeatureSet="ALL")
except Exception as e:
    if "not implemented" not in str(e):  # ministack: every account has an organization from the start
        raise
member = o.create_account(Email="log-archive@example.com", AccountName="log-archive")
{**o.describe_organization()["Organization"], "member": member["CreateAccountStatus"]["AccountId"]}
"#,
    );
    let text = |member: &Value| member.as_str().unwrap().to_owned();
    assert_eq!(made["MasterAccountId"], json!(MANAGEMENT));
    Prepared {
        management_id: MANAGEMENT.to_owned(),
        member_id: text(&made["member"]),
        organization_id: text(&made["Id"]),
    }
}

// ---- the example, somewhere ----------------------------------------------------------------------

/// examples/orgtrail.yaml as `orgtrail.yaml`, with the accounts of the sandbox or of an emulator.
pub struct Example {
    pub work: Workspace,
    pub management: String,
    pub archive: String,
    place: Place,
}

enum Place {
    /// Served too, so that boto3 can look into it.
    Sandbox(Sandbox),
    Aws(String),
}

struct Sandbox {
    child: Child,
    endpoint: String,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const EXAMPLE: &str = include_str!("../../examples/orgtrail.yaml");

impl Example {
    #[track_caller]
    pub fn on_sandbox() -> Self {
        let work = Workspace::new();
        let mut child = work.orgtrail(["sandbox", "serve", "--port", "0"]).spawn();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.split_once("http://").unwrap().1;
        let endpoint = format!("http://{}", address.split(';').next().unwrap());
        work.write("orgtrail.yaml", EXAMPLE);
        Self {
            work,
            management: "111122223333".to_owned(),
            archive: "222233334444".to_owned(),
            place: Place::Sandbox(Sandbox { child, endpoint }),
        }
    }

    /// On an emulator that was just emptied.
    #[track_caller]
    pub fn on(endpoint: &str) -> Self {
        Self::of(&prepare_organization(endpoint), endpoint)
    }

    #[track_caller]
    pub fn of(organization: &Prepared, endpoint: &str) -> Self {
        let work = Workspace::new();
        let spec = EXAMPLE
            .replace("111122223333", &organization.management_id)
            .replace("222233334444", &organization.member_id)
            .replace("o-a1b2c3d4e5", &organization.organization_id);
        work.write("orgtrail.yaml", &spec);
        Self {
            work,
            management: organization.management_id.clone(),
            archive: organization.member_id.clone(),
            place: Place::Aws(endpoint.to_owned()),
        }
    }

    /// Replaces a text of the spec, which must be there.
    #[track_caller]
    pub fn edit(&self, from: &str, to: &str) {
        let spec = self.work.read("orgtrail.yaml");
        assert!(spec.contains(from), "the spec has no {from:?}");
        self.work.write("orgtrail.yaml", &spec.replace(from, to));
    }

    /// `orgtrail WORDS…` here.
    pub fn orgtrail(&self, words: &str) -> Orgtrail {
        let run = self.work.orgtrail(words.split_whitespace());
        match &self.place {
            Place::Sandbox(_) => run.arg("--sandbox"),
            Place::Aws(endpoint) => run.aws(endpoint),
        }
    }

    #[track_caller]
    pub fn run(&self, words: &str) -> Run {
        self.orgtrail(words).run()
    }

    /// Applies the spec; a plan is empty afterwards.
    #[track_caller]
    pub fn apply(&self) {
        self.run("apply --auto-approve").exits(0);
        self.plans_nothing();
    }

    #[track_caller]
    pub fn plans_nothing(&self) {
        let run = self.run("plan --detailed-exitcode").exits(0);
        run.says("No changes.");
    }

    /// [`boto3_eval`] as an account, here in us-east-1, where the example lives.
    #[track_caller]
    pub fn boto3(&self, account: &str, script: &str) -> Value {
        match &self.place {
            Place::Aws(endpoint) => {
                let here = "anywhere = client\ndef client(s): return anywhere(s, 'us-east-1')\n";
                boto3_eval(endpoint, account, &format!("{here}{script}"))
            }
            Place::Sandbox(sandbox) => {
                // The access key is the account.
                let endpoint = &sandbox.endpoint;
                let here = format!(
                    "import boto3\nfrom botocore.config import Config\ndef client(s):\n \
                     return boto3.client(s, 'us-east-1', endpoint_url='{endpoint}', \
                     aws_access_key_id='{account}', aws_secret_access_key='x', \
                     config=Config(s3={{'addressing_style': 'path'}}))\n"
                );
                boto3_eval(endpoint, MANAGEMENT, &format!("{here}{script}"))
            }
        }
    }
}
