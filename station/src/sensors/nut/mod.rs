//! The UPS, as a NUT server tells it (network protocol 1.3, RFC 9271): one question a turn over TCP, under TLS and after a
//! login where the site asks for them.

mod client;
mod status;

use client::Client;
use platen_protocol::uplink::UpsState;
use std::{path::PathBuf, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

/// The UPS is asked this often.
const EVERY: Duration = Duration::from_secs(2);
/// upsd answers at once or not at all.
const ANSWERS: Duration = Duration::from_secs(3);

/// A UPS on a NUT server, `name@host:port`, and what the server wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ups {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) login: Option<Login>,
    /// The certificate of who signed the server's (PEM). With it the server must speak TLS.
    pub(crate) ca: Option<PathBuf>,
}

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl std::fmt::Debug for Login {
    /// The password is not for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl std::str::FromStr for Ups {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not a UPS; allowed: NAME@HOST or NAME@HOST:PORT, such as ups@localhost");
        let (name, place) = text.split_once('@').ok_or_else(bad)?;
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| bad())?),
            None => (place, 3493),
        };
        let word = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_graphic());
        if !word(name) || !word(host) {
            return Err(bad());
        }
        Ok(Self { name: name.into(), host: host.into(), port, login: None, ca: None })
    }
}

impl std::fmt::Display for Ups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}:{}", self.name, self.host, self.port)
    }
}

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Power {
    pub(crate) state: UpsState,
    /// Percent.
    pub(crate) charge: Option<f64>,
    /// Seconds.
    pub(crate) runtime_s: Option<f64>,
    /// The battery is worn out (RB).
    pub(crate) replace_battery: bool,
}

impl Power {
    /// Nothing is known but the state.
    const fn only(state: UpsState) -> Self {
        Self { state, charge: None, runtime_s: None, replace_battery: false }
    }
}

/// Asks for ever; ends when the receiver is dropped. While the desk is `wound_down`, the UPS's host need not wait for it.
pub(crate) async fn run(ups: Ups, readings: mpsc::Sender<Power>, wound_down: watch::Receiver<bool>) {
    let mut client: Option<Client> = None;
    let mut last_reason = String::new();
    let mut awaited = true;
    loop {
        if awaited == *wound_down.borrow() {
            awaited = !awaited;
            // The next connection is made with a login, or without one.
            if let Some(open) = client.take() {
                // A server that hangs up instead of answering does not wait for us either.
                let _ = timeout(ANSWERS, open.leave()).await;
            }
        }
        let (reading, why) = match turn(&ups, &mut client, awaited).await {
            Ok(power) => (power, String::new()),
            Err(why) => (Power::only(UpsState::Unreachable), why),
        };
        if why != last_reason {
            if !why.is_empty() {
                tracing::warn!(%ups, %why, "the UPS is not known");
            }
            last_reason = why;
        }
        if readings.send(reading).await.is_err() {
            return;
        }
        sleep(EVERY).await;
    }
}

/// Asks once, with the login, which is what shows whether the password is right; the error says what is wrong.
pub(crate) async fn ask(ups: &Ups) -> Result<Power, String> {
    turn(ups, &mut None, true).await
}

async fn turn(ups: &Ups, client: &mut Option<Client>, login: bool) -> Result<Power, String> {
    let asked = timeout(ANSWERS, async {
        let mut open = match client.take() {
            Some(open) => open,
            None => Client::connect(ups, login).await?,
        };
        let power = open.ask(&ups.name).await?;
        *client = Some(open);
        Ok(power)
    });
    asked.await.unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWERS.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ups_is_named_with_its_host() {
        let ups: Ups = "ups@localhost".parse().unwrap();
        assert_eq!(ups.to_string(), "ups@localhost:3493");
        assert_eq!("u@h:4000".parse::<Ups>().map(|u| u.port), Ok(4000));
        for wrong in ["ups", "u u@h", "u@", "u@h:", "u@h:99999"] {
            assert!(wrong.parse::<Ups>().unwrap_err().contains("NAME@HOST"), "{wrong}");
        }
        let login = Login { user: "platen".into(), password: "secret".into() };
        assert!(!format!("{login:?}").contains("secret"));
    }
}
