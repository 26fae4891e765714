//! The `calibench` command.

use std::process::ExitCode;

use calibench::{EXIT_COULD_NOT_RUN, EXIT_ERROR, cli, commands, console};
use clap::Parser;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            // Wrong usage is 2, which means "could not tell" to those who run `check`.
            let checks = std::env::args().nth(1).is_some_and(|command| command == "check");
            let status =
                if checks && error.use_stderr() { i32::from(EXIT_COULD_NOT_RUN) } else { error.exit_code() };
            return ExitCode::from(u8::try_from(status).unwrap_or(EXIT_ERROR));
        }
    };
    match commands::run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            console::error(&error);
            ExitCode::from(EXIT_ERROR)
        }
    }
}
