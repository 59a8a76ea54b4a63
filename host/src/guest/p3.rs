//! One request in a `wasi:http/service` guest of WASI 0.3.

use std::{future::poll_fn, pin::Pin};

use http::Request;
use wasmtime::{
    Store,
    component::{Accessor, GuestTaskId, Resource, TypedFuncCallConcurrent},
};
use wasmtime_wasi_http::{
    Error, WasiHttpView as _,
    p3::{
        self,
        bindings::{Service, http::types::ErrorCode},
    },
};

use super::{body, plugin::Deliver, state::State};
use crate::{
    body::Body,
    failure::{Code, Failure},
};

/// Runs the handler, the body's stream and whatever the guest started beside them to their end.
pub(super) async fn serve(
    store: &mut Store<State>,
    service: &Service,
    request: Request<Body>,
    deliver: Deliver,
) -> wasmtime::Result<()> {
    store
        .run_concurrent(async |accessor| {
            Started::new(accessor, service, request)?.finish(accessor, service, deliver).await?;
            poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
            Ok(())
        })
        .await?
}

type Answer = (Result<Resource<p3::Response>, ErrorCode>,);

/// A handler that has been called and has not answered yet.
pub(super) struct Started {
    call: TypedFuncCallConcurrent<State, (Resource<p3::Request>,), Answer>,
    sent: Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
}

impl Started {
    /// Calls the handler.
    pub(super) fn new(accessor: &Accessor<State>, service: &Service, request: Request<Body>) -> wasmtime::Result<Self> {
        accessor.with(|mut access| {
            let http = access.get().http();
            let (request, sent) = p3::Request::from_http(http.hooks, request.map(body::into_guest));
            // The future borrows nothing, but its type says it borrows the hooks until it is boxed.
            let sent: Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> = Box::pin(sent);
            let request = http.table.push(request)?;
            let call = service.wasi_http_handler().func_handle().start_call_concurrent(access, (request,))?;
            Ok(Self { call, sent })
        })
    }

    /// The call, as the engine knows it among others in the same store.
    pub(super) fn task(&self) -> GuestTaskId {
        self.call.task()
    }

    /// Waits for the handler's response; the body's stream moves on in the store's event loop.
    pub(super) async fn finish(
        self,
        accessor: &Accessor<State>,
        service: &Service,
        deliver: Deliver,
    ) -> wasmtime::Result<()> {
        let (answer,) = service.wasi_http_handler().func_handle().finish_call_concurrent(accessor, self.call).await?;
        match answer {
            Ok(response) => {
                let sent = self.sent;
                let response = accessor.with(|mut access| {
                    let response = access.get().http().table.delete(response)?;
                    response.into_http(access, sent)
                })?;
                deliver.response(response);
            }
            Err(code) => deliver.refuse(
                Failure::new(Code::GuestError, "The plugin answered with an error instead of a response.")
                    .inside(format!("{code:?}")),
            ),
        }
        Ok(())
    }
}
