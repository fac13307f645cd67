//! A guard cut out of the scripts of running workers, without touching their binary: on the way to Redis, the hash of a
//! script is replaced by that of one from which the guard is missing. A judge that does not notice is no judge.

use std::collections::HashMap;

use bullock::store::Scripts;
use bullock::wire::Dialect;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::wait;

/// What is cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// complete: does the token hold the job?
    CompletesByToken,
    /// progress: the same.
    ProgressByToken,
    /// claim: is nobody else at work on it? And recover: has the lease run out?
    OneLease,
}

/// Script, what stands there, what stands there instead.
type Cut = (&'static str, &'static str, &'static str);

impl Guard {
    pub(crate) const ALL: [(&'static str, Guard); 3] = [
        ("complete-token", Guard::CompletesByToken),
        ("progress-token", Guard::ProgressByToken),
        ("one-lease", Guard::OneLease),
    ];

    fn cuts(self) -> &'static [Cut] {
        match self {
            Guard::CompletesByToken => &[
                ("complete", "holder == args[at] and all_there", "all_there"),
                ("complete", "holder == args[at]", "true"),
            ],
            Guard::ProgressByToken => {
                &[("progress", "if holder == token then return nil end", "do return nil end")]
            }
            Guard::OneLease => &[("recover", "if left == -2 then", "if true then redis.call('DEL', lock)")],
        }
    }

    /// The scripts without it: (hash of the whole one, hash and text of the cut one).
    fn scripts(self, dialect: Dialect) -> Vec<(String, String, String)> {
        let mut texts = HashMap::<&str, (String, String)>::new();
        let scripts = Scripts::of(dialect);
        for (name, what, instead) in self.cuts() {
            let all = scripts.all();
            let (_, script) = all.iter().find(|(known, _)| known == name).unwrap();
            let whole = script.text().to_owned();
            let (_, text) = texts.entry(name).or_insert_with(|| (whole.clone(), whole));
            assert!(text.contains(what), "{name} has no \"{what}\" any more: {text}");
            *text = text.replace(what, instead);
        }
        let hash = |text: &str| redis::Script::new(text).get_hash().to_owned();
        texts.into_values().map(|(whole, cut)| (hash(&whole), hash(&cut), cut)).collect()
    }
}

/// Names of scripts by hash, for MONITOR's lines.
pub(crate) fn names(dialect: Dialect, guard: Option<Guard>) -> HashMap<String, &'static str> {
    let scripts = Scripts::of(dialect);
    let hash = |text: &str| redis::Script::new(text).get_hash().to_owned();
    let mut names: HashMap<_, _> =
        scripts.all().into_iter().map(|(name, script)| (hash(script.text()), name)).collect();
    for (whole, cut, _) in guard.map(|guard| guard.scripts(dialect)).unwrap_or_default() {
        let name = names[&whole];
        names.insert(cut, name);
    }
    names
}

/// Stands in front of Redis and cuts the guard out of what passes. Its port; it lives as long as the runtime.
pub(crate) async fn relay(guard: Guard, dialect: Dialect, redis: u16) -> u16 {
    let cuts = guard.scripts(dialect);
    teach(guard, dialect, redis).await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((inside, _)) = listener.accept().await {
            let Ok(outside) = TcpStream::connect(("127.0.0.1", redis)).await else { continue };
            let swaps: Vec<_> = cuts
                .iter()
                .map(|(whole, cut, _)| (whole.clone().into_bytes(), cut.clone().into_bytes()))
                .collect();
            tokio::spawn(carry(inside, outside, swaps));
        }
    });
    port
}

/// Loads the cut scripts, which the workers cannot: again when the server has forgotten them.
pub(crate) async fn teach(guard: Guard, dialect: Dialect, redis: u16) {
    let client = redis::Client::open(format!("redis://127.0.0.1:{redis}")).unwrap();
    let patient = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(Some(wait::DEADLINE))
        .set_response_timeout(Some(wait::DEADLINE));
    let mut db = client.get_multiplexed_async_connection_with_config(&patient).await.unwrap();
    for (_, _, text) in guard.scripts(dialect) {
        let _: String = redis::cmd("SCRIPT").arg("LOAD").arg(text).query_async(&mut db).await.unwrap();
    }
}

async fn carry(inside: TcpStream, outside: TcpStream, swaps: Vec<(Vec<u8>, Vec<u8>)>) {
    let (mut from_client, mut to_client) = inside.into_split();
    let (mut from_server, mut to_server) = outside.into_split();
    let there = async {
        let (mut chunk, mut kept) = (vec![0; 64 * 1024], Vec::new());
        while let Ok(read @ 1..) = from_client.read(&mut chunk).await {
            kept.extend_from_slice(&chunk[..read]);
            for (whole, cut) in &swaps {
                let mut at = 0;
                while let Some(found) = kept[at..].windows(whole.len()).position(|bytes| bytes == whole) {
                    kept[at + found..at + found + whole.len()].copy_from_slice(cut);
                    at += found + whole.len();
                }
            }
            // A hash may have come in part: the end waits for the rest, unless a request ends here.
            let whole_request = kept.ends_with(b"\r\n");
            let ready = if whole_request { kept.len() } else { kept.len().saturating_sub(40) };
            if to_server.write_all(&kept[..ready]).await.is_err() {
                return;
            }
            kept.drain(..ready);
        }
    };
    let back = async {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    };
    tokio::select! { () = there => {}, () = back => {} }
}
