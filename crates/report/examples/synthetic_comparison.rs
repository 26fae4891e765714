//! A made-up comparison and made-up histories, to see how they look:
//! `cargo run --release -p calibench -p calibench-report --example synthetic_comparison -- WIDTH FOLDER` prints the tables and
//! writes the other forms into the folder.

#![allow(clippy::print_stdout, reason = "an example shows its result")]

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use calibench_report::{
    comparison_annotations, comparison_junit, comparison_markdown, comparison_text, history_markdown,
    history_plot, history_table,
};

#[path = "../tests/common/comparison.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod synthetic;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let width: u16 = arguments.next().map_or(Ok(100), |width| width.parse())?;
    let folder = arguments.next().map(PathBuf::from);
    let comparison = synthetic::every_verdict();
    println!("{}", comparison_text(&comparison, width, false));
    let histories = [synthetic::history(60), synthetic::history(12), synthetic::steady()];
    println!("{}", history_table(&histories, width));
    if let Some(folder) = folder {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("check.md"), comparison_markdown(&comparison))?;
        fs::write(folder.join("check.xml"), comparison_junit(&comparison))?;
        fs::write(folder.join("annotations.txt"), comparison_annotations(&comparison))?;
        fs::write(folder.join("history.md"), history_markdown(&histories))?;
        for (i, history) in histories.iter().enumerate() {
            if let Some(svg) = history_plot(history)? {
                fs::write(folder.join(format!("history-{i}.svg")), svg)?;
            }
        }
    }
    Ok(())
}
