//! What jobs may take: `[jobs]` for the host and all tenants, `[tenant.NAME.jobs]` for one.

use std::time::Duration;

use schemars::JsonSchema;

use crate::{
    config::{
        checks::{self, Zero},
        fault::{At, Faults, Wrong},
        leaf::Count,
        tree::Section,
    },
    units::{ByteSize, Interval},
};

/// What the jobs of one tenant may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobQuota {
    /// Jobs that are kept until they are done, dead ones included.
    pub count: u64,
    /// Bytes of them: paths, headers and bodies together.
    pub bytes: u64,
    /// Bytes of one body.
    pub body: u64,
}

/// How jobs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobSettings {
    /// Jobs that run at once in the whole host.
    pub concurrent: u32,
    /// The longest pause before the second attempt; each further one may last twice as long.
    pub backoff: Duration,
    /// How long after it is due a job is tried.
    pub deadline: Duration,
    /// How long a job that is done or cancelled is remembered, and its key with it.
    pub kept: Duration,
}

impl JobQuota {
    /// Hours of an outage at a job a second, each of the size of a form.
    const DEFAULT: Self = Self { count: 100_000, bytes: 256 << 20, body: 1 << 20 };
}

impl Default for JobQuota {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl JobSettings {
    /// As many as a plugin serves at once; pauses that add up to some minutes; a day to mend what keeps jobs from running.
    const DEFAULT: Self = Self {
        concurrent: 64,
        backoff: Duration::from_secs(1),
        deadline: Duration::from_hours(24),
        kept: Duration::from_hours(24),
    };
}

impl Default for JobSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The largest body: as much as a guest sends out with one request elsewhere, and one claim holds many of them.
const MAX_BODY: ByteSize = ByteSize(8 << 20);

/// What jobs may take, and how they run.
#[derive(Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenJobs {
    /// Jobs of one tenant that are kept until they are done, dead ones included; 0 is none.
    #[schemars(extend("default" = JobQuota::DEFAULT.count))]
    count: Option<At<Count>>,
    /// The size of one tenant's jobs: paths, headers and bodies together.
    #[schemars(extend("default" = ByteSize(JobQuota::DEFAULT.bytes)))]
    bytes: Option<At<ByteSize>>,
    /// The size of one job's body.
    #[schemars(extend("default" = ByteSize(JobQuota::DEFAULT.body)))]
    body: Option<At<ByteSize>>,
    /// Jobs that run at once in the whole host.
    #[schemars(extend("default" = JobSettings::DEFAULT.concurrent, "minimum" = 1))]
    concurrent: Option<At<Count>>,
    /// The longest pause before a job's second attempt; each further one may last twice as long, an hour at most.
    #[schemars(extend("default" = Interval(JobSettings::DEFAULT.backoff)))]
    backoff: Option<At<Interval>>,
    /// How long after it is due a job is tried.
    #[schemars(extend("default" = Interval(JobSettings::DEFAULT.deadline)))]
    deadline: Option<At<Interval>>,
    /// How long a job that is done or cancelled is remembered, and its key with it.
    #[schemars(extend("default" = Interval(JobSettings::DEFAULT.kept)))]
    kept: Option<At<Interval>>,
}

/// What the jobs of one tenant may take.
#[derive(Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenTenantJobs {
    /// Jobs that are kept until they are done, dead ones included; 0 is none.
    count: Option<At<Count>>,
    /// The size of its jobs: paths, headers and bodies together.
    bytes: Option<At<ByteSize>>,
    /// The size of one job's body.
    body: Option<At<ByteSize>>,
}

impl WrittenJobs {
    /// Takes every key of the table.
    pub(super) fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            count: table.leaf(faults, "count"),
            bytes: table.leaf(faults, "bytes"),
            body: table.leaf(faults, "body"),
            concurrent: table.leaf(faults, "concurrent"),
            backoff: table.leaf(faults, "backoff"),
            deadline: table.leaf(faults, "deadline"),
            kept: table.leaf(faults, "kept"),
        };
        table.finish(faults, &[]);
        written
    }

    /// Checks everything.
    pub(super) fn meant(self, faults: &mut Faults) -> (JobSettings, JobQuota) {
        let rest = JobSettings::DEFAULT;
        let concurrent =
            self.concurrent.map_or(rest.concurrent, |count| checks::above_zero(faults, "jobs.concurrent", &count));
        let mut time = |key: &str, written: Option<At<Interval>>, rest| {
            written.map_or(rest, |time| checks::interval(faults, key, Zero::Refused, &time))
        };
        let settings = JobSettings {
            concurrent,
            backoff: time("jobs.backoff", self.backoff, rest.backoff),
            deadline: time("jobs.deadline", self.deadline, rest.deadline),
            kept: time("jobs.kept", self.kept, rest.kept),
        };
        let quota = WrittenTenantJobs { count: self.count, bytes: self.bytes, body: self.body };
        (settings, quota.meant(faults, "jobs", JobQuota::DEFAULT))
    }
}

impl WrittenTenantJobs {
    /// Takes every key of the table.
    pub(super) fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            count: table.leaf(faults, "count"),
            bytes: table.leaf(faults, "bytes"),
            body: table.leaf(faults, "body"),
        };
        table.finish(faults, &[]);
        written
    }

    /// Checks everything. What is not said is as in `rest`. `key` is the table's name.
    pub(super) fn meant(self, faults: &mut Faults, key: &str, rest: JobQuota) -> JobQuota {
        if let Some(At { value, place }) = &self.body
            && *value > MAX_BODY
        {
            let wrong = Wrong::new(format!("= {value} is more than a job may carry"));
            faults.add(place, &format!("{key}.body"), wrong.remedy(format!("{MAX_BODY} at most")));
        }
        let size = |written: Option<At<ByteSize>>, rest| written.map_or(rest, |size| size.value.0);
        JobQuota {
            count: self.count.map_or(rest.count, |count| u64::from(count.value.0)),
            bytes: size(self.bytes, rest.bytes),
            body: size(self.body, rest.body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn a_tenant_has_what_the_host_says_but_for_what_it_is_given_itself() {
        let text = "[jobs]\ncount = \"1k\"\nbackoff = \"10ms\"\n[tenant.a]\nfolder = \"a\"\nprefix = \"/a\"\njobs = { bytes = \"2MiB\" }\n";
        let settings = Settings::parse(text, "wasmbay.toml").expect("good settings");
        let quota = JobQuota { count: 1000, bytes: 2 << 20, body: JobQuota::DEFAULT.body };
        assert_eq!(settings.tenants()["a"].jobs, quota);
        assert_eq!(settings.jobs, JobSettings { backoff: Duration::from_millis(10), ..JobSettings::DEFAULT });
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let text = "[jobs]\nbody = \"9MiB\"\nconcurrent = 0\nkept = \"0s\"\n[tenant.a]\nfolder = \"a\"\nprefix = \"/a\"\njobs = { kept = \"1s\" }";
        let faults = Settings::parse(text, "wasmbay.toml").expect_err("all of it is wrong");
        assert_eq!(faults.len(), 4, "{faults:?}");
    }
}
