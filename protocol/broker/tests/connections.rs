//! A station that loses its broker again and again for months makes a new connection each time: none may leave anything behind.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use platen_broker::{Address, Broker, Heard, Mqtt, Transport};

/// Memory of this process's own, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

async fn connections(transport: &mut Mqtt, count: usize) {
    for _ in 0..count {
        let mut link = transport.connect(None);
        assert!(matches!(link.from.recv().await, Some(Heard::Down(_))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_fail_leave_nothing_behind() {
    // A port that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let broker = Broker::open(Address { host: "127.0.0.1".into(), port, tls: false });
    let mut transport = Mqtt::new(broker, "rig".into(), 70_000, 8_192);
    connections(&mut transport, 300).await;
    let before = memory();
    connections(&mut transport, 3_000).await;
    let grown = memory().saturating_sub(before);
    println!("3,000 connections: {grown} KiB more");
    assert!(grown < 1_500, "{grown} KiB more after 3,000 connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_given_up_leave_nothing_behind() {
    // Somebody who lets everybody in and never says a word.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream.readable().await);
        }
    });
    let broker = Broker::open(Address { host: "127.0.0.1".into(), port, tls: false });
    let mut transport = Mqtt::new(broker, "rig".into(), 70_000, 8_192);
    let mut before = 0;
    for n in 0..3_300 {
        if n == 300 {
            before = memory();
        }
        let link = transport.connect(None);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        drop(link);
    }
    let grown = memory().saturating_sub(before);
    println!("3,000 connections: {grown} KiB more");
    assert!(grown < 1_500, "{grown} KiB more after 3,000 connections");
}
