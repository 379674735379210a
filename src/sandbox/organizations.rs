//! Organizations: accounts, trusted access and delegated administrators.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::dispatch::{Call, JsonHandler};
use super::error::{Answer, AwsError, refuse};
use super::identity::trust_account;
use super::kms::tag_list;
use super::state::{Account, Organization, Role, Stamp, State};

pub const ACTIONS: &[(&str, JsonHandler)] = &[
    ("CreateAccount", create_account),
    ("CreateOrganization", create_organization),
    (
        "DeregisterDelegatedAdministrator",
        deregister_delegated_administrator,
    ),
    ("DescribeAccount", describe_account),
    (
        "DescribeCreateAccountStatus",
        describe_create_account_status,
    ),
    ("DescribeOrganization", describe_organization),
    ("DisableAWSServiceAccess", disable_aws_service_access),
    ("EnableAWSServiceAccess", enable_aws_service_access),
    (
        "ListAWSServiceAccessForOrganization",
        list_aws_service_access,
    ),
    ("ListAccounts", list_accounts),
    ("ListDelegatedAdministrators", list_delegated_administrators),
    ("ListDelegatedServicesForAccount", list_delegated_services),
    ("ListRoots", list_roots),
    ("ListTagsForResource", list_tags_for_resource),
    (
        "RegisterDelegatedAdministrator",
        register_delegated_administrator,
    ),
];

pub const CLOUDTRAIL: &str = "cloudtrail.amazonaws.com";
/// CloudTrail User Guide, page "cloudtrail-delegated-administrator".
const MAX_CLOUDTRAIL_ADMINISTRATORS: usize = 3;
/// Organizations API, page ListAccounts.
const MAX_PAGE: usize = 20;

/// Service principals that Organizations knows, as far as an audit set-up may name them.
const KNOWN_SERVICES: [&str; 12] = [
    CLOUDTRAIL,
    "access-analyzer.amazonaws.com",
    "account.amazonaws.com",
    "config.amazonaws.com",
    "controltower.amazonaws.com",
    "detective.amazonaws.com",
    "guardduty.amazonaws.com",
    "macie.amazonaws.com",
    "securityhub.amazonaws.com",
    "securitylake.amazonaws.com",
    "ssm.amazonaws.com",
    "sso.amazonaws.com",
];

fn not_in_use() -> AwsError {
    AwsError::new(
        "AWSOrganizationsNotInUseException",
        "Your account is not a member of an organization.",
    )
}

fn access_denied() -> AwsError {
    AwsError::new(
        "AccessDeniedException",
        "You don't have permissions to access this resource.",
    )
}

/// The caller's organization, whoever in it calls.
fn mine<'a>(call: &'a Call<'_>) -> Answer<&'a Organization> {
    call.state
        .organization_of(call.account())
        .ok_or_else(not_in_use)
}

/// The organization, for its management account only.
fn managed<'a>(call: &'a mut Call<'_>) -> Answer<&'a mut Organization> {
    let account = call.caller.account.clone();
    mine(call)?;
    call.state
        .organization
        .as_mut()
        .filter(|o| o.management_account == account)
        .ok_or_else(access_denied)
}

/// The organization, for its management account and delegated administrators of any service.
fn administered<'a>(call: &'a Call<'_>) -> Answer<&'a Organization> {
    let organization = mine(call)?;
    let account = call.account();
    let admin = organization.management_account == account
        || organization
            .delegated_administrators
            .get(account)
            .is_some_and(|s| !s.is_empty());
    if admin {
        Ok(organization)
    } else {
        Err(access_denied())
    }
}

fn text<'a>(input: &'a Value, member: &str) -> Answer<&'a str> {
    input[member]
        .as_str()
        .filter(|s| !s.is_empty())
        .ok_or_else(|| {
            AwsError::new(
                "InvalidInputException",
                format!("You must specify a value for {member}."),
            )
        })
}

fn service_principal(input: &Value) -> Answer<&str> {
    let principal = text(input, "ServicePrincipal")?;
    if !KNOWN_SERVICES.contains(&principal) {
        return refuse(
            "InvalidInputException",
            "You specified an unrecognized service principal.",
        );
    }
    Ok(principal)
}

fn create_organization(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let account = call.account().to_owned();
    if call.state.organization_of(&account).is_some() {
        return refuse(
            "AlreadyInOrganizationException",
            "The AWS account is already a member of an organization.",
        );
    }
    let organization = Organization {
        id: format!("o-{}", call.state.fresh_hex(10)),
        root_id: format!("r-{}", call.state.fresh_hex(4)),
        feature_set: input["FeatureSet"].as_str().unwrap_or("ALL").to_owned(),
        members: BTreeMap::from([(account.clone(), call.now)]),
        management_account: account,
        ..Organization::default()
    };
    call.state.organization = Some(organization);
    describe_organization(call, input)
}

fn describe_organization(call: &mut Call<'_>, _: &Value) -> Answer<Value> {
    let o = mine(call)?;
    let management = &o.management_account;
    let email = call
        .state
        .accounts
        .get(management)
        .map_or("", |a| a.email.as_str());
    Ok(json!({"Organization": {
        "Id": o.id,
        "Arn": format!("arn:aws:organizations::{management}:organization/{}", o.id),
        "FeatureSet": o.feature_set,
        "MasterAccountId": management,
        "MasterAccountArn": account_arn(o, management),
        "MasterAccountEmail": email,
        "AvailablePolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}],
    }}))
}

fn account_arn(organization: &Organization, account: &str) -> String {
    format!(
        "arn:aws:organizations::{}:account/{}/{account}",
        organization.management_account, organization.id
    )
}

fn list_roots(call: &mut Call<'_>, _: &Value) -> Answer<Value> {
    let o = administered(call)?;
    Ok(json!({"Roots": [{
        "Id": o.root_id,
        "Arn": format!("arn:aws:organizations::{}:root/{}/{}", o.management_account, o.id, o.root_id),
        "Name": "Root",
        "PolicyTypes": [],
    }]}))
}

fn describe(state: &State, o: &Organization, id: &str, joined: Stamp) -> Value {
    let account = state.accounts.get(id).cloned().unwrap_or_default();
    let method = if id == o.management_account {
        "INVITED"
    } else {
        "CREATED"
    };
    json!({
        "Id": id,
        "Arn": account_arn(o, id),
        "Email": account.email,
        "Name": account.name,
        "Status": "ACTIVE",
        "State": "ACTIVE",
        "JoinedMethod": method,
        "JoinedTimestamp": joined.epoch(),
    })
}

fn list_accounts(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let o = administered(call)?;
    let accounts = o
        .members
        .iter()
        .map(|(id, joined)| (id.clone(), describe(call.state, o, id, *joined)));
    page(input, "Accounts", accounts)
}

/// One page of `items`, which come sorted by their key; the token is the last key given.
fn page(input: &Value, name: &str, items: impl Iterator<Item = (String, Value)>) -> Answer<Value> {
    let size = match input.get("MaxResults").filter(|v| !v.is_null()) {
        None => MAX_PAGE,
        Some(size) => match size.as_u64() {
            Some(size @ 1..=20) => size as usize,
            _ => {
                return refuse(
                    "InvalidInputException",
                    "You specified a MaxResults value that is out of range.",
                );
            }
        },
    };
    let after = input["NextToken"].as_str().unwrap_or_default().to_owned();
    let mut rest: Vec<_> = items
        .filter(|(key, _)| *key > after)
        .take(size + 1)
        .collect();
    let more = rest.len() > size;
    rest.truncate(size);
    let last = rest.last().map(|(key, _)| key.clone()).filter(|_| more);
    let values: Vec<Value> = rest.into_iter().map(|(_, value)| value).collect();
    let mut answer = json!({});
    answer[name] = Value::Array(values);
    if let Some(last) = last {
        answer["NextToken"] = json!(last);
    }
    Ok(answer)
}

fn describe_account(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let o = administered(call)?;
    let id = text(input, "AccountId")?;
    let joined = o.members.get(id).ok_or_else(no_account)?;
    Ok(json!({"Account": describe(call.state, o, id, *joined)}))
}

fn no_account() -> AwsError {
    AwsError::new(
        "AccountNotFoundException",
        "You specified an account that doesn't exist.",
    )
}

fn create_account(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let management = managed(call)?.management_account.clone();
    let name = text(input, "AccountName")?.to_owned();
    let email = text(input, "Email")?.to_owned();
    let account = Account {
        name: name.clone(),
        email,
        tags: super::kms::tags_of(&input["Tags"], "Key", "Value"),
        ..Account::default()
    };
    let id = loop {
        call.state.counter += 1;
        let id = format!("{:012}", 500_000_000_000 + call.state.counter * 7_919);
        if !call.state.accounts.contains_key(&id) {
            break id;
        }
    };
    let request = format!("car-{}", call.state.fresh_hex(32));
    let now = call.now;
    call.state.accounts.insert(id.clone(), account);
    add_member_roles(call.state, &id, &management, now);
    let organization = managed(call)?;
    organization.members.insert(id.clone(), now);
    organization
        .create_account_requests
        .insert(request.clone(), id);
    Ok(json!({"CreateAccountStatus": {
        "Id": request, "AccountName": name, "State": "IN_PROGRESS", "RequestedTimestamp": now.epoch()}}))
}

/// What an account has when the organization creates it: the role by which the management account gets in.
pub fn add_member_roles(state: &mut State, account: &str, management: &str, at: Stamp) {
    let role = Role {
        id: state.fresh_iam_id("AROA"),
        path: "/".to_owned(),
        created: at,
        trust_policy: trust_account(management),
        policies: BTreeMap::from([(
            "AdministratorAccess".to_owned(),
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}),
        )]),
        ..Role::default()
    };
    let account = state.accounts.entry(account.to_owned()).or_default();
    account
        .roles
        .insert("OrganizationAccountAccessRole".to_owned(), role);
}

fn describe_create_account_status(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let o = administered(call)?;
    let request = text(input, "CreateAccountRequestId")?;
    let account = o.create_account_requests.get(request).ok_or_else(|| {
        AwsError::new(
            "CreateAccountStatusNotFoundException",
            "We can't find a create account request with that ID.",
        )
    })?;
    let name = call
        .state
        .accounts
        .get(account)
        .map_or("", |a| a.name.as_str());
    Ok(json!({"CreateAccountStatus": {
        "Id": request, "AccountName": name, "State": "SUCCEEDED", "AccountId": account}}))
}

fn list_tags_for_resource(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    administered(call)?;
    let id = text(input, "ResourceId")?;
    let account = call.state.accounts.get(id).ok_or_else(|| {
        AwsError::new(
            "TargetNotFoundException",
            "You specified a target that doesn't exist.",
        )
    })?;
    Ok(json!({"Tags": tag_list(&account.tags, "Key", "Value")}))
}

fn list_aws_service_access(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let o = administered(call)?;
    let services = o.trusted_access.iter().map(|(service, since)| {
        (
            service.clone(),
            json!({"ServicePrincipal": service, "DateEnabled": since.epoch()}),
        )
    });
    page(input, "EnabledServicePrincipals", services)
}

fn enable_aws_service_access(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let principal = service_principal(input)?.to_owned();
    let now = call.now;
    let organization = managed(call)?;
    // Organizations User Guide, page "orgs_integrate_services": trusted access needs all features.
    if organization.feature_set != "ALL" {
        return refuse(
            "ConstraintViolationException",
            "You can't use this operation because your organization does not have all features enabled.",
        );
    }
    organization.trusted_access.entry(principal).or_insert(now);
    Ok(json!({}))
}

fn disable_aws_service_access(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let principal = service_principal(input)?.to_owned();
    let organization = managed(call)?;
    organization.trusted_access.remove(&principal);
    let management = organization.management_account.clone();
    if principal == CLOUDTRAIL {
        demote_trails(call.state, &management);
    }
    Ok(json!({}))
}

/// Organization trails become trails of the management account, for good: CloudTrail User Guide, page
/// "creating-trail-organization".
fn demote_trails(state: &mut State, management: &str) {
    let Some(account) = state.accounts.get_mut(management) else {
        return;
    };
    for trail in account
        .regions
        .values_mut()
        .flat_map(|r| r.trails.values_mut())
    {
        trail.organization = false;
    }
}

fn list_delegated_administrators(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let o = administered(call)?;
    let service = input["ServicePrincipal"].as_str();
    let admins = o
        .delegated_administrators
        .iter()
        .filter_map(|(id, services)| {
            let since = match service {
                Some(service) => services.get(service)?,
                None => services.values().min()?,
            };
            let joined = o.members.get(id).copied().unwrap_or_default();
            let mut value = describe(call.state, o, id, joined);
            value["DelegationEnabledDate"] = json!(since.epoch());
            Some((id.clone(), value))
        });
    page(input, "DelegatedAdministrators", admins)
}

fn list_delegated_services(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let o = administered(call)?;
    let services = o.delegated_administrators.get(text(input, "AccountId")?);
    let services = services
        .ok_or_else(not_registered)?
        .iter()
        .map(|(service, since)| {
            (
                service.clone(),
                json!({"ServicePrincipal": service, "DelegationEnabledDate": since.epoch()}),
            )
        });
    page(input, "DelegatedServices", services)
}

fn not_registered() -> AwsError {
    AwsError::new(
        "AccountNotRegisteredException",
        "The specified account is not a delegated administrator for this AWS service.",
    )
}

fn register_delegated_administrator(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let principal = service_principal(input)?.to_owned();
    let now = call.now;
    let organization = managed(call)?;
    let account = text(input, "AccountId")?;
    if account == organization.management_account {
        return refuse(
            "ConstraintViolationException",
            "You cannot register master account/yourself as delegated administrator for your organization.",
        );
    }
    if !organization.members.contains_key(account) {
        return Err(no_account());
    }
    if !organization.trusted_access.contains_key(&principal) {
        return refuse(
            "ConstraintViolationException",
            "You must enable trusted access for the service before you register a delegated administrator.",
        );
    }
    let admins = &mut organization.delegated_administrators;
    if admins
        .get(account)
        .is_some_and(|s| s.contains_key(&principal))
    {
        return refuse(
            "AccountAlreadyRegisteredException",
            "The provided account is already a delegated administrator for your organization.",
        );
    }
    let count = admins
        .values()
        .filter(|s| s.contains_key(&principal))
        .count();
    if principal == CLOUDTRAIL && count >= MAX_CLOUDTRAIL_ADMINISTRATORS {
        return refuse(
            "ConstraintViolationException",
            "You have exceeded the allowed number of delegated administrators for the service.",
        );
    }
    admins
        .entry(account.to_owned())
        .or_default()
        .insert(principal, now);
    Ok(json!({}))
}

fn deregister_delegated_administrator(call: &mut Call<'_>, input: &Value) -> Answer<Value> {
    let principal = service_principal(input)?.to_owned();
    let organization = managed(call)?;
    let account = text(input, "AccountId")?;
    let services = organization
        .delegated_administrators
        .get_mut(account)
        .ok_or_else(not_registered)?;
    services.remove(&principal).ok_or_else(not_registered)?;
    if services.is_empty() {
        organization.delegated_administrators.remove(account);
    }
    Ok(json!({}))
}
