//! How this program treats its memory.

/// One arena, and large blocks apart.
///
/// glibc opens an arena for nearly every thread, and each keeps the most that its threads once needed. Whatever answers a request
/// is on another thread each time, so that a supervisor grew for hours until all of them had held everything once (in a soak
/// from 6 to 18 MiB in 40 minutes).
///
/// A large block is the system's own and goes back as soon as it is free: in the heap it would leave a hole. The limit is set because
/// glibc, left alone, raises it to the largest block freed so far.
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
