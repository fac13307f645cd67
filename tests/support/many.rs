//! Several redis-servers that belong together: a master with replicas and sentinels, a cluster.

use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, free_port};
use super::redis::Redis;
use super::wait;

/// How soon a server counts as down, ms. Real ones take longer; tests have no time.
const DOWN_AFTER_MS: u64 = 700;
/// Replicas are in step soon.
const REPLICATION: [&str; 4] = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];
/// Commands that redis-cli sends while a cluster is made may take so long together.
const CREATE_LIMIT: Duration = Duration::from_secs(40);

/// Three sentinels around a master and its replicas.
pub struct Watched {
    /// The servers; whoever is the master changes.
    pub servers: Vec<Redis>,
    sentinels: Vec<(Process, u16, TempDir)>,
}

impl Watched {
    /// The name of the master.
    pub const MASTER: &'static str = "main";

    /// Starts a master with so many replicas, and three sentinels that know of all.
    pub async fn start(replicas: usize) -> Watched {
        Watched::start_with(replicas, DOWN_AFTER_MS).await
    }

    /// The same, where a server counts as down after so many ms of silence.
    pub async fn start_with(replicas: usize, down_after_ms: u64) -> Watched {
        let master = Redis::start_with(&REPLICATION);
        let port = master.port().to_string();
        let mut servers = vec![master];
        for _ in 0..replicas {
            servers
                .push(Redis::start_with(&[&REPLICATION[..], &["--replicaof", "127.0.0.1", &port]].concat()));
        }
        let sentinels = (0..3).map(|_| sentinel(&port, down_after_ms)).collect();
        let watched = Watched { servers, sentinels };
        wait::until("the sentinels to know each other and the replicas", async || {
            let mut known = 0;
            for (_, sentinel, _) in &watched.sentinels {
                let facts = ask(*sentinel, &["SENTINEL", "MASTER", Watched::MASTER]).await;
                let is = |name: &str, wanted: usize| {
                    facts.windows(2).any(|pair| pair[0] == name && pair[1] == wanted.to_string())
                };
                known += usize::from(is("num-slaves", replicas) && is("num-other-sentinels", 2));
            }
            known == 3
        })
        .await;
        watched.is_replicated(0, replicas).await;
        watched
    }

    /// `redis+sentinel://…`
    pub fn url(&self) -> String {
        let hosts: Vec<String> =
            self.sentinels.iter().map(|(_, port, _)| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://{}/{}", hosts.join(","), Watched::MASTER)
    }

    /// Where the sentinels are.
    pub fn sentinel_ports(&self) -> Vec<u16> {
        self.sentinels.iter().map(|(_, port, _)| *port).collect()
    }

    /// How often another server has become the master.
    pub fn switches(&self) -> usize {
        let told = self.sentinels.iter().map(|(_, _, dir)| {
            let log = std::fs::read_to_string(dir.path().join("sentinel.log")).unwrap_or_default();
            log.matches("+switch-master").count()
        });
        told.max().unwrap_or(0)
    }

    /// Which of the servers two sentinels at least call the master.
    pub async fn master(&self) -> usize {
        wait::value_within(Duration::from_secs(40), "two sentinels of one mind", || async {
            let mut told = Vec::new();
            for (_, sentinel, _) in &self.sentinels {
                told.push(
                    ask(*sentinel, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Watched::MASTER]).await.pop(),
                );
            }
            let port = told
                .iter()
                .flatten()
                .find(|port| told.iter().flatten().filter(|other| other == port).count() > 1)?;
            self.servers.iter().position(|server| server.port().to_string() == *port)
        })
        .await
    }

    /// Brings a killed server back as a replica of this master.
    pub fn comes_back(&mut self, server: usize, master: usize) {
        let port = self.servers[master].port().to_string();
        self.servers[server].restart_with(&[&REPLICATION[..], &["--replicaof", "127.0.0.1", &port]].concat());
    }

    /// Waits until another server than this one is called the master, and takes writes.
    pub async fn other_than(&self, old: usize) -> usize {
        wait::value_within(Duration::from_secs(40), "another master", || async {
            let now = self.master().await;
            if now == old {
                return None;
            }
            let role = ask(self.servers[now].port(), &["ROLE"]).await;
            (role.first().is_some_and(|role| role == "master")).then_some(now)
        })
        .await
    }

    /// Waits until this server has so many replicas that are in step.
    pub async fn is_replicated(&self, master: usize, replicas: usize) {
        let port = self.servers[master].port();
        wait::value_within(Duration::from_secs(40), "the replicas to be in step", || async {
            let info = ask(port, &["INFO", "replication"]).await;
            (info.first()?.matches("state=online").count() >= replicas).then_some(())
        })
        .await;
    }

    /// Waits until two sentinels call this server the master and know so many replicas of it that are well.
    pub async fn is_settled(&self, master: usize, replicas: usize) {
        let port = self.servers[master].port().to_string();
        wait::value_within(Duration::from_mins(2), "the sentinels to be settled", || async {
            let mut settled = 0;
            for (_, sentinel, _) in &self.sentinels {
                let facts = ask(*sentinel, &["SENTINEL", "MASTER", Watched::MASTER]).await;
                let value = |name: &str| {
                    facts
                        .windows(2)
                        .find(|pair| pair[0] == name)
                        .map(|pair| pair[1].clone())
                        .unwrap_or_default()
                };
                let all = ask(*sentinel, &["SENTINEL", "REPLICAS", Watched::MASTER]).await;
                let well = all.iter().filter(|text| *text == "slave").count();
                settled +=
                    usize::from(value("port") == port && value("flags") == "master" && well >= replicas);
            }
            (settled >= 2).then_some(())
        })
        .await;
    }
}

fn sentinel(master: &str, down_after_ms: u64) -> (Process, u16, TempDir) {
    for _ in 0..10 {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let name = Watched::MASTER;
        let config = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nlogfile sentinel.log\nsentinel monitor {name} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {name} {down_after_ms}\nsentinel failover-timeout {name} 3000\n\
             sentinel parallel-syncs {name} 5\n",
            dir.path().display()
        );
        let file = dir.path().join("sentinel.conf");
        std::fs::write(&file, config).unwrap();
        let mut process = start(Command::new("redis-server").arg(&file).arg("--sentinel"));
        for _ in 0..1_000 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return (process, port, dir);
            }
            if process.ended().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    panic!("no sentinel would start");
}

fn start(command: &mut Command) -> Process {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Process::spawn(command).expect("redis-server is on PATH")
}

/// One command on a connection of its own, its reply flattened to texts. A server that is gone says nothing.
pub async fn ask(port: u16, words: &[&str]) -> Vec<String> {
    let asking = async {
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).ok()?;
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(Duration::from_secs(30)));
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.ok()?;
        let reply: redis::Value =
            redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.ok()?;
        let mut texts = Vec::new();
        flatten(reply, &mut texts);
        Some(texts)
    };
    asking.await.unwrap_or_default()
}

fn flatten(value: redis::Value, into: &mut Vec<String>) {
    match value {
        redis::Value::Array(items) => items.into_iter().for_each(|item| flatten(item, into)),
        redis::Value::BulkString(bytes) => into.push(String::from_utf8_lossy(&bytes).into_owned()),
        redis::Value::SimpleString(text) => into.push(text),
        redis::Value::Int(n) => into.push(n.to_string()),
        redis::Value::Okay => into.push("OK".into()),
        _ => {}
    }
}

/// Three masters with a replica each.
pub struct Cluster {
    /// The nodes.
    pub nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts and joins six nodes.
    pub async fn start() -> Cluster {
        let options =
            ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0"];
        let nodes: Vec<Redis> = (0..6)
            .map(|_| {
                // A node's bus listens on a port of its own; the usual one, 10,000 above, may not exist.
                let bus = free_port().to_string();
                Redis::start_with(&[&options[..], &["--cluster-port", &bus]].concat())
            })
            .collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        create.args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())));
        create.args(["--cluster-replicas", "1", "--cluster-yes"]);
        let made = tokio::time::timeout(CREATE_LIMIT, tokio::task::spawn_blocking(move || create.output()));
        let made = made.await.expect("the cluster is made in time").unwrap().expect("redis-cli is on PATH");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let cluster = Cluster { nodes };
        wait::value_within(CREATE_LIMIT, "the cluster to be ready", || async {
            for node in &cluster.nodes {
                let info = ask(node.port(), &["CLUSTER", "INFO"]).await;
                if !info.first()?.contains("cluster_state:ok") {
                    return None;
                }
                let replication = ask(node.port(), &["INFO", "replication"]).await;
                let text = replication.first()?;
                if !text.contains("state=online") && !text.contains("master_link_status:up") {
                    return None;
                }
            }
            Some(())
        })
        .await;
        cluster
    }

    /// `redis+cluster://…` by two of the nodes.
    pub fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", self.nodes[0].port(), self.nodes[5].port())
    }

    /// Which node is the master of a key's slot, as the others see it.
    pub async fn owner(&self, key: &str) -> usize {
        wait::value("the owner of a slot", || async {
            for node in &self.nodes {
                let slot = ask(node.port(), &["CLUSTER", "KEYSLOT", key]).await;
                let Some(slot) = slot.first().and_then(|slot| slot.parse::<u64>().ok()) else { continue };
                let told = ask(node.port(), &["CLUSTER", "NODES"]).await;
                return self.owner_in(told.first()?, slot);
            }
            None
        })
        .await
    }

    fn owner_in(&self, nodes: &str, slot: u64) -> Option<usize> {
        let line = nodes.lines().find(|line| {
            !line.contains("fail")
                && line.split(' ').skip(8).any(|range| {
                    let (first, last) = range.split_once('-').unwrap_or((range, range));
                    let bounds = (first.parse::<u64>(), last.parse::<u64>());
                    matches!(bounds, (Ok(first), Ok(last)) if (first..=last).contains(&slot))
                })
        })?;
        let port: u16 = line.split(' ').nth(1)?.split('@').next()?.rsplit(':').next()?.parse().ok()?;
        self.nodes.iter().position(|node| node.port() == port)
    }

    /// The id of a node.
    pub async fn id(&self, node: usize) -> String {
        ask(self.nodes[node].port(), &["CLUSTER", "MYID"]).await.remove(0)
    }

    /// Moves the slot of a key from its master to another one, as `redis-cli --cluster reshard` does.
    pub async fn move_slot(&self, key: &str, to: usize) {
        let from = self.owner(key).await;
        let (source, target) = (self.nodes[from].port(), self.nodes[to].port());
        let (source_id, target_id) = (self.id(from).await, self.id(to).await);
        let slot = ask(source, &["CLUSTER", "KEYSLOT", key]).await.remove(0);
        ask(target, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source_id]).await;
        ask(source, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target_id]).await;
        loop {
            let keys = ask(source, &["CLUSTER", "GETKEYSINSLOT", &slot, "50"]).await;
            if keys.is_empty() {
                break;
            }
            let port = target.to_string();
            let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            migrate.extend(keys.iter().map(String::as_str));
            let done = ask(source, &migrate).await;
            assert!(!done.is_empty(), "MIGRATE is refused");
        }
        for node in [to, from] {
            let set = ask(self.nodes[node].port(), &["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]).await;
            assert_eq!(set, ["OK"]);
        }
    }
}
