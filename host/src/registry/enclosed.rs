//! Files that go with a revision besides its manifest and component: what the host serves and what the guest may read.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{
    files::{Stamp, read_inside},
    watch::is_temporary,
};
use crate::config::{Manifest, Serves};

/// Files of one revision. Each is stamped every other second while its plugin is live.
pub const MAX_FILES: usize = 4096;

/// Bytes of one revision's files: they are read whole and kept once more.
pub const MAX_BYTES: u64 = 128 << 20;

/// Folders in folders. Each is on the stack while it is looked at.
const DEPTH: usize = 16;

/// What a manifest names: files and folders, relative to its own.
pub(super) fn names(manifest: &Manifest) -> Vec<PathBuf> {
    let served = manifest.routes.iter().filter_map(|route| match &route.serves {
        Serves::Files(folder) => Some(folder),
        Serves::Plugin => None,
    });
    let mut names: Vec<_> = manifest.assets.iter().chain(served).cloned().collect();
    names.sort();
    names.dedup();
    names
}

/// The files at and under these names, by their paths in the plugin's folder.
///
/// # Errors
/// `InvalidInput` in words for the author: a name that is not there, a link or another thing that is no file, a name that is
/// no text, or more of them than the host takes.
pub(super) fn survey(folder: &Path, names: &[PathBuf]) -> io::Result<BTreeMap<PathBuf, Stamp>> {
    let mut found = BTreeMap::new();
    for name in names {
        gather(folder, name, DEPTH, &mut found)?;
    }
    let bytes: u64 = found.values().map(Stamp::size).sum();
    if bytes > MAX_BYTES {
        return refuse(format!("{} have {bytes} bytes; the host takes at most {MAX_BYTES}", listed(names)));
    }
    Ok(found)
}

fn gather(folder: &Path, name: &Path, depth: usize, found: &mut BTreeMap<PathBuf, Stamp>) -> io::Result<()> {
    let shown = name.display();
    let metadata = match fs::symlink_metadata(folder.join(name)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return refuse(format!("{shown} does not exist")),
        other => other?,
    };
    if name.to_str().is_none() {
        return refuse(format!("{shown} has a name that is not UTF-8"));
    }
    if metadata.is_dir() {
        if depth == 0 {
            return refuse(format!("{shown} lies more than {DEPTH} folders deep"));
        }
        for entry in fs::read_dir(folder.join(name))? {
            gather(folder, &name.join(entry?.file_name()), depth - 1, found)?;
        }
        return Ok(());
    }
    if !metadata.is_file() {
        // A link could lead out of the folder, or in a circle.
        return refuse(format!("{shown} is neither a file nor a folder"));
    }
    if is_temporary(name) {
        return Ok(());
    }
    found.insert(name.to_owned(), Stamp::of(&metadata));
    if found.len() > MAX_FILES {
        return refuse(format!("there are more than {MAX_FILES} files at and under what assets and static name"));
    }
    Ok(())
}

/// Reads them all.
///
/// # Errors
/// As [`survey`], and `NotFound` for one that has gone meanwhile.
pub(super) fn read(folder: &Path, found: &BTreeMap<PathBuf, Stamp>) -> io::Result<BTreeMap<PathBuf, Bytes>> {
    found.keys().map(|name| Ok((name.clone(), read_inside(folder, name, MAX_BYTES)?.1.into()))).collect()
}

fn refuse<T>(why: String) -> io::Result<T> {
    Err(io::Error::new(ErrorKind::InvalidInput, why))
}

fn listed(names: &[PathBuf]) -> String {
    names.iter().map(|name| name.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn refusal(folder: &Path, name: &str) -> String {
        survey(folder, &[name.into()]).expect_err("it must be refused").to_string()
    }

    #[test]
    fn files_are_found_at_and_under_names_and_read() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("static/css")).expect("folders");
        for (name, text) in [("static/css/a.css", "a"), ("static/.well-known", "w"), ("static/a~", "no"), ("one", "1")]
        {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        let found = survey(folder.path(), &["static".into(), "one".into()]).expect("all are there");
        let read = read(folder.path(), &found).expect("all can be read");
        let texts: Vec<_> = read.iter().map(|(name, text)| (name.to_str().expect("text"), &text[..])).collect();
        assert_eq!(texts, [("one", &b"1"[..]), ("static/.well-known", b"w"), ("static/css/a.css", b"a")]);
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("static")).expect("a folder");
        symlink("/etc/passwd", folder.path().join("static/link")).expect("a link");
        assert_eq!(refusal(folder.path(), "static"), "static/link is neither a file nor a folder");
        assert_eq!(refusal(folder.path(), "gone"), "gone does not exist");
        symlink("/etc", folder.path().join("etc")).expect("a link");
        assert_eq!(refusal(folder.path(), "etc"), "etc is neither a file nor a folder");
        // The parents of a name are followed when it is looked at, but never when it is read.
        let found = survey(folder.path(), &["etc/hostname".into()]);
        assert!(
            found
                .and_then(|found| read(folder.path(), &found))
                .expect_err("it leads out")
                .to_string()
                .contains("leads out")
        );
    }

    #[test]
    fn too_many_and_too_deep_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep: PathBuf = std::iter::repeat_n("d", DEPTH + 1).collect();
        fs::create_dir_all(folder.path().join(&deep)).expect("folders");
        assert!(refusal(folder.path(), "d").contains("folders deep"));
        let many = folder.path().join("many");
        fs::create_dir(&many).expect("a folder");
        (0..=MAX_FILES).for_each(|n| fs::write(many.join(n.to_string()), "").expect("a file"));
        assert!(refusal(folder.path(), "many").contains("more than 4096 files"));
    }
}
