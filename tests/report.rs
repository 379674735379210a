//! The forms of an estimate, as snapshots and in a browser. Look at a change of `tests/report/snapshots/` as its reader
//! would. The fixtures are reports as `cost --format json` prints them.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "report/browser.rs"]
mod browser;
#[path = "report/large.rs"]
mod large;

use std::time::{Duration, Instant};

use browser::{Visit, visit};
use insta::{Settings, assert_snapshot};
use large::{ACCOUNTS, LINES, large};
use orgtrail::render::Terminal;
use orgtrail::render::cost::{
    AZURE_DEVOPS_LIMIT, CostReport, GITHUB_LIMIT, GITLAB_LIMIT, html, infracost, json, markdown,
    marker, schema, text,
};
use serde_json::Value;

const NARROW: Terminal = Terminal {
    color: false,
    width: Some(80),
};
const WIDE: Terminal = Terminal {
    color: false,
    width: Some(120),
};
const COLORED: Terminal = Terminal {
    color: true,
    width: Some(80),
};

const SMALL: &str = include_str!("report/small.json");
const UNKNOWN: &str = include_str!("report/unknown.json");
const REFUSED: &str = include_str!("report/refused.json");
const HOSTILE: &str = include_str!("report/hostile.json");

/// Each with its name; the large one is made, not stored.
fn fixtures() -> Vec<(&'static str, CostReport)> {
    vec![
        ("small", read(SMALL)),
        ("unknown", read(UNKNOWN)),
        ("refused", read(REFUSED)),
        ("hostile", read(HOSTILE)),
        ("large", large()),
    ]
}

fn read(fixture: &str) -> CostReport {
    serde_json::from_str(fixture).unwrap()
}

fn snapshots(check: impl FnOnce()) {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path("report/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(check);
}

#[test]
fn text_is_readable_narrow_and_wide() {
    snapshots(|| {
        for (name, report) in fixtures().into_iter().take(4) {
            assert_snapshot!(format!("{name}_80.txt"), text(&report, NARROW, false));
            assert_snapshot!(format!("{name}_120.txt"), text(&report, WIDE, false));
        }
        assert_snapshot!("refused_explained.txt", text(&read(REFUSED), NARROW, true));
        assert_snapshot!(
            "refused_colored.txt",
            text(&read(REFUSED), COLORED, false).replace('\u{1b}', "␛")
        );
    });
}

#[test]
fn text_keeps_to_its_width() {
    for (name, report) in fixtures() {
        for width in [60, 80, 120, 200] {
            let terminal = Terminal {
                color: false,
                width: Some(width),
            };
            let text = text(&report, terminal, false);
            // Sentences keep words whole, so that what is long can be copied; a table breaks them.
            let fits = |line: &&str| line.chars().count() <= width || !line.trim().contains("  ");
            let long: Vec<&str> = text.lines().filter(|line| !fits(line)).collect();
            assert!(long.is_empty(), "{name} at {width}: {long:#?}");
        }
    }
}

#[test]
fn text_of_hostile_names_does_not_move_the_cursor() {
    let text = text(&read(HOSTILE), WIDE, true);
    let hidden = |c: char| {
        c != '\n'
            && (c.is_control() || "\u{202e}\u{200b}\u{2060}\u{feff}\u{2061}\u{a0}".contains(c))
    };
    assert_eq!(text.chars().find(|c| hidden(*c)), None);
}

#[test]
fn unknown_is_never_nothing() {
    let report = read(UNKNOWN);
    let text = text(&report, NARROW, false);
    assert_eq!(
        text.matches("$0.00").count(),
        1,
        "only the price of the free copy"
    );
    assert!(text.contains("Total without 4 unknown"));
    let infracost: Value = serde_json::from_str(&infracost(&report)).unwrap();
    let trail = &infracost["projects"][0]["breakdown"]["resources"][0];
    assert_eq!(trail["monthlyCost"], Value::Null);
    assert_eq!(trail["costComponents"][1]["monthlyQuantity"], Value::Null);
    assert_eq!(trail["costComponents"][1]["price"], "0.000001");
}

#[test]
fn json_is_the_type_itself() {
    for (name, report) in fixtures() {
        let text = json(&report);
        assert!(text.ends_with("}\n"));
        assert_eq!(read(&text), report, "{name}");
    }
    let schema = schema();
    let lines = &schema["properties"]["lines"]["items"]["$ref"];
    assert_eq!(lines, "#/$defs/Line");
}

#[test]
fn infracost_reads_it() {
    snapshots(|| {
        assert_snapshot!("refused_infracost.json", infracost(&read(REFUSED)));
        assert_snapshot!("unknown_infracost.json", infracost(&read(UNKNOWN)));
    });
    let root: Value = serde_json::from_str(&infracost(&read(REFUSED))).unwrap();
    let project = &root["projects"][0];
    for total in [
        "totalMonthlyCost",
        "pastTotalMonthlyCost",
        "diffTotalMonthlyCost",
    ] {
        assert!(root[total].is_string(), "{total}");
    }
    for (part, total) in [
        ("breakdown", "totalMonthlyCost"),
        ("pastBreakdown", "pastTotalMonthlyCost"),
        ("diff", "diffTotalMonthlyCost"),
    ] {
        let resources = project[part]["resources"].as_array().unwrap();
        let sum: f64 = resources
            .iter()
            .filter_map(|resource| resource["monthlyCost"].as_str())
            .map(number)
            .sum();
        assert!(
            (sum - number(root[total].as_str().unwrap())).abs() < 1e-6,
            "{part} sums to {sum}"
        );
    }
}

fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

#[test]
fn comments_are_readable() {
    snapshots(|| {
        for (name, report) in fixtures().into_iter().take(4) {
            assert_snapshot!(format!("{name}.md"), markdown(&report, None));
        }
    });
}

#[test]
fn comments_start_with_their_marker() {
    for (name, report) in fixtures() {
        let text = markdown(&report, None);
        let first = text.lines().next().unwrap();
        assert_eq!(first, marker(&report.spec), "{name}");
        assert!(
            first.ends_with(" -->")
                && first.matches("--").count() == 2
                && first.matches('>').count() == 1
        );
    }
}

#[test]
fn comments_of_hostile_names_are_harmless() {
    let text = markdown(&read(HOSTILE), None);
    let body = text.split_once('\n').unwrap().1;
    // In fenced blocks everything is shown as it is.
    let mut fence: Option<&str> = None;
    for line in body.lines() {
        let bare = line.trim_start();
        match fence {
            Some(open) if bare == open => fence = None,
            Some(_) => continue,
            None if bare.starts_with("```") => fence = Some(bare.trim_end_matches("yaml")),
            None => {}
        }
        for bad in [
            "<script", "<img", "<svg", "<!--", "</table", "@octocat", "http://", "https://",
            "**d**", "[x]",
        ] {
            assert!(!line.contains(bad), "{bad} in {line}");
        }
        assert!(!line.starts_with("## "), "{line}");
    }
    assert_eq!(fence, None, "every fence is closed");
    let hidden =
        |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{200b}\u{2060}\u{feff}".contains(c));
    assert_eq!(text.chars().find(|c| hidden(*c)), None);
    let rows = body
        .lines()
        .filter(|line| line.starts_with("| ~ ") || line.starts_with("| | "));
    for row in rows {
        assert_eq!(row.matches('|').count(), 7, "{row}");
    }
}

#[test]
fn comments_fit_every_forge_and_say_what_is_missing() {
    let mut report = large();
    // Twenty times as many rows as the largest organization that we know of.
    report.lines = report
        .lines
        .iter()
        .cycle()
        .take(20 * LINES)
        .cloned()
        .collect();
    for limit in [
        2_000,
        10_000,
        GITHUB_LIMIT,
        AZURE_DEVOPS_LIMIT,
        GITLAB_LIMIT,
    ] {
        let text = markdown(&report, Some(limit));
        let size = text.encode_utf16().count();
        assert!(size <= limit, "{size} of {limit}");
        assert!(
            limit < GITHUB_LIMIT || size > limit * 9 / 10 || !text.contains("left out"),
            "{size} of {limit}"
        );
        assert_eq!(
            text.matches("<details>").count(),
            text.matches("</details>").count(),
            "{limit}"
        );
        let shown = text
            .lines()
            .filter(|line| line.starts_with("| `trail.team-"))
            .count();
        let missing = report.lines.len() - shown;
        let sentence = match (shown, missing) {
            (_, 0) => continue,
            (0, all) => format!("all {all} lines"),
            (_, missing) => format!("{missing} of {} lines", report.lines.len()),
        };
        assert!(text.contains(&sentence), "{limit}: no “{sentence}”");
    }
}

#[test]
fn a_large_report_is_fast_and_not_listed_row_by_row() {
    let report = large();
    let start = Instant::now();
    let text = text(&report, NARROW, false);
    let page = html(&report);
    let comment = markdown(&report, Some(GITHUB_LIMIT));
    // Generous: it is a fraction of a second in a debug build.
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(report.copies.len(), 6 * ACCOUNTS);
    assert!(text.lines().count() < 1100 && text.contains("2000 accounts, 6000 pairs"));
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
    assert!(comment.contains("| `security` | 0 | 6000 | 0 | $120.00 |"));
}

/// The page with a script, which its policy forbids, that compares it with its data.
fn checked(page: &str) -> String {
    let script = include_str!("report/check.js");
    let (head, tail) = page
        .split_once("<meta http-equiv=\"Content-Security-Policy\"")
        .unwrap();
    let tail = tail.split_once('>').unwrap().1;
    let (body, end) = tail.rsplit_once("</body>").unwrap();
    format!("{head}{body}<script>{script}</script></body>{end}")
}

/// In a frame of that width: windows are not as narrow as telephones.
fn framed(page: &str, width: u32) -> String {
    let page = page.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<!doctype html><meta charset=\"utf-8\"><pre id=\"outcome\"></pre>\
         <iframe style=\"border:0;width:{width}px;height:900px\" srcdoc=\"{page}\"></iframe>"
    )
}

/// What the script found.
fn outcome(page: &str, width: u32, dark: bool) -> Value {
    let visit = visit(&framed(&checked(page), width), 1400, dark);
    let (_, outcome) = visit.dom.split_once("<pre id=\"outcome\">").unwrap();
    let (outcome, _) = outcome.split_once("</pre>").unwrap();
    let outcome = outcome
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    serde_json::from_str(&outcome).unwrap_or_else(|error| panic!("{error}: {outcome}"))
}

#[track_caller]
fn assert_checked(name: &str, report: &CostReport, width: u32, dark: bool) {
    let outcome = outcome(&html(report), width, dark);
    assert_eq!(
        outcome["wrong"],
        Value::Array(Vec::new()),
        "{name} at {width}"
    );
    assert_eq!(
        (&outcome["width"], &outcome["dark"]),
        (&width.into(), &dark.into()),
        "{name}"
    );
}

#[test]
fn the_page_shows_the_figures_of_its_data_at_every_width() {
    for (name, report) in fixtures() {
        assert_checked(name, &report, 360, true);
        assert_checked(name, &report, 1280, false);
    }
}

/// That the script would have found it.
#[test]
fn a_page_with_mistakes_is_caught() {
    let page = html(&read(REFUSED)).replacen("$214.00</td>", "$215.00</td>", 1);
    let page = page.replace(
        "<main>",
        "<main><p style=\"width:2000px\" onclick=\"x\">x</p>",
    );
    let outcome = outcome(&page, 1280, false);
    let wrong: Vec<&str> = outcome["wrong"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect();
    for start in [
        "after:",
        "handlers:",
        "width of the page:",
        "P. sticks out:",
    ] {
        assert!(
            wrong.iter().any(|text| text.starts_with(start)),
            "{start} {wrong:#?}"
        );
    }
}

#[test]
fn the_page_asks_nobody_and_runs_nothing() {
    for (name, report) in fixtures() {
        let Visit {
            dom,
            console,
            requests,
        } = visit(&html(&report), 1280, false);
        assert_eq!(console, Vec::<String>::new(), "{name}");
        assert_eq!(requests, Vec::<String>::new(), "{name}");
        assert!(
            dom.contains("id=\"lines\"") && !dom.contains("<title>run"),
            "{name}"
        );
    }
}

/// That the browser would have told.
#[test]
fn a_page_that_asks_is_caught() {
    let page = "<!doctype html><title>x</title><img src=\"http://canary.test/x.png\"><script>console.error('boo')</script>";
    let visit = visit(page, 1280, false);
    assert_eq!(visit.requests, ["http://canary.test/x.png"]);
    assert!(visit.console.iter().any(|line| line.contains("boo")));
}

/// Even if a name became an element, the policy would stop it.
#[test]
fn the_policy_forbids_what_a_name_might_try() {
    let page = html(&read(SMALL));
    let bad = "<img src=\"http://canary.test/x.png\"><script>document.title = 'run'</script>";
    let visit = visit(
        &page.replace("<main>", &format!("<main>{bad}")),
        1280,
        false,
    );
    assert_eq!(visit.requests, Vec::<String>::new());
    assert!(!visit.dom.contains("<title>run"));
    assert!(
        visit
            .console
            .iter()
            .any(|line| line.contains("Content Security Policy")),
        "{:?}",
        visit.console
    );
}
