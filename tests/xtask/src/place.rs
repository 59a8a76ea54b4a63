//! Where things are: the repository, cargo's target folder, the user's cache.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

/// Cargo's target folder in the cache, for runs that start from a fresh clone.
const SHARED_TARGET: &str = "ci-target";

/// The folders that every task works in.
pub(crate) struct Place {
    /// The repository's root.
    pub(crate) root: PathBuf,
    /// What this machine keeps for the project.
    pub(crate) cache: PathBuf,
    /// Cargo's target folder for the workspace.
    pub(crate) target: PathBuf,
    /// Whether that folder is the cache's, which all checkouts share.
    shares_target: bool,
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
        let set = env::var_os("CARGO_TARGET_DIR");
        let shares_target = set.is_none() && env::var_os("CI").is_some();
        let target = match set {
            Some(set) => env::current_dir()?.join(set),
            None if shares_target => cache.join(SHARED_TARGET),
            None => target_of(&root)?,
        };
        Ok(Self { root, cache, target, shares_target })
    }

    /// The SDK that guests in Rust are built with.
    pub(crate) fn sdk(&self) -> PathBuf {
        self.root.join("sdk/rust")
    }

    /// Keeps other checkouts out of a shared target folder until the file is dropped, and removes what the last one built
    /// of its own sources: cargo tells old from new by time alone, and may take theirs for this one's.
    ///
    /// # Errors
    ///
    /// A cache folder that cannot be written to.
    pub(crate) fn own_target(&self) -> anyhow::Result<Option<File>> {
        if !self.shares_target {
            return Ok(None);
        }
        let lock = self.lock(SHARED_TARGET)?;
        let owner = self.cache.join(SHARED_TARGET).with_extension("owner");
        let this = self.root.as_os_str().as_encoded_bytes();
        if self.target.exists() && fs::read(&owner).ok().as_deref() != Some(this) {
            for profile in ["dev", "release", "dist"] {
                let mut cargo = Command::new("cargo");
                cargo.args(["clean", "--quiet", "--workspace", "--profile", profile]).current_dir(&self.root);
                let status = cargo.env("CARGO_TARGET_DIR", &self.target).status()?;
                ensure!(status.success(), "cargo clean failed in {}", self.target.display());
            }
        }
        fs::write(&owner, this).with_context(|| format!("cannot write {}", owner.display()))?;
        Ok(Some(lock))
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

/// Makes `to` as a whole or not at all: `fill` works in a folder beside it, which then takes its name. What was there before stays
/// until then.
///
/// The caller holds the lock for `to`, so a folder left behind by a run that was killed is nobody's, and is removed.
///
/// # Errors
///
/// What `fill` fails with, or a folder that cannot be made.
pub(crate) fn make_whole(to: &Path, fill: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let unfinished = to.with_extension("unfinished");
    remove(&unfinished)?;
    fs::create_dir_all(&unfinished).with_context(|| format!("cannot make {}", unfinished.display()))?;
    fill(&unfinished)?;
    remove(to)?;
    fs::rename(&unfinished, to).with_context(|| format!("cannot make {}", to.display()))
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
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
        make_whole(&to, |_| anyhow::bail!("stopped again")).unwrap_err();
        assert!(to.join("whole").exists(), "what was there is gone");
    }
}
