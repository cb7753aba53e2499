//! What a batch says of its pages: every flag that a person must look at, on pages through the scanner, in the journal's
//! reports and in what the terminal prints.

#![allow(clippy::unwrap_used)] // a story that cannot go on has failed

use hw_tests::{
    drawn::Drawing,
    scanner::{DEVICE, VirtualScanner},
    station::{self},
    terminal,
};
use std::path::Path;
use virtual_scanner::desk::Settings;

/// Scans these pages from the glass and answers their flags.
fn scanned(folder: &Path, mode: &str, pages: &[Drawing]) -> Vec<Vec<String>> {
    let drawn = folder.join("pages");
    std::fs::create_dir_all(&drawn).unwrap();
    for (i, page) in pages.iter().enumerate() {
        page.draw().save(drawn.join(format!("{i:03}.png"))).unwrap();
    }
    let count = pages.len().to_string();
    let settings = Settings { dpi: 200, ..Settings::new(&drawn, pages.len() as u32) };
    let scanner = VirtualScanner::create(folder, settings).unwrap();
    let out = folder.join("out");
    let args = ["scan", "--device", DEVICE, "--source", "flatbed", "--mode", mode, "--dpi", "200", "--area", "a4"];
    let rest = ["--pages", &count, "--without-interlocks", "--start", "auto", "--out", out.to_str().unwrap()];
    let said = terminal::station(&scanner, &[&args[..], &rest[..]].concat()).unwrap();
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let flags = station::flags(&out.join(".platen/journal.db")).unwrap();
    for flag in flags.iter().flatten() {
        assert!(said.err.contains(flag.as_str()), "the terminal does not tell {flag}: {}", said.err);
    }
    flags
}

#[test]
fn each_fault_of_a_page_is_flagged_and_a_good_page_is_not() {
    let good = Drawing::good;
    let pages: Vec<(&[&str], Drawing)> = vec![
        (&[], good(0)),
        (&["off-corner"], Drawing { sheet: (28.0, 30.0, 160.0, 230.0), ..good(1) }),
        (&["off-the-glass", "askew"], Drawing { sheet: (-2.0, -2.0, 190.0, 270.0), turned: 4.0, ..good(2) }),
        (
            &["second-sheet"],
            Drawing { sheet: (3.0, 3.0, 150.0, 200.0), scrap: Some((165.0, 225.0, 35.0, 60.0)), ..good(3) },
        ),
        (
            &["second-sheet"],
            Drawing { sheet: (3.0, 3.0, 150.0, 200.0), scrap: Some((20.0, 225.0, 90.0, 50.0)), ..good(11) },
        ),
        (&["light-leak"], Drawing { sheet: (3.0, 3.0, 150.0, 270.0), leak: true, ..good(4) }),
        (&["unsharp"], Drawing { blur: 3.5, ..good(5) }),
        (&["dark"], Drawing { paper: [98, 97, 95], ink: [30, 30, 30], ..good(6) }),
        (&["faint"], Drawing { ink: [205, 203, 200], ..good(7) }),
        (&["colour-cast"], Drawing { paper: [190, 206, 238], ..good(8) }),
        // Of so strong a cast the paper's colour is far from its grey.
        (&["colour-cast"], Drawing { paper: [150, 230, 150], ..good(12) }),
        (&["askew"], Drawing { sheet: (10.0, 10.0, 170.0, 250.0), turned: 3.6, ..good(9) }),
        (&["blank"], Drawing { ink: [232, 230, 226], ..good(10) }),
    ];
    let folder = tempfile::tempdir().unwrap();
    let (wanted, drawn): (Vec<_>, Vec<_>) = pages.into_iter().unzip();
    let flags = scanned(folder.path(), "colour", &drawn);
    for (number, (flags, wanted)) in flags.iter().zip(wanted).enumerate() {
        for flag in wanted {
            assert!(flags.iter().any(|f| f == flag), "page {}: {flags:?}, wanted {wanted:?}", number + 1);
        }
        assert!(flags.is_empty() || !wanted.is_empty(), "page {}: {flags:?}", number + 1);
    }
}

#[test]
fn a_red_header_in_grey_is_flagged_and_one_printed_black_is_not() {
    let red = Drawing { header: Some([200, 30, 30]), ..Drawing::good(1) };
    let black = Drawing { header: Some([40, 40, 44]), ..Drawing::good(2) };
    let folder = tempfile::tempdir().unwrap();
    let flags = scanned(folder.path(), "grey", &[red.clone(), black]);
    assert_eq!(flags, [vec!["red-header-without-colour".to_string()], vec![]]);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(scanned(folder.path(), "colour", &[red]), [Vec::<String>::new()], "in colour it is as it must be");
}

#[test]
fn dirt_at_one_place_of_the_glass_is_told_after_eight_pages() {
    let dirty = |number| Drawing { dirt: vec![(12.0, 150.5)], ..Drawing::good(number) };
    let pages: Vec<Drawing> = (0..9).map(dirty).collect();
    let folder = tempfile::tempdir().unwrap();
    let flags = scanned(folder.path(), "grey", &pages);
    let told: Vec<bool> = flags.iter().map(|flags| flags.iter().any(|f| f == "dirty-glass")).collect();
    assert_eq!(told, [false, false, false, false, false, false, false, false, true], "{flags:?}");
}
