//! `GET …/logs?follow=sse`.

use crate::site::{Site, complete_next};

#[tokio::test]
async fn a_followed_log_gives_the_lines_that_come_and_ends_with_the_job() {
    let site = Site::start().with_jobs().await;
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        let log = async |lines: &[String]| {
            handle.store().log("first", bullock::store::run::OPERATOR, 100, lines).await.unwrap();
        };
        log(&["one".to_owned(), "two\nlines".to_owned()]).await;
        let path = format!("/queues/{queue}/jobs/first/logs?follow=sse");
        // The answer ends by itself: with the job.
        let (followed, ()) = tokio::join!(site.send("viewer", "GET", &path, None), async {
            log(&["three".to_owned()]).await;
            complete_next(handle.store(), "1").await;
        });
        assert_eq!(followed.status, 200, "{followed:?}");
        assert_eq!(followed.header("content-type"), Some("text/event-stream; charset=utf-8"));
        let frames = [
            "id: 0\ndata: \"one\"",
            "id: 1\ndata: \"two\\nlines\"",
            "id: 2\ndata: \"three\"",
            "event: end\ndata: {\"state\":\"completed\"}",
        ];
        let mut at = 0;
        for frame in frames {
            let found = followed.body[at..].find(frame);
            at += found.unwrap_or_else(|| panic!("{frame} is not behind {at}: {}", followed.body));
        }
        let from = [("last-event-id", "1")];
        let rest = site.send_with("viewer", "GET", &path, &from, None).await;
        assert!(!rest.body.contains("one") && rest.body.contains("id: 2"), "{rest:?}");
    }
    site.send("viewer", "GET", "/queues/shop/jobs/nobody/logs?follow=sse", None).await.refused(404);
    site.send("viewer", "GET", "/queues/shop/jobs/first/logs?follow=ws", None).await.refused(400);
}
