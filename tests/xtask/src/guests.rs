//! The tests' guests, built from source and kept by what they were made from.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::{
    place::{Place, make_whole},
    steps::{Step, Steps},
    toolchain::{Toolchain, key},
};

/// Package, target, and the name its component has among the guests.
const BUILT: [(&str, &str, &str); 4] = [
    ("http02", "wasm32-wasip2", "http02.wasm"),
    ("http03", "wasm32-wasip2", "http03.wasm"),
    ("cgi", "wasm32-wasip1", "cgi01.wasm"),
    ("cgi", "wasm32-wasip2", "cgi02.wasm"),
];

/// Builds the guests unless they are there. Answers their folder.
///
/// # Errors
///
/// A guest that does not compile, or a cache folder that cannot be written to.
pub(crate) fn ensure(place: &Place, steps: &Steps, toolchain: &Toolchain) -> anyhow::Result<PathBuf> {
    let source = place.root.join("tests/guests");
    let sources = sources_of(&source).context("cannot read tests/guests")?;
    let parts = sources.iter().map(String::as_str).chain([toolchain.key.as_str()]).collect::<Vec<_>>();
    let folder = place.cache.join("guests").join(key(&parts));
    steps.step("test guests", |step| {
        let _lock = place.lock("guests")?;
        if !folder.exists() {
            make_whole(&folder, |unfinished| build(place, step, toolchain, &source, unfinished))?;
        }
        Ok(())
    })?;
    Ok(folder)
}

fn build(place: &Place, step: &Step, toolchain: &Toolchain, source: &Path, into: &Path) -> anyhow::Result<()> {
    let target_dir = place.cache.join("guests-target");
    for (package, target, name) in BUILT {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--locked", "--package", package, "--target", target]);
        cargo.arg("--target-dir").arg(&target_dir).current_dir(source);
        step.run(&place.root, toolchain.apply(&mut cargo))?;
        let built = target_dir.join(target).join("release").join(format!("{package}.wasm"));
        fs::copy(&built, into.join(name)).with_context(|| format!("{} was not built", built.display()))?;
    }
    for file in fs::read_dir(source.join("text"))? {
        let path = file?.path();
        if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|extension| extension == "wat")) {
            fs::copy(&path, into.join(name))?;
        }
    }
    Ok(())
}

/// Every file under `folder` but build products, as path and content, in a fixed order.
fn sources_of(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut sources = Vec::new();
    for entry in entries {
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "target" {
                sources.extend(sources_of(&entry.path())?);
            }
        } else {
            sources.push(entry.file_name().to_string_lossy().into_owned());
            sources.push(String::from_utf8_lossy(&fs::read(entry.path())?).into_owned());
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_change_with_a_file_and_not_with_a_build() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("one/src")).unwrap();
        fs::write(folder.path().join("one/src/lib.rs"), "a").unwrap();
        let before = sources_of(folder.path()).unwrap();
        fs::create_dir_all(folder.path().join("target")).unwrap();
        fs::write(folder.path().join("target/out"), "").unwrap();
        assert_eq!(sources_of(folder.path()).unwrap(), before);
        fs::write(folder.path().join("one/src/lib.rs"), "b").unwrap();
        assert_ne!(sources_of(folder.path()).unwrap(), before);
    }
}
