//! An author at work: the built binary in a folder of their own, with the fetched toolchains at hand.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, ensure};
use http::Request;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{interval, timeout},
};
use wasmbay_tests::{
    client::{Connection, HANG, Protocol, Sent},
    house::Plugin,
};

use crate::python;

/// The longest that a toolchain, or compiling what it made, may take: the first use of one builds its libraries.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What a language's test has to know of its template.
pub(crate) struct Language {
    /// As `--lang` has it.
    pub(crate) name: &'static str,
    /// A file, a text in it and what an author writes instead.
    pub(crate) edit: Edit<'static>,
    /// What becomes of an error that nobody caught.
    pub(crate) failing: Failing,
    /// What the log must have of it.
    pub(crate) traceback: &'static [&'static str],
}

/// A file, a text in it, and another text.
pub(crate) type Edit<'a> = (&'a str, &'a str, &'a str);

/// What becomes of an error that nobody caught.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// The plugin crashes.
    Trap,
    /// What comes with the template answers, by a problem.
    Answered,
    /// The author's own framework answers, in its own words.
    Framework(&'static str),
}

/// Somebody with a plugin.
pub(crate) struct Author {
    dir: TempDir,
    plugin: PathBuf,
}

impl Author {
    /// Has `wasmbay new` write a plugin, and the packages that it depends on at hand.
    pub(crate) async fn begins(language: &str, name: &str) -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        let plugin = dir.path().join(name);
        let author = Self { dir, plugin };
        let (code, told, _) = run(author.wasmbay(&["new", name, "--lang", language])).await?;
        ensure!(code == Some(0) && told.contains("next:"), "{told}");
        if author.plugin.join("package.json").exists() {
            // What `npm install` would make.
            symlink(toolchains().join("node_modules"), author.plugin.join("node_modules"))?;
        }
        if author.plugin.join("Cargo.toml").exists() {
            // Versions that are fetched already; cargo puts the plugin's own name into it.
            let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/items/Cargo.lock");
            fs::copy(lock, author.plugin.join("Cargo.lock"))?;
        }
        if author.plugin.join("requirements.txt").exists() {
            // The same for Python: what a test application requires, and which versions that is.
            let (built, to) = (python::applications(), author.plugin.join("target"));
            fs::copy(built.join("fastapi/requirements.txt"), author.plugin.join("requirements.txt"))?;
            fs::create_dir(&to)?;
            fs::copy(built.join("fastapi.lock"), to.join("requirements.lock"))?;
        }
        Ok(author)
    }

    /// `wasmbay build`.
    pub(crate) async fn builds(&self) -> anyhow::Result<()> {
        let (code, told, complaints) = self.tries_to_build().await?;
        ensure!(code == Some(0) && told.contains("B"), "{told}\n{complaints}");
        Ok(())
    }

    pub(crate) async fn tries_to_build(&self) -> anyhow::Result<(Option<i32>, String, String)> {
        run(self.wasmbay(&["build", &self.plugin.to_string_lossy()])).await
    }

    /// `wasmbay test` of what has been built: the plugin without its `[build]`.
    pub(crate) async fn checks_pass(&self) -> anyhow::Result<()> {
        let manifest = self.plugin.join("plugin.toml");
        let whole = fs::read_to_string(&manifest)?;
        let (without, _) = whole.split_once("[build]").unwrap_or((&whole, ""));
        fs::write(&manifest, without)?;
        let (code, report) = self.tests(&[]).await?;
        fs::write(&manifest, &whole)?;
        ensure!(code == Some(0) && report.contains(" passed, 0 failed"), "{report}");
        Ok(())
    }

    /// `wasmbay test`.
    pub(crate) async fn tests(&self, words: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
        let (data, folder) = (data(), self.plugin.to_string_lossy());
        let data = data.to_string_lossy();
        let all = [&["test", &folder, "--data", &data], words].concat();
        let (code, report, _) = run(self.wasmbay(&all)).await?;
        Ok((code, report))
    }

    /// Changes a file.
    pub(crate) fn edits(&self, (file, from, to): Edit<'_>) -> anyhow::Result<()> {
        let path = self.plugin.join(file);
        let text = fs::read_to_string(&path)?;
        ensure!(text.contains(from), "{file} has no {from:?}");
        Ok(fs::write(&path, text.replace(from, to))?)
    }

    /// Writes a file anew.
    pub(crate) fn writes(&self, file: &str, text: &str) -> anyhow::Result<()> {
        Ok(fs::write(self.plugin.join(file), text)?)
    }

    /// What a file has in it.
    pub(crate) fn reads(&self, file: &str) -> anyhow::Result<Vec<u8>> {
        Ok(fs::read(self.plugin.join(file))?)
    }

    /// Puts another plugin into the folder that is served.
    pub(crate) fn puts_beside(&self, other: &Plugin) -> anyhow::Result<()> {
        other.write(self.dir.path())
    }

    /// The folder of it all, for a host in this very process.
    pub(crate) fn leaves(self) -> TempDir {
        self.dir
    }

    /// `wasmbay serve`.
    pub(crate) async fn serves(&self) -> anyhow::Result<Host> {
        let (any, data) = ("127.0.0.1:0", data());
        let (dir, data) = (self.dir.path().to_string_lossy(), data.to_string_lossy());
        let log = self.dir.path().join("log");
        let mut command = self.wasmbay(&["serve", &dir, "--listen", any, "--admin", any, "--data", &data, "--json"]);
        let mut child = command.stderr(fs::File::create(&log)?).kill_on_drop(true).spawn()?;
        let mut out = BufReader::new(child.stdout.take().context("piped")?).lines();
        let ready = timeout(PATIENCE, out.next_line()).await??.context("it ends before it is ready")?;
        let listen = ready.split(' ').find_map(|word| word.strip_prefix("listen=")).context("an address")?;
        Ok(Host { child, listen: listen.parse()?, log })
    }

    fn wasmbay(&self, words: &[&str]) -> Command {
        let bin = env::var_os("WASMBAY_BIN").expect("WASMBAY_BIN is set: eval \"$(cargo xtask guests)\"");
        let mut command = Command::new(bin);
        command.args(words).current_dir(self.dir.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        let (toolchains, path) = (toolchains(), env::var_os("PATH").unwrap_or_default());
        let folders = [toolchains.join("bin")].into_iter().chain(env::split_paths(&path));
        let path: OsString = env::join_paths(folders).expect("folders of a PATH");
        command.env("PATH", path).env("PYTHONPATH", toolchains.join("python"));
        // Where the tests' own servers are.
        command.env("WASMBAY_PRIVATE_NETWORKS", "127.0.0.1");
        // Go fetches another Go otherwise, when a module asks for one.
        command.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=mod").env("GOPROXY", "off");
        if let Ok(rust) = toolchains.join("rust").canonicalize() {
            command.env("RUSTUP_TOOLCHAIN", rust);
        }
        // Meant for this machine's own code.
        for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WRAPPER"]
        {
            command.env_remove(name);
        }
        command
    }
}

/// A host that serves the author's folder.
pub(crate) struct Host {
    child: Child,
    listen: std::net::SocketAddr,
    log: PathBuf,
}

impl Host {
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.listen, Protocol::Http1).await
    }

    /// Waits until the log has all of these.
    pub(crate) async fn logs(&mut self, wanted: &[&str]) -> anyhow::Result<()> {
        let mut looks = interval(Duration::from_millis(10));
        let all = async {
            while !fs::read_to_string(&self.log).is_ok_and(|log| wanted.iter().all(|text| log.contains(text))) {
                looks.tick().await;
            }
        };
        let had = timeout(HANG, all).await;
        had.map_err(|_| anyhow::anyhow!("not all of {wanted:?}: {}", tail(&self.log)))
    }

    /// Waits until a request is answered so.
    pub(crate) async fn until_it_says(&self, request: Request<Sent>, wanted: &str) -> anyhow::Result<()> {
        let (path, mut looks) = (request.uri().to_string(), interval(Duration::from_millis(20)));
        let said = async {
            loop {
                looks.tick().await;
                let answer = self.connect().await?.get(&path).await?;
                // The old revision serves on until the new one does: nothing else may ever come.
                ensure!(answer.status == 200, "{answer:?}");
                if answer.text() == wanted {
                    return Ok(());
                }
            }
        };
        timeout(PATIENCE, said).await.with_context(|| format!("{path} never says {wanted:?}: {}", tail(&self.log)))?
    }

    /// Ends it as an operator does.
    pub(crate) async fn ends(mut self) -> anyhow::Result<()> {
        let id = self.child.id().context("it runs")?.to_string();
        ensure!(Command::new("kill").args(["-s", "TERM", &id]).status().await?.success(), "no signal");
        ensure!(timeout(PATIENCE, self.child.wait()).await??.success(), "it ended badly: {}", tail(&self.log));
        Ok(())
    }
}

/// The exit code, standard output and standard error of a command that ends by itself.
async fn run(mut command: Command) -> anyhow::Result<(Option<i32>, String, String)> {
    let command = command.stderr(Stdio::piped()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.context("it does not end")??;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((output.status.code(), text(output.stdout), text(output.stderr)))
}

/// The folder of fetched toolchains.
fn toolchains() -> PathBuf {
    let folder = env::var_os("WASMBAY_LANGUAGES");
    folder.expect("WASMBAY_LANGUAGES is set: eval \"$(cargo xtask guests)\"").into()
}

/// All tests share one cache of compiled code: engines of languages are large.
fn data() -> PathBuf {
    wasmbay_tests::house::settings().data.expect("tests have one")
}

fn tail(log: &Path) -> String {
    let log = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = log.lines().rev().take(10).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
