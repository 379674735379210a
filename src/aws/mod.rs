//! The AWS accounts of a run: one verified session per account of the spec, and the clients made from them.

mod connect;
mod error;
mod retry;

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_s3::config::Region;

pub use connect::{Connector, Login, Role, connect, price_list};
pub use error::{AwsError, TIMEOUT, UNREACHABLE, at};
pub use retry::{RetryPolicy, until_consistent};

use crate::model::Place;

/// Credentials of one account, verified with GetCallerIdentity.
#[derive(Clone, Debug)]
pub struct Session {
    pub account_id: String,
    /// ARN of the caller, as GetCallerIdentity reports it.
    pub caller_arn: String,
    config: SdkConfig,
    path_style: bool,
}

/// Every account that a run may touch, by its name in the spec.
#[derive(Clone, Debug, Default)]
pub struct Aws {
    sessions: BTreeMap<String, Session>,
    pub retry: RetryPolicy,
}

impl Aws {
    pub fn session(&self, account: &str) -> Option<&Session> {
        self.sessions.get(account)
    }

    /// The configuration for one place; an account without a session has no credentials and every call says so.
    fn config(&self, place: &Place) -> SdkConfig {
        let builder = match self.sessions.get(&place.account) {
            Some(session) => session.config.to_builder(),
            None => SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()),
        };
        builder.region(Region::new(place.region.clone())).build()
    }

    pub fn athena(&self, place: &Place) -> aws_sdk_athena::Client {
        aws_sdk_athena::Client::new(&self.config(place))
    }

    pub fn cloudtrail(&self, place: &Place) -> aws_sdk_cloudtrail::Client {
        aws_sdk_cloudtrail::Client::new(&self.config(place))
    }

    /// The bill of an account, or of its organization where it is the management account's.
    pub fn cost_explorer(&self, place: &Place) -> aws_sdk_costexplorer::Client {
        aws_sdk_costexplorer::Client::new(&self.config(place))
    }

    pub fn iam(&self, place: &Place) -> aws_sdk_iam::Client {
        aws_sdk_iam::Client::new(&self.config(place))
    }

    pub fn kms(&self, place: &Place) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::new(&self.config(place))
    }

    pub fn organizations(&self, place: &Place) -> aws_sdk_organizations::Client {
        aws_sdk_organizations::Client::new(&self.config(place))
    }

    pub fn s3(&self, place: &Place) -> aws_sdk_s3::Client {
        let path_style = self
            .session(&place.account)
            .is_some_and(|session| session.path_style);
        let config = aws_sdk_s3::config::Builder::from(&self.config(place))
            .force_path_style(path_style)
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    pub fn sns(&self, place: &Place) -> aws_sdk_sns::Client {
        aws_sdk_sns::Client::new(&self.config(place))
    }
}
