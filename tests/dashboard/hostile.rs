//! What producers write is shown and never run.

use serde_json::json;

use crate::site::{BULL, MQ, Site, segment};

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
