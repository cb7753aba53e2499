//! The scanner as the rest of the station sees it: commands in, events out. Owns the worker process and starts a new
//! one after a crash or a hang.

use super::{
    Fault, ScanSettings, Taken,
    process::{OPEN_LIMIT, RawPage, Slots, Worker, take_page},
    wire::{Reply, Request, ScannerSensors},
};
use platen_protocol::uplink::Source;
use std::time::Duration;
use tokio::{sync::mpsc, time::sleep};

/// Between pages the scanner's own sensors are looked at this often: a button on the scanner should feel like one.
const SENSE_EVERY: Duration = Duration::from_millis(150);
/// While a batch lies on the desk, a scanner that cannot be reached is looked for this often.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A device answers for its sensors within this.
const SENSES: Duration = Duration::from_secs(3);

/// Pages that may wait between scanner and disk; when all are taken the scanner pauses. At 600 dpi a page of A4 in colour
/// is 104 MB, and a small computer has no room for more.
fn slots(settings: &ScanSettings) -> usize {
    if settings.dpi.get() > 300 { 3 } else { 6 }
}

#[derive(Debug)]
pub(crate) enum Command {
    /// A batch lies on the desk: open the scanner, so that its sensors are heard before the first page.
    Open,
    /// It is gone.
    Close,
    /// Scan one page.
    Scan { attempt: u32 },
    /// End the page under way.
    Cancel,
}

#[derive(Debug)]
pub(crate) enum Event {
    /// The device is open and has taken the settings.
    Ready(Taken),
    Progress {
        attempt: u32,
        bytes: u64,
        total: Option<u64>,
    },
    Page {
        attempt: u32,
        page: RawPage,
    },
    Failed {
        attempt: u32,
        fault: Fault,
    },
    /// What the scanner's own sensors say, between pages, if it has any.
    Sensors(ScannerSensors),
}

#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) device: String,
    pub(crate) settings: ScanSettings,
    /// A scanner that delivers nothing for so long is taken for dead.
    pub(crate) stall: Duration,
}

/// Runs until the command channel closes.
pub(crate) async fn run(
    config: Config,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
) -> std::io::Result<()> {
    let mut task = Task {
        slots: Slots::new(slots(&config.settings))?,
        config,
        worker: None,
        events,
        senses: true,
        covered: false,
    };
    let mut wanted = false;
    loop {
        let command = tokio::select! {
            biased;
            command = commands.recv() => command,
            () = sleep(SENSE_EVERY), if task.worker.is_some() && task.senses => {
                task.sense().await;
                continue;
            }
            () = sleep(LOOK_EVERY), if task.worker.is_none() && wanted => {
                task.look().await;
                continue;
            }
        };
        let Some(command) = command else { break };
        match command {
            // Nothing is under way.
            Command::Cancel => {}
            Command::Open => {
                wanted = true;
                task.look().await;
            }
            Command::Close => {
                wanted = false;
                // Others may want the device.
                task.let_go().await;
            }
            Command::Scan { attempt } => {
                let event = match task.scan(attempt, &mut commands).await {
                    Ok(page) => Event::Page { attempt, page },
                    Err(fault) => Event::Failed { attempt, fault },
                };
                if task.events.send(event).await.is_err() {
                    break;
                }
            }
        }
    }
    task.let_go().await;
    Ok(())
}

struct Task {
    config: Config,
    slots: Slots,
    worker: Option<Worker>,
    events: mpsc::Sender<Event>,
    /// The scanner may have sensors of its own.
    senses: bool,
    /// It has told of its cover since it was opened: from then on silence is no answer.
    covered: bool,
}

impl Task {
    /// Opens the scanner if it can be opened. If not, the next start tells why.
    async fn look(&mut self) {
        if self.worker.is_some() {
            return;
        }
        match self.open().await {
            Ok(worker) => {
                self.worker = Some(worker);
                self.sense().await;
            }
            Err(fault) => tracing::info!(?fault, "the scanner cannot be opened yet"),
        }
    }

    /// Closes the scanner.
    async fn let_go(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.kill().await;
            let _ = self.events.send(Event::Sensors(ScannerSensors::default())).await;
        }
    }

    /// Asks the scanner's sensors. A device without any is not asked again until it is opened anew.
    async fn sense(&mut self) {
        let Some(mut worker) = self.worker.take() else { return };
        let sensors = match worker.ask(&Request::Sensors, SENSES, "telling its sensors").await {
            Ok(Reply::Sensors(sensors)) => {
                self.worker = Some(worker);
                sensors
            }
            // The next page begins with a new process and tells what is wrong.
            Ok(_) | Err(_) => {
                worker.kill().await;
                ScannerSensors::default()
            }
        };
        self.covered |= sensors.cover_open.is_some();
        self.senses = self.covered || sensors != ScannerSensors::default();
        // Told also when there are none: what a lost device said last must not stand for ever.
        let _ = self.events.send(Event::Sensors(sensors)).await;
    }

    async fn scan(&mut self, attempt: u32, commands: &mut mpsc::Receiver<Command>) -> Result<RawPage, Fault> {
        let mut worker = match self.worker.take() {
            Some(worker) => worker,
            None => self.open().await?,
        };
        let scanned = async {
            let page = self.page(&mut worker, attempt, commands).await?;
            self.cover(&mut worker).await?;
            Ok(page)
        };
        match scanned.await {
            Ok(page) => {
                self.worker = Some(worker);
                Ok(page)
            }
            Err(fault) => {
                match fault {
                    // The process is broken, or the device may come back under another state: begin anew.
                    Fault::Stalled { .. } | Fault::Crashed { .. } | Fault::DeviceIo { .. } => {
                        worker.kill().await;
                        let _ = self.events.send(Event::Sensors(ScannerSensors::default())).await;
                    }
                    _ => self.worker = Some(worker),
                }
                Err(fault)
            }
        }
    }

    /// A page on the glass counts only if the scanner's own cover sensor, where it has one, says closed after it; before it the
    /// worker has asked.
    async fn cover(&self, worker: &mut Worker) -> Result<(), Fault> {
        if !self.senses || self.config.settings.source != Source::Flatbed {
            return Ok(());
        }
        match worker.ask(&Request::Sensors, self.config.stall, "telling its sensors").await? {
            Reply::Sensors(ScannerSensors { cover_open: Some(true), .. }) => Err(Fault::CoverOpen),
            Reply::Sensors(ScannerSensors { cover_open: None, .. }) if self.covered => {
                Err(Fault::DeviceIo { what: "the scanner's cover sensor cannot be read any more".into() })
            }
            Reply::Sensors(_) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    async fn open(&mut self) -> Result<Worker, Fault> {
        let mut worker = Worker::spawn(&self.slots)?;
        match self.configure(&mut worker).await {
            Ok(taken) => {
                (self.senses, self.covered) = (true, false);
                let _ = self.events.send(Event::Ready(taken)).await;
                Ok(worker)
            }
            Err(fault) => {
                worker.kill().await;
                Err(fault)
            }
        }
    }

    async fn configure(&self, worker: &mut Worker) -> Result<Taken, Fault> {
        let open = Request::Open { device: self.config.device.clone() };
        worker.ask(&open, OPEN_LIMIT, "opening the scanner").await?;
        let configure = Request::Configure(self.config.settings.clone());
        match worker.ask(&configure, OPEN_LIMIT, "setting the scanner up").await? {
            Reply::Configured(taken) => Ok(taken),
            other => Err(unexpected(&other)),
        }
    }

    async fn page(
        &mut self,
        worker: &mut Worker,
        attempt: u32,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<RawPage, Fault> {
        let lease = self.slots.lease().await;
        worker.tell(&Request::Scan { slot: lease.slot() }).await?;
        let mut expected = None;
        loop {
            let reply = tokio::select! {
                reply = worker.hear(self.config.stall, "delivering the page") => reply?,
                command = commands.recv() => match command {
                    Some(Command::Cancel) | None => {
                        worker.tell(&Request::Cancel).await?;
                        continue;
                    }
                    Some(Command::Open | Command::Close) => continue,
                    Some(Command::Scan { attempt: other }) => {
                        let _ = self.events.send(Event::Failed { attempt: other, fault: Fault::Busy }).await;
                        continue;
                    }
                },
            };
            match reply {
                Reply::Started { total } => {
                    expected = total;
                    let _ = self.events.send(Event::Progress { attempt, bytes: 0, total }).await;
                }
                Reply::Progress { bytes } => {
                    // The screen may miss one; the pages may not.
                    let _ = self.events.try_send(Event::Progress { attempt, bytes, total: expected });
                }
                Reply::Page { layout, bytes, reduced } => {
                    return take_page(&self.slots, lease, layout, (bytes, reduced));
                }
                other => return Err(unexpected(&other)),
            }
        }
    }
}

fn unexpected(reply: &Reply) -> Fault {
    Fault::Crashed { how: format!("it answered out of turn: {reply:?}") }
}
