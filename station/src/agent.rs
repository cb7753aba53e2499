//! The agent: the one thread that owns machine, interlock and journal. It waits for one thing, makes one change, does
//! everything that the machine asks for, shows the result, and waits again.

mod batches;
mod does;
mod guards;
mod hears;
mod ledger;
mod picture;
mod storage;

use crate::{
    batch::{
        BatchName, PageId, Plan,
        known::Known,
        machine::{Guard, Input, Machine, Refused},
        store::Journal,
    },
    disk::Disk,
    keep::{Context, Job, KeepError, Made},
    memory::Making,
    moment::Steady,
    outbox::task::{Network, Wake},
    pages::glass::Glass,
    scanner::{Taken, process::RawPage, task},
    sensors::{
        clock::BoardClock,
        interlock::Interlock,
        link::{BoardEvent, BoardLink},
        nut::Power,
        overrides::{Asked, Overrides, Sensor},
        plausible::Plausible,
    },
    view::{PageView, PlanLine, Preview, View},
    words::Trouble,
};
use guards::{ScannerSays, Supply};
use jiff::Timestamp;
use ledger::Ledger;
pub(crate) use picture::{BadPlan, load_plans};
use platen_protocol::{
    board::{Certificate, Lamp, ToBoard, Watch},
    uplink::{Overridden, PageAccepted},
};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use storage::{Blame, Stalled};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep_until,
};

/// The page is shown again this often at least, and plans are looked for, so that ages and the list of plans stay true.
const TURN: Duration = Duration::from_secs(1);

/// What the operator asks for.
#[derive(Debug)]
pub(crate) enum Wish {
    Open(Plan),
    Close,
    Start,
    Cancel,
    /// Two persons answer for a broken sensor.
    Override(Asked),
    /// It is repaired.
    EndOverride(Sensor),
}

/// Why a wish was not granted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum No {
    /// What the operator has to do first.
    Held(Vec<Trouble>),
    /// Every page of the batch is there already.
    Complete(BatchName),
    /// In plain words.
    Because(String),
}

/// A wish and where the answer goes.
pub(crate) type Command = (Wish, oneshot::Sender<Result<(), No>>);

/// What the blocking pool has done, by attempt.
#[derive(Debug)]
pub(crate) enum Done {
    /// The page's files lie under temporary names. The job is handed back, to be done again if the disk failed.
    Made(Box<Job>, Result<Box<Made>, KeepError>),
    /// They have their names, and were compared with the pages before.
    Placed(Box<Made>, Known, Result<(), KeepError>),
}

type Finished = mpsc::UnboundedReceiver<(u32, Done)>;

/// What a terminal tells its user.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    Ready(Taken),
    Kept(Box<PageAccepted>),
    Void { page: PageId, why: Trouble },
    Complete { sheet: PathBuf },
}

#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) context: Context,
    pub(crate) guard: Guard,
    /// The station watches lid and corner through its own pins.
    pub(crate) watches_itself: bool,
    /// Who may answer for an overridden sensor.
    pub(crate) persons: Vec<String>,
    pub(crate) lost_found: PathBuf,
    pub(crate) plans: Option<PathBuf>,
    /// What was on the desk when the last run ended goes on by itself.
    pub(crate) resumes: bool,
    /// Bytes that must be free before a page is begun.
    pub(crate) reserve: u64,
}

/// Everything that reaches the agent.
#[derive(Debug)]
pub(crate) struct Inlets {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) scanner: mpsc::Receiver<task::Event>,
    pub(crate) board: mpsc::Receiver<BoardEvent>,
    pub(crate) power: mpsc::Receiver<Power>,
    pub(crate) network: watch::Receiver<Network>,
    pub(crate) disk: watch::Receiver<Disk>,
}

/// Everything that the agent reaches.
#[derive(Debug)]
pub(crate) struct Outlets {
    pub(crate) scanner: mpsc::Sender<task::Command>,
    pub(crate) board: Option<BoardLink>,
    pub(crate) outbox: Option<mpsc::Sender<Wake>>,
    pub(crate) view: watch::Sender<Option<View>>,
    pub(crate) preview: watch::Sender<Preview>,
    pub(crate) notes: Option<mpsc::UnboundedSender<Note>>,
    /// Asks for a look at the disk at once.
    pub(crate) disk: mpsc::Sender<()>,
    /// The battery is low and everything is written down: the power may go.
    pub(crate) wound_down: watch::Sender<bool>,
}

pub(crate) struct Agent {
    config: Config,
    machine: Machine,
    interlock: Interlock,
    /// More words of the board have come than were looked at.
    board_waits: bool,
    plausible: Plausible,
    overrides: Overrides,
    clock: BoardClock,
    scanner_says: ScannerSays,
    /// What was raised and not cleared yet.
    standing: Vec<Trouble>,
    journal: Journal,
    ledger: Ledger,
    steady: Steady,
    disk: Disk,
    /// What waits for the disk, and what that said.
    stalled: Vec<Stalled>,
    blame: Option<Blame>,
    /// What may be opened, while nothing is.
    plans: Vec<PlanLine>,
    /// Files that are no plans, and why, as it was last said.
    bad_plans: Vec<BadPlan>,
    /// A batch lies on the desk and was not opened again yet.
    to_resume: bool,
    out: Outlets,
    network: Network,
    /// Passes by attempt, from their start to their end.
    passes: HashMap<u32, Pass>,
    made: HashMap<u32, Made>,
    /// Those that are being made hold memory, which is given back after them.
    making: Arc<Making>,
    /// Away while a page is compared: one at a time is saved.
    known: Known,
    /// What the latest pages tell of the glass.
    glass: Glass,
    results: mpsc::UnboundedSender<(u32, Done)>,
    taken: Option<Taken>,
    progress: Option<f64>,
    room: Option<(f64, f64, Instant)>,
    power: Option<(Power, Instant)>,
    supply: Supply,
    last_page: Option<PageView>,
    lamp: Option<Lamp>,
}

struct Pass {
    began: Instant,
    scanned_at: Timestamp,
    armed: Option<Instant>,
    asked: Option<Instant>,
    certificate: Option<Certificate>,
    /// What the board watches in this pass; `None`: two persons answer for everything.
    watch: Option<Watch>,
    overridden: Vec<Overridden>,
    raw: Option<RawPage>,
}

impl Agent {
    pub(crate) fn new(config: Config, journal: Journal, out: Outlets, first_attempt: u32) -> (Self, Finished) {
        let (results, finished) = mpsc::unbounded_channel();
        let to_resume = config.resumes;
        let machine = Machine::new(config.context.settings.source, config.guard, first_attempt);
        let agent = Self {
            config,
            machine,
            interlock: Interlock::new(),
            board_waits: false,
            plausible: Plausible::default(),
            overrides: Overrides::default(),
            clock: BoardClock::default(),
            scanner_says: ScannerSays::default(),
            standing: Vec::new(),
            ledger: Ledger::default(),
            // A journal that cannot be read now will be said to be so by whoever reads it next.
            steady: Steady::after(journal.last_moment().ok().flatten()),
            disk: Disk::Good,
            stalled: Vec::new(),
            blame: None,
            plans: Vec::new(),
            bad_plans: Vec::new(),
            to_resume,
            journal,
            out,
            network: Network::default(),
            passes: HashMap::new(),
            made: HashMap::new(),
            making: Making::new(std::thread::available_parallelism().map_or(1, usize::from)),
            known: Known::default(),
            glass: Glass::default(),
            results,
            taken: None,
            progress: None,
            room: None,
            power: None,
            supply: Supply::default(),
            last_page: None,
            lamp: None,
        };
        (agent, finished)
    }

    /// Runs until the operator's channel closes, on a thread that may wait for the disk.
    pub(crate) async fn run(mut self, mut inlets: Inlets, mut finished: Finished) {
        self.clear_old_faults();
        self.resume();
        self.look_for_plans();
        self.settle();
        let mut turn = tokio::time::interval(TURN);
        loop {
            let now = Instant::now();
            let due = [self.machine.poll_timeout(), self.interlock.poll_timeout(), self.overrides.poll_timeout()];
            let due = due.into_iter().flatten().map(|(at, _)| at).filter(|&at| at > now).min().unwrap_or(now + TURN);
            tokio::select! {
                // What guards comes first.
                biased;
                Some(event) = inlets.board.recv() => self.board(event),
                command = inlets.commands.recv() => match command {
                    None => return,
                    Some((wish, answer)) => {
                        let granted = self.grant(wish);
                        // Do what follows from the wish before saying yes.
                        self.board_waits = !inlets.board.is_empty();
                        self.settle();
                        let _ = answer.send(granted);
                    }
                },
                Some(event) = inlets.scanner.recv() => self.scanner(event),
                Some(power) = inlets.power.recv() => self.power(power),
                Some((attempt, done)) = finished.recv() => match done {
                    Done::Made(job, result) => self.made(attempt, job, result.map(|made| *made)),
                    Done::Placed(made, known, result) => self.placed(attempt, *made, known, result),
                },
                Ok(()) = inlets.network.changed() => self.network = inlets.network.borrow_and_update().clone(),
                Ok(()) = inlets.disk.changed() => {
                    self.disk = inlets.disk.borrow_and_update().clone();
                    self.try_again();
                }
                _ = turn.tick() => {
                    self.look_at_the_clock();
                    self.try_again();
                    self.resume();
                    self.look_for_plans();
                }
                () = sleep_until(due.into()) => {}
            }
            self.board_waits = !inlets.board.is_empty();
            self.settle();
        }
    }

    fn tell(&mut self, input: Input) {
        // Answers are never refused; wishes go through `grant`.
        if let Err(refused) = self.machine.handle(Instant::now(), input) {
            tracing::error!(?refused, "an answer was refused");
        }
    }

    /// Brings the interlock to the machine, does what the machine asks for until it asks no more, and shows the result.
    fn settle(&mut self) {
        let now = Instant::now();
        // A deadline may have passed while something else was done. The board is not late while its words wait to be heard.
        if !self.board_waits {
            self.machine.handle_timeout(now);
        }
        self.overrides.handle_timeout(now);
        let holds = self.holds();
        if holds != self.machine.holds() {
            self.tell(Input::Holds(holds));
        }
        self.wind_down();
        while let Some(output) = self.machine.poll_output() {
            self.perform(output);
        }
        self.compare_faults();
        self.show();
    }

    fn grant(&mut self, wish: Wish) -> Result<(), No> {
        let now = Instant::now();
        let done = match wish {
            Wish::Open(plan) => return self.open(plan),
            Wish::Close => {
                let closed = self.close();
                if closed.is_ok() {
                    self.enter(ledger::Note::ClearDesk);
                }
                closed
            }
            Wish::Start => self.machine.handle(now, Input::Start),
            Wish::Cancel => self.machine.handle(now, Input::Cancel),
            Wish::Override(asked) => return self.override_sensor(asked),
            Wish::EndOverride(sensor) => return self.end_override(sensor),
        };
        done.map_err(|refused| match refused {
            Refused::Held(holds) => No::Held(holds),
            Refused::NoBatch => No::Because("no batch is open".into()),
            Refused::AlreadyOpen => No::Because("a batch is open already".into()),
            Refused::Busy => No::Because("the desk is busy with a page, or has none to cancel".into()),
            Refused::Complete => No::Because("the batch is complete".into()),
        })
    }

    fn note(&self, note: Note) {
        if let Some(notes) = &self.out.notes {
            let _ = notes.send(note);
        }
    }

    fn send_board(&self, message: ToBoard) {
        if let Some(board) = &self.out.board {
            board.send(message);
        }
    }
}

fn cannot_keep(name: &'static str, error: &dyn std::fmt::Display) -> Trouble {
    Trouble::new(
        name,
        (&format!("the page could not be kept: {error}"), &format!("页面无法保存：{error}")),
        ("look at the disk, then scan this page again", "请检查磁盘，然后重新扫描本页"),
    )
    .alarm()
}
