//! What the README and the pages in docs/ show, done: every command typed, every config loaded, every program run.
//!
//! A block with a language tag that nothing runs fails the test. Blocks without a tag are pictures.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod blocks;
mod config_page;
mod examples;
mod pages;
mod repository;
mod shell;
mod state_page;

use blocks::Block;
use shell::Reader;

/// Commands that are typed at the root of the repository and not in an app.
fn is_of_the_repository(block: &Block) -> bool {
    block.commands().iter().all(|(command, _)| command.starts_with("script/"))
}

fn of_language(blocks: &[Block], language: &str) -> Vec<Block> {
    blocks.iter().filter(|block| block.language == language).cloned().collect()
}

fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars().chain(
        [
            ("REDIS_URL", "redis://127.0.0.1:6379"),
            ("WEBHOOK_SECRET", "whsec_T2ZyZWFkbWVzQW5kT3RoZXJzMDEyMzQ1"),
            ("OLD_WEBHOOK_SECRET", "whsec_T2xkT2ZyZWFkbWVzQW5kT3RoZXJzMDEy"),
            ("OPS_TOKEN_SHA256", "3e7077fd2f66d689e0cee6a7cf5b37bf2dca7c979af356d0a31cbc5c85605c7d"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    )
}

fn load(page: &str, block: &Block) {
    let name = format!("{page}, the block at line {}", block.line);
    if let Err(problems) = bullock::config::Config::from_text(&name, &block.text, environment()) {
        panic!("{problems}");
    }
}

#[test]
fn every_block_of_the_readme_has_somebody_who_runs_it() {
    for block in blocks::of(&blocks::page("README.md")) {
        let known = matches!(block.language.as_str(), "console" | "toml" | "js" | "rust");
        assert!(known, "README.md line {}: nothing runs a block of \"{}\"", block.line, block.language);
    }
}

#[tokio::test]
async fn the_readmes_app_works_as_shown() {
    let blocks = blocks::of(&blocks::page("README.md"));
    let reader = Reader::new().await;
    for block in of_language(&blocks, "toml") {
        load("README.md", &block);
        reader.save(&block);
    }
    for block in of_language(&blocks, "js") {
        reader.save(&block);
    }
    let consoles = of_language(&blocks, "console");
    let app: Vec<Block> = consoles.into_iter().filter(|block| !is_of_the_repository(block)).collect();
    assert!(!app.is_empty());
    // Nothing is shown that is not used.
    for block in blocks.iter().filter(|block| block.language == "js") {
        let name = block.file_name().unwrap_or_default();
        let used = app.iter().any(|console| console.text.contains(&format!("node {name}")));
        assert!(used, "README.md line {}: no command runs {name}", block.line);
    }
    reader.type_in("README.md", &app).await;
}

#[test]
fn every_link_to_a_file_of_the_repository_leads_to_one() {
    let pages = ["README.md", "examples/express/README.md", "docs/handlers.md", "docs/config.md"];
    let pages = pages.into_iter().chain([
        "docs/redis-keys.md",
        "docs/dead-letters.md",
        "docs/alerts.md",
        "docs/zombies.md",
        "docs/doctor.md",
        "docs/compatibility.md",
        "docs/moving-to-bullmq.md",
        "docs/state-machine.md",
        "docs/syncs.md",
        "docs/tutorial-first-sync.md",
        "docs/dashboard.md",
        "examples/store/README.md",
        "docs/wire/bull-4.md",
        "docs/wire/bullmq.md",
    ]);
    for page in pages {
        let text = blocks::page(page);
        let directory = blocks::root().join(page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            let elsewhere = link.contains("://") || file.is_empty();
            assert!(elsewhere || directory.join(file).exists(), "{page}: there is no {link}");
        }
    }
}
