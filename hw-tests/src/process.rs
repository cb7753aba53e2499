//! Programs of ours as processes: where they are, how they are started, and that they end with the test.

use anyhow::{Context, bail};
use std::{
    ffi::OsStr,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// Everything in a story happens within this, or the story fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A file that cargo built, by its name: a program, or a library `libNAME.so`. Under `cargo test` it is brought up to date
/// first, because cargo builds the programs of other packages only when asked.
pub fn artifact(name: &str) -> anyhow::Result<PathBuf> {
    static BUILT: Once = Once::new();
    if let Some(cargo) = std::env::var_os("CARGO") {
        BUILT.call_once(|| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let release = (!cfg!(debug_assertions)).then_some("--release");
            // The whole workspace, as `make test` has built it: a part of it would be built anew, with other features.
            let mut build = Command::new(cargo);
            let status = build.current_dir(root).args(["build", "-q", "--workspace"]).args(release).status();
            if !status.is_ok_and(|s| s.success()) {
                eprintln!("cargo build of the programs under test failed");
            }
        });
    }
    let exe = std::env::current_exe()?;
    // Tests lie in deps/, below the programs.
    let folders = exe.ancestors().skip(1).take(2).flat_map(|f| [f.to_path_buf(), f.join("deps")]);
    let found = folders.map(|f| f.join(name)).find(|f| f.is_file());
    found.with_context(|| format!("{name} is not built: run `cargo build --workspace`"))
}

/// A process that ends with its handle.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a program; what it says on standard error goes to `log`.
    pub fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let out = std::fs::File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { name, child })
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(pid) = rustix::process::Pid::from_raw(i32::try_from(self.child.id())?) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let name = self.name.clone();
        wait(&format!("{name} to end"), || Ok(self.child.try_wait()?.map(|_| ())))
    }

    /// Its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Looks again and again until `look` finds something, at most for [`PATIENCE`].
pub fn wait<T>(what: &str, look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    wait_for(PATIENCE, what, look)
}

/// Looks again and again until `look` finds something.
pub fn wait_for<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    let mut last = None;
    while began.elapsed() < patience {
        match look() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => last = None,
            Err(e) => last = Some(e),
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    match last {
        Some(e) => Err(e.context(format!("waited {} s for {what}", patience.as_secs()))),
        None => bail!("waited {} s for {what}", patience.as_secs()),
    }
}

/// An address on this machine that nobody uses; `wanted` if that is free.
///
/// Each is given once, and from below the ports that Linux lends to outgoing connections (32768 and up): between this look and
/// the server's own nobody takes it.
pub fn free_address(wanted: u16) -> anyhow::Result<SocketAddr> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let is_free = |port| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).is_ok();
    let begin = std::process::id().wrapping_mul(61);
    let others = std::iter::repeat_with(|| {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        20_000 + (begin.wrapping_add(given) % 12_000) as u16
    });
    let first = Some(wanted).filter(|&port| port != 0);
    let port = first.into_iter().chain(others.take(12_000)).find(|&port| is_free(port));
    Ok(SocketAddr::from(([127, 0, 0, 1], port.context("no port is free")?)))
}

/// Whether a program is installed.
#[must_use]
pub fn installed(program: impl AsRef<OsStr>) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
