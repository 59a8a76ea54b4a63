//! A disk that fails and forgets, for a host in a process of its own: `faults/disk.c`, preloaded into it.
//!
//! It needs no rights and no mount: it stands between the host and the C library. SQLite's own test layers would have to be
//! built into the host, and a loop device or a file system in user space is not to be had everywhere.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use crate::serving::bin;

const SOURCE: &str = include_str!("faults/disk.c");

/// How many of a million calls fail.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Reads, with EIO.
    pub read: u32,
    /// Writes, with EIO.
    pub write: u32,
    /// Writes of which a part is done.
    pub shortened: u32,
    /// Syncs, with EIO; what they should have written is lost at the next power cut.
    pub sync: u32,
}

impl Rates {
    const BYTES: usize = 16;

    fn bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (place, rate) in bytes.chunks_exact_mut(4).zip([self.read, self.write, self.shortened, self.sync]) {
            place.copy_from_slice(&rate.to_ne_bytes());
        }
        bytes
    }
}

/// How many calls have failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failed {
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
    /// Writes that were cut short.
    pub shortened: u64,
    /// Syncs.
    pub syncs: u64,
}

/// A disk under a data folder.
pub struct Disk {
    library: PathBuf,
    data: PathBuf,
    /// What would be left after a power cut.
    shadow: PathBuf,
    control: fs::File,
    control_path: PathBuf,
    _folder: TempDir,
}

impl Disk {
    /// A disk under a data folder that no host has used yet.
    ///
    /// # Errors
    /// A machine without a C compiler.
    pub fn under(data: &Path) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let (shadow, control_path) = (folder.path().join("shadow"), folder.path().join("control"));
        fs::create_dir(&shadow)?;
        let control = fs::File::options().read(true).write(true).create_new(true).open(&control_path)?;
        control.set_len(4096)?;
        let data = data.canonicalize()?;
        Ok(Self { library: library()?, data, shadow, control, control_path, _folder: folder })
    }

    /// Puts a host on this disk, before it starts.
    pub fn put_under(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("WASMBAY_FAULTS_CONTROL", &self.control_path)
            .env("WASMBAY_FAULTS_WATCHED", &self.data)
            .env("WASMBAY_FAULTS_SHADOW", &self.shadow);
    }

    /// From now on so many calls fail.
    ///
    /// # Panics
    /// When the disk that the tests are on fails.
    pub fn fails(&self, rates: Rates) {
        self.control.write_all_at(&rates.bytes(), 0).expect("a file in memory");
    }

    /// How many have failed.
    ///
    /// # Panics
    /// When the disk that the tests are on fails.
    pub fn failed(&self) -> Failed {
        let mut bytes = [0; 32];
        self.control.read_exact_at(&mut bytes, Rates::BYTES as u64).expect("a file in memory");
        let at = |place: usize| u64::from_ne_bytes(bytes[8 * place..8 * place + 8].try_into().expect("eight bytes"));
        Failed { reads: at(0), writes: at(1), shortened: at(2), syncs: at(3) }
    }

    /// What is left of the state after a power cut. No host may run.
    ///
    /// # Errors
    /// When the disk that the tests are on fails.
    pub fn cut_power(&self) -> io::Result<()> {
        for file in databases(&self.data)? {
            fs::remove_file(file)?;
        }
        for file in databases(&self.shadow)? {
            let to = self.data.join(file.strip_prefix(&self.shadow).expect("it lies below"));
            fs::create_dir_all(to.parent().expect("it lies below"))?;
            fs::copy(&file, to)?;
        }
        Ok(())
    }
}

/// SQLite's files below a folder, with those that lie beside them.
fn databases(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(databases(&entry.path())?);
        } else if entry.file_name().to_string_lossy().contains(".sqlite") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The library, built once for each state of its source.
fn library() -> anyhow::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    SOURCE.hash(&mut hasher);
    let folder = bin().parent().context("the binary lies in a folder")?.to_owned();
    let built = folder.join(format!("tests-disk-{:016x}.so", hasher.finish()));
    if !built.exists() {
        let (source, making) = (built.with_extension("c"), built.with_extension(process::id().to_string()));
        fs::write(&source, SOURCE)?;
        let cc = process::Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).args([&making, &source]).output();
        let cc = cc.context("cc is not there: it builds the disk that fails")?;
        ensure!(cc.status.success(), "cc: {}", String::from_utf8_lossy(&cc.stderr));
        // As a whole or not at all: other tests may build it at the same time.
        fs::rename(making, &built)?;
    }
    Ok(built)
}
