//! `${env:NAME}`: only in how an account is reached, so that one spec serves laptops and pipelines while everything it
//! says about the log can be read in the file.

use crate::diag::{Diagnostic, Path, Segment};

use super::sources::Sources;
use super::yaml::{Node, Value};

/// Looks up an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

const OPEN: &str = "${env:";

/// Puts the values of variables in their places.
pub fn expand(root: &mut Node, env: Env<'_>, sources: &Sources, out: &mut Vec<Diagnostic>) {
    walk(&Path::root(), root, &mut |path, text, node_at| {
        if !text.contains(OPEN) {
            return None;
        }
        let result = if allowed(path.segments()) {
            substitute(text, env)
        } else {
            Err(Problem {
                code: "env-not-allowed",
                message: format!("`${{env:…}}` cannot be used in {path}"),
                help: "write the value; variables are for `id`, `profile` and `assume_role` of an account only, so \
                       that the rest of a spec means the same everywhere",
            })
        };
        result
            .map_err(|problem| {
                let diagnostic = Diagnostic::error(problem.code, path.clone(), problem.message);
                out.push(diagnostic.at(sources.location(&node_at)).help(problem.help));
            })
            .ok()
    });
}

fn walk(
    path: &Path,
    node: &mut Node,
    change: &mut dyn FnMut(&Path, &str, super::yaml::Span) -> Option<String>,
) {
    match &mut node.value {
        Value::String(text) => {
            if let Some(new) = change(path, text, node.span) {
                *text = new;
            }
        }
        Value::Seq(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(&path.index(index), item, change);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                walk(&path.key(&key.name), value, change);
            }
        }
        _ => {}
    }
}

/// `accounts.*.{id,profile,assume_role}` and `accounts.*.assume_role.{role,external_id,session_name}`.
fn allowed(path: &[Segment]) -> bool {
    let keys: Vec<&str> = path
        .iter()
        .filter_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        })
        .collect();
    keys.len() == path.len()
        && matches!(
            keys.as_slice(),
            ["accounts", _, "id" | "profile" | "assume_role"]
                | [
                    "accounts",
                    _,
                    "assume_role",
                    "role" | "external_id" | "session_name"
                ]
        )
}

struct Problem {
    code: &'static str,
    message: String,
    help: &'static str,
}

fn substitute(text: &str, env: Env<'_>) -> Result<String, Problem> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(OPEN) {
        out.push_str(&rest[..start]);
        rest = &rest[start + OPEN.len()..];
        let name = rest.find('}').map(|end| &rest[..end]).unwrap_or_default();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(word) {
            return Err(Problem {
                code: "env-syntax",
                message: format!("`{text}` does not name a variable"),
                help: "write `${env:NAME}`",
            });
        }
        match env(name) {
            Some(value) => out.push_str(&value),
            None => {
                return Err(Problem {
                    code: "env-unset",
                    message: format!("the environment variable {name} is not set"),
                    help: "set it, or write the value into the spec",
                });
            }
        }
        rest = &rest[name.len() + 1..];
    }
    out.push_str(rest);
    Ok(out)
}
