//! The desk: the folder that holds everything about one virtual scanner.
//!
//! ```text
//! scanner.toml      settings, see Settings
//! faults            the fault script, see Fault
//! position          how many images were taken so far; an operator who puts sheets back writes a smaller number
//! glass             number of the image that lies on the glass (from 0); without this file each start takes the next
//! started           when the last page was started, in nanoseconds since 1970
//! state/            one empty file for each flag that is set: cover-open jammed unplugged busy denied scan-button
//! cache/            decoded pages
//! ```

use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// `scanner.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Folder of page images (PNG, JPEG, TIFF, PNM), taken in the order of their names, again and again.
    pub pages: PathBuf,
    /// How many images are in the feeder.
    pub count: u32,
    /// Pages a minute; 0 = as fast as memory.
    #[serde(default)]
    pub ppm: f64,
    /// The feeder, not the glass, is the source that is set when the device is opened.
    #[serde(default)]
    pub adf: bool,
    /// Resolution of images that do not say their own.
    #[serde(default = "default_dpi")]
    pub dpi: u32,
    /// Milliseconds a listing takes.
    #[serde(default)]
    pub list_ms: u64,
    /// Bytes of padding behind each line.
    #[serde(default)]
    pub padding: u32,
    /// The number of lines is told as −1.
    #[serde(default)]
    pub unknown_lines: bool,
    /// At most so many bytes are given to one read; 0 = as many as asked for.
    #[serde(default)]
    pub chunk: usize,
    /// Colour comes as three frames, one after the other.
    #[serde(default)]
    pub three_pass: bool,
}

fn default_dpi() -> u32 {
    300
}

impl Settings {
    /// A scanner that feeds `count` images of `pages`.
    #[must_use]
    pub fn new(pages: &Path, count: u32) -> Self {
        Self {
            pages: pages.into(),
            count,
            ppm: 0.0,
            adf: false,
            dpi: default_dpi(),
            list_ms: 0,
            padding: 0,
            unknown_lines: false,
            chunk: 0,
            three_pass: false,
        }
    }
}

/// When a fault happens within a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// In `sane_start`.
    Start,
    /// In the read that reaches this line.
    Line(u32),
}

/// What happens. Each fault of a script happens once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Paper jam.
    Jam,
    /// Paper jam that stays until `state/jammed` is removed.
    StickyJam,
    /// Two sheets at once, told as a jam.
    DoubleFeed,
    /// The cover is open.
    Cover,
    /// The device's input or output failed.
    Io,
    /// The cable is pulled.
    Unplug,
    /// The page ends too early.
    Eof,
    /// The feeder is said to be empty.
    NoDocs,
    /// Any number as a status.
    Status(i32),
    /// The backend writes to an address that is not there.
    Segv,
    /// The backend calls abort.
    Abort,
    /// The backend never returns, also after a cancel.
    Hang,
    /// Reads succeed with 0 bytes for ever.
    Zero,
    /// Reads succeed with −1 bytes for ever.
    Negative,
    /// A read succeeds and leaves the length as it was.
    Stale,
    /// From here on the page is grey 0x80, as a decoder leaves it after a truncated transfer.
    FlatTail,
}

/// One line of the fault script: `PAGE MOMENT ACT`, for example `3 1200 jam` or `2 start cover`. PAGE is the image's
/// number from 1, MOMENT is `start` or a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Number of the image, from 1.
    pub page: u32,
    /// When.
    pub moment: Moment,
    /// What.
    pub act: Act,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<_> = line.split_whitespace().collect();
        let [page, moment, act] = words[..] else {
            return Err(format!("{line:?}: three words are wanted, PAGE MOMENT ACT"));
        };
        let page = page.parse().map_err(|_| format!("{page:?} is not a page number"))?;
        let moment = match moment {
            "start" => Moment::Start,
            line => Moment::Line(line.parse().map_err(|_| format!("{line:?} is neither start nor a line"))?),
        };
        let act = match act {
            "jam" => Act::Jam,
            "sticky-jam" => Act::StickyJam,
            "double-feed" => Act::DoubleFeed,
            "cover" => Act::Cover,
            "io" => Act::Io,
            "unplug" => Act::Unplug,
            "eof" => Act::Eof,
            "no-docs" => Act::NoDocs,
            "segv" => Act::Segv,
            "abort" => Act::Abort,
            "hang" => Act::Hang,
            "zero" => Act::Zero,
            "negative" => Act::Negative,
            "stale" => Act::Stale,
            "flat-tail" => Act::FlatTail,
            other => match other.strip_prefix("status:").and_then(|n| n.parse().ok()) {
                Some(status) => Act::Status(status),
                None => return Err(format!("{other:?} is not a fault")),
            },
        };
        Ok(Self { page, moment, act })
    }
}

/// A desk on disk.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The folder.
    pub folder: PathBuf,
    /// As read from `scanner.toml`.
    pub settings: Settings,
}

impl Desk {
    /// Makes a new desk in `folder`.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn create(folder: &Path, settings: Settings) -> io::Result<Self> {
        fs::create_dir_all(folder.join("state"))?;
        fs::create_dir_all(folder.join("cache"))?;
        let text = toml::to_string(&settings).map_err(io::Error::other)?;
        fs::write(folder.join("scanner.toml"), text)?;
        Ok(Self { folder: folder.into(), settings })
    }

    /// Opens the desk in `folder`.
    ///
    /// # Errors
    /// If `scanner.toml` is not there or not understood.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let file = folder.join("scanner.toml");
        let named = |e: &dyn std::fmt::Display| io::Error::other(format!("{}: {e}", file.display()));
        let settings = toml::from_str(&fs::read_to_string(&file).map_err(|e| named(&e))?).map_err(|e| named(&e))?;
        Ok(Self { folder: folder.into(), settings })
    }

    /// Whether a flag of `state/` is set.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.folder.join("state").join(name).exists()
    }

    /// Sets or clears a flag of `state/`.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn set_flag(&self, name: &str, on: bool) -> io::Result<()> {
        let file = self.folder.join("state").join(name);
        if on {
            fs::write(file, "")
        } else {
            fs::remove_file(file).or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
        }
    }

    fn number(&self, file: &str) -> Option<u32> {
        fs::read_to_string(self.folder.join(file)).ok()?.trim().parse().ok()
    }

    /// Images taken so far.
    #[must_use]
    pub fn position(&self) -> u32 {
        self.number("position").unwrap_or(0)
    }

    /// Puts sheets back, or takes them out.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn set_position(&self, position: u32) -> io::Result<()> {
        fs::write(self.folder.join("position"), position.to_string())
    }

    /// Notes that a page was started now.
    pub(crate) fn note_start(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        if let Err(e) = fs::write(self.folder.join("started"), now.to_string()) {
            eprintln!("virtual scanner: {e}");
        }
    }

    /// When the last page was started.
    #[must_use]
    pub fn started(&self) -> Option<SystemTime> {
        let nanos: u64 = fs::read_to_string(self.folder.join("started")).ok()?.trim().parse().ok()?;
        Some(UNIX_EPOCH + Duration::from_nanos(nanos))
    }

    /// The image on the glass, if a script laid one.
    #[must_use]
    pub fn glass(&self) -> Option<u32> {
        self.number("glass")
    }

    /// Lays an image on the glass; it stays until another is laid.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn lay(&self, image: u32) -> io::Result<()> {
        let part = self.folder.join("glass.part");
        fs::write(&part, image.to_string())?;
        fs::rename(part, self.folder.join("glass"))
    }

    /// Writes the fault script.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn write_faults(&self, script: &str) -> io::Result<()> {
        fs::write(self.folder.join("faults"), script)
    }

    /// The faults of image `page` (from 1) that have not happened yet, with their line in the script.
    ///
    /// # Errors
    /// Names the line that is not understood.
    pub fn faults(&self, page: u32) -> Result<Vec<(usize, Fault)>, String> {
        let script = fs::read_to_string(self.folder.join("faults")).unwrap_or_default();
        let mut faults = Vec::new();
        for (n, line) in script.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#')) {
            let fault: Fault = line.parse().map_err(|e| format!("faults, line {}: {e}", n + 1))?;
            if fault.page == page && !self.flag(&format!("happened-{n}")) {
                faults.push((n, fault));
            }
        }
        Ok(faults)
    }

    /// Marks a fault of the script as done.
    pub fn happened(&self, line: usize) {
        if let Err(e) = self.set_flag(&format!("happened-{line}"), true) {
            eprintln!("virtual scanner: {e}");
        }
    }
}
