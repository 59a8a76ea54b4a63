//! The example plugins, built in place as their manifests say.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

use crate::{place::Place, steps::Steps, toolchain::Toolchain};

/// Runs the build command of every plugin under `plugins/`; cargo does nothing where nothing changed.
///
/// # Errors
///
/// A manifest that cannot be read, a build that fails, or one that leaves no component.
pub(crate) fn build(place: &Place, steps: &Steps, toolchain: &Toolchain) -> anyhow::Result<PathBuf> {
    let folder = place.root.join("plugins");
    steps.step("example plugins", |step| {
        for plugin in folders_of(&folder)? {
            step.say(&plugin.file_name().unwrap_or_default().to_string_lossy());
            let (component, build) = read(&plugin.join("plugin.toml"))?;
            if let Some(build) = build {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(build).current_dir(&plugin);
                step.run(&place.root, toolchain.apply(&mut shell))?;
            }
            let component = plugin.join(component);
            ensure!(component.exists(), "{} is not there; [build] of plugin.toml should make it", component.display());
        }
        Ok(())
    })?;
    Ok(folder)
}

/// The folders under `folder` that hold a manifest, by name.
///
/// # Errors
///
/// A folder that cannot be read.
pub(crate) fn folders_of(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut folders = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    folders.retain(|folder| folder.join("plugin.toml").exists());
    folders.sort();
    Ok(folders)
}

/// A manifest's component and build command.
fn read(manifest: &Path) -> anyhow::Result<(String, Option<String>)> {
    let read = || -> anyhow::Result<_> {
        let table: toml::Table = fs::read_to_string(manifest)?.parse()?;
        let component = table.get("component").and_then(toml::Value::as_str).context("component is missing")?;
        let build = table.get("build").and_then(|build| build.get("command")).and_then(toml::Value::as_str);
        Ok((component.to_owned(), build.map(str::to_owned)))
    };
    read().with_context(|| format!("cannot read {}", manifest.display()))
}
