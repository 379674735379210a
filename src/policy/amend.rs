//! The change that would make a failing question hold.

use serde_json::{Map, Value};

use super::document::{Effect, Statement};

const IS_SERVICE: &str = "aws:PrincipalIsAWSService";

/// "Add this statement", for a grant that is missing.
pub(super) fn add(statements: &[Statement], sid: &str) -> Option<String> {
    let statement = statements.iter().find(|s| s.sid() == Some(sid))?;
    Some(format!("add {}", statement.as_json()))
}

/// A Deny that leaves AWS services alone, which is how AWS's own data perimeter examples exempt them:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalisawsservice>
pub(super) fn exempt_services(name: &str, statement: &Statement) -> Option<String> {
    let speaks_of_services = |s: &Statement| {
        s.conditions()
            .iter()
            .any(|c| c.key.eq_ignore_ascii_case(IS_SERVICE))
    };
    if statement.effect() != Effect::Deny {
        return None;
    }
    if speaks_of_services(statement) {
        return Some(format!(
            "remove {name}, or narrow it so that it spares cloudtrail.amazonaws.com"
        ));
    }
    let mut amended = statement.as_json().clone();
    let members = amended.as_object_mut()?;
    let conditions = object_member(members, "Condition")?;
    let operator = conditions
        .keys()
        .find(|name| name.eq_ignore_ascii_case("Bool"));
    let operator = operator.cloned().unwrap_or_else(|| "Bool".into());
    object_member(conditions, &operator)?.insert(IS_SERVICE.into(), "false".into());
    Some(format!("replace {name} by {amended}"))
}

fn object_member<'a>(
    members: &'a mut Map<String, Value>,
    name: &str,
) -> Option<&'a mut Map<String, Value>> {
    members
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()))
        .as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amended(text: &str) -> Option<String> {
        let json = serde_json::from_str(text).expect("JSON");
        exempt_services("X", &Statement::from_json(json).expect("valid"))
    }

    #[test]
    fn the_exemption_joins_the_conditions_that_are_there() {
        assert_eq!(
            amended(r#"{"Effect":"Deny","Action":"*"}"#).as_deref(),
            Some(
                r#"replace X by {"Effect":"Deny","Action":"*","Condition":{"Bool":{"aws:PrincipalIsAWSService":"false"}}}"#
            )
        );
        assert_eq!(
            amended(r#"{"Effect":"Deny","Action":"*","Condition":{"bool":{"a":"true"}}}"#)
                .as_deref(),
            Some(
                r#"replace X by {"Effect":"Deny","Action":"*","Condition":{"bool":{"a":"true","aws:PrincipalIsAWSService":"false"}}}"#
            )
        );
        assert_eq!(amended(r#"{"Effect":"Allow","Action":"*"}"#), None);
    }
}
