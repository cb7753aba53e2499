//! The parent's side of a worker process: spawning it, talking to it with a time limit, and killing it.

use super::{
    DeviceInfo, Fault, Layout,
    wire::{CONTROL_FD, FIRST_SLOT_FD, Reply, Request},
};
use command_fds::{CommandFdExt, FdMapping};
use memmap2::Mmap;
use rustix::fs::{MemfdFlags, memfd_create};
use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as StdStream},
    process::Stdio,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

/// Opening a network scanner or warming up a lamp takes this long at most.
pub(crate) const OPEN_LIMIT: Duration = Duration::from_secs(60);

/// Memory for pages on their way from the worker. A slot that is leased is not written again before it is given back.
#[derive(Debug)]
pub(crate) struct Slots {
    files: Vec<File>,
    free: mpsc::UnboundedReceiver<FreeSlot>,
    give_back: mpsc::UnboundedSender<FreeSlot>,
}

/// A slot, and how it was mapped last: most pages are as long as the one before, and mapping them anew costs a fault for
/// every 4 KiB.
type FreeSlot = (usize, Option<Mmap>);

impl Slots {
    pub(crate) fn new(count: usize) -> io::Result<Self> {
        let (give_back, free) = mpsc::unbounded_channel();
        let mut files = Vec::new();
        for slot in 0..count {
            files.push(File::from(memfd_create(format!("platen-page-{slot}"), MemfdFlags::CLOEXEC)?));
            let _ = give_back.send((slot, None));
        }
        Ok(Self { files, free, give_back })
    }

    /// Waits for a free slot: the scanner pauses while pages are not taken off its hands.
    pub(crate) async fn lease(&mut self) -> Lease {
        let (slot, map) = self.free.recv().await.expect("the sender lives in self");
        Lease { slot, map, give_back: self.give_back.clone() }
    }
}

/// The right to a slot; given back when dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    slot: usize,
    map: Option<Mmap>,
    give_back: mpsc::UnboundedSender<FreeSlot>,
}

impl Lease {
    pub(crate) fn slot(&self) -> usize {
        self.slot
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Nobody waits any more when the station is shutting down.
        let _ = self.give_back.send((self.slot, self.map.take()));
    }
}

/// A whole page as the scanner gave it, in shared memory.
#[derive(Debug, Clone)]
pub(crate) struct RawPage {
    pub(crate) layout: Layout,
    /// Bytes of the page itself.
    len: usize,
    lease: Arc<Lease>,
}

impl RawPage {
    /// Rows of `layout.stride` bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.mapped().0
    }

    /// The page reduced, as the worker made it while the rows came; see `pages::Arriving`.
    pub(crate) fn reduced(&self) -> &[u8] {
        self.mapped().1
    }

    fn mapped(&self) -> (&[u8], &[u8]) {
        self.lease.map.as_deref().and_then(|map| map.split_at_checked(self.len)).unwrap_or_default()
    }
}

/// A running worker.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    requests: OwnedWriteHalf,
    replies: Lines<BufReader<OwnedReadHalf>>,
}

impl Worker {
    /// Starts this program again as a worker.
    pub(crate) fn spawn(slots: &Slots) -> Result<Self, Fault> {
        let crashed = |e: io::Error| Fault::Crashed { how: format!("its process cannot be started: {e}") };
        let (ours, theirs) = StdStream::pair().map_err(crashed)?;
        ours.set_nonblocking(true).map_err(crashed)?;
        let mut fds = vec![FdMapping { parent_fd: OwnedFd::from(theirs), child_fd: CONTROL_FD }];
        for (child_fd, file) in (FIRST_SLOT_FD..).zip(&slots.files) {
            fds.push(FdMapping { parent_fd: file.try_clone().map_err(crashed)?.into(), child_fd });
        }
        let mut command = Command::new(std::env::current_exe().map_err(crashed)?);
        command.arg("scan-worker").stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command.fd_mappings(fds).map_err(|e| crashed(io::Error::other(e)))?;
        let child = command.spawn().map_err(crashed)?;
        let (read, requests) = UnixStream::from_std(ours).map_err(crashed)?.into_split();
        Ok(Self { child, requests, replies: BufReader::new(read).lines() })
    }

    /// Says something and waits for the answer.
    pub(crate) async fn ask(&mut self, request: &Request, limit: Duration, doing: &str) -> Result<Reply, Fault> {
        self.tell(request).await?;
        self.hear(limit, doing).await
    }

    pub(crate) async fn tell(&mut self, request: &Request) -> Result<(), Fault> {
        let crashed = |e: io::Error| Fault::Crashed { how: e.to_string() };
        let mut line = serde_json::to_vec(request).map_err(|e| crashed(e.into()))?;
        line.push(b'\n');
        match self.requests.write_all(&line).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.death().await),
        }
    }

    /// The next thing the worker says. Silence for longer than `limit` is a fault; so is its death.
    /// A `Failed` answer is an error too.
    pub(crate) async fn hear(&mut self, limit: Duration, doing: &str) -> Result<Reply, Fault> {
        let line = match timeout(limit, self.replies.next_line()).await {
            Err(_) => return Err(Fault::Stalled { seconds: limit.as_secs(), doing: doing.into() }),
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None) | Err(_)) => return Err(self.death().await),
        };
        match serde_json::from_str(&line) {
            Ok(Reply::Failed(fault)) => Err(fault),
            Ok(reply) => Ok(reply),
            Err(e) => Err(Fault::Crashed { how: format!("it said {line:?}: {e}") }),
        }
    }

    async fn death(&mut self) -> Fault {
        let how = match timeout(Duration::from_secs(1), self.child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(e)) => e.to_string(),
            Err(_) => "it closed its line".into(),
        };
        Fault::Crashed { how }
    }

    /// Ends the process, however it feels about that, and waits until it is gone: only then may its slots be reused.
    pub(crate) async fn kill(mut self) {
        if let Err(e) = self.child.kill().await {
            tracing::warn!(error = %e, "the scanner's worker could not be ended");
        }
    }
}

/// Maps the page that the worker has finished in the leased slot.
#[allow(unsafe_code)] // maps shared memory
pub(crate) fn take_page(
    slots: &Slots,
    mut lease: Lease,
    layout: Layout,
    (bytes, reduced): (u64, u64),
) -> Result<RawPage, Fault> {
    let file = &slots.files[lease.slot];
    let len = usize::try_from(bytes).unwrap_or(usize::MAX);
    let all = bytes.saturating_add(reduced);
    if layout.height as usize * layout.stride != len || file.metadata().map_or(0, |m| m.len()) < all {
        return Err(Fault::Crashed { how: format!("it announced a page of {all} bytes that is not there") });
    }
    let all = usize::try_from(all).unwrap_or(usize::MAX);
    if lease.map.as_ref().is_none_or(|map| map.len() != all) {
        // SAFETY: the worker writes to a slot only while it scans into it, and it is asked to do that only when the lease
        // has come back, after the last look at this mapping.
        let map = unsafe { memmap2::MmapOptions::new().len(all).map(file) }
            .map_err(|e| Fault::Crashed { how: format!("its page cannot be read: {e}") })?;
        lease.map = Some(map);
    }
    Ok(RawPage { layout, len, lease: Arc::new(lease) })
}

/// Lists the scanners, in a process of its own.
pub(crate) async fn list_devices() -> Result<Vec<DeviceInfo>, Fault> {
    let slots = Slots::new(0).map_err(|e| Fault::Crashed { how: e.to_string() })?;
    let mut worker = Worker::spawn(&slots)?;
    let answer = worker.ask(&Request::List, OPEN_LIMIT, "listing the scanners").await;
    worker.kill().await;
    match answer? {
        Reply::Devices(devices) => Ok(devices),
        other => Err(Fault::Crashed { how: format!("it answered {other:?} to a listing") }),
    }
}
