//! What producers write is shown and never run.

use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::site::{BULL, MQ, Site, segment};
use crate::support::bullock::cli;
use crate::support::node::BullQueue;

/// Each would set `pwned`, or open a dialog, if a browser took it for markup, a script or an address.
const PAYLOADS: &[&str] = &[
    "<img src=x onerror=pwned=1>",
    "<script>pwned=1</script>",
    "<svg onload=pwned=1>",
    "<svg><script>pwned=1</script></svg>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "<body onload=pwned=1>",
    "<details open ontoggle=pwned=1>",
    "<video><source onerror=pwned=1></video>",
    "<audio src=x onerror=pwned=1>",
    "<input autofocus onfocus=pwned=1>",
    "<select autofocus onfocus=pwned=1>",
    "<textarea autofocus onfocus=pwned=1>",
    "<marquee onstart=pwned=1>",
    "<object data=javascript:pwned=1>",
    "<embed src=javascript:pwned=1>",
    "<a href=javascript:pwned=1>x</a>",
    "<math href=javascript:pwned=1>x</math>",
    "<form action=javascript:pwned=1><button>x</button></form>",
    "<link rel=stylesheet href=javascript:pwned=1>",
    "<style>@import 'javascript:pwned=1'</style>",
    "<base href=javascript:pwned=1//>",
    "<meta http-equiv=refresh content='0;url=javascript:pwned=1'>",
    "<template><img src=x onerror=pwned=1></template>",
    "<noscript><img src=x onerror=pwned=1></noscript>",
    "</title><script>pwned=1</script>",
    "</textarea><script>pwned=1</script>",
    "</script><script>pwned=1</script>",
    "--><script>pwned=1</script>",
    "]]><script>pwned=1</script>",
    "'\"><script>pwned=1</script>",
    "\" onmouseover=pwned=1 x=\"",
    "' autofocus onfocus=pwned=1 x='",
    "javascript:pwned=1",
    "JaVaScRiPt:pwned=1",
    "data:text/html,<script>pwned=1</script>",
    "{{constructor.constructor('pwned=1')()}}",
    "${pwned=1}",
    "#{pwned=1}",
    "&lt;img src=x onerror=pwned=1&gt;",
    "\u{202e}<img src=x onerror=pwned=1>\u{2066}",
];

#[tokio::test]
async fn forty_payloads_in_every_text_of_a_job_stay_text() {
    assert_eq!(PAYLOADS.len(), 40);
    let mut site = Site::start().await;
    let (mut bull, mut mq) = (site.bull().await, site.bullmq().await);
    let mut jobs = Vec::new();
    for (n, payload) in PAYLOADS.iter().enumerate() {
        // Name, data (keys and values), failure and stack, log lines, options, an id of the producer's choice.
        let data = json!({"steps": 2, "log": true, "text": payload, (*payload): payload, "fail": payload});
        let opts = json!({"jobId": format!("{payload}-{n}"), "note": payload});
        jobs.push(bull.add(payload, data.clone(), opts).await);
        mq.add(payload, data, json!({"failParentOnFailure": false})).await;
    }
    for id in &jobs {
        let _ = bull.finished(id).await;
    }
    let pages = [
        String::new(),
        "failed".into(),
        "history".into(),
        "workers".into(),
        "audit".into(),
        format!("queues/{}", segment(BULL)),
        format!("queues/{MQ}?cols=data.text&state=failed"),
        format!("queues/{}?q=%3Cimg%20src%3Dx%20onerror%3Dpwned%3D1%3E", segment(BULL)),
        "queues/%3Cimg%20src%3Dx%20onerror%3Dpwned%3D1%3E".into(),
    ];
    site.browser.expect(&["404"]).await;
    for path in pages {
        site.browser.open(&path).await;
        site.browser.see("main", "").await;
        site.browser.until("!document.querySelector('[aria-busy]')").await;
        inert(&mut site, &path).await;
    }
    for (id, payload) in jobs.iter().zip(PAYLOADS) {
        site.browser.open(&format!("queues/{}/jobs/{}?tab=data", segment(BULL), encoded(id))).await;
        site.browser
            .until(&format!("document.querySelector('.json-tree')?.textContent.includes({})", json!(payload)))
            .await;
        for tab in ["Error", "Logs", "Options"] {
            site.browser.click(&format!("nav.tabs a:has-text('{tab}')")).await;
        }
        inert(&mut site, payload).await;
    }
}

/// A queue of syncs whose sink refuses all items in their own words.
const SYNCS: &str = "moves";
/// One of them goes for all where a text stands once on a page: it would run wherever it is taken for markup.
const IMG: &str = "<img src=x onerror=pwned=1>";
/// The same without blanks, for names of connections.
const SCRIPT: &str = "<script>pwned=1</script>";

fn config_of_syncs() -> String {
    let sink = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dashboard/node/refuse.mjs");
    format!(
        "[queues.{SYNCS}]\ndialect = \"bull\"\n[queues.{SYNCS}.handlers.\"*\".sync]\nitem_attempts = 1\n\
         sink = {{ exec = [\"node\", \"{}\"] }}\n",
        sink.display()
    )
}

/// What `bullock` does on the command line, which must succeed.
async fn done(site: &Site, arguments: &[&str]) {
    let url = site.redis.url();
    let answer = cli(&[arguments, &["--redis-url", &url]].concat(), &[]).await;
    assert_eq!(answer.code, 0, "{arguments:?}: {}", answer.stderr);
}

#[tokio::test]
async fn forty_payloads_as_names_ids_items_reasons_and_workers_stay_text_on_every_other_page() {
    let mut site = Site::start_with(&config_of_syncs()).await;
    let url = site.redis.url();
    let mut mq = site.bullmq().await;
    // A queue, its job and its worker, which dies at it: overview, finder, zombies, workers.
    let mut orphans = BullQueue::open_mq(6, &url, IMG, &json!({})).await;
    orphans.work_with(1, 600_000, json!({"lockDuration": 1000, "name": SCRIPT})).await;
    orphans.add(IMG, json!({}), json!({"jobId": IMG})).await;
    orphans.hear("its start", |line| line["started"] == json!(IMG)).await;
    site.browser.open("workers").await;
    site.browser.see("main table", SCRIPT).await;
    inert(&mut site, "workers").await;
    orphans.node().signal(Signal::SIGKILL);
    for (n, payload) in PAYLOADS.iter().enumerate() {
        let child = json!({"name": payload, "queueName": MQ, "data": {"text": payload}, "opts": {"delay": 3_600_000}});
        let id = format!("flow{n}");
        let parent =
            json!({"name": payload, "queueName": MQ, "data": {}, "opts": {"jobId": id}, "children": [child]});
        mq.flow(parent).await;
        let template = json!({"name": payload, "data": {"text": payload}});
        let scheduler = format!("{n}{payload}");
        mq.call("upsertJobScheduler", json!([scheduler, {"every": 3_600_000}, template])).await.unwrap();
        let told = json!({"progress": {"total": 2, "processed": 1, "metadata": payload, (*payload): payload}, "result": {(*payload): payload}});
        let id = mq.add(payload, told, json!({"jobId": format!("told{n}")})).await;
        mq.finished(&id).await.unwrap();
        if n % 8 == 0 {
            let held = format!("held{n}");
            mq.add(payload, json!({}), json!({"jobId": held, "delay": 3_600_000})).await;
            done(&site, &["job", "force-done", MQ, &held, "--reason", payload]).await;
        }
    }
    let items: Vec<_> = PAYLOADS.iter().map(|payload| json!({"id": payload, "name": payload})).collect();
    let data = json!({"items": items, "note": IMG}).to_string();
    let sync =
        ["sync", "start", SYNCS, IMG, "--org", "<script>", "--id", IMG, "--data", &data, "--reason", IMG];
    done(&site, &sync).await;

    let one = format!("syncs/{SYNCS}/{}", encoded(IMG));
    let pages = [
        (String::new(), "table.queues", IMG),
        (format!("queues/{}", encoded(IMG)), "main", IMG),
        ("zombies".into(), "main table", IMG),
        ("schedulers".into(), "main table", IMG),
        (format!("flows/{MQ}/flow1"), "main", PAYLOADS[1]),
        ("audit".into(), "main table", IMG),
        ("history".into(), "main", IMG),
        (format!("history?queue={MQ}"), "section[aria-label='By kind']", IMG),
        (format!("history?queue={SYNCS}"), "section[aria-label='Runs of syncs']", IMG),
        ("syncs".into(), "table.syncs-table", IMG),
        (one, ".items table", IMG),
        ("system".into(), "main", "noeviction"),
        (format!("queues/{MQ}/jobs/told3?tab=result"), ".json-tree", PAYLOADS[3]),
        (format!("queues/{MQ}/jobs/held0"), "ol.timeline", IMG),
    ];
    for (path, at, text) in pages {
        site.browser.open(&path).await;
        site.browser.see(at, text).await;
        inert(&mut site, &path).await;
    }
}

async fn inert(site: &mut Site, when: &str) {
    assert_eq!(site.browser.run("typeof pwned").await, json!("undefined"), "{when}: it ran");
    let foreign = "document.querySelectorAll('main :is(script, iframe, img, object, embed, base, meta, video, audio, marquee, math)').length";
    assert_eq!(site.browser.run(foreign).await, json!(0), "{when}: it became markup");
    let links = "[...document.querySelectorAll('a[href]')].filter((a) => a.protocol !== 'http:').length";
    assert_eq!(site.browser.run(links).await, json!(0), "{when}: it became a link");
    site.browser.quiet(when).await;
}

/// As one segment of a path.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        use std::fmt::Write as _;
        let _ = write!(out, "%{byte:02X}");
        out
    })
}
