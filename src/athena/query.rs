//! One query in Athena: started, waited for, read, stopped.

use aws_sdk_athena::types::{QueryExecution, QueryExecutionContext, QueryExecutionState as State};

use super::journal::{Answer, Row};
use super::prepare::{Part, Question, explain};
use crate::aws::{AwsError, RetryPolicy, at, until_consistent};
use crate::error::Error;

/// Athena being busy: too many queries, or too many calls.
const BUSY: [&str; 3] = ["TooManyRequests", "Throttling", "ServiceUnavailable"];

/// How a query is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Running { bytes: u64 },
    Succeeded { bytes: u64 },
    Ended(Ended),
}

/// A query that has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    Failed {
        reason: String,
        /// Athena's own trouble, which may be over.
        again: bool,
    },
    /// Stopped by somebody.
    Stopped,
    /// Athena forgets queries after 45 days.
    Forgotten,
}

/// Athena, for one question.
pub struct Asking<'a> {
    pub client: aws_sdk_athena::Client,
    pub question: &'a Question<'a>,
}

impl Asking<'_> {
    fn policy(&self) -> RetryPolicy {
        let pace = self.question.pace;
        RetryPolicy {
            deadline: pace.patience,
            first_delay: pace.first,
            ..RetryPolicy::default()
        }
    }

    fn explain(&self, error: AwsError) -> Error {
        explain(error, self.question)
    }

    /// Starts a query; with a token that has been used, gives the query that was started then.
    pub async fn start(&self, part: &Part, token: &str) -> Result<String, Error> {
        let question = self.question;
        let context = QueryExecutionContext::builder()
            .catalog(&question.catalog)
            .build();
        let start = || async {
            self.client
                .start_query_execution()
                .query_string(&part.sql)
                .query_execution_context(context.clone())
                .work_group(&question.workgroup)
                .client_request_token(token)
                .send()
                .await
                .map_err(at(&question.place, "athena:StartQueryExecution"))
        };
        let started = until_consistent(self.policy(), &BUSY, start).await;
        let started = started.map_err(|error| self.explain(error))?;
        let id = started.query_execution_id().unwrap_or_default();
        match id.is_empty() {
            true => Err(
                Error::failed("Athena started a query and did not say which")
                    .fix("run it again: the same query is found by its token"),
            ),
            false => Ok(id.to_owned()),
        }
    }

    pub async fn status(&self, id: &str) -> Result<Status, Error> {
        let call = "athena:GetQueryExecution";
        let get = || async {
            let get = self.client.get_query_execution().query_execution_id(id);
            get.send().await.map_err(at(&self.question.place, call))
        };
        let found = match until_consistent(self.policy(), &BUSY, get).await {
            Err(error) if is_unknown(&error) => return Ok(Status::Ended(Ended::Forgotten)),
            found => found.map_err(|error| self.explain(error))?,
        };
        Ok(found
            .query_execution()
            .map_or(Status::Ended(Ended::Forgotten), status))
    }

    /// Reads the answer page by page.
    pub async fn read(&self, id: &str, answer: &mut Answer) -> Result<(), Error> {
        let mut next = None;
        let mut is_first = true;
        loop {
            let get = || async {
                self.client
                    .get_query_results()
                    .query_execution_id(id)
                    .set_next_token(next.clone())
                    .max_results(1000)
                    .send()
                    .await
                    .map_err(at(&self.question.place, "athena:GetQueryResults"))
            };
            let page = until_consistent(self.policy(), &BUSY, get).await;
            let page = page.map_err(|error| self.explain(error))?;
            let set = page.result_set();
            let rows = set.map(|set| set.rows()).unwrap_or_default();
            // The first row of an answer has the names of the columns.
            for row in rows.iter().skip(usize::from(is_first)) {
                let values = row.data().iter();
                let row: Row = values
                    .map(|v| v.var_char_value().map(str::to_owned))
                    .collect();
                answer.add(&row)?;
            }
            is_first = false;
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// A query that has ended cannot be stopped, which is as well.
    pub async fn stop(&self, id: &str) -> Result<(), Error> {
        let stop = self.client.stop_query_execution().query_execution_id(id);
        let stopped = stop.send().await;
        let stopped = stopped.map_err(at(&self.question.place, "athena:StopQueryExecution"));
        match stopped {
            Err(error) if !error.is("InvalidRequest") => Err(self.explain(error)),
            _ => Ok(()),
        }
    }
}

fn is_unknown(error: &AwsError) -> bool {
    error.is("InvalidRequest") && error.message.to_lowercase().contains("not found")
}

fn status(query: &QueryExecution) -> Status {
    let statistics = query.statistics();
    let bytes = statistics
        .and_then(|s| s.data_scanned_in_bytes())
        .unwrap_or_default();
    let bytes = u64::try_from(bytes).unwrap_or_default();
    let status = query.status();
    let reason = status
        .and_then(|s| s.state_change_reason())
        .unwrap_or_default();
    match status.and_then(|s| s.state()) {
        Some(State::Succeeded) => Status::Succeeded { bytes },
        Some(State::Failed) => {
            let error = status.and_then(|s| s.athena_error());
            let message = error.and_then(|e| e.error_message()).unwrap_or_default();
            let reason = if reason.is_empty() { message } else { reason };
            Status::Ended(Ended::Failed {
                reason: said(reason),
                again: error.is_some_and(|e| e.retryable()),
            })
        }
        // What a limit stops has a reason; what people stop has none.
        Some(State::Cancelled) if reason.to_lowercase().contains("limit") => {
            Status::Ended(Ended::Failed {
                reason: said(reason),
                again: false,
            })
        }
        Some(State::Cancelled) => Status::Ended(Ended::Stopped),
        _ => Status::Running { bytes },
    }
}

fn said(reason: &str) -> String {
    match reason {
        "" => "Athena does not say why".to_owned(),
        reason => reason.replace('\n', " "),
    }
}
