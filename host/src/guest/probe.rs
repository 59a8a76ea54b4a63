//! A CGI command's output without a command: the door that the fuzz targets use (`decisions/0034-fuzz-targets.md`).

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;

use super::cgi::head::{self, Malformed};

/// What comes of a command that writes these pieces and exits: the response, with as much of its body as arrived and
/// whether it ended cleanly.
///
/// # Errors
/// Why it is no response: `None` when the output ended before the head did.
pub async fn cgi_response(pieces: Vec<Bytes>) -> Result<Response<(Bytes, bool)>, Option<String>> {
    let (sender, output) = mpsc::channel(pieces.len().max(1));
    for piece in pieces {
        sender.try_send(piece).expect("there is room for every piece, and the reader is here");
    }
    drop(sender);
    let response = head::read(output).await.map_err(|malformed| match malformed {
        Malformed::Ended => None,
        Malformed::Broken(reason) => Some(reason),
    })?;
    let (parts, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    let clean = loop {
        match body.frame().await {
            Some(Ok(frame)) => bytes.extend(frame.into_data().unwrap_or_default()),
            Some(Err(_)) => break false,
            None => break true,
        }
    };
    Ok(Response::from_parts(parts, (bytes.into(), clean)))
}
