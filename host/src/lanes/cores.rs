//! How many cores this process may use, and so how many compute threads there are.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The CPUs this process may be scheduled on; at least 1.
pub(super) fn cores() -> usize {
    let affinity = rustix::thread::sched_getaffinity(None).map(|set| set.count() as usize);
    affinity.unwrap_or_else(|_| std::thread::available_parallelism().map_or(1, |cores| cores.get())).max(1)
}

/// The CPU quota of the control groups this process is in, in cores; `None` when nothing limits it.
pub(super) fn quota() -> Option<f64> {
    quota_from(&|path| fs::read_to_string(path).ok())
}

/// Compute threads for this many cores and this quota.
///
/// A quota below the cores is shared with the runtime's threads: when it runs out, the kernel stops all of them
/// until the next period, sockets included. So the pool leaves one core's worth of it to the runtime.
pub(super) fn pool_size(cores: usize, quota: Option<f64>) -> usize {
    match quota {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below `cores`, never negative")]
        Some(quota) if quota < cores as f64 => (quota.floor() as usize).saturating_sub(1).max(1),
        _ => cores,
    }
}

/// Reads a file, or `None` when there is none. Tests pass fixtures.
type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

fn quota_from(read: Read) -> Option<f64> {
    let groups = read(Path::new("/proc/self/cgroup"))?;
    let mounts = read(Path::new("/proc/self/mountinfo"))?;
    let mut least: Option<f64> = None;
    for hierarchy in hierarchies(&mounts) {
        let Some(group) = own_group(&groups, hierarchy.unified) else { continue };
        // A parent's quota binds its children too.
        for folder in hierarchy.folders(group) {
            if let Some(quota) = folder_quota(read, &folder, hierarchy.unified) {
                least = Some(least.map_or(quota, |least| least.min(quota)));
            }
        }
    }
    least
}

/// One mounted hierarchy that can hold a CPU quota.
#[derive(Debug, PartialEq)]
struct Hierarchy {
    /// Version 2, else version 1.
    unified: bool,
    /// The control group that is mounted.
    root: PathBuf,
    /// Where it is mounted.
    at: PathBuf,
}

impl Hierarchy {
    /// The folders of `group` and of everything above it, as far as they are mounted.
    fn folders(&self, group: &Path) -> Vec<PathBuf> {
        // In a container the path may lie outside what is mounted: then the mount is the group itself.
        let inner = group.strip_prefix(&self.root).unwrap_or(Path::new(""));
        inner.ancestors().map(|folder| self.at.join(folder)).collect()
    }
}

/// The hierarchies in `/proc/self/mountinfo` that can hold a CPU quota.
fn hierarchies(mountinfo: &str) -> Vec<Hierarchy> {
    mountinfo.lines().filter_map(hierarchy).collect()
}

fn hierarchy(line: &str) -> Option<Hierarchy> {
    // "36 35 0:30 ROOT MOUNTPOINT OPTIONS [TAGS…] - TYPE SOURCE SUPEROPTIONS"
    let (mount, kind) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let (root, at) = (mount.next()?, mount.next()?);
    let mut kind = kind.split(' ');
    let unified = match kind.next()? {
        "cgroup2" => true,
        "cgroup" if kind.nth(1)?.split(',').any(|option| option == "cpu") => false,
        _ => return None,
    };
    Some(Hierarchy { unified, root: root.into(), at: at.into() })
}

/// This process's group in `/proc/self/cgroup`: of version 2, or of version 1's CPU controller.
fn own_group(groups: &str, unified: bool) -> Option<&Path> {
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let found = match unified {
            true => id == "0" && controllers.is_empty(),
            false => controllers.split(',').any(|controller| controller == "cpu"),
        };
        found.then_some(Path::new(path))
    })
}

fn folder_quota(read: Read, folder: &Path, unified: bool) -> Option<f64> {
    if unified {
        let text = read(&folder.join("cpu.max"))?;
        let (quota, period) = text.trim().split_once(' ')?;
        ratio(quota, period)
    } else {
        ratio(&read(&folder.join("cpu.cfs_quota_us"))?, &read(&folder.join("cpu.cfs_period_us"))?)
    }
}

/// `None` for "max" and for -1: no quota.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let quota: f64 = quota.trim().parse().ok()?;
    let period: f64 = period.trim().parse().ok()?;
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota_of(files: &[(&str, &str)]) -> Option<f64> {
        quota_from(&|path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    const MOUNTS_2: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate
";
    const MOUNTS_1: &str = "\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
31 22 0:27 /docker/abc /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset
32 22 0:28 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct
";

    #[test]
    fn version_2_takes_the_smallest_quota_on_the_way_up() {
        let files = [
            ("/proc/self/cgroup", "0::/system.slice/wasmbay.service\n"),
            ("/proc/self/mountinfo", MOUNTS_2),
            ("/sys/fs/cgroup/system.slice/wasmbay.service/cpu.max", "max 100000\n"),
            ("/sys/fs/cgroup/system.slice/cpu.max", "250000 100000\n"),
        ];
        assert_eq!(quota_of(&files), Some(2.5));
    }

    #[test]
    fn version_1_is_found_below_the_mounted_group() {
        let files = [
            ("/proc/self/cgroup", "5:cpuset:/docker/abc\n4:cpu,cpuacct:/docker/abc/inner\n0::/\n"),
            ("/proc/self/mountinfo", MOUNTS_1),
            ("/sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_quota_us", "-1\n"),
            ("/sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_period_us", "100000\n"),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n"),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "50000\n"),
        ];
        assert_eq!(quota_of(&files), Some(3.0));
    }

    #[test]
    fn a_group_outside_the_mount_is_the_mount_itself() {
        let files = [
            ("/proc/self/cgroup", "0::/../../elsewhere\n"),
            ("/proc/self/mountinfo", "30 22 0:26 /box /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
            ("/sys/fs/cgroup/cpu.max", "100000 100000\n"),
        ];
        assert_eq!(quota_of(&files), Some(1.0));
    }

    #[test]
    fn without_files_or_numbers_there_is_no_quota() {
        assert_eq!(quota_of(&[]), None);
        let odd = [
            ("/proc/self/cgroup", "0::/\nnonsense\n"),
            ("/proc/self/mountinfo", MOUNTS_2),
            ("/sys/fs/cgroup/cpu.max", "a lot"),
        ];
        assert_eq!(quota_of(&odd), None);
    }

    #[test]
    fn both_versions_mounted_bind_both() {
        let files = [
            ("/proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n0::/\n"),
            ("/proc/self/mountinfo", &format!("{MOUNTS_1}{MOUNTS_2}")),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "400000"),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000"),
            ("/sys/fs/cgroup/cpu.max", "300000 100000"),
        ];
        assert_eq!(quota_of(&files), Some(3.0));
    }

    #[test]
    fn the_pool_is_the_cores_or_leaves_a_core_of_the_quota() {
        assert_eq!(pool_size(8, None), 8);
        assert_eq!(pool_size(8, Some(8.0)), 8);
        assert_eq!(pool_size(8, Some(16.0)), 8);
        assert_eq!(pool_size(8, Some(4.9)), 3);
        assert_eq!(pool_size(8, Some(2.0)), 1);
        assert_eq!(pool_size(8, Some(0.5)), 1);
        assert_eq!(pool_size(1, None), 1);
    }

    #[test]
    fn this_machine_has_a_core() {
        assert!(cores() >= 1);
        assert!(pool_size(cores(), quota()) >= 1);
    }
}
