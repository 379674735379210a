//! Odd deliveries: what a reader of log files must cope with.

use super::*;

/// Events, and those that the selectors on object writes (the second one) and on denied network activity (the sixth)
/// record; then the problems.
const CASES: [(&str, [u64; 3], &str); 32] = [
    ("01_plain", [3, 3, 0], ""),
    ("02_multimember", [3, 3, 0], ""),
    ("03_multimember_equal", [3, 3, 0], ""),
    ("04_truncated", [2, 2, 0], "gzip data is cut off"),
    ("05_trailing_zero_padding", [3, 3, 0], ""),
    (
        "06_corrupt_crc",
        [3, 3, 0],
        "gzip checksum does not fit the data",
    ),
    ("07_empty_file", [0, 0, 0], "empty file"),
    ("08_zero_records", [0, 0, 0], ""),
    ("09_plain_json_named_gz", [3, 3, 0], ""),
    ("10_plain_json", [3, 3, 0], ""),
    ("11_pretty_bom", [3, 3, 0], ""),
    ("12_utf16", [0, 0, 0], "UTF-16; convert it to UTF-8"),
    ("13_ndjson", [3, 3, 0], ""),
    ("14_concat_docs", [6, 6, 0], ""),
    ("15_top_array", [3, 3, 0], ""),
    ("16_eventbridge", [3, 3, 0], ""),
    ("17_cwl_subscription", [3, 3, 0], ""),
    ("18_lookup_events", [3, 3, 0], ""),
    ("19_records_not_first", [3, 3, 0], ""),
    // The last one of two members counts: `"readOnly":true`, so this is no write.
    ("20_dup_keys", [1, 0, 0], ""),
    ("21_string_bools", [1, 1, 0], ""),
    ("22_lowercase_arn", [1, 0, 0], ""),
    ("23_null_resources", [3, 0, 0], ""),
    ("24_big_record", [2, 2, 0], ""),
    ("25_deep", [1, 1, 0], ""),
    ("26_unicode_escapes", [3, 3, 0], ""),
    ("27_nul_and_control", [3, 3, 0], ""),
    ("28_invalid_utf8", [3, 3, 0], ""),
    ("29_digest", [0, 0, 0], ""),
    ("30_network", [1, 0, 1], ""),
    ("31_insight_no_source", [1, 0, 0], ""),
    ("32_aggregated", [1, 0, 0], ""),
];

#[test]
fn every_odd_delivery_is_read_or_named() {
    let (selectors, _) = job();
    let engine = Engine::new(&[("job", &selectors)]);
    for (case, events, problem) in CASES {
        let tally = count_path(&engine, &data("odd").join(case), 1);
        let counted = [
            tally.events,
            tally.recorded(0, Some(1)),
            tally.recorded(0, Some(5)),
        ];
        assert_eq!(counted, events, "{case}: {:?}", tally.problems);
        let named: Vec<String> = tally
            .problems
            .named
            .iter()
            .map(|p| p.reason.to_string())
            .collect();
        assert_eq!(named.join("; "), problem, "{case}");
        for problem in &tally.problems.named {
            assert!(
                problem.file.contains(case) && problem.file.ends_with("json.gz"),
                "{case}"
            );
        }
    }
}

#[test]
fn odd_categories_are_their_own() {
    let engine = Engine::new(&[]);
    let category = |case: &str| {
        let tally = count_path(&engine, &data("odd").join(case), 1);
        let region = &tally.accounts["111122223333"]["us-east-1"];
        region.events.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(category("21_string_bools"), "Data");
    assert_eq!(category("30_network"), "NetworkActivity");
    assert_eq!(category("31_insight_no_source"), "Insight");
    assert_eq!(category("32_aggregated"), "Aggregated");
    let digest = count_path(&engine, &data("odd/29_digest"), 1);
    assert_eq!((digest.files.count, digest.files.digests), (0, 1));
}

#[test]
fn a_stream_gives_the_same_as_the_file() {
    let (selectors, _) = job();
    let engine = Engine::new(&[("job", &selectors)]);
    for (case, [events, ..], problem) in CASES {
        let mut files = walk(&data("odd").join(case));
        let bytes = std::fs::read(files.remove(0)).unwrap();
        for piece in [1, 7, 64 * 1024] {
            let piece = if bytes.len() > 10_000 {
                piece.max(1000)
            } else {
                piece
            };
            let tally = count_text(&engine, &bytes, piece);
            assert_eq!(tally.events, events, "{case} {piece}");
            assert_eq!(
                tally.problems.count > 0,
                !problem.is_empty(),
                "{case} {piece}"
            );
        }
    }
}

pub fn walk(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).unwrap();
    entries
        .flat_map(|entry| walk(&entry.unwrap().path()))
        .collect()
}
