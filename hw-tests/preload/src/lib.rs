//! What libraries that stand before the C library (`LD_PRELOAD`) need: the way to the function behind them.

use std::ffi::{CStr, c_char, c_void};

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The pseudo-handle that means "the next one".
const NEXT: *mut c_void = -1isize as *mut c_void;

/// The function of this name behind the library that asks.
#[must_use]
pub fn behind(name: &CStr) -> *mut c_void {
    // SAFETY: a C string and the pseudo-handle.
    unsafe { dlsym(NEXT, name.as_ptr()) }
}

/// The same with its type: `behind!(c"write": fn(c_int, *const c_void, usize) -> isize)`. The type must be the function's.
#[macro_export]
macro_rules! behind {
    ($name:literal: fn($($ty:ty),*) -> $ret:ty) => {
        // SAFETY: whoever asks knows the type.
        unsafe {
            std::mem::transmute::<*mut std::ffi::c_void, unsafe extern "C" fn($($ty),*) -> $ret>($crate::behind($name))
        }
    };
}

/// Makes functions of the C library's names and types that call `$before` first; what it answers is answered instead.
/// The arguments have their names in it.
#[macro_export]
macro_rules! before {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty, $before:expr;)*) => { $(
        /// # Safety
        /// As the function of the C library of the same name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $ty),*) -> $ret {
            const NAME: &std::ffi::CStr =
                match std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => panic!(),
                };
            if let Some(answer) = $before {
                return answer;
            }
            // SAFETY: the symbol has this type, and the caller keeps its contract.
            unsafe {
                std::mem::transmute::<*mut std::ffi::c_void, unsafe extern "C" fn($($ty),*) -> $ret>(
                    $crate::behind(NAME),
                )($($arg),*)
            }
        }
    )* };
}
