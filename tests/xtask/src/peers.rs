//! Servers that the bench of languages measures beside the host, fetched once per machine.

use std::{fs, path::PathBuf, process::Command};

use anyhow::Context;

use crate::{
    place::{Place, make_whole},
    steps::Steps,
    toolchain::key,
};

/// From PyPI.
const PYTHON: [&str; 4] = ["fastapi==0.165.0", "uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0"];

/// From npm: the whole of it is one program.
const WORKERD: &str = "@cloudflare/workerd-linux-64@1.20261117.1";

/// Fetches them unless they are there. Answers a folder with `python` (for PYTHONPATH) and `node_modules`.
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
