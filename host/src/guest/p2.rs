//! One request in a `wasi:http/proxy` guest of WASI 0.2.

use http::Request;
use wasmtime::Store;
use wasmtime_wasi_http::{
    WasiHttpView as _,
    p2::bindings::{Proxy, http::types::Scheme},
};

use super::{body, plugin::Deliver, state::State};
use crate::{
    body::Body,
    failure::{Code, Failure},
};

/// Runs the handler to its end; the head goes out through `deliver` as soon as the guest sets it.
pub(super) async fn serve(
    store: &mut Store<State>,
    proxy: &Proxy,
    request: Request<Body>,
    deliver: Deliver,
) -> wasmtime::Result<()> {
    let mut http = store.data_mut().http();
    let scheme = if request.uri().scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
    let request = http.new_incoming_request(scheme, request.map(body::into_guest))?;
    let out = http.new_response_outparam_from_callback(move |answer| match answer {
        Ok(response) => deliver.response(response),
        Err(code) => deliver.refuse(
            Failure::new(Code::GuestError, "The plugin answered with an error instead of a response.")
                .inside(format!("{code:?}")),
        ),
    })?;
    proxy.wasi_http_incoming_handler().call_handle(store, request, out).await
}
