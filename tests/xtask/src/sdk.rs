//! The Rust SDK on the author's machine: lints, pages, tests, the examples in its pages, and the plugins made with it.

use std::process::Command;

use crate::{
    place::Place,
    plugins::{folders_of, uses_the_sdk},
    steps::Steps,
};

/// The feature that is not among the defaults, and is no other form of what is.
const SQL: &str = "wasmbay-sdk/sql";

/// Checks the SDK, a workspace of its own, in a target folder of the cache.
///
/// # Errors
///
/// The first step that fails.
pub(crate) fn test(place: &Place, steps: &Steps, filter: Option<&str>) -> anyhow::Result<()> {
    // Cargo tells old from new by time alone, and all checkouts share the folder.
    let _alone = place.lock("sdk")?;
    let cargo = |words: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo.args(words).current_dir(place.sdk());
        cargo.env("CARGO_TARGET_DIR", place.cache.join("sdk-target")).env("RUSTDOCFLAGS", "-D warnings");
        cargo
    };
    let clean = ["clean", "--quiet", "--workspace", "--locked"];
    let clippy = ["clippy", "--workspace", "--all-targets", "--features", SQL, "--locked", "--", "-D", "warnings"];
    let doc = ["doc", "--workspace", "--no-deps", "--features", SQL, "--locked"];
    steps.step("the SDK's lints and pages", |step| {
        [&clean[..], &clippy, &doc].iter().try_for_each(|words| step.run(&place.root, &mut cargo(words)))
    })?;
    let test: Vec<_> = ["test", "--workspace", "--features", SQL, "--locked"].into_iter().chain(filter).collect();
    steps.command("the SDK's tests", &place.root, &mut cargo(&test))?;
    steps.step("tests of plugins made with it", |step| {
        for plugin in folders_of(&place.root.join("plugins"))?.iter().filter(|plugin| uses_the_sdk(plugin)) {
            let test: Vec<_> = ["test", "--locked"].into_iter().chain(filter).collect();
            step.run(&place.root, cargo(&test).current_dir(plugin))?;
        }
        Ok(())
    })
}
