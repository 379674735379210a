//! Decimal numbers of a report: read exactly, added exactly, rounded only where they are shown.

use super::report::Number;

/// Digits after the point that are kept. A price per byte-hour needs no more.
const SCALE: u32 = 12;
const ONE: i128 = 10_i128.pow(SCALE);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i128);

impl Amount {
    pub const ZERO: Self = Self(0);

    /// `None` for what is not a plain decimal number.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let whole = whole.parse::<i128>().ok()?.checked_mul(ONE)?;
        let number = whole.checked_add(Self::fraction(fraction)?)?;
        Some(Self(if negative { -number } else { number }))
    }

    /// The digits after the point; digits that are too small to keep round half up.
    fn fraction(digits: &str) -> Option<i128> {
        let kept = digits.get(..digits.len().min(SCALE as usize))?;
        let rest = digits.get(kept.len()..)?;
        let padded = format!("{kept:0<width$}", width = SCALE as usize);
        let up = rest.as_bytes().first().is_some_and(|digit| *digit >= b'5');
        Some(padded.parse::<i128>().ok()? + i128::from(up))
    }

    /// Zero for what is no number: sums must not fail in a renderer, and the engine writes numbers only.
    pub fn of(number: &Number) -> Self {
        Self::parse(number).unwrap_or_default()
    }

    pub fn sum<'a>(numbers: impl IntoIterator<Item = &'a Number>) -> Self {
        let amounts = numbers.into_iter().map(Self::of);
        amounts.fold(Self::ZERO, Self::plus)
    }

    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    pub fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Divided by a whole number, e.g. the hours of a month.
    pub fn per(self, count: i128) -> Self {
        Self(divide(self.0, count.max(1)))
    }

    /// For lengths in a chart; never for a figure that is read.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a length needs no more than 52 bits"
    )]
    pub fn approximately(self) -> f64 {
        self.0 as f64 / ONE as f64
    }

    /// `-1234.5`: exact, for programs.
    pub fn exact(self) -> String {
        let text = self.rounded(SCALE);
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    }

    /// With as many digits after the point, half away from zero: `-1234.50`.
    pub fn rounded(self, places: u32) -> String {
        let unit = 10_i128.pow(SCALE - places.min(SCALE));
        let number = divide(self.0.abs(), unit);
        let one = 10_i128.pow(places.min(SCALE));
        let sign = if self.0 < 0 && number != 0 { "-" } else { "" };
        let whole = number / one;
        match places {
            0 => format!("{sign}{whole}"),
            _ => format!(
                "{sign}{whole}.{:0width$}",
                number % one,
                width = places as usize
            ),
        }
    }

    /// `-1,234.50`
    pub fn grouped(self, places: u32) -> String {
        let text = self.rounded(places);
        let (sign, text) = match text.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", text.as_str()),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut out = String::from(sign);
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
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

    /// For the marks of an axis: `20k`, `1.5M`.
    pub fn compact(self) -> String {
        let units = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
        let unit = units
            .into_iter()
            .find(|(unit, _)| self.abs() >= Self(unit * ONE));
        match unit {
            Some((unit, letter)) => format!("{}{letter}", Self(divide(self.0, unit)).quantity()),
            None => self.quantity(),
        }
    }

    /// A quantity: whole from 1,000 on, else with the digits that say something.
    pub fn quantity(self) -> String {
        let small = self.abs() < Self(1000 * ONE) && self.0 % ONE != 0;
        if !small {
            return self.grouped(0);
        }
        let places = match self.abs() < Self(ONE) {
            true => 4,
            false => 2,
        };
        let text = self.grouped(places);
        match text.trim_end_matches('0').trim_end_matches('.') {
            "0" => "<0.0001".to_owned(),
            text => text.to_owned(),
        }
    }
}

fn divide(number: i128, by: i128) -> i128 {
    let half = if number < 0 { -by / 2 } else { by / 2 };
    number.saturating_add(half) / by
}

/// How money is written.
#[derive(Clone, Copy, Debug)]
pub struct Money<'a> {
    currency: &'a str,
}

impl<'a> Money<'a> {
    pub const fn new(currency: &'a str) -> Self {
        Self { currency }
    }

    fn symbol(self) -> String {
        match self.currency {
            "USD" | "" => "$".to_owned(),
            "CNY" => "¥".to_owned(),
            code => format!("{code} "),
        }
    }

    /// `$1,234.50`, `-$3.00`, and `<$0.01` for what would round to nothing.
    pub fn show(self, amount: Amount) -> String {
        self.write(amount, if amount.is_negative() { "-" } else { "" }, 2)
    }

    /// `+$41.00`, `-$3.00`
    pub fn change(self, amount: Amount) -> String {
        self.write(amount, sign(amount), 2)
    }

    /// For a headline: no cents where there are none or nobody minds: `$41`, `$12.34`, `$1,234`.
    pub fn brief(self, amount: Amount) -> String {
        let whole = amount.0 % ONE == 0 || amount.abs() >= Amount(100 * ONE);
        let sign = if amount.is_negative() { "-" } else { "" };
        self.write(amount, sign, if whole { 0 } else { 2 })
    }

    /// For the marks of an axis: `$20k`.
    pub fn compact(self, amount: Amount) -> String {
        format!("{}{}", self.symbol(), amount.compact())
    }

    fn write(self, amount: Amount, sign: &str, places: u32) -> String {
        let symbol = self.symbol();
        let size = amount.abs();
        if !size.is_zero() && size < Amount(ONE / 200) {
            return format!("{sign}<{symbol}0.01");
        }
        format!("{sign}{symbol}{}", size.grouped(places))
    }
}

pub fn sign(amount: Amount) -> &'static str {
    match amount {
        amount if amount.is_zero() => "",
        amount if amount.is_negative() => "-",
        _ => "+",
    }
}

/// `+12 %`, `-3.5 %`
pub fn percent(number: &Number) -> String {
    let amount = Amount::of(number);
    let text = amount.abs().grouped(1);
    let text = text.strip_suffix(".0").unwrap_or(&text);
    format!("{}{text} %", sign(amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::parse(text).unwrap()
    }

    #[test]
    fn reads_plain_decimals_only() {
        assert_eq!(amount("12.50").exact(), "12.5");
        assert_eq!(amount("-0.0000000000015").exact(), "-0.000000000002");
        assert_eq!(amount("79228162514264").exact(), "79228162514264");
        for text in [
            "",
            "-",
            "1e3",
            "1.2.3",
            "NaN",
            ".5",
            "12 ",
            "9".repeat(40).as_str(),
        ] {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
    }

    #[test]
    fn rounds_half_away_from_zero() {
        assert_eq!(amount("2.345").rounded(2), "2.35");
        assert_eq!(amount("-2.345").rounded(2), "-2.35");
        assert_eq!(amount("-0.001").rounded(2), "0.00");
        assert_eq!(amount("999.995").grouped(2), "1,000.00");
    }

    #[test]
    fn sums_are_exact() {
        let tenths: Vec<Number> = vec!["0.1".to_owned(); 10];
        assert_eq!(Amount::sum(&tenths).exact(), "1");
    }

    #[test]
    fn money_is_never_nothing_unless_it_is() {
        let money = Money::new("USD");
        assert_eq!(money.show(amount("1234567.891")), "$1,234,567.89");
        assert_eq!(money.show(amount("0.0049")), "<$0.01");
        assert_eq!(money.show(amount("0")), "$0.00");
        assert_eq!(money.change(amount("-0.004")), "-<$0.01");
        assert_eq!(money.change(amount("41")), "+$41.00");
        assert_eq!(money.brief(amount("41")), "$41");
        assert_eq!(money.brief(amount("12.34")), "$12.34");
        assert_eq!(money.brief(amount("1234.56")), "$1,235");
        assert_eq!(Money::new("CNY").show(amount("2")), "¥2.00");
    }

    #[test]
    fn quantities_show_what_says_something() {
        let shown = |text: &str| amount(text).quantity();
        assert_eq!(shown("12345678.9"), "12,345,679");
        assert_eq!(shown("3"), "3");
        assert_eq!(shown("3.10"), "3.1");
        assert_eq!(shown("0.00251"), "0.0025");
        assert_eq!(shown("0.000001"), "<0.0001");
    }

    #[test]
    fn marks_are_short() {
        let shown = |text: &str| amount(text).compact();
        assert_eq!(
            [shown("20000"), shown("1500000"), shown("0.5"), shown("999")],
            ["20k", "1.5M", "0.5", "999"]
        );
        assert_eq!(Money::new("USD").compact(amount("2500")), "$2.5k");
    }

    #[test]
    fn percents() {
        assert_eq!(percent(&"102.5".to_owned()), "+102.5 %");
        assert_eq!(percent(&"-12.00".to_owned()), "-12 %");
        assert_eq!(percent(&"0".to_owned()), "0 %");
    }
}
