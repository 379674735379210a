//! How many sequential request rounds `plan` needs, how long it takes when every request takes 50 ms, and how long `check`
//! takes from start to end. `cargo bench --bench rounds`

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ORGTRAIL: &str = env!("CARGO_BIN_EXE_orgtrail");
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/orgtrail.yaml");
const RUNS: usize = 11;

/// Another team's trails, which decide whose copy of the management events is free.
const OTHERS: &str = r#"
version: 1
name: others
accounts:
  management: { id: "111122223333", region: us-east-1 }
organization: { id: o-a1b2c3d4e5 }
buckets:
  old: { account: management, name: others-trail-logs }
trails:
  everywhere: { account: management, organization: true, multi_region: true, bucket: old }
  one-region: { account: management, bucket: old, region: eu-west-1 }
"#;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path());
    println!(
        "example: a key, two buckets, an organization trail with selectors and Insights; 50 ms per request\n"
    );
    measure_plan(&server, "before the first apply");
    run(server.orgtrail(&["apply", "--auto-approve", "--quiet"]));
    measure_plan(&server, "after it");
    let others = folder.path().join("others.yaml");
    std::fs::write(&others, OTHERS).expect("a spec");
    let others = others.display().to_string();
    run(server.program(&["-f", &others, "apply", "--auto-approve", "--quiet"]));
    measure_plan(&server, "with two trails of others");
    let check = median(|| run(offline(&["check"])));
    println!(
        "check, from start to end: {:.1} ms (median of {RUNS})",
        millis(check)
    );
}

fn measure_plan(server: &Server, when: &str) {
    server.http("POST", "/_sandbox/reset");
    run(server.orgtrail(&["plan", "--quiet"]));
    let calls: serde_json::Value =
        serde_json::from_str(&server.http("GET", "/_sandbox/calls")).expect("the list of calls");
    let list = calls["calls"].as_array().expect("calls");
    let depth = |sts: bool| {
        let calls = list.iter().filter(|call| (call["service"] == "sts") == sts);
        calls
            .filter_map(|call| call["depth"].as_u64())
            .collect::<std::collections::BTreeSet<_>>()
    };
    let (signing_in, all) = (depth(true), depth(false));
    let rounds = all.difference(&signing_in).count();
    let wall = median(|| run(server.orgtrail(&["plan", "--quiet"])));
    println!(
        "plan {when}: {} requests, {rounds} sequential rounds after {} for credentials, {:.0} ms wall (median of {RUNS})",
        list.len(),
        signing_in.len(),
        millis(wall)
    );
}

fn median(mut once: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            once();
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[RUNS / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn offline(arguments: &[&str]) -> Command {
    let mut command = Command::new(ORGTRAIL);
    command
        .args(["-f", EXAMPLE])
        .args(arguments)
        .stdout(Stdio::null());
    command
}

fn run(mut command: Command) {
    let output = command
        .stderr(Stdio::piped())
        .output()
        .expect("orgtrail runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

struct Server {
    child: Child,
    address: String,
    data: std::path::PathBuf,
}

impl Server {
    fn start(folder: &std::path::Path) -> Self {
        let state = folder.join("state");
        let mut child = Command::new(ORGTRAIL)
            .arg(format!("--sandbox={}", state.display()))
            .args(["sandbox", "serve", "--port", "0", "--latency-ms", "50"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox serves");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its first line");
        let address = line.split("http://").nth(1).expect("its address");
        let address = address.split(';').next().unwrap_or_default().to_owned();
        Self {
            child,
            address,
            data: folder.join("data"),
        }
    }

    fn orgtrail(&self, arguments: &[&str]) -> Command {
        self.program(&[&["-f", EXAMPLE], arguments].concat())
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(ORGTRAIL);
        command
            .args(arguments)
            .stdout(Stdio::null())
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.address))
            .env("AWS_ACCESS_KEY_ID", "111122223333")
            .env("AWS_SECRET_ACCESS_KEY", "x")
            .env("ORGTRAIL_DATA_DIR", &self.data);
        command
    }

    fn http(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let head = format!("{method} {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(head.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
