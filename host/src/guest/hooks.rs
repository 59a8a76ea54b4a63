//! What the host adds to the guest's HTTP: header policy, buffer sizes, and where its outbound requests go.

use std::{future::Future, sync::Arc};

use http::{HeaderName, Request, Response};
use wasmtime_wasi::runtime::spawn;
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::{body, body::Presence, call::Desk, outcome, outlet};
use crate::capability::{
    Ways,
    http::{self as outbound, Trouble, Waits},
    jobs::Refused,
};

type Exchange = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Box<dyn Future<Output = Result<(Response<WasiBody>, Exchange), Error>> + Send>;

/// The hooks of one store.
pub(super) struct Hooks {
    desk: Arc<Desk>,
    ways: Arc<Ways>,
    presence: Presence,
}

impl Hooks {
    pub(super) fn new(desk: Arc<Desk>, ways: Arc<Ways>, presence: Presence) -> Self {
        Self { desk, ways, presence }
    }
}

impl WasiHttpHooks for Hooks {
    // The engine's list, which covers headers and trailers alike; by default each look at it would allocate. The host's own
    // `wasmbay-` names cannot be on it, since it also filters what a guest is told; they are stripped where a guest's words
    // leave it (`body`).
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        static FORBIDDEN: [HeaderName; 9] = DEFAULT_FORBIDDEN_HEADERS;
        FORBIDDEN.contains(name)
    }

    fn send_request(&mut self, request: Request<WasiBody>, options: Option<RequestOptions>, _done: Exchange) -> Sent {
        let waits = options.map_or_else(Waits::default, |options| Waits {
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
        });
        let errand = self.desk.errand();
        let (ways, presence) = (Arc::clone(&self.ways), self.presence.clone());
        let request = body::request_from_guest(request, presence);
        // Calls line up in the order in which a guest makes them.
        let sent = outbound::send(errand.caller.clone(), ways, request, waits);
        Box::new(async move {
            // A callee's work is polled by a task of its own, never inside its caller's poll, whose time is metered.
            let sent = spawn(sent).await;
            errand.called_out(sent.as_ref().map_or_else(Trouble::name, |_| "ok"));
            match sent {
                Ok(mut response) => {
                    if let Some(Refused(why)) = response.extensions_mut().remove::<Refused>() {
                        errand.tell("refused", &why);
                    }
                    Ok((response.map(body::answer_for_guest), Box::new(async { Ok(()) }) as Exchange))
                }
                Err(trouble) => {
                    // A plugin that was called has a line of its own.
                    if !matches!(trouble, Trouble::Failed(_)) {
                        errand.tell(trouble.name(), &trouble);
                    }
                    Err(outcome::trouble_to_guest(&trouble))
                }
            }
        })
    }

    // How much of it there is room for is said by the stream itself.
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        outlet::MOST
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        self.desk.errand().pace.even_piece()
    }
}
