//! How much one address may hold, so that no client takes the door from all others.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::{body::Body, failure::Failure};

/// The addresses that hold something, and how much. Clones share the count.
#[derive(Clone)]
pub(super) struct Addresses {
    most: usize,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// The address holds as much as it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// One of an address's places, given back when it is dropped.
pub(super) struct Seat {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// Each address may hold `most` at once.
    pub(super) fn new(most: usize) -> Self {
        Self { most, held: Arc::default() }
    }

    /// Takes a place for `address`; `None` on loopback, which is the operator's own.
    pub(super) fn enter(&self, address: IpAddr) -> Result<Option<Seat>, Full> {
        let Some(address) = counted(address.to_canonical()) else { return Ok(None) };
        let mut held = self.lock();
        let places = held.entry(address).or_default();
        if *places >= self.most {
            return Err(Full);
        }
        *places += 1;
        Ok(Some(Seat { addresses: self.clone(), address }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // The map is whole at every instant.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is counted as one address: for IPv6 its first 64 bits, which is the least that a client is given.
fn counted(address: IpAddr) -> Option<IpAddr> {
    match address {
        address if address.is_loopback() => None,
        IpAddr::V4(_) => Some(address),
        IpAddr::V6(address) => Some(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()),
    }
}

impl Seat {
    /// A body that holds this place until it is dropped.
    pub(super) fn held_by(self, inner: Body) -> Body {
        Held { inner, _seat: self }.boxed_unsync()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = self.addresses.lock();
        if let Some(places) = held.get_mut(&self.address) {
            *places -= 1;
            if *places == 0 {
                held.remove(&self.address);
            }
        }
    }
}

struct Held {
    inner: Body,
    _seat: Seat,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(addresses: &Addresses, address: &str) -> Result<Option<Seat>, Full> {
        addresses.enter(address.parse().expect("an address"))
    }

    #[test]
    fn each_address_has_so_many_places_and_gets_them_back() {
        let addresses = Addresses::new(2);
        let first = enter(&addresses, "192.0.2.1").unwrap();
        let second = enter(&addresses, "::ffff:192.0.2.1").unwrap();
        assert!(first.is_some() && second.is_some());
        assert_eq!(enter(&addresses, "192.0.2.1").err(), Some(Full));
        assert!(enter(&addresses, "192.0.2.2").is_ok());
        drop(first);
        assert!(enter(&addresses, "192.0.2.1").is_ok());
        drop(second);
        assert!(addresses.lock().is_empty(), "nobody holds anything");
    }

    #[test]
    fn ipv6_counts_by_network_and_loopback_not_at_all() {
        let addresses = Addresses::new(1);
        let _first = enter(&addresses, "2001:db8:0:1::1").unwrap();
        assert_eq!(enter(&addresses, "2001:db8:0:1:ffff::2").err(), Some(Full));
        assert!(enter(&addresses, "2001:db8:0:2::1").is_ok());
        for _ in 0..3 {
            for loopback in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
                assert!(matches!(enter(&addresses, loopback), Ok(None)), "{loopback}");
            }
        }
    }
}
