//! How this program treats its memory.

/// One arena: glibc opens one for nearly every thread, and each keeps the most that its threads once needed. Whatever answers a
/// request or stores a group is on another thread each time, so that a supervisor grew for hours until all of them had held
/// everything once (in a soak from 6 to 18 MiB in 40 minutes).
///
/// Call before any other thread runs.
#[allow(unsafe_code)] // sets the allocator up
pub(crate) fn one_arena() {
    // SAFETY: no other thread runs yet.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
