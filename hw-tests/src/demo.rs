//! `make demo`: the whole house on one machine, and a check that everybody tells the same story.

use crate::{
    board::EmulatedBoard,
    pages,
    scanner::VirtualScanner,
    station::{Operator, Setup, Station},
    supervisor::Supervisor,
    ups::Ups,
};
use anyhow::{Context, bail, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};
use virtual_scanner::desk::Settings;

/// The two small batches: name, and volumes with their pages.
const BATCHES: [(&str, &[Volume]); 2] = [
    ("1/1-6-1", &[("1997-民-0014-0025", "民政局文件", 3), ("1997-民-0014-0026", "婚姻登记", 2)]),
    ("1/1-6-2", &[("1998-土-0003-0107", "土地登记", 4)]),
];
/// Archival code, title, pages.
type Volume = (&'static str, &'static str, u32);

const STATION: &str = "desk-1";
/// The page of the first batch, counted from 0, that lies askew, and by how much.
const ASKEW: (usize, f64) = (1, 5.0);
/// The page of the first batch during which the lid is opened.
const LID_OPENED: u32 = 2;

/// Where the demonstration writes, and whether it ends by itself.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Folder of everything that is made; an earlier demonstration there is removed
    #[arg(long, default_value = "demo-out")]
    out: PathBuf,
    /// End after the batches instead of staying up
    #[arg(long)]
    once: bool,
}

/// Runs it.
#[allow(clippy::print_stdout)] // it talks to the person who started it
pub fn run(args: &Args) -> anyhow::Result<()> {
    let out = std::path::absolute(&args.out)?;
    if out.join("demo").exists() {
        fs::remove_dir_all(&out).with_context(|| format!("removing the last demonstration in {}", out.display()))?;
    }
    fs::create_dir_all(out.join("demo"))?;
    let sheets = lay_out_pages(&out.join("demo/pages"))?;

    let supervisor = Supervisor::start(&out.join("supervisor"), 8630, 1883)?;
    let scanner = VirtualScanner::create(
        &out.join("demo/scanner"),
        Settings { ppm: if args.once { 60.0 } else { 20.0 }, ..Settings::new(&out.join("demo/pages"), sheets) },
    )?;
    let board = EmulatedBoard::plug_in(&out.join("demo/board"))?;
    let ups = if Ups::available() { Some(Ups::start(&out.join("demo/nut"))?) } else { None };
    let setup = Setup {
        dpi: 300,
        board: Some(board.path().to_path_buf()),
        ups: ups.as_ref().map(|u| u.address.clone()),
        broker: Some(supervisor.broker.clone()),
        console: 8631,
        ..Setup::flatbed(STATION)
    };
    let station = Station::start(&out.join("station"), &scanner, &setup)?;
    println!("supervisor's dashboards   {}/", supervisor.url);
    println!("operator's page           {}/", station.url);
    println!("broker, MQTT 5            {}", supervisor.broker);
    println!("broker, MQTT 3.1.1        mqtt://{}", supervisor.broker_v3);
    println!("listen in                 mosquitto_sub -p {} -t 'platen/v1/#' -v", supervisor.broker_v3.port());
    println!("images                    {}", station.out.display());
    println!(
        "UPS                       {}\n",
        ups.as_ref().map_or("none (nut-server is not installed)", |u| &u.address)
    );

    let operator = Operator { station: &station, board: &board, desk: &scanner.desk };
    let mut first = 0;
    for (batch, volumes) in BATCHES {
        station.plan(batch, volumes)?;
        first = scan(&operator, batch, volumes, first)?;
    }
    let good = report(&station, &supervisor)?;
    if args.once {
        ensure!(good, "station, files and supervisor do not agree");
        return Ok(());
    }
    println!("\nstaying up; end with Ctrl-C");
    wait_for_interrupt()
}

/// Sample pages in the order they will be laid, one of them askew. Answers how many.
fn lay_out_pages(folder: &Path) -> anyhow::Result<u32> {
    fs::create_dir_all(folder)?;
    let names = [
        "typical_0008.jpg",
        "typical_0005.jpg",
        "dup_0004.jpg",
        "typical_0013.jpg",
        "typical_0006.jpg",
        "typical_0007.jpg",
        "typical_0014.jpg",
        "blank_0000.jpg",
        "typical_0015.jpg",
    ];
    for (n, name) in names.iter().enumerate() {
        let (from, to) = (pages::samples().join(name), folder.join(format!("{n:02}-{name}")));
        if n == ASKEW.0 {
            let page = image::open(&from).with_context(|| from.display().to_string())?.into_rgb8();
            pages::askew(&page, ASKEW.1).save(to.with_extension("png"))?;
        } else {
            fs::copy(&from, &to).with_context(|| from.display().to_string())?;
        }
    }
    Ok(u32::try_from(names.len())?)
}

#[allow(clippy::print_stdout)]
fn scan(operator: &Operator<'_>, batch: &str, volumes: &[(&str, &str, u32)], first: u32) -> anyhow::Result<u32> {
    let station = operator.station;
    station.wait("the plan to be offered", |v| {
        v["plans"].as_array().is_some_and(|p| p.iter().any(|p| p["batch"] == batch))
    })?;
    station.open(batch)?;
    let pages: u32 = volumes.iter().map(|v| v.2).sum();
    for page in 0..pages {
        let image = first + page;
        operator.lay(image)?;
        if first == 0 && page == LID_OPENED {
            operator.press_and_see_the_light()?;
            operator.board.lid(false);
            let view = station.wait("the opened lid to be seen", |v| v["fault"]["name"] == "lid-opened")?;
            let number = view["next"]["number"].as_u64().unwrap_or(0);
            println!(
                "{batch}  the lid was opened during page {number}: {}",
                view["fault"]["action"]["en"].as_str().unwrap_or("")
            );
            operator.lay(image)?;
        }
        operator.press_and_wait()?;
        let view = station.view()?;
        let last = &view["last_page"];
        let (file, applied) = (last["file"].as_str().unwrap_or(""), last["applied"].as_f64().unwrap_or(0.0));
        let flags: Vec<_> = last["flags"].as_array().into_iter().flatten().filter_map(|f| f.as_str()).collect();
        println!("{batch}  {file}  turned {applied:+.2}°  {}", flags.join(" "));
    }
    station.wait("the batch to be complete", |v| v["desk"] == "complete")?;
    let (status, answer) = station.ask("close", &serde_json::json!({}))?;
    ensure!(status == 200, "closing {batch}: {answer}");
    Ok(first + pages)
}

/// Prints what was made. Answers whether journal, files, tracking sheets and the supervisor's database agree.
#[allow(clippy::print_stdout)]
fn report(station: &Station, supervisor: &Supervisor) -> anyhow::Result<bool> {
    let expected: u32 = BATCHES.iter().flat_map(|(_, volumes)| volumes.iter().map(|v| v.2)).sum();
    let stored =
        || -> anyhow::Result<usize> { BATCHES.iter().map(|(b, _)| Ok(supervisor.pages(STATION, b)?.len())).sum() };
    crate::process::wait("the supervisor to have every page", || Ok((stored()? == expected as usize).then_some(())))?;
    println!(
        "\n{:<10} {:>8} {:>6} {:>10} {:>6} {:>6} {:>16}  agree",
        "batch", "expected", "files", "supervisor", "void", "flags", "tracking sheet"
    );
    let mut all = true;
    for (batch, volumes) in BATCHES {
        let expected: u32 = volumes.iter().map(|v| v.2).sum();
        let journal = station.journal(batch)?;
        let told = supervisor.pages(STATION, batch)?;
        let mut good = journal.len() == expected as usize && told.len() == journal.len();
        for ((file, sha256), (volume, number, told)) in journal.iter().zip(&told) {
            good &= sha256 == told && file.contains(volume.as_str()) && file.ends_with(&format!("/{number:04}.jpg"));
            good &= hash(&station.out.join(file))? == *sha256;
            let master = Path::new(file).with_extension("tif");
            let master = master.parent().zip(master.file_name()).map(|(folder, name)| folder.join("master").join(name));
            good &= master.is_some_and(|m| station.out.join(m).is_file());
        }
        // The dashboards follow the database within a moment.
        let shown = crate::process::wait("the dashboards to show the batch as complete", || {
            let snapshot = supervisor.snapshot()?;
            let batches = snapshot["batches"].as_array().cloned().unwrap_or_default();
            Ok(batches.into_iter().find(|b| b["batch"] == batch && b["completed"] == true))
        })?;
        good &= shown["pages"] == expected;
        let voided = shown["voided"].as_u64().unwrap_or(0);
        let sheet = station.out.join(batch).join("tracking-sheet.xlsx");
        good &= sheet.is_file();
        let flags: i64 = supervisor.database()?.query_row(
            "SELECT count(*) FROM page, json_each(page.body, '$.flags') WHERE page.batch = ?1",
            [batch],
            |row| row.get(0),
        )?;
        println!(
            "{batch:<10} {expected:>8} {:>6} {:>10} {voided:>6} {flags:>6} {:>16}  {}",
            journal.len(),
            told.len(),
            if sheet.is_file() { "written" } else { "MISSING" },
            if good { "yes" } else { "NO" }
        );
        all &= good;
    }
    Ok(all)
}

/// SHA-256 by the program that an archivist would use.
fn hash(file: &Path) -> anyhow::Result<String> {
    let answer = std::process::Command::new("sha256sum").arg(file).output()?;
    let text = String::from_utf8(answer.stdout)?;
    match text.split_whitespace().next() {
        Some(hash) if answer.status.success() => Ok(hash.trim_start_matches('\\').into()),
        _ => bail!("sha256sum {}: {}", file.display(), String::from_utf8_lossy(&answer.stderr)),
    }
}

/// Waits for Ctrl-C or SIGTERM without dying of it, so that what was started is ended.
fn wait_for_interrupt() -> anyhow::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])?;
    signals.forever().next();
    Ok(())
}
