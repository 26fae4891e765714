//! The `calibench` command.

use std::process::ExitCode;

use calibench::{EXIT_ERROR, cli, commands, console};
use clap::Parser;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            console::error(&error);
            ExitCode::from(EXIT_ERROR)
        }
    }
}
