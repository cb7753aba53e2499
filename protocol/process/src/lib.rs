//! How a program of Platen treats its own process: what memory it keeps, which of its parts have a thread of their own, and when
//! it ends with its reader. What each keeps beside that is its own matter.

mod part;

pub use part::Part;

/// Starts this program once more, in the same process, with small caches for each of its threads.
///
/// glibc's cache of a thread keeps up to seven free blocks of each size up to 1 KiB: over an hour every thread fills its own,
/// 1.4 MB in a desk that holds 4 between its batches, 0.2 of the 2.7 of a supervisor. glibc reads how large blocks may be there only when a program starts.
/// What the user has set is left alone; if it cannot be done, the program runs with large caches.
///
/// Call first of all.
#[allow(unsafe_code)] // asks the kernel, sets a signal's action
pub fn start_with_small_caches() {
    #[cfg(target_env = "gnu")]
    {
        use std::os::unix::process::CommandExt;
        const TUNABLES: &str = "GLIBC_TUNABLES";
        // SAFETY: reads what the kernel told this process at its start.
        let told = |what| unsafe { libc::getauxval(what) };
        // A program with rights of its own loses the variable, and one started by the loader's name is not its own executable.
        if told(libc::AT_SECURE) != 0 || told(libc::AT_BASE) == 0 {
            return;
        }
        let mut own = std::env::args_os();
        if let (None, Some(name), Ok(program)) = (std::env::var_os(TUNABLES), own.next(), std::env::current_exe()) {
            let mut again = std::process::Command::new(program);
            // Comes back only if it fails, and then with the signal as programs get it that are not Rust's.
            let _ = again.arg0(name).args(own).env(TUNABLES, "glibc.malloc.tcache_max=128").exec();
            // SAFETY: as std sets it at the start; no other thread runs yet.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
        }
    }
}

/// Gives back what is free: it would be held for ever between what is used.
#[allow(unsafe_code)] // asks the allocator
pub fn give_back() {
    // SAFETY: may be called by any thread at any time.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// What does nothing but tell ends quietly when nobody reads on (`| head`), as other tools do. Whatever scans, stores, writes or
/// checks goes on.
#[allow(unsafe_code)] // sets a signal's action
pub fn end_with_the_reader() {
    // SAFETY: no handler is installed, the default action is restored.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
