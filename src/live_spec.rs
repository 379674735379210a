//! The spec that would describe what is live, for the cost of a change: the spec itself, with what the accounts hold now.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::kinds::{log_bucket, trail};
use crate::model::{Address, State};
use crate::selectors::Selectors;
use crate::spec::Spec;
use crate::spec::types::{Bucket, Selector, Trail};

/// Resources that are not there are left out; trails that left the spec but still record are added.
pub fn live_spec(spec: &Spec, live: &State) -> Spec {
    let mut old = spec.clone();
    let exists = |kind: &str, name: &str| live.resources.contains_key(&Address::new(kind, name));
    old.keys.retain(|name, _| exists("key", name));
    let keys: Vec<String> = old.keys.keys().cloned().collect();
    old.buckets.retain(|name, _| exists("bucket", name));
    for (name, bucket) in &mut old.buckets {
        if let Some(attrs) = attrs::<log_bucket::Attrs>(live, "bucket", name) {
            set_bucket(bucket, &attrs, &keys);
        }
    }
    let names: BTreeMap<String, String> = old
        .buckets
        .iter()
        .map(|(name, bucket)| (bucket.name.clone(), name.clone()))
        .collect();
    old.trails = trails(spec, live, &names, &keys);
    old
}

fn attrs<A: for<'de> Deserialize<'de>>(live: &State, kind: &str, name: &str) -> Option<A> {
    let resource = live.resources.get(&Address::new(kind, name))?;
    A::deserialize(&resource.attrs).ok()
}

fn set_bucket(bucket: &mut Bucket, attrs: &log_bucket::Attrs, keys: &[String]) {
    bucket.lifecycle = crate::kinds::lifecycle_rules(&attrs.lifecycle);
    bucket.versioning = attrs.versioning == "Enabled";
    bucket.bucket_key = attrs.encryption.bucket_key;
    bucket.key = bucket
        .key
        .take()
        .filter(|key| keys.contains(key) && attrs.encryption.kms_key.is_some());
    if attrs.object_lock.is_none() {
        bucket.object_lock = None;
    }
}

fn trails(
    spec: &Spec,
    live: &State,
    buckets: &BTreeMap<String, String>,
    keys: &[String],
) -> BTreeMap<String, Trail> {
    let of_kind = live
        .resources
        .iter()
        .filter(|(address, _)| address.kind == "trail");
    of_kind
        .filter_map(|(address, resource)| {
            let attrs = trail::Attrs::deserialize(&resource.attrs).ok()?;
            // A trail that left the spec is written down after the pattern of any that is still in it.
            let pattern = spec
                .trails
                .get(&address.name)
                .or(spec.trails.values().next())?;
            let mut trail = pattern.clone();
            trail.name = resource.id.rsplit('/').next().map(str::to_owned);
            trail.region = Some(resource.place.region.clone());
            trail.bucket = buckets.get(&attrs.bucket)?.clone();
            set_trail(&mut trail, attrs, keys);
            Some((address.name.clone(), trail))
        })
        .collect()
}

fn set_trail(trail: &mut Trail, attrs: trail::Attrs, keys: &[String]) {
    trail.logging = attrs.logging;
    trail.organization = attrs.organization;
    trail.multi_region = attrs.multi_region;
    trail.include_global_service_events = attrs.include_global_service_events;
    trail.log_file_validation = attrs.log_file_validation;
    trail.recursive_logging = attrs.recursive_logging;
    trail.insights = attrs.insights;
    trail.aggregation = attrs.aggregation.unwrap_or_default();
    trail.key = trail
        .key
        .take()
        .filter(|key| keys.contains(key) && attrs.kms_key.is_some());
    trail.sns_topic = Some(attrs.sns_topic).filter(|topic| !topic.is_empty());
    if attrs.cloud_watch_logs_group.is_empty() {
        trail.cloud_watch_logs = None;
    }
    (trail.selectors, trail.basic_selectors) = match attrs.selectors {
        Selectors::Basic(basic) => (None, Some(basic)),
        Selectors::Advanced(advanced) => {
            let selectors = advanced.into_iter().map(|selector| Selector {
                api_name: selector.name,
                field_selectors: Some(selector.field_selectors),
                ..Selector::default()
            });
            (Some(selectors.collect()), None)
        }
    };
}
