//! Jobs that are handed out to be run: of each tenant in turn.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use bytes::Bytes;
use rusqlite::{OptionalExtension as _, params};

use super::{Broken, Jobs, file::Desk};

/// What there is room for.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// Jobs in the whole host.
    pub free: u32,
    /// Jobs of each live plugin, by tenant and name. Those of others wait.
    pub plugins: HashMap<(String, String), u32>,
    /// Jobs of each tenant that run now.
    pub held: HashMap<String, u32>,
    /// Whether there are several tenants: then none takes what is left for the others.
    pub shared: bool,
    /// Whose turn it was last.
    pub after: Option<String>,
}

/// The right to run a job, until its end is told or the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(pub(super) i64);

/// A job that is to be run.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// What its end is told by.
    pub lease: Lease,
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub tenant: String,
    /// The plugin that it is for.
    pub plugin: String,
    /// Its key, if it was given one.
    pub key: Option<String>,
    /// For a schedule's run: the tick that it is for, in milliseconds since 1970.
    pub tick: Option<i64>,
    /// The path with its query.
    pub path: String,
    /// As they were sent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// As it was sent.
    pub body: Bytes,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many there may be.
    pub attempts: u32,
}

/// What was handed out.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// To be run now.
    pub jobs: Vec<Claimed>,
    /// Whose turn it was last.
    pub last: Option<String>,
    /// When the next one will be due, or past its deadline; none when none waits.
    pub next: Option<Duration>,
}

impl Jobs {
    /// Hands out what is due, as far as there is room. Before that, jobs past their deadlines are dead.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn claim(&self, room: Room) -> Result<Claims, Broken> {
        self.ask(move |desk| desk.claim(room)).await
    }
}

/// The first job of a plugin in line.
struct Head {
    n: i64,
    plugin: String,
    /// Higher first, then earlier.
    rank: (i64, i64, i64),
}

impl Desk<'_> {
    fn claim(&self, mut room: Room) -> rusqlite::Result<Claims> {
        self.sweep()?;
        let mut lines = self.lines(&room)?;
        let mut claims = Claims { last: room.after.take(), ..Claims::default() };
        while room.free > 0 {
            lines.retain(|tenant, heads| !heads.is_empty() && room.has_turn(tenant));
            let Some(tenant) = next(&lines, claims.last.as_deref()) else { break };
            let heads = lines.get_mut(&tenant).expect("it was just found");
            let first = (0..heads.len()).min_by_key(|index| heads[*index].rank).expect("it is not empty");
            let head = heads.swap_remove(first);
            claims.jobs.push(self.take(head.n)?);
            room.taken(&tenant, &head.plugin);
            if room.plugins.get(&(tenant.clone(), head.plugin.clone())).is_some_and(|free| *free > 0) {
                heads.extend(self.head(&tenant, &head.plugin)?);
            }
            claims.last = Some(tenant);
        }
        claims.next = self.next()?;
        Ok(claims)
    }

    /// For each tenant the first jobs of its live plugins that have room.
    fn lines(&self, room: &Room) -> rusqlite::Result<BTreeMap<String, Vec<Head>>> {
        let mut lines: BTreeMap<String, Vec<Head>> = BTreeMap::new();
        let mut found = self.file.prepare_cached("SELECT tenant, plugin FROM tally WHERE state = 1 AND jobs > 0")?;
        let found = found.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for who in found.collect::<rusqlite::Result<Vec<(String, String)>>>()? {
            if room.plugins.get(&who).is_some_and(|free| *free > 0) {
                let head = self.head(&who.0, &who.1)?;
                lines.entry(who.0).or_default().extend(head);
            }
        }
        Ok(lines)
    }

    fn head(&self, tenant: &str, plugin: &str) -> rusqlite::Result<Option<Head>> {
        let mut found = self.file.prepare_cached(
            "SELECT n, priority, due FROM job WHERE state = 1 AND tenant = ?1 AND plugin = ?2
             ORDER BY priority DESC, due, n LIMIT 1",
        )?;
        let read = |row: &rusqlite::Row<'_>| {
            let (n, priority, due): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Head { n, plugin: plugin.to_owned(), rank: (-priority, due, n) })
        };
        found.query_row([tenant, plugin], read).optional()
    }

    fn take(&self, n: i64) -> rusqlite::Result<Claimed> {
        self.file.prepare_cached("UPDATE job SET state = 2, attempt = attempt + 1 WHERE n = ?1")?.execute([n])?;
        self.went.borrow_mut().claimed.push(n);
        let mut found = self.file.prepare_cached(
            "SELECT id, tenant, plugin, key, schedule, due, path, headers, body, attempt, attempts, made
             FROM job JOIN request ON job = n WHERE n = ?1",
        )?;
        found.query_row(params![n], |row| {
            let headers: Vec<u8> = row.get(7)?;
            let is_tick = row.get::<_, Option<String>>(4)?.is_some();
            // A schedule's key is its tick.
            let key: Option<String> = row.get(3)?;
            Ok(Claimed {
                lease: Lease(n),
                id: row.get(0)?,
                tenant: row.get(1)?,
                plugin: row.get(2)?,
                tick: key.as_ref().filter(|_| is_tick).and_then(|key| key.rsplit(' ').next()?.parse().ok()),
                key: key.filter(|_| !is_tick),
                path: row.get(6)?,
                headers: serde_json::from_slice(&headers).unwrap_or_default(),
                body: row.get::<_, Vec<u8>>(8)?.into(),
                attempt: row.get(9)?,
                attempts: row.get(10)?,
            })
        })
    }

    fn next(&self) -> rusqlite::Result<Option<Duration>> {
        let mut found = self.file.prepare_cached(
            "SELECT min(at) FROM (SELECT min(due) AS at FROM job WHERE state = 0
                                  UNION ALL SELECT min(deadline) FROM job WHERE state < 2)",
        )?;
        let at: Option<i64> = found.query_row([], |row| row.get(0))?;
        Ok(at.map(|at| Duration::from_millis(at.saturating_sub(self.now).max(0).unsigned_abs())))
    }
}

impl Room {
    /// With others about, a tenant takes no more than what it leaves free: however many it has, somebody else can begin.
    fn has_turn(&self, tenant: &str) -> bool {
        !self.shared || self.held.get(tenant).copied().unwrap_or(0) < self.free
    }

    fn taken(&mut self, tenant: &str, plugin: &str) {
        self.free -= 1;
        *self.held.entry(tenant.to_owned()).or_default() += 1;
        if let Some(free) = self.plugins.get_mut(&(tenant.to_owned(), plugin.to_owned())) {
            *free -= 1;
        }
    }
}

/// The tenant behind this one, and behind the last the first.
fn next<T>(lines: &BTreeMap<String, T>, last: Option<&str>) -> Option<String> {
    let behind = lines.keys().find(|tenant| last.is_none_or(|last| tenant.as_str() > last));
    behind.or_else(|| lines.keys().next()).cloned()
}
