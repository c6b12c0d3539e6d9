//! Where sinks may connect to: the administrator's word on networks, checked for every address at the moment it is
//! connected to.
//!
//! Never: unspecified, link-local, multicast and broadcast addresses and the metadata services of clouds, in any disguise
//! (IPv4 inside IPv6), and the hub's own operations listener. Public addresses: always. Private networks and loopback: as
//! the settings allow.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::{
    NoProxy, Proxy,
    dns::{Addrs, Name, Resolve, Resolving},
};
use url::{Host, Url};

use super::code;
use crate::base::{Problem, Secret};

/// The word for private networks in [`EgressConfig::allow`].
const PRIVATE: &str = "private";
/// The word for loopback addresses that a destination's settings write out.
const LOCALHOST: &str = "localhost";

/// The hub's settings for connections it makes.
#[derive(Clone, Debug)]
pub struct EgressConfig {
    /// What may be connected to besides public addresses: `private` (RFC 1918, RFC 6598, RFC 4193), `localhost` (loopback
    /// where a destination's own settings write it), and networks as `10.1.0.0/16`.
    pub allow: Vec<String>,
    /// The proxy for `http` destinations; empty for none.
    pub http_proxy: Secret,
    /// The proxy for `https` destinations; empty for none.
    pub https_proxy: Secret,
    /// Hosts, domains and networks that are reached without a proxy.
    pub no_proxy: Vec<String>,
    /// The hub's own operations listener, which is never a destination.
    pub operations: Option<SocketAddr>,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            allow: vec![PRIVATE.to_owned(), LOCALHOST.to_owned()],
            http_proxy: Secret::new(""),
            https_proxy: Secret::new(""),
            no_proxy: Vec::new(),
            operations: None,
        }
    }
}

/// The checked settings.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    private: bool,
    localhost: bool,
    networks: Vec<Network>,
    proxies: Vec<Proxy>,
    /// Names of proxies: the administrator named them, so their addresses are not judged.
    proxy_hosts: Vec<String>,
    operations: Option<SocketAddr>,
}

impl Egress {
    /// Reads the settings.
    ///
    /// # Errors
    /// A network or a proxy's address cannot be read.
    pub fn new(config: &EgressConfig) -> Result<Self, Problem> {
        let mut egress = Self { operations: config.operations, ..Self::default() };
        for word in &config.allow {
            match word.as_str() {
                PRIVATE => egress.private = true,
                LOCALHOST => egress.localhost = true,
                _ => egress.networks.push(Network::parse(word).ok_or_else(|| {
                    let text = format!("`egress.allow` has `{word}`, which is no network");
                    let hint = "write `private`, `localhost`, or a network like `10.1.0.0/16`";
                    Problem::new(code::BAD_SETTINGS, text).hint(hint)
                })?),
            }
        }
        let no_proxy = NoProxy::from_string(&config.no_proxy.join(","));
        for (scheme, address) in [("http", &config.http_proxy), ("https", &config.https_proxy)] {
            if address.expose().is_empty() {
                continue;
            }
            let unusable = || {
                let text = format!("`egress.{scheme}_proxy` is not the address of an HTTP proxy");
                Problem::new(code::BAD_SETTINGS, text).hint("write `http://host:port`")
            };
            let url = Url::parse(address.expose()).map_err(|_| unusable())?;
            let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")).ok_or_else(unusable)?;
            egress.proxy_hosts.push(host.to_owned());
            let proxy = if scheme == "http" { Proxy::http(url) } else { Proxy::https(url) };
            egress.proxies.push(proxy.map_err(|_| unusable())?.no_proxy(no_proxy.clone()));
        }
        Ok(egress)
    }

    /// The proxies of an HTTP client.
    pub(super) fn proxies(&self) -> impl Iterator<Item = Proxy> {
        self.proxies.iter().cloned()
    }

    /// Judges an address as a destination's settings write it: a literal address at once, a name when it is resolved.
    ///
    /// # Errors
    /// `XD-T015`.
    pub fn judge_url(&self, url: &Url) -> Result<(), Problem> {
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            _ => return Ok(()),
        };
        self.judge(literal, port(url), true).map_err(|why| {
            Problem::new(code::DESTINATION_REFUSED, format!("the address {literal} is {why}"))
                .hint("use the partner's own address; the administrator allows networks in `egress.allow`")
        })
    }

    /// Whether an address may be connected to; `written` says that the destination's settings name it themselves.
    ///
    /// # Errors
    /// What it is that it may not.
    pub(super) fn judge(&self, address: IpAddr, port: u16, written: bool) -> Result<(), &'static str> {
        let address = plain(address);
        let is_hub = |operations: &SocketAddr| {
            operations.port() == port && (operations.ip() == address || address.is_loopback())
        };
        if is_never(address) {
            return Err("link-local, multicast, unspecified or a metadata service, which is never a destination");
        }
        if self.operations.as_ref().is_some_and(is_hub) {
            return Err("this hub's own operations listener, which is never a destination");
        }
        if self.networks.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        if address.is_loopback() {
            return if written && self.localhost {
                Ok(())
            } else {
                Err("a loopback address, which is not allowed here")
            };
        }
        if is_private(address) {
            return if self.private { Ok(()) } else { Err("in a private network, which is not allowed here") };
        }
        if is_reserved(address) { Err("reserved, and no public address") } else { Ok(()) }
    }

    /// The resolver of an HTTP client for one address.
    pub(super) fn resolver(self: &Arc<Self>, url: &Url) -> GuardedResolver {
        GuardedResolver { egress: self.clone(), port: port(url) }
    }

    /// The addresses of a host that may be connected to.
    ///
    /// # Errors
    /// It has none, or none that is allowed.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let refused = |why: &str| std::io::Error::new(std::io::ErrorKind::PermissionDenied, why.to_owned());
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            self.judge(address, port, true).map_err(|why| refused(&format!("the address is {why}")))?;
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        if self.proxy_hosts.iter().any(|proxy| proxy.eq_ignore_ascii_case(host)) {
            return Ok(found);
        }
        let lower = host.trim_end_matches('.').to_ascii_lowercase();
        let written = lower == LOCALHOST || lower.ends_with(".localhost");
        let mut allowed = Vec::new();
        let mut why = "without an address";
        for address in found {
            match self.judge(address.ip(), port, written) {
                Ok(()) => allowed.push(address),
                Err(reason) => why = reason,
            }
        }
        if allowed.is_empty() {
            Err(refused(&format!("the name leads to an address that is {why}")))
        } else {
            Ok(allowed)
        }
    }
}

fn port(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or_default()
}

/// Resolves names for one client and hands on only addresses that may be connected to, so that what was checked is what
/// is connected to.
pub(super) struct GuardedResolver {
    egress: Arc<Egress>,
    port: u16,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (egress, port) = (self.egress.clone(), self.port);
        Box::pin(async move {
            let allowed = egress.resolve(name.as_str(), port).await?;
            // the client puts its own port in place of 0
            let addresses = allowed.into_iter().map(|address| SocketAddr::new(address.ip(), 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// A network in CIDR notation (RFC 4632, RFC 4291 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse().ok()?, Some(bits.parse().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let most = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                (network.to_bits() ^ address.to_bits()) & mask == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                (network.to_bits() ^ address.to_bits()) & mask == 0
            }
            _ => false,
        }
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, translated (RFC 6052), 6to4 (RFC 3056) or compatible.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let embedded = match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some((high, low))
        }
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some((high, low)),
        _ => None,
    };
    embedded.map_or(address, |(high, low)| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))))
}

/// Addresses where clouds answer who they are, outside of link-local networks.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

fn is_never(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.octets()[0] == 0
                || METADATA_V4.contains(&v4)
        }
        IpAddr::V6(v6) => {
            v6.is_multicast() || v6.is_unspecified() || v6.is_unicast_link_local() || METADATA_V6.contains(&v6)
        }
    }
}

/// RFC 1918, RFC 6598 and RFC 4193.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || matches!(v4.octets(), [100, 64..=127, ..]),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

/// What the registries of special addresses (RFC 6890) keep from public use, and is in no class above.
fn is_reserved(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_documentation() || matches!(v4.octets(), [192, 0, 0, _] | [198, 18..=19, ..] | [240..=255, ..])
        }
        IpAddr::V6(v6) => matches!(v6.segments(), [0xfec0..=0xfeff, ..] | [0x2001, 0xdb8, ..] | [0x100, 0, 0, 0, ..]),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Arc};

    use reqwest::Url;

    use super::{Egress, EgressConfig, Network};

    fn egress(allow: &[&str]) -> Egress {
        let allow = allow.iter().map(|word| (*word).to_owned()).collect();
        let operations = Some(SocketAddr::from(([127, 0, 0, 1], 8081)));
        Egress::new(&EgressConfig { allow, operations, ..EgressConfig::default() }).expect("good settings")
    }

    #[test]
    fn addresses_are_judged_by_class_in_every_disguise() {
        let (shipped, bare) = (egress(&["private", "localhost"]), egress(&[]));
        // what it is, as written in the settings, as a name's address, without any allowance
        for (address, written, named, unallowed) in [
            ("93.184.215.14", true, true, true),
            ("2606:2800:21f::1", true, true, true),
            ("10.0.0.1", true, true, false),
            ("172.31.255.255", true, true, false),
            ("172.32.0.1", true, true, true),
            ("192.168.1.1", true, true, false),
            ("100.64.0.1", true, true, false),
            ("fd12::1", true, true, false),
            ("::ffff:10.0.0.1", true, true, false),
            ("64:ff9b::a00:1", true, true, false),
            ("2002:a00:1::1", true, true, false),
            ("127.0.0.1", true, false, false),
            ("127.9.9.9", true, false, false),
            ("::1", true, false, false),
            ("::ffff:127.0.0.1", true, false, false),
            ("::7f00:1", true, false, false),
            ("169.254.169.254", false, false, false),
            ("100.100.100.200", false, false, false),
            ("168.63.129.16", false, false, false),
            ("224.0.0.1", false, false, false),
            ("255.255.255.255", false, false, false),
            ("0.0.0.0", false, false, false),
            ("0.1.2.3", false, false, false),
            ("::", false, false, false),
            ("fe80::1", false, false, false),
            ("ff02::1", false, false, false),
            ("fd00:ec2::254", false, false, false),
            ("::ffff:169.254.169.254", false, false, false),
            ("64:ff9b::a9fe:a9fe", false, false, false),
            ("2002:a9fe:a9fe::1", false, false, false),
            ("::a9fe:a9fe", false, false, false),
            ("198.18.0.1", false, false, false),
            ("240.0.0.1", false, false, false),
            ("fec0::1", false, false, false),
        ] {
            let parsed = address.parse().expect("an address");
            assert_eq!(shipped.judge(parsed, 80, true).is_ok(), written, "{address} written");
            assert_eq!(shipped.judge(parsed, 80, false).is_ok(), named, "{address} named");
            assert_eq!(bare.judge(parsed, 80, true).is_ok(), unallowed, "{address} without allowance");
        }
    }

    #[test]
    fn networks_are_allowed_one_by_one_and_metadata_never() {
        let some = egress(&["10.1.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "fd12::/16"]);
        for (address, allowed) in [
            ("10.1.2.3", true),
            ("10.2.0.1", false),
            ("127.0.0.1", true),
            ("169.254.169.254", false),
            ("fd12:34::1", true),
            ("fd13::1", false),
        ] {
            assert_eq!(some.judge(address.parse().expect("an address"), 80, false).is_ok(), allowed, "{address}");
        }
        assert!(some.judge("127.0.0.1".parse().expect("an address"), 8081, true).is_err(), "the operations listener");
    }

    #[test]
    fn addresses_in_odd_spellings_are_judged_as_what_they_are() {
        let some = egress(&["private"]);
        for (url, allowed) in [
            ("http://10.0.0.5/U", true),
            ("http://2130706433/", false),
            ("http://0x7f.1/", false),
            ("http://0177.0.0.1/", false),
            ("http://[::ffff:169.254.1.1]/", false),
            ("http://erp.dealer.example/", true),
        ] {
            assert_eq!(some.judge_url(&Url::parse(url).expect("an address")).is_ok(), allowed, "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_allowed_only_when_it_says_so() {
        let localhost = egress(&["localhost"]);
        assert!(localhost.resolve("localhost", 80).await.is_ok());
        assert!(localhost.resolve("localhost", 8081).await.is_err(), "the operations listener");
        assert!(Arc::new(egress(&[])).resolve("localhost", 80).await.is_err());
    }

    #[test]
    fn networks_are_read_strictly() {
        for (text, good) in [
            ("10.0.0.0/8", true),
            ("10.1.2.3", true),
            ("fd00::/8", true),
            ("10.0.0.0/33", false),
            ("ten", false),
            ("0.0.0.0/0", true),
        ] {
            assert_eq!(Network::parse(text).is_some(), good, "{text}");
        }
        let everything = Network::parse("0.0.0.0/0").expect("a network");
        assert!(everything.contains("8.8.8.8".parse().expect("an address")));
        let config = EgressConfig { allow: vec!["lan".to_owned()], ..EgressConfig::default() };
        assert!(Egress::new(&config).is_err());
    }
}
