//! Guests that call where they should not, and servers that mean harm to who calls them.
//!
//! The servers are real ones on loopback, which the operator of these hosts allows by name; where the same calls are to
//! be refused, it does not.

mod certificates;
mod replies;
mod requests;
mod targets;
mod waits;

pub(crate) use {certificates::*, replies::*, requests::*, targets::*, waits::*};

use std::net::SocketAddr;

use wasmbay_tests::{
    client::{Answer, encoded},
    house::Plugin,
    names::{NameServer, Said},
};

use crate::{
    scene::{Scene, each},
    stage::POOLS,
};

/// The kinds that call out, each in one lane.
const CALLERS: [(&str, &str); 2] = [("http02.wasm", "io"), ("http03.wasm", "compute")];

/// Settings under which guests may reach these networks.
fn allowing(networks: &[&str]) -> String {
    format!("{POOLS}private_networks = {networks:?}\n")
}

/// A manifest's lines that grant these origins, and more CPU time than any of these takes.
fn granting<S: AsRef<str>>(origins: impl IntoIterator<Item = S>) -> String {
    let origins: Vec<_> = origins.into_iter().map(|origin| format!("{:?}", origin.as_ref())).collect();
    format!("[limits]\ncpu = \"20s\"\ntimeout = \"60s\"\n[grants]\nhttp = [{}]", origins.join(", "))
}

/// A scene of these kinds with these grants.
async fn scene(settings: String, kinds: &[(&str, &str)], lines: &str) -> Scene {
    let scene = Scene::apart(&settings, each(kinds, lines)).await;
    let faults = scene.faults().await;
    assert!(faults.values().all(Vec::is_empty), "{faults:#?}");
    scene
}

/// A name server that knows every name at this address.
async fn names_at(ip: [u8; 4]) -> NameServer {
    NameServer::start(move |_| Said::Addresses(vec![ip.into()], 60)).await
}

/// Settings under which names are resolved by this server.
fn asking(server: &NameServer, settings: String) -> String {
    settings + &format!("nameservers = [\"{}\"]\n", server.addr)
}

/// The caller's target for one call to `url`.
fn call(plugin: usize, url: &str) -> String {
    format!("/p{plugin}/call?url={}", encoded(url))
}

/// What the guest was told, when a call of its failed.
fn error(answer: &Answer) -> &str {
    assert_eq!(answer.status, 502, "{answer:?}");
    answer.text().trim_end().trim_start_matches("ErrorCode::")
}

/// How often each status or error came, as the guests' `repeat` says it.
fn count(answer: &Answer, result: &str) -> u64 {
    let counts: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    let counts = counts.as_object().expect("an object").iter();
    counts.filter(|(name, _)| name.contains(result)).filter_map(|(_, count)| count.as_u64()).sum()
}

/// Where a host listens, as a guest would write it.
fn origin(host: &str, addr: SocketAddr) -> String {
    format!("http://{host}:{}", addr.port())
}

/// A tenant's plugin beside the attacker's, which calls out as well.
fn neighbour(lines: &str) -> Plugin {
    Plugin::new("neighbour", "io", "http02.wasm").with(lines)
}
