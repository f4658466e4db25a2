//! The `enigma` program: hands its arguments to the control plane and exits by what came of it.

use std::process::ExitCode;

use enigma_control::cli;

fn main() -> ExitCode {
    match cli::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.report();
            error.exit_code()
        }
    }
}
