//! The spec: from the texts of its files to a checked [`Spec`], with every problem found on the way.
//!
//! Texts become trees with positions ([`yaml`]), several files become one tree ([`merge`]), variables get their values
//! ([`env`]), the tree is held against the schema ([`shape`]), turned into [`Spec`], and checked ([`check`]). Nothing
//! here reads a file, an environment variable or a clock; the caller gives all three.

mod access;
mod check;
mod env;
mod merge;
mod schema;
mod shape;
mod sources;
mod suggest;
pub mod types;
mod yaml;

#[cfg(test)]
mod tests;

use serde::Deserialize as _;
use time::Date;

use crate::diag::{Diagnostic, Path};

pub use access::{DEFAULT_REGION, global_region, partition};
pub use env::Env;
pub use schema::schema;
pub use sources::{SourceFile, Sources};
pub use types::{Spec, Trail};

/// What the files of a spec hold.
#[derive(Debug)]
pub struct Loaded {
    /// The spec, if nothing is wrong with it: no diagnostic is an error.
    pub spec: Option<Spec>,
    pub sources: Sources,
    /// In the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// Loads a spec from the names and contents of its files. `today` decides which consents of `allow` have run out.
pub fn load(files: Vec<(String, Vec<u8>)>, env: Env<'_>, today: Date) -> Loaded {
    let mut diagnostics = Vec::new();
    let mut texts = Vec::new();
    let mut readable = Vec::new();
    for (name, bytes) in files {
        let (file, problem) = yaml::decode(&name, bytes);
        readable.push(problem.is_none());
        diagnostics.extend(problem);
        texts.push(file);
    }
    if texts.is_empty() {
        let diagnostic = Diagnostic::error("spec-empty", Path::root(), "there is no spec file");
        diagnostics.push(diagnostic.help("`orgtrail init` writes one to begin with"));
    }
    let mut sources = Sources::new(texts);
    let spec = read(&mut sources, &readable, env, &mut diagnostics)
        .inspect(|spec| diagnostics.extend(check::check(spec, &sources, today)));
    sort(&sources, &mut diagnostics);
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    Loaded {
        spec: spec.filter(|_| !failed),
        sources,
        diagnostics,
    }
}

/// All that has to be right before the spec's meaning can be looked at.
fn read(
    sources: &mut Sources,
    readable: &[bool],
    env: Env<'_>,
    out: &mut Vec<Diagnostic>,
) -> Option<Spec> {
    let mut trees = Vec::new();
    for (index, file) in sources.files().iter().enumerate() {
        if readable.get(index) == Some(&true) {
            match yaml::parse(file, index) {
                Ok(tree) => trees.push(tree),
                Err(diagnostic) => out.push(*diagnostic),
            }
        }
    }
    trees
        .iter()
        .for_each(|tree| shape::duplicate_keys(tree, sources, out));
    // With a file missing, what it holds would look like missing keys and dangling names.
    let complete = trees.len() == sources.files().len();
    let mut trees = trees.into_iter();
    let mut root = trees.next()?;
    trees.for_each(|tree| merge::merge(&mut root, tree, sources, out));
    env::expand(&mut root, env, sources, out);
    if complete {
        shape::check(&root, &schema(), sources, out);
    }
    let value = root.to_json();
    sources.set_root(root);
    if !complete || out.iter().any(Diagnostic::is_error) {
        return None;
    }
    Spec::deserialize(value)
        .map_err(|error| out.push(mismatch(&error)))
        .ok()
}

/// The schema allowed what the types do not: our mistake, not the user's.
fn mismatch(error: &serde_json::Error) -> Diagnostic {
    let message = format!("this spec passed the schema, but orgtrail cannot read it: {error}");
    Diagnostic::error("internal", Path::root(), message)
        .help("please report this as a bug of orgtrail, with the spec")
}

/// By file in the order given, then by place; what no file holds comes first.
fn sort(sources: &Sources, diagnostics: &mut [Diagnostic]) {
    let position = |name: &str| sources.files().iter().position(|file| file.name() == name);
    diagnostics.sort_by_key(|diagnostic| {
        let location = diagnostic.location.as_ref();
        location.map(|l| (position(&l.file), l.line, l.column))
    });
}
