//! IAM: the roles and users that CloudTrail's set-up leans on.

use serde_json::Value;

use super::dispatch::{Call, QueryHandler};
use super::error::{Answer, AwsError, refuse};
use super::identity::ISSUED_USER_KEY;
use super::policy::Policy;
use super::protocol::Form;
use super::state::{Account, Role, User};
use super::xml::{Element, el};

pub const ACTIONS: &[(&str, QueryHandler)] = &[
    ("CreateAccessKey", create_access_key),
    ("CreateRole", create_role),
    ("CreateServiceLinkedRole", create_service_linked_role),
    ("CreateUser", create_user),
    ("GetRole", get_role),
    ("GetRolePolicy", get_role_policy),
    ("ListRoles", list_roles),
    ("PutRolePolicy", put_role_policy),
    ("PutUserPolicy", put_user_policy),
    ("UpdateAssumeRolePolicy", update_assume_role_policy),
];

/// Services of CloudTrail that have a service-linked role (CloudTrail User Guide, page
/// "using-service-linked-roles").
const SERVICE_LINKED: [(&str, &str); 2] = [
    ("cloudtrail.amazonaws.com", "AWSServiceRoleForCloudTrail"),
    (
        "context.cloudtrail.amazonaws.com",
        "AWSServiceRoleForCloudTrailEventContext",
    ),
];

/// Whether the account has the role that organization trails need.
pub fn has_cloudtrail_role(account: &Account) -> bool {
    account.roles.contains_key(SERVICE_LINKED[0].1)
}

fn account<'a>(call: &'a mut Call<'_>) -> &'a mut Account {
    let id = call.caller.account.clone();
    call.state.accounts.entry(id).or_default()
}

fn no_role(name: &str) -> AwsError {
    AwsError::new(
        "NoSuchEntity",
        format!("The role with name {name} cannot be found."),
    )
    .status(404)
}

fn no_user(name: &str) -> AwsError {
    AwsError::new(
        "NoSuchEntity",
        format!("The user with name {name} cannot be found."),
    )
    .status(404)
}

fn document(text: &str) -> Answer<Value> {
    let malformed = |m: &str| AwsError::new("MalformedPolicyDocument", m);
    let value =
        serde_json::from_str(text).map_err(|_| malformed("This policy contains invalid Json"))?;
    Policy::from_value(&value).map_err(|_| malformed("Syntax errors in policy."))?;
    Ok(value)
}

fn create_role(call: &mut Call<'_>, form: &Form) -> Answer<Option<Element>> {
    let name = form.need("RoleName")?;
    let trust_policy = document(form.need("AssumeRolePolicyDocument")?)?;
    if account(call).roles.contains_key(name) {
        let message = format!("Role with name {name} already exists.");
        return Err(AwsError::new("EntityAlreadyExists", message).status(409));
    }
    let role = Role {
        id: call.state.fresh_iam_id("AROA"),
        path: form.get("Path").unwrap_or("/").to_owned(),
        description: form.get("Description").unwrap_or_default().to_owned(),
        created: call.now,
        trust_policy,
        tags: form.tags(),
        ..Role::default()
    };
    let answer = el("").child(role_element(call.account(), name, &role));
    account(call).roles.insert(name.to_owned(), role);
    Ok(Some(answer))
}

fn get_role(call: &mut Call<'_>, form: &Form) -> Answer<Option<Element>> {
    let name = form.need("RoleName")?;
    let id = call.account().to_owned();
    let role = account(call).roles.get(name).ok_or_else(|| no_role(name))?;
    Ok(Some(el("").child(role_element(&id, name, role))))
}

fn list_roles(call: &mut Call<'_>, _: &Form) -> Answer<Option<Element>> {
    let id = call.account().to_owned();
    let roles = &account(call).roles;
    let members = roles.iter().map(|(name, role)| Element {
        name: "member".to_owned(),
        ..role_element(&id, name, role)
    });
    Ok(Some(
        el("")
            .child(el("Roles").children(members))
            .with("IsTruncated", "false"),
    ))
}

fn role_element(account: &str, name: &str, role: &Role) -> Element {
    let tags = role
        .tags
        .iter()
        .map(|(key, value)| el("member").with("Key", key).with("Value", value));
    el("Role")
        .with("Path", &role.path)
        .with("RoleName", name)
        .with("RoleId", &role.id)
        .with(
            "Arn",
            format!("arn:aws:iam::{account}:role{}{name}", role.path),
        )
        .with("CreateDate", role.created.rfc3339())
        .with(
            "AssumeRolePolicyDocument",
            percent_encode(&role.trust_policy.to_string()),
        )
        .with("Description", &role.description)
        .with("MaxSessionDuration", 3600)
        .child(el("Tags").children(tags))
}

fn update_assume_role_policy(call: &mut Call<'_>, form: &Form) -> Answer<Option<Element>> {
    let name = form.need("RoleName")?;
    let trust_policy = document(form.need("PolicyDocument")?)?;
    let role = account(call)
        .roles
        .get_mut(name)
        .ok_or_else(|| no_role(name))?;
    role.trust_policy = trust_policy;
    Ok(None)
}

fn put_role_policy(call: &mut Call<'_>, form: &Form) -> Answer<Option<Element>> {
    let name = form.need("RoleName")?;
    let policy = document(form.need("PolicyDocument")?)?;
    let policy_name = form.need("PolicyName")?.to_owned();
    let role = account(call)
        .roles
        .get_mut(name)
        .ok_or_else(|| no_role(name))?;
    role.policies.insert(policy_name, policy);
    Ok(None)
}

fn get_role_policy(call: &mut Call<'_>, form: &Form) -> Answer<Option<Element>> {
    let (name, policy_name) = (form.need("RoleName")?, form.need("PolicyName")?);
    let role = account(call).roles.get(name).ok_or_else(|| no_role(name))?;
    let policy = role.policies.get(policy_name).ok_or_else(|| {
        let message = format!("The role policy with name {policy_name} cannot be found.");
        AwsError::new("NoSuchEntity", message).status(404)
    })?;
    Ok(Some(
        el("")
            .with("RoleName", name)
            .with("PolicyName", policy_name)
            .with("PolicyDocument", percent_encode(&policy.to_string())),
    ))
}

fn create_service_linked_role(call: &mut Call<'_>, form: &Form) -> Answer<Option<Element>> {
    let service = form.need("AWSServiceName")?;
    let Some((_, name)) = SERVICE_LINKED.iter().find(|(s, _)| *s == service) else {
        return refuse(
            "InvalidInput",
            format!("Service name {service} is not supported."),
        );
    };
    if account(call).roles.contains_key(*name) {
        return refuse(
            "InvalidInput",
            format!(
                "Service role name {name} has been taken in this account, please try a different suffix."
            ),
        );
    }
    let role = Role {
        id: call.state.fresh_iam_id("AROA"),
        path: format!("/aws-service-role/{service}/"),
        created: call.now,
        trust_policy: serde_json::json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"Service": [service]}}]}),
        ..Role::default()
    };
    let answer = el("").child(role_element(call.account(), name, &role));
    account(call).roles.insert((*name).to_owned(), role);
    Ok(Some(answer))
}

fn create_user(call: &mut Call<'_>, form: &Form) -> Answer<Option<Element>> {
    let name = form.need("UserName")?;
    if account(call).users.contains_key(name) {
        let message = format!("User with name {name} already exists.");
        return Err(AwsError::new("EntityAlreadyExists", message).status(409));
    }
    let user = User {
        id: call.state.fresh_iam_id("AIDA"),
        created: call.now,
        ..User::default()
    };
    let answer = el("User")
        .with("Path", "/")
        .with("UserName", name)
        .with("UserId", &user.id)
        .with(
            "Arn",
            format!("arn:aws:iam::{}:user/{name}", call.account()),
        )
        .with("CreateDate", user.created.rfc3339());
    account(call).users.insert(name.to_owned(), user);
    Ok(Some(el("").child(answer)))
}

fn put_user_policy(call: &mut Call<'_>, form: &Form) -> Answer<Option<Element>> {
    let name = form.need("UserName")?;
    let policy = document(form.need("PolicyDocument")?)?;
    let policy_name = form.need("PolicyName")?.to_owned();
    let user = account(call)
        .users
        .get_mut(name)
        .ok_or_else(|| no_user(name))?;
    user.policies.insert(policy_name, policy);
    Ok(None)
}

fn create_access_key(call: &mut Call<'_>, form: &Form) -> Answer<Option<Element>> {
    let name = form.need("UserName")?;
    let key = format!(
        "{ISSUED_USER_KEY}{}",
        call.state.fresh_hex(12).to_uppercase()
    );
    let secret = call.state.fresh_hex(40);
    let now = call.now.rfc3339();
    let user = account(call)
        .users
        .get_mut(name)
        .ok_or_else(|| no_user(name))?;
    // IAM User Guide, page "reference_iam-quotas".
    if user.access_keys.len() >= 2 {
        let message = "Cannot exceed quota for AccessKeysPerUser: 2";
        return Err(AwsError::new("LimitExceeded", message).status(409));
    }
    user.access_keys.push(key.clone());
    let answer = el("AccessKey")
        .with("UserName", name)
        .with("AccessKeyId", key)
        .with("Status", "Active")
        .with("SecretAccessKey", secret)
        .with("CreateDate", now);
    Ok(Some(el("").child(answer)))
}

/// IAM returns policy documents URL-encoded (RFC 3986): IAM API, page GetRole.
pub fn percent_encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
