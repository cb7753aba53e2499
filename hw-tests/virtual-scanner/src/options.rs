//! The option table: names, types and limits as a fujitsu has them.

use sane_sys::{OptionDescriptor, Range, option, value_type};
use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr::null,
};

/// Index of each option; the order is that of [`table`].
pub(crate) mod index {
    pub(crate) const COUNT: usize = 0;
    pub(crate) const SOURCE: usize = 2;
    pub(crate) const MODE: usize = 3;
    pub(crate) const RESOLUTION: usize = 4;
    pub(crate) const PAGE_WIDTH: usize = 6;
    pub(crate) const PAGE_HEIGHT: usize = 7;
    pub(crate) const TL_X: usize = 8;
    pub(crate) const BR_Y: usize = 11;
    pub(crate) const SCAN: usize = 13;
    pub(crate) const PAGE_LOADED: usize = 14;
    pub(crate) const COVER_OPEN: usize = 15;
    pub(crate) const DOUBLE_FEED: usize = 16;
}

pub(crate) const SOURCES: [&CStr; 3] = [c"Flatbed", c"ADF Front", c"ADF Duplex"];
pub(crate) const MODES: [&CStr; 3] = [c"Lineart", c"Gray", c"Color"];
pub(crate) const RESOLUTIONS: [c_int; 4] = [150, 200, 300, 600];

const MM: c_int = 65536;
/// The glass, in SANE fixed point: 240 × 330 mm, so that a sheet and a rim of lid are seen.
pub(crate) const GLASS: [c_int; 2] = [240 * MM, 330 * MM];
/// A4, the area set when the device is opened.
pub(crate) const A4: [c_int; 2] = [210 * MM, 297 * MM];

struct Static<T>(T);
// SAFETY: pointers to literals and statics, never written.
unsafe impl<T> Sync for Static<T> {}

static SOURCE_LIST: Static<[*const c_char; 4]> =
    Static([SOURCES[0].as_ptr(), SOURCES[1].as_ptr(), SOURCES[2].as_ptr(), null()]);
static MODE_LIST: Static<[*const c_char; 4]> =
    Static([MODES[0].as_ptr(), MODES[1].as_ptr(), MODES[2].as_ptr(), null()]);
static RESOLUTION_LIST: [c_int; 5] =
    [RESOLUTIONS.len() as c_int, RESOLUTIONS[0], RESOLUTIONS[1], RESOLUTIONS[2], RESOLUTIONS[3]];
static ACROSS: Range = Range { min: 0, max: GLASS[0], quant: 0 };
static DOWN: Range = Range { min: 0, max: GLASS[1], quant: 0 };

/// The descriptors of one open device.
pub(crate) struct Table(pub(crate) Vec<OptionDescriptor>);
// SAFETY: as Static.
unsafe impl Send for Table {}

pub(crate) fn table() -> Table {
    let set = option::CAP_SOFT_SELECT | option::CAP_SOFT_DETECT;
    let sensor = option::CAP_SOFT_DETECT | option::CAP_ADVANCED;
    let group = |title: &'static CStr| entry(c"", title, value_type::GROUP, 0, 0);
    let list = |mut d: OptionDescriptor, kind: c_int, constraint: *const c_void| {
        (d.constraint_type, d.constraint) = (kind, constraint);
        d
    };
    let mm = |name: &'static CStr, range: &'static Range| {
        let mut d = entry(name, name, value_type::FIXED, 4, set);
        d.unit = option::UNIT_MM;
        list(d, option::CONSTRAINT_RANGE, std::ptr::from_ref(range).cast())
    };
    let mut resolution = entry(c"resolution", c"Scan resolution", value_type::INT, 4, set);
    resolution.unit = option::UNIT_DPI;
    let string = |name: &'static CStr, title: &'static CStr| entry(name, title, value_type::STRING, 16, set);
    Table(vec![
        entry(c"", c"Number of options", value_type::INT, 4, option::CAP_SOFT_DETECT),
        group(c"Scan mode"),
        list(string(c"source", c"Scan source"), option::CONSTRAINT_STRINGS, SOURCE_LIST.0.as_ptr().cast()),
        list(string(c"mode", c"Scan mode"), option::CONSTRAINT_STRINGS, MODE_LIST.0.as_ptr().cast()),
        list(resolution, option::CONSTRAINT_WORDS, RESOLUTION_LIST.as_ptr().cast()),
        group(c"Geometry"),
        mm(c"page-width", &ACROSS),
        mm(c"page-height", &DOWN),
        mm(c"tl-x", &ACROSS),
        mm(c"tl-y", &DOWN),
        mm(c"br-x", &ACROSS),
        mm(c"br-y", &DOWN),
        group(c"Sensors"),
        entry(c"scan", c"Scan button", value_type::BOOL, 4, sensor | option::CAP_HARD_SELECT),
        entry(c"page-loaded", c"Page loaded", value_type::BOOL, 4, sensor),
        entry(c"cover-open", c"Cover open", value_type::BOOL, 4, sensor),
        entry(c"double-feed", c"Double feed", value_type::BOOL, 4, sensor),
    ])
}

fn entry(name: &'static CStr, title: &'static CStr, value_type: c_int, size: c_int, cap: c_int) -> OptionDescriptor {
    OptionDescriptor {
        name: name.as_ptr(),
        title: title.as_ptr(),
        desc: title.as_ptr(),
        value_type,
        unit: 0,
        size,
        cap,
        constraint_type: option::CONSTRAINT_NONE,
        constraint: null(),
    }
}
