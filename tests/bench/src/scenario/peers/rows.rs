//! The rows of hellos: which guest, how it is served, beside what, and what is aimed at.

/// Where a row's guest comes from.
#[derive(Clone, Copy)]
pub(super) enum Guest {
    /// Built with the tests' guests.
    Built(&'static str),
    /// The example plugin in WebAssembly text.
    Text,
    /// Written by `wasmbay new` and built by `wasmbay build`, as the bench of languages does.
    Author(&'static str),
}

/// How the host serves it.
#[derive(Clone, Copy)]
pub(super) enum Lane {
    Io,
    Compute,
}

/// What a row is measured beside, besides native hyper and `wasmtime serve`.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Other {
    Nothing,
    /// The host's own io lane, with this guest.
    IoLane(&'static str),
    Workerd,
    Uvicorn,
}

/// A row.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) guest: Guest,
    pub(super) lane: Lane,
    /// Whether it speaks wasi:http 0.3.
    pub(super) service: bool,
    /// The plugin's tables besides its limits.
    pub(super) manifest: &'static str,
    /// The plugin's route, and what is asked for.
    pub(super) route: &'static str,
    pub(super) target: &'static str,
    /// What must be answered.
    pub(super) says: &'static str,
    /// Options of `wasmtime serve`.
    pub(super) wasmtime: &'static [&'static str],
    pub(super) other: Other,
    /// The least that is aimed at: of native hyper, of `wasmtime serve`, of the other.
    pub(super) of_native: Option<f64>,
    pub(super) of_wasmtime: Option<f64>,
    pub(super) of_other: Option<f64>,
}

/// Requests that a reused instance serves: more than a run has.
const REUSED: &str = "[instances]\nmax_requests = 100000000\n";

/// Sixteen at once are what `wasmtime serve` lets into an instance by default.
const MANY: &str = "[instances]\nmax_requests = 100000000\nmax_concurrent = 16\n";

/// The same under `wasmtime serve`.
const REUSE: &[&str] = &["--max-instance-reuse-count", "100000000"];

/// For 0.3 guests, which it reuses unless told otherwise.
const FRESH: &[&str] = &["--max-instance-reuse-count", "1"];

/// The host tells a route's parameter in a header; a server without routes is given it.
const FRESH_TOLD: &[&str] = &["--max-instance-reuse-count", "1", "--header", "wasmbay-param-who: Ada"];

const HELLO: Row = Row {
    guest: Guest::Built("hello"),
    lane: Lane::Io,
    service: false,
    manifest: "",
    route: "/bench/hello",
    target: "/bench/hello",
    says: "hello from rust\n",
    wasmtime: &[],
    other: Other::Nothing,
    of_native: None,
    of_wasmtime: None,
    of_other: None,
};

/// What the templates of the languages answer.
const GREETING: Row = Row {
    manifest: REUSED,
    route: "/bench/hello/{who}",
    target: "/bench/hello/Ada",
    says: "hello Ada\n",
    wasmtime: FRESH,
    of_wasmtime: Some(20.0),
    ..HELLO
};

const SERVICE: Row = Row {
    guest: Guest::Built("http03"),
    service: true,
    says: "hello from 0.3\n",
    of_native: Some(0.45),
    of_wasmtime: Some(1.8),
    ..HELLO
};

/// The row of a case.
pub(super) fn row(case: &str) -> Row {
    match case {
        "rust" => Row { of_native: Some(0.24), of_wasmtime: Some(5.0), ..HELLO },
        "c" => Row {
            guest: Guest::Author("c-component"),
            says: "hello from c\n",
            of_native: Some(0.24),
            of_wasmtime: Some(5.0),
            ..HELLO
        },
        "text" => Row {
            guest: Guest::Text,
            says: "hello from wasmbay!\n",
            of_native: Some(0.24),
            of_wasmtime: Some(3.8),
            ..HELLO
        },
        "rust-grows" => Row { guest: Guest::Built("hello-grows"), of_wasmtime: Some(2.3), ..HELLO },
        "rust-reuse" => {
            Row { manifest: REUSED, wasmtime: REUSE, of_native: Some(0.5), of_wasmtime: Some(1.3), ..HELLO }
        }
        "service-one" => Row { manifest: REUSED, ..SERVICE },
        "service-many" => Row { manifest: MANY, ..SERVICE },
        "compute-lane" => Row {
            guest: Guest::Built("hello-compute"),
            lane: Lane::Compute,
            other: Other::IoLane("hello"),
            of_other: Some(0.8),
            ..HELLO
        },
        "javascript" => Row {
            guest: Guest::Author("javascript"),
            wasmtime: FRESH_TOLD,
            other: Other::Workerd,
            of_other: Some(0.5),
            ..GREETING
        },
        "python" => Row { guest: Guest::Author("python"), other: Other::Uvicorn, of_other: Some(0.7), ..GREETING },
        _ => Row {
            guest: Guest::Author("python-asgi"),
            service: true,
            other: Other::Uvicorn,
            of_other: Some(0.5),
            ..GREETING
        },
    }
}
