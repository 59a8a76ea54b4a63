//! Files of live revisions, as they were when they were read.
//!
//! Authors edit in place; who serves a file, or lets a guest read it, needs all of it from one moment. So every revision's
//! files are copied into a folder of their own, named by what is in it, which goes when the last user lets go of it.
//! Each host has a shelf of its own below the data folder, and clears those of hosts that have died.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};

/// The folder of all shelves, below the data folder.
const FOLDER: &str = "files";

/// Held locked by the host whose shelf it lies in.
const LOCK: &str = ".lock";

/// How long making a shelf never takes.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Readable by the host's own user alone, and written once.
const FILE_MODE: u32 = 0o400;
const FOLDER_MODE: u32 = 0o700;

/// Where this host keeps files. Clones share it; it is removed with the last of them.
#[derive(Clone, Debug)]
pub struct Shelf(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    kept: Mutex<HashMap<blake3::Hash, Weak<Folder>>>,
    /// Locked for as long as it is open.
    _lock: File,
}

/// A folder of files that do not change, there for as long as this is held. Clones share it.
#[derive(Clone, Debug)]
pub struct Kept(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// The shelf stays while anything lies on it.
    _shelf: Arc<Inner>,
}

impl Shelf {
    /// A new one below `data`, a private folder. Shelves of hosts that are gone are removed.
    ///
    /// # Errors
    /// When the folder cannot be made or locked.
    pub fn open(data: &Path) -> io::Result<Self> {
        let all = data.join(FOLDER);
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&all)?;
        clear(&all)?;
        let folder = tempfile::Builder::new().prefix("host-").tempdir_in(&all)?.keep();
        let lock = File::create_new(folder.join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self(Arc::new(Inner { folder, kept: Mutex::default(), _lock: lock })))
    }

    /// Keeps files under these paths, which are relative and have no `..` in them. The same files are kept once.
    ///
    /// Blocks while it writes.
    ///
    /// # Errors
    /// When they cannot be written; nothing of them is left then.
    pub fn keep(&self, files: &BTreeMap<PathBuf, Bytes>) -> io::Result<Kept> {
        let digest = digest(files);
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = kept.get(&digest).and_then(Weak::upgrade) {
            return Ok(Kept(folder));
        }
        kept.retain(|_, folder| folder.strong_count() > 0);
        let unfinished = tempfile::Builder::new().prefix("new-").tempdir_in(&self.0.folder)?;
        files.iter().try_for_each(|(path, bytes)| write(&unfinished.path().join(path), bytes))?;
        // A name of its own: an earlier one with the same files may just be on its way out.
        let folder = Arc::new(Folder { path: unfinished.keep(), _shelf: Arc::clone(&self.0) });
        kept.insert(digest, Arc::downgrade(&folder));
        Ok(Kept(folder))
    }
}

impl Kept {
    /// Where the files are.
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        let remove = move || drop(fs::remove_dir_all(path));
        // The last user may be a request, on a thread that serves others.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Names and bytes, so that no two sets of files have the same.
fn digest(files: &BTreeMap<PathBuf, Bytes>) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for (path, bytes) in files {
        let name = path.as_os_str().as_encoded_bytes();
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name);
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    }
    hasher.finalize()
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(parent)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?.write_all(bytes)
}

/// Removes shelves that nobody holds.
fn clear(all: &Path) -> io::Result<()> {
    for entry in fs::read_dir(all)? {
        let shelf = entry?.path();
        let free = match File::open(shelf.join(LOCK)) {
            Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
            // One that is being made has no lock yet, and one whose host died then never gets it.
            Err(_) => age(&shelf).is_some_and(|age| age > ABANDONED),
        };
        if free {
            let _ = fs::remove_dir_all(shelf);
        }
    }
    Ok(())
}

fn age(path: &Path) -> Option<Duration> {
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: &[(&str, &'static str)]) -> BTreeMap<PathBuf, Bytes> {
        entries.iter().map(|(path, text)| (PathBuf::from(path), Bytes::from_static(text.as_bytes()))).collect()
    }

    fn shelves(data: &Path) -> usize {
        fs::read_dir(data.join(FOLDER)).expect("the folder of shelves").count()
    }

    #[test]
    fn what_is_kept_is_kept_once_and_goes_with_its_last_user() {
        let data = tempfile::tempdir().expect("a folder");
        let shelf = Shelf::open(data.path()).expect("a shelf");
        let one = shelf.keep(&files(&[("a/b.txt", "one"), ("c", "two")])).expect("kept");
        let same = shelf.keep(&files(&[("a/b.txt", "one"), ("c", "two")])).expect("kept");
        let other = shelf.keep(&files(&[("a/b.txt", "on"), ("c", "etwo")])).expect("kept");
        assert_eq!(one.path(), same.path());
        assert_ne!(one.path(), other.path());
        assert_eq!(fs::read_to_string(one.path().join("a/b.txt")).expect("a file"), "one");
        let path = one.path().to_owned();
        drop(one);
        assert!(path.join("c").exists());
        drop(same);
        assert!(!path.exists() && other.path().exists());
        drop(shelf);
        assert!(other.path().exists(), "a shelf stays while anything lies on it");
        drop(other);
        assert_eq!(shelves(data.path()), 0);
    }

    #[test]
    fn shelves_of_the_dead_are_cleared_and_those_of_the_living_are_not() {
        let data = tempfile::tempdir().expect("a folder");
        let living = Shelf::open(data.path()).expect("a shelf");
        let dead = data.path().join(FOLDER).join("host-dead");
        fs::create_dir(&dead).expect("a folder");
        fs::write(dead.join(LOCK), "").expect("a lock that nobody holds");
        fs::write(dead.join("x"), "left over").expect("a file");
        let next = Shelf::open(data.path()).expect("another");
        assert!(!dead.exists());
        assert_eq!(shelves(data.path()), 2);
        drop((living, next));
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let data = tempfile::tempdir().expect("a folder");
        let shelf = Shelf::open(data.path()).expect("a shelf");
        // A file where another wants a folder.
        assert!(shelf.keep(&files(&[("a", "file"), ("a/b", "below it")])).is_err());
        let left: Vec<_> =
            fs::read_dir(&shelf.0.folder).expect("the shelf").flatten().map(|it| it.file_name()).collect();
        assert_eq!(left, [LOCK]);
    }
}
