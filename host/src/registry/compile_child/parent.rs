//! The parent's side: start the child, feed it, take what it writes, end it when it takes too much.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
    sync::Mutex,
    time::{interval, timeout},
};

use super::{BROKEN, COMMAND, CompileLimits, Order, REFUSED};
use crate::{config::Lane, guest::EngineSettings};

/// Bytes kept of what the child complains about.
const MAX_COMPLAINT: u64 = 16 << 10;

/// How often the child's memory is looked at. A child fills about 10 MiB in this time.
const LOOK: Duration = Duration::from_millis(20);

/// Why a component was not compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileFault {
    /// The component is at fault, in words for its author.
    #[error("{0}")]
    Refused(String),
    /// Compiling took more than it may, in words for its author.
    #[error("{0}")]
    Limit(String),
    /// The child could not do its work, in words for the operator.
    #[error("the component could not be compiled: {0}")]
    Broken(String),
}

/// Compiles, one component at a time. Clones share the turn.
#[derive(Clone, Debug)]
pub struct Compiler {
    executable: PathBuf,
    engine: EngineSettings,
    limits: CompileLimits,
    turn: Arc<Mutex<()>>,
}

impl Compiler {
    /// A compiler that starts `executable`, by default the running one.
    ///
    /// # Errors
    /// When the running executable cannot be found.
    pub fn new(executable: Option<PathBuf>, engine: EngineSettings, limits: CompileLimits) -> io::Result<Self> {
        let executable = executable.map_or_else(running_executable, Ok)?;
        Ok(Self { executable, engine, limits, turn: Arc::default() })
    }

    /// Compiles one component for one lane, when its turn comes. `file` is its name, for complaints and to tell text
    /// from binary.
    ///
    /// Cancel safe: dropping the future ends the child.
    ///
    /// # Errors
    /// Why there is no compiled code.
    pub async fn compile(&self, lane: Lane, file: &Path, component: &[u8]) -> Result<Vec<u8>, CompileFault> {
        let _turn = self.turn.lock().await;
        let cpu_seconds = self.limits.cpu_seconds(component);
        let mut child = self.start(lane, file, cpu_seconds).map_err(|error| {
            CompileFault::Broken(format!("cannot start {} {COMMAND}: {error}", self.executable.display()))
        })?;
        let finished = timeout(self.limits.wall, self.converse(&mut child, component)).await;
        let (artefact, complaint, status) = match finished {
            Ok(finished) => finished?,
            Err(_) => return Err(self.too_much(format!("{:?} by the clock", self.limits.wall))),
        };
        match (status.success(), artefact.is_empty()) {
            (true, false) => Ok(artefact),
            // Never kept: the next start would find nothing in the cache and take it for code.
            (true, true) => Err(CompileFault::Broken(format!("{} wrote no code", self.executable.display()))),
            (false, _) => Err(self.why(status, &complaint, cpu_seconds)),
        }
    }

    /// Starts the child with nothing of the host's surroundings. Without a `pre_exec` hook: none of the host's memory
    /// is copied, and no code runs between fork and exec.
    fn start(&self, lane: Lane, file: &Path, cpu_seconds: u64) -> io::Result<Child> {
        let order = Order {
            lane,
            engine: self.engine.clone(),
            address_space: self.limits.address_space,
            cpu_seconds,
            file: file.to_owned(),
        };
        Command::new(&self.executable)
            .arg(COMMAND)
            .args(order.to_args())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // The terminal's interrupt is the host's to handle.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    async fn converse(
        &self,
        child: &mut Child,
        component: &[u8],
    ) -> Result<(Vec<u8>, String, ExitStatus), CompileFault> {
        let broken = |error: io::Error| CompileFault::Broken(error.to_string());
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take(), child.id());
        let (Some(input), Some(output), Some(errors), Some(id)) = streams else {
            return Err(CompileFault::Broken("the child has no pipes".to_owned()));
        };
        let talk = async {
            let (_, artefact, complaint) =
                tokio::join!(feed(input, component), drain(output, self.limits.output), drain(errors, MAX_COMPLAINT));
            (artefact, complaint)
        };
        let (artefact, complaint) = tokio::select! {
            said = talk => said,
            () = self.outgrown(id) => return Err(self.too_much(in_words(self.limits.memory) + " of memory")),
        };
        let (artefact, complaint) = (artefact.map_err(broken)?, complaint.map_err(broken)?);
        if artefact.len() as u64 > self.limits.output {
            return Err(self.too_much(in_words(self.limits.output) + " of compiled code"));
        }
        let status = child.wait().await.map_err(broken)?;
        Ok((artefact, String::from_utf8_lossy(&complaint).trim().to_owned(), status))
    }

    /// Resolves when the child holds more memory than it may.
    async fn outgrown(&self, child: u32) {
        let mut look = interval(LOOK);
        loop {
            look.tick().await;
            if resident(child).is_some_and(|bytes| bytes > self.limits.memory) {
                return;
            }
        }
    }

    fn too_much(&self, what: String) -> CompileFault {
        CompileFault::Limit(format!("compiling needed more than {what}"))
    }

    /// What a failed child's end means.
    fn why(&self, status: ExitStatus, complaint: &str, cpu_seconds: u64) -> CompileFault {
        let cpu = || self.too_much(format!("{cpu_seconds} s of CPU time, which is what its size allows"));
        match (status.code(), status.signal()) {
            (Some(code), _) if code == i32::from(REFUSED) => CompileFault::Refused(complaint.to_owned()),
            (Some(code), _) if code == i32::from(BROKEN) => CompileFault::Broken(complaint.to_owned()),
            (_, Some(libc::SIGXCPU)) => cpu(),
            // Nothing else but the kernel's limits sends this: the parent reports its own reasons itself.
            (_, Some(libc::SIGKILL)) => self.too_much("the machine could give".to_owned()),
            _ if out_of_memory(complaint) => self.too_much(in_words(self.limits.address_space) + " of address space"),
            (Some(code), _) => CompileFault::Broken(format!("the compiler ended with code {code}: {complaint}")),
            (None, signal) => CompileFault::Refused(format!(
                "the compiler crashed on this component (signal {}): {complaint}",
                signal.unwrap_or_default()
            )),
        }
    }
}

/// The file that runs now. On Linux it is named by what the kernel holds open, so a host whose binary was replaced
/// under it still starts its own version.
fn running_executable() -> io::Result<PathBuf> {
    let held = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") && held.exists() { Ok(held) } else { std::env::current_exe() }
}

/// Writes everything, then closes. A child that stops reading says why on its stderr.
async fn feed(mut input: ChildStdin, bytes: &[u8]) {
    if let Err(error) = input.write_all(bytes).await {
        tracing::debug!(%error, "the compile child stopped reading");
    }
}

/// Reads until the end, or until one byte more than `most`.
async fn drain(stream: impl AsyncRead + Unpin, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(most + 1).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Bytes of memory that a process holds; `None` when it has ended or the system does not tell.
fn resident(process: u32) -> Option<u64> {
    let pages = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// What Rust and its threads say when memory runs out.
fn out_of_memory(complaint: &str) -> bool {
    ["memory allocation of", "Cannot allocate memory", "Resource temporarily unavailable"]
        .iter()
        .any(|words| complaint.contains(words))
}

fn in_words(bytes: u64) -> String {
    if bytes >= 1 << 30 { format!("{} GiB", bytes >> 30) } else { format!("{} MiB", bytes >> 20) }
}

#[cfg(test)]
#[path = "parent_tests.rs"]
mod tests;
