//! Where a connection leads: one server, the master that sentinels name, or the master that owns a slot of a cluster.
//!
//! Owns: the URL and what is behind it. Must never know: commands and replies. Called by [`super::Connection`].

use redis::{Client, IntoConnectionInfo, RedisError, TlsCertificates};

use super::cluster::{Cluster, Place};
use super::sentinel::Sentinels;
use crate::store::StoreError;

/// Ports that a URL need not name.
const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// What a URL means.
pub(super) enum Target {
    One(Client),
    Sentinel(Sentinels),
    Cluster(Cluster),
}

/// Host and port of a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub host: String,
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How servers are spoken to whose addresses come later.
#[derive(Clone)]
pub(super) struct Login {
    pub tls: bool,
    /// `user:password@` as it stands in the URL, or nothing.
    pub userinfo: String,
    pub db: String,
    /// `protocol=resp3`, or nothing.
    pub query: String,
    /// Certificates of one's own.
    pub certificates: Option<TlsCertificates>,
}

impl Login {
    pub(super) fn client(&self, address: &Address) -> Result<Client, RedisError> {
        let Self { tls, userinfo, db, query, certificates } = self;
        let scheme = if *tls { "rediss" } else { "redis" };
        client(format!("{scheme}://{userinfo}{address}/{db}?{query}"), certificates.clone())
    }
}

fn client(url: impl IntoConnectionInfo, certificates: Option<TlsCertificates>) -> Result<Client, RedisError> {
    match certificates {
        Some(certificates) => Client::build_with_tls(url, certificates),
        None => Client::open(url),
    }
}

impl Target {
    /// Reads a URL: what the redis crate takes, and
    /// `redis+sentinel://[user:password@]host[:port],…/<master>[/<db>][?sentinel_user=…&sentinel_password=…]`,
    /// `redis+cluster://[user:password@]host[:port],…`; with TLS `rediss+…` or `tls=true`; each of
    /// them with the files of [`super::tls`].
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let (url, certificates) = super::tls::taken(url)?;
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        if certificates.is_some() {
            crypto();
        }
        let target = match scheme {
            "redis+sentinel" | "rediss+sentinel" | "redis+cluster" | "rediss+cluster" => {
                many(&url, scheme, certificates)?
            }
            _ => Self::One(client(url.as_str(), certificates)?),
        };
        if target.is_tls(scheme) {
            crypto();
        }
        Ok(target)
    }

    /// How often it has turned out to lead elsewhere, as far as that is noticed by itself.
    pub(super) fn changes(&self) -> u64 {
        if let Self::Sentinel(sentinels) = self { sentinels.changes() } else { 0 }
    }

    fn is_tls(&self, scheme: &str) -> bool {
        match self {
            Self::One(_) => scheme == "rediss",
            Self::Sentinel(sentinels) => sentinels.nodes.tls,
            Self::Cluster(cluster) => cluster.nodes.tls,
        }
    }

    /// The server to connect to now, and whether its role must be looked at.
    pub(super) async fn client(&self, place: &Place) -> Result<Client, RedisError> {
        match self {
            Self::One(client) => Ok(client.clone()),
            Self::Sentinel(sentinels) => sentinels.nodes.client(&sentinels.master().await?),
            Self::Cluster(cluster) => cluster.nodes.client(&cluster.owner(place).await?),
        }
    }
}

/// Whoever installed one before has chosen; the redis crate itself picks none.
fn crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn invalid(what: &str) -> StoreError {
    StoreError::Invalid(format!("the Redis URL {what}"))
}

fn many(url: &str, scheme: &str, certificates: Option<TlsCertificates>) -> Result<Target, StoreError> {
    let rest = &url[scheme.len() + 3..];
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (userinfo, hosts) = match authority.rsplit_once('@') {
        Some((userinfo, hosts)) => (format!("{userinfo}@"), hosts),
        None => (String::new(), authority),
    };
    let is_sentinel = scheme.ends_with("sentinel");
    let default_port = if is_sentinel { SENTINEL_PORT } else { REDIS_PORT };
    let addresses =
        hosts.split(',').map(|host| address(host, default_port)).collect::<Result<Vec<_>, _>>()?;
    let mut tls = scheme.starts_with("rediss");
    let (mut user, mut password, mut protocol) = ("", "", String::new());
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match (name, value) {
            ("tls", "true") => tls = true,
            ("tls", "false") => {}
            ("protocol", value) => protocol = format!("protocol={value}"),
            ("sentinel_user", value) if is_sentinel => user = value,
            ("sentinel_password", value) if is_sentinel => password = value,
            _ => return Err(invalid(&format!("has an unknown parameter: {name}"))),
        }
    }
    if !is_sentinel {
        if !path.is_empty() && path != "0" {
            return Err(invalid("names a database; a cluster has one only, 0"));
        }
        let nodes = Login { tls, userinfo, db: "0".into(), query: protocol, certificates };
        return Ok(Target::Cluster(Cluster::new(addresses, nodes)));
    }
    let (master, db) = path.split_once('/').unwrap_or((path, "0"));
    if master.is_empty() {
        return Err(invalid(
            "names no master; expected redis+sentinel://host:port,host:port/<master>, as in sentinel.conf",
        ));
    }
    if db.parse::<u16>().is_err() {
        return Err(invalid("has a database that is no number"));
    }
    let of_sentinels = match (user, password) {
        ("", "") => String::new(),
        (user, password) => format!("{user}:{password}@"),
    };
    // A sentinel has no databases.
    let (db, none) = (db.to_owned(), String::new());
    let asked = Login {
        tls,
        userinfo: of_sentinels,
        db: none.clone(),
        query: none,
        certificates: certificates.clone(),
    };
    let nodes = Login { tls, userinfo, db, query: protocol, certificates };
    Ok(Target::Sentinel(Sentinels::new(addresses, asked, decoded(master), nodes)))
}

fn address(text: &str, default_port: u16) -> Result<Address, StoreError> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None => default_port,
        Some(port) => port.parse().map_err(|_| invalid("has a port that is no number"))?,
    };
    if host.is_empty() {
        return Err(invalid("has no host, or an empty one in its list"));
    }
    Ok(Address { host: host.to_owned(), port })
}

/// The name of a master may hold characters that no URL has.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        if let (b'%', Some(byte)) = (first, hex) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Address, Target};

    #[test]
    fn a_sentinel_url_names_the_sentinels_the_master_and_both_passwords() {
        let url = "redis+sentinel://ada:pw@s1,s2:7000,[::1]:7001/my%20master/3?sentinel_password=sp&tls=true";
        let Ok(Target::Sentinel(sentinels)) = Target::parse(url) else { panic!("{url}") };
        let address = |host: &str, port| Address { host: host.into(), port };
        assert_eq!(sentinels.addresses, [address("s1", 26379), address("s2", 7000), address("::1", 7001)]);
        assert_eq!(sentinels.name, "my master");
        assert_eq!(sentinels.asked.userinfo, ":sp@");
        assert_eq!((&*sentinels.nodes.userinfo, &*sentinels.nodes.db), ("ada:pw@", "3"));
        assert!(sentinels.nodes.tls && sentinels.asked.tls);
    }

    #[test]
    fn a_cluster_url_names_nodes_and_no_database() {
        let Ok(Target::Cluster(cluster)) = Target::parse("rediss+cluster://:pw@n1,n2:7000") else { panic!() };
        assert_eq!(cluster.seeds.len(), 2);
        assert!(cluster.nodes.tls);
        for wrong in [
            "redis+cluster://n1/1",
            "redis+cluster://n1,",
            "redis+sentinel://s1",
            "redis+sentinel://s1/m?x=1",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
