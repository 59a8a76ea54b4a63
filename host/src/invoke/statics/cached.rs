//! Files that lie in the kernel's memory: opened and read at once, without a thread that may wait for a disk.

use std::{fs::File, path::Path};

/// The file, if the way to it is known (`openat2` with `RESOLVE_CACHED`, Linux 5.12).
#[cfg(target_os = "linux")]
pub(super) fn open(path: &Path) -> Option<File> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED).ok().map(File::from)
}

/// Reads all of `piece` from `at` on (`preadv2` with `RWF_NOWAIT`); `false` when not all of it was there.
#[cfg(target_os = "linux")]
pub(super) fn read(file: &File, piece: &mut [u8], at: u64) -> bool {
    use std::io::IoSliceMut;

    use rustix::io::{ReadWriteFlags, preadv2};

    let length = piece.len();
    let read = preadv2(file, &mut [IoSliceMut::new(piece)], at, ReadWriteFlags::NOWAIT);
    read.is_ok_and(|read| read == length)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open(_path: &Path) -> Option<File> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn read(_file: &File, _piece: &mut [u8], _at: u64) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_just_written_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        std::fs::write(&path, b"0123456789").expect("it is written");
        let file = open(&path).expect("its name is known");
        let mut piece = [0; 4];
        assert!(read(&file, &mut piece, 3) && &piece == b"3456");
        assert!(!read(&file, &mut piece, 8), "it ends before that");
        assert!(open(&folder.path().join("b")).is_none());
    }
}
