//! Database servers for the tests: PostgreSQL and MariaDB, of Debian's packages, once per machine.

use std::{path::PathBuf, process::Command};

use anyhow::Context;

use crate::{
    place::{Place, make_whole},
    steps::Steps,
    toolchain::key,
};

/// How they are had. Its text is the key under which they are kept.
const RECIPE: &str = include_str!("../databases.sh");

/// Unpacks them unless they are there. Answers their folder; what is in it, the recipe says.
///
/// # Errors
///
/// A machine without apt, an archive that gives no packages, or a cache folder that cannot be written to.
pub(crate) fn ensure(place: &Place, steps: &Steps) -> anyhow::Result<PathBuf> {
    let folder = place.cache.join("databases").join(key(&[RECIPE]));
    steps.step("database servers, once per machine", |step| {
        let _lock = place.lock("databases")?;
        if !folder.exists() {
            make_whole(&folder, |unfinished| {
                let mut recipe = Command::new("bash");
                recipe.arg(place.root.join("tests/xtask/databases.sh")).arg(unfinished);
                step.run(&place.root, &mut recipe).context("no PostgreSQL and MariaDB for the tests")
            })?;
        }
        Ok(folder)
    })
}
