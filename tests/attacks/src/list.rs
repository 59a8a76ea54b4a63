//! Every attack that can be repeated, by its row, for whoever measures what it costs.

use std::{pin::Pin, time::Duration};

use crate::{
    Mark, frames,
    requests::{self, Leave},
    slow,
    socket::Socket,
};

/// How long a client that reads nothing is left to its fate: longer than the host waits for one.
const UNREAD: Duration = Duration::from_secs(17);

/// How long a client that is not waited for longer says nothing.
const SILENT: Duration = Duration::from_secs(5);

type Running = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// One row's attack.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// The row's id in the threat model.
    pub row: &'static str,
    /// In a few words.
    pub what: &'static str,
    /// How often it is repeated where its cost is measured.
    pub times: u32,
    run: fn(Mark, u32) -> Running,
}

impl Attack {
    /// Runs it so many times.
    ///
    /// # Errors
    /// When the host does not even take the connections.
    pub async fn run(&self, mark: Mark, times: u32) -> anyhow::Result<()> {
        (self.run)(mark, times).await
    }
}

macro_rules! attacks {
    ($($row:literal $what:literal $times:literal |$mark:ident, $count:ident| $run:block)+) => {
        /// Every attack by a client that the bench repeats, in the order of the rows.
        pub const ATTACKS: &[Attack] = &[$(Attack {
            row: $row,
            what: $what,
            times: $times,
            run: |$mark, $count| Box::pin(async move { $run Ok(()) }),
        }),+];
    };
}

attacks! {
    "C-01" "connect and say nothing" 500 |mark, times| { slow::silence(&mark, "", times as usize).await?; }
    "C-02" "PRI, then silence" 500 |mark, times| { slow::silence(&mark, "PRI", times as usize).await?; }
    "C-03" "a head byte by byte" 200 |mark, times| { all(times, move || async move { slow::head(&mark).await }).await?; }
    "C-03" "one small request, then silence" 500 |mark, times| {
        slow::silence_after_a_request(&mark, times as usize).await?;
    }
    "C-03" "HTTP/2 opened, then silence" 200 |mark, times| {
        let mut held = Vec::new();
        for _ in 0..times {
            let mut socket = Socket::open(mark.addr).await?;
            socket.write(&frames::opening()).await?;
            held.push(socket);
        }
        tokio::time::sleep(SILENT).await;
    }
    "C-04" "a body byte by byte" 64 |mark, times| { all(times, move || async move { slow::body(&mark).await }).await?; }
    "C-04" "stall after 100 Continue" 64 |mark, times| { all(times, move || async move { slow::stall_after_continue(&mark).await }).await?; }
    "C-05" "read nothing of a large response" 64 |mark, times| {
        let held = slow::unread(&mark, "big?mib=50", times as usize).await?;
        tokio::time::sleep(UNREAD).await;
        drop(held);
    }
    "C-05" "read a mebibyte of a large response, then nothing" 64 |mark, times| {
        let held = slow::half_read(&mark, "big?mib=50", times as usize, 1 << 20).await?;
        tokio::time::sleep(UNREAD).await;
        drop(held);
    }
    "C-05" "read nothing of a file" 64 |mark, times| {
        let held = slow::unread(&mark, "static/large.bin", times as usize).await?;
        tokio::time::sleep(UNREAD).await;
        drop(held);
    }
    "C-05" "a window of nothing" 64 |mark, times| {
        all(times, move || async move { frames::small_window(&mark, "big?mib=50", 0, 1).await }).await?;
    }
    "C-05" "a window of one byte" 64 |mark, times| {
        all(times, move || async move { frames::small_window(&mark, "big?mib=50", 1, 1).await }).await?;
    }
    "C-05" "a hundred streams, a window of nothing" 20 |mark, times| {
        all(times, move || async move { frames::small_window(&mark, "hello", 0, 100).await }).await?;
    }
    "C-05" "a hundred streams, none of them read" 4 |mark, times| {
        let mut held = Vec::new();
        for _ in 0..times {
            held.push(frames::unread_streams(&mark, "big?mib=50", 100).await?);
        }
        tokio::time::sleep(UNREAD).await;
        drop(held);
    }
    "C-07" "open and reset streams" 100_000 |mark, times| { frames::rapid_reset(&mark, times).await?; }
    "C-08" "reset once the guest runs" 2_000 |mark, times| { frames::reset_once_the_guest_runs(&mark, times).await?; }
    "C-09" "headers without end" 100_000 |mark, times| { frames::headers_without_end(&mark, times).await?; }
    "C-10" "frames that make the server reset" 100_000 |mark, times| { frames::provoke_resets(&mark, times).await?; }
    "C-11" "PING" 200_000 |mark, times| { frames::small_frames(&mark, "PING", times).await?; }
    "C-11" "SETTINGS" 200_000 |mark, times| { frames::small_frames(&mark, "SETTINGS", times).await?; }
    "C-11" "PRIORITY" 200_000 |mark, times| { frames::small_frames(&mark, "PRIORITY", times).await?; }
    "C-11" "empty DATA" 200_000 |mark, times| { frames::small_frames(&mark, "empty DATA", times).await?; }
    "C-11" "WINDOW_UPDATE of 1" 200_000 |mark, times| {
        frames::small_frames(&mark, "WINDOW_UPDATE of 1", times).await?;
    }
    "C-11" "unknown frame" 200_000 |mark, times| { frames::small_frames(&mark, "unknown frame", times).await?; }
    "C-12" "header lists that grow when they are read" 300 |mark, times| {
        for _ in 0..times {
            for (_, head) in frames::growing_heads(&mark) {
                frames::send_head(&mark, &head).await?;
            }
        }
    }
    "C-13" "lengths that disagree" 50 |mark, times| { shapes(&mark, times, &requests::lengths(&mark)).await?; }
    "C-14" "malformed chunks" 20 |mark, times| { shapes(&mark, times, &requests::chunks(&mark)).await?; }
    "C-14" "chunks of one byte" 20 |mark, times| {
        each(&mark, times, &[requests::tiny_chunks(&mark, 50_000)]).await?;
    }
    "C-14" "frames of one byte" 60_000 |mark, times| { frames::tiny_frames(&mark, times).await?; }
    "C-15" "hosts that are none" 50 |mark, times| { shapes(&mark, times, &requests::hosts(&mark)).await?; }
    "C-16" "heads that HTTP/2 forbids" 100 |mark, times| {
        for _ in 0..times {
            for (_, head) in frames::forbidden_heads(&mark) {
                frames::send_head(&mark, &head).await?;
            }
        }
    }
    "C-17" "paths with a second reading" 50 |mark, times| { shapes(&mark, times, &requests::paths(&mark)).await?; }
    "C-18" "heads that are too large" 20 |mark, times| { shapes(&mark, times, &requests::large_heads(&mark)).await?; }
    "C-19" "a thousand requests in one write" 2 |mark, times| {
        each(&mark, times, &[requests::pipeline(&mark, 1000)]).await?;
    }
    "C-19" "a thousand requests in one write for what is not there" 20 |mark, times| {
        each(&mark, times, &[requests::pipeline_of_nothing(1000)]).await?;
    }
    "C-20" "expectations" 200 |mark, times| { each(&mark, times, &requests::expectations(&mark)).await?; }
    "C-21" "methods that are none" 200 |mark, times| { shapes(&mark, times, &requests::methods(&mark)).await?; }
    "C-22" "offers to upgrade" 500 |mark, times| { shapes(&mark, times, &[requests::websocket(&mark)]).await?; }
    "C-23" "leave after each byte" 4 |mark, times| {
        let request = requests::echo(&mark);
        for _ in 0..times {
            for leave in [Leave::Close, Leave::Reset] {
                for sent in 0..=request.len() {
                    requests::visit(&mark, &request, sent, 0, leave).await?;
                }
            }
        }
    }
    "C-25" "a compressed bomb" 500 |mark, times| {
        for _ in 0..times {
            requests::send_bomb(&mark).await?;
        }
    }
    "C-27" "names that are the host's own" 500 |mark, times| { each(&mark, times, &[requests::forged(&mark)]).await?; }
}

/// So many clients at once, until the host has ended each.
async fn all<T, F>(times: u32, client: impl Fn() -> F) -> anyhow::Result<()>
where
    T: Send + 'static,
    F: Future<Output = std::io::Result<T>> + Send + 'static,
{
    let clients: Vec<_> = (0..times).map(|_| tokio::spawn(client())).collect();
    for client in clients {
        client.await??;
    }
    Ok(())
}

async fn shapes(mark: &Mark, times: u32, shapes: &[requests::Shape]) -> anyhow::Result<()> {
    let requests: Vec<_> = shapes.iter().map(|shape| shape.request.clone()).collect();
    each(mark, times, &requests).await
}

async fn each(mark: &Mark, times: u32, requests: &[String]) -> anyhow::Result<()> {
    for _ in 0..times {
        for request in requests {
            requests::exchange(mark, request).await?;
        }
    }
    Ok(())
}
