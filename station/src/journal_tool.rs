//! `platen-station journal`: what this station knows for certain, one page a line, and whether its files are as they were kept.

use crate::{batch::store::Journal, config::Config, keep::hex};
use anyhow::Context;
use sha2::{Digest, Sha256};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("where").required(true).args(["config", "out"])))]
pub(crate) struct Args {
    /// Configuration file of the station
    #[arg(long, value_name = "TOML")]
    config: Option<PathBuf>,
    /// Folder of the finished images, of a station without a configuration
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder of the journal [default: OUT/.platen]
    #[arg(long, value_name = "DIR", requires = "out")]
    state: Option<PathBuf>,
    /// Read every image and compare it with its hash; say which are missing or changed
    #[arg(long)]
    check_files: bool,
}

impl Args {
    /// It prints, and checks nothing that has to be gone through to its end.
    pub(crate) fn only_tells(&self) -> bool {
        !self.check_files
    }
}

/// Prints each page as the supervisor was told of it. Answers 1 if a file is missing or changed.
pub(crate) fn run(args: &Args) -> anyhow::Result<i32> {
    let (out, state) = match (&args.config, &args.out) {
        (Some(file), _) => {
            let config = Config::load(file)?;
            (config.station.out, config.station.state)
        }
        (None, Some(out)) => (out.clone(), args.state.clone().unwrap_or_else(|| out.join(".platen"))),
        (None, None) => anyhow::bail!("give --config or --out"),
    };
    let journal = Journal::look(&state.join("journal.db"))?;
    let mut stdout = io::stdout().lock();
    let (mut pages, mut bad) = (0u32, 0u32);
    // Before the first batch.
    let mut place = (0, 0, 0);
    loop {
        // Nothing is held open between two of these, however long files are read for: the station goes on writing.
        let next = journal.pages_after(place)?;
        let Some(last) = next.last() else { break };
        place = last.place;
        for page in next {
            writeln!(stdout, "{}", page.told)?;
            pages += 1;
            if args.check_files {
                for problem in problems(&out, &page.file, &page.master, &page.sha256) {
                    eprintln!("{problem}");
                    bad += 1;
                }
            }
        }
    }
    if args.check_files {
        eprintln!("{pages} pages, {bad} files missing or changed");
    }
    Ok(i32::from(bad > 0))
}

fn problems(out: &Path, file: &str, master: &str, sha256: &str) -> Vec<String> {
    let mut problems = Vec::new();
    match hash(&out.join(file)) {
        Ok(found) if found == sha256 => {}
        Ok(_) => problems.push(format!("{file}: changed since it was kept")),
        Err(error) => problems.push(format!("{error:#}")),
    }
    if !out.join(master).is_file() {
        problems.push(format!("{master}: missing"));
    }
    problems
}

fn hash(file: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    Ok(hex(&Sha256::digest(bytes)))
}
