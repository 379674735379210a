use insta::assert_snapshot;

use super::*;

const BASE: &str = "
version: 1
name: acme
accounts: { a: { id: '111122223333' } }
organization: { id: o-a1b2c3d4e5 }
keys: { k: { account: a, alias: k, readers: ['arn:aws:iam::111122223333:role/one'] } }
buckets: { logs: { account: a, name: acme-logs, key: k } }
trails:
  org:
    account: a
    organization: true
    bucket: logs
    recursive_logging: false
    selectors:
      - { name: management, management: all }
";

#[test]
fn lists_follow_one_another() {
    let team = "
name: acme
keys: { k: { readers: ['arn:aws:iam::111122223333:role/one', 'arn:aws:iam::111122223333:role/two'] } }
trails: { org: { selectors: [{ name: team, data: 'AWS::Lambda::Function' }] } }
";
    let loaded = load_files(&[("base.yaml", BASE), ("team.yaml", team)]);
    assert_eq!(codes(&loaded), [] as [&str; 0], "{}", shown(&loaded));
    let spec = loaded.spec.unwrap();
    assert_eq!(spec.keys["k"].readers.len(), 2);
    let names: Vec<_> = spec.trails["org"]
        .selectors
        .iter()
        .flatten()
        .filter_map(|s| s.any_name())
        .collect();
    assert_eq!(names, ["management", "team"]);
    let selector = Path::of("trails").key("org").key("selectors").index(1);
    let at = |path: &Path| loaded.sources.locate(path).unwrap().to_string();
    assert_eq!(at(&selector.key("data")), "team.yaml:4:50");
    // Nothing says `read_only`: the selector itself is nearest.
    assert_eq!(at(&selector.key("read_only")), "team.yaml:4:30");
}

#[test]
fn conflicts_name_both_places() {
    let team = "
name: other
buckets:
  logs:
    name: acme-other
    key: { alias: k }
trails:
  org:
    selectors:
      - { name: management, management: write }
";
    let loaded = load_files(&[("base.yaml", BASE), ("team.yaml", team)]);
    assert!(loaded.spec.is_none());
    assert_snapshot!(shown(&loaded), @r"
    error[merge-conflict]: two files say different things about name
     --> team.yaml:2:7
      |
    2 | name: other
      |       ^^^^^
    note: the other one
     --> base.yaml:3:7
      |
    3 | name: acme
      |       ^^^^
    help: keep it in one of the two files

    error[merge-conflict]: two files say different things about buckets.logs.name
     --> team.yaml:5:11
      |
    5 |     name: acme-other
      |           ^^^^^^^^^^
    note: the other one
     --> base.yaml:7:38
      |
    7 | buckets: { logs: { account: a, name: acme-logs, key: k } }
      |                                      ^^^^^^^^^
    help: keep it in one of the two files

    error[merge-conflict]: two files say different things about buckets.logs.key
     --> team.yaml:6:5
      |
    6 |     key: { alias: k }
      |     ^^^
    note: the other one
     --> base.yaml:7:54
      |
    7 | buckets: { logs: { account: a, name: acme-logs, key: k } }
      |                                                      ^
    help: keep it in one of the two files

    error[merge-conflict]: two files have an entry with the name `management` in
      trails.org.selectors
      --> team.yaml:10:17
       |
    10 |       - { name: management, management: write }
       |                 ^^^^^^^^^^
    note: the other one
      --> base.yaml:15:17
       |
    15 |       - { name: management, management: all }
       |                 ^^^^^^^^^^
    help: give one of them another name, or remove it

    4 errors
    ");
}

#[test]
fn a_broken_file_hides_no_problem_of_the_others() {
    let loaded = load_files(&[
        ("base.yaml", "a: 1\na: 2\n"),
        ("b.yaml", "x: [\n"),
        ("c.yaml", ""),
    ]);
    assert_eq!(
        codes(&loaded),
        ["duplicate-key", "yaml-syntax", "spec-empty"]
    );
}

#[test]
fn variables_are_for_accounts() {
    let text = "
version: 1
name: '${env:NAME}'
accounts:
  a: { id: '${env:MANAGEMENT_ACCOUNT}' }
  b: { id: '${env:NOT_SET}', assume_role: { role: 'x-${env:}' } }
";
    assert_snapshot!(shown(&load_bytes(text)), @r"
    error[env-not-allowed]: `${env:…}` cannot be used in name
     --> orgtrail.yaml:3:7
      |
    3 | name: '${env:NAME}'
      |       ^^^^^^^^^^^^^
    help: write the value; variables are for `id`, `profile` and `assume_role` of an
          account only, so that the rest of a spec means the same everywhere

    error[env-unset]: the environment variable NOT_SET is not set
     --> orgtrail.yaml:6:12
      |
    6 |   b: { id: '${env:NOT_SET}', assume_role: { role: 'x-${env:}' } }
      |            ^^^^^^^^^^^^^^^^
    help: set it, or write the value into the spec

    error[env-syntax]: `x-${env:}` does not name a variable
     --> orgtrail.yaml:6:51
      |
    6 |   b: { id: '${env:NOT_SET}', assume_role: { role: 'x-${env:}' } }
      |                                                   ^^^^^^^^^^^
    help: write `${env:NAME}`

    3 errors
    ");
    let text = "version: 1\nname: acme\naccounts: { a: { id: '${env:MANAGEMENT_ACCOUNT}', assume_role: 'r-${env:MANAGEMENT_ACCOUNT}-x' } }";
    let spec = load_bytes(text).spec.unwrap();
    assert_eq!(spec.account_id("a"), "111122223333");
    let role = spec.accounts["a"].assume_role.clone();
    assert_eq!(
        role,
        Some(types::AssumeRole::Role("r-111122223333-x".to_owned()))
    );
}
