//! Instructions by stage, counted by callgrind: the same on a busy machine, so that a regression shows where times do not.

use crate::{pages::samples, process::artifact};
use anyhow::{Context, bail};
use std::{collections::BTreeMap, path::Path, process::Command};

/// What is counted, each with everything that it calls, and how its symbols begin.
const STAGES: [(&str, &str); 6] = [
    ("reduction", "platen_station::pages::reduce::reduced"),
    ("ink", "platen_station::pages::ink::InkMap::new"),
    ("sheet's edges", "platen_station::pages::paper::edges"),
    ("skew", "platen_station::pages::skew::find"),
    ("signature", "platen_station::pages::same::signature::Signature::new"),
    ("straightened and encoded", "platen_station::pages::deliver::deliver"),
];

/// Prints the counts of a colour page.
#[allow(clippy::print_stdout)] // its output is what the user asked for
pub(super) fn run(folder: &Path) -> anyhow::Result<()> {
    let counts = folder.join("callgrind.out");
    // Or else the program would start itself again, out of valgrind's sight.
    let said = Command::new("valgrind")
        .env("GLIBC_TUNABLES", "glibc.malloc.tcache_max=128")
        .args(["--tool=callgrind", "--dump-instr=no"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(artifact("platen-station")?)
        .args(["page", "--json", "--out"])
        .arg(folder.join("counted"))
        .arg(samples().join("typical_0005.jpg"))
        .output()
        .context("valgrind: apt-get install valgrind")?;
    if !said.status.success() {
        bail!("valgrind: {}", String::from_utf8_lossy(&said.stderr));
    }
    let table = Command::new("callgrind_annotate")
        .args(["--inclusive=yes", "--threshold=100"])
        .arg(&counts)
        .output()
        .context("callgrind_annotate")?;
    let mut millions = BTreeMap::new();
    for line in String::from_utf8_lossy(&table.stdout).lines() {
        let Some((_, symbol)) = line.split_once("???:").or_else(|| line.split_once(".rs:")) else { continue };
        let count: String = line.trim_start().chars().take_while(|c| c.is_ascii_digit() || *c == ',').collect();
        let Ok(count) = count.replace(',', "").parse::<f64>() else { continue };
        if let Some((stage, _)) = STAGES.iter().find(|(_, name)| symbol.starts_with(name)) {
            // The first line of a symbol is its largest.
            millions.entry(stage).or_insert(count / 1e6);
        }
    }
    if millions.is_empty() {
        bail!("callgrind named none of the stages: was the program built with symbols?");
    }
    println!("millions of instructions for a colour page of 300 dpi, by callgrind:");
    for (stage, _) in STAGES {
        match millions.get(&stage) {
            Some(count) => println!("  {stage:<26} {count:>7.1}"),
            None => println!("  {stage:<26} inlined"),
        }
    }
    Ok(())
}
