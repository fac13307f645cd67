//! Which node of a cluster owns a slot.
//!
//! Each queue lives in one slot, so a queue's connection is a plain one to the master of that slot, which is found
//! again whenever the connection breaks or the node says that the slot has moved. The redis crate's own cluster client
//! would route every command by its keys, through one task for all queues, and lets a blocking command hold up the
//! others of its node.

use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use redis::{AsyncConnectionConfig, ErrorKind, RedisError, Value};
use tokio::sync::Mutex;

use super::target::{Address, Login};

/// Longest wait for one node's map. Some are asked at once.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a node's word that a slot has moved outweighs the maps of others, who may hear of it later.
const MOVED_TRUSTED: Duration = Duration::from_secs(2);
/// Slots of a cluster.
const SLOTS: u16 = 16384;

/// Which server of a target a connection wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Any master.
    Any,
    /// The master of a slot.
    Slot(u16),
    /// This one.
    Node(Address),
}

pub(super) struct Cluster {
    pub seeds: Vec<Address>,
    pub nodes: Login,
    map: Mutex<Map>,
}

#[derive(Default)]
struct Map {
    /// First and last slot, and the master. Empty = never read.
    ranges: Vec<(u16, u16, Address)>,
    /// All nodes that were ever heard of.
    known: Vec<Address>,
    read: Option<Instant>,
    /// What a node said last of slots that moved.
    moved: std::collections::HashMap<u16, (Instant, Address)>,
}

impl Cluster {
    pub(super) fn new(seeds: Vec<Address>, nodes: Login) -> Self {
        Self { seeds, nodes, map: Mutex::default() }
    }

    /// The address of a place, by a map that is read anew.
    pub(super) async fn owner(&self, place: &Place) -> Result<Address, RedisError> {
        if let Place::Node(address) = place {
            return Ok(address.clone());
        }
        let now = Instant::now();
        let mut map = self.map.lock().await;
        if let Place::Slot(slot) = place
            && let Some((told, address)) = map.moved.get(slot)
            && told.elapsed() < MOVED_TRUSTED
        {
            return Ok(address.clone());
        }
        if map.read.is_none_or(|read| read < now) {
            self.read(&mut map).await?;
        }
        let slot =
            if let Place::Slot(slot) = place { *slot } else { map.ranges.first().map_or(0, |range| range.0) };
        let owner = map.ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&slot));
        owner.map(|(_, _, address)| address.clone()).ok_or_else(|| {
            let what = format!("CLUSTERDOWN no node owns slot {slot}");
            RedisError::from((ErrorKind::Io, "cluster", what))
        })
    }

    /// All masters that own slots.
    pub(super) async fn masters(&self) -> Result<Vec<Address>, RedisError> {
        let mut map = self.map.lock().await;
        self.read(&mut map).await?;
        let mut masters: Vec<Address> = Vec::new();
        for (_, _, address) in &map.ranges {
            if !masters.contains(address) {
                masters.push(address.clone());
            }
        }
        Ok(masters)
    }

    /// A node said `MOVED <slot> <address>`.
    pub(super) async fn moved(&self, slot: u16, address: &str) {
        let Some((host, port)) = address.rsplit_once(':') else { return };
        let Ok(port) = port.parse() else { return };
        // Without a host it is that of the node itself, whose map will say more.
        if !host.is_empty() {
            let host = host.trim_matches(['[', ']']).to_owned();
            self.map.lock().await.moved.insert(slot, (Instant::now(), Address { host, port }));
        }
    }

    /// The first map that a node gives.
    async fn read(&self, map: &mut Map) -> Result<(), RedisError> {
        let mut asked = map.known.clone();
        asked.extend(self.seeds.iter().filter(|seed| !map.known.contains(seed)).cloned());
        let mut answers: FuturesUnordered<_> = asked.iter().map(|node| self.ask(node)).collect();
        let mut failure = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok((ranges, nodes)) => {
                    drop(answers);
                    map.ranges = ranges;
                    map.known = nodes;
                    map.read = Some(Instant::now());
                    return Ok(());
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(match failure {
            Some(error) if !error.is_io_error() => error,
            failure => {
                let cause = failure.map(|error| format!(": {error}")).unwrap_or_default();
                RedisError::from((
                    ErrorKind::Io,
                    "cluster",
                    format!("none of {} nodes answers{cause}", asked.len()),
                ))
            }
        })
    }

    async fn ask(&self, node: &Address) -> Result<Slots, RedisError> {
        let asking = async {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(ASK_TIMEOUT))
                .set_response_timeout(Some(ASK_TIMEOUT));
            let client = self.nodes.client(node)?;
            let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
            let reply = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
            Ok(read_slots(reply, node))
        };
        let silent =
            || RedisError::from((ErrorKind::Io, "no answer", format!("{node} within {ASK_TIMEOUT:?}")));
        let slots = tokio::time::timeout(ASK_TIMEOUT, asking).await.unwrap_or_else(|_| Err(silent()))?;
        if slots.0.is_empty() {
            // A node that was reset, or has not met the others yet.
            let what = format!("CLUSTERDOWN {node} knows no slots");
            return Err(RedisError::from((ErrorKind::Io, "cluster", what)));
        }
        Ok(slots)
    }
}

/// Ranges with their masters, and all nodes.
type Slots = (Vec<(u16, u16, Address)>, Vec<Address>);

/// Reads `[[first, last, [host, port, …], replica …], …]`. A node without a host is the one that was asked.
fn read_slots(reply: Value, asked: &Address) -> Slots {
    let elements = |value| if let Value::Array(items) = value { items } else { Vec::new() };
    let (mut ranges, mut nodes) = (Vec::new(), Vec::new());
    for range in elements(reply) {
        let mut parts = elements(range).into_iter();
        let (Some(Value::Int(first)), Some(Value::Int(last))) = (parts.next(), parts.next()) else {
            continue;
        };
        let addresses: Vec<Address> = parts
            .filter_map(|node| {
                let mut node = elements(node).into_iter();
                let host: Option<String> = redis::from_redis_value(node.next()?).ok()?;
                let port: u16 = redis::from_redis_value(node.next()?).ok()?;
                let host =
                    host.filter(|host| !host.is_empty() && host != "?").unwrap_or_else(|| asked.host.clone());
                Some(Address { host, port })
            })
            .collect();
        if let Some(master) = addresses.first() {
            ranges.push((first as u16, last as u16, master.clone()));
        }
        nodes.extend(addresses);
    }
    nodes.dedup();
    (ranges, nodes)
}

/// The part of a key that decides its slot, if it is not all of it: between the first `{` and the next `}`.
pub(super) fn tag(key: &str) -> Option<&str> {
    let rest = &key[key.find('{')? + 1..];
    let tag = &rest[..rest.find('}')?];
    (!tag.is_empty()).then_some(tag)
}

/// The slot of a key: CRC16 (XMODEM) modulo 16384.
pub(super) fn slot(key: &str) -> u16 {
    let mut crc = 0u16;
    for byte in tag(key).unwrap_or(key).bytes() {
        crc ^= u16::from(byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::{slot, tag};

    #[test]
    fn slots_are_those_of_redis() {
        // As CLUSTER KEYSLOT answers.
        assert_eq!((slot("foo"), slot("bar"), slot("123456789")), (12182, 5061, 12739));
        assert_eq!(slot("bull:{shop}:wait"), slot("bull::x:{shop}::fence"));
        assert_eq!((tag("a{}b{c}"), tag("a{b}{c}"), tag("a{b")), (None, Some("b"), None));
    }
}
