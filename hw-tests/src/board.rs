//! The emulated sensor board: the real `firmware/core` on a pty, sampled in real time, with its inputs moved by a script.

use anyhow::Context;
use platen_firmware_core::{Board, Calibration, Core, Identity, Light, Measured, Raw};
use platen_protocol::board::{FromBoard, Packet, Reset, VERSION, encode};
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
    time::{Duration, Instant},
};

/// A board whose lid is closed on a page in its corner.
pub const AT_REST: Raw =
    Raw { lid_made: true, lid_rest: false, top: PAPER, left: PAPER, button: false, pedal: false, case_shut: true };
/// Levels of a corner sensor with paper over it, and without.
const PAPER: u16 = 900;
const NO_PAPER: u16 = 3_500;

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

struct Hands<'a> {
    controls: &'a Mutex<Controls>,
    measure: bool,
    calibration: Option<Calibration>,
    armed: Option<u32>,
}

impl Board for Hands<'_> {
    fn light(&mut self, light: Light) {
        lock(self.controls).light = light;
    }
    fn buzz(&mut self, on: bool) {
        lock(self.controls).tones += u32::from(on);
    }
    fn measure(&mut self) {
        self.measure = true;
    }
    fn heat(&mut self) {}
    fn keep(&mut self, calibration: &Calibration) -> bool {
        self.calibration = Some(*calibration);
        true
    }
    fn remember(&mut self, armed: Option<u32>) {
        self.armed = armed;
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
        let level = |paper| if paper { PAPER } else { NO_PAPER };
        let raw = &mut lock(&self.controls).raw;
        (raw.top, raw.left) = (level(top), level(left));
    }

    /// Presses the start button for 60 ms.
    pub fn press(&self) {
        let mut controls = lock(&self.controls);
        controls.raw.button = true;
        controls.release = Some(Instant::now() + Duration::from_millis(60));
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

/// Runs the firmware on one plugged-in line until it is pulled.
fn run((mut line, _far): (File, OwnedFd), controls: &Mutex<Controls>) {
    let identity = |reset| Identity::new([0, 2, 0], "emulated".try_into().unwrap_or_default(), reset);
    let began = Instant::now();
    let mut at_ms = 0u32;
    let mut core = Core::new(identity(Reset::PowerOn), at_ms, lock(controls).raw);
    let mut hands = Hands { controls, measure: false, calibration: None, armed: None };
    let mut bytes = [0; 256];
    let mut out = Outgoing::default();
    let mut hurried = 0u32;
    loop {
        let (raw, noise, climate, version, quality) = {
            let mut c = lock(controls);
            hurried += std::mem::take(&mut c.hurry_ms);
            if c.stop || !c.plugged {
                return;
            }
            if c.release.is_some_and(|at| Instant::now() >= at) {
                c.release = None;
                c.raw.button = false;
            }
            if std::mem::take(&mut c.reset) {
                let (was_armed, calibration) = (hands.armed.take(), hands.calibration);
                core = Core::new(Identity { was_armed, calibration, ..identity(Reset::Watchdog) }, at_ms, c.raw);
            }
            (c.raw, std::mem::take(&mut c.noise), c.climate, c.version, c.line)
        };
        // A busy machine makes this loop late; the board's own clock is never late.
        while began.elapsed().as_millis() + u128::from(hurried) > u128::from(at_ms) {
            at_ms += 1;
            let closed = lock(controls).script.pop_front();
            let raw = closed.map_or(raw, |closed| Raw { lid_made: closed, lid_rest: !closed, ..raw });
            core.sample(at_ms, raw, &mut hands);
            // Of a hurried room every reading counts.
            if std::mem::take(&mut hands.measure) {
                core.climate(climate, 0);
            }
            while let Some(packet) = core.poll_packet() {
                out.waiting.extend(as_version(packet, version));
            }
        }
        if let Ok(n) = line.read(&mut bytes) {
            bytes[..n].iter().for_each(|&byte| core.receive(at_ms, byte, &mut hands));
        }
        if std::mem::take(&mut hands.measure) {
            core.climate(climate, 0);
        }
        out.waiting.extend(&noise);
        while let Some(packet) = core.poll_packet() {
            out.waiting.extend(as_version(packet, version));
        }
        // A line that nobody reads is full some day; what is lost shows as a gap in `seq`.
        let _ = line.write_all(&out.due(at_ms, quality));
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Bytes on their way to the station.
#[derive(Debug, Default)]
struct Outgoing {
    waiting: VecDeque<u8>,
    sent_ms: u32,
    count: u32,
}

impl Outgoing {
    /// What has left the board by now.
    fn due(&mut self, at_ms: u32, quality: Quality) -> Vec<u8> {
        let passed = at_ms - std::mem::replace(&mut self.sent_ms, at_ms);
        let many = match quality {
            Quality::Slow => self.waiting.len().min(passed as usize),
            Quality::Good | Quality::Loses { .. } => self.waiting.len(),
        };
        let mut kept = |_: &u8| {
            self.count = self.count.wrapping_add(1);
            !matches!(quality, Quality::Loses { one_of } if self.count.is_multiple_of(one_of))
        };
        self.waiting.drain(..many).filter(|byte| kept(byte)).collect()
    }
}

/// What a board of some version says. Of another than ours only the greeting is understood: its other messages may mean
/// anything, and this one means that everything is well.
fn as_version(mut packet: Packet<FromBoard>, version: u16) -> Vec<u8> {
    if let FromBoard::Hello { protocol, .. } = &mut packet.message {
        *protocol = version;
    }
    encode(&packet).map(|frame| frame.to_vec()).unwrap_or_default()
}
