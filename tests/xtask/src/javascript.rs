//! Guests of Spin's packages for JavaScript as npm has them: nothing of this project's is in them.
//!
//! `packages` is made with those of today, of which npm has one for MySQL and none for keys, variables, SQLite and PostgreSQL;
//! `sdk` with the one package that came before, which has all. That one asks for a build tool from a repository, which stands empty
//! here: it merges interfaces of several packages, and there is one.

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
    toolchain::key,
};

/// The guests, and what the packages' own `j2w` is told beside its input and output.
const BUILT: [(&str, &[&str]); 2] = [("packages", &[]), ("sdk", &["--trigger-type", "spin-http"])];

/// Builds them unless they are there. Answers their folder. `languages` has esbuild, which bundles.
///
/// # Errors
///
/// Packages that cannot be had, or a guest that does not build.
pub(crate) fn ensure(place: &Place, steps: &Steps, languages: &Path) -> anyhow::Result<PathBuf> {
    let source = place.root.join("tests/javascript");
    let sources = sources_of(&source).with_context(|| format!("cannot read {}", source.display()))?;
    let folder = place.cache.join("javascript").join(key(&sources.iter().map(String::as_str).collect::<Vec<_>>()));
    steps.step("guests of Spin's packages for JavaScript", |step| {
        let _lock = place.lock("javascript")?;
        if !folder.exists() {
            make_whole(&folder, |unfinished| {
                BUILT.iter().try_for_each(|guest| build(place, step, languages, &source, *guest, unfinished))
            })?;
        }
        Ok(folder)
    })
}

fn build(
    place: &Place,
    step: &Step,
    languages: &Path,
    source: &Path,
    (name, options): (&str, &[&str]),
    into: &Path,
) -> anyhow::Result<()> {
    step.say(name);
    let work = into.join(name);
    step.run(&place.root, Command::new("cp").arg("-r").arg(source.join(name)).arg(&work))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&work);
    step.run(&place.root, &mut npm).context("it needs Node.js with npm")?;
    let mut bundle = Command::new(languages.join("node_modules/.bin/esbuild"));
    bundle.args(["src/index.js", "--bundle", "--format=esm", "--external:fermyon:*", "--log-level=warning"]);
    step.run(&place.root, bundle.arg("--outfile=bundle.js").current_dir(&work))?;
    let mut j2w = Command::new("node_modules/.bin/j2w");
    j2w.args(["--input", "bundle.js", "--output", "component.wasm"]).args(options).current_dir(&work);
    step.run(&place.root, &mut j2w)?;
    // It ends well even when it has made nothing.
    let built = work.join("component.wasm");
    fs::copy(&built, into.join(format!("{name}.wasm")))
        .with_context(|| format!("{} was not built", built.display()))?;
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))
}
