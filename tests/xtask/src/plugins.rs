//! The example plugins, built as their manifests say.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

use crate::{command::quoted, kept::Kept, languages, place::Place, steps::Steps, toolchain::Toolchain};

/// What a manifest's command says to build inside of the plugin's own folder.
const IN_PLACE: &str = " --target-dir target";

/// Where a plugin's own target folder is, as its manifest names the component.
const OWN_TARGET: &str = "target/";

/// How a plugin's package says that it is made with the SDK.
const SDK: &str = "\"../../sdk/rust\"";

/// What builds plugins in Python, as their commands name it.
const PYTHON_SDK: &str = "sdk/python";

/// What builds plugins in Go, as their commands name it.
const GO: &str = "go build";

/// The package that plugins in Go may be made with.
const GO_SDK: &str = "sdk/go";

/// What builds plugins in C and Zig, as their commands name it.
const ZIG: &str = "python3 -m ziglang";

/// What builds plugins in JavaScript and TypeScript, as their commands name it.
const JAVASCRIPT_SDK: &str = "sdk/js";

/// Which folder cargo builds plugins in.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Build<'a> {
    /// Each plugin's own, where `wasmbay dev` goes on building it. The folder is that of the fetched languages, on a
    /// machine that can fetch them.
    InPlace(Option<&'a Path>),
    /// One folder of the cache, so that a fresh clone compiles nothing that any other has compiled; the finished
    /// component is put where the manifest says. The folder is that of the fetched languages.
    Shared(&'a Path),
}

impl Build<'_> {
    fn languages(&self) -> Option<&Path> {
        match self {
            Self::InPlace(languages) => *languages,
            Self::Shared(languages) => Some(languages),
        }
    }
}

/// Runs the build command of every plugin under `plugins/`, unless its component is known. Answers that folder.
///
/// # Errors
///
/// A manifest that cannot be read, a build that fails, or one that leaves no component.
pub(crate) fn build(place: &Place, steps: &Steps, toolchain: &Toolchain, build: Build<'_>) -> anyhow::Result<PathBuf> {
    let folder = place.root.join("plugins");
    steps.step("example plugins", |step| {
        let kept = Kept { place, step, toolchain };
        for plugin in folders_of(&folder)? {
            step.say(&plugin.file_name().unwrap_or_default().to_string_lossy());
            let (component, command) = read(&plugin.join("plugin.toml"))?;
            if let Build::InPlace(languages) = build
                && let Some(lacking) = command.as_deref().and_then(|command| lacking(&plugin, command, languages))
            {
                step.keep(&format!("{} is left out: it takes {lacking}", plugin.display()));
                continue;
            }
            let shared = component.strip_prefix(OWN_TARGET).filter(|_| matches!(build, Build::Shared(_)));
            if let Some(languages) = build.languages() {
                languages::link_packages(languages, &plugin)?;
            }
            match (command, shared) {
                (Some(command), Some(built)) if command.contains(IN_PLACE) => {
                    build_shared(&kept, build, &plugin, &command, built)?;
                }
                (Some(command), Some(built)) => build_kept(&kept, build, &plugin, &command, built)?,
                (Some(command), None) => kept.run(&mut shell(build, &plugin, &command)?)?,
                (None, _) => {}
            }
            let component = plugin.join(component);
            ensure!(component.exists(), "{} is not there; [build] of plugin.toml should make it", component.display());
        }
        Ok(())
    })?;
    Ok(folder)
}

/// Builds in the shared folder and puts the component, whose path in a target folder is `built`, into the plugin's.
fn build_shared(kept: &Kept, build: Build<'_>, plugin: &Path, command: &str, built: &str) -> anyhow::Result<()> {
    let sdk = kept.place.sdk();
    let uses: &[&Path] = if uses_the_sdk(plugin) { &[&sdk] } else { &[] };
    let folder = kept.folder("plugins", plugin, uses, |folder, target_dir| {
        kept.run(&mut shell(build, plugin, &in_folder(command, target_dir))?)?;
        let built = target_dir.join(built);
        fs::copy(&built, folder.join("component")).with_context(|| format!("{} was not built", built.display()))?;
        Ok(())
    })?;
    let to = plugin.join(OWN_TARGET).join(built);
    place_file(&folder.join("component"), &to).with_context(|| format!("cannot write {}", to.display()))
}

/// Builds where the manifest says by something other than cargo, and keeps the component, whose path in the plugin's target
/// folder is `built`.
fn build_kept(kept: &Kept, build: Build<'_>, plugin: &Path, command: &str, built: &str) -> anyhow::Result<()> {
    let to = plugin.join(OWN_TARGET).join(built);
    let sdks = [(PYTHON_SDK, PYTHON_SDK), (GO, GO_SDK), (JAVASCRIPT_SDK, JAVASCRIPT_SDK)];
    let uses = sdks.into_iter().filter(|(word, _)| command.contains(word));
    let uses = uses.map(|(_, folder)| kept.place.root.join(folder)).collect::<Vec<_>>();
    let uses = uses.iter().map(PathBuf::as_path).collect::<Vec<_>>();
    let folder = kept.folder("plugins", plugin, &uses, |folder, _| {
        kept.run(&mut shell(build, plugin, command)?)?;
        fs::copy(&to, folder.join("component")).with_context(|| format!("{} was not built", to.display()))?;
        Ok(())
    })?;
    place_file(&folder.join("component"), &to).with_context(|| format!("cannot write {}", to.display()))
}

/// What this machine has not that a command takes: only the plugin's own tests cannot go without.
fn lacking(plugin: &Path, command: &str, languages: Option<&Path>) -> Option<&'static str> {
    let runs = |command: &mut Command| command.output().is_ok_and(|looked| looked.status.success());
    let python = "import pip, sys; sys.exit(sys.version_info < (3, 11))";
    if command.contains(PYTHON_SDK) {
        (!runs(Command::new("python3").args(["-c", python]))).then_some("Python 3.11 or later with pip")
    } else if languages.is_some() {
        None
    } else if command.contains(GO) && !runs(Command::new("go").arg("version")) {
        Some("Go 1.24 or later")
    } else if command.contains(ZIG) && !runs(Command::new("python3").args(["-m", "ziglang", "version"])) {
        Some("Zig (python3 -m pip install ziglang)")
    } else if plugin.join(languages::PACKAGES).exists() && !plugin.join(languages::MODULES).exists() {
        Some("Node.js 20 or later, and `npm install` in its folder")
    } else {
        None
    }
}

/// Whether a plugin is made with the SDK, whose sources are then its own as well.
pub(crate) fn uses_the_sdk(plugin: &Path) -> bool {
    fs::read_to_string(plugin.join("Cargo.toml")).is_ok_and(|package| package.contains(SDK))
}

/// A manifest's command in its plugin's folder, with the fetched languages at hand.
fn shell(build: Build<'_>, plugin: &Path, command: &str) -> anyhow::Result<Command> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).current_dir(plugin);
    if let Some(languages) = build.languages() {
        languages::apply(languages, &mut shell)?;
    }
    if let Build::Shared(_) = build {
        // Go fetches another Go otherwise, when a module asks for one.
        shell.env("GOTOOLCHAIN", "local").env("GOPROXY", "off");
    }
    Ok(shell)
}

/// A manifest's command, to build in this target folder instead of the plugin's own.
fn in_folder(command: &str, target_dir: &Path) -> String {
    command.replacen(IN_PLACE, &format!(" --target-dir {}", quoted(target_dir.as_os_str())), 1)
}

/// Copies a file unless it is there, at once: a running host may watch the place. What had the name goes as a name only,
/// as it may be a link to one of cargo's own files.
fn place_file(from: &Path, to: &Path) -> std::io::Result<()> {
    let content = fs::read(from)?;
    if fs::read(to).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let unfinished = to.with_extension("unfinished");
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    fs::write(&unfinished, content)?;
    fs::rename(unfinished, to)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_that_is_built_can_be_built_in_the_shared_folder() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        for plugin in folders_of(&root.join("plugins")).unwrap() {
            let (component, command) = read(&plugin.join("plugin.toml")).unwrap();
            if let Some(command) = command.filter(|command| command.starts_with("cargo ")) {
                assert!(component.starts_with(OWN_TARGET), "{component}");
                let shared = in_folder(&command, Path::new("/some where"));
                assert!(shared.ends_with(" --target-dir '/some where'"), "{shared}");
            }
        }
    }

    #[test]
    fn a_placed_file_leaves_what_is_linked_to_its_name_and_is_not_written_twice() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to, link] = ["from", "a/to.wasm", "link"].map(|name| folder.path().join(name));
        fs::write(&from, "new").unwrap();
        place_file(&from, &to).unwrap();
        fs::write(&to, "cargo's").unwrap();
        fs::hard_link(&to, &link).unwrap();
        place_file(&from, &to).unwrap();
        assert_eq!((fs::read(&to).unwrap(), fs::read(&link).unwrap()), (b"new".to_vec(), b"cargo's".to_vec()));
        fs::hard_link(&to, folder.path().join("same")).unwrap();
        place_file(&from, &to).unwrap();
        let links = std::os::unix::fs::MetadataExt::nlink(&fs::metadata(&to).unwrap());
        assert_eq!(links, 2, "the same content was written anew");
    }
}
