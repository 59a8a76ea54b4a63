//! The rules for `[jobs]` and `[[schedule]]`.

use schemars::JsonSchema;

use super::{Limits, defaults, written::Key};
use crate::{
    config::{
        checks::{self, Zero},
        cron::{self, Cron},
        fault::{At, Faults, Wrong},
        leaf::Count,
        tree::Section,
    },
    units::{ByteSize, Fuel, Interval},
};

use super::{Lane, Schedule};

/// A path is part of a job's row.
const MAX_PATH: usize = 1024;

/// Overrides of `[limits]` for jobs and schedules. What is not said is as there.
#[derive(Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenJobs {
    /// Compute lane: fuel one run may burn.
    fuel: Key<Fuel>,
    /// Time on a CPU one run may burn, instantiation included.
    cpu: Key<Interval>,
    /// From leaving the queue to the response's head.
    timeout: Key<Interval>,
    /// The longest gap without a byte from the guest once the head is out.
    stream_idle: Key<Interval>,
    /// The largest body of a job.
    request_body: Key<ByteSize>,
    /// The largest response body.
    response_body: Key<ByteSize>,
    /// Jobs of this plugin that run at once. None: a quarter of `limits.max_concurrent`.
    #[schemars(extend("minimum" = 1))]
    max_concurrent: Key<Count>,
    /// How long work may go on after the response; 0 ends it there.
    after_response: Key<Interval>,
}

/// A request that the host makes of the plugin when the clock says so.
#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenSchedule {
    /// When: minute, hour, day of the month, month, day of the week.
    #[schemars(required)]
    cron: Key<String>,
    /// The time zone of `cron`, by its IANA name.
    #[schemars(extend("default" = "UTC"))]
    timezone: Key<String>,
    /// The path that is asked by POST: one of the plugin's own.
    #[schemars(required, extend("pattern" = "^/"))]
    path: Key<String>,
}

impl WrittenJobs {
    pub(super) fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            fuel: table.leaf(faults, "fuel"),
            cpu: table.leaf(faults, "cpu"),
            timeout: table.leaf(faults, "timeout"),
            stream_idle: table.leaf(faults, "stream_idle"),
            request_body: table.leaf(faults, "request_body"),
            response_body: table.leaf(faults, "response_body"),
            max_concurrent: table.leaf(faults, "max_concurrent"),
            after_response: table.leaf(faults, "after_response"),
        };
        table.finish(faults, &[]);
        written
    }

    /// The limits of a job: those of a request, but for what is said here.
    pub(super) fn meant(self, faults: &mut Faults, lane: Option<Lane>, limits: &Limits) -> Limits {
        let most = self.max_concurrent.map(|count| at_once(faults, &count, limits.max_concurrent));
        if let (Some(At { place, .. }), Some(Lane::Io)) = (&self.fuel, lane) {
            let wrong = Wrong::new("is not counted in the io lane");
            faults.add(place, "jobs.fuel", wrong.remedy("set jobs.cpu instead, or lane = \"compute\""));
        }
        let fuel = self.fuel.map(|fuel| checks::fuel(faults, "jobs.fuel", &fuel)).or(limits.fuel);
        let mut time = |key: &str, zero, written: Key<Interval>, rest| {
            written.map_or(rest, |written| checks::interval(faults, key, zero, &written))
        };
        let size = |written: Key<ByteSize>, rest| written.map_or(rest, |written| written.value);
        Limits {
            fuel,
            cpu: time("jobs.cpu", Zero::Refused, self.cpu, limits.cpu),
            timeout: time("jobs.timeout", Zero::Refused, self.timeout, limits.timeout),
            stream_idle: time("jobs.stream_idle", Zero::Refused, self.stream_idle, limits.stream_idle),
            after_response: time("jobs.after_response", Zero::Allowed, self.after_response, limits.after_response),
            request_body: size(self.request_body, limits.request_body),
            response_body: size(self.response_body, limits.response_body),
            max_concurrent: most.unwrap_or_else(|| defaults::jobs_at_once(limits.max_concurrent)),
            ..limits.clone()
        }
    }
}

/// Jobs pass the plugin's gate like requests.
fn at_once(faults: &mut Faults, written: &At<Count>, most: u32) -> u32 {
    let count = checks::above_zero(faults, "jobs.max_concurrent", written);
    if count > most {
        let wrong = Wrong::new(format!("= {count} is more than limits.max_concurrent = {most}"));
        faults.add(&written.place, "jobs.max_concurrent", wrong.remedy("no more than that run at once: lower it"));
    }
    count
}

impl WrittenSchedule {
    pub(super) fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            cron: table.required(faults, "cron", "write when, such as \"*/5 * * * *\""),
            timezone: table.leaf(faults, "timezone"),
            path: table.required(faults, "path", "write a path of the plugin's own, such as \"/tick\""),
        };
        table.finish(faults, &[]);
        written
    }

    fn meant(&self, faults: &mut Faults) -> Option<Schedule> {
        let zone = self
            .timezone
            .as_ref()
            .map(|At { value, place }| faults.keep(place, "schedule.timezone", cron::zone(value)));
        let path = self.path.as_ref().and_then(|At { value, place }| faults.keep(place, "schedule.path", path(value)));
        let At { value, place } = self.cron.as_ref()?;
        let cron = faults.keep(place, "schedule.cron", Cron::read(value, zone.flatten()))?;
        Some(Schedule { cron, path: path? })
    }
}

/// Checks every schedule; two that are the same would run as one.
pub(super) fn schedules(faults: &mut Faults, written: &[WrittenSchedule]) -> Vec<Schedule> {
    let mut schedules: Vec<Schedule> = Vec::new();
    for one in written {
        let Some(schedule) = one.meant(faults) else { continue };
        if schedules.contains(&schedule)
            && let Some(At { place, .. }) = &one.cron
        {
            faults.add(place, "schedule", Wrong::new("is there twice").remedy("remove one"));
        }
        schedules.push(schedule);
    }
    schedules
}

fn path(path: &str) -> Result<String, Wrong> {
    let good = path.starts_with('/') && path.len() <= MAX_PATH && path.parse::<http::uri::PathAndQuery>().is_ok();
    match good {
        true => Ok(path.to_owned()),
        false => Err(Wrong::new(format!("= {path:?} is no path")).remedy("write one such as \"/tick\"")),
    }
}
