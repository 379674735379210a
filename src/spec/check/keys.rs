//! KMS keys.

use super::{Checker, names, twins};
use crate::diag::Path;
use crate::spec::types::Key;

impl Checker<'_> {
    pub(super) fn keys(&mut self) {
        for (name, key) in &self.spec.keys {
            let path = Path::of("keys").key(name);
            self.refers(
                &path.key("account"),
                "accounts",
                &self.spec.accounts,
                &key.account,
            );
            self.region(&path.key("region"), key.region.as_deref());
            self.alias(&path.key("alias"), &key.alias);
            self.rotation(&path.key("rotation_days"), key.rotation_days);
            self.readers(&path.key("readers"), name, key);
            self.tags(&path.key("tags"), &key.tags, true);
        }
        self.same_keys();
    }

    fn alias(&mut self, path: &Path, alias: &str) {
        if let Some(rule) = names::alias(alias) {
            let message = format!("`{alias}` cannot be an alias");
            self.error("key-alias", path, message, format!("an alias {rule}"));
        } else if alias.starts_with("aws") {
            let message = format!("the alias `{alias}` begins with `aws`");
            let help = "AWS reserves aliases that begin so and may refuse it; choose another";
            self.warning("key-alias-reserved", path, message, help);
        }
    }

    /// <https://docs.aws.amazon.com/kms/latest/developerguide/rotating-keys-enable-disable.html>
    fn rotation(&mut self, path: &Path, days: u32) {
        if days != 0 && !(90..=2560).contains(&days) {
            let message = format!("a key cannot rotate every {days} days");
            let help = "write 90 to 2560 days, or 0 to turn rotation off";
            self.error("key-rotation", path, message, help);
        }
    }

    fn readers(&mut self, path: &Path, name: &str, key: &Key) {
        let region = self.spec.region_of_key(name).unwrap_or_default();
        let form = "the ARN of a role or user, such as arn:aws:iam::111122223333:role/siem";
        for (index, reader) in key.readers.iter().enumerate() {
            let path = path.index(index);
            let Some(arn) = self.arn("key-reader", &path, reader, region, form) else {
                continue;
            };
            let principal = match arn.service {
                "iam" => arn.resource == "root" || has_kind(arn.resource, &["role/", "user/"]),
                "sts" => has_kind(arn.resource, &["assumed-role/", "federated-user/"]),
                _ => false,
            };
            if !principal || !names::is_account_id(arn.account) {
                let message = format!("`{reader}` cannot read: it is not a principal");
                self.error("key-reader", &path, message, format!("write {form}"));
            } else if reader.contains(['*', '?']) {
                let message = format!(
                    "`{reader}` has a wildcard, which key policies do not expand in principals"
                );
                self.error("key-reader", &path, message, "name each role or user");
            }
        }
    }

    fn same_keys(&mut self) {
        let spec = self.spec;
        for (first, second) in twins(&spec.keys, |name, key| {
            (&key.account, &key.alias, spec.region_of_key(name))
        }) {
            let message =
                format!("`{first}` and `{second}` are the same key: one alias, account and Region");
            let path = |name: &str| Path::of("keys").key(name).key("alias");
            self.twice("key-duplicate", &path(second), &message, &path(first));
        }
    }
}

fn has_kind(resource: &str, kinds: &[&str]) -> bool {
    kinds.iter().any(|kind| {
        let rest = resource.strip_prefix(kind);
        rest.is_some_and(|name| !name.is_empty())
    })
}
