//! Who a statement speaks of.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>

use super::document::{PrincipalEntry, PrincipalSet};
use super::evaluate::{Principal, Verdict};
use super::meaning::root_as_account;

enum Match {
    Yes,
    /// By the account, and so only as far as the principal's own policies go.
    ByAccount,
    No,
    Unknown(String),
}

pub(super) fn verdict(set: &PrincipalSet, principal: &Principal) -> Verdict {
    let matches: Vec<Match> = set
        .entries
        .iter()
        .map(|entry| matched(entry, principal))
        .collect();
    match set.negated {
        false => positive(set, principal, matches),
        true => negative(set, principal, matches),
    }
}

/// Whether the set reaches the principal through its account alone.
pub(super) fn only_by_account(set: &PrincipalSet, principal: &Principal) -> bool {
    let mut matches = set.entries.iter().map(|entry| matched(entry, principal));
    !set.negated && !matches.any(|found| matches!(found, Match::Yes))
}

fn positive(set: &PrincipalSet, principal: &Principal, matches: Vec<Match>) -> Verdict {
    let mut unknown = None;
    for found in matches {
        match found {
            Match::Yes | Match::ByAccount => {
                return Verdict::Yes(format!("it names {}", named(set)));
            }
            Match::Unknown(why) => unknown = Some(why),
            Match::No => {}
        }
    }
    match unknown {
        Some(why) => Verdict::Unknown(why),
        None => Verdict::No(format!(
            "the caller is {principal}, the statement names {}",
            named(set)
        )),
    }
}

/// A role listed without its account may still be caught through the account, says the documentation:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html>
fn negative(set: &PrincipalSet, principal: &Principal, matches: Vec<Match>) -> Verdict {
    let by_account = matches
        .iter()
        .any(|found| matches!(found, Match::ByAccount));
    let service = matches!(principal, Principal::Service(_));
    let mut unknown = None;
    for found in matches {
        match found {
            Match::Yes
                if by_account || service || set.entries.contains(&PrincipalEntry::Everyone) =>
            {
                return Verdict::No(format!("NotPrincipal exempts {principal}"));
            }
            Match::Yes => {
                unknown = Some(format!(
                    "NotPrincipal exempts {principal} but not its account, which may still catch it"
                ));
            }
            Match::ByAccount => {
                unknown = unknown.or_else(|| {
                    Some(format!(
                        "NotPrincipal exempts the account of {principal} but does not name it"
                    ))
                });
            }
            Match::Unknown(why) => unknown = Some(why),
            Match::No => {}
        }
    }
    match unknown {
        Some(why) => Verdict::Unknown(why),
        None => Verdict::Yes(format!("NotPrincipal does not exempt {principal}")),
    }
}

fn matched(entry: &PrincipalEntry, principal: &Principal) -> Match {
    match (entry, principal) {
        (PrincipalEntry::Everyone, _) => Match::Yes,
        (PrincipalEntry::Service(name), Principal::Service(caller)) => {
            yes(name.eq_ignore_ascii_case(caller))
        }
        (PrincipalEntry::Aws(value), Principal::Aws { arn, account }) => aws(value, arn, account),
        (PrincipalEntry::Other { kind, value }, Principal::Aws { account, .. })
            if kind == "CanonicalUser" =>
        {
            Match::Unknown(format!(
                "whether canonical user {value} is account {account} is not known here"
            ))
        }
        (PrincipalEntry::Other { kind, .. }, _)
            if kind != "CanonicalUser" && kind != "Federated" =>
        {
            Match::Unknown(format!("{kind} is not a kind of principal known here"))
        }
        _ => Match::No,
    }
}

fn aws(value: &str, arn: &str, account: &str) -> Match {
    let principal_account = root_as_account(value);
    if principal_account == account {
        // The root user is named by its account.
        return match root_as_account(arn) == account {
            true => Match::Yes,
            false => Match::ByAccount,
        };
    }
    if value == arn {
        return Match::Yes;
    }
    match (role(value), session(value), role(arn), session(arn)) {
        // Role names are unique within an account, whatever their path.
        (Some(listed), _, _, Some(caller)) => yes(listed.same_role(&caller)),
        (_, Some(listed), Some(caller), _) if listed.same_role(&caller) => Match::Unknown(format!(
            "only the session {value} is named, the role may have others"
        )),
        _ => Match::No,
    }
}

fn yes(matched: bool) -> Match {
    match matched {
        true => Match::Yes,
        false => Match::No,
    }
}

/// A role as far as a session's ARN tells it: the path is lost there.
struct Role<'a> {
    partition: &'a str,
    account: &'a str,
    name: &'a str,
}

impl Role<'_> {
    fn same_role(&self, other: &Role<'_>) -> bool {
        (self.partition, self.account, self.name) == (other.partition, other.account, other.name)
    }
}

fn role(arn: &str) -> Option<Role<'_>> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else {
        return None;
    };
    let name = resource.strip_prefix("role/")?.rsplit('/').next()?;
    Some(Role {
        partition,
        account,
        name,
    })
}

fn session(arn: &str) -> Option<Role<'_>> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "sts", "", account, resource] = parts[..] else {
        return None;
    };
    let (name, _session) = resource.strip_prefix("assumed-role/")?.split_once('/')?;
    Some(Role {
        partition,
        account,
        name,
    })
}

/// The role behind a session, without its path, which only IAM knows.
pub(super) fn role_of_session(arn: &str) -> Option<String> {
    let role = session(arn)?;
    Some(format!(
        "arn:{}:iam::{}:role/{}",
        role.partition, role.account, role.name
    ))
}

fn named(set: &PrincipalSet) -> String {
    let entries: Vec<&str> = set
        .entries
        .iter()
        .map(|entry| match entry {
            PrincipalEntry::Everyone => "everyone",
            PrincipalEntry::Aws(value) | PrincipalEntry::Service(value) => value,
            PrincipalEntry::Other { value, .. } => value,
        })
        .collect();
    match entries.is_empty() {
        true => "nobody".into(),
        false => entries.join(" or "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::111122223333:role/team/siem";
    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/siem/i-1";

    fn decide(negated: bool, entries: &[PrincipalEntry], principal: &Principal) -> Option<bool> {
        let entries = entries.to_vec();
        match verdict(&PrincipalSet { negated, entries }, principal) {
            Verdict::Yes(_) => Some(true),
            Verdict::No(_) => Some(false),
            Verdict::Unknown(_) => None,
        }
    }

    fn aws(value: &str) -> PrincipalEntry {
        PrincipalEntry::Aws(value.into())
    }

    fn caller(arn: &str) -> Principal {
        Principal::Aws {
            arn: arn.into(),
            account: "111122223333".into(),
        }
    }

    #[test]
    fn accounts_roles_and_sessions() {
        let cases = [
            ("111122223333", ROLE, Some(true)),
            ("arn:aws:iam::111122223333:root", SESSION, Some(true)),
            ("444455556666", ROLE, Some(false)),
            (ROLE, ROLE, Some(true)),
            (ROLE, SESSION, Some(true)),
            (SESSION, SESSION, Some(true)),
            (SESSION, ROLE, None),
            ("arn:aws:iam::111122223333:role/*", ROLE, Some(false)),
            (
                "arn:aws:iam::444455556666:role/team/siem",
                SESSION,
                Some(false),
            ),
            ("AROAEXAMPLE", ROLE, Some(false)),
        ];
        for (value, arn, expected) in cases {
            assert_eq!(
                decide(false, &[aws(value)], &caller(arn)),
                expected,
                "{value} {arn}"
            );
        }
    }

    #[test]
    fn services() {
        let cloudtrail = Principal::Service("cloudtrail.amazonaws.com".into());
        let service = |name: &str| PrincipalEntry::Service(name.into());
        assert_eq!(
            decide(false, &[service("CloudTrail.amazonaws.com")], &cloudtrail),
            Some(true)
        );
        assert_eq!(
            decide(false, &[service("config.amazonaws.com")], &cloudtrail),
            Some(false)
        );
        assert_eq!(
            decide(false, &[PrincipalEntry::Everyone], &cloudtrail),
            Some(true)
        );
        assert_eq!(
            decide(false, &[aws("111122223333")], &cloudtrail),
            Some(false)
        );
        assert_eq!(decide(true, &[aws(ROLE)], &cloudtrail), Some(true));
        assert_eq!(
            decide(true, &[service("cloudtrail.amazonaws.com")], &cloudtrail),
            Some(false)
        );
    }

    #[test]
    fn not_principal_needs_the_account_too() {
        assert_eq!(decide(true, &[aws(ROLE)], &caller(SESSION)), None);
        assert_eq!(
            decide(true, &[aws(ROLE), aws("111122223333")], &caller(SESSION)),
            Some(false)
        );
        assert_eq!(
            decide(true, &[aws("444455556666")], &caller(SESSION)),
            Some(true)
        );
    }
}
