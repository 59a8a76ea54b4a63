//! The driver's connection: how it is made, what is done with it, how it is closed.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use mysql_async::{
    Column, Conn, Error, Opts, OptsBuilder, Params, QueryResult, Row,
    consts::StatusFlags,
    prelude::{Protocol, Queryable as _},
};
use mysql_common::named_params::ParsedNamedParams;
use tokio::{sync::mpsc::Sender, time::timeout};

use super::{
    options,
    trouble::{self, Trouble},
};
use crate::{
    capability::sql::{address::Address, server::Refusal},
    config::{DatabaseQuota, TlsMode},
};

/// Bytes of the longest statement that is kept prepared.
const KEPT_PREPARED: usize = 4 << 10;

/// How long a server may take to hear that it is to end something.
const HEARD: Duration = Duration::from_secs(5);

/// A connection to a server.
pub(super) struct Link {
    conn: Option<Conn>,
    /// Whether more of an answer may come than was read.
    busy: bool,
}

/// Part of what a statement answers.
pub(super) enum Piece {
    /// First of all.
    Columns(Arc<[Column]>),
    /// One row.
    Row(Row),
}

impl Link {
    /// Connects and says what the session is to be. Answers also how another connection is made.
    pub(super) async fn connect(address: &Address, quota: &DatabaseQuota) -> Result<(Self, Opts), Refusal> {
        let work = Self::greet(address, quota);
        match address.connect {
            Some(most) => timeout(most, work)
                .await
                .unwrap_or_else(|_| Err(Refusal::Unreachable("it did not answer in time".to_owned()))),
            None => work.await,
        }
    }

    async fn greet(address: &Address, quota: &DatabaseQuota) -> Result<(Self, Opts), Refusal> {
        let opts = Opts::from(options::of(address, quota));
        let made = match Conn::new(opts.clone()).await {
            Err(error) if address.tls == TlsMode::Prefer && trouble::has_no_tls(&error) => {
                let plain = Opts::from(OptsBuilder::from_opts(opts).ssl_opts(None));
                Conn::new(plain.clone()).await.map(|conn| (conn, plain))
            }
            made => made.map(|conn| (conn, opts)),
        };
        let (conn, opts) = made.map_err(|error| trouble::unreachable(&error))?;
        Ok((Self { conn: Some(conn), busy: false }, opts))
    }

    /// The server's number of it.
    pub(super) fn id(&self) -> u32 {
        self.conn.as_ref().map_or(0, Conn::id)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.conn.as_ref().is_none_or(Conn::is_disconnected)
    }

    /// Whether a transaction is open, as the server last said.
    pub(super) fn is_in_transaction(&self) -> bool {
        let told = self.conn.as_ref().and_then(Conn::last_ok_packet);
        told.is_some_and(|told| told.status_flags().contains(StatusFlags::SERVER_STATUS_IN_TRANS))
    }

    /// Runs a statement to its end and sends what comes of it, while somebody takes it. Answers also the rows that it has
    /// changed.
    pub(super) async fn run(
        mut self,
        text: String,
        parameters: Vec<mysql_async::Value>,
        pieces: Sender<Piece>,
    ) -> (Self, Result<u64, Trouble>) {
        self.busy = true;
        let how = match &mut self.conn {
            Some(conn) => execute(conn, &text, parameters, &pieces).await,
            None => Err(Trouble::closed()),
        };
        self.busy = false;
        if how.as_ref().is_err_and(Trouble::is_of_server) {
            // A refusal does not say whether the transaction goes on; the next answer does.
            self.ask("DO 0").await;
        }
        (self, how)
    }

    /// Runs something that answers no rows. Answers whether it went well.
    pub(super) async fn ask(&mut self, text: &'static str) -> bool {
        let Some(conn) = &mut self.conn else { return false };
        // Who was told to stop after it had ended may be told so now.
        let stopped = |error: &Error| matches!(error, Error::Server(error) if trouble::is_stopped(error.code));
        match conn.query_drop(text).await {
            Err(error) if stopped(&error) => conn.query_drop(text).await.is_ok(),
            done => done.is_ok(),
        }
    }

    /// Ends the transaction and undoes all that was set. Answers whether it is as new.
    pub(super) async fn reset(&mut self) -> bool {
        let Some(conn) = &mut self.conn else { return false };
        // What is said of a session as it begins is said again by it, the database among it.
        matches!(conn.reset().await, Ok(true))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(mut conn) = self.conn.take()
            && self.busy
        {
            // The driver would read to the end of an answer first, however long that takes. A call that was left in the
            // middle makes it close the connection as it is.
            let _ = conn.ping().now_or_never();
        }
    }
}

async fn execute(
    conn: &mut Conn,
    text: &str,
    parameters: Vec<mysql_async::Value>,
    pieces: &Sender<Piece>,
) -> Result<u64, Trouble> {
    let statement = match conn.prep(text).await {
        Ok(statement) => statement,
        // It was read as one statement, or the server would have complained of that: so it is one without being prepared.
        Err(error) if parameters.is_empty() && trouble::is_unpreparable(&error) => {
            return tell(conn.query_iter(text).await.map_err(Trouble::Ran)?, pieces).await;
        }
        Err(error) => return Err(Trouble::Before(error)),
    };
    let wanted = usize::from(statement.num_params());
    if wanted != parameters.len() {
        return Err(Trouble::Count { wanted, given: parameters.len() });
    }
    let parameters = if wanted == 0 { Params::Empty } else { Params::Positional(parameters) };
    let how = match conn.exec_iter(&statement, parameters).await {
        Ok(result) => tell(result, pieces).await,
        Err(error) => Err(Trouble::Ran(error)),
    };
    if text.len() > KEPT_PREPARED {
        conn.close(statement).await.map_err(Trouble::Ran)?;
    }
    how
}

/// Sends the first result. A procedure's others are passed over.
async fn tell<P: Protocol>(mut result: QueryResult<'_, 'static, P>, pieces: &Sender<Piece>) -> Result<u64, Trouble> {
    let columns = result.columns().unwrap_or_default();
    let mut heard = pieces.send(Piece::Columns(columns)).await.is_ok();
    // Read to its end in any case: whoever has left sees to it that this is near.
    while let Some(row) = result.next().await.map_err(Trouble::Ran)? {
        heard = heard && pieces.send(Piece::Row(row)).await.is_ok();
    }
    let affected = result.affected_rows();
    result.drop_result().await.map_err(Trouble::Ran)?;
    Ok(affected)
}

/// Ends what a connection runs, by another one. Answers whether the server has heard it.
pub(super) async fn kill(opts: &Opts, id: u32) -> bool {
    let told = async {
        let mut conn = Conn::new(opts.clone()).await?;
        conn.query_drop(format!("KILL QUERY {id}")).await
    };
    matches!(timeout(HEARD, told).await, Ok(Ok(())))
}

/// Refuses what the driver would change on its way to the server.
pub(super) fn check(text: &str) -> Result<(), Refusal> {
    match ParsedNamedParams::parse(text.as_bytes()) {
        Ok(parsed) if parsed.params().is_empty() => Ok(()),
        _ => Err(Refusal::Invalid(
            "a statement may have no name right after a colon, such as :name, which could be taken for a parameter: \
             parameters are written ?, and a text that has one in it is best given as one"
                .to_owned(),
        )),
    }
}
