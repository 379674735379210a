//! Texts that are no spec at all: each gets one message that says what to do.

use insta::assert_snapshot;

use super::*;

#[test]
fn an_empty_file() {
    assert_snapshot!(shown(&load_bytes("")), @r"
    error[spec-empty]: orgtrail.yaml is empty
     --> orgtrail.yaml:1:1
    help: a spec starts with `version: 1` and `name:`; `orgtrail init` writes one to
          begin with

    1 error
    ");
}

#[test]
fn a_file_of_comments() {
    assert_snapshot!(shown(&load_bytes("# to do\n")), @r"
    error[spec-empty]: orgtrail.yaml is empty
     --> orgtrail.yaml:1:1
      |
    1 | # to do
      | ^
    help: a spec starts with `version: 1` and `name:`; `orgtrail init` writes one to
          begin with

    1 error
    ");
}

#[test]
fn no_file() {
    assert_snapshot!(shown(&load_files(&[])), @r"
    error[spec-empty]: there is no spec file
    help: `orgtrail init` writes one to begin with

    1 error
    ");
}

#[test]
fn not_yaml() {
    assert_snapshot!(shown(&load_bytes("version: 1\nname: acme: audit\n")), @r"
    error[yaml-syntax]: orgtrail.yaml is not valid YAML: mapping values are not
      allowed in this context
     --> orgtrail.yaml:2:11
      |
    2 | name: acme: audit
      |           ^
    help: put a value that contains `: ` in quotes, and check that keys of one block
          start in the same column

    1 error
    ");
}

#[test]
fn an_open_quote() {
    assert_snapshot!(shown(&load_bytes("version: 1\nname: 'acme\ntags: {}\n")), @r"
    error[yaml-syntax]: orgtrail.yaml is not valid YAML: unclosed quote
     --> orgtrail.yaml:2:7
      |
    2 | name: 'acme
      |       ^
    help: close the quote, or put the whole value in the other kind of quotes

    1 error
    ");
}

#[test]
fn an_open_bracket() {
    assert_snapshot!(shown(&load_bytes("version: 1\ntrails: [a, b\nname: x\n")), @r"
    error[yaml-syntax]: orgtrail.yaml is not valid YAML: illegal placement of ':'
      indicator
     --> orgtrail.yaml:3:5
      |
    3 | name: x
      |     ^
    help: check brackets, quotes and indentation up to this place

    1 error
    ");
}

#[test]
fn tabs() {
    assert_snapshot!(shown(&load_bytes("version: 1\ntags:\n\tteam: x\n")), @r"
    error[yaml-syntax]: orgtrail.yaml is not valid YAML: tabs disallowed within this
      context (block indentation)
     --> orgtrail.yaml:3:2
      |
    3 |     team: x
      |     ^
    help: YAML indents with spaces

    1 error
    ");
}

#[test]
fn an_alias_without_anchor() {
    assert_snapshot!(shown(&load_bytes("version: 1\nname: *star\n")), @r"
    error[yaml-syntax]: orgtrail.yaml is not valid YAML: alias references unknown
      anchor
     --> orgtrail.yaml:2:7
      |
    2 | name: *star
      |       ^
    help: `*name` repeats a value marked `&name` further up; put a text that starts
          with `*` in quotes

    1 error
    ");
}

#[test]
fn several_documents() {
    assert_snapshot!(shown(&load_bytes("version: 1\n---\nversion: 1\n")), @r"
    error[spec-documents]: orgtrail.yaml holds several YAML documents; a spec is one
     --> orgtrail.yaml:3:1
      |
    3 | version: 1
      | ^
    help: put each into a file of its own and pass the folder: files merge by name

    1 error
    ");
}

#[test]
fn a_key_that_is_no_word() {
    assert_snapshot!(shown(&load_bytes("version: 1\n? [a, b]\n: c\n")), @r"
    error[yaml-syntax]: a key must be a word
     --> orgtrail.yaml:2:3
      |
    2 | ? [a, b]
      |   ^
    help: write `key: value`; put the key in quotes if it looks like something else

    1 error
    ");
}

#[test]
fn not_utf8() {
    assert_snapshot!(shown(&load_bytes(b"version: 1\nname: caf\xe9\n".to_vec())), @r"
    error[spec-encoding]: orgtrail.yaml is not UTF-8 text
     --> orgtrail.yaml:2:10
      |
    2 | name: caf�
      |          ^
    help: save the file as UTF-8

    1 error
    ");
}

#[test]
fn utf16() {
    let text = "version: 1\n".encode_utf16().flat_map(u16::to_le_bytes);
    let bytes: Vec<u8> = [0xff, 0xfe].into_iter().chain(text).collect();
    assert_snapshot!(shown(&load_bytes(bytes)), @r"
    error[spec-encoding]: orgtrail.yaml is not UTF-8 text
     --> orgtrail.yaml:1:1
      |
    1 | ��v\u{0}e\u{0}r\u{0}s\u{0}i\u{0}o\u{0}n\u{0}:\u{0} \u{0}1\u{0}
      | ^
    help: this looks like UTF-16, which some Windows editors write; save the file as
          UTF-8

    1 error
    ");
}

#[test]
fn ten_megabytes() {
    assert_snapshot!(shown(&load_bytes(vec![b'#'; 10_000_000])), @r"
    error[spec-size]: orgtrail.yaml is 10.0 MB; a spec may be at most 2 MB
     --> orgtrail.yaml:1:1
    help: is this the right file? A spec can also be split into several files of a
          folder

    1 error
    ");
    assert!(shown(&load_bytes(vec![b'#'; MAX + 1])).contains("is 2.1 MB"));
    assert!(!shown(&load_bytes(vec![b'#'; MAX])).contains("spec-size"));
}

const MAX: usize = yaml::MAX_BYTES;

#[test]
fn an_alias_bomb() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}, ", level - 1).repeat(9);
        text.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
    }
    assert_snapshot!(shown(&load_bytes(text)), @r"
    error[spec-aliases]: the aliases of orgtrail.yaml expand to more than a spec may
      hold
     --> orgtrail.yaml:6:10
      |
    6 | a5: &a5 [*a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, ]
      |          ^
    help: an alias of an alias multiplies; write the values out

    1 error
    ");
}

#[test]
fn an_alias_of_itself() {
    assert_snapshot!(shown(&load_bytes("a: &a [*a]\n")), @r"
    error[spec-aliases]: this alias stands within the value that it repeats
     --> orgtrail.yaml:1:8
      |
    1 | a: &a [*a]
      |        ^
    help: write the value out

    1 error
    ");
}

#[test]
fn deep_nesting() {
    assert_snapshot!(shown(&load_bytes("[".repeat(1000))), @r"
    error[spec-depth]: orgtrail.yaml nests deeper than 32 levels
     --> orgtrail.yaml:1:256
      |
    1 | …[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[…
      |                     ^
    help: nothing in a spec lies that deep; look for brackets or indentation gone
          wrong

    1 error
    ");
    let blocks: String = (0..100)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    assert_eq!(codes(&load_bytes(blocks)), ["spec-depth"]);
}

#[test]
fn a_million_values() {
    let loaded = load_bytes(format!("a: [{}]\n", "1,".repeat(900_000)));
    assert_eq!(codes(&loaded), ["spec-size"]);
    assert!(loaded.diagnostics[0].message.contains("250000 values"));
}

#[test]
fn json_is_yaml() {
    let json = r#"{ "version": 1, "name": "acme", "tags": { "team": "x" } }"#;
    assert_eq!(codes(&load_bytes(json)), [] as [&str; 0]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    assert_eq!(
        codes(&load_bytes("\u{feff}version: 1\nname: acme\n")),
        [] as [&str; 0]
    );
}

#[test]
fn anchors_and_merge_keys_work() {
    let text = "
version: 1
name: acme
accounts:
  shop: { id: '333344445555' }
buckets:
  a: &bucket
    account: shop
    name: acme-a
    tags: { team: x }
  b:
    <<: *bucket
    name: acme-b
";
    let loaded = load_bytes(text);
    assert_eq!(codes(&loaded), [] as [&str; 0]);
    let spec = loaded.spec.unwrap();
    assert_eq!(spec.buckets["b"].name, "acme-b");
    assert_eq!(spec.buckets["b"].tags["team"], "x");
    // What an alias brings in is located where it is written.
    let tag = Path::of("buckets").key("b").key("tags").key("team");
    assert_eq!(
        loaded.sources.locate(&tag).unwrap().to_string(),
        "orgtrail.yaml:10:19"
    );
}

#[test]
fn an_account_id_keeps_its_zeros() {
    let text = "version: 1\nname: acme\naccounts: { a: { id: 000111222333 } }\n";
    assert_eq!(
        load_bytes(text).spec.unwrap().account_id("a"),
        "000111222333"
    );
}
