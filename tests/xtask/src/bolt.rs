//! LLVM's BOLT: it makes a linked program count which way its requests go, and lays it out anew by such counts.
//!
//! <https://github.com/llvm/llvm-project/tree/main/bolt>

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

use crate::{
    command::output_of,
    place::{Place, make_whole},
    steps::{Step, Steps},
    toolchain::key,
};

/// How it is had where there is none. Its text is the key under which it is kept.
const RECIPE: &str = include_str!("../bolt.sh");

/// How a program is laid out: within functions the usual way goes straight on, functions that call each other stand together, and
/// what was never run stands apart. The lines of backtraces stay.
const LAYOUT: [&str; 6] = [
    "-reorder-blocks=ext-tsp",
    "-reorder-functions=cdsort",
    "-split-functions",
    "-split-all-cold",
    "-split-eh",
    "-update-debug-sections",
];

/// Longer names of functions end a program that counts as it writes its counts: it has 10 KiB for a line, and two names stand in one.
const LONGEST_NAME: usize = 4 << 10;

/// The tools.
pub(crate) struct Bolt {
    /// Where they were unpacked; `None` is wherever `PATH` finds them.
    unpacked: Option<PathBuf>,
    /// Changes with their version and with what is asked of them.
    pub(crate) key: String,
}

impl Bolt {
    /// Finds them, or unpacks Debian's.
    ///
    /// # Errors
    ///
    /// Neither is possible: what to install, or which program does without.
    pub(crate) fn ensure(place: &Place, steps: &Steps) -> anyhow::Result<Self> {
        let here = |tool| output_of(Command::new(tool).arg("--version"));
        if let (Ok(version), Ok(_)) = (here("llvm-bolt"), here("merge-fdata")) {
            return Ok(Self { unpacked: None, key: key(&[&version, &LAYOUT.concat()]) });
        }
        let folder = place.cache.join("bolt").join(key(&[RECIPE]));
        let remedy = "install LLVM's bolt (17 or newer) with llvm-bolt and merge-fdata on PATH";
        steps.step("LLVM's BOLT, once per machine", |step| {
            let _lock = place.lock("bolt")?;
            if !folder.exists() {
                make_whole(&folder, |unfinished| {
                    let mut recipe = Command::new("bash");
                    recipe.arg(place.root.join("tests/xtask/bolt.sh")).arg(unfinished);
                    step.run(&place.root, &mut recipe).context(remedy)
                })?;
            }
            let mut bolt = Self { unpacked: Some(folder), key: String::new() };
            let version = output_of(bolt.tool("llvm-bolt").arg("--version"))?;
            bolt.key = key(&[&version, &LAYOUT.concat()]);
            Ok(bolt)
        })
    }

    fn tool(&self, name: &str) -> Command {
        let Some(folder) = &self.unpacked else { return Command::new(name) };
        let mut tool = Command::new(folder.join("bin").join(name));
        tool.env("LD_LIBRARY_PATH", folder.join("lib"));
        tool
    }

    /// Makes of a program one that counts, and writes `FOLDER/counts.PID.fdata` as it ends.
    ///
    /// # Errors
    ///
    /// A program that was linked without its relocations.
    pub(crate) fn count(&self, step: &Step, program: &Path, counting: &Path, folder: &Path) -> anyhow::Result<()> {
        let mut bolt = self.tool("llvm-bolt");
        bolt.arg(program).args(["-instrument", "-instrumentation-file-append-pid", "-o"]).arg(counting);
        let mut file = std::ffi::OsString::from("-instrumentation-file=");
        file.push(folder.join("counts"));
        step.run(folder, bolt.arg(file))
    }

    /// Lays a program out by all counts of a folder.
    ///
    /// # Errors
    ///
    /// No counts, or those of another program.
    pub(crate) fn lay_out(&self, step: &Step, program: &Path, folder: &Path, into: &Path) -> anyhow::Result<()> {
        let mut counts = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            counts.extend(path.extension().is_some_and(|ending| ending == "fdata").then_some(path));
        }
        ensure!(!counts.is_empty(), "nothing was counted in {}", folder.display());
        let merged = folder.join("merged");
        step.run(folder, self.tool("merge-fdata").args(&counts).arg("-o").arg(&merged))?;
        let mut data = std::ffi::OsString::from("-data=");
        data.push(merged);
        step.run(folder, self.tool("llvm-bolt").arg(program).arg(data).args(LAYOUT).arg("-o").arg(into))
    }
}

/// Copies a program, with shorter names for functions whose names are too long to be counted by.
///
/// # Errors
///
/// No binutils, or a file that is no program.
pub(crate) fn shorten_names(step: &Step, program: &Path, into: &Path) -> anyhow::Result<()> {
    let names = output_of(Command::new("nm").arg(program)).context("it needs binutils")?;
    let list = into.with_extension("names");
    let mut file = BufWriter::new(File::create(&list)?);
    for (long, short) in too_long(&names) {
        writeln!(file, "{long} {short}")?;
    }
    file.flush()?;
    let mut copy = Command::new("objcopy");
    step.run(Path::new("."), copy.arg("--redefine-syms").arg(&list).arg(program).arg(into))
}

/// Names of `nm`'s list that are too long, and what is to stand for each: its beginning, and a number.
fn too_long(listed: &str) -> impl Iterator<Item = (&str, String)> {
    let names = listed.lines().filter_map(|line| line.rsplit(' ').next());
    let long = names.filter(|name| name.len() > LONGEST_NAME);
    long.enumerate().map(|(n, name)| (name, format!("{}.short.{n}", name.get(..80).unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_too_long_become_short_and_stay_apart() {
        let (long, other) = ("a".repeat(LONGEST_NAME + 1), "b".repeat(LONGEST_NAME + 9));
        let listed = format!("0001 t {long}\n0002 T short\n0003 t {}\n0004 t {other}\n", "c".repeat(LONGEST_NAME));
        let found: Vec<_> = too_long(&listed).collect();
        assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [&long, &other]);
        assert_eq!(found[1].1, format!("{}.short.1", "b".repeat(80)));
        assert_ne!(found[0].1, found[1].1);
    }
}
