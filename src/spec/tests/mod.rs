mod documents;
mod examples;
mod merging;
mod properties;
mod reading;
mod rules;
mod structure;
mod trail_rules;

use super::*;
use crate::diag::{self, Style};

use time::macros::date;

/// Any day before the consents of the examples end.
const TODAY: Date = date!(2026 - 11 - 24);

const EXAMPLE: &str = include_str!("../../../examples/orgtrail.yaml");

fn env(name: &str) -> Option<String> {
    (name == "MANAGEMENT_ACCOUNT").then(|| "111122223333".to_owned())
}

fn load_bytes(bytes: impl Into<Vec<u8>>) -> Loaded {
    load(
        vec![("orgtrail.yaml".to_owned(), bytes.into())],
        &env,
        TODAY,
    )
}

fn load_files(files: &[(&str, &str)]) -> Loaded {
    let files = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
    load(files.collect(), &env, TODAY)
}

/// As a terminal shows it.
fn shown(loaded: &Loaded) -> String {
    let text = diag::text(&loaded.diagnostics, &loaded.sources, Style::Plain);
    format!("{text}{}", diag::summary(&loaded.diagnostics))
}

/// Every diagnostic in two lines, for tests of rules.
fn listed(loaded: &Loaded) -> String {
    let line = |d: &Diagnostic| {
        let place = d
            .location
            .as_ref()
            .map_or(String::new(), |l| format!("{}:{} ", l.line, l.column));
        let severity = if d.is_error() { "" } else { " (warning)" };
        let help = d.help.as_deref().unwrap_or("-");
        format!("{place}{}{severity}: {}\n    {help}\n", d.code, d.message)
    };
    loaded.diagnostics.iter().map(line).collect()
}

fn codes(loaded: &Loaded) -> Vec<&str> {
    loaded.diagnostics.iter().map(|d| d.code).collect()
}
