//! Applies that are cut short: killed, interrupted, refused, throttled, or run twice at once. Whatever happens, the next
//! apply goes on from what is there and nothing is made twice.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Command};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Emulator, Example, Moto, Proxy, Run};

const LOCK: &str = "orgtrail/acme-audit.lock";

/// moto behind the proxy; tests take turns.
struct Rig {
    aws: Proxy,
    _moto: MutexGuard<'static, Emulator>,
}

impl Rig {
    fn new() -> Self {
        Self::on(Moto::shared())
    }

    /// On a second server, for tests that mostly wait, beside those that do not.
    fn patient() -> Self {
        static SECOND: OnceLock<Mutex<Emulator>> = OnceLock::new();
        let second = SECOND.get_or_init(|| Mutex::new(Moto::start()));
        // Every test empties it.
        Self::on(second.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn on(moto: MutexGuard<'static, Emulator>) -> Self {
        Self {
            aws: moto.proxied(&["--fix", "all"]),
            _moto: moto,
        }
    }

    /// The example in an organization that has nothing yet, without the second bucket: every write but the lock's
    /// comes once.
    fn fresh(&self) -> Example {
        self.faults(&[]);
        self.aws.empty_moto();
        let example = Example::on(self.aws.endpoint());
        let spec = example.work.read("orgtrail.yaml");
        let (head, rest) = spec.split_once("    access_logging:").unwrap();
        let (_, tail) = rest.split_once("\ntrails:").unwrap();
        let spec = format!("{head}\ntrails:{tail}");
        example.work.write("orgtrail.yaml", &spec);
        example
    }

    fn faults(&self, faults: &[&str]) {
        self.aws.config(json!({"faults": faults}));
    }

    /// An apply with a fault that kills it. It is only confirmed when the proxy knows whom to kill.
    fn killed_apply(&self, example: &Example, words: &str, fault: &str) -> Run {
        let child = example.orgtrail(words).start();
        self.aws
            .config(json!({"faults": [fault], "kill_pid": child.id()}));
        let run = Running::new(child, words).answer("yes\n").finish();
        self.faults(&[]);
        run
    }

    /// What boto3 sees of the example: how many of each thing, and whether the lock is there.
    fn inventory(&self, example: &Example) -> Value {
        let script = INVENTORY.replace("ARCHIVE", &example.archive);
        example.boto3(&example.management, &script)
    }
}

const INVENTORY: &str = "
import boto3
got = client('sts').assume_role(RoleArn='arn:aws:iam::ARCHIVE:role/tests', RoleSessionName='tests')['Credentials']
def archive(service):
    return boto3.client(service, 'us-east-1', endpoint_url=client('sts').meta.endpoint_url,
        aws_access_key_id=got['AccessKeyId'], aws_secret_access_key=got['SecretAccessKey'],
        aws_session_token=got['SessionToken'])
kms, s3 = archive('kms'), archive('s3')
keys = [k['KeyId'] for k in kms.list_keys()['Keys']]
ours = [k for k in keys if any(t['TagKey'] == 'orgtrail:spec' for t in kms.list_resource_tags(KeyId=k)['Tags'])]
aliases = [a['TargetKeyId'] for a in kms.list_aliases()['Aliases'] if a['AliasName'] == 'alias/org-trail']
trails = client('cloudtrail').describe_trails()['trailList']
{'keys': len(ours), 'alias of': [ours.index(a) for a in aliases],
 'buckets': [b['Name'] for b in s3.list_buckets()['Buckets']],
 'trails': [(t['Name'], client('cloudtrail').get_trail_status(Name=t['Name'])['IsLogging']) for t in trails],
 'locks': [o['Key'] for o in s3.list_objects_v2(Bucket='acme-org-trail-logs').get('Contents', [])]}
";

/// One of each, and nobody holds the lock.
fn complete() -> Value {
    json!({"keys": 1, "alias of": [0], "buckets": ["acme-org-trail-logs"], "trails": [["org", true]], "locks": []})
}

/// A run that is being watched.
struct Running {
    words: String,
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    fn new(mut child: Child, words: &str) -> Self {
        Self {
            words: words.to_owned(),
            stderr: BufReader::new(child.stderr.take().unwrap()),
            child,
            said: String::new(),
        }
    }

    fn answer(mut self, text: &str) -> Self {
        // A run that was killed already does not read.
        let _ = self.child.stdin.take().unwrap().write_all(text.as_bytes());
        self
    }

    /// Reads what it tells until it has said `text`.
    #[track_caller]
    fn until(&mut self, text: &str) {
        while !self.said.contains(text) {
            let read = self.stderr.read_line(&mut self.said).unwrap();
            assert_ne!(read, 0, "it ended without saying {text:?}:\n{}", self.said);
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }

    fn finish(mut self) -> Run {
        let mut stdout = String::new();
        let stream = self.child.stdout.as_mut().unwrap();
        stream.read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut self.said).unwrap();
        Run {
            command: format!("orgtrail {}", self.words),
            code: self.child.wait().unwrap().code(),
            stdout,
            stderr: self.said.clone(),
        }
    }
}

/// A test that fails leaves no stopped process behind.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ---- killed

/// After each write in turn: SIGKILL, then the next apply. Every write whose loss is not made good is named.
#[test]
fn killed_after_any_write_the_next_apply_completes_it_and_makes_nothing_twice() {
    let rig = Rig::new();
    let example = rig.fresh();
    rig.aws.reset();
    example.run("apply --auto-approve").exits(0);
    let writes = rig.aws.writes();
    // organization 2, key 3, bucket 9, lock 3, trail 4
    assert_eq!(writes.len(), 21, "{writes:?}");
    let mut failures = Vec::new();
    for (before, write) in writes.iter().enumerate() {
        if LIKE_THE_ONE_BEFORE.contains(&write.as_str()) {
            continue;
        }
        let example = rig.fresh();
        let fault = format!("kill-after:nth={},on=write", before + 1);
        let killed = rig.killed_apply(&example, "apply", &fault);
        if killed.code.is_some() {
            killed.fail(&format!("not killed after {write}"));
        }
        if let Err(why) = goes_on(&rig, &example, write) {
            failures.push(format!("after {write}: {why}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Settings of a bucket that nothing else rests on; left out for time.
const LIKE_THE_ONE_BEFORE: [&str; 3] = [
    "s3.PutBucketOwnershipControls",
    "s3.PutBucketVersioning",
    "s3.PutBucketEncryption",
];

#[test]
fn killed_before_a_write_likewise() {
    let rig = Rig::new();
    let mut failures = Vec::new();
    for write in [
        "kms.CreateKey",
        "s3.CreateBucket",
        "s3.PutObject$",
        "cloudtrail.StartLogging",
    ] {
        let example = rig.fresh();
        let fault = format!("kill-before:match={write}");
        let killed = rig.killed_apply(&example, "apply", &fault);
        assert_eq!(killed.code, None, "{write}");
        if let Err(why) = goes_on(&rig, &example, "") {
            failures.push(format!("before {write}: {why}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The apply after a kill warns, completes, and leaves one of each and an empty plan.
fn goes_on(rig: &Rig, example: &Example, write: &str) -> Result<(), String> {
    let mut words = "apply --auto-approve".to_owned();
    if write == NEEDS_CONSENT.0 {
        let refused = example.run(&words).exits(3);
        refused.says("deletes-history");
        words.push_str(" --allow deletes-history");
    }
    let again = example.run(&words);
    if again.code != Some(0) {
        let said = again.stderr.trim();
        return Err(format!("exit code {:?}: {said}", again.code));
    }
    let warned = [
        "did not reach its end",
        "this one goes on from what is there",
    ];
    if !warned.iter().all(|text| again.stderr.contains(text)) {
        return Err(format!("no warning: {}", again.stderr));
    }
    let plan = example.run("plan --detailed-exitcode");
    if plan.code != Some(0) {
        return Err(format!("plan: {}{}", plan.stdout, plan.stderr));
    }
    let mut inventory = rig.inventory(example);
    if again.stdout.contains("No changes.") {
        // Nothing was left to do, so nothing took the lock over; see the next test.
        inventory["locks"] = json!([]);
    }
    match inventory == complete() {
        true => Ok(()),
        false => Err(inventory.to_string()),
    }
}

/// Where a kill cannot be told from a bucket that somebody else made and filled.
const NEEDS_CONSENT: (&str, &str) = (
    "s3.CreateBucket",
    "it has no owner tag yet, and its lifecycle rules would delete what may be in it",
);

#[test]
fn a_lock_left_by_a_killed_process_of_this_machine_is_taken_over() {
    let rig = Rig::new();
    let example = rig.fresh();
    let killed = rig.killed_apply(&example, "apply", "kill-before:match=s3.DeleteObject");
    assert_eq!(killed.code, None);
    assert_eq!(rig.inventory(&example)["locks"], json!([LOCK]));
    example.edit("rotation_days: 365", "rotation_days: 180");
    let again = example.run("apply --auto-approve").exits(0);
    again.says("did not reach its end");
    assert_eq!(rig.inventory(&example), complete());
    // Everything has been said: a third apply does not say it again.
    let third = example.run("apply").exits(0);
    third.never_says("did not reach its end");
}

// ---- answers that are lost, refused or slow

#[test]
fn answers_lost_after_the_effect_make_nothing_twice() {
    let rig = Rig::patient();
    let example = rig.fresh();
    rig.aws.reset();
    example.apply();
    let mut writes = rig.aws.writes();
    writes.sort();
    writes.dedup();
    // Each write loses its first answer; in the second round the lock's renewal does.
    let first = |write: &String| format!("reset-after:match=^{write}$,first=1");
    let all = writes.iter().map(first).collect();
    let renewal = vec!["reset-after:match=^s3.PutObject$,nth=2".to_owned()];
    let mut failures = Vec::new();
    for faults in [all, renewal] {
        let example = rig.fresh();
        rig.aws.config(json!({"faults": faults}));
        rig.aws.reset();
        let run = example.run("apply --auto-approve");
        let lost = rig.aws.stats()["injected"]["reset-after"].clone();
        rig.faults(&[]);
        let inventory = rig.inventory(&example);
        if run.code != Some(0) || inventory != complete() || lost != json!(faults.len()) {
            failures.push(format!(
                "{} faults, {lost} answers lost, {}{inventory}",
                faults.len(),
                run.stderr
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn connections_that_break_before_the_effect_are_tried_again() {
    let rig = Rig::patient();
    let example = rig.fresh();
    rig.faults(&["reset:on=write,every=2"]);
    example.run("apply --auto-approve").exits(0);
    rig.faults(&[]);
    assert_eq!(rig.inventory(&example), complete());
}

#[test]
fn throttling_at_the_rates_of_aws_is_waited_out() {
    let rig = Rig::patient();
    let example = rig.fresh();
    let rates = [
        r"cloudtrail\.(Get|Describe|List)=10",
        r"cloudtrail\.(?!Get|Describe|List)=1",
    ];
    rig.aws.config(json!({"rates": rates}));
    rig.aws.reset();
    let run = example.run("apply --auto-approve").exits(0);
    let throttled = rig.aws.stats()["injected"]["rate"].as_u64();
    rig.aws.config(json!({"rates": []}));
    if throttled.unwrap_or_default() == 0 {
        run.fail("nothing was throttled");
    }
    assert_eq!(rig.inventory(&example), complete());
}

#[test]
fn every_third_answer_a_503_is_tried_again() {
    let rig = Rig::patient();
    let example = rig.fresh();
    rig.faults(&[
        "503:on=write,every=3",
        "503:on=read,match=^(s3|kms|cloudtrail|iam),every=5",
    ]);
    example.run("apply --auto-approve").exits(0);
    rig.faults(&[]);
    assert_eq!(rig.inventory(&example), complete());
}

#[test]
fn access_denied_stops_its_branch_and_the_next_apply_goes_on() {
    let rig = Rig::new();
    let example = rig.fresh();
    rig.faults(&["accessdenied:match=cloudtrail.PutEventSelectors"]);
    let run = example.run("apply --auto-approve").exits(1);
    let run = run
        .says("Apply incomplete. Resources: 2 added, 1 changed, 0 destroyed.\nNot done:\n")
        .says("trail.org: cloudtrail:PutEventSelectors in management")
        .says("AccessDenied")
        .says("allow cloudtrail:PutEventSelectors for these credentials")
        .says("1 of 4 actions were not done");
    run.says("it goes on from what is there");
    assert_eq!(rig.inventory(&example)["locks"], json!([]));
    rig.faults(&[]);
    example.apply();
    assert_eq!(rig.inventory(&example), complete());
}

#[test]
fn access_denied_leaves_other_branches_alone() {
    let rig = Rig::new();
    let example = rig.fresh();
    rig.faults(&["accessdenied:match=kms.CreateKey"]);
    let run = example.run("apply --auto-approve").exits(1);
    run.says("organization.access: changed")
        .says("key.trail: kms:CreateKey in log-archive")
        .says("bucket.logs: it needs key.trail")
        .says("trail.org: it needs ")
        .says("3 of 4 actions were not done");
    rig.faults(&[]);
    example.apply();
    assert_eq!(rig.inventory(&example), complete());
}

// ---- Ctrl-C

#[test]
fn after_ctrl_c_what_runs_is_finished_and_the_rest_reported_as_not_done() {
    let example = Example::on_sandbox();
    // The last write of the second bucket: there is no doubt what runs.
    let slow = r#"[{"call": "s3.PutBucketTagging", "nth": 2, "latency_ms": 2000}]"#;
    example.work.write(FAULTS, slow);
    let words = "apply --auto-approve";
    let mut apply = Running::new(example.orgtrail(words).spawn(), words);
    apply.until("bucket.logs: creating");
    apply.signal("INT");
    apply.until("Stopping: what is being done will be finished.");
    let run = apply.finish().exits(1);
    let run = run
        .says("bucket.logs: created after")
        .says("Apply incomplete. Resources: 3 added, 1 changed, 0 destroyed.")
        .says("trail.org: interrupted")
        .says("1 of 5 actions were not done");
    run.never_says("trail.org: creating");
    assert_eq!(locks(&example), json!([]));
    example.work.write(FAULTS, "[]");
    let again = example.run(words).exits(0);
    again.says("Resources: 1 added, 0 changed, 0 destroyed.");
    example.plans_nothing();
}

// ---- two at once, and locks left behind

const FAULTS: &str = ".orgtrail/sandbox/faults.json";

/// The example on the sandbox, and an apply of two changes that is stopped (SIGSTOP) after the first.
fn busy() -> (Example, Running) {
    let example = Example::on_sandbox();
    example.run("apply --auto-approve").exits(0);
    change_key_and_trail(&example);
    // The effect is there at once, the answer comes later: time to stop it while it holds nothing but its lock.
    let slow = r#"[{"call": "kms.EnableKeyRotation", "latency_ms": 10000}]"#;
    example.work.write(FAULTS, slow);
    let words = "apply --auto-approve";
    let mut first = Running::new(example.orgtrail(words).spawn(), words);
    first.until("key.trail: changing");
    let script = "kms = client('kms')
key = kms.describe_key(KeyId='alias/org-trail')['KeyMetadata']['KeyId']
kms.get_key_rotation_status(KeyId=key)['RotationPeriodInDays']";
    let deadline = Instant::now() + Duration::from_secs(9);
    while example.boto3(&example.archive, script) != 180 {
        assert!(Instant::now() < deadline, "the key is not changed");
    }
    first.signal("STOP");
    (example, first)
}

fn change_key_and_trail(example: &Example) {
    example.edit("rotation_days: 365", "rotation_days: 180");
    let validation = "log_file_validation: true";
    let tagged = format!("{validation}\n    tags: {{ tier: gold }}");
    example.edit(validation, &tagged);
}

#[test]
fn a_second_apply_is_refused_and_told_who_holds_the_lock() {
    let (example, first) = busy();
    let second = example.run("apply --auto-approve").exits(1);
    let second = second
        .says("another apply holds the lock: ")
        .says("(arn:aws:sts::222233334444:assumed-role/OrgTrailApply/")
        .says("wait with --lock-timeout SECONDS")
        .says("unlock ")
        // The process is the end of the lock's id.
        .says(&format!("-{:x}", first.child.id()));
    second.never_says("Apply complete");
    first.signal("CONT");
    let first = first.finish().exits(0);
    first.says("Resources: 0 added, 2 changed, 0 destroyed.");
    example.plans_nothing();
    assert_eq!(locks(&example), json!([]));
}

#[test]
fn a_second_apply_that_waits_sees_what_the_first_did() {
    let (example, first) = busy();
    let words = "apply --auto-approve --lock-timeout 60";
    let mut second = Running::new(example.orgtrail(words).spawn(), words);
    second.until("Waiting for the lock of ");
    first.signal("CONT");
    let first = first.finish().exits(0);
    first.says("Resources: 0 added, 2 changed, 0 destroyed.");
    // What was confirmed is done already; it is refused rather than done on another basis.
    let second = second.finish().exits(3);
    second.says("the accounts changed while the plan was being confirmed; nothing was changed");
    assert_eq!(locks(&example), json!([]));
    let third = example.run("apply --auto-approve").exits(0);
    third.says("No changes.");
}

#[test]
fn unlock_takes_the_lock_from_a_running_apply_which_then_stops() {
    let (example, first) = busy();
    let refused = example.run("apply --auto-approve").exits(1);
    let id = refused.stderr.split(" unlock ").nth(1).unwrap();
    let id = id.split_whitespace().next().unwrap();
    let other = example.run("unlock 123").exits(1);
    other.says(&format!("unlock {id}"));
    let unlock = example.run(&format!("unlock {id}")).exits(0);
    unlock.says(&format!("Lock {id} of ")).says("removed");
    first.signal("CONT");
    let first = first.finish().exits(1);
    first
        .says("the lock was taken over by somebody")
        .says("key.trail: changed");
    example.work.write(FAULTS, "[]");
    let again = example.run("apply --auto-approve").exits(0);
    again
        .says("did not reach its end")
        .says("Resources: 0 added, 1 changed, 0 destroyed.");
    let nothing = example.run("unlock 123").exits(0);
    nothing.says("There is no lock.");
}

#[test]
fn the_lock_of_another_machine_holds_until_its_lease_ends() {
    let example = Example::on_sandbox();
    example.run("apply --auto-approve").exits(0);
    example.edit("rotation_days: 365", "rotation_days: 180");
    let lock = |expires: &str| {
        let principal = "arn:aws:iam::222233334444:user/carol";
        let holder = json!({
            "id": "abc-1", "who": "carol@elsewhere", "process": 1, "principal": principal,
            "since": "2026-01-01T00:00:00Z", "expires": expires,
        });
        let put = format!(
            "client('s3').put_object(Bucket='acme-org-trail-logs', Key='{LOCK}', Body='{holder}')"
        );
        example.boto3(&example.archive, &put);
    };
    lock("2999-01-01T00:00:00Z");
    let refused = example.run("apply --auto-approve").exits(1);
    refused
        .says(
            "another apply holds the lock: carol@elsewhere (arn:aws:iam::222233334444:user/carol)",
        )
        .says("since 2026-01-01T00:00:00Z")
        .says("unlock abc-1");
    let unlock = example.run("unlock abc-1").exits(0);
    unlock.says("Lock abc-1 of carol@elsewhere removed.");
    lock("2026-01-01T00:15:00Z");
    example.run("apply --auto-approve").exits(0);
    assert_eq!(locks(&example), json!([]));
}

/// Objects that are there under the lock's prefix.
fn locks(example: &Example) -> Value {
    let script = "[o['Key'] for o in client('s3').list_objects_v2(Bucket='acme-org-trail-logs',
        Prefix='orgtrail/').get('Contents', [])]";
    example.boto3(&example.archive, script)
}

// ---- saved plans after a kill

#[test]
fn a_saved_plan_goes_on_after_any_number_of_kills() {
    let rig = Rig::new();
    let example = rig.fresh();
    example.run("plan --out org.plan").exits(0);
    for write in [
        "kms.EnableKeyRotation",
        "s3.PutBucketTagging",
        "cloudtrail.StartLogging",
    ] {
        let fault = format!("kill-after:match={write}");
        let killed = rig.killed_apply(&example, "apply org.plan", &fault);
        if killed.code.is_some() {
            killed.fail(&format!("not killed after {write}"));
        }
    }
    let run = example.run("apply org.plan").exits(0);
    run.says("did not reach its end").never_says("stale");
    example.plans_nothing();
    assert_eq!(rig.inventory(&example), complete());
    // Now it has reached its end, and the plan is of another world.
    example.run("apply org.plan").exits(3).says("stale");
}

#[test]
fn a_saved_plan_is_refused_when_somebody_else_changed_what_the_kill_left_untouched() {
    let rig = Rig::new();
    let example = rig.fresh();
    example.apply();
    change_key_and_trail(&example);
    example.run("plan --out org.plan").exits(0);
    let fault = "kill-after:match=kms.EnableKeyRotation";
    let killed = rig.killed_apply(&example, "apply org.plan", fault);
    assert_eq!(killed.code, None);
    example.boto3(
        &example.management,
        "client('cloudtrail').stop_logging(Name='org')",
    );
    rig.aws.reset();
    let run = example.run("apply org.plan").exits(3);
    run.says("the saved plan is stale: trail.org changed since")
        .says("make the plan again");
    assert_eq!(rig.aws.writes(), [""; 0]);
}

#[test]
fn a_saved_plan_goes_on_after_a_failure() {
    let rig = Rig::new();
    let example = rig.fresh();
    example.run("plan --out org.plan").exits(0);
    rig.faults(&["accessdenied:match=cloudtrail.PutEventSelectors"]);
    example.run("apply org.plan").exits(1).says("AccessDenied");
    rig.faults(&[]);
    example.run("apply org.plan").exits(0).never_says("stale");
    example.plans_nothing();
    assert_eq!(rig.inventory(&example), complete());
}
