//! PostgreSQL: statements by its extended protocol, whose parameters are of the types that the server infers.

mod dial;
mod guard;
mod parameters;
mod prepared;
mod reading;
mod values;

use std::{future::poll_fn, pin::pin, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::join};
use tokio::{io::AsyncReadExt as _, sync::oneshot, time::timeout};
use tokio_postgres::{CancelToken, Client, Config, Error, NoTls, config::SslMode, error::DbError};

pub use self::values::{Bound, Column, DataType, Interval, Range, Value};
use self::{
    guard::{Breach, Guarded, Seen},
    parameters::Parameter,
    prepared::Prepared,
};
use super::{
    address::Address,
    server::{Complaint, Flow, Refusal, Statement, Wire},
};
use crate::config::{DatabaseQuota, is_store};

/// Bytes of a message beyond those of the largest result: names, lengths, words about an error.
const MESSAGE: u64 = 64 << 10;

/// How long the server itself lets a statement run beyond what the host does: for a host that is no more. A reader that is
/// slow is on the server's clock, as it is not on the host's.
const BACKSTOP: Duration = Duration::from_secs(300);

/// How long a connection may take to be closed in good order.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a server knows whose sessions these are.
const APPLICATION: &str = "wasmbay";

/// A connection to a PostgreSQL server.
pub struct Line {
    client: Client,
    cancel: CancelToken,
    address: Address,
    seen: Arc<Seen>,
    prepared: Prepared,
    /// Tells the task that drives the socket that this is gone.
    _open: oneshot::Sender<()>,
}

/// What a guest holds of an open database.
pub type Connection = super::server::Connection<Line>;

/// What a guest holds of a database that it is about to open.
#[derive(Debug)]
pub struct Builder(String);

impl Builder {
    /// For a database of this name. Nothing is kept of what is none: it could be of any size, and have a password in it.
    pub fn new(database: String) -> Self {
        Self(if is_store(&database) { database } else { String::new() })
    }

    /// The name, as far as it is one.
    pub fn database(&self) -> &str {
        &self.0
    }
}

impl Wire for Line {
    type Parameter = Value;
    type Column = Column;
    type Value = Value;

    async fn connect(address: &Address, quota: &DatabaseQuota) -> Result<Self, Refusal> {
        let work = connect(address, quota);
        match address.connect {
            Some(most) => timeout(most, work)
                .await
                .unwrap_or_else(|_| Err(Refusal::Unreachable("it did not answer in time".to_owned()))),
            None => work.await,
        }
    }

    async fn run(&mut self, statement: &Statement<Value>, flow: &mut Flow<'_, Self>) -> Result<(), Refusal> {
        let how = self.once(statement, flow).await;
        self.prepared.ran(&statement.text);
        match how {
            // A statement of before does not fit its tables any more, or was taken away: nothing was done.
            Err(Refusal::Failed(complaint)) if self.prepared.is_outdated(&statement.text, &complaint) => {
                match self.settled().await && !self.is_in_transaction() {
                    true => self.once(statement, flow).await,
                    false => Err(Refusal::Failed(complaint)),
                }
            }
            how => how,
        }
    }

    fn is_in_transaction(&self) -> bool {
        self.seen.is_in_transaction()
    }

    fn is_closed(&self) -> bool {
        self.client.is_closed() || self.seen.breach().is_some()
    }

    async fn quiet(&mut self) -> bool {
        // Where it cannot be told to end, it is waited for as long as whoever asks does.
        let _ = self.interrupt().await;
        self.settled().await
    }

    async fn roll_back(&mut self) -> bool {
        self.client.batch_execute("ROLLBACK").await.is_ok()
    }

    async fn reset(&mut self) -> bool {
        self.prepared.clear();
        self.client.clear_type_cache();
        // One after the other, but sent together.
        let ended = async { !self.is_in_transaction() || self.client.batch_execute("ROLLBACK").await.is_ok() };
        let (ended, discarded) = join(ended, self.client.batch_execute("DISCARD ALL")).await;
        ended && discarded.is_ok() && !self.is_in_transaction() && !self.is_closed()
    }
}

async fn connect(address: &Address, quota: &DatabaseQuota) -> Result<Line, Refusal> {
    let socket = dial::dial(address).await?;
    let seen = Arc::<Seen>::default();
    let guarded = Guarded::new(socket, quota.result.saturating_add(MESSAGE), &seen);
    let (client, mut connection) =
        config(address, quota).connect_raw(guarded, NoTls).await.map_err(|error| greeting(&error))?;
    let (open, closed) = oneshot::channel();
    tokio::spawn(async move {
        // Notices and notifications are nobody's.
        let mut driven = pin!(async { while let Some(Ok(_)) = poll_fn(|cx| connection.poll_message(cx)).await {} });
        tokio::select! {
            () = &mut driven => {}
            // The driver says goodbye once all is answered; a server that does not answer is not waited for.
            _ = closed => drop(timeout(FAREWELL, driven).await),
        }
    });
    let cancel = client.cancel_token();
    Ok(Line { client, cancel, address: address.clone(), seen, prepared: Prepared::default(), _open: open })
}

fn config(address: &Address, quota: &DatabaseQuota) -> Config {
    let mut config = Config::new();
    config.user(&address.user).dbname(&address.database).ssl_mode(SslMode::Disable);
    config.application_name(address.application.as_deref().unwrap_or(APPLICATION));
    if let Some(password) = &address.password {
        config.password(password.expose());
    }
    let most = quota.statement.saturating_add(BACKSTOP).as_millis();
    let own = address.options.as_deref().unwrap_or_default();
    config.options(format!("{own} -c statement_timeout={most}"));
    config
}

impl Line {
    /// Runs a statement as it is now.
    async fn once(&mut self, statement: &Statement<Value>, flow: &mut Flow<'_, Self>) -> Result<(), Refusal> {
        let Statement { text, parameters } = statement;
        let prepared = match self.prepared.find(text) {
            Some(prepared) => prepared,
            None => {
                let prepared = flow.network(self.client.prepare(text)).await?;
                let prepared = prepared.map_err(|error| self.refusal(&error, false, flow.quota()))?;
                self.prepared.keep(text, &prepared);
                prepared
            }
        };
        let types = prepared.params();
        if types.len() != parameters.len() {
            let (has, given) = (types.len(), parameters.len());
            return Err(Refusal::Parameter(format!("the statement has {has} parameters and {given} were given")));
        }
        let encoded = (1..).zip(parameters.iter().zip(types)).map(|(place, (value, ty))| {
            Parameter::new(value, ty).map_err(|why| Refusal::Parameter(format!("parameter {place} {why}")))
        });
        let encoded = encoded.collect::<Result<Vec<_>, _>>()?;
        let rows = flow.network(self.client.query_raw(&prepared, &encoded)).await?;
        let mut rows = pin!(rows.map_err(|error| self.refusal(&error, true, flow.quota()))?);
        let mut columns = Some(prepared.columns().iter().map(Column::of).collect::<Vec<_>>());
        while let Some(row) = flow.network(rows.next()).await? {
            let row = row.map_err(|error| self.refusal(&error, true, flow.quota()))?;
            let row = values::row(&row, flow.quota())?;
            // Not before: what fails with its first row has not begun.
            columns.take().into_iter().for_each(|columns| flow.columns(columns));
            flow.row(row).await?;
        }
        columns.take().into_iter().for_each(|columns| flow.columns(columns));
        flow.affected(rows.rows_affected().unwrap_or_default());
        Ok(())
    }

    /// Asks the server, on a connection of its own, to end what runs; waits until it has heard.
    async fn interrupt(&self) -> Result<(), Refusal> {
        let mut socket = dial::dial(&self.address).await?;
        let sent = self.cancel.cancel_query_raw(&mut socket, NoTls).await;
        sent.map_err(|error| Refusal::Unreachable(error.to_string()))?;
        // The server closes it when it has passed the word on: nothing that is asked from now on can be meant.
        let _ = socket.read(&mut [0; 1]).await;
        Ok(())
    }

    /// Waits until the server has answered everything. Answers whether it goes on.
    async fn settled(&self) -> bool {
        match self.client.simple_query("").await {
            Ok(_) => true,
            Err(error) => error.as_db_error().is_some_and(|error| !is_fatal(error)) && !self.is_closed(),
        }
    }

    /// Why a statement came to nothing; whether it may have been done.
    fn refusal(&self, error: &Error, ran: bool, quota: &DatabaseQuota) -> Refusal {
        match (self.seen.breach(), error.as_db_error()) {
            (Some(Breach::TooLarge), _) => Refusal::Result(quota.result),
            (Some(Breach::Copy), _) => Refusal::Invalid(
                "COPY FROM STDIN and TO STDOUT are not possible here; the connection was closed, and what was begun on it \
                 rolled back"
                    .to_owned(),
            ),
            (Some(Breach::Nonsense), _) => {
                Refusal::Lost { why: "the server does not keep to the protocol".to_owned(), ran }
            }
            (None, Some(error)) if is_fatal(error) => Refusal::Lost { why: complaint(error).to_string(), ran },
            (None, Some(error)) => Refusal::Failed(Box::new(complaint(error))),
            (None, None) => Refusal::Lost { why: error.to_string(), ran },
        }
    }
}

/// Whether the server ends the connection by it.
fn is_fatal(error: &DbError) -> bool {
    matches!(error.severity(), "FATAL" | "PANIC") || error.code().code() == "57P01"
}

/// Why there is no connection, in words of the host's own: the server's tell of users and addresses.
fn greeting(error: &Error) -> Refusal {
    let why = match error.as_db_error() {
        Some(error) => {
            let code = error.code().code();
            let what = match code {
                "28P01" => "it does not accept the password",
                "28000" => "it does not let this user in from here",
                "3D000" => "it has no such database",
                "53300" => "it has no connection left",
                "57P03" => "it is starting up or shutting down",
                _ => "it refuses the connection",
            };
            format!("{what} ({code})")
        }
        None => error.to_string(),
    };
    Refusal::Unreachable(why)
}

fn complaint(error: &DbError) -> Complaint {
    let extras = [
        ("hint", error.hint()),
        ("where", error.where_()),
        ("schema", error.schema()),
        ("table", error.table()),
        ("column", error.column()),
        ("datatype", error.datatype()),
        ("constraint", error.constraint()),
        ("routine", error.routine()),
    ];
    let extras = extras.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.to_owned())));
    Complaint {
        severity: error.severity().to_owned(),
        code: error.code().code().to_owned(),
        message: error.message().to_owned(),
        detail: error.detail().map(str::to_owned),
        extras: extras.collect(),
    }
}
