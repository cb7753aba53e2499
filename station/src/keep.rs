//! From a raw page to files that survive a power cut.
//!
//! [`make`] writes master and delivered image under temporary names and syncs them; [`place`] gives them their names and
//! syncs the folders; only then does the journal say that the page is kept. What a kill leaves behind in between is
//! found by [`sweep`] at the next start.

mod facts;

use crate::{
    SOFTWARE,
    batch::{ArchivalCode, PageId, Plan, store::KeptPage},
    durable::{create_folders, sync_folder},
    pages::{
        self, BadPage, Findings, Flag, Lay, Signature, View,
        deliver::{self, Delivered},
        encode,
        glass::Specks,
    },
    profile::Profile,
    scanner::{ScanSettings, Taken, process::RawPage},
};
use facts::metadata;
use jiff::Timestamp;
use platen_protocol::{
    board::{Certificate, Watch},
    uplink::{Interlock, Overridden, PageAccepted, Source},
};
use rustix::fs::OFlags;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{
    collections::HashSet,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Seek, Write},
    panic::resume_unwind,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

/// Folder of the masters, beside the images of a volume.
const MASTER: &str = "master";
/// Mark of a file that is not whole.
const PART: &str = ".part-";

#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error("{file}: {source}", file = .file.display())]
    Io { file: PathBuf, source: io::Error },
    #[error("the page cannot be encoded: {0}")]
    Encode(#[from] encode::EncodeError),
    #[error("the scanner's page is not one: {0}")]
    Page(#[from] BadPage),
    #[error("the page pipeline failed: {0}")]
    Pipeline(String),
}

impl KeepError {
    /// If the disk is to blame: where, as far as is known, and what it said.
    pub(crate) fn of_disk(&self) -> Option<(Option<&Path>, &io::Error)> {
        let (folder, source) = match self {
            Self::Io { file, source } => (file.parent(), source),
            Self::Encode(encode::EncodeError::Tiff(tiff::TiffError::IoError(source))) => (None, source),
            Self::Encode(_) | Self::Page(_) | Self::Pipeline(_) => return None,
        };
        // What was taken away does not come back by waiting.
        (source.kind() != io::ErrorKind::NotFound).then_some((folder, source))
    }
}

/// What all pages of a batch have in common.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) out: PathBuf,
    pub(crate) plan: Plan,
    pub(crate) operator: String,
    pub(crate) station: String,
    pub(crate) device: String,
    pub(crate) settings: ScanSettings,
    pub(crate) profile: Profile,
    /// Pages are shown on a screen while they are made.
    pub(crate) previews: bool,
}

/// A page that was scanned and may be kept.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) attempt: u32,
    pub(crate) page: PageId,
    pub(crate) interlock: Interlock,
    pub(crate) certificate: Option<Certificate>,
    /// What the certificate is about.
    pub(crate) watch: Option<Watch>,
    pub(crate) overridden: Vec<Overridden>,
    pub(crate) taken: Option<Taken>,
    pub(crate) raw: RawPage,
    pub(crate) scanned_at: Timestamp,
    pub(crate) began: Instant,
}

/// A page whose files lie, synced, under temporary names.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) kept: KeptPage,
    pub(crate) signature: Signature,
    /// What may be dirt on the glass, if the page was laid on it.
    pub(crate) specks: Option<Specks>,
    /// Where the sheet begins, across and down in mm, if its edges were seen.
    pub(crate) corner_mm: Option<(f64, f64)>,
    /// A JPEG for the screen, if there is one.
    pub(crate) preview: Option<Vec<u8>>,
    /// Temporary and final name of each file.
    moves: [(PathBuf, PathBuf); 2],
}

/// Looks at the page, straightens it, and writes its files. Runs for as long as a page takes; call it off the main loop.
pub(crate) fn make(job: &Job, context: &Context) -> Result<Made, KeepError> {
    let layout = job.raw.layout;
    let size = (layout.width as usize, layout.height as usize);
    let view = View::new(layout.mode, size, layout.stride, layout.dpi.get(), job.raw.bytes())?;
    let volume = &context.plan.volumes[job.page.volume];
    let (file, master) =
        names(&context.plan, &volume.code, job.page, encode::extension(layout.mode, &context.profile.pages));
    let finals = [context.out.join(&file), context.out.join(&master)];
    let moves = finals.map(|to| (temporary(&to, job.attempt), to));
    for (_, to) in &moves {
        let folder = to.parent().unwrap_or(Path::new("."));
        create_folders(folder).map_err(named(folder))?;
    }
    // The master goes to the disk while the processor looks at the page, on a thread of its own: what the pipeline needs of a
    // stack ends with it, instead of staying with each of the pool's threads that ever made a page.
    let untouched = metadata(job, context, vec!["none: the pixels as the scanner gave them".into()]);
    let (mastered, made) = thread::scope(|scope| {
        let maker = thread::Builder::new().name("page".into());
        let making = maker.spawn_scoped(scope, || deliver_to(&moves[0].0, &view, job, context));
        let mastered = write_synced(&moves[1].0, |out| encode::master(Direct(out), &view, &untouched));
        (mastered, making.map(|page| page.join().unwrap_or_else(|panic| resume_unwind(panic))))
    });
    mastered?;
    let no_thread = |error| KeepError::Pipeline(format!("no thread could be started for it: {error}"));
    let (findings, metadata, delivered) = made.map_err(no_thread)??;
    let bytes = &delivered.file;

    let preview = delivered.preview.map(|small| encode::jpeg(&small.view(), 75, &metadata)).transpose()?;
    let sha256 = hex(&Sha256::digest(bytes));
    let flags = findings.flags.iter().map(|f| f.name().to_string()).collect();
    let event = PageAccepted {
        batch: context.plan.batch.to_string(),
        volume: volume.code.to_string(),
        number: job.page.number,
        file,
        bytes: bytes.len() as u64,
        sha256,
        dpi: layout.dpi.get(),
        mode: layout.mode,
        source: context.settings.source,
        width: u32::try_from(delivered.width).unwrap_or(u32::MAX),
        height: u32::try_from(delivered.height).unwrap_or(u32::MAX),
        angle: round(findings.angle, 1e4),
        applied: round(findings.applied, 1e4),
        confidence: round(findings.confidence, 1e3),
        flags,
        same_as: None,
        interlock: job.interlock,
        overridden: job.overridden.clone(),
        took_ms: u64::try_from(job.began.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    let record = json!({
        "scan": {
            "station": context.station, "device": context.device, "asked": context.settings, "taken": job.taken,
            "layout": layout, "scanned_at": job.scanned_at, "operator": context.operator, "software": SOFTWARE,
        },
        "certificate": job.certificate,
        "watched": job.certificate.and(job.watch).map(|watch| json!({ "lid": watch.lid(), "corner": watch.corner() })),
        "profile": { "name": context.profile.pages.name, "version": context.profile.pages.version, "sha256": context.profile.sha256, "quality": context.profile.pages.quality },
        "quality": findings.quality,
        "steps": metadata.steps,
    });
    let Findings { signature, specks, corner_mm, .. } = findings;
    let kept = KeptPage { page: job.page, master, record, event, signature: signature.to_bytes() };
    Ok(Made { kept, signature, specks, corner_mm, preview, moves })
}

impl Made {
    /// An earlier page of the volume shows the same sheet.
    pub(crate) fn shows_the_same_sheet_as(&mut self, number: u32) {
        let event = &mut self.kept.event;
        event.flags.push(Flag::SameSheet.name().into());
        event.same_as = Some(number);
    }

    /// Dirt was seen on the glass, at these places in mm from the scan's corner.
    pub(crate) fn shows_dirt_at(&mut self, places: &[(f64, f64)]) {
        self.kept.event.flags.push(Flag::DirtyGlass.name().into());
        self.kept.record["dirt_mm"] = places.iter().map(|&(x, y)| json!([round(x, 10.0), round(y, 10.0)])).collect();
    }
}

impl Context {
    fn lay(&self) -> Lay {
        match self.settings.source {
            Source::Flatbed => Lay::Glass,
            Source::Adf | Source::Duplex => Lay::Feeder,
        }
    }
}

/// Looks at the page, straightens it and writes the delivered image.
fn deliver_to(
    file: &Path,
    view: &View<'_>,
    job: &Job,
    context: &Context,
) -> Result<(Findings, encode::Metadata, Delivered), KeepError> {
    // The worker reduces a page while it comes.
    let fine = pages::adopted(job.raw.reduced(), view).unwrap_or_else(|| pages::reduced(view));
    let profile = &context.profile.pages;
    let mut findings = pages::examine(view, &fine, profile, context.lay());
    let described = |findings: &Findings| metadata(job, context, pages::steps(findings));
    let delivered = deliver::deliver(view, &mut findings, profile, context.previews, described)?;
    let metadata = described(&findings);
    write_synced(file, |out| Ok(out.write_all(&delivered.file)?))?;
    Ok((findings, metadata, delivered))
}

fn round(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}

/// Paths of a page below the output folder: delivered image and master.
fn names(plan: &Plan, code: &ArchivalCode, page: PageId, extension: &str) -> (String, String) {
    let folder = format!("{}/{code}", plan.batch);
    let number = page.number;
    (format!("{folder}/{number:04}.{extension}"), format!("{folder}/{MASTER}/{number:04}.tif"))
}

fn temporary(file: &Path, attempt: u32) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}{PART}{attempt}"))
}

fn write_synced(
    file: &Path,
    write: impl FnOnce(&mut File) -> Result<(), encode::EncodeError>,
) -> Result<(), KeepError> {
    let mut out = File::create(file).map_err(named(file))?;
    write(&mut out)?;
    out.sync_all().map_err(named(file))
}

/// A file whose large, aligned writes pass by the page cache: a master is written once and not read again soon, and the
/// copy into the cache costs as much as the rest of the page. File systems that cannot do it get a plain write.
struct Direct<'a>(&'a mut File);

impl Direct<'_> {
    const ALIGN: usize = 4096;

    fn write_direct(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let flags = rustix::fs::fcntl_getfl(&*self.0)?;
        rustix::fs::fcntl_setfl(&*self.0, flags | OFlags::DIRECT)?;
        let written = self.0.write(bytes);
        rustix::fs::fcntl_setfl(&*self.0, flags)?;
        written
    }
}

impl Write for Direct<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let whole = bytes.len() / Self::ALIGN * Self::ALIGN;
        let aligned = bytes.as_ptr().addr().is_multiple_of(Self::ALIGN)
            && self.0.stream_position()?.is_multiple_of(Self::ALIGN as u64);
        if whole > 0
            && aligned
            && let Ok(written) = self.write_direct(&bytes[..whole])
        {
            return Ok(written);
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for Direct<'_> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// Gives a made page its names, for good.
pub(crate) fn place(made: &Made) -> Result<(), KeepError> {
    for (from, to) in &made.moves {
        match fs::rename(from, to) {
            // It has its name already from a try that failed later.
            Err(e) if e.kind() == io::ErrorKind::NotFound && to.is_file() => {}
            done => done.map_err(named(to))?,
        }
    }
    for (_, to) in &made.moves {
        let folder = to.parent().unwrap_or(Path::new("."));
        sync_folder(folder).map_err(named(folder))?;
    }
    Ok(())
}

/// Throws away a page that was made but will not be kept.
pub(crate) fn discard(made: &Made) {
    for (from, _) in &made.moves {
        if let Err(error) = fs::remove_file(from) {
            tracing::warn!(file = %from.display(), %error, "a temporary file could not be removed");
        }
    }
}

/// Writes a small file so that it is either the old one or the new one, whatever happens.
pub(crate) fn replace(file: &Path, bytes: &[u8]) -> Result<(), KeepError> {
    let part = temporary(file, 0);
    let folder = file.parent().unwrap_or(Path::new("."));
    create_folders(folder).map_err(named(folder))?;
    write_synced(&part, |out| Ok(out.write_all(bytes)?))?;
    fs::rename(&part, file).map_err(named(file))?;
    sync_folder(folder).map_err(named(folder))
}

/// After a start: removes what a kill left half done in a batch's folder. A page that has its name but is not in the
/// journal was never told to anybody; it is moved to `lost_found`, because nothing scanned is ever deleted.
pub(crate) fn sweep(out: &Path, plan: &Plan, known: &HashSet<String>, lost_found: &Path) -> Result<u32, KeepError> {
    let mut moved = 0;
    for volume in &plan.volumes {
        let folder = format!("{}/{}", plan.batch, volume.code);
        for folder in [folder.clone(), format!("{folder}/{MASTER}")] {
            let path = out.join(&folder);
            let Ok(entries) = fs::read_dir(&path) else { continue };
            for entry in entries {
                let entry = entry.map_err(named(&path))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with('.') && name.contains(PART) {
                    fs::remove_file(entry.path()).map_err(named(&entry.path()))?;
                } else if entry.path().is_file() && !known.contains(&format!("{folder}/{name}")) {
                    create_folders(lost_found).map_err(named(lost_found))?;
                    let stamp = Timestamp::now().as_millisecond();
                    let to = lost_found.join(format!("{stamp}-{}", format!("{folder}/{name}").replace('/', "_")));
                    // Across file systems a rename fails; then it stays and is overwritten by the page's next scan.
                    match fs::rename(entry.path(), &to) {
                        Ok(()) => moved += 1,
                        Err(error) => tracing::warn!(file = %entry.path().display(), %error, "left where it is"),
                    }
                }
            }
        }
    }
    Ok(moved)
}

fn named(file: &Path) -> impl Fn(io::Error) -> KeepError + '_ {
    move |source| KeepError::Io { file: file.into(), source }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
