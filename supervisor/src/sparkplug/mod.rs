//! A bridge to Sparkplug B: the supervisor as an edge node, each station that is heard as one of its devices. Optional.
//!
//! Sparkplug demands that nothing survives a connection, so it carries the live picture only; what must not be lost goes over
//! the uplink. It has a connection of its own, because a death has to be that connection's will.

mod device;
mod edge;
mod payload;

use anyhow::bail;
use device::Device;
use edge::Edge;
use jiff::Timestamp;
use platen_broker::{Backoff, Heard, Link, Transport, random};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// Snapshots come each 2 s; after so long without one nobody knows whether a station lives. A certificate that was renewed is
/// noticed within this, too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// A connection that has stood for so long was a good one.
const STEADY: Duration = Duration::from_secs(30);

/// Where the bridge appears.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Names {
    /// Sparkplug's group, such as the house.
    pub(crate) group: String,
    /// The edge node within the group; other for each supervisor.
    #[serde(default = "node")]
    pub(crate) node: String,
}

fn node() -> String {
    "platen".into()
}

impl Names {
    /// Whether both can stand in a topic. The error says what is allowed.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        for (key, name) in [("group", &self.group), ("node", &self.node)] {
            if name.is_empty() || name.len() > 64 || name.contains(|c: char| "+/#".contains(c) || c.is_control()) {
                bail!("sparkplug.{key} = {name:?}: 1 to 64 characters other than +, / and # are allowed");
            }
        }
        Ok(())
    }
}

/// Runs for ever. Stations are dead after `patience` without a snapshot.
pub(crate) async fn run<T: Transport>(
    names: Names,
    mut transport: T,
    mut snapshots: watch::Receiver<Arc<str>>,
    patience: Duration,
) {
    // Another number than the last program's.
    let mut edge = Edge::new(names.group, names.node, Timestamp::now().as_second() as u8);
    let mut backoff = Backoff::default();
    loop {
        let mut link = transport.connect(Some(edge.will()));
        let began = Instant::now();
        let why = talk(&transport, &mut link, &mut edge, &mut snapshots, patience).await;
        drop(link);
        if began.elapsed() > STEADY {
            backoff.succeeded();
        }
        let pause = backoff.failed(random());
        tracing::warn!(why, ?pause, "Sparkplug: no connection to the broker; trying again");
        sleep(pause).await;
    }
}

/// Speaks on one connection until it ends. Answers why.
async fn talk<T: Transport>(
    transport: &T,
    link: &mut Link,
    edge: &mut Edge,
    snapshots: &mut watch::Receiver<Arc<str>>,
    patience: Duration,
) -> String {
    loop {
        let said = tokio::select! {
            heard = link.from.recv() => match heard {
                None => return "the connection has ended".into(),
                Some(Heard::Down(why)) => return why,
                Some(Heard::Refused(why) | Heard::Deaf(why)) => return format!("the broker refuses the bridge: {why}"),
                Some(Heard::Taken | Heard::Listening) => continue,
                Some(Heard::Up { .. }) => {
                    // The connection is new and has room.
                    let _ = link.to.listen(&edge.orders());
                    edge.birth(devices(snapshots), now())
                }
                Some(Heard::Message { payload, .. }) => match Edge::asks_for_birth(&payload) {
                    Ok(true) => edge.birth(devices(snapshots), now()),
                    Ok(false) => continue,
                    Err(error) => {
                        tracing::warn!(%error, "Sparkplug: an order that cannot be read");
                        continue;
                    }
                },
            },
            Ok(()) = snapshots.changed() => edge.show(devices(snapshots), now()),
            () = sleep(patience) => edge.show(Vec::new(), now()),
        };
        for said in said {
            // A message that is left out would leave a gap in the numbers: everything is born anew instead.
            if link.to.say(said).is_err() {
                return "too much waits to be sent".into();
            }
        }
        if transport.renewed() {
            return "certificate or password were renewed".into();
        }
    }
}

fn devices(snapshots: &mut watch::Receiver<Arc<str>>) -> Vec<Device> {
    // Before the first snapshot there is none.
    serde_json::from_str(&snapshots.borrow_and_update()).map(|s| Device::of_snapshot(&s)).unwrap_or_default()
}

fn now() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use platen_broker::{Busy, Said, Speak};
    use serde_json::json;
    use tokio::sync::mpsc;

    /// A broker that takes everything and tells the test where to.
    #[derive(Debug, Clone)]
    struct Willing(mpsc::UnboundedSender<String>);

    impl Speak for Willing {
        fn say(&self, said: Said) -> Result<(), Busy> {
            self.0.send(said.topic).map_err(|_| Busy)
        }

        fn listen(&self, _: &str) -> Result<(), Busy> {
            Ok(())
        }
    }

    impl Transport for Willing {
        fn connect(&mut self, _: Option<Said>) -> Link {
            let (heard, from) = mpsc::channel(1);
            tokio::spawn(async move {
                heard.send(Heard::Up { most: 70_000 }).await.unwrap();
                // The connection stands.
                heard.closed().await;
            });
            Link { to: Box::new(self.clone()), from }
        }

        fn renewed(&self) -> bool {
            false
        }
    }

    #[tokio::test]
    async fn stations_die_when_nobody_knows_any_more_whether_they_live() {
        let (told, mut said) = mpsc::unbounded_channel();
        let snapshot = json!({ "stations": [{ "station": "desk-1", "online": true }], "rooms": [] }).to_string();
        let (shown, snapshots) = watch::channel(Arc::from(snapshot.clone()));
        let names = Names { group: "north".into(), node: "platen".into() };
        tokio::spawn(run(names, Willing(told), snapshots, Duration::from_millis(50)));
        assert_eq!(said.recv().await.unwrap(), "spBv1.0/north/NBIRTH/platen");
        assert_eq!(said.recv().await.unwrap(), "spBv1.0/north/DBIRTH/platen/desk-1");
        // The database hangs: no picture comes.
        assert_eq!(said.recv().await.unwrap(), "spBv1.0/north/DDEATH/platen/desk-1");
        // It goes on.
        shown.send_replace(snapshot.into());
        assert_eq!(said.recv().await.unwrap(), "spBv1.0/north/DBIRTH/platen/desk-1");
    }
}
