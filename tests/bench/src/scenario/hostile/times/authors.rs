//! manifests that are made to be hard to read.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use wasmbay_attacks::manifests::bombs;

use super::{largest, ms};
use crate::{
    figure::{Spec, at_most},
    rounds::Sample,
    stand::Bench,
};

const CHECKED: &str = "A-13: `wasmbay check` has refused the slowest of them, its own start included";

pub(super) const FIGURES: &[Spec] = &[at_most(CHECKED, "ms", 50.0)];

pub(super) async fn measure(bench: &Bench, sample: &mut Sample) -> anyhow::Result<()> {
    let host = bench.places.host.clone();
    let slowest = tokio::task::spawn_blocking(move || slowest(&host)).await??;
    sample.insert(CHECKED, slowest);
    Ok(())
}

fn slowest(host: &Path) -> anyhow::Result<f64> {
    let mut times = Vec::new();
    for (name, text, _) in bombs() {
        let folder = tempfile::tempdir()?;
        let plugin = folder.path().join(name);
        fs::create_dir(&plugin)?;
        fs::write(plugin.join("plugin.toml"), text)?;
        let mut check = Command::new(host);
        check.arg("check").arg(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let begun = Instant::now();
        let status = check.status()?;
        times.push(ms(begun));
        anyhow::ensure!(status.code() == Some(1), "{name} was not refused: {status}");
    }
    Ok(largest(times))
}
