//! What the logs show to be not worth its price: events that recording itself causes, then the loudest talkers. Each comes
//! with the change of the selectors, what it saves, and what would no longer be recorded.

use rust_decimal::Decimal;

use crate::cost::{MONTH_HOURS, Meter, PriceBook, trail_views};
use crate::coverage;
use crate::render::volumes::Proposal;
use crate::selectors::{AdvancedEventSelector, FieldSelector, Operator, Selectors, differences};
use crate::spec::{Spec, Trail, partition};
use crate::volumes::{Hitter, ScopedSelectors, Sketch, Talkers};

/// Shares of a trail's data events under which a resource or caller is not loud.
const LOUD_PERCENT: u64 = 5;
/// Of each kind, for each trail.
const MOST: usize = 5;
const KMS: &str = "kms.amazonaws.com";

/// The recording trails, in the order of the spec.
pub fn trails(spec: &Spec) -> Vec<(String, ScopedSelectors)> {
    let logging = spec.trails.iter().filter(|(_, trail)| trail.logging);
    logging
        .map(|(name, trail)| {
            let scope = coverage::scope(spec, name, trail);
            (name.clone(), (scope, trail.selectors()))
        })
        .collect()
}

/// Everything that proposals are made from.
pub struct Case<'a> {
    pub spec: &'a Spec,
    /// Of each of [`trails`].
    pub talkers: &'a [Talkers],
    /// From counts of a sample to all files.
    pub scaled: &'a dyn Fn(u64) -> u64,
    /// Hours that the logs cover, where that is known.
    pub hours: Option<u64>,
    pub book: &'a PriceBook,
}

/// Self-made noise first, then by what it saves.
pub fn proposals(case: &Case<'_>) -> Vec<Proposal> {
    let trails = trails(case.spec);
    let mut proposals = Vec::new();
    for ((name, (_, selectors)), talkers) in trails.iter().zip(case.talkers) {
        let Some(trail) = case.spec.trails.get(name) else {
            continue;
        };
        let of = OfTrail {
            case,
            name,
            trail,
            selectors,
            talkers,
        };
        proposals.extend(of.resources());
        proposals.extend(of.callers());
        proposals.extend(of.kms());
    }
    proposals.sort_by_key(|proposal| (!proposal.is_noise, std::cmp::Reverse(proposal.events)));
    proposals
}

/// What a selector leaves out from now on.
struct Exclusion<'a> {
    /// Only selectors of this resource type; of all data events where there is none.
    resource_type: Option<&'a str>,
    field: &'static str,
    operator: Operator,
    value: String,
}

struct OfTrail<'a> {
    case: &'a Case<'a>,
    name: &'a str,
    trail: &'a Trail,
    selectors: &'a Selectors,
    talkers: &'a Talkers,
}

impl OfTrail<'_> {
    fn is_loud(&self, events: u64) -> bool {
        events.saturating_mul(100) >= self.talkers.data_events.saturating_mul(LOUD_PERCENT)
    }

    fn resources(&self) -> Vec<Proposal> {
        let resources = all(&self.talkers.resources);
        let mut loud = 0;
        let proposals = resources.into_iter().filter_map(|hitter| {
            let (kind, arn) = hitter.value.split_once('\t')?;
            let noise = self.bucket_noise(arn);
            if noise.is_none() {
                loud += 1;
                if loud > MOST || !self.is_loud(hitter.count) {
                    return None;
                }
            }
            let exclusion = Exclusion {
                resource_type: Some(kind),
                field: "resources.ARN",
                operator: match kind {
                    "AWS::S3::Object" => Operator::NotStartsWith,
                    _ => Operator::NotEquals,
                },
                value: match kind {
                    "AWS::S3::Object" => format!("{arn}/"),
                    _ => arn.to_owned(),
                },
            };
            let why = noise
                .clone()
                .unwrap_or_else(|| format!("{arn} is one of the loudest resources"));
            self.proposal(&exclusion, hitter.count, noise.is_some(), why)
        });
        proposals.collect()
    }

    /// Why events on a bucket are caused by recording itself.
    fn bucket_noise(&self, arn: &str) -> Option<String> {
        let spec = self.case.spec;
        let (name, bucket) = spec.buckets.iter().find(|(name, bucket)| {
            let region = spec.region_of_bucket(name).unwrap_or_default();
            arn == format!("arn:{}:s3:::{}", partition(region), bucket.name)
        })?;
        let mut buckets = spec.buckets.values();
        if spec.trails.values().any(|trail| trail.bucket == *name) {
            return Some(format!(
                "{} is a log bucket: each log file that is delivered to it or read from it is an event again",
                bucket.name
            ));
        }
        buckets
            .any(|other| {
                other
                    .access_logging
                    .as_ref()
                    .is_some_and(|logs| logs.bucket == *name)
            })
            .then(|| {
                format!(
                    "{} holds server access logs, which S3 itself writes",
                    bucket.name
                )
            })
    }

    fn callers(&self) -> Vec<Proposal> {
        let mut loud = 0;
        let proposals = all(&self.talkers.principals)
            .into_iter()
            .filter_map(|hitter| {
                let arn = hitter.value.as_str();
                let role = arn.rsplit_once(":assumed-role/").map(|(_, role)| role);
                let replicates = role.is_some_and(|role| {
                    let role = role.to_ascii_lowercase();
                    role.contains("replicat") || role.starts_with("s3crr")
                });
                if !replicates {
                    loud += 1;
                    if loud > MOST || !self.is_loud(hitter.count) {
                        return None;
                    }
                }
                let exclusion = Exclusion {
                    resource_type: None,
                    field: "userIdentity.arn",
                    operator: if role.is_some() {
                        Operator::NotStartsWith
                    } else {
                        Operator::NotEquals
                    },
                    value: if role.is_some() {
                        format!("{arn}/")
                    } else {
                        arn.to_owned()
                    },
                };
                let why = match replicates {
                    true => {
                        format!("{arn} copies objects: by its name it is a role of S3 replication")
                    }
                    false => format!("{arn} is one of the loudest callers"),
                };
                self.proposal(&exclusion, hitter.count, replicates, why)
            });
        proposals.collect()
    }

    /// Encrypting each log file and reading it again are calls to KMS.
    fn kms(&self) -> Option<Proposal> {
        let sources = all(&self.talkers.sources);
        let all: u64 = sources.iter().map(|source| source.count).sum();
        let kms = sources.iter().find(|source| source.value == KMS)?.count;
        if kms.saturating_mul(100) < all.saturating_mul(LOUD_PERCENT) {
            return None;
        }
        let narrowed = self.narrowed(
            "Management",
            &Exclusion {
                resource_type: None,
                field: "eventSource",
                operator: Operator::NotEquals,
                value: KMS.to_owned(),
            },
        );
        let (after, names) = narrowed?;
        let views = trail_views(self.case.spec, &[]);
        let is_first = views.first().and_then(|view| view.name.as_deref()) == Some(self.name);
        let meter = if is_first {
            Meter::ManagementFirstCopy
        } else {
            Meter::ManagementFurtherCopy
        };
        let change = match self.trail.basic_selectors.is_some() {
            true => format!(
                "trail.{}.basic_selectors: add {KMS} to ExcludeManagementEventSources",
                self.name
            ),
            false => format!(
                "trail.{}.selectors: add `exclude: [{KMS}]` to {names}",
                self.name
            ),
        };
        let why = match is_first {
            true => "calls of KMS, which each delivery and each read of a log file cause, are recorded for free, but fill the log files".to_owned(),
            false => "calls of KMS, which each delivery and each read of a log file cause, are a paid copy here".to_owned(),
        };
        let mut proposal = self.finish(kms, true, why, change, meter, &after)?;
        proposal.loses.push(format!(
            "changes of keys, which are events of {KMS} too: DisableKey, ScheduleKeyDeletion, PutKeyPolicy"
        ));
        Some(proposal)
    }

    fn proposal(
        &self,
        exclusion: &Exclusion<'_>,
        events: u64,
        is_noise: bool,
        why: String,
    ) -> Option<Proposal> {
        let (after, names) = self.narrowed("Data", exclusion)?;
        let written = serde_json::Value::from(exclusion.value.as_str());
        let condition = format!(
            "`{}: {{ {}: [{written}] }}`",
            exclusion.field,
            exclusion.operator.name()
        );
        let change = match self.trail.basic_selectors.is_some() {
            true => format!(
                "trail.{}: write `basic_selectors` as `selectors`, which can leave something out, with {condition}",
                self.name
            ),
            false => format!("trail.{}.selectors: add {condition} to {names}", self.name),
        };
        self.finish(events, is_noise, why, change, Meter::DataEvents, &after)
    }

    /// The selectors with the exclusion, and the names of those that have changed. Nothing where none has.
    fn narrowed(&self, category: &str, exclusion: &Exclusion<'_>) -> Option<(Selectors, String)> {
        let mut names = Vec::new();
        let selectors = self.selectors.to_advanced().into_iter().enumerate();
        let narrowed = selectors.map(|(index, selector)| {
            if !wants(&selector, category, exclusion.resource_type) {
                return selector;
            }
            names.push(match &selector.name {
                Some(name) => format!("`{name}`"),
                None => format!("selector {}", index + 1),
            });
            with(selector, exclusion)
        });
        let narrowed = Selectors::Advanced(narrowed.collect());
        (!names.is_empty()).then(|| (narrowed, names.join(", ")))
    }

    fn finish(
        &self,
        events: u64,
        is_noise: bool,
        why: String,
        change: String,
        meter: Meter,
        after: &Selectors,
    ) -> Option<Proposal> {
        let loses = differences(self.selectors, after).lost;
        if loses.is_empty() {
            return None;
        }
        let case = self.case;
        let events = (case.scaled)(events);
        let monthly = case.hours.map(|hours| {
            let monthly = u128::from(events) * u128::from(MONTH_HOURS) / u128::from(hours.max(1));
            u64::try_from(monthly).unwrap_or(u64::MAX)
        });
        let region = case.spec.region_of_trail(self.name).unwrap_or_default();
        let saves =
            monthly.and_then(|monthly| case.book.cost(meter, region, Decimal::from(monthly)));
        Some(Proposal {
            trail: format!("trail.{}", self.name),
            is_noise,
            why,
            change,
            events,
            monthly,
            saves_usd: saves.map(|usd| usd.round_dp(4).normalize().to_string()),
            loses,
        })
    }
}

fn all(sketch: &Sketch) -> Vec<Hitter> {
    sketch.top(usize::MAX)
}

fn wants(selector: &AdvancedEventSelector, category: &str, resource_type: Option<&str>) -> bool {
    let has = |field: &str, value: &str| {
        let mut fields = selector.field_selectors.iter().filter(|f| f.field == field);
        fields.any(|field| {
            field
                .values(Operator::Equals)
                .iter()
                .any(|own| own == value)
        })
    };
    has("eventCategory", category) && resource_type.is_none_or(|kind| has("resources.type", kind))
}

fn with(mut selector: AdvancedEventSelector, exclusion: &Exclusion<'_>) -> AdvancedEventSelector {
    let fields = &mut selector.field_selectors;
    let value = [exclusion.value.clone()];
    match fields
        .iter_mut()
        .find(|field| field.field == exclusion.field)
    {
        Some(field) => *field = std::mem::take(field).with(exclusion.operator, value),
        None => fields.push(FieldSelector::new(exclusion.field).with(exclusion.operator, value)),
    }
    selector
}
