//! The agent: the one task that owns machine, interlock and journal. It waits for one thing, makes one change, does
//! everything that the machine asks for, shows the result, and waits again.

mod picture;

use crate::{
    batch::{
        BatchName, PageId, Plan,
        machine::{Guard, Input, Machine, Output, Refused},
        sheet,
        store::{Journal, StoreError},
    },
    keep::{self, Context, Job, KeepError, Made},
    outbox::mqtt::{Network, Wake},
    scanner::{self, Taken, process::RawPage, task},
    sensors::{
        board::{BoardEvent, BoardLink},
        interlock::{self, Interlock},
        nut::Power,
    },
    view::{PageView, Preview, View},
    words::Trouble,
};
use jiff::Timestamp;
pub(crate) use picture::load_plans;
use platen_protocol::{
    board::{Certificate, FromBoard, Lamp, ToBoard},
    uplink::{Event, PageAccepted, Reading, UpsState},
};
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::block_in_place,
    time::sleep_until,
};

/// The page is shown again at least this often, so that ages and the list of plans stay true.
const TURN: Duration = Duration::from_secs(1);

/// What the operator asks for.
#[derive(Debug)]
pub(crate) enum Wish {
    Open(Plan),
    Close,
    Start,
    Cancel,
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
    /// The page's files lie under temporary names.
    Made(Result<Made, KeepError>),
    /// They have their names.
    Placed(Made, Result<(), KeepError>),
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
    pub(crate) lost_found: PathBuf,
    pub(crate) plans: Option<PathBuf>,
}

/// Everything that reaches the agent.
#[derive(Debug)]
pub(crate) struct Inlets {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) scanner: mpsc::Receiver<task::Event>,
    pub(crate) board: mpsc::Receiver<BoardEvent>,
    pub(crate) power: mpsc::Receiver<Power>,
    pub(crate) network: watch::Receiver<Network>,
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
}

pub(crate) struct Agent {
    config: Config,
    machine: Machine,
    interlock: Interlock,
    journal: Journal,
    out: Outlets,
    network: Network,
    /// Passes by attempt, from their start to their end.
    passes: HashMap<u32, Pass>,
    made: HashMap<u32, Made>,
    results: mpsc::UnboundedSender<(u32, Done)>,
    taken: Option<Taken>,
    progress: Option<f64>,
    room: Option<(f64, f64, Instant)>,
    power: Option<(Power, Instant)>,
    last_page: Option<PageView>,
    lamp: Option<Lamp>,
}

struct Pass {
    began: Instant,
    scanned_at: Timestamp,
    armed: Option<Instant>,
    asked: Option<Instant>,
    certificate: Option<Certificate>,
    raw: Option<RawPage>,
}

impl Agent {
    pub(crate) fn new(config: Config, journal: Journal, out: Outlets, first_attempt: u32) -> (Self, Finished) {
        let (results, finished) = mpsc::unbounded_channel();
        let machine = Machine::new(config.context.settings.source, config.guard, first_attempt);
        let agent = Self {
            config,
            machine,
            interlock: Interlock::new(),
            journal,
            out,
            network: Network::default(),
            passes: HashMap::new(),
            made: HashMap::new(),
            results,
            taken: None,
            progress: None,
            room: None,
            power: None,
            last_page: None,
            lamp: None,
        };
        (agent, finished)
    }

    /// Runs until the operator's channel closes.
    pub(crate) async fn run(mut self, mut inlets: Inlets, mut finished: Finished) {
        self.settle();
        loop {
            let now = Instant::now();
            let due = [self.machine.poll_timeout(), self.interlock.poll_timeout(), Some((now + TURN, "turn"))];
            let due = due.into_iter().flatten().map(|(at, _)| at).filter(|&at| at > now).min().unwrap_or(now + TURN);
            tokio::select! {
                command = inlets.commands.recv() => match command {
                    None => return,
                    Some((wish, answer)) => {
                        let granted = self.grant(wish);
                        // Do what follows from the wish before saying yes.
                        self.settle();
                        let _ = answer.send(granted);
                    }
                },
                Some(event) = inlets.scanner.recv() => self.scanner(event),
                Some(event) = inlets.board.recv() => self.board(event),
                Some(power) = inlets.power.recv() => self.power(power),
                Some((attempt, done)) = finished.recv() => match done {
                    Done::Made(result) => self.made(attempt, result),
                    Done::Placed(made, result) => self.placed(attempt, made, result),
                },
                Ok(()) = inlets.network.changed() => self.network = *inlets.network.borrow_and_update(),
                () = sleep_until(due.into()) => self.machine.handle_timeout(Instant::now()),
            }
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
        let holds = self.holds();
        if holds != self.machine.holds() {
            self.tell(Input::Holds(holds));
        }
        while let Some(output) = self.machine.poll_output() {
            self.perform(output);
        }
        self.show();
    }

    fn holds(&self) -> Vec<Trouble> {
        let mut holds = match self.config.guard {
            Guard::Board => self.interlock.holds(Instant::now()),
            Guard::Scanner | Guard::None => Vec::new(),
        };
        if let Some((Power { state: UpsState::OnBattery | UpsState::LowBattery, .. }, _)) = self.power {
            holds.push(Trouble::new(
                "on-battery",
                ("the mains has failed, the UPS is on battery", "市电中断，UPS 正在用电池供电"),
                ("wait until the mains is back", "请等待市电恢复"),
            ));
        }
        holds
    }

    fn grant(&mut self, wish: Wish) -> Result<(), No> {
        let now = Instant::now();
        let done = match wish {
            Wish::Open(plan) => return self.open(plan),
            Wish::Close => self.machine.handle(now, Input::Close),
            Wish::Start => self.machine.handle(now, Input::Start),
            Wish::Cancel => self.machine.handle(now, Input::Cancel),
        };
        done.map_err(|refused| match refused {
            Refused::Held(holds) => No::Held(holds),
            Refused::NoBatch => No::Because("no batch is open".into()),
            Refused::AlreadyOpen => No::Because("a batch is open already".into()),
            Refused::Busy => No::Because("the desk is busy with a page, or has none to cancel".into()),
            Refused::Complete => No::Because("the batch is complete".into()),
        })
    }

    fn open(&mut self, plan: Plan) -> Result<(), No> {
        let because = |e: &dyn std::fmt::Display| No::Because(e.to_string());
        if self.machine.picture().plan.is_some() {
            return Err(No::Because("a batch is open already".into()));
        }
        if self.journal.is_complete(&plan.batch).map_err(|e| because(&e))? {
            return Err(No::Complete(plan.batch));
        }
        let kept = block_in_place(|| -> Result<u32, No> {
            let context = &self.config.context;
            let kept = self.journal.open_batch(&plan, &context.operator, Timestamp::now()).map_err(|e| because(&e))?;
            let files = self.journal.files(&plan.batch).map_err(|e| because(&e))?;
            let missing: Vec<_> =
                files.iter().filter(|(f, ..)| !context.out.join(f).is_file()).map(|(f, ..)| f.clone()).collect();
            if !missing.is_empty() {
                let where_ = context.out.display();
                return Err(No::Because(format!(
                    "files of kept pages are missing below {where_}: {}",
                    missing.join(", ")
                )));
            }
            let known: HashSet<String> = files.into_iter().flat_map(|(file, master, _)| [file, master]).collect();
            let moved = keep::sweep(&context.out, &plan, &known, &self.config.lost_found).map_err(|e| because(&e))?;
            if moved > 0 {
                tracing::warn!(moved, to = %self.config.lost_found.display(), "files of pages that were never kept");
            }
            Ok(kept)
        })?;
        self.config.context.plan = plan.clone();
        self.last_page = None;
        self.wake();
        self.machine
            .handle(Instant::now(), Input::Open { plan, kept })
            .map_err(|_| No::Because("a batch is open already".into()))
    }

    fn scanner(&mut self, event: task::Event) {
        match event {
            task::Event::Ready(taken) => {
                self.note(Note::Ready(taken.clone()));
                self.taken = Some(taken);
            }
            task::Event::Progress { attempt, bytes, total } => {
                if self.passes.contains_key(&attempt) {
                    let share = total.map(|total| (bytes as f64 / total.max(1) as f64).min(1.0));
                    self.progress = share;
                }
            }
            task::Event::Page { attempt, page } => {
                self.progress = None;
                if let Some(pass) = self.passes.get_mut(&attempt) {
                    pass.raw = Some(page);
                }
                self.tell(Input::Scanned { attempt });
            }
            task::Event::Failed { attempt, fault } => {
                self.progress = None;
                self.passes.remove(&attempt);
                self.tell(Input::ScanFailed { attempt, why: Trouble::from(&fault) });
            }
        }
    }

    fn board(&mut self, event: BoardEvent) {
        let (message, at) = match event {
            BoardEvent::Connected => return self.interlock.connected(),
            BoardEvent::Lost { why } => return self.interlock.lost(why),
            BoardEvent::Heard { message, at } => (message, at),
        };
        if self.interlock.hear(at, &message) {
            // Nobody waits for an answer; the screen shows why nothing starts.
            if let Err(no) = self.grant(Wish::Start) {
                tracing::info!(?no, "the start button was refused");
            }
        }
        match message {
            FromBoard::Hello { .. } => self.lamp = None,
            FromBoard::Armed { number, .. } => {
                if let Some(pass) = self.passes.get_mut(&number) {
                    pass.armed = Some(at);
                }
                self.tell(Input::Armed { attempt: number });
            }
            FromBoard::ArmRefused { number, why } => {
                self.passes.remove(&number);
                self.tell(Input::ArmRefused { attempt: number, why: interlock::arm_refused(why) });
            }
            FromBoard::Certificate(certificate) => {
                let attempt = certificate.number;
                let Some(pass) = self.passes.get_mut(&attempt) else { return };
                let (Some(armed), Some(asked)) = (pass.armed, pass.asked) else { return };
                pass.certificate = Some(certificate);
                let verdict = interlock::judge(&certificate, attempt, asked.saturating_duration_since(armed));
                self.tell(Input::Certified { attempt, verdict });
            }
            FromBoard::NoCertificate { number } => {
                self.tell(Input::Certified { attempt: number, verdict: Err(interlock::no_certificate()) });
            }
            FromBoard::Climate { milli_celsius, milli_percent, age_ms } => {
                let (celsius, humidity) = (f64::from(milli_celsius) / 1e3, f64::from(milli_percent) / 1e3);
                let read = at.checked_sub(Duration::from_millis(age_ms.into())).unwrap_or(at);
                self.room = Some((celsius, humidity, read));
                self.report(Reading::Room { celsius, humidity });
            }
            FromBoard::ClimateFault(fault) => tracing::warn!(?fault, "the room sensor"),
            FromBoard::Heartbeat { .. } | FromBoard::Edge { .. } | FromBoard::VersionRefused { .. } => {}
        }
    }

    fn power(&mut self, power: Power) {
        let before = self.power.replace((power, Instant::now())).map(|(p, _)| p.state);
        if let Some(from) = before.filter(|&from| from != power.state) {
            self.write_down(&Event::PowerChanged { from, to: power.state });
        }
        self.report(Reading::Power { state: power.state, charge: power.charge, runtime_s: power.runtime_s });
    }

    fn report(&self, reading: Reading) {
        if let Some(outbox) = &self.out.outbox {
            // A reading that finds the outbox busy is one that may be thinned.
            let _ = outbox.try_send(Wake::Reading(reading));
        }
    }

    fn wake(&self) {
        if let Some(outbox) = &self.out.outbox {
            // If it is full, the outbox is awake.
            let _ = outbox.try_send(Wake::Events);
        }
    }

    fn note(&self, note: Note) {
        if let Some(notes) = &self.out.notes {
            let _ = notes.send(note);
        }
    }

    fn write_down(&mut self, event: &Event) {
        match block_in_place(|| self.journal.note(event, Timestamp::now())) {
            Ok(()) => self.wake(),
            Err(error) => tracing::error!(%error, "an event could not be written down"),
        }
    }

    fn send_board(&self, message: ToBoard) {
        if let Some(board) = &self.out.board {
            board.send(message);
        }
    }

    fn made(&mut self, attempt: u32, result: Result<Made, KeepError>) {
        match result {
            Ok(made) if self.passes.contains_key(&attempt) => {
                self.made.insert(attempt, made);
                self.tell(Input::Processed { attempt });
            }
            // Voided while it was made.
            Ok(made) => keep::discard(&made),
            Err(error) => self.tell(Input::ProcessFailed { attempt, why: cannot_keep("page-processing", &error) }),
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Arm { attempt } => {
                self.begin(attempt);
                self.send_board(ToBoard::Arm { number: attempt });
            }
            Output::Disarm { attempt } => self.send_board(ToBoard::Disarm { number: attempt }),
            Output::Scan { attempt } => {
                self.begin(attempt);
                if self.out.scanner.try_send(task::Command::Scan { attempt }).is_err() {
                    let why = Trouble::from(&scanner::Fault::Crashed { how: "its task has ended".into() });
                    self.tell(Input::ScanFailed { attempt, why });
                }
            }
            Output::CancelScan => _ = self.out.scanner.try_send(task::Command::Cancel),
            Output::Certify { attempt } => {
                if let Some(pass) = self.passes.get_mut(&attempt) {
                    pass.asked = Some(Instant::now());
                }
                self.send_board(ToBoard::Certify { number: attempt });
            }
            Output::Process { attempt, page, interlock } => self.process(attempt, page, interlock),
            Output::Save { attempt } => self.save(attempt),
            Output::Kept { .. } => self.wake(),
            Output::Void { attempt, page, why } => self.void(attempt, page, why),
            Output::Finish => self.finish(),
            Output::Raise(why) => {
                self.write_down(&Event::FaultRaised {
                    fault: why.name.into(),
                    text: why.text.en.clone(),
                    action: why.action.en.clone(),
                    severity: why.severity,
                });
            }
            Output::Clear { name } => self.write_down(&Event::FaultCleared { fault: name.into() }),
        }
    }

    fn begin(&mut self, attempt: u32) {
        self.passes.entry(attempt).or_insert_with(|| Pass {
            began: Instant::now(),
            scanned_at: Timestamp::now(),
            armed: None,
            asked: None,
            certificate: None,
            raw: None,
        });
    }

    fn process(&mut self, attempt: u32, page: PageId, interlock: platen_protocol::uplink::Interlock) {
        let Some(pass) = self.passes.get_mut(&attempt) else { return };
        let Some(raw) = pass.raw.take() else { return };
        let job = Job {
            attempt,
            page,
            interlock,
            certificate: pass.certificate,
            taken: self.taken.clone(),
            raw,
            scanned_at: pass.scanned_at,
            began: pass.began,
        };
        let (context, results) = (self.config.context.clone(), self.results.clone());
        tokio::spawn(async move {
            let made = tokio::task::spawn_blocking(move || keep::make(&job, &context)).await;
            // A page that brings the pipeline down is a page that could not be kept, not a desk that hangs.
            let result = made.unwrap_or_else(|panic| Err(KeepError::Pipeline(panic.to_string())));
            let _ = results.send((attempt, Done::Made(result)));
        });
    }

    fn save(&mut self, attempt: u32) {
        let Some(made) = self.made.remove(&attempt) else { return };
        let results = self.results.clone();
        // Two folders are synced: the scanner need not wait for that.
        tokio::task::spawn_blocking(move || {
            let placed = keep::place(&made);
            let _ = results.send((attempt, Done::Placed(made, placed)));
        });
    }

    fn placed(&mut self, attempt: u32, made: Made, placed: Result<(), KeepError>) {
        let batch = self.config.context.plan.batch.clone();
        let now = Timestamp::now();
        let saved = placed
            .map_err(|e| e.to_string())
            .and_then(|()| block_in_place(|| self.journal.keep(&batch, &made.kept, now)).map_err(|e| e.to_string()));
        match saved {
            Ok(()) => {
                self.passes.remove(&attempt);
                self.show_page(attempt, made, now);
                self.tell(Input::Saved { attempt });
            }
            Err(error) => self.tell(Input::SaveFailed { attempt, why: cannot_keep("disk", &error) }),
        }
    }

    fn void(&mut self, attempt: u32, page: PageId, why: Trouble) {
        self.passes.remove(&attempt);
        if let Some(made) = self.made.remove(&attempt) {
            keep::discard(&made);
        }
        let plan = &self.config.context.plan;
        let written = block_in_place(|| self.journal.void(plan, page, (why.name, &why.text.en), Timestamp::now()));
        match written {
            Ok(()) => self.wake(),
            Err(error) => tracing::error!(%error, "a void pass could not be written down"),
        }
        self.note(Note::Void { page, why });
    }

    fn finish(&mut self) {
        match block_in_place(|| self.write_sheet()) {
            Ok(sheet) => {
                self.wake();
                self.note(Note::Complete { sheet });
                self.tell(Input::Finished);
            }
            Err(error) => self.tell(Input::FinishFailed { why: cannot_keep("disk", &error) }),
        }
    }

    fn write_sheet(&mut self) -> anyhow::Result<PathBuf> {
        let Context { plan, out, operator, .. } = &self.config.context;
        let now = Timestamp::now();
        let date = now.to_zoned(jiff::tz::TimeZone::system()).date().to_string();
        let bytes = sheet::workbook(plan, operator, &date, &self.journal.history(plan)?)?;
        let name = plan.batch.folder().join(sheet::FILE_NAME);
        keep::replace(&out.join(&name), &bytes)?;
        let batch = plan.batch.clone();
        self.journal.complete(&batch, &name.to_string_lossy(), now).map_err(|e: StoreError| e)?;
        Ok(out.join(name))
    }

    fn show_page(&mut self, attempt: u32, made: Made, now: Timestamp) {
        let name = format!("{attempt}.jpg");
        let event = made.kept.event;
        self.last_page = Some(PageView {
            volume: event.volume.clone(),
            number: event.number,
            preview: format!("/preview/{name}"),
            angle: event.angle,
            applied: event.applied,
            confidence: event.confidence,
            flags: event.flags.clone(),
            interlock: event.interlock,
            file: event.file.clone(),
            at: now.to_string(),
            took_ms: event.took_ms,
        });
        self.out.preview.send_replace(Preview { name, jpeg: made.preview.into() });
        self.note(Note::Kept(Box::new(event)));
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
