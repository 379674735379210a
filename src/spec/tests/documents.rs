//! The forms for machines.

use insta::assert_snapshot;

use super::*;

const TEXT: &str = "
version: 1
name: acme
accounts:
  a: { id: '111122223333', colour: <blue> }
  a: { id: '1' }
";

#[test]
fn json() {
    assert_snapshot!(format!("{:#}", diag::json(&load_bytes(TEXT).diagnostics)), @r#"
    {
      "format_version": "1.0",
      "errors": 2,
      "warnings": 0,
      "diagnostics": [
        {
          "severity": "error",
          "code": "unknown-key",
          "message": "the key `colour` is not known in accounts.a",
          "path": "accounts.a.colour",
          "location": {
            "file": "orgtrail.yaml",
            "line": 5,
            "column": 28,
            "len": 6
          },
          "help": "known here: id, region, profile and assume_role",
          "related": []
        },
        {
          "severity": "error",
          "code": "duplicate-key",
          "message": "the key `a` stands twice, in line 5 and in line 6",
          "path": "accounts.a",
          "location": {
            "file": "orgtrail.yaml",
            "line": 6,
            "column": 3,
            "len": 1
          },
          "help": "join the two, or rename one",
          "related": [
            {
              "location": {
                "file": "orgtrail.yaml",
                "line": 5,
                "column": 3,
                "len": 1
              },
              "message": "first written here"
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn sarif() {
    let loaded = load_files(&[("a dir/orgtrail.yaml", TEXT)]);
    let sarif = format!("{:#}", diag::sarif(&loaded.diagnostics));
    assert_snapshot!(sarif.replace(env!("CARGO_PKG_VERSION"), "VERSION"), @r#"
    {
      "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
      "version": "2.1.0",
      "runs": [
        {
          "tool": {
            "driver": {
              "name": "orgtrail",
              "semanticVersion": "VERSION",
              "rules": [
                {
                  "id": "duplicate-key",
                  "shortDescription": {
                    "text": "duplicate key"
                  }
                },
                {
                  "id": "unknown-key",
                  "shortDescription": {
                    "text": "unknown key"
                  }
                }
              ]
            }
          },
          "columnKind": "unicodeCodePoints",
          "results": [
            {
              "ruleId": "unknown-key",
              "ruleIndex": 1,
              "level": "error",
              "message": {
                "text": "the key `colour` is not known in accounts.a\nknown here: id, region, profile and assume_role"
              },
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "a%20dir/orgtrail.yaml"
                    },
                    "region": {
                      "startLine": 5,
                      "startColumn": 28,
                      "endColumn": 34
                    }
                  }
                }
              ],
              "partialFingerprints": {
                "primaryLocationLineHash": "f49d6caf9e292136:1"
              }
            },
            {
              "ruleId": "duplicate-key",
              "ruleIndex": 0,
              "level": "error",
              "message": {
                "text": "the key `a` stands twice, in line 5 and in line 6\njoin the two, or rename one"
              },
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "a%20dir/orgtrail.yaml"
                    },
                    "region": {
                      "startLine": 6,
                      "startColumn": 3,
                      "endColumn": 4
                    }
                  }
                }
              ],
              "partialFingerprints": {
                "primaryLocationLineHash": "f49af63d748bbdb1:1"
              },
              "relatedLocations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "a%20dir/orgtrail.yaml"
                    },
                    "region": {
                      "startLine": 5,
                      "startColumn": 3,
                      "endColumn": 4
                    }
                  },
                  "message": {
                    "text": "first written here"
                  }
                }
              ]
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn sarif_fingerprints_do_not_move_with_the_lines() {
    let prints = |text: String| {
        let sarif = diag::sarif(&load_bytes(text).diagnostics);
        let results = sarif["runs"][0]["results"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        results
            .into_iter()
            .map(|r| r["partialFingerprints"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(prints(TEXT.to_owned()), prints(format!("# moved\n{TEXT}")));
}

#[test]
fn junit() {
    assert_snapshot!(diag::junit(&load_bytes(TEXT).diagnostics), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="orgtrail" tests="2" failures="2" errors="0">
      <testsuite name="orgtrail check" tests="2" failures="2" errors="0">
        <testcase classname="unknown-key" name="accounts.a.colour unknown-key" file="orgtrail.yaml" line="5">
          <failure type="unknown-key" message="the key `colour` is not known in accounts.a">orgtrail.yaml:5:28: the key `colour` is not known in accounts.a&#10;known here: id, region, profile and assume_role</failure>
        </testcase>
        <testcase classname="duplicate-key" name="accounts.a duplicate-key" file="orgtrail.yaml" line="6">
          <failure type="duplicate-key" message="the key `a` stands twice, in line 5 and in line 6">orgtrail.yaml:6:3: the key `a` stands twice, in line 5 and in line 6&#10;orgtrail.yaml:5:3: first written here&#10;join the two, or rename one</failure>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
    assert_snapshot!(diag::junit(&[]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="orgtrail" tests="1" failures="0" errors="0">
      <testsuite name="orgtrail check" tests="1" failures="0" errors="0">
        <testcase classname="orgtrail" name="spec"/>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn colours_are_the_callers_choice() {
    let loaded = load_bytes("version: 1\nname: 7\n");
    let text = diag::text(&loaded.diagnostics, &loaded.sources, Style::Color);
    assert!(text.contains("\u{1b}["));
    assert!(!diag::text(&loaded.diagnostics, &loaded.sources, Style::Plain).contains('\u{1b}'));
}

#[test]
fn counts() {
    let loaded = load_bytes("version: 1\nname: 7\nx: 1\n");
    assert_eq!(diag::summary(&loaded.diagnostics), "2 errors");
    assert_eq!(diag::summary(&[]), "no problems");
    let warning = Diagnostic::warning("w", Path::of("a").key("b").index(2), "m");
    assert_eq!(diag::summary(std::slice::from_ref(&warning)), "1 warning");
    assert_eq!(warning.path.to_string(), "a.b[2]");
}
