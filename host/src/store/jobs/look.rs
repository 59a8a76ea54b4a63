//! Jobs as operators and their owners see them, and what they may do to them.

use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::{
    Broken, Jobs,
    file::{CANCELLED, DEAD, DONE, Desk, KEPT_PATH, READY, RUNNING, WAITING},
};

/// Jobs on one page.
const PAGE: u32 = 100;

/// What a job is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is not due yet: delayed, or between two attempts.
    Waiting,
    /// It is due, and runs when its turn comes.
    Ready,
    /// An attempt is under way.
    Running,
    /// It is not tried any more, and kept to be looked at.
    Dead,
    /// It was answered with a status of 2xx.
    Done,
    /// Somebody called it off.
    Cancelled,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Waiting, Self::Ready, Self::Running, Self::Dead, Self::Done, Self::Cancelled];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Dead => "dead",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    pub(super) fn of(number: i64) -> Self {
        match number {
            WAITING => Self::Waiting,
            READY => Self::Ready,
            RUNNING => Self::Running,
            DEAD => Self::Dead,
            DONE => Self::Done,
            _ => Self::Cancelled,
        }
    }

    fn number(self) -> i64 {
        match self {
            Self::Waiting => WAITING,
            Self::Ready => READY,
            Self::Running => RUNNING,
            Self::Dead => DEAD,
            Self::Done => DONE,
            Self::Cancelled => CANCELLED,
        }
    }
}

/// Which jobs are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// For this plugin.
    pub plugin: Option<String>,
    /// Behind the job with this id: the next page.
    pub after: Option<String>,
}

/// One job of a list. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub tenant: String,
    /// The plugin that it is for.
    pub plugin: String,
    /// The plugin that handed it in; empty for a schedule's run.
    pub by: String,
    /// What it is at.
    pub state: State,
    /// Its key.
    pub key: Option<String>,
    /// The path with its query.
    pub path: String,
    /// Attempts made, the one under way included.
    pub attempt: u32,
    /// How many there may be.
    pub attempts: u32,
    /// Higher ones come first.
    pub priority: i8,
    /// When it was handed in.
    pub made: i64,
    /// When it is, or was, due.
    pub due: i64,
    /// When it is not tried any more.
    pub deadline: i64,
    /// When it ended.
    pub ended: Option<i64>,
    /// Why the last attempt came to nothing.
    pub why: Option<String>,
}

/// A job with its request. One that is over has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What a list shows of it.
    pub line: Line,
    /// The request's headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The request's body.
    pub body: Vec<u8>,
}

/// How many jobs of a plugin are at something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Whose they are.
    pub tenant: String,
    /// The plugin that they are for.
    pub plugin: String,
    /// What they are at.
    pub state: State,
    /// How many.
    pub jobs: u64,
    /// Their size.
    pub bytes: u64,
}

/// Why something cannot be done to a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Nobody has it, or not any more.
    #[error("there is no job {0}")]
    Unknown(String),
    /// It is at something else.
    #[error("the job {0} is {state}: {1}", state = .2.name())]
    State(String, &'static str, State),
}

const LINE: &str =
    "id, tenant, plugin, by, state, key, path, attempt, attempts, priority, made, due, deadline, ended, why";

impl Jobs {
    /// A page of jobs, the newest first.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn list(&self, filter: Filter) -> Result<Vec<Line>, Broken> {
        self.ask(move |desk| desk.list(&filter)).await
    }

    /// One job with its request, whosever it is.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn show(&self, id: &str) -> Result<Option<Shown>, Broken> {
        let id = id.to_owned();
        self.ask(move |desk| desk.show(&id)).await
    }

    /// What a list shows of one job, if it is this tenant's and this plugin has handed it in. Its request is not read: whoever
    /// asks often must not cost what the request holds.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn find(&self, id: &str, tenant: &str, by: &str) -> Result<Option<Line>, Broken> {
        let [id, tenant, by] = [id, tenant, by].map(str::to_owned);
        self.ask(move |desk| desk.find(&id, &tenant, &by)).await
    }

    /// Gives a dead job all of its attempts and its time again.
    ///
    /// # Errors
    /// A file that cannot be used; or in the answer, why it cannot be.
    pub async fn requeue(&self, id: &str) -> Result<Result<(), Unfit>, Broken> {
        let id = id.to_owned();
        self.ask(move |desk| desk.requeue(&id)).await
    }

    /// Calls a job off that is not over; its request is forgotten. Answers whether it was running: that attempt is for the
    /// caller to end.
    ///
    /// # Errors
    /// A file that cannot be used; or in the answer, why it cannot be.
    pub async fn cancel(&self, id: &str) -> Result<Result<bool, Unfit>, Broken> {
        let id = id.to_owned();
        self.ask(move |desk| desk.cancel(&id)).await
    }

    /// How many jobs of each plugin are at what.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn tallies(&self) -> Result<Vec<Tally>, Broken> {
        self.ask(|desk| desk.tallies()).await
    }
}

impl Desk<'_> {
    fn list(&self, filter: &Filter) -> rusqlite::Result<Vec<Line>> {
        // Without a state every row, with one that state's: both in the order of their numbers.
        let of_state = if filter.state.is_some() { "state = ?1" } else { "?1 IS NULL" };
        let mut found = self.file.prepare_cached(&format!(
            "SELECT {LINE} FROM job WHERE {of_state} AND (?2 IS NULL OR tenant = ?2) AND (?3 IS NULL OR plugin = ?3)
             AND (?4 IS NULL OR n < (SELECT n FROM job WHERE id = ?4)) ORDER BY n DESC LIMIT ?5"
        ))?;
        let state = filter.state.map(State::number);
        found.query_map(params![state, filter.tenant, filter.plugin, filter.after, PAGE], line)?.collect()
    }

    fn show(&self, id: &str) -> rusqlite::Result<Option<Shown>> {
        let mut found = self.file.prepare_cached(&format!(
            "SELECT {LINE}, headers, body FROM job LEFT JOIN request ON job = n WHERE id = ?1"
        ))?;
        let read = |row: &Row<'_>| {
            let headers: Option<Vec<u8>> = row.get(15)?;
            let headers = headers.and_then(|headers| serde_json::from_slice(&headers).ok()).unwrap_or_default();
            let body: Option<Vec<u8>> = row.get(16)?;
            Ok(Shown { line: line(row)?, headers, body: body.unwrap_or_default() })
        };
        found.query_row([id], read).optional()
    }

    fn find(&self, id: &str, tenant: &str, by: &str) -> rusqlite::Result<Option<Line>> {
        let mut found =
            self.file.prepare_cached(&format!("SELECT {LINE} FROM job WHERE id = ?1 AND tenant = ?2 AND by = ?3"))?;
        found.query_row([id, tenant, by], line).optional()
    }

    fn requeue(&self, id: &str) -> rusqlite::Result<Result<(), Unfit>> {
        match self.state(id)? {
            None => return Ok(Err(Unfit::Unknown(id.to_owned()))),
            Some(State::Dead) => {}
            Some(state) => return Ok(Err(Unfit::State(id.to_owned(), "only a dead one can be requeued", state))),
        }
        self.file
            .prepare_cached(
                "UPDATE job SET state = 1, attempt = 0, crashes = 0, due = ?2, deadline = ?2 + patience, ended = NULL
                 WHERE id = ?1",
            )?
            .execute(params![id, self.now])?;
        self.is_news.set(true);
        Ok(Ok(()))
    }

    fn cancel(&self, id: &str) -> rusqlite::Result<Result<bool, Unfit>> {
        let was_running = match self.state(id)? {
            None => return Ok(Err(Unfit::Unknown(id.to_owned()))),
            Some(state @ (State::Done | State::Cancelled)) => {
                return Ok(Err(Unfit::State(id.to_owned(), "it is over already", state)));
            }
            Some(state) => state == State::Running,
        };
        self.file
            .prepare_cached("UPDATE job SET state = 5, ended = ?2, path = substr(path, 1, ?3) WHERE id = ?1")?
            .execute(params![id, self.now, KEPT_PATH])?;
        Ok(Ok(was_running))
    }

    fn state(&self, id: &str) -> rusqlite::Result<Option<State>> {
        let mut found = self.file.prepare_cached("SELECT state FROM job WHERE id = ?1")?;
        found.query_row([id], |row| Ok(State::of(row.get(0)?))).optional()
    }

    fn tallies(&self) -> rusqlite::Result<Vec<Tally>> {
        let mut found = self.file.prepare_cached(
            "SELECT tenant, plugin, state, jobs, bytes FROM tally WHERE jobs > 0 ORDER BY tenant, plugin, state",
        )?;
        let read = |row: &Row<'_>| {
            let count = |index| row.get::<_, i64>(index).map(|count| count.max(0).unsigned_abs());
            let (tenant, plugin) = (row.get(0)?, row.get(1)?);
            Ok(Tally { tenant, plugin, state: State::of(row.get(2)?), jobs: count(3)?, bytes: count(4)? })
        };
        found.query_map([], read)?.collect()
    }
}

fn line(row: &Row<'_>) -> rusqlite::Result<Line> {
    Ok(Line {
        id: row.get(0)?,
        tenant: row.get(1)?,
        plugin: row.get(2)?,
        by: row.get(3)?,
        state: State::of(row.get(4)?),
        key: row.get(5)?,
        path: row.get(6)?,
        attempt: row.get(7)?,
        attempts: row.get(8)?,
        priority: row.get(9)?,
        made: row.get(10)?,
        due: row.get(11)?,
        deadline: row.get(12)?,
        ended: row.get(13)?,
        why: row.get(14)?,
    })
}
