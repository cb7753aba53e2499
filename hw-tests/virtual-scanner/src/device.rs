//! One open scanner: options, sensors, and the page under way.

use crate::{
    desk::{Act, Desk, Fault, Moment},
    options::{self, A4, GLASS, MODES, RESOLUTIONS, SOURCES, Table, index},
    page::Page,
    scan::Scan,
};
use sane_sys::{OptionDescriptor, Parameters, Status, frame, option, status};
use std::{
    ffi::{CStr, c_int, c_void},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::{Duration, Instant},
};

/// How often the sensors of the desk are looked at while a page is read.
const SENSE_EVERY: Duration = Duration::from_millis(5);

pub(crate) struct Scanner {
    desk: Desk,
    table: Table,
    source: usize,
    mode: usize,
    resolution: c_int,
    page_size: [c_int; 2],
    area: [c_int; 4],
    scan: Option<Scan>,
    /// Frames of a three-pass page that still have to be started.
    frames_left: u32,
}

impl Scanner {
    pub(crate) fn new(desk: Desk) -> Self {
        let source = usize::from(desk.settings.adf);
        Self {
            desk,
            table: options::table(),
            source,
            mode: 2,
            resolution: 300,
            page_size: [A4[0], A4[1]],
            area: [0, 0, A4[0], A4[1]],
            scan: None,
            frames_left: 0,
        }
    }

    pub(crate) fn descriptor(&self, n: usize) -> Option<&OptionDescriptor> {
        self.table.0.get(n)
    }

    pub(crate) fn is_scanning(&self) -> bool {
        self.scan.is_some()
    }

    pub(crate) fn end(&mut self) {
        self.scan = None;
        self.frames_left = 0;
    }

    fn uses_feeder(&self) -> bool {
        self.source != 0
    }

    /// # Safety
    /// `value` has the size that the descriptor of option `n` tells.
    pub(crate) unsafe fn control(&mut self, n: usize, action: c_int, value: *mut c_void) -> Result<c_int, Status> {
        if self.desk.flag("unplugged") {
            return Err(status::IO_ERROR);
        }
        let word = value.cast::<c_int>();
        match action {
            option::GET if n == index::SOURCE || n == index::MODE => {
                let text = if n == index::SOURCE { SOURCES[self.source] } else { MODES[self.mode] }.to_bytes_with_nul();
                // SAFETY: the descriptor says 16 bytes; every text is shorter.
                unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), value.cast(), text.len()) };
                Ok(0)
            }
            option::GET => {
                let got = self.get(n).ok_or(status::INVAL)?;
                // SAFETY: every other option is one word.
                unsafe { *word = got };
                Ok(0)
            }
            option::SET if self.scan.is_some() => Err(status::DEVICE_BUSY),
            option::SET if n == index::SOURCE || n == index::MODE => {
                // SAFETY: the standard says that it is a C string.
                let text = unsafe { CStr::from_ptr(value.cast()) };
                let list: &[&CStr] = if n == index::SOURCE { &SOURCES } else { &MODES };
                let chosen = list.iter().position(|&s| s == text).ok_or(status::INVAL)?;
                if n == index::SOURCE {
                    self.source = chosen;
                    return Ok(option::INFO_RELOAD_PARAMS | option::INFO_RELOAD_OPTIONS);
                }
                self.mode = chosen;
                Ok(option::INFO_RELOAD_PARAMS)
            }
            option::SET => {
                // SAFETY: every other option is one word.
                let asked = unsafe { *word };
                let taken = self.set(n, asked).ok_or(status::INVAL)?;
                // SAFETY: as above.
                unsafe { *word = taken };
                Ok(option::INFO_RELOAD_PARAMS | if taken == asked { 0 } else { option::INFO_INEXACT })
            }
            _ => Err(status::UNSUPPORTED),
        }
    }

    fn get(&self, n: usize) -> Option<c_int> {
        Some(match n {
            index::COUNT => c_int::try_from(self.table.0.len()).ok()?,
            index::RESOLUTION => self.resolution,
            index::PAGE_WIDTH | index::PAGE_HEIGHT => self.page_size[n - index::PAGE_WIDTH],
            index::TL_X..=index::BR_Y => self.area[n - index::TL_X],
            index::SCAN => {
                // Latched by the hardware; reading it clears it.
                let pressed = self.desk.flag("scan-button");
                self.desk.set_flag("scan-button", false).ok()?;
                c_int::from(pressed)
            }
            index::PAGE_LOADED => c_int::from(self.desk.position() < self.desk.settings.count),
            index::COVER_OPEN => c_int::from(self.desk.flag("cover-open")),
            index::DOUBLE_FEED => c_int::from(self.desk.flag("double-feed")),
            _ => return None,
        })
    }

    fn set(&mut self, n: usize, asked: c_int) -> Option<c_int> {
        match n {
            index::RESOLUTION => {
                self.resolution = *RESOLUTIONS.iter().min_by_key(|&&r| r.abs_diff(asked))?;
                Some(self.resolution)
            }
            index::PAGE_WIDTH | index::PAGE_HEIGHT => {
                let i = n - index::PAGE_WIDTH;
                self.page_size[i] = asked.clamp(0, GLASS[i]);
                Some(self.page_size[i])
            }
            index::TL_X..=index::BR_Y => {
                let i = n - index::TL_X;
                // As in a fujitsu, a feeder's area ends where the page ends.
                let max = if self.uses_feeder() { self.page_size[i % 2] } else { GLASS[i % 2] };
                self.area[i] = asked.clamp(0, max);
                Some(self.area[i])
            }
            _ => None,
        }
    }

    pub(crate) fn parameters(&self) -> Parameters {
        if let Some(scan) = &self.scan {
            return scan.parameters;
        }
        let pixels = |from: usize| {
            let mm = sane_sys::unfix(self.area[from + 2] - self.area[from]);
            ((mm / 25.4 * f64::from(self.resolution)).floor() as c_int).max(1)
        };
        let settings = &self.desk.settings;
        let three_pass = settings.three_pass && self.mode == 2;
        let width = pixels(0);
        let packed = match self.mode {
            0 => (width + 7) / 8,
            1 => width,
            _ if three_pass => width,
            _ => 3 * width,
        };
        Parameters {
            // RED, GREEN, BLUE are 2, 3, 4; a page of three passes begins with red.
            format: match (self.mode, three_pass) {
                (2, true) => 2 + (3 - c_int::try_from(self.frames_left.clamp(1, 3)).unwrap_or(3)),
                (2, false) => frame::RGB,
                _ => frame::GRAY,
            },
            last_frame: c_int::from(!three_pass || self.frames_left == 1),
            bytes_per_line: packed + c_int::try_from(settings.padding).unwrap_or(0),
            pixels_per_line: width,
            lines: if settings.unknown_lines { -1 } else { pixels(1) },
            depth: if self.mode == 0 { 1 } else { 8 },
        }
    }

    pub(crate) fn start(&mut self, cancelled: &AtomicBool) -> Status {
        if self.scan.as_ref().is_some_and(|s| !s.ended) {
            return status::DEVICE_BUSY;
        }
        self.scan = None;
        self.desk.note_start();
        if let Some(bad) = self.sense() {
            return bad;
        }
        let position = self.desk.position();
        let image = match (self.uses_feeder(), self.desk.glass()) {
            (true, _) if self.frames_left == 0 && position >= self.desk.settings.count => {
                return status::NO_DOCS;
            }
            (false, Some(laid)) => laid,
            _ => position,
        };
        let fault = match self.desk.faults(image + 1) {
            Ok(faults) => faults.first().copied(),
            Err(e) => {
                eprintln!("virtual scanner: {e}");
                return status::INVAL;
            }
        };
        if let Some((line, Fault { moment: Moment::Start, act, .. })) = fault {
            self.desk.happened(line);
            return self.act(act, cancelled);
        }
        let page = match Page::open(&self.desk, image) {
            Ok(page) => page,
            Err(e) => {
                eprintln!("virtual scanner: {e}");
                return status::IO_ERROR;
            }
        };
        if self.desk.settings.three_pass && self.mode == 2 && self.frames_left == 0 {
            self.frames_left = 3;
        }
        let parameters = self.parameters();
        self.frames_left = self.frames_left.saturating_sub(1);
        let takes_next = self.uses_feeder() || self.desk.glass().is_none();
        if takes_next && self.frames_left == 0 && self.desk.set_position(position + 1).is_err() {
            return status::IO_ERROR;
        }
        let mm = sane_sys::unfix(self.area[3] - self.area[1]);
        let lines = (mm / 25.4 * f64::from(self.resolution)).floor() as usize;
        let bytes_per_line = parameters.bytes_per_line as usize;
        let now = Instant::now();
        self.scan = Some(Scan {
            page,
            parameters,
            at: 0,
            total: lines.max(1) * bytes_per_line,
            began: now,
            sensed: now,
            resolution: self.resolution,
            fault,
            flat: false,
            row: vec![0; bytes_per_line],
            row_number: None,
            ended: false,
        });
        status::GOOD
    }

    /// What the desk's sensors say against going on.
    fn sense(&self) -> Option<Status> {
        [("unplugged", status::IO_ERROR), ("cover-open", status::COVER_OPEN), ("jammed", status::JAMMED)]
            .into_iter()
            .find(|(flag, _)| self.desk.flag(flag))
            .map(|(_, status)| status)
    }

    fn act(&self, act: Act, cancelled: &AtomicBool) -> Status {
        let set = |flag| self.desk.set_flag(flag, true).is_ok();
        match act {
            Act::Jam => status::JAMMED,
            Act::StickyJam if set("jammed") => status::JAMMED,
            Act::DoubleFeed if set("double-feed") => status::JAMMED,
            Act::Cover => status::COVER_OPEN,
            Act::Unplug if set("unplugged") => status::IO_ERROR,
            Act::Eof => status::EOF,
            Act::NoDocs => status::NO_DOCS,
            Act::Status(n) => n,
            Act::Abort => std::process::abort(),
            Act::Segv => {
                // SAFETY: none; the point is to crash as a bad vendor backend does.
                unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) };
                status::IO_ERROR
            }
            Act::Hang => loop {
                std::thread::sleep(Duration::from_secs(1));
                let _ignored = cancelled.load(SeqCst);
            },
            _ => status::IO_ERROR,
        }
    }

    /// Gives bytes; `None` as the length leaves the caller's as it was.
    pub(crate) fn read(&mut self, out: &mut [u8], cancelled: &AtomicBool) -> (Status, Option<c_int>) {
        loop {
            if cancelled.load(SeqCst) {
                self.end();
                return (status::CANCELLED, Some(0));
            }
            let Some(scan) = &mut self.scan else {
                return (status::INVAL, Some(0));
            };
            if scan.ended || scan.at >= scan.total {
                scan.ended = true;
                return (status::EOF, Some(0));
            }
            if scan.sensed.elapsed() > SENSE_EVERY {
                scan.sensed = Instant::now();
                if let Some(bad) = self.sense() {
                    self.end();
                    return (bad, Some(0));
                }
            }
            let Some(scan) = &mut self.scan else {
                return (status::INVAL, Some(0));
            };
            let fault_at = match scan.fault {
                Some((_, Fault { moment: Moment::Line(line), .. })) => line as usize * scan.row.len(),
                Some(_) | None => usize::MAX,
            };
            if scan.at >= fault_at
                && let Some((line, fault)) = scan.fault.take()
            {
                match fault.act {
                    Act::Zero | Act::Negative => {
                        self.desk.happened(line);
                        scan.fault = Some((line, fault));
                        return (status::GOOD, Some(if fault.act == Act::Zero { 0 } else { -1 }));
                    }
                    Act::Stale => {
                        self.desk.happened(line);
                        return (status::GOOD, None);
                    }
                    Act::FlatTail => {
                        self.desk.happened(line);
                        scan.flat = true;
                        continue;
                    }
                    act => {
                        self.desk.happened(line);
                        let status = self.act(act, cancelled);
                        self.end_with(status);
                        return (status, Some(0));
                    }
                }
            }
            let n = scan.ready(&self.desk, out.len()).min(fault_at - scan.at);
            if n == 0 {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            return match scan.fill(&mut out[..n], sane_sys::unfix(self.area[0]), sane_sys::unfix(self.area[1])) {
                Ok(()) => (status::GOOD, Some(n as c_int)),
                Err(_) => (status::IO_ERROR, Some(0)),
            };
        }
    }

    fn end_with(&mut self, status: Status) {
        match &mut self.scan {
            Some(scan) if status == status::EOF => scan.ended = true,
            _ => self.end(),
        }
    }
}
