//! Proofs about policies before any write: can CloudTrail deliver each trail, can each reader decrypt, does the owner
//! keep its key? Asked of the state after the plan, statements of others included.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::aws::{Aws, AwsError};
use crate::kinds::{kms_key, log_bucket, trail};
use crate::model::{Address, Resource};
use crate::plan::{Blocker, Proved};
use crate::policy::{self, Delivery, Holds, KeyUse, Policy, Proof, TopicUse};
use crate::spec::Spec;

/// AWS's limit for a bucket policy ("Bucket policy examples", S3 user guide).
const MAX_BUCKET_POLICY: usize = 20 * 1024;
/// AWS's limit for a key policy ("Resource quotas", KMS developer guide).
const MAX_KEY_POLICY: usize = 32 * 1024;

/// Everything that the questions are asked of.
pub struct Case<'a> {
    pub spec: &'a Spec,
    pub aws: &'a Aws,
    pub planned: &'a BTreeMap<Address, Resource>,
    pub topic_policies: &'a BTreeMap<String, Result<String, AwsError>>,
}

pub fn prove(case: &Case<'_>) -> Vec<Proved> {
    let mut proofs = Vec::new();
    for (name, trail) in &case.spec.trails {
        proofs.extend(case.deliveries(name, trail));
    }
    for (name, key) in &case.spec.keys {
        proofs.extend(case.key(name, key));
    }
    proofs
}

/// Policies that AWS would refuse for their size.
pub fn oversized(planned: &BTreeMap<Address, Resource>) -> Vec<Blocker> {
    planned
        .iter()
        .filter_map(|(address, resource)| {
            let limit = match address.kind.as_str() {
                "bucket" => MAX_BUCKET_POLICY,
                "key" => MAX_KEY_POLICY,
                _ => return None,
            };
            let size = resource.attrs.get("policy")?.to_string().len();
            (size > limit).then(|| Blocker {
                address: address.clone(),
                what: format!("its policy would have {size} bytes, AWS takes {limit}"),
                fix: Some("remove statements that nobody needs any more, or share them out over two resources".to_owned()),
            })
        })
        .collect()
}

impl Case<'_> {
    fn attrs<A: for<'de> Deserialize<'de>>(
        &self,
        kind: &str,
        name: &str,
    ) -> Option<(A, &Resource)> {
        let resource = self.planned.get(&Address::new(kind, name))?;
        Some((A::deserialize(&resource.attrs).ok()?, resource))
    }

    fn deliveries(&self, name: &str, trail: &crate::spec::types::Trail) -> Vec<Proved> {
        let Some((bucket, bucket_at)) = self.attrs::<log_bucket::Attrs>("bucket", &trail.bucket)
        else {
            return Vec::new();
        };
        let bucket_policy = Policy::from_json(bucket.policy.clone()).ok();
        let bucket_spec = &self.spec.buckets[&trail.bucket];
        let key_name = trail.key.as_ref().or(bucket_spec.key.as_ref());
        let key = key_name.and_then(|key| self.attrs::<kms_key::Attrs>("key", key));
        let key_policy = key
            .as_ref()
            .and_then(|(key, _)| Policy::from_json(key.policy.clone()).ok());
        let topic = self.topic_policy(trail);
        let grant = trail::grant(self.spec, name, trail);
        let files = written_files(trail);
        let delivery = Delivery {
            partition: crate::spec::partition(&bucket_at.place.region),
            trail_arn: &grant.arn,
            trail_account: &grant.account,
            organization_id: grant.organization_id.as_deref(),
            bucket: &bucket_at.id,
            bucket_account: &bucket_at.place.account_id,
            prefix: trail.prefix.as_deref(),
            bucket_policy: bucket_policy.as_ref(),
            key: key
                .as_ref()
                .zip(key_policy.as_ref())
                .map(|((_, at), policy)| KeyUse {
                    arn: at.outputs.get(kms_key::ARN).unwrap_or(&at.id),
                    account: &at.place.account_id,
                    policy,
                    bucket_key: bucket.encryption.bucket_key,
                    region: &at.place.region,
                    bucket_region: &bucket_at.place.region,
                }),
            topic: match (&trail.sns_topic, &topic) {
                (Some(arn), Some(Ok(policy))) => Some(TopicUse { arn, policy }),
                _ => None,
            },
            sse: match trail.key {
                Some(_) => policy::Sse::TrailKey,
                None => policy::Sse::BucketDefault,
            },
            files: &files,
        };
        let address = Address::new("trail", name);
        let proofs = policy::prove_delivery(&delivery).into_iter();
        let mut proofs: Vec<Proved> = proofs.map(|proof| proved(&address, proof)).collect();
        if let Some(Err(why)) = topic {
            proofs.push(unreadable_topic(address, trail.sns_topic.as_deref(), why));
        }
        proofs
    }

    /// None: no topic. An error: its policy is unknown.
    fn topic_policy(&self, trail: &crate::spec::types::Trail) -> Option<Result<Policy, String>> {
        let arn = trail.sns_topic.as_ref()?;
        let text = match self.topic_policies.get(arn)? {
            Ok(text) => text,
            Err(error) => return Some(Err(error.to_string())),
        };
        Some(Policy::parse(text).map_err(|error| error.to_string()))
    }

    fn key(&self, name: &str, key: &crate::spec::types::Key) -> Vec<Proved> {
        let Some((attrs, at)) = self.attrs::<kms_key::Attrs>("key", name) else {
            return Vec::new();
        };
        let Ok(policy) = Policy::from_json(attrs.policy) else {
            return Vec::new();
        };
        let address = Address::new("key", name);
        let arn = at.outputs.get(kms_key::ARN).unwrap_or(&at.id);
        let trails = self.spec.trails.iter();
        let trails: Vec<String> = trails
            .filter(|(_, trail)| trail.key.as_deref() == Some(name))
            .map(|(name, trail)| trail.arn(self.spec, name))
            .collect();
        let trails: Vec<&str> = trails.iter().map(String::as_str).collect();
        let mut proofs: Vec<Proved> = key
            .readers
            .iter()
            .map(|reader| policy::prove_reader(arn, &policy, reader, &trails))
            .map(|proof| proved(&address, proof))
            .collect();
        if let Some(session) = self.aws.session(&at.place.account) {
            let account = &at.place.account_id;
            let proof =
                policy::prove_owner_keeps_put_key_policy(&policy, &session.caller_arn, account);
            proofs.push(proved(&address, proof));
        }
        proofs
    }
}

fn written_files(trail: &crate::spec::types::Trail) -> Vec<policy::LogFiles> {
    use policy::LogFiles;
    let mut files = vec![LogFiles::Events];
    if trail.log_file_validation {
        files.push(LogFiles::Digests);
    }
    if !trail.insights.is_empty() {
        files.push(LogFiles::Insights);
    }
    if !trail.aggregation.is_empty() {
        files.push(LogFiles::Aggregated);
    }
    files
}

fn unreadable_topic(address: Address, arn: Option<&str>, why: String) -> Proved {
    Proved {
        address,
        question: format!("CloudTrail can notify {}", arn.unwrap_or_default()),
        holds: None,
        why,
        fix: Some("allow sns:GetTopicAttributes, or check the topic's ARN".to_owned()),
    }
}

fn proved(address: &Address, proof: Proof) -> Proved {
    Proved {
        address: address.clone(),
        question: proof.question,
        holds: match proof.holds {
            Holds::Yes => Some(true),
            Holds::No => Some(false),
            Holds::Unknown => None,
        },
        why: match proof.statement {
            Some(statement) if !proof.why.contains(&statement) => {
                format!("{statement}: {}", proof.why)
            }
            _ => proof.why,
        },
        fix: proof.fix,
    }
}
