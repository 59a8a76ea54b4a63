//! The secret key that tells the cache's own entries from forged ones.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::{CodeKey, OpenError, check_private};

const LENGTH: usize = blake3::KEY_LEN;
const REMEDY: &str = "remove it, and the host makes a new one and compiles again";

/// The key. Never printed.
#[derive(Clone)]
pub(super) struct Secret([u8; LENGTH]);

impl Secret {
    /// Reads the key file, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: path.to_owned(), source };
        if !path.try_exists().map_err(io)? {
            create(path).map_err(io)?;
        }
        // A link is not followed: its target may be anybody's.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
        let file = file.map_err(io)?;
        check_private(path, &file.metadata().map_err(io)?, REMEDY)?;
        read(file).map_err(io)?.ok_or_else(|| OpenError::NotPrivate {
            path: path.to_owned(),
            why: format!("is not a key of {LENGTH} bytes"),
            remedy: REMEDY,
        })
    }

    /// The code over an entry's key and bytes. The key has a fixed length, so the two cannot be shifted.
    pub(super) fn mac(&self, key: &CodeKey, bytes: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(key.0.as_bytes()).update(bytes).finalize()
    }
}

fn read(file: File) -> io::Result<Option<Secret>> {
    let mut bytes = Vec::new();
    file.take(LENGTH as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes.try_into().ok().map(Secret))
}

/// Writes a new key beside its place and links it there: the link fails when another host was first, and nobody ever
/// sees half a key.
fn create(path: &Path) -> io::Result<()> {
    let mut bytes = [0; LENGTH];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    // Made with O_EXCL and mode 0600.
    let mut file = tempfile::Builder::new().prefix("key-").tempfile_in(folder)?;
    file.write_all(&bytes)?;
    file.as_file().sync_all()?;
    match fs::hard_link(file.path(), path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked.and_then(|()| File::open(folder)?.sync_all()),
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}
