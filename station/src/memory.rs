//! How this program treats its memory.

/// Starts this program once more, in the same process, with small caches for each of its threads.
///
/// glibc's cache of a thread keeps up to seven free blocks of each size up to 1 KiB: over an hour every thread fills its own,
/// 1.4 MB in a desk that holds 4 between its batches. glibc reads how large blocks may be there only when a program starts.
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

/// Page after page needs the same memory. glibc would give it back to the kernel each time and get it again zeroed, a
/// fault for every 4 KiB: 3 % of a page's processor time. One arena, because each keeps what its threads once needed, and which
/// thread makes a page is chance: over hours every one would have held the largest page. Two held twice as much as one,
/// and kept half of it between batches.
///
/// Call before any other thread runs.
#[allow(unsafe_code)] // sets the allocator up
pub(crate) fn keep() {
    /// Blocks up to this lie in the arena: the most that glibc allows.
    #[cfg(target_env = "gnu")]
    const KEPT: libc::c_int = 32 << 20;
    /// So much may lie free at its end. Only [`give_back`] gives back: a page leaves more than [`KEPT`] free.
    #[cfg(target_env = "gnu")]
    const FREE: libc::c_int = 512 << 20;
    // SAFETY: no other thread runs yet.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT);
        libc::mallopt(libc::M_TRIM_THRESHOLD, FREE);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives back what is free, when a batch is done: what a hundred batches leave lying between what is used would add up.
#[allow(unsafe_code)] // asks the allocator
pub(crate) fn give_back() {
    // SAFETY: may be called by any thread at any time.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
