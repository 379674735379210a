//! A headless Chromium that opens pages and tells what they did.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// What a page did.
#[derive(Debug)]
pub struct Visit {
    pub dom: String,
    /// Console messages, whatever their level.
    pub console: Vec<String>,
    /// Addresses that the page asked for. Chromium's own requests, which nobody but Chromium initiates, are not its doing.
    pub requests: Vec<String>,
}

/// The program, installed if need be.
fn chromium() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/setup");
        let run = Command::new(setup)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "tests/browser/setup found no Chromium (above)"
        );
        PathBuf::from(String::from_utf8(run.stdout).unwrap().trim_end())
    })
}

pub fn visit(html: &str, width: u32, dark: bool) -> Visit {
    let folder = TempDir::new().unwrap();
    let (page, log) = (
        folder.path().join("page.html"),
        folder.path().join("net.json"),
    );
    fs::write(&page, html).unwrap();
    let run = Command::new(chromium())
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        // Belt and braces: what would be asked for is logged, and finds nobody.
        .args([
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
            "--v=0",
        ])
        .args(["--hide-scrollbars", "--dump-dom"])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(format!("--log-net-log={}", log.display()))
        .arg(format!("--window-size={width},900"))
        .arg(format!(
            "--blink-settings=preferredColorScheme={}",
            u8::from(!dark)
        ))
        .arg(format!("file://{}", page.display()))
        .env("HOME", folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "chromium failed: {stderr}");
    Visit {
        dom: String::from_utf8(run.stdout).unwrap(),
        console: stderr
            .lines()
            .filter(|line| line.contains(":CONSOLE:"))
            .map(str::to_owned)
            .collect(),
        requests: requests(&fs::read_to_string(&log).unwrap()),
    }
}

/// <https://www.chromium.org/developers/design-documents/network-stack/netlog/>
fn requests(log: &str) -> Vec<String> {
    let log: Value = serde_json::from_str(log).unwrap();
    let start = &log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"];
    assert!(start.is_number(), "the net log has no events of requests");
    let events = log["events"].as_array().unwrap();
    // The end of a request is an event of the same type, without an address.
    let started = events
        .iter()
        .filter(|event| event["type"] == *start && event["params"]["url"].is_string());
    let by_pages = started.filter(|event| event["params"]["initiator"] != "not an origin");
    by_pages
        .map(|event| event["params"]["url"].as_str().unwrap().to_owned())
        .collect()
}
