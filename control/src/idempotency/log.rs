//! The keys on disk: a file of lines, each with its checksum, appended and synced; written anew
//! when it has grown long. A line that a crash tore is left out: what it said was never answered.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::answer::{Answer, Kept};
use super::table::Begun;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(super) enum Line {
    /// A request is about to be done. It may make orders with ids after `after`, and with none
    /// after `until`.
    Begin {
        key: String,
        fingerprint: String,
        at_ns: u64,
        after: u64,
        until: Option<u64>,
    },
    End {
        key: String,
        answer: Kept,
    },
    /// The request was refused: the key may be used again.
    Free {
        key: String,
    },
}

#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// A write has failed and may have left a part of a line.
    torn: bool,
}

impl Line {
    pub(super) fn begin(key: &str, begun: &Begun) -> Self {
        Self::Begin {
            key: key.into(),
            fingerprint: hex::encode(begun.fingerprint),
            at_ns: begun.at.0,
            after: begun.after,
            until: begun.until,
        }
    }

    pub(super) fn end(key: &str, answer: &Answer) -> Self {
        Self::End { key: key.into(), answer: answer.kept() }
    }

    fn encode(&self) -> io::Result<String> {
        let json = serde_json::to_string(self)?;
        Ok(format!("{} {json}\n", checksum(&json)))
    }

    fn decode(text: &str) -> Option<Self> {
        let (sum, json) = text.split_once(' ')?;
        if sum != checksum(json) {
            return None;
        }
        serde_json::from_str(json).ok()
    }
}

impl Log {
    /// A log that is longer is written anew: the table that it tells is bounded by less.
    const LONG_BYTES: u64 = 64 << 20;
    const LONGEST_LINE: u64 = 1 << 20;

    /// Opens the log, or begins it, and shows its lines.
    pub(super) fn open(path: &Path, mut learn: impl FnMut(Line)) -> io::Result<Self> {
        let mut file = options().create(true).open(path)?;
        let unreadable = read(&file, &mut learn)?;
        if unreadable > 0 {
            tracing::warn!(lines = unreadable, "Idempotency-Keys can't be read: a crash tore them");
        }
        let bytes = file.seek(SeekFrom::End(0))?;
        Ok(Self { path: path.into(), file, bytes, torn: true })
    }

    pub(super) fn is_long(&self) -> bool {
        self.bytes > Self::LONG_BYTES
    }

    /// On disk when this returns.
    pub(super) fn append(&mut self, line: &Line) -> io::Result<()> {
        let mut text = line.encode()?;
        if self.torn {
            // What stands there in half must not take this line with it.
            text.insert(0, '\n');
        }
        self.torn = true;
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()?;
        self.torn = false;
        self.bytes += text.len() as u64;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn replace_file(&mut self, file: File) {
        self.file = file;
    }

    /// Puts a log of these lines in the place of this one: the old or the new, whatever happens.
    pub(super) fn rewrite(&mut self, lines: &[Line]) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = options().create(true).truncate(true).open(&new)?;
        let mut text = String::new();
        for line in lines {
            text.push_str(&line.encode()?);
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        (self.file, self.bytes, self.torn) = (file, text.len() as u64, false);
        Ok(())
    }
}

/// Gives the number of lines that say nothing.
fn read(file: &File, learn: &mut impl FnMut(Line)) -> io::Result<u64> {
    let mut reader = BufReader::new(file);
    let (mut unreadable, mut text) = (0, Vec::new());
    loop {
        text.clear();
        let read = reader.by_ref().take(Log::LONGEST_LINE).read_until(b'\n', &mut text)?;
        if read == 0 {
            return Ok(unreadable);
        }
        let line = std::str::from_utf8(&text).unwrap_or_default().trim_end_matches('\n');
        match Line::decode(line) {
            Some(line) => learn(line),
            None => unreadable += u64::from(!text.trim_ascii().is_empty()),
        }
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn checksum(json: &str) -> String {
    let sum = Sha256::digest(json);
    hex::encode(sum.get(..8).unwrap_or_default())
}
