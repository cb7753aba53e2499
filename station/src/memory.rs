//! How this program treats its memory.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Page after page needs the same memory. glibc would give it back to the kernel each time and get it again zeroed, a
/// fault for every 4 KiB: 3 % of a page's processor time. One arena, because each keeps what its threads once needed, and which
/// one a page's thread would get is chance: over hours every one would have held the largest page. Two held twice as much as one,
/// and kept half of it between batches.
///
/// Call before any other thread runs.
#[allow(unsafe_code)] // sets the allocator up
pub(crate) fn keep() {
    /// Blocks up to this lie in the arena: the most that glibc allows.
    #[cfg(target_env = "gnu")]
    const KEPT: libc::c_int = 32 << 20;
    /// So much may lie free at its end. Only [`platen_process::give_back`] gives back: a page leaves more than [`KEPT`] free.
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

/// Two pages that are made at once need twice as much as one, and what they needed would stay until the batch ends. So it is
/// given back when none is being made; but not each time, as the next one has to get it again.
const PAUSE: Duration = Duration::from_secs(1);

/// The pages that are being made.
#[derive(Debug, Default)]
pub(crate) struct Making {
    pages: AtomicUsize,
    given_back: Mutex<Option<Instant>>,
}

/// A page that is being made, until this is dropped.
#[derive(Debug)]
pub(crate) struct PageInWork(Arc<Making>);

impl Making {
    pub(crate) fn a_page(self: &Arc<Self>) -> PageInWork {
        self.pages.fetch_add(1, Ordering::Relaxed);
        PageInWork(self.clone())
    }
}

impl Drop for PageInWork {
    fn drop(&mut self) {
        if self.0.pages.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        let mut given_back = self.0.given_back.lock().unwrap_or_else(PoisonError::into_inner);
        if given_back.is_none_or(|at| at.elapsed() >= PAUSE) {
            platen_process::give_back();
            *given_back = Some(Instant::now());
        }
    }
}
