//! `platen-station scan`: a batch from the terminal.

mod args;

use crate::{
    agent::{No, Note, Wish},
    batch::Plan,
    durable::create_folders,
    view::View,
    wiring::{self, Running},
};
use anyhow::{Context, bail, ensure};
pub(crate) use args::Args;
use args::StartBy;
use indicatif::{ProgressBar, ProgressStyle};
use platen_protocol::uplink::{PageAccepted, Source};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// How long the end waits for the supervisor's acknowledgement.
const DELIVER: Duration = Duration::from_secs(10);
/// Nobody would answer any more.
const ENDED: &str = "the desk's agent has ended; the log says why";

/// What was done in this run.
#[derive(Debug, Default)]
struct Tally {
    /// Pages of the batch in all, as they were shown last: on a nearly empty battery the station closes the batch.
    kept: u32,
    pages: Vec<PageAccepted>,
    voided: Vec<String>,
    sheet: Option<PathBuf>,
}

#[allow(clippy::print_stdout)] // its output is what the user asked for
pub(crate) async fn run(args: Args) -> anyhow::Result<i32> {
    if args.source == Source::Flatbed && args.board.is_none() && !args.without_interlocks {
        bail!(
            "pages from the glass need the lid and corner sensors, and no sensor board was named.\n\
             Name it:                       --board usb, --board /dev/ttyACM0, or --board pi\n\
             Or scan without interlocks:    --without-interlocks   (written into every page and shown)"
        );
    }
    let plan = args.plan()?;
    create_folders(&args.out).with_context(|| format!("--out {}: cannot be made", args.out.display()))?;
    let start_by = args.start_by();
    let mut running = wiring::start(args.parts()?)?;
    match ask(&running, Wish::Open(plan.clone())).await {
        Ok(()) => {}
        Err(No::Complete(batch)) => {
            // A run that was killed at its very end may have left reports.
            running.stop(DELIVER).await;
            println!("batch {batch} is complete already: {}", args.out.join(batch.folder()).display());
            return Ok(0);
        }
        Err(no) => bail!(plainly(&no)),
    }
    if args.without_interlocks && args.source == Source::Flatbed {
        eprintln!("WARNING: scanning WITHOUT interlocks. Every page of this run is marked so.");
    }

    let began = Instant::now();
    let bar = progress_bar(plan.expected());
    let tally = scan(&mut running, start_by, &bar).await?;
    bar.finish_and_clear();
    let view = running.view.borrow().clone();
    let waiting = running.stop(DELIVER).await;
    Ok(summary(&args, &plan, &tally, view.as_ref(), waiting, began.elapsed()))
}

fn progress_bar(expected: u32) -> ProgressBar {
    let bar = ProgressBar::new(expected.into());
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} pages  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Runs until the batch is complete, nothing more can come, or the user has had enough.
async fn scan(running: &mut Running, start_by: StartBy, bar: &ProgressBar) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut keys = BufReader::new(tokio::io::stdin()).lines();
    let mut listening = start_by == StartBy::Key;
    let mut stop = signal(SignalKind::terminate())?;
    let mut told = String::new();
    let mut pressed = start_by == StartBy::Auto;
    loop {
        ensure!(!running.commands.is_closed(), "{ENDED}");
        let view = running.view.borrow_and_update().clone();
        if let Some(view) = &view {
            tally.kept = view.batch.as_ref().map_or(tally.kept, |batch| batch.pages);
            // On a nearly empty battery the station closes the batch by itself.
            if ["complete", "no_batch"].contains(&view.desk) {
                break;
            }
            bar.set_position(view.batch.as_ref().map_or(0, |b| b.pages.into()));
            let line = guide(view, start_by);
            if line != told {
                bar.set_message(line.clone());
                if bar.is_hidden() && matches!(view.desk, "waiting") && start_by != StartBy::Auto {
                    eprintln!("{line}");
                }
                told = line;
            }
            let stopped = start_by == StartBy::Auto && view.fault.is_some();
            if view.desk == "waiting" && pressed && view.holds.is_empty() && !(stopped && view.saving > 0) {
                // A fault needs a person; without one there is nobody to ask. Pages on their way are kept first.
                if stopped {
                    break;
                }
                pressed = start_by == StartBy::Auto;
                if let Err(no) = ask(running, Wish::Start).await {
                    say(bar, &plainly(&no));
                }
                continue;
            }
        }
        tokio::select! {
            changed = running.view.changed() => changed.context(ENDED)?,
            Some(note) = running.notes.recv() => tally.take(note, bar),
            line = keys.next_line(), if listening => match line? {
                Some(line) if line.trim() == "q" => break,
                Some(_) => pressed = true,
                None if start_by == StartBy::Key => break,
                None => listening = false,
            },
            _ = tokio::signal::ctrl_c() => break,
            _ = stop.recv() => break,
        }
    }
    while let Ok(note) = running.notes.try_recv() {
        tally.take(note, bar);
    }
    Ok(tally)
}

impl Tally {
    fn take(&mut self, note: Note, bar: &ProgressBar) {
        match note {
            Note::Ready(taken) => {
                let (w, h) = taken.area_mm;
                say(bar, &format!("scanner: {} {} {} dpi, {w:.0} × {h:.0} mm", taken.source, taken.mode, taken.dpi));
            }
            Note::Kept(page) => {
                if bar.is_hidden() || !page.flags.is_empty() {
                    let flags =
                        if page.flags.is_empty() { String::new() } else { format!("  [{}]", page.flags.join(", ")) };
                    let line = format!("{}  turned {:+.2}°{flags}", page.file, page.applied);
                    say(bar, &line);
                }
                self.pages.push(*page);
            }
            Note::Void { page, why } => {
                let line = format!("page {} is void: {}. {}.", page.number, why.text.en, capital(&why.action.en));
                say(bar, &line);
                self.voided.push(format!("page {}: {}", page.number, why.text.en));
            }
            Note::Complete { sheet } => self.sheet = Some(sheet),
        }
    }
}

/// Above the bar, or plainly where there is none.
fn say(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() {
        eprintln!("{line}");
    } else {
        bar.println(line);
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// One line: what to do now.
fn guide(view: &View, start_by: StartBy) -> String {
    if let Some(hold) = view.holds.first().filter(|_| view.desk == "waiting") {
        return format!("{}: {}", hold.text.en, hold.action.en);
    }
    let press = match start_by {
        StartBy::Auto => "",
        StartBy::Button => ", then press the start button",
        StartBy::Key => ", then press Enter (q ends)",
    };
    match (view.desk, &view.fault, &view.next) {
        ("waiting", Some(fault), _) => format!("{}: {}", fault.trouble.text.en, fault.trouble.action.en),
        ("waiting", None, Some(next)) => {
            format!("lay page {} of {} of {}{press}", next.number, next.expected, next.volume)
        }
        ("scanning", _, Some(next)) => {
            format!(
                "scanning page {}{}",
                next.number,
                view.progress.map_or(String::new(), |p| format!(" {:.0} %", p * 100.0))
            )
        }
        (desk, _, _) => desk.into(),
    }
}

async fn ask(running: &Running, wish: Wish) -> Result<(), No> {
    let (answer, answered) = oneshot::channel();
    let stopping = || No::Because("the station is stopping".into());
    running.commands.send((wish, answer)).await.map_err(|_| stopping())?;
    answered.await.map_err(|_| stopping())?
}

fn plainly(no: &No) -> String {
    match no {
        No::Because(why) => why.clone(),
        No::Complete(batch) => format!("batch {batch} is complete already"),
        No::Held(holds) => {
            holds.iter().map(|h| format!("{}: {}", h.text.en, h.action.en)).collect::<Vec<_>>().join("; ")
        }
    }
}

#[allow(clippy::print_stdout)] // its output is what the user asked for
fn summary(args: &Args, plan: &Plan, tally: &Tally, view: Option<&View>, waiting: u64, took: Duration) -> i32 {
    let kept = view.and_then(|v| v.batch.as_ref()).map_or(tally.kept, |b| b.pages);
    let missing = plan.expected() - kept.min(plan.expected());
    let n = tally.pages.len();
    println!("batch {}: {n} pages in this run, {kept} of {} in all", plan.batch, plan.expected());
    if n > 0 {
        let per_minute = n as f64 * 60.0 / took.as_secs_f64().max(0.001);
        let angles = tally.pages.iter().map(|p| p.angle.abs());
        let turned = tally.pages.iter().filter(|p| p.applied != 0.0).count();
        println!("speed:    {per_minute:.1} pages a minute");
        println!(
            "skew:     mean {:.2}°, largest {:.2}°; {turned} pages straightened",
            angles.clone().sum::<f64>() / n as f64,
            angles.fold(0.0, f64::max)
        );
    }
    let flagged: Vec<_> = tally
        .pages
        .iter()
        .filter(|p| !p.flags.is_empty())
        .map(|p| format!("{} {}", p.number, p.flags.join("+")))
        .collect();
    println!("flags:    {}", if flagged.is_empty() { "none".into() } else { flagged.join("; ") });
    if !tally.voided.is_empty() {
        println!("void:     {}", tally.voided.join("; "));
    }
    if args.without_interlocks && args.source == Source::Flatbed {
        println!("interlock: NONE (--without-interlocks), marked on every page");
    }
    println!("images:   {}", args.out.join(plan.batch.folder()).display());
    if let Some(sheet) = &tally.sheet {
        println!("sheet:    {}", sheet.display());
    }
    if waiting > 0 {
        println!("reports:  {waiting} events wait for the supervisor; they are sent when it is reached");
    }
    if missing > 0 {
        for (volume, done) in plan.volumes.iter().zip(plan.kept_by_volume(kept)).filter(|(v, done)| *done < v.expected)
        {
            println!("MISSING:  {} pages of {}, from page {} on", volume.expected - done, volume.code, done + 1);
        }
        let why = view.and_then(|v| v.fault.as_ref().map(|fault| &fault.trouble).or(v.holds.first()));
        if let Some(why) = why {
            println!("because:  {}: {}", why.text.en, why.action.en);
        }
        println!("go on:    run the same command again");
    }
    i32::from(missing > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use platen_protocol::uplink::{ColourMode, Source};
    use tokio::sync::{mpsc, watch};

    #[tokio::test]
    async fn a_desk_whose_agent_has_ended_is_not_asked_for_ever() {
        let waits = View {
            now: String::new(),
            station: "desk-1".into(),
            software: "",
            operator: "operator".into(),
            device: "scanner".into(),
            source: Source::Adf,
            mode: ColourMode::Grey,
            dpi: 300,
            plans: Vec::new(),
            batch: None,
            next: None,
            desk: "waiting",
            saving: 0,
            progress: None,
            holds: Vec::new(),
            faults: Vec::new(),
            overrides: Vec::new(),
            persons: Vec::new(),
            fault: None,
            last_page: None,
            lid: "unknown",
            corner: "unknown",
            board: "none",
            room: None,
            power: None,
            network: None,
            interlocks: "scanner",
        };
        let mut running = wiring::tests::running(async {}, None, mpsc::unbounded_channel().1);
        running.view = watch::channel(Some(waits)).1;
        let ended = scan(&mut running, StartBy::Auto, &ProgressBar::hidden()).await.unwrap_err();
        assert_eq!(ended.to_string(), ENDED);
    }
}
