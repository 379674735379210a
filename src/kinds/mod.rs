//! The kinds of resources that orgtrail keeps, one file each: how the spec derives it, what of it others may own, what a
//! change risks, and how to read, put and delete it. A new kind is its file, one line in [`ALL`] and its scenario test.

mod grants;
pub mod kms_key;
pub mod log_bucket;
mod log_bucket_lifecycle;
mod log_bucket_write;
pub mod organization;
pub mod trail;
mod trail_sdk;
mod trail_write;

use std::collections::BTreeMap;
use std::marker::PhantomData;

use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::{Aws, AwsError};
use crate::model::{Address, OWNER_TAG, Place, Resource, RiskNote};
use crate::spec::Spec;
use crate::spec::types::Tags;

pub use grants::Pending;
pub use log_bucket_lifecycle::to_rules as lifecycle_rules;

/// Every kind, in the order in which resources that nothing else orders are created.
pub const ALL: &[&dyn AnyKind] = &[
    &Erased::<organization::OrganizationAccess>(PhantomData),
    &Erased::<kms_key::KmsKey>(PhantomData),
    &Erased::<log_bucket::LogBucket>(PhantomData),
    &Erased::<trail::Trail>(PhantomData),
];

/// A resource as the spec wants it.
pub struct Wanted<A> {
    pub name: String,
    pub place: Place,
    /// Name in AWS.
    pub id: String,
    pub attrs: A,
    pub after: Vec<Address>,
}

/// A resource as AWS reports it.
pub struct Found<A> {
    pub id: String,
    pub attrs: A,
    pub outputs: Outputs,
}

/// Values that only AWS can give, such as the ARN of a key.
pub type Outputs = BTreeMap<String, String>;

/// What the author of one kind writes. Everything above the line is pure.
#[allow(
    async_fn_in_trait,
    reason = "the program runs on one thread; no caller needs Send futures"
)]
pub trait Kind {
    const NAME: &'static str;
    type Attrs: Serialize + DeserializeOwned;

    fn desired(spec: &Spec) -> Vec<Wanted<Self::Attrs>>;
    /// Takes over what the spec leaves to others or does not say, and the live spelling of what means the same. After
    /// this, equality decides what changes.
    fn adopt(desired: &mut Self::Attrs, live: &Self::Attrs, pending: &Pending);
    /// Why a field of an existing resource cannot be changed, if it cannot.
    fn fixed(field: &str) -> Option<&'static str> {
        let _ = field;
        None
    }
    fn risks(before: Option<&Self::Attrs>, after: Option<&Self::Attrs>) -> Vec<RiskNote>;

    // Below: the half that calls AWS.

    async fn read(
        aws: &Aws,
        place: &Place,
        id: &str,
    ) -> Result<Option<Found<Self::Attrs>>, AwsError>;
    /// Resources that carry the owner tag of `spec` but are not among `known` ids.
    async fn orphans(
        aws: &Aws,
        places: &[Place],
        spec: &Spec,
        known: &[String],
    ) -> Vec<Result<(Place, Found<Self::Attrs>), AwsError>> {
        let _ = (aws, places, spec, known);
        Vec::new()
    }
    /// Creates (`before` is none) or updates. May run again after a failure at any point.
    async fn put(
        aws: &Aws,
        target: &Target<'_>,
        before: Option<&Self::Attrs>,
        after: &Self::Attrs,
    ) -> Result<Outputs, AwsError>;
    async fn delete(aws: &Aws, target: &Target<'_>) -> Result<(), AwsError>;
    /// Does a new resource do its work, so that the one it replaces may go?
    async fn works(aws: &Aws, target: &Target<'_>) -> Result<bool, AwsError> {
        let _ = (aws, target);
        Ok(true)
    }
}

/// What a write is about.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub place: &'a Place,
    pub id: &'a str,
    /// Outputs of the live resource.
    pub outputs: &'a Outputs,
}

/// A resource read from AWS, or the reason why it could not be read.
pub type Reading = Result<Option<Resource>, AwsError>;

/// [`Kind`] without its attribute type, so that plan and apply are written once.
pub trait AnyKind: Sync {
    fn name(&self) -> &'static str;
    fn desired(&self, spec: &Spec) -> Vec<(Address, Resource)>;
    fn adopt(&self, desired: &mut Value, live: &Value, pending: &Pending);
    fn fixed(&self, field: &str) -> Option<&'static str>;
    fn risks(&self, before: Option<&Value>, after: Option<&Value>) -> Vec<RiskNote>;
    fn read<'a>(
        &'a self,
        aws: &'a Aws,
        place: &'a Place,
        id: &'a str,
    ) -> LocalBoxFuture<'a, Reading>;
    fn orphans<'a>(
        &'a self,
        aws: &'a Aws,
        places: &'a [Place],
        spec: &'a Spec,
        known: &'a [String],
    ) -> LocalBoxFuture<'a, Vec<Result<Resource, AwsError>>>;
    fn put<'a>(
        &'a self,
        aws: &'a Aws,
        target: Target<'a>,
        before: Option<&'a Value>,
        after: &'a Value,
    ) -> LocalBoxFuture<'a, Result<Outputs, AwsError>>;
    fn delete<'a>(
        &'a self,
        aws: &'a Aws,
        target: Target<'a>,
    ) -> LocalBoxFuture<'a, Result<(), AwsError>>;
    fn works<'a>(
        &'a self,
        aws: &'a Aws,
        target: Target<'a>,
    ) -> LocalBoxFuture<'a, Result<bool, AwsError>>;
}

pub fn by_name(name: &str) -> Option<&'static dyn AnyKind> {
    ALL.iter().copied().find(|kind| kind.name() == name)
}

struct Erased<K>(PhantomData<K>);

impl<K: Kind + Sync> AnyKind for Erased<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn desired(&self, spec: &Spec) -> Vec<(Address, Resource)> {
        let wanted = K::desired(spec).into_iter();
        wanted
            .map(|wanted| {
                let resource = Resource {
                    place: wanted.place,
                    id: wanted.id,
                    attrs: to_value(&wanted.attrs),
                    after: wanted.after,
                    outputs: Outputs::new(),
                };
                (Address::new(K::NAME, &wanted.name), resource)
            })
            .collect()
    }

    fn adopt(&self, desired: &mut Value, live: &Value, pending: &Pending) {
        if let (Ok(mut wanted), Ok(live)) = (decode::<K>(desired), decode::<K>(live)) {
            K::adopt(&mut wanted, &live, pending);
            *desired = to_value(&wanted);
        }
    }

    fn fixed(&self, field: &str) -> Option<&'static str> {
        K::fixed(field)
    }

    fn risks(&self, before: Option<&Value>, after: Option<&Value>) -> Vec<RiskNote> {
        let before = before.and_then(|value| decode::<K>(value).ok());
        let after = after.and_then(|value| decode::<K>(value).ok());
        K::risks(before.as_ref(), after.as_ref())
    }

    fn read<'a>(
        &'a self,
        aws: &'a Aws,
        place: &'a Place,
        id: &'a str,
    ) -> LocalBoxFuture<'a, Reading> {
        Box::pin(async move {
            let found = K::read(aws, place, id).await?;
            Ok(found.map(|found| erase(found, place.clone())))
        })
    }

    fn orphans<'a>(
        &'a self,
        aws: &'a Aws,
        places: &'a [Place],
        spec: &'a Spec,
        known: &'a [String],
    ) -> LocalBoxFuture<'a, Vec<Result<Resource, AwsError>>> {
        Box::pin(async move {
            let found = K::orphans(aws, places, spec, known).await;
            found
                .into_iter()
                .map(|result| result.map(|(place, found)| erase(found, place)))
                .collect()
        })
    }

    fn put<'a>(
        &'a self,
        aws: &'a Aws,
        target: Target<'a>,
        before: Option<&'a Value>,
        after: &'a Value,
    ) -> LocalBoxFuture<'a, Result<Outputs, AwsError>> {
        Box::pin(async move {
            let unreadable = |error: serde_json::Error| {
                let message = format!("the plan's attributes do not fit this version: {error}");
                AwsError::new("plan", target.place, "InvalidPlan", message)
            };
            let before = before.map(decode::<K>).transpose().map_err(unreadable)?;
            let after = decode::<K>(after).map_err(unreadable)?;
            K::put(aws, &target, before.as_ref(), &after).await
        })
    }

    fn delete<'a>(
        &'a self,
        aws: &'a Aws,
        target: Target<'a>,
    ) -> LocalBoxFuture<'a, Result<(), AwsError>> {
        Box::pin(async move { K::delete(aws, &target).await })
    }

    fn works<'a>(
        &'a self,
        aws: &'a Aws,
        target: Target<'a>,
    ) -> LocalBoxFuture<'a, Result<bool, AwsError>> {
        Box::pin(async move { K::works(aws, &target).await })
    }
}

fn decode<K: Kind>(value: &Value) -> Result<K::Attrs, serde_json::Error> {
    K::Attrs::deserialize(value)
}

fn erase<A: Serialize>(found: Found<A>, place: Place) -> Resource {
    Resource {
        place,
        id: found.id,
        attrs: to_value(&found.attrs),
        after: Vec::new(),
        outputs: found.outputs,
    }
}

/// Attributes are plain structs with string keys: serialising them cannot fail.
fn to_value(attrs: &impl Serialize) -> Value {
    serde_json::to_value(attrs).unwrap_or(Value::Null)
}

/// The tags of a resource: its own over the spec's, and the owner tag.
fn owned_tags(spec: &Spec, own: &Tags) -> Tags {
    let mut tags = spec.tags.clone();
    tags.extend(own.clone());
    tags.insert(OWNER_TAG.to_owned(), spec.name.clone());
    tags
}

/// Tags that others set stay.
fn keep_foreign_tags(desired: &mut Tags, live: &Tags) {
    for (key, value) in live {
        desired.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// Tags to set and keys to remove on the way from `before` to `after`.
fn tag_changes(before: &Tags, after: &Tags) -> (Tags, Vec<String>) {
    let set = after
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let removed = before.keys().filter(|key| !after.contains_key(*key));
    (set, removed.cloned().collect())
}

/// The policy that the spec asks for, before foreign statements are added.
fn own_policy(statements: Vec<crate::policy::Statement>) -> Value {
    crate::policy::merge(None, &statements).to_value()
}

/// A live policy as a JSON document; one that is not JSON cannot be merged with and is a failed read.
fn parse_policy(text: &str, call: &str, place: &Place) -> Result<Value, AwsError> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!("the policy that AWS returned is not JSON: {error}");
        AwsError::new(call, place, "MalformedPolicyDocument", message)
    })
}

/// Adds the statements of others to ours; keeps the live document where nothing of its meaning changes.
///
/// On a resource without our tag somebody wrote the statements by hand, also those whose Sid looks like ours.
fn merge_policy(desired: &mut Value, live: &Value, tagged: bool, pending: &Pending) {
    use crate::policy::{Policy, merge, same_meaning};
    let (Ok(ours), Ok(theirs)) = (
        Policy::from_json(desired.clone()),
        Policy::from_json(live.clone()),
    ) else {
        return;
    };
    let mut ours = ours.statements;
    grants::keep_pending(&mut ours, &theirs, pending);
    let mut merged = merge(Some(&theirs), &ours);
    if !tagged {
        let by_hand = theirs
            .statements
            .iter()
            .filter(|statement| statement.is_own());
        let by_hand = by_hand.filter(|old| ours.iter().all(|new| new.sid() != old.sid()));
        merged.statements.extend(by_hand.cloned());
    }
    *desired = if same_meaning(&merged, &theirs) {
        live.clone()
    } else {
        merged.to_value()
    };
}

/// A Deny that is dropped, or says something else now, loosens a policy.
fn policy_risks(before: &Value, after: &Value) -> Vec<RiskNote> {
    use crate::model::Risk;
    use crate::policy::{Effect, Policy, same_statement};
    let (Ok(before), Ok(after)) = (
        Policy::from_json(before.clone()),
        Policy::from_json(after.clone()),
    ) else {
        return Vec::new();
    };
    let denies = before.statements.iter().enumerate();
    let denies = denies.filter(|(_, statement)| statement.effect() == Effect::Deny);
    denies
        .filter(|(_, deny)| {
            !after
                .statements
                .iter()
                .any(|kept| same_statement(kept, deny))
        })
        .map(|(position, deny)| {
            let name = deny
                .sid()
                .map_or_else(|| format!("#{}", position + 1), str::to_owned);
            let why = format!("the Deny statement {name} is dropped or changed");
            RiskNote::new(Risk::WeakensPolicy, why)
        })
        .collect()
}
