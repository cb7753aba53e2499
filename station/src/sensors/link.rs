//! The conversation with the sensors: a thread that opens their line, passes words on both ways, and opens the line again
//! when it was lost. It decides nothing.

use super::{Line, Sensors};
use platen_protocol::board::{FromBoard, HEARTBEAT_MS, STALE_MS, ToBoard, VERSION};
use std::{
    sync::mpsc as std_mpsc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// How long a line is listened to before commands are looked at again: a start must not be slower than the eye.
pub(crate) const TURN: Duration = Duration::from_millis(2);
/// A lost board is looked for this often: its return is seen within half a second.
const RETRY: Duration = Duration::from_millis(200);

/// A board that is not heard for so long while the line is listened to counts as silent.
const STALE: Duration = Duration::from_millis(STALE_MS as u64);
/// One turn of listening counts for at most so long: on a machine that stood still nobody listened.
const LONGEST_TURN: Duration = Duration::from_millis(10);

/// A board that has not said its version is asked again this often.
const GREETING: Duration = Duration::from_millis(HEARTBEAT_MS as u64);

/// A line that is open but says nothing for so long, four heartbeats, is opened anew: not every driver tells that the
/// cable was pulled.
const SILENCE: Duration = Duration::from_millis(4 * HEARTBEAT_MS as u64);

/// What the thread tells.
#[derive(Debug)]
pub(crate) enum BoardEvent {
    Connected,
    Lost {
        why: String,
    },
    Heard {
        message: FromBoard,
        at: Instant,
    },
    /// The line is open and was listened to, but nothing was heard for [`STALE_MS`].
    Quiet,
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
    let (mut quiet, mut told) = (Duration::ZERO, false);
    // A board's word counts once it has said which version it speaks; it is asked until it does.
    let (mut greeted, mut ask): (bool, Option<Instant>) = (false, None);
    let mut stopped = false;
    while !stopped {
        if !greeted && ask.is_none_or(|asked| asked.elapsed() >= GREETING) {
            line.say(&ToBoard::Hello { protocol: VERSION })?;
            ask = Some(Instant::now());
        }
        while let Ok(message) = inbox.try_recv() {
            line.say(&message)?;
        }
        let began = Instant::now();
        let mut heard = false;
        line.hear(&mut |message, at| {
            heard = true;
            greeted |= matches!(message, FromBoard::Hello { .. });
            stopped |= events.blocking_send(BoardEvent::Heard { message, at }).is_err();
        })?;
        if heard {
            (quiet, told) = (Duration::ZERO, false);
            continue;
        }
        quiet += began.elapsed().min(LONGEST_TURN);
        if quiet > SILENCE {
            return Err(format!("it said nothing for {} ms", SILENCE.as_millis()));
        }
        if quiet > STALE && !told {
            (told, greeted) = (true, false);
            stopped |= events.blocking_send(BoardEvent::Quiet).is_err();
        }
    }
    Ok(())
}
