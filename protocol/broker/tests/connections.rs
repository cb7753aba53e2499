//! A station that loses its broker again and again for months makes a new connection each time: none may leave anything behind.
#![allow(clippy::unwrap_used, unsafe_code)] // a test that cannot go on has failed; an allocator that counts is unsafe to write

use platen_broker::{Address, Broker, Heard, Mqtt, Transport};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    net::TcpListener,
    sync::atomic::{AtomicIsize, Ordering},
};
use tokio::{runtime::Handle, task::yield_now};

/// Bytes that are held. What the system lends this process says little: it takes back late, or never.
static HELD: AtomicIsize = AtomicIsize::new(0);

struct Counting;

// SAFETY: all is done by the system's own allocator; here it is only counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes, tasks and descriptors that are held once everything that was given up is over.
async fn held(tasks: usize) -> (isize, usize, usize) {
    let alive = || Handle::current().metrics().num_alive_tasks();
    for _ in 0..1_000_000 {
        if alive() <= tasks {
            break;
        }
        yield_now().await;
    }
    (HELD.load(Ordering::Relaxed), alive(), fs::read_dir("/proc/self/fd").unwrap().count())
}

fn transport(port: u16) -> Mqtt {
    let broker = Broker::open(Address { host: "127.0.0.1".into(), port, tls: false });
    Mqtt::new(broker, "rig".into(), 70_000, 8_192)
}

/// One test: what another holds meanwhile would be counted, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_fail_or_are_given_up_leave_nothing_behind() {
    // A port that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut nobody = transport(port);
    let mut before = (0, 0, 0);
    for n in 0..2_300 {
        if n == 300 {
            before = held(0).await;
        }
        let mut link = nobody.connect(None);
        assert!(matches!(link.from.recv().await, Some(Heard::Down(_))));
    }
    let after = held(before.1).await;
    assert!(after.0 - before.0 < 100_000, "bytes, tasks, descriptors: {before:?} became {after:?}");
    assert_eq!((after.1, after.2), (before.1, before.2));

    // Somebody who lets everybody in and never says a word.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut mute = transport(listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((stream, _)) = listener.accept().await {
            // Until the other side has gone.
            while stream.readable().await.is_ok() && !matches!(stream.try_read(&mut buffer), Ok(0)) {}
        }
    });
    for n in 0..2_300 {
        if n == 300 {
            before = held(1).await;
        }
        let link = mute.connect(None);
        for _ in 0..20 {
            yield_now().await;
        }
        drop(link);
    }
    let after = held(before.1).await;
    assert!(after.0 - before.0 < 100_000, "bytes, tasks, descriptors: {before:?} became {after:?}");
    assert_eq!(after.1, before.1);
    assert!(after.2 <= before.2 + 2, "bytes, tasks, descriptors: {before:?} became {after:?}");
}
