//! A disk that fails, for the process it is loaded into (`LD_PRELOAD`) and below the folders in `BAD_DISK_FOLDERS` (divided by
//! colons). How it fails stands in the first byte of the file `BAD_DISK`, which may change at any time: `.` well, `f` full,
//! `r` read-only, `e` input and output errors, `s` a second for each sync.

use std::{
    ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void},
    fs::File,
    os::unix::{ffi::OsStrExt, fs::FileExt},
    path::Path,
    sync::LazyLock,
    time::Duration,
};

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
}

const ENOSPC: c_int = 28;
const EROFS: c_int = 30;
const EIO: c_int = 5;
/// Write only, read and write, create.
const WRITES: c_int = 0o1 | 0o2 | 0o100;

static SWITCH: LazyLock<Option<File>> = LazyLock::new(|| File::open(std::env::var_os("BAD_DISK")?).ok());
static FOLDERS: LazyLock<Vec<String>> = LazyLock::new(|| {
    std::env::var("BAD_DISK_FOLDERS")
        .unwrap_or_default()
        .split(':')
        .map(str::to_owned)
        .filter(|f| !f.is_empty())
        .collect()
});

fn mode() -> u8 {
    let mut byte = [b'.'];
    if let Some(file) = &*SWITCH {
        let _ = file.read_at(&mut byte, 0);
    }
    byte[0]
}

/// What is being done to the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// More room is needed.
    Grow,
    /// Names or sizes change.
    Change,
    Sync,
}

thread_local! {
    /// This thread looks at the switch itself.
    static BUSY: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// The error to fail with, if this deed fails now.
fn failure(deed: Deed, touches: impl FnOnce() -> bool) -> Option<c_int> {
    if BUSY.replace(true) {
        return None;
    }
    let failure = looked_up(deed, touches);
    BUSY.set(false);
    failure
}

fn looked_up(deed: Deed, touches: impl FnOnce() -> bool) -> Option<c_int> {
    let errno = match (mode(), deed) {
        (b'f', Deed::Grow) => ENOSPC,
        (b'r', Deed::Grow | Deed::Change) => EROFS,
        (b'e', _) => EIO,
        (b's', Deed::Sync) => {
            if touches() {
                std::thread::sleep(Duration::from_secs(1));
            }
            return None;
        }
        _ => return None,
    };
    touches().then_some(errno)
}

fn below(path: &Path) -> bool {
    FOLDERS.iter().any(|folder| path.starts_with(folder))
}

fn fd_below(fd: c_int) -> bool {
    std::fs::read_link(format!("/proc/self/fd/{fd}")).is_ok_and(|path| below(&path))
}

fn path_below(path: *const c_char) -> bool {
    // SAFETY: the caller of the C function promises a C string.
    let path = unsafe { CStr::from_ptr(path) };
    std::path::absolute(Path::new(OsStr::from_bytes(path.to_bytes()))).is_ok_and(|path| below(&path))
}

fn fail(errno: c_int) {
    // SAFETY: errno has a place in every thread.
    unsafe { *__errno_location() = errno };
}

/// The answer to a deed that fails now.
fn failed<T: From<i8>>(deed: Deed, touches: impl FnOnce() -> bool) -> Option<T> {
    failure(deed, touches).map(|errno| {
        fail(errno);
        T::from(-1)
    })
}

preload::before! {
    write(fd: c_int, data: *const c_void, len: usize) -> isize, failed(Deed::Grow, || fd_below(fd));
    pwrite64(fd: c_int, data: *const c_void, len: usize, at: i64) -> isize, failed(Deed::Grow, || fd_below(fd));
    writev(fd: c_int, parts: *const c_void, count: c_int) -> isize, failed(Deed::Grow, || fd_below(fd));
    ftruncate64(fd: c_int, len: i64) -> c_int, failed(Deed::Change, || fd_below(fd));
    fsync(fd: c_int) -> c_int, failed(Deed::Sync, || fd_below(fd));
    fdatasync(fd: c_int) -> c_int, failed(Deed::Sync, || fd_below(fd));
    rename(from: *const c_char, to: *const c_char) -> c_int, failed(Deed::Change, || path_below(to));
    unlink(path: *const c_char) -> c_int, failed(Deed::Change, || path_below(path));
    mkdir(path: *const c_char, mode: c_uint) -> c_int, failed(Deed::Change, || path_below(path));
    open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int, failed(Deed::Change, || flags & WRITES != 0 && path_below(path));
    open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int, failed(Deed::Change, || flags & WRITES != 0 && path_below(path));
}
