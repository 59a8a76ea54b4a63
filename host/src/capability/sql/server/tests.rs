//! Sessions over a server that does what it is told, so that each end of one comes when it is wanted.

use std::{
    collections::HashMap,
    future::pending,
    sync::{LazyLock, Mutex},
    time::Duration,
};

use tokio::time::{sleep, timeout};

use super::*;
use crate::{capability::config::Hidden, config::Database};

/// What happened at each server, by its database's name.
static HAPPENED: LazyLock<Mutex<HashMap<String, Vec<String>>>> = LazyLock::new(Mutex::default);

/// A connection that does what a statement's text says.
struct Fake {
    server: String,
    in_transaction: bool,
    dead: bool,
    soiled: bool,
}

impl Fake {
    fn note(&self, what: &str) {
        happened(&self.server, Some(what));
    }
}

fn happened(server: &str, what: Option<&str>) -> Vec<String> {
    let mut all = HAPPENED.lock().unwrap_or_else(PoisonError::into_inner);
    let own = all.entry(server.to_owned()).or_default();
    own.extend(what.map(str::to_owned));
    own.clone()
}

impl Weigh for String {
    fn weight(&self) -> u64 {
        self.len() as u64
    }
}

impl Wire for Fake {
    type Parameter = ();
    type Column = ();
    type Value = String;

    async fn connect(address: &Address, _: &DatabaseQuota) -> Result<Self, Refusal> {
        let made = Self { server: address.database.clone(), in_transaction: false, dead: false, soiled: false };
        made.note("connect");
        Ok(made)
    }

    async fn run(&mut self, statement: &Statement<()>, flow: &mut Flow<'_, Self>) -> Result<(), Refusal> {
        let lost = |ran| Err(Refusal::Lost { why: "it is dead".to_owned(), ran });
        if self.dead {
            return lost(false);
        }
        self.note(&statement.text);
        let (word, number) = statement.text.split_once(' ').unwrap_or((&statement.text, "1"));
        match word {
            "BEGIN" => self.in_transaction = true,
            "ROLLBACK" => self.in_transaction = false,
            "soil" => self.soiled = true,
            // Seen by whoever asks next.
            "rest-dead" => self.dead = true,
            "die" => return lost(true),
            "fail" => return Err(Refusal::Failed(Box::new(complaint()))),
            "hang" => flow.network(pending::<()>()).await?,
            "rows" => {
                flow.columns(vec![()]);
                for _ in 0..number.parse().expect("a number") {
                    flow.row(vec!["x".repeat(1000)]).await?;
                }
                self.note("all rows");
                return Ok(());
            }
            _ => {}
        }
        flow.columns(vec![()]);
        flow.affected(7);
        Ok(())
    }

    fn is_in_transaction(&self) -> bool {
        self.in_transaction
    }

    fn is_closed(&self) -> bool {
        false
    }

    async fn quiet(&mut self) -> bool {
        self.note("quiet");
        true
    }

    async fn roll_back(&mut self) -> bool {
        self.note("rolled back");
        self.in_transaction = false;
        true
    }

    async fn reset(&mut self) -> bool {
        self.note("reset");
        self.in_transaction = false;
        !self.soiled
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.note("closed");
    }
}

fn complaint() -> Complaint {
    let text = || "x".to_owned();
    Complaint { severity: text(), code: text(), message: text(), detail: None, extras: Vec::new() }
}

fn server(name: &str, connections: u32) -> Arc<Server<Fake>> {
    let quota =
        DatabaseQuota { connections, statement: Duration::from_secs(5), rows: 10_000, result: 1 << 20, value: 1 << 10 };
    let database = Database { secret: "DB".to_owned(), tls: None, authorities: None, quota };
    let url = Hidden::from(format!("postgres://me@db/{name}"));
    let address = Address::read(&url, &database).expect("an address");
    Arc::new(Server::new(name.to_owned(), address, quota))
}

fn open(server: &Arc<Server<Fake>>) -> Connection<Fake> {
    Connection::new(server, &Arc::default())
}

async fn run(connection: &Connection<Fake>, text: &str) -> Result<u64, Refusal> {
    let statement = Statement { text: text.to_owned(), parameters: Vec::new() };
    connection.count(statement, Instant::now() + Duration::from_secs(60)).await
}

/// Waits until so much has happened, the last of it this.
async fn until(server: &str, last: &str) -> Vec<String> {
    let looks = async {
        while happened(server, None).last().is_none_or(|what| what != last) {
            sleep(Duration::from_millis(1)).await;
        }
        happened(server, None)
    };
    timeout(Duration::from_secs(10), looks).await.expect("it happens")
}

#[tokio::test]
async fn a_connection_goes_from_one_session_to_the_next_and_is_reset_between() {
    let server = server("turns", 1);
    let (first, second) = (open(&server), open(&server));
    assert_eq!(run(&first, "BEGIN").await, Ok(7));
    drop(first);
    assert_eq!(run(&second, "a").await, Ok(7));
    assert_eq!(happened("turns", None), ["connect", "BEGIN", "reset", "a"]);
    drop(second);
    let soils = open(&server);
    assert_eq!(run(&soils, "soil").await, Ok(7));
    drop(soils);
    assert_eq!(until("turns", "closed").await[4..], ["reset", "soil", "reset", "closed"]);
    assert_eq!(run(&open(&server), "b").await, Ok(7));
    assert_eq!(happened("turns", None)[8..10], ["connect", "b"]);
}

#[tokio::test]
async fn a_connection_that_died_as_it_rested_is_replaced_and_no_statement_is_run_twice() {
    let server = server("dead", 1);
    let first = open(&server);
    assert_eq!(run(&first, "rest-dead").await, Ok(7));
    drop(first);
    let second = open(&server);
    assert_eq!(run(&second, "a").await, Ok(7));
    assert_eq!(happened("dead", None), ["connect", "rest-dead", "reset", "connect", "closed", "a"]);
    // Under a handle it is told, whatever was done or not.
    let told = run(&second, "die").await.expect_err("it is lost").to_string();
    assert!(told.contains("may have been done or not"), "{told}");
    assert_eq!(run(&second, "b").await, Ok(7));
    assert_eq!(happened("dead", None)[6..], ["die", "closed", "connect", "b"]);
    assert_eq!(run(&second, "rest-dead").await, Ok(7));
    let told = run(&second, "c").await.expect_err("it is lost").to_string();
    assert!(told.contains("was not done"), "{told}");
}

#[tokio::test]
async fn what_was_to_be_in_a_transaction_is_not_done_outside_of_it() {
    let server = server("transactions", 1);
    let connection = open(&server);
    for ends in ["die", "rows 100000"] {
        assert_eq!(run(&connection, "BEGIN").await, Ok(7));
        assert!(run(&connection, ends).await.is_err());
        for text in ["INSERT", "COMMIT", "ROLLBACK TO x"] {
            assert_eq!(run(&connection, text).await, Err(Refusal::RolledBack), "{ends}");
        }
        assert_eq!(run(&connection, "ROLLBACK").await, Ok(0));
        assert_eq!(run(&connection, "INSERT").await, Ok(7));
    }
    // What the server refuses it looks after itself.
    assert_eq!(run(&connection, "BEGIN").await, Ok(7));
    assert!(matches!(run(&connection, "fail").await, Err(Refusal::Failed(_))));
    assert_eq!(run(&connection, "COMMIT").await, Ok(7));
    let all = happened("transactions", None);
    assert_eq!(all.iter().filter(|what| *what == "INSERT").count(), 2, "{all:?}");
    assert_eq!(all.iter().filter(|what| *what == "rolled back").count(), 1, "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_statement_has_its_time_and_no_reader_takes_it() {
    let server = server("time", 1);
    let connection = open(&server);
    let begun = Instant::now();
    assert_eq!(run(&connection, "hang").await, Err(Refusal::Deadline(Duration::from_secs(5))));
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert_eq!(until("time", "quiet").await, ["connect", "hang", "quiet"]);
    let statement = Statement { text: "late".to_owned(), parameters: Vec::new() };
    assert_eq!(connection.count(statement, Instant::now()).await, Ok(7), "what is late has the statement's own time");
}

#[tokio::test]
async fn rows_wait_for_their_reader_unless_another_statement_waits_behind_them() {
    let server = server("rows", 1);
    let connection = open(&server);
    let long = Statement { text: "rows 900".to_owned(), parameters: Vec::new() };
    let mut rows = connection.run(long, Instant::now() + Duration::from_secs(60)).await.expect("it begins");
    // As long as nobody reads and nothing else is wanted.
    assert!(timeout(Duration::from_millis(50), until("rows", "all rows")).await.is_err());
    assert_eq!(run(&connection, "a").await, Ok(7));
    assert_eq!(happened("rows", None), ["connect", "rows 900", "all rows", "a"]);
    // Rows that are kept do not hold up another statement's.
    assert_eq!(run(&connection, "rows 300").await, Ok(0));
    assert_eq!(rows.all().await.expect("all are there").len(), 900);
    // A reader that leaves ends it.
    let long = Statement { text: "rows 900".to_owned(), parameters: Vec::new() };
    drop(connection.run(long, Instant::now() + Duration::from_secs(60)).await.expect("it begins"));
    until("rows", "quiet").await;
    let told = run(&connection, "rows 10001").await;
    assert_eq!(told, Err(Refusal::Result(1 << 20)));
}

#[tokio::test(start_paused = true)]
async fn a_seat_is_waited_for_and_who_gets_none_is_told() {
    let server = server("seats", 1);
    let (holds, waits) = (open(&server), open(&server));
    assert_eq!(run(&holds, "a").await, Ok(7));
    let begun = Instant::now();
    let statement = Statement { text: "b".to_owned(), parameters: Vec::new() };
    let told = waits.count(statement, Instant::now() + Duration::from_secs(2)).await;
    assert_eq!(told, Err(Refusal::Connections { most: 1, waited: Duration::from_millis(1800) }));
    assert_eq!(begun.elapsed(), Duration::from_millis(1800));
    drop(holds);
    assert_eq!(run(&waits, "b").await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn what_rests_for_long_is_closed() {
    let server = server("rests", 2);
    let one = open(&server);
    assert_eq!(run(&one, "a").await, Ok(7));
    drop(one);
    until("rests", "reset").await;
    sleep(REST / 2).await;
    assert_eq!(happened("rests", None), ["connect", "a", "reset"]);
    sleep(REST).await;
    assert_eq!(happened("rests", None), ["connect", "a", "reset", "closed"]);
}
