//! "Did you mean …?"

/// Among more names than that nobody looks for a slip, and a spec may hold many slips.
const MAX_CANDIDATES: usize = 200;

/// The candidate that is a typing mistake away from `name`.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Distance takes quadratic time, and nobody mistypes that much.
    if name.len() > 200 {
        return None;
    }
    let wanted = normal(name);
    let limit = wanted.chars().count() / 4 + 1;
    candidates
        .into_iter()
        .take(MAX_CANDIDATES)
        .map(|candidate| (strsim::osa_distance(&wanted, &normal(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// `LogFileValidation`, `log-file-validation` and `log_file_validation` are the same to their writers.
fn normal(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-' | '.' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}

/// `a, b and c`, for lists within a sentence.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [start @ .., end] => format!("{} {last} {end}", start.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word() {
        let known = ["lifecycle", "log_file_validation", "key"];
        assert_eq!(nearest("lifecyle", known), Some("lifecycle"));
        assert_eq!(
            nearest("LogFileValidation", known),
            Some("log_file_validation")
        );
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("x", known), None);
    }

    #[test]
    fn lists_read_as_a_sentence() {
        assert_eq!(list(["a", "b", "c"], "or"), "a, b or c");
        assert_eq!(list(["a"], "or"), "a");
        assert_eq!(list([], "or"), "");
    }
}
