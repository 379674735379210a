//! Exact numbers. Quantities and money are decimals; nothing here is ever a float.
//!
//! Arithmetic saturates at the largest decimal (7.9e28) instead of failing, so that absurd volumes give absurd amounts,
//! but never a panic and never a smaller amount than a smaller volume.

use std::iter::Sum;
use std::ops::Add;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize};

/// Decimal places that amounts are kept to: a ten-billionth of a dollar, the price of 1/3000 of a data event. Sums of
/// amounts are exact, so parts add up to their total to the last digit.
const MONEY_PLACES: u32 = 10;

pub fn add(a: Decimal, b: Decimal) -> Decimal {
    a.checked_add(b).unwrap_or(Decimal::MAX)
}

/// `a - b`, or zero when `b` is larger.
pub fn less(a: Decimal, b: Decimal) -> Decimal {
    a.checked_sub(b)
        .filter(|difference| !difference.is_sign_negative())
        .unwrap_or(Decimal::ZERO)
}

/// `a - b`, also below zero.
pub fn signed_difference(a: Decimal, b: Decimal) -> Decimal {
    a.checked_sub(b).unwrap_or(Decimal::MAX)
}

pub fn mul(a: Decimal, b: Decimal) -> Decimal {
    a.checked_mul(b).unwrap_or(Decimal::MAX)
}

/// `a / b`; zero when there is nothing to divide by.
pub fn div(a: Decimal, b: Decimal) -> Decimal {
    if b.is_zero() {
        return Decimal::ZERO;
    }
    a.checked_div(b).unwrap_or(Decimal::MAX)
}

/// An amount of money as it is kept and summed.
pub fn money(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(MONEY_PLACES, RoundingStrategy::MidpointAwayFromZero)
}

/// A count as a decimal.
pub fn count(count: u128) -> Decimal {
    i128::try_from(count)
        .ok()
        .and_then(|count| Decimal::try_from_i128_with_scale(count, 0).ok())
        .unwrap_or(Decimal::MAX)
}

/// A decimal from a whole number.
pub fn whole(number: u64) -> Decimal {
    Decimal::from(number)
}

/// A number as text, as JSON and YAML write them; `2e-05` included.
pub fn parse(text: &str) -> Option<Decimal> {
    let text = text.trim();
    text.parse()
        .ok()
        .or_else(|| Decimal::from_scientific(text).ok())
}

/// What may happen at least, what is expected, what may happen at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Range {
    pub low: Decimal,
    pub expected: Decimal,
    pub high: Decimal,
}

impl Range {
    pub const ZERO: Self = Self {
        low: Decimal::ZERO,
        expected: Decimal::ZERO,
        high: Decimal::ZERO,
    };

    pub fn exactly(value: Decimal) -> Self {
        Self {
            low: value,
            expected: value,
            high: value,
        }
    }

    /// Nothing is expected, but up to `high` is possible.
    pub fn up_to(high: Decimal) -> Self {
        Self { high, ..Self::ZERO }
    }

    pub fn map(self, f: impl Fn(Decimal) -> Decimal) -> Self {
        Self {
            low: f(self.low),
            expected: f(self.expected),
            high: f(self.high),
        }
    }

    pub fn zip(self, other: Self, f: impl Fn(Decimal, Decimal) -> Decimal) -> Self {
        Self {
            low: f(self.low, other.low),
            expected: f(self.expected, other.expected),
            high: f(self.high, other.high),
        }
    }

    /// The three cases, low to high.
    pub fn cases(self) -> [Decimal; 3] {
        [self.low, self.expected, self.high]
    }

    pub fn from_cases([low, expected, high]: [Decimal; 3]) -> Self {
        Self {
            low,
            expected,
            high,
        }
    }

    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    pub fn is_exact(self) -> bool {
        self.low == self.expected && self.expected == self.high
    }
}

impl Add for Range {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.zip(other, add)
    }
}

impl Sum for Range {
    fn sum<I: Iterator<Item = Self>>(ranges: I) -> Self {
        ranges.fold(Self::ZERO, Add::add)
    }
}

/// Reads a decimal from a number or from text, without a detour over a float that would add digits.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    Written::deserialize(deserializer)?.decimal()
}

/// Like [`deserialize`], for a member that may be absent or null.
pub fn deserialize_optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Decimal>, D::Error> {
    let written = Option::<Written>::deserialize(deserializer)?;
    written.map(Written::decimal).transpose()
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(serde_json::Number),
    Text(String),
}

impl Written {
    fn decimal<E: serde::de::Error>(self) -> Result<Decimal, E> {
        let text = match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        };
        parse(&text).ok_or_else(|| E::custom(format!("`{text}` is not a number")))
    }
}

/// `1234567.5` as `1,234,567.5`.
pub fn grouped(number: Decimal) -> String {
    let text = number.normalize().to_string();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.as_str()),
    };
    let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut out = String::from(sign);
    for (index, digit) in integer.chars().enumerate() {
        if index > 0 && (integer.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}
