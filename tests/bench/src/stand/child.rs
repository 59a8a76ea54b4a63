//! A process under measurement: started, waited for until it is ready, looked at, ended.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener as StdListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
    process::{self, ChildStdout, Command},
    time::timeout,
};

/// How far below the runtime's priority the control's pool runs: the value at which its event loop loses nothing.
const CONTROL_NICE: &str = "19";

/// Long enough to compile a dozen plugins on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// A server that compiles what it serves when it starts, without a cache: an interpreter of 40 MB takes a minute of two cores.
const LISTENS_WITHIN: Duration = Duration::from_secs(300);

/// Between two tries to connect to a server that does not say when it listens.
const LOOK: Duration = Duration::from_millis(5);

/// A drain's deadline is 40 s; a stand has no requests left to wait for.
const GONE_WITHIN: Duration = Duration::from_secs(15);

/// Above this a log is emptied: nobody reads the first gigabyte of a long run.
const LOG_BYTES: u64 = 64 << 20;

/// A running process. Killed when dropped.
pub(crate) struct Child {
    process: process::Child,
    log: PathBuf,
    /// Holds the log.
    _folder: TempDir,
}

/// Starts a native control.
pub(super) async fn control() -> anyhow::Result<(Child, SocketAddr)> {
    let (child, ready) = Child::start(control_command()?).await?;
    Ok((child, address(&ready, "listen")?))
}

/// What starts a native control.
pub(super) fn control_command() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["control", "--listen", "127.0.0.1:0", "--nice", CONTROL_NICE]);
    Ok(command)
}

/// The address that a ready line gives for `name`.
pub(super) fn address(ready: &str, name: &str) -> anyhow::Result<SocketAddr> {
    let mut words = ready.split_whitespace().filter_map(|word| word.split_once('='));
    let found = words.find_map(|(key, value)| if key == name { value.parse().ok() } else { None });
    found.with_context(|| format!("the ready line {ready:?} has no address {name:?}"))
}

impl Child {
    /// Starts `command` and waits for the line on its standard output that begins with `ready`.
    ///
    /// # Errors
    ///
    /// When it does not start, ends early or is not ready in time; the end of its log is in the error.
    pub(super) async fn start(mut command: Command) -> anyhow::Result<(Self, String)> {
        let mut child = Self::spawn(command.stdout(Stdio::piped()))?;
        let stdout = child.process.stdout.take().context("the process has no standard output")?;
        let ready = timeout(READY_WITHIN, ready_line(stdout)).await.unwrap_or_else(|_| bail!("not ready in time"));
        let ready = ready.with_context(|| format!("its log ends with:\n{}", child.log_end()))?;
        Ok((child, ready))
    }

    /// Starts a server that is told where to listen, and waits until it takes a connection there.
    ///
    /// # Errors
    ///
    /// When it does not start, ends early or does not listen in time; the end of its log is in the error.
    pub(super) async fn listening(command: impl FnOnce(SocketAddr) -> Command) -> anyhow::Result<(Self, SocketAddr)> {
        // Free when it was looked at; who takes it in between makes the server end early, which is seen.
        let address = StdListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut child = Self::spawn(command(address).stdout(Stdio::null()))?;
        let listens = timeout(LISTENS_WITHIN, async {
            while TcpStream::connect(address).await.is_err() {
                if let Some(status) = child.process.try_wait()? {
                    bail!("it ended before it listened: {status}");
                }
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        });
        let listens = listens.await.unwrap_or_else(|_| bail!("it does not listen in time"));
        listens.with_context(|| format!("its log ends with:\n{}", child.log_end()))?;
        Ok((child, address))
    }

    fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("log");
        command.stdin(Stdio::null()).stderr(append(&log)?).kill_on_drop(true);
        let process = command.spawn().with_context(|| format!("cannot run {:?}", command.as_std().get_program()))?;
        Ok(Self { process, log, _folder: folder })
    }

    /// A value of `/proc/PID/status` in MiB, such as `VmRSS` and `VmHWM`.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub(super) fn memory_mib(&self, field: &str) -> anyhow::Result<f64> {
        let pid = self.process.id().context("the process has ended")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        status_kib(&status, field).map(|kib| kib / 1024.0).with_context(|| format!("no {field} of process {pid}"))
    }

    /// CPU seconds used in user and kernel mode, by `/proc/PID/stat`.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub(super) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let pid = self.process.id().context("the process has ended")?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let ticks = stat_ticks(&stat).context("no CPU time in its stat")?;
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Empties a log that has grown large.
    pub(super) fn trim_log(&self) {
        let large = fs::metadata(&self.log).is_ok_and(|meta| meta.len() > LOG_BYTES);
        if large && let Ok(file) = File::options().write(true).open(&self.log) {
            // The process appends: it goes on at the new end.
            let _ = file.set_len(0);
        }
    }

    /// The last lines of its log.
    pub(super) fn log_end(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let tail = String::from_utf8_lossy(&text[text.len().saturating_sub(4_000)..]).into_owned();
        tail.lines().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Asks it to end, and ends it when it does not.
    pub(super) async fn stop(mut self) {
        if let Some(pid) = self.process.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            let _ = kill_process(pid, Signal::TERM);
        }
        if timeout(GONE_WITHIN, self.process.wait()).await.is_err() {
            self.kill().await;
        }
    }

    /// Ends it at once.
    pub(super) async fn kill(mut self) {
        let _ = self.process.kill().await;
    }
}

fn append(path: &Path) -> anyhow::Result<File> {
    File::options().create(true).append(true).open(path).with_context(|| format!("cannot write {}", path.display()))
}

/// The line that begins with `ready`; what follows is read and dropped, so that the process can go on writing.
async fn ready_line(stdout: ChildStdout) -> anyhow::Result<String> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if line.starts_with("ready ") {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(line);
        }
    }
    bail!("it ended before it was ready")
}

fn status_kib(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Ticks in user and kernel mode: the 14th and 15th field. The second may hold anything, and ends with a parenthesis.
fn stat_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_both_addresses() -> anyhow::Result<()> {
        let line = "ready listen=127.0.0.1:4711 admin=127.0.0.1:4712";
        assert_eq!(address(line, "admin")?.port(), 4712);
        assert_eq!(address(line, "listen")?.port(), 4711);
        assert!(address("ready listen=nowhere", "listen").is_err());
        Ok(())
    }

    #[test]
    fn memory_is_read_by_its_whole_name() {
        let status = "VmRSSx:\t1 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!(status_kib(status, "VmRSS"), Some(1024.0));
        assert_eq!(status_kib(status, "VmSwap"), None);
    }

    #[test]
    fn cpu_time_is_of_both_modes() {
        assert_eq!(stat_ticks("7 (a ) b) S 1 7 7 0 -1 4194560 9 0 0 0 12 30 0 0 20 0"), Some(42));
        assert_eq!(stat_ticks("7"), None);
    }

    #[tokio::test]
    async fn a_process_that_ends_early_shows_its_log() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo listening; echo broken >&2"]);
        let error = Child::start(command).await.err().map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(error.contains("broken") && error.contains("ended before"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_ends_without_listening_shows_its_log() {
        let command = |address: SocketAddr| {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("echo no {} for me >&2; exit 3", address.port())]);
            command
        };
        let error = Child::listening(command).await.err().map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(error.contains("for me") && error.contains("before it listened"), "{error}");
    }

    #[tokio::test]
    async fn a_ready_process_is_seen_and_stopped() -> anyhow::Result<()> {
        let mut command = Command::new("sh");
        command.args(["-c", "echo noise; echo ready listen=127.0.0.1:1; exec cat /dev/zero >/dev/null"]);
        let (child, ready) = Child::start(command).await?;
        assert_eq!(ready, "ready listen=127.0.0.1:1");
        assert!(child.memory_mib("VmRSS")? > 0.0);
        child.stop().await;
        Ok(())
    }
}
