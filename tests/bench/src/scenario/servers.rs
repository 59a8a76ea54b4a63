//! Servers that are none of ours, with the same answer as the templates'.

use std::{fs, path::Path};

use anyhow::Context as _;
use tokio::process::Command;

use crate::stand::{Bench, Peer};

/// What is asked for.
pub(super) const TARGET: &str = "/bench/hello/Ada";

/// What is answered.
pub(super) const SAYS: &str = "hello Ada\n";

/// uvicorn that says where it listens, as every process of the stand does.
const UVICORN: &str = "\
import uvicorn
config = uvicorn.Config('main:app', port=0, loop='uvloop', http='httptools', log_level='warning', access_log=False)
listener = config.bind_socket()
listener.listen(2048)
print('ready listen=127.0.0.1:%d' % listener.getsockname()[1], flush=True)
uvicorn.Server(config).run(sockets=[listener])
";

/// workerd in this very process; a child of it says where it listens, as soon as it does.
const WORKERD: &str = "\
import os, socket, sys, time
with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    port = free.getsockname()[1]
if os.fork() == 0:
    while True:
        try:
            socket.create_connection(('127.0.0.1', port)).close()
            break
        except OSError:
            time.sleep(0.02)
    print('ready listen=127.0.0.1:%d' % port, flush=True)
    os._exit(0)
os.execv(sys.argv[1], ['workerd', 'serve', 'config.capnp', '--socket-addr=http=127.0.0.1:%d' % port])
";

const CONFIG: &str = "\
using Workerd = import \"/workerd/workerd.capnp\";
const config :Workerd.Config = (services = [(name = \"main\", worker = .worker)],
  sockets = [(name = \"http\", http = (), service = \"main\")]);
const worker :Workerd.Worker = (modules = [(name = \"worker\", esModule = embed \"worker.js\")],
  compatibilityDate = \"2026-01-01\");
";

/// The template's handler, without what brings it the route's parameters.
const WORKER: &str = "\
export default {
  async fetch(request) {
    const url = new URL(request.url);
    const who = decodeURIComponent(url.pathname.split('/')[3]);
    const times = Number(url.searchParams.get('times') ?? 1);
    return new Response(`hello ${who}\\n`.repeat(times), { headers: { 'content-type': 'text/plain; charset=utf-8' } });
  },
};
";

/// FastAPI under uvicorn: the template's own application.
pub(super) async fn uvicorn(bench: &Bench) -> anyhow::Result<Peer> {
    let peers = &bench.places.languages.as_ref().context("peers are not named")?.peers;
    let folder = tempfile::tempdir()?;
    let application = include_str!("../../../../../sdk/templates/python/main.py").replace("{{name}}", "bench");
    fs::write(folder.path().join("main.py"), application)?;
    let mut command = python(folder.path(), UVICORN);
    command.env("PYTHONPATH", peers.join("python"));
    Peer::start(command, folder).await
}

/// workerd.
pub(super) async fn workerd(bench: &Bench) -> anyhow::Result<Peer> {
    let peers = &bench.places.languages.as_ref().context("peers are not named")?.peers;
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("config.capnp"), CONFIG)?;
    fs::write(folder.path().join("worker.js"), WORKER)?;
    let mut command = python(folder.path(), WORKERD);
    command.arg(peers.join("node_modules/@cloudflare/workerd-linux-64/bin/workerd"));
    Peer::start(command, folder).await
}

fn python(folder: &Path, program: &str) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", program]).current_dir(folder).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
