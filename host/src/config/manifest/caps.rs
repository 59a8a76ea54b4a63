//! The operator's caps laid over a manifest, and where they bite.

use std::fmt;

use super::Manifest;
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
        let jobs = &mut manifest.job_limits;
        let mut cpu = Interval(jobs.cpu);
        lower(&mut notes, "jobs.cpu", &mut cpu, caps.cpu.map(Interval), "caps.cpu");
        jobs.cpu = cpu.0;
        let mut timeout = Interval(jobs.timeout);
        lower(&mut notes, "jobs.timeout", &mut timeout, caps.timeout.map(Interval), "caps.timeout");
        jobs.timeout = timeout.0;
        jobs.memory = manifest.limits.memory;
        // More than are served at once would only wait.
        let warm = &mut manifest.instances.warm;
        lower(&mut notes, "instances.warm", warm, most, "caps.max_concurrent");
        (manifest, notes)
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
