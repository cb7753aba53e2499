//! Raw bindings of the SANE 1.x C interface, loaded at run time.
//!
//! Neither a -dev package to build nor libsane to start is needed: [`Sane::load`] opens `libsane.so.1` when a scanner
//! is wanted. A status stays a plain integer, because backends return numbers that no enum knows (12 and 13 exist in
//! the wild). Source: the SANE standard, version 1.06, chapters 4 and 5.

#![allow(non_camel_case_types)]

use std::ffi::{CStr, c_char, c_int, c_void};

/// `SANE_Handle`.
pub type Handle = *mut c_void;
/// `SANE_Status`, as the backend gave it.
pub type Status = c_int;
/// `SANE_Auth_Callback`.
pub type AuthCallback = unsafe extern "C" fn(*const c_char, *mut c_char, *mut c_char);

/// The statuses of the standard, and two that vendors add.
pub mod status {
    use super::Status;
    /// Done.
    pub const GOOD: Status = 0;
    /// Not supported.
    pub const UNSUPPORTED: Status = 1;
    /// Cancelled.
    pub const CANCELLED: Status = 2;
    /// Busy.
    pub const DEVICE_BUSY: Status = 3;
    /// Bad argument.
    pub const INVAL: Status = 4;
    /// No more data.
    pub const EOF: Status = 5;
    /// Paper jam.
    pub const JAMMED: Status = 6;
    /// Feeder empty.
    pub const NO_DOCS: Status = 7;
    /// Cover open.
    pub const COVER_OPEN: Status = 8;
    /// Device input or output failed.
    pub const IO_ERROR: Status = 9;
    /// Out of memory.
    pub const NO_MEM: Status = 10;
    /// Access denied.
    pub const ACCESS_DENIED: Status = 11;
    /// Vendor extension: the lamp warms up.
    pub const WARMING_UP: Status = 12;
    /// Vendor extension: locked for transport.
    pub const HW_LOCKED: Status = 13;
}

/// `SANE_Value_Type`.
pub mod value_type {
    use std::ffi::c_int;
    /// Boolean.
    pub const BOOL: c_int = 0;
    /// Integer.
    pub const INT: c_int = 1;
    /// Fixed point, 16 bits of fraction.
    pub const FIXED: c_int = 2;
    /// C string.
    pub const STRING: c_int = 3;
    /// No value: pressing it does something.
    pub const BUTTON: c_int = 4;
    /// A heading.
    pub const GROUP: c_int = 5;
}

/// Option capabilities and constraints.
pub mod option {
    use std::ffi::c_int;
    /// Can be set by software.
    pub const CAP_SOFT_SELECT: c_int = 1;
    /// Can be set by a switch of the device.
    pub const CAP_HARD_SELECT: c_int = 2;
    /// Can be read.
    pub const CAP_SOFT_DETECT: c_int = 4;
    /// Not to be used at present.
    pub const CAP_INACTIVE: c_int = 32;
    /// For experts.
    pub const CAP_ADVANCED: c_int = 64;
    /// Constraint: none.
    pub const CONSTRAINT_NONE: c_int = 0;
    /// Constraint: a range.
    pub const CONSTRAINT_RANGE: c_int = 1;
    /// Constraint: a list of words, its length first.
    pub const CONSTRAINT_WORDS: c_int = 2;
    /// Constraint: a null-terminated list of strings.
    pub const CONSTRAINT_STRINGS: c_int = 3;
    /// Action: read.
    pub const GET: c_int = 0;
    /// Action: write.
    pub const SET: c_int = 1;
    /// Unit: millimetre.
    pub const UNIT_MM: c_int = 3;
    /// Unit: dots per inch.
    pub const UNIT_DPI: c_int = 4;
    /// Written, but another value was taken.
    pub const INFO_INEXACT: c_int = 1;
    /// Read all options again.
    pub const INFO_RELOAD_OPTIONS: c_int = 2;
    /// Read the parameters again.
    pub const INFO_RELOAD_PARAMS: c_int = 4;
}

/// `SANE_Frame`.
pub mod frame {
    use std::ffi::c_int;
    /// One band: grey or lineart.
    pub const GRAY: c_int = 0;
    /// Three interleaved bands.
    pub const RGB: c_int = 1;
}

/// `SANE_Device`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Device {
    /// Name to open it by.
    pub name: *const c_char,
    /// Maker.
    pub vendor: *const c_char,
    /// Model.
    pub model: *const c_char,
    /// Kind, such as `flatbed scanner`.
    pub kind: *const c_char,
}

/// `SANE_Range`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// Smallest.
    pub min: c_int,
    /// Largest.
    pub max: c_int,
    /// Step, 0 for none.
    pub quant: c_int,
}

/// `SANE_Option_Descriptor`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct OptionDescriptor {
    /// Stable name.
    pub name: *const c_char,
    /// Title for people.
    pub title: *const c_char,
    /// Explanation for people.
    pub desc: *const c_char,
    /// See [`value_type`].
    pub value_type: c_int,
    /// See [`option`].
    pub unit: c_int,
    /// Size of the value in bytes.
    pub size: c_int,
    /// See [`option`].
    pub cap: c_int,
    /// See [`option`].
    pub constraint_type: c_int,
    /// By the constraint's type.
    pub constraint: *const c_void,
}

/// `SANE_Parameters`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parameters {
    /// See [`frame`].
    pub format: c_int,
    /// Non-zero: no further frame of this image follows.
    pub last_frame: c_int,
    /// Bytes of a line, with padding.
    pub bytes_per_line: c_int,
    /// Pixels of a line.
    pub pixels_per_line: c_int,
    /// Lines, −1 if not known before the end.
    pub lines: c_int,
    /// Bits of a sample.
    pub depth: c_int,
}

const _: () = {
    assert!(size_of::<Parameters>() == 24);
    #[cfg(target_pointer_width = "64")]
    {
        assert!(size_of::<OptionDescriptor>() == 56);
        assert!(size_of::<Device>() == 32);
    }
};

/// `SANE_FIX`: millimetres and the like as 16.16 fixed point.
#[must_use]
pub fn fix(value: f64) -> c_int {
    // The range of c_int holds every glass; `as` saturates.
    (value * 65536.0).round() as c_int
}

/// `SANE_UNFIX`.
#[must_use]
pub fn unfix(value: c_int) -> f64 {
    f64::from(value) / 65536.0
}

/// A C string of a backend, or an empty one.
///
/// # Safety
/// `text` is null or points to a C string that lives at least until this returns.
#[must_use]
pub unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: by the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// libsane could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such library.
    #[error("{name} cannot be loaded ({reason}); install it with: apt-get install libsane1")]
    Library {
        /// What was looked for.
        name: String,
        /// What the dynamic linker said.
        reason: String,
    },
    /// It is not libsane.
    #[error("{name} has no function {symbol}: it is not SANE 1.x")]
    Symbol {
        /// What was loaded.
        name: String,
        /// What it lacks.
        symbol: &'static str,
    },
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident = $symbol:literal : fn($($arg:ty),*) $(-> $ret:ty)?;)*) => {
        /// The functions of a loaded libsane.
        #[derive(Debug)]
        pub struct Sane {
            $($(#[$doc])* pub $name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)*
            _library: libloading::Library,
        }

        impl Sane {
            /// Loads libsane by its file name, `libsane.so.1` as a rule.
            ///
            /// # Errors
            /// Says what is missing and how to install it.
            pub fn load(name: &str) -> Result<Self, LoadError> {
                // SAFETY: libsane's initialisers do nothing; the caller names a library it trusts.
                let library = unsafe { libloading::Library::new(name) }
                    .map_err(|e| LoadError::Library { name: name.into(), reason: e.to_string() })?;
                $(
                    // SAFETY: the type is that of the SANE standard for this symbol.
                    let $name = *unsafe { library.get::<unsafe extern "C" fn($($arg),*) $(-> $ret)?>($symbol) }
                        .map_err(|_| LoadError::Symbol { name: name.into(), symbol: stringify!($name) })?;
                )*
                Ok(Self { $($name,)* _library: library })
            }
        }
    };
}

functions! {
    /// `sane_init`
    init = b"sane_init": fn(*mut c_int, Option<AuthCallback>) -> Status;
    /// `sane_exit`
    exit = b"sane_exit": fn();
    /// `sane_get_devices`
    get_devices = b"sane_get_devices": fn(*mut *const *const Device, c_int) -> Status;
    /// `sane_open`
    open = b"sane_open": fn(*const c_char, *mut Handle) -> Status;
    /// `sane_close`
    close = b"sane_close": fn(Handle);
    /// `sane_get_option_descriptor`
    get_option_descriptor = b"sane_get_option_descriptor": fn(Handle, c_int) -> *const OptionDescriptor;
    /// `sane_control_option`
    control_option = b"sane_control_option": fn(Handle, c_int, c_int, *mut c_void, *mut c_int) -> Status;
    /// `sane_get_parameters`
    get_parameters = b"sane_get_parameters": fn(Handle, *mut Parameters) -> Status;
    /// `sane_start`
    start = b"sane_start": fn(Handle) -> Status;
    /// `sane_read`
    read = b"sane_read": fn(Handle, *mut u8, c_int, *mut c_int) -> Status;
    /// `sane_cancel`
    cancel = b"sane_cancel": fn(Handle);
}
