//! `platen-station`: controller and edge agent of one scanning workstation.
mod keep { pub(crate) fn steps(_: &crate::pages::Findings) -> Vec<String> { vec![] } }
mod page_file;
mod pages;
mod scanner;
use clap::Parser;
pub(crate) const SOFTWARE: &str = concat!("Platen ", env!("CARGO_PKG_VERSION"));
#[derive(clap::Parser)]
struct Cli { #[command(flatten)] a: page_file::Args }
fn main() -> anyhow::Result<()> { page_file::run(&Cli::parse().a) }
