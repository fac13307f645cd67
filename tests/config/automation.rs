//! Schedules, webhooks, what comes after a sync: what is accepted, and what is refused.

use std::time::Duration;

use bullock::config::{HookSignature, Overlap, When};

use crate::{HANDLER, accepted, errors};

#[test]
fn schedules_and_hooks_are_read() {
    let config = accepted(&format!(
        "[hooks.woo]\nqueue = \"a\"\nsignature = \"woocommerce\"\nsecret = \"abc\"\norg = \"body.shop.id\"\n\
         [queues.a.schedules.nightly]\ncron = \"0 3 * * *\"\ntz = \"Europe/Rome\"\ndata = '{{\"n\": 1}}'\noverlap = \"cancel\"\n\
         [queues.a.schedules.often]\nevery = \"15m\"\nname = \"pulse\"\n{HANDLER}"
    ));
    let hook = &config.hooks[0];
    assert_eq!((&*hook.name, &*hook.job, hook.signature), ("woo", "woo", HookSignature::WooCommerce));
    assert_eq!((hook.tolerance, hook.attempts), (Duration::from_mins(5), 3));
    let [nightly, often] = &config.queues["a"].schedules[..] else { panic!("two schedules") };
    assert_eq!(nightly.when, When::Cron("0 3 * * *".into(), Some("Europe/Rome".into())));
    assert_eq!((&nightly.data["n"], nightly.overlap), (&serde_json::json!(1), Overlap::Cancel));
    assert_eq!((&*often.job, &often.when), ("pulse", &When::Every(Duration::from_mins(15))));
    assert_eq!(config.queues["a"].retention.history, Duration::from_hours(30 * 24));
}

#[test]
fn what_cannot_work_is_said() {
    for (text, said) in [
        ("[queues.a.schedules.x]\nname = \"y\"", "queues.a.schedules.x has no cron and no every"),
        ("[queues.a.schedules.x]\ncron = \"0 3 * * *\"\nevery = \"1h\"", "is two things at once"),
        ("[queues.a.schedules.x]\ncron = \"often\"", "queues.a.schedules.x.cron cannot be read"),
        ("[queues.a.schedules.x]\ncron = \"0 3 * * *\"\ntz = \"Mars\"", "is no time zone"),
        ("[queues.a.schedules.x]\nevery = \"1h\"\ndata = \"{\"", "is no JSON"),
        ("[queues.a.schedules.\"x:y\"]\nevery = \"1h\"", "has no usable name"),
        ("[hooks.w]\nqueue = \"b\"\nsignature = \"shopify\"\nsecret = \"abc\"", "is no queue of this config"),
        (
            "[hooks.w]\nqueue = \"a\"\nsignature = \"shopify\"\nsecret = \"abc\"\norg = \"shop\"",
            "names no place",
        ),
        ("[hooks.\"a/b\"]\nqueue = \"a\"\nsignature = \"shopify\"\nsecret = \"abc\"", "has no usable name"),
        ("[hooks.w]\nqueue = \"a\"\nsignature = \"md5\"\nsecret = \"abc\"", "hooks.w.signature"),
    ] {
        let lines = errors(&format!("{text}\n{HANDLER}"));
        assert!(lines.contains(said), "{text}\n{lines}");
    }
}
