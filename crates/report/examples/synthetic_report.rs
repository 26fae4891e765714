//! Writes the report of a synthetic run, to look at: `cargo run --example synthetic_report -- FOLDER [seeds]
//! [mixed]`; `mixed` gives each model a metric of its own.

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::Write as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder?")?;
    let seeds: Vec<u64> = (1..=arguments.next().map_or(Ok(1), |n| n.parse())?).collect();
    let mixed = arguments.next().is_some_and(|word| word == "mixed");
    let tables = if mixed { common::mixed(&seeds) } else { common::run(&seeds) };
    let manifest = common::manifest(&seeds);
    let folder = calibench_store::RunFolder::create(folder)?;
    calibench_report::write_report(&folder, &manifest, &tables, &common::histograms())?;
    let summary = calibench_report::terminal_summary(&manifest, &tables, 110);
    Ok(std::io::stdout().write_all(summary.as_bytes())?)
}
