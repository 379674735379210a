//! Failures to order, for tests of what the program does when AWS fails.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::error::AwsError;
use super::protocol::{Response, Service, error_response};

/// One failure, from [`super::Sandbox::inject`] or the list in `faults.json`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// `service.Action`, with `*` at the end for any ending: `kms.GetKeyPolicy`, `s3.Put*`, `*`.
    pub call: String,
    /// HTTP status of the failure; 400 when only `code` is given.
    pub status: u16,
    pub code: String,
    pub message: String,
    /// Goes away after this many failures.
    pub times: Option<u32>,
    /// Strikes only the n-th matching call, counted from 1.
    pub nth: Option<u32>,
    /// The call takes effect before it fails.
    pub after_effect: bool,
    /// The connection breaks without an answer.
    pub reset: bool,
    /// Silence for so long, then the connection breaks.
    pub hang_ms: u64,
    /// The answer comes so much later.
    pub latency_ms: u64,
}

impl Fault {
    fn matches(&self, call: &str) -> bool {
        match self.call.strip_suffix('*') {
            Some(prefix) => call.starts_with(prefix),
            None => self.call == call,
        }
    }

    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.latency_ms.saturating_add(self.hang_ms))
    }

    pub(super) fn drops(&self) -> bool {
        self.reset || self.hang_ms > 0
    }

    /// The failing answer; `None` for a fault that only delays.
    pub(super) fn response(&self, service: Service, head: bool) -> Option<Response> {
        if self.status == 0 && self.code.is_empty() {
            return self.drops().then(Response::default);
        }
        let status = if self.status == 0 { 400 } else { self.status };
        let code = if self.code.is_empty() {
            "InternalFailure"
        } else {
            &self.code
        };
        let error = AwsError::new(code, &self.message).status(status);
        Some(error_response(service, &error, "fault", head))
    }
}

#[derive(Debug)]
struct Ordered {
    fault: Fault,
    seen: u32,
    struck: u32,
    from_file: bool,
}

/// The faults of this process and those of the folder.
#[derive(Debug, Default)]
pub struct FaultBook {
    file: Option<PathBuf>,
    file_modified: Option<SystemTime>,
    ordered: Vec<Ordered>,
}

impl FaultBook {
    pub fn new(file: Option<PathBuf>) -> Self {
        Self {
            file,
            ..Self::default()
        }
    }

    pub fn inject(&mut self, fault: Fault) {
        self.ordered.push(Ordered {
            fault,
            seen: 0,
            struck: 0,
            from_file: false,
        });
    }

    pub fn clear(&mut self) {
        self.ordered.clear();
    }

    /// The first fault that strikes `call`. Counts are kept per process.
    pub fn find(&mut self, call: &str) -> Option<Fault> {
        self.reload();
        let mut found = None;
        for ordered in self.ordered.iter_mut().filter(|o| o.fault.matches(call)) {
            ordered.seen += 1;
            let due = ordered.fault.nth.is_none_or(|n| n == ordered.seen)
                && ordered.fault.times.is_none_or(|t| ordered.struck < t);
            if due && found.is_none() {
                ordered.struck += 1;
                found = Some(ordered.fault.clone());
            }
        }
        found
    }

    /// Reads `faults.json` again when it changed. A file that does not parse orders a failure of every call, so that
    /// a slip of the pen does not pass for a test without faults.
    fn reload(&mut self) {
        let Some(path) = &self.file else { return };
        let modified = std::fs::metadata(path).and_then(|m| m.modified()).ok();
        if modified == self.file_modified {
            return;
        }
        self.file_modified = modified;
        self.ordered.retain(|o| !o.from_file);
        let Ok(text) = std::fs::read_to_string(path) else {
            return;
        };
        let faults = serde_json::from_str::<Vec<Fault>>(&text).unwrap_or_else(|e| {
            vec![Fault {
                call: "*".into(),
                status: 500,
                message: format!("{} is not a list of faults: {e}", path.display()),
                ..Fault::default()
            }]
        });
        let ordered = |fault| Ordered {
            fault,
            seen: 0,
            struck: 0,
            from_file: true,
        };
        self.ordered.extend(faults.into_iter().map(ordered));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_goes_away_and_the_nth_call_is_struck() {
        let mut book = FaultBook::default();
        book.inject(Fault {
            call: "kms.Get*".into(),
            times: Some(1),
            ..Fault::default()
        });
        book.inject(Fault {
            call: "s3.PutObject".into(),
            nth: Some(2),
            ..Fault::default()
        });
        assert!(book.find("kms.GetKeyPolicy").is_some());
        assert!(book.find("kms.GetKeyPolicy").is_none());
        assert!(book.find("s3.PutObject").is_none());
        assert!(book.find("s3.PutObject").is_some());
        assert!(book.find("s3.PutObject").is_none());
    }
}
