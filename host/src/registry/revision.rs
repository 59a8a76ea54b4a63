//! A revision: one read of a plugin's manifest, component and other files that no writer was in the middle of.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;

use super::{
    enclosed,
    files::{Stamp, read_inside, stamp},
};
use crate::{config::Manifest, diagnostic::Diagnostic};

/// The file that makes a folder a plugin.
pub const MANIFEST_FILE: &str = "plugin.toml";

/// How long a plugin's files must lie still before they are read: longer than an editor or a linker pauses between
/// two writes of one save.
pub const QUIET: Duration = Duration::from_millis(100);

/// The largest component. An interpreter with its libraries takes about 40 MiB.
pub const MAX_COMPONENT: u64 = 128 << 20;

/// Names one state of a plugin: a BLAKE3 hash over its manifest, its component and the files that go with them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of the bytes of a manifest and a component, and of the names and bytes of other files.
    pub fn new(manifest: &[u8], component: &[u8], files: &BTreeMap<PathBuf, Bytes>) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        };
        part(manifest);
        part(component);
        for (name, bytes) in files {
            part(name.as_os_str().as_encoded_bytes());
            part(bytes);
        }
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
    /// What the host serves and the guest may read, by their paths in the folder.
    pub files: BTreeMap<PathBuf, Bytes>,
    /// Of all of it.
    pub digest: Digest,
}

/// What a manifest's text means, or every fault in it. `&[u8]` is the text as read from the path.
pub(super) type ReadManifest<'a> = dyn Fn(&Path, &[u8]) -> Result<Manifest, Vec<Diagnostic>> + 'a;

/// What a manifest names besides itself, relative to its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    component: PathBuf,
    /// Files and folders that go with it.
    enclosed: Vec<PathBuf>,
}

impl Named {
    fn by(manifest: &Manifest) -> Self {
        Self { component: manifest.component.clone(), enclosed: enclosed::names(manifest) }
    }

    /// Each of them.
    pub(super) fn paths(&self, folder: &Path) -> impl Iterator<Item = PathBuf> {
        self.enclosed.iter().chain([&self.component]).map(|name| folder.join(name))
    }
}

/// The state of a plugin's files without their bytes. Equal stamps: nothing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamps {
    manifest: Stamp,
    /// The others, once the manifest could be read and named them.
    others: Option<(Named, Others)>,
}

/// The state of what a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Others {
    component: Option<Stamp>,
    /// Or why they are not taken, in words for the author.
    enclosed: Result<BTreeMap<PathBuf, Stamp>, String>,
}

impl Others {
    fn look(folder: &Path, named: &Named) -> io::Result<Self> {
        let component = stamp(&folder.join(&named.component))?;
        let enclosed = enclosed::survey(folder, &named.enclosed).map_err(|error| error.to_string());
        Ok(Self { component, enclosed })
    }

    fn stamps(&self) -> impl Iterator<Item = &Stamp> {
        self.component.iter().chain(self.enclosed.iter().flat_map(BTreeMap::values))
    }
}

impl Stamps {
    /// Stats the manifest, and what the last read of the manifest named. `None` without a manifest.
    pub(super) fn look(folder: &Path, named: Option<&Named>) -> io::Result<Option<Self>> {
        let Some(manifest) = stamp(&folder.join(MANIFEST_FILE))? else { return Ok(None) };
        let others =
            named.map(|named| Ok::<_, io::Error>((named.clone(), Others::look(folder, named)?))).transpose()?;
        Ok(Some(Self { manifest, others }))
    }

    /// What the manifest names, if that is known.
    pub(super) fn named(&self) -> Option<&Named> {
        self.others.as_ref().map(|(named, _)| named)
    }

    /// How long all of it has been as it is; `None` when a time lies ahead of `now`.
    fn age(&self, now: SystemTime) -> Option<Duration> {
        let others = self.others.iter().flat_map(|(_, others)| others.stamps());
        others.chain([&self.manifest]).map(|stamp| stamp.age(now)).min().flatten()
    }
}

/// Watches a plugin's files come to rest.
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
    let (_, text) = read_inside(folder, MANIFEST_FILE.as_ref(), Manifest::MAX_BYTES)?;
    let manifest = read(&file, &text);
    let named = manifest.as_ref().ok().map(Named::by);
    let Some(before) = Stamps::look(folder, named.as_ref())? else { return Ok(Taken::Gone) };
    let remaining = rest.remaining(&before, quiet, (SystemTime::now(), Instant::now()));
    if !remaining.is_zero() || before.manifest != alone.manifest {
        return Ok(Taken::Unsettled(remaining.max(Duration::from_millis(1))));
    }
    let taken = manifest.and_then(|manifest| {
        let (component, files) = rest_of(folder, &manifest, &before).map_err(|fault| vec![fault])?;
        let digest = Digest::new(&text, &component, &files);
        Ok(Box::new(Revision { folder: folder.to_owned(), manifest, component, files, digest }))
    });
    if Stamps::look(folder, named.as_ref())?.as_ref() != Some(&before) {
        return Ok(Taken::Unsettled(quiet));
    }
    Ok(match taken {
        Err(faults) => Taken::Faulty(faults, before),
        Ok(revision) => Taken::Revision(revision, before),
    })
}

/// What the manifest names, read.
fn rest_of(
    folder: &Path,
    manifest: &Manifest,
    stamps: &Stamps,
) -> Result<(Vec<u8>, BTreeMap<PathBuf, Bytes>), Diagnostic> {
    let component = read_inside(folder, &manifest.component, MAX_COMPONENT);
    let (_, component) = component.map_err(|error| fault(folder, &manifest.component, &error))?;
    let refused = |why: String| Diagnostic::new(folder.join(MANIFEST_FILE), format!("assets and static: {why}"));
    let files = match stamps.others.as_ref().map(|(_, others)| &others.enclosed) {
        Some(Ok(found)) => enclosed::read(folder, found).map_err(|error| refused(error.to_string()))?,
        Some(Err(why)) => return Err(refused(why.clone())),
        None => BTreeMap::new(),
    };
    Ok((component, files))
}

/// The manifest alone, as it is at this moment, if it is free of faults.
pub(super) fn manifest_now(folder: &Path, read: &ReadManifest<'_>) -> Option<Manifest> {
    let (_, text) = read_inside(folder, MANIFEST_FILE.as_ref(), Manifest::MAX_BYTES).ok()?;
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
