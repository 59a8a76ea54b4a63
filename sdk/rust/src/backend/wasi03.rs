//! A wasi:http 0.3 guest: one instance may serve many requests at once, each with a scope of its own.

#[cfg(feature = "sql")]
mod sql;
pub(crate) mod state;

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::Frame;
use wasip3::{
    clocks::monotonic_clock,
    http::{
        client,
        types::{self as wasi, ErrorCode, RequestOptions},
    },
    http_compat::{
        self, BodyWriter, RequestOptionsExtension, http_from_wasi_request, http_from_wasi_response,
        http_into_wasi_request,
    },
    wit_bindgen::spawn_local,
};

use super::{announce, errors::failure, nanoseconds};
use crate::{
    Body, Error, FetchError, Plugin, Problem, Request, Response,
    fetch::{FetchFailure, Timeout},
    logger,
    scope::Scope,
};

#[doc(hidden)]
#[macro_export]
macro_rules! __export_handler {
    ($plugin:path) => {
        struct Exported;

        impl $crate::__private::wasip3::exports::http::handler::Guest for Exported {
            async fn handle(
                request: $crate::__private::wasip3::http::types::Request,
            ) -> ::core::result::Result<
                $crate::__private::wasip3::http::types::Response,
                $crate::__private::wasip3::http::types::ErrorCode,
            > {
                $crate::__private::serve($plugin, request).await
            }
        }

        $crate::__private::wasip3::http::service::export!(Exported with_types_in $crate::__private::wasip3);
    };
}

/// Answers one request: returns the head, and goes on with the body and what comes after it as a task of its own.
///
/// # Errors
/// A request or a response that is none.
pub async fn serve(plugin: Plugin, request: wasi::Request) -> Result<wasi::Response, ErrorCode> {
    logger::install();
    let broke = |code: ErrorCode| Problem::bad_request(format!("the body broke off: {code:?}")).into();
    let request = http_from_wasi_request(request)?.map(|body| wrapped(body, broke));
    let scope = Rc::new(Scope::new(request.headers()));
    let (mut parts, mut body) = scope.run(plugin.answer(&scope, request)).await.into_parts();
    announce(&mut parts, &body);
    let refused = |error| ErrorCode::InternalError(Some(format!("the response's headers may not be set: {error:?}")));
    let headers = parts.headers.try_into().map_err(refused)?;
    let (writer, contents, end) = BodyWriter::new();
    let (response, _sent) = wasi::Response::new(headers, Some(contents), end);
    response.set_status_code(parts.status.as_u16()).expect("the status is one");
    spawn_local(async move {
        let sending = async move { writer.send_http_body(&mut body).await };
        if let Err(http_compat::Error::HttpBody(error)) = scope.run(Box::pin(sending)).await {
            log::error!("the response broke off: {error:#}");
        }
        scope.finish().await;
    });
    Ok(response)
}

/// The interface's body as the SDK's; `broke` is the error that it breaks off with.
fn wrapped<B>(body: B, broke: fn(ErrorCode) -> Error) -> Body
where
    B: http_body::Body<Data = Bytes, Error = ErrorCode> + Unpin + 'static,
{
    Body::from_http_body(Wrapped { body, broke })
}

struct Wrapped<B> {
    body: B,
    broke: fn(ErrorCode) -> Error,
}

impl<B: http_body::Body<Data = Bytes, Error = ErrorCode> + Unpin> http_body::Body for Wrapped<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let broke = self.broke;
        Pin::new(&mut self.body).poll_frame(cx).map_err(broke)
    }
}

/// Sends a request, and waits for the head of its answer.
pub(crate) async fn send(mut request: Request) -> Result<Response, FetchError> {
    let to = request.uri().to_string();
    if let Some(Timeout(wait)) = request.extensions().get().copied() {
        let options = RequestOptions::new();
        // A host without such deadlines answers that it has none; the request's own holds all the same.
        let _ = options.set_first_byte_timeout(Some(nanoseconds(wait)));
        request.extensions_mut().insert(RequestOptionsExtension(options));
    }
    let failed = |code: ErrorCode| FetchError::new(failure!(code, ErrorCode), &to, format!("{code:?}"));
    let response = client::send(http_into_wasi_request(request).map_err(failed)?).await.map_err(failed)?;
    let broke = |code| FetchError::new(FetchFailure::Failed, "an answer broke off", format!("{code:?}")).into();
    Ok(http_from_wasi_response(response).map_err(failed)?.map(|body| wrapped(body, broke)))
}

pub(crate) async fn sleep(duration: Duration) {
    monotonic_clock::wait_for(nanoseconds(duration)).await;
}
