//! The sensor board on its serial line: a thread that opens the line, reads and writes frames, and opens it again when it
//! was lost. It decides nothing.

use platen_protocol::board::{Deframer, FromBoard, HEARTBEAT_MS, Packet, ToBoard, VERSION, encode};
use serialport::SerialPort;
use std::{
    io::{self, Read, Write},
    sync::mpsc as std_mpsc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// The board's line; USB ignores it.
const BAUD: u32 = 115_200;
/// How long a read waits before commands are looked at again: a start must not be slower than the eye.
const TURN: Duration = Duration::from_millis(2);
/// A lost board is looked for this often: its return is seen within half a second.
const RETRY: Duration = Duration::from_millis(250);

/// A line that is open but says nothing for so long, four heartbeats, is opened anew: not every driver tells that the
/// cable was pulled.
const SILENCE: Duration = Duration::from_millis(4 * HEARTBEAT_MS as u64);

/// What the thread tells.
#[derive(Debug)]
pub(crate) enum BoardEvent {
    Connected,
    Lost { why: String },
    Heard { message: FromBoard, at: Instant },
}

/// The station's end of the thread.
#[derive(Debug)]
pub(crate) struct BoardLink {
    commands: std_mpsc::Sender<ToBoard>,
}

impl BoardLink {
    /// Says something to the board, if it is there; what needs an answer has a time limit elsewhere.
    pub(crate) fn send(&self, message: ToBoard) {
        let _ = self.commands.send(message);
    }
}

/// Starts the thread. It ends when the receiver of events is dropped.
pub(crate) fn spawn(path: String, events: mpsc::Sender<BoardEvent>) -> BoardLink {
    let (commands, inbox) = std_mpsc::channel();
    std::thread::Builder::new()
        .name("board".into())
        .spawn(move || run(&path, &events, &inbox))
        .expect("a thread can be started while the station starts");
    BoardLink { commands }
}

fn run(path: &str, events: &mpsc::Sender<BoardEvent>, inbox: &std_mpsc::Receiver<ToBoard>) {
    let mut last_reason = String::new();
    while !events.is_closed() {
        let why = match serialport::new(path, BAUD).timeout(TURN).open() {
            Ok(port) => talk(port, events, inbox),
            Err(e) => format!("{path}: {e}"),
        };
        if why != last_reason {
            tracing::warn!(%why, "no sensor board");
            last_reason.clone_from(&why);
        }
        if events.blocking_send(BoardEvent::Lost { why }).is_err() {
            return;
        }
        // Commands for a board that is not there are not for the one that comes back.
        while inbox.try_recv().is_ok() {}
        std::thread::sleep(RETRY);
    }
}

/// Talks until the line is lost; answers why.
fn talk(
    mut port: Box<dyn SerialPort>,
    events: &mpsc::Sender<BoardEvent>,
    inbox: &std_mpsc::Receiver<ToBoard>,
) -> String {
    let mut seq = 0;
    let mut say = |port: &mut Box<dyn SerialPort>, message: ToBoard| -> Result<(), String> {
        seq += 1;
        let frame = encode(&Packet { seq, message }).map_err(|e| e.to_string())?;
        port.write_all(&frame).and_then(|()| port.flush()).map_err(|e| e.to_string())
    };
    if events.blocking_send(BoardEvent::Connected).is_err() {
        return "the station is stopping".into();
    }
    // A zero first: whatever stands half-sent in the line ends there.
    if let Err(e) = port.write_all(&[0]) {
        return e.to_string();
    }
    if let Err(why) = say(&mut port, ToBoard::Hello { protocol: VERSION }) {
        return why;
    }
    let mut deframer = Deframer::new();
    let mut buffer = [0; 256];
    let (mut bad, mut next_seq, mut heard) = (0u32, None, Instant::now());
    loop {
        if heard.elapsed() > SILENCE {
            return format!("it said nothing for {} ms", SILENCE.as_millis());
        }
        while let Ok(message) = inbox.try_recv() {
            if let Err(why) = say(&mut port, message) {
                return why;
            }
        }
        let n = match port.read(&mut buffer) {
            Ok(0) => return "the line was closed".into(),
            Ok(n) => n,
            Err(e) if matches!(e.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => 0,
            Err(e) => return e.to_string(),
        };
        let at = Instant::now();
        if n > 0 {
            heard = at;
        }
        for &byte in &buffer[..n] {
            match deframer.push::<FromBoard>(byte) {
                None => {}
                Some(Ok(Packet { seq, message })) => {
                    if next_seq.is_some_and(|expected| expected != seq) {
                        tracing::debug!(seq, "the board dropped a message or was restarted");
                    }
                    next_seq = Some(seq.wrapping_add(1));
                    if events.blocking_send(BoardEvent::Heard { message, at }).is_err() {
                        return "the station is stopping".into();
                    }
                }
                Some(Err(error)) => {
                    bad += 1;
                    tracing::debug!(%error, bad, "bad frame from the board");
                }
            }
        }
    }
}
