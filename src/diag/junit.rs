//! JUnit XML as GitLab and Jenkins read it; the format has no standard.

use std::fmt::Write as _;

use super::{Diagnostic, count};

/// A test suite with a failed test case per error. Warnings pass, with their text as output. Without any diagnostic the
/// suite holds one passed case, because readers take an empty suite for a broken run.
pub fn junit(diagnostics: &[Diagnostic]) -> String {
    let (errors, _) = count(diagnostics);
    let tests = diagnostics.len().max(1);
    let counts = format!("tests=\"{tests}\" failures=\"{errors}\" errors=\"0\"");
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"orgtrail\" {counts}>\n  \
         <testsuite name=\"orgtrail check\" {counts}>\n"
    );
    if diagnostics.is_empty() {
        out.push_str("    <testcase classname=\"orgtrail\" name=\"spec\"/>\n");
    }
    for diagnostic in diagnostics {
        case(&mut out, diagnostic);
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

fn case(out: &mut String, diagnostic: &Diagnostic) {
    let message = escape(&diagnostic.message);
    let code = diagnostic.code;
    let name = match diagnostic.path.to_string() {
        path if path.is_empty() => code.to_owned(),
        path => format!("{} {code}", escape(&path)),
    };
    let place = diagnostic.location.as_ref().map_or(String::new(), |l| {
        format!(" file=\"{}\" line=\"{}\"", escape(&l.file), l.line)
    });
    let _ = writeln!(
        out,
        "    <testcase classname=\"{code}\" name=\"{name}\"{place}>"
    );
    let body = escape(&body(diagnostic));
    let _ = if diagnostic.is_error() {
        writeln!(
            out,
            "      <failure type=\"{code}\" message=\"{message}\">{body}</failure>"
        )
    } else {
        writeln!(out, "      <system-out>warning: {body}</system-out>")
    };
    out.push_str("    </testcase>\n");
}

fn body(diagnostic: &Diagnostic) -> String {
    let mut body = diagnostic.message.clone();
    if let Some(location) = &diagnostic.location {
        body = format!("{location}: {body}");
    }
    for related in &diagnostic.related {
        let _ = write!(body, "\n{}: {}", related.location, related.message);
    }
    if let Some(help) = &diagnostic.help {
        let _ = write!(body, "\n{help}");
    }
    body
}

/// Text and attribute values of XML 1.0. Characters that XML cannot hold become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
