//! Reading everything that a spec is about, side by side. What cannot be read becomes a gap, never an absence.

use std::collections::BTreeMap;

use futures_util::future::{join_all, join5};

use crate::aws::{Aws, AwsError, at};
use crate::kinds::{self, AnyKind, Reading};
use crate::model::{Address, Gap, Place, Resource, State};
use crate::other_trails::{self, OtherTrails};
use crate::plan::Wish;
use crate::spec::Spec;

/// The live state, and what the proofs need beside it.
pub struct Live {
    pub state: State,
    /// Policies of the topics that trails notify, by ARN. An error says why one could not be read.
    pub topic_policies: BTreeMap<String, Result<String, AwsError>>,
    /// Trails that count against the quota of an account and Region, other owners' and other Regions' included.
    /// Places where they could not be counted are left out: AWS will say so on apply.
    pub trails: BTreeMap<(String, String), usize>,
    /// ARNs of the trails of each account of the spec, by account id. Accounts that could not be listed are left out.
    pub listed: BTreeMap<String, Vec<String>>,
    /// Trails that the spec does not own, read where the spec has volumes to price their copies with.
    pub others: OtherTrails,
}

pub async fn read(aws: &Aws, spec: &Spec, wishes: &[Wish]) -> Live {
    let known = join_all(wishes.iter().map(|wish| read_one(aws, wish)));
    let orphans = join_all(
        kinds::ALL
            .iter()
            .map(|kind| orphans(aws, spec, *kind, wishes)),
    );
    let topics = join_all(topics(spec).into_iter().map(|(arn, place)| async move {
        let policy = topic_policy(aws, &place, &arn).await;
        (arn, policy)
    }));
    let trails = join_all(trail_places(spec).into_iter().map(|place| async move {
        let count = count_trails(aws, &place).await.ok()?;
        Some(((place.account, place.region), count))
    }));
    let others = others(aws, spec);
    let (known, orphans, topics, trails, (listed, others)) =
        join5(known, orphans, topics, trails, others).await;
    let mut state = State::default();
    for (wish, reading) in wishes.iter().zip(known) {
        match reading {
            Ok(Some(resource)) => {
                state.resources.insert(wish.address.clone(), resource);
            }
            Ok(None) => {}
            Err(error) => state.gaps.push(gap(wish.address.clone(), &error)),
        }
    }
    for (address, found) in orphans.into_iter().flatten() {
        match found {
            Ok(resource) => {
                state.resources.insert(address, resource);
            }
            Err(error) => state.gaps.push(gap(address, &error)),
        }
    }
    Live {
        state,
        topic_policies: topics.into_iter().collect(),
        trails: trails.into_iter().flatten().collect(),
        listed,
        others,
    }
}

async fn others(aws: &Aws, spec: &Spec) -> (BTreeMap<String, Vec<String>>, OtherTrails) {
    let listed = other_trails::list(aws, &account_places(spec)).await;
    let others = match spec.volumes.is_some() {
        true => other_trails::read(aws, spec, &listed).await,
        false => OtherTrails::default(),
    };
    (listed.by_account(), others)
}

async fn read_one(aws: &Aws, wish: &Wish) -> Reading {
    let Some(kind) = kinds::by_name(&wish.address.kind) else {
        return Ok(None);
    };
    kind.read(aws, &wish.resource.place, &wish.resource.id)
        .await
}

/// What carries the spec's tag but left the spec. It has no name there any more, so its name in AWS and its Region serve.
async fn orphans(
    aws: &Aws,
    spec: &Spec,
    kind: &dyn AnyKind,
    wishes: &[Wish],
) -> Vec<(Address, Result<Resource, AwsError>)> {
    let of_kind = wishes
        .iter()
        .filter(|wish| wish.address.kind == kind.name());
    let known: Vec<String> = of_kind.map(|wish| wish.resource.id.clone()).collect();
    let places = account_places(spec);
    let found = kind.orphans(aws, &places, spec, &known).await;
    found
        .into_iter()
        .map(|result| {
            let name = match &result {
                Ok(resource) => {
                    let name = resource.id.rsplit('/').next().unwrap_or(&resource.id);
                    format!("{name}@{}", resource.place.region)
                }
                Err(error) => format!("*@{}", error.place.account),
            };
            (Address::new(kind.name(), &name), result)
        })
        .collect()
}

/// Each account once, in its own Region.
fn account_places(spec: &Spec) -> Vec<Place> {
    let accounts = spec.accounts.keys();
    accounts.map(|account| spec.place(account, None)).collect()
}

fn topics(spec: &Spec) -> BTreeMap<String, Place> {
    let trails = spec.trails.values();
    trails
        .filter_map(|trail| {
            let place = spec.place(&trail.account, trail.region.as_deref());
            Some((trail.sns_topic.clone()?, place))
        })
        .collect()
}

fn trail_places(spec: &Spec) -> Vec<Place> {
    let trails = spec.trails.values();
    let mut places: Vec<Place> = trails
        .map(|trail| spec.place(&trail.account, trail.region.as_deref()))
        .collect();
    places.sort_by(|a, b| (&a.account, &a.region).cmp(&(&b.account, &b.region)));
    places.dedup();
    places
}

async fn count_trails(aws: &Aws, place: &Place) -> Result<usize, AwsError> {
    let answer = aws
        .cloudtrail(place)
        .describe_trails()
        .include_shadow_trails(true)
        .send()
        .await
        .map_err(at(place, "cloudtrail:DescribeTrails"))?;
    Ok(answer.trail_list().len())
}

async fn topic_policy(aws: &Aws, place: &Place, arn: &str) -> Result<String, AwsError> {
    let answer = aws
        .sns(place)
        .get_topic_attributes()
        .topic_arn(arn)
        .send()
        .await
        .map_err(at(place, "sns:GetTopicAttributes"))?;
    let attributes = answer.attributes();
    let policy = attributes.and_then(|attributes| attributes.get("Policy"));
    Ok(policy.cloned().unwrap_or_default())
}

fn gap(address: Address, error: &AwsError) -> Gap {
    Gap {
        address,
        place: (*error.place).clone(),
        call: error.call.clone(),
        error: match error.message.is_empty() {
            true => error.code.clone(),
            false => format!("{}: {}", error.code, error.message),
        },
        fix: error.fix(),
    }
}
