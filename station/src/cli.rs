//! The command line.

use crate::{
    board_tool, config, console, doctor, journal_tool, page_file,
    persons::{self, Persons},
    profile::Profile,
    scan, scanner, wiring,
};
use anyhow::Context;
use clap::{Parser, Subcommand};
use std::{
    io::IsTerminal,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};

/// Controller and edge agent of one scanning workstation
#[derive(Debug, Parser)]
#[command(name = "platen-station", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the station: operator's page, sensors, reports to the supervisor
    Run {
        /// Configuration file
        #[arg(long, default_value = "/etc/platen/station.toml")]
        config: PathBuf,
    },
    /// Scan a batch from this terminal
    Scan(Box<scan::Args>),
    /// List the scanners that SANE finds
    Devices,
    /// Straighten and examine page images
    Page(page_file::Args),
    /// Check a configuration file and say what is wrong with it
    CheckConfig {
        /// Configuration file
        file: PathBuf,
    },
    /// Check scanner, board, UPS, broker and disk, and say what to do for each
    Doctor {
        /// Configuration file
        #[arg(long, default_value = "/etc/platen/station.toml")]
        config: PathBuf,
    },
    /// Test a sensor board, or calibrate its corner
    Board(board_tool::Args),
    /// Print what the journal has, one page a line, for `platen-supervisor verify`; check the images
    Journal(journal_tool::Args),
    /// Print what stands in the configuration for a person's PIN, which is read from standard input
    Pin {
        /// The person's name
        #[arg(long)]
        name: String,
    },
    /// Owns libsane and one scanner; started by the station itself
    #[command(hide = true)]
    ScanWorker,
}

impl Command {
    /// It prints, writes nothing, and talks to nobody. (What asks a scanner or a board has to hear that these are gone.)
    fn only_tells(&self) -> bool {
        match self {
            Self::Page(args) => args.only_tells(),
            Self::Journal(args) => args.only_tells(),
            Self::CheckConfig { .. } | Self::Pin { .. } => true,
            Self::Run { .. }
            | Self::Scan(_)
            | Self::Devices
            | Self::Doctor { .. }
            | Self::Board(_)
            | Self::ScanWorker => false,
        }
    }
}

pub(crate) fn run(cli: Cli) -> anyhow::Result<i32> {
    if cli.command.only_tells() {
        platen_process::end_with_the_reader();
    }
    match cli.command {
        // Before any thread is started: backends fork and raise signals.
        Command::ScanWorker => scanner::worker::run().map(|()| 0).context("scan worker"),
        Command::Page(args) => page_file::run(&args).map(|()| 0),
        Command::CheckConfig { file } => check_config(&file),
        Command::Board(args) => board_tool::run(&args),
        Command::Journal(args) => journal_tool::run(&args),
        Command::Pin { name } => pin(&name),
        Command::Scan(args) => runtime()?.block_on(scan::run(*args)),
        Command::Devices => runtime()?.block_on(devices()),
        Command::Doctor { config } => runtime()?.block_on(doctor::run(&config)),
        Command::Run { config } => runtime()?.block_on(serve(&config)),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")
}

#[allow(clippy::print_stdout)] // its output is what the user asked for
fn check_config(file: &std::path::Path) -> anyhow::Result<i32> {
    let config = config::Config::load(file)?;
    Profile::load(config.pages.profile.as_deref(), None).context("pages.profile")?;
    config.sensors.ups()?;
    println!("{}: good", file.display());
    Ok(0)
}

#[allow(clippy::print_stdout)] // its output is what the user asked for
fn pin(name: &str) -> anyhow::Result<i32> {
    if std::io::stdin().is_terminal() {
        eprintln!("PIN of {name}, at least 6 characters, then Enter:");
    }
    let mut pin = String::new();
    std::io::stdin().read_line(&mut pin)?;
    let hash = persons::hash(pin.trim_end_matches(['\r', '\n'])).map_err(anyhow::Error::msg)?;
    println!("[[persons]]\nname = {name:?}\npin = {hash:?}");
    Ok(0)
}

#[allow(clippy::print_stdout)] // its output is what the user asked for
async fn devices() -> anyhow::Result<i32> {
    let devices =
        scanner::process::list_devices().await.map_err(|fault| anyhow::anyhow!("{fault}: {}", fault.action().0))?;
    for d in &devices {
        println!("{:<40} {} {} ({})", d.name, d.vendor, d.model, d.kind);
    }
    if devices.is_empty() {
        println!(
            "SANE finds no scanner. Switch it on, check its cable, and see that the user is in the group scanner."
        );
    }
    Ok(i32::from(devices.is_empty()))
}

#[allow(clippy::print_stdout)] // tells the operator where the page is
async fn serve(file: &std::path::Path) -> anyhow::Result<i32> {
    let config = config::Config::load(file)?;
    let listen = config.console.listen;
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("console.listen = {listen}: the operator's page cannot be served there"))?;
    let plans = config.station.plans.clone();
    let persons = Arc::new(Mutex::new(Persons::new(config.persons.clone())));
    let mut running = wiring::start(parts(config)?)?;
    println!("operator's page: http://{}/", listener.local_addr()?);
    let console = console::Console {
        commands: running.commands.clone(),
        view: running.view.clone(),
        preview: running.preview.clone(),
        plans,
        persons,
    };
    // Streams never end by themselves, so the server is dropped, not drained.
    let mut stop = signal(SignalKind::terminate())?;
    tokio::select! {
        served = axum::serve(listener, console::router(console)) => served?,
        _ = stop.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
        // The next start finds everything in the journal; a desk without it would look well and do nothing.
        part = running.run(|note| tracing::info!(?note)) => anyhow::bail!("{part} has ended; the log says why"),
    }
    // What is under way is either in the journal or asked for again at the next start.
    running.stop(Duration::from_secs(2)).await;
    Ok(0)
}

fn parts(config: config::Config) -> anyhow::Result<wiring::Parts> {
    let config::Config { station, scanner, pages, sensors, persons, uplink, .. } = config;
    let profile = Profile::load(pages.profile.as_deref(), None).context("pages.profile")?;
    Ok(wiring::Parts {
        site: station.site,
        station: station.name,
        operator: station.operator,
        out: station.out,
        state: station.state,
        plans: Some(station.plans),
        device: scanner.device,
        settings: scanner::ScanSettings {
            source: scanner.source,
            mode: scanner.mode,
            dpi: scanner.dpi,
            area: scanner.area,
        },
        stall: Duration::from_secs(scanner.stall_seconds),
        profile,
        previews: true,
        board: sensors.board(),
        persons: persons.iter().map(|person| person.name.clone()).collect(),
        ups: sensors.ups()?,
        broker: uplink.broker()?,
        outbox_limit: uplink.limit(),
        reserve: station.reserve_mib * 1024 * 1024,
    })
}
