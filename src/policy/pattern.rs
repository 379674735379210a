//! `*`, `?` and `${…}` in actions, resources and condition values.

/// What one comparison says; `None` if it hangs on a policy variable.
pub(super) type Tri = Option<bool>;

#[derive(Clone, Copy, PartialEq)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`
    Many,
    /// `${aws:username}`: any text, as far as we can know.
    Variable,
}

/// How a policy value is to be read.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    pub(super) wildcards: bool,
    pub(super) variables: bool,
}

/// The whole text against the whole pattern.
pub(super) fn matches(pattern: &str, text: &str, reading: Reading) -> Tri {
    settle(&tokens(pattern, reading), text)
}

/// Part by part, as the ARN operators compare: a wildcard never reaches over a colon of the first five.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN>
pub(super) fn arn_matches(pattern: &str, text: &str, variables: bool) -> Tri {
    let wildcards = true;
    let tokens = tokens(
        pattern,
        Reading {
            wildcards,
            variables,
        },
    );
    let parts: Vec<&[Token]> = tokens.splitn(6, |t| *t == Token::Char(':')).collect();
    if parts.len() < 6 {
        // `*` instead of an ARN: the operators are not documented for it.
        return None;
    }
    let texts: Vec<&str> = text.splitn(6, ':').collect();
    if texts.len() < 6 {
        return Some(false);
    }
    all(parts
        .iter()
        .zip(texts)
        .map(|(part, text)| settle(part, text)))
}

/// A `Resource` against an ARN. Where a flat and a part-by-part comparison differ, AWS documents neither.
pub(super) fn resource_matches(pattern: &str, arn: &str, variables: bool) -> Tri {
    let wildcards = true;
    let flat = matches(
        pattern,
        arn,
        Reading {
            wildcards,
            variables,
        },
    )?;
    match arn_matches(pattern, arn, variables) {
        Some(by_part) if by_part != flat => None,
        _ => Some(flat),
    }
}

/// Kleene's "or": true wins over unknown.
pub(super) fn any(list: impl IntoIterator<Item = Tri>) -> Tri {
    let mut found = Some(false);
    for item in list {
        match item {
            Some(true) => return item,
            None => found = None,
            Some(false) => {}
        }
    }
    found
}

/// Kleene's "and": false wins over unknown.
pub(super) fn all(list: impl IntoIterator<Item = Tri>) -> Tri {
    any(list.into_iter().map(|item| item.map(|holds| !holds))).map(|holds| !holds)
}

fn settle(pattern: &[Token], text: &str) -> Tri {
    match glob(pattern, text) {
        true if pattern.contains(&Token::Variable) => None,
        matched => Some(matched),
    }
}

fn tokens(pattern: &str, reading: Reading) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(next) = rest.chars().next() {
        if let Some((token, after)) = variable(rest).filter(|_| reading.variables) {
            tokens.push(token);
            rest = after;
            continue;
        }
        tokens.push(match next {
            '*' if reading.wildcards => Token::Many,
            '?' if reading.wildcards => Token::One,
            other => Token::Char(other),
        });
        rest = &rest[next.len_utf8()..];
    }
    tokens
}

/// `${*}`, `${?}` and `${$}` stand for the character itself.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>
fn variable(rest: &str) -> Option<(Token, &str)> {
    let (name, after) = rest.strip_prefix("${")?.split_once('}')?;
    let token = match name {
        "*" => Token::Char('*'),
        "?" => Token::Char('?'),
        "$" => Token::Char('$'),
        _ => Token::Variable,
    };
    Some((token, after))
}

/// Greedy with one point of return, so never worse than length times length.
fn glob(pattern: &[Token], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Token::Many | Token::Variable) => {
                back = Some((p, t));
                p += 1;
                continue;
            }
            Some(Token::One) => {
                p += 1;
                t += 1;
                continue;
            }
            Some(Token::Char(c)) if *c == text[t] => {
                p += 1;
                t += 1;
                continue;
            }
            _ => {}
        }
        let Some((many, from)) = back else {
            return false;
        };
        p = many + 1;
        t = from + 1;
        back = Some((many, t));
    }
    pattern[p..]
        .iter()
        .all(|token| matches!(token, Token::Many | Token::Variable))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIKE: Reading = Reading {
        wildcards: true,
        variables: true,
    };

    #[test]
    fn wildcards() {
        let cases = [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a?c*", "abc", true),
            ("a?c*", "abd", false),
            ("*a*b", "xaayb", true),
            ("*a*b", "xaaybc", false),
            ("ü?", "üß", true),
            ("${*}a", "*a", true),
            ("${*}a", "ba", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                matches(pattern, text, LIKE),
                Some(expected),
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn a_variable_is_unknown_only_where_it_matters() {
        assert_eq!(matches("home/${aws:username}/*", "home/x/y", LIKE), None);
        assert_eq!(
            matches("home/${aws:username}/*", "work/x", LIKE),
            Some(false)
        );
        let old = Reading {
            variables: false,
            ..LIKE
        };
        assert_eq!(matches("home/${aws:username}", "home/x", old), Some(false));
    }

    #[test]
    fn arns_compare_part_by_part() {
        let trail = "arn:aws:cloudtrail:us-east-1:111122223333:trail/org";
        assert_eq!(
            arn_matches("arn:*:cloudtrail:*:111122223333:trail/*", trail, true),
            Some(true)
        );
        assert_eq!(
            arn_matches("arn:aws:cloudtrail:*:trail/org:x:y", trail, true),
            Some(false)
        );
        assert_eq!(arn_matches("arn:aws:cloudtrail:*", trail, true), None);
        assert_eq!(
            arn_matches(
                "arn:aws:cloudtrail:*:${aws:PrincipalAccount}:trail/org",
                trail,
                true
            ),
            None
        );
        assert_eq!(resource_matches("*", trail, true), Some(true));
        assert_eq!(
            resource_matches("arn:aws:s3:::b/*", "arn:aws:s3:::b/x:y", true),
            Some(true)
        );
    }
}
