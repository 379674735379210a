//! A server on 127.0.0.1 that answers the JSON protocol of AWS with what a test gives it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A call: the value of `X-Amz-Target` and the body.
#[derive(Debug, Clone)]
pub struct Call {
    pub target: String,
    pub body: Value,
    /// The credential scope's Region, for which it was signed.
    pub region: String,
}

type Answer = dyn Fn(&Call, usize) -> (u16, String) + Send + Sync;

/// Serves until the test ends.
pub struct Loopback {
    pub endpoint: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Loopback {
    /// `answer` is given the call and how many came before it, and returns status and body.
    pub fn start(answer: impl Fn(&Call, usize) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer): (_, Arc<Answer>) = (Arc::clone(&calls), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &seen, &*answer));
            }
        });
        Self { endpoint, calls }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, calls: &Mutex<Vec<Call>>, answer: &Answer) {
    let mut reader = BufReader::new(stream);
    let Some(call) = read(&mut reader) else {
        return;
    };
    let before = {
        let mut calls = calls.lock().unwrap();
        calls.push(call.clone());
        calls.len() - 1
    };
    let (status, body) = answer(&call, before);
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} -\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    // The client may have given up.
    let _ = reader.get_mut().write_all(text.as_bytes());
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Call> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let (mut length, mut target, mut region) = (0, String::new(), String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "x-amz-target" => target = value.to_owned(),
            "authorization" => region = value.split('/').nth(2).unwrap_or_default().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Call {
        target,
        body: serde_json::from_slice(&body).unwrap_or_default(),
        region,
    })
}
