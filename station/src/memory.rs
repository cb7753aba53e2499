//! How this program treats its memory.

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
