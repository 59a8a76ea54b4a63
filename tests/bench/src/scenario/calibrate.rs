//! Sizing a job: how much to ask for so that one request takes a given time on this machine.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::{
    http::{Connection, request_bytes},
    load::Body,
    stats,
};

/// How close is close enough.
const CLOSE: f64 = 0.1;

/// Steps before the last size is taken as it is.
const STEPS: usize = 16;

/// Requests behind each judgement.
const TRIES: usize = 5;

/// A sized job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// What to ask for.
    pub(crate) target: String,
    /// What must be answered.
    pub(crate) body: Body,
}

/// Sizes the job that `target` asks for so that one takes `wanted` on an idle machine.
///
/// # Errors
///
/// When it is answered badly, or no size comes within a factor of two.
pub(crate) async fn size(address: SocketAddr, target: impl Fn(u64) -> String, wanted: Duration) -> anyhow::Result<Job> {
    let mut amount = 50_000.0_f64;
    for step in 1..=STEPS {
        let asked = target(amount as u64);
        let (took, body) = measure(address, &asked).await?;
        let ratio = wanted.as_secs_f64() / took.as_secs_f64();
        let done = (ratio - 1.0).abs() <= CLOSE || step == STEPS;
        if done {
            anyhow::ensure!((0.5..=2.0).contains(&ratio), "{asked} took {took:?}, wanted {wanted:?}");
            return Ok(Job { target: asked, body: Body::Exact(body) });
        }
        // Work grows with the amount or somewhat faster: this exponent closes in on either without overshooting.
        amount *= ratio.clamp(0.05, 20.0).powf(0.75);
    }
    unreachable!("the last step returns")
}

async fn measure(address: SocketAddr, target: &str) -> anyhow::Result<(Duration, String)> {
    let mut connection = Connection::open(address).await?;
    let request = request_bytes(address, target);
    let mut times = Vec::new();
    for _ in 0..TRIES {
        let begun = Instant::now();
        let reply = connection.exchange(&request).await.with_context(|| format!("no answer to {target}"))?;
        times.push(begun.elapsed().as_secs_f64());
        let body = String::from_utf8_lossy(connection.body());
        anyhow::ensure!(reply.status == 200, "{target} was answered {}: {body}", reply.status);
    }
    let took = stats::median(&times).context("no try was made")?;
    Ok((Duration::from_secs_f64(took), String::from_utf8_lossy(connection.body()).into_owned()))
}
