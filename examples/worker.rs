//! A worker in Rust: takes the `welcome` jobs of the queue `emails`, whoever added them.
//!
//! ```sh
//! REDIS_URL=redis://127.0.0.1:6379 cargo run --example worker
//! ```

use std::error::Error;

use bullock::{Context, Job, JobError, Worker};
use serde::Deserialize;

#[derive(Deserialize)]
struct Welcome {
    to: String,
}

/// The result of the job, or why there is none: an error is a failed attempt, a permanent one the end of the job.
async fn welcome(job: Job<Welcome>, ctx: Context) -> Result<String, JobError> {
    ctx.progress(&50).await?;
    if !job.data.to.contains('@') {
        return Err(JobError::permanent(format!("{} is no address", job.data.to)));
    }
    Ok(format!("sent to {}", job.data.to))
}

/// Starts the worker; it works until it is stopped.
pub async fn start(redis_url: &str) -> Result<Worker, Box<dyn Error>> {
    let worker = Worker::builder(redis_url, "emails").concurrency(10).handler("welcome", welcome);
    Ok(worker.start().await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let worker = start(&std::env::var("REDIS_URL")?).await?;
    tokio::signal::ctrl_c().await?;
    worker.stop(); // takes no more jobs; those that run may finish
    worker.join().await;
    Ok(())
}
