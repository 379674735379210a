//! The map of docs/architecture.md, enforced: which module may name which, what the pure core may not touch, and that
//! every kind has its file, its line in the list and its scenario.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every module with the modules it may name. A new edge is a decision: make it here and in docs/architecture.md.
const EDGES: &[(&str, &[&str])] = &[
    ("apply", &["aws", "kinds", "model", "plan"]),
    (
        "athena",
        &[
            "aws",
            "cost",
            "error",
            "model",
            "selectors",
            "sql",
            "table_counts",
            "volumes",
        ],
    ),
    ("aws", &["model"]),
    ("bill", &["aws", "cost", "model", "render", "spec"]),
    (
        "cli",
        &[
            "apply",
            "athena",
            "aws",
            "bill",
            "cost",
            "costing",
            "coverage",
            "diag",
            "error",
            "explain",
            "fetch",
            "kinds",
            "live",
            "live_spec",
            "measured",
            "model",
            "other_trails",
            "plan",
            "planner",
            "policy",
            "price_list",
            "proposals",
            "render",
            "sandbox",
            "selectors",
            "spec",
            "sql",
            "volumes",
            "world",
        ],
    ),
    ("cost", &["lifecycle", "selectors", "spec"]),
    (
        "costing",
        &["cost", "coverage", "other_trails", "plan", "render", "spec"],
    ),
    (
        "coverage",
        &["cost", "render", "selectors", "spec", "volumes"],
    ),
    ("desired", &["diag", "kinds", "plan", "spec"]),
    ("diag", &["finding"]),
    ("error", &["aws"]),
    ("explain", &["cost", "render", "selectors", "spec"]),
    ("fetch", &["aws", "model", "volumes"]),
    ("finding", &[]),
    (
        "kinds",
        &["aws", "lifecycle", "model", "policy", "selectors", "spec"],
    ),
    ("lifecycle", &["finding"]),
    ("live_spec", &["kinds", "model", "selectors", "spec"]),
    (
        "live",
        &["aws", "kinds", "model", "other_trails", "plan", "spec"],
    ),
    (
        "measured",
        &[
            "cost",
            "proposals",
            "render",
            "selectors",
            "spec",
            "volumes",
        ],
    ),
    ("model", &[]),
    ("other_trails", &["aws", "cost", "kinds", "model", "spec"]),
    ("plan", &["model"]),
    (
        "planner",
        &[
            "aws",
            "desired",
            "kinds",
            "live",
            "model",
            "plan",
            "prove",
            "selectors",
            "spec",
            "world",
        ],
    ),
    ("policy", &[]),
    ("price_list", &["aws", "cost", "model"]),
    (
        "proposals",
        &["cost", "coverage", "render", "selectors", "spec", "volumes"],
    ),
    (
        "prove",
        &["aws", "kinds", "model", "plan", "policy", "spec"],
    ),
    ("render", &["model", "plan", "selectors"]),
    ("sandbox", &[]),
    ("selectors", &["finding"]),
    (
        "spec",
        &["cost", "diag", "finding", "lifecycle", "model", "selectors"],
    ),
    ("sql", &["selectors"]),
    ("table_counts", &["cost", "selectors", "sql", "volumes"]),
    ("volumes", &["selectors"]),
    ("world", &["error", "render"]),
];

/// Modules that are given everything they work on: no files, no environment, no clock, no SDK.
const PURE: &[&str] = &[
    "cost",
    "coverage",
    "diag",
    "explain",
    "finding",
    "lifecycle",
    "measured",
    "model",
    "plan",
    "policy",
    "proposals",
    "render",
    "selectors",
    "spec",
    "sql",
];

const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::io",
    "now_utc",
    "SystemTime",
    "Instant::now",
    "aws_sdk",
    "aws_config",
    "aws_smithy",
    "tokio",
];

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Code without comments and without the inline tests at a file's end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(source("src")).unwrap();
    let first = inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn is_test(path: &Path) -> bool {
    let inside = path.strip_prefix(source("src")).unwrap();
    let mut names = inside
        .components()
        .map(|part| part.as_os_str().to_str().unwrap());
    names.any(|name| name.contains("test") || matches!(name, "properties.rs" | "cases.rs"))
}

/// Code of every module.
fn modules() -> BTreeMap<String, String> {
    let mut files = Vec::new();
    rust_files(&source("src"), &mut files);
    let mut modules: BTreeMap<String, String> = BTreeMap::new();
    for path in files.iter().filter(|path| !is_test(path)) {
        let module = module_of(path);
        if !matches!(module.as_str(), "lib" | "main") {
            let code = code(path);
            modules.entry(module).or_default().push_str(&code);
        }
    }
    modules
}

/// The modules that `crate::…` paths in the code name, `use crate::{a, b::c}` included.
fn named(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let word = |text: &str| -> String {
            let text = text.trim_start();
            text.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        };
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (at, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && depth == 0 && !c.is_whitespace() => {
                        named.insert(word(&group[at..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            named.insert(word(rest));
        }
    }
    named
}

#[test]
fn modules_name_only_what_the_map_allows() {
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let modules = modules();
    let mut wrong = Vec::new();
    for (module, code) in &modules {
        let Some(allowed) = allowed.get(module.as_str()) else {
            wrong.push(format!("{module} is not on the map"));
            continue;
        };
        for other in named(code) {
            let known = modules.contains_key(&other);
            if known && other != *module && !allowed.contains(&other.as_str()) {
                wrong.push(format!("{module} → {other}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "edges that the map does not have: {wrong:#?}"
    );
}

#[test]
fn the_map_has_no_edge_that_nobody_uses() {
    let modules = modules();
    let unused: Vec<String> = EDGES
        .iter()
        .flat_map(|(module, allowed)| allowed.iter().map(move |other| (module, other)))
        .filter(|(module, other)| !named(&modules[**module]).contains(**other))
        .map(|(module, other)| format!("{module} → {other}"))
        .collect();
    assert!(
        unused.is_empty(),
        "edges to remove from the map: {unused:#?}"
    );
}

#[test]
fn the_core_is_pure() {
    let modules = modules();
    let mut wrong = Vec::new();
    for module in PURE {
        for word in IMPURE {
            if modules[*module].contains(word) {
                wrong.push(format!("{module} uses {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_kind_is_registered_and_has_a_scenario() {
    let list = fs::read_to_string(source("src/kinds/mod.rs")).unwrap();
    let files = fs::read_dir(source("src/kinds")).unwrap();
    let kinds: Vec<String> = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| fs::read_to_string(path).unwrap().contains("impl Kind for"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    for kind in kinds {
        assert!(
            list.contains(&format!("&Erased::<{kind}::")),
            "{kind} is not in ALL"
        );
        let scenario = source(&format!("tests/kinds/{kind}.yaml"));
        assert!(scenario.exists(), "{} is missing", scenario.display());
    }
}

#[test]
fn unsafe_code_is_forbidden() {
    for root in ["src/lib.rs", "src/main.rs"] {
        let text = fs::read_to_string(source(root)).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{root}");
    }
}
