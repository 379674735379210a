//! Accounts, the organization, consents and the lock.

use std::collections::BTreeSet;

use time::Date;
use time::macros::format_description;

use super::{Checker, names, twins};
use crate::diag::Path;
use crate::model::Address;
use crate::spec::access::partition;
use crate::spec::suggest;
use crate::spec::types::{Account, Allow, AssumeRole};

impl Checker<'_> {
    pub(super) fn accounts(&mut self) {
        for (name, account) in &self.spec.accounts {
            let path = Path::of("accounts").key(name);
            self.account_id(&path.key("id"), account);
            self.region(&path.key("region"), account.region.as_deref());
            self.assume_role(&path.key("assume_role"), account);
            if account
                .profile
                .as_deref()
                .is_some_and(|profile| profile.trim().is_empty())
            {
                let help = "name a profile, or leave the key out for ambient credentials";
                self.error(
                    "profile",
                    &path.key("profile"),
                    "the profile has no name",
                    help,
                );
            }
        }
        self.same_accounts();
        self.ambient_credentials();
        self.default_regions();
        self.organization();
    }

    fn account_id(&mut self, path: &Path, account: &Account) {
        if !names::is_account_id(&account.id) {
            let message = format!("`{}` is not the id of an account", account.id);
            let help = "an account id is twelve digits, in quotes: \"111122223333\"";
            self.error("account-id", path, message, help);
        }
    }

    fn same_accounts(&mut self) {
        for (first, second) in twins(&self.spec.accounts, |_, account| &account.id) {
            let id = self.spec.account_id(second);
            let message = format!("`{first}` and `{second}` are the same account, {id}");
            let help = "keep one of the two names and use it everywhere";
            let path = |name: &str| Path::of("accounts").key(name).key("id");
            let other = (&path(first), "the other one");
            self.error_between("account-duplicate", &path(second), message, other, help);
        }
    }

    fn assume_role(&mut self, path: &Path, account: &Account) {
        let (role, role_path) = match &account.assume_role {
            None => return,
            Some(AssumeRole::Role(role)) => (role, path.clone()),
            Some(AssumeRole::Options(options)) => (&options.role, path.key("role")),
        };
        if let Some(arn) = names::Arn::parse(role) {
            if arn.service != "iam" || !arn.resource.starts_with("role/") {
                let message = format!("`{role}` is not the ARN of a role");
                let help = format!(
                    "write arn:aws:iam::{}:role/NAME, or the name alone",
                    account.id
                );
                self.error("assume-role", &role_path, message, help);
            } else if arn.account != account.id {
                let message = format!("`{role}` is a role of another account than {}", account.id);
                self.error(
                    "assume-role",
                    &role_path,
                    message,
                    "name a role of this account",
                );
            }
        } else if !names::is_role_name(role) {
            let message = format!("`{role}` is neither the name nor the ARN of a role");
            let help = format!(
                "write a name such as OrgTrailApply, or arn:aws:iam::{}:role/NAME",
                account.id
            );
            self.error("assume-role", &role_path, message, help);
        }
        let Some(AssumeRole::Options(options)) = &account.assume_role else {
            return;
        };
        if let Some(name) = options.session_name.as_deref()
            && !names::is_session_name(name)
        {
            let message = format!("`{name}` cannot be the name of a session");
            let help = "2 to 64 letters, digits and `_ + = , . @ -`";
            self.error("assume-role", &path.key("session_name"), message, help);
        }
        if let Some(id) = options.external_id.as_deref()
            && !names::is_external_id(id)
        {
            // It may come from the environment, and it is not for logs: not repeated here.
            let help = "2 to 1224 letters, digits and `_ + = , . @ : / -`";
            let path = path.key("external_id");
            self.error("assume-role", &path, "this cannot be an external id", help);
        }
    }

    /// The ambient credentials are those of one account.
    fn ambient_credentials(&mut self) {
        let accounts = self.spec.accounts.iter();
        let mut ambient = accounts
            .filter(|(_, account)| account.profile.is_none() && account.assume_role.is_none())
            .map(|(name, _)| name);
        let Some(first) = ambient.next() else {
            return;
        };
        for name in ambient {
            let message = format!(
                "`{first}` and `{name}` both use the ambient credentials, which belong to one account only"
            );
            let first = Path::of("accounts").key(first);
            let help = "give one of them `assume_role` or `profile`";
            let path = Path::of("accounts").key(name);
            self.error_between(
                "account-credentials",
                &path,
                message,
                (&first, "the other one"),
                help,
            );
        }
    }

    /// An account without a Region takes that of the others, which must then agree.
    fn default_regions(&mut self) {
        let regions = self.spec.account_regions();
        if regions.len() < 2 {
            return;
        }
        let regions = suggest::list(regions, "and");
        for (name, account) in &self.spec.accounts {
            if account.region.is_none() {
                let message =
                    format!("`{name}` has no Region, and the other accounts have {regions}");
                let path = Path::of("accounts").key(name);
                self.error("account-region", &path, message, "add `region:`");
            }
        }
    }

    fn organization(&mut self) {
        let Some(organization) = &self.spec.organization else {
            return;
        };
        let path = Path::of("organization");
        if !names::is_organization_id(&organization.id) {
            let message = format!("`{}` is not the id of an organization", organization.id);
            let help = "it looks like o-a1b2c3d4e5; `aws organizations describe-organization` prints yours";
            self.error("organization-id", &path.key("id"), message, help);
        }
        if let Some(account) = &organization.account {
            self.refers(
                &path.key("account"),
                "accounts",
                &self.spec.accounts,
                account,
            );
        }
    }

    pub(super) fn consents(&mut self) {
        let addresses = self.addresses();
        for (index, allow) in self.spec.allow.iter().enumerate() {
            self.consent(&Path::of("allow").index(index), allow, &addresses);
        }
    }

    fn consent(&mut self, path: &Path, allow: &Allow, addresses: &BTreeSet<String>) {
        if allow.reason.trim().is_empty() {
            let help = "say why the risk is acceptable; every plan that uses it prints the reason";
            self.error(
                "allow-reason",
                &path.key("reason"),
                "the reason is empty",
                help,
            );
        }
        let format = format_description!("[year]-[month]-[day]");
        match Date::parse(&allow.until, format) {
            Ok(until) if until < self.today => {
                let message = format!("the consent to {} ran out on {until}", allow.risk);
                let help = "remove it, or set a new last day if the risk is still acceptable";
                self.warning("allow-expired", &path.key("until"), message, help);
            }
            Ok(_) => {}
            Err(_) => {
                let message = format!("`{}` is not a date", allow.until);
                let help = "write the last day as YYYY-MM-DD, such as 2027-03-31";
                self.error("allow-until", &path.key("until"), message, help);
            }
        }
        if let Some(target) = &allow.target {
            self.target(&path.key("target"), target, addresses);
        }
    }

    fn target(&mut self, path: &Path, target: &str, addresses: &BTreeSet<String>) {
        if addresses.contains(target) {
            return;
        }
        let nearest = suggest::nearest(target, addresses.iter().map(String::as_str));
        let help = match nearest {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write the kind and the name, such as `trail.org` or `bucket.logs`".to_owned(),
        };
        // A consent may outlive its resource: deleting a trail is one of the risks it is for.
        if target.parse::<Address>().is_ok() {
            let message = format!("nothing in this spec is called `{target}`");
            self.warning("allow-target", path, message, help);
        } else {
            let message = format!("`{target}` does not name a resource");
            self.error("allow-target", path, message, help);
        }
    }

    fn addresses(&self) -> BTreeSet<String> {
        let spec = self.spec;
        let keys = spec.keys.keys().map(|name| format!("key.{name}"));
        let buckets = spec.buckets.keys().map(|name| format!("bucket.{name}"));
        let trails = spec.trails.keys().map(|name| format!("trail.{name}"));
        let organization = spec
            .organization
            .iter()
            .map(|_| "organization.access".to_owned());
        keys.chain(buckets)
            .chain(trails)
            .chain(organization)
            .collect()
    }

    pub(super) fn lock(&mut self) {
        if let Some(lock) = &self.spec.lock {
            let path = Path::of("lock").key("bucket");
            self.refers(&path, "buckets", &self.spec.buckets, &lock.bucket);
        }
    }

    /// What belongs together lies in one partition, because AWS keeps partitions apart.
    pub(super) fn same_partition(
        &mut self,
        path: &Path,
        what: &str,
        theirs: &str,
        ours: &str,
    ) -> bool {
        let same = partition(theirs) == partition(ours);
        if !same {
            let message =
                format!("{what} is in {theirs}, which is in another AWS partition than {ours}");
            self.error("partition", path, message, "use one in the same partition");
        }
        same
    }
}
