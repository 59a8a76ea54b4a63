//! One of the servers of a row: where it listens, what CPU time it has used.

use std::net::SocketAddr;

use crate::{
    load::{Group, Shape},
    rounds::Sample,
    scenario::collected::Collected,
    stand::{Bench, Generator, Host, Peer},
};

/// The names of a server's figures.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    /// Requests a second; also what its latencies are called.
    pub(crate) rate: &'static str,
    /// Half the replies came within.
    pub(crate) p50: &'static str,
    /// 99 in a hundred.
    pub(crate) p99: &'static str,
    /// CPU time of the server's process for each reply.
    pub(crate) cpu: &'static str,
}

/// A server under measurement.
pub(crate) enum Server {
    /// The bench's own control.
    Native,
    /// Ours.
    Host(Host),
    /// Anybody else's.
    Peer(Peer),
}

impl Server {
    /// Where it listens.
    pub(crate) fn listen(&self, bench: &Bench) -> SocketAddr {
        match self {
            Self::Native => bench.native(),
            Self::Host(host) => host.listen,
            Self::Peer(peer) => peer.listen,
        }
    }

    /// CPU seconds that its process has used.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub(crate) fn cpu_seconds(&self, bench: &Bench) -> anyhow::Result<f64> {
        match self {
            Self::Native => bench.native_cpu(),
            Self::Host(host) => host.process_cpu(),
            Self::Peer(peer) => peer.process_cpu(),
        }
    }

    /// Stops what was started for the row.
    pub(crate) async fn stop(self) {
        match self {
            Self::Native => {}
            Self::Host(host) => host.stop().await,
            Self::Peer(peer) => peer.stop().await,
        }
    }
}

/// A server and what it is asked.
pub(crate) struct Subject {
    pub(crate) names: Names,
    pub(crate) server: Server,
    pub(crate) group: Group,
}

impl Subject {
    /// The same server, asked in another way under other names.
    pub(crate) fn turn(&mut self, names: Names, shape: Shape) -> &Self {
        self.names = names;
        self.group.shape = shape;
        self
    }

    /// Measures it for the usual times. What is not answered as it should be is added to `faulty`.
    ///
    /// # Errors
    ///
    /// When the generator fails or the server is gone.
    pub(crate) async fn measure(
        &self,
        bench: &Bench,
        round: usize,
        faulty: &'static str,
        sample: &mut Sample,
        collected: &mut Collected,
    ) -> anyhow::Result<()> {
        let before = self.server.cpu_seconds(bench)?;
        let report = Generator::start(vec![self.group.clone()], bench.times()).await?.finish().await?;
        let used = self.server.cpu_seconds(bench)? - before;
        let group = report.group(&self.group.name)?;
        collected.keep(self.names.rate, round, group);
        sample.insert(self.names.rate, group.rps);
        sample.insert(self.names.p50, group.latency.p50_ms);
        sample.insert(self.names.p99, group.latency.p99_ms);
        sample.insert(self.names.cpu, used / group.replies as f64 * 1e6);
        *sample.entry(faulty).or_default() += group.faulty() as f64;
        if let Server::Host(host) = &self.server {
            host.trim_log();
        }
        Ok(())
    }
}

/// Measures all of them, beginning with another in each round.
///
/// # Errors
///
/// The first error of one.
pub(crate) async fn measure_all(
    bench: &Bench,
    subjects: &[Subject],
    round: usize,
    faulty: &'static str,
    collected: &mut Collected,
) -> anyhow::Result<Sample> {
    let mut sample = Sample::new();
    for n in 0..subjects.len() {
        let subject = &subjects[(round + n) % subjects.len()];
        subject.measure(bench, round, faulty, &mut sample, collected).await?;
    }
    Ok(sample)
}
