//! Insights and aggregation: what they look at, and how often it is charged.
//!
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/insights-events-costs.html>

use super::meter::Meter;
use super::tally::{Counted, add};
use super::trails::TrailView;
use crate::spec::Spec;
use crate::spec::types::{InsightCategory, InsightType};

/// What is on for a trail.
#[derive(Clone, Copy, Default)]
pub struct Insights {
    management_call: bool,
    management_error: bool,
    data_types: u128,
    /// Templates of aggregation.
    templates: u128,
}

/// Recorded events that they look at.
#[derive(Clone, Copy, Default)]
pub struct Analyzed {
    pub management_read: Counted,
    pub management_write: Counted,
    /// Of these it is not known whether they read.
    pub management_unknown: Counted,
    pub data: Counted,
}

impl Insights {
    pub fn of(spec: &Spec, view: &TrailView) -> Self {
        let Some(trail) = view.name.as_ref().and_then(|name| spec.trails.get(name)) else {
            return Self::default();
        };
        let on = |kind: InsightType, category: InsightCategory| {
            let categories = trail.insights.get(&kind);
            categories.is_some_and(|categories| categories.contains(&category))
        };
        let call = |category| on(InsightType::ApiCallRateInsight, category);
        let error = |category| on(InsightType::ApiErrorRateInsight, category);
        let data = InsightCategory::Data;
        Self {
            management_call: call(InsightCategory::Management),
            management_error: error(InsightCategory::Management),
            data_types: u128::from(call(data)) + u128::from(error(data)),
            templates: trail.aggregation.len() as u128,
        }
    }

    /// What is charged: writes for the call rate, reads and writes for the error rate, every data event for each type.
    pub fn analyzed(self, events: &Analyzed) -> [(Meter, Counted); 3] {
        let mut management = [0; 3];
        if self.management_call {
            add(&mut management, events.management_write);
            add(&mut management, up_to(events.management_unknown));
        }
        if self.management_error {
            add(&mut management, events.management_write);
            add(&mut management, events.management_read);
            add(&mut management, events.management_unknown);
        }
        let data = events
            .data
            .map(|count| count.saturating_mul(self.data_types));
        // AWS does not say whether each template is charged for: once at least, once for each at most.
        let mut aggregated = events.data.map(|count| count * self.templates.min(1));
        aggregated[2] = events.data[2].saturating_mul(self.templates);
        [
            (Meter::InsightsManagement, management),
            (Meter::InsightsData, data),
            (Meter::DataEventAggregation, aggregated),
        ]
    }

    /// The meters of what is on, of the categories that are not counted.
    pub fn without(self, [management, data, _]: [bool; 3]) -> impl Iterator<Item = Meter> {
        let wanted = [
            (
                (self.management_call || self.management_error) && !management,
                Meter::InsightsManagement,
            ),
            (self.data_types > 0 && !data, Meter::InsightsData),
            (self.templates > 0 && !data, Meter::DataEventAggregation),
        ];
        wanted
            .into_iter()
            .filter(|(on, _)| *on)
            .map(|(_, meter)| meter)
    }
}

/// Between none of them and all, half of them expected.
fn up_to([_, expected, high]: Counted) -> Counted {
    [0, expected / 2, high]
}
