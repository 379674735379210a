//! Every rule that can be known without asking AWS, each with a stable code and with what to write instead.

mod accounts;
mod buckets;
mod keys;
mod names;
mod retention;
mod selectors;
mod trails;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use time::Date;

use crate::diag::{Diagnostic, Path};
use crate::model::OWNER_TAG;

use super::access::partition;
use super::sources::Sources;
use super::suggest;
use super::types::{Spec, Tags};

/// Checks a spec. `today` decides which consents have run out.
pub fn check(spec: &Spec, sources: &Sources, today: Date) -> Vec<Diagnostic> {
    let mut checker = Checker {
        spec,
        sources,
        today,
        out: Vec::new(),
    };
    checker.names();
    checker.accounts();
    checker.keys();
    checker.buckets();
    checker.trails();
    checker.consents();
    checker.lock();
    checker.out
}

struct Checker<'a> {
    spec: &'a Spec,
    sources: &'a Sources,
    today: Date,
    out: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn error(
        &mut self,
        code: &'static str,
        path: &Path,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> &mut Diagnostic {
        self.push(Diagnostic::error(code, path.clone(), message).help(help))
    }

    fn warning(
        &mut self,
        code: &'static str,
        path: &Path,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> &mut Diagnostic {
        self.push(Diagnostic::warning(code, path.clone(), message).help(help))
    }

    fn push(&mut self, diagnostic: Diagnostic) -> &mut Diagnostic {
        let location = self.sources.locate(&diagnostic.path);
        self.out.push(diagnostic.at(location));
        let last = self.out.len() - 1;
        &mut self.out[last]
    }

    /// The problem lies between two places.
    fn error_between(
        &mut self,
        code: &'static str,
        path: &Path,
        message: impl Into<String>,
        other: (&Path, &str),
        help: impl Into<String>,
    ) {
        let related = self.sources.locate(other.0);
        let diagnostic = Diagnostic::error(code, path.clone(), message);
        self.push(diagnostic.help(help).related(related, other.1));
    }

    /// Two resources that would be the same one in AWS.
    fn twice(&mut self, code: &'static str, path: &Path, what: &str, first: &Path) {
        let help = "a resource has one place in a spec: remove one of the two, or rename it";
        self.error_between(code, path, what, (first, "the other one"), help);
    }

    /// Whether `name` is in the section that the key at `path` refers to.
    fn refers<T>(
        &mut self,
        path: &Path,
        section: &str,
        known: &BTreeMap<String, T>,
        name: &str,
    ) -> bool {
        if known.contains_key(name) {
            return true;
        }
        let help = match suggest::nearest(name, known.keys().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.is_empty() => format!("add `{name}` to `{section}`"),
            None => {
                let more = known.len().saturating_sub(MAX_NAMES);
                let names = known.keys().take(MAX_NAMES).map(String::as_str);
                let names = match more {
                    0 => suggest::list(names, "and"),
                    more => suggest::list(names.chain([format!("{more} more").as_str()]), "and"),
                };
                format!("add it to `{section}`, or use one that is there: {names}")
            }
        };
        let message = format!("`{name}` is not in `{section}`");
        self.error("unknown-reference", path, message, help);
        false
    }

    /// Names become parts of addresses such as `trail.org`, which people type.
    fn names(&mut self) {
        let spec = self.spec;
        self.spec_name();
        self.tags(&Path::of("tags"), &spec.tags, false);
        let sections = [
            ("accounts", spec.accounts.keys().collect::<Vec<_>>()),
            ("keys", spec.keys.keys().collect()),
            ("buckets", spec.buckets.keys().collect()),
            ("trails", spec.trails.keys().collect()),
        ];
        for (section, names) in sections {
            for name in names {
                if !names::is_spec_name(name) {
                    let path = Path::of(section).key(name);
                    let message = format!("`{name}` cannot be a name in `{section}`");
                    let help =
                        "use letters, digits, `-`, `_` and `.`, and begin with a letter or digit";
                    let at = self.sources.locate_key(&path);
                    self.error("name", &path, message, help).location = at;
                }
            }
        }
    }

    fn spec_name(&mut self) {
        let path = Path::of("name");
        if let Some(problem) = names::tag_value(&self.spec.name) {
            let message =
                format!("the name of the spec is the value of the tag {OWNER_TAG}, {problem}");
            self.error("spec-name", &path, message, names::TAG_CHARACTERS);
        } else if self.spec.name.trim().is_empty() {
            let help = "name the owner of these resources, such as `acme-audit`";
            self.error("spec-name", &path, "the name of the spec is empty", help);
        } else if !is_file_name(&self.spec.name) {
            // It names a folder of journals and the object that is the lock.
            let message = format!("`{}` cannot be the name of a spec", self.spec.name);
            let help = "use letters, digits, `-`, `_` and `.`, and begin with a letter or digit";
            self.error("spec-name", &path, message, help);
        }
    }

    /// Limits of tags: <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>
    fn tags(&mut self, path: &Path, own: &Tags, resource: bool) {
        for (key, value) in own {
            let path = path.key(key);
            if key.to_lowercase().starts_with("aws:") {
                let message = format!("the tag `{key}` begins with `aws:`");
                self.error(
                    "tag-reserved",
                    &path,
                    message,
                    "AWS keeps that prefix for itself; rename the tag",
                );
            } else if key.starts_with("orgtrail:") {
                let message = format!("the tag `{key}` begins with `orgtrail:`");
                let help = "orgtrail marks with such tags what a spec owns; rename the tag";
                self.error("tag-reserved", &path, message, help);
            }
            if let Some(problem) = names::tag_key(key) {
                let message = format!("the key of the tag `{key}` {problem}");
                self.error("tag", &path, message, names::TAG_CHARACTERS);
            }
            if let Some(problem) = names::tag_value(value) {
                let message = format!("the value of the tag `{key}` {problem}");
                self.error("tag", &path, message, names::TAG_CHARACTERS);
            }
        }
        let inherited = self.spec.tags.keys().filter(|key| !own.contains_key(*key));
        let count = own.len() + 1 + if resource { inherited.count() } else { 0 };
        if count > MAX_TAGS {
            let message = format!(
                "{count} tags, with those of the spec and orgtrail's own; AWS allows {MAX_TAGS} for a resource"
            );
            self.error("tag-count", path, message, "remove some");
        }
    }

    fn region(&mut self, path: &Path, region: Option<&str>) {
        let Some(region) = region else {
            return;
        };
        if !names::is_region(region) {
            let message = format!("`{region}` is not the name of a Region");
            let help = "write it as AWS does, such as us-east-1 or eu-central-1";
            self.error("region", path, message, help);
        }
    }

    /// An ARN of a service, in the partition of a Region.
    fn arn<'a>(
        &mut self,
        code: &'static str,
        path: &Path,
        text: &'a str,
        region: &str,
        form: &str,
    ) -> Option<names::Arn<'a>> {
        let Some(arn) = names::Arn::parse(text) else {
            let message = format!("`{text}` is not an ARN");
            self.error(code, path, message, format!("write {form}"));
            return None;
        };
        let partition = partition(region);
        if arn.partition != partition {
            let message = format!(
                "`{text}` is in the partition {}, not in {partition}",
                arn.partition
            );
            let help = format!("{region} belongs to {partition}: write {form}");
            self.error(code, path, message, help);
            return None;
        }
        Some(arn)
    }
}

const MAX_TAGS: usize = 50;
/// Names that a message lists at most.
const MAX_NAMES: usize = 12;

/// Pairs of entries that mean the same by `identity`: the first of them and each later one.
fn twins<'m, T, I: Ord>(
    map: &'m BTreeMap<String, T>,
    identity: impl Fn(&'m str, &'m T) -> I,
) -> Vec<(&'m str, &'m str)> {
    let mut first = BTreeMap::new();
    let mut twins = Vec::new();
    for (name, entry) in map {
        match first.entry(identity(name, entry)) {
            Entry::Vacant(slot) => {
                slot.insert(name.as_str());
            }
            Entry::Occupied(slot) => twins.push((*slot.get(), name.as_str())),
        }
    }
    twins
}

fn is_file_name(name: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(inside)
}
