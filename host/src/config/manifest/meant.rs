//! From the manifest as written to the manifest as meant: every rule that a key alone, or two together, must keep.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Build, Given, Grants, Instances, Lane, Limits, Manifest, defaults, jobs, routes,
    written::{Written, WrittenBuild, WrittenGrants, WrittenInstances, WrittenLimits, WrittenVariable},
};
use crate::{
    config::{
        checks::{self, Zero},
        fault::{At, Faults, Wrong},
        leaf::Count,
        names,
    },
    units::{ByteSize, Fuel, Interval},
};

/// The format that this version reads.
const FORMAT: u32 = 1;

/// A version is shown in tables and log lines.
const MAX_VERSION: usize = 64;

impl Written {
    /// Checks everything. `None` only when a fault was added; with faults, what is answered is not to be used.
    pub(super) fn meant(self, faults: &mut Faults) -> Option<Manifest> {
        self.check_format(faults);
        let lane = self.lane.as_ref().map(|lane| lane.value);
        let name = self.name.and_then(|name| plugin_name(faults, "name", name));
        let version =
            self.version.map_or_else(|| defaults::VERSION.to_owned(), |version| check_version(faults, version));
        let component = self.component.and_then(|path| inside(faults, "component", path));
        let assets = self.assets.map(|list| list.value).unwrap_or_default();
        let assets = assets.into_iter().filter_map(|path| inside(faults, "assets", path)).collect();
        let routes = routes::meant(faults, &self.route, &self.statics);
        let limits = limits(faults, self.limits.unwrap_or_default(), lane);
        let instances = instances(faults, self.instances.unwrap_or_default(), lane, limits.max_concurrent);
        let grants = grants(faults, self.grants.unwrap_or_default());
        let schedules = jobs::schedules(faults, &self.schedule);
        let job_limits = self.jobs.unwrap_or_default().meant(faults, lane, &limits);
        let build = self.build.and_then(|written| build(faults, written));
        Some(Manifest {
            name: name?,
            version,
            component: component?,
            lane: lane?,
            assets,
            on_disconnect: self.on_disconnect.map(|written| written.value).unwrap_or_default(),
            routes,
            limits,
            instances,
            grants,
            schedules,
            job_limits,
            build,
        })
    }

    fn check_format(&self, faults: &mut Faults) {
        if let Some(At { value, place }) = &self.manifest
            && *value != FORMAT
        {
            let wrong = Wrong::new(format!("= {value} is a format that this version of Wasmbay does not know"));
            faults.add(place, "manifest", wrong.remedy("write manifest = 1"));
        }
    }
}

fn plugin_name(faults: &mut Faults, key: &str, written: At<String>) -> Option<String> {
    faults.keep(&written.place, key, names::kebab(&written.value))?;
    Some(written.value)
}

fn check_version(faults: &mut Faults, written: At<String>) -> String {
    let text = &written.value;
    if text.is_empty() || text.len() > MAX_VERSION || text.chars().any(|letter| letter.is_control()) {
        let wrong = Wrong::new("is no version").remedy(format!("write 1 to {MAX_VERSION} characters of one line"));
        faults.add(&written.place, "version", wrong);
    }
    written.value
}

fn inside(faults: &mut Faults, key: &str, written: At<PathBuf>) -> Option<PathBuf> {
    faults.keep(&written.place, key, names::inside(&written.value))
}

fn limits(faults: &mut Faults, written: WrittenLimits, lane: Option<Lane>) -> Limits {
    let fuel = fuel(faults, written.fuel, lane);
    let mut time = |key: &str, zero: Zero, written: Option<At<Interval>>, default: Duration| {
        written.map_or(default, |written| checks::interval(faults, key, zero, &written))
    };
    let cpu = time("limits.cpu", Zero::Refused, written.cpu, defaults::CPU);
    let timeout = time("limits.timeout", Zero::Refused, written.timeout, defaults::TIMEOUT);
    let stream_idle = time("limits.stream_idle", Zero::Refused, written.stream_idle, defaults::STREAM_IDLE);
    // `queue = 0` is how to say that nothing waits.
    let queue_timeout = time("limits.queue_timeout", Zero::Refused, written.queue_timeout, defaults::QUEUE_TIMEOUT);
    let after_response = time("limits.after_response", Zero::Allowed, written.after_response, defaults::AFTER_RESPONSE);
    // A body limit of zero means something: no body at all.
    let size = |written: Option<At<ByteSize>>, default| written.map_or(default, |written| written.value);
    Limits {
        fuel,
        cpu,
        timeout,
        stream_idle,
        memory: written.memory.map_or(defaults::MEMORY, |size| checks::memory(faults, "limits.memory", &size)),
        request_body: size(written.request_body, defaults::REQUEST_BODY),
        response_body: size(written.response_body, defaults::RESPONSE_BODY),
        max_concurrent: written
            .max_concurrent
            .map_or(defaults::MAX_CONCURRENT, |count| checks::above_zero(faults, "limits.max_concurrent", &count)),
        queue: written.queue.map_or(defaults::QUEUE, |count| count.value.0),
        queue_timeout,
        after_response,
    }
}

fn fuel(faults: &mut Faults, written: Option<At<Fuel>>, lane: Option<Lane>) -> Option<Fuel> {
    match (written, lane) {
        (Some(At { place, .. }), Some(Lane::Io)) => {
            let wrong = Wrong::new("is not counted in the io lane");
            faults.add(&place, "limits.fuel", wrong.remedy("set limits.cpu instead, or lane = \"compute\""));
            None
        }
        (None, Some(Lane::Io)) => None,
        (None, _) => Some(defaults::FUEL),
        (Some(written), _) => Some(checks::fuel(faults, "limits.fuel", &written)),
    }
}

fn instances(faults: &mut Faults, written: WrittenInstances, lane: Option<Lane>, at_once: u32) -> Instances {
    let max_requests = written
        .max_requests
        .map_or(defaults::MAX_REQUESTS, |count| checks::above_zero(faults, "instances.max_requests", &count));
    let max_concurrent = written
        .max_concurrent
        .map_or(defaults::INSTANCE_CONCURRENT, |count| shared(faults, &count, max_requests, lane));
    let warm = written.warm.map_or(defaults::WARM, |count| warm(faults, &count, max_concurrent, at_once));
    Instances { max_requests, max_concurrent, warm }
}

fn shared(faults: &mut Faults, written: &At<Count>, max_requests: u32, lane: Option<Lane>) -> u32 {
    let max_concurrent = checks::above_zero(faults, "instances.max_concurrent", written);
    if max_concurrent > 1 && lane == Some(Lane::Compute) {
        let wrong = Wrong::new("must be 1 in the compute lane").remedy("remove it, or set lane = \"io\"");
        faults.add(&written.place, "instances.max_concurrent", wrong);
    } else if max_concurrent > max_requests {
        let wrong = Wrong::new(format!("= {max_concurrent} is more than instances.max_requests = {max_requests}"));
        let remedy = "an instance that serves them at once serves as many in all: raise instances.max_requests";
        faults.add(&written.place, "instances.max_concurrent", wrong.remedy(remedy));
    }
    max_concurrent
}

fn warm(faults: &mut Faults, written: &At<Count>, max_concurrent: u32, at_once: u32) -> u32 {
    let warm = written.value.0;
    if warm > 0 && max_concurrent > 1 {
        let wrong = Wrong::new(format!("= {warm} goes with instances.max_concurrent = 1 only"));
        let remedy = "an instance that serves many at once is seldom made: remove one of the two";
        faults.add(&written.place, "instances.warm", wrong.remedy(remedy));
    } else if warm > at_once {
        let wrong = Wrong::new(format!("= {warm} is more than limits.max_concurrent = {at_once}"));
        let remedy = "no more requests than that are served at once: lower it";
        faults.add(&written.place, "instances.warm", wrong.remedy(remedy));
    }
    warm
}

fn grants(faults: &mut Faults, written: WrittenGrants) -> Grants {
    let mut plugins = Vec::new();
    for name in written.plugins.map(|list| list.value).unwrap_or_default() {
        let place = name.place.clone();
        let Some(name) = plugin_name(faults, "grants.plugins", name) else { continue };
        if plugins.contains(&name) {
            let wrong = Wrong::new(format!("names {name:?} twice"));
            faults.add(&place, "grants.plugins", wrong.remedy("remove one"));
        }
        plugins.push(name);
    }
    let mut http = Vec::new();
    for At { value, place } in written.http.map(|list| list.value).unwrap_or_default() {
        if http.contains(&value) {
            faults.add(&place, "grants.http", Wrong::new(format!("names \"{value}\" twice")));
        }
        http.push(value);
    }
    let kv = stores(faults, "grants.kv", "store", written.kv);
    let sql = stores(faults, "grants.sql", "database", written.sql);
    let jobs = written.jobs.is_some_and(|jobs| jobs.value);
    Grants { plugins, http, config: variables(faults, written.config), kv, sql, jobs }
}

/// Names of what the host keeps for the plugin; `what` each of them is.
fn stores(faults: &mut Faults, key: &str, what: &str, written: Option<At<Vec<At<String>>>>) -> Vec<String> {
    let mut names = Vec::new();
    for At { value, place } in written.map(|list| list.value).unwrap_or_default() {
        faults.keep(&place, key, names::store(what, &value));
        if names.contains(&value) {
            faults.add(&place, key, Wrong::new(format!("names {value:?} twice")).remedy("remove one"));
        }
        names.push(value);
    }
    names
}

fn variables(faults: &mut Faults, written: Vec<(At<String>, WrittenVariable)>) -> BTreeMap<String, Given> {
    let mut variables = BTreeMap::new();
    for (name, variable) in written {
        let key = format!("grants.config.{}", name.value.escape_debug());
        faults.keep(&name.place, &key, names::variable(&name.value));
        let given = match variable {
            WrittenVariable::Text(text) => {
                faults.keep(&text.place, &key, checks::variable(&text.value));
                Some(Given::Text(text.value))
            }
            WrittenVariable::Secret(secret) => secret.secret.map(|secret| {
                faults.keep(&secret.place, &key, names::secret(&secret.value));
                Given::Secret(secret.value)
            }),
        };
        variables.extend(given.map(|given| (name.value, given)));
    }
    variables
}

fn build(faults: &mut Faults, written: WrittenBuild) -> Option<Build> {
    let watch = match written.watch {
        Some(list) => list.value.into_iter().filter_map(|path| below(faults, path)).collect(),
        None => vec![PathBuf::from(defaults::WATCH)],
    };
    let command = written.command?;
    if command.value.trim().is_empty() || command.value.contains('\0') {
        let wrong = Wrong::new("is no command").remedy("write what builds the component, such as \"make\"");
        faults.add(&command.place, "build.command", wrong);
    }
    Some(Build { command: command.value, watch })
}

fn below(faults: &mut Faults, written: At<PathBuf>) -> Option<PathBuf> {
    faults.keep(&written.place, "build.watch", names::below(Path::new(&written.value)))
}
