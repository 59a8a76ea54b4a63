//! The native control: the same endpoints in plain hyper on tokio, no sandbox.
//!
//! It runs in each round, says what the machine could do at that moment, and so tells a slow host from a slow minute.

mod pool;
mod primes;

use std::{convert::Infallible, net::SocketAddr, num::NonZero, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

pub(crate) use pool::Pool;
use primes::count_primes;

/// Body of `/hello`.
pub(crate) const HELLO: &str = "hello from native\n";

/// Body of `/big`.
static BIG: [u8; 1 << 20] = [b'b'; 1 << 20];

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

/// Bytes as they are, or a request's body sent back.
type Answer = Either<Full<Bytes>, Incoming>;

async fn answer(request: Request<Incoming>, pool: Arc<Pool>) -> Result<Response<Answer>, Infallible> {
    if request.uri().path() == "/echo" {
        return Ok(Response::new(Either::Right(request.into_body())));
    }
    let body = body(request, pool).await;
    let (status, body) = body.map_or((StatusCode::NOT_FOUND, Bytes::new()), |body| (StatusCode::OK, body));
    let mut response = Response::new(Either::Left(Full::new(body)));
    *response.status_mut() = status;
    Ok(response)
}

async fn body(request: Request<Incoming>, pool: Arc<Pool>) -> Option<Bytes> {
    let number = |name| number(request.uri().query().unwrap_or_default(), name);
    let text = match (request.uri().path(), number("ms"), number("n")) {
        ("/hello", ..) => return Some(Bytes::from_static(HELLO.as_bytes())),
        ("/big", ..) => return Some(Bytes::from_static(&BIG)),
        ("/clock", Some(ms), _) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            format!("waited {ms} ms\n")
        }
        ("/primes/blocking", _, Some(n)) => line(tokio::task::spawn_blocking(move || count_primes(n)).await.ok()?),
        ("/primes/pool", _, Some(n)) => line(pool.run(move || count_primes(n)).await?),
        ("/sink", ..) => line(length(request.into_body()).await?),
        (path, ..) if path.starts_with("/work/") => {
            let target = request.uri().path_and_query()?.as_str().to_owned();
            let work = move || {
                let (kind, n) = work::asked(&target);
                work::run(kind, n)
            };
            line(tokio::task::spawn_blocking(work).await.ok()??)
        }
        _ => return None,
    };
    Some(Bytes::from(text))
}

/// How long a body is; `None` when it breaks off.
async fn length(mut body: Incoming) -> Option<u64> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.ok()?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Some(length)
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
