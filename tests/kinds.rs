//! The scenario of each kind: steps of a spec, each planned as written down, applied, and followed by an empty plan. They
//! run on the sandbox, on moto and on ministack; what an emulator cannot show is listed with the reason.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod support;

use serde::Deserialize;
use support::{Ministack, Moto, Prepared, Run, Workspace, prepare_organization};

const SCENARIOS: [(&str, &str); 4] = [
    ("organization", include_str!("kinds/organization.yaml")),
    ("kms_key", include_str!("kinds/kms_key.yaml")),
    ("log_bucket", include_str!("kinds/log_bucket.yaml")),
    ("trail", include_str!("kinds/trail.yaml")),
];

#[derive(Deserialize)]
struct Step {
    step: String,
    spec: String,
    /// `SYMBOL ADDRESS [PATH]`, one for each change; creations and deletions have no path.
    plan: Vec<String>,
    #[serde(default)]
    allow: Vec<String>,
}

/// Where a scenario runs.
enum Server<'a> {
    Sandbox,
    Emulator {
        endpoint: &'a str,
        organization: &'a Prepared,
    },
}

impl Server<'_> {
    /// The scenario's ids are the sandbox's; emulators make up their own.
    fn localize(&self, spec: &str) -> String {
        match self {
            Server::Sandbox => spec.to_owned(),
            Server::Emulator { organization, .. } => spec
                .replace("111122223333", &organization.management_id)
                .replace("o-a1b2c3d4e5", &organization.organization_id),
        }
    }

    fn run(&self, work: &Workspace, arguments: &[&str]) -> Run {
        let mut arguments = arguments.to_vec();
        match self {
            Server::Sandbox => {
                arguments.push("--sandbox");
                work.orgtrail(&arguments).run()
            }
            Server::Emulator { endpoint, .. } => work.orgtrail(&arguments).aws(endpoint).run(),
        }
    }
}

fn play(name: &str, server: &Server<'_>) {
    let (_, text) = SCENARIOS.iter().find(|(other, _)| *other == name).unwrap();
    let steps: Vec<Step> = serde_yaml::from_str(text).unwrap();
    let work = Workspace::new();
    for step in &steps {
        let title = format!("{name}: {}", step.step);
        work.write("orgtrail.yaml", &server.localize(&step.spec));
        let plan = server.run(&work, &["plan", "--format", "json"]).exits(0);
        assert_eq!(lines(&plan.json()), step.plan, "{title}");
        let mut apply = vec!["apply", "--auto-approve"];
        for risk in &step.allow {
            apply.extend(["--allow", risk]);
        }
        if !step.allow.is_empty() {
            server
                .run(&work, &["apply", "--auto-approve"])
                .exits(3)
                .says("consent");
        }
        server.run(&work, &apply).exits(0);
        server
            .run(&work, &["plan", "--detailed-exitcode"])
            .exits(0)
            .says("No changes.");
    }
}

fn lines(plan: &serde_json::Value) -> Vec<String> {
    let mut lines = Vec::new();
    for action in plan["actions"].as_array().unwrap() {
        let address = action["address"].as_str().unwrap();
        match action["verb"].as_str().unwrap() {
            "create" => lines.push(format!("+ {address}")),
            "delete" => lines.push(format!("- {address}")),
            _ if address == "organization.access" => lines.push(format!("~ {address}")),
            _ => {
                let mut paths: Vec<&str> = Vec::new();
                for change in action["changes"].as_array().unwrap() {
                    let path = change["path"].as_str().unwrap();
                    // Selectors change as a set.
                    let path = if path.starts_with("selectors.") {
                        "selectors"
                    } else {
                        path
                    };
                    if !paths.contains(&path) {
                        paths.push(path);
                    }
                }
                lines.extend(paths.iter().map(|path| format!("~ {address} {path}")));
            }
        }
    }
    lines
}

#[test]
fn on_the_sandbox() {
    for (name, _) in SCENARIOS {
        play(name, &Server::Sandbox);
    }
}

/// Behind the proxy that mends moto's departures from AWS; tests/emulators/SUPPORT.md lists them.
#[test]
fn on_moto() {
    let moto = Moto::shared();
    for (name, _) in SCENARIOS {
        moto.reset();
        let aws = moto.proxied(&["--fix", "all"]);
        let organization = prepare_organization(aws.endpoint());
        play(
            name,
            &Server::Emulator {
                endpoint: aws.endpoint(),
                organization: &organization,
            },
        );
    }
}

/// Scenarios that ministack cannot play, and why.
const NOT_ON_MINISTACK: [(&str, &str); 0] = [];

#[test]
fn on_ministack() {
    let ministack = Ministack::shared();
    for (name, _) in SCENARIOS {
        if NOT_ON_MINISTACK.iter().any(|(other, _)| *other == name) {
            continue;
        }
        ministack.reset();
        let aws = ministack.proxied(&["--fix", "all"]);
        let organization = prepare_organization(aws.endpoint());
        play(
            name,
            &Server::Emulator {
                endpoint: aws.endpoint(),
                organization: &organization,
            },
        );
    }
}
