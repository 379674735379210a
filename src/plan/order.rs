//! Puts actions in an order in which each comes after what it needs.

use std::collections::BTreeSet;

use super::Action;
use crate::model::Address;

/// Keeps the given order where needs leave it open. Needs without an action are met already. The spec's references
/// cannot form a circle; should one come from a plan file all the same, its actions stay in their given order.
pub fn order(mut actions: Vec<Action>) -> Vec<Action> {
    let mut ordered: Vec<Action> = Vec::with_capacity(actions.len());
    while !actions.is_empty() {
        let open: BTreeSet<Address> = actions
            .iter()
            .map(|action| action.address.clone())
            .collect();
        let ready = actions.iter().position(|action| {
            let mut needs = action.needs.iter();
            !needs.any(|need| *need != action.address && open.contains(need))
        });
        ordered.push(actions.remove(ready.unwrap_or(0)));
    }
    ordered
}
