//! What was called, when, and how many calls had to wait for each other.

use std::time::Instant;

use serde::Serialize;

use super::Outcome;

/// One call as [`super::Sandbox::calls`] reports it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordedCall {
    pub service: String,
    pub action: String,
    pub account: String,
    pub region: String,
    /// Milliseconds since the log began.
    pub begun_ms: f64,
    pub ended_ms: f64,
    /// 0 when the connection was dropped.
    pub status: u16,
    /// 1 + the largest depth among the calls already answered when this one arrived.
    pub depth: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CallReport {
    /// The longest chain of strictly sequential calls.
    pub depth: u32,
    pub calls: Vec<RecordedCall>,
}

#[derive(Clone, Debug, Default)]
pub struct Identity {
    pub service: String,
    pub action: String,
    pub account: String,
    pub region: String,
}

/// A call that has arrived and is not answered yet.
#[derive(Debug)]
pub struct Begun {
    at: Instant,
    depth: u32,
}

#[derive(Debug)]
pub struct CallLog {
    origin: Instant,
    deepest_answered: u32,
    calls: Vec<RecordedCall>,
}

impl Default for CallLog {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            deepest_answered: 0,
            calls: Vec::new(),
        }
    }
}

impl CallLog {
    pub fn begin(&self) -> Begun {
        Begun {
            at: Instant::now(),
            depth: self.deepest_answered + 1,
        }
    }

    pub fn end(&mut self, begun: Begun, who: Identity, outcome: &Outcome) {
        let millis = |at: Instant| at.saturating_duration_since(self.origin).as_secs_f64() * 1e3;
        self.calls.push(RecordedCall {
            service: who.service,
            action: who.action,
            account: who.account,
            region: who.region,
            begun_ms: millis(begun.at),
            ended_ms: millis(Instant::now()),
            status: if outcome.dropped {
                0
            } else {
                outcome.response.status
            },
            depth: begun.depth,
        });
        self.deepest_answered = self.deepest_answered.max(begun.depth);
    }

    pub fn report(&self) -> CallReport {
        CallReport {
            depth: self.deepest_answered,
            calls: self.calls.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_side_by_side_do_not_deepen_the_chain() {
        let mut log = CallLog::default();
        let outcome = Outcome::default();
        let (a, b) = (log.begin(), log.begin());
        log.end(a, Identity::default(), &outcome);
        log.end(b, Identity::default(), &outcome);
        let c = log.begin();
        log.end(c, Identity::default(), &outcome);
        assert_eq!(log.report().depth, 2);
    }
}
