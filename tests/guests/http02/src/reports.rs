//! Behaviours that report what the guest can see.

use shared::{Target, json};
use wasip2::{
    clocks::{monotonic_clock, wall_clock},
    filesystem::preopens,
    http::types::{IncomingRequest, Method, ResponseOutparam, Scheme},
    random::random,
};

use crate::io;

/// Writes lines to stdout and stderr, one of them `long` bytes.
pub(crate) fn print(target: &Target, out: ResponseOutparam) {
    println!("first line on stdout");
    eprintln!("first line on stderr");
    println!("{}", "x".repeat(target.number_or("long", 100_000) as usize));
    println!("\u{1b}[31mcolour and a tab\t");
    eprint!("a line without an end");
    io::text(out, 200, "printed\n");
}

/// The request's head as JSON.
pub(crate) fn headers(request: &IncomingRequest, out: ResponseOutparam) {
    let entries = request.headers().entries();
    let text = |value: Option<String>| value.map_or("null".to_owned(), |value| json::string(&value));
    let report = json::object([
        ("method", json::string(&method(request.method()))),
        ("scheme", text(request.scheme().map(scheme))),
        ("authority", text(request.authority())),
        ("path", text(request.path_with_query())),
        ("headers", json::fields(entries.iter().map(|(name, value)| (name.as_str(), value.as_slice())))),
    ]);
    io::json(out, &report);
}

fn method(method: Method) -> String {
    match method {
        Method::Other(name) => name,
        known => format!("{known:?}").trim_start_matches("Method::").to_ascii_uppercase(),
    }
}

fn scheme(scheme: Scheme) -> String {
    match scheme {
        Scheme::Http => "http".to_owned(),
        Scheme::Https => "https".to_owned(),
        Scheme::Other(name) => name,
    }
}

/// What the guest can reach of files, arguments and environment.
pub(crate) fn files(out: ResponseOutparam) {
    let shown =
        |result: std::io::Result<String>| json::string(&result.unwrap_or_else(|error| format!("error: {error}")));
    let report = json::object([
        ("preopens", preopens::get_directories().len().to_string()),
        ("read", shown(std::fs::read_to_string("/etc/hostname"))),
        ("write", shown(std::fs::write("/written", "x").map(|()| "written".to_owned()))),
        ("list", shown(std::fs::read_dir("/").map(|entries| format!("{} entries", entries.count())))),
        ("args", std::env::args().count().to_string()),
        ("env", json::object(std::env::vars().map(|(name, value)| (name, json::string(&value))))),
    ]);
    io::json(out, &report);
}

/// Random numbers, each its own call.
pub(crate) fn random(out: ResponseOutparam) {
    io::text(out, 200, &format!("{:016x}{:016x}\n", random::get_random_u64(), random::get_random_u64()));
}

/// A hundred readings of the monotonic clock, and one of the wall clock.
pub(crate) fn clocks(out: ResponseOutparam) {
    let wall = wall_clock::now();
    let readings = (0..100).map(|_| monotonic_clock::now().to_string());
    let report = json::object([
        ("monotonic_ns", json::array(readings)),
        ("resolution_ns", monotonic_clock::resolution().to_string()),
        ("wall_ns", (u128::from(wall.seconds) * 1_000_000_000 + u128::from(wall.nanoseconds)).to_string()),
    ]);
    io::json(out, &report);
}
