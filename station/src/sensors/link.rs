//! The conversation with the sensors: a thread that opens their line, passes words on both ways, and opens the line again
//! when it was lost. It decides nothing.

use super::{Line, Sensors};
use platen_protocol::board::{FromBoard, HEARTBEAT_MS, ToBoard, VERSION};
use std::{
    sync::mpsc as std_mpsc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// How long a line is listened to before commands are looked at again: a start must not be slower than the eye.
pub(crate) const TURN: Duration = Duration::from_millis(2);
/// A lost board is looked for this often: its return is seen within half a second.
const RETRY: Duration = Duration::from_millis(200);

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
pub(crate) fn spawn(mut sensors: Box<dyn Sensors>, events: mpsc::Sender<BoardEvent>) -> BoardLink {
    let (commands, inbox) = std_mpsc::channel();
    std::thread::Builder::new()
        .name("board".into())
        .spawn(move || run(&mut *sensors, &events, &inbox))
        .expect("a thread can be started while the station starts");
    BoardLink { commands }
}

fn run(sensors: &mut dyn Sensors, events: &mpsc::Sender<BoardEvent>, inbox: &std_mpsc::Receiver<ToBoard>) {
    let mut last_reason = String::new();
    while !events.is_closed() {
        let Err(why) = sensors.open().and_then(|mut line| talk(&mut *line, events, inbox)) else { return };
        if why != last_reason {
            tracing::warn!(%why, "no lid and corner sensors");
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

/// Talks until the line is lost, which is an error, or the station stops.
fn talk(
    line: &mut dyn Line,
    events: &mpsc::Sender<BoardEvent>,
    inbox: &std_mpsc::Receiver<ToBoard>,
) -> Result<(), String> {
    if events.blocking_send(BoardEvent::Connected).is_err() {
        return Ok(());
    }
    line.say(&ToBoard::Hello { protocol: VERSION })?;
    let mut heard = Instant::now();
    let mut stopped = false;
    while !stopped {
        if heard.elapsed() > SILENCE {
            return Err(format!("it said nothing for {} ms", SILENCE.as_millis()));
        }
        while let Ok(message) = inbox.try_recv() {
            line.say(&message)?;
        }
        line.hear(&mut |message, at| {
            heard = at;
            stopped |= events.blocking_send(BoardEvent::Heard { message, at }).is_err();
        })?;
    }
    Ok(())
}
