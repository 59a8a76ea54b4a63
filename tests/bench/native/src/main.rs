//! Three calls at once and a query, in plain hyper and sqlx: no sandbox, no limits, no log. `tests/guests/io` is the same as a
//! plugin; both answer what they were answered.
//!
//! `UPSTREAM` is whom to call, `DATABASE_URL` whom to ask, over `CONNECTIONS` connections at most. It prints
//! `ready listen=ADDRESS` once it accepts.

use std::{convert::Infallible, env, sync::Arc};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::{Request, Response, StatusCode, Uri, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::net::{TcpListener, TcpStream};

/// The query that takes 20 ms on the server.
const QUERY: &str = "SELECT 1::int4 FROM pg_sleep(0.02)";

struct Ways {
    client: Client<HttpConnector, Empty<Bytes>>,
    upstream: Uri,
    pool: PgPool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let said = |name: &str| env::var(name).with_context(|| format!("{name} is not set"));
    let pool = PgPoolOptions::new().max_connections(said("CONNECTIONS")?.parse()?);
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let ways = Arc::new(Ways {
        client: Client::builder(TokioExecutor::new()).build(connector),
        upstream: said("UPSTREAM")?.parse()?,
        pool: pool.connect(&said("DATABASE_URL")?).await.context("the database cannot be reached")?,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("ready listen={}", listener.local_addr()?);
    loop {
        // An accept that fails fails for one connection.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&ways)));
        }
    }
}

async fn connection(stream: TcpStream, ways: Arc<Ways>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |_request: Request<Incoming>| {
        let ways = Arc::clone(&ways);
        async move { Ok::<_, Infallible>(ways.answer().await.unwrap_or_else(failed)) }
    });
    // A client that leaves is no error here.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn failed(error: anyhow::Error) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{error:#}\n")));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

impl Ways {
    async fn answer(&self) -> anyhow::Result<Response<Full<Bytes>>> {
        let (first, second, third) = tokio::try_join!(self.call(), self.call(), self.call())?;
        let number: i32 = sqlx::query_scalar(QUERY).fetch_one(&self.pool).await?;
        Ok(Response::new(Full::from(format!("{first}{second}{third}{number}\n"))))
    }

    async fn call(&self) -> anyhow::Result<String> {
        let response = self.client.get(self.upstream.clone()).await?;
        let body = response.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}
