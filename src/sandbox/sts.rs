//! STS: who am I, and assuming the roles of other accounts.

use time::Duration;

use super::dispatch::{Call, QueryHandler};
use super::error::{Answer, AwsError, refuse};
use super::identity::ISSUED_SESSION_KEY;
use super::policy::{Ask, Policy, Verdict};
use super::protocol::Form;
use super::state::{Role, Session, Stamp};
use super::xml::{Element, el};

pub const ACTIONS: &[(&str, QueryHandler)] = &[
    ("AssumeRole", assume_role),
    ("GetCallerIdentity", get_caller_identity),
];

fn get_caller_identity(call: &mut Call<'_>, _: &Form) -> Answer<Option<Element>> {
    let caller = call.caller;
    Ok(Some(
        el("")
            .with("Arn", caller.arn())
            .with("UserId", caller.user_id(call.state))
            .with("Account", &caller.account),
    ))
}

fn assume_role(call: &mut Call<'_>, form: &Form) -> Answer<Option<Element>> {
    let arn = form.need("RoleArn")?;
    let session_name = form.need("RoleSessionName")?;
    if !is_session_name(session_name) {
        return invalid(
            session_name,
            "roleSessionName",
            r"Member must satisfy regular expression pattern: [\w+=,.@-]*",
        );
    }
    let seconds = form.get("DurationSeconds").unwrap_or("3600");
    let duration = match seconds.parse::<i64>() {
        Ok(seconds @ 900..=43_200) => Duration::seconds(seconds),
        _ => {
            return invalid(
                seconds,
                "durationSeconds",
                "Member must be between 900 and 43200",
            );
        }
    };
    let denied = || {
        let message = format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            call.caller.arn()
        );
        AwsError::new("AccessDenied", message).status(403)
    };
    // A role that does not exist is denied like one that does not trust the caller.
    let (account, name) = split_role_arn(arn).ok_or_else(denied)?;
    let role = call
        .state
        .accounts
        .get(account)
        .and_then(|a| a.roles.get(name))
        .ok_or_else(denied)?;
    if !trusts(call, role, form) {
        return Err(denied());
    }
    let role_id = role.id.clone();
    let expires = Stamp(call.now.0.saturating_add(duration));
    let session = Session {
        account: account.to_owned(),
        role: name.to_owned(),
        session_name: session_name.to_owned(),
        expires,
    };
    Ok(Some(issue(call, session, &role_id)))
}

fn issue(call: &mut Call<'_>, session: Session, role_id: &str) -> Element {
    let key = format!(
        "{ISSUED_SESSION_KEY}{}",
        call.state.fresh_hex(12).to_uppercase()
    );
    let secret = call.state.fresh_hex(40);
    let token = call.state.fresh_hex(64);
    let Session {
        account,
        role,
        session_name,
        expires,
    } = session.clone();
    // Sessions that ended a day ago are of no use but to say that they ended.
    let old = call.now.0.saturating_sub(Duration::DAY);
    call.state.sessions.retain(|_, s| s.expires.0 > old);
    call.state.sessions.insert(key.clone(), session);
    el("")
        .child(
            el("Credentials")
                .with("AccessKeyId", key)
                .with("SecretAccessKey", secret)
                .with("SessionToken", token)
                .with("Expiration", expires.rfc3339()),
        )
        .child(
            el("AssumedRoleUser")
                .with("AssumedRoleId", format!("{role_id}:{session_name}"))
                .with(
                    "Arn",
                    format!("arn:aws:sts::{account}:assumed-role/{role}/{session_name}"),
                ),
        )
}

/// Asks the role's trust policy, with the external id of the request if it carries one.
fn trusts(call: &Call<'_>, role: &Role, form: &Form) -> bool {
    let Ok(policy) = Policy::from_value(&role.trust_policy) else {
        return false;
    };
    let mut context = call.caller.context(call.state, call.region);
    if let Some(id) = form.get("ExternalId") {
        context = context.set("sts:ExternalId", id);
    }
    if let Some(name) = form.get("RoleSessionName") {
        context = context.set("sts:RoleSessionName", name);
    }
    let who = call.caller.who();
    let ask = Ask {
        who: &who,
        action: "sts:AssumeRole",
        resource: None,
        context: &context,
    };
    policy.evaluate(&ask) == Verdict::Allow
}

/// Account and name of `arn:aws:iam::ACCOUNT:role/path/NAME`.
pub fn split_role_arn(arn: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", account, role] => {
            let name = role.strip_prefix("role/")?.rsplit('/').next()?;
            Some((account, name))
        }
        _ => None,
    }
}

fn is_session_name(name: &str) -> bool {
    (2..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

fn invalid<T>(value: &str, member: &str, rule: &str) -> Answer<T> {
    refuse(
        "ValidationError",
        format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::Duration;

    use crate::sandbox::Sandbox;
    use crate::sandbox::testing::*;

    const ASSUME: &str =
        "Action=AssumeRole&RoleSessionName=me&RoleArn=arn:aws:iam::222233334444:role/OrgTrailApply";

    #[test]
    fn a_session_is_the_account_it_was_issued_for_until_it_ends() {
        let sandbox = Sandbox::in_memory();
        let client = Client::new(&sandbox, MANAGEMENT);
        let answer = client.query("sts", ASSUME).unwrap();
        let key = answer
            .value(&["AssumeRoleResult", "Credentials", "AccessKeyId"])
            .unwrap()
            .to_owned();
        let session = Client::new(&sandbox, &key);
        let who = || {
            let answer = session.query("sts", "Action=GetCallerIdentity")?;
            Ok(answer
                .value(&["GetCallerIdentityResult", "Account"])
                .unwrap()
                .to_owned())
        };
        assert_eq!(who(), Ok(ARCHIVE.to_owned()));
        sandbox.set_now(sandbox.now() + Duration::hours(2)).unwrap();
        assert_eq!(who(), Err("ExpiredToken".to_owned()));
        let stranger = Client::new(&sandbox, "AKIA0000000000NOKEY0");
        assert_eq!(
            stranger
                .query("sts", "Action=GetCallerIdentity")
                .unwrap_err(),
            "InvalidClientTokenId"
        );
    }

    #[test]
    fn the_trust_policy_decides() {
        let sandbox = Sandbox::in_memory();
        let client = Client::new(&sandbox, MANAGEMENT);
        let other = ASSUME.replace("OrgTrailApply", "NoSuchRole");
        assert_eq!(client.query("sts", &other).unwrap_err(), "AccessDenied");
        assert!(
            Client::new(&sandbox, "333344445555")
                .query("sts", ASSUME)
                .is_err()
        );
        let condition = json!({"StringEquals": {"sts:ExternalId": "secret"}});
        let lock = |state: &mut crate::sandbox::State| {
            let role = state.role_mut(ARCHIVE, "OrgTrailApply").unwrap();
            role.trust_policy["Statement"][0]["Condition"] = condition;
        };
        sandbox.edit(lock).unwrap();
        assert_eq!(client.query("sts", ASSUME).unwrap_err(), "AccessDenied");
        assert!(
            client
                .query("sts", &format!("{ASSUME}&ExternalId=secret"))
                .is_ok()
        );
    }

    #[test]
    fn the_planning_role_only_looks() {
        let sandbox = Sandbox::in_memory();
        let client = Client::new(&sandbox, MANAGEMENT);
        let answer = client
            .query("sts", &ASSUME.replace("Apply", "Plan"))
            .unwrap();
        let key = answer
            .value(&["AssumeRoleResult", "Credentials", "AccessKeyId"])
            .unwrap()
            .to_owned();
        let session = Client::new(&sandbox, &key);
        assert!(session.json("kms", "ListKeys", &json!({})).is_ok());
        assert_eq!(
            session.json("kms", "CreateKey", &json!({})).unwrap_err(),
            "AccessDeniedException"
        );
        assert_eq!(
            session.s3("PUT", "/some-bucket", "").unwrap_err(),
            "AccessDenied"
        );
    }
}
