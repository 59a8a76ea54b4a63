//! Paths: one spelling each, and what is routed is what the guest sees.
//!
//! The input is a path, without its query. Checked, against a slow reading of the rules (`naive::path`):
//! * the same paths are refused, and what is accepted leads to the same decoded segments;
//! * the result is its own result, and the only spelling of its segments;
//! * no decoding of it, however often, turns up a dot segment that a first reader did not see beside a separator;
//! * as a route it is accepted and finds itself, and the guest is given it unchanged.

use http::{Method, uri::PathAndQuery};
use wasmbay::{
    config::{Manifest, TenantPlace},
    registry::probe,
    server::path::normalise,
    telemetry::Metrics,
};

use crate::{naive, routes::tenant};

/// Runs one input.
///
/// # Panics
/// When one of the properties does not hold.
pub fn run(input: &[u8]) {
    let Ok(path) = std::str::from_utf8(input) else { return };
    let expected = naive::path(path);
    let Ok(normal) = normalise(path) else {
        assert_eq!(expected, None, "{path:?} is refused and need not be");
        return;
    };
    let segments = expected.unwrap_or_else(|| panic!("{path:?} is accepted as {normal:?}"));
    assert_eq!(naive::decoded(&normal), segments, "{path:?} has become {normal:?}");
    assert_eq!(normal, naive::spelled(&segments, &normal), "{path:?} has another spelling");
    assert_eq!(normalise(&normal).as_deref(), Ok(&*normal), "{path:?} is not stable");
    for segment in &segments {
        let mut parts = segment.split(|byte| matches!(byte, b'/' | b'\\'));
        assert!(!parts.any(|part| part == b"." || part == b".."), "{normal:?} hides a dot segment");
    }
    let parsed = PathAndQuery::try_from(&*normal).expect("a path is a part of a URI");
    assert_eq!((parsed.path(), parsed.query()), (&*normal, None));
    routed(&normal);
}

/// A route of just this path is this path's.
fn routed(path: &str) {
    // A route may have fewer segments than a request.
    if path.split('/').count() > 60 {
        return;
    }
    let text = format!(
        "manifest = 1\nname = \"p\"\ncomponent = \"p.wasm\"\nlane = \"io\"\n[[route]]\npath = {}\n[[route]]\npath = \"/{{*rest}}\"",
        toml::Value::from(path)
    );
    let manifest = Manifest::parse(&text, Manifest::FILE).unwrap_or_else(|faults| panic!("{path:?}: {faults:?}"));
    let tenants = [tenant("default", TenantPlace::Everywhere)];
    let (table, refusals) = probe::table(&tenants, [(0, manifest, ())], &Metrics::new());
    assert_eq!(refusals, [Vec::<String>::new()]);
    let found = table.find(Some("a.example"), path, &Method::GET).expect("it is a route");
    assert_eq!((found.route, found.guest_path(path)), (0, path));
}
