//! From a name to addresses: asked of the system's name servers, or the operator's, without a thread that waits.
//!
//! Names are asked for as they stand: no search list is tried, and `/etc/hosts` is not read. `localhost` and what ends
//! in it is this machine and is asked of nobody (RFC 6761).

mod ask;
mod wire;

use std::{
    collections::HashMap,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};
use wire::{Answer, Family};

use super::trouble::NameTrouble;

/// Where the system says which servers to ask.
const SYSTEM: &str = "/etc/resolv.conf";

const PORT: u16 = 53;

/// The longest one server is waited for before the next is asked.
const ATTEMPT: Duration = Duration::from_secs(2);

/// How often the list of servers is gone through.
const ROUNDS: usize = 2;

/// The longest that addresses are kept, whatever their records say: a name that moves is followed.
const MOST_KEPT: Duration = Duration::from_mins(5);

/// How long it is remembered that there is no such name: a guest that asks for it in a loop asks the host alone.
const UNKNOWN_KEPT: Duration = Duration::from_secs(5);

/// Names remembered for one tenant.
const REMEMBERED: usize = 1024;

/// Questions of one tenant at once, so that a name server that does not answer holds no more sockets than this.
const AT_ONCE: usize = 32;

/// The servers to ask, in order.
#[derive(Clone, Debug)]
pub(super) struct Servers(Arc<[SocketAddr]>);

impl Servers {
    /// Those that the operator names; else those of the system, and where it names none, one on this machine.
    pub(super) fn new(named: &[SocketAddr]) -> Self {
        if !named.is_empty() {
            return Self(named.into());
        }
        let config = fs::read(SYSTEM).ok().and_then(|text| resolv_conf::Config::parse(text).ok());
        let found = config.into_iter().flat_map(|config| config.nameservers);
        let mut servers: Vec<_> = found.map(|server| SocketAddr::new(IpAddr::from(server), PORT)).collect();
        if servers.is_empty() {
            servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
        }
        Self(servers.into())
    }
}

/// What one tenant knows of names: nobody learns from how quick an answer is whom others call.
pub(super) struct Names {
    servers: Servers,
    known: Mutex<HashMap<String, Known>>,
    gate: Semaphore,
}

#[derive(Clone)]
struct Known {
    addresses: Result<Vec<IpAddr>, NameTrouble>,
    until: Instant,
}

impl Names {
    pub(super) fn new(servers: Servers) -> Self {
        Self { servers, known: Mutex::default(), gate: Semaphore::new(AT_ONCE) }
    }

    /// The addresses of a name as an [`crate::config::Origin`] has it; never empty. Has no deadline of its own.
    pub(super) async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, NameTrouble> {
        if name == "localhost" || name.ends_with(".localhost") {
            return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
        }
        if let Some(known) = self.known(name) {
            return known;
        }
        let _turn = self.gate.acquire().await.expect("the gate is never closed");
        // Who waited may find that another has asked the same.
        if let Some(known) = self.known(name) {
            return known;
        }
        let (v6, v4) = tokio::join!(self.ask(name, Family::V6), self.ask(name, Family::V4));
        let (addresses, holds) = both(v6, v4);
        self.remember(name, &addresses, holds);
        addresses
    }

    async fn ask(&self, name: &str, family: Family) -> Answer {
        let mut last = Answer::NotMine;
        for server in std::iter::repeat_n(self.servers.0.iter(), ROUNDS).flatten() {
            match timeout(ATTEMPT, ask::ask(*server, name, family)).await {
                Ok(Ok(answer @ (Answer::Addresses(..) | Answer::Unknown))) => return answer,
                Ok(Ok(answer)) => last = answer,
                // Silent, unreachable, or talking nonsense: the next one may be better.
                Ok(Err(_)) | Err(_) => {}
            }
        }
        last
    }

    fn known(&self, name: &str) -> Option<Result<Vec<IpAddr>, NameTrouble>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).filter(|known| known.until > Instant::now()).map(|known| known.addresses.clone())
    }

    fn remember(&self, name: &str, addresses: &Result<Vec<IpAddr>, NameTrouble>, holds: Duration) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if known.len() >= REMEMBERED {
            known.retain(|_, known| known.until > now);
        }
        // A guest that asks for name after name has its own memory full, and goes on without.
        if known.len() < REMEMBERED && !holds.is_zero() {
            known.insert(name.to_owned(), Known { addresses: addresses.clone(), until: now + holds });
        }
    }
}

/// What the two questions for one name come to, and for how long that holds.
fn both(v6: Answer, v4: Answer) -> (Result<Vec<IpAddr>, NameTrouble>, Duration) {
    let mut addresses = Vec::new();
    let mut holds = MOST_KEPT;
    let mut error = None;
    for answer in [v6, v4] {
        match answer {
            Answer::Addresses(found, _) if found.is_empty() => {}
            Answer::Addresses(found, until) => {
                addresses.extend(found);
                holds = holds.min(until);
            }
            Answer::Unknown => {}
            Answer::Refused(code) => error = Some(NameTrouble::Refused(code)),
            Answer::Cut | Answer::NotMine => error = error.or(Some(NameTrouble::Silent)),
        }
    }
    match (addresses.is_empty(), error) {
        (false, _) => (Ok(addresses), holds),
        (true, None) => (Err(NameTrouble::Unknown), UNKNOWN_KEPT),
        // It may be better in a moment.
        (true, Some(error)) => (Err(error), Duration::ZERO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ip: [u8; 4], seconds: u64) -> Answer {
        Answer::Addresses(vec![ip.into()], Duration::from_secs(seconds))
    }

    const NOTHING: Answer = Answer::Addresses(Vec::new(), Duration::ZERO);

    #[test]
    fn one_family_is_enough() {
        for other in [NOTHING, Answer::Unknown, Answer::NotMine, Answer::Refused("Refused".to_owned())] {
            let (addresses, holds) = both(other, found([1; 4], 7));
            assert_eq!((addresses, holds), (Ok(vec![[1; 4].into()]), Duration::from_secs(7)));
        }
        assert_eq!(both(NOTHING, found([1; 4], 1 << 20)).1, MOST_KEPT);
    }

    #[test]
    fn without_addresses_the_reason_is_told() {
        assert_eq!(both(NOTHING, Answer::Unknown), (Err(NameTrouble::Unknown), UNKNOWN_KEPT));
        assert_eq!(both(NOTHING, Answer::NotMine), (Err(NameTrouble::Silent), Duration::ZERO));
        let refused = Answer::Refused("ServerFailure".to_owned());
        assert_eq!(both(refused, Answer::NotMine).0, Err(NameTrouble::Refused("ServerFailure".to_owned())));
    }

    #[tokio::test]
    async fn localhost_is_asked_of_nobody() {
        let names = Names::new(Servers::new(&["192.0.2.1:53".parse().expect("an address")]));
        for name in ["localhost", "a.localhost"] {
            assert!(names.lookup(name).await.expect("addresses").iter().all(IpAddr::is_loopback));
        }
    }

    #[tokio::test]
    async fn what_is_known_holds_for_its_time_and_no_more_than_fits_is_kept() {
        let names = Names::new(Servers::new(&["192.0.2.1:53".parse().expect("an address")]));
        let addresses = Ok(vec![IpAddr::from([1; 4])]);
        names.remember("a", &addresses, Duration::from_secs(60));
        names.remember("never", &addresses, Duration::ZERO);
        assert_eq!(names.known("a"), Some(addresses.clone()));
        assert_eq!(names.known("never"), None);
        (0..2 * REMEMBERED).for_each(|n| names.remember(&n.to_string(), &addresses, Duration::from_secs(60)));
        assert_eq!(names.known.lock().expect("not poisoned").len(), REMEMBERED);
    }
}
