//! The closed loop: each connection sends again when it has its reply.

use std::{rc::Rc, time::Instant};

use tokio::task::JoinSet;

use super::run::Work;

/// Starts the connections.
pub(crate) fn start(work: &Rc<Work>, connections: usize, tasks: &mut JoinSet<()>) {
    for _ in 0..connections {
        let work = work.clone();
        tasks.spawn_local(async move {
            let mut slot = None;
            while !work.window.is_over() {
                work.exchange_patiently(&mut slot, Instant::now()).await;
            }
        });
    }
}
