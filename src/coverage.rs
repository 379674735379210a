//! What a change of a spec records less and more: proved over all events, and counted where logs are given.

use std::collections::BTreeMap;

use crate::render::coverage::{Counted, CoverageReport, LostRow, Part, place};
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
    events: BTreeMap<Scope, Vec<AdvancedEventSelector>>,
    /// The events of which more than the event itself is recorded.
    extras: BTreeMap<(Extra, Scope), Vec<AdvancedEventSelector>>,
}

/// What a trail may record beside what its selectors ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Extra {
    /// Management events of services that have no Region, which are left out of trails that say so.
    GlobalServices,
    Insights(InsightType, InsightCategory),
    Aggregated(AggregationTemplate),
}

impl Extra {
    /// Of which events.
    fn category(self) -> &'static str {
        match self {
            Self::GlobalServices | Self::Insights(_, InsightCategory::Management) => "Management",
            Self::Insights(_, InsightCategory::Data) | Self::Aggregated(_) => "Data",
        }
    }

    fn sentence(self, events: &str) -> String {
        match self {
            Self::GlobalServices => {
                format!("{events}, of global services (IAM, STS, CloudFront)")
            }
            Self::Insights(InsightType::ApiCallRateInsight, _) => {
                format!("Insights on the call rate of {events}")
            }
            Self::Insights(InsightType::ApiErrorRateInsight, _) => {
                format!("Insights on the error rate of {events}")
            }
            Self::Aggregated(template) => {
                let by = match template {
                    AggregationTemplate::ApiActivity => "API activity",
                    AggregationTemplate::ResourceAccess => "resource access",
                    AggregationTemplate::UserActions => "user actions",
                };
                format!("{events}, aggregated by {by}")
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
    let mut recorders = Recorders {
        organization: spec.organization.as_ref().map(|o| o.id.clone()),
        ..Recorders::default()
    };
    for (name, trail) in spec.trails.iter().filter(|(_, trail)| trail.logging) {
        let scope = scope(spec, name, trail);
        let selectors = trail.selectors().to_advanced();
        for (extra, scope) in extras_of(spec, name, trail, &scope) {
            let of = recorders.extras.entry((extra, scope)).or_default();
            let own = selectors.iter().filter(|s| selects(s, extra.category()));
            of.extend(own.cloned());
        }
        recorders.events.entry(scope).or_default().extend(selectors);
    }
    recorders
}

fn extras_of(spec: &Spec, name: &str, trail: &Trail, scope: &Scope) -> Vec<(Extra, Scope)> {
    let insights = trail.insights.iter().flat_map(|(kind, categories)| {
        let of = |category: &InsightCategory| Extra::Insights(*kind, *category);
        categories.iter().map(of)
    });
    let aggregated = trail.aggregation.iter().copied().map(Extra::Aggregated);
    let mut extras: Vec<(Extra, Scope)> = insights
        .chain(aggregated)
        .map(|extra| (extra, scope.clone()))
        .collect();
    let region = global_region(spec.region_of_trail(name).unwrap_or_default());
    let there = Scope {
        region: Some(region.to_owned()),
        ..scope.clone()
    };
    if trail.include_global_service_events && scope.includes(&there) {
        extras.push((Extra::GlobalServices, there));
    }
    extras
}

/// Whether a selector is about events of a category.
fn selects(selector: &AdvancedEventSelector, category: &str) -> bool {
    let mut fields = selector.field_selectors.iter();
    fields.any(|field| {
        let mut values = field.values(Operator::Equals).iter();
        field.field == "eventCategory" && values.any(|value| value == category)
    })
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
    for (scope, selectors) in &narrow.events {
        let lost_in = |scope| {
            let others = wide.wherever(scope, narrow, wide.events.iter());
            not_in(selectors, others)
        };
        // Where trails of a part of it still record everything.
        let inner = wide.events.keys().filter(|inner| scope.includes(inner));
        let kept = inner.filter(|inner| lost_in(inner).is_empty());
        let except: Vec<String> = kept.map(|inner| within(inner, scope)).collect();
        parts.extend(lost_in(scope).into_iter().map(|events| Part {
            except: except.clone(),
            ..narrow.part(scope, wide, events, true)
        }));
    }
    for ((extra, scope), selectors) in &narrow.extras {
        let others = wide.extras.iter().filter(|((other, _), _)| other == extra);
        let others = others.map(|((_, scope), selectors)| (scope, selectors));
        let mut lost = not_in(selectors, wide.wherever(scope, narrow, others));
        if *extra == Extra::GlobalServices {
            // What is recorded of no service any more has been said.
            let told = not_in(selectors, wide.wherever(scope, narrow, wide.events.iter()));
            lost.retain(|events| !told.contains(events));
        }
        let sentences = lost.iter().map(|events| extra.sentence(events));
        parts.extend(sentences.map(|sentence| narrow.part(scope, wide, sentence, false)));
    }
    outermost(parts)
}

fn not_in<'s>(
    selectors: &[AdvancedEventSelector],
    others: impl Iterator<Item = &'s Vec<AdvancedEventSelector>>,
) -> Vec<String> {
    let others = Selectors::Advanced(others.flatten().cloned().collect());
    differences(&Selectors::Advanced(selectors.to_vec()), &others).lost
}

/// What a scope is more than the one around it.
fn within(inner: &Scope, outer: &Scope) -> String {
    let account = inner.account.as_ref().filter(|_| outer.account.is_none());
    let region = inner.region.as_ref().filter(|_| outer.region.is_none());
    place(account, region)
}

/// Parts without those that are said of a larger scope, too.
fn outermost(parts: Vec<Part>) -> Vec<Part> {
    let scope = |part: &Part| Scope {
        account: part.account.clone(),
        region: part.region.clone(),
    };
    let is_told = |part: &Part| {
        parts.iter().any(|other| {
            other.events == part.events
                && scope(other) != scope(part)
                && scope(other).includes(&scope(part))
        })
    };
    parts
        .iter()
        .filter(|part| !is_told(part))
        .cloned()
        .collect()
}

impl Recorders {
    /// What is recorded wherever a scope of `other` is.
    fn wherever<'r>(
        &self,
        scope: &Scope,
        other: &Self,
        recorded: impl Iterator<Item = (&'r Scope, &'r Vec<AdvancedEventSelector>)>,
    ) -> impl Iterator<Item = &'r Vec<AdvancedEventSelector>> {
        let is_same = self.has_accounts_of(other);
        recorded
            .filter(move |(own, _)| own.includes(scope) && (is_same || own.account.is_some()))
            .map(|(_, selectors)| selectors)
    }

    /// The accounts of one organization are not those of another.
    fn has_accounts_of(&self, other: &Self) -> bool {
        let organizations = self.organization.as_ref().zip(other.organization.as_ref());
        organizations.is_none_or(|(own, other)| own == other)
    }

    fn part(&self, scope: &Scope, other: &Self, events: String, is_counted: bool) -> Part {
        let is_moved = scope.account.is_none() && !self.has_accounts_of(other);
        Part {
            organization: self.organization.clone().filter(|_| is_moved),
            account: scope.account.clone(),
            region: scope.region.clone(),
            except: Vec::new(),
            events,
            is_counted: is_counted && !is_moved,
        }
    }
}

/// The trails before and after, for counting.
pub fn change(old: &Recorders, new: &Recorders) -> Change {
    let listed = |recorders: &Recorders| {
        let events = recorders.events.iter();
        events
            .map(|(scope, selectors)| (scope.clone(), Selectors::Advanced(selectors.clone())))
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
                "Insights on the call rate of S3 object reads {account}"
            )]
        );
        assert_eq!(said(&compare(&new, &old).lost), [""; 0]);

        let lost = said(&compare(&trail("aggregation: [API_ACTIVITY]"), &trail("name: a")).lost);
        assert_eq!(
            lost,
            [format!(
                "S3 object reads, aggregated by API activity {account}"
            )]
        );

        let (old, new) = (
            trail("multi_region: false"),
            trail("multi_region: false, include_global_service_events: false"),
        );
        let global =
            "management events, of global services (IAM, STS, CloudFront) (account 222233334444, us-east-1)"
                .to_owned();
        assert_eq!(said(&compare(&old, &new).lost), [global]);
        let elsewhere =
            |rest: &str| trail(&format!("multi_region: false, region: eu-west-1{rest}"));
        let none = elsewhere(", include_global_service_events: false");
        assert_eq!(said(&compare(&elsewhere(""), &none).lost), [""; 0]);
    }

    #[test]
    fn what_is_made_of_events_depends_on_the_events() {
        let of = |trails: &[(&str, &str)]| {
            let trail = |(selectors, rest): &(&str, &str)| {
                let name = selectors.replace(|c: char| !c.is_ascii_lowercase(), "")
                    + &rest.len().to_string();
                format!(
                    "  {name}: {{ account: w, bucket: logs, multi_region: false, selectors: [{{ name: a, {selectors} }}], {rest} }}\n"
                )
            };
            recorders_of(&trails.iter().map(trail).collect::<String>())
        };
        let management = "management: all";
        let (s3, lambda) = ("data: 'AWS::S3::Object'", "data: 'AWS::Lambda::Function'");
        let without = "include_global_service_events: false";
        let with = "include_global_service_events: true";
        let lost =
            |old: &[(&str, &str)], new: &[(&str, &str)]| said(&compare(&of(old), &of(new)).lost);
        // A trail of data events makes up for no management events.
        let both = [(management, with), (s3, with)];
        assert_eq!(lost(&both, &[(management, without), (s3, with)]).len(), 1);
        assert_eq!(
            lost(
                &[(management, without), (s3, with)],
                &[(management, without), (s3, without)]
            ),
            [""; 0]
        );
        let reads = [(management, without), ("management: read", with)];
        assert_eq!(
            lost(&[(management, with)], &reads),
            [
                "write management events (and those without readOnly), of global services (IAM, STS, CloudFront) (account 222233334444, us-east-1)"
            ]
        );
        let insights = "insights: { ApiCallRateInsight: [Data] }";
        assert_eq!(
            lost(&[(s3, insights)], &[(lambda, insights), (s3, with)]),
            [
                "Insights on the call rate of S3 object events (account 222233334444)"
                    .replace("444)", "444, us-east-1)")
            ]
        );
    }

    #[test]
    fn every_account_of_one_organization_is_none_of_another() {
        let trail = format!("  a: {{ account: m, organization: true, bucket: logs, {READS} }}\n");
        let old = recorders_of(&trail);
        let new = Recorders {
            organization: Some("o-zzzzzzzzzz".to_owned()),
            ..recorders_of(&trail)
        };
        let lost = said(&compare(&old, &new).lost);
        assert_eq!(lost.len(), 2);
        assert!(lost[0].ends_with("(organization o-a1b2c3d4e5)"), "{lost:?}");
        assert_eq!(compare(&old, &old).lost.len(), 0);
    }

    #[test]
    fn where_something_is_still_recorded_is_said() {
        let trail = |rest: &str| {
            recorders_of(&format!(
                "  a: {{ account: m, bucket: logs, {rest}, {READS} }}\n"
            ))
        };
        let old = trail("organization: true");
        let (account, region) = (trail("name: all"), trail("multi_region: false"));
        assert_eq!(
            said(&compare(&old, &account).lost)[1],
            "management events, except in account 111122223333"
        );
        assert_eq!(
            said(&compare(&account, &region).lost)[1],
            "management events, except in us-east-1 (account 111122223333)"
        );
        let lost = said(&compare(&old, &region).lost);
        assert_eq!(
            lost[1],
            "management events, except in account 111122223333, us-east-1"
        );
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
