//! Whether a certificate proves what it must.

use crate::words::Trouble;
use platen_protocol::board::{Certificate, Denial, Reset};
use std::time::Duration;

/// A certificate may lack this share of its samples: the board's and the station's clocks differ by far less.
const SAMPLES_LOST: f64 = 0.02;
/// Samples that may be missing at the ends, and milliseconds that a message takes.
const SLACK_MS: u32 = 20;
/// Of an opening of 5 ms, samples no further apart than this see at least 2 ms from the first to the last, which is what the
/// latch calls an opening; between samples that lie further apart a lid could be opened and closed again unseen.
const LONGEST_GAP_MS: u32 = 2;

const AGAIN: (&str, &str) =
    ("lay the same page again, close the lid, press start", "请重新放好同一页，合上盖板，按开始");

/// Whether a certificate proves that the lid stayed closed and the paper in its corner for the whole pass. `watched` is
/// the time between the board's `Armed` and the request for the certificate, by the station's clock.
pub(crate) fn judge(certificate: &Certificate, number: u32, watched: Duration) -> Result<(), Trouble> {
    if certificate.number != number {
        return Err(no_certificate(Denial::Other { armed: certificate.number }));
    }
    if let Some(opening) = certificate.opened {
        let text = if opening.broken {
            "the lid's switch failed during the scan".into()
        } else {
            format!("the lid was opened {} ms after the scan began, for {} ms", opening.first_ms, opening.samples)
        };
        return Err(Trouble::new("lid-opened", (&text, "扫描完成之前盖板被打开"), AGAIN));
    }
    if let Some(uncovered) = certificate.uncovered {
        let text = format!("the paper left its corner {} ms after the scan began", uncovered.first_ms);
        return Err(Trouble::new("corner-lost", (&text, "扫描过程中纸张离开了左上角"), AGAIN));
    }
    let span = certificate.until_ms.wrapping_sub(certificate.armed_ms);
    let enough = |had: u32, wanted: f64| f64::from(had) + f64::from(SLACK_MS) >= wanted * (1.0 - SAMPLES_LOST);
    let watched_ms = watched.as_secs_f64() * 1e3;
    let whole = enough(certificate.samples, f64::from(span)) && enough(span, watched_ms);
    if !whole || certificate.longest_gap_ms > LONGEST_GAP_MS {
        let text = format!(
            "the board watched {span} ms of a pass of {watched_ms:.0} ms, with {} samples and {} ms between two of them",
            certificate.samples, certificate.longest_gap_ms
        );
        return Err(Trouble::new("certificate-gap", (&text, "传感器板未能全程监视本次扫描"), AGAIN));
    }
    Ok(())
}

/// The board has no certificate of this number.
pub(crate) fn no_certificate(why: Denial) -> Trouble {
    let (en, zh) = match why {
        Denial::Reset(Reset::Watchdog) => ("its watchdog restarted it during the scan", "扫描中看门狗重启"),
        Denial::Reset(Reset::PowerOn | Reset::Forced) => ("it was restarted during the scan", "扫描中重启"),
        Denial::Other { .. } => ("it was watching another pass", "当时在监视另一次扫描"),
        Denial::NotArmed => ("it was not watching: its power or its line was lost", "当时未在监视，供电或连线曾中断"),
    };
    Trouble::new(
        "no-certificate",
        (&format!("the sensor board cannot certify this pass: {en}"), &format!("传感器板无法证明本次扫描有效：{zh}")),
        AGAIN,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use platen_protocol::board::{Opening, Uncovered};

    const CERTIFICATE: Certificate = Certificate {
        number: 7,
        armed_ms: u32::MAX - 99,
        until_ms: 900,
        samples: 1_000,
        longest_gap_ms: 2,
        opened: None,
        uncovered: None,
    };

    #[test]
    fn only_a_whole_and_clean_certificate_is_good() {
        let pass = Duration::from_millis(990);
        assert_eq!(judge(&CERTIFICATE, 7, pass), Ok(()));
        let bad = |c: Certificate, number, watched| judge(&c, number, watched).unwrap_err().name;
        assert_eq!(bad(CERTIFICATE, 8, pass), "no-certificate");
        let opened = Some(Opening { first_ms: 3, samples: 5, times: 1, broken: false });
        assert_eq!(bad(Certificate { opened, ..CERTIFICATE }, 7, pass), "lid-opened");
        let uncovered = Some(Uncovered { first_ms: 9, samples: 60 });
        assert_eq!(bad(Certificate { uncovered, ..CERTIFICATE }, 7, pass), "corner-lost");
        assert_eq!(bad(Certificate { samples: 900, ..CERTIFICATE }, 7, pass), "certificate-gap");
        assert_eq!(bad(CERTIFICATE, 7, Duration::from_millis(2_000)), "certificate-gap");
        assert_eq!(bad(Certificate { longest_gap_ms: 3, ..CERTIFICATE }, 7, pass), "certificate-gap");
    }
}
