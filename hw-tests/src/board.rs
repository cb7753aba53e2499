//! The emulated sensor board on a pty, in real time, with its inputs moved by a script: the real `firmware/core` on the host,
//! or the real binary on an emulated chip.

mod chip;
mod core;

use anyhow::Context;
use platen_firmware_core::{Board, Calibration, Light, Measured, Raw};
use platen_protocol::board::VERSION;
use rustix::{
    fs::OFlags,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use std::{
    collections::VecDeque,
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

/// A board whose lid is closed on a page in its corner.
pub const AT_REST: Raw =
    Raw { lid_made: true, lid_rest: false, top: PAPER, left: PAPER, button: false, pedal: false, case_shut: true };
/// Levels of a corner sensor with paper over it, and without.
const PAPER: u16 = 900;
const NO_PAPER: u16 = 3_500;
/// A finger's shortest press.
const PRESS_MS: u32 = 60;

/// A shell around the core that cannot do anything.
#[derive(Debug)]
pub struct Nothing;

impl Board for Nothing {
    fn light(&mut self, _: Light) {}
    fn buzz(&mut self, _: bool) {}
    fn measure(&mut self) {}
    fn heat(&mut self) {}
    fn keep(&mut self, _: &Calibration) -> bool {
        false
    }
    fn remember(&mut self, _: Option<u32>) {}
}

/// The board, as a script sees it.
#[derive(Debug)]
pub struct EmulatedBoard {
    path: PathBuf,
    controls: Arc<Mutex<Controls>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Controls {
    raw: Raw,
    /// The start button is to be pressed, for [`PRESS_MS`].
    press: bool,
    climate: Measured,
    light: Light,
    /// How often the buzzer was switched on.
    tones: u32,
    plugged: bool,
    /// The link version in its greeting.
    version: u16,
    line: Quality,
    /// Whether the lid is closed, for each millisecond to come.
    script: VecDeque<bool>,
    /// Milliseconds that are to pass at once.
    hurry_ms: u32,
    /// Bytes to put on the line as they are.
    noise: Vec<u8>,
    reset: bool,
    stop: bool,
}

/// What the board is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `firmware/core` on the host: the fast double.
    Core,
    /// The firmware's binary on an emulated RP2040, in real time. Its line is always good, and its time never hurried.
    Chip,
}

impl Kind {
    fn power_on(self, controls: &Mutex<Controls>) -> anyhow::Result<Box<dyn Brain>> {
        Ok(match self {
            Self::Core => Box::new(core::CoreBrain::new(lock(controls).raw)),
            Self::Chip => Box::new(chip::ChipBrain::new()?),
        })
    }
}

/// How the line carries what the board says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// Every byte, at once.
    Good,
    /// One byte a millisecond, a twelfth of the line's speed.
    Slow,
    /// Of so many bytes one is lost.
    Loses {
        /// How many.
        one_of: u32,
    },
}

fn lock(controls: &Mutex<Controls>) -> MutexGuard<'_, Controls> {
    controls.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EmulatedBoard {
    /// Plugs a board in, whose core runs on the host; `path` becomes its serial line.
    pub fn plug_in(path: &Path) -> anyhow::Result<Self> {
        Self::plug_in_a(Kind::Core, path)
    }

    /// Plugs in a board of this kind.
    pub fn plug_in_a(kind: Kind, path: &Path) -> anyhow::Result<Self> {
        let controls = Arc::new(Mutex::new(Controls {
            raw: AT_REST,
            press: false,
            climate: Ok((21_400, 48_200)),
            light: Light::DARK,
            tones: 0,
            plugged: true,
            version: VERSION,
            line: Quality::Good,
            script: VecDeque::new(),
            hurry_ms: 0,
            noise: Vec::new(),
            reset: false,
            stop: false,
        }));
        let mut line = Line::open(path)?;
        let (shared, path) = (controls.clone(), path.to_path_buf());
        let at = path.clone();
        let thread = std::thread::Builder::new().name("emulated-board".into()).spawn(move || {
            while !lock(&shared).stop {
                if let Some(open) = line.take_if_plugged(&shared, &at) {
                    // Plugging it in gives it power.
                    let lived = kind.power_on(&shared).and_then(|mut brain| run(open, &mut *brain, &shared));
                    if let Err(error) = lived {
                        eprintln!("emulated board: {error:#}");
                    }
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        })?;
        Ok(Self { path, controls, thread: Some(thread) })
    }

    /// The serial line to give to a station.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens or closes the lid.
    pub fn lid(&self, closed: bool) {
        let raw = &mut lock(&self.controls).raw;
        (raw.lid_made, raw.lid_rest) = (closed, !closed);
    }

    /// Breaks a wire of the lid's switch, or mends it with the lid closed.
    pub fn broken_wire(&self, broken: bool) {
        let raw = &mut lock(&self.controls).raw;
        (raw.lid_made, raw.lid_rest) = (!broken, false);
    }

    /// Lays the paper into its corner or away from an edge.
    pub fn corner(&self, top: bool, left: bool) {
        let level = |paper| if paper { PAPER } else { NO_PAPER };
        let raw = &mut lock(&self.controls).raw;
        (raw.top, raw.left) = (level(top), level(left));
    }

    /// Presses the start button for a moment.
    pub fn press(&self) {
        lock(&self.controls).press = true;
    }

    /// Lets the lid's poles bounce for so long, and then be closed.
    pub fn bounce(&self, time: Duration) {
        self.script((0..time.as_millis() as u32).map(|ms| ms % 3 != 0).chain([true]));
    }

    /// Opens the lid for so long.
    pub fn open_for(&self, time: Duration) {
        self.script((0..time.as_millis()).map(|_| false).chain([true]));
    }

    /// Whether the lid is closed in each of the next milliseconds.
    fn script(&self, closed: impl IntoIterator<Item = bool>) {
        lock(&self.controls).script.extend(closed);
    }

    /// Lets the board's own time run ahead: readings of the room are due sooner.
    pub fn hurry(&self, by: Duration) {
        lock(&self.controls).hurry_ms += by.as_millis() as u32;
    }

    /// Changes the room, in thousandths of a degree and of a percent, or breaks its sensor.
    pub fn climate(&self, climate: Measured) {
        lock(&self.controls).climate = climate;
    }

    /// Pulls the cable, or plugs it in again.
    pub fn plugged(&self, plugged: bool) {
        lock(&self.controls).plugged = plugged;
    }

    /// Puts bytes on the line.
    pub fn noise(&self, bytes: &[u8]) {
        lock(&self.controls).noise.extend_from_slice(bytes);
    }

    /// Makes the line worse, or good again.
    pub fn line(&self, quality: Quality) {
        lock(&self.controls).line = quality;
    }

    /// Lets the watchdog bite: the board starts anew and forgets its latch.
    pub fn reset(&self) {
        lock(&self.controls).reset = true;
    }

    /// Changes any contact.
    pub fn contacts(&self, change: impl FnOnce(&mut Raw)) {
        change(&mut lock(&self.controls).raw);
    }

    /// From its next greeting on the board speaks another version of the link: it says so and is not understood.
    pub fn version(&self, version: u16) {
        lock(&self.controls).version = version;
    }

    /// What the operator sees.
    #[must_use]
    pub fn light(&self) -> Light {
        lock(&self.controls).light
    }

    /// How many tones the operator has heard.
    #[must_use]
    pub fn tones(&self) -> u32 {
        lock(&self.controls).tones
    }
}

impl Drop for EmulatedBoard {
    fn drop(&mut self) {
        lock(&self.controls).stop = true;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Both ends of a pty. The far end is held open, so that the near one does not hang up between two stations.
struct Line {
    near: Option<(File, OwnedFd)>,
}

impl Line {
    fn open(path: &Path) -> anyhow::Result<Self> {
        // Not for the programs that are started: a line that they held, too, would never hang up.
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).context("no pty")?;
        grantpt(&near)?;
        unlockpt(&near)?;
        let name = ptsname(&near, Vec::new())?;
        let far = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, rustix::fs::Mode::empty())?;
        let mut raw = rustix::termios::tcgetattr(&far)?;
        raw.make_raw();
        rustix::termios::tcsetattr(&far, rustix::termios::OptionalActions::Now, &raw)?;
        rustix::fs::fcntl_setfl(&near, OFlags::NONBLOCK)?;
        let _ = std::fs::remove_file(path);
        std::os::unix::fs::symlink(name.to_str()?, path)?;
        Ok(Self { near: Some((File::from(near), far)) })
    }

    fn take_if_plugged(&mut self, controls: &Mutex<Controls>, path: &Path) -> Option<(File, OwnedFd)> {
        if !lock(controls).plugged {
            return None;
        }
        if self.near.is_none() {
            *self = Self::open(path).ok()?;
        }
        self.near.take()
    }
}

/// What makes a board of contacts and a line.
trait Brain {
    /// Time goes on: takes what the test wants and what the station has sent, gives what the board sends.
    fn turn(&mut self, controls: &Mutex<Controls>, from_station: &[u8]) -> anyhow::Result<Vec<u8>>;
}

/// Runs a board on one plugged-in line until it is pulled.
fn run((mut line, _far): (File, OwnedFd), brain: &mut dyn Brain, controls: &Mutex<Controls>) -> anyhow::Result<()> {
    let mut bytes = [0; 256];
    loop {
        {
            let controls = lock(controls);
            if controls.stop || !controls.plugged {
                return Ok(());
            }
        }
        let come = line.read(&mut bytes).unwrap_or(0);
        // A line that nobody reads is full some day; what is lost shows as a gap in `seq`.
        let _ = line.write_all(&brain.turn(controls, &bytes[..come])?);
        std::thread::sleep(Duration::from_micros(500));
    }
}
