//! Event volumes from a bill.
//!
//! A bill knows how many events were recorded in an account and Region, but not of which source, and not whether they read.
//! So they are written with the event source `unknown`, and every selector that asks for more than the category records
//! between none and all of them.
//!
//! - `FreeEventsRecorded` are the management events, each once: the first copy.
//! - `PaidEventsRecorded` are further copies of the same events. Which trails make them is not on the bill, so they add no
//!   events; they say that more than one trail records, and the note does.
//! - Data and network activity events are charged in every copy. Where one trail records, their usage is the number of events;
//!   where more do, it is at least that number divided by the trails that an account can have in a Region.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::document::{Bill, BilledUsage};
use crate::cost::number::add;
use crate::cost::usage_types::{BilledRegion, meters, split};
use crate::cost::{
    ByName, Count, Counts, Meter, MonthWindow, Provenance, RegionVolumes, SpanWindow, UNKNOWN,
    Volumes, Window,
};

/// ("Quotas in CloudTrail", CloudTrail user guide)
const MOST_TRAILS: u64 = 5;
pub(super) const CLOUDTRAIL: &str = "AWSCloudTrail";

/// The meter and the Region of a usage; neither for what is unknown here.
pub(super) fn meter(usage: &BilledUsage) -> Option<(Meter, &str)> {
    let (region, name) = split(&usage.usage_type);
    let region = match region {
        BilledRegion::Known(region) | BilledRegion::UnknownCode(region) => region,
    };
    let meter = meters(CLOUDTRAIL, name, None).into_iter().next()?;
    Some((meter, region))
}

/// What was recorded in one account and Region.
#[derive(Default)]
struct Recorded {
    management: Decimal,
    further: Decimal,
    data: Decimal,
    network: Decimal,
}

/// The volumes on a bill.
pub fn volumes(bill: &Bill) -> Volumes {
    let mut recorded: BTreeMap<(&str, &str), Recorded> = BTreeMap::new();
    for usage in &bill.usage {
        let Some((meter, region)) = meter(usage) else {
            continue;
        };
        let of = recorded.entry((&usage.account, region)).or_default();
        match meter {
            Meter::ManagementFirstCopy => of.management = add(of.management, usage.quantity),
            Meter::ManagementFurtherCopy => of.further = add(of.further, usage.quantity),
            Meter::DataEvents => of.data = add(of.data, usage.quantity),
            Meter::NetworkActivityEvents => of.network = add(of.network, usage.quantity),
            // What Insights analyzed and what Lake ingested are the same events again.
            _ => {}
        }
    }
    let mut accounts: BTreeMap<String, BTreeMap<String, RegionVolumes>> = BTreeMap::new();
    for ((account, region), recorded) in &recorded {
        if let Some(volumes) = recorded.volumes() {
            let regions = accounts.entry((*account).to_owned()).or_default();
            regions.insert((*region).to_owned(), volumes);
        }
    }
    let copies = recorded.values().filter(|of| !of.further.is_zero()).count();
    Volumes {
        provenance: Provenance::Measured,
        note: Some(note(bill, copies)),
        window: Some(window(bill)),
        accounts,
        ..Volumes::none()
    }
}

impl Recorded {
    /// `None` where nothing was recorded that is an event.
    fn volumes(&self) -> Option<RegionVolumes> {
        let is_copied = !self.further.is_zero();
        let management = by_source(Count::Exactly(whole(self.management)));
        let data = by_source(copies(self.data, is_copied));
        let network = by_source(copies(self.network, is_copied));
        let known = |counts: ByName<Counts>, of: Decimal| (!of.is_zero()).then_some(counts);
        let volumes = RegionVolumes {
            management: known(management, self.management),
            data: known(data, self.data).map(|types| ByName::from_iter([(UNKNOWN, types)])),
            network_activity: known(network, self.network),
            ..RegionVolumes::default()
        };
        (volumes != RegionVolumes::default()).then_some(volumes)
    }
}

/// Events behind charged copies.
fn copies(quantity: Decimal, is_copied: bool) -> Count {
    let high = whole(quantity);
    match is_copied {
        true => Count::between(high.div_ceil(MOST_TRAILS), high, high),
        false => Count::Exactly(high),
    }
}

fn by_source(events: Count) -> ByName<Counts> {
    let counts = Counts {
        other: events,
        ..Counts::default()
    };
    ByName::from_iter([(UNKNOWN, counts)])
}

fn whole(quantity: Decimal) -> u64 {
    quantity.round().to_u64().unwrap_or_default()
}

fn note(bill: &Bill, copies: usize) -> String {
    let mut note = format!(
        "AWS bill of {} for CloudTrail, from Cost Explorer: events that a trail recorded, of unknown sources",
        bill.period
    );
    if bill.estimated {
        note.push_str("; AWS may still change it");
    }
    if copies > 0 {
        note.push_str(&format!(
            "; in {copies} accounts and Regions more than one trail records management events, so that data events there may \
             be counted once for each"
        ));
    }
    note
}

fn window(bill: &Bill) -> Window {
    match bill.period.is_whole_month() {
        true => Window::Month(MonthWindow {
            month: bill.period.month().to_string(),
        }),
        false => Window::Span(SpanWindow {
            from: bill.period.from.to_string(),
            to: bill.period.to.to_string(),
        }),
    }
}
