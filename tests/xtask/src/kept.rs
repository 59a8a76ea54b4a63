//! What is built for wasm once per machine and kept by what it was made from.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::{
    place::{Place, make_whole},
    steps::Step,
    toolchain::{TARGETS, Toolchain, key},
};

/// Cargo packages that are built for wasm, and cargo's target folder for all of them.
pub(crate) struct Kept<'a> {
    /// Where the cache is.
    pub(crate) place: &'a Place,
    /// Shows what goes on.
    pub(crate) step: &'a Step,
    /// What builds.
    pub(crate) toolchain: &'a Toolchain,
}

impl Kept<'_> {
    /// The folder `KIND/KEY` of the cache, filled unless it is there. The key stands for the toolchain and every file
    /// under `source` and `uses`, the folders outside of it that it is built with.
    ///
    /// `fill` is handed the folder to fill and cargo's target folder, which keeps dependencies only: what was built of
    /// `source`'s own packages, if it is a workspace, is removed first.
    ///
    /// # Errors
    ///
    /// What `fill` fails with, sources that cannot be read, or a cache folder that cannot be written to.
    pub(crate) fn folder(
        &self,
        kind: &str,
        source: &Path,
        uses: &[&Path],
        fill: impl FnOnce(&Path, &Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<PathBuf> {
        let mut sources = Vec::new();
        for folder in [source].iter().chain(uses) {
            sources.extend(sources_of(folder).with_context(|| format!("cannot read {}", folder.display()))?);
        }
        let parts = sources.iter().map(String::as_str).chain([self.toolchain.key.as_str()]).collect::<Vec<_>>();
        let folder = self.place.cache.join(kind).join(key(&parts));
        // One for all kinds: they share cargo's target folder.
        let _lock = self.place.lock("wasm")?;
        if !folder.exists() {
            // A toolchain made anew has the same version and another std, which cargo would not notice.
            let target_dir = self.place.cache.join("wasm-target").join(&self.toolchain.key);
            if source.join("Cargo.toml").exists() {
                self.forget(source, &target_dir)?;
            }
            make_whole(&folder, |unfinished| fill(unfinished, &target_dir))?;
        }
        Ok(folder)
    }

    /// Cargo tells old from new by time alone: what another checkout's sources became would pass for this one's.
    fn forget(&self, source: &Path, target_dir: &Path) -> anyhow::Result<()> {
        let mut cargo = Command::new("cargo");
        cargo.args(["clean", "--quiet", "--workspace", "--locked", "--release"]);
        cargo.args(TARGETS.iter().flat_map(|target| ["--target", target])).arg("--target-dir").arg(target_dir);
        self.run(cargo.current_dir(source))
    }

    /// Runs a command with the toolchain for guests.
    ///
    /// # Errors
    ///
    /// A command that fails.
    pub(crate) fn run(&self, command: &mut Command) -> anyhow::Result<()> {
        self.step.run(&self.place.root, self.toolchain.apply(command))
    }

    /// The same for a command that calls cargo without naming a target folder: this one.
    ///
    /// # Errors
    ///
    /// A command that fails.
    pub(crate) fn run_in(&self, command: &mut Command, target_dir: &Path) -> anyhow::Result<()> {
        self.step.run(&self.place.root, self.toolchain.apply(command).env("CARGO_TARGET_DIR", target_dir))
    }
}

/// Folders of what cargo, Python and npm make beside sources.
const BUILT: [&str; 3] = ["target", "__pycache__", "node_modules"];

/// Every file under `folder` but build products, as name and content, in a fixed order.
pub(crate) fn sources_of(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut sources = Vec::new();
    for entry in entries {
        if BUILT.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            sources.extend(sources_of(&entry.path())?);
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
        for built in BUILT {
            fs::create_dir_all(folder.path().join(built)).unwrap();
            fs::write(folder.path().join(built).join("out"), "").unwrap();
        }
        assert_eq!(sources_of(folder.path()).unwrap(), before);
        fs::write(folder.path().join("one/src/lib.rs"), "b").unwrap();
        assert_ne!(sources_of(folder.path()).unwrap(), before);
    }
}
