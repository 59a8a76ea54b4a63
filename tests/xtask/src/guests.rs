//! The tests' guests, built from source.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::{kept::Kept, place::Place, steps::Steps, toolchain::Toolchain};

/// Package, its features, target, and the name its component has among the guests.
const BUILT: [(&str, &str, &str, &str); 14] = [
    ("http02", "", "wasm32-wasip2", "http02.wasm"),
    ("http03", "", "wasm32-wasip2", "http03.wasm"),
    ("cgi", "", "wasm32-wasip1", "cgi01.wasm"),
    ("cgi", "", "wasm32-wasip2", "cgi02.wasm"),
    ("io", "", "wasm32-wasip2", "io.wasm"),
    ("sdk", "", "wasm32-wasip2", "sdk02.wasm"),
    ("sdk", "compute", "wasm32-wasip2", "sdk02-compute.wasm"),
    ("sdk", "wasi03", "wasm32-wasip2", "sdk03.wasm"),
    ("hello", "", "wasm32-wasip2", "hello.wasm"),
    ("hello", "compute", "wasm32-wasip2", "hello-compute.wasm"),
    ("hello", "grows", "wasm32-wasip2", "hello-grows.wasm"),
    ("computing", "", "wasm32-wasip2", "computing.wasm"),
    ("spin02", "", "wasm32-wasip2", "spin02.wasm"),
    ("spin03", "", "wasm32-wasip2", "spin03.wasm"),
];

/// Builds the guests unless they are there. Answers their folder.
///
/// # Errors
///
/// A guest that does not compile, or a cache folder that cannot be written to.
pub(crate) fn ensure(place: &Place, steps: &Steps, toolchain: &Toolchain) -> anyhow::Result<PathBuf> {
    let source = place.root.join("tests/guests");
    steps.step("test guests", |step| {
        let kept = Kept { place, step, toolchain };
        kept.folder("guests", &source, &[&place.sdk()], |folder, target_dir| build(&kept, &source, folder, target_dir))
    })
}

fn build(kept: &Kept, source: &Path, into: &Path, target_dir: &Path) -> anyhow::Result<()> {
    for (package, features, target, name) in BUILT {
        let mut cargo = Command::new("cargo");
        cargo.args([
            "build",
            "--release",
            "--locked",
            "--package",
            package,
            "--features",
            features,
            "--target",
            target,
        ]);
        cargo.arg("--target-dir").arg(target_dir).current_dir(source);
        kept.run(&mut cargo)?;
        let built = target_dir.join(target).join("release").join(format!("{package}.wasm"));
        fs::copy(&built, into.join(name)).with_context(|| format!("{} was not built", built.display()))?;
    }
    for file in fs::read_dir(source.join("text"))? {
        let path = file?.path();
        if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|extension| extension == "wat")) {
            fs::copy(&path, into.join(name))?;
        }
    }
    Ok(())
}
