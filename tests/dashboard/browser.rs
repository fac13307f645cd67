//! A real browser: `tests/dashboard/node/browser.mjs` by remote control.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::node::Node;

/// One Chromium with one page. What the page complains of is gathered; [`Browser::quiet`] asserts that it is nothing.
pub struct Browser {
    node: Node,
    requests: u64,
    /// Where paths begin: `http://127.0.0.1:<port>/`.
    base: String,
}

impl Browser {
    /// Starts it. Paths given to [`Browser::open`] are below `base`.
    pub async fn start(base: &str) -> Browser {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dashboard/node");
        let mut node = Node::start_in(&directory, "browser.mjs", &[]);
        let first = node.next().await;
        assert_eq!(first, json!({"ready": true}), "{first}\n{}", node.errors());
        Browser { node, requests: 0, base: format!("{}/", base.trim_end_matches('/')) }
    }

    /// Any request of browser.mjs. `Err` is what the browser said.
    pub async fn ask(&mut self, what: &str, mut arguments: Value) -> Result<Value, String> {
        self.requests += 1;
        let number = self.requests;
        arguments["request"] = json!(number);
        arguments["do"] = json!(what);
        self.node.send(&arguments);
        let answer = self.node.next_where(what, |line| line["request"] == json!(number)).await;
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["ok"].clone()),
        }
    }

    async fn done(&mut self, what: &str, arguments: Value) -> Value {
        match self.ask(what, arguments).await {
            Ok(answer) => answer,
            Err(error) => panic!("{error}"),
        }
    }

    /// A context without cookies, storage and complaints: `{width, height, dark, scale}`.
    pub async fn fresh(&mut self, options: Value) {
        self.done("fresh", options).await;
    }

    /// Opens a page of the dashboard and waits until its frame is there.
    pub async fn open(&mut self, path: &str) {
        self.visit(path).await;
        self.see("header.header", "Bullock").await;
    }

    /// Opens a page, whatever it shows.
    pub async fn visit(&mut self, path: &str) {
        let url = format!("{}{path}", self.base);
        self.done("open", json!({"url": url})).await;
    }

    /// Waits until an element that matches `at` is to be seen and holds `text`.
    pub async fn see(&mut self, at: &str, text: &str) {
        self.done("see", json!({"at": at, "text": text})).await;
    }

    /// Waits until no element that matches `at` holds `text`.
    pub async fn gone(&mut self, at: &str, text: &str) {
        self.done("gone", json!({"at": at, "text": text})).await;
    }

    /// Waits until an expression in the page is true.
    pub async fn until(&mut self, expression: &str) {
        self.done("until", json!({"js": expression})).await;
    }

    /// The value of an expression in the page.
    pub async fn run(&mut self, expression: &str) -> Value {
        self.done("run", json!({"js": expression})).await
    }

    /// How many elements match.
    pub async fn count(&mut self, at: &str) -> u64 {
        self.done("count", json!({"at": at})).await.as_u64().unwrap_or_default()
    }

    /// Clicks the first element that matches.
    pub async fn click(&mut self, at: &str) {
        self.done("click", json!({"at": at})).await;
    }

    /// Types into a field, in place of what is in it.
    pub async fn fill(&mut self, at: &str, text: &str) {
        self.done("fill", json!({"at": at, "text": text})).await;
    }

    /// Presses keys, one after the other.
    pub async fn press(&mut self, keys: &[&str]) {
        self.done("press", json!({"keys": keys})).await;
    }

    /// The address shown, below the base.
    pub async fn place(&mut self) -> String {
        let url = self.done("url", json!({})).await;
        let url = url.as_str().unwrap_or_default().to_owned();
        url.strip_prefix(&self.base).map_or(url.clone(), str::to_owned)
    }

    /// Complaints that hold one of these words are expected from now on.
    pub async fn expect(&mut self, words: &[&str]) {
        self.done("expect", json!({"words": words})).await;
    }

    /// Asserts that the page complained of nothing so far.
    pub async fn quiet(&mut self, when: &str) {
        let complaints = self.done("complaints", json!({})).await;
        assert_eq!(complaints, json!([]), "{when}: the page complains");
    }

    /// Asserts that axe finds nothing serious or critical on the page as it is now.
    pub async fn accessible(&mut self, when: &str) {
        let found = self.done("axe", json!({})).await;
        assert_eq!(found, json!([]), "{when}: axe finds this");
    }

    /// Asserts that the page is no wider than the window.
    pub async fn fits(&mut self, when: &str) {
        let wide = self.done("wide", json!({})).await;
        assert!(wide["over"].as_i64().unwrap_or(1) <= 0, "{when}: wider than the window: {wide}");
    }

    /// Tells a tab (0 = the first) that it is hidden, or to be seen again.
    pub async fn hide(&mut self, tab: u64, hidden: bool) {
        self.done("hide", json!({"tab": tab, "hidden": hidden})).await;
    }

    /// Opens a further tab of the same browser and gives its number.
    pub async fn tab(&mut self, path: &str) -> u64 {
        let url = format!("{}{path}", self.base);
        self.done("tab", json!({"url": url})).await.as_u64().unwrap_or_default()
    }

    /// The visible text in a further tab.
    pub async fn tab_text(&mut self, tab: u64, at: &str) -> String {
        let text = self.done("tabText", json!({"tab": tab, "at": at})).await;
        text.as_str().unwrap_or_default().to_owned()
    }
}
