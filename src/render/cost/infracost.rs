//! The JSON of Infracost's first generation, for `infracost comment`, policies on `diffTotalMonthlyCost` and dashboards.
//! Its shape: <https://github.com/infracost/infracost/blob/master/schema/infracost.schema.json>. Money and quantities are
//! strings; what is unknown is null. All costs are in a month of 730 hours.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::amount::Amount;
use super::report::{CostReport, Diff, DiffLine, DiffSide, Line, Number};
use super::view::{View, title};

const HOURS: i128 = 730;

pub fn infracost(report: &CostReport) -> String {
    crate::render::pretty(&Root::new(report))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Root<'a> {
    version: &'static str,
    currency: &'a str,
    projects: [Project<'a>; 1],
    #[serde(flatten)]
    totals: Totals,
    past_total_hourly_cost: Option<String>,
    past_total_monthly_cost: Option<String>,
    diff_total_hourly_cost: Option<String>,
    diff_total_monthly_cost: Option<String>,
    time_generated: &'a str,
    summary: Summary,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Totals {
    total_hourly_cost: Option<String>,
    total_monthly_cost: Option<String>,
    total_monthly_usage_cost: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Project<'a> {
    name: &'a str,
    display_name: &'a str,
    metadata: ProjectMetadata,
    past_breakdown: Option<Breakdown>,
    breakdown: Breakdown,
    diff: Option<Breakdown>,
    summary: Summary,
}

#[derive(Serialize)]
struct ProjectMetadata {
    path: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct Breakdown {
    resources: Vec<Resource>,
    #[serde(flatten)]
    totals: Totals,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    name: String,
    resource_type: String,
    metadata: BTreeMap<String, String>,
    hourly_cost: Option<String>,
    monthly_cost: Option<String>,
    monthly_usage_cost: Option<String>,
    cost_components: Vec<Component>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Component {
    name: String,
    unit: String,
    hourly_quantity: Option<String>,
    monthly_quantity: Option<String>,
    price: Option<String>,
    hourly_cost: Option<String>,
    monthly_cost: Option<String>,
    usage_based: bool,
    price_not_found: bool,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    total_resources: usize,
    total_detected_resources: usize,
    total_supported_resources: usize,
    total_unsupported_resources: usize,
    total_usage_based_resources: usize,
    total_no_price_resources: usize,
}

/// A component of a resource, by resource.
type Components = Vec<(String, Component)>;

impl<'a> Root<'a> {
    fn new(report: &'a CostReport) -> Self {
        let now: Components = report
            .lines
            .iter()
            .map(|line| (line.address.clone(), Component::of_line(line)))
            .collect();
        let summary = Summary::of(report);
        let total = Amount::of(&report.total.expected);
        let diff = report.diff.as_ref();
        let old = diff.map(|diff| Amount::of(&diff.old_total));
        let increase = diff.map(|diff| Amount::of(&diff.increase));
        let past = diff.map(|diff| Breakdown::new(past(diff, &now), Amount::of(&diff.old_total)));
        let changes =
            diff.map(|diff| Breakdown::new(changes(diff, &now), Amount::of(&diff.increase)));
        let project = Project {
            name: &report.spec,
            display_name: &report.spec,
            metadata: ProjectMetadata {
                path: report.files.join(", "),
                kind: "orgtrail",
            },
            past_breakdown: past,
            breakdown: Breakdown::new(now, total),
            diff: changes,
            summary,
        };
        Self {
            version: "0.2",
            currency: &report.currency,
            projects: [project],
            totals: Totals::of(total),
            past_total_hourly_cost: old.map(hourly),
            past_total_monthly_cost: old.map(Amount::exact),
            diff_total_hourly_cost: increase.map(hourly),
            diff_total_monthly_cost: increase.map(Amount::exact),
            time_generated: &report.generated_at,
            summary,
        }
    }
}

impl Totals {
    /// Every amount here is of usage: nothing is paid for by the hour.
    fn of(monthly: Amount) -> Self {
        Self {
            total_hourly_cost: Some(hourly(monthly)),
            total_monthly_cost: Some(monthly.exact()),
            total_monthly_usage_cost: Some(monthly.exact()),
        }
    }
}

impl Breakdown {
    fn new(components: Components, total: Amount) -> Self {
        let mut resources: Vec<Resource> = Vec::new();
        let mut index: BTreeMap<String, usize> = BTreeMap::new();
        for (address, component) in components {
            let at = *index.entry(address.clone()).or_insert_with(|| {
                resources.push(Resource::new(address));
                resources.len() - 1
            });
            resources[at].cost_components.push(component);
        }
        resources.iter_mut().for_each(Resource::add_up);
        Self {
            resources,
            totals: Totals::of(total),
        }
    }
}

impl Resource {
    fn new(name: String) -> Self {
        let kind = name.split('.').next().unwrap_or_default();
        Self {
            resource_type: format!("orgtrail_{kind}"),
            name,
            metadata: BTreeMap::new(),
            hourly_cost: None,
            monthly_cost: None,
            monthly_usage_cost: None,
            cost_components: Vec::new(),
        }
    }

    fn add_up(&mut self) {
        let known = self
            .cost_components
            .iter()
            .filter_map(|component| component.monthly_cost.as_ref());
        let mut known = known.peekable();
        if known.peek().is_some() {
            let sum = Amount::sum(known);
            self.hourly_cost = Some(hourly(sum));
            self.monthly_cost = Some(sum.exact());
            self.monthly_usage_cost = Some(sum.exact());
        }
    }
}

impl Component {
    fn of_line(line: &Line) -> Self {
        Self {
            price: line
                .unit_price
                .as_ref()
                .map(|price| Amount::of(price).exact()),
            price_not_found: line.price.is_empty(),
            ..Self::new(
                title(&line.label, line.part.as_deref()),
                &line.unit,
                line.quantity
                    .as_ref()
                    .map(|range| Amount::of(&range.expected)),
                line.monthly
                    .as_ref()
                    .map(|range| Amount::of(&range.expected)),
            )
        }
    }

    fn new(name: String, unit: &str, quantity: Option<Amount>, monthly: Option<Amount>) -> Self {
        Self {
            name,
            unit: unit.to_owned(),
            hourly_quantity: quantity.map(hourly),
            monthly_quantity: quantity.map(Amount::exact),
            price: None,
            hourly_cost: monthly.map(hourly),
            monthly_cost: monthly.map(Amount::exact),
            usage_based: true,
            price_not_found: false,
        }
    }
}

impl Summary {
    fn of(report: &CostReport) -> Self {
        let groups = View::new(report).groups();
        let without_price = groups
            .iter()
            .filter(|group| group.lines.iter().all(|line| line.price.is_empty()));
        Self {
            total_resources: groups.len(),
            total_detected_resources: groups.len(),
            total_supported_resources: groups.len(),
            total_unsupported_resources: 0,
            total_usage_based_resources: groups.len(),
            total_no_price_resources: without_price.count(),
        }
    }
}

fn hourly(monthly: Amount) -> String {
    monthly.per(HOURS).exact()
}

/// What there was: what is there now, but for the changed lines.
fn past(diff: &Diff, now: &Components) -> Components {
    let changed: BTreeSet<(&str, String)> = diff
        .lines
        .iter()
        .map(|line| (line.address.as_str(), name_of(line)))
        .collect();
    let is_kept = |(address, component): &&(String, Component)| {
        !changed.contains(&(address.as_str(), component.name.clone()))
    };
    let kept = now.iter().filter(is_kept).cloned();
    let before = diff.lines.iter().filter_map(|line| {
        let old = line.old.as_ref()?;
        let (quantity, monthly) = (amount(&old.quantity), amount(&old.monthly));
        Some(changed_component(line, now, quantity, monthly))
    });
    kept.chain(before).collect()
}

/// The changed lines with what they add.
fn changes(diff: &Diff, now: &Components) -> Components {
    let component = |line: &DiffLine| {
        let quantity = difference(line, |side| amount(&side.quantity));
        let monthly = difference(line, |side| amount(&side.monthly));
        changed_component(line, now, quantity, monthly)
    };
    diff.lines.iter().map(component).collect()
}

/// With the price of today, where there is such a line today.
fn changed_component(
    line: &DiffLine,
    now: &Components,
    quantity: Option<Amount>,
    monthly: Option<Amount>,
) -> (String, Component) {
    let name = name_of(line);
    let same = now
        .iter()
        .find(|(address, component)| *address == line.address && component.name == name);
    let component = Component {
        price: same.and_then(|(_, component)| component.price.clone()),
        ..Component::new(name, &line.unit, quantity, monthly)
    };
    (line.address.clone(), component)
}

fn difference(line: &DiffLine, figure: impl Fn(&DiffSide) -> Option<Amount>) -> Option<Amount> {
    let of = |side: &Option<DiffSide>| match side {
        None => Some(Amount::ZERO),
        Some(side) => figure(side),
    };
    Some(of(&line.new)?.minus(of(&line.old)?))
}

fn name_of(line: &DiffLine) -> String {
    title(&line.label, line.part.as_deref())
}

fn amount(number: &Option<Number>) -> Option<Amount> {
    number.as_ref().map(Amount::of)
}
