//! The order of storage classes and the days between them.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>

use crate::finding::{Finding, PathSegment};

use super::StorageClass;

/// A move to a storage class, after days or on a day.
pub struct Step<'r> {
    pub at: Vec<PathSegment>,
    pub class: &'r StorageClass,
    pub when: i64,
}

/// The moves that an object makes, and its expiration.
pub struct Chain<'r> {
    pub steps: Vec<Step<'r>>,
    /// Days, or the day, of the expiration.
    pub end: Option<i64>,
    pub at_end: Vec<PathSegment>,
    /// Counted in dates, not in days.
    pub dated: bool,
}

impl Chain<'_> {
    pub fn check(&mut self, out: &mut Vec<Finding>) {
        // On one day warm comes before cold: the gap is what is wrong then.
        self.steps
            .sort_by(|a, b| (a.when, a.class).cmp(&(b.when, b.class)));
        for (index, step) in self.steps.iter().enumerate() {
            let earlier = self.steps.get(..index).unwrap_or_default();
            if earlier.iter().any(|other| other.class == step.class) {
                out.push(Finding::error(
                    "lifecycle-transition-duplicate",
                    step.at.clone(),
                    format!("a rule moves objects to {} once", step.class.as_str()),
                    "remove one of the two transitions",
                ));
            } else if let Some(previous) = earlier.last() {
                self.check_pair(previous, step, out);
            }
        }
        let Some(end) = self.end else {
            return;
        };
        for step in self.steps.iter().filter(|step| step.when >= end) {
            out.push(Finding::error(
                "lifecycle-expiration-before-transition",
                self.at_end.clone(),
                format!("objects expire before they move to {}", step.class.as_str()),
                "let the expiration come after every transition",
            ));
        }
    }

    fn check_pair(&self, from: &Step<'_>, to: &Step<'_>, out: &mut Vec<Finding>) {
        let (warm, cold) = (from.class.as_str(), to.class.as_str());
        if !may_follow(from.class, to.class) {
            out.push(Finding::error(
                "lifecycle-waterfall",
                to.at.clone(),
                format!("objects do not move from {warm} to {cold}"),
                "classes only get colder, and ONEZONE_IA is not followed by GLACIER_IR",
            ));
            return;
        }
        let gap = gap(from.class);
        if to.when - from.when >= gap {
            return;
        }
        // S3 counts days in rules with days; whether it compares dates is not documented.
        let finding = if self.dated {
            Finding::warning
        } else {
            Finding::error
        };
        let earliest = from.when + gap;
        out.push(finding(
            "lifecycle-transition-gap",
            to.at.clone(),
            format!("objects stay in {warm} for at least {gap} days before they move to {cold}"),
            if self.dated {
                format!("move the date {} days on", earliest - to.when)
            } else {
                format!("write days: {earliest} or more")
            },
        ));
    }

    /// The rule in which the transition ends up has no expiration, so S3 would not complain.
    pub fn check_never(&self, out: &mut Vec<Finding>) {
        let Some(end) = self.end else {
            return;
        };
        for step in self.steps.iter().filter(|step| step.when >= end) {
            out.push(Finding::warning(
                "lifecycle-transition-never",
                step.at.clone(),
                format!("objects expire before they move to {}", step.class.as_str()),
                "let the expiration come after every transition",
            ));
        }
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-expire-general-considerations.html>
    pub fn check_early_delete(&mut self, out: &mut Vec<Finding>) {
        self.steps
            .sort_by(|a, b| (a.when, a.class).cmp(&(b.when, b.class)));
        let (Some(end), Some(last)) = (self.end, self.steps.last()) else {
            return;
        };
        let least = i64::from(last.class.minimum_days());
        if last.when < end && end - last.when < least {
            out.push(Finding::warning(
                "lifecycle-early-delete",
                self.at_end.clone(),
                format!(
                    "{} is billed for at least {least} days, but objects expire after {} days in it",
                    last.class.as_str(),
                    end - last.when
                ),
                "let objects expire later, or do not move them",
            ));
        }
    }
}

fn may_follow(from: &StorageClass, to: &StorageClass) -> bool {
    match (from, to) {
        (StorageClass::Other(_), _) | (_, StorageClass::Other(_)) => true,
        (StorageClass::OnezoneIa, StorageClass::GlacierIr) => false,
        // The order of the variants is that of the waterfall.
        _ => from < to,
    }
}

/// Days that S3 wants between a move to this class and the next one. The 180 days of DEEP_ARCHIVE are no gap, as
/// nothing follows it.
fn gap(class: &StorageClass) -> i64 {
    match class {
        StorageClass::Other(_) => 0,
        known => i64::from(known.minimum_days().max(1)),
    }
}
