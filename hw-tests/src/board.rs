//! The emulated sensor board: the real `firmware/core` on a pty, sampled in real time, with its inputs moved by a script.

use anyhow::Context;
use platen_firmware_core::{Board, Core, Identity, Raw};
use platen_protocol::board::{ClimateFault, Lamp, Reset};
use rustix::{
    fs::OFlags,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// A board whose lid is closed on a page in its corner.
const AT_REST: Raw = Raw { lid_made: true, lid_rest: false, top: true, left: true, button: false };

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
    /// The button is let go at this time.
    release: Option<Instant>,
    climate: Result<(i32, u32), ClimateFault>,
    lamp: Lamp,
    plugged: bool,
    /// Bytes to put on the line as they are.
    noise: Vec<u8>,
    reset: bool,
    stop: bool,
}

struct Hands<'a> {
    controls: &'a Mutex<Controls>,
    measure: bool,
}

impl Board for Hands<'_> {
    fn lamp(&mut self, lamp: Lamp) {
        lock(self.controls).lamp = lamp;
    }
    fn measure(&mut self) {
        self.measure = true;
    }
}

fn lock(controls: &Mutex<Controls>) -> MutexGuard<'_, Controls> {
    controls.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EmulatedBoard {
    /// Plugs a board in; `path` becomes its serial line.
    pub fn plug_in(path: &Path) -> anyhow::Result<Self> {
        let controls = Arc::new(Mutex::new(Controls {
            raw: AT_REST,
            release: None,
            climate: Ok((21_400, 48_200)),
            lamp: Lamp::Off,
            plugged: true,
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
                    run(open, &shared);
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
        let raw = &mut lock(&self.controls).raw;
        (raw.top, raw.left) = (top, left);
    }

    /// Presses the start button for 60 ms.
    pub fn press(&self) {
        let mut controls = lock(&self.controls);
        controls.raw.button = true;
        controls.release = Some(Instant::now() + Duration::from_millis(60));
    }

    /// Changes the room, in thousandths of a degree and of a percent, or breaks its sensor.
    pub fn climate(&self, climate: Result<(i32, u32), ClimateFault>) {
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

    /// Lets the watchdog bite: the board starts anew and forgets its latch.
    pub fn reset(&self) {
        lock(&self.controls).reset = true;
    }

    /// What the operator sees.
    #[must_use]
    pub fn lamp(&self) -> Lamp {
        lock(&self.controls).lamp
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

/// Runs the firmware on one plugged-in line until it is pulled.
fn run((mut line, _far): (File, OwnedFd), controls: &Mutex<Controls>) {
    let identity = |reset| Identity { firmware: [0, 1, 0], serial: "emulated".try_into().unwrap_or_default(), reset };
    let began = Instant::now();
    let mut at_ms = 0u32;
    let mut core = Core::new(identity(Reset::PowerOn), at_ms, lock(controls).raw);
    let mut hands = Hands { controls, measure: false };
    let mut bytes = [0; 256];
    loop {
        let (raw, noise, climate) = {
            let mut c = lock(controls);
            if c.stop || !c.plugged {
                return;
            }
            if c.release.is_some_and(|at| Instant::now() >= at) {
                c.release = None;
                c.raw.button = false;
            }
            if std::mem::take(&mut c.reset) {
                core = Core::new(identity(Reset::Watchdog), at_ms, c.raw);
            }
            (c.raw, std::mem::take(&mut c.noise), c.climate)
        };
        // A busy machine makes this loop late; the board's own clock is never late.
        while began.elapsed().as_millis() > u128::from(at_ms) {
            at_ms += 1;
            core.sample(at_ms, raw, &mut hands);
        }
        if let Ok(n) = line.read(&mut bytes) {
            bytes[..n].iter().for_each(|&byte| core.receive(at_ms, byte, &mut hands));
        }
        if std::mem::take(&mut hands.measure) {
            core.climate(climate, 0);
        }
        let _ = line.write_all(&noise);
        while let Some(frame) = core.poll() {
            // A line that nobody reads is full some day; what is lost shows as a gap in `seq`.
            let _ = line.write_all(&frame);
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}
