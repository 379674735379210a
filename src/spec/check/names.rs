//! What AWS takes as names.

/// Accounts, keys, buckets and trails within a spec.
pub fn is_spec_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(allowed)
}

pub fn is_account_id(id: &str) -> bool {
    id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// `us-gov-west-1`: words and a number.
pub fn is_region(region: &str) -> bool {
    let parts: Vec<&str> = region.split('-').collect();
    let [words @ .., number] = parts.as_slice() else {
        return false;
    };
    let word = |w: &&str| w.len() >= 2 && w.bytes().all(|b| b.is_ascii_lowercase());
    words.len() >= 2
        && words.iter().all(word)
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// <https://docs.aws.amazon.com/organizations/latest/APIReference/API_Organization.html>
pub fn is_organization_id(id: &str) -> bool {
    let Some(rest) = id.strip_prefix("o-") else {
        return false;
    };
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (10..=32).contains(&rest.len()) && rest.bytes().all(allowed)
}

/// What is wrong with a trail's name.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-trail-naming-requirements.html>
pub fn trail_name(name: &str) -> Option<&'static str> {
    let mark = |c: char| matches!(c, '.' | '_' | '-');
    let pair = |(left, right): (char, char)| mark(left) && mark(right);
    if !(3..=128).contains(&name.len()) {
        Some("has 3 to 128 characters")
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || mark(c)) {
        Some("has ASCII letters, digits, `.`, `_` and `-` only")
    } else if name.starts_with(mark) || name.ends_with(mark) {
        Some("begins and ends with a letter or digit")
    } else if name.chars().zip(name.chars().skip(1)).any(pair) {
        Some("has no two of `.`, `_` and `-` in a row")
    } else {
        is_ipv4(name).then_some("does not look like an IP address")
    }
}

/// What is wrong with a bucket's name.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
pub fn bucket_name(name: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    let edge = |c: char| !c.is_ascii_alphanumeric();
    if !(3..=63).contains(&name.len()) {
        Some("has 3 to 63 characters")
    } else if !name.chars().all(allowed) {
        Some("has lower-case letters, digits, `.` and `-` only")
    } else if name.starts_with(edge) || name.ends_with(edge) {
        Some("begins and ends with a letter or digit")
    } else if ["..", ".-", "-."].iter().any(|pair| name.contains(pair)) {
        Some("has letters or digits on both sides of a dot")
    } else if is_ipv4(name) {
        Some("does not look like an IP address")
    } else if RESERVED_PREFIXES
        .iter()
        .any(|prefix| name.starts_with(prefix))
    {
        Some("does not begin with xn--, sthree- or amzn-s3-demo-, which AWS reserves")
    } else if RESERVED_SUFFIXES
        .iter()
        .any(|suffix| name.ends_with(suffix))
    {
        Some("does not end with -s3alias, --ol-s3, .mrap, --x-s3 or --table-s3, which AWS reserves")
    } else {
        None
    }
}

const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// Digits in four groups; AWS does not look at their values.
fn is_ipv4(name: &str) -> bool {
    let parts: Vec<&str> = name.split('.').collect();
    let group = |part: &&str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    parts.len() == 4 && parts.iter().all(group)
}

/// What is wrong with a key's alias, written without `alias/`.
/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html>
pub fn alias(alias: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-');
    if alias.starts_with("alias/") {
        Some("is written without `alias/`")
    } else if !(1..=250).contains(&alias.len()) {
        Some("has 1 to 250 characters")
    } else if !alias.chars().all(allowed) {
        Some("has ASCII letters, digits, `/`, `_` and `-` only")
    } else if alias.starts_with("aws/") {
        Some("does not begin with `aws/`, which AWS keeps for its own keys")
    } else {
        None
    }
}

/// A role by its name, with or without its path.
pub fn is_role_name(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c);
    (1..=64).contains(&last.len()) && name.len() <= 576 && name.chars().all(allowed)
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
pub fn is_session_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    (2..=64).contains(&name.len()) && name.chars().all(allowed)
}

pub fn is_external_id(id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
    (2..=1224).contains(&id.len()) && id.chars().all(allowed)
}

pub const TAG_CHARACTERS: &str = "a tag has a key of 1 to 128 and a value of up to 256 letters, digits, spaces and `_ . : / = + - @`";

pub fn tag_key(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("is empty");
    }
    tag_text(key, 128)
}

pub fn tag_value(value: &str) -> Option<&'static str> {
    tag_text(value, 256)
}

fn tag_text(text: &str, most: usize) -> Option<&'static str> {
    let allowed = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
    if text.chars().count() > most {
        Some("is too long")
    } else if !text.chars().all(allowed) {
        Some("has a character that tags cannot have")
    } else {
        None
    }
}

/// The parts of an ARN.
pub struct Arn<'a> {
    pub partition: &'a str,
    pub service: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next() != Some("arn") {
            return None;
        }
        let arn = Self {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        };
        let named =
            !arn.partition.is_empty() && !arn.service.is_empty() && !arn.resource.is_empty();
        (named && !text.contains(char::is_whitespace)).then_some(arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trail_names() {
        for good in ["org", "a-b_c.d", "1.2.3", "management-events"] {
            assert_eq!(trail_name(good), None, "{good}");
        }
        for bad in [
            "ab",
            "-ab",
            "ab.",
            "a--b",
            "a._b",
            "a b",
            "é-trail",
            "192.168.5.4",
            &"a".repeat(129),
        ] {
            assert!(trail_name(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn bucket_names() {
        for good in ["acme-logs", "a.b", "3com"] {
            assert_eq!(bucket_name(good), None, "{good}");
        }
        for bad in [
            "ab",
            "Acme",
            "a_b",
            "a..b",
            "a.-b",
            "a-",
            "1.2.3.4",
            "xn--a",
            "logs--x-s3",
            &"a".repeat(64),
        ] {
            assert!(bucket_name(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn regions() {
        for good in [
            "us-east-1",
            "us-gov-west-1",
            "ap-southeast-7",
            "eusc-de-east-1",
        ] {
            assert!(is_region(good), "{good}");
        }
        for bad in [
            "",
            "us-east",
            "us-east-1a",
            "US-EAST-1",
            "frankfurt",
            "us_east_1",
            "-east-1",
        ] {
            assert!(!is_region(bad), "{bad}");
        }
    }

    #[test]
    fn arns() {
        let arn = Arn::parse("arn:aws:logs:eu-west-1:111122223333:log-group:a:*").unwrap();
        assert_eq!((arn.region, arn.resource), ("eu-west-1", "log-group:a:*"));
        assert!(Arn::parse("arn:aws:s3:::").is_none());
        assert!(Arn::parse("log-group").is_none());
    }

    #[test]
    fn other_names() {
        assert!(is_organization_id("o-a1b2c3d4e5") && !is_organization_id("o-A1b2c3d4e5"));
        assert!(is_role_name("path/OrgTrailApply") && !is_role_name("a b") && !is_role_name("a/"));
        assert!(
            alias("org-trail").is_none() && alias("alias/x").is_some() && alias("aws/s3").is_some()
        );
        assert!(tag_value("a b@c").is_none() && tag_value("a\tb").is_some());
    }
}
