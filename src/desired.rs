//! From the spec to the resources it asks for, through the kinds.

use crate::diag::Path;
use crate::kinds;
use crate::plan::Wish;
use crate::spec::{Sources, Spec};

pub fn wishes(spec: &Spec, sources: &Sources) -> Vec<Wish> {
    let kinds = kinds::ALL.iter();
    kinds
        .flat_map(|kind| kind.desired(spec))
        .map(|(address, resource)| Wish {
            origin: origin(&address.kind, &address.name, sources),
            address,
            resource,
        })
        .collect()
}

fn origin(kind: &str, name: &str, sources: &Sources) -> Option<String> {
    let path = match kind {
        "organization" => Path::of("organization"),
        kind => Path::of(&format!("{kind}s")).key(name),
    };
    sources.locate(&path).map(|location| location.to_string())
}
