//! Logs of an organization as CloudTrail lays them out, the same ones for the same seed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use libdeflater::{CompressionLvl, Compressor};
use serde_json::Value;

/// What the generator knows without reading anything: events, bytes, and what each selector records.
#[derive(Default)]
pub struct Truth {
    pub events: u64,
    pub bytes: u64,
    pub recorded: [u64; 6],
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
const ROLES: u64 = 60;
/// JSON in a file of [`deliver`]: as much as the median of an organization's files.
const DELIVERED: usize = 27_000;
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
    roles: Vec<Role>,
}

struct Role {
    name: String,
    id: String,
    /// A session's own.
    key: String,
}

/// Every role has a session in each account, Region and slot of time.
fn sessions(roles: &[(String, String)], random: &mut Random) -> Vec<Role> {
    let session = |(name, id): &(String, String)| Role {
        name: name.clone(),
        id: id.clone(),
        key: random.hex(16).to_uppercase(),
    };
    roles.iter().map(session).collect()
}

/// A record, the index of the selectors that record it, and its kind of folder.
struct Made {
    json: String,
    recorded: &'static [usize],
    kind: &'static str,
}

/// Writes logs of about `gigabytes` before compression, as CloudTrail lays them out.
pub fn make_logs(folder: &Path, gigabytes: f64, seed: u64) -> Truth {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut truth = Truth::default();
    let mut compress = Compressor::new(CompressionLvl::new(6).expect("a level"));
    let names: Vec<(String, String)> = (0..ROLES)
        .map(|n| (format!("svc-{n:02}"), random.hex(17).to_uppercase()))
        .collect();
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
                roles: sessions(&names, &mut random),
            };
            // Few files are large, most are small.
            let records = 1 + (250 >> random.below(9)) * (1 + random.below(3));
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
        write_file(&folder.join(path), &name, &text, compress);
        truth.events += own.len() as u64;
        truth.bytes += text.len() as u64;
    }
    for selector in made.iter().flat_map(|made| made.recorded) {
        truth.recorded[*selector] += 1;
    }
}

fn write_file(folder: &Path, name: &str, text: &str, compress: &mut Compressor) {
    let mut file = vec![0; compress.gzip_compress_bound(text.len())];
    let length = compress
        .gzip_compress(text.as_bytes(), &mut file)
        .expect("room enough");
    fs::create_dir_all(folder).expect("a folder");
    fs::write(folder.join(name), &file[..length]).expect("a file");
}

/// Records as CloudTrail delivers them: without spaces, those of one account and Region together, some in each file, and
/// the same files again every five minutes.
pub fn deliver(folder: &Path, records: &[String], deliveries: u64) {
    let mut compress = Compressor::new(CompressionLvl::new(6).expect("a level"));
    let mut places: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for record in records {
        let files = places.entry(place_of(record)).or_default();
        match files.last_mut() {
            Some(file) if file.len() <= DELIVERED => *file += &format!(",{record}"),
            _ => files.push(record.clone()),
        }
    }
    for ((account, region), files) in &places {
        let path = format!("AWSLogs/{account}/CloudTrail/{region}/2026/07/14");
        for delivery in 0..deliveries {
            let (hour, minute) = (delivery / 12, delivery % 12 * 5);
            for (number, file) in files.iter().enumerate() {
                let time = format!("20260714T{hour:02}{minute:02}Z");
                let name = format!("{account}_CloudTrail_{region}_{time}_{number:016}.json.gz");
                let text = format!("{{\"Records\":[{file}]}}");
                write_file(&folder.join(&path), &name, &text, &mut compress);
            }
        }
    }
}

/// Account and Region of a record; old ones name the account that called.
fn place_of(record: &str) -> (String, String) {
    let record: Value = serde_json::from_str(record).expect("JSON");
    let account = [
        &record["recipientAccountId"],
        &record["userIdentity"]["accountId"],
    ];
    let account = account.into_iter().find_map(Value::as_str);
    let region = record["awsRegion"].as_str();
    (
        account.unwrap_or("111122223333").to_owned(),
        region.unwrap_or("us-east-1").to_owned(),
    )
}

impl Cell {
    fn record(&self, random: &mut Random) -> Made {
        match random.below(100) {
            0..27 => self.s3(random),
            27..39 => self.management(random, "kms", &["Decrypt", "GenerateDataKey"], true),
            39..49 => self.management(random, "sts", &["AssumeRole"], true),
            49..63 => self.management(
                random,
                "ec2",
                &["DescribeInstances", "DescribeTags", "DescribeVolumes"],
                true,
            ),
            63..67 => self.management(random, "iam", &["TagRole", "PutRolePolicy"], false),
            67..85 => self.lambda(random),
            85..98 => self.dynamodb(random),
            _ => self.network(random),
        }
    }

    /// What all records begin with.
    fn head(&self, random: &mut Random, service: &str, name: &str) -> String {
        let Role {
            name: role,
            id,
            key,
        } = &self.roles[(random.below(ROLES) * random.below(ROLES) / ROLES) as usize];
        let (account, region, time) = (&self.account, self.region, &self.time);
        let session = [
            "i-0a1b2c3d4e5f67890",
            "botocore-session-1719990000",
            "jane.doe@example.com",
        ][id.len() % 3];
        let (second, agent) = (random.below(60), random.pick(&AGENTS));
        let [a, b, c, d] = [0; 4].map(|_| 1 + random.below(254));
        let address = format!("{a}.{b}.{c}.{d}");
        format!(
            r#"{{"eventVersion":"1.11","userIdentity":{{"type":"AssumedRole","principalId":"AROA{id}:{session}","arn":"arn:aws:sts::{account}:assumed-role/{role}/{session}","accountId":"{account}","accessKeyId":"ASIA{key}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROA{id}","arn":"arn:aws:iam::{account}:role/{role}","accountId":"{account}","userName":"{role}"}},"webIdFederationData":{{}},"attributes":{{"creationDate":"{time}:00Z","mfaAuthenticated":"false"}}}}}},"eventTime":"{time}:{second:02}Z","eventSource":"{service}.amazonaws.com","eventName":"{name}","awsRegion":"{region}","sourceIPAddress":"{address}","userAgent":"{agent}","#
        )
    }

    fn tail(&self, random: &mut Random, category: &str, read: bool, resources: &str) -> String {
        let (request, event, account) = (random.uuid(), random.uuid(), &self.account);
        let management = category == "Management";
        // Who shares a resource with others sees the id of the event in their logs.
        let shared = match category {
            "Data" if random.below(4) == 0 => format!(r#""sharedEventID":"{}","#, random.uuid()),
            _ => String::new(),
        };
        format!(
            r#""requestID":"{request}","eventID":"{event}","readOnly":{read},{resources}"eventType":"AwsApiCall","managementEvent":{management},"recipientAccountId":"{account}",{shared}"eventCategory":"{category}","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"service.{region}.amazonaws.com"}}}}"#,
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
            "kms" => {
                let (secret, key, material) = (random.uuid(), random.uuid(), random.hex(64));
                let (account, region) = (&self.account, self.region);
                format!(
                    r#""requestParameters":{{"encryptionContext":{{"SecretARN":"arn:aws:secretsmanager:{region}:{account}:secret:prod/api-AbCdEf","SecretVersionId":"{secret}"}},"encryptionAlgorithm":"SYMMETRIC_DEFAULT","keyId":"arn:aws:kms:{region}:{account}:key/{key}"}},"responseElements":null,"additionalEventData":{{"keyMaterialId":"{material}"}},"#
                )
            }
            _ => format!(
                r#""requestParameters":{{"instancesSet":{{"items":[{{"instanceId":"i-0{}"}},{{"instanceId":"i-0{}"}}]}},"filterSet":{{"items":[{{"name":"a","eventCategory":"Data","readOnly":false}}]}}}},"responseElements":null,"#,
                random.hex(16),
                random.hex(16),
            ),
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
            r#""requestParameters":{{"functionName":"{function}","invocationType":"RequestResponse","logType":"None","clientContext":"{}"}},"responseElements":null,"additionalEventData":{{"functionVersion":"{function}:{}"}},"#,
            random.base64(88),
            random.below(40),
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
        let parameters = format!(
            r##""requestParameters":{{"tableName":"{table}","key":{{"pk":"{}","sk":"HIDDEN_DUE_TO_SECURITY_REASONS"}},"conditionExpression":"attribute_not_exists(pk)","expressionAttributeNames":{{"#r":"readOnly","#c":"eventCategory"}},"returnConsumedCapacity":"TOTAL"}},"responseElements":null,"##,
            random.hex(24),
        );
        let resources =
            format!(r#""resources":[{{"type":"AWS::DynamoDB::Table","ARN":"{table}"}}],"#);
        Made {
            json: self.head(random, "dynamodb", name)
                + &parameters
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

/// One gzip file of so many bytes of records.
pub fn gzip(path: &Path, bytes: u64) {
    let record = r#"{"eventVersion":"1.11","eventSource":"s3.amazonaws.com","eventName":"GetObject","recipientAccountId":"111122223333","awsRegion":"eu-west-1","requestParameters":{"key":"KEY"}}"#;
    let mut random = Random(7);
    let mut piece = String::new();
    while piece.len() < 1 << 20 {
        piece += &record.replace("KEY", &random.base64(400));
        piece.push(',');
    }
    let file = std::io::BufWriter::new(fs::File::create(path).expect("a file"));
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gzip.write_all(b"{\"Records\":[").expect("a file");
    for _ in 0..bytes / piece.len() as u64 {
        gzip.write_all(piece.as_bytes()).expect("a file");
    }
    gzip.write_all(b"{\"eventVersion\":\"1.11\"}]}")
        .expect("a file");
    gzip.finish().expect("a file");
}
