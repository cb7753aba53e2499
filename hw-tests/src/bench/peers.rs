//! One page, one core: the page pipeline against Leptonica with libjpeg-turbo, and against ImageMagick.

use super::edge;
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
    let mut last_line = f64::MAX;
    for _ in 0..ROUNDS {
        find.theirs(peer(&leptonica, "find", &grey)?);
        let stages = stages()?;
        find.ours(stages.skew);
        last_line = last_line.min(stages.findings);
        deliver.theirs(peer(&leptonica, "deliver", &colour)?);
        deliver.ours(platen(&colour, folder)?);
    }
    let magick = imagemagick(&colour, folder)?;
    println!("one A4 page of 300 dpi in memory, one core, best of {ROUNDS} rounds:");
    println!("  skew of a grey page: Leptonica's plain find {:>6.1} ms", find.theirs);
    println!("  skew of a grey page: platen          {:>7.1} ms, ratio {:.2}", find.ours, find.ratio());
    println!("  all findings of a colour page after its last line: platen {last_line:>6.1} ms, on two cores");
    println!("  straightened and JPEG, colour: Leptonica and libjpeg-turbo {:>6.1} ms", deliver.theirs);
    println!("  the same with all findings: platen   {:>7.1} ms, ratio {:.2}", deliver.ours, deliver.ratio());
    println!("  the same: ImageMagick -deskew        {magick:>7.0} ms, file to file");
    sharpness(&leptonica, &colour, folder)
}

/// Spread of a slanted edge on the straightened page, against Leptonica's.
#[allow(clippy::print_stdout)] // its output is what the user asked for
fn sharpness(leptonica: &Path, page: &Path, folder: &Path) -> anyhow::Result<()> {
    let target = folder.join("target.png");
    let mut scan = image::open(page)?.to_rgb8();
    edge::paint(&mut scan, truth(page)?, edge::BLUR);
    scan.save(&target)?;
    let theirs = folder.join("leptonica.png");
    if !Command::new(leptonica).arg("write").arg(&target).arg(&theirs).status()?.success() {
        bail!("the Leptonica peer could not write its page");
    }
    let out = folder.join("sharp");
    let profile = folder.join("lossless.toml");
    std::fs::write(&profile, "format = \"tiff\"\ncompression = \"deflate\"\n")?;
    let station = artifact("platen-station")?;
    let said = Command::new(&station)
        .args(["page", "--dpi", "300", "--profile"])
        .arg(&profile)
        .arg("--out")
        .arg(&out)
        .arg(&target)
        .output()?;
    if !said.status.success() {
        bail!("platen: {}", String::from_utf8_lossy(&said.stderr));
    }
    let spread = |file: &Path| -> anyhow::Result<f64> {
        edge::spread_mm(&image::open(file)?.to_luma8()).with_context(|| format!("{}", file.display()))
    };
    let (theirs, ours) = (spread(&theirs)?, spread(&out.join("target.tif"))?);
    println!(
        "  spread of a slanted edge, 10 to 90 %: scan {:.3} mm, Leptonica's page {theirs:.3} mm, platen's {ours:.3} mm",
        edge::drawn_mm()
    );
    Ok(())
}

/// The degrees that straighten a sample page.
fn truth(page: &Path) -> anyhow::Result<f64> {
    let all: serde_json::Value = serde_json::from_slice(&std::fs::read(samples().join("truth.json"))?)?;
    let name = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let pages = all["pages"].as_array().context("truth.json holds no pages")?;
    let page = pages.iter().find(|page| page["name"] == *name).with_context(|| format!("no truth for {name}"))?;
    page["angle"].as_f64().with_context(|| format!("no angle for {name}"))
}

/// Best times of single stages in milliseconds, by criterion.
struct Stages {
    skew: f64,
    findings: f64,
}

fn stages() -> anyhow::Result<Stages> {
    let criterion = std::path::absolute("target/criterion")?;
    let said = Command::new(env!("CARGO"))
        .args(["bench", "--locked", "-q", "-p", "platen-station", "--bench", "stages", "--"])
        .args(["--noplot", "--measurement-time", "1", "--warm-up-time", "0.3", "(skew/grey|findings/colour)"])
        .env("CRITERION_HOME", &criterion)
        .output()
        .context("cargo bench")?;
    if !said.status.success() {
        bail!("cargo bench: {}", String::from_utf8_lossy(&said.stderr));
    }
    let best = |name: &str| -> anyhow::Result<f64> {
        let file = criterion.join("page").join(name).join("new/sample.json");
        let sample: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&file).with_context(|| name.to_string())?)?;
        let numbers = |key: &str| sample[key].as_array().into_iter().flatten().filter_map(serde_json::Value::as_f64);
        let each = numbers("times").zip(numbers("iters")).map(|(ns, n)| ns / n / 1e6);
        each.min_by(f64::total_cmp).with_context(|| format!("no samples of {name}"))
    };
    Ok(Stages { skew: best("skew/grey")?, findings: best("findings/colour")? })
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

/// Milliseconds for the findings and the straightened file in memory, on one core: some findings are made side by side.
fn platen(page: &Path, folder: &Path) -> anyhow::Result<f64> {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(artifact("platen-station")?);
    command.args(["page", "--json", "--out"]).arg(folder.join("out"));
    // The first page of a run gets its memory from the kernel, zeroed; a desk's pages have that of the page before. Each has a name of
    // its own, since no result is written over another.
    for n in 0..REPS {
        let again = folder.join(format!("again-{n}.ppm"));
        if !again.exists() {
            std::fs::hard_link(page, &again)?;
        }
        command.arg(again);
    }
    let said = command.output()?;
    if !said.status.success() {
        bail!("platen-station page: {}", String::from_utf8_lossy(&said.stderr).trim());
    }
    let mut whole = f64::MAX;
    for line in String::from_utf8_lossy(&said.stdout).lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        whole = whole.min(line["ms_total"].as_f64().with_context(|| format!("no ms_total in {line}"))?);
    }
    Ok(whole)
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
