//! No text makes the front end panic, and what it says about a text can always be printed.

use proptest::prelude::*;

use super::*;

fn survives(bytes: Vec<u8>) {
    let loaded = load_bytes(bytes);
    assert_eq!(
        loaded.spec.is_none(),
        loaded.diagnostics.iter().any(Diagnostic::is_error)
    );
    let text = diag::text(&loaded.diagnostics, &loaded.sources, Style::Color);
    assert!(loaded.diagnostics.is_empty() || !text.is_empty());
    assert!(!codes(&loaded).contains(&"internal"), "{text}");
    diag::json(&loaded.diagnostics);
    diag::sarif(&loaded.diagnostics);
    diag::junit(&loaded.diagnostics);
}

/// Pieces of specs, for texts that get further than the parser.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("\n".to_owned()),
        Just("  ".to_owned()),
        Just("- ".to_owned()),
        Just(": ".to_owned()),
        Just("${env:".to_owned()),
        Just("&a *a <<: ".to_owned()),
        "(trails|org|selectors|data|FieldSelectors|lifecycle|object_lock|days|id|name): ",
        "[a-zA-Z0-9.:/*-]{1,12}",
        "[\\[\\]{},\"'|>?!%@`#~]",
        "-?[0-9]{1,25}",
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(bytes);
    }

    #[test]
    fn arbitrary_pieces(pieces in proptest::collection::vec(piece(), 0..30)) {
        survives(pieces.concat().into_bytes());
    }

    #[test]
    fn a_mutated_example(
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..12, piece()), 1..4)
    ) {
        let mut text: Vec<char> = EXAMPLE.chars().collect();
        for (at, length, piece) in cuts {
            let start = at.index(text.len() + 1).min(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, piece.chars());
        }
        survives(text.into_iter().collect::<String>().into_bytes());
    }

    #[test]
    fn two_files_that_overlap(at in any::<prop::sample::Index>(), piece in piece()) {
        let mut second: String = EXAMPLE.to_owned();
        let lines: Vec<usize> = EXAMPLE.match_indices('\n').map(|(position, _)| position).collect();
        second.insert_str(lines[at.index(lines.len())], &piece);
        let loaded = load_files(&[("a.yaml", EXAMPLE), ("b.yaml", &second)]);
        diag::text(&loaded.diagnostics, &loaded.sources, Style::Plain);
    }
}
