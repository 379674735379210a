//! Athena on this machine, over HTTP, in the shapes of the real API, as far as counting needs it. What it lacks of Athena
//! is the engine: an answer is made from the bounds in the query's text.
//!
//! <https://docs.aws.amazon.com/athena/latest/APIReference/API_Operations.html>

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

/// Events of one account in a day.
pub const EVENTS: u64 = 10;
/// Bytes that a day of an account has.
pub const BYTES: u64 = 1_000;

/// How a query ends.
#[derive(Clone, Debug)]
pub enum End {
    Succeeds,
    /// It runs until it is stopped.
    Never,
    /// FAILED with this reason.
    Fails {
        reason: &'static str,
        retryable: bool,
    },
    /// CANCELLED with this reason.
    Cancelled(&'static str),
}

#[derive(Clone, Debug)]
pub struct Query {
    pub sql: String,
    pub token: String,
    pub state: &'static str,
    pub end: End,
    polls: usize,
}

pub struct State {
    pub table: Value,
    pub workgroup: Value,
    /// In the order in which they were started.
    pub queries: Vec<Query>,
    /// So many queries are no longer known.
    pub forgotten: usize,
    /// How the next queries end; then all succeed.
    pub ends: Vec<End>,
    /// Calls that are refused, by action: code and message.
    pub refused: BTreeMap<&'static str, Vec<(&'static str, &'static str)>>,
    /// Actions, in order.
    pub calls: Vec<String>,
    /// Rows in a page.
    pub page: usize,
    /// Polls that a query runs for.
    pub polls: usize,
}

pub struct Fake {
    pub endpoint: String,
    state: Arc<Mutex<State>>,
    /// Calls that have arrived.
    pub arrived: watch::Receiver<usize>,
}

/// A table as `orgtrail` defines it.
pub fn table() -> Value {
    let names = [
        "eventcategory",
        "managementevent",
        "eventtype",
        "eventsource",
        "eventname",
        "readonly",
        "errorcode",
        "recipientaccountid",
        "awsregion",
    ];
    let mut columns: Vec<Value> = names
        .iter()
        .map(|name| json!({"Name": name, "Type": "string"}))
        .collect();
    columns.push(json!({"Name": "resources", "Type": "array<struct<arn:string,arnprefix:string,accountid:string,type:string>>"}));
    let keys = ["account", "region", "day"].map(|name| json!({"Name": name, "Type": "string"}));
    json!({
        "Name": "cloudtrail_logs", "TableType": "EXTERNAL_TABLE", "CreateTime": 1.79e9,
        "Columns": columns,
        "PartitionKeys": keys,
        "Parameters": {
            "EXTERNAL": "TRUE", "projection.enabled": "true",
            "location": "s3://logs/AWSLogs/o-a1b2c3d4e5",
            "storage.location.template": "s3://logs/AWSLogs/o-a1b2c3d4e5/${account}/CloudTrail/${region}/${day}",
            "projection.account.type": "enum", "projection.account.values": "111111111111,222222222222,333333333333",
            "projection.region.type": "enum", "projection.region.values": "eu-west-1,us-east-1",
            "projection.day.type": "date", "projection.day.format": "yyyy/MM/dd",
        },
    })
}

pub fn workgroup() -> Value {
    json!({"Name": "audit", "State": "ENABLED", "Configuration": {
        "EnforceWorkGroupConfiguration": true, "PublishCloudWatchMetricsEnabled": true,
        "BytesScannedCutoffPerQuery": 1_000_000_000_000u64, "RequesterPaysEnabled": false,
        "ResultConfiguration": {"OutputLocation": "s3://results/"},
        "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"},
    }})
}

impl Fake {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            table: table(),
            workgroup: workgroup(),
            queries: Vec::new(),
            forgotten: 0,
            ends: Vec::new(),
            refused: BTreeMap::new(),
            calls: Vec::new(),
            page: 2,
            polls: 1,
        }));
        let (arrive, arrived) = watch::channel(0);
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (state, arrive) = (shared.clone(), arrive.clone());
                std::thread::spawn(move || serve(stream, &state, &arrive));
            }
        });
        Self {
            endpoint,
            state,
            arrived,
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn count(&self, action: &str) -> usize {
        self.state()
            .calls
            .iter()
            .filter(|call| *call == action)
            .count()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>, arrive: &watch::Sender<usize>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some((target, body)) = request(&mut reader) {
        let (status, kind, answer) = state.lock().unwrap().answer(&target, &body);
        arrive.send_modify(|calls| *calls += 1);
        // Whoever is killed by this call is so before the answer arrives.
        std::thread::sleep(Duration::from_millis(1));
        let length = answer.len();
        let written = write!(
            stream,
            "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{answer}"
        );
        if written.is_err() {
            return;
        }
    }
}

/// The action and body of a request; nothing at the end of the connection.
fn request(reader: &mut impl BufRead) -> Option<(String, String)> {
    let (mut target, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "x-amz-target" => target = value.replace("AmazonAthena.", ""),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((target, String::from_utf8(body).ok()?))
}

const IDENTITY: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/x</Arn>\
                        <UserId>x</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

impl State {
    fn answer(&mut self, target: &str, body: &str) -> (u16, &'static str, String) {
        if target.is_empty() {
            return (200, "text/xml", IDENTITY.to_owned());
        }
        self.calls.push(target.to_owned());
        if let Some((code, message)) = self.refused.get_mut(target).and_then(Vec::pop) {
            let error = json!({"__type": code, "Message": message});
            return (400, "application/x-amz-json-1.1", error.to_string());
        }
        let body: Value = serde_json::from_str(body).unwrap();
        let answer = match target {
            "GetTableMetadata" => Ok(json!({"TableMetadata": self.table})),
            "GetWorkGroup" => Ok(json!({"WorkGroup": self.workgroup})),
            "StartQueryExecution" => Ok(self.start(&body)),
            "GetQueryExecution" => self.execution(&body),
            "GetQueryResults" => self.results(&body),
            "StopQueryExecution" => self.stop(&body),
            other => panic!("{other}"),
        };
        let (status, answer) = match answer {
            Ok(answer) => (200, answer),
            Err(message) => (
                400,
                json!({"__type": "InvalidRequestException", "Message": message}),
            ),
        };
        (status, "application/x-amz-json-1.1", answer.to_string())
    }

    fn start(&mut self, body: &Value) -> Value {
        let token = body["ClientRequestToken"].as_str().unwrap();
        assert!((32..=128).contains(&token.len()));
        let known = self.queries.iter().position(|query| query.token == token);
        let number = known.unwrap_or_else(|| {
            let end = if self.ends.is_empty() {
                End::Succeeds
            } else {
                self.ends.remove(0)
            };
            self.queries.push(Query {
                sql: body["QueryString"].as_str().unwrap().to_owned(),
                token: token.to_owned(),
                state: "RUNNING",
                polls: self.polls,
                end,
            });
            self.queries.len() - 1
        });
        json!({"QueryExecutionId": format!("query-{number}")})
    }

    fn query(&mut self, body: &Value) -> Result<&mut Query, String> {
        let id = body["QueryExecutionId"].as_str().unwrap();
        let number: Option<usize> = id
            .strip_prefix("query-")
            .and_then(|number| number.parse().ok());
        let number = number.filter(|number| *number >= self.forgotten);
        let query = number.and_then(|number| self.queries.get_mut(number));
        query.ok_or_else(|| format!("QueryExecution {id} was not found"))
    }

    fn execution(&mut self, body: &Value) -> Result<Value, String> {
        let id = body["QueryExecutionId"].clone();
        let query = self.query(body)?;
        let mut status = json!({"SubmissionDateTime": 1.79e9});
        if query.state == "RUNNING" && query.polls > 0 {
            query.polls -= 1;
        } else if query.state == "RUNNING" {
            query.state = match query.end {
                End::Succeeds => "SUCCEEDED",
                End::Never => "RUNNING",
                End::Fails { .. } => "FAILED",
                End::Cancelled(_) => "CANCELLED",
            };
        }
        match query.end {
            End::Fails { reason, retryable } if query.state == "FAILED" => {
                status["StateChangeReason"] = json!(reason);
                status["AthenaError"] = json!({"ErrorCategory": if retryable { 1 } else { 2 }, "ErrorType": 1,
                    "Retryable": retryable, "ErrorMessage": reason});
            }
            End::Cancelled(reason) if query.state == "CANCELLED" => {
                status["StateChangeReason"] = json!(reason)
            }
            _ => {}
        }
        status["State"] = json!(query.state);
        let (accounts, days) = bounds(&query.sql);
        let bytes = accounts.len() as u64 * days * BYTES;
        Ok(
            json!({"QueryExecution": {"QueryExecutionId": id, "StatementType": "DML", "Status": status,
            "Statistics": {"DataScannedInBytes": bytes, "EngineExecutionTimeInMillis": 5}, "WorkGroup": "audit"}}),
        )
    }

    fn stop(&mut self, body: &Value) -> Result<Value, String> {
        let query = self.query(body)?;
        if query.state == "RUNNING" {
            query.state = "CANCELLED";
        }
        Ok(json!({}))
    }

    fn results(&mut self, body: &Value) -> Result<Value, String> {
        let page = self.page;
        let query = self.query(body)?;
        if query.state != "SUCCEEDED" {
            return Err(format!(
                "Query did not finish successfully. Final query state: {}",
                query.state
            ));
        }
        let rows = rows(&query.sql);
        let from: usize = body["NextToken"]
            .as_str()
            .map_or(0, |token| token.parse().unwrap());
        let to = (from + page).min(rows.len());
        let shown: Vec<Value> = rows[from..to]
            .iter()
            .map(|row| json!({"Data": row}))
            .collect();
        let mut answer = json!({"UpdateCount": 0, "ResultSet": {"Rows": shown, "ResultSetMetadata": {"ColumnInfo": []}}});
        if to < rows.len() {
            answer["NextToken"] = json!(to.to_string());
        }
        Ok(answer)
    }
}

/// The accounts of a query, and how many days it reads.
fn bounds(sql: &str) -> (Vec<String>, u64) {
    let after = |word: &str| sql.split_once(word).unwrap().1;
    let days: Vec<u64> = after("\"day\" BETWEEN ")
        .split('\'')
        .filter(|text| text.len() == "2026/10/01".len())
        .take(2)
        .map(|text| text[8..].parse().unwrap())
        .collect();
    let accounts = after("\"account\" IN (").split(')').next().unwrap();
    let accounts = accounts
        .split(", ")
        .map(|account| account.trim_matches('\'').to_owned());
    (accounts.collect(), days[1] - days[0] + 1)
}

/// Management reads in each account, and one more event that has no account.
fn rows(sql: &str) -> Vec<Vec<Value>> {
    let text = |text: &str| json!({"VarCharValue": text});
    let names = sql.rsplit_once("SELECT\n").unwrap().1;
    let names = names.split("\nFROM").next().unwrap().lines();
    let names = names.map(|line| text(line.rsplit(' ').next().unwrap().trim_end_matches(',')));
    let mut rows: Vec<Vec<Value>> = vec![names.collect()];
    let (accounts, days) = bounds(sql);
    for account in accounts {
        let events = (days * EVENTS).to_string();
        let row = [
            &account,
            "eu-west-1",
            "Management",
            "s3.amazonaws.com",
            "",
            "true",
            "false",
            &events,
        ];
        rows.push(row.iter().map(|value| text(value)).collect());
    }
    // A service's event that does not say whether it reads.
    let last = rows.last().unwrap().clone();
    let silent = last.into_iter().enumerate();
    let silent = silent.map(|(at, value)| match at {
        5 => json!({}),
        7 => text("1"),
        _ => value,
    });
    rows.push(silent.collect());
    rows
}
