//! Python applications for the tests, as components and as what they are compared with.

use std::{path::PathBuf, process::Command};

use crate::{place::Place, steps::Steps};

/// Builds them unless they are there. Answers their folder.
///
/// What is made is kept by content under the cache; the first run on a machine fetches packages from PyPI and compiles
/// pydantic's core. With `soak` every example of FastAPI's tutorial is among them.
///
/// # Errors
///
/// No Python 3.11 or later, no package index, or an application that does not build.
pub(crate) fn ensure(place: &Place, steps: &Steps, soak: bool) -> anyhow::Result<PathBuf> {
    steps.step("Python applications", |step| {
        let link = place.target.join("python");
        let mut prepare = Command::new("python3");
        prepare.arg(place.root.join("tests/python/prepare.py")).arg(&link).args(soak.then_some("soak"));
        step.run(&place.root, &mut prepare)?;
        Ok(link)
    })
}
