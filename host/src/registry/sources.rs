//! The source files of a plugin that is built: which there are and what is in them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::files::Stamp;

/// Build output and history: never sources.
const SKIPPED: [&str; 3] = ["target", "node_modules", ".git"];

/// Files are told apart by content: a build that writes the same again, or a touch, changes nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources(BTreeMap<PathBuf, (Stamp, blake3::Hash)>);

impl Sources {
    /// Reads the files at and under the watched paths. Those with the same stamp as in `known` are not read again.
    /// What vanishes meanwhile or cannot be read is left out.
    pub(super) fn survey(folder: &Path, watch: &[PathBuf], known: &Self) -> Self {
        let mut files = BTreeMap::new();
        for path in watch {
            let _ = gather(&folder.join(path), known, &mut files);
        }
        Self(files)
    }

    /// Whether names and contents are equal.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.contents().eq(other.contents())
    }

    /// The files that were added, removed or given another content.
    pub(super) fn changed(&self, other: &Self) -> BTreeSet<PathBuf> {
        let hash = |sources: &Self, path: &PathBuf| sources.0.get(path).map(|(_, hash)| *hash);
        let all = self.0.keys().chain(other.0.keys());
        all.filter(|path| hash(self, path) != hash(other, path)).cloned().collect()
    }

    /// How long ago the last of them was written; `None` for no files or times ahead of `now`.
    pub(super) fn age(&self, now: SystemTime) -> Option<Duration> {
        self.0.values().filter_map(|(stamp, _)| stamp.age(now)).min()
    }

    fn contents(&self) -> impl Iterator<Item = (&PathBuf, &blake3::Hash)> {
        self.0.iter().map(|(path, (_, hash))| (path, hash))
    }

    /// Sources out of texts like `name=content`.
    #[cfg(test)]
    pub(super) fn of_texts(texts: &[&str]) -> Self {
        let stamp = Stamp::of(&fs::metadata("/").expect("the root folder is there"));
        let entry = |text: &&str| {
            let (name, content) = text.split_once('=').expect("name=content");
            (PathBuf::from(name), (stamp, blake3::hash(content.as_bytes())))
        };
        Self(texts.iter().map(entry).collect())
    }
}

fn gather(path: &Path, known: &Sources, files: &mut BTreeMap<PathBuf, (Stamp, blake3::Hash)>) -> io::Result<()> {
    // Links are not followed: a loop of them would never end.
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                let _ = gather(&entry.path(), known, files);
            }
        }
    } else if metadata.is_file() && !super::watch::is_temporary(path) {
        let stamp = Stamp::of(&metadata);
        let hash = match known.0.get(path) {
            Some((same, hash)) if *same == stamp => *hash,
            _ => blake3::Hasher::new().update_reader(fs::File::open(path)?)?.finalize(),
        };
        files.insert(path.to_owned(), (stamp, hash));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_touch_changes_nothing_and_a_write_does() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("src/target")).unwrap();
        let file = folder.path().join("src/a.rs");
        fs::write(&file, "one").unwrap();
        let survey = |known: &Sources| Sources::survey(folder.path(), &["src".into(), "gone".into()], known);
        let first = survey(&Sources::default());
        fs::File::options().write(true).open(&file).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        fs::write(folder.path().join("src/target/out"), "x").unwrap();
        fs::write(folder.path().join("src/a.rs~"), "x").unwrap();
        assert!(first.same(&survey(&first)));
        fs::write(&file, "two").unwrap();
        let second = survey(&first);
        assert!(!first.same(&second));
        assert_eq!(first.changed(&second).into_iter().collect::<Vec<_>>(), [file]);
    }
}
