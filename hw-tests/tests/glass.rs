//! Pages from the glass: the interlock decides, the operator's page says why.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use hw_tests::{
    board::Kind,
    flatbed::{BATCH, FlatbedDesk, VOLUME},
    pages,
    scanner::VirtualScanner,
    terminal,
};
use serde_json::{Value, json};
use virtual_scanner::desk::Settings;

/// Tells a story on a board whose core runs on the host, and again on the firmware's binary on an emulated chip.
fn on_both(pages: u32, ppm: f64, story: impl Fn(FlatbedDesk)) {
    for kind in [Kind::Core, Kind::Chip] {
        println!("on {kind:?}");
        story(FlatbedDesk::of(kind, pages, ppm).unwrap());
    }
}

#[test]
fn a_whole_batch_is_scanned_by_button_and_every_page_is_certified() {
    on_both(3, 0.0, |desk| {
        for n in 0..3 {
            desk.operator().lay(n).unwrap();
            desk.operator().press_and_wait().unwrap();
        }
        let view = desk.station.wait("completion", |v| v["desk"] == "complete").unwrap();
        assert_eq!(desk.numbers().unwrap(), [1, 2, 3]);
        assert_eq!(view["last_page"]["interlock"], "certified");
        let folder = desk.station.out.join(BATCH);
        assert!(folder.join("tracking-sheet.xlsx").is_file());
        assert!(folder.join(VOLUME).join("master/0003.tif").is_file());
        let answer = desk.station.ask("start", &json!({})).unwrap();
        assert_eq!(answer, (409, json!({ "error": "the batch is complete" })));
    });
}

#[test]
fn a_lid_opened_during_the_pass_voids_the_page_which_keeps_its_number() {
    on_both(2, 40.0, |desk| {
        let operator = desk.operator();
        operator.lay(0).unwrap();
        operator.press_and_see_the_light().unwrap();
        desk.board.lid(false);
        let view = desk.station.wait("the void page", |v| v["fault"]["name"] == "lid-opened").unwrap();
        assert_eq!((&view["next"]["number"], &view["batch"]["pages"]), (&json!(1), &json!(0)));
        for n in 0..2 {
            operator.lay(n).unwrap();
            operator.press_and_wait().unwrap();
        }
        assert_eq!(desk.numbers().unwrap(), [1, 2]);
    });
}

#[test]
fn nothing_starts_while_the_lid_or_the_paper_is_not_where_it_belongs() {
    on_both(1, 0.0, |desk| {
        desk.station.wait("readiness", |v| v["holds"] == json!([])).unwrap();
        desk.hold_after(|| desk.board.corner(false, true), "not-in-corner").unwrap();
        desk.hold_after(|| (desk.board.corner(true, true), desk.board.lid(false)).1, "lid-open").unwrap();
        desk.hold_after(|| desk.board.broken_wire(true), "lid-broken").unwrap();
        desk.hold_after(|| desk.board.plugged(false), "board-absent").unwrap();
        desk.board.broken_wire(false);
        desk.board.plugged(true);
        desk.station.wait("the board's return", |v| v["holds"] == json!([])).unwrap();
        desk.operator().press_and_wait().unwrap();
        assert_eq!(desk.numbers().unwrap(), [1]);
    });
}

#[test]
fn a_board_unplugged_in_the_middle_of_a_page_fails_closed() {
    on_both(1, 30.0, |desk| {
        desk.operator().lay(0).unwrap();
        desk.operator().press_and_see_the_light().unwrap();
        desk.board.plugged(false);
        let view = desk.station.wait("the void page", |v| v["fault"] != json!(null)).unwrap();
        assert!(["board-absent", "board-silent"].contains(&view["fault"]["name"].as_str().unwrap()), "{view}");
        assert_eq!(view["batch"]["pages"], 0);
        desk.board.plugged(true);
        desk.operator().lay(0).unwrap();
        desk.operator().press_and_wait().unwrap();
        assert_eq!(desk.numbers().unwrap(), [1]);
    });
}

#[test]
fn a_board_that_was_reset_in_the_middle_of_a_page_cannot_certify_it() {
    on_both(1, 30.0, |desk| {
        desk.operator().lay(0).unwrap();
        desk.operator().press_and_see_the_light().unwrap();
        desk.board.reset();
        let view = desk.station.wait("the void page", |v| v["fault"] != json!(null)).unwrap();
        assert!(["no-certificate", "board-silent"].contains(&view["fault"]["name"].as_str().unwrap()), "{view}");
        desk.operator().lay(0).unwrap();
        desk.operator().press_and_wait().unwrap();
        assert_eq!(desk.numbers().unwrap(), [1]);
    });
}

#[test]
fn garbage_on_the_line_does_not_stop_the_desk() {
    on_both(1, 0.0, |desk| {
        desk.operator().lay(0).unwrap();
        desk.board.noise(&[7; 400]);
        desk.board.noise(&[0, 1, 2, 0, 255, 255, 0]);
        desk.operator().press_and_wait().unwrap();
        assert_eq!(desk.numbers().unwrap(), [1]);
    });
}

#[test]
fn without_a_board_the_terminal_refuses_the_glass_unless_it_is_told_to_and_then_every_page_says_so() {
    let folder = tempfile::tempdir().unwrap();
    pages::write_numbered(&folder.path().join("pages"), 1).unwrap();
    let settings = Settings { dpi: 200, ..Settings::new(&folder.path().join("pages"), 1) };
    let scanner = VirtualScanner::create(folder.path(), settings).unwrap();
    let out = folder.path().join("out");
    let mut args = hw_tests::terminal::feeder(1, &out);
    args[4] = "flatbed".into();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let said = hw_tests::terminal::station(&scanner, &args).unwrap();
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("--board") && said.err.contains("--without-interlocks"), "{}", said.err);
    let said = hw_tests::terminal::station(&scanner, &[&args[..], &["--without-interlocks"]].concat()).unwrap();
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    assert!(said.err.contains("WITHOUT interlocks") && said.out.contains("NONE"), "{} {}", said.out, said.err);
    let page = std::fs::read(out.join("1/1-1-1/volume-0001/0001.jpg")).unwrap();
    assert!(String::from_utf8_lossy(&page).contains("scanned without interlocks"), "the file itself says so");
}

#[test]
fn a_plan_that_is_none_is_named_and_holds_up_no_other() {
    let desk = FlatbedDesk::new(1, 0.0).unwrap();
    let station = &desk.station;
    assert_eq!(station.ask("close", &json!({})).unwrap().0, 200);
    let listed = |what: &str, batches: &[&str]| {
        let names = |v: &Value| v["plans"].as_array().map(|p| p.iter().map(|p| p["batch"].clone()).collect::<Vec<_>>());
        station.wait(what, |v| names(v).is_some_and(|names| names == batches)).unwrap();
    };
    // Somebody has saved a plan without its column of pages.
    let file = desk.folder.path().join("plans/1/1-6-3.csv");
    std::fs::write(&file, "archival_code,title\n1997-民-0014-0026,婚姻登记\n").unwrap();
    station.plan("1/1-6-4", &[("1997-民-0014-0027", "婚姻登记", 2)]).unwrap();
    listed("the plans that are some", &[BATCH, "1/1-6-4"]);
    let (status, answer) = station.ask("open", &json!({ "batch": "1/1-6-3" })).unwrap();
    assert!(status == 400 && answer["error"].as_str().unwrap().contains("expected_pages"), "{status} {answer}");
    let config = station.config();
    let said = terminal::station(&desk.scanner, &["doctor", "--config", config.to_str().unwrap()]).unwrap();
    let plans = said.out.lines().find(|line| line.starts_with("plans")).unwrap();
    assert!(plans.contains("BAD") && plans.contains("1-6-3.csv") && plans.contains("expected_pages"), "{plans}");
    // And has done what was said.
    station.plan("1/1-6-3", &[("1997-民-0014-0026", "婚姻登记", 2)]).unwrap();
    listed("all plans, without a restart", &[BATCH, "1/1-6-3", "1/1-6-4"]);
    station.open("1/1-6-3").unwrap();
}
