//! Finds the folders that hold a plugin, and tells which of them changed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    revision::{MANIFEST_FILE, Stamps},
    tenants::TenantSpec,
};

/// How deep below a tenant's folder plugins are looked for.
const DEPTH: usize = 3;

/// Never a plugin's home, and often large.
const SKIPPED: [&str; 2] = ["target", "node_modules"];

/// A folder of a plugin, and the tenant whose it is by its place in the list. Sorts by folder: that is the order in
/// which newcomers are preferred.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) tenant: usize,
}

/// What a look over all folders found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Folders that hold a manifest now, in order.
    pub(super) present: Vec<Place>,
    /// Folders that are links to somewhere outside their tenant's, in order.
    pub(super) outside: Vec<Place>,
    /// Tenants' folders that could not be read.
    pub(super) faults: Vec<String>,
}

/// Looks for manifests in every tenant's folder. A folder with a manifest is not searched further.
pub(super) fn scan(tenants: &[TenantSpec]) -> Scan {
    let mut scan = Scan::default();
    for (tenant, spec) in tenants.iter().enumerate() {
        if let Err(error) = scan.search(tenant, &spec.folder, &spec.folder, DEPTH) {
            let folder = spec.folder.display();
            scan.faults.push(format!("cannot read {folder}, the folder of tenant `{}`: {error}", spec.name));
        }
    }
    scan.present.sort();
    scan.outside.sort();
    scan
}

impl Scan {
    /// Whether this folder was found.
    pub(super) fn holds(&self, place: &Place) -> bool {
        [&self.present, &self.outside].iter().any(|found| found.binary_search(place).is_ok())
    }

    fn search(&mut self, tenant: usize, home: &Path, folder: &Path, depth: usize) -> io::Result<()> {
        if folder.join(MANIFEST_FILE).symlink_metadata().is_ok() {
            self.present.push(Place { folder: folder.to_owned(), tenant });
            return Ok(());
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if depth == 0 || name.starts_with('.') || SKIPPED.contains(&&*name) {
                continue;
            }
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    // A folder that vanished or may not be read holds no plugin for us.
                    let _ = self.search(tenant, home, &path, depth - 1);
                }
                Ok(kind) if kind.is_symlink() && path.join(MANIFEST_FILE).exists() => self.linked(tenant, home, path),
                _ => {}
            }
        }
        Ok(())
    }

    /// A link to a plugin's folder is taken when it stays within the tenant's: a tenant that could link anywhere
    /// would serve others' components.
    fn linked(&mut self, tenant: usize, home: &Path, folder: PathBuf) {
        let inside = match (folder.canonicalize(), home.canonicalize()) {
            (Ok(target), Ok(home)) => target.starts_with(home),
            _ => false,
        };
        let list = if inside { &mut self.present } else { &mut self.outside };
        list.push(Place { folder, tenant });
    }
}

/// Whether a folder's files are still as they were when `known` was taken.
pub(super) fn unchanged(folder: &Path, known: Option<&Stamps>) -> bool {
    let Some(known) = known else { return false };
    matches!(Stamps::look(folder, known.named()), Ok(Some(now)) if now == *known)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::{config::TenantPlace, registry::testing::tenant};

    fn plugin(folder: PathBuf) {
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(MANIFEST_FILE), "").unwrap();
    }

    fn scan_folder(folder: &Path) -> Scan {
        scan(&[TenantSpec { folder: folder.to_owned(), ..tenant("t", TenantPlace::Everywhere) }])
    }

    fn names(places: &[Place], root: &Path) -> Vec<String> {
        places.iter().map(|place| place.folder.strip_prefix(root).unwrap().display().to_string()).collect()
    }

    #[test]
    fn plugins_are_found_in_order_and_not_inside_plugins_builds_or_hidden_folders() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["b", "a", "group/c", "a/inner", "target/x", ".git/x", "1/2/3/4"] {
            plugin(root.path().join(folder));
        }
        assert_eq!(names(&scan_folder(root.path()).present, root.path()), ["a", "b", "group/c"]);
        assert_eq!(names(&scan_folder(&root.path().join("a")).present, root.path()), ["a"]);
    }

    #[test]
    fn links_within_are_plugins_and_links_out_are_named() {
        let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        plugin(root.path().join(".releases/1"));
        plugin(other.path().join("foreign"));
        symlink(".releases/1", root.path().join("current")).unwrap();
        symlink(other.path().join("foreign"), root.path().join("stolen")).unwrap();
        let scan = scan_folder(root.path());
        assert_eq!(names(&scan.present, root.path()), ["current"]);
        assert_eq!(names(&scan.outside, root.path()), ["stolen"]);
    }

    #[test]
    fn a_tenant_without_a_folder_is_named() {
        let root = tempfile::tempdir().unwrap();
        let scan = scan_folder(&root.path().join("gone"));
        assert!(scan.faults[0].contains("the folder of tenant `t`"), "{:?}", scan.faults);
    }
}
