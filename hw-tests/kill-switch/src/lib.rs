//! Kills the process it is loaded into (`LD_PRELOAD`) with SIGKILL at the n-th call that could leave a trace: a write, a
//! sync, a rename, a removal, a new folder, a send. `KILL_AT=n` says when; every second point of a write is torn: half of
//! the bytes are written first. Calls are counted over all threads. The station's scanner worker is spared: it keeps
//! nothing.

use preload::behind;
use std::{
    ffi::{c_char, c_int, c_uint, c_void},
    sync::{
        LazyLock,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
};

unsafe extern "C" {
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn getpid() -> c_int;
}

const SIGKILL: c_int = 9;

/// The point, or 0 for never.
static POINT: LazyLock<i64> = LazyLock::new(|| {
    let spared = std::env::args().nth(1).is_some_and(|arg| arg == "scan-worker");
    let asked = std::env::var("KILL_AT").ok().and_then(|n| n.parse().ok());
    asked.filter(|_| !spared).unwrap_or(0)
});
static SEEN: AtomicI64 = AtomicI64::new(0);

/// Whether this call is the one. `half` is called before the end at every second point.
fn reached(half: impl FnOnce()) {
    let point = *POINT;
    if point > 0 && SEEN.fetch_add(1, SeqCst) + 1 == point {
        if point % 2 == 0 {
            half();
        }
        // SAFETY: kill and getpid have no preconditions. The process ends here.
        unsafe { kill(getpid(), SIGKILL) };
        loop {
            std::hint::spin_loop();
        }
    }
}

/// A call that leaves a trace when it is made: before it is made is the point.
fn counted<T>() -> Option<T> {
    reached(|| {});
    None
}

preload::before! {
    fsync(fd: c_int) -> c_int, counted();
    fdatasync(fd: c_int) -> c_int, counted();
    rename(from: *const c_char, to: *const c_char) -> c_int, counted();
    unlink(path: *const c_char) -> c_int, counted();
    mkdir(path: *const c_char, mode: c_uint) -> c_int, counted();
    ftruncate64(fd: c_int, len: i64) -> c_int, counted();
    send(fd: c_int, data: *const c_void, len: usize, flags: c_int) -> isize, counted();
    writev(fd: c_int, parts: *const c_void, count: c_int) -> isize, counted();
}

/// # Safety
/// As `write` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, data: *const c_void, len: usize) -> isize {
    let real = behind!(c"write": fn(c_int, *const c_void, usize) -> isize);
    // Eight bytes wake a thread (eventfd) and leave no trace.
    if len != 8 {
        // SAFETY: half of what the caller promised.
        reached(|| _ = unsafe { real(fd, data, len / 2) });
    }
    // SAFETY: the caller keeps the contract.
    unsafe { real(fd, data, len) }
}

/// # Safety
/// As `pwrite64` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(fd: c_int, data: *const c_void, len: usize, at: i64) -> isize {
    let real = behind!(c"pwrite64": fn(c_int, *const c_void, usize, i64) -> isize);
    // SAFETY: half of what the caller promised.
    reached(|| _ = unsafe { real(fd, data, len / 2, at) });
    // SAFETY: the caller keeps the contract.
    unsafe { real(fd, data, len, at) }
}
