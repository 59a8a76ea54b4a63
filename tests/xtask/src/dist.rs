//! What is shipped: the host, linked with all optimisations and then laid out anew by which ways requests go through it
//! (`host/decisions/0085-the-shipped-host-is-laid-out.md`).

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::{
    bolt::{Bolt, shorten_names},
    place::{Place, make_whole},
    steps::{Step, Steps},
    tasks::cargo,
    toolchain::key,
};

/// The host as it is linked, which takes minutes longer than for `release`, and the bench beside it with the same features.
const BUILD: [&str; 8] = ["build", "--workspace", "--profile", "dist", "--bin", "wasmbay", "--bin", "wasmbay-bench"];

/// Told to the host's build script: the linker leaves in the program what refers to what, which laying it out needs.
const RELOCATIONS: &str = "WASMBAY_RELOCATIONS";

/// Which requests are counted.
const TRAINING: &str = include_str!("../../bench/src/training.rs");

/// The programs of the profile `dist`.
pub(crate) struct Linked {
    pub(crate) host: PathBuf,
    pub(crate) bench: PathBuf,
}

/// Links them.
///
/// # Errors
///
/// Sources that do not compile.
pub(crate) fn link(place: &Place, steps: &Steps) -> anyhow::Result<Linked> {
    let mut build = cargo(place);
    steps.command("host and bench (linked as shipped)", &place.root, build.args(BUILD).env(RELOCATIONS, "1"))?;
    let folder = place.target.join("dist");
    Ok(Linked { host: folder.join("wasmbay"), bench: folder.join("wasmbay-bench") })
}

/// Lays the linked host out anew, unless the one that is there was made of it. Answers where it is.
///
/// # Errors
///
/// A host that does not answer while it is made to count, or a program that BOLT does not take.
pub(crate) fn lay_out(
    place: &Place,
    steps: &Steps,
    linked: &Linked,
    guests: &Path,
    bolt: &Bolt,
) -> anyhow::Result<PathBuf> {
    let folder = place.target.join("shipped");
    let host = folder.join("wasmbay");
    steps.step("host, laid out as requests use it", |step| {
        let _lock = place.lock("shipped")?;
        let made_of = key(&[&digest(&linked.host)?, &bolt.key, TRAINING]);
        if fs::read_to_string(folder.join("made-of")).is_ok_and(|text| text == made_of) {
            return Ok(host);
        }
        make_whole(&folder, |unfinished| {
            let work = unfinished.join("work");
            fs::create_dir(&work)?;
            let laid_out = unfinished.join("wasmbay");
            train(place, step, linked, guests, bolt, &work, &laid_out)?;
            fs::remove_dir_all(&work)?;
            Ok(fs::write(unfinished.join("made-of"), &made_of)?)
        })?;
        Ok(host)
    })
}

/// Makes the host count, sends it requests, and lays it out by the counts.
fn train(
    place: &Place,
    step: &Step,
    linked: &Linked,
    guests: &Path,
    bolt: &Bolt,
    work: &Path,
    into: &Path,
) -> anyhow::Result<()> {
    let (host, counting) = (work.join("wasmbay"), work.join("counting"));
    shorten_names(step, &linked.host, &host)?;
    step.say("making it count");
    bolt.count(step, &host, &counting, work)?;
    let mut bench = Command::new(&linked.bench);
    bench.arg("train").arg("--host").arg(&linked.host).arg("--counting").arg(&counting).arg("--guests").arg(guests);
    step.run(&place.root, &mut bench)?;
    step.say("laying it out");
    bolt.lay_out(step, &host, work, into)
}

fn digest(file: &Path) -> anyhow::Result<String> {
    let read = || -> std::io::Result<_> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(file)?)?;
        Ok(hasher.finalize().to_hex().to_string())
    };
    read().with_context(|| format!("cannot read {}", file.display()))
}
