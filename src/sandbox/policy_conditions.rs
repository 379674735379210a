//! Condition blocks: IAM User Guide, page "reference_policies_elements_condition_operators".

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::policy::{Context, Fault, glob};

/// One operator on one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub operator: Operator,
    /// In lower case.
    pub key: String,
    pub values: Vec<String>,
    pub if_exists: bool,
    pub for_all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Str {
        like: bool,
        ignore_case: bool,
        negated: bool,
    },
    Arn {
        negated: bool,
    },
    Numeric(Order),
    Date(Order),
    Bool,
    Ip {
        negated: bool,
    },
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Equals,
    NotEquals,
    Less,
    LessEquals,
    Greater,
    GreaterEquals,
}

pub fn parse_conditions(block: &Value) -> Result<Vec<Condition>, Fault> {
    let block = block.as_object().ok_or(Fault::Syntax)?;
    let mut conditions = Vec::new();
    for (name, keys) in block {
        let keys = keys.as_object().ok_or(Fault::Syntax)?;
        let (for_all, rest) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (true, rest),
            Some(("ForAnyValue", rest)) => (false, rest),
            Some(_) => return Err(Fault::Condition(name.clone())),
            None => (false, name.as_str()),
        };
        let stem = rest.strip_suffix("IfExists").unwrap_or(rest);
        let operator = operator(stem).ok_or_else(|| Fault::Condition(name.clone()))?;
        for (key, value) in keys {
            conditions.push(Condition {
                operator,
                key: key.to_lowercase(),
                values: scalars(value).ok_or(Fault::Syntax)?,
                if_exists: stem.len() != rest.len(),
                for_all,
            });
        }
    }
    Ok(conditions)
}

/// Condition values may be strings, numbers and booleans.
fn scalars(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(s) => Some(vec![s.clone()]),
        Value::Bool(_) | Value::Number(_) => Some(vec![value.to_string()]),
        Value::Array(list) => {
            let lists: Option<Vec<_>> = list.iter().map(scalars).collect();
            lists.map(|l| l.into_iter().flatten().collect())
        }
        _ => None,
    }
}

fn operator(name: &str) -> Option<Operator> {
    let string = |like, ignore_case, negated| Operator::Str {
        like,
        ignore_case,
        negated,
    };
    Some(match name {
        "StringEquals" => string(false, false, false),
        "StringNotEquals" => string(false, false, true),
        "StringEqualsIgnoreCase" => string(false, true, false),
        "StringNotEqualsIgnoreCase" => string(false, true, true),
        "StringLike" => string(true, false, false),
        "StringNotLike" => string(true, false, true),
        "ArnEquals" | "ArnLike" => Operator::Arn { negated: false },
        "ArnNotEquals" | "ArnNotLike" => Operator::Arn { negated: true },
        "Bool" => Operator::Bool,
        "Null" => Operator::Null,
        "IpAddress" => Operator::Ip { negated: false },
        "NotIpAddress" => Operator::Ip { negated: true },
        _ => {
            if let Some(order) = name.strip_prefix("Numeric") {
                Operator::Numeric(self::order(order)?)
            } else {
                Operator::Date(order(name.strip_prefix("Date")?)?)
            }
        }
    })
}

fn order(name: &str) -> Option<Order> {
    Some(match name {
        "Equals" => Order::Equals,
        "NotEquals" => Order::NotEquals,
        "LessThan" => Order::Less,
        "LessThanEquals" => Order::LessEquals,
        "GreaterThan" => Order::Greater,
        "GreaterThanEquals" => Order::GreaterEquals,
        _ => return None,
    })
}

impl Operator {
    pub fn negated(self) -> bool {
        match self {
            Self::Str { negated, .. } | Self::Arn { negated } | Self::Ip { negated } => negated,
            Self::Numeric(order) | Self::Date(order) => order == Order::NotEquals,
            Self::Bool | Self::Null => false,
        }
    }

    /// Whether one request value meets one policy value, negation left aside.
    fn meets(self, actual: &str, wanted: &str) -> bool {
        match self {
            Self::Str { like: true, .. } => glob(wanted, actual),
            Self::Str {
                ignore_case: true, ..
            } => wanted.eq_ignore_ascii_case(actual),
            Self::Str { .. } => wanted == actual,
            Self::Arn { .. } => arn_like(wanted, actual),
            Self::Bool => wanted.eq_ignore_ascii_case(actual),
            Self::Numeric(order) => match (actual.parse::<f64>(), wanted.parse::<f64>()) {
                (Ok(a), Ok(w)) => order.holds(&a, &w),
                _ => false,
            },
            Self::Date(order) => match (date(actual), date(wanted)) {
                (Some(a), Some(w)) => order.holds(&a, &w),
                _ => false,
            },
            // Callers of the sandbox have no address to compare but the literal one.
            Self::Ip { .. } => wanted == actual || wanted == "0.0.0.0/0",
            Self::Null => false,
        }
    }
}

impl Order {
    /// `NotEquals` compares as `Equals`: the caller negates.
    fn holds<T: PartialOrd>(self, actual: &T, wanted: &T) -> bool {
        match self {
            Self::Equals | Self::NotEquals => actual == wanted,
            Self::Less => actual < wanted,
            Self::LessEquals => actual <= wanted,
            Self::Greater => actual > wanted,
            Self::GreaterEquals => actual >= wanted,
        }
    }
}

fn date(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .or_else(|| OffsetDateTime::from_unix_timestamp(text.parse().ok()?).ok())
}

/// Each of the six parts of an ARN is matched on its own: a `*` does not reach over a colon.
fn arn_like(pattern: &str, arn: &str) -> bool {
    let (p, a): (Vec<_>, Vec<_>) = (
        pattern.splitn(6, ':').collect(),
        arn.splitn(6, ':').collect(),
    );
    p.len() == a.len() && p.iter().zip(&a).all(|(p, a)| glob(p, a))
}

impl Condition {
    pub fn holds(&self, context: &Context, lenient: bool) -> bool {
        let actual = context.keys.get(&self.key);
        if self.operator == Operator::Null {
            let wants_absent = self.values.iter().any(|v| v.eq_ignore_ascii_case("true"));
            return actual.is_none() == wants_absent;
        }
        let Some(actual) = actual else {
            let unknown_to_us = lenient && !self.key.starts_with("aws:");
            return self.if_exists || self.for_all || self.operator.negated() || unknown_to_us;
        };
        let hit = |a: &String| self.values.iter().any(|w| self.operator.meets(a, w));
        let negated = self.operator.negated();
        match self.for_all {
            true => actual.iter().all(|a| hit(a) != negated),
            false => actual.iter().any(hit) != negated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(block: &str, context: &Context) -> bool {
        let block = serde_json::from_str(block).unwrap();
        parse_conditions(&block)
            .unwrap()
            .iter()
            .all(|c| c.holds(context, false))
    }

    #[test]
    fn missing_keys_fail_positive_operators_and_pass_negated_ones() {
        let none = Context::default();
        assert!(!holds(r#"{"StringEquals":{"aws:SourceArn":"x"}}"#, &none));
        assert!(holds(r#"{"StringNotEquals":{"aws:SourceArn":"x"}}"#, &none));
        assert!(holds(
            r#"{"StringEqualsIfExists":{"aws:SourceArn":"x"}}"#,
            &none
        ));
        assert!(holds(r#"{"Null":{"aws:SourceArn":"true"}}"#, &none));
    }

    #[test]
    fn wildcards_count_only_where_the_operator_has_them() {
        let context =
            Context::default().set("aws:SourceArn", "arn:aws:cloudtrail:us-east-1:1:trail/t");
        let pattern = "arn:aws:cloudtrail:*:1:trail/*";
        assert!(!holds(
            &format!(r#"{{"StringEquals":{{"AWS:SourceArn":"{pattern}"}}}}"#),
            &context
        ));
        assert!(holds(
            &format!(r#"{{"StringLike":{{"aws:SourceArn":"{pattern}"}}}}"#),
            &context
        ));
        assert!(holds(
            &format!(r#"{{"ArnLike":{{"aws:SourceArn":"{pattern}"}}}}"#),
            &context
        ));
        assert!(!holds(
            r#"{"ArnLike":{"aws:SourceArn":"arn:*:trail/*"}}"#,
            &context
        ));
    }
}
