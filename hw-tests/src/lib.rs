//! The rig: everything around a station and a supervisor, as real as it can be without a desk.

pub mod authority;
pub mod bad_disk;
pub mod bench;
pub mod board;
pub mod browser;
pub mod chance;
pub mod chip;
pub mod demo;
pub mod drawn;
pub mod flatbed;
pub mod house;
pub mod losses;
pub mod mosquitto;
pub mod pages;
pub mod process;
pub mod rig;
pub mod scanner;
pub mod soak;
pub mod station;
pub mod supervisor;
pub mod terminal;
pub mod torn;
pub mod ups;
