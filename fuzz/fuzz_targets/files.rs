//! Whatever an image file holds, it is a page or is refused with a reason.
#![no_main]
// Both are parts of a program; here only some of them is called.
#![allow(dead_code, unused_imports)]

#[path = "../../station/src/pages/mod.rs"]
mod pages;
#[path = "../../station/src/page_file/read.rs"]
mod read;
#[path = "../../station/src/page_file/resolution.rs"]
mod resolution;

use libfuzzer_sys::fuzz_target;
use std::{env, fs, process};

fuzz_target!(|data: &[u8]| {
    // Files are read by name. One of its own for each process, in memory where the machine has that.
    let folder = if fs::exists("/dev/shm").unwrap_or(false) { "/dev/shm".into() } else { env::temp_dir() };
    let file = folder.join(format!("platen-fuzz-{}", process::id()));
    fs::write(&file, data).expect("room for a file");
    if let Err(why) = read::read(&file, 300) {
        assert!(!why.to_string().is_empty());
    }
});
