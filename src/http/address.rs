//! Which addresses a request may go to when part of its URL did not come from the operator.
//!
//! Owns: the list of internal addresses and the resolver that checks at connect time: what was checked is what
//! is connected to, however often a name changes its mind. Must never know: jobs. Called by `http::client` and
//! `handler::http`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Why an address is internal, or `None` for a public one.
///
/// IPv6 forms that carry an IPv4 address (mapped, compatible, NAT64, 6to4) are judged by that address.
///
/// # Examples
///
/// ```
/// use bullock::http::address::internal;
/// assert_eq!(internal("127.0.0.1".parse().unwrap()), Some("a loopback address"));
/// assert_eq!(internal("::ffff:10.0.0.1".parse().unwrap()), Some("a private address"));
/// assert_eq!(internal("1.1.1.1".parse().unwrap()), None);
/// ```
pub fn internal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => internal_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => internal_v4(v4),
            None => internal_v6(v6),
        },
    }
}

fn internal_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        _ if is_metadata(IpAddr::V4(ip)) => Some("the metadata service of a cloud"),
        (0, ..) => Some("not an address of a host (0.0.0.0/8)"),
        (127, ..) => Some("a loopback address"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("a private address"),
        (169, 254, _) => Some("a link-local address"),
        (100, 64..=127, _) => Some("a carrier's shared address (100.64.0.0/10)"),
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113) => {
            Some("an address reserved for tests and protocols")
        }
        (224..=239, ..) => Some("a multicast address"),
        (240..=255, ..) => Some("a reserved or broadcast address"),
        _ => None,
    }
}

fn internal_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let [first, second, ..] = ip.segments();
    if ip.is_unspecified() {
        Some("not an address of a host (::)")
    } else if ip.is_loopback() {
        Some("a loopback address")
    } else if is_metadata(IpAddr::V6(ip)) {
        Some("the metadata service of a cloud")
    } else if first & 0xfe00 == 0xfc00 {
        Some("a private address (fc00::/7)")
    } else if first & 0xffc0 == 0xfe80 {
        Some("a link-local address")
    } else if first & 0xffc0 == 0xfec0 {
        Some("a site-local address")
    } else if first & 0xff00 == 0xff00 {
        Some("a multicast address")
    } else if first & 0xe000 != 0x2000
        || (first == 0x2001 && second < 0x0200)
        || (first, second) == (0x2001, 0x0db8)
    {
        // Only 2000::/3 is given out; 2001::/23 holds Teredo and other protocols' own.
        Some("an address reserved for tests and protocols")
    } else {
        None
    }
}

/// The IPv4 address that an IPv6 one only wraps.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = ip.segments();
    let of = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Mapped and compatible; translated (SIIT); NAT64 by the well-known and the local prefix; 6to4.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0 | 1, .., high, low]
        | [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

/// The addresses at which clouds hand out credentials to whoever asks from inside.
pub fn is_metadata(address: IpAddr) -> bool {
    let address = match address {
        IpAddr::V6(v6) => embedded_v4(v6).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    match address {
        IpAddr::V4(v4) => {
            matches!(v4.octets(), [169, 254, 169, 254] | [169, 254, 170, 2] | [100, 100, 100, 200])
        }
        IpAddr::V6(v6) => v6.segments() == [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254],
    }
}

/// The address of a URL whose host is one. Decimal, octal, hexadecimal and short forms (`2130706433`, `0177.1`,
/// `0x7f.1`) were read into addresses when the URL was parsed, as every browser reads them.
pub fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Refuses a URL whose host is written as an internal address: such a host never reaches the resolver.
pub fn check_literal(url: &Url) -> Result<(), String> {
    match literal(url).and_then(|address| Some((address, internal(address)?))) {
        Some((address, why)) => Err(format!("{address} is {why}")),
        None => Ok(()),
    }
}

/// A resolver that passes on public addresses only.
#[derive(Debug)]
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            match only_public(name.as_str(), found) {
                Ok(public) => Ok(Box::new(public.into_iter()) as Addrs),
                Err(why) => Err(why.into()),
            }
        })
    }
}

/// The public ones among the addresses of a name; an error when none is left.
fn only_public(name: &str, mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, String> {
    let refused = found.iter().find_map(|address| Some((address.ip(), internal(address.ip())?)));
    found.retain(|address| internal(address.ip()).is_none());
    match (found.is_empty(), refused) {
        (true, Some((address, why))) => Err(format!("{name} resolves to {address}, {why}")),
        (true, None) => Err(format!("{name} has no address")),
        (false, _) => Ok(found),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_public_addresses_and_loses_the_others() {
        let mixed = ["10.0.0.1:0", "1.1.1.1:0"].map(|text| text.parse().unwrap()).to_vec();
        assert_eq!(only_public("x.test", mixed).unwrap(), ["1.1.1.1:0".parse().unwrap()]);
        let private = vec!["10.0.0.1:0".parse().unwrap()];
        assert_eq!(
            only_public("x.test", private).unwrap_err(),
            "x.test resolves to 10.0.0.1, a private address"
        );
    }
}
