//! Where a run ran: what a reader needs to compare figures.

use std::{fs, num::NonZero, path::Path, process::Command};

use serde::Serialize;

/// The locked dependencies that this program was built with.
const LOCK: &str = include_str!("../../../../Cargo.lock");

/// What in the lock decides figures.
const TOLD: [&str; 4] = ["wasmtime", "hyper", "tokio", "mimalloc"];

/// A machine and the programs measured on it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct System {
    /// Cores that processes may use.
    pub(crate) cores: usize,
    /// The processor's name.
    pub(crate) processor: String,
    /// The kernel's name and release.
    pub(crate) kernel: String,
    /// The host's own `--version`.
    pub(crate) host: String,
    /// Crates by name and version.
    pub(crate) crates: Vec<String>,
    /// The servers measured beside it, by name and version.
    pub(crate) peers: Vec<String>,
}

impl System {
    /// Of this machine and the host at `host`. What cannot be read is `unknown`.
    pub(crate) fn read(host: Option<&Path>) -> Self {
        let unknown = || "unknown".to_owned();
        let kernel = |name| fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_else(|_| unknown());
        let version = host.and_then(|host| Command::new(host).arg("--version").output().ok());
        Self {
            cores: std::thread::available_parallelism().map_or(1, NonZero::get),
            processor: processor(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()).unwrap_or_else(unknown),
            kernel: format!("{} {}", kernel("ostype").trim(), kernel("osrelease").trim()),
            host: version.map_or_else(unknown, |output| String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            peers: Vec::new(),
            crates: TOLD.iter().filter_map(|name| Some(format!("{name} {}", locked(LOCK, name)?))).collect(),
        }
    }
}

fn processor(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
}

/// The version of `name` in a lock file.
fn locked(lock: &str, name: &str) -> Option<String> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = lock.split_once(&entry)?;
    rest.split('"').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_names_what_decides_figures() {
        assert_eq!(System::read(None).crates.len(), TOLD.len());
        assert_eq!(locked("[[package]]\nname = \"a\"\nversion = \"1.2\"\n", "a").as_deref(), Some("1.2"));
        assert_eq!(locked("name = \"ab\"\nversion = \"1.2\"\n", "a"), None);
    }

    #[test]
    fn the_processor_is_named() {
        assert_eq!(processor("x\nmodel name\t: A B @ 2\n").as_deref(), Some("A B @ 2"));
    }
}
