//! Backoff against the 32 vectors of Bull.

use bullock::job::Options;
use bullock::job::backoff::{Delay, Strategies, delay_ms};
use serde_json::json;

#[test]
fn every_wait_is_the_one_that_bull_computes() {
    let vectors = crate::bull_vectors();
    let cases = vectors["backoff_vectors"].as_array().unwrap();
    assert_eq!(cases.len(), 32);
    for case in cases {
        let opts = Options::parse(&json!({ "backoff": case["backoff"] }).to_string()).unwrap();
        let made = u32::try_from(case["attemptsMade"].as_u64().unwrap()).unwrap();
        let got = delay_ms(opts.backoff.as_ref(), made, &Strategies::default());
        if case.get("error").is_some() {
            assert!(got.is_err(), "{case}");
            continue;
        }
        let expected = match case["delay_ms"].as_i64() {
            None | Some(0) => Delay::None,
            Some(ms) => Delay::Ms(ms),
        };
        assert_eq!(got, Ok(expected), "{case}");
    }
}
