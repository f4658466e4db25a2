//! Standard output: data as JSON or as a table, and nothing else. Messages go to standard error.

use std::io::{self, Write};

use serde_json::Value;

use super::CliError;

#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    pub(super) json: bool,
}

impl Output {
    pub(super) fn data(self, value: &Value) -> Result<(), CliError> {
        self.text(&format!("{value:#}"))
    }

    /// Something beside the data, on standard error.
    pub(super) fn message(self, text: &str) {
        // Without a standard error there is nobody to tell.
        let _ = writeln!(io::stderr().lock(), "enigma: {text}");
    }

    /// A reader that has gone (`| head`) is no failure.
    pub(super) fn text(self, text: &str) -> Result<(), CliError> {
        match writeln!(io::stdout().lock(), "{text}") {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(CliError::Failed(format!("standard output: {error}")))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
