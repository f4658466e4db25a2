//! A PostgreSQL server of a test's own: made in a temporary folder, reached through a socket in
//! it, and gone with the test.

#![expect(clippy::expect_used, reason = "a test may stop here")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Stopped and removed when dropped.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    programs: PathBuf,
    owner: Option<(u32, u32)>,
    server: Option<Child>,
}

impl Cluster {
    /// `None` where PostgreSQL isn't installed; with `CI=true` that is a failure.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "PostgreSQL's initdb and postgres are needed"
            );
            return None;
        };
        // A short path: the name of a socket has 107 bytes.
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a folder");
        let owner = owner();
        let mut cluster = Self { folder, programs, owner, server: None };
        fs::set_permissions(cluster.folder.path(), Permissions::from_mode(0o700)).expect("rights");
        if let Some((user, group)) = owner {
            chown(cluster.folder.path(), Some(user), Some(group)).expect("the owner is changed");
        }
        let data = cluster.data();
        let made = cluster
            .command("initdb")
            .args(["--username=enigma", "--auth=trust", "--encoding=UTF8", "--no-sync"])
            .args(["--locale=C.UTF-8", "-D"])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        cluster.resume();
        let created = cluster
            .command("createdb")
            .args(["-U", "enigma", "-h"])
            .arg(cluster.folder.path())
            .arg("enigma")
            .output()
            .expect("createdb runs");
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
        Some(cluster)
    }

    /// For `[store] url`, and for looking into the database.
    pub(crate) fn url(&self) -> String {
        format!("postgres:///enigma?host={}&user=enigma", self.folder.path().display())
    }

    /// The server dies as it would with its machine.
    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            // Its children end with their parent; SIGQUIT spares the shared memory.
            signal(&server, "-QUIT");
            let _ = server.wait();
        }
    }

    /// Starts the server, and waits until it answers.
    pub(crate) fn resume(&mut self) {
        let server = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.folder.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=20"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres starts");
        self.server = Some(server);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let ready = self
                .command("pg_isready")
                .args(["-q", "-U", "enigma", "-d", "postgres", "-h"])
                .arg(self.folder.path())
                .status()
                .expect("pg_isready runs");
            if ready.success() {
                return;
            }
            assert!(Instant::now() < deadline, "the server doesn't come up");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of PostgreSQL's programs, as the owner: the server refuses to run as root.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir("/").stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            signal(&server, "-INT");
            let _ = server.wait();
        }
    }
}

fn signal(server: &Child, signal: &str) {
    let _ = Command::new("kill").args([signal, &server.id().to_string()]).status();
}

/// The newest installed version's, else those that the path leads to.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin")))
        })
        .collect();
    versions.sort();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&paths).map(|path| (0, path)).collect::<Vec<_>>();
    let complete = |folder: &Path| {
        ["initdb", "postgres", "createdb", "pg_isready"]
            .iter()
            .all(|program| folder.join(program).exists())
    };
    let mut all = versions.into_iter().rev().chain(others).map(|(_, path)| path);
    all.find(|path| complete(path))
}

/// Whom the server runs as where the tests run as root: the package's user, else nobody.
fn owner() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    if fs::metadata("/proc/self").expect("this process").uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("the users");
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2);
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    Some(find("postgres").or_else(|| find("nobody")).expect("a user who isn't root"))
}
