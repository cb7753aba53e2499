//! Writes down, for the process it is loaded into (`LD_PRELOAD`), every change that it makes below the folders in
//! `RECORD_FOLDERS` (divided by colons), and what it says to its user and to sockets, in the order in which it
//! happens. The record goes to the file `RECORD`: entries of a kind (one byte), an inode, an offset, and two texts with their
//! lengths; all numbers are of 64 bits, little-endian.
//!
//! | kind | inode | offset | first text | second text |
//! | --- | --- | --- | --- | --- |
//! | `o` a file is made, or emptied | its own | | path | |
//! | `w` written | its own | where | bytes | |
//! | `t` made so long | its own | length | | |
//! | `s` synced | its own | | path | |
//! | `r` renamed | its own | | from | to |
//! | `u` removed | its own | | path | |
//! | `m` a folder is made | its own | | path | |
//! | `1` said on standard output or error | | | bytes | |
//! | `n` said on a socket | | | bytes | |
//!
//! Calls are made one at a time, so that the record has the order of the disk. A scanner's worker is not recorded.

use preload::behind;
use std::{
    ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void},
    fs::File,
    io::Write as _,
    os::{
        fd::{FromRawFd, IntoRawFd},
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

unsafe extern "C" {
    fn lseek64(fd: c_int, offset: i64, whence: c_int) -> i64;
}

const CREATE: c_int = 0o100;
const TRUNCATE: c_int = 0o1000;
const SEEK_CUR: c_int = 1;

static RECORD: LazyLock<Option<Mutex<File>>> = LazyLock::new(|| {
    let worker = std::env::args().nth(1).is_some_and(|arg| arg == "scan-worker");
    let file = std::env::var_os("RECORD").filter(|_| !worker)?;
    Some(Mutex::new(File::options().append(true).create(true).open(file).ok()?))
});
static FOLDERS: LazyLock<Vec<String>> = LazyLock::new(|| {
    std::env::var("RECORD_FOLDERS")
        .unwrap_or_default()
        .split(':')
        .map(str::to_owned)
        .filter(|f| !f.is_empty())
        .collect()
});

/// The record, held for as long as a call is made and written down.
struct Held<'a>(MutexGuard<'a, File>);

impl Held<'_> {
    fn enter(&mut self, kind: u8, inode: u64, at: u64, first: &[u8], second: &[u8]) {
        let mut entry = vec![kind];
        for n in [inode, at, first.len() as u64, second.len() as u64] {
            entry.extend(n.to_le_bytes());
        }
        entry.extend_from_slice(first);
        entry.extend_from_slice(second);
        // By the C library's own write: this one's would record itself.
        let _ = self.0.write_all(&entry);
    }
}

thread_local! {
    /// This thread writes the record itself.
    static BUSY: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Makes a call and writes it down, if it is to be recorded.
fn recorded<R>(wanted: impl FnOnce() -> bool, call: impl FnOnce() -> R, enter: impl FnOnce(&mut Held<'_>, &R)) -> R {
    if BUSY.get() {
        return call();
    }
    BUSY.set(true);
    let done = match &*RECORD {
        Some(record) if wanted() => {
            let mut held = Held(record.lock().unwrap_or_else(PoisonError::into_inner));
            let done = call();
            enter(&mut held, &done);
            done
        }
        _ => call(),
    };
    BUSY.set(false);
    done
}

fn below(path: &Path) -> bool {
    FOLDERS.iter().any(|folder| path.starts_with(folder))
}

fn path_of(fd: c_int) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()
}

fn fd_below(fd: c_int) -> bool {
    path_of(fd).is_some_and(|path| below(&path))
}

fn is_socket(fd: c_int) -> bool {
    path_of(fd).is_some_and(|path| path.as_os_str().as_bytes().starts_with(b"socket:"))
}

fn absolute(path: *const c_char) -> PathBuf {
    // SAFETY: the caller of the C function promises a C string.
    let path = unsafe { CStr::from_ptr(path) };
    std::path::absolute(Path::new(OsStr::from_bytes(path.to_bytes()))).unwrap_or_default()
}

fn inode(fd: c_int) -> u64 {
    // SAFETY: the descriptor is open, and is given back without being closed.
    let file = unsafe { File::from_raw_fd(fd) };
    let inode = file.metadata().map_or(0, |m| m.ino());
    let _ = file.into_raw_fd();
    inode
}

fn inode_of(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).map_or(0, |m| m.ino())
}

fn bytes<'a>(data: *const c_void, len: isize) -> &'a [u8] {
    // SAFETY: the C library has just read so much from there.
    unsafe { std::slice::from_raw_parts(data.cast(), usize::try_from(len).unwrap_or(0)) }
}

fn text(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// # Safety
/// As `write` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, data: *const c_void, len: usize) -> isize {
    let call = behind!(c"write": fn(c_int, *const c_void, usize) -> isize);
    let wanted = || fd == 1 || fd == 2 || fd_below(fd);
    // SAFETY: the caller keeps the contract.
    recorded(
        wanted,
        || unsafe { call(fd, data, len) },
        |record, &done| {
            if fd == 1 || fd == 2 {
                record.enter(b'1', 0, 0, bytes(data, done), &[]);
            } else if done > 0 {
                // SAFETY: a call without preconditions. A file opened for appending is written at its end.
                let end = unsafe { lseek64(fd, 0, SEEK_CUR) };
                record.enter(b'w', inode(fd), (end - done as i64) as u64, bytes(data, done), &[]);
            }
        },
    )
}

/// # Safety
/// As `pwrite64` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(fd: c_int, data: *const c_void, len: usize, at: i64) -> isize {
    let call = behind!(c"pwrite64": fn(c_int, *const c_void, usize, i64) -> isize);
    // SAFETY: the caller keeps the contract.
    recorded(
        || fd_below(fd),
        || unsafe { call(fd, data, len, at) },
        |record, &done| {
            record.enter(b'w', inode(fd), at as u64, bytes(data, done), &[]);
        },
    )
}

/// # Safety
/// As `send` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn send(fd: c_int, data: *const c_void, len: usize, flags: c_int) -> isize {
    let call = behind!(c"send": fn(c_int, *const c_void, usize, c_int) -> isize);
    // SAFETY: the caller keeps the contract.
    recorded(
        || is_socket(fd),
        || unsafe { call(fd, data, len, flags) },
        |record, &done| {
            record.enter(b'n', 0, 0, bytes(data, done), &[]);
        },
    )
}

/// As the C library knows it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Part {
    data: *const c_void,
    len: usize,
}

/// # Safety
/// As `writev` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, parts: *const Part, count: c_int) -> isize {
    let call = behind!(c"writev": fn(c_int, *const Part, c_int) -> isize);
    // SAFETY: the caller keeps the contract.
    recorded(
        || is_socket(fd),
        || unsafe { call(fd, parts, count) },
        |record, &done| {
            // SAFETY: the C library has just read the parts.
            let parts = unsafe { std::slice::from_raw_parts(parts, usize::try_from(count).unwrap_or(0)) };
            let mut all: Vec<u8> = parts.iter().flat_map(|part| bytes(part.data, part.len as isize)).copied().collect();
            all.truncate(usize::try_from(done).unwrap_or(0));
            record.enter(b'n', 0, 0, &all, &[]);
        },
    )
}

/// # Safety
/// As `ftruncate64` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(fd: c_int, len: i64) -> c_int {
    let call = behind!(c"ftruncate64": fn(c_int, i64) -> c_int);
    // SAFETY: the caller keeps the contract.
    recorded(
        || fd_below(fd),
        || unsafe { call(fd, len) },
        |record, _| record.enter(b't', inode(fd), len as u64, &[], &[]),
    )
}

fn sync(fd: c_int, call: impl FnOnce() -> c_int) -> c_int {
    recorded(
        || fd_below(fd),
        call,
        |record, &done| {
            if done == 0 {
                record.enter(b's', inode(fd), 0, text(&path_of(fd).unwrap_or_default()), &[]);
            }
        },
    )
}

/// # Safety
/// As `fsync` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    let call = behind!(c"fsync": fn(c_int) -> c_int);
    // SAFETY: the caller keeps the contract.
    sync(fd, || unsafe { call(fd) })
}

/// # Safety
/// As `fdatasync` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    let call = behind!(c"fdatasync": fn(c_int) -> c_int);
    // SAFETY: the caller keeps the contract.
    sync(fd, || unsafe { call(fd) })
}

/// # Safety
/// As `rename` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let call = behind!(c"rename": fn(*const c_char, *const c_char) -> c_int);
    // SAFETY: the caller keeps the contract.
    recorded(
        || below(&absolute(to)),
        || unsafe { call(from, to) },
        |record, &done| {
            let (from, to) = (absolute(from), absolute(to));
            if done == 0 {
                record.enter(b'r', inode_of(&to), 0, text(&from), text(&to));
            }
        },
    )
}

/// # Safety
/// As `unlink` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let call = behind!(c"unlink": fn(*const c_char) -> c_int);
    // SAFETY: the caller keeps the contract.
    recorded(
        || below(&absolute(path)),
        || unsafe { call(path) },
        |record, &done| {
            if done == 0 {
                record.enter(b'u', 0, 0, text(&absolute(path)), &[]);
            }
        },
    )
}

/// # Safety
/// As `mkdir` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: c_uint) -> c_int {
    let call = behind!(c"mkdir": fn(*const c_char, c_uint) -> c_int);
    // SAFETY: the caller keeps the contract.
    recorded(
        || below(&absolute(path)),
        || unsafe { call(path, mode) },
        |record, &done| {
            let path = absolute(path);
            if done == 0 {
                record.enter(b'm', inode_of(&path), 0, text(&path), &[]);
            }
        },
    )
}

fn opened(path: *const c_char, flags: c_int, call: impl FnOnce() -> c_int) -> c_int {
    let makes = || flags & CREATE != 0 && below(&absolute(path)) && (flags & TRUNCATE != 0 || !absolute(path).exists());
    recorded(makes, call, |record, &fd| {
        if fd >= 0 {
            record.enter(b'o', inode(fd), 0, text(&absolute(path)), &[]);
        }
    })
}

/// # Safety
/// As `open` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let call = behind!(c"open": fn(*const c_char, c_int, c_uint) -> c_int);
    // SAFETY: the caller keeps the contract.
    opened(path, flags, || unsafe { call(path, flags, mode) })
}

/// # Safety
/// As `open64` of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let call = behind!(c"open64": fn(*const c_char, c_int, c_uint) -> c_int);
    // SAFETY: the caller keeps the contract.
    opened(path, flags, || unsafe { call(path, flags, mode) })
}
