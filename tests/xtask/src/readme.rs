//! The README's plugin in Rust, built from the README's own text: what a reader copies has to work.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::{kept::Kept, place::Place, steps::Steps, toolchain::Toolchain};

/// The heading above the example's code blocks.
const HEADING: &str = "\n## A first plugin, in Rust\n";

/// The folder that the README says to make, which is also the package's name.
const NAME: &str = "greet";

/// An example that depends on the same library; its lock file chooses versions that are fetched already.
const LOCKED_BY: &str = "plugins/items/Cargo.lock";

/// Where the SDK is, seen from the folder that the README says to make.
const SDK: &str = "\"../../sdk/rust\"";

/// Writes the example's files, builds them as their manifest says, and answers the plugin's folder: manifest, sources
/// and component.
///
/// # Errors
///
/// A README whose blocks are not the example's three files, or an example that does not compile.
pub(crate) fn build(place: &Place, steps: &Steps, toolchain: &Toolchain) -> anyhow::Result<PathBuf> {
    steps.step("the README's plugin", |step| {
        let kept = Kept { place, step, toolchain };
        let source = place.target.join("readme").join(NAME);
        let readme = fs::read_to_string(place.root.join("README.md"))?;
        let files = files(&readme)?;
        write(&source, &files)?;
        // The same package in another place: the SDK is found by its whole path.
        let sdk = place.sdk();
        let found = files[0].1.contains(SDK).then(|| files[0].1.replacen(SDK, &format!("{sdk:?}"), 1));
        fs::write(source.join("Cargo.toml"), found.with_context(|| format!("the README's package names no {SDK}"))?)?;
        fs::copy(place.root.join(LOCKED_BY), source.join("Cargo.lock"))?;
        // The lock file is another package's: this puts the example's name in the place of that one's, and no more.
        kept.run(Command::new("cargo").args(["metadata", "--quiet", "--format-version=1"]).current_dir(&source))?;
        kept.folder("readme", &source, &[&sdk], |folder, target_dir| {
            write(folder, &files)?;
            let manifest: toml::Table = files[2].1.parse()?;
            let text = |value: Option<&toml::Value>| value.and_then(toml::Value::as_str).map(str::to_owned);
            let command = text(manifest.get("build").and_then(|build| build.get("command")));
            let component = text(manifest.get("component")).context("the README's manifest names no component")?;
            let built = component.strip_prefix("target/").context("the README's component is not cargo's")?;
            let mut shell = Command::new("sh");
            shell.args(["-c", &command.context("the README's manifest has no [build]")?]).current_dir(&source);
            // The example's own target folder would be empty, and the library compiled anew.
            kept.run_in(&mut shell, target_dir)?;
            let to = folder.join(&component);
            fs::create_dir_all(to.parent().unwrap_or(folder))?;
            fs::copy(target_dir.join(built), &to).context("the README's [build] does not make its component")?;
            Ok(())
        })
    })
}

fn write(folder: &Path, files: &[(&str, String)]) -> anyhow::Result<()> {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The three files of the section, in the order in which the README shows them.
fn files(readme: &str) -> anyhow::Result<[(&'static str, String); 3]> {
    let (_, section) = readme.split_once(HEADING).with_context(|| format!("README.md has no {HEADING:?}"))?;
    let section = section.split("\n## ").next().unwrap_or(section);
    let mut blocks = section.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    let mut next = |name: &'static str, language: &str| {
        let block = blocks.next().filter(|(opening, _)| *opening == language);
        let (_, text) = block.with_context(|| format!("README.md: {name} should be the next block, of {language}"))?;
        anyhow::Ok((name, format!("{text}\n")))
    };
    Ok([next("Cargo.toml", "toml")?, next("src/lib.rs", "rust")?, next("plugin.toml", "toml")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_the_three_files_whole() {
        let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
        let [package, source, manifest] = files(&readme).unwrap();
        for (toml, name) in [(&package.1, "package"), (&manifest.1, "build")] {
            let table: toml::Table = toml.parse().unwrap();
            assert!(table.contains_key(name), "{table}");
        }
        assert!(source.1.starts_with("use wasmbay_sdk::") && source.1.contains("fn "), "{}", source.1);
    }

    #[test]
    fn a_section_that_lost_a_file_is_named() {
        let readme = format!("{HEADING}\n```toml\na = 1\n```\n\n```toml\nb = 1\n```\n\n## Next\n```rust\n```\n");
        assert!(files(&readme).unwrap_err().to_string().contains("src/lib.rs"));
    }
}
