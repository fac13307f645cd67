//! A producer in Rust: adds a job to the queue `emails` as npm `bull` would. Any worker of the queue may do it.
//!
//! ```sh
//! REDIS_URL=redis://127.0.0.1:6379 cargo run --example producer
//! ```

use std::error::Error;

use bullock::Queue;
use serde_json::json;

/// Adds one job. The options are those of npm `bull`. Gives the id.
pub async fn add(redis_url: &str, to: &str) -> Result<String, Box<dyn Error>> {
    let queue = Queue::open(redis_url, "bull", "emails")?;
    let job = queue.add("welcome", &json!({"to": to}), json!({"attempts": 3, "backoff": 1000})).await?;
    Ok(job.id.to_string())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let id = add(&std::env::var("REDIS_URL")?, "ada@example.com").await?;
    println!("added {id}");
    Ok(())
}
