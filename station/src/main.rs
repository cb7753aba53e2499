//! `platen-station`: controller and edge agent of one scanning workstation. The walk of a page through this code is told
//! in docs/ARCHITECTURE.md.

mod agent;
mod batch;
mod board_tool;
mod cli;
mod config;
mod console;
mod disk;
mod doctor;
mod durable;
mod journal_tool;
mod keep;
mod memory;
mod moment;
mod outbox;
mod page_file;
mod pages;
mod persons;
mod profile;
mod scan;
mod scanner;
mod sensors;
mod view;
mod wiring;
mod words;

use clap::Parser;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Name and version, as written into every file.
pub(crate) const SOFTWARE: &str = concat!("Platen ", env!("CARGO_PKG_VERSION"));

fn main() -> ExitCode {
    platen_process::start_with_small_caches();
    let filter = EnvFilter::try_from_env("PLATEN_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    memory::keep();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match cli::run(cli::Cli::parse()) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("platen-station: {error:#}");
            ExitCode::from(2)
        }
    }
}
