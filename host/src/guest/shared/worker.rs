//! The task that drives one shared instance: lets requests in, moves them all on, and ends it.

use std::{collections::HashMap, future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::{
    sync::{mpsc, oneshot},
    time,
};
use wasmtime::{Store, StoreContextMut, UpdateDeadline, component::Accessor};
use wasmtime_wasi_http::p3::bindings::Service;

use super::{Room, Seats, Ticket, ledger::Ledger};
use crate::{
    failure::{Code, Failure},
    guest::{
        call::{Desk, Errand, Job},
        idle::KEEP_IDLE,
        instance::{self, Guest, WhenFull},
        outcome::{self, Ended},
        p3::Started,
        plugin::{Deliver, Loaded},
        state::State,
    },
    lanes::{Panicked, Running, Task},
};

/// Starts an instance; it takes requests at once and works on them as soon as it is made.
pub(super) fn start(plugin: &Arc<Loaded>, errand: &Arc<Errand>) -> Arc<Room> {
    let (inbox, tickets) = mpsc::unbounded_channel();
    let room = Arc::new(Room {
        inbox,
        seats: std::sync::Mutex::new(Seats::default()),
        changed: tokio::sync::Notify::new(),
        gone: tokio::sync::Semaphore::new(0),
    });
    plugin.engines.lane(plugin.lane).idles.watch(&room);
    // The requests have budgets of their own, kept in the ledger; the instance as a whole has none.
    let task = Task::new(errand.caller.who, plugin.lane, Duration::MAX);
    let desk = Desk::new(Arc::clone(errand));
    let worker = Worker {
        room: Arc::clone(&room),
        ledger: Ledger::new(Arc::clone(&desk)),
        desk,
        task: Arc::clone(&task),
        after_response: plugin.after_response,
    };
    let running = plugin.engines.lanes.run(task, worker.work(Arc::clone(plugin), tickets));
    // It ends by itself: when it has been idle for long, when its plugin goes, when it is retired and empty.
    tokio::spawn(watched(running, Arc::clone(&room), Arc::clone(errand)));
    room
}

/// Nobody else hears of a panic in the worker: the requests in the instance see just that it is gone.
async fn watched(running: Running<()>, room: Arc<Room>, errand: Arc<Errand>) {
    if let Err(Panicked(text)) = running.await {
        errand.log.panicked(&text);
        room.retire();
        room.gone.close();
    }
}

struct Worker {
    room: Arc<Room>,
    ledger: Arc<Ledger>,
    desk: Arc<Desk>,
    task: Arc<Task>,
    after_response: Duration,
}

/// By the requests' numbers in the ledger.
type Waiting = HashMap<u64, oneshot::Sender<Result<(), Failure>>>;

impl Worker {
    async fn work(self, plugin: Arc<Loaded>, mut tickets: mpsc::UnboundedReceiver<Ticket>) {
        let made = self.instance(&plugin).await;
        // From here on the plugin may go while its instance waits for requests that will not come.
        drop(plugin);
        let (mut store, service) = match made {
            Ok(made) => made,
            Err(failure) => return self.refuse(tickets, &failure),
        };
        let mut waiting = Waiting::new();
        let ended = self.run(&mut store, &service, &mut tickets, &mut waiting).await;
        self.room.retire();
        if let Err(error) = ended {
            let own = outcome::failure(&error, Some(&store.data().limiter));
            let neighbour = outcome::failure(&Ended::Neighbour.into(), None);
            // Before the store goes: bodies ask for their verdict when it does.
            for (number, failure) in self.ledger.fail_all(&own, &neighbour) {
                if let Some(done) = waiting.remove(&number) {
                    let _ = done.send(Err(failure));
                }
            }
        }
        drop(store);
        self.room.gone.close();
        self.refuse(tickets, &Failure::plain(Code::Unavailable));
    }

    async fn instance(&self, plugin: &Loaded) -> Result<(Store<State>, Service), Failure> {
        self.desk.errand().log.instance_made();
        let arm = |store: &mut Store<State>| {
            let (ledger, task) = (Arc::clone(&self.ledger), Arc::clone(&self.task));
            store.epoch_deadline_callback(move |store| tick(store, &ledger, &task));
        };
        match instance::made(plugin, &self.desk, WhenFull::Evict, arm).await? {
            (store, Guest::Http03(service)) => Ok((store, service)),
            _ => Err(Failure::plain(Code::HostPanic).inside("only 0.3 guests are loaded to be shared")),
        }
    }

    /// Drives the store's event loop, and charges what each poll used beyond its ticks.
    async fn run(
        &self,
        store: &mut Store<State>,
        service: &Service,
        tickets: &mut mpsc::UnboundedReceiver<Ticket>,
        waiting: &mut Waiting,
    ) -> wasmtime::Result<()> {
        let mut events =
            pin!(store.run_concurrent(async |accessor| self.serve(accessor, service, tickets, waiting).await));
        poll_fn(|cx| {
            let polled = events.as_mut().poll(cx);
            match self.ledger.charge(self.task.cpu(), None) {
                true => polled.map(|ended| ended.and_then(|inner| inner)),
                false => Poll::Ready(Err(Ended::Cpu.into())),
            }
        })
        .await
    }

    /// Lets requests in until the instance is over.
    async fn serve(
        &self,
        accessor: &Accessor<State>,
        service: &Service,
        tickets: &mut mpsc::UnboundedReceiver<Ticket>,
        waiting: &mut Waiting,
    ) -> wasmtime::Result<()> {
        let mut running = FuturesUnordered::new();
        let (mut open, mut numbers) = (true, 0..);
        while !(self.room.is_over() || !open && running.is_empty()) {
            let idle = running.is_empty() && open;
            tokio::select! {
                biased;
                Some(ended) = running.next(), if !running.is_empty() => {
                    let number = ended?;
                    self.ledger.close(number);
                    if let Some(done) = waiting.remove(&number) {
                        // Whoever waited may have left; its seat has told the room.
                        let _ = done.send(Ok(()));
                    }
                    if accessor.with(|mut access| access.get().limiter.nearly_full()) {
                        self.room.retire();
                    }
                }
                ticket = tickets.recv(), if open => match ticket {
                    Some(Ticket { job: Job { errand, request, head }, verdict, done }) => {
                        let started = Started::new(accessor, service, request)?;
                        let number: u64 = numbers.next().expect("there is no end to them");
                        let most = errand.caller.limits().response_body.0;
                        self.ledger.open(number, started.task(), errand, Arc::clone(&verdict));
                        waiting.insert(number, done);
                        let (deliver, delivered) = Deliver::watched(head, most, &verdict);
                        running.push(async move {
                            started.finish(accessor, service, deliver).await?;
                            // The body's end, or its reader's; either way nobody waits for this request any more.
                            let _ = delivered.await;
                            Ok::<_, wasmtime::Error>(number)
                        });
                    }
                    None => open = false,
                },
                () = self.room.changed.notified() => {}
                () = time::sleep(KEEP_IDLE), if idle => { self.room.retire_if_empty(); }
            }
        }
        drop(running);
        // What the guest still does belongs to requests that were answered.
        let rest = poll_fn(|cx| accessor.poll_no_interesting_tasks(cx));
        let _ = time::timeout(self.after_response, rest).await;
        Ok(())
    }

    /// Turns away whoever took a seat in an instance that does not live.
    fn refuse(&self, mut tickets: mpsc::UnboundedReceiver<Ticket>, failure: &Failure) {
        self.room.retire();
        tickets.close();
        while let Ok(ticket) = tickets.try_recv() {
            let _ = ticket.done.send(Err(failure.clone()));
        }
    }
}

/// What a running shared instance does at a tick: charge the call that runs, then obey the lane.
fn tick(mut store: StoreContextMut<'_, State>, ledger: &Ledger, task: &Arc<Task>) -> wasmtime::Result<UpdateDeadline> {
    let root = store.async_call_stack()?.last();
    if !ledger.charge(task.cpu(), root) {
        return Err(Ended::Cpu.into());
    }
    instance::obey(task.interrupted())
}
