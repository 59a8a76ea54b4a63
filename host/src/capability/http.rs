//! Outbound HTTP: what a guest's request to another server becomes.

use std::sync::Arc;

use http::{Request, Response};

use super::{
    Caller,
    plugins::{self, CallPlugin},
};
use crate::{
    body::Body,
    failure::{Code, Failure},
};

/// Why an outbound request was not sent, or not answered.
pub enum Refused {
    /// Nothing grants it; the text names the key that would.
    Denied(String),
    /// It was granted and failed.
    Failed(Failure),
}

/// Sends one outbound request.
///
/// # Errors
/// [`Refused::Denied`] before anything is resolved or connected; [`Refused::Failed`] once it was on its way.
///
/// # Cancel safety
/// Dropping the future cancels the request, and the callee with it.
pub(crate) async fn send(
    caller: &Caller,
    plugins: &Arc<dyn CallPlugin>,
    request: Request<Body>,
) -> Result<Response<Body>, Refused> {
    let host = request.uri().host().unwrap_or_default().to_ascii_lowercase();
    let Some(callee) = plugins::callee(&host) else {
        return Err(Refused::Denied(format!(
            "{} may not call {host}: other servers are granted by grants.http, which is not available yet",
            caller.manifest.name
        )));
    };
    if !caller.manifest.grants.plugins.iter().any(|granted| granted == callee) {
        return Err(Refused::Denied(format!(
            "{} may not call the plugin {callee}: add \"{callee}\" to grants.plugins",
            caller.manifest.name
        )));
    }
    if caller.hop >= plugins::HOP_LIMIT {
        return Err(Refused::Failed(Failure::plain(Code::Loop)));
    }
    plugins.call(caller, callee, request).await.map_err(Refused::Failed)
}
