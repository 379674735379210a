//! Decides a request against one resource policy, as
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html> describes, in three
//! values: what cannot be known from here is [`Decision::Undecided`], never guessed.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use super::document::{Effect, Patterns, Policy, Statement};
use super::pattern::{Reading, Tri, any, matches, resource_matches};
use super::{condition, principal};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// An AWS service calling with its service principal, such as `cloudtrail.amazonaws.com`.
    Service(String),
    /// A user, role, role session or account root.
    Aws { arn: String, account: String },
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Principal::Service(name) => f.write_str(name),
            Principal::Aws { arn, .. } => f.write_str(arn),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub principal: Principal,
    /// `s3:PutObject`
    pub action: String,
    /// The ARN that the action works on.
    pub resource: String,
    /// What is known of the request context. An empty list is a key known to be absent; a key that is not listed is
    /// not known, and conditions on it stay undecided. `aws:PrincipalTag/*` speaks for all keys below the prefix.
    pub context: BTreeMap<String, Vec<String>>,
}

impl Request {
    pub fn new(
        principal: Principal,
        action: impl Into<String>,
        resource: impl Into<String>,
    ) -> Self {
        Request {
            principal,
            action: action.into(),
            resource: resource.into(),
            context: BTreeMap::new(),
        }
    }

    /// The call carries this key with this value.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.context.insert(key.into(), vec![value.into()]);
        self
    }

    /// The call is known not to carry this key.
    pub fn without(mut self, key: &str) -> Self {
        self.context.insert(key.into(), Vec::new());
        self
    }
}

/// Which statement decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementRef {
    /// Position in the document, from 0.
    pub index: usize,
    pub sid: Option<String>,
}

impl fmt::Display for StatementRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sid {
            Some(sid) if !sid.is_empty() => f.write_str(sid),
            _ => write!(f, "statement {}", self.index + 1),
        }
    }
}

/// A statement that would have allowed the request but for what `why` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    pub statement: StatementRef,
    pub why: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Allowed {
        statement: StatementRef,
    },
    Denied {
        statement: StatementRef,
        why: String,
    },
    /// No statement allows it; the nearest first.
    NotAllowed {
        near: Vec<Near>,
    },
    Undecided {
        statement: StatementRef,
        why: String,
    },
}

/// What one element of a statement says about a request, with the sentence that explains it.
pub(super) enum Verdict {
    Yes(String),
    No(String),
    Unknown(String),
}

enum Outcome {
    Applies { why: String },
    Unknown { why: String },
    Misses { reasons: Vec<String>, action: bool },
}

/// An explicit Deny wins, then a possible Deny, then an Allow.
pub fn decide(policy: &Policy, request: &Request) -> Decision {
    let variables = policy.has_variables();
    let (mut direct, mut by_account, mut doubt, mut doubtful_deny) = (None, None, None, None);
    let mut near: Vec<((usize, Reverse<usize>), Near)> = Vec::new();
    for (index, item) in policy.statements.iter().enumerate() {
        let statement = StatementRef {
            index,
            sid: item.sid().map(str::to_owned),
        };
        match (item.effect(), outcome(item, request, variables)) {
            (Effect::Deny, Outcome::Applies { why }) => return Decision::Denied { statement, why },
            (Effect::Deny, Outcome::Unknown { why }) => {
                doubtful_deny.get_or_insert(Decision::Undecided { statement, why });
            }
            (Effect::Allow, Outcome::Applies { .. }) => {
                let account = item
                    .principal()
                    .is_some_and(|set| principal::only_by_account(set, &request.principal));
                let allowed = if account {
                    &mut by_account
                } else {
                    &mut direct
                };
                allowed.get_or_insert(Decision::Allowed { statement });
            }
            (Effect::Allow, Outcome::Unknown { why }) => {
                doubt.get_or_insert(Decision::Undecided { statement, why });
            }
            (Effect::Allow, Outcome::Misses { reasons, action })
                if action || reasons.len() == 1 =>
            {
                let why = reasons.join("; ");
                let rank = (
                    reasons.len(),
                    Reverse(likeness(item.resource(), &request.resource)),
                );
                near.push((rank, Near { statement, why }));
            }
            (_, Outcome::Misses { .. }) => {}
        }
    }
    match (direct.or(by_account), doubt) {
        (Some(allowed), _) => doubtful_deny.unwrap_or(allowed),
        (None, Some(doubt)) => doubt,
        (None, None) => {
            near.sort_by_key(|(rank, _)| *rank);
            let near = near.into_iter().map(|(_, near)| near).collect();
            Decision::NotAllowed { near }
        }
    }
}

/// How much of a resource a statement's patterns spell, so that of two statements that miss it the one meant is named.
fn likeness(patterns: Option<&Patterns>, resource: &str) -> usize {
    let resource = resource.as_bytes();
    let alike = |pattern: &String| {
        let pattern = pattern.as_bytes();
        let start = pattern
            .iter()
            .zip(resource)
            .take_while(|(a, b)| a == b)
            .count();
        start + longest_common_run(&pattern[start..], &resource[start..])
    };
    let patterns = patterns.map(|patterns| patterns.values.as_slice());
    patterns
        .unwrap_or_default()
        .iter()
        .map(alike)
        .max()
        .unwrap_or(0)
}

fn longest_common_run(a: &[u8], b: &[u8]) -> usize {
    let mut longest = 0;
    let mut ending_before = vec![0; b.len() + 1];
    for x in a {
        let mut ending_here = vec![0; b.len() + 1];
        for (at, _) in b.iter().enumerate().filter(|(_, y)| x == *y) {
            ending_here[at + 1] = ending_before[at] + 1;
            longest = longest.max(ending_here[at + 1]);
        }
        ending_before = ending_here;
    }
    longest
}

fn outcome(statement: &Statement, request: &Request, variables: bool) -> Outcome {
    let action = action_verdict(statement.action(), &request.action);
    let action_fits = !matches!(action, Verdict::No(_));
    let mut verdicts = Vec::new();
    verdicts.extend(
        statement
            .principal()
            .map(|set| principal::verdict(set, &request.principal)),
    );
    verdicts.push(action);
    verdicts.extend(
        statement
            .resource()
            .map(|resource| resource_verdict(resource, &request.resource, variables)),
    );
    verdicts.extend(
        statement
            .conditions()
            .iter()
            .map(|c| condition::verdict(c, &request.context, variables)),
    );
    verdicts.extend(statement.unknown_members().iter().map(|name| {
        Verdict::Unknown(format!(
            "it has a member {name} whose effect is not known here"
        ))
    }));
    fold(statement, verdicts, action_fits)
}

/// One No settles it; else one Unknown leaves it open.
fn fold(statement: &Statement, verdicts: Vec<Verdict>, action: bool) -> Outcome {
    let (mut yes, mut no, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for verdict in verdicts {
        match verdict {
            Verdict::Yes(why) => yes.push(why),
            Verdict::No(why) => no.push(why),
            Verdict::Unknown(why) => unknown.push(why),
        }
    }
    if !no.is_empty() {
        return Outcome::Misses {
            reasons: no,
            action,
        };
    }
    if !unknown.is_empty() {
        let why = unknown.join("; ");
        return Outcome::Unknown { why };
    }
    // The conditions come last; without any, the statement catches by its principal alone.
    let conditions = statement.conditions().len();
    let why = match conditions {
        0 => yes.into_iter().next().unwrap_or_default() + " without a condition",
        _ => yes
            .split_off(yes.len().saturating_sub(conditions))
            .join(" and "),
    };
    Outcome::Applies { why }
}

/// Actions know no case and no policy variables.
fn action_verdict(patterns: &Patterns, action: &str) -> Verdict {
    let reading = Reading {
        wildcards: true,
        variables: false,
    };
    let lower = action.to_ascii_lowercase();
    let matched = any(patterns
        .values
        .iter()
        .map(|pattern| matches(&pattern.to_ascii_lowercase(), &lower, reading)));
    pattern_verdict("action", patterns, action, matched)
}

fn resource_verdict(patterns: &Patterns, resource: &str, variables: bool) -> Verdict {
    let matched = any(patterns
        .values
        .iter()
        .map(|pattern| resource_matches(pattern, resource, variables)));
    pattern_verdict("resource", patterns, resource, matched)
}

fn pattern_verdict(what: &str, patterns: &Patterns, actual: &str, matched: Tri) -> Verdict {
    let listed = patterns.values.join(" or ");
    let but = if patterns.negated { "all but " } else { "" };
    match matched.map(|matched| matched != patterns.negated) {
        Some(true) => Verdict::Yes(format!("it covers {actual}")),
        Some(false) => Verdict::No(format!(
            "the {what} is {actual}, the statement covers {but}{listed}"
        )),
        None => Verdict::Unknown(format!(
            "whether {but}{listed} covers {actual} cannot be decided here"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(statements: &str) -> Policy {
        Policy::parse(&format!(
            r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#
        ))
        .expect("valid")
    }

    fn request() -> Request {
        let cloudtrail = Principal::Service("cloudtrail.amazonaws.com".into());
        Request::new(cloudtrail, "s3:PutObject", "arn:aws:s3:::logs/AWSLogs/1/x")
            .with("aws:SourceArn", "arn:aws:cloudtrail:us-east-1:1:trail/org")
            .without("aws:PrincipalOrgID")
    }

    const ALLOW: &str = r#"{"Sid":"Write","Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"S3:put*","Resource":"arn:aws:s3:::logs/*"}"#;

    fn near(statement: &str) -> String {
        match decide(&policy(statement), &request()) {
            Decision::NotAllowed { near } => near
                .into_iter()
                .map(|n| n.why)
                .collect::<Vec<_>>()
                .join(" | "),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn allow_deny_and_doubt() {
        let deny = |condition: &str| {
            format!(
                r#"{{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{condition}}}"#
            )
        };
        let org = deny(r#"{"StringNotEquals":{"aws:PrincipalOrgID":"o-1"}}"#);
        let ip = deny(r#"{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#);
        let tls = deny(r#"{"Bool":{"aws:PrincipalOrgID":"false"}}"#);
        let statement = StatementRef {
            index: 0,
            sid: Some("Write".into()),
        };
        assert_eq!(
            decide(&policy(ALLOW), &request()),
            Decision::Allowed {
                statement: statement.clone()
            }
        );
        assert_eq!(
            decide(&policy(&format!("{ALLOW},{tls}")), &request()),
            Decision::Allowed { statement }
        );
        match decide(&policy(&format!("{ALLOW},{ip},{org}")), &request()) {
            Decision::Denied { statement, why } => {
                assert_eq!(statement.index, 2);
                assert_eq!(
                    why,
                    "aws:PrincipalOrgID is absent, and StringNotEquals o-1 also holds for an absent key"
                );
            }
            other => panic!("{other:?}"),
        }
        match decide(&policy(&format!("{ALLOW},{ip}")), &request()) {
            Decision::Undecided { statement, why } => {
                assert_eq!(statement.to_string(), "statement 2");
                assert!(why.contains("aws:SourceIp"), "{why}");
            }
            other => panic!("{other:?}"),
        }
        // A doubtful Deny does not make an Allow.
        assert_eq!(
            decide(&policy(&ip), &request()),
            Decision::NotAllowed { near: vec![] }
        );
    }

    #[test]
    fn near_misses_name_the_element() {
        assert_eq!(
            near(&ALLOW.replace("cloudtrail.", "config.")),
            "the caller is cloudtrail.amazonaws.com, the statement names config.amazonaws.com"
        );
        assert_eq!(
            near(&ALLOW.replace("S3:put*", "s3=PutObject")),
            "the action is s3:PutObject, the statement covers s3=PutObject"
        );
        assert_eq!(
            near(&ALLOW.replace("logs/*", "logs/p/AWSLogs/*")),
            "the resource is arn:aws:s3:::logs/AWSLogs/1/x, the statement covers arn:aws:s3:::logs/p/AWSLogs/*"
        );
        assert_eq!(
            near(&ALLOW.replace("logs/*", "logs").replace("put*", "get*")),
            ""
        );
        let condition = r#""Resource":"*","Condition":{"StringEquals":{"aws:SourceArn":"arn:aws:cloudtrail:us-east-1:1:trail/other"}}"#;
        assert_eq!(
            near(&ALLOW.replace(r#""Resource":"arn:aws:s3:::logs/*""#, condition)),
            "aws:SourceArn is arn:aws:cloudtrail:us-east-1:1:trail/org, the statement requires \
             arn:aws:cloudtrail:us-east-1:1:trail/other"
        );
    }

    #[test]
    fn not_action_and_not_resource() {
        let not_action = ALLOW.replace("\"Action\"", "\"NotAction\"");
        assert!(near(&not_action).contains("covers all but S3:put*"));
        let not_resource = ALLOW.replace("\"Resource\"", "\"NotResource\"");
        assert!(near(&not_resource).contains("covers all but arn:aws:s3:::logs/*"));
        let other = not_resource.replace("logs/*", "other/*");
        assert!(matches!(
            decide(&policy(&other), &request()),
            Decision::Allowed { .. }
        ));
    }

    #[test]
    fn an_unknown_member_is_never_ignored() {
        let later = ALLOW.replace("\"Effect\"", "\"Until\":\"2030\",\"Effect\"");
        assert!(matches!(
            decide(&policy(&later), &request()),
            Decision::Undecided { .. }
        ));
    }
}
