//! The pull-request integration in `examples/github` and `examples/gitlab`, run for real: `action.yml` is read and its
//! steps are carried out as GitHub's runner would, with bash, git, curl and python3, against a server in this process
//! that plays the comments APIs of both forges. `orgtrail check` is the real one, `cost` and `plan` are a stub.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

const SPEC: &str = include_str!("../examples/orgtrail.yaml");
const GUIDE: &str = include_str!("../docs/pull-request.md");
const MARKER: &str = "<!-- orgtrail:acme-audit -->";
/// Looks like the token of GitHub Actions.
const TOKEN: &str = "ghs_notInAnyLog";
const PERSONAL: &str = "ghp_notInAnyLog";
const BOT: (&str, &str) = ("github-actions[bot]", "Bot");

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn yaml(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

// ---- the files -----------------------------------------------------------------------------------

fn scripts() -> Vec<PathBuf> {
    let folders = ["github", "gitlab"].map(|folder| fs::read_dir(examples().join(folder)).unwrap());
    let mut scripts: Vec<PathBuf> = folders
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "sh"));
    scripts.sort();
    scripts
}

#[test]
fn scripts_are_valid_bash_and_strict() {
    let scripts = scripts();
    assert_eq!(scripts.len(), 9, "{scripts:?}");
    for path in scripts {
        let output = Command::new("bash").arg("-n").arg(&path).output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{path:?}: {output:?}"
        );
        let text = fs::read_to_string(&path).unwrap();
        let sourced = path.ends_with("lib.sh");
        assert!(
            sourced || text.starts_with("#!/usr/bin/env bash\n"),
            "{path:?}"
        );
        assert!(
            sourced || text.contains("\nset -euo pipefail\n"),
            "{path:?}"
        );
        assert!(!text.contains("eval ") && !text.contains("${{"), "{path:?}");
    }
}

/// What a user gives never becomes text of a script: it would be run.
#[test]
fn nothing_is_interpolated_into_a_script() {
    let action = yaml(&examples().join("github/action.yml"));
    for step in action["runs"]["steps"].as_array().unwrap() {
        if let Some(run) = step["run"].as_str() {
            assert!(!run.contains("${{"), "{run}");
            let script = run.strip_prefix("bash \"$GITHUB_ACTION_PATH/").unwrap();
            let script = examples().join("github").join(script.trim_end_matches('"'));
            let text = fs::read_to_string(&script).unwrap()
                + &fs::read_to_string(examples().join("github/lib.sh")).unwrap();
            for name in step["env"].as_object().unwrap().keys() {
                assert!(text.contains(name), "{script:?} does not read {name}");
            }
        }
    }
}

#[test]
fn other_actions_are_pinned_by_commit() {
    let action = yaml(&examples().join("github/action.yml"));
    let workflow = yaml(&examples().join("github/orgtrail.yml"));
    let steps = [&action["runs"]["steps"], &workflow["jobs"]["cost"]["steps"]];
    let steps = steps
        .into_iter()
        .flat_map(|steps| steps.as_array().unwrap());
    let uses: Vec<&str> = steps.filter_map(|step| step["uses"].as_str()).collect();
    assert_eq!(uses.len(), 5);
    for action in uses {
        let commit = action.split('@').nth(1).unwrap_or_default();
        let pinned = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
        assert!(pinned || action == "./.github/actions/orgtrail", "{action}");
    }
}

#[test]
fn the_workflow_asks_for_the_least() {
    let workflow = yaml(&examples().join("github/orgtrail.yml"));
    assert_eq!(workflow["permissions"], json!({}));
    let job = &workflow["jobs"]["cost"];
    assert_eq!(
        job["permissions"],
        json!({ "contents": "read", "pull-requests": "write" })
    );
    assert_eq!(job["steps"][0]["with"]["persist-credentials"], json!(false));
    assert!(
        workflow["on"]["pull_request"]["paths"]
            .as_array()
            .unwrap()
            .contains(&json!("orgtrail.yaml"))
    );
    let action = yaml(&examples().join("github/action.yml"));
    for name in job["steps"][1]["with"].as_object().unwrap().keys() {
        assert!(action["inputs"].get(name).is_some(), "{name}");
    }
}

#[test]
fn the_guide_names_every_input_and_output() {
    let action = yaml(&examples().join("github/action.yml"));
    for list in ["inputs", "outputs"] {
        for name in action[list].as_object().unwrap().keys() {
            assert!(GUIDE.contains(&format!("`{name}`")), "{name}");
        }
    }
    let job = &yaml(&examples().join("gitlab/orgtrail.gitlab-ci.yml"))["orgtrail"];
    for name in job["variables"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| name.starts_with("ORGTRAIL_"))
    {
        assert!(
            scripts()
                .iter()
                .any(|path| fs::read_to_string(path).unwrap().contains(name)),
            "{name}"
        );
    }
}

// ---- a forge -------------------------------------------------------------------------------------

#[derive(Clone, Debug)]
struct Comment {
    id: u64,
    login: String,
    kind: String,
    body: String,
}

#[derive(Clone, Debug)]
struct Request {
    method: String,
    path: String,
    token: String,
}

/// An answer that is given instead of the right one.
struct Fault {
    method: &'static str,
    path: &'static str,
    status: u16,
    body: &'static str,
    times: usize,
}

#[derive(Default)]
struct State {
    comments: Vec<Comment>,
    requests: Vec<Request>,
    faults: Vec<Fault>,
    /// Comments on a page, whatever was asked for.
    page: usize,
}

/// The comments API of pull request 7 of acme/audit (GitHub), and of merge request 7 of project 42 (GitLab).
struct Server {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            page: 100,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &shared);
            }
        });
        Self { address, state }
    }

    fn comment(&self, (login, kind): (&str, &str), body: &str) -> u64 {
        let mut state = self.state.lock().unwrap();
        let id = 1000 + state.comments.len() as u64;
        state.comments.push(Comment {
            id,
            login: login.to_owned(),
            kind: kind.to_owned(),
            body: body.to_owned(),
        });
        id
    }

    fn fault(&self, method: &'static str, path: &'static str, status: u16, body: &'static str) {
        self.state.lock().unwrap().faults.push(Fault {
            method,
            path,
            status,
            body,
            times: usize::MAX,
        });
    }

    fn bodies(&self) -> Vec<String> {
        self.state
            .lock()
            .unwrap()
            .comments
            .iter()
            .map(|comment| comment.body.clone())
            .collect()
    }

    fn requests(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state
            .requests
            .iter()
            .map(|request| format!("{} {}", request.method, request.path))
            .collect()
    }

    fn writes(&self) -> Vec<String> {
        self.requests()
            .into_iter()
            .filter(|request| !request.starts_with("GET "))
            .collect()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap_or_default());
    let (mut length, mut token) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" | "private-token" => token = format!("{name}: {value}"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut state = state.lock().unwrap();
    let request = Request {
        method,
        path,
        token,
    };
    state.requests.push(request.clone());
    let (status, headers, answer) = answer(&mut state, &request, &body);
    let answer = format!(
        "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{answer}",
        answer.len()
    );
    reader.get_mut().write_all(answer.as_bytes()).unwrap();
}

fn answer(state: &mut State, request: &Request, body: &[u8]) -> (u16, String, String) {
    let path = request.path.split('?').next().unwrap();
    let fault = |fault: &&mut Fault| {
        fault.times > 0 && fault.method == request.method && request.path.contains(fault.path)
    };
    if let Some(fault) = state.faults.iter_mut().find(fault) {
        fault.times -= 1;
        return (fault.status, String::new(), fault.body.to_owned());
    }
    let github = request.token.starts_with("Authorization: Bearer gh");
    if !github && request.token != format!("PRIVATE-TOKEN: {PERSONAL}") {
        return (
            401,
            String::new(),
            json!({ "message": "Bad credentials" }).to_string(),
        );
    }
    let (all, one, update) = match github {
        true => (
            "/repos/acme/audit/issues/7/comments",
            "/repos/acme/audit/issues/comments/",
            "PATCH",
        ),
        false => (
            "/projects/42/merge_requests/7/notes",
            "/projects/42/merge_requests/7/notes/",
            "PUT",
        ),
    };
    let me = match (github, request.token.ends_with(TOKEN)) {
        (true, true) => BOT,
        (true, false) => ("jane", "User"),
        (false, _) => ("project_42_bot", ""),
    };
    let text = || {
        serde_json::from_slice::<Value>(body).unwrap()["body"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let place = |state: &State| {
        let id: u64 = path.strip_prefix(one)?.parse().ok()?;
        state.comments.iter().position(|comment| comment.id == id)
    };
    let ok = |answer: Value| (200, String::new(), answer.to_string());
    match request.method.as_str() {
        "GET" if path == "/user" && me.1 != "Bot" => ok(json!({ "login": me.0, "username": me.0 })),
        "GET" if path == "/user" => (
            403,
            String::new(),
            json!({ "message": "Resource not accessible by integration" }).to_string(),
        ),
        "GET" if path == all => {
            let query = request
                .path
                .split(['?', '&'])
                .find_map(|pair| pair.strip_prefix("page="));
            let start = (query.unwrap().parse::<usize>().unwrap() - 1) * state.page;
            let shown = state
                .comments
                .iter()
                .skip(start)
                .take(state.page)
                .map(shown)
                .collect();
            let more = state.comments.len() > start + state.page;
            let link = if more {
                "Link: <http://x/?page=9>; rel=\"next\", <http://x/>; rel=\"last\"\r\n"
            } else {
                ""
            };
            (200, link.to_owned(), Value::Array(shown).to_string())
        }
        "POST" if path == all => {
            let id = 2000 + state.comments.len() as u64;
            let comment = Comment {
                id,
                login: me.0.to_owned(),
                kind: me.1.to_owned(),
                body: text(),
            };
            state.comments.push(comment.clone());
            (201, String::new(), shown(&comment).to_string())
        }
        method if method == update || method == "DELETE" => match place(state) {
            Some(at) if method == "DELETE" => {
                state.comments.remove(at);
                (204, String::new(), String::new())
            }
            Some(at) => {
                state.comments[at].body = text();
                ok(shown(&state.comments[at]))
            }
            None => (
                404,
                String::new(),
                json!({ "message": "Not Found" }).to_string(),
            ),
        },
        _ => (
            404,
            String::new(),
            json!({ "message": "Not Found" }).to_string(),
        ),
    }
}

/// Both forges' shapes in one.
fn shown(comment: &Comment) -> Value {
    json!({
        "id": comment.id,
        "body": comment.body,
        "user": { "login": comment.login, "type": comment.kind },
        "author": { "username": comment.login },
    })
}

// ---- a repository and its runner -----------------------------------------------------------------

/// A repository whose checkout is the trial merge of a pull request, and what its runner has.
struct Project {
    root: TempDir,
    server: Server,
    inputs: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    base: String,
    head: String,
    head_repository: String,
    /// Actions of others that fail.
    broken: Vec<&'static str>,
}

const STUB: &str = r#"#!/usr/bin/env bash
stub='STUB'
{ printf '%q ' "$@"; echo; } >> "$stub/calls"
next=
for argument; do
  case $next$argument in
    --format*json) format=json ;;
    --format*markdown) format=markdown ;;
    --out=*) out=${argument#--out=} ;;
  esac
  next=
  [ "$argument" != --format ] || next=--format
done
case $1 in
  --version) cat "$stub/version" ;;
  check) exec "$ORGTRAIL_REAL" "$@" ;;
  cost)
    [ -z "${ORGTRAIL_ALL_REAL:-}" ] || exec "$ORGTRAIL_REAL" "$@"
    cat "$stub/cost.err" >&2
    code=$(< "$stub/cost.code")
    [ "$code" != 1 ] && cat "$stub/cost.$format" > "$out"
    exit "$code"
    ;;
  plan)
    cat "$stub/plan.txt"
    cat "$stub/plan.err" >&2
    echo '{}' > "$out"
    code=$(< "$stub/plan.code")
    [[ $code != 2 || "$*" == *--detailed-exitcode* ]] || code=0
    exit "$code"
    ;;
esac
"#;

impl Project {
    /// The base has the example, the pull request adds a tag.
    fn new() -> Self {
        Self::of(
            &[("orgtrail.yaml", SPEC)],
            &[(
                "orgtrail.yaml",
                &SPEC.replace("team: security", "team: safety"),
            )],
        )
    }

    fn of(before: &[(&str, &str)], after: &[(&str, &str)]) -> Self {
        let mut project = Self {
            root: TempDir::new().unwrap(),
            server: Server::start(),
            inputs: BTreeMap::new(),
            environment: BTreeMap::new(),
            base: String::new(),
            head: String::new(),
            head_repository: "acme/audit".to_owned(),
            broken: Vec::new(),
        };
        for folder in ["repo", "bin", "stub", "temp", "home", "tools"] {
            fs::create_dir(project.path(folder)).unwrap();
        }
        project.git("init --quiet --initial-branch=main");
        project.commit("base", before);
        project.base = project.git("rev-parse HEAD");
        project.git("checkout --quiet -b change");
        project.commit("change", after);
        project.git("checkout --quiet main");
        project.git("merge --quiet --no-ff --no-edit change");
        project.head = project.git("rev-parse HEAD");

        let stub = STUB.replace("STUB", project.path("stub").to_str().unwrap());
        project.program("orgtrail", &stub);
        for (name, text) in [
            ("version", "orgtrail 0.1.0\n"),
            ("calls", ""),
            ("cost.err", ""),
            ("plan.err", ""),
        ] {
            project.stub(name, text);
        }
        project.stub(
            "plan.txt",
            "  ~ trail.org\n\nPlan: 0 to add, 1 to change, 0 to destroy.\n",
        );
        project.stub("plan.code", "2");
        project.cost(0, Some(("12.50", "25.00")));
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn commit(&self, message: &str, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = self.path("repo").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        self.git("add --all");
        self.git(&format!("commit --quiet --allow-empty --message {message}"));
    }

    #[track_caller]
    fn git(&self, arguments: &str) -> String {
        self.git_in("repo", arguments)
    }

    #[track_caller]
    fn git_in(&self, folder: &str, arguments: &str) -> String {
        let output = Command::new("git")
            .current_dir(self.path(folder))
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.com",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(["-c", "init.templateDir="])
            .args(arguments.split(' '))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn program(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn stub(&self, name: &str, text: &str) {
        fs::write(self.path("stub").join(name), text).unwrap();
    }

    /// What `orgtrail cost` does: its exit code, and the increase with its percentage, none when nothing changes.
    fn cost(&self, code: u8, increase: Option<(&str, &str)>) {
        let (increase, percent) = increase.unwrap_or(("0", "0"));
        let lines = match increase {
            "0" => json!([]),
            _ => {
                json!([{ "address": "trail.org", "label": "data events", "old": "50.00", "new": "62.50" }])
            }
        };
        let report = json!({
            "format_version": "1.0",
            "spec": "acme-audit",
            "total": { "low": "60.00", "expected": "62.50", "high": "70.00" },
            "unknown": 1,
            "diff": { "old_total": "50.00", "new_total": "62.50", "increase": increase, "percent": percent, "lines": lines },
            "budget": { "kept": code != 3, "reasons": ["$62.50 a month is $2.50 over the budget of $60.00"] },
        });
        self.stub("cost.json", &report.to_string());
        self.stub("cost.code", &code.to_string());
        self.comment_says(&format!("+${increase} a month"));
    }

    fn comment_says(&self, text: &str) {
        self.stub(
            "cost.markdown",
            &format!("{MARKER}\n#### orgtrail: {text}\n"),
        );
    }

    /// The calls of orgtrail, `check` left out.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("stub/calls")).unwrap();
        let calls = calls
            .lines()
            .filter(|call| call.starts_with("cost") || call.starts_with("plan"));
        calls.map(|call| call.trim_end().to_owned()).collect()
    }

    #[must_use]
    fn input(mut self, name: &str, value: &str) -> Self {
        self.inputs.insert(name.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    fn fork(mut self) -> Self {
        "stranger/audit".clone_into(&mut self.head_repository);
        self
    }

    fn command(&self, script: &str, folder: &str) -> Command {
        let mut command = Command::new("bash");
        let path = format!(
            "{}:{}",
            self.path("bin").display(),
            std::env::var("PATH").unwrap()
        );
        command
            .args([
                "--noprofile",
                "--norc",
                "-e",
                "-o",
                "pipefail",
                "-c",
                script,
            ])
            .current_dir(self.path(folder))
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path("home"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("ORGTRAIL_REAL", env!("CARGO_BIN_EXE_orgtrail"))
            .envs(&self.environment)
            .stdin(Stdio::null());
        command
    }

    // ---- GitHub

    fn github(&self) -> Job {
        self.github_in("repo")
    }

    /// Carries out `action.yml`.
    fn github_in(&self, folder: &str) -> Job {
        let action = yaml(&examples().join("github/action.yml"));
        let mut context = BTreeMap::from([
            ("github.token".to_owned(), TOKEN.to_owned()),
            (
                "runner.temp".to_owned(),
                self.path("temp").display().to_string(),
            ),
            (
                "runner.tool_cache".to_owned(),
                self.path("tools").display().to_string(),
            ),
            (
                "github.event.pull_request.number".to_owned(),
                "7".to_owned(),
            ),
            (
                "github.event.pull_request.head.repo.full_name".to_owned(),
                self.head_repository.clone(),
            ),
            (
                "github.event.pull_request.base.sha".to_owned(),
                self.base.clone(),
            ),
        ]);
        for (name, input) in action["inputs"].as_object().unwrap() {
            let default = expand(input["default"].as_str().unwrap(), &context);
            let value = self.inputs.get(name).cloned().unwrap_or(default);
            context.insert(format!("inputs.{name}"), value);
        }
        assert!(
            self.inputs
                .keys()
                .all(|name| action["inputs"].get(name).is_some()),
            "{:?}",
            self.inputs
        );
        let mut job = Job::default();
        for step in action["runs"]["steps"].as_array().unwrap() {
            self.step(step, &mut context, &mut job, folder);
        }
        let outputs = action["outputs"].as_object().unwrap().iter();
        job.outputs = outputs
            .map(|(name, output)| {
                (
                    name.clone(),
                    expand(output["value"].as_str().unwrap(), &context),
                )
            })
            .collect();
        job.summary = fs::read_to_string(self.path("summary")).unwrap_or_default();
        job.commands = commands(&job.log);
        job
    }

    fn step(
        &self,
        step: &Value,
        context: &mut BTreeMap<String, String>,
        job: &mut Job,
        folder: &str,
    ) {
        let name = step["name"].as_str().unwrap();
        if !holds(
            step["if"].as_str().unwrap_or("success()"),
            context,
            job.code == 0,
        ) {
            return;
        }
        job.steps.push(name.to_owned());
        let id = step["id"].as_str().unwrap_or(name).to_owned();
        let code = if let Some(script) = step["run"].as_str() {
            let outputs = self.path("outputs");
            fs::write(&outputs, "").unwrap();
            let mut command = self.command(script, folder);
            for (name, value) in step["env"].as_object().unwrap() {
                command.env(name, expand(value.as_str().unwrap(), context));
            }
            let output = command
                .env("GITHUB_ACTIONS", "true")
                .env("GITHUB_ACTION_PATH", examples().join("github"))
                .env("GITHUB_API_URL", &self.server.address)
                .env("GITHUB_REPOSITORY", "acme/audit")
                .env(
                    "GITHUB_ACTOR",
                    self.environment
                        .get("GITHUB_ACTOR")
                        .map_or("jane", String::as_str),
                )
                .env("GITHUB_SHA", &self.head)
                .env("GITHUB_REF", "refs/pull/7/merge")
                .env("GITHUB_OUTPUT", &outputs)
                .env("GITHUB_PATH", self.path("added-path"))
                .env("GITHUB_STEP_SUMMARY", self.path("summary"))
                .output()
                .unwrap();
            job.log += &String::from_utf8(output.stdout).unwrap();
            job.log += &String::from_utf8(output.stderr).unwrap();
            for (output, value) in heredocs(&fs::read_to_string(&outputs).unwrap()) {
                context.insert(format!("steps.{id}.outputs.{output}"), value);
            }
            output.status.code().unwrap()
        } else {
            let uses = step["uses"].as_str().unwrap();
            i32::from(self.broken.iter().any(|broken| uses.starts_with(broken)))
        };
        context.insert(
            format!("steps.{id}.outcome"),
            if code == 0 { "success" } else { "failure" }.to_owned(),
        );
        if code != 0 {
            job.code = code;
        }
    }

    // ---- GitLab

    /// Runs the scripts of the GitLab job, copied as the guide says.
    fn gitlab(&self) -> Job {
        let copy = "cp \"$ORGTRAIL\"/examples/github/{lib,install,start,check,cost,comment,gate}.sh \
                    \"$ORGTRAIL\"/examples/github/forge.py \"$ORGTRAIL\"/examples/gitlab/job.sh ci/orgtrail/";
        assert!(GUIDE.contains(copy), "the guide copies other files");
        let job = &yaml(&examples().join("gitlab/orgtrail.gitlab-ci.yml"))["orgtrail"];
        let script: Vec<&str> = job["script"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line.as_str().unwrap())
            .collect();
        let mut command = self.command(
            &format!("mkdir -p ci/orgtrail; {copy}\n{}", script.join("\n")),
            "repo",
        );
        let results = self.path("repo/.orgtrail-results");
        for (name, value) in job["variables"].as_object().unwrap() {
            let value = value
                .as_str()
                .unwrap()
                .replace("$CI_PROJECT_DIR", self.path("repo").to_str().unwrap());
            command.env(name, value);
        }
        let output = command
            .env("ORGTRAIL", examples().parent().unwrap())
            .env("ORGTRAIL_TOKEN", PERSONAL)
            .env("CI_API_V4_URL", &self.server.address)
            .env("CI_MERGE_REQUEST_IID", "7")
            .env("CI_MERGE_REQUEST_PROJECT_ID", "42")
            .env("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "42")
            .env("CI_MERGE_REQUEST_DIFF_BASE_SHA", &self.base)
            .envs(&self.environment)
            .output()
            .unwrap();
        let outputs = fs::read_to_string(results.join("outputs.env")).unwrap_or_default();
        Job {
            code: output.status.code().unwrap(),
            log: String::from_utf8(output.stdout).unwrap()
                + &String::from_utf8(output.stderr).unwrap(),
            outputs: outputs
                .lines()
                .map(|line| line.split_once('=').unwrap())
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            summary: fs::read_to_string(results.join("summary.md")).unwrap_or_default(),
            ..Job::default()
        }
    }
}

/// What a job came to.
#[derive(Debug, Default)]
struct Job {
    /// Of the last step that failed.
    code: i32,
    steps: Vec<String>,
    log: String,
    outputs: BTreeMap<String, String>,
    summary: String,
    /// What the runner would take for commands: `error title=orgtrail|the message`.
    commands: Vec<String>,
}

impl Job {
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}\n{}", self.log);
        assert!(
            !self.log.contains("notInAnyLog") && !self.summary.contains("notInAnyLog"),
            "{}",
            self.log
        );
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(self.log.contains(text), "{text:?} is not in\n{}", self.log);
        self
    }

    #[track_caller]
    fn commands_are(self, commands: &[&str]) -> Self {
        assert_eq!(self.commands, commands, "{}", self.log);
        self
    }

    #[track_caller]
    fn output(self, name: &str, value: &str) -> Self {
        assert_eq!(
            self.outputs.get(name).map(String::as_str),
            Some(value),
            "{name} in {:?}",
            self.outputs
        );
        self
    }
}

/// `${{ a.b }}` by what the context has; what it does not have is empty, as in GitHub's own.
fn expand(text: &str, context: &BTreeMap<String, String>) -> String {
    let mut parts = text.split("${{");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap();
        out += context.get(name.trim()).map_or("", String::as_str);
        out += rest;
    }
    out
}

/// The conditions that `action.yml` uses. Without a status function a step runs only after success.
fn holds(condition: &str, context: &BTreeMap<String, String>, success: bool) -> bool {
    let condition = condition
        .trim_start_matches("${{")
        .trim_end_matches("}}")
        .trim();
    let mut held = condition.contains("!cancelled()") || success;
    for term in condition.split(" && ").filter(|term| !term.ends_with("()")) {
        let words: Vec<&str> = term.split(' ').collect();
        let [name, operator, value] = words.as_slice() else {
            panic!("{condition}");
        };
        let actual = context.get(*name).map_or("", String::as_str);
        held &= (actual == value.trim_matches('\'')) == (*operator == "==");
    }
    held
}

/// `$GITHUB_OUTPUT` as the runner reads it.
fn heredocs(text: &str) -> Vec<(String, String)> {
    let mut outputs = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, delimiter) = line
            .split_once("<<")
            .unwrap_or_else(|| panic!("{line:?} in {text}"));
        let value: Vec<&str> = lines
            .by_ref()
            .take_while(|line| *line != delimiter)
            .collect();
        assert!(delimiter.len() > 30, "{delimiter} can be guessed");
        outputs.push((name.to_owned(), value.join("\n")));
    }
    outputs
}

/// The log as the runner reads it: lines that begin with `::`, or hold `##[`, unless stopped.
fn commands(log: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut stopped: Option<String> = None;
    for line in log.lines() {
        if let Some(token) = &stopped {
            if line == format!("::{token}::") {
                stopped = None;
            }
        } else if let Some(token) = line.strip_prefix("::stop-commands::") {
            assert!(token.len() >= 32, "{token} can be guessed");
            stopped = Some(token.to_owned());
        } else if let Some(command) = line.trim_start().strip_prefix("::") {
            let (command, message) = command.split_once("::").unwrap();
            commands.push(format!(
                "{command}|{}",
                message
                    .replace("%0D", "\r")
                    .replace("%0A", "\n")
                    .replace("%25", "%")
            ));
        } else {
            assert!(!line.contains("##["), "{line}");
        }
    }
    assert_eq!(stopped, None, "commands stay stopped");
    commands
}

// ---- GitHub: the comment -------------------------------------------------------------------------

#[test]
fn first_run_creates_the_comment_and_the_second_updates_it() {
    let project = Project::new();
    let job = project.github().exits(0).commands_are(&[]);
    assert_eq!(
        job.steps,
        [
            "Install orgtrail",
            "Check out the base",
            "Check the spec",
            "Estimate the cost",
            "Comment",
            "Verdict"
        ]
    );
    let job = job
        .output("monthly", "62.50")
        .output("increase", "12.50")
        .output("percent", "25.00");
    let job = job
        .output("changed", "true")
        .output("refused", "false")
        .output("unknown", "1")
        .output("plan", "");
    assert!(job.summary.contains("+$12.50 a month"), "{}", job.summary);
    assert_eq!(
        project.server.bodies(),
        [format!("{MARKER}\n#### orgtrail: +$12.50 a month\n")]
    );
    assert_eq!(
        project.server.writes(),
        ["POST /repos/acme/audit/issues/7/comments"]
    );

    project.cost(0, Some(("20", "40.00")));
    project.github().exits(0).says("comment 2000 updated");
    assert_eq!(
        project.server.bodies(),
        [format!("{MARKER}\n#### orgtrail: +$20 a month\n")]
    );
    assert_eq!(
        project.server.writes()[1..],
        ["PATCH /repos/acme/audit/issues/comments/2000"]
    );
}

#[test]
fn the_comment_is_found_on_a_later_page() {
    let project = Project::new();
    project.server.state.lock().unwrap().page = 2;
    for _ in 0..3 {
        project.server.comment(("jane", "User"), "looks good");
    }
    let ours = project.server.comment(BOT, &format!("{MARKER}\r\nold"));
    project.server.comment(("jane", "User"), "ship it");
    project
        .github()
        .exits(0)
        .says(&format!("comment {ours} updated"));
    assert_eq!(project.server.bodies().len(), 5);
    let pages = project
        .server
        .requests()
        .iter()
        .filter(|request| request.starts_with("GET "))
        .count();
    assert_eq!(pages, 2, "{:?}", project.server.requests());
}

#[test]
fn comments_of_others_and_of_other_specs_are_left_alone() {
    let project = Project::new();
    let others = [
        (("mallory", "User"), format!("{MARKER}\nfree of charge!")),
        (BOT, format!("> {MARKER}\nquoted")),
        (
            BOT,
            "<!-- orgtrail:acme-audit-2 -->\nanother spec".to_owned(),
        ),
        (BOT, format!("{MARKER} and more")),
    ];
    for (author, body) in &others {
        project.server.comment(*author, body);
    }
    project.github().exits(0);
    let bodies = project.server.bodies();
    assert_eq!(bodies[..4], others.map(|(_, body)| body));
    assert_eq!(bodies.len(), 5);
}

#[test]
fn with_a_users_token_the_comment_is_the_users() {
    let project = Project::new().input("github-token", PERSONAL);
    project.server.comment(BOT, &format!("{MARKER}\nof a bot"));
    project.github().exits(0).says("comment 2001 created");
    project.github().exits(0).says("comment 2001 updated");
    let token = project.server.state.lock().unwrap().requests[0]
        .token
        .clone();
    assert_eq!(token, format!("Authorization: Bearer {PERSONAL}"));
}

#[test]
fn modes_of_commenting() {
    let project = Project::new().input("comment", "new");
    project.github().exits(0);
    project.github().exits(0);
    assert_eq!(project.server.bodies().len(), 2);

    let project = Project::new().input("comment", "off");
    let job = project.github().exits(0);
    assert!(project.server.requests().is_empty() && job.summary.contains("+$12.50"));

    let project = Project::new().input("comment", "sometimes");
    project
        .github()
        .exits(1)
        .commands_are(&["error title=orgtrail|comment must be update, new or off"]);
}

#[test]
fn a_change_that_is_taken_back() {
    let project = Project::new();
    project.cost(0, None);
    project
        .github()
        .exits(0)
        .output("changed", "false")
        .says("nothing to comment on");
    assert_eq!(project.server.bodies(), [""; 0]);

    let ours = project
        .server
        .comment(BOT, &format!("{MARKER}\n+$12.50 a month"));
    project.comment_says("no change");
    project
        .github()
        .exits(0)
        .says(&format!("comment {ours} updated"));
    assert_eq!(
        project.server.bodies(),
        [format!("{MARKER}\n#### orgtrail: no change\n")]
    );

    let project = project.input("unchanged", "delete");
    project
        .github()
        .exits(0)
        .says(&format!("comment {ours} deleted"));
    assert_eq!(project.server.bodies(), [""; 0]);
}

#[test]
fn a_comment_that_vanishes_meanwhile_is_written_again() {
    let project = Project::new();
    project.server.comment(BOT, MARKER);
    project.server.fault("PATCH", "/comments/", 404, "{}");
    project.github().exits(0).says("created");
}

#[test]
fn errors_of_the_api_are_reported() {
    for (method, status, body, report) in [
        (
            "POST",
            500,
            "<html>\n oh  no</html>",
            "the comment cannot be written: HTTP 500: <html> oh no</html>",
        ),
        (
            "POST",
            422,
            r#"{"message": "Validation\nFailed"}"#,
            "the comment cannot be written: HTTP 422: Validation Failed",
        ),
        (
            "POST",
            403,
            r#"{"message": "Resource not accessible by integration"}"#,
            "the comment cannot be written: HTTP 403: Resource not accessible by integration — does the job have \
             `permissions: pull-requests: write`?",
        ),
        (
            "GET",
            401,
            r#"{"message": "Bad credentials"}"#,
            "the comments cannot be listed: HTTP 401: Bad credentials",
        ),
    ] {
        let project = Project::new();
        project.server.fault(method, "/comments", status, body);
        let job = project
            .github()
            .exits(1)
            .commands_are(&[&format!("error title=orgtrail|{report}")]);
        assert_eq!(job.steps.last().unwrap(), "Verdict");
        assert_eq!(job.outputs["monthly"], "62.50");
    }
}

#[test]
fn a_server_that_fails_for_a_moment_is_asked_again_but_a_post_is_not_repeated() {
    let project = Project::new();
    project.server.fault("POST", "/comments", 503, "{}");
    project.github().exits(1);
    assert_eq!(project.server.writes().len(), 1);

    let project = Project::new();
    project.server.fault("GET", "/comments", 503, "{}");
    project.server.state.lock().unwrap().faults[0].times = 1;
    project.github().exits(0).says("created");
}

#[test]
fn no_server_at_all() {
    let mut project = Project::new();
    project.server.address = "http://127.0.0.1:1".to_owned();
    project
        .inputs
        .insert("comment".to_owned(), "new".to_owned());
    project
        .github()
        .exits(1)
        .says("the comment cannot be written: no answer: curl: (7)");
}

#[test]
fn a_fork_gets_the_summary_only() {
    let project = Project::new()
        .fork()
        .input("plan-role", "arn:aws:iam::111122223333:role/plan")
        .input("sarif", "true");
    project.server.fault(
        "POST",
        "/comments",
        403,
        r#"{"message": "Resource not accessible by integration"}"#,
    );
    let job = project.github().exits(0).commands_are(&[
        "notice title=orgtrail|No plan: a pull request from a fork or from Dependabot gets no AWS credentials.",
        "notice title=orgtrail|No comment: the token of a pull request from a fork or from Dependabot may only read \
         (HTTP 403: Resource not accessible by integration).",
    ]);
    assert!(
        job.summary.contains("+$12.50 a month") && job.summary.contains("may only read"),
        "{}",
        job.summary
    );
    assert!(
        !job.steps
            .iter()
            .any(|step| step == "Sign in to AWS" || step == "Plan" || step == "Upload the check"),
        "{:?}",
        job.steps
    );

    // The budget holds for forks as well.
    project.cost(3, Some(("12.50", "25.00")));
    project.github().exits(3);

    // Dependabot's branches are in the repository itself.
    let mut project = Project::new();
    project
        .environment
        .insert("GITHUB_ACTOR".to_owned(), "dependabot[bot]".to_owned());
    project.server.fault("POST", "/comments", 403, "{}");
    project.github().exits(0).says("may only read");
}

#[test]
fn the_token_is_in_no_argument() {
    let project = Project::new();
    let seen = project.path("curl-arguments");
    let curl = Command::new("bash")
        .args(["-c", "type -P curl"])
        .output()
        .unwrap();
    let curl = String::from_utf8(curl.stdout).unwrap();
    project.program(
        "curl",
        &format!(
            "#!/bin/sh\necho \"$@\" >> '{}'\nexec '{}' \"$@\"\n",
            seen.display(),
            curl.trim()
        ),
    );
    project.github().exits(0);
    let seen = fs::read_to_string(seen).unwrap();
    assert!(
        seen.lines().count() >= 2 && !seen.contains("notInAnyLog"),
        "{seen}"
    );
}

// ---- GitHub: check, budget, plan -----------------------------------------------------------------

#[test]
fn over_budget_comments_and_then_fails_with_the_reason() {
    let project = Project::new();
    project.cost(3, Some(("12.50", "25.00")));
    project.stub("cost.err", "error: refused\n");
    let reason =
        "error title=orgtrail|over budget: $62.50 a month is $2.50 over the budget of $60.00";
    let job = project
        .github()
        .exits(3)
        .commands_are(&[reason])
        .output("refused", "true");
    assert_eq!(project.server.bodies().len(), 1);
    assert_eq!(job.steps[job.steps.len() - 2..], ["Comment", "Verdict"]);

    // Over budget without a change of its own: the comment says why the job fails.
    let project = Project::new();
    project.cost(3, None);
    project.github().exits(3);
    assert_eq!(project.server.bodies().len(), 1);

    // A comment that cannot be written does not lift the budget.
    let project = Project::new();
    project.cost(3, Some(("12.50", "25.00")));
    project.server.fault("POST", "/comments", 500, "{}");
    project
        .github()
        .exits(3)
        .says("HTTP 500")
        .says("over budget");
}

#[test]
fn an_estimate_that_fails_is_an_error_not_a_verdict() {
    let project = Project::new();
    project.stub("cost.code", "1");
    project.stub(
        "cost.err",
        "reading…\nerror: volumes.yaml cannot be read\n  fix: write it\n",
    );
    let job = project.github().exits(1);
    let job = job.commands_are(&["error title=orgtrail|the cost cannot be estimated (exit code 1): error: volumes.yaml cannot be read"]);
    assert_eq!(job.steps.last().unwrap(), "Estimate the cost");
    assert!(project.server.requests().is_empty());
}

#[test]
fn findings_become_annotations_at_their_lines() {
    let bad = SPEC.replace("recursive_logging: false", "recursive_loging: false");
    let project = Project::of(
        &[("audit/orgtrail.yaml", SPEC)],
        &[("audit/orgtrail.yaml", &bad)],
    );
    let project = project
        .input("working-directory", "./audit/")
        .input("sarif", "true");
    let job = project.github().exits(1);
    let line = 1 + bad
        .lines()
        .position(|line| line.contains("recursive_loging"))
        .unwrap();
    let place =
        format!("error title=orgtrail unknown-key,file=audit/orgtrail.yaml,line={line},col=5|");
    assert!(job.commands[0].starts_with(&place), "{:?}", job.commands);
    assert!(
        job.commands[0].contains("\ndid you mean") || job.commands[0].contains("recursive_logging"),
        "{:?}",
        job.commands
    );
    assert!(
        job.commands[1].contains("does not pass `orgtrail check`"),
        "{:?}",
        job.commands
    );
    assert!(
        job.summary.contains("error[unknown-key]"),
        "{}",
        job.summary
    );
    assert_eq!(job.steps[2..], ["Check the spec", "Upload the check"]);
    let sarif: Value =
        serde_json::from_slice(&fs::read(project.path("temp/orgtrail/check.sarif")).unwrap())
            .unwrap();
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "audit/orgtrail.yaml");
    assert!(project.calls().is_empty());
}

#[test]
fn a_spec_that_is_not_there() {
    let project = Project::new().input("spec", "missing.yaml");
    project
        .github()
        .exits(1)
        .says("the spec cannot be checked: error: missing.yaml cannot be read");
}

#[test]
fn exit_code_2_of_a_plan_is_not_swallowed() {
    let role = "arn:aws:iam::111122223333:role/plan";
    let project = Project::new().input("plan-role", role);
    let job = project
        .github()
        .exits(0)
        .output("plan", "changes")
        .output("plan-exit-code", "2");
    assert_eq!(
        job.steps[4..],
        ["Sign in to AWS", "Plan", "Comment", "Verdict"]
    );
    let bodies = project.server.bodies();
    assert!(bodies[0].contains("<details><summary>Plan: 0 to add, 1 to change, 0 to destroy.</summary>\n\n```text\n  ~ trail.org"), "{bodies:?}");
    assert!(job.summary.contains("~ trail.org"));
    let project = project.input("fail-on-plan-changes", "true");
    project
        .github()
        .exits(2)
        .commands_are(&["error title=orgtrail|the plan has changes"]);

    for (code, plan, exit, says) in [
        ("0", "none", 0, ""),
        ("3", "refused", 3, "the plan is refused"),
        (
            "1",
            "error",
            1,
            "the plan failed with exit code 1: error: AccessDenied in 111122223333",
        ),
        ("101", "error", 101, "the plan failed with exit code 101"),
    ] {
        let project = Project::new().input("plan-role", role);
        project.stub("plan.code", code);
        project.stub("plan.err", "error: AccessDenied in 111122223333\n");
        project
            .github()
            .exits(exit)
            .output("plan", plan)
            .output("plan-exit-code", code)
            .says(says);
        assert_eq!(project.server.bodies().len(), 1, "exit code {code}");
    }
}

#[test]
fn a_sign_in_that_fails_does_not_keep_the_cost_back() {
    let mut project = Project::new().input("plan-role", "arn:aws:iam::111122223333:role/plan");
    project.broken = vec!["aws-actions/configure-aws-credentials"];
    let job = project.github().exits(1).output("plan", "");
    assert_eq!(job.steps[4..], ["Sign in to AWS", "Comment", "Verdict"]);
    assert_eq!(project.server.bodies().len(), 1);
}

#[test]
fn a_plan_gets_the_room_that_the_cost_leaves() {
    let project = Project::new().input("plan-role", "arn:aws:iam::111122223333:role/plan");
    let long: String = (0..5000)
        .map(|line| format!("  ~ trail.org 😀 ```` line {line}\n"))
        .collect();
    project.stub(
        "plan.txt",
        &format!("{long}\nPlan: 0 to add, 5000 to change, 0 to destroy.\n"),
    );
    project.stub(
        "cost.markdown",
        &format!("{MARKER}\n{}\n", "x".repeat(40_000)),
    );
    let job = project.github().exits(0);
    let body = &project.server.bodies()[0];
    let length = body.encode_utf16().count();
    assert!((60_000..=65_000).contains(&length), "{length}");
    assert!(
        body.contains("\n`````text\n")
            && body.contains(" more lines are in the summary of the run.\n\n</details>\n")
    );
    assert!(job.summary.contains("line 4999"));

    // No room at all.
    project.stub(
        "cost.markdown",
        &format!("{MARKER}\n{}\n", "x".repeat(65_400)),
    );
    project.github().exits(0);
    assert!(!project.server.bodies()[0].contains("details"));
}

// ---- GitHub: base and head -----------------------------------------------------------------------

#[test]
fn the_base_is_what_the_change_was_merged_into() {
    let mut project = Project::new();
    let stale = project.git("rev-parse change");
    let base = std::mem::replace(&mut project.base, stale);
    project.github().exits(0);
    let calls = project.calls();
    let old = project.path("temp/orgtrail/base/orgtrail.yaml");
    assert!(
        calls[0].contains(&format!("--compare-to={}", old.display())),
        "{calls:?}"
    );
    assert_eq!(fs::read_to_string(old).unwrap(), SPEC);
    assert_eq!(project.git_in("temp/orgtrail/base", "rev-parse HEAD"), base);

    // A checkout of the branch itself is compared with the tip of the base, even if the branch ends in a merge.
    project.base = base;
    project.git("checkout --quiet change");
    project.commit("later", &[("notes.txt", "x")]);
    project.head = "0".repeat(40);
    project.github().exits(0);
    assert_eq!(
        project.git_in("temp/orgtrail/base", "rev-parse HEAD"),
        project.base
    );
}

#[test]
fn a_shallow_checkout_fetches_its_base() {
    let project = Project::new();
    project.git("config uploadpack.allowAnySHA1InWant true");
    let origin = format!("file://{}", project.path("repo").display());
    project.git_in(".", &format!("clone --quiet --depth=1 {origin} shallow"));
    project.github_in("shallow").exits(0);
    assert_eq!(
        project.git_in("temp/orgtrail/base", "rev-parse HEAD"),
        project.base
    );

    project.git_in("shallow", "remote set-url origin file:///nonexistent");
    project.git_in(".", &format!("clone --quiet --depth=1 {origin} lost"));
    project.git_in("lost", "remote set-url origin file:///nonexistent");
    project
        .github_in("lost")
        .exits(1)
        .says("cannot be fetched: check out with `fetch-depth: 2`");
}

#[test]
fn a_new_spec_is_all_new() {
    let project = Project::of(&[("README.md", "x")], &[("orgtrail.yaml", SPEC)]);
    let mut report: Value =
        serde_json::from_slice(&fs::read(project.path("stub/cost.json")).unwrap()).unwrap();
    report.as_object_mut().unwrap().remove("diff");
    project.stub("cost.json", &report.to_string());
    let job = project
        .github()
        .exits(0)
        .output("changed", "true")
        .output("increase", "")
        .output("percent", "");
    job.commands_are(&[
        "notice title=orgtrail|The base branch has no such spec: all of its cost is new.",
    ]);
    assert!(
        !project.calls()[0].contains("--compare-to"),
        "{:?}",
        project.calls()
    );
    assert_eq!(project.server.bodies().len(), 1);
}

#[test]
fn a_broken_base_can_be_mended() {
    let project = Project::of(
        &[("orgtrail.yaml", "version: 1\nbogus: 1\n")],
        &[("orgtrail.yaml", SPEC)],
    );
    project
        .github()
        .exits(0)
        .says("::warning title=orgtrail::The spec of the base branch does not pass");
    assert!(
        !project.calls()[0].contains("--compare-to"),
        "{:?}",
        project.calls()
    );
}

#[test]
fn inputs_become_flags() {
    let project = Project::of(
        &[("audit/spec/a.yaml", SPEC)],
        &[("audit/spec/a.yaml", SPEC), ("audit/old.yaml", SPEC)],
    );
    let project = project
        .input("working-directory", "audit")
        .input("spec", "spec")
        .input("compare-to", "old.yaml")
        .input("volumes", "./v.yaml")
        .input("prices", "/prices.json")
        .input("max-monthly", "500")
        .input("max-increase", "-1")
        .input("max-increase-percent", "10");
    project.github().exits(0);
    let flags = "cost --spec=audit/spec --compare-to=audit/old.yaml --volumes=audit/v.yaml --prices=/prices.json \
                 --max-monthly=500 --max-increase=-1 --max-increase-percent=10 --format";
    let out = project.path("temp/orgtrail");
    let out = out.display();
    let expected = [
        format!("{flags} json --out={out}/cost.json"),
        format!("{flags} markdown --comment-limit github --out={out}/comment.md"),
    ];
    assert_eq!(project.calls(), expected);
}

#[test]
fn a_push_is_checked_and_estimated_without_a_comment() {
    let mut project = Project::new();
    project.environment.insert(
        "ORGTRAIL_RESULTS".to_owned(),
        project.path("temp/orgtrail").display().to_string(),
    );
    project
        .environment
        .insert("ORGTRAIL_SPEC".to_owned(), "orgtrail.yaml".to_owned());
    for script in ["start", "check", "cost", "comment", "gate"] {
        let path = examples().join("github").join(script).with_extension("sh");
        let outputs = project.path("outputs");
        let mut command = project.command(&format!("bash '{}'", path.display()), "repo");
        command
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_OUTPUT", outputs)
            .env("GITHUB_REF", "refs/heads/main");
        let output = command
            .env("GITHUB_STEP_SUMMARY", project.path("summary"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
    }
    let summary = fs::read_to_string(project.path("summary")).unwrap();
    assert!(
        summary.contains("+$12.50 a month") && summary.contains("belongs to no pull request"),
        "{summary}"
    );
    assert!(project.server.requests().is_empty());
}

// ---- GitHub: names are data ----------------------------------------------------------------------

const HOSTILE: &str = "$(touch pwned) `touch pwned` '; touch pwned; \"\n::set-output name=refused::false\n\
                       ::add-mask::a\n  ::error::x\n##[error]y\n%0A::error::z\nEOF\nrefused=false\nrefused<<EOF\n\
                       x\nEOF\n```\n</details><script>alert(1)</script>\u{1b}]0;x\u{7}\u{202e}";

#[test]
fn hostile_names_in_what_orgtrail_prints_are_harmless() {
    let project = Project::new().input("plan-role", "arn:aws:iam::111122223333:role/plan");
    project.cost(3, Some(("12.50", "25.00")));
    let mut report: Value =
        serde_json::from_slice(&fs::read(project.path("stub/cost.json")).unwrap()).unwrap();
    report["budget"]["reasons"] = json!([HOSTILE]);
    report["spec"] = json!(HOSTILE);
    project.stub("cost.json", &report.to_string());
    project.stub("cost.err", HOSTILE);
    project.stub("plan.err", HOSTILE);
    project.stub("plan.txt", HOSTILE);
    project.comment_says(HOSTILE);
    let job = project
        .github()
        .exits(3)
        .output("refused", "true")
        .output("monthly", "62.50")
        .output("plan", "changes");
    assert_eq!(job.commands.len(), 1, "{:#?}", job.commands);
    let one_line = "over budget: $(touch pwned) `touch pwned` '; touch pwned; \" ::set-output name=refused::false";
    assert!(
        job.commands[0].starts_with(&format!("error title=orgtrail|{one_line}")),
        "{:?}",
        job.commands
    );
    assert!(job.log.contains("%250A::error::z"), "{}", job.log);
    assert!(!job.log.contains('\u{1b}'));
    let body = &project.server.bodies()[0];
    assert!(
        body.contains(HOSTILE),
        "what orgtrail wrote is posted as it is"
    );
    assert!(body.ends_with("\n````\n\n</details>\n"), "{body}");
    untouched(&project);
}

#[test]
fn amounts_that_are_no_numbers_are_refused() {
    for hostile in ["62.50\nrefused=false", "$(id)", "٣"] {
        let project = Project::new();
        let mut report: Value =
            serde_json::from_slice(&fs::read(project.path("stub/cost.json")).unwrap()).unwrap();
        report["total"]["expected"] = json!(hostile);
        project.stub("cost.json", &report.to_string());
        project
            .github()
            .exits(1)
            .says("an amount that is not a number");
    }
}

#[test]
fn hostile_file_names_and_keys_are_harmless() {
    let name = "a $(touch pwned)`touch pwned`;touch pwned,line=1::x%0A.yaml";
    let key = "$(touch pwned)%0A::error::x";
    let bad = format!("{SPEC}\n? \"{key}\\n::set-output name=a::b\"\n: 1\n");
    let project = Project::of(&[("x", "")], &[(name, &bad)]).input("spec", name);
    let job = project.github().exits(1);
    let line = bad.lines().count() - 1;
    let file = "a $(touch pwned)`touch pwned`;touch pwned%2Cline=1%3A%3Ax%0A.yaml";
    let expected = format!(
        "error title=orgtrail unknown-key,file={}",
        file.replace("%0A", "%250A")
    );
    let annotation = job
        .log
        .lines()
        .find(|line| line.starts_with("::error title=orgtrail unknown-key"));
    assert!(
        annotation
            .unwrap()
            .starts_with(&format!("::{expected},line={line},")),
        "{annotation:?}"
    );
    assert_eq!(job.commands.len(), 2, "{:#?}", job.commands);
    untouched(&project);

    // The same name, and a valid spec.
    let project =
        Project::of(&[(name, SPEC)], &[(name, SPEC), ("orgtrail.yaml", SPEC)]).input("spec", name);
    project.github().exits(0).commands_are(&[]);
    untouched(&project);
    // And every input.
    let action = yaml(&examples().join("github/action.yml"));
    for input in action["inputs"].as_object().unwrap().keys() {
        let project = Project::new().input(input, HOSTILE);
        let job = project.github();
        assert!(
            job.commands
                .iter()
                .all(|command| command.contains("title=orgtrail|")),
            "{input}: {:?}",
            job.commands
        );
        untouched(&project);
    }
}

#[track_caller]
fn untouched(project: &Project) {
    let mut folders = vec![project.root.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            assert_ne!(entry.file_name(), "pwned", "{:?}", entry.path());
            if entry.file_type().unwrap().is_dir() && entry.file_name() != ".git" {
                folders.push(entry.path());
            }
        }
    }
}

/// Python must not be given modules by the checkout.
#[test]
fn a_module_in_the_checkout_is_not_imported() {
    let evil = "open('pwned', 'w')\n";
    let files = [
        ("orgtrail.yaml", SPEC),
        ("json.py", evil),
        ("re.py", evil),
        ("sitecustomize.py", evil),
    ];
    let mut project = Project::of(&[("orgtrail.yaml", SPEC)], &files);
    project
        .environment
        .insert("PYTHONPATH".to_owned(), ".".to_owned());
    project.github().exits(0);
    untouched(&project);
}

#[test]
fn a_comment_without_its_marker_is_not_written() {
    let project = Project::new();
    project.stub("cost.markdown", "#### orgtrail\n");
    project
        .github()
        .exits(1)
        .says("does not begin with the marker");
    assert!(project.server.requests().is_empty());
}

/// The same with the real `orgtrail cost`.
#[test]
fn the_real_estimate_works_with_the_scripts() {
    let before = SPEC.replace("profile: medium", "profile: small");
    let functions = "    selectors:\n      - { name: functions, data: 'AWS::Lambda::Function' }\n";
    let after = before.replacen("    selectors:\n", functions, 1);
    let mut project = Project::of(&[("orgtrail.yaml", &before)], &[("orgtrail.yaml", &after)]);
    project
        .environment
        .insert("ORGTRAIL_ALL_REAL".to_owned(), "1".to_owned());
    let job = project
        .github()
        .exits(0)
        .output("changed", "true")
        .output("refused", "false");
    assert!(job.outputs["increase"].parse::<f64>().unwrap() > 0.0);
    assert!(job.outputs["monthly"].parse::<f64>().unwrap() > 0.0);
    assert!(project.server.bodies()[0].starts_with(&format!("{MARKER}\n")));

    let project = project.input("max-increase", "0.01");
    let job = project.github().exits(3).output("refused", "true");
    job.says("over budget: ").says("over the limit of $0.01");
    assert_eq!(project.server.bodies().len(), 1);

    // The same as its base.
    let same = project
        .input("unchanged", "delete")
        .input("compare-to", "orgtrail.yaml");
    same.github().exits(0).output("changed", "false");
    assert_eq!(same.server.bodies(), [""; 0]);
}

// ---- installing ----------------------------------------------------------------------------------

#[test]
fn orgtrail_is_taken_from_path_or_built_from_source() {
    let cargo = "#!/bin/sh\necho \"$@\" > \"$HOME/cargo\"\nmkdir -p \"$ORGTRAIL_INSTALL_ROOT/bin\"\n\
                 printf '#!/bin/sh\\necho orgtrail 0.9.0\\n' > \"$ORGTRAIL_INSTALL_ROOT/bin/orgtrail\"\n\
                 chmod +x \"$ORGTRAIL_INSTALL_ROOT/bin/orgtrail\"\n";
    let install = |project: &Project, variables: &[(&str, &str)], scripts: &Path| {
        let mut command = project.command(
            &format!("bash '{}'", scripts.join("install.sh").display()),
            "repo",
        );
        command
            .env("ORGTRAIL_INSTALL_ROOT", project.path("tools"))
            .env("ORGTRAIL_RESULTS", project.path("temp"));
        let output = command
            .env("GITHUB_PATH", project.path("added-path"))
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let called = fs::read_to_string(project.path("home/cargo")).unwrap_or_default();
        let log =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.success(), log, called.trim().to_owned())
    };
    let project = Project::new();
    project.program("cargo", cargo);
    let scripts = examples().join("github");
    let copied = project.path("copied");
    fs::create_dir(&copied).unwrap();
    for name in ["lib.sh", "install.sh"] {
        fs::copy(scripts.join(name), copied.join(name)).unwrap();
    }
    let tools = project.path("tools");
    let tools = tools.display();

    assert_eq!(
        install(&project, &[], &copied),
        (true, "orgtrail 0.1.0\n".to_owned(), String::new())
    );
    assert_eq!(
        install(&project, &[("ORGTRAIL_VERSION", "v0.1.0")], &copied).2,
        ""
    );
    let (ok, log, called) = install(&project, &[("ORGTRAIL_VERSION", "0.9.0")], &copied);
    assert!(
        !ok && called.is_empty()
            && log.contains("orgtrail 0.9.0 is not on PATH, and there is no source"),
        "{log}"
    );

    let source = ("ORGTRAIL_SOURCE", "https://git.example.com/orgtrail");
    let (ok, log, called) = install(&project, &[("ORGTRAIL_VERSION", "0.8.0"), source], &copied);
    assert!(
        !ok && log.contains("what was built is not orgtrail 0.8.0 but orgtrail 0.9.0"),
        "{log}"
    );
    let flags = format!("install --locked --quiet --root {tools}");
    assert_eq!(
        called,
        format!("{flags} --git=https://git.example.com/orgtrail --tag=v0.8.0 orgtrail")
    );

    fs::remove_dir_all(project.path("tools")).unwrap();
    fs::remove_file(project.path("home/cargo")).unwrap();
    let (ok, _, called) = install(&project, &[("ORGTRAIL_VERSION", "0.9.0")], &scripts);
    assert!(ok);
    assert_eq!(
        called,
        format!("{flags} --path={}/../..", scripts.display())
    );
    assert_eq!(
        fs::read_to_string(project.path("added-path"))
            .unwrap()
            .lines()
            .last()
            .unwrap(),
        format!("{tools}/bin")
    );
    // The next run finds it.
    fs::remove_file(project.path("home/cargo")).unwrap();
    assert_eq!(
        install(&project, &[("ORGTRAIL_VERSION", "0.9.0")], &scripts).2,
        ""
    );
}

// ---- GitLab --------------------------------------------------------------------------------------

#[test]
fn gitlab_creates_one_note_and_updates_it() {
    let project = Project::new();
    let job = project.gitlab().exits(0).says("comment 2000 created");
    let job = job
        .output("ORGTRAIL_MONTHLY", "62.50")
        .output("ORGTRAIL_INCREASE", "12.50")
        .output("ORGTRAIL_PERCENT", "25.00");
    let job = job
        .output("ORGTRAIL_CHANGED", "true")
        .output("ORGTRAIL_REFUSED", "false");
    assert!(job.summary.contains("+$12.50 a month"));
    let junit = fs::read_to_string(project.path("repo/.orgtrail-results/check.xml")).unwrap();
    assert!(junit.contains("<testsuites"));
    assert!(
        project.calls()[1].contains("--comment-limit gitlab"),
        "{:?}",
        project.calls()
    );
    let base = project.git_in("repo/.orgtrail-results/base", "rev-parse HEAD");
    assert_eq!(base, project.base);

    project.cost(0, Some(("20", "40.00")));
    project.gitlab().exits(0).says("comment 2000 updated");
    assert_eq!(
        project.server.bodies(),
        [format!("{MARKER}\n#### orgtrail: +$20 a month\n")]
    );
    let token = project.server.state.lock().unwrap().requests[0]
        .token
        .clone();
    assert_eq!(token, format!("PRIVATE-TOKEN: {PERSONAL}"));
    let notes = "/projects/42/merge_requests/7/notes";
    assert_eq!(
        project.server.writes(),
        [format!("POST {notes}"), format!("PUT {notes}/2000")]
    );
}

#[test]
fn gitlab_finds_its_own_note_on_a_later_page_and_deletes_it() {
    let mut project = Project::new();
    project.server.state.lock().unwrap().page = 2;
    project
        .server
        .comment(("mallory", ""), &format!("{MARKER}\nfree of charge!"));
    project.server.comment(("jane", ""), "looks good");
    let ours = project
        .server
        .comment(("project_42_bot", ""), &format!("{MARKER}\nold"));
    project.cost(0, None);
    project
        .environment
        .insert("ORGTRAIL_UNCHANGED".to_owned(), "delete".to_owned());
    project
        .gitlab()
        .exits(0)
        .says(&format!("comment {ours} deleted"));
    assert_eq!(project.server.bodies().len(), 2);
}

#[test]
fn gitlab_over_budget_comments_and_then_fails() {
    let project = Project::new();
    project.cost(3, Some(("12.50", "25.00")));
    let reason = "error: over budget: $62.50 a month is $2.50 over the budget of $60.00";
    project
        .gitlab()
        .exits(3)
        .says(reason)
        .output("ORGTRAIL_REFUSED", "true");
    assert_eq!(project.server.bodies().len(), 1);

    // Neither failure hides the other.
    project
        .server
        .fault("GET", "/user", 401, r#"{"message": "401 Unauthorized"}"#);
    project
        .gitlab()
        .exits(3)
        .says("HTTP 401: 401 Unauthorized — is ORGTRAIL_TOKEN a valid")
        .says(reason);
    project.cost(0, Some(("12.50", "25.00")));
    project.gitlab().exits(1);
}

#[test]
fn gitlab_without_a_token_says_why_there_is_no_note() {
    let mut project = Project::new();
    project
        .environment
        .insert("ORGTRAIL_TOKEN".to_owned(), String::new());
    let job = project
        .gitlab()
        .exits(0)
        .says("No comment: ORGTRAIL_TOKEN is not set, or it is protected");
    assert!(
        job.summary.contains("+$12.50 a month") && job.summary.contains("No comment was written"),
        "{}",
        job.summary
    );

    project.environment.insert(
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID".to_owned(),
        "99".to_owned(),
    );
    project
        .gitlab()
        .exits(0)
        .says("No comment: a run from a fork has no token");
    assert!(project.server.requests().is_empty());
}

#[test]
fn gitlab_compares_a_merged_result_with_its_target() {
    let mut project = Project::new();
    let target = std::mem::take(&mut project.base);
    project.environment.insert(
        "CI_MERGE_REQUEST_EVENT_TYPE".to_owned(),
        "merged_result".to_owned(),
    );
    project.environment.insert(
        "CI_MERGE_REQUEST_TARGET_BRANCH_SHA".to_owned(),
        target.clone(),
    );
    project.gitlab().exits(0);
    assert_eq!(
        project.git_in("repo/.orgtrail-results/base", "rev-parse HEAD"),
        target
    );
}

#[test]
fn gitlab_hostile_names_are_harmless() {
    let project = Project::new();
    project.cost(3, Some(("12.50", "25.00")));
    let mut report: Value =
        serde_json::from_slice(&fs::read(project.path("stub/cost.json")).unwrap()).unwrap();
    report["budget"]["reasons"] = json!([HOSTILE]);
    project.stub("cost.json", &report.to_string());
    project.stub("cost.err", HOSTILE);
    project.comment_says(HOSTILE);
    let job = project.gitlab().exits(3).output("ORGTRAIL_REFUSED", "true");
    assert!(!job.log.contains('\u{1b}'));
    assert!(
        job.outputs.keys().all(|name| name.starts_with("ORGTRAIL_")),
        "{:?}",
        job.outputs
    );
    assert!(project.server.bodies()[0].contains(HOSTILE));
    untouched(&project);
}
