//! A part of a program that waits for the disk between what it hears.

use std::{convert::Infallible, future::Future, io, thread};
use tokio::{
    runtime::Handle,
    select,
    sync::{mpsc, oneshot},
};

/// A part of a program on a thread of its own, where it may wait for the disk or the database: nothing else waits with it, and what
/// that needs of a stack, and what a thread keeps of the memory that it freed, is kept once. Of the runtime's threads each
/// would be at it some time, and would keep its own.
///
/// Dropped, it is broken off at the next thing that it awaits. The drop waits until then: it has ended before the runtime does.
#[derive(Debug)]
pub struct Part {
    /// Nothing is ever said: it closes with the thread, also in a panic.
    ended: mpsc::Receiver<Infallible>,
    go_on: Option<oneshot::Sender<Infallible>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Part {
    /// Starts it. Call within the runtime, which serves its timers and sockets.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(name: &str, work: impl Future<Output = ()> + Send + 'static) -> io::Result<Self> {
        let runtime = Handle::current();
        let (until_ended, ended) = mpsc::channel(1);
        let (go_on, broken_off) = oneshot::channel();
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            let _until_ended = until_ended;
            runtime.block_on(async {
                select! {
                    () = work => {}
                    Err(_) = broken_off => {}
                }
            });
        })?;
        Ok(Self { ended, go_on: Some(go_on), thread: Some(thread) })
    }

    /// Answers when it has ended, by itself or in a panic, and from then on each time it is asked.
    pub async fn ended(&mut self) {
        let _ = self.ended.recv().await;
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.go_on.take());
        // One that panicked has said so.
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering::SeqCst},
        },
    };

    #[tokio::test]
    async fn its_end_is_told_as_often_as_it_is_asked_for_and_also_in_a_panic() {
        let mut part = Part::start("short", tokio::task::yield_now()).unwrap();
        part.ended().await;
        part.ended().await;
        let mut part = Part::start("panics", async { panic!("on purpose") }).unwrap();
        part.ended().await;
    }

    #[tokio::test]
    async fn one_that_waits_is_broken_off_and_over_when_it_is_dropped() {
        struct Tells(Arc<AtomicBool>);
        impl Drop for Tells {
            fn drop(&mut self) {
                self.0.store(true, SeqCst);
            }
        }
        let over = Arc::new(AtomicBool::new(false));
        let tells = Tells(over.clone());
        let part = Part::start("waits", async move {
            let _tells = tells;
            pending::<()>().await;
        });
        drop(part.unwrap());
        assert!(over.load(SeqCst));
    }
}
