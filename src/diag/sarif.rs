//! SARIF 2.1.0, in the subset that GitHub code scanning reads
//! (<https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning>).

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Diagnostic, Location, Severity};

pub fn sarif(diagnostics: &[Diagnostic]) -> Value {
    let mut rules: Vec<&str> = diagnostics.iter().map(|d| d.code).collect();
    rules.sort_unstable();
    rules.dedup();
    let mut seen = HashMap::new();
    let results: Vec<Value> = diagnostics
        .iter()
        .map(|diagnostic| {
            let fingerprint = fingerprint(diagnostic, &mut seen);
            result(diagnostic, &rules, &fingerprint)
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "orgtrail",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|code| rule(code)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Value {
    json!({ "id": code, "shortDescription": { "text": code.replace('-', " ") } })
}

fn result(diagnostic: &Diagnostic, rules: &[&str], fingerprint: &str) -> Value {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut text = diagnostic.message.clone();
    if let Some(help) = &diagnostic.help {
        text = format!("{text}\n{help}");
    }
    let mut result = json!({
        "ruleId": diagnostic.code,
        "ruleIndex": rules.binary_search(&diagnostic.code).unwrap_or_default(),
        "level": level,
        "message": { "text": text },
        "locations": diagnostic.location.iter().map(place).collect::<Vec<_>>(),
        "partialFingerprints": { "primaryLocationLineHash": fingerprint },
    });
    if !diagnostic.related.is_empty() {
        result["relatedLocations"] = diagnostic
            .related
            .iter()
            .map(|related| {
                let mut place = place(&related.location);
                place["message"] = json!({ "text": related.message });
                place
            })
            .collect();
    }
    result
}

fn place(location: &Location) -> Value {
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(&location.file) },
        "region": {
            "startLine": location.line,
            "startColumn": location.column,
            "endColumn": location.column + location.len.max(1),
        },
    }})
}

/// The same problem keeps its identity when lines move: rule and place in the spec, hashed with FNV-1a, and a count of
/// what has the same rule and place.
fn fingerprint(diagnostic: &Diagnostic, seen: &mut HashMap<u64, usize>) -> String {
    let text = format!("{}|{}", diagnostic.code, diagnostic.path);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let count = seen.entry(hash).or_default();
    *count += 1;
    format!("{hash:016x}:{count}")
}

/// A file name as a relative URI reference.
fn uri(file: &str) -> String {
    let mut out = String::with_capacity(file.len());
    for byte in file.bytes() {
        match byte {
            b'\\' => out.push('/'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
