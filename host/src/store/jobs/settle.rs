//! How an attempt ended, and what becomes of the job.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, params};

use super::{
    Broken, Jobs, Lease,
    clock::whole,
    file::{DEAD, DONE, Desk, KEPT_PATH, READY, WAITING},
    look::State,
};

/// The longest reason that is kept, in bytes.
const MOST_WHY: usize = 512;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it should.
    Done,
    /// It may be tried again after a pause, as often as the job may be tried.
    Failed(String, Duration),
    /// It was not begun: it is tried again after a pause, until its deadline.
    Unbegun(String, Duration),
    /// There is no use in trying again.
    Hopeless(String),
    /// The host ends: it is tried again at once by whoever comes next.
    CutShort,
}

impl Jobs {
    /// Says how an attempt ended, and answers what the job is at now: none when it was cancelled meanwhile.
    ///
    /// # Errors
    /// A file that cannot be used: the job is still held to run, and this is to be said again.
    pub async fn settle(&self, job: Lease, ended: Ended) -> Result<Option<State>, Broken> {
        let Lease(n) = job;
        self.ask(move |desk| desk.settle(n, &ended)).await
    }
}

impl Desk<'_> {
    fn settle(&self, n: i64, ended: &Ended) -> rusqlite::Result<Option<State>> {
        self.went.borrow_mut().settled.push(n);
        let mut found =
            self.file.prepare_cached("SELECT attempt, attempts, deadline FROM job WHERE n = ?1 AND state = 2")?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let Some((attempt, attempts, deadline)): Option<(i64, i64, i64)> = found.query_row([n], read).optional()?
        else {
            return Ok(None);
        };
        let due = |pause: &Duration| self.now.saturating_add(whole(pause.as_millis()));
        let (state, attempt, due, why) = match ended {
            Ended::Done => (DONE, attempt, self.now, None),
            Ended::Failed(why, _) if attempt >= attempts => {
                (DEAD, attempt, self.now, Some(format!("attempt {attempt} of {attempts}: {why}")))
            }
            Ended::Failed(why, pause) if due(pause) >= deadline => {
                (DEAD, attempt, self.now, Some(format!("its deadline comes before the next attempt: {why}")))
            }
            Ended::Unbegun(why, pause) if due(pause) >= deadline => {
                (DEAD, attempt - 1, self.now, Some(format!("its deadline comes before it could begin: {why}")))
            }
            Ended::Failed(why, pause) => (WAITING, attempt, due(pause), Some(why.clone())),
            Ended::Unbegun(why, pause) => (WAITING, attempt - 1, due(pause), Some(why.clone())),
            Ended::Hopeless(why) => (DEAD, attempt, self.now, Some(why.clone())),
            Ended::CutShort => (READY, attempt - 1, self.now, None),
        };
        let over = (state == DEAD || state == DONE).then_some(self.now);
        let why = why.map(|why| why[..why.floor_char_boundary(MOST_WHY)].to_owned());
        self.file
            .prepare_cached(
                "UPDATE job SET state = ?2, attempt = ?3, due = ?4, why = ?5, ended = ?6,
                                path = CASE ?2 WHEN 4 THEN substr(path, 1, ?7) ELSE path END
                 WHERE n = ?1",
            )?
            .execute(params![n, state, attempt, due, why, over, KEPT_PATH])?;
        self.is_news.set(true);
        Ok(Some(State::of(state)))
    }
}
