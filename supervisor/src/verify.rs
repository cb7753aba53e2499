//! `platen-supervisor verify`: a station's journal against the database, page by page.

use crate::{config::Config, store::audit::Auditor};
use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use platen_protocol::uplink::{PageAccepted, StationId};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

/// Differences that are printed in full.
const SHOWN: usize = 20;

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Configuration file of the supervisor
    #[arg(long, default_value = "/etc/platen/supervisor.toml")]
    config: PathBuf,
    /// The station whose journal it is
    #[arg(long)]
    station: StationId,
    /// What `platen-station journal` has written; - is standard input
    journal: PathBuf,
}

/// Where a page stands: batch, volume, number.
type Place = (String, String, u32);

/// Answers 0 if both agree, 1 if not.
#[allow(clippy::print_stdout)] // its output is what the user asked for
pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    let config = Config::load(&args.config)?;
    let journal = journal(&args.journal)?;
    let auditor = Auditor::open(&config.store.file)?;
    let station = args.station.as_str();
    let pages = auditor.pages(station)?.into_iter();
    let database: BTreeMap<Place, String> = pages.map(|(batch, volume, n, hash)| ((batch, volume, n), hash)).collect();
    let differences = compare(&journal, &database);
    for difference in differences.iter().take(SHOWN) {
        println!("{difference}");
    }
    if differences.len() > SHOWN {
        println!("… and {} more", differences.len() - SHOWN);
    }
    let audit = auditor.audit(jiff::Timestamp::now())?;
    let streams: Vec<_> = audit.streams.iter().filter(|stream| stream.station == station).collect();
    let missing: u64 = streams.iter().map(|stream| stream.missing_count).sum();
    for stream in streams.iter().filter(|stream| stream.missing_count > 0 || stream.broken) {
        println!("events of epoch {}: {} missing, chain broken: {}", stream.epoch, stream.missing_count, stream.broken);
    }
    let (here, there) = (database.len(), journal.len());
    println!(
        "{station}: {there} pages in its journal, {here} in the database, {} differences; {missing} events missing",
        differences.len()
    );
    // An epoch that was given up stays broken: its numbers were given twice.
    let broken = streams.iter().any(|stream| stream.broken && stream.current);
    Ok(u8::from(!differences.is_empty() || missing > 0 || broken))
}

fn journal(file: &Path) -> anyhow::Result<BTreeMap<Place, String>> {
    let named = || file.display().to_string();
    let lines: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(file).with_context(named)?))
    };
    let mut pages = BTreeMap::new();
    for (n, line) in (1..).zip(lines.lines()) {
        let line = line.with_context(named)?;
        let page: PageAccepted = serde_json::from_str(&line)
            .with_context(|| format!("{}, line {n}: not a page as platen-station journal writes it", file.display()))?;
        let place = (page.batch, page.volume, page.number);
        if pages.insert(place.clone(), page.sha256).is_some() {
            bail!("{}, line {n}: {} stands there twice", file.display(), plainly(&place));
        }
    }
    Ok(pages)
}

fn plainly((batch, volume, number): &Place) -> String {
    format!("batch {batch}, volume {volume}, page {number}")
}

fn compare(journal: &BTreeMap<Place, String>, database: &BTreeMap<Place, String>) -> Vec<String> {
    let mut differences = Vec::new();
    for (place, hash) in journal {
        match database.get(place) {
            None => differences.push(format!("{}: not in the database", plainly(place))),
            Some(other) if other != hash => {
                differences
                    .push(format!("{}: another image, {other} in the database, {hash} in the journal", plainly(place)));
            }
            Some(_) => {}
        }
    }
    let only_here = database.keys().filter(|place| !journal.contains_key(*place));
    differences.extend(only_here.map(|place| format!("{}: not in the journal", plainly(place))));
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_difference_is_named() {
        let page = |n: u32, hash: &str| (("1/1-1-1".to_string(), "A".to_string(), n), hash.to_string());
        let journal = BTreeMap::from([page(1, "a"), page(2, "b"), page(3, "c")]);
        let database = BTreeMap::from([page(1, "a"), page(2, "x"), page(4, "d")]);
        let said = compare(&journal, &database).join("\n");
        assert_eq!(
            said,
            "batch 1/1-1-1, volume A, page 2: another image, x in the database, b in the journal\n\
             batch 1/1-1-1, volume A, page 3: not in the database\n\
             batch 1/1-1-1, volume A, page 4: not in the journal"
        );
        assert_eq!(compare(&journal, &journal), Vec::<String>::new());
    }
}
