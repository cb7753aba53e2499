//! The sensor board's own binary (`firmware/app`) on an emulated RP2040: `emulator/`, run by Node.

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The ELF file that `make firmware` has built.
pub fn firmware() -> anyhow::Result<PathBuf> {
    let elf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware/app/target/thumbv6m-none-eabi/release/platen-board");
    if !elf.is_file() {
        bail!("{} is not there: run `make firmware`", elf.display());
    }
    Ok(elf)
}

/// Node with one of the emulator's programs and the firmware.
pub(crate) fn command(program: &str) -> anyhow::Result<Command> {
    let emulator = Path::new(env!("CARGO_MANIFEST_DIR")).join("emulator");
    if !emulator.join("node_modules/rp2040js").is_dir() {
        bail!("the emulator is not installed: run `make emulator`");
    }
    let mut command = Command::new("node");
    command.arg(emulator.join(program)).arg(firmware()?);
    Ok(command)
}

/// One step of a script, at a simulated time.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Milliseconds since power came; parts of one too.
    pub at_ms: f64,
    /// What is done, see `emulator/board.mjs`.
    #[serde(flatten)]
    pub action: Value,
}

impl Step {
    /// Moves the lid's two poles: normally open, normally closed.
    #[must_use]
    pub fn lid(at_ms: f64, (made, rest): (bool, bool)) -> Self {
        Self { at_ms, action: json!({ "contacts": { "lid_made": made, "lid_rest": rest } }) }
    }

    /// Sends bytes to the board over USB.
    #[must_use]
    pub fn usb(at_ms: f64, bytes: &[u8]) -> Self {
        Self { at_ms, action: json!({ "usb": bytes }) }
    }

    /// Sends bytes to the board over the UART.
    #[must_use]
    pub fn bytes(at_ms: f64, bytes: &[u8]) -> Self {
        Self { at_ms, action: json!({ "bytes": bytes }) }
    }
}

/// What a script has brought forth.
#[derive(Debug, Deserialize)]
pub struct Played {
    /// When each byte had left the board, in milliseconds, and the byte.
    pub bytes: Vec<(f64, u8)>,
    /// The same of USB.
    pub usb: Vec<(f64, u8)>,
    /// How often the chip was reset.
    pub resets: u32,
    /// Share of the time that the processor did not sleep.
    pub awake: f64,
    /// Bytes that the board could not take in time.
    pub overruns: u32,
}

/// Plays a script in simulated time, as fast as it goes.
pub fn play(steps: &[Step], until_ms: f64) -> anyhow::Result<Played> {
    run(&json!({ "until_ms": until_ms, "usb": false, "actions": steps }))
}

/// The same with a USB host plugged in.
pub fn play_on_usb(steps: &[Step], until_ms: f64) -> anyhow::Result<Played> {
    run(&json!({ "until_ms": until_ms, "usb": true, "actions": steps }))
}

fn run(script: &Value) -> anyhow::Result<Played> {
    let mut child = command("play.mjs")?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("node")?;
    child.stdin.take().context("the emulator has no input")?.write_all(script.to_string().as_bytes())?;
    let said = child.wait_with_output()?;
    if !said.status.success() {
        bail!("the emulator: {}", said.status);
    }
    Ok(serde_json::from_slice(&said.stdout)?)
}
