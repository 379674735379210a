//! Waiting for AWS's eventual consistency. Throttling, 5xx and resets are the SDK's to retry; what is left here are the
//! refusals that a write made a moment ago still causes.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::AwsError;

/// How long a refusal may be "not yet" rather than "no".
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    pub deadline: Duration,
    pub first_delay: Duration,
    /// How long a new trail may take to deliver its first file before the one it replaces is left alone.
    pub first_delivery: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            first_delay: Duration::from_millis(500),
            first_delivery: Duration::from_secs(15 * 60),
        }
    }
}

/// Repeats `call` while it fails with one of `codes`, with doubling delays, until the deadline.
pub async fn until_consistent<T, F, Fut>(
    policy: RetryPolicy,
    codes: &[&str],
    mut call: F,
) -> Result<T, AwsError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, AwsError>>,
{
    let started = Instant::now();
    let mut delay = policy.first_delay;
    loop {
        match call().await {
            Err(error) if error.is_any(codes) && started.elapsed() + delay < policy.deadline => {
                sleep(jitter(delay)).await;
                delay = (delay * 2).min(Duration::from_secs(10));
            }
            result => return result,
        }
    }
}

/// Up to a quarter less, so that two applies do not keep step. The clock's nanoseconds are random enough for that.
fn jitter(delay: Duration) -> Duration {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |now| now.subsec_nanos());
    delay - delay.mul_f64(f64::from(nanos % 1000) / 4000.0)
}
