//! Names of trails, and the ARNs they stand in: CloudTrail User Guide, page "cloudtrail-trail-naming-requirements".

use super::error::{Answer, AwsError, refuse};

/// Where a trail is at home.
#[derive(Clone, Debug, PartialEq)]
pub struct TrailPlace {
    pub account: String,
    pub region: String,
    pub name: String,
}

impl TrailPlace {
    pub fn arn(&self) -> String {
        format!(
            "arn:aws:cloudtrail:{}:{}:trail/{}",
            self.region, self.account, self.name
        )
    }

    pub fn from_arn(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        match parts.as_slice() {
            [
                "arn",
                "aws" | "aws-cn" | "aws-us-gov",
                "cloudtrail",
                region,
                account,
                resource,
            ] => {
                let name = resource.strip_prefix("trail/")?;
                let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
                (digits && !region.is_empty() && check(name).is_ok()).then(|| Self {
                    account: (*account).to_owned(),
                    region: (*region).to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => None,
        }
    }

    pub fn unknown(&self) -> AwsError {
        AwsError::new(
            "TrailNotFoundException",
            format!(
                "Unknown trail: {} for the user: {}",
                self.arn(),
                self.account
            ),
        )
    }
}

pub fn check(name: &str) -> Answer<()> {
    let invalid = |message: &str| refuse("InvalidTrailNameException", message);
    let length = name.chars().count();
    if length < 3 {
        return invalid(&format!(
            "Trail name too short. Minimum allowed length: 3 characters. Specified name length: {length} characters."
        ));
    }
    if length > 128 {
        return invalid(&format!(
            "Trail name too long. Maximum allowed length: 128 characters. Specified name length: {length} characters."
        ));
    }
    let punctuation = |c: char| matches!(c, '.' | '_' | '-');
    if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || punctuation(c))
    {
        return invalid(
            "Trail name or ARN can only contain uppercase letters, lowercase letters, numbers, periods (.), hyphens \
             (-), and underscores (_).",
        );
    }
    if name.starts_with(punctuation) {
        return invalid("Trail name must starts with a letter or number.");
    }
    if name.ends_with(punctuation) {
        return invalid("Trail name must ends with a letter or number.");
    }
    let pairs = name.as_bytes().windows(2);
    if pairs
        .into_iter()
        .any(|p| p.iter().all(|b| punctuation(char::from(*b))))
    {
        return invalid("Trail name cannot have adjacent periods, underscores or hyphens.");
    }
    if name.split('.').count() == 4
        && name
            .split('.')
            .all(|n| n.len() <= 3 && n.parse::<u16>().is_ok())
    {
        return invalid("Trail name cannot be in IP address format.");
    }
    Ok(())
}

/// A prefix of the keys of log files: API, page CreateTrail; User Guide, page
/// "cloudtrail-set-bucket-policy-for-multiple-accounts".
pub fn check_prefix(prefix: &str) -> Answer<()> {
    if prefix.chars().count() > 200 {
        return refuse(
            "InvalidS3PrefixException",
            "S3 prefix is longer than maximum length: 200",
        );
    }
    if prefix.contains("AWSLogs/") || prefix == "AWSLogs" {
        return refuse(
            "InvalidS3PrefixException",
            "S3 prefix must not contain AWSLogs/",
        );
    }
    Ok(())
}

/// Bucket names as CreateTrail checks them: API, page CreateTrail.
pub fn check_bucket(name: &str) -> Answer<()> {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    let parts = || name.split('.');
    let address = parts().count() == 4 && parts().all(|p| p.parse::<u8>().is_ok());
    let labels = parts().all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(known)
    });
    if (3..=63).contains(&name.len()) && labels && !address {
        return Ok(());
    }
    refuse(
        "InvalidS3BucketNameException",
        format!("Bucket name {name} is not valid."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trail_names() {
        for good in ["abc", "org-trail", "a.b_c-9"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "a",
            "my trail",
            "-abc",
            "abc.",
            "a..b",
            "a-_b",
            "192.168.5.4",
            "träil",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn trail_arns() {
        let arn = "arn:aws:cloudtrail:us-east-1:111122223333:trail/org";
        assert_eq!(TrailPlace::from_arn(arn).unwrap().arn(), arn);
        assert_eq!(
            TrailPlace::from_arn("arn:aws:cloudtrail:us-east-1:1:trail/org"),
            None
        );
        assert_eq!(
            TrailPlace::from_arn("arn:aws:cloudtrail:us-east-1:111122223333:channel/x"),
            None
        );
    }
}
