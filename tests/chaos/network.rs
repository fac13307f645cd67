//! The way of one process to Redis: a proxy for each server, and, in a group that sentinels watch, a relay for each sentinel
//! that names those proxies instead of the servers. So each process has a network of its own, also to a new master.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::many::Watched;
use crate::support::proxy::{Lose, Proxy};

/// One process' network.
pub(crate) struct Network {
    /// One for each server, in their order.
    proxies: Vec<Proxy>,
    /// Which of them leads to the master.
    master: AtomicUsize,
    /// Ports of the relays, if there are sentinels.
    sentinels: Vec<u16>,
}

impl Network {
    /// To these servers; to find the master among them, by these sentinels.
    pub(crate) async fn to(servers: &[u16], sentinels: &[u16]) -> Network {
        let mut proxies = Vec::new();
        for port in servers {
            proxies.push(Proxy::to(*port).await);
        }
        let names: Vec<(u16, u16)> = servers.iter().copied().zip(proxies.iter().map(Proxy::port)).collect();
        let mut relays = Vec::new();
        for sentinel in sentinels {
            relays.push(relay(*sentinel, names.clone()).await);
        }
        Network { proxies, master: AtomicUsize::new(0), sentinels: relays }
    }

    /// What the process is told.
    pub(crate) fn url(&self) -> String {
        if self.sentinels.is_empty() {
            return self.proxies[0].url();
        }
        let hosts: Vec<String> = self.sentinels.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://{}/{}", hosts.join(","), Watched::MASTER)
    }

    /// Another server is the master.
    pub(crate) fn leads_to(&self, master: usize) {
        self.master.store(master, Ordering::SeqCst);
    }

    pub(crate) fn lose(&self, which: Lose) {
        self.proxies[self.master.load(Ordering::SeqCst)].lose(which);
    }

    pub(crate) fn blackhole_existing(&self) {
        self.proxies.iter().for_each(Proxy::blackhole_existing);
    }

    pub(crate) fn hold(&self) {
        self.proxies.iter().for_each(Proxy::hold);
    }

    pub(crate) fn refuse(&self) {
        self.proxies.iter().for_each(Proxy::refuse);
    }

    /// Turns away who comes to this server.
    pub(crate) fn refuse_to(&self, server: usize) {
        self.proxies[server].refuse();
    }

    /// All ways lead to another server from here on.
    pub(crate) fn turn_to(&self, port: u16) {
        for proxy in &self.proxies {
            proxy.turn_to(port);
            proxy.cut();
        }
    }

    pub(crate) fn pass(&self) {
        self.proxies.iter().for_each(Proxy::pass);
    }
}

/// Stands in front of a sentinel and says other ports than it. Its own port; it lives as long as the runtime.
async fn relay(sentinel: u16, names: Vec<(u16, u16)>) -> u16 {
    // A port is put in the place of another in the middle of a reply, whose lengths stay as they are.
    let names: Vec<(Vec<u8>, Vec<u8>)> = names
        .into_iter()
        .map(|(server, proxy)| (server.to_string().into_bytes(), proxy.to_string().into_bytes()))
        .collect();
    assert!(
        names.iter().all(|(server, proxy)| server.len() == proxy.len()),
        "ports of five digits: {names:?}"
    );
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((inside, _)) = listener.accept().await {
            let Ok(outside) = TcpStream::connect(("127.0.0.1", sentinel)).await else { continue };
            tokio::spawn(carry(inside, outside, names.clone()));
        }
    });
    port
}

async fn carry(inside: TcpStream, outside: TcpStream, names: Vec<(Vec<u8>, Vec<u8>)>) {
    let (mut from_client, mut to_client) = inside.into_split();
    let (mut from_sentinel, mut to_sentinel) = outside.into_split();
    let there = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_sentinel).await;
    };
    let back = async {
        let (mut chunk, mut kept) = (vec![0; 64 * 1024], Vec::new());
        while let Ok(read @ 1..) = from_sentinel.read(&mut chunk).await {
            kept.extend_from_slice(&chunk[..read]);
            rename(&mut kept, &names);
            // Half a port may have come: the end waits for the rest, unless a reply ends here.
            let ready = if kept.ends_with(b"\r\n") { kept.len() } else { kept.len().saturating_sub(4) };
            if to_client.write_all(&kept[..ready]).await.is_err() {
                return;
            }
            kept.drain(..ready);
        }
    };
    tokio::select! { () = there => {}, () = back => {} }
}

/// In one pass: what was put there is not looked at again.
fn rename(bytes: &mut [u8], names: &[(Vec<u8>, Vec<u8>)]) {
    let mut at = 0;
    while at < bytes.len() {
        match names.iter().find(|(server, _)| bytes[at..].starts_with(server)) {
            Some((server, proxy)) => {
                bytes[at..at + server.len()].copy_from_slice(proxy);
                at += server.len();
            }
            None => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_servers_are_named_as_those_of_the_proxies_in_one_pass() {
        let names = vec![(b"40001".to_vec(), b"40002".to_vec()), (b"40002".to_vec(), b"40003".to_vec())];
        let mut reply = b"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n40001\r\n$5\r\n40002\r\n".to_vec();
        rename(&mut reply, &names);
        assert_eq!(reply, b"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n40002\r\n$5\r\n40003\r\n");
    }
}
