//! Servers that benches measure beside the host, fetched or built once per machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::{
    kept::sources_of,
    place::{Place, make_whole},
    steps::{Step, Steps},
    tasks::cargo,
    toolchain::{key, rustc_version},
};

/// From PyPI.
const PYTHON: [&str; 6] =
    ["fastapi==0.165.0", "uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0", "httpx==0.28.1", "asyncpg==0.32.0"];

/// From npm: the whole of it is one program.
const WORKERD: &str = "@cloudflare/workerd-linux-64@1.20261117.1";

/// The package in `tests/bench/native`, which is also its program.
const NATIVE: &str = "wasmbay-bench-native";

/// Fetches uvicorn with FastAPI, and workerd, unless they are there. Answers a folder with `python` (for PYTHONPATH) and
/// `node_modules`.
///
/// # Errors
///
/// Python's pip or Node's npm that is not on this machine, or packages that cannot be had.
pub(crate) fn ensure(place: &Place, steps: &Steps) -> anyhow::Result<PathBuf> {
    let folder = place.cache.join("peers").join(key(&[&PYTHON.join(" "), WORKERD]));
    if !folder.exists() {
        steps.step("servers to measure beside, once per machine", |step| {
            let _lock = place.lock("peers")?;
            if folder.exists() {
                return Ok(());
            }
            make_whole(&folder, |unfinished| {
                step.say("uvicorn and FastAPI, from PyPI");
                let mut pip = Command::new("python3");
                pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
                step.run(&place.root, pip.arg(unfinished.join("python")).args(PYTHON)).context("it needs pip")?;
                step.say("workerd, from npm");
                fs::write(unfinished.join("package.json"), "{\"private\":true}")?;
                let mut npm = Command::new("npm");
                npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", WORKERD]).current_dir(unfinished);
                step.run(&place.root, &mut npm).context("it needs Node.js with npm")
            })
        })?;
    }
    Ok(folder)
}

/// Builds `wasmtime`, the program, unless it is there: the very version that the host is made with, as `cargo install`
/// gives it to everybody. Answers the program's path.
///
/// # Errors
///
/// A package that cannot be had or does not compile.
pub(crate) fn wasmtime(place: &Place, steps: &Steps) -> anyhow::Result<PathBuf> {
    let lock = fs::read_to_string(place.root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let version = locked(&lock, "wasmtime").context("Cargo.lock has no wasmtime")?;
    let folder = place.cache.join("wasmtime").join(key(&[version, &rustc_version()?]));
    if !folder.exists() {
        steps.step("wasmtime serve to measure beside, once per machine: this takes long", |step| {
            let _lock = place.lock("wasmtime")?;
            // Another run may have built it while this one waited for the lock.
            if folder.exists() {
                return Ok(());
            }
            make_whole(&folder, |unfinished| install(place, step, version, unfinished))
        })?;
    }
    Ok(folder.join("bin/wasmtime"))
}

fn install(place: &Place, step: &Step, version: &str, into: &Path) -> anyhow::Result<()> {
    // Outside of what is made as a whole: a build that was broken off goes on.
    let target_dir = place.cache.join("wasmtime-target");
    let mut install = cargo(place);
    install.args(["install", "wasmtime-cli", "--version", &format!("={version}"), "--locked", "--no-track", "--root"]);
    // What is meant for this project's own code would make it another program than everybody has.
    install
        .arg(into)
        .arg("--target-dir")
        .arg(&target_dir)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    step.run(&place.root, &mut install)?;
    fs::remove_dir_all(&target_dir).with_context(|| format!("cannot remove {}", target_dir.display()))
}

/// Builds the bench's server in hyper and sqlx unless it is there. Answers the program's path.
///
/// # Errors
///
/// A package that cannot be had or does not compile.
pub(crate) fn native(place: &Place, steps: &Steps) -> anyhow::Result<PathBuf> {
    let source = place.root.join("tests/bench/native");
    let rustc = rustc_version()?;
    let sources = sources_of(&source).with_context(|| format!("cannot read {}", source.display()))?;
    let parts = sources.iter().map(String::as_str).chain([rustc.as_str()]).collect::<Vec<_>>();
    let folder = place.cache.join("native").join(key(&parts));
    steps.step("the native server to measure beside", |step| {
        let _lock = place.lock("native")?;
        if !folder.exists() {
            make_whole(&folder, |unfinished| {
                let target_dir = place.cache.join("native-target");
                let mut build = cargo(place);
                build.args(["build", "--release", "--locked", "--target-dir"]).arg(&target_dir).current_dir(&source);
                step.run(&place.root, build.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS"))?;
                let built = target_dir.join("release").join(NATIVE);
                fs::copy(&built, unfinished.join(NATIVE))
                    .with_context(|| format!("{} was not built", built.display()))?;
                Ok(())
            })?;
        }
        Ok(folder.join(NATIVE))
    })
}

/// The version of a package in a lock file.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_names_the_version_that_the_host_is_made_with() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(locked(lock, "wasmtime").is_some_and(|version| version.starts_with("48.")));
        assert_eq!(locked("name = \"ab\"\nversion = \"1.2\"\n", "a"), None);
        assert_eq!(locked("name = \"b\"\nversion = \"1.2\"\n\nname = \"a\"\nversion = \"3.4\"\n", "a"), Some("3.4"));
    }
}
