//! `wasmbay build`: the manifest's command, then a component without what no host reads.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    cli::{Exit, answer, refuse},
    config::Manifest,
    diagnostic::Diagnostic,
    guest,
    registry::{BUILD_TIMEOUT, build},
};

/// Builds the plugin in `dir` and says how large it became.
pub(super) async fn run(dir: &Path, keep_debug: bool) -> Exit {
    match built(dir, keep_debug).await {
        Ok(line) => answer(&format!("{line}\n"), Exit::Ok),
        Err(faults) => refuse(&faults, Exit::Faults),
    }
}

async fn built(dir: &Path, keep_debug: bool) -> Result<String, Vec<Diagnostic>> {
    let manifest = Manifest::read(dir)?;
    let component = dir.join(&manifest.component);
    if let Some(recipe) = &manifest.build {
        eprintln!("building {}: {}", manifest.name, recipe.command);
        let done = build(dir, &recipe.command, BUILD_TIMEOUT, &mut |line| eprintln!("{line}")).await;
        // Its output has been shown.
        done.map_err(|fault| {
            fault.why.lines().map(|why| Diagnostic::new(dir.join(Manifest::FILE), why)).collect::<Vec<_>>()
        })?;
    }
    finish(&component, keep_debug).map_err(|why| {
        let remedy = "let [build] make it, or correct `component`";
        vec![Diagnostic::new(&component, format!("{why:#}")).remedy(remedy)]
    })
}

/// Makes a component of the file, unless it is a command, and drops what no host reads. A text stays as its author
/// wrote it.
fn finish(file: &Path, keep_debug: bool) -> anyhow::Result<String> {
    let before = fs::read(file)?;
    let component = guest::runnable(file, &before)?;
    if !before.starts_with(b"\0asm") {
        return Ok(format!("{}: the host reads text as it is; {} as it runs", file.display(), size(&component)));
    }
    let made = if component == before { "" } else { ", a component made of a core module" };
    let after = if keep_debug { component } else { guest::slim(&component)? };
    if after != before {
        replace(file, &after)?;
    }
    Ok(format!("{}: {}, {} as it was built{made}", file.display(), size(&after), size(&before)))
}

/// Puts another file in a file's place at once: a host may watch it, and it may be a link to one of cargo's own.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".tmp");
    let unfinished = PathBuf::from(name);
    fs::write(&unfinished, bytes)?;
    fs::rename(unfinished, file)
}

fn size(bytes: &[u8]) -> String {
    match bytes.len() {
        small @ 0..10_240 => format!("{small} B"),
        large @ 10_240..10_485_760 => format!("{} KiB", large >> 10),
        huge => format!("{:.1} MiB", huge as f64 / f64::from(1 << 20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a plugin whose build writes this module.
    fn plugin(module: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("made.wasm"), wat::parse_str(module).unwrap()).unwrap();
        let manifest = "manifest = 1\nname = \"p\"\ncomponent = \"p.wasm\"\nlane = \"io\"\n\
                        [build]\ncommand = \"cp made.wasm p.wasm\"\n";
        fs::write(dir.path().join(Manifest::FILE), manifest).unwrap();
        dir
    }

    #[tokio::test]
    async fn a_core_module_becomes_a_small_component_that_keeps_its_names() {
        let dir = plugin(
            "(module (func $mine (export \"wasi:http/incoming-handler@0.2.0#handle\") (param i32 i32))
                     (memory (export \"memory\") 1) (@custom \".debug_info\" \"dwarf\"))",
        );
        for keep_debug in [false, true] {
            let line = built(dir.path(), keep_debug).await.unwrap();
            assert!(line.contains("a component made of a core module"), "{line}");
            let made = fs::read(dir.path().join("p.wasm")).unwrap();
            assert!(made.starts_with(b"\0asm\x0d\0\x01\0"));
            let has = |text: &str| made.windows(text.len()).any(|bytes| bytes == text.as_bytes());
            assert!(has("mine") && has(".debug_info") == keep_debug, "{keep_debug}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_built_is_told_with_its_reason() {
        let dir = plugin("(module)");
        let faults = built(dir.path(), false).await.unwrap_err();
        assert!(faults[0].message.contains("exports no handler"), "{faults:?}");
        fs::remove_file(dir.path().join("made.wasm")).unwrap();
        let faults = built(dir.path(), false).await.unwrap_err();
        assert!(faults[0].message.starts_with("the build failed"), "{faults:?}");
    }
}
