//! A revision: one read of a plugin's manifest and component that no writer was in the middle of.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use super::files::{Stamp, read_inside, stamp};
use crate::{config::Manifest, diagnostic::Diagnostic};

/// The file that makes a folder a plugin.
pub const MANIFEST_FILE: &str = "plugin.toml";

/// How long a plugin's files must lie still before they are read: longer than an editor or a linker pauses between
/// two writes of one save.
pub const QUIET: Duration = Duration::from_millis(100);

/// The largest manifest. A hundred routes take about 10 KiB.
const MAX_MANIFEST: u64 = 256 << 10;

/// The largest component. An interpreter with its libraries takes about 40 MiB.
pub const MAX_COMPONENT: u64 = 128 << 20;

/// Names one state of a plugin: a BLAKE3 hash over its manifest and component.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of the bytes of a manifest and a component.
    pub fn new(manifest: &[u8], component: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(manifest.len() as u64).to_le_bytes()).update(manifest).update(component);
        Self(*hasher.finalize().as_bytes())
    }
}

impl fmt::Display for Digest {
    /// The first twelve hex digits: enough to tell revisions of one plugin apart. `{:#}` writes all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = if f.alternate() { &self.0[..] } else { &self.0[..6] };
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One state of a plugin as its author wrote it.
#[derive(Clone, Debug)]
pub struct Revision {
    /// The folder it was read from.
    pub folder: PathBuf,
    /// The manifest, the operator's caps not yet applied.
    pub manifest: Manifest,
    /// The component's bytes.
    pub component: Vec<u8>,
    /// Of the manifest's and the component's bytes.
    pub digest: Digest,
}

/// What a manifest's text means, or every fault in it. `&[u8]` is the text as read from the path.
pub(super) type ReadManifest<'a> = dyn Fn(&Path, &[u8]) -> Result<Manifest, Vec<Diagnostic>> + 'a;

/// The state of a plugin's two files without their bytes. Equal stamps: nothing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamps {
    manifest: Stamp,
    /// The component's path and stamp, once the manifest could be read and named it.
    component: Option<(PathBuf, Option<Stamp>)>,
}

impl Stamps {
    /// Stats the manifest, and the component that the last read of the manifest named. `None` without a manifest.
    pub(super) fn look(folder: &Path, component: Option<&Path>) -> io::Result<Option<Self>> {
        let Some(manifest) = stamp(&folder.join(MANIFEST_FILE))? else { return Ok(None) };
        let component = match component {
            Some(name) => Some((name.to_owned(), stamp(&folder.join(name))?)),
            None => None,
        };
        Ok(Some(Self { manifest, component }))
    }

    /// The component's name, if it is known.
    pub(super) fn component(&self) -> Option<&Path> {
        self.component.as_ref().map(|(name, _)| name.as_path())
    }

    /// How long all of it has been as it is; `None` when a time lies ahead of `now`.
    fn age(&self, now: SystemTime) -> Option<Duration> {
        let component = self.component.as_ref().and_then(|(_, stamp)| *stamp);
        match component {
            Some(component) => Some(self.manifest.age(now)?.min(component.age(now)?)),
            None => self.manifest.age(now),
        }
    }
}

/// Watches one pair of files come to rest.
#[derive(Debug, Default)]
pub(super) struct Rest {
    last: Option<(Stamps, Instant)>,
}

impl Rest {
    /// How much longer files with these stamps must lie still; zero when they have for `quiet`.
    ///
    /// The files' own times decide, so files that lay still before the host looked need no wait. Where a time lies
    /// ahead of the clock, what counts is how long the stamps were seen unchanged.
    pub(super) fn remaining(
        &mut self,
        stamps: &Stamps,
        quiet: Duration,
        (now, instant): (SystemTime, Instant),
    ) -> Duration {
        if self.last.as_ref().is_none_or(|(last, _)| last != stamps) {
            self.last = Some((stamps.clone(), instant));
        }
        let seen = self.last.as_ref().map_or(Duration::ZERO, |(_, since)| instant.saturating_duration_since(*since));
        quiet.saturating_sub(seen.max(stamps.age(now).unwrap_or_default()))
    }
}

/// What reading a plugin's folder gave.
#[derive(Debug)]
pub(super) enum Taken {
    /// One state, unchanged before and after the read.
    Revision(Box<Revision>, Stamps),
    /// The files were read unchanged and are at fault.
    Faulty(Vec<Diagnostic>, Stamps),
    /// There is no manifest.
    Gone,
    /// Somebody is writing: look again after this time.
    Unsettled(Duration),
}

/// Reads a plugin's folder, if its files have lain still for `quiet` and do not change meanwhile.
pub(super) fn take(folder: &Path, rest: &mut Rest, quiet: Duration, read: &ReadManifest<'_>) -> Taken {
    match try_take(folder, rest, quiet, read) {
        Ok(taken) => taken,
        // A file that vanished between two looks: a save in progress.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Taken::Unsettled(quiet),
        Err(error) => match Stamps::look(folder, None) {
            Ok(Some(stamps)) => Taken::Faulty(vec![fault(folder, MANIFEST_FILE.as_ref(), &error)], stamps),
            Ok(None) => Taken::Gone,
            Err(_) => Taken::Unsettled(quiet),
        },
    }
}

fn try_take(folder: &Path, rest: &mut Rest, quiet: Duration, read: &ReadManifest<'_>) -> io::Result<Taken> {
    let Some(alone) = Stamps::look(folder, None)? else { return Ok(Taken::Gone) };
    let file = folder.join(MANIFEST_FILE);
    let (_, text) = read_inside(folder, MANIFEST_FILE.as_ref(), MAX_MANIFEST)?;
    let manifest = read(&file, &text);
    let component = manifest.as_ref().ok().map(|manifest| manifest.component.clone());
    let Some(before) = Stamps::look(folder, component.as_deref())? else { return Ok(Taken::Gone) };
    let remaining = rest.remaining(&before, quiet, (SystemTime::now(), Instant::now()));
    if !remaining.is_zero() || before.manifest != alone.manifest {
        return Ok(Taken::Unsettled(remaining.max(Duration::from_millis(1))));
    }
    let taken = match manifest {
        Err(faults) => Err(faults),
        Ok(manifest) => {
            let read = read_inside(folder, &manifest.component, MAX_COMPONENT);
            read.map_err(|error| vec![fault(folder, &manifest.component, &error)]).map(|(_, bytes)| (manifest, bytes))
        }
    };
    if Stamps::look(folder, component.as_deref())?.as_ref() != Some(&before) {
        return Ok(Taken::Unsettled(quiet));
    }
    Ok(match taken {
        Err(faults) => Taken::Faulty(faults, before),
        Ok((manifest, component)) => {
            let digest = Digest::new(&text, &component);
            Taken::Revision(Box::new(Revision { folder: folder.to_owned(), manifest, component, digest }), before)
        }
    })
}

/// The manifest alone, as it is at this moment, if it is free of faults.
pub(super) fn manifest_now(folder: &Path, read: &ReadManifest<'_>) -> Option<Manifest> {
    let (_, text) = read_inside(folder, MANIFEST_FILE.as_ref(), MAX_MANIFEST).ok()?;
    read(&folder.join(MANIFEST_FILE), &text).ok()
}

/// One sentence about a file that could not be read.
fn fault(folder: &Path, name: &Path, error: &io::Error) -> Diagnostic {
    let diagnostic = |message: String| Diagnostic::new(folder.join(MANIFEST_FILE), message);
    match error.kind() {
        io::ErrorKind::NotFound => diagnostic(format!("the component {} does not exist", name.display()))
            .remedy("build the plugin, or correct `component`"),
        io::ErrorKind::InvalidInput => diagnostic(error.to_string()),
        _ => diagnostic(format!("cannot read {}: {error}", name.display())),
    }
}

#[cfg(test)]
#[path = "revision_tests.rs"]
mod tests;
