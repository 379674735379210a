//! What a change of a spec records less and more: proved over all events, and counted where logs are given.

use std::collections::BTreeMap;

use crate::render::coverage::{Counted, CoverageReport, LostRow, Part};
use crate::render::volumes::{self as rows, Number};
use crate::selectors::{AdvancedEventSelector, Selectors, differences};
use crate::spec::{Spec, Trail};
use crate::volumes::{Change, Outcome, Scale, Scope, Sketch};

/// Selectors of all recording trails, by where they record.
pub type Recorders = BTreeMap<Scope, Selectors>;

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
    let mut all: BTreeMap<Scope, Vec<AdvancedEventSelector>> = BTreeMap::new();
    for (name, trail) in spec.trails.iter().filter(|(_, trail)| trail.logging) {
        all.entry(scope(spec, name, trail))
            .or_default()
            .extend(trail.selectors().to_advanced());
    }
    let all = all.into_iter();
    all.map(|(scope, selectors)| (scope, Selectors::Advanced(selectors)))
        .collect()
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
    for (scope, selectors) in narrow {
        let others = wide.iter().filter(|(other, _)| other.includes(scope));
        let others = others.flat_map(|(_, selectors)| selectors.to_advanced());
        let difference = differences(selectors, &Selectors::Advanced(others.collect()));
        parts.extend(difference.lost.into_iter().map(|events| Part {
            account: scope.account.clone(),
            region: scope.region.clone(),
            events,
        }));
    }
    parts
}

/// The trails before and after, for counting.
pub fn change(old: &Recorders, new: &Recorders) -> Change {
    let listed = |recorders: &Recorders| {
        let recorders = recorders.iter();
        recorders
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
    fn a_stopped_trail_records_nothing() {
        let old = recorders_of(&format!("  a: {{ account: w, bucket: logs, {ALL} }}\n"));
        let new = recorders_of(&format!(
            "  a: {{ account: w, bucket: logs, logging: false, {ALL} }}\n"
        ));
        let lost = said(&compare(&old, &new).lost);
        assert!(lost[0].contains("222233334444"), "{lost:?}");
    }
}
