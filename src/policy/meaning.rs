//! Whether two policies say the same.
//!
//! AWS returns policies in its own spelling: one-element lists become strings, account ids become root ARNs, SNS
//! changes the case of actions. None of that is a difference a plan should show. A Sid has no effect on access but says
//! whose a statement is, so it counts.

use serde_json::{Value, json};

use super::document::{CURRENT_VERSION, Condition, Patterns, Policy, PrincipalEntry, Statement};

/// True if both grant and deny the same, statement by statement, whatever their spelling and order.
pub fn same_meaning(a: &Policy, b: &Policy) -> bool {
    canonical(a) == canonical(b)
}

/// The same for a single statement.
pub fn same_statement(a: &Statement, b: &Statement) -> bool {
    a == b || canonical_statement(a) == canonical_statement(b)
}

fn canonical(policy: &Policy) -> Value {
    let statements = sorted(policy.statements.iter().map(canonical_statement).collect());
    // The version only decides whether ${…} is a variable; the id decides nothing.
    let variables = statements.iter().any(|s| s.contains("${"));
    let version = (policy.version.as_deref() == Some(CURRENT_VERSION)) || !variables;
    let other = sorted(
        policy
            .unknown_members()
            .iter()
            .map(|(name, value)| format!("{name}={}", order_free(value)))
            .collect(),
    );
    json!([version, statements, other])
}

fn canonical_statement(statement: &Statement) -> String {
    let principal = statement.principal().map(|set| {
        let entries = set.entries.iter().map(canonical_principal).collect();
        json!([set.negated, sorted(entries)])
    });
    let action = canonical_patterns(statement.action(), |action| action.to_ascii_lowercase());
    let resource = statement
        .resource()
        .map(|resource| canonical_patterns(resource, str::to_owned));
    let conditions = sorted(
        statement
            .conditions()
            .iter()
            .map(canonical_condition)
            .collect(),
    );
    let unknown = sorted(
        statement
            .unknown_members()
            .iter()
            .map(|name| {
                let value = statement.as_json().get(name).unwrap_or(&Value::Null);
                format!("{name}={}", order_free(value))
            })
            .collect(),
    );
    let allow = statement.effect() == super::Effect::Allow;
    let sid = statement.sid().filter(|sid| !sid.is_empty());
    json!([sid, allow, principal, action, resource, conditions, unknown]).to_string()
}

fn canonical_principal(entry: &PrincipalEntry) -> String {
    match entry {
        PrincipalEntry::Everyone => "*".into(),
        PrincipalEntry::Aws(value) => format!("AWS {}", root_as_account(value)),
        PrincipalEntry::Service(name) => format!("Service {}", name.to_ascii_lowercase()),
        PrincipalEntry::Other { kind, value } => format!("{kind} {value}"),
    }
}

fn canonical_patterns(patterns: &Patterns, spell: impl Fn(&str) -> String) -> Value {
    let values = patterns.values.iter().map(|value| spell(value)).collect();
    json!([patterns.negated, sorted(values)])
}

fn canonical_condition(condition: &Condition) -> String {
    let operator = condition.operator.to_ascii_lowercase();
    let flag = operator.contains("bool") || operator.contains("null");
    let spell = |value: &String| match flag {
        true => value.to_ascii_lowercase(),
        false => value.clone(),
    };
    let values = sorted(condition.values.iter().map(spell).collect());
    json!([operator, condition.key.to_ascii_lowercase(), values]).to_string()
}

/// `arn:…:iam::123456789012:root` as the account id it stands for.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>
pub(super) fn root_as_account(principal: &str) -> &str {
    let parts: Vec<&str> = principal.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, "iam", "", account, "root"] => account,
        _ => principal,
    }
}

/// Members in any order are one object; the order of lists we know nothing about is kept.
fn order_free(value: &Value) -> String {
    match value {
        Value::Object(members) => sorted(
            members
                .iter()
                .map(|(name, value)| format!("{}:{}", json!(name), order_free(value)))
                .collect(),
        )
        .join(","),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(order_free).collect();
            format!("[{}]", items.join(","))
        }
        scalar => scalar.to_string(),
    }
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list.dedup();
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(statements: &str) -> Policy {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#);
        Policy::parse(&text).expect("valid")
    }

    #[test]
    fn spelling_is_not_a_difference() {
        let a = policy(
            r#"[{"Sid":"A","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"SNS:Publish","Resource":["x"],
                 "Condition":{"StringEquals":{"aws:SourceArn":"t","AWS:SourceAccount":["1","2"]},"Bool":{"aws:SecureTransport":true}}},
                {"Effect":"Deny","Principal":{"AWS":"*"},"Action":["b:*","a:*"],"Resource":"*"}]"#,
        );
        let b = policy(
            r#"[{"Effect":"Deny","Principal":"*","Action":["a:*","b:*"],"Resource":"*","Condition":{}},
                {"Sid":"A","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root"]},"Action":["sns:publish"],"Resource":"x",
                 "Condition":{"bool":{"AWS:securetransport":"True"},"stringequals":{"AWS:SourceARN":["t"],"aws:SourceAccount":["2","1"]}}}]"#,
        );
        assert!(same_meaning(&a, &b));
    }

    #[test]
    fn everything_else_is() {
        let base = r#"{"Sid":"A","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"a:b","Resource":"x"}"#;
        let others = [
            base.replace("\"A\"", "\"B\""),
            base.replace("Allow", "Deny"),
            base.replace("\"AWS\"", "\"Service\""),
            base.replace("Principal", "NotPrincipal"),
            base.replace("a:b", "a:c"),
            base.replace("\"Resource\"", "\"NotResource\""),
            base.replace("\"x\"", "\"X\""),
            base.replace("\"x\"", r#""x","Condition":{"Bool":{"k":"true"}}"#),
            base.replace("\"x\"", r#""x","Later":1"#),
        ];
        for other in others {
            assert!(!same_meaning(&policy(base), &policy(&other)), "{other}");
        }
    }

    #[test]
    fn the_version_counts_only_with_variables() {
        let old = |text: &str| Policy::parse(&format!(r#"{{"Statement":{text}}}"#)).expect("valid");
        let plain = r#"{"Effect":"Allow","Action":"a","Resource":"x"}"#;
        let variable = r#"{"Effect":"Allow","Action":"a","Resource":"${aws:username}"}"#;
        assert!(same_meaning(&policy(plain), &old(plain)));
        assert!(!same_meaning(&policy(variable), &old(variable)));
    }
}
