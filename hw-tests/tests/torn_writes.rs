//! The power is cut after each step of a batch of twenty pages, with everything that was not synced dropped, kept or torn. Each
//! disk that is left must hold what was told: every page that the operator was told is safe, numbers without a gap, and every
//! event that the supervisor was sent, under its number.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a story that cannot go on has failed

use hw_tests::{
    chance::Chance,
    pages,
    process::artifact,
    scanner::VirtualScanner,
    supervisor::{SITE, Supervisor},
    terminal,
    torn::{self, Cut, Disk, Step},
};
use rusqlite::Connection;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use virtual_scanner::desk::Settings;

const PAGES: u32 = 20;
const BATCH: &str = "1/1-1-1";
const STATE: &str = "var/state";
/// Disks on which the batch is really gone on with.
const RESUMED: usize = 12;

type Files = BTreeMap<PathBuf, Arc<Vec<u8>>>;

/// What was said to others up to some step.
#[derive(Default)]
struct Said {
    told: String,
    sent: Vec<u8>,
}

impl Said {
    /// Pages that the operator was told are safe.
    fn pages(&self) -> u32 {
        self.told.matches(".jpg  turned").count() as u32
    }

    /// (number, time, text) of each event that was sent.
    fn events(&self) -> Vec<(u64, String, Value)> {
        let mut events = Vec::new();
        let text = String::from_utf8_lossy(&self.sent);
        for part in text.split("{\"specversion\"").skip(1) {
            let json = format!("{{\"specversion\"{part}");
            let Some(Ok(event)) = serde_json::Deserializer::from_str(&json).into_iter::<Value>().next() else {
                continue;
            };
            if event["type"].as_str().is_some_and(|kind| !kind.ends_with(".reading")) {
                let time = event["time"].as_str().unwrap_or_default().to_owned();
                events.push((event["seq"].as_u64().unwrap(), time, event["data"].clone()));
            }
        }
        events
    }
}

struct Judge {
    out: PathBuf,
    place: tempfile::TempDir,
    hashes: HashMap<*const Vec<u8>, (Arc<Vec<u8>>, String)>,
    masters: BTreeMap<PathBuf, String>,
}

impl Judge {
    fn hash(&mut self, bytes: &Arc<Vec<u8>>) -> String {
        let hash = || Sha256::digest(bytes.as_slice()).iter().map(|byte| format!("{byte:02x}")).collect();
        let entry = self.hashes.entry(Arc::as_ptr(bytes)).or_insert_with(|| (bytes.clone(), hash()));
        entry.1.clone()
    }

    /// The databases as they would be found.
    fn lay(&self, files: &Files) -> PathBuf {
        let folder = self.place.path().join("state");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (path, bytes) in files {
            let name = path.file_name().unwrap().to_string_lossy();
            let of_state = path.parent().is_some_and(|parent| parent.ends_with(STATE));
            if of_state && !name.ends_with("-shm") {
                fs::write(folder.join(&*name), bytes.as_slice()).unwrap();
            }
        }
        folder
    }

    fn check(&mut self, files: &Files, said: &Said, what: &str) {
        let state = self.lay(files);
        let journal = state.join("journal.db");
        let whole = |db: &Connection| {
            let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(verdict, "ok", "{what}");
        };
        let has_tables = |db: &Connection, table: &str| -> bool {
            db.query_row("SELECT count(*) FROM sqlite_schema WHERE name = ?1", [table], |row| row.get::<_, u32>(0))
                .unwrap()
                == 1
        };
        let db = Connection::open(&journal).unwrap();
        whole(&db);
        let mut kept: Vec<(u32, String, String, String)> = Vec::new();
        let mut events: Vec<(String, Value)> = Vec::new();
        if has_tables(&db, "event") {
            let mut query =
                db.prepare("SELECT number, file, master, sha256 FROM page ORDER BY volume, number").unwrap();
            kept = query
                .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let mut query = db.prepare("SELECT at, body FROM event ORDER BY id").unwrap();
            let rows = query.query_map([], |r| Ok((r.get(0)?, r.get::<_, String>(1)?))).unwrap();
            events =
                rows.map(|row| row.map(|(at, body)| (at, serde_json::from_str(&body).unwrap())).unwrap()).collect();
        }
        // Truth 1: what was told is there. Truth 2: numbers run 1..n.
        assert!(kept.len() as u32 >= said.pages(), "{what}: told of {} pages, {} are kept", said.pages(), kept.len());
        for (n, (number, file, master, sha256)) in (1..).zip(&kept) {
            assert_eq!(*number, n, "{what}");
            let image = files.get(&self.out.join(file)).unwrap_or_else(|| panic!("{what}: {file} has no name"));
            assert_eq!(&self.hash(image), sha256, "{what}: {file}");
            let path = self.out.join(master);
            let image = files.get(&path).unwrap_or_else(|| panic!("{what}: {master} has no name"));
            assert_eq!(Some(&self.hash(image)), self.masters.get(&path), "{what}: {master}");
        }
        // Truth 5: what was sent under a number is that number's event for ever.
        for (seq, time, data) in said.events() {
            let (at, event) =
                events.get(seq as usize - 1).unwrap_or_else(|| panic!("{what}: event {seq} was sent and is lost"));
            assert_eq!((at, &event["data"]), (&time, &data), "{what}: event {seq} is another one now");
        }
        drop(db);
        let outbox = state.join("outbox.db");
        let db = Connection::open(&outbox).unwrap();
        whole(&db);
        if has_tables(&db, "meta") {
            let known: Option<(u64, u64, u64, u64)> = db
                .query_row(
                    "SELECT last_seq, journal, (SELECT count(*) FROM waiting), coalesce((SELECT max(seq) FROM waiting), last_seq) FROM meta",
                    [],
                    |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)),
                )
                .ok();
            if let Some((last, copied, _, highest)) = known {
                assert!(copied as usize <= events.len(), "{what}: the outbox is ahead of the journal");
                assert_eq!((last, highest), (copied, copied), "{what}: the k-th event has number k");
            }
        }
    }
}

#[test]
fn a_power_cut_after_any_step_loses_nothing_that_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pages::write_numbered(&path.join("pages"), PAGES).unwrap();
    let supervisor = Supervisor::start(&path.join("supervisor"), 0, 0).unwrap();
    let scanner =
        VirtualScanner::create(path, Settings { dpi: 200, adf: true, ..Settings::new(&path.join("pages"), PAGES) })
            .unwrap();
    let out = path.join("out");
    fs::create_dir(&out).unwrap();
    let record = path.join("record");
    let run = |recorded: bool, out: &Path| {
        let mut command = scanner.command(artifact("platen-station").unwrap());
        // The journal is made in a folder of its own, far from the images.
        command.args(terminal::feeder(PAGES, &out.join("images"))).arg("--state").arg(out.join(STATE));
        command.args(["--site", SITE, "--station", "torn", "--broker", &supervisor.broker]);
        if recorded {
            command.env("LD_PRELOAD", artifact("libdisk_recorder.so").unwrap());
            command.env("RECORD", &record).env("RECORD_FOLDERS", out);
        }
        terminal::run(&mut command).unwrap()
    };
    let said = run(true, &out);
    assert_eq!(said.code, Some(0), "{said:?}");
    let steps = torn::read(&fs::read(&record).unwrap()).unwrap();
    let changes = steps.iter().filter(|step| !matches!(step, Step::Told(_) | Step::Sent(_))).count();
    let syncs = steps.iter().filter(|step| matches!(step, Step::Sync { .. })).count();

    let mut end = Disk::default();
    steps.iter().for_each(|step| end.step(step));
    let mut chance = Chance::new(1);
    let finished = end.cut(Cut::Kept, &mut chance);
    let mut judge = Judge {
        out: out.join("images"),
        place: tempfile::tempdir_in("/dev/shm").unwrap(),
        hashes: HashMap::new(),
        masters: BTreeMap::new(),
    };
    for (path, bytes) in finished.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "tif")) {
        let hash = judge.hash(bytes);
        assert_eq!(fs::read(path).unwrap(), **bytes, "the record is not what was written: {}", path.display());
        judge.masters.insert(path.clone(), hash);
    }
    assert_eq!(judge.masters.len(), PAGES as usize);

    let (mut disk, mut told) = (Disk::default(), Said::default());
    let (mut cuts, mut resumed) = (0, 0);
    for (n, step) in steps.iter().enumerate() {
        disk.step(step);
        match step {
            Step::Told(text) => told.told.push_str(text),
            Step::Sent(bytes) => told.sent.extend_from_slice(bytes),
            _ => {}
        }
        // Nothing has changed between a word and the one before it.
        for how in [Cut::Dropped, Cut::Kept, Cut::Torn, Cut::Torn] {
            let files = disk.cut(how, &mut chance);
            judge.check(&files, &told, &format!("cut {n} of {}, {how:?}", steps.len()));
            cuts += 1;
            if how == Cut::Torn && resumed < RESUMED && n * RESUMED / steps.len() >= resumed {
                resumed += 1;
                go_on(&files, &out, &path.join(format!("resumed-{n}")), &scanner, &run);
            }
        }
    }
    println!(
        "{cuts} cuts after {} steps ({changes} changes, {syncs} syncs) of {PAGES} pages; {resumed} gone on with",
        steps.len()
    );
    assert_eq!(told.pages(), PAGES, "the record has no word of the pages");
    assert!(told.events().len() >= PAGES as usize, "the record has no word of the events");
    assert!(cuts > 2_000 && resumed == RESUMED, "{cuts} {resumed}");
}

/// The next start on such a disk finishes the batch.
fn go_on(files: &Files, out: &Path, new: &Path, scanner: &VirtualScanner, run: &dyn Fn(bool, &Path) -> terminal::Said) {
    for (path, bytes) in files {
        let to = new.join(path.strip_prefix(out).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, bytes.as_slice()).unwrap();
    }
    let kept = hw_tests::station::journal(&new.join(STATE).join("journal.db"), BATCH).map_or(0, |pages| pages.len());
    scanner.desk.set_position(kept as u32).unwrap();
    let said = run(false, new);
    assert_eq!(said.code, Some(0), "{said:?}");
    let journal = hw_tests::station::journal(&new.join(STATE).join("journal.db"), BATCH).unwrap();
    assert_eq!(journal.len(), PAGES as usize);
    for (n, (file, _)) in (1..).zip(&journal) {
        assert_eq!(pages::number_of(&new.join("images").join(file)).unwrap(), n, "{file}");
    }
    fs::remove_dir_all(new).unwrap();
}
