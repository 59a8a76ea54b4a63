//! The state of schedules: up to which tick each has been seen to.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, params};

use super::{Broken, Jobs, enqueue::NewJob, file::Desk};

/// What a schedule's run is made from.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whose plugin it is.
    pub tenant: String,
    /// The plugin.
    pub plugin: String,
    /// What tells the schedule from others of the plugin: when and what.
    pub name: String,
    /// The path that is asked.
    pub path: String,
    /// How long after a tick its run is tried.
    pub patience: Duration,
    /// How often it is tried.
    pub attempts: u32,
}

impl Jobs {
    /// The last tick of each of a plugin's schedules, in milliseconds since 1970. One that is new begins now; those that are
    /// not named are forgotten.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn schedules(&self, tenant: &str, plugin: &str, names: Vec<String>) -> Result<Vec<i64>, Broken> {
        let (tenant, plugin) = (tenant.to_owned(), plugin.to_owned());
        self.ask(move |desk| desk.schedules(&tenant, &plugin, &names)).await
    }

    /// Makes a job of a tick, unless it, or a later one, has been seen to, or a run of the schedule has not begun yet: that one
    /// stands for this tick as well. Both the job and the tick are on the disk, or neither is.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn tick(&self, plan: Plan, tick: i64) -> Result<bool, Broken> {
        self.ask(move |desk| desk.tick(&plan, tick)).await
    }

    /// The time in milliseconds since 1970, as the file has it: the machine's, after everything in the file has gone along when
    /// it was set.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn now(&self) -> Result<i64, Broken> {
        self.ask(|desk| Ok(desk.now)).await
    }
}

impl Desk<'_> {
    fn schedules(&self, tenant: &str, plugin: &str, names: &[String]) -> rusqlite::Result<Vec<i64>> {
        let mut found = self.file.prepare_cached("SELECT name FROM schedule WHERE tenant = ?1 AND plugin = ?2")?;
        let known: Vec<String> =
            found.query_map([tenant, plugin], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for gone in known.iter().filter(|name| !names.contains(name)) {
            self.file
                .prepare_cached("DELETE FROM schedule WHERE tenant = ?1 AND plugin = ?2 AND name = ?3")?
                .execute([tenant, plugin, gone])?;
        }
        let last = |name: &String| {
            if !known.contains(name) {
                self.file
                    .prepare_cached("INSERT INTO schedule (tenant, plugin, name, last) VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![tenant, plugin, name, self.now])?;
            }
            self.file
                .prepare_cached("SELECT last FROM schedule WHERE tenant = ?1 AND plugin = ?2 AND name = ?3")?
                .query_row([tenant, plugin, name], |row| row.get(0))
        };
        names.iter().map(last).collect()
    }

    fn tick(&self, plan: &Plan, tick: i64) -> rusqlite::Result<bool> {
        let Plan { tenant, plugin, name, .. } = plan;
        let moved = self
            .file
            .prepare_cached(
                "UPDATE schedule SET last = ?4 WHERE tenant = ?1 AND plugin = ?2 AND name = ?3 AND last < ?4",
            )?
            .execute(params![tenant, plugin, name, tick])?;
        if moved == 0 {
            return Ok(false);
        }
        let waits = self
            .file
            .prepare_cached(
                "SELECT 1 FROM job WHERE state < 2 AND schedule IS NOT NULL AND tenant = ?1 AND plugin = ?2 AND schedule = ?3",
            )?
            .query_row([tenant, plugin, name], |_| Ok(()))
            .optional()?;
        if waits.is_some() {
            return Ok(false);
        }
        let job = NewJob {
            tenant: tenant.clone(),
            // No plugin's name: what plugins hand in has keys of its own.
            by: String::new(),
            plugin: plugin.clone(),
            key: Some(format!("{name} {tick}")),
            path: plan.path.clone(),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
            delay: Duration::ZERO,
            patience: plan.patience,
            attempts: plan.attempts,
            priority: 0,
        };
        // A tick that was seen to and is remembered is not made a job of again, whatever became of the clock.
        let known = self
            .file
            .prepare_cached("SELECT 1 FROM job WHERE tenant = ?1 AND by = '' AND plugin = ?2 AND key = ?3")?
            .query_row(params![tenant, plugin, job.key], |_| Ok(()))
            .optional()?;
        if known.is_none() {
            self.insert(&job, b"", Some(name))?;
        }
        Ok(known.is_none())
    }
}
