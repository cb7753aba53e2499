//! How this program treats its memory.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Semaphore, SemaphorePermit};

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

/// The pages that are being made or wait for it.
#[derive(Debug)]
pub(crate) struct Making {
    pages: AtomicUsize,
    /// One for each processor: more pages at once would take the caches from each other, and need memory for nothing.
    turns: Semaphore,
    given_back: Mutex<Option<Instant>>,
}

/// A page that is to be made, until this is dropped.
#[derive(Debug)]
pub(crate) struct PageInWork(Arc<Making>);

impl Making {
    pub(crate) fn new(processors: usize) -> Arc<Self> {
        Arc::new(Self { pages: AtomicUsize::new(0), turns: Semaphore::new(processors), given_back: Mutex::default() })
    }

    pub(crate) fn a_page(self: &Arc<Self>) -> PageInWork {
        self.pages.fetch_add(1, Ordering::Relaxed);
        PageInWork(self.clone())
    }
}

impl PageInWork {
    /// Waits until it is this page's turn, which lasts until the answer is dropped. First come, first served.
    pub(crate) async fn turn(&self) -> SemaphorePermit<'_> {
        self.0.turns.acquire().await.expect("it is never closed")
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{join, task::yield_now};

    #[tokio::test]
    async fn no_more_pages_are_made_at_once_than_there_are_processors_and_each_in_its_turn() {
        let making = Making::new(2);
        let (at_once, most, order) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
        let page = async |number: u32| {
            let in_work = making.a_page();
            let _turn = in_work.turn().await;
            most.fetch_max(at_once.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            order.lock().unwrap().push(number);
            yield_now().await;
            at_once.fetch_sub(1, Ordering::Relaxed);
        };
        join!(biased; page(1), page(2), page(3), page(4), page(5));
        assert_eq!(most.into_inner(), 2);
        assert_eq!(order.into_inner().unwrap(), [1, 2, 3, 4, 5]);
        assert_eq!(making.pages.load(Ordering::Relaxed), 0);
    }
}
