//! One request in a CGI command (RFC 3875): environment and standard input in, headers and body on standard output.

mod environment;
mod head;
mod pipe;

use http::Request;
use wasmtime::Store;
use wasmtime_wasi::{I32Exit, p2::bindings::Command};

use super::{body, instance::bare_context, plugin::Deliver, state::State};
use crate::{
    body::Body,
    failure::{Code, Failure},
};

/// Runs the command to its exit; the head goes out as soon as its headers are complete.
///
/// The response ends at its `Content-Length` or when the command exits; a status other than 0 breaks it off.
pub(super) async fn serve(
    store: &mut Store<State>,
    command: &Command,
    request: Request<Body>,
    deliver: Deliver,
) -> wasmtime::Result<()> {
    let (sender, stdout, output) = pipe::pipe();
    let mut context = bare_context(&store.data().desk);
    for (name, value) in environment::variables(&request) {
        context.env(name, value);
    }
    context.stdin(pipe::Stdin::new(body::into_guest(request.into_body()))).stdout(stdout);
    store.data_mut().set_context(context.build());

    let run = async {
        let ended = command.wasi_cli_run().call_run(&mut *store).await;
        drop(sender);
        ended
    };
    let answer = async {
        match head::read(output).await {
            Ok(response) => deliver.response(response),
            Err(reason) => deliver
                .refuse(Failure::new(Code::BadResponse, "The plugin's output is not a CGI response.").inside(reason)),
        }
    };
    let (ended, ()) = futures_util::future::join(run, answer).await;
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(())) => Err(wasmtime::Error::msg("the command ended with an error")),
        Err(error) if error.downcast_ref::<I32Exit>().is_some_and(|exit| exit.0 == 0) => Ok(()),
        Err(error) => Err(error),
    }
}
