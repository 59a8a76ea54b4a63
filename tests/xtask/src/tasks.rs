//! The tasks themselves, each a list of steps.

use std::{
    env,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::{command::quoted, guests as test_guests, place::Place, plugins, steps::Steps, toolchain::Toolchain};

/// Builds all that is needed, then becomes `wasmbay dev plugins/`.
pub(crate) fn up(place: &Place, steps: &Steps, args: &[String]) -> anyhow::Result<()> {
    let toolchain = Toolchain::ensure(place, steps)?;
    plugins::build(place, steps, &toolchain)?;
    let mut build = cargo(place);
    steps.command("host (release)", &place.root, build.args(["build", "--release", "--package", "wasmbay"]))?;
    let mut wasmbay = Command::new(place.target.join("release/wasmbay"));
    become_program(toolchain.apply(&mut wasmbay).args(["dev", "plugins/"]).args(args).current_dir(&place.root))
}

/// Checks everything.
pub(crate) fn test(place: &Place, steps: &Steps, filter: Option<&str>, soak: bool) -> anyhow::Result<()> {
    let root = &place.root;
    check_format(place, steps)?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps.command("cargo clippy", root, cargo(place).args(clippy))?;
    let toolchain = Toolchain::ensure(place, steps)?;
    let guests = test_guests::ensure(place, steps, &toolchain)?;
    let plugins = plugins::build(place, steps, &toolchain)?;
    let mut doc = cargo(place);
    doc.args(["doc", "--package", "wasmbay", "--lib", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    steps.command("cargo doc", root, &mut doc)?;
    steps.command("host (debug)", root, cargo(place).args(["build", "--package", "wasmbay"]))?;
    let mut tests = cargo(place);
    tests.args(["test", "--workspace"]).args(filter).envs(variables(place, "debug", &guests, &plugins));
    if soak {
        tests.env("WASMBAY_SOAK", "1");
    }
    steps.aloud("cargo test", root, &mut tests)?;
    steps.done();
    Ok(())
}

/// Builds the guests and plugins, and prints what to export.
pub(crate) fn guests(place: &Place, steps: &Steps) -> anyhow::Result<()> {
    let toolchain = Toolchain::ensure(place, steps)?;
    let guests = test_guests::ensure(place, steps, &toolchain)?;
    let plugins = plugins::build(place, steps, &toolchain)?;
    for (name, value) in variables(place, "debug", &guests, &plugins) {
        println!("export {name}={}", quoted(value.as_os_str()));
    }
    Ok(())
}

/// Builds for release, then becomes `wasmbay-bench`.
pub(crate) fn bench(place: &Place, steps: &Steps, args: &[String]) -> anyhow::Result<()> {
    let toolchain = Toolchain::ensure(place, steps)?;
    let guests = test_guests::ensure(place, steps, &toolchain)?;
    let plugins = plugins::build(place, steps, &toolchain)?;
    let mut build = cargo(place);
    build.args(["build", "--release", "--package", "wasmbay", "--package", "wasmbay-bench"]);
    steps.command("host and bench (release)", &place.root, &mut build)?;
    let mut bench = Command::new(place.target.join("release/wasmbay-bench"));
    become_program(bench.args(args).envs(variables(place, "release", &guests, &plugins)).current_dir(&place.root))
}

/// Cargo for the workspace.
fn cargo(place: &Place) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&place.root);
    if env::var_os("CI").is_some() {
        cargo.env("CARGO_TARGET_DIR", &place.target);
    }
    cargo
}

/// What tests and benches are told.
fn variables(place: &Place, profile: &str, guests: &Path, plugins: &Path) -> [(&'static str, PathBuf); 3] {
    [
        ("WASMBAY_GUESTS", guests.to_owned()),
        ("WASMBAY_PLUGINS", plugins.to_owned()),
        ("WASMBAY_BIN", place.target.join(profile).join("wasmbay")),
    ]
}

/// The workspace, and the guests and plugins, each a workspace of its own.
fn check_format(place: &Place, steps: &Steps) -> anyhow::Result<()> {
    steps.step("cargo fmt --check", |step| {
        let plugins = plugins::folders_of(&place.root.join("plugins"))?;
        let folders = [place.root.clone(), place.root.join("tests/guests")].into_iter().chain(plugins);
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
