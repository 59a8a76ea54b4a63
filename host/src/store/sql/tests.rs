//! Databases from outside of their threads: what is kept, what is set back, what is refused, and what waits for what.

use std::time::Instant;

use tempfile::TempDir;

use super::{guard::heap, *};

const SHORT: Duration = Duration::from_millis(300);

/// Far beyond all that is waited for here.
const LONG: Duration = Duration::from_secs(20);

struct House {
    _folder: TempDir,
    tenant: Arc<Tenant>,
}

impl House {
    fn new(quota: SqlQuota) -> Self {
        let folder = TempDir::new().expect("a folder");
        let tenant = SqlFiles::new(folder.path()).tenant("default", quota);
        Self { _folder: folder, tenant }
    }

    async fn session(&self, database: &str) -> Arc<Session> {
        Arc::new(self.tenant.session(&Arc::from(database), LONG).await.expect("a connection"))
    }
}

impl Default for House {
    fn default() -> Self {
        Self::new(SqlQuota::default())
    }
}

fn asking(text: &str, parameters: &[Value]) -> Statement {
    Statement { text: text.to_owned(), parameters: parameters.to_vec() }
}

async fn ask(session: &Arc<Session>, text: &str) -> Result<Vec<Row>, Refusal> {
    session.run(asking(text, &[])).await?.all().await
}

async fn number(session: &Arc<Session>, text: &str) -> i64 {
    match &ask(session, text).await.expect("an answer")[..] {
        [row] => match row[..] {
            [Value::Integer(number)] => number,
            _ => panic!("{text}: {row:?}"),
        },
        rows => panic!("{text}: {rows:?}"),
    }
}

#[tokio::test]
async fn every_value_comes_back_as_it_was_given() {
    let house = House::default();
    let session = house.session("main").await;
    ask(&session, "CREATE TABLE t (v ANY) STRICT").await.expect("it is made");
    let values = [
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Integer(i64::MAX),
        Value::Real(-0.0),
        Value::Real(f64::INFINITY),
        Value::Real(f64::MIN_POSITIVE),
        Value::Text(String::new()),
        Value::Text("é\0'; DROP TABLE t; --🐘".to_owned()),
        Value::Blob(Vec::new()),
        Value::Blob((0..=255).collect()),
    ];
    for value in &values {
        session.run(asking("INSERT INTO t VALUES (?1)", std::slice::from_ref(value))).await.expect("it is kept");
    }
    let mut rows =
        session.run(asking("SELECT v, v AS again FROM t ORDER BY rowid", &[])).await.expect("they are there");
    assert_eq!(rows.columns(), ["v", "again"]);
    let rows = rows.all().await.expect("all of them");
    assert_eq!(rows, values.map(|value| vec![value.clone(), value]));
    assert_eq!((session.changes(), session.last_rowid()), (1, 10));
    let nan = session.run(asking("SELECT ?", &[Value::Real(f64::NAN)])).await.expect_err("it would be NULL");
    assert!(nan.to_string().contains("NaN"), "{nan}");
    let text = ask(&session, "SELECT CAST(x'ff' AS TEXT) AS t").await.expect_err("it is no text");
    assert!(text.to_string().contains("CAST(t AS BLOB)"), "{text}");
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let house = House::default();
    let session = house.session("main").await;
    ask(&session, "CREATE TABLE t (a INTEGER PRIMARY KEY)").await.expect("it is made");
    ask(&session, "INSERT INTO t VALUES (1)").await.expect("it is kept");
    for (text, words) in [
        ("SELEC 1", "syntax error"),
        ("SELECT ?", "has 1 parameters and 0 were given"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("INSERT INTO t VALUES (1)", "UNIQUE constraint failed: t.a"),
        ("SELECT * FROM nowhere", "no such table: nowhere"),
        ("ATTACH '/tmp/other' AS other", "ATTACH, DETACH or VACUUM is not allowed here"),
        ("VACUUM", "not allowed here"),
        ("VACUUM INTO '/tmp/other'", "not allowed here"),
        ("PRAGMA journal_mode = DELETE", "PRAGMA journal_mode is not allowed here"),
        ("PRAGMA database_list", "not allowed here"),
        ("SELECT * FROM pragma_database_list", "not allowed here"),
        ("SELECT load_extension('x')", "not allowed here"),
        ("PRAGMA writable_schema = ON", "not allowed here"),
        ("CREATE VIRTUAL TABLE d USING dbstat", "a virtual table of dbstat is not allowed here"),
        ("DELETE FROM sqlite_schema", "may not be modified"),
        ("SELECT zeroblob(2000000000)", "may have 1MiB"),
        ("", "API misuse"),
    ] {
        let refusal = ask(&session, text).await.expect_err("it is refused");
        assert!(refusal.to_string().contains(words), "{text}: {refusal}");
    }
    let long = format!("SELECT 1 {}", "+ 1".repeat(1000));
    assert!(ask(&session, &long).await.expect_err("it is deep").to_string().contains("Expression tree is too large"));
    let longer = " ".repeat(MAX_STATEMENT + 1);
    assert!(ask(&session, &longer).await.expect_err("it is long").to_string().contains("1048576 bytes"));
    assert_eq!(number(&session, "SELECT count(*) FROM t").await, 1, "it goes on");
    for text in [
        "PRAGMA table_info(t)",
        "PRAGMA journal_mode = wal",
        "CREATE VIRTUAL TABLE f USING fts5(x)",
        "INSERT INTO f VALUES ('some words')",
        "SELECT * FROM f WHERE f MATCH 'words'",
        "CREATE VIRTUAL TABLE r USING rtree(id, a, b)",
        "ALTER TABLE t ADD COLUMN b TEXT CHECK (length(b) < 10)",
        "ALTER TABLE t RENAME COLUMN b TO c",
        "ALTER TABLE t DROP COLUMN c",
        "ANALYZE",
        "REINDEX",
        "EXPLAIN QUERY PLAN SELECT * FROM t",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT * FROM n",
        "SELECT json_extract('{\"a\": 1}', '$.a') FROM json_each('[1]')",
        "SAVEPOINT s",
        "RELEASE s",
        "PRAGMA integrity_check",
    ] {
        ask(&session, text).await.unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
    }
}

#[tokio::test]
async fn a_session_that_ends_in_whatever_way_leaves_nothing_behind() {
    let house = House::default();
    let first = house.session("main").await;
    ask(&first, "CREATE TABLE t (a)").await.expect("it is made");
    ask(&first, "BEGIN IMMEDIATE").await.expect("it begins");
    ask(&first, "INSERT INTO t VALUES (1), (2), (3)").await.expect("it is kept");
    assert_eq!((first.changes(), first.last_rowid()), (3, 3));
    // Rows that are left hold the session.
    let rows = first.run(asking("SELECT * FROM t", &[])).await.expect("they are there");
    drop(first);
    assert_eq!(house.tenant.seats.available_permits(), 15);
    drop(rows);
    // The lock comes free as the other is set back: else this would be refused.
    let second = house.session("main").await;
    ask(&second, "INSERT INTO t VALUES (4)").await.expect("nobody has the lock");
    assert_eq!(number(&second, "SELECT count(*) FROM t").await, 1, "the first three are gone");
    drop(second);
    // The same connection, as if it were new.
    for soiling in ["CREATE TEMP TABLE x (a)", "PRAGMA foreign_keys = OFF", "SELECT 1"] {
        let session = house.session("main").await;
        assert_eq!(number(&session, "SELECT last_insert_rowid() + changes()").await, 0, "{soiling}");
        assert_eq!((session.changes(), session.last_rowid()), (0, 0), "{soiling}");
        assert_eq!(number(&session, "PRAGMA foreign_keys").await, 1, "{soiling}");
        ask(&session, "SELECT * FROM x").await.expect_err("the table was the other's");
        ask(&session, "INSERT INTO t VALUES (0)").await.expect("it is kept");
        ask(&session, soiling).await.expect("it is done");
    }
}

#[tokio::test]
async fn connections_rest_and_are_taken_again_by_whoever_asks_the_same_database() {
    let house = House::new(SqlQuota { connections: 2, ..SqlQuota::default() });
    for database in ["a", "b", "c", "a", "b"] {
        let session = house.session(database).await;
        assert_eq!(number(&session, "SELECT 1").await, 1);
        drop(session);
        // Until it has been set back.
        drop(Arc::clone(&house.tenant.seats).acquire_many_owned(2).await.expect("they are not closed"));
        assert!(house.tenant.resting.lock().expect("no panic").len() <= 2);
    }
    let resting = |tenant: &Tenant| {
        let resting = tenant.resting.lock().expect("no panic");
        resting.iter().map(|rest| (rest.database.to_string(), rest.number)).collect::<Vec<_>>()
    };
    let before = resting(&house.tenant);
    assert_eq!(before.iter().map(|(database, _)| database.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let session = house.session("a").await;
    assert_eq!(number(&session, "SELECT 1").await, 1);
    assert_eq!(resting(&house.tenant), before[1..]);
    drop(session);
    drop(Arc::clone(&house.tenant.seats).acquire_many_owned(2).await.expect("they are not closed"));
    assert_eq!(resting(&house.tenant), [before[1].clone(), before[0].clone()]);
}

#[tokio::test]
async fn who_finds_all_connections_taken_waits_and_is_told() {
    let house = House::new(SqlQuota { connections: 1, ..SqlQuota::default() });
    let only = house.session("main").await;
    assert_eq!(number(&only, "SELECT 1").await, 1);
    let refused = house.tenant.session(&Arc::from("main"), SHORT).await.expect_err("it is taken");
    let said = "all 1 connections that the tenant may have (sql.connections) were taken for 300ms";
    assert_eq!(refused.to_string(), said);
    let waiting = house.session("main");
    tokio::pin!(waiting);
    assert!(timeout(SHORT, &mut waiting).await.is_err(), "it waits");
    drop(only);
    assert_eq!(number(&waiting.await, "SELECT 1").await, 1);
}

#[tokio::test]
async fn a_statement_ends_at_its_deadline_and_with_who_asked() {
    let house = House::new(SqlQuota { statement: SHORT, ..SqlQuota::default() });
    let session = house.session("main").await;
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let begun = Instant::now();
    assert_eq!(ask(&session, endless).await.expect_err("it has no end"), Refusal::Deadline(SHORT));
    assert!(begun.elapsed() >= SHORT && begun.elapsed() < LONG / 4, "{:?}", begun.elapsed());
    drop(session);

    let house = House::new(SqlQuota { statement: LONG, ..SqlQuota::default() });
    let session = house.session("main").await;
    let begun = Instant::now();
    assert!(timeout(SHORT, ask(&session, endless)).await.is_err());
    assert_eq!(number(&session, "SELECT 1").await, 1, "the connection is free again");
    assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_lock_is_waited_for_and_what_cannot_wait_is_told_why() {
    let house = House::new(SqlQuota { statement: SHORT, ..SqlQuota::default() });
    let (one, other) = (house.session("main").await, house.session("main").await);
    ask(&one, "CREATE TABLE t (a)").await.expect("it is made");
    ask(&one, "BEGIN IMMEDIATE").await.expect("it begins");
    assert_eq!(ask(&other, "INSERT INTO t VALUES (1)").await.expect_err("it is locked"), Refusal::Locked(SHORT));
    let waiting = ask(&other, "INSERT INTO t VALUES (1)");
    let (waited, committed) = tokio::join!(waiting, async { ask(&one, "COMMIT").await });
    committed.expect("it commits");
    waited.expect("the lock came free");

    ask(&one, "BEGIN").await.expect("it begins");
    assert_eq!(number(&one, "SELECT count(*) FROM t").await, 1);
    ask(&other, "INSERT INTO t VALUES (2)").await.expect("a reader locks nobody out");
    assert_eq!(ask(&one, "INSERT INTO t VALUES (3)").await.expect_err("what it has read is old"), Refusal::Stale);
}

#[tokio::test]
async fn what_follows_a_transaction_that_was_undone_is_not_done_outside_of_it() {
    let house = House::new(SqlQuota { statement: SHORT, ..SqlQuota::default() });
    let session = house.session("main").await;
    ask(&session, "CREATE TABLE t (a)").await.expect("it is made");
    ask(&session, "BEGIN").await.expect("it begins");
    ask(&session, "INSERT INTO t VALUES (1)").await.expect("it is kept");
    let endless = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n";
    assert_eq!(ask(&session, endless).await.expect_err("it has no end"), Refusal::Deadline(SHORT));
    for text in ["INSERT INTO t VALUES (2)", "COMMIT", "ROLLBACK TO s"] {
        assert_eq!(ask(&session, text).await.expect_err("there is none"), Refusal::RolledBack, "{text}");
    }
    ask(&session, " Rollback transaction ;").await.expect("that is what it is");
    assert_eq!(number(&session, "SELECT count(*) FROM t").await, 0);
}

#[tokio::test]
async fn there_are_as_many_files_and_bytes_as_there_may_be() {
    let house = House::new(SqlQuota { databases: 1, bytes: 256 << 10, ..SqlQuota::default() });
    let session = house.session("main").await;
    ask(&session, "CREATE TABLE t (a)").await.expect("it is made");
    let fill = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) \
                SELECT randomblob(10000) FROM n";
    let full = ask(&session, fill).await.expect_err("it is a megabyte");
    assert_eq!(full.to_string(), "the database may hold 256KiB and would hold more (sql.bytes)");
    assert_eq!(number(&session, "SELECT count(*) FROM t").await, 0);
    ask(&session, "INSERT INTO t VALUES (1)").await.expect("there is room for one");
    let other = ask(&house.session("other").await, "SELECT 1").await.expect_err("there is one");
    assert_eq!(other, Refusal::Databases(1));
    // What was written and is read over and over again is not kept without end.
    let reader = house.session("main").await;
    ask(&reader, "BEGIN").await.expect("it begins");
    assert_eq!(number(&reader, "SELECT count(*) FROM t").await, 1);
    let write = "UPDATE t SET a = randomblob(100000)";
    let mut writes = 0;
    let held = loop {
        match ask(&session, write).await {
            Ok(_) if writes < 1000 => writes += 1,
            Ok(_) => panic!("there is no end to it"),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(held, Refusal::HeldBack);
    assert!(writes > 100, "{writes}");
    ask(&reader, "COMMIT").await.expect("it ends");
    ask(&session, write).await.expect("nobody holds it back");
}

const MANY: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
                    SELECT i, printf('%.200c', 'x') FROM n";

/// Held by a test that takes much of the memory that all databases of the process share, or would miss it.
static MEMORY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn rows_are_read_at_their_readers_pace_and_beside_other_statements() {
    let _memory = MEMORY.lock().await;
    let house = House::default();
    let session = house.session("main").await;
    let mut rows = session.run(asking(MANY, &[])).await.expect("it runs");
    let reads =
        async |rows: &mut Rows| std::future::poll_fn(|cx| rows.poll_next(cx)).await.expect("more").expect("rows");
    let mut read = reads(&mut rows).await.len();
    // Not all of it is made before it is asked for.
    assert!(session.tally.unread.load(Relaxed) < 1 << 20);
    for _ in 0..3 {
        assert_eq!(number(&session, "SELECT 7").await, 7);
        read += reads(&mut rows).await.len();
    }
    // What is kept of it does not hold up another one's rows.
    assert_eq!(ask(&session, MANY).await.expect("it runs").len(), 20_000);
    read += rows.all().await.expect("the rest").len();
    assert_eq!(read, 20_000);
    assert_eq!(session.tally.unread.load(Relaxed), 0);

    // Rows that nobody reads do not pile up without end.
    let kept: Vec<_> = futures_util::future::join_all((0..3).map(|_| session.run(asking(MANY, &[])))).await;
    let mut ends = Vec::new();
    for rows in kept {
        ends.push(rows.expect("it runs").all().await.err());
    }
    assert!(ends.contains(&Some(Refusal::Unread(8 << 20))), "{ends:?}");
    assert_eq!(session.tally.unread.load(Relaxed), 0);
}

#[tokio::test]
async fn a_result_has_an_end() {
    let house = House::new(SqlQuota { rows: 1000, result: 100_000, ..SqlQuota::default() });
    let session = house.session("main").await;
    let rows = ask(&session, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n").await;
    assert_eq!(rows.expect_err("they are too many"), Refusal::Rows(1000));
    assert_eq!(ask(&session, MANY).await.expect_err("they are too large"), Refusal::Result(100_000));
    assert_eq!(number(&session, "SELECT 1").await, 1);
}

#[tokio::test]
async fn what_is_held_for_a_reader_that_does_not_read_is_given_up_when_memory_is_short() {
    let _memory = MEMORY.lock().await;
    let house = House::new(SqlQuota { statement: LONG, ..SqlQuota::default() });
    let session = house.session("main").await;
    let sorted = |rows: u32| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
             SELECT zeroblob(100000) AS b, i FROM n ORDER BY i % 10"
        )
    };
    // What is within bounds is held for as long as it takes.
    let mut held = session.run(asking(&sorted(100), &[])).await.expect("it runs");
    assert_eq!(held.all().await.expect_err("it is ten megabytes"), Refusal::Result(8 << 20));
    let before = heap();
    let mut held = session.run(asking(&sorted(2600), &[])).await.expect("it runs");
    let given_up = async {
        while heap() > before + (64 << 20) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, given_up).await.expect("it is given up");
    assert_eq!(held.all().await.expect_err("it was given up"), Refusal::Memory);
    assert_eq!(number(&session, "SELECT 1").await, 1);
}

#[tokio::test]
async fn what_needs_too_much_memory_ends_and_leaves_it_to_others() {
    let _memory = MEMORY.lock().await;
    let house = House::new(SqlQuota { statement: LONG, ..SqlQuota::default() });
    let session = house.session("main").await;
    let hungry = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
                  SELECT count(*) FROM (SELECT DISTINCT randomblob(500000) FROM n)";
    assert_eq!(ask(&session, hungry).await.expect_err("it is five gigabytes"), Refusal::Memory);
    assert_eq!(number(&session, "SELECT 1").await, 1);
}

#[tokio::test]
async fn a_file_that_is_none_is_an_error_that_does_not_tell_where_it_is() {
    let house = House::default();
    let folder = &house.tenant.folder;
    std::fs::create_dir_all(folder).expect("it is made");
    std::fs::write(folder.join("main.sqlite"), "no database at all, and longer than its header".repeat(10))
        .expect("it is written");
    let broken = ask(&house.session("main").await, "SELECT 1").await.expect_err("it is none");
    assert!(matches!(broken, Refusal::Broken(_)), "{broken}");
    assert!(!broken.to_string().contains("main.sqlite"), "{broken}");
    let again = ask(&house.session("main").await, "SELECT 1").await.expect_err("it is none");
    assert_eq!(again, broken);
}
