//! What was found on a page and done to it, in words: this goes into the files and the journal.

use super::{Findings, Flag};

/// Every processing step in words, with its values.
pub(crate) fn steps(findings: &Findings) -> Vec<String> {
    let skew = format!("skew found: {:+.4}° at confidence {:.3}", findings.angle, findings.confidence);
    let turned = match findings.applied {
        0.0 => "not turned".into(),
        angle => format!("turned by {angle:+.4}° (Catmull-Rom)"),
    };
    let canvas = &findings.fit.canvas;
    let lid = if canvas.lid.is_some() { "lid around the sheet painted in the paper's colour, " } else { "" };
    let fitted = format!("{lid}fitted on {} × {} pixels, padded in the paper's colour", canvas.width, canvas.height);
    let corner = findings.corner_mm.map(|(x, y)| format!("the sheet's corner lay {x:.1} mm across and {y:.1} mm down"));
    let filled = canvas.lid.map_or(0, |lid| lid.holes_filled());
    let holes = (!findings.holes.is_empty()).then(|| {
        let done = if filled > 0 { "filled in the paper's colour" } else { "left as they are" };
        format!("{} punch holes, {done}", findings.holes.len())
    });
    let torn = canvas.lid.map_or(0, |lid| lid.corners_filled());
    let torn =
        (torn > 0).then(|| format!("{torn} torn or folded corners, the lid there painted in the paper's colour"));
    let places = findings.streaks.iter().map(|mm| format!("{mm:.1}")).collect::<Vec<_>>().join(", ");
    let streaks = (!places.is_empty()).then(|| format!("streaks of dirt, left as they are, at {places} mm"));
    let refused = findings.flags.contains(&Flag::InkAtRisk);
    let proved = findings.proved.map(|(looked, lost)| match refused {
        true => {
            "straightened, ink was missing or the page too large for a file: the scan is delivered as it was".into()
        }
        false => format!("{} of {looked} inked places found again", looked - lost),
    });
    [Some(skew), corner, Some(turned), Some(fitted), torn, holes, streaks, proved].into_iter().flatten().collect()
}
