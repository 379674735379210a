//! What the volumes know about the selectors of the trails.

use std::collections::{BTreeMap, BTreeSet};

use super::recorded::{Category, PreparedSelector, UNKNOWN};
use super::trails::TrailView;
use super::volumes::{RegionVolumes, Volumes};
use crate::selectors::AdvancedEventSelector;

/// By trail and selector.
pub struct Known {
    counted: Vec<Vec<bool>>,
    measured: Vec<Vec<bool>>,
}

impl Known {
    pub fn new(trails: &[TrailView], volumes: &Volumes) -> Self {
        let (types, sources) = (volumes.data_types(), volumes.network_sources());
        let by_selector = by_selector(volumes);
        let counted = |selector: &PreparedSelector| {
            let (known, named) = if selector.wants(Category::Data) {
                (&types, selector.named("resources.type"))
            } else if selector.wants(Category::NetworkActivity) {
                (&sources, selector.named("eventSource"))
            } else {
                return true;
            };
            // Events of an unknown kind were counted, whatever they are.
            named.is_empty()
                || known.contains(UNKNOWN)
                || named.iter().any(|name| known.contains(name.as_str()))
        };
        let measured = |view: &TrailView, selector: &PreparedSelector| {
            let trail = view.name.as_deref().unwrap_or_default();
            by_selector.contains(&(trail, selector.name.as_str()))
                && volumes.is_defined_as(trail, selector)
        };
        let all = |of: &dyn Fn(&TrailView, &PreparedSelector) -> bool| {
            let by_trail = trails.iter().map(|view| {
                let selectors = view.prepared.selectors().iter();
                selectors.map(|selector| of(view, selector)).collect()
            });
            by_trail.collect()
        };
        Self {
            counted: all(&|_, selector| counted(selector)),
            measured: all(&measured),
        }
    }

    /// Is the resource type or event source that the selector names in the volumes anywhere? If not, nobody counted it,
    /// so it is unknown rather than zero.
    pub fn is_counted(&self, trail: usize, selector: usize) -> bool {
        self.counted
            .get(trail)
            .and_then(|selectors| selectors.get(selector))
            != Some(&false)
    }

    pub fn is_all_counted(&self) -> bool {
        self.counted.iter().flatten().all(|counted| *counted)
    }

    /// The selectors of a trail whose own events were counted somewhere. Where they were not counted then, there were
    /// none.
    pub fn measured(&self, trail: usize) -> &[bool] {
        self.measured.get(trail).map_or(&[], Vec::as_slice)
    }
}

impl Volumes {
    /// Says which selector the counts under a name are of, if there are any.
    pub fn define(&mut self, trail: &str, name: &str, selector: &AdvancedEventSelector) {
        let mut regions = self.accounts.values().flat_map(BTreeMap::values);
        let counted = |region: &RegionVolumes| {
            let names = region.selectors.get(trail);
            names.is_some_and(|names| names.contains_key(name))
        };
        if regions.any(counted) {
            let names = self.definitions.entry(trail.to_owned()).or_default();
            names.insert(name.to_owned(), selector.digest());
        }
    }

    /// Whether the counts under the name of a selector are of this selector, as far as the volumes say.
    fn is_defined_as(&self, trail: &str, selector: &PreparedSelector) -> bool {
        let counted = self
            .definitions
            .get(trail)
            .and_then(|names| names.get(&selector.name));
        counted.is_none_or(|digest| *digest == selector.digest)
    }
}

fn by_selector(volumes: &Volumes) -> BTreeSet<(&str, &str)> {
    let regions = volumes.accounts.values().flat_map(BTreeMap::values);
    regions
        .flat_map(|region| region.selectors.iter())
        .flat_map(|(trail, names)| names.keys().map(move |name| (trail, name)))
        .collect()
}
