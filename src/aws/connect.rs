//! Signing in to every account of a spec, side by side, and refusing the wrong ones.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::Region;
use aws_sdk_s3::config::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use futures_util::future::join_all;

use super::{Aws, AwsError, RetryPolicy, Session, at};
use crate::model::Place;

/// How to reach one account.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// Name of the account in the spec.
    pub account: String,
    /// Empty: whichever the credentials belong to.
    pub account_id: String,
    pub region: String,
    pub profile: Option<String>,
    pub role: Option<Role>,
}

#[derive(Clone, Debug)]
pub struct Role {
    pub arn: String,
    pub external_id: Option<String>,
    pub session_name: String,
}

/// What carries the requests: the network, or the sandbox in this process.
#[derive(Clone, Debug)]
pub enum Connector {
    Network,
    Sandbox(SharedHttpClient),
}

const WRONG_ACCOUNT: &str = "WrongAccount";

/// Signs in everywhere. Every account that fails is reported, not only the first.
pub async fn connect(logins: &[Login], connector: &Connector) -> Result<Aws, Vec<AwsError>> {
    let bases = load_bases(logins, connector).await;
    let sessions = join_all(logins.iter().map(|login| async {
        let base = &bases[&login.profile];
        (login.account.clone(), sign_in(login, base).await)
    }))
    .await;
    let mut aws = Aws {
        sessions: BTreeMap::new(),
        retry: match connector {
            Connector::Network => RetryPolicy::default(),
            // The sandbox is consistent at once: what it refuses, it refuses for good.
            Connector::Sandbox(_) => RetryPolicy {
                deadline: Duration::ZERO,
                first_delivery: Duration::ZERO,
                ..RetryPolicy::default()
            },
        },
    };
    let mut errors = Vec::new();
    for (account, session) in sessions {
        match session {
            Ok(session) => {
                aws.sessions.insert(account, session);
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(aws)
    } else {
        Err(errors)
    }
}

/// One shared configuration per profile, so that files and caches are read once.
async fn load_bases(
    logins: &[Login],
    connector: &Connector,
) -> BTreeMap<Option<String>, SdkConfig> {
    let mut bases = BTreeMap::new();
    for login in logins {
        if !bases.contains_key(&login.profile) {
            let base = load_base(login, connector).await;
            bases.insert(login.profile.clone(), base);
        }
    }
    bases
}

async fn load_base(login: &Login, connector: &Connector) -> SdkConfig {
    // Eight tries with growing, random delays outlast CloudTrail's rate of one write a second.
    let retry = RetryConfig::standard().with_max_attempts(8);
    let region = Region::new(login.region.clone());
    match connector {
        // Built by hand, so that nothing in the user's environment leads out of the sandbox.
        Connector::Sandbox(client) => SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region)
            .retry_config(retry)
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
            .time_source(aws_smithy_async::time::SystemTimeSource::new())
            .http_client(client.clone())
            .credentials_provider(sandbox_credentials())
            .build(),
        Connector::Network => {
            let timeouts = TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(5))
                .operation_attempt_timeout(Duration::from_secs(30))
                .operation_timeout(Duration::from_secs(120))
                .build();
            let mut loader = aws_config::defaults(BehaviorVersion::latest())
                .region(region)
                .retry_config(retry)
                .timeout_config(timeouts)
                .http_client(network());
            if let Some(profile) = &login.profile {
                // Not the SDK's chain, in which keys of the environment would win over the profile.
                let surroundings = ProviderConfig::without_region()
                    .with_region(Some(Region::new(login.region.clone())))
                    .with_http_client(network());
                let provider = ProfileFileCredentialsProvider::builder()
                    .configure(&surroundings)
                    .profile_name(profile)
                    .build();
                loader = loader.profile_name(profile).credentials_provider(provider);
            }
            loader.load().await
        }
    }
}

/// Regions that have an endpoint of the price list.
/// <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/price-list-query-api.html>
const PRICE_LIST_REGIONS: [&str; 3] = ["us-east-1", "eu-central-1", "ap-south-1"];

/// A client of AWS's price list, which belongs to no account, with the ambient credentials; and where it asks.
pub async fn price_list() -> (aws_sdk_pricing::Client, Place) {
    // Not the SDK's whole chain: its end asks the metadata of an instance, which elsewhere takes seconds to fail.
    let configured = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new());
    let configured = configured.region().await;
    let here = configured.as_ref().map(Region::as_ref);
    let region = here.filter(|region| PRICE_LIST_REGIONS.contains(region));
    let login = Login {
        account: "price list".to_owned(),
        region: region.unwrap_or(PRICE_LIST_REGIONS[0]).to_owned(),
        ..Login::default()
    };
    let config = load_base(&login, &Connector::Network).await;
    let place = Place {
        account: login.account,
        account_id: String::new(),
        region: login.region,
    };
    (aws_sdk_pricing::Client::new(&config), place)
}

fn network() -> SharedHttpClient {
    use aws_smithy_http_client::tls;
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https()
}

fn sandbox_credentials() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(aws_credential_types::Credentials::new(
        "sandbox", "sandbox", None, None, "sandbox",
    ))
}

async fn sign_in(login: &Login, base: &SdkConfig) -> Result<Session, AwsError> {
    let place = Place {
        account: login.account.clone(),
        account_id: login.account_id.clone(),
        region: login.region.clone(),
    };
    let config = base
        .to_builder()
        .region(Region::new(login.region.clone()))
        .build();
    // A wrong endpoint or a dead network should be known in seconds, not after six tries.
    let few_tries = RetryConfig::standard().with_max_attempts(2);
    let config = match &login.role {
        Some(role) => assume(role, login, &config).await,
        None => config,
    };
    let call = "sts:GetCallerIdentity";
    let sts = aws_sdk_sts::config::Builder::from(&config)
        .retry_config(few_tries)
        .build();
    let identity = aws_sdk_sts::Client::from_conf(sts)
        .get_caller_identity()
        .send()
        .await
        .map_err(at(&place, call))
        .map_err(|error| explain(error, login))?;
    let account = identity.account().unwrap_or_default();
    if !login.account_id.is_empty() && account != login.account_id {
        let message = format!(
            "these credentials belong to account {account}, the spec says {}",
            login.account_id
        );
        return Err(AwsError::new(call, &place, WRONG_ACCOUNT, message));
    }
    Ok(Session {
        account_id: account.to_owned(),
        caller_arn: identity.arn().unwrap_or_default().to_owned(),
        path_style: custom_endpoint(&config),
        config,
    })
}

/// Buckets of servers that imitate AWS have no host names of their own.
fn custom_endpoint(config: &SdkConfig) -> bool {
    config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some()
}

async fn assume(role: &Role, login: &Login, base: &SdkConfig) -> SdkConfig {
    let few_tries = RetryConfig::standard().with_max_attempts(2);
    let quick = base.to_builder().retry_config(few_tries).build();
    let mut provider = AssumeRoleProvider::builder(&role.arn)
        .configure(&quick)
        .session_name(&role.session_name)
        .region(Region::new(login.region.clone()));
    if let Some(external_id) = &role.external_id {
        provider = provider.external_id(external_id);
    }
    let provider = match base.credentials_provider() {
        Some(source) => provider.build_from_provider(source).await,
        None => provider.build().await,
    };
    base.to_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build()
}

/// Says which way to sign in failed; the SDK's own message names only the last provider of its chain.
fn explain(mut error: AwsError, login: &Login) -> AwsError {
    if error.code != super::error::NO_CREDENTIALS {
        return error;
    }
    let way = match (&login.role, &login.profile) {
        (Some(role), Some(profile)) => {
            format!("assuming role {} from profile {profile}", role.arn)
        }
        (Some(role), None) => format!("assuming role {} with the ambient credentials", role.arn),
        (None, Some(profile)) => format!("profile {profile}"),
        (None, None) => {
            "the ambient credentials (environment, default profile, container, instance)".to_owned()
        }
    };
    error.message = format!("{way} failed: {}", reason(&error.message));
    error
}

/// The SDK lists every source that it tried; where none had anything to offer, that is all there is to say.
fn reason(message: &str) -> &str {
    match message.contains("no credentials found in chain") {
        true => "no credentials were found",
        false => message,
    }
}
