//! Where a broker is and how we prove who we are, as it stands in a configuration file.

use serde::Deserialize;
use std::{fmt, path::PathBuf, str::FromStr};

/// `mqtt://HOST[:PORT]`, or `mqtts://HOST[:PORT]` for TLS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address {
    /// Name or number of the host.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Under TLS.
    pub tls: bool,
}

/// Why a text is no broker's address, or what about it does not fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadAddress(String);

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadAddress {}

impl FromStr for Address {
    type Err = BadAddress;
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = || {
            BadAddress(format!("{text:?} is not a broker; allowed: mqtt://HOST[:PORT], or mqtts://HOST[:PORT] for TLS"))
        };
        let (tls, rest) = match (text.strip_prefix("mqtt://"), text.strip_prefix("mqtts://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err(bad()),
        };
        let rest = rest.trim_end_matches('/');
        // An IPv6 address stands in brackets.
        let (host, port) = match rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(bad)?)),
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            Some(port) => port.parse().ok().filter(|&port| port != 0).ok_or_else(bad)?,
            None if tls => 8883,
            None => 1883,
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c) || (c == ':' && rest.starts_with('['));
        if host.is_empty() || !host.chars().all(allowed) {
            return Err(bad());
        }
        Ok(Self { host: host.into(), port, tls })
    }
}

impl TryFrom<String> for Address {
    type Error = BadAddress;
    fn try_from(text: String) -> Result<Self, BadAddress> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// A broker, and what we show it. The files are read at each connection, so that a renewed one needs no restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Where it is.
    pub address: Address,
    /// Who signed its certificate, PEM.
    pub ca: Option<PathBuf>,
    /// Our own certificate, and its key, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Our name, and the file in which our password stands.
    pub login: Option<(String, PathBuf)>,
}

impl Broker {
    /// A broker that asks for nothing.
    #[must_use]
    pub fn open(address: Address) -> Self {
        Self { address, ca: None, identity: None, login: None }
    }

    /// Puts together what stands in a section of a configuration.
    ///
    /// # Errors
    /// Says which keys do not go together.
    pub fn new(
        address: Address,
        ca: Option<PathBuf>,
        (certificate, key): (Option<PathBuf>, Option<PathBuf>),
        (user, password_file): (Option<String>, Option<PathBuf>),
    ) -> Result<Self, BadAddress> {
        let bad = |what: &str| Err(BadAddress(what.into()));
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return bad("certificate and key belong together: give both, or none"),
        };
        let login = match (user, password_file) {
            (Some(user), Some(file)) => Some((user, file)),
            (None, None) => None,
            _ => return bad("user and password_file belong together: give both, or none"),
        };
        if address.tls && ca.is_none() {
            return bad("mqtts:// needs ca, the file of who signed the broker's certificate");
        }
        if !address.tls && (ca.is_some() || identity.is_some()) {
            return bad("ca, certificate and key are for mqtts:// addresses; with mqtt:// they would not be used");
        }
        Ok(Self { address, ca, identity, login })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, written) in [
            ("mqtt://broker", "mqtt://broker:1883"),
            ("mqtts://broker/", "mqtts://broker:8883"),
            ("mqtt://127.0.0.1:1884", "mqtt://127.0.0.1:1884"),
            ("mqtts://[::1]:99", "mqtts://[::1]:99"),
            ("mqtt://[fd00::7]", "mqtt://[fd00::7]:1883"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), written);
        }
        for bad in [
            "",
            "broker",
            "http://x",
            "mqtt://",
            "mqtt://x:",
            "mqtt://x:0",
            "mqtt://a/b",
            "mqtt://[::1]x",
            "mqtt://::1",
        ] {
            assert!(bad.parse::<Address>().unwrap_err().to_string().contains("mqtts://HOST"), "{bad}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        let (plain, tls) = ("mqtt://b".parse::<Address>().unwrap(), "mqtts://b".parse::<Address>().unwrap());
        let file = || Some(PathBuf::from("/x"));
        let new = Broker::new;
        assert!(new(plain.clone(), None, (None, None), (None, None)).is_ok());
        assert!(new(tls.clone(), file(), (file(), file()), (Some("u".into()), file())).is_ok());
        let says = |broker: Result<Broker, BadAddress>, text: &str| assert!(broker.unwrap_err().0.contains(text));
        says(new(tls.clone(), None, (None, None), (None, None)), "needs ca");
        says(new(tls.clone(), file(), (file(), None), (None, None)), "certificate and key");
        says(new(tls, file(), (None, None), (Some("u".into()), None)), "user and password_file");
        says(new(plain, file(), (None, None), (None, None)), "would not be used");
    }
}
