//! The copy ledger: who pays for which copy of the management events, and what is saved without it.
//!
//! The first copy in each account and Region is free, over all trails that record it. A trail that records reads and
//! one that records writes make one free copy together.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-trail-manage-costs.html>

use rust_decimal::Decimal;
use serde::Serialize;

use super::book::{PriceBook, PriceId};
use super::copies::OfSelector;
use super::number::{add, money};
use super::tally::Tally;
use super::trails::TrailView;
use super::volumes::Volumes;

/// Copies of management events by trail, and by account and Region.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ledger {
    /// That of the free copy first.
    pub trails: Vec<TrailCopies>,
    /// One for each account, Region and trail, so left out of JSON.
    #[serde(skip)]
    pub copies: Vec<PlaceCopies>,
    /// USD a month for further copies, of all trails; `None` where a price is unknown.
    pub paid: Option<Decimal>,
}

/// What a trail records of management events everywhere, in expected events a month.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrailCopies {
    /// `trail.org`, or the name of a trail that the spec does not own.
    pub trail: String,
    pub ours: bool,
    /// Events whose free copy this trail makes.
    pub free_events: Decimal,
    pub paid_events: Decimal,
    /// USD a month for the paid copies, billed to the accounts in which the events happen.
    pub pays: Option<Decimal>,
    /// USD a month that all trails together would cost less without this one.
    pub removing_saves: Option<Decimal>,
    /// Events that no other trail records.
    pub only_here: Decimal,
    /// The part of the free and of the paid copies that is of kms.amazonaws.com.
    pub kms_free_events: Decimal,
    pub kms_paid_events: Decimal,
    /// By selector.
    pub data: Vec<SelectorCopies>,
}

/// Data events that a selector surely records, expected in a month. Each of them is charged in every trail.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SelectorCopies {
    pub events: Decimal,
    pub reads: Decimal,
    /// Those that a trail before this one records as well.
    pub again: Decimal,
}

/// The copies that a trail makes in one account and Region.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PlaceCopies {
    /// Index in [`Ledger::trails`].
    pub trail: u16,
    /// Index in the estimate's places.
    pub place: u32,
    pub free_events: Decimal,
    /// Billed to the account of the place.
    pub paid_events: Decimal,
    pub pays: Option<Decimal>,
    pub removing_saves: Option<Decimal>,
}

pub(super) fn ledger(
    trails: &[TrailView],
    tally: &Tally<'_>,
    volumes: &Volumes,
    book: &PriceBook,
) -> Ledger {
    let price = |id: Option<PriceId>| id.and_then(|id| book.get(id));
    let cost = |id: Option<PriceId>, events: u128| {
        // Nothing to pay is nothing, also where no price is known.
        if events == 0 {
            return Some(Decimal::ZERO);
        }
        price(id).map(|price| price.cost(volumes.to_month(events)))
    };
    let copies: Vec<PlaceCopies> = tally
        .copies
        .by_place
        .iter()
        .map(|copy| PlaceCopies {
            trail: copy.trail,
            place: copy.place,
            free_events: volumes.to_month(copy.free),
            paid_events: volumes.to_month(copy.paid),
            pays: cost(copy.price, copy.paid),
            removing_saves: cost(copy.price, copy.saved_without),
        })
        .collect();
    let mut sums: Vec<Sums> = vec![Sums::default(); trails.len()];
    for copy in &copies {
        if let Some(sums) = sums.get_mut(usize::from(copy.trail)) {
            sums.pays = sum(sums.pays, copy.pays);
            sums.saves = sum(sums.saves, copy.removing_saves);
        }
    }
    let rows = trails.iter().zip(&tally.copies.by_trail).zip(&sums);
    let rows = rows.map(|((view, of), sums)| TrailCopies {
        trail: view.address.clone(),
        ours: view.is_ours(),
        free_events: volumes.to_month(of.free),
        paid_events: volumes.to_month(of.paid),
        pays: sums.pays,
        removing_saves: sums.saves,
        only_here: volumes.to_month(of.only_here),
        kms_free_events: volumes.to_month(of.kms_free),
        kms_paid_events: volumes.to_month(of.kms_paid),
        data: of
            .data
            .iter()
            .map(|of| selector_copies(of, volumes))
            .collect(),
    });
    let rows: Vec<TrailCopies> = rows.collect();
    Ledger {
        paid: rows
            .iter()
            .try_fold(Decimal::ZERO, |paid, row| sum(Some(paid), row.pays)),
        trails: rows,
        copies,
    }
}

fn selector_copies(of: &OfSelector, volumes: &Volumes) -> SelectorCopies {
    SelectorCopies {
        events: volumes.to_month(of.events),
        reads: volumes.to_month(of.reads),
        again: volumes.to_month(of.again),
    }
}

#[derive(Clone, Copy)]
struct Sums {
    pays: Option<Decimal>,
    saves: Option<Decimal>,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            pays: Some(Decimal::ZERO),
            saves: Some(Decimal::ZERO),
        }
    }
}

fn sum(a: Option<Decimal>, b: Option<Decimal>) -> Option<Decimal> {
    Some(money(add(a?, b?)))
}
