//! MySQL and MariaDB: one connection to a server, as what shares connections asks it.
//!
//! Whatever a connection is told it must hear the answer to, or it is of no more use. So the driver's work owns the
//! connection and is kept here while it goes on: who waits for it may leave, and [`Line::quiet`] still finds it.

mod link;
mod options;
mod parameters;
mod trouble;
mod values;

use std::{future::poll_fn, task::Poll};

use futures_util::future::{BoxFuture, Either, FutureExt as _, select};
use mysql_async::Opts;
use tokio::sync::mpsc::{Receiver, channel};

use self::{
    link::{Link, Piece},
    trouble::Trouble,
};
pub use self::{
    parameters::Parameter,
    values::{Column, Kind, Value},
};
use super::{
    address::Address,
    server::{self, Flow, Refusal, Statement, Wire},
};
use crate::config::DatabaseQuota;

/// A database that a guest has open.
pub type Connection = server::Connection<Line>;

/// One connection.
pub struct Line {
    opts: Opts,
    /// None while something is done with it, and after it was lost.
    link: Option<Link>,
    /// What is done with it.
    work: Option<Work>,
    /// The server's number of it.
    id: u32,
    in_transaction: bool,
}

/// Something that is done with a connection, to its end.
type Work = BoxFuture<'static, (Link, Result<u64, Trouble>)>;

/// What comes of a statement.
enum News {
    Piece(Piece),
    End(Link, Result<u64, Trouble>),
}

impl Wire for Line {
    type Parameter = Parameter;
    type Column = Column;
    type Value = Value;

    async fn connect(address: &Address, quota: &DatabaseQuota) -> Result<Self, Refusal> {
        let (link, opts) = Link::connect(address, quota).await?;
        let id = link.id();
        Ok(Self { opts, link: Some(link), work: None, id, in_transaction: false })
    }

    async fn run(&mut self, statement: &Statement<Parameter>, flow: &mut Flow<'_, Self>) -> Result<(), Refusal> {
        link::check(&statement.text)?;
        let parameters = parameters::bind(&statement.parameters, flow.quota())?;
        let link = self.link.take().ok_or_else(trouble::lost)?;
        let (pieces, mut arriving) = channel(1);
        self.work = Some(link.run(statement.text.clone(), parameters, pieces).boxed());
        let mut columns = Vec::new();
        loop {
            match flow.network(self.news(&mut arriving)).await? {
                News::Piece(Piece::Columns(told)) => {
                    columns = told.iter().map(Column::of).collect();
                    flow.columns(columns.clone());
                }
                News::Piece(Piece::Row(row)) => flow.row(values::row(&columns, row, flow.quota())?).await?,
                News::End(link, how) => {
                    self.take_back(link);
                    flow.affected(how.map_err(|trouble| trouble.refusal(flow.quota()))?);
                    return Ok(());
                }
            }
        }
    }

    fn is_in_transaction(&self) -> bool {
        self.in_transaction
    }

    fn is_closed(&self) -> bool {
        self.link.as_ref().is_none_or(Link::is_closed) && self.work.is_none()
    }

    async fn quiet(&mut self) -> bool {
        let Some(work) = &mut self.work else { return !self.is_closed() };
        // On a task of its own: a long answer that is passed over takes all the turns of this one.
        let (opts, id) = (self.opts.clone(), self.id);
        let kill = tokio::spawn(async move { link::kill(&opts, id).await }).map(|heard| heard.is_ok_and(|heard| heard));
        let (link, how) = match select(work, kill).await {
            Either::Left((done, kill)) => {
                self.work = None;
                // Before it has ended it could still meet the next statement.
                if !kill.await {
                    return false;
                }
                done
            }
            Either::Right((true, work)) => {
                let done = work.await;
                self.work = None;
                done
            }
            Either::Right((false, _)) => return false,
        };
        self.take_back(link);
        if how.is_err_and(|trouble| trouble.is_fatal()) {
            return false;
        }
        self.ask("DO 0").await
    }

    async fn roll_back(&mut self) -> bool {
        self.ask("ROLLBACK").await
    }

    async fn reset(&mut self) -> bool {
        let Some(link) = &mut self.link else { return false };
        let as_new = link.reset().await;
        self.in_transaction = link.is_in_transaction();
        as_new && !self.in_transaction
    }
}

impl Line {
    /// What comes next of what is done. Leaving it loses nothing.
    async fn news(&mut self, arriving: &mut Receiver<Piece>) -> News {
        let mut ended = None;
        poll_fn(|cx| {
            if let Some(work) = &mut self.work
                && let Poll::Ready(done) = work.poll_unpin(cx)
            {
                (self.work, ended) = (None, Some(done));
            }
            match (arriving.poll_recv(cx), ended.take()) {
                (Poll::Ready(Some(piece)), done) => {
                    // What was sent before the end is told before it.
                    self.work = done.map(|done| std::future::ready(done).boxed()).or(self.work.take());
                    Poll::Ready(News::Piece(piece))
                }
                (_, Some((link, how))) => Poll::Ready(News::End(link, how)),
                (_, None) => Poll::Pending,
            }
        })
        .await
    }

    /// Keeps a connection with which nothing is done any more.
    fn take_back(&mut self, link: Link) {
        self.in_transaction = link.is_in_transaction();
        self.link = Some(link);
    }

    /// Runs something that answers no rows. Answers whether it went well.
    async fn ask(&mut self, text: &'static str) -> bool {
        let Some(link) = &mut self.link else { return false };
        let good = link.ask(text).await;
        self.in_transaction = link.is_in_transaction();
        good
    }
}
