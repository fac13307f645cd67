//! NDJSON, whatever the bytes and wherever they are cut.

use std::time::Duration;

use bullock::handler::stream::{Limits, Stop, Stream, Verdict};
use proptest::prelude::*;

use super::support::{Run, Write, run};

const LIMITS: Limits = Limits { result_bytes: 64, retry_after_max: Duration::from_secs(1) };

/// Feeds pieces of `bytes`, each as long as the next of `sizes` says.
fn read(bytes: &[u8], sizes: &[usize]) -> (Result<(), Stop>, Option<Verdict>, Vec<Write>) {
    let Run { ctx, record, .. } = run();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut stream = Stream::new(LIMITS);
    let ended = runtime.block_on(async {
        let mut rest = bytes;
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at((*size).min(rest.len()));
            stream.feed(piece, &ctx).await?;
            rest = later;
        }
        stream.end(&ctx).await
    });
    (ended, stream.verdict(), record.writes())
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("  \r".to_owned()),
        any::<f64>()
            .prop_filter("JSON has no NaN", |n| n.is_finite())
            .prop_map(|n| format!("{{\"progress\":{n}}}")),
        any::<String>().prop_map(|text| serde_json::json!({ "log": text }).to_string()),
        any::<String>().prop_map(|text| serde_json::json!({ "result": text }).to_string()),
        any::<String>().prop_map(|text| serde_json::json!({ "error": text, "checkpoint": [] }).to_string()),
        Just("{\"later\":1}".to_owned()),
        Just("oops".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn where_bytes_are_cut_makes_no_difference(
        lines in prop::collection::vec(line(), 0..12),
        sizes in prop::collection::vec(1_usize..40, 1..6),
    ) {
        let text = lines.join("\n");
        prop_assert_eq!(read(text.as_bytes(), &sizes), read(text.as_bytes(), &[usize::MAX]));
    }

    #[test]
    fn any_bytes_end_in_a_verdict_or_a_reason(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        sizes in prop::collection::vec(1_usize..40, 1..6),
    ) {
        let (ended, _, _) = read(&bytes, &sizes);
        prop_assert!(matches!(ended, Ok(()) | Err(Stop::Bad(_))));
    }
}
