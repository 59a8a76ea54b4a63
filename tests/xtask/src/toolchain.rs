//! The Rust toolchain that builds guests: rustup's where it has the targets or can add them, else a private one.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context;

use crate::{
    command::{output_of, succeeds_within},
    place::{Place, make_whole},
    steps::{Step, Steps},
};

/// What guests are built for.
pub(crate) const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-wasip2"];

/// The recipe of the private toolchain. Its text is part of the key under which the toolchain is kept.
const RECIPE: &str = include_str!("../private-toolchain.sh");

/// Enough for two 20 MB downloads on a slow line; a network that answers nothing must not hold a run for longer.
const RUSTUP_LIMIT: Duration = Duration::from_secs(180);

/// A toolchain that has all of [`TARGETS`].
pub(crate) struct Toolchain {
    /// Changes whenever the toolchain may build something else.
    pub(crate) key: String,
    /// The folder of the private one; `None` is the toolchain in use already.
    private: Option<PathBuf>,
}

impl Toolchain {
    /// Finds one, adds to one, or makes one.
    ///
    /// # Errors
    ///
    /// Neither rustup nor Debian's archive has the targets: what was tried, and what to do by hand.
    pub(crate) fn ensure(place: &Place, steps: &Steps) -> anyhow::Result<Self> {
        let rustc = rustc_version()?;
        let sysroot = PathBuf::from(rustc_says("--print=sysroot")?.trim());
        let usual = || Ok(Self { key: key(&[&rustc]), private: None });
        let forced = env::var_os("WASMBAY_TOOLCHAIN").is_some_and(|choice| choice == "private");
        if !forced && has_targets(&sysroot) {
            return usual();
        }
        let key = key(&[RECIPE, &rustc, &TARGETS.join(" ")]);
        let made = place.cache.join("toolchains").join(&key);
        steps.step("guest toolchain, once per machine", |step| {
            let _lock = place.lock("toolchains")?;
            // Asked again: another run may have made it while this one waited for the lock.
            if !forced && !whole(&made) && (has_targets(&sysroot) || added_by_rustup(step, &sysroot)) {
                return usual();
            }
            if !whole(&made) {
                make_whole(&made, |unfinished| make(place, step, unfinished))?;
            }
            Ok(Self { key, private: Some(made) })
        })
    }

    /// The folder of the private one, where there is one.
    pub(crate) fn private(&self) -> Option<&Path> {
        self.private.as_deref()
    }

    /// Lets a command build guests with it, into the folder that the command itself names.
    pub(crate) fn apply<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        if let Some(folder) = &self.private {
            command.env("RUSTUP_TOOLCHAIN", folder);
        }
        // Flags meant for this machine's own code would break guests, or build them again for nothing.
        for meant_for_the_host in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"] {
            command.env_remove(meant_for_the_host);
        }
        command
    }
}

/// All that rustc says of its version.
///
/// # Errors
///
/// No rustc.
pub(crate) fn rustc_version() -> anyhow::Result<String> {
    rustc_says("-vV")
}

fn rustc_says(argument: &str) -> anyhow::Result<String> {
    output_of(Command::new("rustc").arg(argument)).context("install Rust from https://rustup.rs")
}

/// A short name for everything that `parts` say.
pub(crate) fn key(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

fn has_targets(sysroot: &Path) -> bool {
    let std_of = |target| fs::read_dir(sysroot.join("lib/rustlib").join(target).join("lib"));
    TARGETS.iter().all(|target| std_of(target).is_ok_and(|mut files| files.next().is_some()))
}

/// Whether a private toolchain is there and the rustup toolchain it leans on still is.
fn whole(made: &Path) -> bool {
    made.join("bin/cargo").exists() && has_targets(made)
}

fn added_by_rustup(step: &Step, sysroot: &Path) -> bool {
    step.say("rustup target add");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add"]).args(TARGETS).env("RUSTUP_MAX_RETRIES", "1");
    succeeds_within(&mut rustup, RUSTUP_LIMIT) && has_targets(sysroot)
}

fn make(place: &Place, step: &Step, folder: &Path) -> anyhow::Result<()> {
    step.say("rustup cannot add the targets; making a toolchain of Debian's packages");
    let mut recipe = Command::new("bash");
    recipe.arg(place.root.join("tests/xtask/private-toolchain.sh")).arg(folder).args(TARGETS);
    step.run(&place.root, &mut recipe).with_context(|| {
        let targets = TARGETS.join(" ");
        format!(
            "no toolchain for guests; where the network allows it, `rustup target add {targets}` makes this needless"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_depends_on_where_one_part_ends_and_the_next_begins() {
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
    }

    #[test]
    fn a_toolchain_without_each_target_or_with_a_lost_cargo_is_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        for target in TARGETS {
            assert!(!whole(folder.path()));
            let lib = folder.path().join("lib/rustlib").join(target).join("lib");
            fs::create_dir_all(&lib).unwrap();
            fs::write(lib.join("libstd.rlib"), "").unwrap();
        }
        fs::create_dir(folder.path().join("bin")).unwrap();
        std::os::unix::fs::symlink("/nowhere/cargo", folder.path().join("bin/cargo")).unwrap();
        assert!(has_targets(folder.path()) && !whole(folder.path()));
    }
}
