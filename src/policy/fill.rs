//! A tiny template filler: `${name}` in the strings of a JSON document.

use std::collections::BTreeMap;

use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("the template is not JSON: {0}")]
    NotJson(String),
    #[error("the template needs a value for ${{{0}}}")]
    Unfilled(String),
    #[error("${{{0}}} is a list and stands inside a longer text")]
    ListInText(String),
    #[error("a guardrail without exempt roles would lock out everybody, orgtrail included")]
    NoExemptRole,
}

/// What a `${name}` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fill {
    Text(String),
    /// Becomes a JSON array; only where the whole string is `"${name}"`.
    List(Vec<String>),
}

impl From<&str> for Fill {
    fn from(text: &str) -> Self {
        Fill::Text(text.into())
    }
}

impl From<Vec<String>> for Fill {
    fn from(list: Vec<String>) -> Self {
        Fill::List(list)
    }
}

pub type Values = BTreeMap<&'static str, Fill>;

/// Fills the `${names}` in every string of a JSON template. Filled text is not looked at again.
pub fn fill(template: &str, values: &Values) -> Result<Value, TemplateError> {
    let json = serde_json::from_str(template).map_err(|e| TemplateError::NotJson(e.to_string()))?;
    fill_value(json, values)
}

fn fill_value(json: Value, values: &Values) -> Result<Value, TemplateError> {
    Ok(match json {
        Value::String(text) => fill_text(&text, values)?,
        Value::Array(items) => items
            .into_iter()
            .map(|item| fill_value(item, values))
            .collect::<Result<_, _>>()?,
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| Ok((name, fill_value(value, values)?)))
            .collect::<Result<_, _>>()?,
        other => other,
    })
}

fn fill_text(text: &str, values: &Values) -> Result<Value, TemplateError> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = next_name(rest) {
        let value = values
            .get(name)
            .ok_or_else(|| TemplateError::Unfilled(name.into()))?;
        match value {
            Fill::Text(value) => {
                filled.push_str(before);
                filled.push_str(value);
            }
            Fill::List(list)
                if rest.len() == text.len() && before.is_empty() && after.is_empty() =>
            {
                return Ok(list.iter().map(String::as_str).collect());
            }
            Fill::List(_) => return Err(TemplateError::ListInText(name.into())),
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled.into())
}

fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("${")?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filling() {
        let list = vec!["1".to_owned(), "${a}".to_owned()];
        let values = Values::from([("a", "x".into()), ("l", list.into())]);
        let filled = |template: &str| fill(template, &values);
        assert_eq!(
            filled(r#"{"k":["${a}-${a}"]}"#).map(|v| v.to_string()),
            Ok(r#"{"k":["x-x"]}"#.into())
        );
        assert_eq!(
            filled(r#""${l}""#).map(|v| v.to_string()),
            Ok(r#"["1","${a}"]"#.into())
        );
        assert_eq!(
            filled(r#""${b}""#),
            Err(TemplateError::Unfilled("b".into()))
        );
        assert_eq!(
            filled(r#""${a}${l}""#),
            Err(TemplateError::ListInText("l".into()))
        );
        assert!(matches!(filled("{"), Err(TemplateError::NotJson(_))));
        assert_eq!(
            filled(r#""${b""#).map(|v| v.to_string()),
            Ok(r#""${b""#.into())
        );
    }
}
