//! Which of a trail's selectors records a class of events.
//!
//! The counts of a volumes file know the category, the event source, the resource type and whether an event reads. A
//! selector on anything else (resources.ARN, eventName, userIdentity.arn, …) cannot be decided from them: it records
//! between none and all of the events that it could record. The same holds for every selector that asks for more than the
//! category, where the counts do not even know the event source, as those of a bill.

use std::borrow::Cow;

use crate::selectors::{
    AdvancedEventSelector, COUNTED_FIELDS, Event, FieldSelector, Operator, Resource, Selectors,
    matches,
};

/// What kind of event is charged how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    Management,
    Data,
    NetworkActivity,
}

impl Category {
    pub const ALL: [Self; 3] = [Self::Management, Self::Data, Self::NetworkActivity];

    /// The value of `eventCategory`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Management => "Management",
            Self::Data => "Data",
            Self::NetworkActivity => "NetworkActivity",
        }
    }
}

/// In the place of an event source or resource type that is not known. Whether such events read is not known either.
pub const UNKNOWN: &str = "unknown";

/// Events that the volumes do not tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventClass<'v> {
    pub category: Category,
    pub source: &'v str,
    pub resource_type: Option<&'v str>,
    pub read_only: Option<bool>,
}

impl EventClass<'_> {
    /// Is there more than the category?
    pub fn is_known(&self) -> bool {
        self.source != UNKNOWN && self.resource_type != Some(UNKNOWN)
    }

    fn event(&self) -> Event<'_> {
        let resource = |kind| Resource {
            resource_type: Some(Cow::Borrowed(kind)),
            arn: None,
        };
        Event {
            category: Cow::Borrowed(self.category.as_str()),
            read_only: self.read_only,
            event_source: Some(Cow::Borrowed(self.source)),
            resources: self.resource_type.map(resource).into_iter().collect(),
            ..Event::default()
        }
    }
}

/// A selector that may record some events of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub selector: u16,
    /// It names what it wants (`Equals`, `StartsWith`, `EndsWith`), rather than only what it does not.
    pub selects: bool,
    /// It wants failed events only, and those are counted.
    pub errors_only: bool,
}

/// What a trail does with a class of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    NotRecorded,
    /// All of them, by the first selector that surely does.
    Recorded(u16),
    /// Some of them; nobody knows how many.
    Undecided(Vec<Candidate>),
}

/// A trail's selectors, each divided into what the volumes can decide and what they cannot.
#[derive(Clone, Debug)]
pub struct Prepared {
    selectors: Vec<PreparedSelector>,
}

#[derive(Clone, Debug)]
pub struct PreparedSelector {
    pub name: String,
    decidable: AdvancedEventSelector,
    /// Fields that the volumes say nothing about.
    pub undecidable: Vec<FieldSelector>,
    /// See [`AdvancedEventSelector::digest`].
    pub digest: String,
}

impl Prepared {
    pub fn new(selectors: &Selectors) -> Self {
        let advanced = selectors.to_advanced();
        let numbered = advanced.into_iter().enumerate();
        Self {
            selectors: numbered
                .map(|(index, selector)| PreparedSelector::new(index, selector))
                .collect(),
        }
    }

    pub fn selectors(&self) -> &[PreparedSelector] {
        &self.selectors
    }

    pub fn verdict(&self, class: EventClass<'_>) -> Verdict {
        if class.is_known() {
            return self.verdict_of(class);
        }
        let selectors = self.selectors.iter();
        let blind = Self {
            selectors: selectors.map(PreparedSelector::by_category).collect(),
        };
        blind.verdict_of(class)
    }

    fn verdict_of(&self, class: EventClass<'_>) -> Verdict {
        let event = class.event();
        let mut candidates = Vec::new();
        for (index, selector) in self.selectors.iter().enumerate() {
            if matches(std::slice::from_ref(&selector.decidable), &event).is_none() {
                continue;
            }
            let index = u16::try_from(index).unwrap_or(u16::MAX - 1);
            match selector.candidate(index) {
                // An event costs the same whichever selector records it, so a sure one settles the matter.
                None => return Verdict::Recorded(index),
                Some(candidate) => candidates.push(candidate),
            }
        }
        if candidates.is_empty() {
            Verdict::NotRecorded
        } else {
            Verdict::Undecided(candidates)
        }
    }

    /// Does any selector want events of the category?
    pub fn wants(&self, category: Category) -> bool {
        self.selectors.iter().any(|s| s.wants(category))
    }
}

impl PreparedSelector {
    fn new(index: usize, selector: AdvancedEventSelector) -> Self {
        let digest = selector.digest();
        let fields = selector.field_selectors.into_iter();
        let (decidable, undecidable) =
            fields.partition(|field| COUNTED_FIELDS.contains(&field.field.as_str()));
        Self {
            name: selector
                .name
                .unwrap_or_else(|| format!("selector {}", index + 1)),
            decidable: AdvancedEventSelector::new(decidable),
            undecidable,
            digest,
        }
    }

    /// The same where nothing but the category of events is known.
    pub fn by_category(&self) -> Self {
        let fields = self.decidable.field_selectors.iter().cloned();
        let (decidable, mut undecidable): (Vec<_>, Vec<_>) =
            fields.partition(|field| field.field == "eventCategory");
        undecidable.extend(self.undecidable.iter().cloned());
        Self {
            name: self.name.clone(),
            decidable: AdvancedEventSelector::new(decidable),
            undecidable,
            digest: self.digest.clone(),
        }
    }

    fn candidate(&self, selector: u16) -> Option<Candidate> {
        if self.undecidable.is_empty() {
            return None;
        }
        let mut operators = self.undecidable.iter().flat_map(FieldSelector::conditions);
        let failed = |field: &FieldSelector| {
            field.field == "errorCode" && !field.values(Operator::Equals).is_empty()
        };
        Some(Candidate {
            selector,
            selects: operators.any(|(operator, _)| operator.selects()),
            errors_only: self.undecidable.iter().any(failed),
        })
    }

    pub fn wants(&self, category: Category) -> bool {
        let of = |field: &&FieldSelector| field.field == "eventCategory";
        let mut fields = self.decidable.field_selectors.iter().filter(of);
        fields.any(|field| {
            field
                .values(Operator::Equals)
                .iter()
                .any(|v| v == category.as_str())
        })
    }

    /// The values that the selector names for a field.
    pub fn named(&self, field: &str) -> &[String] {
        let mut fields = self.decidable.field_selectors.iter();
        let found = fields.find(|selector| selector.field == field);
        found.map_or(&[], |selector| selector.values(Operator::Equals))
    }

    /// `resources.ARN, eventName`: what the volumes do not tell.
    pub fn undecidable_fields(&self) -> String {
        let names: Vec<&str> = self.undecidable.iter().map(|f| f.field.as_str()).collect();
        names.join(", ")
    }
}
