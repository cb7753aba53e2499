//! What the agent shows: view and lamp, made from the machine's picture and the latest readings.

use super::Agent;
use crate::{
    batch::{Plan, machine::Guard},
    sensors::interlock::Board,
    view::{BatchView, FaultView, NextView, PlanLine, PowerView, RoomView, View, VolumeView},
};
use jiff::Timestamp;
use platen_protocol::board::{Lamp, Lid, ToBoard};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

/// A reading older than this is not shown as if it were true now, in milliseconds.
const OLD_MS: u64 = 30_000;

impl Agent {
    pub(super) fn show(&mut self) {
        let view = self.view();
        let lamp = match view.desk {
            "no_batch" | "complete" => Lamp::Off,
            "arming" | "scanning" | "certifying" => Lamp::Scanning,
            _ if view.fault.is_some() => Lamp::Attention,
            _ if !view.overrides.is_empty() => Lamp::Overridden,
            _ => Lamp::Ready,
        };
        if self.lamp != Some(lamp) {
            self.lamp = Some(lamp);
            self.send_board(ToBoard::Lamp(lamp));
        }
        self.out.view.send_replace(Some(view));
    }

    fn view(&self) -> View {
        let context = &self.config.context;
        let picture = self.machine.picture();
        let age = |since: Instant| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (lid, corner, board) = self.board_words();
        View {
            now: Timestamp::now().to_string(),
            station: context.station.clone(),
            software: crate::SOFTWARE,
            operator: context.operator.clone(),
            device: context.device.clone(),
            source: context.settings.source,
            mode: context.settings.mode,
            dpi: context.settings.dpi.get(),
            plans: if picture.plan.is_none() { self.plans.clone() } else { Vec::new() },
            batch: picture.plan.map(|plan| self.batch(plan, picture.kept, picture.desk == "complete")),
            next: picture.next.zip(picture.plan).map(|(page, plan)| {
                let volume = &plan.volumes[page.volume];
                NextView {
                    volume: volume.code.to_string(),
                    title: volume.title.clone(),
                    number: page.number,
                    expected: volume.expected,
                }
            }),
            desk: picture.desk,
            saving: picture.saving,
            progress: self.progress,
            holds: self.machine.holds().to_vec(),
            faults: self.standing.clone(),
            overrides: self.override_views(),
            persons: self.config.persons.clone(),
            fault: picture.fault.map(|f| FaultView { trouble: f.clone(), page: picture.next.map(|p| p.number) }),
            last_page: self.last_page.clone(),
            lid,
            corner,
            board,
            room: self.room.map(|(celsius, humidity, at)| RoomView {
                celsius,
                humidity,
                age_ms: age(at),
                stale: age(at) > OLD_MS,
            }),
            power: self.power.map(|(p, at)| PowerView {
                state: p.state,
                charge: p.charge,
                replace_battery: p.replace_battery,
                age_ms: age(at),
                stale: age(at) > OLD_MS,
            }),
            network: self.out.outbox.is_some().then(|| self.network.clone()),
            interlocks: match self.config.guard {
                Guard::Board if self.config.watches_itself => "pins",
                Guard::Board => "board",
                Guard::Scanner => "scanner",
                Guard::None => "none",
            },
        }
    }

    fn board_words(&self) -> (&'static str, &'static str, &'static str) {
        if self.out.board.is_none() {
            return ("unknown", "unknown", "not_used");
        }
        match self.interlock.board() {
            Board::Absent { .. } => ("unknown", "unknown", "absent"),
            Board::WrongVersion { .. } => ("unknown", "unknown", "wrong_version"),
            Board::Greeting | Board::Greeted => ("unknown", "unknown", "silent"),
            Board::Present { .. }
                if self.interlock.holds(self.board_now()).iter().any(|h| h.name == "board-silent") =>
            {
                ("unknown", "unknown", "silent")
            }
            Board::Present { inputs, .. } => {
                let lid = match inputs.lid {
                    Lid::Closed => "closed",
                    Lid::Open => "open",
                    Lid::Broken => "broken",
                };
                (lid, if inputs.in_corner() { "in_place" } else { "away" }, "present")
            }
        }
    }

    fn batch(&self, plan: &Plan, kept: u32, completed: bool) -> BatchView {
        let folder = plan.batch.folder();
        let volumes = plan.volumes.iter().zip(plan.kept_by_volume(kept)).map(|(v, pages)| VolumeView {
            code: v.code.to_string(),
            title: v.title.clone(),
            expected: v.expected,
            pages,
        });
        let sheet = folder.join(crate::batch::sheet::FILE_NAME);
        BatchView {
            batch: plan.batch.to_string(),
            pages: kept,
            expected: plan.expected(),
            completed,
            folder: self.config.context.out.join(&folder).display().to_string(),
            tracking_sheet: completed.then(|| sheet.display().to_string()),
            volumes: volumes.collect(),
        }
    }

    /// While nothing is open: looks for plans that are not complete yet. Not each time they are shown, as a folder may hold
    /// a year's.
    pub(super) fn look_for_plans(&mut self) {
        let Some(folder) = self.config.plans.as_ref().filter(|_| self.machine.picture().plan.is_none()) else { return };
        let (plans, bad) = load_plans(folder);
        // Said once, and not each second.
        for BadPlan { file, why } in bad.iter().filter(|bad| !self.bad_plans.contains(bad)) {
            tracing::warn!(file = %file.display(), error = %why, "a plan cannot be used");
        }
        self.bad_plans = bad;
        let open = plans.into_iter().filter(|plan| !self.journal.is_complete(&plan.batch).unwrap_or(false));
        let lines = open.map(|plan| PlanLine {
            batch: plan.batch.to_string(),
            volumes: plan.volumes.len(),
            expected: plan.expected(),
            kept: self.journal.kept(&plan.batch).unwrap_or(0),
        });
        self.plans = lines.collect();
    }
}

/// A file that should be a plan and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadPlan {
    pub(crate) file: PathBuf,
    pub(crate) why: String,
}

/// Every readable plan `LARGE/SMALL.csv` of a folder, in the order of their names, and the files that are none.
pub(crate) fn load_plans(folder: &Path) -> (Vec<Plan>, Vec<BadPlan>) {
    let sorted = |folder: &Path| {
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).into_iter().flatten().filter_map(|e| Some(e.ok()?.path())).collect();
        paths.sort();
        paths
    };
    let (mut plans, mut bad) = (Vec::new(), Vec::new());
    for large in sorted(folder).into_iter().filter(|p| p.is_dir()) {
        for file in sorted(&large).into_iter().filter(|p| p.extension().is_some_and(|e| e == "csv")) {
            let name = |p: &Path| p.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let large = large.file_name().unwrap_or_default().to_string_lossy();
            let plan = format!("{large}/{}", name(&file))
                .parse()
                .and_then(|batch| Plan::from_csv(batch, &std::fs::read_to_string(&file).map_err(|e| e.to_string())?));
            match plan {
                Ok(plan) => plans.push(plan),
                Err(why) => bad.push(BadPlan { file, why }),
            }
        }
    }
    (plans, bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_come_in_their_order_and_files_that_are_none_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        let good = "archival_code,title,expected_pages\n1997-A-0001-0001,Title,3\n";
        write("2/1-1-1.csv", good);
        write("1/1-1-2.csv", good);
        write("1/1-1-1.csv", "archival_code,title\n1997-A-0001-0001,Title\n");
        write("1/notes.txt", "no plan, and none that is meant to be one");
        let (plans, bad) = load_plans(folder.path());
        let names: Vec<_> = plans.iter().map(|plan| plan.batch.to_string()).collect();
        assert_eq!(names, ["1/1-1-2", "2/1-1-1"]);
        assert_eq!(bad.len(), 1, "{bad:?}");
        assert!(bad[0].file.ends_with("1/1-1-1.csv") && bad[0].why.contains("expected_pages"), "{bad:?}");
        assert_eq!(load_plans(folder.path()).1, bad, "said again it is the same");
    }
}
