//! A safe handle on libsane, for the worker process only: one thread, one open device.

#![allow(unsafe_code)] // calls into C

use super::{
    DeviceInfo, Fault, ScanSettings, Taken,
    options::{self, Allowed, Kind, OptionInfo, Value},
    wire::ScannerSensors,
};
use sane_sys::{Device, Handle, Parameters, Sane, option, status, value_type};
use std::{
    ffi::{CString, c_int, c_void},
    ptr::{null, null_mut},
};

/// How far a length read back may differ: backends round to their pixels and to whole millimetres.
const AREA_TOLERANCE_MM: f64 = 1.0;

/// libsane, loaded and initialised once for the life of the process. It is never exited: the process ends instead.
pub(crate) struct Library(Sane);

impl Library {
    pub(crate) fn load() -> Result<Self, Fault> {
        let sane = Sane::load("libsane.so.1").map_err(|e| Fault::NoLibrary { reason: e.to_string() })?;
        let mut version: c_int = 0;
        // SAFETY: first call into the library; the pointer is valid.
        check(unsafe { (sane.init)(&raw mut version, None) }, "starting SANE")?;
        Ok(Self(sane))
    }

    pub(crate) fn devices(&self) -> Result<Vec<DeviceInfo>, Fault> {
        let mut list: *const *const Device = null();
        // SAFETY: initialised; the list stays valid until the next call.
        check(unsafe { (self.0.get_devices)(&raw mut list, 0) }, "listing the scanners")?;
        let mut found = Vec::new();
        // SAFETY: the list is null-terminated, and its strings are C strings or null.
        unsafe {
            while !list.is_null() && !(*list).is_null() {
                let d = **list;
                found.push(DeviceInfo {
                    name: sane_sys::text(d.name),
                    vendor: sane_sys::text(d.vendor),
                    model: sane_sys::text(d.model),
                    kind: sane_sys::text(d.kind),
                });
                list = list.add(1);
            }
        }
        Ok(found)
    }

    pub(crate) fn open(&self, device: &str) -> Result<Scanner<'_>, Fault> {
        let name =
            CString::new(device).map_err(|_| Fault::NoSuchDevice { device: device.into(), known: Vec::new() })?;
        let mut handle: Handle = null_mut();
        // SAFETY: initialised; both pointers are valid.
        match unsafe { (self.0.open)(name.as_ptr(), &raw mut handle) } {
            status::GOOD => Ok(Scanner { sane: &self.0, handle }),
            status::INVAL => {
                let known = self.devices()?.into_iter().map(|d| d.name).collect();
                Err(Fault::NoSuchDevice { device: device.into(), known })
            }
            other => Err(Fault::from_status(other, "opening the scanner")),
        }
    }
}

fn check(got: sane_sys::Status, doing: &str) -> Result<(), Fault> {
    if got == status::GOOD { Ok(()) } else { Err(Fault::from_status(got, doing)) }
}

/// An open device. It is not closed: the process ends instead, and with it whatever a backend left behind.
pub(crate) struct Scanner<'a> {
    sane: &'a Sane,
    handle: Handle,
}

impl Scanner<'_> {
    /// Sets everything, reads it back, and compares.
    pub(crate) fn configure(&self, wanted: &ScanSettings) -> Result<Taken, Fault> {
        let source = self.apply(&options::source(&self.options(), wanted.source)?)?;
        let mode = self.apply(&options::mode(&self.options(), wanted.mode)?)?;
        let dpi = wanted.dpi.get();
        self.apply(&options::resolution(&self.options(), dpi)?)?;
        let area = match options::area(&self.options(), wanted.area, wanted.source)? {
            None => (0.0, 0.0),
            Some((w, h)) => {
                // Page size before corners, far corner before near: otherwise fujitsu cuts them off.
                for (name, mm) in
                    [("page-width", w), ("page-height", h), ("tl-x", 0.0), ("tl-y", 0.0), ("br-x", w), ("br-y", h)]
                {
                    if options::find(&self.options(), &[name]).is_some_and(|o| o.settable) {
                        self.set(name, &Value::Number(mm))?;
                    }
                }
                (w, h)
            }
        };
        // Setting one option may have moved another: look at all of them once more.
        for (name, value) in source.iter().chain(&mode) {
            self.compare(name, value)?;
        }
        for (name, value) in options::resolution(&self.options(), dpi)? {
            self.compare(&name, &value)?;
        }
        if area != (0.0, 0.0) {
            self.compare("br-x", &Value::Number(area.0))?;
            self.compare("br-y", &Value::Number(area.1))?;
        }
        let word = |plan: &[(String, Value)]| plan.iter().map(|(_, v)| v.to_string()).collect::<Vec<_>>().join(" ");
        Ok(Taken { source: word(&source), mode: word(&mode), dpi, area_mm: area })
    }

    fn apply(&self, plan: &[(String, Value)]) -> Result<Vec<(String, Value)>, Fault> {
        for (name, value) in plan {
            self.set(name, value)?;
        }
        Ok(plan.to_vec())
    }

    fn compare(&self, name: &str, asked: &Value) -> Result<(), Fault> {
        let took = self.get(name)?;
        let same = match (asked, &took) {
            (Value::Number(a), Value::Number(t)) if name.starts_with("br-") => (a - t).abs() <= AREA_TOLERANCE_MM,
            (Value::Number(a), Value::Number(t)) => (a - t).abs() < 0.5,
            (a, t) => a == t,
        };
        if same {
            return Ok(());
        }
        Err(Fault::Mismatch { option: name.into(), asked: asked.to_string(), took: took.to_string() })
    }

    /// All sensors. Reading the start button clears it in most devices.
    pub(crate) fn sensors(&self) -> ScannerSensors {
        ScannerSensors {
            cover_open: self.sensor(&["cover-open"]),
            page_loaded: self.sensor(&["page-loaded", "adf-loaded"]),
            start_button: self.sensor(&["scan", "start"]),
            double_feed: self.sensor(&["double-feed"]),
        }
    }

    /// One sensor by its names, `None` if the device has it not.
    pub(crate) fn sensor(&self, names: &[&str]) -> Option<bool> {
        let options = self.options();
        let option = options::find(&options, names).filter(|o| o.kind == Kind::Bool)?;
        match self.get(&option.name) {
            Ok(Value::Bool(on)) => Some(on),
            Ok(Value::Number(_) | Value::Text(_)) | Err(_) => None,
        }
    }

    pub(crate) fn start(&self) -> Result<Parameters, Fault> {
        // SAFETY: the handle is open.
        check(unsafe { (self.sane.start)(self.handle) }, "starting the scan")?;
        let mut parameters = Parameters::default();
        // SAFETY: the handle is open, the pointer valid.
        check(unsafe { (self.sane.get_parameters)(self.handle, &raw mut parameters) }, "asking for the page's size")?;
        Ok(parameters)
    }

    /// Reads once into `out`. `Ok(None)` is the end of the page.
    pub(crate) fn read(&self, out: &mut [u8]) -> Result<Option<usize>, Fault> {
        let max = c_int::try_from(out.len()).unwrap_or(c_int::MAX);
        let mut len: c_int = 0;
        // SAFETY: the handle is open; out has room for max bytes.
        match unsafe { (self.sane.read)(self.handle, out.as_mut_ptr(), max, &raw mut len) } {
            status::GOOD => match usize::try_from(len).ok().filter(|&n| n <= out.len()) {
                Some(n) => Ok(Some(n)),
                None => {
                    Err(Fault::DeviceIo { what: format!("the driver gave {len} bytes where {max} were asked for") })
                }
            },
            status::EOF => Ok(None),
            status::JAMMED if self.sensor(&["double-feed"]) == Some(true) => Err(Fault::DoubleFeed),
            other => Err(Fault::from_status(other, "reading the page")),
        }
    }

    pub(crate) fn cancel(&self) {
        // SAFETY: the handle is open.
        unsafe { (self.sane.cancel)(self.handle) };
    }

    fn options(&self) -> Vec<OptionInfo> {
        (1..).map_while(|n| self.describe(n)).collect()
    }

    fn describe(&self, index: c_int) -> Option<OptionInfo> {
        // SAFETY: the handle is open; the descriptor stays valid until options are reloaded, and is copied here.
        let d = unsafe { (self.sane.get_option_descriptor)(self.handle, index).as_ref() }?;
        let kind = match d.value_type {
            value_type::BOOL => Kind::Bool,
            value_type::INT => Kind::Int,
            value_type::FIXED => Kind::Fixed,
            value_type::STRING => Kind::Text,
            _ => Kind::Other,
        };
        let number = |word: c_int| if kind == Kind::Fixed { sane_sys::unfix(word) } else { f64::from(word) };
        // SAFETY: the constraint's type says what the pointer leads to.
        let allowed = unsafe {
            match d.constraint_type {
                _ if d.constraint.is_null() => Allowed::Anything,
                option::CONSTRAINT_RANGE => {
                    let r = *d.constraint.cast::<sane_sys::Range>();
                    Allowed::Range { min: number(r.min), max: number(r.max) }
                }
                option::CONSTRAINT_WORDS => {
                    let words = d.constraint.cast::<c_int>();
                    let n = usize::try_from(*words).unwrap_or(0);
                    Allowed::Words((1..=n).map(|i| number(*words.add(i))).collect())
                }
                option::CONSTRAINT_STRINGS => {
                    let mut at = d.constraint.cast::<*const std::ffi::c_char>();
                    let mut texts = Vec::new();
                    while !(*at).is_null() {
                        texts.push(sane_sys::text(*at));
                        at = at.add(1);
                    }
                    Allowed::Texts(texts)
                }
                _ => Allowed::Anything,
            }
        };
        Some(OptionInfo {
            index,
            // SAFETY: a C string or null.
            name: unsafe { sane_sys::text(d.name) },
            kind,
            size: usize::try_from(d.size).unwrap_or(0),
            usable: d.cap & option::CAP_INACTIVE == 0 && d.cap & option::CAP_SOFT_DETECT != 0,
            settable: d.cap & option::CAP_SOFT_SELECT != 0,
            allowed,
        })
    }

    fn named(&self, name: &str) -> Result<OptionInfo, Fault> {
        let missing = || Fault::Unsupported { what: format!("the scanner has no option {name} in this setting") };
        options::find(&self.options(), &[name]).cloned().ok_or_else(missing)
    }

    fn get(&self, name: &str) -> Result<Value, Fault> {
        let option = self.named(name)?;
        let mut buffer = vec![0u8; option.size.max(8) + 1];
        self.control(&option, option::GET, buffer.as_mut_ptr().cast(), "reading option")?;
        let word = c_int::from_ne_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]);
        Ok(match option.kind {
            Kind::Bool => Value::Bool(word != 0),
            Kind::Fixed => Value::Number(sane_sys::unfix(word)),
            Kind::Int | Kind::Other => Value::Number(f64::from(word)),
            Kind::Text => {
                let end = buffer.iter().position(|&b| b == 0).unwrap_or(0);
                Value::Text(String::from_utf8_lossy(&buffer[..end]).into_owned())
            }
        })
    }

    fn set(&self, name: &str, value: &Value) -> Result<(), Fault> {
        let option = self.named(name)?;
        let mut buffer = vec![0u8; option.size.max(8) + 1];
        let word = match (value, option.kind) {
            (Value::Text(text), _) => {
                let n = text.len().min(buffer.len() - 1);
                buffer[..n].copy_from_slice(&text.as_bytes()[..n]);
                None
            }
            (Value::Number(n), Kind::Fixed) => Some(sane_sys::fix(*n)),
            (Value::Number(n), _) => Some(n.round() as c_int),
            (Value::Bool(on), _) => Some(c_int::from(*on)),
        };
        if let Some(word) = word {
            buffer[..4].copy_from_slice(&word.to_ne_bytes());
        }
        self.control(&option, option::SET, buffer.as_mut_ptr().cast(), "setting option").map_err(|fault| match fault {
            Fault::DeviceIo { .. } => {
                Fault::Refused { option: name.into(), asked: value.to_string(), allowed: option.allowed.to_string() }
            }
            other => other,
        })
    }

    fn control(&self, option: &OptionInfo, action: c_int, value: *mut c_void, doing: &str) -> Result<(), Fault> {
        // SAFETY: the handle is open; value has room for the descriptor's size and a final zero.
        let got = unsafe { (self.sane.control_option)(self.handle, option.index, action, value, null_mut()) };
        check(got, &format!("{doing} {}", option.name))
    }
}
