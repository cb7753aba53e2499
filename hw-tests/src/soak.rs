//! `make soak`: a shift in a short time. Three desks scan batch after batch at full speed while everything around them fails at
//! random, and at the end everything that was scanned is counted.

mod desk;
mod measure;

use crate::{
    chance::Chance,
    losses::LIMITS,
    mosquitto::Mosquitto,
    supervisor::{self, Supervisor},
    ups::Ups,
};
use anyhow::ensure;
use desk::{Desk, Kind};
use measure::{Growth, Meter};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

/// How long, and by which chance.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// By which chance faults come; when they come also depends on how fast the desks are
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Hours it takes
    #[arg(long, default_value_t = 1.0)]
    hours: f64,
    /// Pages a minute of each feeder
    #[arg(long, default_value_t = 240.0)]
    ppm: f64,
}

/// What happened, over all desks.
#[derive(Debug, Default)]
struct Ledger {
    pages: u64,
    batches: u64,
    faults: BTreeMap<&'static str, u64>,
    kills: BTreeMap<&'static str, u64>,
    lost: u64,
    doubled: u64,
}

/// What the desks and the chaos share.
#[derive(Debug)]
struct Shift {
    until: Instant,
    ledger: Mutex<Ledger>,
    over: AtomicBool,
}

impl Shift {
    fn note(&self, change: impl FnOnce(&mut Ledger)) {
        change(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn fault(&self, name: &'static str) {
        self.note(|ledger| *ledger.faults.entry(name).or_default() += 1);
    }

    fn kill(&self, name: &'static str) {
        self.note(|ledger| *ledger.kills.entry(name).or_default() += 1);
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until || self.over.load(SeqCst)
    }
}

/// Runs it, and fails if a page was lost or doubled or memory is not flat.
#[allow(clippy::print_stdout)] // its output is what the user asked for
pub fn run(args: &Args) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("platen-soak-").tempdir_in(".")?;
    let folder = &std::path::absolute(folder.path())?;
    let length = Duration::from_secs_f64(args.hours * 3600.0);
    println!("soak: seed {}, {:.2} hours, feeders at {} pages a minute", args.seed, args.hours, args.ppm);

    let broker = Mosquitto::start(&folder.join("mosquitto"), LIMITS)?;
    let setup = supervisor::Setup {
        broker: Some(format!("url = \"{}\"\ngroup = \"soak\"\n", broker.url())),
        database: Some(folder.join("shared.db")),
        ..supervisor::Setup::default()
    };
    let steady = Supervisor::start_with(&folder.join("supervisor-1"), &setup)?;
    let killed = Supervisor::start_with(&folder.join("supervisor-2"), &setup)?;
    let ups = Ups::start(&folder.join("nut"))?;
    let kinds = [Kind::Feeder, Kind::KilledFeeder, Kind::Glass];
    let desks = kinds
        .into_iter()
        .zip(1u64..)
        .map(|(kind, n)| Desk::new(folder, kind, args.ppm, args.seed.wrapping_mul(31) + n, &broker.url(), &ups.address))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let long_lived = [("supervisor", steady.id()), ("feeder desk", desks[0].pid()), ("glass desk", desks[2].pid())];

    let shift = Shift { until: Instant::now() + length, ledger: Mutex::default(), over: AtomicBool::new(false) };
    let mut meter = Meter::new(&long_lived, length);
    let ended = thread::scope(|scope| -> anyhow::Result<()> {
        let steady = &steady;
        let shift = &shift;
        let workers: Vec<_> = desks.into_iter().map(|mut desk| scope.spawn(move || desk.work(shift, steady))).collect();
        let chaos = scope.spawn(move || chaos(shift, broker, killed, &ups, args.seed));
        let mut told = Instant::now();
        while !shift.is_over() && workers.iter().all(|worker| !worker.is_finished()) {
            thread::sleep(measure::LOOK);
            meter.look();
            if told.elapsed() > Duration::from_secs(60) {
                told = Instant::now();
                let ledger = shift.ledger.lock().unwrap_or_else(PoisonError::into_inner);
                println!(
                    "  {} pages, {} batches, kills {:?}; {}",
                    ledger.pages,
                    ledger.batches,
                    ledger.kills,
                    meter.now()
                );
            }
        }
        let fell = |_| anyhow::anyhow!("a desk ended in a panic");
        let ends: Vec<anyhow::Result<()>> = workers.into_iter().map(|w| w.join().map_err(fell)?).collect();
        shift.over.store(true, SeqCst);
        chaos.join().map_err(|_| anyhow::anyhow!("the chaos ended in a panic"))??;
        ends.into_iter().collect()
    });
    let growth = meter.growth();
    let ledger = shift.ledger.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Also of a shift that broke off: what it had counted is worth knowing.
    summary(&ledger, &growth);
    ended?;
    ensure!(ledger.lost == 0 && ledger.doubled == 0, "{} pages lost, {} doubled", ledger.lost, ledger.doubled);
    ensure!(growth.iter().all(Growth::is_flat), "memory or descriptors are not flat");
    Ok(())
}

/// What fails around the desks: broker, network, supervisor, mains.
fn chaos(shift: &Shift, mut broker: Mosquitto, mut killed: Supervisor, ups: &Ups, seed: u64) -> anyhow::Result<()> {
    let mut chance = Chance::new(seed);
    let pause = |chance: &mut Chance, from, to| {
        let until = Instant::now() + Duration::from_millis(chance.between(from, to));
        while Instant::now() < until && !shift.is_over() {
            thread::sleep(Duration::from_millis(50));
        }
    };
    while !shift.is_over() {
        pause(&mut chance, 3_000, 12_000);
        match chance.below(8) {
            0 | 1 => {
                shift.kill("broker");
                broker.kill_and_restart()?;
            }
            2 => {
                shift.fault("no broker for a while");
                broker.kill();
                pause(&mut chance, 5_000, 40_000);
                broker.kill_and_restart()?;
            }
            3..=5 => {
                shift.kill("supervisor");
                killed.kill();
                pause(&mut chance, 0, 3_000);
                killed.revive()?;
            }
            6 => {
                shift.fault("on battery");
                ups.set("OB DISCHRG", 70.0)?;
                pause(&mut chance, 3_000, 8_000);
                ups.set("OL", 90.0)?;
            }
            _ => {
                shift.fault("battery low");
                ups.set("OB LB", 5.0)?;
                pause(&mut chance, 3_000, 8_000);
                ups.set("OL", 60.0)?;
            }
        }
    }
    ups.set("OL", 100.0)?;
    broker.kill_and_restart()?;
    // Until the last desk has everything at the supervisor.
    while !shift.over.load(SeqCst) {
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[allow(clippy::print_stdout)] // its output is what the user asked for
fn summary(ledger: &Ledger, growth: &[Growth]) {
    let list = |counts: &BTreeMap<&str, u64>| {
        counts.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
    };
    println!("pages    {} in {} batches", ledger.pages, ledger.batches);
    println!("faults   {}", list(&ledger.faults));
    println!("kills    {}", list(&ledger.kills));
    println!("lost     {}", ledger.lost);
    println!("doubled  {}", ledger.doubled);
    for process in growth {
        println!("{process}");
    }
}
