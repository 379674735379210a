//! The trails of the spec and of others, as far as cost goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::recorded::Prepared;
use crate::selectors::Selectors;
use crate::spec::Spec;

/// A trail that the spec does not own: an account's own, Control Tower's, a vendor's.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OtherTrail {
    pub name: String,
    /// Id of the account that owns it.
    pub account_id: String,
    /// Home Region.
    pub region: String,
    #[serde(default)]
    pub organization: bool,
    #[serde(default)]
    pub multi_region: bool,
    /// Is it recording?
    #[serde(default = "yes")]
    pub logging: bool,
    /// Who set it up, e.g. `Control Tower`.
    #[serde(default)]
    pub owner: Option<String>,
    /// `EventSelectors` or `AdvancedEventSelectors`, as the API returns them. Default: all management events.
    #[serde(default)]
    pub selectors: Option<Selectors>,
}

fn yes() -> bool {
    true
}

/// A recording trail, ready to be asked what it records.
#[derive(Clone, Debug)]
pub struct TrailView {
    /// `trail.org` for one of the spec, the name in AWS for another.
    pub address: String,
    /// Name in the spec; `None` for a trail of others.
    pub name: Option<String>,
    pub account_id: String,
    pub region: String,
    pub organization: bool,
    pub multi_region: bool,
    pub(super) prepared: Prepared,
}

impl TrailView {
    pub fn covers(&self, account_id: &str, region: &str) -> bool {
        (self.organization || self.account_id == account_id)
            && (self.multi_region || self.region == region)
    }

    /// May both record the same events?
    pub fn overlaps(&self, other: &Self) -> bool {
        let accounts =
            self.organization || other.organization || self.account_id == other.account_id;
        let regions = self.multi_region || other.multi_region || self.region == other.region;
        accounts && regions
    }

    pub fn is_ours(&self) -> bool {
        self.name.is_some()
    }

    /// Which trail's copy of a management event is the free one: the organization trail's, as its copy is the first in
    /// every member account, and among its like the one that was there before the spec.
    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-trail-manage-costs.html>
    fn rank(&self) -> (bool, bool, bool, String) {
        let ours = self.is_ours();
        (
            !self.organization,
            ours,
            !self.multi_region,
            self.address.clone(),
        )
    }
}

/// Every recording trail, that of the free copy first.
pub fn views(spec: &Spec, others: &[OtherTrail]) -> Vec<TrailView> {
    let ours = spec.trails.iter().filter(|(_, trail)| trail.logging);
    let ours = ours.map(|(name, trail)| TrailView {
        address: format!("trail.{name}"),
        name: Some(name.clone()),
        account_id: spec.account_id(trail.owner(spec)).to_owned(),
        region: spec.region_of_trail(name).unwrap_or_default().to_owned(),
        organization: trail.organization,
        multi_region: trail.multi_region,
        prepared: Prepared::new(&trail.selectors()),
    });
    let others = others.iter().filter(|trail| trail.logging);
    let others = others.map(|trail| TrailView {
        address: trail.name.clone(),
        name: None,
        account_id: trail.account_id.clone(),
        region: trail.region.clone(),
        organization: trail.organization,
        multi_region: trail.multi_region,
        prepared: Prepared::new(&trail.selectors.clone().unwrap_or_default()),
    });
    let mut all: Vec<TrailView> = ours.chain(others).collect();
    all.sort_by_cached_key(TrailView::rank);
    all
}
