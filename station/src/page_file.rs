//! `platen-station page`: the page pipeline on image files.

mod read;
mod resolution;

use crate::{
    pages::{
        self, Findings, Lay, View,
        deliver::{self, Delivered},
        encode,
        glass::Glass,
        same::Signature,
    },
    profile::Profile,
};
use anyhow::{Context, bail};
use platen_protocol::uplink::ColourMode;
use read::{PageFile, read};
use serde_json::json;
use std::{
    collections::HashSet,
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    time::Instant,
};

/// A page of more bytes is large: A4 in colour at 400 dpi and more.
const LARGE: usize = 40 << 20;

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Page images: PNG, JPEG, TIFF or PNM
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Write the straightened pages into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Resolution of files that do not say their own
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(50..=2400))]
    dpi: u32,
    /// Profile by which pages are judged and written: a TOML file [default: the standard profile]
    #[arg(long, value_name = "TOML")]
    profile: Option<PathBuf>,
    /// JPEG quality of the written pages, 1 to 100 [default: the profile's]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,
}

impl Args {
    /// It prints, and writes no page.
    pub(crate) fn only_tells(&self) -> bool {
        self.out.is_none()
    }
}

/// Goes on after a bad file, and fails at the end if there was one.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(out) = &args.out {
        fs::create_dir_all(out).with_context(|| format!("--out {}: cannot be made", out.display()))?;
    }
    let mut desk = Desk {
        args,
        profile: Profile::load(args.profile.as_deref(), args.quality)?,
        before: Vec::new(),
        originals: args.files.iter().filter_map(|file| fs::canonicalize(file).ok()).collect(),
        written: HashSet::new(),
        glass: Glass::default(),
    };
    let (mut bad, mut stdout) = (0, std::io::stdout());
    for file in &args.files {
        match desk.one(file) {
            // Whoever reads may have had enough; the pages are made nonetheless.
            Ok(line) => match writeln!(stdout, "{line}") {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error).context("standard output"),
                _ => {}
            },
            Err(e) => {
                bad += 1;
                eprintln!("{}: {e:#}", file.display());
            }
        }
    }
    if bad > 0 {
        bail!("{bad} of {} files could not be processed", args.files.len());
    }
    Ok(())
}

/// What is known while files are taken one after the other.
struct Desk<'a> {
    args: &'a Args,
    profile: Profile,
    /// Names and signatures of the files so far.
    before: Vec<(String, Signature)>,
    /// All files of this run, also those that come later.
    originals: HashSet<PathBuf>,
    /// What was written in this run.
    written: HashSet<PathBuf>,
    glass: Glass,
}

impl Desk<'_> {
    /// A page's line.
    fn one(&mut self, file: &Path) -> anyhow::Result<String> {
        let PageFile { image: page, icc } = read(file, self.args.dpi)?;
        let view = page.view();
        let began = Instant::now();
        let fine = pages::reduced(&view);
        let mut findings = pages::examine(&view, &fine, &self.profile.pages, Lay::Glass);
        let ms = began.elapsed().as_secs_f64() * 1e3;
        drop(fine);
        // What looking at a large page needed makes room for the result; getting it again takes longer than a small one is worth.
        if page.data.len() > LARGE {
            platen_process::give_back();
        }
        // Made also where it is not kept: only then is it known whether the page has kept its ink.
        let delivered = self.deliver(&view, &mut findings, file, icc)?;
        let ms_total = began.elapsed().as_secs_f64() * 1e3;
        if let Some(folder) = &self.args.out {
            self.write(&delivered, view.mode, file, folder)?;
        }
        let mut earlier = self.before.iter().filter(|(_, earlier)| findings.signature.is_same_sheet(earlier));
        let same = earlier.next().map(|(name, _)| name.clone());
        self.before.push((file.display().to_string(), findings.signature.clone()));
        if same.is_some() {
            findings.flags.push(pages::Flag::SameSheet);
        }
        let dirt = findings.specks.take().map_or(Vec::new(), |specks| self.glass.add(specks));
        if !dirt.is_empty() {
            findings.flags.push(pages::Flag::DirtyGlass);
        }
        let said = Said { file, findings: &findings, dirt, same, ms, ms_total };
        Ok(if self.args.json { said.json() } else { said.line() })
    }

    fn deliver(
        &self,
        view: &View<'_>,
        findings: &mut Findings,
        file: &Path,
        icc: Option<Vec<u8>>,
    ) -> anyhow::Result<Delivered> {
        let profile = &self.profile;
        // The same file gives the same bytes: what is known of its time is when it was written.
        let written = fs::metadata(file)?.modified()?;
        let time = jiff::Timestamp::try_from(written).context("the file's time cannot be told")?.to_string();
        let metadata = |findings: &Findings| encode::Metadata {
            time: time.clone(),
            software: crate::SOFTWARE.into(),
            operator: String::new(),
            facts: vec![
                ("original", file.file_name().unwrap_or_default().to_string_lossy().into_owned()),
                ("profile", format!("{}, version {}", profile.pages.name, profile.pages.version)),
            ],
            steps: pages::steps(findings),
            icc: icc.clone(),
        };
        Ok(deliver::deliver(view, findings, &profile.pages, false, metadata)?)
    }

    /// Writes a result, over nothing that was given to this run or written by it.
    fn write(&mut self, delivered: &Delivered, mode: ColourMode, file: &Path, folder: &Path) -> anyhow::Result<()> {
        // Archival codes have dots in them: what stands behind the last one alone is replaced.
        let mut name = file.file_stem().unwrap_or_default().to_owned();
        name.push(".");
        name.push(encode::extension(mode, &self.profile.pages));
        let target = folder.join(name);
        if fs::canonicalize(&target).is_ok_and(|target| self.originals.contains(&target)) {
            bail!("its result would overwrite {}, which is a file of this run; choose another --out", target.display());
        }
        if !self.written.insert(target.clone()) {
            bail!("{} was written for an earlier file of this run; rename one of them", target.display());
        }
        fs::write(&target, &delivered.file).with_context(|| format!("{} cannot be written", target.display()))?;
        Ok(())
    }
}

/// What is said of a page.
struct Said<'a> {
    file: &'a Path,
    findings: &'a Findings,
    dirt: Vec<(f64, f64)>,
    same: Option<String>,
    ms: f64,
    ms_total: f64,
}

impl Said<'_> {
    fn flags(&self) -> Vec<&'static str> {
        self.findings.flags.iter().map(|f| f.name()).collect()
    }

    fn json(&self) -> String {
        let findings = self.findings;
        let quality = &findings.quality;
        let pair = |(x, y): (f64, f64)| [round(x, 1), round(y, 1)];
        json!({
            "file": self.file.display().to_string(),
            "angle": round(findings.angle, 4),
            "applied": round(findings.applied, 4),
            "conf": round(findings.confidence, 3),
            "blank": findings.blank,
            "quad": corners(&findings.quad),
            "crop": corners(&findings.fit.kept),
            "corner_mm": findings.corner_mm.map(pair),
            "dup_of": self.same,
            "streaks_mm": findings.streaks.iter().map(|&mm| round(mm, 1)).collect::<Vec<_>>(),
            "dirt_mm": self.dirt.iter().map(|&place| pair(place)).collect::<Vec<_>>(),
            "holes": findings.holes.iter().map(|h| [round(h.x, 1), round(h.y, 1), round(h.radius, 1)]).collect::<Vec<_>>(),
            "red_header": findings.red_header,
            "seal_mm": findings.seal.map(|s| [round(s.x, 1), round(s.y, 1), round(s.diameter, 1)]),
            "edge_mm": quality.edge_mm.map(|mm| round(mm, 3)),
            "paper": findings.paper,
            "ink": quality.ink,
            "clipped": round(quality.clipped, 3),
            "crushed": round(quality.crushed, 3),
            "flags": self.flags(),
            "ms": round(self.ms, 2),
            "ms_total": round(self.ms_total, 2),
        })
        .to_string()
    }

    fn line(&self) -> String {
        let findings = self.findings;
        let flags = self.flags();
        format!(
            "{}: {:+.2}° (confidence {:.2}), {}, {}{} [{:.0} ms]",
            self.file.display(),
            findings.angle,
            findings.confidence,
            if findings.applied == 0.0 { "left as it is" } else { "straightened" },
            if flags.is_empty() { "no flags".into() } else { flags.join(", ") },
            self.same.as_ref().map_or(String::new(), |earlier| format!(", the same sheet as {earlier}")),
            self.ms,
        )
    }
}

fn corners(quad: &[(f64, f64); 4]) -> [[f64; 2]; 4] {
    quad.map(|(x, y)| [round(x, 1), round(y, 1)])
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}
