//! The stories of a bench with real devices, `hw-tests/rigs/bench.toml`. Where a device is not there, its story says that it
//! was skipped, and why. That they can fail is shown on emulated devices.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use hw_tests::{
    board::EmulatedBoard,
    pages,
    process::{artifact, wait},
    rig::{Rig, Told},
    scanner::{DEVICE, VirtualScanner},
    ups::Ups,
};
use platen_protocol::board::ClimateFault;
use std::{path::PathBuf, process::Command};
use virtual_scanner::desk::Settings;

#[test]
fn what_is_on_the_bench_works() {
    let named = std::env::var_os("RIG").map(PathBuf::from);
    let file = named.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("rigs/bench.toml"));
    let rig = Rig::load(&file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let station = || Command::new(artifact("platen-station").unwrap());
    let stories = [
        ("board", rig.board_story(&station)),
        ("scanner", rig.scanner_story(&station, folder.path())),
        ("ups", rig.ups_story(&station, folder.path())),
    ];
    for (part, story) in stories {
        match story.unwrap_or_else(|e| panic!("{part}: {e:#}")) {
            Told::Ran(found) => println!("{part}: ran. {found}"),
            // Who names a rig wants it tested.
            Told::Skipped(why) if named.is_some() => panic!("{part} of {}: {why}", file.display()),
            Told::Skipped(why) => println!("{part}: skipped. {why}"),
        }
    }
}

#[test]
fn the_stories_of_a_bench_run_on_what_is_there_and_fail_on_what_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    pages::write_numbered(&folder.path().join("pages"), 1).unwrap();
    let settings = Settings { dpi: 200, ..Settings::new(&folder.path().join("pages"), 1) };
    let scanner = VirtualScanner::create(folder.path(), settings).unwrap();
    let board = EmulatedBoard::plug_in(&folder.path().join("board")).unwrap();
    let mut ups = Ups::start(&folder.path().join("nut")).unwrap();
    let rig = Rig {
        board: Some(board.path().display().to_string()),
        scanner: Some(DEVICE.into()),
        source: Some("flatbed".into()),
        ups: Some(ups.address.clone()),
    };
    let station = || scanner.command(artifact("platen-station").unwrap());
    let ran = |told: Told| matches!(told, Told::Ran(_));
    assert!(ran(rig.board_story(&station).unwrap()));
    let Told::Ran(page) = rig.scanner_story(&station, folder.path()).unwrap() else {
        panic!("the scanner was skipped")
    };
    assert!(page.contains("certified by the board"), "{page}");
    // Its driver needs a moment.
    wait("the UPS", || Ok(ran(rig.ups_story(&station, folder.path())?).then_some(()))).unwrap();

    board.climate(Err(ClimateFault::Checksum));
    assert!(rig.board_story(&station).unwrap_err().to_string().contains("BAD"));
    ups.lose_driver();
    hw_tests::process::wait("a broken UPS", || Ok(rig.ups_story(&station, folder.path()).is_err().then_some(())))
        .unwrap();
    ups.vanish();
    assert!(matches!(rig.ups_story(&station, folder.path()).unwrap(), Told::Skipped(_)));
    let nothing = Rig::default();
    assert!(matches!(nothing.board_story(&station).unwrap(), Told::Skipped(_)));
}

#[test]
fn a_board_is_calibrated_from_the_terminal_and_a_refusal_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let board = EmulatedBoard::plug_in(&folder.path().join("board")).unwrap();
    let calibrate = |corner: &str, state: &str| {
        let mut command = Command::new(artifact("platen-station").unwrap());
        let out =
            command.args(["board", "--board"]).arg(board.path()).args(["calibrate", corner, state]).output().unwrap();
        let text = [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (out.status.success(), text)
    };
    board.corner(false, false);
    board.contacts(|raw| raw.left = 2_900);
    let (good, said) = calibrate("left", "bare");
    assert!(good && said.contains("level 2900 taken and kept"), "{said}");
    board.contacts(|raw| raw.left = 2_800);
    let (good, said) = calibrate("left", "covered");
    assert!(!good && said.contains("too near") && said.contains("calibrate that one first"), "{said}");
    board.contacts(|raw| raw.top = 3);
    let (good, said) = calibrate("top", "covered");
    assert!(!good && said.contains("short circuit"), "{said}");
}
