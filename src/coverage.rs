//! What a change of a spec records less and more: proved over all events, and counted where logs are given.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::render::coverage::{Counted, CoverageReport, LostRow, Part};
use crate::render::volumes::{self as rows, Number};
use crate::selectors::{AdvancedEventSelector, Operator, Selectors, differences};
use crate::spec::types::{AggregationTemplate, InsightCategory, InsightType};
use crate::spec::{Spec, Trail, global_region};
use crate::volumes::{Change, Outcome, Scale, Scope, Sketch};

/// What the trails of a spec record that record at all.
#[derive(Debug, Default)]
pub struct Recorders {
    /// The organization whose accounts "every account" means.
    organization: Option<String>,
    /// By where they record.
    selectors: BTreeMap<Scope, Selectors>,
    extras: BTreeMap<Scope, BTreeSet<Extra>>,
}

/// What a trail records that no selector asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Extra {
    /// Management events of services that have no Region.
    GlobalServices,
    Insights(InsightType, InsightCategory),
    Aggregated(AggregationTemplate),
}

impl fmt::Display for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GlobalServices => {
                f.write_str("management events of global services (IAM, STS, CloudFront)")
            }
            Self::Insights(kind, category) => {
                let rate = match kind {
                    InsightType::ApiCallRateInsight => "call",
                    InsightType::ApiErrorRateInsight => "error",
                };
                let events = match category {
                    InsightCategory::Management => "management",
                    InsightCategory::Data => "data",
                };
                write!(f, "Insights events on the {rate} rate of {events} events")
            }
            Self::Aggregated(template) => {
                let by = match template {
                    AggregationTemplate::ApiActivity => "API activity",
                    AggregationTemplate::ResourceAccess => "resource access",
                    AggregationTemplate::UserActions => "user actions",
                };
                write!(f, "aggregated data events by {by}")
            }
        }
    }
}

/// Organization trails record in every account, multi-Region trails in every Region.
pub fn scope(spec: &Spec, name: &str, trail: &Trail) -> Scope {
    let account = spec.account_id(trail.owner(spec)).to_owned();
    let region = spec.region_of_trail(name).unwrap_or_default().to_owned();
    Scope {
        account: (!trail.organization).then_some(account),
        region: (!trail.multi_region).then_some(region),
    }
}

/// What the trails of a spec record, and where.
pub fn recorders(spec: &Spec) -> Recorders {
    let mut selectors: BTreeMap<Scope, Vec<AdvancedEventSelector>> = BTreeMap::new();
    let mut extras: BTreeMap<Scope, BTreeSet<Extra>> = BTreeMap::new();
    for (name, trail) in spec.trails.iter().filter(|(_, trail)| trail.logging) {
        let scope = scope(spec, name, trail);
        let own = trail.selectors().to_advanced();
        if let Some(scope) = global_services(spec, name, trail, &scope) {
            extras
                .entry(scope)
                .or_default()
                .insert(Extra::GlobalServices);
        }
        let insights = trail.insights.iter().flat_map(|(kind, categories)| {
            let of = |category: &InsightCategory| Extra::Insights(*kind, *category);
            categories.iter().map(of)
        });
        let aggregated = trail.aggregation.iter().copied().map(Extra::Aggregated);
        extras
            .entry(scope.clone())
            .or_default()
            .extend(insights.chain(aggregated));
        selectors.entry(scope).or_default().extend(own);
    }
    let selectors = selectors.into_iter();
    Recorders {
        organization: spec.organization.as_ref().map(|o| o.id.clone()),
        selectors: selectors
            .map(|(scope, selectors)| (scope, Selectors::Advanced(selectors)))
            .collect(),
        extras,
    }
}

/// Where a trail records global services, if it does.
fn global_services(spec: &Spec, name: &str, trail: &Trail, scope: &Scope) -> Option<Scope> {
    let region = global_region(spec.region_of_trail(name)?);
    let there = Scope {
        region: Some(region.to_owned()),
        ..scope.clone()
    };
    (trail.include_global_service_events && scope.includes(&there)).then_some(there)
}

fn records_management(selectors: &Selectors) -> bool {
    let is_management = |selector: &AdvancedEventSelector| {
        let mut fields = selector.field_selectors.iter();
        fields.any(|field| {
            let values = field.values(Operator::Equals);
            field.field == "eventCategory" && values.iter().any(|value| value == "Management")
        })
    };
    selectors.to_advanced().iter().any(is_management)
}

/// What is recorded before and no more, and the other way round, as sentences. Empty exactly when it is proved that
/// there is no such event. An event that another trail still records is not lost.
pub fn compare(old: &Recorders, new: &Recorders) -> CoverageReport {
    CoverageReport {
        format_version: crate::render::coverage::FORMAT_VERSION,
        orgtrail_version: env!("CARGO_PKG_VERSION"),
        lost: beyond(old, new),
        gained: beyond(new, old),
        counted: None,
    }
}

fn beyond(narrow: &Recorders, wide: &Recorders) -> Vec<Part> {
    let mut parts = Vec::new();
    for (scope, selectors) in &narrow.selectors {
        let others = wide.wherever(scope, narrow, &wide.selectors);
        let others = others.flat_map(Selectors::to_advanced);
        let difference = differences(selectors, &Selectors::Advanced(others.collect()));
        parts.extend(
            difference
                .lost
                .into_iter()
                .map(|events| part(scope, events)),
        );
    }
    for (scope, extras) in &narrow.extras {
        let others = wide.wherever(scope, narrow, &wide.extras);
        let others: BTreeSet<Extra> = others.flatten().copied().collect();
        // Where no management events are recorded any more, that has been said.
        let are_told = !wide
            .wherever(scope, narrow, &wide.selectors)
            .any(records_management);
        let lost = extras
            .difference(&others)
            .filter(|extra| !(are_told && **extra == Extra::GlobalServices));
        parts.extend(lost.map(|extra| part(scope, extra.to_string())));
    }
    parts
}

fn part(scope: &Scope, events: String) -> Part {
    Part {
        account: scope.account.clone(),
        region: scope.region.clone(),
        events,
    }
}

impl Recorders {
    /// What is recorded wherever a scope of `other` is. The accounts of one organization are not those of another.
    fn wherever<'r, T>(
        &self,
        scope: &Scope,
        other: &Self,
        by_scope: &'r BTreeMap<Scope, T>,
    ) -> impl Iterator<Item = &'r T> {
        let organizations = self.organization.as_ref().zip(other.organization.as_ref());
        let is_same = organizations.is_none_or(|(own, other)| own == other);
        by_scope
            .iter()
            .filter(move |(own, _)| own.includes(scope) && (is_same || own.account.is_some()))
            .map(|(_, recorded)| recorded)
    }
}

/// The trails before and after, for counting.
pub fn change(old: &Recorders, new: &Recorders) -> Change {
    let listed = |recorders: &Recorders| {
        let selectors = recorders.selectors.iter();
        selectors
            .map(|(scope, selectors)| (scope.clone(), selectors.clone()))
            .collect::<Vec<_>>()
    };
    Change::new(&listed(old), &listed(new))
}

/// What was counted of a change in log files; `hours` is the time that these cover.
pub fn counted(outcome: &Outcome, window: Option<String>, hours: Option<u64>) -> Counted {
    let tally = &outcome.tally;
    let scale = Scale::new(tally, &outcome.groups);
    let scaled = |count| scale.as_ref().map_or(count, |scale| scale.expected(count));
    let number = |count: u64, of: fn(&crate::volumes::Group) -> u64| match &scale {
        Some(scale) => {
            let [low, expected, high] = scale.range(of);
            Number {
                low,
                expected,
                high,
            }
        }
        None => Number::exactly(count),
    };
    let top = |sketch: &Sketch| rows::Top {
        values: sketch
            .top(MOST)
            .into_iter()
            .map(|hitter| rows::TopRow {
                value: hitter.value,
                events: scaled(hitter.count),
            })
            .collect(),
        error: scaled(sketch.error()),
    };
    let lost = &tally.lost;
    let events = number(lost.events, |group| group.lost);
    Counted {
        window,
        events,
        monthly: hours.map(|hours| {
            let monthly = u128::from(events.expected) * u128::from(crate::cost::MONTH_HOURS);
            u64::try_from(monthly / u128::from(hours.max(1))).unwrap_or(u64::MAX)
        }),
        of: number(tally.events, |group| {
            let regions = group.accounts.values().flat_map(BTreeMap::values);
            let rows = regions.flat_map(|region| region.events.values().flat_map(BTreeMap::values));
            rows.map(crate::volumes::Counts::events).sum()
        }),
        gained: number(lost.gained, |group| group.gained),
        accounts: lost.accounts.len(),
        calls: top(&lost.calls),
        resources: top(&lost.resources),
        principals: top(&lost.principals),
        samples: lost.samples.iter().map(row).collect(),
        problems: tally.problems.count,
    }
}

/// Rows of each list in JSON.
const MOST: usize = 100;

fn row(event: &crate::volumes::LostEvent) -> LostRow {
    LostRow {
        event_id: event.id.clone(),
        time: event.time.clone(),
        account: event.account.clone(),
        region: event.region.clone(),
        call: event.call.clone(),
        principal: event.principal.clone(),
        resource: event.resource.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "version: 1\nname: t\naccounts:\n  m: { id: '111122223333', region: us-east-1 }\n  \
        w: { id: '222233334444', region: us-east-1 }\norganization: { id: o-a1b2c3d4e5 }\n\
        buckets: { logs: { account: m, name: logs } }\ntrails:\n";

    fn recorders_of(trails: &str) -> Recorders {
        let spec: Spec = serde_yaml::from_str(&format!("{SPEC}{trails}")).expect("a spec");
        recorders(&spec)
    }

    fn said(parts: &[Part]) -> Vec<String> {
        parts.iter().map(ToString::to_string).collect()
    }

    const ALL: &str =
        "selectors: [{ name: m, management: all }, { name: d, data: 'AWS::S3::Object' }]";
    const READS: &str = "selectors: [{ name: m, management: all }, { name: d, data: 'AWS::S3::Object', read_only: true }]";

    #[test]
    fn another_trail_that_records_the_same_makes_up_for_a_loss() {
        let old = recorders_of(&format!(
            "  a: {{ account: m, organization: true, bucket: logs, {ALL} }}\n"
        ));
        let less = recorders_of(&format!(
            "  a: {{ account: m, organization: true, bucket: logs, {READS} }}\n"
        ));
        let report = compare(&old, &less);
        assert_eq!(said(&report.lost).len(), 1, "{report:?}");
        assert!(report.gained.is_empty());
        let both = recorders_of(&format!(
            "  a: {{ account: m, organization: true, bucket: logs, {READS} }}\n  \
             b: {{ account: m, organization: true, bucket: logs, selectors: [{{ name: w, data: 'AWS::S3::Object', read_only: false }}, {{ name: n, data: 'AWS::S3::Object' }}] }}\n"
        ));
        assert_eq!(said(&compare(&old, &both).lost), [""; 0]);
    }

    #[test]
    fn a_trail_of_one_account_does_not_make_up_for_the_organization() {
        let old = recorders_of(&format!(
            "  a: {{ account: m, organization: true, bucket: logs, {ALL} }}\n"
        ));
        let new = recorders_of(&format!("  a: {{ account: w, bucket: logs, {ALL} }}\n"));
        assert_eq!(compare(&old, &new).lost.len(), 2);
        assert_eq!(said(&compare(&new, &old).lost), [""; 0]);
        let gained = said(&compare(&new, &old).gained);
        assert_eq!(gained.len(), 2);
    }

    #[test]
    fn what_no_selector_asks_for_is_compared_too() {
        let trail = |rest: &str| {
            recorders_of(&format!(
                "  a: {{ account: w, bucket: logs, {READS}, {rest} }}\n"
            ))
        };
        let insights = "insights: { ApiCallRateInsight: [Management, Data] }";
        let (old, new) = (trail(insights), trail(&insights.replace(", Data", "")));
        let lost = said(&compare(&old, &new).lost);
        let account = "(account 222233334444)";
        assert_eq!(
            lost,
            [format!(
                "Insights events on the call rate of data events {account}"
            )]
        );
        assert_eq!(said(&compare(&new, &old).lost), [""; 0]);

        let lost = said(&compare(&trail("aggregation: [API_ACTIVITY]"), &trail("name: a")).lost);
        assert_eq!(
            lost,
            [format!("aggregated data events by API activity {account}")]
        );

        let (old, new) = (
            trail("multi_region: false"),
            trail("multi_region: false, include_global_service_events: false"),
        );
        let global =
            "management events of global services (IAM, STS, CloudFront) (account 222233334444, us-east-1)"
                .to_owned();
        assert_eq!(said(&compare(&old, &new).lost), [global]);
        let elsewhere =
            |rest: &str| trail(&format!("multi_region: false, region: eu-west-1{rest}"));
        let none = elsewhere(", include_global_service_events: false");
        assert_eq!(said(&compare(&elsewhere(""), &none).lost), [""; 0]);
    }

    #[test]
    fn every_account_of_one_organization_is_none_of_another() {
        let trail = format!("  a: {{ account: m, organization: true, bucket: logs, {READS} }}\n");
        let old = recorders_of(&trail);
        let new = Recorders {
            organization: Some("o-zzzzzzzzzz".to_owned()),
            ..recorders_of(&trail)
        };
        assert_eq!(compare(&old, &new).lost.len(), 2);
        assert_eq!(compare(&old, &old).lost.len(), 0);
    }

    #[test]
    fn a_stopped_trail_records_nothing() {
        let old = recorders_of(&format!("  a: {{ account: w, bucket: logs, {ALL} }}\n"));
        let new = recorders_of(&format!(
            "  a: {{ account: w, bucket: logs, logging: false, {ALL} }}\n"
        ));
        let lost = said(&compare(&old, &new).lost);
        assert!(lost[0].contains("222233334444"), "{lost:?}");
    }
}
