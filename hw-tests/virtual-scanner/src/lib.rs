//! The virtual scanner: a real SANE backend, `libsane-platen.so.1`, that the stock libsane loads.
//!
//! It looks like a small fujitsu: a flatbed and a duplex feeder. Its whole state lies in one folder, the *desk*
//! ([`desk::Desk`]), which a script may change while a scan is under way: pages, sensors, faults. `hw-tests env` makes
//! such a folder and prints the environment in which any SANE program finds the scanner.

pub mod desk;
mod device;
mod options;
mod page;
mod scan;

use desk::Desk;
use device::Scanner;
use sane_sys::{AuthCallback, Device, Handle, OptionDescriptor, Parameters, Status, status};
use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

pub use page::prepare;

/// Name of the backend: `dll.conf` names it, and it is the first part of the device's name.
pub const BACKEND: &str = "platen";

struct Listing {
    devices: Vec<(CString, PathBuf)>,
    told: Vec<Device>,
    pointers: Vec<*const Device>,
}
// SAFETY: the pointers lead into `devices` and to literals; both live until sane_exit.
unsafe impl Send for Listing {}

static LISTING: Mutex<Option<Listing>> = Mutex::new(None);

/// What a `SANE_Handle` of ours points at. Cancelling must work while a read holds the scanner.
struct Open {
    cancelled: AtomicBool,
    scanner: Mutex<Scanner>,
}

fn guarded(f: impl FnOnce() -> Status) -> Status {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or(status::IO_ERROR)
}

/// # Safety
/// `handle` came from `sane_platen_open` and was not closed.
unsafe fn opened<'a>(handle: Handle) -> &'a Open {
    // SAFETY: by the caller's promise it is a Box<Open> that was leaked in open.
    unsafe { &*handle.cast::<Open>() }
}

fn read_config() -> Vec<(CString, PathBuf)> {
    let dirs = std::env::var("SANE_CONFIG_DIR").unwrap_or_else(|_| "/etc/sane.d".into());
    let conf = dirs.split(':').find_map(|d| std::fs::read_to_string(Path::new(d).join(format!("{BACKEND}.conf"))).ok());
    let mut devices = Vec::new();
    for line in conf.unwrap_or_default().lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        match line.strip_prefix("device ").and_then(|rest| rest.split_once(' ')) {
            Some((name, desk)) if CString::new(name).is_ok() => {
                devices.push((CString::new(name).unwrap_or_default(), PathBuf::from(desk.trim())));
            }
            _ => {
                eprintln!("{BACKEND}.conf: {line:?} is not understood; allowed: device NAME FOLDER")
            }
        }
    }
    devices
}

/// # Safety
/// As `sane_init` of the SANE standard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sane_platen_init(version: *mut c_int, _: Option<AuthCallback>) -> Status {
    guarded(|| {
        if !version.is_null() {
            // SAFETY: not null, and the standard says it points at an int.
            unsafe { *version = 1 << 24 | 1 };
        }
        let listing = Listing { devices: read_config(), told: Vec::new(), pointers: Vec::new() };
        *LISTING.lock().expect("not poisoned: guarded") = Some(listing);
        status::GOOD
    })
}

/// # Safety
/// As `sane_exit` of the SANE standard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sane_platen_exit() {
    if let Ok(mut listing) = LISTING.lock() {
        *listing = None;
    }
}

/// # Safety
/// As `sane_get_devices` of the SANE standard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sane_platen_get_devices(out: *mut *const *const Device, _local: c_int) -> Status {
    guarded(|| {
        let mut guard = LISTING.lock().expect("not poisoned: guarded");
        let Some(listing) = guard.as_mut() else {
            return status::INVAL;
        };
        let mut told = Vec::new();
        for (name, folder) in &listing.devices {
            let Ok(desk) = Desk::open(folder) else {
                continue;
            };
            std::thread::sleep(Duration::from_millis(desk.settings.list_ms));
            if !desk.flag("unplugged") {
                let kind = c"flatbed scanner".as_ptr();
                told.push(Device { name: name.as_ptr(), vendor: c"Platen".as_ptr(), model: c"Virtual".as_ptr(), kind });
            }
        }
        listing.told = told;
        listing.pointers = listing.told.iter().map(std::ptr::from_ref).chain([std::ptr::null()]).collect();
        // SAFETY: the standard says `out` points at a pointer.
        unsafe { *out = listing.pointers.as_ptr() };
        status::GOOD
    })
}

/// # Safety
/// As `sane_open` of the SANE standard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sane_platen_open(name: *const c_char, out: *mut Handle) -> Status {
    guarded(|| {
        let guard = LISTING.lock().expect("not poisoned: guarded");
        let Some(listing) = guard.as_ref() else {
            return status::INVAL;
        };
        // SAFETY: the standard says it is a C string.
        let name = unsafe { CStr::from_ptr(name) };
        let Some((_, folder)) = listing.devices.iter().find(|(n, _)| name.is_empty() || n.as_c_str() == name) else {
            return status::INVAL;
        };
        let desk = match Desk::open(folder) {
            Ok(desk) => desk,
            Err(e) => {
                eprintln!("virtual scanner: {e}");
                return status::INVAL;
            }
        };
        for (flag, answer) in
            [("unplugged", status::INVAL), ("busy", status::DEVICE_BUSY), ("denied", status::ACCESS_DENIED)]
        {
            if desk.flag(flag) {
                return answer;
            }
        }
        let open = Open { cancelled: AtomicBool::new(false), scanner: Mutex::new(Scanner::new(desk)) };
        // SAFETY: the standard says `out` points at a handle.
        unsafe { *out = Box::into_raw(Box::new(open)).cast() };
        status::GOOD
    })
}

/// # Safety
/// As `sane_close` of the SANE standard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sane_platen_close(handle: Handle) {
    // SAFETY: it was leaked in open, and the standard says that it is not used again.
    drop(unsafe { Box::from_raw(handle.cast::<Open>()) });
}

/// # Safety
/// As `sane_get_option_descriptor` of the SANE standard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sane_platen_get_option_descriptor(handle: Handle, n: c_int) -> *const OptionDescriptor {
    // SAFETY: handle by the standard.
    let scanner = unsafe { opened(handle) }.scanner.lock().expect("not poisoned: guarded");
    usize::try_from(n).ok().and_then(|n| scanner.descriptor(n)).map_or(std::ptr::null(), std::ptr::from_ref)
}

/// # Safety
/// As `sane_control_option` of the SANE standard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sane_platen_control_option(
    handle: Handle,
    n: c_int,
    action: c_int,
    value: *mut c_void,
    info: *mut c_int,
) -> Status {
    guarded(|| {
        // SAFETY: handle by the standard.
        let mut scanner = unsafe { opened(handle) }.scanner.lock().expect("not poisoned: guarded");
        // SAFETY: the standard says that value has the size the descriptor tells.
        match unsafe { scanner.control(usize::try_from(n).unwrap_or(usize::MAX), action, value) } {
            Ok(told) => {
                if !info.is_null() {
                    // SAFETY: not null, and the standard says it points at an int.
                    unsafe { *info = told };
                }
                status::GOOD
            }
            Err(status) => status,
        }
    })
}

/// # Safety
/// As `sane_get_parameters` of the SANE standard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sane_platen_get_parameters(handle: Handle, out: *mut Parameters) -> Status {
    guarded(|| {
        // SAFETY: handle and pointer by the standard.
        unsafe { *out = opened(handle).scanner.lock().expect("not poisoned: guarded").parameters() };
        status::GOOD
    })
}

/// # Safety
/// As `sane_start` of the SANE standard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sane_platen_start(handle: Handle) -> Status {
    guarded(|| {
        // SAFETY: handle by the standard.
        let open = unsafe { opened(handle) };
        open.cancelled.store(false, SeqCst);
        open.scanner.lock().expect("not poisoned: guarded").start(&open.cancelled)
    })
}

/// # Safety
/// As `sane_read` of the SANE standard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sane_platen_read(handle: Handle, data: *mut u8, max: c_int, len: *mut c_int) -> Status {
    guarded(|| {
        // SAFETY: handle by the standard.
        let open = unsafe { opened(handle) };
        // SAFETY: the standard says that data has room for max bytes.
        let out = unsafe { std::slice::from_raw_parts_mut(data, usize::try_from(max).unwrap_or(0)) };
        let (status, got) = open.scanner.lock().expect("not poisoned: guarded").read(out, &open.cancelled);
        if let Some(got) = got {
            // SAFETY: the standard says that it points at an int.
            unsafe { *len = got };
        }
        status
    })
}

/// # Safety
/// As `sane_cancel` of the SANE standard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sane_platen_cancel(handle: Handle) {
    // SAFETY: handle by the standard.
    let open = unsafe { opened(handle) };
    open.cancelled.store(true, SeqCst);
    // While a read holds the scanner, the read sees the flag; otherwise end the scan here.
    if let Ok(mut scanner) = open.scanner.try_lock() {
        scanner.end();
    }
}

/// # Safety
/// As `sane_set_io_mode` of the SANE standard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sane_platen_set_io_mode(handle: Handle, non_blocking: c_int) -> Status {
    // SAFETY: handle by the standard.
    let scanning = unsafe { opened(handle) }.scanner.lock().is_ok_and(|s| s.is_scanning());
    match (scanning, non_blocking) {
        (false, _) => status::INVAL,
        (true, 0) => status::GOOD,
        (true, _) => status::UNSUPPORTED,
    }
}

/// # Safety
/// As `sane_get_select_fd` of the SANE standard.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sane_platen_get_select_fd(_handle: Handle, _fd: *mut c_int) -> Status {
    status::UNSUPPORTED
}
