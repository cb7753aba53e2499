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
    let filter = EnvFilter::try_from_env("PLATEN_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    keep_memory();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match cli::run(cli::Cli::parse()) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("platen-station: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Page after page needs the same memory. glibc would give it back to the kernel each time and get it again zeroed, a
/// fault for every 4 KiB: 3 % of a page's processor time. Few arenas, because each keeps what its threads once needed, and which
/// thread makes a page is chance: over hours every one would have held the largest page.
#[allow(unsafe_code)] // sets the allocator up
fn keep_memory() {
    /// The most that glibc allows.
    #[cfg(target_env = "gnu")]
    const KEPT: libc::c_int = 32 << 20;
    // SAFETY: no other thread runs yet.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}
