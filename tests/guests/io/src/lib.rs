//! Three calls at once and a query: the handler that the bench of I/O measures. `tests/bench/src/scenario/io/main.py` is the
//! same in FastAPI, `tests/bench/src/control/io.rs` in hyper and sqlx; all answer what they were answered.

use futures::future::try_join3;
use spin_sdk::{
    http::{self, Error, Result, body::IncomingBodyExt as _},
    http_service,
    pg::Connection,
    variables,
};

/// The query that takes 20 ms on the server.
const QUERY: &str = "SELECT 1::int4 FROM pg_sleep(0.02)";

#[http_service]
async fn handle(_request: http::Request) -> Result<String> {
    let upstream = variables::get("upstream").await.map_err(wrong)?;
    let (first, second, third) = try_join3(call(&upstream), call(&upstream), call(&upstream)).await?;
    let number = query().await.map_err(wrong)?;
    Ok(format!("{first}{second}{third}{number}\n"))
}

async fn call(url: &str) -> Result<String> {
    let body = http::get(url).await?.into_body().bytes().await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

async fn query() -> std::result::Result<i32, spin_sdk::pg::Error> {
    let rows = Connection::open("main").await?.query(QUERY, []).await?.collect().await?;
    Ok(rows.first().and_then(|row| row.get::<i32>("int4")).unwrap_or_default())
}

fn wrong(error: impl std::fmt::Debug) -> Error {
    Error::other(format!("{error:?}"))
}
