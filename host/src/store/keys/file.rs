//! One tenant's file: its tables, and what each question does to them.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{Answer, Op, PAGE, Question, Refusal, Version};
use crate::{
    config::KeyQuota,
    store::sqlite::{Own, Unusable},
};

/// A store counts what it holds, so that no quota needs a look at all of it, and numbers
/// its writes, so that no two entries ever have one version.
const TABLES: &str = "
    CREATE TABLE store (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        keys INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0,
        writes INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE entry (
        id INTEGER PRIMARY KEY,
        store INTEGER NOT NULL REFERENCES store (id),
        key TEXT NOT NULL,
        version INTEGER NOT NULL,
        value BLOB NOT NULL,
        UNIQUE (store, key)
    ) STRICT;
";

/// Who else has the file is waited for: a host that ends lets go of it.
const OWN: Own = Own { format: 1, tables: TABLES, cache: 2048, statements: 32, patience: Duration::from_secs(5) };

/// An open file.
pub(super) struct File(Connection);

/// What a store holds.
struct Held {
    id: i64,
    keys: u64,
    bytes: u64,
    writes: i64,
}

impl File {
    /// Opens the file, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, Unusable> {
        Ok(Self(OWN.open(path, |_| Ok(()))?))
    }

    /// Does what is asked, in this order, and answers once all of it is on the disk.
    ///
    /// # Errors
    /// When the disk or the file fails: then nothing of it is done, as far as is known, and the file is to be opened anew.
    pub(super) fn run<'q>(
        &mut self,
        questions: impl Iterator<Item = &'q Question> + Clone,
        quota: &KeyQuota,
    ) -> Result<Vec<Result<Answer, Refusal>>, Unusable> {
        let behavior = match questions.clone().any(|question| question.op.writes()) {
            true => TransactionBehavior::Immediate,
            false => TransactionBehavior::Deferred,
        };
        let transaction = self.0.transaction_with_behavior(behavior)?;
        let answers = questions.map(|question| settled(question.answer(&transaction, quota)));
        let answers = answers.collect::<rusqlite::Result<_>>()?;
        transaction.commit()?;
        Ok(answers)
    }
}

/// Why one question came to nothing.
enum Fault {
    /// It alone.
    Refused(Refusal),
    /// With all others.
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn settled(answer: Result<Answer, Fault>) -> rusqlite::Result<Result<Answer, Refusal>> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(Fault::Refused(refusal)) => Ok(Err(refusal)),
        Err(Fault::Failed(error)) => Err(error),
    }
}

impl Op {
    fn writes(&self) -> bool {
        !matches!(self, Self::Get(_) | Self::Exists(_) | Self::Keys(_))
    }
}

impl Question {
    fn answer(&self, file: &Transaction<'_>, quota: &KeyQuota) -> Result<Answer, Fault> {
        let held = held(file, &self.store)?;
        Ok(match (&self.op, held) {
            (Op::Get(key), Some(held)) => match entry(file, &held, key)? {
                Some((version, value)) => Answer::Value(Some(value), Version(Some(version))),
                None => Answer::Value(None, Version(None)),
            },
            (Op::Get(_), None) => Answer::Value(None, Version(None)),
            (Op::Exists(key), held) => Answer::Is(size(file, held.as_ref(), key)?.is_some()),
            (Op::Keys(after), Some(held)) => Answer::Keys(page(file, &held, after.as_deref())?),
            (Op::Keys(_), None) => Answer::Keys(Vec::new()),
            (Op::Delete(key), held) => {
                held.map(|held| delete(file, &held, key)).transpose()?;
                Answer::Done
            }
            (Op::Set(key, value), held) => {
                set(file, &self.store, held, quota, key, value)?;
                Answer::Done
            }
            (Op::Increment(key, delta), held) => {
                let before = held.as_ref().map(|held| entry(file, held, key)).transpose()?.flatten();
                let sum = number(before.map(|(_, value)| value))?.checked_add(*delta).ok_or(Refusal::NoNumber)?;
                set(file, &self.store, held, quota, key, sum.to_string().as_bytes())?;
                Answer::Number(sum)
            }
            (Op::Swap(key, Version(seen), value), held) => {
                let now = held.as_ref().map(|held| version(file, held, key)).transpose()?.flatten();
                let same = now == *seen;
                if same {
                    set(file, &self.store, held, quota, key, value)?;
                }
                Answer::Is(same)
            }
        })
    }
}

fn held(file: &Transaction<'_>, store: &str) -> rusqlite::Result<Option<Held>> {
    let mut found = file.prepare_cached("SELECT id, keys, bytes, writes FROM store WHERE name = ?1")?;
    let read = |row: &rusqlite::Row<'_>| {
        let count = |index| row.get::<_, i64>(index).map(|count| count.max(0).unsigned_abs());
        Ok(Held { id: row.get(0)?, keys: count(1)?, bytes: count(2)?, writes: row.get(3)? })
    };
    found.query_row([store], read).optional()
}

/// A store that is about to be written to.
fn made(file: &Transaction<'_>, store: &str, quota: &KeyQuota) -> Result<Held, Fault> {
    let stores: i64 = file.query_row("SELECT count(*) FROM store", [], |row| row.get(0))?;
    if stores.max(0).unsigned_abs() >= quota.stores {
        return Err(Refusal::Stores(quota.stores).into());
    }
    file.execute("INSERT INTO store (name) VALUES (?1)", [store])?;
    Ok(Held { id: file.last_insert_rowid(), keys: 0, bytes: 0, writes: 0 })
}

fn entry(file: &Transaction<'_>, held: &Held, key: &str) -> rusqlite::Result<Option<(i64, Vec<u8>)>> {
    let mut found = file.prepare_cached("SELECT version, value FROM entry WHERE store = ?1 AND key = ?2")?;
    found.query_row(params![held.id, key], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

fn version(file: &Transaction<'_>, held: &Held, key: &str) -> rusqlite::Result<Option<i64>> {
    let mut found = file.prepare_cached("SELECT version FROM entry WHERE store = ?1 AND key = ?2")?;
    found.query_row(params![held.id, key], |row| row.get(0)).optional()
}

/// The bytes that a key counts for, if it is there.
fn size(file: &Transaction<'_>, held: Option<&Held>, key: &str) -> rusqlite::Result<Option<u64>> {
    let Some(held) = held else { return Ok(None) };
    let mut found = file.prepare_cached("SELECT length(value) FROM entry WHERE store = ?1 AND key = ?2")?;
    let value: Option<i64> = found.query_row(params![held.id, key], |row| row.get(0)).optional()?;
    Ok(value.map(|value| value.max(0).unsigned_abs() + key.len() as u64))
}

fn page(file: &Transaction<'_>, held: &Held, after: Option<&str>) -> rusqlite::Result<Vec<String>> {
    // An empty key is a key as well: none is behind nothing.
    let mut found = file
        .prepare_cached("SELECT key FROM entry WHERE store = ?1 AND (?2 IS NULL OR key > ?2) ORDER BY key LIMIT ?3")?;
    found.query_map(params![held.id, after, PAGE as i64], |row| row.get(0))?.collect()
}

fn delete(file: &Transaction<'_>, held: &Held, key: &str) -> rusqlite::Result<()> {
    let Some(size) = size(file, Some(held), key)? else { return Ok(()) };
    file.prepare_cached("DELETE FROM entry WHERE store = ?1 AND key = ?2")?.execute(params![held.id, key])?;
    count(file, &Held { keys: held.keys.saturating_sub(1), bytes: held.bytes.saturating_sub(size), ..*held })
}

fn set(
    file: &Transaction<'_>,
    store: &str,
    held: Option<Held>,
    quota: &KeyQuota,
    key: &str,
    value: &[u8],
) -> Result<(), Fault> {
    let before = size(file, held.as_ref(), key)?;
    let (keys, bytes) = held.as_ref().map_or((0, 0), |held| (held.keys, held.bytes));
    let keys = keys + u64::from(before.is_none());
    let bytes = bytes.saturating_sub(before.unwrap_or(0)) + (key.len() + value.len()) as u64;
    if before.is_none() && keys > quota.keys {
        return Err(Refusal::Keys(quota.keys).into());
    }
    // What shrinks a store is always done, also one that is past a quota which was lowered.
    if bytes > quota.bytes && bytes > held.as_ref().map_or(0, |held| held.bytes) {
        return Err(Refusal::Bytes(quota.bytes).into());
    }
    let held = held.map_or_else(|| made(file, store, quota), Ok)?;
    let held = Held { keys, bytes, writes: held.writes + 1, ..held };
    file.prepare_cached(
        "INSERT INTO entry (store, key, version, value) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (store, key) DO UPDATE SET version = excluded.version, value = excluded.value",
    )?
    .execute(params![held.id, key, held.writes, value])?;
    Ok(count(file, &held)?)
}

fn count(file: &Transaction<'_>, held: &Held) -> rusqlite::Result<()> {
    let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    file.prepare_cached("UPDATE store SET keys = ?2, bytes = ?3, writes = ?4 WHERE id = ?1")?
        .execute(params![held.id, whole(held.keys), whole(held.bytes), held.writes])
        .map(drop)
}

fn number(value: Option<Vec<u8>>) -> Result<i64, Refusal> {
    let Some(value) = value else { return Ok(0) };
    String::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(Refusal::NoNumber)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(key: &str, op: impl FnOnce(String) -> Op) -> Question {
        Question { store: "s".to_owned(), op: op(key.to_owned()) }
    }

    fn set(key: &str, bytes: usize) -> Question {
        about(key, |key| Op::Set(key, vec![b'x'; bytes]))
    }

    #[test]
    fn a_full_disk_undoes_the_whole_batch_and_leaves_what_was_answered() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, quota) = (folder.path().join("a.sqlite"), KeyQuota::default());
        let mut file = File::open(&path).expect("it is made");
        file.run([set("before", 10)].iter(), &quota).expect("there is room");
        file.0.pragma_update(None, "max_page_count", 16).expect("it is set");
        let broken = file.run([set("small", 10), set("large", 1 << 20)].iter(), &quota).expect_err("there is no room");
        assert!(broken.for_guests().contains("full"), "{broken}");
        drop(file);
        let mut file = File::open(&path).expect("it is opened anew");
        let asked = ["before", "small", "large"].map(|key| about(key, Op::Exists));
        let answers = file.run(asked.iter(), &quota).expect("it can be read");
        assert_eq!(answers, [true, false, false].map(|is| Ok(Answer::Is(is))));
    }

    #[test]
    fn a_guest_hears_nothing_of_the_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sqlite");
        std::fs::create_dir(&path).expect("a folder in the file's place");
        let broken = File::open(&path).err().expect("it is no file");
        let (told, logged) = (broken.for_guests(), broken.to_string());
        assert!(logged.contains("a.sqlite") && !told.contains("a.sqlite"), "{told} {logged}");
        assert!(told.contains("unable to open"), "{told}");
        let broken = File::open(&folder.path().join("a.sqlite/b/c")).err();
        assert!(broken.is_none(), "what is missing above it is made");
    }
}
