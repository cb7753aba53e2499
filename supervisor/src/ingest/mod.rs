//! From the broker into the database: parse at the edge, store in groups, acknowledge after the commit.

mod read;

use crate::{
    home_assistant,
    store::{Arrival, Reply, Store},
};
use jiff::Timestamp;
use platen_broker::{Backoff, Heard, Link, Promise, Said, Transport, random};
use platen_protocol::uplink::{Channel, Command, SiteId, StationId, Topic, write};
use std::{collections::HashSet, pin::pin, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    task::yield_now,
    time::sleep,
};

/// Arrivals stored in one transaction: enough for 10,000 a second, and few enough that what waited during an outage need not
/// be held at once.
const GROUP: usize = 500;
/// What is listened to. States last: who hears his heartbeat answered knows that everything else is listened to.
const CHANNELS: [Channel; 3] = [Channel::Event, Channel::Env, Channel::State];
/// A broker has answered all of that within this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// A certificate that was renewed is noticed within this.
const LOOK: Duration = Duration::from_secs(10);
/// What the database did not take is tried again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// Where and how to listen.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) site: SiteId,
    /// Supervisors of one group share the messages of all stations.
    pub(crate) group: Option<String>,
    /// Home Assistant's discovery prefix, if stations are to appear there.
    pub(crate) discovery: Option<String>,
    /// How long the broker may take until all is listened to.
    pub(crate) patience: Duration,
}

/// What the dashboards need to know at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pulse {
    /// The broker lets us listen to everything.
    pub(crate) connected: bool,
    /// Why it did not when it was tried last.
    pub(crate) trouble: Option<String>,
    /// Rises with each commit.
    pub(crate) commits: u64,
    /// Why the database takes nothing.
    pub(crate) database: Option<String>,
}

/// What a person asks a station for.
pub(crate) type Asked = (StationId, Command);

/// Runs for ever, on a thread that may wait for the database.
pub(crate) async fn run<T: Transport>(
    config: Config,
    mut transport: T,
    mut store: Store,
    pulse: watch::Sender<Pulse>,
    mut asked: mpsc::Receiver<Asked>,
) {
    let mut backoff = Backoff::default();
    loop {
        let mut link = transport.connect(None);
        let why = talk(&config, &transport, &mut link, &mut store, &pulse, &mut asked, &mut backoff).await;
        drop(link);
        let pause = backoff.failed(random());
        tracing::warn!(why, ?pause, "no connection to the broker; trying again");
        pulse.send_modify(|p| (p.connected, p.trouble) = (false, Some(why)));
        sleep(pause).await;
    }
}

/// Listens on one connection until it ends. Answers why.
async fn talk<T: Transport>(
    config: &Config,
    transport: &T,
    link: &mut Link,
    store: &mut Store,
    pulse: &watch::Sender<Pulse>,
    asked: &mut mpsc::Receiver<Asked>,
    backoff: &mut Backoff,
) -> String {
    // Stations that Home Assistant was told of on this connection.
    let mut announced = HashSet::new();
    let mut granted = 0;
    let mut patience = pin!(sleep(config.patience));
    loop {
        // Anew each time: the room of a large group is not held.
        let mut words = Vec::new();
        tokio::select! {
            heard = link.from.recv_many(&mut words, GROUP) => if heard == 0 {
                return "the connection has ended".into();
            },
            Some((station, command)) = asked.recv() => say(config, link, &station, &Reply::Command(command)),
            () = &mut patience, if granted < CHANNELS.len() => {
                return format!("the broker has not let the supervisor listen within {:?}", config.patience);
            }
            () = sleep(LOOK) => {}
        }
        if transport.renewed() {
            return "certificate or password were renewed".into();
        }
        let mut group = Vec::new();
        let mut down = None;
        for word in words {
            match word {
                Heard::Up { .. } => listen(config, link),
                // Only all of them count: who heard a part would be believed.
                Heard::Listening => {
                    granted += 1;
                    if granted == CHANNELS.len() {
                        backoff.succeeded();
                        pulse.send_modify(|p| (p.connected, p.trouble) = (true, None));
                    }
                }
                Heard::Message { topic, payload, retained, at } => {
                    group.push(read::arrival(&config.site, &topic, &payload, (retained, at)));
                }
                Heard::Taken => {}
                Heard::Refused(why) => tracing::error!(why, "the broker refuses the supervisor"),
                Heard::Deaf(why) => down = Some(format!("the broker does not let the supervisor listen: {why}")),
                Heard::Down(why) => down = Some(why),
            }
        }
        for arrival in &group {
            if let (Some(prefix), Arrival::State { station, .. }) = (&config.discovery, arrival)
                && announced.insert(station.clone())
            {
                announce(config, link, prefix, station);
            }
        }
        if !group.is_empty() {
            take(config, link, store, &group, pulse).await;
            // While more comes in at once, this would not be left, and could not be stopped between two groups.
            yield_now().await;
        }
        if let Some(why) = down {
            return why;
        }
    }
}

fn announce(config: &Config, link: &Link, prefix: &str, station: &str) {
    let Ok(station) = station.parse() else { return };
    let (topic, message) = home_assistant::device(prefix, &config.site, &station);
    // One that is lost is told again on the next connection.
    let _ = link.to.say(Said {
        topic,
        payload: message.to_string().into_bytes(),
        retain: true,
        promise: Promise::AtLeastOnce,
    });
}

fn listen(config: &Config, link: &Link) {
    for channel in CHANNELS {
        let filter = Topic::filter(&config.site, channel);
        // Who shares gets what is kept by the broker from his own subscription; states are heard by all.
        let filter = match &config.group {
            Some(group) if channel != Channel::State => format!("$share/{group}/{filter}"),
            _ => filter,
        };
        // The connection is new and has room.
        let _ = link.to.listen(&filter);
    }
}

/// Stores a group and says so. One that the database does not take is tried again until it does, and nothing goes past it: a
/// later group may hold the last of a station's readings, and its answer would cover those that were never stored. Meanwhile
/// what comes in waits in the connection, whose room is limited (if that fills up, the broker ends it, which is heard after what
/// waits), and a stop comes between two attempts.
async fn take(config: &Config, link: &Link, store: &mut Store, group: &[Arrival], pulse: &watch::Sender<Pulse>) {
    let replies = loop {
        match store.take(group, Timestamp::now().as_millisecond()) {
            Ok(replies) => break replies,
            Err(error) => {
                tracing::error!(%error, "nothing is stored; trying again");
                pulse.send_modify(|p| p.database = Some(error.to_string()));
                sleep(AGAIN).await;
            }
        }
    };
    pulse.send_modify(|p| (p.commits, p.database) = (p.commits + 1, None));
    for (station, reply) in replies {
        if let Ok(station) = station.parse() {
            say(config, link, &station, &reply);
        }
    }
}

fn say(config: &Config, link: &Link, station: &StationId, reply: &Reply) {
    let (channel, payload) = match reply {
        Reply::Ack(ack) => (Channel::Ack, write(ack)),
        Reply::Command(command) => (Channel::Command, write(command)),
    };
    let topic = Topic { site: config.site.clone(), station: station.clone(), channel }.to_string();
    if let Ok(payload) = payload {
        // One that is lost is made good by the next, or by the station's sending again.
        let _ = link.to.say(Said { topic, payload, retain: false, promise: Promise::AtLeastOnce });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platen_broker::{Busy, Speak};
    use platen_protocol::uplink::{Envelope, Reading};
    use rusqlite::Connection;
    use std::{path::Path, time::Instant};

    /// A broker whose words the test speaks.
    #[derive(Debug)]
    struct Spoken(Option<mpsc::Receiver<Heard>>);

    #[derive(Debug)]
    struct Mute;

    impl Speak for Mute {
        fn say(&self, _: Said) -> Result<(), Busy> {
            Ok(())
        }

        fn listen(&self, _: &str) -> Result<(), Busy> {
            Ok(())
        }
    }

    impl Transport for Spoken {
        fn connect(&mut self, _: Option<Said>) -> Link {
            let from = self.0.take().unwrap_or_else(|| mpsc::channel(1).1);
            Link { to: Box::new(Mute), from }
        }

        fn renewed(&self) -> bool {
            false
        }
    }

    /// An ingest on a broker that speaks these words, and what it tells.
    async fn told(
        folder: &Path,
        words: Vec<Heard>,
        patience: Duration,
    ) -> (mpsc::Sender<Heard>, watch::Receiver<Pulse>) {
        let store = Store::open(&folder.join("test.db")).unwrap();
        let (broker, heard) = mpsc::channel(words.len());
        let (told, pulse) = watch::channel(Pulse::default());
        let config = Config { site: "rig".parse().unwrap(), group: None, discovery: None, patience };
        let all = words.len();
        words.into_iter().for_each(|word| broker.try_send(word).unwrap());
        tokio::spawn(run(config, Spoken(Some(heard)), store, told, mpsc::channel(1).1));
        // There is room for as many once all were heard, or nobody listens any more.
        drop(broker.reserve_many(all).await);
        (broker, pulse)
    }

    #[tokio::test]
    async fn who_may_listen_to_all_is_connected_and_who_may_to_a_part_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let part = vec![Heard::Up { most: 70_000 }, Heard::Listening, Heard::Listening];
        let (broker, mut pulse) = told(folder.path(), part.clone(), PATIENCE).await;
        assert!(!pulse.borrow().connected);
        broker.send(Heard::Deaf("NotAuthorized".into())).await.unwrap();
        let refused = pulse.wait_for(|pulse| pulse.connected || pulse.trouble.is_some()).await.unwrap().clone();
        assert!(!refused.connected && refused.trouble.unwrap().contains("NotAuthorized"));

        let (_broker, pulse) = told(folder.path(), [part, vec![Heard::Listening]].concat(), PATIENCE).await;
        assert!(pulse.borrow().connected);
    }

    #[tokio::test]
    async fn a_broker_that_does_not_answer_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let part = vec![Heard::Up { most: 70_000 }, Heard::Listening, Heard::Listening];
        let (_broker, mut pulse) = told(folder.path(), part, Duration::from_millis(20)).await;
        let silent = pulse.wait_for(|pulse| pulse.trouble.is_some()).await.unwrap().clone();
        assert!(!silent.connected && silent.trouble.unwrap().contains("has not let the supervisor listen within 20ms"));
    }

    fn reading(seq: u64) -> Heard {
        let (site, station): (SiteId, StationId) = ("rig".parse().unwrap(), "desk-1".parse().unwrap());
        let body = Reading::Room { celsius: 21.0, humidity: 45.0 };
        let envelope = Envelope::new(&site, &station, "run", seq, Timestamp::UNIX_EPOCH, body);
        let topic = Topic { site, station, channel: Channel::Env }.to_string().into();
        Heard::Message { topic, payload: write(&envelope).unwrap().into(), retained: false, at: Instant::now() }
    }

    #[tokio::test]
    async fn what_the_database_does_not_take_is_tried_again_before_what_comes_later() {
        let folder = tempfile::tempdir().unwrap();
        let up = vec![Heard::Up { most: 70_000 }, Heard::Listening, Heard::Listening, Heard::Listening];
        let (broker, mut pulse) = told(folder.path(), up, PATIENCE).await;
        let db = Connection::open(folder.path().join("test.db")).unwrap();
        let asked = |query: &str| db.query_row(query, [], |row| row.get::<_, u64>(0)).unwrap();

        db.execute_batch("ALTER TABLE room RENAME TO away").unwrap();
        broker.send(reading(1)).await.unwrap();
        pulse.wait_for(|pulse| pulse.database.is_some()).await.unwrap();
        broker.send(reading(2)).await.unwrap();
        db.execute_batch("ALTER TABLE away RENAME TO room").unwrap();

        pulse.wait_for(|pulse| pulse.commits > 0 && pulse.database.is_none()).await.unwrap();
        assert_eq!(asked("SELECT min(seq) FROM room"), 1, "the first group was not stored");
        pulse.wait_for(|pulse| pulse.commits == 2).await.unwrap();
        assert_eq!(asked("SELECT count(*) FROM room"), 2);
    }
}
