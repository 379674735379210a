//! What a spec says once its defaults are filled in.

use std::collections::BTreeSet;

use crate::model::Place;
use crate::selectors::{AdvancedEventSelector, FieldSelector, Operator, Selectors};

use super::types::{self, Condition, Management, Name, Selector, Spec, Trail};

/// Region of accounts where nothing in the spec says one.
pub const DEFAULT_REGION: &str = "us-east-1";

/// Where the partition of a Region records the events of services that have no Region.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-concepts.html#cloudtrail-concepts-global-service-events>
pub fn global_region(region: &str) -> &'static str {
    match partition(region) {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    }
}

/// The AWS partition that a Region belongs to.
/// <https://docs.aws.amazon.com/general/latest/gr/rande.html>
pub fn partition(region: &str) -> &'static str {
    const BY_PREFIX: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ];
    let known = BY_PREFIX
        .iter()
        .find(|(prefix, _)| region.starts_with(prefix));
    known.map_or("aws", |(_, partition)| partition)
}

impl Spec {
    /// Id of an account; empty for a name that the spec does not have.
    pub fn account_id(&self, name: &str) -> &str {
        self.accounts.get(name).map_or("", |account| &account.id)
    }

    /// Where a resource of an account lives: in its own Region, or in that of the account.
    pub fn place(&self, account: &str, region: Option<&str>) -> Place {
        Place {
            account: account.to_owned(),
            account_id: self.account_id(account).to_owned(),
            region: region
                .unwrap_or_else(|| self.region_of_account(account))
                .to_owned(),
        }
    }

    /// An account without a Region shares the one that the other accounts agree on.
    pub fn region_of_account(&self, name: &str) -> &str {
        let own = self
            .accounts
            .get(name)
            .and_then(|account| account.region.as_deref());
        own.unwrap_or_else(|| {
            let regions = self.account_regions();
            match regions.first() {
                Some(region) if regions.len() == 1 => region,
                _ => DEFAULT_REGION,
            }
        })
    }

    pub(super) fn account_regions(&self) -> BTreeSet<&str> {
        let accounts = self.accounts.values();
        accounts
            .filter_map(|account| account.region.as_deref())
            .collect()
    }

    pub fn region_of_key(&self, name: &str) -> Option<&str> {
        let key = self.keys.get(name)?;
        Some(self.region_or(&key.region, &key.account))
    }

    pub fn region_of_bucket(&self, name: &str) -> Option<&str> {
        let bucket = self.buckets.get(name)?;
        Some(self.region_or(&bucket.region, &bucket.account))
    }

    /// Home Region of a trail.
    pub fn region_of_trail(&self, name: &str) -> Option<&str> {
        let trail = self.trails.get(name)?;
        Some(self.region_or(&trail.region, &trail.account))
    }

    fn region_or<'a>(&'a self, own: &'a Option<String>, account: &str) -> &'a str {
        own.as_deref()
            .unwrap_or_else(|| self.region_of_account(account))
    }

    /// Name of the management account: what `organization` says, or else the account of the organization trail.
    pub fn management_account(&self) -> Option<&str> {
        let organization = self.organization.as_ref()?;
        let named = organization.account.as_deref();
        named.or_else(|| {
            let trail = self.trails.values().find(|trail| trail.organization)?;
            Some(trail.account.as_str())
        })
    }

    /// The bucket that holds the lock of `apply`.
    pub fn lock_bucket(&self) -> Option<&Name> {
        let named = self.lock.as_ref().map(|lock| &lock.bucket);
        named.or_else(|| self.trails.values().next().map(|trail| &trail.bucket))
    }
}

impl Trail {
    /// Name in AWS of the trail with this name in the spec.
    pub fn aws_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.name.as_deref().unwrap_or(name)
    }

    /// Name of the account that owns the trail: an organization trail belongs to the management account, also when a
    /// delegated administrator makes it.
    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-delegated-administrator.html>
    pub fn owner<'a>(&'a self, spec: &'a Spec) -> &'a str {
        match spec.management_account() {
            Some(management) if self.organization => management,
            _ => &self.account,
        }
    }

    /// ARN of the trail with this name in the spec.
    pub fn arn(&self, spec: &Spec, name: &str) -> String {
        let region = spec.region_or(&self.region, &self.account);
        format!(
            "arn:{}:cloudtrail:{region}:{}:trail/{}",
            partition(region),
            spec.account_id(self.owner(spec)),
            self.aws_name(name)
        )
    }

    /// The selectors in the API's form. A trail that says nothing records all management events.
    pub fn selectors(&self) -> Selectors {
        match (&self.selectors, &self.basic_selectors) {
            (Some(list), _) => Selectors::Advanced(list.iter().map(Selector::to_api).collect()),
            (None, Some(list)) => Selectors::Basic(list.clone()),
            (None, None) => Selectors::default(),
        }
    }
}

const EVENT_CATEGORY: &str = "eventCategory";
const EVENT_SOURCE: &str = "eventSource";
const READ_ONLY: &str = "readOnly";
const RESOURCES_TYPE: &str = "resources.type";

impl Selector {
    /// The name, in either spelling.
    pub fn any_name(&self) -> Option<&str> {
        self.name.as_deref().or(self.api_name.as_deref())
    }

    fn to_api(&self) -> AdvancedEventSelector {
        let mut fields = self.written_fields();
        fields.extend(self.field_selectors.iter().flatten().cloned());
        fields.extend(
            self.fields
                .iter()
                .map(|(name, condition)| field(name, condition)),
        );
        AdvancedEventSelector {
            name: self.any_name().map(str::to_owned),
            field_selectors: fields,
        }
    }

    /// What `management`, `data`, `network_activity` and what goes with them mean.
    fn written_fields(&self) -> Vec<FieldSelector> {
        let mut fields = Vec::new();
        if let Some(management) = self.management {
            fields.push(FieldSelector::equals(EVENT_CATEGORY, ["Management"]));
            match management {
                Management::All => {}
                Management::Read => fields.push(FieldSelector::equals(READ_ONLY, ["true"])),
                Management::Write => fields.push(FieldSelector::equals(READ_ONLY, ["false"])),
            }
        }
        if !self.exclude.is_empty() {
            let excluded = FieldSelector::new(EVENT_SOURCE);
            fields.push(excluded.with(Operator::NotEquals, self.exclude.clone()));
        }
        if let Some(resource_type) = &self.data {
            fields.push(FieldSelector::equals(EVENT_CATEGORY, ["Data"]));
            fields.push(FieldSelector::equals(RESOURCES_TYPE, [resource_type]));
        }
        if let Some(source) = &self.network_activity {
            fields.push(FieldSelector::equals(EVENT_CATEGORY, ["NetworkActivity"]));
            fields.push(FieldSelector::equals(EVENT_SOURCE, [source]));
        }
        if let Some(read_only) = self.read_only {
            fields.push(FieldSelector::equals(READ_ONLY, [read_only.to_string()]));
        }
        fields
    }
}

fn field(name: &str, condition: &Condition) -> FieldSelector {
    match condition {
        Condition::Value(value) => FieldSelector::equals(name, [value]),
        Condition::Values(values) => FieldSelector::equals(name, values),
        Condition::Operators(operators) => operators
            .iter()
            .fold(FieldSelector::new(name), |field, (operator, values)| {
                field.with((*operator).into(), values)
            }),
    }
}

impl From<types::Operator> for Operator {
    fn from(operator: types::Operator) -> Self {
        match operator {
            types::Operator::Equals => Operator::Equals,
            types::Operator::StartsWith => Operator::StartsWith,
            types::Operator::EndsWith => Operator::EndsWith,
            types::Operator::NotEquals => Operator::NotEquals,
            types::Operator::NotStartsWith => Operator::NotStartsWith,
            types::Operator::NotEndsWith => Operator::NotEndsWith,
        }
    }
}
