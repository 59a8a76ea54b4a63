//! An unchanged Python web application is a plugin: it answers as it does under the servers it was written for, and what
//! is different in a component is said, by the builder or in the log.

mod alike;
mod builds;
mod calls;
mod example;
mod lifecycle;
mod logs;
mod reference;
mod spin;
mod tutorials;

use std::{fs, path::PathBuf, time::Duration};

use tempfile::TempDir;
use tokio::{sync::Mutex, time::timeout};
use wasmbay::{
    config::Settings,
    host::{Host, Mode, Started},
    registry::State,
    units::ByteSize,
};
use wasmbay_tests::house::{House, settings};

/// Longer than it takes to compile an interpreter with an application in it, on a machine that does more than that.
const COMPILE_HANG: Duration = Duration::from_secs(1800);

/// One test at a time has a component compiled: the next ones find it in the cache that all share.
static COMPILING: Mutex<()> = Mutex::const_new(());

/// Where `cargo xtask guests` put the applications.
pub(crate) fn applications() -> PathBuf {
    let folder = std::env::var_os("WASMBAY_PYTHON");
    PathBuf::from(folder.expect("WASMBAY_PYTHON is not set: eval \"$(cargo xtask guests)\""))
}

/// Settings with room for interpreters.
pub(crate) fn roomy() -> Settings {
    Settings { max_memory: ByteSize(128 << 20), io_instances: 16, compute_instances: 16, ..settings() }
}

/// Writes the plugin of an application, for every path of the host, with these lines added to its manifest.
fn write(dir: &TempDir, application: &str, lane: &str, lines: &str) {
    let folder = dir.path().join("p");
    fs::create_dir_all(&folder).expect("a folder");
    let component = applications().join(format!("{application}.wasm"));
    fs::copy(&component, folder.join("plugin.wasm")).expect("the application is built: cargo xtask guests");
    // Four times the CPU time that a request takes at most: other tests run beside this one.
    let manifest = format!(
        "manifest = 1\nname = \"p\"\nversion = \"1\"\ncomponent = \"plugin.wasm\"\nlane = \"{lane}\"\n{lines}\n\
         [limits]\ncpu = \"5s\"\ntimeout = \"60s\"\nrequest_body = \"8MiB\"\nqueue_timeout = \"60s\"\n"
    );
    fs::write(folder.join("plugin.toml"), manifest).expect("the manifest can be written");
}

/// Serves a folder of Python plugins.
pub(crate) async fn open(settings: Settings, mode: Mode, dir: TempDir) -> House {
    let _alone = COMPILING.lock().await;
    let started = Host::start(&settings, dir.path(), mode, false).await.expect("the host starts");
    let Started::Serving(host) = started else { panic!("only a strict host refuses to serve") };
    timeout(COMPILE_HANG, host.ready()).await.expect("the first scan ends");
    House { dir, host }
}

/// Serves one application as the plugin `p`.
async fn serve(application: &str, lane: &str, lines: &str) -> House {
    let dir = TempDir::new().expect("a folder");
    write(&dir, application, lane, lines);
    let house = open(roomy(), Mode::Serve, dir).await;
    let status = house.host.behind().registry().status();
    assert!(status.plugins.iter().all(|plugin| plugin.state == State::Live), "{status:#?}");
    house
}

/// An instance that serves many requests in turn.
const REUSED: &str = "[instances]\nmax_requests = 1000";
