//! The open loop: requests are due at a steady rate, and their latency counts from when they were due.
//!
//! A loop that waits for replies before it sends asks less of a server that stalls, and so hides the stall
//! (coordinated omission). Here what is due while every connection is busy waits in line, and the wait counts.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, thread, time::Instant};

use anyhow::Context as _;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use super::{run::Work, schedule::Schedule};

/// Requests that are due and not yet taken by a connection.
struct Line {
    due: RefCell<VecDeque<Instant>>,
    /// One permit for each; closed when no more will come.
    ready: Semaphore,
}

/// Starts the pace and the connections.
///
/// # Errors
///
/// When the rate is not above zero or the pace's thread cannot be made.
pub(crate) fn start(work: &Rc<Work>, rate: f64, connections: usize, tasks: &mut JoinSet<()>) -> anyhow::Result<()> {
    anyhow::ensure!(rate > 0.0, "the rate of {:?} must be above zero", work.group.name);
    let (pulse, pulses) = mpsc::unbounded_channel();
    let schedule = Schedule::new(Instant::now(), rate);
    let pace = move || pace(schedule, &pulse);
    thread::Builder::new().name("pace".to_owned()).spawn(pace).context("cannot make a thread for the pace")?;
    let line = Rc::new(Line { due: RefCell::default(), ready: Semaphore::new(0) });
    tasks.spawn_local(queue(work.clone(), line.clone(), schedule, pulses));
    for _ in 0..connections {
        tasks.spawn_local(serve(work.clone(), line.clone()));
    }
    Ok(())
}

/// Gives a pulse when each request is due, until nobody listens. A thread of its own: the system wakes it to within tens of
/// microseconds, where the runtime's timer rounds up to a millisecond and so adds to every latency.
fn pace(schedule: Schedule, pulse: &mpsc::UnboundedSender<()>) {
    for n in 0.. {
        thread::sleep(schedule.due(n).saturating_duration_since(Instant::now()));
        if pulse.send(()).is_err() {
            return;
        }
    }
}

/// Puts in line what is due at each pulse, by the schedule: a late pulse makes requests late, never fewer.
async fn queue(work: Rc<Work>, line: Rc<Line>, schedule: Schedule, mut pulses: mpsc::UnboundedReceiver<()>) {
    let mut next = 0;
    let mut on = true;
    while on {
        on = tokio::select! {
            pulse = pulses.recv() => pulse.is_some(),
            () = work.window.over() => false,
        };
        let until = work.window.closed_at().unwrap_or_else(Instant::now);
        while schedule.due(next) <= until {
            line.due.borrow_mut().push_back(schedule.due(next));
            line.ready.add_permits(1);
            next += 1;
        }
    }
    line.ready.close();
}

async fn serve(work: Rc<Work>, line: Rc<Line>) {
    let mut slot = None;
    while let Ok(permit) = line.ready.acquire().await {
        permit.forget();
        let due = line.due.borrow_mut().pop_front().expect("a permit is given with each entry");
        work.exchange_patiently(&mut slot, due).await;
    }
    // Closed with entries left: they were due, so they are sent and count.
    while let Some(due) = { line.due.borrow_mut().pop_front() } {
        work.exchange_patiently(&mut slot, due).await;
    }
}
