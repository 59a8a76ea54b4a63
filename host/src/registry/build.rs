//! Runs a plugin's build command: what it needs is looked for first, each line of its output is handed on, its whole
//! process group is ended when it must.

use std::{
    collections::VecDeque,
    fmt, io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::toolchain;

/// The longest build. A first build fetches and compiles every dependency.
pub const BUILD_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// How long a build's processes have to end themselves when asked.
const GRACE: Duration = Duration::from_secs(2);

/// Lines of output kept to say why a build failed.
const KEPT_LINES: usize = 20;

/// Bytes of one line of output; longer lines are cut.
const LINE: usize = 2000;

/// Why a build did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildFault {
    /// In a sentence, or a line for each thing that is missing.
    pub why: String,
    /// The last lines of its output.
    pub output: Vec<String>,
}

impl BuildFault {
    fn new(why: String) -> Self {
        Self { why, output: Vec::new() }
    }
}

impl fmt::Display for BuildFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.output.as_slice() {
            [] => write!(f, "{}", self.why),
            output => write!(f, "{}:\n{}", self.why, output.join("\n")),
        }
    }
}

/// Runs `command` by the shell in `folder` to its end, within `limit`. `say` hears each line of its output as it comes.
///
/// # Errors
/// What the command needs and this machine does not have, with the commands that install it; else why the build
/// failed.
///
/// # Cancel safety
/// Dropping the future kills the build with everything it started.
pub async fn build(
    folder: &Path,
    command: &str,
    limit: Duration,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(), BuildFault> {
    let missing = toolchain::missing(folder, command).await;
    if !missing.is_empty() {
        return Err(BuildFault::new(Vec::from_iter(missing.iter().map(ToString::to_string)).join("\n")));
    }
    let mut group = Group::start(folder, command)
        .map_err(|error| BuildFault::new(format!("the build could not start: {error}")))?;
    let output = group.child.stdout.take();
    let mut tail = VecDeque::new();
    let finished = timeout(limit, async {
        let (status, ()) = tokio::join!(group.finish(), follow(output, &mut tail, say));
        status
    });
    let why = match finished.await {
        Ok(Ok(status)) if status.success() => return Ok(()),
        Ok(Ok(status)) => format!("the build failed ({status})"),
        Ok(Err(error)) => format!("the build was lost: {error}"),
        Err(_) => {
            group.end().await;
            format!("the build took longer than {limit:?}")
        }
    };
    Err(BuildFault { why, output: tail.into() })
}

/// A shell and everything it starts, as one process group.
struct Group {
    child: Child,
    id: Option<Pid>,
}

impl Group {
    fn start(folder: &Path, command: &str) -> io::Result<Self> {
        let child = Command::new("sh")
            .arg("-c")
            // Both streams into one pipe: their lines stay in order.
            .arg(format!("exec 2>&1\n{command}"))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Ok(Self { child, id })
    }

    /// Waits for the shell, then ends what it left behind: that would hold the output open for ever.
    async fn finish(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.signal(Signal::KILL);
        self.id = None;
        status
    }

    /// Asks the group to end, and waits a while for it.
    async fn end(&mut self) {
        self.signal(Signal::TERM);
        let _ = timeout(GRACE, self.child.wait()).await;
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // Nobody left to signal is what is wanted.
            let _ = kill_process_group(id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Not only the shell: also what it started.
        self.signal(Signal::KILL);
    }
}

/// Hands the output on line by line and keeps the last lines.
async fn follow(
    output: Option<impl AsyncRead + Unpin>,
    tail: &mut VecDeque<String>,
    say: &mut (dyn FnMut(&str) + Send),
) {
    let Some(output) = output else { return };
    let (mut output, mut line, mut open) = (BufReader::new(output), Vec::new(), true);
    while open {
        open = next_line(&mut output, &mut line).await;
        if line.is_empty() {
            continue;
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        say(&text);
        if tail.len() == KEPT_LINES {
            tail.pop_front();
        }
        tail.push_back(text);
    }
}

/// Reads on to the end of a line, of the stream, or of what a line may hold. Whether there may be more.
async fn next_line(stream: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>) -> bool {
    loop {
        let Ok(buffer) = stream.fill_buf().await else { return false };
        if buffer.is_empty() {
            return false;
        }
        let newline = buffer.iter().position(|byte| *byte == b'\n');
        let taken = newline.map_or(buffer.len(), |at| at + 1).min(LINE - line.len());
        line.extend_from_slice(&buffer[..taken]);
        stream.consume(taken);
        if line.len() == LINE || line.ends_with(b"\n") {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(folder: &Path, command: &str, limit: Duration) -> Result<(), String> {
        build(folder, command, limit, &mut |_| {}).await.map_err(|fault| fault.to_string())
    }

    async fn tried(command: &str) -> Result<(), String> {
        run(Path::new("/"), command, BUILD_TIMEOUT).await
    }

    #[tokio::test]
    async fn a_failed_build_says_why_with_the_end_of_its_output() {
        assert_eq!(tried("echo fine").await, Ok(()));
        let why = tried("for i in $(seq 100); do echo line $i; done; echo broken >&2; exit 3").await.unwrap_err();
        assert!(why.starts_with("the build failed (exit status: 3)"), "{why}");
        assert!(why.contains("line 100") && why.contains("broken") && !why.contains("line 50\n"), "{why}");
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let why = tried("head -c 1000000 /dev/zero | tr '\\0' x; exit 1").await.unwrap_err();
        assert!(why.lines().all(|line| line.len() <= LINE));
    }

    /// Whether the process whose id the build wrote still runs.
    fn runs(id: &Path) -> Option<bool> {
        let id = std::fs::read_to_string(id).ok().filter(|text| text.ends_with('\n'))?;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim()));
        Some(stat.is_ok_and(|stat| !stat.contains(") Z ")))
    }

    async fn until(condition: impl Fn() -> bool) {
        while !condition() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn dropping_a_build_kills_what_it_started_in_the_background() {
        let folder = tempfile::tempdir().unwrap();
        let id = folder.path().join("id");
        let command = "sh -c 'echo $$ > id; exec sleep 1000' & wait";
        tokio::select! {
            ended = run(folder.path(), command, BUILD_TIMEOUT) => panic!("it must not end: {ended:?}"),
            () = until(|| runs(&id) == Some(true)) => {}
        }
        until(|| runs(&id) == Some(false)).await;
    }

    #[tokio::test]
    async fn a_build_past_its_time_is_ended_with_everything_that_ignores_the_request() {
        let folder = tempfile::tempdir().unwrap();
        let id = folder.path().join("id");
        let command = "trap '' TERM; sh -c 'echo $$ > id; while :; do sleep 1000; done' & wait; exit 0";
        let why = run(folder.path(), command, Duration::from_millis(200)).await.unwrap_err();
        assert!(why.contains("took longer than"), "{why}");
        until(|| runs(&id) != Some(true)).await;
    }
}
