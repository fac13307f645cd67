//! docs/reference/metrics.md agrees with what is exported: it is made from a scrape.
//!
//! After a change of the metrics: `UPDATE_DOCS=1 cargo test --test readme metrics_page`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::blocks;
use crate::support::metrics::{endings, families, of_everything};

const PAGE: &str = "docs/reference/metrics.md";
const HEAD: &str = "\
<!-- Made from a scrape: UPDATE_DOCS=1 cargo test --test readme metrics_page -->

# Metrics

`GET /metrics` of the admin server, in OpenMetrics. Histograms have `_bucket`, `_sum` and `_count` behind their names. A queue has series of at most 100 job names;
the rest is `_other`. No job id and no data is ever in a label. The names that begin with `bullmq` are those of BullMQ's own exporter, shown with `metrics.bullmq_names = true`;
`bullmq_job_completed_total` and `bullmq_job_failed_total` are there for queues that keep BullMQ's metrics.

| Name | Kind | Labels | What it says |
|---|---|---|---|
";

/// The names of a family's labels, but for the bounds of buckets.
fn labels(text: &str, series: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix('{'));
    let Some(inside) = line.and_then(|line| line.split_once('}')).map(|(inside, _)| inside) else {
        return String::new();
    };
    let names = inside.split("\",").filter_map(|pair| pair.split_once("=\"")).map(|(name, _)| name);
    names.filter(|name| *name != "le").collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn the_page_on_metrics_is_made_from_what_is_exported() {
    let text = of_everything().await;
    let rows: BTreeMap<String, String> = families(&text)
        .into_iter()
        .map(|(family, kind, help)| {
            let name =
                if kind == "histogram" { family.to_owned() } else { format!("{family}{}", endings(kind)[0]) };
            let labels = labels(&text, &format!("{family}{}", endings(kind)[0]));
            let help = help.trim_end_matches('.').replace('|', "\\|");
            (name.clone(), format!("| `{name}` | {kind} | {labels} | {help} |"))
        })
        .collect();
    let mut made = HEAD.to_owned();
    for row in rows.values() {
        let _ = writeln!(made, "{row}");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(blocks::root().join(PAGE), made).unwrap();
        return;
    }
    assert!(
        blocks::page(PAGE) == made,
        "{PAGE} is not up to date. Run: UPDATE_DOCS=1 cargo test --test readme metrics_page\n{made}"
    );
}
