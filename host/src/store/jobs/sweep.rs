//! What time does to jobs: those that are due are ready, those past their deadlines are dead, those that are over are forgotten.

use std::time::Duration;

use rusqlite::params;

use super::{clock::whole, file::Desk};

/// Dead jobs are kept so long, for somebody to look at: two weeks.
const DEAD_KEPT: i64 = 14 * 24 * 3_600_000;

/// Jobs of a tenant that are remembered after they are over, however short ago that was.
const MOST_OVER: i64 = 100_000;

/// Rows that are changed or removed in one go: no question waits longer for it than for a few others, however many jobs of
/// one tenant are due in the same moment.
const AT_ONCE: i64 = 500;

/// How long what is over is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Keeping(pub Duration);

impl Desk<'_> {
    /// Brings all jobs up to the present.
    pub(super) fn sweep(&self) -> rusqlite::Result<()> {
        let expired = "its deadline came before it was done";
        self.file
            .prepare_cached(
                "UPDATE job SET state = 3, ended = ?1, why = ?2 || coalesce(': ' || why, '') WHERE n IN
                     (SELECT n FROM job WHERE state < 2 AND deadline <= ?1 ORDER BY deadline LIMIT ?3)",
            )?
            .execute(params![self.now, expired, AT_ONCE])?;
        // The rest of them is what `next` says is due now.
        self.file
            .prepare_cached(
                "UPDATE job SET state = 1 WHERE n IN
                     (SELECT n FROM job WHERE state = 0 AND due <= ?1 ORDER BY due LIMIT ?2)",
            )?
            .execute([self.now, AT_ONCE])?;
        self.forget()
    }

    fn forget(&self) -> rusqlite::Result<()> {
        self.file
            .prepare_cached(
                "DELETE FROM job WHERE n IN (SELECT n FROM job WHERE state = 3 AND ended < ?1 ORDER BY ended LIMIT ?2)",
            )?
            .execute([self.now - DEAD_KEPT, AT_ONCE])?;
        let before = self.now.saturating_sub(whole(self.keeping.0.as_millis()));
        let mut tenants =
            self.file.prepare_cached("SELECT tenant, sum(jobs) FROM tally WHERE state > 3 GROUP BY tenant")?;
        let tenants = tenants.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (tenant, over) in tenants.collect::<rusqlite::Result<Vec<(String, i64)>>>()? {
            // The oldest first: as many as are old, and as many as are too many.
            self.file
                .prepare_cached(
                    "DELETE FROM job WHERE n IN (
                         SELECT n FROM (SELECT n, ended, row_number() OVER () AS place FROM
                             (SELECT n, ended FROM job WHERE state > 3 AND tenant = ?1 ORDER BY ended LIMIT ?4))
                         WHERE ended < ?2 OR place <= ?3)",
                )?
                .execute(params![tenant, before, over - MOST_OVER, AT_ONCE])?;
        }
        Ok(())
    }
}
