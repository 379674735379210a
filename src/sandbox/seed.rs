//! The worlds that a sandbox begins with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::identity::trust_account;
use super::organizations::add_member_roles;
use super::sns;
use super::state::{Account, Organization, Stamp, State, Topic};

const MANAGEMENT: &str = "111122223333";
const MEMBERS: [(&str, &str); 3] = [
    ("222233334444", "log-archive"),
    ("333344445555", "payments"),
    ("444455556666", "sandbox-dev"),
];
/// When the example organization was founded.
const FOUNDED: i64 = 1_704_067_200;

/// One account, no organization.
pub fn single_account() -> State {
    let mut state = State {
        default_account: MANAGEMENT.to_owned(),
        ..State::default()
    };
    state
        .accounts
        .insert(MANAGEMENT.to_owned(), account("management"));
    state
}

/// The example: an organization of four accounts that records nothing yet and trusts no service.
pub fn example() -> State {
    let mut state = single_account();
    let founded = Stamp(
        time::OffsetDateTime::from_unix_timestamp(FOUNDED)
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH),
    );
    let mut members = BTreeMap::from([(MANAGEMENT.to_owned(), founded)]);
    for (id, name) in MEMBERS {
        state.accounts.insert(id.to_owned(), account(name));
        add_member_roles(&mut state, id, MANAGEMENT, founded);
        add_orgtrail_roles(&mut state, id, founded);
        members.insert(id.to_owned(), founded);
    }
    state.organization = Some(Organization {
        id: "o-a1b2c3d4e5".to_owned(),
        root_id: "r-ex01".to_owned(),
        feature_set: "ALL".to_owned(),
        management_account: MANAGEMENT.to_owned(),
        members,
        ..Organization::default()
    });
    // The SIEM of the log archive, which example specs name as a reader of the key.
    add_role(&mut state, "222233334444", "siem", founded, None);
    let topic = Topic {
        attributes: sns::default_attributes("us-east-1", MANAGEMENT, "security-alerts"),
        tags: BTreeMap::new(),
    };
    state
        .region_mut(MANAGEMENT, "us-east-1")
        .topics
        .insert("security-alerts".to_owned(), topic);
    state
}

fn account(name: &str) -> Account {
    Account {
        name: name.to_owned(),
        email: format!("aws+{name}@example.com"),
        ..Account::default()
    }
}

/// The roles that orgtrail assumes: one that may do everything, one that may only look.
fn add_orgtrail_roles(state: &mut State, account: &str, at: Stamp) {
    let all = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let services = [
        "cloudtrail",
        "iam",
        "kms",
        "logs",
        "organizations",
        "s3",
        "sns",
    ];
    let verbs = ["Get*", "List*", "Describe*", "Lookup*"];
    let looks: Vec<String> = services
        .iter()
        .flat_map(|s| verbs.iter().map(move |v| format!("{s}:{v}")))
        .collect();
    let look = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": looks, "Resource": "*"}]});
    add_role(state, account, "OrgTrailApply", at, Some(all));
    add_role(state, account, "OrgTrailPlan", at, Some(look));
}

fn add_role(state: &mut State, account: &str, name: &str, at: Stamp, policy: Option<Value>) {
    let role = super::state::Role {
        id: state.fresh_iam_id("AROA"),
        path: "/".to_owned(),
        created: at,
        trust_policy: trust_account(MANAGEMENT),
        policies: policy
            .map(|p| ("access".to_owned(), p))
            .into_iter()
            .collect(),
        ..super::state::Role::default()
    };
    let account = state.accounts.entry(account.to_owned()).or_default();
    account.roles.insert(name.to_owned(), role);
}
