//! Others at the table: SANE's own `test` backend as our scanner, also over the network, and stock SANE programs with our
//! virtual scanner.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use hw_tests::{
    process::{Process, artifact, wait},
    scanner::{DEVICE, VirtualScanner},
    station::journal,
    terminal::run,
};
use std::{fs, net::TcpStream, path::Path, process::Command};
use virtual_scanner::desk::Settings;

/// A configuration with these backends, beside whatever the system has.
fn sane_config(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn scan(config: &Path, device: &str, out: &Path, more: &[&str]) -> hw_tests::terminal::Said {
    let mut command = Command::new(artifact("platen-station").unwrap());
    command.env("SANE_CONFIG_DIR", config).args(["scan", "--device", device, "--out"]).arg(out).args(more);
    run(&mut command).unwrap()
}

const TEN: [&str; 8] = ["--source", "adf", "--pages", "10", "--dpi", "300", "--mode", "color"];

#[test]
fn the_test_backend_gives_ten_flat_pages_that_are_flagged_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    sane_config(folder.path(), &[("dll.conf", "test\n"), ("test.conf", "geometry_max 300\nnumber_of_devices 2\n")]);
    let out = folder.path().join("out");
    let said = scan(folder.path(), "test:0", &out, &TEN);
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    assert_eq!(journal(&out.join(".platen/journal.db"), "1/1-1-1").unwrap().len(), 10);
    // Solid black: nothing on it, far too dark, and nothing but the darkest level.
    assert!(said.out.contains("1 blank+dark+clipped; 2 blank+dark+clipped"), "{}", said.out);
    // It has ten sheets: an eleventh page is missing, and the command says so.
    let more = folder.path().join("more");
    let said =
        scan(folder.path(), "test:1", &more, &["--source", "adf", "--pages", "11", "--dpi", "200", "--mode", "grey"]);
    assert_eq!(said.code, Some(1), "{} {}", said.out, said.err);
    assert!(said.out.contains("MISSING:  1 pages of volume-0001, from page 11 on"), "{}", said.out);
    assert!(said.out.contains("the feeder is empty"), "{}", said.out);
}

#[test]
fn the_test_backend_gives_lineart_which_is_delivered_as_a_tiff_of_one_bit() {
    let folder = tempfile::tempdir().unwrap();
    sane_config(folder.path(), &[("dll.conf", "test\n"), ("test.conf", "geometry_max 300\ntest-picture \"Grid\"\n")]);
    let out = folder.path().join("out");
    let args = ["--source", "adf", "--pages", "1", "--dpi", "200", "--mode", "lineart"];
    let said = scan(folder.path(), "test:0", &out, &args);
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    let info = run(Command::new("tiffinfo").arg(out.join("1/1-1-1/volume-0001/0001.tif"))).unwrap();
    for line in ["CCITT Group 4", "Bits/Sample: 1", "Resolution: 200, 200 pixels/inch"] {
        assert!(info.out.contains(line), "{line}: {}", info.out);
    }
}

#[test]
fn a_scanner_on_another_machine_works_through_saned() {
    let folder = tempfile::tempdir().unwrap();
    let (there, here) = (folder.path().join("there"), folder.path().join("here"));
    fs::create_dir_all(&there).unwrap();
    fs::create_dir_all(&here).unwrap();
    sane_config(&there, &[("dll.conf", "test\n"), ("test.conf", "geometry_max 300\n"), ("saned.conf", "127.0.0.1\n")]);
    // SANE's net backend knows no other port.
    let port = 6566;
    let mut saned = Command::new("/usr/sbin/saned");
    saned.env("SANE_CONFIG_DIR", &there).args(["-l", "-e", "-b", "127.0.0.1", "-p", &port.to_string()]);
    let _saned = Process::start(&mut saned, &folder.path().join("saned.log")).unwrap();
    wait("saned", || Ok(TcpStream::connect(("127.0.0.1", port)).ok())).unwrap();
    sane_config(&here, &[("dll.conf", "net\n"), ("net.conf", "connect_timeout = 10\n127.0.0.1\n")]);
    let out = folder.path().join("out");
    let said = scan(
        &here,
        "net:127.0.0.1:test:0",
        &out,
        &["--source", "adf", "--pages", "3", "--dpi", "200", "--mode", "grey"],
    );
    let log = fs::read_to_string(folder.path().join("saned.log")).unwrap();
    assert_eq!(said.code, Some(0), "{} {} {log}", said.out, said.err);
}

#[test]
fn scanimage_finds_and_uses_the_virtual_scanner() {
    let folder = tempfile::tempdir().unwrap();
    hw_tests::pages::write_numbered(&folder.path().join("pages"), 3).unwrap();
    let settings = Settings { dpi: 200, ..Settings::new(&folder.path().join("pages"), 3) };
    let scanner = VirtualScanner::create(folder.path(), settings).unwrap();
    let list = run(scanner.command("scanimage").arg("-L")).unwrap();
    assert!(list.out.contains("`platen:desk' is a Platen Virtual flatbed scanner"), "{} {}", list.out, list.err);
    let options = run(scanner.command("scanimage").args(["-d", DEVICE, "-A"])).unwrap();
    for text in
        ["Flatbed|ADF Front|ADF Duplex", "Lineart|Gray|Color", "150|200|300|600dpi", "--cover-open", "--page-loaded"]
    {
        assert!(options.out.contains(text), "{text}: {}", options.out);
    }
    let test = run(scanner.command("scanimage").args(["-d", DEVICE, "-T"])).unwrap();
    assert_eq!(test.code, Some(0), "{} {}", test.out, test.err);
    scanner.desk.set_position(0).unwrap();
    let batch = folder.path().join("b%d.png");
    let args = ["-d", DEVICE, "--source", "ADF Duplex", "--mode", "Gray", "--resolution", "200", "--format=png"];
    let said = run(scanner.command("scanimage").args(args).arg(format!("--batch={}", batch.display()))).unwrap();
    assert!(said.err.contains("Batch terminated, 3 pages scanned"), "{} {}", said.out, said.err);
    assert_eq!(hw_tests::pages::number_of(&folder.path().join("b3.png")).unwrap(), 3);
}
