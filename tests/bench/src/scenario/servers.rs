//! Servers that are none of ours, with the same answer as the templates'.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::Context as _;
use tokio::process::Command;

use crate::stand::{Bench, Peer, Places};

/// What is asked for.
pub(crate) const TARGET: &str = "/bench/hello/Ada";

/// What is answered.
pub(crate) const SAYS: &str = "hello Ada\n";

/// uvicorn that says where it listens, as every process of the stand does.
const UVICORN: &str = "\
import uvicorn
config = uvicorn.Config('main:app', port=0, loop='uvloop', http='httptools', log_level='warning', access_log=False)
listener = config.bind_socket()
listener.listen(2048)
print('ready listen=127.0.0.1:%d' % listener.getsockname()[1], flush=True)
uvicorn.Server(config).run(sockets=[listener])
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

/// What is told of the packages for Python.
const PACKAGES: [&str; 6] = ["fastapi", "uvicorn", "uvloop", "httptools", "httpx", "asyncpg"];

/// workerd's program, below the folder of other servers.
const WORKERD: &str = "node_modules/@cloudflare/workerd-linux-64/bin/workerd";

/// The servers that are there, by name and version.
pub(crate) fn versions(places: &Places) -> Vec<String> {
    let of = |program: &Path| {
        let output = std::process::Command::new(program).arg("--version").output().ok()?;
        let line = String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned();
        // Behind the version some name the commit and the day.
        Some(line.split(" (").next().unwrap_or(&line).to_owned())
    };
    let mut versions: Vec<String> = places.wasmtime.iter().filter_map(|wasmtime| of(wasmtime)).collect();
    if let Some(languages) = &places.languages {
        versions.extend(of(&languages.peers.join(WORKERD)));
        let installed = fs::read_dir(languages.peers.join("python")).into_iter().flatten().flatten();
        let names = installed.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (name, version) = name.strip_suffix(".dist-info")?.rsplit_once('-')?;
            PACKAGES.contains(&name).then(|| format!("{name} {version}"))
        });
        versions.extend(names);
    }
    versions
}

/// FastAPI under uvicorn with uvloop and httptools, one process: the template's own application.
pub(crate) async fn uvicorn(bench: &Bench) -> anyhow::Result<Peer> {
    let application = include_str!("../../../../sdk/templates/python/main.py").replace("{{name}}", "bench");
    application_in_python(bench, &application, |_| {}).await
}

/// `app` of this source under uvicorn, as above. `tell` adds what it must know.
pub(crate) async fn application_in_python(
    bench: &Bench,
    source: &str,
    tell: impl FnOnce(&mut Command),
) -> anyhow::Result<Peer> {
    let peers = &bench.places.languages.as_ref().context("peers are not named")?.peers;
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("main.py"), source)?;
    let mut command = python(folder.path(), UVICORN);
    command.env("PYTHONPATH", peers.join("python"));
    tell(&mut command);
    Peer::start(command, folder).await
}

/// workerd, one process.
pub(crate) async fn workerd(bench: &Bench) -> anyhow::Result<Peer> {
    let peers = &bench.places.languages.as_ref().context("peers are not named")?.peers;
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("config.capnp"), CONFIG)?;
    fs::write(folder.path().join("worker.js"), WORKER)?;
    let within = folder.path().to_owned();
    let command = |address: SocketAddr| {
        let mut command = Command::new(peers.join(WORKERD));
        command.args(["serve", "config.capnp", &format!("--socket-addr=http={address}")]).current_dir(within);
        command
    };
    Peer::listening(command, folder).await
}

/// `wasmtime serve` with this component. Every interface that it has is on, as command components want some of them.
pub(crate) async fn wasmtime(bench: &Bench, component: &[u8], options: &[&str]) -> anyhow::Result<Peer> {
    let wasmtime = bench.places.wasmtime.as_ref().context("wasmtime is not named")?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("component.wasm");
    fs::write(&file, component)?;
    let command = |address: SocketAddr| {
        let mut command = Command::new(wasmtime);
        // Without its cache, which is the user's.
        command.args(["serve", "-C", "cache=n", "-S", "cli", "--addr", &address.to_string()]).args(options).arg(file);
        command
    };
    Peer::listening(command, folder).await
}

fn python(folder: &Path, program: &str) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", program]).current_dir(folder).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
