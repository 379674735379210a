use std::collections::BTreeSet;

use super::Globals;
use super::session::Session;
use crate::error::{Error, Outcome};
use crate::kinds::trail;
use crate::policy::{self, Guardrail, IamGrant, IamPolicy, Policy, Protected, TopicGrant};
use crate::spec::Spec;
use crate::world::World;

/// Print the policies that orgtrail writes or needs
///
/// Filled in for this spec, to be given to whoever makes the roles, topics and guardrails.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_enum, value_name = "POLICY")]
    policy: Which,
    /// Roles that the guardrail leaves free to act; repeatable
    #[arg(long, value_name = "ROLE", default_value = "OrgTrailApply")]
    exempt_role: Vec<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Which {
    /// IAM policy of the role that plans, in the management account
    PlanManagement,
    /// IAM policy of the role that plans, in the account of the log buckets
    PlanLogArchive,
    /// IAM policy of the role that applies, in the management account
    ApplyManagement,
    /// IAM policy of the role that applies, in the account of the log buckets
    ApplyLogArchive,
    /// IAM policy of the role that counts log files, in the account of the log buckets
    CountLogs,
    /// IAM policy of the role that reads the bill and the price list, in the management account
    ReadBill,
    /// Resource policy of the SNS topics that trails notify
    Topic,
    /// Service control policy against tampering
    Scp,
}

pub fn run(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    let session = Session::load(globals, world)?;
    let spec = &session.spec;
    let iam = |kind| iam_policy(kind, spec);
    let text = match args.policy {
        Which::PlanManagement => iam(IamPolicy::PlanManagement),
        Which::PlanLogArchive => iam(IamPolicy::PlanLogArchive),
        Which::ApplyManagement => iam(IamPolicy::ApplyManagement),
        Which::ApplyLogArchive => iam(IamPolicy::ApplyLogArchive),
        Which::CountLogs => iam(IamPolicy::CountLogs),
        Which::ReadBill => iam(IamPolicy::ReadBill),
        Which::Topic => topics(spec)?,
        Which::Scp => pretty(&scp(spec, &args.exempt_role)?),
    };
    world.print(&format!("{}\n", text.trim_end()))?;
    Ok(Outcome::Done)
}

fn pretty(policy: &Policy) -> String {
    format!("{:#}", policy.to_value())
}

/// Keys are created by their alias, so any key of the account may be the one.
fn any_key(partition: &str, account: &str) -> String {
    format!("arn:{partition}:kms:*:{account}:key/*")
}

/// Keys of the accounts whose keys encrypt log files.
fn keys_of_logs(spec: &Spec, partition: &str) -> Vec<String> {
    let keys = spec.trails.values().flat_map(|trail| {
        let bucket = spec.buckets.get(&trail.bucket);
        [
            trail.key.as_ref(),
            bucket.and_then(|bucket| bucket.key.as_ref()),
        ]
    });
    let owners = keys.flatten().filter_map(|name| spec.keys.get(name));
    let owners: BTreeSet<&str> = owners.map(|key| spec.account_id(&key.account)).collect();
    owners
        .into_iter()
        .map(|id| any_key(partition, id))
        .collect()
}

fn iam_policy(kind: IamPolicy, spec: &Spec) -> String {
    let in_archive = matches!(
        kind,
        IamPolicy::PlanLogArchive | IamPolicy::ApplyLogArchive | IamPolicy::CountLogs
    );
    let account = match in_archive {
        true => spec
            .buckets
            .values()
            .next()
            .map(|bucket| bucket.account.as_str()),
        false => spec.management_account(),
    };
    let place = spec.place(account.unwrap_or_default(), None);
    let partition = crate::spec::partition(&place.region);
    let trails: Vec<String> = spec
        .trails
        .iter()
        .map(|(name, trail)| trail.arn(spec, name))
        .collect();
    // The others have no log files.
    let has_logs = |name: &String| spec.trails.values().any(|trail| trail.bucket == *name);
    let buckets = spec.buckets.iter();
    let buckets: Vec<String> = buckets
        .filter(|(name, _)| kind != IamPolicy::CountLogs || has_logs(name))
        .map(|(_, bucket)| bucket.name.clone())
        .collect();
    let roles = spec.accounts.values().filter_map(|account| {
        let role = match account.assume_role.as_ref()? {
            crate::spec::types::AssumeRole::Role(role) => role,
            crate::spec::types::AssumeRole::Options(options) => &options.role,
        };
        Some(match role.starts_with("arn:") {
            true => role.clone(),
            false => format!("arn:{partition}:iam::{}:role/{role}", account.id),
        })
    });
    let logs = spec
        .trails
        .values()
        .filter_map(|trail| trail.cloud_watch_logs.as_ref());
    let keys = match kind {
        IamPolicy::CountLogs => keys_of_logs(spec, partition),
        _ => vec![any_key(partition, &place.account_id)],
    };
    policy::iam_policy(
        kind,
        &IamGrant {
            partition,
            account: &place.account_id,
            trails: &trails,
            buckets: &buckets,
            keys: &keys,
            assume_roles: &roles.collect::<Vec<_>>(),
            logs_roles: &logs.map(|logs| logs.role_arn.clone()).collect::<Vec<_>>(),
        },
    )
}

fn topics(spec: &Spec) -> Result<String, Error> {
    let mut texts = Vec::new();
    for (name, trail) in &spec.trails {
        if let Some(arn) = &trail.sns_topic {
            let trails = [trail::grant(spec, name, trail)];
            let statements = policy::topic_statements(&TopicGrant {
                arn,
                trails: &trails,
            });
            texts.push(pretty(&Policy::new(statements)));
        }
    }
    match texts.is_empty() {
        true => Err(Error::failed("no trail of the spec has an sns_topic")),
        false => Ok(texts.join("\n")),
    }
}

fn scp(spec: &Spec, exempt_roles: &[String]) -> Result<Policy, Error> {
    let place = spec.place(spec.management_account().unwrap_or_default(), None);
    let partition = crate::spec::partition(&place.region);
    let trails: Vec<String> = spec
        .trails
        .iter()
        .map(|(name, trail)| trail.aws_name(name).to_owned())
        .collect();
    let buckets: Vec<String> = spec
        .buckets
        .values()
        .map(|bucket| bucket.name.clone())
        .collect();
    let keys = spec.keys.values().map(|key| {
        let account = spec.account_id(&key.account);
        any_key(partition, account)
    });
    let keys: Vec<String> = keys.collect();
    policy::scp(&Guardrail {
        partition,
        protect: &[
            Protected::Trails,
            Protected::Buckets,
            Protected::Keys,
            Protected::Roles,
            Protected::Organization,
        ],
        exempt_roles,
        trails: &trails,
        buckets: &buckets,
        keys: &keys,
    })
    .map_err(Error::failed)
}
