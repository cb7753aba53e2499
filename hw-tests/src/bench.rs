//! `make bench`: ratios against peers and floors, each measured in the same run. A benchmark is not a test.

mod counts;
mod edge;
mod peers;
mod uplink;

use crate::{
    pages::samples,
    process::{artifact, installed},
    scanner::{DEVICE, VirtualScanner},
    supervisor::{SITE, Supervisor},
};
use anyhow::{Context, bail};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use virtual_scanner::desk::Settings;

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Pages of a batch
    #[arg(long, default_value_t = 50)]
    pages: u32,
    /// Times each side runs; the median counts
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Runs with kills, if only they are asked for
    #[arg(long, default_value_t = 10)]
    runs: u64,
    /// Seed of the first run with kills
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this part
    #[arg(long, value_enum)]
    only: Option<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// One page against the peers
    Page,
    /// Instructions of the stages
    Counts,
    /// A batch against scanimage
    Batch,
    /// Events a second to the supervisor
    Uplink,
    /// 50,000 events with kills; only if asked for
    Losses,
}

/// Runs everything.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("platen-bench-").tempdir_in(".")?;
    let folder = std::path::absolute(folder.path())?;
    let wants = |part| args.only.is_none_or(|only| only == part);
    if wants(Part::Page) {
        peers::run(&folder)?;
    }
    if wants(Part::Counts) {
        counts::run(&folder)?;
    }
    if wants(Part::Batch) {
        batch(args, &folder)?;
    }
    if wants(Part::Uplink) {
        uplink::speed(&folder, args.rounds)?;
    }
    if args.only == Some(Part::Losses) {
        uplink::losses(&folder, args.seed, args.runs)?;
    }
    Ok(())
}

/// A batch from the feeder, against `scanimage`.
#[allow(clippy::print_stdout)] // its output is what the user asked for
fn batch(args: &Args, folder: &Path) -> anyhow::Result<()> {
    let colour = folder.join("pages");
    fs::create_dir_all(&colour)?;
    // A4 at 300 dpi in colour, exactly: nothing has to be scaled by the scanner.
    for name in ["typical_0005.jpg", "dup_0004.jpg", "dup_0005.jpg", "blank_0000.jpg"] {
        fs::copy(samples().join(name), colour.join(name))?;
    }
    let settings = Settings { adf: true, ..Settings::new(&colour, args.pages) };
    let scanner = VirtualScanner::create(&folder.join("scanner"), settings)?;
    let supervisor = Supervisor::start(&folder.join("supervisor"), 0, 0)?;
    if !installed("scanimage") {
        bail!("scanimage is not installed: apt-get install sane-utils");
    }
    let mut rounds = Vec::new();
    for round in 0..args.rounds {
        let theirs = scanimage(&scanner, args.pages, &folder.join(format!("scanimage-{round}")))?;
        rounds.push((theirs, platen(&scanner, &supervisor, args.pages, round, folder)?));
    }
    // A neighbour on the host slows both sides of a round down: the ratio of each round counts, and of those the median.
    let ratios = rounds.iter().map(|(theirs, ours)| theirs.as_secs_f64() / ours.as_secs_f64()).collect();
    let per_minute = |took: Duration| f64::from(args.pages) * 60.0 / took.as_secs_f64();
    let (theirs, _, _) = spread(rounds.iter().map(|r| per_minute(r.0)).collect());
    let (ours, _, _) = spread(rounds.iter().map(|r| per_minute(r.1)).collect());
    let (ratio, least, most) = spread(ratios);
    println!("batch of {} A4 pages, 300 dpi, colour, scanner at full speed, median of {}:", args.pages, args.rounds);
    println!("  scanimage --batch --format=jpeg      {theirs:>7.0} pages/min");
    println!("  platen: deskew, lossless master, synced writes, journal, reports  {ours:>7.0} pages/min");
    println!("  ratio                                {ratio:>7.2} ({least:.2} to {most:.2})");
    Ok(())
}

/// Median, least and most.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
    (at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
}

fn scanimage(scanner: &VirtualScanner, pages: u32, out: &Path) -> anyhow::Result<Duration> {
    fs::create_dir_all(out)?;
    scanner.desk.set_position(0)?;
    let began = Instant::now();
    let status = scanner
        .command("scanimage")
        .args(["-d", DEVICE, "--source", "ADF Front", "--mode", "Color", "--resolution", "300", "--format=jpeg"])
        .arg(format!("--batch={}/%04d.jpg", out.display()))
        .stderr(Stdio::null())
        .status()?;
    let took = began.elapsed();
    let made = fs::read_dir(out)?.count();
    // It ends with "feeder empty", which is status 7.
    if made != pages as usize {
        bail!("scanimage made {made} of {pages} pages ({status})");
    }
    Ok(took)
}

fn platen(
    scanner: &VirtualScanner,
    supervisor: &Supervisor,
    pages: u32,
    round: u32,
    folder: &Path,
) -> anyhow::Result<Duration> {
    scanner.desk.set_position(0)?;
    let out = folder.join(format!("platen-{round}"));
    let station = format!("bench-{round}");
    let mut command: Command = scanner.command(artifact("platen-station")?);
    command
        .args(["scan", "--device", DEVICE, "--source", "adf", "--mode", "colour", "--dpi", "300", "--area", "a4"])
        // scanimage's own quality.
        .args([
            "--quality",
            "75",
            "--pages",
            &pages.to_string(),
            "--site",
            SITE,
            "--station",
            &station,
            "--broker",
            &supervisor.broker,
        ])
        .arg("--out")
        .arg(&out)
        .stderr(Stdio::null())
        .stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status().context("platen-station")?;
    let took = began.elapsed();
    let told = supervisor.pages(&station, "1/1-1-1")?.len();
    if !status.success() || told != pages as usize {
        bail!("platen-station: {status}, the supervisor has {told} of {pages} pages");
    }
    fs::remove_dir_all(&out)?;
    Ok(took)
}
