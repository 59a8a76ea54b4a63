//! Calls to the plugin `primes`: HTTP like any other, which the host carries without a socket.

use wasip2::{
    http::{
        outgoing_handler,
        types::{Fields, FutureIncomingResponse, OutgoingBody, OutgoingRequest, Scheme},
    },
    io::streams::StreamError,
};

/// A plugin is called by its name, once the manifest's `grants.plugins` lists it.
const AUTHORITY: &str = "primes.plugin.internal";

/// A whole response.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Sends a GET without waiting for its answer.
///
/// # Errors
///
/// What the host has against the call, for instance a missing grant.
pub(crate) fn send(path: &str) -> Result<FutureIncomingResponse, String> {
    let request = OutgoingRequest::new(Fields::new());
    let set = [
        request.set_scheme(Some(&Scheme::Http)),
        request.set_authority(Some(AUTHORITY)),
        request.set_path_with_query(Some(path)),
    ];
    if set.contains(&Err(())) {
        return Err(format!("http://{AUTHORITY}{path} is not a valid address"));
    }
    let body = request.body().expect("the body is taken once");
    let future = outgoing_handler::handle(request, None).map_err(|error| format!("{error:?}"))?;
    OutgoingBody::finish(body, None).map_err(|error| format!("{error:?}"))?;
    Ok(future)
}

/// Waits for the answer and reads all of it.
///
/// # Errors
///
/// What kept the answer from arriving whole.
pub(crate) fn receive(future: FutureIncomingResponse) -> Result<Reply, String> {
    future.subscribe().block();
    let response = future.get().expect("the future is ready").expect("the response is taken once");
    let response = response.map_err(|error| format!("{error:?}"))?;
    let incoming = response.consume().expect("the body is taken once");
    let stream = incoming.stream().expect("the stream is taken once");
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(4096) {
            Ok(piece) => body.extend(piece),
            Err(StreamError::Closed) => return Ok(Reply { status: response.status(), body }),
            Err(error) => return Err(format!("{error:?}")),
        }
    }
}
