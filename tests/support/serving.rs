//! The binary as scripts see it: started, asked, signalled, looked at from outside.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{interval, timeout},
};

use crate::client::{Answer, Connection, HANG, Protocol};

/// A running `wasmbay serve` that has said where it listens. Killed when dropped.
pub struct Serving {
    /// Its process.
    pub child: Child,
    out: Lines<BufReader<ChildStdout>>,
    ready: String,
    _data: Option<TempDir>,
}

/// The built binary.
///
/// # Panics
/// When `WASMBAY_BIN` does not name it.
pub fn bin() -> PathBuf {
    std::env::var_os("WASMBAY_BIN").expect("WASMBAY_BIN names the built binary").into()
}

/// A command of the binary, not yet started; its log goes nowhere.
pub fn wasmbay(words: &[&str]) -> Command {
    let mut command = Command::new(bin());
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// The exit code and standard output of a command that ends by itself.
///
/// # Panics
/// When it does not.
pub async fn run(words: &[&str]) -> (Option<i32>, String) {
    let output = timeout(HANG, wasmbay(words).output()).await.expect("it does not end").expect("it starts");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

/// Serves this folder until the test ends, with a data folder of its own.
///
/// # Errors
/// When it ends before it is ready.
pub async fn serve(dir: &Path) -> anyhow::Result<Serving> {
    serve_with(dir, |_| {}).await
}

/// The same with a command that was changed before it started.
///
/// # Errors
/// When it ends before it is ready.
pub async fn serve_with(dir: &Path, change: impl FnOnce(&mut Command)) -> anyhow::Result<Serving> {
    let data = TempDir::new()?;
    let mut serving = serve_over(dir, data.path(), change).await?;
    serving._data = Some(data);
    Ok(serving)
}

/// The same over a data folder that may know the plugins already.
///
/// # Errors
/// When it ends before it is ready.
pub async fn serve_over(dir: &Path, data: &Path, change: impl FnOnce(&mut Command)) -> anyhow::Result<Serving> {
    let (dir, data) = (dir.to_string_lossy(), data.to_string_lossy());
    let any = "127.0.0.1:0";
    let mut command = wasmbay(&["serve", &dir, "--listen", any, "--admin", any, "--data", &data]);
    change(&mut command);
    let mut child = command.spawn()?;
    let mut out = BufReader::new(child.stdout.take().expect("piped")).lines();
    let ready = timeout(HANG, out.next_line()).await??.context("it ends before it is ready")?;
    Ok(Serving { child, out, ready, _data: None })
}

/// Lets a command be started by another one. Its log goes nowhere, unless that is said again.
pub fn wrap(command: &mut Command, by: &[&str]) {
    let inner = command.as_std();
    let (program, words) = (inner.get_program().to_owned(), inner.get_args().map(ToOwned::to_owned));
    let mut outer = Command::new(by[0]);
    outer
        .args(&by[1..])
        .arg(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    for (name, value) in inner.get_envs() {
        if let Some(value) = value {
            outer.env(name, value);
        }
    }
    *command = outer;
}

impl Serving {
    /// The whole ready line.
    pub fn ready(&self) -> &str {
        &self.ready
    }

    /// What the ready line says after `key=`.
    ///
    /// # Panics
    /// When it says nothing there.
    pub fn says(&self, key: &str) -> &str {
        let words = self.ready.split(' ');
        words.filter_map(|word| word.strip_prefix(key)?.strip_prefix('=')).next().expect("an address")
    }

    /// Where clients connect.
    ///
    /// # Panics
    /// When the ready line has no address.
    pub fn listen(&self) -> SocketAddr {
        self.says("listen").parse().expect("an address")
    }

    /// The process's number.
    ///
    /// # Errors
    /// When it has ended.
    pub fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the host has ended")
    }

    /// Sends a signal, by its name.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn signal(&self, name: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill").args(["-s", name, &self.id()?.to_string()]).status().await?;
        ensure!(sent.success(), "no signal");
        Ok(())
    }

    /// The exit code, once it has ended; what else it printed must be nothing.
    ///
    /// # Errors
    /// When it does not end.
    ///
    /// # Panics
    /// When it printed more than the ready line.
    pub async fn ended(mut self) -> anyhow::Result<Option<i32>> {
        assert_eq!(timeout(HANG, self.out.next_line()).await??, None, "one line alone");
        Ok(timeout(HANG, self.child.wait()).await??.code())
    }

    /// Asks the operator's listener.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ask_admin(&self, path: &str) -> anyhow::Result<Answer> {
        Connection::open(self.says("admin").parse()?, Protocol::Http1).await?.get(path).await
    }

    /// What `/metrics` shows.
    ///
    /// # Errors
    /// When the operator's listener does not answer.
    pub async fn page(&self) -> anyhow::Result<Page> {
        Ok(Page(self.ask_admin("/metrics").await?.text().to_owned()))
    }

    /// Waits until a condition on the metrics holds. A listener that does not answer is asked again: it may be what is
    /// under attack.
    ///
    /// # Panics
    /// When it never does; `what` says what was waited for.
    pub async fn until(&self, what: &str, condition: impl Fn(&Page) -> bool) {
        let wait = async {
            let mut looks = interval(Duration::from_millis(10));
            while !self.page().await.is_ok_and(|page| condition(&page)) {
                looks.tick().await;
            }
        };
        if timeout(HANG, wait).await.is_err() {
            panic!("waited in vain until {what}; the metrics:\n{}", self.page().await.expect("metrics").0);
        }
    }

    /// Memory resident now, in bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn rss(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(1024 * line.trim().trim_end_matches(" kB").parse::<u64>()?)
    }
}

/// A page of metrics in Prometheus' text form.
#[derive(Clone, Debug)]
pub struct Page(pub String);

impl Page {
    /// Whether it has this line.
    pub fn has(&self, line: &str) -> bool {
        self.0.lines().any(|shown| shown == line)
    }

    /// The sum of the series of this name that have all of these labels, 0 where there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let of = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && wanted.iter().all(|label| line.contains(label))
        };
        let values = self.0.lines().filter(of).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    }
}
