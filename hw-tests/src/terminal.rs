//! `platen-station scan` as a person runs it in a terminal.

use crate::{
    process::artifact,
    scanner::{DEVICE, VirtualScanner},
};
use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

/// What a finished run said.
#[derive(Debug)]
pub struct Said {
    /// Exit status; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output: the summary.
    pub out: String,
    /// Standard error: what happened on the way.
    pub err: String,
}

/// Runs `platen-station` with the scanner's environment and these arguments.
pub fn station(scanner: &VirtualScanner, args: &[&str]) -> anyhow::Result<Said> {
    run(scanner.command(artifact("platen-station")?).args(args))
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> anyhow::Result<Said> {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Said { code: status.code(), out: text(stdout), err: text(stderr) })
}

/// The arguments of a run that scans `pages` numbered pages (see [`crate::pages::numbered`]) from the feeder.
#[must_use]
pub fn feeder(pages: u32, out: &Path) -> Vec<String> {
    let pages = pages.to_string();
    let fixed =
        ["scan", "--device", DEVICE, "--source", "adf", "--mode", "grey", "--dpi", "200", "--area", "96x71", "--pages"];
    let mut args: Vec<String> = fixed.map(String::from).to_vec();
    args.extend([pages, "--out".into(), out.display().to_string()]);
    args
}
