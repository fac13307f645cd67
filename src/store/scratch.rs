//! A prefix of one's own, for measuring, and taking it away again.

use super::{Connection, StoreError};

/// What all such prefixes begin with: nothing else is ever taken away.
const BEGINNING: &str = "bullock-scratch-";
/// Keys of one step.
const STEP: usize = 1000;

/// A prefix that nobody else has.
pub fn new_prefix() -> String {
    format!("{BEGINNING}{}", uuid::Uuid::new_v4().simple())
}

/// Deletes every key below a prefix that [`new_prefix`] has made.
///
/// # Errors
/// It is another prefix ([`StoreError::Invalid`]), or Redis does not answer.
pub async fn remove(connection: &Connection, prefix: &str) -> Result<(), StoreError> {
    if prefix.strip_prefix(BEGINNING).is_none_or(|rest| rest.len() != 32) {
        return Err(StoreError::Invalid(format!("{prefix} is no scratch prefix")));
    }
    let (pattern, step) = (format!("{prefix}:*"), STEP.to_string());
    for master in connection.to_each_master().await? {
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(&step);
            let (next, keys): (String, Vec<String>) = master.query(&scan).await?;
            // One command a key: in a cluster they are in different slots.
            let mut pipe = redis::pipe();
            for key in &keys {
                pipe.cmd("UNLINK").arg(key);
            }
            if !keys.is_empty() {
                for reply in master.pipeline(&pipe, keys.len()).await? {
                    reply.extract_error()?;
                }
            }
            if next == "0" {
                break;
            }
            cursor = next;
        }
    }
    Ok(())
}
