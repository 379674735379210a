//! Names and values as SQL text. Both are other people's: whatever they hold, they stay one token.

/// A text value. A quote is doubled and nothing else is special, backslashes and line ends included; the one character
/// that clients and servers cut texts at is put together.
pub fn literal(value: &str) -> String {
    let parts: Vec<String> = value.split('\0').map(quoted).collect();
    match parts.as_slice() {
        [whole] => whole.clone(),
        _ => format!("({})", parts.join(" || chr(0) || ")),
    }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// `'a', 'b'`
pub fn literals<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> String {
    let literals: Vec<String> = values.into_iter().map(|v| literal(v.as_ref())).collect();
    literals.join(", ")
}

/// The name of a column or table.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_one_token() {
        assert_eq!(literal("it's -- \\ \"\n"), "'it''s -- \\ \"\n'");
        assert_eq!(literal(""), "''");
        assert_eq!(literal("a\0'b"), "('a' || chr(0) || '''b')");
        assert_eq!(literals(["a", "b"]), "'a', 'b'");
        assert_eq!(identifier("a\"; b"), "\"a\"\"; b\"");
    }
}
