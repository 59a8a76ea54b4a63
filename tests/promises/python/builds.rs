//! What cannot work in a component fails when it is built, with the module's name, the reason and what to do.

use std::{path::Path, process::Stdio};

use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use super::COMPILE_HANG;
use crate::languages::author::Author;

/// Runs a Python of this machine's with the builder at hand, a cache of its own and these arguments. What was said.
async fn fails(arguments: &[&str]) -> String {
    let dir = TempDir::new().expect("a folder");
    let mut command = Command::new("python3");
    command.args(arguments).current_dir(dir.path()).env("PYTHONPATH", sdk()).env("XDG_CACHE_HOME", dir.path());
    command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).kill_on_drop(true);
    let done = timeout(COMPILE_HANG, command.output()).await.expect("it ends").expect("python3 starts");
    assert!(!done.status.success());
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_builder_lacks_is_named_with_the_command_that_installs_it() {
    // Without its site-packages.
    let said = fails(&["-S", "-m", "wasmbay_build", "asgi", "main:app"]).await;
    assert!(said.contains("has no pip") && said.contains("to install it: apt install python3-pip"), "{said}");
    let no_rust = "import os, pathlib; from wasmbay_build import rust; os.environ['PATH'] = ''; \
                   rust.toolchain(pathlib.Path('here'))";
    let said = fails(&["-c", no_rust]).await;
    assert!(said.contains("rustup component add rust-src"), "{said}");
}

/// The folder of the builder.
fn sdk() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/python")
}

/// Has `wasmbay build` refuse a new plugin with this `main.py` and these dependencies, for all of these reasons.
async fn refused(protocol: &str, requirements: &str, main: &str, reasons: &[&str]) -> anyhow::Result<()> {
    let author = Author::begins("python", "refused").await?;
    author.edits(("plugin.toml", "asgi main:app", &format!("{protocol} main:app")))?;
    author.writes("requirements.txt", requirements)?;
    author.writes("main.py", main)?;
    let (code, _, said) = author.tries_to_build().await?;
    assert_eq!(code, Some(1), "{said}");
    for reason in reasons {
        assert!(said.contains(reason), "{reason:?} is not in:\n{said}");
    }
    Ok(())
}

/// Imports that fail, each while the one before it is handled: a build takes seconds, and its traceback has them all.
const CANNOT_WORK: &str = r"
try:
    import ctypes
except ImportError:
    try:
        import threading
        threading.Thread(target=print, name='ticker').start()
    except RuntimeError:
        try:
            import multiprocessing
            multiprocessing.SimpleQueue()
        except RuntimeError:
            try:
                import socket
                socket.create_connection(('db.example', 5432))
            except OSError:
                import orjson
";

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_cannot_work_fails_the_build_with_its_reason() -> anyhow::Result<()> {
    let reasons = [
        // A module that the interpreter is built without.
        ["_ctypes", "no shared libraries", "main.py", "import ctypes"],
        // A thread that an import starts.
        ["ticker", "threads do not exist", "compute lane", ".start()"],
        // What is to talk to another process.
        ["os.pipe", "a component starts no processes", "compute lane", "multiprocessing.SimpleQueue()"],
        // What opens a socket.
        ["gaierror", "socket.getaddrinfo: sockets do not exist", "grants", "socket.create_connection("],
        // A C extension without a build for wasi, which the reason begins with, as it was the last.
        [
            "cannot be made a component: ModuleNotFoundError: no module 'orjson.orjson'",
            "C extension",
            "wasm32-wasi",
            "import orjson",
        ],
    ];
    refused("wsgi", "orjson==3.13.0", CANNOT_WORK, reasons.as_flattened()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_of_the_other_protocol_is_told_which_to_take() -> anyhow::Result<()> {
    let asgi = "async def app(scope, receive, send): pass\n";
    refused("wsgi", "", asgi, &["main:app is an ASGI application", "`asgi main:app`"]).await?;
    let wsgi = "def app(environ, start_response): return []\n";
    refused("asgi", "", wsgi, &["main:app is not an ASGI application", "`wsgi main:app`"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_that_does_not_exist_is_told_before_anything_is_built() -> anyhow::Result<()> {
    refused("wsgi", "flask==0.0.0.0", "", &["requirements.txt cannot be resolved", "flask"]).await
}
