//! What a guest asks of a job: the plugin and path of its target, the headers that begin with `wasmbay-job-`.

use std::{ops::RangeInclusive, str::FromStr, time::Duration};

use http::{HeaderMap, Request, header};

use super::{No, PREFIX};
use crate::{body::Body, capability::Caller, store::jobs::NewJob, units::Interval};

/// How often a job is tried that does not say.
pub(crate) const ATTEMPTS: u32 = 10;

/// How often a job may ask to be tried.
const MOST_ATTEMPTS: RangeInclusive<u32> = 1..=100;

/// How urgent a job may say it is.
const PRIORITIES: RangeInclusive<i8> = -9..=9;

/// The longest delay: a month.
const MOST_DELAY: Duration = Duration::from_hours(31 * 24);

/// The longest key, in bytes.
const MOST_KEY: usize = 256;

/// Bytes of the headers that a job carries, and of its path.
const MOST_HEADERS: usize = 16 << 10;
const MOST_PATH: usize = 8 << 10;

/// Names that belong to one connection or one message, and are not carried on.
const LEFT_OUT: [header::HeaderName; 7] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
];

/// A job as it is asked for, but for its body.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) plugin: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    key: Option<String>,
    delay: Duration,
    patience: Duration,
    attempts: u32,
    priority: i8,
}

impl Asked {
    /// Reads a request. A job is tried for `deadline` after it is due, or for less.
    pub(super) fn read(request: &Request<Body>, deadline: Duration) -> Result<Self, No> {
        let (plugin, path) = target(request)?;
        let headers = request.headers();
        for name in headers.keys().filter_map(|name| name.as_str().strip_prefix(PREFIX)) {
            if !["delay", "attempts", "key", "priority", "deadline"].contains(&name) {
                let no = No::invalid(format!("there is no header {PREFIX}{name}"));
                return Err(no.remedy(format!("a job has {PREFIX}delay, -attempts, -key, -priority and -deadline")));
            }
        }
        let patience = time(headers, "deadline", deadline)?.unwrap_or(deadline);
        if patience.is_zero() {
            return Err(No::invalid(format!("{PREFIX}deadline is zero")));
        }
        Ok(Self {
            plugin,
            path,
            headers: carried(headers)?,
            key: key(headers)?,
            delay: time(headers, "delay", MOST_DELAY)?.unwrap_or_default(),
            patience,
            attempts: number(headers, "attempts", MOST_ATTEMPTS)?.unwrap_or(ATTEMPTS),
            priority: number(headers, "priority", PRIORITIES)?.unwrap_or(0),
        })
    }

    pub(super) fn job(self, caller: &Caller, body: bytes::Bytes) -> NewJob {
        let Self { plugin, path, headers, key, delay, patience, attempts, priority } = self;
        let (tenant, by) = (caller.tenant.to_string(), caller.manifest.name.clone());
        NewJob { tenant, by, plugin, key, path, headers, body, delay, patience, attempts, priority }
    }
}

/// The plugin and the path behind it.
fn target(request: &Request<Body>) -> Result<(String, String), No> {
    let whole = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let rest = whole.strip_prefix('/').unwrap_or(whole);
    let (plugin, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if plugin.is_empty() {
        return Err(No::invalid("no plugin is named").remedy("POST to /<plugin>/<path>"));
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    if path.len() > MOST_PATH {
        return Err(No::invalid(format!("a job's path may have {MOST_PATH} bytes and this one has more")));
    }
    Ok((plugin.to_owned(), path))
}

fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, No> {
    let mut values = headers.get_all(format!("{PREFIX}{name}")).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(No::invalid(format!("{PREFIX}{name} is there twice"))),
        (Some(value), None) => {
            value.to_str().map(|text| Some(text.trim())).map_err(|_| No::invalid(format!("{PREFIX}{name} is no text")))
        }
    }
}

fn time(headers: &HeaderMap, name: &str, most: Duration) -> Result<Option<Duration>, No> {
    let Some(text) = one(headers, name)? else { return Ok(None) };
    match text.parse::<Interval>() {
        Ok(Interval(time)) if time <= most => Ok(Some(time)),
        Ok(long) => {
            let no = No::invalid(format!("{PREFIX}{name}: {long} is too long"));
            Err(no.remedy(format!("{} at most", Interval(most))))
        }
        Err(wrong) => Err(No::invalid(format!("{PREFIX}{name}: {wrong}")).remedy(wrong.remedy)),
    }
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    headers: &HeaderMap,
    name: &str,
    range: RangeInclusive<T>,
) -> Result<Option<T>, No> {
    let Some(text) = one(headers, name)? else { return Ok(None) };
    match text.parse::<T>() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(No::invalid(format!(
            "{PREFIX}{name}: {text:?} is no whole number from {} to {}",
            range.start(),
            range.end()
        ))),
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, No> {
    match one(headers, "key")? {
        Some(key) if key.is_empty() || key.len() > MOST_KEY => {
            Err(No::invalid(format!("{PREFIX}key has 1 to {MOST_KEY} characters")))
        }
        key => Ok(key.map(str::to_owned)),
    }
}

fn carried(headers: &HeaderMap) -> Result<Vec<(String, Vec<u8>)>, No> {
    let is_carried = |name: &header::HeaderName| !LEFT_OUT.contains(name) && !name.as_str().starts_with("wasmbay-");
    let carried = headers.iter().filter(|(name, _)| is_carried(name));
    let carried: Vec<_> = carried.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    match carried.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= MOST_HEADERS {
        true => Ok(carried),
        false => Err(No::invalid(format!("a job's headers may have {MOST_HEADERS} bytes and these have more"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body;

    const DAY: Duration = Duration::from_hours(24);

    fn read(path: &str, headers: &[(&str, &str)]) -> Result<Asked, String> {
        let mut request = Request::post(format!("http://jobs.wasmbay.internal{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Asked::read(&request.body(body::empty()).expect("a request"), DAY).map_err(|no| no.detail)
    }

    #[test]
    fn the_first_segment_is_the_plugin_and_the_rest_its_path() {
        for (path, plugin, rest) in
            [("/p/a/b?c=d", "p", "/a/b?c=d"), ("/p", "p", "/"), ("/p?x=1", "p", "/?x=1"), ("/p/", "p", "/")]
        {
            let asked = read(path, &[]).expect("a job");
            assert_eq!((asked.plugin.as_str(), asked.path.as_str()), (plugin, rest));
        }
        assert!(read("/", &[]).is_err());
    }

    #[test]
    fn what_is_said_of_a_job_is_read_and_what_is_not_known_is_refused() {
        let said = [
            ("wasmbay-job-delay", "5m"),
            ("wasmbay-job-attempts", "3"),
            ("wasmbay-job-key", "order 7"),
            ("wasmbay-job-priority", "-2"),
            ("wasmbay-job-deadline", "1h"),
            ("content-type", "text/plain"),
            ("host", "jobs.wasmbay.internal"),
        ];
        let asked = read("/p/x", &said).expect("a job");
        assert_eq!((asked.delay, asked.patience), (Duration::from_mins(5), Duration::from_hours(1)));
        assert_eq!((asked.attempts, asked.priority, asked.key.as_deref()), (3, -2, Some("order 7")));
        assert_eq!(asked.headers, [("content-type".to_owned(), b"text/plain".to_vec())]);
        let plain = read("/p/x", &[]).expect("a job");
        assert_eq!((plain.delay, plain.patience, plain.attempts, plain.key), (Duration::ZERO, DAY, 10, None));
        for (name, value, words) in [
            ("delay", "5", "has no unit"),
            ("delay", "1000h", "is too long"),
            ("deadline", "25h", "is too long"),
            ("deadline", "0", "is zero"),
            ("attempts", "0", "no whole number from 1 to 100"),
            ("attempts", "many", "no whole number from 1 to 100"),
            ("priority", "10", "no whole number from -9 to 9"),
            ("key", "", "1 to 256"),
            ("retries", "1", "there is no header wasmbay-job-retries"),
        ] {
            let refused = read("/p/x", &[(&format!("wasmbay-job-{name}"), value)]).expect_err(name);
            assert!(refused.contains(words), "{name}: {refused}");
        }
        let twice = [("wasmbay-job-key", "a"), ("wasmbay-job-key", "b")];
        assert!(read("/p/x", &twice).expect_err("two").contains("is there twice"));
        let large = "x".repeat(MOST_HEADERS);
        assert!(read("/p/x", &[("x", &large)]).expect_err("too large").contains("headers may have"));
    }
}
