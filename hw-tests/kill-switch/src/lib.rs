//! Kills the process it is loaded into (`LD_PRELOAD`) with SIGKILL at the n-th call that could leave a trace: a write, a
//! sync, a rename, a removal, a new folder, a send. `KILL_AT=n` says when; every second point of a write is torn: half of
//! the bytes are written first. Calls are counted over all threads. The station's scanner worker is spared: it keeps
//! nothing.

use std::{
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    sync::{
        LazyLock,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
};

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn getpid() -> c_int;
}

const NEXT: *mut c_void = -1isize as *mut c_void;
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

fn real(name: &CStr) -> *mut c_void {
    // SAFETY: a C string and the pseudo-handle that means "the next one".
    unsafe { dlsym(NEXT, name.as_ptr()) }
}

macro_rules! watched {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => { $(
        /// # Safety
        /// As the function of the C library of the same name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $ty),*) -> $ret {
            const NAME: &CStr = match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!(),
            };
            reached(|| {});
            // SAFETY: the symbol has this type, and the caller keeps its contract.
            unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($ty),*) -> $ret>(real(NAME))($($arg),*) }
        }
    )* };
}

watched! {
    fsync(fd: c_int) -> c_int;
    fdatasync(fd: c_int) -> c_int;
    rename(from: *const c_char, to: *const c_char) -> c_int;
    unlink(path: *const c_char) -> c_int;
    mkdir(path: *const c_char, mode: c_uint) -> c_int;
    ftruncate64(fd: c_int, len: i64) -> c_int;
    send(fd: c_int, data: *const c_void, len: usize, flags: c_int) -> isize;
    writev(fd: c_int, parts: *const c_void, count: c_int) -> isize;
}

/// # Safety
/// As `write` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, data: *const c_void, len: usize) -> isize {
    type Write = unsafe extern "C" fn(c_int, *const c_void, usize) -> isize;
    // SAFETY: the symbol has this type.
    let real = unsafe { std::mem::transmute::<*mut c_void, Write>(real(c"write")) };
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
    type Write = unsafe extern "C" fn(c_int, *const c_void, usize, i64) -> isize;
    // SAFETY: the symbol has this type.
    let real = unsafe { std::mem::transmute::<*mut c_void, Write>(real(c"pwrite64")) };
    // SAFETY: half of what the caller promised.
    reached(|| _ = unsafe { real(fd, data, len / 2, at) });
    // SAFETY: the caller keeps the contract.
    unsafe { real(fd, data, len, at) }
}
