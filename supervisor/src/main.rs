//! `platen-supervisor`: live batches and rooms of every scanning station of a site.

mod asyncapi;
mod broker;
mod config;
mod home_assistant;
mod ingest;
mod memory;
mod sparkplug;
mod store;
mod verify;
mod web;
mod wiring;

use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};
use tracing_subscriber::EnvFilter;

/// Live batches and rooms of every scanning station of a site
#[derive(Debug, Parser)]
#[command(name = "platen-supervisor", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the supervisor: broker, database, dashboards
    Run {
        /// Configuration file
        #[arg(long, default_value = "/etc/platen/supervisor.toml")]
        config: PathBuf,
    },
    /// Compare a station's journal with the database, page by page
    Verify(verify::Args),
    /// Print the description of the uplink in AsyncAPI 3.0
    Asyncapi,
    /// Check a configuration file and say what is wrong with it
    CheckConfig {
        /// Configuration file
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    platen_process::start_with_small_caches();
    let filter = EnvFilter::try_from_env("PLATEN_LOG").unwrap_or_else(|_| EnvFilter::new("warn,rumqttd=error"));
    memory::stay_small();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Cli::parse().command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("platen-supervisor: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[allow(clippy::print_stdout)] // its output is what the user asked for
fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::CheckConfig { file } => {
            config::Config::load(&file)?;
            println!("{}: good", file.display());
            Ok(0)
        }
        Command::Asyncapi => {
            platen_process::end_with_the_reader();
            println!("{}", serde_json::to_string_pretty(&asyncapi::document())?);
            Ok(0)
        }
        Command::Verify(args) => {
            platen_process::end_with_the_reader();
            verify::run(&args)
        }
        Command::Run { config } => {
            let config = config::Config::load(&config)?;
            // Two workers are enough: what asks the database has threads of its own.
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            runtime.worker_threads(2).enable_all().build()?.block_on(wiring::run(config))?;
            Ok(0)
        }
    }
}
