//! Trails that the spec does not own, read live: they decide whose copy of the management events is the free one.
//!
//! An account sees its own trails and the organization trails that record it. What cannot be read is said; trails of
//! accounts that the spec does not name cannot be seen at all.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use crate::aws::{Aws, AwsError};
use crate::cost::OtherTrail;
use crate::kinds::trail::{Recorder, list_trails, recorder};
use crate::model::{OWNER_TAG, Place};
use crate::spec::Spec;

/// Trails of others, and what could not be read of them.
#[derive(Clone, Debug, Default)]
pub struct OtherTrails {
    pub trails: Vec<OtherTrail>,
    /// In sentences.
    pub unread: Vec<String>,
}

/// The trails that each account sees.
pub struct Listed(Vec<(Place, Arns)>);

/// ARNs and home Regions.
type Arns = Result<Vec<(String, String)>, AwsError>;

/// Lists the trails of accounts, side by side.
pub async fn list(aws: &Aws, places: &[Place]) -> Listed {
    let lists = places.iter().map(|place| async move {
        let trails = list_trails(aws, place).await;
        (place.clone(), trails)
    });
    Listed(join_all(lists).await)
}

impl Listed {
    /// ARNs by account id. Accounts that could not be listed are left out.
    pub fn by_account(&self) -> BTreeMap<String, Vec<String>> {
        let listed = self.0.iter().filter_map(|(place, list)| {
            let arns = list.as_ref().ok()?.iter().map(|(arn, _)| arn.clone());
            Some((place.account_id.clone(), arns.collect()))
        });
        listed.collect()
    }

    /// Every trail once, with the account to ask: its owner, where the spec has it, or else one that sees it.
    fn places(&self) -> BTreeMap<&str, Place> {
        let mut places: BTreeMap<&str, Place> = BTreeMap::new();
        for (account, list) in &self.0 {
            for (arn, home_region) in list.iter().flatten() {
                let home = Place {
                    region: home_region.clone(),
                    ..account.clone()
                };
                let is_owner = owner(arn) == account.account_id;
                if is_owner || !places.contains_key(arn.as_str()) {
                    places.insert(arn, home);
                }
            }
        }
        places
    }
}

/// The account in the ARN of a trail.
fn owner(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

/// Lists and reads the trails of others in the accounts of a spec.
pub async fn read_all(aws: &Aws, spec: &Spec) -> OtherTrails {
    let places: Vec<Place> = spec
        .accounts
        .keys()
        .map(|account| spec.place(account, None))
        .collect();
    let listed = list(aws, &places).await;
    read(aws, spec, &listed).await
}

/// Reads the listed trails that the spec does not own, side by side.
pub async fn read(aws: &Aws, spec: &Spec, listed: &Listed) -> OtherTrails {
    let ours: BTreeSet<String> = spec
        .trails
        .iter()
        .map(|(name, trail)| trail.arn(spec, name))
        .collect();
    let mut places = listed.places();
    places.retain(|arn, _| !ours.contains(*arn));
    let found = join_all(
        places
            .iter()
            .map(|(arn, place)| async move { (*arn, recorder(aws, place, arn).await) }),
    )
    .await;
    let mut others = OtherTrails::default();
    for (place, list) in &listed.0 {
        if let Err(error) = list {
            others.unread.push(format!(
                "The trails of {} {} could not be listed, so copies that they make are not counted: {error}",
                place.account, place.account_id
            ));
        }
    }
    for (arn, recorder) in found {
        match recorder {
            // A trail that left the spec is deleted by the next apply.
            Ok(Some(recorder)) if recorder.tags.get(OWNER_TAG) == Some(&spec.name) => {}
            Ok(Some(recorder)) => others.trails.push(other(recorder)),
            Ok(None) => {}
            Err(error) => others.unread.push(format!(
                "The trail {arn} could not be read, so copies that it makes are not counted: {error}"
            )),
        }
    }
    others
}

fn other(recorder: Recorder) -> OtherTrail {
    let name = recorder.arn.rsplit('/').next().unwrap_or(&recorder.arn);
    OtherTrail {
        name: name.to_owned(),
        account_id: owner(&recorder.arn).to_owned(),
        region: recorder.home_region,
        organization: recorder.organization,
        multi_region: recorder.multi_region,
        logging: recorder.logging,
        owner: recorder
            .tags
            .get(OWNER_TAG)
            .map(|spec| format!("the spec `{spec}`")),
        selectors: Some(recorder.selectors),
    }
}

impl OtherTrails {
    /// Those that record: `legacy of 111122223333 in us-east-1`.
    pub fn recording(&self) -> Vec<String> {
        let recording = self.trails.iter().filter(|trail| trail.logging);
        recording
            .map(|trail| format!("{} of {} in {}", trail.name, trail.account_id, trail.region))
            .collect()
    }

    /// What was read and where.
    pub fn summary(&self, spec: &Spec) -> String {
        let accounts: Vec<&str> = spec.accounts.keys().map(String::as_str).collect();
        let accounts = accounts.join(", ");
        let found = match self.recording().as_slice() {
            [] => "no trail of others records".to_owned(),
            trails => format!("others record with {}", trails.join(", ")),
        };
        format!(
            "In the accounts of the spec ({accounts}) {found}. Trails of other accounts cannot be seen from there."
        )
    }
}
