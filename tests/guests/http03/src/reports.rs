//! Behaviours that report what the guest can see.

use shared::{Target, json};
use wasip3::{
    cli::stdout,
    http::types::{Method, Request, Response, Scheme},
    wit_stream,
};

use crate::reply;

/// Writes lines to stdout and stderr, one of them `long` bytes, by the standard library and by the 0.3 interface.
pub(crate) async fn print(target: &Target) -> Response {
    println!("first line on stdout");
    eprintln!("first line on stderr");
    let (mut writer, reader) = wit_stream::new();
    let written = stdout::write_via_stream(reader);
    let long = "x".repeat(target.number_or("long", 100_000) as usize) + "\n";
    writer.write_all(long.into_bytes()).await;
    drop(writer);
    let _ = written.await;
    reply::text(200, "printed\n")
}

/// The request's head as JSON.
pub(crate) fn headers(request: &Request) -> Response {
    let entries = request.get_headers().copy_all();
    let text = |value: Option<String>| value.map_or("null".to_owned(), |value| json::string(&value));
    let report = json::object([
        ("method", json::string(&method(request.get_method()))),
        ("scheme", text(request.get_scheme().map(scheme))),
        ("authority", text(request.get_authority())),
        ("path", text(request.get_path_with_query())),
        ("headers", json::fields(entries.iter().map(|(name, value)| (name.as_str(), value.as_slice())))),
    ]);
    reply::json(&report)
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
