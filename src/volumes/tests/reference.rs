//! Published and generated records, counted as by an independent program; `make_expected.py` beside the data says how.

use serde_json::{Value, json};

use super::*;

/// The counts in the form of the reference job.
fn job_counts(tally: &Tally, names: &[String]) -> Value {
    let mut rows = Vec::new();
    for (account, regions) in &tally.accounts {
        for (region, counted) in regions {
            for (category, sources) in &counted.events {
                let events: u64 = sources.values().map(Counts::events).sum();
                rows.push((account, region, "_all", category, events));
            }
            for (recorder, count) in &counted.recorded {
                let name = recorder.selector.map_or("_recorded", |index| &names[index]);
                rows.push((account, region, name, &recorder.category, *count));
            }
        }
    }
    rows.sort();
    let top = tally.resources.top(20);
    let top: Vec<_> = top
        .into_iter()
        .map(|hitter| (hitter.value, hitter.count))
        .collect();
    json!({"counts": rows, "top20": top})
}

#[test]
fn every_record_set_is_counted_as_by_the_reference_job() {
    let (selectors, names) = job();
    let engine = Engine::new(&[("job", &selectors)]);
    let sets = [
        "custodian",
        "otrf",
        "panther",
        "stratus",
        "streamalert",
        "trailscraper",
        "umccr",
    ];
    let folders = sets.map(|set| (set, format!("records/{set}")));
    for (set, folder) in folders
        .into_iter()
        .chain([("generated", "generated".to_owned())])
    {
        let expected = std::fs::read(data(&format!("expected/{set}.json"))).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        for threads in [1, 3] {
            let tally = count_path(&engine, &data(&folder), threads);
            assert_eq!(job_counts(&tally, &names), expected, "{set}");
            assert_eq!(tally.resources.error(), 0);
        }
    }
}

#[test]
fn the_same_files_give_the_same_result_on_any_number_of_threads() {
    let (selectors, _) = job();
    let engine = Engine::new(&[("job", &selectors)]);
    let tallies = [1, 1, 2, 5].map(|threads| count_path(&engine, &data(""), threads));
    for tally in &tallies {
        assert_eq!(tally.accounts, tallies[0].accounts);
        assert_eq!(tally.problems, tallies[0].problems);
        assert_eq!(tally.window, tallies[0].window);
        assert_eq!(tally.files, tallies[0].files);
        assert_eq!(tally.skipped, tallies[0].skipped);
        assert_eq!(tally.principals.top(100), tallies[0].principals.top(100));
        assert_eq!(tally.calls.top(100), tallies[0].calls.top(100));
    }
}

#[test]
fn sources_and_types_add_up_and_files_lie_where_they_belong() {
    let (selectors, _) = job();
    let engine = Engine::new(&[("job", &selectors)]);
    let tally = count_path(&engine, &data("generated"), 2);
    let regions = || tally.accounts.values().flat_map(|regions| regions.values());
    let rows = regions().flat_map(|region| region.events.values().flat_map(|rows| rows.values()));
    assert_eq!(rows.map(Counts::events).sum::<u64>(), tally.events);
    assert_eq!(
        regions().map(|region| region.files.count).sum::<u64>(),
        tally.files.count
    );
    assert_eq!(tally.problems, Problems::default());
    assert!(tally.files.digests > 0 && tally.files.digest_bytes > 0);
    assert!(tally.data_types().contains("AWS::S3::Object"));
    assert_eq!(tally.window.first().unwrap()[..13], *"2026-07-14T00");
    assert_eq!(tally.window.last().unwrap()[..13], *"2026-07-14T00");
    assert!(tally.calls.top(1)[0].value.starts_with("s3.amazonaws.com "));
    let sessions = tally.principals.top(1000);
    assert!(
        sessions
            .iter()
            .all(|hitter| hitter.value.matches('/').count() <= 1)
    );
}

#[test]
fn copies_are_left_out_when_asked_to() {
    let (selectors, _) = job();
    let engine = Engine::new(&[("job", &selectors)]);
    let folder = tempfile::tempdir().unwrap();
    let logs = super::odd::walk(&data("generated"));
    for (index, file) in logs.iter().take(100).enumerate() {
        for copy in ["a", "b"] {
            std::fs::copy(file, folder.path().join(format!("{copy}{index}.json.gz"))).unwrap();
        }
    }
    let options = Options {
        threads: 2,
        dedupe: Some(1000),
        ..Options::default()
    };
    let source = || vec![Source::Path(folder.path().to_owned())];
    let deduped = count(&engine, source(), &options).tally;
    let all = count(&engine, source(), &Options::default()).tally;
    assert_eq!(all.events, deduped.events + deduped.duplicates);
    assert!(deduped.events > 0);
    assert_eq!(deduped.events, deduped.duplicates);
}
