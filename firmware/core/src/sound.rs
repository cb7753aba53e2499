//! What the buzzer plays: tones and pauses.

use platen_protocol::board::Sound;

/// Lengths in milliseconds, a tone first, then a pause, and so on.
fn rhythm(sound: Sound) -> &'static [u32] {
    match sound {
        Sound::Accepted => &[60],
        Sound::Refused => &[120, 80, 120, 80, 120],
        Sound::Attention => &[400, 200, 400],
    }
}

/// Whether the buzzer is on `since_ms` after the sound began; `None` when it is over.
pub(crate) fn tone(sound: Sound, since_ms: u32) -> Option<bool> {
    let mut end = 0;
    for (i, length) in rhythm(sound).iter().enumerate() {
        end += length;
        if since_ms < end {
            return Some(i % 2 == 0);
        }
    }
    None
}
