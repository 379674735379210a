//! Who calls: access keys to accounts, and what their identity policies let them do.

use serde_json::{Value, json};

use super::error::{Answer, AwsError};
use super::policy::{Ask, Context, Policy, Verdict, Who};
use super::protocol::Service;
use super::state::State;

/// The sandbox's own access keys begin like this, so that it can tell one that it never issued.
pub const ISSUED_USER_KEY: &str = "AKIA0000";
pub const ISSUED_SESSION_KEY: &str = "ASIA0000";

#[derive(Clone, Debug)]
pub struct Caller {
    pub account: String,
    pub access_key: String,
    pub kind: CallerKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum CallerKind {
    /// The administrator that every account has; no identity policy binds it.
    Admin,
    User(String),
    Role {
        name: String,
        session: String,
    },
}

impl Caller {
    pub fn arn(&self) -> String {
        let account = &self.account;
        match &self.kind {
            CallerKind::Admin => format!("arn:aws:iam::{account}:user/admin"),
            CallerKind::User(name) => format!("arn:aws:iam::{account}:user/{name}"),
            CallerKind::Role { name, session } => {
                format!("arn:aws:sts::{account}:assumed-role/{name}/{session}")
            }
        }
    }

    /// The role behind the session; for users their own ARN (the key aws:PrincipalArn).
    pub fn principal_arn(&self) -> String {
        match &self.kind {
            CallerKind::Role { name, .. } => format!("arn:aws:iam::{}:role/{name}", self.account),
            _ => self.arn(),
        }
    }

    pub fn user_id(&self, state: &State) -> String {
        let account = state.accounts.get(&self.account);
        match &self.kind {
            CallerKind::Admin => "AIDASANDBOXADMIN00000".to_owned(),
            CallerKind::User(name) => account
                .and_then(|a| a.users.get(name))
                .map_or_else(String::new, |u| u.id.clone()),
            CallerKind::Role { name, session } => {
                let role = account.and_then(|a| a.roles.get(name));
                format!("{}:{session}", role.map_or("", |r| r.id.as_str()))
            }
        }
    }

    pub fn who(&self) -> Who {
        let role_arn = self.principal_arn();
        Who::Principal {
            account: self.account.clone(),
            arn: self.arn(),
            role_arn: Some(role_arn),
        }
    }

    /// The global condition keys of this caller's requests.
    pub fn context(&self, state: &State, region: &str) -> Context {
        let mut context = Context::default()
            .set("aws:PrincipalArn", self.principal_arn())
            .set("aws:PrincipalAccount", &self.account)
            .set("aws:PrincipalIsAWSService", "false")
            .set("aws:RequestedRegion", region)
            .set("aws:SecureTransport", "true")
            .set(
                "aws:CurrentTime",
                super::state::Stamp(state.now()).rfc3339(),
            )
            .set("kms:CallerAccount", &self.account);
        if let Some(organization) = state.organization_of(&self.account) {
            context = context.set("aws:PrincipalOrgID", &organization.id);
        }
        context
    }

    /// Refuses what the caller's identity policies do not allow.
    pub fn authorize(&self, state: &State, region: &str, action: &str) -> Answer<()> {
        let policies: Vec<&Value> = match (&self.kind, state.accounts.get(&self.account)) {
            (CallerKind::Admin, _) => return Ok(()),
            // Every principal may ask who it is: STS API, page GetCallerIdentity.
            _ if action == "sts:GetCallerIdentity" => return Ok(()),
            (_, None) => Vec::new(),
            (CallerKind::User(name), Some(account)) => account
                .users
                .get(name)
                .map_or_else(Vec::new, |u| u.policies.values().collect()),
            (CallerKind::Role { name, .. }, Some(account)) => account
                .roles
                .get(name)
                .map_or_else(Vec::new, |r| r.policies.values().collect()),
        };
        let mut context = self.context(state, region);
        context.lenient = true;
        let who = self.who();
        let ask = Ask {
            who: &who,
            action,
            resource: None,
            context: &context,
        };
        let verdicts: Vec<Verdict> = policies
            .iter()
            .filter_map(|p| Policy::from_value(p).ok())
            .map(|p| p.evaluate(&ask))
            .collect();
        let why = if verdicts.contains(&Verdict::Deny) {
            "with an explicit deny in an identity-based policy".to_owned()
        } else if verdicts.contains(&Verdict::Allow) {
            return Ok(());
        } else {
            format!("because no identity-based policy allows the {action} action")
        };
        Err(self.denied(action, "*", &why))
    }

    pub fn denied(&self, action: &str, resource: &str, why: &str) -> AwsError {
        let message = format!(
            "User: {} is not authorized to perform: {action} on resource: {resource} {why}",
            self.arn()
        );
        AwsError::new("AccessDeniedException", message)
    }
}

/// Which principal an access key stands for.
pub fn resolve(state: &State, access_key: &str, service: Service) -> Answer<Caller> {
    let caller = |account: &str, kind| Caller {
        account: account.to_owned(),
        access_key: access_key.to_owned(),
        kind,
    };
    if let Some(session) = state.sessions.get(access_key) {
        if session.expires.0 <= state.now() {
            return Err(expired(service));
        }
        let kind = CallerKind::Role {
            name: session.role.clone(),
            session: session.session_name.clone(),
        };
        return Ok(caller(&session.account, kind));
    }
    for (id, account) in &state.accounts {
        let owner = account
            .users
            .iter()
            .find(|(_, u)| u.access_keys.iter().any(|k| k == access_key));
        if let Some((name, _)) = owner {
            return Ok(caller(id, CallerKind::User(name.clone())));
        }
    }
    if access_key.starts_with(ISSUED_USER_KEY) || access_key.starts_with(ISSUED_SESSION_KEY) {
        return Err(unknown_key(service));
    }
    let names_account = access_key.len() == 12 && access_key.bytes().all(|b| b.is_ascii_digit());
    let account = if names_account {
        access_key
    } else {
        &state.default_account
    };
    Ok(caller(account, CallerKind::Admin))
}

fn expired(service: Service) -> AwsError {
    match service {
        Service::S3 => AwsError::new("ExpiredToken", "The provided token has expired."),
        Service::Sts | Service::Iam | Service::Sns => AwsError::new(
            "ExpiredToken",
            "The security token included in the request is expired",
        )
        .status(403),
        _ => AwsError::new(
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ),
    }
}

fn unknown_key(service: Service) -> AwsError {
    let message = "The security token included in the request is invalid.";
    match service {
        Service::S3 => AwsError::new(
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        )
        .status(403),
        Service::Sts | Service::Iam | Service::Sns => {
            AwsError::new("InvalidClientTokenId", message).status(403)
        }
        _ => AwsError::new("UnrecognizedClientException", message),
    }
}

/// A trust policy that lets the principals of `account` assume the role.
pub fn trust_account(account: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"AWS": format!("arn:aws:iam::{account}:root")},
        "Action": "sts:AssumeRole",
    }]})
}

/// Whether an AWS principal of a resource policy exists. Principals of accounts outside the sandbox are believed in.
pub fn principal_exists(state: &State, name: &str) -> bool {
    if name == "*" || (name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit())) {
        return true;
    }
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    let ["arn", _, service, "", account, resource] = parts.as_slice() else {
        return false;
    };
    let (kind, path) = resource.split_once('/').unwrap_or((resource, ""));
    let last = path.rsplit('/').next().unwrap_or_default();
    let Some(account) = state.accounts.get(*account) else {
        return account.len() == 12;
    };
    match (*service, kind) {
        ("iam", "root") => path.is_empty(),
        ("iam", "role") => account.roles.contains_key(last),
        ("iam", "user") => last == "admin" || account.users.contains_key(last),
        ("sts", "assumed-role") => path
            .split('/')
            .next()
            .is_some_and(|r| account.roles.contains_key(r)),
        _ => false,
    }
}
