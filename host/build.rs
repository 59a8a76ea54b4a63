//! Gathers what the host carries in itself: the WIT of the interfaces it links, out of the very crate that implements
//! them and out of the host's own, so that text-form plugins are held against the same definitions as every other guest; and what `wasmbay new`
//! writes. And tells the linker what `cargo xtask dist` needs.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

/// The crate whose folders hold the definitions, and the folders: WASI 0.2 and 0.3.
const SOURCE: &str = "wasmtime-wasi-http";
const FOLDERS: [&str; 2] = ["wit/deps", "src/p3/wit/deps"];

/// The folder of those that the host links besides, one file a package.
const OWN: &str = "wit";

/// Set where the program is laid out anew after it was linked: then the linker leaves in it what refers to what.
const RELOCATIONS: &str = "WASMBAY_RELOCATIONS";

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={RELOCATIONS}");
    if env::var_os(RELOCATIONS).is_some() {
        println!("cargo::rustc-link-arg-bin=wasmbay=-Wl,--emit-relocs");
    }
    println!("cargo::rerun-if-changed=Cargo.toml");
    let out = PathBuf::from(env::var("OUT_DIR").context("cargo sets OUT_DIR")?);
    fs::write(out.join("sdk.rs"), sdk()?)?;
    let source = source_folder()?;
    let mut list = String::from("&[\n");
    for folder in FOLDERS {
        let folder = source.join(folder);
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .with_context(|| format!("{} has no WIT", folder.display()))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        files.sort();
        for file in files {
            list += &format!("    include_str!({file:?}),\n");
        }
    }
    let own = PathBuf::from(env::var("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?).join(OWN);
    println!("cargo::rerun-if-changed={}", own.display());
    let mut files = Vec::new();
    gather(&own, &mut files)?;
    files.sort();
    for file in files {
        list += &format!("    include_str!({file:?}),\n");
    }
    list += "]\n";
    fs::write(out.join("wit.rs"), list)?;
    Ok(())
}

/// What new plugins are made of: each file's path below `sdk`, and its text.
fn sdk() -> Result<String> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?).join("../sdk");
    let mut list = String::from("&[\n");
    for folder in ["templates", "go", "js", "python", "rust"] {
        let folder = root.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        gather(&folder, &mut files)?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(&root)?.to_str().context("the SDK's files have plain names")?;
            list += &format!("    ({name:?}, include_str!({file:?})),\n");
        }
    }
    Ok(list + "]\n")
}

/// What lies in a library's folder and is no part of it: what was built of it, and its own tests.
const LEFT_OUT: [&str; 3] = ["target", "tests", "__pycache__"];

/// Every file at and under a folder, but those. Where it is no folder, none.
fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true if LEFT_OUT.iter().any(|name| entry.file_name() == *name) => {}
            true => gather(&entry.path(), files)?,
            false => files.push(entry.path()),
        }
    }
    Ok(())
}

/// Where cargo keeps the sources of [`SOURCE`], asked of cargo itself.
///
/// It asks for every package of the workspace, of which a build on a fresh machine has fetched only those it needs: so it may fetch the rest.
fn source_folder() -> Result<PathBuf> {
    let cargo = env::var("CARGO").context("cargo sets CARGO")?;
    let target = env::var("TARGET").context("cargo sets TARGET")?;
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--filter-platform", &target])
        .current_dir(env::var("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?)
        .output()?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists packages")?;
    let manifest = packages
        .iter()
        .find(|package| package["name"] == SOURCE)
        .and_then(|package| package["manifest_path"].as_str())
        .with_context(|| format!("{SOURCE} is not among the dependencies"))?;
    PathBuf::from(manifest).parent().map(PathBuf::from).context("a manifest lies in a folder")
}
