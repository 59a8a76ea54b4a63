//! Reading files of a plugin's folder: only regular ones, only inside the folder, only up to a size.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime},
};

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds. The change time cannot be set by hand, so copying old times over does not hide a write.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// In bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// How long the file has been as it is; `None` when its time lies ahead of `now` (another machine's clock).
    pub(super) fn age(&self, now: SystemTime) -> Option<Duration> {
        let (seconds, nanoseconds) = self.changed;
        let changed = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanoseconds).ok()?);
        now.duration_since(SystemTime::UNIX_EPOCH).ok()?.checked_sub(changed)
    }
}

/// The stamp of a file, links followed; `None` when there is none.
pub(super) fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(Stamp::of(&metadata))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a file named relative to `folder`, with the stamp it had when it was opened.
///
/// # Errors
/// `InvalidInput` in words for the author when the name leads out of the folder, is no regular file, or the file is
/// larger than `most` bytes; else what the system said.
pub(super) fn read_inside(folder: &Path, name: &Path, most: u64) -> io::Result<(Stamp, Vec<u8>)> {
    let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    let file = match open_inside(folder, name) {
        Err(error) if error.raw_os_error() == Some(libc::EXDEV) => {
            return refuse(format!("{} leads out of the plugin's folder", name.display()));
        }
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return refuse(format!("{} is not a regular file", name.display()));
    }
    if metadata.len() > most {
        return refuse(format!("{} has {} bytes; the host takes at most {most}", name.display(), metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    // The file may still be growing: then the stamps differ afterwards and the bytes are dropped.
    file.take(most).read_to_end(&mut bytes)?;
    Ok((Stamp::of(&metadata), bytes))
}

/// Opens without ever leaving the folder, not even through a link made between a check and the opening; fails with
/// `EXDEV` where the name leads out. Does not wait for the other end of a pipe.
#[cfg(target_os = "linux")]
fn open_inside(folder: &Path, name: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

    let folder = File::open(folder)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(folder, name, flags, Mode::empty(), inside)?.into())
}

/// As on Linux, but a link made between the check and the opening is followed.
#[cfg(not(target_os = "linux"))]
fn open_inside(folder: &Path, name: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let real = folder.join(name).canonicalize()?;
    if !real.starts_with(folder.canonicalize()?) {
        return Err(io::Error::from_raw_os_error(libc::EXDEV));
    }
    fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(real)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn refusal(folder: &Path, name: &str, most: u64) -> String {
        read_inside(folder, Path::new(name), most).expect_err("it must be refused").to_string()
    }

    #[test]
    fn links_inside_are_followed_and_links_out_are_refused() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("plugin");
        fs::create_dir(&folder).unwrap();
        fs::write(outer.path().join("secret"), "s").unwrap();
        fs::write(folder.join("real"), "r").unwrap();
        symlink("real", folder.join("inside")).unwrap();
        symlink("../secret", folder.join("relative")).unwrap();
        symlink(outer.path().join("secret"), folder.join("absolute")).unwrap();
        symlink(outer.path(), folder.join("up")).unwrap();
        assert_eq!(read_inside(&folder, Path::new("inside"), 10).unwrap().1, b"r");
        for name in ["relative", "absolute", "up/secret", "../secret"] {
            assert!(refusal(&folder, name, 10).contains("leads out"), "{name}");
        }
    }

    #[test]
    fn a_pipe_a_folder_and_a_large_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        fs::create_dir(folder.path().join("folder")).unwrap();
        fs::write(folder.path().join("large"), "12345").unwrap();
        assert!(refusal(folder.path(), "pipe", 10).contains("not a regular file"));
        assert!(refusal(folder.path(), "folder", 10).contains("not a regular file"));
        assert!(refusal(folder.path(), "large", 4).contains("at most 4"));
    }

    #[test]
    fn every_way_to_write_changes_the_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        assert_eq!(stamp(&path).unwrap(), None);
        fs::write(&path, "one").unwrap();
        let first = stamp(&path).unwrap().unwrap();
        fs::write(folder.path().join("g"), "two").unwrap();
        fs::rename(folder.path().join("g"), &path).unwrap();
        assert_ne!(stamp(&path).unwrap().unwrap(), first);
    }
}
