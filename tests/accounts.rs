//! Signing in: every way that users chain, the wrong account, failures that name profile, role and account, and no secret
//! anywhere in what orgtrail prints or keeps.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::MutexGuard;

use serde_json::Value;
use support::{Emulator, Example, Moto, Orgtrail, Proxy, Run};

/// What a profile hands out; moto takes every unknown key for the management account's.
const KEY: &str = "AKIAFROMTHEPROFILE01";
const SECRET: &str = "wJalrXUtnFEMI-secret-of-the-profile";
const TOKEN: &str = "IQoJb3JpZ2luX2Vj-token-of-the-profile";

/// The example on moto, with a home folder to configure.
struct Rig {
    example: Example,
    aws: Proxy,
    _moto: MutexGuard<'static, Emulator>,
}

impl Rig {
    fn new() -> Self {
        let moto = Moto::shared();
        let aws = moto.proxied(&["--fix", "all", "--log-bodies"]);
        let example = Example::on(aws.endpoint());
        aws.reset();
        Self {
            example,
            aws,
            _moto: moto,
        }
    }

    fn home(&self, name: &str, text: &str) -> String {
        let path = self.example.work.write(&format!("../home/{name}"), text);
        path.to_str().unwrap().to_owned()
    }

    /// The management account by a profile of its own.
    fn management_by(&self, profile: &str) {
        let region = "    region: us-east-1\n";
        self.example
            .edit(region, &format!("{region}    profile: {profile}\n"));
    }

    fn archive_by(&self, way: &str) {
        let role = "assume_role: OrgTrailApply        # a role in that account; `profile: NAME` works as well";
        self.example.edit(role, way);
    }

    /// Without any credentials in the environment.
    fn bare(&self, words: &str) -> Orgtrail {
        let run = self.example.work.orgtrail(words.split_whitespace());
        run.env("AWS_ENDPOINT_URL", self.aws.endpoint())
    }

    /// A profile whose credentials a process prints.
    fn process_profile(&self, name: &str) -> String {
        let json = format!(
            r#"{{"Version": 1, "AccessKeyId": "{KEY}", "SecretAccessKey": "{SECRET}", "SessionToken": "{TOKEN}"}}"#
        );
        let file = self.home("printed.json", &json);
        format!("[profile {name}]\ncredential_process = cat {file}\n")
    }

    /// The forms of the AssumeRole calls.
    fn assumed(&self) -> Vec<String> {
        let calls = self.aws.calls().into_iter();
        let assumed = calls.filter(|call| call["action"] == "AssumeRole");
        assumed
            .map(|call| {
                call["req"]
                    .as_str()
                    .unwrap()
                    .replace("%3A", ":")
                    .replace("%2F", "/")
            })
            .collect()
    }
}

// ---- ways in

#[test]
fn credential_process_of_a_profile() {
    let rig = Rig::new();
    rig.home(".aws/config", &rig.process_profile("audit"));
    rig.management_by("audit");
    rig.archive_by("profile: audit\n    assume_role: OrgTrailApply");
    rig.bare("plan").run().exits(0).says("Plan: 4 to add");
    // The role is assumed with them as well.
    let calls = rig.aws.calls();
    let assumed = calls.iter().find(|call| call["action"] == "AssumeRole");
    assert_eq!(assumed.unwrap()["key"], KEY);
}

#[test]
fn keys_of_the_environment_do_not_win_over_the_profile_of_the_spec() {
    let rig = Rig::new();
    rig.home(".aws/config", &rig.process_profile("audit"));
    rig.management_by("audit");
    rig.example.run("plan").exits(0);
    let calls = rig.aws.calls();
    let management = calls
        .iter()
        .filter(|call| call["svc"] == "cloudtrail" && call["action"] == "GetTrail");
    let keys: Vec<_> = management.map(|call| &call["key"]).collect();
    assert_eq!(keys, [KEY]);
}

#[test]
fn source_profile_and_role_arn_of_a_profile() {
    let rig = Rig::new();
    let archive = &rig.example.archive;
    let keys = format!("[base]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n");
    rig.home(".aws/credentials", &keys);
    let chain = format!(
        "[profile base]\n[profile middle]\nrole_arn = arn:aws:iam::{archive}:role/Jump\nsource_profile = base\n\
         external_id = chained\n[profile archive]\nrole_arn = arn:aws:iam::{archive}:role/Deep\n\
         source_profile = middle\nrole_session_name = night-run\n"
    );
    rig.home(".aws/config", &chain);
    rig.management_by("base");
    rig.archive_by("profile: archive");
    rig.bare("plan").run().exits(0).says("Plan: 4 to add");
    let assumed = rig.assumed();
    let of = |role: &str| {
        let form = assumed.iter().find(|form| form.contains(role));
        form.unwrap_or_else(|| panic!("{role}: {assumed:?}"))
    };
    assert!(
        of("role/Jump").contains("ExternalId=chained"),
        "{assumed:?}"
    );
    assert!(
        of("role/Deep").contains("RoleSessionName=night-run"),
        "{assumed:?}"
    );
}

#[test]
fn assume_role_sends_external_id_and_session_name() {
    let rig = Rig::new();
    rig.archive_by(
        "assume_role: { role: OrgTrailApply, external_id: e-4711, session_name: nightly }",
    );
    rig.example.run("plan").exits(0);
    let role = format!(
        "RoleArn=arn:aws:iam::{}:role/OrgTrailApply",
        rig.example.archive
    );
    let assumed = rig.assumed();
    assert_eq!(assumed.len(), 1, "one sign-in is enough: {assumed:?}");
    for part in [&role, "ExternalId=e-4711", "RoleSessionName=nightly"] {
        assert!(assumed[0].contains(part), "{part}: {assumed:?}");
    }
}

#[test]
fn an_external_id_that_the_trust_policy_asks_for_is_needed() {
    let example = Example::on_sandbox();
    let trust = "client('iam').update_assume_role_policy(RoleName='OrgTrailApply', PolicyDocument=json.dumps({
        'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 'sts:AssumeRole',
        'Principal': {'AWS': 'arn:aws:iam::111122223333:root'},
        'Condition': {'StringEquals': {'sts:ExternalId': 'e-4711'}}}]}))";
    example.boto3(&example.archive, trust);
    let run = example.run("plan").exits(1);
    run.says("arn:aws:iam::222233334444:role/OrgTrailApply")
        .says("external id");
    example.edit(
        "assume_role: OrgTrailApply ",
        "assume_role: { role: OrgTrailApply, external_id: e-4711 } ",
    );
    example.run("plan").exits(0);
}

// ---- failures that say which account, profile and role

#[test]
fn a_profile_whose_sso_session_is_missing_or_over() {
    let rig = Rig::new();
    let config = "[profile audit]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Audit\n\
                  [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.awsapps.com/start\n";
    rig.home(".aws/config", config);
    rig.management_by("audit");
    let says = |run: Run| {
        run.exits(1)
            .says("management 123456789012")
            .says("profile audit")
            .says("aws sso login --profile audit")
    };
    says(rig.bare("plan").run());
    // SHA-1 of the session's name.
    let cache = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
    let over = format!(
        r#"{{"accessToken": "{TOKEN}", "expiresAt": "2020-01-01T00:00:00Z", "region": "us-east-1"}}"#
    );
    rig.home(cache, &over);
    says(rig.bare("plan").run()).never_says(TOKEN);
}

#[test]
fn a_credential_process_that_fails() {
    let rig = Rig::new();
    let file = rig.home(
        "printed.json",
        &format!(r#"{{"Version": 1, "SecretAccessKey": "{SECRET}""#),
    );
    rig.home(
        ".aws/config",
        &format!("[profile audit]\ncredential_process = cat {file}\n"),
    );
    rig.management_by("audit");
    let run = rig.bare("plan").run().exits(1);
    run.says("profile audit")
        .says("management 123456789012")
        .says("credential_process")
        .never_says(SECRET);
}

#[test]
fn credentials_of_another_account_are_refused_with_both_ids() {
    let rig = Rig::new();
    rig.home(".aws/config", &rig.process_profile("archive"));
    rig.archive_by("profile: archive");
    let run = rig.example.run("plan").exits(1);
    run.says("these credentials belong to account 123456789012")
        .says(&format!("the spec says {}", rig.example.archive));
    assert_eq!(rig.aws.writes(), [""; 0]);
}

#[test]
fn a_role_that_cannot_be_assumed() {
    let rig = Rig::new();
    rig.aws
        .config(serde_json::json!({"faults": ["accessdenied:match=sts.AssumeRole"]}));
    let archive = &rig.example.archive;
    let run = rig.example.run("plan").exits(1);
    run.says(&format!("arn:aws:iam::{archive}:role/OrgTrailApply"))
        .says(&format!("log-archive {archive}"))
        .says("its trust policy names this caller");
}

#[test]
fn two_accounts_that_fail_are_both_reported() {
    let rig = Rig::new();
    rig.aws
        .config(serde_json::json!({"faults": ["accessdenied:match=sts.AssumeRole"]}));
    rig.management_by("nowhere");
    let archive = &rig.example.archive;
    let run = rig.example.run("plan").exits(1);
    let run = run
        .says("management 123456789012")
        .says("profile nowhere")
        .says(&format!("log-archive {archive}"))
        .says("role/OrgTrailApply");
    assert_eq!(run.stderr.matches("error: ").count(), 2, "{}", run.stderr);
}

// ---- secrets

#[test]
fn no_secret_is_printed_or_kept() {
    let rig = Rig::new();
    rig.home(".aws/config", &rig.process_profile("audit"));
    rig.management_by("audit");
    rig.archive_by("profile: audit\n    assume_role: { role: OrgTrailApply, external_id: e-4711 }");
    let faults = |faults: &[&str]| rig.aws.config(serde_json::json!({"faults": faults}));
    let mut runs = Vec::new();
    let mut run = |words: &str| runs.push(rig.bare(words).run());
    run("plan --out org.plan");
    run("plan --format json");
    for fault in [
        "accessdenied:match=kms.CreateKey",
        "accessdenied:match=cloudtrail.CreateTrail",
        "truncate:match=cloudtrail.CreateTrail,first=1",
    ] {
        faults(&[fault]);
        run("apply --auto-approve --allow deletes-history");
    }
    faults(&["truncate:match=sts"]);
    run("plan");
    faults(&["500:match=sts.AssumeRole"]);
    run("plan");
    faults(&[]);
    run("apply --auto-approve --allow deletes-history");
    run("drift");
    run("show org.plan");
    let codes: Vec<_> = runs.iter().map(|run| run.code.unwrap()).collect();
    assert_eq!(codes, [0, 0, 1, 1, 0, 1, 1, 0, 0, 0]);

    // The secret of the profile, and those of every session that moto gave out.
    let mut secrets = vec![SECRET.to_owned(), TOKEN.to_owned()];
    let calls = rig.aws.calls();
    let assumed = calls.iter().filter(|call| call["action"] == "AssumeRole");
    for call in assumed.filter(|call| call["status"] == 200) {
        secrets.extend(["SecretAccessKey", "SessionToken"].map(|name| element(call, name)));
    }
    assert!(secrets.len() > 10, "{}", secrets.len());
    let mut places: Vec<(String, String)> = Vec::new();
    for run in &runs {
        places.push((run.command.clone(), format!("{}{}", run.stdout, run.stderr)));
    }
    collect_files(&rig.example.work.path("."), &mut places);
    let kept: Vec<&str> = places.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["org.plan", "journal.jsonl"] {
        assert!(kept.iter().any(|kept| kept.ends_with(name)), "{kept:?}");
    }
    let locks = calls.iter().filter(|call| call["action"] == "PutObject");
    for lock in locks {
        places.push(("lock".to_owned(), lock["req"].as_str().unwrap().to_owned()));
    }
    assert!(places.iter().any(|(name, _)| name == "lock"));
    for (name, text) in &places {
        let found = secrets.iter().find(|secret| text.contains(*secret));
        assert_eq!(found, None, "in {name}: {text}");
    }
}

/// The text of an element of a call's XML answer.
fn element(call: &Value, name: &str) -> String {
    let answer = call["resp"].as_str().unwrap();
    let rest = answer.split(&format!("<{name}>")).nth(1).unwrap();
    rest.split('<').next().unwrap().to_owned()
}

fn collect_files(folder: &Path, places: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_files(&path, places);
        } else {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            places.push((path.display().to_string(), text));
        }
    }
}
