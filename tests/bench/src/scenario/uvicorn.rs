//! An application under uvicorn, as one process.

use std::{fs, path::Path};

use anyhow::Context as _;
use tokio::process::Command;

use crate::stand::{Bench, Peer};

/// uvicorn that says where it listens, as every process of the stand does.
const UVICORN: &str = "\
import uvicorn
config = uvicorn.Config('main:app', port=0, loop='uvloop', http='httptools', log_level='warning', access_log=False)
listener = config.bind_socket()
listener.listen(2048)
print('ready listen=127.0.0.1:%d' % listener.getsockname()[1], flush=True)
uvicorn.Server(config).run(sockets=[listener])
";

/// Serves `app` of this source. `tell` adds what it must know.
pub(super) async fn serve(bench: &Bench, source: &str, tell: impl FnOnce(&mut Command)) -> anyhow::Result<Peer> {
    let peers = &bench.places.languages.as_ref().context("peers are not named")?.peers;
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("main.py"), source)?;
    let mut command = python(folder.path(), UVICORN);
    command.env("PYTHONPATH", peers.join("python"));
    tell(&mut command);
    Peer::start(command, folder).await
}

/// A program in Python, in this folder.
pub(super) fn python(folder: &Path, program: &str) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", program]).current_dir(folder).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
