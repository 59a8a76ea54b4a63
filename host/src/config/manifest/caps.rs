//! The operator's caps laid over a manifest, and where they bite.

use std::{fmt, time::Duration};

use super::{Limits, Manifest};
use crate::{
    config::Caps,
    units::{ByteSize, Interval},
};

/// One limit that a manifest asks for and does not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapNote {
    /// The manifest's key: `limits.cpu`.
    pub key: &'static str,
    /// What the manifest asks for, a default included, as it would be written.
    pub asked: String,
    /// What it gets.
    pub given: String,
    /// The operator's setting that says so.
    pub by: &'static str,
}

impl fmt::Display for CapNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, asked, given, by } = self;
        write!(f, "`{key}` = {asked} is capped at {given} by the operator's {by}")
    }
}

impl Manifest {
    /// This manifest under the operator's caps, and a note for each limit that they lower.
    ///
    /// `max_memory` is [`crate::config::Settings::max_memory`], the size of an instance slot.
    #[must_use]
    pub fn capped(&self, caps: &Caps, max_memory: ByteSize) -> (Self, Vec<CapNote>) {
        let mut manifest = self.clone();
        let mut notes = Vec::new();
        let limits = &mut manifest.limits;
        let mut cpu = Interval(limits.cpu);
        lower(&mut notes, "limits.cpu", &mut cpu, caps.cpu.map(Interval), "caps.cpu");
        limits.cpu = cpu.0;
        let mut timeout = Interval(limits.timeout);
        lower(&mut notes, "limits.timeout", &mut timeout, caps.timeout.map(Interval), "caps.timeout");
        limits.timeout = timeout.0;
        let (memory, by) = match caps.memory {
            Some(cap) if cap <= max_memory => (cap, "caps.memory"),
            _ => (max_memory, "max_memory"),
        };
        lower(&mut notes, "limits.memory", &mut limits.memory, Some(memory), by);
        if let Some(fuel) = &mut limits.fuel {
            lower(&mut notes, "limits.fuel", fuel, caps.fuel, "caps.fuel");
        }
        let most = caps.max_concurrent;
        lower(&mut notes, "limits.max_concurrent", &mut limits.max_concurrent, most, "caps.max_concurrent");
        manifest.cap_jobs(&self.limits, caps, &mut notes);
        // More than are served at once would only wait.
        let warm = &mut manifest.instances.warm;
        lower(&mut notes, "instances.warm", warm, most, "caps.max_concurrent");
        (manifest, notes)
    }

    /// The same for jobs, with notes of their own for what `[jobs]` asks for beyond `[limits]`. `asked` is what that asks for.
    fn cap_jobs(&mut self, asked: &Limits, caps: &Caps, notes: &mut Vec<CapNote>) {
        let (jobs, limits) = (&mut self.job_limits, &self.limits);
        let mut time = |key, time: &mut Duration, asked, given, cap: Option<Duration>, by| {
            if *time == asked {
                *time = given;
            }
            let mut written = Interval(*time);
            lower(notes, key, &mut written, cap.map(Interval), by);
            *time = written.0;
        };
        time("jobs.cpu", &mut jobs.cpu, asked.cpu, limits.cpu, caps.cpu, "caps.cpu");
        time("jobs.timeout", &mut jobs.timeout, asked.timeout, limits.timeout, caps.timeout, "caps.timeout");
        if jobs.fuel == asked.fuel {
            jobs.fuel = limits.fuel;
        }
        if let Some(fuel) = &mut jobs.fuel {
            lower(notes, "jobs.fuel", fuel, caps.fuel, "caps.fuel");
        }
        jobs.memory = limits.memory;
        jobs.max_concurrent = jobs.max_concurrent.min(limits.max_concurrent);
    }
}

fn lower<T: Copy + PartialOrd + fmt::Display>(
    notes: &mut Vec<CapNote>,
    key: &'static str,
    asked: &mut T,
    cap: Option<T>,
    by: &'static str,
) {
    if let Some(cap) = cap
        && *asked > cap
    {
        notes.push(CapNote { key, asked: asked.to_string(), given: cap.to_string(), by });
        *asked = cap;
    }
}
