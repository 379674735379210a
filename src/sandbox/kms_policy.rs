//! Key policies: who may do what with a key, and what KMS takes for one.

use serde_json::{Value, json};

use super::dispatch::Call;
use super::error::{Answer, AwsError, refuse};
use super::identity::principal_exists;
use super::kms::{KeyPlace, key_of, validation};
use super::policy::{Ask, Policy, Principals, Verdict};

/// KMS Developer Guide, page "resource-limits".
const MAX_BYTES: usize = 32 * 1024;

/// Operations that another account may be let do: KMS Developer Guide, page "key-policy-modifying-external-accounts".
const CROSS_ACCOUNT: [&str; 2] = ["kms:DescribeKey", "kms:GetKeyRotationStatus"];

pub fn default_policy(account: &str) -> String {
    json!({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [{
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": format!("arn:aws:iam::{account}:root")},
        "Action": "kms:*",
        "Resource": "*"}]})
    .to_string()
}

/// No principal has a permission that the key policy does not give or delegate.
pub fn authorize(call: &Call<'_>, place: &KeyPlace, action: &str) -> Answer<()> {
    let arn = place.arn();
    let verdict = match place.key(call.state) {
        Some(key) => evaluate(call, &key.policy, action, &arn),
        None => Verdict::Silent,
    };
    let abroad = place.account != call.account() && !CROSS_ACCOUNT.contains(&action);
    let why = match verdict {
        Verdict::Deny => "with an explicit deny in a resource-based policy".to_owned(),
        Verdict::Allow if !abroad => return Ok(()),
        _ => format!("because no resource-based policy allows the {action} action"),
    };
    Err(call.caller.denied(action, &arn, &why))
}

fn evaluate(call: &Call<'_>, policy: &str, action: &str, arn: &str) -> Verdict {
    let Ok(policy) = Policy::parse(policy) else {
        return Verdict::Silent;
    };
    let context = call.caller.context(call.state, call.region);
    let who = call.caller.who();
    policy.evaluate(&Ask {
        who: &who,
        action,
        resource: Some(arn),
        context: &context,
    })
}

fn malformed(message: &str) -> AwsError {
    AwsError::new("MalformedPolicyDocumentException", message)
}

/// Whether KMS takes `text` as a key policy: KMS API, page PutKeyPolicy.
pub fn check(call: &Call<'_>, text: &str, bypass_lockout_check: bool) -> Answer<()> {
    if text.len() > MAX_BYTES {
        return refuse(
            "LimitExceededException",
            "The key policy exceeds the maximum length.",
        );
    }
    let policy = Policy::parse(text).map_err(|fault| {
        malformed(&format!(
            "The policy document is malformed or uses an unsupported syntax: {fault:?}"
        ))
    })?;
    for statement in &policy.statements {
        let named = match &statement.principals {
            Principals::Absent => {
                return Err(malformed("Policy contains a statement with no principal."));
            }
            Principals::Any => continue,
            Principals::Only(named) | Principals::AllBut(named) => named,
        };
        let bad =
            |(kind, name): &(String, String)| kind == "AWS" && !principal_exists(call.state, name);
        if named.iter().any(bad) {
            return Err(malformed(
                "Policy contains a statement with one or more invalid principals.",
            ));
        }
        if statement.resources.is_none() {
            return Err(malformed("Policy contains a statement with no resource."));
        }
    }
    let keeps_caller = evaluate(call, text, "kms:PutKeyPolicy", "*") == Verdict::Allow;
    if !keeps_caller && !bypass_lockout_check {
        return Err(malformed(
            "The new key policy will not allow you to update the key policy in the future.",
        ));
    }
    Ok(())
}

/// `default` is the only name a key policy can have.
fn policy_name(input: &Value) -> Answer<()> {
    match input["PolicyName"].as_str() {
        None | Some("default") => Ok(()),
        Some(_) => refuse("NotFoundException", "No such policy exists"),
    }
}

pub fn get_key_policy(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = key_of(call, input, "kms:GetKeyPolicy")?;
    policy_name(input)?;
    let key = place.key_mut(call.state)?;
    Ok(json!({"Policy": key.policy, "PolicyName": "default"}))
}

pub fn put_key_policy(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let place = key_of(call, input, "kms:PutKeyPolicy")?;
    policy_name(input)?;
    let Some(policy) = input["Policy"].as_str().filter(|p| !p.is_empty()) else {
        return validation(
            "1 validation error detected: Value null at 'policy' failed to satisfy constraint: Member must not be null",
        );
    };
    let bypass = input["BypassPolicyLockoutSafetyCheck"]
        .as_bool()
        .unwrap_or(false);
    check(call, policy, bypass)?;
    place.key_mut(call.state)?.policy = policy.to_owned();
    Ok(json!({}))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::sandbox::Sandbox;
    use crate::sandbox::testing::*;

    #[test]
    fn a_policy_that_locks_the_caller_out_is_refused_unless_told_otherwise() {
        let sandbox = Sandbox::in_memory();
        let client = Client::new(&sandbox, ARCHIVE);
        let policy = |principal: &str| {
            json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:*", "Resource": "*"}]})
                .to_string()
        };
        let create = |principal: &str, bypass: bool| {
            let body =
                json!({"Policy": policy(principal), "BypassPolicyLockoutSafetyCheck": bypass});
            client.json("kms", "CreateKey", &body).map(|_| ())
        };
        let malformed = Err("MalformedPolicyDocumentException".to_owned());
        assert_eq!(create("arn:aws:iam::222233334444:root", false), Ok(()));
        assert_eq!(
            create("arn:aws:iam::222233334444:role/siem", false),
            malformed
        );
        assert_eq!(create("arn:aws:iam::222233334444:role/siem", true), Ok(()));
        assert_eq!(
            create("arn:aws:iam::222233334444:role/none", true),
            malformed
        );
    }
}
