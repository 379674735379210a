//! How fast events are counted: CPU time per core of uncompressed JSON, against uncompressing alone.
//!
//! `cargo bench --bench engine -- [--gb 0.1] [--seed 7] [--threads 1] [--runs 3] [--dir LOGS]`
//!
//! Without `--dir` it makes the logs of an organization in a temporary folder, the same ones for the same seed. The
//! full job is six selectors on one trail, and all counts. Linux only, for CPU time and memory.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use libdeflater::{CompressionLvl, Compressor, Decompressor};
use orgtrail::selectors::{AdvancedEventSelector, FieldSelector, Operator, Selectors};
use orgtrail::volumes::{Engine, Options, Record, Scanner, Sink, Source, Syntax, Tally, count};
use serde::Deserialize;

const JOB: &str = include_str!("../tests/data/logs/job_spec.json");

fn main() {
    let made = tempfile::tempdir().expect("a temporary folder");
    let logs = match text_argument("--dir") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let truth = make_logs(
                made.path(),
                argument("--gb", 0.1),
                argument("--seed", 7.0) as u64,
            );
            check(&count_logs(made.path(), 1), &truth);
            made.path().to_owned()
        }
    };
    let threads = argument("--threads", 1.0) as usize;
    let tally = count_logs(&logs, threads);
    let memory = status("VmHWM:");
    let bytes = tally.files.uncompressed_bytes;
    println!(
        "{} files, {} events, {:.0} MB of JSON in {:.0} MB of gzip; {threads} thread(s)\n",
        tally.files.count,
        tally.events,
        megabytes(bytes),
        megabytes(tally.files.compressed_bytes),
    );
    let mut files = Vec::new();
    log_files(&logs, &mut files);
    let stages: [(&str, &dyn Fn()); 4] = [
        ("uncompress only (the floor)", &|| each_text(&files, |_| {})),
        ("find records and their members", &|| scan(&files)),
        ("the same with serde_json", &|| parse(&files)),
        ("full job", &|| drop(black_box(count_logs(&logs, threads)))),
    ];
    let runs = argument("--runs", 3.0) as usize;
    let mut seconds = vec![Vec::new(); stages.len()];
    // In turns, so that a busy moment of the machine hits all of them.
    for _ in 0..runs.max(1) {
        for (stage, taken) in stages.iter().zip(&mut seconds) {
            let before = cpu_seconds();
            stage.1();
            taken.push(cpu_seconds() - before);
        }
    }
    let mut medians = seconds.iter_mut().map(|taken| median(taken));
    let floor = medians.next().unwrap_or_default();
    for ((name, _), taken) in stages.iter().zip(std::iter::once(floor).chain(medians)) {
        let speed = megabytes(bytes) / taken;
        println!(
            "{name:32} {taken:7.3} CPU s {speed:7.0} MB/s per core {:5.2} of the floor",
            floor / taken
        );
    }
    println!("\npeak resident memory of the full job: {memory}");
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn text_argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

fn argument(name: &str, default: f64) -> f64 {
    text_argument(name).map_or(default, |text| text.parse().expect("a number"))
}

/// User and system time of all threads.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn status(name: &str) -> String {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}

fn log_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("CloudTrail-Digest") {
            log_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "gz") {
            files.push(path);
        }
    }
}

fn each_text(files: &[PathBuf], mut each: impl FnMut(&[u8])) {
    let mut inflate = Decompressor::new();
    let mut text = vec![0; 64 << 20];
    for file in files {
        let file = fs::read(file).expect("a log file");
        // Of files with several members only the first one: a hundredth of the files, and less than that of the work.
        if let Ok(length) = inflate.gzip_decompress(&file, &mut text) {
            each(black_box(&text[..length]));
        }
    }
}

struct Nothing(u64);

impl Sink for Nothing {
    fn record(&mut self, record: &Record<'_>) {
        self.0 += record.resources().len() as u64;
    }

    fn digest(&mut self) {}

    fn unknown(&mut self, _: u64, _: Syntax) {}
}

fn scan(files: &[PathBuf]) {
    let mut scanner = Scanner::default();
    let mut nothing = Nothing(0);
    each_text(files, |text| {
        scanner.begin();
        let _ = scanner.scan(text, true, &mut nothing);
    });
    black_box(nothing.0);
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<Fields<'a>>,
}

/// The members that the full job looks at; a text with escapes cannot be borrowed, so these are left as they are.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "parsing them is what is measured")]
struct Fields<'a> {
    #[serde(borrow)]
    event_category: Option<&'a str>,
    event_source: Option<&'a str>,
    event_name: Option<&'a str>,
    event_type: Option<&'a str>,
    error_code: Option<&'a str>,
    event_time: Option<&'a str>,
    aws_region: Option<&'a str>,
    recipient_account_id: Option<&'a str>,
    #[serde(rename = "eventID")]
    event_id: Option<&'a str>,
    read_only: Option<bool>,
    management_event: Option<bool>,
    user_identity: Option<Identity<'a>>,
    resources: Option<Vec<Element<'a>>>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "parsing them is what is measured")]
struct Identity<'a> {
    #[serde(borrow)]
    arn: Option<&'a str>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "parsing them is what is measured")]
struct Element<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a str>,
    #[serde(rename = "ARN", borrow)]
    arn: Option<std::borrow::Cow<'a, str>>,
}

fn parse(files: &[PathBuf]) {
    let mut elements = 0;
    each_text(files, |text| {
        if let Ok(document) = serde_json::from_slice::<Document<'_>>(text) {
            let of = |record: &Fields<'_>| record.resources.as_ref().map_or(0, Vec::len);
            elements += document.records.iter().map(of).sum::<usize>();
        }
    });
    black_box(elements);
}

fn count_logs(logs: &Path, threads: usize) -> Tally {
    let selectors = job();
    let engine = Engine::new(&[("job", &selectors)]);
    let options = Options {
        threads,
        ..Options::default()
    };
    count(&engine, vec![Source::Path(logs.to_owned())], &options).tally
}

fn job() -> Selectors {
    let spec: serde_json::Value = serde_json::from_str(JOB).expect("the job");
    let selectors = spec["selectors"].as_array().into_iter().flatten();
    let field = |field: &serde_json::Value| {
        let operators = [
            ("equals", Operator::Equals),
            ("startsWith", Operator::StartsWith),
            ("notEquals", Operator::NotEquals),
            ("notStartsWith", Operator::NotStartsWith),
        ];
        let empty = FieldSelector::new(field["field"].as_str().unwrap_or_default());
        operators
            .into_iter()
            .fold(empty, |written, (name, operator)| {
                let values = field[name].as_array();
                let texts = values.map(|values| values.iter().filter_map(|value| value.as_str()));
                texts
                    .into_iter()
                    .fold(written, |written, texts| written.with(operator, texts))
            })
    };
    let selector = |selector: &serde_json::Value| {
        let fields = selector["fields"].as_array().into_iter().flatten();
        AdvancedEventSelector::new(fields.map(field).collect())
    };
    Selectors::Advanced(selectors.map(selector).collect())
}

/// What the generator knows without reading anything: events, bytes, and what each selector records.
#[derive(Default)]
struct Truth {
    events: u64,
    bytes: u64,
    recorded: [u64; 6],
}

fn check(tally: &Tally, truth: &Truth) {
    assert_eq!(tally.events, truth.events, "events");
    assert_eq!(tally.files.uncompressed_bytes, truth.bytes, "bytes");
    for (selector, count) in truth.recorded.iter().enumerate() {
        assert_eq!(
            tally.recorded(0, Some(selector)),
            *count,
            "selector {selector}"
        );
    }
    assert_eq!(tally.problems.count, 0, "{:?}", tally.problems);
}

/// A small generator of random numbers: xorshift, <https://www.jstatsoft.org/v08/i14/paper>.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 32) % limit
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len() as u64) as usize]
    }

    fn hex(&mut self, length: usize) -> String {
        (0..length)
            .map(|_| char::from(b"0123456789abcdef"[self.below(16) as usize]))
            .collect()
    }

    fn uuid(&mut self) -> String {
        [8, 4, 4, 4, 12].map(|length| self.hex(length)).join("-")
    }

    fn base64(&mut self, length: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        (0..length)
            .map(|_| char::from(LETTERS[self.below(64) as usize]))
            .collect()
    }
}

const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-2"];
const ACCOUNTS: u64 = 12;
const AGENTS: [&str; 4] = [
    "[aws-sdk-java/2.25.60 Linux/5.10.218-208.862.amzn2.x86_64 OpenJDK_64-Bit_Server_VM/17.0.11+9-LTS cfg/retry-mode/legacy]",
    "Boto3/1.34.131 md/Botocore#1.34.131 ua/2.0 os/linux#5.10.219 md/arch#x86_64 lang/python#3.12.3 exec-env/AWS_Lambda",
    "aws-sdk-go-v2/1.30.1 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#arm64 api/sts#1.30.1",
    "Équipe-données/1.4 café-client",
];

/// One account in one Region at one time.
struct Cell {
    account: String,
    region: &'static str,
    time: String,
    roles: Vec<(String, String)>,
}

/// A record, the index of the selectors that record it, and its kind of folder.
struct Made {
    json: String,
    recorded: &'static [usize],
    kind: &'static str,
}

/// Writes logs of about `gigabytes` before compression, as CloudTrail lays them out.
fn make_logs(folder: &Path, gigabytes: f64, seed: u64) -> Truth {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut truth = Truth::default();
    let mut compress = Compressor::new(CompressionLvl::new(6).expect("a level"));
    let roles = |random: &mut Random| {
        (0..24)
            .map(|n| (format!("svc-{n:02}"), random.hex(17).to_uppercase()))
            .collect()
    };
    let roles: Vec<(String, String)> = roles(&mut random);
    let mut slot = 0;
    while (truth.bytes as f64) < gigabytes * 1e9 {
        for cell in 0..ACCOUNTS * REGIONS.len() as u64 {
            let cell = Cell {
                account: format!("{:012}", 111_111_111_111 + cell / 3 * 1_010_101),
                region: REGIONS[(cell % 3) as usize],
                time: format!(
                    "2026-07-{:02}T{:02}:{:02}",
                    1 + slot / 288 % 28,
                    slot / 12 % 24,
                    slot % 12 * 5
                ),
                roles: roles.clone(),
            };
            // Few files are large, most are small.
            let records = 1 + (400 >> random.below(9)) * (1 + random.below(3));
            make_files(
                folder,
                &cell,
                records,
                &mut random,
                &mut truth,
                &mut compress,
            );
        }
        slot += 1;
    }
    truth
}

fn make_files(
    folder: &Path,
    cell: &Cell,
    records: u64,
    random: &mut Random,
    truth: &mut Truth,
    compress: &mut Compressor,
) {
    let made: Vec<Made> = (0..records).map(|_| cell.record(random)).collect();
    for kind in ["CloudTrail", "CloudTrail-NetworkActivity"] {
        let own: Vec<&str> = made
            .iter()
            .filter(|m| m.kind == kind)
            .map(|m| m.json.as_str())
            .collect();
        if own.is_empty() {
            continue;
        }
        let text = format!("{{\"Records\":[{}]}}", own.join(","));
        let (account, region, time) = (&cell.account, cell.region, &cell.time);
        let path = format!(
            "AWSLogs/o-gen0000001/{account}/{kind}/{region}/{}",
            time[..10].replace('-', "/")
        );
        let name = format!(
            "{account}_{kind}_{region}_{}Z_{}.json.gz",
            time.replace(['-', ':'], ""),
            random.hex(16)
        );
        let mut file = vec![0; compress.gzip_compress_bound(text.len())];
        let length = compress
            .gzip_compress(text.as_bytes(), &mut file)
            .expect("room enough");
        fs::create_dir_all(folder.join(&path)).expect("a folder");
        fs::write(folder.join(path).join(name), &file[..length]).expect("a file");
        truth.events += own.len() as u64;
        truth.bytes += text.len() as u64;
    }
    for selector in made.iter().flat_map(|made| made.recorded) {
        truth.recorded[*selector] += 1;
    }
}

impl Cell {
    fn record(&self, random: &mut Random) -> Made {
        match random.below(100) {
            0..45 => self.s3(random),
            45..60 => self.management(random, "kms", &["Decrypt", "GenerateDataKey"], true),
            60..70 => self.management(random, "sts", &["AssumeRole"], true),
            70..82 => self.management(
                random,
                "ec2",
                &["DescribeInstances", "DescribeTags", "DescribeVolumes"],
                true,
            ),
            82..85 => self.management(random, "iam", &["TagRole", "PutRolePolicy"], false),
            85..92 => self.lambda(random),
            92..98 => self.dynamodb(random),
            _ => self.network(random),
        }
    }

    /// What all records begin with.
    fn head(&self, random: &mut Random, service: &str, name: &str) -> String {
        let (role, id) = &self.roles[(random.below(24) * random.below(24) / 24) as usize];
        let (account, region, time) = (&self.account, self.region, &self.time);
        let session = [
            "i-0a1b2c3d4e5f67890",
            "botocore-session-1719990000",
            "jane.doe@example.com",
        ][id.len() % 3];
        let (second, key, agent) = (random.below(60), random.base64(16), random.pick(&AGENTS));
        let address = format!(
            "10.{}.{}.{}",
            random.below(4),
            random.below(256),
            random.below(256)
        );
        format!(
            r#"{{"eventVersion":"1.11","userIdentity":{{"type":"AssumedRole","principalId":"AROA{id}:{session}","arn":"arn:aws:sts::{account}:assumed-role/{role}/{session}","accountId":"{account}","accessKeyId":"ASIA{key}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROA{id}","arn":"arn:aws:iam::{account}:role/{role}","accountId":"{account}","userName":"{role}"}},"attributes":{{"creationDate":"{time}:00Z","mfaAuthenticated":"false"}}}}}},"eventTime":"{time}:{second:02}Z","eventSource":"{service}.amazonaws.com","eventName":"{name}","awsRegion":"{region}","sourceIPAddress":"{address}","userAgent":"{agent}","#
        )
    }

    fn tail(&self, random: &mut Random, category: &str, read: bool, resources: &str) -> String {
        let (request, event, account) = (random.uuid(), random.uuid(), &self.account);
        let management = category == "Management";
        format!(
            r#""requestID":"{request}","eventID":"{event}","readOnly":{read},{resources}"eventType":"AwsApiCall","managementEvent":{management},"recipientAccountId":"{account}","eventCategory":"{category}","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"service.{region}.amazonaws.com"}}}}"#,
            region = self.region,
        )
    }

    fn s3(&self, random: &mut Random) -> Made {
        let bucket = random.pick(&[
            "acme-datalake-raw",
            "acme-payments-ledger",
            "acme-logs",
            "acme-models",
        ]);
        let (name, read) = match random.below(10) {
            0..5 => ("GetObject", true),
            5..7 => ("HeadObject", true),
            7..9 => ("PutObject", false),
            _ => ("DeleteObject", false),
        };
        let temporary = random.below(6) == 0;
        let folder = if temporary { "tmp/" } else { "dt=" };
        // Some writers escape what need not be escaped.
        let written = if random.below(100) == 0 {
            folder.replace('=', "\\u003d")
        } else {
            folder.to_owned()
        };
        let key = format!(
            "{written}2026-07-14/part-{:05}-{}.parquet",
            random.below(2000),
            random.uuid()
        );
        let failed = if random.below(30) == 0 {
            r#""errorCode":"AccessDenied","errorMessage":"Access Denied","#
        } else {
            ""
        };
        let parameters = format!(
            r#"{failed}"requestParameters":{{"bucketName":"{bucket}","Host":"{bucket}.s3.amazonaws.com","key":"{key}"}},"responseElements":null,"additionalEventData":{{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":{},"AuthenticationMethod":"AuthHeader","x-amz-id-2":"{}=","bytesTransferredOut":{}}},"#,
            random.below(1 << 20),
            random.base64(75),
            random.below(1 << 24),
        );
        let resources = format!(
            r#""resources":[{{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::{bucket}/{key}"}},{{"accountId":"{}","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::{bucket}"}}],"#,
            self.account,
        );
        let selected = match bucket {
            "acme-datalake-raw" | "acme-payments-ledger" => !read && !temporary,
            _ => false,
        };
        Made {
            json: self.head(random, "s3", name)
                + &parameters
                + &self.tail(random, "Data", read, &resources),
            recorded: if selected { &[1] } else { &[] },
            kind: "CloudTrail",
        }
    }

    fn management(&self, random: &mut Random, service: &str, names: &[&str], read: bool) -> Made {
        let parameters = match service {
            "sts" => format!(
                r#""requestParameters":{{"roleArn":"arn:aws:iam::{}:role/x","policy":"{{\"Statement\":[{{\"Effect\":\"Allow\",\"readOnly\":true}}]}}"}},"responseElements":{{"credentials":{{"sessionToken":"{}"}}}},"#,
                self.account,
                random.base64(440),
            ),
            _ => r#""requestParameters":{"filterSet":{"items":[{"name":"a","eventCategory":"Data","readOnly":false}]}},"responseElements":null,"#.to_owned(),
        };
        let name = random.pick(names);
        Made {
            json: self.head(random, service, name)
                + &parameters
                + &self.tail(random, "Management", read, ""),
            recorded: match (service, read) {
                ("kms", _) => &[],
                (_, true) => &[0],
                (_, false) => &[0, 4],
            },
            kind: "CloudTrail",
        }
    }

    fn lambda(&self, random: &mut Random) -> Made {
        let function = format!(
            "arn:aws:lambda:{}:{}:function:fn-{:02}",
            self.region,
            self.account,
            random.below(30)
        );
        let parameters = format!(
            r#""requestParameters":{{"functionName":"{function}"}},"responseElements":null,"#
        );
        let resources =
            format!(r#""resources":[{{"type":"AWS::Lambda::Function","ARN":"{function}"}}],"#);
        Made {
            json: self.head(random, "lambda", "Invoke")
                + &parameters
                + &self.tail(random, "Data", false, &resources),
            recorded: &[2],
            kind: "CloudTrail",
        }
    }

    fn dynamodb(&self, random: &mut Random) -> Made {
        let (name, read) =
            [("GetItem", true), ("Query", true), ("PutItem", false)][random.below(3) as usize];
        let table = format!(
            "arn:aws:dynamodb:{}:{}:table/t-{:02}",
            self.region,
            self.account,
            random.below(12)
        );
        let parameters = r##""requestParameters":{"key":{"pk":"HIDDEN"},"expressionAttributeNames":{"#r":"readOnly"}},"responseElements":null,"##;
        let resources =
            format!(r#""resources":[{{"type":"AWS::DynamoDB::Table","ARN":"{table}"}}],"#);
        Made {
            json: self.head(random, "dynamodb", name)
                + parameters
                + &self.tail(random, "Data", read, &resources),
            recorded: if read { &[] } else { &[3] },
            kind: "CloudTrail",
        }
    }

    fn network(&self, random: &mut Random) -> Made {
        let denied = random.below(10) == 0;
        let failed = if denied {
            r#""errorCode":"VpceAccessDenied","#
        } else {
            ""
        };
        let account = &self.account;
        Made {
            json: format!(
                r#"{}{failed}"eventID":"{}","eventType":"AwsVpceEvent","recipientAccountId":"{account}","vpcEndpointId":"vpce-0{}","eventCategory":"NetworkActivity"}}"#,
                self.head(random, "kms", "Decrypt"),
                random.uuid(),
                random.hex(8),
            ),
            recorded: if denied { &[5] } else { &[] },
            kind: "CloudTrail-NetworkActivity",
        }
    }
}
