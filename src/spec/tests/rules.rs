//! The rules that need no AWS: accounts, keys, buckets, consents.

use insta::assert_snapshot;

use super::*;

#[test]
fn accounts() {
    let text = "
version: 1
name: ''
tags: { aws:x: '1', 'orgtrail:spec': mine, bad*key: '2', ok: \"tab\\there\" }
accounts:
  a: { id: '1111', region: US-EAST-1 }
  b: { id: '222233334444', region: eu-west-1, assume_role: 'arn:aws:iam::333344445555:role/x' }
  c: { id: '222233334444', assume_role: 'arn:aws:iam::222233334444:user/x' }
  d: { id: '555566667777', profile: '' }
  e: { id: '666677778888', assume_role: { role: 'a b', session_name: x, external_id: 'y' } }
  f: { id: '777788889999' }
  'g h': { id: '888899990000', profile: p }
organization: { id: o-SHORT, account: managment }
lock: { bucket: lock }
";
    assert_snapshot!(listed(&load_bytes(text)), @r#"
    3:7 spec-name: the name of the spec is empty
        name the owner of these resources, such as `acme-audit`
    4:16 tag-reserved: the tag `aws:x` begins with `aws:`
        AWS keeps that prefix for itself; rename the tag
    4:38 tag-reserved: the tag `orgtrail:spec` begins with `orgtrail:`
        orgtrail marks with such tags what a spec owns; rename the tag
    4:53 tag: the key of the tag `bad*key` has a character that tags cannot have
        a tag has a key of 1 to 128 and a value of up to 256 letters, digits, spaces and `_ . : / = + - @`
    4:62 tag: the value of the tag `ok` has a character that tags cannot have
        a tag has a key of 1 to 128 and a value of up to 256 letters, digits, spaces and `_ . : / = + - @`
    6:12 account-id: `1111` is not the id of an account
        an account id is twelve digits, in quotes: "111122223333"
    6:28 region: `US-EAST-1` is not the name of a Region
        write it as AWS does, such as us-east-1 or eu-central-1
    7:60 assume-role: `arn:aws:iam::333344445555:role/x` is a role of another account than 222233334444
        name a role of this account
    8:3 account-region: `c` has no Region, and the other accounts have US-EAST-1 and eu-west-1
        add `region:`
    8:12 account-duplicate: `b` and `c` are the same account, 222233334444
        keep one of the two names and use it everywhere
    8:41 assume-role: `arn:aws:iam::222233334444:user/x` is not the ARN of a role
        write arn:aws:iam::222233334444:role/NAME, or the name alone
    9:3 account-region: `d` has no Region, and the other accounts have US-EAST-1 and eu-west-1
        add `region:`
    9:37 profile: the profile has no name
        name a profile, or leave the key out for ambient credentials
    10:3 account-region: `e` has no Region, and the other accounts have US-EAST-1 and eu-west-1
        add `region:`
    10:49 assume-role: `a b` is neither the name nor the ARN of a role
        write a name such as OrgTrailApply, or arn:aws:iam::666677778888:role/NAME
    10:70 assume-role: `x` cannot be the name of a session
        2 to 64 letters, digits and `_ + = , . @ -`
    10:86 assume-role: this cannot be an external id
        2 to 1224 letters, digits and `_ + = , . @ : / -`
    11:3 account-credentials: `a` and `f` both use the ambient credentials, which belong to one account only
        give one of them `assume_role` or `profile`
    11:3 account-region: `f` has no Region, and the other accounts have US-EAST-1 and eu-west-1
        add `region:`
    12:3 name: `g h` cannot be a name in `accounts`
        use letters, digits, `-`, `_` and `.`, and begin with a letter or digit
    12:3 account-region: `g h` has no Region, and the other accounts have US-EAST-1 and eu-west-1
        add `region:`
    13:21 organization-id: `o-SHORT` is not the id of an organization
        it looks like o-a1b2c3d4e5; `aws organizations describe-organization` prints yours
    13:39 unknown-reference: `managment` is not in `accounts`
        add it to `accounts`, or use one that is there: a, b, c, d, e, f and g h
    14:17 unknown-reference: `lock` is not in `buckets`
        add `lock` to `buckets`
    "#);
}

#[test]
fn consents() {
    let text = "
version: 1
name: acme
accounts: { a: { id: '111122223333' } }
buckets: { logs: { account: a, name: acme-logs } }
trails: { org: { account: a, bucket: logs } }
allow:
  - { risk: narrows-coverage, reason: ' ', until: 2026-11-23 }
  - { risk: stops-recording, reason: x, until: 31.12.2026, target: org }
  - { risk: deletes-history, reason: x, until: 2026-11-24, target: trails.org }
";
    assert_snapshot!(listed(&load_bytes(text)), @r"
    8:39 allow-reason: the reason is empty
        say why the risk is acceptable; every plan that uses it prints the reason
    8:51 allow-expired (warning): the consent to narrows-coverage ran out on 2026-11-23
        remove it, or set a new last day if the risk is still acceptable
    9:48 allow-until: `31.12.2026` is not a date
        write the last day as YYYY-MM-DD, such as 2027-03-31
    9:68 allow-target: `org` does not name a resource
        write the kind and the name, such as `trail.org` or `bucket.logs`
    10:68 allow-target (warning): nothing in this spec is called `trails.org`
        did you mean `trail.org`?
    ");
}

#[test]
fn keys() {
    let text = "
version: 1
name: acme
accounts: { a: { id: '111122223333', region: eu-west-1 } }
keys:
  k1: { account: b, alias: alias/x, rotation_days: 30 }
  k2: { account: a, alias: aws/s3, rotation_days: 0 }
  k3: { account: a, alias: aws-trail, rotation_days: 3000 }
  k4: { account: a, alias: same }
  k5: { account: a, alias: same, region: eu-west-1 }
  k6: { account: a, alias: same, region: eu-west-2 }
  k7:
    account: a
    alias: readers
    readers:
      - siem
      - arn:aws-cn:iam::111122223333:role/siem
      - arn:aws:iam::111122223333:role/*
      - arn:aws:iam::aws:policy/x
      - arn:aws:iam::111122223333:root
      - arn:aws:sts::111122223333:assumed-role/siem/session
";
    assert_snapshot!(listed(&load_bytes(text)), @r"
    6:18 unknown-reference: `b` is not in `accounts`
        add it to `accounts`, or use one that is there: a
    6:28 key-alias: `alias/x` cannot be an alias
        an alias is written without `alias/`
    6:52 key-rotation: a key cannot rotate every 30 days
        write 90 to 2560 days, or 0 to turn rotation off
    7:28 key-alias: `aws/s3` cannot be an alias
        an alias does not begin with `aws/`, which AWS keeps for its own keys
    8:28 key-alias-reserved (warning): the alias `aws-trail` begins with `aws`
        AWS reserves aliases that begin so and may refuse it; choose another
    8:54 key-rotation: a key cannot rotate every 3000 days
        write 90 to 2560 days, or 0 to turn rotation off
    10:28 key-duplicate: `k4` and `k5` are the same key: one alias, account and Region
        a resource has one place in a spec: remove one of the two, or rename it
    16:9 key-reader: `siem` is not an ARN
        write the ARN of a role or user, such as arn:aws:iam::111122223333:role/siem
    17:9 key-reader: `arn:aws-cn:iam::111122223333:role/siem` is in the partition aws-cn, not in aws
        eu-west-1 belongs to aws: write the ARN of a role or user, such as arn:aws:iam::111122223333:role/siem
    18:9 key-reader: `arn:aws:iam::111122223333:role/*` has a wildcard, which key policies do not expand in principals
        name each role or user
    19:9 key-reader: `arn:aws:iam::aws:policy/x` cannot read: it is not a principal
        write the ARN of a role or user, such as arn:aws:iam::111122223333:role/siem
    ");
}

#[test]
fn buckets() {
    let text = "
version: 1
name: acme
accounts:
  a: { id: '111122223333', region: eu-west-1 }
  b: { id: '222233334444', region: eu-west-1, profile: p }
keys: { k: { account: a, alias: k, region: us-east-1 } }
buckets:
  one: { account: a, name: Acme_Logs, key: k, access_logging: { bucket: one } }
  two: { account: a, name: acme-two, key: kay, access_logging: { bucket: three } }
  three:
    account: b
    name: acme-two
    region: eu-west-2
    key: k
    object_lock: { mode: GOVERNANCE, days: 1, years: 1 }
    access_logging: { bucket: fuor }
    lifecycle: [{ id: x, expiration_days: 0 }, { id: x }]
";
    assert_snapshot!(listed(&load_bytes(text)), @r#"
    9:28 bucket-name: `Acme_Logs` cannot be the name of a bucket
        a bucket's name has lower-case letters, digits, `.` and `-` only
    9:44 key-region: the key `k` is in us-east-1, the bucket `one` in eu-west-1
        S3 encrypts with a key of the bucket's Region: make a key in eu-west-1
    9:73 access-log-target: `one` would log its own access logs, which never ends
        log into another bucket
    10:28 bucket-duplicate: `three` and `two` are the same bucket, acme-two
        a resource has one place in a spec: remove one of the two, or rename it
    10:43 unknown-reference: `kay` is not in `keys`
        add it to `keys`, or use one that is there: k
    10:74 access-log-target: `three` cannot take access logs of `two`: it is in another account
        use a bucket of the same account
    10:74 access-log-target: `three` cannot take access logs of `two`: it is in another Region
        use a bucket of the same Region
    10:74 access-log-target: `three` cannot take access logs of `two`: it has a default retention of Object Lock
        keep access logs in a bucket without `object_lock`
    10:74 access-log-target: `three` cannot take access logs of `two`: it is encrypted with SSE-KMS
        keep access logs in a bucket without `key`
    15:10 key-region: the key `k` is in us-east-1, the bucket `three` in eu-west-2
        S3 encrypts with a key of the bucket's Region: make a key in eu-west-2
    16:5 object-lock-period: the retention has both `days` and `years`
        keep one of them
    17:31 unknown-reference: `fuor` is not in `buckets`
        add it to `buckets`, or use one that is there: one, three and two
    18:43 lifecycle-days: 0 days are out of range
        at least 1, at most 2147483647
    18:48 lifecycle-no-action: the rule does nothing
        add a transition or an expiration, or remove the rule
    18:54 lifecycle-id-duplicate: the id "x" is taken by rule 1
        give every rule its own id
    "#);
}

fn bucket(settings: &str) -> String {
    let text = format!(
        "{{ version: 1, name: acme, accounts: {{ a: {{ id: '111122223333' }} }}, \
         trails: {{ t-1: {{ account: a, bucket: b, prefix: p }} }}, \
         buckets: {{ b: {{ account: a, name: acme-b, {settings} }} }} }}"
    );
    listed(&load_bytes(text))
}

#[test]
fn retention() {
    assert_snapshot!(bucket("versioning: false, object_lock: { mode: GOVERNANCE }"), @r"
    1:184 object-lock-versioning: Object Lock needs versioning, and `versioning` is false
        remove `versioning: false`: a locked bucket is always versioned
    1:184 object-lock-period: the retention has neither `days` nor `years`
        add one of them, such as `days: 365`
    ");
    assert_snapshot!(bucket("object_lock: { mode: GOVERNANCE, years: 101 }"), @r"
    1:165 object-lock-period: the retention is longer than S3 allows
        write at most 36500 days or 100 years
    ");
    assert_snapshot!(bucket("object_lock: { mode: GOVERNANCE, days: 0 }"), @r"
    1:165 object-lock-period: the retention is zero
        write at least 1, or remove `object_lock`
    ");
    assert_snapshot!(bucket("object_lock: { mode: COMPLIANCE, years: 11 }"), @r"
    1:165 object-lock-long (warning): COMPLIANCE for more than ten years: nobody can delete these logs earlier, nor stop paying for them, short of closing the account
        use GOVERNANCE, or a shorter retention, unless a law asks for this
    ");
    assert_snapshot!(bucket("lifecycle: [{ id: x, expiration_days: 365 }]"), @r"
    1:165 expiration-keeps-versions (warning): expired logs are hidden after 365 days but never deleted: versioning keeps them as noncurrent versions
        add `noncurrent_version_expiration: { noncurrent_days: 30 }` to the rule that expires them
    ");
    assert_snapshot!(bucket("versioning: false, lifecycle: [{ id: x, expiration_days: 365 }]"), @"");
    assert_snapshot!(bucket("lifecycle: [{ id: x, prefix: q/, expiration_days: 365 }]"), @"");
    let rules = "lifecycle: [{ id: x, prefix: p/, expiration_days: 365, noncurrent_version_expiration: { noncurrent_days: 30 } }]";
    assert_snapshot!(bucket(&format!("{rules}, object_lock: {{ mode: GOVERNANCE, days: 90 }}")), @r"
    1:279 object-lock-ends-early (warning): Object Lock ends after 90 days, the logs are to stay for 365: in between they can be deleted
        lock for 365 days, unless a shorter lock is what you want
    ");
    assert_snapshot!(bucket(&format!("{rules}, object_lock: {{ mode: GOVERNANCE, days: 365 }}")), @"");
    assert_snapshot!(bucket(&format!("{rules}, object_lock: {{ mode: GOVERNANCE, years: 2 }}")), @r"
    1:279 object-lock-outlives-lifecycle (warning): Object Lock keeps logs for 730 days, longer than the lifecycle rules, which delete them after 395
        the logs stay, and are paid for, until the lock ends: expire them after 730 days, or lock for less
    ");
}

#[test]
fn tags_of_the_spec_count_too() {
    let tags =
        |from: usize, to: usize| (from..to).map(|n| format!("t{n}: x, ")).collect::<String>();
    let text = |own: usize| {
        format!(
            "{{ version: 1, name: acme, tags: {{ {} }}, accounts: {{ a: {{ id: '111122223333' }} }}, \
             buckets: {{ b: {{ account: a, name: acme-b, tags: {{ {} }} }} }} }}",
            tags(0, 30),
            tags(10, 10 + own)
        )
    };
    assert_eq!(listed(&load_bytes(text(39))), "");
    assert_snapshot!(listed(&load_bytes(text(40))), @r"
    1:352 tag-count: 51 tags, with those of the spec and orgtrail's own; AWS allows 50 for a resource
        remove some
    ");
}

#[test]
fn a_dangling_reference_in_full() {
    let text = EXAMPLE.replace(
        "    bucket: logs\n    key: trail\n    log_file",
        "    bucket: log\n    key: trail\n    log_file",
    );
    assert_snapshot!(shown(&load_bytes(text)), @r"
    error[unknown-reference]: `log` is not in `buckets`
      --> orgtrail.yaml:72:13
       |
    72 |     bucket: log
       |             ^^^
    help: did you mean `logs`?

    1 error
    ");
}
