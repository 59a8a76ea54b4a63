//! The request filter without a socket: the door that the fuzz targets use (`decisions/0034-fuzz-targets.md`).

use std::net::SocketAddr;

use http::{request::Parts, uri::Scheme};

use super::{
    filter,
    forwarded::{Link, Proxies},
};
use crate::failure::Failure;

/// Filters a head that came from `peer` over a connection of this scheme, as a listener does, and tells who sent it.
///
/// # Errors
/// Why the request is refused; its head must not be acted on then.
pub fn filter(parts: &mut Parts, peer: SocketAddr, scheme: Scheme, proxies: &Proxies) -> Result<SocketAddr, Failure> {
    let origin = Link::new(peer, scheme, proxies).origin(&parts.headers);
    filter::check(parts, &origin).map(|()| origin.client)
}
