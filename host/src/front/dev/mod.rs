//! What the author of a plugin reads of a failure in dev mode, as a page or as members of the JSON.

mod accept;
mod page;

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderValue, Response, header};
use serde::Serialize;

pub(super) use self::accept::prefers_html;
use super::reply::About;
use crate::{
    body::{self, Body},
    config::{Figure, Limits, Manifest, Raise},
    failure::Failure,
    telemetry::{Metrics, OpenRecord, PluginMetrics},
};

/// Where a plugin's folder is and what its live revision may use; `None` for a plugin that is not live any more.
pub type Look = dyn Fn(&str, &str) -> Option<(PathBuf, Limits)> + Send + Sync;

/// Tells authors what is behind a failure. Whoever serves clients has none.
#[derive(Clone)]
pub struct Author {
    look: Arc<Look>,
    metrics: Arc<Metrics>,
}

/// What is known of one failure beside its own words.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The limit that was met, and how to raise it.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Hit>,
    /// The guest's frames, innermost first, demangled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    frames: Vec<String>,
    /// The last lines that the guest wrote for this request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log: Vec<String>,
    /// CPU time and fuel that the request used.
    #[serde(skip)]
    used: (Duration, Option<u64>),
    #[serde(skip)]
    lane: Option<&'static str>,
}

/// A manifest's limit that a request met.
#[derive(Debug, Serialize)]
struct Hit {
    key: String,
    /// What the request was held to.
    is: String,
    file: PathBuf,
    /// The line to change, counted from 1; without one the limit is a default.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<String>,
    /// What to write there.
    #[serde(skip_serializing_if = "Option::is_none")]
    write: Option<String>,
    /// What the manifest asks for, when the request was held to something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
}

impl Author {
    /// An author who learns of plugins through `look`, and of their logs from now on.
    pub fn new(metrics: Arc<Metrics>, look: Arc<Look>) -> Self {
        metrics.keep_tails();
        Self { look, metrics }
    }

    /// Gathers what is known. Reads the manifest's file as it is now.
    pub(super) fn report(&self, failure: &Failure, record: &OpenRecord, about: &About<'_>) -> Report {
        let noted = record.read(|record| (record.plugin.clone(), (record.cpu, record.fuel), record.lane));
        let (plugin, used, lane) = noted.unwrap_or_default();
        let limit = plugin.and_then(|plugin| self.hit(failure, &plugin));
        let frames = failure.inside.as_deref().map(frames).unwrap_or_default();
        Report { limit, frames, log: self.metrics.take_tail(about.request_id), used, lane }
    }

    fn hit(&self, failure: &Failure, plugin: &PluginMetrics) -> Option<Hit> {
        let key = limit_key(failure.remedy_text()?)?;
        let (folder, granted) = (self.look)(plugin.tenant(), plugin.plugin())?;
        let granted: Figure = granted.figure(key)?;
        let file = folder.join(Manifest::FILE);
        let raise = fs::read_to_string(&file).ok().and_then(|text| Raise::find(&text, key));
        let asked = raise.as_ref().map(|raise| raise.asked).filter(|asked| *asked != granted);
        let (line, now) = raise.as_ref().and_then(|raise| raise.now.clone()).unzip();
        Some(Hit {
            key: key.to_owned(),
            is: granted.to_string(),
            file,
            line,
            now,
            write: raise.map(|raise| raise.write),
            asked: asked.map(|asked| asked.to_string()),
        })
    }
}

/// The first of the manifest's limits that a remedy names.
fn limit_key(remedy: &str) -> Option<&str> {
    let mut words = remedy.split(|letter: char| !(letter.is_ascii_alphanumeric() || "._".contains(letter)));
    words.find(|word| word.starts_with("limits.")).map(|word| word.trim_end_matches('.'))
}

/// The frames of a guest in the engine's account of its end: `3: 0x1a2b - module!function`.
fn frames(inside: &str) -> Vec<String> {
    let frame = |line: &str| {
        let (number, rest) = line.trim_start().split_once(':')?;
        number.parse::<u32>().ok()?;
        let (address, function) = rest.trim_start().split_once(" - ")?;
        address.starts_with("0x").then(|| without_hashes(function.trim()))
    };
    inside.lines().filter_map(frame).collect()
}

/// A function's name without what Rust's compilers add to tell builds apart, `[1f]` behind a crate and `::h1f` at the
/// end: noise to a reader.
fn without_hashes(function: &str) -> String {
    let is_hash = |hash: &str| hash.len() > 8 && hash.bytes().all(|digit| digit.is_ascii_hexdigit());
    let function = function.rsplit_once("::h").filter(|(_, hash)| is_hash(hash)).map_or(function, |(name, _)| name);
    let mut parts = function.split('[');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(']') {
            Some((hash, rest)) if is_hash(hash) => name += rest,
            _ => name.extend(["[", part]),
        }
    }
    name
}

/// Says that the answer is made for this client, and makes it the page if it `wants_page`.
pub(super) fn as_page(response: &mut Response<Body>, wants_page: bool, failure: &Failure, about: &About<'_>) {
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let Some(report) = about.report.filter(|_| wants_page) else { return };
    *response.body_mut() = body::full(page::page(failure, about, report));
    page::headers(response.headers_mut(), about.request_id);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::TABLE;

    #[test]
    fn a_remedy_names_the_limit_to_raise() {
        let key = |remedy| limit_key(remedy).unwrap_or_default();
        assert_eq!(key("raise limits.cpu; long computation belongs in lane = \"compute\""), "limits.cpu");
        assert_eq!(key("raise limits.queue or limits.max_concurrent"), "limits.queue");
        assert_eq!(key("raise the tenant's caps.max_concurrent in wasmbay.toml"), "");
        for row in TABLE {
            let named = row.remedy.is_some_and(|remedy| remedy.contains("limits."));
            assert_eq!(row.remedy.and_then(limit_key).is_some(), named, "{}", row.name);
        }
    }

    #[test]
    fn frames_are_told_from_the_rest_of_the_account() {
        let inside = "error while executing at wasm backtrace:\n    0:   0x2f1 - app.wasm!app::fall::h719ac98cbd0688d3\n    \
                      1: 0x30 - a.wasm!std[d123b7a1a2ed1472]::x<[u8]>\n\nCaused by:\n    0: wasm trap: unreachable - 0x1\n";
        assert_eq!(frames(inside), ["app.wasm!app::fall", "a.wasm!std::x<[u8]>"]);
    }
}
