//! The task that keeps one session's connection: runs what it is asked, and resets it when the session is over.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::{
        OwnedSemaphorePermit,
        mpsc::{Receiver, UnboundedSender},
    },
    time::{Instant, timeout},
};

use super::{
    Flow, Refusal, Server, Shared, Statement, Wire,
    rows::{Piece, Ticket},
};
use crate::store::sql::is_rollback;

/// How long a server may take to end what it was told to end, before its connection is closed.
const GRACE: Duration = Duration::from_secs(5);

/// A statement on its way.
pub(super) struct Run<W: Wire> {
    pub(super) statement: Statement<W::Parameter>,
    /// How long a connection may be made.
    pub(super) until: Instant,
    pub(super) ticket: Arc<Ticket>,
    pub(super) pieces: UnboundedSender<Piece<W>>,
}

/// Who keeps a connection.
pub(super) struct Clerk<W: Wire> {
    server: Arc<Server<W>>,
    inbox: Receiver<Run<W>>,
    shared: Arc<Shared>,
    /// None before the first statement, and after it was lost.
    wire: Option<W>,
    /// Whether the guest believes in a transaction that is no more.
    rolled_back: bool,
    /// Whether nothing was asked yet.
    is_new: bool,
}

impl<W: Wire> Clerk<W> {
    pub(super) fn new(server: Arc<Server<W>>, inbox: Receiver<Run<W>>, shared: Arc<Shared>) -> Self {
        Self { server, inbox, shared, wire: None, rolled_back: false, is_new: true }
    }

    /// Serves a session to its end. The seat is given back when the connection is ready for the next, or closed.
    pub(super) async fn keep(mut self, seat: OwnedSemaphorePermit) {
        while let Some(run) = self.inbox.recv().await {
            if !run.ticket.gone.load(Relaxed) {
                self.run(&run).await;
            }
        }
        if let Some(mut wire) = self.wire.take()
            && matches!(timeout(GRACE, wire.reset()).await, Ok(true))
        {
            self.server.rest(wire);
        }
        drop(seat);
    }

    async fn run(&mut self, run: &Run<W>) {
        if self.rolled_back {
            self.rolled_back = !is_rollback(&run.statement.text);
            let how = if self.rolled_back { Err(Refusal::RolledBack) } else { Ok(()) };
            if how.is_ok() {
                let _ = run.pieces.send(Piece::Columns(Vec::new()));
            }
            let _ = run.pieces.send(Piece::End(how.map(|()| 0)));
            return;
        }
        let inside = self.wire.as_ref().is_some_and(W::is_in_transaction);
        let server = Arc::clone(&self.server);
        let mut flow = Flow::new(run, &server.quota, &self.inbox, &self.shared);
        let how = attempt(&server, &mut self.wire, self.is_new, run, &mut flow).await;
        self.is_new = false;
        let refusal = how.as_ref().err().cloned();
        flow.end(how);
        if let Some(refusal) = refusal {
            self.recover(&refusal, inside, ends(&run.statement.text)).await;
        }
    }

    /// After a failure: what was left running is ended, and what is not known to be good is closed. What a guest says
    /// next in a transaction that is no more must not be done outside of one.
    async fn recover(&mut self, refusal: &Refusal, inside: bool, was_to_end: bool) {
        let Some(wire) = &mut self.wire else {
            self.rolled_back = inside;
            return;
        };
        let mut good = !wire.is_closed() && !matches!(refusal, Refusal::Lost { .. });
        if good && refusal.leaves_it_running() {
            good = matches!(timeout(GRACE, wire.quiet()).await, Ok(true));
            if good && (inside || wire.is_in_transaction()) {
                good = matches!(timeout(GRACE, wire.roll_back()).await, Ok(true));
                self.rolled_back = inside;
            }
        }
        // Some failures end the transaction, as a deadlock does; who asked for its end knows that it is over.
        if !good || (inside && !was_to_end && !wire.is_in_transaction()) {
            self.rolled_back = inside;
        }
        if !good {
            self.wire = None;
        }
    }
}

/// Whether a statement is to end a transaction.
fn ends(text: &str) -> bool {
    let first = text.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty()).unwrap_or_default();
    ["commit", "end", "rollback"].iter().any(|word| word.eq_ignore_ascii_case(first))
}

/// Runs a statement, on a connection that is made where there is none.
async fn attempt<W: Wire>(
    server: &Arc<Server<W>>,
    kept: &mut Option<W>,
    is_new: bool,
    run: &Run<W>,
    flow: &mut Flow<'_, W>,
) -> Result<(), Refusal> {
    // A session's connection that died as it had one is told of, whatever was set on it; one that died as it rested is not.
    let rested = match kept {
        None if is_new => server.rested(),
        _ => None,
    };
    let has_rested = rested.is_some();
    if kept.is_none() {
        *kept = match rested {
            Some(wire) => Some(wire),
            None => Some(flow.network(server.connect(run.until)).await??),
        };
        flow.begin();
    }
    let wire = kept.as_mut().expect("it was just made where there was none");
    match wire.run(&run.statement, flow).await {
        Err(Refusal::Lost { ran: false, .. }) if has_rested => {
            let wire = kept.insert(server.connect(run.until).await?);
            flow.begin();
            wire.run(&run.statement, flow).await
        }
        how => how,
    }
}
