//! The native control: the same endpoints in plain hyper on tokio, no sandbox.
//!
//! It runs in each round, says what the machine could do at that moment, and so tells a slow host from a slow minute.

mod pool;
mod primes;

use std::{convert::Infallible, net::SocketAddr, num::NonZero, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

pub(crate) use pool::Pool;
use primes::count_primes;

/// Body of `/hello`.
pub(crate) const HELLO: &str = "hello from native\n";

/// Serves until killed. Prints `ready listen=ADDRESS` once it accepts.
///
/// # Errors
///
/// When the address cannot be bound or a thread cannot be made.
pub(crate) fn serve(listen: SocketAddr, nice: i32) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let pool = Arc::new(Pool::new(cores, nice)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(cores).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        println!("ready listen={}", listener.local_addr()?);
        loop {
            // An accept that fails (no descriptors left) fails for one connection, not for the control.
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, pool.clone()));
            }
        }
    })
}

async fn connection(stream: TcpStream, pool: Arc<Pool>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, pool.clone()));
    // A client that leaves is no error here.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, pool: Arc<Pool>) -> Result<Response<Full<Bytes>>, Infallible> {
    let number = |name| number(request.uri().query().unwrap_or_default(), name);
    let body = match (request.uri().path(), number("ms"), number("n")) {
        ("/hello", ..) => Some(HELLO.to_owned()),
        ("/clock", Some(ms), _) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Some(format!("waited {ms} ms\n"))
        }
        ("/primes/blocking", _, Some(n)) => tokio::task::spawn_blocking(move || count_primes(n)).await.ok().map(line),
        ("/primes/pool", _, Some(n)) => pool.run(move || count_primes(n)).await.map(line),
        _ => None,
    };
    let (status, body) = body.map_or((StatusCode::NOT_FOUND, String::new()), |body| (StatusCode::OK, body));
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    Ok(response)
}

fn line(count: u64) -> String {
    format!("{count}\n")
}

/// The number that the query gives for `name`.
fn number(query: &str, name: &str) -> Option<u64> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_gives_numbers_by_name() {
        assert_eq!(number("a=1&ms=5&n=x", "ms"), Some(5));
        assert_eq!(number("a=1&ms=5&n=x", "n"), None);
        assert_eq!(number("", "ms"), None);
    }
}
