//! The time of a bill.

use std::fmt;
use std::str::FromStr;

use time::Date;

/// A calendar month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    first: Date,
}

/// From the first day to the day that no longer belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub from: Date,
    pub to: Date,
}

impl Month {
    pub fn of(day: Date) -> Self {
        Self {
            first: day.replace_day(1).unwrap_or(day),
        }
    }

    /// The month before that of a day, which is the last one with a whole bill.
    pub fn before(day: Date) -> Self {
        let first = Self::of(day).first;
        Self::of(first.previous_day().unwrap_or(first))
    }

    fn next(self) -> Date {
        let days = self.first.month().length(self.first.year());
        let days = time::Duration::days(i64::from(days));
        self.first.saturating_add(days)
    }

    /// The part of the month that a bill can have on a day: all of it, or as far as today.
    pub fn until(self, today: Date) -> Period {
        let tomorrow = today.next_day().unwrap_or(today);
        Period {
            from: self.first,
            to: self.next().min(tomorrow),
        }
    }
}

impl Period {
    pub fn hours(self) -> u64 {
        u64::try_from((self.to - self.from).whole_hours()).unwrap_or_default()
    }

    pub fn month(self) -> Month {
        Month::of(self.from)
    }

    pub fn is_whole_month(self) -> bool {
        self.from == self.month().first && self.to == self.month().next()
    }
}

impl FromStr for Month {
    type Err = String;

    /// `2026-10`
    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || format!("`{text}` is not a month such as 2026-10");
        let (year, month) = text
            .split_once('-')
            .filter(|_| text.len() == 7)
            .ok_or_else(fail)?;
        let month: u8 = month.parse().map_err(|_| fail())?;
        let month = time::Month::try_from(month).map_err(|_| fail())?;
        let year = year.parse().map_err(|_| fail())?;
        let first = Date::from_calendar_date(year, month, 1).map_err(|_| fail())?;
        Ok(Self { first })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04}-{:02}",
            self.first.year(),
            u8::from(self.first.month())
        )
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_whole_month() {
            true => self.month().fmt(f),
            false => write!(f, "{} to {}", self.from, self.to),
        }
    }
}
