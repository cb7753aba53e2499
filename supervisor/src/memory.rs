//! How this program treats its memory.

/// Starts this program once more, in the same process, with small caches for each of its threads.
///
/// glibc's cache of a thread keeps up to seven free blocks of each size up to 1 KiB: over an hour every thread fills its own,
/// 0.2 MB of the 2.7 that a supervisor holds. glibc reads how large blocks may be there only when a program starts.
/// What the user has set is left alone; if it cannot be done, the program runs with large caches.
///
/// Call first of all.
#[allow(unsafe_code)] // asks the kernel, sets a signal's action
pub(crate) fn start_with_small_caches() {
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

/// One arena, and large blocks apart.
///
/// glibc opens an arena for nearly every thread, and each keeps the most that its threads once needed. Whatever answers a request
/// is on another thread each time, so that a supervisor grew for hours until all of them had held everything once (in a soak
/// from 6 to 18 MiB in 40 minutes).
///
/// A large block is the system's own and goes back as soon as it is free: a client of the broker holds 0.4 MiB, and one that
/// replaced another after each outage left a hole in the heap. glibc would raise the limit to the largest block freed so far.
///
/// Call before any other thread runs.
#[allow(unsafe_code)] // sets the allocator up
pub(crate) fn stay_small() {
    #[cfg(target_env = "gnu")]
    {
        const LARGE: libc::c_int = 64 * 1024;
        // SAFETY: no other thread runs yet.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 1);
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        }
    }
}

/// Gives back what is free: else the most that came at once after an outage would be held for ever. A heap of a few MiB is soon
/// looked through.
#[allow(unsafe_code)] // asks the allocator
pub(crate) fn give_back() {
    // SAFETY: may be called by any thread at any time.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
