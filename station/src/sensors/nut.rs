//! The UPS, as a NUT server tells it (network protocol 1.3, RFC 9271): one question a turn over TCP.

use platen_protocol::uplink::UpsState;
use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::mpsc,
    time::{sleep, timeout},
};

/// The UPS is asked this often.
const EVERY: Duration = Duration::from_secs(2);
/// upsd answers at once or not at all.
const ANSWERS: Duration = Duration::from_secs(3);

/// A UPS on a NUT server, `name@host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ups {
    pub(crate) name: String,
    pub(crate) address: String,
}

impl std::str::FromStr for Ups {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not a UPS; allowed: NAME@HOST or NAME@HOST:PORT, such as ups@localhost");
        let (name, host) = text.split_once('@').ok_or_else(bad)?;
        let word = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_graphic());
        if !word(name) || !word(host) {
            return Err(bad());
        }
        let address = if host.contains(':') { host.into() } else { format!("{host}:3493") };
        Ok(Self { name: name.into(), address })
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
}

const UNREACHABLE: Power = Power { state: UpsState::Unreachable, charge: None, runtime_s: None };

/// Asks for ever; ends when the receiver is dropped.
pub(crate) async fn run(ups: Ups, readings: mpsc::Sender<Power>) {
    loop {
        let reading = match timeout(ANSWERS, ask(&ups)).await {
            Ok(Ok(power)) => power,
            Ok(Err(error)) => {
                tracing::debug!(%error, "upsd");
                UNREACHABLE
            }
            Err(_) => UNREACHABLE,
        };
        if readings.send(reading).await.is_err() {
            return;
        }
        sleep(EVERY).await;
    }
}

async fn ask(ups: &Ups) -> std::io::Result<Power> {
    let mut stream = BufReader::new(TcpStream::connect(&ups.address).await?);
    stream.get_mut().write_all(format!("LIST VAR {}\n", ups.name).as_bytes()).await?;
    let mut answer = String::new();
    loop {
        let mut line = String::new();
        // A server that talks without end must not fill the memory.
        if stream.read_line(&mut line).await? == 0 || answer.len() > 64 * 1024 {
            break;
        }
        let end = line.starts_with("END ") || line.starts_with("ERR ");
        answer.push_str(&line);
        if end {
            break;
        }
    }
    Ok(parse(&answer))
}

/// Reads the answer to `LIST VAR`: lines `VAR <ups> <name> "<value>"`, or `ERR <reason>`.
fn parse(answer: &str) -> Power {
    if answer.starts_with("ERR DATA-STALE") || answer.starts_with("ERR DRIVER-NOT-CONNECTED") {
        return Power { state: UpsState::Stale, ..UNREACHABLE };
    }
    let value = |name: &str| {
        answer.lines().find_map(|line| {
            let mut words = line.splitn(4, ' ');
            (words.next() == Some("VAR") && words.nth(1) == Some(name))
                .then(|| words.next().unwrap_or("").trim_matches('"'))
        })
    };
    let Some(status) = value("ups.status") else { return UNREACHABLE };
    let has = |flag: &str| status.split_whitespace().any(|word| word == flag);
    let state = if has("FSD") || (has("OB") && has("LB")) {
        UpsState::LowBattery
    } else if has("OB") {
        UpsState::OnBattery
    } else if has("OL") {
        UpsState::Online
    } else {
        UpsState::Stale
    };
    let number = |name| value(name).and_then(|v| v.parse().ok());
    Power { state, charge: number("battery.charge"), runtime_s: number("battery.runtime") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: &str) -> UpsState {
        parse(&format!(
            "BEGIN LIST VAR u\nVAR u battery.charge \"97.5\"\nVAR u ups.status \"{status}\"\nEND LIST VAR u\n"
        ))
        .state
    }

    #[test]
    fn every_state_of_a_ups_is_told_apart() {
        assert_eq!(status("OL"), UpsState::Online);
        assert_eq!(status("OL CHRG"), UpsState::Online);
        assert_eq!(status("OB DISCHRG"), UpsState::OnBattery);
        assert_eq!(status("OB LB"), UpsState::LowBattery);
        assert_eq!(status("FSD OL"), UpsState::LowBattery);
        assert_eq!(status("OFF"), UpsState::Stale);
        assert_eq!(parse("ERR DATA-STALE\n").state, UpsState::Stale);
        assert_eq!(parse("ERR UNKNOWN-UPS\n").state, UpsState::Unreachable);
        assert_eq!(parse("").state, UpsState::Unreachable);
        let power = parse("VAR u battery.charge \"97.5\"\nVAR u ups.status \"OL\"\n");
        assert_eq!((power.charge, power.runtime_s), (Some(97.5), None));
    }

    #[test]
    fn a_ups_is_named_with_its_host() {
        let ups: Ups = "ups@localhost".parse().unwrap();
        assert_eq!(ups.address, "localhost:3493");
        assert_eq!("u@h:4000".parse::<Ups>().map(|u| u.address), Ok("h:4000".into()));
        assert!("ups".parse::<Ups>().is_err());
        assert!("u u@h".parse::<Ups>().is_err());
    }
}
