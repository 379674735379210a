//! What the documentation says is so: it is complete, its examples work, its commands run, its links lead somewhere.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{Orgtrail, Workspace, orgtrail};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The names of a folder's files and folders, sorted.
fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// README and docs/, with their texts.
fn pages() -> Vec<(String, String)> {
    let docs = names("docs").into_iter().map(|name| format!("docs/{name}"));
    let pages = ["README.md", "CONTRIBUTING.md"]
        .map(str::to_owned)
        .into_iter();
    let pages = pages.chain(docs.filter(|name| name.ends_with(".md")));
    pages.map(|name| (name.clone(), read(&name))).collect()
}

/// The fenced blocks of a language, each with the line that it begins in.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut inside: Option<bool> = None;
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), inside) {
            (Some(found), None) => {
                let wanted = found == language;
                if wanted {
                    blocks.push((number + 1, String::new()));
                }
                inside = Some(wanted);
            }
            (Some(_), Some(_)) => inside = None,
            (None, Some(true)) => {
                let (_, block) = blocks.last_mut().unwrap();
                block.push_str(line);
                block.push('\n');
            }
            _ => {}
        }
    }
    assert_eq!(inside, None, "a block is not closed");
    blocks
}

// ---- the spec's page

/// Where docs/spec.md describes each type of the schema; how many tables above it stand under the same heading.
const SECTIONS: [(&str, &str, usize); 29] = [
    ("Account", "## accounts", 0),
    ("AssumeRoleOptions", "## accounts", 1),
    ("Organization", "## organization", 0),
    ("Key", "## keys", 0),
    ("Bucket", "## buckets", 0),
    ("ObjectLock", "### object_lock", 0),
    ("LifecycleRule", "### lifecycle", 0),
    ("Transition", "### lifecycle", 1),
    ("NoncurrentVersionTransition", "### lifecycle", 2),
    ("NoncurrentVersionExpiration", "### lifecycle", 3),
    ("AccessLogging", "### access_logging", 0),
    ("Trail", "## trails", 0),
    ("CloudWatchLogs", "### cloud_watch_logs", 0),
    ("Selector", "### selectors", 0),
    ("FieldSelector", "### selectors", 2),
    ("EventSelector", "### basic_selectors", 0),
    ("DataResource", "### basic_selectors", 1),
    ("Typical", "## volumes", 0),
    ("Volumes", "## volumes", 1),
    ("RegionVolumes", "## volumes", 2),
    ("Counts", "## volumes", 3),
    ("Between", "## volumes", 4),
    ("Files", "## volumes", 5),
    ("LargeFiles", "## volumes", 6),
    ("MonthWindow", "## volumes", 7),
    ("SpanWindow", "## volumes", 8),
    ("Measurement", "## volumes", 9),
    ("Budget", "## budget", 0),
    ("Allow", "## allow", 0),
];

/// The keys of a table of docs/spec.md, those that must be there marked, as `**key**`.
#[track_caller]
fn table(text: &str, heading: &str, index: usize) -> BTreeSet<String> {
    let heading = format!("\n{heading}\n");
    let (_, rest) = text
        .split_once(&heading)
        .unwrap_or_else(|| panic!("no {heading}"));
    let end = rest.find("\n#").unwrap_or(rest.len());
    let section = &rest[..end];
    let mut tables: Vec<Vec<&str>> = vec![Vec::new()];
    for line in section.lines() {
        match line.starts_with('|') {
            true => tables.last_mut().unwrap().push(line),
            false if tables.last().unwrap().is_empty() => {}
            false => tables.push(Vec::new()),
        }
    }
    let rows = tables[index].iter().skip(2);
    rows.map(|row| row.split('|').nth(1).unwrap().trim().replace('`', ""))
        .collect()
}

fn properties(schema: &Value) -> BTreeSet<String> {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let names = properties.map(|(name, _)| match required.contains(&name.as_str()) {
        true => format!("**{name}**"),
        false => name.clone(),
    });
    names.collect()
}

#[test]
fn every_key_of_the_spec_is_described() {
    let schema: Value = serde_json::from_str(&read("orgtrail.schema.json")).unwrap();
    let text = read("docs/spec.md");
    assert_eq!(table(&text, "## Top of the file", 0), properties(&schema));
    assert_eq!(
        table(&text, "## lock", 0),
        properties(&schema["$defs"]["Lock"])
    );
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        if definition.get("properties").is_none() || name == "Lock" {
            continue;
        }
        let place = SECTIONS.iter().find(|(known, ..)| known == name);
        let (_, heading, index) = place.unwrap_or_else(|| panic!("docs/spec.md lacks {name}"));
        assert_eq!(
            table(&text, heading, *index),
            properties(definition),
            "{name}"
        );
    }
}

#[test]
fn every_value_of_the_spec_is_named() {
    let schema: Value = serde_json::from_str(&read("orgtrail.schema.json")).unwrap();
    let text = read("docs/spec.md");
    let mut values = Vec::new();
    collect_values(&schema, &mut values);
    assert!(values.len() > 20);
    for value in values {
        assert!(
            text.contains(&format!("`{value}`")),
            "docs/spec.md lacks `{value}`"
        );
    }
}

/// What `enum` and `const` allow, anywhere in a schema.
fn collect_values(schema: &Value, out: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            let list = members.get("enum").and_then(Value::as_array);
            let all = list.into_iter().flatten().chain(members.get("const"));
            out.extend(all.filter_map(Value::as_str).map(str::to_owned));
            members
                .values()
                .for_each(|member| collect_values(member, out));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_values(item, out)),
        _ => {}
    }
}

/// Words at the places of codes in the source that are none.
const NO_CODES: [&str; 9] = [
    "accounts",
    "aws",
    "buckets",
    "data",
    "exclude",
    "keys",
    "management",
    "trails",
    "transitions",
];

/// The codes of diagnostics: a word that stands first in a call, or after `code`.
fn codes_of(source: &str, out: &mut BTreeSet<String>) {
    for (at, _) in source.match_indices('"') {
        let rest = &source[at + 1..];
        let Some(end) = rest.find('"') else { continue };
        let (word, after) = (&rest[..end], &rest[end + 1..]);
        let before = source[..at].trim_end();
        let first = ["(", "code:", "code ="]
            .iter()
            .any(|mark| before.ends_with(mark));
        let letters = word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        if first && letters && !word.is_empty() && after.starts_with([',', ';']) {
            out.insert(word.to_owned());
        }
    }
}

#[test]
fn every_diagnostic_is_listed() {
    let mut codes = BTreeSet::new();
    let mut folders: Vec<PathBuf> = ["spec", "selectors", "lifecycle"]
        .map(|name| root().join("src").join(name))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if path.is_file() && !name.ends_with("_test") && name != "tests" {
                let text = fs::read_to_string(&path).unwrap_or_default();
                codes_of(
                    text.split("#[cfg(test)]\nmod tests {").next().unwrap(),
                    &mut codes,
                );
            }
        }
    }
    // Prefixes end with a dash.
    codes.retain(|code| !NO_CODES.contains(&code.as_str()) && !code.ends_with('-'));
    assert!(codes.contains("merge-conflict") && codes.contains("lifecycle-waterfall"));
    assert_eq!(table(&read("docs/spec.md"), "## Diagnostics", 0), codes);
}

// ---- examples

/// On a fresh sandbox a spec plans, applies, and then plans nothing.
fn applies(spec: &Path) {
    let work = Workspace::new();
    let run = |arguments: &[&str]| {
        let orgtrail = work.orgtrail(["-f", spec.to_str().unwrap(), "--sandbox"]);
        with(orgtrail, arguments)
            .env("MANAGEMENT_ACCOUNT", "111122223333")
            .run()
    };
    run(&["check", "--strict"]).exits(0).says("no problems");
    run(&["plan", "--detailed-exitcode"]).exits(2);
    run(&["apply", "--auto-approve"])
        .exits(0)
        .says("Apply complete!");
    run(&["plan", "--detailed-exitcode"])
        .exits(0)
        .says("No changes.");
}

fn with(orgtrail: Orgtrail, arguments: &[&str]) -> Orgtrail {
    arguments
        .iter()
        .fold(orgtrail, |orgtrail, argument| orgtrail.arg(argument))
}

/// What stands in examples/ and is no spec.
const NO_SPECS: [&str; 3] = [
    "github",       // jobs of a pipeline
    "gitlab",       // the same
    "volumes.yaml", // figures that a spec names
];

#[test]
fn every_example_applies() {
    let mut names = names("examples");
    names.retain(|name| !NO_SPECS.contains(&name.as_str()));
    assert!(names.len() >= 3);
    for name in names {
        applies(&root().join("examples").join(name));
    }
}

#[test]
fn every_spec_in_the_documentation_applies() {
    let mut found = 0;
    for (page, text) in pages() {
        for (line, block) in blocks(&text, "yaml") {
            if block.starts_with("version:") {
                found += 1;
                let work = Workspace::new();
                println!("{page}:{line}");
                applies(&work.write("spec.yaml", &block));
            }
        }
    }
    assert!(found >= 3, "{found} specs found");
}

// ---- commands

/// The command lines of console blocks, without comments.
fn commands() -> Vec<(String, Vec<String>)> {
    let mut commands = Vec::new();
    for (page, text) in pages() {
        for (start, block) in blocks(&text, "console") {
            for (number, line) in block.lines().enumerate() {
                if let Some(command) = line.strip_prefix("$ ") {
                    let at = format!("{page}:{}: {command}", start + number + 1);
                    commands.push((at, words(command)));
                }
            }
        }
    }
    commands
}

/// A command line as a shell splits it, as far as documentation needs it: quotes and comments.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '#') if word.is_none() => return words,
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    assert_eq!(quote, None, "{line}");
    words.extend(word);
    words
}

/// The arguments of orgtrail in a command line, up to a redirection or a pipe.
fn arguments(words: &[String]) -> Option<Vec<String>> {
    let mut words = words.iter().skip_while(|word| word.contains('='));
    (words.next()? == "orgtrail").then(|| {
        let ends = |word: &&String| !matches!(word.as_str(), ">" | "|" | "&&" | "||" | "&");
        words.take_while(ends).cloned().collect()
    })
}

#[test]
fn every_command_of_the_documentation_parses() {
    let commands = commands();
    let ours: Vec<_> = commands
        .iter()
        .filter_map(|(at, words)| Some((at, arguments(words)?)))
        .collect();
    assert!(ours.len() >= 8, "{} commands found", ours.len());
    for (at, mut arguments) in ours {
        println!("{at}");
        // --help stops a run, but not before all flags and values in front of it were read.
        arguments.push("--help".to_owned());
        orgtrail(arguments).exits(0).says("Usage: orgtrail");
    }
    for (at, words) in commands {
        // What is not orgtrail's is a script of the repository, or a tool by its name.
        let script = words
            .iter()
            .find(|word| word.contains('/') && !word.contains([':', '=']));
        if let Some(script) = script.filter(|_| words[0].contains('/')) {
            assert!(root().join(script).exists(), "{at}");
        }
    }
}

/// One after the other in one folder, with the example as their spec; drift finds what a call before it did.
#[test]
fn the_commands_of_the_sandbox_page_run() {
    let work = Workspace::new();
    work.write("orgtrail.yaml", &read("examples/orgtrail.yaml"));
    let mut ran = 0;
    for (_, block) in blocks(&read("docs/sandbox.md"), "console") {
        for line in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
            let words = words(line);
            match arguments(&words) {
                // It serves until it is stopped.
                Some(arguments) if arguments.contains(&"serve".to_owned()) => {}
                Some(arguments) => {
                    ran += 1;
                    let run = work.orgtrail(&arguments).run();
                    let expected = i32::from(arguments.contains(&"drift".to_owned())) * 2;
                    run.exits(expected);
                }
                None => {}
            }
        }
    }
    assert!(ran >= 5, "{ran} commands ran");
}

#[test]
fn a_command_line_is_split_as_a_shell_does() {
    let line = "A=b orgtrail call x '{\"a\": \"b c\"}' # a note";
    assert_eq!(
        words(line),
        ["A=b", "orgtrail", "call", "x", "{\"a\": \"b c\"}"]
    );
    assert_eq!(arguments(&words(line)).unwrap().len(), 3);
    assert_eq!(arguments(&words("cargo bench")), None);
}

/// Every subcommand that `--help` offers is somewhere in the documentation.
#[test]
fn every_subcommand_is_mentioned() {
    let help = orgtrail(["--help"]).exits(0).stdout;
    let list = help
        .split("Commands:\n")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let text: String = pages().into_iter().map(|(_, text)| text).collect();
    let commands = list
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    for command in commands.filter(|command| *command != "help") {
        assert!(
            text.contains(&format!("orgtrail {command}")),
            "orgtrail {command}"
        );
    }
}

// ---- links

/// The targets of a page's links.
fn links(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
        .collect()
}

/// A heading as GitHub makes an anchor of it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| {
        if c == ' ' {
            '-'
        } else {
            c.to_ascii_lowercase()
        }
    })
    .collect()
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut anchors: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for (page, text) in pages() {
        let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
        let headings = headings.map(|line| anchor(line.trim_start_matches('#').trim()));
        anchors.insert(root().join(page), headings.collect());
    }
    let mut checked = 0;
    for (page, text) in pages() {
        for link in links(&text)
            .into_iter()
            .filter(|link| !link.contains("://"))
        {
            checked += 1;
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let here = root().join(&page);
            let target = match file {
                "" => here,
                file => here.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{page}: {link}");
            let target = target.canonicalize().unwrap();
            if !fragment.is_empty() {
                let known = anchors
                    .iter()
                    .find(|(path, _)| path.canonicalize().unwrap() == target);
                assert!(
                    known.is_some_and(|(_, known)| known.contains(fragment)),
                    "{page}: {link}"
                );
            }
        }
    }
    assert!(checked > 15, "{checked} links checked");
}

// ---- the repository

#[test]
fn the_changelog_has_a_place_for_what_is_new() {
    let text = read("CHANGELOG.md");
    assert!(text.lines().any(|line| line.trim() == "## Unreleased"));
}

/// The repository stands alone: nothing in it knows the machine that it was written on.
#[test]
fn no_file_names_a_machine() {
    // Written in two parts, so that this file does not hold what it looks for.
    let machines = [["/wo", "rk/"], ["/ro", "ot/"]].map(|parts| parts.concat());
    let files = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        files.status.success(),
        "{}",
        String::from_utf8_lossy(&files.stderr)
    );
    let files = String::from_utf8(files.stdout).unwrap();
    let files: Vec<&str> = files.split_terminator('\0').collect();
    assert!(files.len() > 50);
    for file in files {
        // Deleted but not yet committed.
        let Ok(bytes) = fs::read(root().join(file)) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        for machine in &machines {
            let line = text
                .lines()
                .position(|line| line.contains(machine.as_str()));
            assert_eq!(line, None, "{file} names {machine}");
        }
        // Registries are named by the lock files of cargo and pip only in their public form.
        let lines = text
            .lines()
            .filter(|line| line.contains("registry+") || line.contains("--index-url"));
        for line in lines {
            let public = line.contains("registry+https://github.com/rust-lang/crates.io-index");
            assert!(public || !line.contains("://"), "{file}: {line}");
        }
    }
}

/// With the program as it is built for the tests: `cargo build` takes fewer features than `cargo test`, and would put another
/// binary in its place while other tests run it.
#[test]
fn the_demo_runs_to_its_end() {
    let work = Workspace::new();
    let cargo = work.write("bin/cargo", "#!/bin/sh\necho \"$*\" >\"$0.log\"\n");
    fs::set_permissions(&cargo, Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let output = Command::new(root().join("demo"))
        .env(
            "PATH",
            format!("{}:{path}", cargo.parent().unwrap().display()),
        )
        .env("COLUMNS", "80")
        .env_remove("CI")
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(work.read("bin/cargo.log").trim(), "build --quiet --locked");
    assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
    for line in [
        "no problems",
        "+ trail.org will be created",
        "Policies: 8 of 8",
        "Plan: 4 to add, 1 to change, 0 to destroy.",
        "Apply complete! Resources: 4 added, 1 changed, 0 destroyed.",
        "No changes.",
        "cloudtrail.StopLogging",
        "~ trail.org differs from the spec",
        "logging: true → false",
        "exit code 2",
    ] {
        assert!(
            out.contains(line),
            "the demo does not say {line:?}\n{out}\n{err}"
        );
    }
}
