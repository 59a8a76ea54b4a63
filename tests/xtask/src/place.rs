//! Where things are: the repository, cargo's target folder, the user's cache.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

/// The folders that every task works in.
pub(crate) struct Place {
    /// The repository's root.
    pub(crate) root: PathBuf,
    /// What this machine keeps for the project.
    pub(crate) cache: PathBuf,
    /// Cargo's target folder for the workspace.
    pub(crate) target: PathBuf,
}

impl Place {
    /// Finds them.
    ///
    /// # Errors
    ///
    /// No home folder, or a manifest that cargo does not read.
    pub(crate) fn find() -> anyhow::Result<Self> {
        // At run time: one target folder may serve several checkouts.
        let here = env::var_os("CARGO_MANIFEST_DIR").map_or(PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = here.ancestors().nth(2).context("xtask lies in tests/xtask of the repository")?.to_owned();
        let cache = cache_home()?.join("wasmbay");
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(set) => env::current_dir()?.join(set),
            None if env::var_os("CI").is_some() => cache.join("ci-target"),
            None => target_of(&root)?,
        };
        Ok(Self { root, cache, target })
    }

    /// Waits until no other run makes `name`, and keeps others waiting until the file is dropped.
    ///
    /// # Errors
    ///
    /// A cache folder that cannot be written to.
    pub(crate) fn lock(&self, name: &str) -> anyhow::Result<File> {
        let path = self.cache.join(format!("{name}.lock"));
        let make = || -> std::io::Result<File> {
            fs::create_dir_all(&self.cache)?;
            let file = File::create(&path)?;
            file.lock()?;
            Ok(file)
        };
        make().with_context(|| format!("cannot lock {}; set XDG_CACHE_HOME to a folder of yours", path.display()))
    }
}

fn cache_home() -> anyhow::Result<PathBuf> {
    let set = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME names a folder; set one of them")
}

fn target_of(root: &Path) -> anyhow::Result<PathBuf> {
    let output =
        Command::new("cargo").args(["metadata", "--no-deps", "--format-version=1"]).current_dir(root).output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let target = metadata["target_directory"].as_str().context("cargo metadata names the target folder")?;
    Ok(PathBuf::from(target))
}

/// Makes `to` as a whole or not at all: `fill` works in a folder beside it, which then takes its name.
///
/// The caller holds the lock for `to`, so a folder left behind by a run that was killed is nobody's, and is removed.
///
/// # Errors
///
/// What `fill` fails with, or a folder that cannot be made.
pub(crate) fn make_whole(to: &Path, fill: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let unfinished = to.with_extension("unfinished");
    for stale in [&unfinished, to] {
        if stale.exists() {
            fs::remove_dir_all(stale).with_context(|| format!("cannot remove {}", stale.display()))?;
        }
    }
    fs::create_dir_all(&unfinished).with_context(|| format!("cannot make {}", unfinished.display()))?;
    fill(&unfinished)?;
    fs::rename(&unfinished, to).with_context(|| format!("cannot make {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::make_whole;

    #[test]
    fn what_failed_to_fill_does_not_appear_and_does_not_hinder_the_next_try() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("made");
        make_whole(&to, |unfinished| {
            std::fs::write(unfinished.join("half"), "")?;
            anyhow::bail!("stopped")
        })
        .unwrap_err();
        assert!(!to.exists());
        make_whole(&to, |unfinished| Ok(std::fs::write(unfinished.join("whole"), "")?)).unwrap();
        assert!(to.join("whole").exists() && !to.join("half").exists());
    }
}
