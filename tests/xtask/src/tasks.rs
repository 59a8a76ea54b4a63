//! The tasks themselves, each a list of steps.

use std::{
    env,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::{
    bolt::Bolt,
    command::quoted,
    databases, dist,
    fuzz::{self, Soak},
    guests as test_guests, javascript,
    kept::sources_of,
    languages, peers,
    place::Place,
    plugins::{self, Build},
    python, readme, sdk,
    steps::Steps,
    toolchain::{Toolchain, key},
};

// Cargo unites the features of all packages it is asked for, and of their dev-dependencies if a test is among the targets.
// A command that asks for less gets other features, and builds the engine a second time. Hence:

/// Everything a run of the tests needs, with the features that `cargo test --workspace` has.
const BUILD_DEBUG: [&str; 5] = ["build", "--workspace", "--tests", "--bin", "wasmbay"];

/// The check of everything.
const CLIPPY: [&str; 6] = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];

/// The libraries' pages. `--examples`, of which there are none, asks for the features that the check before it had.
const DOC: [&str; 5] = ["doc", "--workspace", "--no-deps", "--lib", "--examples"];

/// The host alone, as users build it.
const BUILD_RELEASE: [&str; 5] = ["build", "--workspace", "--release", "--bin", "wasmbay"];

/// Tells tests, and whoever builds what they need, to go through everything.
const SOAK: &str = "WASMBAY_SOAK";

/// Builds all that is needed, then becomes `wasmbay dev plugins/`.
pub(crate) fn up(place: &Place, steps: &Steps, args: &[String]) -> anyhow::Result<()> {
    let toolchain = Toolchain::ensure(place, steps)?;
    // Where they cannot be fetched, the examples that take them are left out.
    let languages = languages::fetchable().then(|| languages::ensure(place, steps, &toolchain)).transpose()?;
    plugins::build(place, steps, &toolchain, Build::InPlace(languages.as_deref()))?;
    steps.command("host (release)", &place.root, cargo(place).args(BUILD_RELEASE))?;
    let mut wasmbay = Command::new(place.target.join("release/wasmbay"));
    if let Some(languages) = &languages {
        languages::apply(languages, &mut wasmbay)?;
    }
    become_program(toolchain.apply(&mut wasmbay).args(["dev", "plugins/"]).args(args).current_dir(&place.root))
}

/// Checks everything.
pub(crate) fn test(place: &Place, steps: &Steps, filter: Option<&str>) -> anyhow::Result<()> {
    check(place, steps, filter, None)?;
    steps.done();
    Ok(())
}

/// Checks everything with full counts, then drives the fuzz targets; `fuzz` as the filter is these alone, any other the
/// tests alone.
pub(crate) fn soak(place: &Place, steps: &Steps, filter: Option<&str>, soak: &Soak<'_>) -> anyhow::Result<()> {
    if filter != Some("fuzz") {
        let passed = passed(place)?;
        check(place, steps, filter, Some(&passed))?;
        if filter.is_none() && passed.exists() {
            std::fs::remove_dir_all(&passed).with_context(|| format!("cannot remove {}", passed.display()))?;
        }
    }
    if matches!(filter, None | Some("fuzz")) {
        fuzz::soak(place, steps, soak)?;
    }
    steps.done();
    Ok(())
}

/// Where a soak notes the rows that have passed, so that one that was broken off goes on behind them: a folder for each
/// state of the sources.
fn passed(place: &Place) -> anyhow::Result<PathBuf> {
    let mut parts = Vec::new();
    for folder in ["host", "tests", "sdk", "plugins"] {
        let folder = place.root.join(folder);
        parts.extend(sources_of(&folder).with_context(|| format!("cannot read {}", folder.display()))?);
    }
    Ok(place.cache.join("soak").join(key(&parts.iter().map(String::as_str).collect::<Vec<_>>())))
}

/// With `passed`, a soak: full counts, and what has passed is noted there.
fn check(place: &Place, steps: &Steps, filter: Option<&str>, passed: Option<&Path>) -> anyhow::Result<()> {
    let root = &place.root;
    check_format(place, steps)?;
    steps.command("cargo clippy", root, cargo(place).args(CLIPPY))?;
    sdk::test(place, steps, filter)?;
    let toolchain = Toolchain::ensure(place, steps)?;
    let built = Built::ensure(place, steps, &toolchain, passed.is_some())?;
    steps.command("cargo doc", root, cargo(place).args(DOC).env("RUSTDOCFLAGS", "-D warnings"))?;
    steps.command("host and tests (debug)", root, cargo(place).args(BUILD_DEBUG))?;
    let mut tests = cargo(place);
    tests.args(["test", "--workspace"]).args(filter).envs(built.variables(place.target.join("debug/wasmbay")));
    if let Some(passed) = passed {
        tests.env(SOAK, passed);
    }
    steps.aloud("cargo test", root, &mut tests)
}

/// Builds the guests, plugins and tests, and prints what to export.
pub(crate) fn guests(place: &Place, steps: &Steps) -> anyhow::Result<()> {
    let toolchain = Toolchain::ensure(place, steps)?;
    let built = Built::ensure(place, steps, &toolchain, env::var_os(SOAK).is_some())?;
    steps.command("host and tests (debug)", &place.root, cargo(place).args(BUILD_DEBUG))?;
    print(built.variables(place.target.join("debug/wasmbay")));
    Ok(())
}

/// Fetches and builds the servers to measure beside, and prints what to export.
pub(crate) fn peers(place: &Place, steps: &Steps) -> anyhow::Result<()> {
    print([("WASMBAY_PEERS", peers::ensure(place, steps)?), ("WASMBAY_WASMTIME", peers::wasmtime(place, steps)?)]);
    Ok(())
}

/// Lines for a shell.
fn print<const N: usize>(variables: [(&str, PathBuf); N]) {
    for (name, value) in variables {
        println!("export {name}={}", quoted(value.as_os_str()));
    }
}

/// Builds what is shipped, and says where it is.
pub(crate) fn dist(place: &Place, steps: &Steps) -> anyhow::Result<()> {
    let toolchain = Toolchain::ensure(place, steps)?;
    let guests = test_guests::ensure(place, steps, &toolchain)?;
    let bolt = Bolt::ensure(place, steps)?;
    let linked = dist::link(place, steps)?;
    let shipped = dist::lay_out(place, steps, &linked, &guests, &bolt)?;
    steps.done();
    println!("{}", shipped.display());
    Ok(())
}

/// Builds what is shipped, then becomes `wasmbay-bench`.
pub(crate) fn bench(place: &Place, steps: &Steps, args: &[String]) -> anyhow::Result<()> {
    let toolchain = Toolchain::ensure(place, steps)?;
    let built = Built::ensure(place, steps, &toolchain, false)?;
    let linked = dist::link(place, steps)?;
    let host = match Bolt::ensure(place, steps) {
        Ok(bolt) => dist::lay_out(place, steps, &linked, &built.guests, &bolt)?,
        Err(error) => {
            eprintln!("measured is the host as it was linked, which is slower than what is shipped: {error:#}");
            linked.host
        }
    };
    let mut bench = Command::new(linked.bench);
    let scenario = args.first().map_or("", String::as_str);
    if matches!(scenario, "io" | "languages" | "peers") {
        bench.env("WASMBAY_PEERS", peers::ensure(place, steps)?);
    }
    if scenario == "io" {
        bench.env("WASMBAY_NATIVE", peers::native(place, steps)?);
    }
    if matches!(scenario, "io" | "peers") {
        bench.env("WASMBAY_WASMTIME", peers::wasmtime(place, steps)?);
    }
    become_program(bench.args(args).envs(built.variables(host)).current_dir(&place.root))
}

/// Cargo for the workspace.
pub(crate) fn cargo(place: &Place) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&place.root);
    // Cargo tells a program that it runs which package it is of. Build scripts look at the same variables (ring's), and
    // would run again, with all that hangs on them, whenever cargo is called by hand in between.
    let own = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(own)) {
        cargo.env_remove(name);
    }
    if env::var_os("CI").is_some() {
        cargo.env("CARGO_TARGET_DIR", &place.target);
    }
    cargo
}

/// Folders of what was built for wasm, and of what the tests run it against.
struct Built {
    guests: PathBuf,
    plugins: PathBuf,
    readme: PathBuf,
    languages: PathBuf,
    python: PathBuf,
    javascript: PathBuf,
    databases: PathBuf,
}

impl Built {
    fn ensure(place: &Place, steps: &Steps, toolchain: &Toolchain, soak: bool) -> anyhow::Result<Self> {
        let guests = test_guests::ensure(place, steps, toolchain)?;
        let languages = languages::ensure(place, steps, toolchain)?;
        let plugins = plugins::build(place, steps, toolchain, Build::Shared(&languages))?;
        let readme = readme::build(place, steps, toolchain)?;
        let python = python::ensure(place, steps, soak)?;
        let javascript = javascript::ensure(place, steps, &languages)?;
        let databases = databases::ensure(place, steps)?;
        Ok(Self { guests, plugins, readme, languages, python, javascript, databases })
    }

    /// What tests and benches are told.
    fn variables(self, host: PathBuf) -> [(&'static str, PathBuf); 8] {
        [
            ("WASMBAY_GUESTS", self.guests),
            ("WASMBAY_PLUGINS", self.plugins),
            ("WASMBAY_README", self.readme),
            ("WASMBAY_LANGUAGES", self.languages),
            ("WASMBAY_PYTHON", self.python),
            ("WASMBAY_JAVASCRIPT", self.javascript),
            ("WASMBAY_DATABASES", self.databases),
            ("WASMBAY_BIN", host),
        ]
    }
}

/// The workspace, and the guests and plugins, each a workspace of its own.
fn check_format(place: &Place, steps: &Steps) -> anyhow::Result<()> {
    steps.step("cargo fmt --check", |step| {
        let plugins = plugins::folders_of(&place.root.join("plugins"))?;
        let own = ["", "tests/guests", "tests/bench/native", "tests/fuzz/engine"].map(|folder| place.root.join(folder));
        let folders = own.into_iter().chain([place.sdk()]).chain(plugins);
        for folder in folders.filter(|folder| folder.join("Cargo.toml").exists()) {
            step.run(&place.root, Command::new("cargo").args(["fmt", "--all", "--check"]).current_dir(folder))?;
        }
        Ok(())
    })
}

fn become_program(command: &mut Command) -> anyhow::Result<()> {
    // Returns only if it fails.
    Err(command.exec()).with_context(|| format!("cannot start {:?}", command.get_program()))
}
