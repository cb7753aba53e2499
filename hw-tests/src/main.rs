//! `hw-tests`: the rig from the command line.

use clap::{Parser, Subcommand};
use hw_tests::{bench, demo, process::wait_for, scanner::VirtualScanner, soak};
use std::{path::PathBuf, time::Duration};
use virtual_scanner::desk::Settings;

/// The rig around a station: virtual scanner, emulated board, demonstration, benchmark
#[derive(Debug, Parser)]
#[command(name = "hw-tests", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a virtual scanner and print, as KEY=VALUE lines, the environment in which any SANE program finds it
    Env {
        /// Folder of page images (PNG, JPEG, TIFF, PNM), taken in the order of their names
        #[arg(long)]
        pages: PathBuf,
        /// Sheets in the feeder [default: one for each image]
        #[arg(long)]
        count: Option<u32>,
        /// Pages a minute [default: as fast as memory]
        #[arg(long, value_name = "N")]
        ppm: Option<f64>,
        /// The feeder is the source set at first
        #[arg(long)]
        adf: bool,
        /// Resolution of images that do not say their own
        #[arg(long, default_value_t = 300)]
        dpi: u32,
        /// Folder to make it in [default: a new one below the system's temporary folder]
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Run an emulated sensor board on a pty until Ctrl-C; its lid is closed on a page in the corner
    Board {
        /// Path of the serial line
        path: PathBuf,
        /// Press the start button every so many seconds
        #[arg(long)]
        press_every: Option<u64>,
    },
    /// Show the whole house at work
    Demo(demo::Args),
    /// Measure against peers
    Bench(bench::Args),
    /// A shift in a short time, with everything failing at random
    Soak(soak::Args),
}

#[allow(clippy::print_stdout)] // its output is what the user asked for
fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Board { path, press_every } => {
            let board = hw_tests::board::EmulatedBoard::plug_in(&path)?;
            println!("{}", path.display());
            loop {
                let pause = Duration::from_secs(press_every.unwrap_or(3600));
                // Nothing to wait for but time: this board is played by hand.
                let _ = wait_for::<()>(pause, "the next press", || Ok(None));
                board.press();
            }
        }
        Command::Env { pages, count, ppm, adf, dpi, dir } => {
            let folder = match dir {
                Some(dir) => dir,
                None => tempfile::Builder::new().prefix("platen-scanner-").tempdir()?.keep(),
            };
            let mut settings = Settings::new(&pages, count.unwrap_or(0));
            settings.ppm = ppm.unwrap_or(0.0);
            settings.adf = adf;
            settings.dpi = dpi;
            let scanner = VirtualScanner::create(&folder, settings.clone())?;
            if count.is_none() {
                settings.count = u32::try_from(virtual_scanner::prepare(&scanner.desk)?)?;
                virtual_scanner::desk::Desk::create(
                    &scanner.desk.folder,
                    Settings { pages: std::path::absolute(&pages)?, ..settings },
                )?;
            }
            for (key, value) in scanner.environment() {
                println!("{key}={value}");
            }
            println!("PLATEN_DEVICE={}", hw_tests::scanner::DEVICE);
            println!("PLATEN_DESK={}", scanner.desk.folder.display());
            Ok(())
        }
    }
}
