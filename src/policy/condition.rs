//! The condition operators of
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use std::collections::BTreeMap;

use super::document::Condition;
use super::evaluate::Verdict;
use super::pattern::{Reading, Tri, all, any, arn_matches, matches};

#[derive(Clone, Copy, PartialEq)]
enum Family {
    String {
        ignore_case: bool,
    },
    StringLike,
    Arn,
    Bool,
    Null,
    Numeric(Order),
    Date(Order),
    /// Compared on addresses and bytes that a plan does not have.
    NotComparable,
}

#[derive(Clone, Copy, PartialEq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, PartialEq)]
enum Quantifier {
    None,
    All,
    Any,
}

#[derive(Clone, Copy)]
struct Operator {
    family: Family,
    negated: bool,
    if_exists: bool,
    quantifier: Quantifier,
}

/// What one condition says about the request's context.
///
/// In the context an empty list is a key known to be absent; a key that is not there is not known. An entry `prefix/*` or `prefix:*`
/// speaks for all keys below the prefix.
pub(super) fn verdict(
    condition: &Condition,
    context: &BTreeMap<String, Vec<String>>,
    variables: bool,
) -> Verdict {
    let Condition {
        operator: name,
        key,
        values,
    } = condition;
    let Some(operator) = Operator::parse(name) else {
        return Verdict::Unknown(format!("{name} is not a condition operator known here"));
    };
    let Some(actual) = lookup(context, key) else {
        return Verdict::Unknown(format!(
            "whether this call carries {key}, and with which value, is not known here ({name} {})",
            listed(values)
        ));
    };
    let explained = Explained {
        operator,
        condition,
        actual,
    };
    match operator.holds(values, actual, variables) {
        Some(true) => Verdict::Yes(explained.caught()),
        Some(false) => Verdict::No(explained.missed()),
        None => Verdict::Unknown(explained.undecided()),
    }
}

fn lookup<'a>(context: &'a BTreeMap<String, Vec<String>>, key: &str) -> Option<&'a [String]> {
    let exact = context
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(key));
    let below = || {
        context.iter().find(|(name, _)| {
            let prefix = name
                .strip_suffix('*')
                .filter(|prefix| prefix.ends_with(['/', ':']));
            prefix.is_some_and(|prefix| {
                key.get(..prefix.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            })
        })
    };
    exact.or_else(below).map(|(_, values)| values.as_slice())
}

impl Operator {
    fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (quantifier, name) = match name.split_once(':') {
            Some(("forallvalues", rest)) => (Quantifier::All, rest),
            Some(("foranyvalue", rest)) => (Quantifier::Any, rest),
            Some(_) => return None,
            None => (Quantifier::None, name.as_str()),
        };
        let (if_exists, name) = match name.strip_suffix("ifexists") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let (negated, family) = Family::parse(name)?;
        Some(Operator {
            family,
            negated,
            if_exists,
            quantifier,
        })
    }

    fn holds(self, values: &[String], actual: &[String], variables: bool) -> Tri {
        if values.is_empty() {
            // AWS documents no meaning for an empty list.
            return None;
        }
        if self.family == Family::Null {
            let absent = actual.is_empty();
            return any(values.iter().map(|value| {
                let wanted = value.to_ascii_lowercase().parse::<bool>().ok()?;
                Some(wanted == absent)
            }));
        }
        if actual.is_empty() {
            return Some(self.holds_for_absent());
        }
        let one = |value: &String| {
            let matched = any(values
                .iter()
                .map(|wanted| self.family.compare(wanted, value, variables)));
            matched.map(|matched| matched != self.negated)
        };
        match self.quantifier {
            Quantifier::All => all(actual.iter().map(one)),
            Quantifier::Any => any(actual.iter().map(one)),
            Quantifier::None => match actual {
                [single] => one(single),
                // Several values without a quantifier: not documented.
                _ => None,
            },
        }
    }

    /// A negated operator holds for an absent key, which is how most Deny statements catch AWS services by accident.
    fn holds_for_absent(self) -> bool {
        match self.quantifier {
            Quantifier::All => true,
            Quantifier::Any => false,
            Quantifier::None => self.negated || self.if_exists,
        }
    }
}

impl Family {
    fn parse(name: &str) -> Option<(bool, Self)> {
        let exact = Family::String { ignore_case: false };
        let ignoring = Family::String { ignore_case: true };
        Some(match name {
            "stringequals" => (false, exact),
            "stringnotequals" => (true, exact),
            "stringequalsignorecase" => (false, ignoring),
            "stringnotequalsignorecase" => (true, ignoring),
            "stringlike" => (false, Family::StringLike),
            "stringnotlike" => (true, Family::StringLike),
            "arnequals" | "arnlike" => (false, Family::Arn),
            "arnnotequals" | "arnnotlike" => (true, Family::Arn),
            "bool" => (false, Family::Bool),
            "null" => (false, Family::Null),
            "ipaddress" | "binaryequals" => (false, Family::NotComparable),
            "notipaddress" => (true, Family::NotComparable),
            _ => return Family::ordered(name),
        })
    }

    fn ordered(name: &str) -> Option<(bool, Self)> {
        let (family, order): (fn(Order) -> Self, &str) = match name.strip_prefix("numeric") {
            Some(order) => (Family::Numeric, order),
            None => (Family::Date, name.strip_prefix("date")?),
        };
        Some(match order {
            "equals" => (false, family(Order::Equal)),
            "notequals" => (true, family(Order::Equal)),
            "lessthan" => (false, family(Order::Less)),
            "lessthanequals" => (false, family(Order::LessOrEqual)),
            "greaterthan" => (false, family(Order::Greater)),
            "greaterthanequals" => (false, family(Order::GreaterOrEqual)),
            _ => return None,
        })
    }

    fn compare(self, wanted: &str, actual: &str, variables: bool) -> Tri {
        let literally = |wildcards| Reading {
            wildcards,
            variables,
        };
        match self {
            Family::String { ignore_case: false } => matches(wanted, actual, literally(false)),
            Family::String { ignore_case: true } => matches(
                &wanted.to_lowercase(),
                &actual.to_lowercase(),
                literally(false),
            ),
            Family::StringLike => matches(wanted, actual, literally(true)),
            Family::Arn => arn_matches(wanted, actual, variables),
            Family::Bool | Family::Null => matches(
                &wanted.to_ascii_lowercase(),
                &actual.to_ascii_lowercase(),
                literally(false),
            ),
            Family::Numeric(order) => Some(order.holds(number(actual)?, number(wanted)?)),
            Family::Date(order) => Some(order.holds(instant(actual)?, instant(wanted)?)),
            Family::NotComparable => None,
        }
    }
}

impl Order {
    fn holds(self, actual: f64, wanted: f64) -> bool {
        match self {
            Order::Equal => actual == wanted,
            Order::Less => actual < wanted,
            Order::LessOrEqual => actual <= wanted,
            Order::Greater => actual > wanted,
            Order::GreaterOrEqual => actual >= wanted,
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Seconds since 1970, from an epoch number or a W3C date in UTC (`2026-01-31`, `2026-01-31T12:00:00Z`).
fn instant(text: &str) -> Option<f64> {
    if let Some(seconds) = number(text) {
        return Some(seconds);
    }
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let [year, month, day] = fields(date, '-')?;
    let [hour, minute, second] = fields(time.strip_suffix('Z')?, ':')?;
    let in_range = (1.0..=12.0).contains(&month) && (1.0..=31.0).contains(&day) && hour < 24.0;
    in_range.then(|| days(year, month, day) * 86_400.0 + hour * 3_600.0 + minute * 60.0 + second)
}

fn fields(text: &str, separator: char) -> Option<[f64; 3]> {
    let parts: Vec<f64> = text
        .split(separator)
        .map(|part| number(part).filter(|value| (0.0..=9999.0).contains(value)))
        .collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// Days since 1970 in the proleptic Gregorian calendar, counted from March so that the leap day comes last.
fn days(year: f64, month: f64, day: f64) -> f64 {
    let (year, month) = match month > 2.0 {
        true => (year, month - 3.0),
        false => (year - 1.0, month + 9.0),
    };
    let leap = (year / 4.0).floor() - (year / 100.0).floor() + (year / 400.0).floor();
    year * 365.0 + leap + ((153.0 * month + 2.0) / 5.0).floor() + day - 719_469.0
}

/// The sentences.
struct Explained<'a> {
    operator: Operator,
    condition: &'a Condition,
    actual: &'a [String],
}

impl Explained<'_> {
    fn fact(&self) -> String {
        let key = &self.condition.key;
        match self.actual {
            [] => format!("{key} is absent"),
            actual => format!("{key} is {}", listed(actual)),
        }
    }

    fn caught(&self) -> String {
        let Condition {
            operator, values, ..
        } = self.condition;
        let fact = self.fact();
        match self.actual {
            [] if self.operator.family != Family::Null => {
                format!(
                    "{fact}, and {operator} {} also holds for an absent key",
                    listed(values)
                )
            }
            _ => format!("{fact} ({operator} {})", listed(values)),
        }
    }

    fn missed(&self) -> String {
        let values = listed(&self.condition.values);
        let fact = self.fact();
        let wanted = match (self.operator.family, self.operator.negated) {
            (Family::Null, _) => return format!("{fact}, the statement requires Null {values}"),
            (Family::Numeric(_) | Family::Date(_), _) => {
                format!("{} {values}", self.condition.operator)
            }
            (_, true) => format!("anything but {values}"),
            (Family::StringLike | Family::Arn, false) if values.contains(['*', '?']) => {
                format!("one like {values}")
            }
            (_, false) => values.clone(),
        };
        let literal =
            matches!(self.operator.family, Family::String { .. }) && values.contains(['*', '?']);
        let hint = match literal && !self.operator.negated {
            true => format!(
                " ({} takes wildcards literally, StringLike and ArnLike do not)",
                self.condition.operator
            ),
            false => String::new(),
        };
        format!("{fact}, the statement requires {wanted}{hint}")
    }

    fn undecided(&self) -> String {
        let Condition {
            operator, values, ..
        } = self.condition;
        format!(
            "{}, and {operator} {} cannot be decided here",
            self.fact(),
            listed(values)
        )
    }
}

fn listed(values: &[String]) -> String {
    values.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(operator: &str, values: &[&str], actual: Option<&[&str]>) -> Tri {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let condition = Condition {
            operator: operator.into(),
            key: "AWS:Key".into(),
            values: owned(values),
        };
        let context = actual.map(|actual| ("aws:key".to_owned(), owned(actual)));
        match verdict(&condition, &context.into_iter().collect(), true) {
            Verdict::Yes(_) => Some(true),
            Verdict::No(_) => Some(false),
            Verdict::Unknown(_) => None,
        }
    }

    #[test]
    fn operators() {
        type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str], Tri);
        let trail = "arn:aws:cloudtrail:us-east-1:1:trail/t";
        let cases: &[Case] = &[
            ("StringEquals", &["a", "b"], &["b"], Some(true)),
            ("stringequals", &["*"], &["b"], Some(false)),
            ("StringEquals", &["a"], &[], Some(false)),
            ("StringEqualsIfExists", &["a"], &[], Some(true)),
            ("StringNotEquals", &["a", "b"], &["b"], Some(false)),
            ("StringNotEquals", &["a"], &[], Some(true)),
            ("StringEqualsIgnoreCase", &["A"], &["a"], Some(true)),
            ("StringNotEqualsIgnoreCase", &["A"], &["a"], Some(false)),
            ("StringLike", &["a*"], &["abc"], Some(true)),
            ("StringNotLike", &["a*"], &["abc"], Some(false)),
            ("StringLike", &["${aws:username}"], &["abc"], None),
            (
                "ArnEquals",
                &["arn:aws:cloudtrail:*:1:trail/*"],
                &[trail],
                Some(true),
            ),
            (
                "ArnLike",
                &["arn:aws:cloudtrail:*:2:trail/*"],
                &[trail],
                Some(false),
            ),
            (
                "ArnNotLike",
                &["arn:aws:cloudtrail:*:2:trail/*"],
                &[trail],
                Some(true),
            ),
            (
                "ArnNotLikeIfExists",
                &["arn:aws:iam::1:role/*"],
                &[],
                Some(true),
            ),
            ("Bool", &["True"], &["true"], Some(true)),
            ("Bool", &["false"], &[], Some(false)),
            ("BoolIfExists", &["false"], &[], Some(true)),
            ("Null", &["true"], &[], Some(true)),
            ("Null", &["false"], &["x"], Some(true)),
            ("Null", &["maybe"], &["x"], None),
            ("NumericLessThan", &["1.2"], &["1.2"], Some(false)),
            ("NumericLessThanEquals", &["1.2"], &["1.2"], Some(true)),
            ("NumericGreaterThan", &["10"], &["9"], Some(false)),
            ("NumericGreaterThanEquals", &["x"], &["9"], None),
            ("NumericNotEquals", &["9"], &["9"], Some(false)),
            (
                "DateLessThan",
                &["2026-01-01T00:00:00Z"],
                &["1767225599"],
                Some(true),
            ),
            (
                "DateGreaterThan",
                &["2026-01-01"],
                &["2025-12-31T23:59:59Z"],
                Some(false),
            ),
            ("DateEquals", &["1970-01-01"], &["0"], Some(true)),
            ("DateEquals", &["2024-02-29T00:00:60"], &["0"], None),
            ("IpAddress", &["10.0.0.0/8"], &["10.1.1.1"], None),
            ("NotIpAddress", &["10.0.0.0/8"], &[], Some(true)),
            ("ForAnyValue:StringEquals", &["a"], &["b", "a"], Some(true)),
            (
                "ForAnyValue:StringNotEqualsIfExists",
                &["a"],
                &[],
                Some(false),
            ),
            (
                "ForAllValues:StringEquals",
                &["a"],
                &["b", "a"],
                Some(false),
            ),
            ("ForAllValues:StringEquals", &["a"], &[], Some(true)),
            ("StringEquals", &["a"], &["a", "b"], None),
            ("StringEquals", &[], &["a"], None),
            ("StringMatches", &["a"], &["a"], None),
            ("Every:StringEquals", &["a"], &["a"], None),
        ];
        for (operator, values, actual, expected) in cases {
            assert_eq!(
                decide(operator, values, Some(actual)),
                *expected,
                "{operator} {values:?} {actual:?}"
            );
        }
        assert_eq!(decide("Null", &["true"], None), None);
        assert_eq!(decide("StringEquals", &["a"], None), None);
    }

    #[test]
    fn one_entry_speaks_for_all_keys_below_it() {
        let context = [("aws:PrincipalTag/*".to_owned(), Vec::new())]
            .into_iter()
            .collect();
        assert_eq!(lookup(&context, "aws:principaltag/team"), Some(&[][..]));
        assert_eq!(lookup(&context, "aws:PrincipalTa"), None);
    }
}
