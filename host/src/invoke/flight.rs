//! One admitted request in a guest, until its response's head.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, future::Either};
use http::{Method, Request, Response};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::{
    Entry, Inner, Passage, Trigger,
    answer::Answer,
    hold::Hold,
    prepare::{self, BodyFault},
};
use crate::{
    body::{Body, unheard},
    capability::{Caller, Trace, http::Allowance},
    config::{Limits, OnDisconnect},
    failure::{Code, Failure},
    guest::{Call, Meter},
    lanes::{Panicked, Running, Task},
    registry::LivePlugin,
    telemetry::{OpenRecord, PluginMetrics, Record, RequestId},
};

/// A guest at work for one request, and what it is charged to.
pub(super) struct Flight {
    pub(super) host: Arc<Inner>,
    pub(super) plugin: Arc<LivePlugin>,
    pub(super) request_id: RequestId,
    trigger: Trigger,
    pub(super) ledger: Ledger,
    /// `None` once the guest has ended.
    pub(super) running: Option<Running<Result<(), Failure>>>,
    hold: Hold,
    pub(super) fault: Arc<BodyFault>,
    pub(super) is_head: bool,
}

/// Where a request's use of the host is read and noted.
pub(super) struct Ledger {
    /// `None` once the request is over and only its work goes on.
    record: Option<OpenRecord>,
    task: Arc<Task>,
    meter: Arc<Meter>,
    counts_fuel: bool,
    /// CPU time and fuel that are counted already.
    settled: (Duration, u64),
}

type Head = oneshot::Receiver<Result<Response<Body>, Failure>>;

impl Flight {
    /// Runs an admitted request until its response's head; the body goes on with the rest of it.
    pub(super) fn start(
        host: &Arc<Inner>,
        passage: Passage,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, Failure>> + Send + use<> {
        let (flight, head, deadline) = Self::launch(host, passage, request);
        let on_disconnect = flight.plugin.manifest.on_disconnect;
        let until_head = flight.until_head(head, deadline);
        match on_disconnect {
            OnDisconnect::Cancel => Either::Left(until_head),
            // On a task of its own the guest reaches its head whether somebody still waits or not; the answer's own drop
            // sees to the rest.
            OnDisconnect::Finish => Either::Right(
                tokio::spawn(until_head)
                    .map(|ended| ended.unwrap_or_else(|error| Err(Failure::plain(Code::HostPanic).inside(error)))),
            ),
        }
    }

    fn launch(host: &Arc<Inner>, passage: Passage, request: Request<Body>) -> (Self, Head, Instant) {
        let plugin = Arc::clone(&passage.found.plugin);
        let limits = super::limits(&plugin, passage.entry.trigger);
        let deadline = Instant::now() + limits.timeout;
        let deadline = passage.entry.latest.map_or(deadline, |latest| latest.min(deadline));
        let is_head = request.method() == Method::HEAD;
        let (request, fault) = prepare::for_guest(&passage, request);
        let Passage { entry: Entry { record, request_id, hop, trigger, .. }, admitted, .. } = passage;
        record.note(|record| record.queue = admitted.waited);
        let hold = Hold::new(admitted.permit);
        let task = Task::new(plugin.who, plugin.manifest.lane, limits.cpu);
        let meter = Arc::new(Meter::default());
        let caller = Caller {
            who: plugin.who,
            tenant: Arc::clone(&plugin.owner.tenant),
            manifest: Arc::clone(&plugin.manifest),
            request_id,
            hop,
            deadline,
            trace: Trace::of(request.headers(), &request_id),
            allowance: Allowance::default(),
            is_job: trigger.is_job(),
        };
        let (head, answered) = oneshot::channel();
        let call = Call {
            request,
            caller,
            task: Arc::clone(&task),
            meter: Arc::clone(&meter),
            metrics: Arc::clone(&plugin.metrics),
            head,
        };
        let (guest, held) = (plugin.guest.clone(), hold.clone());
        let (account, clock) = (Arc::clone(&task), Arc::clone(&meter));
        let running = host.lanes.run(Arc::clone(&task), async move {
            let ended = guest.run(call).await;
            clock.ended(account.cpu());
            drop(held);
            ended
        });
        let ledger = Ledger {
            record: Some(record),
            task,
            meter,
            counts_fuel: limits.fuel.is_some(),
            settled: (Duration::ZERO, 0),
        };
        let flight = Self {
            host: Arc::clone(host),
            plugin,
            request_id,
            trigger,
            ledger,
            running: Some(running),
            hold,
            fault,
            is_head,
        };
        (flight, answered, deadline)
    }

    async fn until_head(mut self, head: Head, deadline: Instant) -> Result<Response<Body>, Failure> {
        let ended = self.head(head, deadline).await;
        // A request body that broke off is the reason for whatever the guest made of it.
        match self.fault.failure().map_or(ended, Err) {
            Ok(response) => Ok(Answer::wrap(response, self)),
            Err(failure) => {
                self.ledger.fail(&failure);
                self.end();
                Err(failure)
            }
        }
    }

    /// The head, the guest's end without one, or the end of its time.
    async fn head(&mut self, head: Head, deadline: Instant) -> Result<Response<Body>, Failure> {
        let plugin = Arc::clone(&self.plugin);
        let (mut head, mut ended) = (Some(head), None);
        // Most guests give their head at once, and no clock is needed.
        let mut clocks = None;
        poll_fn(|cx| {
            if let Some(answer) = answered(&mut head, &mut unheard()) {
                return Poll::Ready(answer);
            }
            // The guest before the clock: work that is done in time is not thrown away for a late look.
            ended = ended.take().or_else(|| self.poll_guest(cx));
            if let Some(answer) = self.look(cx, |cx| answered(&mut head, cx)) {
                return Poll::Ready(answer);
            }
            match &ended {
                Some(Err(failure)) => return Poll::Ready(Err(failure.clone())),
                Some(Ok(())) if head.is_none() => {
                    let failure = Failure::new(Code::BadResponse, "The plugin ended without giving a response.");
                    return Poll::Ready(Err(failure));
                }
                _ => {}
            }
            let (timer, overdue) =
                clocks.get_or_insert_with(|| (Box::pin(sleep_until(deadline)), Box::pin(plugin.overdue())));
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Failure::plain(Code::Timeout)));
            }
            if overdue.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Failure::plain(Code::Draining)));
            }
            Poll::Pending
        })
        .await
    }

    /// What the request may use.
    pub(super) fn limits(&self) -> &Limits {
        super::limits(&self.plugin, self.trigger)
    }

    /// The response's last byte is out. What the guest still does is background work, if there is a permit for it.
    pub(super) fn land(mut self, body: Body) {
        self.settle();
        let limit = self.limits().after_response;
        if self.running.is_none() {
            return;
        }
        if limit.is_zero() || !self.hold.go_on() {
            self.end();
            self.plugin.metrics.background_ended("no-permit");
            return;
        }
        self.ledger.let_go();
        let host = Arc::clone(&self.host);
        host.background.go_on(self, body, limit);
    }

    /// The response broke, or its reader left: the guest goes, and the request is over.
    pub(super) fn crash(mut self, failure: &Failure) {
        self.ledger.fail(failure);
        self.end();
    }

    /// Ends the guest. It goes before its account is settled, so that what it used up to its end is in it.
    pub(super) fn end(&mut self) {
        self.running = None;
        self.settle();
    }

    fn settle(&mut self) {
        self.ledger.settle(&self.plugin.metrics, &self.fault);
    }

    /// Looks at something that the guest makes, beside [`Flight::poll_guest`].
    pub(super) fn look<R>(&self, cx: &mut Context<'_>, look: impl FnOnce(&mut Context<'_>) -> R) -> R {
        match &self.running {
            Some(running) => running.look(cx, look),
            None => look(cx),
        }
    }

    /// Moves the guest on; its end, once. A failure is on the record at once, whoever hears of it.
    pub(super) fn poll_guest(&mut self, cx: &mut Context<'_>) -> Option<Result<(), Failure>> {
        let ended = match Pin::new(self.running.as_mut()?).poll(cx) {
            Poll::Ready(Ok(ended)) => ended,
            Poll::Ready(Err(Panicked(text))) => {
                self.host.metrics.panicked();
                tracing::error!(panic = text, "host code panicked while serving a request");
                Err(Failure::plain(Code::HostPanic).inside(text))
            }
            Poll::Pending => return None,
        };
        self.running = None;
        if let Err(failure) = &ended {
            self.ledger.fail(failure);
        }
        Some(ended)
    }
}

/// What the guest sent, once. `head` is `None` when nothing can come any more.
fn answered(head: &mut Option<Head>, cx: &mut Context<'_>) -> Option<Result<Response<Body>, Failure>> {
    let Poll::Ready(answer) = Pin::new(head.as_mut()?).poll(cx) else { return None };
    *head = None;
    answer.ok()
}

impl Drop for Flight {
    /// A client that leaves before the head drops the flight as it is: what its guest used was used all the same.
    fn drop(&mut self) {
        if self.running.is_some() {
            self.end();
        }
    }
}

impl Ledger {
    pub(super) fn fail(&self, failure: &Failure) {
        self.note(|record| record.fail(failure));
    }

    /// Notes what was used so far on the record. Once that is emitted, because the client left a guest that finishes or
    /// because the response is out, what was used since goes to the plugin's count directly.
    fn settle(&mut self, metrics: &PluginMetrics, fault: &BodyFault) {
        let (cpu, fuel) = (self.cpu(), if self.counts_fuel { self.meter.fuel() } else { 0 });
        let noted = self.note(|record| {
            record.cpu = cpu;
            record.fuel = self.counts_fuel.then_some(fuel);
            record.bytes_in = fault.read();
            record.outbound = self.meter.outbound();
        });
        if !noted {
            metrics.spent(cpu.saturating_sub(self.settled.0), fuel.saturating_sub(self.settled.1));
        }
        self.settled = (cpu, fuel);
    }

    /// Lets the record be written as soon as the response's reader is done, though work goes on.
    fn let_go(&mut self) {
        self.record = None;
    }

    /// Answers `false` when there is no record any more to note it on.
    fn note(&self, known: impl FnOnce(&mut Record)) -> bool {
        self.record.as_ref().is_some_and(|record| record.note(known))
    }

    /// CPU time used so far, in whatever instance.
    fn cpu(&self) -> Duration {
        self.task.cpu().max(self.meter.whole_cpu()) + self.meter.shared_cpu()
    }
}
