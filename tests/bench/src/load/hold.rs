//! Holding: many requests open at once, each on a connection of its own.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{run::Work, tally::HoldReport};

/// Starts the requests, spread over `ramp`.
pub(crate) fn start(work: &Rc<Work>, requests: usize, ramp: Duration, tasks: &mut JoinSet<()>) {
    work.tally.borrow_mut().hold = Some(HoldReport::default());
    let (first, open) = (Instant::now(), Rc::new(Cell::new(0_usize)));
    for n in 0..requests {
        let starts = first + ramp.mul_f64(n as f64 / requests as f64);
        let (work, open) = (work.clone(), open.clone());
        tasks.spawn_local(async move {
            tokio::time::sleep_until(starts.into()).await;
            open.set(open.get() + 1);
            // A fault is counted; a held request is not sent twice.
            let _ = work.exchange(&mut None, Instant::now()).await;
            let mut tally = work.tally.borrow_mut();
            if let Some(hold) = &mut tally.hold {
                hold.peak_open = hold.peak_open.max(open.get());
                hold.whole_seconds = first.elapsed().as_secs_f64();
            }
            open.set(open.get() - 1);
        });
    }
}
