//! The tests' own database servers: what was answered outlives them, and each test has a database to itself.

use wasmbay_tests::databases::{Engine, Server};

const ENGINES: [Engine; 2] = [Engine::PostgreSql, Engine::MariaDb];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_comes_back_on_its_port_with_all_it_answered() {
    for engine in ENGINES {
        let mut server = Server::own(engine).await;
        let (port, database) = (server.port(), server.database().await);
        server.sql(&database.name, "CREATE TABLE t (a INT)").await.expect("a table");
        server.sql(&database.name, "INSERT INTO t VALUES (7)").await.expect("a row");
        server.kill();
        server.sql(&database.name, "SELECT 1").await.expect_err("it is gone");
        server.restart().await;
        assert_eq!(server.port(), port);
        assert_eq!(server.sql(&database.name, "SELECT a FROM t").await.expect("an answer"), "7");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_test_has_a_database_of_its_own_on_a_server_that_all_share() {
    for engine in ENGINES {
        let server = Server::shared(engine).await;
        let (one, other) = (server.database().await, server.database().await);
        assert_ne!(one.name, other.name);
        assert_eq!(server.port(), Server::shared(engine).await.port());
        server.sql(&one.name, "CREATE TABLE t (a INT)").await.expect("a table");
        server.sql(&other.name, "SELECT a FROM t").await.expect_err("it is in the other one");
    }
}
