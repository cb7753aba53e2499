//! One page, one thread: the page pipeline against Leptonica with libjpeg-turbo, and against ImageMagick.

use crate::{pages::samples, process::artifact};
use anyhow::{Context, bail};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// Times each side runs; the best counts, in turn so that both see the same machine.
const ROUNDS: usize = 5;
const REPS: usize = 5;

/// Prints the ratios.
#[allow(clippy::print_stdout)] // its output is what the user asked for
pub(super) fn run(folder: &Path) -> anyhow::Result<()> {
    let colour = samples().join("typical_0005.jpg");
    let grey = folder.join("grey.png");
    image::open(&colour)?.to_luma8().save(&grey)?;
    let leptonica = compile(folder)?;
    let (mut find, mut deliver) = (Pair::new(), Pair::new());
    for _ in 0..ROUNDS {
        find.theirs(peer(&leptonica, "find", &grey)?);
        find.ours(platen(&grey, folder)?.0);
        deliver.theirs(peer(&leptonica, "deliver", &colour)?);
        deliver.ours(platen(&colour, folder)?.1);
    }
    let magick = imagemagick(&colour, folder)?;
    println!("one A4 page of 300 dpi in memory, one thread, best of {}:", ROUNDS * REPS);
    println!("  skew, grey: Leptonica's plain find   {:>7.1} ms", find.theirs);
    println!("  skew, sheet, flags, signature: platen {:>6.1} ms, ratio {:.2}", find.ours, find.ratio());
    println!("  straightened and JPEG, colour: Leptonica and libjpeg-turbo {:>6.1} ms", deliver.theirs);
    println!("  the same with all findings: platen   {:>7.1} ms, ratio {:.2}", deliver.ours, deliver.ratio());
    println!("  the same: ImageMagick -deskew        {magick:>7.0} ms, file to file");
    Ok(())
}

/// Best times of two sides, in milliseconds.
struct Pair {
    theirs: f64,
    ours: f64,
}

impl Pair {
    fn new() -> Self {
        Self { theirs: f64::MAX, ours: f64::MAX }
    }

    fn theirs(&mut self, ms: f64) {
        self.theirs = self.theirs.min(ms);
    }

    fn ours(&mut self, ms: f64) {
        self.ours = self.ours.min(ms);
    }

    fn ratio(&self) -> f64 {
        self.ours / self.theirs
    }
}

fn compile(folder: &Path) -> anyhow::Result<PathBuf> {
    let program = folder.join("leptonica");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/leptonica.c");
    let status = Command::new("cc").args(["-O2", "-o"]).arg(&program).arg(source).arg("-llept").status()?;
    if !status.success() {
        bail!("the Leptonica peer does not compile: apt-get install libleptonica-dev");
    }
    Ok(program)
}

fn peer(program: &Path, what: &str, page: &Path) -> anyhow::Result<f64> {
    let said = Command::new(program).arg(what).arg(page).arg(REPS.to_string()).output()?;
    String::from_utf8_lossy(&said.stdout).trim().parse().context("the Leptonica peer's answer")
}

/// Milliseconds for the findings, and for the findings and the straightened file.
fn platen(page: &Path, folder: &Path) -> anyhow::Result<(f64, f64)> {
    let mut command = Command::new(artifact("platen-station")?);
    command.args(["page", "--json", "--out"]).arg(folder.join("out"));
    let said = command.args([page; REPS]).output()?;
    let (mut find, mut whole) = (f64::MAX, f64::MAX);
    for line in String::from_utf8_lossy(&said.stdout).lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        let ms = |key: &str| line[key].as_f64().with_context(|| format!("no {key} in {line}"));
        find = find.min(ms("ms")?);
        whole = whole.min(ms("ms_total")?);
    }
    Ok((find, whole))
}

fn imagemagick(page: &Path, folder: &Path) -> anyhow::Result<f64> {
    let began = Instant::now();
    let status = Command::new("convert")
        .args(["-limit", "thread", "1"])
        .arg(page)
        .args(["-deskew", "40%", "-quality", "85"])
        .arg(folder.join("magick.jpg"))
        .status()
        .context("convert: apt-get install imagemagick")?;
    if !status.success() {
        bail!("ImageMagick: {status}");
    }
    Ok(began.elapsed().as_secs_f64() * 1e3)
}
