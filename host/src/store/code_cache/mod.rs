//! Compiled code, kept between starts in the data folder.
//!
//! Compiled code is native code: whoever could change it would run inside the host. So every entry carries a code made
//! with a secret key over the entry's name and bytes, and what does not verify is a miss. Several hosts may use one
//! folder: an entry appears by rename, complete or not at all, and any host may remove any entry at any time.

mod secret;

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use secret::Secret;

/// Bytes of entries kept. Compiled code takes about three times its component; a gibibyte is some hundred small
/// plugins in a few revisions each, or a dozen with an interpreter inside.
pub const MAX_CACHE: u64 = 1 << 30;

/// A temporary file this old was left by a host that died while it wrote.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Starts every entry; a change of the format changes it.
const MAGIC: &[u8; 8] = b"wbcode\x001";

const MAC_LENGTH: usize = 32;
const TEMPORARY: &str = "tmp-";
const SUFFIX: &str = "code";

/// What an entry is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeKey(blake3::Hash);

impl CodeKey {
    /// A key of everything that decides what the compiled code is. Different lists of parts give different keys.
    pub fn new(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Self(hasher.finalize())
    }
}

/// What a cache has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CacheStats {
    /// Entries found and verified.
    pub hits: u64,
    /// Keys without an entry.
    pub misses: u64,
    /// Entries that did not verify: cut off, changed, or made with another key. Each was removed.
    pub damaged: u64,
    /// Entries removed to keep the cache within its bound.
    pub evicted: u64,
}

/// Why a cache cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else could have written here.
    #[error("{path} {why}; {remedy}", path = path.display())]
    NotPrivate {
        /// The folder or key file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The system refused.
    #[error("cannot use {path}: {source}", path = path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The cache. Its methods block on the disk. Clones share one state.
#[derive(Clone, Debug)]
pub struct CodeCache {
    folder: PathBuf,
    secret: Secret,
    bound: u64,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    damaged: AtomicU64,
    evicted: AtomicU64,
}

impl CodeCache {
    /// Opens the cache in the data folder, making it and its key when they are missing. `bound` is in bytes, usually
    /// [`MAX_CACHE`].
    ///
    /// # Errors
    /// When the folder or key could have been written or read by another user, or the disk fails.
    pub fn open(data: &Path, bound: u64) -> Result<Self, OpenError> {
        let folder = data.join("code");
        private_folder(data, &folder).map_err(|source| OpenError::Io { path: folder.clone(), source })?;
        let metadata = fs::metadata(&folder).map_err(|source| OpenError::Io { path: folder.clone(), source })?;
        check_private(&folder, &metadata, "use another data folder, or chmod 700 it")?;
        let secret = Secret::open(&data.join("code.key"))?;
        let cache = Self { folder, secret, bound, counts: Arc::default() };
        cache.sweep();
        Ok(cache)
    }

    /// Marks an entry as used, if it is there: the ones unused for longest are removed first.
    pub fn touch(&self, key: &CodeKey) {
        // An error: somebody removed it, which anybody may.
        let _ = File::open(self.path(key)).and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// The bytes put under this key, if they are there and are the ones that were put. Damaged entries are removed.
    pub fn get(&self, key: &CodeKey) -> Option<Vec<u8>> {
        let path = self.path(key);
        let Ok(mut file) = File::open(&path) else {
            self.counts.misses.fetch_add(1, Relaxed);
            return None;
        };
        match self.read(key, &mut file) {
            Some(bytes) => {
                // Marks the use for eviction. Another host may have removed the file: the bytes are still good.
                let _ = file.set_modified(SystemTime::now());
                self.counts.hits.fetch_add(1, Relaxed);
                Some(bytes)
            }
            None => {
                tracing::warn!(entry = %path.display(), "removed a damaged entry of the compiled-code cache");
                let _ = fs::remove_file(&path);
                self.counts.damaged.fetch_add(1, Relaxed);
                None
            }
        }
    }

    fn read(&self, key: &CodeKey, file: &mut File) -> Option<Vec<u8>> {
        let mut head = [0; MAGIC.len() + MAC_LENGTH];
        file.read_exact(&mut head).ok()?;
        let (magic, mac) = head.split_at(MAGIC.len());
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let mac = blake3::Hash::from_slice(mac).ok()?;
        // Comparing hashes takes the same time wherever they differ.
        (magic == MAGIC && self.secret.mac(key, &bytes) == mac).then_some(bytes)
    }

    /// Keeps bytes under a key. They are on disk, whole, when this returns. Removes entries unused for longest when
    /// the cache has outgrown its bound.
    ///
    /// # Errors
    /// When the disk fails or is full; the cache is as before then.
    pub fn put(&self, key: &CodeKey, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(&self.folder)?;
        file.write_all(MAGIC)?;
        file.write_all(self.secret.mac(key, bytes).as_bytes())?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(self.path(key)).map_err(|error| error.error)?;
        File::open(&self.folder)?.sync_all()?;
        self.sweep();
        Ok(())
    }

    /// What happened so far.
    pub fn stats(&self) -> CacheStats {
        let Counts { hits, misses, damaged, evicted } = &*self.counts;
        CacheStats {
            hits: hits.load(Relaxed),
            misses: misses.load(Relaxed),
            damaged: damaged.load(Relaxed),
            evicted: evicted.load(Relaxed),
        }
    }

    fn path(&self, key: &CodeKey) -> PathBuf {
        self.folder.join(key.0.to_hex().as_str()).with_extension(SUFFIX)
    }

    /// Removes what a dead host left behind and the entries unused for longest beyond the bound.
    fn sweep(&self) {
        let Ok(listing) = fs::read_dir(&self.folder) else { return };
        let mut entries = Vec::new();
        for entry in listing.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == SUFFIX) {
                entries.push((modified, metadata.len(), path));
            } else if entry.file_name().to_string_lossy().starts_with(TEMPORARY)
                && modified.elapsed().is_ok_and(|age| age > ABANDONED)
            {
                let _ = fs::remove_file(path);
            }
        }
        let mut total: u64 = entries.iter().map(|(_, size, _)| size).sum();
        entries.sort();
        for (_, size, path) in entries {
            if total <= self.bound {
                return;
            }
            total -= size;
            // Another host may have been quicker.
            if fs::remove_file(path).is_ok() {
                self.counts.evicted.fetch_add(1, Relaxed);
            }
        }
    }
}

/// Makes the data folder and the cache's folder, both for this user alone, where they are missing.
fn private_folder(data: &Path, folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(data)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Refuses what another user owns or may use.
fn check_private(path: &Path, metadata: &fs::Metadata, remedy: &'static str) -> Result<(), OpenError> {
    let refuse = |why: String| Err(OpenError::NotPrivate { path: path.to_owned(), why, remedy });
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return refuse(format!("belongs to user {}, not to the user this host runs as ({user})", metadata.uid()));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return refuse(format!("may be used by other users (mode {mode:04o})"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
