//! Plugin calls plugin: `http://<name>.plugin.internal/`, in process, no socket.

use futures_util::future::BoxFuture;
use http::{Request, Response};

use super::Caller;
use crate::{body::Body, failure::Failure, lanes::admission::HOPS};

/// What a host name has to end with to name a plugin of the caller's own tenant.
const SUFFIX: &str = ".plugin.internal";

/// How many plugin calls one request may lead through.
///
/// Deep enough for every honest composition; a loop is cut after this many times its cost. Admission keeps a share of
/// the instance slots for each.
pub const HOP_LIMIT: u8 = HOPS;

/// The way in to another plugin. `invoke` implements it and `host` wires it.
pub trait CallPlugin: Send + Sync {
    /// Runs `request` in the plugin `callee` of the caller's tenant.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the callee.
    fn call(
        &self,
        caller: &Caller,
        callee: &str,
        request: Request<Body>,
    ) -> BoxFuture<'static, Result<Response<Body>, Failure>>;
}

/// The plugin that a host name addresses, if it addresses one at all.
pub(crate) fn callee(host: &str) -> Option<&str> {
    host.strip_suffix(SUFFIX)
}
