//! A policy document as it is stored, and as the evaluator reads it.
//!
//! Grammar: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::meaning::same_statement;
use super::strict::Strict;

/// Statements whose Sid starts with this are ours to replace; all others belong to somebody else.
pub const OWN_SID_PREFIX: &str = "OrgTrail";

pub(super) const CURRENT_VERSION: &str = "2012-10-17";

/// What is wrong with a policy, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct PolicyError {
    pub place: String,
    pub problem: String,
}

impl PolicyError {
    fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        let (place, problem) = (place.into(), problem.into());
        PolicyError { place, problem }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Policy {
    pub version: Option<String>,
    pub id: Option<String>,
    pub statements: Vec<Statement>,
    /// Members of the document beside Version, Id and Statement, kept for writing back.
    other: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// `Action`/`NotAction` or `Resource`/`NotResource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns {
    pub negated: bool,
    pub values: Vec<String>,
}

/// `Principal`/`NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalSet {
    pub negated: bool,
    pub entries: Vec<PrincipalEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PrincipalEntry {
    /// `"*"` and `{"AWS": "*"}`, which mean the same in a resource policy.
    Everyone,
    Aws(String),
    Service(String),
    /// Federated, CanonicalUser, and whatever AWS adds later.
    Other {
        kind: String,
        value: String,
    },
}

/// One operator on one key; a statement's conditions must all hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    pub operator: String,
    pub key: String,
    pub values: Vec<String>,
}

/// One statement: the JSON as it was read, which is also what is written back, and its parsed view.
#[derive(Debug, Clone)]
pub struct Statement {
    json: Value,
    sid: Option<String>,
    effect: Effect,
    principal: Option<PrincipalSet>,
    action: Patterns,
    resource: Option<Patterns>,
    conditions: Vec<Condition>,
    unknown_members: Vec<String>,
}

impl PartialEq for Statement {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl Policy {
    /// A document of today's version with these statements.
    pub fn new(statements: Vec<Statement>) -> Self {
        Policy {
            version: Some(CURRENT_VERSION.into()),
            id: None,
            statements,
            other: Map::new(),
        }
    }

    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let Strict(json) = serde_json::from_str(text)
            .map_err(|error| PolicyError::new("policy", format!("not a JSON policy: {error}")))?;
        Policy::from_json(json)
    }

    pub fn from_json(json: Value) -> Result<Self, PolicyError> {
        let Value::Object(mut members) = json else {
            return Err(PolicyError::new("policy", "must be a JSON object"));
        };
        let version = text_member(&mut members, "Version", "policy")?;
        let id = text_member(&mut members, "Id", "policy")?;
        let items = match members.shift_remove("Statement") {
            Some(Value::Array(items)) => items,
            Some(single @ Value::Object(_)) => vec![single],
            Some(_) => {
                let problem = "must be an object or a list of objects";
                return Err(PolicyError::new("Statement", problem));
            }
            None => return Err(PolicyError::new("policy", "Statement is missing")),
        };
        let statements = items
            .into_iter()
            .enumerate()
            .map(|(index, item)| Statement::read(item, index))
            .collect::<Result<_, _>>()?;
        Ok(Policy {
            version,
            id,
            statements,
            other: members,
        })
    }

    /// Compact, and the same for the same policy; this is what goes to AWS.
    pub fn to_json(&self) -> String {
        self.to_value().to_string()
    }

    pub fn to_value(&self) -> Value {
        let mut members = Map::new();
        if let Some(version) = &self.version {
            members.insert("Version".into(), version.as_str().into());
        }
        if let Some(id) = &self.id {
            members.insert("Id".into(), id.as_str().into());
        }
        members.extend(self.other.clone());
        let statements = self.statements.iter().map(|s| s.json.clone()).collect();
        members.insert("Statement".into(), Value::Array(statements));
        members.into()
    }

    /// The size that the limits of S3 (20 KB), KMS (32 KB) and Organizations count.
    pub fn size_in_bytes(&self) -> usize {
        self.to_json().len()
    }

    /// `${aws:…}` is a variable only in documents of this version; before, it is plain text.
    pub(super) fn has_variables(&self) -> bool {
        self.version.as_deref() == Some(CURRENT_VERSION)
    }

    pub(super) fn unknown_members(&self) -> &Map<String, Value> {
        &self.other
    }
}

impl TryFrom<Value> for Policy {
    type Error = PolicyError;

    fn try_from(json: Value) -> Result<Self, PolicyError> {
        Policy::from_json(json)
    }
}

impl From<Policy> for Value {
    fn from(policy: Policy) -> Value {
        policy.to_value()
    }
}

impl Statement {
    pub fn from_json(json: Value) -> Result<Self, PolicyError> {
        Statement::read(json, 0)
    }

    fn read(json: Value, index: usize) -> Result<Self, PolicyError> {
        let place = format!("Statement[{index}]");
        let Value::Object(members) = &json else {
            return Err(PolicyError::new(place, "must be an object"));
        };
        let mut members = members.clone();
        let sid = text_member(&mut members, "Sid", &place)?;
        let place = match &sid {
            Some(sid) => format!("{place} (Sid \"{sid}\")"),
            None => place,
        };
        let effect = match text_member(&mut members, "Effect", &place)?.as_deref() {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            Some(other) => {
                let problem = format!("\"{other}\" is neither Allow nor Deny");
                return Err(PolicyError::new(format!("{place}.Effect"), problem));
            }
            None => return Err(PolicyError::new(place, "Effect is missing")),
        };
        let principal = principals(&mut members, &place)?;
        let action = patterns(&mut members, "Action", &place)?
            .ok_or_else(|| PolicyError::new(&place, "Action or NotAction is missing"))?;
        let resource = patterns(&mut members, "Resource", &place)?;
        let conditions = conditions(&mut members, &place)?;
        let unknown_members = members.keys().cloned().collect();
        Ok(Statement {
            json,
            sid,
            effect,
            principal,
            action,
            resource,
            conditions,
            unknown_members,
        })
    }

    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    pub fn is_own(&self) -> bool {
        self.sid()
            .is_some_and(|sid| sid.starts_with(OWN_SID_PREFIX))
    }

    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// None in a policy that is attached to a principal or an account, such as an SCP.
    pub fn principal(&self) -> Option<&PrincipalSet> {
        self.principal.as_ref()
    }

    pub fn action(&self) -> &Patterns {
        &self.action
    }

    pub fn resource(&self) -> Option<&Patterns> {
        self.resource.as_ref()
    }

    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Members that the policy grammar of today does not have.
    pub fn unknown_members(&self) -> &[String] {
        &self.unknown_members
    }

    pub fn as_json(&self) -> &Value {
        &self.json
    }
}

/// The statements orgtrail wrote.
pub fn own(policy: &Policy) -> impl Iterator<Item = &Statement> {
    policy.statements.iter().filter(|s| s.is_own())
}

/// The statements of everybody else.
pub fn foreign(policy: &Policy) -> impl Iterator<Item = &Statement> {
    policy.statements.iter().filter(|s| !s.is_own())
}

/// The live policy with our statements replaced by `ours`, which follow the foreign ones in the order given.
///
/// The document's Version, Id and unknown members stay, because foreign statements may depend on them.
pub fn merge(live: Option<&Policy>, ours: &[Statement]) -> Policy {
    let mut merged = live.cloned().unwrap_or_else(|| Policy::new(Vec::new()));
    merged.statements.retain(|s| !s.is_own());
    // A statement without our Sid cannot be told from a foreign one next time, so it must stand among those already now.
    let (marked, unmarked): (Vec<_>, Vec<_>) = ours.iter().partition(|s| s.is_own());
    for statement in unmarked.into_iter().chain(marked) {
        if !merged
            .statements
            .iter()
            .any(|s| same_statement(s, statement))
        {
            merged.statements.push(statement.clone());
        }
    }
    merged
}

fn text_member(
    members: &mut Map<String, Value>,
    name: &str,
    place: &str,
) -> Result<Option<String>, PolicyError> {
    match members.shift_remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(PolicyError::new(
            format!("{place}.{name}"),
            "must be a string",
        )),
    }
}

/// Takes `name` or `Not<name>`; both at once are not a statement.
fn either(
    members: &mut Map<String, Value>,
    name: &str,
    place: &str,
) -> Result<Option<(bool, String, Value)>, PolicyError> {
    let negation = format!("Not{name}");
    match (members.shift_remove(name), members.shift_remove(&negation)) {
        (Some(_), Some(_)) => {
            let problem = format!("has both {name} and {negation}");
            Err(PolicyError::new(place, problem))
        }
        (Some(value), None) => Ok(Some((false, format!("{place}.{name}"), value))),
        (None, Some(value)) => Ok(Some((true, format!("{place}.{negation}"), value))),
        (None, None) => Ok(None),
    }
}

fn patterns(
    members: &mut Map<String, Value>,
    name: &str,
    place: &str,
) -> Result<Option<Patterns>, PolicyError> {
    let Some((negated, place, value)) = either(members, name, place)? else {
        return Ok(None);
    };
    let values = strings(value, &place)?;
    Ok(Some(Patterns { negated, values }))
}

fn principals(
    members: &mut Map<String, Value>,
    place: &str,
) -> Result<Option<PrincipalSet>, PolicyError> {
    let Some((negated, place, value)) = either(members, "Principal", place)? else {
        return Ok(None);
    };
    let kinds = match value {
        Value::String(text) if text == "*" => {
            let entries = vec![PrincipalEntry::Everyone];
            return Ok(Some(PrincipalSet { negated, entries }));
        }
        Value::Object(kinds) => kinds,
        _ => {
            let problem = "must be \"*\" or an object such as {\"AWS\": …} or {\"Service\": …}";
            return Err(PolicyError::new(place, problem));
        }
    };
    let mut entries = Vec::new();
    for (kind, value) in kinds {
        for value in strings(value, &format!("{place}.{kind}"))? {
            entries.push(match kind.as_str() {
                "AWS" if value == "*" => PrincipalEntry::Everyone,
                "AWS" => PrincipalEntry::Aws(value),
                "Service" => PrincipalEntry::Service(value),
                _ => PrincipalEntry::Other {
                    kind: kind.clone(),
                    value,
                },
            });
        }
    }
    Ok(Some(PrincipalSet { negated, entries }))
}

fn conditions(
    members: &mut Map<String, Value>,
    place: &str,
) -> Result<Vec<Condition>, PolicyError> {
    let place = format!("{place}.Condition");
    let operators = match members.shift_remove("Condition") {
        None => return Ok(Vec::new()),
        Some(Value::Object(operators)) => operators,
        Some(_) => return Err(PolicyError::new(place, "must be an object")),
    };
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let place = format!("{place}.{operator}");
        let Value::Object(keys) = keys else {
            let problem = "must be an object of condition keys";
            return Err(PolicyError::new(place, problem));
        };
        for (key, values) in keys {
            conditions.push(Condition {
                operator: operator.clone(),
                values: scalars(values, &format!("{place}.{key}"))?,
                key,
            });
        }
    }
    Ok(conditions)
}

fn strings(value: Value, place: &str) -> Result<Vec<String>, PolicyError> {
    let text = |value| match value {
        Value::String(text) => Ok(text),
        _ => Err(PolicyError::new(
            place,
            "must be a string or a list of strings",
        )),
    };
    match value {
        Value::Array(items) => items.into_iter().map(text).collect(),
        single => Ok(vec![text(single)?]),
    }
}

/// Condition values may also be written as bare booleans and numbers.
fn scalars(value: Value, place: &str) -> Result<Vec<String>, PolicyError> {
    let text = |value| match value {
        Value::String(text) => Ok(text),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        _ => {
            let problem = "must be a string, a number, a boolean, or a list of them";
            Err(PolicyError::new(place, problem))
        }
    };
    match value {
        Value::Array(items) => items.into_iter().map(text).collect(),
        single => Ok(vec![text(single)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        Policy::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn an_error_names_what_and_where() {
        let cases = [
            ("[]", "policy: must be a JSON object"),
            ("{}", "policy: Statement is missing"),
            (
                r#"{"Statement":3}"#,
                "Statement: must be an object or a list",
            ),
            (r#"{"Statement":[{}]}"#, "Statement[0]: Effect is missing"),
            (
                r#"{"Statement":[{"Sid":"A","Effect":"allow"}]}"#,
                r#"Statement[0] (Sid "A").Effect: "allow" is neither Allow nor Deny"#,
            ),
            (
                r#"{"Statement":{"Effect":"Deny","Action":[1]}}"#,
                "Statement[0].Action: must be a string or a list of strings",
            ),
            (
                r#"{"Statement":{"Effect":"Deny","Action":"*","NotAction":"*"}}"#,
                "Statement[0]: has both Action and NotAction",
            ),
            (
                r#"{"Statement":{"Effect":"Deny","Action":"*","Condition":{"Bool":{"a":null}}}}"#,
                "Statement[0].Condition.Bool.a: must be a string, a number",
            ),
            (
                r#"{"Statement":{"Effect":"Deny","Principal":"root","Action":"*"}}"#,
                "Statement[0].Principal: must be \"*\" or an object",
            ),
            (
                r#"{"Statement":[],"Statement":[]}"#,
                "\"Statement\" is there twice",
            ),
            (&"[".repeat(100_000), "recursion limit"),
        ];
        for (text, expected) in cases {
            let found = problem(text);
            assert!(found.contains(expected), "{found} lacks {expected}");
        }
    }

    #[test]
    fn what_is_read_is_written_back() {
        let text = r#"{"Version":"2008-10-17","Id":"x","Later":1,"Statement":[{"Action":"S3:getobject","Effect":"Allow","Principal":{"AWS":["111122223333"]},"Resource":"*","Condition":{"Bool":{"aws:securetransport":true}},"New":{"a":[]}}]}"#;
        let policy = Policy::parse(text).expect("valid");
        assert_eq!(policy.to_json(), text);
        assert_eq!(policy.statements[0].unknown_members(), ["New"]);
        assert_eq!(policy.size_in_bytes(), text.len());
    }

    #[test]
    fn merge_replaces_ours_and_keeps_the_rest_in_place() {
        let statement = |sid: &str, action: &str| {
            Statement::from_json(serde_json::json!({"Sid":sid,"Effect":"Allow","Principal":"*","Action":action,"Resource":"*"}))
                .expect("valid")
        };
        let live = Policy::new(vec![
            statement("OrgTrailWrite", "s3:Old"),
            statement("Siem", "s3:GetObject"),
            statement("OrgTrailGone", "s3:Gone"),
            statement("Backup", "s3:GetObject"),
        ]);
        let merged = merge(Some(&live), &[statement("OrgTrailWrite", "s3:New")]);
        let sids: Vec<_> = merged
            .statements
            .iter()
            .filter_map(Statement::sid)
            .collect();
        assert_eq!(sids, ["Siem", "Backup", "OrgTrailWrite"]);
        assert_eq!(merged.statements[2].action().values, ["s3:New"]);
        assert_eq!(own(&merged).count(), 1);
        assert_eq!(foreign(&merged).count(), 2);
    }
}
