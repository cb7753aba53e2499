//! The worker process: owns libsane and one device, fills page slots, answers the parent. It has no state worth saving:
//! whenever it misbehaves the parent kills it.

use super::{
    Fault, ScanSettings,
    accept::{self, Ended},
    sane::{Library, Scanner},
    wire::{CONTROL_FD, FIRST_SLOT_FD, Reply, Request},
};
use crate::pages::Arriving;
use memmap2::{Advice, MmapMut};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    os::{
        fd::{FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

/// The knee of the curve: larger reads are slower on pipe-based backends (`sane.md`, decision 2).
const READ: usize = 64 * 1024;
/// A progress message this often.
const TELL_EVERY: u64 = 1024 * 1024;
/// Room for a page of unknown length grows by this much.
const GROW: usize = 32 * 1024 * 1024;

/// Runs until the parent closes the socket. Called by `main` before anything else is set up.
pub(crate) fn run() -> io::Result<()> {
    // A hanging backend must not outlive a station that was killed.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let control = inherited_socket();
    control.set_nonblocking(false)?;
    let mut worker = Worker { requests: BufReader::new(control.try_clone()?), replies: control, slots: Vec::new() };
    let library = match Library::load() {
        Ok(library) => library,
        Err(fault) => {
            worker.requests.read_line(&mut String::new())?;
            return worker.tell(&Reply::Failed(fault));
        }
    };
    let mut scanner: Option<Scanner<'_>> = None;
    let mut settings: Option<ScanSettings> = None;
    while let Some(request) = worker.hear()? {
        let reply = match request {
            Request::List => library.devices().map(Reply::Devices),
            Request::Open { device } => library.open(&device).map(|opened| {
                scanner = Some(opened);
                Reply::Opened
            }),
            // A cancel that came after the page's end.
            Request::Cancel => continue,
            Request::Configure(wanted) => with(scanner.as_ref()).and_then(|s| s.configure(&wanted)).map(|taken| {
                settings = Some(wanted);
                Reply::Configured(taken)
            }),
            Request::Sensors => with(scanner.as_ref()).map(|s| Reply::Sensors(s.sensors())),
            Request::Scan { slot } => match (with(scanner.as_ref()), &settings) {
                (Ok(scanner), Some(settings)) => {
                    let page = worker.scan(scanner, settings, slot);
                    if page.is_err() {
                        // Ends the batch inside the backend, so that the next start begins cleanly.
                        scanner.cancel();
                    }
                    page
                }
                (Ok(_), None) => Err(Fault::Unsupported { what: "no settings were given before the scan".into() }),
                (Err(fault), _) => Err(fault),
            },
        };
        worker.tell(&reply.unwrap_or_else(Reply::Failed))?;
    }
    Ok(())
}

fn with<'a, 'b>(scanner: Option<&'a Scanner<'b>>) -> Result<&'a Scanner<'b>, Fault> {
    scanner.ok_or_else(|| Fault::Unsupported { what: "no scanner was opened".into() })
}

#[allow(unsafe_code)] // adopts descriptors that the parent put there
fn inherited_socket() -> UnixStream {
    // SAFETY: the parent placed the control socket at this number, and nobody else in this process owns it.
    UnixStream::from(unsafe { OwnedFd::from_raw_fd(CONTROL_FD) })
}

struct Worker {
    requests: BufReader<UnixStream>,
    replies: UnixStream,
    slots: Vec<Option<Slot>>,
}

/// A piece of memory shared with the parent.
struct Slot {
    file: File,
    map: MmapMut,
}

impl Slot {
    #[allow(unsafe_code)] // adopts and maps a descriptor that the parent put there
    fn adopt(slot: usize) -> io::Result<Self> {
        let fd = FIRST_SLOT_FD + i32::try_from(slot).map_err(io::Error::other)?;
        // SAFETY: the parent placed the slots from this number on; each is adopted once and kept.
        let file = unsafe { File::from_raw_fd(fd) };
        // SAFETY: the parent reads a slot only after this process has said that the page is whole.
        let map = unsafe { MmapMut::map_mut(&file) }?;
        Ok(Self { file, map })
    }

    #[allow(unsafe_code)] // maps the grown file
    fn reserve(&mut self, len: usize) -> io::Result<()> {
        if self.map.len() < len {
            self.file.set_len(self.file.metadata()?.len().max(len as u64))?;
            // SAFETY: as in adopt.
            self.map = unsafe { MmapMut::map_mut(&self.file) }?;
            // In one call instead of a fault for every 4 KiB; kernels before 5.14 do not know it and lose only time.
            let _ = self.map.advise(Advice::PopulateWrite);
        }
        Ok(())
    }
}

impl Worker {
    fn hear(&mut self) -> io::Result<Option<Request>> {
        let mut line = String::new();
        if self.requests.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line)?))
    }

    fn tell(&mut self, reply: &Reply) -> io::Result<()> {
        let mut line = serde_json::to_vec(reply)?;
        line.push(b'\n');
        self.replies.write_all(&line)
    }

    /// Whether the parent asks for a cancel; never waits.
    fn cancel_asked(&mut self) -> bool {
        if self.requests.buffer().is_empty() {
            let quiet = self.replies.set_nonblocking(true).is_err()
                || matches!(self.requests.fill_buf(), Err(e) if e.kind() == io::ErrorKind::WouldBlock);
            let _ = self.replies.set_nonblocking(false);
            if quiet {
                return false;
            }
        }
        // Between start and end of a page the parent says nothing but cancel; a closed socket means the same.
        let _ = self.hear();
        true
    }

    fn scan(&mut self, scanner: &Scanner<'_>, settings: &ScanSettings, slot: usize) -> Result<Reply, Fault> {
        let memory = |e: io::Error| Fault::DeviceIo { what: format!("no memory for the page: {e}") };
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        let mut pages = match self.slots[slot].take() {
            Some(pages) => pages,
            None => Slot::adopt(slot).map_err(memory)?,
        };
        let page = self.fill(scanner, settings, &mut pages);
        self.slots[slot] = Some(pages);
        page
    }

    fn fill(&mut self, scanner: &Scanner<'_>, settings: &ScanSettings, slot: &mut Slot) -> Result<Reply, Fault> {
        let memory = |e: io::Error| Fault::DeviceIo { what: format!("no memory for the page: {e}") };
        let gone = |e: io::Error| Fault::Crashed { how: format!("the station does not answer: {e}") };
        if scanner.sensor(&["cover-open"]) == Some(true) {
            return Err(Fault::CoverOpen);
        }
        let announced = accept::layout(&scanner.start()?, settings.mode, settings.dpi)?;
        let total = (announced.height > 0).then_some(u64::from(announced.height) * announced.stride as u64);
        let stride = announced.stride;
        let mut arriving = Arriving::new(announced.mode, announced.width as usize, stride, announced.dpi.get());
        let reduced = arriving.bytes_of(announced.height as usize);
        slot.reserve(total.map_or(GROW, |t| t as usize + reduced.max(READ))).map_err(memory)?;
        self.tell(&Reply::Started { total }).map_err(gone)?;
        let (mut at, mut told) = (0usize, 0u64);
        loop {
            if self.cancel_asked() {
                return Err(Fault::Cancelled);
            }
            if slot.map.len() < at + READ {
                slot.reserve(at + GROW).map_err(memory)?;
            }
            match scanner.read(&mut slot.map[at..at + READ])? {
                None => break,
                // Nothing yet; the parent's watchdog counts how long.
                Some(0) => std::thread::sleep(Duration::from_millis(1)),
                Some(n) => at += n,
            }
            // While the rows are still in the processor's cache.
            arriving.rows(&slot.map[..at], at / stride);
            if at as u64 - told >= TELL_EVERY {
                told = at as u64;
                self.tell(&Reply::Progress { bytes: told }).map_err(gone)?;
            }
        }
        let ended = Ended { eof: true, cancelled: false, bytes: at as u64 };
        let layout = accept::complete(announced, ended, &slot.map[..at])?;
        let reduced = arriving.finish().data;
        slot.reserve(at + reduced.len()).map_err(memory)?;
        slot.map[at..at + reduced.len()].copy_from_slice(&reduced);
        Ok(Reply::Page { layout, bytes: at as u64, reduced: reduced.len() as u64 })
    }
}
