//! Events a second from a station's journal to the supervisor's database, and runs with kills.

use crate::losses::{self, House};
use std::{path::Path, time::Duration, time::Instant};

const EVENTS: u64 = 100_000;

/// Speed, against a floor: the same events written into one SQLite file in groups of 1,000.
#[allow(clippy::print_stdout)] // its output is what the user asked for
pub fn speed(folder: &Path, rounds: u32) -> anyhow::Result<()> {
    let mut rates = Vec::new();
    for round in 0..rounds.min(5) {
        let folder = folder.join(format!("uplink-{round}"));
        std::fs::create_dir_all(&folder)?;
        let mut house = House::new(&folder)?;
        house.stop_station();
        let before = house.written()?;
        let began = Instant::now();
        house.write(0, EVENTS, 1_000, Duration::ZERO)?;
        let floor = EVENTS as f64 / began.elapsed().as_secs_f64();
        house.wait_for(0)?;
        let began = Instant::now();
        house.start_station()?;
        house.wait_for(before + EVENTS)?;
        rates.push((EVENTS as f64 / began.elapsed().as_secs_f64(), floor));
    }
    let (ours, least, most) = super::spread(rates.iter().map(|r| r.0).collect());
    let (floor, _, _) = super::spread(rates.iter().map(|r| r.1).collect());
    let (ratio, _, _) = super::spread(rates.iter().map(|r| r.0 / r.1).collect());
    println!(
        "{EVENTS} events from a journal through Mosquitto into the database of two supervisors, median of {}:",
        rates.len()
    );
    println!("  platen, the station's start included      {ours:>8.0} events/s ({least:.0} to {most:.0})");
    println!("  floor: written into one SQLite file       {floor:>8.0} events/s");
    println!("  ratio                                     {ratio:>8.2}");
    Ok(())
}

/// Runs with kills.
#[allow(clippy::print_stdout)] // its output is what the user asked for
pub fn losses(folder: &Path, seed: u64, runs: u64) -> anyhow::Result<()> {
    println!("50,000 events each, Mosquitto without persistence, two supervisors on one database:");
    for run in 0..runs {
        let folder = folder.join(format!("losses-{run}"));
        std::fs::create_dir_all(&folder)?;
        let outcome = losses::run(&folder, seed + run, 50_000, 30)?;
        let [broker, station, supervisor] = outcome.kills;
        println!(
            "  seed {:>4}: {} events, kills: broker {broker}, station {station}, supervisors {supervisor}; lost {}, doubled {}, all stored {:.1} s after the last kill",
            seed + run,
            outcome.events,
            outcome.lost,
            outcome.doubled,
            outcome.calm.as_secs_f64()
        );
        anyhow::ensure!(
            outcome.lost == 0 && outcome.doubled == 0,
            "events were lost or doubled; they lie in {}",
            folder.display()
        );
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}
