//! A policy evaluator of the sandbox's own, so that it cannot share a mistake with the program it checks.
//!
//! Rules: IAM User Guide, pages "reference_policies_elements" and "reference_policies_evaluation-logic".

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::policy_conditions::{Condition, parse_conditions};

/// What is wrong with the shape of a document; each service words it differently.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    NotJson,
    Version,
    Missing(&'static str),
    Unknown(String),
    Effect(String),
    Principal,
    Action,
    Resource,
    Condition(String),
    Syntax,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub statements: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub allow: bool,
    pub principals: Principals,
    pub actions: Patterns,
    pub resources: Option<Patterns>,
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Principals {
    /// Identity policies name no principal.
    Absent,
    Any,
    Only(Vec<(String, String)>),
    AllBut(Vec<(String, String)>),
}

/// `Action`/`Resource`, or their `Not…` twins.
#[derive(Clone, Debug, PartialEq)]
pub struct Patterns {
    pub values: Vec<String>,
    pub inverted: bool,
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Who {
    Service(String),
    Principal {
        account: String,
        arn: String,
        /// The role behind an assumed-role session.
        role_arn: Option<String>,
    },
}

/// The condition keys of a request, in lower case.
#[derive(Clone, Debug, Default)]
pub struct Context {
    pub keys: BTreeMap<String, Vec<String>>,
    /// Take an Allow's condition on a key that the sandbox does not know as satisfied.
    pub lenient: bool,
}

impl Context {
    pub fn set(mut self, key: &str, value: impl Into<String>) -> Self {
        self.keys.insert(key.to_lowercase(), vec![value.into()]);
        self
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub who: &'a Who,
    pub action: &'a str,
    /// `None` when the sandbox does not know the ARN: an Allow then covers it, a Deny only with `*`.
    pub resource: Option<&'a str>,
    pub context: &'a Context,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Deny,
    Silent,
}

impl Policy {
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let document: Value = serde_json::from_str(text).map_err(|_| Fault::NotJson)?;
        Self::from_value(&document)
    }

    pub fn from_value(document: &Value) -> Result<Self, Fault> {
        let document = document.as_object().ok_or(Fault::NotJson)?;
        for key in document.keys() {
            if !["Version", "Id", "Statement"].contains(&key.as_str()) {
                return Err(Fault::Unknown(key.clone()));
            }
        }
        match document.get("Version").map(Value::as_str) {
            None | Some(Some("2012-10-17" | "2008-10-17")) => {}
            _ => return Err(Fault::Version),
        }
        let statements = match document.get("Statement") {
            None => return Err(Fault::Missing("Statement")),
            Some(Value::Array(list)) => list.iter().map(statement).collect::<Result<_, _>>()?,
            Some(one) => vec![statement(one)?],
        };
        Ok(Self { statements })
    }

    /// An explicit deny wins over every allow.
    pub fn evaluate(&self, ask: &Ask<'_>) -> Verdict {
        let mut verdict = Verdict::Silent;
        for statement in &self.statements {
            if statement.applies(ask) {
                if !statement.allow {
                    return Verdict::Deny;
                }
                verdict = Verdict::Allow;
            }
        }
        verdict
    }
}

fn statement(value: &Value) -> Result<Statement, Fault> {
    const KNOWN: [&str; 9] = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    let map = value.as_object().ok_or(Fault::Syntax)?;
    if let Some(key) = map.keys().find(|k| !KNOWN.contains(&k.as_str())) {
        return Err(Fault::Unknown(key.clone()));
    }
    let allow = match map.get("Effect") {
        None => return Err(Fault::Missing("Effect")),
        Some(Value::String(s)) if s == "Allow" => true,
        Some(Value::String(s)) if s == "Deny" => false,
        Some(other) => return Err(Fault::Effect(other.to_string())),
    };
    Ok(Statement {
        allow,
        principals: principals(map)?,
        actions: patterns(map, "Action", "NotAction")
            .ok_or(Fault::Action)?
            .ok_or(Fault::Missing("Action"))?,
        resources: patterns(map, "Resource", "NotResource").ok_or(Fault::Resource)?,
        conditions: match map.get("Condition") {
            None => Vec::new(),
            Some(block) => parse_conditions(block)?,
        },
    })
}

/// Outer `None`: malformed. Inner `None`: absent.
fn patterns(map: &Map<String, Value>, name: &str, not_name: &str) -> Option<Option<Patterns>> {
    let (value, inverted) = match (map.get(name), map.get(not_name)) {
        (None, None) => return Some(None),
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        (Some(_), Some(_)) => return None,
    };
    let values = strings(value)?;
    if values.is_empty() {
        return None;
    }
    Some(Some(Patterns { values, inverted }))
}

/// One string or a list of strings.
pub fn strings(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(s) => Some(vec![s.clone()]),
        Value::Array(list) => list.iter().map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn principals(map: &Map<String, Value>) -> Result<Principals, Fault> {
    let (value, inverted) = match (map.get("Principal"), map.get("NotPrincipal")) {
        (None, None) => return Ok(Principals::Absent),
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        _ => return Err(Fault::Principal),
    };
    let mut named = Vec::new();
    match value {
        Value::String(s) if s == "*" && !inverted => return Ok(Principals::Any),
        Value::Object(kinds) if !kinds.is_empty() => {
            for (kind, names) in kinds {
                if !["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind.as_str()) {
                    return Err(Fault::Principal);
                }
                let names = strings(names).ok_or(Fault::Principal)?;
                named.extend(names.into_iter().map(|name| (kind.clone(), name)));
            }
        }
        _ => return Err(Fault::Principal),
    }
    Ok(match inverted {
        true => Principals::AllBut(named),
        false
            if named
                .iter()
                .any(|(kind, name)| kind == "AWS" && name == "*") =>
        {
            Principals::Any
        }
        false => Principals::Only(named),
    })
}

impl Statement {
    fn applies(&self, ask: &Ask<'_>) -> bool {
        let lenient = ask.context.lenient && self.allow;
        self.principals.cover(ask.who)
            && self.actions.cover_action(ask.action)
            && self.covers_resource(ask.resource)
            && self
                .conditions
                .iter()
                .all(|c| c.holds(ask.context, lenient))
    }

    fn covers_resource(&self, resource: Option<&str>) -> bool {
        match (&self.resources, resource) {
            (None, _) => true,
            (Some(patterns), Some(resource)) => {
                patterns.values.iter().any(|p| glob(p, resource)) != patterns.inverted
            }
            (Some(patterns), None) => self.allow || patterns.values.iter().any(|p| p == "*"),
        }
    }
}

impl Patterns {
    /// Action names are compared without regard to case.
    pub fn cover_action(&self, action: &str) -> bool {
        let action = action.to_lowercase();
        self.values.iter().any(|p| glob(&p.to_lowercase(), &action)) != self.inverted
    }
}

impl Principals {
    fn cover(&self, who: &Who) -> bool {
        match self {
            Self::Absent | Self::Any => true,
            Self::Only(named) => named.iter().any(|(kind, name)| is_named(kind, name, who)),
            Self::AllBut(named) => !named.iter().any(|(kind, name)| is_named(kind, name, who)),
        }
    }
}

fn is_named(kind: &str, name: &str, who: &Who) -> bool {
    match who {
        Who::Service(service) => kind == "Service" && name == service,
        Who::Principal {
            account,
            arn,
            role_arn,
        } => {
            kind == "AWS"
                && (name == "*"
                    || name == account
                    || name == arn
                    || Some(name) == role_arn.as_deref()
                    || *name == format!("arn:aws:iam::{account}:root"))
        }
    }
}

/// `*` for any characters, `?` for one.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut i, mut j) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while j < t.len() {
        match p.get(i) {
            Some('*') => {
                star = Some((i + 1, j));
                i += 1;
            }
            Some(&c) if c == '?' || c == t[j] => {
                i += 1;
                j += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    i = after;
                    j = from + 1;
                    star = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    p[i..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(policy: &str, context: &Context) -> Verdict {
        let who = Who::Service("cloudtrail.amazonaws.com".into());
        Policy::parse(policy).unwrap().evaluate(&Ask {
            who: &who,
            action: "s3:PutObject",
            resource: Some("arn:aws:s3:::logs/AWSLogs/1/x"),
            context,
        })
    }

    #[test]
    fn a_deny_wins_and_conditions_count() {
        let trail = "arn:aws:cloudtrail:us-east-1:1:trail/t";
        let policy = |deny: &str| {
            format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"Service":"cloudtrail.amazonaws.com"}},
                "Action":"s3:Put*","Resource":"arn:aws:s3:::logs/AWSLogs/*",
                "Condition":{{"StringEquals":{{"aws:SourceArn":"{trail}"}}}}}}{deny}]}}"#
            )
        };
        let context = Context::default().set("aws:SourceArn", trail);
        assert_eq!(ask(&policy(""), &context), Verdict::Allow);
        assert_eq!(ask(&policy(""), &Context::default()), Verdict::Silent);
        let deny = r#",{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*",
            "Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#;
        assert_eq!(ask(&policy(deny), &context), Verdict::Allow);
        let plain = context.clone().set("aws:SecureTransport", "false");
        assert_eq!(ask(&policy(deny), &plain), Verdict::Deny);
    }

    #[test]
    fn malformed_documents_are_named() {
        assert_eq!(Policy::parse("{bad"), Err(Fault::NotJson));
        assert_eq!(Policy::parse("{}"), Err(Fault::Missing("Statement")));
        let effect = r#"{"Statement":{"Effect":"allow","Action":"*"}}"#;
        assert!(matches!(Policy::parse(effect), Err(Fault::Effect(_))));
        let principal = r#"{"Statement":{"Effect":"Allow","Principal":"x","Action":"*"}}"#;
        assert_eq!(Policy::parse(principal), Err(Fault::Principal));
        assert_eq!(
            Policy::parse(r#"{"Statement":{"Effect":"Allow","Principal":"*"}}"#),
            Err(Fault::Missing("Action"))
        );
    }

    #[test]
    fn globs() {
        assert!(glob("a*c?", "abbcd"));
        assert!(!glob("a*c", "abd"));
        assert!(glob("*", ""));
    }
}
