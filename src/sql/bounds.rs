//! What one query reads: accounts, Regions and days; and a whole month of an organization in several queries.

use time::{Date, Duration};

use super::event::place;
use super::table::Table;
use super::text::literals;

/// Regions of a table that does not name them; there are fewer.
const MANY_REGIONS: u64 = 40;
/// More ids make the text of a query long.
const MAX_ACCOUNTS: u64 = 1000;

/// Empty lists are no bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub accounts: Vec<String>,
    pub regions: Vec<String>,
    pub from: Date,
    /// The first day that no longer belongs to it.
    pub to: Date,
}

/// How large one query may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSize {
    pub days: u16,
    /// Athena reads at most a million in one query.
    /// <https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>
    pub partitions: u64,
}

impl Default for ChunkSize {
    fn default() -> Self {
        Self {
            days: 7,
            partitions: 1_000_000,
        }
    }
}

impl Bounds {
    pub fn days(&self) -> u64 {
        u64::try_from((self.to - self.from).whole_days()).unwrap_or_default()
    }

    /// The condition on the rows. Partition columns come first: Athena reads nothing else.
    pub fn filter(&self, table: &Table) -> String {
        let partitions = &table.partitions;
        let last = self.to.previous_day().unwrap_or(self.to);
        let mut parts = vec![partitions.days(self.from, last)];
        let places = [
            (&self.accounts, &partitions.account, "recipientAccountId"),
            (&self.regions, &partitions.region, "awsRegion"),
        ];
        for (values, partition, field) in places {
            if values.is_empty() {
                continue;
            }
            match partition {
                Some(partition) => parts.push(partition.one_of(values)),
                None => parts.extend(
                    place(&table.columns, field, None)
                        .map(|own| format!("{own} IN ({})", literals(values))),
                ),
            }
        }
        parts.join("\n    AND ")
    }

    /// Folders that Athena looks into.
    pub fn partitions(&self, table: &Table) -> u64 {
        let regions = match (&table.partitions.region, self.regions.len()) {
            (None, _) => 1,
            (Some(region), 0) if region.values.is_empty() => MANY_REGIONS,
            (Some(region), 0) => region.values.len() as u64,
            (Some(_), named) => named as u64,
        };
        let accounts = match &table.partitions.account {
            None => 1,
            Some(_) => (self.accounts.len() as u64).max(1),
        };
        self.days().saturating_mul(regions).saturating_mul(accounts)
    }
}

/// The whole in parts that one query each can read: some days of some accounts.
pub fn chunks(table: &Table, whole: &Bounds, size: ChunkSize) -> Vec<Bounds> {
    let mut chunks = Vec::new();
    let mut from = whole.from;
    while from < whole.to {
        let next = from.checked_add(Duration::days(i64::from(size.days.max(1))));
        let to = next.map_or(whole.to, |next| next.min(whole.to));
        let days = Bounds {
            from,
            to,
            ..whole.clone()
        };
        chunks.extend(by_accounts(table, &days, size));
        from = to;
    }
    chunks
}

fn by_accounts(table: &Table, days: &Bounds, size: ChunkSize) -> Vec<Bounds> {
    // Without a column of their own, accounts are read all at once.
    if days.accounts.is_empty() || table.partitions.account.is_none() {
        return vec![days.clone()];
    }
    let alone = Bounds {
        accounts: Vec::new(),
        ..days.clone()
    };
    let fit = size.partitions / alone.partitions(table).max(1);
    let fit = usize::try_from(fit.clamp(1, MAX_ACCOUNTS)).unwrap_or(1);
    let groups = days.accounts.chunks(fit);
    groups
        .map(|accounts| Bounds {
            accounts: accounts.to_vec(),
            ..days.clone()
        })
        .collect()
}
