//! A load generator in a process of its own, driven over its standard streams.

use std::{process::Stdio, time::Duration};

use anyhow::Context as _;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::load::{Group, LoadReport, Marker, Plan};

/// How long load runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Before anything counts.
    pub(crate) warmup: Duration,
    /// While it counts; `None` is until [`Generator::finish`].
    pub(crate) measure: Option<Duration>,
}

/// A running generator. Killed when dropped.
pub(crate) struct Generator {
    process: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Generator {
    /// Starts one with these groups.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub(crate) async fn start(groups: Vec<Group>, times: Times) -> anyhow::Result<Self> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let measure_ms = times.measure.map(milliseconds);
        let plan = Plan { groups, warmup_ms: milliseconds(times.warmup), measure_ms };
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["load", "--plan"]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().context("cannot start the generator")?;
        let mut stdin = process.stdin.take().context("the generator has no standard input")?;
        let stdout = process.stdout.take().context("the generator has no standard output")?;
        stdin.write_all(format!("{}\n", serde_json::to_string(&plan)?).as_bytes()).await?;
        stdin.flush().await?;
        Ok(Self { process, stdin, lines: BufReader::new(stdout).lines() })
    }

    /// Waits for the first reply of this revision or of a newer one.
    ///
    /// # Errors
    ///
    /// When the generator ends before, or it does not come `within`.
    pub(crate) async fn marker(&mut self, revision: u64, within: Duration) -> anyhow::Result<Marker> {
        let wait = async {
            loop {
                let line = self.lines.next_line().await?.context("the generator ended")?;
                let marker: Marker = serde_json::from_str(&line).context("the generator said something else")?;
                if marker.marker >= revision {
                    return Ok(marker);
                }
            }
        };
        tokio::time::timeout(within, wait).await.with_context(|| format!("no reply of revision {revision} in time"))?
    }

    /// Waits for the report, ending the load first when it has no time of its own.
    ///
    /// # Errors
    ///
    /// When the generator fails.
    pub(crate) async fn finish(self) -> anyhow::Result<LoadReport> {
        let Self { mut process, stdin, mut lines } = self;
        drop(stdin);
        let mut last = String::new();
        while let Some(line) = lines.next_line().await? {
            last = line;
        }
        let status = process.wait().await?;
        anyhow::ensure!(status.success(), "the generator failed: {status}");
        serde_json::from_str(&last).context("the generator's report cannot be read")
    }
}
