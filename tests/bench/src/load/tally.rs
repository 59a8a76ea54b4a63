//! What a group of requests came to.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::check::{Verdict, check, problem_code};
use super::plan::Body;
use crate::{
    http::Fault,
    stats::{Latencies, Latency},
};

/// Everything a generator has to say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LoadReport {
    /// In the plan's order.
    pub(crate) groups: Vec<GroupReport>,
    /// CPU seconds the generator itself used, warm-up included.
    pub(crate) generator_cpu_seconds: f64,
}

impl LoadReport {
    /// The report of the group called `name`.
    ///
    /// # Errors
    ///
    /// When the plan had no such group.
    pub(crate) fn group(&self, name: &str) -> anyhow::Result<&GroupReport> {
        let found = self.groups.iter().find(|group| group.name == name);
        found.ok_or_else(|| anyhow::anyhow!("the generator reported no group {name:?}"))
    }
}

/// What one group came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GroupReport {
    /// The group's name in the plan.
    pub(crate) name: String,
    /// How long counted.
    pub(crate) seconds: f64,
    /// Replies that came in the time that counts, or after it to requests that began (open loop: were due) in it.
    pub(crate) requests: u64,
    /// Whole replies of any status in the whole run, warm-up included: what CPU time of the whole run is divided by.
    pub(crate) replies: u64,
    /// Of `requests`, replies with a status outside 2xx.
    pub(crate) non_2xx: u64,
    /// 2xx replies that completed in the time that counts, a second.
    pub(crate) rps: f64,
    /// Replies by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Replies outside 2xx by the `code` of their problem document; `none` had no such document.
    pub(crate) problems: BTreeMap<String, u64>,
    /// 2xx replies whose body was not what it must be; all of the run.
    pub(crate) wrong_bodies: u64,
    /// Replies of an older revision than one seen before their request was sent; all of the run.
    pub(crate) stale: u64,
    /// Requests without a whole reply, by reason; all of the run.
    pub(crate) errors: BTreeMap<Fault, u64>,
    /// Of these, connections reset or closed under a request.
    pub(crate) resets: u64,
    /// Latency of 2xx replies.
    pub(crate) latency: Latency,
    /// Latency of the other replies.
    pub(crate) refusal_latency: Latency,
    /// For a held group.
    pub(crate) hold: Option<HoldReport>,
}

impl GroupReport {
    /// Everything that should not be in a run where every request must succeed.
    pub(crate) fn faulty(&self) -> u64 {
        self.non_2xx + self.wrong_bodies + self.stale + self.errors.values().sum::<u64>()
    }
}

/// What holding requests came to.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct HoldReport {
    /// From the first request's start to the last reply.
    pub(crate) whole_seconds: f64,
    /// The most that were open at once.
    pub(crate) peak_open: usize,
}

/// Counts while a group runs.
pub(crate) struct Tally {
    opens: Instant,
    completed: u64,
    replies: u64,
    requests: u64,
    statuses: BTreeMap<u16, u64>,
    problems: BTreeMap<String, u64>,
    wrong_bodies: u64,
    stale: u64,
    errors: BTreeMap<Fault, u64>,
    answered: Latencies,
    refused: Latencies,
    /// What a held group adds.
    pub(crate) hold: Option<HoldReport>,
    /// The newest revision seen.
    pub(crate) newest: u64,
}

/// One reply and when it was asked for.
pub(crate) struct Exchange<'a> {
    /// When the request was sent, or due.
    pub(crate) begun: Instant,
    /// When its last byte was there.
    pub(crate) done: Instant,
    /// The status code.
    pub(crate) status: u16,
    /// The whole body.
    pub(crate) body: &'a [u8],
    /// [`Tally::newest`] when the request was sent.
    pub(crate) newest_then: u64,
    /// Whether it was over before the time ended.
    pub(crate) in_time: bool,
}

impl Tally {
    /// Counts what is answered at `opens` or later.
    pub(crate) fn new(opens: Instant) -> Self {
        Self {
            opens,
            completed: 0,
            replies: 0,
            requests: 0,
            statuses: BTreeMap::new(),
            problems: BTreeMap::new(),
            wrong_bodies: 0,
            stale: 0,
            errors: BTreeMap::new(),
            answered: Latencies::default(),
            refused: Latencies::default(),
            hold: None,
            newest: 0,
        }
    }

    /// Counts a reply; returns the revision when it is the first reply of a newer one.
    pub(crate) fn reply(&mut self, expected: &Body, exchange: &Exchange<'_>) -> Option<u64> {
        self.replies += 1;
        let good = (200..300).contains(&exchange.status);
        let newer = if good { self.judge(expected, exchange) } else { None };
        if good && exchange.in_time && exchange.done >= self.opens {
            self.completed += 1;
        }
        // What began before and ended within or after is a stall of the time that counts as well.
        if exchange.done >= self.opens {
            self.requests += 1;
            *self.statuses.entry(exchange.status).or_default() += 1;
            let took = exchange.done.saturating_duration_since(exchange.begun);
            if good {
                self.answered.record(took);
            } else {
                self.refused.record(took);
                let code = problem_code(exchange.body).unwrap_or_else(|| "none".to_owned());
                *self.problems.entry(code).or_default() += 1;
            }
        }
        newer
    }

    fn judge(&mut self, expected: &Body, exchange: &Exchange<'_>) -> Option<u64> {
        match check(expected, exchange.body) {
            Verdict::Right => None,
            Verdict::Wrong => {
                self.wrong_bodies += 1;
                None
            }
            Verdict::Revision(revision) => {
                if revision < exchange.newest_then {
                    self.stale += 1;
                }
                let newer = revision > self.newest;
                self.newest = self.newest.max(revision);
                newer.then_some(revision)
            }
        }
    }

    /// Counts a request without a whole reply.
    pub(crate) fn fault(&mut self, fault: Fault) {
        *self.errors.entry(fault).or_default() += 1;
    }

    /// The report, for a time that counted `seconds`.
    pub(crate) fn report(self, name: String, seconds: Duration) -> GroupReport {
        let count = |fault| self.errors.get(&fault).copied().unwrap_or(0);
        let resets = count(Fault::Reset) + count(Fault::Closed);
        let good: u64 = self.statuses.range(200..300).map(|(_, count)| count).sum();
        GroupReport {
            name,
            seconds: seconds.as_secs_f64(),
            requests: self.requests,
            replies: self.replies,
            non_2xx: self.requests - good,
            rps: self.completed as f64 / seconds.as_secs_f64().max(f64::EPSILON),
            statuses: self.statuses,
            problems: self.problems,
            wrong_bodies: self.wrong_bodies,
            stale: self.stale,
            errors: self.errors,
            resets,
            latency: self.answered.summary(),
            refusal_latency: self.refused.summary(),
            hold: self.hold,
        }
    }
}
