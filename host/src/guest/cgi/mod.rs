//! One request in a CGI command (RFC 3875): environment and standard input in, headers and body on standard output.

mod environment;
pub(in crate::guest) mod head;
mod pipe;

use http::Request;
use wasmtime::{Instance, Store, TypedFunc};
use wasmtime_wasi::{I32Exit, p2::bindings::Command};

pub(super) use self::environment::is_meta_variable;
use self::head::Malformed;
use super::{body, instance::context, outcome, plugin::Deliver, state::State};
use crate::{
    body::Body,
    failure::{Code, Failure},
};

/// How a command is started.
pub(super) enum Entry {
    /// By `wasi:cli/run`.
    Component(Command),
    /// By `_start`, with preview1 around it.
    Module(TypedFunc<(), ()>),
}

impl Entry {
    /// # Errors
    /// When the module's `_start` is no function without parameters and results.
    pub(super) fn module(instance: Instance, store: &mut Store<State>) -> wasmtime::Result<Self> {
        instance.get_typed_func(store, START).map(Self::Module)
    }
}

/// The name of a preview1 command's entry.
const START: &str = "_start";

/// Runs the command to its exit; the head goes out as soon as its headers are complete.
///
/// The response ends at its `Content-Length` or when the command exits; a status other than 0 breaks it off.
pub(super) async fn serve(
    store: &mut Store<State>,
    entry: &Entry,
    request: Request<Body>,
    deliver: Deliver,
) -> wasmtime::Result<()> {
    let (sender, stdout, output) = pipe::pipe(store.data().desk.errand().pace.clone());
    let mut context = context(&store.data().desk, &store.data().granted)?;
    for (name, value) in environment::variables(&request) {
        context.env(name, value);
    }
    for (name, value) in store.data().granted.variables.iter() {
        context.env(environment::name_of(name), value.expose());
    }
    context.stdin(pipe::Stdin::new(body::into_guest(request.into_body()))).stdout(stdout);
    match entry {
        Entry::Component(_) => store.data_mut().set_context(context.build()),
        Entry::Module(_) => store.data_mut().set_preview1(context.build_p1()),
    }

    let verdict = deliver.verdict();
    let run = async {
        let ended = exit(match entry {
            Entry::Component(command) => command.wasi_cli_run().call_run(&mut *store).await,
            Entry::Module(start) => start.call_async(&mut *store, ()).await.map(Ok),
        });
        if let Err(error) = &ended {
            // Before the pipe closes: its reader asks for the verdict when it does.
            verdict.fail(outcome::failure(error, Some(&store.data().limiter)));
        }
        drop(sender);
        ended
    };
    let answer = async {
        match head::read(output).await {
            Ok(response) => deliver.response(response),
            Err(Malformed::Broken(reason)) => deliver.refuse(bad_response(reason)),
            // How the command ended says more than that it did.
            Err(Malformed::Ended) => return Some(deliver),
        }
        None
    };
    let (ended, unanswered) = futures_util::future::join(run, answer).await;
    if let (Ok(()), Some(deliver)) = (&ended, unanswered) {
        deliver.refuse(bad_response("the output ended before the blank line behind the headers"));
    }
    ended
}

/// A command's end: status 0 is a good one.
fn exit(ended: wasmtime::Result<Result<(), ()>>) -> wasmtime::Result<()> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(())) => Err(wasmtime::Error::msg("the command ended with an error")),
        Err(error) if error.downcast_ref::<I32Exit>().is_some_and(|exit| exit.0 == 0) => Ok(()),
        Err(error) => Err(error),
    }
}

fn bad_response(reason: impl std::fmt::Display) -> Failure {
    Failure::new(Code::BadResponse, "The plugin's output is not a CGI response.").inside(reason)
}
