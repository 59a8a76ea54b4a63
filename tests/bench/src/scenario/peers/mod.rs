//! The host beside its peers: native hyper, `wasmtime serve` with the same guests, workerd, FastAPI under uvicorn; and what
//! else there are aims for: bodies, computing, memory, starting, many plugins.

mod bodies;
mod computing;
mod crowd;
mod hello;
mod memory;
mod rows;
mod start;
mod tail;

use super::Case;
use crate::{report::Section, stand::Bench};

pub(super) use hello::{BARS, SIDE_BY_SIDE};

/// The cases, in the order they run. The first words are names on the command line.
pub(super) const CASES: &[Case] = &[
    ("rust", "Hello, Rust with the SDK, wasi:http 0.2, a fresh instance for each request."),
    ("c", "Hello, C, wasi:http 0.2, a fresh instance for each request."),
    ("text", "Hello, WebAssembly text, wasi:http 0.2, a fresh instance for each request."),
    ("rust-grows", "Hello, Rust with the SDK, its memory grown by a page, a fresh instance for each request."),
    ("rust-reuse", "Hello, Rust with the SDK, wasi:http 0.2, instances reused, under wasmtime serve too."),
    (
        "service-one",
        "Hello, Rust, wasi:http 0.3, instances reused, one request at a time; wasmtime serve at its default.",
    ),
    (
        "service-many",
        "Hello, Rust, wasi:http 0.3, many requests at once in an instance; wasmtime serve at its default.",
    ),
    ("compute-lane", "Hello, Rust with the SDK, compute lane, a fresh instance for each request, beside the io lane."),
    ("javascript", "Hello, JavaScript, instances reused, beside fresh ones under wasmtime serve and workerd."),
    ("python", "Hello, a plain Python handler, instances reused, beside fresh ones under wasmtime serve and FastAPI."),
    ("fastapi", "Hello, FastAPI in a component, instances reused, beside the same application under uvicorn."),
    (
        "tail",
        "Hello, Rust with the SDK, a fresh instance each: latency at 70 % of the peak load, native at 70 % of its own.",
    ),
    ("bodies", "Bodies of a mebibyte: taken in, given out, sent back."),
    ("computing", "Work that burns CPU: the same source as a guest in the compute lane, in the io lane, natively."),
    (
        "suspended",
        "The clock plugin waiting: memory of a suspended 0.2 instance, its request and its connection included.",
    ),
    ("waiting", "Requests waiting in shared 0.3 instances: memory of each, its connection included."),
    (
        "start",
        "From the process's start to the first answer with 100 plugins and a warm cache; first requests to idle plugins.",
    ),
    ("crowd", "10 000 plugins known, 100 of them asked: start and memory."),
];

/// Runs a case.
///
/// # Errors
///
/// When something of it cannot be started or answers wrongly where it must not.
pub(super) async fn run(bench: &Bench, case: Case) -> anyhow::Result<Section> {
    match case.0 {
        "tail" => tail::run(bench, case).await,
        "bodies" => bodies::run(bench, case).await,
        "computing" => computing::run(bench, case).await,
        "suspended" => memory::suspended(bench, case).await,
        "waiting" => memory::waiting(bench, case).await,
        "start" => start::run(bench, case).await,
        "crowd" => crowd::run(bench, case).await,
        name => hello::run(bench, case, &rows::row(name)).await,
    }
}
